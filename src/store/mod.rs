//! The door to the decision log: SQLite in one file, written by one thread with group commit.
//!
//! `synchronous=FULL` in WAL mode makes a commit durable before [`Store::append`] says so (A3);
//! committing what has queued up meanwhile as one transaction makes that cheap. A second thread
//! of control, the reader, serves [`Store::records_of`] beside it. What each column means, what a
//! copy of the file holds and how to back it up is in `docs/storage.md`.
#![allow(clippy::disallowed_methods, reason = "door: does I/O")]

mod fault;
mod load;
mod log;
mod memory;
mod papers;
mod place;
mod sqlite;
mod writer;

pub use fault::{Fault, FaultKind};
pub use load::{Damaged, Loaded, Present, load};
pub use log::{Log, Row};
pub use memory::MemoryLog;
pub use papers::Paper;
pub use sqlite::SqliteLog;
pub use writer::{Done, QUEUE_MAX, Stats, Writer};

use crate::engine::record::{Record, Seq};
use crate::ids::{AnalysisId, DeliveryId};
use crate::judge::SEMANTICS;
use crate::time::Span;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where the decision log is, and how to treat it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The SQLite file; `-wal`, `-shm` and `.lock` stand beside it.
    pub path: PathBuf,
    /// How long to wait for another program that holds the file.
    pub busy_timeout: Span,
    /// The file grows to at most this many bytes; then appends fail as on a full disk. `None` is
    /// as much as the disk holds.
    pub bytes_max: Option<u64>,
}

impl Options {
    /// The file at `path`, five seconds of patience (a backup of a small file takes less), no
    /// limit of size.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy_timeout: Span::from_s(5),
            bytes_max: None,
        }
    }
}

/// The open decision log. Dropping it flushes what is queued, as [`Store::close`] does.
#[derive(Debug)]
pub struct Store {
    // Fields drop in this order: the writer flushes while the file is still locked.
    writer: Writer,
    reader: Mutex<sqlite::Reader>,
    papers: Mutex<papers::Papers>,
    path: PathBuf,
    _lock: place::Lock,
}

impl Store {
    /// Opens the log, making the file and its directory if they are missing, and reads what a
    /// restart needs. Nothing is changed in a file that is not ours, is newer than this program,
    /// or is in use.
    pub fn open(options: Options) -> Result<(Self, Loaded), Fault> {
        let lock = place::Lock::take(&options.path)?;
        place::prepare(&options.path)?;
        let log = SqliteLog::open(&options)?;
        let mut reader = sqlite::Reader::open(&options)?;
        let (rows, present) = reader.restart_rows()?;
        let loaded = load(rows, &present);
        let writer = Writer::start(log, loaded.last)?;
        let store = Self {
            writer,
            reader: Mutex::new(reader),
            papers: Mutex::new(papers::Papers::open(&options)?),
            path: options.path,
            _lock: lock,
        };
        Ok((store, loaded))
    }

    /// Makes `records` durable, in order, then calls `done` with the place of the last one. Never
    /// waits for the disk: it queues, and at [`QUEUE_MAX`] calls `done` at once with
    /// [`FaultKind::Backlog`]. A record that is there already is left as it is, so a repeat is
    /// harmless; one that would leave a hole is refused ([`FaultKind::OutOfOrder`]). `done` runs
    /// on the writer's thread (on the caller's when the queue is full) and must not block.
    pub fn append(&self, records: Vec<(Seq, Record)>, done: Done) {
        self.writer.append(records, done);
    }

    /// Every record of one analysis, captures included, in order. Damage to any of them is a
    /// fault: half an analysis is no evidence.
    pub fn records_of(&self, id: &AnalysisId) -> Result<Vec<(Seq, Record)>, Fault> {
        self.history_of(id).map(|(records, _)| records)
    }

    /// The same with the lowest semantics any of them was written under (A12); an unknown analysis
    /// has no records.
    pub fn history_of(&self, id: &AnalysisId) -> Result<(Vec<(Seq, Record)>, u32), Fault> {
        let rows = self.reading().rows_of(id)?;
        let semantics = rows.iter().map(|row| row.semantics).min();
        let records: Result<Vec<_>, Fault> = rows
            .iter()
            .map(|row| {
                row.record().map_err(|damage| {
                    Fault::new(
                        FaultKind::Damaged,
                        format!("record {} of analysis {id} is damaged: {damage}", row.seq),
                    )
                })
            })
            .collect();
        Ok((records?, semantics.unwrap_or(SEMANTICS)))
    }

    /// The analysis that a message is about, as far as the log has an attempt at it or its end.
    pub fn analysis_of(&self, message: &DeliveryId) -> Result<Option<AnalysisId>, Fault> {
        let found = self.reading().analysis_of(message.as_str())?;
        Ok(found.as_deref().and_then(AnalysisId::new))
    }

    /// Shows `each` the readable submissions and conclusions before a place of the log, in order.
    pub fn ends_before(&self, seq: Seq, mut each: impl FnMut(Seq, &Record)) -> Result<(), Fault> {
        self.reading().ends_before(seq.0, |row| {
            if let Ok((seq, record)) = row.record() {
                each(seq, &record);
            }
        })
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, sqlite::Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a paper durable in place of the one of its kind and name. Waits for the disk.
    pub fn keep(&self, paper: &Paper) -> Result<(), Fault> {
        self.papers().keep(paper)
    }

    /// Removes a paper, durably. Waits for the disk.
    pub fn remove(&self, kind: &str, name: &str) -> Result<(), Fault> {
        self.papers().remove(kind, name)
    }

    /// Every paper, the oldest first, and what is wrong with those that are damaged.
    pub fn all_papers(&self) -> Result<(Vec<Paper>, Vec<String>), Fault> {
        self.papers().all()
    }

    fn papers(&self) -> std::sync::MutexGuard<'_, papers::Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much was written, and how much waits.
    pub fn stats(&self) -> Stats {
        self.writer.stats()
    }

    /// Makes everything queued durable and closes the file. Every `done` has run afterwards.
    pub fn close(self) {
        drop(self);
    }
}
