//! Kayenta's API over a real Prometheus and a real daemon: a canary from its config to its score,
//! and everything still there after the daemon was killed.

use crate::kayenta_api::request;
use crate::support::daemon::{Answer, Daemon, Site, client, request as send};
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Start of the samples, a multiple of two hours as blocks are: 2023-11-15T00:00:00Z.
const T0: i64 = 1_700_006_400;

/// An hour of two metrics every 15 s: `v2` is as `v1`, `v3` is half as slow again.
fn history() -> History {
    let mut history = History::default();
    for (version, factor) in [("v1", 1.0), ("v2", 1.0), ("v3", 1.5)] {
        for (metric, level) in [("latency", 0.2), ("error_ratio", 0.01)] {
            let labels = [("version", version), ("region", "eu"), ("zone", "a")];
            let values = (0..=240).map(|idx| {
                // Spread evenly, and each version at another place of the same course.
                let place = idx as f64 + factor + f64::from(version.as_bytes()[1]);
                let wobble = (place * 0.618_033_988_749_895).fract() - 0.5;
                (
                    (T0 + 15 * idx) as f64,
                    level * factor * (1.0 + 0.1 * wobble),
                )
            });
            history.series(metric, &labels, values);
        }
    }
    history
}

fn window(canary: &str) -> Value {
    let mut out = request("2023-11-15T00:00:00Z", "2023-11-15T00:30:00Z");
    out["scopes"]["default"]["experimentScope"]["scope"] = json!(canary);
    out
}

fn config() -> Value {
    crate::kayenta_api::config()
}

/// Starts an execution and polls it, as callers do.
async fn completed(daemon: &Daemon, path: &str, body: &Value) -> Value {
    let started = daemon.post(path, body).await;
    assert_eq!(started.status, 200, "{started:?}");
    polled(
        daemon,
        &format!("/kayenta/canary/{}", started.text("canaryExecutionId")),
    )
    .await
}

async fn polled(daemon: &Daemon, path: &str) -> Value {
    let poll = async {
        loop {
            let said = daemon.get(path).await.unwrap();
            assert_eq!(said.status, 200, "{said:?}");
            if said.body["complete"] == true {
                return said.body;
            }
            // Nothing announces it to these callers but this answer.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(30), poll).await;
    done.unwrap_or_else(|_| panic!("never complete:\n{}", daemon.log()))
}

async fn put(daemon: &Daemon, path: &str) -> Answer {
    let json = [("content-type", "application/json")];
    let body = Some(b"\"\"".to_vec());
    send(&client(), daemon.url(), Method::PUT, path, &json, body)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_config_to_a_score_and_through_a_kill() {
    let history = history();
    let prometheus = PrometheusServer::start(&Wanted {
        history: Some(&history),
        ..Wanted::default()
    });
    let mut site = Site::new(&[
        ("source.url", prometheus.url().as_str()),
        ("kayenta.accounts", "[\"prom\"]"),
    ]);
    let daemon = site.start().await;
    let kept = daemon.post("/kayenta/canaryConfig", &config()).await;
    assert_eq!(kept.status, 200, "{kept:?}");
    let path = format!(
        "/kayenta/canary/{}?application=checkout",
        kept.text("canaryConfigId")
    );

    let good = completed(&daemon, &path, &window("v2")).await;
    let result = &good["result"]["judgeResult"];
    assert_eq!(result["score"]["score"], 100.0, "{result}");
    assert_eq!(result["score"]["classification"], "Pass");
    let row = &result["results"][0];
    assert_eq!(
        (&row["name"], &row["classification"]),
        (&json!("latency p99"), &json!("Pass"))
    );
    let stats = &row["controlMetadata"]["stats"];
    assert!(
        (29..=31).contains(&stats["count"].as_u64().unwrap()),
        "{stats}"
    );
    assert!(
        (stats["mean"].as_f64().unwrap() - 0.2).abs() < 0.01,
        "{stats}"
    );

    let bad = completed(&daemon, &path, &window("v3")).await;
    let result = &bad["result"]["judgeResult"];
    assert_eq!(
        (&bad["status"], &result["score"]["score"]),
        (&json!("succeeded"), &json!(0.0))
    );
    let reason = result["score"]["classificationReason"].as_str().unwrap();
    assert!(
        reason.contains("latency p99 was classified as High (Critical)"),
        "{reason}"
    );
    let row = &result["results"][0];
    assert_eq!(
        (&row["classification"], &row["critical"]),
        (&json!("High"), &json!(true))
    );
    assert!(
        (row["resultMetadata"]["ratio"].as_f64().unwrap() - 1.5).abs() < 0.05,
        "{row}"
    );
    assert_eq!(result["groupScores"][0]["score"], 0.0);

    // Nobody has data of this version: neither a pass nor a failure (A5).
    let none = completed(&daemon, &path, &window("v9")).await;
    let score = &none["result"]["judgeResult"]["score"];
    assert_eq!(
        (&score["score"], &score["classification"]),
        (&json!(76.0), &json!("Marginal"))
    );

    // The sequential judge by the config's own word.
    let mut sequential = config();
    sequential["judge"]["name"] = json!("haldane-sequential-v1");
    let whole = json!({ "canaryConfig": sequential, "executionRequest": window("v3") });
    let said = completed(&daemon, "/kayenta/canary", &whole).await;
    let result = &said["result"]["judgeResult"];
    assert_eq!(result["judgeName"], "haldane-sequential-v1");
    assert_eq!(result["score"]["classification"], "Fail", "{result}");
    assert!(result["score"]["score"].as_f64().unwrap() < 75.0);
    assert_eq!(result["results"][0]["classification"], "High");

    // One that waits for its window, one that is cancelled, and three judgements of a lifetime.
    let mut later = window("v2");
    for side in ["controlScope", "experimentScope"] {
        later["scopes"]["default"][side]["start"] = json!("2090-01-01T00:00:00Z");
        later["scopes"]["default"][side]["end"] = json!("2090-01-01T01:00:00Z");
    }
    let waiting = daemon.post(&path, &later).await.text("canaryExecutionId");
    later["scopes"]["default"]["experimentScope"]["scope"] = json!("v3");
    let stopped = daemon.post(&path, &later).await.text("canaryExecutionId");
    let answer = put(&daemon, &format!("/kayenta/pipelines/{stopped}/cancel")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let lifetime = json!({
        "scopes": [{ "controlScope": "v1", "controlLocation": "eu", "experimentScope": "v2",
            "experimentLocation": "eu", "startTimeIso": "2023-11-15T00:00:00Z",
            "endTimeIso": "2023-11-15T00:54:00Z" }],
        "thresholds": { "pass": 90, "marginal": 75 },
        "analysisIntervalMins": 18,
    });
    let body = json!({ "canaryConfig": config(), "executionRequest": lifetime });
    let begun = daemon
        .post("/kayenta/standalone_canary_analysis", &body)
        .await;
    let lifetime = begun.text("canaryAnalysisExecutionId");
    let lifetime = format!("/kayenta/standalone_canary_analysis/{lifetime}");
    let whole = polled(&daemon, &lifetime).await;
    let aggregate = &whole["canaryAnalysisExecutionResult"];
    assert_eq!(
        aggregate["canaryScores"],
        json!([100.0, 100.0, 100.0]),
        "{whole}"
    );
    assert_eq!(
        (&aggregate["didPassThresholds"], &aggregate["hasWarnings"]),
        (&json!(true), &json!(true))
    );

    let read = async |daemon: &Daemon| {
        let list = daemon
            .get("/kayenta/canaryConfig?application=checkout")
            .await
            .unwrap()
            .body;
        let mut all = vec![list, polled(daemon, &lifetime).await];
        for id in [&waiting, &stopped] {
            all.push(
                daemon
                    .get(&format!("/kayenta/canary/{id}"))
                    .await
                    .unwrap()
                    .body,
            );
        }
        for said in [&good, &bad, &none] {
            let id = said["pipelineId"].as_str().unwrap();
            all.push(polled(daemon, &format!("/kayenta/canary/{id}")).await);
            let pairs = daemon
                .get(&format!("/kayenta/metricSetPairList/{id}"))
                .await
                .unwrap();
            assert_eq!(pairs.status, 200, "{pairs:?}");
            all.push(pairs.body);
        }
        all
    };
    let before = read(&daemon).await;
    assert_eq!(
        (&before[2]["complete"], &before[3]["status"]),
        (&json!(false), &json!("canceled"))
    );
    assert_eq!(before[4], good);
    let values = &before[5][0]["values"]["control"];
    assert!(values.as_array().unwrap().len() >= 30, "{values}");
    let nothing = &before[9][0]["values"]["experiment"];
    assert!(
        nothing
            .as_array()
            .unwrap()
            .iter()
            .all(|value| value == "NaN"),
        "{nothing}"
    );
    daemon.kill();
    let daemon = site.start().await;
    assert_eq!(read(&daemon).await, before);
    let accounts = daemon.get("/kayenta/credentials").await.unwrap().body;
    assert_eq!(accounts[1]["name"], "prom");
    daemon.stop().await;

    // The switch of the configuration.
    site.set("kayenta.judge", "median");
    let Err(ended) = site.spawn().await else {
        panic!("a judge there is not");
    };
    assert_eq!(ended.code, Some(2));
    assert!(ended.said.contains("kayenta.judge: `median`"), "{ended:?}");
    site.set("kayenta.judge", "sequential");
    let daemon = site.start().await;
    let said = completed(&daemon, &path, &window("v3")).await;
    assert_eq!(
        said["result"]["judgeResult"]["judgeName"],
        "haldane-sequential-v1"
    );
    daemon.stop().await;
}

/// A template whose source may be away for a second.
const IMPATIENT: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: impatient }
spec:
  schedule: { step: 1m, look_every: 30m, bake: 30m, deadline: 30m, lag: 0s, source_grace: 1s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      series: { query: 'avg by (${arm_labels}) (latency{${selector}})' }
";

/// Without a source an execution is broken, not failed: `terminal`, with an exception and without
/// a score. The same request then starts anew, because callers ask again after 10 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_gone_is_no_verdict() {
    let prometheus = PrometheusServer::start(&Wanted::default());
    let site = Site::new(&[
        ("source.url", prometheus.url().as_str()),
        ("source.attempts_max", "1"),
    ]);
    drop(prometheus);
    site.template("impatient", IMPATIENT);
    let daemon = site.start().await;
    let mut request = window("version=v2");
    request["scopes"]["default"]["controlScope"]["scope"] = json!("version=v1");
    let path = "/kayenta/canary/impatient?application=checkout";
    let said = completed(&daemon, path, &request).await;
    assert_eq!(
        (&said["status"], said.get("result")),
        (&json!("terminal"), None),
        "{said}"
    );
    let error = said["exception"]["details"]["error"].as_str().unwrap();
    assert!(error.contains("source"), "{error}");
    let again = daemon.post(path, &request).await.text("canaryExecutionId");
    assert_ne!(said["pipelineId"], *again);
    daemon.stop().await;
}

/// Another Kayenta's pairs, judged by the judge that is valid under continuous looking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_judge_can_be_sequential() {
    let site = Site::new(&[("source.url", "http://127.0.0.1:9")]);
    let daemon = site.start().await;
    let values = |level: f64, shift: f64| -> Vec<f64> {
        let wobble = |idx: i32| (f64::from(idx) * 0.618_033_988_749_895 + shift).fract() - 0.5;
        (0..60)
            .map(|idx| level * (1.0 + 0.1 * wobble(idx)))
            .collect()
    };
    let ask = async |level: f64| {
        let body = json!({
            "canaryConfig": {
                "metrics": [{ "name": "slow calls", "groups": ["Latency"],
                    "analysisConfigurations": { "canary": { "direction": "increase" } } }],
                "judge": { "name": "RemoteJudge-v1.0",
                    "judgeConfigurations": { "method": "sequential" } },
                "classifier": { "groupWeights": { "Latency": 100 } },
            },
            "scoreThresholds": { "pass": 95, "marginal": 75 },
            "metricSetPairList": [{ "name": "slow calls", "id": "p1", "tags": {},
                "values": { "control": values(0.2, 0.0), "experiment": values(level, 0.3) } }],
        });
        let answer = daemon.post("/kayenta/judge", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let good = ask(0.2).await;
    assert_eq!(good["score"]["classification"], "Pass", "{good}");
    assert!(good["score"]["score"].as_f64().unwrap() >= 95.0, "{good}");
    let bad = ask(0.3).await;
    assert_eq!(bad["judgeName"], "haldane-sequential-v1");
    assert_eq!(bad["score"]["classification"], "Fail", "{bad}");
    let row = &bad["results"][0];
    assert_eq!(
        (&row["name"], &row["id"]),
        (&json!("slow calls"), &json!("p1"))
    );
    assert_eq!(
        (&row["classification"], &row["groups"]),
        (&json!("High"), &json!(["Latency"]))
    );
    assert_eq!(row["controlMetadata"]["stats"]["count"], 60);
    assert_eq!(bad["groupScores"][0]["score"], 0.0);
    daemon.stop().await;
}
