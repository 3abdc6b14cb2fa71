//! What follows a verdict, as recorded.

use super::{Damage, bytes, checked, parse};
use crate::engine::after::{By, Ending, Figure, Glance, Outcome, Seen};
use crate::engine::record::Fact;
use crate::ids::DeliveryId;
use crate::time::Timestamp;
use crate::units::MinEffect;
use crate::wire::number::Exact;
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    figures: Vec<FigureShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenThroughShape {
    outcome: String,
    at_ms: i64,
    detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    figures: Vec<FigureShape>,
}

/// Absent in records from before there were figures.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FigureShape {
    of: String,
    by: String,
    canary: Option<Exact>,
    baseline: Option<Exact>,
    /// `absolute` or `relative`
    limit_kind: String,
    limit: Exact,
    n: u64,
}

const ABSOLUTE: &str = "absolute";
const RELATIVE: &str = "relative";

impl From<&Figure> for FigureShape {
    fn from(figure: &Figure) -> Self {
        let (kind, limit) = match figure.limit {
            MinEffect::Absolute(limit) => (ABSOLUTE, limit),
            MinEffect::Relative(limit) => (RELATIVE, limit),
        };
        Self {
            of: figure.of.clone(),
            by: figure.by.word().to_owned(),
            canary: figure.canary.map(Exact),
            baseline: figure.baseline.map(Exact),
            limit_kind: kind.to_owned(),
            limit: Exact(limit),
            n: figure.n,
        }
    }
}

fn figures_of(shapes: Vec<FigureShape>) -> Result<Vec<Figure>, Damage> {
    let each = shapes.into_iter().map(|shape| {
        let kind = |word: &str| match word {
            ABSOLUTE => Some(MinEffect::Absolute(shape.limit.0)),
            RELATIVE => Some(MinEffect::Relative(shape.limit.0)),
            _ => None,
        };
        Ok(Figure {
            limit: checked("kind of limit", shape.limit_kind.as_str(), kind)?,
            by: checked("measure", shape.by.as_str(), By::from_word)?,
            canary: shape.canary.map(|Exact(value)| value),
            baseline: shape.baseline.map(|Exact(value)| value),
            of: shape.of,
            n: shape.n,
        })
    });
    each.collect()
}

fn by_of(word: Option<String>) -> Result<Option<By>, Damage> {
    word.map(|word| checked("measure", word.as_str(), By::from_word))
        .transpose()
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
                by: glance.by.map(|by| by.word().to_owned()),
                figures: glance.figures.iter().map(FigureShape::from).collect(),
            };
            (WATCHED, bytes(&shape))
        }
        Fact::SeenThrough { ending } => {
            let shape = SeenThroughShape {
                outcome: ending.outcome.word().to_owned(),
                at_ms: ending.at.ms(),
                detail: ending.detail.clone(),
                by: ending.by.map(|by| by.word().to_owned()),
                figures: ending.figures.iter().map(FigureShape::from).collect(),
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
                by: by_of(shape.by)?,
                figures: figures_of(shape.figures)?,
            };
            Fact::Watched { glance }
        }
        _ => {
            let shape: SeenThroughShape = parse(kind, body)?;
            let ending = Ending {
                outcome: checked("outcome", shape.outcome.as_str(), Outcome::from_word)?,
                at: Timestamp::from_ms(shape.at_ms),
                detail: shape.detail,
                by: by_of(shape.by)?,
                figures: figures_of(shape.figures)?,
            };
            Fact::SeenThrough { ending }
        }
    })
}
