//! What controllers said of rollouts: kept in memory since the start, and written to the log.
//!
//! No verdict hangs on it. What it is used for at the gates errs on the safe side when it is lost
//! with a restart: a version that comes back is then analysed again no later than a day after its
//! last verdict, and at once where there is a `pre-rollout` hook.

use super::wire::OutcomeDocument;
use crate::ids::DeployId;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Notes that are kept; beyond, the oldest goes.
const NOTES_MAX: usize = 256;

/// Rollouts of which is known that they ended; beyond, the one that ended first is forgotten. As
/// many as there are concluded analyses in memory.
const ENDED_MAX: usize = 10_000;

/// Characters of a note's text; a longer one is cut. The longest name of a Kubernetes object fits.
const NOTE_TEXT_LEN_MAX: usize = 253;

/// Entries of a note's metadata; further ones are left out. What people write by hand has a few.
const NOTE_METADATA_MAX: usize = 32;

/// What was said.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    notes: VecDeque<OutcomeDocument>,
    ended: BTreeMap<DeployId, Timestamp>,
    /// The same, the first that ended in front.
    by_end: BTreeSet<(Timestamp, DeployId)>,
}

impl Notes {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a note, cut to what is kept of one; that is what may go into the log as well.
    pub(crate) fn add(&self, note: OutcomeDocument) -> OutcomeDocument {
        let note = cut(note);
        let mut kept = self.kept();
        if kept.notes.len() >= NOTES_MAX {
            kept.notes.pop_front();
        }
        kept.notes.push_back(note.clone());
        note
    }

    /// The rollout ended at `at`.
    pub(crate) fn end(&self, id: DeployId, at: Timestamp) {
        let mut kept = self.kept();
        if let Some(before) = kept.ended.remove(&id) {
            kept.by_end.remove(&(before, id.clone()));
        } else if kept.ended.len() >= ENDED_MAX
            && let Some((_, first)) = kept.by_end.pop_first()
        {
            kept.ended.remove(&first);
        }
        kept.by_end.insert((at, id.clone()));
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

/// What is kept of a note: whoever may send one must not fill the memory with it.
fn cut(note: OutcomeDocument) -> OutcomeDocument {
    let metadata = note.metadata.into_iter().take(NOTE_METADATA_MAX);
    OutcomeDocument {
        rollout: short(note.rollout),
        said: short(note.said),
        binding: short(note.binding),
        metadata: metadata.map(|(k, v)| (short(k), short(v))).collect(),
        ..note
    }
}

fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(NOTE_TEXT_LEN_MAX) {
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn id(n: usize) -> DeployId {
        DeployId::new(&format!("d-{n}")).unwrap()
    }

    #[test]
    fn a_note_is_cut() {
        let long = "ä".repeat(1000);
        let metadata = (0..100).map(|n| (format!("{n:03}{long}"), long.clone()));
        let notes = Notes::default();
        let kept = notes.add(OutcomeDocument {
            at: String::new(),
            caller: "flagger".to_owned(),
            kind: "event".to_owned(),
            binding: long.clone(),
            rollout: long.clone(),
            said: long.clone(),
            analysis: None,
            verdict: None,
            metadata: metadata.collect(),
        });
        assert_eq!(kept.metadata.len(), NOTE_METADATA_MAX);
        let texts = [&kept.binding, &kept.rollout, &kept.said];
        let entries = kept.metadata.iter().flat_map(|(k, v)| [k, v]);
        for text in texts.into_iter().chain(entries) {
            assert_eq!(text.chars().count(), NOTE_TEXT_LEN_MAX);
        }
        assert_eq!(notes.newest_first(), [kept]);
    }

    #[test]
    fn the_rollout_that_ended_first_is_forgotten_first() {
        let notes = Notes::default();
        for n in 0..ENDED_MAX {
            notes.end(id(n), Timestamp::from_s(i64::try_from(n).unwrap()));
        }
        notes.end(id(0), Timestamp::from_s(20_000)); // again
        notes.end(id(ENDED_MAX), Timestamp::from_s(20_001));
        assert_eq!(notes.ended(&id(0)), Some(Timestamp::from_s(20_000)));
        assert_eq!(notes.ended(&id(1)), None);
        assert_eq!(notes.ended(&id(2)), Some(Timestamp::from_s(2)));
        let kept = notes.kept();
        assert_eq!(
            (kept.ended.len(), kept.by_end.len()),
            (ENDED_MAX, ENDED_MAX)
        );
    }
}
