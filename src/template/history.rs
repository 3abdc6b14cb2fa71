//! Reads `spec.history`: what is read from before the start.

use crate::template::History;
use crate::template::default::POINTS_MAX;
use crate::template::document::Node;
use crate::template::fields::Reader;
use crate::template::schema::written;
use crate::time::{Span, Step};

/// The longest history; a longer one is refused (C010). A day holds the daily rhythm once; what
/// lies further back is another load.
pub const LOOKBACK_MAX: Span = Span::from_s(86_400);

/// The most grid points of a history; a template with more is refused (C013). Prometheus answers
/// range queries of up to 11,000 steps.
pub const HISTORY_POINTS_MAX: i64 = 11_000;

const _: () = assert!(
    POINTS_MAX == 11_000 && HISTORY_POINTS_MAX == 11_000,
    "one limit of the source, written twice"
);

/// The history; `None` when there is none, and after a complaint.
pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>, step: Step) -> Option<History> {
    let fields = reader.map(node?, "`history`", written::History::FIELDS)?;
    let help = "how far to reach back before the start, such as `1h`";
    let node = reader.need(&fields, "lookback", help);
    let lookback = node.and_then(|node| reader.span(node, "`lookback`", step.span(), LOOKBACK_MAX));
    let offset = match fields.get("offset") {
        None => Some(false),
        Some(node) => reader.truth(node, "`offset`"),
    };
    let lookback = lookback?;
    let points = lookback.ms() / step.span().ms();
    if points > HISTORY_POINTS_MAX {
        let message = format!(
            "a history of {lookback} at a step of {step} has {points} points, at most \
             {HISTORY_POINTS_MAX}"
        );
        let at = node.map_or(fields.place(), |node| node.place);
        reader.error(
            "C013",
            at,
            message,
            "shorten `lookback`, or use a longer step",
        );
        return None;
    }
    Some(History {
        lookback,
        offset: offset?,
    })
}
