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
    /// How many points stand at or before `at`, however long the grid is.
    pub fn points_until(&self, at: Timestamp) -> usize {
        if at < self.start {
            return 0;
        }
        let steps = at.since(self.start).ms() / self.step.span().ms();
        usize::try_from(steps).map_or(usize::MAX, |steps| steps.saturating_add(1))
    }

    /// The first point at or after `at`, however long the grid is.
    pub fn first_from(&self, at: Timestamp) -> usize {
        let (late, step) = (at.since(self.start).ms(), self.step.span().ms());
        usize::try_from(late / step + i64::from(late % step > 0)).unwrap_or(usize::MAX)
    }
}
