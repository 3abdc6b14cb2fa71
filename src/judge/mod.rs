//! Judgement: windows in, judgement out. Pure, the same live, in replay and in simulation.
//!
//! [`judge()`] is the whole pipeline. What it is made of:
//!
//! | question | module |
//! |---|---|
//! | how much error may this look spend? | [`look`] |
//! | is one arm worse, on the values of a series? | [`mann_whitney`], [`ranked`], [`noise`] |
//! | is one arm worse, on counts of bad events? | [`counts`] over [`rates`] and [`dispersion`] |
//! | is one arm's distribution shifted? | [`sequential_distribution`] over [`shapes`] |
//! | what do estimate, test and limit make together? | [`classify`], [`finding`] |
//! | does the canary burn its error budget? | [`burn`] |
//! | is it the canary, or everything? | [`environment`] |
//! | what is the whole worth? | [`score`] |
//! | how is it said? | [`explain`] |

mod absorb;
mod absorb_buckets;
mod arms;
pub mod burn;
pub mod classify;
pub mod counts;
pub mod dispersion;
pub mod environment;
pub mod explain;
pub mod finding;
mod intervals;
pub mod judgement;
pub mod look;
pub mod mann_whitney;
pub mod noise;
mod order_blocks;
mod order_tests;
mod phrase;
pub mod ranked;
pub mod rates;
pub mod score;
pub mod sequential_distribution;
pub mod shapes;
pub mod windows;

use crate::judge::judgement::{Finding, Judgement};
use crate::judge::look::Look;
use crate::judge::windows::{MetricData, Windows};
use crate::plan::{MetricPlan, Plan, Queries};

/// Raised by every change that can alter a judgement or a verdict; stored in every record (A12).
pub const SEMANTICS: u32 = 1;

/// Everything `windows` says about `plan` at look number `number`.
///
/// Depends on nothing else (A6): the error that this look may spend follows from the plan and
/// from [`Windows::covered_to`], never from earlier looks, so a judgement can be repeated alone.
pub fn judge(plan: &Plan, windows: &Windows, number: u32) -> Judgement {
    let look = Look::new(&plan.timing, windows.covered_to);
    let mut findings: Vec<Finding> = plan
        .metrics
        .iter()
        .enumerate()
        .filter_map(|(metric_idx, metric)| find(plan, metric_idx, metric, windows, &look))
        .collect();
    let objectives: Vec<_> = plan
        .objectives
        .iter()
        .filter_map(|objective| burn::find(plan, objective, windows, &look))
        .collect();
    for (metric_idx, finding) in findings.iter_mut().enumerate() {
        finding.both_degraded =
            environment::both_degraded(plan, metric_idx, windows, finding, &objectives);
    }
    let traffic = environment::traffic(plan, windows);
    let score = score::score(&findings);
    let outcome = score::outcome(&findings, &objectives);
    Judgement {
        look: number,
        covered_to: windows.covered_to,
        findings,
        objectives,
        traffic,
        suspect: windows.suspect.clone(),
        score,
        outcome,
    }
}

/// `None` only when the windows belong to another plan.
fn find(
    plan: &Plan,
    metric_idx: usize,
    metric: &MetricPlan,
    windows: &Windows,
    look: &Look,
) -> Option<Finding> {
    let window = windows.metrics.get(metric_idx)?;
    Some(match &window.data {
        MetricData::Series { .. } => {
            let (baseline, canary) = windows.judged_series(plan, metric_idx)?;
            let arms = mann_whitney::Arms { baseline, canary };
            mann_whitney::find(plan, metric, window, &arms, look)
        }
        // The classic test needs a threshold; without one there is only the sequential test.
        MetricData::Distribution { .. } if !has_threshold(metric) => {
            sequential_distribution::find(plan, metric, window, look)
        }
        MetricData::Events { .. } | MetricData::Distribution { .. } => {
            let intervals = windows.judged_events(plan, metric_idx);
            counts::find(plan, metric, window, &intervals, look)
        }
    })
}

fn has_threshold(metric: &MetricPlan) -> bool {
    let Queries::Distribution { threshold, .. } = metric.queries else {
        return false;
    };
    threshold.is_some()
}
