//! Objectives, traffic and the environment: is a budget burning, is it the canary's doing, and
//! does the canary get what it was promised?

use crate::judge_plans::{self as plans, Noise};
use haldane::judge::explain::{Stand, sentence};
use haldane::judge::judge;
use haldane::judge::judgement::{Judgement, Label, Outcome};
use haldane::plan::Plan;
use haldane::units::MinEffect;

/// One arm: bad ratio and events per interval, for each interval.
fn arm(noise: &mut Noise, n: f64, ratio: impl Fn(i64) -> f64) -> Vec<(f64, f64)> {
    (0..30).map(|k| (noise.bad_of(n, ratio(k)), n)).collect()
}

/// An objective of 99.9 % with one rung at 14.4 that rolls back, on an optional metric.
fn burning(baseline: impl Fn(i64) -> f64, canary: impl Fn(i64) -> f64) -> (Plan, Judgement) {
    let mut plan = plans::plan(60, 5, 0.02);
    plan.metrics.push(plans::events_metric(
        "errors",
        MinEffect::Absolute(0.5),
        0.01,
    ));
    plan.objectives.push(plans::objective(0.999, 14.4, 0.01));
    let mut noise = Noise(1);
    let window = plans::events(
        &arm(&mut noise, 1000.0, baseline),
        &arm(&mut noise, 200.0, canary),
    );
    let windows = plans::windows(&plan, vec![window], 30);
    let judged = judge(&plan, &windows, 6);
    (plan, judged)
}

#[test]
fn a_canary_that_burns_alone_is_proven_and_worse() {
    let (plan, judged) = burning(|_| 0.0005, |_| 0.05);
    let objective = &judged.objectives[0];
    assert!(objective.rungs[0].proven && objective.worse_than_baseline);
    assert!(!objective.baseline_burns_too);
    assert_eq!(judged.outcome, Outcome::Fail);
    let said = sentence(&plan, Some(&judged), Stand::RollbackBurn);
    assert!(
        said.starts_with("availability burns its error budget 49.8× over 30m"),
        "{said}"
    );
    assert!(said.contains("limit 14.4×"), "{said}");
}

#[test]
fn an_incident_in_both_arms_is_the_environment() {
    let (_, judged) = burning(|_| 0.05, |_| 0.05);
    let objective = &judged.objectives[0];
    assert!(objective.rungs[0].proven && objective.baseline_burns_too);
    assert!(!objective.worse_than_baseline);
    assert!(judged.findings[0].both_degraded);
    assert_ne!(judged.outcome, Outcome::Fail);
}

#[test]
fn what_is_over_is_not_proven() {
    let (_, judged) = burning(|_| 0.0005, |k| if k < 20 { 0.06 } else { 0.0 });
    let rung = &judged.objectives[0].rungs[0];
    assert!(
        rung.log_e >= judged.objectives[0].log_bound,
        "life as a whole is beyond the rung"
    );
    assert!(!rung.proven, "but nothing is bad in the short window");
}

#[test]
fn a_healthy_canary_burns_nothing() {
    let (_, judged) = burning(|_| 0.0005, |_| 0.0005);
    assert!(!judged.objectives[0].rungs[0].proven);
    assert!(!judged.objectives[0].worse_than_baseline);
}

#[test]
fn a_rung_beyond_one_is_unreachable() {
    let mut plan = plans::plan(60, 5, 0.02);
    plan.metrics.push(plans::events_metric(
        "errors",
        MinEffect::Absolute(0.5),
        0.01,
    ));
    plan.objectives.push(plans::objective(0.9, 14.4, 0.01));
    let all_bad = [(100.0, 100.0); 30];
    let windows = plans::windows(&plan, vec![plans::events(&all_bad, &all_bad)], 30);
    let rung = &judge(&plan, &windows, 6).objectives[0].rungs[0];
    assert!(rung.unreachable && !rung.proven);
}

#[test]
fn windows_of_a_rung_are_cut_to_the_age() {
    let (_, judged) = burning(|_| 0.0005, |_| 0.0005);
    let rung = &judged.objectives[0].rungs[0];
    assert_eq!(rung.long, plans::STEP.times(30));
    // A twelfth of thirty minutes is less than four steps.
    assert_eq!(rung.short, plans::STEP.times(4));
}

fn traffic(declared: f64, baseline: f64, canary: f64) -> (bool, Option<f64>) {
    let mut plan = plans::plan(60, 5, 0.02);
    plan.metrics.push(plans::events_metric(
        "requests",
        MinEffect::Absolute(0.5),
        0.01,
    ));
    plan.traffic = Some(plans::traffic(declared));
    let of = |n: f64| vec![(0.0, n); 30];
    let windows = plans::windows(&plan, vec![plans::events(&of(baseline), &of(canary))], 30);
    let found = judge(&plan, &windows, 6).traffic.unwrap();
    (found.mismatch, found.observed)
}

#[test]
fn traffic_is_compared_with_what_was_declared() {
    assert_eq!(traffic(0.1, 900.0, 100.0), (false, Some(0.1)));
    assert!(!traffic(0.1, 820.0, 180.0).0, "within the factor");
    assert!(traffic(0.1, 990.0, 10.0).0, "a tenth of what was declared");
    assert!(traffic(0.1, 500.0, 500.0).0, "five times what was declared");
    assert!(!traffic(0.1, 1.0, 0.0).0, "too little traffic to know");
    assert_eq!(traffic(0.1, 0.0, 0.0), (false, None));
}

#[test]
fn arms_that_slow_down_together_are_the_environment() {
    let judged = |canary_late: f64| {
        let mut plan = plans::plan(60, 5, 0.02);
        plan.metrics.push(plans::series_metric(
            "latency",
            MinEffect::Relative(0.1),
            0.02,
        ));
        let mut noise = Noise(3);
        let mut arm = |late: f64| -> Vec<Option<f64>> {
            let level = |k: i64| if k < 25 { 100.0 } else { late };
            (0..=60)
                .map(|k| Some(level(k) + 3.0 * noise.normal()))
                .collect()
        };
        let baseline = arm(150.0);
        let window = plans::series(&baseline, &arm(canary_late));
        judge(&plan, &plans::windows(&plan, vec![window], 60), 12)
    };
    let together = judged(150.0);
    assert!(together.findings[0].both_degraded);
    assert_ne!(together.findings[0].label, Label::Worse);
    assert!(
        !judged(100.0).findings[0].both_degraded,
        "the baseline alone"
    );
    let canary = judged(300.0);
    assert_eq!(canary.findings[0].label, Label::Worse);
    assert!(
        !canary.findings[0].both_degraded,
        "the canary is worse than the baseline"
    );
}

/// In an incident of two equal arms the canary's rung is often proven before the baseline's: what
/// keeps it from a rollback is that it has to be shown worse than the baseline.
#[test]
fn an_incident_in_equal_arms_never_aborts_though_the_canary_is_proven_first() {
    let (mut first, mut aborted) = (0, 0);
    for seed in 0..40 {
        let mut plan = plans::plan(30, 1, 0.05);
        plan.metrics.push(plans::events_metric(
            "errors",
            MinEffect::Absolute(0.5),
            0.05,
        ));
        plan.objectives.push(plans::objective(0.999, 10.0, 0.05));
        let mut noise = Noise(seed * 7_919 + 5);
        let ratio = |k: i64| if k < 10 { 0.0005 } else { 0.02 };
        let arms = [arm(&mut noise, 200.0, ratio), arm(&mut noise, 200.0, ratio)];
        let mut alone = false;
        for look in 11..=30 {
            let window = plans::events(&arms[0], &arms[1]);
            let windows = plans::windows(&plan, vec![window], look);
            let judged = judge(&plan, &windows, u32::try_from(look).unwrap());
            let objective = &judged.objectives[0];
            alone |= objective.rungs[0].proven && !objective.baseline_burns_too;
            aborted += u32::from(judged.outcome == Outcome::Fail);
        }
        first += u32::from(alone);
    }
    println!("canary proven first in {first} of 40, aborted {aborted}");
    assert!(
        first >= 5,
        "a gate on the baseline's own budget alone would do: {first}"
    );
    assert_eq!(aborted, 0);
}

/// A healthy canary under an objective, at every look of an analysis.
#[test]
fn objectives_rarely_abort_a_healthy_canary() {
    let runs = 200_u64;
    let mut aborted = 0.0;
    for seed in 0..runs {
        let mut plan = plans::plan(60, 5, 0.05);
        plan.metrics.push(plans::events_metric(
            "errors",
            MinEffect::Absolute(0.5),
            0.01,
        ));
        plan.objectives.push(plans::objective(0.999, 2.0, 0.05));
        let mut noise = Noise(seed * 104_729 + 3);
        let of = |noise: &mut Noise, n: f64| -> Vec<(f64, f64)> {
            (0..60).map(|_| (noise.bad_of(n, 0.002), n)).collect()
        };
        let baseline = of(&mut noise, 1000.0);
        let window = plans::events(&baseline, &of(&mut noise, 100.0));
        let mut windows = plans::windows(&plan, vec![window], 0);
        let fails = (1..=12).any(|look| {
            windows.covered_to = plans::START.plus(plans::STEP.times(5 * look));
            judge(&plan, &windows, 1).outcome == Outcome::Fail
        });
        aborted += f64::from(u8::from(fails));
    }
    let rate = aborted / runs as f64;
    println!("aborted {rate} at the rung itself");
    assert!(rate <= 0.05 + 3.0 * libm::sqrt(0.05 * 0.95 / runs as f64));
}

#[test]
fn every_stand_has_a_sentence() {
    let (plan, judged) = burning(|_| 0.0005, |_| 0.05);
    for stand in [
        Stand::Pending,
        Stand::Promote,
        Stand::RollbackMetric,
        Stand::RollbackBurn,
        Stand::EnvironmentDegraded,
        Stand::TrafficMismatch,
        Stand::ArmAbsent,
        Stand::DataSuspect,
        Stand::BudgetBurning,
        Stand::Inconclusive,
    ] {
        for judgement in [None, Some(&judged)] {
            let said = sentence(&plan, judgement, stand);
            println!("{stand:?}: {said}");
            assert!(!said.is_empty() && !said.ends_with(['\n', '.']), "{said}");
            assert!(
                said.chars().all(|c| c.is_ascii() || "×±".contains(c)),
                "{said}"
            );
        }
    }
}
