//! `GET /v1/analyses/{id}/report`, `.html` and `.svg`: what an analysis said, for people, from its
//! published state and the records in the log.

use super::Ask;
use super::analyses::{Id, ok};
use super::office::{Office, RETRY_S};
use super::query::{Query, bad, shown};
use super::refused::{Code, Refused};
use crate::ids::AnalysisId;
use crate::report;
use crate::wire::report::ReportDocument;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::Response;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use std::sync::Arc;

/// Reports in the making at once; further requests wait. Each holds all samples of its analysis.
pub(super) const REPORTS_AT_ONCE_MAX: usize = 2;

const HTML_TYPE: &str = "text/html; charset=utf-8";

/// The type of SVG, as registered with IANA.
pub(super) const SVG_TYPE: &str = "image/svg+xml";

/// A picture is only looked at: nothing is loaded, and only its own style applies.
const SVG_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// `GET /v1/analyses/{id}/report`: what the others are made from.
pub(crate) async fn document(
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Response<Body>, Refused> {
    made(&office, id, |report| ok(&report)).await
}

/// `GET /v1/analyses/{id}/report.html`
pub(crate) async fn page(
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Response<Body>, Refused> {
    let answer = |report: ReportDocument| {
        let head = [
            (CONTENT_TYPE, HTML_TYPE.to_owned()),
            (CONTENT_SECURITY_POLICY, report::policy()),
        ];
        (head, report::html(&report)).into_response()
    };
    made(&office, id, answer).await
}

/// `GET /v1/analyses/{id}/report.svg`
pub(crate) async fn picture(
    State(office): State<Arc<Office>>,
    Extension(query): Extension<Query>,
    Id(id): Id,
) -> Result<Response<Body>, Refused> {
    let metric = query.get("metric").map(str::to_owned);
    let name = metric.clone();
    let answer = move |report: ReportDocument| {
        let picture = report::svg(&report, metric.as_deref())?;
        let head = [
            (CONTENT_TYPE, SVG_TYPE),
            (CONTENT_SECURITY_POLICY, SVG_POLICY),
        ];
        Some((head, picture).into_response())
    };
    made(&office, id, answer).await?.ok_or_else(|| {
        let name = shown(name.as_deref().unwrap_or_default());
        bad("metric", &format!("{name} is no metric that was judged"))
    })
}

/// The report of an analysis, turned into an answer on the pool for blocking work: a day of
/// samples takes tens of milliseconds.
async fn made<T: Send + 'static>(
    office: &Office,
    id: AnalysisId,
    answer: impl FnOnce(ReportDocument) -> T + Send + 'static,
) -> Result<T, Refused> {
    let view = office.view(&id)?;
    let Ok(_place) = office.reports.acquire().await else {
        return Err(failed(&id, "its place is closed"));
    };
    let asked = id.clone();
    let records = office
        .ask(|reply| Ask::Records { id: asked, reply })
        .await?
        .map_err(|message| {
            tracing::warn!(analysis = %id, why = %message, "records could not be read");
            let detail = format!("the records of analysis {id} cannot be read at present");
            Refused::new(Code::StoreUnavailable, detail).retry_after(RETRY_S)
        })?;
    let work = move || answer(ReportDocument::of_analysis(&view, &records));
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|fault| failed(&id, &fault.to_string()))
}

fn failed(id: &AnalysisId, why: &str) -> Refused {
    tracing::error!(analysis = %id, %why, "a report could not be made");
    let detail = "a mistake of the daemon's; its log holds the request id of this answer";
    Refused::new(Code::Internal, detail)
}
