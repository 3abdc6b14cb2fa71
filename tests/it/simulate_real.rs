//! Scenarios through a real Prometheus: as history in blocks, and as pods it scrapes.

use crate::docs::root;
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use haldane::plan::{Part, Slot};
use haldane::prometheus::{Client, Options};
use haldane::simulate::traffic::{Traffic, Window};
use haldane::time::{Span, Step, Timestamp};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const HALDANE: &str = env!("CARGO_BIN_EXE_haldane");

/// What a history is loaded, asked and judged with.
const TEMPLATE: &str = "analysis-templates/http-service.yaml";

/// Scrapes and discoveries take a second each; a minute without any is a fault.
const PATIENCE: Duration = Duration::from_secs(60);

fn haldane(args: &[&str]) -> std::process::Output {
    let mut command = Command::new(HALDANE);
    command.current_dir(root()).args(args).output().unwrap()
}

/// The scenario as history; whole, and with its end.
fn history(file: &str) -> String {
    let out = haldane(&["simulate", file, "--openmetrics", "-"]);
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// A real server over the history of a scenario gives `haldane judge` the verdict the scenario
/// requires.
async fn check_judged(file: &str, service: &str, code: i32) -> PrometheusServer {
    let text = history(file);
    assert!(text.ends_with("\n# EOF\n"));
    let server = PrometheusServer::start(&Wanted {
        history: Some(&History::of(&text)),
        ..Wanted::default()
    });
    let url = server.url().to_string();
    let input = format!("service={service}");
    let args = vec![
        "judge",
        "-t",
        TEMPLATE,
        "--prometheus",
        &url,
        "--input",
        &input,
        "--baseline",
        "track=\"stable\"",
        "--canary",
        "track=\"canary\"",
        "--start",
        "2026-03-02T09:00:00Z",
        "--end",
        "2026-03-02T09:30:00Z",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    let out = tokio::task::spawn_blocking(move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        haldane(&args)
    });
    let out = out.await.unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(
        out.status.code(),
        Some(code),
        "{said}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_loaded_and_judged() {
    check_judged("simulations/s17-token-expires.yaml", "payments", 0).await;
    let file = "simulations/s06-limits-too-low.yaml";
    let server = check_judged(file, "images", 1).await;
    // Sample for sample what the daemon would read of the simulated source, restarts included.
    let scenario = std::fs::read_to_string(root().join(file)).unwrap();
    let start = Timestamp::parse("2026-03-02T09:00:00Z").unwrap();
    let (from, to) = (start, start.plus(Span::from_s(1800)));
    let client = Client::new(Options::new(server.url())).unwrap();
    let parsed = Traffic::parse(&scenario).unwrap().scenario().clone();
    // The born instant is that of the file: the anchors before the start, and a scrape.
    let first = history(file).lines().find_map(|line| {
        line.rsplit_once(' ')
            .filter(|_| !line.starts_with('#'))
            .map(|(_, at)| at.parse::<f64>().unwrap())
    });
    let born = Timestamp::from_seconds(first.unwrap())
        .unwrap()
        .minus(Span::from_s(15));
    let traffic = Traffic::born_at(parsed.clone(), parsed.spec.seed, born);
    for query in [
        "http_requests_total{track=\"canary\"}",
        "http_request_duration_seconds_bucket{pod=\"stable-1\"}",
    ] {
        let slot = Slot {
            metric_idx: 0,
            part: Part::Total,
        };
        let window = Window {
            start: from,
            end: to,
            step: Step::new(Span::from_s(15)).unwrap(),
            changed_at: start,
        };
        let mut own = traffic.answer(slot, query, window).unwrap().series;
        let mut read = client.raw_samples(query, from, to).await.unwrap().series;
        for series in &mut read {
            series.labels.remove("__name__");
        }
        own.sort_by(|a, b| a.labels.cmp(&b.labels));
        read.sort_by(|a, b| a.labels.cmp(&b.labels));
        assert!(own.len() >= 6, "{query}");
        assert_eq!(read, own, "{query}");
    }
}

/// The program that serves, ended by its own process id.
struct Targets {
    child: Child,
    discovery: url::Url,
}

impl Targets {
    fn start(file: &str, speed: &str) -> Self {
        let mut command = Command::new(HALDANE);
        command
            .current_dir(root())
            .args(["simulate", file, "--serve", "127.0.0.1:0", "--speed", speed])
            .args(["--lead", "5m"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = said.map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("url: '")?;
            Some(rest.split_once('\'')?.0.to_owned())
        });
        Self {
            child,
            discovery: url.unwrap().parse().unwrap(),
        }
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until the answer is as wanted.
async fn asked_until(client: &Client, query: &str, wanted: impl Fn(&[f64]) -> bool) -> Vec<f64> {
    let begun = std::time::Instant::now();
    let mut said = String::new();
    while begun.elapsed() < PATIENCE {
        let now = std::time::SystemTime::now();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        let at = Timestamp::from_seconds(now.floor()).unwrap();
        let answer = client.query_instant(query, at).await.unwrap();
        let last = |series: &haldane::series::raw::RawSeries| series.samples[0].value;
        let values: Vec<f64> = answer.series.iter().map(last).collect();
        if wanted(&values) {
            return values;
        }
        said = format!("{values:?}");
        // A server tells nobody when it has scraped.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{query}: {said} after {PATIENCE:?}");
}

/// A real server finds the pods, scrapes them with their labels, and the rates are those of the
/// scenario; Ctrl-C ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_found_and_scraped() {
    let mut targets = Targets::start("simulations/s01-payments.yaml", "60");
    let server = PrometheusServer::start(&Wanted {
        discovery: Some(targets.discovery.clone()),
        ..Wanted::default()
    });
    let client = Client::new(Options::new(server.url())).unwrap();
    let pods = "up{service=\"payments\"} == 1";
    asked_until(&client, pods, |up| up.len() == 5).await;
    for (query, series) in [
        (
            "count by (track, pod) (http_requests_total{code=\"200\"})",
            5,
        ),
        (
            "count by (le) (http_request_duration_seconds_bucket{track=\"canary\",pod=\"canary-0\"})",
            7,
        ),
    ] {
        asked_until(&client, query, |found| found.len() == series).await;
    }
    // 300 a second, sixty times as fast, a fifth of it on the canary; chance and the second at
    // which a scrape falls leave a wide band.
    let rate = "sum by (track) (rate(http_requests_total{track=\"canary\"}[10s]))";
    let near = |rates: &[f64]| rates.len() == 1 && (2400.0..4800.0).contains(&rates[0]);
    asked_until(&client, rate, near).await;
    // Eight minutes of its own time on, the canary fails one request in fifty.
    let bad = "sum(rate(http_requests_total{track=\"canary\",code=\"500\"}[10s])) \
               / sum(rate(http_requests_total{track=\"canary\"}[10s]))";
    asked_until(&client, bad, |share| {
        share.len() == 1 && (0.01..0.03).contains(&share[0])
    })
    .await;
    let sent = Command::new("kill")
        .args(["-INT", &targets.child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(targets.child.wait().unwrap().code(), Some(0));
}
