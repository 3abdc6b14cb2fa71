//! The thousand analyses that a facade is asked about, each begun as its controller begins it.

use crate::{ANALYSES, Ask, Daemon};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// One of them.
pub(crate) struct Member {
    /// What the facade calls it: an analysis, or an execution of Kayenta's.
    pub(crate) id: String,
    /// Also the application, and the name of the canary.
    pub(crate) service: String,
}

/// How they come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `GET /v1/verdict`; every other one is decided by a person.
    Verdict,
    /// `POST /flagger/rollout/…`; every other one is decided by a person.
    Flagger,
    /// `POST /spinnaker/…/deployment/evaluateHealth`; every other one is decided by a person.
    Spinnaker,
    /// `POST /kayenta/canary` over an hour that is past: all are judged.
    Kayenta,
    /// `POST /kayenta/standalone_canary_analysis` over an hour that is past: all are judged.
    Standalone,
}

impl Origin {
    pub(crate) const ALL: [Self; 5] = [
        Self::Verdict,
        Self::Flagger,
        Self::Spinnaker,
        Self::Kayenta,
        Self::Standalone,
    ];

    /// The request that begins the analysis of a service.
    pub(crate) fn begin(self, service: &str) -> Ask {
        match self {
            Self::Verdict => Ask::get(format!(
                "/v1/verdict?template=conformance&service={service}&deploy.id={service}-1\
                 &baseline.track=stable&canary.track=canary"
            )),
            Self::Flagger => flagger("rollout", service),
            Self::Spinnaker => spinnaker(service),
            Self::Kayenta => Ask::post("/kayenta/canary".to_owned(), &kayenta(false)),
            Self::Standalone => Ask::post(
                "/kayenta/standalone_canary_analysis".to_owned(),
                &kayenta(true),
            ),
        }
    }

    /// The identifier in its answer.
    fn id(self, answer: &Value) -> Option<&str> {
        match self {
            Self::Verdict => answer["id"].as_str(),
            Self::Flagger => None,
            Self::Spinnaker => answer["statusReason"]["additionalData"][0]["text"].as_str(),
            Self::Kayenta => answer["canaryExecutionId"].as_str(),
            Self::Standalone => answer["canaryAnalysisExecutionId"].as_str(),
        }
    }
}

/// One of Flagger's hooks.
pub(crate) fn flagger(hook: &str, service: &str) -> Ask {
    let body = json!({
        "name": service, "namespace": "prod", "phase": "Progressing", "checksum": "7f9c44d1b2",
        "metadata": {},
    });
    Ask::post(format!("/flagger/{hook}/load"), &body)
}

/// A step of Orca's deployment monitor.
pub(crate) fn spinnaker(service: &str) -> Ask {
    let body = json!({
        "application": service, "executionId": "01JD1", "stageId": "s1", "deploymentId": "01JD2",
        "oldServerGroup": "shop-v001", "newServerGroup": "shop-v002", "account": "prod",
        "region": "eu-west-1", "cloudProvider": "kubernetes", "currentProgress": 10,
        "newInstances": [],
    });
    Ask::post(
        "/spinnaker/monitor/deployment/evaluateHealth".to_owned(),
        &body,
    )
}

/// An execution over an hour that is past, with the config in the request.
fn kayenta(standalone: bool) -> Value {
    let config = json!({
        "name": "load", "applications": ["load"],
        "judge": { "name": "NetflixACAJudge-v1.0", "judgeConfigurations": {} },
        "metrics": [{
            "name": "latency", "scopeName": "default", "groups": ["all"],
            "query": { "type": "prometheus",
                "customInlineTemplate": "PromQL:avg(latency{version=\"${scope}\"})" },
            "analysisConfigurations": { "canary": { "direction": "increase" } },
        }],
        "classifier": { "groupWeights": { "all": 100 } },
    });
    let thresholds = json!({ "pass": 90, "marginal": 75 });
    let (from, to) = ("2026-01-02T02:00:00Z", "2026-01-02T03:00:00Z");
    if standalone {
        let request = json!({
            "scopes": [{
                "controlScope": "v1", "experimentScope": "v2", "step": 60,
                "startTimeIso": from, "endTimeIso": to,
            }],
            "thresholds": thresholds,
        });
        return json!({ "canaryConfig": config, "executionRequest": request });
    }
    let side = |scope: &str| json!({ "scope": scope, "location": "eu", "step": 60, "start": from, "end": to });
    let scopes = json!({ "controlScope": side("v1"), "experimentScope": side("v2") });
    let request = json!({ "scopes": { "default": scopes }, "thresholds": thresholds });
    json!({ "canaryConfig": config, "executionRequest": request })
}

/// Begins them all, and waits until those that end by themselves have ended.
pub(crate) async fn gather(
    client: &reqwest::Client,
    daemon: &Daemon,
    origin: Origin,
) -> Vec<Member> {
    let mut members = Vec::new();
    for n in 0..ANALYSES {
        let service = format!("load-{n}");
        let answer = said(client, daemon, &origin.begin(&service)).await;
        let mut id = origin.id(&answer).unwrap_or_default().to_owned();
        if origin == Origin::Flagger {
            let newest = said(client, daemon, &Ask::get("/v1/analyses?limit=1".to_owned())).await;
            newest["analyses"][0]["id"]
                .as_str()
                .expect("an id")
                .clone_into(&mut id);
        }
        assert!(!id.is_empty(), "{answer}");
        let judged = matches!(origin, Origin::Kayenta | Origin::Standalone);
        if n % 2 == 0 && !judged {
            let body = json!({ "verdict": "promote", "reason": "load", "author": "load" });
            said(
                client,
                daemon,
                &Ask::post(format!("/v1/analyses/{id}/override"), &body),
            )
            .await;
        }
        members.push(Member { id, service });
    }
    for member in &members {
        ended(client, daemon, origin, member).await;
    }
    members
}

/// Waits until an execution of Kayenta's is over, without asking Kayenta's facade where the
/// analysis can be asked: the first answer there is a part of what is measured.
async fn ended(client: &reqwest::Client, daemon: &Daemon, origin: Origin, member: &Member) {
    let (path, field) = match origin {
        Origin::Kayenta => (format!("/v1/analyses/{}/verdict", member.id), "final"),
        Origin::Standalone => {
            let path = format!("/kayenta/standalone_canary_analysis/{}", member.id);
            (path, "complete")
        }
        Origin::Verdict | Origin::Flagger | Origin::Spinnaker => return,
    };
    let begun = Instant::now();
    loop {
        let answer = said(client, daemon, &Ask::get(path.clone())).await;
        if answer[field] == true {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks once and reads the answer; texts become JSON strings.
async fn said(client: &reqwest::Client, daemon: &Daemon, ask: &Ask) -> Value {
    let answer = ask.send(client, &daemon.url).await;
    let status = answer.status();
    let text = answer.text().await.expect("a body");
    assert!(status.is_success(), "{}: {status} {text}", ask.path);
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
