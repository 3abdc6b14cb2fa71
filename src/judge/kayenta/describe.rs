//! What Kayenta reports of a sample, and the percentiles its outlier removal uses.

/// Numbers that describe a sample; all zero for an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Sample deviation (divisor n − 1); 0 for a single value.
    pub std: f64,
}

/// Describes `values`.
pub fn summary(values: &[f64]) -> Summary {
    let Some(mean) = mean(values) else {
        return Summary::default();
    };
    let count = values.len();
    let std = if count == 1 {
        0.0
    } else {
        libm::sqrt(squares(values, mean) / (count as f64 - 1.0))
    };
    Summary {
        count,
        mean,
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        std,
    }
}

/// The arithmetic mean; `None` if empty. Summed in index order and corrected once by the mean of
/// the residuals, as commons-math does.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let rough = values.iter().sum::<f64>() / count;
    let residual: f64 = values.iter().map(|value| value - rough).sum();
    Some(rough + residual / count)
}

/// Sum of squared distances from `mean`.
pub(super) fn squares(values: &[f64], mean: f64) -> f64 {
    values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum()
}

/// The percentile `p` in 0 ..= 100 by linear interpolation at (n − 1)p (Hyndman and Fan's type
/// 7); NaN is left out, an empty sample has none.
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    percentile_sorted(&sorted, p)
}

/// [`percentile`] of values that are sorted already.
pub(super) fn percentile_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    if !(0.0..=100.0).contains(&p) {
        return None;
    }
    let place = last as f64 * (p / 100.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place within the slice"
    )]
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    let share = place - place.floor();
    // Two equal infinities differ by nothing, not by NaN.
    Some(if share > 0.0 && low < high {
        low + share * (high - low)
    } else {
        low
    })
}
