//! What an analysis has seen so far, both arms, ready to be judged.

use crate::judge::absorb::MetricState;
use crate::judge::arms::{self, Answers};
use crate::judge::shapes::Shapes;
use crate::judge::slots::Slots;
use crate::plan::{MetricPlan, Plan, Queries, Slot};
use crate::series::gaps::Usable;
use crate::series::grid::Grid;
use crate::series::raw::Answer;
use crate::series::samples::Series;
use crate::template::GapPolicy;
use crate::time::{Span, Timestamp};
use std::borrow::Cow;
use std::ops::Range;

/// The answers of one look: samples in `(from, to]`, one answer per query of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Where the previous batch ended (or the start of the first fetch).
    pub from: Timestamp,
    /// The last instant read.
    pub to: Timestamp,
    /// In slot order.
    pub answers: Vec<(Slot, Answer)>,
}

/// The two populations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arm {
    /// The version that is trusted.
    Baseline,
    /// The version that is being tried.
    Canary,
}

impl Arm {
    /// The word shown to people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Canary => "canary",
        }
    }
}

/// Bad and total events of one arm in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Bad events; ≥ 0, ≤ `total` once clamped by the window (a larger value is noted).
    pub bad: f64,
    /// All events; ≥ 0.
    pub total: f64,
}

/// Counts of both arms in the interval that ends at one grid point: `(at − step, at]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventInterval {
    /// The grid point that ends it.
    pub at: Timestamp,
    /// The baseline's counts; `None` is a gap: no scrape of that arm fell inside.
    pub baseline: Option<Counts>,
    /// The canary's counts.
    pub canary: Option<Counts>,
}

/// The values of baseline and canary on the same grid points.
pub type ArmValues = (Vec<Option<f64>>, Vec<Option<f64>>);

/// The same, of the window itself where nothing has to be filled in.
pub type JudgedValues<'a> = (Cow<'a, [Option<f64>]>, Cow<'a, [Option<f64>]>);

/// One metric's data, both arms on the same grid.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricData {
    /// Values on the grid.
    Series {
        /// The baseline's values.
        baseline: Series,
        /// The canary's values.
        canary: Series,
    },
    /// Counts per grid interval, in time order, without holes.
    Events {
        /// The intervals.
        intervals: Vec<EventInterval>,
    },
    /// Bucket counts per grid interval, in time order, without holes.
    Distribution {
        /// All observations, and those beyond the threshold as bad ones (none without one).
        intervals: Vec<EventInterval>,
        /// Every bucket; interval by interval from the first, as far as there are observations.
        shapes: Shapes,
    },
}

impl MetricData {
    /// The counts per interval of an events or distribution metric.
    pub fn counts(&self) -> Option<&[EventInterval]> {
        match self {
            Self::Series { .. } => None,
            Self::Events { intervals } | Self::Distribution { intervals, .. } => Some(intervals),
        }
    }
}

/// One metric's data with what has to be known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricWindow {
    /// The values.
    pub data: MetricData,
    /// Series of the baseline seen so far.
    pub baseline_series: usize,
    /// Series of the canary seen so far.
    pub canary_series: usize,
    /// Series that belong to neither arm, or to both, and were left out.
    pub stray_series: usize,
    /// What was done to the data that a reader must know (resets, births, origin unknown,
    /// non-finite values turned into gaps); short sentences, each once, in a fixed order.
    pub notes: Vec<String>,
    /// Why the values may not be judged, when they may not: the metric then has no data (A5).
    pub unusable: Option<String>,
}

/// Everything one analysis has seen. Built by absorbing batches in order; the same samples give
/// the same bits, however they are cut into batches (A6).
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// One per metric of the plan.
    pub metrics: Vec<MetricWindow>,
    /// The last instant read; the start of the plan when nothing was.
    pub covered_to: Timestamp,
    /// Warnings of the source that are not allowed ones, and limits that made the data partial;
    /// each once, with the metric's name in front.
    pub suspect: Vec<String>,
    /// Per metric, what turns answers into data.
    pub(crate) counters: Vec<MetricState>,
    /// What else was seen of the arms, by those who hold these windows as a part of theirs.
    pub(crate) besides: Besides,
    /// The values of labels that are judged on their own, when there are any.
    pub(crate) slots: Option<Box<Slots>>,
}

/// What is known of the arms from elsewhere, baseline and canary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Besides {
    /// A series of it was seen.
    pub(crate) seen: [bool; 2],
    /// Its first sample in the history.
    pub(crate) since: [Option<Timestamp>; 2],
}

/// Grid points of one analysis; what comes after is not read (a day at a step of one second).
pub const POINTS_MAX: usize = 86_400;

/// How far the first fetch reaches back for the last sample before the window. Prometheus itself
/// looks back five minutes for a sample that still counts (`query.lookback-delta`). An older one
/// is no anchor, even when a history reaches further.
pub const ANCHOR_LOOKBACK: Span = Span::from_s(300);

/// Series of one metric; those beyond are left out, which makes the analysis suspect.
pub const SERIES_MAX: usize = 5_000;

/// Entries of [`Windows::suspect`]; further ones are dropped, the analysis is suspect anyway.
pub const SUSPECT_MAX: usize = 50;

impl Windows {
    /// Nothing seen yet.
    pub fn new(plan: &Plan) -> Self {
        let grid = Grid {
            start: plan.timing.start,
            step: plan.timing.step,
            len: 0,
        };
        let data = |queries: &Queries| match queries {
            Queries::Series { .. } => MetricData::Series {
                baseline: Series::empty(grid),
                canary: Series::empty(grid),
            },
            Queries::Events { .. } => MetricData::Events {
                intervals: Vec::new(),
            },
            Queries::Distribution { .. } => MetricData::Distribution {
                intervals: Vec::new(),
                shapes: Shapes::default(),
            },
        };
        let window = |metric: &MetricPlan| MetricWindow {
            data: data(&metric.queries),
            baseline_series: 0,
            canary_series: 0,
            stray_series: 0,
            notes: Vec::new(),
            unusable: None,
        };
        Self {
            besides: Besides::default(),
            slots: Slots::new(plan),
            metrics: plan.metrics.iter().map(window).collect(),
            covered_to: plan.timing.start,
            suspect: Vec::new(),
            counters: vec![MetricState::default(); plan.metrics.len()],
        }
    }

    /// Takes in the answers of one look. Samples at or before what was read already are ignored
    /// (except that the very first batch may reach back for anchors), samples after `batch.to` are
    /// left for the next one, and a hole before `batch.from` becomes gaps.
    pub fn absorb(&mut self, plan: &Plan, batch: &Batch) {
        arms::suspects(plan, batch, &mut self.suspect);
        let to = batch.to.min(plan.timing.deadline).min(last_instant(plan));
        let each = self.metrics.iter_mut().zip(&mut self.counters);
        for (metric_idx, (window, state)) in each.enumerate() {
            let Some(metric) = plan.metrics.get(metric_idx) else {
                continue;
            };
            let mut answers = Answers::of(batch, metric_idx, to);
            if metric.lag != Span::ZERO {
                answers = answers.lagging(plan, metric.lag);
                if answers.to <= plan.timing.start {
                    continue;
                }
            }
            state.absorb(plan, metric, &answers, window);
            if state.overflowed() {
                let text = format!(
                    "{}: more than {SERIES_MAX} series, the rest left out",
                    metric.name
                );
                arms::suspect(&mut self.suspect, text);
            }
        }
        self.covered_to = self.covered_to.max(to);
        if let Some(mut slots) = self.slots.take() {
            slots.absorb(self, (batch, to));
            self.slots = Some(slots);
        }
    }

    /// The last instant read of a metric: [`Windows::covered_to`], or earlier when its data lag
    /// behind.
    pub fn metric_covered_to(&self, plan: &Plan, metric_idx: usize) -> Timestamp {
        let metric = plan.metrics.get(metric_idx);
        if metric.is_none_or(|metric| metric.lag == Span::ZERO) {
            return self.covered_to;
        }
        let state = self.counters.get(metric_idx);
        let read_to = state.and_then(MetricState::read_to);
        read_to.unwrap_or(plan.timing.start)
    }

    /// A series metric's values at the grid points from `plan.timing.judged_from` to
    /// [`Windows::covered_to`], baseline and canary, equally long; gaps that the template calls
    /// zero are zero. `None` when the metric is no series metric.
    ///
    /// The grid point at the start itself is left out when nobody asked for it.
    pub fn judged_series(&self, plan: &Plan, metric_idx: usize) -> Option<JudgedValues<'_>> {
        let (baseline, canary) = self.pair(plan, metric_idx, plan.timing.judged_from)?;
        let Queries::Series { gaps, .. } = plan.metrics.get(metric_idx)?.queries else {
            return None;
        };
        if gaps != GapPolicy::Zero {
            return Some((baseline, canary));
        }
        let first = self.first_point(metric_idx, plan.timing.judged_from)?;
        let state = self.counters.get(metric_idx);
        let zeroed = |arm: Arm, values: Cow<'_, [Option<f64>]>| -> Vec<Option<f64>> {
            // An arm is alive when any metric has seen it, but a metric that has never seen
            // anything has a query that selects nothing: that is no row of zeros.
            let window = self.metrics.get(metric_idx);
            let known = window.is_some_and(|w| w.baseline_series + w.canary_series > 0);
            let seen = known && self.arm_seen(arm);
            let asked = |idx: usize| state.is_some_and(|state| state.asked(plan, first + idx));
            let fill = |(idx, value): (usize, &Option<f64>)| {
                value.or_else(|| (seen && asked(idx)).then_some(0.0))
            };
            values.iter().enumerate().map(fill).collect()
        };
        Some((
            zeroed(Arm::Baseline, baseline).into(),
            zeroed(Arm::Canary, canary).into(),
        ))
    }

    /// A series metric's values as they came, from the first grid point at or after `judged_from`
    /// to [`Windows::covered_to`]; no gap is filled.
    pub fn pair(
        &self,
        plan: &Plan,
        metric_idx: usize,
        judged_from: Timestamp,
    ) -> Option<JudgedValues<'_>> {
        let MetricData::Series { baseline, canary } = &self.metrics.get(metric_idx)?.data else {
            return None;
        };
        let first = self.first_point(metric_idx, judged_from)?;
        let grid = baseline.grid();
        let len = grid.points_until(self.metric_covered_to(plan, metric_idx));
        Some((
            cut(baseline.values(), first, len),
            cut(canary.values(), first, len),
        ))
    }

    /// The intervals of an events or distribution metric that lie wholly after
    /// `plan.timing.judged_from`, up to [`Windows::covered_to`], without holes; empty for a series
    /// metric.
    pub fn judged_events(&self, plan: &Plan, metric_idx: usize) -> Vec<EventInterval> {
        let window = self.metrics.get(metric_idx);
        match window.and_then(|window| window.data.counts()) {
            Some(intervals) => {
                let covered_to = self.metric_covered_to(plan, metric_idx);
                judged_intervals(plan, intervals, covered_to)
            }
            None => Vec::new(),
        }
    }

    /// How much of the judged part of a metric is there, baseline and canary. Missing trailing
    /// points are gaps; gaps that the template calls zero are not.
    pub fn usable(&self, plan: &Plan, metric_idx: usize) -> (Usable, Usable) {
        if let Some((baseline, canary)) = self.judged_series(plan, metric_idx) {
            return (Usable::of_values(&baseline), Usable::of_values(&canary));
        }
        let intervals = self.judged_events(plan, metric_idx);
        (
            Usable::of(intervals.iter().map(|interval| interval.baseline.is_some())),
            Usable::of(intervals.iter().map(|interval| interval.canary.is_some())),
        )
    }

    /// The share of judged grid points with a value, baseline and canary, in 0 ..= 1.
    pub fn coverage(&self, plan: &Plan, metric_idx: usize) -> (f64, f64) {
        let (baseline, canary) = self.usable(plan, metric_idx);
        (baseline.coverage(), canary.coverage())
    }

    /// Whether any metric has seen a series of this arm. An arm nobody has seen is not filled with
    /// zeros: absence is not health (A5).
    pub fn arm_seen(&self, arm: Arm) -> bool {
        let [baseline, canary] = self.besides.seen;
        let besides = match arm {
            Arm::Baseline => baseline,
            Arm::Canary => canary,
        };
        besides
            || self.metrics.iter().any(|window| match arm {
                Arm::Baseline => window.baseline_series > 0,
                Arm::Canary => window.canary_series > 0,
            })
    }

    /// How many grid points of a series metric are covered.
    pub(crate) fn points(&self, plan: &Plan, metric_idx: usize) -> Option<usize> {
        let MetricData::Series { baseline, .. } = &self.metrics.get(metric_idx)?.data else {
            return None;
        };
        let covered_to = self.metric_covered_to(plan, metric_idx);
        Some(baseline.grid().points_until(covered_to))
    }

    /// The first judged grid point of a series metric.
    pub(crate) fn first_point(&self, metric_idx: usize, judged_from: Timestamp) -> Option<usize> {
        let MetricData::Series { baseline, canary } = &self.metrics.get(metric_idx)?.data else {
            return None;
        };
        let grid = baseline.grid();
        let first = grid.first_from(judged_from);
        let at_start = |series: &Series| series.values().first().copied().flatten();
        let holds = at_start(baseline).is_some() || at_start(canary).is_some();
        let asked = self
            .counters
            .get(metric_idx)
            .is_some_and(MetricState::start_asked);
        Some(if first == 0 && !asked && !holds {
            1
        } else {
            first
        })
    }
}

/// Which intervals lie wholly after `plan.timing.judged_from`, up to `covered_to`.
pub(crate) fn judged_range(plan: &Plan, covered_to: Timestamp) -> Range<usize> {
    let grid = unbounded(plan);
    let first = grid.first_from(plan.timing.judged_from);
    let len = grid.points_until(covered_to).saturating_sub(1);
    first..len.max(first)
}

/// The values from grid point `first` up to `len`, gaps where there are none.
fn cut(values: &[Option<f64>], first: usize, len: usize) -> Cow<'_, [Option<f64>]> {
    if let Some(held) = values.get(first..len.max(first)) {
        return Cow::Borrowed(held);
    }
    let value = |idx: usize| values.get(idx).copied().flatten();
    Cow::Owned((first..len).map(value).collect())
}

/// Those of `intervals`, which begin at the start; missing ones are gaps.
pub(crate) fn judged_intervals(
    plan: &Plan,
    intervals: &[EventInterval],
    covered_to: Timestamp,
) -> Vec<EventInterval> {
    let grid = unbounded(plan);
    let at = |idx: usize| {
        intervals.get(idx).copied().unwrap_or(EventInterval {
            at: grid.instant(idx + 1),
            baseline: None,
            canary: None,
        })
    };
    judged_range(plan, covered_to).map(at).collect()
}

fn unbounded(plan: &Plan) -> Grid {
    Grid {
        start: plan.timing.start,
        step: plan.timing.step,
        len: usize::MAX,
    }
}

/// The last instant an analysis of this plan may read, so that its grids stay bounded.
fn last_instant(plan: &Plan) -> Timestamp {
    let grid = Grid {
        start: plan.timing.start,
        step: plan.timing.step,
        len: POINTS_MAX,
    };
    grid.instant(POINTS_MAX - 1)
}
