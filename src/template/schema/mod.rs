//! The JSON Schema of templates, draft-07 because that is the newest one editors' YAML language
//! servers read, and the tables of the reference. Both come from the shapes of `written`.

pub(super) mod values;
pub(super) mod written;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Where a daemon serves the schema, and the `$id` relative to it.
pub const FILE: &str = "template.json";

/// The maps in which a child of another template may leave out what that one has.
const INHERITED: [&str; 8] = [
    "Spec",
    "Schedule",
    "Metric",
    "Objective",
    "Series",
    "Events",
    "Distribution",
    "Traffic",
];

/// Keywords only the tables read.
const OURS: [&str; 2] = ["x-default", "x-limits"];

/// The schema.
pub fn json() -> Value {
    let mut root = raw();
    let demands = demands(&root, &root);
    relax(&mut root);
    tidy(&mut root);
    if let Some(map) = root.as_object_mut() {
        map.insert("$id".to_owned(), json!(format!("urn:haldane:{FILE}")));
        map.insert("title".to_owned(), json!("Haldane analysis template"));
        map.insert("if".to_owned(), json!({ "required": ["extends"] }));
        map.insert("else".to_owned(), demands);
    }
    root
}

fn raw() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    generator
        .into_root_schema_for::<written::Template>()
        .to_value()
}

/// What a node is when it is a reference to a definition.
fn resolved<'v>(root: &'v Value, node: &'v Value) -> (&'v Value, Option<&'v str>) {
    let direct = node.get("$ref").and_then(Value::as_str);
    let listed = ["anyOf", "allOf"].into_iter().find_map(|key| {
        let mut items = node.get(key)?.as_array()?.iter();
        items.find_map(|item| item.get("$ref")?.as_str())
    });
    let name = direct.or(listed).and_then(|path| path.rsplit('/').next());
    let found = name.and_then(|name| root.get("definitions")?.get(name));
    (found.unwrap_or(node), name)
}

/// Everything that must be there in a template that extends nothing, as a schema of its own.
fn demands(root: &Value, node: &Value) -> Value {
    let (node, name) = resolved(root, node);
    let mut out = Map::new();
    if let Some(needed) = node.get("required") {
        out.insert("required".to_owned(), needed.clone());
    }
    if name == Some("Objective") {
        // A file may state the rest.
        let needed = json!({ "required": node.get("required") });
        out.insert("required".to_owned(), json!(["name"]));
        out.insert(
            "anyOf".to_owned(),
            json!([{ "required": ["from"] }, needed]),
        );
    }
    if name == Some("Spec") {
        let one = |field: &str| json!({ "required": [field] });
        out.insert("required".to_owned(), json!(["schedule"]));
        out.insert(
            "anyOf".to_owned(),
            json!([one("metrics"), one("objectives")]),
        );
    }
    if name == Some("Metric") {
        let one = |kind: &str| json!({ "required": [kind] });
        let kinds = crate::template::metrics::MEASURES.map(one);
        out.insert("oneOf".to_owned(), json!(kinds));
    }
    if name == Some("Rule") {
        return json!({}); // says only what differs
    }
    if let Some(Value::Object(properties)) = node.get("properties") {
        let inner: Map<String, Value> = properties
            .iter()
            .map(|(key, inner)| (key.clone(), demands(root, inner)))
            .filter(|(_, inner)| inner.as_object().is_some_and(|map| !map.is_empty()))
            .collect();
        if !inner.is_empty() {
            out.insert("properties".to_owned(), Value::Object(inner));
        }
    }
    if let Some(items) = node.get("items") {
        let inner = demands(root, items);
        if inner.as_object().is_some_and(|map| !map.is_empty()) {
            out.insert("items".to_owned(), inner);
        }
    }
    Value::Object(out)
}

/// Takes away what an ancestor may bring; names stay.
fn relax(root: &mut Value) {
    for name in INHERITED {
        let definition = root.pointer_mut(&format!("/definitions/{name}"));
        let Some(Value::Object(map)) = definition else {
            continue;
        };
        if map.contains_key("required") {
            let named = map
                .get("properties")
                .is_some_and(|all| all.get("name").is_some());
            let stays = if named { json!(["name"]) } else { json!([]) };
            map.insert("required".to_owned(), stays);
        }
    }
    if let Some(Value::Object(effect)) = root.pointer_mut("/definitions/Effect") {
        let one = [
            json!({ "required": ["relative"] }),
            json!({ "required": ["absolute"] }),
        ];
        effect.insert("oneOf".to_owned(), json!(one));
    }
}

/// Moves default and limits into the description, where editors show them.
fn tidy(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(map) => {
            let [default, limits] = OURS.map(|key| match map.remove(key) {
                Some(Value::String(text)) => text,
                _ => String::new(),
            });
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
                for (word, said) in [("default", default), ("limits", limits)] {
                    if said == "required" {
                        text.push_str("; required");
                    } else if !said.is_empty() {
                        let _ = write!(text, "; {word}: {said}");
                    }
                }
            }
            if map.get("examples").is_some_and(|all| *all == json!([])) {
                map.remove("examples");
            }
            map.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// The reference's tables: name of the block, and Markdown.
pub fn tables() -> Vec<(&'static str, String)> {
    use written as w;
    let raw = raw();
    let shapes: [(&str, &str, &[&str]); 18] = [
        ("input", "Input", w::Input::FIELDS),
        ("schedule", "Schedule", w::Schedule::FIELDS),
        ("judge", "Judge", w::Judge::FIELDS),
        ("metric", "Metric", w::Metric::FIELDS),
        ("group-by", "GroupBy", w::GroupBy::FIELDS),
        ("series", "Series", w::Series::FIELDS),
        ("events", "Events", w::Events::FIELDS),
        ("distribution", "Distribution", w::Distribution::FIELDS),
        ("kayenta", "Kayenta", w::Kayenta::FIELDS),
        ("effect-size", "EffectSize", w::EffectSize::FIELDS),
        ("objective", "Objective", w::Objective::FIELDS),
        ("rung", "Rung", w::Rung::FIELDS),
        ("history", "History", w::History::FIELDS),
        ("baseline", "Baseline", w::Baseline::FIELDS),
        ("by-reason", "ByReason", w::ByReason::FIELDS),
        ("recovery", "Recovery", w::Recovery::FIELDS),
        ("spec", "Spec", w::Spec::FIELDS),
        ("rule", "Rule", w::Rule::FIELDS),
    ];
    let shorter = [
        ("score", "Score", w::Score::FIELDS),
        ("metric-judge", "MetricJudge", w::MetricJudge::FIELDS),
        ("notify", "Notify", w::Notify::FIELDS),
        ("accept-no-harm", "NoHarm", w::NoHarm::FIELDS),
        ("traffic", "Traffic", w::Traffic::FIELDS),
        ("steps", "PlannedStep", w::PlannedStep::FIELDS),
    ];
    let all = shapes.into_iter().chain(shorter);
    all.map(|(block, name, fields)| (block, table(&raw, name, fields)))
        .collect()
}

fn table(root: &Value, name: &str, fields: &[&str]) -> String {
    let mut out = "| field | default | limits | meaning |\n|---|---|---|---|\n".to_owned();
    for field in fields {
        let at = format!("/definitions/{name}/properties/{field}");
        let node = root.pointer(&at);
        let said = |key: &str| {
            let text = node.and_then(|node| node.get(key)).and_then(Value::as_str);
            text.unwrap_or("").replace('\n', " ").replace('|', "\\|")
        };
        let (default, limits) = (said("x-default"), said("x-limits"));
        let meaning = said("description");
        let _ = writeln!(out, "| `{field}` | {default} | {limits} | {meaning} |");
    }
    out
}
