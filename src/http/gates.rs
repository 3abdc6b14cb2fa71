//! The gates of Flagger's load tester, for scripts that call it: `/gate/approve`, `halt`, `check`,
//! `open`, `close` and `/rollback/check`, `open`, `close`, with its statuses and its words.
//!
//! They say what a person decided and nothing about an analysis. A gate is closed unless somebody
//! opened it, and it is kept in memory only: after a restart every gate is closed, so that none
//! stands open that nobody remembers. `checksum`, which the load tester does not read, opens a gate
//! for that version alone.

use super::Right;
use super::auth::Caller;
use super::body::{json_of_any_type, shape};
use super::flagger::{CHECKSUM_LEN_MAX, HOOK_LEN_MAX, text, wire::HookInput};
use super::office::Office;
use super::refused::{Code, Refused};
use super::routes::{Endpoint, TEXT, WRITE};
use crate::ids::NAME_LEN_MAX;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::post;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Gates that stand open at once; a further one is refused until one is closed.
const GATES_OPEN_MAX: usize = 10_000;

/// Two gates of each canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gate {
    /// Whether it may go on.
    Advance,
    /// Whether it is to go back.
    Rollback,
}

/// Which gate of which canary: kind, namespace, name.
type Key = (Gate, String, String);

/// The gates that stand open, each for one version or for all.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<BTreeMap<Key, Option<String>>>);

impl Gates {
    /// Opens it; whether there was room.
    fn open(&self, key: Key, version: Option<String>) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = open.len() < GATES_OPEN_MAX || open.contains_key(&key);
        if room {
            open.insert(key, version);
        }
        room
    }

    fn close(&self, key: &Key) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(key);
    }

    fn is_open(&self, key: &Key, version: &str) -> bool {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get(key) {
            Some(Some(only)) => only == version,
            Some(None) => true,
            None => false,
        }
    }
}

/// A line of the table. The words are the load tester's, so what is taken is any JSON object with
/// a name and a namespace, whatever type it is said to have.
const GATE: Endpoint = Endpoint {
    right: Some(Right::Read),
    takes: Some("HookInput"),
    content: TEXT,
    answers: &[(200, "open"), (403, "closed")],
    ..WRITE
};

const MOVED: &[(u16, &str)] = &[(202, "done")];

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/gate/approve",
        summary: "A gate that is always open",
        takes: None,
        answers: &[(200, "open")],
        handler: || post(|| async { text(StatusCode::OK, "OK") }),
        ..GATE
    },
    Endpoint {
        path: "/gate/halt",
        summary: "A gate that is always closed",
        takes: None,
        answers: &[(403, "closed")],
        handler: || post(|| async { forbidden() }),
        ..GATE
    },
    Endpoint {
        path: "/gate/check",
        summary: "Whether a canary's gate is open",
        handler: || post(|office, request| check(office, request, Gate::Advance)),
        ..GATE
    },
    Endpoint {
        path: "/gate/open",
        right: Some(Right::Override),
        summary: "Open a canary's gate until it is closed or the daemon restarts",
        answers: MOVED,
        handler: || post(|office, caller, request| open(office, caller, request, Gate::Advance)),
        ..GATE
    },
    Endpoint {
        path: "/gate/close",
        right: Some(Right::Submit),
        summary: "Close a canary's gate",
        answers: MOVED,
        handler: || post(|office, caller, request| close(office, caller, request, Gate::Advance)),
        ..GATE
    },
    Endpoint {
        path: "/rollback/check",
        summary: "Whether somebody asked for a canary's rollback",
        handler: || post(|office, request| check(office, request, Gate::Rollback)),
        ..GATE
    },
    Endpoint {
        path: "/rollback/open",
        right: Some(Right::Override),
        summary: "Ask for a canary's rollback, until it is closed or the daemon restarts",
        answers: MOVED,
        handler: || post(|office, caller, request| open(office, caller, request, Gate::Rollback)),
        ..GATE
    },
    Endpoint {
        path: "/rollback/close",
        right: Some(Right::Override),
        summary: "Take back the wish for a canary's rollback",
        answers: MOVED,
        handler: || post(|office, caller, request| close(office, caller, request, Gate::Rollback)),
        ..GATE
    },
];

fn forbidden() -> Response<Body> {
    text(StatusCode::FORBIDDEN, "Forbidden")
}

async fn check(
    State(office): State<Arc<Office>>,
    request: Request,
    gate: Gate,
) -> Result<Response<Body>, Refused> {
    let (key, version) = read(request, gate).await?;
    Ok(if office.gates.is_open(&key, &version) {
        text(StatusCode::OK, "Approved")
    } else {
        forbidden()
    })
}

async fn open(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    gate: Gate,
) -> Result<Response<Body>, Refused> {
    let (key, version) = read(request, gate).await?;
    let author = caller.author.as_deref().unwrap_or_default();
    tracing::info!(?key, version, author, "a gate is opened");
    let version = Some(version).filter(|version| !version.is_empty());
    if office.gates.open(key, version) {
        return Ok(text(StatusCode::ACCEPTED, ""));
    }
    let detail = format!("{GATES_OPEN_MAX} gates stand open, the limit; close some first");
    Err(Refused::new(Code::TooManyGates, detail))
}

async fn close(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    gate: Gate,
) -> Result<Response<Body>, Refused> {
    let (key, _) = read(request, gate).await?;
    let author = caller.author.as_deref().unwrap_or_default();
    tracing::info!(?key, author, "a gate is closed");
    office.gates.close(&key);
    Ok(text(StatusCode::ACCEPTED, ""))
}

/// The gate a body is about, and the version it names.
async fn read(request: Request, gate: Gate) -> Result<(Key, String), Refused> {
    let (parts, body) = request.into_parts();
    let bytes = json_of_any_type(&parts.headers, body, HOOK_LEN_MAX).await?;
    let input: HookInput = shape(&bytes)?;
    for (field, value) in [("name", &input.name), ("namespace", &input.namespace)] {
        if value.is_empty() || value.len() > NAME_LEN_MAX {
            let detail = format!("{field} must have 1 to {NAME_LEN_MAX} bytes; say which canary");
            return Err(Refused::new(Code::InvalidSubmission, detail));
        }
    }
    if input.checksum.len() > CHECKSUM_LEN_MAX {
        let detail = format!("checksum must have at most {CHECKSUM_LEN_MAX} bytes, or be left out");
        return Err(Refused::new(Code::InvalidSubmission, detail));
    }
    Ok(((gate, input.namespace, input.name), input.checksum))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn key(gate: Gate, name: &str) -> Key {
        (gate, "prod".to_owned(), name.to_owned())
    }

    #[test]
    fn a_gate_is_closed_unless_it_was_opened() {
        let gates = Gates::default();
        let shop = key(Gate::Advance, "shop");
        assert!(!gates.is_open(&shop, "v1"));
        assert!(gates.open(shop.clone(), None));
        assert!(gates.is_open(&shop, "v1") && gates.is_open(&shop, ""));
        assert!(!gates.is_open(&key(Gate::Rollback, "shop"), "v1"));
        assert!(!gates.is_open(&key(Gate::Advance, "cart"), "v1"));
        assert!(gates.open(shop.clone(), Some("v2".to_owned())));
        assert!(!gates.is_open(&shop, "v1") && gates.is_open(&shop, "v2"));
        gates.close(&shop);
        assert!(!gates.is_open(&shop, "v2"));
    }

    #[test]
    fn there_is_a_limit_and_it_opens_nothing() {
        let gates = Gates::default();
        for n in 0..GATES_OPEN_MAX {
            assert!(gates.open(key(Gate::Advance, &n.to_string()), None));
        }
        let more = key(Gate::Advance, "more");
        assert!(!gates.open(more.clone(), None) && !gates.is_open(&more, ""));
        assert!(
            gates.open(key(Gate::Advance, "7"), None),
            "it is open already"
        );
    }
}
