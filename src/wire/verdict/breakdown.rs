//! The values of `group_by` in a public document.

use crate::judge::judgement::{Breakdown, ValueFinding};
use crate::wire::verdict::metric::{
    ArmDocument, EffectDocument, EvidenceDocument, MetricDocument, NeedsDocument,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the values of a label say, each judged on its own. One that is worse makes the metric
/// worse; one that is anything else changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BreakdownDocument {
    /// The label.
    pub by: String,
    /// How many values are judged on their own at most.
    pub max: usize,
    /// What the metric says as a whole, whatever its values say.
    pub whole: String,
    /// In the order in which they appeared; in messages only some of those that are worse.
    pub values: Vec<ValueDocument>,
    /// How many values are in the whole only, because there were more than `max`.
    pub left_out: usize,
    /// The first of them by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out_named: Vec<String>,
}

/// What one value of a label says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueDocument {
    /// The value.
    pub value: String,
    /// `worse`, `no_data`, `undecided` or `within` (the metric's limit).
    pub label: String,
    /// The baseline's series with that value.
    pub baseline: ArmDocument,
    /// The canary's.
    pub canary: ArmDocument,
    /// The difference with its interval; null without data in both arms.
    pub effect: Option<EffectDocument>,
    /// How strong the evidence is; null when no test was run.
    pub evidence: Option<EvidenceDocument>,
    /// Which test was run.
    pub test: String,
    /// Why there is no data, when the label says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_data: Option<String>,
    /// What a reader must know about the data of a value that is worse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl From<&Breakdown> for BreakdownDocument {
    fn from(breakdown: &Breakdown) -> Self {
        Self {
            by: breakdown.by.clone(),
            max: breakdown.max,
            whole: breakdown.whole.word().to_owned(),
            values: breakdown.values.iter().map(ValueDocument::from).collect(),
            left_out: breakdown.left_out,
            left_out_named: breakdown.left_out_named.clone(),
        }
    }
}

impl From<&ValueFinding> for ValueDocument {
    fn from(one: &ValueFinding) -> Self {
        let finding = &one.finding;
        Self {
            value: one.value.clone(),
            label: finding.label.word().to_owned(),
            baseline: ArmDocument::from(&finding.baseline),
            canary: ArmDocument::from(&finding.canary),
            effect: finding.effect.map(EffectDocument::from),
            evidence: finding.evidence.map(EvidenceDocument::from),
            test: finding.test.to_owned(),
            no_data: finding.no_data.clone(),
            notes: finding.notes.clone(),
        }
    }
}

impl BreakdownDocument {
    /// Keeps what fits into a message: at most so many of the values that are worse; how many those
    /// are.
    pub(super) fn thin(&mut self, most: usize) -> usize {
        self.values.retain(|one| one.label == "worse");
        self.values.truncate(most);
        for one in &mut self.values {
            one.baseline.spark.clear();
            one.canary.spark.clear();
            one.notes.clear();
        }
        self.values.len()
    }
}

impl MetricDocument {
    /// The values of `group_by` that are worse, each as a metric: `errors, route=/pay`.
    pub fn worse_values(&self) -> Vec<Self> {
        let Some(breakdown) = &self.breakdown else {
            return Vec::new();
        };
        let worse = breakdown.values.iter().filter(|one| one.label == "worse");
        worse.map(|one| self.of_value(&breakdown.by, one)).collect()
    }

    /// One value of `group_by` as a metric.
    #[must_use]
    pub fn of_value(&self, by: &str, one: &ValueDocument) -> Self {
        Self {
            name: format!("{}, {by}={}", self.name, one.value),
            label: one.label.clone(),
            baseline: one.baseline.clone(),
            canary: one.canary.clone(),
            effect: one.effect.clone(),
            evidence: one.evidence.clone(),
            test: one.test.clone(),
            no_data: one.no_data.clone(),
            notes: one.notes.clone(),
            needs: NeedsDocument {
                what: "nothing".to_owned(),
                time_ms: None,
                count: None,
            },
            breakdown: None,
            queries: Vec::new(),
            ..self.clone()
        }
    }
}
