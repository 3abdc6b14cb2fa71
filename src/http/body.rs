//! Request bodies: JSON that says it is, of bounded size, in bounded time.

use super::refused::{Code, Refused};
use super::wire;
use crate::diagnostic::closest;
use crate::wire::problem::FieldProblem;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::time::Duration;

/// How long a body may take to arrive: 8 MiB at 0.5 MiB/s, rounded up.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_secs(20);

/// The bytes of a body that is well-formed JSON and has at most `limit` bytes.
pub(crate) async fn json_bytes(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, Refused> {
    content_type(headers)?;
    json_of_any_type(headers, body, limit).await
}

/// The same whatever the content type says: `curl -d` and its kin say it is a form.
pub(crate) async fn json_of_any_type(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, Refused> {
    let bytes = raw_bytes(headers, body, limit).await?;
    match wire::well_formed(&bytes) {
        Ok(()) => Ok(bytes),
        Err(fault) => Err(malformed(&bytes, &fault)),
    }
}

/// The bytes of a body as they came, at most `limit`: what a signature covers.
pub(crate) async fn raw_bytes(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, Refused> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(too_large(limit));
    }
    let all = Limited::new(body, limit).collect();
    match tokio::time::timeout(BODY_TIME_MAX, all).await {
        Ok(Ok(all)) => Ok(all.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(_)) => {
            let detail = "the connection ended before the body did; send it again";
            Err(Refused::new(Code::BodyBroken, detail))
        }
        Err(_) => {
            let seconds = BODY_TIME_MAX.as_secs();
            let detail = format!("the body was not complete after {seconds} s, the limit");
            Err(Refused::new(Code::BodyTimeout, detail))
        }
    }
}

/// A body of one of this door's own shapes.
pub(crate) fn shape<T: wire::Input>(bytes: &[u8]) -> Result<T, Refused> {
    wire::read(bytes).map_err(|fault| {
        let message = fault.to_string();
        let mut error = FieldProblem::new("", message);
        error.line = Some(fault.line());
        error.column = Some(fault.column());
        invalid(vec![error])
    })
}

/// The fields of a body are wrong, each with a suggestion where a name was misspelt.
pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Refused {
    let errors: Vec<FieldProblem> = errors.into_iter().map(with_suggestion).collect();
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    let detail = match errors.len() {
        0 | 1 => first,
        n => format!("{first}; and {} more", n - 1),
    };
    Refused::new(Code::InvalidSubmission, detail).with_errors(errors)
}

/// The reader names an unknown field and those it expects between backticks.
fn with_suggestion(mut error: FieldProblem) -> FieldProblem {
    let mut quoted = error.message.split('`').skip(1).step_by(2);
    let unknown = error
        .message
        .contains("unknown field")
        .then(|| quoted.next())
        .flatten();
    if let Some(near) = unknown.and_then(|word| closest(word, quoted)) {
        error.help = Some(format!("did you mean `{near}`?"));
    }
    error
}

fn malformed(bytes: &[u8], fault: &serde_json::Error) -> Refused {
    if bytes.is_empty() {
        let detail = "the body is empty; send a JSON object";
        return Refused::new(Code::MalformedJson, detail);
    }
    let mut error = FieldProblem::new("", fault.to_string());
    error.line = Some(fault.line());
    error.column = Some(fault.column());
    Refused::new(Code::MalformedJson, fault.to_string()).with_errors(vec![error])
}

fn too_large(limit: usize) -> Refused {
    let detail = format!("the body is larger than the limit of {limit} bytes; send less");
    Refused::new(Code::BodyTooLarge, detail)
}

/// `application/json`, or a type that ends in `+json`; a charset other than UTF-8 is refused.
pub(super) fn content_type(headers: &HeaderMap) -> Result<(), Refused> {
    let refuse = |what: &str| {
        let detail = format!("{what}; send content-type: application/json");
        Err(Refused::new(Code::UnsupportedMediaType, detail))
    };
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return refuse("the content type is missing");
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let json =
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let charset = parts.find_map(|part| part.strip_prefix("charset="));
    let utf8 = charset.is_none_or(|name| matches!(name.trim_matches('"'), "utf-8" | "utf8"));
    if json && utf8 {
        return Ok(());
    }
    refuse(&format!(
        "content type {} is not supported",
        super::query::shown(&text)
    ))
}
