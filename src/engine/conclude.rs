//! The conclusion that the evidence of one analysis leads to: live, and when it is judged again.

use crate::engine::record::Conclusion;
use crate::engine::verdict::{Situation, Source, decide};
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
    let decision = decide(&Situation::of(plan, judgement, source));
    let verdict = decision.verdict?;
    // A source that is lost ends an analysis before its time is up.
    let stand = match (decision.row, decision.stand()) {
        (6, Stand::Inconclusive) => Stand::Pending,
        (_, stand) => stand,
    };
    let mut text = sentence(plan, judgement, stand);
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
