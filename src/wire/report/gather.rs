//! From judgements and samples to a [`ReportDocument`].

use super::{
    AftermathDocument, CommandDocument, EventDocument, GlanceDocument, LookDocument,
    LookMetricDocument, LookObjectiveDocument, REPORT_SCHEMA, ReportDocument, SeriesDocument,
    settings, trace,
};
use crate::engine::record::{Fact, Record, Seq};
use crate::engine::verdict::Verdict;
use crate::engine::view::View;
use crate::judge::judgement::{Finding, Judgement, ObjectiveFinding};
use crate::judge::windows::{Batch, Windows};
use crate::judge::{SEMANTICS, explain, extension};
use crate::plan::Plan;
use crate::time::Timestamp;
use crate::units::Score;
use crate::wire::number::public;
use crate::wire::recording::Standing;
use crate::wire::verdict::{DeployDocument, JudgeDocument, TemplateDocument, VerdictDocument};
use std::sync::Arc;

impl ReportDocument {
    /// The report of an analysis, from its published state and its records.
    pub fn of_analysis(view: &View, records: &[(Seq, Record)]) -> Self {
        let plan = &view.plan;
        let verdict = VerdictDocument::from_view(view, true);
        let mut windows = Windows::new(plan);
        let mut out = Self::blank(plan, view.judgement.as_deref());
        let mut glances = Vec::new();
        for (_, record) in records {
            match &record.fact {
                Fact::Submitted { template_text, .. } => {
                    out.template_text = Some(template_text.to_string());
                }
                Fact::Captured { batch, .. } => windows.absorb(plan, batch),
                Fact::Judged { judgement } => out.looks.push(look(judgement, Some(record.at))),
                Fact::SourceFailed { look, message } => out.events.push(event(
                    record.at,
                    "source_failed",
                    format!("look {look}: {message}"),
                )),
                Fact::Ignored { what } => {
                    out.events.push(event(record.at, "ignored", what.clone()));
                }
                Fact::Queued { .. }
                | Fact::Begun { .. }
                | Fact::Stepped { .. }
                | Fact::Held { .. }
                | Fact::Frozen { .. }
                | Fact::Lifted { .. } => out.events.extend(together(record)),
                Fact::Redelivered { delivery, author } => out.events.push(event(
                    record.at,
                    "redelivered",
                    format!("{delivery}, by {author}"),
                )),
                Fact::Watched { glance } => glances.push(GlanceDocument::from(glance)),
                // Who took note and how it ended stand in what followed the verdict.
                Fact::SeenThrough { .. }
                | Fact::Acknowledged { .. }
                | Fact::Announced { .. }
                | Fact::Concluded { .. }
                | Fact::Attempted { .. }
                | Fact::Settled { .. } => {}
            }
        }
        out.series = series(plan, &windows);
        let mut again = settings::replayed(&verdict.id).to_vec();
        again.push(settings::asked_again(plan, view.judgement.as_deref()));
        Self {
            again,
            aftermath: aftermath(&verdict, glances),
            ..out.concluded(verdict)
        }
    }

    /// The report of an analysis that was computed again: how it stands, what each look said and
    /// when it was taken, the samples of all of them, and the commands that do the same.
    pub fn of_looks(
        standing: &Standing,
        template_text: Option<String>,
        judgements: &[(Timestamp, Arc<Judgement>)],
        windows: &Windows,
        again: Vec<CommandDocument>,
    ) -> Self {
        let plan = &standing.plan;
        let verdict = standing.document();
        let looks = judgements.iter().map(|(at, said)| look(said, Some(*at)));
        Self {
            template_text,
            looks: looks.collect(),
            series: series(plan, windows),
            again,
            ..Self::blank(plan, standing.judgement.as_deref()).concluded(verdict)
        }
    }

    /// The report of a judgement on its own. Without a command, the one that asks the source for
    /// the same window is shown.
    pub fn of_judgement(
        plan: &Plan,
        judgement: &Judgement,
        document: JudgeDocument,
        batch: &Batch,
        again: Option<CommandDocument>,
    ) -> Self {
        let mut windows = Windows::new(plan);
        windows.absorb(plan, batch);
        let again = again.unwrap_or_else(|| settings::asked_again(plan, Some(judgement)));
        Self {
            verdict: document.verdict,
            reason: document.reason,
            row: Some(document.row),
            hold: document.hold,
            looks_planned: 1,
            looks: vec![look(judgement, None)],
            metrics: document.metrics,
            series: series(plan, &windows),
            objectives: document.objectives,
            traffic: document.traffic,
            suspect: document.suspect,
            again: vec![again],
            ..Self::blank(plan, Some(judgement))
        }
    }

    /// With what a verdict says of itself.
    fn concluded(self, verdict: VerdictDocument) -> Self {
        Self {
            id: Some(verdict.id),
            verdict: verdict.verdict,
            reason: verdict.reason,
            row: verdict.row,
            hold: verdict.hold,
            author: verdict.author,
            source_fault: verdict.source_fault,
            decided_at: verdict.decided_at,
            metrics: verdict.metrics.unwrap_or_default(),
            objectives: verdict.objectives.unwrap_or_default(),
            traffic: verdict.traffic,
            steps: verdict.steps,
            planned_steps: verdict.planned_steps,
            suspect: verdict.suspect.unwrap_or_default(),
            deliveries: verdict.deliveries.unwrap_or_default(),
            ..self
        }
    }

    /// What follows from plan and judgement alone.
    fn blank(plan: &Plan, judgement: Option<&Judgement>) -> Self {
        let findings = judgement.map_or(&[][..], |judgement| &judgement.findings);
        Self {
            schema: REPORT_SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            semantics: SEMANTICS,
            id: None,
            verdict: String::new(),
            reason: String::new(),
            row: None,
            hold: None,
            score: judgement.and_then(|j| j.score).map(Score::get),
            outcome: judgement.map(|j| j.outcome.word().to_owned()),
            author: None,
            source_fault: None,
            service: plan.rollout.deploy.service.clone(),
            deploy: DeployDocument::from(&plan.rollout.deploy),
            template: TemplateDocument::from(plan),
            template_text: None,
            plan_digest: plan.digest.to_string(),
            baseline: plan.rollout.baseline.to_string(),
            canary: plan.rollout.canary.to_string(),
            settings: settings::of(plan),
            timing: settings::timing(plan, judgement),
            decided_at: None,
            looks_planned: extension::end(plan, judgement).1,
            looks: Vec::new(),
            events: Vec::new(),
            metrics: Vec::new(),
            sentences: findings.iter().map(explain::headline).collect(),
            series: Vec::new(),
            objectives: Vec::new(),
            traffic: None,
            steps: Vec::new(),
            planned_steps: Vec::new(),
            suspect: Vec::new(),
            deliveries: Vec::new(),
            aftermath: None,
            again: Vec::new(),
        }
    }
}

/// What followed a verdict; of a rollback also that nothing did. `None` before the verdict, and of
/// any other that nobody took note of.
fn aftermath(verdict: &VerdictDocument, glances: Vec<GlanceDocument>) -> Option<AftermathDocument> {
    let said = AftermathDocument {
        acknowledged_at: verdict.acknowledged_at.clone(),
        acknowledged_by: verdict.acknowledged_by.clone(),
        acknowledged_after_ms: verdict.acknowledged_after_ms,
        acknowledge_by: verdict.acknowledge_by.clone(),
        recovery: verdict.recovery.clone(),
        glances,
        last_good: verdict.last_good.clone(),
    };
    let rolled_back = verdict.verdict == Verdict::Rollback.word() && !verdict.shadow;
    (rolled_back || said != AftermathDocument::default()).then_some(said)
}

/// What a record says of how the analysis stands to others.
fn together(record: &Record) -> Option<EventDocument> {
    let (word, text) = match &record.fact {
        Fact::Queued { behind } => ("queued", format!("behind analysis {behind}")),
        Fact::Begun { .. } => ("begun", "its clock started".to_owned()),
        Fact::Stepped { step } => ("stepped", format!("traffic share {}", step.share.get())),
        Fact::Held { held: Some(held) } => ("held", held.why.clone()),
        Fact::Held { held: None } => ("let go", "nothing holds it any more".to_owned()),
        _ => return None,
    };
    Some(event(record.at, word, text))
}

fn series(plan: &Plan, windows: &Windows) -> Vec<SeriesDocument> {
    let metrics = plan.metrics.iter().enumerate();
    metrics
        .map(|(idx, metric)| trace::of(plan, windows, idx, metric))
        .collect()
}

fn event(at: Timestamp, what: &str, detail: String) -> EventDocument {
    EventDocument {
        at: at.to_string(),
        what: what.to_owned(),
        detail,
    }
}

fn look(judgement: &Judgement, at: Option<Timestamp>) -> LookDocument {
    let metric = |finding: &Finding| LookMetricDocument {
        name: finding.metric.to_string(),
        label: finding.label.word().to_owned(),
        effect: finding.effect.map(Into::into),
        evidence: finding.evidence.map(Into::into),
    };
    let objective = |finding: &ObjectiveFinding| LookObjectiveDocument {
        name: finding.objective.to_string(),
        canary_burn: finding.canary_burn.and_then(public),
        baseline_burn: finding.baseline_burn.and_then(public),
        burn_long: finding
            .rungs
            .iter()
            .map(|rung| rung.burn_long.and_then(public))
            .collect(),
        burn_short: finding
            .rungs
            .iter()
            .map(|rung| rung.burn_short.and_then(public))
            .collect(),
    };
    LookDocument {
        look: judgement.look,
        at: at.map(|at| at.to_string()),
        covered_to: judgement.covered_to.to_string(),
        outcome: judgement.outcome.word().to_owned(),
        score: judgement.score.map(Score::get),
        metrics: judgement.findings.iter().map(metric).collect(),
        objectives: judgement.objectives.iter().map(objective).collect(),
    }
}
