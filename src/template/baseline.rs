//! Reads `spec.baseline`: from which time the baseline's data are. Beside a canary, of the same
//! minutes, is the strong way; a baseline from another time is for services that have nothing
//! beside the canary (a single replica, a batch job, a cron job), and every answer says how weak
//! that is.

use crate::template::document::{Node, Value};
use crate::template::fields::{Reader, shorten};
use crate::template::schema::written;
use crate::time::Span;

/// From which time the baseline's data are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BaselineMode {
    /// The canary's own: both arms run side by side.
    #[default]
    Concurrent,
    /// Right before the start of the rollout.
    Before,
    /// The same time of the day before.
    PreviousDay,
    /// The same time of the week before.
    PreviousWeek,
}

/// `previous_day`: a day is 24 hours, whatever the clocks on the wall do.
const DAY: Span = Span::from_s(86_400);

/// `previous_week`: seven such days.
const WEEK: Span = Span::from_s(7 * 86_400);

impl BaselineMode {
    /// The word in templates and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Concurrent => "concurrent",
            Self::Before => "before",
            Self::PreviousDay => "previous_day",
            Self::PreviousWeek => "previous_week",
        }
    }

    /// How much earlier the baseline's data are, where that does not depend on the analysis.
    pub const fn back(self) -> Option<Span> {
        match self {
            Self::Concurrent => Some(Span::ZERO),
            Self::Before => None,
            Self::PreviousDay => Some(DAY),
            Self::PreviousWeek => Some(WEEK),
        }
    }

    /// What a comparison with such a baseline cannot tell; `None` when both arms run side by side.
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::Concurrent => None,
            Self::Before => Some(
                "the baseline is the time right before the start: whatever else changed then \
                 looks like harm of the canary, or hides it",
            ),
            Self::PreviousDay => Some(
                "the baseline is the day before: whatever else changed between the days looks \
                 like harm of the canary, or hides it",
            ),
            Self::PreviousWeek => Some(
                "the baseline is the week before: whatever else changed between the weeks looks \
                 like harm of the canary, or hides it",
            ),
        }
    }
}

pub(super) const MODES: [(&str, BaselineMode); 4] = [
    (BaselineMode::Concurrent.word(), BaselineMode::Concurrent),
    (BaselineMode::Before.word(), BaselineMode::Before),
    (BaselineMode::PreviousDay.word(), BaselineMode::PreviousDay),
    (
        BaselineMode::PreviousWeek.word(),
        BaselineMode::PreviousWeek,
    ),
];

/// The mode; `None` after a complaint.
pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<BaselineMode> {
    let Some(node) = node else {
        return Some(BaselineMode::Concurrent);
    };
    if let Value::Text(text) = &node.value {
        let message = format!("`baseline` is the text `{}`, expected a map", shorten(text));
        let help = "write `baseline: { mode: previous_day }`; which series are the baseline's is \
                    said by the rollout";
        reader.error("C005", node.place, message, help);
        return None;
    }
    let fields = reader.map(node, "`baseline`", written::Baseline::FIELDS)?;
    let help = "from which time its data are, such as `mode: previous_day`";
    let mode = reader.need(&fields, "mode", help)?;
    reader.word(mode, "baseline mode", &MODES)
}
