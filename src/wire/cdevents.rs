//! Messages as CDEvents (<https://cdevents.dev>), each carried in a CloudEvent in structured mode.
//!
//! The vocabulary knows nothing of canary analysis. An analysis is told as a test suite run, its
//! metrics as test case runs of it; or, in a form that is a draft there, as an approval. What has
//! no word there is a custom event `dev.cdeventsx.haldane-analysis.…`. That a service was rolled
//! back is never said: the controller does that, not we.

use crate::engine::record::Conclusion;
use crate::engine::subscription::Moment;
use crate::engine::verdict::Verdict;
use crate::engine::view::View;
use crate::ids::DeliveryId;
use crate::time::Timestamp;
use crate::wire::verdict::{MetricDocument, VerdictDocument};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The media type of a batch (CloudEvents JSON format 1.0, section 4.1).
pub const BATCH_TYPE: &str = "application/cloudevents-batch+json";

/// The release of the specification that test runs are written by.
const SPEC: &str = "0.5.0";
/// The release that has approvals.
const DRAFT_SPEC: &str = "0.6.0-draft";
/// The environment of a deploy that names none; the specification wants one.
const NO_ENVIRONMENT: &str = "unspecified";
/// The judge, where the specification wants somebody who decided.
const JUDGE: &str = "urn:haldane:judge";

/// What a message is about.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The moment.
    pub moment: Moment,
    /// The analysis as it was then.
    pub view: &'a View,
    /// The message.
    pub delivery: &'a DeliveryId,
    /// The daemon.
    pub source: &'a str,
    /// When the message was born.
    pub born: Timestamp,
}

/// The test suite run: queued or started, finished.
pub fn suite(told: &Told<'_>) -> Vec<u8> {
    bytes(&suite_event(told))
}

/// The test suite run and, with the verdict, a test case run for each metric, as a batch.
pub fn suite_and_cases(told: &Told<'_>) -> Vec<u8> {
    let mut batch = vec![suite_event(told)];
    let document = VerdictDocument::for_message(told.view);
    if told.moment == Moment::Verdict {
        let metrics = document.metrics.iter().flatten().enumerate();
        batch.extend(metrics.map(|(idx, metric)| case_event(told, idx, metric)));
    }
    bytes(&Value::Array(batch))
}

/// The approval: created, updated by a hold, closed by the verdict.
pub fn approval(told: &Told<'_>) -> Vec<u8> {
    let (predicate, more) = match (told.moment, &told.view.conclusion) {
        (Moment::Started, _) => ("created", json!({ "requestor": requestor(told.view) })),
        (Moment::Hold, _) => {
            let waits = json!({ "decision": "deferred", "responder": JUDGE });
            ("updated", waits)
        }
        (Moment::Verdict, Some(conclusion)) => ("closed", closing(conclusion)),
        _ => return bytes(&custom(told)),
    };
    let id = &told.view.id;
    let base = told.source.trim_end_matches('/');
    let base = if base.starts_with("http") { base } else { "" };
    let deploy = &told.view.plan.rollout.deploy;
    let target = deploy.artifact_digest.clone().unwrap_or_else(|| {
        let revision = deploy.revision.as_deref().or(deploy.commit.as_deref());
        urn("deploy", &[&deploy.service, revision.unwrap_or("unknown")])
    });
    let mut content = json!({
        "approvalDetailsUrl": format!("{base}/v1/analyses/{id}"),
        "resourceTargetUrl": target,
    });
    merge(&mut content, more);
    let kind = format!("dev.cdevents.approval.{predicate}.0.1.0");
    bytes(&carried(told, (DRAFT_SPEC, &kind), id.as_str(), &content))
}

/// What an approval is closed with. Inconclusive is no decision in time, unless somebody stopped
/// the analysis.
fn closing(conclusion: &Conclusion) -> Value {
    let stopped = conclusion.by_person() == Some(Moment::Cancelled);
    let (status, decision) = match conclusion.verdict {
        Verdict::Promote => ("approved", "approved"),
        Verdict::Rollback => ("rejected", "rejected"),
        Verdict::Inconclusive if stopped => ("cancelled", "deferred"),
        Verdict::Inconclusive => ("expired", "deferred"),
    };
    let responder = match &conclusion.author {
        Some(author) => urn("person", &[author]),
        None => JUDGE.to_owned(),
    };
    json!({ "status": status, "decision": decision, "responder": responder })
}

fn requestor(view: &View) -> String {
    match &view.plan.rollout.deploy.actor {
        Some(actor) => urn("actor", &[actor]),
        None => "urn:haldane:controller".to_owned(),
    }
}

/// `urn:haldane:` and parts, of which everything is percent-encoded that a URN does not have
/// (RFC 8141 section 2).
fn urn(kind: &str, parts: &[&str]) -> String {
    let mut out = format!("urn:haldane:{kind}");
    for part in parts {
        out.push(':');
        for byte in part.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    out.push(char::from(byte));
                }
                other => {
                    let _ = write!(out, "%{other:02X}"); // a text takes everything
                }
            }
        }
    }
    out
}

fn suite_event(told: &Told<'_>) -> Value {
    let view = told.view;
    let predicate = match told.moment {
        Moment::Started if view.plan.timing.start > told.born => "queued",
        Moment::Started => "started",
        Moment::Verdict => "finished",
        _ => return custom(told),
    };
    let mut content = json!({
        "environment": environment(view),
        "testSuite": { "id": view.plan.template.as_str(), "name": view.plan.template.as_str() },
    });
    if predicate == "finished" {
        merge(&mut content, outcome(view));
    }
    let kind = format!("dev.cdevents.testsuiterun.{predicate}.0.3.0");
    carried(told, (SPEC, &kind), view.id.as_str(), &content)
}

/// Outcome, severity and reason. There is no inconclusive: what a person stopped is `cancel`, all
/// else `error`, so that nobody takes doubt for a failed or for a passed test (A5).
fn outcome(view: &View) -> Value {
    let Some(conclusion) = &view.conclusion else {
        return json!({ "outcome": "error", "reason": view.sentence });
    };
    let reason = &conclusion.sentence;
    match conclusion.verdict {
        Verdict::Promote => json!({ "outcome": "success", "reason": reason }),
        Verdict::Rollback => json!({
            "outcome": "failure", "severity": "high", "reason": reason,
        }),
        Verdict::Inconclusive if conclusion.by_person() == Some(Moment::Cancelled) => {
            json!({ "outcome": "cancel", "reason": reason })
        }
        Verdict::Inconclusive => json!({ "outcome": "error", "reason": reason }),
    }
}

fn case_event(told: &Told<'_>, idx: usize, metric: &MetricDocument) -> Value {
    let run = &told.view.id;
    let gate = matches!(metric.role.as_str(), "critical" | "required");
    let mut content = json!({
        "environment": environment(told.view),
        "testCase": { "id": metric.name, "name": metric.name, "type": "performance" },
        "testSuiteRun": { "id": run.as_str(), "source": told.source },
    });
    let result = match metric.label.as_str() {
        "within" => json!({ "outcome": "success" }),
        "worse" => json!({
            "outcome": "failure", "severity": if gate { "high" } else { "low" },
        }),
        label => json!({ "outcome": "error", "reason": label }),
    };
    merge(&mut content, result);
    let subject = format!("{run}/{}", metric.name);
    let kind = (SPEC, "dev.cdevents.testcaserun.finished.0.3.0");
    let mut event = carried(told, kind, &subject, &content);
    // One message, several events: each needs a name of its own.
    let id = format!("{}-{}", told.delivery, idx + 1);
    for path in ["/id", "/data/context/id"] {
        if let Some(value) = event.pointer_mut(path) {
            *value = Value::from(id.as_str());
        }
    }
    if let Some(data) = event.pointer_mut("/data/customData") {
        *data = json!(metric);
    }
    event
}

/// What has no word in the vocabulary (CDEvents, custom events). Their schema takes letters only in
/// the last part of a type's name.
fn custom(told: &Told<'_>) -> Value {
    let kind = format!(
        "dev.cdeventsx.haldane-analysis.{}.0.1.0",
        told.moment.word().replace('_', "")
    );
    let content = json!({ "environment": environment(told.view), "reason": told.view.sentence });
    carried(told, (SPEC, &kind), told.view.id.as_str(), &content)
}

fn environment(view: &View) -> Value {
    let named = view.plan.rollout.deploy.environment.as_deref();
    json!({ "id": named.filter(|name| !name.is_empty()).unwrap_or(NO_ENVIRONMENT) })
}

/// A CDEvent in a CloudEvent; the attributes of both agree (CDEvents, CloudEvents binding).
fn carried(told: &Told<'_>, (spec, kind): (&str, &str), subject: &str, content: &Value) -> Value {
    let (id, time) = (told.delivery.as_str(), told.born.to_string());
    let data = json!({
        "context": {
            "specversion": spec,
            "id": id,
            "source": told.source,
            "type": kind,
            "timestamp": time,
        },
        "subject": { "id": subject, "content": content },
        "customData": VerdictDocument::for_message(told.view),
        "customDataContentType": "application/json",
    });
    let mut event = json!({
        "specversion": "1.0",
        "id": id,
        "source": told.source,
        "type": kind,
        "time": time,
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    });
    if let Some(trace) = &told.view.plan.rollout.deploy.traceparent {
        merge(&mut event, json!({ "traceparent": trace }));
    }
    event
}

/// Adds the fields of `more` to those of `object`.
fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(fields), Value::Object(more)) = (object, more) {
        fields.extend(more);
    }
}

fn bytes(event: &Value) -> Vec<u8> {
    serde_json::to_vec(event).expect("A9: a JSON value is always written")
}
