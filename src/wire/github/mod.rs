//! The shapes of GitHub's API that we take and send: deployment protection rules, commit statuses,
//! deployment statuses, installation tokens. Pure: what is sent where is decided elsewhere.
//!
//! Shapes follow GitHub's REST API, version 2022-11-28. What comes from GitHub may have any further
//! fields; ours are those that are read.

mod rule;
mod say;

pub use rule::{Callback, CallbackFault, RuleRequest, host_of, may_be_told, rule_requested};
pub use say::{
    COMMENT_CHARS_MAX, CommitState, DESCRIPTION_CHARS_MAX, DeploymentState, comment, commit_status,
    deployment_status, rule_answer, status_context, status_description,
};

use crate::secret::Secret;
use crate::time::Timestamp;
use serde::Deserialize;

/// The version of the REST API whose shapes these are.
pub const API_VERSION: &str = "2022-11-28";

/// What stands for an app at one installation, for about an hour.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// When it stops to be one.
    pub expires_at: Timestamp,
}

#[derive(Deserialize)]
struct AccessTokenShape {
    token: String,
    expires_at: String,
}

/// The answer to `POST /app/installations/{id}/access_tokens`.
///
/// # Errors
///
/// What is missing; the answer itself is never shown.
pub fn access_token(body: &[u8]) -> Result<AccessToken, String> {
    let shape: AccessTokenShape = serde_json::from_slice(body)
        .map_err(|_| "the answer is no access token of an installation".to_owned())?;
    let expires_at = Timestamp::parse(&shape.expires_at)
        .ok_or_else(|| format!("expires_at `{}` is no instant", shape.expires_at))?;
    if shape.token.is_empty() || !shape.token.chars().all(|c| c.is_ascii_graphic()) {
        return Err("the token is empty, or no header text".to_owned());
    }
    Ok(AccessToken {
        token: Secret::new(shape.token),
        expires_at,
    })
}

#[derive(Deserialize)]
struct InstallationShape {
    id: u64,
}

/// The answer to `GET /repos/{owner}/{repo}/installation`.
///
/// # Errors
///
/// When it is none.
pub fn installation(body: &[u8]) -> Result<u64, String> {
    serde_json::from_slice::<InstallationShape>(body)
        .map(|shape| shape.id)
        .map_err(|fault| format!("the answer is no installation: {fault}"))
}
