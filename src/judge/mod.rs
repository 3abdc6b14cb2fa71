//! Judgement: windows in, judgement out. Pure, the same live, in replay and in simulation.
//!
//! [`judge()`] is the whole pipeline. What it is made of:
//!
//! | question | module |
//! |---|---|
//! | how much error may this look spend? | [`look`] |
//! | is one arm worse, on the values of a series? | [`mann_whitney`], [`ranked`], [`noise`] |
//! | the same, asked as often as one likes? | [`sequential`] |
//! | is one arm worse, on counts of bad events? | [`counts`] over [`rates`] and [`dispersion`] |
//! | the same, asked as often as one likes? | [`sequential_counts`] |
//! | is one arm's distribution shifted? | [`sequential_distribution`] over [`shapes`] |
//! | what do estimate, test and limit make together? | [`classify`], [`finding`] |
//! | does the canary burn its error budget? | [`burn`] |
//! | is it the canary, or everything? | [`environment`] |
//! | what is the whole worth? | [`score`] |
//! | how is it said? | [`explain`] |
//! | is one route among many worse? | [`breakdown`] over [`slots`] |
//! | how was it before the start, and among replicas? | [`windows`], [`replicas`] |
//! | what would Kayenta say? | [`kayenta`] |
//! | does the analysis go on beyond its deadline? | [`extension`] |

mod absorb;
mod absorb_buckets;
mod absorb_grid;
mod arms;
mod breakdown;
pub mod burn;
pub mod classify;
mod count_bounds;
mod count_evidence;
pub mod count_offset;
pub mod counts;
pub mod dispersion;
pub mod environment;
pub mod explain;
pub mod extension;
pub mod finding;
mod history;
mod intervals;
pub mod judgement;
pub mod kayenta;
pub mod look;
pub mod mann_whitney;
pub mod noise;
mod order_blocks;
pub mod order_offset;
mod order_tests;
mod phrase;
pub mod ranked;
pub mod rates;
pub mod replicas;
pub mod score;
pub mod sequential;
pub mod sequential_counts;
pub mod sequential_distribution;
pub mod shapes;
mod slots;
pub mod steps;
mod tally;
mod widths;
pub mod windows;

use crate::judge::count_offset::Healthy;
use crate::judge::judgement::{Finding, Judgement, Label, Needs, ObjectiveFinding, Outcome};
use crate::judge::look::Look;
use crate::judge::mann_whitney::Arms;
use crate::judge::order_offset::HealthyShapes;
use crate::judge::sequential::memory::Followed;
use crate::judge::sequential::series::Opened;
use crate::judge::sequential::{Memory, combine, series};
use crate::judge::sequential_counts::Beside;
use crate::judge::windows::{MetricData, Windows};
use crate::plan::{MetricPlan, Plan};
use crate::template::Method;
use crate::template::metric_judge::MetricMethod;
use crate::units::Score;

/// Raised by every change that can alter a judgement or a verdict; stored in every record (A12).
pub const SEMANTICS: u32 = 6;

/// Everything `windows` says about `plan` at look number `number`.
///
/// Depends on nothing else (A6): the error that this look may spend follows from the plan and
/// from [`Windows::covered_to`], never from earlier looks, so a judgement can be repeated alone.
pub fn judge(plan: &Plan, windows: &Windows, number: u32) -> Judgement {
    judge_again(plan, windows, number, &mut Memory::default())
}

/// [`judge()`] with what earlier looks of the same analysis worked out: the same judgement, bit
/// for bit, for less work.
pub fn judge_again(plan: &Plan, windows: &Windows, number: u32, memory: &mut Memory) -> Judgement {
    let look = Look::new(&plan.timing, windows.covered_to);
    let usual = |findings: &[Finding], objectives: &[ObjectiveFinding]| {
        (score::score(findings), score::outcome(findings, objectives))
    };
    let at = (number, &look);
    match &plan.judge.method {
        Method::Sequential | Method::MannWhitney => {
            let mut findings = each_by_its_own(plan, windows, memory);
            breakdown::add(plan, windows, memory, &mut findings, each_by_its_own);
            combine::together(plan, memory, &mut findings);
            conclude(plan, windows, at, findings, usual)
        }
        Method::Kayenta(spec) => {
            let (findings, summary) = kayenta::find::findings(plan, spec, windows);
            let worth = |findings: &[Finding], objectives: &[ObjectiveFinding]| {
                kayenta::find::outcome(plan, spec, &summary, (findings, objectives), &look)
            };
            conclude(plan, windows, at, findings, worth)
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
        lag(plan, windows, metric_idx, finding);
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
        steps: steps::findings(plan, windows),
        suspect: windows.suspect.clone(),
        score,
        outcome,
    }
}

/// Says of a metric whose data lag behind how far they have come: nothing waits for it, and what is
/// still to come is not missing.
fn lag(plan: &Plan, windows: &Windows, metric_idx: usize, finding: &mut Finding) {
    let covered_to = windows.metric_covered_to(plan, metric_idx);
    let Some(metric) = plan.metrics.get(metric_idx) else {
        return;
    };
    if covered_to >= windows.covered_to {
        return;
    }
    let timing = &plan.timing;
    let late = timing.lag.plus(metric.lag);
    let there = timing.deadline_regular().plus(late);
    if finding.label == Label::NoData {
        finding.label = Label::Lagging;
        finding.needs = Needs::Nothing;
        finding.no_data = Some(format!(
            "its data come {late} late, all of them are there from {there} on"
        ));
    } else {
        let note = format!("judged up to {covered_to}: its data come {late} late");
        finding.notes.push(note);
    }
}

/// The look as far as the data of one metric reach.
fn look_at(plan: &Plan, windows: &Windows, metric_idx: usize) -> Look {
    Look::new(&plan.timing, windows.metric_covered_to(plan, metric_idx))
}

/// The findings of judges that share one error budget; each metric has the template's or its own.
/// The budget holds whichever they are: each errs with at most its share, and so do those that
/// are read together.
fn each_by_its_own(plan: &Plan, windows: &Windows, memory: &mut Memory) -> Vec<Finding> {
    let is_classical =
        |metric: &MetricPlan| plan.method_of(metric) == Some(MetricMethod::MannWhitney);
    let mut series: Vec<Option<Opened<'_>>> = plan
        .metrics
        .iter()
        .enumerate()
        .map(|(metric_idx, metric)| {
            let detail = memory.detail();
            let open = || Opened::new(plan, windows, metric_idx, detail);
            (!is_classical(metric)).then(open).flatten()
        })
        .collect();
    let followed: Vec<Followed<'_>> = series
        .iter()
        .flatten()
        .filter_map(|open| open.followed(plan, memory))
        .collect();
    memory.follow(followed);
    let healthy = |metric_idx| Healthy::of(plan, windows, metric_idx);
    let mut find_one = |(metric_idx, metric): (usize, &MetricPlan)| {
        let look = &look_at(plan, windows, metric_idx);
        if is_classical(metric) {
            return find(plan, metric_idx, metric, windows, look);
        }
        let window = windows.metrics.get(metric_idx)?;
        if let Some(open) = series.get_mut(metric_idx)?.take() {
            return series::find(plan, open, (look, memory));
        }
        if matches!(window.data, MetricData::Distribution { .. }) {
            let past = windows.history_shapes(metric_idx);
            let healthy = HealthyShapes::of(plan, windows, metric_idx);
            let beside = sequential_distribution::Beside {
                past,
                healthy: &healthy,
            };
            return Some(sequential_distribution::find(
                plan, metric, window, beside, look,
            ));
        }
        let intervals = windows.judged_events(plan, metric_idx);
        let history = windows.history_events(plan, metric_idx);
        let beside = Beside {
            history: &history,
            healthy: &healthy(metric_idx),
        };
        Some(sequential_counts::find(
            plan, metric, window, &intervals, beside, look,
        ))
    };
    plan.metrics
        .iter()
        .enumerate()
        .filter_map(&mut find_one)
        .collect()
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
            let arms = Arms { baseline, canary };
            mann_whitney::find(plan, metric, window, &arms, look)
        }
        // The classic test needs a threshold; without one there is only the sequential test.
        MetricData::Distribution { .. } if metric.queries.is_whole_distribution() => {
            let past = windows.history_shapes(metric_idx);
            let beside = sequential_distribution::Beside {
                past,
                healthy: &HealthyShapes::default(),
            };
            sequential_distribution::find(plan, metric, window, beside, look)
        }
        MetricData::Events { .. } | MetricData::Distribution { .. } => {
            let intervals = windows.judged_events(plan, metric_idx);
            counts::find(plan, metric, window, &intervals, look)
        }
    })
}
