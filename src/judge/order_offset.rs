//! How far apart the shares of two healthy arms beyond a bound may lie: the events of
//! [`count_offset`](crate::judge::count_offset) once for every bound, where an observation beyond
//! it is a bad event.
//!
//! Harm is looked for at all bounds at once, so what is allowed at one may be wrong with its share
//! of the error only; safety is asked of every bound, each with the whole of it.

use crate::judge::classify::Limits;
use crate::judge::count_offset::Healthy;
use crate::judge::finding::Scale;
use crate::judge::look::Levels;
use crate::judge::order_blocks::Blocks;
use crate::judge::order_tests::Direction;
use crate::judge::replicas::ReplicaCounts;
use crate::judge::sequential_counts::{Moved, undecided};
use crate::judge::shapes::{Beyond, Shapes};
use crate::judge::windows::{Counts, EventInterval, Windows};
use crate::plan::{MetricPlan, Plan, Queries};
use crate::stats::stochastic_order::{self, Margin};
use crate::time::Timestamp;
use crate::units::{Harm, MinEffect};

/// What is known of healthy differences of one distribution metric.
#[derive(Clone, Debug, Default)]
pub struct HealthyShapes {
    /// Counts of everything beyond the threshold, where there is one; otherwise for the note alone.
    counts: Healthy,
    /// One row per replica of each arm, where replicas are kept apart.
    replicas: Option<Shapes>,
    /// Interval by interval before the start, when both arms were healthy then.
    history: Option<Shapes>,
}

impl HealthyShapes {
    /// What the windows tell of one metric.
    pub fn of(plan: &Plan, windows: &Windows, metric_idx: usize) -> Self {
        let offset = plan.history.is_some_and(|history| history.offset);
        let history = windows.history_shapes(metric_idx).filter(|_| offset);
        Self {
            counts: Healthy::of(plan, windows, metric_idx),
            replicas: windows.replica_shapes(plan, metric_idx).cloned(),
            history: history.cloned(),
        }
    }

    /// Replicas, a row each with baseline and canary side by side, and intervals from before the
    /// start.
    pub fn new(replicas: Option<Shapes>, history: Option<Shapes>) -> Self {
        let names = |canary: bool| {
            let rows = replicas.iter().flat_map(move |shapes| {
                (0..shapes.len()).filter_map(move |row| side(shapes, row, canary))
            });
            let counts = |seen: Beyond| ReplicaCounts {
                name: String::new(),
                counts: Counts {
                    bad: 0.0,
                    total: seen.all,
                },
            };
            rows.map(counts).collect()
        };
        let apart = replicas.is_some().then(|| (names(false), names(true)));
        Self {
            counts: Healthy::new(apart, Vec::new()),
            replicas,
            history,
        }
    }

    /// What a reader must know of the replicas.
    pub(super) fn note(&self) -> Option<String> {
        self.counts.note()
    }

    /// At the bound `bound` alone.
    fn at(&self, bound: f64) -> Healthy {
        let place = |shapes: &Shapes| {
            let bounds = shapes.bounds();
            bounds.binary_search_by(|b| b.total_cmp(&bound)).ok()
        };
        let replicas = self.replicas.as_ref().and_then(|shapes| {
            let idx = place(shapes)?;
            let arm = |canary: bool| {
                let rows = (0..shapes.len()).filter_map(|row| side(shapes, row, canary));
                let named = |seen: Beyond| ReplicaCounts {
                    name: String::new(),
                    counts: counts(&seen, idx),
                };
                rows.map(named).collect()
            };
            Some((arm(false), arm(true)))
        });
        let history = self.history.as_ref().and_then(|shapes| {
            let idx = place(shapes)?;
            let one = |row: usize| EventInterval {
                at: Timestamp::from_s(0),
                baseline: side(shapes, row, false).map(|seen| counts(&seen, idx)),
                canary: side(shapes, row, true).map(|seen| counts(&seen, idx)),
            };
            Some((0..shapes.len()).map(one).collect())
        });
        Healthy::new(replicas, history.unwrap_or_default())
    }
}

fn side(shapes: &Shapes, row: usize, canary: bool) -> Option<Beyond> {
    if canary {
        shapes.canary_beyond(row)
    } else {
        shapes.baseline_beyond(row)
    }
}

fn counts(seen: &Beyond, idx: usize) -> Counts {
    Counts {
        bad: seen.counts.get(idx).copied().unwrap_or(0.0),
        total: seen.all,
    }
}

/// The limits at every bound, moved by what healthy arms may differ by.
pub(super) struct Allowed {
    scale: Scale,
    limits: Limits,
    harm: Harm,
    /// By bound: the limits, and what the limit is moved by on average.
    bounds: Vec<(Moved, f64)>,
    kept: f64,
}

impl Allowed {
    pub(super) fn new(
        metric: &MetricPlan,
        blocks: &Blocks,
        healthy: &HealthyShapes,
        levels: Levels,
    ) -> Self {
        let (scale, limits) = match metric.min_effect {
            MinEffect::Relative(share) => (Scale::LogRatio, Limits::log_ratio(share)),
            MinEffect::Absolute(value) => (Scale::Difference, Limits::shift(value)),
        };
        let threshold = match metric.queries {
            Queries::Distribution { threshold, .. } => threshold,
            Queries::Series { .. } | Queries::Events { .. } => None,
        };
        let both = |block: &&Vec<stochastic_order::Beyond>| {
            let held = |b: &stochastic_order::Beyond| b.canary_all > 0.0 && b.baseline_all > 0.0;
            block.iter().any(held)
        };
        let first = blocks.blocks.iter().find(both).unwrap_or(&blocks.totals);
        let mut kept = 1.0_f64;
        let each = blocks.bounds.iter().zip(stochastic_order::weights(first));
        let bounds = each.map(|(bound, weight)| {
            let offset = match threshold {
                Some(_) => healthy.counts.offset(scale),
                None => healthy.at(*bound).offset(scale),
            };
            let levels = Levels {
                alpha: levels.alpha * weight,
                ..levels
            };
            let moved = Moved::new(limits, offset.as_ref(), metric.harm, levels);
            kept = kept.min(moved.kept());
            (moved, offset.map_or(0.0, |offset| offset.centre))
        });
        let bounds = bounds.collect();
        Self {
            scale,
            limits,
            harm: metric.harm,
            bounds,
            kept,
        }
    }

    /// The share of each error that the tests keep.
    pub(super) fn kept(&self) -> f64 {
        self.kept
    }

    /// Its logarithm.
    pub(super) fn ln_kept(&self) -> f64 {
        libm::log(self.kept)
    }

    /// The limit beyond which there is harm at one bound.
    pub(super) fn harm(&self, idx: usize, direction: Direction) -> Direction {
        self.turned(direction, self.limits_of_harm(idx))
    }

    /// The limit short of which there is safety.
    pub(super) fn safe(&self, idx: usize, direction: Direction) -> Direction {
        self.turned(direction, self.limits_of_safety(idx))
    }

    /// The limit moved by the expected difference alone.
    pub(super) fn expected(&self, idx: usize, direction: Direction) -> Direction {
        let by = self.bounds.get(idx).map_or(0.0, |(_, centre)| *centre);
        let limits = Limits {
            up: self.limits.up + by,
            down: self.limits.down + by,
        };
        self.turned(direction, limits)
    }

    /// The least effect that has to be found at one bound: none that healthy arms have beside it.
    pub(super) fn least(&self, idx: usize, direction: Direction) -> Direction {
        let safe = self.limits_of_safety(idx);
        let limits = Limits {
            up: safe.up.max(0.0),
            down: safe.down.min(0.0),
        };
        self.turned(direction, limits)
    }

    /// Both limits at one bound, for what is shown beyond.
    pub(super) fn limits_of_harm(&self, idx: usize) -> Limits {
        let known = self.bounds.get(idx);
        known.map_or(self.limits, |(moved, _)| moved.harm_limits())
    }

    /// Both limits at one bound, for what is shown within.
    pub(super) fn limits_of_safety(&self, idx: usize) -> Limits {
        let known = self.bounds.get(idx);
        known.map_or(self.limits, |(moved, _)| moved.safe_limits())
    }

    /// Bounds that show neither.
    pub(super) fn undecided(&self, idx: usize, bounds: (f64, f64), estimate: f64) -> (f64, f64) {
        let known = self.bounds.get(idx);
        known.map_or(bounds, |(moved, _)| {
            undecided(bounds, *moved, self.harm, estimate)
        })
    }

    /// What a reader must know: the limit is not the one that the template names.
    pub(super) fn note(&self, idx: usize) -> Option<String> {
        let (moved, _) = self.bounds.get(idx)?;
        moved.note(self.scale, self.limits, self.harm)
    }

    fn turned(&self, direction: Direction, limits: Limits) -> Direction {
        let limit = if direction.swapped {
            -limits.down
        } else {
            limits.up
        };
        direction.with(match self.scale {
            Scale::LogRatio if self.kept >= 1.0 => direction.margin,
            Scale::LogRatio => Margin::Ratio(libm::exp(limit)),
            Scale::Difference => Margin::Difference(limit),
        })
    }
}
