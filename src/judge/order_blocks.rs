//! From bucket counts per interval to what lies beyond each bound per block of time.

use crate::judge::shapes::Shapes;
use crate::judge::windows::EventInterval;
use crate::stats::clustered::{DISPERSIONS, Dispersions, UNKNOWN};
use crate::stats::stochastic_order::Beyond;
use crate::stats::wander::{self, Doubts, Wander};
use crate::time::Span;
use std::ops::Range;

/// Evidence grows by blocks of this length: within it observations may cluster at will, from one
/// to the next they are taken as independent. Retry storms last about a minute
/// (`docs/statistics.md`).
const BLOCK: Span = Span::from_s(60);

/// What lies beyond each bound.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    /// The bounds, rising; at least one.
    pub(super) bounds: Vec<f64>,
    /// Whole blocks in time order; one entry per bound, of intervals that hold both arms.
    pub(super) blocks: Vec<Vec<Beyond>>,
    /// Everything, the unfinished block included.
    pub(super) totals: Vec<Beyond>,
    /// How far the baseline's counts scatter, by bound.
    pub(super) scatter: Vec<Dispersions>,
    /// The same from before the start, where anything is known of it.
    past: Vec<Option<Dispersions>>,
    /// How far the baseline's shares wander by themselves, by bound.
    wander: Vec<Wander>,
    /// How long a block is.
    pub(super) length: Span,
}

impl Blocks {
    /// Of all bounds.
    pub(super) fn of_shapes(shapes: &Shapes, judged: Range<usize>, step: Span) -> Self {
        let both = |idx: usize| {
            let (baseline, canary) = shapes.beyond(idx)?;
            let each = baseline.counts.iter().zip(&canary.counts);
            let pair = |(b, c): (&f64, &f64)| Beyond {
                canary: *c,
                canary_all: canary.all,
                baseline: *b,
                baseline_all: baseline.all,
            };
            Some(each.map(pair).collect())
        };
        Self::new(shapes.bounds().to_vec(), judged, step, both)
    }

    /// Of the threshold alone.
    pub(super) fn of_counts(
        threshold: f64,
        intervals: &[EventInterval],
        judged: Range<usize>,
        step: Span,
    ) -> Self {
        let both = |idx: usize| {
            let interval = intervals.get(idx)?;
            let (baseline, canary) = (interval.baseline?, interval.canary?);
            Some(vec![Beyond {
                canary: canary.bad,
                canary_all: canary.total,
                baseline: baseline.bad,
                baseline_all: baseline.total,
            }])
        };
        Self::new(vec![threshold], judged, step, both)
    }

    fn new(
        bounds: Vec<f64>,
        judged: Range<usize>,
        step: Span,
        both: impl Fn(usize) -> Option<Vec<Beyond>>,
    ) -> Self {
        let per_block = per_block(step);
        let nothing = vec![Beyond::default(); bounds.len()];
        let mut out = Self {
            scatter: vec![Dispersions::new(); bounds.len()],
            past: vec![None; bounds.len()],
            wander: vec![Wander::default(); bounds.len()],
            totals: nothing.clone(),
            bounds,
            blocks: Vec::new(),
            length: Span::from_ms(
                step.ms()
                    .saturating_mul(i64::try_from(per_block).unwrap_or(1)),
            ),
        };
        let mut open = nothing.clone();
        for (count, idx) in judged.enumerate() {
            if let Some(beyond) = both(idx) {
                let sums = open.iter_mut().zip(&mut out.totals);
                for ((open, total), more) in sums.zip(beyond) {
                    *open = open.plus(more);
                    *total = total.plus(more);
                }
            }
            if (count + 1) % per_block == 0 {
                let block = std::mem::replace(&mut open, nothing.clone());
                let known = out.scatter.iter_mut().zip(&mut out.wander);
                for ((scatter, wander), beyond) in known.zip(&block) {
                    scatter.observe(beyond.baseline, beyond.baseline_all);
                    wander.observe(beyond.baseline, beyond.baseline_all);
                }
                out.blocks.push(block);
            }
        }
        out
    }

    /// Takes in the bucket counts of the baseline from before the start.
    pub(super) fn learn(&mut self, past: &Shapes, step: Span) {
        let each = self.past.iter_mut().zip(&mut self.wander);
        for (place, (bound, (known, wander))) in self.bounds.iter().zip(each).enumerate() {
            let Ok(idx) = past.bounds().binary_search_by(|b| b.total_cmp(bound)) else {
                continue;
            };
            let mut scatter = Dispersions::new();
            *wander = Wander::default();
            let mut open = (0.0, 0.0);
            for interval in 0..past.len() {
                if let Some(beyond) = past.baseline_beyond(interval) {
                    open.0 += beyond.counts.get(idx).copied().unwrap_or(0.0);
                    open.1 += beyond.all;
                }
                if (interval + 1) % per_block(step) == 0 {
                    let (beyond, all) = std::mem::take(&mut open);
                    scatter.observe(beyond, all);
                    wander.observe(beyond, all);
                }
            }
            *known = Some(scatter);
            // The window comes after what was before it.
            for beyond in self.blocks.iter().filter_map(|block| block.get(place)) {
                wander.observe(beyond.baseline, beyond.baseline_all);
            }
        }
    }

    /// The log likelihood of each dispersion from before the start.
    pub(super) fn prior(&self, bound_idx: usize) -> [f64; DISPERSIONS.len()] {
        let known = self.past.get(bound_idx).copied().flatten();
        known.map_or(UNKNOWN, |past| past.prior())
    }

    /// How much wandering noise is doubted at each bound.
    pub(super) fn doubts(&self) -> Vec<Doubts> {
        wander::doubts(&self.wander)
    }

    /// The blocks at one bound, the arms in each other's place if `swapped`.
    pub(super) fn at(&self, bound_idx: usize, swapped: bool) -> Vec<Beyond> {
        let one = |block: &Vec<Beyond>| block.get(bound_idx).copied().unwrap_or_default();
        let turn = |beyond: Beyond| if swapped { beyond.swapped() } else { beyond };
        self.blocks.iter().map(one).map(turn).collect()
    }

    /// The sums at one bound.
    pub(super) fn total(&self, bound_idx: usize) -> Beyond {
        self.totals.get(bound_idx).copied().unwrap_or_default()
    }

    /// How many times Poisson's the variance of the baseline's counts is, at one bound.
    pub(super) fn dispersion(&self, bound_idx: usize) -> f64 {
        self.scatter.get(bound_idx).map_or(1.0, Dispersions::mean)
    }
}

/// Intervals in a block.
fn per_block(step: Span) -> usize {
    let steps = (BLOCK.ms() + step.ms() - 1) / step.ms().max(1);
    usize::try_from(steps).unwrap_or(1).max(1)
}
