//! The k-th smallest of all n·m differences x_i - y_j, without computing them all.
//!
//! The differences form a table sorted along rows and columns. Counting those up to a value is one
//! walk along its staircase, n + m steps. A few counts bracket the answer, and when no more than a
//! few per row remain in the bracket they are collected and the answer is picked out: always one
//! of the differences, never a rounded neighbour.
//!
//! Rounded subtraction keeps order, so comparing rounded differences is consistent.

use super::rank::Scratch;

/// What is known at one value: its count, and the differences on either side of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    at: f64,
    /// Differences ≤ `at`.
    count: usize,
    /// The largest difference ≤ `at`; -∞ if there is none.
    below: f64,
    /// The smallest difference > `at`; +∞ if there is none.
    above: f64,
}

/// Counted steps that may follow the guess before every step halves the bracket instead.
const GUESSES_MAX: u32 = 12;

/// Counts the differences up to `at`.
fn count_up_to(x: &[f64], y: &[f64], at: f64) -> Mark {
    let (n, m) = (x.len(), y.len());
    let (mut i, mut j, mut count) = (0, 0, 0);
    let (mut below, mut above) = (f64::NEG_INFINITY, f64::INFINITY);
    // No branch inside: which way the staircase turns cannot be predicted.
    while i < n && j < m {
        let difference = x[i] - y[j];
        let within = difference <= at;
        let low = if within {
            difference
        } else {
            f64::NEG_INFINITY
        };
        let high = if within { f64::INFINITY } else { difference };
        below = if low > below { low } else { below };
        above = if high < above { high } else { above };
        count += if within { m - j } else { 0 };
        i += usize::from(within);
        j += usize::from(!within);
    }
    Mark {
        at,
        count,
        below,
        above,
    }
}

/// All differences in (`low`, `high`], in no particular order.
fn collect_between(x: &[f64], y: &[f64], low: f64, high: f64, found: &mut Vec<f64>) {
    found.clear();
    let (mut first, mut end) = (0, 0);
    for &a in x {
        while first < y.len() && a - y[first] > high {
            first += 1;
        }
        end = end.max(first);
        while end < y.len() && a - y[end] > low {
            end += 1;
        }
        found.extend(y[first..end].iter().map(|b| a - b));
    }
}

/// A value strictly between two, or the lower one if there is none: halves the bit patterns, so
/// that no magnitude takes more than 64 steps.
fn halfway(low: f64, high: f64) -> f64 {
    let ordered = |v: f64| {
        let bits = v.to_bits().cast_signed();
        bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
    };
    let middle = i64::midpoint(ordered(low), ordered(high));
    f64::from_bits((middle ^ ((middle >> 63).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}

/// The `k`-th smallest difference (1-based, k ≤ n·m) of the loaded samples, both non-empty.
///
/// `guess` is where to look first and `density` how many differences lie in a unit around there;
/// both only decide the speed. Counts are remembered for the next call.
pub(super) fn kth_difference(scratch: &mut Scratch, k: usize, guess: f64, density: f64) -> f64 {
    let Scratch {
        x,
        y,
        candidates,
        marks,
        ..
    } = scratch;
    let (x, y) = (x.as_slice(), y.as_slice());
    if marks.is_empty() {
        let lowest = x[0] - y[y.len() - 1];
        let highest = x[x.len() - 1] - y[0];
        let before = f64::NEG_INFINITY;
        marks.push(Mark {
            at: before,
            count: 0,
            below: before,
            above: lowest,
        });
        let pairs = x.len() * y.len();
        marks.push(Mark {
            at: highest,
            count: pairs,
            below: highest,
            above: f64::INFINITY,
        });
    }
    // So few that picking them out costs no more than another count.
    let few = 2 * (x.len() + y.len());
    let (mut low, mut high) = (marks[0], marks[1]);
    for mark in marks.iter() {
        if mark.count < k && mark.count >= low.count {
            low = *mark;
        }
        if mark.count >= k && mark.count <= high.count {
            high = *mark;
        }
    }
    let mut search = Search {
        k,
        few,
        density,
        guess: Some(guess),
        steps: 0,
    };
    loop {
        if low.above >= high.below {
            return high.below;
        }
        if high.count - low.count <= few {
            collect_between(x, y, low.at, high.below, candidates);
            let (_, kth, _) = candidates.select_nth_unstable_by(k - low.count - 1, f64::total_cmp);
            return *kth;
        }
        let mark = count_up_to(x, y, search.next(&low, &high));
        search.learn(marks.last(), &mark);
        marks.push(mark);
        if mark.count < k {
            low = mark;
        } else {
            high = mark;
        }
    }
}

/// Chooses where to count next.
struct Search {
    k: usize,
    few: usize,
    density: f64,
    guess: Option<f64>,
    steps: u32,
}

impl Search {
    /// The density between the last two counts, if it can be told.
    fn learn(&mut self, last: Option<&Mark>, mark: &Mark) {
        let Some(last) = last else { return };
        let density = mark.count.abs_diff(last.count) as f64 / (mark.at - last.at).abs();
        if density.is_finite() && density > 0.0 {
            self.density = density;
        }
    }

    /// A value in [low.above, high.below): counting there always shrinks the bracket.
    fn next(&mut self, low: &Mark, high: &Mark) -> f64 {
        self.steps += 1;
        let inside = |v: f64| v >= low.above && v < high.below;
        if let Some(guess) = self.guess.take()
            && inside(guess)
        {
            return guess;
        }
        if self.steps <= GUESSES_MAX && self.density.is_finite() {
            let step = self.aimed(low, high);
            if inside(step) {
                return step;
            }
        }
        // Halving values is quicker where they are spread evenly, halving bits is what ends.
        let middle = 0.5 * low.above + 0.5 * high.below;
        if self.steps % 2 == 0 && inside(middle) {
            middle
        } else {
            halfway(low.above, high.below)
        }
    }

    /// One step along the density from the end whose count is nearer, aimed just past the k-th so
    /// that the other end comes near as well.
    fn aimed(&self, low: &Mark, high: &Mark) -> f64 {
        let (to_low, to_high) = (self.k - low.count, high.count - self.k);
        let past = 0.35 * self.few as f64;
        if to_low <= to_high {
            low.above + (to_low as f64 + past) / self.density
        } else {
            high.below - (to_high as f64 + past) / self.density
        }
    }
}
