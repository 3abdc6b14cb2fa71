//! Kayenta's API: what is kept, what becomes of a request, what is answered in each state, and
//! every conformance vector.

use crate::http_fixture::{Asked, Door, Reply, Setup, TEMPLATE, id, open};
use haldane::engine::effect::Refusal;
use haldane::engine::verdict::Verdict;
use haldane::plan::{Plan, Queries};
use haldane::template::Method;
use haldane::time::{Span, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
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

fn hour() -> Value {
    request("2026-01-02T02:00:00Z", "2026-01-02T02:30:00Z")
}

async fn post(door: &Door, path: &str, body: &Value) -> Reply {
    let reply = door.post(path, &body.to_string()).await;
    assert_eq!(
        reply.header("content-type"),
        "application/json",
        "{reply:?}"
    );
    reply
}

async fn kept(door: &Door, config: &Value) -> String {
    let reply = post(door, "/kayenta/canaryConfig", config).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["canaryConfigId"].as_str().unwrap().to_owned()
}

async fn started(door: &Door, path: &str, body: &Value) -> String {
    let reply = post(door, path, body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["canaryExecutionId"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The plans that were submitted.
fn plans(door: &Door) -> Vec<Arc<Plan>> {
    let asked = door.asked.lock().unwrap();
    let plans = asked.iter().filter_map(|asked| match asked {
        Asked::Submit(submission) => Some(submission.plan.clone()),
        _ => None,
    });
    plans.collect()
}

fn refused(reply: &Reply, status: u16, parts: &[&str]) {
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

#[tokio::test]
async fn an_execution_tells_the_whole_result() {
    let door = open(Setup::default()).await;
    let config_id = kept(&door, &config()).await;
    let path = format!("/kayenta/canary/{config_id}?application=shop&parentPipelineExecutionId=p");
    let execution = started(&door, &path, &hour()).await;
    let one = format!("/kayenta/canary/{execution}");
    let said = door.get(&one).await.json();
    assert_eq!(said["complete"], false);
    assert_eq!(said["status"], "not_started");
    assert_eq!(said["canaryConfigId"], *config_id);
    assert_eq!(said["parentPipelineExecutionId"], "p");
    assert_eq!(said["canaryExecutionRequest"], hour());
    assert_eq!(said["config"]["name"], "golden");
    assert!(said.get("result").is_none() && said.get("storageAccountName").is_none());
    refused(
        &door
            .get(&format!("/kayenta/canaryJudgeResult/{execution}"))
            .await,
        404,
        &[],
    );

    door.conclude(&execution, Verdict::Promote);
    let said = door.get(&one).await.json();
    assert_eq!(
        (&said["complete"], &said["status"]),
        (&json!(true), &json!("succeeded"))
    );
    assert_eq!(said["stageStatus"]["judge"], "succeeded");
    let result = &said["result"];
    assert_eq!(result["canaryDuration"], "PT30M");
    let judged = &result["judgeResult"];
    assert_eq!(judged["judgeName"], "NetflixACAJudge-v1.0");
    assert_eq!(judged["score"]["score"], 90.0);
    assert_eq!(judged["score"]["classification"], "Pass");
    assert!(
        judged["score"]["classificationReason"]
            .as_str()
            .unwrap()
            .contains("promote it is")
    );
    let row = &judged["results"][0];
    assert_eq!(row["name"], "latency p99");
    assert_eq!(row["groups"], json!(["Latency & co"]));
    assert_eq!(row["controlMetadata"]["stats"]["count"], 0);
    assert_eq!(judged["groupScores"][1]["name"], "Latency & co");
    let alone = door
        .get(&format!("/kayenta/canaryJudgeResult/{execution}"))
        .await
        .json();
    assert_eq!(alone, *judged);
    let pairs = door
        .get(&format!("/kayenta/metricSetPairList/{execution}"))
        .await
        .json();
    assert_eq!(pairs[0]["id"], row["id"]);
    assert_eq!(pairs[0]["scopes"]["control"]["stepMillis"], 60_000);

    let list = door
        .get("/kayenta/canary/executions?application=shop&statuses=SUCCEEDED")
        .await;
    assert_eq!(list.json().as_array().unwrap().len(), 1);
    for none in [
        "application=other",
        "application=shop&statuses=RUNNING",
        "page=2",
    ] {
        let list = door
            .get(&format!("/kayenta/canary/executions?{none}"))
            .await;
        assert_eq!(list.json(), json!([]), "{none}");
    }
    refused(
        &door.get("/kayenta/canary/executions?limit=0").await,
        400,
        &["limit"],
    );
}

/// An analysis that was submitted elsewhere is an execution, too.
#[tokio::test]
async fn every_analysis_can_be_read() {
    let door = open(Setup::default()).await;
    let own = door.submitted(&crate::http_fixture::submission("")).await;
    door.conclude(&own, Verdict::Rollback);
    let said = door.get(&format!("/kayenta/canary/{own}")).await.json();
    assert_eq!(said["application"], "shop");
    assert_eq!(
        said["result"]["judgeResult"]["score"]["classification"],
        "Fail"
    );
    let score = &said["result"]["judgeResult"]["score"]["score"];
    assert!(score.as_f64().unwrap() < 50.0, "{score}");
    assert_eq!(own, id(1).as_str());
}

#[tokio::test]
async fn a_store_that_cannot_write_refuses_and_keeps_nothing() {
    let door = open(Setup {
        mood: crate::http_fixture::Mood::StoreDown,
        ..Setup::default()
    })
    .await;
    let reply = post(&door, "/kayenta/canaryConfig", &config()).await;
    refused(&reply, 503, &[]);
    assert!(reply.header("retry-after") == "5", "{reply:?}");
    assert!(!reply.body.contains("fire"), "{reply:?}");
    let refusal = Refusal::Unknown;
    assert_eq!(refusal, Refusal::Unknown);
    let list = door.get("/kayenta/canaryConfig").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_lifetime_is_several_judgements() {
    let door = open(Setup::default()).await;
    let config_id = kept(&door, &config()).await;
    let body = |more: Value| {
        let mut body = json!({
            "scopes": [{ "controlScope": "v1", "controlLocation": "eu", "experimentScope": "v2",
                "experimentLocation": "eu", "step": 60 }],
            "thresholds": { "pass": 75, "marginal": 50 },
            "lifetimeDurationMins": 60,
            "analysisIntervalMins": 20,
        });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body
    };
    let path = format!("/kayenta/standalone_canary_analysis/{config_id}?user=ada&application=shop");
    let begun = async |more: Value| {
        let reply = post(&door, &path, &body(more)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["canaryAnalysisExecutionId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let windows = |count: usize| -> Vec<String> {
        let plans = plans(&door);
        let last = &plans[plans.len() - count..];
        let minute = |at: Timestamp| at.to_string()[11..16].to_owned();
        last.iter()
            .map(|plan| {
                format!(
                    "{}-{}",
                    minute(plan.timing.start),
                    minute(plan.timing.deadline)
                )
            })
            .collect()
    };
    // It is 03:04. A growing window, a warm-up, a sliding look-back.
    let growing = begun(json!({})).await;
    assert_eq!(windows(3), ["03:04-03:24", "03:04-03:44", "03:04-04:04"]);
    begun(json!({ "beginAfterMins": 5 })).await;
    assert_eq!(windows(3), ["03:09-03:29", "03:09-03:49", "03:09-04:09"]);
    begun(json!({ "lookbackMins": 15 })).await;
    assert_eq!(windows(3), ["03:09-03:24", "03:29-03:44", "03:49-04:04"]);

    let one = format!("/kayenta/standalone_canary_analysis/{growing}");
    let said = door.get(&one).await.json();
    assert_eq!(
        (&said["complete"], &said["user"]),
        (&json!(false), &json!("ada"))
    );
    assert_eq!(said["executionStatus"], "RUNNING");
    // The first passes an interval, the second is a rollback: the third is stopped.
    let views = door.readings.all();
    let ids: Vec<String> = views
        .iter()
        .take(3)
        .map(|view| view.id.to_string())
        .collect();
    door.conclude(&ids[0], Verdict::Inconclusive);
    let said = door.get(&one).await.json();
    assert_eq!(
        said["canaryAnalysisExecutionResult"]["canaryScores"],
        json!([51.0])
    );
    door.conclude(&ids[1], Verdict::Rollback);
    let said = door.get(&one).await.json();
    let result = &said["canaryAnalysisExecutionResult"];
    assert_eq!(
        (&said["complete"], &said["status"]),
        (&json!(true), &json!("terminal"))
    );
    assert_eq!(result["didPassThresholds"], false);
    assert_eq!(result["hasWarnings"], true);
    let message = result["canaryScoreMessage"].as_str().unwrap();
    assert_eq!(
        message,
        "Final canary score 0.0 is not above the marginal score threshold."
    );
    let runs = result["canaryExecutionResults"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1]["judgementEndTimeIso"], "2026-01-02T03:44:00Z");
    let third = door
        .get(&format!("/kayenta/canary/{}", ids[2]))
        .await
        .json();
    assert_eq!(third["status"], "canceled");

    let cancelled = begun(json!({ "beginAfterMins": 1 })).await;
    let path = format!("/kayenta/pipelines/{cancelled}/cancel");
    assert_eq!(door.send("PUT", &path, "", "").await.status, 200);
    let said = door
        .get(&format!("/kayenta/standalone_canary_analysis/{cancelled}"))
        .await
        .json();
    assert_eq!(said["status"], "canceled");
}

#[tokio::test]
async fn a_lifetime_that_cannot_be_is_refused() {
    let door = open(Setup::default()).await;
    let mut sequential = config();
    sequential["judge"]["name"] = json!("haldane-sequential-v1");
    let with = |config: &Value, more: Value| {
        let mut request = json!({
            "scopes": [{ "controlScope": "v1", "experimentScope": "v2", "controlLocation": "eu",
                "experimentLocation": "eu" }],
            "thresholds": { "pass": 75, "marginal": 50 },
        });
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "canaryConfig": config, "executionRequest": request })
    };
    let path = "/kayenta/standalone_canary_analysis";
    for (body, part) in [
        (with(&config(), json!({})), "lifetimeDurationMins"),
        (
            with(&config(), json!({ "lifetimeDurationMins": 0 })),
            "shorter than a minute",
        ),
        (
            with(&config(), json!({ "lifetimeDurationMins": "x" })),
            "lifetimeDurationMins",
        ),
        (
            with(
                &config(),
                json!({ "lifetimeDurationMins": 600, "analysisIntervalMins": 1 }),
            ),
            "600 judgements",
        ),
        (
            with(
                &sequential,
                json!({ "lifetimeDurationMins": 60, "lookbackMins": 10 }),
            ),
            "sliding",
        ),
    ] {
        refused(&post(&door, path, &body).await, 400, &[part]);
    }
    let whole = with(
        &sequential,
        json!({ "lifetimeDurationMins": 60, "analysisIntervalMins": 5 }),
    );
    assert_eq!(post(&door, path, &whole).await.status, 200);
    assert_eq!(plans(&door).len(), 1);
}

/// A remote judge answers what the unmodified judge answers.
#[tokio::test]
async fn another_kayenta_is_answered_as_by_its_own_judge() {
    let door = open(Setup::default()).await;
    let vectors: Value = serde_json::from_str(include_str!("../vectors/kayenta.json")).unwrap();
    let vectors = vectors
        .get("vectors")
        .unwrap_or(&vectors)
        .as_array()
        .unwrap();
    let whole = |vector: &&Value| vector["suite"] == "Generated/NetflixACAJudge";
    let mut compared = 0;
    for vector in vectors.iter().filter(whole) {
        let body = json!({
            "canaryConfig": {
                "metrics": [{ "name": "m", "groups": ["g"],
                    "analysisConfigurations": vector["analysisConfiguration"] }],
                "classifier": { "groupWeights": { "g": 100 } },
            },
            "scoreThresholds": vector["thresholds"],
            "metricSetPairList": [{ "name": "m", "id": "p", "tags": {},
                "values": { "control": vector["control"], "experiment": vector["experiment"] } }],
        });
        let reply = post(&door, "/kayenta/judge", &body).await;
        let name = &vector["name"];
        let Some(wanted) = vector["expected"].get("result") else {
            assert_eq!(reply.status, 400, "{name}: {reply:?}");
            continue;
        };
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        let row = &reply.json()["results"][0];
        // Two constants that differ get noise, which Kayenta draws unseeded.
        if vector.get("note").is_none() {
            assert_eq!(row["classification"], wanted["classification"], "{name}");
            assert_eq!(row["critical"], wanted["critical"], "{name}");
            compared += 1;
        }
        let count = |side: &Value| side["stats"]["count"].clone();
        assert_eq!(
            count(&row["controlMetadata"]),
            count(&wanted["controlMetadata"]),
            "{name}"
        );
    }
    assert!(compared > 60, "{compared}");
    for (body, part) in [
        (json!({}), "canaryConfig"),
        (
            json!({ "canaryConfig": {}, "scoreThresholds": { "pass": 95, "marginal": 75 },
                "metricSetPairList": [{ "name": "m" }] }),
            "Could not find metric config for m",
        ),
    ] {
        refused(&post(&door, "/kayenta/judge", &body).await, 400, &[part]);
    }
}

#[tokio::test]
async fn a_credential_can_stand_in_the_address() {
    let door = open(Setup {
        credentials: vec![crate::http_fixture::credential(
            "canary",
            "s3cr3t",
            haldane::http::Right::Submit,
        )],
        ..Setup::default()
    })
    .await;
    // AK-17: Y2FuYXJ5OnMzY3IzdA== is canary:s3cr3t.
    let header = "authorization: Basic Y2FuYXJ5OnMzY3IzdA==\r\n";
    let list = door
        .send("GET", "/kayenta/canaryConfig?application=x", header, "")
        .await;
    assert_eq!(list.status, 200);
    let accounts = door
        .send("GET", "/kayenta/credentials", header, "")
        .await
        .json();
    assert_eq!(
        (&accounts[0]["name"], &accounts[0]["type"]),
        (&json!("haldane"), &json!("prometheus"))
    );
    // AK-15 and AK-16.
    assert_eq!(door.get("/kayenta/canaryConfig").await.status, 401);
    let raw = door
        .raw(b"GET /kayenta/canaryConfig?application=my app HTTP/1.1\r\n\r\n")
        .await;
    assert!(raw.starts_with("HTTP/1.1 400"), "{raw}");
}

/// Every vector of both controllers, against the door.
#[tokio::test]
async fn the_vectors_hold() {
    for text in [
        include_str!("../conformance/argo-kayenta.yaml"),
        include_str!("../conformance/spinnaker-canary.yaml"),
    ] {
        let suite: Value = serde_saphyr::from_str(text).unwrap();
        for (number, case) in suite["cases"].as_array().unwrap().iter().enumerate() {
            vector(case, number).await;
        }
    }
}

async fn vector(case: &Value, number: usize) {
    let door = open(Setup::default()).await;
    let mut values = BTreeMap::from([
        ("service".to_owned(), format!("service-{number}")),
        ("id".to_owned(), "unknown".to_owned()),
        ("template".to_owned(), "checkout".to_owned()),
    ]);
    let needs = case["needs"].as_array().cloned().unwrap_or_default();
    if needs.contains(&json!("credentials")) {
        return; // `a_credential_can_stand_in_the_address`
    }
    let steps = |field: &str| case[field].as_array().cloned().unwrap_or_default();
    for step in steps("first") {
        play(&door, &step, &mut values).await;
    }
    let verdict = Verdict::from_word(case["given"].as_str().unwrap());
    if let (Some(verdict), Some(view)) = (verdict, door.readings.all().first()) {
        door.conclude(view.id.as_str(), verdict);
    }
    for step in steps("then") {
        play(&door, &step, &mut values).await;
    }
    let reply = send(&door, &case["request"], &values).await;
    let (wanted, what) = (&case["answer"], format!("{}: {reply:?}", case["id"]));
    assert_eq!(reply.status, wanted["status"], "{what}");
    assert!(reply.header("content-type").contains("json"), "{what}");
    for part in wanted["contains"].as_array().into_iter().flatten() {
        assert!(reply.body.contains(&filled(part, &values)), "{part} {what}");
    }
    if let Some(part) = wanted.get("json") {
        within(part, &reply.json(), &values, &what);
    }
    for pointer in wanted["absent"].as_array().into_iter().flatten() {
        assert!(
            reply.json().pointer(pointer.as_str().unwrap()).is_none(),
            "{pointer} {what}"
        );
    }
    for (pointer, bounds) in wanted["between"].as_object().into_iter().flatten() {
        let found = reply
            .json()
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap();
        let bound = |idx: usize| bounds[idx].as_f64().unwrap();
        assert!((bound(0)..=bound(1)).contains(&found), "{pointer} {what}");
    }
}

async fn play(door: &Door, step: &Value, values: &mut BTreeMap<String, String>) {
    let reply = send(door, &step["request"], values).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for (name, pointer) in step["save"].as_object().into_iter().flatten() {
        let json = reply.json();
        let found = json.pointer(pointer.as_str().unwrap()).unwrap();
        values.insert(name.clone(), found.as_str().unwrap().to_owned());
    }
}

async fn send(door: &Door, request: &Value, values: &BTreeMap<String, String>) -> Reply {
    let method = request["method"].as_str().unwrap_or("GET");
    let headers = request["headers"].as_object().into_iter().flatten();
    let headers: String = headers
        .map(|(name, value)| format!("{name}: {}\r\n", filled(value, values)))
        .collect();
    let (path, body) = (
        filled(&request["path"], values),
        filled(&request["body"], values),
    );
    door.send(method, &path, &headers, &body).await
}

fn filled(text: &Value, values: &BTreeMap<String, String>) -> String {
    let mut out = text.as_str().unwrap_or_default().to_owned();
    for (name, value) in values {
        out = out.replace(&format!("${{{name}}}"), value);
    }
    assert!(!out.contains("${"), "{out}");
    out
}

fn within(wanted: &Value, got: &Value, values: &BTreeMap<String, String>, what: &str) {
    match wanted {
        Value::Object(fields) => {
            for (name, value) in fields {
                within(value, got.get(name).unwrap_or(&Value::Null), values, what);
            }
        }
        Value::Array(items) => {
            assert_eq!(got.as_array().map(Vec::len), Some(items.len()), "{what}");
            for (item, found) in items.iter().zip(got.as_array().unwrap()) {
                within(item, found, values, what);
            }
        }
        Value::String(word) if word == "${text}" => assert!(got.is_string(), "{what}"),
        Value::String(word) if word == "${number}" => assert!(got.is_number(), "{what}"),
        text @ Value::String(_) => assert_eq!(*got, filled(text, values), "{what}"),
        plain => assert_eq!(got, plain, "{what}"),
    }
}
