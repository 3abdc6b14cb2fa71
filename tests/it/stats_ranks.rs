//! The fast paths of the rank statistics against twins that write down every difference: samples
//! long enough for every way of sorting and every rung of thinning, and values that break guesses.
#![expect(
    clippy::float_cmp,
    reason = "what is the same number must have the same bits"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of samples, small and positive"
)]

use haldane::stats::batch::{Question, compare, compare_all};
use haldane::stats::hodges_lehmann::Shift;
use haldane::stats::mann_whitney::{Dependence, Method, mann_whitney, standard_deviation};
use haldane::stats::rank::{RankSum, Scratch};
use haldane::stats::{Alternative, effect_size, normal};
use proptest::prelude::*;

const CONFIDENCE: f64 = 0.98;

/// Everything the walk computes, from all pairs; tie groups from a sorted pool.
fn naive_ranks(x: &[f64], y: &[f64]) -> RankSum {
    let twice: usize = x
        .iter()
        .flat_map(|a| {
            y.iter()
                .map(move |b| usize::from(a > b) + usize::from(a >= b))
        })
        .sum();
    let term = |parts: &[&[f64]]| -> f64 {
        let mut pool = parts.concat();
        pool.sort_by(|a, b| a.partial_cmp(b).unwrap());
        pool.chunk_by(|a, b| a == b)
            .map(|group| (group.len() as f64).powi(3) - group.len() as f64)
            .sum()
    };
    RankSum {
        n: x.len(),
        m: y.len(),
        u: twice as f64 * 0.5,
        tie_term: term(&[x, y]),
        within_tie_term: term(&[x]) + term(&[y]),
    }
}

fn written_down(x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut all: Vec<f64> = x
        .iter()
        .flat_map(|a| y.iter().map(move |b| (a - b).clamp(-f64::MAX, f64::MAX)))
        .collect();
    all.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

/// Shift and limits by the normal approximation, from all differences in order.
fn naive_shift(all: &[f64], ranks: &RankSum, alternative: Alternative) -> Shift {
    let pairs = all.len();
    let error = 1.0 - CONFIDENCE;
    let tail = match alternative {
        Alternative::TwoSided => 0.5 * error,
        Alternative::Less | Alternative::Greater => error,
    };
    let sigma = standard_deviation(ranks.n, ranks.m, ranks.within_tie_term, 1.0);
    let reach = 0.5 * pairs as f64 - 0.5 - normal::inverse_sf(tail) * sigma;
    let rank = (1..=pairs.div_ceil(2))
        .find(|&rank| rank as f64 >= reach)
        .unwrap_or(pairs.div_ceil(2));
    let (low, high) = (all[(pairs - 1) / 2], all[pairs / 2]);
    let (lower, upper) = (all[rank - 1], all[pairs - rank]);
    Shift {
        estimate: if low == high {
            low
        } else {
            0.5 * low + 0.5 * high
        },
        lower: if alternative == Alternative::Less {
            f64::NEG_INFINITY
        } else {
            lower
        },
        upper: if alternative == Alternative::Greater {
            f64::INFINITY
        } else {
            upper
        },
        method: Method::Normal,
    }
}

const SIDES: [Alternative; 3] = [
    Alternative::TwoSided,
    Alternative::Less,
    Alternative::Greater,
];

#[track_caller]
fn check(what: &str, x: &[f64], y: &[f64], scratch: &mut Scratch) {
    let what = format!("{what} {}×{}", x.len(), y.len());
    let (all, ranks) = (written_down(x, y), naive_ranks(x, y));
    let mut pair = scratch.load(x, y);
    assert_eq!(pair.ranks, ranks, "{what}");
    for side in SIDES {
        let got = pair.shift_normal(CONFIDENCE, side, Dependence::NONE, true);
        let want = naive_shift(&all, &ranks, side);
        assert_eq!(got, Some(want), "{what} {side:?}");
    }
    let middle = naive_shift(&all, &ranks, Alternative::TwoSided).estimate;
    assert_eq!(scratch.load(x, y).shift_estimate(), Some(middle), "{what}");
}

/// A value from a number between 0 and 1.
type Kind = fn(f64) -> f64;

/// A value of each kind that breaks some guess: evenly spread, few levels, many zeros, rounded,
/// magnitudes far apart, differences that overflow, the smallest numbers there are, one far out.
const KINDS: [(&str, Kind); 9] = [
    ("even", |u| u),
    ("levels", |u| (u * 5.0).floor()),
    ("zeros", |u| if u < 0.7 { 0.0 } else { u }),
    ("rounded", |u| {
        (normal::quantile(0.5 * u + 0.25) * 100.0).round()
    }),
    ("skewed", |u| libm::exp(12.0 * u)),
    ("magnitudes", |u| (u - 0.4) * libm::exp(1_200.0 * (u - 0.5))),
    ("overflow", |u| (2.0 * u - 1.0) * 1.7e308),
    ("subnormal", |u| f64::from_bits(libm::floor(u * 3e3) as u64)),
    ("far out", |u| if u > 0.995 { 1e30 } else { -u }),
];

fn sample(kind: fn(f64) -> f64, n: usize, mut state: u64) -> Vec<f64> {
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            kind(((state >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_path_gives_the_written_down_answer(
        kind in 0..KINDS.len(),
        other in 0..KINDS.len(),
        // Squared: short samples mostly, but some for every way of sorting.
        root_n in 1.0..20.0_f64,
        root_m in 1.0..20.0_f64,
        alike in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let (n, m) = (root_n * root_n, root_m * root_m);
        let (what, first) = KINDS[kind];
        let second = if alike { first } else { KINDS[other].1 };
        let x = sample(first, n as usize, seed);
        let y = sample(second, m as usize, seed.rotate_left(17) ^ 5);
        check(what, &x, &y, &mut Scratch::new());
    }
}

#[test]
fn long_short_and_equal_samples() {
    let mut scratch = Scratch::new();
    for (what, kind) in KINDS {
        for (n, m) in [(1, 1), (1, 700), (3, 300), (700, 2), (24, 26), (620, 590)] {
            check(what, &sample(kind, n, 3), &sample(kind, m, 4), &mut scratch);
        }
    }
    for n in [1, 2, 130, 700] {
        check("all equal", &vec![-0.0; n], &vec![0.0; 140], &mut scratch);
        check("two values", &vec![1.5; n], &vec![-2.25; 700], &mut scratch);
        let rising: Vec<f64> = (0..n).map(|v| v as f64).collect();
        let falling: Vec<f64> = rising.iter().rev().map(|v| v + 0.5).collect();
        check("in order", &rising, &falling, &mut scratch);
        check("the same", &rising, &rising, &mut scratch);
    }
}

/// A scratch carries room from pair to pair, never an answer.
#[test]
fn a_used_scratch_answers_as_a_new_one() {
    let pairs: Vec<(Vec<f64>, Vec<f64>)> = (0..90_usize)
        .map(|i| {
            let kind = KINDS[i % KINDS.len()].1;
            let size = |k: usize| 1 + (i * k) % 430;
            let seed = i as u64;
            (
                sample(kind, size(37), seed),
                sample(kind, size(101), seed + 1_000),
            )
        })
        .collect();
    let pairs: Vec<_> = pairs.iter().map(|(x, y)| (&x[..], &y[..])).collect();
    let question = Question {
        alternative: Alternative::TwoSided,
        confidence: CONFIDENCE,
        dependence: Dependence {
            vif: 1.7,
            df: Some(21.0),
        },
    };
    let mut answers = Vec::new();
    compare_all(&pairs, &question, &mut Scratch::new(), &mut answers);
    assert_eq!(answers.len(), pairs.len());
    for (pair, answer) in pairs.iter().zip(&answers) {
        assert_eq!(*answer, compare(*pair, &question, &mut Scratch::new()));
        assert_eq!(
            answer.ratio_of_medians,
            effect_size::ratio_of_medians(pair.0, pair.1)
        );
        assert_eq!(answer.cliffs_delta, 2.0 * answer.test.a12 - 1.0);
    }
}

/// Both samples in order, -0 as 0, and U and ties as all pairs say.
#[track_caller]
fn check_order(what: &str, x: &[f64], y: &[f64], scratch: &mut Scratch) {
    let what = format!("{what} {}×{}", x.len(), y.len());
    let sorted = |values: &[f64]| {
        let mut values: Vec<f64> = values.iter().map(|v| v + 0.0).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let pair = scratch.load(x, y);
    assert_eq!(pair.ranks, naive_ranks(x, y), "{what}");
    let (first, second) = pair.samples();
    assert_eq!(bits(first), sorted(x), "{what}, first");
    assert_eq!(bits(second), sorted(y), "{what}, second");
}

#[test]
fn samples_of_every_length_are_put_in_order() {
    let mut scratch = Scratch::new();
    // Around the lengths at which the way of sorting changes; very unequal ones too.
    let sizes = [
        (1, 38),
        (20, 20),
        (1, 700),
        (150, 150),
        (3, 1_600),
        (900, 702),
        (1_440, 1_061),
        (20, 5_990),
    ];
    for (n, m) in sizes {
        for (name, kind) in KINDS {
            let (x, y) = (sample(kind, n, 11), sample(kind, m, 12));
            check_order(name, &x, &y, &mut scratch);
            let ascending = |values: &[f64]| {
                let mut values = values.to_vec();
                values.sort_unstable_by(f64::total_cmp);
                values
            };
            check_order(name, &ascending(&x), &ascending(&y), &mut scratch);
        }
        // One far out and the rest in order: one bucket holds all, and nothing has to be moved.
        let mut far: Vec<f64> = (0..n).map(|v| v as f64).collect();
        far.push(1e300);
        let others: Vec<f64> = (0..m).map(|v| v as f64 - 0.5).collect();
        check_order("far, in order", &far, &others, &mut scratch);
        // Zeros of either sign are equal, and one value is shared with the other sample alone.
        let zeros: Vec<f64> = (0..n)
            .map(|v| if v % 3 == 0 { -0.0 } else { v as f64 })
            .collect();
        check_order("zeros", &zeros, &others, &mut scratch);
        let shared: Vec<f64> = others.iter().map(|v| v * 1.000_1 + 0.000_05).collect();
        check_order(
            "one shared",
            &far,
            &[&shared[..], &[0.0]].concat(),
            &mut scratch,
        );
    }
}

/// The test alone ranks without sorting where it can; sorted, from all pairs, and after other pairs
/// it must say the same.
#[track_caller]
fn check_alone(what: &str, x: &[f64], y: &[f64], used: &mut Scratch) {
    let what = format!("{what} {}×{}", x.len(), y.len());
    let ranks = naive_ranks(x, y);
    for side in SIDES {
        let sorted = Scratch::new().load(x, y).test(side, Dependence::NONE);
        assert_eq!(sorted.u, ranks.u, "{what}");
        let fresh = mann_whitney(x, y, side, &mut Scratch::new());
        assert_eq!(fresh, sorted, "{what} {side:?}");
        assert_eq!(mann_whitney(x, y, side, used), sorted, "{what} {side:?}");
    }
}

#[test]
fn the_test_alone_says_what_sorted_samples_say() {
    let mut used = Scratch::new();
    // Around the shortest and longest that are ranked without sorting, none and all rests of four.
    let sizes = [
        (500, 499),
        (500, 500),
        (30, 971),
        (1_202, 1),
        (721, 722),
        (1_440, 1_440),
        (2_048, 2_048),
        (2_049, 2_048),
    ];
    for (n, m) in sizes {
        for (name, kind) in KINDS {
            let (x, mut y) = (sample(kind, n, 21), sample(kind, m, 22));
            check_alone(name, &x, &y, &mut used);
            // One tie, within a sample or across: the smallest thing that must be noticed.
            y[m / 2] = x[n / 3];
            check_alone(name, &x, &y, &mut used);
        }
    }
    let rising: Vec<f64> = (0..1_000).map(f64::from).collect();
    let falling: Vec<f64> = rising.iter().rev().map(|v| v + 0.5).collect();
    check_alone("in order", &rising, &falling, &mut used);
    check_alone("the same", &rising, &rising, &mut used);
    let close: Vec<f64> = rising.iter().map(|v| 1.0 + v * f64::EPSILON).collect();
    check_alone("neighbours", &close, &falling, &mut used);
}
