//! Whether an analysis goes on beyond its deadline, once: read off the judgement at the deadline,
//! so that it is the same live, after a restart and in replay.
//!
//! The error of every look is planned for the longer time from the start, whether it is used or
//! not: what is shown at any look stays as sound as without an extension.

use crate::judge::judgement::{Judgement, Label, Outcome};
use crate::judge::score;
use crate::plan::Plan;
use crate::template::Method;
use crate::time::{Span, Timestamp};

/// Whether this judgement, of the look at the deadline, asks for more time: nothing is shown
/// harmful, and a gate has data that show neither.
pub fn asks_for_more(plan: &Plan, seen: &Judgement) -> bool {
    let gates = || seen.findings.iter().filter(|f| f.role.is_gate());
    let burning = seen
        .objectives
        .iter()
        .any(|o| o.rungs.iter().any(|rung| rung.proven));
    let undecided = match plan.judge.method {
        Method::Sequential | Method::MannWhitney => {
            gates().any(|f| f.label == Label::Undecided) && gates().all(|f| f.label != Label::Worse)
        }
        // Its score decides, and it lies between the thresholds.
        Method::Kayenta(_) => seen.outcome == Outcome::Marginal,
    };
    undecided && !burning && !seen.objectives.iter().any(score::aborts)
}

/// Whether the look at which this judgement was made is the last of its analysis.
pub fn is_last(plan: &Plan, seen: &Judgement) -> bool {
    let timing = &plan.timing;
    seen.look >= timing.looks_planned()
        || (seen.look == timing.looks_regular() && !asks_for_more(plan, seen))
}

/// By how much the analysis has been extended; `None` when it has not.
pub fn extended_by(plan: &Plan, judgement: Option<&Judgement>) -> Option<Span> {
    let timing = &plan.timing;
    let seen = judgement.filter(|_| timing.extension > Span::ZERO)?;
    let regular = timing.looks_regular();
    let extended = seen.look > regular || (seen.look == regular && asks_for_more(plan, seen));
    extended.then_some(timing.extension)
}

/// Where an undecided analysis ends as things stand, and how many looks it has at most until then.
pub fn end(plan: &Plan, judgement: Option<&Judgement>) -> (Timestamp, u32) {
    let timing = &plan.timing;
    match extended_by(plan, judgement) {
        Some(_) => (timing.deadline, timing.looks_planned()),
        None => (timing.deadline_regular(), timing.looks_regular()),
    }
}
