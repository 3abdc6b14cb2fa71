//! Burn rate and budget: how fast the allowed bad events are being used up.
//!
//! Definitions of the SRE workbook, chapter 5 ("Alerting on SLOs"). With an objective s the budget
//! is the share 1 − s of events that may be bad; n events of which b are bad burn it at
//! (b / n) / (1 − s) times the allowed speed. Nothing is rounded before it is compared: a burn of
//! 14.44 is above 14.4.

use crate::time::{Span, Timestamp};
use std::fmt;

/// Counts that cannot be: the indicator is broken, and no number is made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrokenIndicator {
    /// Bad events.
    pub bad: f64,
    /// All events.
    pub total: f64,
}

impl fmt::Display for BrokenIndicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bad of {} events is no count; the bad events must be a part of all events",
            self.bad, self.total
        )
    }
}

impl std::error::Error for BrokenIndicator {}

/// The share of bad events, in 0 ..= 1. Without events there is no value: neither all was good
/// nor all bad.
pub fn error_ratio(bad: f64, total: f64) -> Result<Option<f64>, BrokenIndicator> {
    let sound = bad >= 0.0 && bad <= total && total.is_finite();
    if !sound {
        return Err(BrokenIndicator { bad, total });
    }
    Ok((total > 0.0).then(|| bad / total))
}

/// How many times faster than allowed the budget is spent. `budget` is in (0, 1], as
/// [`crate::slo::objective::Objective::budget`] gives it.
pub fn burn_rate(bad: f64, total: f64, budget: f64) -> Result<Option<f64>, BrokenIndicator> {
    Ok(error_ratio(bad, total)?.map(|ratio| ratio / budget))
}

/// The share of the period's budget spent in `window` at burn `burn`: burn × window / period.
/// Equals [`spent_by_count`] only when traffic is even over the period. The period is above zero.
pub fn spent_by_rate(burn: f64, window: Span, period: Span) -> f64 {
    burn * window.seconds() / period.seconds()
}

/// The share of the period's budget that `bad` events are, with `events_in_period` expected in the
/// whole period: right under uneven traffic. `None` when no event is expected.
pub fn spent_by_count(bad: f64, events_in_period: f64, budget: f64) -> Option<f64> {
    let allowed = events_in_period * budget;
    (allowed > 0.0).then(|| bad / allowed)
}

/// The share of the budget that is left when the whole period's ratio of bad events is `ratio`;
/// negative when more than all of it is gone.
pub fn remaining(ratio: f64, budget: f64) -> f64 {
    1.0 - ratio / budget
}

/// How long the share `remaining` of a period's budget lasts at `burn`; `None` when nothing is
/// burning. Old bad events leave a rolling period meanwhile, so this is a lower bound.
pub fn time_to_exhaustion(remaining: f64, period: Span, burn: f64) -> Option<Span> {
    if burn.is_nan() || burn <= 0.0 {
        return None;
    }
    let ms = (remaining * period.seconds() * 1000.0 / burn).max(0.0);
    // The largest i64 is not a float; everything from 2^62 ms (146 million years) on is "never".
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded in the same expression"
    )]
    (ms < 4_611_686_018_427_387_904.0).then(|| Span::from_ms(ms as i64))
}

/// The burn at which `share` of the period's budget goes in `window`: share × period / window.
/// `None` when the window is empty.
pub fn threshold(share: f64, window: Span, period: Span) -> Option<f64> {
    (window > Span::ZERO).then(|| share * period.seconds() / window.seconds())
}

/// What one interval counted; intervals do not overlap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalCounts {
    /// The instant that ends it (inclusive).
    pub at: Timestamp,
    /// Bad events.
    pub bad: f64,
    /// All events.
    pub total: f64,
}

/// What a trailing window holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowBurn {
    /// Bad events.
    pub bad: f64,
    /// All events.
    pub total: f64,
    /// The burn; `None` without events, or when the counts cannot be.
    pub burn: Option<f64>,
}

/// Burn over the intervals that end in `(to − window, to]`. A window that is no multiple of the
/// interval length is thereby rounded up to whole intervals. Intervals without data are simply not
/// given; they are neither good nor bad.
pub fn burn_over(
    intervals: impl IntoIterator<Item = IntervalCounts>,
    to: Timestamp,
    window: Span,
    budget: f64,
) -> WindowBurn {
    let after = to.minus(window);
    let (mut bad, mut total) = (0.0, 0.0);
    for interval in intervals {
        if after < interval.at && interval.at <= to {
            bad += interval.bad;
            total += interval.total;
        }
    }
    let burn = burn_rate(bad, total, budget).ok().flatten();
    WindowBurn { bad, total, burn }
}
