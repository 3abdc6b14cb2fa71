//! How much the values of two arms are worth, given that neighbours in time resemble each other,
//! and that both arms may move together.
//!
//! All of it is taken on ranks within each arm, because a rank test follows: a single spike would
//! otherwise hide the correlation of all the rest, and a lasting difference of the arms is none of
//! the noise. A comparison of two arms varies as the difference of their ranks at the same
//! instants does, summed over all distances in time; what moves both at once (a day's course,
//! a shared dependency) cancels in it (the paired form of Dehling and Fried 2012, J. Multivariate
//! Analysis 105, who give the two-sample test under dependence). Where the arms hold too few
//! instants in common, each arm is taken for itself.

use crate::stats::autocorrelation;
use crate::stats::mann_whitney::Dependence;
use crate::stats::rank::pooled_mid_ranks;
use crate::stats::summary;

/// What autocorrelation does to a comparison of two arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Factor on the variance of the rank test, at least 1.
    pub vif: f64,
    /// Degrees of freedom of its estimate; `None` when no correlation is seen.
    pub df: Option<f64>,
}

/// The share of the scarcer arm's values that have a partner at the same instant, below which
/// pairs do not speak for the arms.
const PAIRED_MIN: f64 = 0.8;

/// Degrees of freedom are at least this: one effective value still has Cauchy's tails.
const FREEDOM_MIN: f64 = 1.0;

impl Noise {
    /// What the rank test needs to know.
    pub fn dependence(self) -> Dependence {
        Dependence {
            vif: self.vif,
            df: self.df,
        }
    }

    /// The noise of comparing two arms on the same grid, gaps as `None`.
    pub fn of(canary: &[Option<f64>], baseline: &[Option<f64>]) -> Self {
        let (c, b) = (ranks(canary), ranks(baseline));
        let gaps: Vec<Option<f64>> = c.iter().zip(&b).map(|(c, b)| Some((*c)? - (*b)?)).collect();
        let scarcer = count(&c).min(count(&b)) as f64;
        let variances = variance(&c) + variance(&b);
        if (count(&gaps) as f64) < PAIRED_MIN * scarcer || variances <= 0.0 {
            return Self::of_ranks(&c, &b);
        }
        let worth = effective(&gaps);
        let slowness = count(&gaps) as f64 / worth.max(1.0);
        let vif = (variance(&gaps) / variances * slowness).max(1.0);
        let df = (slowness > 1.0 || vif > 1.0).then(|| freedom(worth));
        Self { vif, df }
    }

    /// Each arm for itself: the variance of a comparison goes with 1/n of each arm, so the
    /// inflation is the ratio of the sums of 1/n_eff and 1/n.
    pub fn apart(canary: &[Option<f64>], baseline: &[Option<f64>]) -> Self {
        Self::of_ranks(&ranks(canary), &ranks(baseline))
    }

    fn of_ranks(canary: &[Option<f64>], baseline: &[Option<f64>]) -> Self {
        let part = |n: f64| 1.0 / n.max(1.0);
        let (c, b) = (effective(canary), effective(baseline));
        let plain = part(count(canary) as f64) + part(count(baseline) as f64);
        let vif = ((part(c) + part(b)) / plain).max(1.0);
        Self {
            vif,
            df: (vif > 1.0).then(|| freedom(c.min(b))),
        }
    }

    /// The worse of two estimates of the same noise.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        if other.vif > self.vif { other } else { self }
    }

    /// What `n` values are worth in this noise.
    pub fn worth(self, n: u64) -> f64 {
        n as f64 / self.vif
    }
}

/// Of a variance estimated from so many independent values.
fn freedom(worth: f64) -> f64 {
    (worth - 1.0).max(FREEDOM_MIN)
}

fn count(points: &[Option<f64>]) -> usize {
    points.iter().flatten().count()
}

fn variance(points: &[Option<f64>]) -> f64 {
    let values: Vec<f64> = points.iter().flatten().copied().collect();
    summary::variance(&values).unwrap_or(0.0)
}

/// Ranks within one arm as shares of its size, gaps kept.
fn ranks(series: &[Option<f64>]) -> Vec<Option<f64>> {
    let values: Vec<f64> = series.iter().flatten().copied().collect();
    let size = values.len().max(1) as f64;
    let mut ranks = pooled_mid_ranks(&values, &[]).into_iter();
    series
        .iter()
        .map(|value| value.and_then(|_| Some(ranks.next()? / size)))
        .collect()
}

/// Effective number of values, in 1 ..= n: the smaller of two estimates. Geyer's sum over all
/// lags sees any shape but errs upward in short series; the lag-1 correlation with its bias
/// removed sees only the nearest neighbour.
fn effective(series: &[Option<f64>]) -> f64 {
    let by_sum = autocorrelation::effective_size(series);
    let rho = autocorrelation::lag1_corrected(series).unwrap_or(0.0);
    by_sum.min(autocorrelation::effective_size_ar1(count(series), rho))
}
