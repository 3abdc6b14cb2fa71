//! One number per instant: how much worse the canary is than the baseline moved by the limit.
//!
//! For relative limits of values that are not negative it is `(C - a)/(C + a)` with
//! `a = (1 + limit) B`, which is tanh(½ ln(C/a)): bounded, free of the unit, and whatever
//! multiplies both arms at once cancels. Everything else is the difference in units of the
//! baseline's usual size.

use crate::judge::finding::Scale;
use crate::judge::sequential::pairs::Pairs;
use crate::stats::summary;
use crate::units::MinEffect;

/// Pairs from which the usual size of the baseline is taken when there is no history: as many as
/// pass the winsoriser unclipped.
const SIZED_BY: usize = crate::stats::winsor::WARM_UP;

/// Bursts begin where the effect is this many times the limit, and at least [`BURST_LEAST`]: what
/// is barely over the limit for a moment is noise.
const BURST_LIMITS: f64 = 2.0;

/// As ln of a ratio, 65 % more: transient regressions of labelled incidents lie well beyond, the
/// noise of healthy pairs mostly below.
const BURST_LEAST: f64 = 0.5;

/// How a pair becomes a number; harm is above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Contrast {
    /// Relative, of values ≥ 0.
    Ratio {
        /// What the baseline is multiplied by: 1 ± the limit.
        factor: f64,
        /// Harm is more.
        up: bool,
    },
    /// By difference.
    Difference {
        /// The limit in the metric's unit.
        margin: f64,
        /// What counts as one.
        size: f64,
        /// Harm is more.
        up: bool,
    },
}

impl Contrast {
    /// The contrast of a limit. The pairs decide whether ratios can be taken, and the size of
    /// differences.
    pub fn new(limit: MinEffect, up: bool, pairs: &Pairs<'_>) -> Self {
        match limit {
            MinEffect::Relative(share) if !pairs.any_negative() => Self::Ratio {
                factor: if up {
                    1.0 + share
                } else {
                    1.0 - share.min(1.0)
                },
                up,
            },
            _ => {
                let level = usual_size(pairs);
                let margin = match limit {
                    MinEffect::Relative(share) => share * level,
                    MinEffect::Absolute(value) => value,
                };
                let size = [level, margin].into_iter().find(|v| *v > 0.0);
                Self::Difference {
                    margin,
                    size: size.unwrap_or(1.0),
                    up,
                }
            }
        }
    }

    /// The same with the limit moved by `by` on the scale of the effect.
    #[must_use]
    pub fn moved(self, by: f64) -> Self {
        match self {
            Self::Ratio { factor, up } => Self::Ratio {
                factor: factor * libm::exp(by),
                up,
            },
            Self::Difference { margin, size, up } => Self::Difference {
                margin: margin + if up { by } else { -by },
                size,
                up,
            },
        }
    }

    /// Whether the effect is a ratio.
    pub fn is_ratio(self) -> bool {
        matches!(self, Self::Ratio { .. })
    }

    /// The contrast of one pair.
    pub fn of(self, baseline: f64, canary: f64) -> f64 {
        match self {
            Self::Ratio { factor, up } => {
                let moved = factor * baseline;
                let sum = canary + moved;
                if sum <= 0.0 {
                    return 0.0;
                }
                let difference = if up { canary - moved } else { moved - canary };
                // Sums that overflow are still no more than 1.
                if sum.is_finite() {
                    difference / sum
                } else {
                    (difference / 4.0) / (canary / 4.0 + moved / 4.0)
                }
            }
            Self::Difference { margin, size, up } => {
                let difference = canary - baseline;
                let harm = if up { difference } else { -difference };
                let value = (harm - margin) / size;
                value.clamp(-DIFFERENCE_MAX, DIFFERENCE_MAX)
            }
        }
    }

    /// Whether the contrast of one pair is more than `bound`.
    pub fn exceeds(self, baseline: f64, canary: f64, bound: f64) -> bool {
        if let Self::Ratio { factor, up } = self {
            let moved = factor * baseline;
            let sum = canary + moved;
            let difference = if up { canary - moved } else { moved - canary };
            if sum > 0.0 && sum.is_finite() {
                return difference > bound * sum;
            }
        }
        self.of(baseline, canary) > bound
    }

    /// On which scale [`Contrast::effect`] is.
    pub fn scale(self) -> Scale {
        match self {
            Self::Ratio { .. } => Scale::LogRatio,
            Self::Difference { .. } => Scale::Difference,
        }
    }

    /// The effect (canary against baseline) of which a contrast tells; falls with the contrast
    /// where harm is less.
    pub fn effect(self, contrast: f64) -> f64 {
        match self {
            Self::Ratio { factor, up } => {
                let stretched = libm::log1p(contrast) - libm::log1p(-contrast);
                libm::log(factor) + if up { stretched } else { -stretched }
            }
            Self::Difference { margin, size, up } => {
                let harm = contrast * size + margin;
                if up { harm } else { -harm }
            }
        }
    }

    /// The largest and the smallest contrast an interval may reach.
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::Ratio { .. } => (-1.0 + 1e-9, 1.0 - 1e-9),
            Self::Difference { .. } => (-DIFFERENCE_MAX, DIFFERENCE_MAX),
        }
    }

    /// The effect at an end of an interval of contrasts; infinite where the contrasts end.
    pub fn end(self, at: f64) -> f64 {
        let (lowest, highest) = self.range();
        let sign = if self.is_up() { 1.0 } else { -1.0 };
        if at <= lowest {
            sign * f64::NEG_INFINITY
        } else if at >= highest {
            sign * f64::INFINITY
        } else {
            self.effect(at)
        }
    }

    /// What a contrast of one means in the metric's unit, for differences.
    pub fn size(self) -> f64 {
        match self {
            Self::Ratio { .. } => 1.0,
            Self::Difference { size, .. } => size,
        }
    }

    /// Beyond it a contrast is a burst, if it is also far outside of its own noise.
    pub fn burst(self) -> f64 {
        match self {
            Self::Ratio { factor, .. } => {
                let limit = libm::log(factor).abs();
                let beyond = (BURST_LIMITS * limit).max(BURST_LEAST) - limit;
                if beyond.is_finite() {
                    libm::tanh(0.5 * beyond)
                } else {
                    1.0
                }
            }
            Self::Difference { margin, size, .. } => {
                ((BURST_LIMITS - 1.0) * margin.abs() / size).max(BURST_LEAST)
            }
        }
    }

    /// Whether harm is more.
    pub fn is_up(self) -> bool {
        match self {
            Self::Ratio { up, .. } | Self::Difference { up, .. } => up,
        }
    }
}

/// Differences beyond a million usual sizes are cut: their squares must stay finite.
const DIFFERENCE_MAX: f64 = 1e6;

/// Median size of the baseline in the first pairs, or of the canary when that is zero.
fn usual_size(pairs: &Pairs<'_>) -> f64 {
    let first = || pairs.known().take(SIZED_BY);
    let median = |values: Vec<f64>| summary::median(&values).unwrap_or(0.0);
    let baseline = median(first().map(|(b, _)| b.abs()).collect());
    if baseline > 0.0 {
        return baseline;
    }
    median(first().map(|(_, c)| c.abs()).collect())
}
