//! What a verdict is about and who was told: deploy, template, deliveries.

use super::PENDING;
use crate::engine::record::DeliveryEnd;
use crate::engine::view::DeliveryView;
use crate::plan::Plan;
use crate::plan::rollout::Deploy;
use crate::units::Probability;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A deploy as it was described; absent facts are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeployDocument {
    /// The owner's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
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
}

impl From<&Deploy> for DeployDocument {
    fn from(deploy: &Deploy) -> Self {
        let deploy = deploy.clone();
        Self {
            id: deploy.id.map(|id| id.to_string()),
            environment: deploy.environment,
            region: deploy.region,
            revision: deploy.revision,
            commit: deploy.commit,
            artifact_digest: deploy.artifact_digest,
            change_type: deploy.change_type,
            actor: deploy.actor,
            traffic_share: deploy.traffic_share.map(Probability::get),
        }
    }
}

/// Which template was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateDocument {
    /// Its name.
    pub name: String,
    /// SHA-256 of its text.
    pub digest: String,
}

impl From<&Plan> for TemplateDocument {
    fn from(plan: &Plan) -> Self {
        Self {
            name: plan.template.to_string(),
            digest: plan.template_digest.to_string(),
        }
    }
}

/// A baseline of another time; absent when both arms run side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComparisonDocument {
    /// `before`, `previous_day` or `previous_week`.
    pub baseline: String,
    /// How much earlier than the canary's the baseline's samples are, in milliseconds; they are
    /// shown at the canary's time.
    pub baseline_earlier_ms: i64,
    /// What such a comparison cannot tell.
    pub weakness: String,
}

impl ComparisonDocument {
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let shifted = plan.shifted.as_ref()?;
        Some(Self {
            baseline: shifted.mode.word().to_owned(),
            baseline_earlier_ms: shifted.back.ms(),
            weakness: shifted.mode.weakness().unwrap_or_default().to_owned(),
        })
    }
}

/// One message to one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryDocument {
    /// The message's id, stable over attempts (`webhook-id`).
    pub id: String,
    /// What it is about: `verdict` or another moment.
    #[serde(default)]
    pub moment: String,
    /// Where to.
    pub url: String,
    /// `pending`, `delivered`, `refused` or `expired`.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// The receiver's HTTP status, once delivered.
    pub status: Option<u16>,
    /// The last failure.
    pub detail: Option<String>,
}

impl From<&DeliveryView> for DeliveryDocument {
    fn from(view: &DeliveryView) -> Self {
        let (state, status, detail) = match &view.end {
            None => (PENDING, None, view.detail.clone()),
            Some(DeliveryEnd::Delivered { status }) => ("delivered", Some(*status), None),
            Some(DeliveryEnd::Refused { detail }) => ("refused", None, Some(detail.clone())),
            Some(DeliveryEnd::Expired { detail }) => ("expired", None, Some(detail.clone())),
        };
        Self {
            id: view.delivery.to_string(),
            moment: view.moment.word().to_owned(),
            url: view.url.clone(),
            state: state.to_owned(),
            attempts: view.attempts,
            status,
            detail,
        }
    }
}
