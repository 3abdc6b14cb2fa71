//! What every request passes on its way in and out: an id, the caps, credentials, a time-out, and
//! one line in the log.

use super::office::Office;
use super::query::Query;
use super::refused::{Code, Refused};
use super::routes::{Endpoint, Patience};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, Response};
use axum::middleware::Next;
use axum::response::IntoResponse;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names a request in logs and answers.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes of a caller's own request id; a longer or stranger one is replaced.
pub(super) const REQUEST_ID_LEN_MAX: usize = 64;

/// How long a request may take beyond its own waiting: four times a slow fsync of the store and
/// still inside the 20 s that the most patient controller but one waits.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(19);

/// How long a judgement may take: two queries in a row at the source's default time-out of 30 s,
/// twice.
const JUDGE_TIME_MAX: Duration = Duration::from_mins(2);

/// An endpoint together with the office, as the guard before it needs them.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) office: Arc<Office>,
    pub(crate) endpoint: &'static Endpoint,
}

/// Around everything, unknown paths included: request id, the cap on requests, panics, the log.
pub(crate) async fn observe(
    State(office): State<Arc<Office>>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let begun = Instant::now();
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("none", MatchedPath::as_str).to_owned();
    let mut response = capped(&office, request, next).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A verdict that a proxy remembers is an old verdict.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    let seconds = begun.elapsed().as_secs_f64();
    let id = id.to_str().unwrap_or_default();
    metrics::counter!("haldane_http_requests_total", "route" => route.clone(),
        "status" => status.to_string())
    .increment(1);
    metrics::histogram!("haldane_http_request_seconds", "route" => route).record(seconds);
    if status >= 500 {
        tracing::warn!(%method, %path, status, seconds, request = id, "answered");
    } else {
        tracing::debug!(%method, %path, status, seconds, request = id, "answered");
    }
    response
}

/// Health is always answered: a daemon that is busy must not be taken for one that is dead.
async fn capped(office: &Office, request: Request, next: Next) -> Response<Body> {
    let exempt = matches!(request.uri().path(), "/healthz" | "/readyz");
    let permit = office.requests.try_acquire();
    if permit.is_err() && !exempt {
        let limit = office.desk.limits.requests_max;
        let detail = format!("{limit} requests are under way, the limit; come back in a second");
        return Refused::new(Code::Overloaded, detail)
            .retry_after(1)
            .into_response();
    }
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| {
        let detail = "a mistake of the daemon's; its log holds the request id of this answer";
        Refused::new(Code::Internal, detail).into_response()
    })
}

/// In front of one endpoint: credentials, the query string, the time-out.
pub(crate) async fn guard(
    State(post): State<Post>,
    mut request: Request,
    next: Next,
) -> Result<Response<Body>, Refused> {
    let Post { office, endpoint } = post;
    if let Some(needed) = endpoint.right {
        let caller = office.locks.admit(request.headers(), needed)?;
        request.extensions_mut().insert(caller);
    }
    if endpoint.path.starts_with("/v1/") {
        let known = endpoint.query.iter().map(|(name, _)| *name);
        let query = Query::read(request.uri().query(), known)?;
        request.extensions_mut().insert(query);
    }
    let time_max = match endpoint.patience {
        Patience::Short => ANSWER_TIME_MAX,
        Patience::Wait => ANSWER_TIME_MAX + Duration::from_secs(office.desk.limits.wait_s_max),
        Patience::Judge => JUDGE_TIME_MAX,
    };
    tokio::time::timeout(time_max, next.run(request))
        .await
        .map_err(|_| {
            let seconds = time_max.as_secs();
            let detail = format!(
                "there was no answer after {seconds} s, the limit; what was asked may still take \
             effect; ask again, a submission with the same key"
            );
            Refused::new(Code::TimedOut, detail).retry_after(super::office::RETRY_S)
        })
}

/// The caller's own id when it is usable, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let legal = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_LEN_MAX).contains(&bytes.len())
            && bytes
                .iter()
                .all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
    };
    if let Some(value) = headers.get(REQUEST_ID).filter(legal) {
        return value.clone();
    }
    let fresh = uuid::Uuid::now_v7().simple().to_string();
    HeaderValue::from_str(&fresh).expect("RFC 9110: hexadecimal digits are header text")
}
