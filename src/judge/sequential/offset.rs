//! Differences that healthy arms have: how much is allowed for, and how surely.
//!
//! Two machines of one version differ, lastingly. In two summed series that cannot be told from a
//! regression. It shows in two places: in the history of the same two populations, and between
//! the replicas of an arm. Either gives a healthy offset with a prediction interval, and the limit
//! is moved by its end: the upper one before harm is shown, the lower one before safety is.
//!
//! The interval errs with [`SHARE`] of the error of the test, once for the analysis and not once
//! a look, because the offset is drawn once; the test keeps the rest. By Boole's inequality both
//! together stay within the whole.

use crate::judge::replicas::Replica;
use crate::judge::sequential::pairs::Pair;
use crate::stats::{student, summary};

/// The share of a test's error that goes to where its limit lies.
pub const SHARE: f64 = 0.25;

/// History is cut into so many blocks. Their spread holds the drift of the offset, which values
/// a scrape apart would hide.
pub(in crate::judge) const BLOCKS: usize = 6;

/// Blocks with values, below which their spread says nothing.
pub(in crate::judge) const BLOCKS_MIN: usize = 4;

/// Values of a block, below which it has no median.
const BLOCK_VALUES_MIN: usize = 3;

/// What is believed of the spread between replicas before any is seen: 2 % of the level, as in
/// the host effects of the specification's simulations.
pub(in crate::judge) const REPLICA_SPREAD: f64 = 0.02;

/// Degrees of freedom that belief counts for. Two or three replicas say little of their spread,
/// and Student's tails would then leave no regression to be found.
pub(in crate::judge) const REPLICA_BELIEF: f64 = 4.0;

/// A healthy difference, on the scale of the effect (ln of the ratio, or the metric's unit).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offset {
    /// Its expectation.
    pub centre: f64,
    /// The standard deviation of what one analysis has.
    spread: f64,
    /// Degrees of freedom of the spread.
    df: f64,
}

impl Offset {
    /// Half the interval that misses on one side with probability `SHARE × error`.
    pub fn width(self, error: f64) -> f64 {
        if self.spread <= 0.0 {
            return 0.0;
        }
        self.spread * student::inverse_sf((SHARE * error).clamp(1e-12, 0.5), self.df)
    }

    /// From the differences of the arms before the start, in time order.
    pub fn of_history(differences: &[Option<f64>]) -> Option<Self> {
        let size = differences.len().div_ceil(BLOCKS).max(1);
        let middle = |block: &[Option<f64>]| {
            let held: Vec<f64> = block.iter().flatten().copied().collect();
            (held.len() >= BLOCK_VALUES_MIN).then(|| summary::median(&held))?
        };
        let medians: Vec<f64> = differences.chunks(size).filter_map(middle).collect();
        let count = medians.len();
        if count < BLOCKS_MIN {
            return None;
        }
        let k = count as f64;
        Some(Self {
            centre: summary::mean(&medians)?,
            // The analysis is one more draw of what the blocks are draws of.
            spread: libm::sqrt(summary::variance(&medians)? * (1.0 + 1.0 / k)),
            df: k - 1.0,
        })
    }

    /// From the levels of the replicas, on the scale of the effect; `size` is what the spread is
    /// relative to on that scale (1 for logarithms).
    pub fn of_replicas(baseline: &[f64], canary: &[f64], size: f64) -> Option<Self> {
        let (b, c) = (baseline.len() as f64, canary.len() as f64);
        let seen = (b - 1.0) + (c - 1.0);
        if baseline.is_empty() || canary.is_empty() || seen < 1.0 {
            return None;
        }
        let squares = |levels: &[f64]| {
            let count = levels.len() as f64;
            summary::variance(levels).map_or(0.0, |variance| variance * (count - 1.0))
        };
        let believed = REPLICA_BELIEF * (REPLICA_SPREAD * size) * (REPLICA_SPREAD * size);
        let df = seen + REPLICA_BELIEF;
        let variance = (squares(baseline) + squares(canary) + believed) / df;
        Some(Self {
            centre: 0.0,
            spread: libm::sqrt(variance * (1.0 / b + 1.0 / c)),
            df,
        })
    }

    /// The same centre with the larger of both spreads.
    #[must_use]
    pub fn or_wider(self, other: Self) -> Self {
        if other.spread > self.spread {
            Self {
                centre: self.centre,
                ..other
            }
        } else {
            self
        }
    }
}

/// Differences of pairs: logarithms of ratios, or plain. A ratio with zero is a gap.
pub fn differences(pairs: &[Pair], relative: bool) -> Vec<Option<f64>> {
    let of = |pair: &Pair| {
        let (baseline, canary) = (*pair)?;
        if !relative {
            return Some(canary - baseline);
        }
        (baseline > 0.0 && canary > 0.0).then(|| libm::log(canary / baseline))
    };
    pairs.iter().map(of).collect()
}

/// The level of every replica that has enough values: its median, or the logarithm of it.
pub fn levels(replicas: &[Replica], relative: bool) -> Vec<f64> {
    let level = |replica: &Replica| {
        let held: Vec<f64> = replica.values.iter().flatten().copied().collect();
        let middle = (held.len() >= BLOCK_VALUES_MIN).then(|| summary::median(&held))??;
        if !relative {
            return Some(middle);
        }
        (middle > 0.0).then(|| libm::log(middle))
    };
    replicas.iter().filter_map(level).collect()
}
