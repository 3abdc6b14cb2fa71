//! The one table of endpoints. Routing, rights, allowed query parameters, time-outs and the
//! OpenAPI document are all read from it, so none of them can say something else.

use super::guard::{Post, guard, observe};
use super::office::Office;
use super::{
    Desk, Right, analyses, decisions, deliveries, events, flagger, freezes, gates, github,
    judge_once, prom, recordings, reports, spinnaker, status, steps, submit, templates,
    verdict_answer, verdict_join,
};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How long an endpoint may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Answered from memory, or after one record became durable.
    Short,
    /// As long as `?wait=` says on top.
    Wait,
    /// The source is asked.
    Judge,
}

/// The methods there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What an endpoint takes or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// JSON of the schema with this name.
    Json(&'static str),
    /// Some other type, as text.
    Text(&'static str),
}

/// One line of the table.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// `None`: open to everybody.
    pub(crate) right: Option<Right>,
    pub(crate) patience: Patience,
    pub(crate) summary: &'static str,
    /// Query parameters with what they mean; under `/v1` any other is refused.
    pub(crate) query: &'static [(&'static str, &'static str)],
    /// The name of the body's schema.
    pub(crate) takes: Option<&'static str>,
    /// Statuses of success with their meaning.
    pub(crate) answers: &'static [(u16, &'static str)],
    pub(crate) content: Content,
    pub(crate) handler: fn() -> MethodRouter<Arc<Office>>,
}

/// A `GET` that readers may ask and that is answered from memory: what most lines are.
pub(super) const READ: Endpoint = Endpoint {
    method: Method::Get,
    path: "",
    right: Some(Right::Read),
    patience: Patience::Short,
    summary: "",
    query: &[],
    takes: None,
    answers: &[(200, "answered")],
    content: Content::Json("VerdictDocument"),
    handler: || get(status::index),
};

/// The same as a `POST`.
pub(super) const WRITE: Endpoint = Endpoint {
    method: Method::Post,
    right: Some(Right::Submit),
    ..READ
};

pub(super) const TEXT: Content = Content::Text("text/plain");

/// Every endpoint: our own, then those in the dialects of callers.
pub(crate) fn all() -> impl Iterator<Item = &'static Endpoint> {
    [
        ENDPOINTS,
        deliveries::ENDPOINTS,
        freezes::ENDPOINTS,
        steps::ENDPOINTS,
        flagger::ENDPOINTS,
        gates::ENDPOINTS,
        github::ENDPOINTS,
        super::kayenta::ENDPOINTS,
        prom::ENDPOINTS,
        spinnaker::ENDPOINTS,
    ]
    .into_iter()
    .flatten()
}

static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/v1/analyses",
        summary: "Submit a rollout; with the same Idempotency-Key or deploy id, the same analysis",
        takes: Some("SubmissionDocument"),
        answers: &[
            (201, "accepted and durable"),
            (200, "a repeat of an earlier submission"),
        ],
        content: Content::Json("SubmittedDocument"),
        handler: || post(submit::submit),
        ..WRITE
    },
    Endpoint {
        path: "/v1/analyses",
        summary: "List analyses, newest first",
        query: &[
            ("verdict", "pending, promote, rollback or inconclusive"),
            ("service", "the service's exact name"),
            ("status", "waiting, looking or concluded"),
            ("limit", "analyses on the page, 1 to 500, 50 when absent"),
            ("after", "the `next` of the page before"),
        ],
        content: Content::Json("AnalysisList"),
        handler: || get(analyses::list),
        ..READ
    },
    Endpoint {
        path: "/v1/analyses/{id}",
        summary: "Everything about an analysis",
        handler: || get(analyses::one),
        ..READ
    },
    Endpoint {
        path: "/v1/analyses/{id}/verdict",
        patience: Patience::Wait,
        summary: "The verdict, always 200; `wait` holds the answer until it is final",
        query: &[
            verdict_answer::WAIT,
            verdict_answer::AS,
            verdict_answer::SERVICE,
            verdict_answer::DEPLOY,
            verdict_answer::DIGEST,
            steps::WEIGHT,
        ],
        handler: || get(verdict_answer::verdict),
        ..READ
    },
    Endpoint {
        path: "/v1/verdict",
        right: Some(Right::Submit),
        patience: Patience::Wait,
        summary: "Create the analysis or join it; its verdict. The same request, the same analysis",
        query: verdict_join::QUERY,
        handler: || get(verdict_join::verdict),
        ..READ
    },
    Endpoint {
        path: "/v1/verdict",
        patience: Patience::Wait,
        summary: "The same; without a body the query says what, with one it is a submission",
        query: verdict_join::QUERY,
        takes: Some("SubmissionDocument"),
        handler: || post(verdict_join::verdict),
        ..WRITE
    },
    Endpoint {
        path: "/v1/analyses/{id}/events",
        summary: "Every state of an analysis as server-sent events, until it has concluded",
        content: Content::Text("text/event-stream"),
        handler: || get(events::events),
        ..READ
    },
    Endpoint {
        path: "/v1/analyses/{id}/recording",
        patience: Patience::Judge,
        summary: "Everything the verdict was made from, as a file for `haldane replay`",
        content: Content::Text(recordings::CONTENT),
        handler: || get(recordings::recording),
        ..READ
    },
    Endpoint {
        path: "/v1/analyses/{id}/report",
        patience: Patience::Judge,
        summary: "What reports are made from: verdict, looks and series in one document",
        content: Content::Json("ReportDocument"),
        handler: || get(reports::document),
        ..READ
    },
    Endpoint {
        path: "/v1/analyses/{id}/report.html",
        patience: Patience::Judge,
        summary: "What an analysis said, as a page",
        content: Content::Text("text/html"),
        handler: || get(reports::page),
        ..READ
    },
    Endpoint {
        path: "/v1/analyses/{id}/report.svg",
        patience: Patience::Judge,
        summary: "The charts of an analysis, as a picture",
        query: &[("metric", "the charts of this metric only")],
        content: Content::Text(reports::SVG_TYPE),
        handler: || get(reports::picture),
        ..READ
    },
    Endpoint {
        path: "/v1/analyses/{id}/cancel",
        summary: "Stop an analysis; it concludes as inconclusive",
        takes: Some("CancelInput"),
        handler: || post(decisions::cancel),
        ..WRITE
    },
    Endpoint {
        path: "/v1/analyses/{id}/override",
        right: Some(Right::Override),
        summary: "Decide instead",
        takes: Some("OverrideInput"),
        handler: || post(decisions::instead),
        ..WRITE
    },
    Endpoint {
        path: "/v1/judge",
        patience: Patience::Judge,
        summary: "Judge a window once, on inline samples or by asking the source",
        takes: Some("JudgeInput"),
        content: Content::Json("JudgeDocument"),
        handler: || post(judge_once::judge),
        ..WRITE
    },
    Endpoint {
        path: "/v1/templates",
        summary: "The templates there are",
        content: Content::Json("TemplateList"),
        handler: || get(templates::list),
        ..READ
    },
    Endpoint {
        path: "/v1/templates/{name}",
        summary: "One template with its text",
        content: Content::Json("TemplateItem"),
        handler: || get(templates::one),
        ..READ
    },
    Endpoint {
        path: "/v1/schema/template.json",
        right: None,
        summary: "The JSON Schema (draft-07) of templates, for editors",
        content: Content::Json("JsonSchema"),
        handler: || get(templates::schema),
        ..READ
    },
    Endpoint {
        path: "/metrics",
        summary: "The daemon's own metrics in Prometheus' text format",
        content: TEXT,
        handler: || get(status::metrics),
        ..READ
    },
    Endpoint {
        path: "/healthz",
        right: None,
        summary: "Whether the process answers",
        content: TEXT,
        handler: || get(status::healthz),
        ..READ
    },
    Endpoint {
        path: "/readyz",
        right: None,
        summary: "Whether submissions can be taken",
        answers: &[(200, "ready"), (503, "not ready, with the reasons")],
        content: Content::Json("ReadyDocument"),
        handler: || get(status::readyz),
        ..READ
    },
    Endpoint {
        path: "/openapi.json",
        summary: "This description",
        content: Content::Json("OpenApi"),
        handler: || get(status::document),
        ..READ
    },
    Endpoint {
        path: "/",
        summary: "Where to go",
        content: TEXT,
        handler: || get(status::index),
        ..READ
    },
];

/// Method, path and needed right of every endpoint.
pub fn endpoints() -> impl Iterator<Item = (&'static str, &'static str, Option<Right>)> {
    all().map(|endpoint| (endpoint.method.word(), endpoint.path, endpoint.right))
}

/// Every endpoint over `desk`, for a server of one's own; [`super::serve`] is the daemon's.
pub fn router(desk: Desk) -> Router {
    build(&Arc::new(Office::new(desk, CancellationToken::new())))
}

/// Every endpoint over `office`.
pub(crate) fn build(office: &Arc<Office>) -> Router {
    let mut router = Router::new();
    for endpoint in all() {
        let post = Post {
            office: office.clone(),
            endpoint,
        };
        let guarded = (endpoint.handler)().route_layer(from_fn_with_state(post, guard));
        router = router.route(endpoint.path, guarded);
    }
    router
        .fallback(status::nothing_here)
        .method_not_allowed_fallback(status::wrong_method)
        .layer(from_fn_with_state(office.clone(), observe))
        .with_state(office.clone())
}
