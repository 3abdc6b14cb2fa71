//! The foreign text as a tree with places: every document of a stream, and every item of a list of
//! objects. A field of the wrong kind is an error with its place; one that nobody asks for is
//! named.

use crate::diagnostic::{Diagnostic, Place};
use crate::import::draft::{Kind, Note};
use crate::template::document::{self, Node, Value};
use crate::template::extends;
use crate::time::Span;
use std::cell::RefCell;

/// A text and what to call it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// As in messages: a path, or `-`.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// The most objects of one import; more are refused: a whole cluster was exported.
const OBJECTS_MAX: usize = 1000;

/// One object of a stream.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) file: String,
    pub(super) node: Node,
}

/// `file:line:column: message`.
pub(super) fn fault(file: &str, place: Place, message: &str) -> String {
    format!("{file}:{}:{}: {message}", place.line, place.column)
}

fn said(file: &str, diagnostic: &Diagnostic) -> String {
    let place = diagnostic.place.map_or_else(String::new, |place| {
        format!(":{}:{}", place.line, place.column)
    });
    let mut out = format!("{file}{place}: {}", diagnostic.message);
    if let Some(help) = &diagnostic.help {
        out.push_str("; ");
        out.push_str(help);
    }
    out
}

/// The objects of YAML or JSON texts: every document, and every item of a `List`.
pub(super) fn objects(sources: &[Source<'_>]) -> Result<Vec<Object>, String> {
    let mut out = Vec::new();
    for source in sources {
        document::check_size(source.text).map_err(|_| too_long(source))?;
        for part in extends::documents(source.text) {
            let node = part.read().map_err(|diagnostic| {
                let mut text = said(source.name, &diagnostic);
                if source.text.contains("{{-") || source.text.contains("{{ .") {
                    text.push_str(
                        "; this looks like a chart: render it first, with `helm template`",
                    );
                }
                text
            })?;
            unpack(source.name, node, &mut out);
        }
    }
    if out.len() > OBJECTS_MAX {
        return Err(format!("{} objects, the limit is {OBJECTS_MAX}", out.len()));
    }
    Ok(out)
}

fn unpack(file: &str, node: Node, out: &mut Vec<Object>) {
    let is_list = extends::entry(&node, "kind")
        .and_then(extends::text_of)
        .is_some_and(|kind| kind.ends_with("List"));
    let items = extends::entry(&node, "items").map(|items| items.value.clone());
    match items {
        Some(Value::List(items)) if is_list => {
            for item in items {
                unpack(file, item, out);
            }
        }
        _ => out.push(Object {
            file: file.to_owned(),
            node,
        }),
    }
}

fn too_long(source: &Source<'_>) -> String {
    format!(
        "{}: {} bytes, the limit is {}; import its parts one by one",
        source.name,
        source.text.len(),
        document::TEXT_BYTES_MAX
    )
}

/// A JSON text, checked as JSON first: the YAML reader would let pass what JSON forbids.
pub(super) fn json(source: Source<'_>) -> Result<Object, String> {
    let file = source.name;
    document::check_size(source.text).map_err(|_| too_long(&source))?;
    let value: serde_json::Value = serde_json::from_str(source.text).map_err(|fault| {
        let text = fault.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
        let mut out = format!(
            "{file}:{}:{}: not readable as JSON: {what}",
            fault.line(),
            fault.column()
        );
        let kinds = source
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("kind:"));
        let kinds: Vec<&str> = kinds.map(str::trim).collect();
        out.push_str(&right_tool(&kinds));
        out
    })?;
    // Tabs and escapes of JSON that YAML does not have are written anew; the places of such a
    // text are those of the new one.
    let node = match document::read(source.text) {
        Ok(node) => node,
        Err(first) => {
            let again = serde_json::to_string_pretty(&value).unwrap_or_default();
            document::read(&again).map_err(|_| said(file, &first))?
        }
    };
    Ok(Object {
        file: file.to_owned(),
        node,
    })
}

/// Which importer reads objects of these kinds; empty when none does.
pub(super) fn right_tool(kinds: &[&str]) -> String {
    let of = |known: &[&str]| kinds.iter().any(|kind| known.contains(kind));
    let tool = if of(&["AnalysisTemplate", "ClusterAnalysisTemplate"]) {
        "argo"
    } else if of(&["Canary", "MetricTemplate"]) {
        "flagger"
    } else {
        return String::new();
    };
    format!("; `haldane import {tool}` reads it")
}

/// What an importer says that found nothing of its own.
pub(super) fn nothing_here(objects: &[Object], wanted: &str) -> String {
    let kind = |object: &Object| {
        let kind = extends::entry(&object.node, "kind").and_then(extends::text_of);
        kind.map(str::to_owned)
    };
    let kinds: Vec<String> = objects.iter().filter_map(kind).collect();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let config = objects.iter().any(|object| {
        let has = |name| extends::entry(&object.node, name).is_some();
        has("metrics") && (has("judge") || has("classifier"))
    });
    let file = objects
        .first()
        .map_or("the source", |object| object.file.as_str());
    let found = match kinds.as_slice() {
        [] => String::new(),
        kinds => format!(", only {}", kinds.join(", ")),
    };
    let tool = if config {
        "; `haldane import kayenta` reads it".to_owned()
    } else {
        right_tool(&kinds)
    };
    format!("{file}: no {wanted} in it{found}{tool}")
}

/// A map that remembers what was asked of it.
pub(super) struct Fields<'n> {
    pub(super) file: &'n str,
    what: String,
    place: Place,
    entries: &'n [(String, Place, Node)],
    asked: RefCell<Vec<&'n str>>,
}

impl<'n> Fields<'n> {
    /// A node that must be a map; `what` is how it is called.
    pub(super) fn of(file: &'n str, what: &str, node: &'n Node) -> Result<Self, String> {
        let Value::Map(entries) = &node.value else {
            let message = format!("{what} is {}, not a map", node.value.kind());
            return Err(fault(file, node.place, &message));
        };
        Ok(Self {
            file,
            what: what.to_owned(),
            place: node.key.unwrap_or(node.place),
            entries,
            asked: RefCell::new(Vec::new()),
        })
    }

    /// Where it stands.
    pub(super) fn at(&self) -> (String, Place) {
        (self.file.to_owned(), self.place)
    }

    /// A field; one that is empty is absent.
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        let (key, _, node) = self.entries.iter().find(|(key, _, _)| key == name)?;
        self.asked.borrow_mut().push(key);
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    fn wrong(&self, name: &str, node: &Node, wanted: &str) -> String {
        let found = node.value.kind();
        let message = format!("`{name}` of {} is {found}, not {wanted}", self.what);
        fault(self.file, node.place, &message)
    }

    /// A text; a number or a truth value is one, too.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(node) = self.get(name) else {
            return Ok(None);
        };
        match &node.value {
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(flag) => Ok(Some(flag.to_string())),
            _ => Err(self.wrong(name, node, "text")),
        }
    }

    /// A text that must be there.
    pub(super) fn need(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| {
            fault(
                self.file,
                self.place,
                &format!("{} has no `{name}`", self.what),
            )
        })
    }

    /// A number; as text, too.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, String> {
        let Some(node) = self.get(name) else {
            return Ok(None);
        };
        let value = match &node.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let value = value.filter(|value: &f64| value.is_finite());
        value
            .map(Some)
            .ok_or_else(|| self.wrong(name, node, "a number"))
    }

    /// A truth value.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name).map(|node| (&node.value, node)) {
            None => Ok(false),
            Some((Value::Bool(flag), _)) => Ok(*flag),
            Some((_, node)) => Err(self.wrong(name, node, "true or false")),
        }
    }

    /// A list; empty when absent.
    pub(super) fn list(&self, name: &str) -> Result<&'n [Node], String> {
        match self.get(name).map(|node| (&node.value, node)) {
            None => Ok(&[]),
            Some((Value::List(items), _)) => Ok(items),
            Some((_, node)) => Err(self.wrong(name, node, "a list")),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let items = self.list(name)?.iter();
        items
            .map(|node| {
                let text = extends::text_of(node);
                text.map(str::to_owned).ok_or_else(|| {
                    let message = format!("`{name}` of {} holds {}", self.what, node.value.kind());
                    fault(self.file, node.place, &format!("{message}, not text"))
                })
            })
            .collect()
    }

    /// A map.
    pub(super) fn map(&self, name: &str) -> Result<Option<Fields<'n>>, String> {
        let node = self.get(name);
        node.map(|node| Fields::of(self.file, &format!("`{name}` of {}", self.what), node))
            .transpose()
    }

    /// The names and values of all fields.
    pub(super) fn entries(&self) -> &'n [(String, Place, Node)] {
        self.entries
    }

    /// Fields that mean nothing for a template, and are known to.
    pub(super) fn skip(&self, names: &[&str]) {
        for name in names {
            self.get(name);
        }
    }

    /// A note for each field that nobody asked for.
    pub(super) fn rest(&self, metric: Option<&str>) -> Vec<Note> {
        let asked = self.asked.borrow();
        let unknown = self
            .entries
            .iter()
            .filter(|(key, _, _)| !asked.contains(&key.as_str()));
        unknown
            .map(|(key, place, _)| Note {
                metric: metric.map(str::to_owned),
                kind: Kind::Unread,
                text: format!(
                    "`{key}` of {}: unknown, so it changes nothing here",
                    self.what
                ),
                at: Some((self.file.to_owned(), *place)),
            })
            .collect()
    }
}

/// A length of time as Go writes it, `1h0m0s` and `1.5h`.
pub(super) fn go_span(text: &str) -> Option<Span> {
    const UNITS: [(&str, f64); 4] = [("h", 3.6e6), ("ms", 1.0), ("m", 6e4), ("s", 1e3)];
    let (mut rest, mut total) = (text.trim(), 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        let unit = rest.get(digits..)?;
        let (name, ms) = UNITS.iter().find(|(name, _)| unit.starts_with(name))?;
        total += number * ms;
        rest = unit.get(name.len()..)?;
    }
    let fits = (1000.0..1e13).contains(&total);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below 1e13, as just checked"
    )]
    fits.then(|| Span::from_ms(total as i64))
}
