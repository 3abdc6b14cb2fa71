//! When an analysis looks. Look `k` of `K` is due at `start + k·look_every + lag`; the last one is
//! due at `deadline + lag` and reads exactly up to the deadline.

use crate::plan::Timing;
use crate::time::Timestamp;

/// When look number `look` (from 1) is due.
pub fn due(timing: &Timing, look: u32) -> Timestamp {
    let at = timing
        .start
        .plus(timing.look_every.times(i64::from(look)))
        .min(timing.deadline);
    let at = if look >= timing.looks_planned() {
        timing.deadline
    } else {
        at
    };
    at.plus(timing.lag)
}

/// The newest look that is due at `now`; `None` before the first. Looks missed while the daemon
/// was away or the source was down collapse into this one: the number jumps as the schedule does,
/// so that the error budget is spent by the schedule and not by the number of attempts.
pub fn newest_due(timing: &Timing, now: Timestamp) -> Option<u32> {
    let planned = timing.looks_planned();
    if now >= due(timing, planned) {
        return Some(planned);
    }
    let age = now.minus(timing.lag).since(timing.start).ms();
    let whole = age / timing.look_every.ms().max(1);
    let look = u32::try_from(whole)
        .unwrap_or(u32::MAX)
        .min(planned.saturating_sub(1));
    (look > 0).then_some(look)
}

/// The look to take at `now` when `ended` is the newest that is over: the newest that is due. Only
/// the look that decides about an extension is never passed over; what is known at the deadline
/// says whether there is more time.
pub fn next_due(timing: &Timing, now: Timestamp, ended: u32) -> Option<u32> {
    let newest = newest_due(timing, now).filter(|look| *look > ended)?;
    let regular = timing.looks_regular();
    Some(if ended < regular {
        newest.min(regular)
    } else {
        newest
    })
}
