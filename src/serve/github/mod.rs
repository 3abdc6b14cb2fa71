//! GitHub from the configuration; what it is told of a verdict is in [`outgoing`].

mod outgoing;

pub(crate) use outgoing::Outgoing;

use crate::dialect::Dialects;
use crate::engine::subscription::Form;
use crate::http::{self, Binding, GithubEnvironment};
use crate::secret::Secret;
use crate::serve::config::{GithubConfig, GithubEnvironmentConfig, ReceiverConfig};
use crate::serve::github::outgoing::{fill, repository_of};
use crate::webhook::github::{App, AppKey};
use crate::wire::subscription as words;
use std::sync::Arc;
use url::Url;

/// Environments of one configuration; more are refused.
const ENVIRONMENTS_MAX: usize = 10_000;

/// GitHub as the configuration has it: what the door needs, and what speaks.
pub(crate) struct Parsed {
    pub(crate) door: Option<Arc<http::Github>>,
    pub(crate) outgoing: Option<Outgoing>,
}

/// Reads `[github]`, and the receivers that are told of verdicts there.
pub(crate) fn read(
    config: &GithubConfig,
    receivers: &[ReceiverConfig],
    bindings: &[Binding],
    dialects: &Dialects,
) -> Result<Parsed, String> {
    let api = address("github.api_url", &config.api_url)?;
    let plain_http = api.scheme() == "http";
    let callback_hosts = config.callback_hosts.clone();
    let app = app(config, &api)?;
    let secrets = secrets(config)?;
    if !config.environments.is_empty() && (secrets.is_empty() || app.is_none()) {
        return Err(
            "github.environments: answering needs github.secrets (the webhook's), github.app_id \
             and github.private_key"
                .to_owned(),
        );
    }
    let environments = environments(&config.environments, bindings)?;
    let door = (!secrets.is_empty()).then(|| {
        Arc::new(http::Github {
            secrets,
            callback_hosts: callback_hosts.clone(),
            plain_http,
            environments,
        })
    });
    let reports_url = match config.reports_url.as_str() {
        "" => None,
        text => Some(address("github.reports_url", text)?),
    };
    let outgoing = app.map(|app| Outgoing {
        app,
        callback_hosts,
        plain_http,
        reports_url,
        dialects: dialects.clone(),
    });
    for (idx, receiver) in receivers.iter().enumerate() {
        if matches!(words::form(receiver.form.as_deref()), Ok(Form::Github(_))) {
            let checked = check_receiver(receiver, outgoing.as_ref());
            checked.map_err(|why| format!("webhooks.receivers[{idx}]{why}"))?;
        }
    }
    Ok(Parsed { door, outgoing })
}

/// The address of a repository, on a host that may be told; the app's token is the credential.
fn check_receiver(receiver: &ReceiverConfig, outgoing: Option<&Outgoing>) -> Result<(), String> {
    let outgoing = outgoing.ok_or(".form: needs github.app_id and github.private_key")?;
    if receiver.key.is_some() {
        return Err(".key: github takes no signature; leave it out".to_owned());
    }
    let filled = fill(&receiver.url, |hole| {
        (hole == "service" || hole.starts_with("inputs.")).then_some("x")
    })
    .map_err(|why| format!(".url: {why}"))?;
    let url = Url::parse(&filled).map_err(|fault| format!(".url `{}`: {fault}", receiver.url))?;
    let checked = outgoing
        .may_be_told(&url)
        .and_then(|()| repository_of(&url));
    checked.map(drop).map_err(|why| format!(".url: {why}"))
}

fn address(key: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|fault| format!("{key} `{text}`: {fault}"))?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if matches!(url.scheme(), "https" | "http") && url.has_host() && plain {
        return Ok(url);
    }
    Err(format!(
        "{key} `{text}`: write https://HOST, with a path where there is one"
    ))
}

fn app(config: &GithubConfig, api: &Url) -> Result<Option<App>, String> {
    let key = config.private_key.read("github.private_key")?;
    match (config.app_id.as_str(), key) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err("github.app_id: missing, and github.private_key is set".to_owned()),
        (_, None) => Err("github.private_key: missing, and github.app_id is set".to_owned()),
        (id, Some(pem)) => {
            let key =
                AppKey::parse(id, &pem).map_err(|fault| format!("github.private_key: {fault}"))?;
            Ok(Some(App::new(api.clone(), key)))
        }
    }
}

/// Secrets of the app's webhook that are good at once; a longer list is refused. Every question is
/// checked under each of them, and two take each other's place.
const SECRETS_AT_ONCE_MAX: usize = 8;

fn secrets(config: &GithubConfig) -> Result<Vec<Secret>, String> {
    if config.secrets.len() > SECRETS_AT_ONCE_MAX {
        let count = config.secrets.len();
        return Err(format!(
            "github.secrets: {count} secrets; at most {SECRETS_AT_ONCE_MAX} are good at once, \
             remove the old ones"
        ));
    }
    let mut out = Vec::new();
    for (idx, written) in config.secrets.iter().enumerate() {
        let key = format!("github.secrets[{idx}]");
        out.push(written.read(&key)?.ok_or_else(|| format!("{key}: empty"))?);
    }
    Ok(out)
}

fn environments(
    written: &[GithubEnvironmentConfig],
    bindings: &[Binding],
) -> Result<Vec<GithubEnvironment>, String> {
    if written.len() > ENVIRONMENTS_MAX {
        let count = written.len();
        return Err(format!(
            "github.environments: there are {count}, the limit is {ENVIRONMENTS_MAX}; run a second \
             daemon for the rest"
        ));
    }
    let mut out: Vec<GithubEnvironment> = Vec::new();
    for (idx, one) in written.iter().enumerate() {
        let key = format!("github.environments[{idx}]");
        let parts: Vec<&str> = one.repository.split('/').collect();
        if parts.len() != 2 || parts.contains(&"") {
            let text = &one.repository;
            return Err(format!("{key}.repository: `{text}` is not OWNER/NAME"));
        }
        if !bindings.iter().any(|binding| binding.name == one.binding) {
            let name = &one.binding;
            return Err(format!(
                "{key}.binding: there is no `{name}` in [[bindings]]"
            ));
        }
        let same = |other: &&GithubEnvironment| {
            other.repository.eq_ignore_ascii_case(&one.repository)
                && other.environment.to_lowercase() == one.environment.to_lowercase()
        };
        if out.iter().find(same).is_some() {
            return Err(format!(
                "{key}: {} of {} has a binding already; remove one",
                one.environment, one.repository
            ));
        }
        out.push(GithubEnvironment {
            repository: one.repository.clone(),
            environment: one.environment.clone(),
            binding: one.binding.clone(),
        });
    }
    Ok(out)
}
