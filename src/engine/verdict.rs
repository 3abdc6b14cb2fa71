//! The word of an analysis, and the table that gives it.

/// The word of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Go on.
    Promote,
    /// Go back.
    Rollback,
    /// Time is up and neither is shown.
    Inconclusive,
}

impl Verdict {
    /// The word in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The reverse of [`Verdict::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Promote, Self::Rollback, Self::Inconclusive]
            .into_iter()
            .find(|verdict| verdict.word() == word)
    }
}

/// Why a promote is held back, or an analysis waits, outside the statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Both arms degrade alike.
    EnvironmentDegraded,
    /// The observed traffic share contradicts the declared one.
    TrafficMismatch,
    /// An arm has no series.
    ArmAbsent,
    /// The source warned; the data may be partial.
    DataSuspect,
    /// A hold rung of an objective is proven.
    BudgetBurning,
}

impl Hold {
    /// The word in answers.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::EnvironmentDegraded => "environment_degraded",
            Self::TrafficMismatch => "traffic_mismatch",
            Self::ArmAbsent => "arm_absent",
            Self::DataSuspect => "data_suspect",
            Self::BudgetBurning => "budget_burning",
        }
    }

    /// The reverse of [`Hold::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::EnvironmentDegraded,
            Self::TrafficMismatch,
            Self::ArmAbsent,
            Self::DataSuspect,
            Self::BudgetBurning,
        ]
        .into_iter()
        .find(|hold| hold.word() == word)
    }
}
