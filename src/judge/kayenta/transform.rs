//! Which values count: NaN and outliers, each side for itself, in this order.

use crate::judge::kayenta::describe;
use crate::judge::kayenta::settings::MetricSettings;

/// What a NaN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nans {
    /// Nothing: it is left out.
    Remove,
    /// Zero.
    Replace,
}

/// Kayenta's `nanStrategy`. Infinities stay either way.
pub fn nans(values: &[f64], strategy: Nans) -> Vec<f64> {
    match strategy {
        Nans::Remove => {
            // Room for all at once: a filter cannot tell how many it lets pass.
            let mut kept = Vec::with_capacity(values.len());
            kept.extend(values.iter().copied().filter(|v| !v.is_nan()));
            kept
        }
        Nans::Replace => values
            .iter()
            .map(|v| if v.is_nan() { 0.0 } else { *v })
            .collect(),
    }
}

/// How outliers are told by the distance between the quartiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fence {
    /// So many distances beyond a quartile is out; above 0.
    pub factor: f64,
    /// The fence never lies inside the 1st and 99th percentile, so that of up to 101 values at most
    /// one per tail can go, whatever the factor. Always on in the judge.
    pub widened: bool,
}

impl Fence {
    /// Kayenta's default factor.
    pub const FACTOR: f64 = 3.0;

    /// Whether each value is an outlier.
    pub fn outliers(self, values: &[f64]) -> Vec<bool> {
        let (low, high) = self.bounds(values);
        values.iter().map(|v| *v < low || *v > high).collect()
    }

    fn bounds(self, values: &[f64]) -> (f64, f64) {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |p| describe::percentile_sorted(&sorted, p).unwrap_or(f64::NAN);
        let (lower, upper) = (at(25.0), at(75.0));
        let reach = self.factor * (upper - lower);
        let (low, high) = (lower - reach, upper + reach);
        if self.widened {
            (low.min(at(1.0)), high.max(at(99.0)))
        } else {
            (low, high)
        }
    }

    /// The values that are no outliers.
    pub fn keep(self, values: &[f64]) -> Vec<f64> {
        kept(values, &self.outliers(values))
    }
}

/// Whether each value lies more than `k` population deviations from the mean. Part of Kayenta, not
/// of its judge.
pub fn k_sigma(values: &[f64], k: f64) -> Vec<bool> {
    let mean = describe::mean(values).unwrap_or(0.0);
    let sigma = libm::sqrt(describe::squares(values, mean) / values.len() as f64);
    values
        .iter()
        .map(|v| (v - mean).abs() > k * sigma)
        .collect()
}

/// The values not marked.
pub fn kept(values: &[f64], marked: &[bool]) -> Vec<f64> {
    let pairs = values.iter().zip(marked);
    pairs.filter(|(_, out)| !**out).map(|(v, _)| *v).collect()
}

/// The values of one side as the judge compares them.
pub fn apply(values: &[f64], settings: &MetricSettings) -> Vec<f64> {
    let values = nans(values, settings.nans);
    match settings.outliers {
        Some(fence) => fence.keep(&values),
        None => values,
    }
}
