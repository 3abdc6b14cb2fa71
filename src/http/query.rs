//! Query strings, read strictly: a misspelt parameter that is ignored would be a wrong answer.

use super::refused::{Code, Refused};
use crate::diagnostic::closest;
use crate::time::Span;
use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes of a query string; a longer one is refused.
pub(super) const QUERY_LEN_MAX: usize = 4096;

/// The parameters of one request, each at most once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads `raw`; every name must be one of `known`, where `input.*` is any name that begins so.
    pub(crate) fn read<'a>(
        raw: Option<&str>,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Self, Refused> {
        let raw = raw.unwrap_or_default();
        if raw.len() > QUERY_LEN_MAX {
            let detail = format!(
                "query has {} bytes, the limit is {QUERY_LEN_MAX}",
                raw.len()
            );
            return Err(Refused::new(Code::InvalidQuery, detail));
        }
        let mut out = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(raw.as_bytes()) {
            if !known.clone().any(|word| is_named(word, &name)) {
                return Err(unknown(&name, known));
            }
            if out.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(bad(&name, "it is given twice; give it once"));
            }
        }
        Ok(Self(out))
    }

    /// The value of `name`; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    /// Every parameter that has a value, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().filter(|(_, value)| !value.is_empty());
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The parameters whose names begin with `prefix`, without it.
    pub(crate) fn under(&self, prefix: &str) -> BTreeMap<String, String> {
        let found = self
            .all()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        let owned = found.map(|(name, value)| (name.to_owned(), value.to_owned()));
        owned.collect()
    }

    /// The value of `name` as one of the words `known`.
    pub(crate) fn word<'a>(
        &self,
        name: &str,
        known: &[&'a str],
    ) -> Result<Option<&'a str>, Refused> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let found = known.iter().find(|word| **word == value).copied();
        let why = || format!("{} is none of {}", shown(value), known.join(", "));
        found.map(Some).ok_or_else(|| bad(name, &why()))
    }

    /// `wait` as `30s`, `1m30s` or whole seconds; zero without one, never more than `longest`.
    pub(crate) fn wait(&self, longest: Duration) -> Result<Duration, Refused> {
        let Some(value) = self.get("wait") else {
            return Ok(Duration::ZERO);
        };
        let digits = value.bytes().all(|c| c.is_ascii_digit());
        let seconds = digits.then(|| value.parse().unwrap_or(u64::MAX));
        let span = || Span::parse(value).map(|span| u64::try_from(span.ms()).unwrap_or(0));
        let wait = seconds.map(Duration::from_secs);
        let wait = wait.or_else(|| span().map(Duration::from_millis));
        let why = || format!("{} is no length of time; write 30s", shown(value));
        let wait = wait.ok_or_else(|| bad("wait", &why()))?;
        Ok(wait.min(longest))
    }

    /// `name` as a number of 1 to `most`; `default` without one.
    pub(crate) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, Refused> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        match value.parse() {
            Ok(count) if (1..=most).contains(&count) => Ok(count),
            _ => Err(bad(
                name,
                &format!("{} is no number of 1 to {most}", shown(value)),
            )),
        }
    }
}

/// Whether `name` is the parameter `word`, or one of those it stands for.
fn is_named(word: &str, name: &str) -> bool {
    match word.strip_suffix('*') {
        Some(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
        None => word == name,
    }
}

/// Parameter `name` is unfit: `why` says the value, the limit, the way out.
pub(crate) fn bad(name: &str, why: &str) -> Refused {
    Refused::new(
        Code::InvalidQuery,
        format!("parameter {}: {why}", shown(name)),
    )
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Refused {
    let all: Vec<&str> = known.clone().collect();
    let why = match (closest(name, known), all.is_empty()) {
        (Some(near), _) => format!("it is unknown, did you mean {near}?"),
        (None, true) => "it is unknown; this path takes none".to_owned(),
        (None, false) => format!("it is unknown; this path takes {}", all.join(", ")),
    };
    bad(name, &why)
}

/// What somebody sent, quoted, and cut when long.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 64; // enough to recognise it
    let short: String = text.chars().take(SHOWN_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}
