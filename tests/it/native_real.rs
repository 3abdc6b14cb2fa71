//! Native histograms against a real Prometheus: scraped in the protobuf format, which is the only
//! one that carries them, asked for over its API, and counted.

use crate::judge_plans as plans;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use haldane::judge::windows::{Batch, MetricData, Windows};
use haldane::plan::{Part, Queries, Slot};
use haldane::prometheus::{Client, Options};
use haldane::time::{Span, Step, Timestamp};
use haldane::units::MinEffect;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;

const PROTOBUF: &str = "application/vnd.google.protobuf; \
                        proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// Protocol Buffers' variable-length integer.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

fn number(field: u64, value: u64, out: &mut Vec<u8>) {
    varint(field << 3, out);
    varint(value, out);
}

fn bytes(field: u64, value: &[u8], out: &mut Vec<u8>) {
    varint(field << 3 | 2, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Signed integers as the format writes them: small ones of either sign are short.
fn zigzag(value: i64) -> u64 {
    value.unsigned_abs() * 2 - u64::from(value < 0)
}

/// `h{arm="…"}` of schema 0: bucket `idx` holds what lies in (2^(idx − 1), 2^idx]. Field numbers
/// are those of `io/prometheus/client/metrics.proto`.
fn metric(arm: &str, buckets: &[(i64, u64)]) -> Vec<u8> {
    let (mut label, mut histogram, mut out) = (Vec::new(), Vec::new(), Vec::new());
    bytes(1, b"arm", &mut label);
    bytes(2, arm.as_bytes(), &mut label);
    number(1, buckets.iter().map(|b| b.1).sum(), &mut histogram);
    varint(2 << 3 | 1, &mut histogram);
    histogram.extend_from_slice(&1.5_f64.to_le_bytes());
    number(5, zigzag(0), &mut histogram);
    varint(6 << 3 | 1, &mut histogram);
    histogram.extend_from_slice(&1e-9_f64.to_le_bytes());
    let (mut next, mut before) = (0, 0);
    let mut deltas = Vec::new();
    for (idx, count) in buckets {
        let mut span = Vec::new();
        number(1, zigzag(idx - next), &mut span);
        number(2, 1, &mut span);
        bytes(12, &span, &mut histogram);
        let count = i64::try_from(*count).unwrap();
        varint(zigzag(count - before), &mut deltas);
        (next, before) = (idx + 1, count);
    }
    bytes(13, &deltas, &mut histogram);
    bytes(1, &label, &mut out);
    bytes(7, &histogram, &mut out);
    out
}

/// What scrape `n` says: the canary has a slow tail.
fn page(n: u64) -> Vec<u8> {
    let mut family = Vec::new();
    bytes(1, b"h", &mut family);
    number(3, 4, &mut family);
    bytes(
        4,
        &metric("baseline", &[(0, 10 * n), (1, 2 * n)]),
        &mut family,
    );
    bytes(4, &metric("canary", &[(0, 8 * n), (3, 4 * n)]), &mut family);
    let mut out = Vec::new();
    varint(family.len() as u64, &mut out);
    out.extend(family);
    out
}

async fn target() -> (SocketAddr, watch::Receiver<u64>) {
    let (count, scrapes) = watch::channel(0);
    let answer = move || {
        let mut number = 0;
        count.send_modify(|scrapes| {
            *scrapes += 1;
            number = *scrapes;
        });
        std::future::ready(([(CONTENT_TYPE, PROTOBUF)], page(number)))
    };
    let app = Router::new().route("/metrics", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, scrapes)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap())
}

// On two threads: the target must answer while the server's start is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_serves_them_and_they_are_counted() {
    let (address, mut scrapes) = target().await;
    let before = now();
    let server = PrometheusServer::start(&Wanted {
        target: Some(address),
        native: true,
        ..Wanted::default()
    });
    scrapes.wait_for(|scrapes| *scrapes >= 5).await.unwrap();
    let after = now();
    let client = Client::new(Options::new(server.url())).unwrap();
    let answer = client.raw_samples("h", before, after).await.unwrap();
    assert!(answer.series.is_empty());
    let [baseline, canary] = answer.histograms.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!(baseline.labels["arm"], "baseline");
    assert!(canary.samples.len() >= 4, "{canary:?}");
    let last = &canary.samples[3];
    let ends: Vec<(f64, f64, f64)> = last
        .buckets
        .iter()
        .map(|b| (b.left, b.right, b.count))
        .collect();
    assert_eq!(ends, [(0.5, 1.0, 32.0), (4.0, 8.0, 16.0)]);
    // From the second scrape to the fourth, on a grid of their own.
    let mut plan = plans::plan(10, 1, 0.05);
    plan.timing.step = Step::new(Span::from_s(3600)).unwrap();
    plan.timing.start = canary.samples[0].at;
    plan.timing.judged_from = plan.timing.start;
    plan.timing.deadline = plan.timing.start.plus(Span::from_s(36_000));
    let mut metric = plans::series_metric("latency", MinEffect::Relative(0.1), 0.05);
    metric.queries = Queries::Distribution {
        buckets: "h".to_owned(),
        threshold: None,
    };
    plan.metrics.push(metric);
    let mut windows = Windows::new(&plan);
    let slot = Slot {
        metric_idx: 0,
        part: Part::Buckets,
    };
    let to = canary.samples[3].at;
    let from = before.minus(Span::from_s(300));
    let answers = vec![(slot, answer.clone())];
    windows.absorb(&plan, &Batch { from, to, answers });
    let MetricData::Distribution { shapes, .. } = &windows.metrics[0].data else {
        panic!("a distribution");
    };
    assert_eq!(shapes.bounds(), [0.5, 1.0, 2.0, 4.0, 8.0]);
    let (baseline, canary) = shapes.beyond(0).unwrap();
    assert_eq!(baseline.counts, [36.0, 6.0, 0.0, 0.0, 0.0]);
    assert_eq!(canary.counts, [36.0, 12.0, 12.0, 12.0, 0.0]);
}
