//! How much the values of two arms are worth, given that neighbours in time resemble each other.

use crate::stats::autocorrelation;
use crate::stats::mann_whitney::Dependence;
use crate::stats::rank::pooled_mid_ranks;

/// What the autocorrelation of both arms does to a comparison of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Effective values of the canary.
    pub canary: f64,
    /// Effective values of the baseline.
    pub baseline: f64,
    /// What the rank test needs to know.
    pub dependence: Dependence,
}

/// Below this many values per arm the correlation is hardly known, and Student's tails alone
/// carry the doubt.
const FREEDOM_MIN: f64 = 1.0;

/// Effective number of values of a series on its grid, gaps as `None`, in 1 ..= n.
///
/// Taken on the ranks of the values, because a rank test follows: a single spike would otherwise
/// hide the correlation of all the rest. The smaller of two estimates counts: Geyer's sum over all
/// lags, which sees any shape but is biased upward in short series, and the one from the lag-1
/// correlation with its bias removed.
pub fn effective(series: &[Option<f64>]) -> f64 {
    let values: Vec<f64> = series.iter().flatten().copied().collect();
    let mut ranks = pooled_mid_ranks(&values, &[]).into_iter();
    let ranked: Vec<Option<f64>> = series
        .iter()
        .map(|value| value.and_then(|_| ranks.next()))
        .collect();
    let by_sum = autocorrelation::effective_size(&ranked);
    let rho = autocorrelation::lag1_corrected(&ranked).unwrap_or(0.0);
    by_sum.min(autocorrelation::effective_size_ar1(values.len(), rho))
}

/// Joins the effective sizes of two arms of `canary.0` and `baseline.0` values.
///
/// The variance of a comparison goes with 1/n of each arm, so the inflation is the ratio of the
/// sums of 1/n_eff and 1/n. Degrees of freedom are those of a two-sample comparison of so many
/// independent values.
pub fn join(canary: (usize, f64), baseline: (usize, f64)) -> Noise {
    let plain = 1.0 / canary.0.max(1) as f64 + 1.0 / baseline.0.max(1) as f64;
    let effective = 1.0 / canary.1.max(1.0) + 1.0 / baseline.1.max(1.0);
    let vif = (effective / plain).max(1.0);
    let df = (canary.1 + baseline.1 - 2.0).max(FREEDOM_MIN);
    let dependence = if vif > 1.0 {
        Dependence { vif, df: Some(df) }
    } else {
        Dependence::NONE
    };
    Noise {
        canary: canary.1,
        baseline: baseline.1,
        dependence,
    }
}
