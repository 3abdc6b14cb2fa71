//! Exit codes: one per class of end, listed in `haldane --help`, and the flags that change them.

use crate::cli::args::InconclusiveAs;
use crate::engine::verdict::{Hold, Verdict};
use clap::ValueEnum;
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

    /// The code of a final verdict with what held it (the word of the hold) and whether any
    /// metric had data. An absent arm is no data rather than a gate. Whatever
    /// `--inconclusive-as` says, no data never ends like a promote (A5).
    pub fn concluded(
        verdict: Verdict,
        hold: Option<&str>,
        has_data: bool,
        inconclusive_as: Self,
    ) -> Self {
        let absent = hold == Some(Hold::ArmAbsent.word());
        match verdict {
            Verdict::Inconclusive if hold.is_some() && !absent => Self::Held,
            Verdict::Inconclusive if (absent || !has_data) && inconclusive_as == Self::Clean => {
                Self::Inconclusive
            }
            verdict => Self::of(verdict, inconclusive_as),
        }
    }
}

/// What a verdict that could not be had for want of data ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorAs {
    /// Exit code 4.
    #[value(name = "4")]
    Own,
    /// Exit code 3.
    Inconclusive,
    /// Exit code 1.
    Rollback,
}

impl ErrorAs {
    /// The exit code.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Own => Exit::Unavailable,
            Self::Inconclusive => Exit::Inconclusive,
            Self::Rollback => Exit::Rollback,
        }
    }
}

/// What a waiting command ends with where the verdict is neither promote nor rollback. What is not
/// said here is as the daemon's dialect `exit` says.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct EndArgs {
    /// What an inconclusive verdict ends with; 3 unless the daemon is configured otherwise
    #[arg(long, value_enum)]
    pub inconclusive_as: Option<InconclusiveAs>,
    /// What a verdict ends with for which the source could not be read; 4 unless the daemon is
    /// configured otherwise
    #[arg(long, value_enum)]
    pub error_as: Option<ErrorAs>,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_an_analysis_has_its_code() {
        use Verdict::{Inconclusive, Promote, Rollback};
        let own = Exit::Inconclusive;
        for (verdict, hold, has_data, inconclusive_as, wanted) in [
            (Promote, None, true, own, 0),
            (Rollback, None, true, own, 1),
            (Rollback, Some("environment_degraded"), true, own, 1),
            (Inconclusive, None, true, own, 3),
            (Inconclusive, None, true, Exit::Rollback, 1),
            (Inconclusive, None, true, Exit::Clean, 0),
            (Inconclusive, None, false, own, 3),
            (Inconclusive, None, false, Exit::Rollback, 1),
            (Inconclusive, None, false, Exit::Clean, 3),
            (Inconclusive, Some("arm_absent"), true, own, 3),
            (Inconclusive, Some("arm_absent"), true, Exit::Clean, 3),
            (Inconclusive, Some("traffic_mismatch"), true, own, 5),
            (Inconclusive, Some("budget_burning"), true, Exit::Clean, 5),
        ] {
            let exit = Exit::concluded(verdict, hold, has_data, inconclusive_as);
            assert_eq!(exit.code(), wanted, "{verdict:?} {hold:?} {has_data}");
        }
    }
}
