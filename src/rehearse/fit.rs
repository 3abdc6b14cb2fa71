//! Whether a test fits its template: every name is known, and data are of the metric's kind.

use crate::diagnostic::{Diagnostic, Place, closest};
use crate::rehearse::pieces::Unit;
use crate::rehearse::samples;
use crate::rehearse::spec::{ArmData, Before, Flow, MetricData, Source, Test, Written};
use crate::template::{Measure, MetricSpec, Template};
use std::collections::BTreeMap;

/// What is wrong; in the order of the text.
pub(super) fn faults(test: &Test, template: &Template) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let template = template.for_change(test.deploy.change_type.as_deref());
    if let Source::Metrics(metrics) = &test.source {
        data(test, template, metrics, &mut found);
    }
    let metrics = || template.metrics.iter().map(|metric| metric.name.as_str());
    let objectives = || {
        template
            .objectives
            .iter()
            .map(|objective| objective.name.as_str())
    };
    let expect = &test.expect;
    for name in expect
        .worse
        .iter()
        .chain(expect.labels.iter().map(|(name, _)| name))
    {
        unknown("metric", name, metrics(), &mut found);
    }
    for name in &expect.objectives {
        unknown("objective", name, objectives(), &mut found);
    }
    found.sort_by_key(|said| said.place);
    // What is written for both arms is wrong once.
    found.dedup();
    found
}

/// Only data of a file's own words are looked at here; those of a CSV file are checked when read.
fn data(
    test: &Test,
    template: &Template,
    metrics: &BTreeMap<String, MetricData>,
    found: &mut Vec<Diagnostic>,
) {
    let known = || template.metrics.iter().map(|metric| metric.name.as_str());
    for (name, data) in metrics {
        let name = Written {
            value: name.clone(),
            place: data.place,
            bytes: None,
        };
        unknown("metric", &name, known(), found);
    }
    for spec in &template.metrics {
        let name = spec.name.as_str();
        match metrics.get(name) {
            Some(data) if !data.none && data.csv.is_none() => found.extend(kinds(spec, data)),
            None if spec.role.is_gate() => {
                let role = spec.role.word();
                let message = format!("the {role} metric `{name}` has no data");
                let help = format!("write its data under `metrics`, or `{name}: none`");
                found.push(said(test.name.place, message, help));
            }
            _ => {}
        }
    }
}

fn said(at: Place, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error("T001", message).at(Some(at)).help(help)
}

fn unknown<'a>(
    what: &str,
    name: &Written<String>,
    known: impl Iterator<Item = &'a str> + Clone,
    found: &mut Vec<Diagnostic>,
) {
    let value = name.value.as_str();
    if known.clone().any(|other| other == value) {
        return;
    }
    let message = match closest(value, known.clone()) {
        Some(near) => format!("unknown {what} `{value}`, did you mean `{near}`?"),
        None => format!("unknown {what} `{value}`"),
    };
    let all: Vec<&str> = known.collect();
    let help = if all.is_empty() {
        format!("the template has no {what}")
    } else {
        format!("the template has {}", all.join(", "))
    };
    found.push(said(name.place, message, help));
}

/// What a metric's kind asks of its data.
fn kinds(spec: &MetricSpec, data: &MetricData) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (arm, side) in [("baseline", &data.baseline), ("canary", &data.canary)] {
        if side.is_none() {
            let message = format!("`{}` says nothing of the {arm}", spec.name);
            let help = format!("write `{arm}`, or `both`; `{arm}: _` is an arm without values");
            found.push(said(data.place, message, help));
        }
    }
    let (past_baseline, past_canary) = match &data.before {
        Before::Arms(baseline, canary) => (baseline.as_ref(), canary.as_ref()),
        _ => (None, None),
    };
    let arms = [
        data.baseline.as_ref(),
        data.canary.as_ref(),
        past_baseline,
        past_canary,
    ];
    let arms: Vec<&ArmData> = arms.into_iter().flatten().collect();
    let lines = || arms.iter().flat_map(|arm| &arm.lines);
    // What never holds anything fits every kind.
    let held = || lines().filter(|line| line.flow.level().is_some());
    let mut last: Option<&Flow> = None;
    for line in held() {
        let other = last.filter(|other| other.kind() != line.flow.kind());
        if let Some(other) = other {
            let (own, other) = (line.flow.kind(), other.kind());
            let message = format!("{own} here, {other} elsewhere in `{}`", spec.name);
            found.push(said(
                line.place,
                message,
                "write all series of a metric alike",
            ));
            return found;
        }
        last = Some(&line.flow);
        found.extend(
            kind(spec, data, &line.flow).map(|(message, help)| said(line.place, message, help)),
        );
    }
    found
}

type Fault = (String, &'static str);

/// What a metric's kind asks of one series.
fn kind(spec: &MetricSpec, data: &MetricData, flow: &Flow) -> Option<Fault> {
    let name = &spec.name;
    match (&spec.measure, flow) {
        (Measure::Series { .. }, Flow::Values(values)) => (values.unit == Unit::Rate).then(|| {
            let message = format!("`{name}` is a series metric, and a rate is no value of it");
            (message, "write the number the query answers with")
        }),
        (Measure::Series { .. }, flow) => {
            let message = format!(
                "`{name}` is a series metric, and {} are none of it",
                flow.kind()
            );
            Some((
                message,
                "write the values its query answers with, such as `0.2 ~5%`",
            ))
        }
        (Measure::Events { .. }, Flow::Events { bad, .. }) => fractions(bad.as_ref()),
        (Measure::Events { .. }, flow) => {
            let message = format!(
                "`{name}` is an events metric, and {} are none of it",
                flow.kind()
            );
            Some((message, "write `{ total: 600/m, bad: 0.2% }`"))
        }
        (Measure::Distribution { threshold, .. }, flow) => {
            distribution(spec, data, flow, *threshold)
        }
    }
}

/// A share written without its sign would be a count that rounds to nothing.
fn fractions(bad: Option<&crate::rehearse::pieces::Pieces>) -> Option<Fault> {
    let bad = bad.filter(|bad| bad.unit == Unit::Plain)?;
    let (low, high) = bad.range()?;
    (low.fract() != 0.0 || high.fract() != 0.0).then(|| {
        let message = "`bad` without a unit is a count each step, which is a whole number";
        (
            message.to_owned(),
            "write a share as `0.2%`, a rate as `3/m`",
        )
    })
}

fn distribution(
    spec: &MetricSpec,
    data: &MetricData,
    flow: &Flow,
    threshold: Option<f64>,
) -> Option<Fault> {
    let name = &spec.name;
    let bounds = samples::bounds(data, threshold);
    match flow {
        Flow::Values(_) => {
            let message = format!("`{name}` is a distribution, and values are none of it");
            let help = "write `{ total: 600/m, median: 0.08, sigma: 0.5 }`, or `bad: 1%` for the \
                        share beyond the threshold";
            Some((message, help))
        }
        Flow::Events { .. } if threshold.is_none() => {
            let message = format!("`{name}` has no threshold, so no observation is bad");
            Some((message, "write `median` and `sigma`, or `shares`"))
        }
        Flow::Events { bad, .. } => fractions(bad.as_ref()),
        Flow::Shares { shares, .. } if shares.len() != bounds.len() + 1 => {
            let (have, need) = (shares.len(), bounds.len() + 1);
            let message = format!(
                "`{name}` has {have} shares for {} bounds, which make {need} buckets",
                bounds.len()
            );
            Some((
                message,
                "write one share each bucket, and `bounds` beside the arms",
            ))
        }
        _ => threshold
            .filter(|limit| !bounds.contains(limit))
            .map(|limit| {
                let message = format!("no bound of `{name}` is its threshold {limit}");
                (
                    message,
                    "write `bounds` with it, such as `bounds: [0.1, 0.25, 1]`",
                )
            }),
    }
}
