//! The files a template reads objectives from, as sections at the end of its text.

use super::{openslo, pyrra, sloth, windows};
use crate::template::document::{Node, Value};
use crate::template::extends::{self, entry, text_of};
use std::fmt::Write as _;

/// How the line begins that precedes a file in a bundle. It separates documents, too, so that the
/// bundle stays one stream of YAML.
const MARK: &str = "--- # haldane file: ";

/// The longest path of a file in bytes; a longer one is refused (C027).
pub const PATH_BYTES_MAX: usize = 200;

/// A file in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::template) struct Section<'t> {
    /// Its path beside the template.
    pub(in crate::template) name: &'t str,
    /// Its text.
    pub(in crate::template) text: &'t str,
    /// Lines of the bundle before it.
    pub(in crate::template) lines_before: usize,
    /// Bytes of the bundle before it.
    pub(in crate::template) bytes_before: usize,
}

/// The templates of a bundle, and its files.
pub(in crate::template) fn parted(text: &str) -> (&str, Vec<Section<'_>>) {
    let mut marks: Vec<(usize, usize, usize)> = Vec::new(); // line, first byte, first byte after
    let mut at = 0;
    for (idx, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with(MARK) {
            marks.push((idx, at, at + line.len()));
        }
        at += line.len();
    }
    let Some((_, first, _)) = marks.first() else {
        return (text, Vec::new());
    };
    let templates = text.get(..*first).unwrap_or(text);
    let section = |(nth, (line, start, begin)): (usize, &(usize, usize, usize))| {
        let end = marks
            .get(nth + 1)
            .map_or(text.len(), |(_, start, _)| *start);
        let head = text.get(*start..*begin).unwrap_or("");
        Section {
            name: head.strip_prefix(MARK).unwrap_or("").trim(),
            text: text.get(*begin..end).unwrap_or(""),
            lines_before: line + 1,
            bytes_before: *begin,
        }
    };
    (templates, marks.iter().enumerate().map(section).collect())
}

/// Whether a path leads to a file beside the template or below.
pub fn is_beside(path: &str) -> bool {
    let mut parts = path.split('/');
    path.len() <= PATH_BYTES_MAX
        && parts.all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains(['\\', ':'])
        && !path.chars().any(char::is_control)
        && path.trim() == path
}

/// The files that the first template of a text reads, each once: `from` and `windows` of its
/// objectives. What is written wrongly is left out, for the parser to complain about.
pub fn named(text: &str) -> Vec<String> {
    let Some(root) = extends::first_document(text) else {
        return Vec::new();
    };
    let mut out: Vec<String> = Vec::new();
    for spec in specs(&root) {
        for item in list(spec, "objectives") {
            for field in ["from", "windows"] {
                let path = entry(item, field).and_then(text_of);
                let path = path.filter(|path| is_beside(path));
                if let Some(path) = path.filter(|path| !out.iter().any(|known| known == path)) {
                    out.push(path.to_owned());
                }
            }
        }
    }
    out
}

/// `spec`, and every rule of its `changes`.
fn specs(root: &Node) -> Vec<&Node> {
    let Some(spec) = entry(root, "spec") else {
        return Vec::new();
    };
    let rules = match entry(spec, "changes").map(|node| &node.value) {
        Some(Value::Map(rules)) => rules.as_slice(),
        _ => &[],
    };
    let rules = rules.iter().map(|(_, _, rule)| rule);
    std::iter::once(spec).chain(rules).collect()
}

fn list<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    match entry(node, name).map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

/// A text with files behind it; one whose own text cannot stand in a bundle is left out, as one
/// that is not there.
pub fn with_files<'f>(text: &str, files: impl IntoIterator<Item = (&'f str, &'f str)>) -> String {
    let mut out = text.to_owned();
    for (name, text) in files {
        if text.lines().any(|line| line.starts_with(MARK)) {
            continue;
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
        let _ = writeln!(out, "{MARK}{name}");
        out.push_str(text);
    }
    out
}

/// Whose file a text is, if it is one that objectives are read from and no template.
pub fn owner(text: &str) -> Option<&'static str> {
    let root = extends::first_document(text)?;
    let says = |name: &str| entry(&root, name).and_then(text_of).unwrap_or("");
    if sloth::body(&root).is_some() || windows::is_one(&root) {
        return Some("Sloth");
    }
    if pyrra::is_one(&root) {
        return Some("Pyrra");
    }
    let openslo = openslo::version(&root).is_some() || says("apiVersion").starts_with("openslo");
    openslo.then_some("OpenSLO")
}
