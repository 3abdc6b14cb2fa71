//! How Kayenta's API is spoken: JSON that is read field by field, parameters that may be empty or
//! unknown, and errors as `{"status": …, "error": …, "message": …}`.

use super::super::analyses::segment;
use super::super::body::json_bytes;
use super::super::office::{Office, RETRY_S};
use super::super::refused::Refused;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

/// Bytes of a config or a request; a larger one is answered 413. As many as of a submission, which
/// it becomes.
const DOCUMENT_LEN_MAX: usize = 1024 * 1024;

/// A refusal in Kayenta's shape.
#[derive(Debug)]
pub(super) struct Said {
    status: StatusCode,
    message: String,
}

impl Said {
    /// 400, Kayenta's answer to everything that is wrong with a request.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    /// 404.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: message.into(),
        }
    }

    /// 503: it may be well in a moment.
    pub(super) fn later(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: message.into(),
        }
    }

    /// 500, a mistake of ours, which the log has.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: message.into(),
        }
    }

    /// What it says.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<Refused> for Said {
    /// What is wrong with a body is 400 here; everything else keeps its status.
    fn from(refused: Refused) -> Self {
        let problem = refused.problem();
        let mut message = problem.detail.clone();
        for error in problem.errors.iter().skip(1) {
            message.push_str("; ");
            message.push_str(&error.to_string());
        }
        let status = StatusCode::from_u16(problem.status).ok();
        Self {
            status: match status {
                Some(StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT) => {
                    StatusCode::BAD_REQUEST
                }
                Some(status) => status,
                None => StatusCode::INTERNAL_SERVER_ERROR,
            },
            message,
        }
    }
}

impl IntoResponse for Said {
    fn into_response(self) -> Response<Body> {
        let body = json!({
            "status": self.status.as_u16(),
            "error": self.status.canonical_reason().unwrap_or("Error"),
            "message": self.message,
        });
        let kind = [(CONTENT_TYPE, "application/json")];
        let mut out = (self.status, kind, body.to_string()).into_response();
        if matches!(self.status.as_u16(), 429 | 503) {
            out.headers_mut().insert(RETRY_AFTER, RETRY_S.into());
        }
        out
    }
}

/// 200 with a document, which is what every success is.
pub(super) fn ok(document: &Value) -> Response<Body> {
    text_ok(document.to_string().into())
}

/// The same with a document that is text already.
pub(super) fn text_ok(text: Bytes) -> Response<Body> {
    let kind = [(CONTENT_TYPE, "application/json")];
    (kind, text).into_response()
}

/// The variable segment of the path.
pub(super) struct Key(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Said;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Said> {
        Ok(Self(segment(parts, state).await?))
    }
}

/// Query parameters; unknown ones are not read, and an empty value is none.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn of(uri: &Uri) -> Self {
        let raw = uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(raw.as_bytes());
        let filled = pairs.filter(|(_, value)| !value.is_empty());
        Self(
            filled
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        let named = self.0.iter().filter(move |(known, _)| *known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// `name` as a whole number from 1 to `most`.
    pub(super) fn count(&self, name: &str, otherwise: usize, most: usize) -> Result<usize, Said> {
        let Some(text) = self.get(name) else {
            return Ok(otherwise);
        };
        let count = text.parse().ok().filter(|count| (1..=most).contains(count));
        let why = || Said::bad(format!("{name} must be a whole number from 1 to {most}"));
        count.ok_or_else(why)
    }
}

/// The parameters and the object a request brings.
pub(super) async fn read(
    office: &Office,
    request: Request,
) -> Result<(Params, Map<String, Value>), Said> {
    read_up_to(office, request, DOCUMENT_LEN_MAX).await
}

/// The same with another limit; the daemon's own holds besides.
pub(super) async fn read_up_to(
    office: &Office,
    request: Request,
    limit: usize,
) -> Result<(Params, Map<String, Value>), Said> {
    let (parts, body) = request.into_parts();
    let limit = limit.min(office.desk.limits.body_bytes_max);
    let bytes = json_bytes(&parts.headers, body, limit).await?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok((Params::of(&parts.uri), fields)),
        _ => Err(Said::bad("the body must be a JSON object")),
    }
}

/// A field as text; a number counts as one, as in Kayenta, and nothing of it is absent.
pub(super) fn text(value: &Value, field: &str) -> Option<String> {
    match value.get(field)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A field as a finite number; a text that is one counts.
pub(super) fn number(value: &Value, field: &str) -> Option<f64> {
    let number = match value.get(field)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// The elements of a field that is a list.
pub(super) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The texts of a field that is a list of them.
pub(super) fn texts(value: &Value, field: &str) -> Vec<String> {
    let items = list(value, field).iter();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// A document without the fields that are null, which Jackson leaves out, too.
pub(super) fn sparse(mut document: Value) -> Value {
    if let Some(fields) = document.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    document
}

/// A number as Jackson writes it: what is no number in JSON becomes a word.
pub(super) fn double(value: f64) -> Value {
    if value.is_nan() {
        return json!("NaN");
    }
    if value.is_infinite() {
        return json!(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    json!(value)
}
