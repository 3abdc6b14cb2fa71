//! The sequential judge: its memory changes nothing, its error budget is shared, and the cases that
//! other judges get wrong (each with the public thread that tells of it).

use crate::judge_plans::{self as plans, Noise};
use haldane::judge::explain::headline;
use haldane::judge::judgement::{Finding, Label, Needs, Outcome};
use haldane::judge::sequential::combine::together;
use haldane::judge::sequential::{Detail, Memory};
use haldane::judge::windows::{MetricWindow, Windows};
use haldane::judge::{judge, judge_again};
use haldane::plan::{MetricPlan, Plan};
use haldane::template::Method;
use haldane::units::{Harm, MinEffect};
use proptest::prelude::*;

const ALPHA: f64 = 0.05;

fn plan(points: usize, metrics: Vec<MetricPlan>) -> Plan {
    let mut plan = plans::plan(i64::try_from(points).unwrap(), 1, ALPHA);
    plan.judge.method = Method::Sequential;
    plan.metrics = metrics;
    plan
}

fn metric(name: &str, limit: MinEffect) -> MetricPlan {
    plans::series_metric(name, limit, ALPHA)
}

fn relative(share: f64) -> MinEffect {
    MinEffect::relative(share).unwrap()
}

/// The windows after `points` steps; the first entry of each arm stands at the start.
fn seen(plan: &Plan, windows: Vec<MetricWindow>, points: usize) -> Windows {
    plans::windows(plan, windows, i64::try_from(points).unwrap())
}

fn noise(seed: u64, n: usize, level: f64, share: f64) -> Vec<Option<f64>> {
    let deviates = Noise(seed).ar1(0.0, n);
    deviates
        .iter()
        .map(|z| Some(level * (1.0 + share * z)))
        .collect()
}

fn arms(baseline: &[Option<f64>], canary: &[Option<f64>]) -> MetricWindow {
    plans::series(baseline, canary)
}

/// The one finding of a metric that has seen these values.
fn finding(metric: MetricPlan, baseline: &[Option<f64>], canary: &[Option<f64>]) -> Finding {
    let points = baseline.len() - 1;
    let plan = plan(points, vec![metric]);
    let window = arms(baseline, canary);
    let windows = seen(&plan, vec![window], points);
    judge(&plan, &windows, u32::try_from(points).unwrap()).findings[0].clone()
}

fn finite(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|v| v.is_finite().then_some(*v)).collect()
}

struct Case {
    name: &'static str,
    limit: MinEffect,
    harm: Harm,
    baseline: Vec<Option<f64>>,
    canary: Vec<Option<f64>>,
    label: Label,
    /// What the finding says of why, among notes, missing data and the test.
    says: &'static str,
}

/// Sixty values: one more than steps, because the start is a grid point.
const N: usize = 61;

fn cases() -> Vec<Case> {
    let ratio = relative(0.1);
    let calm = |seed| noise(seed, N, 100.0, 0.05);
    let scaled = |values: &[Option<f64>], by: f64| -> Vec<Option<f64>> {
        values.iter().map(|v| v.map(|v| v * by)).collect()
    };
    // Seven of ten points a hundred times higher, the rest like the baseline.
    let wild: Vec<Option<f64>> = calm(2)
        .iter()
        .enumerate()
        .map(|(t, v)| v.map(|v| if t % 10 < 7 { 100.0 * v } else { v }))
        .collect();
    // An error in every tenth minute on the baseline, in every second on the canary.
    let rare = |every: usize| -> Vec<Option<f64>> {
        (0..N)
            .map(|t| Some(if t % every == 0 { 4.0 } else { 0.0 }))
            .collect()
    };
    let negative = |level: f64, seed| -> Vec<Option<f64>> {
        noise(seed, N, 1.0, 0.02)
            .iter()
            .map(|v| v.map(|v| level + v))
            .collect()
    };
    let mut with_infinity: Vec<f64> = calm(8).iter().flatten().copied().collect();
    with_infinity[30] = f64::INFINITY;
    let nothing = vec![None; N];
    let case = |name, baseline: &[Option<f64>], canary: &[Option<f64>], label, says| Case {
        name,
        limit: ratio,
        harm: Harm::Increase,
        baseline: baseline.to_vec(),
        canary: canary.to_vec(),
        label,
        says,
    };
    vec![
        case(
            "kayenta #780: 7 of 10 points at 100 times the level",
            &calm(1),
            &wild,
            Label::Worse,
            "sequential",
        ),
        case(
            "kayenta #426: sparse errors become five times as many",
            &rare(10),
            &rare(2),
            Label::Worse,
            "sequential",
        ),
        case(
            "a regression at a scale of 1e-6",
            &scaled(&calm(3), 1e-8),
            &scaled(&calm(4), 1.5e-8),
            Label::Worse,
            "sequential",
        ),
        case(
            "the same at its own scale",
            &calm(3),
            &scaled(&calm(4), 1.5),
            Label::Worse,
            "sequential",
        ),
        Case {
            limit: MinEffect::absolute(0.5).unwrap(),
            ..case(
                "a metric that is negative: -50 rises to -40",
                &negative(-50.0, 5),
                &negative(-40.0, 6),
                Label::Worse,
                "sequential",
            )
        },
        case(
            "one infinite value among healthy ones",
            &calm(7),
            &finite(&with_infinity),
            Label::Within,
            "sequential",
        ),
        case(
            "no value on either side",
            &nothing,
            &nothing,
            Label::NoData,
            "samples",
        ),
        case(
            "a canary without values",
            &calm(9),
            &nothing,
            Label::NoData,
            "canary has 0 of 10",
        ),
    ]
}

#[test]
fn cases_others_get_wrong() {
    for case in cases() {
        let mut plan = metric("m", case.limit);
        plan.harm = case.harm;
        let found = finding(plan, &case.baseline, &case.canary);
        assert_eq!(found.label, case.label, "{}: {found:#?}", case.name);
        let said = format!(
            "{} {} {}",
            found.test,
            found.no_data.clone().unwrap_or_default(),
            found.notes.join("; ")
        );
        assert!(said.contains(case.says), "{}: {said}", case.name);
    }
}

#[test]
fn every_metric_in_error_is_no_data_and_never_a_pass() {
    let names = ["a", "b", "c"];
    let metrics = names.map(|name| metric(name, relative(0.1))).to_vec();
    let plan = plan(60, metrics);
    let windows = names.map(|_| arms(&[None; N], &[None; N])).to_vec();
    let judged = judge(&plan, &seen(&plan, windows, 60), 60);
    assert_eq!(judged.outcome, Outcome::NoData);
    assert!(judged.score.is_none());
}

/// A healthy canary of a quiet metric is promoted, however quiet: the prior of the noise must not
/// be taken for noise, which would then look slow, nor rounding.
#[test]
fn quiet_metrics_are_promoted() {
    for share in [1e-12, 1e-9, 3e-6, 3e-4, 3e-3, 1e-2] {
        for points in [60, 120] {
            for seed in 0..6 {
                let baseline = noise(100 + 2 * seed, points + 1, 100.0, share);
                let canary = noise(101 + 2 * seed, points + 1, 100.0, share);
                let found = finding(metric("m", relative(0.1)), &baseline, &canary);
                let what = format!("noise of {share}, {points} points, seed {seed}");
                assert_eq!(found.label, Label::Within, "{what}: {found:#?}");
                assert!(
                    found.baseline.n_eff > 20.0,
                    "{what}: {}",
                    found.baseline.n_eff
                );
            }
        }
    }
    // Constant, and a hundredth apart.
    let level = |value: f64| vec![Some(value); 61];
    let found = finding(metric("m", relative(0.1)), &level(100.0), &level(101.0));
    assert_eq!(found.label, Label::Within, "{found:#?}");
    let found = finding(metric("m", relative(0.1)), &level(100.0), &level(120.0));
    assert_eq!(found.label, Label::Worse, "{found:#?}");
}

#[test]
fn what_begins_late_is_found_and_dated() {
    let baseline = noise(11, 121, 100.0, 0.05);
    let mut canary = noise(12, 121, 100.0, 0.05);
    for value in canary.iter_mut().skip(70).flatten() {
        *value *= 1.6;
    }
    let found = finding(metric("m", relative(0.1)), &baseline, &canary);
    assert_eq!(found.label, Label::Worse, "{found:#?}");
    let dated = found
        .notes
        .iter()
        .any(|note| note.starts_with("began late"));
    assert!(dated, "{:?}", found.notes);
    let effect = found.effect.unwrap().relative.unwrap();
    assert!((0.3..1.0).contains(&effect.value), "{effect:?}");
}

#[test]
fn a_long_burst_is_found_and_spikes_alike_are_not() {
    let baseline = noise(21, 121, 100.0, 0.03);
    let mut canary = noise(22, 121, 100.0, 0.03);
    for value in canary.iter_mut().skip(80).take(14).flatten() {
        *value *= 6.0;
    }
    let found = finding(metric("m", relative(0.1)), &baseline[..94], &canary[..94]);
    assert_eq!(found.label, Label::Worse, "{found:#?}");
    // Spikes of one to three values, as many on both sides.
    let spiked = |seed, phase: usize| -> Vec<Option<f64>> {
        let calm = noise(seed, 121, 100.0, 0.03);
        let high = |t: usize| (t + phase) % 20 < 2;
        let raise = |(t, v): (usize, Option<f64>)| v.map(|v| if high(t) { 6.0 * v } else { v });
        calm.into_iter().enumerate().map(raise).collect()
    };
    let found = finding(metric("m", relative(0.1)), &spiked(23, 0), &spiked(24, 9));
    assert_ne!(found.label, Label::Worse, "{found:#?}");
}

/// Two metrics that each say a little are worse together; either alone is not.
#[test]
fn evidence_adds_up_over_metrics() {
    let pair = |seed| (noise(seed, N, 100.0, 0.10), noise(seed + 1, N, 121.0, 0.10));
    let metrics = |alpha: f64| {
        let mut all = ["a", "b", "c"].map(|name| metric(name, relative(0.1)));
        for metric in &mut all {
            metric.alpha = plans::probability(alpha);
        }
        all.to_vec()
    };
    let mut together = 0;
    for points in 20..=60 {
        let plan = plan(60, metrics(ALPHA / 3.0));
        let windows = [31, 41, 51].map(pair).map(|(b, c)| arms(&b, &c));
        let judged = judge(&plan, &seen(&plan, windows.to_vec(), points), 1);
        let alone = |f: &Finding| f.evidence.unwrap().p_harm <= f.evidence.unwrap().alpha;
        let sum: f64 = judged
            .findings
            .iter()
            .map(|f| f.evidence.unwrap().alpha / f.evidence.unwrap().p_harm)
            .sum();
        let worse = judged.findings.iter().any(|f| f.label == Label::Worse);
        assert_eq!(worse, sum >= 1.0, "{points}: {sum}");
        if worse && !judged.findings.iter().any(alone) {
            together += 1;
            blamed_consistently(&judged.findings);
        }
    }
    assert!(
        together > 0,
        "the case of several that only together suffice never came up"
    );
}

/// Who is blamed with others is worse, needs nothing, has found harm, and names every other.
fn blamed_consistently(findings: &[Finding]) {
    let blamed: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.label == Label::Worse)
        .collect();
    assert!(blamed.len() > 1);
    for finding in &blamed {
        let said: Vec<&String> = finding
            .notes
            .iter()
            .filter(|note| note.starts_with("shown worse together with "))
            .collect();
        assert_eq!(said.len(), 1, "{:?}", finding.notes);
        let names = said[0].split(':').next().unwrap();
        for other in &blamed {
            let named = names
                .split([' ', ','])
                .any(|word| word == other.metric.to_string());
            assert_eq!(named, other.metric != finding.metric, "{names}");
        }
        assert_eq!(finding.needs, Needs::Nothing);
        assert!(
            finding
                .notes
                .iter()
                .all(|note| !note.starts_with("no harm found"))
        );
        assert!(
            headline(finding).contains("together with"),
            "{}",
            headline(finding)
        );
    }
}

/// The same with "no harm found" accepted: what was promoted for want of harm is blamed when harm
/// is found together, and says so; what was shown within is not blamed.
#[test]
fn together_takes_no_harm_found_back() {
    let (finding_of, plan) = {
        let mut all = ["a", "b", "c"].map(|name| metric(name, relative(0.1)));
        for metric in &mut all {
            metric.alpha = plans::probability(ALPHA / 3.0);
        }
        let plan = plan(60, all.to_vec());
        let pair = |seed| arms(&noise(seed, N, 100.0, 0.1), &noise(seed + 1, N, 121.0, 0.1));
        let windows = seen(&plan, [31, 41, 51].map(pair).to_vec(), 20);
        (judge(&plan, &windows, 1).findings[0].clone(), plan)
    };
    let share = ALPHA / 3.0;
    let with = |idx: usize, label: Label, p_harm: f64, note: Option<&str>| {
        let mut one = finding_of.clone();
        one.metric = plan.metrics[idx].name.clone();
        one.label = label;
        one.needs = Needs::MoreThanThereIs;
        one.notes = note.map(str::to_owned).into_iter().collect();
        let evidence = one.evidence.unwrap();
        one.evidence = Some(haldane::judge::judgement::Evidence { p_harm, ..evidence });
        one
    };
    let accepted = Some("no harm found: power to find the limit 90 %, 80 % asked for");
    let mut findings = vec![
        with(0, Label::Within, share / 0.6, accepted),
        with(1, Label::Undecided, share / 0.6, None),
        with(2, Label::Within, share / 0.9, None),
    ];
    together(&plan, &mut Memory::default(), &mut findings);
    let labels: Vec<Label> = findings.iter().map(|f| f.label).collect();
    assert_eq!(labels, [Label::Worse, Label::Worse, Label::Within]);
    blamed_consistently(&findings);
    assert!(findings[2].notes.is_empty());
}

/// A shift of a tenth of a power of two, at any scale that is a power of two: the same bits.
#[test]
fn units_do_not_matter() {
    let (baseline, canary) = (noise(61, N, 1.0, 0.1), noise(62, N, 1.3, 0.1));
    let first = finding(metric("m", relative(0.1)), &baseline, &canary)
        .evidence
        .unwrap();
    for power in [-20, -3, 5, 30] {
        let by = 2.0_f64.powi(power);
        let scaled = |values: &[Option<f64>]| -> Vec<Option<f64>> {
            values.iter().map(|v| v.map(|v| v * by)).collect()
        };
        let (b, c) = (scaled(&baseline), scaled(&canary));
        let other = finding(metric("m", relative(0.1)), &b, &c)
            .evidence
            .unwrap();
        assert_eq!(first.p_harm.to_bits(), other.p_harm.to_bits(), "2^{power}");
        assert_eq!(first.p_safe.to_bits(), other.p_safe.to_bits(), "2^{power}");
    }
}

fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
    let value = prop_oneof![
        12 => (50.0..150.0_f64).prop_map(Some),
        2 => Just(None),
        1 => Just(Some(0.0)),
    ];
    prop::collection::vec(value, 41)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    /// A memory that was carried through all looks gives what none gives, bit for bit.
    #[test]
    fn a_memory_changes_no_bit(
        first in (values(), values()),
        second in (values(), values()),
        steps in prop::collection::vec(1..7_usize, 3..9),
        either in any::<bool>(),
    ) {
        let mut metrics = vec![metric("a", relative(0.1)), metric("b", relative(0.2))];
        if either {
            metrics[1].harm = Harm::Either;
        }
        let plan = plan(40, metrics);
        let all = || vec![
            arms(&first.0, &first.1),
            arms(&second.0, &second.1),
        ];
        for detail in [Detail::Full, Detail::Decision] {
            let mut memory = Memory::new(detail);
            let mut at = 10;
            for (look, step) in steps.iter().enumerate() {
                at = (at + step).min(40);
                let windows = seen(&plan, all(), at);
                let number = u32::try_from(look + 1).unwrap();
                let carried = judge_again(&plan, &windows, number, &mut memory);
                let anew = judge_again(&plan, &windows, number, &mut Memory::new(detail));
                prop_assert_eq!(format!("{:?}", carried), format!("{:?}", anew));
                if detail == Detail::Decision {
                    let full = judge(&plan, &windows, number);
                    prop_assert_eq!(carried.outcome, full.outcome);
                    for (a, b) in carried.findings.iter().zip(&full.findings) {
                        prop_assert_eq!(a.label, b.label);
                        prop_assert_eq!(format!("{:?}", a.evidence), format!("{:?}", b.evidence));
                    }
                }
            }
        }
    }
}
