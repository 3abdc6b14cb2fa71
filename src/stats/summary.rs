//! What one sample looks like.

/// Numbers that describe a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Unbiased variance (divisor n - 1); 0 for a single value.
    pub variance: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Median.
    pub median: f64,
    /// Median of the distances from the median, not scaled.
    pub mad: f64,
}

/// Describes a sample of finite values; `None` if it is empty.
pub fn summarise(values: &[f64]) -> Option<Summary> {
    let mean = mean(values)?;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = quantile_sorted(&sorted, 0.5)?;
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    for value in &mut sorted {
        *value = (*value - median).abs();
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let mad = quantile_sorted(&sorted, 0.5)?;
    let variance = variance(values).unwrap_or(0.0);
    Some(Summary {
        count: values.len(),
        mean,
        variance,
        min,
        max,
        median,
        mad,
    })
}

/// Sum with Neumaier's compensation (ZAMM 54, 1974): the error does not grow with the count.
pub fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() {
            (sum - next) + value
        } else {
            (value - next) + sum
        };
        sum = next;
    }
    sum + lost
}

/// Arithmetic mean; `None` if empty.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| sum(values.iter().copied()) / values.len() as f64)
}

/// Unbiased variance (divisor n - 1); `None` for fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values)?;
    let squares = sum(values.iter().map(|v| (v - mean) * (v - mean)));
    Some(squares / (values.len() as f64 - 1.0))
}

/// Median; `None` if empty.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut copy = values.to_vec();
    let middle = copy.len() / 2;
    if copy.is_empty() {
        return None;
    }
    // The same bits as `quantile(values, 0.5)`, without sorting all of it.
    let (below, high, _) = copy.select_nth_unstable_by(middle, f64::total_cmp);
    let high = *high;
    if values.len() % 2 == 1 {
        return Some(high);
    }
    let low = below.iter().copied().max_by(f64::total_cmp)?;
    Some(low * 0.5 + high * 0.5)
}

/// The `p`-quantile by linear interpolation, Hyndman and Fan's type 7 (the default of R and
/// NumPy); `None` if empty or `p` is outside 0 ..= 1.
pub fn quantile(values: &[f64], p: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_sorted(&sorted, p)
}

/// [`quantile`] of values that are sorted already.
pub fn quantile_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    if sorted.is_empty() || !(0.0..=1.0).contains(&p) {
        return None;
    }
    let place = p * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place within the slice"
    )]
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    let share = place - place.floor();
    // Written so that equal neighbours give themselves and nothing overflows.
    Some(if share > 0.0 {
        low * (1.0 - share) + high * share
    } else {
        low
    })
}
