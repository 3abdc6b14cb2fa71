//! The first look reaches back for the history, asks for less when that is too much for the
//! source, and after a restart the windows are the same bits.

use crate::engine_desk::{Desk, submission};
use crate::engine_plans::START;
use haldane::engine::Limits;
use haldane::engine::effect::{ANCHOR_LOOKBACK, FetchOrder};
use haldane::engine::event::{Event, SourceFault, Ticket};
use haldane::judge::judgement::Label;
use haldane::judge::windows::Batch;
use haldane::series::raw::{Answer, Labels, RawSeries, Sample};
use haldane::time::{Span, Timestamp};
use std::sync::Arc;

const HISTORY: &str = "600:10:history";

/// A desk with one analysis whose first fetch has been asked for.
fn desk(text: &str) -> (Desk, FetchOrder) {
    let mut desk = Desk::new(Limits::default(), START);
    let submission = Box::new(submission("a1", None, text, 0));
    let ticket = Ticket(1);
    desk.tell(Event::Submitted { ticket, submission });
    desk.append_ok();
    desk.pass(Span::from_s(70));
    let order = desk.fetches.remove(0);
    (desk, order)
}

fn without_history() -> Timestamp {
    START.minus(ANCHOR_LOOKBACK)
}

/// What a source says to every query of an order: one value per step and arm.
fn answered(order: &FetchOrder) -> Batch {
    let step = order.plan.timing.step;
    let series = |arm: &str, level: f64| {
        let labels: Labels = [("version".to_owned(), arm.to_owned())].into();
        let mut samples = Vec::new();
        let mut at = order.from.plus(Span::from_ms(1)).align_up(step);
        while at <= order.to {
            let value = level + (at.ms() / 1000 % 7) as f64;
            samples.push(Sample { at, value });
            at = at.plus(step.span());
        }
        RawSeries { labels, samples }
    };
    let answer = Answer {
        series: vec![series("v1", 1.0), series("v2", 2.0)],
        ..Answer::default()
    };
    let queries = order.plan.queries();
    Batch {
        from: order.from,
        to: order.to,
        answers: queries
            .iter()
            .map(|(slot, _)| (*slot, answer.clone()))
            .collect(),
    }
}

fn captured(desk: &mut Desk, order: &FetchOrder) {
    let batch = Arc::new(answered(order));
    desk.tell(Event::Fetched {
        id: order.id.clone(),
        look: order.look,
        batch,
    });
    while desk.append_ok() {}
}

#[test]
fn the_first_fetch_reaches_back_and_later_ones_do_not() {
    let (_, plain) = desk("600:10:plain");
    assert_eq!(plain.from, without_history());
    let (mut desk, order) = desk(HISTORY);
    // The step before the history holds the anchors of its counters.
    let wanted = START
        .minus(Span::from_s(3600))
        .minus(order.plan.timing.step.span());
    assert_eq!((order.from, order.first), (wanted, true));
    captured(&mut desk, &order);
    let judged = desk.judges.remove(0);
    desk.judged(&judged, Label::Undecided);
    while desk.append_ok() {}
    desk.pass(Span::from_s(60));
    let next = desk.fetches.remove(0);
    assert_eq!((next.from, next.first), (order.to, false));
}

/// The windows a crash at any moment leads to are those without one.
#[test]
fn a_restart_gives_the_same_history() {
    let (mut desk, order) = desk(HISTORY);
    captured(&mut desk, &order);
    let before = desk.judges.remove(0).windows;
    let (baseline, canary) = before.history_series(&order.plan, 0).unwrap();
    assert_eq!((baseline.len(), canary.len()), (240, 240));
    assert!(baseline.iter().chain(canary.iter()).all(Option::is_some));
    assert_eq!(desk.crash(), []);
    let after = desk.judges.remove(0).windows;
    assert_eq!(after, before);
    let bits = |values: &[Option<f64>]| -> Vec<Option<u64>> {
        values.iter().map(|v| v.map(f64::to_bits)).collect()
    };
    let (again, _) = after.history_series(&order.plan, 0).unwrap();
    assert_eq!(bits(&again), bits(&baseline));
}

/// What the next try after a failed first fetch asks for, when one follows.
fn after(faults: &[SourceFault]) -> Option<Timestamp> {
    let (mut desk, mut order) = desk(HISTORY);
    for fault in faults {
        desk.fetch_fails_with(&order, fault.clone());
        while desk.append_ok() {}
        if desk.engine.stats().concluded == 1 {
            return None;
        }
        let wait = desk.wake.unwrap().since(desk.now);
        desk.pass(wait);
        order = desk.fetches.remove(0);
    }
    Some(order.from)
}

#[test]
fn a_history_that_cannot_be_had_does_not_end_an_analysis() {
    let passing = SourceFault::passing("timed out");
    let refused = SourceFault::of_query("too many samples");
    let too_large = SourceFault {
        transient: false,
        query: false,
        retry_after: None,
        message: "an answer of 40 MiB, the limit is 32 MiB".to_owned(),
    };
    let with = START.minus(Span::from_s(3615));
    for (faults, wanted) in [
        (vec![], Some(with)),
        (vec![passing.clone()], Some(with)),
        (vec![passing.clone(); 2], Some(with)),
        (vec![passing; 3], Some(without_history())),
        (vec![too_large], Some(without_history())),
        (vec![refused.clone()], Some(without_history())),
        // A query that is refused without a history too is wrong.
        (vec![refused; 2], None),
    ] {
        assert_eq!(after(&faults), wanted, "{faults:?}");
    }
}

#[test]
fn without_its_history_an_analysis_goes_on_and_knows_none() {
    let (mut desk, order) = desk(HISTORY);
    desk.fetch_fails_with(&order, SourceFault::of_query("too many samples"));
    while desk.append_ok() {}
    let wait = desk.wake.unwrap().since(desk.now);
    desk.pass(wait);
    let order = desk.fetches.remove(0);
    let mut batch = answered(&order);
    // A source asks grid queries from the start on when the history is out of reach.
    for (_, answer) in &mut batch.answers {
        for series in &mut answer.series {
            series.samples.retain(|sample| sample.at >= START);
        }
    }
    desk.tell(Event::Fetched {
        id: order.id.clone(),
        look: order.look,
        batch: Arc::new(batch),
    });
    let windows = desk.judges.remove(0).windows;
    let (baseline, canary) = windows.history_series(&order.plan, 0).unwrap();
    assert!(baseline.iter().chain(canary.iter()).all(Option::is_none));
    let (baseline, canary) = windows.judged_series(&order.plan, 0).unwrap();
    assert!(baseline.iter().chain(canary.iter()).all(Option::is_some));
}
