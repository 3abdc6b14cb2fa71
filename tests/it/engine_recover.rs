//! The way back: one damaged analysis stays alone (A11), time does not go back, real templates
//! give their plans again.

use crate::engine_desk::{Desk, bind, id, submission};
use crate::engine_plans::{START, plan};
use haldane::engine::effect::Effect;
use haldane::engine::event::{Event, SourceFault, Ticket};
use haldane::engine::record::{Fact, Record, Seq};
use haldane::engine::recover::{Recovery, Unreadable};
use haldane::engine::{Engine, Limits, Stats};
use haldane::judge::judgement::Label;
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::template::parse::parse;
use haldane::time::Span;
use std::sync::Arc;

/// A log of two analyses: `a1` judged and cancelled, `a2` waiting.
fn log() -> Vec<(Seq, Record)> {
    let mut desk = Desk::new(Limits::default(), START);
    for name in ["a1", "a2"] {
        let submission = Box::new(submission(name, Some(name), "600:10:x", 1));
        let ticket = Ticket(u64::from(name.as_bytes()[1]));
        desk.tell(Event::Submitted { ticket, submission });
        while desk.append_ok() {}
    }
    desk.pass(Span::from_s(70));
    let order = desk.fetches[0].clone();
    desk.fetched(&order);
    let order = desk.judges[0].clone();
    desk.judged(&order, Label::Undecided);
    while desk.append_ok() {}
    desk.tell(Event::Cancelled {
        ticket: Ticket(1),
        id: id("a1"),
        author: "ada".to_owned(),
        reason: "wrong template".to_owned(),
    });
    while desk.append_ok() {}
    desk.disk
}

fn recovered(records: &[(Seq, Record)]) -> (Engine, Vec<Unreadable>, Vec<Effect>) {
    let mut recovery = Recovery::with_binder(Limits::default(), Box::new(bind));
    for (seq, record) in records {
        recovery.record(*seq, record);
    }
    let mut effects = Vec::new();
    let (engine, unreadable) = recovery.finish(START, &mut effects);
    (engine, unreadable, effects)
}

/// Damages the log and says why `a1` is unreadable then; `a2` must not notice.
#[track_caller]
fn check(damage: impl FnOnce(&mut Vec<(Seq, Record)>), why: &str) {
    let mut records = log();
    damage(&mut records);
    let (engine, unreadable, effects) = recovered(&records);
    assert_eq!(unreadable.len(), 1);
    assert_eq!(unreadable[0].id, id("a1"));
    assert_eq!(unreadable[0].why, why);
    let stats = engine.stats();
    assert_eq!((stats.waiting, stats.looking, stats.concluded), (1, 0, 0));
    let last = records.last().unwrap().0;
    assert_eq!(engine.next_seq(), Seq(last.0 + 1), "no place is used twice");
    let published: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Publish(view) => Some(view.id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(published, [id("a2")]);
}

/// The place of the first record of `a1` that fits.
fn find(records: &[(Seq, Record)], fits: fn(&Fact) -> bool) -> usize {
    let wanted = |(_, record): &(Seq, Record)| record.id == id("a1") && fits(&record.fact);
    records.iter().position(wanted).unwrap()
}

#[test]
fn an_unharmed_log_gives_everything_again() {
    let (engine, unreadable, effects) = recovered(&log());
    assert_eq!(unreadable, []);
    let expected = Stats {
        waiting: 1,
        concluded: 1,
        sending: 1,
        messages_owed: 1,
        fetching: 1,
        ..Stats::default()
    };
    assert_eq!(engine.stats(), expected);
    assert!(!engine.is_idle());
    let sends = effects.iter().filter(|e| matches!(e, Effect::Send(_)));
    assert_eq!(sends.count(), 1);
}

#[test]
fn a_damaged_analysis_is_unreadable_alone() {
    let spoil = |text: &str| {
        let text: Arc<str> = text.into();
        move |records: &mut Vec<(Seq, Record)>| {
            let at = find(records, |fact| matches!(fact, Fact::Submitted { .. }));
            if let Fact::Submitted { template_text, .. } = &mut records[at].1.fact {
                *template_text = text;
            }
        }
    };
    check(spoil("nonsense"), "no template: nonsense");
    let other = format!(
        "its template and rollout give plan {} now and gave plan {} when it was submitted; read \
         it with the version that wrote it",
        plan("600:10:y", 600, 10).digest.short(),
        plan("600:10:x", 600, 10).digest.short(),
    );
    check(spoil("600:10:y"), &other);
    check(
        |records| {
            let at = find(records, |fact| matches!(fact, Fact::Submitted { .. }));
            records.remove(at);
        },
        "record 3 precedes its submission",
    );
    check(
        |records| {
            let at = find(records, |fact| matches!(fact, Fact::Judged { .. }));
            let (seq, again) = records[at].clone();
            records.insert(at + 1, (seq, again));
        },
        "record 4 judges look 1 after look 1",
    );
    check(
        |records| {
            let (_, first) =
                records[find(records, |f| matches!(f, Fact::Submitted { .. }))].clone();
            records.insert(3, (Seq(3), first));
        },
        "record 3 submits it a second time",
    );
    check(
        |records| {
            let at = find(records, |fact| matches!(fact, Fact::Concluded { .. }));
            let (seq, again) = records[at].clone();
            records.push((Seq(seq.0 + 1), again));
        },
        "record 6 follows the conclusion and would change it",
    );
}

#[test]
fn a_record_the_store_cannot_read_keeps_its_place() {
    let records = log();
    let mut recovery = Recovery::with_binder(Limits::default(), Box::new(bind));
    for (seq, record) in &records {
        recovery.record(*seq, record);
    }
    recovery.damaged(Seq(99), &id("a2"), "checksum".to_owned());
    let (engine, unreadable) = recovery.finish(START, &mut Vec::new());
    assert_eq!(engine.next_seq(), Seq(100));
    let why = "checksum".to_owned();
    assert_eq!(unreadable, [Unreadable { id: id("a2"), why }]);
    assert_eq!(engine.stats().concluded, 1);
}

#[test]
fn the_key_of_an_unreadable_analysis_is_free() {
    let mut records = log();
    records.remove(0);
    let (mut engine, unreadable, _) = recovered(&records);
    assert_eq!(unreadable.len(), 1);
    let mut effects = Vec::new();
    let submission = Box::new(submission("a3", Some("a1"), "600:10:x", 0));
    let ticket = Ticket(1);
    engine.handle(START, Event::Submitted { ticket, submission }, &mut effects);
    assert!(matches!(effects.as_slice(), [Effect::Append(records)] if records.len() == 1));
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let records = log();
    let latest = records.iter().map(|(_, r)| r.at).max().unwrap();
    let mut recovery = Recovery::with_binder(Limits::default(), Box::new(bind));
    for (seq, record) in &records {
        recovery.record(*seq, record);
    }
    let long_ago = START.minus(Span::from_s(86_400));
    let mut effects = Vec::new();
    let (mut engine, _) = recovery.finish(long_ago, &mut effects);
    effects.clear();
    let ticket = Ticket(9);
    let event = Event::Cancelled {
        ticket,
        id: id("a2"),
        author: "ada".to_owned(),
        reason: "late".to_owned(),
    };
    engine.handle(long_ago, event, &mut effects);
    let [Effect::Append(records)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(
        records[0].1.at, latest,
        "records stand in the order of time"
    );
}

#[test]
fn sentences_name_the_person_and_the_fault() {
    let records = log();
    let conclusion = records.iter().find_map(|(_, record)| match &record.fact {
        Fact::Concluded { conclusion } => Some(conclusion),
        _ => None,
    });
    let sentence = &conclusion.unwrap().sentence;
    let start = "cancelled by ada: wrong template; evidence so far: ";
    assert!(sentence.starts_with(start), "{sentence}");

    let mut desk = Desk::new(Limits::default(), START);
    let submission = Box::new(submission("a1", None, "600:10:x", 0));
    let ticket = Ticket(1);
    desk.tell(Event::Submitted { ticket, submission });
    desk.append_ok();
    desk.pass(Span::from_s(70));
    let fault = SourceFault::of_query("parse error at 1:7");
    let (id, look) = (id("a1"), 1);
    desk.tell(Event::FetchFailed { id, look, fault });
    while desk.append_ok() {}
    let view = desk.published.values().next().unwrap();
    let wanted = "no sample was ever read, the source failed: parse error at 1:7";
    assert_eq!(view.sentence, wanted);
}

#[test]
fn a_real_template_gives_its_plan_again() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/lint/base.yaml");
    let text: Arc<str> = std::fs::read_to_string(path).unwrap().into();
    let template = parse(&text).0.unwrap();
    let inputs = template
        .inputs
        .iter()
        .map(|i| (i.name.clone(), "checkout".to_owned()));
    let rollout = Rollout {
        deploy: Deploy {
            service: "checkout".to_owned(),
            ..Deploy::default()
        },
        inputs: inputs.collect(),
        ..plan("x", 600, 10).rollout
    };
    let bound = haldane::plan::bind::bind(&template, &rollout).unwrap();
    let submission = haldane::engine::event::Submission {
        id: id("real"),
        key: None,
        template_text: text,
        plan: Arc::new(bound),
        receivers: Vec::new(),
        coordination: haldane::engine::coordination::Coordination::default(),
    };
    let mut engine = Engine::new(Limits::default());
    let mut effects = Vec::new();
    let event = Event::Submitted {
        ticket: Ticket(1),
        submission: Box::new(submission),
    };
    engine.handle(START, event, &mut effects);
    let Some(Effect::Append(records)) = effects.pop() else {
        panic!("{effects:?}");
    };
    let (engine, unreadable) = Engine::recover(Limits::default(), records, START, &mut effects);
    assert_eq!(unreadable, []);
    assert_eq!(engine.stats().waiting, 1);
    let Some(Effect::Publish(view)) = effects.first() else {
        panic!("{effects:?}");
    };
    assert_eq!(view.id, id("real"));
    assert_eq!(view.plan.metrics.len(), template.metrics.len());
}

/// Submits an analysis, lets its first fetch fail with `fault`, and says when the engine wants to
/// be woken and whether it has concluded.
fn first_fetch_fails(fault: SourceFault) -> (Option<Span>, bool) {
    let mut desk = Desk::new(Limits::default(), START);
    let submission = Box::new(submission("a1", None, "600:10:x", 0));
    let ticket = Ticket(1);
    desk.tell(Event::Submitted { ticket, submission });
    desk.append_ok();
    desk.pass(Span::from_s(70));
    let order = desk.fetches[0].clone();
    desk.fetch_fails_with(&order, fault);
    while desk.append_ok() {}
    let wait = desk.wake.map(|at| at.since(desk.now));
    (wait, desk.engine.stats().concluded == 1)
}

#[test]
fn only_a_refused_query_ends_an_analysis_at_once_and_the_sources_wish_is_kept() {
    let fault = |query, retry_after: Option<i64>| SourceFault {
        transient: false,
        query,
        retry_after: retry_after.map(Span::from_s),
        message: "no".to_owned(),
    };
    let (_, concluded) = first_fetch_fails(fault(true, None));
    assert!(concluded);
    for (wish, wait) in [
        (None, 1),
        (Some(0), 1),
        (Some(45), 45),
        (Some(119), 119),
        // The grace of two minutes ends first.
        (Some(3600), 120),
    ] {
        let (waits, concluded) = first_fetch_fails(fault(false, wish));
        assert!(!concluded, "{wish:?}");
        assert_eq!(waits, Some(Span::from_s(wait)), "{wish:?}");
    }
}
