//! SIGTERM: those who wait are answered, what is under way is owed, and the process ends in time.

use crate::support::daemon::Site;
use crate::support::hook::{Hook, Mood};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// One healthy service.
pub(crate) const SCENARIO: &str = "
apiVersion: haldane/v1
kind: Scenario
metadata: { name: drain }
spec:
  seed: 7
  scrape: 15s
  services:
    - { name: fine, gauges: [{ metric: latency, level: 0.2, noise: 0.02 }] }
";

/// Decides at its first look once that is due.
pub(crate) const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: short }
spec:
  judge: { method: mann-whitney }
  schedule: { step: 1s, look_every: 30s, bake: 60s, deadline: 90s, lag: 0s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      series: { query: 'latency{${selector}}' }
";

/// A submission of [`TEMPLATE`] whose window began `age_s` seconds ago.
pub(crate) fn submission(age_s: i64, hooks: &[String]) -> Value {
    let start = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(age_s);
    let hooks: Vec<Value> = hooks.iter().map(|url| json!({"url": url})).collect();
    json!({
        "template": "short",
        "baseline": {"track": "stable"},
        "canary": {"track": "canary"},
        "deploy": {"service": "fine"},
        "start": start.to_string(),
        "webhooks": hooks,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_in_time_and_owes_what_hangs() {
    let mut site = Site::simulated(SCENARIO);
    site.set("limits.drain", "3s");
    site.template("short", TEMPLATE);
    let hook = Hook::start().await;
    hook.mood(Mood::Hang);
    let daemon = site.start().await;
    let decided = daemon.submit(&submission(120, &[hook.url("plain")])).await;
    let verdict = daemon.verdict(&decided).await;
    assert_eq!(verdict["verdict"], "promote", "{verdict}");
    hook.reaches(1).await;
    let running = daemon.submit(&submission(0, &[hook.url("plain")])).await;

    let waited = {
        let path = format!("{}/v1/analyses/{running}/verdict?wait=50s", daemon.url());
        let client = crate::support::daemon::client();
        tokio::spawn(async move { client.get(path).send().await.unwrap().json::<Value>().await })
    };
    // Nothing announces that a request is being waited on.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    daemon.terminate();
    let answer = waited.await.unwrap().unwrap();
    assert_eq!(
        (&answer["verdict"], &answer["final"]),
        (&json!("pending"), &json!(false))
    );
    let ended = daemon.ended(Duration::from_secs(6)).await;
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "the delivery got no time to end"
    );
    assert!(
        ended.said.contains("owed at the next start"),
        "{}",
        ended.said
    );

    hook.mood(Mood::Accept);
    let daemon = site.start().await;
    hook.reaches(2).await;
    let arrived = hook.arrived();
    assert_eq!(arrived[0].id, arrived[1].id);
    assert_eq!(arrived[0].body, arrived[1].body);
    assert_eq!(hook.kept().len(), 1);
    hook.check_signatures();
    let mut after = daemon.verdict(&decided).await;
    while after["acknowledged_by"].is_null() {
        // Taken, and its record is still on its way to the disk; nothing announces it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        after = daemon.verdict(&decided).await;
    }
    let by = after["acknowledged_by"].as_str().unwrap();
    assert!(hook.url("any").starts_with(by), "{by}");
    for later in [
        "acknowledged_at",
        "acknowledged_by",
        "acknowledged_after_ms",
    ] {
        after.as_object_mut().unwrap().remove(later);
    }
    assert_eq!(after, verdict);
    let goes_on = daemon
        .get(&format!("/v1/analyses/{running}/verdict"))
        .await
        .unwrap();
    assert_eq!(goes_on.body["verdict"], "pending");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_fails_is_tried_again_and_one_that_is_gone_stops_nothing() {
    let site = Site::simulated(SCENARIO);
    site.template("short", TEMPLATE);
    let hook = Hook::start().await;
    hook.mood(Mood::Fail(503));
    let daemon = site.start().await;
    // Port 9 (discard) on loopback: nobody listens there.
    let hooks = [hook.url("plain"), "http://127.0.0.1:9/hook".to_owned()];
    let id = daemon.submit(&submission(120, &hooks)).await;
    hook.reaches(2).await;
    hook.mood(Mood::Accept);
    hook.reaches(3).await;
    let path = format!("/v1/analyses/{id}");
    let ends = async || {
        let body = daemon.get(&path).await.unwrap().body;
        let state = |idx: usize| {
            body["deliveries"][idx]["state"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        (state(0), state(1), body)
    };
    let mut seen = ends().await;
    for _ in 0..100 {
        if seen.0 == "delivered" {
            break;
        }
        // The receiver has answered; the record of it becomes durable in a moment.
        tokio::time::sleep(Duration::from_millis(20)).await;
        seen = ends().await;
    }
    let (first, second, body) = seen;
    assert_eq!(
        (first.as_str(), second.as_str()),
        ("delivered", "pending"),
        "{body}"
    );
    let detail = body["deliveries"][1]["detail"].as_str().unwrap();
    assert!(
        detail.contains("127.0.0.1:9") || detail.contains("refused"),
        "{detail}"
    );
    assert_eq!(hook.kept().len(), 1);
    daemon.stop().await;
}
