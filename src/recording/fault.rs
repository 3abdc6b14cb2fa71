//! Why a file is no recording that can be used.

use crate::recording::seal::VERSION;
use std::path::Path;

/// The kinds of faults, each with another way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is something else: another Parquet file, text, a folder.
    Foreign,
    /// It ends too early.
    Truncated,
    /// Its bytes are not those that were written.
    Damaged,
    /// It was written by a later version.
    Newer,
    /// It is larger than is read.
    TooLarge,
    /// The system refused.
    Io,
}

/// What is wrong with a file: the thing, the value, the limit, the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The kind.
    pub kind: FaultKind,
    /// The message.
    pub message: String,
}

impl Fault {
    fn new(kind: FaultKind, message: String) -> Self {
        Self { kind, message }
    }

    pub(super) fn foreign(what: &str) -> Self {
        let message = format!(
            "{what}, no recording of haldane; `haldane record` and \
             `GET /v1/analyses/{{id}}/recording` make them"
        );
        Self::new(FaultKind::Foreign, message)
    }

    pub(super) fn truncated(have: u64, wanted: u64) -> Self {
        let message = format!(
            "it ends after {have} of {wanted} bytes; copy or export it again, nothing of it is \
             used"
        );
        Self::new(FaultKind::Truncated, message)
    }

    pub(super) fn damaged(what: &str) -> Self {
        let message = format!("{what}; copy or export it again, nothing of it is used");
        Self::new(FaultKind::Damaged, message)
    }

    pub(super) fn newer(version: u32) -> Self {
        let message = format!(
            "it is a recording of format {version}, this program reads up to {VERSION}; use the \
             version of haldane that wrote it, or a later one"
        );
        Self::new(FaultKind::Newer, message)
    }

    pub(super) fn too_large(have: u64, limit: u64, of: &str) -> Self {
        let message = format!(
            "it has {have} {of}, the limit is {limit}; record a shorter window, a longer step or \
             fewer series"
        );
        Self::new(FaultKind::TooLarge, message)
    }

    pub(super) fn io(act: &str, fault: &std::io::Error) -> Self {
        Self::new(FaultKind::Io, format!("cannot {act} it: {fault}"))
    }

    /// The same with the file's name in front.
    #[must_use]
    pub fn of(self, path: &Path) -> Self {
        let message = format!("recording {}: {}", path.display(), self.message);
        Self { message, ..self }
    }
}
