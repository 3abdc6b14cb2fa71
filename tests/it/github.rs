//! GitHub: every vector of `tests/conformance/github.yaml` against the door, and the whole way from
//! a deployment that waits to the decision its callback hears, with a stand-in of GitHub's API that
//! checks signatures, tokens and bodies by itself.

use crate::http_fixture::{Setup, open};
use crate::support::daemon::{Daemon, Site, client, request};
use crate::support::github::{APP_ID, Github, Mood, Posted};
use haldane::http::GithubEnvironment;
use haldane::secret::Secret;
use haldane::time::Timestamp;
use haldane::webhook::github::AppKey;
use haldane::wire::submission::{DeployInput, ScopeInput, SubmissionDocument};
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const SECRET: &str = "gh-example-secret";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// A door that answers for `production` of `acme/shop`.
fn setup() -> Setup {
    let scope = |text: &str| Some(ScopeInput::Text(text.to_owned()));
    let submission = SubmissionDocument {
        template: Some("checkout".to_owned()),
        inputs: BTreeMap::from([("service".to_owned(), "{{name}}".to_owned())]),
        baseline: scope("track=\"stable\""),
        canary: scope("track=\"canary\",repo=\"{{repository}}\",run=\"{{run}}\""),
        deploy: DeployInput {
            service: "{{name}}".to_owned(),
            ..DeployInput::default()
        },
        ..SubmissionDocument::default()
    };
    Setup {
        has_default_key: false, // an answer to GitHub needs none
        bindings: vec![haldane::http::Binding {
            name: "shop".to_owned(),
            submission,
        }],
        github: Some(Arc::new(haldane::http::Github {
            secrets: vec![Secret::new("gh-older-secret"), Secret::new(SECRET)],
            callback_hosts: vec!["127.0.0.1:9999".to_owned()],
            plain_http: true,
            environments: vec![GithubEnvironment {
                repository: "Acme/shop".to_owned(),
                environment: "Production".to_owned(),
                binding: "shop".to_owned(),
            }],
        })),
        ..Setup::default()
    }
}

#[tokio::test]
async fn every_vector() {
    let door = open(setup()).await;
    let vectors: Value = serde_saphyr::from_str(&read("conformance/github.yaml")).unwrap();
    let mut ids = BTreeMap::new();
    for case in vectors["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let (asked, wanted) = (&case["request"], &case["answer"]);
        let mut headers = String::new();
        for (name, value) in asked["headers"].as_object().unwrap() {
            writeln!(headers, "{name}: {}\r", value.as_str().unwrap()).unwrap();
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (method, path) = (text(&asked["method"]), text(&asked["path"]));
        let reply = door
            .send(&method, &path, &headers, &text(&asked["body"]))
            .await;
        assert_eq!(json!(reply.status), wanted["status"], "{id}: {reply:?}");
        assert_eq!(reply.header("content-type"), wanted["type"], "{id}");
        let body = reply.json();
        for (name, value) in wanted["json"].as_object().into_iter().flatten() {
            assert_eq!(body[name], *value, "{id}: {body}");
        }
        if reply.status == 202 && body["id"].is_string() {
            ids.insert(id.to_owned(), text(&body["id"]));
        }
    }
    // GH-5: the same deployment joins, whatever its delivery is called; another one does not.
    assert_eq!(ids["GH-1"], ids["GH-5"], "{ids:?}");
    assert_ne!(ids["GH-1"], ids["GH-2"], "{ids:?}");
    assert_eq!(ids.len(), 4, "{ids:?}");
    let view = &door.readings.all()[0];
    let rollout = &view.plan.rollout;
    assert_eq!(rollout.deploy.service, "shop");
    assert_eq!(rollout.deploy.environment.as_deref(), Some("production"));
    let canary = rollout.canary.matchers();
    let values: Vec<_> = canary
        .iter()
        .filter_map(|matcher| matcher.exact())
        .collect();
    assert_eq!(values, ["acme/shop", "77", "canary"]);
}

#[tokio::test]
async fn without_a_configuration_nothing_is_signed() {
    let door = open(Setup::default()).await;
    let reply = door.send("POST", "/github/hook", "", "{}").await;
    assert_eq!(reply.status, 404);
    assert!(reply.body.contains("set [github]"), "{}", reply.body);
}

#[test]
fn the_signature_is_the_one_openssl_makes() {
    let at = Timestamp::parse("2026-01-02T03:04:00Z").unwrap();
    for name in ["app.pkcs1.pem", "app.pkcs8.pem"] {
        let pem = Secret::new(read(&format!("vectors/github/{name}")));
        let key = AppKey::parse("1234", &pem).unwrap();
        let token = key.token(at).unwrap();
        assert_eq!(token.expose(), read("vectors/github/app.jwt"), "{name}");
    }
}

pub(crate) const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: web }
spec:
  inputs: { service: {} }
  schedule: { step: 15s, look_every: 1m, bake: 30m, deadline: 1h, lag: 30s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      series: { query: 'latency{service=\"${service}\",${selector}}' }
";

pub(crate) const SCENARIO: &str = "
apiVersion: haldane/v1
kind: Scenario
metadata: { name: github }
spec:
  seed: 7
  scrape: 15s
  services:
    - name: shop
      gauges: [{ metric: latency, level: 0.2, noise: 0.02 }]
";

/// A place for a daemon that knows this GitHub.
pub(crate) fn site(github: &Github) -> Site {
    let mut site = Site::simulated(SCENARIO);
    site.template("web", TEMPLATE);
    std::fs::write(site.path("hook.secret"), SECRET).unwrap();
    let at = github.address;
    let key = file("vectors/github/app.pkcs1.pem");
    let secret = site.path("hook.secret");
    for (name, value) in [
        ("github.app_id", APP_ID.to_owned()),
        ("github.private_key", format!("file:{}", key.display())),
        ("github.secrets", format!("[\"file:{}\"]", secret.display())),
        ("github.api_url", format!("http://{at}")),
        ("github.callback_hosts", format!("[\"{at}\"]")),
        (
            "github.reports_url",
            "https://haldane.example.org/".to_owned(),
        ),
        (
            "github.environments",
            "[{ repository = \"acme/shop\", environment = \"production\", binding = \"shop\" }]"
                .to_owned(),
        ),
        ("[bindings].name", "shop".to_owned()),
        ("[bindings].template", "web".to_owned()),
        ("[bindings].service", "{{name}}".to_owned()),
        ("[bindings].inputs", "{ service = \"shop\" }".to_owned()),
        ("[bindings].baseline", "track=\"baseline\"".to_owned()),
        ("[bindings].canary", "track=\"canary\"".to_owned()),
    ] {
        site.set(name, &value);
    }
    site
}

/// A deployment asks; the id of its analysis.
pub(crate) async fn ask(daemon: &Daemon, body: &Value, delivery: &str) -> String {
    let body = body.to_string().into_bytes();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mut tag = String::from("sha256=");
    for byte in hmac::sign(&key, &body).as_ref() {
        write!(tag, "{byte:02x}").unwrap();
    }
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "deployment_protection_rule"),
        ("x-github-delivery", delivery),
        ("x-hub-signature-256", &tag),
    ];
    let path = "/github/hook";
    let client = client();
    let answer = request(
        &client,
        daemon.url(),
        Method::POST,
        path,
        &headers,
        Some(body),
    );
    let answer = answer.await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.text("id")
}

pub(crate) async fn decide(daemon: &Daemon, id: &str, verdict: &str) {
    decide_because(daemon, id, verdict, "a <test>").await;
}

async fn decide_because(daemon: &Daemon, id: &str, verdict: &str, reason: &str) {
    let by = json!({ "verdict": verdict, "reason": reason, "author": "@ada" });
    let answer = daemon
        .post(&format!("/v1/analyses/{id}/override"), &by)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

pub(crate) fn rule(github: &Github, run: u32) -> Value {
    json!({
        "action": "requested", "environment": "production", "event": "push",
        "deployment_callback_url": github.callback(run),
        "deployment": { "id": 583_231, "sha": "2".repeat(40), "ref": "main" },
        "repository": { "full_name": "acme/shop" }, "sender": { "login": "octocat" },
    })
}

fn check_comment(posted: &Posted, id: &str, verdict: &str) {
    let comment = posted.body["comment"].as_str().unwrap();
    for part in [
        &*format!("**{verdict}**: overridden to {verdict} by @\u{200b}ada: a &lt;test>"),
        &*format!("([evidence](https://haldane.example.org/v1/analyses/{id}/report.html))"),
    ] {
        assert!(comment.contains(part), "{part:?} in {comment:?}");
    }
    assert!(comment.chars().count() <= 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_hears_its_decision_once() {
    let github = Github::start(3600).await;
    let site = site(&github);
    let daemon = site.start().await;
    let cases = [
        ("promote", json!("approved")),
        ("rollback", json!("rejected")),
        ("inconclusive", Value::Null),
    ];
    for (n, (verdict, state)) in cases.into_iter().enumerate() {
        let run = 77 + u32::try_from(n).unwrap();
        let body = rule(&github, run);
        let id = ask(&daemon, &body, &format!("delivery-{n}")).await;
        for delivery in [format!("delivery-{n}"), format!("replayed-{n}")] {
            let again = ask(&daemon, &body, &delivery).await;
            assert_eq!(id, again, "what is sent again joins, under any name");
        }
        assert_eq!(
            github.posted().len(),
            n,
            "nothing is said before the verdict"
        );
        decide(&daemon, &id, verdict).await;
        let posted = github.reaches(n + 1).await;
        assert!(github.callback(run).ends_with(&posted.path), "{posted:?}");
        assert_eq!(posted.body["environment_name"], "production");
        assert_eq!(posted.body["state"], state, "{posted:?}");
        assert_eq!(
            posted.body.get("state").is_none(),
            state.is_null(),
            "{posted:?}"
        );
        check_comment(&posted, &id, verdict);
        let view = daemon
            .get(&format!("/v1/analyses/{id}"))
            .await
            .unwrap()
            .body;
        let deploy = &view["deploy"];
        assert_eq!(deploy["commit"], json!("2".repeat(40)), "{view}");
        let host = github.address;
        let named = format!("github:{host}:acme/shop:{run}:583231");
        assert_eq!(deploy["id"], json!(named), "{view}");
        let replayed = ask(&daemon, &body, "replayed-after-the-verdict").await;
        assert_eq!(id, replayed, "no second decision about one deployment");
        assert_eq!(deploy["actor"], "octocat", "{view}");
    }
    // A comment is cut to what GitHub takes, and keeps its link.
    let id = ask(&daemon, &rule(&github, 90), "delivery-90").await;
    decide_because(&daemon, &id, "promote", &"*é".repeat(600)).await;
    let posted = github.reaches(4).await;
    let comment = posted.body["comment"].as_str().unwrap();
    assert!(
        (1023..=1024).contains(&comment.chars().count()),
        "{comment}"
    );
    assert!(comment.ends_with("/report.html))"), "{comment}");
    // One token and one look-up serve all of them.
    assert_eq!(github.handed_out(), (1, 1));
    assert_eq!(github.posted().len(), 4);
    github.check();
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_seen_through_after_a_crash() {
    let github = Github::start(60).await; // too short to be kept
    let site = site(&github);
    let daemon = site.start().await;
    github.mood(Mood::Fail(503));
    let mut body = rule(&github, 77);
    body["installation"] = json!({ "id": 42 });
    let id = ask(&daemon, &body, "delivery-1").await;
    decide(&daemon, &id, "rollback").await;
    let first = github.reaches(1).await;
    daemon.kill();

    github.mood(Mood::Withdraw(1));
    let daemon = site.start().await;
    github.reaches(2).await;
    let last = github.reaches(3).await;
    assert_eq!(last.body, first.body);
    assert_eq!(
        (last.status, &last.body["state"]),
        (204, &json!("rejected"))
    );
    let tokens: Vec<String> = github.posted().into_iter().map(|one| one.token).collect();
    assert_eq!(tokens, ["ghs_42_1", "ghs_42_2", "ghs_42_3"]);
    github.check();
    assert_eq!(github.handed_out().1, 0, "the installation was said");

    // The list of hosts is narrowed: what a record says is not enough.
    let id = ask(&daemon, &rule(&github, 78), "delivery-2").await;
    daemon.stop().await;
    let mut site = site;
    site.set("github.callback_hosts", "[\"api.github.com\"]");
    let daemon = site.start().await;
    decide(&daemon, &id, "promote").await;
    let told = settled(&daemon, &id).await;
    assert_eq!(told["state"], "refused", "{told}");
    assert!(
        told["detail"].as_str().unwrap().contains("callback_hosts"),
        "{told}"
    );
    assert_eq!(github.posted().len(), 3);
    daemon.stop().await;
}

/// The first delivery of an analysis once it has ended.
async fn settled(daemon: &Daemon, id: &str) -> Value {
    let mut all = ended(daemon, id, "verdict").await;
    all.remove(0)
}

/// The deliveries about a moment of an analysis once all of them have ended.
async fn ended(daemon: &Daemon, id: &str, moment: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let asked = async {
        loop {
            let path = format!("/v1/analyses/{id}");
            let view = daemon.get(&path).await.unwrap().body;
            let all = view["deliveries"].as_array().cloned().unwrap_or_default();
            let of = all.into_iter().filter(|one| one["moment"] == moment);
            seen = of.collect::<Vec<Value>>();
            if !seen.is_empty() && seen.iter().all(|one| one["state"] != "pending") {
                return;
            }
            // Nothing announces it but this answer.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), asked).await;
    assert!(
        done.is_ok(),
        "{moment} of {id}: {seen:#?}\n{}",
        daemon.log()
    );
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_and_deployments_get_a_status() {
    let github = Github::start(3600).await;
    let mut site = site(&github);
    // However slow the machine is, no look comes before the decision.
    let seldom = TEMPLATE.replace("look_every: 1m", "look_every: 30m");
    assert_ne!(seldom, TEMPLATE);
    site.template("web", &seldom);
    let base = format!("http://{}/repos/acme", github.address);
    let receivers = format!(
        "[{{ form = \"github-commit-status\", url = \"{base}/{{{{service}}}}\" }}, \
          {{ form = \"github-deployment-status\", url = \"{base}/shop\" }}]"
    );
    site.set("webhooks.receivers", &receivers);
    let daemon = site.start().await;
    for (number, verdict, state) in [
        ("97", "promote", "success"),
        ("98", "rollback", "failure"),
        ("99", "inconclusive", "error"),
    ] {
        let commit = format!("0123456789abcdef0123456789abcdef012345{number}");
        let body = json!({
            "template": "web", "inputs": { "service": "shop" },
            "baseline": "track=\"baseline\"", "canary": "track=\"canary\"",
            "deploy": { "service": "shop", "commit": commit, "id": number, "region": "eu" },
        });
        let id = daemon.submit(&body).await;
        let paths = [
            format!("/repos/acme/shop/statuses/{commit}"),
            format!("/repos/acme/shop/deployments/{number}/statuses"),
        ];
        let said = |path: &str, state: &str| {
            let posted = github.posted();
            let mut of = posted.iter().filter(|one| one.path == path);
            of.any(|one| one.body["state"] == state)
        };
        // That it is under way is said at once, or not at all where that takes too long.
        for (told, (path, begun)) in ended(&daemon, &id, "started")
            .await
            .iter()
            .zip(paths.iter().zip(["pending", "in_progress"]))
        {
            let late = ["too late", "in time"];
            let why = told["detail"].as_str().unwrap_or_default();
            match told["state"].as_str().unwrap() {
                "delivered" => assert!(said(path, begun), "{:#?}", github.posted()),
                _ => assert!(late.iter().any(|late| why.contains(late)), "{told}"),
            }
        }
        decide(&daemon, &id, verdict).await;
        let links = format!("https://haldane.example.org/v1/analyses/{id}/report.html");
        let description = format!(
            "overridden to {verdict} by @ada: a <test>; evidence so far: no look has been taken yet"
        );
        let wanted = [
            json!({ "state": state, "target_url": links, "description": description,
                "context": "haldane/shop/eu" }),
            json!({ "state": state, "log_url": links, "description": description,
                "auto_inactive": false }),
        ];
        for (path, body) in paths.iter().zip(wanted) {
            let what = format!("{path}: {body}");
            let is_it = |one: &Posted| one.path == *path && one.body == body;
            github.hears(&what, is_it).await;
            let posted = github.posted();
            let last = posted.iter().rfind(|one| one.path == *path).unwrap();
            assert_eq!(last.body["state"], state, "the newest one counts");
        }
    }
    github.check();
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_the_configuration_is_said_at_the_start() {
    let github = Github::start(3600).await;
    let receiver = |url: &str, more: &str| {
        format!("[{{ form = \"github-commit-status\", url = \"{url}\"{more} }}]")
    };
    let fine = format!("http://{}/repos/acme/shop", github.address);
    let environment = |text: &str| format!("[{{ {text} }}]");
    for (name, value, wanted) in [
        ("github.app_id", "", "github.app_id: missing"),
        ("github.private_key", "", "github.private_key: missing"),
        (
            "github.private_key",
            "env:HOME",
            "github.private_key: it is no PEM",
        ),
        (
            "github.secrets",
            "[]",
            "github.environments: answering needs",
        ),
        ("github.api_url", "api.github.com", "github.api_url"),
        (
            "github.environments",
            &environment("repository = \"shop\", environment = \"p\", binding = \"shop\""),
            "`shop` is not OWNER/NAME",
        ),
        (
            "github.environments",
            &environment("repository = \"a/b\", environment = \"p\", binding = \"none\""),
            "there is no `none` in [[bindings]]",
        ),
        (
            "webhooks.receivers",
            &receiver("https://evil.example/repos/a/b", ""),
            "callback_hosts",
        ),
        (
            "webhooks.receivers",
            &receiver(&fine.replace("shop", ""), ""),
            "/repos/OWNER/NAME",
        ),
        (
            "webhooks.receivers",
            &receiver(&fine.replace("shop", "{{x}}"), ""),
            "inputs.NAME",
        ),
        (
            "webhooks.receivers",
            &receiver(&fine, ", key = \"argo\""),
            "leave it out",
        ),
        (
            "webhooks.receivers",
            &receiver(&fine, "").replace("github-commit-status", "github-rule:1:production"),
            "is no form",
        ),
    ] {
        let mut site = site(&github);
        site.set(name, value);
        let Err(ended) = site.spawn().await else {
            panic!("{name} {value} is taken");
        };
        assert!(
            ended.said.contains(wanted),
            "{name} {value}: {}",
            ended.said
        );
        assert_eq!(ended.code, Some(2), "{name} {value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submitter_says_nothing_with_the_token_of_the_app() {
    let github = Github::start(3600).await;
    let daemon = site(&github).start().await;
    for form in ["github-commit-status", "github-rule:42:production"] {
        let body = json!({
            "template": "web", "inputs": { "service": "shop" },
            "baseline": "track=\"baseline\"", "canary": "track=\"canary\"",
            "deploy": { "service": "shop" },
            "webhooks": [{ "url": github.callback(1), "form": form }],
        });
        let answer = daemon.post("/v1/analyses", &body).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(answer.body["errors"][0]["field"], "webhooks[0].form");
    }
    daemon.stop().await;
}
