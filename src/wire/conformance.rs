//! Conformance vectors as they are written: what a controller asks, what must be answered, and
//! what the controller makes of it. One file is one controller's; `haldane conformance` runs them.
//!
//! ```yaml
//! controller: argo-rollouts-web
//! about: one sentence
//! cases:
//!   - id: AW-1
//!     given: promote
//!     request: { path: "/v1/analyses/${id}/verdict" }
//!     answer: { status: 200, type: application/json, json: { verdict: promote } }
//!     concludes: Successful
//! ```

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The vectors of one controller.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name in tables.
    pub controller: String,
    /// One sentence on what is checked.
    pub about: String,
    /// What the controller is told to look at, in its own words. Nothing here reads it; it is for
    /// those who work out `concludes` again.
    #[serde(default)]
    pub conditions: Value,
    /// The vectors.
    #[serde(default)]
    pub cases: Vec<Case>,
    /// What the controller makes of answers that Haldane never gives; they prove whoever works out
    /// `concludes` again, and nobody sends them.
    #[serde(default)]
    pub reads: Vec<Value>,
}

/// One vector.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name, such as `AW-1`.
    pub id: String,
    /// What it shows, where that is not plain.
    #[serde(default)]
    pub about: String,
    /// The state the analysis is in.
    pub given: Given,
    /// What the daemon must be set up with beyond its defaults: `binding`, `template`,
    /// `credentials`. Without it the case is skipped.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The controller's own requests that make the analysis. Without any, the runner submits one.
    #[serde(default)]
    pub first: Vec<Step>,
    /// Requests after the analysis is in its state and before the one that is checked.
    #[serde(default)]
    pub then: Vec<Step>,
    /// What is asked.
    pub request: Request,
    /// What must be answered.
    pub answer: Answer,
    /// What the controller makes of it.
    pub concludes: String,
    /// As [`Suite::conditions`], for this case.
    #[serde(default)]
    pub conditions: Value,
}

/// The state an analysis is brought into by the daemon's own endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Given {
    /// Concluded by hand.
    Promote,
    /// Concluded by hand.
    Rollback,
    /// Concluded by hand.
    Inconclusive,
    /// Submitted and under way.
    Pending,
    /// Under way and held back, by a freeze of its service.
    Held,
    /// There is none with this id.
    Unknown,
    /// Nothing is submitted beforehand.
    None,
}

impl Given {
    /// The word in files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Inconclusive => "inconclusive",
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Unknown => "unknown",
            Self::None => "none",
        }
    }
}

/// One request on the way.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is asked.
    pub request: Request,
    /// The status it must be answered with; any of 2xx without one.
    #[serde(default)]
    pub status: Option<u16>,
    /// Values of the answer that later texts use as `${name}`, each by JSON pointer (RFC 6901).
    #[serde(default)]
    pub save: BTreeMap<String, String>,
}

/// A request. `${id}`, `${service}` and the like are filled in path, headers and body.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET` without one.
    #[serde(default = "get")]
    pub method: String,
    /// With its query string, encoded.
    pub path: String,
    /// An empty value leaves a header out that would be sent otherwise.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// As it is sent.
    #[serde(default)]
    pub body: String,
}

fn get() -> String {
    "GET".to_owned()
}

/// What must be answered; what is not said may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The media type, without parameters.
    #[serde(default, rename = "type")]
    pub media: Option<String>,
    /// Headers with their exact values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A part of the document: objects may have more members. The text `${any}` is any value but
    /// null; `${number}`, `${text}`, `${list}` and `${object}` are any value of that kind.
    #[serde(default)]
    pub json: Option<Value>,
    /// Values by JSON pointer (RFC 6901) that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Numbers by JSON pointer, written as numbers or as texts, with their bounds.
    #[serde(default)]
    pub between: BTreeMap<String, (f64, f64)>,
    /// The body, exactly.
    #[serde(default)]
    pub text: Option<String>,
    /// Parts of the body.
    #[serde(default)]
    pub contains: Vec<String>,
}

/// Reads one file.
///
/// # Errors
///
/// What is wrong with it, in one line.
pub fn read(text: &str) -> Result<Suite, String> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|fault| fault.to_string())
}
