//! A scope: the label matchers that select one arm's series.

use crate::series::raw::Labels;
use regex::Regex;
use std::fmt;

/// One label matcher, as in PromQL but only the two that select.
#[derive(Clone, Debug)]
pub struct Matcher {
    label: String,
    pattern: Pattern,
}

#[derive(Clone, Debug)]
enum Pattern {
    Equals(String),
    /// Fully anchored, as Prometheus does; the text is kept for queries and comparison.
    Regex(String, Regex),
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Matcher {
    /// `label="value"`; `None` when the label is no Prometheus label name.
    pub fn equals(label: &str, value: &str) -> Option<Self> {
        let pattern = Pattern::Equals(value.to_owned());
        is_label_name(label).then(|| Self {
            label: label.to_owned(),
            pattern,
        })
    }

    /// `label=~"regex"`; `None` when the label is no label name or the expression does not
    /// compile.
    pub fn regex(label: &str, regex: &str) -> Option<Self> {
        let compiled = Regex::new(&format!("^(?:{regex})$")).ok()?;
        let pattern = Pattern::Regex(regex.to_owned(), compiled);
        is_label_name(label).then(|| Self {
            label: label.to_owned(),
            pattern,
        })
    }

    /// The label it is about.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether a series with these labels is selected; an absent label is the empty text.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.label).map_or("", String::as_str);
        match &self.pattern {
            Pattern::Equals(wanted) => wanted == value,
            Pattern::Regex(_, regex) => regex.is_match(value),
        }
    }

    /// The value as a regular expression, for a matcher that covers both arms.
    pub fn as_regex(&self) -> String {
        match &self.pattern {
            Pattern::Equals(value) => regex::escape(value),
            Pattern::Regex(text, _) => text.clone(),
        }
    }

    /// The exact value, when it is an equality.
    pub fn exact(&self) -> Option<&str> {
        match &self.pattern {
            Pattern::Equals(value) => Some(value),
            Pattern::Regex(..) => None,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::Equals(value) => write!(f, "{}={}", self.label, quote(value)),
            Pattern::Regex(text, _) => write!(f, "{}=~{}", self.label, quote(text)),
        }
    }
}

/// All matchers of one arm; at least one, sorted by label.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    matchers: Vec<Matcher>,
}

impl Scope {
    /// `None` when there is no matcher or a label occurs twice.
    pub fn new(mut matchers: Vec<Matcher>) -> Option<Self> {
        matchers.sort_by(|l, r| l.label.cmp(&r.label));
        let twice = matchers
            .windows(2)
            .any(|w| matches!(w, [l, r] if l.label == r.label));
        (!matchers.is_empty() && !twice).then_some(Self { matchers })
    }

    /// The matchers, sorted by label.
    pub fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }

    /// Whether a series with these labels belongs to this arm.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, matcher) in self.matchers.iter().enumerate() {
            write!(f, "{}{matcher}", if idx == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// A PromQL string literal.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
fn is_label_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
