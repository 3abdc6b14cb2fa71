//! Another way: the recorded samples under another plan, looked at when that plan looks.

use crate::engine::effect::first_from;
use crate::engine::guard::guarded;
use crate::engine::schedule;
use crate::judge::sequential::Tables;
use crate::plan::Plan;
use crate::replay::course::{Course, Depth, Replayed};
use crate::replay::slices::Slices;
use crate::template::History;
use crate::time::Timestamp;
use crate::wire::recording::Recording;
use std::sync::Arc;

/// Judges a recording under `plan`, as far as its samples reach and up to `as_of`. A look reads
/// the samples up to its own instant, whenever they had arrived. Where the recording ends before
/// the plan decides the analysis stays pending, and a note says so.
///
/// # Errors
/// What a failing judge said.
pub fn anew(
    recording: &Recording,
    plan: &Arc<Plan>,
    as_of: Option<Timestamp>,
    depth: Depth,
    tables: &Tables,
) -> Result<Replayed, String> {
    guarded(|| {
        let (mut slices, mut notes) = Slices::of_recording(recording, plan);
        let first = recording.batches().map(|batch| batch.from).min();
        let short = |_: &History| first.is_none_or(|first| first > plan.history_from());
        if let Some(history) = plan.history.filter(short) {
            notes.push(format!(
                "the recording holds less history than the {} the template asks for",
                history.lookback
            ));
        }
        let mut course = Course::new(recording, plan, depth, tables);
        let limits = (recording.covered_to(), as_of);
        if let End::Short(look) = taken(&mut course, &mut slices, limits, &mut |_, _| {}) {
            notes.push(format!(
                "the recording ends at {}, before look {look} of {}",
                recording.covered_to(),
                plan.timing.looks_planned()
            ));
        }
        course.end(notes)
    })
    .map_err(|why| format!("the judge failed: {why}"))
}

/// Why no further look was taken.
pub(super) enum End {
    /// It has its verdict.
    Concluded,
    /// The samples end before this look.
    Short(u32),
    /// The next look is later than was asked for.
    AsOf,
}

/// What a look read, when it read anything, before it is judged.
pub(super) type OnRead<'a> = &'a mut dyn FnMut(u32, &crate::judge::windows::Batch);

/// Takes the looks of the course's plan, in the manner of the engine: each reads what it could
/// read when it was due.
pub(super) fn taken(
    course: &mut Course,
    slices: &mut Slices,
    (covered, as_of): (Timestamp, Option<Timestamp>),
    on_read: OnRead<'_>,
) -> End {
    let plan = Arc::clone(&course.standing.plan);
    let timing = &plan.timing;
    let planned = timing.looks_planned();
    let next = |look: u32| timing.readable_to(schedule::due(timing, look));
    let mut read = false;
    for look in 1..=planned {
        let due = schedule::due(timing, look);
        if as_of.is_some_and(|as_of| due > as_of) {
            return End::AsOf;
        }
        let to = timing.readable_to(due);
        if to > covered {
            return End::Short(look);
        }
        if to > course.windows.covered_to {
            let from = if read {
                course.windows.covered_to
            } else {
                first_from(&plan)
            };
            let batch = slices.batch(from, to);
            on_read(look, &batch);
            course.absorb(&batch);
            read = true;
        }
        let last = look == planned
            || next(look + 1) > covered
            || as_of.is_some_and(|as_of| schedule::due(timing, look + 1) > as_of);
        if course.look(look, due, last) {
            return End::Concluded;
        }
    }
    // The table has a verdict at the last look, whatever it saw.
    End::Concluded
}
