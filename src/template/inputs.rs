//! Reads `spec.inputs`: the holes a rollout fills, and what may fill them.

use crate::template::Input;
use crate::template::document::{Node, Value};
use crate::template::fields::{Reader, shorten};
use crate::template::input_type::{InputType, ONE_OF_MAX, TYPES};
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
            "a map from name to `{ default, description, type, one_of }`",
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
        out.push(read_one(reader, name, node));
    }
    out
}

fn read_one(reader: &mut Reader<'_>, name: &str, node: &Node) -> Input {
    let mut input = Input {
        name: name.to_owned(),
        description: String::new(),
        default: None,
        kind: InputType::Text,
        one_of: Vec::new(),
    };
    if matches!(node.value, Value::Null) {
        return input;
    }
    let Some(fields) = reader.map(node, "an input", written::Input::FIELDS) else {
        return input;
    };
    // What is wrong with the type or the list has been said: it is not said again of the values.
    let kind = fields.get("type").map_or(Some(InputType::Text), |node| {
        reader.word(node, "type of an input", &TYPES)
    });
    input.kind = kind.unwrap_or_default();
    if let Some(node) = fields.get("one_of") {
        let values = read_list(reader, &input, node);
        input.one_of = values;
    }
    if let Some(node) = fields.get("default") {
        input.default = read_value(reader, &input, node, "default");
    }
    let description = reader.prose(fields.get("description"), "description");
    input.description = description.unwrap_or_default();
    input
}

/// The values that can be read; with one that cannot, none, so that nothing is held against an
/// incomplete list.
fn read_list(reader: &mut Reader<'_>, input: &Input, node: &Node) -> Vec<String> {
    let Value::List(items) = &node.value else {
        reader.shape(node, "`one_of`", "a list of values");
        return Vec::new();
    };
    let at = node.key.unwrap_or(node.place);
    if items.len() > ONE_OF_MAX {
        let message = format!(
            "{} values in `one_of`, the limit is {ONE_OF_MAX}",
            items.len()
        );
        reader.error(
            "C013",
            at,
            message,
            "remove some, or the list: a `type` needs none",
        );
        return Vec::new();
    }
    if items.is_empty() {
        let message = format!("`one_of` of input `{}` is empty: no value fits", input.name);
        reader.error("C029", at, message, "name the values, or remove the list");
    }
    let values = items
        .iter()
        .map(|item| read_value(reader, input, item, "value"));
    let values: Vec<Option<String>> = values.collect();
    values
        .into_iter()
        .collect::<Option<_>>()
        .unwrap_or_default()
}

/// A value that the template itself gives an input.
fn read_value(reader: &mut Reader<'_>, input: &Input, node: &Node, what: &str) -> Option<String> {
    let text = reader.text(node, &format!("a {what}"))?;
    if let Some(why) = value_fault(text) {
        let message = format!("the {what} {why}");
        reader.error("C008", node.place, message, "shorten it");
    } else if let Some(unfit) = input.unfit(text) {
        let message = format!(
            "the {what} `{}` of input `{}` {}",
            unfit.shown, input.name, unfit.why
        );
        reader.error(
            "C029",
            node.place,
            message,
            &format!("write {}", unfit.wanted),
        );
    }
    Some(text.to_owned())
}
