//! Reads `spec.inputs`: the holes a rollout fills.

use crate::template::Input;
use crate::template::document::{Node, Value};
use crate::template::fields::{Reader, shorten};
use crate::template::promql::is_hole_name;
use crate::template::query::{ARM_LABELS, SELECTOR, value_fault};
use crate::template::schema::written;

/// The most inputs of a template; more are refused (C013).
pub const INPUTS_MAX: usize = 50;

/// Every input that has a name; those that could not be read have been complained about.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Input> {
    let Value::Map(entries) = &node.value else {
        reader.shape(
            node,
            "`inputs`",
            "a map from name to `{ default, description }`",
        );
        return Vec::new();
    };
    if entries.len() > INPUTS_MAX {
        let message = format!("{} inputs, the limit is {INPUTS_MAX}", entries.len());
        reader.error("C013", node.key.unwrap_or(node.place), message, "use fewer");
    }
    let mut out = Vec::new();
    for (name, place, node) in entries.iter().take(INPUTS_MAX) {
        let reserved = [SELECTOR, ARM_LABELS].contains(&name.as_str());
        if reserved || !is_hole_name(name) {
            let message = format!("`{}` cannot be the name of an input", shorten(name));
            let help = "a letter or `_`, then letters, digits and `_`; `selector` and \
                        `arm_labels` are filled in by the scopes";
            reader.error("C009", *place, message, help);
            continue;
        }
        // An input that could not be read still exists: its holes are not unknown.
        let (description, default) = read_one(reader, node);
        out.push(Input {
            name: name.clone(),
            description,
            default,
        });
    }
    out
}

fn read_one(reader: &mut Reader<'_>, node: &Node) -> (String, Option<String>) {
    if matches!(node.value, Value::Null) {
        return (String::new(), None);
    }
    let Some(fields) = reader.map(node, "an input", written::Input::FIELDS) else {
        return (String::new(), None);
    };
    let default = fields.get("default").and_then(|node| {
        let text = reader.text(node, "a default")?;
        if let Some(why) = value_fault(text) {
            let message = format!("the default {why}");
            reader.error("C008", node.place, message, "shorten it");
        }
        Some(text.to_owned())
    });
    let description = reader.prose(fields.get("description"), "description");
    (description.unwrap_or_default(), default)
}
