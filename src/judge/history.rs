//! What was before the start: how both populations behaved when no canary was judged yet. It is
//! read with the first look, on the same grid to the other side, and kept apart from the window: it
//! counts for no coverage, no evidence and no arm that is seen, and a window is the same bits with
//! it and without it.

use crate::digest::Digest;
use crate::judge::arms::Split;
use crate::judge::replicas::{Names, Replicas};
use crate::judge::shapes::Shapes;
use crate::judge::tally::{Families, Tally, Target};
use crate::judge::windows::{Arm, ArmValues, EventInterval, SERIES_MAX, Windows};
use crate::plan::{Plan, Queries};
use crate::series::align::{self, Fold};
use crate::series::census::Census;
use crate::series::grid::Grid;
use crate::series::samples::Series;
use crate::template::GapPolicy;
use crate::time::Timestamp;
use std::collections::BTreeSet;

/// The history of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Past {
    baseline: PastArm,
    canary: PastArm,
    tally: Tally,
    intervals: Vec<EventInterval>,
    shapes: Shapes,
    /// Series without a sample in the window, while it is not known whether there will be one.
    known: BTreeSet<Digest>,
    /// More series than may.
    overflowed: bool,
}

/// The history of one arm.
#[derive(Clone, Debug, Default, PartialEq)]
struct PastArm {
    /// The first sample of all.
    since: Option<Timestamp>,
    /// On the history's grid; empty before the first value.
    values: Vec<Option<f64>>,
    replicas: Replicas,
}

impl Past {
    /// Whether a series that has no sample in the window yet may be read.
    pub(crate) fn admit(&mut self, key: Digest) -> bool {
        if self.known.len() >= SERIES_MAX && !self.known.contains(&key) {
            self.overflowed = true;
            return false;
        }
        self.known.insert(key);
        true
    }

    /// Notes that an arm had a sample.
    pub(crate) fn sighted(&mut self, arm: Arm, at: Option<Timestamp>) {
        let side = self.of(arm);
        side.since = side.since.into_iter().chain(at).min();
    }

    /// Takes in series.
    pub(crate) fn series(&mut self, plan: &Plan, split: &Split, names: &Names, fold: Fold) {
        let grid = grid_of(plan);
        let census = &mut Census::default();
        for (arm, samples) in [
            (Arm::Baseline, &split.baseline),
            (Arm::Canary, &split.canary),
        ] {
            if samples.is_empty() {
                continue;
            }
            let aligned: Vec<(Digest, Series)> = samples
                .iter()
                .map(|(key, one)| (*key, align::align(grid, one, census)))
                .collect();
            let side = self.of(arm);
            side.values.resize(grid.len, None);
            let all: Vec<Series> = aligned.iter().map(|(_, series)| series.clone()).collect();
            for (cell, value) in side.values.iter_mut().zip(align::combine(&all, fold)) {
                *cell = value.or(*cell);
            }
            let seen = samples.iter().filter_map(|(key, one)| {
                let name = names.get(key)?.as_str();
                Some(one.iter().map(move |sample| (sample.at, name)))
            });
            side.replicas.meet(seen.flatten(), grid.len);
            side.replicas.set(&aligned, names, fold, (0, grid.len));
        }
    }

    /// Takes in counters of bad events and of all events.
    pub(crate) fn events(
        &mut self,
        plan: &Plan,
        split: (&Split, &Split),
        to: Timestamp,
        names: &Names,
    ) {
        let (tally, mut target) = self.target(plan, to, names);
        tally.events(split, &mut target, &mut Census::default());
    }

    /// Takes in buckets.
    pub(crate) fn buckets(
        &mut self,
        plan: &Plan,
        families: &Families,
        to: Timestamp,
        names: &Names,
    ) {
        let (tally, mut target) = self.target(plan, to, names);
        tally.buckets(families, &mut target, &mut Census::default());
    }

    /// Nothing more can come: what was remembered for it is dropped.
    pub(crate) fn close(&mut self) {
        self.tally = self.tally.emptied();
        self.known = BTreeSet::new();
    }

    /// See [`MetricState::scraped_with`](crate::judge::absorb::MetricState::scraped_with).
    pub(crate) fn scraped_with(&mut self, whole: &Self) {
        self.tally.scraped_with(&whole.tally);
    }

    /// The first sample of baseline and canary.
    pub(crate) fn since(&self) -> [Option<Timestamp>; 2] {
        [self.baseline.since, self.canary.since]
    }

    /// The bucket counts of a distribution metric on the history's grid.
    pub(crate) fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    /// The replicas of baseline and canary.
    pub(crate) fn replicas(&self) -> [&Replicas; 2] {
        [&self.baseline.replicas, &self.canary.replicas]
    }

    /// What a reader must know.
    pub(crate) fn note(&self) -> Option<String> {
        self.overflowed
            .then(|| format!("more than {SERIES_MAX} series in the history, the rest left out"))
    }

    fn of(&mut self, arm: Arm) -> &mut PastArm {
        match arm {
            Arm::Baseline => &mut self.baseline,
            Arm::Canary => &mut self.canary,
        }
    }

    fn target<'a>(
        &'a mut self,
        plan: &Plan,
        to: Timestamp,
        names: &'a Names,
    ) -> (&'a mut Tally, Target<'a>) {
        let grid = grid_of(plan);
        let target = Target {
            grid,
            to: to.min(plan.timing.start),
            intervals: &mut self.intervals,
            shapes: Some(&mut self.shapes),
            replicas: [&mut self.baseline.replicas, &mut self.canary.replicas],
            replicas_from: grid.start,
            points: grid.len,
            names,
        };
        (&mut self.tally, target)
    }
}

impl Windows {
    /// A series metric's values at the grid points from `start − lookback` to the start, without
    /// it: baseline and canary, equally long; what nobody read or nothing was there for is a gap.
    /// `None` when the plan has no history or the metric is no series metric.
    ///
    /// Gaps that the template calls zero are zero from the first instant on at which any metric
    /// saw that arm.
    pub fn history_series(&self, plan: &Plan, metric_idx: usize) -> Option<ArmValues> {
        plan.history?;
        let Queries::Series { gaps, .. } = plan.metrics.get(metric_idx)?.queries else {
            return None;
        };
        let state = self.counters.get(metric_idx)?;
        let (past, grid) = (state.past(), grid_of(plan));
        let window = self.metrics.get(metric_idx)?;
        // As in the window: a metric that has never seen anything has a query that selects nothing.
        let known = window.baseline_series + window.canary_series > 0
            || past.baseline.since.is_some()
            || past.canary.since.is_some();
        let filled = |side: &PastArm, since: Option<Timestamp>| -> Vec<Option<f64>> {
            let zero = |at: Timestamp| {
                gaps == GapPolicy::Zero
                    && known
                    && since.is_some_and(|since| since <= at)
                    && state.history_asked(at)
            };
            let value = |idx: usize| {
                let value = side.values.get(idx).copied().flatten();
                value.or_else(|| zero(grid.instant(idx)).then_some(0.0))
            };
            (0..grid.len).map(value).collect()
        };
        let [baseline, canary] = self.since();
        Some((
            filled(&past.baseline, baseline),
            filled(&past.canary, canary),
        ))
    }

    /// The first sample of each arm in the history of any metric.
    pub(crate) fn since(&self) -> [Option<Timestamp>; 2] {
        let mut out = self.besides.since;
        for state in &self.counters {
            for (known, since) in out.iter_mut().zip(state.past().since()) {
                *known = known.iter().copied().chain(since).min();
            }
        }
        out
    }

    /// The bucket counts of a distribution metric from `start − lookback` to the start; `None` when
    /// there are none.
    pub(crate) fn history_shapes(&self, metric_idx: usize) -> Option<&Shapes> {
        let shapes = self.counters.get(metric_idx)?.past().shapes();
        (!shapes.is_empty()).then_some(shapes)
    }

    /// The intervals of an events or distribution metric from `start − lookback` to the start,
    /// without holes; empty when the plan has no history or the metric is a series metric.
    pub fn history_events(&self, plan: &Plan, metric_idx: usize) -> Vec<EventInterval> {
        let window = self.metrics.get(metric_idx);
        let counted = window.is_some_and(|w| w.data.counts().is_some());
        let Some(state) = self.counters.get(metric_idx).filter(|_| counted) else {
            return Vec::new();
        };
        let grid = grid_of(plan);
        let at = |idx: usize| {
            let known = state.past().intervals.get(idx).copied();
            known.unwrap_or(EventInterval {
                at: grid.instant(idx + 1),
                baseline: None,
                canary: None,
            })
        };
        (0..grid.len).map(at).collect()
    }
}

/// The history's grid.
fn grid_of(plan: &Plan) -> Grid {
    Grid {
        start: plan.history_from(),
        step: plan.timing.step,
        len: plan.history_points(),
    }
}
