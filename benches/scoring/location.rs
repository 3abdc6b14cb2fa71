//! Two samples: ranks, p-value, and the shift with its limits.

use crate::timing::Runner;
use haldane::stats::mann_whitney::Dependence;
use haldane::stats::rank::Scratch;
use haldane::stats::{Alternative, normal};

/// An hour at one value a minute, an hour at 15 s, a day at one a minute.
const SIZES: [usize; 3] = [60, 240, 1_440];

/// Different pairs in turn, so that no branch predictor learns one by heart.
const PAIRS: usize = 64;

pub(crate) fn run(runner: &Runner) {
    for n in SIZES {
        let pairs = normal_pairs(n);
        let mut scratch = Scratch::new();
        let side = Alternative::TwoSided;
        runner.measure(&format!("ranks/{n}"), |turn| {
            let (x, y) = &pairs[turn % PAIRS];
            scratch.load(x, y).ranks.u
        });
        runner.measure(&format!("mann_whitney/{n}"), |turn| {
            let (x, y) = &pairs[turn % PAIRS];
            scratch.load(x, y).test(side, Dependence::NONE).p
        });
        runner.measure(&format!("mann_whitney_shift_98/{n}"), |turn| {
            let (x, y) = &pairs[turn % PAIRS];
            let mut pair = scratch.load(x, y);
            (
                pair.test(side, Dependence::NONE),
                pair.shift(0.98, side, Dependence::NONE),
            )
        });
    }
}

/// Pairs of normal samples around 100 with a deviation of 10, the first shifted by 5 in every
/// other pair.
fn normal_pairs(n: usize) -> Vec<(Vec<f64>, Vec<f64>)> {
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
    (0..PAIRS)
        .map(|i| {
            (
                sample(if i % 2 == 0 { 100.0 } else { 105.0 }),
                sample(100.0),
            )
        })
        .collect()
}
