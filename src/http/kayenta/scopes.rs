//! The scopes of a request: what a side says of a variable, and how several named scopes share one
//! analysis.
//!
//! Named scopes are told apart by what they say of variables (location, `extendedScopeParams`):
//! each metric's query is asked with those of its own scope, because its variables are renamed
//! before the config becomes a template. The two populations and the window are the same in all of
//! them: an analysis has one pair of arms.

use super::bound::Asked;
use super::said::{Said, list, text};
use super::wanted::{Scopes, Side, Wanted};
use crate::template::Template;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How deep the values of variables may name one another; deeper ones are refused, because they
/// name themselves. Kayenta expands them, too.
const DEPTH_MAX: usize = 8;

/// Variables that are filled in one value, those in their values included; one with more is
/// refused. A value that names another ten times, and that one a third, would grow without end.
const FILLED_MAX: usize = 256;

/// Bytes of a value with its variables filled; a longer one is refused. A scope becomes matchers,
/// which have 4 KiB at most.
const FILLED_LEN_MAX: usize = 16 * 1024;

/// The scopes that the metrics of a config use; never none.
pub(super) struct Chosen<'w> {
    /// In the order of the metrics.
    names: Vec<String>,
    all: Vec<&'w Scopes>,
    first: &'w Scopes,
}

impl<'w> Chosen<'w> {
    /// The scopes of these names.
    pub(super) fn of(wanted: &'w Wanted, names: Vec<String>) -> Result<Self, Said> {
        let missing: Vec<&str> = names
            .iter()
            .filter(|name| !wanted.scopes.contains_key(*name))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return Err(Said::bad(format!(
                "Canary metrics require scopes which were not provided in the execution request: \
                 [{}]",
                missing.join(", ")
            )));
        }
        let all = names.iter().filter_map(|name| wanted.scopes.get(name));
        let all: Vec<&Scopes> = all.collect();
        let first = *all
            .first()
            .ok_or_else(|| Said::bad("no metric has a scope"))?;
        let out = Self { names, all, first };
        out.agree()?;
        Ok(out)
    }

    /// The one scope of a template.
    pub(super) fn only(wanted: &'w Wanted) -> Result<Self, Said> {
        let known = wanted.scopes.get_key_value("default");
        let known = known.or_else(|| {
            let one = wanted.scopes.len() == 1;
            wanted.scopes.iter().next().filter(|_| one)
        });
        let Some((name, first)) = known else {
            return Err(Said::bad(
                "a template is run with one scope, called default",
            ));
        };
        Ok(Self {
            names: vec![name.clone()],
            all: vec![first],
            first,
        })
    }

    /// The scope that the arms and the window are of.
    pub(super) fn first(&self) -> &'w Scopes {
        self.first
    }

    /// All scopes have the same arms and the same window.
    fn agree(&self) -> Result<(), Said> {
        let side = |side: &Side| (value(side).ok(), side.start, side.end, side.step);
        let of = |scopes: &Scopes| (side(&scopes.control), side(&scopes.experiment));
        for (name, scopes) in self.names.iter().zip(&self.all) {
            if of(scopes) != of(self.first) {
                let first = self.names.first().map_or("", String::as_str);
                return Err(Said::bad(format!(
                    "the scopes {first} and {name} differ in scope, start, end or step; an \
                     analysis has one pair of arms and one window, so only location and \
                     extendedScopeParams may differ: run a config for each"
                )));
            }
        }
        Ok(())
    }

    /// The config with the variables of each metric renamed to those of its scope. Scopes that say
    /// the same need no names of their own.
    pub(super) fn config(&self, config: &Value) -> Result<Value, Said> {
        let mut out = config.clone();
        if self.all.iter().all(|scopes| *scopes == self.first) {
            return Ok(out);
        }
        let mut templates = config
            .get("templates")
            .cloned()
            .unwrap_or_else(|| json!({}));
        let metrics = out.get_mut("metrics").and_then(Value::as_array_mut);
        for metric in metrics.into_iter().flatten() {
            let scope = text(metric, "scopeName").unwrap_or_else(|| "default".to_owned());
            let place = self.names.iter().position(|name| *name == scope);
            let place = place.filter(|place| *place > 0);
            if let (Some(place), Some(query)) = (place, metric.get_mut("query")) {
                rename(query, &mut templates, place)?;
            }
        }
        if let Some(fields) = out.as_object_mut() {
            fields.insert("templates".to_owned(), templates);
        }
        Ok(out)
    }

    /// Values for the template's inputs: the variables of a scope, its location, the application.
    /// Both sides must say the same, because one query covers both.
    pub(super) fn inputs(
        &self,
        template: &Template,
        asked: &Asked<'_>,
    ) -> Result<BTreeMap<String, String>, Said> {
        let mut out = BTreeMap::new();
        for input in &template.inputs {
            let (scopes, name) = self.variable(input.name.as_str());
            let control = variable(&scopes.control, name)?;
            let experiment = variable(&scopes.experiment, name)?;
            if control != experiment {
                return Err(Said::bad(format!(
                    "`{name}` is {:?} for the control and {:?} for the experiment; one query \
                     covers both sides, so it must be the same",
                    control.unwrap_or_default(),
                    experiment.unwrap_or_default()
                )));
            }
            let service = ["service", "application", "app"].contains(&name);
            let service = service.then(|| asked.application.to_owned());
            if let Some(value) = experiment.or(service) {
                out.insert(input.name.clone(), value);
            }
        }
        Ok(out)
    }

    /// The scope and the variable that an input stands for.
    fn variable<'n>(&self, input: &'n str) -> (&'w Scopes, &'n str) {
        let places = self.all.iter().enumerate().skip(1);
        let mut found = places.filter_map(|(place, scopes)| {
            let name = input.strip_prefix(&prefix(place))?;
            Some((*scopes, name))
        });
        found.next().unwrap_or((self.first, input))
    }
}

/// What the variables of the scope at this place begin with.
fn prefix(place: usize) -> String {
    format!("scope{place}_")
}

/// Renames the variables of one query. A template that other metrics use, too, is copied.
fn rename(query: &mut Value, templates: &mut Value, place: usize) -> Result<(), Said> {
    let inline = text(query, "customInlineTemplate");
    let filter = text(query, "customFilterTemplate").filter(|_| inline.is_none());
    if inline.is_none() && filter.is_none() {
        return Err(Said::bad(
            "a metric with a resourceType is built of the scope's location; with scopes of \
             different locations write a template for it",
        ));
    }
    let Some(fields) = query.as_object_mut() else {
        return Ok(());
    };
    if let Some(inline) = inline {
        let inline = renamed(&inline, place);
        fields.insert("customInlineTemplate".to_owned(), json!(inline));
    }
    if let Some(name) = filter
        && let Some(template) = text(templates, &name)
    {
        let copy = format!("{}{name}", prefix(place));
        if let Some(all) = templates.as_object_mut() {
            all.insert(copy.clone(), json!(renamed(&template, place)));
        }
        fields.insert("customFilterTemplate".to_owned(), json!(copy));
    }
    if let Some(metric) = fields.get("metricName").and_then(Value::as_str) {
        let metric = renamed(metric, place);
        fields.insert("metricName".to_owned(), json!(metric));
    }
    let labels = fields
        .get_mut("labelBindings")
        .and_then(Value::as_array_mut);
    for label in labels.into_iter().flatten() {
        if let Some(known) = label.as_str() {
            *label = json!(renamed(known, place));
        }
    }
    Ok(())
}

/// A text whose variables are those of the scope at `place`; `${scope}` is the arm's everywhere.
fn renamed(template: &str, place: usize) -> String {
    let text = template.replace("$\\{", "${");
    let mut out = String::new();
    for part in parts(&text) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Variable {
                whole,
                name: "scope",
                ..
            } => out.push_str(whole),
            Part::Variable { whole, .. } => {
                out.push_str("${");
                out.push_str(&prefix(place));
                out.push_str(whole.trim_start_matches("${").trim_start());
            }
        }
    }
    out
}

/// A piece of a template of Kayenta's.
enum Part<'t> {
    /// As it stands; `$${name}` included, which is none.
    Text(&'t str),
    Variable {
        whole: &'t str,
        name: &'t str,
        fallback: Option<&'t str>,
    },
}

/// The pieces of a template.
fn parts(template: &str) -> Vec<Part<'_>> {
    let (mut out, mut rest) = (Vec::new(), template);
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|rest| rest.find("${")) {
        let at = from + at;
        let Some(length) = rest.get(at..).and_then(|rest| rest.find('}')) else {
            break;
        };
        let end = at + length + 1;
        from = end;
        if rest.get(..at).is_some_and(|before| before.ends_with('$')) {
            continue;
        }
        let whole = rest.get(at..end).unwrap_or_default();
        let inside = rest.get(at + 2..end - 1).unwrap_or_default();
        let (name, fallback) = match inside.split_once(":-") {
            Some((name, fallback)) => (name.trim(), Some(fallback)),
            None => (inside.trim(), None),
        };
        out.push(Part::Text(rest.get(..at).unwrap_or_default()));
        out.push(Part::Variable {
            whole,
            name,
            fallback,
        });
        rest = rest.get(end..).unwrap_or_default();
        from = 0;
    }
    out.push(Part::Text(rest));
    out
}

/// A scope's value as it goes into a quoted matcher. Kayenta puts it there unchecked.
pub(super) fn value(side: &Side) -> Result<String, Said> {
    let scope = variable(side, "scope")?.unwrap_or_default();
    if scope.is_empty() {
        return Err(Said::bad(
            "a scope is empty; it is what tells the two sides apart",
        ));
    }
    if scope.contains(['"', '\\', '\n']) {
        return Err(Said::bad(format!(
            "scope {scope:?} must not contain a quote, a backslash or a line break"
        )));
    }
    Ok(scope)
}

/// What a side says of a variable: `extendedScopeParams` before the fields of the scope, and
/// variables in a value filled.
fn variable(side: &Side, name: &str) -> Result<Option<String>, Said> {
    let mut left = FILLED_MAX;
    filled(side, name, 0, &mut left)
}

/// The same at a depth, with so many variables that may still be filled.
fn filled(side: &Side, name: &str, depth: usize, left: &mut usize) -> Result<Option<String>, Said> {
    let Some(text) = of(side, name) else {
        return Ok(None);
    };
    if !text.contains("${") {
        return Ok(Some(text));
    }
    if depth >= DEPTH_MAX {
        return Err(Said::bad(format!(
            "the value of variable {name} names others {DEPTH_MAX} deep; does it name itself?"
        )));
    }
    let mut out = String::new();
    for part in parts(&text) {
        match part {
            Part::Text(text) => out.push_str(&text.replace("$${", "${")),
            Part::Variable { name, fallback, .. } => {
                *left = left.checked_sub(1).ok_or_else(|| {
                    Said::bad(format!(
                        "the value of a variable names more than {FILLED_MAX} others; write it out"
                    ))
                })?;
                let value = filled(side, name, depth + 1, left)?;
                let value = value.or_else(|| fallback.map(str::to_owned));
                let why = || {
                    format!(
                        "the value {text:?} names `{name}`, of which the scope says nothing; add \
                         it to extendedScopeParams"
                    )
                };
                out.push_str(&value.ok_or_else(|| Said::bad(why()))?);
            }
        }
        if out.len() > FILLED_LEN_MAX {
            return Err(Said::bad(format!(
                "the value of variable {name} has more than {FILLED_LEN_MAX} bytes"
            )));
        }
    }
    Ok(Some(out))
}

/// What a side says of a variable, as it stands. Names of inputs have letters, digits and `_`.
fn of(side: &Side, name: &str) -> Option<String> {
    let plain = |text: &str| -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        text.chars().map(letter).collect()
    };
    let wanted = plain(name);
    let mut params = side.params.iter();
    let given =
        params.find(|(key, _)| plain(key) == wanted || format!("_{}", plain(key)) == wanted);
    let given = given.map(|(_, value)| value.clone());
    given.or_else(|| match name {
        "location" | "region" => side.location.clone(),
        "scope" => Some(side.scope.clone()).filter(|scope| !scope.is_empty()),
        _ => None,
    })
}

/// Kayenta looks into one project of GCE when the scope names one; a query of ours would look into
/// all of them.
pub(super) fn no_project(config: &Value, wanted: &Wanted) -> Result<(), Said> {
    let named = |side: &Side| of(side, "project").is_some();
    let mut all = wanted.scopes.values();
    if !all.any(|scopes| named(&scopes.control) || named(&scopes.experiment)) {
        return Ok(());
    }
    for metric in list(config, "metrics") {
        let query = metric.get("query").unwrap_or(&Value::Null);
        let templates = ["customInlineTemplate", "customFilterTemplate"];
        let built = templates.iter().all(|field| text(query, field).is_none());
        if built && text(query, "resourceType").as_deref() == Some("gce_instance") {
            return Err(Said::bad(
                "a metric of resourceType gce_instance cannot be limited to the project of the \
                 scope; write a customInlineTemplate with it",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn only_variables_are_renamed() {
        for (text, wanted) in [
            ("a", "a"),
            ("x{l=\"${location}\"}", "x{l=\"${scope2_location}\"}"),
            ("${zone:-a},${scope}", "${scope2_zone:-a},${scope}"),
            (
                "$\\{zone} $${zone} location",
                "${scope2_zone} $${zone} location",
            ),
            ("${open", "${open"),
            ("$${a}${b}", "$${a}${scope2_b}"),
        ] {
            assert_eq!(renamed(text, 2), wanted, "{text}");
        }
    }
}
