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

/// Bytes of a value that fills a hole; a longer one is refused, and so is an empty one, which would
/// make another matcher of the one around it. Names of Kubernetes objects have at most 253.
pub(crate) const VALUE_LEN_MAX: usize = 253;

/// What fills the holes, by name.
pub(crate) type Values = BTreeMap<String, String>;

/// `{{name}}` is the service for callers that have no other name, so that one binding can serve
/// them and Flagger.
pub(crate) fn name_after_service(values: &mut Values) {
    if let Some(service) = values.get("service").cloned() {
        values.entry("name".to_owned()).or_insert(service);
    }
}

impl Binding {
    /// The submission with its holes filled.
    ///
    /// # Errors
    ///
    /// A hole without a value, a value that could change the matchers around it, and whatever is
    /// wrong with the submission.
    pub(crate) fn fill(&self, values: &Values) -> Result<CheckedSubmission, Refused> {
        let mut document = self.submission.clone();
        for (kind, text) in texts(&mut document) {
            *text = filled(text, kind, values).map_err(|why| {
                let detail = format!("binding {}: {why}", self.name);
                Refused::new(Code::InvalidSubmission, detail)
            })?;
        }
        document.check().map_err(invalid)
    }

    /// Whether one of its texts has the hole `{{name}}`.
    pub(crate) fn has_hole(&self, name: &str) -> bool {
        let mut document = self.submission.clone();
        texts(&mut document)
            .into_iter()
            .any(|(_, text)| holes(text).any(|hole| hole == name))
    }
}

/// What a text is, which says how its holes are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// As it stands.
    Plain,
    /// Matchers, some of which may be expressions.
    Matchers,
}

/// Every text of a submission that may have holes.
fn texts(document: &mut SubmissionDocument) -> Vec<(Kind, &mut String)> {
    let deploy = &mut document.deploy;
    let own = [
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
    let plain = own.into_iter().flatten();
    let plain = plain.chain(document.inputs.values_mut());
    let plain = plain.chain(std::iter::once(&mut deploy.service));
    let mut out: Vec<_> = plain.map(|text| (Kind::Plain, text)).collect();
    let scopes = [&mut document.baseline, &mut document.canary];
    for scope in scopes.into_iter().flatten() {
        match scope {
            ScopeInput::Labels(labels) => {
                out.extend(labels.values_mut().map(|text| (Kind::Plain, text)));
            }
            ScopeInput::Text(text) => out.push((Kind::Matchers, text)),
        }
    }
    out
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

/// The names of the holes of `text`.
fn holes(text: &str) -> impl Iterator<Item = &str> {
    let inside = |part: &'_ str| part.find("}}");
    let behind = text.split("{{").skip(1);
    behind.filter_map(move |part| Some(part.get(..inside(part)?)?.trim()))
}

/// `pod=~"{{name}}-.*"` with its holes filled. Values hold what names and versions are made of and
/// nothing that ends a string, so that a caller cannot reach beyond the hole; and inside an
/// expression they mean themselves: `1.2` is not `1x2`.
fn filled(text: &str, kind: Kind, values: &Values) -> Result<String, String> {
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
        let sized = (1..=VALUE_LEN_MAX).contains(&value.len());
        if !sized || !value.chars().all(is_legal) {
            return Err(format!(
                "the value of `{{{{{name}}}}}` must have 1 to {VALUE_LEN_MAX} letters, digits \
                 and any of - _ . : / @ +"
            ));
        }
        out.push_str(before);
        if kind == Kind::Matchers && in_expression(&out) {
            out.extend(value.chars().map(escaped));
        } else {
            out.push_str(value);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// What names, versions, branches and images are made of.
fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.:/@+".contains(c)
}

/// A legal character as an RE2 expression that is it and nothing else. As a class, because a
/// backslash would have to be written differently in each kind of quotes.
fn escaped(c: char) -> String {
    match c {
        '.' | '+' => format!("[{c}]"),
        other => other.to_string(),
    }
}

/// Whether the end of `text` stands inside the string of a `=~` or `!~`.
fn in_expression(text: &str) -> bool {
    let mut open: Option<(char, bool)> = None;
    let mut before = String::new(); // what stands before the next string, without blanks
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match open {
            Some((quote, _)) if c == quote => {
                open = None;
                before.clear();
            }
            Some((quote, _)) => {
                if c == '\\' && quote != '`' {
                    chars.next();
                }
            }
            None if "\"'`".contains(c) => open = Some((c, before.ends_with('~'))),
            None if c.is_whitespace() => {}
            None => before.push(c),
        }
    }
    open.is_some_and(|(_, expression)| expression)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use crate::plan::scope::Matcher;
    use crate::series::raw::Labels;

    fn fill(text: &str, kind: Kind, value: &str) -> Result<String, String> {
        let values = Values::from([("name".to_owned(), value.to_owned())]);
        filled(text, kind, &values)
    }

    #[test]
    fn a_value_means_itself_inside_an_expression() {
        for (text, wanted) in [
            (r#"pod=~"{{name}}-.*""#, r#"pod=~"a[.]b[+]c-.*""#),
            (r#"pod =~ "{{name}}-.*""#, r#"pod =~ "a[.]b[+]c-.*""#),
            (r"pod!~`{{name}}`", r"pod!~`a[.]b[+]c`"),
            (
                r#"x=~"\\\"{{ name }}",y='{{name}}'"#,
                r#"x=~"\\\"a[.]b[+]c",y='a.b+c'"#,
            ),
            (r#"pod="{{name}}""#, r#"pod="a.b+c""#),
            ("pod={{name}}", "pod=a.b+c"),
            (r#"y="~",pod="{{name}}""#, r#"y="~",pod="a.b+c""#),
        ] {
            assert_eq!(fill(text, Kind::Matchers, "a.b+c").unwrap(), wanted);
            let plain = text.replace("{{ name }}", "{{name}}");
            let plain = plain.replace("{{name}}", "a.b+c");
            assert_eq!(fill(text, Kind::Plain, "a.b+c").unwrap(), plain);
        }
        let every: String = (' '..='~').filter(|c| is_legal(*c)).collect();
        let text: String = every.chars().map(escaped).collect();
        let matcher = Matcher::regex("pod", &text).unwrap();
        let is = |value: &str| {
            let labels = Labels::from([("pod".to_owned(), value.to_owned())]);
            matcher.matches(&labels)
        };
        assert!(is(&every));
        assert!(!is(&every.replace('.', "x")) && !is(&every.replace('+', "")));
    }

    #[test]
    fn a_value_is_never_empty_and_never_too_long() {
        let long = "x".repeat(VALUE_LEN_MAX);
        assert_eq!(fill("{{name}}", Kind::Plain, &long).unwrap(), long);
        for value in ["", &"x".repeat(VALUE_LEN_MAX + 1), "a b", "a\"", "ä", "a|b"] {
            let why = fill("{{name}}", Kind::Plain, value).unwrap_err();
            assert!(why.contains("1 to 253"), "{why}");
        }
    }

    #[test]
    fn holes_are_found_by_name() {
        let found: Vec<&str> = holes("{{a}}-{{ b }} {{c").collect();
        assert_eq!(found, ["a", "b"]);
    }
}
