//! The writer: one thread that commits whatever has queued up as one transaction, because the
//! disk takes about as long for a hundred records as for one.

use crate::engine::record::{Record, Seq};
use crate::store::{Fault, FaultKind, Log, Row};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Appends that may wait; one more is answered with [`FaultKind::Backlog`] at once.
pub const QUEUE_MAX: usize = 4096;

/// Bytes of bodies in one transaction, one append more or less; what queued up beyond them goes
/// into the next one. It bounds the memory of a group, not its speed.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Told when records are durable, or why not.
pub type Done = Box<dyn FnOnce(Result<Seq, Fault>) + Send>;

/// How much was written, and how much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions that were committed.
    pub commits: u64,
    /// Records in them, repeats included.
    pub records: u64,
    /// Appends that failed.
    pub failed: u64,
    /// Appends in the queue.
    pub waiting: u64,
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    records: AtomicU64,
    failed: AtomicU64,
    waiting: AtomicU64,
}

struct Append {
    records: Vec<(Seq, Record)>,
    done: Done,
}

/// An append as rows.
struct Encoded {
    rows: Vec<Row>,
    done: Done,
}

impl Encoded {
    fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row.body.len()).sum()
    }
}

impl From<Append> for Encoded {
    fn from(append: Append) -> Self {
        let row = |(seq, record): &(Seq, Record)| Row::new(*seq, record);
        Self {
            rows: append.records.iter().map(row).collect(),
            done: append.done,
        }
    }
}

/// The thread and the queue before it.
#[derive(Debug)]
pub struct Writer {
    queue: Option<SyncSender<Append>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the thread on a log whose last record stands at `last`.
    pub fn start(log: impl Log + 'static, last: Seq) -> Result<Self, Fault> {
        let (queue, appends) = sync_channel(QUEUE_MAX);
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let mut committer = Committer {
                    log,
                    last: last.0,
                    counters: shared,
                };
                committer.run(&appends);
            })
            .map_err(|fault| {
                let message = format!("store: its writer cannot be started: {fault}; free memory");
                Fault::new(FaultKind::Io, message)
            })?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            counters,
        })
    }

    /// See [`crate::store::Store::append`].
    pub fn append(&self, records: Vec<(Seq, Record)>, done: Done) {
        let Some(queue) = &self.queue else { return };
        self.counters.waiting.fetch_add(1, Ordering::Relaxed);
        let (append, fault) = match queue.try_send(Append { records, done }) {
            Ok(()) => return,
            Err(TrySendError::Full(append)) => (
                append,
                Fault::new(
                    FaultKind::Backlog,
                    format!("store: {QUEUE_MAX} appends wait for the disk already; append again"),
                ),
            ),
            Err(TrySendError::Disconnected(append)) => (
                append,
                Fault::new(FaultKind::Io, "store: its writer has stopped; restart"),
            ),
        };
        self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        (append.done)(Err(fault));
    }

    /// How much was written, and how much waits.
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&self.counters.commits),
            records: read(&self.counters.records),
            failed: read(&self.counters.failed),
            waiting: read(&self.counters.waiting),
        }
    }
}

impl Drop for Writer {
    /// Everything queued is committed, and every `done` has run.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic on the thread has been reported there; there is nothing left to flush.
            let _ = thread.join();
        }
    }
}

struct Committer<L> {
    log: L,
    /// The last durable place.
    last: u64,
    counters: Arc<Counters>,
}

impl<L: Log> Committer<L> {
    fn run(&mut self, appends: &Receiver<Append>) {
        while let Ok(first) = appends.recv() {
            let mut group = vec![Encoded::from(first)];
            let mut bytes = group.iter().map(Encoded::bytes).sum::<usize>();
            while bytes < GROUP_BYTES_MAX
                && let Ok(next) = appends.try_recv()
            {
                let next = Encoded::from(next);
                bytes += next.bytes();
                group.push(next);
            }
            let waiting = u64::try_from(group.len()).unwrap_or(u64::MAX);
            self.counters.waiting.fetch_sub(waiting, Ordering::Relaxed);
            self.group(group);
        }
    }

    /// Commits all of a group at once. A conflict is one append's own fault: then each is tried
    /// alone, so that the others do not suffer for it.
    fn group(&mut self, group: Vec<Encoded>) {
        let mut rows = Vec::new();
        let mut accepted = Vec::new();
        let mut end = self.last;
        for Encoded { rows: own, done } in group {
            match place(&own, end) {
                Ok(after) => {
                    end = after;
                    let start = rows.len();
                    rows.extend(own);
                    accepted.push((start..rows.len(), done));
                }
                Err(fault) => self.refuse(done, fault),
            }
        }
        match self.commit(&rows) {
            Ok(()) => {
                for (range, done) in accepted {
                    let own = rows.get(range).unwrap_or_default();
                    tell(done, Ok(Seq(own.last().map_or(self.last, |row| row.seq))));
                }
            }
            Err(fault) if fault.kind == FaultKind::Conflict && accepted.len() > 1 => {
                for (range, done) in accepted {
                    self.alone(rows.get(range).unwrap_or_default(), done);
                }
            }
            Err(fault) => {
                for (_, done) in accepted {
                    self.refuse(done, fault.clone());
                }
            }
        }
    }

    fn alone(&mut self, rows: &[Row], done: Done) {
        let placed = place(rows, self.last);
        match placed.and_then(|_| self.commit(rows)) {
            Ok(()) => tell(done, Ok(Seq(rows.last().map_or(self.last, |row| row.seq)))),
            Err(fault) => self.refuse(done, fault),
        }
    }

    fn commit(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let Some(last) = rows.iter().map(|row| row.seq).max() else {
            return Ok(());
        };
        self.log.commit(rows)?;
        self.last = self.last.max(last);
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.records.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    fn refuse(&self, done: Done, fault: Fault) {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        tell(done, Err(fault));
    }
}

/// Answers one append. A panic in there was reported by the panic hook; it must not take the
/// thread away from all other analyses (A11).
fn tell(done: Done, result: Result<Seq, Fault>) {
    let _ = catch_unwind(AssertUnwindSafe(|| done(result)));
}

/// Where the log ends after `records`, if they leave no hole after `end`. "All records up to and
/// including this one are durable" is what the engine hears, so a hole must never come to be.
fn place(rows: &[Row], mut end: u64) -> Result<u64, Fault> {
    for row in rows {
        if row.seq == 0 || row.seq > end + 1 {
            return Err(hole(row.seq, end));
        }
        end = end.max(row.seq);
    }
    Ok(end)
}

fn hole(seq: u64, end: u64) -> Fault {
    Fault::new(
        FaultKind::OutOfOrder,
        format!(
            "store: record {seq} cannot follow record {end}; append from {} on",
            end + 1
        ),
    )
}
