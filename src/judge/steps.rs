//! Several steps of traffic: what each of them showed. A promote needs the minimum evidence of
//! every gate within each step: a canary that was healthy at 5 % is not shown healthy at 50 %.

use crate::judge::environment;
use crate::judge::judgement::{Judgement, Label, StepFinding, StepMetric, TrafficFinding};
use crate::judge::windows::{EventInterval, Windows};
use crate::plan::{MetricPlan, Plan, Queries};
use crate::time::Timestamp;
use crate::units::Probability;

/// A step as far as it has been read.
struct Reach {
    share: Option<Probability>,
    from: Timestamp,
    to: Timestamp,
}

impl Reach {
    /// Whether what ends at `at` and begins `step` before lies in it whole.
    fn holds(&self, plan: &Plan, at: Timestamp) -> bool {
        at.minus(plan.timing.step.span()) >= self.from && at <= self.to
    }
}

/// The steps begun before the last instant that was read, the first one from the start; none when
/// no step was announced by then. What was announced later is not known yet, so that a look is
/// judged the same whenever that is done (A6).
fn reached(plan: &Plan, covered_to: Timestamp) -> Vec<Reach> {
    let deploy = &plan.rollout.deploy;
    let announced = deploy.traffic_steps.iter();
    let known: Vec<_> = announced.filter(|step| step.at < covered_to).collect();
    if known.is_empty() {
        return Vec::new();
    }
    let mut out = vec![Reach {
        share: deploy.traffic_share,
        from: plan.timing.judged_from,
        to: covered_to,
    }];
    for step in known {
        if let Some(before) = out.last_mut() {
            before.to = step.at.max(before.from);
        }
        out.push(Reach {
            share: Some(step.share),
            from: step.at.max(plan.timing.judged_from),
            to: covered_to,
        });
    }
    out
}

/// The share that was declared last, and since when.
pub(crate) fn declared(plan: &Plan, covered_to: Timestamp) -> Option<(Probability, Timestamp)> {
    let newest = reached(plan, covered_to).pop()?;
    Some((newest.share?, newest.from))
}

/// What each step showed so far.
pub(crate) fn findings(plan: &Plan, windows: &Windows) -> Vec<StepFinding> {
    let reached = reached(plan, windows.covered_to);
    let found = reached.iter().map(|reach| StepFinding {
        share: reach.share.map(Probability::get),
        from: reach.from,
        to: reach.to,
        traffic: traffic(plan, windows, reach),
        metrics: metrics(plan, windows, reach),
    });
    found.collect()
}

fn traffic(plan: &Plan, windows: &Windows, reach: &Reach) -> Option<TrafficFinding> {
    let traffic = plan.traffic?;
    let share = reach.share?;
    let judged = windows.judged_events(plan, traffic.metric_idx);
    let within: Vec<EventInterval> = judged
        .into_iter()
        .filter(|interval| reach.holds(plan, interval.at))
        .collect();
    Some(environment::traffic_of(
        &within,
        share.get(),
        traffic.tolerance_factor,
    ))
}

fn metrics(plan: &Plan, windows: &Windows, reach: &Reach) -> Vec<StepMetric> {
    let gates = plan.metrics.iter().enumerate();
    gates
        .filter(|(_, metric)| metric.role.is_gate())
        .map(|(metric_idx, metric)| {
            let [baseline, canary] = seen(plan, windows, (metric_idx, metric), reach);
            let needed = needed(metric);
            StepMetric {
                metric: metric.name.clone(),
                baseline,
                canary,
                needed,
                enough: baseline >= needed && canary >= needed,
            }
        })
        .collect()
}

/// The minimum evidence of a metric, in values or events of each arm; at least one.
fn needed(metric: &MetricPlan) -> u64 {
    let least = match metric.queries {
        Queries::Series { .. } => u64::try_from(metric.evidence.samples).unwrap_or(u64::MAX),
        Queries::Events { .. } | Queries::Distribution { .. } => metric.evidence.events,
    };
    least.max(1)
}

/// Values or events of baseline and canary.
fn seen(
    plan: &Plan,
    windows: &Windows,
    (metric_idx, metric): (usize, &MetricPlan),
    reach: &Reach,
) -> [u64; 2] {
    if matches!(metric.queries, Queries::Series { .. }) {
        return values(plan, windows, metric_idx, reach);
    }
    let mut sums = [0.0, 0.0];
    for interval in windows.judged_events(plan, metric_idx) {
        if reach.holds(plan, interval.at) {
            let [baseline, canary] = &mut sums;
            *baseline += interval.baseline.map_or(0.0, |counts| counts.total);
            *canary += interval.canary.map_or(0.0, |counts| counts.total);
        }
    }
    sums.map(whole)
}

fn values(plan: &Plan, windows: &Windows, metric_idx: usize, reach: &Reach) -> [u64; 2] {
    let Some((baseline, canary)) = windows.judged_series(plan, metric_idx) else {
        return [0, 0];
    };
    let step = plan.timing.step;
    let first = plan.timing.judged_from.align_up(step);
    let count = |values: &[Option<f64>]| {
        let mut at = first;
        let mut n = 0;
        for value in values {
            // A value stands for the instant it was read at.
            n += u64::from(value.is_some() && at >= reach.from && at <= reach.to);
            at = at.plus(step.span());
        }
        n
    };
    [count(&baseline), count(&canary)]
}

/// A count that may have been worked out from rates, rounded down.
fn whole(total: f64) -> u64 {
    if total >= 1.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least one, and a larger count than u64 is saturated"
        )]
        let whole = total as u64;
        whole
    } else {
        0
    }
}

/// The first step that lacks evidence of a gate, as a part of a sentence.
pub(crate) fn lacking(seen: &Judgement) -> Option<String> {
    let decided = |metric: &StepMetric| {
        let finding = seen.findings.iter().find(|f| f.metric == metric.metric);
        finding.is_some_and(|f| f.label == Label::Within)
    };
    seen.steps.iter().find_map(|step| {
        let mut metrics = step.metrics.iter();
        let short = metrics.find(|metric| !metric.enough && decided(metric))?;
        let share = step.share.map_or_else(
            || "the first step".to_owned(),
            |share| format!("the step of {}", crate::judge::phrase::percent(share)),
        );
        Some(format!(
            "{share} has too little of {}: {} on the baseline and {} on the canary, {} are needed",
            short.metric, short.baseline, short.canary, short.needed
        ))
    })
}
