//! Reads `spec.recovery`: how a rollback is seen through. Until when the canary's population is
//! looked at again, what counts as recovered, and by when somebody must have taken note.
//!
//! It changes no verdict, so whatever is not said stays as it is without the section.

use crate::template::document::Node;
use crate::template::fields::Reader;
use crate::template::schema::written;
use crate::time::{Span, Step};
use crate::units::BurnRate;

/// How long a rollback is watched when the template does not say it: with controllers that step
/// down in a few minutes, long enough for the slowest of them and for a quarter of an hour's burn
/// window (SRE Workbook, chapter 5, names 5 minutes as the shortest window that says a burn has
/// stopped; this is three of them).
pub const RECOVERY_WITHIN: Span = Span::from_s(900);

/// The longest `within` and `acknowledge_within`; longer ones are refused (C010). A message about
/// the end lives for an hour as well, and whoever needs more than that to restore a service has an
/// incident and no rollout.
pub const RECOVERY_WITHIN_MAX: Span = Span::from_s(3_600);

/// The length of a window of the watch, rounded up to whole steps and never less than two: the
/// usual interval of recording rules and scrapes is at most a minute.
const WINDOW: Span = Span::from_s(60);

/// Windows in a row that must be well when the template does not say for how long: one may fall
/// into a gap between two scrapes.
pub const WELL_WINDOWS: u32 = 2;

/// The burn under which an objective counts as recovered when the template does not say it: at 1
/// the budget lasts exactly as long as its period (SRE Workbook, chapter 5).
pub const BURN_UNDER: f64 = 1.0;

/// How a rollback is seen through. Lengths that are not said are those of the constants here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// How long after the verdict is looked for a recovery.
    pub within: Option<Span>,
    /// How long what was wrong must be right without a break.
    pub well_for: Option<Span>,
    /// An objective has recovered when its budget burns slower than this.
    pub burn_under: BurnRate,
    /// By when after the verdict somebody must have taken note of it.
    pub acknowledge_within: Option<Span>,
}

impl Recovery {
    /// What holds where nothing is said.
    pub fn usual() -> Self {
        Self {
            within: None,
            well_for: None,
            burn_under: BurnRate::new(BURN_UNDER).expect("above zero"),
            acknowledge_within: None,
        }
    }

    /// How many windows in a row must be well; at least 1.
    pub fn windows_well(&self, step: Step) -> u32 {
        let Some(span) = self.well_for else {
            return WELL_WINDOWS;
        };
        let every = window(step).ms().max(1);
        u32::try_from((span.ms() + every - 1) / every)
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

/// How long a window of the watch is on a grid of this step.
pub fn window(step: Step) -> Span {
    let step = step.span().ms().max(1);
    let steps = ((WINDOW.ms() + step - 1) / step).max(2);
    Span::from_ms(steps.saturating_mul(step))
}

/// The section; `None` when there is none, and after a complaint.
pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>, step: Step) -> Option<Recovery> {
    let fields = reader.map(node?, "`recovery`", written::Recovery::FIELDS)?;
    let mut span = |name: &str, least: Span| match fields.get(name) {
        None => Some(None),
        Some(node) => reader
            .span(node, &format!("`{name}`"), least, RECOVERY_WITHIN_MAX)
            .map(Some),
    };
    let within = span("within", Span::from_s(1));
    let well_for = span("for", step.span());
    let acknowledge_within = span("acknowledge_within", Span::from_s(1));
    let burn_under = match fields.get("burn_under") {
        None => BurnRate::new(BURN_UNDER),
        Some(node) => reader.number(node, "`burn_under`", "a number above 0", BurnRate::new),
    };
    let recovery = Recovery {
        within: within?,
        well_for: well_for?,
        burn_under: burn_under?,
        acknowledge_within: acknowledge_within?,
    };
    let Some((message, help)) = room_fault(&recovery, step) else {
        return Some(recovery);
    };
    let named = fields.get("within").or_else(|| fields.get("for"));
    let at = named.map_or(fields.place(), |node| node.place);
    reader.error("C039", at, message, &help);
    None
}

/// C039 when the time does not hold as many windows as must be well in a row: nothing could ever
/// count as recovered. What is not said makes room for what is.
fn room_fault(recovery: &Recovery, step: Step) -> Option<(String, String)> {
    let (every, needed) = (window(step), recovery.windows_well(step));
    let least = every.times(i64::from(needed));
    let within = recovery.within.unwrap_or(RECOVERY_WITHIN_MAX);
    if within >= least {
        return None;
    }
    let asked = match recovery.well_for {
        Some(span) => format!("`for: {span}`"),
        None => "what must be well in a row".to_owned(),
    };
    let message = format!(
        "`within` of {within} holds no recovery: {asked} is {needed} windows of {every}, {least} \
         in all"
    );
    let help = if least > RECOVERY_WITHIN_MAX {
        format!("shorten `for`, or use a shorter step: `within` is {RECOVERY_WITHIN_MAX} at most")
    } else {
        format!("write `within: {least}` or more, or shorten `for`")
    };
    Some((message, help))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests of fixed lengths")]
    use super::*;

    #[test]
    fn windows_are_whole_steps_of_a_minute_or_more_and_as_many_as_asked_for() {
        let cases = [
            // step, `for`, window, windows
            (15, None, 60, 2),
            (30, Some(60), 60, 1),
            (30, Some(61), 60, 2),
            (40, Some(300), 80, 4),
            (300, None, 600, 2),
            (7, Some(7), 63, 1),
        ];
        for (step, well_for, length, windows) in cases {
            let step = Step::new(Span::from_s(step)).unwrap();
            let recovery = Recovery {
                well_for: well_for.map(Span::from_s),
                ..Recovery::usual()
            };
            assert_eq!(window(step), Span::from_s(length), "{step}");
            assert_eq!(recovery.windows_well(step), windows, "{step}");
        }
    }
}
