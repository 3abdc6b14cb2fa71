//! Metrics whose data come late: nothing waits for them, what is still to come is not missing, and
//! what has come is judged like any other.

use crate::support::daemon::{Site, haldane};
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use haldane::engine::asks::{Ask, Reach, asks, joined};
use haldane::engine::effect::first_from;
use haldane::engine::schedule;
use haldane::engine::verdict::{Situation, Source, Verdict, decide};
use haldane::judge::judge;
use haldane::judge::judgement::{Judgement, Label};
use haldane::judge::windows::{Batch, Windows};
use haldane::plan::bind::bind;
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::plan::{Part, Plan};
use haldane::series::raw::{Answer, Labels, RawSeries, Sample};
use haldane::template::parse::parse;
use haldane::time::{Span, Timestamp};
use std::collections::BTreeMap;

const START: Timestamp = Timestamp::from_s(1_772_442_000);

/// A gate, and three metrics of every kind that come `lag` late.
fn template(lag: &str, more: &str) -> String {
    format!(
        "apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: {{ name: late }}
spec:
  schedule: {{ step: 30s, look_every: 1m, bake: 10m, deadline: 20m, lag: 30s }}
{more}
  metrics:
    - name: cpu
      harm: increase
      min_effect: {{ relative: 10% }}
      series: {{ query: 'cpu{{${{selector}}}}' }}
    - name: cost
      role: optional
{lag}
      harm: increase
      min_effect: {{ relative: 10% }}
      series: {{ query: 'cost{{${{selector}}}}' }}
    - name: refunds
      role: info
{lag}
      harm: increase
      min_effect: {{ absolute: 1% }}
      events: {{ bad: 'refunded_total{{${{selector}}}}', total: 'sold_total{{${{selector}}}}' }}
"
    )
}

fn plan(lag: &str, more: &str) -> Plan {
    let (template, found) = parse(&template(lag, more));
    let template = template.unwrap_or_else(|| panic!("{found:?}"));
    let scope = |track| Scope::new(vec![Matcher::equals("track", track).unwrap()]).unwrap();
    let rollout = Rollout {
        deploy: Deploy::default(),
        inputs: BTreeMap::new(),
        baseline: scope("stable"),
        canary: scope("canary"),
        start: START,
        duration: None,
    };
    bind(&template, &rollout).unwrap()
}

/// What a source that holds everything up to `there` answers. The late metrics of the canary are
/// three times those of the baseline, its cpu is the same.
fn answered(ask: &Ask<'_>, there: Timestamp) -> Answer {
    assert!(
        ask.end <= there,
        "nothing is asked for that cannot be there: {ask:?}"
    );
    let grid = ask.slot.part == Part::Grid;
    let late = ask.slot.metric_idx > 0;
    let arm = |(track, factor): (&str, f64)| {
        let value = |at: Timestamp| {
            let s = at.since(START).ms() / 1000;
            let chance =
                (s * 7919 + 31 * i64::from(track == "canary")).rem_euclid(101) as f64 / 101.0;
            let factor = if late { factor } else { 1.0 };
            match ask.slot.part {
                Part::Grid => factor * (10.0 + chance),
                Part::Bad => (factor * (s + 3600) as f64 / 10.0).floor(),
                Part::Total | Part::Buckets => (s + 3600) as f64,
            }
        };
        let mut samples = Vec::new();
        let mut at = START.minus(Span::from_s(600));
        while at <= ask.end {
            if at > ask.start || (grid && at == ask.start) {
                samples.push(Sample {
                    at,
                    value: value(at),
                });
            }
            at = at.plus(Span::from_s(15).times(if grid { 2 } else { 1 }));
        }
        let labels: Labels = [("track".to_owned(), track.to_owned())].into();
        RawSeries { labels, samples }
    };
    let series = [("stable", 1.0), ("canary", 3.0)].map(arm);
    Answer {
        series: series
            .into_iter()
            .filter(|one| !one.samples.is_empty())
            .collect(),
        ..Answer::default()
    }
}

fn fetched(plan: &Plan, reach: Reach, there: impl Fn(usize) -> Timestamp) -> Batch {
    let answers = asks(plan, reach).into_iter().map(|ask| {
        let answer = if ask.is_empty() {
            Answer::default()
        } else {
            answered(&ask, there(ask.slot.metric_idx))
        };
        (ask, answer)
    });
    Batch {
        from: reach.from,
        to: reach.to,
        answers: joined(answers.collect()),
    }
}

/// Every look of an analysis whose late metrics come `late` after the fact.
fn live(plan: &Plan, late: Span) -> Vec<(Windows, Judgement)> {
    let mut windows = Windows::new(plan);
    let mut out = Vec::new();
    for look in 1..=plan.timing.looks_planned() {
        let now = schedule::due(&plan.timing, look);
        let to = plan.timing.readable_to(now);
        let first = look == 1;
        let from = if first {
            first_from(plan)
        } else {
            windows.covered_to
        };
        let reach = Reach {
            from,
            to,
            first,
            settled: false,
        };
        let there = |metric_idx: usize| match metric_idx {
            0 => now.minus(plan.timing.lag),
            _ => now.minus(late),
        };
        windows.absorb(plan, &fetched(plan, reach, there));
        out.push((windows.clone(), judge(plan, &windows, look)));
    }
    out
}

/// The whole window, long after everything has come.
fn settled(plan: &Plan) -> (Windows, Judgement) {
    let reach = Reach {
        from: first_from(plan),
        to: plan.timing.deadline,
        first: true,
        settled: true,
    };
    let mut windows = Windows::new(plan);
    windows.absorb(plan, &fetched(plan, reach, |_| plan.timing.deadline));
    let judgement = judge(plan, &windows, plan.timing.looks_planned());
    (windows, judgement)
}

/// A day is more than an analysis lasts: nothing is asked, the metric is `lagging` at every look,
/// counts nowhere, and the gate alone decides.
#[test]
fn nothing_waits_for_a_bill() {
    let plan = plan("      lag: 24h", "");
    let mut promoted = false;
    for (_, judgement) in live(&plan, Span::from_s(86_400)) {
        for finding in &judgement.findings[1..] {
            assert_eq!(finding.label, Label::Lagging);
            let why = finding.no_data.clone().unwrap();
            assert_eq!(
                why,
                "its data come 1d late, all of them are there from 2026-03-03T09:20:00Z on"
            );
        }
        assert_ne!(judgement.score.map(haldane::units::Score::get), Some(0));
        let verdict = decide(&Situation::of(&plan, Some(&judgement), Source::Answering)).verdict;
        promoted |= verdict == Some(Verdict::Promote);
        assert_ne!(verdict, Some(Verdict::Rollback));
    }
    assert!(promoted, "the gate is within its limit");
}

/// Less than an analysis lasts: judged up to where its data can be, each of them read once, and
/// what is still to come is no gap.
#[test]
fn what_has_come_is_judged() {
    for (lag, late_s) in [
        ("5m", 300),
        ("4m45s", 285),
        ("90s", 90),
        ("19m", 1140),
        ("30s", 30),
    ] {
        for more in ["", "  history: { lookback: 5m }"] {
            let plan = plan(&format!("      lag: {lag}"), more);
            let late = Span::from_s(late_s);
            let (whole, _) = settled(&plan);
            let looks = live(&plan, late);
            for (look, (windows, judgement)) in (1..).zip(&looks) {
                let now = schedule::due(&plan.timing, look);
                let there = now.minus(late).align_down(plan.timing.step).max(START);
                assert_eq!(
                    windows.metric_covered_to(&plan, 1),
                    there,
                    "{lag}, look {look}"
                );
                assert_eq!(windows.metric_covered_to(&plan, 0), windows.covered_to);
                for idx in [1, 2] {
                    let (baseline, canary) = windows.coverage(&plan, idx);
                    if there > START.plus(plan.timing.step.span()) {
                        assert_eq!((baseline, canary), (1.0, 1.0), "{lag}, look {look}, {idx}");
                    }
                }
                let behind = there < windows.covered_to;
                let cost = &judgement.findings[1];
                if behind && cost.label != Label::Lagging {
                    let note = cost
                        .notes
                        .iter()
                        .any(|note| note.starts_with("judged up to"));
                    assert!(note, "{:?}", cost.notes);
                }
                assert!(behind || cost.label != Label::Lagging, "{lag}, look {look}");
            }
            // What was read piece by piece is what there is.
            let (windows, judgement) = looks.last().unwrap();
            let (pieces, all) = (
                windows.judged_series(&plan, 1).unwrap(),
                whole.judged_series(&plan, 1).unwrap(),
            );
            assert!(pieces.0.len() <= all.0.len());
            assert_eq!(pieces.0[..], all.0[..pieces.0.len()], "{lag}");
            assert_eq!(pieces.1[..], all.1[..pieces.1.len()], "{lag}");
            let (pieces, all) = (
                windows.judged_events(&plan, 2),
                whole.judged_events(&plan, 2),
            );
            assert_eq!(pieces[..], all[..pieces.len()], "{lag}");
            assert_eq!(
                windows.history_series(&plan, 1),
                whole.history_series(&plan, 1),
                "{lag}"
            );
            if late_s <= 300 {
                assert_eq!(judgement.findings[1].label, Label::Worse, "{lag}");
            }
            assert_eq!(judgement.findings[0].label, Label::Within, "{lag}");
        }
    }
}

/// Long after the fact it is a metric like any other.
#[test]
fn a_past_window_is_judged_as_if_nothing_were_late() {
    let (late, prompt) = (plan("      lag: 24h", ""), plan("", ""));
    assert_ne!(late.digest, prompt.digest);
    let ((windows, found), (wanted_windows, wanted)) = (settled(&late), settled(&prompt));
    assert_eq!(found, wanted);
    assert_eq!(windows.metrics, wanted_windows.metrics);
    assert_eq!(found.findings[1].label, Label::Worse);
}

/// Judged once, recorded and judged again from a real server, with a bill of which nothing is there
/// and a bill whose query is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_is_not_waited_for() {
    let now = jiff::Timestamp::now().as_second();
    let start_s = (now - 7200) / 60 * 60;
    let mut history = History::default();
    for (arm, track) in [(0_i64, "stable"), (1, "canary")] {
        let cpu = (-600..=1800).step_by(15).map(|s: i64| {
            let chance = (s * 7919 + arm * 31).rem_euclid(101) as f64 / 101.0;
            ((start_s + s) as f64, 10.0 + chance)
        });
        history.series("cpu", &[("track", track)], cpu);
    }
    let server = PrometheusServer::start(&Wanted {
        history: Some(&history),
        ..Wanted::default()
    });
    let site = Site::new(&[]);
    let (url, start, end) = (
        server.url().to_string(),
        start_s.to_string(),
        (start_s + 1200).to_string(),
    );
    let text = template("      lag: 24h", "");
    let wrong = text.replace(
        "'cost{${selector}}'",
        "'no_such_function(cost{${selector}})'",
    );
    for (name, text, said) in [
        ("absent.yaml", text.as_str(), "its data come 1d late"),
        ("wrong.yaml", wrong.as_str(), "its data come 1d late"),
    ] {
        let path = site.path(name);
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let common = [
            "-t",
            path,
            "--baseline",
            "track=\"stable\"",
            "--canary",
            "track=\"canary\"",
            "--prometheus",
            &url,
            "--start",
            &start,
        ];
        let judged =
            haldane(&[&["judge"], &common[..], &["--end", &end, "--explain"]].concat()).await;
        judged.check(0, &["PROMOTE", said]);
        let json =
            haldane(&[&["judge"], &common[..], &["--end", &end, "-o", "json"]].concat()).await;
        let document = json.json();
        assert_eq!(document["metrics"][1]["label"], "lagging", "{name}");
        let file = site.path(&format!("{name}.haldane.parquet"));
        let to = ["--service", "shop", "--to", file.to_str().unwrap()];
        let made = haldane(&[&["record"], &common[..], &to].concat()).await;
        made.check(0, &["promote"]);
        let replayed = haldane(&["replay", file.to_str().unwrap()]).await;
        replayed.check(0, &["the same verdict, byte for byte"]);
    }
}
