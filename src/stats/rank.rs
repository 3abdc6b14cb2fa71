//! Ranks of two pooled samples: the inner loop of every rank statistic.
//!
//! Values become `u64` keys in the same order, because integers sort several times faster than
//! floats. The shortest samples are sorted one by one and then walked once; others are sorted by
//! buckets ([`super::buckets`]) or, where these do not part them, in one pool ([`super::pool`]),
//! and U falls out on the way.

use super::buckets::{self, Buckets};
use super::crossings::Crossings;
use super::pool::{Merged, POOL_MIN, Pool, key, value};

/// Reusable buffers. One per worker: after the first pair of a size nothing is allocated.
#[derive(Debug, Default)]
pub struct Scratch {
    keys: Vec<u64>,
    crossings: Crossings,
    buckets: Buckets,
    pool: Pool,
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) ladder: super::ladder::Ladder,
    pub(super) candidates: Vec<f64>,
    pub(super) from: Vec<usize>,
    pub(super) until: Vec<usize>,
    pub(super) marks: Vec<super::selection::Mark>,
    pub(super) null: super::exact::NullDistribution,
    pub(super) ways: super::exact::SplitWays,
    /// Of the loaded pair, once they were asked for.
    pub(super) tails: Option<super::exact::TiedTails>,
}

/// What a rank test needs to know of two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankSum {
    /// Size of the first sample (the canary).
    pub n: usize,
    /// Size of the second sample (the baseline).
    pub m: usize,
    /// Mann-Whitney's U of the first sample: pairs it wins, ties count one half.
    pub u: f64,
    /// Σ (t³ - t) over the groups of `t` equal values in the pooled sample.
    pub tie_term: f64,
    /// The same, of each sample for itself, added: what remains after a shift that parts the
    /// samples (see [`super::hodges_lehmann`]).
    pub within_tie_term: f64,
}

impl RankSum {
    /// Number of pairs, n·m.
    pub fn pairs(&self) -> f64 {
        self.n as f64 * self.m as f64
    }

    /// Sum of the mid-ranks of the first sample in the pooled sample.
    pub fn rank_sum(&self) -> f64 {
        let n = self.n as f64;
        self.u + 0.5 * n * (n + 1.0)
    }

    /// Probability that a value of the first sample exceeds one of the second, ties counting one
    /// half (Vargha and Delaney's A12, also called common language effect size); one half if a
    /// sample is empty.
    pub fn a12(&self) -> f64 {
        let pairs = self.pairs();
        if pairs > 0.0 { self.u / pairs } else { 0.5 }
    }

    /// No two values of the pooled sample are equal.
    pub fn untied(&self) -> bool {
        self.tie_term <= 0.0
    }
}

/// Two samples, each sorted, in borrowed buffers; made by [`Scratch::load`].
#[derive(Debug)]
pub struct SortedPair<'s> {
    pub(super) scratch: &'s mut Scratch,
    /// Rank sum, U and ties.
    pub ranks: RankSum,
}

impl SortedPair<'_> {
    /// Both samples in ascending order; -0 has become 0.
    pub fn samples(&self) -> (&[f64], &[f64]) {
        (&self.scratch.x, &self.scratch.y)
    }
}

impl Scratch {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sorts both samples and ranks the first, `x` (the canary), against `y` (the baseline).
    ///
    /// All values must be finite. O((n+m) log(n+m)).
    pub fn load(&mut self, x: &[f64], y: &[f64]) -> SortedPair<'_> {
        debug_assert!(
            x.iter().chain(y).all(|v| v.is_finite()),
            "values must be finite"
        );
        self.marks.clear();
        self.tails = None;
        self.ladder.forget();
        let ranks = match self.sort(x, y) {
            Some(merged) => rank_merged(&self.x, &self.y, merged),
            None => rank_sorted(&self.x, &self.y),
        };
        SortedPair {
            scratch: self,
            ranks,
        }
    }

    /// Ranks the first sample without sorting, where that is faster and no two values are equal.
    pub(super) fn rank(&mut self, x: &[f64], y: &[f64]) -> Option<RankSum> {
        let wins = self.crossings.wins(x, y)?;
        Some(RankSum {
            n: x.len(),
            m: y.len(),
            u: wins as f64,
            tie_term: 0.0,
            within_tie_term: 0.0,
        })
    }

    /// Sorts both samples, and tells what sorting them together told.
    fn sort(&mut self, x: &[f64], y: &[f64]) -> Option<Merged> {
        let all = x.len() + y.len();
        let (first, second) = (&mut self.x, &mut self.y);
        if (buckets::ALL_MIN..=buckets::ALL_MAX).contains(&all) {
            let merged = self.buckets.sort(x, y, first, second);
            if merged.is_some() {
                return merged;
            }
        }
        if all >= POOL_MIN && u32::try_from(all).is_ok() {
            return Some(self.pool.sort(x, y, first, second));
        }
        sort_into(x, &mut self.keys, first);
        sort_into(y, &mut self.keys, second);
        None
    }
}

fn sort_into(values: &[f64], keys: &mut Vec<u64>, sorted: &mut Vec<f64>) {
    keys.clear();
    keys.extend(values.iter().map(|&v| key(v)));
    keys.sort_unstable();
    sorted.clear();
    sorted.extend(keys.iter().map(|&k| value(k)));
}

/// U and tie terms of two sorted samples.
fn rank_sorted(x: &[f64], y: &[f64]) -> RankSum {
    let (n, m) = (x.len(), y.len());
    let (mut i, mut j, mut wins, mut crossed) = (0, 0, 0, false);
    // Taken without a branch: which sample comes next is a coin toss that no predictor learns.
    while i < n && j < m {
        let (a, b) = (x[i], y[j]);
        let second = b <= a;
        crossed |= b >= a && second;
        wins += if second { 0 } else { j };
        i += usize::from(!second);
        j += usize::from(second);
    }
    wins += (n - i) * m;
    let within = tie_term(x) + tie_term(y);
    let (mut twice_ties, mut tie_term) = (0, within);
    if crossed {
        (twice_ties, tie_term) = crossed_ties(x, y);
    }
    RankSum {
        n,
        m,
        u: wins as f64 - 0.5 * twice_ties as f64,
        tie_term,
        within_tie_term: within,
    }
}

/// U and tie terms where the wins are known.
fn rank_merged(x: &[f64], y: &[f64], merged: Merged) -> RankSum {
    let (mut twice_ties, mut tie_term_pooled, mut within) = (0, 0.0, 0.0);
    if merged.tied {
        within = tie_term(x) + tie_term(y);
        (twice_ties, tie_term_pooled) = crossed_ties(x, y);
    }
    RankSum {
        n: x.len(),
        m: y.len(),
        u: merged.wins as f64 + 0.5 * twice_ties as f64,
        tie_term: tie_term_pooled,
        within_tie_term: within,
    }
}

/// Σ (t³ - t) over groups of equal neighbours.
fn tie_term(sorted: &[f64]) -> f64 {
    // First a pass that compilers turn into vector code: most samples have no ties.
    let repeats = sorted
        .iter()
        .zip(sorted.iter().skip(1))
        .filter(|(a, b)| a >= b)
        .count();
    if repeats == 0 {
        return 0.0;
    }
    sorted
        .chunk_by(|a, b| a >= b)
        .map(|group| cube_less_self(group.len()))
        .sum()
}

fn cube_less_self(t: usize) -> f64 {
    let t = t as f64;
    t * t * t - t
}

/// (pairs of equal values across the samples, pooled tie term) of two sorted samples.
fn crossed_ties(x: &[f64], y: &[f64]) -> (usize, f64) {
    let (mut i, mut j, mut pairs, mut term) = (0, 0, 0, 0.0);
    while i < x.len() || j < y.len() {
        let at = match (x.get(i), y.get(j)) {
            (Some(&a), Some(&b)) => a.min(b),
            (Some(&a), None) | (None, Some(&a)) => a,
            (None, None) => break,
        };
        let run = |s: &[f64]| s.iter().take_while(|&&v| v <= at).count();
        let (a, b) = (run(&x[i..]), run(&y[j..]));
        pairs += a * b;
        term += cube_less_self(a + b);
        i += a;
        j += b;
    }
    (pairs, term)
}

/// Mid-ranks (1-based) of every value in the pooled sample: `x` first, then `y`, in the order
/// given. Equal values share the mean of their ranks. Slower than [`Scratch::load`]; for those who
/// need the ranks themselves.
pub fn pooled_mid_ranks(x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut order: Vec<(u64, usize)> = x
        .iter()
        .chain(y)
        .enumerate()
        .map(|(place, &v)| (key(v), place))
        .collect();
    order.sort_unstable();
    let mut ranks = vec![0.0; order.len()];
    let mut before = 0_usize;
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        let middle = before as f64 + 0.5 * (group.len() as f64 + 1.0);
        for &(_, place) in group {
            ranks[place] = middle;
        }
        before += group.len();
    }
    ranks
}
