//! The daemon and the commands that talk to it, over a real Prometheus: from a submission to a
//! verdict, the same sentence everywhere, and no sample asked for twice.

use crate::support::daemon::{Daemon, Said, Site, haldane, interrupted};
use crate::support::hook::Hook;
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use crate::support::tap::Tap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A series, events, a distribution and an objective; looks every two seconds.
pub(crate) const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: web }
spec:
  inputs: { service: {} }
  judge: { method: mann-whitney }
  schedule: { step: 1s, look_every: 2s, bake: 6s, deadline: 12s, lag: 1s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      min_samples: 5
      unit: s
      series: { query: 'latency{service=\"${service}\",${selector}}' }
    - name: errors
      harm: increase
      min_effect: { absolute: 5% }
      events:
        bad: 'requests_total{service=\"${service}\",code=\"500\",${selector}}'
        total: 'requests_total{service=\"${service}\",${selector}}'
    - name: slow
      role: optional
      harm: increase
      min_effect: { absolute: 10% }
      distribution:
        buckets: 'duration_bucket{service=\"${service}\",${selector}}'
        threshold: 0.5
  objectives:
    - { name: availability, metric: errors, objective: 95%, period: 30d }
  traffic: { metric: errors, tolerance: 3 }
";

/// Seconds of history before now, and after: what comes is written down already, so that a living
/// analysis finds a sample a second.
const BEFORE_S: i64 = 240;
const AFTER_S: i64 = 240;

/// One service of the history, both arms with 40 requests a second.
struct Service {
    name: &'static str,
    /// The canary's latency as a multiple of the baseline's.
    factor: f64,
    /// The noise of both, as a share.
    noise: f64,
    /// Failures of 40 requests on the canary; one in 40 fails on the baseline.
    bad: u32,
}

const SERVICES: [Service; 3] = [
    Service {
        name: "catalog",
        factor: 1.0,
        noise: 0.03,
        bad: 1,
    },
    Service {
        name: "checkout",
        factor: 1.6,
        noise: 0.03,
        bad: 12,
    },
    // Exactly at the limit, and noisy: nobody can tell.
    Service {
        name: "murky",
        factor: 1.2,
        noise: 0.6,
        bad: 1,
    },
];

/// Something between -1 and 1, spread so evenly that every stretch of seconds looks like every
/// other (multiples of an irrational number, modulo 1): no verdict depends on when the test runs.
fn wobble(second: i64, arm: usize) -> f64 {
    let step = [0.618_033_988_749_895, 0.414_213_562_373_095][arm];
    2.0 * ((second % 100_000) as f64 * step).fract() - 1.0
}

pub(crate) fn history(now: i64) -> History {
    let mut history = History::default();
    let start = now - BEFORE_S;
    for service in &SERVICES {
        for (arm, track) in [(0, "stable"), (1, "canary")] {
            let canary = arm == 1;
            let labels = [("service", service.name), ("track", track)];
            let level = if canary { 0.2 * service.factor } else { 0.2 };
            let seconds = || start..now + AFTER_S;
            let latency =
                seconds().map(|s| (s as f64, level * (1.0 + service.noise * wobble(s, arm))));
            history.series("latency", &labels, latency);
            let bad = if canary { service.bad } else { 1 };
            let slow = if canary { 1.0 + f64::from(bad) } else { 2.0 };
            for (code, each) in [("200", 40 - bad), ("500", bad)] {
                let labels = [labels[0], labels[1], ("code", code)];
                let count = |s: i64| (s as f64, (s - start) as f64 * f64::from(each));
                history.series("requests_total", &labels, seconds().map(count));
            }
            for (le, each) in [("0.1", 20.0), ("0.5", 40.0 - slow), ("+Inf", 40.0)] {
                let labels = [labels[0], labels[1], ("le", le)];
                let count = |s: i64| (s as f64, (s - start) as f64 * each);
                history.series("duration_bucket", &labels, seconds().map(count));
            }
        }
    }
    history
}

/// Arguments about the arms of a service, as every command takes them.
fn arms(service: &str) -> [String; 6] {
    let input = format!("service={service}");
    let words = [
        "--input",
        &input,
        "--baseline",
        "track=\"stable\"",
        "--canary",
        "track=\"canary\"",
    ];
    words.map(str::to_owned)
}

async fn run(command: &str, rest: &[&str], service: &str) -> Said {
    let arms = arms(service);
    let mut args = vec![command];
    args.extend(rest);
    args.extend(arms.iter().map(String::as_str));
    haldane(&args).await
}

/// Submits by the command, waits, and checks that every way to read the verdict gives the same
/// bytes (A10).
async fn check_verdict(daemon: &Daemon, hook: &Hook, service: &str, verdict: &str, code: i32) {
    let url = hook.url(service);
    let rest = [
        "--server",
        daemon.url(),
        "-t",
        "web",
        "--service",
        service,
        "--traffic-share",
        "50%",
        "--webhook",
        &url,
        "--wait",
        "-o",
        "json",
    ];
    let said = run("submit", &rest, service).await;
    assert_eq!(said.code, Some(code), "{said:?}\n{}", daemon.log());
    let document = said.json();
    assert_eq!(document["verdict"], verdict, "{document}");
    let (id, reason) = (
        document["id"].as_str().unwrap(),
        document["reason"].as_str().unwrap(),
    );
    let api = daemon.get(&format!("/v1/analyses/{id}")).await.unwrap();
    assert_eq!(api.text("reason"), reason);

    let server = ["--server", daemon.url()];
    let waited = haldane(&[&["wait", id][..], &server].concat()).await;
    assert_eq!(waited.code, Some(code), "{waited:?}");
    let status = haldane(&[&["status", id][..], &server].concat()).await;
    let all = haldane(&[&["status"][..], &server].concat()).await;
    let markdown = haldane(&[&["status", id, "-o", "markdown"][..], &server].concat()).await;
    for (said, line) in [
        (&waited, format!("  {reason}")),
        (&status, format!("  {reason}")),
        (&markdown, reason.to_owned()),
    ] {
        let found = said.out.lines().any(|found| found == line);
        assert!(found, "{line:?} is no line of {}", said.out);
        for metric in ["latency", "errors", "slow"] {
            assert!(said.out.contains(metric), "{metric} in {}", said.out);
        }
    }
    assert_eq!(status.code, Some(0));
    // The list is as wide as it may be; a longer sentence ends in a mark.
    let start: String = reason.chars().take(30).collect();
    assert!(
        all.out.contains(id) && all.out.contains(&start),
        "{}",
        all.out
    );
    let told = hook
        .kept()
        .into_values()
        .find(|message| message.path == service)
        .unwrap();
    assert_eq!(told.event()["data"]["reason"], *reason);
    assert_eq!(told.event()["subject"], *id);
}

/// The same judged at once, by the command.
async fn check_judge(template: &Path, prometheus: &str, service: &str, verdict: &str, code: i32) {
    let template = template.display().to_string();
    let rest = [
        "-t",
        &template,
        "--prometheus",
        prometheus,
        "--start",
        "-60s",
        "--end",
        "-1s",
    ];
    let json = run("judge", &[&rest[..], &["-o", "json"]].concat(), service).await;
    assert_eq!(json.code, Some(code), "{json:?}");
    let document = json.json();
    assert_eq!(document["verdict"], verdict, "{document}");
    let table = run("judge", &rest, service).await;
    table.check(
        code,
        &[
            &verdict.to_uppercase(),
            "latency",
            "errors",
            "objective availability",
        ],
    );
    // The two windows are a moment apart, so only the shape of the sentence can be the same.
    let reason = document["reason"].as_str().unwrap();
    let worst: String = reason.chars().take(8).collect();
    assert!(
        table
            .out
            .lines()
            .any(|line| line.trim().starts_with(&worst)),
        "{reason} in {table:?}"
    );
}

/// Every query covers both arms; of each, ticks ask for what is new and nothing else.
fn check_requests(tap: &Tap) {
    let mut ranges: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for form in tap.forms() {
        let number = |name: &str| form[name].parse::<f64>().unwrap();
        let query = &form["query"];
        assert!(
            query.contains("canary") && query.contains("stable"),
            "one arm only: {query}"
        );
        let (key, range) = if form.contains_key("step") {
            (query.clone(), (number("start"), number("end")))
        } else {
            let (selector, range) = query.rsplit_once('[').unwrap();
            let ms: f64 = range.trim_end_matches("ms]").parse().unwrap();
            (
                selector.to_owned(),
                (number("time") - ms / 1000.0, number("time")),
            )
        };
        ranges.entry(key).or_default().push(range);
    }
    // Four parts (a series, bad, total, buckets) of three services.
    assert_eq!(ranges.len(), 12, "{ranges:#?}");
    for (query, ranges) in &ranges {
        let grid = query.starts_with("latency");
        for pair in ranges.windows(2) {
            let ([(_, before), (after, end)], gap) = (pair, if grid { 1.0 } else { 0.0 }) else {
                panic!("a pair of ranges");
            };
            let apart = after - before;
            assert!((apart - gap).abs() < 1e-6, "{query}: {ranges:?}");
            assert!(end > before, "{query}: {ranges:?}");
        }
    }
    let most = ranges.values().map(Vec::len).max().unwrap();
    assert!(most >= 3, "too few ticks to show anything: {ranges:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_gets_its_verdict_and_everybody_the_same_sentence() {
    let history = history(jiff::Timestamp::now().as_second());
    let wanted = Wanted {
        history: Some(&history),
        ..Wanted::default()
    };
    let prometheus = PrometheusServer::start(&wanted);
    let tap = Tap::start(prometheus.url()).await;
    let site = Site::new(&[("source.url", &tap.url())]);
    let template = site.template("web", TEMPLATE);
    let daemon = site.start().await;
    let hook = Hook::start().await;

    let cases = [
        ("catalog", "promote", 0),
        ("checkout", "rollback", 1),
        ("murky", "inconclusive", 3),
    ];
    let checks =
        cases.map(|(service, verdict, code)| check_verdict(&daemon, &hook, service, verdict, code));
    futures_util::future::join_all(checks).await;
    check_requests(&tap);
    let prometheus = prometheus.url().to_string();
    for (service, verdict, code) in cases {
        check_judge(&template, &prometheus, service, verdict, code).await;
    }
    hook.check_signatures();
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_decide_and_the_commands_say_so() {
    let history = history(jiff::Timestamp::now().as_second());
    let wanted = Wanted {
        history: Some(&history),
        ..Wanted::default()
    };
    let prometheus = PrometheusServer::start(&wanted);
    let site = Site::new(&[("source.url", prometheus.url().as_str())]);
    site.template("web", TEMPLATE);
    let daemon = site.start().await;
    let url = daemon.url().to_owned();
    let server = ["--server", &url];
    let submit = async |service: &'static str| {
        let rest = [&["-t", "web", "--service", service][..], &server].concat();
        let said = run("submit", &rest, service).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.trim().to_owned()
    };
    let command = async |args: &[&str]| haldane(&[args, &server].concat()).await;
    let by = ["--reason", "we know better", "--author", "ada"];

    let id = submit("catalog").await;
    let said = command(&[&["cancel", &id][..], &by].concat()).await;
    said.check(0, &["INCONCLUSIVE", "cancelled by ada: we know better"]);
    let wait = ["wait", &id];
    command(&wait).await.check(3, &["cancelled by ada"]);
    let as_rollback = [&wait[..], &["--inconclusive-as", "rollback"]].concat();
    command(&as_rollback).await.check(1, &["cancelled by ada"]);
    let again = command(&[&["override", &id, "promote"][..], &by].concat()).await;
    again.check(2, &["has concluded and its verdict stands", "[concluded]"]);

    let id = submit("murky").await;
    let said = command(&[&["override", &id, "promote"][..], &by].concat()).await;
    said.check(0, &["PROMOTE", "overridden to promote by ada"]);
    let verdict: Value = daemon.verdict(&id).await;
    assert_eq!(
        (&verdict["author"], &verdict["row"]),
        (&"ada".into(), &1.into())
    );
    command(&["wait", &id])
        .await
        .check(0, &["overridden to promote by ada"]);
    command(&["status", "nobody"])
        .await
        .check(2, &["no analysis nobody", "[unknown_analysis]"]);
    // Ctrl-C ends the waiting at once, not the analysis.
    let arms = arms("murky");
    let mut submit = vec![
        "submit",
        "-t",
        "web",
        "--service",
        "murky",
        "--wait",
        "--server",
        &url,
    ];
    submit.extend(arms.iter().map(String::as_str));
    let begun = std::time::Instant::now();
    assert_eq!(interrupted(&submit).await.code, Some(130));
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "it took {:?}",
        begun.elapsed()
    );
    let list = daemon
        .get("/v1/analyses?status=waiting")
        .await
        .unwrap()
        .body;
    assert_eq!(list["analyses"].as_array().unwrap().len(), 1, "{list}");
    daemon.stop().await;
    command(&["status"])
        .await
        .check(4, &["no daemon at", "haldane serve"]);
}
