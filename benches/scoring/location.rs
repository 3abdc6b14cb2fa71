//! Two samples: ranks, p-value, the shift with its limits, effect sizes; and thousands of pairs on
//! several cores.

use crate::timing::Runner;
use haldane::stats::batch::{Comparison, Pair, Question, compare, compare_all};
use haldane::stats::mann_whitney::{Dependence, mann_whitney};
use haldane::stats::rank::Scratch;
use haldane::stats::{Alternative, normal};

/// An hour at one value a minute, an hour at 15 s, a day at one a minute.
const SIZES: [usize; 3] = [60, 240, 1_440];

/// Different pairs in turn, so that no branch predictor learns one by heart.
const PAIRS: usize = 64;

/// As many metrics as a thousand analyses of ten have.
const BATCH: usize = 10_000;

/// Threads of the batch: one, and as many as small machines have.
const THREADS: [usize; 3] = [1, 2, 4];

/// Values that occur in practice beside the smooth ones: whole numbers, with many ties.
const TIED_SIZES: [usize; 2] = [25, 240];

const QUESTION: Question = Question {
    alternative: Alternative::TwoSided,
    confidence: 0.98,
    dependence: Dependence::NONE,
};

pub(crate) fn run(runner: &Runner) {
    for n in SIZES.into_iter().filter(|&n| wants_pair(runner, "", n)) {
        one_pair(runner, "", n, &normal_pairs(n, PAIRS));
    }
    for n in TIED_SIZES
        .into_iter()
        .filter(|&n| wants_pair(runner, "tied_", n))
    {
        let mut pairs = normal_pairs(n, PAIRS);
        for (x, y) in &mut pairs {
            for value in x.iter_mut().chain(y) {
                *value = value.round();
            }
        }
        one_pair(runner, "tied_", n, &pairs);
    }
    for n in [60, 240] {
        batch(runner, n);
    }
}

/// What is measured on one pair.
const ON_A_PAIR: [&str; 3] = ["ranks", "mann_whitney", "mann_whitney_shift_98"];

fn wants_pair(runner: &Runner, kind: &str, n: usize) -> bool {
    let mut names = ON_A_PAIR.iter().map(|work| format!("{kind}{work}/{n}"));
    names.any(|name| runner.wants(&name))
}

fn one_pair(runner: &Runner, kind: &str, n: usize, pairs: &[(Vec<f64>, Vec<f64>)]) {
    let mut scratch = Scratch::new();
    let side = Alternative::TwoSided;
    let name = |work: usize| format!("{kind}{}/{n}", ON_A_PAIR[work]);
    runner.measure(&name(0), |turn| {
        let (x, y) = &pairs[turn % PAIRS];
        scratch.load(x, y).ranks.u
    });
    runner.measure(&name(1), |turn| {
        let (x, y) = &pairs[turn % PAIRS];
        mann_whitney(x, y, side, &mut scratch).p
    });
    runner.measure(&name(2), |turn| {
        let (x, y) = &pairs[turn % PAIRS];
        compare((x, y), &QUESTION, &mut scratch)
    });
}

/// The same comparison of thousands of pairs, parted among threads, each with its own scratch.
fn batch(runner: &Runner, n: usize) {
    let names = THREADS.map(|threads| format!("batch_{BATCH}_on_{threads}/{n}"));
    if !names.iter().any(|name| runner.wants(name)) {
        return;
    }
    let samples = normal_pairs(n, BATCH);
    let pairs: Vec<Pair<'_>> = samples.iter().map(|(x, y)| (&x[..], &y[..])).collect();
    for (threads, name) in THREADS.into_iter().zip(names) {
        let mut workers: Vec<(Scratch, Vec<Comparison>)> = Vec::new();
        workers.resize_with(threads, Default::default);
        runner.measure(&name, |_| {
            let parts = pairs.chunks(pairs.len().div_ceil(threads));
            std::thread::scope(|scope| {
                for (part, (scratch, answers)) in parts.zip(&mut workers) {
                    scope.spawn(|| compare_all(part, &QUESTION, scratch, answers));
                }
            });
        });
    }
}

/// Pairs of normal samples around 100 with a deviation of 10, the first shifted by 5 in every
/// other pair.
fn normal_pairs(n: usize, pairs: usize) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut state = 1_u64;
    let mut uniform = move || {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0 + 1e-17
    };
    let mut sample = |centre: f64| -> Vec<f64> {
        (0..n)
            .map(|_| centre + 10.0 * normal::quantile(uniform()))
            .collect()
    };
    (0..pairs)
        .map(|i| {
            (
                sample(if i % 2 == 0 { 100.0 } else { 105.0 }),
                sample(100.0),
            )
        })
        .collect()
}
