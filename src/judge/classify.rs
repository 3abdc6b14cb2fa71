//! From a comparison of two arms and a limit to a label, an interval that agrees with it, and
//! what more data would bring.
//!
//! Two one-sided tests stand on each limit: *worse* is shown when "not beyond the limit" is
//! rejected at alpha, *within* when "at or beyond the limit" is rejected at beta. The interval is
//! their inversion: on the side of the estimate that speaks for harm its bound has level alpha, on
//! the other level beta, and its confidence is 1 - alpha - beta. So an interval that lies wholly
//! beyond the limit is *worse*, one that lies wholly short of it is *within*, and no other is
//! either. Where discreteness makes test and inversion differ by one step, the test decides and
//! the bound is moved to the limit.

use crate::judge::judgement::{Evidence, Label, Needs};
use crate::judge::look::{Levels, Look};
use crate::stats::normal;
use crate::units::{Harm, MinEffect};

/// A comparison of canary and baseline on some scale where zero is "no difference" and larger
/// is "the canary has more".
pub trait Comparison {
    /// The difference.
    fn estimate(&mut self) -> f64;
    /// (p of "not above `limit`", p of "not below `limit`").
    fn p_above_below(&mut self, limit: f64) -> (f64, f64);
    /// The lower bound with one-sided error `tail`; may be −∞.
    fn lower(&mut self, tail: f64) -> f64;
    /// The upper bound with one-sided error `tail`; may be +∞.
    fn upper(&mut self, tail: f64) -> f64;
    /// About how uncertain the estimate is, as one standard deviation.
    fn spread(&mut self) -> f64;
}

/// Where harm begins on the scale of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Above it an increase is harm; ≥ 0.
    pub up: f64,
    /// Below it a decrease is harm; ≤ 0, may be −∞.
    pub down: f64,
}

impl Limits {
    /// ±`margin`.
    pub fn shift(margin: f64) -> Self {
        Self {
            up: margin,
            down: -margin,
        }
    }

    /// A share of the baseline on the scale of ln(canary / baseline): 1 ± `share`.
    pub fn log_ratio(share: f64) -> Self {
        Self {
            up: libm::log1p(share),
            down: libm::log1p(-share.min(1.0)),
        }
    }

    /// On the scale of differences; a relative margin is taken of `level`.
    pub fn difference(margin: MinEffect, level: f64) -> Self {
        match margin {
            MinEffect::Absolute(value) => Self::shift(value),
            MinEffect::Relative(share) => Self::shift(share * level.abs()),
        }
    }
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The label.
    pub label: Label,
    /// The estimate.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// 1 less the errors of both bounds.
    pub confidence: f64,
    /// The p-values on which it was decided.
    pub evidence: Evidence,
    /// One standard deviation of the estimate.
    pub spread: f64,
}

/// The two tests and their inversion. `Either` is two pairs of tests: alpha is halved between
/// the directions, beta is not (both have to be rejected).
pub fn decide(c: &mut impl Comparison, limits: Limits, harm: Harm, levels: Levels) -> Decision {
    let estimate = c.estimate();
    let (alpha, beta) = (levels.alpha, levels.beta);
    let (p_harm, p_safe, tails) = match harm {
        Harm::Increase => {
            let (above, below) = c.p_above_below(limits.up);
            (above, below, (alpha, beta))
        }
        Harm::Decrease => {
            let (above, below) = c.p_above_below(limits.down);
            (below, above, (beta, alpha))
        }
        Harm::Either => {
            let (above_up, below_up) = c.p_above_below(limits.up);
            let (above_down, below_down) = c.p_above_below(limits.down);
            let p_harm = (2.0 * above_up.min(below_down)).min(1.0);
            let tails = if estimate > limits.up {
                (0.5 * alpha, beta)
            } else if estimate < limits.down {
                (beta, 0.5 * alpha)
            } else {
                (beta, beta)
            };
            (p_harm, below_up.max(above_down), tails)
        }
    };
    let label = if alpha > 0.0 && p_harm <= alpha {
        Label::Worse
    } else if p_safe <= beta {
        Label::Within
    } else {
        Label::Undecided
    };
    let (low, high) = (
        c.lower(tails.0).min(estimate),
        c.upper(tails.1).max(estimate),
    );
    let (low, high) = agree(label, (low, high), limits, harm, estimate);
    Decision {
        label,
        estimate,
        low,
        high,
        confidence: (1.0 - tails.0 - tails.1).clamp(0.0, 1.0),
        evidence: Evidence {
            p_harm,
            alpha,
            p_safe,
            beta,
        },
        spread: c.spread(),
    }
}

/// Moves bounds to the limit where a step of a discrete distribution parts them from the label.
pub(super) fn agree(
    label: Label,
    (mut low, mut high): (f64, f64),
    limits: Limits,
    harm: Harm,
    estimate: f64,
) -> (f64, f64) {
    let up = harm == Harm::Increase || (harm == Harm::Either && estimate >= 0.0);
    let (above, below) = (harm != Harm::Decrease, harm != Harm::Increase);
    match label {
        // What is shown by another test than that of the bounds may have both short of the limit.
        Label::Worse if up => {
            low = low.max(limits.up.next_up());
            high = high.max(low);
        }
        Label::Worse => {
            high = high.min(limits.down.next_down());
            low = low.min(high);
        }
        Label::Within => {
            if above {
                high = high.min(limits.up.next_down());
            }
            if below {
                low = low.max(limits.down.next_up());
            }
        }
        Label::Undecided | Label::Lagging | Label::NoData => {
            if above {
                low = low.min(limits.up);
            }
            if below {
                high = high.max(limits.down);
            }
            let inside = (!above || high < limits.up) && (!below || low > limits.down);
            if inside && up {
                high = limits.up;
            } else if inside {
                low = limits.down;
            }
        }
    }
    (low, high)
}

/// The limit that the estimate is nearest to breaking.
fn nearest(limits: Limits, harm: Harm, estimate: f64) -> (f64, f64) {
    let up = match harm {
        Harm::Increase => true,
        Harm::Decrease => false,
        Harm::Either => limits.up - estimate <= estimate - limits.down,
    };
    if up {
        (limits.up, 1.0)
    } else {
        (limits.down, -1.0)
    }
}

/// The probability with which a plain test of "no difference" at the whole alpha would have
/// found a difference of exactly the limit, were there one; and whether that test finds harm.
///
/// Normal approximation, from the spread of the estimate. The test at the limit itself would find
/// a difference of the limit with probability alpha only, so it is not the one to ask.
pub fn power(decision: &Decision, limits: Limits, harm: Harm, levels: Levels) -> (f64, bool) {
    let tail = if harm == Harm::Either { 0.5 } else { 1.0 } * levels.alpha_whole;
    if tail <= 0.0 || decision.spread <= 0.0 {
        return (0.0, false);
    }
    let z = normal::inverse_sf(tail.min(0.5));
    let (limit, sign) = nearest(limits, harm, decision.estimate);
    let power = normal::cdf(limit.abs() / decision.spread - z);
    (power, sign * decision.estimate / decision.spread > z)
}

/// What more time would bring: the spread falls with the square root of the data, the estimate
/// and the dependence stay as they are.
pub fn needs(
    decision: &Decision,
    limits: Limits,
    harm: Harm,
    look: &Look,
    levels_at: impl Fn(&Look) -> Levels,
) -> Needs {
    if matches!(decision.label, Label::Worse | Label::Within) {
        return Needs::Nothing;
    }
    let halved = if harm == Harm::Either { 0.5 } else { 1.0 };
    let (limit, sign) = nearest(limits, harm, decision.estimate);
    let beyond = sign * (decision.estimate - limit);
    for (more, grown, future) in look.future() {
        let levels = levels_at(&future);
        let level = if beyond > 0.0 {
            halved * levels.alpha
        } else {
            levels.beta
        };
        let spread = decision.spread / libm::sqrt(grown);
        if level > 0.0 && beyond.abs() > normal::inverse_sf(level.min(0.5)) * spread {
            return Needs::Time(more);
        }
    }
    Needs::MoreThanThereIs
}
