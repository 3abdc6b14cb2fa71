//! Template × rollout = plan: holes filled, instants computed, the error budget shared out.

use crate::diagnostic::{Diagnostic, closest};
use crate::digest::Digest;
use crate::plan::rollout::Rollout;
use crate::plan::scope::{Matcher, Scope, quote};
use crate::plan::{
    MetricPlan, ObjectivePlan, Plan, Queries, Shifted, Timing, TrafficPlan, WHOLE_SHARE,
    fingerprint,
};
use crate::slo::objective::RungAction;
use crate::template::baseline::BaselineMode;
use crate::template::history::HISTORY_POINTS_MAX;
use crate::template::parse::{DEADLINE_MAX, extension_fault, size_fault, window_fault};
use crate::template::query::{Fault, fill, selected_labels, value_fault};
use crate::template::steps::{StepPlan, StepsBy, steps_fault};
use crate::template::{History, Measure, MetricSpec, ObjectiveSpec, Role, Template};
use crate::time::{Span, Step};
use crate::units::Probability;
use std::collections::{BTreeMap, BTreeSet};

/// How many times a required metric's share a critical metric gets. Source: the weights of the
/// multiplicity rule of the judge (equal, critical × 3).
const CRITICAL_SHARE: f64 = 3.0;

/// Makes the plan, or says everything that keeps it from being made.
pub fn bind(template: &Template, rollout: &Rollout) -> Result<Plan, Vec<Diagnostic>> {
    let mut found = Vec::new();
    found.extend(misspelt_change(template, rollout));
    let template = template.for_change(rollout.deploy.change_type.as_deref());
    let inputs = resolve_inputs(template, rollout, &mut found);
    let concurrent = template.baseline == BaselineMode::Concurrent;
    if concurrent {
        found.extend(overlap(&rollout.baseline, &rollout.canary));
    }
    found.extend(length_faults(template, rollout));
    found.extend(told_apart_already(template, rollout));
    let mut faults = Vec::new();
    let timing = timing(template, rollout);
    let share = share_of_required(template);
    let fillers = Fillers::new(rollout, concurrent, &inputs);
    let (mut metrics, mut shifted) = (Vec::new(), Vec::new());
    for spec in template.metrics.iter().filter(|_| found.is_empty()) {
        match metric_plan(spec, &fillers, share, &timing) {
            Ok((metric, baseline)) => {
                metrics.push(metric);
                shifted.extend(baseline);
            }
            Err(diagnostic) => faults.push(diagnostic),
        }
    }
    found.extend(faults);
    if !found.is_empty() {
        return Err(found);
    }
    let objectives = template
        .objectives
        .iter()
        .filter_map(|spec| objective_plan(template, spec, share))
        .collect();
    let mut plan = Plan {
        template: template.name.clone(),
        template_digest: template.digest,
        rollout: rollout.clone(),
        timing,
        judge: template.judge.clone(),
        metrics,
        objectives,
        traffic: traffic(template, rollout).filter(|_| concurrent),
        steps: steps_of(template, rollout),
        history: history(template),
        allowed_warnings: template.allowed_warnings.clone(),
        on_inconclusive: template.on_inconclusive,
        exceptions: template.exceptions.clone(),
        recovery: template.recovery,
        shifted: (!concurrent).then(|| Shifted {
            mode: template.baseline,
            back: back(template, rollout, &timing),
            queries: shifted,
        }),
        digest: Digest::of(&[]),
    };
    plan.digest = fingerprint::of(&plan);
    Ok(plan)
}

/// C065: a type of change that has no rule but looks like one that has. Without a rule the template
/// is used as it is, which for a misspelt `database` would be less strict than was meant.
fn misspelt_change(template: &Template, rollout: &Rollout) -> Option<Diagnostic> {
    let given = rollout.deploy.change_type.as_deref()?;
    let known = || template.changes.iter().map(|rule| rule.change.as_str());
    if known().any(|change| change == given) {
        return None;
    }
    let near = closest(given, known())?;
    let message = format!("unknown change type `{given}`, did you mean `{near}`?");
    let all: Vec<&str> = known().collect();
    let help = format!("the template has rules for {}", all.join(", "));
    Some(Diagnostic::error("C065", message).help(help))
}

/// The value of every input; complains about missing, unknown and unfit ones.
fn resolve_inputs(
    template: &Template,
    rollout: &Rollout,
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let names = || template.inputs.iter().map(|input| input.name.as_str());
    for (name, value) in &rollout.inputs {
        if !names().any(|known| known == name) {
            let message = match closest(name, names()) {
                Some(near) => format!("unknown input `{name}`, did you mean `{near}`?"),
                None => format!("unknown input `{name}`"),
            };
            let all: Vec<&str> = names().collect();
            let help = if all.is_empty() {
                "the template has no inputs".to_owned()
            } else {
                format!("the template has the inputs {}", all.join(", "))
            };
            found.push(Diagnostic::error("C061", message).help(help));
        } else if let Some(why) = value_fault(value) {
            let message = format!("the value of input `{name}` {why}");
            found.push(
                Diagnostic::error("C062", message).help("shorten it, or remove the character"),
            );
        } else if let Some(unfit) = template.unfit(name, value) {
            let message = format!(
                "the value `{}` of input `{name}` {}",
                unfit.shown, unfit.why
            );
            found.push(Diagnostic::error("C062", message).help(format!("give {}", unfit.wanted)));
        }
    }
    let mut values = BTreeMap::new();
    for input in &template.inputs {
        if let Some(value) = rollout.inputs.get(&input.name).or(input.default.as_ref()) {
            values.insert(input.name.clone(), value.clone());
            continue;
        }
        let name = &input.name;
        let message = format!("input `{name}` has no value and no default");
        let help = match input.description.as_str() {
            "" => format!("give `{name}` a value"),
            description => format!("give `{name}` a value ({description})"),
        };
        let where_to = format!(
            "{help}: `--input {name}=…`, `inputs` of a submission, or `input.{name}=…` in a query"
        );
        found.push(Diagnostic::error("C060", message).help(where_to));
    }
    values
}

/// Refuses arms of which one contains the other.
fn overlap(baseline: &Scope, canary: &Scope) -> Option<Diagnostic> {
    let help = "add the label that differs, such as `version` or `pod`";
    if baseline == canary {
        let message = format!("both arms select the same series: {{{canary}}}");
        return Some(Diagnostic::error("C063", message).help(help));
    }
    let (inner, outer) = if contains(baseline, canary) {
        (("canary", canary), ("baseline", baseline))
    } else if contains(canary, baseline) {
        (("baseline", baseline), ("canary", canary))
    } else {
        return None;
    };
    let message = format!(
        "every series of the {} {{{}}} also belongs to the {} {{{}}}",
        inner.0, inner.1, outer.0, outer.1
    );
    Some(Diagnostic::error("C063", message).help(help))
}

/// Whether every series of `inner` is certainly one of `outer`: each matcher of `outer` is one
/// of `inner`, or accepts the exact value `inner` demands.
fn contains(outer: &Scope, inner: &Scope) -> bool {
    outer.matchers().iter().all(|wanted| {
        inner.matchers().iter().any(|given| {
            let accepts = |value: &str| {
                let labels = BTreeMap::from([(given.label().to_owned(), value.to_owned())]);
                wanted.matches(&labels)
            };
            wanted.label() == given.label()
                && (wanted == given || given.exact().is_some_and(accepts))
        })
    })
}

/// Faults of the length the rollout asks for.
fn length_faults(template: &Template, rollout: &Rollout) -> Vec<Diagnostic> {
    let schedule = &template.schedule;
    let planned = steps_of(template, rollout);
    let length = rollout.duration.unwrap_or(schedule.deadline);
    let steps = steps_fault(planned.as_ref(), (schedule.warmup, length));
    let mut found: Vec<_> = steps.into_iter().collect();
    let Some(duration) = rollout.duration else {
        return found;
    };
    if duration == Span::ZERO || duration > DEADLINE_MAX {
        let message = format!("a duration of {duration} is outside 1s to {DEADLINE_MAX}");
        found.push(Diagnostic::error("C064", message));
        return found;
    }
    if duration < schedule.bake && schedule.bake <= schedule.deadline {
        let bake = schedule.bake;
        let message = format!("a duration of {duration} ends before the bake time of {bake}");
        let help = "no promote would be possible: ask for more time, or shorten `schedule.bake`";
        found.push(Diagnostic::error("C064", message).help(help));
    }
    found.extend(size_fault(schedule, duration));
    found.extend(extension_fault(schedule, duration));
    let short = |metric| window_fault(schedule, duration, metric);
    found.extend(template.metrics.iter().filter_map(short));
    found
}

fn timing(template: &Template, rollout: &Rollout) -> Timing {
    let schedule = &template.schedule;
    let start = rollout.start.align_up(schedule.step);
    let regular = start.plus(rollout.duration.unwrap_or(schedule.deadline));
    let bake_until = start.plus(schedule.bake);
    Timing {
        start,
        step: schedule.step,
        look_every: schedule.look_every,
        judged_from: start.plus(schedule.warmup),
        // Data end on the grid, and a bake time is over when the data reach past it, not when they
        // nearly do. Only a bake time as long as the whole window ends with the window's last grid
        // point: there is nothing after it to wait for.
        bake_until: if bake_until == regular {
            regular.align_down(schedule.step)
        } else {
            bake_until.align_up(schedule.step)
        },
        deadline: regular.plus(schedule.extend_once),
        extension: schedule.extend_once,
        lag: schedule.lag,
        source_grace: schedule.source_grace,
    }
}

/// The steps of traffic: the rollout's own, or else the template's.
pub(super) fn steps_of(template: &Template, rollout: &Rollout) -> Option<StepPlan> {
    let own = &rollout.deploy.planned_steps;
    if own.is_empty() {
        return template.steps.clone();
    }
    Some(StepPlan {
        by: template
            .steps
            .as_ref()
            .map_or_else(StepsBy::default, |plan| plan.by),
        steps: own.clone(),
    })
}

/// How much earlier the baseline's data are, in whole steps, so that they fall on the canary's
/// grid. Right before the start means that no sample of the baseline is later than the start the
/// rollout named, however long the analysis may take.
fn back(template: &Template, rollout: &Rollout, timing: &Timing) -> Span {
    let whole = timing.deadline.since(rollout.start);
    steps(template.baseline.back().unwrap_or(whole), timing.step)
}

/// In whole steps, rounded up.
fn steps(span: Span, step: Step) -> Span {
    let step = step.span();
    step.times((span.ms() + step.ms() - 1) / step.ms())
}

/// C067: what a file of objectives counts is one arm only, or neither, when it selects by a label
/// that tells the arms apart.
fn told_apart_already(template: &Template, rollout: &Rollout) -> Vec<Diagnostic> {
    let (baseline, canary) = (rollout.baseline.matchers(), rollout.canary.matchers());
    let differs = |label: &str| {
        let of = |all: &[Matcher]| all.iter().find(|m| m.label() == label).cloned();
        of(baseline) != of(canary)
    };
    let mut found = Vec::new();
    for metric in template
        .metrics
        .iter()
        .filter(|metric| metric.counts_foreign)
    {
        let queries = match &metric.measure {
            Measure::Series { query, .. } => vec![query],
            Measure::Events { bad, total } => vec![bad, total],
            Measure::Distribution { buckets, .. } => vec![buckets],
        };
        let labels = queries.into_iter().flat_map(|query| selected_labels(query));
        let labels: BTreeSet<String> = labels.filter(|label| differs(label)).collect();
        for label in labels {
            let message = format!(
                "metric `{}` counts what its file selects by `{label}`, which tells the arms apart",
                metric.name
            );
            let help = "tell the arms apart by another label, or write the metric's `events` in \
                        the template without it";
            found.push(Diagnostic::error("C067", message).help(help));
        }
    }
    found
}

/// What `${…}` becomes.
struct Filler {
    selector: String,
    arm_labels: String,
    inputs: BTreeMap<String, String>,
}

/// Matchers that cover both arms. A label that only one arm names is left out, so that the
/// other arm is not shut out. When nothing is left, a matcher that accepts everything keeps the
/// query well-formed.
fn selector(baseline: &Scope, canary: &Scope) -> String {
    let common: Vec<String> = canary
        .matchers()
        .iter()
        .filter_map(|matcher| {
            let label = matcher.label();
            let other = baseline.matchers().iter().find(|m| m.label() == label)?;
            Some(union(matcher, other))
        })
        .collect();
    if common.is_empty() {
        let label = canary.matchers().first().map_or("__name__", Matcher::label);
        return format!("{label}=~\".*\"");
    }
    common.join(",")
}

fn union(canary: &Matcher, baseline: &Matcher) -> String {
    if canary == baseline {
        return canary.to_string();
    }
    let side = |matcher: &Matcher| match matcher.exact() {
        Some(_) => matcher.as_regex(),
        None => format!("(?:{})", matcher.as_regex()),
    };
    let either = format!("{}|{}", side(canary), side(baseline));
    format!("{}=~{}", canary.label(), quote(&either))
}

/// The names of every label either arm is selected by.
fn arm_labels(baseline: &Scope, canary: &Scope) -> String {
    let both = baseline.matchers().iter().chain(canary.matchers());
    let labels: std::collections::BTreeSet<&str> = both.map(Matcher::label).collect();
    labels.into_iter().collect::<Vec<_>>().join(",")
}

/// What fills the queries of a plan.
struct Fillers {
    /// Those that are asked for both arms, or for the canary when the baseline is asked alone.
    both: Filler,
    /// Those of a baseline of another time.
    baseline: Option<Filler>,
}

impl Fillers {
    fn new(rollout: &Rollout, concurrent: bool, inputs: &BTreeMap<String, String>) -> Self {
        let (baseline, canary) = (&rollout.baseline, &rollout.canary);
        let filler = |selector: String| Filler {
            selector,
            arm_labels: arm_labels(baseline, canary),
            inputs: inputs.clone(),
        };
        if concurrent {
            return Self {
                both: filler(selector(baseline, canary)),
                baseline: None,
            };
        }
        Self {
            both: filler(selector(canary, canary)),
            baseline: Some(filler(selector(baseline, baseline))),
        }
    }
}

/// The concrete queries of a metric.
fn queries(spec: &MetricSpec, filler: &Filler) -> Result<Queries, Diagnostic> {
    let fill = |query: &str| {
        fill(query, &filler.selector, &filler.arm_labels, &filler.inputs).map_err(|fault: Fault| {
            let message = format!("metric `{}`: {}", spec.name, fault.message);
            Diagnostic::error(fault.code, message).help(fault.help)
        })
    };
    Ok(match &spec.measure {
        Measure::Series {
            query,
            combine,
            gaps,
        } => Queries::Series {
            query: fill(query)?,
            combine: *combine,
            gaps: *gaps,
        },
        Measure::Events { bad, total } => Queries::Events {
            bad: fill(bad)?,
            total: fill(total)?,
        },
        Measure::Distribution { buckets, threshold } => Queries::Distribution {
            buckets: fill(buckets)?,
            threshold: *threshold,
        },
    })
}

/// A metric, and the queries of a baseline that is asked alone.
fn metric_plan(
    spec: &MetricSpec,
    fillers: &Fillers,
    share: f64,
    timing: &Timing,
) -> Result<(MetricPlan, Option<Queries>), Diagnostic> {
    let alone = fillers.baseline.as_ref();
    let baseline = alone.map(|filler| queries(spec, filler)).transpose()?;
    let kept = if spec.group_by.is_some() {
        WHOLE_SHARE
    } else {
        1.0
    };
    let metric = MetricPlan {
        name: spec.name.clone(),
        role: spec.role,
        harm: spec.harm,
        min_effect: spec.min_effect,
        unit: spec.unit.clone(),
        group: spec.group.clone(),
        weight: spec.weight,
        evidence: spec.evidence,
        queries: queries(spec, &fillers.both)?,
        per: spec.per.clone(),
        group_by: spec.group_by.clone(),
        lag: lag(spec, timing),
        alpha: portion(share, parts(spec).unwrap_or(1.0) * kept),
        kayenta: spec.kayenta,
        judge: spec.judge,
    };
    Ok((metric, baseline))
}

/// How far the data of a metric lag behind those of the others.
fn lag(spec: &MetricSpec, timing: &Timing) -> Span {
    let own = spec.lag.unwrap_or(Span::ZERO);
    let behind = Span::from_ms((own.ms() - timing.lag.ms()).max(0));
    steps(behind, timing.step)
}

fn objective_plan(template: &Template, spec: &ObjectiveSpec, share: f64) -> Option<ObjectivePlan> {
    Some(ObjectivePlan {
        name: spec.name.clone(),
        metric_idx: template
            .metrics
            .iter()
            .position(|m| m.name == spec.metric)?,
        objective: spec.objective.clone(),
        alpha: portion(share, 1.0),
    })
}

/// The traffic check, when the template has one and the controller declared a share.
fn traffic(template: &Template, rollout: &Rollout) -> Option<TrafficPlan> {
    let spec = template.traffic.as_ref()?;
    let planned = steps_of(template, rollout);
    let first = planned.and_then(|plan| plan.steps.first().map(|step| step.weight));
    Some(TrafficPlan {
        metric_idx: template
            .metrics
            .iter()
            .position(|m| m.name == spec.metric)?,
        declared: rollout.deploy.traffic_share.or(first)?,
        tolerance_factor: spec.tolerance_factor,
    })
}

/// The history in whole steps, so that it ends where the window begins.
fn history(template: &Template) -> Option<History> {
    let step = template.schedule.step.span();
    template.history.map(|history| {
        let points = (history.lookback.ms() + step.ms() - 1) / step.ms();
        let points = points.min(HISTORY_POINTS_MAX);
        History {
            lookback: step.times(points),
            ..history
        }
    })
}

/// The part of `judge.false_rollback` one required metric gets: it is divided over everything
/// that can roll back alone (union bound), a critical metric counting three times and an
/// objective with a rollback rung once. What cannot roll back takes none of it: such metrics are
/// labelled at the whole of `judge.false_rollback` (see `judge::look`).
fn share_of_required(template: &Template) -> f64 {
    let metrics: f64 = template.metrics.iter().filter_map(parts).sum();
    let rolls_back = |spec: &&ObjectiveSpec| {
        let mut rungs = spec.objective.rungs.iter();
        rungs.any(|rung| rung.action == RungAction::Rollback)
    };
    let objectives = template.objectives.iter().filter(rolls_back).count();
    let all = metrics + objectives as f64;
    template.judge.false_rollback.get() / if all > 0.0 { all } else { 1.0 }
}

/// The parts of the error budget a gate has: what its own `judge.share` says, else by its role.
/// `None` for what is no gate.
fn parts(metric: &MetricSpec) -> Option<f64> {
    let usual = match metric.role {
        Role::Critical => CRITICAL_SHARE,
        Role::Required => 1.0,
        Role::Optional | Role::Info => return None,
    };
    Some(metric.judge.and_then(|own| own.share).unwrap_or(usual))
}

fn portion(share: f64, weight: f64) -> Probability {
    Probability::new((share * weight).min(1.0)).expect("a part of a probability is one")
}
