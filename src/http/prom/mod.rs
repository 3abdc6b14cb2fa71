//! Verdicts as a Prometheus would answer them, under `/prom`: for Argo's prometheus provider,
//! Flagger's metric templates and whatever else can do no more than query one.
//!
//! Only a small part of PromQL is taken and the rest is refused, because an expression that is
//! half understood would be a wrong verdict. No answer holds NaN: what is not known is an empty
//! answer, and no answer holds more than one series.

mod answer;
mod ask;
mod figure;

use super::body::BODY_TIME_MAX;
use super::office::Office;
use super::routes::{Content, Endpoint, Method, READ};
use crate::time::Timestamp;
use answer::{Fault, Kind};
use ask::{Expression, Parameters};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Limited};
use std::sync::Arc;

/// Bytes of a form; a longer one is refused. The longest query has some hundred.
const FORM_LEN_MAX: usize = 64 * 1024;

/// Points of a range; more are refused, as Prometheus does (its own limit is 11,000).
const POINTS_MAX: i64 = 11_000;

const PARAMETERS: &[(&str, &str)] = &[
    (
        "query",
        "haldane_score{id=\"…\"} or one of its neighbours, vector(1), or a number",
    ),
    ("time", "RFC 3339 or seconds; the present state is answered"),
];

const RANGE_PARAMETERS: &[(&str, &str)] = &[
    PARAMETERS[0],
    ("start", "RFC 3339 or seconds"),
    ("end", "RFC 3339 or seconds"),
    ("step", "seconds, or 30s"),
];

/// What is under `/prom`.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/prom/api/v1/query",
        summary: "A score or a verdict as Prometheus answers a query",
        query: PARAMETERS,
        content: Content::Json("PrometheusAnswer"),
        handler: || get(query),
        ..READ
    },
    Endpoint {
        method: Method::Post,
        path: "/prom/api/v1/query",
        summary: "The same with a form",
        query: PARAMETERS,
        content: Content::Json("PrometheusAnswer"),
        handler: || post(query),
        ..READ
    },
    Endpoint {
        path: "/prom/api/v1/query_range",
        summary: "The same over time: from when it was decided",
        query: RANGE_PARAMETERS,
        content: Content::Json("PrometheusAnswer"),
        handler: || get(query_range),
        ..READ
    },
    Endpoint {
        method: Method::Post,
        path: "/prom/api/v1/query_range",
        summary: "The same with a form",
        query: RANGE_PARAMETERS,
        content: Content::Json("PrometheusAnswer"),
        handler: || post(query_range),
        ..READ
    },
    Endpoint {
        path: "/prom/-/healthy",
        right: None,
        summary: "Whether the process answers, where a Prometheus says so",
        content: Content::Text("text/plain"),
        handler: || get(healthy),
        ..READ
    },
    Endpoint {
        path: "/prom/-/ready",
        right: None,
        summary: "The same: reads are answered from memory",
        content: Content::Text("text/plain"),
        handler: || get(healthy),
        ..READ
    },
];

async fn healthy() -> Response<Body> {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "ok").into_response()
}

async fn query(State(office): State<Arc<Office>>, request: Request) -> Response<Body> {
    let done = async {
        let asked = parameters(request).await?;
        asked.instant("time", (office.desk.now)())?;
        let expression = Expression::parse(asked.query()?)?;
        let now = (office.desk.now)();
        Ok(match expression {
            Expression::Scalar(number) => answer::scalar(now, number),
            Expression::Vector(number) => answer::vector(now, Some((&[], number))),
            Expression::Select(selected) => {
                let found = selected.find(&office)?;
                let series = found.as_ref().and_then(|series| series.now());
                answer::vector(now, series)
            }
        })
    };
    done.await.unwrap_or_else(Fault::answer)
}

async fn query_range(State(office): State<Arc<Office>>, request: Request) -> Response<Body> {
    let done = async {
        let asked = parameters(request).await?;
        let (start, end, step) = asked.range()?;
        let expression = Expression::parse(asked.query()?)?;
        let points = points(start, end, step)?;
        Ok(match expression {
            Expression::Scalar(number) | Expression::Vector(number) => {
                let values: Vec<_> = points.map(|at| (at, number)).collect();
                answer::matrix(&[], &values)
            }
            Expression::Select(selected) => match selected.find(&office)? {
                Some(series) => {
                    let at = |at: Timestamp| Some((at, series.at(at)?));
                    let values: Vec<_> = points.filter_map(at).collect();
                    answer::matrix(&series.labels, &values)
                }
                None => answer::matrix(&[], &[]),
            },
        })
    };
    done.await.unwrap_or_else(Fault::answer)
}

fn points(
    start: Timestamp,
    end: Timestamp,
    step: i64,
) -> Result<impl Iterator<Item = Timestamp>, Fault> {
    let count = end.since(start).ms() / step + 1;
    if count > POINTS_MAX {
        let why = format!("range has {count} points, the limit is {POINTS_MAX}; widen step");
        return Err(Fault::new(Kind::BadData, why));
    }
    Ok((0..count).map(move |idx| Timestamp::from_ms(start.ms() + idx * step)))
}

/// The query string and, of a `POST`, the form; the form wins, as in Prometheus.
async fn parameters(request: Request) -> Result<Parameters, Fault> {
    let (parts, body) = request.into_parts();
    let mut asked = Parameters::default();
    asked.read(parts.uri.query().unwrap_or_default().as_bytes());
    let whole = tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, FORM_LEN_MAX).collect());
    let Ok(Ok(whole)) = whole.await else {
        let why = format!("the form has more than {FORM_LEN_MAX} bytes or did not arrive");
        return Err(Fault::new(Kind::BadData, why));
    };
    asked.read(&whole.to_bytes());
    Ok(asked)
}
