//! `POST /v1/analyses`: answered only once the submission is durable (A3), and as often as
//! somebody asks again with the same key.

use super::body::{invalid, json_bytes};
use super::join::{Wish, join};
use super::office::{Office, json};
use super::origin::origin;
use super::refused::{Code, Refused};
use super::wire::{Links, SubmittedDocument};
use crate::engine::view::View;
use crate::wire::submission::{self, SUBMISSION_LEN_MAX};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use std::sync::Arc;

/// Bytes of an `Idempotency-Key`; a longer one is refused. Many libraries send a UUID.
pub(super) const KEY_LEN_MAX: usize = 255;

/// Accepts a submission: 201 when it is new, 200 when it repeats one.
pub(crate) async fn submit(
    State(office): State<Arc<Office>>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let (parts, body) = request.into_parts();
    let header_key = header_key(&parts.headers)?;
    let origin = origin(&parts.headers, &parts.uri);
    let limit = SUBMISSION_LEN_MAX.min(office.desk.limits.body_bytes_max);
    let bytes = json_bytes(&parts.headers, body, limit).await?;
    let mut checked = submission::parse(&bytes).map_err(invalid)?;
    let own_trace = checked.deploy.traceparent.is_some();
    if !own_trace {
        checked.deploy.traceparent = traceparent(&parts.headers);
    }
    let deploy_key = || checked.deploy.id.as_ref().map(|id| format!("deploy:{id}"));
    let key = header_key
        .map(|key| format!("key:{key}"))
        .or_else(deploy_key);
    let wish = Wish {
        checked,
        key,
        own_trace,
    };
    let (view, repeated) = join(&office, wish).await?;
    Ok(answered(&view, repeated, origin.as_deref()))
}

fn answered(view: &View, repeated: bool, origin: Option<&str>) -> Response<Body> {
    let links = Links::at(&view.id, origin);
    let status = if repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (LOCATION, links.itself.clone()),
    ];
    let document = SubmittedDocument {
        id: view.id.to_string(),
        status: view.status.word().to_owned(),
        links,
    };
    (status, headers, json(&document)).into_response()
}

fn header_key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > KEY_LEN_MAX || values.next().is_some() {
        let detail = format!(
            "Idempotency-Key must be given once and have 1 to {KEY_LEN_MAX} visible ASCII \
             characters; send a UUID"
        );
        return Err(Refused::new(Code::InvalidHeader, detail));
    }
    Ok(Some(text.to_owned()))
}

/// The caller's trace context; one that is malformed is as good as none (W3C Trace Context, 4.3).
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    submission::is_traceparent(text).then(|| text.to_owned())
}
