//! The JSON Schema of templates: it accepts what the parser accepts, refuses what is misspelt or
//! missing, and knows every field the parser knows.

use crate::docs::check_block;
use crate::templates::{base, folder};
use haldane::serve::template_files::paths;
use haldane::template::parse::parse;
use haldane::template::schema;
use serde_json::{Value, json};

/// A YAML document as JSON, as an editor's language server sees it.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

fn errors(document: &Value) -> Vec<String> {
    let validator = jsonschema::draft7::new(&schema::json()).unwrap();
    let found = validator.iter_errors(document);
    found
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn it_is_a_schema_of_draft_07() {
    let schema = schema::json();
    assert!(jsonschema::draft7::meta::is_valid(&schema));
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(!schema.to_string().contains("x-default"));
}

#[test]
fn the_shipped_templates_are_valid() {
    let mut files = paths(&folder("analysis-templates")).unwrap();
    files.push(folder("tests/cases/lint/base.yaml"));
    assert!(files.len() > 2);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(errors(&yaml(&text)), Vec::<String>::new(), "{path:?}");
    }
}

/// One change of the base, and what the schema says about it: empty for nothing.
#[test]
fn mistakes_are_found() {
    let (text, _) = base();
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("min_effect: { relative: 10% }", "min_efect: { relative: 10% }", "min_efect"),
        ("      harm: increase\n      min_effect: { relative: 10% }", "      min_effect: { relative: 10% }", "harm"),
        ("harm: increase", "harm: incraese", "incraese"),
        ("{ relative: 10% }", "{ relative: 10%, absolute: 1 }", "oneOf"),
        ("step: 30s", "step: 30", "30"),
        ("period: 30d", "period: 1h30m", ""),
        ("period: 30d", "period: ", ""),
        ("false_rollback: 2%", "false_rollback: 0.02", ""),
        ("false_rollback: 2%", "false_rollback: two", "two"),
        ("weight: 1", "weight: heavy", "heavy"),
        ("on_inconclusive: hold", "on_inconclusive: promote", "promote"),
        ("namespace: { default: prod }", "namespace:", ""),
        ("namespace: { default: prod }", "namespace: { defalt: prod }", "defalt"),
        ("metadata: { name: checkout,", "metadata: { name: 'a b',", "a b"),
        ("kind: AnalysisTemplate", "kind: Template", "Template"),
        ("action: hold", "actoin: hold", "action"),
        ("default: prod", "type: label, one_of: [a, b]", ""),
        ("default: prod", "type: durration", "durration"),
    ];
    for (old, new, wanted) in cases {
        assert!(text.contains(old), "{old}");
        let found = errors(&yaml(&text.replacen(old, new, 1))).join("\n");
        if wanted.is_empty() {
            assert_eq!(found, "", "{new}");
        } else {
            assert!(found.contains(wanted), "{new}: {found}");
        }
    }
}

/// What a child may leave out, a template that extends nothing may not.
#[test]
fn a_child_may_say_little() {
    let child = json!({
        "apiVersion": "haldane/v1", "kind": "AnalysisTemplate", "metadata": { "name": "child" },
        "extends": "checkout",
        "spec": {
            "schedule": { "bake": "5m" },
            "metrics": [{ "name": "cpu", "remove": true }, { "name": "errors", "role": "info" }],
        },
    });
    assert_eq!(errors(&child), Vec::<String>::new());
    let mut alone = child.clone();
    alone.as_object_mut().unwrap().remove("extends");
    let found = errors(&alone).join("\n");
    for wanted in ["step", "deadline", "harm", "min_effect"] {
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
    let mut unnamed = child;
    unnamed["spec"]["metrics"][0] = json!({ "remove": true });
    assert!(errors(&unnamed).join("\n").contains("name"));
}

/// The parser's own list of the fields of a map, from what it says about one that is unknown.
fn parser_fields(document: &Value, path: &str) -> Vec<String> {
    let mut document = document.clone();
    let map = document.pointer_mut(path).unwrap().as_object_mut().unwrap();
    map.insert("qqqq".to_owned(), json!(1));
    let (_, found) = parse(&document.to_string());
    let said = found.iter().find(|one| one.message.contains("qqqq"));
    let help = said.and_then(|one| one.help.clone());
    let help = help.unwrap_or_else(|| panic!("{path}: {found:?}"));
    help.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Every map of the format, and the definition it has in the schema.
#[test]
fn every_field_of_the_parser_is_in_the_schema() {
    let (text, _) = base();
    let mut document = yaml(&text);
    let spec = &mut document["spec"];
    spec["changes"] = json!({ "database": { "schedule": {} } });
    spec["metrics"][1]["judge"] = json!({ "method": "sequential" });
    spec["notify"] = json!([{ "webhook": "pager" }]);
    spec["schedule"]["steps"] = json!([{ "weight": "5%", "bake": "1m" }]);
    spec["history"] = json!({ "lookback": "1h" });
    spec["recovery"] = json!({ "for": "5m" });
    spec["baseline"] = json!({ "mode": "before" });
    spec["on_inconclusive"] = json!({ "undecided": "hold" });
    spec["judge"]["method"] = json!("kayenta");
    spec["judge"]["score"] = json!({});
    spec["metrics"][0]["kayenta"] = json!({ "effect_size": {} });
    spec["metrics"][1]["group_by"] = json!({ "label": "route" });
    let schema = schema::json();
    let mut seen = Vec::new();
    for (path, name) in [
        ("/metadata", "Metadata"),
        ("/spec", "Spec"),
        ("/spec/changes/database", "Rule"),
        ("/spec/inputs/service", "Input"),
        ("/spec/schedule", "Schedule"),
        ("/spec/schedule/steps/0", "PlannedStep"),
        ("/spec/judge", "Judge"),
        ("/spec/judge/accept_no_harm", "NoHarm"),
        ("/spec/judge/score", "Score"),
        ("/spec/metrics/0", "Metric"),
        ("/spec/metrics/0/min_effect", "Effect"),
        ("/spec/metrics/0/series", "Series"),
        ("/spec/metrics/0/kayenta", "Kayenta"),
        ("/spec/metrics/0/kayenta/effect_size", "EffectSize"),
        ("/spec/metrics/1/group_by", "GroupBy"),
        ("/spec/metrics/1/events", "Events"),
        ("/spec/metrics/2/distribution", "Distribution"),
        ("/spec/objectives/0", "Objective"),
        ("/spec/objectives/0/rungs/0", "Rung"),
        ("/spec/traffic", "Traffic"),
        ("/spec/history", "History"),
        ("/spec/recovery", "Recovery"),
        ("/spec/baseline", "Baseline"),
        ("/spec/on_inconclusive", "ByReason"),
        ("/spec/notify/0", "Notify"),
        ("/spec/metrics/1/judge", "MetricJudge"),
    ] {
        let properties = &schema["definitions"][name]["properties"];
        let listed = properties.as_object().unwrap_or_else(|| panic!("{name}"));
        let mut wanted = parser_fields(&document, path);
        // The field that says which map it is stands in the sentence, too.
        wanted.retain(|field| listed.contains_key(field) || !path.ends_with(field.as_str()));
        wanted.sort();
        let listed: Vec<String> = listed.keys().cloned().collect();
        assert_eq!(listed, wanted, "{name}");
        for field in &listed {
            let about = &properties[field]["description"];
            assert!(about.is_string(), "{name}.{field} has a description");
        }
        seen.push(name);
    }
    let maps = schema["definitions"].as_object().unwrap().iter();
    let maps = maps.filter(|(_, one)| one.get("properties").is_some());
    for (name, _) in maps {
        assert!(seen.contains(&name.as_str()), "{name} is checked");
    }
}

#[test]
fn the_tables_of_the_reference_are_the_types() {
    for (block, table) in schema::tables() {
        check_block("docs/templates.md", block, &table);
    }
}
