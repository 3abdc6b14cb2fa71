//! How much an autocorrelated series is worth, in independent values.
//!
//! Series stand on a grid; a gap is `None`, and correlation is taken at the true distance in grid
//! steps, over the pairs of which both ends are present.

use super::summary;

/// Smallest number of values for which a correlation is estimated.
pub const VALUES_MIN: usize = 5;

/// The Bartlett estimate never falls below this share of the variance: negative correlation of a
/// short series is mostly noise, and would make a test sharper than its data.
const LONG_RUN_FLOOR: f64 = 0.05;

/// Limits of the lag-1 correlation that chooses the bandwidth: beyond them the bandwidth formula
/// runs away.
const BANDWIDTH_RHO: (f64, f64) = (-0.5, 0.97);

/// Deviations from the mean at their grid points, gaps as `None`.
struct Deviations {
    points: Vec<Option<f64>>,
    present: usize,
}

impl Deviations {
    fn of(series: &[Option<f64>]) -> Option<Self> {
        let values: Vec<f64> = series.iter().flatten().copied().collect();
        let mean = summary::mean(&values)?;
        let points = series.iter().map(|v| v.map(|v| v - mean)).collect();
        Some(Self {
            points,
            present: values.len(),
        })
    }

    /// Autocovariance at `lag`: the mean product over the pairs present, tapered by
    /// 1 - lag/length. Without gaps this is the usual estimate with divisor n (Parzen 1963).
    fn covariance(&self, lag: usize) -> f64 {
        let length = self.points.len();
        if lag >= length {
            return 0.0;
        }
        let pairs = self.points.iter().zip(&self.points[lag..]);
        let mut count = 0_usize;
        let mut sum = 0.0;
        for product in pairs.filter_map(|(a, b)| Some((*a)? * (*b)?)) {
            sum += product;
            count += 1;
        }
        let taper = (length - lag) as f64 / length as f64;
        if count == 0 {
            0.0
        } else {
            sum / count as f64 * taper
        }
    }
}

/// Autocovariances at lags 0 ..= `lag_max`; `None` if nothing is present.
pub fn autocovariances(series: &[Option<f64>], lag_max: usize) -> Option<Vec<f64>> {
    let deviations = Deviations::of(series)?;
    Some(
        (0..=lag_max)
            .map(|lag| deviations.covariance(lag))
            .collect(),
    )
}

/// Lag-1 autocorrelation as estimated; `None` for fewer than [`VALUES_MIN`] values or a constant.
pub fn lag1(series: &[Option<f64>]) -> Option<f64> {
    let deviations = Deviations::of(series).filter(|d| d.present >= VALUES_MIN)?;
    let variance = deviations.covariance(0);
    (variance > 0.0).then(|| deviations.covariance(1) / variance)
}

/// [`lag1`] with its small-sample bias removed, within -0.99 ..= 0.99.
///
/// For an AR(1) with unknown mean the least-squares estimate has bias -(1+3ρ)/n (Kendall 1954,
/// Marriott and Pope 1954). The estimate here divides n - 1 products by n, which takes another
/// ρ/n away: E r = ρ - (1+4ρ)/n, and the correction solves that for ρ.
pub fn lag1_corrected(series: &[Option<f64>]) -> Option<f64> {
    let r = lag1(series)?;
    let n = series.iter().flatten().count() as f64;
    Some(((n * r + 1.0) / (n - 4.0)).clamp(-0.99, 0.99))
}

/// Number of independent values whose mean would be as uncertain, in 1 ..= n; 0 if empty.
///
/// n / (1 + 2 Σ ρ_k), the sum cut by Geyer's initial monotone sequence (Statistical Science 7,
/// 1992): sums of two neighbouring lags are positive and falling for a reversible process, so it
/// stops where noise takes over. A constant series shows no correlation and counts in full, as does
/// one
/// of fewer than [`VALUES_MIN`] values.
pub fn effective_size(series: &[Option<f64>]) -> f64 {
    let Some(deviations) = Deviations::of(series) else {
        return 0.0;
    };
    let n = deviations.present as f64;
    let variance = deviations.covariance(0);
    if variance <= 0.0 || deviations.present < VALUES_MIN {
        return n;
    }
    let mut total = 0.0;
    let mut last = f64::INFINITY;
    for even in (0..series.len()).step_by(2) {
        let pair = (deviations.covariance(even) + deviations.covariance(even + 1)) / variance;
        if pair <= 0.0 {
            break;
        }
        last = pair.min(last);
        total += last;
    }
    let time = (2.0 * total - 1.0).max(1.0);
    (n / time).clamp(1.0, n)
}

/// Effective size of `n` values of an AR(1) with correlation `rho`: n(1-ρ)/(1+ρ), in 1 ..= n.
pub fn effective_size_ar1(n: usize, rho: f64) -> f64 {
    let n = n as f64;
    let rho = rho.clamp(0.0, 1.0);
    (n * (1.0 - rho) / (1.0 + rho)).clamp(n.min(1.0), n)
}

/// The variance of a mean, times n, allowing for autocorrelation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LongRunVariance {
    /// Lag-1 autocorrelation, not corrected.
    pub lag1: f64,
    /// Bandwidth of the Bartlett kernel.
    pub bandwidth: f64,
    /// Variance with divisor n.
    pub variance: f64,
    /// Long-run variance, at least a twentieth of the variance.
    pub long_run: f64,
}

/// Bartlett's long-run variance with Andrews' AR(1) bandwidth,
/// 1.1447 (4ρ²/((1-ρ)²(1+ρ)²) n)^(1/3) (Andrews, Econometrica 59, 1991), at most a third of the
/// lags; `None` if empty or constant. A series without gaps.
pub fn long_run_variance(values: &[f64]) -> Option<LongRunVariance> {
    let mean = summary::mean(values)?;
    let n = values.len() as f64;
    let covariance = |lag: usize| {
        let products = values
            .iter()
            .zip(&values[lag..])
            .map(|(a, b)| (a - mean) * (b - mean));
        products.sum::<f64>() / n
    };
    let variance = covariance(0);
    if variance <= 0.0 {
        return None;
    }
    let lag1 = if values.len() > 1 {
        covariance(1) / variance
    } else {
        0.0
    };
    let rho = lag1.clamp(BANDWIDTH_RHO.0, BANDWIDTH_RHO.1);
    let odds = 2.0 * rho / ((1.0 - rho) * (1.0 + rho));
    let bandwidth = 1.1447 * libm::cbrt(odds * odds * n);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a lag below n, never negative"
    )]
    let lags = bandwidth.min(n / 3.0) as usize;
    let mut long_run = variance;
    for lag in 1..=lags {
        long_run += 2.0 * (1.0 - lag as f64 / (bandwidth + 1.0)) * covariance(lag);
    }
    Some(LongRunVariance {
        lag1,
        bandwidth,
        variance,
        long_run: long_run.max(LONG_RUN_FLOOR * variance),
    })
}
