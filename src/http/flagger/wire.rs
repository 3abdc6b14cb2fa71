//! The shapes of Flagger's webhooks, and of what is noted of them.

use super::super::wire::Input;
use crate::engine::view::View;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What Flagger sends; fields that are new are left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct HookInput {
    /// The canary's name.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its phase: Initialized, Waiting, Progressing, WaitingPromotion, Succeeded, Failed and so on.
    pub(crate) phase: String,
    /// The hash of its configs and its spec: which version it is about.
    pub(crate) checksum: String,
    /// What the hook's author wrote, and of events their text.
    pub(crate) metadata: Option<BTreeMap<String, String>>,
}

impl Input for HookInput {}

impl HookInput {
    /// As a note.
    pub(crate) fn outcome(
        &self,
        kind: &str,
        binding: &str,
        view: Option<&View>,
        at: Timestamp,
    ) -> OutcomeDocument {
        OutcomeDocument {
            at: at.to_string(),
            caller: "flagger".to_owned(),
            kind: kind.to_owned(),
            binding: binding.to_owned(),
            rollout: format!("{}/{} {}", self.namespace, self.name, self.checksum),
            said: self.phase.clone(),
            analysis: view.map(|view| view.id.to_string()),
            verdict: view.map(verdict),
            metadata: self.metadata.clone().unwrap_or_default(),
        }
    }
}

/// The verdict of an analysis as a word.
pub(crate) fn verdict(view: &View) -> String {
    let end = view.conclusion.as_ref();
    let word = end.map_or(crate::wire::verdict::PENDING, |end| end.verdict.word());
    word.to_owned()
}

/// What a controller said of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OutcomeDocument {
    /// When (RFC 3339).
    pub(crate) at: String,
    /// `flagger` or `spinnaker`.
    pub(crate) caller: String,
    /// `post-rollout`, `event` or `completed`.
    pub(crate) kind: String,
    /// The binding it was said to.
    pub(crate) binding: String,
    /// The rollout, as its controller names it.
    pub(crate) rollout: String,
    /// Its phase or status.
    pub(crate) said: String,
    /// The analysis of the rollout, when there is one.
    pub(crate) analysis: Option<String>,
    /// What its verdict was at that time.
    pub(crate) verdict: Option<String>,
    /// What came with it.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What controllers said, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OutcomeList {
    /// Each with the rollout it is about.
    pub(crate) outcomes: Vec<OutcomeDocument>,
}
