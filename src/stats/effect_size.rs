//! Sizes of a difference that a person can read.

use super::{rank::RankSum, summary};

/// Cliff's delta, 2·A12 - 1: from -1 (the first sample lies wholly below) to 1 (wholly above).
pub fn cliffs_delta(ranks: &RankSum) -> f64 {
    2.0 * ranks.a12() - 1.0
}

/// Median of the canary over median of the baseline; `None` if either sample is empty or the
/// baseline's median is 0.
pub fn ratio_of_medians(canary: &[f64], baseline: &[f64]) -> Option<f64> {
    ratio(summary::median(canary)?, summary::median(baseline)?)
}

/// Mean of the canary over mean of the baseline; `None` if either sample is empty or the
/// baseline's mean is 0.
pub fn ratio_of_means(canary: &[f64], baseline: &[f64]) -> Option<f64> {
    ratio(summary::mean(canary)?, summary::mean(baseline)?)
}

pub(super) fn ratio(canary: f64, baseline: f64) -> Option<f64> {
    (baseline != 0.0).then(|| canary / baseline)
}
