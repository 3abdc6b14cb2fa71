//! The statistics against numbers computed by other programs (`tests/vectors/README.md`).

use haldane::stats::autocorrelation::long_run_variance;
use haldane::stats::binomial::{self, Counts};
use haldane::stats::exact::NullDistribution;
use haldane::stats::mann_whitney::{Dependence, Method, p_normal};
use haldane::stats::multiplicity::{e_bh, mean_e};
use haldane::stats::rank::Scratch;
use haldane::stats::sequential::{
    BudgetTest, RATE_RATIOS, RatioTest, lower_bound_anytime, upper_bound_anytime,
};
use haldane::stats::spending::Spending;
use haldane::stats::{Alternative, effect_size, normal, poisson};
use serde_json::Value;
use std::collections::BTreeMap;

const FILE: &str = include_str!("../vectors/statistics.json");

/// Every kind in the file, and who checks it. A kind that is not named here fails the test.
const KINDS: [(&str, Cover); 15] = [
    ("mann_whitney", Cover::Here(mann_whitney_case)),
    ("mw_exact_null", Cover::Here(exact_null_case)),
    ("mw_exact_ties", Cover::Here(exact_ties_case)),
    ("kayenta_classify", Cover::Here(classify_case)),
    ("binom_poisson", Cover::Here(binom_poisson_case)),
    ("seq_ratio", Cover::Here(seq_ratio_case)),
    ("seq_budget", Cover::Here(seq_budget_case)),
    ("e_bh", Cover::Here(e_bh_case)),
    ("lan_demets", Cover::Here(lan_demets_case)),
    ("long_run_variance", Cover::Here(long_run_variance_case)),
    (
        "burn_rate",
        Cover::Elsewhere("burn rates belong to the objectives, not to statistics"),
    ),
    ("burn_threshold", Cover::Elsewhere("likewise")),
    ("cs_boundary", Cover::Here(cs_boundary_case)),
    (
        "sst_eprocess",
        Cover::Elsewhere("tests/it/stats_state_space.rs"),
    ),
    (
        "sst_lower_bound",
        Cover::Elsewhere("tests/it/stats_state_space.rs"),
    ),
];

#[derive(Clone, Copy)]
enum Cover {
    Here(fn(&Value)),
    Elsewhere(&'static str),
}

#[test]
fn every_vector_is_checked_or_named_with_a_reason() {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for case in file["cases"].as_array().unwrap() {
        let kind = case["kind"].as_str().unwrap();
        *seen.entry(kind).or_default() += 1;
        let cover = KINDS.iter().find(|(name, _)| *name == kind);
        match cover
            .unwrap_or_else(|| panic!("kind {kind} is not covered"))
            .1
        {
            Cover::Here(check) => check(case),
            Cover::Elsewhere(reason) => assert!(!reason.is_empty()),
        }
    }
    for (kind, count) in file["kinds"].as_object().unwrap() {
        assert_eq!(
            seen.get(kind.as_str()).copied(),
            count.as_u64(),
            "cases of {kind}"
        );
    }
    assert_eq!(
        seen.len(),
        KINDS.len(),
        "a kind is listed that the file does not have"
    );
}

fn close(id: &Value, what: &str, got: f64, want: f64, relative: f64, absolute: f64) {
    let off = (got - want).abs();
    assert!(
        off <= absolute + relative * want.abs() || got.to_bits() == want.to_bits(),
        "{id} {what}: got {got:e}, want {want:e}, off by {off:e}"
    );
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not a number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn whole(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is not a whole number"))
}

fn place(value: &Value) -> usize {
    usize::try_from(whole(value)).unwrap()
}

/// The values of a sample: written out, or generated as the file describes.
fn sample(value: &Value) -> Vec<f64> {
    let generator = &value["generator"];
    if generator.is_null() {
        numbers(&value["values"])
    } else {
        generated(generator)
    }
}

fn generated(generator: &Value) -> Vec<f64> {
    assert_eq!(generator["prng"], "splitmix64");
    let mut state = whole(&generator["seed"]);
    let mut uniform = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((z >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    };
    let draw = |u: f64| match generator["dist"].as_str().unwrap() {
        "uniform" => u,
        "logistic" => libm::log(u / (1.0 - u)),
        "exponential" => -libm::log(1.0 - u),
        "pareto" => libm::pow(1.0 - u, -1.0 / 2.5),
        other => panic!("unknown distribution {other}"),
    };
    let (loc, scale) = (
        generator["loc"].as_f64().unwrap_or(0.0),
        generator["scale"].as_f64().unwrap_or(1.0),
    );
    let round = generator["round"].as_f64();
    let rho = generator["ar1_rho"].as_f64().unwrap_or(0.0);
    let mut last = 0.0;
    (0..whole(&generator["n"]))
        .map(|_| {
            let value = loc + scale * draw(uniform());
            last = rho * last + round.map_or(value, |r| (value / r).round_ties_even() * r);
            last
        })
        .collect()
}

fn alternative(text: &str) -> Alternative {
    match text {
        "less" => Alternative::Less,
        "greater" => Alternative::Greater,
        "two-sided" | "two.sided" => Alternative::TwoSided,
        other => panic!("unknown alternative {other}"),
    }
}

fn mann_whitney_case(case: &Value) {
    let id = &case["id"];
    let (x, y) = (sample(&case["x"]), sample(&case["y"]));
    let mut scratch = Scratch::new();
    let mut pair = scratch.load(&x, &y);
    let ranks = pair.ranks;
    close(id, "U", ranks.u, number(&case["U"]), 0.0, 0.0);
    close(id, "A12", ranks.a12(), number(&case["a12"]), 1e-15, 0.0);
    close(
        id,
        "delta",
        effect_size::cliffs_delta(&ranks),
        number(&case["cliffs_delta"]),
        1e-14,
        1e-15,
    );
    assert_eq!(
        !ranks.untied(),
        case["ties"].as_bool().unwrap(),
        "{id} ties"
    );
    let median = number(&case["hodges_lehmann_median_of_differences"]);
    close(
        id,
        "median difference",
        pair.shift_estimate().unwrap(),
        median,
        1e-14,
        1e-15,
    );
    for (name, p) in case["p"].as_object().unwrap() {
        let words: Vec<&str> = name.split(' ').collect();
        let got = if words[0] == "exact" {
            let test = pair.test(alternative(words[1]), Dependence::NONE);
            assert_eq!(test.method, Method::Exact, "{id} {name}");
            test.p
        } else {
            let continuity = words[2] == "continuity=true";
            p_normal(&ranks, Dependence::NONE, continuity, alternative(words[1])).1
        };
        close(id, name, got, number(p), 1e-11, 0.0);
    }
    for r in case["r_wilcox"].as_array().into_iter().flatten() {
        r_wilcox(id, r, &mut pair);
    }
}

/// One answer of R's `wilcox.test`: p-value, estimate and confidence limits.
fn r_wilcox(id: &Value, r: &Value, pair: &mut haldane::stats::rank::SortedPair<'_>) {
    let side = alternative(r["alternative"].as_str().unwrap());
    let confidence = number(&r["conf_level"]);
    let method = r["method"].as_str().unwrap();
    let what = |name: &str| format!("R {method} {side:?} {confidence} {name}");
    close(id, &what("W"), pair.ranks.u, number(&r["W"]), 0.0, 0.0);
    let exact = method == "exact";
    let (p, shift) = if exact {
        (
            pair.test(side, Dependence::NONE).p,
            pair.shift(confidence, side, Dependence::NONE),
        )
    } else {
        let continuity = method == "normal-cc";
        let p = p_normal(&pair.ranks, Dependence::NONE, continuity, side).1;
        (
            p,
            pair.shift_normal(confidence, side, Dependence::NONE, continuity),
        )
    };
    let shift = shift.unwrap();
    close(id, &what("p"), p, number(&r["p"]), 1e-11, 0.0);
    // R's limits carry the tolerance of its root finder, ours none.
    let tolerance = if exact { 1e-14 } else { 1e-8 };
    let limits = [("lower", shift.lower), ("upper", shift.upper)];
    for (name, got) in limits {
        match r[name].as_f64() {
            Some(want) => close(id, &what(name), got, want, tolerance, tolerance),
            None => assert!(got.is_infinite(), "{id} {}", what(name)),
        }
    }
    // Where n·m is even R's approximate estimate may lie anywhere between the two middle ones.
    if exact || pair.ranks.n * pair.ranks.m % 2 == 1 {
        close(
            id,
            &what("estimate"),
            shift.estimate,
            number(&r["estimate"]),
            tolerance,
            tolerance,
        );
    }
}

fn exact_null_case(case: &Value) {
    let id = &case["id"];
    let (m, n) = (place(&case["m"]), place(&case["n"]));
    let mut null = NullDistribution::default();
    null.prepare(m, n);
    assert_eq!(
        null.total().to_string(),
        case["total"].as_str().unwrap(),
        "{id}"
    );
    for (u, p) in case["cdf"].as_object().unwrap() {
        close(id, u, null.cdf(u.parse().unwrap()), number(p), 1e-13, 0.0);
    }
    for (u, count) in case["counts_first"].as_array().unwrap().iter().enumerate() {
        assert_eq!(
            null.count(u).to_string(),
            count.as_str().unwrap(),
            "{id} count {u}"
        );
    }
}

fn exact_ties_case(case: &Value) {
    let id = &case["id"];
    let mut scratch = Scratch::new();
    let mut pair = scratch.load(&sample(&case["x"]), &sample(&case["y"]));
    close(id, "U", pair.ranks.u, number(&case["U"]), 0.0, 0.0);
    let tails = pair.tied_tails().unwrap();
    close(id, "less", tails.less, number(&case["p_less"]), 1e-13, 0.0);
    close(
        id,
        "greater",
        tails.greater,
        number(&case["p_greater"]),
        1e-13,
        0.0,
    );
    let deviation = number(&case["p_two_sided_abs_deviation"]);
    close(id, "as far", tails.as_far, deviation, 1e-13, 0.0);
    let test = pair.test(Alternative::TwoSided, Dependence::NONE);
    let doubled = number(&case["p_two_sided_doubled"]);
    close(id, "two-sided", test.p, doubled, 1e-13, 0.0);
}

/// The judge's classification is checked by its own vectors; here its interval.
fn classify_case(case: &Value) {
    let id = &case["id"];
    let want = &case["exact_root"];
    let (x, y) = (sample(&case["experiment"]), sample(&case["control"]));
    if want["lower"].is_null() {
        assert_eq!(want["label"], "Pass", "{id}: no interval, so no difference");
        return;
    }
    let confidence = number(&case["conf_level"]);
    let mut scratch = Scratch::new();
    let side = Alternative::TwoSided;
    let shift = scratch
        .load(&x, &y)
        .shift_normal(confidence, side, Dependence::NONE, true);
    let shift = shift.unwrap();
    close(
        id,
        "lower",
        shift.lower,
        number(&want["lower"]),
        1e-9,
        1e-15,
    );
    close(
        id,
        "upper",
        shift.upper,
        number(&want["upper"]),
        1e-9,
        1e-15,
    );
    if let Some(ratio) = want["mean_ratio"].as_f64() {
        close(
            id,
            "ratio",
            effect_size::ratio_of_means(&x, &y).unwrap(),
            ratio,
            1e-13,
            0.0,
        );
    }
}

fn binom_poisson_case(case: &Value) {
    let id = &case["id"];
    let (k, n, p0) = (whole(&case["k"]), whole(&case["n"]), number(&case["p0"]));
    close(
        id,
        "binomial",
        binomial::at_least(k, n, p0),
        number(&case["binom_sf"]),
        1e-11,
        0.0,
    );
    let tail = poisson::at_least(k, n as f64 * p0);
    close(id, "poisson", tail, number(&case["poisson_sf"]), 1e-11, 0.0);
    let exact = binomial::exact_limits(k, n, 0.95);
    let want = numbers(&case["clopper_pearson_95"]);
    close(id, "exact lower", exact.lower, want[0], 1e-11, 0.0);
    close(id, "exact upper", exact.upper, want[1], 1e-11, 0.0);
    let (lower, upper) = poisson::exact_limits(k, 0.95);
    let want = numbers(&case["garwood_95"]);
    close(id, "garwood lower", lower, want[0], 1e-11, 0.0);
    close(id, "garwood upper", upper, want[1], 1e-11, 0.0);
}

/// Bad and total events per interval.
fn counts(bad: &Value, total: &Value) -> Vec<Counts> {
    let pairs = bad
        .as_array()
        .unwrap()
        .iter()
        .zip(total.as_array().unwrap());
    pairs
        .map(|(bad, total)| Counts {
            bad: whole(bad),
            total: whole(total),
        })
        .collect()
}

fn seq_ratio_case(case: &Value) {
    let id = &case["id"];
    assert_eq!(numbers(&case["rate_ratios"]), RATE_RATIOS, "{id}");
    let canary = counts(&case["errors_canary"], &case["requests_canary"]);
    let baseline = counts(&case["errors_baseline"], &case["requests_baseline"]);
    let horizon = u32::try_from(whole(&case["horizon"])).unwrap();
    let mut test = RatioTest::new(number(&case["r0"]), horizon);
    let wants = numbers(&case["log_e"]);
    assert_eq!(canary.len(), wants.len(), "{id}");
    for ((c, b), want) in canary.into_iter().zip(baseline).zip(wants) {
        close(
            id,
            "log e",
            test.observe(c, b, number(&case["phi"])),
            want,
            1e-11,
            1e-11,
        );
    }
}

fn seq_budget_case(case: &Value) {
    let id = &case["id"];
    assert_eq!(numbers(&case["rate_ratios"]), RATE_RATIOS, "{id}");
    let seen = counts(&case["errors"], &case["requests"]);
    let horizon = u32::try_from(whole(&case["horizon"])).unwrap();
    let mut test = BudgetTest::new(number(&case["p0"]), horizon);
    let wants = numbers(&case["log_e"]);
    assert_eq!(seen.len(), wants.len(), "{id}");
    for (counts, want) in seen.into_iter().zip(wants) {
        close(
            id,
            "log e",
            test.observe(counts, number(&case["phi"])),
            want,
            1e-11,
            1e-11,
        );
    }
}

/// Boundaries of confidence sequences that no judge here has. Series are bounded by inverting the
/// evidence of a t-mixture over correlated noise, not by boundaries of sub-Gaussian or sub-gamma
/// sums with a known variance; distributions by beta-binomial likelihoods at every bucket bound, not
/// by empirical processes or quantiles. They cannot agree with these, and are checked by what they
/// promise (`judge_null`, `stats_order`, `stats_state_space`).
const OTHER_BOUNDARIES: [&str; 9] = [
    "beta_binomial_mixture_bound",
    "double_stitching_bound",
    "empirical_process_lil_bound",
    "gamma_exponential_mixture_bound",
    "gamma_poisson_mixture_bound",
    "normal_log_mixture",
    "normal_mixture_bound",
    "poly_stitching_bound",
    "quantile_ab_p_value",
];

/// The interval of a rate, valid at any time: the same promise by another mixture. Theirs is tuned
/// to a time and an error, ours to small rates, so they are alike and not equal.
fn cs_boundary_case(case: &Value) {
    let function = case["fn"].as_str().unwrap();
    if function != "bernoulli_confidence_interval" {
        assert!(OTHER_BOUNDARIES.contains(&function), "{function}");
        return;
    }
    let (bad, n) = (whole(&case["successes"]), whole(&case["trials"]));
    let half = 0.5 * number(&case["alpha"]);
    let (low, high) = (
        lower_bound_anytime(bad, n, half),
        upper_bound_anytime(bad, n, half),
    );
    let (their_low, their_high) = (number(&case["lower"]), number(&case["upper"]));
    let ratio = bad as f64 / n as f64;
    for (ours, theirs) in [(low, their_low), (high, their_high)] {
        let (ours, theirs) = ((ours - ratio).abs(), (theirs - ratio).abs());
        let alike = (ours - theirs).abs() <= 0.15 * theirs;
        assert!(alike, "{}: {bad} of {n}: {ours} and {theirs}", case["id"]);
    }
}

fn e_bh_case(case: &Value) {
    let id = &case["id"];
    let (e, alpha) = (numbers(&case["e"]), number(&case["alpha"]));
    let want: Vec<usize> = case["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(place)
        .collect();
    assert_eq!(e_bh(&e, alpha), want, "{id}");
    close(id, "mean", mean_e(&e), number(&case["mean_e"]), 1e-14, 0.0);
    let global = mean_e(&e) >= 1.0 / alpha;
    assert_eq!(global, case["global_reject"].as_bool().unwrap(), "{id}");
}

/// The published boundaries follow from our spending functions by joint integration.
fn lan_demets_case(case: &Value) {
    let times = numbers(&case["info_fraction"]);
    let alpha = number(&case["alpha_one_sided"]);
    for (name, spending) in [
        ("obf", Spending::ObrienFleming),
        ("pocock", Spending::Pocock),
    ] {
        let wants = numbers(&case[name]);
        let got = boundaries(&times, alpha, spending);
        for (got, want) in got.into_iter().zip(wants) {
            // Where next to nothing is spent the reference puts 10 instead of a boundary.
            if want >= 10.0 {
                assert!(got > 7.5, "{} {name}: {got}", case["id"]);
            } else {
                close(&case["id"], name, got, want, 0.0, 1e-3);
            }
        }
    }
}

/// One-sided boundaries by the recursion of Armitage, McPherson and Rowe (1969), Simpson's rule.
fn boundaries(times: &[f64], alpha: f64, spending: Spending) -> Vec<f64> {
    const STEPS: usize = 160;
    let grid = |low: f64, high: f64| {
        let step = (high - low) / STEPS as f64;
        let weight = move |i: usize| match i {
            0 | STEPS => step / 3.0,
            odd if odd % 2 == 1 => 4.0 * step / 3.0,
            _ => 2.0 * step / 3.0,
        };
        (0..=STEPS).map(move |i| (low + step * i as f64, weight(i)))
    };
    let (mut found, mut density, mut before) = (Vec::new(), vec![(0.0, 1.0)], 0.0);
    for &time in times {
        let sd = (time - before).sqrt();
        let spend = spending.increment(before, time, alpha);
        let crossed = |b: f64| {
            density
                .iter()
                .map(|&(at, w)| w * normal::sf((b - at) / sd))
                .sum::<f64>()
        };
        let (mut low, mut high) = (0.0, 10.0 * time.sqrt());
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            if crossed(middle) > spend {
                low = middle;
            } else {
                high = middle;
            }
        }
        found.push(low / time.sqrt());
        let at = |s: f64| {
            density
                .iter()
                .map(|&(from, w)| w * normal::pdf((s - from) / sd) / sd)
                .sum::<f64>()
        };
        density = grid(-7.0 * time.sqrt(), low)
            .map(|(s, w)| (s, w * at(s)))
            .collect();
        before = time;
    }
    found
}

fn long_run_variance_case(case: &Value) {
    let id = &case["id"];
    let got = long_run_variance(&generated(&case["generator"])).unwrap();
    close(id, "lag 1", got.lag1, number(&case["lag1"]), 1e-10, 1e-13);
    close(
        id,
        "bandwidth",
        got.bandwidth,
        number(&case["andrews_bandwidth"]),
        1e-9,
        0.0,
    );
    close(
        id,
        "long run",
        got.long_run,
        number(&case["lrv"]),
        1e-10,
        0.0,
    );
    close(
        id,
        "variance",
        got.variance,
        number(&case["variance"]),
        1e-10,
        0.0,
    );
}
