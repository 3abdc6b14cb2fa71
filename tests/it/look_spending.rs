//! What an engine's looks spend of alpha, whenever they are taken: in time, late, skipped, or after
//! the source failed. The looks are those the engine orders; what they spend is the judge's word.

use crate::engine_desk::Desk;
use crate::engine_plans::{START, plan};
use haldane::engine::Limits;
use haldane::engine::event::{Event, Submission, Ticket};
use haldane::engine::schedule;
use haldane::ids::AnalysisId;
use haldane::judge::judgement::Label;
use haldane::judge::look::Look;
use haldane::plan::{Plan, Timing};
use haldane::time::{Span, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

const ALPHA: f64 = 0.05;

/// What a test does with the look that the engine orders next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Samples come at once.
    Answer,
    /// The fetch fails.
    Fail,
    /// Nothing is heard for this many seconds before samples come.
    Dawdle(i64),
    /// The daemon is away for this many seconds before it is woken again.
    Away(i64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => Just(Deed::Answer),
        2 => Just(Deed::Fail),
        1 => (0..200_i64).prop_map(Deed::Dawdle),
        1 => (0..400_i64).prop_map(Deed::Away),
    ]
}

/// Runs an analysis to its end and returns the instants its judgements covered.
fn covered(plan: &Arc<Plan>, deeds: &[Deed]) -> BTreeSet<Timestamp> {
    let mut desk = Desk::new(Limits::default(), START);
    let submission = Box::new(Submission {
        id: AnalysisId::new("a").unwrap(),
        key: None,
        template_text: "made up".into(),
        plan: Arc::clone(plan),
        receivers: Vec::new(),
        coordination: haldane::engine::coordination::Coordination::default(),
    });
    let ticket = Ticket(1);
    desk.tell(Event::Submitted { ticket, submission });
    let mut seen = BTreeSet::new();
    let mut deeds = deeds.iter().copied().chain(std::iter::repeat(Deed::Answer));
    for _ in 0..10_000 {
        while desk.append_ok() {}
        if desk.engine.stats().concluded > 0 {
            return seen;
        }
        if let Some(order) = desk.judges.pop() {
            let planned = schedule::due(&plan.timing, order.look).minus(plan.timing.lag);
            assert!(order.windows.covered_to <= planned, "read past its instant");
            seen.insert(order.windows.covered_to);
            desk.judged(&order, Label::Undecided);
        } else if let Some(order) = desk.fetches.pop() {
            match deeds.next() {
                Some(Deed::Fail) => desk.fetch_fails(&order, true, "connection refused"),
                Some(Deed::Dawdle(s)) => {
                    desk.now = desk.now.plus(Span::from_s(s));
                    desk.fetched(&order);
                }
                _ => desk.fetched(&order),
            }
        } else {
            let wake = desk.wake.expect("an open analysis waits for something");
            let late = match deeds.next() {
                Some(Deed::Away(s)) => Span::from_s(s),
                _ => Span::ZERO,
            };
            desk.at(wake.max(desk.now).plus(late));
        }
    }
    panic!("the analysis never ends");
}

fn spent(timing: &Timing, covered: &BTreeSet<Timestamp>) -> f64 {
    let looks = covered.iter().filter(|at| **at > timing.start);
    looks
        .map(|at| Look::new(timing, *at).levels_of(ALPHA, 0.05).alpha)
        .sum()
}

fn plan_of(every: i64, whole: i64, lag: i64) -> Arc<Plan> {
    let mut plan = plan("t", whole, 1);
    plan.timing.look_every = Span::from_s(every);
    plan.timing.lag = Span::from_s(lag);
    plan.timing.source_grace = Span::from_s(100_000);
    Arc::new(plan)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn late_and_skipped_looks_spend_no_more_than_alpha(
        every in prop_oneof![Just(15_i64), Just(45), Just(60), Just(100), Just(300), 5..700_i64],
        whole in prop_oneof![Just(600_i64), Just(950), Just(1800), 60..2000_i64],
        lag in prop_oneof![Just(0_i64), Just(10), Just(30), 0..90_i64],
        deeds in prop::collection::vec(deed(), 0..60),
    ) {
        let plan = plan_of(every, whole, lag);
        let covered = covered(&plan, &deeds);
        let total = spent(&plan.timing, &covered);
        prop_assert!(total <= ALPHA * (1.0 + 1e-9), "{} spent by {:?}", total, covered);
    }
}

#[test]
fn punctual_looks_spend_nearly_all_of_alpha() {
    let plan = plan_of(60, 1800, 0);
    let covered = covered(&plan, &[]);
    assert_eq!(covered.len(), 30);
    let total = spent(&plan.timing, &covered);
    assert!(
        total > 0.995 * ALPHA && total <= ALPHA * (1.0 + 1e-9),
        "{total}"
    );
}
