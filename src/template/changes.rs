//! Reads `spec.changes`: what is different for some types of change, such as a longer bake time for
//! one of the database. A rule is joined with the rest of the spec as a child is with the template
//! it extends, and what comes out is read like any other template.

use crate::template::document::{Node, Value};
use crate::template::extends::entry;
use crate::template::fields::{Reader, shorten};
use crate::template::merge::with_rule;
use crate::template::schema::written;

/// The most types of change a template has rules for; more are refused (C013): every rule is a
/// template of its own, to be read and understood.
pub const CHANGES_MAX: usize = 20;

/// The longest name of a type of change in bytes; a longer one is refused (C009).
pub const CHANGE_BYTES_MAX: usize = 100;

/// Every rule with a name and known fields: the type of change, and the root of the template as it
/// is for it. The rest has been complained about.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node) -> Vec<(String, Node)> {
    let Some(node) = rules_of(root) else {
        return Vec::new();
    };
    let Value::Map(entries) = &node.value else {
        reader.shape(
            node,
            "`changes`",
            "a map from a type of change to what is different",
        );
        return Vec::new();
    };
    if entries.len() > CHANGES_MAX {
        let message = format!(
            "{} types of change, the limit is {CHANGES_MAX}",
            entries.len()
        );
        let at = node.key.unwrap_or(node.place);
        reader.error("C013", at, message, "let some of them share a name");
    }
    let mut out = Vec::new();
    for (change, place, rule) in entries.iter().take(CHANGES_MAX) {
        if matches!(rule.value, Value::Null) {
            continue; // a field left empty counts as absent
        }
        if change.is_empty() || change.len() > CHANGE_BYTES_MAX {
            let message = format!("`{}` is no type of change", shorten(change));
            let help = format!("1 to {CHANGE_BYTES_MAX} bytes, as rollouts send it");
            reader.error("C009", *place, message, &help);
        } else if reader.map(rule, "a rule", written::Rule::FIELDS).is_some() {
            out.push((change.clone(), with_rule(root, rule)));
        }
    }
    out
}

/// The root of the template as it is for this type of change, if it has a rule for it.
pub(super) fn root_for(root: &Node, change: &str) -> Option<Node> {
    Some(with_rule(root, entry(rules_of(root)?, change)?))
}

/// `spec.changes`, unless it is empty.
fn rules_of(root: &Node) -> Option<&Node> {
    entry(entry(root, "spec")?, "changes")
}
