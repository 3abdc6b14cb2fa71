//! The shapes of Spinnaker's deployment monitor. What is answered has exactly the fields Orca
//! knows: inside `nextStep` and `statusReason` it takes no others.

use super::super::binding::Values;
use super::super::wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What Orca sends at every step; fields that are new are left alone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct MonitorInput {
    /// The application.
    pub(crate) application: String,
    /// The pipeline's execution.
    pub(crate) execution_id: String,
    /// This step; the same while Orca asks about it.
    pub(crate) stage_id: Option<String>,
    /// This deploy.
    pub(crate) deployment_id: Option<String>,
    /// The server group before.
    pub(crate) old_server_group: Option<String>,
    /// The new one.
    pub(crate) new_server_group: Option<String>,
    /// The account.
    pub(crate) account: Option<String>,
    /// The region.
    pub(crate) region: Option<String>,
    /// The cloud.
    pub(crate) cloud_provider: Option<String>,
    /// What the stage's author wrote.
    pub(crate) parameters: Option<BTreeMap<String, Value>>,
    /// Percent of the deploy that are done; of `evaluateHealth`.
    pub(crate) current_progress: Option<i64>,
    /// `success` or `failure`; of `completed`.
    pub(crate) status: Option<String>,
    /// How the rollback went; of `completed`.
    pub(crate) rollback: Option<String>,
}

impl Input for MonitorInput {}

impl MonitorInput {
    /// One of the author's parameters, when it is a text, a number or a boolean.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        scalar(self.parameters.as_ref()?.get(name)?)
    }

    /// The new server group, or nothing.
    pub(crate) fn new_server_group(&self) -> &str {
        self.new_server_group.as_deref().unwrap_or_default()
    }

    /// What fills holes: Orca's own names, `{{parameters.x}}`, and `{{name}}`, which is the
    /// application, so that a binding can serve several controllers. Not the progress, which would
    /// make every step another plan.
    pub(crate) fn values(&self) -> Values {
        let own = [
            ("name", Some(&self.application)),
            ("application", Some(&self.application)),
            ("executionId", Some(&self.execution_id)),
            ("deploymentId", self.deployment_id.as_ref()),
            ("oldServerGroup", self.old_server_group.as_ref()),
            ("newServerGroup", self.new_server_group.as_ref()),
            ("account", self.account.as_ref()),
            ("region", self.region.as_ref()),
            ("cloudProvider", self.cloud_provider.as_ref()),
        ];
        let own = own
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
        let written = self.parameters.iter().flatten();
        let written = written
            .filter_map(|(name, value)| Some((format!("parameters.{name}"), scalar(value)?)));
        own.chain(written).collect()
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The deploy whose analysis is to be cancelled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopInput {
    /// The `deploy.id` of the submission.
    pub(crate) deploy: String,
}

impl Input for StopInput {}

/// What Orca is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthDocument {
    /// The next step.
    next_step: NextStep,
    /// Why.
    status_reason: StatusReason,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct NextStep {
    /// `continue`, `wait` or `abort`.
    directive: String,
}

/// Why, as the stage's page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusReason {
    /// One sentence.
    message: String,
    /// Lines below it.
    log_summary: Vec<String>,
    /// Links.
    additional_data: Vec<AdditionalData>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct AdditionalData {
    /// What it is.
    key: String,
    /// Its text.
    text: String,
    /// Its address.
    link: String,
}

impl HealthDocument {
    /// Without an analysis.
    pub(crate) fn new(directive: &str, message: &str) -> Self {
        Self {
            next_step: NextStep {
                directive: directive.to_owned(),
            },
            status_reason: StatusReason {
                message: message.to_owned(),
                log_summary: Vec::new(),
                additional_data: Vec::new(),
            },
        }
    }

    /// The same with the analysis it comes from.
    pub(crate) fn with_analysis(mut self, id: &str, link: &str) -> Self {
        self.status_reason.additional_data.push(AdditionalData {
            key: "analysis".to_owned(),
            text: id.to_owned(),
            link: link.to_owned(),
        });
        self
    }
}
