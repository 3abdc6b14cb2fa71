//! How long a controller waits for an answer: a daemon with 1,000 analyses is asked 500 times a
//! second, facade by facade. `cargo bench --bench facades [-- part-of-a-name]` prints one JSON line
//! each with the median and the 99th percentile. Daemon and callers share the machine.
//!
//! To add a facade: a line in [`FACADES`].
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock, starts a daemon and prints"
)]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Analyses in memory.
const ANALYSES: usize = 1000;

/// Requests a second.
const RATE: u32 = 500;

/// Requests to each facade: ten seconds.
const REQUESTS: usize = 5000;

/// A name, and the path that asks it about the analysis with this id and service.
type Facade = (&'static str, fn(&str, &str) -> String);

const FACADES: &[Facade] = &[
    ("verdict", |id, _| format!("/v1/analyses/{id}/verdict")),
    ("verdict_join", |_, service| join(service)),
    ("query_by_id", |id, _| {
        format!("/prom/api/v1/query?query=haldane_score%7Bid%3D%22{id}%22%7D")
    }),
    ("query_by_service", |_, service| {
        format!("/prom/api/v1/query?query=haldane_score%7Bservice%3D%22{service}%22%7D")
    }),
    ("kayenta_configs", |_, _| {
        "/kayenta/canaryConfig?application=load&configurationAccountName=haldane".to_owned()
    }),
    ("kayenta_execution", |id, _| format!("/kayenta/canary/{id}")),
];

const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: load, description: for a measurement of load }
spec:
  schedule: { step: 1m, look_every: 1h, warmup: 0s, bake: 12h, deadline: 1d, lag: 1m }
  metrics:
    - name: nothing
      harm: increase
      min_effect: { relative: 10% }
      series: { query: 'nothing{${selector}}' }
";

fn join(service: &str) -> String {
    format!(
        "/v1/verdict?template=load&service={service}&deploy.id={service}-1&baseline.track=stable\
         &canary.track=canary"
    )
}

/// A daemon of its own on a free port, ended with this process.
struct Daemon {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let templates = dir.path().join("templates");
        std::fs::create_dir(&templates).expect("a folder");
        std::fs::write(templates.join("load.yaml"), TEMPLATE).expect("a template");
        let mut child = Command::new(env!("CARGO_BIN_EXE_haldane"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .arg("--store")
            .arg(dir.path().join("haldane.db"))
            .arg("--templates")
            .arg(&templates)
            .current_dir(dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let url = loop {
            let line = log.next().expect("it says where it listens").expect("text");
            if let Some((_, url)) = line.split_once("haldane listens on ") {
                break url.to_owned();
            }
        };
        // Read to the end, or a full pipe would stop it.
        std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
        Self {
            child,
            url,
            _dir: dir,
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let daemon = Daemon::start();
    haldane::prometheus::install_crypto();
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let analyses = submitted(&client, &daemon.url).await;
    for (name, path) in FACADES {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            measure(&client, &daemon.url, name, &analyses, *path).await;
        }
    }
}

/// Submits them and decides every other one; ids and services.
async fn submitted(client: &reqwest::Client, url: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for n in 0..ANALYSES {
        let service = format!("load-{n}");
        let answer = client.get(format!("{url}{}", join(&service))).send().await;
        let answer = answer.expect("an answer").text().await.expect("a body");
        let document: Value = serde_json::from_str(&answer).expect("JSON");
        let id = document["id"].as_str().expect("an id").to_owned();
        if n % 2 == 0 {
            let body = json!({ "verdict": "promote", "reason": "load", "author": "load" });
            let sent = client
                .post(format!("{url}/v1/analyses/{id}/override"))
                .header("content-type", "application/json")
                .body(body.to_string())
                .send()
                .await;
            assert!(sent.expect("an answer").status().is_success(), "{id}");
        }
        out.push((id, service));
    }
    out
}

/// Asks at the given rate, whatever the answers take, and prints how long they took.
async fn measure(
    client: &reqwest::Client,
    url: &str,
    name: &str,
    analyses: &[(String, String)],
    path: fn(&str, &str) -> String,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut asked = Vec::with_capacity(REQUESTS);
    for n in 0..REQUESTS {
        // Neighbours in time are strangers in memory.
        let (id, service) = &analyses[n * 619 % analyses.len()];
        let address = format!("{url}{}", path(id, service));
        let client = client.clone();
        tick.tick().await;
        asked.push(tokio::spawn(async move {
            let begun = Instant::now();
            let answer = client.get(address).send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 200, "an answer");
            drop(answer.bytes().await.expect("a body"));
            begun.elapsed()
        }));
    }
    let mut times = Vec::with_capacity(asked.len());
    for one in asked {
        times.push(one.await.expect("an answer"));
    }
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000].as_secs_f64() * 1e3;
    println!(
        r#"{{"facade":"{name}","analyses":{ANALYSES},"per_second":{RATE},"p50_ms":{:.2},"p99_ms":{:.2},"max_ms":{:.2}}}"#,
        at(500),
        at(990),
        at(1000)
    );
}
