//! The public documents about an analysis: what the API answers, the webhook carries and
//! `--output json` prints. All decisions are words; only `final` is a boolean, because every
//! client asks exactly that. Times are RFC 3339, lengths whole milliseconds, numbers finite.

mod after;
mod breakdown;
mod context;
mod metric;
mod objective;

pub use after::{FigureDocument, GoodDocument, RecoveryDocument};
pub use breakdown::{BreakdownDocument, ValueDocument};
pub use context::{ComparisonDocument, DeliveryDocument, DeployDocument, TemplateDocument};
pub use metric::{
    ArmDocument, EffectDocument, EvidenceDocument, IntervalDocument, LimitDocument, MetricDocument,
    NeedsDocument, QueryDocument,
};
pub use objective::{ObjectiveDocument, RungDocument, TrafficDocument};

use crate::engine::verdict::{Hold, Verdict, because, told};
use crate::engine::view::View;
use crate::judge::extension;
use crate::judge::judgement::{Finding, Judgement};
use crate::plan::Plan;
use crate::template::inconclusive::Reason;
use crate::time::Span;
use crate::units::Score;
use crate::wire::coordination::{CoordinationDocument, PlannedStepDocument, StepDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The `schema` of a [`VerdictDocument`]; the number rises when a field changes its meaning or
/// goes, not when one is added.
pub const VERDICT_SCHEMA: &str = "haldane.verdict/1";

/// The `schema` of a [`JudgeDocument`].
pub const JUDGEMENT_SCHEMA: &str = "haldane.judgement/1";

/// The `verdict` of an analysis that has none yet.
pub const PENDING: &str = "pending";

/// Metrics in a message; of a longer list those with the worst labels are sent, in the plan's
/// order, and `metrics_left_out` says how many were not. It keeps messages under the 20 kB that
/// the Standard Webhooks specification recommends.
pub const MESSAGE_METRICS_MAX: usize = 20;

/// Notes of one metric in a message; later ones are left out.
const MESSAGE_NOTES_MAX: usize = 2;

/// Values of `group_by` in a message, of those that are worse; further ones are left out. See
/// [`MESSAGE_METRICS_MAX`].
const MESSAGE_VALUES_MAX: usize = 3;

/// An analysis, as its readers see it. Read by clients as well, which therefore accept fields
/// they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerdictDocument {
    /// `haldane.verdict/1`
    pub schema: String,
    /// The analysis.
    pub id: String,
    /// `pending`, `promote`, `rollback` or `inconclusive`.
    pub verdict: String,
    /// In answers to gates: the state itself, whatever `verdict` calls it for the caller's sake:
    /// `promote`, `rollback`, `pending`, `held`, `inconclusive` or `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// In answers to gates: `go`, `stop`, `wait`, `doubt` or `fault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// Whether the verdict can still change.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// 0 (every counted metric failed) to 100; null before there is data.
    pub score: Option<u8>,
    /// The sentence that explains it, the same everywhere.
    pub reason: String,
    /// The row of the verdict table that gave the verdict; null while pending.
    pub row: Option<u8>,
    /// What holds a promote back: `environment_degraded`, `traffic_mismatch`, `arm_absent`,
    /// `data_suspect`, `budget_burning`, `frozen`, `earlier_wave` or `release_group`; `superseded`
    /// when a newer deploy took its place.
    pub hold: Option<String>,
    /// What to do with an inconclusive verdict: `hold` or `rollback`.
    pub on_inconclusive: String,
    /// Why it is inconclusive, when the template says what to do by reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive_because: Option<String>,
    /// `waiting`, `looking` or `concluded`.
    pub status: String,
    /// True when it is only watched: every caller that asks in a dialect of its own is told to go
    /// on, whatever the verdict here says; absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// How it stands to other analyses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordination: Option<CoordinationDocument>,
    /// The service.
    pub service: String,
    /// The deploy as it was described.
    pub deploy: DeployDocument,
    /// The template that was followed.
    pub template: TemplateDocument,
    /// SHA-256 of the plan; equal plans have equal digests.
    pub plan_digest: String,
    /// The newest look that was judged, 1 to `looks_planned`; 0 before the first.
    pub look: u32,
    /// Looks there are at most.
    pub looks_planned: u32,
    /// The first instant of the data.
    pub started_at: String,
    /// When the analysis was accepted.
    pub submitted_at: String,
    /// When an undecided analysis ends.
    pub deadline: String,
    /// By how many milliseconds the deadline was extended; absent when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_by_ms: Option<i64>,
    /// The last instant whose samples were judged.
    pub covered_to: Option<String>,
    /// When the verdict became final.
    pub decided_at: Option<String>,
    /// When the next look is due.
    pub next_look_at: Option<String>,
    /// The person who decided, when one did.
    pub author: Option<String>,
    /// The last failure of the source, while it lasts.
    pub source_fault: Option<String>,
    /// The baseline of another time, when the template compares with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparisonDocument>,
    /// The baseline's matchers; only in the full document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The canary's matchers; only in the full document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// `pass`, `marginal`, `fail` or `no_data` of the newest look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// One entry per metric at the newest look; not in the short document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<MetricDocument>>,
    /// How many metrics a message leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_left_out: Option<usize>,
    /// One entry per objective; not in the short document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objectives: Option<Vec<ObjectiveDocument>>,
    /// Observed against declared traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficDocument>,
    /// What each step of traffic showed; absent while there was only one and none is planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepDocument>,
    /// The steps of traffic the template plans, and how each stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned_steps: Vec<PlannedStepDocument>,
    /// In answers about one step: that step; `verdict`, `state` and `word` are about it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<PlannedStepDocument>,
    /// Warnings of the source that block a promote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspect: Option<Vec<String>>,
    /// When somebody took note of the verdict first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<String>,
    /// Who that was: a person, or the receiver that took the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// How long after the verdict that was, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_after_ms: Option<i64>,
    /// By when somebody must take note of a rollback, where the template says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_by: Option<String>,
    /// Whether a rollback helped; absent for other verdicts, and where it is not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryDocument>,
    /// What was promoted last in the same place before a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<GoodDocument>,
    /// Who was told; only in the full document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<Vec<DeliveryDocument>>,
}

/// How much of an analysis a document shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Short,
    Message,
    Full,
}

impl VerdictDocument {
    /// The state of an analysis: everything when `full`, else what a controller asks for.
    pub fn from_view(view: &View, full: bool) -> Self {
        Self::new(view, if full { Detail::Full } else { Detail::Short })
    }

    /// The state of an analysis as sent in messages: the short document with the metrics, without
    /// sparklines, queries and deliveries.
    pub fn for_message(view: &View) -> Self {
        Self::new(view, Detail::Message)
    }

    fn new(view: &View, detail: Detail) -> Self {
        let plan = &view.plan;
        let conclusion = view.conclusion.as_ref();
        let judgement = view.judgement.as_deref();
        let hold = conclusion.map_or(view.hold.as_ref(), |c| c.hold.as_ref());
        let (deadline, looks) = extension::end(plan, judgement);
        let because = conclusion
            .filter(|conclusion| conclusion.verdict == Verdict::Inconclusive)
            .and_then(|c| because(c.row, c.hold.as_ref(), judgement));
        let document = Self {
            schema: VERDICT_SCHEMA.to_owned(),
            id: view.id.to_string(),
            verdict: conclusion.map_or(PENDING, |c| c.verdict.word()).to_owned(),
            state: None,
            word: None,
            is_final: conclusion.is_some(),
            score: judgement.and_then(|j| j.score).map(Score::get),
            reason: conclusion.map_or(&view.sentence, |c| &c.sentence).clone(),
            row: conclusion.map(|conclusion| conclusion.row),
            hold: hold.map(|hold| hold.word().to_owned()),
            on_inconclusive: told(plan, because).word().to_owned(),
            inconclusive_because: shown(plan, because),
            status: view.status.word().to_owned(),
            shadow: view.coordination.shadow,
            coordination: CoordinationDocument::of(view),
            service: plan.rollout.deploy.service.clone(),
            deploy: DeployDocument::from(&plan.rollout.deploy),
            template: TemplateDocument::from(&**plan),
            plan_digest: plan.digest.to_string(),
            look: view.looks,
            looks_planned: looks,
            started_at: plan.timing.start.to_string(),
            submitted_at: view.submitted_at.to_string(),
            deadline: deadline.to_string(),
            extended_by_ms: extension::extended_by(plan, judgement).map(Span::ms),
            covered_to: judgement.map(|judgement| judgement.covered_to.to_string()),
            decided_at: conclusion.map(|conclusion| conclusion.at.to_string()),
            next_look_at: view.next_look_at.map(|at| at.to_string()),
            author: conclusion.and_then(|conclusion| conclusion.author.clone()),
            source_fault: view.source_fault.clone(),
            comparison: ComparisonDocument::of(plan),
            baseline: None,
            canary: None,
            outcome: None,
            metrics: None,
            metrics_left_out: None,
            objectives: None,
            traffic: None,
            steps: Vec::new(),
            planned_steps: Vec::new(),
            step: None,
            suspect: None,
            acknowledged_at: None,
            acknowledged_by: None,
            acknowledged_after_ms: None,
            acknowledge_by: None,
            recovery: None,
            last_good: None,
            deliveries: None,
        };
        document.with_after(view).with_evidence(view, detail)
    }

    /// Adds what the short document leaves out.
    fn with_evidence(mut self, view: &View, detail: Detail) -> Self {
        if detail == Detail::Short {
            return self;
        }
        self.planned_steps = PlannedStepDocument::all(&view.plan, view.judgement.as_deref());
        if let Some(judgement) = view.judgement.as_deref() {
            let evidence = EvidenceParts::new(&view.plan, judgement);
            self.outcome = Some(evidence.outcome);
            self.metrics = Some(evidence.metrics);
            self.objectives = Some(evidence.objectives);
            self.traffic = evidence.traffic;
            self.steps = judgement.steps.iter().map(StepDocument::from).collect();
            self.suspect = Some(judgement.suspect.clone());
            if detail == Detail::Message {
                self.thin(judgement);
            }
        }
        if detail == Detail::Full {
            self.baseline = Some(view.plan.rollout.baseline.to_string());
            self.canary = Some(view.plan.rollout.canary.to_string());
            self.deliveries = Some(view.deliveries.iter().map(DeliveryDocument::from).collect());
        }
        self
    }

    /// Makes the metrics small enough for a message.
    fn thin(&mut self, judgement: &Judgement) {
        let Some(metrics) = self.metrics.take() else {
            return;
        };
        let total = metrics.len();
        let chosen = worst(&judgement.findings, MESSAGE_METRICS_MAX);
        let mut values = MESSAGE_VALUES_MAX;
        let thinned = metrics
            .into_iter()
            .enumerate()
            .filter_map(|(idx, mut metric)| {
                metric.baseline.spark.clear();
                metric.canary.spark.clear();
                metric.queries.clear();
                metric.notes.truncate(MESSAGE_NOTES_MAX);
                if let Some(breakdown) = &mut metric.breakdown {
                    values -= breakdown.thin(values);
                }
                let is_empty = |all: &mut BreakdownDocument| all.values.is_empty();
                metric.breakdown.take_if(is_empty);
                chosen.contains(&idx).then_some(metric)
            });
        self.metrics = Some(thinned.collect());
        self.metrics_left_out = (total > chosen.len()).then(|| total - chosen.len());
    }
}

/// The indices of at most `limit` findings: gates and worse labels first, earlier ones among
/// equals.
fn worst(findings: &[Finding], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|idx| {
        findings
            .get(*idx)
            .map(|finding| (!finding.role.is_gate(), finding.label))
    });
    order.truncate(limit);
    order
}

/// A judgement on its own: the answer of the one-shot judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JudgeDocument {
    /// `haldane.judgement/1`
    pub schema: String,
    /// `promote`, `rollback` or `inconclusive`.
    pub verdict: String,
    /// 0 (every counted metric failed) to 100; null without data.
    pub score: Option<u8>,
    /// The sentence that explains it.
    pub reason: String,
    /// The row of the verdict table that gave the verdict.
    pub row: u8,
    /// What held a promote back, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// `pass`, `marginal`, `fail` or `no_data`.
    pub outcome: String,
    /// What to do with an inconclusive verdict: `hold` or `rollback`.
    pub on_inconclusive: String,
    /// Why it is inconclusive, when the template says what to do by reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive_because: Option<String>,
    /// The service.
    pub service: String,
    /// The deploy as it was described.
    pub deploy: DeployDocument,
    /// The template that was followed.
    pub template: TemplateDocument,
    /// SHA-256 of the plan.
    pub plan_digest: String,
    /// The first instant of the data.
    pub started_at: String,
    /// The last instant whose samples were judged.
    pub covered_to: String,
    /// The baseline of another time, when the template compares with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparisonDocument>,
    /// The baseline's matchers.
    pub baseline: String,
    /// The canary's matchers.
    pub canary: String,
    /// One entry per metric.
    pub metrics: Vec<MetricDocument>,
    /// One entry per objective.
    pub objectives: Vec<ObjectiveDocument>,
    /// Observed against declared traffic.
    pub traffic: Option<TrafficDocument>,
    /// Warnings of the source that block a promote.
    pub suspect: Vec<String>,
}

impl JudgeDocument {
    /// A judgement with the verdict it leads to: `verdict` is its word, `row` the row of the
    /// verdict table, `sentence` the explanation.
    pub fn new(plan: &Plan, judgement: &Judgement, verdict: &str, row: u8, sentence: &str) -> Self {
        let evidence = EvidenceParts::new(plan, judgement);
        Self {
            schema: JUDGEMENT_SCHEMA.to_owned(),
            verdict: verdict.to_owned(),
            score: judgement.score.map(Score::get),
            reason: sentence.to_owned(),
            row,
            hold: None,
            outcome: evidence.outcome,
            on_inconclusive: plan.on_inconclusive.word().to_owned(),
            inconclusive_because: None,
            service: plan.rollout.deploy.service.clone(),
            deploy: DeployDocument::from(&plan.rollout.deploy),
            template: TemplateDocument::from(plan),
            plan_digest: plan.digest.to_string(),
            started_at: plan.timing.start.to_string(),
            covered_to: judgement.covered_to.to_string(),
            comparison: ComparisonDocument::of(plan),
            baseline: plan.rollout.baseline.to_string(),
            canary: plan.rollout.canary.to_string(),
            metrics: evidence.metrics,
            objectives: evidence.objectives,
            traffic: evidence.traffic,
            suspect: judgement.suspect.clone(),
        }
    }

    /// The same with what held a promote back, and what an inconclusive verdict means then.
    #[must_use]
    pub fn held(self, plan: &Plan, judgement: &Judgement, hold: Option<&Hold>) -> Self {
        let inconclusive = self.verdict == Verdict::Inconclusive.word();
        let because = inconclusive.then(|| because(self.row, hold, Some(judgement)));
        let because = because.flatten();
        Self {
            hold: hold.map(|hold| hold.word().to_owned()),
            on_inconclusive: told(plan, because).word().to_owned(),
            inconclusive_because: shown(plan, because),
            ..self
        }
    }
}

/// The reason, where the template distinguishes reasons.
fn shown(plan: &Plan, because: Option<Reason>) -> Option<String> {
    let reason = because.filter(|_| !plan.exceptions.is_empty())?;
    Some(reason.word().to_owned())
}

/// What both documents show of a judgement.
struct EvidenceParts {
    outcome: String,
    metrics: Vec<MetricDocument>,
    objectives: Vec<ObjectiveDocument>,
    traffic: Option<TrafficDocument>,
}

impl EvidenceParts {
    fn new(plan: &Plan, judgement: &Judgement) -> Self {
        let metric = |finding| MetricDocument::new(plan, finding);
        Self {
            outcome: judgement.outcome.word().to_owned(),
            metrics: judgement.findings.iter().map(metric).collect(),
            objectives: judgement.objectives.iter().map(Into::into).collect(),
            traffic: judgement.traffic.map(Into::into),
        }
    }
}
