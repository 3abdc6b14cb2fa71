//! A person steps in: cancel and override. Both are records with an author and a reason.

use super::analyses::{Id, ok};
use super::auth::Caller;
use super::body::{invalid, json_bytes, shape};
use super::office::{Office, accepted};
use super::query::shown;
use super::refused::Refused;
use super::wire::{CancelInput, OverrideInput};
use crate::engine::verdict::Verdict;
use crate::http::Ask;
use crate::ids::NAME_LEN_MAX;
use crate::wire::problem::FieldProblem;
use crate::wire::submission::TEXT_LEN_MAX;
use crate::wire::verdict::VerdictDocument;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request, State};
use axum::http::Response;
use std::sync::Arc;

/// The author when nobody has to show a credential and a cancellation names none.
pub(super) const NOBODY: &str = "anonymous";

/// Bytes of a decision's body; a larger one is refused.
const DECISION_LEN_MAX: usize = 16 * 1024;

/// `POST /v1/analyses/{id}/cancel`
pub(crate) async fn cancel(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let input: CancelInput = shape(&read(&office, request).await?)?;
    let mut faults = Vec::new();
    let reason = reason(&input.reason, &mut faults);
    let author = author(&caller, input.author.as_deref(), &mut faults);
    refuse(faults)?;
    let author = author.unwrap_or_else(|| NOBODY.to_owned());
    let asked = id.clone();
    let question = |reply| Ask::Cancel {
        id: asked,
        author,
        reason,
        reply,
    };
    let (view, _) = accepted(&id, office.ask(question).await?)?;
    Ok(ok(&VerdictDocument::from_view(&view, false)))
}

/// `POST /v1/analyses/{id}/override`
pub(crate) async fn instead(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let input: OverrideInput = shape(&read(&office, request).await?)?;
    let mut faults = Vec::new();
    let reason = reason(&input.reason, &mut faults);
    let author = author(&caller, input.author.as_deref(), &mut faults);
    let verdict = Verdict::from_word(&input.verdict);
    if verdict.is_none() {
        let why = format!(
            "{} is none of promote, rollback, inconclusive",
            shown(&input.verdict)
        );
        faults.push(FieldProblem::new("verdict", why));
    }
    if author.is_none() && faults.is_empty() {
        let why = "it is missing, and no credential says who decides; give a name";
        faults.push(FieldProblem::new("author", why));
    }
    refuse(faults)?;
    let (Some(verdict), Some(author)) = (verdict, author) else {
        return Err(invalid(Vec::new()));
    };
    let asked = id.clone();
    let question = |reply| Ask::Override {
        id: asked,
        verdict,
        author,
        reason,
        reply,
    };
    let (view, _) = accepted(&id, office.ask(question).await?)?;
    Ok(ok(&VerdictDocument::from_view(&view, false)))
}

pub(super) async fn read(office: &Office, request: Request) -> Result<Bytes, Refused> {
    let (parts, body) = request.into_parts();
    let limit = DECISION_LEN_MAX.min(office.desk.limits.body_bytes_max);
    json_bytes(&parts.headers, body, limit).await
}

pub(super) fn refuse(faults: Vec<FieldProblem>) -> Result<(), Refused> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(invalid(faults))
    }
}

/// The credential's author; the body's where there are no credentials.
pub(super) fn author(
    caller: &Caller,
    written: Option<&str>,
    faults: &mut Vec<FieldProblem>,
) -> Option<String> {
    let written = written.map(str::trim);
    if let Some(known) = &caller.author {
        if written.is_some_and(|name| name != known) {
            let why = format!("the credential belongs to {known}; leave it out");
            faults.push(FieldProblem::new("author", why));
        }
        return Some(known.clone());
    }
    let name = written?;
    if name.is_empty() || name.len() > NAME_LEN_MAX || name.chars().any(char::is_control) {
        let why = format!("it must have 1 to {NAME_LEN_MAX} bytes and no control characters");
        faults.push(FieldProblem::new("author", why));
    }
    Some(name.to_owned())
}

/// The reason stands in the decision log and in sentences, so it is one line that says something.
pub(super) fn reason(text: &str, faults: &mut Vec<FieldProblem>) -> String {
    let text = text.trim();
    let why = if text.is_empty() {
        "it is missing; say why, for those who read the decision log"
    } else if text.chars().any(char::is_control) {
        "it holds a control character; write one line"
    } else if text.len() > TEXT_LEN_MAX {
        &format!("it has {} bytes, the limit is {TEXT_LEN_MAX}", text.len())
    } else {
        return text.to_owned();
    };
    faults.push(FieldProblem::new("reason", why));
    text.to_owned()
}
