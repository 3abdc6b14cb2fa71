//! Is it the canary, or everything? And does the canary get the traffic it was promised?

use crate::judge::counts::{self, sums};
use crate::judge::dispersion::{Block, dispersion};
use crate::judge::judgement::{Finding, Label, ObjectiveFinding, TrafficFinding};
use crate::judge::mann_whitney;
use crate::judge::steps;
use crate::judge::windows::{EventInterval, Windows};
use crate::plan::Plan;
use crate::stats::beta;

/// The level at which an arm's last third is held against its first. Small, because the question
/// is asked at every look; what follows is a hold, never a rollback.
const DEGRADED_LEVEL: f64 = 0.001;

/// The level at which a traffic share contradicts the declared one; see `DEGRADED_LEVEL`.
const TRAFFIC_LEVEL: f64 = 0.0001;

/// Whether both arms degraded alike: the canary is not shown worse than the baseline, and either
///
/// - an objective on this metric has a rung proven for the canary, the same rung is proven for the
///   baseline, and the canary is not worse than it; or
/// - the metric is a gate, and in *each* arm the last third of the window lies beyond the limit
///   over the first third, in the direction of harm, at `DEGRADED_LEVEL`.
pub fn both_degraded(
    plan: &Plan,
    metric_idx: usize,
    windows: &Windows,
    finding: &Finding,
    objectives: &[ObjectiveFinding],
) -> bool {
    if finding.label == Label::Worse {
        return false;
    }
    let burning = objectives
        .iter()
        .any(|o| o.metric == finding.metric && o.baseline_burns_too && !o.worse_than_baseline);
    if burning || !finding.role.is_gate() || finding.label == Label::NoData {
        return burning;
    }
    let (limit, harm) = (finding.limit, finding.harm);
    if let Some((baseline, canary)) = windows.judged_series(plan, metric_idx) {
        let alike =
            |values: &[Option<f64>]| mann_whitney::degraded(values, limit, harm, DEGRADED_LEVEL);
        return alike(&baseline) && alike(&canary);
    }
    let intervals = windows.judged_events(plan, metric_idx);
    let alike = |arm| counts::degraded(&intervals, arm, (limit, harm, EVENTS_MIN), DEGRADED_LEVEL);
    alike(|i| i.baseline) && alike(|i| i.canary)
}

/// Events per third below which nothing is said of its ratio.
const EVENTS_MIN: u64 = 50;

/// The observed share of traffic, and whether it contradicts the declared one: outside
/// `declared / tolerance ..= declared × tolerance`, and by more than chance at `TRAFFIC_LEVEL`
/// (exact binomial tail at the nearer bound, requests that come in bursts counting for less).
pub fn traffic(plan: &Plan, windows: &Windows) -> Option<TrafficFinding> {
    let traffic = plan.traffic?;
    windows.metrics.get(traffic.metric_idx)?.data.counts()?;
    let mut judged = windows.judged_events(plan, traffic.metric_idx);
    let mut declared = traffic.declared;
    // With several steps of traffic it is the newest that is declared now.
    if let Some((share, from)) = steps::declared(plan, windows.covered_to) {
        declared = share;
        judged.retain(|interval| interval.at.minus(plan.timing.step.span()) >= from);
    }
    Some(traffic_of(
        &judged,
        declared.get(),
        traffic.tolerance_factor,
    ))
}

/// The same of these intervals.
pub(crate) fn traffic_of(
    judged: &[EventInterval],
    declared: f64,
    tolerance_factor: f64,
) -> TrafficFinding {
    let canary = sums(judged.iter().filter_map(|i| i.canary)).total;
    let all = canary + sums(judged.iter().filter_map(|i| i.baseline)).total;
    if all <= 0.0 {
        return TrafficFinding {
            declared,
            observed: None,
            mismatch: false,
        };
    }
    let observed = canary / all;
    let blocks: Vec<Block> = judged
        .iter()
        .map(|i| {
            let c = i.canary.map_or(0.0, |c| c.total);
            let both = c + i.baseline.map_or(0.0, |b| b.total);
            Block {
                canary: c,
                both,
                share: observed,
            }
        })
        .collect();
    let phi = dispersion(&blocks);
    let (k, n) = (canary / phi, all / phi);
    let factor = tolerance_factor.max(1.0);
    let (low, high) = (declared / factor, (declared * factor).min(1.0));
    let p = if observed > high {
        if high > 0.0 {
            beta::tails(k, n - k + 1.0, high).0
        } else {
            0.0
        }
    } else if observed < low {
        if n > k {
            beta::tails(k + 1.0, n - k, low).1
        } else {
            1.0
        }
    } else {
        1.0
    };
    TrafficFinding {
        declared,
        observed: Some(observed),
        mismatch: p <= TRAFFIC_LEVEL,
    }
}
