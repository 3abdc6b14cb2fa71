//! Somebody, or something, takes note of a verdict.

use super::analyses::{Id, ok};
use super::auth::Caller;
use super::body::shape;
use super::decisions::{NOBODY, author, read, refuse};
use super::office::{Office, accepted};
use super::refused::Refused;
use super::wire::NoteInput;
use crate::http::Ask;
use crate::wire::verdict::VerdictDocument;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::Response;
use std::sync::Arc;

/// Who it is that asks.
pub(super) async fn who(
    office: &Office,
    caller: &Caller,
    request: Request,
) -> Result<String, Refused> {
    let input: NoteInput = shape(&read(office, request).await?)?;
    let mut faults = Vec::new();
    let name = author(caller, input.author.as_deref(), &mut faults);
    refuse(faults)?;
    Ok(name.unwrap_or_else(|| NOBODY.to_owned()))
}

/// `POST /v1/analyses/{id}/acknowledge`: the first one counts, later ones change nothing.
pub(crate) async fn acknowledge(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let author = who(&office, &caller, request).await?;
    let asked = id.clone();
    let question = |reply| Ask::Acknowledge {
        id: asked,
        author,
        reply,
    };
    let (view, _) = accepted(&id, office.ask(question).await?)?;
    Ok(ok(&VerdictDocument::from_view(&view, false)))
}
