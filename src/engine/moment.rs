//! The moments of an analysis that somebody may hear of.

/// A moment in the life of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// It was accepted.
    Started,
    /// A look was judged, and there is no verdict yet.
    Look,
    /// Something began to hold it back, or something else than before.
    Hold,
    /// A person decided instead.
    Override,
    /// A person stopped it.
    Cancelled,
    /// It has its verdict, by whatever way: what everybody hears of who says nothing else.
    Verdict,
    /// After a rollback: what was wrong is right again.
    Recovered,
    /// After a rollback: what was wrong is wrong still.
    RollbackIneffective,
}

impl Moment {
    /// Every moment, in the order in which they can come.
    pub const ALL: [Self; 8] = [
        Self::Started,
        Self::Look,
        Self::Hold,
        Self::Override,
        Self::Cancelled,
        Self::Verdict,
        Self::Recovered,
        Self::RollbackIneffective,
    ];

    /// The word in records, documents and types of events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Look => "look",
            Self::Hold => "hold",
            Self::Override => "override",
            Self::Cancelled => "cancelled",
            Self::Verdict => "verdict",
            Self::Recovered => "recovered",
            Self::RollbackIneffective => "rollback_ineffective",
        }
    }

    /// The reverse of [`Moment::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| moment.word() == word)
    }

    /// Whether its message is worth nothing any more once a newer one of its kind or the verdict
    /// has come.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Look | Self::Hold)
    }
}
