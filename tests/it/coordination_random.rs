//! Random stories of analyses that have to do with one another, on the engine: whatever is
//! submitted, frozen, stepped, cancelled and crashed, the rules of `docs/coordination.md` hold in
//! the log, read by a referee that shares no code with the engine; everything comes to an end; and
//! a crash between two events leaves every later record as it would have been.

use crate::engine_desk::{Desk, id, submission};
use crate::engine_plans::START;
use haldane::engine::Limits;
use haldane::engine::coordination::freeze::Freeze;
use haldane::engine::coordination::{Concurrent, Coordination, Release, Wave};
use haldane::engine::event::{Event, Ticket};
use haldane::engine::record::{Fact, Record, Seq};
use haldane::engine::verdict::{Hold, Verdict};
use haldane::ids::AnalysisId;
use haldane::judge::judgement::{Judgement, Label};
use haldane::plan::Plan;
use haldane::plan::rollout::Deploy;
use haldane::time::{Span, Timestamp};
use haldane::units::Probability;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Far more than any story needs; reaching it means that something waits for ever.
const END_STEPS_MAX: usize = 20_000;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Deed {
    Submit(Box<Wish>),
    Cancel(usize),
    Override(usize, bool),
    Step(usize, u8),
    /// Service, begins in, lasts; for ever with nothing.
    Freeze(Option<u8>, u16, Option<u16>),
    Lift(usize),
    Pass(u16),
    /// Answers so many of the engine's questions.
    Answer(u8),
    /// The source is away for one question.
    Fail,
    /// The process dies; so many records of the append under way are durable.
    Crash(u8),
    /// Everything is answered.
    Quiet,
    /// Then the process dies, with nothing under way.
    QuietCrash,
}

#[derive(Clone, Debug)]
struct Wish {
    service: u8,
    region: u8,
    revision: u8,
    policy: usize,
    release: Option<(u8, Option<u32>, bool)>,
    wave: Option<u32>,
    shadow: bool,
    /// What it shows at each look, again and again.
    shows: Vec<Label>,
}

fn wish() -> impl Strategy<Value = Wish> {
    let label = prop_oneof![
        8 => Just(Label::Within),
        2 => Just(Label::Undecided),
        1 => Just(Label::Worse),
    ];
    let release = (0..2_u8, proptest::option::of(0..3_u32), any::<bool>());
    (
        (0..3_u8, 0..2_u8, 0..4_u8, 0..4_usize),
        proptest::option::weighted(0.4, release),
        proptest::option::weighted(0.3, 1..4_u32),
        proptest::bool::weighted(0.1),
        proptest::collection::vec(label, 1..4),
    )
        .prop_map(|(of, release, wave, shadow, shows)| Wish {
            service: of.0,
            region: of.1,
            revision: of.2,
            policy: of.3,
            release,
            wave,
            shadow,
            shows,
        })
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => wish().prop_map(|wish| Deed::Submit(Box::new(wish))),
        1 => (0..20_usize).prop_map(Deed::Cancel),
        1 => (0..20_usize, any::<bool>()).prop_map(|(n, good)| Deed::Override(n, good)),
        2 => (0..20_usize, 1..99_u8).prop_map(|(n, share)| Deed::Step(n, share)),
        1 => (
            proptest::option::of(0..3_u8),
            prop_oneof![Just(0), 0..400_u16],
            proptest::option::of(1..900_u16),
        )
            .prop_map(|(service, from, lasts)| Deed::Freeze(service, from, lasts)),
        1 => (0..4_usize).prop_map(Deed::Lift),
        6 => (1..120_u16).prop_map(Deed::Pass),
        8 => (1..40_u8).prop_map(Deed::Answer),
        1 => Just(Deed::Fail),
        1 => (0..6_u8).prop_map(Deed::Crash),
        2 => Just(Deed::QuietCrash),
    ]
}

/// A story, told to the engine.
struct Teller {
    desk: Desk,
    shows: BTreeMap<AnalysisId, Vec<Label>>,
    submitted: usize,
    frozen: usize,
    tickets: u64,
    /// Whether quiet crashes happen.
    dies: bool,
}

impl Teller {
    fn new(concluded_max: usize, dies: bool) -> Self {
        let limits = Limits {
            concluded_max,
            ..Limits::default()
        };
        Self {
            desk: Desk::new(limits, START),
            shows: BTreeMap::new(),
            submitted: 0,
            frozen: 0,
            tickets: 0,
            dies,
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn tell(&mut self, deed: &Deed) {
        let (author, reason) = ("ada".to_owned(), "because".to_owned());
        let analysis = |n: usize| id(&format!("a{n:03}"));
        match deed {
            Deed::Submit(wish) => self.submit(wish),
            Deed::Cancel(n) => {
                let (ticket, id) = (self.ticket(), analysis(*n));
                self.desk.tell(Event::Cancelled {
                    ticket,
                    id,
                    author,
                    reason,
                });
            }
            Deed::Override(n, good) => {
                let verdict = match good {
                    true => Verdict::Promote,
                    false => Verdict::Rollback,
                };
                let (ticket, id) = (self.ticket(), analysis(*n));
                self.desk.tell(Event::Overridden {
                    ticket,
                    id,
                    verdict,
                    author,
                    reason,
                });
            }
            Deed::Step(n, percent) => {
                let share = Probability::new(f64::from(*percent) / 100.0).unwrap();
                let (ticket, id) = (self.ticket(), analysis(*n));
                self.desk.tell(Event::Stepped { ticket, id, share });
            }
            Deed::Freeze(service, from, lasts) => self.freeze(*service, *from, *lasts),
            Deed::Lift(n) => {
                let (ticket, id) = (self.ticket(), id(&format!("f{n}")));
                self.desk.tell(Event::Lifted {
                    ticket,
                    id,
                    author,
                    reason,
                });
            }
            Deed::Pass(s) => self.desk.pass(Span::from_s(i64::from(*s))),
            Deed::Answer(times) => {
                for _ in 0..*times {
                    self.answer();
                }
            }
            Deed::Fail => {
                if let Some(order) = self.desk.fetches.pop() {
                    self.desk.fetch_fails(&order, true, "connection refused");
                }
            }
            Deed::Crash(n) => {
                self.desk.persist(usize::from(*n));
                self.crash();
            }
            Deed::Quiet => self.quiet(),
            Deed::QuietCrash => {
                self.quiet();
                if self.dies {
                    let (before, records) = (self.desk.published.clone(), self.desk.disk.len());
                    self.crash();
                    assert_eq!(self.desk.disk.len(), records, "nothing was owed");
                    assert_eq!(before, self.desk.published);
                }
            }
        }
    }

    /// Answers everything, and wakes the engine as long as it wants to be woken by now.
    fn quiet(&mut self) {
        loop {
            if self.answer() {
                continue;
            }
            match self.desk.wake {
                Some(wake) if wake <= self.desk.now => self.desk.at(self.desk.now),
                _ => return,
            }
        }
    }

    /// After a restart the engine carries out what was half done; a second restart then finds
    /// nothing to do and shows the same.
    fn crash(&mut self) {
        assert_eq!(self.desk.crash(), []);
        while self.desk.append_ok() {}
        let (before, records) = (self.desk.published.clone(), self.desk.disk.len());
        assert_eq!(self.desk.crash(), []);
        assert!(!self.desk.append_ok(), "half done after the first restart");
        assert_eq!(
            (&before, records),
            (&self.desk.published, self.desk.disk.len())
        );
    }

    fn submit(&mut self, wish: &Wish) {
        let name = format!("a{:03}", self.submitted);
        self.submitted += 1;
        let mut submission = submission(&name, None, "600:10:x", 0);
        let mut plan = Plan::clone(&submission.plan);
        plan.rollout.deploy = Deploy {
            service: format!("s{}", wish.service),
            region: Some(format!("r{}", wish.region)),
            revision: Some(format!("v{}", wish.revision)),
            ..Deploy::default()
        };
        plan = plan.starting(self.desk.now);
        plan.digest = submission.plan.digest;
        submission.plan = Arc::new(plan);
        submission.coordination = Coordination {
            shadow: wish.shadow,
            concurrent: Concurrent::ALL[wish.policy],
            release: wish.release.map(|(group, order, all)| Release {
                group: format!("g{group}"),
                members: match all {
                    true => vec!["s0".to_owned(), "s1".to_owned()],
                    false => Vec::new(),
                },
                order,
            }),
            wave: wish.wave.map(|index| Wave {
                name: "w".to_owned(),
                index,
            }),
        };
        self.shows.insert(id(&name), wish.shows.clone());
        let submission = Box::new(submission);
        let ticket = self.ticket();
        self.desk.tell(Event::Submitted { ticket, submission });
    }

    fn freeze(&mut self, service: Option<u8>, from: u16, lasts: Option<u16>) {
        let begins = self.desk.now.plus(Span::from_s(i64::from(from)));
        let freeze = Box::new(Freeze {
            id: id(&format!("f{}", self.frozen)),
            service: service.map(|n| format!("s{n}")),
            environment: None,
            region: None,
            from: begins,
            until: lasts.map(|s| begins.plus(Span::from_s(i64::from(s)))),
            author: "ada".to_owned(),
            reason: "incident".to_owned(),
        });
        self.frozen += 1;
        let ticket = self.ticket();
        self.desk.tell(Event::Frozen { ticket, freeze });
    }

    /// Answers one question of the engine. Returns whether there was one.
    fn answer(&mut self) -> bool {
        if let Some(order) = self.desk.judges.pop() {
            let shows = &self.shows[&order.id];
            let look = usize::try_from(order.look).unwrap();
            let label = shows[look % shows.len()];
            self.desk.judged(&order, label);
            return true;
        }
        if let Some(order) = self.desk.fetches.pop() {
            self.desk.fetched(&order);
            return true;
        }
        self.desk.append_ok()
    }

    /// From here on everything works, and every freeze that knows no end is lifted.
    fn end(&mut self) {
        for n in 0..self.frozen {
            self.tell(&Deed::Lift(n));
        }
        for _ in 0..END_STEPS_MAX {
            if self.answer() {
                continue;
            }
            match self.desk.wake {
                Some(wake) => {
                    let at = self.desk.now.max(wake);
                    self.desk.at(at);
                }
                None => return,
            }
        }
        panic!("something waits for ever: {:?}", self.desk.engine.stats());
    }
}

/// What the referee knows of one analysis.
struct Known<'a> {
    deploy: &'a Deploy,
    coordination: &'a Coordination,
    behind: Option<AnalysisId>,
    begun: bool,
    newest: Option<Arc<Judgement>>,
    stepped: Option<Timestamp>,
    verdict: Option<Verdict>,
}

impl Known<'_> {
    fn place(&self) -> (&str, Option<&str>) {
        (&self.deploy.service, self.deploy.region.as_deref())
    }

    fn shows(&self, label: Label) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|seen| seen.findings.iter().all(|f| f.label == label))
    }
}

/// Reads a log record by record and says what breaks a rule.
#[derive(Default)]
struct Referee<'a> {
    all: BTreeMap<&'a AnalysisId, Known<'a>>,
    /// In the order of submission.
    order: Vec<&'a AnalysisId>,
    freezes: BTreeMap<&'a AnalysisId, &'a Freeze>,
}

impl<'a> Referee<'a> {
    fn read(log: &'a [(Seq, Record)]) -> Self {
        let mut referee = Self::default();
        for (_, record) in log {
            referee.record(record);
        }
        referee
    }

    fn record(&mut self, record: &'a Record) {
        let id = &record.id;
        match &record.fact {
            Fact::Submitted {
                rollout,
                coordination,
                ..
            } => self.submitted(id, &rollout.deploy, coordination),
            Fact::Queued { behind } => {
                assert!(!self.all[behind].coordination.shadow, "behind a shadow");
                assert!(self.all[behind].verdict.is_none(), "behind nobody");
                self.of(id).behind = Some(behind.clone());
            }
            Fact::Begun { .. } => {
                assert_eq!(
                    self.rivals_before(id),
                    [] as [&AnalysisId; 0],
                    "{id} begins"
                );
                let me = self.of(id);
                (me.begun, me.behind) = (true, None);
            }
            Fact::Frozen { freeze } => drop(self.freezes.insert(id, freeze)),
            Fact::Lifted { .. } => drop(self.freezes.remove(id)),
            Fact::Held { held } => {
                let shadow = self.of(id).coordination.shadow;
                assert!(held.is_none() || !shadow, "a shadow is held");
            }
            Fact::Stepped { step } => self.of(id).stepped = Some(step.at),
            Fact::Captured { .. } => self.looked(id),
            Fact::Judged { judgement } => {
                self.looked(id);
                self.of(id).newest = Some(Arc::clone(judgement));
            }
            Fact::Concluded { conclusion } => {
                let me = self.of(id);
                assert!(me.verdict.is_none(), "A4");
                match (conclusion.verdict, conclusion.row) {
                    (_, 1) | (Verdict::Inconclusive, _) => {}
                    (Verdict::Promote, _) => self.promoted(id, record.at),
                    (Verdict::Rollback, _) => assert!(me.shows(Label::Worse), "{id}"),
                }
                if conclusion.hold == Some(Hold::Superseded) {
                    assert!(self.is_superseded(id), "by nobody");
                }
                self.of(id).verdict = Some(conclusion.verdict);
            }
            _ => {}
        }
    }

    fn of(&mut self, id: &AnalysisId) -> &mut Known<'a> {
        self.all.get_mut(id).expect("submitted")
    }

    fn submitted(
        &mut self,
        id: &'a AnalysisId,
        deploy: &'a Deploy,
        coordination: &'a Coordination,
    ) {
        let known = Known {
            deploy,
            coordination,
            behind: None,
            begun: false,
            newest: None,
            stepped: None,
            verdict: None,
        };
        self.all.insert(id, known);
        self.order.push(id);
        if coordination.concurrent == Concurrent::Refuse {
            assert_eq!(self.rivals_before(id), [] as [&AnalysisId; 0], "refused");
        }
    }

    /// Open deploys of the same place that were submitted before and that count for `id`.
    fn rivals_before(&self, id: &AnalysisId) -> Vec<&'a AnalysisId> {
        let me = &self.all[id];
        if me.coordination.shadow {
            return Vec::new();
        }
        let before = self.order.iter().take_while(|other| **other != id);
        let rivals = before.filter(|other| {
            let other = &self.all[**other];
            other.verdict.is_none()
                && !other.coordination.shadow
                && other.place() == me.place()
                && other.deploy.revision != me.deploy.revision
        });
        rivals.copied().collect()
    }

    /// Nothing is looked at while it waits, and a newer deploy that supersedes has ended it first.
    fn looked(&self, id: &AnalysisId) {
        let me = &self.all[id];
        assert!(me.behind.is_none(), "{id} is looked at while it waits");
        let wants_queue = me.coordination.concurrent == Concurrent::Queue && !me.begun;
        assert!(!wants_queue || self.rivals_before(id).is_empty(), "{id}");
        assert!(!self.is_superseded(id), "{id} goes on");
    }

    fn is_superseded(&self, id: &AnalysisId) -> bool {
        let me = &self.all[id];
        let after = self.order.iter().skip_while(|other| **other != id).skip(1);
        let mut after = after.map(|other| &self.all[*other]);
        !me.coordination.shadow
            && after.any(|other| {
                other.coordination.concurrent == Concurrent::Supersede
                    && !other.coordination.shadow
                    && other.place() == me.place()
                    && other.deploy.revision != me.deploy.revision
            })
    }

    /// Whether nothing kept it from being promoted at `at`.
    fn promoted(&self, id: &AnalysisId, at: Timestamp) {
        let me = &self.all[id];
        assert!(me.shows(Label::Within), "A5");
        let read_to = me.newest.as_ref().map(|seen| seen.covered_to);
        assert!(me.stepped < read_to, "{id}: nothing of the step was seen");
        if me.coordination.shadow {
            return;
        }
        for freeze in self.freezes.values() {
            let lasts = freeze.from <= at && freeze.until.is_none_or(|until| at < until);
            let service = freeze.service.as_ref();
            let applies = service.is_none_or(|service| *service == me.deploy.service);
            assert!(!lasts || !applies, "{id} is frozen");
        }
        if let Some(wave) = &me.coordination.wave {
            for index in 1..wave.index {
                let seats = self.seats(|other| {
                    let other = other.coordination.wave.as_ref();
                    other.is_some_and(|other| other.index == index && other.name == wave.name)
                });
                assert!(!seats.is_empty(), "{id}: wave {index} was not submitted");
                let promoted = |other: &&Known<'_>| other.verdict == Some(Verdict::Promote);
                assert!(seats.values().all(promoted), "{id}: wave {index}");
            }
        }
        if let Some(release) = &me.coordination.release {
            let mut seats = self.seats(|other| {
                let other = other.coordination.release.as_ref();
                other.is_some_and(|other| other.group == release.group)
            });
            seats.remove(&me.place());
            for (place, other) in &seats {
                let healthy = other.verdict.is_none() && other.shows(Label::Within);
                let promoted = other.verdict == Some(Verdict::Promote);
                assert!(healthy || promoted, "{id} goes without {place:?}");
            }
            for member in &release.members {
                let there = seats.keys().any(|(service, _)| service == member);
                assert!(there || *member == me.deploy.service, "without {member}");
            }
        }
    }

    /// The newest of each place, of those that are wanted.
    fn seats(
        &self,
        wanted: impl Fn(&Known<'_>) -> bool,
    ) -> BTreeMap<(&str, Option<&str>), &Known<'a>> {
        let all = self.order.iter().map(|id| &self.all[*id]);
        let wanted = all.filter(|known| !known.coordination.shadow && wanted(known));
        wanted.map(|known| (known.place(), known)).collect()
    }
}

fn told(deeds: &[Deed], concluded_max: usize, dies: bool) -> Teller {
    let mut teller = Teller::new(concluded_max, dies);
    for deed in deeds {
        teller.tell(deed);
    }
    teller.end();
    teller
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever happens and whenever the process dies, the rules hold and everything ends.
    #[test]
    fn the_rules_hold_whatever_happens(
        deeds in proptest::collection::vec(deed(), 1..60), few in any::<bool>(),
    ) {
        let teller = told(&deeds, if few { 2 } else { 1000 }, true);
        let referee = Referee::read(&teller.desk.disk);
        for (id, known) in &referee.all {
            prop_assert!(known.verdict.is_some(), "{id} never ended");
        }
        for view in teller.desk.published.values() {
            prop_assert!(view.conclusion.is_some());
        }
    }

    /// The same story gives the same log, and a death while nothing is under way is not seen in it.
    #[test]
    fn a_restart_leaves_no_trace(
        deeds in proptest::collection::vec(deed(), 1..60), few in any::<bool>(),
    ) {
        // What waits for an answer, or failed, is asked again after a restart, at another time.
        let lossless = |deed: &&Deed| !matches!(deed, Deed::Crash(_) | Deed::Fail);
        let prompt = |deed: &Deed| [Deed::Quiet, deed.clone()];
        let deeds: Vec<Deed> = deeds.iter().filter(lossless).flat_map(prompt).collect();
        let concluded_max = if few { 2 } else { 1000 };
        let whole = told(&deeds, concluded_max, false);
        let again = told(&deeds, concluded_max, false);
        prop_assert_eq!(&whole.desk.disk, &again.desk.disk);
        let restarted = told(&deeds, concluded_max, true);
        for (l, r) in whole.desk.disk.iter().zip(&restarted.desk.disk) {
            prop_assert_eq!(l, r);
        }
        prop_assert_eq!(whole.desk.disk.len(), restarted.desk.disk.len());
        prop_assert_eq!(&whole.desk.published, &restarted.desk.published);
    }
}
