//! A rollback seen through: glances, their end, and what was good before.

use crate::engine_desk::{Desk, id, submission};
use crate::engine_moments::{begun, overridden};
use haldane::engine::Limits;
use haldane::engine::after::{Outcome, Seen};
use haldane::engine::event::{Event, SendReply, Ticket};
use haldane::engine::glance::{Course, RECOVERY_WITHIN};
use haldane::engine::subscription::Moment;
use haldane::engine::verdict::Verdict;
use haldane::judge::judgement::{Judgement, Label};
use haldane::time::Span;

pub(crate) fn watching() -> Limits {
    Limits {
        recovery_within: Span::from_s(300),
        ..Limits::default()
    }
}

pub(crate) const HEARS: [Moment; 3] = [
    Moment::Verdict,
    Moment::Recovered,
    Moment::RollbackIneffective,
];

/// Goes on to the next fetch, taking messages as they come; `None` when nothing is left to do.
pub(crate) fn next_fetch(desk: &mut Desk) -> Option<haldane::engine::effect::FetchOrder> {
    loop {
        while desk.append_ok() {}
        while let Some(order) = desk.sends.pop() {
            desk.replied(&order, SendReply::Accepted { status: 200 });
            while desk.append_ok() {}
        }
        if let Some(order) = desk.fetches.pop() {
            return Some(order);
        }
        let wake = desk.wake?;
        desk.at(wake.max(desk.now));
    }
}

/// One glance that sees what `change` makes of it.
pub(crate) fn glance(desk: &mut Desk, change: impl FnOnce(&mut Judgement)) -> bool {
    let Some(order) = next_fetch(desk) else {
        return false;
    };
    desk.fetched(&order);
    let order = desk.judges.pop().unwrap();
    desk.judged_but(&order, Label::Undecided, change);
    while desk.append_ok() {}
    true
}

pub(crate) fn bad(seen: &mut Judgement) {
    for finding in &mut seen.findings {
        finding.canary.level = Some(2.0);
    }
}

pub(crate) fn gone(seen: &mut Judgement) {
    for finding in &mut seen.findings {
        finding.canary.n = 0;
    }
}

pub(crate) fn blind(seen: &mut Judgement) {
    gone(seen);
    for finding in &mut seen.findings {
        finding.baseline.n = 0;
    }
}

/// How the watch of `a1` ended and how many messages of what moments there were.
pub(crate) fn ended(desk: &Desk) -> (Option<Outcome>, Vec<&'static str>) {
    let view = &desk.published[&id("a1")];
    let verdict = view.conclusion.as_ref().map(|c| c.verdict);
    assert_eq!(verdict, Some(Verdict::Rollback), "A4");
    let watch = view.after.watch.as_ref().unwrap();
    let words = view.deliveries.iter().map(|m| m.moment.word());
    (watch.ending.as_ref().map(|e| e.outcome), words.collect())
}

pub(crate) fn rolled_back() -> Desk {
    let mut desk = begun(watching(), &HEARS);
    overridden(&mut desk, Verdict::Rollback);
    desk
}

#[test]
fn two_good_glances_in_a_row_are_a_recovery() {
    let mut desk = rolled_back();
    assert!(glance(&mut desk, bad));
    assert!(glance(&mut desk, |_| {}), "within its limit");
    assert!(glance(&mut desk, bad));
    assert!(glance(&mut desk, gone));
    assert_eq!(ended(&desk).0, None);
    assert!(glance(&mut desk, gone));
    assert_eq!(
        ended(&desk),
        (Some(Outcome::Recovered), vec!["verdict", "recovered"])
    );
    assert!(!glance(&mut desk, bad), "it is over");
    let before = desk.published.clone();
    assert!(desk.crash().is_empty());
    assert_eq!(before, desk.published);
    assert!(desk.engine.is_idle());
}

#[test]
fn what_is_wrong_to_the_end_was_rolled_back_in_vain() {
    let mut desk = rolled_back();
    for _ in 0..5 {
        assert!(glance(&mut desk, bad));
    }
    let (outcome, words) = ended(&desk);
    assert_eq!(outcome, Some(Outcome::Ineffective));
    assert_eq!(words, ["verdict", "rollback_ineffective"]);
    let watch = desk.published[&id("a1")].after.watch.clone().unwrap();
    assert_eq!(watch.newest.unwrap().seen, Seen::Burning);
    let detail = watch.ending.unwrap().detail;
    assert!(detail.contains("latency of the canary is 2"), "{detail}");
}

#[test]
fn a_burning_objective_counts_only_if_it_burned_at_the_verdict() {
    let burning = |seen: &mut Judgement| {
        let mut objective = crate::engine_plans::objective(false, false, Vec::new());
        objective.canary_burn = Some(3.0);
        seen.objectives.push(objective);
    };
    let mut desk = rolled_back();
    for _ in 0..5 {
        assert!(glance(&mut desk, burning));
    }
    assert_eq!(ended(&desk).0, Some(Outcome::Ineffective));
}

#[test]
fn without_data_nobody_says_that_it_helped() {
    let mut desk = rolled_back();
    for number in 0..5 {
        if number == 2 {
            let order = next_fetch(&mut desk).unwrap();
            desk.fetch_fails(&order, true, "connection refused");
            continue;
        }
        assert!(glance(&mut desk, blind));
    }
    while desk.append_ok() {}
    assert_eq!(ended(&desk), (Some(Outcome::Unknown), vec!["verdict"]));
}

/// A glance in which the metric `errors` has no data of the canary, and the other one is well.
fn half_blind(seen: &mut Judgement) {
    let errors = seen
        .findings
        .iter_mut()
        .find(|f| f.metric.as_str() == "errors");
    errors.unwrap().canary.n = 0;
}

#[test]
fn silence_breaks_the_row_of_good_glances() {
    type Change = fn(&mut Judgement);
    let well: Change = |_| {};
    let cases: [(&[Change], Outcome); 6] = [
        (&[well, blind, well, blind, well], Outcome::Unknown),
        (&[bad, well, blind, blind, blind], Outcome::Unknown),
        (&[bad, bad, bad, bad, well], Outcome::Unknown),
        (&[bad, bad, blind, blind, blind], Outcome::Ineffective),
        (
            &[well, half_blind, half_blind, half_blind, well],
            Outcome::Unknown,
        ),
        (&[bad, blind, well, well], Outcome::Recovered),
    ];
    for (idx, (glances, outcome)) in cases.into_iter().enumerate() {
        let mut desk = rolled_back();
        for change in glances {
            assert!(glance(&mut desk, *change), "case {idx}");
        }
        assert_eq!(ended(&desk).0, Some(outcome), "case {idx}");
    }
}

#[test]
fn what_never_had_data_is_not_gone() {
    let mut desk = rolled_back();
    while glance(&mut desk, gone) {}
    assert_eq!(ended(&desk).0, Some(Outcome::Unknown));
    let ending = desk.published[&id("a1")]
        .after
        .watch
        .clone()
        .unwrap()
        .ending;
    assert!(ending.unwrap().detail.contains("never had any"));
}

#[test]
fn a_restart_goes_on_with_the_glance_that_is_due() {
    let mut desk = rolled_back();
    assert!(glance(&mut desk, bad));
    assert!(desk.crash().is_empty());
    assert!(glance(&mut desk, bad));
    // Away until after the end: as many windows as must be well are still looked at.
    let order = next_fetch(&mut desk).unwrap();
    desk.now = desk.now.plus(Span::from_s(1_000));
    desk.crash();
    let late = next_fetch(&mut desk).unwrap();
    assert!(late.to > order.to && late.look == 4);
    desk.fetched(&late);
    let judge = desk.judges.pop().unwrap();
    // The lost question may be answered all the same; it changes nothing.
    desk.fetched(&order);
    desk.judged_but(&judge, Label::Undecided, bad);
    while desk.append_ok() {}
    assert_eq!(ended(&desk).0, None);
    assert!(glance(&mut desk, bad));
    assert_eq!(ended(&desk).0, Some(Outcome::Ineffective));

    // Away for longer than anybody waits: it is not looked at any more.
    let mut desk = rolled_back();
    assert!(glance(&mut desk, bad));
    desk.now = desk.now.plus(Span::from_s(100_000));
    assert!(desk.crash().is_empty());
    assert!(next_fetch(&mut desk).is_none());
    let (outcome, words) = ended(&desk);
    assert_eq!(outcome, Some(Outcome::Unknown), "that is said");
    assert_eq!(words, ["verdict"]);
    let before = desk.disk.len();
    assert!(desk.crash().is_empty());
    while desk.append_ok() {}
    assert_eq!(desk.disk.len(), before, "once");
}

#[test]
fn only_rollbacks_are_watched_and_only_as_many_as_there_is_room_for() {
    for verdict in [Verdict::Promote, Verdict::Inconclusive] {
        let mut desk = begun(watching(), &HEARS);
        overridden(&mut desk, verdict);
        assert!(next_fetch(&mut desk).is_none());
    }
    let limits = Limits {
        watched_max: 0,
        ..watching()
    };
    let mut desk = begun(limits, &HEARS);
    overridden(&mut desk, Verdict::Rollback);
    assert!(next_fetch(&mut desk).is_none());
    let ending = desk.published[&id("a1")]
        .after
        .watch
        .clone()
        .unwrap()
        .ending;
    let ending = ending.unwrap();
    assert_eq!(ending.outcome, Outcome::Unknown);
    assert_eq!(ending.detail, "0 rollbacks were watched already, the limit");
}

#[test]
fn the_windows_of_glances_follow_one_another() {
    let plan = crate::engine_plans::plan("x", 600, 10);
    let at = crate::engine_plans::START.plus(Span::from_ms(61_234));
    let course = Course::new(&plan, at, RECOVERY_WITHIN);
    assert_eq!((course.every, course.glances), (Span::from_s(60), 15));
    assert_eq!(course.needed, 2);
    let (from, to) = course.window(1);
    assert!(from >= at && from.since(at) < Span::from_s(15));
    assert_eq!(course.window(2).0, to);
    assert_eq!(course.newest_due(course.due(1)), 1);
    assert_eq!(course.newest_due(course.due(1).minus(Span::from_ms(1))), 0);
    assert_eq!(
        course.newest_due(course.until().plus(Span::from_s(9999))),
        15
    );
}

#[test]
fn a_rollback_names_what_was_promoted_last_in_its_place() {
    let mut desk = Desk::new(watching(), crate::engine_plans::START);
    let decided = |desk: &mut Desk, name: &str, verdict, environment: Option<&str>| {
        let mut new = submission(name, None, &format!("600:10:{name}"), 1);
        let mut plan = (*new.plan).clone();
        plan.rollout.deploy.environment = environment.map(str::to_owned);
        new.plan = std::sync::Arc::new(plan);
        let ticket = |n: usize| Ticket(1 + 2 * desk.answers.len() as u64 + n as u64);
        let (submit, decide) = (ticket(0), ticket(1));
        desk.tell(Event::Submitted {
            ticket: submit,
            submission: Box::new(new),
        });
        while desk.append_ok() {}
        desk.tell(Event::Overridden {
            ticket: decide,
            id: id(name),
            verdict,
            author: "ada".to_owned(),
            reason: "a test".to_owned(),
        });
        while desk.append_ok() {}
        let good = desk.published[&id(name)].after.last_good.clone();
        good.map(|good| good.analysis.to_string())
    };
    assert_eq!(decided(&mut desk, "r0", Verdict::Rollback, None), None);
    assert_eq!(decided(&mut desk, "p1", Verdict::Promote, None), None);
    decided(&mut desk, "p2", Verdict::Promote, Some("test"));
    let good = decided(&mut desk, "r1", Verdict::Rollback, None);
    assert_eq!(good.as_deref(), Some("p1"));
    decided(&mut desk, "p3", Verdict::Promote, None);
    assert_eq!(desk.good["web"].analysis, id("p3"));
    assert_eq!(desk.good["web"].revision.as_deref(), Some("600:10:p3"));
    // What a message said stays, whatever is promoted later, and over a restart.
    let sent = desk
        .sends
        .iter()
        .find(|order| order.view.id == id("r1"))
        .unwrap()
        .clone();
    assert_eq!(
        sent.view.after.last_good.as_ref().unwrap().analysis,
        id("p1")
    );
    assert_eq!(
        decided(&mut desk, "r2", Verdict::Rollback, None).as_deref(),
        Some("p3")
    );
}

#[test]
fn a_page_says_what_came_after_the_verdict_with_the_figures() {
    let report = |desk: &Desk| {
        let view = desk.published[&id("a1")].clone();
        haldane::wire::report::ReportDocument::of_analysis(&view, &desk.disk)
    };
    let mut desk = begun(watching(), &HEARS);
    assert_eq!(report(&desk).aftermath, None, "before the verdict");
    overridden(&mut desk, Verdict::Rollback);
    let fresh = haldane::report::html(&report(&desk));
    for said in [
        "After the verdict",
        "nobody has taken note",
        "watching",
        "none known",
    ] {
        assert!(fresh.contains(said), "{said}");
    }
    assert!(glance(&mut desk, bad));
    assert!(glance(&mut desk, |_| {}));
    assert!(glance(&mut desk, |_| {}));
    let done = report(&desk);
    let after = done.aftermath.as_ref().unwrap();
    assert_eq!(after.glances.len(), 3);
    assert_eq!(after.acknowledged_after_ms, Some(0));
    let recovery = after.recovery.as_ref().unwrap();
    assert_eq!(recovery.by.as_deref(), Some("comparison"));
    assert!(recovery.after_ms > Some(180_000));
    assert_eq!(recovery.figures.len(), 2);
    let (page, comment) = (
        haldane::report::html(&done),
        haldane::report::details(&done),
    );
    for said in [
        "recovered",
        "told by comparison",
        "https://receiver-0.example",
        "errors",
    ] {
        assert!(page.contains(said), "{said}");
        assert!(comment.contains(said), "{said}");
    }
    assert!(page.contains("Looks after the verdict as a table"));
    // It is a function of the records: after a restart it is the same.
    assert!(desk.crash().is_empty());
    assert_eq!(report(&desk), done);
    let text = serde_json::to_string(&done).unwrap();
    let back: haldane::wire::report::ReportDocument = serde_json::from_str(&text).unwrap();
    assert_eq!(back, done);
}

#[test]
fn who_takes_no_note_in_time_is_counted_until_somebody_does() {
    let mut desk = Desk::new(Limits::default(), crate::engine_plans::START);
    let mut new = submission("a1", None, "600:10:x acknowledge", 0);
    assert!(new.plan.recovery.is_some(), "as the text says");
    new.key = None;
    desk.tell(Event::Submitted {
        ticket: Ticket(1),
        submission: Box::new(new),
    });
    while desk.append_ok() {}
    overridden(&mut desk, Verdict::Rollback);
    let counted = |desk: &Desk| desk.engine.stats().unacknowledged;
    assert_eq!(counted(&desk), 0);
    desk.pass(Span::from_s(121));
    assert_eq!(counted(&desk), 1);
    assert!(desk.crash().is_empty());
    assert_eq!(counted(&desk), 1, "a restart forgets nothing");
    desk.tell(Event::Acknowledged {
        ticket: Ticket(60),
        id: id("a1"),
        author: "ada".to_owned(),
    });
    while desk.append_ok() {}
    assert_eq!(counted(&desk), 0);
    let after = desk.published[&id("a1")].after.clone();
    let (noted, by) = (after.acknowledged.unwrap(), after.acknowledge_by.unwrap());
    assert!(noted.at > by, "too late, and it shows");
}
