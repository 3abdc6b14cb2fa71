//! How far apart the bad ratios of two healthy arms may lie: events beside the series of
//! [`offset`](crate::judge::sequential::offset), by the same rule.
//!
//! Requests that fail more on one pod than on another fail there all the time, and no number of
//! them makes two healthy arms of different pods alike. How much ratios differ shows between the
//! replicas of an arm (`per: pod`), and between the arms before the start (`history.offset`). The
//! scatter of the counts themselves is taken off by the method of moments, as of one by one
//! (Poisson's), because clusters that are left in only widen the limit.

use crate::judge::finding::Scale;
use crate::judge::replicas::{ONE_CANARY, ReplicaCounts};
use crate::judge::sequential::offset::{BLOCKS, BLOCKS_MIN, REPLICA_BELIEF, REPLICA_SPREAD, SHARE};
use crate::judge::windows::{Counts, EventInterval, Windows};
use crate::plan::Plan;
use crate::stats::poisson::gamma_tails;
use crate::stats::{student, summary};

/// The belief about replicas is dropped when what is seen contradicts it at this level: kept, it
/// would make the spread of three scattered replicas look half as large and thrice as sure.
const REFUTED: f64 = 0.05;

/// Bad events of each arm in a block of the history, below which it has no logarithm to speak of.
const BLOCK_BAD_MIN: f64 = 3.0;

/// What is known of healthy differences of one events metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Healthy {
    /// Baseline and canary by replica, in the window.
    replicas: Option<[Vec<Counts>; 2]>,
    /// The intervals of both arms before the start, when both were healthy then.
    history: Vec<EventInterval>,
}

/// A healthy difference on the scale of the limit: ln of the ratio of the ratios, or their
/// difference.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Offset {
    /// Its expectation.
    pub(super) centre: f64,
    spreads: Vec<Spread>,
}

/// What was seen to differ: estimated variance, how surely, and what it means for the arms.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    /// Variance of what was seen, the counts' own scatter included.
    seen: f64,
    /// The counts' own scatter.
    scatter: f64,
    /// Degrees of freedom of `seen`.
    df: f64,
    /// The variance of the arms' difference per variance between.
    factor: f64,
    /// The variance of the centre per variance seen.
    centre: f64,
}

/// One arm's replicas: relative moments.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    /// Σ of squared deviations per variance between, relative to the arm's ratio, as a variance.
    seen: f64,
    scatter: f64,
    df: f64,
    /// Σ of squared shares of the traffic: 1/n for equal ones.
    concentration: f64,
    /// The bad ratio.
    ratio: f64,
}

impl Healthy {
    /// What the windows tell of one metric.
    pub fn of(plan: &Plan, windows: &Windows, metric_idx: usize) -> Self {
        let replicas = windows.judged_replica_counts(plan, metric_idx);
        let history = plan.history.is_some_and(|history| history.offset);
        let history = history.then(|| windows.history_events(plan, metric_idx));
        Self::new(replicas, history.unwrap_or_default())
    }

    /// Replicas of baseline and canary, and intervals from before the start.
    pub fn new(
        replicas: Option<(Vec<ReplicaCounts>, Vec<ReplicaCounts>)>,
        history: Vec<EventInterval>,
    ) -> Self {
        let there = |arm: Vec<ReplicaCounts>| -> Vec<Counts> {
            let counts = arm.into_iter().map(|replica| replica.counts);
            counts.filter(|counts| counts.total > 0.0).collect()
        };
        Self {
            replicas: replicas.map(|(baseline, canary)| [there(baseline), there(canary)]),
            history,
        }
    }

    /// What a reader must know of the replicas.
    pub(super) fn note(&self) -> Option<String> {
        let [_, canary] = self.replicas.as_ref()?;
        (canary.len() == 1).then(|| ONE_CANARY.to_owned())
    }

    /// How far the canary's ratio may lie above the baseline's while both are healthy, as ln of
    /// their ratio; `None` when nothing is known. It errs with [`SHARE`] of `error`, the test on it
    /// has the rest. Negative where the canary always was the better arm.
    pub fn most_above(&self, error: f64) -> Option<f64> {
        let offset = self.offset(Scale::LogRatio)?;
        Some(offset.centre + offset.width(error))
    }

    /// The healthy offset, when something is known of it.
    pub(super) fn offset(&self, scale: Scale) -> Option<Offset> {
        let history = of_history(&self.history, scale);
        let replicas = self.replicas.as_ref().and_then(|arms| {
            let [baseline, canary] = [0, 1].map(|arm| arms.get(arm).and_then(|arm| moments(arm)));
            of_replicas(baseline?, canary?, scale)
        });
        let centre = history.map(|(centre, _)| centre);
        let spreads: Vec<Spread> = history
            .map(|(_, spread)| spread)
            .into_iter()
            .chain(replicas)
            .collect();
        (!spreads.is_empty()).then(|| Offset {
            centre: centre.unwrap_or(0.0),
            spreads,
        })
    }
}

impl Offset {
    /// Half the interval that misses on one side with probability `SHARE × error`: the widest of
    /// what is known.
    pub(super) fn width(&self, error: f64) -> f64 {
        let widths = self.spreads.iter().map(|spread| spread.width(error));
        widths.fold(0.0, f64::max)
    }
}

impl Spread {
    fn width(self, error: f64) -> f64 {
        let between = (self.seen - self.scatter).max(0.0);
        let variance = self.factor * between + self.centre * self.seen;
        if variance <= 0.0 {
            return 0.0;
        }
        libm::sqrt(variance) * student::inverse_sf((SHARE * error).clamp(1e-12, 0.5), self.df)
    }
}

/// The moments of one arm; `None` without any replica. With w the shares of the traffic, p the
/// arm's ratio and c² the variance of the replicas' ratios relative to it,
/// E Σ(Kᵢ − wᵢK)² = p²c²(ΣNᵢ² − 2ΣNᵢ³/N + (ΣNᵢ²)²/N²) + Np(1 − p)(1 − Σwᵢ²).
fn moments(replicas: &[Counts]) -> Option<Moments> {
    let sum = |of: &dyn Fn(&Counts) -> f64| summary::sum(replicas.iter().map(of));
    let (bad, total) = (sum(&|c| c.bad), sum(&|c| c.total));
    if total <= 0.0 {
        return None;
    }
    let share = |c: &Counts| c.total / total;
    let squares = sum(&|c| share(c) * share(c));
    let cubes = sum(&|c| share(c) * share(c) * share(c));
    let ratio = bad / total;
    let without = Moments {
        concentration: squares,
        ratio,
        ..Moments::default()
    };
    let between = bad * bad * (squares - 2.0 * cubes + squares * squares);
    if replicas.len() < 2 || between <= 0.0 {
        return Some(without);
    }
    let deviations = sum(&|c| {
        let deviation = c.bad - share(c) * bad;
        deviation * deviation
    });
    Some(Moments {
        seen: deviations / between,
        scatter: bad * (1.0 - ratio).max(0.0) * (1.0 - squares) / between,
        df: replicas.len() as f64 - 1.0,
        ..without
    })
}

/// From the replicas of both arms, pooled, joined with what is believed of replicas unless what is
/// seen contradicts it.
fn of_replicas(baseline: Moments, canary: Moments, scale: Scale) -> Option<Spread> {
    let df = baseline.df + canary.df;
    if df < 1.0 {
        return None;
    }
    let pooled =
        |of: fn(&Moments) -> f64| (baseline.df * of(&baseline) + canary.df * of(&canary)) / df;
    let (seen, scatter) = (pooled(|m| m.seen), pooled(|m| m.scatter));
    let believed = REPLICA_SPREAD * REPLICA_SPREAD + scatter;
    let (_, above) = gamma_tails(0.5 * df, 0.5 * df * seen / believed);
    let (seen, df) = if above < REFUTED {
        (seen, df)
    } else {
        let all = df + REPLICA_BELIEF;
        ((df * seen + REPLICA_BELIEF * believed) / all, all)
    };
    let size = |arm: Moments| match scale {
        Scale::LogRatio => arm.concentration,
        Scale::Difference => arm.ratio * arm.ratio * arm.concentration,
    };
    Some(Spread {
        seen,
        scatter,
        df,
        factor: size(baseline) + size(canary),
        centre: 0.0,
    })
}

/// From blocks of the history: the mean difference, and what one more block may have.
fn of_history(history: &[EventInterval], scale: Scale) -> Option<(f64, Spread)> {
    let size = history.len().div_ceil(BLOCKS).max(1);
    let blocks = history.chunks(size).filter_map(|block| {
        let both = block
            .iter()
            .filter_map(|one| Some((one.baseline?, one.canary?)));
        let add = |sum: Counts, one: Counts| Counts {
            bad: sum.bad + one.bad,
            total: sum.total + one.total,
        };
        let none = (Counts::default(), Counts::default());
        let (b, c) = both.fold(none, |sum, one| (add(sum.0, one.0), add(sum.1, one.1)));
        difference(b, c, scale)
    });
    let (values, scatters): (Vec<f64>, Vec<f64>) = blocks.unzip();
    if values.len() < BLOCKS_MIN {
        return None;
    }
    let count = values.len() as f64;
    let spread = Spread {
        seen: summary::variance(&values)?,
        scatter: summary::mean(&scatters)?,
        df: count - 1.0,
        factor: 1.0,
        centre: 1.0 / count,
    };
    Some((summary::mean(&values)?, spread))
}

/// The difference of two counts, and the variance it has by the counts alone.
fn difference(baseline: Counts, canary: Counts, scale: Scale) -> Option<(f64, f64)> {
    if baseline.total <= 0.0 || canary.total <= 0.0 {
        return None;
    }
    match scale {
        Scale::LogRatio => {
            if baseline.bad.min(canary.bad) < BLOCK_BAD_MIN {
                return None;
            }
            let ratio = |arm: Counts| libm::log((arm.bad + 0.5) / arm.total);
            let scatter = 1.0 / (baseline.bad + 0.5) + 1.0 / (canary.bad + 0.5);
            Some((ratio(canary) - ratio(baseline), scatter))
        }
        Scale::Difference => {
            let ratio = |arm: Counts| arm.bad / arm.total;
            let scatter = |arm: Counts| arm.bad / (arm.total * arm.total);
            Some((
                ratio(canary) - ratio(baseline),
                scatter(canary) + scatter(baseline),
            ))
        }
    }
}
