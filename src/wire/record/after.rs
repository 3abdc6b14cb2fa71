//! What follows a verdict, as recorded.

use super::{Damage, bytes, checked, parse};
use crate::engine::after::{Ending, Glance, Outcome, Seen};
use crate::engine::record::Fact;
use crate::ids::DeliveryId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) const REDELIVERED: &str = "redelivered";
pub(super) const ACKNOWLEDGED: &str = "acknowledged";
pub(super) const WATCHED: &str = "watched";
pub(super) const SEEN_THROUGH: &str = "seen_through";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedeliveredShape {
    delivery: String,
    author: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgedShape {
    author: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchedShape {
    number: u32,
    to_ms: i64,
    seen: String,
    detail: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenThroughShape {
    outcome: String,
    at_ms: i64,
    detail: String,
}

/// `fact` is one of the four; any other gives no bytes (never asked for).
pub(super) fn encode(fact: &Fact) -> (&'static str, Vec<u8>) {
    match fact {
        Fact::Redelivered { delivery, author } => {
            let shape = RedeliveredShape {
                delivery: delivery.as_str().to_owned(),
                author: author.clone(),
            };
            (REDELIVERED, bytes(&shape))
        }
        Fact::Acknowledged { author } => {
            let author = author.clone();
            (ACKNOWLEDGED, bytes(&AcknowledgedShape { author }))
        }
        Fact::Watched { glance } => {
            let shape = WatchedShape {
                number: glance.number,
                to_ms: glance.to.ms(),
                seen: glance.seen.word().to_owned(),
                detail: glance.detail.clone(),
            };
            (WATCHED, bytes(&shape))
        }
        Fact::SeenThrough { ending } => {
            let shape = SeenThroughShape {
                outcome: ending.outcome.word().to_owned(),
                at_ms: ending.at.ms(),
                detail: ending.detail.clone(),
            };
            (SEEN_THROUGH, bytes(&shape))
        }
        _ => ("", Vec::new()),
    }
}

pub(super) fn decode(kind: &str, body: &[u8]) -> Result<Fact, Damage> {
    Ok(match kind {
        REDELIVERED => {
            let shape: RedeliveredShape = parse(kind, body)?;
            Fact::Redelivered {
                delivery: checked("delivery", shape.delivery.as_str(), DeliveryId::new)?,
                author: shape.author,
            }
        }
        ACKNOWLEDGED => {
            let AcknowledgedShape { author } = parse(kind, body)?;
            Fact::Acknowledged { author }
        }
        WATCHED => {
            let shape: WatchedShape = parse(kind, body)?;
            let glance = Glance {
                number: shape.number,
                to: Timestamp::from_ms(shape.to_ms),
                seen: checked("sight", shape.seen.as_str(), Seen::from_word)?,
                detail: shape.detail,
            };
            Fact::Watched { glance }
        }
        _ => {
            let shape: SeenThroughShape = parse(kind, body)?;
            let ending = Ending {
                outcome: checked("outcome", shape.outcome.as_str(), Outcome::from_word)?,
                at: Timestamp::from_ms(shape.at_ms),
                detail: shape.detail,
            };
            Fact::SeenThrough { ending }
        }
    })
}
