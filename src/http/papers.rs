//! What callers have us keep, such as a canary config: in memory for readers, durable before
//! anybody hears of it (A3).

use super::Ask;
use super::office::{Office, RETRY_S};
use super::refused::{Code, Refused};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of all papers together; a paper beyond is refused, unless older ones of its kind can be
/// forgotten. Five thousand executions with a config of 50 KiB each; all of them are in memory.
pub(crate) const PAPERS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// One paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// What it is; each kind has one owner.
    pub kind: String,
    /// Unique in its kind.
    pub name: String,
    /// When it was kept.
    pub at: Timestamp,
    /// Its text.
    pub body: Arc<str>,
}

/// What is to become of a paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Keep it in place of the one of its kind and name.
    Keep(Arc<Paper>),
    /// Keep it no longer.
    Remove(Arc<Paper>),
}

/// The papers of one kind, by name.
type OfKind = BTreeMap<String, Arc<Paper>>;

/// The papers there are, by kind and name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Papers(Arc<RwLock<Cabinet>>);

#[derive(Debug, Default)]
struct Cabinet {
    kinds: BTreeMap<String, OfKind>,
    /// Of all bodies.
    bytes: usize,
}

impl Papers {
    /// Lets readers see a change.
    pub fn apply(&self, change: &Change) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (Change::Keep(paper) | Change::Remove(paper)) = change;
        let of_kind = all.kinds.entry(paper.kind.clone()).or_default();
        let (before, after) = match change {
            Change::Keep(paper) => (
                of_kind.insert(paper.name.clone(), paper.clone()),
                paper.body.len(),
            ),
            Change::Remove(paper) => (of_kind.remove(&paper.name), 0),
        };
        let before = before.map_or(0, |paper| paper.body.len());
        all.bytes = all.bytes.saturating_sub(before) + after;
    }

    /// One paper.
    pub fn get(&self, kind: &str, name: &str) -> Option<Arc<Paper>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.kinds.get(kind)?.get(name).cloned()
    }

    /// All of a kind, by name.
    pub fn of_kind(&self, kind: &str) -> Vec<Arc<Paper>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_kind = all.kinds.get(kind).into_iter().flat_map(BTreeMap::values);
        of_kind.cloned().collect()
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: &str) -> usize {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.kinds.get(kind).map_or(0, BTreeMap::len)
    }

    /// How many bytes all of them have.
    pub fn bytes(&self) -> usize {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.bytes
    }
}

/// Keeps a paper; it is durable and can be read afterwards.
pub(crate) async fn keep(office: &Office, paper: Paper) -> Result<(), Refused> {
    changed(office, Change::Keep(Arc::new(paper))).await
}

/// Keeps a paper no longer.
pub(crate) async fn remove(office: &Office, paper: Arc<Paper>) -> Result<(), Refused> {
    changed(office, Change::Remove(paper)).await
}

async fn changed(office: &Office, change: Change) -> Result<(), Refused> {
    let written = office.ask(|reply| Ask::Paper { change, reply }).await?;
    written.map_err(|why| {
        tracing::error!(%why, "a paper cannot be written");
        let detail = "nothing was recorded; repeat the request when the store can be written";
        Refused::new(Code::StoreUnavailable, detail).retry_after(RETRY_S)
    })
}
