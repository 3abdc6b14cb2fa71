//! An objective over a period, and the rungs of its multi-window burn-rate policy.

use crate::time::Span;
use crate::units::{BurnRate, Probability};

/// What a rung does when it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RungAction {
    /// The canary is rolled back when it is also worse than the baseline (verdict row 3).
    Rollback,
    /// A promote is held back.
    Hold,
}

/// One rung: fires when the burn over both windows exceeds the factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// The burn rate above which it fires.
    pub burn: BurnRate,
    /// The long window: how much budget must have gone.
    pub long: Span,
    /// The short window: is it still going on.
    pub short: Span,
    /// What follows.
    pub action: RungAction,
}

/// A service level objective with its policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The share of good events promised, below 1 (0.999).
    target: Probability,
    /// The period of the promise (30 days).
    pub period: Span,
    /// Rungs, most urgent first.
    pub rungs: Vec<Rung>,
    /// Bad events below which no rung fires, however high the ratio.
    pub bad_events_min: u64,
}

impl Objective {
    /// `None` when `target` is 1 (no budget) or the period is zero.
    pub fn new(
        target: Probability,
        period: Span,
        rungs: Vec<Rung>,
        bad_events_min: u64,
    ) -> Option<Self> {
        (target.get() < 1.0 && period > Span::ZERO).then_some(Self {
            target,
            period,
            rungs,
            bad_events_min,
        })
    }

    /// The share of good events promised.
    pub fn target(&self) -> Probability {
        self.target
    }

    /// The share of events that may be bad: 1 − target, above 0.
    pub fn budget(&self) -> f64 {
        1.0 - self.target.get()
    }
}
