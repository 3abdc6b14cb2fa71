//! The e-value term by term, in logarithms and with the exact tail of Student's distribution: the
//! form of the specification, which the vectors check, and what counts where powers overflow.

use super::gains::Gains;
use super::lanes::LANES;
use super::weights::Weights;
use super::{EFFECTS, LARGEST_SHARE, Side, Span, State};
use crate::stats::student;

impl State {
    /// [`State::ln_e`] without its bound: never less, and some fifty times the work.
    pub fn ln_e_exact(
        &self,
        gains: &Gains,
        weights: &mut Weights,
        (side, span, shift): (Side, Span, f64),
        history: &[f64],
    ) -> f64 {
        let (onsets, ln_whole) = weights.asked(span);
        self.fit(gains, weights, shift);
        let (mut plain, mut told) = (Ratio::default(), Ratio::default());
        for idx in 0..weights.points {
            let (first, l) = gains.place(idx, 0);
            let fit = &weights.fits[idx / LANES];
            let said = history.get(idx).copied().unwrap_or(0.0);
            plain.null(fit.ln_null[l]);
            told.null(fit.ln_null[l] + said);
            for at in first..first + onsets {
                let regressor = &gains.regressors[at];
                let sum = side.sign() * (self.sums[at][l] - shift * regressor.cross[l]);
                let share = sum * sum / fit.square[l];
                for e in 0..EFFECTS.len() {
                    let terms = &weights.terms[at];
                    let explained = (share * terms.shrink[e][l]).min(LARGEST_SHARE);
                    let ln = ln_term(explained, sum > 0.0, weights.count);
                    let ln = fit.ln_null[l] + libm::log(terms.scale[e][l]) + ln;
                    plain.add(ln);
                    told.add(ln + said);
                }
            }
        }
        let (plain, told) = (plain.ln_e(), told.ln_e());
        let ln_e = if history.is_empty() {
            plain
        } else {
            let (low, high) = (plain.min(told), plain.max(told));
            high + libm::log(0.5 * (1.0 + libm::exp(low - high)))
        };
        ln_e + ln_whole
    }
}

/// ln of (1 - r)^(-ν/2) times Student's distribution function, up to where `positive` values
/// speak for the mean, else its tail.
fn ln_term(explained: f64, positive: bool, count: f64) -> f64 {
    /// Beyond it the tail is on its way to underflow, and its first order (Mills' ratio) is right
    /// to 0.2 %.
    const FAR: f64 = 300.0;
    let stretch = -libm::log1p(-explained);
    let gain = 0.5 * count * stretch;
    if !positive && gain > FAR {
        return -libm::log(2.0 * libm::sqrt(std::f64::consts::PI * gain));
    }
    gain + libm::log(student::cdf_of_stretch(stretch, count, positive))
}

/// ln of a growing sum, and ln of the largest null likelihood.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    largest: f64,
    sum: f64,
    null: f64,
}

impl Default for Ratio {
    fn default() -> Self {
        Self {
            largest: f64::NEG_INFINITY,
            sum: 0.0,
            null: f64::NEG_INFINITY,
        }
    }
}

impl Ratio {
    fn null(&mut self, ln: f64) {
        self.null = self.null.max(ln);
    }

    fn add(&mut self, ln: f64) {
        if ln > self.largest {
            self.sum = self.sum * libm::exp(self.largest - ln) + 1.0;
            self.largest = ln;
        } else if ln > f64::NEG_INFINITY {
            self.sum += libm::exp(ln - self.largest);
        }
    }

    fn ln_e(self) -> f64 {
        // No evidence at all is finite, so that sums of e-values stay finite.
        let largest = self.largest.max(f64::MIN);
        largest + libm::log(self.sum.max(f64::MIN_POSITIVE)) - self.null
    }
}
