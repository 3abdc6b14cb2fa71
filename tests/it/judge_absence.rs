//! A5: absence is not health. Each case was once promoted.

use crate::judge_plans as plans;
use haldane::engine::verdict::{Situation, Source, Verdict, decide};
use haldane::judge::judge;
use haldane::judge::judgement::Label;
use haldane::judge::windows::{MetricData, MetricWindow};
use haldane::plan::Plan;
use haldane::units::MinEffect;

const POINTS: usize = 60;

fn whole_plan() -> Plan {
    plans::plan(60, 60, 0.05)
}

fn values(of: impl Fn(usize) -> Option<f64>) -> Vec<Option<f64>> {
    (0..=POINTS).map(of).collect()
}

/// Noise that repeats itself but on no short period.
fn wave(idx: usize) -> f64 {
    100.0 + ((idx * idx * 7 + idx * 3) % 11) as f64
}

fn judged(plan: &Plan, window: MetricWindow) -> (Label, Option<Verdict>, String) {
    let windows = plans::windows(plan, vec![window], 60);
    let judgement = judge(plan, &windows, plan.timing.looks_planned());
    let finding = &judgement.findings[0];
    let decision = decide(&Situation::of(plan, Some(&judgement), Source::Answering));
    let why = finding.no_data.clone().unwrap_or_default() + &finding.notes.join("; ");
    (finding.label, decision.verdict, why)
}

fn series_plan(limit: MinEffect) -> Plan {
    let mut plan = whole_plan();
    plan.metrics = vec![plans::series_metric("latency", limit, 0.05)];
    plan
}

fn ten_percent() -> MinEffect {
    MinEffect::relative(0.1).unwrap()
}

#[test]
fn the_same_on_both_arms_is_promoted() {
    let both = values(|idx| Some(wave(idx)));
    let other = values(|idx| Some(wave(idx + 5)));
    let (label, verdict, why) = judged(&series_plan(ten_percent()), plans::series(&both, &other));
    assert_eq!(
        (label, verdict),
        (Label::Within, Some(Verdict::Promote)),
        "{why}"
    );
}

#[test]
fn a_canary_that_fell_silent_is_no_data() {
    let baseline = values(|idx| Some(wave(idx)));
    let canary = values(|idx| (idx < 35).then(|| wave(idx + 5)));
    let window = plans::series(&baseline, &canary);
    let (label, verdict, why) = judged(&series_plan(ten_percent()), window);
    assert_eq!(
        (label, verdict),
        (Label::NoData, Some(Verdict::Inconclusive))
    );
    assert!(why.contains("canary fell silent"), "{why}");

    let mut plan = whole_plan();
    let limit = MinEffect::absolute(0.01).unwrap();
    plan.metrics = vec![plans::events_metric("errors", limit, 0.05)];
    let mut window = plans::events(&[(0.0, 1000.0); POINTS], &[(0.0, 1000.0); POINTS]);
    if let MetricData::Events { intervals } = &mut window.data {
        for interval in intervals.iter_mut().skip(35) {
            interval.canary = None;
        }
    }
    let (label, verdict, why) = judged(&plan, window);
    assert_eq!(
        (label, verdict),
        (Label::NoData, Some(Verdict::Inconclusive))
    );
    assert!(why.contains("canary fell silent"), "{why}");
}

#[test]
fn a_relative_limit_of_a_zero_baseline_decides_nothing() {
    let window = plans::series(&values(|_| Some(0.0)), &values(|_| Some(1e-12)));
    let (label, verdict, why) = judged(&series_plan(ten_percent()), window);
    assert_eq!(
        (label, verdict),
        (Label::Undecided, Some(Verdict::Inconclusive))
    );
    assert!(why.contains("use an absolute one"), "{why}");
}

#[test]
fn data_that_may_not_be_judged_are_no_data() {
    let both = values(|idx| Some(wave(idx)));
    let mut window = plans::series(&both, &both);
    window.unusable = Some("29 values are NaN or infinite".to_owned());
    let (label, verdict, why) = judged(&series_plan(ten_percent()), window);
    assert_eq!(
        (label, verdict),
        (Label::NoData, Some(Verdict::Inconclusive))
    );
    assert!(why.contains("29 values"), "{why}");
}

#[test]
fn arms_that_hardly_meet_are_no_data() {
    let mut plan = whole_plan();
    let limit = MinEffect::absolute(0.01).unwrap();
    plan.metrics = vec![plans::events_metric("errors", limit, 0.05)];
    let mut window = plans::events(&[(0.0, 10.0); POINTS], &[(0.0, 10.0); POINTS]);
    if let MetricData::Events { intervals } = &mut window.data {
        for (idx, interval) in intervals.iter_mut().enumerate() {
            match idx % 2 {
                0 => interval.canary = None,
                _ if idx > 3 => interval.baseline = None,
                _ => {}
            }
        }
    }
    let (label, verdict, _) = judged(&plan, window);
    assert_eq!(
        (label, verdict),
        (Label::NoData, Some(Verdict::Inconclusive))
    );
}

#[test]
fn a_guard_that_sees_nothing_holds_a_promote() {
    let both = values(|idx| Some(wave(idx)));
    let other = values(|idx| Some(wave(idx + 5)));
    let mut plan = series_plan(ten_percent());
    let limit = MinEffect::absolute(0.01).unwrap();
    let mut errors = plans::events_metric("errors", limit, 0.05);
    errors.role = haldane::template::Role::Info;
    plan.metrics.push(errors);
    plan.objectives = vec![plans::objective(0.999, 14.4, 0.05)];
    plan.objectives[0].metric_idx = 1;
    let empty = plans::events(&[], &[]);
    let windows = plans::windows(&plan, vec![plans::series(&both, &other), empty], 60);
    let judgement = judge(&plan, &windows, plan.timing.looks_planned());
    assert_eq!(judgement.findings[0].label, Label::Within);
    let decision = decide(&Situation::of(&plan, Some(&judgement), Source::Answering));
    assert_eq!(decision.verdict, Some(Verdict::Inconclusive));
    let said = haldane::judge::explain::sentence(&plan, Some(&judgement), decision.stand());
    assert!(said.contains("cannot be checked"), "{said}");
}
