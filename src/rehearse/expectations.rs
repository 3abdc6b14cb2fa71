//! What is expected of a test, as it is written.

use crate::engine::verdict::Hold;
use crate::judge::judgement::Label;
use crate::rehearse::read::{misfit, placed, written};
use crate::rehearse::spec::{End, Expect, Written};
use crate::template::document::{Node, Value};
use crate::template::fields::{Reader, shorten};
use crate::template::parse::DEADLINE_MAX;
use crate::time::Span;

/// Entries of one list of expectations; more are refused (C013).
pub(super) const LISTED_MAX: usize = 200;

/// The fields of `expect`.
pub(super) const FIELDS: &[&str] = &[
    "verdict",
    "hold",
    "metric",
    "objective",
    "metrics",
    "not_before",
    "by",
    "sentence",
];

/// The words of labels.
pub(super) const LABELS: [(&str, Label); 4] = [
    ("within", Label::Within),
    ("worse", Label::Worse),
    ("undecided", Label::Undecided),
    ("no data", Label::NoData),
];

/// The words of holds.
pub(super) const HOLDS: [(&str, Option<Hold>); 6] = [
    ("environment_degraded", Some(Hold::EnvironmentDegraded)),
    ("traffic_mismatch", Some(Hold::TrafficMismatch)),
    ("arm_absent", Some(Hold::ArmAbsent)),
    ("data_suspect", Some(Hold::DataSuspect)),
    ("budget_burning", Some(Hold::BudgetBurning)),
    ("none", None),
];

/// Reads `expect`.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Expect {
    let mut out = Expect {
        place: Some(node.key.unwrap_or(node.place)),
        ..Expect::default()
    };
    let Some(fields) = reader.map(node, "`expect`", FIELDS) else {
        return out;
    };
    let mut whole = true;
    if let Some(node) = fields.get("verdict") {
        out.verdict = words(reader, node, "verdict", &End::ALL);
        whole &= out.verdict.is_some();
    }
    if let Some(node) = fields.get("hold") {
        out.hold = hold(reader, node);
        whole &= out.hold.is_some();
    }
    out.worse = listed(reader, fields.get("metric"), "metric");
    out.objectives = listed(reader, fields.get("objective"), "objective");
    out.sentence = listed(reader, fields.get("sentence"), "sentence");
    if let Some(node) = fields.get("metrics") {
        out.labels = labels(reader, node);
        whole &= !out.labels.is_empty();
    }
    let mut span = |name: &str| {
        let node = fields.get(name)?;
        let span = reader.span(node, name, Span::ZERO, DEADLINE_MAX.times(2));
        whole &= span.is_some();
        Some(placed(node, span?))
    };
    out.not_before = span("not_before");
    out.by = span("by");
    if let (Some(early), Some(by)) = (&out.not_before, &out.by)
        && early.value > by.value
    {
        let message = format!("not_before {} is later than by {}", early.value, by.value);
        misfit(reader, early.place, message, "swap them");
    }
    if whole && out.is_nothing() && !reader.has_errors() {
        let message = "nothing is expected, so the test cannot fail".to_owned();
        misfit(reader, fields.place(), message, "write `verdict: promote`");
    }
    out
}

/// One text or several.
fn listed(
    reader: &mut Reader<'_>,
    node: Option<&Node>,
    what: &'static str,
) -> Vec<Written<String>> {
    let items = match node {
        Some(Node {
            value: Value::List(_),
            ..
        }) => reader.list(node, what, LISTED_MAX),
        Some(node) => std::slice::from_ref(node),
        None => &[],
    };
    if let (Some(node), []) = (node, items) {
        empty(reader, node, what);
    }
    items
        .iter()
        .filter_map(|node| written(reader, node, what))
        .collect()
}

/// One word or several, each known.
fn words<T: Copy>(
    reader: &mut Reader<'_>,
    node: &Node,
    what: &'static str,
    known: &[(&'static str, T)],
) -> Option<Written<Vec<T>>> {
    let items = match &node.value {
        Value::List(_) => reader.list(Some(node), what, LISTED_MAX),
        _ => std::slice::from_ref(node),
    };
    let read: Vec<Option<T>> = items
        .iter()
        .map(|node| reader.word(node, what, known))
        .collect();
    let all: Vec<T> = read.into_iter().collect::<Option<_>>()?;
    if all.is_empty() {
        empty(reader, node, what);
        return None;
    }
    Some(placed(node, all))
}

/// An empty list expects nothing, and looks as if it did.
fn empty(reader: &mut Reader<'_>, node: &Node, what: &str) {
    let message = format!("the list of `{what}` is empty");
    misfit(
        reader,
        node.key.unwrap_or(node.place),
        message,
        "remove it, or write what is expected",
    );
}

fn hold(reader: &mut Reader<'_>, node: &Node) -> Option<Written<Option<Hold>>> {
    let known: Vec<(&'static str, usize)> = HOLDS
        .iter()
        .enumerate()
        .map(|(idx, (word, _))| (*word, idx))
        .collect();
    let idx = reader.word(node, "hold", &known)?;
    let (_, hold) = HOLDS.get(idx)?;
    Some(placed(node, hold.clone()))
}

fn labels(reader: &mut Reader<'_>, node: &Node) -> Vec<(Written<String>, Written<Vec<Label>>)> {
    let Value::Map(entries) = &node.value else {
        reader.shape(
            node,
            "`expect.metrics`",
            "a map such as `{ errors: within }`",
        );
        return Vec::new();
    };
    if entries.is_empty() {
        empty(reader, node, "metrics");
    }
    let mut out = Vec::new();
    for (name, place, node) in entries {
        // The word of answers does as well.
        let known: Vec<(&str, Label)> = LABELS
            .into_iter()
            .chain([("no_data", Label::NoData)])
            .collect();
        let what = "label";
        let Some(all) = words(reader, node, what, &known) else {
            continue;
        };
        let name = Written {
            value: shorten(name),
            place: *place,
            bytes: None,
        };
        out.push((name, all));
    }
    out
}
