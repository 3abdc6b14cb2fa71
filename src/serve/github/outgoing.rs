//! What GitHub is told of a verdict: the words of its API, the address, and who may hear it.

use crate::dialect::{Dialect, Dialects, State, Word};
use crate::engine::effect::SendOrder;
use crate::engine::event::SendReply;
use crate::engine::github::{GithubForm, GithubRule};
use crate::engine::view::View;
use crate::http;
use crate::serve::outbox::heard;
use crate::time::{Span, Timestamp};
use crate::webhook::Sender;
use crate::webhook::github::{App, Post};
use crate::wire::github::{
    CommitState, DeploymentState, comment, commit_status, deployment_status, may_be_told,
    rule_answer,
};
use url::Url;

/// How long a status that an analysis is under way may be late: less than a first look takes.
const STATUS_LIFE: Span = Span::from_s(10);

/// What speaks to GitHub.
pub(crate) struct Outgoing {
    pub(super) app: App,
    pub(super) callback_hosts: Vec<String>,
    pub(super) plain_http: bool,
    pub(super) reports_url: Option<Url>,
    pub(super) dialects: Dialects,
}

/// What goes out: where to, for which repository, and the body.
struct Said {
    url: Url,
    repository: String,
    installation: Option<u64>,
    body: Vec<u8>,
}

impl Outgoing {
    /// One attempt; `status` is what GitHub answered, if it did.
    pub(crate) async fn send(
        &self,
        sender: &Sender,
        (order, form): (&SendOrder, &GithubForm),
        at: Timestamp,
        status: &mut Option<u16>,
    ) -> SendReply {
        let word = self.dialects.word(Dialect::Github, State::of(&order.view));
        // The newest status counts, whatever it was about: one from before the verdict must not
        // come after the verdict's. So it is said at once or not at all. An answer to a rule is
        // the only one, and owed.
        let is_rule = matches!(form, GithubForm::Rule(_));
        let passing = order.view.conclusion.is_none() && !is_rule;
        if passing && order.born.plus(STATUS_LIFE) < at {
            let detail = "too late to say that it is under way".to_owned();
            return SendReply::GiveUp { detail };
        }
        let said = match self.said(order, form, word) {
            Ok(said) => said,
            Err(detail) => return SendReply::GiveUp { detail },
        };
        let post = Post {
            url: &said.url,
            repository: &said.repository,
            installation: said.installation,
            body: &said.body,
            at,
        };
        let reply = self.app.post(sender, post).await;
        *status = reply.status();
        match heard(&reply) {
            SendReply::Retry { detail, .. } if passing => SendReply::GiveUp { detail },
            reply => reply,
        }
    }

    /// What an order comes to, or why it never comes to anything.
    fn said(&self, order: &SendOrder, form: &GithubForm, word: Word) -> Result<Said, String> {
        let view = &order.view;
        let report = self.report_url(view);
        let report = report.as_deref();
        let filled = filled(&order.receiver.url, view)?;
        let mut url = Url::parse(&filled).map_err(|fault| format!("the address: {fault}"))?;
        self.may_be_told(&url)?;
        let repository = repository_of(&url)?;
        let (path, installation, body) = match form {
            GithubForm::Rule(GithubRule {
                environment,
                installation,
            }) => {
                let state = match word {
                    Word::Go => Some("approved"),
                    Word::Stop => Some("rejected"),
                    Word::Doubt | Word::Fault => None,
                    Word::Wait => {
                        return Err(
                            "nothing is said: [dialects.github] says wait; the deployment waits"
                                .to_owned(),
                        );
                    }
                };
                let body = rule_answer(environment, state, &comment(view, report));
                (None, *installation, body)
            }
            GithubForm::CommitStatus => {
                let path = format!("statuses/{}", commit(view)?);
                let state = match word {
                    Word::Go => CommitState::Success,
                    Word::Stop => CommitState::Failure,
                    Word::Wait => CommitState::Pending,
                    Word::Doubt | Word::Fault => CommitState::Error,
                };
                (Some(path), None, commit_status(view, state, report))
            }
            GithubForm::DeploymentStatus => {
                let path = format!("deployments/{}/statuses", deployment(view)?);
                let state = match word {
                    Word::Go => DeploymentState::Success,
                    Word::Stop => DeploymentState::Failure,
                    Word::Wait => DeploymentState::InProgress,
                    Word::Doubt | Word::Fault => DeploymentState::Error,
                };
                (Some(path), None, deployment_status(view, state, report))
            }
        };
        if let Some(path) = path {
            let whole = format!("{}/{path}", url.path().trim_end_matches('/'));
            url.set_path(&whole);
        }
        Ok(Said {
            url,
            repository,
            installation,
            body,
        })
    }

    /// Whether the app's token may go there.
    pub(super) fn may_be_told(&self, url: &Url) -> Result<(), String> {
        may_be_told(url, &self.callback_hosts, self.plain_http)
    }

    fn report_url(&self, view: &View) -> Option<String> {
        let base = self.reports_url.as_ref()?.as_str().trim_end_matches('/');
        let id = http::wire::path_segment(view.id.as_str());
        Some(format!("{base}/v1/analyses/{id}/report.html"))
    }
}

/// `OWNER/NAME` behind `repos` in the path.
pub(super) fn repository_of(url: &Url) -> Result<String, String> {
    let mut parts = url.path().split('/').skip_while(|part| *part != "repos");
    let (_, owner, name) = (parts.next(), parts.next(), parts.next());
    match (owner, name) {
        (Some(owner), Some(name)) if !owner.is_empty() && !name.is_empty() => {
            Ok(format!("{owner}/{name}"))
        }
        _ => Err("the path of the address is not …/repos/OWNER/NAME".to_owned()),
    }
}

/// The address with `{{service}}` and `{{inputs.NAME}}` filled by what the analysis is about.
fn filled(text: &str, view: &View) -> Result<String, String> {
    let rollout = &view.plan.rollout;
    fill(text, |hole| match hole.strip_prefix("inputs.") {
        Some(name) => rollout.inputs.get(name).map(String::as_str),
        None => (hole == "service").then_some(&*rollout.deploy.service),
    })
}

/// The address with every hole filled by what `value` gives for it: a name of a repository.
pub(super) fn fill<'a>(
    text: &str,
    value: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (hole, after) = behind
            .split_once("}}")
            .ok_or("`{{` in the address is never closed with `}}`")?;
        let hole = hole.trim();
        let value = value(hole).ok_or_else(|| {
            format!("`{{{{{hole}}}}}` in the address has no value; it is service or inputs.NAME")
        })?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !value.chars().all(legal) || value.starts_with('.') {
            return Err(format!(
                "the value of `{{{{{hole}}}}}` is no name of a repository"
            ));
        }
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The commit: of the deploy, or of the input `commit`; whole, as the API wants it.
fn commit(view: &View) -> Result<String, String> {
    let rollout = &view.plan.rollout;
    let sha = rollout
        .deploy
        .commit
        .as_ref()
        .or(rollout.inputs.get("commit"));
    let sha = sha.ok_or("no status: the submission has no deploy.commit")?;
    let whole = matches!(sha.len(), 40 | 64) && sha.chars().all(|c| c.is_ascii_hexdigit());
    whole
        .then(|| sha.to_ascii_lowercase())
        .ok_or_else(|| format!("no status: commit `{sha}` is not 40 or 64 hexadecimal digits"))
}

/// The deployment's number: the id of the deploy, its end where the app's webhook asked, or the
/// input `github_deployment`.
fn deployment(view: &View) -> Result<String, String> {
    let rollout = &view.plan.rollout;
    let own = rollout.deploy.id.as_ref().map(|id| {
        let asked = id.as_str().strip_prefix("github:");
        let number = asked.and_then(|parts| parts.rsplit(':').next());
        number.unwrap_or(id.as_str()).to_owned()
    });
    let digits = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let named = rollout.inputs.get("github_deployment").cloned();
    own.filter(digits).or(named.filter(digits)).ok_or_else(|| {
        "no status: neither deploy.id nor the input github_deployment is the number of a deployment"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::repository_of;
    use url::Url;

    #[test]
    fn repositories_are_found_in_paths() {
        for (text, wanted) in [
            ("https://api.github.com/repos/acme/shop", Some("acme/shop")),
            (
                "https://ghe.example/api/v3/repos/acme/shop/",
                Some("acme/shop"),
            ),
            ("https://api.github.com/repos/acme", None),
            ("https://api.github.com/", None),
        ] {
            let found = Url::parse(text)
                .ok()
                .and_then(|url| repository_of(&url).ok());
            assert_eq!(found.as_deref(), wanted, "{text}");
        }
    }
}
