//! A source that is wrong, empty or away: the word is inconclusive with the reason, never promote.

use crate::support::daemon::{Daemon, Site, haldane};
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use serde_json::{Value, json};
use std::net::TcpListener;

/// `query` and the schedule are filled in.
fn template(query: &str, schedule: &str) -> String {
    format!(
        "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: {{ name: t }}
spec:
  schedule: {{ {schedule} }}
  metrics:
    - name: latency
      harm: increase
      min_effect: {{ relative: 20% }}
      min_samples: 3
      series: {{ query: '{query}' }}
"
    )
}

const SHORT: &str = "step: 1s, look_every: 2s, bake: 2s, deadline: 4s, lag: 0s, source_grace: 2s";

fn body(template: &str) -> Value {
    json!({
        "template_inline": template,
        "baseline": {"track": "stable"},
        "canary": {"track": "canary"},
        "deploy": {"service": "shop"},
    })
}

/// Two arms that do not differ, from a minute ago to four minutes from now.
fn history() -> History {
    let now = jiff::Timestamp::now().as_second();
    let mut history = History::default();
    for (arm, track) in ["stable", "canary"].into_iter().enumerate() {
        let noise = |s: i64| ((s * 7919 + arm as i64 * 31) % 101) as f64 / 5000.0;
        let samples = (now - 60..now + 240).map(|s| (s as f64, 0.2 + noise(s)));
        history.series("latency", &[("track", track)], samples);
    }
    history
}

fn prometheus() -> PrometheusServer {
    let history = history();
    PrometheusServer::start(&Wanted {
        history: Some(&history),
        ..Wanted::default()
    })
}

async fn check(daemon: &Daemon, id: &str, parts: &[&str]) {
    let verdict = daemon.verdict(id).await;
    assert_eq!(verdict["verdict"], "inconclusive", "{verdict}");
    let reason = verdict["reason"].as_str().unwrap();
    for part in parts {
        assert!(reason.contains(part), "{part:?} in {reason:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_wrong_or_empty_is_never_promoted() {
    let prometheus = prometheus();
    let site = Site::new(&[("source.url", prometheus.url().as_str())]);
    let daemon = site.start().await;
    let judge = async |text: &str| {
        let path = site.path("t.yaml");
        std::fs::write(&path, text).unwrap();
        let arms = [
            "--baseline",
            "track=\"stable\"",
            "--canary",
            "track=\"canary\"",
        ];
        let window = ["--start", "-30s", "--end", "-1s", "--prometheus"];
        let url = prometheus.url().to_string();
        let rest = ["judge", "-t", path.to_str().unwrap()];
        haldane(&[&rest[..], &arms, &window, &[&url]].concat()).await
    };
    let wrong = template("no_such_function(latency{${selector}})", SHORT);
    let id = daemon.submit(&body(&wrong)).await;
    check(
        &daemon,
        &id,
        &["400", "unknown function", "no_such_function"],
    )
    .await;
    judge(&wrong)
        .await
        .check(2, &["metric latency", "400", "unknown function"]);

    let empty = template("latencies{${selector}}", SHORT);
    let id = daemon.submit(&body(&empty)).await;
    check(&daemon, &id, &["no metric has data of either arm"]).await;
    let judged = judge(&empty).await;
    assert!(
        judged.code == Some(3) || judged.code == Some(5),
        "{judged:?}"
    );

    // One arm only.
    let half = template("latency{track=\"stable\",${selector}}", SHORT);
    let id = daemon.submit(&body(&half)).await;
    let verdict = daemon.verdict(&id).await;
    assert_eq!(
        (&verdict["verdict"], &verdict["hold"]),
        (&json!("inconclusive"), &json!("arm_absent"))
    );
    assert!(
        verdict["reason"].as_str().unwrap().contains("canary"),
        "{verdict}"
    );

    let longer = "step: 1s, look_every: 4s, bake: 8s, deadline: 12s, lag: 0s";
    let fine = template("latency{${selector}}", longer);
    let id = daemon.submit(&body(&fine)).await;
    let verdict = daemon.verdict(&id).await;
    assert_eq!(verdict["verdict"], "promote", "{verdict}");
    judge(&fine).await.check(0, &["PROMOTE"]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_away_makes_the_verdict_wait_and_then_inconclusive() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let nobody = format!("http://127.0.0.1:{port}");
    let site = Site::new(&[("source.url", &nobody), ("source.attempts_max", "1")]);
    let daemon = site.start().await;
    let fine = |schedule: &str| body(&template("latency{${selector}}", schedule));
    let id = daemon.submit(&fine(SHORT)).await;
    check(&daemon, &id, &["no sample was ever read", "127.0.0.1"]).await;
    let ready = daemon.get("/readyz").await.unwrap();
    assert_eq!(
        ready.status, 200,
        "a source that is away is no reason to refuse: {ready:?}"
    );
    daemon.stop().await;
    let said = haldane(&[
        "judge",
        "-t",
        site.template("t", &template("latency{${selector}}", SHORT))
            .to_str()
            .unwrap(),
        "--baseline",
        "track=\"stable\"",
        "--canary",
        "track=\"canary\"",
        "--start",
        "-30s",
        "--prometheus",
        &nobody,
    ])
    .await;
    said.check(4, &["metric latency", "127.0.0.1"]);

    // In the middle of one analysis, and before the last look of another.
    let server = prometheus();
    let site = Site::new(&[
        ("source.url", server.url().as_str()),
        ("source.attempts_max", "1"),
    ]);
    let daemon = site.start().await;
    let long = "step: 1s, look_every: 2s, bake: 60s, deadline: 90s, lag: 0s, source_grace: 2s";
    let last = "step: 1s, look_every: 4s, bake: 8s, deadline: 8s, lag: 0s, source_grace: 1s";
    let middle = daemon.submit(&fine(long)).await;
    let end = daemon.submit(&fine(last)).await;
    let looked = async {
        loop {
            let document = daemon
                .get(&format!("/v1/analyses/{end}/verdict"))
                .await
                .unwrap()
                .body;
            if document["look"].as_u64().unwrap() > 0 {
                return document;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let document = tokio::time::timeout(std::time::Duration::from_secs(20), looked)
        .await
        .unwrap();
    assert_eq!(document["verdict"], "pending", "{document}");
    drop(server);
    for id in [middle, end] {
        check(
            &daemon,
            &id,
            &["latency", "then the source failed", "127.0.0.1"],
        )
        .await;
        let verdict = daemon.verdict(&id).await;
        assert_eq!(verdict["row"], 6, "{verdict}");
        let reason = verdict["reason"].as_str().unwrap();
        assert!(!reason.contains("time is up"), "it was not: {reason}");
    }
    daemon.stop().await;
}
