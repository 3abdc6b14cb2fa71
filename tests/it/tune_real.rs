//! `haldane tune` against a real Prometheus that holds a day of noisy, autocorrelated, gappy and
//! uneven metrics, whose truth is known; and on recordings.

use crate::replay::demo;
use crate::support::daemon::haldane;
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use haldane::recording;
use haldane::simulate::chance::Chance;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const HALDANE: &str = env!("CARGO_BIN_EXE_haldane");

/// When the history ends, in seconds since 1970.
const END: i64 = 1_772_445_600;

/// Thirty hours of samples, one a minute.
const MINUTES: i64 = 30 * 60;

/// Lag-1 correlation from one minute to the next.
const RHO: f64 = 0.6;

const TEMPLATE: &str = r#"# Judges web.
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: web }
spec:
  schedule: { step: 2m, look_every: 10m, bake: 20m, deadline: 40m }   # long steps
  metrics:
    # counted
    - name: errors
      role: critical
      harm: increase
      min_effect: { absolute: 1% }   # a point
      events:
        bad: 'http_requests_total{code="500",${selector}}'
        total: 'http_requests_total{${selector}}'
    - name: cpu
      harm: increase
      min_effect: { relative: 30% }
      series: { query: 'avg by (${arm_labels}) (cpu{${selector}})' }
    # one pod is hotter, always
    - name: heat
      harm: increase
      min_effect: { relative: 10% }   # too tight
      series: { query: 'avg by (${arm_labels}) (heat{${selector}})' }
    - name: gappy
      role: optional
      harm: increase
      min_effect: { relative: 30% }
      min_coverage: 90%
      series: { query: 'avg by (${arm_labels}) (last_over_time(gappy{${selector}}[1m]))' }
"#;

/// Three pods: `cpu` is an AR(1); `heat` is half as high again on pod 0; `gappy` misses half its
/// scrapes; 2 of 1,000 requests fail.
fn history() -> History {
    let mut out = History::default();
    for pod in 0..3 {
        let name = format!("pod-{pod}");
        let labels = [("track", "stable"), ("pod", name.as_str())];
        let mut chance = Chance::new(11, &["history", &name]);
        let at = |minute: i64| (END - 60 * (MINUTES - minute)) as f64;
        let mut state = chance.normal();
        let mut cpu = Vec::new();
        let (mut heat, mut gappy) = (Vec::new(), Vec::new());
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let (mut goods, mut bads) = (0.0, 0.0);
        for minute in 0..MINUTES {
            state = RHO * state + (1.0 - RHO * RHO).sqrt() * chance.normal();
            cpu.push((at(minute), 0.5 * (1.0 + 0.1 * state)));
            let hot = if pod == 0 { 1.5 } else { 1.0 };
            heat.push((at(minute), hot * (60.0 + chance.normal())));
            if chance.uniform() < 0.5 {
                gappy.push((at(minute), 5.0 + 0.1 * chance.normal()));
            }
            let failed = chance.poisson(2.0);
            bads += failed;
            goods += 1000.0 - failed;
            good.push((at(minute), goods));
            bad.push((at(minute), bads));
        }
        out.series("cpu", &labels, cpu);
        out.series("heat", &labels, heat);
        out.series("gappy", &labels, gappy);
        for (code, samples) in [("200", good), ("500", bad)] {
            let labels = [labels[0], labels[1], ("code", code)];
            out.series("http_requests_total", &labels, samples);
        }
    }
    out
}

fn tune(url: &str, template: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(HALDANE);
    command
        .args([
            "tune",
            "--prometheus",
            url,
            "--baseline",
            "track=\"stable\"",
        ])
        .args(["--end", "2026-03-02T10:00:00Z", "--history", "30h", "-t"])
        .arg(template)
        .args(more);
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{why}"))
}

fn metric<'v>(found: &'v Value, name: &str) -> &'v Value {
    let mut all = found["metrics"].as_array().unwrap().iter();
    all.find(|metric| metric["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_is_tuned_on_the_history_of_a_real_server() {
    let history = history();
    let server = PrometheusServer::start(&Wanted {
        history: Some(&history),
        ..Wanted::default()
    });
    let url = server.url().to_string();
    let checked = tokio::task::spawn_blocking(move || {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("web.yaml");
        std::fs::write(&file, TEMPLATE).unwrap();
        measured(&url, &file);
        written(&url, &file);
        mistaken(&url, &file);
    });
    checked.await.unwrap();
}

const ASKED: [&str; 12] = [
    "--per",
    "pod",
    "--pairs",
    "48",
    "--within",
    "20m,40m",
    "--max-false-rollback",
    "30%",
    "--detect",
    "errors:+5pp within 40m",
    "-o",
    "json",
];

/// What is printed holds what is true.
fn measured(url: &str, file: &Path) {
    let output = tune(url, file, &ASKED);
    let found = json(&output);
    assert_eq!(output.status.code(), Some(0), "{found:#}");
    assert_eq!(found["outcome"], "proposed", "{found:#}");
    assert_eq!(found["promised_by"], "replicas");
    let kinds: Vec<&str> = found["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["replicas", "adjacent windows", "day before"]);
    // The canary is the hot pod in a third of pairs, which then is rolled back.
    let rate = &found["pairs"][0]["false_rollbacks"];
    let (low, high) = (
        rate["low"].as_f64().unwrap(),
        rate["high"].as_f64().unwrap(),
    );
    assert!(low <= 1.0 / 3.0 && 1.0 / 3.0 <= high, "{rate}");
    assert_eq!(rate["of"], 48);
    let heat = &metric(&found, "heat")["false_alarms"][0]["share"];
    assert_eq!(heat["count"], rate["count"], "only heat cries wolf");
    // Side by side in time the pods are the same, and nothing is hotter.
    assert_eq!(found["pairs"][1]["false_rollbacks"]["count"], 0);
    let cpu = metric(&found, "cpu");
    let lag1 = cpu["lag1"].as_f64().unwrap();
    assert!((lag1 - RHO * RHO).abs() < 0.15, "{lag1}");
    // An AR(1) of ρ² every two minutes: 30 (1 − ρ²)/(1 + ρ²) an hour.
    let wanted = 30.0 * (1.0 - RHO * RHO) / (1.0 + RHO * RHO);
    let effective = cpu["effective_per_hour"].as_f64().unwrap();
    assert!(
        (0.6..1.8).contains(&(effective / wanted)),
        "{effective} of {wanted}"
    );
    let none = &metric(&found, "gappy")["no_data"]["share"];
    assert!(none.as_f64().unwrap() > 0.5, "{none}");
    assert_eq!(metric(&found, "errors")["queries"], 2);
    let level = metric(&found, "errors")["level"].as_f64().unwrap();
    assert!((level - 0.002).abs() < 0.0005, "{level}");
    // What is shown in twice the time is no larger.
    for name in ["errors", "cpu"] {
        let shown = &metric(&found, name)["shown"];
        let size = |idx: usize| shown[idx]["smallest"].as_f64().unwrap();
        assert!(size(1) <= size(0), "{shown}");
    }
    // Held out: better on the newer half, and no promise of none.
    let newer = |which: &str| found[which]["newer"]["false_rollbacks"].clone();
    assert!(newer("as_it_is")["count"].as_u64() > newer("proposed")["count"].as_u64());
    assert!(newer("proposed")["high"].as_f64().unwrap() > 0.0);
    let diff = found["diff"].as_str().unwrap();
    assert!(
        diff.contains("-      min_effect: { relative: 10% }   # too tight\n"),
        "{diff}"
    );
    assert_eq!(std::fs::read_to_string(file).unwrap(), TEMPLATE);
}

/// Only `--write` writes, what it was stays, and what was written does what is asked.
fn written(url: &str, file: &Path) {
    let all: Vec<&str> = ASKED
        .iter()
        .copied()
        .chain(["--write", "--jobs", "1"])
        .collect();
    let output = tune(url, file, &all);
    assert_eq!(output.status.code(), Some(0));
    let kept = file.with_file_name("web.yaml.bak");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), TEMPLATE);
    let now = std::fs::read_to_string(file).unwrap();
    assert_ne!(now, TEMPLATE);
    for comment in [
        "# Judges web.",
        "# long steps",
        "# one pod is hotter, always",
        "# a point",
    ] {
        assert!(now.contains(comment), "{now}");
    }
    let again = json(&tune(url, file, &ASKED));
    assert_eq!(again["outcome"], "as_it_is", "{again:#}");
    assert_eq!(again["diff"], "");
}

/// What goes wrong says what to do.
fn mistaken(url: &str, file: &Path) {
    for (more, code, wanted) in [
        (vec!["--history", "10m"], 2, "--history 10m is too short"),
        (vec!["--max-false-rollback", "0"], 2, "write 1% or 0.01"),
        (vec!["--detect", "+25%"], 2, "names no time"),
        (vec!["--detect", "gappy:+25% within 15m"], 2, "is optional"),
        (
            vec!["--detect", "cpu:+25% within 3h"],
            2,
            "the template ends after 40m",
        ),
        (vec!["--within", "soon"], 2, "--within `soon`"),
        (
            vec!["--end", "2020-01-01T00:00:00Z", "--pairs", "2"],
            3,
            "no query has any sample",
        ),
        (
            vec!["--canary", "track=\"canary\""],
            2,
            "--canary is not needed",
        ),
        (
            vec!["--end", "yesterday"],
            2,
            "--end `yesterday` is no instant",
        ),
    ] {
        let mut command = Command::new(HALDANE);
        command.args([
            "tune",
            "--prometheus",
            url,
            "--baseline",
            "track=\"stable\"",
            "-t",
        ]);
        let output = command.arg(file).args(&more).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {said}");
        assert!(said.contains(wanted), "{more:?}: {said}");
    }
    let output = Command::new(HALDANE)
        .args(["tune", "-t"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--baseline is missing"), "{said}");
}

/// Healthy rollouts are placebo pairs, bad ones show what a metric brings, and others say nothing.
#[tokio::test]
async fn recordings_are_pairs_by_their_labels() {
    let dir = tempfile::tempdir().unwrap();
    let mut list = "recording,label\n".to_owned();
    for (name, service, label) in [
        ("a", "catalog", "good"),
        ("b", "checkout", "bad"),
        ("c", "checkout", ""),
    ] {
        let file = format!("{name}{}", recording::EXTENSION);
        recording::write(&dir.path().join(&file), &demo(service)).unwrap();
        list.push_str(&format!("{file},{label}\n"));
    }
    let index = dir.path().join("index.csv");
    std::fs::write(&index, list).unwrap();
    let template = crate::docs::root().join("simulations/demo-template.yaml");
    let template = template.display().to_string();
    let index = format!("@{}", index.display());
    let said = haldane(&["tune", "-t", &template, &index, "-o", "json"]).await;
    // One pair shows nothing, however well it went.
    said.check(3, &["Not shown: 0 of"]);
    let found = said.json();
    assert_eq!(found["promised_by"], "healthy rollouts");
    assert_eq!(found["pairs"][0]["false_rollbacks"]["of"], 1);
    let brings = found["metrics"].as_array().unwrap().iter();
    let brings: Vec<u64> = brings
        .map(|m| m["brings"]["of"].as_u64().unwrap())
        .collect();
    assert!(brings.iter().all(|of| *of == 1), "{brings:?}");
    let alone = dir.path().join(format!("c{}", recording::EXTENSION));
    let alone = alone.display().to_string();
    let said = haldane(&["tune", "-t", &template, &alone]).await;
    said.check(3, &["label recordings of healthy rollouts good"]);
    let said = haldane(&["tune", "-t", &template, "missing.haldane.parquet"]).await;
    said.check(2, &["no recording can be used", "missing.haldane.parquet"]);
    let said = haldane(&["tune", "-t", &template, &alone, "--prometheus", "http://x"]).await;
    said.check(2, &["cannot be used with"]);
}
