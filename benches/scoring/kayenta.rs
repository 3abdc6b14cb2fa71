//! Kayenta's judge: one metric judged whole, and its interval alone, on the kinds of data its
//! Java original was timed on (normal values, the same rounded, Poisson counts, four zeros in
//! five).

use crate::timing::Runner;
use haldane::judge::kayenta::classify::{Pair, Rule, classify};
use haldane::judge::kayenta::describe;
use haldane::judge::kayenta::interval::{Roots, shift};
use haldane::judge::kayenta::score::{self, Scored};
use haldane::judge::kayenta::settings::MetricSettings;
use haldane::judge::kayenta::shifted::Scratch;
use haldane::judge::kayenta::transform;
use haldane::stats::normal;
use std::collections::BTreeMap;

/// An hour and a day at one value a minute.
const SIZES: [usize; 2] = [60, 1_440];

/// Different pairs in turn, so that no branch predictor learns one by heart.
const PAIRS: usize = 64;

pub(crate) fn run(runner: &Runner) {
    for n in SIZES {
        for (kind, value) in KINDS {
            let pairs = pairs(n, value);
            let mut scratch = Scratch::default();
            runner.measure(&format!("kayenta_whole/{kind}/{n}"), |turn| {
                let (control, experiment) = &pairs[turn % PAIRS];
                whole(control, experiment, &mut scratch)
            });
            let z = Rule::kayenta().z;
            runner.measure(&format!("kayenta_interval/{kind}/{n}"), |turn| {
                let (control, experiment) = &pairs[turn % PAIRS];
                shift(control, experiment, z, Roots::Compatible, &mut scratch)
            });
        }
    }
}

/// Everything Kayenta's judge does with one metric: cleaning, descriptions, label, score.
fn whole(control: &[f64], experiment: &[f64], scratch: &mut Scratch) -> f64 {
    let settings = MetricSettings::DEFAULT;
    let control = transform::apply(control, &settings);
    let experiment = transform::apply(experiment, &settings);
    let described = (describe::summary(&control), describe::summary(&experiment));
    let pair = Pair::new(&control, &experiment);
    let got = classify("latency", pair, &settings, Rule::kayenta(), scratch);
    let scored = Scored {
        label: got.label,
        groups: vec!["default"],
        reason: got.reason.as_deref(),
        critical: got.critical,
        muted: settings.muted,
    };
    let summary = score::summarise(&[scored], &BTreeMap::new());
    summary.score + described.0.mean + described.1.mean
}

type Kind = fn(&mut dyn FnMut() -> f64) -> f64;

const KINDS: [(&str, Kind); 4] = [
    ("no_ties", |uniform| {
        100.0 + 10.0 * normal::quantile(uniform())
    }),
    ("rounded", |uniform| {
        (100.0 + 10.0 * normal::quantile(uniform())).round()
    }),
    ("poisson", |uniform| poisson(4.0, uniform)),
    ("zeros", |uniform| {
        if uniform() < 0.8 {
            0.0
        } else {
            1.0 + poisson(2.0, uniform)
        }
    }),
];

/// By counting exponential gaps.
fn poisson(mean: f64, uniform: &mut dyn FnMut() -> f64) -> f64 {
    let (mut left, mut count) = (mean, 0.0);
    loop {
        left += libm::log(uniform());
        if left < 0.0 {
            return count;
        }
        count += 1.0;
    }
}

/// Every other canary a twentieth higher.
fn pairs(n: usize, value: Kind) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut state = 7_u64;
    let mut uniform = move || {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0 + 1e-17
    };
    let mut sample =
        |shift: f64| -> Vec<f64> { (0..n).map(|_| value(&mut uniform) + shift).collect() };
    (0..PAIRS)
        .map(|i| (sample(0.0), sample(if i % 2 == 0 { 0.0 } else { 1.0 })))
        .collect()
}
