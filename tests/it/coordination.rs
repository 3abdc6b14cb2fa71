//! How analyses stand to one another, on the engine: queues, releases, waves, freezes, shadows;
//! and that a crash at any record changes nothing of it.

use crate::engine_desk::{Desk, id, submission};
use crate::engine_plans::START;
use haldane::dialect::{Dialect, Dialects, State, Word};
use haldane::engine::Limits;
use haldane::engine::coordination::freeze::Freeze;
use haldane::engine::coordination::{Concurrent, Coordination, Release, Wave};
use haldane::engine::effect::{Answer, Refusal};
use haldane::engine::event::{Event, Ticket};
use haldane::engine::record::Fact;
use haldane::engine::verdict::{Hold, Verdict};
use haldane::engine::view::{Status, View};
use haldane::judge::judgement::Label;
use haldane::plan::Plan;
use haldane::plan::rollout::Deploy;
use haldane::time::{Span, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an analysis shows at every look.
type Shows = BTreeMap<&'static str, Label>;

/// A desk, and what each analysis is to show.
pub(crate) struct Stage {
    pub(crate) desk: Desk,
    pub(crate) shows: Shows,
    tickets: u64,
}

/// Ten looks in ten minutes, no promote before five.
const TEMPLATE: &str = "600:10:x";

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self {
            desk: Desk::new(limits, START),
            shows: Shows::new(),
            tickets: 0,
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Submits a deploy of `service`; returns the answer once it is durable.
    pub(crate) fn submit(
        &mut self,
        name: &'static str,
        deploy: Deploy,
        coordination: Coordination,
    ) -> Answer {
        let ticket = self.offer(name, deploy, coordination);
        while self.desk.append_ok() {}
        self.desk.answers.get(&ticket).expect("an answer").clone()
    }

    /// The same without a word about the store.
    fn offer(&mut self, name: &'static str, deploy: Deploy, coordination: Coordination) -> Ticket {
        let mut submission = submission(name, None, TEMPLATE, 1);
        let mut plan = Plan::clone(&submission.plan);
        plan.rollout.deploy = deploy;
        plan = plan.starting(self.desk.now);
        plan.digest = submission.plan.digest;
        submission.plan = Arc::new(plan);
        submission.coordination = coordination;
        let ticket = self.ticket();
        let submission = Box::new(submission);
        self.desk.tell(Event::Submitted { ticket, submission });
        ticket
    }

    /// Answers whatever is asked until nothing is.
    fn answer(&mut self) {
        loop {
            if let Some(order) = self.desk.judges.pop() {
                let label = self.shows.get(order.id.as_str()).copied();
                self.desk.judged(&order, label.unwrap_or(Label::Undecided));
            } else if let Some(order) = self.desk.fetches.pop() {
                self.desk.fetched(&order);
            } else if !self.desk.append_ok() {
                return;
            }
        }
    }

    /// Lets time go on to `minutes` after the start, every wish to be woken granted.
    pub(crate) fn until(&mut self, minutes: i64) {
        let end = START.plus(Span::from_s(60 * minutes));
        self.answer();
        while let Some(wake) = self.desk.wake.filter(|wake| *wake <= end) {
            self.desk.at(wake.max(self.desk.now));
            self.answer();
        }
        self.desk.at(end);
        self.answer();
    }

    /// Lets time go on at once to so many seconds after the start.
    pub(crate) fn at_seconds(&mut self, s: i64) {
        self.answer();
        self.desk.at(START.plus(Span::from_s(s)));
        self.answer();
    }

    pub(crate) fn freeze(&mut self, name: &str, service: Option<&str>, until: Option<Timestamp>) {
        self.freeze_of(name, service, (self.desk.now, until));
    }

    /// Everything, from an instant on.
    pub(crate) fn freeze_from(&mut self, name: &str, from: Timestamp, until: Option<Timestamp>) {
        self.freeze_of(name, None, (from, until));
    }

    fn freeze_of(
        &mut self,
        name: &str,
        service: Option<&str>,
        (from, until): (Timestamp, Option<Timestamp>),
    ) {
        let freeze = Box::new(Freeze {
            id: id(name),
            service: service.map(str::to_owned),
            environment: None,
            region: None,
            from,
            until,
            author: "ada".to_owned(),
            reason: "incident 4711".to_owned(),
        });
        let ticket = self.ticket();
        self.desk.tell(Event::Frozen { ticket, freeze });
        self.answer();
        let answer = self.desk.answers.get(&ticket);
        assert!(matches!(answer, Some(Answer::Freeze(_))), "{answer:?}");
    }

    pub(crate) fn lift(&mut self, name: &str) -> Answer {
        let ticket = self.ticket();
        self.desk.tell(Event::Lifted {
            ticket,
            id: id(name),
            author: "ada".to_owned(),
            reason: "over".to_owned(),
        });
        self.answer();
        self.desk.answers.get(&ticket).unwrap().clone()
    }

    pub(crate) fn view(&self, name: &str) -> &View {
        let view = self.desk.published.get(&id(name));
        view.unwrap_or_else(|| panic!("{name} was never published"))
    }

    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a row of a case, written in place"
    )]
    pub(crate) fn pending(&self, name: &str, hold: Option<Hold>, says: &str) {
        let view = self.view(name);
        assert_eq!(view.conclusion, None, "{name}");
        assert_eq!(view.hold, hold, "{name}: {}", view.sentence);
        assert!(view.sentence.contains(says), "{name}: {}", view.sentence);
    }

    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a row of a case, written in place"
    )]
    pub(crate) fn ended(&self, name: &str, verdict: Verdict, hold: Option<Hold>, says: &str) {
        let view = self.view(name);
        let sentence = &view.sentence;
        let end = view.conclusion.as_ref();
        let end = end.unwrap_or_else(|| panic!("{name} has no verdict: {sentence}"));
        assert_eq!((end.verdict, &end.hold), (verdict, &hold), "{sentence}");
        assert!(end.sentence.contains(says), "{name}: {}", end.sentence);
    }
}

pub(crate) fn deploy(service: &str, revision: &str) -> Deploy {
    Deploy {
        service: service.to_owned(),
        revision: Some(revision.to_owned()),
        ..Deploy::default()
    }
}

pub(crate) fn by(concurrent: Concurrent) -> Coordination {
    Coordination {
        concurrent,
        ..Coordination::default()
    }
}

pub(crate) fn release(members: &[&str], order: Option<u32>) -> Coordination {
    let members = members.iter().map(|member| (*member).to_owned()).collect();
    Coordination {
        release: Some(Release {
            group: "r1".to_owned(),
            members,
            order,
        }),
        ..Coordination::default()
    }
}

pub(crate) fn wave(index: u32) -> Coordination {
    Coordination {
        wave: Some(Wave {
            name: "v2".to_owned(),
            index,
        }),
        ..Coordination::default()
    }
}

pub(crate) fn in_region(region: &str) -> Deploy {
    Deploy {
        region: Some(region.to_owned()),
        ..deploy("pay", "v2")
    }
}

#[test]
fn deploys_that_are_allowed_go_on_side_by_side() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v1"), Coordination::default());
    stage.submit("b", deploy("pay", "v2"), Coordination::default());
    stage.shows = Shows::from([("a", Label::Within), ("b", Label::Within)]);
    stage.until(6);
    stage.ended("a", Verdict::Promote, None, "");
    stage.ended("b", Verdict::Promote, None, "");
    let kinds = |fact: &Fact| matches!(fact, Fact::Queued { .. } | Fact::Held { .. });
    assert!(
        !stage
            .desk
            .disk
            .iter()
            .any(|(_, record)| kinds(&record.fact))
    );
}

#[test]
fn a_queued_deploy_waits_and_its_clock_starts_when_the_other_is_resolved() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v1"), Coordination::default());
    stage.submit("b", deploy("pay", "v2"), by(Concurrent::Queue));
    stage.submit("c", deploy("pay", "v3"), by(Concurrent::Queue));
    // Another service, another region and the same deploy again are in nobody's way.
    stage.submit("d", deploy("cart", "v1"), by(Concurrent::Queue));
    stage.submit("e", in_region("eu-1"), by(Concurrent::Queue));
    stage.submit("f", deploy("pay", "v1"), by(Concurrent::Queue));
    stage.shows = Shows::from([("a", Label::Within), ("b", Label::Within)]);
    stage.pending("b", None, "waits for analysis a of pay");
    stage.pending("c", None, "waits for analysis b of pay");
    assert_eq!(stage.view("b").status, Status::Waiting);
    assert_eq!(stage.view("d").behind, None);
    assert_eq!(stage.view("e").behind, None);
    // `f` is the deploy of `a`, but not that of `b` and `c`, which were there before.
    assert_eq!(stage.view("f").behind, Some(id("c")));
    stage.until(4);
    assert_eq!(
        stage.view("b").looks,
        0,
        "nothing is looked at before its time"
    );
    stage.until(6);
    stage.ended("a", Verdict::Promote, None, "");
    assert_eq!(stage.view("b").hold, None);
    let began = stage.view("b").plan.timing.start;
    let resolved = stage.view("a").conclusion.as_ref().unwrap().at;
    assert!(began >= resolved && began < resolved.plus(Span::from_s(15)));
    stage.pending("c", None, "waits for analysis b of pay");
    stage.until(12);
    stage.ended("b", Verdict::Promote, None, "");
    assert_eq!(stage.view("c").behind, None);
    // Ten minutes of its own, from when `b` was resolved.
    let length = stage.view("c").plan.timing;
    assert_eq!(length.deadline.since(length.start), Span::from_s(600));
}

#[test]
fn a_queue_closes_up_when_one_in_it_is_cancelled() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v1"), Coordination::default());
    stage.submit("b", deploy("pay", "v2"), by(Concurrent::Queue));
    stage.submit("c", deploy("pay", "v3"), by(Concurrent::Queue));
    let ticket = stage.ticket();
    let (author, reason) = ("ada".to_owned(), "not this one".to_owned());
    let id = id("b");
    stage.desk.tell(Event::Cancelled {
        ticket,
        id,
        author,
        reason,
    });
    stage.answer();
    stage.ended("b", Verdict::Inconclusive, None, "cancelled by ada");
    stage.pending("c", None, "waits for analysis a of pay");
}

#[test]
fn a_newer_deploy_supersedes_the_older_ones() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v1"), Coordination::default());
    stage.until(2);
    stage.submit("b", deploy("pay", "v2"), by(Concurrent::Queue));
    stage.submit("c", deploy("pay", "v3"), by(Concurrent::Supersede));
    stage.answer();
    let superseded = Some(Hold::Superseded);
    let says = "superseded by pay (v3), analysis c; evidence so far: ";
    stage.ended("a", Verdict::Inconclusive, superseded.clone(), says);
    stage.ended("b", Verdict::Inconclusive, superseded, says);
    let end = stage.view("a").conclusion.as_ref().unwrap();
    assert_eq!((end.row, &end.author), (1, &None));
    assert_eq!(stage.view("c").behind, None);
    assert_eq!(State::of(stage.view("a")), State::Inconclusive);
}

#[test]
fn a_second_deploy_can_be_refused_with_the_holder_named() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v1"), Coordination::default());
    let holder = id("a");
    let busy = Answer::Refused(Refusal::Busy { holder });
    let refuse = by(Concurrent::Refuse);
    assert_eq!(stage.submit("b", deploy("pay", "v2"), refuse.clone()), busy);
    let again = stage.submit("c", deploy("pay", "v1"), refuse.clone());
    assert!(matches!(again, Answer::Accepted { .. }), "the same deploy");
    stage.shows = Shows::from([("a", Label::Worse), ("c", Label::Worse)]);
    stage.until(3);
    stage.ended("a", Verdict::Rollback, None, "");
    let later = stage.submit("d", deploy("pay", "v2"), refuse);
    assert!(matches!(later, Answer::Accepted { .. }), "it is resolved");
}

#[test]
fn a_release_is_promoted_when_all_of_it_is_shown_healthy() {
    let mut stage = Stage::new();
    let group = release(&["pay", "cart"], None);
    stage.submit("a", deploy("pay", "v2"), group.clone());
    stage.shows.insert("a", Label::Within);
    stage.until(4);
    stage.pending("a", None, "");
    stage.until(6);
    let held = Some(Hold::Release);
    let says = "waits for cart (not submitted) in release r1; ";
    stage.pending("a", held.clone(), says);
    stage.submit("b", deploy("cart", "v7"), group);
    stage.until(7);
    stage.pending("a", held, "waits for cart (v7) in release r1; ");
    stage.shows.insert("b", Label::Within);
    // `b` needs five minutes of its own; `a` has until its deadline.
    stage.until(18);
    stage.ended(
        "b",
        Verdict::Inconclusive,
        Some(Hold::Release),
        "pay (v2) ended inconclusive",
    );
    stage.ended(
        "a",
        Verdict::Inconclusive,
        Some(Hold::Release),
        "waits for cart (v7)",
    );
}

#[test]
fn those_of_a_release_that_are_healthy_together_are_promoted_together() {
    let mut stage = Stage::new();
    let group = release(&["pay", "cart"], None);
    stage.submit("a", deploy("pay", "v2"), group.clone());
    stage.until(1);
    stage.submit("b", deploy("cart", "v7"), group);
    stage.shows = Shows::from([("a", Label::Within), ("b", Label::Within)]);
    stage.until(7);
    stage.ended("a", Verdict::Promote, None, "");
    stage.ended("b", Verdict::Promote, None, "");
    let at = |name| stage.view(name).conclusion.as_ref().unwrap().at;
    assert_eq!(at("a"), at("b"));
}

#[test]
fn one_of_a_release_that_fails_holds_the_rest() {
    let mut stage = Stage::new();
    let group = release(&[], None);
    stage.submit("a", deploy("pay", "v2"), group.clone());
    stage.submit("b", deploy("cart", "v7"), group);
    stage.shows = Shows::from([("a", Label::Within), ("b", Label::Worse)]);
    stage.until(2);
    stage.ended("b", Verdict::Rollback, None, "");
    let says = "release r1 is held: cart (v7) was rolled back";
    stage.pending("a", Some(Hold::Release), says);
    stage.until(11);
    stage.ended("a", Verdict::Inconclusive, Some(Hold::Release), says);
    // A second try of the one that failed takes its place.
}

#[test]
fn a_second_try_takes_the_place_of_the_one_that_failed() {
    let mut stage = Stage::new();
    let group = release(&[], None);
    stage.submit("b", deploy("cart", "v7"), group.clone());
    stage.shows = Shows::from([("b", Label::Worse)]);
    stage.until(2);
    stage.submit("a", deploy("pay", "v2"), group.clone());
    stage.submit("c", deploy("cart", "v8"), group);
    stage.shows = Shows::from([("a", Label::Within), ("c", Label::Within)]);
    stage.until(8);
    stage.ended("a", Verdict::Promote, None, "");
    stage.ended("c", Verdict::Promote, None, "");
}

#[test]
fn an_ordered_release_is_promoted_in_order() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v2"), release(&[], Some(2)));
    stage.submit("b", deploy("cart", "v7"), release(&[], Some(1)));
    stage.shows = Shows::from([("a", Label::Within), ("b", Label::Within)]);
    stage.until(6);
    stage.ended("a", Verdict::Promote, None, "");
    stage.ended("b", Verdict::Promote, None, "");
    let order: Vec<_> = stage
        .desk
        .disk
        .iter()
        .filter(|(_, record)| matches!(record.fact, Fact::Concluded { .. }))
        .map(|(_, record)| record.id.to_string())
        .collect();
    assert_eq!(order, ["b", "a"]);
}

#[test]
fn a_wave_waits_for_the_one_before_it() {
    let mut stage = Stage::new();
    stage.submit("b", in_region("eu-2"), wave(2));
    let held = Some(Hold::Wave);
    let says = "waits for wave 1 of v2, of which nothing was submitted; ";
    stage.pending("b", held.clone(), says);
    stage.submit("a", in_region("eu-1"), wave(1));
    let says = "waits for wave 1 of v2: pay in eu-1 (v2); ";
    stage.pending("b", held, says);
    stage.shows = Shows::from([("a", Label::Within), ("b", Label::Within)]);
    stage.until(6);
    stage.ended("a", Verdict::Promote, None, "");
    stage.ended("b", Verdict::Promote, None, "");
}

#[test]
fn one_bad_region_stops_all_waves_after_it() {
    let mut stage = Stage::new();
    stage.submit("a", in_region("eu-1"), wave(1));
    stage.submit("b", in_region("eu-2"), wave(2));
    stage.submit("c", in_region("eu-3"), wave(3));
    stage.shows = Shows::from([
        ("a", Label::Worse),
        ("b", Label::Within),
        ("c", Label::Worse),
    ]);
    stage.until(2);
    stage.ended("a", Verdict::Rollback, None, "");
    stage.ended("c", Verdict::Rollback, None, "");
    let says = "wave 1 of v2 is not promoted: pay in eu-1 (v2) was rolled back";
    stage.pending("b", Some(Hold::Wave), says);
    stage.until(11);
    stage.ended("b", Verdict::Inconclusive, Some(Hold::Wave), says);
}

#[test]
fn a_freeze_holds_promotes_and_lets_rollbacks_go() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v2"), Coordination::default());
    stage.submit("b", deploy("cart", "v2"), Coordination::default());
    stage.submit("c", deploy("bad", "v2"), Coordination::default());
    stage.shows = Shows::from([
        ("a", Label::Within),
        ("b", Label::Within),
        ("c", Label::Worse),
    ]);
    stage.freeze("f1", Some("pay"), None);
    stage.freeze("f2", Some("bad"), None);
    assert_eq!(stage.desk.freezes.len(), 2);
    let says = "a freeze of service pay lasts until it is lifted, by ada: incident 4711; ";
    stage.pending("a", Some(Hold::Frozen), says);
    stage.until(7);
    stage.ended("b", Verdict::Promote, None, "");
    stage.ended("c", Verdict::Rollback, None, "");
    stage.pending("a", Some(Hold::Frozen), says);
    assert!(matches!(stage.lift("f1"), Answer::Freeze(_)));
    stage.ended("a", Verdict::Promote, None, "");
    assert_eq!(stage.lift("f1"), Answer::Refused(Refusal::UnknownFreeze));
}

#[test]
fn a_freeze_ends_by_itself_and_the_promote_goes() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v2"), Coordination::default());
    stage.shows.insert("a", Label::Within);
    let until = START.plus(Span::from_s(410));
    stage.freeze("f1", None, Some(until));
    stage.until(6);
    stage.pending(
        "a",
        Some(Hold::Frozen),
        "a freeze of everything lasts until ",
    );
    stage.until(7);
    stage.ended("a", Verdict::Promote, None, "");
    assert_eq!(stage.view("a").conclusion.as_ref().unwrap().at, until);
    assert_eq!(stage.desk.freezes.len(), 0);
}

#[test]
fn what_is_frozen_at_its_deadline_is_inconclusive_and_never_rolled_back() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v2"), Coordination::default());
    stage.shows.insert("a", Label::Within);
    stage.freeze("f1", None, None);
    stage.until(11);
    let says = "a freeze of everything lasts";
    stage.ended("a", Verdict::Inconclusive, Some(Hold::Frozen), says);
    let mut view = stage.view("a").clone();
    let mut plan = Plan::clone(&view.plan);
    plan.on_inconclusive = haldane::template::OnInconclusive::Rollback;
    view.plan = Arc::new(plan);
    assert_eq!(State::of(&view), State::Inconclusive);
}

#[test]
fn a_shadow_is_watched_and_everybody_is_told_to_go() {
    let mut stage = Stage::new();
    let shadow = Coordination {
        shadow: true,
        ..release(&["pay", "cart"], None)
    };
    stage.submit("a", deploy("pay", "v2"), shadow);
    stage.submit("b", deploy("pay", "v3"), by(Concurrent::Queue));
    assert_eq!(stage.view("b").behind, None, "nobody waits for a shadow");
    let told = |view: &View| {
        let word = |dialect| Dialects::default().word(dialect, State::of(view));
        for line in haldane::dialect::DIALECTS {
            let wanted = match line.dialect {
                Dialect::FlaggerRollback => Word::Stop,
                _ => Word::Go,
            };
            assert_eq!(word(line.dialect), wanted, "{}", line.name);
        }
    };
    told(stage.view("a"));
    stage.shows.insert("a", Label::Worse);
    stage.until(2);
    // What it would have said is what it says.
    stage.ended("a", Verdict::Rollback, None, "");
    told(stage.view("a"));
}

/// Everything together, crashed after every number of durable records and gone on with: the
/// verdicts are those of the run that was never interrupted.
#[test]
fn a_crash_at_any_record_changes_no_verdict() {
    let story = |crash_at: Option<usize>| {
        let mut stage = Stage::new();
        stage.shows = Shows::from([
            ("a", Label::Within),
            ("b", Label::Within),
            ("c", Label::Within),
            ("d", Label::Within),
            ("e", Label::Worse),
            ("f", Label::Within),
        ]);
        let mut crashed = false;
        let mut point = |stage: &mut Stage| {
            let due = crash_at.is_some_and(|at| stage.desk.disk.len() >= at);
            if due && !crashed {
                crashed = true;
                assert_eq!(stage.desk.crash(), []);
                stage.answer();
            }
        };
        let all = [
            ("a", deploy("pay", "v1"), release(&["pay", "cart"], Some(1))),
            (
                "b",
                deploy("cart", "v1"),
                release(&["pay", "cart"], Some(2)),
            ),
            ("c", deploy("pay", "v2"), by(Concurrent::Queue)),
            ("d", in_region("eu-2"), wave(2)),
            ("e", in_region("eu-1"), wave(1)),
            ("f", deploy("gate", "v1"), Coordination::default()),
        ];
        for (name, deploy, coordination) in all {
            stage.submit(name, deploy, coordination);
            point(&mut stage);
        }
        stage.freeze("z", Some("gate"), Some(START.plus(Span::from_s(500))));
        point(&mut stage);
        for tick in 1..=48 {
            stage.desk.at(START.plus(Span::from_s(15 * tick)));
            loop {
                if let Some(order) = stage.desk.judges.pop() {
                    let label = stage.shows.get(order.id.as_str()).copied();
                    stage.desk.judged(&order, label.unwrap_or(Label::Undecided));
                } else if let Some(order) = stage.desk.fetches.pop() {
                    stage.desk.fetched(&order);
                } else if !stage.desk.append_ok() {
                    break;
                }
                point(&mut stage);
            }
        }
        stage.until(20);
        let ends = stage.desk.published.values().map(|view| {
            let end = view.conclusion.as_ref();
            (
                view.id.to_string(),
                end.map(|end| (end.verdict, end.hold.clone())),
            )
        });
        (ends.collect::<BTreeMap<_, _>>(), stage.desk.disk.len())
    };
    let (whole, records) = story(None);
    assert_eq!(whole["a"], Some((Verdict::Promote, None)));
    assert_eq!(whole["b"], Some((Verdict::Promote, None)));
    assert_eq!(whole["c"], Some((Verdict::Promote, None)));
    assert_eq!(whole["d"], Some((Verdict::Inconclusive, Some(Hold::Wave))));
    assert_eq!(whole["e"], Some((Verdict::Rollback, None)));
    assert_eq!(whole["f"], Some((Verdict::Promote, None)));
    for crash_at in 1..records {
        let (ends, _) = story(Some(crash_at));
        assert_eq!(ends, whole, "crashed after record {crash_at}");
    }
}

/// A crash that leaves a part of a batch behind: what the policy called for is carried out.
#[test]
fn what_a_crash_left_half_done_between_two_is_carried_out() {
    for (policy, verdict) in [
        (Concurrent::Queue, None),
        (Concurrent::Supersede, Some(Verdict::Inconclusive)),
    ] {
        let mut stage = Stage::new();
        stage.submit("a", deploy("pay", "v1"), Coordination::default());
        let durable = stage.desk.disk.len();
        stage.offer("b", deploy("pay", "v2"), by(policy));
        // Only the submission reached the disk.
        stage.desk.persist(1);
        assert_eq!(stage.desk.disk.len(), durable + 1);
        assert_eq!(stage.desk.crash(), []);
        stage.answer();
        let end = stage.view("a").conclusion.as_ref().map(|end| end.verdict);
        assert_eq!(end, verdict, "{policy:?}");
        let behind = (policy == Concurrent::Queue).then(|| id("a"));
        assert_eq!(stage.view("b").behind, behind, "{policy:?}");
    }
}
