//! A message that a receiver refused, found and sent once more on the command line, over a restart;
//! who took note of a verdict; and what was good before.

use crate::support::daemon::{Daemon, Site, haldane};
use crate::support::hook::{Hook, Mood};
use serde_json::{Value, json};
use std::time::Duration;

const SCENARIO: &str = "
apiVersion: haldane/v1
kind: Scenario
metadata: { name: deliveries }
spec:
  seed: 7
  scrape: 15s
  services:
    - name: shop
      gauges: [{ metric: latency, level: 0.2, noise: 0.02 }]
";

const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: long }
spec:
  schedule: { step: 15s, look_every: 5m, bake: 10m, deadline: 30m, lag: 1s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      series: { query: 'latency{service=\"shop\",${selector}}' }
";

/// Long enough for a busy machine; reaching it means that something never comes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn submitted(daemon: &Daemon, revision: &str, hooks: &[String]) -> String {
    let hooks: Vec<Value> = hooks.iter().map(|url| json!({ "url": url })).collect();
    let deploy = json!({"service": "shop", "environment": "prod", "revision": revision});
    let body = json!({
        "template": "long",
        "baseline": {"track": "stable"},
        "canary": {"track": "canary"},
        "deploy": deploy,
        "webhooks": hooks,
    });
    daemon.submit(&body).await
}

async fn decided(daemon: &Daemon, id: &str, verdict: &str) -> Value {
    let body = json!({"verdict": verdict, "reason": "a test", "author": "ada"});
    let path = format!("/v1/analyses/{id}/override");
    let answer = daemon.post(&path, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The only message of an analysis once it is in that state.
async fn message(daemon: &Daemon, id: &str, state: &str) -> Value {
    let path = format!("/v1/analyses/{id}/deliveries");
    let reached = async {
        loop {
            let answer = daemon.get(&path).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let all = answer.body["deliveries"].as_array().unwrap();
            assert_eq!(all.len(), 1, "{answer:?}");
            if all[0]["state"] == state {
                return all[0].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap()
}

#[tokio::test]
async fn a_dead_message_is_found_and_sent_once_more_after_a_restart() {
    let site = Site::simulated(SCENARIO);
    site.template("long", TEMPLATE);
    let hook = Hook::start().await;
    hook.mood(Mood::Fail(410));
    let daemon = site.start().await;
    let id = submitted(&daemon, "1.0", &[hook.url("plain")]).await;
    let early = daemon
        .post(&format!("/v1/analyses/{id}/acknowledge"), &json!({}))
        .await;
    early.check(409, "undecided", &["no verdict yet"]);
    decided(&daemon, &id, "rollback").await;
    let dead = message(&daemon, &id, "refused").await;
    assert_eq!(
        (&dead["moment"], &dead["attempts"]),
        (&json!("verdict"), &json!(1))
    );
    assert_eq!(dead["log"][0]["status"], 410);
    assert!(dead["log"][0]["took_ms"].is_i64(), "{dead}");
    let name = dead["id"].as_str().unwrap();
    daemon.stop().await;

    hook.mood(Mood::Accept);
    let daemon = site.start().await;
    let list = [
        "deliveries",
        "list",
        "--state",
        "dead",
        "--server",
        daemon.url(),
    ];
    let said = haldane(&list).await;
    said.check(0, &[name, "refused", "verdict of shop", "410"]);
    let again = [
        "deliveries",
        "redeliver",
        name,
        "--author",
        "ada",
        "--server",
        daemon.url(),
    ];
    haldane(&again).await.check(0, &[name, "pending"]);
    let done = message(&daemon, &id, "delivered").await;
    let known = (&done["attempts"], &done["redelivered"], &done["status"]);
    assert_eq!(known, (&json!(2), &json!(1), &json!(200)));
    let statuses: Vec<_> = done["log"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["status"])
        .collect();
    assert_eq!(statuses, [&json!(410), &json!(200)]);
    let arrived = hook.arrived();
    assert_eq!(arrived.len(), 2);
    assert_eq!(
        (&arrived[0].id, &arrived[0].body),
        (&arrived[1].id, &arrived[1].body)
    );
    hook.check_signatures();
    assert_eq!(haldane(&list).await.out.trim(), "", "none is dead");
    let unknown = daemon
        .post("/v1/deliveries/msg_0/redeliver", &json!({}))
        .await;
    unknown.check(404, "unknown_delivery", &["msg_0"]);

    // Who took the message has taken note; later notes change nothing.
    let path = format!("/v1/analyses/{id}/acknowledge");
    let noted = daemon.post(&path, &json!({"author": "ada"})).await.body;
    let by = noted["acknowledged_by"].as_str().unwrap();
    assert!(
        by.starts_with("http://127.0.0.1:") && !by.contains("hook"),
        "{by}"
    );
    assert_eq!(noted["recovery"]["state"], "watching", "{noted}");
    let metrics = reqwest::get(format!("{}/metrics", daemon.url()))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    for name in [
        "haldane_acknowledge_seconds_count",
        "haldane_redeliveries_total 1",
    ] {
        assert!(metrics.contains(name), "{name}");
    }
    let report = daemon
        .get(&format!("/v1/analyses/{id}/report"))
        .await
        .unwrap()
        .body;
    let events = report["events"].to_string();
    assert!(
        events.contains("redelivered") && events.contains("by ada"),
        "{events}"
    );
    daemon.stop().await;
}

#[tokio::test]
async fn what_was_good_before_is_named_by_the_rollback_and_known_after_a_restart() {
    let site = Site::simulated(SCENARIO);
    site.template("long", TEMPLATE);
    let hook = Hook::start().await;
    let daemon = site.start().await;
    let path = "/v1/services/shop/last-good?environment=prod";
    let nothing = daemon.get(path).await.unwrap();
    nothing.check(404, "no_last_good", &["shop", "prod"]);
    let good = submitted(&daemon, "1.0", &[]).await;
    let promoted = decided(&daemon, &good, "promote").await;
    assert_eq!(
        promoted["last_good"],
        Value::Null,
        "only rollbacks look back"
    );
    let bad = submitted(&daemon, "1.1", &[hook.url("plain")]).await;
    let rolled_back = decided(&daemon, &bad, "rollback").await;
    assert_eq!(rolled_back["last_good"]["revision"], "1.0", "{rolled_back}");
    assert_eq!(rolled_back["last_good"]["analysis"], good.as_str());
    message(&daemon, &bad, "delivered").await;
    let told = hook.arrived()[0].event();
    assert_eq!(told["data"]["last_good"], rolled_back["last_good"]);
    assert_eq!(
        told["data"]["acknowledged_at"],
        Value::Null,
        "as it was at birth"
    );
    daemon.kill();

    let daemon = site.start().await;
    let known = daemon.get(path).await.unwrap();
    assert_eq!(known.body, rolled_back["last_good"]);
    let elsewhere = daemon.get("/v1/services/shop/last-good").await.unwrap();
    elsewhere.check(404, "no_last_good", &["no environment"]);
    let said = haldane(&["status", &bad, "--server", daemon.url()]).await;
    said.check(
        0,
        &[
            "last good: 1.0",
            "acknowledged by http://127.0.0.1",
            "after the rollback",
        ],
    );
    daemon.stop().await;
}
