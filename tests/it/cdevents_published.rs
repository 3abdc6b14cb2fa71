//! Every CDEvent that is sent, against what the specification publishes: fields that must be there,
//! fields there may be and no others, words, formats. The table below states that of the releases
//! 0.5.0 (test runs, custom events) and 0.6.0-draft (approvals), as a JSON Schema of our own.
//!
//! `scripts/cdevents-schemas DIR` runs the same over the published files in a checkout of
//! `cdevents/spec`.

use crate::wire_samples::{broken_down, conclusion, judgement, view};
use haldane::engine::record::Conclusion;
use haldane::engine::subscription::Moment;
use haldane::engine::verdict::Verdict;
use haldane::engine::view::View;
use haldane::ids::DeliveryId;
use haldane::time::{Span, Timestamp};
use haldane::wire::cdevents::{Told, approval, suite, suite_and_cases};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A checkout of the specification to hold the events against as well.
const CHECKOUT: &str = "HALDANE_CDEVENTS_SPEC";

/// An object with these fields and no others.
fn object(required: &[&str], fields: &Value) -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "required": required, "properties": fields,
    })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn some_text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

fn uri() -> Value {
    json!({ "type": "string", "format": "uri" })
}

fn reference() -> Value {
    json!({ "type": "string", "minLength": 1, "format": "uri-reference" })
}

fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// An event of this type, or of a type of this pattern, with this content.
fn event(kind: &Value, spec: &str, content: &Value) -> Value {
    let context = json!({
        "specversion": { "const": spec }, "id": some_text(), "source": reference(), "type": kind,
        "timestamp": { "type": "string", "format": "date-time" },
        "schemaUri": uri(), "chainId": some_text(),
    });
    let needs = ["specversion", "id", "source", "type", "timestamp"];
    let subject = json!({ "id": some_text(), "source": reference(), "content": content });
    let whole = json!({
        "context": object(&needs, &context),
        "subject": object(&["id", "content"], &subject),
        "customData": { "type": "object" }, // or base64, which is never sent
        "customDataContentType": text(),
    });
    object(&["context", "subject"], &whole)
}

/// What the specification says of each event that is sent, by type.
fn published() -> BTreeMap<&'static str, Value> {
    let environment = || {
        object(
            &["id"],
            &json!({ "id": some_text(), "source": reference() }),
        )
    };
    let named = |more: &[(&str, Value)]| {
        let mut fields = json!({
            "id": some_text(), "version": text(), "name": text(), "uri": uri(),
        });
        for (name, value) in more {
            fields[name] = value.clone();
        }
        object(&["id"], &fields)
    };
    let outcome = || word(&["success", "failure", "cancel", "error"]);
    let severity = || word(&["low", "medium", "high", "critical"]);
    let triggers = ["manual", "pipeline", "event", "schedule", "other"];
    let cases = [
        "performance",
        "functional",
        "unit",
        "security",
        "compliance",
        "integration",
        "e2e",
        "other",
    ];
    let begun = object(
        &["environment"],
        &json!({
            "environment": environment(), "testSuite": named(&[]),
            "trigger": { "type": "object", "properties": { "type": word(&triggers), "uri": uri() } },
        }),
    );
    let finished = object(
        &["outcome", "environment"],
        &json!({
            "environment": environment(), "testSuite": named(&[]),
            "outcome": outcome(), "severity": severity(), "reason": text(),
        }),
    );
    let case = object(
        &["outcome", "environment"],
        &json!({
            "environment": environment(), "testCase": named(&[("type", word(&cases))]),
            "testSuiteRun": object(&["id"], &json!({ "id": some_text(), "source": text() })),
            "outcome": outcome(), "severity": severity(), "reason": text(),
        }),
    );
    let about = |more: &[(&str, Value)]| {
        let mut fields = json!({
            "approvalDetailsUrl": some_text(), "resourceTargetUrl": some_text(),
        });
        for (name, value) in more {
            fields[name] = value.clone();
        }
        // Whatever an approval has it must have.
        let names: Vec<String> = fields.as_object().unwrap().keys().cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        object(&names, &fields)
    };
    let closed = word(&["approved", "rejected", "cancelled", "expired"]);
    let decided = [("responder", uri()), ("decision", text())];
    let ended = [&decided[..], &[("status", closed)]].concat();
    let (spec, draft) = ("0.5.0", "0.6.0-draft");
    let lines = [
        (
            "dev.cdevents.testsuiterun.queued.0.3.0",
            spec,
            begun.clone(),
        ),
        ("dev.cdevents.testsuiterun.started.0.3.0", spec, begun),
        ("dev.cdevents.testsuiterun.finished.0.3.0", spec, finished),
        ("dev.cdevents.testcaserun.finished.0.3.0", spec, case),
        (
            "dev.cdevents.approval.created.0.1.0",
            draft,
            about(&[("requestor", uri())]),
        ),
        (
            "dev.cdevents.approval.updated.0.1.0",
            draft,
            about(&decided),
        ),
        ("dev.cdevents.approval.closed.0.1.0", draft, about(&ended)),
    ];
    let lines = lines.into_iter();
    let mut all: BTreeMap<_, _> = lines
        .map(|(kind, spec, content)| (kind, event(&json!({ "const": kind }), spec, &content)))
        .collect();
    // A custom event: tool and subject with a hyphen between, a predicate of letters, a version.
    let pattern = r"^dev\.cdeventsx\.[a-zA-Z0-9]+-[a-zA-Z]+\.[a-zA-Z]+\.[0-9]\.[0-9]\.[0-9]$";
    let kind = json!({ "type": "string", "pattern": pattern });
    all.insert(CUSTOM, event(&kind, spec, &json!({ "type": "object" })));
    all
}

/// What stands for every custom type.
const CUSTOM: &str = "dev.cdeventsx.";

fn line_of(kind: &str) -> &str {
    if kind.starts_with(CUSTOM) {
        CUSTOM
    } else {
        kind
    }
}

fn decided(verdict: Verdict, sentence: &str, author: Option<&str>) -> View {
    let mut judgement = judgement();
    judgement.findings.push(broken_down("requests"));
    let conclusion = Conclusion {
        verdict,
        sentence: sentence.to_owned(),
        author: author.map(str::to_owned),
        ..conclusion()
    };
    View {
        conclusion: Some(conclusion),
        ..view(judgement)
    }
}

/// Every event of every form, moment and verdict.
fn all_events() -> Vec<Value> {
    let mut views = vec![View {
        conclusion: None,
        ..view(judgement())
    }];
    for (verdict, sentence, author) in [
        (Verdict::Promote, "all within", None),
        (Verdict::Rollback, "latency is worse", None),
        (Verdict::Inconclusive, "too little", None),
        (
            Verdict::Inconclusive,
            "cancelled by ada: no",
            Some("ada l. <a@b>"),
        ),
        (
            Verdict::Promote,
            "overridden to promote by ada",
            Some("ada é"),
        ),
    ] {
        views.push(decided(verdict, sentence, author));
    }
    // With everything a rollout may say, and with as little.
    let mut bare = views[2].clone();
    let mut plan = (*bare.plan).clone();
    plan.rollout.deploy.environment = None;
    plan.rollout.deploy.artifact_digest = None;
    plan.rollout.deploy.revision = None;
    plan.rollout.deploy.commit = None;
    plan.rollout.deploy.actor = Some("someone @home".to_owned());
    bare.plan = plan.into();
    views.push(bare);
    let delivery = DeliveryId::new("msg_0f").unwrap();
    let mut out = Vec::new();
    for view in &views {
        let start = view.plan.timing.start;
        for born in [start, start.minus(Span::from_s(60)), Timestamp::from_ms(1)] {
            for moment in Moment::ALL {
                for source in ["haldane", "https://haldane.example/"] {
                    let told = Told {
                        moment,
                        view,
                        delivery: &delivery,
                        source,
                        born,
                    };
                    for bytes in [suite(&told), suite_and_cases(&told), approval(&told)] {
                        match serde_json::from_slice(&bytes).unwrap() {
                            Value::Array(batch) => out.extend(batch),
                            one => out.push(one),
                        }
                    }
                }
            }
        }
    }
    out
}

/// Holds every event against its line; gives the lines that were seen.
fn check(schemas: &BTreeMap<&str, Value>) -> BTreeSet<String> {
    let made = schemas.iter().map(|(kind, schema)| {
        let options = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true);
        (*kind, options.build(schema).unwrap())
    });
    let made: BTreeMap<_, _> = made.collect();
    let mut seen = BTreeSet::new();
    for event in all_events() {
        let data = &event["data"];
        let kind = data["context"]["type"].as_str().unwrap();
        seen.insert(line_of(kind).to_owned());
        let Some(schema) = made.get(line_of(kind)) else {
            continue; // the callers compare what was seen
        };
        let wrong: Vec<String> = schema
            .iter_errors(data)
            .map(|why| format!("{} {why}", why.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{kind}: {wrong:#?}\n{data:#}");
    }
    seen
}

#[test]
fn every_event_is_what_the_specification_publishes() {
    let table = published();
    let seen = check(&table);
    let lines: BTreeSet<String> = table.keys().map(ToString::to_string).collect();
    assert_eq!(seen, lines, "every line is seen");
    if let Some(dir) = std::env::var_os(CHECKOUT) {
        let files = files(Path::new(&dir));
        assert!(
            !files.is_empty(),
            "no published schema in {}",
            dir.display()
        );
        let kinds: BTreeSet<String> = files.keys().map(ToString::to_string).collect();
        assert!(check(&files).is_superset(&kinds));
        println!("checked against the published files of {kinds:#?}");
    }
}

/// The table finds what is wrong: it is not empty words.
#[test]
fn the_table_refuses_what_the_specification_does_not_have() {
    let table = published();
    let valid = |event: &Value| {
        let kind = event["context"]["type"].as_str().unwrap_or_default();
        let schema = table.get(line_of(kind));
        schema.is_some_and(|schema| jsonschema::options().build(schema).unwrap().is_valid(event))
    };
    let mut seen = BTreeSet::new();
    for event in all_events() {
        let data = &event["data"];
        assert!(valid(data));
        if !seen.insert(data["context"]["type"].to_string()) {
            continue;
        }
        for (place, value) in [
            ("/context/specversion", json!("9.9.9")),
            ("/context/id", json!("")),
            ("/context/more", json!(1)),
            ("/subject/id", json!("")),
            ("/subject/type", json!("testSuiteRun")),
            ("/subject/content", json!(1)),
            ("/subject/content/outcome", json!("pass")),
            ("/subject/content/decision", json!(1)),
            ("/subject/content/environment", json!({})),
        ] {
            let mut changed = data.clone();
            let (parent, name) = place.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[name] = value;
            // Custom events have a content of their own.
            let own = data["context"]["type"]
                .as_str()
                .unwrap()
                .starts_with(CUSTOM)
                && parent.ends_with("content");
            assert!(own || !valid(&changed), "{place}: {changed:#}");
        }
    }
}

/// The published files for the events that are sent, as far as the checkout's release has them.
fn files(root: &Path) -> BTreeMap<&'static str, Value> {
    let mut found = BTreeMap::new();
    for kind in published().into_keys() {
        let path = if kind == CUSTOM {
            root.join("custom/schema.json")
        } else {
            let parts: Vec<&str> = kind.split('.').collect();
            root.join(format!("schemas/{}{}.json", parts[2], parts[3]))
        };
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("{} is not there", path.display());
            continue;
        };
        let mut schema: Value = serde_json::from_str(&text).unwrap();
        // Links lead to further files, and no event of ours has any.
        let context = &mut schema["properties"]["context"];
        if let Some(fields) = context["properties"].as_object_mut() {
            fields.remove("links");
        }
        // Release 0.5.0 has files that require `version` of a context that must not have it, so
        // that no event fits them. Their text, and their other files, say `specversion`.
        let forbidden = context["properties"].get("version").is_none();
        for name in context["required"].as_array_mut().into_iter().flatten() {
            if forbidden && name == "version" {
                *name = json!("specversion");
            }
        }
        let its = context.pointer("/properties/type/enum/0").cloned();
        if its.is_some_and(|its| its != kind) {
            println!("{} is of another release", path.display());
            continue;
        }
        found.insert(kind, schema);
    }
    found
}
