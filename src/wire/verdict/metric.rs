//! One metric in a public document.

use crate::judge::judgement::{ArmSummary, Effect, Evidence, Finding, Interval, Needs};
use crate::plan::{Part, Plan};
use crate::units::MinEffect;
use crate::wire::number::public;
use crate::wire::verdict::breakdown::BreakdownDocument;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one metric says at the newest look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricDocument {
    /// Its name.
    pub name: String,
    /// `worse`, `no_data`, `lagging` (its data come later than the analysis can wait), `undecided`
    /// or `within` (its limit).
    pub label: String,
    /// `critical`, `required`, `optional` or `info`.
    pub role: String,
    /// The group it is scored in.
    pub group: String,
    /// Its weight in the score.
    pub weight: f64,
    /// The direction that does harm: `increase`, `decrease` or `either`.
    pub harm: String,
    /// The smallest difference that counts.
    pub limit: LimitDocument,
    /// The unit of levels and absolute effects; may be empty.
    pub unit: String,
    /// Which test decided.
    pub test: String,
    /// Which judge: `sequential` or `mann-whitney`; only where metrics have judges of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// The baseline.
    pub baseline: ArmDocument,
    /// The canary.
    pub canary: ArmDocument,
    /// The difference with its interval; null without data in both arms.
    pub effect: Option<EffectDocument>,
    /// How strong the evidence is; null when no test was run.
    pub evidence: Option<EvidenceDocument>,
    /// What more time would bring.
    pub needs: NeedsDocument,
    /// Why there is no data, when the label says so.
    pub no_data: Option<String>,
    /// Whether both arms degraded alike: `yes` or `no`.
    pub both_degraded: String,
    /// What a reader must know about the data.
    pub notes: Vec<String>,
    /// What the values of `group_by` say; absent without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breakdown: Option<BreakdownDocument>,
    /// The queries; not in messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<QueryDocument>,
}

/// The smallest difference that counts, in one of two ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitDocument {
    /// A share of the baseline's level: 0.1 is 10 %.
    Relative(f64),
    /// In the metric's unit.
    Absolute(f64),
}

impl From<MinEffect> for LimitDocument {
    fn from(limit: MinEffect) -> Self {
        match limit {
            MinEffect::Relative(share) => Self::Relative(share),
            MinEffect::Absolute(value) => Self::Absolute(value),
        }
    }
}

/// What one arm looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ArmDocument {
    /// Samples, or events.
    pub n: u64,
    /// Effective samples after autocorrelation.
    pub n_eff: Option<f64>,
    /// Median, or ratio of bad events.
    pub level: Option<f64>,
    /// Bad events, when events are counted.
    pub bad: Option<u64>,
    /// Share of grid points with a value, 0 to 1.
    pub coverage: Option<f64>,
    /// At most 12 values, evenly spaced; null where there is none; not in messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spark: Vec<Option<f64>>,
}

/// A number with its interval; a bound that is infinite is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IntervalDocument {
    /// The estimate.
    pub value: Option<f64>,
    /// The lower bound; null is no bound.
    pub low: Option<f64>,
    /// The upper bound; null is no bound.
    pub high: Option<f64>,
}

/// Canary against baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EffectDocument {
    /// Canary minus baseline, in the metric's unit.
    pub absolute: IntervalDocument,
    /// The same as a share of the baseline's level; null when that says nothing.
    pub relative: Option<IntervalDocument>,
    /// The confidence of the intervals, 0 to 1.
    pub confidence: f64,
}

/// Worse is shown when `p_harm` ≤ `alpha`, within when `p_safe` ≤ `beta`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceDocument {
    /// p-value of "not worse than the limit"; of `sequential` 1/e, which may exceed 1.
    pub p_harm: Option<f64>,
    /// What `p_harm` has to reach at this look.
    pub alpha: Option<f64>,
    /// p-value of "at or beyond the limit"; of `sequential` 1/e, which may exceed 1.
    pub p_safe: Option<f64>,
    /// What `p_safe` has to reach at this look.
    pub beta: Option<f64>,
}

/// What more time would bring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NeedsDocument {
    /// `nothing`, `time`, `data`, or `more_than_there_is` before the deadline.
    pub what: String,
    /// About so much more time, in milliseconds, when it is time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<i64>,
    /// So many more samples or events in the scarcer arm, when it is data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// One concrete query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueryDocument {
    /// `grid`, `bad`, `total` or `buckets`.
    pub part: String,
    /// PromQL.
    pub query: String,
}

impl MetricDocument {
    /// `finding` of `plan`, with everything there is.
    pub(super) fn new(plan: &Plan, finding: &Finding) -> Self {
        Self {
            name: finding.metric.to_string(),
            label: finding.label.word().to_owned(),
            role: finding.role.word().to_owned(),
            group: finding.group.to_string(),
            weight: finding.weight.get(),
            harm: finding.harm.word().to_owned(),
            limit: LimitDocument::from(finding.limit),
            unit: finding.unit.clone(),
            test: finding.test.to_owned(),
            judge: judge(plan, finding),
            baseline: ArmDocument::from(&finding.baseline),
            canary: ArmDocument::from(&finding.canary),
            effect: finding.effect.map(EffectDocument::from),
            evidence: finding.evidence.map(EvidenceDocument::from),
            needs: NeedsDocument::from(finding.needs),
            no_data: finding.no_data.clone(),
            both_degraded: yes_or_no(finding.both_degraded),
            notes: finding.notes.clone(),
            breakdown: finding.breakdown.as_deref().map(BreakdownDocument::from),
            queries: queries(plan, finding),
        }
    }
}

fn judge(plan: &Plan, finding: &Finding) -> Option<String> {
    let mut metrics = plan.metrics.iter().filter(|_| plan.has_own_judges());
    let metric = metrics.find(|metric| metric.name == finding.metric)?;
    Some(plan.method_of(metric)?.word().to_owned())
}

fn queries(plan: &Plan, finding: &Finding) -> Vec<QueryDocument> {
    let of_metric = |idx: usize| {
        plan.metrics
            .get(idx)
            .is_some_and(|metric| metric.name == finding.metric)
    };
    plan.queries_shown()
        .into_iter()
        .filter(|(slot, _)| of_metric(slot.metric_idx))
        .map(|(slot, query)| QueryDocument {
            part: part_word(slot.part).to_owned(),
            query,
        })
        .collect()
}

fn part_word(part: Part) -> &'static str {
    crate::wire::record::part_word(part)
}

/// A fact that is no decision, as a word.
pub(super) fn yes_or_no(fact: bool) -> String {
    if fact { "yes" } else { "no" }.to_owned()
}

impl From<&ArmSummary> for ArmDocument {
    fn from(arm: &ArmSummary) -> Self {
        Self {
            n: arm.n,
            n_eff: public(arm.n_eff),
            level: arm.level.and_then(public),
            bad: arm.bad,
            coverage: public(arm.coverage),
            spark: arm.spark.iter().copied().map(public).collect(),
        }
    }
}

impl From<Interval> for IntervalDocument {
    fn from(interval: Interval) -> Self {
        Self {
            value: public(interval.value),
            low: public(interval.low),
            high: public(interval.high),
        }
    }
}

impl From<Effect> for EffectDocument {
    fn from(effect: Effect) -> Self {
        Self {
            absolute: effect.absolute.into(),
            relative: effect.relative.map(Into::into),
            confidence: effect.confidence.get(),
        }
    }
}

impl From<Evidence> for EvidenceDocument {
    fn from(evidence: Evidence) -> Self {
        Self {
            p_harm: public(evidence.p_harm),
            alpha: public(evidence.alpha),
            p_safe: public(evidence.p_safe),
            beta: public(evidence.beta),
        }
    }
}

impl From<Needs> for NeedsDocument {
    fn from(needs: Needs) -> Self {
        let (what, time_ms, count) = match needs {
            Needs::Nothing => ("nothing", None, None),
            Needs::Time(span) => ("time", Some(span.ms()), None),
            Needs::MoreThanThereIs => ("more_than_there_is", None, None),
            Needs::Data(count) => ("data", None, Some(count)),
        };
        Self {
            what: what.to_owned(),
            time_ms,
            count,
        }
    }
}
