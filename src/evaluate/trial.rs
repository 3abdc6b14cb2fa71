//! What one judge is shown once: metrics of both arms, and at how many samples it looks.

use crate::judge::windows::Counts;
use crate::time::{Span, Step};
use crate::units::{Harm, MinEffect};

/// One thing per arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Arms<T> {
    /// The version that is trusted.
    pub baseline: T,
    /// The version that is being tried.
    pub canary: T,
}

/// What one metric measured in both arms, one entry per grid point.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// Values; `None` is a gap.
    Series(Arms<Vec<Option<f64>>>),
    /// Events of each interval that ends at a grid point; `None` is a gap.
    Events(Arms<Vec<Option<Counts>>>),
}

impl Measured {
    /// Series of both arms without a gap.
    pub fn whole(baseline: Vec<f64>, canary: Vec<f64>) -> Self {
        let all = |values: Vec<f64>| values.into_iter().map(Some).collect();
        Self::Series(Arms {
            baseline: all(baseline),
            canary: all(canary),
        })
    }

    /// Grid points.
    pub const fn len(&self) -> usize {
        match self {
            Self::Series(arms) => arms.baseline.len(),
            Self::Events(arms) => arms.baseline.len(),
        }
    }

    /// Whether there are no grid points.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One metric of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// From the start on.
    pub live: Measured,
    /// The same two populations before the start, both on the old version; ends at the start.
    pub history: Option<Measured>,
}

/// What one judge is shown once.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// In the order of [`Setting::metrics`].
    pub metrics: Vec<Drawn>,
}

/// One look of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookAt {
    /// Samples per arm shown so far: what scores and onsets count in.
    pub seen: usize,
    /// Grid points shown so far; differs from `seen` only where whole rows are missing.
    pub grid: usize,
}

impl LookAt {
    /// A look on a grid without missing rows.
    pub const fn at(points: usize) -> Self {
        Self {
            seen: points,
            grid: points,
        }
    }
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// A series; a rate over a window when its query is one.
    Series {
        /// The range window of its query.
        window: Option<Span>,
    },
    /// Counts of bad and of all events.
    Events,
}

/// How one metric is to be judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricSetting {
    /// What it is.
    pub kind: MetricKind,
    /// Which direction is harm.
    pub harm: Harm,
    /// The limit.
    pub min_effect: MinEffect,
    /// The level an operator knew before, for fixed thresholds; the baseline's median at the first
    /// look where nobody did.
    pub level: Option<f64>,
}

/// Everything that trials of one kind share.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The distance between grid points.
    pub step: Step,
    /// Grid points from the start to the deadline.
    pub points: usize,
    /// The looks, rising; the last one at the deadline.
    pub looks: Vec<LookAt>,
    /// The metrics.
    pub metrics: Vec<MetricSetting>,
    /// How often a healthy canary may be rolled back.
    pub alpha: f64,
    /// Grid points before which nothing is promoted; at most `points`.
    pub bake: usize,
    /// Grid points of history before the start.
    pub history: usize,
    /// Whether the canary's population is part of the history.
    pub offset: bool,
}

/// What a judge says at a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing yet.
    Continue,
    /// Go on for good.
    Promote,
    /// Go back.
    Rollback,
    /// Time is up and neither is shown.
    Inconclusive,
}

impl Said {
    /// The word in files of verdicts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Whether nothing comes after it.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Continue)
    }
}

/// What a judge said at each look, up to its first final word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Samples seen and what was said.
    pub looks: Vec<(usize, Said)>,
}

impl Path {
    /// Asks at every look until a final word.
    pub fn of<E>(
        looks: &[LookAt],
        mut ask: impl FnMut(usize, LookAt) -> Result<Said, E>,
    ) -> Result<Self, E> {
        let mut path = Self::default();
        for (number, look) in looks.iter().enumerate() {
            let said = ask(number, *look)?;
            path.looks.push((look.seen, said));
            if said.is_final() {
                break;
            }
        }
        Ok(path)
    }

    /// Samples seen at the rollback, when there was one.
    pub fn rollback(&self) -> Option<usize> {
        self.ended(Said::Rollback)
    }

    /// Samples seen at the promote, when there was one.
    pub fn promote(&self) -> Option<usize> {
        self.ended(Said::Promote)
    }

    fn ended(&self, wanted: Said) -> Option<usize> {
        let last = self.looks.last().filter(|(_, said)| *said == wanted);
        last.map(|(seen, _)| *seen)
    }
}
