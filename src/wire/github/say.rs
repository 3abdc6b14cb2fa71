//! What we say: a decision about a deployment, the status of a commit or of a deployment.

use crate::engine::view::View;
use crate::wire::line::one_line;
use crate::wire::markdown::plain;
use serde::Serialize;

/// Characters of a comment; GitHub's limit for a status report. What is beyond is cut.
pub const COMMENT_CHARS_MAX: usize = 1024;

/// Characters of the description of a status; GitHub's limit. What is beyond is cut.
pub const DESCRIPTION_CHARS_MAX: usize = 140;

#[derive(Serialize)]
struct RuleAnswer<'a> {
    environment_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    comment: &'a str,
}

/// The answer to a deployment protection rule: `state` is `approved` or `rejected`; without one it
/// is a report, and the deployment goes on waiting.
pub fn rule_answer(environment: &str, state: Option<&'static str>, comment: &str) -> Vec<u8> {
    bytes(&RuleAnswer {
        environment_name: environment,
        state,
        comment,
    })
}

/// The states of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitState {
    /// Promote.
    Success,
    /// Rollback.
    Failure,
    /// Neither was shown, or it could not be carried out.
    Error,
    /// Under way.
    Pending,
}

impl CommitState {
    /// The word in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Pending => "pending",
        }
    }
}

#[derive(Serialize)]
struct CommitStatus<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_url: Option<&'a str>,
    description: &'a str,
    context: &'a str,
}

/// The body of `POST /repos/{owner}/{repo}/statuses/{sha}`.
pub fn commit_status(view: &View, state: CommitState, target_url: Option<&str>) -> Vec<u8> {
    bytes(&CommitStatus {
        state: state.word(),
        target_url,
        description: &status_description(view),
        context: &status_context(view),
    })
}

/// The states of a deployment that we say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    /// Promote.
    Success,
    /// Rollback.
    Failure,
    /// Neither was shown, or it could not be carried out.
    Error,
    /// Under way.
    InProgress,
}

impl DeploymentState {
    /// The word in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::InProgress => "in_progress",
        }
    }
}

#[derive(Serialize)]
struct DeploymentStatus<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_url: Option<&'a str>,
    description: &'a str,
    /// Whether older deployments of the environment become inactive. Never: a verdict about a
    /// canary says nothing about what else runs.
    auto_inactive: bool,
}

/// The body of `POST /repos/{owner}/{repo}/deployments/{id}/statuses`.
pub fn deployment_status(view: &View, state: DeploymentState, log_url: Option<&str>) -> Vec<u8> {
    bytes(&DeploymentStatus {
        state: state.word(),
        log_url,
        description: &status_description(view),
        auto_inactive: false,
    })
}

/// What tells our status of a commit from those of others: one for each service, environment and
/// region.
pub fn status_context(view: &View) -> String {
    let deploy = &view.plan.rollout.deploy;
    let mut out = format!("haldane/{}", deploy.service);
    for part in [&deploy.environment, &deploy.region].into_iter().flatten() {
        out.push('/');
        out.push_str(part);
    }
    out
}

/// The sentence, as far as a status has room for it.
pub fn status_description(view: &View) -> String {
    cut(&one_line(&view.sentence), DESCRIPTION_CHARS_MAX)
}

/// The verdict, the score and the sentence (A10) as Markdown, with the evidence where it can be
/// linked to. Of an analysis in shadow it says that it is only watched.
pub fn comment(view: &View, report_url: Option<&str>) -> String {
    let word = match &view.conclusion {
        // It goes on whatever is found, and must not be taken for what was found.
        _ if view.coordination.shadow => "only watched",
        Some(conclusion) => conclusion.verdict.word(),
        None => "pending",
    };
    let score = view
        .judgement
        .as_ref()
        .and_then(|judgement| judgement.score);
    let score = score.map_or(String::new(), |score| format!(", score {}", score.get()));
    let evidence = report_url.map_or(String::new(), |url| format!(" ([evidence]({url}))"));
    let head = format!("**{word}**{score}: ");
    let used = head.chars().count() + evidence.chars().count();
    let room = COMMENT_CHARS_MAX.saturating_sub(used);
    format!("{head}{}{evidence}", cut(&plain(&view.sentence), room))
}

/// At most `most` characters, with `…` where something is missing.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    // A lone backslash would escape what follows.
    while out.ends_with('\\') {
        out.pop();
    }
    out.push('…');
    out
}

fn bytes(shape: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(shape).expect("A9: shapes have text keys and no numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_said_or_left_out() {
        for (state, wanted) in [
            (
                Some("approved"),
                r#"{"environment_name":"p","state":"approved","comment":"c"}"#,
            ),
            (None, r#"{"environment_name":"p","comment":"c"}"#),
        ] {
            assert_eq!(rule_answer("p", state, "c"), wanted.as_bytes());
        }
    }

    #[test]
    fn what_is_too_long_is_cut_where_nothing_is_escaped() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("ab\\\\x", 4), "ab…");
        assert_eq!(
            cut(&"é".repeat(2000), COMMENT_CHARS_MAX).chars().count(),
            COMMENT_CHARS_MAX
        );
    }
}
