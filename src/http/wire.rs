//! JSON shapes that only this door has; those shared with webhooks and files are in
//! [`crate::wire`].

use crate::wire::verdict::VerdictDocument;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A body of this door.
pub(crate) trait Input: serde::de::DeserializeOwned {}

impl Input for CancelInput {}
impl Input for OverrideInput {}
impl Input for crate::wire::coordination::FreezeInput {}
impl Input for crate::wire::coordination::LiftInput {}
impl Input for crate::wire::coordination::StepInput {}
impl Input for NoteInput {}

/// The body's shape.
pub(crate) fn read<T: Input>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// Whether `bytes` are JSON at all, whatever they say.
pub(crate) fn well_formed(bytes: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map(drop)
}

/// An analysis that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmittedDocument {
    /// The analysis.
    pub id: String,
    /// `waiting`, `looking` or `concluded`.
    pub status: String,
    /// Where to go from here.
    pub links: Links,
}

/// Paths about one analysis, relative to the address the submission was sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// Everything about it.
    #[serde(rename = "self")]
    pub itself: String,
    /// Its verdict.
    pub verdict: String,
    /// Its states as they come.
    pub events: String,
    /// Its verdict as a whole address, for callers that cannot complete a path; absent where the
    /// request does not say what address we have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<String>,
    /// To stop it.
    pub cancel: String,
    /// To decide instead.
    #[serde(rename = "override")]
    pub instead: String,
}

impl Links {
    /// The paths about `id`.
    pub fn of(id: &crate::ids::AnalysisId) -> Self {
        let itself = format!("/v1/analyses/{}", path_segment(id.as_str()));
        Self {
            verdict: format!("{itself}/verdict"),
            events: format!("{itself}/events"),
            cancel: format!("{itself}/cancel"),
            instead: format!("{itself}/override"),
            poll: None,
            itself,
        }
    }

    /// The same with the address that the caller reached us at.
    pub(crate) fn at(id: &crate::ids::AnalysisId, origin: Option<&str>) -> Self {
        let links = Self::of(id);
        let poll = origin.map(|origin| format!("{origin}{}", links.verdict));
        Self { poll, ..links }
    }
}

/// `text` as one segment of a path: a name may hold a slash.
pub(crate) fn path_segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A page of analyses, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnalysisList {
    /// The analyses, without their metrics.
    pub analyses: Vec<VerdictDocument>,
    /// The value of `after` that gives the next page; null on the last.
    pub next: Option<String>,
}

/// Why an analysis is stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CancelInput {
    /// For the decision log; required.
    pub reason: String,
    /// Who; only where no credentials are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// A person's decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OverrideInput {
    /// `promote`, `rollback` or `inconclusive`.
    pub verdict: String,
    /// For the decision log; required.
    pub reason: String,
    /// Who; required where no credentials are configured, refused elsewhere unless it is the
    /// credential's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// Who takes note of a verdict, or wants a message sent once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoteInput {
    /// Who; only where no credentials are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// Inline samples of one series metric, for `POST /v1/judge`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplesInput {
    /// Seconds since the epoch, rising, each a multiple of the template's step.
    pub timestamps_s: Vec<f64>,
    /// One value per instant; null is a gap.
    pub baseline: Vec<Option<f64>>,
    /// One value per instant; null is a gap.
    pub canary: Vec<Option<f64>>,
}

/// What `POST /v1/judge` takes besides the fields of a submission.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WindowInput {
    /// The end of the window (RFC 3339); or give `duration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Samples by metric; without them the template's queries are asked from `start` to `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<BTreeMap<String, SamplesInput>>,
}

/// The templates there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateList {
    /// By name.
    pub templates: Vec<TemplateItem>,
    /// Files that are refused. Where one was good before, that is still in use.
    pub refused: Vec<RefusedItem>,
}

/// A template file that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedItem {
    /// The file.
    pub file: String,
    /// The template that is still in use as it was before; null when there was none.
    pub keeps: Option<String>,
    /// Every error with its source line.
    pub why: String,
}

/// One template; its text only where one was asked for by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateItem {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// SHA-256 of its text.
    pub digest: String,
    /// The judge it names.
    pub method: String,
    /// The holes a rollout fills.
    pub inputs: Vec<InputItem>,
    /// The names of its metrics.
    pub metrics: Vec<String>,
    /// The names of its objectives.
    pub objectives: Vec<String>,
    /// The path of the template alone.
    pub link: String,
    /// Its text (YAML).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One hole in a template's queries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputItem {
    /// Its name.
    pub name: String,
    /// What to put there.
    pub description: String,
    /// The value when none is given; null when one must be.
    pub default: Option<String>,
}

/// Whether new submissions can be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyDocument {
    /// `ready` or `not_ready`.
    pub status: String,
    /// Why not: `starting`, `draining` or `store_fault`.
    pub reasons: Vec<Reason>,
    /// What does not keep it from being ready: `source_fault`.
    pub notes: Vec<Reason>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// The word.
    pub code: String,
    /// More, for callers that may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
