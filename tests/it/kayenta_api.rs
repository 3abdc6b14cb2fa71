//! Kayenta's API: what is kept, and what becomes of a request.

use crate::http_fixture::{Asked, Door, Reply, Setup, TEMPLATE, open};
use haldane::engine::verdict::Verdict;
use haldane::plan::{Plan, Queries};
use haldane::template::Method;
use haldane::time::{Span, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// A config as Spinnaker's editor writes it.
pub(crate) fn config() -> Value {
    json!({
        "name": "golden",
        "description": "of the shop",
        "configVersion": 1.0,
        "applications": ["checkout"],
        "judge": { "name": "NetflixACAJudge-v1.0", "judgeConfigurations": {} },
        "metrics": [
            {
                "name": "latency p99",
                "scopeName": "default",
                "groups": ["Latency & co"],
                "query": { "type": "prometheus", "serviceType": "prometheus",
                    "customInlineTemplate":
                        "PromQL:avg(latency{version=\"${scope}\",region=\"${location}\"})" },
                "analysisConfigurations": { "canary": { "direction": "increase",
                    "critical": true } },
            },
            {
                "name": "errors",
                "scopeName": "default",
                "groups": ["Errors"],
                "query": { "type": "prometheus", "customFilterTemplate": "by-version",
                    "metricName": "error_ratio" },
                "analysisConfigurations": { "canary": { "direction": "increase" } },
            },
        ],
        "templates": { "by-version": "version=\"${scope}\",zone=\"${zone:-a}\"" },
        "classifier": { "groupWeights": { "Latency & co": 60, "Errors": 40 } },
    })
}

/// A request over a window, as Argo Rollouts sends it.
pub(crate) fn request(from: &str, to: &str) -> Value {
    let side = |scope: &str| json!({ "scope": scope, "location": "eu", "step": 60, "start": from, "end": to });
    json!({
        "scopes": { "default": { "controlScope": side("v1"), "experimentScope": side("v2") } },
        "thresholds": { "pass": 90, "marginal": 75 },
    })
}

pub(crate) fn hour() -> Value {
    request("2026-01-02T02:00:00Z", "2026-01-02T02:30:00Z")
}

pub(crate) async fn post(door: &Door, path: &str, body: &Value) -> Reply {
    let reply = door.post(path, &body.to_string()).await;
    assert_eq!(
        reply.header("content-type"),
        "application/json",
        "{reply:?}"
    );
    reply
}

pub(crate) async fn kept(door: &Door, config: &Value) -> String {
    let reply = post(door, "/kayenta/canaryConfig", config).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["canaryConfigId"].as_str().unwrap().to_owned()
}

pub(crate) async fn started(door: &Door, path: &str, body: &Value) -> String {
    let reply = post(door, path, body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["canaryExecutionId"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The plans that were submitted.
pub(crate) fn plans(door: &Door) -> Vec<Arc<Plan>> {
    let asked = door.asked.lock().unwrap();
    let plans = asked.iter().filter_map(|asked| match asked {
        Asked::Submit(submission) => Some(submission.plan.clone()),
        _ => None,
    });
    plans.collect()
}

pub(crate) fn refused(reply: &Reply, status: u16, parts: &[&str]) {
    assert_eq!(reply.status, status, "{reply:?}");
    let json = reply.json();
    assert_eq!(json["status"], status, "{reply:?}");
    let message = json["message"].as_str().unwrap();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[tokio::test]
async fn configs_are_kept_replaced_and_removed() {
    let door = open(Setup::default()).await;
    let id = kept(&door, &config()).await;
    let one = format!("/kayenta/canaryConfig/{id}");
    let read = door.get(&one).await.json();
    assert_eq!(read["id"], *id);
    assert_eq!(read["metrics"], config()["metrics"]);
    assert_eq!(read["createdTimestampIso"], "2026-01-02T03:04:00Z");
    assert!(read["updatedTimestamp"].is_i64());

    let list = door.get("/kayenta/canaryConfig?application=checkout").await;
    let list = list.json();
    let (first, second) = (&list[0], &list[1]);
    assert_eq!(
        (&first["id"], &first["name"]),
        (&json!(id), &json!("golden"))
    );
    assert_eq!(first["applications"], json!(["checkout"]));
    assert!(first["updatedTimestamp"].is_i64() && first.get("metrics").is_none());
    // The daemon's template under its own name, for the application that asks.
    assert_eq!(second["id"], "checkout");
    assert_eq!(second["applications"], json!(["checkout"]));
    let other = door
        .get("/kayenta/canaryConfig?application=shop")
        .await
        .json();
    assert_eq!(other.as_array().unwrap().len(), 1);
    let all = door.get("/kayenta/canaryConfig").await.json();
    assert_eq!(all[1]["applications"], json!([]));
    let shown = door.get("/kayenta/canaryConfig/checkout").await.json();
    assert_eq!(shown["judge"]["name"], "haldane-template");
    assert_eq!(shown["metrics"][1]["name"], "errors");

    door.clock
        .fetch_add(60_000, std::sync::atomic::Ordering::SeqCst);
    let mut changed = config();
    changed["metrics"].as_array_mut().unwrap().pop();
    changed["classifier"] = json!({ "groupWeights": { "Latency & co": 100 } });
    let reply = door.send("PUT", &one, "", &changed.to_string()).await;
    assert_eq!(
        (reply.status, &reply.json()["canaryConfigId"]),
        (200, &json!(id))
    );
    let read = door.get(&one).await.json();
    assert_eq!(read["createdTimestampIso"], "2026-01-02T03:04:00Z");
    assert_eq!(read["updatedTimestampIso"], "2026-01-02T03:05:00Z");
    assert_eq!(read["metrics"].as_array().unwrap().len(), 1);

    assert_eq!(door.send("DELETE", &one, "", "").await.status, 200);
    refused(&door.get(&one).await, 404, &["does not exist"]);
    refused(&door.send("DELETE", &one, "", "").await, 404, &[]);
    let reply = door.send("PUT", &one, "", &config().to_string()).await;
    refused(&reply, 404, &[]);
    let reply = door
        .send("DELETE", "/kayenta/canaryConfig/checkout", "", "")
        .await;
    refused(&reply, 400, &["template"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_config_is_said() {
    let door = open(Setup::default()).await;
    kept(&door, &config()).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut config = config();
        config["name"] = json!("other");
        change(&mut config);
        config
    };
    let query = |text: &str| {
        let query = json!({ "type": "prometheus", "customInlineTemplate": text });
        with(&|c| c["metrics"][1]["query"] = query.clone())
    };
    let cases: Vec<(Value, &[&str])> = vec![
        (
            config(),
            &["'golden' already exists in the scope of applications [checkout]"],
        ),
        (with(&|c| c["name"] = json!("")), &["must specify a name"]),
        (with(&|c| c["name"] = json!("a b")), &["'a b'"]),
        (
            with(&|c| c["name"] = json!("checkout")),
            &["template called 'checkout'"],
        ),
        (
            with(&|c| c["applications"] = json!([])),
            &["at least one application"],
        ),
        (
            with(&|c| c["metrics"] = json!([])),
            &["at least one metric"],
        ),
        (
            with(&|c| c["metrics"][1]["name"] = json!("latency p99")),
            &["must be unique. 'latency p99' is duplicated"],
        ),
        (
            with(&|c| c["judge"]["name"] = json!("dredd-v1.0")),
            &["'dredd-v1.0'", "haldane-"],
        ),
        (with(&|c| c["id"] = json!("no id")), &["'no id'"]),
        (
            with(&|c| c["metrics"][1]["query"] = json!({ "type": "datadog" })),
            &["metric errors", "datadog"],
        ),
        (
            query("PromQL:avg(x{version=\"${scope}\""),
            &["metric errors"],
        ),
        (
            query("PromQL:avg(x{pod=~\"${scope}-.*\"})"),
            &["version=", "pod=~", "same"],
        ),
        (query("PromQL:${scope}"), &["metric errors"]),
        (
            with(&|c| {
                c["metrics"][0]["analysisConfigurations"]["canary"]["critical"] = json!("yes");
            }),
            &["critical"],
        ),
    ];
    for (config, parts) in cases {
        let reply = post(&door, "/kayenta/canaryConfig", &config).await;
        refused(&reply, 400, parts);
    }
    let reply = door.post("/kayenta/canaryConfig", "[]").await;
    refused(&reply, 400, &["JSON object"]);
    let reply = door.post("/kayenta/canaryConfig", "{").await;
    refused(&reply, 400, &[]);
    assert_eq!(
        door.get("/kayenta/canaryConfig")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_request_becomes_an_analysis_of_its_window() {
    let door = open(Setup::default()).await;
    let id = kept(&door, &config()).await;
    let path = format!("/kayenta/canary/{id}?application=shop&storageAccountName=store");
    let execution = started(&door, &path, &hour()).await;
    let plan = plans(&door).remove(0);
    assert_eq!(plan.rollout.deploy.service, "shop");
    assert_eq!(plan.rollout.deploy.region.as_deref(), Some("eu"));
    assert_eq!(plan.rollout.baseline.to_string(), "version=\"v1\"");
    assert_eq!(plan.rollout.canary.to_string(), "version=\"v2\"");
    let timing = &plan.timing;
    assert_eq!(timing.start.to_string(), "2026-01-02T02:00:00Z");
    assert_eq!(timing.deadline.to_string(), "2026-01-02T02:30:00Z");
    assert_eq!(timing.bake_until, timing.deadline);
    assert_eq!(
        (timing.looks_planned(), timing.step.span()),
        (1, Span::from_s(60))
    );
    let Method::Kayenta(spec) = &plan.judge.method else {
        panic!("{:?}", plan.judge);
    };
    assert!((spec.pass, spec.marginal) == (90.0, 75.0), "{spec:?}");
    let queries: Vec<&str> = plan
        .metrics
        .iter()
        .map(|metric| match &metric.queries {
            Queries::Series { query, .. } => query.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        queries,
        [
            "avg by (version) (latency{region=\"eu\",version=~\"v2|v1\"})",
            "avg by (version) (error_ratio{zone=\"a\",version=~\"v2|v1\"})",
        ]
    );

    // The same again is the same; after a minute, or from another pipeline, it is a new one.
    assert_eq!(started(&door, &path, &hour()).await, execution);
    let other = format!("{path}&parentPipelineExecutionId=p2");
    assert_ne!(started(&door, &other, &hour()).await, execution);
    door.clock
        .fetch_add(60_000, std::sync::atomic::Ordering::SeqCst);
    assert_ne!(started(&door, &path, &hour()).await, execution);

    // One that was cancelled is not joined.
    let again = started(&door, &path, &hour()).await;
    let cancel = format!("/kayenta/pipelines/{again}/cancel");
    assert_eq!(door.send("PUT", &cancel, "", "\"\"").await.status, 200);
    assert_ne!(started(&door, &path, &hour()).await, again);
}

/// What a request says that is unusual: `(change, what the plan must be)`.
#[tokio::test]
async fn times_places_and_variables_reach_the_plan() {
    let door = open(Setup::default()).await;
    let id = kept(&door, &config()).await;
    let path = format!("/kayenta/canary/{id}");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut request = hour();
        change(&mut request["scopes"]["default"]);
        request
    };
    // A day before, and right before; the second must not touch the first's marks.
    let day = with(&|s| {
        s["controlScope"]["start"] = json!("2026-01-01T02:00:00Z");
        s["controlScope"]["end"] = json!("2026-01-01T02:30:00Z");
    });
    started(&door, &path, &day).await;
    let before = with(&|s| {
        s["controlScope"]["start"] = json!("2026-01-02T01:30:00Z");
        s["controlScope"]["end"] = json!("2026-01-02T02:00:00Z");
        s["controlScope"]["scope"] = json!("v2");
    });
    started(&door, &path, &before).await;
    // Odd seconds: whole steps within; a variable; nulls; numbers as text.
    let odd = with(&|s| {
        for side in ["controlScope", "experimentScope"] {
            s[side]["start"] = json!("2026-01-02T02:00:07.5Z");
            s[side]["end"] = json!("2026-01-02T02:06:59Z");
            s[side]["step"] = json!("60");
            s[side]["extendedScopeParams"] = json!({ "zone": "b", "nothing": null });
        }
    });
    started(&door, &path, &odd).await;
    let plans = plans(&door);
    let back = |plan: &Plan| plan.shifted.as_ref().map(|shifted| shifted.back);
    assert_eq!(back(&plans[0]), Some(Span::from_s(86_400)));
    assert_eq!(back(&plans[1]), Some(Span::from_s(1800)));
    assert_eq!(back(&plans[2]), None);
    let timing = &plans[2].timing;
    assert_eq!(timing.start.to_string(), "2026-01-02T02:01:00Z");
    assert_eq!(timing.deadline.to_string(), "2026-01-02T02:06:00Z");
    assert_eq!(plans[2].metrics[0].evidence.samples, 4);
    assert!(format!("{:?}", plans[2].metrics[1].queries).contains("zone=\\\"b\\\""));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let door = open(Setup::default()).await;
    let id = kept(&door, &config()).await;
    let path = format!("/kayenta/canary/{id}");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut request = hour();
        change(&mut request);
        request
    };
    let control = |field: &str, value: Value| {
        with(&|r| r["scopes"]["default"]["controlScope"][field] = value.clone())
    };
    let cases: Vec<(Value, &[&str])> = vec![
        (
            with(&|r| drop(r.as_object_mut().unwrap().remove("thresholds"))),
            &["Execution request must contain thresholds"],
        ),
        (
            with(&|r| r["thresholds"] = json!({ "pass": 90 })),
            &["`marginal`"],
        ),
        (
            with(&|r| r["thresholds"]["pass"] = json!(70)),
            &["pass 70 and marginal 75"],
        ),
        (with(&|r| r["thresholds"]["pass"] = json!(170)), &["170"]),
        (with(&|r| r["scopes"] = json!({})), &["0 scopes"]),
        (
            with(&|r| {
                let scopes = r["scopes"]["default"].clone();
                r["scopes"] = json!({ "other": scopes });
            }),
            &["were not provided in the execution request: [default]"],
        ),
        (
            with(&|r| r["scopes"]["default"]["controlScope"] = Value::Null),
            &["controlScope"],
        ),
        (control("scope", json!("")), &["scope is empty"]),
        (
            control("scope", json!("v2")),
            &["selects the same series as the baseline"],
        ),
        (control("scope", json!("v1\"} or x{a=\"b")), &["quote"]),
        (
            control("location", json!("us")),
            &["`location`", "\"us\"", "\"eu\""],
        ),
        (control("step", json!(30)), &["same step"]),
        (control("step", json!(0)), &["step"]),
        (
            control("start", json!("yesterday")),
            &["\"yesterday\"", "no instant"],
        ),
        (
            control("end", json!("2026-01-02T02:20:00Z")),
            &["equally long"],
        ),
        (
            with(&|r| {
                r["scopes"]["default"]["controlScope"]["start"] = json!("2026-01-02T01:00:00Z");
                r["scopes"]["default"]["controlScope"]["end"] = json!("2026-01-02T01:30:00Z");
            }),
            &["begins 1h earlier", "one day or one week"],
        ),
        (
            with(&|r| {
                r["scopes"]["default"]["controlScope"]["start"] = json!("2026-01-02T02:10:00Z");
                r["scopes"]["default"]["controlScope"]["end"] = json!("2026-01-02T02:40:00Z");
            }),
            &[
                "2026-01-02T02:10:00Z to 2026-01-02T02:40:00Z",
                "lies after",
                "2026-01-02T02:00:00Z to 2026-01-02T02:30:00Z",
            ],
        ),
        (
            control("end", json!("2026-01-02T02:40:00Z")),
            &["lies after"],
        ),
        (
            request("2026-01-02T02:00:00Z", "2026-01-02T02:00:30Z"),
            &["no whole step"],
        ),
        (
            request("2026-01-02T02:00:00Z", "2026-01-02T02:02:00Z"),
            &["evidence"],
        ),
    ];
    for (request, parts) in cases {
        refused(&post(&door, &path, &request).await, 400, parts);
    }
    refused(
        &post(&door, "/kayenta/canary/none", &hour()).await,
        404,
        &["'none'"],
    );
    let whole = json!({ "canaryConfig": config() });
    refused(
        &post(&door, "/kayenta/canary", &whole).await,
        400,
        &["executionRequest"],
    );
    refused(&door.get("/kayenta/canary/none").await, 404, &["'none'"]);
    assert!(plans(&door).is_empty());
}

/// `canaryConfigName` can be a template of the daemon: its scopes are matchers.
#[tokio::test]
async fn a_template_is_run_by_its_name() {
    let door = open(Setup::default()).await;
    let mut request = hour();
    let scopes = &mut request["scopes"]["default"];
    scopes["controlScope"]["scope"] = json!("track=stable");
    scopes["experimentScope"]["scope"] = json!("track=\"canary\"");
    let execution = started(&door, "/kayenta/canary/checkout?application=shop", &request).await;
    let plan = plans(&door).remove(0);
    assert_eq!(plan.template.as_str(), "checkout");
    assert_eq!(plan.judge.method, Method::Sequential);
    assert_eq!(plan.rollout.inputs["service"], "shop");
    assert_eq!(plan.rollout.canary.to_string(), "track=\"canary\"");
    assert_eq!(
        plan.timing.deadline,
        Timestamp::parse("2026-01-02T02:30:00Z").unwrap()
    );
    door.conclude(&execution, Verdict::Rollback);
    let said = door
        .get(&format!("/kayenta/canary/{execution}"))
        .await
        .json();
    let result = &said["result"]["judgeResult"];
    assert_eq!(result["judgeName"], "haldane-sequential-v1");
    assert_eq!(result["results"][0]["name"], "cpu");
    let mut plain = hour();
    plain["scopes"]["default"]["controlScope"]["scope"] = json!("shop-v001");
    let reply = post(&door, "/kayenta/canary/checkout", &plain).await;
    refused(&reply, 400, &["\"shop-v001\"", "matchers"]);
    assert!(TEMPLATE.contains("${service}"));
}

/// The switch: a config names the judge, or the daemon's configuration does.
#[tokio::test]
async fn a_config_chooses_its_judge() {
    let door = open(Setup::default()).await;
    let mut sequential = config();
    sequential["judge"]["name"] = json!("haldane-sequential-v1");
    let whole = json!({ "canaryConfig": sequential, "executionRequest": hour() });
    started(&door, "/kayenta/canary", &whole).await;
    let plan = plans(&door).remove(0);
    assert_eq!(plan.judge.method, Method::Sequential);
    assert_eq!(
        plan.rollout.deploy.service, "checkout",
        "its first application"
    );
    let judges = door.get("/kayenta/judges").await.json();
    let names: Vec<&str> = judges
        .as_array()
        .unwrap()
        .iter()
        .map(|judge| judge["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["NetflixACAJudge-v1.0", "haldane-sequential-v1"]);
}
