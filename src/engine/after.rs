//! What follows a verdict: who has taken note of it, whether a rollback helped, and what was good
//! before. None of it changes the verdict (A4).

use crate::engine::good::Good;
use crate::time::Timestamp;
use std::sync::Arc;

/// What has followed a verdict so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct After {
    /// Who took note of the verdict first, once somebody has.
    pub acknowledged: Option<Acknowledged>,
    /// How the watch after a rollback stands; absent without one.
    pub watch: Option<Watch>,
    /// What was promoted last in the same place before this rollback.
    pub last_good: Option<Arc<Good>>,
}

/// Somebody took note of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// When.
    pub at: Timestamp,
    /// The author; for a message that was taken, the receiver's address.
    pub by: String,
}

/// The watch after a rollback as readers see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// When it ends at the latest.
    pub until: Timestamp,
    /// What was seen last.
    pub newest: Option<Glance>,
    /// How it ended, once it has.
    pub ending: Option<Ending>,
}

/// What the canary's population looks like after a rollback, over a short window of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// It gets no traffic any more, and the baseline does.
    Gone,
    /// It gets traffic, and nothing that was wrong is wrong still.
    Quiet,
    /// Something that was wrong is wrong still.
    Burning,
    /// It cannot be told: the source failed, or neither arm has data.
    Blind,
}

impl Seen {
    const ALL: [Self; 4] = [Self::Gone, Self::Quiet, Self::Burning, Self::Blind];

    /// The word in records and documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Quiet => "quiet",
            Self::Burning => "burning",
            Self::Blind => "blind",
        }
    }

    /// The reverse of [`Seen::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|seen| seen.word() == word)
    }

    /// What was wrong is wrong no more.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Gone | Self::Quiet)
    }
}

/// One look after a rollback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Its number, from 1.
    pub number: u32,
    /// The end of its window.
    pub to: Timestamp,
    /// What was seen.
    pub seen: Seen,
    /// The same in words.
    pub detail: String,
}

/// How a watch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// What was wrong is right again, or the canary is gone.
    Recovered,
    /// What was wrong is wrong still at the end.
    Ineffective,
    /// It could not be told: absence of data is not health (A5).
    Unknown,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Recovered, Self::Ineffective, Self::Unknown];

    /// The word in records and documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Ineffective => "rollback_ineffective",
            Self::Unknown => "unknown",
        }
    }

    /// The reverse of [`Outcome::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// The end of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Which.
    pub outcome: Outcome,
    /// When it was known.
    pub at: Timestamp,
    /// What was seen last, in words.
    pub detail: String,
}
