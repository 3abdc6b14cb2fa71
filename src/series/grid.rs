//! A grid: instants `start + i·step`, i in 0 .. len.

use crate::time::{Step, Timestamp};

/// Where the values of a series stand. Two series are comparable only on equal grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The first grid point.
    pub start: Timestamp,
    /// The distance between points.
    pub step: Step,
    /// How many points.
    pub len: usize,
}

impl Grid {
    /// The instant of point `idx` (which may lie past the end).
    pub fn instant(&self, idx: usize) -> Timestamp {
        let steps = i64::try_from(idx).unwrap_or(i64::MAX);
        self.start.plus(self.step.span().times(steps))
    }

    /// The point that stands exactly at `at`, if `at` is on the grid.
    pub fn index(&self, at: Timestamp) -> Option<usize> {
        let offset = at.ms().checked_sub(self.start.ms())?;
        let step = self.step.span().ms();
        if offset < 0 || offset % step != 0 {
            return None;
        }
        usize::try_from(offset / step)
            .ok()
            .filter(|idx| *idx < self.len)
    }
}
