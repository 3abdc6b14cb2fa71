//! What an analysis has seen so far, both arms, ready to be judged.

use crate::plan::Slot;
use crate::series::raw::Answer;
use crate::series::samples::Series;
use crate::time::Timestamp;

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
    /// non-finite values turned into gaps); short sentences, each once, in order of appearance.
    pub notes: Vec<String>,
}

/// Everything one analysis has seen. Built by absorbing batches in order; the same batches give
/// the same bits (A6).
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// One per metric of the plan.
    pub metrics: Vec<MetricWindow>,
    /// The last instant read; the start of the plan when nothing was.
    pub covered_to: Timestamp,
    /// Warnings of the source that are not allowed ones, each once.
    pub suspect: Vec<String>,
    /// Per metric, what turns raw counters into counts.
    pub(crate) counters: Vec<crate::series::counters::CounterState>,
}
