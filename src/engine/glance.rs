//! When the windows after a rollback lie, and what is asked for in each.
//!
//! A window is stateless: its number and the verdict's instant give it, live and after a restart.

use crate::plan::{Plan, Shifted, Timing};
use crate::template::baseline::BaselineMode;
use crate::template::recovery::{Recovery, window};
use crate::time::{Span, Step, Timestamp};

pub use crate::template::recovery::RECOVERY_WITHIN;

/// When the windows after a rollback lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// The first window begins here, on the grid.
    pub begin: Timestamp,
    /// How long each is.
    pub every: Span,
    /// How many there are at most; at least 1.
    pub glances: u32,
    /// How many in a row must be well; at least 1, and no more than there are.
    pub needed: u32,
    /// A window is looked at this long after its end.
    pub lag: Span,
}

impl Course {
    /// The windows after a verdict of `plan` at `at`: for as long as the plan says, else `within`,
    /// and in any case for as many as must be well.
    pub fn new(plan: &Plan, at: Timestamp, within: Span) -> Self {
        let recovery = plan.recovery.unwrap_or_else(Recovery::usual);
        let step = plan.timing.step;
        let every = window(step);
        let within = recovery.within.unwrap_or(within);
        let needed = recovery.windows_well(step);
        let glances = u32::try_from(within.ms() / every.ms().max(1)).unwrap_or(u32::MAX);
        Self {
            begin: at.align_up(step),
            every,
            glances: glances.max(needed),
            needed,
            lag: plan.timing.lag,
        }
    }

    /// The window of glance `number`, from 1: its begin and its end.
    pub fn window(&self, number: u32) -> (Timestamp, Timestamp) {
        let end = self.begin.plus(self.every.times(i64::from(number)));
        (end.minus(self.every), end)
    }

    /// When glance `number` is due.
    pub fn due(&self, number: u32) -> Timestamp {
        self.window(number).1.plus(self.lag)
    }

    /// The newest glance that is due at `now`; 0 before the first.
    pub fn newest_due(&self, now: Timestamp) -> u32 {
        let age = now.minus(self.lag).since(self.begin).ms();
        let whole = u32::try_from(age.max(0) / self.every.ms().max(1));
        whole.unwrap_or(u32::MAX).min(self.glances)
    }

    /// The glance to take at `now` when `taken` was the newest; `None` when none is due. Of those
    /// that were missed only the last are taken, as many as must be well.
    pub fn next(&self, taken: u32, now: Timestamp) -> Option<u32> {
        let newest = self.newest_due(now);
        let enough = newest.saturating_sub(self.needed.saturating_sub(1));
        (newest > taken).then(|| enough.max(taken.saturating_add(1)))
    }

    /// When the last glance is due.
    pub fn until(&self) -> Timestamp {
        self.due(self.glances)
    }
}

/// The plan of one glance: the same queries over `from` to `to`, without a past of its own.
pub fn plan_of(plan: &Plan, (from, to): (Timestamp, Timestamp)) -> Plan {
    Plan {
        timing: Timing {
            start: from,
            look_every: to.since(from),
            judged_from: from,
            bake_until: to,
            deadline: to,
            extension: Span::ZERO,
            ..plan.timing
        },
        history: None,
        shifted: plan
            .shifted
            .as_ref()
            .map(|shifted| before_the_start(shifted, plan, to)),
        ..plan.clone()
    }
}

/// A baseline of right before the start is of the same population as the canary: moved along with
/// a later window it would be the canary itself. It stays before the start.
fn before_the_start(shifted: &Shifted, plan: &Plan, to: Timestamp) -> Shifted {
    let whole = |span: Span, step: Step| {
        let step = step.span().ms().max(1);
        Span::from_ms((span.ms() + step - 1) / step * step)
    };
    let back = match shifted.mode {
        BaselineMode::Before => whole(to.since(plan.timing.start), plan.timing.step),
        _ => Span::ZERO,
    };
    Shifted {
        back: shifted.back.max(back),
        ..shifted.clone()
    }
}
