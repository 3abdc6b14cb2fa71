//! What the judge promises about errors: a healthy canary, looked at again and again, is rolled
//! back with at most the stated probability; and harm that is there is found.

use crate::judge_plans::{self as plans, Noise};
use haldane::judge::judge;
use haldane::judge::judgement::Label;
use haldane::judge::windows::MetricWindow;
use haldane::units::MinEffect;

const RUNS: u64 = 200;
const POINTS: i64 = 60;
const EVERY: i64 = 5;

/// The share of runs in which some look shows the metric worse, and that in which some look after
/// the bake time shows it within.
fn rates(
    metric: &haldane::plan::MetricPlan,
    alpha: f64,
    make: impl Fn(&mut Noise) -> MetricWindow,
) -> (f64, f64) {
    let mut plan = plans::plan(POINTS, EVERY, alpha);
    plan.metrics.push(metric.clone());
    let (mut worse, mut within) = (0.0, 0.0);
    for seed in 0..RUNS {
        let mut windows = plans::windows(&plan, vec![make(&mut Noise(seed * 7919 + 1))], 0);
        let mut labels = (1..=POINTS / EVERY).map(|look| {
            windows.covered_to = plans::START.plus(plans::STEP.times(look * EVERY));
            let judged = judge(&plan, &windows, u32::try_from(look).unwrap());
            (look, judged.findings[0].label)
        });
        let all: Vec<_> = labels.by_ref().collect();
        worse += f64::from(u8::from(all.iter().any(|(_, l)| *l == Label::Worse)));
        let baked = |look: i64| 2 * look * EVERY >= POINTS;
        within += f64::from(u8::from(
            all.iter().any(|(k, l)| baked(*k) && *l == Label::Within),
        ));
    }
    (worse / RUNS as f64, within / RUNS as f64)
}

fn check_at_most(what: &str, rate: f64, level: f64) {
    let margin = 3.0 * libm::sqrt(level * (1.0 - level) / RUNS as f64);
    println!("{what}: {rate:.4} of at most {level}");
    assert!(
        rate <= level + margin,
        "{what}: {rate} is above {level} + {margin}"
    );
}

type Generator = (&'static str, fn(&mut Noise, f64) -> f64, f64);

/// Name, the transformation of a deviate of variance 1 to a value with median 1, AR(1) correlation.
const GENERATORS: [Generator; 3] = [
    ("iid normal", |_, z| 1.0 + 0.1 * z, 0.0),
    ("lognormal", |_, z| libm::exp(0.25 * z), 0.0),
    ("AR(1) 0.6", |_, z| 1.0 + 0.1 * z, 0.6),
];

fn sample(noise: &mut Noise, shape: &Generator, factor: f64) -> Vec<Option<f64>> {
    let deviates = noise.ar1(shape.2, usize::try_from(POINTS).unwrap() + 1);
    deviates
        .into_iter()
        .map(|z| Some(factor * shape.1(&mut Noise(0), z)))
        .collect()
}

/// The hardest healthy canary: exactly at its limit.
#[test]
fn series_at_the_limit_is_rarely_rolled_back_and_rarely_promoted() {
    let metric = plans::series_metric("m", MinEffect::Relative(0.1), 0.05);
    for shape in &GENERATORS {
        let (worse, within) = rates(&metric, 0.05, |noise| {
            let baseline = sample(noise, shape, 1.0);
            plans::series(&baseline, &sample(noise, shape, 1.1))
        });
        check_at_most(
            &format!("{} rolled back at the limit", shape.0),
            worse,
            0.05,
        );
        check_at_most(&format!("{} promoted at the limit", shape.0), within, 0.05);
    }
}

/// What moves both arms at once is not the canary's, however slow it is.
#[test]
fn shared_noise_costs_neither_error_nor_power() {
    let metric = plans::series_metric("m", MinEffect::Relative(0.1), 0.05);
    let arms = |noise: &mut Noise, factor: f64| {
        let shared = noise.ar1(0.9, usize::try_from(POINTS).unwrap() + 1);
        let mut own = |factor: f64| -> Vec<Option<f64>> {
            let with = |z: &f64| Some(factor * (1.0 + 0.1 * z + 0.05 * noise.normal()));
            shared.iter().map(with).collect()
        };
        let baseline = own(1.0);
        plans::series(&baseline, &own(factor))
    };
    let (worse, within) = rates(&metric, 0.05, |noise| arms(noise, 1.1));
    check_at_most("shared AR(1) 0.9 rolled back at the limit", worse, 0.05);
    check_at_most("shared AR(1) 0.9 promoted at the limit", within, 0.05);
    let (worse, _) = rates(&metric, 0.05, |noise| arms(noise, 1.3));
    println!("shared AR(1) 0.9 +30 %: found {worse}");
    assert!(worse >= 0.9, "found in {worse} only");
}

#[test]
fn harm_is_found_and_health_is_shown() {
    let metric = plans::series_metric("m", MinEffect::Relative(0.1), 0.02);
    for (shape, least_worse, least_within) in [
        (&GENERATORS[0], 0.95, 0.9),
        (&GENERATORS[1], 0.3, 0.1),
        (&GENERATORS[2], 0.5, 0.2),
    ] {
        let (worse, _) = rates(&metric, 0.02, |noise| {
            let baseline = sample(noise, shape, 1.0);
            plans::series(&baseline, &sample(noise, shape, 1.3))
        });
        println!("{} +30 %: found {worse}", shape.0);
        assert!(
            worse >= least_worse,
            "{}: +30 % found in {worse} only",
            shape.0
        );
        let (_, within) = rates(&metric, 0.02, |noise| {
            let baseline = sample(noise, shape, 1.0);
            plans::series(&baseline, &sample(noise, shape, 1.0))
        });
        println!("{} +0 %: promoted {within}", shape.0);
        assert!(
            within >= least_within,
            "{}: health shown in {within} only",
            shape.0
        );
    }
}

#[test]
fn harm_that_begins_half_way_is_found() {
    let metric = plans::series_metric("m", MinEffect::Relative(0.1), 0.02);
    let shape = &GENERATORS[0];
    let (worse, _) = rates(&metric, 0.02, |noise| {
        let baseline = sample(noise, shape, 1.0);
        let mut canary = sample(noise, shape, 1.0);
        for value in canary.iter_mut().skip(30) {
            *value = value.map(|v| 1.5 * v);
        }
        plans::series(&baseline, &canary)
    });
    println!("onset half way +50 %: found {worse}");
    assert!(worse >= 0.7, "found in {worse} only");
}

#[test]
fn events_at_the_limit_are_rarely_rolled_back_and_rarely_promoted() {
    let relative = MinEffect::Relative(0.5);
    let absolute = MinEffect::Absolute(0.005);
    // (limit, baseline ratio, canary ratio at the limit, events per interval: baseline, canary)
    let cases = [
        (relative, 0.01, 0.015, 1000.0, 1000.0),
        (relative, 0.002, 0.003, 2000.0, 100.0),
        (relative, 0.2, 0.3, 100.0, 50.0),
        (absolute, 0.005, 0.01, 1000.0, 1000.0),
        (absolute, 0.0005, 0.0055, 2000.0, 20.0),
        (absolute, 0.0, 0.005, 2000.0, 20.0),
    ];
    for (limit, base, at_limit, n_base, n_canary) in cases {
        let metric = plans::events_metric("m", limit, 0.05);
        let arm = |noise: &mut Noise, ratio: f64, n: f64| -> Vec<(f64, f64)> {
            (0..POINTS).map(|_| (noise.bad_of(n, ratio), n)).collect()
        };
        let (worse, within) = rates(&metric, 0.05, |noise| {
            let baseline = arm(noise, base, n_base);
            plans::events(&baseline, &arm(noise, at_limit, n_canary))
        });
        let what = format!("{limit:?} {base} {n_canary}");
        check_at_most(&format!("{what} rolled back at the limit"), worse, 0.05);
        check_at_most(&format!("{what} promoted at the limit"), within, 0.05);
        let (worse, _) = rates(&metric, 0.05, |noise| {
            let baseline = arm(noise, base, n_base);
            plans::events(&baseline, &arm(noise, 5.0 * at_limit.min(0.18), n_canary))
        });
        println!("{what} five times: found {worse}");
        assert!(
            worse >= 0.8,
            "{what}: five times the limit found in {worse} only"
        );
    }
}
