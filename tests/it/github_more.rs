//! GitHub and analyses that are only watched, statuses that must not come late, and what the app
//! remembers of its installations.

use crate::github::{ask, decide, rule, site};
use crate::support::daemon::{Daemon, Site};
use crate::support::github::{Github, Mood, Posted};
use crate::support::hook::Hook;
use serde_json::{Value, json};
use std::time::Duration;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Long enough for a busy machine; reaching it means that something never comes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn submitted(daemon: &Daemon, more: &Value) -> String {
    let mut body = json!({
        "template": "web", "inputs": { "service": "shop" },
        "baseline": "track=\"baseline\"", "canary": "track=\"canary\"",
        "deploy": { "service": "shop", "commit": COMMIT, "id": "97" },
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    daemon.submit(&body).await
}

/// The messages of an analysis once none is pending.
async fn settled(daemon: &Daemon, id: &str) -> Vec<Value> {
    until(daemon, id, |all| {
        all.iter().all(|one| one["state"] != "pending")
    })
    .await
}

/// The messages of an analysis once they are so.
async fn until(daemon: &Daemon, id: &str, so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let path = format!("/v1/analyses/{id}/deliveries");
    let reached = async {
        loop {
            let answer = daemon.get(&path).await.unwrap();
            let all = answer.body["deliveries"].as_array().unwrap().clone();
            if so(&all) {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // nothing announces it
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap()
}

fn receivers(site: &mut Site, github: &Github, more: &str) {
    let base = format!("http://{}/repos/acme/shop", github.address);
    let one = |form: &str| format!("{{ form = \"github-{form}-status\", url = \"{base}\"{more} }}");
    let both = format!("[{}, {}]", one("commit"), one("deployment"));
    site.set("webhooks.receivers", &both);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_analysis_sets_no_status_and_sends_no_approval() {
    let github = Github::start(3600).await;
    let hook = Hook::start().await;
    let mut site = site(&github);
    receivers(&mut site, &github, "");
    let daemon = site.start().await;
    let hears = json!([{ "url": hook.url("approvals"), "form": "cdevents-approval" }]);
    let id = submitted(&daemon, &json!({ "shadow": true, "webhooks": hears })).await;
    decide(&daemon, &id, "rollback").await;
    let told = settled(&daemon, &id).await;
    assert_eq!(told.len(), 6, "{told:#?}");
    for one in &told {
        let said = (&one["state"], &one["detail"]);
        let wanted = (
            &json!("refused"),
            &json!("not sent: the analysis is in shadow mode"),
        );
        assert_eq!(said, wanted, "{one}");
    }
    assert!(github.posted().is_empty(), "{:#?}", github.posted());
    assert!(hook.arrived().is_empty());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_waits_for_a_watched_analysis_goes_on_at_once() {
    let github = Github::start(3600).await;
    let mut site = site(&github);
    site.set("coordination.shadow", "true");
    let daemon = site.start().await;
    github.mood(Mood::Fail(503)); // the answer is owed, however long it takes
    let id = ask(&daemon, &rule(&github, 77), "delivery-1").await;
    github.reaches(1).await;
    github.mood(Mood::Accept);
    let posted: Posted = github.reaches(2).await;
    assert_eq!(posted.body["state"], "approved", "{posted:?}");
    let comment = posted.body["comment"].as_str().unwrap();
    assert!(comment.starts_with("**only watched**"), "{comment}");
    decide(&daemon, &id, "rollback").await;
    let told = settled(&daemon, &id).await;
    assert_eq!(told.len(), 1, "nothing is said of the verdict: {told:#?}");
    assert_eq!(
        (&told[0]["state"], &told[0]["status"]),
        (&json!("delivered"), &json!(204))
    );
    assert_eq!(github.posted().len(), 2);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_before_the_verdict_is_said_at_once_or_not_at_all() {
    let github = Github::start(3600).await;
    let mut site = site(&github);
    receivers(&mut site, &github, "");
    // Whatever word stands for it.
    site.configure("[dialects.github]\npending = \"doubt\"\ninconclusive = \"wait\"\n");
    let daemon = site.start().await;
    github.mood(Mood::Fail(503));
    let id = submitted(&daemon, &json!({})).await;
    for one in settled(&daemon, &id).await {
        let said = (&one["state"], &one["attempts"], &one["log"][0]["status"]);
        assert_eq!(said, (&json!("refused"), &json!(1), &json!(503)), "{one}");
    }
    // The verdict is owed, also where its word is the one for `under way`.
    decide(&daemon, &id, "inconclusive").await;
    let is_verdict = |one: &&Value| one["moment"] == "verdict";
    let tried = |all: &[Value]| {
        let all: Vec<_> = all.iter().filter(is_verdict).collect();
        all.len() == 2 && all.iter().all(|one| one["attempts"] != 0)
    };
    let told = until(&daemon, &id, tried).await;
    for one in told.iter().filter(is_verdict) {
        assert_eq!(one["state"], "pending", "{one}");
        assert_eq!(one["log"][0]["status"], 503, "{one}");
    }
    github.mood(Mood::Accept);
    let told = settled(&daemon, &id).await;
    for one in told.iter().filter(is_verdict) {
        assert_eq!(
            (&one["state"], &one["status"]),
            (&json!("delivered"), &json!(201)),
            "{one}"
        );
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hears_of_some_verdicts_only_is_not_told_of_the_start() {
    let github = Github::start(3600).await;
    let mut site = site(&github);
    receivers(&mut site, &github, ", verdicts = [\"rollback\"]");
    let daemon = site.start().await;
    let id = submitted(&daemon, &json!({})).await;
    decide(&daemon, &id, "promote").await;
    assert_eq!(settled(&daemon, &id).await, Vec::<Value>::new());
    let deploy = json!({ "service": "shop", "commit": COMMIT, "id": "98" });
    let id = submitted(&daemon, &json!({ "deploy": deploy })).await;
    decide(&daemon, &id, "rollback").await;
    let told = settled(&daemon, &id).await;
    let moments: Vec<_> = told.iter().map(|one| &one["moment"]).collect();
    assert_eq!(moments, ["verdict", "verdict"]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_was_installed_anew_is_found_again() {
    let github = Github::start(3600).await;
    let daemon = site(&github).start().await;
    let id = ask(&daemon, &rule(&github, 77), "delivery-1").await;
    decide(&daemon, &id, "promote").await;
    settled(&daemon, &id).await;
    assert_eq!(github.handed_out(), (1, 1));
    // What was remembered is no longer there: the next attempt looks it up again.
    github.mood(Mood::Lose(1));
    let id = ask(&daemon, &rule(&github, 78), "delivery-2").await;
    decide(&daemon, &id, "promote").await;
    let told = settled(&daemon, &id).await;
    assert_eq!(
        (&told[0]["state"], &told[0]["attempts"]),
        (&json!("delivered"), &json!(2))
    );
    let statuses: Vec<_> = told[0]["log"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(statuses, [&json!(404), &json!(204)]);
    assert_eq!(github.handed_out(), (2, 2));
    // Where nothing was remembered, 404 is the last word, and nothing is kept of it.
    github.mood(Mood::Lose(9));
    let id = ask(&daemon, &rule(&github, 79), "delivery-3").await;
    decide(&daemon, &id, "promote").await;
    let told = settled(&daemon, &id).await;
    assert_eq!(
        (&told[0]["state"], &told[0]["attempts"]),
        (&json!("refused"), &json!(2))
    );
    assert_eq!(github.handed_out(), (3, 3));
    github.check();
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_secrets_are_neither_empty_nor_endless() {
    let github = Github::start(3600).await;
    let one = |site: &Site| format!("\"file:{}\"", site.path("hook.secret").display());
    for (name, value, wanted) in [
        ("github.secrets", 9, "github.secrets: 9 secrets; at most 8"),
        ("webhooks.key", 0, "an empty list would sign nothing"),
        (
            "webhooks.source",
            0,
            "webhooks.source: `a b` is no URI reference",
        ),
        (
            "webhooks.keys",
            0,
            "an empty list would sign nothing; name a key, or remove the line for key \
             `webhooks.keys.argo`",
        ),
    ] {
        let mut site = site(&github);
        let list = format!("[{}]", vec![one(&site); value].join(", "));
        let list = if name == "webhooks.keys" {
            format!("{{ argo = {list} }}")
        } else if name == "webhooks.source" {
            "a b".to_owned()
        } else {
            list
        };
        site.set(name, &list);
        let Err(ended) = site.spawn().await else {
            panic!("{name} = {list} is taken");
        };
        assert!(ended.said.contains(wanted), "{name}: {}", ended.said);
        assert_eq!(ended.code, Some(2), "{name}");
    }
}
