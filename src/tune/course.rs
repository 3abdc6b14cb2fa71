//! What a plan says of one pair, look after look: the same judge, the same looks and the same
//! verdict table as live.

use crate::engine::effect::first_from;
use crate::engine::guard::guarded;
use crate::engine::schedule;
use crate::engine::verdict::{Situation, Source, Verdict, decide};
use crate::judge::judge_again;
use crate::judge::judgement::{Judgement, Label};
use crate::judge::score;
use crate::judge::sequential::{Detail, Memory, Tables};
use crate::judge::windows::{Batch, Windows};
use crate::plan::{Plan, Slot};
use crate::replay::slices::Slices;
use crate::time::Span;

/// What came of one pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// The verdict; `None` when the samples end before one.
    pub verdict: Option<Verdict>,
    /// How much data there was when the verdict fell.
    pub took: Span,
    /// Per metric of the plan, how much data there was when it was first shown worse.
    pub worse: Vec<Option<Span>>,
    /// Per metric, the label of the last look.
    pub last: Vec<Option<Label>>,
    /// Objectives with a rung that rolled back.
    pub burnt: Vec<String>,
}

impl Ran {
    /// Whether it was rolled back.
    pub fn rolled_back(&self) -> bool {
        self.verdict == Some(Verdict::Rollback)
    }
}

/// Takes the looks of `plan` over `batch`, up to its verdict.
///
/// # Errors
/// What a failing judge said.
pub fn run(plan: &Plan, batch: Batch, tables: &Tables) -> Result<Ran, String> {
    guarded(|| walk(plan, batch, tables)).map_err(|why| format!("the judge failed: {why}"))
}

fn walk(plan: &Plan, batch: Batch, tables: &Tables) -> Ran {
    let covered = batch.to;
    let mut slices = Slices::of_batch(batch);
    let mut windows = Windows::new(plan);
    let mut memory = Memory::sharing(Detail::Decision, tables);
    let mut out = Ran {
        verdict: None,
        took: Span::ZERO,
        worse: vec![None; plan.metrics.len()],
        last: vec![None; plan.metrics.len()],
        burnt: Vec::new(),
    };
    let timing = &plan.timing;
    let mut read = false;
    for look in 1..=timing.looks_planned() {
        let to = timing.readable_to(schedule::due(timing, look));
        if to > covered {
            break;
        }
        if to > windows.covered_to {
            let from = if read {
                windows.covered_to
            } else {
                first_from(plan)
            };
            windows.absorb(plan, &slices.batch(from, to));
            read = true;
        }
        let judgement = judge_again(plan, &windows, look, &mut memory);
        let seen = judgement.covered_to.since(timing.start);
        note(&mut out, &judgement, seen);
        let decision = decide(&Situation::of(plan, Some(&judgement), Source::Answering));
        if decision.verdict.is_some() {
            out.verdict = decision.verdict;
            out.took = seen;
            break;
        }
    }
    out
}

fn note(out: &mut Ran, judgement: &Judgement, seen: Span) {
    let each = judgement.findings.iter().zip(&mut out.worse);
    for ((finding, worse), last) in each.zip(&mut out.last) {
        *last = Some(finding.label);
        if finding.label == Label::Worse && worse.is_none() {
            *worse = Some(seen);
        }
    }
    for objective in &judgement.objectives {
        let name = objective.objective.as_str();
        if score::aborts(objective) && !out.burnt.iter().any(|known| known == name) {
            out.burnt.push(name.to_owned());
        }
    }
}

/// One metric of a plan by itself, at its own share of the error: nothing is promoted before the
/// deadline, so that what it would have shown later is seen.
pub fn alone(plan: &Plan, metric_idx: usize) -> Option<Plan> {
    let metric = plan.metrics.get(metric_idx)?.clone();
    let mut out = plan.clone();
    out.metrics = vec![metric];
    out.objectives.clear();
    out.traffic = None;
    out.timing.bake_until = plan.timing.deadline.align_down(plan.timing.step);
    Some(out)
}

/// The samples of one metric of a plan, for [`alone`].
pub fn of_metric(batch: &Batch, metric_idx: usize) -> Batch {
    let mine = batch
        .answers
        .iter()
        .filter(|(slot, _)| slot.metric_idx == metric_idx);
    let moved = mine.map(|(slot, answer)| {
        let slot = Slot {
            metric_idx: 0,
            ..*slot
        };
        (slot, answer.clone())
    });
    Batch {
        from: batch.from,
        to: batch.to,
        answers: moved.collect(),
    }
}
