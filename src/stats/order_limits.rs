//! What can be told of two shares beyond a bound besides evidence: limits of their ratio that hold
//! at all times together, and how many observations it takes to tell anything.

use super::clustered::{DISPERSIONS, Share, Split};
use super::stochastic_order::{Beyond, Margin, log_sum};

/// Log odds on either side of "no difference" that the interval's mixture is spread over.
const SPREAD: [f64; 12] = [
    0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.85, 1.2, 1.7, 2.3, 3.0,
];

/// Halvings in search of a bound: to about 1e-4 of its range.
const HALVINGS: u32 = 20;

/// The logarithm of a ratio beyond which there is no bound.
const LOG_RATIO_MAX: f64 = 20.0;

/// ln of the ratio of the shares beyond a bound, with limits that hold at all times together with
/// errors `low` and `high`: those ratios are left out whose likelihood, at the likeliest
/// dispersion, is less than `error` times that of the mixture over all. May be infinite.
pub fn log_ratio_limits(
    stretches: &[Beyond],
    prior: [f64; DISPERSIONS.len()],
    (low, high): (f64, f64),
) -> (f64, f64) {
    let both = |b: &&Beyond| b.canary_all > 0.0 && b.baseline_all > 0.0 && b.events() > 0.0;
    let parts: Vec<(Split, f64)> = stretches
        .iter()
        .filter(both)
        .map(|b| {
            let odds = b.canary_all / b.baseline_all;
            (Split::new(b.canary, b.baseline), odds)
        })
        .collect();
    let total = stretches
        .iter()
        .copied()
        .fold(Beyond::default(), Beyond::plus);
    let likelihoods = |log_ratio: f64| {
        let ratio = libm::exp(log_ratio);
        let mut out = prior;
        for (split, odds) in &parts {
            let logs = split.log_likelihoods(Share::of_odds(ratio * odds));
            out.iter_mut().zip(logs).for_each(|(out, log)| *out += log);
        }
        out
    };
    let mixed: Vec<f64> = SPREAD
        .iter()
        .flat_map(|step| [*step, -*step])
        .flat_map(likelihoods)
        .collect();
    let mixture = log_sum(mixed.iter().copied()) - libm::log(mixed.len() as f64);
    let possible = |log_ratio: f64, error: f64| {
        let best = likelihoods(log_ratio)
            .into_iter()
            .fold(f64::NEG_INFINITY, f64::max);
        best >= mixture + libm::log(error)
    };
    let centre = libm::log(
        (total.canary + 0.5) / (total.canary_all + 1.0) * (total.baseline_all + 1.0)
            / (total.baseline + 0.5),
    );
    let search = |end: f64, error: f64| {
        if error <= 0.0 || possible(end, error) {
            return end.signum() * f64::INFINITY;
        }
        let (mut inside, mut outside) = (centre, end);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (inside + outside);
            if possible(middle, error) {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        outside
    };
    (search(-LOG_RATIO_MAX, low), search(LOG_RATIO_MAX, high))
}

/// Limits of the difference of the shares that go with [`log_ratio_limits`]: the number of
/// observations beyond the bound is itself known to within its error only, by Chernoff's bounds of
/// a Poisson count that is `dispersion` times as variable.
pub fn difference_limits(
    (low, high): (f64, f64),
    seen: Beyond,
    dispersion: f64,
    errors: (f64, f64),
) -> (f64, f64) {
    let events = seen.events();
    let with = |log_ratio: f64, error: f64, up: bool| {
        let cost = -libm::log(error.clamp(1e-12, 1.0)) * dispersion;
        let count = if up {
            events + cost + libm::sqrt(cost * cost + 2.0 * cost * events)
        } else {
            (events - libm::sqrt(2.0 * cost * events)).max(0.0)
        };
        let factor = count / events.max(f64::MIN_POSITIVE);
        if events > 0.0 {
            difference_of(log_ratio, seen) * factor
        } else if log_ratio > 0.0 {
            count / seen.canary_all
        } else {
            -count / seen.baseline_all
        }
    };
    (
        with(low, errors.0, low < 0.0),
        with(high, errors.1, high > 0.0),
    )
}

/// The difference of the shares that goes with a ratio of them, given all events: with N
/// observations and K events the baseline's share is K / (n_b + ratio · n_c).
pub fn difference_of(log_ratio: f64, seen: Beyond) -> f64 {
    let events = seen.events();
    if log_ratio == f64::INFINITY {
        return events / seen.canary_all;
    }
    let ratio = libm::exp(log_ratio);
    (ratio - 1.0) * events / (seen.baseline_all + ratio * seen.canary_all)
}

/// Observations beyond a bound, on both arms, from which a canary equal to the baseline can be
/// shown to be short of the margin with error `beta`. `canary_share` is the canary's share of all
/// observations, `level` the baseline's share beyond the bound.
pub fn events_needed(margin: Margin, canary_share: f64, level: f64, beta: f64) -> f64 {
    let ratio = match margin {
        Margin::Ratio(ratio) => ratio,
        Margin::Difference(margin) => 1.0 + margin / level,
    };
    let limit = ratio * canary_share / (1.0 - canary_share + ratio * canary_share);
    nats_needed(beta) / divergence(canary_share, limit)
}

/// How much log likelihood has to be expected so that evidence reaches 1/`beta`: it has to pay for
/// the mixtures, and for chance (one standard deviation, √(2 × what is expected)).
pub fn nats_needed(beta: f64) -> f64 {
    // n − √(2 n) = ln(1/beta) + mixtures, solved for n.
    let root = libm::sqrt(0.5) + libm::sqrt(0.5 - libm::log(beta) + MIXTURES);
    root * root
}

/// What the mixtures over dispersions and odds cost, in nats (simulated: 3 to 4).
pub const MIXTURES: f64 = 3.5;

/// The Kullback-Leibler divergence of a coin with probability `q` from one with `p`, both in
/// (0, 1).
pub fn divergence(p: f64, q: f64) -> f64 {
    p * libm::log(p / q) + (1.0 - p) * libm::log((1.0 - p) / (1.0 - q))
}
