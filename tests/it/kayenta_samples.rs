//! The samples for Kayenta's callers are what the daemon accepts: each is turned into the requests
//! that its caller would send.

use crate::docs::read;
use crate::http_fixture::{Asked, Setup, open};
use crate::kayenta_api::request;
use serde_json::{Value, json};

#[tokio::test]
async fn spinnakers_sample_is_kept_and_run() {
    let door = open(Setup::default()).await;
    let config: Value = serde_json::from_str(&read("deploy/spinnaker/canary-config.json")).unwrap();
    let stage: Value = serde_json::from_str(&read("deploy/spinnaker/canary-stage.json")).unwrap();
    let reply = door
        .post("/kayenta/canaryConfig", &config.to_string())
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let asked = &stage["canaryConfig"];
    assert_eq!(reply.json()["canaryConfigId"], asked["canaryConfigId"]);
    let accounts = door.get("/kayenta/credentials").await.json();
    assert_eq!(accounts[0]["name"], asked["metricsAccountName"]);
    // As Orca makes it: thresholds as whole numbers, the window of one interval.
    let scope = &asked["scopes"][0];
    let mut run = request("2026-01-02T02:00:00Z", "2026-01-02T02:30:00Z");
    for side in ["control", "experiment"] {
        let to = &mut run["scopes"]["default"][format!("{side}Scope")];
        to["scope"] = scope[format!("{side}Scope")].clone();
        to["location"] = scope[format!("{side}Location")].clone();
        to["step"] = scope["step"].clone();
        to["extendedScopeParams"] = scope["extendedScopeParams"].clone();
    }
    let whole = |name: &str| {
        asked["scoreThresholds"][name]
            .as_str()
            .unwrap()
            .parse::<i64>()
    };
    run["thresholds"] =
        json!({ "pass": whole("pass").unwrap(), "marginal": whole("marginal").unwrap() });
    let id = asked["canaryConfigId"].as_str().unwrap();
    let path = format!("/kayenta/canary/{id}?application=checkout");
    let reply = door.post(&path, &run.to_string()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn argos_samples_name_each_other_and_run() {
    let yaml = |name: &str| -> Value {
        serde_saphyr::from_str(&read(&format!("deploy/argo-rollouts/{name}"))).unwrap()
    };
    let template = yaml("kayenta-analysis-template.yaml");
    let name = &template["metadata"]["name"];
    let rollout = yaml("kayenta-rollout.yaml");
    let step = &rollout["spec"]["strategy"]["canary"]["steps"][1]["analysis"];
    let experiment = yaml("kayenta-experiment.yaml");
    let analysis = &experiment["spec"]["analyses"][0];
    assert_eq!(&step["templates"][0]["templateName"], name);
    assert_eq!(&analysis["templateName"], name);
    let args = |of: &Value| -> Vec<String> {
        let all = of["args"].as_array().unwrap().iter();
        // The template brings its token itself.
        let all = all.filter(|arg| arg["name"] != "token");
        all.map(|arg| arg["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(args(step), args(&template["spec"]));
    assert_eq!(args(analysis), args(&template["spec"]));

    // As Argo sends it, with the arguments filled; the fixture's template stands for the one named.
    let metric = &template["spec"]["metrics"][0];
    let provider = &metric["provider"]["kayenta"];
    assert!(
        metric["interval"].is_string(),
        "without it Argo asks nothing"
    );
    assert!(provider["address"].as_str().unwrap().ends_with("/kayenta"));
    let door = open(Setup::default()).await;
    let mut scopes = serde_json::Map::new();
    for scope in provider["scopes"].as_array().unwrap() {
        let mut both = scope.clone();
        for side in ["controlScope", "experimentScope"] {
            let side = &mut both[side];
            side["location"] = side["region"].clone();
            side["start"] = json!("2026-01-02T02:00:00Z");
            side["end"] = json!("2026-01-02T02:30:00Z");
        }
        scopes.insert(scope["name"].as_str().unwrap().to_owned(), both);
    }
    let body = json!({ "scopes": scopes, "thresholds": provider["threshold"] }).to_string();
    let body = body
        .replace("{{args.stable-hash}}", "7f9c44d1b2")
        .replace("{{args.canary-hash}}", "5d8f6b7c9d");
    let reply = door
        .post("/kayenta/canary/checkout?application=checkout", &body)
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let asked = door.asked.lock().unwrap();
    let Some(Asked::Submit(submission)) = asked.first() else {
        panic!("{asked:?}");
    };
    let canary = submission.plan.rollout.canary.to_string();
    assert_eq!(canary, "rollouts_pod_template_hash=\"5d8f6b7c9d\"");
}
