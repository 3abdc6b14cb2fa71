//! What was made of papers and verdicts once is not made again at the next question: papers as
//! JSON values, and answers that do not change any more.
//!
//! Nothing here has to be thrown away by hand: each entry knows the paper it was made of, and one
//! of another paper is not found.

use crate::http::papers::Paper;
use crate::ids::AnalysisId;
use axum::body::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the texts of one kind whose values are kept; beyond, those of the smallest names are
/// read anew when somebody asks. A value is a few times as large as its text; a thousand texts of
/// 8 KiB fit.
const PARSED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of answers that are kept, as text; beyond, the oldest is made again when somebody asks. An
/// answer has a kilobyte for each metric and its config, so two thousand of them fit.
const ANSWERS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Everything that is kept.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    parsed: Mutex<BTreeMap<String, Shelf<Parsed>>>,
    answers: Mutex<Shelf<Answer>>,
}

#[derive(Clone, Debug)]
struct Parsed {
    paper: Arc<Paper>,
    value: Arc<Value>,
}

/// An answer that stands.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// What it was made of, besides a verdict.
    pub(super) paper: Option<Arc<Paper>>,
    /// Nothing about it changes any more, or nothing before `until`.
    pub(super) stands: bool,
    /// Until this analysis has ended; for ever without.
    pub(super) until: Option<AnalysisId>,
    pub(super) document: Arc<Value>,
    /// The document as text.
    pub(super) text: Bytes,
}

impl Answer {
    pub(super) fn new(paper: Option<Arc<Paper>>, document: Value) -> Self {
        Self {
            paper,
            stands: true,
            until: None,
            text: document.to_string().into(),
            document: Arc::new(document),
        }
    }
}

impl Memory {
    /// A paper as a value; `None` when it is none.
    pub(super) fn value(&self, paper: &Arc<Paper>) -> Option<Arc<Value>> {
        let shelf = |parsed: &Parsed| Arc::ptr_eq(&parsed.paper, paper);
        let known = open(&self.parsed)
            .get(&paper.kind)
            .and_then(|of_kind| of_kind.get(&paper.name))
            .filter(|parsed| shelf(parsed))
            .map(|parsed| parsed.value.clone());
        if known.is_some() {
            return known;
        }
        let value = Arc::new(serde_json::from_str::<Value>(&paper.body).ok()?);
        let parsed = Parsed {
            paper: paper.clone(),
            value: value.clone(),
        };
        let mut kinds = open(&self.parsed);
        let of_kind = kinds.entry(paper.kind.clone()).or_default();
        of_kind.put(&paper.name, parsed, paper.body.len(), PARSED_BYTES_MAX);
        Some(value)
    }

    /// The answer about `id`, if it was made of this paper.
    pub(super) fn answer(&self, id: &str, paper: Option<&Arc<Paper>>) -> Option<Answer> {
        let answers = open(&self.answers);
        let known = answers.get(id)?;
        let same = match (&known.paper, paper) {
            (Some(known), Some(paper)) => Arc::ptr_eq(known, paper),
            (None, None) => true,
            _ => false,
        };
        same.then(|| known.clone())
    }

    pub(super) fn keep(&self, id: &str, answer: Answer) {
        let bytes = answer.text.len();
        open(&self.answers).put(id, answer, bytes, ANSWERS_BYTES_MAX);
    }
}

fn open<T>(locked: &Mutex<T>) -> MutexGuard<'_, T> {
    locked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Things by name, up to a number of bytes. Names of executions sort by time.
#[derive(Debug)]
struct Shelf<T> {
    by_name: BTreeMap<String, (T, usize)>,
    bytes: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            by_name: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl<T> Shelf<T> {
    fn get(&self, name: &str) -> Option<&T> {
        self.by_name.get(name).map(|(thing, _)| thing)
    }

    fn put(&mut self, name: &str, thing: T, bytes: usize, most: usize) {
        let old = self.by_name.insert(name.to_owned(), (thing, bytes));
        self.bytes = self.bytes.saturating_sub(old.map_or(0, |(_, bytes)| bytes)) + bytes;
        while self.bytes > most
            && let Some((_, (_, bytes))) = self.by_name.pop_first()
        {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;
    use crate::time::Timestamp;
    use serde_json::json;

    fn paper(body: &str) -> Arc<Paper> {
        Arc::new(Paper {
            kind: "kind".to_owned(),
            name: "name".to_owned(),
            at: Timestamp::from_ms(0),
            body: body.into(),
        })
    }

    #[test]
    fn a_paper_is_read_once_and_again_when_it_was_replaced() {
        let memory = Memory::default();
        let first = paper("{\"a\":1}");
        let value = memory.value(&first).unwrap();
        assert!(Arc::ptr_eq(&value, &memory.value(&first).unwrap()));
        assert_eq!(*memory.value(&paper("{\"a\":2}")).unwrap(), json!({"a": 2}));
        assert!(memory.value(&paper("{")).is_none());
        let answer = Answer::new(Some(first.clone()), json!({"a": 1}));
        memory.keep("x", answer);
        assert_eq!(memory.answer("x", Some(&first)).unwrap().text, "{\"a\":1}");
        assert!(memory.answer("x", Some(&paper("{\"a\":1}"))).is_none());
        assert!(memory.answer("x", None).is_none() && memory.answer("y", None).is_none());
    }

    #[test]
    fn a_shelf_holds_no_more_than_its_bytes() {
        let mut shelf = Shelf::default();
        for name in ["a", "b", "c", "b"] {
            shelf.put(name, name, 40, 100);
        }
        assert_eq!((shelf.get("a"), shelf.bytes), (None, 80));
        assert_eq!((shelf.get("b"), shelf.get("c")), (Some(&"b"), Some(&"c")));
        shelf.put("d", "d", 200, 100);
        assert_eq!((shelf.get("d"), shelf.bytes), (None, 0));
    }
}
