//! What counters grew by, summed into the intervals of the grid.

use crate::digest::Digest;
use crate::judge::windows::{Counts, EventInterval};
use crate::series::census::Census;
use crate::series::counters::Increment;
use crate::series::grid::Grid;
use crate::time::Timestamp;

/// What one sample added to the interval in which it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    /// The instant of the sample.
    pub(crate) at: Timestamp,
    /// Which series.
    pub(crate) key: Digest,
    /// Bad events.
    pub(crate) bad: f64,
    /// All events.
    pub(crate) total: f64,
    /// It is a scrape of the totals.
    scrape: bool,
}

impl Growth {
    /// A bad counter grew.
    pub(crate) fn bad(rise: &Increment<1>) -> Self {
        let [bad] = rise.amounts;
        Self {
            at: rise.at,
            key: rise.key,
            bad,
            total: 0.0,
            scrape: false,
        }
    }

    /// A total counter grew.
    pub(crate) fn total(rise: &Increment<1>) -> Self {
        let [total] = rise.amounts;
        Self {
            at: rise.at,
            key: rise.key,
            bad: 0.0,
            total,
            scrape: true,
        }
    }

    /// Buckets grew: observations beyond the threshold are those that are not within it. Buckets
    /// that a scrape caught at different moments can differ by less than nothing; that is none.
    pub(crate) fn beyond(rise: &Increment<2>) -> Self {
        let [total, within] = rise.amounts;
        Self {
            at: rise.at,
            key: rise.key,
            bad: (total - within).max(0.0),
            total,
            scrape: true,
        }
    }
}

/// One arm's growth in time order; bad and total are summed apart, so their order among each
/// other has no influence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grown {
    /// Of bad counters.
    pub(crate) bad: Vec<Growth>,
    /// Of total counters, or of buckets.
    pub(crate) total: Vec<Growth>,
}

/// One arm's interval that is not over yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    bad: f64,
    total: f64,
    /// A scrape of the totals fell inside.
    seen: bool,
}

impl Cell {
    fn take(&mut self, growth: &Growth) {
        // Sums of the largest floats must not become infinite (no infinities inside).
        self.bad = (self.bad + growth.bad).min(f64::MAX);
        self.total = (self.total + growth.total).min(f64::MAX);
        self.seen |= growth.scrape;
    }

    /// Ends the interval. Bad events that came without events to be part of (the scrape of the
    /// totals is late, or their first value did not count) are kept for the next interval: an
    /// error that was seen must not vanish.
    fn close(&mut self, census: &mut Census) -> Option<Counts> {
        if !self.seen {
            return None;
        }
        let bad = self.bad.min(self.total);
        if self.bad > self.total {
            census.exceeding += 1;
        }
        let counts = Counts {
            bad,
            total: self.total,
        };
        *self = Self {
            bad: self.bad - bad,
            ..Self::default()
        };
        Some(counts)
    }

    /// Takes in what one arm grew by: the counts of the intervals that end at points
    /// `first + 1 ..= last` of `grid`; what comes after stays open.
    fn run(
        &mut self,
        grown: &Grown,
        grid: Grid,
        (first, last): (usize, usize),
        census: &mut Census,
    ) -> Vec<Option<Counts>> {
        let (mut bad, mut total) = (grown.bad.iter().peekable(), grown.total.iter().peekable());
        let mut out = Vec::with_capacity(last.saturating_sub(first));
        for idx in first..last {
            let end = grid.instant(idx + 1);
            while let Some(growth) = bad.next_if(|growth| growth.at <= end) {
                self.take(growth);
            }
            while let Some(growth) = total.next_if(|growth| growth.at <= end) {
                self.take(growth);
            }
            out.push(self.close(census));
        }
        bad.chain(total).for_each(|growth| self.take(growth));
        out
    }
}

/// Appends the intervals that are over at `to` to `intervals`, which holds all earlier ones.
pub(crate) fn extend(
    intervals: &mut Vec<EventInterval>,
    grid: Grid,
    to: Timestamp,
    cells: [&mut Cell; 2],
    grown: &[Grown; 2],
    census: &mut Census,
) {
    let first = intervals.len();
    let last = grid.points_until(to).saturating_sub(1);
    let ([baseline_cell, canary_cell], [baseline, canary]) = (cells, grown);
    let baseline = baseline_cell.run(baseline, grid, (first, last), census);
    let canary = canary_cell.run(canary, grid, (first, last), census);
    let both = baseline.into_iter().zip(canary);
    intervals.extend(
        both.enumerate()
            .map(|(offset, (baseline, canary))| EventInterval {
                at: grid.instant(first + offset + 1),
                baseline,
                canary,
            }),
    );
}
