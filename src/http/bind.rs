//! From a checked body to a plan: the template found, the plan bound, the receivers admitted.

use super::office::Office;
use super::refused::{Code, Refused, field_problems};
use super::wire::path_segment;
use crate::diagnostic::{Diagnostic, closest};
use crate::engine::record::{Receiver, SecretRef};
use crate::engine::subscription::Form;
use crate::engine::verdict::Verdict;
use crate::http::KnownReceiver;
use crate::ids::{ReceiverName, TemplateName};
use crate::plan::Plan;
use crate::plan::bind::bind;
use crate::plan::once::bind_once;
use crate::plan::rollout::Rollout;
use crate::template::Template;
use crate::template::extends::{Ancestor, Bundle, bundle};
use crate::template::notify::{Notify, NotifyOn, unknown_receivers};
use crate::wire::problem::FieldProblem;
use crate::wire::submission::TemplateChoice;
use std::sync::{Arc, PoisonError};

/// A template with the text it came from.
pub(crate) struct Chosen {
    pub(crate) text: Arc<str>,
    pub(crate) template: Arc<Template>,
}

/// The template a body names or brings.
pub(crate) fn chosen(office: &Office, choice: &TemplateChoice) -> Result<Chosen, Refused> {
    match choice {
        TemplateChoice::Named(name) => named(office, name),
        TemplateChoice::Inline(text) => {
            let refused =
                |found: &[Diagnostic]| diagnosed(Code::InvalidTemplate, "template_inline", found);
            let bundle = with_ancestors(office, text);
            let (template, found) = bundle.parse();
            let Some(template) = template else {
                return Err(refused(&bundle.named(&found)));
            };
            let unknown = unknown_receivers(&template, &receiver_names(office));
            if !unknown.is_empty() {
                return Err(refused(&bundle.named(&unknown)));
            }
            Ok(Chosen {
                text: bundle.text.into(),
                template: Arc::new(template),
            })
        }
    }
}

/// A text that came with a body and those of the daemon's templates it extends.
fn with_ancestors(office: &Office, text: &str) -> Bundle {
    let templates = office.desk.templates.read();
    let templates = templates.unwrap_or_else(PoisonError::into_inner);
    let known: Vec<TemplateName> = templates.known.keys().cloned().collect();
    let find = |name: &TemplateName| {
        templates.known.get(name).map(|file| Ancestor {
            label: format!("template `{name}`"),
            text: file.text.to_string(),
        })
    };
    bundle("template_inline", text, find, &known)
}

/// The template of this name.
pub(crate) fn named(office: &Office, name: &TemplateName) -> Result<Chosen, Refused> {
    let templates = office
        .desk
        .templates
        .read()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = templates.known.get(name) {
        return Ok(Chosen {
            text: file.text.clone(),
            template: file.template.clone(),
        });
    }
    let near = closest(
        name.as_str(),
        templates.known.keys().map(TemplateName::as_str),
    );
    let way_out = match near {
        Some(near) => format!(
            "did you mean {near}? (/v1/templates/{})",
            path_segment(near)
        ),
        None => "GET /v1/templates lists those there are".to_owned(),
    };
    let detail = format!("there is no template {name}; {way_out}");
    Err(Refused::new(Code::UnknownTemplate, detail))
}

/// Template × rollout.
pub(crate) fn plan(template: &Template, rollout: &Rollout) -> Result<Arc<Plan>, Refused> {
    admitted(bind(template, rollout))
}

/// Template × rollout, with a single look.
pub(crate) fn plan_once(template: &Template, rollout: &Rollout) -> Result<Arc<Plan>, Refused> {
    admitted(bind_once(template, rollout))
}

fn admitted(bound: Result<Plan, Vec<Diagnostic>>) -> Result<Arc<Plan>, Refused> {
    bound
        .map(Arc::new)
        .map_err(|found| diagnosed(Code::InvalidPlan, "", &found))
}

/// Diagnostics as a refusal; the detail is the first of them.
fn diagnosed(code: Code, field: &str, diagnostics: &[Diagnostic]) -> Refused {
    let errors = field_problems(field, diagnostics);
    let first = diagnostics
        .iter()
        .find(|d| d.is_error())
        .map(ToString::to_string);
    let detail = match (first, errors.len()) {
        (Some(first), 1) => first,
        (Some(first), n) => format!("{first}; and {} more", n - 1),
        (None, _) => "it was refused without a reason; report this with the body".to_owned(),
    };
    Refused::new(code, detail).with_errors(errors)
}

/// The names of the daemon's receivers.
fn receiver_names(office: &Office) -> Vec<ReceiverName> {
    let known = office.desk.receivers.iter();
    known.filter_map(|known| known.name.clone()).collect()
}

/// Whether one of the daemon's receivers hears of verdicts of a template, and of which: of all
/// without a name, or without any choice; else as the template says.
fn chosen_receiver(known: &KnownReceiver, notify: Option<&[Notify]>) -> Option<Receiver> {
    let (Some(name), Some(notify)) = (&known.name, notify) else {
        return Some(known.receiver.clone());
    };
    let notify = notify.iter().find(|notify| notify.receiver == *name)?;
    let verdict = |on: &NotifyOn| match on {
        NotifyOn::Promote => Verdict::Promote,
        NotifyOn::Rollback => Verdict::Rollback,
        NotifyOn::Inconclusive => Verdict::Inconclusive,
    };
    let on: Vec<Verdict> = notify.on.iter().map(verdict).collect();
    if on.is_empty() {
        return Some(known.receiver.clone());
    }
    // Both the configuration and the template narrow; verdicts that neither wants go to nobody.
    let on: Vec<Verdict> = on
        .into_iter()
        .filter(|v| known.receiver.hears(*v))
        .collect();
    (!on.is_empty()).then(|| known.receiver.only(on))
}

/// Those who will hear of the verdict: the body's own, checked, then those of the daemon that the
/// template chooses.
pub(crate) fn receivers(
    office: &Office,
    own: &[Receiver],
    plan: &Plan,
    notify: Option<&[Notify]>,
) -> Result<Vec<Receiver>, Refused> {
    let desk = &office.desk;
    let mut errors = Vec::new();
    for (idx, receiver) in own.iter().enumerate() {
        if let Err((field, why)) = (desk.check_receiver)(receiver) {
            errors.push(FieldProblem::new(format!("webhooks[{idx}].{field}"), why));
        }
        let secret = match &receiver.secret {
            SecretRef::Inline(_) => None,
            SecretRef::Named(name) => unknown_key(&desk.key_names, name),
            SecretRef::Default if desk.has_default_key => None,
            // Others' interfaces have their own ways to know us.
            SecretRef::Default if matches!(receiver.form, Form::Templated(_) | Form::Github(_)) => {
                None
            }
            SecretRef::Default => Some((
                "secret",
                "it is missing, and the daemon has no default key; give secret or secret_name"
                    .to_owned(),
            )),
        };
        if let Some((field, why)) = secret {
            errors.push(FieldProblem::new(format!("webhooks[{idx}].{field}"), why));
        }
    }
    if let Some(first) = errors.first() {
        let detail = first.to_string();
        return Err(Refused::new(Code::InvalidReceiver, detail).with_errors(errors));
    }
    let mut all = own.to_vec();
    let deploy = &plan.rollout.deploy;
    let environment = deploy.environment.as_deref();
    let passes = |known: &&KnownReceiver| {
        let filter = &known.filter;
        filter.passes(&deploy.service, plan.template.as_str(), environment)
    };
    for known in desk.receivers.iter().filter(passes) {
        // What came with the body hears of everything.
        if !own.contains(&known.receiver) {
            let chosen = chosen_receiver(known, notify);
            all.extend(chosen.filter(|chosen| !all.contains(chosen)));
        }
    }
    Ok(all)
}

fn unknown_key(known: &[String], name: &str) -> Option<(&'static str, String)> {
    if known.iter().any(|key| key == name) {
        return None;
    }
    let shown = super::query::shown(name);
    let why = match closest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("the daemon has no key {shown}, did you mean {near}?"),
        None => format!(
            "the daemon has no key {shown}; add it to webhooks.keys, or give secret instead"
        ),
    };
    Some(("secret_name", why))
}
