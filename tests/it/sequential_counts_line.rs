//! The e-processes of the count tests themselves: means over all outcomes, the known dispersion as
//! a special case, and what they must not depend on.

#![expect(clippy::float_cmp, reason = "these results are exact")]

use haldane::stats::binomial::Counts;
use haldane::stats::dispersion::{DISPERSIONS, PLAUSIBLE, Scatter};
use haldane::stats::sequential::line::{Both, Line, LineTest, Onset, Side, Singles, Tally};
use haldane::stats::sequential::{RATE_RATIOS, RatioTest};
use proptest::prelude::*;

const NOTHING: [f64; 6] = [0.0; 6];

/// Evidence that leaves one dispersion only.
fn only(kept: usize) -> [f64; 6] {
    let mut out = [1e4; 6];
    out[kept] = 0.0;
    out
}

fn tally(bad: f64, total: f64) -> Tally {
    Tally { bad, total }
}

fn both(k: f64, n: f64, l: f64, m: f64) -> Both {
    Both {
        canary: tally(k, n),
        baseline: tally(l, m),
    }
}

fn relative(ratio: f64) -> Line {
    Line { ratio, extra: 0.0 }
}

fn absolute(extra: f64) -> Line {
    Line { ratio: 1.0, extra }
}

/// Probabilities of 0, 1, … bad events when clusters are Poisson and their sizes geometric with
/// mean `m` (Panjer's recursion).
fn clustered(mean: f64, m: f64, most: usize) -> Vec<f64> {
    let clusters = mean / m;
    let size = |k: usize| (1.0 - 1.0 / m).powi(i32::try_from(k).unwrap() - 1) / m;
    let mut out = vec![(-clusters).exp()];
    for n in 1..=most {
        let sum: f64 = (1..=n).map(|k| k as f64 * size(k) * out[n - k]).sum();
        out.push(clusters * sum / n as f64);
    }
    out
}

fn binomial(n: u32, p: f64) -> Vec<f64> {
    let mut out = vec![(1.0 - p).powi(i32::try_from(n).unwrap())];
    for k in 1..=n {
        let last = out[out.len() - 1];
        out.push(last * f64::from(n - k + 1) / f64::from(k) * p / (1.0 - p));
    }
    out
}

/// The mean of e after one interval, over all counts of both arms.
fn mean(
    line: Line,
    side: Side,
    laws: [&[f64]; 2],
    totals: [f64; 2],
    past: Both,
    too: [f64; 6],
) -> f64 {
    let factors = [1.1, 1.5, 3.0];
    let mut mean = 0.0;
    for (k, p) in laws[0].iter().enumerate() {
        for (l, q) in laws[1].iter().enumerate() {
            let seen = both(k as f64, totals[0], l as f64, totals[1]);
            let mut test = LineTest::new(line, side, &factors, Onset::Start, past);
            test.observe(seen, Singles::new(side, 0).of(seen));
            mean += p * q * test.log_e(&too).exp();
        }
    }
    mean
}

/// Lines with a point on each: (line, baseline's rate, canary's rate).
fn points() -> Vec<(Line, f64, f64)> {
    vec![
        (relative(1.0), 0.02, 0.02),
        (relative(1.5), 0.02, 0.03),
        (relative(0.8), 0.05, 0.04),
        (absolute(0.01), 0.02, 0.03),
        (absolute(0.03), 0.0, 0.03),
        (absolute(-0.02), 0.05, 0.03),
    ]
}

/// On the line the mean is at most 1, for independent and for clustered counts up to the
/// dispersion that the evidence leaves; off the line, on the side of the null, it is smaller.
#[test]
fn the_mean_over_all_outcomes_is_at_most_one() {
    for (line, p_b, p_c) in points() {
        for (n_c, n_b) in [(100.0, 100.0), (20.0, 300.0), (200.0, 40.0)] {
            for side in [Side::Above, Side::Below] {
                let of = |p: f64, n: f64| clustered(p * n, 1.0, 40);
                let at = [of(p_c, n_c), of(p_b, n_b)];
                let sum = |law: &[Vec<f64>; 2], too| {
                    mean(
                        line,
                        side,
                        [&law[0], &law[1]],
                        [n_c, n_b],
                        Both::default(),
                        too,
                    )
                };
                let on = sum(&at, NOTHING);
                assert!(on <= 1.0 + 1e-9, "{line:?} {side:?} {n_c} {n_b}: {on}");
                let better = if side == Side::Above { 0.7 } else { 1.3 };
                let inside = [of(p_c * better, n_c), of(p_b, n_b)];
                assert!(sum(&inside, NOTHING) <= on + 1e-9, "{line:?} {side:?}");
            }
        }
    }
}

#[test]
fn clusters_of_the_size_that_is_left_are_a_martingale() {
    for (kept, phi) in DISPERSIONS.iter().enumerate().take(4) {
        let m = 0.5 * (phi + 1.0);
        for (line, p_b, p_c) in points() {
            let laws = [clustered(p_c * 30.0, m, 80), clustered(p_b * 50.0, m, 80)];
            for side in [Side::Above, Side::Below] {
                let laws = [&laws[0][..], &laws[1][..]];
                let got = mean(line, side, laws, [30.0, 50.0], Both::default(), only(kept));
                let single = match side {
                    Side::Above => line.extra >= 0.0,
                    Side::Below => line.extra <= 0.0,
                };
                let share = if single { 2.0 / 3.0 } else { 1.0 };
                let one = share / PLAUSIBLE[kept];
                assert!(
                    got <= one + 1.0 - share + 1e-6,
                    "{phi} {line:?} {side:?}: {got} of {one}"
                );
                assert!(
                    got >= one * (1.0 - 1e-3),
                    "{phi} {line:?} {side:?}: {got} of {one}"
                );
            }
        }
    }
}

/// Where many events are bad, likelihoods of Bernoulli are used, and the baseline's rate that they
/// assume may be wrong.
#[test]
fn high_rates_have_mean_at_most_one_whatever_is_assumed() {
    for (line, p_b, p_c) in [
        (relative(1.2), 0.3, 0.36),
        (relative(1.0), 0.6, 0.6),
        (absolute(0.05), 0.3, 0.35),
        (absolute(-0.1), 0.9, 0.8),
    ] {
        for assumed in [0.15, 0.3, 0.6, 0.9] {
            let past = both(assumed * 1e3, 1e3, assumed * 1e3, 1e3);
            for side in [Side::Above, Side::Below] {
                let laws = [binomial(20, p_c), binomial(40, p_b)];
                let laws = [&laws[0][..], &laws[1][..]];
                let got = mean(line, side, laws, [20.0, 40.0], past, NOTHING);
                assert!(got <= 1.0 + 1e-9, "{line:?} {side:?} {assumed}: {got}");
            }
        }
    }
}

/// With independent counts known, the test is the conditional binomial that the vectors check.
#[test]
fn a_known_dispersion_of_one_is_the_ratio_test() {
    let mut known = RatioTest::new(1.2, 12);
    let onset = Onset::Within(12);
    let mut test = LineTest::new(
        relative(1.2),
        Side::Above,
        &RATE_RATIOS,
        onset,
        Both::default(),
    );
    for (k, l) in [
        (0, 1),
        (1, 3),
        (0, 0),
        (1, 0),
        (1, 2),
        (1, 1),
        (1, 70),
        (1, 0),
        (1, 4),
    ] {
        let (n, m) = (40 + k, 160 - l);
        let counts = |bad, total| Counts { bad, total };
        let want = known.observe(counts(k, n), counts(l, m), 1.0);
        let seen = both(k as f64, n as f64, l as f64, m as f64);
        test.observe(seen, Some(seen));
        // A third lies with single events, which are all there are here.
        let share = 1.0 / 3.0 + 2.0 / 3.0 / PLAUSIBLE[0];
        let got = test.log_e(&only(0)) - share.ln();
        assert!((got - want).abs() < 1e-9, "{got} {want}");
    }
}

#[test]
fn single_events_rest_after_each() {
    let mut singles = Singles::new(Side::Above, 2);
    let bad = |k: f64| both(k, 10.0, 3.0, 10.0);
    let counted: Vec<Option<f64>> = [0.0, 5.0, 1.0, 1.0, 2.0, 0.0]
        .map(|k| singles.of(bad(k)).map(|seen| seen.canary.bad))
        .to_vec();
    assert_eq!(counted, [Some(0.0), Some(1.0), None, None, Some(1.0), None]);
    let below = Singles::new(Side::Below, 0).of(bad(5.0)).unwrap();
    assert!((below.canary.bad - 5.0).abs() < 1e-12 && (below.baseline.bad - 1.0).abs() < 1e-12);
}

/// Calm counts speak against large clusters, wild ones and jumps against none.
#[test]
fn only_calm_counts_speak_against_clusters() {
    let after = |squared: f64, events: f64| {
        let mut scatter = Scatter::default();
        for _ in 0..40 {
            scatter.add(squared, events, 0.5);
        }
        scatter.too_large()
    };
    let (calm, wild) = (after(0.7, 50.0), after(40.0, 50.0));
    assert!(
        calm[5] > 8.0 && calm[2] > 2.0 && calm[0].abs() < 1e-12,
        "{calm:?}"
    );
    assert!(wild.iter().all(|evidence| *evidence <= 1e-12), "{wild:?}");
    assert_eq!(after(0.0, 1.0), NOTHING, "one event shows no cluster");
    assert_eq!(after(f64::NAN, 9.0), NOTHING);
    let mut jumped = Scatter::default();
    for idx in 0..40 {
        jumped.add(if idx == 20 { 900.0 } else { 0.7 }, 50.0, 0.5);
    }
    assert!(
        jumped.too_large()[5] > 0.8 * calm[5],
        "a single jump leaves the rest"
    );
}

fn rows() -> impl Strategy<Value = Vec<(u32, u32, u32, u32)>> {
    prop::collection::vec((0_u32..90, 100_u32..900, 0_u32..90, 100_u32..900), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without onset, and with equal splits, only sums count: order and cutting do not.
    #[test]
    fn order_and_cutting_do_not_matter_from_the_start(rows in rows(), split in 1_u32..9) {
        let line = relative(1.3);
        let run = |rows: &mut dyn Iterator<Item = Both>| {
            let mut test = LineTest::new(line, Side::Above, &RATE_RATIOS, Onset::Start, Both::default());
            rows.for_each(|seen| test.observe(seen, None));
            test.log_e(&NOTHING)
        };
        // Below a tenth bad, so that no rate is assumed from before.
        let of = |&(k, n, l, _): &(u32, u32, u32, u32)| {
            let n = f64::from(n) * 10.0;
            both(f64::from(k), n, f64::from(l), n * f64::from(split))
        };
        let sum = rows.iter().map(of).fold(Both::default(), Both::plus);
        let forth = run(&mut rows.iter().map(of));
        let back = run(&mut rows.iter().rev().map(of));
        let once = run(&mut std::iter::once(sum));
        let scale = 1.0 + forth.abs();
        prop_assert!((forth - back).abs() < 1e-9 * scale, "{forth} {back}");
        prop_assert!((forth - once).abs() < 1e-9 * scale, "{forth} {once}");
    }

    /// The splits of both arms scaled alike: a relative test sees only their ratio.
    #[test]
    fn a_relative_test_does_not_see_the_scale_of_traffic(rows in rows(), factor in 1.0..1e6_f64) {
        let run = |factor: f64| {
            let onset = Onset::Within(20);
            let mut test = LineTest::new(relative(1.1), Side::Above, &RATE_RATIOS, onset, Both::default());
            let mut singles = Singles::new(Side::Above, 1);
            for &(k, n, l, m) in &rows {
                let (n, m) = (f64::from(n) * 10.0, f64::from(m) * 10.0);
                let seen = both(f64::from(k), n * factor, f64::from(l), m * factor);
                test.observe(seen, singles.of(seen));
            }
            test.log_e(&NOTHING)
        };
        let (plain, scaled) = (run(1.0), run(factor));
        prop_assert!((plain - scaled).abs() < 1e-6 * (1.0 + plain.abs()), "{plain} {scaled}");
    }

    /// More bad events of the canary are more evidence above and less below.
    #[test]
    fn evidence_grows_with_the_harm(rows in rows(), extra in 0.0..0.2_f64) {
        for line in [relative(1.0 + extra), absolute(extra)] {
            for (side, sign) in [(Side::Above, 1.0), (Side::Below, -1.0)] {
                let run = |more: f64| {
                    let mut test = LineTest::new(line, side, &RATE_RATIOS, Onset::Start, Both::default());
                    for &(k, n, l, m) in &rows {
                        let (n, m) = (f64::from(n) * 10.0, f64::from(m) * 10.0);
                        test.observe(both(f64::from(k) + more, n, f64::from(l), m), None);
                    }
                    test.log_e(&NOTHING)
                };
                prop_assert!(sign * (run(3.0) - run(0.0)) >= -1e-9, "{line:?} {side:?}");
            }
        }
    }
}
