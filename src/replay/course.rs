//! Look after look: samples in, judged, decided by the verdict table, as the engine does live.

use crate::digest::Digest;
use crate::engine::conclude::situation;
use crate::engine::record::Conclusion;
use crate::engine::verdict::{Source, Verdict, decide};
use crate::ids::MetricName;
use crate::judge::judgement::{Judgement, Label, Outcome};
use crate::judge::sequential::{Detail, Memory, Tables};
use crate::judge::windows::{Batch, Windows};
use crate::judge::{judge, judge_again};
use crate::plan::Plan;
use crate::time::Timestamp;
use crate::wire::record::judgement_digest;
use crate::wire::recording::{Recording, Standing};
use std::sync::Arc;

/// How much of each look is worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every number of every look: a look can then be compared bit for bit.
    Looks,
    /// Every number of the look that decides; of those before only what they decide, which is the
    /// same and costs a tenth.
    Verdict,
}

/// What one metric says at one look.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSaid {
    /// Which metric.
    pub metric: MetricName,
    /// Its label.
    pub label: Label,
    /// Whether it can decide.
    pub gate: bool,
    /// How likely this much evidence of harm is in a harmless canary, where it was tested.
    pub p_harm: Option<f64>,
    /// How likely this much evidence of safety is in a harmful one.
    pub p_safe: Option<f64>,
}

/// What one look says.
#[derive(Clone, Debug, PartialEq)]
pub struct LookSaid {
    /// Its number.
    pub look: u32,
    /// When it was taken.
    pub at: Timestamp,
    /// The last instant that was read.
    pub covered_to: Timestamp,
    /// The verdict; `None` is pending.
    pub verdict: Option<Verdict>,
    /// The outcome.
    pub outcome: Outcome,
    /// The score.
    pub score: Option<u8>,
    /// The metrics, in the plan's order.
    pub metrics: Vec<MetricSaid>,
    /// The digest of the whole judgement, where all of it was worked out.
    pub digest: Option<Digest>,
}

impl LookSaid {
    /// `pending`, or the verdict.
    pub fn word(&self) -> &'static str {
        self.verdict.map_or("pending", Verdict::word)
    }
}

/// A verdict computed again.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// How the analysis stands at the end, with its verdict once it has one.
    pub standing: Standing,
    /// The looks that were taken.
    pub looks: Vec<LookSaid>,
    /// The last instant that was read.
    pub covered_to: Timestamp,
    /// What a reader must know: queries that are not in the recording, a recording that ends early.
    pub notes: Vec<String>,
    /// What a report is made from; only where all of every look was worked out.
    pub whole: Option<Whole>,
}

/// Every look with everything it was made from.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The samples of both arms.
    pub windows: Windows,
    /// What was said, and when the look was taken.
    pub judgements: Vec<(Timestamp, Arc<Judgement>)>,
}

impl Replayed {
    /// `pending`, or the verdict.
    pub fn word(&self) -> &'static str {
        let conclusion = self.standing.conclusion.as_ref();
        conclusion.map_or("pending", |conclusion| conclusion.verdict.word())
    }
}

/// An analysis under way.
pub(super) struct Course {
    pub(super) standing: Standing,
    pub(super) windows: Windows,
    pub(super) looks: Vec<LookSaid>,
    judgements: Vec<(Timestamp, Arc<Judgement>)>,
    depth: Depth,
    memory: Memory,
}

impl Course {
    pub(super) fn new(
        recording: &Recording,
        plan: &Arc<Plan>,
        depth: Depth,
        tables: &Tables,
    ) -> Self {
        let standing = Standing {
            analysis: recording.analysis.clone(),
            plan: Arc::clone(plan),
            submitted_at: recording.submitted_at,
            judgement: None,
            source_fault: None,
            conclusion: None,
            held: None,
        };
        Self::standing(standing, depth, tables)
    }

    pub(super) fn standing(standing: Standing, depth: Depth, tables: &Tables) -> Self {
        let detail = match depth {
            Depth::Looks => Detail::Full,
            Depth::Verdict => Detail::Decision,
        };
        Self {
            windows: Windows::new(&standing.plan),
            looks: Vec::new(),
            judgements: Vec::new(),
            depth,
            memory: Memory::sharing(detail, tables),
            standing,
        }
    }

    pub(super) fn absorb(&mut self, batch: &Batch) {
        self.windows.absorb(&self.standing.plan, batch);
        self.standing.source_fault = None;
    }

    /// Judges look `number`, taken at `at`; `last` when no other can follow. The analysis has
    /// concluded when it returns true.
    pub(super) fn look(&mut self, number: u32, at: Timestamp, last: bool) -> bool {
        let plan = Arc::clone(&self.standing.plan);
        let mut judgement = judge_again(&plan, &self.windows, number, &mut self.memory);
        let seen = situation(&plan, Some(&judgement), (Source::Answering, None), at);
        let decision = decide(&seen);
        let brief = self.depth == Depth::Verdict;
        let whole = !brief || last || decision.verdict.is_some();
        if brief && whole {
            judgement = judge(&plan, &self.windows, number);
        }
        let digest = whole.then(|| judgement_digest(&judgement));
        let said = LookSaid {
            look: number,
            at,
            covered_to: judgement.covered_to,
            verdict: decision.verdict,
            outcome: judgement.outcome,
            score: judgement.score.map(crate::units::Score::get),
            metrics: metrics(&judgement),
            digest,
        };
        self.looks.push(said);
        let judgement = Arc::new(judgement);
        if !brief {
            self.judgements.push((at, Arc::clone(&judgement)));
        }
        self.standing.judgement = Some(judgement);
        self.conclude(Source::Answering, at)
    }

    /// Concludes when the verdict table has a verdict.
    pub(super) fn conclude(&mut self, source: Source, at: Timestamp) -> bool {
        let conclusion = self.standing.concluded_by_table(source, at);
        let concluded = conclusion.is_some();
        self.standing.conclusion = conclusion;
        concluded
    }

    /// The conclusion as it is recorded.
    pub(super) fn concluded(&mut self, conclusion: Conclusion) {
        self.standing.conclusion = Some(conclusion);
    }

    pub(super) fn end(self, notes: Vec<String>) -> Replayed {
        Replayed {
            covered_to: self.windows.covered_to,
            whole: (self.depth == Depth::Looks).then_some(Whole {
                windows: self.windows,
                judgements: self.judgements,
            }),
            standing: self.standing,
            looks: self.looks,
            notes,
        }
    }
}

fn metrics(judgement: &Judgement) -> Vec<MetricSaid> {
    let findings = judgement.findings.iter();
    findings
        .map(|finding| MetricSaid {
            metric: finding.metric.clone(),
            label: finding.label,
            gate: finding.role.is_gate(),
            p_harm: finding.evidence.map(|evidence| evidence.p_harm),
            p_safe: finding.evidence.map(|evidence| evidence.p_safe),
        })
        .collect()
}
