//! Several steps of traffic: what each of them showed. A promote needs the minimum evidence of
//! every gate within each step: a canary that was healthy at 5 % is not shown healthy at 50 %.

use crate::judge::environment;
use crate::judge::judgement::{Judgement, Label, StepFinding, StepMetric, TrafficFinding};
use crate::judge::windows::{Counts, EventInterval, Windows};
use crate::plan::{MetricPlan, Plan, Queries};
use crate::template::steps::{PlannedStep, StepsBy};
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
/// no step was announced by then and none is planned. What was announced later is not known yet,
/// so that a look is judged the same whenever that is done (A6).
fn reached(plan: &Plan, covered_to: Timestamp) -> Vec<Reach> {
    let further = plan.further_steps();
    let known: Vec<_> = further.iter().filter(|step| step.at < covered_to).collect();
    if known.is_empty() && plan.steps.is_none() {
        return Vec::new();
    }
    let mut out = vec![Reach {
        share: plan.first_share(),
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
                levels: match plan.steps {
                    Some(_) => levels(plan, windows, (metric_idx, metric), reach),
                    None => [None, None],
                },
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

/// The level of baseline and canary within a step.
fn levels(
    plan: &Plan,
    windows: &Windows,
    (metric_idx, metric): (usize, &MetricPlan),
    reach: &Reach,
) -> [Option<f64>; 2] {
    let ratio = |(sum, n): (f64, f64)| (n > 0.0).then(|| sum / n);
    let mut sums = [(0.0, 0.0); 2];
    let [baseline, canary] = &mut sums;
    if matches!(metric.queries, Queries::Series { .. }) {
        let Some((of_baseline, of_canary)) = windows.judged_series(plan, metric_idx) else {
            return [None, None];
        };
        for (sums, values) in [(baseline, of_baseline), (canary, of_canary)] {
            for value in within(plan, &values, reach) {
                *sums = (sums.0 + value, sums.1 + 1.0);
            }
        }
        return sums.map(ratio);
    }
    if metric.queries.is_whole_distribution() {
        return [None, None]; // none of its observations are bad ones
    }
    for interval in windows.judged_events(plan, metric_idx) {
        if reach.holds(plan, interval.at) {
            for (sums, counts) in [
                (&mut *baseline, interval.baseline),
                (&mut *canary, interval.canary),
            ] {
                let counts = counts.unwrap_or(Counts {
                    bad: 0.0,
                    total: 0.0,
                });
                *sums = (sums.0 + counts.bad, sums.1 + counts.total);
            }
        }
    }
    sums.map(ratio)
}

/// The values read within a step.
fn within(plan: &Plan, values: &[Option<f64>], reach: &Reach) -> Vec<f64> {
    let step = plan.timing.step;
    let mut at = plan.timing.judged_from.align_up(step);
    let mut out = Vec::new();
    for value in values {
        // A value stands for the instant it was read at.
        out.extend(value.filter(|_| at >= reach.from && at <= reach.to));
        at = at.plus(step.span());
    }
    out
}

fn values(plan: &Plan, windows: &Windows, metric_idx: usize, reach: &Reach) -> [u64; 2] {
    let Some((baseline, canary)) = windows.judged_series(plan, metric_idx) else {
        return [0, 0];
    };
    let count = |values: &[Option<f64>]| {
        u64::try_from(within(plan, values, reach).len()).unwrap_or(u64::MAX)
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

/// What is still to come of a planned step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepState {
    /// It has not begun, or nothing of it was read yet.
    Waiting,
    /// It has not been seen for as long as it bakes.
    Baking,
    /// It has baked, and a gate lacks its minimum of evidence within it.
    Lacking,
    /// It has baked, and every gate has its minimum of evidence within it.
    Shown,
    /// The next one began before it had baked, or it was passed over.
    CutShort,
}

impl StepState {
    /// The word in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Baking => "baking",
            Self::Lacking => "lacking",
            Self::Shown => "shown",
            Self::CutShort => "cut_short",
        }
    }
}

/// Whether two shares of traffic are the same but for the last digits of their notations, of which
/// one may have been in percent.
pub fn is_same(l: f64, r: f64) -> bool {
    (l - r).abs() <= 1e-9
}

/// Since when a planned step bakes that has begun. An announced one bakes while it is seen; by time
/// the first one begins with the analysis, and the warm-up is a part of it.
pub fn bakes_from(plan: &Plan, planned: &PlannedStep, found: &StepFinding) -> Timestamp {
    let by_time = plan.steps.as_ref().filter(|plan| plan.by == StepsBy::Time);
    let first = by_time.and_then(|plan| plan.steps.first());
    if first == Some(planned) {
        found.from.min(plan.timing.start)
    } else {
        found.from
    }
}

/// How a planned step stands at the newest judgement, and what it showed if it has begun.
pub fn stands<'a>(
    plan: &Plan,
    (planned, seen): (&PlannedStep, Option<&'a Judgement>),
) -> (StepState, Option<&'a StepFinding>) {
    let weight = planned.weight.get();
    let is = |step: &&StepFinding| step.share.is_some_and(|share| is_same(share, weight));
    let steps = seen.map_or(&[][..], |seen| &seen.steps);
    let beyond = |share: f64| share > weight && !is_same(share, weight);
    let later = steps.iter().any(|step| step.share.is_some_and(beyond));
    let Some(found) = steps.iter().rev().find(is) else {
        let state = if later {
            StepState::CutShort
        } else {
            StepState::Waiting
        };
        return (state, None);
    };
    let from = bakes_from(plan, planned, found);
    let state = if found.to.since(from) >= planned.bake {
        // Without a gate nothing is shown, however long it bakes (A5).
        let gates = &found.metrics;
        if !gates.is_empty() && gates.iter().all(|metric| metric.enough) {
            StepState::Shown
        } else {
            StepState::Lacking
        }
    } else if later {
        StepState::CutShort
    } else {
        StepState::Baking
    };
    (state, Some(found))
}

/// Whether the last planned step has baked; true where none is planned.
pub fn last_has_baked(plan: &Plan, seen: &Judgement) -> bool {
    let last = plan.steps.as_ref().and_then(|plan| plan.steps.last());
    last.is_none_or(|last| {
        let (state, _) = stands(plan, (last, Some(seen)));
        matches!(state, StepState::Shown | StepState::Lacking)
    })
}

/// What is still to come of the last planned step, as a part of a sentence.
pub(crate) fn unfinished(plan: &Plan, seen: &Judgement) -> Option<String> {
    let last = plan.steps.as_ref()?.steps.last()?;
    let share = crate::judge::phrase::percent(last.weight.get());
    match stands(plan, (last, Some(seen))).0 {
        StepState::Waiting => Some(format!("the step of {share} has not begun")),
        StepState::Baking | StepState::CutShort => {
            let bake = last.bake;
            Some(format!("the step of {share} has not baked for {bake}"))
        }
        StepState::Lacking | StepState::Shown => None,
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
