//! Everything a report is made from, as one document: what was judged, what it said look by look,
//! and the series it said it about. Reports are functions of it, so the daemon, the command line
//! and whatever keeps analyses elsewhere need only give this document.

mod gather;
mod settings;
mod trace;

pub(crate) use settings::quoted;
pub use trace::POINTS_KEPT_MAX;

use crate::engine::after::Glance;
use crate::wire::coordination::{PlannedStepDocument, StepDocument};
use crate::wire::verdict::{
    DeliveryDocument, DeployDocument, EffectDocument, EvidenceDocument, FigureDocument,
    GoodDocument, MetricDocument, ObjectiveDocument, RecoveryDocument, TemplateDocument,
    TrafficDocument,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The `schema` of a [`ReportDocument`]; the number rises when a field changes its meaning or
/// goes, not when one is added.
pub const REPORT_SCHEMA: &str = "haldane.report/1";

/// What a report is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportDocument {
    /// `haldane.report/1`
    pub schema: String,
    /// The version of the program that judged.
    pub version: String,
    /// The version of what a judgement means.
    pub semantics: u32,
    /// The analysis; null for a judgement on its own.
    pub id: Option<String>,
    /// `pending`, `promote`, `rollback` or `inconclusive`.
    pub verdict: String,
    /// The sentence that explains it, the same everywhere.
    pub reason: String,
    /// The row of the verdict table; null while pending.
    pub row: Option<u8>,
    /// What holds, or held, a promote back.
    pub hold: Option<String>,
    /// 0 to 100; null before there is data.
    pub score: Option<u8>,
    /// `pass`, `marginal`, `fail` or `no_data` of the newest look.
    pub outcome: Option<String>,
    /// The person who decided, when one did.
    pub author: Option<String>,
    /// The last failure of the source, while it lasts.
    pub source_fault: Option<String>,
    /// The service.
    pub service: String,
    /// The deploy as it was described.
    pub deploy: DeployDocument,
    /// The template that was followed.
    pub template: TemplateDocument,
    /// Its text, when it is at hand.
    pub template_text: Option<String>,
    /// SHA-256 of the plan.
    pub plan_digest: String,
    /// The baseline's matchers.
    pub baseline: String,
    /// The canary's matchers.
    pub canary: String,
    /// What was configured, in the order to be shown.
    pub settings: Vec<SettingDocument>,
    /// The instants of the analysis.
    pub timing: TimingDocument,
    /// When the verdict was recorded; null while pending, and for a judgement on its own.
    pub decided_at: Option<String>,
    /// How many looks were planned.
    pub looks_planned: u32,
    /// The looks that were judged, in order.
    pub looks: Vec<LookDocument>,
    /// What else happened: failures of the source, answers that came too late.
    pub events: Vec<EventDocument>,
    /// One entry per metric at the newest look.
    pub metrics: Vec<MetricDocument>,
    /// One sentence per metric, in the same order.
    pub sentences: Vec<String>,
    /// One entry per metric of the plan, also before the first look.
    pub series: Vec<SeriesDocument>,
    /// One entry per objective at the newest look.
    pub objectives: Vec<ObjectiveDocument>,
    /// Observed against declared traffic.
    pub traffic: Option<TrafficDocument>,
    /// What each step of traffic showed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepDocument>,
    /// The steps that are planned, and how each stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned_steps: Vec<PlannedStepDocument>,
    /// Warnings of the source that block a promote.
    pub suspect: Vec<String>,
    /// Who was told.
    pub deliveries: Vec<DeliveryDocument>,
    /// What followed the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aftermath: Option<AftermathDocument>,
    /// Commands that judge the same again.
    pub again: Vec<CommandDocument>,
}

/// What followed a verdict: it changed nothing about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AftermathDocument {
    /// When somebody took note of the verdict first.
    pub acknowledged_at: Option<String>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// How long after the verdict, in milliseconds.
    pub acknowledged_after_ms: Option<i64>,
    /// By when somebody had to, where the template says so.
    pub acknowledge_by: Option<String>,
    /// Whether the rollback helped; null where it is not watched.
    pub recovery: Option<RecoveryDocument>,
    /// Every look after the rollback, in order.
    pub glances: Vec<GlanceDocument>,
    /// What was promoted last in the same place before the rollback.
    pub last_good: Option<GoodDocument>,
}

/// One look after a rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GlanceDocument {
    /// Its number, from 1.
    pub number: u32,
    /// The end of its window.
    pub to: String,
    /// `gone`, `quiet`, `burning` or `blind`.
    pub seen: String,
    /// The same in words.
    pub detail: String,
    /// What it was told by: `burn`, `comparison` or `traffic`; null when nothing could be told.
    pub by: Option<String>,
    /// What was measured.
    pub figures: Vec<FigureDocument>,
}

impl From<&Glance> for GlanceDocument {
    fn from(glance: &Glance) -> Self {
        Self {
            number: glance.number,
            to: glance.to.to_string(),
            seen: glance.seen.word().to_owned(),
            detail: glance.detail.clone(),
            by: glance.by.map(|by| by.word().to_owned()),
            figures: glance.figures.iter().map(FigureDocument::from).collect(),
        }
    }
}

/// One thing that was configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingDocument {
    /// What it is called in templates and submissions.
    pub name: String,
    /// As text.
    pub value: String,
}

/// A command with what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandDocument {
    /// What it does.
    pub what: String,
    /// For a POSIX shell.
    pub command: String,
}

/// The instants of an analysis, RFC 3339, and its lengths in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimingDocument {
    /// The first instant of the data.
    pub start: String,
    /// Samples before it are not judged.
    pub judged_from: String,
    /// No promote before it.
    pub bake_until: String,
    /// The last instant that is read.
    pub deadline: String,
    /// The last instant that was judged; null before the first look.
    pub covered_to: Option<String>,
    /// The distance of grid points.
    pub step_ms: i64,
    /// The time between looks.
    pub look_every_ms: i64,
}

/// What one look said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LookDocument {
    /// Which look, from 1.
    pub look: u32,
    /// When it was recorded; null for a judgement on its own.
    pub at: Option<String>,
    /// The last instant whose samples were judged.
    pub covered_to: String,
    /// `pass`, `marginal`, `fail` or `no_data`.
    pub outcome: String,
    /// 0 to 100; null without data.
    pub score: Option<u8>,
    /// One entry per metric.
    pub metrics: Vec<LookMetricDocument>,
    /// One entry per objective.
    pub objectives: Vec<LookObjectiveDocument>,
}

/// What one metric said at a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LookMetricDocument {
    /// Its name.
    pub name: String,
    /// `worse`, `no_data`, `undecided` or `within`.
    pub label: String,
    /// The difference with its interval.
    pub effect: Option<EffectDocument>,
    /// How strong the evidence was.
    pub evidence: Option<EvidenceDocument>,
}

/// What one objective said at a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LookObjectiveDocument {
    /// Its name.
    pub name: String,
    /// The canary's burn rate since the analysis began.
    pub canary_burn: Option<f64>,
    /// The baseline's.
    pub baseline_burn: Option<f64>,
    /// The canary's burn rate over the long window of each rung.
    pub burn_long: Vec<Option<f64>>,
    /// The canary's burn rate over the short window of each rung.
    pub burn_short: Vec<Option<f64>>,
}

/// Something that happened beside the looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventDocument {
    /// When.
    pub at: String,
    /// `source_failed` or `ignored`.
    pub what: String,
    /// In words.
    pub detail: String,
}

/// The series of one metric, both arms on one grid; null is a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesDocument {
    /// The metric.
    pub name: String,
    /// `values`, `ratio` (bad events of all, per interval) or `median` (of a distribution).
    pub kind: String,
    /// The instant of the first value.
    pub start: String,
    /// The distance of values.
    pub step_ms: i64,
    /// How many grid points two values stand for, their least and their greatest; 1 is all.
    pub thinned: usize,
    /// The baseline.
    pub baseline: Vec<Option<f64>>,
    /// The canary.
    pub canary: Vec<Option<f64>>,
}
