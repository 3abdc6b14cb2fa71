//! The door to recordings: one Parquet file per verdict, whose samples DuckDB, pandas and Spark
//! read as a table and whose every byte is covered by a digest.
//!
//! Behind the four bytes every Parquet file begins with stands a seal ([`SEAL_BYTES`]): a mark, the
//! version, the length of the file and the SHA-256 of all of it but the digest itself. Readers of
//! Parquet never look there, since everything they need is found from the end. It is checked
//! before the Parquet reader sees anything: a truncated or altered file is told from a foreign
//! one, and no damaged byte is ever parsed. `docs/recording-format.md` is the description.
#![allow(clippy::disallowed_methods, reason = "door: does I/O")]

mod fault;
mod seal;
mod table;

pub use fault::{Fault, FaultKind};
pub use seal::SEAL_BYTES;

use crate::engine::guard::guarded;
use crate::wire::recording::{self as wire, Recording};
use std::io::Read as _;
use std::path::Path;

/// Bytes of a recording; a larger one is refused, before it is read. A day of 20 metrics over 100
/// pods each, at a step of a minute, needs a third of it.
pub const RECORDING_BYTES_MAX: u64 = 256 << 20;

/// Samples of a recording; one with more is refused. It is what [`RECORDING_BYTES_MAX`] holds of
/// values that do not compress.
pub const SAMPLES_MAX: usize = 32 << 20;

/// What the name of a recording ends with.
pub const EXTENSION: &str = ".haldane.parquet";

/// The bytes of a recording's file. Equal recordings give equal bytes.
///
/// # Errors
/// A recording beyond the limits.
pub fn encode(recording: &Recording) -> Result<Vec<u8>, Fault> {
    let (header, columns) = wire::encode(recording);
    if columns.rows() > SAMPLES_MAX {
        return Err(Fault::too_large(
            columns.rows() as u64,
            SAMPLES_MAX as u64,
            "samples",
        ));
    }
    let mut bytes = table::write(&header, &recording.verdict, &columns)?;
    if bytes.len() as u64 > RECORDING_BYTES_MAX {
        return Err(Fault::too_large(
            bytes.len() as u64,
            RECORDING_BYTES_MAX,
            "bytes",
        ));
    }
    seal::close(&mut bytes);
    Ok(bytes)
}

/// The recording in the bytes of a file.
///
/// # Errors
/// Why they are none that can be read; see [`FaultKind`].
pub fn decode(bytes: Vec<u8>) -> Result<Recording, Fault> {
    if bytes.len() as u64 > RECORDING_BYTES_MAX {
        return Err(Fault::too_large(
            bytes.len() as u64,
            RECORDING_BYTES_MAX,
            "bytes",
        ));
    }
    seal::check(&bytes)?;
    // Only bytes somebody sealed come here; one who sealed nonsense must not end the process.
    let read = guarded(|| {
        let parts = table::read(bytes)?;
        wire::decode(&parts.header, &parts.columns, &parts.verdict)
            .map_err(|damage| Fault::damaged(&damage.to_string()))
    });
    read.unwrap_or_else(|why| Err(Fault::damaged(&format!("its table cannot be read: {why}"))))
}

/// Reads a file.
///
/// # Errors
/// The fault, with the file's name in front.
pub fn read(path: &Path) -> Result<Recording, Fault> {
    let io = |fault: &std::io::Error| Fault::io("read", fault);
    let bytes = || -> Result<Vec<u8>, Fault> {
        let file = std::fs::File::open(path).map_err(|fault| io(&fault))?;
        let meta = file.metadata().map_err(|fault| io(&fault))?;
        if meta.is_dir() {
            return Err(Fault::foreign("it is a folder"));
        }
        if meta.len() > RECORDING_BYTES_MAX {
            return Err(Fault::too_large(meta.len(), RECORDING_BYTES_MAX, "bytes"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
        // What is no plain file may hold more than it says.
        file.take(RECORDING_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|fault| io(&fault))?;
        Ok(bytes)
    };
    bytes().and_then(decode).map_err(|fault| fault.of(path))
}

/// Writes a file: whole, or not at all.
///
/// # Errors
/// The fault, with the file's name in front.
pub fn write(path: &Path, recording: &Recording) -> Result<(), Fault> {
    encode(recording)
        .and_then(|bytes| write_bytes(path, &bytes))
        .map_err(|fault| fault.of(path))
}

/// Writes the bytes of a recording, whole or not at all.
///
/// # Errors
/// What the system said; without the file's name.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let io = |fault: &std::io::Error| Fault::io("write", fault);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    // As readable as any other file that is made there: recordings hold no secrets.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder
        .prefix(".haldane-recording-")
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
        .map_err(|fault| io(&fault))?;
    std::io::Write::write_all(&mut file, bytes).map_err(|fault| io(&fault))?;
    file.persist(path).map_err(|fault| io(&fault.error))?;
    Ok(())
}
