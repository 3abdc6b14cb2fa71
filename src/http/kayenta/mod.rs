//! Kayenta's API at `/kayenta`, for Argo Rollouts' `kayenta` provider, Spinnaker's canary stage
//! and Deck, unchanged. A canary config becomes a template, its scopes become the arms, and an
//! execution is an analysis: its id is the analysis' id, so it survives a restart.
//!
//! Kayenta's documents are free-form (unknown fields are ignored, nulls are absent), so they are
//! read from and written as JSON values, field by field. What differs from Kayenta and why stands
//! in `docs/controllers/kayenta-api.md`.
//!
//! | file | what |
//! |---|---|
//! | `said` | errors as Kayenta words them, bodies and parameters |
//! | `config` `configs` | a canary config and what is wrong with it; keeping them |
//! | `wanted` | an execution request: scopes, window, thresholds |
//! | `bound` `scopes` | config × request = submission; variables and named scopes |
//! | `canary` `room` | executions: started, listed, cancelled; which ones are remembered |
//! | `execution` `status` | what is said of one |
//! | `memory` | what is not made again at the next question |
//! | `tree` | the result tree, from the records |
//! | `score` | a score that says what the verdict says |
//! | `standalone` `course` | several judgements over a lifetime; how far they have come |
//! | `remote` `remote_sequential` | our judges for another Kayenta |
//! | `about` | accounts, judges, series |

mod about;
mod bound;
mod canary;
mod config;
mod configs;
mod course;
mod execution;
mod memory;
mod remote;
mod remote_sequential;
mod room;
mod said;
mod scopes;
mod score;
mod standalone;
mod status;
mod tree;
mod wanted;

pub(crate) use memory::Memory;

use super::Right;
use super::routes::{Content, Endpoint, Method, Patience, READ, WRITE};
use axum::routing::{delete, get, post, put};

/// What the configuration says of Kayenta's API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// A config that names Kayenta's own judge, or none, is judged sequentially.
    pub sequential: bool,
    /// Names of accounts, beside `haldane`.
    pub accounts: Vec<String>,
    /// Applications that are told of the daemon's templates in the list of all configs.
    pub applications: Vec<String>,
}

/// The schema of all its documents.
pub(super) const SCHEMA: &str = "Kayenta";

const GET: Endpoint = Endpoint {
    content: Content::Json(SCHEMA),
    ..READ
};

const POST: Endpoint = Endpoint {
    takes: Some(SCHEMA),
    content: Content::Json(SCHEMA),
    ..WRITE
};

/// Parameters of everything that starts something. Accounts are only names: there is one source.
const STARTING: &[(&str, &str)] = &[
    (
        "application",
        "the service; the config's first application without it",
    ),
    ("parentPipelineExecutionId", "who asks; only shown"),
    ("metricsAccountName", "only shown"),
    ("configurationAccountName", "only shown"),
    ("storageAccountName", "only shown"),
];

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/kayenta/canaryConfig",
        summary: "List canary configs; the daemon's templates are listed by their names",
        query: &[
            (
                "application",
                "only those of this application; may be repeated",
            ),
            ("configurationAccountName", "not read"),
        ],
        handler: || get(configs::list),
        ..GET
    },
    Endpoint {
        path: "/kayenta/canaryConfig",
        summary: "Keep a canary config",
        handler: || post(configs::create),
        ..POST
    },
    Endpoint {
        path: "/kayenta/canaryConfig/{id}",
        summary: "One canary config",
        handler: || get(configs::one),
        ..GET
    },
    Endpoint {
        method: Method::Put,
        path: "/kayenta/canaryConfig/{id}",
        summary: "Replace a canary config",
        handler: || put(configs::update),
        ..POST
    },
    Endpoint {
        method: Method::Delete,
        path: "/kayenta/canaryConfig/{id}",
        summary: "Remove a canary config; executions keep theirs",
        right: Some(Right::Submit),
        handler: || delete(configs::remove),
        ..GET
    },
    Endpoint {
        path: "/kayenta/canary/{id}",
        summary: "Run a canary config once",
        query: STARTING,
        handler: || post(canary::start),
        ..POST
    },
    Endpoint {
        path: "/kayenta/canary",
        summary: "Run a canary config that comes with the request",
        query: STARTING,
        handler: || post(canary::start_ad_hoc),
        ..POST
    },
    Endpoint {
        path: "/kayenta/canary/executions",
        summary: "List executions, newest first",
        query: &[
            ("application", "only those of this application"),
            ("statuses", "only these: RUNNING,SUCCEEDED"),
            ("limit", "how many, 1 to 100, 20 when absent"),
            ("page", "which page, from 1"),
        ],
        handler: || get(canary::list),
        ..GET
    },
    Endpoint {
        path: "/kayenta/canary/{id}",
        patience: Patience::Short,
        summary: "How an execution stands, with its result once there is one",
        handler: || get(canary::one),
        ..GET
    },
    Endpoint {
        path: "/kayenta/standalone_canary_analysis/{id}",
        summary: "Judge a canary config several times over a lifetime",
        query: STARTING,
        handler: || post(standalone::start),
        ..POST
    },
    Endpoint {
        path: "/kayenta/standalone_canary_analysis",
        summary: "The same with a config that comes with the request",
        query: STARTING,
        handler: || post(standalone::start_ad_hoc),
        ..POST
    },
    Endpoint {
        path: "/kayenta/standalone_canary_analysis/{id}",
        summary: "How a standalone analysis stands",
        handler: || get(standalone::one),
        ..GET
    },
    Endpoint {
        method: Method::Put,
        path: "/kayenta/pipelines/{id}/cancel",
        summary: "Cancel an execution or a standalone analysis",
        answers: &[(200, "cancelled, or over already; an empty body")],
        right: Some(Right::Submit),
        handler: || put(canary::cancel),
        ..GET
    },
    Endpoint {
        path: "/kayenta/credentials",
        summary: "The accounts there are; all of them are the daemon's one source",
        handler: || get(about::credentials),
        ..GET
    },
    Endpoint {
        path: "/kayenta/judges",
        summary: "The judges there are",
        handler: || get(about::judges),
        ..GET
    },
    Endpoint {
        path: "/kayenta/judge",
        patience: Patience::Judge,
        summary: "Judge pairs of series for another Kayenta (its remote judge)",
        handler: || post(remote::judge),
        ..POST
    },
    Endpoint {
        path: "/kayenta/metricSetPairList/{id}",
        patience: Patience::Judge,
        summary: "The series that an execution was judged by",
        handler: || get(about::pairs),
        ..GET
    },
    Endpoint {
        path: "/kayenta/canaryJudgeResult/{id}",
        summary: "The judge's result of an execution alone",
        handler: || get(about::result),
        ..GET
    },
];
