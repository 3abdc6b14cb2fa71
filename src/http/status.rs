//! How the daemon itself is: health, readiness, metrics, and what it answers where there is
//! nothing.

use super::Right;
use super::analyses::ok;
use super::office::Office;
use super::query::shown;
use super::refused::{Code, Refused};
use super::routes;
use super::wire::{ReadyDocument, Reason};
use crate::diagnostic::closest;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

/// The text format of Prometheus, version 0.0.4.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const TEXT_TYPE: &str = "text/plain; charset=utf-8";

const INDEX: &str = "\
haldane judges canaries against their baseline

GET  /openapi.json                the API, described
POST /v1/analyses                 submit a rollout
GET  /v1/analyses                 what is and was under way
GET  /v1/analyses/{id}/verdict    promote, rollback, inconclusive or pending
POST /v1/judge                    judge a window once
GET  /v1/templates                what can be submitted
GET  /metrics  /healthz  /readyz  how this daemon is

docs/http-api.md has every endpoint, right, limit and error code
";

/// `GET /`
pub(crate) async fn index() -> Response<Body> {
    ([(CONTENT_TYPE, TEXT_TYPE)], INDEX).into_response()
}

/// `GET /healthz`: the process answers, and that is all it says.
pub(crate) async fn healthz() -> Response<Body> {
    ([(CONTENT_TYPE, TEXT_TYPE)], "ok").into_response()
}

/// `GET /metrics`
pub(crate) async fn metrics(State(office): State<Arc<Office>>) -> Response<Body> {
    ([(CONTENT_TYPE, METRICS_TYPE)], (office.desk.metrics)()).into_response()
}

/// `GET /openapi.json`
pub(crate) async fn document() -> Response<Body> {
    ok(&super::openapi::document())
}

/// `GET /readyz`: open to everybody, but what went wrong only to those who may read.
pub(crate) async fn readyz(
    State(office): State<Arc<Office>>,
    headers: HeaderMap,
) -> Response<Body> {
    let health = &office.desk.health;
    let may_read = office.locks.admit(&headers, Right::Read).is_ok();
    let fault = |code: &str, lock: &RwLock<Option<String>>| {
        let message = lock
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        Some(reason(code, may_read.then_some(message)))
    };
    let mut reasons = Vec::new();
    if !health.ready.load(Ordering::Acquire) {
        let why = "records are being read back, wait";
        reasons.push(reason("starting", Some(why.to_owned())));
    }
    if health.draining.load(Ordering::Acquire) || office.stop.is_cancelled() {
        let why = "the daemon was asked to stop";
        reasons.push(reason("draining", Some(why.to_owned())));
    }
    reasons.extend(fault("store_fault", &health.store_fault));
    let ready = reasons.is_empty();
    let answer = ok(&ReadyDocument {
        status: if ready { "ready" } else { "not_ready" }.to_owned(),
        reasons,
        notes: fault("source_fault", &health.source_fault)
            .into_iter()
            .collect(),
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, answer).into_response()
}

fn reason(code: &str, detail: Option<String>) -> Reason {
    Reason {
        code: code.to_owned(),
        detail,
    }
}

/// Where there is nothing: never a redirect, never a page that a controller takes for a yes.
pub(crate) async fn nothing_here(uri: Uri) -> Refused {
    let path = uri.path();
    let near = closest(path, routes::all().map(|endpoint| endpoint.path));
    let way_out = match near {
        Some(near) => format!("did you mean {near}?"),
        None => "GET /openapi.json describes what there is".to_owned(),
    };
    Refused::new(
        Code::UnknownPath,
        format!("there is nothing at {}; {way_out}", shown(path)),
    )
}

/// Where there is something, but not with this method; the router adds `Allow`.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Refused {
    let detail = format!(
        "{} does not take {}; the Allow header names what it takes",
        shown(uri.path()),
        shown(method.as_str())
    );
    Refused::new(Code::MethodNotAllowed, detail)
}
