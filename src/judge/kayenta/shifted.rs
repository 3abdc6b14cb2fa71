//! The rank statistic of one sample moved against another: the inner loop of the judge.
//!
//! Kayenta sorts and ranks the pooled sample anew for each trial shift. Here both samples are
//! sorted once, equal values are put together, and a trial shift is one walk over both; every
//! comparison is the one Kayenta makes (`x − μ` rounded, then compared), so the numbers are the
//! same. Values for which that could fail (not finite, a negative zero, so close that a shift
//! rounds them together) take the long way.

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
    keys: Vec<u64>,
    x: Groups,
    y: Groups,
    moved: Vec<f64>,
}

/// Two samples ready to be moved against each other, neither empty; made by [`Scratch::load`].
#[derive(Debug)]
pub struct Samples<'s> {
    x: &'s [f64],
    y: &'s [f64],
    scratch: &'s mut Scratch,
    short_way: bool,
}

impl Scratch {
    /// Sorts both samples; `x` is the one that will be moved.
    pub fn load<'s>(&'s mut self, x: &'s [f64], y: &'s [f64]) -> Samples<'s> {
        let plain = self.x.load(x, &mut self.keys) & self.y.load(y, &mut self.keys);
        let short_way = plain && self.shifts_keep_apart();
        Samples {
            x,
            y,
            scratch: self,
            short_way,
        }
    }

    /// Whether no shift within reach can round two values of `x` together.
    fn shifts_keep_apart(&self) -> bool {
        let (x, y) = (self.x.values(), self.y.values());
        let size = |values: &[f64]| match values {
            [first, .., last] => first.abs().max(last.abs()),
            [only] => only.abs(),
            [] => 0.0,
        };
        // A shift is at most the sum of both sizes, a shifted value at most twice the one and once
        // the other; each rounding errs by at most half of epsilon of that.
        let least = 2.0 * f64::EPSILON * (2.0 * size(x) + size(y));
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
            return standardised(wins - 0.5 * m * n, ties, m, n);
        }
        let ranks = pooled(self.x, self.y, mu);
        let excess = ranks.rank_sum - 0.5 * m * (m + 1.0) - 0.5 * m * n;
        standardised(excess, ranks.tie_term, m, n)
    }
}

fn standardised(excess: f64, tie_term: f64, m: f64, n: f64) -> Result<f64, AllTied> {
    let step = if excess == 0.0 {
        0.0
    } else {
        0.5_f64.copysign(excess)
    };
    let all = m + n;
    let variance = (m * n / 12.0) * ((all + 1.0) - tie_term / (all * (all - 1.0)));
    let sigma = variance.sqrt();
    if sigma == 0.0 {
        return Err(AllTied);
    }
    Ok((excess - step) / sigma)
}

impl Scratch {
    /// Pairs that `x − mu` wins, ties counting one half, and Σ (t³ − t) over groups of equals.
    fn wins(&mut self, mu: f64) -> (f64, f64) {
        self.moved.clear();
        self.moved.extend(self.x.value.iter().map(|v| v - mu));
        let (x, y) = (self.moved.as_slice(), self.y.value.as_slice());
        let within = self.x.tie_term + self.y.tie_term;
        let (wins, tied) = if within == 0.0 {
            walk(x, y, |_, j| j - 1)
        } else {
            let (size, before) = (self.x.size.as_slice(), self.y.before.as_slice());
            walk(x, y, |i, j| size[i] * before[j])
        };
        if !tied {
            return (wins as f64, within);
        }
        let (halves, across) = self.tied_walk();
        (0.5 * halves as f64, within + across)
    }

    /// As [`walk`] of the values moved last, where some are equal: twice the wins, and what the
    /// tie term grows by, 3ab(a + b) where groups of a and b values become one.
    fn tied_walk(&self) -> (usize, f64) {
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

/// The sum of `worth(i, j)` over the values `x[i]`, `y[j]` being the first value of `y` that is not
/// below it, and whether any two values of `x` and `y` are equal. Both ascend between −∞ and +∞.
fn walk(x: &[f64], y: &[f64], worth: impl Fn(usize, usize) -> usize) -> (usize, bool) {
    let all = x.len() + y.len() - 4;
    // From both ends at once: each walk waits for its own last comparison only. Which sample comes
    // next is a coin toss that no predictor learns, so it is taken without a branch.
    let (mut i, mut j) = (1, 1);
    let (mut k, mut l) = (x.len() - 2, y.len() - 2);
    let (mut wins, mut tied) = (0, 0);
    for _ in 0..all / 2 {
        let (a, b) = (x[i], y[j]);
        let first = usize::from(a <= b);
        tied |= first & usize::from(b <= a);
        wins += worth(i, j) * first;
        i += first;
        j += 1 - first;
        let (a, b) = (x[k], y[l]);
        let first = usize::from(b < a);
        tied |= (1 - first) & usize::from(b <= a);
        wins += worth(k, l + 1) * first;
        k -= first;
        l -= 1 - first;
    }
    if all % 2 == 1 {
        let (a, b) = (x[i], y[j]);
        let first = usize::from(a <= b);
        tied |= first & usize::from(b <= a);
        wins += worth(i, j) * first;
    }
    (wins, tied != 0)
}

/// The groups of equal values of a sample, ascending, between −∞ and +∞.
#[derive(Debug, Default)]
struct Groups {
    value: Vec<f64>,
    /// How many values are in each group; none at the ends.
    size: Vec<usize>,
    /// How many values are in the groups before.
    before: Vec<usize>,
    /// Σ (t³ − t).
    tie_term: f64,
}

impl Groups {
    /// Sorts and groups; tells whether all values are finite and none is a negative zero.
    fn load(&mut self, values: &[f64], keys: &mut Vec<u64>) -> bool {
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
            let size = group.len();
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

    fn push(&mut self, value: f64, size: usize, before: usize) {
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

/// A key that orders as `f64::total_cmp` does; integers sort faster.
fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    let negative = (bits.cast_signed() >> 63).cast_unsigned();
    bits ^ (negative | (1 << 63))
}

/// The reverse of [`key`].
fn value(key: u64) -> f64 {
    let positive = (key.cast_signed() >> 63).cast_unsigned();
    f64::from_bits(key ^ (!positive | (1 << 63)))
}
