//! How counted events fall on two arms when they come in clusters of unknown size.
//!
//! Given the events of both arms together, those on one arm are binomial when events come one by
//! one, whatever the common rate is. When they come in clusters whose sizes follow the logarithmic
//! distribution, each arm's count is negative binomial with variance φ times its mean, and given
//! the sum the count of one arm is beta-binomial (Johnson, Kemp and Kotz, Univariate Discrete
//! Distributions, 3rd ed., 5.12 and 6.2.2): "K events are about K/φ clusters". With φ far above K
//! it is all or nothing, so that a burst on one arm says no more than one event would.

/// Dispersions (variance over mean) that are told apart: factors of three lose at most 0.06 of log
/// likelihood an observation to what lies between. 243 is a shared cause that hits an arm with
/// hundreds of events at once.
pub const DISPERSIONS: [f64; 6] = [1.0, 3.0, 9.0, 27.0, 81.0, 243.0];

/// Events of one observation that count one by one; of more, each counts for less, so that no
/// observation is taken as finer than 1/√5,000 = 1.4 %: two healthy arms differ by about as much.
pub const EVENTS_MAX: f64 = 5_000.0;

/// Events on one arm and on the other in one stretch of time; finite and at least 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    one: f64,
    other: f64,
    /// ln s with s = K / (φ − 1) for each dispersion φ, and ln Γ(s + K) − ln Γ(s).
    log_sizes: [f64; DISPERSIONS.len()],
    whole: [f64; DISPERSIONS.len()],
    /// The same for [`BURST`].
    whole_burst: f64,
}

/// A share with its logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    share: f64,
    log: f64,
    log_rest: f64,
}

impl Share {
    /// The share of one arm when its odds against the other are `odds`, finite and above 0.
    pub fn of_odds(odds: f64) -> Self {
        let log_rest = -libm::log1p(odds);
        Self {
            share: odds / (1.0 + odds),
            log: libm::log(odds) + log_rest,
            log_rest,
        }
    }
}

impl Split {
    /// Counts of the two arms.
    pub fn new(one: f64, other: f64) -> Self {
        let thin = EVENTS_MAX / (one + other).max(EVENTS_MAX);
        let (one, other) = (one * thin, other * thin);
        let all = one + other;
        let size = |dispersion: f64| {
            let counted = dispersion > 1.0 && all > 0.0;
            counted.then(|| all / (dispersion - 1.0))
        };
        let log_sizes = DISPERSIONS.map(|d| size(d).map_or(0.0, libm::log));
        let mut whole = log_sizes;
        for (whole, dispersion) in whole.iter_mut().zip(DISPERSIONS) {
            *whole = size(dispersion).map_or(0.0, |size| ln_rising(size, *whole, all));
        }
        Self {
            one,
            other,
            whole_burst: ln_rising(BURST, libm::log(BURST), all),
            log_sizes,
            whole,
        }
    }

    /// ln of the probability of this split when `share` of the events is expected on one arm, for
    /// each dispersion, less the logarithm of the binomial coefficient, which is the same for all.
    pub fn log_likelihoods(&self, share: Share) -> [f64; DISPERSIONS.len()] {
        let mut idx = 0;
        [0.0; DISPERSIONS.len()].map(|_: f64| {
            idx += 1;
            self.log_likelihood(share, idx - 1)
        })
    }

    /// The same for dispersion number `idx` alone.
    pub fn log_likelihood(&self, share: Share, idx: usize) -> f64 {
        let all = self.one + self.other;
        let (Some(dispersion), Some(whole)) = (DISPERSIONS.get(idx), self.whole.get(idx)) else {
            return 0.0;
        };
        if all <= 0.0 {
            return 0.0;
        }
        if *dispersion <= 1.0 {
            return self.one * share.log + self.other * share.log_rest;
        }
        let size = all / (dispersion - 1.0);
        let log_size = self.log_sizes.get(idx).copied().unwrap_or(0.0);
        let one = ln_rising(size * share.share, log_size + share.log, self.one);
        let rest = size * (1.0 - share.share);
        let other = ln_rising(rest, log_size + share.log_rest, self.other);
        one + other - whole
    }

    /// All events, thinned to [`EVENTS_MAX`].
    pub(super) fn events(&self) -> f64 {
        self.one + self.other
    }

    /// The same split when the parameters of the beta-binomial add up to `size`, above 0.
    pub(super) fn sized(&self, size: f64) -> Sized {
        let log_size = libm::log(size.max(f64::MIN_POSITIVE));
        Sized {
            one: self.one,
            other: self.other,
            size,
            log_size,
            whole: ln_rising(size, log_size, self.one + self.other),
        }
    }

    /// The same when nearly all events belong to one burst.
    pub fn log_burst(&self, share: Share) -> f64 {
        let log_size = libm::log(BURST);
        let one = ln_rising(BURST * share.share, log_size + share.log, self.one);
        let rest = BURST * (1.0 - share.share);
        let other = ln_rising(rest, log_size + share.log_rest, self.other);
        one + other - self.whole_burst
    }
}

/// A split under one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sized {
    one: f64,
    other: f64,
    size: f64,
    log_size: f64,
    whole: f64,
}

impl Sized {
    /// ln of the probability of the split, less that of the binomial coefficient.
    pub(super) fn log_likelihood(&self, share: Share) -> f64 {
        let part = |share: f64, log: f64, events: f64| {
            ln_rising(self.size * share, self.log_size + log, events)
        };
        let one = part(share.share, share.log, self.one);
        let other = part(1.0 - share.share, share.log_rest, self.other);
        one + other - self.whole
    }
}

/// The parameters of a burst add up to this, however many events it has: nearly all of them are on
/// one arm, on the expected one as likely as a single event.
const BURST: f64 = 0.5;

/// From here on Stirling's series has nine digits.
const STIRLING: f64 = 8.0;

/// ln Γ(a + k) − ln Γ(a) for a > 0 and k ≥ 0; `ln_a` is the logarithm of `a`.
fn ln_rising(a: f64, ln_a: f64, k: f64) -> f64 {
    if k <= 0.0 {
        return 0.0;
    }
    if k <= STIRLING && k - libm::floor(k) <= 0.0 {
        return ln_a + libm::log(product(a + 1.0, k - 1.0));
    }
    let low = if a >= STIRLING {
        stirling(a, ln_a)
    } else {
        let shifted = a + STIRLING;
        stirling(shifted, libm::log(shifted)) - ln_a - libm::log(product(a + 1.0, STIRLING - 1.0))
    };
    let end = a + k;
    let high = if end >= STIRLING {
        stirling(end, libm::log(end))
    } else {
        let shifted = end + STIRLING;
        stirling(shifted, libm::log(shifted)) - libm::log(product(end, STIRLING))
    };
    high - low
}

/// a (a + 1) … of `n` factors.
fn product(a: f64, n: f64) -> f64 {
    let mut out = 1.0;
    let mut factor = a;
    while factor < a + n - 0.5 {
        out *= factor;
        factor += 1.0;
    }
    out
}

/// ln Γ(x) less ½ ln 2π, for x ≥ [`STIRLING`] (Abramowitz and Stegun 6.1.41).
fn stirling(x: f64, ln_x: f64) -> f64 {
    let r = 1.0 / x;
    let r2 = r * r;
    (x - 0.5) * ln_x - x + r * (1.0 / 12.0 - r2 * (1.0 / 360.0 - r2 / 1260.0))
}

/// Nothing known about the dispersion.
pub const UNKNOWN: [f64; DISPERSIONS.len()] = [0.0; DISPERSIONS.len()];

/// What the past of one population says about the dispersion at one bound: each stretch is
/// compared with the one before it as if they were two arms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dispersions {
    log_likelihoods: [f64; DISPERSIONS.len()],
    last: Option<(f64, f64)>,
}

/// The past rules no dispersion out for good: at most this much against one, so that a past
/// without clusters cannot make more than e³ of clusters that begin with the canary.
const PAST_MAX: f64 = 3.0;

impl Dispersions {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// One stretch: observations beyond the bound, and all.
    pub fn observe(&mut self, beyond: f64, all: f64) {
        if all <= 0.0 {
            self.last = None;
            return;
        }
        if let Some((before, before_all)) = self.last {
            let share = Share::of_odds(all / before_all);
            let logs = Split::new(beyond, before).log_likelihoods(share);
            for (sum, log) in self.log_likelihoods.iter_mut().zip(logs) {
                *sum += log;
            }
        }
        self.last = Some((beyond, all));
    }

    /// The prior of a test: 0 for the likeliest, negative for the others.
    pub fn prior(&self) -> [f64; DISPERSIONS.len()] {
        let best = self.best();
        self.log_likelihoods.map(|log| (log - best).max(-PAST_MAX))
    }

    fn best(&self) -> f64 {
        let each = self.log_likelihoods.iter().copied();
        each.fold(f64::NEG_INFINITY, f64::max)
    }

    /// The mean dispersion, each weighted by its likelihood; about 60 when nothing was seen.
    pub fn mean(&self) -> f64 {
        let mut sums = (0.0, 0.0);
        let best = self.best();
        for (log, dispersion) in self.log_likelihoods.into_iter().zip(DISPERSIONS) {
            let weight = libm::exp(log - best);
            sums = (sums.0 + weight * dispersion, sums.1 + weight);
        }
        sums.0 / sums.1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// ln C(n, k).
    fn log_choose(n: f64, k: f64) -> f64 {
        libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0)
    }

    #[test]
    fn every_dispersion_is_a_distribution_with_its_mean_and_variance() {
        for all in [1_u32, 2, 5, 17, 100, 400] {
            for odds in [0.05, 0.5, 1.0, 3.0] {
                let share = Share::of_odds(odds);
                let mut sums = [[0.0; 3]; DISPERSIONS.len()];
                for one in 0..=all {
                    let (k, n) = (f64::from(one), f64::from(all));
                    let likelihoods = Split::new(k, n - k).log_likelihoods(share);
                    for (sums, log) in sums.iter_mut().zip(likelihoods) {
                        let p = libm::exp(log + log_choose(n, k));
                        sums[0] += p;
                        sums[1] += p * k;
                        sums[2] += p * k * k;
                    }
                }
                let n = f64::from(all);
                for ([total, mean, square], dispersion) in sums.into_iter().zip(DISPERSIONS) {
                    let w = odds / (1.0 + odds);
                    assert!(
                        (total - 1.0).abs() < 1e-6,
                        "{all} {odds} {dispersion}: {total}"
                    );
                    assert!((mean - n * w).abs() < 1e-5 * n, "{all} {odds} {dispersion}");
                    let variance = square - mean * mean;
                    let size = n / (dispersion - 1.0);
                    let inflation = if dispersion > 1.0 {
                        (size + n) / (size + 1.0)
                    } else {
                        1.0
                    };
                    let expected = n * w * (1.0 - w) * inflation;
                    assert!(
                        (variance - expected).abs() < 1e-4 * (1.0 + expected),
                        "{all} {odds} {dispersion}: {variance} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn rising_factorials_agree_with_the_gamma_function() {
        for a in [1e-3, 0.3, 2.0, 7.9, 8.0, 55.5, 4e4] {
            for k in [1.0, 2.0, 3.5, 8.0, 9.0, 300.0, 5_000.0] {
                let plain = libm::lgamma(a + k) - libm::lgamma(a);
                let fast = ln_rising(a, libm::log(a), k);
                assert!((plain - fast).abs() < 1e-8 * (1.0 + plain.abs()), "{a} {k}");
            }
        }
    }

    #[test]
    fn many_events_count_as_so_many() {
        let (few, many) = (Split::new(3_000.0, 2_000.0), Split::new(3e6, 2e6));
        assert_eq!(few, many);
    }
}
