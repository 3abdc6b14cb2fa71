//! A deployment waits for an answer: the event `deployment_protection_rule`, and the address that
//! takes the answer.

use serde::Deserialize;
use std::fmt;
use url::Url;

/// What GitHub asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRequest {
    /// `requested`; other actions ask for nothing.
    pub action: String,
    /// The environment the deployment goes to.
    pub environment: String,
    /// Where the answer goes, and which run it is about.
    pub callback: Callback,
    /// The commit.
    pub sha: Option<String>,
    /// The branch or tag.
    pub reference: Option<String>,
    /// The deployment that waits.
    pub deployment: Option<u64>,
    /// The installation of the app.
    pub installation: Option<u64>,
    /// Who started the workflow.
    pub sender: Option<String>,
}

#[derive(Deserialize)]
struct RuleShape {
    action: String,
    environment: String,
    deployment_callback_url: String,
    sha: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    deployment: Option<DeploymentShape>,
    repository: Option<RepositoryShape>,
    installation: Option<InstallationShape>,
    sender: Option<SenderShape>,
}

#[derive(Deserialize)]
struct DeploymentShape {
    id: Option<u64>,
    sha: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[derive(Deserialize)]
struct RepositoryShape {
    full_name: String,
}

#[derive(Deserialize)]
struct InstallationShape {
    id: u64,
}

#[derive(Deserialize)]
struct SenderShape {
    login: String,
}

/// Reads the body of the event.
///
/// # Errors
///
/// What is missing or does not fit, with its field.
pub fn rule_requested(body: &[u8]) -> Result<RuleRequest, String> {
    let shape: RuleShape = serde_json::from_slice(body)
        .map_err(|fault| format!("the body is no deployment_protection_rule event: {fault}"))?;
    let callback = Callback::parse(&shape.deployment_callback_url)
        .map_err(|fault| format!("deployment_callback_url: {fault}"))?;
    if let Some(named) = &shape.repository
        && !named.full_name.eq_ignore_ascii_case(&callback.repository())
    {
        return Err(format!(
            "repository.full_name `{}` is not the repository of deployment_callback_url, `{}`",
            named.full_name,
            callback.repository()
        ));
    }
    let deployment = shape.deployment.as_ref();
    let sha = deployment.and_then(|of| of.sha.clone()).or(shape.sha);
    let reference = deployment
        .and_then(|of| of.reference.clone())
        .or(shape.reference);
    Ok(RuleRequest {
        action: shape.action,
        environment: shape.environment,
        callback,
        sha,
        reference,
        deployment: deployment.and_then(|of| of.id),
        installation: shape.installation.map(|of| of.id),
        sender: shape.sender.map(|of| of.login),
    })
}

/// Whether the app's token may go to an address: to the hosts of the configuration and to no
/// others, whatever a question or a record says; over plain http only where the API is.
///
/// # Errors
///
/// Why not.
pub fn may_be_told(url: &Url, hosts: &[String], plain_http: bool) -> Result<(), String> {
    let host = host_of(url);
    if !hosts.contains(&host) {
        let hosts = hosts.join(", ");
        return Err(format!(
            "the host {host} is not one of github.callback_hosts, which are {hosts}"
        ));
    }
    let scheme = url.scheme();
    if scheme == "https" || (plain_http && scheme == "http") {
        return Ok(());
    }
    Err(format!("the scheme {scheme} of {host} is not https"))
}

/// `…/repos/OWNER/NAME/actions/runs/RUN/deployment_protection_rule`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The address.
    pub url: Url,
    /// Who owns the repository.
    pub owner: String,
    /// The repository's name.
    pub name: String,
    /// The run of the workflow.
    pub run: u64,
}

/// Why an address takes no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackFault {
    /// It is no address.
    Address(String),
    /// Its path is not that of a callback.
    Path,
    /// It has more than a path.
    More,
}

impl fmt::Display for CallbackFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => write!(f, "it is no address: {why}"),
            Self::Path => f.write_str(
                "its path is not …/repos/OWNER/NAME/actions/runs/RUN/deployment_protection_rule",
            ),
            Self::More => f.write_str("it has credentials, a query or a fragment; it needs none"),
        }
    }
}

impl Callback {
    /// Takes the address apart. A server of one's own has a prefix such as `/api/v3`.
    ///
    /// # Errors
    ///
    /// When it is not the address of a callback.
    pub fn parse(text: &str) -> Result<Self, CallbackFault> {
        let url = Url::parse(text).map_err(|fault| CallbackFault::Address(fault.to_string()))?;
        let more = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if more {
            return Err(CallbackFault::More);
        }
        let parts: Vec<&str> = url.path().split('/').collect();
        let [
            ..,
            "repos",
            owner,
            name,
            "actions",
            "runs",
            run,
            "deployment_protection_rule",
        ] = parts.as_slice()
        else {
            return Err(CallbackFault::Path);
        };
        let run = run.parse().map_err(|_| CallbackFault::Path)?;
        if !is_name(owner) || !is_name(name) {
            return Err(CallbackFault::Path);
        }
        let (owner, name) = ((*owner).to_owned(), (*name).to_owned());
        Ok(Self {
            url,
            owner,
            name,
            run,
        })
    }

    /// `OWNER/NAME`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

/// Owners and repositories have ASCII letters, digits and any of `- _ .`.
fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.chars().all(legal) && text != "." && text != ".."
}

/// `host`, or `host:port` where the port is not the scheme's own: what a list of hosts holds.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn callbacks_are_taken_apart() {
        let tail = "actions/runs/77/deployment_protection_rule";
        for (text, wanted) in [
            (
                format!("https://api.github.com/repos/acme/shop/{tail}"),
                Ok("acme/shop"),
            ),
            (
                format!("https://ghe.example/api/v3/repos/a/b.c/{tail}"),
                Ok("a/b.c"),
            ),
            (
                format!("https://api.github.com/repos/acme/shop/{tail}/"),
                Err(CallbackFault::Path),
            ),
            (
                format!("https://api.github.com/repos/acme/../{tail}"),
                Err(CallbackFault::Path),
            ),
            (
                format!("https://api.github.com/repos/acme/%2e/{tail}"),
                Err(CallbackFault::Path),
            ),
            (
                format!("https://api.github.com/repos/acme/s%2fp/{tail}"),
                Err(CallbackFault::Path),
            ),
            (
                format!("https://api.github.com/repos/acme/shop/x/{tail}"),
                Err(CallbackFault::Path),
            ),
            (
                "https://api.github.com/repos/a/b/actions/runs/x/deployment_protection_rule".into(),
                Err(CallbackFault::Path),
            ),
            (
                format!("https://u@api.github.com/repos/a/b/{tail}"),
                Err(CallbackFault::More),
            ),
            (
                format!("https://api.github.com/repos/a/b/{tail}?x=1"),
                Err(CallbackFault::More),
            ),
        ] {
            let got = Callback::parse(&text).map(|callback| callback.repository());
            assert_eq!(got.as_deref(), wanted.as_deref(), "{text}");
        }
    }

    #[test]
    fn the_whole_event_is_read() {
        let body = br#"{"action":"requested","environment":"production","event":"push",
            "sha":"1111111111111111111111111111111111111111","ref":"refs/heads/main",
            "deployment_callback_url":
            "https://api.github.com/repos/acme/shop/actions/runs/77/deployment_protection_rule",
            "deployment":{"id":583231,"sha":"2222222222222222222222222222222222222222",
            "ref":"main","task":"deploy"},"pull_requests":[],
            "repository":{"id":1,"full_name":"Acme/shop"},"installation":{"id":42},
            "sender":{"login":"octocat"}}"#;
        let read = rule_requested(body).unwrap();
        assert_eq!(read.sha.unwrap(), "2".repeat(40));
        assert_eq!(
            (read.deployment, read.installation),
            (Some(583_231), Some(42))
        );
        assert_eq!(
            (read.callback.run, read.reference.as_deref()),
            (77, Some("main"))
        );
    }

    #[test]
    fn a_callback_of_another_repository_is_refused() {
        let body = br#"{"action":"requested","environment":"production","deployment_callback_url":
            "https://api.github.com/repos/acme/shop/actions/runs/77/deployment_protection_rule",
            "repository":{"full_name":"acme/other"}}"#;
        let why = rule_requested(body).unwrap_err();
        assert!(
            why.contains("acme/other") && why.contains("acme/shop"),
            "{why}"
        );
    }
}
