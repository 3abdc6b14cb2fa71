//! How much error one look may spend, and what future looks will have.
//!
//! *Worse* ends an analysis at any look, so its error is spent over the looks by the spending
//! function of Lan and DeMets in the O'Brien-Fleming shape, each look testing at its own
//! increment: by Boole's inequality the looks together err with at most the whole, whatever their
//! dependence. *Within* leads to a promote at the first look after the bake time at which every
//! gate has it, so it too is read repeatedly; it gets one constant level for all looks.
//!
//! Both depend only on the plan and on the instant covered, so that a judgement repeated alone
//! has the same levels (A6).

use crate::plan::{MetricPlan, Plan, Timing};
use crate::stats::normal;
use crate::stats::spending::Spending;
use crate::time::{Span, Timestamp};

/// The error levels of one look of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// Of showing a harmless metric worse.
    pub alpha: f64,
    /// Of showing a metric beyond its limit within it.
    pub beta: f64,
    /// The whole of `alpha`, over all looks.
    pub alpha_whole: f64,
}

/// One look: which instants count, and what may be spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    timing: Timing,
    /// The last instant that was read.
    pub covered_to: Timestamp,
}

impl Look {
    /// The look that has read everything up to `covered_to`.
    pub fn new(timing: &Timing, covered_to: Timestamp) -> Self {
        Self {
            timing: *timing,
            covered_to,
        }
    }

    /// How long the judged part is.
    pub fn age(&self) -> Span {
        self.covered_to.since(self.timing.judged_from)
    }

    /// The distance between grid points.
    pub fn step(&self) -> Span {
        self.timing.step.span()
    }

    /// Only one look is planned: the textbook test, all error at once.
    pub fn is_only(&self) -> bool {
        self.timing.looks_planned() <= 1
    }

    /// The levels of `metric` at this look. A metric that is no gate can end nothing; it is
    /// labelled at the level of the whole analysis.
    pub fn levels(&self, plan: &Plan, metric: &MetricPlan) -> Levels {
        let whole = metric.level(&plan.judge);
        self.levels_of(whole, plan.judge.false_promote.get())
    }

    /// The levels at this look for whole errors `alpha` and `beta`.
    pub fn levels_of(&self, alpha: f64, beta: f64) -> Levels {
        Levels {
            alpha: self.increment(alpha),
            beta: self.constant(beta),
            alpha_whole: alpha,
        }
    }

    /// What the look may spend of `alpha`: the growth of the spending function since the last
    /// instant at which an earlier look can have stood.
    fn increment(&self, alpha: f64) -> f64 {
        if self.is_only() {
            return alpha;
        }
        let before = self.covered_to.minus(self.distance());
        Spending::ObrienFleming.increment(self.share(before), self.share(self.covered_to), alpha)
    }

    /// The share of the planned time at which `covered_to` could be read: the last look, at the
    /// deadline, reads up to `lag` before it and may spend the rest.
    fn share(&self, covered_to: Timestamp) -> f64 {
        self.timing.information(covered_to.plus(self.timing.lag))
    }

    /// The least distance in covered time between this look and the one before: the time between
    /// looks in whole steps; less for the last look when that does not divide the analysis.
    fn distance(&self) -> Span {
        let step = self.step().ms();
        let every = self.timing.look_every.ms().max(1);
        let regular = Span::from_ms((every / step).max(1) * step);
        let whole = self.timing.deadline.since(self.timing.start).ms();
        let rest = whole % every;
        let to_deadline = self.timing.deadline.since(self.covered_to).ms();
        // With a lag it can be unclear whether this is the last look; then the shorter holds.
        if rest > 0 && to_deadline <= self.timing.lag.ms().max(rest - 1) {
            return Span::from_ms((rest / step).max(1) * step).min(regular);
        }
        regular
    }

    /// The one-sided level b of a constant boundary that Brownian motion, standardised, crosses
    /// between the first and the last look at which *within* counts with probability `beta`:
    /// `sf(b) + T b φ(b) = beta` with T half the log of the ratio of the two times, the crossing
    /// rate of the Ornstein-Uhlenbeck process (Leadbetter, Lindgren and Rootzén 1983, 12.2.9).
    fn constant(&self, beta: f64) -> f64 {
        let whole = self
            .timing
            .deadline
            .since(self.timing.judged_from)
            .seconds();
        let bake = self.timing.bake_until.since(self.timing.judged_from);
        let first = bake.max(self.distance()).seconds();
        if self.is_only() || whole <= first || beta <= 0.0 || beta >= 0.5 {
            return beta;
        }
        let length = 0.5 * libm::log(whole / first);
        let crossed = |b: f64| normal::sf(b) + length * b * normal::pdf(b);
        let (mut low, mut high) = (normal::inverse_sf(beta), 40.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if crossed(middle) > beta {
                low = middle;
            } else {
                high = middle;
            }
        }
        normal::sf(high)
    }

    /// Looks still to come, as (how much longer, the factor by which the data will have grown),
    /// thinned to `FORECASTS_MAX`.
    pub fn future(&self) -> impl Iterator<Item = (Span, f64, Self)> + '_ {
        let every = self.timing.look_every.ms().max(self.step().ms());
        let left = self
            .timing
            .deadline
            .minus(self.timing.lag)
            .since(self.covered_to)
            .ms();
        let looks = left / every;
        let stride = looks / FORECASTS_MAX + 1;
        let age = self.age().seconds().max(self.step().seconds());
        (1..=looks)
            .filter(move |k| k % stride == 0 || *k == looks)
            .map(move |k| {
                let more = Span::from_ms(k.saturating_mul(every));
                let look = Self {
                    covered_to: self.covered_to.plus(more),
                    ..*self
                };
                (more, 1.0 + more.seconds() / age, look)
            })
    }
}

/// Looks that a forecast tries; more are thinned evenly.
const FORECASTS_MAX: i64 = 64;
