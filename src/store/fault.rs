//! Why the decision log cannot be opened, written or read.

use rusqlite::ErrorCode;
use std::path::Path;

/// What to do about it differs by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Another program holds the database; trying again can help.
    Locked,
    /// Another daemon has this log open.
    InUse,
    /// The file was written by a newer version.
    NewerSchema {
        /// The file's version.
        found: i64,
        /// The newest this program knows.
        supported: i64,
    },
    /// There is no room; once there is, the same append succeeds.
    DiskFull,
    /// The file is not ours: no SQLite, or another application's.
    NotADatabase,
    /// The database itself or a record in it is damaged.
    Damaged,
    /// As many appends wait as may; the records are still owed.
    Backlog,
    /// An append would leave a hole, because an earlier one failed; append from there.
    OutOfOrder,
    /// A different record stands at this place already: two writers, or a mixed-up file.
    Conflict,
    /// Anything else the operating system refuses.
    Io,
}

/// A fault with its message: the path, what, the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// For people.
    pub message: String,
}

impl Fault {
    /// `message` names the thing, what, and the way out.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The operating system's refusal to `act` (`create`, `open`, …) on `path`.
    pub(super) fn io(act: &str, path: &Path, fault: &std::io::Error) -> Self {
        let path = path.display();
        if fault.kind() == std::io::ErrorKind::StorageFull {
            let message = format!("store {path}: no room left to {act} it; free disk space");
            return Self::new(FaultKind::DiskFull, message);
        }
        Self::new(
            FaultKind::Io,
            format!("store {path}: cannot {act} it: {fault}; check the path and its owner"),
        )
    }

    /// SQLite's refusal to `act` on `path`.
    pub(super) fn sqlite(act: &str, path: &Path, fault: &rusqlite::Error) -> Self {
        let path = path.display();
        // Without room for the index of its write-ahead log SQLite says "disk I/O error".
        let no_room = fault
            .sqlite_error()
            .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
        let (kind, way_out) = match fault.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                FaultKind::Locked,
                "another program holds it (a backup, a shell); close that program",
            ),
            code if no_room || code == Some(ErrorCode::DiskFull) => (
                FaultKind::DiskFull,
                "no room left; free disk space or raise the limit of its size",
            ),
            Some(ErrorCode::NotADatabase) => (
                FaultKind::NotADatabase,
                "it is no SQLite database; choose another path",
            ),
            Some(ErrorCode::DatabaseCorrupt) => (
                FaultKind::Damaged,
                "the database is damaged; restore it from a backup",
            ),
            _ => (FaultKind::Io, "check the disk, the path and its owner"),
        };
        Self::new(
            kind,
            format!("store {path}: cannot {act}: {way_out} ({fault})"),
        )
    }
}
