//! The tests of rates, their e-values, and of autocorrelation, against sums over all outcomes,
//! published examples and series of known correlation.

use haldane::stats::autocorrelation::{
    autocovariances, effective_size, effective_size_ar1, lag1, lag1_corrected, long_run_variance,
};
use haldane::stats::binomial::{self, Counts};
use haldane::stats::multiplicity::{bonferroni, e_bh, holm};
use haldane::stats::sequential::{
    BudgetTest, RatioTest, log_e_below, log_e_binomial, lower_bound_anytime, upper_bound_anytime,
};
use haldane::stats::{Alternative, normal, poisson};
use proptest::prelude::*;
use statrs::distribution::{Binomial, DiscreteCDF};

#[track_caller]
fn near(got: f64, want: f64, relative: f64) {
    let scale = want.abs().max(f64::MIN_POSITIVE);
    assert!(
        (got - want).abs() <= relative * scale,
        "got {got:e}, want {want:e}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn binomial_tails_agree_with_sums(n in 1_u64..60, share in 0_u64..=100, p in 0.01..0.99_f64) {
        let k = share * n / 100;
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
        n in 1_u64..3000, share in 0_u64..300,
    ) {
        let bad = share * n / 1000;
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

// ---- e-values

/// Probability of `k` of `n`, by logarithms of factorials.
fn pmf(k: u64, n: u64, p: f64) -> f64 {
    libm::exp(ln_pmf(k, n, p))
}

fn ln_pmf(k: u64, n: u64, p: f64) -> f64 {
    let ln = |v: u64| libm::lgamma(v as f64 + 1.0);
    let logs = k as f64 * libm::log(p) + (n - k) as f64 * libm::log1p(-p);
    ln(n) - ln(k) - ln(n - k) + logs
}

/// The mean of every e-value at a fixed count, at and inside the edge of its null, is at most 1.
#[test]
fn e_values_have_mean_at_most_one() {
    for n in [1, 2, 7, 40, 400] {
        for p0 in [0.001, 0.02, 0.3, 0.9] {
            let mean = |rate: f64, log_e: &dyn Fn(u64) -> f64| -> f64 {
                (0..=n)
                    .map(|k| libm::exp(ln_pmf(k, n, rate) + log_e(k)))
                    .sum()
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
    // 1/2 + 1/(3 √(2π·1000)), the first term of the expansion at the mean.
    assert!((tail - 0.504_205).abs() < 1e-5, "{tail}");
    let both = tail + binomial::at_most(999, 1_000_000, 0.001);
    near(both, 1.0, 1e-12);
    let tail = poisson::at_least(1_000_000, 1e6);
    assert!((tail - 0.500_132_98).abs() < 1e-8, "{tail}");
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
        assert!(binomial::exact_upper(0, single, 0.05) < p);
        assert!(binomial::exact_upper(0, single - 1, 0.05) >= p);
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
    assert_eq!(e_bh(&[40.0, 39.0], 0.05), vec![0, 1], "two need 20 each");
    assert_eq!(
        e_bh(&[40.0, 19.0], 0.05),
        vec![0],
        "one needs 40, two 20 each"
    );
    assert_eq!(e_bh(&[39.0, 19.0], 0.05), Vec::<usize>::new());
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
