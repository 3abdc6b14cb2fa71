//! YAML text to a tree in which every node knows where it stands. Nothing here knows what a
//! template is: the tree is read field by field in `parse`, so that one pass can report every
//! mistake instead of the first one.

use crate::diagnostic::{Diagnostic, Place};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// The longest template text in bytes; a longer one is refused unread (C001).
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The deepest nesting of lists and maps; deeper text is refused (C002). The format needs 6.
pub const DEPTH_MAX: usize = 32;

/// The most nodes, aliases expanded; more are refused (C002). 200 metrics need about 6,000.
pub const NODES_MAX: usize = 50_000;

/// One node of the document.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where its value stands.
    pub(crate) place: Place,
    /// Byte range of the value in the text, when the reader knew it.
    pub(crate) bytes: Option<(usize, usize)>,
    /// The key that holds it, for messages about something missing inside.
    pub(crate) key: Option<Place>,
    /// What it is.
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// Any other scalar, and every quoted one.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order written; the reader has refused a key that occurs twice.
    Map(Vec<(String, Place, Node)>),
}

impl Value {
    /// What it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads one document.
pub(crate) fn read(text: &str) -> Result<Node, Diagnostic> {
    check_size(text)?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX, // a node is at most a start, an end and an anchor
            max_aliases: 1000,
            max_anchors: 1000,
        },
        strict_booleans: true,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| unreadable(text, &error))?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(located(raw, None, &lines))
}

/// C001 when a text is too long to be read.
pub(crate) fn check_size(text: &str) -> Result<(), Diagnostic> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let found = text.len();
    let message = format!("the template has {found} bytes, the limit is {TEXT_BYTES_MAX}");
    Err(Diagnostic::error("C001", message).help("split it into several templates"))
}

/// The reader's own complaint as a diagnostic.
fn unreadable(text: &str, error: &serde_saphyr::Error) -> Diagnostic {
    let lines: Vec<&str> = text.lines().collect();
    let place = error.location().map(|location| place_of(location, &lines));
    let message = match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` occurs twice")
        }
        serde_saphyr::Error::MultipleDocuments { .. } => {
            "a file holds one template, this is a second document".to_owned()
        }
        other => {
            // The place is shown by us; what the reader appends of it would be said twice.
            let rendered = other.render();
            let line = rendered.lines().next().unwrap_or("unreadable");
            let said = line.split(" at line ").next().unwrap_or(line);
            said.trim_start_matches("error: ").to_owned()
        }
    };
    Diagnostic::error("C002", format!("not readable as YAML: {message}")).at(place)
}

/// A node as the YAML reader hands it over.
#[derive(Debug)]
enum Raw {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = seq.next_element()? {
            out.push(item);
        }
        Ok(Raw::List(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut out: Vec<(Spanned<String>, Spanned<Raw>)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Raw>>()? {
            if out.iter().any(|(known, _)| known.value == key.value) {
                return Err(A::Error::custom(format_args!(
                    "duplicate key `{}`",
                    key.value
                )));
            }
            out.push((key, value));
        }
        Ok(Raw::Map(out))
    }
}

/// Gives every node its place.
fn located(raw: Spanned<Raw>, key: Option<Place>, lines: &[&str]) -> Node {
    let place = place_of(raw.referenced, lines);
    let bytes = raw
        .defined
        .span()
        .byte_offset()
        .zip(raw.defined.span().byte_len())
        .and_then(|(start, len)| {
            let start = usize::try_from(start).ok()?;
            Some((start, start.checked_add(usize::try_from(len).ok()?)?))
        });
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Number(value) => Value::Number(value),
        Raw::Text(value) => Value::Text(value),
        Raw::List(items) => Value::List(
            items
                .into_iter()
                .map(|item| located(item, None, lines))
                .collect(),
        ),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(name, node)| {
                    let at = place_of(name.referenced, lines);
                    (name.value, at, located(node, Some(at), lines))
                })
                .collect(),
        ),
    };
    Node {
        place,
        bytes,
        key,
        value,
    }
}

/// A location as a place that stays on its line.
fn place_of(location: Location, lines: &[&str]) -> Place {
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    let (line, column) = (index(location.line()), index(location.column()));
    let width = lines.get(line - 1).map_or(0, |l| l.chars().count());
    let rest = width.saturating_sub(column - 1).max(1);
    let len = usize::try_from(location.span().len()).unwrap_or(1);
    Place {
        line,
        column,
        len: len.clamp(1, rest),
    }
}

/// The place of byte `at` of `text`, covering `len` characters of its line.
pub(crate) fn place_at(text: &str, at: usize, len: usize) -> Option<Place> {
    let before = text.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Some(Place {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..)?.chars().count() + 1,
        len: len.max(1),
    })
}
