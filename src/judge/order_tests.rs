//! The two questions at every bound of a distribution: is the canary shown beyond the limit, and
//! is it shown short of it?

use crate::judge::order_blocks::Blocks;
use crate::judge::order_offset::Allowed;
use crate::stats::order_limits::{divergence, events_needed, nats_needed};
use crate::stats::sequential::log_e_below;
use crate::stats::stochastic_order::{Beyond, HarmTest, Margin, OrderTest, SafetyTest};
use crate::stats::wander::Doubts;
use crate::stats::{binomial, normal};
use crate::units::{Harm, MinEffect};

/// A direction of harm: the canary above the baseline, or below it (then the arms change places).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Direction {
    /// By how much it may.
    pub(super) margin: Margin,
    /// Less beyond the bounds is harm.
    pub(super) swapped: bool,
}

impl Direction {
    /// The directions that are harm. A decrease of 100 % or more cannot be exceeded: it is none.
    pub(super) fn all(limit: MinEffect, harm: Harm) -> Vec<Self> {
        let up = (harm != Harm::Decrease).then_some(Self {
            margin: match limit {
                MinEffect::Relative(share) => Margin::Ratio(1.0 + share),
                MinEffect::Absolute(value) => Margin::Difference(value),
            },
            swapped: false,
        });
        let margin = match limit {
            MinEffect::Relative(share) => (share < 1.0).then(|| Margin::Ratio(1.0 / (1.0 - share))),
            MinEffect::Absolute(value) => Some(Margin::Difference(value)),
        };
        let down = margin
            .filter(|_| harm != Harm::Increase)
            .map(|margin| Self {
                margin,
                swapped: true,
            });
        up.into_iter().chain(down).collect()
    }

    /// The same with another margin.
    pub(super) fn with(self, margin: Margin) -> Self {
        Self { margin, ..self }
    }

    fn turn(self, beyond: Beyond) -> Beyond {
        if self.swapped {
            beyond.swapped()
        } else {
            beyond
        }
    }

    /// The largest share that is within the margin.
    fn limit_of(self, level: f64) -> f64 {
        match self.margin {
            Margin::Ratio(ratio) => ratio * level,
            Margin::Difference(margin) => level + margin,
        }
    }
}

/// What one bound says about safety.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Safety {
    /// ln of the e-value of "at or beyond the limit"; −∞ where it is not considered.
    pub(super) log_e: f64,
    /// Whether it has enough observations to be asked.
    pub(super) considered: bool,
    /// By which factor the data have to grow until it is.
    pub(super) growth: f64,
    /// It cannot tell, but what it has lies beyond the limit.
    pub(super) suspicious: bool,
}

/// All bounds in one direction.
#[derive(Clone, Debug)]
pub(super) struct Tested {
    pub(super) direction: Direction,
    /// The test over all bounds.
    pub(super) order: OrderTest,
    /// By bound.
    pub(super) safety: Vec<Safety>,
}

/// A bound that cannot tell is beyond the limit in passing when it is by so many standard
/// deviations: one-sided 5 %.
const SUSPICIOUS: f64 = 1.645;

/// Runs the test in one direction, at every bound with the margin that healthy arms are allowed
/// there; harm is expected to begin within `horizon` blocks. With `only` there is one bound and it
/// has to be shown safe, however few its observations are.
pub(super) fn run(
    blocks: &Blocks,
    (direction, allowed): (Direction, &Allowed),
    horizon: u32,
    beta: f64,
    only: bool,
) -> Tested {
    let doubts = blocks.doubts();
    let fresh = |idx| {
        let margin = allowed.harm(idx, direction).margin;
        HarmTest::new(margin, horizon, blocks.prior(idx))
    };
    let mut order = OrderTest::new((0..blocks.bounds.len()).map(fresh).collect());
    order.doubt(doubts.iter().copied());
    for block in &blocks.blocks {
        let turned: Vec<Beyond> = block.iter().map(|b| direction.turn(*b)).collect();
        order.observe(&turned);
    }
    let safety = doubts.into_iter().enumerate().map(|(idx, doubts)| {
        let limits = [
            allowed.safe(idx, direction),
            allowed.expected(idx, direction),
        ];
        let mut found = safety(blocks, (idx, doubts), limits, beta, only);
        found.log_e += allowed.ln_kept();
        found
    });
    let safety = safety.collect();
    Tested {
        direction,
        order,
        safety,
    }
}

fn safety(
    blocks: &Blocks,
    (bound_idx, doubts): (usize, Doubts),
    [direction, expected_limit]: [Direction; 2],
    beta: f64,
    only: bool,
) -> Safety {
    let seen = direction.turn(blocks.total(bound_idx));
    let dispersion = blocks.dispersion(bound_idx);
    let level = (seen.baseline + 0.5) / (seen.baseline_all + 1.0);
    let share = seen.canary_all / (seen.canary_all + seen.baseline_all).max(1.0);
    let alone = match direction.margin {
        // The canary's share is at least a margin above nothing; of one below that tells nothing.
        Margin::Difference(margin) if margin > 0.0 => Some((margin, seen.canary_all / dispersion)),
        Margin::Difference(_) | Margin::Ratio(_) => None,
    };
    // Few observations tell little of their clusters; those beyond lower bounds are more.
    let scatters = (0..=bound_idx).map(|idx| blocks.dispersion(idx));
    let least_scatter = scatters.fold(dispersion, f64::min);
    let possible = direction.limit_of(level) < 1.0;
    let expected = seen.baseline / seen.baseline_all.max(1.0) * seen.all() / dispersion;
    let mut growth = events_needed(direction.margin, share, level, beta) / expected;
    if let Some((margin, all)) = alone.filter(|(margin, _)| level < *margin) {
        growth = growth.min(nats_needed(beta) / (all * divergence(level, margin)));
    }
    let considered = only || (possible && growth <= 1.0);
    let mut log_e = f64::NEG_INFINITY;
    if considered {
        let mut test = SafetyTest::new(direction.margin, blocks.prior(bound_idx));
        test.doubt(doubts);
        let at = blocks.at(bound_idx, direction.swapped);
        for beyond in at {
            test.observe(beyond);
        }
        log_e = test.log_e();
    }
    if let Some((margin, all)) = alone.filter(|_| considered) {
        // At the limit the canary's share is at least the margin, whatever the baseline's is:
        // that alone tells when hardly anything lies beyond the bound.
        let below = log_e_below(whole(seen.canary / dispersion), whole(all), margin);
        let most = log_e.max(below);
        log_e = most + libm::log(0.5 * (libm::exp(log_e - most) + libm::exp(below - most)));
    }
    Safety {
        log_e,
        considered,
        growth: if possible && growth > 0.0 {
            growth
        } else {
            f64::INFINITY
        },
        suspicious: !considered && excess(expected_limit, seen, least_scatter) > SUSPICIOUS,
    }
}

/// By how many standard deviations the canary's share lies beyond the limit; rough.
pub(super) fn excess(direction: Direction, seen: Beyond, dispersion: f64) -> f64 {
    let (gap, spread, limit) = gap(direction, seen, dispersion);
    (gap - limit) / spread
}

/// Whether the canary's share lies beyond the limit, whatever that shows.
pub(super) fn lies_beyond(direction: Direction, seen: Beyond) -> bool {
    let seen = direction.turn(seen);
    let both = seen.canary_all > 0.0 && seen.baseline_all > 0.0;
    let level = seen.baseline / seen.baseline_all;
    both && seen.canary / seen.canary_all > direction.limit_of(level)
}

/// The difference on the scale of the margin, its standard deviation, and the margin.
fn gap(direction: Direction, seen: Beyond, dispersion: f64) -> (f64, f64, f64) {
    let (kc, kb) = (seen.canary + 0.5, seen.baseline + 0.5);
    let (nc, nb) = (seen.canary_all + 1.0, seen.baseline_all + 1.0);
    match direction.margin {
        Margin::Ratio(ratio) => (
            libm::log(kc / nc * nb / kb),
            libm::sqrt(dispersion * (1.0 / kc + 1.0 / kb)),
            libm::log(ratio),
        ),
        Margin::Difference(margin) => (
            kc / nc - kb / nb,
            libm::sqrt(dispersion * (kc / (nc * nc) + kb / (nb * nb))),
            margin,
        ),
    }
}

/// Whether a plain test of "no difference" at `alpha` finds harm at a bound, and the probability
/// with which it would have found a difference of the limit.
pub(super) fn plain(blocks: &Blocks, idx: usize, direction: Direction, alpha: f64) -> (bool, f64) {
    let seen = direction.turn(blocks.total(idx));
    let dispersion = blocks.dispersion(idx);
    let (distance, spread, limit) = gap(direction, seen, dispersion);
    // A difference of the limit scatters as what would then be seen, not as what was.
    let usual = (seen.baseline + 0.5) / (seen.baseline_all + 1.0);
    let there = match direction.margin {
        Margin::Ratio(ratio) => usual * ratio,
        Margin::Difference(margin) => usual + margin,
    };
    let at_limit = Beyond {
        canary: there.clamp(0.0, 1.0) * seen.canary_all,
        ..seen
    };
    let (_, spread_there, _) = gap(direction, at_limit, dispersion);
    let z = normal::inverse_sf(alpha.clamp(1e-12, 0.5));
    let power = normal::cdf(limit / spread.max(spread_there) - z);
    (distance / spread > z, power)
}

/// Observations as a whole number for the binomial.
fn whole(count: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; saturates"
    )]
    let count = count.round() as u64;
    count
}

/// Counts of both arms for people: `4.1 % against 1.2 %`.
pub(super) fn shares(seen: Beyond) -> String {
    let percent = |part: f64, all: f64| {
        let counts = binomial::Counts {
            bad: whole(part),
            total: whole(all),
        };
        let share = counts.ratio().unwrap_or(0.0);
        format!("{} %", crate::units::trim_number(share * 100.0))
    };
    let canary = percent(seen.canary, seen.canary_all);
    let baseline = percent(seen.baseline, seen.baseline_all);
    format!("{canary} against {baseline}")
}
