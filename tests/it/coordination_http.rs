//! Coordination at the door: freezes, steps, and what a submission says of others.

use crate::http_fixture::{Asked, Door, Setup, open, submission};
use crate::http_requests::{Case, check};
use crate::serve_drain::{SCENARIO, TEMPLATE, submission as rollout};
use crate::support::daemon::{Site, haldane};
use haldane::engine::coordination::policy::{Policies, Policy};
use haldane::engine::coordination::{Concurrent, Coordination, Release, Wave};
use serde_json::json;
use std::collections::BTreeMap;

const JSON: &str = "content-type: application/json\r\n";

fn submitted(door: &Door) -> Coordination {
    let asked = door.asked.lock().unwrap();
    match asked.last().unwrap() {
        Asked::Submit(submission) => submission.coordination.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_field() {
    let door = open(Setup::default()).await;
    let bad = [
        (r#","release":{"group":""}"#, "release.group"),
        (r#","release":{"group":"r","orders":1}"#, "release.orders"),
        (r#","release":["r"]"#, "release"),
        (r#","wave":{"name":"v2"}"#, "0 is no wave; the first is 1"),
        (r#","wave":{"name":"v2","index":101}"#, "wave.index"),
        (r#","shadow":"yes""#, "shadow"),
    ];
    let bodies = bad.map(|(more, word)| (submission(more), [word]));
    let invalid = "invalid_submission";
    let mut cases: Vec<Case<'_>> = bodies
        .iter()
        .map(|(body, words)| {
            let words: &[&str] = words;
            let case: Case<'_> = ("POST", "/v1/analyses", JSON, body, 422, invalid, words);
            case
        })
        .collect();
    let freezes = "/v1/freezes";
    let unknown = "/v1/freezes/f1/lift";
    let lift = r#"{"reason":"over","author":"ada"}"#;
    cases.extend([
        ("GET", freezes, "", "", 200, "", &[r#""freezes":[]"#][..]),
        ("POST", freezes, JSON, "{}", 422, invalid, &["reason"][..]),
        (
            "POST",
            freezes,
            JSON,
            r#"{"reason":"r","author":"ada","until":"soon"}"#,
            422,
            invalid,
            &["neither an instant nor a length"][..],
        ),
        (
            "POST",
            freezes,
            JSON,
            r#"{"reason":"r","author":"ada","until":"2026-01-01T00:00:00Z"}"#,
            422,
            invalid,
            &["is over already"][..],
        ),
        ("POST", unknown, JSON, lift, 404, "unknown_freeze", &[][..]),
        (
            "POST",
            "/v1/analyses/a9/step",
            JSON,
            r#"{"share":0.2}"#,
            404,
            "unknown_analysis",
            &[][..],
        ),
        (
            "POST",
            "/v1/analyses/a9/step",
            JSON,
            r#"{"share":1}"#,
            422,
            invalid,
            &["1 is no share of a step"][..],
        ),
    ]);
    check(&door, &cases).await;
    let begun = r#"{"reason":"incident","author":"ada","service":"shop","until":"2h"}"#;
    let cases: &[Case<'_>] = &[
        (
            "POST",
            freezes,
            JSON,
            begun,
            200,
            "",
            &[r#""until":"2026-01-02T05:04:00Z""#, r#""id":"freeze-a"#],
        ),
        ("GET", freezes, "", "", 200, "", &[r#""service":"shop""#]),
    ];
    check(&door, cases).await;
}

#[tokio::test]
async fn a_submission_says_how_it_stands_to_others_and_the_configuration_the_rest() {
    let own = Policy {
        concurrent: Some(Concurrent::Queue),
        shadow: Some(true),
    };
    let coordination = Policies {
        usual: Policy {
            concurrent: Some(Concurrent::Refuse),
            shadow: None,
        },
        templates: BTreeMap::from([("checkout".to_owned(), own)]),
    };
    assert_eq!(coordination.concurrent("other"), Concurrent::Refuse);
    let door = open(Setup {
        coordination,
        ..Setup::default()
    })
    .await;
    let more = r#","release":{"group":"r1","members":["shop","cart"],"order":2},
        "wave":{"name":"v2","index":3},"shadow":false"#;
    let reply = door
        .send("POST", "/v1/analyses", JSON, &submission(more))
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let wanted = Coordination {
        shadow: false,
        concurrent: Concurrent::Queue,
        release: Some(Release {
            group: "r1".to_owned(),
            members: vec!["shop".to_owned(), "cart".to_owned()],
            order: Some(2),
        }),
        wave: Some(Wave {
            name: "v2".to_owned(),
            index: 3,
        }),
    };
    assert_eq!(submitted(&door), wanted);
    let reply = door
        .send("POST", "/v1/analyses", JSON, &submission(""))
        .await;
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert!(submitted(&door).shadow, "its template's");
    // Nobody waits for a shadow, and its document says what it is.
    let path = format!("/v1/analyses/{id}/verdict?wait=60s");
    let reply = door.send("GET", &path, "", "").await;
    assert_eq!(reply.json()["shadow"], true);
    assert_eq!(reply.json()["verdict"], "promote", "a gate lets it pass");
    let whole = door
        .send("GET", &format!("/v1/analyses/{id}"), "", "")
        .await;
    assert_eq!(whole.json()["verdict"], "pending");
    assert_eq!(reply.json()["coordination"]["concurrent"], "queue");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_and_a_queue_outlive_the_daemon() {
    let mut site = Site::simulated(SCENARIO);
    site.set("coordination.concurrent", "queue");
    site.template("short", TEMPLATE);
    let daemon = site.start().await;
    let freeze = json!({"service": "fine", "reason": "stocktaking", "author": "ada"});
    let frozen = daemon.post("/v1/freezes", &freeze).await;
    assert_eq!(frozen.status, 200, "{frozen:?}");
    let freeze = frozen.text("id");
    // Its window is over but for the last look, and it is healthy.
    let mut first = rollout(70, &[]);
    first["deploy"]["id"] = json!("d1");
    let first = daemon.submit(&first).await;
    let mut second = rollout(0, &[]);
    second["deploy"]["id"] = json!("d2");
    let second = daemon.submit(&second).await;
    daemon.kill();

    let daemon = site.start().await;
    daemon.ready().await;
    let said = haldane(&["freeze", "list", "--server", daemon.url()]).await;
    said.check(0, &[&freeze, "service fine", "by ada: stocktaking"]);
    let waits = daemon.get(&format!("/v1/analyses/{second}")).await.unwrap();
    assert_eq!(waits.body["status"], "waiting", "{waits:?}");
    assert_eq!(waits.body["coordination"]["waits_for"], first, "{waits:?}");
    // Frozen at its deadline: inconclusive, and the next in the queue begins.
    let verdict = daemon.verdict(&first).await;
    assert_eq!(verdict["verdict"], "inconclusive", "{verdict}");
    assert_eq!(verdict["hold"], "frozen", "{verdict}");
    let begun = daemon.get(&format!("/v1/analyses/{second}")).await.unwrap();
    assert!(begun.body["next_look_at"].is_string(), "{begun:?}");
    let lift = [
        "freeze",
        "lift",
        &freeze,
        "--reason",
        "done",
        "--author",
        "ada",
        "--server",
        daemon.url(),
    ];
    haldane(&lift).await.check(0, &[&freeze]);
    let list = daemon.get("/v1/freezes").await.unwrap();
    assert_eq!(list.body["freezes"], json!([]), "{list:?}");
    daemon.stop().await;
}
