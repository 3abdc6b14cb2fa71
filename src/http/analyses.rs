//! Reading analyses: the list, one whole, and its verdict with a long poll.

use super::office::{Office, json};
use super::query::{Query, bad, shown};
use super::refused::{Code, Refused};
use super::wire::AnalysisList;
use crate::engine::verdict::Verdict;
use crate::engine::view::{Status, View};
use crate::ids::{AnalysisId, NAME_LEN_MAX};
use crate::wire::verdict::{PENDING, VerdictDocument};
use axum::body::Body;
use axum::extract::{Extension, FromRequestParts, Path, State};
use axum::http::Response;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use std::sync::Arc;

/// Analyses on a page when nothing is said.
pub(super) const PAGE_DEFAULT: usize = 50;

/// Analyses on a page at most; a larger wish is refused.
pub(super) const PAGE_MAX: usize = 500;

/// The words `?verdict=` takes.
const VERDICTS: [&str; 4] = [
    PENDING,
    Verdict::Promote.word(),
    Verdict::Rollback.word(),
    Verdict::Inconclusive.word(),
];

/// The words `?status=` takes.
const STATUSES: [&str; 3] = [
    Status::Waiting.word(),
    Status::Looking.word(),
    Status::Concluded.word(),
];

/// An analysis id of the path.
pub(crate) struct Id(pub(crate) AnalysisId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let text = segment(parts, state).await?;
        AnalysisId::new(&text).map(Self).ok_or_else(|| no_id(&text))
    }
}

/// The one variable segment of the path.
pub(crate) async fn segment<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<String, Refused> {
    match Path::<String>::from_request_parts(parts, state).await {
        Ok(Path(text)) => Ok(text),
        Err(_) => Err(no_id(parts.uri.path())),
    }
}

pub(crate) fn no_id(text: &str) -> Refused {
    let detail = format!(
        "{} is no identifier; it has 1 to {NAME_LEN_MAX} letters, digits or ._-:/@",
        shown(text)
    );
    Refused::new(Code::InvalidId, detail)
}

/// An answer of 200 with a shape as JSON.
pub(crate) fn ok<T: serde::Serialize>(shape: &T) -> Response<Body> {
    ([(CONTENT_TYPE, "application/json")], json(shape)).into_response()
}

/// `GET /v1/analyses`: newest first.
pub(crate) async fn list(
    State(office): State<Arc<Office>>,
    Extension(query): Extension<Query>,
) -> Result<Response<Body>, Refused> {
    let verdict = query.word("verdict", &VERDICTS)?;
    let status = query.word("status", &STATUSES)?;
    let service = query.get("service");
    let limit = query.count("limit", PAGE_DEFAULT, PAGE_MAX)?;
    let after = query
        .get("after")
        .map(|text| AnalysisId::new(text).ok_or(text))
        .transpose();
    let after = after.map_err(|text| bad("after", &format!("{} is no analysis", shown(text))))?;
    let wanted = |view: &&Arc<View>| {
        after.as_ref().is_none_or(|after| view.id < *after)
            && status.is_none_or(|word| view.status.word() == word)
            && service.is_none_or(|name| view.plan.rollout.deploy.service == name)
            && verdict.is_none_or(|word| verdict_word(view) == word)
    };
    let all = office.desk.readings.all();
    let mut found = all.iter().rev().filter(wanted);
    let page: Vec<&Arc<View>> = found.by_ref().take(limit).collect();
    let next = found
        .next()
        .and(page.last())
        .map(|view| view.id.to_string());
    let analyses = page
        .iter()
        .map(|view| VerdictDocument::from_view(view, false))
        .collect();
    Ok(ok(&AnalysisList { analyses, next }))
}

fn verdict_word(view: &View) -> &'static str {
    view.conclusion
        .as_ref()
        .map_or(PENDING, |conclusion| conclusion.verdict.word())
}

/// `GET /v1/analyses/{id}`: everything.
pub(crate) async fn one(
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Response<Body>, Refused> {
    let view = office.view(&id)?;
    Ok(ok(&VerdictDocument::from_view(&view, true)))
}
