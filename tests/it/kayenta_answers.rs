//! What is answered of executions in each state, and of those that were half forgotten.

use crate::http_fixture::{Mood, Setup, id, open, submission};
use crate::kayenta_api::{config, hour, kept, post, refused, started};
use haldane::dialect::Dialects;
use haldane::engine::coordination::policy::{Policies, Policy};
use haldane::engine::verdict::Verdict;
use haldane::http::Change;
use serde_json::json;
use std::collections::BTreeMap;

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
    let own = door.submitted(&submission("")).await;
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
        mood: Mood::StoreDown,
        ..Setup::default()
    })
    .await;
    let reply = post(&door, "/kayenta/canaryConfig", &config()).await;
    refused(&reply, 503, &[]);
    assert!(reply.header("retry-after") == "5", "{reply:?}");
    assert!(!reply.body.contains("fire"), "{reply:?}");
    let list = door.get("/kayenta/canaryConfig").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

/// A caller takes what is complete without a score for a failure, so nothing is: what is told to go
/// on or to stop before there is a verdict has a score that says so.
#[tokio::test]
async fn whatever_is_complete_has_a_score() {
    let shadow = Policies {
        usual: Policy {
            shadow: Some(true),
            ..Policy::default()
        },
        ..Policies::default()
    };
    let pending = |word: &str| {
        let states = BTreeMap::from([("pending".to_owned(), word.to_owned())]);
        Dialects::with(&BTreeMap::from([("kayenta".to_owned(), states)])).unwrap()
    };
    let cases: [(Policies, Dialects, (f64, f64), &str); 4] = [
        (shadow, Dialects::default(), (90.0, 100.0), "Pass"),
        (Policies::default(), pending("go"), (90.0, 100.0), "Pass"),
        (Policies::default(), pending("stop"), (-1.0, 74.9), "Fail"),
        (
            Policies::default(),
            pending("doubt"),
            (75.1, 89.9),
            "Marginal",
        ),
    ];
    for (coordination, dialects, (low, high), class) in cases {
        let is_shadow = coordination != Policies::default();
        let door = open(Setup {
            coordination,
            dialects,
            ..Setup::default()
        })
        .await;
        let config_id = kept(&door, &config()).await;
        let execution = started(&door, &format!("/kayenta/canary/{config_id}"), &hour()).await;
        let one = format!("/kayenta/canary/{execution}");
        let tell = async || {
            let said = door.get(&one).await.json();
            assert_eq!(said["complete"], true, "{class} {said}");
            assert_eq!(said["status"], "succeeded", "{class} {said}");
            let score = &said["result"]["judgeResult"]["score"];
            let number = score["score"].as_f64().unwrap();
            assert!((low..=high).contains(&number), "{class} {score}");
            assert_eq!(score["classification"], class);
            said
        };
        let before = tell().await;
        assert!(before.get("endTimeIso").is_none());
        if !is_shadow {
            continue;
        }
        // Its callers are told to go on also when somebody stops it.
        let cancel = format!("/kayenta/pipelines/{execution}/cancel");
        assert_eq!(door.send("PUT", &cancel, "", "").await.status, 200);
        let after = tell().await;
        // The makeshift was not kept: this is the whole result.
        assert_eq!(
            after["result"]["judgeResult"]["results"][0]["name"],
            "latency p99"
        );
    }
}

/// Without the caller's thresholds nothing but a promote may pass.
#[tokio::test]
async fn lost_thresholds_fail_safe() {
    let door = open(Setup::default()).await;
    let config_id = kept(&door, &config()).await;
    let mut strict = hour();
    strict["thresholds"] = json!({ "pass": 99, "marginal": 98 });
    for (verdict, wanted) in [
        (Verdict::Promote, 100.0),
        (Verdict::Inconclusive, -1.0),
        (Verdict::Rollback, -1.0),
    ] {
        let path = format!("/kayenta/canary/{config_id}?application={}", verdict.word());
        let execution = started(&door, &path, &strict).await;
        door.conclude(&execution, verdict);
        let one = format!("/kayenta/canary/{execution}");
        let score = async || {
            let said = door.get(&one).await.json();
            said["result"]["judgeResult"]["score"]["score"].clone()
        };
        let told = score().await;
        let paper = door.papers.get("kayenta.execution", &execution).unwrap();
        door.papers.apply(&Change::Remove(paper.clone()));
        assert_eq!(score().await, json!(wanted), "{verdict:?}");
        // What was told of the other paper is not told of none, nor the other way round.
        door.papers.apply(&Change::Keep(paper));
        assert_eq!(score().await, told, "{verdict:?}");
    }
}

/// As many executions as are remembered: those whose callers may still ask never make room.
#[tokio::test]
async fn only_what_ended_long_ago_is_forgotten() {
    let door = open(Setup::default()).await;
    let config_id = kept(&door, &config()).await;
    let path = format!("/kayenta/canary/{config_id}");
    let first = started(&door, &path, &hour()).await;
    let paper = door.papers.get("kayenta.execution", &first).unwrap();
    // All the others are under way, too.
    let view = door.readings.all().remove(0);
    for number in 100..5099 {
        let (mut paper, mut view) = ((*paper).clone(), (*view).clone());
        view.id = id(number);
        paper.name = view.id.to_string();
        door.readings.publish(view.into());
        door.papers.apply(&Change::Keep(paper.into()));
    }
    let again = async |application: &str| {
        let path = format!("{path}?application={application}");
        post(&door, &path, &hour()).await
    };
    let submitted = door.readings.all().len();
    refused(
        &again("a").await,
        503,
        &["5000", "at most 5000", "cancel some"],
    );
    assert_eq!(door.readings.all().len(), submitted, "nothing was started");
    // One that has just ended is still asked for; an hour later it makes room.
    door.conclude(&first, Verdict::Promote);
    refused(&again("b").await, 503, &["5000"]);
    assert!(door.papers.get("kayenta.execution", &first).is_some());
    door.clock
        .fetch_add(3_600_000, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(again("c").await.status, 200);
    assert!(door.papers.get("kayenta.execution", &first).is_none());
    assert_eq!(door.papers.count("kayenta.execution"), 5000);
}

/// All papers together have a limit of bytes.
#[tokio::test]
async fn papers_have_a_limit_of_bytes() {
    let door = open(Setup::default()).await;
    let config_id = kept(&door, &config()).await;
    let paper = door.papers.get("kayenta.config", &config_id).unwrap();
    let before = door.papers.bytes();
    let mut huge = (*paper).clone();
    huge.name = "huge".to_owned();
    huge.body = " ".repeat(256 * 1024 * 1024 - before).into();
    let huge = std::sync::Arc::new(huge);
    door.papers.apply(&Change::Keep(huge.clone()));
    assert_eq!(door.papers.bytes(), 256 * 1024 * 1024);
    let mut other = config();
    other["name"] = json!("other");
    let reply = post(&door, "/kayenta/canaryConfig", &other).await;
    refused(&reply, 400, &["268435456", "delete some"]);
    let path = format!("/kayenta/canary/{config_id}");
    refused(&post(&door, &path, &hour()).await, 503, &["268435456"]);
    assert!(door.readings.all().is_empty());
    door.papers.apply(&Change::Remove(huge));
    assert_eq!(door.papers.bytes(), before);
    assert_eq!(post(&door, &path, &hour()).await.status, 200);
}

/// A result is made once, whoever asks for it and however often.
#[tokio::test]
async fn a_final_answer_is_made_once() {
    let door = open(Setup::default()).await;
    let config_id = kept(&door, &config()).await;
    let execution = started(&door, &format!("/kayenta/canary/{config_id}"), &hour()).await;
    let one = format!("/kayenta/canary/{execution}");
    let reads = || door.reads.load(std::sync::atomic::Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(door.get(&one).await.json()["complete"], false);
    }
    assert_eq!(reads(), 0, "what is under way has no result");
    door.conclude(&execution, Verdict::Promote);
    let said = door.get(&one).await.body;
    for _ in 0..3 {
        assert_eq!(door.get(&one).await.body, said);
    }
    let alone = format!("/kayenta/canaryJudgeResult/{execution}");
    assert_eq!(door.get(&alone).await.status, 200);
    let list = door.get("/kayenta/canary/executions").await.json();
    assert_eq!(list[0]["pipelineId"], *execution);
    assert_eq!(reads(), 1);
}
