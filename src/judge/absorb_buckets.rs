//! From the buckets of a look's answers to observations per bucket and interval.

use crate::judge::shapes::Shapes;
use crate::judge::windows::Arm;
use crate::series::census::Census;
use crate::series::counters::Birthline;
use crate::series::grid::Grid;
use crate::series::histogram::{Growth, HistogramState, Snapshot};
use crate::time::Timestamp;

/// What is remembered of both arms' histograms between looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histograms {
    baseline: HistogramState,
    canary: HistogramState,
    /// What happened on the way; not shown where the threshold's own census is.
    census: Census,
}

impl Histograms {
    /// Takes in the snapshots of both arms, in any order, on an unbounded `grid`,
    /// up to `to`.
    ///
    /// What the histograms grew by is added by instant, then by arm: which bounds are left depends
    /// on the order in which histograms appear, and that must not depend on how samples were cut
    /// into looks (A6).
    pub(crate) fn absorb(
        &mut self,
        snapshots: [Vec<Snapshot>; 2],
        line: Birthline,
        (grid, to): (Grid, Timestamp),
        shapes: &mut Shapes,
    ) {
        let [baseline, canary] = snapshots;
        let baseline = self.baseline.advance(baseline, line, &mut self.census);
        let canary = self.canary.advance(canary, line, &mut self.census);
        let tagged = |arm: Arm| move |growth: Growth| (arm, growth);
        let mut all: Vec<(Arm, Growth)> = baseline
            .into_iter()
            .map(tagged(Arm::Baseline))
            .chain(canary.into_iter().map(tagged(Arm::Canary)))
            .collect();
        // Stable: histograms of one arm and instant keep their order.
        all.sort_by_key(|(arm, growth)| (growth.at, *arm));
        for (arm, growth) in &all {
            // The interval that ends at the first grid point at or after the scrape.
            let idx = grid.first_from(growth.at).checked_sub(1);
            if let Some(idx) = idx.filter(|_| growth.at <= to) {
                shapes.add(idx, *arm, growth);
            }
        }
    }
}
