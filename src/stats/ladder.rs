//! Several order statistics of all n·m differences at once, from thinned samples upward.
//!
//! Every fourth value of each sample makes a table of differences a sixteenth the size, whose
//! order statistics stand at nearly the same shares of the whole. So the ranks asked for are found
//! on a table that is small enough to write down, looked up on the next larger one, and so on up
//! to the samples themselves. On each one walk along the staircase counts the differences up to
//! the value found before; that tells how many ranks the answer is away, and those few differences
//! are collected from the staircase's edge and the answer is picked out: always one of the
//! differences, at a rank that was counted. (The thinning is that of Mirzaian and Arjomandi 1985;
//! they bracket the answer for certain, here it is near enough nearly always.)
//!
//! Where too many differences would have to be collected there is no answer, and
//! [`super::selection`] finds it the longer way.

use super::selection::count_up_to;

/// Tables of up to so many differences are written down whole; measured.
const DIRECT: usize = 600;

/// Samples of fewer values are not thinned: a few values say nothing about the others.
const THINNED_MIN: usize = 9;

/// Of so many neighbours one is kept.
const THINNING: usize = 4;

/// Differences that should lie within reach of an answer on the smallest rung for a density.
const COUNTED: f64 = 10.0;

/// Widths at which collecting is tried: twice the one before, or a quarter.
const TRIES: u32 = 5;

/// So many differences per row and column are collected at most. A thinned table is off by less
/// than one in each (measured); more are equal differences.
const CROWD: usize = 2;

/// Lower limit, estimate and upper limit.
const WANTED: usize = 3;

/// On either side of `y` there are so many values that end every walk, so that no walk asks.
const PAD: usize = 2;

/// A difference and the next one in order, if that was cheap to see; nothing if the answer was too
/// far from where it was looked for.
pub(super) type Found = Option<(f64, Option<f64>)>;

/// Samples of one size, each sorted.
#[derive(Debug, Default)]
struct Rung {
    x: Vec<f64>,
    /// Between [`PAD`] times -∞ and [`PAD`] times +∞.
    padded: Vec<f64>,
}

impl Rung {
    fn y(&self) -> &[f64] {
        &self.padded[PAD..self.padded.len() - PAD]
    }

    fn pairs(&self) -> usize {
        self.x.len() * (self.padded.len() - 2 * PAD)
    }
}

/// Reusable buffers and the thinned samples of the loaded pair.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    rungs: Vec<Rung>,
    /// Rungs of the loaded pair; 0 if they are not made yet.
    height: usize,
    /// For each rank asked for and each row the first column up to the value looked at.
    edges: [Vec<usize>; WANTED],
    /// Differences near the edge; more room than they take.
    near: Vec<f64>,
}

impl Ladder {
    /// Another pair was loaded.
    pub(super) fn forget(&mut self) {
        self.height = 0;
    }

    /// The differences of the given ranks (1-based, ascending, at most n·m) of the sorted samples,
    /// both not empty, none of whose differences overflows. `density` is how many differences lie
    /// in a unit near the middle, and decides only the speed.
    pub(super) fn find<const N: usize>(
        &mut self,
        x: &[f64],
        y: &[f64],
        ranks: [usize; N],
        density: f64,
    ) -> [Found; N] {
        if self.height == 0 {
            self.build(x, y);
        }
        let lowest = self.height - 1;
        let wanted = self.ranks_on(lowest, ranks);
        let mut found = self.write_down(wanted);
        if lowest == 0 {
            return found;
        }
        let mut densities = self.densities(&found, wanted, density / self.per_cell(0, lowest));
        for level in (0..lowest).rev() {
            if found.iter().any(Option::is_none) {
                return [None; N];
            }
            let at = found.map(|found| found.map_or(0.0, |(value, _)| value));
            let rung = &self.rungs[level];
            edges(&rung.x, rung.y(), at, &mut self.edges);
            let wanted = self.ranks_on(level, ranks);
            let per_cell = self.per_cell(level, level + 1);
            for turn in 0..N {
                let density = &mut densities[turn];
                *density *= per_cell;
                found[turn] = self.look(level, turn, at[turn], wanted[turn], density);
            }
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
            rung.padded.extend([f64::NEG_INFINITY; PAD]);
            if let Some(whole) = below.last() {
                let (x, y) = (&whole.x[..], whole.y());
                thin(x, y.len(), &mut rung.x);
                thin(y, x.len(), &mut rung.padded);
            } else {
                rung.x.extend_from_slice(x);
                rung.padded.extend_from_slice(y);
            }
            rung.padded.extend([f64::INFINITY; PAD]);
            self.height += 1;
            if rung.pairs() <= DIRECT {
                return;
            }
        }
    }

    /// Ranks of the whole table as ranks of a rung, at the same shares.
    fn ranks_on<const N: usize>(&self, level: usize, ranks: [usize; N]) -> [usize; N] {
        if level == 0 {
            return ranks;
        }
        let pairs = self.rungs[level].pairs();
        let scale = pairs as f64 / self.rungs[0].pairs() as f64;
        ranks.map(|rank| (whole((rank as f64 - 0.5) * scale) + 1).min(pairs))
    }

    /// The answers on the smallest rung, from all its differences.
    fn write_down<const N: usize>(&mut self, ranks: [usize; N]) -> [Found; N] {
        let rung = &self.rungs[self.height - 1];
        let pairs = rung.pairs();
        if self.near.len() < pairs {
            self.near.resize(pairs, 0.0);
        }
        for (a, row) in rung
            .x
            .iter()
            .zip(self.near.chunks_exact_mut(rung.y().len()))
        {
            for (near, b) in row.iter_mut().zip(rung.y()) {
                *near = a - b;
            }
        }
        let (mut found, mut passed) = ([None; N], 0);
        // In ascending order, so that each has only the rest before it.
        for turn in 0..N {
            found[turn] = if ranks[turn] > passed {
                let rest = &mut self.near[passed..pairs];
                let answer = pick(rest, ranks[turn] - passed - 1, self.height == 1);
                passed = ranks[turn];
                Some(answer)
            } else {
                found[turn - 1] // the same rank, for they ascend
            };
        }
        found
    }

    /// Differences of one rung for one of another.
    fn per_cell(&self, level: usize, of: usize) -> f64 {
        self.rungs[level].pairs() as f64 / self.rungs[of].pairs() as f64
    }

    /// How many differences of the smallest rung lie in a unit around each answer.
    fn densities<const N: usize>(
        &self,
        found: &[Found; N],
        ranks: [usize; N],
        middle: f64,
    ) -> [f64; N] {
        let near = &self.near[..self.rungs[self.height - 1].pairs()];
        let value = |turn: usize| found[turn].map_or(0.0, |(value, _)| value);
        // Between the limits it is what the limits say, around each what a count says.
        let between = (ranks[N - 1] - ranks[0]) as f64 / (value(N - 1) - value(0));
        let density = if between > 0.0 { between } else { middle };
        let reach = COUNTED / density;
        std::array::from_fn(|turn| {
            let at = value(turn);
            let count = near.iter().filter(|&&d| (d - at).abs() <= reach).count();
            0.5 * count as f64 / reach
        })
    }

    /// The difference of the given rank on a rung, whose edges at a nearby value are there.
    fn look(
        &mut self,
        level: usize,
        turn: usize,
        at: f64,
        rank: usize,
        density: &mut f64,
    ) -> Found {
        let rung = &self.rungs[level];
        let edges = &self.edges[turn][..rung.x.len()];
        let up_to = rung.pairs() - edges.iter().sum::<usize>();
        let is_above = rank > up_to;
        // How many differences away, counting the answer itself.
        let away = if is_above {
            rank - up_to
        } else {
            up_to - rank + 1
        };
        let most = CROWD * (rung.x.len() + rung.y().len());
        let mut width = (away as f64 + 2.0 * (away as f64).sqrt() + 4.0) / *density;
        for _ in 0..TRIES {
            if away > most {
                break;
            }
            let held = if is_above {
                let limit = (at + width).min(f64::MAX);
                collect::<true>(rung, edges, limit, most, &mut self.near)
            } else {
                let limit = (at - width).max(-f64::MAX);
                collect::<false>(rung, edges, limit, most, &mut self.near)
            };
            let Some(held) = held else {
                width *= 0.25;
                continue;
            };
            // One more than the answer, so that the next is there as well.
            if held > away || (held == away && !is_above) {
                let place = if is_above { away - 1 } else { held - away };
                if width > 0.0 {
                    *density = held as f64 / width;
                }
                return Some(pick(&mut self.near[..held], place, level == 0));
            }
            width *= 2.0;
        }
        among_equals(rung, edges, at, rank, is_above)
    }
}

/// Collects the differences that lie beyond the edges as far as `limit`: how many, or nothing if
/// they are more than `most`.
fn collect<const ABOVE: bool>(
    rung: &Rung,
    edges: &[usize],
    limit: f64,
    most: usize,
    near: &mut Vec<f64>,
) -> Option<usize> {
    let room = most + 2;
    if near.len() < room {
        near.resize(room, 0.0);
    }
    let near = &mut near[..room];
    let is_in = |difference: f64| {
        if ABOVE {
            difference <= limit
        } else {
            difference >= limit
        }
    };
    let mut held = 0;
    for (a, &edge) in rung.x.iter().zip(edges) {
        let beyond = if ABOVE {
            [rung.padded[edge + 1], rung.padded[edge]]
        } else {
            [rung.padded[edge + 2], rung.padded[edge + 3]]
        };
        // Two at once without a branch: most rows have fewer, and which have one is chance.
        let (one, two) = (a - beyond[0], a - beyond[1]);
        near[held] = one;
        near[held + 1] = two;
        held += usize::from(is_in(one)) + usize::from(is_in(two));
        if is_in(two) {
            let mut step = 2;
            loop {
                let at = if ABOVE {
                    edge + 1 - step
                } else {
                    edge + 2 + step
                };
                let more = a - rung.padded[at];
                if held >= most || !is_in(more) {
                    break;
                }
                near[held] = more;
                held += 1;
                step += 1;
            }
        }
        if held >= most {
            return None;
        }
    }
    Some(held)
}

/// The answer where many differences are equal: mostly it is the value looked at, or the next.
fn among_equals(rung: &Rung, edges: &[usize], at: f64, rank: usize, is_above: bool) -> Found {
    let count = |at| count_up_to(&rung.x, rung.y(), at);
    if !is_above {
        let up_to = rung.pairs() - edges.iter().sum::<usize>();
        let is_there = rank > count(at.next_down());
        return is_there.then(|| (at, (rank < up_to).then_some(at)));
    }
    let nexts = rung
        .x
        .iter()
        .zip(edges)
        .map(|(a, &edge)| a - rung.padded[edge + 1]);
    let next = nexts.fold(f64::INFINITY, f64::min);
    let up_to = count(next);
    (rank <= up_to).then(|| (next, (rank < up_to).then_some(next)))
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

/// The value at a place in order, and the next one if it is asked for and there is one.
fn pick(values: &mut [f64], place: usize, with_next: bool) -> (f64, Option<f64>) {
    // Compiles to one comparison; there are no NaN and no -0 among differences.
    let order = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
    let (_, value, later) = values.select_nth_unstable_by(place, order);
    let next = if with_next {
        later.iter().copied().reduce(f64::min)
    } else {
        None
    };
    (*value, next)
}

/// For each value in `at` and each row of the table the first column whose difference is ≤ it.
///
/// One walk along each staircase, all at once, without a branch: which way a staircase turns
/// cannot be predicted, and each step waits for the one before, so several share the time.
fn edges<const N: usize>(x: &[f64], y: &[f64], at: [f64; N], edges: &mut [Vec<usize>; WANTED]) {
    let (n, m) = (x.len(), y.len());
    for edge in &mut *edges {
        if edge.len() < n {
            edge.resize(n, 0);
        }
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
