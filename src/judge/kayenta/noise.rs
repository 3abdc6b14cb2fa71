//! Noise for two constants, without chance.
//!
//! Two different constants leave no shift to estimate, so Kayenta adds Gaussian noise of 1e-5 of
//! the value to each side, from a generator nobody seeds: its verdict on such a pair is not
//! reproducible. Here the noise is the normal scores Φ⁻¹((k − ½)/n): what a Gaussian sample of n
//! looks like when chance is taken out of it. Labels agree wherever Kayenta's own do not depend on
//! chance, ratios to about 1e-5.

use crate::stats::normal;

/// The part of a constant that is its noise's deviation.
pub const NOISE_PART: f64 = 1e-5;

/// `count` values around `mean` with deviation `std`, ascending for a positive one.
pub fn normal_scores(mean: f64, std: f64, count: usize) -> Vec<f64> {
    let score = |k: usize| normal::quantile((k as f64 + 0.5) / count as f64);
    (0..count)
        .map(|k| {
            if std == 0.0 {
                mean
            } else {
                mean + std * score(k)
            }
        })
        .collect()
}

/// The values with noise of deviation `std` around `mean` added.
pub fn with_noise(values: &[f64], mean: f64, std: f64) -> Vec<f64> {
    let scores = normal_scores(mean, std, values.len());
    values.iter().zip(scores).map(|(v, s)| v + s).collect()
}

/// A constant sample with its noise.
pub fn constant(values: &[f64]) -> Vec<f64> {
    let value = values.first().copied().unwrap_or(0.0);
    with_noise(values, 0.0, value * NOISE_PART)
}
