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

mod crowd;
mod daemon;

use crowd::{Member, Origin};
use daemon::Daemon;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Analyses in memory.
const ANALYSES: usize = 1000;

/// Requests a second.
const RATE: u32 = 500;

/// Requests to each facade: ten seconds.
const REQUESTS: usize = 5000;

/// A request.
pub(crate) struct Ask {
    path: String,
    body: Option<String>,
}

impl Ask {
    fn get(path: String) -> Self {
        Self { path, body: None }
    }

    fn post(path: String, body: &Value) -> Self {
        Self {
            path,
            body: Some(body.to_string()),
        }
    }

    async fn send(&self, client: &reqwest::Client, url: &str) -> reqwest::Response {
        let address = format!("{url}{}", self.path);
        let request = match &self.body {
            None => client.get(address),
            Some(body) => client
                .post(address)
                .header("content-type", "application/json")
                .body(body.clone()),
        };
        request.send().await.expect("an answer")
    }
}

/// A name, who began the analyses, and what is asked about one of them.
type Facade = (&'static str, Origin, fn(&Member) -> Ask);

const FACADES: &[Facade] = &[
    ("verdict", Origin::Verdict, |one| {
        Ask::get(format!("/v1/analyses/{}/verdict", one.id))
    }),
    ("verdict_join", Origin::Verdict, |one| {
        Origin::Verdict.begin(&one.service)
    }),
    ("query_by_id", Origin::Verdict, |one| {
        prometheus("id", &one.id)
    }),
    ("query_by_service", Origin::Verdict, |one| {
        prometheus("service", &one.service)
    }),
    ("kayenta_configs", Origin::Verdict, |_| {
        let query = "application=load&configurationAccountName=haldane";
        Ask::get(format!("/kayenta/canaryConfig?{query}"))
    }),
    ("flagger_rollout", Origin::Flagger, |one| {
        crowd::flagger("rollout", &one.service)
    }),
    ("flagger_confirm_promotion", Origin::Flagger, |one| {
        crowd::flagger("confirm-promotion", &one.service)
    }),
    ("flagger_rollback", Origin::Flagger, |one| {
        crowd::flagger("rollback", &one.service)
    }),
    ("spinnaker_evaluate_health", Origin::Spinnaker, |one| {
        crowd::spinnaker(&one.service)
    }),
    ("kayenta_canary", Origin::Kayenta, |one| {
        Ask::get(format!("/kayenta/canary/{}", one.id))
    }),
    ("kayenta_standalone", Origin::Standalone, |one| {
        Ask::get(format!("/kayenta/standalone_canary_analysis/{}", one.id))
    }),
];

fn prometheus(label: &str, value: &str) -> Ask {
    let query = format!("haldane_score%7B{label}%3D%22{value}%22%7D");
    Ask::get(format!("/prom/api/v1/query?query={query}"))
}

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    haldane::prometheus::install_crypto();
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    for origin in Origin::ALL {
        let mut facades = FACADES
            .iter()
            .filter(|(name, of, _)| *of == origin && asked(name))
            .peekable();
        if facades.peek().is_none() {
            continue;
        }
        let daemon = Daemon::start().await;
        let members = crowd::gather(&client, &daemon, origin).await;
        for (name, _, ask) in facades {
            measure(&client, &daemon.url, name, &members, *ask).await;
        }
    }
}

/// Asks at the given rate, whatever the answers take, and prints how long they took. A gate may
/// say no by its status, but a redirect, an empty answer or a fault ends the benchmark.
async fn measure(
    client: &reqwest::Client,
    url: &str,
    name: &str,
    members: &[Member],
    ask: fn(&Member) -> Ask,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut asked = Vec::with_capacity(REQUESTS);
    for n in 0..REQUESTS {
        // Neighbours in time are strangers in memory.
        let ask = ask(&members[n * 619 % members.len()]);
        let (client, url) = (client.clone(), url.to_owned());
        tick.tick().await;
        asked.push(tokio::spawn(async move {
            let begun = Instant::now();
            let answer = ask.send(&client, &url).await;
            let status = answer.status().as_u16();
            assert!(status == 200 || status == 409, "{}: {status}", ask.path);
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
