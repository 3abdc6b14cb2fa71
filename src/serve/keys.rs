//! Webhook keys and receivers from the configuration.

use crate::engine::record::{Receiver, SecretRef};
use crate::engine::subscription::{Filter, Form, Pattern};
use crate::http::{CheckReceiver, KnownReceiver};
use crate::ids::ReceiverName;
use crate::secret::Secret;
use crate::serve::config::{self, ReceiverConfig, SecretText, WebhooksConfig};
use crate::serve::hook_templates::{self, HookTemplates};
use crate::webhook::address_guard::{Policy, check_url};
use crate::webhook::signature::SigningKey;
use crate::webhook::{Options, Sender};
use crate::wire::subscription as words;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Parsed keys.
pub(crate) struct Keys {
    pub(crate) default: Vec<SigningKey>,
    pub(crate) named: BTreeMap<String, Vec<SigningKey>>,
}

/// The `source` of every event is a URI reference (CloudEvents 1.0, RFC 3986 section 2), or
/// receivers refuse them all.
fn check_source(source: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    if !source.is_empty() && source.chars().all(legal) {
        return Ok(());
    }
    Err(format!(
        "webhooks.source: `{source}` is no URI reference; write haldane, or \
         https://haldane.example.org"
    ))
}

/// Reads and parses every key.
pub(crate) fn read(config: &WebhooksConfig) -> Result<Keys, String> {
    check_source(&config.source)?;
    let default = list("webhooks.key", config.key.as_slice())?;
    let mut named = BTreeMap::new();
    for (name, written) in &config.keys {
        let key = format!("webhooks.keys.{name}");
        let written = written.as_slice();
        if written.is_empty() {
            return Err(format!(
                "{key}: an empty list would sign nothing; name a key, or remove the line"
            ));
        }
        named.insert(name.clone(), list(&key, written)?);
    }
    for (idx, receiver) in config.receivers.iter().enumerate() {
        let key = format!("webhooks.receivers[{idx}]");
        if matches!(words::form(receiver.form.as_deref()), Ok(Form::Github(_))) {
            continue; // neither a key nor an address of a webhook; read with `[github]`
        }
        let templated = is_templated(receiver);
        if !(templated && receiver.url.is_empty()) {
            let url = url::Url::parse(&receiver.url)
                .map_err(|fault| format!("{key}.url `{}`: {fault}", receiver.url))?;
            check_url(&url, &policy(config)).map_err(|fault| format!("{key}.url: {fault}"))?;
        }
        match &receiver.key {
            Some(name) if !named.contains_key(name) => {
                return Err(format!("{key}.key: webhooks.keys has no `{name}`"));
            }
            // Others' interfaces know us by what the template sends along.
            None if default.is_empty() && !templated => {
                return Err(format!("{key}: names no key, and webhooks.key is not set"));
            }
            Some(_) | None => {}
        }
    }
    Ok(Keys { default, named })
}

/// Keys that sign one message at once, while they are exchanged; a longer list is refused.
const KEYS_AT_ONCE_MAX: usize = 8;

/// The keys of one list, each named in what is said of it.
fn list(key: &str, written: &[SecretText]) -> Result<Vec<SigningKey>, String> {
    if written.len() > KEYS_AT_ONCE_MAX {
        let count = written.len();
        return Err(format!(
            "{key}: {count} keys; at most {KEYS_AT_ONCE_MAX} sign at once, remove the old ones"
        ));
    }
    let one = |(idx, text): (usize, &SecretText)| {
        let key = match written.len() {
            1 => key.to_owned(),
            _ => format!("{key}[{idx}]"),
        };
        let secret: Secret = text.read(&key)?.ok_or_else(|| format!("{key}: empty"))?;
        SigningKey::parse(secret.expose()).map_err(|fault| format!("{key}: {fault}"))
    };
    written.iter().enumerate().map(one).collect()
}

fn is_templated(receiver: &ReceiverConfig) -> bool {
    let form = receiver.form.as_deref().and_then(Form::parse);
    matches!(form, Some(Form::Templated(_)))
}

/// Which addresses may be called.
pub(crate) fn policy(config: &WebhooksConfig) -> Policy {
    Policy {
        allow_private: config.allow_private,
        ..Policy::default()
    }
}

/// The sender.
pub(crate) fn sender(config: &WebhooksConfig) -> Result<Sender, String> {
    let timeout = config::span("webhooks.timeout", &config.timeout)?;
    let ca_file = (!config.ca_file.is_empty()).then(|| PathBuf::from(&config.ca_file));
    Sender::new(Options {
        timeout,
        ca_file,
        policy: policy(config),
        ..Options::default()
    })
    .map_err(|fault| format!("webhooks: {fault}"))
}

/// Refuses an address or a form at submission, so that the submitter hears of it and not a log.
pub(crate) fn receiver_check(config: &WebhooksConfig, templates: HookTemplates) -> CheckReceiver {
    let policy = policy(config);
    Arc::new(move |receiver| {
        hook_templates::check_submitted(&templates, receiver)?;
        if let SecretRef::Inline(secret) = &receiver.secret {
            SigningKey::parse(secret.expose()).map_err(|why| ("secret", why.to_string()))?;
        }
        let fault = |why: String| ("url", why);
        let url = url::Url::parse(&receiver.url).map_err(|why| fault(why.to_string()))?;
        check_url(&url, &policy).map_err(|why| fault(why.to_string()))
    })
}

/// Those who hear of analyses, and of which.
pub(crate) fn receivers(
    config: &WebhooksConfig,
    templates: &HookTemplates,
) -> Result<Vec<KnownReceiver>, String> {
    let written = config.receivers.iter().enumerate();
    written
        .map(|(idx, written)| known(&format!("webhooks.receivers[{idx}]"), written, templates))
        .collect()
}

fn known(
    key: &str,
    written: &ReceiverConfig,
    templates: &HookTemplates,
) -> Result<KnownReceiver, String> {
    let at = |field: &'static str| move |why: String| format!("{key}.{field}: {why}");
    let secret = match &written.key {
        Some(name) => SecretRef::Named(name.clone()),
        None => SecretRef::Default,
    };
    let form = words::form(written.form.as_deref()).map_err(at("form"))?;
    if let Form::Templated(name) = &form {
        hook_templates::found(templates, name).map_err(at("form"))?;
    }
    let url = hook_templates::shown_url(templates, &form, &written.url).map_err(at("url"))?;
    Ok(KnownReceiver {
        name: written.name.as_deref().and_then(ReceiverName::new),
        receiver: Receiver {
            on: words::verdicts(&written.verdicts).map_err(at("verdicts"))?,
            form,
            moments: words::moments(&written.moments).map_err(at("moments"))?,
            ..Receiver::new(url, secret)
        },
        filter: Filter {
            services: patterns(&written.services).map_err(at("services"))?,
            templates: patterns(&written.templates).map_err(at("templates"))?,
            environments: patterns(&written.environments).map_err(at("environments"))?,
        },
    })
}

fn patterns(written: &[String]) -> Result<Vec<Pattern>, String> {
    let pattern = |text: &String| {
        let why = "an empty name matches nothing; write a name, or * for any run of characters";
        Pattern::new(text).ok_or_else(|| why.to_owned())
    };
    written.iter().map(pattern).collect()
}
