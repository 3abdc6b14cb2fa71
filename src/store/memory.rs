//! A log in memory, which fails on request: what simulations and tests run on.

use crate::store::{Fault, FaultKind, Log, Row};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A log in memory. Clones share it: one end is given to a writer that is then "killed", the
/// other shows what had become durable.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<u64, Row>,
    commits: u64,
    faults: VecDeque<FaultKind>,
    crashed: bool,
}

impl MemoryLog {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next commit that has no fault ahead of it fails like this, and leaves nothing behind.
    pub fn fail_next(&self, kind: FaultKind) {
        self.state().faults.push_back(kind);
    }

    /// From now on nothing becomes durable, as after a kill.
    pub fn crash(&self) {
        self.state().crashed = true;
    }

    /// Takes commits again, with the rows that were durable at the crash.
    pub fn restart(&self) {
        self.state().crashed = false;
    }

    /// All durable rows, in order.
    pub fn rows(&self) -> Vec<Row> {
        self.state().rows.values().cloned().collect()
    }

    /// How many commits have succeeded.
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    fn commit(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let mut state = self.state();
        if state.crashed {
            let message = "store in memory: it has crashed; restart it";
            return Err(Fault::new(FaultKind::Io, message));
        }
        if let Some(kind) = state.faults.pop_front() {
            let message = "store in memory: this commit was asked to fail";
            return Err(Fault::new(kind, message));
        }
        if let Some(row) = rows
            .iter()
            .find(|row| state.rows.get(&row.seq).is_some_and(|old| !old.same(row)))
        {
            return Err(conflict("in memory", row.seq));
        }
        for row in rows {
            state.rows.entry(row.seq).or_insert_with(|| row.clone());
        }
        state.commits += 1;
        Ok(())
    }
}

/// Another record stands at `seq`.
pub(super) fn conflict(store: &str, seq: u64) -> Fault {
    Fault::new(
        FaultKind::Conflict,
        format!(
            "store {store}: a different record stands at {seq} already; \
             stop this daemon, the file belongs to another history"
        ),
    )
}
