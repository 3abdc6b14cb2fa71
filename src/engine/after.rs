//! What follows a verdict: who has taken note of it, whether a rollback helped, and what was good
//! before. None of it changes the verdict (A4).

use crate::engine::good::Good;
use crate::time::Timestamp;
use crate::units::MinEffect;
use std::sync::Arc;

/// Figures of one glance that are kept; beyond, what is wrong comes first, and the rest is counted
/// in its words only. It keeps a record of a minute's look under 2 kB.
pub const FIGURES_MAX: usize = 8;

/// What has followed a verdict so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct After {
    /// Who took note of the verdict first, once somebody has.
    pub acknowledged: Option<Acknowledged>,
    /// By when somebody must have, where the template says so.
    pub acknowledge_by: Option<Timestamp>,
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

/// What it was told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The burn of an error budget.
    Burn,
    /// A metric's difference from its limit.
    Comparison,
    /// That the canary gets no traffic any more, and the baseline does.
    Traffic,
}

impl By {
    const ALL: [Self; 3] = [Self::Burn, Self::Comparison, Self::Traffic];

    /// The word in records and documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Burn => "burn",
            Self::Comparison => "comparison",
            Self::Traffic => "traffic",
        }
    }

    /// The reverse of [`By::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }
}

/// What was measured of one objective or metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The objective or the metric; of a value of `group_by` with that value.
    pub of: String,
    /// What kind it is.
    pub by: By,
    /// The canary's burn or level; absent without data.
    pub canary: Option<f64>,
    /// The baseline's.
    pub baseline: Option<f64>,
    /// The burn under which it is well, or the metric's limit.
    pub limit: MinEffect,
    /// The canary's events or samples.
    pub n: u64,
}

/// One look after a rollback.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    /// Its number, from 1.
    pub number: u32,
    /// The end of its window.
    pub to: Timestamp,
    /// What was seen.
    pub seen: Seen,
    /// The same in words.
    pub detail: String,
    /// What it was told by; absent when nothing could be read.
    pub by: Option<By>,
    /// At most [`FIGURES_MAX`].
    pub figures: Vec<Figure>,
}

/// How a watch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// What was wrong is right again, or the canary is gone and what remains is well.
    Recovered,
    /// What was wrong is wrong still in the last window.
    Ineffective,
    /// It could not be told: absence of data is not health (A5), and neither is a last window that
    /// was well when more were asked for.
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
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Which.
    pub outcome: Outcome,
    /// When it was known.
    pub at: Timestamp,
    /// What was seen last, in words.
    pub detail: String,
    /// What it was told by; absent when it could not be told.
    pub by: Option<By>,
    /// What was measured then, at most [`FIGURES_MAX`].
    pub figures: Vec<Figure>,
}
