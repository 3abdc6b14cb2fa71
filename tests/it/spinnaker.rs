//! Spinnaker's monitor and webhook stage where vectors do not reach: every step on its own, what
//! is asked twice, what cannot be answered, and the end of a deploy.

use crate::http_fixture::{Asked, Door, Mood, Reply, Setup, open};
use haldane::engine::verdict::Verdict;
use haldane::http::{Binding, Code};
use haldane::wire::submission::{DeployInput, ScopeInput, SubmissionDocument};
use serde_json::{Value, json};

/// A binding of the door's own template.
pub(crate) fn binding(name: &str) -> Binding {
    let text = |text: &str| Some(ScopeInput::Text(text.to_owned()));
    Binding {
        name: name.to_owned(),
        submission: SubmissionDocument {
            template: Some("checkout".to_owned()),
            inputs: [("service".to_owned(), "{{name}}".to_owned())].into(),
            baseline: text(r#"pod=~"{{name}}-primary-.*""#),
            canary: text(r#"pod=~"{{name}}-[0-9a-f]+-.*""#),
            deploy: DeployInput {
                service: "{{name}}".to_owned(),
                ..DeployInput::default()
            },
            ..SubmissionDocument::default()
        },
    }
}

pub(crate) async fn door(mood: Mood) -> Door {
    open(Setup {
        mood,
        bindings: vec![binding("shop")],
        ..Setup::default()
    })
    .await
}

/// The analyses that the driver was asked to stop, with who and why.
pub(crate) fn cancelled(door: &Door) -> Vec<(String, String, String)> {
    let asked = door.asked.lock().unwrap();
    let cancels = asked.iter().filter_map(|asked| match asked {
        Asked::Cancel(id, author, reason) => Some((id.to_string(), author.clone(), reason.clone())),
        _ => None,
    });
    cancels.collect()
}

/// What Orca sends at a step.
fn step(stage: &str) -> Value {
    json!({
        "application": "shop", "executionId": "01JD1", "stageId": stage, "deploymentId": "01JD2",
        "oldServerGroup": "shop-v001", "newServerGroup": "shop-v002", "account": "prod",
        "region": "eu-west-1", "cloudProvider": "kubernetes", "currentProgress": 10,
        "newInstances": [],
    })
}

async fn ask(door: &Door, call: &str, body: &Value) -> Reply {
    let path = format!("/spinnaker/shop/deployment/{call}");
    door.post(&path, &body.to_string()).await
}

/// Checks the directive; gives the analysis.
fn says(reply: &Reply, directive: &str) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    let document = reply.json();
    assert_eq!(document["nextStep"]["directive"], directive, "{reply:?}");
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    // Orca refuses fields it does not know in here.
    assert_eq!(keys(&document["nextStep"]), ["directive"]);
    assert_eq!(
        keys(&document["statusReason"]),
        ["additionalData", "logSummary", "message"]
    );
    let analysis = &document["statusReason"]["additionalData"][0];
    if !analysis.is_null() {
        assert_eq!(keys(analysis), ["key", "link", "text"]);
        let link = analysis["link"].as_str().unwrap();
        assert!(link.starts_with("http://localhost/v1/analyses/"), "{link}");
    }
    analysis["text"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_step_has_evidence_of_its_own() {
    let door = door(Mood::Willing).await;
    let first = says(&ask(&door, "evaluateHealth", &step("s1")).await, "wait");
    assert_eq!(
        says(&ask(&door, "evaluateHealth", &step("s1")).await, "wait"),
        first
    );
    door.conclude(&first, Verdict::Promote);
    // What changes between two questions about the same step is not what is analysed.
    let mut later = step("s1");
    later["currentProgress"] = json!(25);
    later["newInstances"] = json!(["i-1", "i-2"]);
    assert_eq!(
        says(&ask(&door, "evaluateHealth", &later).await, "continue"),
        first
    );
    let second = says(&ask(&door, "evaluateHealth", &step("s2")).await, "wait");
    assert_ne!(first, second);
    door.conclude(&second, Verdict::Rollback);
    says(&ask(&door, "evaluateHealth", &step("s2")).await, "abort");
    // Another execution, deploy, region or application is another rollout.
    for (field, value) in [
        ("executionId", "01JD9"),
        ("deploymentId", "01JD9"),
        ("region", "us-east-1"),
        ("application", "shop2"),
    ] {
        let mut other = step("s2");
        other[field] = json!(value);
        says(&ask(&door, "evaluateHealth", &other).await, "wait");
    }
}

/// Without an id all steps would share one analysis, and the promote of the first be that of all.
#[tokio::test]
async fn a_step_without_an_id_is_none() {
    let door = door(Mood::Willing).await;
    let long = json!("s".repeat(254));
    for (field, value) in [
        ("stageId", Value::Null),
        ("stageId", json!("")),
        ("stageId", long.clone()),
        ("executionId", json!("")),
        ("deploymentId", long.clone()),
        ("region", long),
    ] {
        let mut body = step("s1");
        body[field] = value;
        let reply = ask(&door, "evaluateHealth", &body).await;
        assert_eq!(reply.status, 422, "{field}: {reply:?}");
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(field), "{detail}");
        assert!(detail.contains("to 253 bytes"), "{detail}");
        says(&ask(&door, "starting", &body).await, "abort");
    }
    assert!(door.asked.lock().unwrap().is_empty());
    // The end of a deploy is no step.
    let id = says(&ask(&door, "evaluateHealth", &step("s1")).await, "wait");
    let other = says(&ask(&door, "evaluateHealth", &step("s2")).await, "wait");
    let mut elsewhere = step("s3");
    elsewhere["region"] = json!("us-east-1");
    says(&ask(&door, "evaluateHealth", &elsewhere).await, "wait");
    let mut end = step("s1");
    end["stageId"] = Value::Null;
    end["status"] = json!("x".repeat(1000));
    says(&ask(&door, "completed", &end).await, "continue");
    let ended = cancelled(&door);
    assert_eq!(ended.len(), 1);
    assert_ne!(id, ended[0].0);
    assert_eq!(other, ended[0].0, "the newest step of this deploy");
    assert!(ended[0].2.len() < 300, "{ended:?}");
}

#[tokio::test]
async fn what_cannot_be_answered_is_asked_again() {
    for (mood, status, code) in [
        (Mood::StoreDown, 503, "store_unavailable"),
        (Mood::Full, 429, "too_many_analyses"),
    ] {
        let door = door(mood).await;
        let reply = ask(&door, "evaluateHealth", &step("s1")).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.json()["code"], code);
        assert!(!reply.header("retry-after").is_empty());
        // The webhook stage tries these again each 10 s (SP-3).
        let submitted = door
            .post("/v1/analyses", &crate::http_fixture::submission(""))
            .await;
        assert_eq!(submitted.status, status, "{submitted:?}");
    }
    // A server group whose name could reach beyond its hole is refused, and begins nothing.
    let door = open(Setup {
        bindings: vec![Binding {
            submission: SubmissionDocument {
                canary: Some(ScopeInput::Text(r#"group="{{newServerGroup}}""#.to_owned())),
                ..binding("shop").submission
            },
            name: "shop".to_owned(),
        }],
        ..Setup::default()
    })
    .await;
    let mut bad = step("s1");
    bad["newServerGroup"] = json!("x\",pod=~\".*");
    let reply = ask(&door, "evaluateHealth", &bad).await;
    assert_eq!(reply.status, 422, "{reply:?}");
    assert_eq!(reply.json()["code"], Code::InvalidSubmission.word());
    says(&ask(&door, "starting", &bad).await, "abort");
    assert!(door.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_start_begins_nothing_and_the_end_stops_what_is_under_way() {
    let door = door(Mood::Willing).await;
    says(&ask(&door, "starting", &step("s0")).await, "continue");
    assert!(door.asked.lock().unwrap().is_empty());
    let id = says(&ask(&door, "evaluateHealth", &step("s1")).await, "wait");
    let mut end = step("s9");
    end["status"] = json!("failure");
    end["rollback"] = json!("success");
    says(&ask(&door, "completed", &end).await, "continue");
    let stop = "spinnaker completed the deploy: failure";
    assert_eq!(
        cancelled(&door),
        [(id.clone(), "spinnaker".to_owned(), stop.to_owned())]
    );
    let outcomes = door.get("/v1/outcomes").await.json();
    let outcome = &outcomes["outcomes"][0];
    assert_eq!(outcome["caller"], "spinnaker");
    assert_eq!(
        (&outcome["said"], &outcome["analysis"]),
        (&json!("failure"), &json!(id))
    );
    assert_eq!(outcome["metadata"]["rollback"], "success");
}

#[tokio::test]
async fn a_webhook_stage_cancels_by_its_own_name() {
    let door = door(Mood::Willing).await;
    let submit = crate::http_fixture::deploy("01JD1");
    let reply = door.post("/v1/analyses", &submit).await;
    let document = reply.json();
    let id = document["id"].as_str().unwrap();
    assert_eq!(
        document["links"]["poll"],
        format!("http://localhost/v1/analyses/{id}/verdict")
    );
    let cancel = r#"{"deploy":"01JD1"}"#;
    let reply = door.post("/spinnaker/cancel", cancel).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["verdict"], "inconclusive");
    // Orca calls it again after a failed stage; nothing more happens.
    assert_eq!(door.post("/spinnaker/cancel", cancel).await.status, 200);
    assert_eq!(cancelled(&door).len(), 1);
    for (body, status) in [
        (r#"{"deploy":"01JD2"}"#, 404),
        (r#"{"deploy":"a b"}"#, 404),
        ("{}", 422),
        (r#"{"deploy":"01JD1","force":true}"#, 422),
    ] {
        assert_eq!(
            door.post("/spinnaker/cancel", body).await.status,
            status,
            "{body}"
        );
    }
}
