//! A judgement as recorded: every finding with every bit of its evidence.

use super::breakdown::{self, BreakdownShape};
use super::objective::ObjectiveShape;
use super::steps::StepFoundShape;
use super::{Damage, bytes, checked, parse};
use crate::engine::record::Fact;
use crate::ids::{GroupName, MetricName};
use crate::judge::judgement::{
    ArmSummary, Effect, Evidence, Finding, Interval, Judgement, Label, Needs, Outcome, StepFinding,
    TrafficFinding,
};
use crate::template::Role;
use crate::time::{Span, Timestamp};
use crate::units::{Harm, MinEffect, Probability, Score, Weight};
use crate::wire::number::{Exact, bare, exact};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JudgementShape {
    look: u32,
    covered_to_ms: i64,
    findings: Vec<FindingShape>,
    objectives: Vec<ObjectiveShape>,
    traffic: Option<TrafficShape>,
    /// Left out of a judgement of one step, so that records without keep their bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepFoundShape>,
    suspect: Vec<String>,
    score: Option<u8>,
    outcome: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FindingShape {
    metric: String,
    role: String,
    group: String,
    weight: Exact,
    harm: String,
    limit: LimitShape,
    unit: String,
    label: String,
    no_data: Option<String>,
    baseline: ArmShape,
    canary: ArmShape,
    effect: Option<EffectShape>,
    evidence: Option<EvidenceShape>,
    test: String,
    needs: NeedsShape,
    both_degraded: bool,
    notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    breakdown: Option<BreakdownShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LimitShape {
    Relative(Exact),
    Absolute(Exact),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArmShape {
    n: u64,
    n_eff: Exact,
    level: Option<Exact>,
    bad: Option<u64>,
    coverage: Exact,
    spark: Vec<Exact>,
}

/// `[value, low, high]`
type IntervalShape = [Exact; 3];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EffectShape {
    absolute: IntervalShape,
    relative: Option<IntervalShape>,
    confidence: Exact,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceShape {
    p_harm: Exact,
    alpha: Exact,
    p_safe: Exact,
    beta: Exact,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NeedsShape {
    Nothing,
    TimeMs(i64),
    MoreThanThereIs,
    Data(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrafficShape {
    declared: Exact,
    observed: Option<Exact>,
    mismatch: bool,
}

impl From<TrafficFinding> for TrafficShape {
    fn from(traffic: TrafficFinding) -> Self {
        Self {
            declared: Exact(traffic.declared),
            observed: traffic.observed.map(Exact),
            mismatch: traffic.mismatch,
        }
    }
}

impl From<TrafficShape> for TrafficFinding {
    fn from(shape: TrafficShape) -> Self {
        Self {
            declared: shape.declared.0,
            observed: shape.observed.map(|Exact(share)| share),
            mismatch: shape.mismatch,
        }
    }
}

pub(super) fn encode(judgement: &Judgement) -> Vec<u8> {
    let traffic = judgement.traffic.map(TrafficShape::from);
    bytes(&JudgementShape {
        look: judgement.look,
        covered_to_ms: judgement.covered_to.ms(),
        findings: judgement.findings.iter().map(FindingShape::from).collect(),
        objectives: judgement
            .objectives
            .iter()
            .map(ObjectiveShape::from)
            .collect(),
        traffic,
        steps: judgement.steps.iter().map(StepFoundShape::from).collect(),
        suspect: judgement.suspect.clone(),
        score: judgement.score.map(Score::get),
        outcome: judgement.outcome.word().to_owned(),
    })
}

pub(super) fn decode(body: &[u8]) -> Result<Fact, Damage> {
    let shape: JudgementShape = parse("judged", body)?;
    let findings: Result<_, Damage> = shape.findings.into_iter().map(Finding::try_from).collect();
    let objectives: Result<_, Damage> = shape
        .objectives
        .into_iter()
        .map(ObjectiveShape::finding)
        .collect();
    let score = |points: u8| checked("score", &points, |points| Score::new(*points));
    let traffic = shape.traffic.map(TrafficFinding::from);
    let steps = shape.steps.into_iter().map(StepFinding::try_from);
    let judgement = Judgement {
        look: shape.look,
        covered_to: Timestamp::from_ms(shape.covered_to_ms),
        findings: findings?,
        objectives: objectives?,
        traffic,
        steps: steps.collect::<Result<_, _>>()?,
        suspect: shape.suspect,
        score: shape.score.map(score).transpose()?,
        outcome: checked("outcome", shape.outcome.as_str(), Outcome::from_word)?,
    };
    Ok(Fact::Judged {
        judgement: judgement.into(),
    })
}

impl From<&Finding> for FindingShape {
    fn from(finding: &Finding) -> Self {
        Self {
            metric: finding.metric.as_str().to_owned(),
            role: finding.role.word().to_owned(),
            group: finding.group.as_str().to_owned(),
            weight: Exact(finding.weight.get()),
            harm: finding.harm.word().to_owned(),
            limit: match finding.limit {
                MinEffect::Relative(share) => LimitShape::Relative(Exact(share)),
                MinEffect::Absolute(value) => LimitShape::Absolute(Exact(value)),
            },
            unit: finding.unit.clone(),
            label: finding.label.word().to_owned(),
            no_data: finding.no_data.clone(),
            baseline: arm_shape(&finding.baseline),
            canary: arm_shape(&finding.canary),
            effect: finding.effect.map(effect_shape),
            evidence: finding.evidence.map(evidence_shape),
            test: finding.test.to_owned(),
            needs: needs_shape(finding.needs),
            both_degraded: finding.both_degraded,
            notes: finding.notes.clone(),
            breakdown: finding.breakdown.as_deref().map(breakdown::shape),
        }
    }
}

impl TryFrom<FindingShape> for Finding {
    type Error = Damage;

    fn try_from(shape: FindingShape) -> Result<Self, Damage> {
        let limit = match shape.limit {
            LimitShape::Relative(Exact(v)) => checked("limit", &v, |v| MinEffect::relative(*v)),
            LimitShape::Absolute(Exact(v)) => checked("limit", &v, |v| MinEffect::absolute(*v)),
        };
        let of_values = shape.breakdown;
        let whole = Self {
            metric: checked("metric", shape.metric.as_str(), MetricName::new)?,
            role: checked("role", shape.role.as_str(), role)?,
            group: checked("group", shape.group.as_str(), GroupName::new)?,
            weight: checked("weight", &shape.weight.0, |v| Weight::new(*v))?,
            harm: checked("harm", shape.harm.as_str(), Harm::from_word)?,
            limit: limit?,
            unit: shape.unit,
            label: checked("label", shape.label.as_str(), Label::from_word)?,
            no_data: shape.no_data,
            baseline: arm(shape.baseline),
            canary: arm(shape.canary),
            effect: shape.effect.as_ref().map(effect).transpose()?,
            evidence: shape.evidence.as_ref().map(evidence),
            test: test_name(&shape.test)?,
            needs: needs(&shape.needs),
            both_degraded: shape.both_degraded,
            notes: shape.notes,
            breakdown: None,
        };
        let read = |shape| breakdown::read(shape, &whole).map(Box::new);
        Ok(Self {
            breakdown: of_values.map(read).transpose()?,
            ..whole
        })
    }
}

fn role(word: &str) -> Option<Role> {
    [Role::Critical, Role::Required, Role::Optional, Role::Info]
        .into_iter()
        .find(|role| role.word() == word)
}

pub(super) fn effect_shape(effect: Effect) -> EffectShape {
    EffectShape {
        absolute: interval_shape(effect.absolute),
        relative: effect.relative.map(interval_shape),
        confidence: Exact(effect.confidence.get()),
    }
}

pub(super) fn evidence_shape(evidence: Evidence) -> EvidenceShape {
    EvidenceShape {
        p_harm: Exact(evidence.p_harm),
        alpha: Exact(evidence.alpha),
        p_safe: Exact(evidence.p_safe),
        beta: Exact(evidence.beta),
    }
}

pub(super) fn evidence(shape: &EvidenceShape) -> Evidence {
    Evidence {
        p_harm: shape.p_harm.0,
        alpha: shape.alpha.0,
        p_safe: shape.p_safe.0,
        beta: shape.beta.0,
    }
}

pub(super) fn needs_shape(needs: Needs) -> NeedsShape {
    match needs {
        Needs::Nothing => NeedsShape::Nothing,
        Needs::Time(span) => NeedsShape::TimeMs(span.ms()),
        Needs::MoreThanThereIs => NeedsShape::MoreThanThereIs,
        Needs::Data(count) => NeedsShape::Data(count),
    }
}

pub(super) fn needs(shape: &NeedsShape) -> Needs {
    match shape {
        NeedsShape::Nothing => Needs::Nothing,
        NeedsShape::TimeMs(ms) => Needs::Time(Span::from_ms(*ms)),
        NeedsShape::MoreThanThereIs => Needs::MoreThanThereIs,
        NeedsShape::Data(count) => Needs::Data(*count),
    }
}

pub(super) fn effect(shape: &EffectShape) -> Result<Effect, Damage> {
    Ok(Effect {
        absolute: interval(shape.absolute),
        relative: shape.relative.map(interval),
        confidence: checked("confidence", &shape.confidence.0, |v| Probability::new(*v))?,
    })
}

fn interval_shape(interval: Interval) -> IntervalShape {
    [interval.value, interval.low, interval.high].map(Exact)
}

fn interval([value, low, high]: IntervalShape) -> Interval {
    Interval {
        value: value.0,
        low: low.0,
        high: high.0,
    }
}

pub(super) fn arm_shape(arm: &ArmSummary) -> ArmShape {
    ArmShape {
        n: arm.n,
        n_eff: Exact(arm.n_eff),
        level: arm.level.map(Exact),
        bad: arm.bad,
        coverage: Exact(arm.coverage),
        spark: exact(&arm.spark),
    }
}

pub(super) fn arm(shape: ArmShape) -> ArmSummary {
    ArmSummary {
        n: shape.n,
        n_eff: shape.n_eff.0,
        level: shape.level.map(|Exact(level)| level),
        bad: shape.bad,
        coverage: shape.coverage.0,
        spark: bare(shape.spark),
    }
}

/// Names of tests read from records that are not among [`TESTS`]; one more makes its record
/// unreadable.
const TEST_NAMES_MAX: usize = 64;

/// Names every version so far has used; these cost nothing.
const TESTS: [&str; 9] = [
    "",
    "none",
    "convention",
    "mann-whitney exact",
    "mann-whitney normal",
    "conditional binomial",
    "kayenta",
    "kayenta convention",
    "kayenta error",
];

/// The name of a test as text that lives as long as the program: each new name is kept once, so
/// what a log can make us keep is bounded (A7).
pub(super) fn test_name(name: &str) -> Result<&'static str, Damage> {
    static OTHERS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if let Some(known) = TESTS.into_iter().find(|known| *known == name) {
        return Ok(known);
    }
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = others.get(name) {
        return Ok(known);
    }
    if others.len() >= TEST_NAMES_MAX || name.len() > crate::ids::NAME_LEN_MAX {
        return Err(Damage::new(format!(
            "test {name:?} is unknown and {TEST_NAMES_MAX} unknown names are kept already"
        )));
    }
    let kept: &'static str = Box::leak(name.into());
    others.insert(kept);
    Ok(kept)
}
