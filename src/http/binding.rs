//! A binding: how a caller that knows only a name gets its analysis. The configuration says which
//! template and which arms stand behind it; `{{name}}` and the like are filled from what the caller
//! sends.

use super::body::invalid;
use super::office::Office;
use super::refused::{Code, Refused};
use crate::diagnostic::closest;
use crate::wire::submission::{CheckedSubmission, ScopeInput, SubmissionDocument};
use std::collections::BTreeMap;

/// One of the configuration's bindings.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// What callers call it, in addresses.
    pub name: String,
    /// What they get, with holes.
    pub submission: SubmissionDocument,
}

/// Bytes of a value that fills a hole; a longer one is refused. Names of Kubernetes objects have at
/// most 253.
pub(crate) const VALUE_LEN_MAX: usize = 253;

/// What fills the holes, by name.
pub(crate) type Values = BTreeMap<String, String>;

impl Binding {
    /// The submission with its holes filled.
    ///
    /// # Errors
    ///
    /// A hole without a value, a value that could change the matchers around it, and whatever is
    /// wrong with the submission.
    pub(crate) fn fill(&self, values: &Values) -> Result<CheckedSubmission, Refused> {
        let mut document = self.submission.clone();
        let deploy = &mut document.deploy;
        let texts = [
            &mut document.template,
            &mut deploy.id,
            &mut deploy.environment,
            &mut deploy.region,
            &mut deploy.revision,
            &mut deploy.commit,
            &mut deploy.artifact_digest,
            &mut deploy.change_type,
            &mut deploy.actor,
        ];
        let optional = texts.into_iter().flatten();
        let scopes = [&mut document.baseline, &mut document.canary];
        let scopes = scopes.into_iter().flatten().flat_map(|scope| match scope {
            ScopeInput::Labels(labels) => labels.values_mut().collect::<Vec<_>>(),
            ScopeInput::Text(text) => vec![text],
        });
        let inputs = document.inputs.values_mut();
        let service = std::iter::once(&mut deploy.service);
        for text in optional.chain(scopes).chain(inputs).chain(service) {
            *text = filled(text, values).map_err(|why| {
                let detail = format!("binding {}: {why}", self.name);
                Refused::new(Code::InvalidSubmission, detail)
            })?;
        }
        document.check().map_err(invalid)
    }
}

/// The binding called `name`.
pub(crate) fn bound<'a>(office: &'a Office, name: &str) -> Result<&'a Binding, Refused> {
    let all = &office.desk.bindings;
    if let Some(found) = all.iter().find(|binding| binding.name == name) {
        return Ok(found);
    }
    let way_out = match closest(name, all.iter().map(|binding| binding.name.as_str())) {
        Some(near) => format!("did you mean {near}?"),
        None => "add it to [[bindings]] of the configuration".to_owned(),
    };
    let shown = super::query::shown(name);
    let detail = format!("there is no binding {shown}; {way_out}");
    Err(Refused::new(Code::UnknownBinding, detail))
}

/// `pod=~"{{name}}-.*"` with its holes filled. Values hold what names and versions are made of and
/// nothing that means something in a matcher, so that a caller cannot reach beyond the hole.
fn filled(text: &str, values: &Values) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((name, after)) = behind.split_once("}}") else {
            return Err(format!("`{{{{` in `{text}` is never closed with `}}}}`"));
        };
        let name = name.trim();
        let value = values.get(name).ok_or_else(|| {
            let known: Vec<&str> = values.keys().map(String::as_str).collect();
            format!(
                "`{{{{{name}}}}}` has no value; the caller sent {}",
                known.join(", ")
            )
        })?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+".contains(c);
        if value.len() > VALUE_LEN_MAX || !value.chars().all(legal) {
            return Err(format!(
                "the value of `{{{{{name}}}}}` must have at most {VALUE_LEN_MAX} letters, digits \
                 and any of - _ . : / @ +"
            ));
        }
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
