//! What has followed a verdict, in a public document.

use crate::engine::after::{Figure, Watch};
use crate::engine::good::Good;
use crate::engine::view::View;
use crate::time::Timestamp;
use crate::wire::number::public;
use crate::wire::verdict::{LimitDocument, VerdictDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the watch after a rollback stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// How long after the verdict that was, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
    /// What it was told by: `burn` (of an error budget), `comparison` (of a metric with its limit)
    /// or `traffic` (the canary gets none any more); absent when nothing could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What was measured last, what is wrong first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<FigureDocument>,
}

/// What was measured of one objective or metric after a rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FigureDocument {
    /// The objective, or the metric.
    pub of: String,
    /// `burn` or `comparison`.
    pub by: String,
    /// The canary's burn or level in the window; null without data.
    pub canary: Option<f64>,
    /// The baseline's.
    pub baseline: Option<f64>,
    /// The burn under which it is well, or the metric's limit.
    pub limit: LimitDocument,
    /// The canary's events or samples in the window.
    pub n: u64,
}

impl From<&Figure> for FigureDocument {
    fn from(figure: &Figure) -> Self {
        Self {
            of: figure.of.clone(),
            by: figure.by.word().to_owned(),
            canary: figure.canary.and_then(public),
            baseline: figure.baseline.and_then(public),
            limit: LimitDocument::from(figure.limit),
            n: figure.n,
        }
    }
}

impl VerdictDocument {
    /// With what has followed the verdict so far.
    pub(super) fn with_after(self, view: &View) -> Self {
        let after = &view.after;
        let decided = view.conclusion.as_ref().map(|conclusion| conclusion.at);
        let noted = after.acknowledged.as_ref();
        let waited = noted.zip(decided);
        let waited = waited.map(|(noted, decided)| noted.at.since(decided).ms().max(0));
        let watch = after.watch.as_ref();
        Self {
            acknowledged_at: noted.map(|noted| noted.at.to_string()),
            acknowledged_by: noted.map(|noted| noted.by.clone()),
            acknowledged_after_ms: waited,
            acknowledge_by: after.acknowledge_by.map(|at| at.to_string()),
            recovery: watch.map(|watch| RecoveryDocument::new(watch, decided)),
            last_good: after.last_good.as_deref().map(GoodDocument::from),
            ..self
        }
    }
}

impl RecoveryDocument {
    /// The watch of a rollback that was decided at that instant.
    fn new(watch: &Watch, decided: Option<Timestamp>) -> Self {
        let (ending, newest) = (watch.ending.as_ref(), watch.newest.as_ref());
        let ended = ending.map(|ending| ending.detail.clone());
        let by = match ending {
            Some(ending) => ending.by,
            None => newest.and_then(|glance| glance.by),
        };
        let figures = match (ending, newest) {
            (Some(ending), _) => ending.figures.as_slice(),
            (None, Some(glance)) => glance.figures.as_slice(),
            (None, None) => &[],
        };
        let after = ending.zip(decided);
        Self {
            state: ending.map_or("watching", |e| e.outcome.word()).to_owned(),
            until: watch.until.to_string(),
            seen: newest.map(|glance| glance.seen.word().to_owned()),
            detail: ended.or_else(|| newest.map(|glance| glance.detail.clone())),
            ended_at: ending.map(|ending| ending.at.to_string()),
            after_ms: after.map(|(ending, decided)| ending.at.since(decided).ms().max(0)),
            by: by.map(|by| by.word().to_owned()),
            figures: figures.iter().map(FigureDocument::from).collect(),
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
