//! How analyses stand to one another, as recorded.

use super::steps::StepShape;
use super::{Damage, bytes, checked, parse};
use crate::engine::coordination::freeze::Freeze;
use crate::engine::coordination::hold::Held;
use crate::engine::coordination::{Concurrent, Coordination, Release, Wave};
use crate::engine::record::Fact;
use crate::engine::verdict::Outside;
use crate::ids::AnalysisId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CoordinationShape {
    shadow: bool,
    concurrent: String,
    release: Option<ReleaseShape>,
    wave: Option<WaveShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseShape {
    group: String,
    members: Vec<String>,
    order: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaveShape {
    name: String,
    index: u32,
}

impl CoordinationShape {
    /// `None` for an analysis that stands alone.
    pub(super) fn of(coordination: &Coordination) -> Option<Self> {
        let Coordination {
            shadow,
            concurrent,
            release,
            wave,
        } = coordination.clone();
        let release = release.map(|release| ReleaseShape {
            group: release.group,
            members: release.members,
            order: release.order,
        });
        let wave = wave.map(|wave| WaveShape {
            name: wave.name,
            index: wave.index,
        });
        (*coordination != Coordination::default()).then(|| Self {
            shadow,
            concurrent: concurrent.word().to_owned(),
            release,
            wave,
        })
    }
}

impl TryFrom<CoordinationShape> for Coordination {
    type Error = Damage;

    fn try_from(shape: CoordinationShape) -> Result<Self, Damage> {
        let release = shape.release.map(|release| Release {
            group: release.group,
            members: release.members,
            order: release.order,
        });
        let wave = shape.wave.map(|wave| Wave {
            name: wave.name,
            index: wave.index,
        });
        let concurrent = shape.concurrent.as_str();
        Ok(Self {
            shadow: shape.shadow,
            concurrent: checked("concurrent", concurrent, Concurrent::from_word)?,
            release,
            wave,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Queued {
    behind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    at_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldShape {
    by: Option<String>,
    why: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frozen {
    id: String,
    service: Option<String>,
    environment: Option<String>,
    region: Option<String>,
    from_ms: i64,
    until_ms: Option<i64>,
    author: String,
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifted {
    author: String,
    reason: String,
}

/// `fact` is one of this file's; any other gives no bytes (never asked for).
pub(super) fn encode(fact: &Fact) -> (&'static str, Vec<u8>) {
    match fact {
        Fact::Queued { behind } => {
            let behind = behind.to_string();
            ("queued", bytes(&Queued { behind }))
        }
        Fact::Begun { at } => ("begun", bytes(&Begun { at_ms: at.ms() })),
        Fact::Stepped { step } => ("stepped", bytes(&StepShape::from(step))),
        Fact::Held { held } => (
            "held",
            bytes(&HeldShape {
                by: held.as_ref().map(|held| held.by.hold().word().to_owned()),
                why: held.as_ref().map(|held| held.why.clone()),
            }),
        ),
        Fact::Frozen { freeze } => ("frozen", bytes(&Frozen::from(&**freeze))),
        Fact::Lifted { author, reason } => (
            "lifted",
            bytes(&Lifted {
                author: author.clone(),
                reason: reason.clone(),
            }),
        ),
        _ => ("", Vec::new()),
    }
}

/// What holds a promote back, from the word of the hold and the reason.
pub(in crate::wire) fn held(
    by: Option<String>,
    why: Option<String>,
) -> Result<Option<Held>, Damage> {
    let of_word = |word: &str| {
        let mut all = Outside::ALL.into_iter();
        all.find(|by| by.hold().word() == word)
    };
    let by = by.map(|word| checked("hold", word.as_str(), of_word));
    Ok(by.transpose()?.map(|by| Held {
        by,
        why: why.unwrap_or_default(),
    }))
}

pub(super) fn decode(kind: &str, body: &[u8]) -> Result<Fact, Damage> {
    match kind {
        "queued" => {
            let Queued { behind } = parse(kind, body)?;
            let behind = checked("analysis", behind.as_str(), AnalysisId::new)?;
            Ok(Fact::Queued { behind })
        }
        "begun" => {
            let Begun { at_ms } = parse(kind, body)?;
            let at = Timestamp::from_ms(at_ms);
            Ok(Fact::Begun { at })
        }
        "stepped" => Ok(Fact::Stepped {
            step: parse::<StepShape>(kind, body)?.try_into()?,
        }),
        "held" => {
            let HeldShape { by, why } = parse(kind, body)?;
            let held = held(by, why)?;
            Ok(Fact::Held { held })
        }
        "frozen" => Ok(Fact::Frozen {
            freeze: Box::new(parse::<Frozen>(kind, body)?.try_into()?),
        }),
        "lifted" => {
            let Lifted { author, reason } = parse(kind, body)?;
            Ok(Fact::Lifted { author, reason })
        }
        other => Err(Damage::new(format!("unknown kind of record {other:?}"))),
    }
}

impl From<&Freeze> for Frozen {
    fn from(freeze: &Freeze) -> Self {
        let freeze = freeze.clone();
        Self {
            id: freeze.id.to_string(),
            service: freeze.service,
            environment: freeze.environment,
            region: freeze.region,
            from_ms: freeze.from.ms(),
            until_ms: freeze.until.map(Timestamp::ms),
            author: freeze.author,
            reason: freeze.reason,
        }
    }
}

impl TryFrom<Frozen> for Freeze {
    type Error = Damage;

    fn try_from(shape: Frozen) -> Result<Self, Damage> {
        Ok(Self {
            id: checked("freeze", shape.id.as_str(), AnalysisId::new)?,
            service: shape.service,
            environment: shape.environment,
            region: shape.region,
            from: Timestamp::from_ms(shape.from_ms),
            until: shape.until_ms.map(Timestamp::from_ms),
            author: shape.author,
            reason: shape.reason,
        })
    }
}
