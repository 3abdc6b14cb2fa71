//! What `haldane wait` ends with (CL-1 to CL-7): pipelines and Argo's job provider know nothing
//! else of a verdict.

use crate::conformance::site;
use crate::support::daemon::{Daemon, haldane};
use serde_json::json;

async fn analysis(daemon: &Daemon, name: &str, verdict: Option<&str>) -> String {
    let path = format!(
        "/v1/verdict?template=conformance&service=shop&deploy.id={name}&baseline.track=stable\
         &canary.track=canary"
    );
    let id = daemon.get(&path).await.unwrap().text("id");
    if let Some(verdict) = verdict {
        let body = json!({ "verdict": verdict, "reason": "for a test", "author": "ada" });
        let answer = daemon
            .post(&format!("/v1/analyses/{id}/override"), &body)
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    id
}

async fn ends(daemon: &Daemon, id: &str, flags: &[&str]) -> i32 {
    let own = ["wait", id, "--server", daemon.url()];
    haldane(&[&own[..], flags].concat()).await.code.unwrap()
}

#[tokio::test]
async fn every_verdict_has_its_code() {
    let daemon = site().start().await;
    for (n, (verdict, flags, code)) in [
        (Some("promote"), &[][..], 0),
        (Some("rollback"), &[], 1),
        (Some("rollback"), &["--inconclusive-as=promote"], 1),
        (Some("inconclusive"), &[], 3),
        (Some("inconclusive"), &["--inconclusive-as=rollback"], 1),
        // Nobody has seen any data: no flag makes that a promote (A5).
        (Some("inconclusive"), &["--inconclusive-as=promote"], 3),
        (None, &["--timeout=0"], 3),
        (None, &["--timeout=soon"], 2),
        (Some("promote"), &["--error-as=maybe"], 2),
    ]
    .into_iter()
    .enumerate()
    {
        let id = analysis(&daemon, &format!("d-{n}"), verdict).await;
        assert_eq!(
            ends(&daemon, &id, flags).await,
            code,
            "{verdict:?} {flags:?}"
        );
    }
    assert_eq!(ends(&daemon, "nobody", &[]).await, 2);
}

#[tokio::test]
async fn the_daemon_says_what_inconclusive_means_unless_a_flag_does() {
    let mut site = site();
    site.configure("[dialects.exit]\ninconclusive = \"stop\"\n");
    let daemon = site.start().await;
    let id = analysis(&daemon, "d", Some("inconclusive")).await;
    assert_eq!(ends(&daemon, &id, &[]).await, 1);
    assert_eq!(ends(&daemon, &id, &["--inconclusive-as=3"]).await, 3);
    let shown = haldane(&[
        "dialects",
        "--config",
        site.path("haldane.toml").to_str().unwrap(),
    ])
    .await;
    shown.check(0, &["stop*", "* changed by the configuration"]);
    let document = haldane(&["dialects", "-o", "json"]).await.json();
    let exit = document["dialects"].as_array().unwrap();
    let exit = exit.iter().find(|one| one["dialect"] == "exit").unwrap();
    assert_eq!(exit["states"]["inconclusive"]["word"], "doubt");
    assert_eq!(exit["states"]["inconclusive"]["changed"], false);
}
