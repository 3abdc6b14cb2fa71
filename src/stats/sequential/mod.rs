//! Evidence that may be looked at after every event: e-values for rates of bad events.
//!
//! An e-process has mean at most 1 under its null at every stopping time, so by Ville's inequality
//! it ever reaches 1/alpha with probability at most alpha, however often it is read. All values
//! here are natural logarithms of it.
//!
//! - [`log_e_binomial`], [`log_e_below`]: cumulative counts against a fixed rate, with the limits
//!   [`lower_bound_anytime`] and [`upper_bound_anytime`] that follow;
//! - [`RatioTest`], [`BudgetTest`]: counts per interval, against the baseline or against a budget,
//!   mixed over the moment at which harm may begin, so that a late onset is not diluted; for a
//!   dispersion that is known;
//! - [`line`]: the same for a dispersion that is not known, against any line in the plane of the
//!   two rates.

pub mod line;
mod scaled;
mod tilt;

use super::beta;
use super::binomial::{Counts, canary_share};

/// The mixing prior, Beta(1/2, 2): most of its mass on small rates, as error rates are, and none
/// of it spent beyond the null because it is cut there.
const PRIOR: (f64, f64) = (0.5, 2.0);

/// ln of the likelihood ratio of `bad` of `total`, mixed over the prior, against the rate `p`,
/// split at `p`: (alternatives below, alternatives above).
fn log_mixtures(bad: u64, total: u64, p: f64) -> (f64, f64) {
    let (a0, b0) = PRIOR;
    let bad = bad.min(total);
    let (a, b) = (bad as f64 + a0, (total - bad) as f64 + b0);
    // B(a, b) / (p^bad (1-p)^good), from the factor that loses no digits.
    let ratio = a0 * libm::log(p) + b0 * libm::log1p(-p) - beta::ln_front(a, b, p);
    let (below, above) = beta::ln_tails(a, b, p);
    let (prior_below, prior_above) = beta::ln_tails(a0, b0, p);
    let prior = beta::ln_beta(a0, b0);
    (
        ratio + below - prior_below - prior,
        ratio + above - prior_above - prior,
    )
}

/// ln of the e-value against "the rate is at most `p0`":
/// ∫ over p in (p0, 1) of (p/p0)^bad ((1-p)/(1-p0))^good under Beta(1/2, 2) cut to (p0, 1).
///
/// Valid for every rate up to `p0`, as each likelihood ratio falls with the true rate. At
/// `p0` = 0 any bad event is infinite evidence; at 1 there is no evidence.
pub fn log_e_binomial(bad: u64, total: u64, p0: f64) -> f64 {
    if p0 >= 1.0 {
        return 0.0;
    }
    if p0 <= 0.0 {
        return if bad > 0 { f64::INFINITY } else { 0.0 };
    }
    log_mixtures(bad, total, p0).1
}

/// ln of the e-value against "the rate is at least `p1`": the mirror image, with the prior cut to
/// (0, p1).
pub fn log_e_below(bad: u64, total: u64, p1: f64) -> f64 {
    if p1 <= 0.0 {
        return 0.0;
    }
    if p1 >= 1.0 {
        return if bad < total { f64::INFINITY } else { 0.0 };
    }
    log_mixtures(bad, total, p1).0
}

/// A rate that the true one stays below at all times together with probability 1 - `alpha`: the
/// smallest one above the observed ratio that [`log_e_below`] rejects.
///
/// The e-value grows with the rate above the observed ratio, so all larger rates are rejected too.
pub fn upper_bound_anytime(bad: u64, total: u64, alpha: f64) -> f64 {
    if bad >= total {
        return 1.0;
    }
    let needed = -libm::log(alpha);
    let seen = bad as f64 / total as f64;
    beta::solve(|p| p > seen && log_e_below(bad, total, p) >= needed)
}

/// A rate that the true one stays above at all times together with probability 1 - `alpha`.
pub fn lower_bound_anytime(bad: u64, total: u64, alpha: f64) -> f64 {
    if bad == 0 || total == 0 {
        return 0.0;
    }
    let needed = -libm::log(alpha);
    let seen = bad as f64 / total as f64;
    beta::solve(|p| p >= seen || log_e_binomial(bad, total, p) < needed)
}

/// Rate ratios that the onset tests are powered for, equally weighted.
pub const RATE_RATIOS: [f64; 7] = [1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0];

/// A mixture over rate ratios and over the interval in which harm begins.
///
/// Half of the prior on "from the start", the rest geometric with mean `horizon`/2; what is not
/// yet spent counts as 1. O(1) per interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct OnsetMixture {
    log_a: [f64; RATE_RATIOS.len()],
    unspent: f64,
    hazard: f64,
    started: bool,
}

impl OnsetMixture {
    fn new(horizon: u32) -> Self {
        Self {
            log_a: [f64::NEG_INFINITY; RATE_RATIOS.len()],
            unspent: 1.0,
            hazard: 2.0 / f64::from(horizon.max(2)),
            started: false,
        }
    }

    /// One interval with its log likelihood ratio for each rate ratio.
    fn observe(&mut self, log_ratio: impl Fn(f64) -> f64) {
        let weight = if self.started {
            self.unspent * self.hazard
        } else {
            0.5
        };
        self.started = true;
        self.unspent -= weight;
        let log_weight = libm::log(weight);
        for (log_a, &ratio) in self.log_a.iter_mut().zip(&RATE_RATIOS) {
            *log_a = log_add(*log_a, log_weight) + log_ratio(ratio);
        }
    }

    fn log_e(&self) -> f64 {
        let mixed = self
            .log_a
            .iter()
            .fold(f64::NEG_INFINITY, |sum, &a| log_add(sum, a));
        let ratios = RATE_RATIOS.len() as f64;
        log_add(mixed - libm::log(ratios), libm::log(self.unspent))
    }
}

/// ln(e^a + e^b).
pub(super) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        high
    } else {
        high + libm::log1p(libm::exp(low - high))
    }
}

/// Is the canary's rate of bad events more than `r0` times the baseline's?
///
/// Given the bad events of an interval, those on the canary are binomial whatever the common rate
/// is, so incidents that hit both arms cancel. Exact for Poisson counts; log likelihoods are
/// divided by the dispersion of clustered ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioTest {
    mixture: OnsetMixture,
    null_ratio: f64,
}

impl RatioTest {
    /// Against the null "at most `null_ratio` times the baseline's rate", with harm expected to
    /// begin within `horizon` intervals.
    pub fn new(null_ratio: f64, horizon: u32) -> Self {
        Self {
            mixture: OnsetMixture::new(horizon),
            null_ratio,
        }
    }

    /// One interval. `dispersion` is known before the interval and at least 1. An interval in
    /// which an arm has no events says nothing, but time passes. Returns [`RatioTest::log_e`].
    pub fn observe(&mut self, canary: Counts, baseline: Counts, dispersion: f64) -> f64 {
        let share = |ratio: f64| canary_share(canary.total, baseline.total, ratio);
        let (k, l) = (canary.bad as f64, baseline.bad as f64);
        let null = share(self.null_ratio);
        let null_ratio = self.null_ratio;
        self.mixture
            .observe(|ratio| match (null, share(ratio * null_ratio)) {
                (Some(p0), Some(p1)) => {
                    let good = libm::log((1.0 - p1) / (1.0 - p0));
                    (k * libm::log(p1 / p0) + l * good) / dispersion.max(1.0)
                }
                _ => 0.0,
            });
        self.log_e()
    }

    /// ln of the e-value so far.
    pub fn log_e(&self) -> f64 {
        self.mixture.log_e()
    }
}

/// Is a rate of bad events above what a budget allows?
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetTest {
    mixture: OnsetMixture,
    allowed: f64,
}

impl BudgetTest {
    /// Against the null "the rate is at most `allowed`", in (0, 1); see [`RatioTest::new`].
    pub fn new(allowed: f64, horizon: u32) -> Self {
        Self {
            mixture: OnsetMixture::new(horizon),
            allowed,
        }
    }

    /// One interval; see [`RatioTest::observe`]. Returns [`BudgetTest::log_e`].
    pub fn observe(&mut self, seen: Counts, dispersion: f64) -> f64 {
        let p0 = self.allowed;
        let (bad, good) = (seen.bad as f64, seen.total.saturating_sub(seen.bad) as f64);
        self.mixture.observe(|ratio| {
            let p1 = (ratio * p0).min(0.5 * (1.0 + p0));
            let log_good = libm::log((1.0 - p1) / (1.0 - p0));
            (bad * libm::log(p1 / p0) + good * log_good) / dispersion.max(1.0)
        });
        self.log_e()
    }

    /// ln of the e-value so far.
    pub fn log_e(&self) -> f64 {
        self.mixture.log_e()
    }
}
