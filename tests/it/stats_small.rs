//! The statistics against naive twins, full enumeration, invariances and a second implementation.
#![expect(
    clippy::float_cmp,
    reason = "what is the same number must have the same bits"
)]

use haldane::stats::autocorrelation::effective_size;
use haldane::stats::hodges_lehmann::{hodges_lehmann, shift_interval};
use haldane::stats::mann_whitney::{Dependence, Method, mann_whitney, p_normal};
use haldane::stats::rank::{RankSum, Scratch, pooled_mid_ranks};
use haldane::stats::sequential::{log_e_binomial, upper_bound_anytime};
use haldane::stats::{Alternative, beta, effect_size, normal, student, summary};
use proptest::prelude::*;
use statrs::distribution::{Beta, ContinuousCDF, Normal, StudentsT};

const SIDES: [Alternative; 3] = [
    Alternative::Less,
    Alternative::Greater,
    Alternative::TwoSided,
];

#[track_caller]
fn near(got: f64, want: f64, relative: f64) {
    let scale = want.abs().max(f64::MIN_POSITIVE);
    assert!(
        (got - want).abs() <= relative * scale,
        "got {got:e}, want {want:e}"
    );
}

// ---- naive twins

/// Everything the rank walk computes, from all n·m pairs and all values.
fn naive_ranks(x: &[f64], y: &[f64]) -> RankSum {
    let u = x
        .iter()
        .flat_map(|a| {
            y.iter()
                .map(move |b| if a > b { 1.0 } else { f64::from(a == b) * 0.5 })
        })
        .sum();
    // t³ - t over a group is the sum over its members of t² - 1.
    let term = |pool: &[f64]| -> f64 {
        let equal = |v: &f64| pool.iter().filter(|w| *w == v).count() as f64;
        pool.iter().map(|v| equal(v) * equal(v) - 1.0).sum()
    };
    let pool: Vec<f64> = x.iter().chain(y).copied().collect();
    let within_tie_term = term(x) + term(y);
    RankSum {
        n: x.len(),
        m: y.len(),
        u,
        tie_term: term(&pool),
        within_tie_term,
    }
}

fn sorted_differences(x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut all: Vec<f64> = x
        .iter()
        .flat_map(|a| y.iter().map(move |b| a - b))
        .collect();
    all.sort_by(f64::total_cmp);
    all
}

fn naive_median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    let (low, high) = (sorted[(n - 1) / 2], sorted[n / 2]);
    if low == high {
        return low;
    }
    0.5 * low + 0.5 * high
}

/// Values with ties, signs, zeros of both signs, and magnitudes far apart.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (-4_i32..=4).prop_map(|v| f64::from(v) * 0.5),
        1 => Just(-0.0),
        4 => -1e3..1e3_f64,
        1 => prop_oneof![Just(1e12), Just(-3e-9), Just(7e-300), -1e15..1e15_f64],
    ]
}

fn sample_of(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(value(), 1..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_agrees_with_all_pairs(x in sample_of(60), y in sample_of(60)) {
        let mut scratch = Scratch::new();
        prop_assert_eq!(scratch.load(&x, &y).ranks, naive_ranks(&x, &y));
        let ranks = pooled_mid_ranks(&x, &y);
        let sum: f64 = ranks[..x.len()].iter().sum();
        prop_assert_eq!(sum, scratch.load(&x, &y).ranks.rank_sum());
        let all = ranks.len() as f64;
        prop_assert_eq!(ranks.iter().sum::<f64>(), all * (all + 1.0) / 2.0);
    }

    #[test]
    fn shift_and_limits_are_differences_of_the_right_rank(
        x in sample_of(90), y in sample_of(90), confidence in 0.5..0.999_f64,
    ) {
        let mut scratch = Scratch::new();
        let all = sorted_differences(&x, &y);
        let shift = shift_interval(
            &x, &y, confidence, Alternative::TwoSided, Dependence::NONE, &mut scratch).unwrap();
        prop_assert_eq!(shift.estimate, naive_median(&all));
        prop_assert_eq!(hodges_lehmann(&x, &y, &mut scratch), Some(shift.estimate));
        prop_assert!(shift.lower <= shift.estimate && shift.estimate <= shift.upper);
        // The ranks of the two limits mirror each other.
        let rank_low = all.partition_point(|d| *d < shift.lower)
            ..all.partition_point(|d| *d <= shift.lower);
        let mirrored = all.partition_point(|d| *d < shift.upper)
            ..all.partition_point(|d| *d <= shift.upper);
        let (from, to) = (all.len() - mirrored.end, all.len() - mirrored.start);
        prop_assert!(rank_low.start < to && from < rank_low.end, "{rank_low:?} {mirrored:?}");
    }

    #[test]
    fn swapping_the_samples_mirrors_everything(x in sample_of(20), y in sample_of(20)) {
        let mut scratch = Scratch::new();
        for (side, other) in [
            (Alternative::Less, Alternative::Greater),
            (Alternative::Greater, Alternative::Less),
            (Alternative::TwoSided, Alternative::TwoSided),
        ] {
            let here = mann_whitney(&x, &y, side, &mut scratch);
            let there = mann_whitney(&y, &x, other, &mut scratch);
            prop_assert_eq!(here.u + there.u, (x.len() * y.len()) as f64);
            prop_assert_eq!(here.p.to_bits(), there.p.to_bits());
            prop_assert_eq!(here.method, there.method);
            prop_assert_eq!(here.z.abs(), there.z.abs());
            let noise = Dependence::NONE;
            let a = shift_interval(&x, &y, 0.9, side, noise, &mut scratch).unwrap();
            let b = shift_interval(&y, &x, 0.9, other, noise, &mut scratch).unwrap();
            prop_assert_eq!(a.estimate, -b.estimate);
            prop_assert_eq!((a.lower, a.upper), (-b.upper, -b.lower));
        }
    }

    #[test]
    fn order_within_a_sample_and_monotone_maps_do_not_matter(
        x in sample_of(40), y in sample_of(40),
    ) {
        let mut scratch = Scratch::new();
        let plain = scratch.load(&x, &y).ranks;
        let reversed: Vec<f64> = x.iter().rev().copied().collect();
        prop_assert_eq!(scratch.load(&reversed, &y).ranks, plain);
        // Increasing and exact: the cube root would merge neighbours, halving does not.
        let map = |s: &[f64]| -> Vec<f64> {
            s.iter().map(|v| if *v < 0.0 { v * 4.0 } else { v * 2.0 }).collect()
        };
        prop_assert_eq!(scratch.load(&map(&x), &map(&y)).ranks, plain);
    }

    #[test]
    fn shift_moves_with_the_unit_and_with_an_offset(
        x in prop::collection::vec(-1000_i32..1000, 1..40),
        y in prop::collection::vec(-1000_i32..1000, 1..40),
        offset in -500_i32..500,
    ) {
        let floats = |s: &[i32], by: i32| -> Vec<f64> {
            s.iter().map(|v| f64::from(v + by)).collect()
        };
        let scaled = |s: &[i32]| -> Vec<f64> { s.iter().map(|v| f64::from(*v) * 0.25).collect() };
        let mut scratch = Scratch::new();
        // By the approximation: a shift may make or part ties, and with them change the method.
        let mut shift = |x: &[f64], y: &[f64]| scratch.load(x, y)
            .shift_normal(0.95, Alternative::TwoSided, Dependence::NONE, true).unwrap();
        let plain = shift(&floats(&x, 0), &floats(&y, 0));
        let moved = shift(&floats(&x, offset), &floats(&y, 0));
        let small = shift(&scaled(&x), &scaled(&y));
        for (get, what) in [
            ((|s| s.estimate) as fn(&haldane::stats::hodges_lehmann::Shift) -> f64, "estimate"),
            (|s| s.lower, "lower"),
            (|s| s.upper, "upper"),
        ] {
            prop_assert_eq!(get(&moved), get(&plain) + f64::from(offset), "{}", what);
            prop_assert_eq!(get(&small), get(&plain) * 0.25, "{}", what);
        }
    }

    #[test]
    fn more_dependence_never_sharpens(
        x in sample_of(50), y in sample_of(50), vif in 1.0..9.0_f64, df in 2.0..60.0_f64,
    ) {
        let mut scratch = Scratch::new();
        let mut pair = scratch.load(&x, &y);
        let ranks = pair.ranks;
        let rough = Dependence { vif, df: Some(df) };
        let side = Alternative::TwoSided;
        let (_, sharp_p) = p_normal(&ranks, Dependence::NONE, true, side);
        let (_, rough_p) = p_normal(&ranks, rough, true, side);
        prop_assert!(rough_p >= sharp_p * (1.0 - 1e-12));
        let narrow = pair.shift_normal(0.95, side, Dependence::NONE, true).unwrap();
        let wide = pair.shift(0.95, side, rough).unwrap();
        prop_assert!(wide.lower <= narrow.lower && wide.upper >= narrow.upper);
        prop_assert_eq!(wide.estimate, narrow.estimate);
    }

    #[test]
    fn summaries_agree_with_their_definitions(values in sample_of(50)) {
        let got = summary::summarise(&values).unwrap();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        near(got.median, naive_median(&sorted), 1e-15);
        let mut distances: Vec<f64> = values.iter().map(|v| (v - got.median).abs()).collect();
        distances.sort_by(f64::total_cmp);
        near(got.mad, naive_median(&distances), 1e-15);
        prop_assert!(got.min <= got.mean && got.mean <= got.max);
        prop_assert_eq!((got.min, got.max), (sorted[0], sorted[sorted.len() - 1]));
        prop_assert!(got.variance >= 0.0);
    }

    #[test]
    fn tails_agree_with_another_implementation(
        a in 0.3..60.0_f64, b in 0.3..60.0_f64, x in 0.001..0.999_f64,
        df in 1.0..200.0_f64, t in -6.0..6.0_f64,
    ) {
        let (lower, upper) = beta::tails(a, b, x);
        let other = Beta::new(a, b).unwrap();
        prop_assert!((lower - other.cdf(x)).abs() < 1e-11 && (upper - other.sf(x)).abs() < 1e-11);
        prop_assert!((lower + upper - 1.0).abs() < 1e-14);
        let other = StudentsT::new(0.0, 1.0, df).unwrap();
        prop_assert!((student::sf(t, df) - other.sf(t)).abs() < 1e-10);
        let other = Normal::new(0.0, 1.0).unwrap();
        prop_assert!((normal::cdf(t) - other.cdf(t)).abs() < 1e-10);
    }

    #[test]
    fn quantiles_invert_tails(ln_p in -300.0..-0.001_f64, df in 0.8..500.0_f64) {
        let p = libm::exp(ln_p);
        near(normal::cdf(normal::quantile(p)), p, 1e-12 * (1.0 - ln_p));
        near(normal::sf(normal::inverse_sf(p)), p, 1e-12 * (1.0 - ln_p));
        if ln_p > -60.0 {
            near(student::sf(student::inverse_sf(p, df), df), p, 1e-10);
        }
    }
}

/// A6: the same bits on every machine. A change here changes judgements and needs a new version of
/// their semantics. (SciPy 1.17.1, with quadrature for the e-values, agrees to 1e-12.)
#[test]
fn results_have_the_bits_they_always_had() {
    let x: Vec<f64> = (0..70_i32).map(|i| f64::from(i * i % 97) * 0.37).collect();
    let y: Vec<f64> = (0..80_i32)
        .map(|i| f64::from(i * i % 89) * 0.41 + 1.0)
        .collect();
    let mut scratch = Scratch::new();
    let mut pair = scratch.load(&x, &y);
    let rough = Dependence {
        vif: 2.5,
        df: Some(11.5),
    };
    let shift = pair.shift(0.98, Alternative::TwoSided, rough).unwrap();
    let got = [
        pair.test(Alternative::Less, Dependence::NONE).p,
        pair.test(Alternative::TwoSided, rough).p,
        shift.lower,
        shift.estimate,
        shift.upper,
        normal::quantile(1e-5),
        student::inverse_sf(0.01, 7.5),
        beta::quantile(3.5, 90.0, 0.025),
        log_e_binomial(12, 900, 0.004),
        upper_bound_anytime(3, 5_000, 0.05),
        effective_size(&x.iter().copied().map(Some).collect::<Vec<_>>()),
    ];
    assert_eq!(
        got.map(f64::to_bits),
        BITS,
        "{got:?} is {:#018x?}",
        got.map(f64::to_bits)
    );
}

const BITS: [u64; 11] = [
    0x3fcb_18da_9a0e_a19d,
    0x3fe3_e916_a291_df07,
    0xc024_47ae_147a_e148,
    0xbff6_b851_eb85_1eb0,
    0x401e_1eb8_51eb_8520,
    0xc011_0f3f_8843_a3da,
    0x4007_8b77_a877_4af4,
    0x3f82_e096_e9ef_eafd,
    0x400b_22d0_604b_1e8d,
    0x3f61_ba31_1ac6_7ccd,
    0x4047_9e96_eb22_db68,
];

// ---- enumeration

/// Every subset of the pooled places of size n, as (wins, probability weight).
fn all_splits(pool: &[f64], n: usize) -> Vec<f64> {
    let all = 1_u32 << pool.len();
    (0..all)
        .filter(|mask| mask.count_ones() as usize == n)
        .map(|mask| {
            let part = |inside: bool| -> Vec<f64> {
                let pick = |(i, v): (usize, &f64)| ((mask >> i & 1 == 1) == inside).then_some(*v);
                pool.iter().enumerate().filter_map(pick).collect()
            };
            naive_ranks(&part(true), &part(false)).u
        })
        .collect()
}

fn check_exact(pool: &[f64], n: usize, scratch: &mut Scratch) {
    let splits = all_splits(pool, n);
    let total = splits.len() as f64;
    let (x, y) = pool.split_at(n);
    let u = naive_ranks(x, y).u;
    let less = splits.iter().filter(|&&s| s <= u).count() as f64 / total;
    let greater = splits.iter().filter(|&&s| s >= u).count() as f64 / total;
    for side in SIDES {
        let got = mann_whitney(x, y, side, scratch);
        let want = match side {
            Alternative::Less => less,
            Alternative::Greater => greater,
            Alternative::TwoSided => (2.0 * less.min(greater)).min(1.0),
        };
        assert!(
            (got.p - want).abs() < 1e-14,
            "{x:?} {y:?} {side:?}: {} is not {want}",
            got.p
        );
        assert_ne!(got.method, Method::Normal);
    }
}

/// All pools of up to 8 values from an alphabet with ties, at every split, and every order of
/// untied ones.
#[test]
fn exact_p_is_the_enumerated_one() {
    let mut scratch = Scratch::new();
    for size in 2..=6_u32 {
        for code in 0..3_u32.pow(size) {
            let pool: Vec<f64> = (0..size)
                .map(|i| f64::from(code / 3_u32.pow(i) % 3))
                .collect();
            for n in 1..size as usize {
                check_exact(&pool, n, &mut scratch);
            }
        }
    }
    // 7 and 8 values: which are equal is all that matters, so non-decreasing pools, rotated.
    for size in 7..=8_u32 {
        for code in 0..2_u32.pow(size) {
            let mut level = 0.0;
            let mut pool: Vec<f64> = (0..size)
                .map(|i| {
                    level += f64::from(code >> i & 1);
                    level
                })
                .collect();
            pool.rotate_left((code % size) as usize);
            check_exact(&pool, 3 + (code % 2) as usize, &mut scratch);
        }
    }
}

#[test]
fn small_p_is_not_rounded_to_zero() {
    let mut scratch = Scratch::new();
    let low: Vec<f64> = (0..200).map(f64::from).collect();
    let high: Vec<f64> = (0..200).map(|v| f64::from(v) + 1000.0).collect();
    let p = mann_whitney(&high, &low, Alternative::Greater, &mut scratch).p;
    assert!(p > 1e-68 && p < 1e-64, "{p:e}");
    let (ten, twenty): (Vec<f64>, Vec<f64>) = (
        (0..10).map(f64::from).collect(),
        (20..30).map(f64::from).collect(),
    );
    let test = mann_whitney(&twenty, &ten, Alternative::Greater, &mut scratch);
    near(test.p, 1.0 / 184_756.0, 1e-14);
}

#[test]
fn nothing_to_compare_is_no_evidence() {
    let mut scratch = Scratch::new();
    for side in SIDES {
        for (x, y) in [
            (vec![], vec![]),
            (vec![1.0], vec![]),
            (vec![2.0; 9], vec![2.0; 70]),
            (vec![2.0; 9], vec![2.0; 4]),
        ] {
            let test = mann_whitney(&x, &y, side, &mut scratch);
            assert_eq!((test.p, test.a12), (1.0, 0.5), "{x:?} {y:?}");
        }
    }
    assert_eq!(hodges_lehmann(&[], &[1.0], &mut scratch), None);
    assert_eq!(
        hodges_lehmann(&[3.0; 50], &[1.0; 70], &mut scratch),
        Some(2.0)
    );
    assert_eq!(effect_size::ratio_of_medians(&[1.0], &[0.0, 0.0]), None);
    assert_eq!(effect_size::ratio_of_means(&[3.0], &[2.0, 0.0]), Some(3.0));
    assert_eq!(summary::summarise(&[]), None);
}

/// Shapes on which guessing where to count goes wrong: the answer must not.
#[test]
fn selection_survives_odd_shapes() {
    let mut state = 7_u64;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / 9_007_199_254_740_992.0
    };
    let mut scratch = Scratch::new();
    let shapes: [fn(f64) -> f64; 6] = [
        |u| if u < 0.6 { 0.0 } else { u },
        |u| (u * 4.0).floor(),
        |u| libm::pow(1.0 - u, -8.0),
        |u| if u < 0.5 { u } else { 1e9 + u },
        |u| libm::exp(600.0 * (u - 0.5)),
        |u| {
            if u < 0.95 {
                1.0
            } else {
                1.0 + 1e-15 * (u * 8.0).floor()
            }
        },
    ];
    for first in shapes {
        for second in shapes {
            let x: Vec<f64> = (0..150).map(|_| first(draw())).collect();
            let y: Vec<f64> = (0..130).map(|_| second(draw())).collect();
            let all = sorted_differences(&x, &y);
            let shift = shift_interval(
                &x,
                &y,
                0.99,
                Alternative::TwoSided,
                Dependence::NONE,
                &mut scratch,
            );
            let shift = shift.unwrap();
            assert_eq!(shift.estimate, naive_median(&all));
            let low = all.partition_point(|d| *d < shift.lower);
            assert_eq!(all[low], shift.lower);
            assert!(all.contains(&shift.upper));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Differences that overflow are the largest there are: the shift stays one of the cut
    /// differences, whatever the magnitudes.
    #[test]
    fn shifts_of_extreme_magnitudes_are_those_of_the_cut_differences(
        x in prop::collection::vec(extreme(), 1..40),
        y in prop::collection::vec(extreme(), 1..40),
        confidence in 0.5..0.999_f64,
    ) {
        let mut scratch = Scratch::new();
        let shift = shift_interval(
            &x, &y, confidence, Alternative::TwoSided, Dependence::NONE, &mut scratch,
        ).unwrap();
        let cut = |a: &f64, b: &f64| (a - b).clamp(-f64::MAX, f64::MAX);
        let mut all: Vec<f64> = x.iter().flat_map(|a| y.iter().map(move |b| cut(a, b))).collect();
        all.sort_by(f64::total_cmp);
        let median = naive_median(&all);
        prop_assert_eq!(shift.estimate, median);
        prop_assert!(all.contains(&shift.lower) && all.contains(&shift.upper), "{:?}", shift);
        prop_assert!(shift.lower <= shift.estimate && shift.estimate <= shift.upper);
        prop_assert_eq!(hodges_lehmann(&x, &y, &mut scratch), Some(median));
    }
}

fn extreme() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::sample::select(vec![
            f64::MAX,
            -f64::MAX,
            1.7e308,
            -1.7e308,
            9e307,
            -9e307,
            0.0,
            5e-324,
            1.0,
            -1.0,
        ]),
        -f64::MAX..f64::MAX,
        -1.0..1.0_f64,
    ]
}
