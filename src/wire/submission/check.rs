//! From a submission as sent to one that holds: every field, every fault.

use super::{
    CheckedSubmission, DeployInput, INPUTS_MAX, MEMBERS_MAX, RESERVED_PREFIXES, ScopeInput,
    SubmissionDocument, TEXT_LEN_MAX, TemplateChoice, WAVE_MAX, WEBHOOKS_MAX, WebhookInput,
};
use crate::engine::coordination::{Coordination, Release, Wave};
use crate::engine::record::{Receiver, SecretRef};
use crate::engine::subscription::Form;
use crate::ids::{DeployId, NAME_LEN_MAX, TemplateName};
use crate::plan::rollout::Deploy;
use crate::plan::scope::Scope;
use crate::secret::Secret;
use crate::time::{Span, Timestamp};
use crate::units::Probability;
use crate::wire::coordination::{ReleaseInput, WaveInput};
use crate::wire::problem::FieldProblem;
use crate::wire::subscription as words;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a signing key (Standard Webhooks, "Signature scheme").
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Bytes of an Ed25519 private key: a seed, or seed and public key (RFC 8032 section 5.1.5).
const PRIVATE_BYTES: [usize; 2] = [32, 64];

/// Checks `document` whole.
pub(super) fn check(document: SubmissionDocument) -> Result<CheckedSubmission, Vec<FieldProblem>> {
    let mut faults = Faults(Vec::new());
    faults.texts("inputs", &document.inputs);
    let template = faults.template(document.template, document.template_inline);
    let baseline = document.baseline.as_ref();
    let baseline = baseline.and_then(|input| faults.scope("baseline", Some(input)));
    let canary = faults.scope("canary", document.canary.as_ref());
    let given = document.baseline.is_some();
    let arms_fault = arms_fault(given, baseline.as_ref(), canary.as_ref());
    let mut deploy = faults.deploy(document.deploy);
    deploy.planned_steps = super::steps::check(&document.steps, &mut faults.0);
    let start = document.start.and_then(|text| faults.start(&text));
    let duration = document.duration.and_then(|text| faults.duration(&text));
    let receivers = faults.receivers(document.webhooks);
    let coordination = Coordination {
        release: document.release.map(|input| faults.release(input)),
        wave: document.wave.map(|input| faults.wave(input)),
        ..Coordination::default()
    };
    match (template, canary) {
        (Some(template), Some(canary)) if faults.0.is_empty() => Ok(CheckedSubmission {
            template,
            inputs: document.inputs,
            baseline: baseline.unwrap_or_else(|| canary.clone()),
            canary,
            arms_fault,
            deploy,
            start,
            duration,
            receivers,
            coordination,
            shadow: document.shadow,
        }),
        // What else is wrong is said all at once; which template it would be is not known.
        _ => {
            let before = ["inputs", "template"];
            let mut found = faults.0.iter();
            let place = found.position(|fault| !before.contains(&fault.field.as_str()));
            let at = place.unwrap_or(faults.0.len());
            faults.0.splice(at..at, arms_fault);
            Err(faults.0)
        }
    }
}

/// What is wrong with the arms when they are to be told apart by their labels.
fn arms_fault(
    given: bool,
    baseline: Option<&Scope>,
    canary: Option<&Scope>,
) -> Option<FieldProblem> {
    if !given {
        return Some(FieldProblem::new("baseline", MISSING_SCOPE));
    }
    let why = "it selects the same series as the baseline; give the label that tells them apart";
    (baseline.is_some() && baseline == canary).then(|| FieldProblem::new("canary", why))
}

/// What is said of an arm without matchers.
const MISSING_SCOPE: &str = "it is missing; give labels like {\"track\": \"canary\"}, \
     in a query one parameter for each, like canary.track=canary";

/// What was found wrong so far.
struct Faults(Vec<FieldProblem>);

impl Faults {
    fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldProblem::new(field, message));
    }

    fn template(&mut self, name: Option<String>, text: Option<String>) -> Option<TemplateChoice> {
        match (name, text) {
            (Some(name), None) => {
                let known = TemplateName::new(&name).map(TemplateChoice::Named);
                if known.is_none() {
                    self.add(
                        "template",
                        format!("{name:?} is not a name; {}", name_rule()),
                    );
                }
                known
            }
            (None, Some(text)) => Some(TemplateChoice::Inline(text.into())),
            (Some(_), Some(_)) => {
                self.add(
                    "template",
                    "template_inline is given as well; give one of them",
                );
                None
            }
            (None, None) => {
                self.add(
                    "template",
                    "it is missing; give a name, or a text as template_inline",
                );
                None
            }
        }
    }

    fn scope(&mut self, field: &str, input: Option<&ScopeInput>) -> Option<Scope> {
        let Some(input) = input else {
            self.add(field, MISSING_SCOPE);
            return None;
        };
        match input.scope() {
            Ok(scope) => Some(scope),
            Err(message) => {
                self.add(field, message);
                None
            }
        }
    }

    fn texts(&mut self, field: &str, inputs: &std::collections::BTreeMap<String, String>) {
        if inputs.len() > INPUTS_MAX {
            self.add(
                field,
                format!("there are {}, the limit is {INPUTS_MAX}", inputs.len()),
            );
        }
        for (name, value) in inputs {
            if name.len() > NAME_LEN_MAX {
                self.add(
                    field,
                    format!(
                        "a name has {} bytes, the limit is {NAME_LEN_MAX}",
                        name.len()
                    ),
                );
            }
            self.length(&format!("{field}.{name}"), Some(value));
        }
    }

    fn length(&mut self, field: &str, text: Option<&String>) {
        let Some(len) = text.map(String::len).filter(|len| *len > TEXT_LEN_MAX) else {
            return;
        };
        self.add(
            field,
            format!("it has {len} bytes, the limit is {TEXT_LEN_MAX}"),
        );
    }

    fn deploy_texts(&mut self, input: &DeployInput) {
        if input.service.trim().is_empty() {
            self.add(
                "deploy.service",
                "it is missing; name the service being deployed",
            );
        }
        let texts = [
            ("deploy.service", Some(&input.service)),
            ("deploy.environment", input.environment.as_ref()),
            ("deploy.region", input.region.as_ref()),
            ("deploy.revision", input.revision.as_ref()),
            ("deploy.commit", input.commit.as_ref()),
            ("deploy.artifact_digest", input.artifact_digest.as_ref()),
            ("deploy.change_type", input.change_type.as_ref()),
            ("deploy.actor", input.actor.as_ref()),
        ];
        for (field, text) in texts {
            self.length(field, text);
        }
    }

    fn deploy(&mut self, input: DeployInput) -> Deploy {
        self.deploy_texts(&input);
        let id = input.id.and_then(|text| {
            let id = DeployId::new(&text);
            if id.is_none() {
                self.add(
                    "deploy.id",
                    format!("{text:?} is not an identifier; {}", name_rule()),
                );
            }
            if RESERVED_PREFIXES.iter().any(|own| text.starts_with(own)) {
                let why = format!(
                    "{text:?} begins with one of {}, which are kept for what these controllers \
                     begin themselves; choose another name",
                    RESERVED_PREFIXES.join(", ")
                );
                self.add("deploy.id", why);
            }
            id
        });
        let traffic_share = input.traffic_share.and_then(|share| {
            let legal = Probability::new(share);
            if legal.is_none() {
                let message = format!("{share} is no share; give 0 to 1, 0.05 is 5 %");
                self.add("deploy.traffic_share", message);
            }
            legal
        });
        if let Some(text) = input
            .traceparent
            .as_ref()
            .filter(|text| !is_traceparent(text))
        {
            let short: String = text.chars().take(64).collect();
            self.add(
                "deploy.traceparent",
                format!("{short:?} is no W3C trace context; leave it out, or send 00-…-…-01"),
            );
        }
        Deploy {
            id,
            service: input.service,
            environment: input.environment,
            region: input.region,
            revision: input.revision,
            commit: input.commit,
            artifact_digest: input.artifact_digest,
            change_type: input.change_type,
            actor: input.actor,
            traffic_share,
            traffic_steps: Vec::new(),
            planned_steps: Vec::new(),
            traceparent: input.traceparent,
        }
    }

    fn start(&mut self, text: &str) -> Option<Timestamp> {
        let at = Timestamp::parse(text);
        if at.is_none() {
            self.add(
                "start",
                format!("{text:?} is no instant; write 2026-03-01T12:00:00Z"),
            );
        }
        at
    }

    fn duration(&mut self, text: &str) -> Option<Span> {
        let span = Span::parse(text).filter(|span| *span > Span::ZERO);
        if span.is_none() {
            self.add(
                "duration",
                format!("{text:?} is no length of time above zero; write 30m"),
            );
        }
        span
    }

    fn name(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() || text.len() > NAME_LEN_MAX || text.chars().any(char::is_control)
        {
            let why = format!("it must have 1 to {NAME_LEN_MAX} bytes and no control characters");
            self.add(field, why);
        }
    }

    fn release(&mut self, input: ReleaseInput) -> Release {
        self.name("release.group", &input.group);
        if input.members.len() > MEMBERS_MAX {
            let message = format!(
                "there are {}, the limit is {MEMBERS_MAX}",
                input.members.len()
            );
            self.add("release.members", message);
        }
        for (idx, member) in input.members.iter().enumerate() {
            self.name(&format!("release.members[{idx}]"), member);
        }
        Release {
            group: input.group,
            members: input.members,
            order: input.order,
        }
    }

    fn wave(&mut self, input: WaveInput) -> Wave {
        self.name("wave.name", &input.name);
        if !(1..=WAVE_MAX).contains(&input.index) {
            let message = format!(
                "{} is no wave; the first is 1, the limit {WAVE_MAX}",
                input.index
            );
            self.add("wave.index", message);
        }
        Wave {
            name: input.name,
            index: input.index,
        }
    }

    fn receivers(&mut self, inputs: Vec<WebhookInput>) -> Vec<Receiver> {
        if inputs.len() > WEBHOOKS_MAX {
            let message = format!("there are {}, the limit is {WEBHOOKS_MAX}", inputs.len());
            self.add("webhooks", message);
        }
        let mut out = Vec::new();
        for (idx, input) in inputs.into_iter().enumerate() {
            if let Err(message) = check_url(&input.url) {
                self.add(&format!("webhooks[{idx}].url"), message);
            }
            match receiver(input) {
                Ok(receiver) => out.push(receiver),
                Err((field, message)) => self.add(&format!("webhooks[{idx}].{field}"), message),
            }
        }
        out
    }
}

/// What one of the webhooks comes to, or the field that is wrong in it.
fn receiver(input: WebhookInput) -> Result<Receiver, (&'static str, String)> {
    let secret = secret(&input).map_err(|message| ("secret", message))?;
    Ok(Receiver {
        on: words::verdicts(&input.verdicts).map_err(|message| ("verdicts", message))?,
        form: form(input.form.as_deref()).map_err(|message| ("form", message))?,
        moments: words::moments(&input.moments).map_err(|message| ("moments", message))?,
        ..Receiver::new(input.url, secret)
    })
}

/// Any form but GitHub's: it comes with the app's token, and whoever may submit must not say with
/// it what they like about any repository.
fn form(word: Option<&str>) -> Result<Form, String> {
    match words::form(word)? {
        Form::Github(form) => Err(format!(
            "{form} is for receivers of the daemon's configuration; add one to \
             [[webhooks.receivers]]"
        )),
        form => Ok(form),
    }
}

fn name_rule() -> String {
    format!("1 to {NAME_LEN_MAX} letters, digits or ._-:/@")
}

/// Only the form; where an address may lead is checked when it is called.
fn check_url(text: &str) -> Result<(), String> {
    if text.len() > TEXT_LEN_MAX {
        return Err(format!(
            "it has {} bytes, the limit is {TEXT_LEN_MAX}",
            text.len()
        ));
    }
    let url = url::Url::parse(text)
        .map_err(|fault| format!("it is no address: {fault}; write https://host/path"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "scheme {:?} is not supported; use https",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user or password; sign with a secret instead".to_owned());
    }
    Ok(())
}

/// Never shows what was sent.
fn secret(input: &WebhookInput) -> Result<SecretRef, String> {
    match (&input.secret, &input.secret_name) {
        (None, None) => Ok(SecretRef::Default),
        (Some(_), Some(_)) => Err("secret_name is given as well; give one of them".to_owned()),
        (None, Some(name)) if name.is_empty() || name.len() > NAME_LEN_MAX => {
            Err(format!("secret_name must have 1 to {NAME_LEN_MAX} bytes"))
        }
        (None, Some(name)) => Ok(SecretRef::Named(name.clone())),
        (Some(text), None) => {
            let bytes = |prefix: &str| {
                let encoded = text.0.strip_prefix(prefix)?;
                STANDARD.decode(encoded).ok().map(|key| key.len())
            };
            let shared = bytes("whsec_").is_some_and(|bytes| SECRET_BYTES.contains(&bytes));
            let private = bytes("whsk_").is_some_and(|bytes| PRIVATE_BYTES.contains(&bytes));
            if !shared && !private {
                return Err(format!(
                    "it must be whsec_ and {} to {} bytes in base64, or whsk_ and an ed25519 key; \
                     `haldane keys` makes them",
                    SECRET_BYTES.start(),
                    SECRET_BYTES.end()
                ));
            }
            Ok(SecretRef::Inline(Secret::new(&text.0)))
        }
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, lower case, neither id all zeros (W3C Trace Context, 3.2.2).
pub(crate) fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, len: usize| {
        part.len() == len
            && part
                .bytes()
                .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
    };
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else {
        return false;
    };
    hex(version, 2)
        && *version != "ff"
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && trace.bytes().any(|c| c != b'0')
        && parent.bytes().any(|c| c != b'0')
}
