//! A template together with the text it was read from, so that a rule can point at what it
//! means, and the comments by which an author silences a rule.

use crate::diagnostic::{Diagnostic, Place};
use crate::template::document::{Node, Value};
use crate::template::fields::inside;
use crate::template::promql::{Lexed, lex};
use crate::template::{ChangeRule, Measure, MetricSpec, Template, changes, extends};

/// A template with its text, as the rules see it.
pub(super) struct Subject<'a> {
    /// What was read.
    pub(super) template: &'a Template,
    text: &'a str,
    root: Option<Node>,
    /// What its files say that is not read (C038).
    pub(super) notes: Vec<Diagnostic>,
}

impl<'a> Subject<'a> {
    /// Without the text (a built-in template) nothing has a place.
    pub(super) fn new(template: &'a Template, text: &'a str) -> Self {
        let whole = extends::read_whole(text).ok();
        let (root, notes) = whole.map(|whole| (whole.root, whole.notes)).unzip();
        Self {
            template,
            text,
            root,
            notes: notes.unwrap_or_default(),
        }
    }

    /// The template as it is for each type of change that has a rule; the places are those of what
    /// the rule is joined with.
    pub(super) fn changes(&self) -> Vec<(&'a str, Self)> {
        let rules = self.template.changes.iter();
        let subject = |rule: &'a ChangeRule| {
            let root = self.root.as_ref();
            Self {
                template: &rule.template,
                text: self.text,
                root: root.and_then(|root| changes::root_for(root, &rule.change)),
                notes: Vec::new(),
            }
        };
        rules
            .map(|rule| (rule.change.as_str(), subject(rule)))
            .collect()
    }

    /// The node at a path of field names and list positions (`3`).
    pub(super) fn node(&self, path: &[&str]) -> Option<&Node> {
        let mut node = self.root.as_ref()?;
        for name in path {
            node = child(node, name)?;
        }
        Some(node)
    }

    /// Where the node at a path stands; for maps and lists the key that holds them.
    pub(super) fn place(&self, path: &[&str]) -> Option<Place> {
        self.node(path).map(shown_place)
    }

    /// The queries of series metrics, taken apart: index, metric, query.
    pub(super) fn series(&self) -> impl Iterator<Item = (usize, &MetricSpec, &str, Lexed<'_>)> {
        let metrics = self.template.metrics.iter().enumerate();
        metrics.filter_map(|(idx, metric)| match &metric.measure {
            Measure::Series { query, .. } => Some((idx, metric, query.as_str(), lex(query).ok()?)),
            Measure::Events { .. } | Measure::Distribution { .. } => None,
        })
    }

    /// The place of byte `at` of the query of metric `idx`.
    pub(super) fn in_query(&self, idx: usize, query: &str, at: usize, len: usize) -> Option<Place> {
        let idx = idx.to_string();
        let node = self.node(&["spec", "metrics", &idx, "series", "query"])?;
        Some(inside(self.text, node, query, at, len))
    }
}

/// Where a field stands in a template's text, by field names and list positions: its value, or the
/// key of a map or list. With a type of change the template is meant as it is for that one.
pub fn field_place(text: &str, change: Option<&str>, path: &[&str]) -> Option<Place> {
    let root = extends::read(text).ok()?;
    let root = match change {
        Some(change) => changes::root_for(&root, change)?,
        None => root,
    };
    let mut node = &root;
    for name in path {
        node = child(node, name)?;
    }
    Some(shown_place(node))
}

/// Where a node is pointed at.
fn shown_place(node: &Node) -> Place {
    match node.value {
        Value::Map(_) | Value::List(_) => node.key.unwrap_or(node.place),
        _ => node.place,
    }
}

fn child<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .find(|(key, _, _)| key == name)
            .map(|(_, _, node)| node),
        Value::List(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Whether the author has said why this one is meant: `# haldane-ignore C012: reason`.
pub(super) fn is_ignored(diagnostic: &Diagnostic, text: &str) -> bool {
    let Some(place) = diagnostic.place else {
        return false;
    };
    let above = place.line.saturating_sub(2);
    let lines = text.lines().skip(above).take(place.line.min(2));
    lines.enumerate().any(|(idx, line)| {
        let is_own = idx + above + 1 == place.line;
        let comment = line.split_once("# haldane-ignore ");
        comment.is_some_and(|(before, rest)| {
            let reason = rest.strip_prefix(diagnostic.code).unwrap_or("");
            let reason = reason.strip_prefix(':').unwrap_or("").trim();
            !reason.is_empty() && (is_own || before.trim().is_empty())
        })
    })
}
