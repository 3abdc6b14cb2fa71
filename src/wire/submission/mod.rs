//! The body of `POST /v1/analyses`: read strictly, every fault with its field and the way out,
//! all of them at once.

mod check;
mod scope_input;
mod steps;

pub(crate) use check::is_traceparent;
pub use scope_input::ScopeInput;

use crate::engine::coordination::Coordination;
use crate::engine::record::Receiver;
use crate::ids::TemplateName;
use crate::plan::rollout::{Deploy, Rollout};
use crate::plan::scope::Scope;
use crate::template::Template;
use crate::template::baseline::BaselineMode;
use crate::time::{Span, Timestamp};
use crate::wire::coordination::{PlannedStepInput, ReleaseInput, WaveInput};
use crate::wire::problem::FieldProblem;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use utoipa::ToSchema;

/// The largest body in bytes; a larger one is refused unread.
pub const SUBMISSION_LEN_MAX: usize = 1024 * 1024;

/// Webhooks of one submission; more are refused.
pub const WEBHOOKS_MAX: usize = 8;

/// Inputs of one submission; more are refused.
pub const INPUTS_MAX: usize = 100;

/// Services that a release names; more are refused.
pub const MEMBERS_MAX: usize = 64;

/// The last wave of a deploy; a later one is refused.
pub const WAVE_MAX: u32 = 100;

/// The longest descriptive text (an input's value, a field of the deploy) in bytes; a longer one
/// is refused.
pub const TEXT_LEN_MAX: usize = 2048;

/// What the ids of deploys begin with that the doors of controllers make themselves. Whoever could
/// submit under such a name would answer that controller's gates.
pub const RESERVED_PREFIXES: [&str; 3] = ["flagger:", "spinnaker:", "github:"];

/// A rollout to analyse, as sent. Written by `haldane submit` as well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubmissionDocument {
    /// The name of a template the daemon has; or give `template_inline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The text of a template (YAML); or give `template`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_inline: Option<String>,
    /// Values for the template's inputs.
    pub inputs: BTreeMap<String, String>,
    /// What selects the baseline's series; the canary's matchers, when absent and the template
    /// compares with a baseline of another time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ScopeInput>,
    /// What selects the canary's series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<ScopeInput>,
    /// What is being deployed.
    pub deploy: DeployInput,
    /// When the canary began to take traffic (RFC 3339); now, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// How long the analysis may take (`30m`); the template's deadline, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Who hears of the verdict, besides the daemon's own receivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<WebhookInput>,
    /// Whether it is only watched: judged and recorded as any other, and every caller is told to
    /// go on; the template's default in the configuration, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<bool>,
    /// The release it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseInput>,
    /// The wave it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wave: Option<WaveInput>,
    /// The steps of traffic its controller is going to take; the template's, when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<PlannedStepInput>,
}

/// What is being deployed; only the service is required.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeployInput {
    /// The owner's identifier; makes the submission repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The service.
    pub service: String,
    /// The environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The revision or version shown to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The artefact's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_digest: Option<String>,
    /// The kind of change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_type: Option<String>,
    /// Who started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The share of traffic the canary is meant to get, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_share: Option<f64>,
    /// The W3C trace context (`traceparent`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// Who hears of the verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookInput {
    /// Where to; http or https.
    pub url: String,
    /// A key of its own (`whsec_…`, 24 to 64 bytes in base64, or `whsk_…`, an Ed25519 private key).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// Or the name of a key in the daemon's configuration; its default key, when both are absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// What messages look like: `cloudevents` (when absent), `cdevents`, `cdevents-cases`,
    /// `cdevents-approval`, or `template:` and a name of the daemon's `webhooks.templates`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The moments it hears of: `verdict`, `started`, `look`, `hold`, `override`, `cancelled`,
    /// `recovered`, `rollback_ineffective`; those usual in its form, when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<String>,
    /// The verdicts it hears of; all, when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<String>,
}

/// A secret on its way in or out; never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps `text`.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Which template a submission follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateChoice {
    /// One the daemon has.
    Named(TemplateName),
    /// This text.
    Inline(Arc<str>),
}

/// A submission with every field checked; what is left is to find the template and bind the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedSubmission {
    /// The template.
    pub template: TemplateChoice,
    /// Values for its inputs.
    pub inputs: BTreeMap<String, String>,
    /// The baseline's scope; the canary's, when none was given.
    pub baseline: Scope,
    /// The canary's scope.
    pub canary: Scope,
    /// What is wrong with the arms, unless the template compares with a baseline of another time.
    pub arms_fault: Option<FieldProblem>,
    /// The deploy.
    pub deploy: Deploy,
    /// When the canary began to take traffic, when it was said.
    pub start: Option<Timestamp>,
    /// Overrides the template's deadline.
    pub duration: Option<Span>,
    /// Who hears of the verdict.
    pub receivers: Vec<Receiver>,
    /// The release and the wave it belongs to; the rest of it is the configuration's.
    pub coordination: Coordination,
    /// Whether it is only watched, when that was said.
    pub shadow: Option<bool>,
}

impl CheckedSubmission {
    /// Whether its arms can be compared as `template` does, or what is wrong with them.
    pub fn fits(&self, template: &Template) -> Result<(), Vec<FieldProblem>> {
        let template = template.for_change(self.deploy.change_type.as_deref());
        match &self.arms_fault {
            Some(fault) if template.baseline == BaselineMode::Concurrent => {
                Err(vec![fault.clone()])
            }
            _ => Ok(()),
        }
    }

    /// The rollout, which began at `now` unless the submission says when.
    pub fn rollout(&self, now: Timestamp) -> Rollout {
        Rollout {
            deploy: self.deploy.clone(),
            inputs: self.inputs.clone(),
            baseline: self.baseline.clone(),
            canary: self.canary.clone(),
            start: self.start.unwrap_or(now),
            duration: self.duration,
        }
    }
}

/// Reads and checks a body. The faults name their fields; there is at least one.
pub fn parse(body: &[u8]) -> Result<CheckedSubmission, Vec<FieldProblem>> {
    if body.len() > SUBMISSION_LEN_MAX {
        let message = format!(
            "body has {} bytes, the limit is {SUBMISSION_LEN_MAX}",
            body.len()
        );
        return Err(vec![FieldProblem::new("", message)]);
    }
    let unreadable = |fault: serde_json::Error| {
        vec![FieldProblem::new(
            "",
            format!("body is unreadable: {fault}"),
        )]
    };
    let value: Value = serde_json::from_slice(body).map_err(unreadable)?;
    let shape = not_objects(&value);
    if !shape.is_empty() {
        return Err(shape);
    }
    // Read again from the text: only there a field that occurs twice is seen.
    match serde_json::from_slice::<SubmissionDocument>(body) {
        Ok(document) => document.check(),
        Err(fault) => {
            let located = locate(value);
            Err(if located.is_empty() {
                unreadable(fault)
            } else {
                located
            })
        }
    }
}

/// What should be an object and is not: serde takes an array for a struct as well, by position.
fn not_objects(body: &Value) -> Vec<FieldProblem> {
    let mut out = Vec::new();
    let mut expect = |field: String, value: &Value, what: &str| {
        if !value.is_object() {
            out.push(FieldProblem::new(
                field,
                format!("expected an object with {what}"),
            ));
        }
    };
    expect(
        String::new(),
        body,
        "a template, a baseline, a canary and a deploy",
    );
    if let Some(deploy) = body.get("deploy") {
        expect("deploy".to_owned(), deploy, "a service");
    }
    for (field, what) in [("release", "a group"), ("wave", "a name and an index")] {
        if let Some(value) = body.get(field).filter(|value| !value.is_null()) {
            expect(field.to_owned(), value, what);
        }
    }
    let hooks = body.get("webhooks").and_then(Value::as_array);
    for (idx, hook) in hooks.into_iter().flatten().enumerate() {
        expect(format!("webhooks[{idx}]"), hook, "a url");
    }
    out
}

impl SubmissionDocument {
    /// The domain's form of it, or everything that is wrong with it.
    pub fn check(self) -> Result<CheckedSubmission, Vec<FieldProblem>> {
        check::check(self)
    }
}

/// Which fields a body that did not fit its shape is wrong in. serde names a line and a column;
/// whoever sends JSON from a program needs the field.
fn locate(body: Value) -> Vec<FieldProblem> {
    let mut out = Vec::new();
    let Value::Object(fields) = body else {
        return out;
    };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("deploy", Value::Object(inner)) => {
                fields_of::<DeployInput>("deploy.", inner, &mut out);
            }
            ("webhooks", Value::Array(items)) => {
                for (idx, item) in items.into_iter().enumerate() {
                    if let Value::Object(inner) = item {
                        fields_of::<WebhookInput>(&format!("webhooks[{idx}]."), inner, &mut out);
                    }
                }
            }
            ("release", Value::Object(inner)) => {
                fields_of::<ReleaseInput>("release.", inner, &mut out);
            }
            ("wave", Value::Object(inner)) => {
                fields_of::<WaveInput>("wave.", inner, &mut out);
            }
            ("steps", Value::Array(items)) => {
                for (idx, item) in items.into_iter().enumerate() {
                    if let Value::Object(inner) = item {
                        fields_of::<PlannedStepInput>(&format!("steps[{idx}]."), inner, &mut out);
                    }
                }
            }
            (_, value) => {
                let alone = std::iter::once((name, value)).collect();
                fields_of::<SubmissionDocument>("", alone, &mut out);
            }
        }
    }
    out
}

/// Tries each field on its own: every field of `T` may be absent.
fn fields_of<T: DeserializeOwned>(
    prefix: &str,
    fields: serde_json::Map<String, Value>,
    out: &mut Vec<FieldProblem>,
) {
    for (name, value) in fields {
        let secret = name == "secret";
        let alone: serde_json::Map<_, _> = std::iter::once((name.clone(), value)).collect();
        if let Err(fault) = serde_json::from_value::<T>(Value::Object(alone)) {
            let message = if secret {
                "expected a text that begins with whsec_".to_owned() // never shows the value
            } else {
                fault.to_string()
            };
            out.push(FieldProblem::new(format!("{prefix}{name}"), message));
        }
    }
}
