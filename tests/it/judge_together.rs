//! Several metrics in one error budget: what is held back for want of pairs proves nothing in the
//! sum either.

use crate::judge_plans::{self as plans, Noise};
use haldane::judge::judge;
use haldane::judge::judgement::{Finding, Judgement, Label, Outcome};
use haldane::template::Method;
use haldane::units::MinEffect;

const ALPHA: f64 = 0.05;

/// So many metrics of so many pairs each, the canary `factor` times the baseline; with gaps in
/// turn when `disjoint`, so that an arm has more values than there are pairs.
fn judged(metrics: usize, pairs: usize, factor: f64, disjoint: bool) -> Judgement {
    let every = if disjoint { 3 } else { 1 };
    let points = pairs * every;
    let mut plan = plans::plan(60, 1, ALPHA);
    plan.judge.method = Method::Sequential;
    let mut windows = Vec::new();
    for idx in 0..metrics {
        let limit = MinEffect::relative(0.02).unwrap();
        let mut metric = plans::series_metric(&format!("m{idx}"), limit, ALPHA / metrics as f64);
        metric.evidence.samples = 3;
        metric.evidence.coverage = plans::probability(0.5);
        plan.metrics.push(metric);
        let seed = u64::try_from(2 * idx).unwrap();
        let side = |seed: u64, level: f64, gap: usize| -> Vec<Option<f64>> {
            let noise = Noise(seed).ar1(0.0, points);
            let value = |(t, z): (usize, f64)| {
                (t % every != gap || !disjoint).then_some(level * (1.0 + 0.001 * z))
            };
            let values = noise.into_iter().enumerate().map(value);
            std::iter::once(None).chain(values).collect()
        };
        windows.push(plans::series(
            &side(seed, 1.0, 1),
            &side(seed + 1, factor, 2),
        ));
    }
    let points = i64::try_from(points).unwrap();
    let windows = plans::windows(&plan, windows, points);
    judge(&plan, &windows, 1)
}

/// The sum of the parts of the error that the metrics have reached: 1 is enough.
fn sum(judgement: &Judgement) -> f64 {
    let evidence = judgement.findings.iter().filter_map(|f| f.evidence);
    evidence.map(|e| e.alpha / e.p_harm).sum()
}

#[test]
fn fewer_pairs_than_five_prove_nothing_however_many_metrics_have_them() {
    let mut enough = 0;
    for disjoint in [false, true] {
        for metrics in [1, 2, 3, 10, 50] {
            for pairs in 3..=4 {
                let judgement = judged(metrics, pairs, 1000.0, disjoint);
                let case = format!("{metrics} metrics of {pairs} pairs, disjoint: {disjoint}");
                // They are judged, and would be enough: only the least of pairs holds them back.
                let sum = sum(&judgement);
                enough += u32::from(sum >= 1.0);
                let labels = judgement.findings.iter().map(|f| f.label);
                assert!(
                    labels.clone().all(|l| l == Label::Undecided),
                    "{case}: {sum}"
                );
                assert_eq!(judgement.outcome, Outcome::Marginal, "{case}");
            }
        }
    }
    assert!(
        enough >= 10,
        "only {enough} cases had anything to hold back"
    );
}

#[test]
fn from_five_pairs_on_they_prove_it_together() {
    for metrics in [1, 2, 3, 10, 50] {
        let judgement = judged(metrics, 5, 1000.0, false);
        assert_eq!(judgement.outcome, Outcome::Fail, "{metrics}");
        let worse = |f: &Finding| f.label == Label::Worse;
        assert!(judgement.findings.iter().any(worse), "{metrics}");
    }
}
