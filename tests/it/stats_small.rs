//! The statistics against naive twins, full enumeration, invariances and a second implementation.

use haldane::stats::autocorrelation::{
    autocovariances, effective_size, effective_size_ar1, lag1, lag1_corrected, long_run_variance,
};
use haldane::stats::binomial::{self, Counts};
use haldane::stats::hodges_lehmann::{hodges_lehmann, shift_interval};
use haldane::stats::mann_whitney::{Dependence, Method, mann_whitney, p_normal};
use haldane::stats::multiplicity::{bonferroni, e_bh, holm};
use haldane::stats::rank::{RankSum, Scratch, pooled_mid_ranks};
use haldane::stats::sequential::{
    BudgetTest, RatioTest, log_e_below, log_e_binomial, lower_bound_anytime, upper_bound_anytime,
};
use haldane::stats::{Alternative, beta, effect_size, normal, student, summary};
use proptest::prelude::*;
use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF, Normal, StudentsT};

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
    0.5 * sorted[(n - 1) / 2] + 0.5 * sorted[n / 2]
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
    fn swapping_the_samples_mirrors_everything(x in sample_of(30), y in sample_of(30)) {
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
        let mut shift = |x: &[f64], y: &[f64]| shift_interval(
            x, y, 0.95, Alternative::TwoSided, Dependence::NONE, &mut scratch).unwrap();
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

    #[test]
    fn binomial_tails_agree_with_sums(n in 1_u64..60, share in 0.0..1.0_f64, p in 0.01..0.99_f64) {
        let k = (share * n as f64) as u64;
        let other = Binomial::new(p, n).unwrap();
        prop_assert!((binomial::at_most(k, n, p) - other.cdf(k)).abs() < 1e-10);
        let below = if k == 0 { 0.0 } else { other.cdf(k - 1) };
        prop_assert!((binomial::at_least(k, n, p) - (1.0 - below)).abs() < 1e-10);
        let limits = binomial::exact_limits(k, n, 0.9);
        let (wilson, seen) = (binomial::wilson(k, n, 0.9), k as f64 / n as f64);
        for l in [limits, wilson] {
            prop_assert!(0.0 <= l.lower && l.lower <= seen && seen <= l.upper && l.upper <= 1.0);
        }
        if k > 0 {
            near(binomial::at_least(k, n, limits.lower), 0.05, 1e-10);
        }
        if k < n {
            near(binomial::at_most(k, n, limits.upper), 0.05, 1e-10);
        }
    }

    #[test]
    fn an_anytime_limit_is_wider_than_a_single_look_and_monotone(
        n in 1_u64..3000, share in 0.0..0.3_f64,
    ) {
        let bad = (share * n as f64) as u64;
        let (low, high) =
            (lower_bound_anytime(bad, n, 0.05), upper_bound_anytime(bad, n, 0.05));
        prop_assert!(low <= binomial::exact_lower(bad, n, 0.05));
        prop_assert!(high >= binomial::exact_upper(bad, n, 0.05));
        // Beyond the limit evidence only grows, so nothing rejected lies between.
        let mut last = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let seen = bad as f64 / n as f64;
        for step in 1..40 {
            let up = high + (1.0 - high) * f64::from(step) / 40.0;
            let evidence = log_e_below(bad, n, up);
            prop_assert!(evidence >= last.0 - 1e-9 && evidence >= 2.995, "{up} {evidence}");
            last.0 = evidence;
            let down = low * (1.0 - f64::from(step) / 40.0);
            if down > 0.0 && seen > 0.0 {
                let evidence = log_e_binomial(bad, n, down);
                prop_assert!(evidence >= last.1 - 1e-9 && evidence >= 2.995);
                last.1 = evidence;
            }
        }
    }
}

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

// ---- e-values

/// Probability of `k` of `n`, by logarithms of factorials.
fn pmf(k: u64, n: u64, p: f64) -> f64 {
    let ln = |v: u64| libm::lgamma(v as f64 + 1.0);
    let logs = k as f64 * libm::log(p) + (n - k) as f64 * libm::log1p(-p);
    libm::exp(ln(n) - ln(k) - ln(n - k) + logs)
}

/// The mean of every e-value at a fixed count, at and inside the edge of its null, is at most 1.
#[test]
fn e_values_have_mean_at_most_one() {
    for n in [1, 2, 7, 40, 400] {
        for p0 in [0.001, 0.02, 0.3, 0.9] {
            let mean = |rate: f64, log_e: &dyn Fn(u64) -> f64| -> f64 {
                (0..=n).map(|k| pmf(k, n, rate) * libm::exp(log_e(k))).sum()
            };
            let above = |k| log_e_binomial(k, n, p0);
            let below = |k| log_e_below(k, n, p0);
            near(mean(p0, &above), 1.0, 1e-9);
            near(mean(p0, &below), 1.0, 1e-9);
            for share in [0.1, 0.5, 0.9] {
                assert!(mean(p0 * share, &above) <= 1.0 + 1e-9, "{n} {p0} {share}");
                assert!(
                    mean(1.0 - (1.0 - p0) * share, &below) <= 1.0 + 1e-9,
                    "{n} {p0} {share}"
                );
            }
        }
    }
}

/// Ville's inequality, computed exactly: the probability of ever reaching 1/alpha within the
/// horizon when looking after every single event.
#[test]
fn looking_after_every_event_errs_at_most_alpha() {
    for (p0, horizon) in [(0.05, 400_u64), (0.3, 150)] {
        for alpha in [0.05, 0.2] {
            for above in [true, false] {
                let limit = -libm::log(alpha);
                let mut alive = vec![1.0_f64];
                let mut stopped = 0.0;
                for n in 1..=horizon {
                    let mut next = vec![0.0; alive.len() + 1];
                    for (k, mass) in alive.iter().enumerate() {
                        next[k] += mass * (1.0 - p0);
                        next[k + 1] += mass * p0;
                    }
                    for (k, mass) in next.iter_mut().enumerate() {
                        let evidence = if above {
                            log_e_binomial(k as u64, n, p0)
                        } else {
                            log_e_below(k as u64, n, p0)
                        };
                        if evidence >= limit {
                            stopped += std::mem::take(mass);
                        }
                    }
                    alive = next;
                }
                assert!(stopped <= alpha, "{p0} {alpha} {above}: {stopped}");
                assert!(stopped > 0.0, "a test that never rejects is no test");
            }
        }
    }
}

/// The onset mixtures are martingales at the edge of their null: their mean over all outcomes of
/// two intervals is 1.
#[test]
fn onset_mixtures_have_mean_one() {
    let (p0, n) = (0.1, 12_u64);
    let mut mean = 0.0;
    for (a, b) in (0..=n).flat_map(|a| (0..=n).map(move |b| (a, b))) {
        let mut test = BudgetTest::new(p0, 10);
        test.observe(Counts { bad: a, total: n }, 1.0);
        let log_e = test.observe(Counts { bad: b, total: n }, 1.0);
        mean += pmf(a, n, p0) * pmf(b, n, p0) * libm::exp(log_e);
    }
    near(mean, 1.0, 1e-10);
    // Given 9 bad events in each interval, those on the canary are binomial.
    let share = binomial::canary_share(30, 70, 1.2).unwrap();
    let mut mean = 0.0;
    for (a, b) in (0..=9).flat_map(|a| (0..=9).map(move |b| (a, b))) {
        let mut test = RatioTest::new(1.2, 10);
        let mut look = |k: u64| {
            let canary = Counts { bad: k, total: 30 };
            test.observe(
                canary,
                Counts {
                    bad: 9 - k,
                    total: 70,
                },
                1.0,
            )
        };
        look(a);
        mean += pmf(a, 9, share) * pmf(b, 9, share) * libm::exp(look(b));
    }
    near(mean, 1.0, 1e-10);
}

#[test]
fn large_counts_keep_their_digits() {
    // A mean of 1,000 bad in a million, seen exactly: about half of the mass on either side.
    let tail = binomial::at_least(1_000, 1_000_000, 0.001);
    assert!((tail - 0.508_407).abs() < 1e-4, "{tail}");
    let both = tail + binomial::at_most(999, 1_000_000, 0.001);
    near(both, 1.0, 1e-12);
    assert!(log_e_binomial(2_000_000, 1_000_000_000, 0.001) > 1e5);
    assert!(log_e_binomial(900_000, 1_000_000_000, 0.001) < 0.0);
    let (low, high) = (
        lower_bound_anytime(1_000_000, 1_000_000_000, 0.01),
        upper_bound_anytime(1_000_000, 1_000_000_000, 0.01),
    );
    assert!(
        low > 0.000_99 && low < 0.001 && high > 0.001 && high < 0.001_01,
        "{low} {high}"
    );
}

/// The requests that prove a budget with no bad event, at one look: ln 0.05 / ln(1 - p).
#[test]
fn clean_requests_prove_a_budget_later_than_a_single_look_would() {
    for (p, single) in [(0.01, 299), (0.001, 2_995)] {
        near(binomial::exact_upper(0, single, 0.05), p, 2e-3);
        let enough = (1..40)
            .map(|k| single * k)
            .find(|&n| upper_bound_anytime(0, n, 0.05) < p);
        assert!(
            enough.is_some_and(|n| n > single && n <= 4 * single),
            "{enough:?}"
        );
    }
}

// ---- two rates

#[test]
fn conditional_test_is_the_enumerated_one() {
    let (canary, baseline) = (Counts { bad: 7, total: 300 }, Counts { bad: 5, total: 700 });
    let greater: f64 = (7..=12).map(|k| pmf(k, 12, 0.3)).sum();
    let test = |side| binomial::conditional_test(canary, baseline, 1.0, side);
    near(test(Alternative::Greater), greater, 1e-12);
    near(
        test(Alternative::Less),
        1.0 - greater + pmf(7, 12, 0.3),
        1e-12,
    );
    near(test(Alternative::TwoSided), 2.0 * greater, 1e-12);
    let none = Counts { bad: 0, total: 0 };
    near(
        binomial::conditional_test(none, baseline, 1.0, Alternative::Greater),
        1.0,
        0.0,
    );
    let doubled = binomial::conditional_test(canary, baseline, 2.0, Alternative::Greater);
    assert!(doubled > greater, "a tolerated ratio makes evidence weaker");
}

/// Newcombe's own example (Table II, case a): 56/70 against 48/80, method 10.
#[test]
fn difference_of_rates_matches_the_paper() {
    let (one, two) = (Counts { bad: 56, total: 70 }, Counts { bad: 48, total: 80 });
    let limits = binomial::difference_limits(one, two, 0.95).unwrap();
    assert!((limits.lower - 0.0524).abs() < 5e-5 && (limits.upper - 0.3339).abs() < 5e-5);
    assert_eq!(
        binomial::difference_limits(one, Counts { bad: 0, total: 0 }, 0.95),
        None
    );
}

#[test]
fn adjusted_p_values_follow_their_definitions() {
    let p = [0.01, 0.04, 0.03, 0.005];
    for (got, want) in bonferroni(&p).iter().zip([0.04, 0.16, 0.12, 0.02]) {
        near(*got, want, 1e-14);
    }
    for (got, want) in holm(&p).iter().zip([0.03, 0.06, 0.06, 0.02]) {
        near(*got, want, 1e-14);
    }
    assert_eq!(e_bh(&[], 0.05), Vec::<usize>::new());
    assert_eq!(
        e_bh(&[40.0, 39.0], 0.05),
        vec![0],
        "two at 39 would need 20 each: one is enough"
    );
}

// ---- autocorrelation

fn ar1(n: usize, rho: f64, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0 + 1e-17
    };
    let mut last = normal::quantile(uniform()) / (1.0 - rho * rho).sqrt();
    (0..n)
        .map(|_| {
            last = rho * last + normal::quantile(uniform());
            last
        })
        .collect()
}

fn present(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

/// Over many short series the plain estimate is biased as the formula says, the corrected is not.
#[test]
fn correction_removes_the_bias_of_short_series() {
    const RUNS: u64 = 3_000;
    for (rho, n) in [(0.0, 30), (0.5, 40), (0.8, 60)] {
        let (mut plain, mut corrected) = (0.0, 0.0);
        for seed in 0..RUNS {
            let series = present(&ar1(n, rho, seed * 7_919 + 1));
            plain += lag1(&series).unwrap() / RUNS as f64;
            corrected += lag1_corrected(&series).unwrap() / RUNS as f64;
        }
        let bias = (1.0 + 4.0 * rho) / n as f64;
        assert!(
            (plain - (rho - bias)).abs() < 0.012,
            "{rho}: {plain}, expected {}",
            rho - bias
        );
        assert!((corrected - rho).abs() < 0.015, "{rho}: {corrected}");
    }
}

#[test]
fn effective_size_finds_the_known_one() {
    for rho in [0.0, 0.3, 0.6, 0.9] {
        let n = 20_000;
        let got = effective_size(&present(&ar1(n, rho, 11)));
        near(got, effective_size_ar1(n, rho), 0.12);
    }
    let constant = present(&[3.0; 40]);
    near(effective_size(&constant), 40.0, 0.0);
    near(effective_size(&[]), 0.0, 0.0);
    let alternating: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
    near(effective_size(&present(&alternating)), 40.0, 0.0);
    let ramp: Vec<f64> = (0..400).map(f64::from).collect();
    let few = effective_size(&present(&ramp));
    assert!(
        (1.0..6.0).contains(&few),
        "a trend has few independent values: {few}"
    );
    assert_eq!(long_run_variance(&[1.0; 9]), None);
}

/// Gaps do not shift lags: thinning an AR(1) at random leaves its correlation at lag 1 and 2.
#[test]
fn gaps_keep_the_true_distance() {
    let values = ar1(20_000, 0.7, 5);
    let full = autocovariances(&present(&values), 2).unwrap();
    let holed: Vec<Option<f64>> = values
        .iter()
        .enumerate()
        .map(|(i, v)| (i * i % 7 > 1).then_some(*v))
        .collect();
    let some = autocovariances(&holed, 2).unwrap();
    for lag in 0..=2 {
        near(some[lag], full[lag], 0.06);
    }
    near(full[1] / full[0], 0.7, 0.03);
    let naive: Vec<f64> = (0..=2)
        .map(|lag| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let pairs = values.iter().zip(&values[lag..]);
            pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / values.len() as f64
        })
        .collect();
    for lag in 0..=2 {
        near(full[lag], naive[lag], 1e-10);
    }
    assert_eq!(
        lag1(&[Some(1.0), None, Some(2.0), None]),
        None,
        "too few values"
    );
}
