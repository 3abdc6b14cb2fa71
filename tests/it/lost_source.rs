//! An analysis whose source could not be read for too long, as every caller hears of it: nobody goes
//! on by it, and nobody goes back. No vector can bring that about from outside a daemon.

use crate::http_fixture::{Door, Mood, concluded};
use crate::spinnaker::door;
use haldane::dialect::SOURCE_LOST;
use haldane::engine::verdict::Verdict;
use serde_json::{Value, json};

/// Ends the newest analysis as row 6 of the verdict table does.
fn lose(door: &Door) -> String {
    let id = door.readings.all().pop().unwrap().id.to_string();
    door.publish(&id, |view| {
        let mut view = concluded(&view, Verdict::Inconclusive, None);
        view.conclusion.as_mut().unwrap().row = SOURCE_LOST;
        view
    });
    id
}

fn flagger() -> Value {
    json!({ "name": "shop", "namespace": "prod", "phase": "Progressing", "checksum": "7f9c" })
}

#[tokio::test]
async fn nobody_goes_on_by_a_lost_source() {
    let door = door(Mood::Willing).await;
    let body = flagger().to_string();
    let ask = async |hook: &str| door.post(&format!("/flagger/{hook}/shop"), &body).await;
    assert_eq!(ask("rollout").await.status, 200);
    let id = lose(&door);
    for (hook, status) in [
        ("rollout", 503),
        ("confirm-traffic-increase", 409),
        ("confirm-promotion", 409),
        ("rollback", 409),
        ("confirm-rollout", 200), // no finding about the version
    ] {
        let reply = ask(hook).await;
        assert_eq!(reply.status, status, "{hook}: {reply:?}");
        let kind = reply.header("content-type");
        assert!(kind.starts_with("text/plain"), "{hook}: {kind}");
        assert!(!reply.body.ends_with('\n') && !reply.body.is_empty());
    }
    let retry = ask("rollout").await.header("retry-after");
    assert!(!retry.is_empty());

    let verdict = door.get(&format!("/v1/analyses/{id}/verdict")).await;
    let document = verdict.json();
    assert_eq!(verdict.status, 200, "{verdict:?}");
    assert_eq!(
        (&document["verdict"], &document["state"], &document["word"]),
        (&json!("inconclusive"), &json!("error"), &json!("doubt"))
    );
    let exit = door
        .get(&format!("/v1/analyses/{id}/verdict?as=exit"))
        .await;
    assert_eq!(exit.json()["word"], "fault", "{exit:?}");

    for figure in ["haldane_score", "haldane_verdict", "haldane_rollback"] {
        let query = format!("/prom/api/v1/query?query={figure}%7Bid%3D%22{id}%22%7D");
        let reply = door.get(&query).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.json()["errorType"], "unavailable");
    }

    let step = json!({
        "application": "shop", "executionId": "01JD1", "stageId": "s1", "deploymentId": "01JD2",
    })
    .to_string();
    let path = "/spinnaker/shop/deployment/evaluateHealth";
    assert_eq!(door.post(path, &step).await.status, 200);
    lose(&door);
    let reply = door.post(path, &step).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(reply.json()["code"], "not_carried_out");
}
