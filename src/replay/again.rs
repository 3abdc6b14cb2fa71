//! The same again: the samples of each look, judged as they were, decided as they were.

use crate::engine::guard::guarded;
use crate::engine::verdict::{Hold, Source, Verdict};
use crate::judge::sequential::Tables;
use crate::plan::Plan;
use crate::replay::course::{Course, Depth, Replayed};
use crate::time::Timestamp;
use crate::wire::recording::{Kept, Recording};
use std::sync::Arc;

/// Computes the verdict again from what was recorded up to `as_of`, under the recording's own
/// plan. The looks are those that were taken, at the instants they were taken.
///
/// # Errors
/// What a failing judge said.
pub fn again(
    recording: &Recording,
    plan: &Arc<Plan>,
    as_of: Option<Timestamp>,
    depth: Depth,
    tables: &Tables,
) -> Result<Replayed, String> {
    guarded(|| walk(recording, plan, as_of, depth, tables))
        .map_err(|why| format!("the judge failed: {why}"))
}

fn walk(
    recording: &Recording,
    plan: &Arc<Plan>,
    as_of: Option<Timestamp>,
    depth: Depth,
    tables: &Tables,
) -> Replayed {
    let mut course = Course::new(recording, plan, depth, tables);
    let until = |(at, _): &&(Timestamp, Kept)| as_of.is_none_or(|as_of| *at <= as_of);
    let kept = || recording.kept.iter().take_while(until);
    let last_look = kept().filter_map(judged).max();
    // Failures of the source since the newest judgement end an analysis in another way.
    let mut failing = false;
    let mut facts = kept().peekable();
    while let Some((at, fact)) = facts.next() {
        match fact {
            Kept::Captured { batch, .. } => {
                course.absorb(batch);
                failing = false;
            }
            Kept::SourceFailed { message, .. } => {
                course.standing.source_fault = Some(message.clone());
                failing = true;
            }
            Kept::Judged(look) => {
                failing = false;
                // What held it at this look was written down right after it.
                if let Some((_, Kept::Held(held))) = facts.peek() {
                    course.standing.held.clone_from(held);
                }
                // The record of a conclusion may have been written after a restart.
                let at = recording
                    .conclusion()
                    .filter(|conclusion| conclusion.look == look.look)
                    .map_or(*at, |conclusion| conclusion.at);
                let last = Some(look.look) == last_look;
                if course.look(look.look, at, last) {
                    break;
                }
            }
            Kept::Held(held) => {
                course.standing.held.clone_from(held);
                // A promote that others let go of is decided between two looks.
                let next = facts.peek().map(|(_, next)| next);
                if let Some(Kept::Concluded(conclusion)) = next
                    && conclusion.verdict == Verdict::Promote
                    && course.conclude(Source::Answering, conclusion.at)
                {
                    break;
                }
            }
            Kept::Concluded(conclusion) => {
                let superseded = conclusion.hold == Some(Hold::Superseded);
                if conclusion.author.is_some() || superseded {
                    // What a person or a newer deploy decided is no computation.
                    course.concluded(conclusion.clone());
                } else if failing {
                    course.conclude(Source::Lost, *at);
                }
                break;
            }
        }
    }
    course.end(Vec::new())
}

fn judged((_, fact): &(Timestamp, Kept)) -> Option<u32> {
    match fact {
        Kept::Judged(look) => Some(look.look),
        _ => None,
    }
}
