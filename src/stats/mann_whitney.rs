//! The Mann-Whitney test: does one sample tend to lie above the other?
//!
//! The p-value is exact where that is affordable: without ties up to [`EXACT_PAIRS_MAX`] pairs,
//! with ties up to [`EXACT_TIED_MAX`] values; else the tie-corrected normal approximation with
//! continuity correction. Tails are computed as tails, so a small p is never rounded to zero.

use super::exact::{self, EXACT_PAIRS_MAX, EXACT_TIED_MAX};
use super::rank::{RankSum, Scratch, SortedPair};
use super::{Alternative, normal, student};

/// How a p-value or an interval was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The distribution over all arrangements, no ties.
    Exact,
    /// The distribution over all arrangements, given which values are equal.
    ExactTied,
    /// Tie-corrected normal (or Student) approximation.
    Normal,
}

/// How far the observed series are from independent values.
///
/// Autocorrelation multiplies the variance of U; an estimated factor is paid for with Student's
/// tails. Anything but [`Dependence::NONE`] rules out the exact distributions, which assume
/// exchangeable values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dependence {
    /// Variance inflation factor, at least 1 (smaller is read as 1).
    pub vif: f64,
    /// Degrees of freedom behind the factor; `None` is the normal distribution.
    pub df: Option<f64>,
}

impl Dependence {
    /// Independent values.
    pub const NONE: Self = Self { vif: 1.0, df: None };

    /// Nothing is inflated.
    pub fn is_none(self) -> bool {
        self.vif <= 1.0 && self.df.is_none()
    }

    /// P(Z > z) in the distribution that applies.
    pub(super) fn sf(self, z: f64) -> f64 {
        self.df
            .map_or_else(|| normal::sf(z), |df| student::sf(z, df))
    }

    /// The z that is exceeded with probability `p`.
    pub(super) fn inverse_sf(self, p: f64) -> f64 {
        self.df
            .map_or_else(|| normal::inverse_sf(p), |df| student::inverse_sf(p, df))
    }
}

/// Result of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs the first sample wins, ties one half.
    pub u: f64,
    /// The same as a share of all pairs; see [`RankSum::a12`].
    pub a12: f64,
    /// Standardised U with continuity correction toward zero; its sign is that of the difference.
    pub z: f64,
    /// Probability, without a difference, of a U at least this far in the direction asked for.
    pub p: f64,
    /// How `p` was computed (`z` is always the normal one).
    pub method: Method,
}

/// Tests `x` (the canary) against `y` (the baseline), independent finite values.
///
/// An empty sample, or all values equal, gives p = 1.
pub fn mann_whitney(
    x: &[f64],
    y: &[f64],
    alternative: Alternative,
    scratch: &mut Scratch,
) -> MannWhitney {
    // Without ties, so many pairs have no exact distribution: U is all that is needed.
    if x.len().saturating_mul(y.len()) > EXACT_PAIRS_MAX
        && let Some(ranks) = scratch.rank(x, y)
    {
        return normal_test(&ranks, alternative, Dependence::NONE);
    }
    scratch.load(x, y).test(alternative, Dependence::NONE)
}

/// The test by the normal approximation.
fn normal_test(ranks: &RankSum, alternative: Alternative, dependence: Dependence) -> MannWhitney {
    let (z, p) = p_normal(ranks, dependence, true, alternative);
    MannWhitney {
        u: ranks.u,
        a12: ranks.a12(),
        z,
        p,
        method: Method::Normal,
    }
}

/// Standard deviation of U without a difference, for the given tie term; 0 if all are equal.
///
/// Lehmann, Nonparametrics (1975), 1.35: nm/12 (N + 1 - Σ(t³-t) / (N(N-1))).
pub fn standard_deviation(n: usize, m: usize, tie_term: f64, vif: f64) -> f64 {
    let (pairs, all) = (n as f64 * m as f64, (n + m) as f64);
    if pairs <= 0.0 {
        return 0.0;
    }
    let variance = pairs / 12.0 * ((all + 1.0) - tie_term / (all * (all - 1.0)));
    libm::sqrt(variance.max(0.0) * vif.max(1.0))
}

/// (z, p) of the normal approximation. `continuity` moves U by one half toward its mean.
pub fn p_normal(
    ranks: &RankSum,
    dependence: Dependence,
    continuity: bool,
    alternative: Alternative,
) -> (f64, f64) {
    let sigma = standard_deviation(ranks.n, ranks.m, ranks.tie_term, dependence.vif);
    if sigma <= 0.0 {
        return (0.0, 1.0);
    }
    let step = if continuity { 0.5 } else { 0.0 };
    let gap = ranks.u - 0.5 * ranks.pairs();
    match alternative {
        Alternative::Greater => {
            let z = (gap - step) / sigma;
            (z, dependence.sf(z))
        }
        Alternative::Less => {
            let z = (gap + step) / sigma;
            (z, dependence.sf(-z))
        }
        Alternative::TwoSided => {
            let size = (gap.abs() - step).max(0.0) / sigma;
            (size.copysign(gap), (2.0 * dependence.sf(size)).min(1.0))
        }
    }
}

impl SortedPair<'_> {
    /// The test, with exact p where [`Dependence::NONE`] and the sizes allow.
    pub fn test(&mut self, alternative: Alternative, dependence: Dependence) -> MannWhitney {
        let test = normal_test(&self.ranks, alternative, dependence);
        let exact = if dependence.is_none() {
            self.exact_tails()
        } else {
            None
        };
        let Some((less, greater, method)) = exact else {
            return test;
        };
        let p = match alternative {
            Alternative::Less => less,
            Alternative::Greater => greater,
            // Twice the smaller tail: the two-sided test is then exactly two one-sided tests at
            // half the level, with ties as without.
            Alternative::TwoSided => (2.0 * less.min(greater)).min(1.0),
        };
        MannWhitney { p, method, ..test }
    }

    /// (P(U ≤ u), P(U ≥ u), method), or `None` where only the approximation is affordable.
    fn exact_tails(&mut self) -> Option<(f64, f64, Method)> {
        let ranks = self.ranks;
        if ranks.n == 0 || ranks.m == 0 {
            return None;
        }
        if ranks.untied() {
            if ranks
                .n
                .checked_mul(ranks.m)
                .is_none_or(|pairs| pairs > EXACT_PAIRS_MAX)
            {
                return None;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number in 0 ..= n·m without ties"
            )]
            let u = ranks.u as usize;
            self.scratch.null.prepare(ranks.n, ranks.m);
            let null = &self.scratch.null;
            return Some((null.cdf(u), null.cdf(ranks.n * ranks.m - u), Method::Exact));
        }
        if ranks.n + ranks.m > EXACT_TIED_MAX {
            return None;
        }
        let tails = self.tied_tails()?;
        Some((tails.less, tails.greater, Method::ExactTied))
    }

    /// Exact tails given the ties, whatever the sizes' default is; `None` beyond
    /// [`EXACT_TIED_MAX`] values or with an empty sample.
    pub fn tied_tails(&mut self) -> Option<exact::TiedTails> {
        let (n, m) = (self.ranks.n, self.ranks.m);
        if n == 0 || m == 0 || n + m > EXACT_TIED_MAX {
            return None;
        }
        let Scratch {
            x, y, ways, tails, ..
        } = &mut *self.scratch;
        // Asked for once for each direction, mostly.
        Some(*tails.get_or_insert_with(|| exact::tied_tails(x, y, ways)))
    }
}
