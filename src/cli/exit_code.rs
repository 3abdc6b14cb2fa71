//! Exit codes: one per class of end, listed in `haldane --help`.

use crate::engine::verdict::Verdict;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Promote, clean, done.
    Clean,
    /// Rollback, or lint errors.
    Rollback,
    /// Usage or template error.
    Usage,
    /// Inconclusive, or no data.
    Inconclusive,
    /// Source or daemon unavailable.
    Unavailable,
    /// Held.
    Held,
    /// A fault of ours.
    Internal,
    /// Stopped by a signal.
    Interrupted,
}

/// For `--help`.
pub const TABLE: &str = "\
Exit codes:
  0    promote, lint clean, done
  1    rollback, or lint errors
  2    usage, template or configuration error
  3    inconclusive or no data (judge and wait: see --inconclusive-as)
  4    source, daemon or store unavailable
  5    held: a gate outside the statistics keeps a promote back
  70   internal error
  130  interrupted";

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Rollback => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Unavailable => 4,
            Self::Held => 5,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// The code of a verdict.
    pub const fn of(verdict: Verdict, inconclusive_as: Self) -> Self {
        match verdict {
            Verdict::Promote => Self::Clean,
            Verdict::Rollback => Self::Rollback,
            Verdict::Inconclusive => inconclusive_as,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
