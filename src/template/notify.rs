//! Reads `spec.notify`: which of the daemon's receivers hear of a verdict, by the names its
//! configuration gives them. A template does not know the daemon; whether a name exists is asked
//! where both are at hand ([`unknown_receivers`]).

use crate::diagnostic::{Diagnostic, Place, closest};
use crate::ids::ReceiverName;
use crate::template::Template;
use crate::template::document::{Node, Value};
use crate::template::fields::{Reader, shorten};
use crate::template::metrics::unique;
use crate::template::schema::written;

/// The most receivers a template may name; more are refused (C013): each gets a message of its own.
pub const NOTIFIED_MAX: usize = 20;

/// A receiver that hears of verdicts.
#[derive(Clone, Debug, PartialEq)]
pub struct Notify {
    /// Its name in the daemon's configuration.
    pub receiver: ReceiverName,
    /// The verdicts it hears of; empty for all.
    pub on: Vec<NotifyOn>,
    /// Where it stands in the text.
    pub place: Option<Place>,
}

/// A verdict somebody may hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotifyOn {
    /// `promote`
    Promote,
    /// `rollback`
    Rollback,
    /// `inconclusive`
    Inconclusive,
}

pub(super) const VERDICTS: [(&str, NotifyOn); 3] = [
    ("promote", NotifyOn::Promote),
    ("rollback", NotifyOn::Rollback),
    ("inconclusive", NotifyOn::Inconclusive),
];

/// The receivers; `None` when the template names none and all are meant.
pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<Vec<Notify>> {
    let node = node?;
    if let Value::Text(text) = &node.value {
        let help = format!("write `notify: [{}]`", shorten(text));
        let message = "`notify` is text, expected a list".to_owned();
        reader.error("C005", node.place, message, &help);
        return None;
    }
    let mut seen = Vec::new();
    let mut out = Vec::new();
    for item in reader.list(Some(node), "receivers", NOTIFIED_MAX) {
        if let Some(notify) = read_one(reader, item) {
            let place = notify.place.unwrap_or(item.place);
            unique(reader, "receiver", &notify.receiver, place, &mut seen);
            out.push(notify);
        }
    }
    Some(out)
}

fn read_one(reader: &mut Reader<'_>, node: &Node) -> Option<Notify> {
    let (name, on) = match &node.value {
        Value::Text(_) => (node, Some(Vec::new())),
        Value::Map(_) => {
            let fields = reader.map(node, "a receiver", written::Notify::FIELDS)?;
            let help = "the receiver's name in the daemon's configuration";
            let name = reader.need(&fields, "webhook", help);
            let on = fields
                .get("on")
                .map_or(Some(Vec::new()), |on| read_on(reader, on));
            (name?, on)
        }
        _ => {
            reader.shape(node, "a receiver", "a name, or a map with `webhook`");
            return None;
        }
    };
    Some(Notify {
        receiver: reader.name(name, "a receiver's name", ReceiverName::new)?,
        on: on?,
        place: Some(name.place),
    })
}

fn read_on(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<NotifyOn>> {
    let items = reader.list(Some(node), "verdicts", VERDICTS.len());
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        let at = node.key.unwrap_or(node.place);
        let help = "leave `on` out to tell every verdict, or remove the receiver";
        let message = "`on` needs at least one verdict".to_owned();
        reader.error("C004", at, message, help);
        return None;
    }
    let read: Option<Vec<_>> = items
        .iter()
        .map(|item| reader.word(item, "verdict", &VERDICTS))
        .collect();
    read.filter(|read| !read.is_empty())
}

/// C066 for every receiver that a template or one of its rules names and the daemon does not know.
pub fn unknown_receivers(template: &Template, known: &[ReceiverName]) -> Vec<Diagnostic> {
    let rules = template.changes.iter().map(|rule| &rule.template);
    let named = std::iter::once(template)
        .chain(rules)
        .flat_map(|template| template.notify.iter().flatten());
    let mut found: Vec<Diagnostic> = Vec::new();
    for notify in named.filter(|notify| !known.contains(&notify.receiver)) {
        let said = unknown(&notify.receiver, known).at(notify.place);
        if !found.contains(&said) {
            found.push(said);
        }
    }
    found
}

fn unknown(name: &ReceiverName, known: &[ReceiverName]) -> Diagnostic {
    let shown = shorten(name.as_str());
    let near = closest(name.as_str(), known.iter().map(ReceiverName::as_str));
    let message = match near {
        Some(near) => format!("no receiver is named `{shown}`, did you mean `{near}`?"),
        None => format!("no receiver is named `{shown}`"),
    };
    let all: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let help = if all.is_empty() {
        "the daemon has no receivers with a name: give one of `webhooks.receivers` a `name`"
            .to_owned()
    } else {
        format!("the daemon has {}", all.join(", "))
    };
    Diagnostic::error("C066", message).help(help)
}
