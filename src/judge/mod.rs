//! Judgement: windows in, judgement out. Pure, the same live, in replay and in simulation.
//!
//! [`judge()`] is the whole pipeline. What it is made of:
//!
//! | question | module |
//! |---|---|
//! | how much error may this look spend? | [`look`] |
//! | is one arm worse, on the values of a series? | [`mann_whitney`], [`ranked`], [`noise`] |
//! | is one arm worse, on counts of bad events? | [`counts`] over [`rates`] and [`dispersion`] |
//! | what do estimate, test and limit make together? | [`classify`], [`finding`] |
//! | does the canary burn its error budget? | [`burn`] |
//! | is it the canary, or everything? | [`environment`] |
//! | what is the whole worth? | [`score`] |
//! | how is it said? | [`explain`] |
//! | what would Kayenta say? | [`kayenta`] |

mod absorb;
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
pub mod kayenta;
pub mod look;
pub mod mann_whitney;
pub mod noise;
mod phrase;
pub mod ranked;
pub mod rates;
pub mod score;
pub mod windows;

use crate::judge::judgement::{Finding, Judgement, ObjectiveFinding, Outcome};
use crate::judge::look::Look;
use crate::judge::windows::{MetricData, Windows};
use crate::plan::{MetricPlan, Plan};
use crate::template::Method;
use crate::units::Score;

/// Raised by every change that can alter a judgement or a verdict; stored in every record (A12).
pub const SEMANTICS: u32 = 1;

/// Everything `windows` says about `plan` at look number `number`.
///
/// Depends on nothing else (A6): the error that this look may spend follows from the plan and
/// from [`Windows::covered_to`], never from earlier looks, so a judgement can be repeated alone.
pub fn judge(plan: &Plan, windows: &Windows, number: u32) -> Judgement {
    let look = Look::new(&plan.timing, windows.covered_to);
    match &plan.judge.method {
        Method::MannWhitney => {
            let metrics = plan.metrics.iter().enumerate();
            let find = |(idx, metric)| find(plan, idx, metric, windows, &look);
            let findings = metrics.filter_map(find).collect();
            conclude(
                plan,
                windows,
                (number, &look),
                findings,
                |findings, objectives| {
                    (score::score(findings), score::outcome(findings, objectives))
                },
            )
        }
        Method::Kayenta(spec) => {
            let (findings, summary) = kayenta::find::findings(plan, spec, windows);
            conclude(
                plan,
                windows,
                (number, &look),
                findings,
                |findings, objectives| {
                    kayenta::find::outcome(plan, spec, &summary, (findings, objectives), &look)
                },
            )
        }
    }
}

/// What does not depend on the method: objectives, environment, traffic.
fn conclude(
    plan: &Plan,
    windows: &Windows,
    (number, look): (u32, &Look),
    mut findings: Vec<Finding>,
    worth: impl FnOnce(&[Finding], &[ObjectiveFinding]) -> (Option<Score>, Outcome),
) -> Judgement {
    let objectives: Vec<_> = plan
        .objectives
        .iter()
        .filter_map(|objective| burn::find(plan, objective, windows, look))
        .collect();
    for (metric_idx, finding) in findings.iter_mut().enumerate() {
        finding.both_degraded =
            environment::both_degraded(plan, metric_idx, windows, finding, &objectives);
    }
    let (score, outcome) = worth(&findings, &objectives);
    Judgement {
        look: number,
        covered_to: windows.covered_to,
        findings,
        objectives,
        traffic: environment::traffic(plan, windows),
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
        MetricData::Events { .. } => {
            let intervals = windows.judged_events(plan, metric_idx);
            counts::find(plan, metric, window, &intervals, look)
        }
    })
}
