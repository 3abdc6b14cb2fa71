//! A message that memory no longer has, or never will again, sent once more: what it said comes from
//! the log, with the bytes it had. (The desk compares the view of every attempt with the first.)

use crate::engine_desk::{Desk, id, submission};
use crate::engine_moments::{begun, look, overridden};
use crate::engine_plans::START;
use haldane::engine::delivery::{name, name_of};
use haldane::engine::effect::{Answer, Effect, Refusal, SendOrder};
use haldane::engine::event::{Event, SendReply, Ticket};
use haldane::engine::recall::RECALLS_MAX;
use haldane::engine::record::{DeliveryEnd, Fact};
use haldane::engine::subscription::Moment;
use haldane::engine::verdict::Verdict;
use haldane::engine::{Engine, Limits};
use haldane::ids::DeliveryId;
use haldane::judge::judgement::Label;
use haldane::time::Span;

fn take(desk: &mut Desk) -> SendOrder {
    let order = desk.sends.pop().expect("something is to be sent");
    desk.replied(&order, SendReply::Accepted { status: 200 });
    while desk.append_ok() {}
    order
}

fn again(desk: &mut Desk, ticket: u64, delivery: &DeliveryId) -> Answer {
    desk.tell(Event::Redelivered {
        ticket: Ticket(ticket),
        delivery: delivery.clone(),
        author: "ada".to_owned(),
    });
    while desk.append_ok() {}
    desk.answers[&Ticket(ticket)].clone()
}

fn accepted(answer: &Answer) {
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
}

#[test]
fn a_look_is_sent_once_more_after_the_verdict_with_what_it_said_then() {
    let mut desk = begun(Limits::default(), &[Moment::Look, Moment::Hold]);
    look(&mut desk, Label::Undecided, true);
    let first: Vec<SendOrder> = [take(&mut desk), take(&mut desk)].to_vec();
    look(&mut desk, Label::Undecided, false);
    take(&mut desk);
    overridden(&mut desk, Verdict::Promote);
    for (n, crash) in [false, true, false].into_iter().enumerate() {
        if crash {
            assert!(desk.crash().is_empty());
            desk.pass(Span::from_s(90_000));
        }
        for (k, order) in first.iter().enumerate() {
            let ticket = 10 + u64::try_from(2 * n + k).unwrap();
            accepted(&again(&mut desk, ticket, &order.delivery));
            assert!(desk.said.is_empty() || !desk.sends.is_empty());
            let sent = take(&mut desk);
            assert_eq!(
                (&sent.delivery, &sent.view, sent.born, sent.look),
                (&order.delivery, &order.view, order.born, order.look)
            );
            assert!(sent.view.conclusion.is_none(), "as it was then");
        }
    }
    let view = &desk.published[&id("a1")];
    let told: Vec<_> = view.deliveries.iter().map(|m| m.redelivered).collect();
    assert_eq!(told, [3, 3, 0]);
}

#[test]
fn a_look_that_is_owed_when_the_process_dies_is_sent_by_the_next_one() {
    let mut desk = begun(Limits::default(), &[Moment::Look]);
    look(&mut desk, Label::Undecided, false);
    let first = take(&mut desk);
    overridden(&mut desk, Verdict::Rollback);
    accepted(&again(&mut desk, 10, &first.delivery));
    assert!(desk.crash().is_empty());
    let sent = take(&mut desk);
    assert_eq!((&sent.delivery, &sent.view), (&first.delivery, &first.view));
    // The next failure, and another restart, go on counting.
    accepted(&again(&mut desk, 11, &first.delivery));
    let order = desk.sends.pop().unwrap();
    let retry = SendReply::Retry {
        after: None,
        detail: "503".to_owned(),
    };
    desk.replied(&order, retry);
    while desk.append_ok() {}
    assert!(desk.crash().is_empty());
    desk.pass(Span::from_s(10));
    let sent = take(&mut desk);
    assert_eq!((sent.attempt, &sent.view), (order.attempt + 1, &first.view));
}

#[test]
fn what_somebody_asked_for_is_not_overtaken_by_the_next_look_or_the_verdict() {
    let mut desk = begun(Limits::default(), &[Moment::Look]);
    look(&mut desk, Label::Undecided, false);
    let first = take(&mut desk);
    accepted(&again(&mut desk, 10, &first.delivery));
    let order = desk.sends.pop().unwrap();
    let retry = SendReply::Retry {
        after: None,
        detail: "503".to_owned(),
    };
    desk.replied(&order, retry);
    while desk.append_ok() {}
    overridden(&mut desk, Verdict::Promote);
    assert_eq!(desk.published[&id("a1")].deliveries[0].end, None);
    desk.pass(Span::from_s(10));
    while desk.append_ok() {}
    assert_eq!(take(&mut desk).view, first.view);
}

/// Submits, decides and delivers; gives the message about the verdict.
fn concluded(desk: &mut Desk, name: &str, verdict: Verdict) -> SendOrder {
    let ticket = |n: u64| Ticket(1000 * n + u64::from(name.as_bytes()[1]));
    desk.tell(Event::Submitted {
        ticket: ticket(1),
        submission: Box::new(submission(name, None, "600:10:x", 1)),
    });
    while desk.append_ok() {}
    desk.tell(Event::Overridden {
        ticket: ticket(2),
        id: id(name),
        verdict,
        author: "ada".to_owned(),
        reason: "a test".to_owned(),
    });
    while desk.append_ok() {}
    take(desk)
}

#[test]
fn a_forgotten_analysis_comes_back_for_its_message() {
    let limits = Limits {
        concluded_max: 1,
        ..Limits::default()
    };
    let mut desk = Desk::new(limits, START);
    concluded(&mut desk, "a0", Verdict::Promote);
    let told = concluded(&mut desk, "a1", Verdict::Rollback);
    let before = told.view.after.last_good.as_ref().unwrap();
    assert_eq!(before.analysis, id("a0"));
    concluded(&mut desk, "a2", Verdict::Promote);
    concluded(&mut desk, "a3", Verdict::Promote);
    desk.tell(Event::Woke);
    assert!(desk.forgotten.contains(&id("a1")), "{:?}", desk.forgotten);
    assert!(!desk.published.contains_key(&id("a1")));

    let answer = again(&mut desk, 10, &told.delivery);
    let Answer::Accepted { view, .. } = &answer else {
        panic!("{answer:?}");
    };
    assert_eq!(view.id, id("a1"));
    let sent = desk.sends.pop().unwrap();
    assert_eq!(
        (&sent.delivery, &sent.view, sent.attempt, sent.born),
        (&told.delivery, &told.view, 2, told.born)
    );
    // It stays until the message is over, also over a restart, and goes again.
    assert!(desk.crash().is_empty());
    let sent = take(&mut desk);
    assert_eq!((&sent.delivery, &sent.view), (&told.delivery, &told.view));
    desk.tell(Event::Woke);
    assert!(!desk.published.contains_key(&id("a1")));
    accepted(&again(&mut desk, 11, &told.delivery));
    assert_eq!(take(&mut desk).attempt, 3);
}

#[test]
fn what_cannot_be_sent_once_more_says_so() {
    let limits = Limits {
        concluded_max: 1,
        ..Limits::default()
    };
    let mut desk = Desk::new(limits, START);
    let unknown = name(&id("nobody"), 0);
    let answer = again(&mut desk, 10, &unknown);
    assert_eq!(answer, Answer::Refused(Refusal::UnknownMessage));

    // Its records are not what they were: the plan they give is another one.
    let told = concluded(&mut desk, "a1", Verdict::Rollback);
    concluded(&mut desk, "a2", Verdict::Promote);
    concluded(&mut desk, "a3", Verdict::Promote);
    desk.tell(Event::Woke);
    for (_, record) in &mut desk.disk {
        if let Fact::Submitted { plan_digest, .. } = &mut record.fact
            && record.id == id("a1")
        {
            *plan_digest = haldane::digest::Digest::of(b"another");
        }
    }
    let answer = again(&mut desk, 11, &told.delivery);
    let Answer::Refused(Refusal::NotAgain { why }) = &answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("cannot be read any more"), "{why}");

    // Of looks the newest are kept.
    let mut desk = begun(Limits::default(), &[Moment::Look]);
    for _ in 0..9 {
        look(&mut desk, Label::Undecided, false);
        take(&mut desk);
    }
    let first = name_of(&id("a1"), 0, (Moment::Look, 1));
    let answer = again(&mut desk, 12, &first);
    let Answer::Refused(Refusal::NotAgain { why }) = &answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("the newest 8"), "{why}");
}

#[test]
fn a_look_whose_records_are_lost_ends_with_the_reason() {
    let mut desk = begun(Limits::default(), &[Moment::Look]);
    look(&mut desk, Label::Undecided, false);
    let first = take(&mut desk);
    overridden(&mut desk, Verdict::Promote);
    for (_, record) in &mut desk.disk {
        if let Fact::Submitted { plan_digest, .. } = &mut record.fact {
            *plan_digest = haldane::digest::Digest::of(b"another");
        }
    }
    accepted(&again(&mut desk, 10, &first.delivery));
    assert!(desk.sends.is_empty());
    let end = desk.published[&id("a1")].deliveries[0].end.clone();
    let Some(DeliveryEnd::Expired { detail }) = end else {
        panic!("{end:?}");
    };
    assert!(detail.starts_with("not sent once more: "), "{detail}");
}

/// Each search walks the log, so there are only so many at a time; an answer, or the end of the
/// patience with it, makes room.
#[test]
fn only_so_many_messages_are_looked_for_at_a_time() {
    let mut engine = Engine::new(Limits::default());
    let mut tell = |at: i64, event: Event| -> Vec<String> {
        let mut effects = Vec::new();
        engine.handle(START.plus(Span::from_s(at)), event, &mut effects);
        let said = effects.iter().filter_map(|effect| match effect {
            Effect::Recall { .. } => Some("looked for".to_owned()),
            Effect::Answer { answer, .. } => match &**answer {
                Answer::Refused(Refusal::NotAgain { why }) => Some(why.clone()),
                other => Some(format!("{other:?}")),
            },
            _ => None,
        });
        said.collect()
    };
    let unknown = name(&id("nobody"), 0);
    let wanted = |ticket: usize| Event::Redelivered {
        ticket: Ticket(ticket as u64),
        delivery: unknown.clone(),
        author: "ada".to_owned(),
    };
    for ticket in 0..RECALLS_MAX {
        assert_eq!(tell(0, wanted(ticket)), ["looked for"]);
    }
    let full = tell(0, wanted(RECALLS_MAX));
    assert!(
        full[0].contains("8 messages are being looked for"),
        "{full:?}"
    );
    let answer = Event::Recalled {
        ticket: Ticket(3),
        delivery: unknown.clone(),
        author: "ada".to_owned(),
        found: Ok(None),
    };
    assert_eq!(tell(1, answer), ["Refused(UnknownMessage)"]);
    assert_eq!(tell(1, wanted(100)), ["looked for"]);
    assert!(tell(1, wanted(102))[0].contains("ask again in a minute"));
    // Their answers were lost.
    assert_eq!(tell(1_000, wanted(103)), ["looked for"]);
}
