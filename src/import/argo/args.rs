//! Arguments of an analysis template.

use super::{BASELINE_WORDS, CANARY_WORDS};
use crate::import::draft::{Draft, Input, hole_from};
use crate::import::rewrite::Picks;
use crate::import::source::Fields;

/// Values of `args`, as they are known.
#[derive(Default)]
pub(super) struct Args {
    /// Argument, hole, default.
    pub(super) known: Vec<(String, String, Option<String>)>,
    pub(super) picks: Picks,
}

/// Reads `args` into inputs; those whose value is of an arm are remembered.
pub(super) fn read_args(
    draft: &mut Draft,
    spec: &Fields<'_>,
    args: &mut Args,
) -> Result<(), String> {
    for node in spec.list("args")? {
        let arg = Fields::of(spec.file, "an entry of `args`", node)?;
        let name = arg.need("name")?;
        if args.known.iter().any(|(known, _, _)| *known == name) {
            continue;
        }
        let mut hole = hole_from(&name);
        while args.known.iter().any(|(_, known, _)| *known == hole) {
            hole.push('_');
        }
        let default = arg.text("value")?;
        let mut description = format!("the argument `{name}`");
        if let Some(from) = arg.map("valueFrom")? {
            if let Some(hash) = from.text("podTemplateHashValue")? {
                let list = if hash == "Stable" {
                    &mut args.picks.baseline
                } else {
                    &mut args.picks.canary
                };
                list.push(hole.clone());
            }
            if let Some(field) = from.map("fieldRef")? {
                let path = field.text("fieldPath")?.unwrap_or_default();
                description = format!("was `{path}` of the rollout");
            }
            if from.get("secretKeyRef").is_some() {
                "was a key of a secret".clone_into(&mut description);
            }
            draft.notes.extend(from.rest(None));
        }
        draft.notes.extend(arg.rest(None));
        let words = name.to_ascii_lowercase();
        let mut words = words.split(|c: char| !c.is_ascii_alphanumeric());
        let says = |wanted: &[&str], word: &str| wanted.contains(&word);
        for word in words.by_ref() {
            if says(&CANARY_WORDS, word) || word == "latest" {
                args.picks.canary.push(hole.clone());
            } else if says(&BASELINE_WORDS, word) || word == "primary" {
                args.picks.baseline.push(hole.clone());
            }
        }
        let (name_of_hole, value) = (hole.clone(), default.clone());
        draft.inputs.push(Input {
            name: name_of_hole,
            default: value,
            description,
        });
        args.known.push((name, hole, default));
    }
    Ok(())
}

impl Args {
    /// `{{args.x}}` as holes.
    pub(super) fn holed(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(&before.replace("${", "$${"));
            let Some((inside, after)) = after.split_once("}}") else {
                return Err("`{{` is never closed".to_owned());
            };
            let name = inside.trim().strip_prefix("args.").unwrap_or("");
            let known = self.known.iter().find(|(known, _, _)| known == name);
            let Some((_, hole, _)) = known else {
                return Err(format!("`{{{{{inside}}}}}` is no argument of the template"));
            };
            out.push_str("${");
            out.push_str(hole);
            out.push('}');
            rest = after;
        }
        out.push_str(&rest.replace("${", "$${"));
        Ok(out)
    }

    /// A text with the defaults of its arguments; `None` when one has none.
    pub(super) fn filled(&self, text: &str) -> Option<String> {
        let mut out = text.to_owned();
        while let Some((before, after)) = out.split_once("{{") {
            let (inside, after) = after.split_once("}}")?;
            let name = inside.trim().strip_prefix("args.")?;
            let known = self.known.iter().find(|(known, _, _)| known == name);
            let (_, _, default) = known?;
            out = format!("{before}{}{after}", default.as_deref()?);
        }
        Some(out)
    }
}
