//! The values of `group_by` as recorded: only what each of them says itself, the rest is the
//! metric's.

use super::judged::{
    ArmShape, EffectShape, EvidenceShape, NeedsShape, arm, arm_shape, effect, effect_shape,
    evidence, evidence_shape, needs, needs_shape, test_name,
};
use super::{Damage, checked};
use crate::judge::judgement::{Breakdown, Finding, Label, ValueFinding};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakdownShape {
    by: String,
    max: usize,
    whole: String,
    values: Vec<ValueShape>,
    left_out: usize,
    left_out_named: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueShape {
    value: String,
    label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no_data: Option<String>,
    baseline: ArmShape,
    canary: ArmShape,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effect: Option<EffectShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceShape>,
    test: String,
    needs: NeedsShape,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

pub(super) fn shape(breakdown: &Breakdown) -> BreakdownShape {
    let value = |one: &ValueFinding| ValueShape {
        value: one.value.clone(),
        label: one.finding.label.word().to_owned(),
        no_data: one.finding.no_data.clone(),
        baseline: arm_shape(&one.finding.baseline),
        canary: arm_shape(&one.finding.canary),
        effect: one.finding.effect.map(effect_shape),
        evidence: one.finding.evidence.map(evidence_shape),
        test: one.finding.test.to_owned(),
        needs: needs_shape(one.finding.needs),
        notes: one.finding.notes.clone(),
    };
    BreakdownShape {
        by: breakdown.by.clone(),
        max: breakdown.max,
        whole: breakdown.whole.word().to_owned(),
        values: breakdown.values.iter().map(value).collect(),
        left_out: breakdown.left_out,
        left_out_named: breakdown.left_out_named.clone(),
    }
}

/// The values of a metric whose finding, without them, is `whole`.
pub(super) fn read(shape: BreakdownShape, whole: &Finding) -> Result<Breakdown, Damage> {
    let values: Result<_, Damage> = shape
        .values
        .into_iter()
        .map(|shape| value(shape, whole))
        .collect();
    Ok(Breakdown {
        by: shape.by,
        max: shape.max,
        whole: checked("label", shape.whole.as_str(), Label::from_word)?,
        values: values?,
        left_out: shape.left_out,
        left_out_named: shape.left_out_named,
    })
}

fn value(shape: ValueShape, whole: &Finding) -> Result<ValueFinding, Damage> {
    let finding = Finding {
        label: checked("label", shape.label.as_str(), Label::from_word)?,
        no_data: shape.no_data,
        baseline: arm(shape.baseline),
        canary: arm(shape.canary),
        effect: shape.effect.as_ref().map(effect).transpose()?,
        evidence: shape.evidence.as_ref().map(evidence),
        test: test_name(&shape.test)?,
        needs: needs(&shape.needs),
        both_degraded: false,
        notes: shape.notes,
        breakdown: None,
        ..whole.clone()
    };
    Ok(ValueFinding {
        value: shape.value,
        finding,
    })
}
