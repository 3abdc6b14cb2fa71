//! Every way this door says no: problem details (RFC 9457) with a stable code.
//!
//! The codes form a closed list, so that the document, the OpenAPI answer and the tests can walk
//! it. Nothing of the inside (paths, causes, addresses of other systems) is put in a detail.

use crate::diagnostic::Diagnostic;
use crate::wire::problem::{CONTENT_TYPE, FieldProblem, Problem};
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;

/// Errors listed in one answer; further ones are counted in the detail.
pub(super) const ERRORS_MAX: usize = 50;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $status:literal $code:literal $title:literal)*) => {
        /// Why a request is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// The word in answers; it never changes.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The kind in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    /// The body is no JSON.
    MalformedJson 400 "malformed_json" "the body is not JSON"
    /// A query parameter is unknown, repeated or unfit.
    InvalidQuery 400 "invalid_query" "a query parameter is not usable"
    /// An identifier in the path is none.
    InvalidId 400 "invalid_id" "the identifier is not one"
    /// A header is unfit.
    InvalidHeader 400 "invalid_header" "a header is not usable"
    /// The body ended early.
    BodyBroken 400 "body_broken" "the body could not be read"
    /// No credential, or none that is known.
    Unauthenticated 401 "unauthenticated" "a credential is needed"
    /// The credential does not reach that far.
    Forbidden 403 "forbidden" "the credential may not do this"
    /// No such path.
    UnknownPath 404 "unknown_path" "there is nothing at this path"
    /// No such hook or step of a controller.
    UnknownHook 404 "unknown_hook" "there is no such hook"
    /// No such analysis.
    UnknownAnalysis 404 "unknown_analysis" "there is no such analysis"
    /// No such template.
    UnknownTemplate 404 "unknown_template" "there is no such template"
    /// No such binding.
    UnknownBinding 404 "unknown_binding" "there is no such binding"
    /// No such freeze.
    UnknownFreeze 404 "unknown_freeze" "there is no such freeze"
    /// No such message.
    UnknownDelivery 404 "unknown_delivery" "there is no such message"
    /// Nothing was ever promoted there.
    NoLastGood 404 "no_last_good" "nothing was promoted there"
    /// The path exists, the method does not.
    MethodNotAllowed 405 "method_not_allowed" "the path does not have this method"
    /// The body came too slowly.
    BodyTimeout 408 "body_timeout" "the body came too slowly"
    /// The key was used for something else.
    KeyConflict 409 "key_conflict" "the key belongs to another submission"
    /// Another step of traffic cannot be taken.
    NoStep 409 "no_step" "no further step of traffic can be announced"
    /// Another deploy goes first.
    DeployUnderWay 409 "deploy_under_way" "another deploy of the same place is not resolved"
    /// The analysis is another rollout's than the one asked about.
    OtherRollout 409 "other_rollout" "the analysis is of another rollout"
    /// The verdict stands (A4).
    Concluded 409 "concluded" "the analysis has concluded"
    /// There is no verdict yet.
    Undecided 409 "undecided" "the analysis has no verdict yet"
    /// A message is not sent once more.
    NotAgain 409 "not_again" "the message is not sent once more"
    /// The body is too large.
    BodyTooLarge 413 "body_too_large" "the body is too large"
    /// The body is not declared as JSON.
    UnsupportedMediaType 415 "unsupported_media_type" "the content type is not supported"
    /// Fields of the body, or what a query says in their place, are wrong.
    InvalidSubmission 422 "invalid_submission" "fields of the request are wrong"
    /// The template's text is wrong.
    InvalidTemplate 422 "invalid_template" "the template is refused"
    /// Template and rollout do not fit.
    InvalidPlan 422 "invalid_plan" "template and rollout do not fit"
    /// A webhook cannot be used.
    InvalidReceiver 422 "invalid_receiver" "a webhook is refused"
    /// Inline samples do not fit the plan.
    InvalidSamples 422 "invalid_samples" "the samples do not fit the template"
    /// The source refused a query.
    SourceRefused 422 "source_refused" "the source refused a query"
    /// Its records make no recording.
    NoRecording 422 "no_recording" "there is no recording of this analysis"
    /// As many analyses as there may be.
    TooManyAnalyses 429 "too_many_analyses" "as many analyses are under way as there may be"
    /// As many gates as may stand open.
    TooManyGates 429 "too_many_gates" "as many gates stand open as may"
    /// A mistake of ours.
    Internal 500 "internal" "something went wrong here"
    /// Too many requests or streams at once.
    Overloaded 503 "overloaded" "too many requests at once"
    /// Records cannot be made durable.
    StoreUnavailable 503 "store_unavailable" "records cannot be made durable at present"
    /// The source cannot be read.
    SourceUnavailable 503 "source_unavailable" "the source cannot be read at present"
    /// The analysis could not be carried out, and the caller's dialect calls that a fault.
    NotCarriedOut 503 "not_carried_out" "the analysis could not be carried out"
    /// The daemon is stopping.
    Stopping 503 "stopping" "the daemon is stopping"
    /// No answer in time.
    TimedOut 503 "timed_out" "there was no answer in time"
}

/// A refusal on its way out. Boxed, because it travels in every `Result`.
#[derive(Debug)]
pub(crate) struct Refused(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: Problem,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// `detail`: lower case, no full stop; the thing, the value, the limit, the way out.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let problem = Problem::new(code.status(), code.word(), code.title(), detail);
        Self(Box::new(Inner {
            problem,
            headers: Vec::new(),
        }))
    }

    /// The thing, the value, the limit, the way out, for answers in other shapes than a problem.
    pub(crate) fn detail(&self) -> &str {
        &self.0.problem.detail
    }

    /// Whether asking again can help without anybody changing anything.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.0.problem.status, 429 | 500..)
    }

    /// The same with what is wrong field by field; the first [`ERRORS_MAX`].
    pub(crate) fn with_errors(mut self, mut errors: Vec<FieldProblem>) -> Self {
        if errors.len() > ERRORS_MAX {
            let more = errors.len() - ERRORS_MAX;
            self.0.problem.detail =
                format!("{}; {more} more are not listed", self.0.problem.detail);
            errors.truncate(ERRORS_MAX);
        }
        self.0.problem.errors = errors;
        self
    }

    /// What it says, for a door with another shape of errors.
    pub(crate) fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The same with a header; a value that is no header text is left out.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.push((name, value));
        }
        self
    }

    /// The same with `Retry-After` in seconds (RFC 9110, 10.2.3).
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        self.with_header(header::RETRY_AFTER, &seconds.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let Inner { problem, headers } = *self.0;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = [(header::CONTENT_TYPE, CONTENT_TYPE)];
        let mut response = (status, content_type, problem.to_bytes()).into_response();
        for (name, value) in headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// Diagnostics as the errors of a problem, with `field` as the text they are about. Warnings
/// refuse nothing and are left out.
pub(crate) fn field_problems(field: &str, diagnostics: &[Diagnostic]) -> Vec<FieldProblem> {
    let refusing = diagnostics.iter().filter(|d| d.is_error());
    refusing
        .map(|d| FieldProblem {
            code: Some(d.code.to_owned()),
            line: d.place.map(|place| place.line),
            column: d.place.map(|place| place.column),
            help: d.help.clone(),
            ..FieldProblem::new(field, d.message.clone())
        })
        .collect()
}
