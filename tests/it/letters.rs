//! What a daemon has sent, from its log: the bytes that arrived are rendered from it once more,
//! by a daemon that was started anew, and without any daemon at all.

use crate::store::open;
use crate::support::daemon::{Daemon, Site, haldane};
use crate::support::hook::{Arrived, Hook};
use haldane::engine::subscription::Moment;
use haldane::ids::{AnalysisId, DeliveryId};
use haldane::serve::letters;
use haldane::time::Timestamp;
use haldane::wire::event::moment_event;
use serde_json::{Value, json};

const SCENARIO: &str = "
apiVersion: haldane/v1
kind: Scenario
metadata: { name: letters }
spec:
  seed: 7
  scrape: 1s
  services:
    - name: shop
      gauges: [{ metric: latency, level: 0.2, noise: 0.02 }]
";

const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: quick }
spec:
  judge: { method: mann-whitney }
  schedule: { step: 1s, look_every: 1s, bake: 10m, deadline: 20m, lag: 1s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      series: { query: 'latency{service=\"shop\",${selector}}' }
";

async fn submitted(daemon: &Daemon, hook: &Hook, revision: &str, moments: &[&str]) -> String {
    let body = json!({
        "template": "quick",
        "baseline": {"track": "stable"},
        "canary": {"track": "canary"},
        "deploy": {"service": "shop", "revision": revision},
        "webhooks": [{ "url": hook.url("all"), "moments": moments }],
    });
    daemon.submit(&body).await
}

async fn decided(daemon: &Daemon, id: &str, verdict: &str) {
    let body = json!({"verdict": verdict, "reason": "a test", "author": "ada"});
    let path = format!("/v1/analyses/{id}/override");
    let answer = daemon.post(&path, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn of(arrived: &[Arrived], moment: &str) -> Arrived {
    let kind = format!("haldane.{moment}.v1");
    let found = arrived
        .iter()
        .find(|one| one.event()["type"] == kind.as_str());
    found.unwrap_or_else(|| panic!("no {moment}")).clone()
}

/// The same message from the records alone.
fn from_log(site: &Site, arrived: &Arrived) -> Vec<u8> {
    let (store, _) = open(&site.store());
    let event: Value = arrived.event();
    let text = |field: &str| event[field].as_str().unwrap().to_owned();
    let name = DeliveryId::new(&arrived.id).unwrap();
    let found = letters::found(&store, &name).unwrap().unwrap();
    let view = found.said(&name).unwrap();
    let id = AnalysisId::new(&text("subject")).unwrap();
    assert_eq!(letters::said(&store, &id, &name).unwrap(), view);
    let nobody = DeliveryId::new("msg_none").unwrap();
    assert_eq!(letters::found(&store, &nobody).unwrap(), None);
    let kind = text("type");
    let word = kind.strip_prefix("haldane.").unwrap().strip_suffix(".v1");
    let moment = Moment::from_word(word.unwrap()).unwrap();
    let born = Timestamp::parse(&text("time")).unwrap();
    moment_event(moment, (&view, born), &name, &text("source"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_sent_once_more_with_the_bytes_it_had() {
    let site = Site::simulated(SCENARIO);
    site.template("quick", TEMPLATE);
    let hook = Hook::start().await;
    let daemon = site.start().await;
    let good = submitted(&daemon, &hook, "1.0", &["override"]).await;
    decided(&daemon, &good, "promote").await;
    hook.reaches(1).await;
    let bad = submitted(&daemon, &hook, "1.1", &["started", "look", "verdict"]).await;
    hook.reaches(3).await; // its start and at least one look
    decided(&daemon, &bad, "rollback").await;
    let verdict = loop {
        let arrived = hook.arrived();
        let mut verdicts = arrived
            .iter()
            .filter(|one| one.event()["type"] == "haldane.verdict.v1");
        if let Some(verdict) = verdicts.next() {
            break verdict.clone();
        }
        hook.reaches(arrived.len() + 1).await;
    };
    assert_eq!(
        verdict.event()["data"]["last_good"]["analysis"],
        good.as_str()
    );
    daemon.stop().await;

    let told = hook.arrived();
    let kinds = ["override", "started", "look", "verdict"].map(|moment| of(&told, moment));
    for one in &kinds {
        let log = from_log(&site, one);
        assert_eq!(String::from_utf8(log), String::from_utf8(one.body.clone()));
    }
    let daemon = site.start().await;
    for one in &kinds {
        let known = hook.arrived().len();
        let args = [
            "deliveries",
            "redeliver",
            &one.id,
            "--author",
            "ada",
            "--server",
            daemon.url(),
        ];
        haldane(&args).await.check(0, &[&one.id, "pending"]);
        hook.reaches(known + 1).await;
        let again = hook.since(known);
        assert_eq!((&again[0].id, &again[0].body), (&one.id, &one.body));
    }
    hook.check_signatures();
    daemon.stop().await;
}
