//! The bodies of the decision log, format version 1: every fact as JSON that gives back the same
//! bits (A6). Frozen: a change of any shape below raises [`RECORD_FORMAT`], keeps the old reader,
//! and adds a folder beside `tests/recordings/v1`, whose files are never edited.
//!
//! | kind | body |
//! |---|---|
//! | `submitted` | template text, rollout, plan digest, receivers (`submitted.rs`) |
//! | `captured` | samples in columns (`captured.rs`) |
//! | `judged` | all findings of a look (`judged.rs`, `objective.rs`) |
//! | `queued` `begun` `stepped` `held` `frozen` `lifted` | `coordination.rs`, `steps.rs` |
//! | `source_failed` `announced` `concluded` `ignored` `attempted` `settled` | below |
//! | `redelivered` `acknowledged` `watched` `seen_through` | what follows a verdict (`after.rs`) |

mod after;
mod breakdown;
mod captured;
mod coordination;
mod judged;
mod objective;
mod steps;
mod submitted;

pub(crate) use captured::{part_from_word, part_word};
pub(in crate::wire) use coordination::held;
pub(in crate::wire) use submitted::RolloutShape;

use crate::digest::Digest;
use crate::engine::record::{Conclusion, DeliveryEnd, Fact, Record, Trip};
use crate::engine::subscription::Moment;
use crate::engine::verdict::{Hold, Verdict};
use crate::ids::DeliveryId;
use crate::judge::judgement::Judgement;
use crate::time::{Span, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the shapes in this folder, stored with every record. Bodies of a later version
/// are damage to this program, never guessed at.
pub const RECORD_FORMAT: u32 = 1;

/// Why a body could not be read: it makes one analysis unreadable, never the daemon (A11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage(String);

impl Damage {
    /// The thing, the value, the limit.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

/// The kind and body of a record; analysis and instant stand beside them in the log. Equal facts
/// give equal bytes.
pub fn encode(record: &Record) -> (&'static str, Vec<u8>) {
    match &record.fact {
        Fact::Submitted { .. } => ("submitted", submitted::encode(&record.fact)),
        Fact::Captured { look, batch } => ("captured", captured::encode(*look, batch)),
        Fact::SourceFailed { look, message } => (
            "source_failed",
            bytes(&SourceFailed {
                look: *look,
                message: message.clone(),
            }),
        ),
        Fact::Judged { judgement } => ("judged", judged::encode(judgement)),
        Fact::Concluded { conclusion } => ("concluded", bytes(&Concluded::from(conclusion))),
        Fact::Queued { .. }
        | Fact::Begun { .. }
        | Fact::Stepped { .. }
        | Fact::Held { .. }
        | Fact::Frozen { .. }
        | Fact::Lifted { .. } => coordination::encode(&record.fact),
        Fact::Announced { moment, look } => ("announced", announced(*moment, *look)),
        Fact::Ignored { what } => ("ignored", bytes(&Ignored { what: what.clone() })),
        Fact::Attempted {
            delivery,
            attempt,
            detail,
            trip,
        } => (
            "attempted",
            bytes(&Attempted {
                delivery: delivery.as_str().to_owned(),
                attempt: *attempt,
                detail: detail.clone(),
                status: trip.status,
                took_ms: trip.took.map(Span::ms),
            }),
        ),
        Fact::Settled {
            delivery,
            attempts,
            end,
            trip,
        } => (
            "settled",
            bytes(&Settled {
                delivery: delivery.as_str().to_owned(),
                attempts: *attempts,
                end: EndShape::from(end),
                status: trip.status,
                took_ms: trip.took.map(Span::ms),
            }),
        ),
        Fact::Redelivered { .. }
        | Fact::Acknowledged { .. }
        | Fact::Watched { .. }
        | Fact::SeenThrough { .. } => after::encode(&record.fact),
    }
}

fn announced(moment: Moment, look: u32) -> Vec<u8> {
    let moment = moment.word().to_owned();
    bytes(&Announced { moment, look })
}

/// The fact in a body of this kind and format version.
pub fn decode(kind: &str, body: &[u8], version: u32) -> Result<Fact, Damage> {
    if version != RECORD_FORMAT {
        return Err(Damage::new(format!(
            "{kind} record has format {version}, this program reads format {RECORD_FORMAT}; \
             use the version of haldane that wrote it"
        )));
    }
    match kind {
        "submitted" => submitted::decode(body),
        "captured" => captured::decode(body),
        "source_failed" => {
            let SourceFailed { look, message } = parse(kind, body)?;
            Ok(Fact::SourceFailed { look, message })
        }
        "judged" => judged::decode(body),
        "concluded" => Ok(Fact::Concluded {
            conclusion: parse::<Concluded>(kind, body)?.try_into()?,
        }),
        "queued" | "begun" | "stepped" | "held" | "frozen" | "lifted" => {
            coordination::decode(kind, body)
        }
        "announced" => {
            let Announced { moment, look } = parse(kind, body)?;
            let moment = checked("moment", moment.as_str(), Moment::from_word)?;
            Ok(Fact::Announced { moment, look })
        }
        "ignored" => Ok(Fact::Ignored {
            what: parse::<Ignored>(kind, body)?.what,
        }),
        "attempted" => {
            let shape: Attempted = parse(kind, body)?;
            Ok(Fact::Attempted {
                delivery: checked("delivery", shape.delivery.as_str(), DeliveryId::new)?,
                attempt: shape.attempt,
                detail: shape.detail,
                trip: trip(shape.status, shape.took_ms),
            })
        }
        "settled" => {
            let shape: Settled = parse(kind, body)?;
            Ok(Fact::Settled {
                delivery: checked("delivery", shape.delivery.as_str(), DeliveryId::new)?,
                attempts: shape.attempts,
                trip: trip(shape.status, shape.took_ms),
                end: shape.end.into(),
            })
        }
        after::REDELIVERED | after::ACKNOWLEDGED | after::WATCHED | after::SEEN_THROUGH => {
            after::decode(kind, body)
        }
        other => Err(Damage::new(format!("unknown kind of record {other:?}"))),
    }
}

fn trip(status: Option<u16>, took_ms: Option<i64>) -> Trip {
    Trip {
        status,
        took: took_ms.map(Span::from_ms),
    }
}

/// A shape as JSON.
fn bytes(shape: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(shape)
        .expect("A6: shapes have text keys and numbers that serde_json always writes")
}

/// JSON as a shape.
fn parse<T: DeserializeOwned>(kind: &str, body: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(body).map_err(|fault| {
        Damage::new(format!(
            "body of {kind} record ({} bytes) is unreadable: {fault}",
            body.len()
        ))
    })
}

/// The digest of a judgement as it is recorded: two are equal when every bit of their evidence is.
pub fn judgement_digest(judgement: &Judgement) -> Digest {
    Digest::of(&judged::encode(judgement))
}

/// A checked domain value from what a body holds.
pub(in crate::wire) fn checked<I: fmt::Debug + ?Sized, T>(
    name: &str,
    raw: &I,
    make: impl FnOnce(&I) -> Option<T>,
) -> Result<T, Damage> {
    make(raw).ok_or_else(|| Damage::new(format!("{name} {raw:?} is not a legal value")))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFailed {
    look: u32,
    message: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Announced {
    moment: String,
    look: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignored {
    what: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempted {
    delivery: String,
    attempt: u32,
    detail: String,
    /// Both left out when nothing is known, as in records from before they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    took_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settled {
    delivery: String,
    attempts: u32,
    end: EndShape,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    took_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum EndShape {
    Delivered { status: u16 },
    Refused { detail: String },
    Expired { detail: String },
}

impl From<&DeliveryEnd> for EndShape {
    fn from(end: &DeliveryEnd) -> Self {
        match end.clone() {
            DeliveryEnd::Delivered { status } => Self::Delivered { status },
            DeliveryEnd::Refused { detail } => Self::Refused { detail },
            DeliveryEnd::Expired { detail } => Self::Expired { detail },
        }
    }
}

impl From<EndShape> for DeliveryEnd {
    fn from(shape: EndShape) -> Self {
        match shape {
            EndShape::Delivered { status } => Self::Delivered { status },
            EndShape::Refused { detail } => Self::Refused { detail },
            EndShape::Expired { detail } => Self::Expired { detail },
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::wire) struct Concluded {
    verdict: String,
    row: u8,
    sentence: String,
    hold: Option<String>,
    author: Option<String>,
    look: u32,
    at_ms: i64,
}

impl From<&Conclusion> for Concluded {
    fn from(conclusion: &Conclusion) -> Self {
        Self {
            verdict: conclusion.verdict.word().to_owned(),
            row: conclusion.row,
            sentence: conclusion.sentence.clone(),
            hold: conclusion.hold.as_ref().map(|hold| hold.word().to_owned()),
            author: conclusion.author.clone(),
            look: conclusion.look,
            at_ms: conclusion.at.ms(),
        }
    }
}

impl TryFrom<Concluded> for Conclusion {
    type Error = Damage;

    fn try_from(shape: Concluded) -> Result<Self, Damage> {
        let hold = shape
            .hold
            .map(|word| checked("hold", word.as_str(), Hold::from_word))
            .transpose()?;
        Ok(Self {
            verdict: checked("verdict", shape.verdict.as_str(), Verdict::from_word)?,
            row: shape.row,
            sentence: shape.sentence,
            hold,
            author: shape.author,
            look: shape.look,
            at: Timestamp::from_ms(shape.at_ms),
        })
    }
}
