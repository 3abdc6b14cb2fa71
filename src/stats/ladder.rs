//! Several order statistics of all n·m differences at once, from thinned samples upward.
//!
//! Every fourth value of each sample makes a table of differences a sixteenth the size, whose
//! order statistics stand at nearly the same shares of the whole. So the ranks asked for are
//! bracketed on a table that is small enough to write down, the brackets are narrowed on the next
//! larger one, and so on up to the samples themselves. There one walk along the staircase counts
//! the differences below each bracket, and the few inside it are collected and the answer is picked
//! out: always one of the differences, checked by counting. (The idea of Mirzaian and Arjomandi
//! 1985, with brackets that hold nearly always instead of always.)
//!
//! A bracket that missed, or one that holds too many equal differences, gives no answer, and
//! [`super::selection`] finds it the longer way.
//!
//! The rungs are exact about their own tables, so nothing here depends on densities, units or
//! shapes of distributions.

use super::selection::count_up_to;

/// Tables of up to so many differences are written down whole; measured.
const DIRECT: usize = 600;

/// Samples of up to so many values are not thinned: a few values say nothing about the others.
const THINNED_MIN: usize = 9;

/// Of so many neighbours one is kept.
const THINNING: usize = 4;

/// Half the width of a bracket, per root of n + m of the rung that gives it: three standard
/// deviations of the error of a thinned table, which is that of n + m roundings of its staircase.
const REACH: f64 = 0.8;

/// A bracket that holds so many times what it should holds equal differences.
const CROWD: usize = 6;

/// Lower limit, estimate and upper limit.
const WANTED: usize = 3;

/// Before the first value of `y` there are so many that are below everything, so that a walk to
/// the left needs no end.
const PAD: usize = 2;

/// Samples of one size, each sorted.
#[derive(Debug, Default)]
struct Rung {
    x: Vec<f64>,
    /// After [`PAD`] times -∞.
    padded: Vec<f64>,
}

/// Reusable buffers and the thinned samples of the loaded pair.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    rungs: Vec<Rung>,
    /// Rungs of the loaded pair; 0 if they are not made yet.
    height: usize,
    /// For each rank asked for and each row the first column that is below its bracket.
    edges: [Vec<usize>; WANTED],
    /// Differences inside a bracket; more room than they take.
    inside: Vec<f64>,
}

/// Where a rank is looked for: the differences in [`low`, `high`].
#[derive(Clone, Copy, Debug)]
struct Bracket {
    low: f64,
    high: f64,
    /// How many differences it should hold.
    expected: usize,
}

/// A difference and, if that was cheap to see, the next one in order; nothing if the bracket
/// missed.
pub(super) type Found = Option<(f64, Option<f64>)>;

impl Ladder {
    /// Another pair was loaded.
    pub(super) fn forget(&mut self) {
        self.height = 0;
    }

    /// The differences of the given ranks (1-based, ascending, at most n·m) of the sorted samples,
    /// both not empty, none of whose differences overflows.
    pub(super) fn find<const N: usize>(
        &mut self,
        x: &[f64],
        y: &[f64],
        ranks: [usize; N],
    ) -> [Found; N] {
        if self.height == 0 {
            self.build(x, y);
        }
        let top = self.height - 1;
        let all = self.rungs[0].pairs() as f64;
        let shares = ranks.map(|rank| (rank as f64 - 0.5) / all);
        let mut brackets = self.outline(shares);
        for level in (1..top).rev() {
            self.walk(level, brackets);
            for turn in 0..N {
                brackets[turn] = self.narrow(level, turn, &brackets[turn], shares[turn]);
            }
        }
        if top > 0 {
            self.walk(0, brackets);
        }
        let mut found = [None; N];
        for turn in 0..N {
            found[turn] = self.answer(turn, &brackets[turn], ranks[turn]);
        }
        found
    }

    /// Thins the samples until their table is small.
    fn build(&mut self, x: &[f64], y: &[f64]) {
        loop {
            let level = self.height;
            if self.rungs.len() == level {
                self.rungs.push(Rung::default());
            }
            let (below, rest) = self.rungs.split_at_mut(level);
            let rung = &mut rest[0];
            rung.x.clear();
            rung.padded.clear();
            rung.padded.resize(PAD, f64::NEG_INFINITY);
            if let Some(whole) = below.last() {
                let (x, y) = (&whole.x[..], whole.y());
                thin(x, y.len(), &mut rung.x);
                thin(y, x.len(), &mut rung.padded);
            } else {
                rung.x.extend_from_slice(x);
                rung.padded.extend_from_slice(y);
            }
            self.height += 1;
            if rung.pairs() <= DIRECT {
                return;
            }
        }
    }

    /// The first brackets, from all differences of the smallest table.
    fn outline<const N: usize>(&mut self, shares: [f64; N]) -> [Bracket; N] {
        let level = self.height - 1;
        let rung = &self.rungs[level];
        let pairs = rung.pairs();
        self.inside.clear();
        for a in &rung.x {
            self.inside.extend(rung.y().iter().map(|b| a - b));
        }
        let mut brackets = [Bracket {
            low: f64::NEG_INFINITY,
            high: f64::MAX,
            expected: pairs,
        }; N];
        if level == 0 {
            return brackets;
        }
        // In ascending order, so that each selection has only the rest before it.
        let mut wanted = [(0, 0); 2 * WANTED];
        for (turn, &share) in shares.iter().enumerate() {
            let (low, high) = self.limits(level, share);
            wanted[turn] = (low, turn);
            wanted[WANTED + turn] = (high, WANTED + turn);
            brackets[turn].expected = self.expected(level);
        }
        wanted.sort_unstable();
        let (mut sorted, mut last) = (0, f64::NEG_INFINITY);
        for (rank, turn) in wanted {
            if rank > pairs || rank == 0 {
                continue; // beyond an end: the bracket stays open there
            }
            if rank > sorted {
                last = pick(&mut self.inside[sorted..], rank - sorted - 1).0;
                sorted = rank;
            }
            if turn < WANTED {
                brackets[turn].low = last;
            } else {
                brackets[turn - WANTED].high = last;
            }
        }
        brackets
    }

    /// The ranks on a rung between which the rank of that share must lie on the next larger one;
    /// 0 and more than n·m are beyond the ends.
    fn limits(&self, level: usize, share: f64) -> (usize, usize) {
        let centre = share * self.rungs[level].pairs() as f64;
        let reach = self.reach(level);
        (whole(centre - reach), whole(centre + reach) + 2)
    }

    /// Error of a share on a rung in its own ranks, and what the next rung's bracket needs.
    fn reach(&self, level: usize) -> f64 {
        if level == 0 {
            return 1.0;
        }
        let rung = &self.rungs[level];
        let values = (rung.x.len() + rung.y().len()) as f64;
        REACH * values.sqrt() + self.reach(level - 1) / self.per_cell(level)
    }

    /// Differences on the next larger rung for one on this.
    fn per_cell(&self, level: usize) -> f64 {
        self.rungs[level - 1].pairs() as f64 / self.rungs[level].pairs() as f64
    }

    /// Differences on the next larger rung in a bracket made on this.
    fn expected(&self, level: usize) -> usize {
        whole((2.0 * self.reach(level) + 2.0) * self.per_cell(level))
    }

    /// Fills in the edges of the brackets' lower ends.
    fn walk<const N: usize>(&mut self, level: usize, brackets: [Bracket; N]) {
        let rung = &self.rungs[level];
        edges(
            &rung.x,
            rung.y(),
            brackets.map(|bracket| bracket.low.next_down()),
            &mut self.edges,
        );
    }

    /// A bracket for the next larger rung from one for this, whose edges are there.
    fn narrow(&mut self, level: usize, turn: usize, bracket: &Bracket, share: f64) -> Bracket {
        let (low, high) = self.limits(level, share);
        let pairs = self.rungs[level].pairs();
        let mut next = Bracket {
            expected: self.expected(level),
            ..*bracket
        };
        if let Some((below, held)) = self.collect(level, turn, bracket) {
            let inside = &mut self.inside[..held];
            let mut passed = 0;
            if low > below && low - below <= held {
                passed = low - below;
                next.low = pick(inside, passed - 1).0;
            }
            if high > below + passed && high - below <= held {
                next.high = pick(&mut inside[passed..], high - below - passed - 1).0;
            }
        } else {
            let crowd = self.crowd(level, bracket);
            next.low = crowd.value(low, bracket).unwrap_or(bracket.low);
            next.high = crowd.value(high, bracket).unwrap_or(bracket.high);
        }
        if low == 0 {
            next.low = f64::NEG_INFINITY;
        }
        if high > pairs {
            next.high = f64::MAX;
        }
        next
    }

    /// The difference of the given rank on the whole table, if the bracket holds it.
    fn answer(&mut self, turn: usize, bracket: &Bracket, rank: usize) -> Found {
        let collected = if self.height == 1 {
            Some((0, self.inside.len()))
        } else {
            self.collect(0, turn, bracket)
        };
        if let Some((below, held)) = collected {
            let place = rank.checked_sub(below + 1).filter(|&place| place < held)?;
            return Some(pick(&mut self.inside[..held], place));
        }
        if rank <= self.below(0, turn) {
            return None;
        }
        let crowd = self.crowd(0, bracket);
        let value = crowd.value(rank, bracket)?;
        let next = crowd.value(rank + 1, bracket).filter(|&next| next == value);
        Some((value, next))
    }

    /// Differences below the bracket.
    fn below(&self, level: usize, turn: usize) -> usize {
        self.rungs[level].pairs() - self.edges[turn].iter().sum::<usize>()
    }

    /// Collects the differences in the bracket: (how many are below it, how many are in it), or
    /// nothing if they are far more than expected.
    fn collect(&mut self, level: usize, turn: usize, bracket: &Bracket) -> Option<(usize, usize)> {
        if bracket.low >= bracket.high {
            return None;
        }
        let rung = &self.rungs[level];
        let most = CROWD * bracket.expected;
        if self.inside.len() < most + PAD {
            self.inside.resize(most + PAD, 0.0);
        }
        let inside = &mut self.inside[..most + PAD];
        let (high, padded) = (bracket.high, &rung.padded[..]);
        let (mut held, mut above) = (0, 0);
        for (a, &edge) in rung.x.iter().zip(&self.edges[turn]) {
            above += edge;
            // Two at once without a branch: most rows have fewer, and which have one is chance.
            let (one, two) = (a - padded[edge + 1], a - padded[edge]);
            inside[held] = one;
            inside[held + 1] = two;
            held += usize::from(one <= high) + usize::from(two <= high);
            if two <= high {
                for b in padded[..edge].iter().rev() {
                    let more = a - b;
                    if more > high || held >= most {
                        break;
                    }
                    inside[held] = more;
                    held += 1;
                }
            }
            if held >= most {
                return None;
            }
        }
        Some((rung.pairs() - above, held))
    }

    /// Counts at the ends of a bracket that holds too many.
    fn crowd(&self, level: usize, bracket: &Bracket) -> Crowd {
        let rung = &self.rungs[level];
        let count = |at| count_up_to(&rung.x, rung.y(), at);
        Crowd {
            up_to_low: count(bracket.low),
            below_high: count(bracket.high.next_down()),
            up_to_high: count(bracket.high),
        }
    }
}

/// What is known of a bracket that holds many equal differences: mostly they are its ends.
struct Crowd {
    up_to_low: usize,
    below_high: usize,
    up_to_high: usize,
}

impl Crowd {
    /// The difference of a rank that is not below the bracket, if it is one of its ends.
    fn value(&self, rank: usize, bracket: &Bracket) -> Option<f64> {
        if rank <= self.up_to_low {
            Some(bracket.low)
        } else if rank > self.below_high && rank <= self.up_to_high {
            Some(bracket.high)
        } else {
            None
        }
    }
}

impl Rung {
    fn y(&self) -> &[f64] {
        &self.padded[PAD..]
    }

    fn pairs(&self) -> usize {
        self.x.len() * self.y().len()
    }
}

/// The whole part of a rank, 0 for what is below.
fn whole(rank: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank, at most a few more than n·m; the cast saturates at 0"
    )]
    let whole = rank as usize;
    whole
}

/// Appends the values at evenly spaced places, each the middle of those it stands for; or all, if
/// there are few or the `other` sample has many more, whose thinning then costs less precision.
fn thin(sorted: &[f64], other: usize, thinned: &mut Vec<f64>) {
    const ONE: u64 = 1 << 32;
    if sorted.len() < THINNED_MIN || 2 * sorted.len() < other {
        thinned.extend_from_slice(sorted);
        return;
    }
    let keep = sorted.len().div_ceil(THINNING);
    // Places in 2⁻³² of a value. The nearest is taken; of two that are as near, each in turn.
    let step = ((sorted.len() as u64) << 32) / keep as u64;
    let mut at = (step - ONE) / 2;
    for turn in 0..keep {
        let place = (at + ONE / 2 - u64::from(turn % 2 == 0)) >> 32;
        thinned.push(sorted[usize::try_from(place).unwrap_or(0)]);
        at += step;
    }
}

/// The value at a place in order, and the next one if there is one.
fn pick(values: &mut [f64], place: usize) -> (f64, Option<f64>) {
    // Compiles to one comparison; there are no NaN and no -0 among differences.
    let order = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
    let (_, value, later) = values.select_nth_unstable_by(place, order);
    (*value, later.iter().copied().reduce(f64::min))
}

/// For each limit in `at` and each row of the table the first column whose difference is ≤ it.
///
/// One walk along each staircase, all at once, without a branch: which way a staircase turns
/// cannot be predicted, and each step waits for the one before, so several share the time.
fn edges<const N: usize>(x: &[f64], y: &[f64], at: [f64; N], edges: &mut [Vec<usize>; WANTED]) {
    let (n, m) = (x.len(), y.len());
    for edge in edges.iter_mut() {
        edge.resize(n, 0);
    }
    let edge = edges.each_mut().map(|edge| &mut edge[..n]);
    let (mut i, mut j) = ([0; N], [0; N]);
    let inside = |i: &[usize; N], j: &[usize; N]| (0..N).all(|k| i[k] < n && j[k] < m);
    while inside(&i, &j) {
        for k in 0..N {
            let forth = x[i[k]] - y[j[k]] <= at[k];
            edge[k][i[k]] = j[k];
            i[k] += usize::from(forth);
            j[k] += usize::from(!forth);
        }
    }
    for k in 0..N {
        let (mut i, mut j) = (i[k], j[k]);
        while i < n && j < m {
            let forth = x[i] - y[j] <= at[k];
            edge[k][i] = j;
            i += usize::from(forth);
            j += usize::from(!forth);
        }
        edge[k][i..].fill(m);
    }
}
