//! `POST /v1/judge`: one judgement of a whole window, without a record. The body is a submission
//! with a window: either inline samples, or a start and an end between which the source is asked.

use super::analyses::ok;
use super::bind;
use super::body::{invalid, json_bytes};
use super::office::Office;
use super::refused::{Code, Refused};
use super::wire::SamplesInput;
use crate::diagnostic::closest;
use crate::engine::event::SourceFault;
use crate::http::{Ask, OnceFault, OneShot};
use crate::judge::windows::Batch;
use crate::plan::rollout::Rollout;
use crate::plan::scope::Scope;
use crate::plan::{ARM_MARK, ARM_MARKS, Part, Plan, Queries, Slot};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::template::{Measure, Template};
use crate::time::{Span, Timestamp};
use crate::wire::problem::FieldProblem;
use crate::wire::submission::{self, CheckedSubmission};
use crate::wire::verdict::JudgeDocument;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Samples by metric.
type Samples = BTreeMap<String, Series>;

/// One metric's samples with their instants read.
struct Series {
    instants: Vec<Timestamp>,
    input: SamplesInput,
}

/// What a body asks to be judged.
struct Window {
    submission: CheckedSubmission,
    end: Option<Timestamp>,
    samples: Option<Samples>,
}

/// Judges once.
pub(crate) async fn judge(
    State(office): State<Arc<Office>>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let (parts, body) = request.into_parts();
    let bytes = json_bytes(&parts.headers, body, office.desk.limits.body_bytes_max).await?;
    let window = read(&bytes).map_err(invalid)?;
    let chosen = bind::chosen(&office, &window.submission.template)?;
    let fits = window.submission.fits(&chosen.template);
    fits.map_err(invalid)?;
    let now = (office.desk.now)();
    let rollout = rollout(&window, &chosen.template, now)?;
    let plan = bind::plan_once(&fitted(&chosen.template, &window), &rollout)?;
    let samples = window.samples.as_ref().map(|samples| batch(&plan, samples));
    let samples = samples.transpose().map_err(unfit)?.map(Box::new);
    let asked = |reply| Ask::Judge {
        plan,
        samples,
        reply,
    };
    let OneShot {
        plan,
        judgement,
        verdict,
        row,
        hold,
        sentence,
    } = office.ask(asked).await?.map_err(|fault| match fault {
        OnceFault::Source(fault) => source(&fault),
        OnceFault::Judge(message) => Refused::new(Code::Internal, message),
    })?;
    let document = JudgeDocument::new(&plan, &judgement, verdict.word(), row, &sentence);
    Ok(ok(&document.held(&plan, &judgement, hold.as_ref())))
}

fn source(fault: &SourceFault) -> Refused {
    if fault.transient {
        Refused::new(Code::SourceUnavailable, fault.message.clone()).retry_after(1)
    } else {
        Refused::new(Code::SourceRefused, fault.message.clone())
    }
}

fn unfit(errors: Vec<FieldProblem>) -> Refused {
    let detail = errors.first().map(ToString::to_string).unwrap_or_default();
    Refused::new(Code::InvalidSamples, detail).with_errors(errors)
}

/// Takes the window out of the body; the rest is a submission.
fn read(bytes: &[u8]) -> Result<Window, Vec<FieldProblem>> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(bytes) else {
        let why = "the body is no object; send {\"template\": …, \"samples\": …}";
        return Err(vec![FieldProblem::new("", why)]);
    };
    let mut faults = Vec::new();
    let end = fields
        .remove("end")
        .and_then(|value| end(&value, &mut faults));
    let samples = fields
        .remove("samples")
        .and_then(|value| samples(value, &mut faults));
    if samples.is_some() {
        name_arms(&mut fields);
    }
    match submission::parse(&super::office::json(&fields)) {
        Ok(submission) => {
            check(&submission, end, samples.is_some(), &mut faults);
            if faults.is_empty() {
                return Ok(Window {
                    submission,
                    end,
                    samples,
                });
            }
            faults.extend(submission.arms_fault);
        }
        Err(more) => faults.extend(more),
    }
    Err(faults)
}

/// Inline samples say which arm they are; scopes are then only names, and may be left out.
fn name_arms(fields: &mut Map<String, Value>) {
    for arm in ["baseline", "canary"] {
        if !fields.contains_key(arm) {
            fields.insert(arm.to_owned(), json!({ "arm": arm }));
        }
    }
}

fn check(
    submission: &CheckedSubmission,
    end: Option<Timestamp>,
    inline: bool,
    faults: &mut Vec<FieldProblem>,
) {
    let mut add = |field: &str, why: &str| faults.push(FieldProblem::new(field, why));
    if !submission.receivers.is_empty() {
        add(
            "webhooks",
            "a judgement is only answered, not sent; leave it out",
        );
    }
    if inline {
        let given = [
            ("start", submission.start.is_some()),
            ("end", end.is_some()),
            ("duration", submission.duration.is_some()),
        ];
        for (field, _) in given.iter().filter(|(_, given)| *given) {
            add(field, "samples carry their own instants; leave it out");
        }
        return;
    }
    if submission.start.is_none() {
        add("start", "it is missing; give start and end, or samples");
    }
    match (end, submission.duration) {
        (None, None) => add("end", "it is missing; give start and end, or samples"),
        (Some(_), Some(_)) => add("duration", "end is given as well; give one of them"),
        (Some(end), None) if submission.start.is_some_and(|start| start >= end) => {
            add("end", "it is not after start");
        }
        _ => {}
    }
}

fn end(value: &Value, faults: &mut Vec<FieldProblem>) -> Option<Timestamp> {
    let at = value.as_str().and_then(Timestamp::parse);
    if at.is_none() {
        let why = "it is no instant; write 2026-03-01T12:00:00Z";
        faults.push(FieldProblem::new("end", why));
    }
    at
}

fn samples(value: Value, faults: &mut Vec<FieldProblem>) -> Option<Samples> {
    let Value::Object(metrics) = value else {
        let why = "it is no object; give {\"metric\": {\"timestamps_s\": [], \"baseline\": [], \
                   \"canary\": []}}";
        faults.push(FieldProblem::new("samples", why));
        return None;
    };
    if metrics.is_empty() {
        let why = "it is empty; give at least one metric, or leave it out and give start and end";
        faults.push(FieldProblem::new("samples", why));
    }
    let mut out = Samples::new();
    for (name, value) in metrics {
        match series(value) {
            Ok(series) => {
                out.insert(name, series);
            }
            Err(why) => faults.push(FieldProblem::new(format!("samples.{name}"), why)),
        }
    }
    Some(out)
}

fn series(value: Value) -> Result<Series, String> {
    let input: SamplesInput = serde_json::from_value(value).map_err(|fault| fault.to_string())?;
    let (n, b, c) = (
        input.timestamps_s.len(),
        input.baseline.len(),
        input.canary.len(),
    );
    if n == 0 {
        return Err("it has no timestamps; give at least one".to_owned());
    }
    if (b, c) != (n, n) {
        return Err(format!(
            "there are {n} timestamps, {b} baseline and {c} canary values; give one value per \
             timestamp and arm, null where there is none"
        ));
    }
    let mut instants = Vec::with_capacity(n);
    for seconds in &input.timestamps_s {
        let at = Timestamp::from_seconds(*seconds)
            .ok_or_else(|| format!("timestamp {seconds} is beyond the year 9999"))?;
        if instants.last().is_some_and(|last| *last >= at) {
            return Err(format!(
                "timestamp {seconds} is not after the one before it; sort them"
            ));
        }
        instants.push(at);
    }
    Ok(Series { instants, input })
}

/// The rollout whose window is what was asked for.
fn rollout(window: &Window, template: &Template, now: Timestamp) -> Result<Rollout, Refused> {
    let mut rollout = window.submission.rollout(now);
    if let Some(samples) = &window.samples {
        known_metrics(samples, template).map_err(unfit)?;
        let step = template.schedule.step;
        let all = || {
            samples
                .values()
                .flat_map(|series| &series.instants)
                .copied()
        };
        let (Some(first), Some(last)) = (all().min(), all().max()) else {
            return Ok(rollout);
        };
        // An analysis reads samples after its start, so it starts one step before the first.
        rollout.start = first.minus(step.span()).align_down(step);
        rollout.duration = Some(last.since(rollout.start));
        return Ok(rollout);
    }
    if let Some(end) = window.end {
        rollout.duration = Some(end.since(rollout.start));
    }
    let end = rollout.start.plus(rollout.duration.unwrap_or(Span::ZERO));
    if end > now {
        let why = format!("{end} has not come yet, it is {now}; judge a window that is over");
        return Err(invalid(vec![FieldProblem::new("end", why)]));
    }
    Ok(rollout)
}

/// The template for a window: samples that somebody chose to send are all judged.
fn fitted(template: &Template, window: &Window) -> Template {
    let mut template = template.clone();
    if window.samples.is_some() {
        template.schedule.warmup = Span::ZERO;
    }
    template
}

fn known_metrics(samples: &Samples, template: &Template) -> Result<(), Vec<FieldProblem>> {
    let names = || template.metrics.iter().map(|metric| metric.name.as_str());
    let mut faults = Vec::new();
    for name in samples.keys() {
        let found = template
            .metrics
            .iter()
            .find(|metric| metric.name.as_str() == name);
        let why = match found.map(|metric| &metric.measure) {
            Some(Measure::Series { .. }) => continue,
            Some(_) => "it is counted from events; inline samples are for series metrics, give \
                        start and end to ask the source"
                .to_owned(),
            None => match closest(name, names()) {
                Some(near) => format!("the template has no such metric, did you mean {near}?"),
                None => format!(
                    "the template has no such metric; it has {}",
                    names().collect::<Vec<_>>().join(", ")
                ),
            },
        };
        faults.push(FieldProblem::new(format!("samples.{name}"), why));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// The samples as the source would have answered them.
fn batch(plan: &Plan, samples: &Samples) -> Result<Batch, Vec<FieldProblem>> {
    let labels = |name, scope| labels(name, scope);
    let mut arms = (
        labels("baseline", &plan.rollout.baseline)?,
        labels("canary", &plan.rollout.canary)?,
    );
    if plan.shifted.is_some() {
        let [baseline, canary] = ARM_MARKS.map(str::to_owned);
        arms.0.insert(ARM_MARK.to_owned(), baseline);
        arms.1.insert(ARM_MARK.to_owned(), canary);
    }
    let step = plan.timing.step;
    let mut answers = Vec::new();
    for (metric_idx, metric) in plan.metrics.iter().enumerate() {
        let part = match &metric.queries {
            Queries::Series { .. } => Part::Grid,
            Queries::Events { .. } | Queries::Distribution { .. } => continue,
        };
        let mut answer = Answer::default();
        if let Some(series) = samples.get(metric.name.as_str()) {
            if let Some(stray) = series
                .instants
                .iter()
                .find(|at| at.align_down(step) != **at)
            {
                let why = format!(
                    "timestamp {} is no multiple of the template's step of {step}; shift or thin \
                     the samples",
                    stray.seconds()
                );
                return Err(vec![FieldProblem::new(
                    format!("samples.{}", metric.name),
                    why,
                )]);
            }
            let arm = |labels: &Labels, values: &[Option<f64>]| raw(labels, series, values);
            answer.series.push(arm(&arms.0, &series.input.baseline));
            answer.series.push(arm(&arms.1, &series.input.canary));
        }
        answers.push((Slot { metric_idx, part }, answer));
    }
    Ok(Batch {
        from: plan.timing.start,
        to: plan.timing.deadline,
        answers,
    })
}

fn raw(labels: &Labels, series: &Series, values: &[Option<f64>]) -> RawSeries {
    let samples = series.instants.iter().zip(values);
    let samples = samples.filter_map(|(at, value)| value.map(|value| Sample { at: *at, value }));
    RawSeries {
        labels: labels.clone(),
        samples: samples.collect(),
    }
}

/// Labels that the scope selects; only exact matchers say which.
fn labels(arm: &str, scope: &Scope) -> Result<Labels, Vec<FieldProblem>> {
    let exact = |matcher: &crate::plan::scope::Matcher| {
        Some((matcher.label().to_owned(), matcher.exact()?.to_owned()))
    };
    scope
        .matchers()
        .iter()
        .map(exact)
        .collect::<Option<Labels>>()
        .ok_or_else(|| {
            let why = "with samples it can only hold exact labels; leave it out";
            vec![FieldProblem::new(arm, why)]
        })
}
