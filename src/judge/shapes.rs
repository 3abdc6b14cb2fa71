//! The bucket counts of a distribution metric: per interval and arm, on bounds that both share.

use crate::judge::windows::Arm;
use crate::series::coarsen::{self, BOUNDS_KEPT_MAX};
use crate::series::histogram::Growth;

/// Observations of one arm in one interval by bucket: up to the first bound, between neighbouring
/// bounds, beyond the last; `None` is a gap.
pub type Cells = Option<Vec<f64>>;

/// Bucket counts of both arms, interval by interval, as long as the metric's intervals.
///
/// Bounds are what all series of both arms have in common. When a series comes that lacks one,
/// everything counted so far is coarsened, so that the bounds depend on what was seen and not on
/// the looks in which it came (A6).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shapes {
    bounds: Vec<f64>,
    /// The bounds have been learned from the first histogram.
    known: bool,
    intervals: Vec<(Cells, Cells)>,
}

impl Shapes {
    /// No interval yet. `bounds` rise and are finite.
    pub fn new(bounds: Vec<f64>) -> Self {
        Self {
            bounds,
            known: true,
            intervals: Vec::new(),
        }
    }

    /// The bounds, rising.
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// How many intervals there are.
    pub fn len(&self) -> usize {
        self.intervals.len()
    }

    /// Whether there is no interval yet.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// Baseline and canary in one interval; cells that do not fit the bounds are a gap.
    pub fn push(&mut self, baseline: Cells, canary: Cells) {
        let cells = self.bounds.len() + 1;
        let fit = |arm: Cells| arm.filter(|counts| counts.len() == cells);
        self.intervals.push((fit(baseline), fit(canary)));
    }

    /// Adds what one histogram of `arm` grew by to interval `idx`.
    pub fn add(&mut self, idx: usize, arm: Arm, growth: &Growth) {
        if !self.known {
            self.known = true;
            self.bounds = coarsen::fit(growth.bounds.clone(), BOUNDS_KEPT_MAX);
        }
        let common = coarsen::common(&self.bounds, &growth.bounds);
        if common.len() < self.bounds.len() {
            self.coarsen(&common);
        }
        if self.intervals.len() <= idx {
            self.intervals.resize(idx + 1, (None, None));
        }
        let Some((baseline, canary)) = self.intervals.get_mut(idx) else {
            return;
        };
        let cells = self.bounds.len() + 1;
        let map = coarsen::targets(&growth.bounds, &self.bounds);
        let more = coarsen::merge(&growth.cells, &map, cells);
        let sums = match arm {
            Arm::Baseline => baseline,
            Arm::Canary => canary,
        };
        let sums = sums.get_or_insert_with(|| vec![0.0; cells]);
        for (sum, more) in sums.iter_mut().zip(more) {
            // Sums of the largest floats must not become infinite.
            *sum = (*sum + more).min(f64::MAX);
        }
    }

    /// Drops all bounds that are not in `kept`, which rises.
    pub fn coarsen(&mut self, kept: &[f64]) {
        let map = coarsen::targets(&self.bounds, kept);
        let cells = kept.len() + 1;
        for (baseline, canary) in &mut self.intervals {
            for arm in [baseline, canary] {
                *arm = arm
                    .take()
                    .map(|counts| coarsen::merge(&counts, &map, cells));
            }
        }
        self.bounds = kept.to_vec();
    }

    /// Observations beyond each bound, lowest bound first, and all of them: (baseline, canary) of
    /// interval `idx`. `None` unless both arms have counts.
    pub fn beyond(&self, idx: usize) -> Option<(Beyond, Beyond)> {
        let (baseline, canary) = self.intervals.get(idx)?;
        Some((Beyond::of(baseline.as_ref()?), Beyond::of(canary.as_ref()?)))
    }

    /// Observations of the baseline beyond each bound in interval `idx`, whatever the canary has.
    pub fn baseline_beyond(&self, idx: usize) -> Option<Beyond> {
        let (baseline, _) = self.intervals.get(idx)?;
        Some(Beyond::of(baseline.as_ref()?))
    }
}

/// What lies beyond each bound in one arm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beyond {
    /// Beyond each bound, lowest bound first.
    pub counts: Vec<f64>,
    /// All.
    pub all: f64,
}

impl Beyond {
    fn of(cells: &[f64]) -> Self {
        let mut counts = Vec::with_capacity(cells.len());
        let mut above = 0.0;
        for cell in cells.iter().rev() {
            counts.push(above);
            above += cell;
        }
        counts.reverse();
        counts.pop();
        Self { counts, all: above }
    }
}
