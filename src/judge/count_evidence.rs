//! The counts of both arms as evidence: the e-processes on each side of a limit, and the interval
//! that they leave.

use crate::judge::classify::Limits;
use crate::judge::count_bounds::{Search, Split};
use crate::judge::dispersion;
use crate::judge::finding::Scale;
use crate::judge::look::Look;
use crate::judge::windows::{Counts, EventInterval};
use crate::plan::Plan;
use crate::stats::dispersion::DISPERSIONS;
use crate::stats::sequential::RATE_RATIOS;
use crate::stats::sequential::line::{Both, HIGH, Line, LineTest, Onset, Side, Singles, Tally};
use crate::time::Span;
use std::collections::BTreeMap;

/// After a counted bad event, single events rest this long: retry storms last about a minute
/// (`docs/statistics.md`).
const REST: Span = Span::from_s(60);

/// Factors by which the canary's rate may differ from the line of an absolute limit: the small ones
/// for a baseline ratio far above the limit.
const ABSOLUTE: [f64; 10] = [1.03, 1.06, 1.125, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0];

/// Intervals are summed for the bounds when the split of the traffic agrees to this (in ln): what
/// the sum loses is the square of it.
const SPLIT: f64 = 0.05;

/// Both arms interval by interval, and what their scatter says.
pub(super) struct Seen {
    intervals: Vec<Option<Both>>,
    too_large: [f64; DISPERSIONS.len()],
    past: Both,
    horizon: u32,
    rest: usize,
}

/// A test with what it needs to go on.
#[derive(Clone, Copy)]
pub(super) struct Running {
    test: LineTest,
    singles: Singles,
}

impl Seen {
    /// The judged intervals, and those from before the start, in time order.
    pub(super) fn new(
        plan: &Plan,
        intervals: &[EventInterval],
        history: &[EventInterval],
        look: &Look,
    ) -> Self {
        let step = look.step().ms().max(1);
        let planned = plan.timing.deadline.since(plan.timing.judged_from).ms();
        let of = |counts: Counts| Tally {
            bad: counts.bad,
            total: counts.total,
        };
        let both = |interval: &EventInterval| {
            Some(Both {
                canary: of(interval.canary?),
                baseline: of(interval.baseline?),
            })
        };
        let one = |interval: &EventInterval| Both {
            canary: of(interval.canary.unwrap_or_default()),
            baseline: of(interval.baseline.unwrap_or_default()),
        };
        Self {
            intervals: intervals.iter().map(both).collect(),
            too_large: dispersion::too_large(history, intervals, look.step()),
            past: history.iter().map(one).fold(Both::default(), Both::plus),
            horizon: u32::try_from(planned / step).unwrap_or(u32::MAX),
            rest: usize::try_from((REST.ms() + step - 1) / step - 1).unwrap_or(0),
        }
    }

    /// The sum of all intervals that hold both arms.
    pub(super) fn sum(&self) -> Both {
        self.held().fold(Both::default(), Both::plus)
    }

    fn held(&self) -> impl DoubleEndedIterator<Item = Both> + '_ {
        self.intervals.iter().copied().flatten()
    }

    /// Harm may begin at any time, so its tests mix over the onset.
    pub(super) fn harm(&self, line: Line, side: Side, scale: Scale) -> Running {
        let alternatives: &[f64] = match scale {
            Scale::LogRatio => &RATE_RATIOS,
            Scale::Difference => &ABSOLUTE,
        };
        self.run(line, side, alternatives, Onset::Within(self.horizon))
    }

    /// Health has to last from the start.
    pub(super) fn safe(&self, line: Line, side: Side, scale: Scale) -> Running {
        if scale == Scale::Difference {
            return self.run(line, side, &ABSOLUTE, Onset::Start);
        }
        // Equal rates differ from the line by its own ratio; better canaries by more.
        let ratio = if side == Side::Below {
            line.ratio
        } else {
            1.0 / line.ratio
        };
        let equal = ratio.clamp(1.05, 1e6);
        let alternatives = [
            libm::sqrt(equal),
            equal,
            1.25 * equal,
            1.5 * equal,
            2.0 * equal,
            5.0 * equal,
        ];
        self.run(line, side, &alternatives, Onset::Start)
    }

    fn run(&self, line: Line, side: Side, alternatives: &[f64], onset: Onset) -> Running {
        let mut running = Running {
            test: LineTest::new(line, side, alternatives, onset, self.past),
            singles: Singles::new(side, self.rest),
        };
        for interval in &self.intervals {
            running.observe(interval.unwrap_or_default());
        }
        running
    }

    /// ln of the e-value against "the rate of one arm is at most `allowed`", by its own intervals,
    /// gaps included.
    pub(super) fn log_e_budget(
        &self,
        arm: impl Iterator<Item = Option<Counts>>,
        allowed: f64,
    ) -> f64 {
        let line = Line {
            ratio: 0.0,
            extra: allowed,
        };
        let onset = Onset::Within(self.horizon);
        let mut running = Running {
            test: LineTest::new(line, Side::Above, &RATE_RATIOS, onset, Both::default()),
            singles: Singles::new(Side::Above, self.rest),
        };
        for counts in arm {
            let counts = counts.unwrap_or_default();
            running.observe(Both {
                canary: Tally {
                    bad: counts.bad,
                    total: counts.total,
                },
                baseline: Tally::default(),
            });
        }
        self.log_e(&running)
    }

    /// ln of the e-value at this look against "ln of the canary's rate over the baseline's is at
    /// most `limit`".
    pub(super) fn log_e_beyond(&self, limit: f64) -> f64 {
        let line = line_at(Scale::LogRatio, limit);
        self.log_e(&self.harm(line, Side::Above, Scale::LogRatio))
    }

    /// ln of the e-value of a test at this look.
    pub(super) fn log_e(&self, running: &Running) -> f64 {
        running.test.log_e(&self.too_large)
    }

    /// The same when the scatter has told `grown` times as much.
    pub(super) fn log_e_grown(&self, running: &Running, grown: f64) -> f64 {
        let longer = self
            .too_large
            .map(|evidence| evidence * if evidence > 0.0 { grown } else { 1.0 });
        running.test.log_e(&longer)
    }

    /// The last `length` intervals alone.
    pub(super) fn last(&self, length: usize) -> Self {
        let from = self.len().saturating_sub(length);
        Self {
            intervals: self.intervals.iter().skip(from).copied().collect(),
            ..*self
        }
    }

    /// How many intervals there are, gaps included.
    pub(super) fn len(&self) -> usize {
        self.intervals.len()
    }

    /// Bounds of the canary's difference from the baseline, valid at all looks together with
    /// one-sided errors `tails`.
    pub(super) fn bounds(&self, scale: Scale, tails: (f64, f64)) -> (f64, f64) {
        Search {
            scale,
            sums: self.by_split(),
            too_large: self.too_large,
            past: self.past,
            all: self.sum(),
        }
        .bounds(tails)
    }

    /// Sums of intervals with the same split of traffic, in the order of the split. A high ratio
    /// needs the order of time, because its weights come from what was before.
    fn by_split(&self) -> Vec<Split> {
        let mut singles = [Side::Above, Side::Below].map(|side| Singles::new(side, self.rest));
        let mut sums: BTreeMap<i64, Split> = BTreeMap::new();
        let pooled = {
            let all = self.sum().plus(self.past);
            (all.canary.bad + all.baseline.bad) / (all.canary.total + all.baseline.total)
        };
        for (idx, interval) in (0_i64..).zip(&self.intervals) {
            let both = interval.unwrap_or_default();
            let [above, below] = &mut singles;
            let single = [above.of(both), below.of(both)].map(Option::unwrap_or_default);
            if both.canary.total <= 0.0 || both.baseline.total <= 0.0 {
                continue;
            }
            let split = libm::log(both.canary.total / both.baseline.total) / SPLIT;
            let key = if pooled > HIGH { idx } else { whole(split) };
            let sum = sums.entry(key).or_default();
            let [above, below] = single;
            *sum = Split {
                all: sum.all.plus(both),
                above: sum.above.plus(above),
                below: sum.below.plus(below),
            };
        }
        sums.into_values().collect()
    }

    /// The last intervals in which the canary lies furthest beyond a line, in standard errors: how
    /// many, and their sum.
    pub(super) fn since_onset(&self, line: Line, side: Side) -> (usize, Both) {
        let mut best = (0.0, self.len(), self.sum());
        let mut sum = Both::default();
        for (length, interval) in (1..).zip(self.intervals.iter().rev()) {
            sum = sum.plus(interval.unwrap_or_default());
            let beyond = beyond(sum, line, side);
            if beyond > best.0 {
                best = (beyond, length, sum);
            }
        }
        (best.1, best.2)
    }
}

impl Running {
    /// One interval.
    pub(super) fn observe(&mut self, both: Both) {
        let single = self.singles.of(both);
        self.test.observe(both, single);
    }

    /// The test after intervals to come, taken as one: it is no time to rest for so long.
    pub(super) fn foreseen(&self, ahead: Both) -> Self {
        let mut out = *self;
        out.test.observe(ahead, Some(ahead));
        out
    }
}

/// The line of a limit, or of a bound.
pub(super) fn line_at(scale: Scale, value: f64) -> Line {
    match scale {
        Scale::LogRatio => Line {
            ratio: libm::exp(value),
            extra: 0.0,
        },
        Scale::Difference => Line {
            ratio: 1.0,
            extra: value,
        },
    }
}

/// The lines on which an increase and a decrease become harm.
pub(super) fn lines(scale: Scale, limits: Limits) -> (Line, Line) {
    (line_at(scale, limits.up), line_at(scale, limits.down))
}

/// By how many standard errors the canary lies beyond a line.
fn beyond(sum: Both, line: Line, side: Side) -> f64 {
    let (c, b) = (sum.canary, sum.baseline);
    if c.total <= 0.0 || b.total <= 0.0 {
        return 0.0;
    }
    let gap = c.bad / c.total - line.ratio * b.bad / b.total - line.extra;
    let variance = (c.bad + 0.5) / (c.total * c.total)
        + line.ratio * line.ratio * (b.bad + 0.5) / (b.total * b.total);
    let sign = if side == Side::Above { 1.0 } else { -1.0 };
    sign * gap / libm::sqrt(variance)
}

fn whole(value: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the log of a ratio of doubles; saturates"
    )]
    let whole = value.round() as i64;
    whole
}
