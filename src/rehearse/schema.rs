//! The JSON Schema of test files, draft-07 because that is the newest one editors' YAML language
//! servers read, and the tables of the reference. Both come from the fields listed here; that they
//! are the fields the reader knows is tested below.

use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// One field: its name, its schema, and what it means.
type Field = (&'static str, fn() -> Value, &'static str);

fn text() -> Value {
    json!({ "type": "string" })
}

fn texts() -> Value {
    json!({ "oneOf": [text(), { "type": "array", "items": text() }] })
}

fn span() -> Value {
    json!({ "type": "string", "pattern": "^([0-9]+(ms|[ywdhms]))+$|^0$", "examples": ["10m"] })
}

fn map_of_texts() -> Value {
    json!({ "type": "object", "additionalProperties": text() })
}

fn values() -> Value {
    json!({ "type": ["string", "number"], "examples": ["0.2 ~5% for 10m, 0.3 ~5%", "600/m"] })
}

fn share() -> Value {
    json!({ "type": ["string", "number"], "examples": ["25%"] })
}

fn shape(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn metrics() -> Value {
    json!({ "type": "object", "additionalProperties": shape("Metric") })
}

fn words(all: &[&str]) -> Value {
    json!({ "enum": all })
}

fn one_or_more(item: &Value) -> Value {
    json!({ "oneOf": [item, { "type": "array", "items": item, "minItems": 1 }] })
}

fn arm() -> Value {
    shape("Arm")
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 1 })
}

fn fault() -> Value {
    let one = json!({
        "type": "string",
        "pattern": "^(unreachable|unauthorized|empty|partial)( from \\S+)?( to \\S+)?$",
        "examples": ["unreachable from 5m to 10m"],
    });
    one_or_more(&one)
}

fn verdict() -> Value {
    one_or_more(&words(&["promote", "rollback", "inconclusive", "pending"]))
}

fn hold() -> Value {
    words(&super::expectations::HOLDS.map(|(word, _)| word))
}

fn labels() -> Value {
    let one = words(&super::expectations::LABELS.map(|(word, _)| word));
    json!({ "type": "object", "additionalProperties": one_or_more(&one) })
}

/// What a file and a test share.
const SHARED: [Field; 7] = [
    ("inputs", map_of_texts, "values for the template's inputs"),
    ("deploy", || shape("Deploy"), "what is deployed"),
    (
        "change_type",
        text,
        "the type of change, for templates with rules for some",
    ),
    (
        "start",
        text,
        "when the canary began to take traffic (RFC 3339); a Monday, 09:00 without",
    ),
    ("duration", span, "overrides the template's deadline"),
    (
        "step",
        span,
        "the distance between values; that of the template without",
    ),
    (
        "metrics",
        metrics,
        "the data of each metric of the template",
    ),
];

const FILE: [Field; 2] = [
    (
        "template",
        text,
        "the template's file, relative to this one",
    ),
    (
        "tests",
        || json!({ "type": "array", "items": shape("Test"), "minItems": 1 }),
        "the tests",
    ),
];

const TEST: [Field; 6] = [
    (
        "name",
        text,
        "what is tested, in a sentence; unique in the file",
    ),
    (
        "seed",
        || json!({ "type": "integer", "minimum": 0 }),
        "what chance is drawn from; made from the name without",
    ),
    (
        "recording",
        text,
        "a recording to take the samples from, instead of `metrics`",
    ),
    (
        "scenario",
        text,
        "a scenario to take the samples from, instead of `metrics`",
    ),
    (
        "service",
        text,
        "with `scenario`: which of its rollouts, where it has several",
    ),
    (
        "fault",
        fault,
        "what goes wrong with the source: `unreachable from 5m to 10m`, or several",
    ),
];

const EXPECT_OF_TEST: [Field; 1] = [(
    "expect",
    || shape("Expect"),
    "what is expected; at least one of it",
)];

const DEPLOY: [Field; 7] = [
    (
        "service",
        text,
        "the service; the input of that name without",
    ),
    ("id", text, "the deploy's id"),
    ("environment", text, "the environment"),
    ("region", text, "the region"),
    ("revision", text, "the revision shown to people"),
    ("commit", text, "the commit"),
    (
        "traffic_share",
        share,
        "the share of traffic the canary is declared to get; without one traffic is not checked",
    ),
];

const METRIC: [Field; 6] = [
    ("baseline", arm, "the baseline's data"),
    ("canary", arm, "the canary's data"),
    (
        "both",
        arm,
        "the data of both arms, each with chance of its own",
    ),
    (
        "before",
        || json!({}),
        "the data before the start, of both arms or by arm, or `none`; what the baseline begins \
         with otherwise",
    ),
    (
        "bounds",
        || json!({ "type": "array", "items": { "type": "number" }, "minItems": 1 }),
        "bucket bounds of a distribution, without +Inf",
    ),
    (
        "csv",
        text,
        "a CSV file with the values of both arms, relative to this file",
    ),
];

const ARM: [Field; 8] = [
    (
        "values",
        values,
        "of a series metric: what its query answers",
    ),
    (
        "total",
        values,
        "of events and distributions: the arm's own rate (`600/m`), or an exact count each \
         step (`300`)",
    ),
    (
        "bad",
        values,
        "the bad ones: a share (`0.2%`), a rate, or an exact count each step",
    ),
    (
        "median",
        values,
        "of a distribution: the median of a lognormal one",
    ),
    (
        "sigma",
        || json!({ "type": "number", "exclusiveMinimum": 0 }),
        "sigma of its logarithm",
    ),
    (
        "shares",
        || json!({ "type": "array", "items": share() }),
        "of a distribution: the share of each bucket, one more than `bounds`",
    ),
    (
        "labels",
        map_of_texts,
        "labels of the series, such as a route or a pod",
    ),
    (
        "replicas",
        count,
        "so many series alike, each with chance of its own",
    ),
];

const EXPECT: [Field; 8] = [
    (
        "verdict",
        verdict,
        "the verdict, or several of which each will do",
    ),
    ("hold", hold, "what holds it in the end, or `none`"),
    (
        "metric",
        texts,
        "the metric, or metrics, shown worse in the end",
    ),
    (
        "objective",
        texts,
        "the objective a rollback rung of which is proven in the end",
    ),
    (
        "metrics",
        labels,
        "labels in the end: `within`, `worse`, `undecided`, `no data`, or several of which each \
         will do",
    ),
    (
        "not_before",
        span,
        "the earliest moment of the verdict, counted from the start",
    ),
    ("by", span, "the latest moment"),
    ("sentence", texts, "text the sentence contains, or several"),
];

/// The shapes with their fields.
fn shapes() -> Vec<(&'static str, Vec<Field>)> {
    let joined = |own: &[Field], rest: &[Field]| own.iter().chain(rest).copied().collect();
    let [template, tests] = FILE;
    let mut file = vec![template];
    file.extend(SHARED);
    file.push(tests);
    let mut test: Vec<Field> = joined(&TEST, &SHARED);
    test.extend(EXPECT_OF_TEST);
    vec![
        ("File", file),
        ("Test", test),
        ("Deploy", DEPLOY.to_vec()),
        ("Metric", METRIC.to_vec()),
        ("Arm", ARM.to_vec()),
        ("Expect", EXPECT.to_vec()),
    ]
}

fn object(fields: &[Field]) -> Map<String, Value> {
    let property = |(name, schema, meaning): &Field| {
        let mut schema = schema();
        // A reference leaves no room beside itself in draft-07.
        if schema.get("$ref").is_some() {
            schema = json!({ "allOf": [schema] });
        }
        schema["description"] = json!(meaning.replace('`', ""));
        ((*name).to_owned(), schema)
    };
    let properties: Map<String, Value> = fields.iter().map(property).collect();
    let mut out = Map::new();
    out.insert("type".to_owned(), json!("object"));
    out.insert("additionalProperties".to_owned(), json!(false));
    out.insert("properties".to_owned(), Value::Object(properties));
    out
}

/// The schema.
pub fn json() -> Value {
    let mut definitions = Map::new();
    let mut root = Map::new();
    for (name, fields) in shapes() {
        let mut map = object(&fields);
        match name {
            "File" => {
                map.insert("required".to_owned(), json!(["template", "tests"]));
                root = map;
                continue;
            }
            "Test" => {
                map.insert("required".to_owned(), json!(["name", "expect"]));
            }
            "Expect" => {
                map.insert("minProperties".to_owned(), json!(1));
            }
            _ => {}
        }
        let shape = match name {
            "Metric" => json!({ "oneOf": [words(&["none"]), map] }),
            "Arm" => json!({ "oneOf": [
                values(),
                map,
                { "type": "array", "minItems": 1, "items": { "oneOf": [values(), map] } },
            ] }),
            _ => Value::Object(map),
        };
        definitions.insert(name.to_owned(), shape);
    }
    root.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    root.insert("$id".to_owned(), json!("urn:haldane:template-test.json"));
    root.insert("title".to_owned(), json!("Haldane template tests"));
    root.insert("definitions".to_owned(), Value::Object(definitions));
    Value::Object(root)
}

/// The reference's tables: name of the block, and Markdown.
pub fn tables() -> Vec<(String, String)> {
    let table = |(name, fields): (&'static str, Vec<Field>)| {
        let mut out = "| field | meaning |\n|---|---|\n".to_owned();
        for (field, _, meaning) in fields {
            let _ = writeln!(out, "| `{field}` | {meaning} |");
        }
        (name.to_lowercase(), out)
    };
    shapes().into_iter().map(table).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use crate::rehearse::{arms, expectations, read};
    use std::collections::BTreeSet;

    /// What is described is what the reader knows.
    #[test]
    fn the_fields_are_those_that_are_read() {
        let read: [&[&str]; 6] = [
            read::FILE_FIELDS,
            read::TEST_FIELDS,
            read::DEPLOY_FIELDS,
            arms::METRIC_FIELDS,
            arms::ARM_FIELDS,
            expectations::FIELDS,
        ];
        for ((name, fields), known) in shapes().into_iter().zip(read) {
            let described: BTreeSet<&str> = fields.iter().map(|(name, ..)| *name).collect();
            assert_eq!(described, known.iter().copied().collect(), "{name}");
            assert_eq!(described.len(), fields.len(), "{name}");
        }
    }
}
