//! What has followed a verdict, in a public document.

use crate::engine::after::Watch;
use crate::engine::good::Good;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the watch after a rollback stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecoveryDocument {
    /// `watching`, `recovered`, `rollback_ineffective` or `unknown`.
    pub state: String,
    /// When the watch ends at the latest.
    pub until: String,
    /// What the canary looked like last: `gone`, `quiet`, `burning` or `blind`; null before the
    /// first look.
    pub seen: Option<String>,
    /// The same in words, or how it ended.
    pub detail: Option<String>,
    /// When it was known how it ended.
    pub ended_at: Option<String>,
}

impl From<&Watch> for RecoveryDocument {
    fn from(watch: &Watch) -> Self {
        let (ending, newest) = (watch.ending.as_ref(), watch.newest.as_ref());
        let ended = ending.map(|ending| ending.detail.clone());
        Self {
            state: ending.map_or("watching", |e| e.outcome.word()).to_owned(),
            until: watch.until.to_string(),
            seen: newest.map(|glance| glance.seen.word().to_owned()),
            detail: ended.or_else(|| newest.map(|glance| glance.detail.clone())),
            ended_at: ending.map(|ending| ending.at.to_string()),
        }
    }
}

/// What was promoted last in one place: service, environment and region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GoodDocument {
    /// The service.
    pub service: String,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The analysis that promoted it.
    pub analysis: String,
    /// The owner's identifier of the deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<String>,
    /// The revision or version shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The artefact's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_digest: Option<String>,
    /// When it was promoted.
    pub promoted_at: String,
}

impl From<&Good> for GoodDocument {
    fn from(good: &Good) -> Self {
        let good = good.clone();
        Self {
            service: good.service,
            environment: good.environment,
            region: good.region,
            analysis: good.analysis.to_string(),
            deploy: good.deploy.map(|id| id.to_string()),
            revision: good.revision,
            commit: good.commit,
            artifact_digest: good.artifact_digest,
            promoted_at: good.at.to_string(),
        }
    }
}
