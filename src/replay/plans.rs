//! Plans of recordings: each distinct template is parsed once, however many recordings have it.

use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::bind::bind;
use crate::plan::rollout::Rollout;
use crate::template::kayenta::KayentaSpec;
use crate::template::parse::parse;
use crate::template::{Method, Template};
use crate::wire::recording::{Recording, other_plan};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Parsed templates that are kept; beyond it they are parsed again each time.
const TEMPLATES_KEPT_MAX: usize = 256;

/// Templates by the digest of their text, shared by all threads.
#[derive(Debug, Default)]
pub struct Plans {
    parsed: Mutex<BTreeMap<Digest, Result<Arc<Template>, String>>>,
}

impl Plans {
    /// The template of a text.
    ///
    /// # Errors
    /// Its first error.
    pub fn template(&self, text: &str) -> Result<Arc<Template>, String> {
        let digest = Digest::of(text.as_bytes());
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = parsed.get(&digest) {
            return known.clone();
        }
        let template = match parse(text) {
            (Some(template), _) => Ok(Arc::new(template)),
            (None, found) => Err(first_error("template", &found)),
        };
        if parsed.len() < TEMPLATES_KEPT_MAX {
            parsed.insert(digest, template.clone());
        }
        template
    }

    /// The plan of a text and a rollout.
    ///
    /// # Errors
    /// The first thing that keeps it from being made.
    pub fn bound(&self, text: &str, rollout: &Rollout) -> Result<Arc<Plan>, String> {
        bound(&*self.template(text)?, rollout)
    }

    /// The plan a recording was judged by.
    ///
    /// # Errors
    /// Why this program can no longer make it.
    pub fn own(&self, recording: &Recording) -> Result<Arc<Plan>, String> {
        let plan = self.bound(&recording.template_text, &recording.rollout)?;
        if plan.digest != recording.plan_digest {
            return Err(other_plan(&plan, recording.plan_digest));
        }
        Ok(plan)
    }

    /// The plan of a recording changed as `change` says.
    ///
    /// # Errors
    /// Why there is none.
    pub fn changed(&self, recording: &Recording, change: &Change) -> Result<Arc<Plan>, String> {
        let text = change
            .template
            .as_deref()
            .unwrap_or(&recording.template_text);
        let template = self.template(text)?;
        let known = |name: &str| template.inputs.iter().any(|input| input.name == name);
        let mut rollout = recording.rollout.clone();
        // What another template does not ask for says nothing about it; what was asked for on
        // purpose and is not known is a mistake, which binding complains about.
        rollout.inputs.retain(|name, _| known(name));
        rollout.inputs.extend(change.inputs.clone());
        let Some(method) = change.method else {
            return bound(&template, &rollout);
        };
        let mut template = (*template).clone();
        judged_by(&mut template, method);
        bound(&template, &rollout)
    }
}

/// A judge by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodName {
    /// `sequential`
    Sequential,
    /// `mann-whitney`
    MannWhitney,
    /// `kayenta`
    Kayenta,
}

impl MethodName {
    /// All of them with their words.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Sequential, "sequential"),
        (Self::MannWhitney, "mann-whitney"),
        (Self::Kayenta, "kayenta"),
    ];

    /// The judge of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, text)| *text == word);
        found.map(|(name, _)| *name)
    }

    /// The word.
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(name, _)| *name == self);
        found.map_or("", |(_, word)| *word)
    }

    /// The method of that name; settings that `old` has of it stay.
    fn of(self, old: &Method) -> Method {
        match (self, old) {
            (Self::Sequential, _) => Method::Sequential,
            (Self::MannWhitney, _) => Method::MannWhitney,
            (Self::Kayenta, Method::Kayenta(spec)) => Method::Kayenta(spec.clone()),
            (Self::Kayenta, _) => Method::Kayenta(KayentaSpec::default()),
        }
    }
}

/// What is to be different from what a recording was judged by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Another template's text.
    pub template: Option<Arc<str>>,
    /// Other values for its inputs.
    pub inputs: BTreeMap<String, String>,
    /// Another judge.
    pub method: Option<MethodName>,
}

impl Change {
    /// Nothing is to be different.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Another judge for all metrics, also those that have one of their own, and for every type of
/// change.
fn judged_by(template: &mut Template, method: MethodName) {
    template.judge.method = method.of(&template.judge.method);
    for own in template.metrics.iter_mut().filter_map(|m| m.judge.as_mut()) {
        own.method = None;
    }
    for rule in &mut template.changes {
        judged_by(&mut rule.template, method);
    }
}

fn bound(template: &Template, rollout: &Rollout) -> Result<Arc<Plan>, String> {
    bind(template, rollout)
        .map(Arc::new)
        .map_err(|found| first_error("plan", &found))
}

fn first_error(what: &str, found: &[Diagnostic]) -> String {
    match found.iter().find(|diagnostic| diagnostic.is_error()) {
        Some(error) => format!("its {what} cannot be used: {error}"),
        None => format!("its {what} cannot be used"),
    }
}
