//! `POST /github/hook`: a deployment protection rule of GitHub's asks whether a deployment may go
//! on. The signature over the raw body is checked before anything of it is read; the answer is
//! 202 once the analysis is durable, and the decision follows on the rule's callback.
//!
//! Whatever is refused here leaves the deployment waiting: nothing goes on by a mistake.

use super::binding::{Values, bound};
use super::body::{content_type, invalid, raw_bytes};
use super::join::{Wish, join};
use super::named::deploy_id;
use super::office::{Office, json};
use super::refused::{Code, Refused};
use super::routes::{Endpoint, WRITE};
use super::submit::KEY_LEN_MAX;
use super::wire::{Links, SubmittedDocument};
use crate::engine::github::{GithubForm, GithubRule};
use crate::engine::record::{Receiver, SecretRef};
use crate::engine::subscription::Form;
use crate::ids::DeployId;
use crate::secret::Secret;
use crate::wire::github::{RuleRequest, host_of, may_be_told, rule_requested};
use crate::wire::problem::FieldProblem;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use ring::hmac;
use std::sync::Arc;

/// The header with the signature.
const SIGNATURE: &str = "x-hub-signature-256";
/// The event that asks.
const RULE_EVENT: &str = "deployment_protection_rule";

/// What the configuration says of GitHub, as far as this door needs it.
#[derive(Clone, Debug)]
pub struct Github {
    /// The secrets of the app's webhook; several while one takes the place of another.
    pub secrets: Vec<Secret>,
    /// Hosts that may be told decisions: `host`, or `host:port`.
    pub callback_hosts: Vec<String>,
    /// Whether callbacks may be plain http; only where the API itself is.
    pub plain_http: bool,
    /// Which binding stands behind which environment.
    pub environments: Vec<GithubEnvironment>,
}

/// One line of `[[github.environments]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubEnvironment {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment.
    pub environment: String,
    /// The name of a binding.
    pub binding: String,
}

pub(super) static ENDPOINTS: &[Endpoint] = &[Endpoint {
    path: "/github/hook",
    right: None, // the signature is the credential
    summary: "Webhook of a GitHub App: deployment protection rules",
    answers: &[
        (
            202,
            "the analysis is durable, or the event asks for nothing",
        ),
        (200, "ping"),
    ],
    content: super::routes::Content::Json("SubmittedDocument"),
    handler: || post(hook),
    ..WRITE
}];

/// Takes one delivery of the app's webhook.
pub(crate) async fn hook(
    State(office): State<Arc<Office>>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let github = office.desk.github.clone().ok_or_else(|| {
        let detail = "github is not configured; set [github] in the configuration";
        Refused::new(Code::UnknownBinding, detail)
    })?;
    let (parts, body) = request.into_parts();
    let bytes = raw_bytes(&parts.headers, body, office.desk.limits.body_bytes_max).await?;
    if !is_signed(&github.secrets, &parts.headers, &bytes) {
        let detail = format!(
            "{SIGNATURE} is not the HMAC-SHA256 of the body under a secret of github.secrets; \
             enter the same secret in the settings of the app"
        );
        return Err(Refused::new(Code::Unauthenticated, detail));
    }
    content_type(&parts.headers)?;
    match header(&parts.headers, "x-github-event")? {
        "ping" => Ok(said(StatusCode::OK, "pong")),
        RULE_EVENT => asked(&office, &github, &parts.headers, &bytes).await,
        other => {
            let shown = super::query::shown(other);
            let text = format!("the event {shown} asks for nothing; only {RULE_EVENT} does");
            Ok(said(StatusCode::ACCEPTED, &text))
        }
    }
}

/// One analysis for each deployment: whatever is sent again joins it. Which deployment it is stands
/// in the signed body; the header with the name of the delivery is signed by nobody, so whoever
/// kept a delivery could send it again under another name.
async fn asked(
    office: &Office,
    github: &Github,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<Response<Body>, Refused> {
    let delivery = header(headers, "x-github-delivery")?;
    let wrong = |field: &str, why: String| invalid(vec![FieldProblem::new(field, why)]);
    let rule = rule_requested(bytes).map_err(|why| wrong("", why))?;
    if rule.action != "requested" {
        let shown = super::query::shown(&rule.action);
        let text = format!("the action {shown} asks for nothing; only requested does");
        return Ok(said(StatusCode::ACCEPTED, &text));
    }
    callback_checked(github, &rule)?;
    let line = environment(github, &rule)?;
    let mut checked = bound(office, &line.binding)?.fill(&values(&rule))?;
    let id = named(&rule);
    let deploy = &mut checked.deploy;
    deploy.id = Some(id.clone());
    let own = |text: Option<String>| text.filter(|text| text.len() <= KEY_LEN_MAX);
    deploy.commit = deploy.commit.take().or(own(rule.sha.clone()));
    deploy.actor = deploy.actor.take().or(own(rule.sender.clone()));
    let environment = deploy.environment.take();
    deploy.environment = environment.or(own(Some(rule.environment.clone())));
    checked.receivers.push(receiver(&rule));
    let wish = Wish {
        checked,
        key: Some(id.to_string()),
        own_trace: false,
    };
    let (view, repeated) = join(office, wish).await?;
    tracing::info!(deployment = %id, delivery, analysis = %view.id, repeated, "github asks");
    let document = SubmittedDocument {
        id: view.id.to_string(),
        status: view.status.word().to_owned(),
        links: Links::of(&view.id),
    };
    let kind = [(CONTENT_TYPE, "application/json")];
    Ok((StatusCode::ACCEPTED, kind, json(&document)).into_response())
}

/// The deployment, as nobody else has it: host, repository, run and its number. Without a number
/// (GitHub sends one) a run has one deployment to each environment.
fn named(rule: &RuleRequest) -> DeployId {
    let callback = &rule.callback;
    let last = match rule.deployment {
        Some(id) => id.to_string(),
        None => format!("environment {}", rule.environment), // a blank: never taken for a number
    };
    let (host, repository) = (host_of(&callback.url), callback.repository().to_lowercase());
    deploy_id(
        "github",
        &[&host, &repository, &callback.run.to_string(), &last],
    )
}

/// Who hears of the verdict: the callback, as an answer to the rule.
fn receiver(rule: &RuleRequest) -> Receiver {
    let form = GithubForm::Rule(GithubRule {
        environment: rule.environment.clone(),
        installation: rule.installation,
    });
    Receiver {
        form: Form::Github(form),
        ..Receiver::new(rule.callback.url.to_string(), SecretRef::Default)
    }
}

/// Whoever learnt the webhook's secret must not make the daemon carry its token elsewhere.
fn callback_checked(github: &Github, rule: &RuleRequest) -> Result<(), Refused> {
    let url = &rule.callback.url;
    may_be_told(url, &github.callback_hosts, github.plain_http).map_err(|why| {
        let error = FieldProblem::new("deployment_callback_url", why);
        let detail = error.to_string();
        Refused::new(Code::InvalidReceiver, detail).with_errors(vec![error])
    })
}

/// The line for this repository and environment; GitHub tells neither apart by case.
fn environment<'a>(
    github: &'a Github,
    rule: &RuleRequest,
) -> Result<&'a GithubEnvironment, Refused> {
    let repository = rule.callback.repository();
    let fits = |line: &&GithubEnvironment| {
        line.repository.eq_ignore_ascii_case(&repository)
            && line.environment.to_lowercase() == rule.environment.to_lowercase()
    };
    github.environments.iter().find(fits).ok_or_else(|| {
        let shown = super::query::shown(&rule.environment);
        let detail = format!(
            "there is no binding for environment {shown} of {repository}; add it to \
             [[github.environments]] of the configuration; the deployment waits until then"
        );
        Refused::new(Code::UnknownBinding, detail)
    })
}

/// What fills the holes of the binding.
fn values(rule: &RuleRequest) -> Values {
    let callback = &rule.callback;
    let mut out = Values::from([
        ("name".to_owned(), callback.name.clone()),
        ("owner".to_owned(), callback.owner.clone()),
        ("repository".to_owned(), callback.repository()),
        ("environment".to_owned(), rule.environment.clone()),
        ("run".to_owned(), callback.run.to_string()),
    ]);
    for (name, value) in [
        ("sha", rule.sha.clone()),
        ("ref", rule.reference.clone()),
        ("deployment", rule.deployment.map(|id| id.to_string())),
        ("actor", rule.sender.clone()),
    ] {
        out.extend(value.map(|value| (name.to_owned(), value)));
    }
    out
}

/// Whether the header holds the signature of the body under one of the secrets; compared in
/// constant time, with each of them.
fn is_signed(secrets: &[Secret], headers: &HeaderMap, body: &[u8]) -> bool {
    let mut values = headers.get_all(SIGNATURE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let text = value.to_str().ok();
    let Some(tag) = text.and_then(|text| unhex(text.strip_prefix("sha256=")?)) else {
        return false;
    };
    let mut found = false;
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        found |= hmac::verify(&key, body, &tag).is_ok();
    }
    found
}

/// The 32 bytes that 64 hexadecimal digits write.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: &u8| {
        char::from(*c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    (digits.len() == 64).then(|| {
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refused> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.filter(|text| text.len() <= KEY_LEN_MAX)
        .ok_or_else(|| {
            let detail = format!("{name} must have 1 to {KEY_LEN_MAX} visible ASCII characters");
            Refused::new(Code::InvalidHeader, detail)
        })
}

fn said(status: StatusCode, text: &str) -> Response<Body> {
    let body = serde_json::json!({ "answer": text });
    let kind = [(CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}
