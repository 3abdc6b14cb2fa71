//! From the buckets of a look's answers to observations per bucket and interval.

use crate::digest::Digest;
use crate::judge::replicas::{Names, REPLICAS_MAX};
use crate::judge::shapes::Shapes;
use crate::judge::windows::Arm;
use crate::series::census::Census;
use crate::series::counters::Birthline;
use crate::series::grid::Grid;
use crate::series::histogram::{Growth, HistogramState, Snapshot};
use crate::series::native;
use crate::series::raw::{RawHistogram, RawHistograms, RawSeries, Sample, series_key};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Native histograms of an answer, each with a series of its totals at the same instants, by key.
pub(crate) fn natives<'a>(
    all: impl Iterator<Item = &'a RawHistograms>,
) -> Vec<(Digest, RawSeries, &'a RawHistograms)> {
    let total = |one: &RawHistogram| Sample {
        at: one.at,
        value: one.count,
    };
    let shadow = |one: &'a RawHistograms| {
        let series = RawSeries {
            labels: one.labels.clone(),
            samples: one.samples.iter().map(total).collect(),
        };
        (series_key(&one.labels, Some("le")), series, one)
    };
    let mut out: Vec<_> = all.map(shadow).collect();
    out.sort_by_key(|(key, ..)| *key);
    out
}

/// Those of the histograms that stand at the instants of `taken`, read.
pub(crate) fn read_natives(
    (key, raw): (Digest, &RawHistograms),
    taken: &[Sample],
    census: &mut Census,
) -> Vec<Snapshot> {
    let wanted: BTreeSet<Timestamp> = taken.iter().map(|sample| sample.at).collect();
    let mine = raw.samples.iter().filter(|one| wanted.contains(&one.at));
    mine.filter_map(|one| native::snapshot(key, one, census))
        .collect()
}

/// What is remembered of both arms' histograms between looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histograms {
    baseline: HistogramState,
    canary: HistogramState,
    /// What happened on the way; not shown where the threshold's own census is.
    census: Census,
    replicas: ByReplica,
}

/// The buckets of each replica over all the time, a row each: the first of the baseline beside the
/// first of the canary, and so on, in the order in which they appear.
#[derive(Clone, Debug, Default, PartialEq)]
struct ByReplica {
    rows: [BTreeMap<String, usize>; 2],
    shapes: Shapes,
}

impl ByReplica {
    /// What one histogram grew by. The replicas that come after [`REPLICAS_MAX`] are in no row.
    fn add(&mut self, name: &str, arm: Arm, growth: &Growth) {
        let [baseline, canary] = &mut self.rows;
        let rows = match arm {
            Arm::Baseline => baseline,
            Arm::Canary => canary,
        };
        let next = rows.len();
        let row = match rows.get(name) {
            Some(row) => *row,
            None if next >= REPLICAS_MAX => return,
            None => {
                rows.insert(name.to_owned(), next);
                next
            }
        };
        self.shapes.add(row, arm, growth);
    }
}

/// How growth is told apart by replica: that after an instant, by the names of histograms.
#[derive(Clone, Copy)]
pub(crate) struct Apart<'a> {
    /// Which histogram is which replica.
    pub(crate) names: &'a Names,
    /// What growth counts: that after this instant.
    pub(crate) from: Timestamp,
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
        apart: Apart<'_>,
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
            let counts = growth.at > apart.from && growth.at <= to;
            if let Some(name) = apart.names.get(&growth.key).filter(|_| counts) {
                self.replicas.add(name, *arm, growth);
            }
        }
    }

    /// The buckets of each replica, a row each.
    pub(crate) fn replicas(&self) -> &Shapes {
        &self.replicas.shapes
    }
}
