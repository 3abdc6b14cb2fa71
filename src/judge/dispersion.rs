//! How much more counts scatter than independent events would: retries and shared causes come
//! in clusters.
//!
//! The classic tests divide counts by [`dispersion`]; the sequential ones weigh sizes of clusters
//! against each other, for which [`too_large`] gathers what neighbouring blocks of time say.

use crate::judge::windows::{Counts, EventInterval};
use crate::stats::dispersion::{DISPERSIONS, Scatter, mean_evidence};
use crate::time::Span;

/// Shrinkage toward 1, as so many halves of a residual: with it the count tests kept their level
/// on Poisson and on clustered counts in simulation (`docs/statistics.md`).
const PRIOR: f64 = 5.0;

/// One block of time: events on the canary out of the events on both arms, and the share of the
/// canary that is expected of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Events on the canary.
    pub canary: f64,
    /// Events on both arms.
    pub both: f64,
    /// The expected share of the canary, in 0 ..= 1.
    pub share: f64,
}

/// The factor by which variances exceed the binomial ones, at least 1.
///
/// Pearson's statistic of the canary's share of each block's events: what hits both arms alike
/// cancels. Below what chance explains (two standard deviations of the estimate) it is 1; above,
/// it is raised by a safety that falls with the number of blocks.
pub fn dispersion(blocks: &[Block]) -> f64 {
    let mut sum = 0.0;
    let mut used = 0.0;
    for block in blocks {
        let variance = block.both * block.share * (1.0 - block.share);
        if variance > 0.0 {
            let gap = block.canary - block.both * block.share;
            sum += gap * gap / variance;
            used += 1.0;
        }
    }
    if used < 2.0 {
        return 1.0;
    }
    let freedom = used - 1.0;
    let estimate = (PRIOR + 0.5 * sum) / (PRIOR + 0.5 * freedom);
    let df = PRIOR + 0.5 * freedom;
    if estimate > 1.0 + 2.0 * libm::sqrt(2.0 / df) {
        estimate * (1.0 + 1.5 / libm::sqrt(df))
    } else {
        1.0
    }
}

/// Blocks of this length are compared for [`too_large`]: twice as long as the minute that a
/// retry storm lasts, so that most storms fall into one block (`docs/statistics.md`).
const BLOCK: Span = Span::from_s(120);

/// Neighbouring pairs share a block each, so each difference counts half.
const SHARED: f64 = 0.5;

/// Counts of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    canary: Counts,
    baseline: Counts,
    /// The same over the intervals that hold both arms.
    both: [Counts; 2],
}

impl Sums {
    fn of(intervals: &[EventInterval]) -> Self {
        let mut out = Self::default();
        for interval in intervals {
            let (canary, baseline) = (interval.canary, interval.baseline);
            add(&mut out.canary, canary.unwrap_or_default());
            add(&mut out.baseline, baseline.unwrap_or_default());
            if let (Some(canary), Some(baseline)) = (canary, baseline) {
                let [one, two] = &mut out.both;
                add(one, canary);
                add(two, baseline);
            }
        }
        out
    }
}

fn add(sum: &mut Counts, counts: Counts) {
    sum.bad += counts.bad;
    sum.total += counts.total;
}

/// ln of the evidence against each dispersion of [`DISPERSIONS`], from counts before the start and
/// since, blocks in time order.
///
/// Two views, of which the mean counts. Each arm's neighbouring blocks, at equal ratios: sees
/// most, but what moves both arms looks like clusters. And the shares of the arms in neighbouring
/// blocks: common movements cancel, but a small canary shows little.
pub fn too_large(
    history: &[EventInterval],
    intervals: &[EventInterval],
    step: Span,
) -> [f64; DISPERSIONS.len()] {
    let step = step.ms().max(1);
    let per_block = usize::try_from((BLOCK.ms() + step - 1) / step).unwrap_or(1);
    let (mut alone, mut shares) = (Scatter::default(), Scatter::default());
    for part in [history, intervals] {
        let mut before: Option<Sums> = None;
        for block in part.chunks_exact(per_block.max(1)) {
            let sums = Sums::of(block);
            if let Some(before) = before {
                in_time(&mut alone, before.canary, sums.canary);
                in_time(&mut alone, before.baseline, sums.baseline);
                across_arms(&mut shares, before.both, sums.both);
            }
            before = Some(sums);
        }
    }
    mean_evidence(alone.too_large(), shares.too_large())
}

/// Two blocks of one arm: given their sum, the later count is binomial by its share of the events.
fn in_time(scatter: &mut Scatter, one: Counts, two: Counts) {
    let (bad, total) = (one.bad + two.bad, one.total + two.total);
    if bad <= 0.0 || total <= 0.0 {
        return;
    }
    let share = two.total / total;
    let gap = two.bad - bad * share;
    scatter.add(gap * gap / (bad * share * (1.0 - share)), bad, SHARED);
}

/// Two blocks of two arms: Pearson's statistic of the table, at the ratio of the rates that both
/// blocks have together. As many events can tell as the smallest margin holds.
fn across_arms(scatter: &mut Scatter, one: [Counts; 2], two: [Counts; 2]) {
    let ([c1, b1], [c2, b2]) = (one, two);
    let (canary, baseline) = (c1.bad + c2.bad, b1.bad + b2.bad);
    let ratio = canary * (b1.total + b2.total) / (baseline * (c1.total + c2.total));
    let mut squared = 0.0;
    for (c, b) in [(c1, b1), (c2, b2)] {
        let share = ratio * c.total / (ratio * c.total + b.total);
        let bad = c.bad + b.bad;
        let gap = c.bad - bad * share;
        squared += gap * gap / (bad * share * (1.0 - share));
    }
    let events = canary
        .min(baseline)
        .min(c1.bad + b1.bad)
        .min(c2.bad + b2.bad);
    scatter.add(squared, events, SHARED);
}
