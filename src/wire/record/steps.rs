//! Steps of traffic as recorded: as announced, and what each showed.

use super::judged::TrafficShape;
use super::{Damage, checked};
use crate::ids::MetricName;
use crate::judge::judgement::{StepFinding, StepMetric};
use crate::plan::rollout::TrafficStep;
use crate::template::steps::PlannedStep;
use crate::time::{Span, Timestamp};
use crate::units::Probability;
use crate::wire::number::Exact;
use serde::{Deserialize, Serialize};

/// A step as announced.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepShape {
    at_ms: i64,
    share: Exact,
}

impl From<&TrafficStep> for StepShape {
    fn from(step: &TrafficStep) -> Self {
        Self {
            at_ms: step.at.ms(),
            share: Exact(step.share.get()),
        }
    }
}

impl TryFrom<StepShape> for TrafficStep {
    type Error = Damage;

    fn try_from(shape: StepShape) -> Result<Self, Damage> {
        let Exact(share) = shape.share;
        Ok(Self {
            at: Timestamp::from_ms(shape.at_ms),
            share: checked("traffic share", &share, |v| Probability::new(*v))?,
        })
    }
}

/// A step as planned by its rollout.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlannedShape {
    weight: Exact,
    bake_ms: i64,
}

impl From<&PlannedStep> for PlannedShape {
    fn from(step: &PlannedStep) -> Self {
        Self {
            weight: Exact(step.weight.get()),
            bake_ms: step.bake.ms(),
        }
    }
}

impl TryFrom<PlannedShape> for PlannedStep {
    type Error = Damage;

    fn try_from(shape: PlannedShape) -> Result<Self, Damage> {
        let Exact(weight) = shape.weight;
        let length = |ms: &i64| (*ms >= 0).then(|| Span::from_ms(*ms));
        Ok(Self {
            weight: checked("traffic share", &weight, |v| Probability::new(*v))?,
            bake: checked("bake time", &shape.bake_ms, length)?,
        })
    }
}

/// What a step showed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepFoundShape {
    share: Option<Exact>,
    from_ms: i64,
    to_ms: i64,
    traffic: Option<TrafficShape>,
    metrics: Vec<StepMetricShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepMetricShape {
    metric: String,
    baseline: u64,
    canary: u64,
    needed: u64,
    enough: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline_level: Option<Exact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canary_level: Option<Exact>,
}

impl From<&StepFinding> for StepFoundShape {
    fn from(step: &StepFinding) -> Self {
        let metric = |metric: &StepMetric| StepMetricShape {
            metric: metric.metric.to_string(),
            baseline: metric.baseline,
            canary: metric.canary,
            needed: metric.needed,
            enough: metric.enough,
            baseline_level: metric.levels[0].map(Exact),
            canary_level: metric.levels[1].map(Exact),
        };
        Self {
            share: step.share.map(Exact),
            from_ms: step.from.ms(),
            to_ms: step.to.ms(),
            traffic: step.traffic.map(TrafficShape::from),
            metrics: step.metrics.iter().map(metric).collect(),
        }
    }
}

impl TryFrom<StepFoundShape> for StepFinding {
    type Error = Damage;

    fn try_from(shape: StepFoundShape) -> Result<Self, Damage> {
        let metric = |shape: StepMetricShape| {
            Ok(StepMetric {
                metric: checked("metric", shape.metric.as_str(), MetricName::new)?,
                baseline: shape.baseline,
                canary: shape.canary,
                needed: shape.needed,
                enough: shape.enough,
                levels: [shape.baseline_level, shape.canary_level]
                    .map(|level| level.map(|Exact(level)| level)),
            })
        };
        let metrics: Result<Vec<_>, Damage> = shape.metrics.into_iter().map(metric).collect();
        Ok(Self {
            share: shape.share.map(|Exact(share)| share),
            from: Timestamp::from_ms(shape.from_ms),
            to: Timestamp::from_ms(shape.to_ms),
            traffic: shape.traffic.map(Into::into),
            metrics: metrics?,
        })
    }
}
