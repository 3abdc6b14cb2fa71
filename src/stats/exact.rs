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
/// The smaller half of the ranks and the larger are built apart, which takes a fifth of the
/// additions of building the whole, and joined only where the tails ask for it.
///
/// `x` and `y` are sorted and not empty; n + m ≤ [`EXACT_TIED_MAX`]. Whole numbers throughout, so
/// exact.
#[expect(clippy::cast_precision_loss, reason = "probabilities, rounded once")]
pub(super) fn tied_tails(x: &[f64], y: &[f64], ways: &mut SplitWays) -> TiedTails {
    if x.len() > y.len() {
        // The smaller sample has fewer sums; what is less for one is greater for the other.
        let TiedTails {
            less,
            greater,
            as_far,
        } = tied_tails(y, x, ways);
        return TiedTails {
            less: greater,
            greater: less,
            as_far,
        };
    }
    let ranks = &mut ways.ranks;
    doubled_mid_ranks(x, y, ranks);
    let n = x.len();
    let observed: usize = ranks[..n].iter().sum();
    // The mean of the doubled rank sum is n(N+1).
    let mean = n * (ranks.len() + 1);
    let far = observed.abs_diff(mean);
    ways.build(n);
    let all = ways.up_to(n, ways.ranks.iter().sum());
    let below = |sum: usize| sum.checked_sub(1).map_or(0, |sum| ways.up_to(n, sum));
    let (less, greater) = (ways.up_to(n, observed), all - below(observed));
    let as_far = if far == 0 {
        all
    } else if observed < mean {
        less + all - below(mean + far)
    } else {
        greater + mean.checked_sub(far).map_or(0, |sum| ways.up_to(n, sum))
    };
    let share = |kept: u64| kept as f64 / all as f64;
    TiedTails {
        less: share(less),
        greater: share(greater),
        as_far: share(as_far),
    }
}

/// Reusable buffers: in how many ways some of the ranks add up to each sum.
#[derive(Debug, Default)]
pub(super) struct SplitWays {
    ranks: Vec<usize>,
    small: Ways,
    large: Ways,
}

impl SplitWays {
    /// Ways of up to `n` ranks of either half.
    fn build(&mut self, n: usize) {
        debug_assert!(
            self.ranks.len() <= EXACT_TIED_MAX,
            "too many values for 64-bit counts"
        );
        self.ranks.sort_unstable();
        let (small, large) = self.ranks.split_at(self.ranks.len() / 2);
        self.small.build(small, n);
        self.large.build(large, n);
        self.large.accumulate();
    }

    /// In how many ways `n` of all ranks add up to `sum` at most.
    fn up_to(&self, n: usize, sum: usize) -> u64 {
        (0..=n)
            .map(|k| {
                let (small, large) = (self.small.of(k), self.large.of(n - k));
                if small.is_empty() || large.is_empty() {
                    return 0;
                }
                let least = self.small.least(k) + self.large.least(n - k);
                sum.checked_sub(least)
                    .map_or(0, |rest| joined(small, large, rest))
            })
            .sum()
    }
}

/// Ways of a sum of one half times ways of a sum of the other up to what is left of `rest`.
fn joined(small: &[u64], large: &[u64], rest: usize) -> u64 {
    let Some((all, _)) = large.split_last() else {
        return 0;
    };
    // As long as so much is left that every sum of the other half fits, they need no telling apart.
    let free = (rest + 1).saturating_sub(large.len()).min(small.len());
    let (fit, tight) = small.split_at(free);
    let left = (rest - free).min(large.len() - 1);
    let pairs = tight.iter().zip(large[..=left].iter().rev());
    let tight: u64 = pairs.map(|(small, large)| small * large).sum();
    fit.iter().sum::<u64>() * all + tight
}

/// In how many ways `k` of some ranks add up to each sum, for each `k`.
#[derive(Debug, Default)]
struct Ways {
    /// For each `k` the sums from the least to the largest there are.
    counts: Vec<u64>,
    /// Where those of each `k` begin, and where the last end.
    starts: Vec<usize>,
    /// Sums of the smallest ranks: `before[k]` of the `k` smallest.
    before: Vec<usize>,
}

impl Ways {
    fn build(&mut self, ranks: &[usize], n: usize) {
        let Self {
            counts,
            starts,
            before,
        } = self;
        before.clear();
        before.push(0);
        for rank in ranks {
            before.push(before[before.len() - 1] + rank);
        }
        let most = n.min(ranks.len());
        starts.clear();
        starts.push(0);
        for k in 0..=most {
            let spread = before[ranks.len()] - before[ranks.len() - k] - before[k];
            starts.push(starts[k] + spread + 1);
        }
        counts.clear();
        counts.resize(starts[most + 1], 0);
        counts[0] = 1;
        for (place, &rank) in ranks.iter().enumerate() {
            for k in (1..=most.min(place + 1)).rev() {
                // From sums of k - 1 ranks before this one, which is the largest so far.
                let spread = before[place] - before[place + 1 - k] - before[k - 1];
                let raised = before[k - 1] + rank - before[k];
                let (fewer, same) = counts.split_at_mut(starts[k]);
                let from = &fewer[starts[k - 1]..=starts[k - 1] + spread];
                for (to, from) in same[raised..=raised + spread].iter_mut().zip(from) {
                    *to += from;
                }
            }
        }
    }

    /// Turns each count into that of the sums up to its own.
    fn accumulate(&mut self) {
        for k in 1..self.starts.len() {
            let mut sum = 0;
            for count in &mut self.counts[self.starts[k - 1]..self.starts[k]] {
                sum += *count;
                *count = sum;
            }
        }
    }

    /// The counts of `k` ranks, the first being that of the [`Ways::least`] sum; none if there are
    /// not so many ranks.
    fn of(&self, k: usize) -> &[u64] {
        if k + 1 < self.starts.len() {
            &self.counts[self.starts[k]..self.starts[k + 1]]
        } else {
            &[]
        }
    }

    /// The sum of the `k` smallest ranks.
    fn least(&self, k: usize) -> usize {
        self.before[k]
    }
}

/// Twice the mid-ranks in the pooled sample (whole numbers), `x` first.
fn doubled_mid_ranks(x: &[f64], y: &[f64], ranks: &mut Vec<usize>) {
    let below = |s: &[f64], v: f64| s.partition_point(|&w| w < v);
    let up_to = |s: &[f64], v: f64| s.partition_point(|&w| w <= v);
    let rank = |&v: &f64| below(x, v) + below(y, v) + up_to(x, v) + up_to(y, v) + 1;
    ranks.clear();
    ranks.extend(x.iter().chain(y).map(rank));
}
