//! Two samples sorted at once by where their values lie: a pass that counts, one that places and
//! one that puts right, with hardly a comparison whose outcome a processor would have to guess.
//!
//! The line from the least to the largest value of both samples is parted into equal buckets,
//! about as many as there are values. Counting the values of each bucket gives the place of every
//! value but for those that share its bucket, mostly none or one. A window of a few values that
//! slides over the sample sets these right without a branch, insertion what is left. How many
//! values of one sample lie below a value of the other are then those of the buckets before and a
//! few more of its own bucket.
//!
//! Where values lie so unevenly that buckets do not part them (one of them a thousand times as far
//! out as the rest) there is no answer, and [`super::pool`] sorts by the digits of the numbers:
//! only speed depends on the values.

use super::pool::Merged;
use std::ops::Range;

/// Fewer values of both samples are sorted faster by comparing; measured.
pub(super) const ALL_MIN: usize = 40;

/// More are sorted faster by two digits of their own; measured. Far below 2¹⁶, so that a half of
/// an item of the counts holds the values of a sample.
pub(super) const ALL_MAX: usize = 6_000;

/// Added to a much lower number, it leaves the nearest whole number in the lowest bits. The 1
/// keeps the first bucket free, so that every bucket has one before it.
const WHOLE: f64 = 4_503_599_627_370_497.0; // 2⁵² + 1

/// The low half of a count is the first sample's, the high half the second's.
const HALF: u32 = 16;

/// Values of the other sample that are compared without asking whether they share the bucket:
/// those of later buckets are larger anyway.
const NEAR: usize = 4;

/// So many values that are higher than all stand at the end: those near the last, and the one
/// after.
const PADDING: usize = NEAR + 1;

/// Values that the sliding window holds.
const WINDOW: usize = 3;

/// Values that are looked at together for one that is still out of order.
const STRETCH: usize = 32;

/// Moves per value which insertion may take: about what sorting by digits costs.
const MOVES: usize = 4;

/// Reusable buffers.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// The bucket of each value of the first sample, then of the second.
    of: Vec<u16>,
}

impl Buckets {
    /// Sorts both samples, of [`ALL_MAX`] values together at most, into `first` and `second`;
    /// nothing if buckets do not part them. -0 becomes 0.
    pub(super) fn sort(
        &mut self,
        x: &[f64],
        y: &[f64],
        first: &mut Vec<f64>,
        second: &mut Vec<f64>,
    ) -> Option<Merged> {
        // About one bucket per value; the sizes are measured.
        match x.len() + y.len() {
            ..=300 => self.sort_by::<{ 1 << 8 }>(x, y, first, second),
            301..=700 => self.sort_by::<{ 1 << 9 }>(x, y, first, second),
            701..=1_600 => self.sort_by::<{ 1 << 10 }>(x, y, first, second),
            1_601..=2_500 => self.sort_by::<{ 1 << 11 }>(x, y, first, second),
            _ => self.sort_by::<{ 1 << 12 }>(x, y, first, second),
        }
    }

    fn sort_by<const SIZE: usize>(
        &mut self,
        x: &[f64],
        y: &[f64],
        first: &mut Vec<f64>,
        second: &mut Vec<f64>,
    ) -> Option<Merged> {
        self.assign::<SIZE>(x, y)?;
        let (of_x, of_y) = self.of.split_at(x.len());
        let mut counts = [0_u32; SIZE];
        for &at in of_x {
            counts[usize::from(at) & (SIZE - 1)] += 1;
        }
        for &at in of_y {
            counts[usize::from(at) & (SIZE - 1)] += 1 << HALF;
        }
        let mut before = 0;
        for count in &mut counts {
            (*count, before) = (before, before + *count);
        }
        first.resize(x.len(), 0.0);
        second.resize(y.len() + PADDING, 0.0);
        for (&value, &at) in x.iter().zip(of_x) {
            let count = &mut counts[usize::from(at) & (SIZE - 1)];
            first[low_half(*count)] = value + 0.0;
            *count += 1;
        }
        for (&value, &at) in y.iter().zip(of_y) {
            let count = &mut counts[usize::from(at) & (SIZE - 1)];
            second[high_half(*count)] = value + 0.0;
            *count += 1 << HALF;
        }
        let (same, rest) = second.split_at_mut(y.len());
        slide(first, same);
        let (tied_x, tied_y) = (settle(first)?, settle(same)?);
        rest.fill(f64::INFINITY);
        let (wins, tied) = wins(x, of_x, &counts, second);
        second.truncate(y.len());
        Some(Merged {
            wins,
            tied: tied_x || tied_y || tied,
        })
    }

    /// Gives each value its bucket; nothing if all values are the same or their range is no number.
    fn assign<const SIZE: usize>(&mut self, x: &[f64], y: &[f64]) -> Option<()> {
        let (low, high) = range(x, y);
        let scale = (SIZE - 2) as f64 / (high - low);
        if !(scale > 0.0 && scale < f64::INFINITY) {
            return None;
        }
        // Rounding keeps order at every step, so that no value has a later bucket than a larger
        // one.
        let bucket = |value: &f64| {
            let bits = ((value - low) * scale + WHOLE).to_bits();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "less than SIZE in the lowest bits, which alone are wanted"
            )]
            let lowest = bits as u16;
            lowest
        };
        self.of.clear();
        self.of.extend(x.iter().map(bucket));
        self.of.extend(y.iter().map(bucket));
        Some(())
    }
}

/// Pairs in which the value of the first sample lies above that of the second, and whether two are
/// equal across the samples. `counts` holds where each bucket ends, which is where the next begins;
/// `second` is in order, with [`PADDING`] times +∞ at its end.
fn wins<const SIZE: usize>(
    x: &[f64],
    of_x: &[u16],
    counts: &[u32; SIZE],
    second: &[f64],
) -> (usize, bool) {
    let (mut wins, mut tied) = (0, false);
    for (value, &at) in x.iter().zip(of_x) {
        let at = usize::from(at);
        let start = high_half(counts[at.wrapping_sub(1) & (SIZE - 1)]);
        let near = &second[start..start + NEAR];
        let mut lower: usize = near.iter().map(|other| usize::from(other < value)).sum();
        if lower == NEAR {
            let end = high_half(counts[at & (SIZE - 1)]).max(start + NEAR);
            lower += second[start + NEAR..end].partition_point(|other| other < value);
        }
        wins += start + lower;
        tied |= second[start + lower] <= *value;
    }
    (wins, tied)
}

/// In both samples each value moves up to [`WINDOW`] places forward, as far as it is lower than
/// those before it. The samples go side by side, for one alone waits for each of its own steps.
fn slide(x: &mut [f64], y: &mut [f64]) {
    let both = x.len().min(y.len());
    let mut done = 0;
    if both > WINDOW {
        let (x, y) = (&mut x[..both], &mut y[..both]);
        let mut window = Window::<2>::EMPTY;
        for at in 0..WINDOW {
            window.push([x[at], y[at]]);
        }
        for at in WINDOW..both {
            [x[at - WINDOW], y[at - WINDOW]] = window.push([x[at], y[at]]);
        }
        done = both - WINDOW;
        for (at, [a, b]) in (done..).zip(window.values) {
            (x[at], y[at]) = (a, b);
        }
    }
    for rest in [&mut x[done..], &mut y[done..]] {
        if rest.len() > WINDOW {
            let mut window = Window::<1>::EMPTY;
            for value in &rest[..WINDOW] {
                window.push([*value]);
            }
            for at in WINDOW..rest.len() {
                [rest[at - WINDOW]] = window.push([rest[at]]);
            }
            let end = rest.len() - WINDOW;
            rest[end..].copy_from_slice(window.values.as_flattened());
        }
    }
}

/// The largest values seen so far of `N` samples, ascending.
struct Window<const N: usize> {
    values: [[f64; N]; WINDOW],
}

impl<const N: usize> Window<N> {
    const EMPTY: Self = Self {
        values: [[f64::NEG_INFINITY; N]; WINDOW],
    };

    /// Takes a value of each sample in and gives the least of each out.
    fn push(&mut self, value: [f64; N]) -> [f64; N] {
        let least = |a: [f64; N], b: [f64; N]| std::array::from_fn(|k| least(a[k], b[k]));
        let most = |a: [f64; N], b: [f64; N]| std::array::from_fn(|k| most(a[k], b[k]));
        let [a, b, c] = self.values;
        let (out, rest) = (least(a, value), most(a, value));
        let (low, rest) = (least(b, rest), most(b, rest));
        self.values = [low, least(c, rest), most(c, rest)];
        out
    }
}

/// Puts right what is still out of order, and tells whether two values are equal; nothing if that
/// takes long.
fn settle(values: &mut [f64]) -> Option<bool> {
    let (mut tied, mut moves, mut start) = (false, 0, 1);
    while start < values.len() {
        let end = values.len().min(start + STRETCH);
        let steps = values[start - 1..end].iter().zip(&values[start..end]);
        // All of a stretch are counted, without a branch: mostly there is none.
        if steps.filter(|(a, b)| a >= b).count() > 0 {
            tied |= insert(values, start..end, &mut moves);
            if moves > MOVES * values.len() {
                return None;
            }
        }
        start = end;
    }
    Some(tied)
}

/// Inserts the values of a stretch among those before, which ascend; tells whether one has its
/// equal there.
fn insert(values: &mut [f64], stretch: Range<usize>, moves: &mut usize) -> bool {
    let mut tied = false;
    for at in stretch {
        let value = values[at];
        let mut to = at;
        while to > 0 && values[to - 1] > value {
            values[to] = values[to - 1];
            to -= 1;
        }
        values[to] = value;
        tied |= to > 0 && values[to - 1] >= value;
        *moves += at - to;
    }
    tied
}

/// The least and the largest value of both samples; +∞ and -∞ of none.
pub(super) fn range(x: &[f64], y: &[f64]) -> (f64, f64) {
    let (x, y) = (ends(x), ends(y));
    (least(x.0, y.0), most(x.1, y.1))
}

/// The least and the largest value; +∞ and -∞ of none.
fn ends(values: &[f64]) -> (f64, f64) {
    const LANES: usize = 8;
    let (mut low, mut high) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            low[lane] = least(low[lane], chunk[lane]);
            high[lane] = most(high[lane], chunk[lane]);
        }
    }
    for &value in rest {
        low[0] = least(low[0], value);
        high[0] = most(high[0], value);
    }
    (
        low.into_iter().fold(f64::INFINITY, least),
        high.into_iter().fold(f64::NEG_INFINITY, most),
    )
}

/// The smaller of two numbers, without the care for NaN that would cost more.
fn least(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

/// The larger of two numbers.
fn most(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

/// What the first sample's half of a count says.
fn low_half(count: u32) -> usize {
    index(count & ((1 << HALF) - 1))
}

/// What the second sample's half of a count says.
fn high_half(count: u32) -> usize {
    index(count >> HALF)
}

/// A number of at most 16 bits; never the default.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
