//! `[webhooks.templates]`: requests of other shapes than ours, read and tried out at start.

use crate::engine::record::Receiver;
use crate::engine::subscription::Form;
use crate::serve::config::{self, HookTemplateConfig, SecretText, WebhooksConfig};
use crate::webhook::call::Success;
use crate::webhook::template::{Template, Written};
use crate::webhook::{Policy, check_url};
use crate::wire::event;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Templates of webhooks; a configuration with more is refused.
pub(super) const HOOK_TEMPLATES_MAX: usize = 100;

/// By name.
pub(crate) type HookTemplates = Arc<BTreeMap<String, Template>>;

/// Reads every template and fills it with samples.
pub(crate) fn read(config: &WebhooksConfig, policy: &Policy) -> Result<HookTemplates, String> {
    if config.templates.len() > HOOK_TEMPLATES_MAX {
        let count = config.templates.len();
        return Err(format!(
            "webhooks.templates: {count} templates; at most {HOOK_TEMPLATES_MAX} are read"
        ));
    }
    let mut out = BTreeMap::new();
    for (name, written) in &config.templates {
        let key = format!("webhooks.templates.{name}");
        out.insert(name.clone(), template(&key, written, policy)?);
    }
    Ok(Arc::new(out))
}

fn template(key: &str, written: &HookTemplateConfig, policy: &Policy) -> Result<Template, String> {
    let at = |field: &'static str| move |why: String| format!("{key}.{field}: {why}");
    let says = match (&written.success_json, &written.success_equals) {
        (Some(pointer), Some(value)) => Some((pointer.as_str(), value.as_str().into())),
        (None, None) => None,
        _ => {
            return Err(format!(
                "{key}: success_json and success_equals belong together"
            ));
        }
    };
    let success = Success::parse(&written.success, says).map_err(at("success"))?;
    let mut secrets = BTreeMap::new();
    for (name, text) in &written.secrets {
        let key = format!("{key}.secrets.{name}");
        let secret = text.read(&key)?.ok_or_else(|| format!("{key}: empty"))?;
        secrets.insert(name.clone(), secret);
    }
    let hidden = config::is_reference(&written.url);
    let url = if hidden {
        let secret = SecretText::new(&written.url).read(&format!("{key}.url"))?;
        secret.map_or(String::new(), |secret| secret.expose().to_owned())
    } else {
        written.url.clone()
    };
    if !url.is_empty() {
        // As far as the text tells; what fills its holes cannot change whom it leads to.
        let literal = url.split(['{']).next().unwrap_or_default();
        let parsed = url::Url::parse(literal).map_err(|why| why.to_string());
        parsed
            .and_then(|url| check_url(&url, policy).map_err(|why| why.to_string()))
            .map_err(at("url"))?;
    }
    let written = Written {
        method: &written.method,
        url: &url,
        headers: &written.headers,
        body: &written.body,
        content_type: &written.content_type,
        success,
        secrets,
    };
    Template::read(written, &event::samples()).map_err(|(field, why)| {
        match (hidden, field.as_str()) {
            (true, "url") => format!("{key}.url: what it names cannot be filled"), // it is a secret
            _ => format!("{key}.{field}: {why}"),
        }
    })
}

/// Where a receiver of the configuration is reached, as shown to people: its own address, or the
/// name of the template that has one.
pub(crate) fn shown_url(
    templates: &HookTemplates,
    form: &Form,
    url: &str,
) -> Result<String, String> {
    let Form::Templated(name) = form else {
        return Ok(url.to_owned());
    };
    let template = found(templates, name)?;
    match (template.has_url(), url.is_empty()) {
        (true, true) => Ok(form.to_string()),
        (true, false) => Err(format!(
            "webhooks.templates.{name} has a url of its own; drop one"
        )),
        (false, true) => Err(format!("missing, and webhooks.templates.{name} has none")),
        (false, false) => Ok(url.to_owned()),
    }
}

/// Whether somebody who submits an analysis may use the form: with an address of their own they
/// must not get at our secrets, nor at an address that they may not choose.
pub(crate) fn check_submitted(
    templates: &HookTemplates,
    receiver: &Receiver,
) -> Result<(), (&'static str, String)> {
    let Form::Templated(name) = &receiver.form else {
        return Ok(());
    };
    let template = found(templates, name).map_err(|why| ("form", why))?;
    if template.has_url() || template.has_secrets() {
        let why = format!(
            "webhooks.templates.{name} has an address or secrets of its own; only receivers of the \
             configuration can use it"
        );
        return Err(("form", why));
    }
    Ok(())
}

/// The template of this name, or what there is instead.
pub(crate) fn found<'a>(templates: &'a HookTemplates, name: &str) -> Result<&'a Template, String> {
    templates.get(name).ok_or_else(|| {
        let names = templates.keys().map(String::as_str);
        match crate::diagnostic::closest(name, names) {
            Some(near) => format!("webhooks.templates has no `{name}`, did you mean `{near}`?"),
            None => format!("webhooks.templates has no `{name}`; add it"),
        }
    })
}
