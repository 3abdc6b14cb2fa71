//! Inheritance: `extends: base` takes everything from the template `base` and says only what
//! differs.
//!
//! A template that extends another is kept as a *bundle*: its own text, followed by those of its
//! ancestors as further documents of the same YAML stream. A bundle needs no other file, so what
//! the decision log keeps can be read again years later; its digest covers all of it, and a line of
//! it is a line of exactly one of the files, so a diagnostic still points at what a person wrote.

use crate::diagnostic::{Diagnostic, Place, closest};
use crate::ids::TemplateName;
use crate::template::Template;
use crate::template::document::{self, Node, Value};
use crate::template::fields::{Reader, shorten};
use crate::template::merge::merged_root;
use crate::template::parse::parse;
use crate::template::slo_spec::{Expanded, expanded, files};
use std::fmt::Write as _;

/// The most ancestors of a template; a longer line is refused (C019): nobody could say any more
/// which file a value comes from.
pub const ANCESTORS_MAX: usize = 8;

/// A template's text with those of its ancestors, and which lines are whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What `parse` and `lint` read, what is digested, and what the decision log keeps.
    pub text: String,
    /// Label and number of lines before, in the order of the text; the first is the template.
    parts: Vec<(String, usize)>,
    /// Why an ancestor is missing.
    fault: Option<Diagnostic>,
}

/// An ancestor as the caller found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Its file or name, for messages.
    pub label: String,
    /// Its text.
    pub text: String,
}

impl Bundle {
    /// A template without ancestors, or one that brings them along.
    pub fn alone(label: &str, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            parts: vec![(label.to_owned(), 0)],
            fault: None,
        }
    }

    /// Reads the template, as [`parse`] does; the places are those of the bundle's text.
    pub fn parse(&self) -> (Option<Template>, Vec<Diagnostic>) {
        match &self.fault {
            None => parse(&self.text),
            Some(fault) => (None, vec![fault.clone()]),
        }
    }

    /// Whether anything was added to the template's own text.
    pub fn has_ancestors(&self) -> bool {
        self.parts.len() > 1
    }

    /// The label of the file a diagnostic is about, and the diagnostic with its place in there.
    pub fn located(&self, diagnostic: &Diagnostic) -> (&str, Diagnostic) {
        let line = diagnostic.place.map_or(1, |place| place.line);
        let mine = self.parts.iter().rev().find(|(_, before)| *before < line);
        let (label, before) = mine.map_or(("", 0), |(label, before)| (label.as_str(), *before));
        let place = diagnostic.place.map(|place| Place {
            line: place.line - before,
            ..place
        });
        (label, diagnostic.clone().at(place))
    }

    /// Diagnostics with places in their own files; those of an ancestor say whose they are.
    pub fn named(&self, found: &[Diagnostic]) -> Vec<Diagnostic> {
        let own = self.parts.first().map_or("", |(label, _)| label.as_str());
        let named = found.iter().map(|diagnostic| {
            let (label, mut placed) = self.located(diagnostic);
            if label != own {
                placed.message = format!("in {label}: {}", placed.message);
            }
            placed
        });
        named.collect()
    }

    fn append(&mut self, name: &TemplateName, label: String, text: &str) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        let _ = writeln!(self.text, "--- # {name}");
        let lines_before = self.text.matches('\n').count();
        self.parts.push((label, lines_before));
        self.text.push_str(text);
    }

    /// Puts the files behind the templates.
    fn attach(&mut self, files: &[(String, String, String)]) {
        let each = files
            .iter()
            .map(|(name, text, _)| (name.as_str(), text.as_str()));
        self.text = files::with_files(&self.text, each);
        let sections = files::parted(&self.text).1;
        let labelled = sections.iter().map(|section| {
            let mut known = files.iter().filter(|(name, ..)| name == section.name);
            let label = known.next().map_or("", |(.., label)| label.as_str());
            (label.to_owned(), section.lines_before)
        });
        let labelled: Vec<_> = labelled.collect();
        self.parts.extend(labelled);
    }

    /// Several lines for a terminal, as [`Diagnostic::render`] makes them.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let (label, placed) = self.located(diagnostic);
        let before = self.parts.iter().find(|(other, _)| other == label);
        let before = before.map_or(0, |(_, before)| *before);
        let mut own = String::new();
        for line in self.text.lines().skip(before) {
            let _ = writeln!(own, "{line}");
        }
        placed.render(label, &own)
    }
}

/// The template's own name and the name of the one it extends, as far as they can be read.
pub fn head(text: &str) -> (Option<TemplateName>, Option<TemplateName>) {
    let Some(root) = first_document(text) else {
        return (None, None);
    };
    let word = |node: Option<&Node>| node.and_then(text_of).and_then(TemplateName::new);
    let name = entry(&root, "metadata").and_then(|metadata| entry(metadata, "name"));
    (word(name), word(entry(&root, "extends")))
}

/// Gathers the ancestors of a template. `find` gives the text of a template by its name; `known`
/// are all names there are, for the message about one that is not.
pub fn bundle(
    label: &str,
    text: &str,
    find: impl Fn(&TemplateName) -> Option<Ancestor>,
    known: &[TemplateName],
) -> Bundle {
    let (own, sections) = files::parted(text);
    let mut out = Bundle::alone(label, own);
    let mut beside: Vec<(String, String, String)> = Vec::new();
    keep_files(&mut beside, label, &sections);
    let mut seen: Vec<TemplateName> = head(text).0.into_iter().collect();
    while let Some((name, place)) = missing(&out.text) {
        let ancestor = if seen.contains(&name) {
            Err(circle(&seen, &name))
        } else if out.parts.len() > ANCESTORS_MAX {
            Err(too_long())
        } else {
            find(&name).ok_or_else(|| unknown(&name, known))
        };
        match ancestor {
            Ok(ancestor) => {
                let (text, sections) = files::parted(&ancestor.text);
                let two = keep_files(&mut beside, &ancestor.label, &sections);
                out.fault = two.map(|name| two_files(name, &ancestor.label).at(Some(place)));
                out.append(&name, ancestor.label.clone(), text);
            }
            Err(said) => {
                out.fault = Some(said.at(Some(place)));
                break;
            }
        }
        seen.push(name);
        if out.fault.is_some() {
            break;
        }
    }
    out.attach(&beside);
    out
}

/// Notes files by name, text and label, each name once. Returns the first name that two different
/// files have.
fn keep_files<'s>(
    all: &mut Vec<(String, String, String)>,
    template: &str,
    sections: &[files::Section<'s>],
) -> Option<&'s str> {
    let mut two = None;
    let folder = template
        .rfind('/')
        .map_or("", |at| template.get(..=at).unwrap_or(""));
    for section in sections {
        let known = all.iter().find(|(name, ..)| name == section.name);
        match known {
            Some((_, text, _)) if text.trim_end() != section.text.trim_end() => {
                two = two.or(Some(section.name));
            }
            Some(_) => {}
            None => {
                let label = format!("{folder}{}", section.name);
                all.push((section.name.to_owned(), section.text.to_owned(), label));
            }
        }
    }
    two
}

fn two_files(name: &str, ancestor: &str) -> Diagnostic {
    let message = format!("`{name}` is another file here than beside {ancestor}");
    let help = "give one of them another name: each objective must be read from its own";
    Diagnostic::error("C027", message).help(help)
}

fn circle(seen: &[TemplateName], name: &TemplateName) -> Diagnostic {
    let mut names: Vec<&str> = seen.iter().map(TemplateName::as_str).collect();
    names.push(name.as_str());
    let message = format!("`extends` goes round in a circle: {}", names.join(" → "));
    Diagnostic::error("C019", message).help("remove one of them")
}

fn too_long() -> Diagnostic {
    let message = format!("more than {ANCESTORS_MAX} templates extend one another");
    Diagnostic::error("C019", message).help("write fewer, longer ones")
}

fn unknown(name: &TemplateName, known: &[TemplateName]) -> Diagnostic {
    let known = known.iter().map(TemplateName::as_str);
    let message = match closest(name.as_str(), known) {
        Some(near) => format!("unknown template `{name}`, did you mean `{near}`?"),
        None => format!("unknown template `{name}`"),
    };
    let help = "`extends` names a template by its `metadata.name`: one of the same folder, or of \
                those the daemon has";
    Diagnostic::error("C019", message).help(help)
}

/// The ancestor a bundle still lacks, and where it is named.
fn missing(text: &str) -> Option<(TemplateName, Place)> {
    let part = documents(text).into_iter().last()?;
    let root = document::read(part.text).ok()?;
    let node = entry(&root, "extends")?;
    let name = TemplateName::new(text_of(node)?)?;
    let line = node.place.line + part.lines_before;
    Some((name, Place { line, ..node.place }))
}

/// Reads a template's text, ancestors and the objectives of its files merged in: one document
/// again, without `extends` and `from`.
pub(super) fn read(text: &str) -> Result<Node, Diagnostic> {
    Ok(read_whole(text)?.root)
}

/// The same, with what was said about the files.
pub(super) fn read_whole(text: &str) -> Result<Expanded, Diagnostic> {
    let (templates, files) = files::parted(text);
    if !files.is_empty() {
        document::check_size(text)?;
    }
    Ok(expanded(read_templates(templates)?, text, &files))
}

/// The first document of a text, when it can be read.
pub(super) fn first_document(text: &str) -> Option<Node> {
    let first = documents(text).into_iter().next()?;
    document::read(first.text).ok()
}

/// Every document of a piece of a bundle, with so many lines and bytes before it.
pub(super) fn read_documents(
    text: &str,
    (lines, bytes): (usize, usize),
) -> Vec<Result<Node, Diagnostic>> {
    let parts = documents(text).into_iter().map(|part| Part {
        lines_before: part.lines_before + lines,
        bytes_before: part.bytes_before + bytes,
        ..part
    });
    parts.map(|part| part.read()).collect()
}

fn read_templates(text: &str) -> Result<Node, Diagnostic> {
    let parts = documents(text);
    let [own, ancestors @ ..] = parts.as_slice() else {
        return document::read(text);
    };
    if ancestors.is_empty() {
        let root = document::read(text)?;
        return match parent_of(&root)? {
            None => Ok(root),
            Some((name, place)) => Err(absent(&name, place)),
        };
    }
    document::check_size(text)?;
    let mut chain = vec![own.read()?];
    for part in ancestors {
        let wanted = match chain.last() {
            Some(last) => parent_of(last)?,
            None => None,
        };
        // A second document that nobody asked for: the reader says so, with its place.
        let Some((wanted, place)) = wanted else {
            return document::read(text).and_then(|_| Err(stray(part)));
        };
        let root = part.read()?;
        let name = entry(&root, "metadata").and_then(|node| entry(node, "name"));
        if name.and_then(text_of) != Some(wanted.as_str()) {
            return Err(absent(&wanted, place));
        }
        chain.push(root);
    }
    if chain.len() > ANCESTORS_MAX + 1 {
        return Err(too_long());
    }
    let mut merged: Option<Node> = None;
    while let Some(next) = chain.pop() {
        if merged.is_none()
            && let Some((name, place)) = parent_of(&next)?
        {
            return Err(absent(&name, place));
        }
        merged = Some(match merged {
            None => next,
            Some(parent) => merged_root(parent, next),
        });
    }
    merged.ok_or_else(|| Diagnostic::error("C002", "not readable as YAML: it is empty"))
}

fn stray(part: &Part<'_>) -> Diagnostic {
    let place = Place {
        line: part.lines_before + 1,
        column: 1,
        len: 1,
    };
    let message = "not readable as YAML: a file holds one template, this is a second document";
    Diagnostic::error("C002", message).at(Some(place))
}

fn absent(name: &str, place: Place) -> Diagnostic {
    let message = format!(
        "the template extends `{}`, which is not at hand",
        shorten(name)
    );
    let help = "keep the file of that template in the same folder, or give the daemon both";
    Diagnostic::error("C019", message)
        .at(Some(place))
        .help(help)
}

/// What a document extends, and where it says so.
fn parent_of(root: &Node) -> Result<Option<(String, Place)>, Diagnostic> {
    let Some(node) = entry(root, "extends") else {
        return Ok(None);
    };
    let name = text_of(node).filter(|text| TemplateName::new(text).is_some());
    if let Some(name) = name {
        return Ok(Some((name.to_owned(), node.place)));
    }
    let help = "write the `metadata.name` of the template whose parts are taken over";
    let said = Diagnostic::error("C009", "`extends` is no name of a template");
    Err(said.at(Some(node.place)).help(help))
}

/// One document of a stream.
pub(crate) struct Part<'t> {
    text: &'t str,
    lines_before: usize,
    bytes_before: usize,
}

impl Part<'_> {
    /// The document, with places in the whole stream.
    pub(crate) fn read(&self) -> Result<Node, Diagnostic> {
        let shifted = |place: Place| Place {
            line: place.line + self.lines_before,
            ..place
        };
        match document::read(self.text) {
            Ok(mut root) => {
                shift(&mut root, self);
                Ok(root)
            }
            Err(said) => {
                let place = said.place.map(shifted);
                Err(said.at(place))
            }
        }
    }
}

fn shift(node: &mut Node, part: &Part<'_>) {
    node.place.line += part.lines_before;
    if let Some(key) = &mut node.key {
        key.line += part.lines_before;
    }
    if let Some((start, end)) = &mut node.bytes {
        *start += part.bytes_before;
        *end += part.bytes_before;
    }
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, part)),
        Value::Map(entries) => {
            for (_, place, inner) in entries {
                place.line += part.lines_before;
                shift(inner, part);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// The documents of a stream that hold anything. `---` at the beginning of a line separates them
/// wherever it stands (YAML 1.2.2, 9.1.2: not even a block scalar may contain it there).
pub(crate) fn documents(text: &str) -> Vec<Part<'_>> {
    let mut out = Vec::new();
    let (mut start, mut first_line) = (0, 0);
    let mut at = 0;
    for (idx, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            out.extend(part(text, (start, at), first_line));
            (start, first_line) = (at + line.len(), idx + 1);
        }
        at += line.len();
    }
    out.extend(part(text, (start, text.len()), first_line));
    out
}

fn part(text: &str, (start, end): (usize, usize), lines_before: usize) -> Option<Part<'_>> {
    let piece = text.get(start..end)?;
    let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    piece.lines().any(says).then_some(Part {
        text: piece,
        lines_before,
        bytes_before: start,
    })
}

/// The node under `name`; a field left empty counts as absent.
pub(crate) fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else {
        return None;
    };
    let mut hits = entries.iter().filter(|(key, _, _)| key == name);
    let (_, _, inner) = hits.next()?;
    (!matches!(inner.value, Value::Null)).then_some(inner)
}

/// The text a node holds.
pub(crate) fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// C007: a `remove` that is still there after the ancestors were merged in.
pub(super) fn nothing_removed(reader: &mut Reader<'_>, node: &Node, what: &str) {
    let at = node.key.unwrap_or(node.place);
    let message = format!("`remove` takes away no {what}");
    let help = format!(
        "write `{{ name: …, remove: true }}`, nothing else, with the name of the {what} as \
         `extends` brings it along"
    );
    reader.error("C007", at, message, &help);
}
