//! Errors of the HTTP API: problem details (RFC 9457) with a stable code.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type (RFC 9457, section 3).
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Identifies the kind of problem: `urn:haldane:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words, always the same for a code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, with the way out.
    pub detail: String,
    /// Stable, for programs: `invalid_submission`, `not_found`, …
    pub code: String,
    /// What is wrong with which field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// What is wrong with one field of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// The path of the field (`deploy.traffic_share`, `webhooks[1].url`); empty is the body.
    pub field: String,
    /// Lower case, no full stop: the value, the limit, the way out.
    pub message: String,
    /// The code of a template's diagnostic (`C003`), when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// One-based line in the text the field holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// One-based column, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The way out, when it is not in the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl FieldProblem {
    /// `message` about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            code: None,
            line: None,
            column: None,
            help: None,
        }
    }
}

impl std::fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

impl Problem {
    /// A problem of kind `code` (lower case, underscores).
    pub fn new(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:haldane:problem:{code}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            code: code.to_owned(),
            errors: Vec::new(),
        }
    }

    /// The same with what is wrong field by field.
    #[must_use]
    pub fn with_errors(self, errors: Vec<FieldProblem>) -> Self {
        Self { errors, ..self }
    }

    /// The body of the answer.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("A9: text and whole numbers always become JSON")
    }
}
