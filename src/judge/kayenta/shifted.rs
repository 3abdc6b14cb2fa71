//! The rank statistic of one sample moved against another: the inner loop of the judge.
//!
//! Kayenta sorts and ranks the pooled sample anew for each trial shift. Here both samples are
//! sorted once, equal values are put together, and a trial shift is one walk over both; every
//! comparison is the one Kayenta makes (`x − μ` rounded, then compared), so the numbers are the
//! same. Values for which that could fail (not finite, a negative zero, so close that a shift
//! rounds them together) take the long way.

use crate::judge::kayenta::small::Small;
use crate::judge::kayenta::walk::walk;

/// A sample is empty, or all values of the pooled, shifted samples are equal: no interval can be
/// computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllTied;

/// What ranking a pooled sample gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooled {
    /// Sum of the mid-ranks of the first sample.
    pub rank_sum: f64,
    /// Σ (t³ − t) over the groups of equal values.
    pub tie_term: f64,
}

/// Ranks `x − mu` among itself and `y`, the long way. NaN ranks as +∞, −0 below 0.
pub fn pooled(x: &[f64], y: &[f64], mu: f64) -> Pooled {
    let ranked = |v: f64| if v.is_nan() { f64::INFINITY } else { v };
    let mut all: Vec<(f64, bool)> = x
        .iter()
        .map(|v| (ranked(v - mu), true))
        .chain(y.iter().map(|v| (ranked(*v), false)))
        .collect();
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut tie_term, mut before) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let size = group.len() as f64;
        let ours = group.iter().filter(|(_, first)| *first).count() as f64;
        rank_sum += ours * (before + 0.5 * (size + 1.0));
        tie_term += size * size * size - size;
        before += size;
    }
    Pooled { rank_sum, tie_term }
}

/// Reusable buffers. One per worker: after the first pair of a size nothing is allocated.
#[derive(Debug, Default)]
pub struct Scratch {
    keys: Vec<i64>,
    x: Groups,
    y: Groups,
    moved: Vec<f64>,
    small: Small,
    plateaus: Vec<Plateau>,
    /// More than rounding a shifted value and its distance from another can amount to.
    rounding: f64,
}

/// Shifts that all win the same pairs and make no tie: between two neighbouring differences of the
/// samples nothing changes.
#[derive(Clone, Copy, Debug)]
struct Plateau {
    from: f64,
    to: f64,
    wins: u64,
}

/// Up to so many groups a sample fits into [`Small`], and plateaus are wide enough to be worth
/// finding; beyond, four plain walks at once are faster. Only speed depends on it.
const FEW: usize = 254;

/// Plateaus that are kept in mind; the oldest goes first. A root lies between two of them.
const PLATEAUS_MAX: usize = 4;

/// Two samples ready to be moved against each other, neither empty; made by [`Scratch::load`].
#[derive(Debug)]
pub struct Samples<'s> {
    x: &'s [f64],
    y: &'s [f64],
    scratch: &'s mut Scratch,
    short_way: bool,
    /// The deviation of W where no value of `x` equals one of `y`.
    sigma: f64,
}

impl Scratch {
    /// Sorts both samples; `x` is the one that will be moved.
    pub fn load<'s>(&'s mut self, x: &'s [f64], y: &'s [f64]) -> Samples<'s> {
        let plain = self.x.load(x, &mut self.keys) & self.y.load(y, &mut self.keys);
        let short_way = plain && self.shifts_keep_apart();
        let within = self.x.tie_term + self.y.tie_term;
        self.plateaus.clear();
        if short_way && self.x.groups().max(self.y.groups()) <= FEW {
            self.small.load(
                (&self.x.value, &self.x.size),
                (&self.y.value, &self.y.before),
            );
        }
        Samples {
            x,
            y,
            scratch: self,
            short_way,
            sigma: sigma(within, x.len() as f64, y.len() as f64),
        }
    }

    /// Whether no shift within reach can round two values of `x` together.
    fn shifts_keep_apart(&mut self) -> bool {
        let (x, y) = (self.x.values(), self.y.values());
        let size = |values: &[f64]| match values {
            [first, .., last] => first.abs().max(last.abs()),
            [only] => only.abs(),
            [] => 0.0,
        };
        // A shift is at most the sum of both sizes, a shifted value at most twice the one and once
        // the other; each rounding errs by at most half of epsilon of that.
        let least = 2.0 * f64::EPSILON * (2.0 * size(x) + size(y));
        self.rounding = 4.0 * least;
        let close = x
            .iter()
            .zip(x.iter().skip(1))
            .filter(|(a, b)| *b - *a <= least)
            .count();
        least.is_finite() && close == 0
    }
}

impl Samples<'_> {
    /// The least and the largest shift worth trying: beyond them the samples are parted.
    pub fn reach(&self) -> (f64, f64) {
        // In the order of the values, as Scala does it: with NaN the order matters.
        let least = |v: &[f64]| v.iter().copied().reduce(|a, b| if a <= b { a } else { b });
        let largest = |v: &[f64]| v.iter().copied().reduce(|a, b| if a >= b { a } else { b });
        let of = |value: Option<f64>| value.unwrap_or(f64::NAN);
        (
            of(least(self.x)) - of(largest(self.y)),
            of(largest(self.x)) - of(least(self.y)),
        )
    }

    /// (W − mn/2, less one half toward zero) / σ with `x` moved down by `mu`: the standardised
    /// statistic with continuity and tie correction. Falls as `mu` grows.
    pub fn statistic(&mut self, mu: f64) -> Result<f64, AllTied> {
        let (m, n) = (self.x.len() as f64, self.y.len() as f64);
        if m * n == 0.0 {
            return Err(AllTied);
        }
        if self.short_way {
            let (wins, ties) = self.scratch.wins(mu);
            let excess = wins - 0.5 * m * n;
            return match ties {
                None => corrected(excess, self.sigma),
                Some(ties) => corrected(excess, sigma(ties, m, n)),
            };
        }
        let ranks = pooled(self.x, self.y, mu);
        let excess = ranks.rank_sum - 0.5 * m * (m + 1.0) - 0.5 * m * n;
        corrected(excess, sigma(ranks.tie_term, m, n))
    }
}

/// The deviation of W, for Σ (t³ − t) over the groups of equal values.
fn sigma(tie_term: f64, m: f64, n: f64) -> f64 {
    let all = m + n;
    ((m * n / 12.0) * ((all + 1.0) - tie_term / (all * (all - 1.0)))).sqrt()
}

/// The excess, moved by one half toward zero, in deviations.
fn corrected(excess: f64, sigma: f64) -> Result<f64, AllTied> {
    let step = if excess == 0.0 {
        0.0
    } else {
        0.5_f64.copysign(excess)
    };
    if sigma == 0.0 {
        return Err(AllTied);
    }
    Ok((excess - step) / sigma)
}

impl Scratch {
    /// Pairs that `x − mu` wins, ties counting one half; and, where values of both samples are
    /// equal, Σ (t³ − t) over all groups of equals.
    fn wins(&mut self, mu: f64) -> (f64, Option<f64>) {
        let same = |plateau: &&Plateau| plateau.from < mu && mu < plateau.to;
        if let Some(plateau) = self.plateaus.iter().find(same) {
            return (plateau.wins as f64, None);
        }
        let within = self.x.tie_term + self.y.tie_term;
        if self.x.groups().max(self.y.groups()) <= FEW {
            let (wins, nearest) = self.small.walk(mu);
            if nearest > 0.0 {
                self.remember(mu, nearest, wins);
                return (wins as f64, None);
            }
        }
        self.moved.clear();
        self.moved.extend(self.x.value.iter().map(|v| v - mu));
        let (size, before) = (self.x.size.as_slice(), self.y.before.as_slice());
        let wins = if within == 0.0 {
            walk(&self.moved, &self.y.value, |_, j| j as u64 - 1)
        } else {
            walk(&self.moved, &self.y.value, |i, j| size[i] * before[j])
        };
        if let Some(wins) = wins {
            return (wins as f64, None);
        }
        let (halves, across) = self.tied_walk();
        (0.5 * halves as f64, Some(within + across))
    }

    /// Keeps a plateau in mind: from `mu` the nearest difference is so far away.
    fn remember(&mut self, mu: f64, nearest: f64, wins: u64) {
        if self.plateaus.len() == PLATEAUS_MAX {
            self.plateaus.remove(0);
        }
        // A shift moves values by a rounding more or less; see `shifts_keep_apart`.
        self.plateaus.push(Plateau {
            from: mu - nearest + self.rounding,
            to: mu + nearest - self.rounding,
            wins,
        });
    }

    /// As [`walk`] of the values moved last, where some are equal: twice the wins, and what the
    /// tie term grows by, 3ab(a + b) where groups of a and b values become one.
    fn tied_walk(&self) -> (u64, f64) {
        let (x, y) = (self.moved.as_slice(), self.y.value.as_slice());
        let (mut i, mut j) = (1, 1);
        let (mut halves, mut across) = (0, 0.0);
        while i <= self.x.groups() {
            let (a, b) = (x[i], y[j]);
            if b < a {
                j += 1;
                continue;
            }
            let size = self.x.size[i];
            halves += 2 * size * self.y.before[j];
            if b <= a {
                let other = self.y.size[j];
                halves += size * other;
                let (size, other) = (size as f64, other as f64);
                across += 3.0 * size * other * (size + other);
            }
            i += 1;
        }
        (halves, across)
    }
}

/// The groups of equal values of a sample, ascending, between −∞ and +∞.
#[derive(Debug, Default)]
struct Groups {
    value: Vec<f64>,
    /// How many values are in each group; none at the ends.
    size: Vec<u64>,
    /// How many values are in the groups before.
    before: Vec<u64>,
    /// Σ (t³ − t).
    tie_term: f64,
}

impl Groups {
    /// Sorts and groups; tells whether all values are finite and none is a negative zero.
    fn load(&mut self, values: &[f64], keys: &mut Vec<i64>) -> bool {
        keys.clear();
        keys.extend(values.iter().map(|v| key(*v)));
        keys.sort_unstable();
        self.value.clear();
        self.size.clear();
        self.before.clear();
        self.push(f64::NEG_INFINITY, 0, 0);
        self.tie_term = 0.0;
        let mut before = 0;
        for group in keys.chunk_by(|a, b| a == b) {
            let size = group.len() as u64;
            self.push(group.first().copied().map_or(0.0, value), size, before);
            before += size;
            if size > 1 {
                let size = size as f64;
                self.tie_term += size * size * size - size;
            }
        }
        self.push(f64::INFINITY, 0, before);
        let plain = |v: &&f64| v.is_finite() && v.to_bits() != NEGATIVE_ZERO;
        values.iter().filter(plain).count() == values.len()
    }

    fn push(&mut self, value: f64, size: u64, before: u64) {
        self.value.push(value);
        self.size.push(size);
        self.before.push(before);
    }

    fn groups(&self) -> usize {
        self.value.len() - 2
    }

    fn values(&self) -> &[f64] {
        self.value.get(1..=self.groups()).unwrap_or(&[])
    }
}

const NEGATIVE_ZERO: u64 = 1 << 63;

/// A key that orders as `f64::total_cmp` does: integers sort and compare faster.
fn key(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    bits ^ (bits >> 63).cast_unsigned().wrapping_shr(1).cast_signed()
}

/// The reverse of [`key`].
fn value(key: i64) -> f64 {
    let bits = key ^ (key >> 63).cast_unsigned().wrapping_shr(1).cast_signed();
    f64::from_bits(bits.cast_unsigned())
}
