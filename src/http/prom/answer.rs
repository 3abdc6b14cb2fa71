//! Answers in the form of Prometheus' HTTP API: values are texts, times are seconds, errors have a
//! type.

use crate::time::Timestamp;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

/// Prometheus' types of error, of which these are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request is wrong: 400.
    BadData,
    /// It cannot be answered as asked: 422.
    Execution,
    /// Not at present: 503.
    Unavailable,
}

/// An error.
#[derive(Debug)]
pub(super) struct Fault {
    kind: Kind,
    why: String,
}

impl Fault {
    pub(super) fn new(kind: Kind, why: impl Into<String>) -> Self {
        Self {
            kind,
            why: why.into(),
        }
    }

    /// As an answer.
    pub(super) fn answer(self) -> Response<Body> {
        let (status, word) = match self.kind {
            Kind::BadData => (StatusCode::BAD_REQUEST, "bad_data"),
            Kind::Execution => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let document = json!({ "status": "error", "errorType": word, "error": self.why });
        sent(status, &document)
    }
}

/// A number alone.
pub(super) fn scalar(at: Timestamp, number: f64) -> Response<Body> {
    result("scalar", &sample(at, number))
}

/// One sample, or none.
pub(super) fn vector(
    at: Timestamp,
    found: Option<(&[(&'static str, String)], f64)>,
) -> Response<Body> {
    let series = found
        .map(|(labels, value)| json!({ "metric": metric(labels), "value": sample(at, value) }));
    result("vector", &series.into_iter().collect())
}

/// One series over time, or none.
pub(super) fn matrix(
    labels: &[(&'static str, String)],
    values: &[(Timestamp, f64)],
) -> Response<Body> {
    let mut all = Vec::new();
    if !values.is_empty() {
        let values: Vec<Value> = values
            .iter()
            .map(|(at, value)| sample(*at, *value))
            .collect();
        all.push(json!({ "metric": metric(labels), "values": values }));
    }
    result("matrix", &Value::Array(all))
}

fn metric(labels: &[(&'static str, String)]) -> Value {
    let owned = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)));
    Value::Object(owned.collect::<Map<_, _>>())
}

/// `[1767322800.123, "97.5"]`: the value is a text, or Flagger sees none.
fn sample(at: Timestamp, value: f64) -> Value {
    json!([at.seconds(), value.to_string()])
}

fn result(kind: &str, result: &Value) -> Response<Body> {
    let data = json!({ "resultType": kind, "result": result });
    sent(
        StatusCode::OK,
        &json!({ "status": "success", "data": data }),
    )
}

fn sent(status: StatusCode, document: &Value) -> Response<Body> {
    let json = [(CONTENT_TYPE, "application/json")];
    (status, json, document.to_string()).into_response()
}
