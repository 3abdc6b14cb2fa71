//! How large a difference is: the measures Kayenta knows.

use crate::judge::kayenta::describe;
use crate::judge::kayenta::shifted;

/// Which measure the limits of effect are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Mean of the experiment over mean of the control: 1 is no effect. Meaningless for values
    /// below zero, undefined (and then ignored) when a mean is 0.
    MeanRatio,
    /// The probability that a value of the experiment exceeds one of the control, ties counting one
    /// half: 0.5 is no effect.
    Cles,
}

impl Measure {
    /// The word in templates.
    pub const fn word(self) -> &'static str {
        match self {
            Self::MeanRatio => "mean-ratio",
            Self::Cles => "cles",
        }
    }

    /// The value that means no effect, which is also Kayenta's default for every limit.
    pub const fn none(self) -> f64 {
        match self {
            Self::MeanRatio => 1.0,
            Self::Cles => 0.5,
        }
    }
}

/// Mean of the experiment over mean of the control; NaN if either is 0 or a side is empty.
pub fn mean_ratio(control: &[f64], experiment: &[f64]) -> f64 {
    let mean = |values| describe::mean(values).filter(|mean| *mean != 0.0);
    match (mean(experiment), mean(control)) {
        (Some(x), Some(y)) => x / y,
        _ => f64::NAN,
    }
}

/// The common language effect size of the experiment; NaN if a side is empty.
pub fn cles(control: &[f64], experiment: &[f64]) -> f64 {
    let (m, n) = (experiment.len() as f64, control.len() as f64);
    if m == 0.0 || n == 0.0 {
        return f64::NAN;
    }
    let ranks = shifted::pooled(experiment, control, 0.0);
    (2.0 * ranks.rank_sum - m * (m + 1.0)) / (2.0 * m * n)
}

/// Cohen's d with the pooled deviation. Part of Kayenta, not of its judge.
pub fn cohen_d(control: &[f64], experiment: &[f64]) -> f64 {
    let (m, n) = (experiment.len() as f64, control.len() as f64);
    let (x, y) = (describe::summary(experiment), describe::summary(control));
    let within = (m - 1.0) * x.std * x.std + (n - 1.0) * y.std * y.std;
    (x.mean - y.mean).abs() / libm::sqrt(within / (m + n - 2.0))
}
