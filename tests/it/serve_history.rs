//! From template to history: what is asked of a source for it, and what of the answers stands
//! before the start.

#![expect(
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    reason = "the values are small whole numbers"
)]

use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use crate::support::stand_in::{Act, StandIn};
use haldane::judge::windows::Windows;
use haldane::plan::Plan;
use haldane::plan::once::bind_once;
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::prometheus::{Client, Options};
use haldane::serve::one_shot;
use haldane::serve::source::Source;
use haldane::simulate::traffic::Traffic;
use haldane::template::parse::parse;
use haldane::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Start of the samples, a multiple of two hours as blocks are.
const T0: i64 = 1_700_006_400;

/// Start of the analyses.
const START: i64 = T0 + 11_400;

fn plan(step: &str, lookback: &str, metrics: &str) -> Plan {
    let text = format!(
        "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: {{ name: t }}
spec:
  schedule: {{ step: {step}, deadline: 10m, lag: 0s }}
  history: {{ lookback: {lookback}, offset: true }}
  metrics:
{metrics}
"
    );
    let (template, found) = parse(&text);
    let template = template.unwrap_or_else(|| panic!("{found:?}"));
    let arm = |track: &str| Scope::new(vec![Matcher::equals("track", track).unwrap()]).unwrap();
    let rollout = Rollout {
        deploy: Deploy::default(),
        inputs: BTreeMap::new(),
        baseline: arm("stable"),
        canary: arm("canary"),
        start: Timestamp::from_s(START),
        duration: None,
    };
    bind_once(&template, &rollout).unwrap()
}

const GAUGE: &str = "
    - name: level
      harm: increase
      min_effect: { relative: 10% }
      series: { query: 'level{${selector}}', per: pod }
";

const REQUESTS: &str = "
    - name: errors
      harm: increase
      min_effect: { absolute: 1% }
      events:
        bad: 'requests_total{code=\"500\",${selector}}'
        total: 'requests_total{${selector}}'
        per: pod
";

async fn seen(plan: &Plan, source: &Source) -> Windows {
    let batch = one_shot::fetch(plan, source).await;
    let batch = batch.unwrap_or_else(|fault| panic!("{}", fault.message));
    let mut windows = Windows::new(plan);
    windows.absorb(plan, &batch);
    assert_eq!(windows.suspect, [""; 0]);
    windows
}

fn prometheus(url: url::Url) -> Source {
    Source::Prometheus(Client::new(Options::new(url)).unwrap())
}

/// Gauges once a second, counters every 15 s; the canary came ten minutes before the analysis.
fn samples() -> History {
    let mut history = History::default();
    for (track, since) in [("stable", T0), ("canary", START - 600)] {
        let pod = format!("{track}-a");
        let gauge = [("track", track), ("pod", pod.as_str())];
        let values = (since..=START + 600).map(|s| (s as f64, (s - T0) as f64));
        history.series("level", &gauge, values);
        for (code, each) in [("200", 4.0), ("500", 1.0)] {
            let labels = [("track", track), ("pod", pod.as_str()), ("code", code)];
            let scraped = (since..=START + 600).filter(|s| s % 15 == 0);
            let values = scraped.map(|s| (s as f64, each * ((s - since) / 15) as f64));
            history.series("requests_total", &labels, values);
        }
    }
    history
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_gives_the_history() {
    let history = samples();
    let server = PrometheusServer::start(&Wanted {
        history: Some(&history),
        ..Wanted::default()
    });
    let source = prometheus(server.url());

    // Longer than one request may ask for: 10,800 points before the start and 601 after.
    let plan = self::plan("1s", "3h", GAUGE);
    let windows = seen(&plan, &source).await;
    let (baseline, canary) = windows.history_series(&plan, 0).unwrap();
    let at = |idx: usize| Some((idx + 600) as f64);
    let wanted: Vec<Option<f64>> = (0..10_800).map(at).collect();
    assert!(baseline == wanted, "every second of three hours");
    assert!(canary[..10_200].iter().all(Option::is_none));
    assert!(canary[10_200..] == wanted[10_200..]);
    let (judged, _) = windows.judged_series(&plan, 0).unwrap();
    assert_eq!((judged.len(), judged[0]), (601, Some(11_400.0)));
    let (pods, _) = windows.history_replicas(&plan, 0).unwrap();
    assert_eq!((pods.len(), pods[0].name.as_str()), (1, "stable-a"));
    assert!(pods[0].values == wanted);

    let plan = self::plan("30s", "1h", REQUESTS);
    let windows = seen(&plan, &source).await;
    let intervals = windows.history_events(&plan, 0);
    assert_eq!(intervals.len(), 120);
    for (idx, interval) in intervals.iter().enumerate() {
        let baseline = interval.baseline.unwrap();
        assert_eq!((baseline.bad, baseline.total), (2.0, 10.0), "{idx}");
        // Its first sample is an origin: it is zero, so nothing is lost by it.
        let canary = interval.canary.map_or(-1.0, |counts| counts.total);
        let wanted = match idx {
            0..=98 => -1.0,
            99 => 0.0,
            _ => 10.0,
        };
        assert_eq!(canary, wanted, "{idx}");
    }
    let (_, pods) = windows.history_replica_counts(&plan, 0).unwrap();
    assert_eq!((pods[0].counts.bad, pods[0].counts.total), (40.0, 200.0));
}

/// A source that has enough of a history, but not for so long a query.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_is_too_much_is_left_out() {
    let too_much = r#"{"status":"error","errorType":"execution",
        "error":"query processing would load too many samples into memory"}"#;
    let value = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"track":"stable","pod":"a"},"values":[[1700018400,"1"]]}]}}"#;
    let server = StandIn::start(move |_, seen| {
        let start: f64 = seen.form["start"].parse().unwrap();
        if start < START as f64 {
            Act::Reply(422, Vec::new(), too_much.as_bytes().to_vec())
        } else {
            Act::json(value)
        }
    })
    .await;
    let plan = plan("30s", "1h", GAUGE);
    let windows = seen(&plan, &prometheus(server.url())).await;
    let (baseline, canary) = windows.history_series(&plan, 0).unwrap();
    assert!(baseline.iter().chain(&canary).all(Option::is_none));
    let (judged, _) = windows.judged_series(&plan, 0).unwrap();
    assert_eq!(judged.iter().flatten().count(), 1);
    let starts: Vec<String> = server
        .seen()
        .iter()
        .map(|s| s.form["start"].clone())
        .collect();
    let seconds: Vec<i64> = starts
        .iter()
        .map(|s| s.parse::<f64>().unwrap() as i64)
        .collect();
    assert_eq!(seconds, [START - 3600, START]);
}

/// In simulated traffic the canary's version comes with the analysis, while what its machines have
/// of their own was there before.
#[tokio::test]
async fn simulated_canaries_were_healthy_before() {
    let traffic = Traffic::parse(
        "
apiVersion: haldane/v1
kind: Scenario
metadata: { name: s }
spec:
  seed: 7
  scrape: 15s
  services:
    - name: shop
      replicas: 3
      gauges:
        - { metric: level, level: 100, canaryFactor: 2, offset: 1.1, spread: 0.05 }
      requests:
        - { metric: requests_total, perSecond: 300, canaryShare: 0.5,
            errorRatio: 0, canaryErrorRatio: 0.5 }
",
    )
    .unwrap();
    let source = Source::Simulated(Arc::new(traffic));
    let plan = plan("30s", "1h", &format!("{GAUGE}{REQUESTS}"));
    let windows = seen(&plan, &source).await;
    let (_, before) = windows.history_series(&plan, 0).unwrap();
    let (_, after) = windows.judged_series(&plan, 0).unwrap();
    assert_eq!(before.len(), 120);
    for value in after.iter() {
        assert_eq!(*value, before[0].map(|v| v * 2.0));
    }
    let (baseline, canary) = windows.history_replicas(&plan, 0).unwrap();
    let names = |pods: &[haldane::judge::replicas::Replica]| -> Vec<String> {
        pods.iter().map(|pod| pod.name.clone()).collect()
    };
    assert_eq!(names(&baseline), ["stable-0", "stable-1", "stable-2"]);
    assert_eq!(names(&canary), ["canary-0", "canary-1", "canary-2"]);
    for pod in &canary {
        assert!(pod.values.iter().all(|value| *value == pod.values[0]));
        assert!((90.0..130.0).contains(&pod.values[0].unwrap()));
    }
    let (_, before) = windows.history_replica_counts(&plan, 1).unwrap();
    let (_, after) = windows.judged_replica_counts(&plan, 1).unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.name, before.counts.bad), (&after.name, 0.0));
        let ratio = after.counts.bad / after.counts.total;
        assert!((0.48..0.52).contains(&ratio), "{ratio}");
    }
}
