//! Corners of coordination that once went wrong, each as a story of its own on the engine.

use crate::coordination::{Stage, by, deploy, in_region, release, wave};
use crate::engine_desk::id;
use crate::engine_plans::START;
use haldane::engine::coordination::register::BOUND_MAX;
use haldane::engine::coordination::{Concurrent, Coordination};
use haldane::engine::effect::{Answer, Refusal};
use haldane::engine::event::{Event, SendReply};
use haldane::engine::record::Fact;
use haldane::engine::verdict::{Hold, Verdict};
use haldane::engine::{Limits, event::Ticket};
use haldane::judge::judgement::Label;
use haldane::plan::rollout::Deploy;
use haldane::time::Span;
use haldane::units::Probability;

/// The newer one is queued behind the older one, so the older one must not wait for it.
#[test]
fn a_release_does_not_wait_for_a_newer_deploy_of_the_same_place() {
    let mut stage = Stage::new();
    let group = release(&["pay", "cart"], None);
    stage.submit("a", deploy("pay", "v1"), group.clone());
    stage.submit("b", deploy("cart", "v1"), group.clone());
    let queued = Coordination {
        concurrent: Concurrent::Queue,
        ..group
    };
    stage.submit("c", deploy("pay", "v2"), queued);
    stage
        .shows
        .extend([("a", Label::Within), ("b", Label::Within)]);
    stage.until(6);
    stage.ended("a", Verdict::Promote, None, "");
    assert_eq!(stage.view("c").behind, None, "its clock has started");
    // `b` waits for the newest of each other place, which is `c` now.
    let says = "waits for pay (v2) in release r1; ";
    stage.pending("b", Some(Hold::Release), says);
}

/// Regions that were not named are one place; the waves of a deploy are still told apart.
#[test]
fn two_waves_of_one_place_are_two() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v2"), wave(1));
    stage
        .shows
        .extend([("a", Label::Within), ("b", Label::Within)]);
    stage.until(6);
    stage.ended("a", Verdict::Promote, None, "");
    stage.submit("b", deploy("pay", "v2"), wave(2));
    stage.until(12);
    stage.ended("b", Verdict::Promote, None, "");
}

/// What is not looked at any more was promoted all the same.
#[test]
fn a_wave_that_was_let_go_of_still_counts() {
    let limits = Limits {
        concluded_max: 1,
        ..Limits::default()
    };
    let mut stage = Stage::with(limits);
    stage.submit("a", in_region("eu-1"), wave(1));
    stage.submit("x", deploy("other", "v1"), Coordination::default());
    let healthy = ["a", "b", "x"].map(|name| (name, Label::Within));
    stage.shows.extend(healthy);
    stage.until(7);
    while let Some(order) = stage.desk.sends.pop() {
        stage
            .desk
            .replied(&order, SendReply::Accepted { status: 200 });
        while stage.desk.append_ok() {}
    }
    assert!(stage.desk.forgotten.contains(&id("a")));
    stage.submit("b", in_region("eu-2"), wave(2));
    stage.pending("b", None, "");
    assert_eq!(stage.desk.crash(), []);
    while stage.desk.append_ok() {}
    stage.pending("b", None, "");
    stage.until(14);
    stage.ended("b", Verdict::Promote, None, "");
}

#[test]
fn the_rest_of_a_release_does_not_go_without_a_frozen_one() {
    let mut stage = Stage::new();
    let group = release(&["pay", "cart"], None);
    stage.submit("a", deploy("pay", "v2"), group.clone());
    stage.submit("b", deploy("cart", "v7"), group);
    stage
        .shows
        .extend([("a", Label::Within), ("b", Label::Within)]);
    stage.freeze("f1", Some("cart"), None);
    stage.until(7);
    let says = "waits for cart (v7) (frozen) in release r1; ";
    stage.pending("a", Some(Hold::Release), says);
    stage.pending("b", Some(Hold::Frozen), "a freeze of service cart");
    assert!(matches!(stage.lift("f1"), Answer::Freeze(_)));
    stage.ended("a", Verdict::Promote, None, "");
    stage.ended("b", Verdict::Promote, None, "");
}

/// A canary that was healthy with little traffic is not shown healthy with more.
#[test]
fn a_step_keeps_back_a_promote_that_others_let_go_of() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v2"), Coordination::default());
    stage.shows.insert("a", Label::Within);
    stage.freeze("f1", None, None);
    stage.until(7);
    let share = Probability::new(0.25).unwrap();
    let (ticket, id) = (Ticket(1000), id("a"));
    stage.desk.tell(Event::Stepped { ticket, id, share });
    while stage.desk.append_ok() {}
    assert!(matches!(stage.lift("f1"), Answer::Freeze(_)));
    stage.pending("a", None, "");
    stage.until(9);
    stage.ended("a", Verdict::Promote, None, "");
    let at = stage.view("a").conclusion.as_ref().unwrap().at;
    assert!(
        at > START.plus(Span::from_s(7 * 60)),
        "at a look of its own"
    );
}

/// Readers see that a freeze has begun when it begins, not at the next look.
#[test]
fn a_freeze_to_come_holds_from_its_beginning_on() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v2"), Coordination::default());
    let begins = START.plus(Span::from_s(95));
    stage.freeze_from("f1", begins, Some(begins.plus(Span::from_s(10))));
    stage.pending("a", None, "");
    stage.at_seconds(94);
    stage.pending("a", None, "");
    stage.at_seconds(95);
    stage.pending(
        "a",
        Some(Hold::Frozen),
        "a freeze of everything lasts until ",
    );
    assert_eq!(stage.desk.crash(), []);
    while stage.desk.append_ok() {}
    stage.at_seconds(105);
    stage.pending("a", None, "");
    assert_eq!(stage.desk.freezes.len(), 0);
}

#[test]
fn a_release_has_room_for_so_many_places() {
    let mut stage = Stage::new();
    let names: Vec<&'static str> = (0..=BOUND_MAX)
        .map(|n| &*format!("n{n:04}").leak())
        .collect();
    let (last, first) = names.split_last().unwrap();
    for name in first {
        stage.submit(name, deploy(name, "v1"), release(&[], None));
    }
    let bond = "release r1".to_owned();
    let crowded = Answer::Refused(Refusal::Crowded { bond });
    assert_eq!(
        stage.submit(last, deploy(last, "v1"), release(&[], None)),
        crowded
    );
    // A second try in a place that has a seat takes it.
    let again = stage.submit("again", deploy(first[0], "v2"), release(&[], None));
    assert!(matches!(again, Answer::Accepted { .. }));
}

/// Who is queued is held by nothing else, whether the process was restarted or not.
#[test]
fn a_queued_deploy_is_not_held_beside_that() {
    let mut stage = Stage::new();
    stage.submit("a", deploy("pay", "v1"), Coordination::default());
    stage.submit("b", deploy("pay", "v2"), by(Concurrent::Queue));
    stage.freeze("f1", None, None);
    let held = |stage: &Stage| {
        let records = stage.desk.disk.iter().map(|(_, record)| record);
        let held = records.filter(|r| r.id == id("b") && matches!(r.fact, Fact::Held { .. }));
        held.count()
    };
    assert_eq!(held(&stage), 0);
    assert_eq!(stage.desk.crash(), []);
    while stage.desk.append_ok() {}
    assert_eq!(held(&stage), 0);
    stage.until(11);
    stage.ended("a", Verdict::Inconclusive, Some(Hold::Frozen), "");
    stage.pending("b", Some(Hold::Frozen), "a freeze of everything");
}

/// Many deploys of one place: each is found without a walk over the others.
#[test]
fn a_long_queue_is_worked_off_one_by_one() {
    const LONG: usize = 150;
    let mut stage = Stage::new();
    for n in 0..LONG {
        let name = &*format!("q{n:04}").leak();
        let deploy = Deploy {
            revision: Some(format!("v{n}")),
            ..deploy("pay", "")
        };
        stage.submit(name, deploy, by(Concurrent::Queue));
    }
    for n in 0..LONG - 1 {
        let (ticket, name) = (Ticket(10_000 + n as u64), format!("q{n:04}"));
        let (author, reason) = ("ada".to_owned(), "next".to_owned());
        let id = id(&name);
        stage.desk.tell(Event::Cancelled {
            ticket,
            id,
            author,
            reason,
        });
        while stage.desk.append_ok() {}
    }
    let begun = stage.desk.disk.iter();
    let begun = begun.filter(|(_, r)| matches!(r.fact, Fact::Begun { .. }));
    assert_eq!(begun.count(), LONG - 1);
    assert_eq!(stage.view("q0149").behind, None);
}
