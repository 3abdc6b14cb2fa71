//! A store that is taken, newer, locked or full, and a port that is taken: told clearly, and
//! nothing acknowledged is lost.

use crate::bad_input::check_unharmed;
use crate::serve_drain::{SCENARIO, TEMPLATE, submission};
use crate::support::daemon::{Ended, Site};
use rusqlite::Connection;
use serde_json::Value;
use std::time::Duration;

fn site() -> Site {
    let site = Site::simulated(SCENARIO);
    site.template("short", TEMPLATE);
    site
}

fn check_ended(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, Some(4), "{ended:?}");
    for part in parts {
        assert!(ended.said.contains(part), "{part:?} in {}", ended.said);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_is_not_taken_over() {
    let mut site = site();
    let daemon = site.start().await;
    let ended = site.spawn().await.err().unwrap();
    let path = site.store().display().to_string();
    check_ended(
        &ended,
        &[&path, "another haldane has it open", "another path"],
    );
    let address = daemon.url().trim_start_matches("http://").to_owned();
    site.set("server.listen", &address);
    site.set("store.path", &site.path("other.db").display().to_string());
    let ended = site.spawn().await.err().unwrap();
    check_ended(
        &ended,
        &[
            &address,
            "stop what listens there or choose another address",
        ],
    );
    assert!(!site.path("other.db").exists());
    check_unharmed(&daemon).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_ours_is_left_alone() {
    let site = site();
    site.start().await.stop().await;
    let connection = Connection::open(site.store()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    let before = std::fs::read(site.store()).unwrap();
    let ended = site.spawn().await.err().unwrap();
    check_ended(
        &ended,
        &["schema 99", "this program knows up to 2", "newer one"],
    );
    assert_eq!(std::fs::read(site.store()).unwrap(), before);
    std::fs::write(site.store(), "my shopping list").unwrap();
    let ended = site.spawn().await.err().unwrap();
    check_ended(
        &ended,
        &["no SQLite database", "left as it is", "choose another path"],
    );
    assert_eq!(std::fs::read(site.store()).unwrap(), b"my shopping list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_store_refuses_and_recovers() {
    let site = site();
    let daemon = site.start().await;
    let known = daemon.submit(&submission(120, &[])).await;
    daemon.verdict(&known).await;
    let other = Connection::open(site.store()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // What met the lock waits to become durable; what comes after it is refused at once.
    let first = daemon.post_later("/v1/analyses", &submission(120, &[]));
    daemon.not_ready(&["store"]).await;
    let refused = daemon.post("/v1/analyses", &submission(120, &[])).await;
    refused.check(
        503,
        "store_unavailable",
        &["nothing was recorded", "/readyz"],
    );
    assert!(
        daemon.log().contains("the decision log cannot be written"),
        "{}",
        daemon.log()
    );
    assert_eq!(daemon.verdict(&known).await["final"], true);
    other.execute_batch("ROLLBACK").unwrap();
    let first = first.await.unwrap();
    assert_eq!(first.status, 201, "{first:?}");
    daemon.ready().await;
    assert_eq!(
        daemon.verdict(&first.text("id")).await["verdict"],
        "promote"
    );
    check_unharmed(&daemon).await;
    daemon.stop().await;
    // Locked at the start as well.
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let ended = site.spawn().await.err().unwrap();
    let path = site.store().display().to_string();
    check_ended(&ended, &[&path, "lock"]);
    drop(other);
    let daemon = site.start().await;
    assert_eq!(daemon.verdict(&known).await["verdict"], "promote");
    daemon.stop().await;
}

/// A limit on the size of files stands in for a full disk: writes beyond it fail.
const FULL: &str = "trap '' XFSZ; ulimit -f 160";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_loses_nothing() {
    let site = site();
    let daemon = site.spawn_under(FULL).await.unwrap();
    daemon.ready().await;
    let mut taken: Vec<String> = Vec::new();
    loop {
        let asked = daemon.post_later("/v1/analyses", &submission(120, &[]));
        tokio::select! {
            answer = asked => {
                let answer = answer.unwrap();
                if answer.status == 503 {
                    answer.check(503, "store_unavailable", &["nothing was recorded"]);
                    break;
                }
                assert_eq!(answer.status, 201, "{answer:?}");
                taken.push(answer.text("id"));
            }
            () = daemon.not_ready(&["store"]) => {}
        }
        assert!(taken.len() < 1000, "the disk was never full");
    }
    assert!(!taken.is_empty());
    assert_eq!(daemon.get("/readyz").await.unwrap().status, 503);
    assert_eq!(daemon.get("/healthz").await.unwrap().status, 200);
    let seen: Vec<Value> = daemon.get("/v1/analyses?limit=500").await.unwrap().body["analyses"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(seen.len(), taken.len());
    daemon.terminate();
    let ended = daemon.ended(Duration::from_secs(25)).await;
    assert_eq!(ended.code, Some(0), "{}", ended.said);

    let daemon = site.start().await;
    for id in &taken {
        assert_eq!(daemon.verdict(id).await["verdict"], "promote");
    }
    for document in seen.iter().filter(|document| document["final"] == true) {
        let after = daemon.verdict(document["id"].as_str().unwrap()).await;
        assert_eq!(after["reason"], document["reason"]);
    }
    daemon.stop().await;
    let connection = Connection::open(site.store()).unwrap();
    let sound: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}
