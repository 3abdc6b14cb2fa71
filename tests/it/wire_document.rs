//! The documents others read: their words, their numbers, their bytes.

use crate::wire_samples::{START, broken_down, finding, id, judgement, plan, view};
use haldane::engine::verdict::Hold;
use haldane::engine::view::{Status, View};
use haldane::ids::DeliveryId;
use haldane::judge::judgement::{Judgement, Label};
use haldane::template::metric_judge::{MetricJudge, MetricMethod};
use haldane::template::{Method, Role};
use haldane::time::Span;
use haldane::wire::event::verdict_event;
use haldane::wire::problem::{FieldProblem, Problem};
use haldane::wire::verdict::{JudgeDocument, MESSAGE_METRICS_MAX, VerdictDocument};
use serde_json::{Value, json};
use utoipa::OpenApi;

fn json_of(document: &impl serde::Serialize) -> Value {
    serde_json::to_value(document).unwrap()
}

fn pending() -> View {
    View {
        status: Status::Looking,
        next_look_at: Some(START.plus(Span::from_s(720))),
        hold: Some(Hold::TrafficMismatch),
        conclusion: None,
        deliveries: Vec::new(),
        sentence: "undecided after 7 of 24 looks".to_owned(),
        source_fault: Some("connection refused".to_owned()),
        ..view(judgement())
    }
}

#[test]
fn the_short_verdict_is_what_controllers_ask_for() {
    let digest = |text: &str| haldane::digest::Digest::of(text.as_bytes()).to_string();
    let expected = json!({
        "schema": "haldane.verdict/1",
        "id": "a1",
        "verdict": "rollback",
        "final": true,
        "score": 40,
        "reason": "latency_p99 is 31 % higher, at least 18 %; allowed 10 %",
        "row": 2,
        "hold": null,
        "on_inconclusive": "hold",
        "status": "concluded",
        "service": "checkout",
        "deploy": {
            "id": "checkout-4711", "environment": "production", "revision": "v2",
            "traffic_share": 0.05
        },
        "template": {"name": "checkout", "digest": digest("template")},
        "plan_digest": digest("plan"),
        "look": 7,
        "looks_planned": 24,
        "started_at": "2026-03-01T12:00:00Z",
        "submitted_at": "2026-03-01T12:00:00Z",
        "deadline": "2026-03-01T12:24:00Z",
        "covered_to": "2026-03-01T12:11:00Z",
        "decided_at": "2026-03-01T12:11:01.234Z",
        "next_look_at": null,
        "author": null,
        "source_fault": null
    });
    assert_eq!(
        json_of(&VerdictDocument::from_view(&view(judgement()), false)),
        expected
    );
}

#[test]
fn a_pending_analysis_says_what_holds_it_and_when_it_looks_next() {
    let document = json_of(&VerdictDocument::from_view(&pending(), false));
    let expected = [
        ("verdict", json!("pending")),
        ("final", json!(false)),
        ("row", Value::Null),
        ("hold", json!("traffic_mismatch")),
        ("reason", json!("undecided after 7 of 24 looks")),
        ("status", json!("looking")),
        ("decided_at", Value::Null),
        ("next_look_at", json!("2026-03-01T12:12:00Z")),
        ("source_fault", json!("connection refused")),
    ];
    for (name, value) in expected {
        assert_eq!(document[name], value, "{name}");
    }
    let fresh = View {
        judgement: None,
        ..pending()
    };
    let document = json_of(&VerdictDocument::from_view(&fresh, true));
    assert_eq!(document["score"], Value::Null);
    assert_eq!(document.get("metrics"), None);
}

/// Where metrics have judges of their own, each says which it had; elsewhere nobody does.
#[test]
fn a_metric_says_which_judge_it_had() {
    let judges = |view: &View| -> Vec<Value> {
        let document = json_of(&VerdictDocument::from_view(view, true));
        let metrics = document["metrics"].as_array().unwrap().iter();
        metrics.map(|metric| metric["judge"].clone()).collect()
    };
    let mut view = view(judgement());
    assert!(judges(&view).iter().all(Value::is_null));
    let mut plan = (*view.plan).clone();
    plan.metrics[0].judge = Some(MetricJudge {
        method: Some(MetricMethod::MannWhitney),
        share: None,
        accept_no_harm: None,
    });
    plan.judge.method = Method::Sequential;
    view.plan = plan.into();
    let said = judges(&view);
    assert_eq!(said[0], "mann-whitney");
    assert!(
        said[1..].iter().all(|judge| judge == "sequential"),
        "{said:?}"
    );
}

#[test]
fn the_full_verdict_holds_the_evidence() {
    let document = json_of(&VerdictDocument::from_view(&view(judgement()), true));
    let metric = &document["metrics"][0];
    let expected = json!({
        "name": "latency_p99",
        "label": "worse",
        "role": "required",
        "group": "latency",
        "weight": 1.0,
        "harm": "increase",
        "limit": {"relative": 0.1},
        "unit": "s",
        "test": "mann-whitney normal",
        "baseline": {
            "n": 66, "n_eff": 19.25, "level": 0.212, "bad": null, "coverage": 1.0,
            "spark": [0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]
        },
        "canary": {
            "n": 65, "n_eff": 18.5, "level": 0.278, "bad": null,
            "coverage": 0.984_848_484_848_484_8, "spark": [0.25, 0.3, null]
        },
        "effect": {
            "absolute": {"value": 0.066, "low": 0.031, "high": null},
            "relative": {"value": 0.31, "low": 0.18, "high": null},
            "confidence": 0.99
        },
        "evidence": {"p_harm": 1.25e-7, "alpha": 0.002, "p_safe": 1.0, "beta": 0.1},
        "needs": {"what": "nothing"},
        "no_data": null,
        "both_degraded": "no",
        "notes": ["3 counter resets"],
        "queries": [{
            "part": "grid",
            "query": "avg by (track) (latency_p99{track=~\"stable|canary\"})"
        }]
    });
    assert_eq!(*metric, expected);
    let starved = &document["metrics"][1];
    assert_eq!(starved["no_data"], "canary has 3 events, needs 50");
    assert_eq!(starved["needs"], json!({"what": "data", "count": 47}));
    assert_eq!(starved["limit"], json!({"absolute": 0.005}));
    let rung = &document["objectives"][0]["rungs"][0];
    assert_eq!(
        rung["log_e"],
        Value::Null,
        "minus infinity is no JSON number"
    );
    assert_eq!(
        (&rung["state"], &rung["action"]),
        (&json!("not_proven"), &json!("rollback"))
    );
    assert_eq!(document["traffic"]["state"], "plausible");
    assert_eq!(document["suspect"], json!(["partial answer"]));
    assert_eq!(document["outcome"], "fail");
    assert_eq!(document["baseline"], "track=\"stable\"");
    assert_eq!(
        document["canary"],
        "pod=~\"checkout-\\\"v2\\\"-.*\\\\d\",track=\"canary\""
    );
    assert_eq!(document["deliveries"][0]["state"], "delivered");
    assert_eq!(document["deliveries"][0]["status"], 202);
}

#[test]
fn documents_are_read_back_by_clients() {
    let document = VerdictDocument::from_view(&view(judgement()), true);
    let mut json = json_of(&document);
    json["a_field_of_a_later_version"] = json!(1);
    assert_eq!(
        serde_json::from_value::<VerdictDocument>(json).unwrap(),
        document
    );
}

#[test]
fn the_one_shot_judge_shows_the_same_metrics() {
    let judgement = judgement();
    let plan = plan(&["latency_p99", "errors"]);
    let document = json_of(&JudgeDocument::new(
        &plan, &judgement, "rollback", 2, "worse",
    ));
    let full = json_of(&VerdictDocument::from_view(&view(judgement), true));
    for shared in [
        "metrics",
        "objectives",
        "traffic",
        "suspect",
        "score",
        "template",
        "outcome",
    ] {
        assert_eq!(document[shared], full[shared], "{shared}");
    }
    assert_eq!(document["schema"], "haldane.judgement/1");
    assert_eq!(
        (&document["verdict"], &document["row"]),
        (&json!("rollback"), &json!(2))
    );
    assert_eq!(document["reason"], "worse");
}

fn event(view: &View) -> Vec<u8> {
    let delivery = DeliveryId::new("a1-0").unwrap();
    verdict_event(
        view,
        &delivery,
        "https://haldane.example",
        START.plus(Span::from_s(662)),
    )
}

#[test]
fn a_message_is_a_cloud_event_with_the_verdict() {
    let view = view(judgement());
    let event: Value = serde_json::from_slice(&event(&view)).unwrap();
    let expected = [
        ("specversion", "1.0"),
        ("id", "a1-0"),
        ("source", "https://haldane.example"),
        ("type", "haldane.verdict.v1"),
        ("time", "2026-03-01T12:11:02Z"),
        ("subject", "a1"),
        ("datacontenttype", "application/json"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ];
    for (name, value) in expected {
        assert_eq!(event[name], value, "{name}");
    }
    let short = json_of(&VerdictDocument::from_view(&view, false));
    for (name, value) in short.as_object().unwrap() {
        assert_eq!(event["data"][name], *value, "{name}");
    }
    let metric = &event["data"]["metrics"][0];
    assert_eq!(metric["label"], "worse");
    for left_out in ["queries", "spark"] {
        assert_eq!(metric.get(left_out), None);
        assert_eq!(metric["canary"].get(left_out), None);
    }
    assert_eq!(event["data"].get("deliveries"), None);
}

#[test]
fn every_attempt_carries_the_same_bytes() {
    let first = event(&view(judgement()));
    let mut later = view(judgement());
    // What a later attempt may see differently is not in the message.
    later.deliveries[0].attempts = 5;
    assert_eq!(event(&later), first);
}

fn many(count: usize) -> Judgement {
    let findings = (0..count).map(|i| {
        let label = if i == count - 1 {
            Label::Worse
        } else {
            Label::Within
        };
        let mut finding = finding(&format!("checkout_latency_seconds_p99_{i:03}"), label);
        finding.notes = vec!["12 counter resets, 3 series of unknown origin".to_owned(); 9];
        finding
    });
    Judgement {
        findings: findings.collect(),
        ..judgement()
    }
}

#[test]
fn a_message_stays_under_twenty_kilobytes() {
    // Standard Webhooks recommends bodies under about 20 kB.
    for count in [MESSAGE_METRICS_MAX, 200] {
        let bytes = event(&view(many(count)));
        assert!(
            bytes.len() < 20_000,
            "{count} metrics are {} bytes",
            bytes.len()
        );
    }
}

#[test]
fn a_message_names_some_of_the_values_that_are_worse() {
    let grouped = Judgement {
        findings: (0..30)
            .map(|i| broken_down(&format!("errors_{i:02}")))
            .collect(),
        ..judgement()
    };
    let bytes = event(&view(grouped.clone()));
    assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
    let event: Value = serde_json::from_slice(&bytes).unwrap();
    let metrics = event["data"]["metrics"].as_array().unwrap();
    let said: Vec<&Value> = metrics
        .iter()
        .filter(|m| m["breakdown"].is_object())
        .collect();
    assert_eq!(said.len(), 3, "three values in all");
    let values = &said[0]["breakdown"]["values"];
    assert_eq!(values.as_array().unwrap().len(), 1);
    assert_eq!(values[0]["value"], "/pay\u{e9}");
    assert_eq!(values[0]["label"], "worse");
    let full = json_of(&VerdictDocument::from_view(&view(grouped), true));
    let all = &full["metrics"][29]["breakdown"];
    assert_eq!(all["values"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&all["by"], &all["whole"]),
        (&"route".into(), &"within".into())
    );
    assert_eq!(all["values"][2]["no_data"], "canary has 3 of 50 events");
    assert_eq!((&all["left_out"], &all["max"]), (&7.into(), &3.into()));
}

#[test]
fn a_message_with_too_many_metrics_keeps_the_worst() {
    let mut judgement = many(30);
    judgement.findings[3].role = Role::Info;
    let event: Value = serde_json::from_slice(&event(&view(judgement))).unwrap();
    let metrics = event["data"]["metrics"].as_array().unwrap();
    let names: Vec<&str> = metrics
        .iter()
        .map(|m| m["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), MESSAGE_METRICS_MAX);
    assert_eq!(event["data"]["metrics_left_out"], 10);
    assert_eq!(*names.last().unwrap(), "checkout_latency_seconds_p99_029");
    assert!(!names.contains(&"checkout_latency_seconds_p99_003"));
    assert!(names.is_sorted());
}

#[test]
fn a_problem_names_the_field_and_the_way_out() {
    let problem = Problem::new(
        422,
        "invalid_submission",
        "The submission is not valid",
        "1 fault",
    )
    .with_errors(vec![FieldProblem::new("deploy.service", "it is missing")]);
    let expected = json!({
        "type": "urn:haldane:problem:invalid_submission",
        "title": "The submission is not valid",
        "status": 422,
        "detail": "1 fault",
        "code": "invalid_submission",
        "errors": [{"field": "deploy.service", "message": "it is missing"}]
    });
    assert_eq!(
        serde_json::from_slice::<Value>(&problem.to_bytes()).unwrap(),
        expected
    );
}

#[test]
fn every_document_has_a_schema() {
    #[derive(OpenApi)]
    #[openapi(components(schemas(
        VerdictDocument,
        JudgeDocument,
        Problem,
        haldane::wire::event::VerdictEvent,
        haldane::wire::submission::SubmissionDocument
    )))]
    struct Api;
    let schemas = json_of(&Api::openapi())["components"]["schemas"].clone();
    let short = json_of(&VerdictDocument::from_view(&view(judgement()), true));
    let properties = &schemas["VerdictDocument"]["properties"];
    for name in short.as_object().unwrap().keys() {
        assert!(
            properties.get(name).is_some(),
            "{name} is not in the schema"
        );
    }
    let choices = schemas["ScopeInput"]["oneOf"].as_array().unwrap();
    let types: Vec<&Value> = choices.iter().map(|choice| &choice["type"]).collect();
    assert_eq!(types, [&json!("object"), &json!("string")]);
    assert_eq!(id("a1").as_str(), short["id"]);
}
