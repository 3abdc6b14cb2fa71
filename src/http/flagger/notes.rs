//! What controllers said of rollouts: kept in memory since the start, and written to the log.
//!
//! No verdict hangs on it. What it is used for at the gates errs on the safe side when it is lost
//! with a restart: a version that comes back is then analysed again no later than a day after its
//! last verdict, and at once where there is a `pre-rollout` hook.

use super::wire::OutcomeDocument;
use crate::ids::DeployId;
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Notes that are kept; beyond, the oldest goes.
const NOTES_MAX: usize = 256;

/// Rollouts of which is known that they ended; beyond, the one that ended first is forgotten. As
/// many as there are concluded analyses in memory.
const ENDED_MAX: usize = 10_000;

/// What was said.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    notes: VecDeque<OutcomeDocument>,
    ended: BTreeMap<DeployId, Timestamp>,
}

impl Notes {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a note.
    pub(crate) fn add(&self, note: OutcomeDocument) {
        let mut kept = self.kept();
        if kept.notes.len() >= NOTES_MAX {
            kept.notes.pop_front();
        }
        kept.notes.push_back(note);
    }

    /// The rollout ended at `at`.
    pub(crate) fn end(&self, id: DeployId, at: Timestamp) {
        let mut kept = self.kept();
        if kept.ended.len() >= ENDED_MAX && !kept.ended.contains_key(&id) {
            let first = kept.ended.iter().min_by_key(|(_, at)| **at);
            if let Some(first) = first.map(|(id, _)| id.clone()) {
                kept.ended.remove(&first);
            }
        }
        kept.ended.insert(id, at);
    }

    /// When the rollout last ended.
    pub(crate) fn ended(&self, id: &DeployId) -> Option<Timestamp> {
        self.kept().ended.get(id).copied()
    }

    /// Every note.
    pub(crate) fn newest_first(&self) -> Vec<OutcomeDocument> {
        self.kept().notes.iter().rev().cloned().collect()
    }
}
