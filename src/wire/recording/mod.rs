//! A recording: everything one verdict was made from, so that it can be computed again anywhere.
//!
//! | part | where in the file |
//! |---|---|
//! | template text, rollout, queries, looks, faults, conclusion | the header, JSON (`header.rs`) |
//! | samples | one row each ([`Columns`]), in the order of the header (`columns.rs`) |
//! | the verdict as its readers saw it | JSON beside the header |
//!
//! This module turns a decision log into a recording and a recording into header and columns, and
//! back. The bytes of the file are the business of [`crate::recording`]; `docs/recording-format.md`
//! is the description for others. The shapes here are frozen as [`HEADER_FORMAT`].

mod columns;
mod header;

pub use columns::Columns;
pub use header::{HEADER_FORMAT, decode, encode};

use crate::digest::Digest;
use crate::engine::after::After;
use crate::engine::conclude;
use crate::engine::coordination::Coordination;
use crate::engine::coordination::hold::Held;
use crate::engine::record::{Conclusion, Fact, Record, Seq};
use crate::engine::verdict::{Source, decide};
use crate::engine::view::{Status, View};
use crate::ids::{AnalysisId, MetricName};
use crate::judge::explain::{Stand, sentence};
use crate::judge::judgement::{Judgement, Outcome};
use crate::judge::windows::Batch;
use crate::plan::rollout::Rollout;
use crate::plan::{Plan, Slot};
use crate::time::{Step, Timestamp};
use crate::units::Score;
use crate::wire::record::judgement_digest;
use crate::wire::verdict::VerdictDocument;
use std::sync::Arc;

/// Who made a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// The daemon, from its decision log: samples as they were readable at each look.
    Daemon,
    /// `haldane record`, from a source long after: samples as the source holds them now.
    Afterwards,
}

/// One look as it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookKept {
    /// Its number, from 1.
    pub look: u32,
    /// The last instant that was read.
    pub covered_to: Timestamp,
    /// The outcome.
    pub outcome: Outcome,
    /// The score.
    pub score: Option<Score>,
    /// The digest of the whole judgement, every bit of its evidence ([`judgement_digest`]).
    pub digest: Digest,
}

impl LookKept {
    /// What is kept of a judgement.
    pub fn of(judgement: &Judgement) -> Self {
        Self {
            look: judgement.look,
            covered_to: judgement.covered_to,
            outcome: judgement.outcome,
            score: judgement.score,
            digest: judgement_digest(judgement),
        }
    }
}

/// One thing that happened, of those a verdict depends on.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// Samples were read.
    Captured {
        /// For which look.
        look: u32,
        /// The answers.
        batch: Arc<Batch>,
    },
    /// Samples could not be read, or not be judged.
    SourceFailed {
        /// For which look.
        look: u32,
        /// Why.
        message: String,
    },
    /// A look was judged.
    Judged(LookKept),
    /// What held a promote back from outside has changed.
    Held(Option<Held>),
    /// The verdict.
    Concluded(Conclusion),
}

/// A query that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where its answer belongs.
    pub slot: Slot,
    /// The metric's name.
    pub metric: MetricName,
    /// The query, concrete.
    pub query: String,
}

impl Asked {
    /// The queries of a plan, in slot order.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let with_name = |(slot, query): (Slot, String)| {
            let metric = plan.metrics.get(slot.metric_idx)?;
            Some(Self {
                slot,
                metric: metric.name.clone(),
                query,
            })
        };
        plan.queries_shown()
            .into_iter()
            .filter_map(with_name)
            .collect()
    }
}

/// Everything one verdict was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The version of the program that wrote it.
    pub written_by: String,
    /// The semantics its looks were judged under (A12).
    pub semantics: u32,
    /// Who made it.
    pub maker: Maker,
    /// Which analysis.
    pub analysis: AnalysisId,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// The template's text.
    pub template_text: Arc<str>,
    /// The rollout; with the template it gives the plan.
    pub rollout: Rollout,
    /// The digest of that plan.
    pub plan_digest: Digest,
    /// The distance between grid points.
    pub step: Step,
    /// The queries of the plan, in slot order.
    pub queries: Vec<Asked>,
    /// What happened, in order.
    pub kept: Vec<(Timestamp, Kept)>,
    /// The verdict as its readers saw it: a [`VerdictDocument`] as JSON.
    pub verdict: String,
}

/// Who made a recording, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made<'a> {
    /// Who.
    pub maker: Maker,
    /// The version of the program.
    pub version: &'a str,
    /// The semantics the records were written under; the lowest where there were several.
    pub semantics: u32,
}

impl Recording {
    /// The recording of one analysis from all its records, in order. Receivers, their secrets and
    /// the fate of messages stay behind. `bind` gives the plan of a template's text and a rollout.
    ///
    /// # Errors
    /// Why there is nothing to record, or the plan cannot be had.
    pub fn of_records(
        records: &[(Seq, Record)],
        made: Made<'_>,
        bind: impl FnOnce(&str, &Rollout) -> Result<Arc<Plan>, String>,
    ) -> Result<Self, String> {
        let Some((_, first)) = records.first() else {
            return Err("there are no records".to_owned());
        };
        let Fact::Submitted {
            template_text,
            rollout,
            plan_digest,
            ..
        } = &first.fact
        else {
            return Err("its first record is not its submission".to_owned());
        };
        let mut plan = bind(template_text, rollout)?;
        if plan.digest != *plan_digest {
            return Err(other_plan(&plan, *plan_digest));
        }
        // A queued analysis began later; it is recorded as one that was submitted then.
        for (_, record) in records {
            match &record.fact {
                Fact::Begun { at } => plan = Arc::new(plan.starting(*at)),
                Fact::Stepped { step } => plan = Arc::new(plan.stepping(*step)),
                _ => {}
            }
        }
        let kept = records
            .iter()
            .filter_map(|(_, record)| Some((record.at, kept(&record.fact)?)))
            .collect();
        let standing = Standing::of_records(&plan, first, records);
        Ok(Self {
            written_by: made.version.to_owned(),
            semantics: made.semantics,
            maker: made.maker,
            analysis: first.id.clone(),
            submitted_at: first.at,
            template_text: Arc::clone(template_text),
            rollout: plan.rollout.clone(),
            plan_digest: plan.digest,
            step: plan.timing.step,
            queries: Asked::all(&plan),
            kept,
            verdict: standing.text(),
        })
    }

    /// The last instant that was read; the start when nothing was.
    pub fn covered_to(&self) -> Timestamp {
        let ends = self.batches().map(|batch| batch.to);
        ends.max().unwrap_or(self.rollout.start)
    }

    /// The answers, in order.
    pub fn batches(&self) -> impl Iterator<Item = &Arc<Batch>> {
        self.kept.iter().filter_map(|(_, kept)| match kept {
            Kept::Captured { batch, .. } => Some(batch),
            _ => None,
        })
    }

    /// The conclusion; `None` while it was under way.
    pub fn conclusion(&self) -> Option<&Conclusion> {
        self.kept.iter().find_map(|(_, kept)| match kept {
            Kept::Concluded(conclusion) => Some(conclusion),
            _ => None,
        })
    }
}

/// A template and a rollout that no longer give the plan they gave.
pub fn other_plan(plan: &Plan, recorded: Digest) -> String {
    format!(
        "its template and rollout give plan {} now and gave plan {} when it was recorded; read it \
         with the version that wrote it",
        plan.digest.short(),
        recorded.short()
    )
}

fn kept(fact: &Fact) -> Option<Kept> {
    match fact {
        Fact::Captured { look, batch } => Some(Kept::Captured {
            look: *look,
            batch: Arc::clone(batch),
        }),
        Fact::SourceFailed { look, message } => Some(Kept::SourceFailed {
            look: *look,
            message: message.clone(),
        }),
        Fact::Judged { judgement } => Some(Kept::Judged(LookKept::of(judgement))),
        Fact::Concluded { conclusion } => Some(Kept::Concluded(conclusion.clone())),
        Fact::Held { held } => Some(Kept::Held(held.clone())),
        Fact::Submitted { .. }
        | Fact::Queued { .. }
        | Fact::Begun { .. }
        | Fact::Stepped { .. }
        | Fact::Frozen { .. }
        | Fact::Lifted { .. }
        | Fact::Announced { .. }
        | Fact::Ignored { .. }
        | Fact::Attempted { .. }
        | Fact::Settled { .. }
        | Fact::Redelivered { .. }
        | Fact::Acknowledged { .. }
        | Fact::Watched { .. }
        | Fact::SeenThrough { .. } => None,
    }
}

/// How an analysis stands, without who was told of it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Which.
    pub analysis: AnalysisId,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// The newest judgement.
    pub judgement: Option<Arc<Judgement>>,
    /// The last failure of the source, while it lasts.
    pub source_fault: Option<String>,
    /// The conclusion.
    pub conclusion: Option<Conclusion>,
    /// What holds its promote back from outside.
    pub held: Option<Held>,
}

impl Standing {
    fn of_records(plan: &Arc<Plan>, first: &Record, records: &[(Seq, Record)]) -> Self {
        let mut out = Self {
            analysis: first.id.clone(),
            plan: Arc::clone(plan),
            submitted_at: first.at,
            judgement: None,
            source_fault: None,
            conclusion: None,
            held: None,
        };
        for (_, record) in records {
            match &record.fact {
                Fact::Captured { .. } if out.conclusion.is_none() => out.source_fault = None,
                Fact::SourceFailed { message, .. } => out.source_fault = Some(message.clone()),
                Fact::Judged { judgement } => out.judgement = Some(Arc::clone(judgement)),
                Fact::Concluded { conclusion } => out.conclusion = Some(conclusion.clone()),
                Fact::Held { held } => out.held.clone_from(held),
                _ => {}
            }
        }
        out
    }

    /// What readers see of it: the full document, without deliveries.
    pub fn document(&self) -> VerdictDocument {
        let (judgement, plan) = (self.judgement.as_deref(), &self.plan);
        let (text, hold) = if let Some(conclusion) = &self.conclusion {
            (conclusion.sentence.clone(), conclusion.hold.clone())
        } else {
            let held = self.held.as_ref();
            let so = (Source::Answering, held);
            let situation = conclude::situation(plan, judgement, so, Timestamp::MAX);
            let decision = decide(&situation);
            let text = match (decision.verdict, conclude::outside(&decision, held)) {
                (Some(_), _) => sentence(plan, judgement, Stand::Pending),
                (None, Some(held)) => conclude::said_held((plan, judgement), &situation, held),
                (None, None) => sentence(plan, judgement, decision.stand()),
            };
            (text, decision.hold)
        };
        let looks = judgement.map_or(0, |judgement| judgement.look);
        let view = View {
            id: self.analysis.clone(),
            plan: Arc::clone(plan),
            status: match (&self.conclusion, looks) {
                (Some(_), _) => Status::Concluded,
                (None, 0) => Status::Waiting,
                (None, _) => Status::Looking,
            },
            submitted_at: self.submitted_at,
            looks,
            // A recording looks back: nothing is due any more.
            next_look_at: None,
            judgement: self.judgement.clone(),
            sentence: text,
            hold,
            conclusion: self.conclusion.clone(),
            source_fault: match &self.conclusion {
                Some(_) => None,
                None => self.source_fault.clone(),
            },
            deliveries: Vec::new(),
            coordination: Coordination::default(),
            behind: None,
            after: After::default(),
        };
        VerdictDocument {
            deliveries: None,
            ..VerdictDocument::from_view(&view, true)
        }
    }

    /// The document as text: what a recording holds, byte for byte.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(&self.document())
            .expect("A9: documents have text keys and numbers that JSON knows")
    }

    /// Concludes by the verdict table, if it has a verdict now; see [`conclude::by_table`].
    pub fn concluded_by_table(&self, source: Source, at: Timestamp) -> Option<Conclusion> {
        let evidence = (&*self.plan, self.judgement.as_deref());
        let so = (source, self.held.as_ref());
        conclude::by_table_held(evidence, so, self.source_fault.as_deref(), at)
    }
}
