//! The k-th smallest of all n·m differences x_i - y_j, without computing them all.
//!
//! The differences form a table sorted along rows and columns. Counting those up to a value is one
//! walk along its staircase, n + m steps. A few counts bracket the answer, and when no more than a
//! few per row remain in the bracket they are collected and the answer is picked out: always one
//! of the differences, never a rounded neighbour.
//!
//! Rounded subtraction keeps order, so comparing rounded differences is consistent.

use super::rank::Scratch;

/// What is known at one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    at: f64,
    /// Differences ≤ `at`.
    count: usize,
    /// No difference lies strictly between this and `at`, which is the larger.
    below: f64,
    /// No difference lies strictly between `at` and this, which is the larger.
    above: f64,
}

/// The difference of two finite values; one that overflows counts as the largest there is, so that
/// every difference is finite and has a rank.
fn difference(a: f64, b: f64) -> f64 {
    (a - b).clamp(-f64::MAX, f64::MAX)
}

/// What raw differences are compared with in place of `at`, so that those that overflow compare as
/// if they were cut to [`difference`]: the loops need not cut each one.
fn ceiling(at: f64) -> f64 {
    if at >= f64::MAX { f64::INFINITY } else { at }
}

/// Counts aimed by the density; after these the bracket is halved, from difference to difference.
/// Continuous samples need two to four.
const AIMED_MAX: u32 = 8;

/// Counts the differences up to `at`: one walk from each end of the staircase, until they meet.
///
/// No branch inside, for which way the staircase turns cannot be predicted; two walks, for each
/// step waits for the one before.
pub(super) fn count_up_to(x: &[f64], y: &[f64], at: f64) -> usize {
    let m = y.len();
    let at = ceiling(at);
    let (mut i, mut j, mut i_end, mut j_end, mut count) = (0, 0, x.len(), m, 0);
    while i < i_end && j < j_end {
        let forth = x[i] - y[j] <= at;
        let back = x[i_end - 1] - y[j_end - 1] <= at;
        count += if forth { m - j } else { 0 };
        count += if back { 0 } else { m - j_end };
        i += usize::from(forth);
        j += usize::from(!forth);
        i_end -= usize::from(!back);
        j_end -= usize::from(back);
    }
    count + (i_end - i) * (m - j_end)
}

/// [`count_up_to`] that also finds the differences on either side of `at`.
fn count_closely(x: &[f64], y: &[f64], at: f64) -> Mark {
    let (mut j, mut count) = (0, 0);
    let (mut below, mut above) = (f64::NEG_INFINITY, f64::INFINITY);
    for &a in x {
        while j < y.len() && difference(a, y[j]) > at {
            above = above.min(difference(a, y[j]));
            j += 1;
        }
        if let Some(b) = y.get(j) {
            below = below.max(difference(a, *b));
            count += y.len() - j;
        }
    }
    Mark {
        at,
        count,
        below,
        above,
    }
}

/// For each row of the table the first column whose difference is ≤ `at`; walks as
/// [`count_up_to`] does.
fn edges(x: &[f64], y: &[f64], at: f64, edge: &mut Vec<usize>) {
    edge.clear();
    if at < -f64::MAX {
        edge.resize(x.len(), y.len()); // below every difference
        return;
    }
    edge.resize(x.len(), 0);
    let at = ceiling(at);
    let (mut i, mut j, mut i_end, mut j_end) = (0, 0, x.len(), y.len());
    // Until one row is left, so that the walks never write to the same one.
    while i + 1 < i_end && j < j_end {
        let forth = x[i] - y[j] <= at;
        let back = x[i_end - 1] - y[j_end - 1] <= at;
        edge[i] = j;
        edge[i_end - 1] = j_end;
        i += usize::from(forth);
        j += usize::from(!forth);
        i_end -= usize::from(!back);
        j_end -= usize::from(back);
    }
    for (a, edge) in x[i..i_end].iter().zip(&mut edge[i..i_end]) {
        *edge = j + y[j..j_end].partition_point(|b| a - b > at);
    }
}

/// The `k`-th smallest difference (1-based, k ≤ n·m) of the loaded samples, both non-empty, and
/// with it the next one if that was cheap to see.
///
/// `guess` is where to look first and `density` how many differences lie in a unit around there;
/// both only decide the speed. Counts are remembered for the next call.
pub(super) fn kth_difference(
    scratch: &mut Scratch,
    k: usize,
    guess: f64,
    density: f64,
) -> (f64, Option<f64>) {
    let Scratch { x, y, marks, .. } = scratch;
    // So few that picking them out costs no more than a few counts.
    let few = 2 * (x.len() + y.len());
    let (mut low, mut high) = bracket(x, y, k, marks);
    let mut search = Search {
        k,
        few,
        density,
        guess: Some(guess),
        steps: 0,
    };
    while high.count - low.count > few {
        if low.above >= high.below {
            return (high.below, (k < high.count).then_some(high.below));
        }
        let mark = search.count(x, y, &low, &high);
        search.learn(marks.last(), &mark);
        marks.push(mark);
        if mark.count < k {
            low = mark;
        } else {
            high = mark;
        }
    }
    pick(scratch, low.at, high.at, k - low.count - 1)
}

/// Of the differences in (`low`, `high`] the one with `place` others before it, and the next.
fn pick(scratch: &mut Scratch, low: f64, high: f64, place: usize) -> (f64, Option<f64>) {
    let Scratch {
        x,
        y,
        candidates,
        from,
        until,
        ..
    } = scratch;
    edges(x, y, high, from);
    edges(x, y, low, until);
    candidates.clear();
    for ((a, &from), &until) in x.iter().zip(from.iter()).zip(until.iter()) {
        candidates.extend(y[from..until].iter().map(|b| difference(*a, *b)));
    }
    let (_, kth, later) = candidates.select_nth_unstable_by(place, f64::total_cmp);
    (*kth, later.iter().copied().reduce(f64::min))
}

/// The tightest marks around the `k`-th difference; the first call finds the two ends.
fn bracket(x: &[f64], y: &[f64], k: usize, marks: &mut Vec<Mark>) -> (Mark, Mark) {
    if marks.is_empty() {
        let lowest = difference(x[0], y[y.len() - 1]);
        let highest = difference(x[x.len() - 1], y[0]);
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
    let (mut low, mut high) = (marks[0], marks[1]);
    for mark in marks.iter() {
        if mark.count < k && mark.above >= low.above {
            low = *mark;
        }
        if mark.count >= k && mark.below <= high.below {
            high = *mark;
        }
    }
    (low, high)
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
    /// Counts at a value in [low.above, high.below), which always shrinks the bracket.
    fn count(&mut self, x: &[f64], y: &[f64], low: &Mark, high: &Mark) -> Mark {
        self.steps += 1;
        let inside = |v: f64| v >= low.above && v < high.below;
        let guess = self.guess.take().filter(|&guess| inside(guess));
        if self.steps <= AIMED_MAX && self.density.is_finite() {
            let at = guess.unwrap_or_else(|| self.aimed(low, high));
            if inside(at) {
                return Mark {
                    at,
                    count: count_up_to(x, y, at),
                    below: at,
                    above: at,
                };
            }
        }
        // Halving values is quicker where they are spread evenly, halving bits is what ends.
        let middle = 0.5 * low.above + 0.5 * high.below;
        let halve_bits = self.steps.is_multiple_of(2) || !inside(middle);
        let at = if halve_bits {
            halfway(low.above, high.below)
        } else {
            middle
        };
        count_closely(x, y, at)
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

    /// The density between the last two counts, if it can be told.
    fn learn(&mut self, last: Option<&Mark>, mark: &Mark) {
        let Some(last) = last else { return };
        let density = mark.count.abs_diff(last.count) as f64 / (mark.at - last.at).abs();
        if density.is_finite() && density > 0.0 {
            self.density = density;
        }
    }
}

/// Halves the bit patterns between two values, so that no magnitude takes more than 64 steps; the
/// lower one if there is none between.
fn halfway(low: f64, high: f64) -> f64 {
    let ordered = |v: f64| {
        let bits = v.to_bits().cast_signed();
        bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
    };
    let middle = i64::midpoint(ordered(low), ordered(high));
    f64::from_bits((middle ^ ((middle >> 63).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}
