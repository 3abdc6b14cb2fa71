//! The bucket counts of a distribution metric: per interval and arm, on bounds that both share.

use crate::judge::windows::Arm;
use crate::series::coarsen::{self, BOUNDS_KEPT_MAX};
use crate::series::histogram::Growth;
use crate::series::native;

/// Observations of one arm in one interval by bucket: up to the first bound, between neighbouring
/// bounds, beyond the last; `None` is a gap.
pub type Cells = Option<Vec<f64>>;

/// Bucket counts of both arms, interval by interval, as long as the metric's intervals.
///
/// Bounds are those that split no bucket of any histogram of both arms that has observations. When
/// one comes that lacks a bound, everything counted so far is coarsened, so that the bounds depend
/// on what was seen and not on the looks in which it came (A6).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shapes {
    bounds: Vec<f64>,
    /// Of both arms in all intervals, by bucket.
    sums: Vec<f64>,
    intervals: Vec<(Cells, Cells)>,
}

impl Shapes {
    /// No interval yet. `bounds` rise and are finite.
    pub fn new(bounds: Vec<f64>) -> Self {
        Self {
            sums: vec![0.0; bounds.len() + 1],
            bounds,
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
        let (baseline, canary) = (fit(baseline), fit(canary));
        for counts in [&baseline, &canary].into_iter().flatten() {
            for (sum, count) in self.sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        self.intervals.push((baseline, canary));
    }

    /// Adds what one histogram of `arm` grew by to interval `idx`.
    ///
    /// A bound inside a bucket with observations is dropped; a bound that comes new is taken up
    /// where nothing was counted around it so far, as beyond the highest one.
    pub fn add(&mut self, idx: usize, arm: Arm, growth: &Growth) {
        let bounds = self.bounds.iter().copied();
        let kept: Vec<f64> = bounds.filter(|bound| !growth.splits(*bound)).collect();
        if kept.len() < self.bounds.len() {
            self.coarsen(&kept);
        }
        self.take_up(growth);
        if self.intervals.len() <= idx {
            self.intervals.resize(idx + 1, (None, None));
        }
        let Some((baseline, canary)) = self.intervals.get_mut(idx) else {
            return;
        };
        let cells = self.bounds.len() + 1;
        self.sums.resize(cells, 0.0);
        let map = coarsen::targets(&growth.bounds, &self.bounds);
        let more = coarsen::merge(&growth.cells, &map, cells);
        let sums = match arm {
            Arm::Baseline => baseline,
            Arm::Canary => canary,
        };
        let sums = sums.get_or_insert_with(|| vec![0.0; cells]);
        for ((sum, all), more) in sums.iter_mut().zip(&mut self.sums).zip(more) {
            // Sums of the largest floats must not become infinite.
            *sum = (*sum + more).min(f64::MAX);
            *all = (*all + more).min(f64::MAX);
        }
    }

    /// Takes up the bounds of a growth that are new and split nothing that was counted.
    fn take_up(&mut self, growth: &Growth) {
        let offered = growth.bounds.iter().copied();
        let offered = offered.filter(|bound| !growth.native || native::worth_keeping(*bound));
        let mut bounds = self.bounds.clone();
        for bound in offered {
            let place = self.bounds.partition_point(|b| *b < bound);
            let is_new = self.bounds.get(place).is_none_or(|b| *b > bound);
            let empty = self.sums.get(place).is_none_or(|sum| *sum <= 0.0);
            if is_new && empty {
                bounds.push(bound);
            }
        }
        if bounds.len() == self.bounds.len() {
            return;
        }
        bounds.sort_by(f64::total_cmp);
        // What is beyond the cap is thinned; of what was counted only what fits stays.
        let bounds = coarsen::fit(bounds, BOUNDS_KEPT_MAX);
        self.refit(bounds);
    }

    /// Puts everything counted so far on other bounds, none of which splits a bucket that holds
    /// anything.
    fn refit(&mut self, bounds: Vec<f64>) {
        let map = coarsen::targets(&self.bounds, &bounds);
        let cells = bounds.len() + 1;
        for (baseline, canary) in &mut self.intervals {
            for arm in [baseline, canary] {
                *arm = arm
                    .take()
                    .map(|counts| coarsen::merge(&counts, &map, cells));
            }
        }
        self.sums = coarsen::merge(&self.sums, &map, cells);
        self.bounds = bounds;
    }

    /// Drops all bounds that are not in `kept`, which rises.
    pub fn coarsen(&mut self, kept: &[f64]) {
        self.refit(kept.to_vec());
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

    /// The same of the canary.
    pub fn canary_beyond(&self, idx: usize) -> Option<Beyond> {
        let (_, canary) = self.intervals.get(idx)?;
        Some(Beyond::of(canary.as_ref()?))
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
