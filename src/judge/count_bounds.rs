//! Bounds of the difference of two rates that hold at every look together: the limits that tests
//! without onset do not reject.

use crate::judge::count_evidence::line_at;
use crate::judge::finding::Scale;
use crate::stats::dispersion::DISPERSIONS;
use crate::stats::sequential::line::{Both, LineTest, Onset, Side};

/// Factors that the tests mix: the smallest decides how close a bound can come.
const FACTORS: [f64; 8] = [1.01, 1.03, 1.1, 1.25, 1.6, 2.5, 5.0, 12.0];

/// Log ratios beyond this are as good as none.
const RANGE: f64 = 20.0;

/// Steps outward until a limit is rejected: the first of one standard error, each twice as long.
const STEPS_OUT: u32 = 40;

/// Steps inward to the bound, which ends outside by at most [`EXCESS`] of evidence.
const STEPS_IN: u32 = 30;

/// A bound may be wider than the evidence asks for by this, in ln e.
const EXCESS: f64 = 0.01;

/// Sums over intervals that hold the same split of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Split {
    /// All events.
    pub(super) all: Both,
    /// At most one bad event of the canary per interval.
    pub(super) above: Both,
    /// At most one bad event of the baseline per interval.
    pub(super) below: Both,
}

/// What a search for bounds reads.
pub(super) struct Search {
    pub(super) scale: Scale,
    pub(super) sums: Vec<Split>,
    pub(super) too_large: [f64; DISPERSIONS.len()],
    pub(super) past: Both,
    pub(super) all: Both,
}

impl Search {
    /// The lower and the upper bound with one-sided errors `tails`.
    pub(super) fn bounds(&self, tails: (f64, f64)) -> (f64, f64) {
        let (least, most) = match self.scale {
            Scale::LogRatio => (f64::NEG_INFINITY, f64::INFINITY),
            Scale::Difference => (-1.0, 1.0),
        };
        let relative = self.scale == Scale::LogRatio;
        let none_low = relative && self.all.canary.bad <= 0.0;
        let none_high = relative && self.all.baseline.bad <= 0.0;
        let low = if none_low {
            None
        } else {
            self.search(Side::Above, tails.0)
        };
        let high = if none_high {
            None
        } else {
            self.search(Side::Below, tails.1)
        };
        (low.unwrap_or(least), high.unwrap_or(most))
    }

    /// ln e against a limit, less what rejects it.
    fn excess(&self, value: f64, side: Side, tail: f64) -> f64 {
        let line = line_at(self.scale, value);
        let mut test = LineTest::new(line, side, &FACTORS, Onset::Start, self.past);
        for split in &self.sums {
            let single = if side == Side::Above {
                split.above
            } else {
                split.below
            };
            test.observe(split.all, Some(single));
        }
        test.log_e(&self.too_large) + libm::log(tail)
    }

    /// Where to begin, never rejected by half an event more or less, and one standard error.
    fn centre(&self) -> (f64, f64) {
        let [c, b] =
            [self.all.canary, self.all.baseline].map(|arm| (arm.bad + 0.5, arm.total + 1.0));
        match self.scale {
            Scale::LogRatio => (
                libm::log(c.0 * b.1 / (c.1 * b.0)),
                (1.0 / c.0 + 1.0 / b.0).sqrt(),
            ),
            Scale::Difference => (
                c.0 / c.1 - b.0 / b.1,
                (c.0 / (c.1 * c.1) + b.0 / (b.1 * b.1)).sqrt(),
            ),
        }
    }

    /// The nearest limit that is rejected on one side; `None` when none is.
    fn search(&self, side: Side, tail: f64) -> Option<f64> {
        if tail <= 0.0 {
            return None;
        }
        let range = match self.scale {
            Scale::LogRatio => RANGE,
            Scale::Difference => 1.0,
        };
        let (centre, error) = self.centre();
        let outward = if side == Side::Above { -error } else { error };
        let mut inner = (centre, self.excess(centre, side, tail));
        let mut outer = inner;
        let mut step = outward;
        for _ in 0..STEPS_OUT {
            if outer.1 >= 0.0 || outer.0.abs() >= range {
                break;
            }
            inner = outer;
            let next = (outer.0 + step).clamp(-range, range);
            outer = (next, self.excess(next, side, tail));
            step *= 2.0;
        }
        if outer.1 < 0.0 {
            return None;
        }
        for _ in 0..STEPS_IN {
            if outer.1 <= EXCESS || inner.1 >= 0.0 {
                break;
            }
            // Halfway between the chord and the middle: evidence is convex, so that the chord
            // alone would creep.
            let share = outer.1 / (outer.1 - inner.1);
            let share = 0.5 * (share.clamp(0.0, 1.0) + 0.5);
            let at = outer.0 + share * (inner.0 - outer.0);
            let excess = self.excess(at, side, tail);
            if excess >= 0.0 {
                outer = (at, excess);
            } else {
                inner = (at, excess);
            }
        }
        Some(outer.0)
    }
}
