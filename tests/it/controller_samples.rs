//! The samples for controllers work: manifests parse, what they ask a daemon is answered, what they
//! conclude is right, the commands in them are commands, and the documents show them as they are.

use crate::conformance_reads::{Got, argo_metric, argo_prometheus, argo_web, kargo_http};
use crate::docs::{check_block, read, root};
use crate::serve_drain::SCENARIO;
use crate::support::daemon::{Daemon, Site};
use clap::Parser as _;
use haldane::cli::args::Args;
use haldane::cli::dialects;
use haldane::dialect::Dialects;
use serde_json::{Value, json};

/// Page and its samples, the folder first.
const PAGES: [(&str, &str, &[&str]); 3] = [
    (
        "docs/controllers/argo-rollouts.md",
        "deploy/argo-rollouts",
        &[
            "web.yaml",
            "rollout.yaml",
            "prometheus.yaml",
            "job.yaml",
            "experiment.yaml",
            "steps-template.yaml",
            "steps.yaml",
        ],
    ),
    (
        "docs/controllers/kargo.md",
        "deploy/kargo",
        &["promotion.yaml", "verification.yaml"],
    ),
    (
        "docs/controllers/argo-cd.md",
        "deploy/argo-cd",
        &["postsync-job.yaml", "resource-action.yaml"],
    ),
];

const BINDING: &str = r#"
[[bindings]]
name = "shop"
template = "http-service"
service = "{{name}}"
baseline = 'track="stable"'
canary = 'track="canary"'
inputs = { service = "{{name}}" }
"#;

fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(file)).unwrap_or_else(|fault| panic!("{file}: {fault}"))
}

/// `text` with every `{{args.NAME}}` filled.
fn filled(text: &str) -> String {
    let mut out = text.to_owned();
    for (name, value) in [
        ("service", "checkout"),
        ("stable-hash", "6c9f"),
        ("canary-hash", "75d1"),
        ("deploy-id", "7"),
        ("weight", "25"),
        ("token", "secret"),
    ] {
        out = out.replace(&format!("{{{{args.{name}}}}}"), value);
    }
    assert!(!out.contains("{{"), "a hole is left: {out}");
    out
}

/// Every metric of every analysis template of the samples.
fn metrics() -> Vec<Value> {
    let files = ["web.yaml", "prometheus.yaml", "job.yaml", "steps.yaml"];
    let all = files.iter().flat_map(|file| {
        let file = format!("deploy/argo-rollouts/{file}");
        documents(&file)
    });
    let all = all.filter(|one| one["kind"] != "Rollout");
    let all = all.flat_map(|one| one["spec"]["metrics"].as_array().unwrap().clone());
    all.collect()
}

async fn daemon() -> (Site, Daemon) {
    let mut site = Site::simulated(SCENARIO);
    site.template(
        "http-service",
        &read("analysis-templates/http-service.yaml"),
    );
    site.template(
        "http-service-steps",
        &read("deploy/argo-rollouts/steps-template.yaml"),
    );
    site.configure(BINDING);
    let daemon = site.start().await;
    (site, daemon)
}

async fn decide(daemon: &Daemon, id: &str, verdict: &str) {
    let body = json!({ "verdict": verdict, "reason": "for a test", "author": "ada" });
    let path = format!("/v1/analyses/{id}/override");
    assert_eq!(daemon.post(&path, &body).await.status, 200);
}

#[test]
fn pages_show_the_samples_as_they_are() {
    for (page, folder, samples) in PAGES {
        for sample in samples {
            let text = read(&format!("{folder}/{sample}"));
            check_block(page, sample, &format!("```yaml\n{text}```\n"));
        }
        let there = std::fs::read_dir(root().join(folder)).unwrap();
        for entry in there {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // Those with another page of their own are named after it.
            let known = samples.contains(&name.as_str()) || name.starts_with("kayenta-");
            assert!(known, "{folder}/{name} is on no page");
        }
    }
    let table = dialects::markdown(&Dialects::default());
    check_block("docs/controllers.md", "dialects", &table);
}

/// A daemon with credentials answers 401 to a question without one, which is an error to Argo: five
/// of them abort a healthy rollout.
#[test]
fn every_question_of_argos_samples_brings_the_token() {
    let mut asked = 0;
    let kayenta = documents("deploy/argo-rollouts/kayenta-analysis-template.yaml");
    let kayenta = kayenta
        .iter()
        .flat_map(|one| one["spec"]["metrics"].as_array().unwrap().clone());
    for metric in metrics().into_iter().chain(kayenta) {
        let provider = &metric["provider"];
        let by_header = |name: &str| {
            let header = &provider[name]["headers"][0];
            header["key"] == "Authorization" && header["value"] == "Bearer {{args.token}}"
        };
        let address = provider["kayenta"]["address"].as_str().unwrap_or_default();
        let args = &provider["job"]["spec"]["template"]["spec"]["containers"][0]["args"];
        let file = "--token-file=/var/run/haldane/token";
        let by_file = args
            .as_array()
            .is_some_and(|args| args.iter().any(|arg| arg == file));
        let sent = by_header("web")
            || by_header("prometheus")
            || address.starts_with("http://argo:{{args.token}}@")
            || by_file;
        assert!(sent, "{provider}");
        asked += 1;
    }
    assert_eq!(asked, 8);
}

#[test]
fn commands_of_jobs_are_commands() {
    let mut jobs = 0;
    let own = documents("deploy/argo-cd/postsync-job.yaml");
    let of_metrics = metrics().into_iter().filter_map(|metric| {
        let job = &metric["provider"]["job"];
        (!job.is_null()).then(|| job.clone())
    });
    for job in of_metrics.chain(own) {
        assert_eq!(job["spec"]["backoffLimit"], 0, "a second try waits again");
        let pod = &job["spec"]["template"]["spec"];
        let args = pod["containers"][0]["args"].as_array().unwrap();
        let args = args.iter().map(|arg| filled(arg.as_str().unwrap()));
        let line = std::iter::once("haldane".to_owned()).chain(args);
        Args::try_parse_from(line).unwrap_or_else(|fault| panic!("{fault}"));
        jobs += 1;
    }
    assert_eq!(jobs, 2);
}

#[tokio::test]
async fn what_argos_samples_ask_is_answered_and_understood() {
    let (_site, daemon) = daemon().await;
    let mut asked = 0;
    for metric in metrics() {
        let conditions = json!({
            "jsonPath": metric["provider"]["web"]["jsonPath"],
            "success": metric["successCondition"],
            "failure": metric["failureCondition"],
        });
        let web = metric["provider"]["web"]["url"].as_str();
        let Some(url) = web else {
            continue;
        };
        for (verdict, wanted) in [
            (None, "Inconclusive"),
            (Some("promote"), "Successful"),
            (Some("rollback"), "Failed"),
            (Some("inconclusive"), "Inconclusive"),
        ] {
            // Another rollout for each.
            let url = filled(url).replace("checkout-7", &format!("d-{asked}"));
            let (_, path) = url.split_once(":7070").unwrap();
            let first = daemon.get(path).await.unwrap();
            assert_eq!(first.status, 200, "{path}: {first:?}");
            let id = first.text("id");
            if let Some(verdict) = verdict {
                decide(&daemon, &id, verdict).await;
            }
            let answer = daemon.get(path).await.unwrap();
            assert_eq!(answer.text("id"), id, "joined");
            let got = Got {
                status: answer.status,
                body: answer.body.to_string(),
            };
            assert_eq!(argo_web(Some(&got), &conditions), wanted, "{verdict:?}");
            // What was asked about a weight says where that stands.
            assert_eq!(got.body.contains("\"step\":{"), path.contains("&weight="));
            asked += 1;
        }
        // What Argo then makes of the row of measurements.
        let settings = json!({
            "interval": true,
            "inconclusiveLimit": metric["inconclusiveLimit"],
            "consecutiveSuccessLimit": metric["consecutiveSuccessLimit"],
            "failureLimit": metric["failureLimit"],
        });
        assert!(metric["count"].is_null(), "with a count it ends early");
        for (row, wanted) in [
            ("IIIIIIIIP", "Successful"),
            ("IIIF", "Failed"),
            ("IIEEEEP", "Successful"),
            ("EEEEE", "Error"),
        ] {
            assert_eq!(argo_metric(&settings, row, false), wanted, "{row}");
        }
    }
    assert_eq!(asked, 16);
}

#[tokio::test]
async fn what_argos_prometheus_samples_ask_is_answered_and_understood() {
    let (_site, daemon) = daemon().await;
    let mut asked = 0;
    let all = metrics();
    let with = |name: &str| {
        let found = all.iter().filter(|one| !one["provider"][name].is_null());
        found.cloned().collect::<Vec<Value>>()
    };
    let web = with("web")[0].clone();
    let (_, start) = filled(web["provider"]["web"]["url"].as_str().unwrap())
        .split_once(":7070")
        .map(|(host, path)| (host.to_owned(), path.to_owned()))
        .unwrap();
    for metric in with("prometheus") {
        let background = metric["name"] == "no-rollback";
        for (n, (verdict, wanted)) in [
            ("none", "Inconclusive"),
            (
                "pending",
                if background {
                    "Successful"
                } else {
                    "Inconclusive"
                },
            ),
            ("promote", "Successful"),
            ("rollback", "Failed"),
            (
                "inconclusive",
                if background {
                    "Successful"
                } else {
                    "Inconclusive"
                },
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let deploy = format!("p-{background}-{n}");
            if verdict != "none" {
                let first = daemon.get(&start.replace("checkout-7", &deploy)).await;
                let id = first.unwrap().text("id");
                if verdict != "pending" {
                    decide(&daemon, &id, verdict).await;
                }
            }
            let query = metric["provider"]["prometheus"]["query"].as_str().unwrap();
            let query = filled(query).replace("checkout-7", &deploy);
            let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
            let path = format!("/prom/api/v1/query?query={query}");
            let answer = daemon.get(&path).await.unwrap();
            let got = Got {
                status: answer.status,
                body: answer.body.to_string(),
            };
            let conditions = json!({
                "success": metric["successCondition"], "failure": metric["failureCondition"],
            });
            let found = argo_prometheus(Some(&got), &conditions);
            assert_eq!(found, wanted, "{verdict} {answer:?}");
            asked += 1;
        }
    }
    assert_eq!(asked, 10);
}

#[tokio::test]
async fn what_kargos_sample_asks_is_answered_and_understood() {
    let (_site, daemon) = daemon().await;
    let stage = documents("deploy/kargo/promotion.yaml").remove(0);
    let config = &stage["spec"]["promotionTemplate"]["spec"]["steps"][0]["config"];
    let conditions = json!({
        "success": config["successExpression"], "failure": config["failureExpression"],
    });
    for (verdict, wanted) in [
        (None, "Running"),
        (Some("promote"), "Succeeded"),
        (Some("rollback"), "Failed"),
        (Some("inconclusive"), "Failed"),
    ] {
        let promotion = format!("shop.01h.{}", verdict.unwrap_or("pending"));
        let mut path = String::from("/v1/verdict");
        let parameters = config["queryParams"].as_array().unwrap();
        for (n, one) in parameters.iter().enumerate() {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            let value = text("value").replace("${{ ctx.promotion }}", &promotion);
            let sign = if n == 0 { '?' } else { '&' };
            path.push_str(&format!("{sign}{}={value}", text("name")));
        }
        let first = daemon.get(&path).await.unwrap();
        assert_eq!(first.status, 200, "{path} {first:?}");
        if let Some(verdict) = verdict {
            decide(&daemon, &first.text("id"), verdict).await;
        }
        let answer = daemon.get(&path).await.unwrap();
        let got = Got {
            status: answer.status,
            body: answer.body.to_string(),
        };
        assert_eq!(kargo_http(Some(&got), &conditions), wanted, "{verdict:?}");
    }
}

#[test]
fn every_manifest_is_one() {
    for (_, folder, samples) in PAGES {
        for sample in samples {
            for one in documents(&format!("{folder}/{sample}")) {
                for pointer in ["/apiVersion", "/kind", "/metadata"] {
                    assert!(one.pointer(pointer).is_some(), "{sample} has no {pointer}");
                }
            }
        }
    }
}
