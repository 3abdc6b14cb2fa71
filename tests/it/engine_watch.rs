//! A rollback seen through, whatever happens meanwhile: random sights, crashes at any point, lost
//! and late answers, and somebody who takes note.

use crate::engine_aftermath::{HEARS, bad, blind, gone, watching};
use crate::engine_desk::{Desk, id};
use crate::engine_moments::{begun, overridden};
use haldane::engine::after::{Outcome, Seen};
use haldane::engine::event::{Event, SendReply, Ticket};
use haldane::engine::record::{DeliveryEnd, Fact};
use haldane::engine::verdict::Verdict;
use haldane::engine::view::DeliveryView;
use haldane::judge::judgement::{Judgement, Label};
use haldane::time::Span;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Deed {
    See(usize),
    /// The source does not answer.
    Fail,
    /// The answer is lost on the way.
    Lose,
    /// The process is killed with what is not durable.
    Kill,
    /// It is killed and stays away for so many seconds.
    Away(i64),
    /// A person takes note.
    Note,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..4_usize).prop_map(Deed::See),
        1 => Just(Deed::Fail),
        1 => Just(Deed::Lose),
        2 => Just(Deed::Kill),
        1 => (0..4_000_i64).prop_map(Deed::Away),
        1 => Just(Deed::Note),
    ]
}

const SIGHTS: [fn(&mut Judgement); 4] = [|_| {}, bad, gone, blind];

/// Runs until a fetch is asked for or nothing is left to do.
fn until_asked(desk: &mut Desk) -> bool {
    for _ in 0..400 {
        while desk.append_ok() {}
        while let Some(order) = desk.sends.pop() {
            desk.replied(&order, SendReply::Accepted { status: 200 });
            while desk.append_ok() {}
        }
        if !desk.fetches.is_empty() {
            return true;
        }
        match desk.wake {
            Some(wake) => desk.at(wake.max(desk.now)),
            None => return false,
        }
    }
    panic!("it never comes to rest")
}

/// One deed, as far as there is anything to do. With `torn`, a kill comes before what was written is
/// durable.
fn done(desk: &mut Desk, deed: Deed, (n, torn): (u64, bool)) {
    match deed {
        Deed::Kill => {
            desk.crash();
        }
        Deed::Away(seconds) => {
            desk.now = desk.now.plus(Span::from_s(seconds));
            desk.crash();
        }
        Deed::Note => {
            while desk.append_ok() {}
            desk.tell(Event::Acknowledged {
                ticket: Ticket(1_000 + n),
                id: id("a1"),
                author: format!("ada {n}"),
            });
        }
        Deed::See(_) | Deed::Fail | Deed::Lose if !until_asked(desk) => {}
        Deed::Lose => desk.fetches.clear(),
        Deed::Fail => {
            let order = desk.fetches.pop().unwrap();
            desk.fetch_fails(&order, true, "connection refused");
        }
        Deed::See(kind) => {
            let order = desk.fetches.pop().unwrap();
            desk.fetched(&order);
            desk.fetched(&order);
            if let Some(judge) = desk.judges.pop() {
                desk.judged_but(&judge, Label::Undecided, SIGHTS[kind]);
                desk.judged_but(&judge, Label::Undecided, SIGHTS[kind]);
            }
            if torn {
                desk.crash();
            }
        }
    }
}

/// What the log says of the watch: every glance, and how often it ended how.
fn check(desk: &Desk) {
    let facts: Vec<&Fact> = desk.disk.iter().map(|(_, record)| &record.fact).collect();
    let glances: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Watched { glance } => Some(glance),
            _ => None,
        })
        .collect();
    let ends: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::SeenThrough { ending } => Some(ending),
            _ => None,
        })
        .collect();
    assert_eq!(ends.len(), 1, "it ends, and once");
    assert!(glances.windows(2).all(|two| two[0].number < two[1].number));
    assert!(glances.iter().all(|glance| glance.number <= 5));
    let last_two = glances.iter().rev().take(2);
    let well = last_two.clone().filter(|g| g.seen.is_well()).count() == 2;
    let row = glances.len() > 1
        && glances[glances.len() - 1].number == glances[glances.len() - 2].number + 1;
    assert_eq!(
        ends[0].outcome == Outcome::Recovered,
        well && row,
        "{glances:?}"
    );
    if ends[0].outcome == Outcome::Ineffective {
        let told = glances.iter().rev().find(|g| g.seen != Seen::Blind);
        assert_eq!(told.unwrap().seen, Seen::Burning);
    }
    let view = &desk.published[&id("a1")];
    assert_eq!(
        view.conclusion.as_ref().map(|c| c.verdict),
        Some(Verdict::Rollback),
        "A4"
    );
    let words: Vec<&str> = view.deliveries.iter().map(|m| m.moment.word()).collect();
    match ends[0].outcome {
        Outcome::Unknown => assert_eq!(words, ["verdict"]),
        told => assert_eq!(words, ["verdict", told.word()]),
    }
    let taken = |message: &DeliveryView| {
        message.moment.is_verdict() && matches!(message.end, Some(DeliveryEnd::Delivered { .. }))
    };
    if view.deliveries.iter().any(taken) {
        assert!(view.after.acknowledged.is_some(), "the message was taken");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn it_ends_once_and_never_well_on_silence(
        deeds in prop::collection::vec((deed(), any::<bool>()), 0..14),
    ) {
        let mut desk = begun(watching(), &HEARS);
        overridden(&mut desk, Verdict::Rollback);
        for (n, (deed, torn)) in deeds.into_iter().enumerate() {
            done(&mut desk, deed, (n as u64, torn));
        }
        while until_asked(&mut desk) {
            let order = desk.fetches.pop().unwrap();
            desk.fetched(&order);
            let judge = desk.judges.pop().unwrap();
            desk.judged_but(&judge, Label::Undecided, blind);
        }
        check(&desk);
        // The same records give the same state, and nothing new is written.
        let (before, records) = (desk.published.clone(), desk.disk.len());
        prop_assert!(desk.crash().is_empty());
        prop_assert!(!until_asked(&mut desk));
        prop_assert_eq!(&before, &desk.published);
        prop_assert_eq!(records, desk.disk.len());
        prop_assert!(desk.engine.is_idle());
    }
}
