//! Which windows Kayenta judges when it runs a whole analysis, and what it makes of the scores.

use crate::time::{Span, Timestamp};

/// A standalone canary analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When it was set up.
    pub now: Timestamp,
    /// The first instant, where given; else `now`.
    pub start: Option<Timestamp>,
    /// The last instant, where given: then everything is judged at once, in retrospect, and
    /// **the warm-up is forgotten**.
    pub end: Option<Timestamp>,
    /// The warm-up.
    pub begin_after: Span,
    /// The time between judgements.
    pub interval: Span,
    /// The length of a sliding window; zero makes it grow.
    pub lookback: Span,
}

impl Schedule {
    /// `(from, to)` of judgement `number`, counted from 1.
    pub fn window(&self, number: u32) -> (Timestamp, Timestamp) {
        let warmup = if self.end.is_some() {
            Span::ZERO
        } else {
            self.begin_after
        };
        let start = self.start.unwrap_or(self.now).plus(warmup);
        let end = start.plus(self.interval.times(i64::from(number)));
        if self.lookback == Span::ZERO {
            (start, end)
        } else {
            (end.minus(self.lookback), end)
        }
    }
}

/// The start of the control's window, which may lie before the experiment's.
pub fn control_start(experiment_start: Timestamp, offset: Span) -> Timestamp {
    experiment_start.minus(offset)
}

/// Whether a run of judgements passes, by its last score. A score **at** the marginal threshold
/// fails here, while the judge itself calls it marginal.
pub fn passes(last_score: f64, marginal: Option<f64>, pass: Option<f64>) -> bool {
    marginal.is_none_or(|marginal| last_score > marginal)
        && pass.is_none_or(|pass| last_score >= pass)
}
