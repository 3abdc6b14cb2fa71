//! The samples for Flagger and Spinnaker are what the pages show, and they work: a daemon with the
//! sample configuration answers every address in them.

use crate::docs::{check_block, read};
use crate::support::daemon::client;
use crate::support::in_process::{Living, Place};
use haldane::serve::clock::Clock;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use url::Url;

const TOKEN: &str = "s3cr3t";

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

fn parsed(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

#[test]
fn the_pages_show_the_samples() {
    for (page, block, language, file) in [
        ("flagger", "binding", "toml", "flagger/haldane.toml"),
        ("flagger", "canary", "yaml", "flagger/canary.yaml"),
        ("flagger", "metric", "yaml", "flagger/metric-template.yaml"),
        (
            "spinnaker",
            "webhook",
            "json",
            "spinnaker/webhook-stage.json",
        ),
        ("spinnaker", "monitor", "yaml", "spinnaker/orca-local.yml"),
        (
            "spinnaker",
            "deploy",
            "json",
            "spinnaker/monitored-deploy-stage.json",
        ),
        ("spinnaker", "binding", "toml", "spinnaker/haldane.toml"),
    ] {
        let text = format!("```{language}\n{}```\n", read(&format!("deploy/{file}")));
        check_block(&format!("docs/controllers/{page}.md"), block, &text);
    }
}

/// A daemon with a sample configuration; its token is the one file it names.
async fn started(sample: &str) -> (Place, Living, tempfile::TempDir) {
    let secrets = tempfile::tempdir().unwrap();
    for author in ["flagger", "spinnaker"] {
        std::fs::write(secrets.path().join(format!("{author}.token")), TOKEN).unwrap();
    }
    let folder = secrets.path().display().to_string();
    let lines = read(sample).replace("/etc/haldane/secrets", &folder);
    let template = read("analysis-templates/http-service.yaml");
    let templates = [("http-service", template.as_str())];
    let place = Place::new(&templates, &lines, crate::serve_drain::SCENARIO);
    let living = place.start(Clock::system()).await;
    (place, living, secrets)
}

/// The same address on our daemon, with its user and the token.
fn here(living: &Living, address: &str) -> Url {
    let sample = Url::parse(address).unwrap();
    let mut url = Url::parse(&living.url).unwrap();
    url.set_path(sample.path());
    if !sample.username().is_empty() {
        assert_eq!(sample.password(), Some("TOKEN"));
        url.set_username(sample.username()).unwrap();
        url.set_password(Some(TOKEN)).unwrap();
    }
    url
}

#[tokio::test]
async fn flaggers_sample_works() {
    let (_place, living, _secrets) = started("deploy/flagger/haldane.toml").await;
    let canary = yaml("deploy/flagger/canary.yaml");
    let metadata = &canary["metadata"];
    let analysis = &canary["spec"]["analysis"];
    let mut types = BTreeSet::new();
    for hook in analysis["webhooks"].as_array().unwrap() {
        let kind = hook["type"].as_str().unwrap();
        let body = json!({
            "name": metadata["name"], "namespace": metadata["namespace"], "checksum": "7f9c44d1b2",
            "phase": "Progressing", "metadata": hook["metadata"],
        });
        let address = hook["url"].as_str().unwrap();
        assert!(address.contains(&format!("/flagger/{kind}/")), "{hook}");
        let sent = client().post(here(&living, address)).json(&body);
        let reply = sent.send().await.unwrap();
        let (status, text) = (reply.status().as_u16(), reply.text().await.unwrap());
        let wanted = match kind {
            "post-rollout" | "event" => 202,
            "confirm-promotion" | "rollback" => 409,
            _ => 200,
        };
        assert_eq!(status, wanted, "{kind}: {text}");
        types.insert(kind.to_owned());
    }
    assert_eq!(types.len(), 8, "every hook there is: {types:?}");
    assert_eq!(living.readings().all().len(), 1);
    let view = living.readings().all().remove(0);
    assert_eq!(
        view.plan.rollout.deploy.environment.as_deref(),
        Some("prod")
    );
    let query = view.plan.queries_shown().remove(0).1;
    assert!(query.contains(r#"namespace="prod""#), "{query}");
    assert!(query.contains("shop-primary-"), "{query}");
    // The metric is the one the canary names, and its threshold fits what it can be.
    let metric = yaml("deploy/flagger/metric-template.yaml");
    let named = &analysis["metrics"][0];
    assert_eq!(named["templateRef"]["name"], metric["metadata"]["name"]);
    assert_eq!(
        named["templateRef"]["namespace"],
        metric["metadata"]["namespace"]
    );
    assert_eq!(named["thresholdRange"], json!({ "max": 0 }));
    let spec = &metric["spec"];
    assert!(
        spec["provider"]["address"]
            .as_str()
            .unwrap()
            .ends_with("/prom")
    );
    assert!(
        spec["query"]
            .as_str()
            .unwrap()
            .starts_with("haldane_rollback{")
    );
    living.stop().await;
}

#[tokio::test]
async fn spinnakers_samples_work() {
    let (_place, living, _secrets) = started("deploy/spinnaker/haldane.toml").await;
    let post = async |address: &str, body: &Value| {
        let sent = client().post(here(&living, address)).bearer_auth(TOKEN);
        let reply = sent.json(body).send().await.unwrap();
        let status = reply.status().as_u16();
        (status, reply.json::<Value>().await.unwrap())
    };
    let stage = parsed("deploy/spinnaker/webhook-stage.json");
    assert_eq!(stage["customHeaders"]["Authorization"], "Bearer TOKEN");
    let filled = |value: &Value| -> Value {
        let text = value.to_string().replace("${execution.id}", "01JD1");
        assert!(!text.contains("${"), "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let (status, made) = post(stage["url"].as_str().unwrap(), &filled(&stage["payload"])).await;
    assert_eq!(status, 201, "{made}");
    let pointer = |path: &str| path.trim_start_matches('$').replace('.', "/");
    let link = pointer(stage["statusUrlJsonPath"].as_str().unwrap());
    let link = made.pointer(&link).unwrap().as_str().unwrap();
    let polled = client().get(link).bearer_auth(TOKEN).send().await.unwrap();
    let polled: Value = polled.json().await.unwrap();
    let at = |key: &str| {
        polled
            .pointer(&pointer(stage[key].as_str().unwrap()))
            .unwrap()
    };
    assert_eq!(at("statusJsonPath"), "pending");
    assert!(at("progressJsonPath").is_string());
    let words: BTreeSet<&str> = ["successStatuses", "terminalStatuses"]
        .iter()
        .flat_map(|key| stage[*key].as_str().unwrap().split(','))
        .collect();
    assert_eq!(
        words,
        BTreeSet::from(["promote", "rollback", "inconclusive"])
    );
    let (status, ended) = post(
        stage["cancelEndpoint"].as_str().unwrap(),
        &filled(&stage["cancelPayload"]),
    )
    .await;
    assert_eq!((status, &ended["verdict"]), (200, &json!("inconclusive")));

    let profile = yaml("deploy/spinnaker/orca-local.yml");
    let monitor = &profile["monitored-deploy"]["deploymentMonitors"][0];
    let deploy = parsed("deploy/spinnaker/monitored-deploy-stage.json");
    assert_eq!(deploy["deploymentMonitor"]["id"], monitor["id"]);
    assert_eq!(monitor["failOnError"], true);
    assert!(
        monitor["maxAnalysisMinutes"].as_u64().unwrap() > 30,
        "the template's deadline"
    );
    let mut body = json!({
        "application": "shop", "executionId": "01JD1", "stageId": "s1", "deploymentId": "01JD2",
        "oldServerGroup": "shop-v041", "newServerGroup": "shop-v042", "account": "prod",
        "region": "eu-west-1", "cloudProvider": "aws",
        "parameters": deploy["deploymentMonitor"]["parameters"],
    });
    for (call, directive) in [
        ("starting", "continue"),
        ("evaluateHealth", "wait"),
        ("completed", "continue"),
    ] {
        let address = format!("{}/deployment/{call}", monitor["baseUrl"].as_str().unwrap());
        let (status, said) = post(&address, &body).await;
        assert_eq!(status, 200, "{call}: {said}");
        assert_eq!(said["nextStep"]["directive"], directive, "{call}: {said}");
    }
    // A first deploy has nothing to compare with, and is told so before any traffic.
    body["oldServerGroup"] = Value::Null;
    let address = format!(
        "{}/deployment/starting",
        monitor["baseUrl"].as_str().unwrap()
    );
    let (_, said) = post(&address, &body).await;
    assert_eq!(said["nextStep"]["directive"], "abort");
    let why = said["statusReason"]["message"].as_str().unwrap();
    assert!(why.contains("{{oldServerGroup}}"), "{why}");
    living.stop().await;
}
