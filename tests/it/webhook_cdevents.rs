//! CDEvents: every message is read by the CDEvents project's own library, whose types are
//! generated from the published schemas and refuse what they do not know; and the attributes of the
//! CloudEvent around it agree.

use crate::wire_samples::{broken_down, conclusion, judgement, view};
use cdevents_sdk::CDEvent;
use haldane::engine::record::Conclusion;
use haldane::engine::subscription::Moment;
use haldane::engine::verdict::Verdict;
use haldane::engine::view::View;
use haldane::ids::DeliveryId;
use haldane::time::{Span, Timestamp};
use haldane::wire::cdevents::{Told, approval, suite, suite_and_cases};
use serde_json::Value;

fn told(
    make: fn(&Told<'_>) -> Vec<u8>,
    moment: Moment,
    (view, born): (&View, Timestamp),
    source: &str,
) -> Value {
    let delivery = DeliveryId::new("msg_0f").unwrap();
    let told = Told {
        moment,
        view,
        delivery: &delivery,
        source,
        born,
    };
    serde_json::from_slice(&make(&told)).unwrap()
}

/// Reads the event with their library and compares what is said twice.
fn check(event: &Value) -> CDEvent {
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["datacontenttype"], "application/json");
    let data = &event["data"];
    for (outer, inner) in [
        ("/id", "/context/id"),
        ("/source", "/context/source"),
        ("/type", "/context/type"),
        ("/time", "/context/timestamp"),
        ("/subject", "/subject/id"),
    ] {
        assert_eq!(event.pointer(outer), data.pointer(inner), "{outer}");
        assert!(
            event.pointer(outer).is_some_and(Value::is_string),
            "{outer}"
        );
    }
    let read: CDEvent =
        serde_json::from_value(data.clone()).unwrap_or_else(|why| panic!("{why}: {data:#}"));
    let back = serde_json::to_value(&read).unwrap();
    assert_eq!(back["subject"], data["subject"], "nothing is dropped");
    read
}

fn pending(view: &View) -> View {
    View {
        conclusion: None,
        ..view.clone()
    }
}

fn decided(verdict: Verdict, sentence: &str, author: Option<&str>) -> View {
    let conclusion = Conclusion {
        verdict,
        sentence: sentence.to_owned(),
        author: author.map(str::to_owned),
        ..conclusion()
    };
    View {
        conclusion: Some(conclusion),
        ..view(judgement())
    }
}

#[test]
fn an_analysis_is_a_test_suite_run() {
    let view = view(judgement());
    let start = view.plan.timing.start;
    let early = start.minus(Span::from_s(60));
    for (moment, born, kind) in [
        (
            Moment::Started,
            early,
            "dev.cdevents.testsuiterun.queued.0.3.0",
        ),
        (
            Moment::Started,
            start,
            "dev.cdevents.testsuiterun.started.0.3.0",
        ),
        (
            Moment::Verdict,
            start,
            "dev.cdevents.testsuiterun.finished.0.3.0",
        ),
    ] {
        let view = if moment == Moment::Started {
            pending(&view)
        } else {
            view.clone()
        };
        let event = told(suite, moment, (&view, born), "https://haldane.example/");
        let read = check(&event);
        assert_eq!(read.ty(), kind);
        assert_eq!(read.version(), "0.5.0");
        assert_eq!(read.subject().id().to_string(), "a1");
        assert_eq!(event["data"]["customData"]["schema"], "haldane.verdict/1");
    }
}

#[test]
fn doubt_is_neither_a_passed_nor_a_failed_test() {
    for (verdict, sentence, author, outcome, decision) in [
        (
            Verdict::Promote,
            "all within",
            None,
            "success",
            ("approved", "approved", "urn:haldane:judge"),
        ),
        (
            Verdict::Rollback,
            "worse",
            None,
            "failure",
            ("rejected", "rejected", "urn:haldane:judge"),
        ),
        (
            Verdict::Inconclusive,
            "too little",
            None,
            "error",
            ("expired", "deferred", "urn:haldane:judge"),
        ),
        (
            Verdict::Inconclusive,
            "cancelled by ada: no",
            Some("ada l"),
            "cancel",
            ("cancelled", "deferred", "urn:haldane:person:ada%20l"),
        ),
        (
            Verdict::Promote,
            "overridden by ada: yes",
            Some("ada l"),
            "success",
            ("approved", "approved", "urn:haldane:person:ada%20l"),
        ),
    ] {
        let view = decided(verdict, sentence, author);
        let at = (&view, view.plan.timing.start);
        let event = told(suite, Moment::Verdict, at, "haldane");
        check(&event);
        let content = &event["data"]["subject"]["content"];
        assert_eq!(
            (&content["outcome"], &content["reason"]),
            (&outcome.into(), &sentence.into())
        );
        let event = told(approval, Moment::Verdict, at, "haldane");
        let read = check(&event);
        assert_eq!(read.ty(), "dev.cdevents.approval.closed.0.1.0");
        assert_eq!(read.version(), "0.6.0-draft");
        let content = &event["data"]["subject"]["content"];
        let said = ["status", "decision", "responder"].map(|key| content[key].as_str().unwrap());
        assert_eq!(said, [decision.0, decision.1, decision.2]);
        assert_eq!(content["approvalDetailsUrl"], "/v1/analyses/a1");
    }
}

#[test]
fn each_metric_is_a_test_case_run_of_a_batch() {
    let mut judgement = judgement();
    judgement.findings.push(broken_down("requests"));
    let view = view(judgement);
    let batch = told(
        suite_and_cases,
        Moment::Verdict,
        (&view, view.plan.timing.start),
        "haldane",
    );
    let events = batch.as_array().unwrap();
    let mut ids: Vec<_> = events
        .iter()
        .map(|event| check(event).id().to_string())
        .collect();
    assert_eq!(events.len(), 4);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each event has an id of its own");
    let outcomes: Vec<_> = events[1..]
        .iter()
        .map(|event| {
            let content = &event["data"]["subject"]["content"];
            assert_eq!(content["testSuiteRun"]["id"], "a1");
            let words = ["/testCase/id", "/outcome"];
            words.map(|path| content.pointer(path).unwrap().as_str().unwrap())
        })
        .collect();
    assert_eq!(
        outcomes[..2],
        [["latency_p99", "failure"], ["errors", "error"]]
    );
    let started = told(
        suite_and_cases,
        Moment::Started,
        (&view, Timestamp::from_s(0)),
        "haldane",
    );
    assert_eq!(started.as_array().unwrap().len(), 1);
}

#[test]
fn an_approval_is_created_waits_and_is_closed() {
    let view = pending(&view(judgement()));
    let at = (&view, view.plan.timing.start);
    for (moment, kind) in [
        (Moment::Started, "dev.cdevents.approval.created.0.1.0"),
        (Moment::Hold, "dev.cdevents.approval.updated.0.1.0"),
    ] {
        let event = told(approval, moment, at, "https://haldane.example/");
        assert_eq!(check(&event).ty(), kind);
        let content = &event["data"]["subject"]["content"];
        assert_eq!(
            content["approvalDetailsUrl"],
            "https://haldane.example/v1/analyses/a1"
        );
    }
}

#[test]
fn what_has_no_word_there_is_a_custom_event() {
    let view = view(judgement());
    let at = (&view, view.plan.timing.start);
    for make in [suite, approval] {
        for (moment, kind) in [
            (
                Moment::Recovered,
                "dev.cdeventsx.haldane-analysis.recovered.0.1.0",
            ),
            (
                Moment::RollbackIneffective,
                "dev.cdeventsx.haldane-analysis.rollbackineffective.0.1.0",
            ),
        ] {
            assert_eq!(check(&told(make, moment, at, "haldane")).ty(), kind);
        }
    }
}
