//! The replicas of an arm, kept apart where the metric names the label that tells them apart
//! (`per: pod`): how much they differ among each other is what a difference between the arms has
//! to be measured by.

use crate::digest::Digest;
use crate::judge::intervals::Grown;
use crate::judge::shapes::Shapes;
use crate::judge::windows::{Counts, Windows};
use crate::plan::{Plan, Queries};
use crate::series::align::{self, Fold};
use crate::series::samples::Series;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Replicas of one arm that are kept apart; the samples of further ones, later ones first, count in
/// the combined value of the arm only, which is noted. A spread needs dozens, not thousands.
pub const REPLICAS_MAX: usize = 64;

/// Values kept of all replicas of one arm; a longer window keeps fewer replicas apart, as if there
/// were more than [`REPLICAS_MAX`]. All 64 over 34 hours at one minute.
const REPLICA_VALUES_MAX: usize = 131_072;

/// What a reader must know when the canary is one replica.
pub(crate) const ONE_CANARY: &str =
    "one canary replica: what is peculiar to that one machine cannot be told from the version";

/// One replica's values on the grid of its arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Replica {
    /// The value of the label that keeps replicas apart.
    pub name: String,
    /// As many as the arm has; a gap where the replica was not there. No gap is filled.
    pub values: Vec<Option<f64>>,
}

/// One replica's events.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaCounts {
    /// The value of the label that keeps replicas apart.
    pub name: String,
    /// All its bad events and all its events.
    pub counts: Counts,
}

/// Which series belongs to which replica.
pub(crate) type Names = BTreeMap<Digest, String>;

/// The replicas of one arm.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Replicas {
    kept: BTreeMap<String, Kept>,
    /// There were more than are kept.
    crowded: bool,
}

/// What is kept of one replica.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    values: Vec<Option<f64>>,
    counts: Counts,
}

impl Replicas {
    /// Makes the acquaintance of replicas: those that were there first are kept, at one instant in
    /// the order of their names, so that how samples are cut into looks has no influence (A6).
    pub(crate) fn meet<'a>(
        &mut self,
        sightings: impl Iterator<Item = (Timestamp, &'a str)>,
        points: usize,
    ) {
        let most = REPLICAS_MAX.min((REPLICA_VALUES_MAX / points.max(1)).max(2));
        let mut first: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (at, name) in sightings {
            if !self.kept.contains_key(name) {
                let seen = first.entry(name).or_insert(at);
                *seen = at.min(*seen);
            }
        }
        let mut order: Vec<(Timestamp, &str)> =
            first.into_iter().map(|(name, at)| (at, name)).collect();
        order.sort_unstable();
        for (_, name) in order {
            if self.kept.len() >= most {
                self.crowded = true;
                return;
            }
            self.kept.insert(name.to_owned(), Kept::default());
        }
    }

    /// Sets the values at the points `first ..` of the arm's grid from aligned series; all
    /// replicas are then `len` points long.
    pub(crate) fn set(
        &mut self,
        aligned: &[(Digest, Series)],
        names: &Names,
        fold: Fold,
        (first, len): (usize, usize),
    ) {
        let mut of: BTreeMap<&str, Vec<Series>> = BTreeMap::new();
        for (key, series) in aligned {
            if let Some(name) = names.get(key) {
                of.entry(name).or_default().push(series.clone());
            }
        }
        for (name, kept) in &mut self.kept {
            kept.values.resize(len, None);
            let Some(series) = of.get(name.as_str()) else {
                continue;
            };
            let cells = kept.values.iter_mut().skip(first);
            for (cell, value) in cells.zip(align::combine(series, fold)) {
                *cell = value.or(*cell);
            }
        }
    }

    /// Counts what series grew by after `from`.
    pub(crate) fn count(&mut self, grown: &Grown, from: Timestamp, names: &Names, points: usize) {
        if names.is_empty() {
            return;
        }
        let all = || grown.bad.iter().chain(&grown.total);
        let counted = || all().filter(|growth| growth.at > from);
        let seen = counted().filter_map(|g| Some((g.at, names.get(&g.key)?.as_str())));
        self.meet(seen, points);
        for growth in counted() {
            let name = names.get(&growth.key);
            let Some(kept) = name.and_then(|name| self.kept.get_mut(name)) else {
                continue;
            };
            kept.counts.bad = (kept.counts.bad + growth.bad).min(f64::MAX);
            kept.counts.total = (kept.counts.total + growth.total).min(f64::MAX);
        }
    }

    /// How many are kept, when there are more.
    pub(crate) fn crowded(&self) -> Option<usize> {
        self.crowded.then_some(self.kept.len())
    }

    /// The values at the points `first .. len`, by name.
    pub(crate) fn values(&self, first: usize, len: usize) -> Vec<Replica> {
        let kept = self.kept.iter();
        kept.map(|(name, kept)| {
            let value = |idx: usize| kept.values.get(idx).copied().flatten();
            Replica {
                name: name.clone(),
                values: (first..len).map(value).collect(),
            }
        })
        .collect()
    }

    /// The counts, by name. Bad events whose events were never scraped are not counted: they
    /// belong to no ratio.
    pub(crate) fn counts(&self) -> Vec<ReplicaCounts> {
        let kept = self.kept.iter();
        kept.map(|(name, kept)| ReplicaCounts {
            name: name.clone(),
            counts: Counts {
                bad: kept.counts.bad.min(kept.counts.total),
                total: kept.counts.total,
            },
        })
        .collect()
    }
}

impl Windows {
    /// The values of each replica of baseline and canary, by name, on the grid points of
    /// [`Windows::judged_series`]; a replica that comes or goes has gaps, and no gap is filled.
    /// `None` when the metric is no series metric or keeps no replicas apart.
    pub fn judged_replicas(
        &self,
        plan: &Plan,
        metric_idx: usize,
    ) -> Option<(Vec<Replica>, Vec<Replica>)> {
        per_replica(plan, metric_idx, true)?;
        let first = self.first_point(metric_idx, plan.timing.judged_from)?;
        let len = self.points(plan, metric_idx)?;
        let [baseline, canary] = self.counters.get(metric_idx)?.replicas();
        Some((baseline.values(first, len), canary.values(first, len)))
    }

    /// The events of each replica of baseline and canary, by name, from the first judged interval
    /// on. `None` when the metric is a series metric or keeps no replicas apart.
    pub fn judged_replica_counts(
        &self,
        plan: &Plan,
        metric_idx: usize,
    ) -> Option<(Vec<ReplicaCounts>, Vec<ReplicaCounts>)> {
        per_replica(plan, metric_idx, false)?;
        let [baseline, canary] = self.counters.get(metric_idx)?.replicas();
        Some((baseline.counts(), canary.counts()))
    }

    /// The buckets of each replica from the first judged interval on, a row each, baseline and
    /// canary side by side. `None` when the metric is no distribution or keeps no replicas apart.
    pub(crate) fn replica_shapes(&self, plan: &Plan, metric_idx: usize) -> Option<&Shapes> {
        per_replica(plan, metric_idx, false)?;
        let shapes = self.counters.get(metric_idx)?.replica_shapes();
        (!shapes.is_empty()).then_some(shapes)
    }

    /// As [`Windows::judged_replicas`], on the grid points of [`Windows::history_series`].
    pub fn history_replicas(
        &self,
        plan: &Plan,
        metric_idx: usize,
    ) -> Option<(Vec<Replica>, Vec<Replica>)> {
        plan.history?;
        per_replica(plan, metric_idx, true)?;
        let len = plan.history_points();
        let [baseline, canary] = self.counters.get(metric_idx)?.past().replicas();
        Some((baseline.values(0, len), canary.values(0, len)))
    }

    /// As [`Windows::judged_replica_counts`], over the history.
    pub fn history_replica_counts(
        &self,
        plan: &Plan,
        metric_idx: usize,
    ) -> Option<(Vec<ReplicaCounts>, Vec<ReplicaCounts>)> {
        plan.history?;
        per_replica(plan, metric_idx, false)?;
        let [baseline, canary] = self.counters.get(metric_idx)?.past().replicas();
        Some((baseline.counts(), canary.counts()))
    }
}

/// Whether a metric keeps replicas apart, and is of that kind.
fn per_replica(plan: &Plan, metric_idx: usize, series: bool) -> Option<()> {
    let metric = plan.metrics.get(metric_idx)?;
    let is_series = matches!(metric.queries, Queries::Series { .. });
    (metric.per.is_some() && is_series == series).then_some(())
}
