//! Exact null distributions of the Mann-Whitney statistic.

/// Largest n·m for which the exact distribution without ties is used (R switches at samples of
/// 50); beyond it the normal approximation is accurate and the counts would leave 128 bits.
pub const EXACT_PAIRS_MAX: usize = 2_500;

/// Largest n + m for which the exact conditional distribution with ties is used: C(60, 30) still
/// fits 64 bits. Beyond it the tie-corrected normal approximation is used.
pub const EXACT_TIED_MAX: usize = 60;

/// Counts of arrangements by their U, for samples without ties; kept while the sizes repeat.
#[derive(Debug, Default)]
pub struct NullDistribution {
    sizes: (usize, usize),
    /// Arrangements with U = index, for U up to half of n·m; the rest is symmetric.
    counts: Vec<i128>,
    total: i128,
}

impl NullDistribution {
    /// The distribution for samples of `n` and `m`, with n·m ≤ [`EXACT_PAIRS_MAX`].
    ///
    /// The generating function of the counts is the Gaussian binomial: the product over i = 1 ..= n
    /// of (1 - q^(m+i)) / (1 - q^i) (Mann and Whitney 1947). Whole numbers throughout, so exact.
    pub fn prepare(&mut self, n: usize, m: usize) {
        debug_assert!(
            n * m <= EXACT_PAIRS_MAX,
            "too many pairs for the exact distribution"
        );
        if self.sizes == (n, m) && !self.counts.is_empty() {
            return;
        }
        let (small, large) = (n.min(m), n.max(m));
        self.sizes = (n, m);
        self.counts.clear();
        self.counts.resize(n * m / 2 + 1, 0);
        self.counts[0] = 1;
        self.total = 1;
        for i in 1..=small {
            for at in (large + i..self.counts.len()).rev() {
                self.counts[at] -= self.counts[at - large - i];
            }
            for at in i..self.counts.len() {
                self.counts[at] += self.counts[at - i];
            }
            let (i, step) = (i as i128, (large + i) as i128);
            self.total = self.total * step / i;
        }
    }

    /// Number of arrangements with U equal to `u`.
    pub fn count(&self, u: usize) -> i128 {
        let pairs = self.sizes.0 * self.sizes.1;
        if u > pairs {
            0
        } else {
            self.counts[u.min(pairs - u)]
        }
    }

    /// Number of all arrangements, C(n+m, n).
    pub fn total(&self) -> i128 {
        self.total
    }

    /// P(U ≤ `u`) without a difference.
    #[expect(clippy::cast_precision_loss, reason = "a probability, rounded once")]
    pub fn cdf(&self, u: usize) -> f64 {
        let pairs = self.sizes.0 * self.sizes.1;
        if u >= pairs {
            return 1.0;
        }
        // The smaller tail is summed; the other is its complement in whole numbers.
        let below: i128 = if 2 * u < pairs {
            self.counts[..=u].iter().sum()
        } else {
            self.total - self.counts[..pairs - u].iter().sum::<i128>()
        };
        below as f64 / self.total as f64
    }

    /// The smallest `u` with P(U ≤ u) ≥ `p`, for p < 1/2.
    #[expect(clippy::cast_precision_loss, reason = "a probability, rounded once")]
    pub fn quantile(&self, p: f64) -> usize {
        // R's guard against p that is a whole count less a rounding error.
        let target = p - 10.0 * f64::EPSILON;
        let mut below = 0_i128;
        for (u, count) in self.counts.iter().enumerate() {
            below += count;
            if below as f64 / self.total as f64 >= target {
                return u;
            }
        }
        self.counts.len()
    }
}

/// Tail probabilities of U given which values are equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TiedTails {
    /// P(U ≤ observed).
    pub less: f64,
    /// P(U ≥ observed).
    pub greater: f64,
    /// P(|U - mean| ≥ |observed - mean|).
    pub as_far: f64,
}

/// Exact conditional tails with ties, by the shift algorithm of Streitberg and Röhmel (1986): the
/// distribution of the sum of `n` of the pooled doubled mid-ranks, built rank by rank.
///
/// `x` and `y` are sorted and not empty; n + m ≤ [`EXACT_TIED_MAX`]. Whole numbers throughout, so
/// exact.
#[expect(clippy::cast_precision_loss, reason = "probabilities, rounded once")]
pub(super) fn tied_tails(x: &[f64], y: &[f64]) -> TiedTails {
    if x.len() > y.len() {
        // The smaller sample has fewer sums; what is less for one is greater for the other.
        let TiedTails {
            less,
            greater,
            as_far,
        } = tied_tails(y, x);
        return TiedTails {
            less: greater,
            greater: less,
            as_far,
        };
    }
    let ranks = doubled_mid_ranks(x, y);
    let n = x.len();
    let observed: usize = ranks[..n].iter().sum();
    // The mean of the doubled rank sum is n(N+1).
    let mean = n * (ranks.len() + 1);
    let far = observed.abs_diff(mean);
    let sums = ways_by_sum(ranks, n);
    let all: u64 = sums.iter().sum();
    let share = |keep: &dyn Fn(usize) -> bool| {
        let kept: u64 = sums
            .iter()
            .enumerate()
            .filter(|(s, _)| keep(*s))
            .map(|(_, w)| w)
            .sum();
        kept as f64 / all as f64
    };
    TiedTails {
        less: share(&|s| s <= observed),
        greater: share(&|s| s >= observed),
        as_far: share(&|s| s.abs_diff(mean) >= far),
    }
}

/// In how many ways `n` of the ranks add up to each sum (the index).
fn ways_by_sum(mut ranks: Vec<usize>, n: usize) -> Vec<u64> {
    debug_assert!(
        ranks.len() <= EXACT_TIED_MAX,
        "too many values for 64-bit counts"
    );
    ranks.sort_unstable();
    let mut before = vec![0; ranks.len() + 1];
    for (place, rank) in ranks.iter().enumerate() {
        before[place + 1] = before[place] + rank;
    }
    let width = before[ranks.len()] - before[ranks.len() - n] + 1;
    // ways[k * width + s]: choices of k ranks that add up to s.
    let mut ways = vec![0_u64; (n + 1) * width];
    ways[0] = 1;
    for (place, &rank) in ranks.iter().enumerate() {
        let seen = place + 1;
        // Fewer could not reach n with the ranks that are left.
        let fewest = (n + seen).saturating_sub(ranks.len()).max(1);
        for k in (fewest..=n.min(seen)).rev() {
            // Sums of k ranks, this one the largest: the k - 1 smallest before it, or the last.
            let (least, most) = (before[k - 1], before[place] - before[seen - k]);
            let (fewer, same) = ways.split_at_mut(k * width);
            let fewer = &fewer[(k - 1) * width..];
            let to = &mut same[least + rank..=most + rank];
            for (to, from) in to.iter_mut().zip(&fewer[least..=most]) {
                *to += from;
            }
        }
    }
    ways.split_off(n * width)
}

/// Twice the mid-ranks in the pooled sample (whole numbers), `x` first.
fn doubled_mid_ranks(x: &[f64], y: &[f64]) -> Vec<usize> {
    let below = |s: &[f64], v: f64| s.partition_point(|&w| w < v);
    let up_to = |s: &[f64], v: f64| s.partition_point(|&w| w <= v);
    let rank = |&v: &f64| below(x, v) + below(y, v) + up_to(x, v) + up_to(y, v) + 1;
    x.iter().chain(y).map(rank).collect()
}
