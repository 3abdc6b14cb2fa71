//! The e-value of one sequence.
//!
//! A term of the mixture (one point of the grid, one onset, one effect γ) is
//!
//! ```text
//! 2 w (1 + γC)^(-1/2) (1 - r)^(-ν/2) T_ν(τ),   r = S² / (Q (C + 1/γ)),   τ² = ν r/(1 - r)
//! ```
//!
//! with S and C the sums of the mean's column, Q the sum of squares, ν the degrees of freedom and
//! T Student's distribution function. Its upper tail is at most `½ (1 + τ²/ν)^(-ν/2)`, which is
//! `½ (1 - r)^(ν/2)`: both are ½ at 0 and 0 at infinity, and their difference first grows, then
//! falls. So for S > 0 the term is at least `2 w (1 + γC)^(-1/2) ((1 - r)^(-ν/2) - ½)`, and for
//! S < 0 at least 0. The sum of these bounds is never more than the e-value, so it keeps what the
//! e-value promises; where evidence decides, it is smaller by less than a hundredth. And as ν is a
//! whole number it needs no logarithm: powers are products, eight points of the grid at a time.
//! Beyond the range of numbers [`State::ln_e_exact`] takes over.

use super::gains::Gains;
use super::lanes::{LANES, Lanes, each};
use super::weights::{Fit, Terms, Weights};
use super::{EFFECTS, LARGEST_SHARE, Side, Span, State};

/// What the terms are asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// 1 where the mean is above, -1 below.
    sign: f64,
    /// Taken from every value.
    shift: f64,
    /// So many onsets.
    onsets: usize,
}

impl State {
    /// ln of (at least almost all of) the e-value against "the mean of the values less `shift` is
    /// at most zero" (at least, for [`Side::Below`]).
    ///
    /// With [`Span::FromStart`] only means that are there from the first value count.
    ///
    /// `history` holds, per point of the grid, what an independent stretch of the same noise says
    /// of it ([`super::history_ln_likelihood`]); empty when there is none. With it the result is
    /// the mean of the e-value that uses it and the one that does not. Costs O(points × onsets).
    pub fn ln_e(
        &self,
        gains: &Gains,
        weights: &mut Weights,
        (side, span, shift): (Side, Span, f64),
        history: &[f64],
    ) -> f64 {
        let [ln_e] = self.ln_e_of(gains, weights, ([(side, span)], shift), history);
        ln_e
    }

    /// [`State::ln_e`] of several questions about the same shift.
    pub fn ln_e_of<const N: usize>(
        &self,
        gains: &Gains,
        weights: &mut Weights,
        (questions, shift): ([(Side, Span); N], f64),
        history: &[f64],
    ) -> [f64; N] {
        self.fit(gains, weights, shift);
        let told = (!history.is_empty()).then(|| Told::new(weights, history));
        questions.map(|(side, span)| {
            let (onsets, ln_whole) = weights.asked(span);
            let asked = Asked {
                sign: side.sign(),
                shift,
                onsets,
            };
            let (mut sum, mut told_sum) = (0.0, 0.0);
            for (block, fit) in weights.fits.iter().enumerate() {
                let from = block * gains.width();
                let sums = self.mixture(gains, weights, (from, fit), asked);
                for (likelihood, mixture) in fit.likelihood.iter().zip(&sums) {
                    sum += likelihood * mixture;
                }
                if let Some(told) = &told {
                    told_sum += told.weigh(fit, block, &sums);
                }
            }
            let e = if told.is_some() {
                0.5 * (sum + told_sum)
            } else {
                sum
            };
            if !e.is_finite() {
                return self.ln_e_exact(gains, weights, (side, span, shift), history);
            }
            // No evidence at all is finite, so that sums of e-values stay finite.
            libm::log(e.max(f64::MIN_POSITIVE)) + ln_whole
        })
    }

    /// What all terms of a point share.
    pub(super) fn fit(&self, gains: &Gains, weights: &mut Weights, shift: f64) {
        let half = 0.5 * weights.count;
        weights.fits.clear();
        for (block, ln_det) in weights.ln_det.iter().enumerate() {
            let square = self.squares(gains, block, shift);
            let mut ln_null = [f64::NEG_INFINITY; LANES];
            let points = (weights.points - block * LANES).min(LANES);
            for l in 0..points {
                ln_null[l] = -half * libm::log(square[l]) - 0.5 * ln_det[l];
            }
            weights.fits.push(Fit {
                square,
                ln_null,
                likelihood: [0.0; LANES],
            });
        }
        let ln_nulls = weights.fits.iter().flat_map(|fit| fit.ln_null);
        let largest = ln_nulls.fold(f64::NEG_INFINITY, f64::max);
        for fit in &mut weights.fits {
            for l in 0..LANES {
                if fit.ln_null[l] > f64::NEG_INFINITY {
                    fit.likelihood[l] = libm::exp(fit.ln_null[l] - largest);
                }
            }
        }
    }

    /// Σ over onsets and effects of the terms of a block, relative to its likelihoods under a mean
    /// of zero; infinite beyond the range of numbers.
    fn mixture(
        &self,
        gains: &Gains,
        weights: &Weights,
        (from, fit): (usize, &Fit),
        asked: Asked,
    ) -> Lanes {
        let inverse = fit.square.map(|square| 1.0 / square);
        let mut sum = [0.0; LANES];
        let sums = &self.sums[from..from + asked.onsets];
        let regressors = &gains.regressors[from..from + asked.onsets];
        let terms = &weights.terms[from..from + asked.onsets];
        for ((column, regressor), terms) in sums.iter().zip(regressors).zip(terms) {
            let s = each(|l| asked.sign * (column[l] - asked.shift * regressor.cross[l]));
            let speaks = s.map(|s| if s > 0.0 { 1.0 } else { 0.0 });
            let share = each(|l| speaks[l] * s[l] * s[l] * inverse[l]);
            let gained = powers(&rests(share, terms), weights.whole_count);
            for (gained, scale) in gained.iter().zip(&terms.scale) {
                for l in 0..LANES {
                    sum[l] += scale[l] * (gained[l] - 0.5) * speaks[l];
                }
            }
        }
        sum
    }
}

/// 1/(1 - r) of every effect.
#[inline]
fn rests(share: Lanes, terms: &Terms) -> [Lanes; EFFECTS.len()] {
    std::array::from_fn(|e| {
        each(|l| {
            let explained = share[l] * terms.shrink[e][l];
            let explained = if explained < LARGEST_SHARE {
                explained
            } else {
                LARGEST_SHARE
            };
            1.0 / (1.0 - explained)
        })
    })
}

/// To the power of `count`/2, by squaring from the highest bit down.
#[inline]
fn powers(base: &[Lanes; EFFECTS.len()], count: u32) -> [Lanes; EFFECTS.len()] {
    let whole = count / 2;
    let mut out = *base;
    for bit in (0..whole.checked_ilog2().unwrap_or(0)).rev() {
        for out in &mut out {
            *out = out.map(|v| v * v);
        }
        if (whole >> bit) & 1 == 1 {
            for (out, base) in out.iter_mut().zip(base) {
                *out = each(|l| out[l] * base[l]);
            }
        }
    }
    if count % 2 == 1 {
        for (out, base) in out.iter_mut().zip(base) {
            *out = each(|l| out[l] * base[l].sqrt());
        }
    }
    out
}

/// The likelihoods of the points under a mean of zero with what history says of them, relative to
/// the largest: the denominator of the e-value.
#[derive(Clone, Copy, Debug)]
struct Told<'a> {
    ln_largest: f64,
    said: &'a [f64],
}

impl<'a> Told<'a> {
    fn new(weights: &Weights, said: &'a [f64]) -> Self {
        let mut ln_largest = f64::NEG_INFINITY;
        let ln_null = weights.fits.iter().flat_map(|fit| fit.ln_null);
        for (ln_null, said) in ln_null.zip(said) {
            ln_largest = ln_largest.max(ln_null + said);
        }
        Self { ln_largest, said }
    }

    /// Σ of the mixtures of a block, each times its likelihood.
    fn weigh(&self, fit: &Fit, block: usize, mixtures: &Lanes) -> f64 {
        let mut sum = 0.0;
        for (l, mixture) in mixtures.iter().enumerate() {
            if let Some(said) = self.said.get(block * LANES + l) {
                sum += libm::exp(fit.ln_null[l] + said - self.ln_largest) * mixture;
            }
        }
        sum
    }
}
