//! The conclusion that the evidence of one analysis leads to: live, and when it is judged again.

use crate::engine::coordination::hold::Held;
use crate::engine::record::Conclusion;
use crate::engine::verdict::{Decision, Situation, Source, decide};
use crate::judge::explain::{Stand, sentence};
use crate::judge::judgement::Judgement;
use crate::plan::Plan;
use crate::time::Timestamp;

/// How the message of a look that could not be judged begins. Such a failure is recorded like one
/// of the source, so that recordings keep their form; no message of a source begins like this.
pub const JUDGE_FAILED: &str = "the judge failed";

/// What the verdict table makes of the newest judgement, if it has a verdict now. `fault` is the
/// last failure of the source, while it lasts.
pub fn by_table(
    (plan, judgement): (&Plan, Option<&Judgement>),
    source: Source,
    fault: Option<&str>,
    at: Timestamp,
) -> Option<Conclusion> {
    by_table_held((plan, judgement), (source, None), fault, at)
}

/// The same with what holds a promote back from outside the evidence.
pub fn by_table_held(
    (plan, judgement): (&Plan, Option<&Judgement>),
    (source, held): (Source, Option<&Held>),
    fault: Option<&str>,
    at: Timestamp,
) -> Option<Conclusion> {
    let situation = situation(plan, judgement, (source, held), at);
    let decision = decide(&situation);
    let verdict = decision.verdict?;
    // A source that is lost ends an analysis before its time is up.
    let stand = match (decision.row, decision.stand()) {
        (6, Stand::Inconclusive) => Stand::Pending,
        (_, stand) => stand,
    };
    let mut text = match outside(&decision, held) {
        Some(held) => said_held((plan, judgement), &situation, held),
        None => sentence(plan, judgement, stand),
    };
    if let (Source::Lost, Some(fault)) = (source, fault) {
        let judge = fault.starts_with(JUDGE_FAILED);
        text = match judgement {
            Some(_) if judge => format!("{text}; then {fault}"),
            None if judge => format!("no look was ever judged, {fault}"),
            Some(_) => format!("{text}; then the source failed: {fault}"),
            None => format!("no sample was ever read, the source failed: {fault}"),
        };
    }
    Some(Conclusion {
        verdict,
        row: decision.row,
        sentence: text,
        hold: decision.hold,
        author: None,
        look: judgement.map_or(0, |judgement| judgement.look),
        at,
    })
}

/// What the table reads at `at`, with what holds a promote back from outside. What was shown before
/// a step of traffic that was announced by then says nothing of that step (A5).
pub fn situation(
    plan: &Plan,
    judgement: Option<&Judgement>,
    (source, held): (Source, Option<&Held>),
    at: Timestamp,
) -> Situation {
    let seen = Situation::of(plan, judgement, source);
    Situation {
        outside: held.map(|held| held.by),
        all_within: seen.all_within && !step_unseen(plan, judgement, at),
        ..seen
    }
}

/// Whether a step of traffic was announced by `at` of which the newest judgement has read nothing.
pub fn step_unseen(plan: &Plan, judgement: Option<&Judgement>, at: Timestamp) -> bool {
    let read_to = judgement.map_or(Timestamp::MIN, |judgement| judgement.covered_to);
    let steps = plan.further_steps();
    steps.iter().any(|step| step.at <= at && step.at >= read_to)
}

/// The hold from outside, when it is the one that is named.
pub fn outside<'a>(decision: &Decision, held: Option<&'a Held>) -> Option<&'a Held> {
    let named = decision.hold.as_ref();
    held.filter(|held| named == Some(&held.by.hold()))
}

/// The sentence of an analysis that is held from outside: why, and what its own evidence shows.
pub fn said_held(
    (plan, judgement): (&Plan, Option<&Judgement>),
    situation: &Situation,
    held: &Held,
) -> String {
    let stand = match (situation.shown_healthy(), situation.deadline) {
        (true, _) => Stand::Promote,
        (false, true) => Stand::Inconclusive,
        (false, false) => Stand::Pending,
    };
    let evidence = sentence(plan, judgement, stand);
    format!("{}; {evidence}", held.why)
}
