//! A series on a grid with explicit gaps, and the pair that is judged.

use crate::series::grid::Grid;

/// Values on a grid; `None` is a gap. Values are finite and never `-0.0`.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    grid: Grid,
    values: Vec<Option<f64>>,
}

impl Series {
    /// `values` on `grid`; non-finite values become gaps, `-0.0` becomes `0.0`, and a length that
    /// differs from the grid's is padded with gaps or cut.
    pub fn new(grid: Grid, mut values: Vec<Option<f64>>) -> Self {
        values.resize(grid.len, None);
        for value in &mut values {
            *value = value.filter(|v| v.is_finite()).map(|v| v + 0.0);
        }
        Self { grid, values }
    }

    /// A series of gaps.
    pub fn empty(grid: Grid) -> Self {
        Self {
            grid,
            values: vec![None; grid.len],
        }
    }

    /// Its grid.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// One entry per grid point.
    pub fn values(&self) -> &[Option<f64>] {
        &self.values
    }

    /// Puts a value at a grid point; outside the grid nothing happens.
    pub fn set(&mut self, idx: usize, value: f64) {
        if let Some(cell) = self.values.get_mut(idx) {
            *cell = value.is_finite().then_some(value + 0.0);
        }
    }

    /// Lengthens the grid to `len` points, the new ones gaps.
    pub fn extend_to(&mut self, len: usize) {
        if len > self.grid.len {
            self.grid.len = len;
            self.values.resize(len, None);
        }
    }

    /// Grid points with a value.
    pub fn n_present(&self) -> usize {
        self.values.iter().flatten().count()
    }

    /// The values that are there, in time order.
    pub fn present(&self) -> Vec<f64> {
        self.values.iter().copied().flatten().collect()
    }
}
