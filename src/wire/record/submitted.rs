//! A submission as recorded: what is needed to make the same plan again.

use super::coordination::CoordinationShape;
use super::steps::{PlannedShape, StepShape};
use super::{Damage, bytes, checked, parse};
use crate::digest::Digest;
use crate::engine::coordination::Coordination;
use crate::engine::record::{Fact, Receiver, SecretRef};
use crate::engine::subscription::{Form, Moment};
use crate::engine::verdict::Verdict;
use crate::ids::DeployId;
use crate::plan::rollout::{Deploy, Rollout, TrafficStep};
use crate::plan::scope::{Matcher, Scope};
use crate::secret::Secret;
use crate::template::steps::PlannedStep;
use crate::time::{Span, Timestamp};
use crate::units::Probability;
use crate::wire::number::Exact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmittedShape {
    key: Option<String>,
    template_text: String,
    rollout: RolloutShape,
    plan_digest: String,
    receivers: Vec<ReceiverShape>,
    /// Left out when it stands alone, so that records without keep their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coordination: Option<CoordinationShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::wire) struct RolloutShape {
    deploy: DeployShape,
    inputs: BTreeMap<String, String>,
    baseline: Vec<MatcherShape>,
    canary: Vec<MatcherShape>,
    start_ms: i64,
    duration_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployShape {
    id: Option<String>,
    service: String,
    environment: Option<String>,
    region: Option<String>,
    revision: Option<String>,
    commit: Option<String>,
    artifact_digest: Option<String>,
    change_type: Option<String>,
    actor: Option<String>,
    traffic_share: Option<Exact>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    traffic_steps: Vec<StepShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    planned_steps: Vec<PlannedShape>,
    traceparent: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum MatcherShape {
    Equals { label: String, value: String },
    Regex { label: String, value: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiverShape {
    url: String,
    secret: SecretShape,
    /// Words of verdicts; left out when it hears of all, so that records without keep their bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    on: Vec<String>,
    /// Left out for CloudEvents, for the same reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<String>,
    /// Left out for the moments that are usual in its form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    moments: Vec<String>,
}

/// An inline secret stands here in the clear: messages must be signed after a restart too. The
/// store's file is readable by its owner only, and exports leave it out (`docs/storage.md`).
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SecretShape {
    Default,
    Named(String),
    Inline(String),
}

/// `fact` is `Fact::Submitted`; any other gives no bytes (never asked for).
pub(super) fn encode(fact: &Fact) -> Vec<u8> {
    let Fact::Submitted {
        key,
        template_text,
        rollout,
        plan_digest,
        receivers,
        coordination,
    } = fact
    else {
        return Vec::new();
    };
    bytes(&SubmittedShape {
        key: key.clone(),
        template_text: template_text.to_string(),
        rollout: RolloutShape::from(&**rollout),
        plan_digest: plan_digest.to_string(),
        receivers: receivers.iter().map(ReceiverShape::from).collect(),
        coordination: CoordinationShape::of(coordination),
    })
}

pub(super) fn decode(body: &[u8]) -> Result<Fact, Damage> {
    let shape: SubmittedShape = parse("submitted", body)?;
    Ok(Fact::Submitted {
        key: shape.key,
        template_text: shape.template_text.into(),
        rollout: Box::new(shape.rollout.try_into()?),
        plan_digest: checked("plan digest", shape.plan_digest.as_str(), Digest::parse)?,
        receivers: shape
            .receivers
            .into_iter()
            .map(Receiver::try_from)
            .collect::<Result<_, _>>()?,
        coordination: Box::new(match shape.coordination {
            Some(shape) => shape.try_into()?,
            None => Coordination::default(),
        }),
    })
}

impl From<&Rollout> for RolloutShape {
    fn from(rollout: &Rollout) -> Self {
        Self {
            deploy: DeployShape::from(&rollout.deploy),
            inputs: rollout.inputs.clone(),
            baseline: matchers(&rollout.baseline),
            canary: matchers(&rollout.canary),
            start_ms: rollout.start.ms(),
            duration_ms: rollout.duration.map(Span::ms),
        }
    }
}

impl TryFrom<RolloutShape> for Rollout {
    type Error = Damage;

    fn try_from(shape: RolloutShape) -> Result<Self, Damage> {
        let length =
            |ms: i64| checked("duration", &ms, |ms| (*ms >= 0).then(|| Span::from_ms(*ms)));
        Ok(Self {
            deploy: shape.deploy.try_into()?,
            inputs: shape.inputs,
            baseline: scope("baseline", &shape.baseline)?,
            canary: scope("canary", &shape.canary)?,
            start: Timestamp::from_ms(shape.start_ms),
            duration: shape.duration_ms.map(length).transpose()?,
        })
    }
}

fn matchers(scope: &Scope) -> Vec<MatcherShape> {
    let shape = |matcher: &Matcher| {
        let label = matcher.label().to_owned();
        match matcher.exact() {
            Some(value) => MatcherShape::Equals {
                label,
                value: value.to_owned(),
            },
            None => MatcherShape::Regex {
                label,
                value: matcher.as_regex(),
            },
        }
    };
    scope.matchers().iter().map(shape).collect()
}

fn scope(name: &str, shapes: &[MatcherShape]) -> Result<Scope, Damage> {
    let mut out = Vec::with_capacity(shapes.len());
    for shape in shapes {
        let (matcher, label) = match shape {
            MatcherShape::Equals { label, value } => (Matcher::equals(label, value), label),
            MatcherShape::Regex { label, value } => (Matcher::regex(label, value), label),
        };
        let bad = || Damage::new(format!("{name} has an illegal matcher for label {label:?}"));
        out.push(matcher.ok_or_else(bad)?);
    }
    Scope::new(out).ok_or_else(|| Damage::new(format!("{name} is not a legal scope")))
}

impl From<&Deploy> for DeployShape {
    fn from(deploy: &Deploy) -> Self {
        let deploy = deploy.clone();
        Self {
            id: deploy.id.map(|id| id.as_str().to_owned()),
            service: deploy.service,
            environment: deploy.environment,
            region: deploy.region,
            revision: deploy.revision,
            commit: deploy.commit,
            artifact_digest: deploy.artifact_digest,
            change_type: deploy.change_type,
            actor: deploy.actor,
            traffic_share: deploy.traffic_share.map(|share| Exact(share.get())),
            traffic_steps: deploy.traffic_steps.iter().map(StepShape::from).collect(),
            planned_steps: deploy
                .planned_steps
                .iter()
                .map(PlannedShape::from)
                .collect(),
            traceparent: deploy.traceparent,
        }
    }
}

impl TryFrom<DeployShape> for Deploy {
    type Error = Damage;

    fn try_from(shape: DeployShape) -> Result<Self, Damage> {
        let id = |text: String| checked("deploy id", text.as_str(), DeployId::new);
        let steps = shape.traffic_steps.into_iter().map(TrafficStep::try_from);
        let planned = shape.planned_steps.into_iter().map(PlannedStep::try_from);
        let share = |Exact(v)| checked("traffic share", &v, |v| Probability::new(*v));
        Ok(Self {
            id: shape.id.map(id).transpose()?,
            service: shape.service,
            environment: shape.environment,
            region: shape.region,
            revision: shape.revision,
            commit: shape.commit,
            artifact_digest: shape.artifact_digest,
            change_type: shape.change_type,
            actor: shape.actor,
            traffic_share: shape.traffic_share.map(share).transpose()?,
            traffic_steps: steps.collect::<Result<_, _>>()?,
            planned_steps: planned.collect::<Result<_, _>>()?,
            traceparent: shape.traceparent,
        })
    }
}

impl From<&Receiver> for ReceiverShape {
    fn from(receiver: &Receiver) -> Self {
        let secret = match &receiver.secret {
            SecretRef::Default => SecretShape::Default,
            SecretRef::Named(name) => SecretShape::Named(name.clone()),
            SecretRef::Inline(secret) => SecretShape::Inline(secret.expose().to_owned()),
        };
        Self {
            url: receiver.url.clone(),
            secret,
            on: receiver.on.iter().map(|v| v.word().to_owned()).collect(),
            form: (receiver.form != Form::default()).then(|| receiver.form.to_string()),
            moments: receiver
                .moments
                .iter()
                .map(|m| m.word().to_owned())
                .collect(),
        }
    }
}

impl TryFrom<ReceiverShape> for Receiver {
    type Error = Damage;

    fn try_from(shape: ReceiverShape) -> Result<Self, Damage> {
        let secret = match shape.secret {
            SecretShape::Default => SecretRef::Default,
            SecretShape::Named(name) => SecretRef::Named(name),
            SecretShape::Inline(text) => SecretRef::Inline(Secret::new(&text)),
        };
        let verdict = |word: &String| checked("verdict", word.as_str(), Verdict::from_word);
        let moment = |word: &String| checked("moment", word.as_str(), Moment::from_word);
        let moments = shape.moments.iter().map(moment);
        let form = shape.form.as_deref();
        let form = form
            .map(|word| checked("form", word, Form::parse))
            .transpose()?;
        Ok(Self {
            url: shape.url,
            secret,
            on: shape.on.iter().map(verdict).collect::<Result<_, _>>()?,
            form: form.unwrap_or_default(),
            moments: moments.collect::<Result<_, _>>()?,
        })
    }
}
