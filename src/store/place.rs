//! The file's place: its directory, its mode, whose it is, and the lock that keeps a second
//! daemon out.

use crate::store::{Fault, FaultKind};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// "HALD": what the header of our files says at offset 68 (SQLite file format, 1.3).
pub(super) const APPLICATION_ID: i32 = 0x4841_4c44;

/// The operating system's lock on `<path>.lock`, held while the store is open and gone with the
/// process, however it ends.
#[derive(Debug)]
pub(super) struct Lock(File);

/// The lock belongs to the open file, not to this handle: a child that was just forked, and has
/// yet to run its own program, holds the file open too. So it is given back by name (flock(2)).
impl Drop for Lock {
    fn drop(&mut self) {
        // What fails here leaves the lock to the end of the process, as before.
        let _ = self.0.unlock();
    }
}

impl Lock {
    /// Makes the directory if it is missing, and takes the lock.
    pub(super) fn take(path: &Path) -> Result<Self, Fault> {
        make_directory(path)?;
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock_path = PathBuf::from(name);
        let file = private()
            .open(&lock_path)
            .map_err(|fault| Fault::io("open", &lock_path, &fault))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Fault::new(
                FaultKind::InUse,
                format!(
                    "store {}: another haldane has it open; stop that one, or give this one \
                     another path",
                    path.display()
                ),
            )),
            Err(TryLockError::Error(fault)) => Err(Fault::io("lock", &lock_path, &fault)),
        }
    }
}

/// Makes the file, readable by its owner only, or checks that the one there is ours. Reads only
/// its header, so a file of somebody else is left as it is.
pub(super) fn prepare(path: &Path) -> Result<(), Fault> {
    let mut file = private()
        .open(path)
        .map_err(|fault| Fault::io("open", path, &fault))?;
    let mut header = Vec::with_capacity(100);
    file.by_ref()
        .take(100)
        .read_to_end(&mut header)
        .map_err(|fault| Fault::io("read", path, &fault))?;
    if header.is_empty() {
        return Ok(());
    }
    let foreign = |what: &str| {
        let path = path.display();
        Fault::new(
            FaultKind::NotADatabase,
            format!("store {path}: it is {what}, left as it is; choose another path"),
        )
    };
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(foreign("no SQLite database"));
    }
    // SQLite file format, 1.3: user version at 60, application id at 68, both big-endian.
    if number_at(&header, 68) != Some(APPLICATION_ID) {
        return Err(foreign("an SQLite database of another application"));
    }
    let found = i64::from(number_at(&header, 60).unwrap_or(0));
    check_version(path, found)
}

/// Refuses a schema newer than this program's.
pub(super) fn check_version(path: &Path, found: i64) -> Result<(), Fault> {
    let supported = super::sqlite::SCHEMA_VERSION;
    if found <= supported {
        return Ok(());
    }
    Err(Fault::new(
        FaultKind::NewerSchema { found, supported },
        format!(
            "store {}: it has schema {found}, this program knows up to {supported}; \
             use the version of haldane that wrote it, or a newer one",
            path.display()
        ),
    ))
}

fn number_at(header: &[u8], offset: usize) -> Option<i32> {
    let bytes = header.get(offset..offset + 4)?;
    Some(i32::from_be_bytes(bytes.try_into().ok()?))
}

fn make_directory(path: &Path) -> Result<(), Fault> {
    let Some(directory) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    match builder.create(directory) {
        Ok(()) => Ok(()),
        Err(fault)
            if matches!(
                fault.kind(),
                ErrorKind::NotADirectory | ErrorKind::AlreadyExists
            ) =>
        {
            Err(Fault::new(
                FaultKind::Io,
                format!(
                    "store {}: its directory cannot be made, {} or a part of it is a file; \
                     choose another path",
                    path.display(),
                    directory.display()
                ),
            ))
        }
        Err(fault) => Err(Fault::io("make the directory of", path, &fault)),
    }
}

/// Reads and writes; a new file is for its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn the_lock_is_free_again_while_a_forked_child_still_holds_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("haldane.db");
        let lock = Lock::take(&path).unwrap();
        assert_eq!(Lock::take(&path).unwrap_err().kind, FaultKind::InUse);
        let _of_the_child = lock.0.try_clone().unwrap();
        drop(lock);
        Lock::take(&path).unwrap();
    }
}
