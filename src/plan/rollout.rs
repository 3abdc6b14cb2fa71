//! What the controller told us about the change under way.

use crate::ids::DeployId;
use crate::plan::scope::Scope;
use crate::template::steps::PlannedStep;
use crate::time::{Span, Timestamp};
use crate::units::Probability;
use std::collections::BTreeMap;

/// The change under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// What is being deployed.
    pub deploy: Deploy,
    /// Values for the template's inputs.
    pub inputs: BTreeMap<String, String>,
    /// The label values of the baseline's series.
    pub baseline: Scope,
    /// The label values of the canary's series.
    pub canary: Scope,
    /// When the canary began to take traffic.
    pub start: Timestamp,
    /// Overrides the template's deadline.
    pub duration: Option<Span>,
}

/// A description of the deploy; all but the service may be absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deploy {
    /// The owner's identifier.
    pub id: Option<DeployId>,
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The revision or version shown to people.
    pub revision: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// The artefact's digest.
    pub artifact_digest: Option<String>,
    /// The kind of change.
    pub change_type: Option<String>,
    /// Who started it.
    pub actor: Option<String>,
    /// The share of traffic the canary is meant to get.
    pub traffic_share: Option<Probability>,
    /// Further steps of traffic, as they were announced, in the order of time.
    pub traffic_steps: Vec<TrafficStep>,
    /// The steps of traffic its controller is going to take; the template's, when empty.
    pub planned_steps: Vec<PlannedStep>,
    /// The W3C trace context it came with (`traceparent`).
    pub traceparent: Option<String>,
}

/// A step of traffic: from an instant on the canary is meant to get another share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrafficStep {
    /// Since when.
    pub at: Timestamp,
    /// The share it is meant to get.
    pub share: Probability,
}
