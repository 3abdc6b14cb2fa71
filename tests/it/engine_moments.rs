//! Who hears of which moment, and what becomes of a message: births behind their records, names that
//! stay, sending once more by hand.

use crate::engine_desk::{Desk, id, submission};
use crate::engine_plans::START;
use haldane::engine::Limits;
use haldane::engine::delivery::{REDELIVERIES_MAX, name, name_of};
use haldane::engine::effect::{Answer, Refusal, SendOrder};
use haldane::engine::event::{Event, SendReply, Ticket};
use haldane::engine::record::DeliveryEnd;
use haldane::engine::subscription::Moment;
use haldane::engine::verdict::{Hold, Verdict};
use haldane::judge::judgement::Label;
use haldane::time::Span;

/// A desk with one analysis whose only receiver hears of these moments.
pub(crate) fn begun(limits: Limits, moments: &[Moment]) -> Desk {
    let mut desk = Desk::new(limits, START);
    let mut new = submission("a1", None, "600:10:x", 1);
    new.receivers[0].moments = moments.to_vec();
    desk.tell(Event::Submitted {
        ticket: Ticket(1),
        submission: Box::new(new),
    });
    while desk.append_ok() {}
    desk
}

/// The next look is due, fetched and judged.
pub(crate) fn look(desk: &mut Desk, label: Label, suspect: bool) {
    while desk.fetches.is_empty() {
        let wake = desk.wake.expect("a look is to come");
        desk.at(wake);
        while desk.append_ok() {}
    }
    let order = desk.fetches.pop().unwrap();
    desk.fetched(&order);
    let order = desk.judges.pop().unwrap();
    desk.judged_but(&order, label, |seen| {
        if suspect {
            seen.suspect.push("partial".to_owned());
        }
    });
    while desk.append_ok() {}
}

pub(crate) fn overridden(desk: &mut Desk, verdict: Verdict) {
    desk.tell(Event::Overridden {
        ticket: Ticket(50),
        id: id("a1"),
        verdict,
        author: "ada".to_owned(),
        reason: "a test".to_owned(),
    });
    while desk.append_ok() {}
}

fn told(desk: &mut Desk) -> Vec<String> {
    let sends: Vec<SendOrder> = desk.sends.drain(..).collect();
    let text = |order: &SendOrder| match order.moment {
        Moment::Look | Moment::Hold => format!("{} {}", order.moment.word(), order.look),
        other => other.word().to_owned(),
    };
    let all = sends.iter().map(text).collect();
    for order in sends {
        desk.replied(&order, SendReply::Accepted { status: 200 });
        while desk.append_ok() {}
    }
    all
}

#[test]
fn a_message_comes_at_every_moment_that_was_asked_for_and_a_hold_only_when_it_begins() {
    let mut desk = begun(Limits::default(), &Moment::ALL);
    assert_eq!(told(&mut desk), ["started"]);
    look(&mut desk, Label::Undecided, false);
    assert_eq!(told(&mut desk), ["look 1"]);
    look(&mut desk, Label::Undecided, true);
    assert_eq!(told(&mut desk), ["look 2", "hold 2"]);
    assert_eq!(desk.published[&id("a1")].hold, Some(Hold::DataSuspect));
    look(&mut desk, Label::Undecided, true);
    assert_eq!(told(&mut desk), ["look 3"], "the same hold is no news");
    look(&mut desk, Label::Undecided, false);
    look(&mut desk, Label::Undecided, true);
    let words = told(&mut desk);
    assert!(
        words.contains(&"hold 5".to_owned()),
        "it began anew: {words:?}"
    );
    overridden(&mut desk, Verdict::Promote);
    assert_eq!(told(&mut desk), ["override", "verdict"]);
}

#[test]
fn who_asks_for_nothing_hears_of_the_verdict_under_the_name_it_always_had() {
    let mut desk = begun(Limits::default(), &[]);
    look(&mut desk, Label::Undecided, true);
    assert!(desk.sends.is_empty());
    assert!(!desk.said.iter().any(|said| said.contains("announced")));
    overridden(&mut desk, Verdict::Rollback);
    assert_eq!(desk.sends.len(), 1);
    assert_eq!(desk.sends[0].delivery, name(&id("a1"), 0));
    assert_eq!(
        name(&id("a1"), 0),
        name_of(&id("a1"), 0, (Moment::Verdict, 3))
    );
    // Frozen: receivers of every version drop repeats by this name.
    assert_eq!(name(&id("a1"), 0).as_str(), FROZEN);
    let look = |look| name_of(&id("a1"), 0, (Moment::Look, look));
    assert_ne!(look(1), look(2));
}

const FROZEN: &str = "msg_635afb22c18b7452dfb9a6d08f";

#[test]
fn what_the_next_one_or_the_verdict_overtakes_is_not_sent_any_more() {
    let mut desk = begun(Limits::default(), &[Moment::Look, Moment::Verdict]);
    let retry = || SendReply::Retry {
        after: None,
        detail: "503".to_owned(),
    };
    look(&mut desk, Label::Undecided, false);
    let first = desk.sends.pop().unwrap();
    desk.replied(&first, retry());
    while desk.append_ok() {}
    look(&mut desk, Label::Undecided, false);
    let ends = |desk: &Desk| -> Vec<bool> {
        let view = &desk.published[&id("a1")];
        view.deliveries.iter().map(|m| m.end.is_some()).collect()
    };
    assert_eq!(ends(&desk), [true, false]);
    // The second is on its way when the verdict comes; that it arrived is still worth a record.
    let second = desk.sends.pop().unwrap();
    overridden(&mut desk, Verdict::Promote);
    assert_eq!(ends(&desk), [true, true, false]);
    desk.replied(&second, SendReply::Accepted { status: 202 });
    while desk.append_ok() {}
    let view = desk.published[&id("a1")].clone();
    let end = view.deliveries[1].end.clone();
    assert_eq!(end, Some(DeliveryEnd::Delivered { status: 202 }));
    assert!(desk.crash().is_empty());
    assert_eq!(desk.published[&id("a1")], view);
    let again = desk.sends.iter().map(|order| order.moment);
    assert_eq!(again.collect::<Vec<_>>(), [Moment::Verdict]);
}

#[test]
fn looks_that_were_told_are_kept_up_to_a_limit() {
    let mut desk = begun(Limits::default(), &[Moment::Look]);
    for _ in 0..9 {
        look(&mut desk, Label::Undecided, false);
        told(&mut desk);
    }
    let kept = &desk.published[&id("a1")].deliveries;
    assert_eq!(kept.len(), haldane::engine::telling::PASSING_KEPT_MAX);
    assert_eq!(kept.last().unwrap().look, 9);
    assert!(desk.crash().is_empty());
}

#[test]
fn between_a_judgement_and_its_announcement_a_crash_loses_nothing() {
    let mut desk = begun(Limits::default(), &[Moment::Look]);
    while desk.fetches.is_empty() {
        desk.at(desk.wake.unwrap());
        while desk.append_ok() {}
    }
    let order = desk.fetches.pop().unwrap();
    desk.fetched(&order);
    desk.append_ok();
    let order = desk.judges.pop().unwrap();
    desk.judged(&order, Label::Undecided);
    desk.persist(1); // the judgement, and not the announcement
    assert!(desk.crash().is_empty());
    while desk.append_ok() {}
    assert_eq!(told(&mut desk), ["look 1"]);
}

fn redeliver(desk: &mut Desk, ticket: u64) -> Answer {
    let delivery = name(&id("a1"), 0);
    desk.tell(Event::Redelivered {
        ticket: Ticket(ticket),
        delivery,
        author: "ada".to_owned(),
    });
    while desk.append_ok() {}
    desk.answers[&Ticket(ticket)].clone()
}

#[test]
fn a_dead_message_is_sent_once_more_with_its_name_and_its_bytes() {
    let mut desk = begun(Limits::default(), &[]);
    overridden(&mut desk, Verdict::Rollback);
    let refused = |answer| matches!(answer, Answer::Refused(Refusal::NotAgain { .. }));
    assert!(refused(redeliver(&mut desk, 10)), "it is under way");
    let first = desk.sends.pop().unwrap();
    let detail = "410".to_owned();
    desk.replied(&first, SendReply::GiveUp { detail });
    while desk.append_ok() {}
    assert!(desk.published[&id("a1")].deliveries[0].is_dead());
    // Also after a restart, and long after it was born.
    assert!(desk.crash().is_empty());
    desk.pass(Span::from_s(90_000));
    let Answer::Accepted { view, repeated } = redeliver(&mut desk, 11) else {
        panic!("{:?}", desk.answers);
    };
    assert!(!repeated && view.deliveries[0].end.is_none());
    let again = desk.sends.pop().unwrap();
    assert_eq!((again.attempt, again.born), (2, first.born));
    assert_eq!(
        (&again.delivery, &again.view),
        (&first.delivery, &first.view)
    );
    assert!(again.expires > first.expires);
    assert!(desk.crash().is_empty());
    let again = desk.sends.pop().expect("it is owed after a crash as well");
    desk.replied(&again, SendReply::Accepted { status: 200 });
    while desk.append_ok() {}
    let one = &desk.published[&id("a1")].deliveries[0];
    assert_eq!((one.attempts, one.redelivered), (2, 1));
    let log: Vec<_> = one
        .log
        .iter()
        .map(|a| (a.attempt, a.detail.clone()))
        .collect();
    assert_eq!(log, [(1, Some("410".to_owned())), (2, None)]);
    for ticket in 12..=11 + u64::from(REDELIVERIES_MAX - 1) {
        assert!(matches!(
            redeliver(&mut desk, ticket),
            Answer::Accepted { .. }
        ));
        let order = desk.sends.pop().unwrap();
        desk.replied(&order, SendReply::Accepted { status: 200 });
        while desk.append_ok() {}
    }
    assert!(refused(redeliver(&mut desk, 99)), "as often as it may be");
}

#[test]
fn who_took_note_first_counts() {
    let mut desk = begun(Limits::default(), &[]);
    let note = |desk: &mut Desk, ticket: u64, author: &str| {
        desk.tell(Event::Acknowledged {
            ticket: Ticket(ticket),
            id: id("a1"),
            author: author.to_owned(),
        });
        while desk.append_ok() {}
        desk.answers[&Ticket(ticket)].clone()
    };
    let undecided = note(&mut desk, 10, "argo");
    assert_eq!(undecided, Answer::Refused(Refusal::Undecided));
    overridden(&mut desk, Verdict::Rollback);
    let by = |desk: &Desk| {
        let after = &desk.published[&id("a1")].after;
        after.acknowledged.as_ref().map(|a| a.by.clone())
    };
    assert_eq!(by(&desk), None);
    let first = note(&mut desk, 11, "argo");
    assert!(matches!(
        first,
        Answer::Accepted {
            repeated: false,
            ..
        }
    ));
    let second = note(&mut desk, 12, "ada");
    assert!(matches!(second, Answer::Accepted { repeated: true, .. }));
    assert_eq!(told(&mut desk), ["verdict"]);
    assert_eq!(by(&desk), Some("argo".to_owned()));

    // Without anybody who says so, it is the receiver that took the message.
    let mut desk = begun(Limits::default(), &[]);
    overridden(&mut desk, Verdict::Rollback);
    assert_eq!(told(&mut desk), ["verdict"]);
    assert_eq!(by(&desk), Some("https://receiver-0.example".to_owned()));
    assert!(desk.crash().is_empty());
    assert_eq!(by(&desk), Some("https://receiver-0.example".to_owned()));
}
