//! Standalone analyses: which windows are judged, how the whole ends, and that it is started as a
//! whole or not at all.

use crate::http_fixture::{Asked, Door, Setup, open};
use crate::kayenta_api::{config, kept, plans, post, refused};
use haldane::engine::verdict::Verdict;
use haldane::time::Timestamp;
use serde_json::{Value, json};

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
    let offset = |minutes: Value| {
        let mut body = with(&config(), json!({ "lifetimeDurationMins": 60 }));
        body["executionRequest"]["scopes"][0]["controlOffsetInMinutes"] = minutes;
        body
    };
    let mut twice = with(&config(), json!({ "lifetimeDurationMins": 60 }));
    let scopes = twice["executionRequest"]["scopes"].as_array_mut().unwrap();
    scopes.push(scopes[0].clone());
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
        (
            with(
                &config(),
                json!({ "lifetimeDurationMins": 60, "lookbackMins": -5 }),
            ),
            "lookbackMins must be a number of minutes from 0",
        ),
        (
            with(
                &config(),
                json!({ "lifetimeDurationMins": 60, "lookbackMins": 61 }),
            ),
            "longer than the whole lifetime",
        ),
        (
            with(
                &config(),
                json!({ "lifetimeDurationMins": 60, "lookbackMins": 1e15 }),
            ),
            "lookbackMins must be a number of minutes from 0 to 527040",
        ),
        (offset(json!(-1440)), "controlOffsetInMinutes must be"),
        (offset(json!(1e15)), "controlOffsetInMinutes must be"),
        (offset(json!("a day")), "controlOffsetInMinutes must be"),
        (offset(json!(90)), "begins 1h30m earlier"),
        (twice, "scope default is given twice"),
    ] {
        refused(&post(&door, path, &body).await, 400, &[part]);
    }
    assert!(plans(&door).is_empty());
    assert_eq!(post(&door, path, &offset(json!(1440))).await.status, 200);
    let back = plans(&door).remove(0).shifted.as_ref().unwrap().back;
    assert_eq!(back.to_string(), "1d");
    let whole = with(
        &sequential,
        json!({ "lifetimeDurationMins": 60, "analysisIntervalMins": 5 }),
    );
    assert_eq!(post(&door, path, &whole).await.status, 200);
    assert_eq!(plans(&door).len(), 2);
}

/// A request for three judgements over the coming hour.
fn three() -> Value {
    json!({
        "scopes": [{ "controlScope": "v1", "controlLocation": "eu", "experimentScope": "v2",
            "experimentLocation": "eu", "step": 60 }],
        "thresholds": { "pass": 75, "marginal": 50 },
        "lifetimeDurationMins": 60,
        "analysisIntervalMins": 20,
    })
}

const PATH: &str = "/kayenta/standalone_canary_analysis";

/// Starts a standalone analysis; its id and those of its executions.
async fn begun(door: &Door, body: &Value) -> (String, Vec<String>) {
    let known = door.readings.all().len();
    let whole = json!({ "canaryConfig": config(), "executionRequest": body });
    let reply = post(door, PATH, &whole).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let id = reply.json()["canaryAnalysisExecutionId"].clone();
    let views = door.readings.all();
    let ids = views.iter().skip(known).map(|view| view.id.to_string());
    (id.as_str().unwrap().to_owned(), ids.collect())
}

fn cancels(door: &Door) -> usize {
    let asked = door.asked.lock().unwrap();
    let cancels = asked.iter().filter(|one| matches!(one, Asked::Cancel(..)));
    cancels.count()
}

/// Everything is checked before anything is started.
#[tokio::test]
async fn a_whole_that_cannot_be_judged_in_part_is_not_begun() {
    let door = open(Setup::default()).await;
    // The first window has too few points for the least evidence; the others have enough.
    let mut request = three();
    request["lifetimeDurationMins"] = json!(8);
    request["analysisIntervalMins"] = json!(2);
    let whole = json!({ "canaryConfig": config(), "executionRequest": request });
    let reply = post(&door, PATH, &whole).await;
    refused(&reply, 400, &["evidence"]);
    request["scopes"][0]["controlOffsetInMinutes"] = json!(4);
    request["analysisIntervalMins"] = json!(4);
    // The second window is 8 minutes long, so 4 minutes before is no usual time.
    let whole = json!({ "canaryConfig": config(), "executionRequest": request });
    refused(
        &post(&door, PATH, &whole).await,
        400,
        &["begins 4m earlier"],
    );
    assert!(door.readings.all().is_empty() && plans(&door).is_empty());
}

/// What was started is stopped when the rest cannot be.
#[tokio::test]
async fn a_whole_that_breaks_at_its_start_leaves_nothing_running() {
    let door = open(Setup {
        submissions_max: 2,
        ..Setup::default()
    })
    .await;
    let whole = json!({ "canaryConfig": config(), "executionRequest": three() });
    let reply = post(&door, PATH, &whole).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    let views = door.readings.all();
    assert_eq!((views.len(), cancels(&door)), (2, 2));
    assert!(views.iter().all(|view| view.conclusion.is_some()));
    assert_eq!(door.papers.count("kayenta.analysis"), 0);
}

/// The judgements of one analysis are about one deploy, which is never in its own way; another
/// analysis is about another.
#[tokio::test]
async fn all_judgements_are_of_one_deploy() {
    let door = open(Setup::default()).await;
    begun(&door, &three()).await;
    let mut other = three();
    other["thresholds"]["pass"] = json!(80);
    begun(&door, &other).await;
    let deploys: Vec<String> = plans(&door)
        .iter()
        .map(|plan| plan.rollout.deploy.id.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(deploys.len(), 6);
    assert!(deploys[..3].iter().all(|id| *id == deploys[0]));
    assert!(deploys[3..].iter().all(|id| *id == deploys[3]));
    assert_ne!(deploys[0], deploys[3]);
    // A pipeline that asks is the deploy itself.
    let whole = json!({ "canaryConfig": config(), "executionRequest": three() });
    let path = format!("{PATH}?parentPipelineExecutionId=01HQ");
    assert_eq!(post(&door, &path, &whole).await.status, 200);
    let last = plans(&door).pop().unwrap();
    assert_eq!(last.rollout.deploy.id.as_ref().unwrap().as_str(), "01HQ");
}

/// Those behind an end are stopped once, and an end is not worked out again.
#[tokio::test]
async fn an_end_is_written_down_and_outlives_its_judgements() {
    let door = open(Setup::default()).await;
    let (id, ids) = begun(&door, &three()).await;
    let one = format!("{PATH}/{id}");
    door.conclude(&ids[0], Verdict::Promote);
    let running = door.get(&one).await.body;
    assert_eq!(door.get(&one).await.body, running);
    door.conclude(&ids[1], Verdict::Rollback);
    let ended = door.get(&one).await.json();
    assert_eq!(
        (&ended["complete"], &ended["status"]),
        (&json!(true), &json!("terminal"))
    );
    assert_eq!(cancels(&door), 1);
    assert_eq!(door.get(&one).await.json(), ended);
    assert_eq!(cancels(&door), 1, "the third was stopped already");

    // The engine forgets: what was written down stands, without the results.
    for forgotten in &ids {
        door.readings
            .forget(&haldane::ids::AnalysisId::new(forgotten).unwrap());
    }
    let paper = door.papers.get("kayenta.analysis", &id).unwrap();
    // As after a restart: the same paper, read anew.
    door.papers
        .apply(&haldane::http::Change::Keep((*paper).clone().into()));
    let left = door.get(&one).await.json();
    let result = |said: &Value| said["canaryAnalysisExecutionResult"].clone();
    for field in [
        "didPassThresholds",
        "canaryScoreMessage",
        "canaryScores",
        "hasWarnings",
    ] {
        assert_eq!(result(&left)[field], result(&ended)[field], "{field}");
    }
    let rows = result(&left)["canaryExecutionResults"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(rows[1]["executionId"], *ids[1]);
    assert_eq!(rows[1]["executionStatus"], "SUCCEEDED");
    assert!(rows[1].get("result").is_none(), "{rows}");
}

/// A judgement that nobody remembers is no success, and stops nobody from reading or cancelling.
#[tokio::test]
async fn a_forgotten_judgement_is_told_as_such() {
    let door = open(Setup::default()).await;
    let (id, ids) = begun(&door, &three()).await;
    door.readings
        .forget(&haldane::ids::AnalysisId::new(&ids[0]).unwrap());
    let cancel = format!("/kayenta/pipelines/{id}/cancel");
    assert_eq!(door.send("PUT", &cancel, "", "").await.status, 200);
    assert_eq!(cancels(&door), 2);
    let reply = door.get(&format!("{PATH}/{id}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let said = reply.json();
    assert_eq!(
        (&said["complete"], &said["status"]),
        (&json!(true), &json!("terminal"))
    );
    let result = &said["canaryAnalysisExecutionResult"];
    assert_eq!(result["didPassThresholds"], false);
    let row = &result["canaryExecutionResults"][0];
    assert_eq!(row["executionId"], *ids[0]);
    let why = row["exception"]["details"]["error"].as_str().unwrap();
    assert!(why.contains("does not remember"), "{why}");
}
