//! Raw points onto a grid, and several series of one arm into one.
//!
//! A range query answers with points exactly on its grid, so the tolerance is zero: a point
//! beside the grid is counted and left out, never moved to a neighbour.

use crate::series::census::Census;
use crate::series::grid::Grid;
use crate::series::raw::Sample;
use crate::series::samples::Series;
use ndarray::{Array2, ArrayView1};
use std::borrow::Cow;

/// Magnitudes beyond it are treated as infinite: their differences, sums and squares would be.
pub const MAGNITUDE_MAX: f64 = 1e150;

/// Finite, and small enough to calculate with.
pub fn usable(value: f64) -> bool {
    value.abs() <= MAGNITUDE_MAX
}

/// Samples in strictly rising time, finite, one per instant. Instants that came with different
/// values are rejected whole: nobody knows which of them is true.
pub fn clean<'a>(samples: &'a [Sample], census: &mut Census) -> Cow<'a, [Sample]> {
    let tidy = samples.iter().all(|sample| usable(sample.value))
        && samples.is_sorted_by(|l, r| l.at < r.at);
    if tidy {
        return Cow::Borrowed(samples);
    }
    census.out_of_order += count(samples.windows(2).filter(|w| match w {
        [l, r] => r.at < l.at,
        _ => false,
    }));
    let mut finite: Vec<Sample> = samples
        .iter()
        .copied()
        .filter(|sample| usable(sample.value))
        .collect();
    census.non_finite += (samples.len() - finite.len()) as u64;
    finite.sort_by_key(|sample| sample.at);
    let mut out = Vec::with_capacity(finite.len());
    for same_instant in finite.chunk_by(|l, r| l.at == r.at) {
        let Some(first) = same_instant.first() else {
            continue;
        };
        #[expect(clippy::float_cmp, reason = "a repeat is the very same value")]
        let same_value = same_instant
            .iter()
            .all(|sample| sample.value == first.value);
        if same_value {
            census.repeated += (same_instant.len() - 1) as u64;
            out.push(*first);
        } else {
            census.conflicting += same_instant.len() as u64;
        }
    }
    Cow::Owned(out)
}

/// One series' samples on `grid`. Every sample either stands at its own instant in the result or
/// is counted in `census`.
pub fn align(grid: Grid, samples: &[Sample], census: &mut Census) -> Series {
    let mut series = Series::empty(grid);
    let step = grid.step.span().ms();
    for sample in clean(samples, census).iter() {
        // Instants may lie at the far ends of time, where a difference needs more than 64 bits.
        let offset = i128::from(sample.at.ms()) - i128::from(grid.start.ms());
        if offset % i128::from(step) != 0 {
            census.off_grid += 1;
        } else if let Some(idx) = grid.index(sample.at) {
            series.set(idx, sample.value);
        } else {
            census.outside += 1;
        }
    }
    series
}

/// What several values at one grid point become; the slice is sorted and never empty.
pub type Fold = fn(&[f64]) -> f64;

/// Several series as one batch, series × time, gaps as `None`; shorter ones end in gaps.
pub fn frame(series: &[Series]) -> Array2<Option<f64>> {
    let len = series.iter().map(|one| one.values().len()).max();
    let mut batch = Array2::from_elem((series.len(), len.unwrap_or(0)), None);
    for (mut row, one) in batch.rows_mut().into_iter().zip(series) {
        for (cell, value) in row.iter_mut().zip(one.values()) {
            *cell = *value;
        }
    }
    batch
}

/// One value per grid point from those of the series that have one there; a gap where none has.
/// Values are sorted before they are folded, so the order of the series has no influence (A6).
/// All series stand on grids of the same step and start.
pub fn combine(series: &[Series], fold: Fold) -> Vec<Option<f64>> {
    let mut here = Vec::with_capacity(series.len());
    let at_one_instant = |column: ArrayView1<'_, Option<f64>>| {
        here.clear();
        here.extend(column.iter().copied().flatten());
        here.sort_unstable_by(f64::total_cmp);
        (!here.is_empty())
            .then(|| fold(&here))
            .filter(|value| value.is_finite())
    };
    frame(series)
        .columns()
        .into_iter()
        .map(at_one_instant)
        .collect()
}

/// Sum, from the smallest value up.
pub fn sum(sorted: &[f64]) -> f64 {
    sorted.iter().fold(0.0, |total, value| total + value)
}

/// Arithmetic mean.
pub fn mean(sorted: &[f64]) -> f64 {
    sum(sorted) / sorted.len() as f64
}

/// Largest.
pub fn max(sorted: &[f64]) -> f64 {
    sorted.last().copied().unwrap_or(f64::NAN)
}

/// Smallest.
pub fn min(sorted: &[f64]) -> f64 {
    sorted.first().copied().unwrap_or(f64::NAN)
}

/// Median; between the two middle values when their number is even.
pub fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = middle
        .checked_sub(1)
        .and_then(|idx| sorted.get(idx))
        .copied();
    lower.map_or(upper, |lower| lower / 2.0 + upper / 2.0)
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.count() as u64
}
