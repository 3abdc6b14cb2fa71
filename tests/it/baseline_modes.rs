//! Baselines of another time: asked on their own, moved to the canary's time when they arrive, and
//! then judged exactly as if they had run beside it; live, once, recorded and judged again.

use crate::support::daemon::{Site, haldane};
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use haldane::engine::asks::{Ask, Reach, asks, joined};
use haldane::engine::effect::first_from;
use haldane::engine::schedule;
use haldane::judge::judge;
use haldane::judge::judgement::Judgement;
use haldane::judge::windows::{Batch, Windows};
use haldane::plan::bind::bind;
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::plan::{Part, Plan};
use haldane::series::raw::{
    Answer, Labels, RawBucket, RawHistogram, RawHistograms, RawSeries, Sample,
};
use haldane::template::parse::parse;
use haldane::time::{Span, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

const START: Timestamp = Timestamp::from_s(1_772_442_000);

fn template(more: &str) -> String {
    format!(
        "apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: {{ name: pairs }}
spec:
  schedule: {{ step: 30s, look_every: 2m, bake: 10m, deadline: 20m, lag: 30s }}
  history: {{ lookback: 20m }}
{more}
  metrics:
    - name: cpu
      harm: increase
      min_effect: {{ relative: 10% }}
      series: {{ query: 'cpu{{${{selector}}}}', per: pod }}
    - name: errors
      harm: increase
      min_effect: {{ absolute: 1% }}
      events: {{ bad: 'bad_total{{${{selector}}}}', total: 'all_total{{${{selector}}}}' }}
    - name: slow
      harm: increase
      min_effect: {{ absolute: 5% }}
      distribution: {{ buckets: 'seconds{{${{selector}}}}', threshold: 0.5 }}
  objectives:
    - {{ name: availability, metric: errors, objective: 99% }}
"
    )
}

fn scope(track: &str) -> Scope {
    Scope::new(vec![Matcher::equals("track", track).unwrap()]).unwrap()
}

fn plan(more: &str, baseline: &str, start: Timestamp) -> Plan {
    let (template, found) = parse(&template(more));
    let template = template.unwrap_or_else(|| panic!("{found:?}"));
    let rollout = Rollout {
        deploy: Deploy::default(),
        inputs: BTreeMap::new(),
        baseline: scope(baseline),
        canary: scope("canary"),
        start,
        duration: None,
    };
    bind(&template, &rollout).unwrap()
}

/// A number in 0 .. 1 that looks like chance (the finaliser of SplitMix64).
fn chance(population: usize, stream: i64, s: i64) -> f64 {
    let key = s * 1_000_003 + stream * 1009 + i64::try_from(population).unwrap();
    let mut z = key.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
}

/// Everything a population shows at the scrape `s` seconds after the start; its counters were born
/// an hour before, and one of the canary's is reset in the middle.
struct Population(usize);

impl Population {
    fn gauge(&self, s: i64) -> f64 {
        1.0 + 0.1 * chance(self.0, 1, s) + 0.02 * self.0 as f64
    }

    fn counters(&self, s: i64) -> [f64; 3] {
        let born = if self.0 == 1 && s >= 615 { 615 } else { -3600 };
        let scrapes = (born..=s).step_by(15);
        scrapes.fold([0.0; 3], |[all, bad, slow], at| {
            let requests = 20.0 + (10.0 * chance(self.0, 2, at)).floor();
            let failed = f64::from(u8::from(chance(self.0, 3, at) < 0.1));
            let late = (3.0 * chance(self.0, 4, at)).floor();
            [all + requests, bad + failed, slow + late]
        })
    }
}

/// What a source answers of the series of `population`, seen under `labels`, whose time is moved
/// `back`: grid points in `[start, end]`, scrapes in `(start, end]`.
fn answered(ask: &Ask<'_>, population: usize, track: &str, back: Span) -> Answer {
    let of = Population(population);
    let labels = |more: &[(&str, &str)]| -> Labels {
        let all = [("track", track), ("pod", "a")];
        all.iter()
            .chain(more)
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let offset = |at: Timestamp| at.plus(back).since(START).ms().div_euclid(1000);
    let mut answer = Answer::default();
    let step = Span::from_s(if ask.slot.part == Part::Grid { 30 } else { 15 });
    let mut samples = Vec::new();
    let mut at = START.minus(back).minus(Span::from_s(3600));
    while at <= ask.end {
        let grid = ask.slot.part == Part::Grid;
        if at > ask.start || (grid && at == ask.start) {
            samples.push(at);
        }
        at = at.plus(step);
    }
    let series = |labels: Labels, value: &dyn Fn(i64) -> f64| RawSeries {
        labels,
        samples: samples
            .iter()
            .map(|at| Sample {
                at: *at,
                value: value(offset(*at)),
            })
            .collect(),
    };
    match ask.slot.part {
        Part::Grid => answer.series.push(series(labels(&[]), &|s| of.gauge(s))),
        Part::Total => {
            let all = labels(&[("code", "all")]);
            answer.series.push(series(all, &|s| of.counters(s)[0]));
        }
        Part::Bad => {
            let bad = labels(&[("code", "500")]);
            answer.series.push(series(bad, &|s| of.counters(s)[1]));
        }
        Part::Buckets => {
            let histogram = |at: &Timestamp| {
                let [all, _, slow] = of.counters(offset(*at));
                let bucket = |left, right, count| RawBucket { left, right, count };
                RawHistogram {
                    at: *at,
                    count: all,
                    buckets: vec![bucket(0.25, 0.5, all - slow), bucket(0.5, 1.0, slow)],
                }
            };
            answer.histograms.push(RawHistograms {
                labels: labels(&[]),
                samples: samples.iter().map(histogram).collect(),
            });
        }
    }
    answer
}

/// Both arms of one time, or the canary's series alone, whose past is the baseline.
fn fetched(plan: &Plan, reach: Reach) -> Batch {
    let answers = asks(plan, reach).into_iter().map(|ask| {
        let answer = if ask.arm.is_none() {
            let mut both = answered(&ask, 0, "stable", Span::ZERO);
            let canary = answered(&ask, 1, "canary", Span::ZERO);
            both.series.extend(canary.series);
            both.histograms.extend(canary.histograms);
            both
        } else {
            let earlier = ask.moved(START) != START;
            let back = if earlier { plan.back() } else { Span::ZERO };
            answered(&ask, usize::from(!earlier), "canary", back)
        };
        (ask, answer)
    });
    Batch {
        from: reach.from,
        to: reach.to,
        answers: joined(answers.collect()),
    }
}

/// The windows after every look, with their judgements.
fn looks(plan: &Plan) -> (Windows, Vec<Judgement>) {
    let mut windows = Windows::new(plan);
    let mut out = Vec::new();
    for look in 1..=plan.timing.looks_planned() {
        let to = plan.timing.readable_to(schedule::due(&plan.timing, look));
        let first = look == 1;
        let from = if first {
            first_from(plan)
        } else {
            windows.covered_to
        };
        let settled = false;
        let reach = Reach {
            from,
            to,
            first,
            settled,
        };
        windows.absorb(plan, &fetched(plan, reach));
        out.push(judge(plan, &windows, look));
    }
    (windows, out)
}

/// The twin: the same numbers side by side. Values, counters with their anchors, resets and births,
/// native histograms, the history and every judgement come out the same.
#[test]
fn what_was_moved_is_judged_as_what_ran_beside() {
    let (beside, wanted) = looks(&plan("", "stable", START));
    assert!(
        wanted
            .iter()
            .all(|one| one.findings.iter().all(|f| f.baseline.n > 0))
    );
    for mode in ["before", "previous_day", "previous_week"] {
        let plan = plan(&format!("  baseline: {{ mode: {mode} }}"), "canary", START);
        let (moved, found) = looks(&plan);
        for (idx, metric) in plan.metrics.iter().enumerate() {
            assert_eq!(
                moved.metrics[idx], beside.metrics[idx],
                "{mode}: {}",
                metric.name
            );
            let history = |windows: &Windows| {
                (
                    windows.history_series(&plan, idx),
                    windows.history_events(&plan, idx),
                )
            };
            assert_eq!(history(&moved), history(&beside), "{mode}: {}", metric.name);
        }
        assert_eq!(found, wanted, "{mode}");
    }
}

/// No question about the baseline reaches beyond the start the rollout named, whenever it falls.
#[test]
fn right_before_means_before() {
    for late_ms in [0, 1, 29_999, 30_000] {
        let start = START.plus(Span::from_ms(late_ms));
        for more in ["", "  on_inconclusive: hold"] {
            let plan = plan(
                &format!("  baseline: {{ mode: before }}\n{more}"),
                "stable",
                start,
            );
            let reach = Reach {
                from: first_from(&plan),
                to: plan.timing.deadline,
                first: true,
                settled: true,
            };
            let asked = asks(&plan, reach);
            assert_eq!(asked.len(), 8);
            for pair in asked.chunks(2) {
                let [baseline, canary] = pair else {
                    panic!("two for each slot")
                };
                assert!(baseline.end <= start, "{late_ms}: {baseline:?}");
                assert_eq!(canary.end, plan.timing.deadline);
                assert_eq!(canary.start.since(baseline.start), plan.back());
                assert!(baseline.query.contains("track=\"stable\""), "{baseline:?}");
                assert!(canary.query.contains("track=\"canary\""), "{canary:?}");
            }
        }
    }
}

const LIVE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: nightly }
spec:
  schedule: { step: 15s, look_every: 1m, bake: 5m, deadline: 20m, lag: 0s }
  baseline: { mode: previous_day }
  metrics:
    - name: cpu
      harm: increase
      min_effect: { relative: 10% }
      series: { query: 'cpu{${selector}}' }
    - name: errors
      harm: increase
      min_effect: { absolute: 1% }
      events: { bad: 'failed_total{${selector}}', total: 'done_total{${selector}}' }
";

/// Yesterday and today of one job, in a real Prometheus: `cpu` of today is `factor` of yesterday's.
fn two_days(start_s: i64, factor: f64) -> History {
    let mut history = History::default();
    let days = [(0, 1.0), (1, factor)];
    let times = |day: i64| {
        (-600..=1500)
            .step_by(15)
            .map(move |s| (start_s - 86_400 * (1 - day) + s, s))
    };
    let cpu = days.into_iter().flat_map(|(day, factor)| {
        let value = move |s| factor * (2.0 + 0.2 * chance(usize::from(day == 1), 9, s));
        times(day).map(move |(at, s)| (at as f64, value(s)))
    });
    history.series("cpu", &[("job", "import")], cpu);
    for (name, per_scrape) in [("done_total", 50.0), ("failed_total", 0.1)] {
        let count = days.into_iter().flat_map(|(day, _)| {
            times(day).map(move |(at, s)| {
                (
                    at as f64,
                    (per_scrape * f64::from(i32::try_from(s + 600).unwrap()) / 15.0).floor(),
                )
            })
        });
        history.series(name, &[("job", "import")], count);
    }
    history
}

const WEAKNESS: &str = "the baseline is the day before";

/// `judge`, `record` and `replay` against a real server, without a baseline's matchers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_is_asked_about_yesterday() {
    let now = jiff::Timestamp::now().as_second();
    let start_s = (now - 3600) / 60 * 60;
    for (factor, code, word) in [(1.4, 1, "rollback"), (1.0, 0, "promote")] {
        let history = two_days(start_s, factor);
        let server = PrometheusServer::start(&Wanted {
            history: Some(&history),
            ..Wanted::default()
        });
        let site = Site::new(&[]);
        let path = site.path("nightly.yaml");
        std::fs::write(&path, LIVE).unwrap();
        let (path, url, start) = (
            path.to_str().unwrap(),
            server.url().to_string(),
            start_s.to_string(),
        );
        let end = (start_s + 1200).to_string();
        let common = [
            "-t",
            path,
            "--canary",
            "job=\"import\"",
            "--prometheus",
            &url,
            "--start",
            &start,
        ];
        let judged = haldane(&[&["judge"], &common[..], &["--end", &end]].concat()).await;
        judged.check(code, &[WEAKNESS, word.to_uppercase().as_str()]);
        let judged =
            haldane(&[&["judge", "-o", "json"], &common[..], &["--end", &end]].concat()).await;
        let document = judged.json();
        assert_eq!(document["comparison"]["baseline"], "previous_day");
        assert_eq!(document["comparison"]["baseline_earlier_ms"], 86_400_000);
        let query = document["metrics"][0]["queries"][0]["query"]
            .as_str()
            .unwrap();
        assert_eq!(
            query,
            "cpu{job=\"import\"} # baseline, 1d earlier: cpu{job=\"import\"}"
        );
        let markdown =
            haldane(&[&["judge", "-o", "markdown"], &common[..], &["--end", &end]].concat()).await;
        markdown.check(code, &[WEAKNESS]);
        let html =
            haldane(&[&["judge", "-o", "html"], &common[..], &["--end", &end]].concat()).await;
        html.check(code, &[WEAKNESS, "baseline.mode", "previous_day"]);

        let file = site.path("nightly.haldane.parquet");
        let file = file.to_str().unwrap();
        let to = ["--service", "import", "--to", file];
        let made = haldane(&[&["record"], &common[..], &to].concat()).await;
        made.check(0, &[word]);
        let replayed = haldane(&["replay", file]).await;
        replayed.check(0, &["the same verdict, byte for byte", WEAKNESS]);
    }
}

/// A day that was never scraped is no baseline, and no promote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_without_samples_is_no_baseline() {
    let now = jiff::Timestamp::now().as_second();
    let start_s = (now - 3600) / 60 * 60;
    let mut history = History::default();
    let samples = (-600..=1500)
        .step_by(15)
        .map(|s| ((start_s + s) as f64, 2.0 + chance(1, 9, s)));
    history.series("cpu", &[("job", "import")], samples);
    let server = PrometheusServer::start(&Wanted {
        history: Some(&history),
        ..Wanted::default()
    });
    let site = Site::new(&[("source.url", server.url().as_str())]);
    let text = LIVE.replace(
        "  metrics:",
        "  on_inconclusive: { no_data: rollback }\n  metrics:",
    );
    site.template("nightly", &text);
    let daemon = site.start().await;
    let start = jiff::Timestamp::from_second(start_s).unwrap().to_string();
    let body = json!({
        "template": "nightly", "canary": {"job": "import"},
        "deploy": {"service": "import"}, "start": start,
    });
    let id = daemon.submit(&body).await;
    let verdict = daemon.verdict(&id).await;
    // Gates are told what the template takes it for; the state stays what it is.
    assert_eq!(verdict["verdict"], "rollback", "{verdict}");
    assert_eq!(verdict["state"], "inconclusive", "{verdict}");
    assert_eq!(verdict["hold"], "arm_absent", "{verdict}");
    assert!(
        verdict["reason"].as_str().unwrap().contains(WEAKNESS),
        "{verdict}"
    );
    assert_eq!(verdict["comparison"]["baseline"], "previous_day");
    assert_eq!(verdict["on_inconclusive"], "rollback", "{verdict}");
    assert_eq!(verdict["inconclusive_because"], "no_data", "{verdict}");

    // Side by side the same body is refused, as ever.
    let mut beside = body.clone();
    let text = LIVE.replace("previous_day", "concurrent");
    beside.as_object_mut().unwrap().remove("template");
    beside["template_inline"] = json!(text);
    let refused = daemon.post("/v1/analyses", &beside).await;
    refused.check(422, "invalid_submission", &["baseline", "it is missing"]);
}
