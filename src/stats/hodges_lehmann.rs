//! The Hodges-Lehmann shift: by how much does one sample lie above the other, within what limits?
//!
//! The estimate is the median of all differences x_i - y_j; the limits are differences too, at
//! ranks read off the null distribution of U (Hodges and Lehmann 1963; Bauer 1972).
//!
//! R's `wilcox.test` finds its approximate limits as roots of (W(μ) - mn/2 ∓ ½)/σ(μ) = z. W is a
//! step function that jumps at the differences, and between jumps σ has the ties within each
//! sample and none across, whatever μ is. So the root *is* a difference, and its rank is known
//! beforehand: no root finding, no tolerance. Limits found with a tolerance in metric units are
//! wrong for small-valued metrics; these are not.

use super::Alternative;
use super::exact::EXACT_PAIRS_MAX;
use super::mann_whitney::{Dependence, Method, standard_deviation};
use super::rank::{Scratch, SortedPair};
use super::selection::kth_difference;

/// The shift of the first sample against the second, in the unit of the values. A difference that
/// overflows counts as the largest there is, so a two-sided shift is always finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Median of all differences.
    pub estimate: f64,
    /// Lower confidence limit; -∞ for [`Alternative::Less`].
    pub lower: f64,
    /// Upper confidence limit; +∞ for [`Alternative::Greater`].
    pub upper: f64,
    /// How the ranks of the limits were found.
    pub method: Method,
}

/// The median of all differences of `x` (the canary) and `y` (the baseline); `None` if a sample is
/// empty.
pub fn hodges_lehmann(x: &[f64], y: &[f64], scratch: &mut Scratch) -> Option<f64> {
    scratch.load(x, y).shift_estimate()
}

/// Estimate and confidence limits at `confidence` in (0, 1); `None` if a sample is empty.
///
/// One-sided alternatives put the whole error on one limit.
pub fn shift_interval(
    x: &[f64],
    y: &[f64],
    confidence: f64,
    alternative: Alternative,
    dependence: Dependence,
    scratch: &mut Scratch,
) -> Option<Shift> {
    scratch
        .load(x, y)
        .shift(confidence, alternative, dependence)
}

/// Where to look first: only speed depends on it.
struct Guess {
    centre: f64,
    /// Differences per unit near the centre.
    density: f64,
}

impl SortedPair<'_> {
    /// Median of all differences; `None` if a sample is empty.
    pub fn shift_estimate(&mut self) -> Option<f64> {
        let pairs = self.pairs()?;
        let [middle] = self.differences([pairs.div_ceil(2)]);
        Some(self.median_difference(pairs, middle))
    }

    /// Estimate and limits; see [`shift_interval`].
    pub fn shift(
        &mut self,
        confidence: f64,
        alternative: Alternative,
        dependence: Dependence,
    ) -> Option<Shift> {
        let pairs = self.pairs()?;
        let error = 1.0 - confidence;
        let tail = if alternative == Alternative::TwoSided {
            0.5 * error
        } else {
            error
        };
        let exact = dependence.is_none() && self.ranks.untied() && pairs <= EXACT_PAIRS_MAX;
        let (rank, method) = if exact {
            (self.exact_rank(tail), Method::Exact)
        } else {
            (
                self.normal_rank(pairs, tail, dependence, true),
                Method::Normal,
            )
        };
        Some(self.shift_at(pairs, rank, alternative, method))
    }

    /// Limits by the normal approximation even where the exact ones are affordable, with or
    /// without continuity correction (R's `exact = FALSE` and `correct`).
    pub fn shift_normal(
        &mut self,
        confidence: f64,
        alternative: Alternative,
        dependence: Dependence,
        continuity: bool,
    ) -> Option<Shift> {
        let pairs = self.pairs()?;
        let error = 1.0 - confidence;
        let tail = if alternative == Alternative::TwoSided {
            0.5 * error
        } else {
            error
        };
        let rank = self.normal_rank(pairs, tail, dependence, continuity);
        Some(self.shift_at(pairs, rank, alternative, Method::Normal))
    }

    /// n·m, or `None` if that is 0 or cannot be counted.
    fn pairs(&self) -> Option<usize> {
        self.ranks
            .n
            .checked_mul(self.ranks.m)
            .filter(|&pairs| pairs > 0)
    }

    fn shift_at(
        &mut self,
        pairs: usize,
        rank: usize,
        alternative: Alternative,
        method: Method,
    ) -> Shift {
        let (middle, mirrored) = (pairs.div_ceil(2), pairs + 1 - rank);
        let (mut lower, mut upper) = (f64::NEG_INFINITY, f64::INFINITY);
        let estimate = match alternative {
            Alternative::TwoSided => {
                let found = self.differences([rank, middle, mirrored]);
                (lower, upper) = (found[0].0, found[2].0);
                found[1]
            }
            Alternative::Greater => {
                let found = self.differences([rank, middle]);
                lower = found[0].0;
                found[1]
            }
            Alternative::Less => {
                let found = self.differences([middle, mirrored]);
                upper = found[1].0;
                found[0]
            }
        };
        let estimate = self.median_difference(pairs, estimate);
        Shift {
            estimate,
            lower,
            upper,
            method,
        }
    }

    /// Rank of the lower limit from the exact distribution, at least 1.
    fn exact_rank(&mut self, tail: f64) -> usize {
        self.scratch.null.prepare(self.ranks.n, self.ranks.m);
        self.scratch.null.quantile(tail).max(1)
    }

    /// Rank of the lower limit from the normal approximation: the first difference after which
    /// (W - mn/2 - ½)/σ ≤ z; at least 1, at most the middle.
    fn normal_rank(
        &self,
        pairs: usize,
        tail: f64,
        dependence: Dependence,
        continuity: bool,
    ) -> usize {
        let ranks = &self.ranks;
        let sigma = standard_deviation(ranks.n, ranks.m, ranks.within_tie_term, dependence.vif);
        let step = if continuity { 0.5 } else { 0.0 };
        let reach = 0.5 * pairs as f64 - step - dependence.inverse_sf(tail) * sigma;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank, clamped to 1 ..= n·m"
        )]
        let rank = reach.ceil().max(1.0) as usize;
        rank.min(pairs.div_ceil(2))
    }

    /// Mean of the two middle differences, or the middle one; `found` is the lower of them, and
    /// the next if it is known.
    fn median_difference(&mut self, pairs: usize, found: (f64, Option<f64>)) -> f64 {
        let (low, next) = found;
        if pairs % 2 == 1 {
            return low;
        }
        let high = next.unwrap_or_else(|| self.differences([pairs / 2 + 1])[0].0);
        // Halves of the smallest numbers are zero; equal middles need no mean.
        if low.total_cmp(&high).is_eq() {
            return low;
        }
        0.5 * low + 0.5 * high
    }

    /// The differences of the given ranks, 1-based and ascending, and with each the next one if
    /// that was cheap to see.
    fn differences<const N: usize>(&mut self, ranks: [usize; N]) -> [(f64, Option<f64>); N] {
        let density = self.guess(self.ranks.n * self.ranks.m).density;
        let Scratch { x, y, ladder, .. } = &mut *self.scratch;
        let widest = (x[x.len() - 1] - y[0]).max(y[y.len() - 1] - x[0]);
        let found = if widest.is_finite() {
            ladder.find(x, y, ranks, density)
        } else {
            [None; N]
        };
        let mut turn = 0;
        ranks.map(|rank| {
            let known = found[turn];
            turn += 1;
            known.unwrap_or_else(|| self.difference(rank))
        })
    }

    /// One difference, the longer way.
    fn difference(&mut self, rank: usize) -> (f64, Option<f64>) {
        let pairs = self.ranks.n * self.ranks.m;
        let guess = self.guess(pairs);
        let off_centre = rank as f64 - 0.5 * pairs as f64;
        let at = guess.centre + off_centre / guess.density;
        kth_difference(self.scratch, rank, at, guess.density)
    }

    /// From the quartiles, as if both samples were normal: the density of the difference of two
    /// normals at its centre is 1/(2 s √π).
    fn guess(&self, pairs: usize) -> Guess {
        let (x, y) = (&self.scratch.x, &self.scratch.y);
        let quarter = |s: &[f64], k: usize| s[(s.len() - 1) * k / 4];
        let spread = |s: &[f64]| (quarter(s, 3) - quarter(s, 1)) / 1.349;
        let sd = libm::sqrt(0.5 * (spread(x) * spread(x) + spread(y) * spread(y)));
        let density = pairs as f64 * 0.282_094_791_773_878_14 / sd;
        Guess {
            centre: quarter(x, 2) - quarter(y, 2),
            density,
        }
    }
}
