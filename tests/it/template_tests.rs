//! `haldane test`: the shipped tests hold, data come out as they are written, what a test says is
//! compared field by field, and what is wrong with a file is said with its place.

#![expect(clippy::float_cmp, reason = "these results are exact")]

use crate::docs::{check_block, read, root};
use haldane::diagnostic::Diagnostic;
use haldane::judge::sequential::{Detail, Tables};
use haldane::plan::Part;
use haldane::rehearse::compare::misses;
use haldane::rehearse::pieces::Pieces;
use haldane::rehearse::read::read as read_tests;
use haldane::rehearse::run::{Files, Outcome, Prepared, prepare, seed_of};
use haldane::rehearse::spec::End;
use haldane::rehearse::table::Table;
use haldane::rehearse::{schema, update};
use haldane::replay::plans::Plans;
use haldane::series::raw::Answer;
use haldane::template::parse::parse;
use haldane::time::{Span, Step};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

const HALDANE: &str = env!("CARGO_BIN_EXE_haldane");

fn haldane(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(HALDANE);
    let Output {
        status,
        stdout,
        stderr,
    } = command.current_dir(dir).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

// ---- values over time

fn drawn(text: &str, count: usize) -> Vec<Option<f64>> {
    let step = Step::new(Span::from_s(30)).unwrap();
    let pieces = Pieces::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    let noise = haldane::simulate::noise::Noise::new(1, &["t"]);
    let points = pieces.points(step, count);
    points
        .into_iter()
        .zip(0..)
        .map(|(point, idx)| point.map(|point| point.drawn(noise, idx)))
        .collect()
}

/// The notation means what its table says.
#[test]
fn values_are_those_written() {
    let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
    for (text, wanted) in [
        ("2", some(&[2.0; 5])),
        ("-1.5", some(&[-1.5; 5])),
        ("25%", some(&[0.25; 5])),
        ("120/m", some(&[2.0; 5])),
        ("2/s", some(&[2.0; 5])),
        ("7200/h", some(&[2.0; 5])),
        ("2 for 1m, 3", some(&[2.0, 2.0, 3.0, 3.0, 3.0])),
        ("2 for 45s, 3", some(&[2.0, 2.0, 3.0, 3.0, 3.0])),
        ("1+1 for 90s, 9", some(&[1.0, 2.0, 3.0, 9.0, 9.0])),
        ("9-2 for 90s, 9", some(&[9.0, 7.0, 5.0, 9.0, 9.0])),
        ("_", vec![None; 5]),
        ("stale", vec![None; 5]),
        ("2x1 _ 3", vec![Some(2.0), Some(2.0), None, Some(3.0), None]),
        ("0+2x2, 9", some(&[0.0, 2.0, 4.0, 9.0, 9.0])),
        (
            "_ for 30s, 4",
            vec![None, Some(4.0), Some(4.0), Some(4.0), Some(4.0)],
        ),
        ("_x2 1x9", vec![None, None, Some(1.0), Some(1.0), Some(1.0)]),
        ("0.5 ~0%", some(&[0.5; 5])),
    ] {
        assert_eq!(drawn(text, 5), wanted, "{text}");
    }
}

/// Noise has the size, the correlation and the sign it is written with.
#[test]
fn noise_is_as_written() {
    const DRAWS: usize = 20_000;
    for (text, size, phi) in [
        ("10 ~5%", 0.5, 0.0),
        ("10 ~0.2", 0.2, 0.0),
        ("10 ~5% phi 0.6", 0.5, 0.6),
        ("-10 ~5% phi 0.6", 0.5, 0.6),
    ] {
        let values: Vec<f64> = drawn(text, DRAWS).into_iter().flatten().collect();
        let n = DRAWS as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviations: Vec<f64> = values.iter().map(|v| v - mean).collect();
        let variance = deviations.iter().map(|d| d * d).sum::<f64>() / n;
        let lagged = deviations.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n;
        assert!((mean.abs() - 10.0).abs() < 0.03, "{text}: {mean}");
        assert!(
            (variance.sqrt() / size - 1.0).abs() < 0.03,
            "{text}: {variance}"
        );
        assert!((lagged / variance - phi).abs() < 0.03, "{text}: {lagged}");
    }
    let positive = drawn("1 ~90%", DRAWS);
    assert!(positive.into_iter().flatten().all(|value| value >= 0.0));
}

/// Every mistake is pointed at.
#[test]
fn a_wrong_notation_is_pointed_at() {
    for (text, at, len, said) in [
        ("1 for 5m 2", 9, 1, "put a comma between pieces"),
        ("1, 2", 0, 1, "this goes on to the end"),
        ("0.2%x3 5", 7, 1, "another unit"),
        ("1 for ten", 6, 3, "no length of time"),
        ("1 for 0", 6, 1, "no length of time"),
        ("1 for", 2, 3, "followed by a length of time"),
        ("1 ~x", 2, 2, "is no noise"),
        ("1 phi 0.5", 2, 3, "how noise is correlated"),
        ("1 ~5% phi 1", 10, 1, "no correlation from 0 to 0.95"),
        ("1 ~5% phi", 6, 3, "followed by a correlation"),
        ("0.2 0.3x5 for 5m", 0, 3, "each its own"),
        ("1x5 for 5m", 0, 3, "no length of its own"),
        ("fast", 0, 4, "is no value"),
        (
            "1+1",
            0,
            3,
            "does not say for how long; write `1+1 for 10m` or `1+1x5`",
        ),
        ("1 ~5 %", 5, 1, "stands alone; write it without a space"),
        ("", 0, 1, "a piece is empty"),
        ("1 for 5m,", 9, 1, "a piece is empty"),
        ("1x999999", 0, 8, "more than 100000 values"),
    ] {
        let found = Pieces::parse(text).unwrap_err();
        assert!(found.message.contains(said), "{text}: {}", found.message);
        assert_eq!(
            (found.at, found.len),
            (at, len),
            "{text}: {}",
            found.message
        );
    }
}

// ---- samples

const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: probe }
spec:
  schedule: { step: 30s, look_every: 1m, warmup: 1m, bake: 5m, deadline: 20m, lag: 0s }
  history: { lookback: 30m, offset: true }
  judge: { accept_no_harm: { power: 80% } }
  metrics:
    - name: latency
      role: required
      harm: increase
      min_effect: { relative: 10% }
      series: { query: 'latency{${selector}}', per: pod }
    - name: errors
      role: optional
      harm: increase
      min_effect: { absolute: 1% }
      events: { bad: 'bad{${selector}}', total: 'total{${selector}}' }
    - name: slow
      role: info
      harm: increase
      min_effect: { absolute: 1% }
      distribution: { buckets: 'd_bucket{${selector}}', threshold: 0.25 }
";

fn prepared(
    tests: &str,
) -> Result<Vec<(Prepared, haldane::rehearse::spec::Test)>, Vec<Diagnostic>> {
    let text: Arc<str> = Arc::from(TEMPLATE);
    let (template, found) = parse(&text);
    let template = template.unwrap_or_else(|| panic!("{found:?}"));
    let (file, found) = read_tests(tests);
    let file = file.ok_or(found)?;
    let plans = Plans::default();
    let files = Files::default();
    let each = file.tests.into_iter().map(|test| {
        let prepared = prepare(&test, (&template, &text), &files, &plans)?;
        Ok((prepared, test))
    });
    each.collect()
}

fn with_metrics(metrics: &str) -> Prepared {
    let text = format!(
        "template: probe.yaml\nmetrics:\n{metrics}\ntests:\n  \
         - {{ name: t, expect: {{ verdict: promote }} }}\n"
    );
    let all = prepared(&text).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
    all.into_iter().next().unwrap().0
}

fn answer(all: &[(haldane::plan::Slot, Answer)], metric: usize, part: Part) -> &Answer {
    let hit =
        |(slot, _): &&(haldane::plan::Slot, Answer)| slot.metric_idx == metric && slot.part == part;
    &all.iter().find(hit).unwrap().1
}

/// How much a counter grows from the start on, and before it.
fn growth(answer: &Answer, arm: &str, start_ms: i64) -> Vec<(f64, f64)> {
    let mine = answer.series.iter().filter(|one| one.labels["arm"] == arm);
    mine.map(|one| {
        let at = |ms: i64| one.samples.iter().rev().find(|s| s.at.ms() <= ms);
        let (first, last) = (one.samples.first().unwrap(), one.samples.last().unwrap());
        let middle = at(start_ms).map_or(first.value, |s| s.value);
        (middle - first.value, last.value - middle)
    })
    .collect()
}

/// Counts are those written; rates and shares are met on the average; what was before the start is
/// as the baseline begins.
#[test]
fn samples_are_those_written() {
    let one = with_metrics(
        "  latency: { baseline: ['0.2', '0.3'], canary: { values: '0.5 for 5m, 0.6', replicas: 2 } }
  errors: { baseline: { total: 300, bad: 3 }, canary: { total: 6000/m, bad: '0% for 10m, 10%' } }
  slow: { bounds: [0.1, 0.25], both: { total: 1000, shares: [50%, 30%, 20%] } }",
    );
    let (answers, plan) = one.answers(7);
    let start = plan.timing.start;
    let grid = answer(&answers, 0, Part::Grid);
    assert_eq!(grid.series.len(), 4);
    let pods: Vec<&str> = grid
        .series
        .iter()
        .map(|one| one.labels["pod"].as_str())
        .collect();
    assert_eq!(pods, ["baseline-0", "baseline-1", "canary-0", "canary-1"]);
    let value = |series: usize, minutes: i64| {
        let at = start.ms() + minutes * 60_000;
        let mut samples = grid.series[series].samples.iter();
        samples.find(|s| s.at.ms() == at).map(|s| s.value)
    };
    assert_eq!(
        [value(2, 0), value(2, 4), value(2, 5), value(2, 20)],
        [Some(0.5), Some(0.5), Some(0.6), Some(0.6)]
    );
    // The version that came was not there before: its pods were as the baseline's are.
    assert_eq!([value(2, -10), value(3, -1)], [Some(0.2), Some(0.3)]);
    assert_eq!(grid.series[0].samples.len(), 101);

    let (total, bad) = (
        answer(&answers, 1, Part::Total),
        answer(&answers, 1, Part::Bad),
    );
    // Twenty minutes are forty steps; before the start as far back as anchors and history reach.
    assert_eq!(growth(total, "baseline", start.ms())[0].1, 12_000.0);
    assert_eq!(growth(bad, "baseline", start.ms())[0].1, 120.0);
    let [(_, all)] = growth(total, "canary", start.ms())[..] else {
        panic!("one counter")
    };
    let [(_, failed)] = growth(bad, "canary", start.ms())[..] else {
        panic!("one counter")
    };
    assert!((all / 120_000.0 - 1.0).abs() < 0.02, "{all}");
    assert!((failed / 6000.0 - 1.0).abs() < 0.06, "{failed}");

    let buckets = answer(&answers, 2, Part::Buckets);
    let of = |le: &str| {
        let mut found = buckets.series.iter().filter(|one| one.labels["le"] == le);
        let one = found.find(|one| one.labels["arm"] == "canary").unwrap();
        one.samples.last().unwrap().value - one.samples.first().unwrap().value
    };
    assert_eq!(
        [of("0.1") / of("+Inf"), of("0.25") / of("+Inf")],
        [0.5, 0.8]
    );
}

/// A lognormal distribution has the median it is written with, and bad observations are beyond the
/// threshold.
#[test]
fn distributions_are_those_written() {
    let ratio = |data: &str, le: &str| {
        let metrics = format!("  latency: {{ both: 1 }}\n  slow: {{ {data} }}");
        let (answers, _) = with_metrics(&metrics).answers(3);
        let buckets = answer(&answers, 2, Part::Buckets).series.clone();
        let last = |le: &str| {
            let mut mine = buckets.iter().filter(|one| one.labels["arm"] == "canary");
            mine.find(|one| one.labels["le"] == le)
                .unwrap()
                .samples
                .last()
                .unwrap()
                .value
        };
        last(le) / last("+Inf")
    };
    let lognormal = "bounds: [0.1, 0.25], both: { total: 60000/m, median: 0.1, sigma: 0.5 }";
    assert!((ratio(lognormal, "0.1") - 0.5).abs() < 0.01);
    let slow = "both: { total: 60000/m, bad: 20% }";
    assert!((ratio(slow, "0.25") - 0.8).abs() < 0.01);
}

/// An arm without values has no series, and a gap is a scrape that is missing.
#[test]
fn silence_is_silence() {
    let one = with_metrics(
        "  latency: { baseline: 1, canary: _ }
  errors: { baseline: { total: '10 for 5m, _ for 5m, 10' }, canary: { total: _, bad: _ } }
  slow: none",
    );
    let (answers, plan) = one.answers(1);
    let grid = answer(&answers, 0, Part::Grid);
    assert!(
        grid.series
            .iter()
            .all(|one| one.labels["arm"] == "baseline")
    );
    let total = answer(&answers, 1, Part::Total);
    assert_eq!(total.series.len(), 1);
    let after = total.series[0]
        .samples
        .iter()
        .filter(|s| s.at > plan.timing.start);
    assert_eq!(after.count(), 30);
    assert_eq!(answer(&answers, 1, Part::Bad).series.len(), 0);
    assert_eq!(answer(&answers, 2, Part::Buckets).series.len(), 0);
}

/// What is in one metric, arm or seed changes nothing in another.
#[test]
fn chance_is_a_function_of_its_name() {
    let series = |metrics: &str, seed: u64| {
        let (answers, _) = with_metrics(metrics).answers(seed);
        answer(&answers, 0, Part::Grid).series.clone()
    };
    let alone = series("  latency: { both: 1 ~5% }", 1);
    let beside = series(
        "  latency: { both: 1 ~5% }\n  errors: { both: { total: 5/s } }",
        1,
    );
    let other = series("  latency: { both: 1 ~5% }", 2);
    assert_eq!(alone, beside);
    assert_ne!(alone, other);
    assert_ne!(alone[0].samples, alone[1].samples);
    assert_eq!(seed_of("a healthy canary"), seed_of("a healthy canary"));
    assert_ne!(seed_of("a healthy canary"), seed_of("a healthy canary."));
}

// ---- verdicts

fn outcome(test: &str) -> (Outcome, Vec<String>) {
    let text = format!(
        "template: probe.yaml\nmetrics:\n  latency: {{ both: 0.2 ~5% }}\n\
         tests:\n  - name: t\n{test}"
    );
    let all = prepared(&text).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
    let (prepared, test) = &all[0];
    let outcome = prepared
        .run(prepared.seed(), Detail::Full, &Tables::default())
        .unwrap();
    let said = misses(&test.expect, &outcome);
    let said = said
        .iter()
        .map(|m| format!("{}: expected {}, got {}", m.field, m.expected, m.got));
    let said = said.collect();
    (outcome, said)
}

/// Every expectation can be met and missed, and says by how much.
#[test]
fn expectations_are_compared_field_by_field() {
    let bad = "    metrics: { latency: { canary: 0.3 ~5% } }\n";
    let (first, _) = outcome(&format!("{bad}    expect: {{ verdict: rollback }}\n"));
    assert_eq!(first.end.word(), "rollback");
    let (took, look) = (first.took, first.look);
    for (expect, wanted) in [
        ("verdict: [promote, rollback]", String::new()),
        (
            "verdict: [promote, inconclusive]",
            format!(
                "verdict: expected promote or inconclusive, got rollback after {took} (look {look})"
            ),
        ),
        ("metric: latency", String::new()),
        ("metrics: { latency: [worse, within] }", String::new()),
        (
            "metrics: { latency: within, errors: no data }",
            "metrics.latency: expected within, got worse".to_owned(),
        ),
        (
            "metric: errors",
            "metric: expected errors worse, got errors is no data".to_owned(),
        ),
        ("hold: none", String::new()),
        (
            "hold: arm_absent",
            "hold: expected arm_absent, got none".to_owned(),
        ),
        ("by: 20m", String::new()),
        (
            "by: 1m",
            format!("by: expected <= 1m, got {took} (look {look})"),
        ),
        ("not_before: 1m", String::new()),
        (
            "not_before: 19m",
            format!("not_before: expected >= 19m, got {took} (look {look})"),
        ),
        ("sentence: [latency, higher on the canary]", String::new()),
    ] {
        let (again, said) = outcome(&format!("{bad}    expect: {{ {expect} }}\n"));
        assert_eq!(again, first, "{expect}");
        assert_eq!(said.join("\n"), wanted, "{expect}");
    }
    let (_, said) = outcome(&format!("{bad}    expect: {{ sentence: lower }}\n"));
    assert!(
        said[0].starts_with("sentence: expected contains \"lower\", got \"latency is"),
        "{said:?}"
    );
}

/// History is healthy unless a test says otherwise: a canary that is worse from the start on is
/// found, and a population that always was is none.
#[test]
fn what_was_before_counts() {
    let both = "{ baseline: 0.2 ~3%, canary: 0.24 ~3% }";
    let run = |before: &str| {
        let data = format!("baseline: 0.2 ~3%, canary: 0.24 ~3%{before}");
        let test = format!("    metrics: {{ latency: {{ {data} }} }}\n    expect: {{ by: 1h }}\n");
        outcome(&test).0.end.word()
    };
    assert_eq!(run(""), "rollback");
    assert_eq!(run(&format!(", before: {both}")), "promote");
}

/// A source that is away is away in simulated time, and the grace counts.
#[test]
fn a_fault_of_the_source_is_met() {
    let expect = "    expect: { by: 1h }\n";
    let (healthy, _) = outcome(expect);
    assert_eq!(healthy.end.word(), "promote");
    let (away, _) = outcome(&format!(
        "    fault: [unreachable from 1m, empty to 30s]\n{expect}"
    ));
    assert_eq!((away.end.word(), away.row), ("inconclusive", 6));
    let (empty, _) = outcome(&format!("    fault: empty\n{expect}"));
    assert_eq!(empty.hold.unwrap().word(), "arm_absent");
}

/// The shortened look of further seeds decides what the full one does.
#[test]
fn seeds_whose_sentence_nobody_reads_end_alike() {
    let text = "template: probe.yaml\nmetrics: { latency: { baseline: 0.2 ~9%, canary: 0.216 ~9% } }\n\
                tests: [{ name: t, expect: { by: 1h } }]\n";
    let all = prepared(text).unwrap();
    let tables = Tables::default();
    for seed in 0..6 {
        let run = |detail| all[0].0.run(seed, detail, &tables).unwrap();
        let (full, brief) = (run(Detail::Full), run(Detail::Decision));
        let decided = |o: &Outcome| (o.end, o.took, o.look, o.row, o.hold.clone());
        assert_eq!(decided(&full), decided(&brief), "{seed}");
        let labels = |o: &Outcome| {
            let findings = &o.judgement.as_ref().unwrap().findings;
            findings.iter().map(|f| f.label).collect::<Vec<_>>()
        };
        assert_eq!(labels(&full), labels(&brief), "{seed}");
    }
}

// ---- mistakes

/// Each is said with its place, its code and the way out.
#[test]
fn mistakes_are_pointed_at() {
    let good = "template: probe.yaml
metrics: { latency: { both: 1 } }
tests:
  - name: t
    expect: { verdict: promote }
";
    assert!(prepared(good).is_ok());
    for (from, to, wanted) in [
        (
            "template:",
            "templat:",
            "1:1: unknown field `templat`, did you mean `template`? [C003]",
        ),
        ("latency:", "latensy:", "did you mean `latency`? [T001]"),
        ("both: 1", "boht: 1", "did you mean `both`? [C003]"),
        (
            "both: 1",
            "canary: 1",
            "`latency` says nothing of the baseline [T001]",
        ),
        (
            "both: 1",
            "both: 1, canary: 2",
            "2:32: `canary` beside `both` [T001]",
        ),
        (
            "both: 1",
            "both: 1 ~5% phi 3",
            "2:39: phi `3` is no correlation from 0 to 0.95 [T002]",
        ),
        ("both: 1", "both: 60/m", "a rate is no value of it [T001]"),
        (
            "both: 1",
            "both: { total: 60/m }",
            "`latency` is a series metric, and `total` and `bad` are none",
        ),
        (
            "both: 1 }",
            "both: 1 }, errors: { both: 1 }",
            "`errors` is an events metric, and values are none",
        ),
        (
            "both: 1 }",
            "both: 1 }, errors: { both: { total: 60/m, bad: 0.01 } }",
            "a count each step, which is a whole number [T001]",
        ),
        (
            "both: 1 }",
            "both: 1 }, errors: { both: { total: 60/m, bad: 200% } }",
            "bad events are below 0 or above all of them",
        ),
        (
            "both: 1 }",
            "both: 1 }, errors: { both: { total: 5% } }",
            "`total` is no number of events",
        ),
        (
            "both: 1 }",
            "both: 1 }, errors: { both: { total: 5, median: 1, bad: 1 } }",
            "`bad` beside `median`",
        ),
        (
            "both: 1 }",
            "both: 1 }, slow: { both: { total: 5, shares: [50%, 50%] } }",
            "has 2 shares for 11 bounds, which make 12 buckets",
        ),
        (
            "both: 1 }",
            "both: 1 }, slow: { both: { total: 5, shares: [50%, 40%] } }",
            "90 % together, not 100 %",
        ),
        (
            "both: 1 }",
            "both: 1 }, slow: { bounds: [1, 2], both: { total: 5, median: 1, sigma: 1 } }",
            "no bound of `slow` is its threshold 0.25",
        ),
        (
            "both: 1 }",
            "both: 1 }, slow: { bounds: [2, 1], both: { total: 5, bad: 0 } }",
            "bounds do not rise",
        ),
        (
            "both: 1 }",
            "both: 1 }, slow: { baseline: { total: 5, bad: 1 }, canary: { total: 5, median: 1, sigma: 1 } }",
            "`median` and `sigma` here, `total` and `bad` elsewhere",
        ),
        (
            "metrics: { latency: { both: 1 } }\n",
            "",
            "the test has no data [T001]",
        ),
        (
            "metrics: { latency: { both: 1 } }",
            "metrics: { errors: none }",
            "the required metric `latency` has no data [T001]",
        ),
        (
            "verdict: promote",
            "verdict: promoted",
            "unknown verdict `promoted`, did you mean `promote`? [C006]",
        ),
        (
            "verdict: promote",
            "verdict: []",
            "the list of `verdict` is empty [T001]",
        ),
        (
            "verdict: promote",
            "by: 1m, metric: []",
            "the list of `metric` is empty [T001]",
        ),
        (
            "verdict: promote",
            "by: 1m, metrics: {}",
            "the list of `metrics` is empty [T001]",
        ),
        (
            "both: 1",
            "both: 1 for 5m, 2",
            "2:39: `2` after a comma is no field [T001]; put quotes around",
        ),
        (
            "verdict: promote",
            "metric: latenc",
            "unknown metric `latenc`, did you mean `latency`? [T001]",
        ),
        (
            "verdict: promote",
            "metrics: { latency: bad }",
            "unknown label `bad` [C006]",
        ),
        (
            "verdict: promote",
            "objective: x",
            "unknown objective `x` [T001]; the template has no objective",
        ),
        ("verdict: promote", "by: 10", "by 10 has no unit [C010]"),
        (
            "verdict: promote",
            "by: 5m, not_before: 6m",
            "not_before 6m is later than by 5m [T001]",
        ),
        (
            "{ verdict: promote }",
            "{}",
            "nothing is expected, so the test cannot fail [T001]",
        ),
        (
            "    expect: { verdict: promote }\n",
            "",
            "a test needs `expect` [C004]",
        ),
        (
            "    expect",
            "    fault: down\n    expect",
            "fault `down` is not known [C006]",
        ),
        (
            "    expect",
            "    fault: empty from 5m to 1m\n    expect",
            "ends before it begins [T001]",
        ),
        (
            "    expect",
            "    scenario: a.yaml\n    recording: b\n    expect",
            "`scenario` beside `recording`",
        ),
        (
            "    expect",
            "    step: 1ms\n    expect",
            "samples, the limit is 4000000 [T001]",
        ),
        (
            "    expect",
            "    service: a\n    expect",
            "`service` belongs to a test with `scenario` [T001]",
        ),
        (
            "    expect",
            "    inputs: { a: b }\n    expect",
            "unknown input `a` [C061]",
        ),
        (
            "    expect",
            "    start: noon\n    expect",
            "start `noon` is no instant [C010]",
        ),
        (
            "    expect",
            "    duration: 1m\n    expect",
            "ends before the bake time of 5m [C064]",
        ),
        (
            "  - name: t\n",
            "  - name: t\n    expect: { by: 1h }\n  - name: t\n",
            "two tests are called `t` [C011]",
        ),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let Err(found) = prepared(&text) else {
            panic!("accepted:\n{text}")
        };
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(
            said.iter().any(|said| said.contains(wanted)),
            "{wanted}\n{said:#?}\n{text}"
        );
        assert!(found.iter().all(|said| said.place.is_some()), "{said:?}");
    }
}

/// A file of values says what is wrong with it, by line.
#[test]
fn tables_are_read_strictly() {
    let good = "timestamp_s,baseline,canary\n0,1,2\n30,1,\n90,1,3\n";
    let table = Table::read(good.as_bytes()).unwrap();
    assert_eq!(table.step.span(), Span::from_s(30));
    for (text, wanted) in [
        ("time,a,b\n", "its first line is `time,a,b`"),
        (
            "timestamp_s,baseline,canary\n0,1,2\n",
            "fewer than two rows",
        ),
        (
            "timestamp_s,baseline,canary\n0,1,2\n0,1,2\n",
            "line 3: timestamp_s 0 is not after",
        ),
        (
            "timestamp_s,baseline,canary\n0,1,x\n30,1,2\n",
            "line 2: canary `x` is no number",
        ),
        (
            "timestamp_s,baseline,canary\n,1,1\n30,1,2\n",
            "line 2: timestamp_s is no number",
        ),
        (
            "timestamp_s,baseline,canary\n0,1,1\n30,1,2\n60,1,1\n77,1,1\n",
            "not a whole number of 30s apart",
        ),
    ] {
        let said = Table::read(text.as_bytes()).unwrap_err();
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

// ---- the command

/// The tests of the two oldest templates hold, and under other seeds as well.
#[test]
fn shipped_tests_hold() {
    let files = ["http-service", "kubernetes-resources"];
    let files = files.map(|name| format!("analysis-templates/tests/{name}.test.yaml"));
    let [http, kubernetes] = &files;
    let args = ["test", http, kubernetes, "--seeds", "3", "--jobs", "2"];
    let (code, out, notes) = haldane(&root(), &args);
    assert_eq!(code, Some(0), "{out}{notes}");
    assert!(out.contains("a healthy canary is promoted"), "{out}");
    assert!(out.ends_with(" passed, 0 failed\n"), "{out}");
}

/// A folder with a template and a test file of it.
fn folder(tests: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("probe.yaml"), TEMPLATE).unwrap();
    std::fs::create_dir(dir.path().join("tests")).unwrap();
    std::fs::write(dir.path().join("tests/probe.test.yaml"), tests).unwrap();
    dir
}

const WRONG: &str = "# what is expected is wrong on purpose
template: ../probe.yaml
metrics: { latency: { both: 0.2 ~5% } }
tests:
  - name: a healthy <canary>
    expect:
      verdict: rollback   # no
      by: 1m              # sooner than anything
      metrics: { latency: worse }
  - name: a slow one
    metrics: { latency: { canary: 0.3 ~5% } }
    expect: { verdict: rollback }
";

/// A failing test says what differs and where that is expected; JSON and JUnit say the same.
#[test]
fn a_failing_test_says_what_differs() {
    let dir = folder(WRONG);
    let run = |args: &[&str]| haldane(dir.path(), &[&["test", "."][..], args].concat());
    let (code, out, _) = run(&["--junit", "tests.xml"]);
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    assert_eq!(lines[0], "./tests/probe.test.yaml  probe");
    assert!(
        lines[1].starts_with("FAIL  a healthy <canary>: promote after"),
        "{out}"
    );
    assert!(
        lines[2].starts_with(
            "./tests/probe.test.yaml:7: verdict: expected rollback, got promote after "
        )
    );
    assert!(lines[3].starts_with("./tests/probe.test.yaml:8: by: expected <= 1m, got "));
    assert_eq!(
        lines[4],
        "./tests/probe.test.yaml:9: metrics.latency: expected worse, got within"
    );
    assert!(
        lines[5].contains("latency: within  baseline ") && lines[5].contains("canary "),
        "{out}"
    );
    assert!(
        lines[6].starts_with("the required metric is within its limit")
            || lines[6].contains("within"),
        "{out}"
    );
    assert!(out.contains("pass  a slow one: rollback after "), "{out}");
    assert!(out.ends_with("1 passed, 1 failed\n"), "{out}");

    let (_, json, _) = run(&["-o", "json"]);
    let whole: Value = serde_json::from_str(&json).unwrap();
    let tests = &whole["files"][0]["tests"];
    assert_eq!(tests[0]["result"], "fail");
    assert_eq!(tests[0]["misses"][1]["field"], "by");
    assert_eq!(tests[0]["misses"][1]["line"], 8);
    assert_eq!(tests[1]["result"], "pass");
    assert_eq!(tests[1]["judgement"]["metrics"][0]["label"], "worse");

    let file = std::fs::read_to_string(dir.path().join("tests.xml")).unwrap();
    let (_, xml, _) = run(&["-o", "junit"]);
    assert_eq!(xml, file);
    let document = roxmltree::Document::parse(&xml).unwrap();
    let suite = document
        .descendants()
        .find(|n| n.has_tag_name("testsuite"))
        .unwrap();
    assert_eq!(
        (suite.attribute("tests"), suite.attribute("failures")),
        (Some("2"), Some("1"))
    );
    let failure = document
        .descendants()
        .find(|n| n.has_tag_name("failure"))
        .unwrap();
    assert!(failure.text().unwrap().contains("expected <= 1m"));
    let names: Vec<_> = document
        .descendants()
        .filter_map(|n| n.attribute("name"))
        .collect();
    assert!(names.contains(&"a healthy <canary>"), "{names:?}");
}

/// `--update` changes words and nothing else, and then the tests hold.
#[test]
fn update_keeps_everything_but_the_words() {
    let dir = folder(WRONG);
    let file = dir.path().join("tests/probe.test.yaml");
    let (code, out, _) = haldane(dir.path(), &["test", ".", "--update"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("3 expectations updated"), "{out}");
    let fresh = std::fs::read_to_string(&file).unwrap();
    let (code, out, _) = haldane(dir.path(), &["test", "."]);
    assert_eq!(code, Some(0), "{out}");
    let lines: Vec<(&str, &str)> = WRONG.lines().zip(fresh.lines()).collect();
    assert_eq!(WRONG.lines().count(), fresh.lines().count());
    assert_eq!(
        lines.iter().filter(|(old, new)| old != new).count(),
        3,
        "{fresh}"
    );
    assert_eq!(lines[6].1, "      verdict: promote   # no");
    assert!(
        lines[7].1.ends_with("              # sooner than anything"),
        "{fresh}"
    );
    assert_eq!(lines[8].1, "      metrics: { latency: within }");

    // What no word can put right is left alone, with all else in the file.
    let stubborn = WRONG.replace("metrics: { latency: worse }", "metric: latency");
    std::fs::write(&file, &stubborn).unwrap();
    let (_, out, _) = haldane(dir.path(), &["test", ".", "--update"]);
    assert!(
        out.contains("not updated: line 9: no word for `metric` would be right there"),
        "{out}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), stubborn);
    assert_eq!(update::updated("a", &[]), Ok("a".to_owned()));
}

/// Files are found by name, pattern and folder; a template nobody tests is named.
#[test]
fn files_are_found_and_templates_without_tests_are_named() {
    let dir = folder(
        &WRONG
            .replace("rollback   # no", "promote")
            .replace("by: 1m", "by: 20m")
            .replace("worse }", "within }"),
    );
    let run = |args: &[&str]| haldane(dir.path(), &[&["test"][..], args].concat());
    for files in [
        "tests/probe.test.yaml",
        "tests/*.yaml",
        "t?sts/*.test.yaml",
        "tests",
        ".",
    ] {
        let (code, out, notes) = run(&[files]);
        assert_eq!(code, Some(0), "{files}: {out}{notes}");
        assert!(out.ends_with("2 passed, 0 failed\n"), "{files}: {out}");
    }
    let (code, out, _) = run(&[".", "--filter", "^a slow"]);
    assert_eq!(
        (code, out.lines().last()),
        (Some(0), Some("1 passed, 0 failed"))
    );
    let (code, _, notes) = run(&[".", "--filter", "nothing"]);
    assert_eq!(code, Some(2));
    assert!(notes.contains("no test has such a name"), "{notes}");
    assert_eq!(run(&[".", "--require-tests"]).0, Some(0));
    let other = TEMPLATE.replace("name: probe", "name: other");
    std::fs::write(dir.path().join("other.yaml"), other).unwrap();
    let (code, out, _) = run(&[".", "--require-tests"]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("FAIL  ./other.yaml: the template has no test"),
        "{out}"
    );
    for (files, wanted) in [
        (
            "missing.yaml",
            "missing.yaml: there is no such file or folder",
        ),
        ("none/*.yaml", "no test file is there"),
        ("probe.yaml", "this is a template, not a test of one"),
    ] {
        let (code, out, notes) = run(&[files]);
        assert_eq!(code, Some(2), "{files}");
        assert!(
            format!("{out}{notes}").contains(wanted),
            "{files}: {out}{notes}"
        );
    }
}

/// A template that is wrong is shown as `haldane lint` shows it, and other files still run.
#[test]
fn a_broken_template_is_shown_where_it_is_named() {
    let dir = folder(WRONG);
    let broken = TEMPLATE.replace(
        "min_effect: { relative: 10% }",
        "min_efect: { relative: 10% }",
    );
    std::fs::write(dir.path().join("probe.yaml"), broken).unwrap();
    let good = WRONG.replace("../probe.yaml", "../good.yaml");
    std::fs::write(dir.path().join("good.yaml"), TEMPLATE).unwrap();
    std::fs::write(dir.path().join("tests/good.test.yaml"), good).unwrap();
    let (code, out, _) = haldane(dir.path(), &["test", "."]);
    assert_eq!(code, Some(2));
    assert!(out.contains("the template cannot be used"), "{out}");
    assert!(out.contains("--> ./tests/probe.test.yaml:2:11"), "{out}");
    assert!(out.contains("did you mean `min_effect`?"), "{out}");
    assert!(
        out.ends_with("1 passed, 1 failed, 1 file refused\n"),
        "{out}"
    );
}

/// Recordings, scenarios and CSV files are sources too; a recording that ends early is pending.
#[test]
fn other_sources_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let whole = |name: &str| root().join(name).display().to_string();
    let mut rows = "timestamp_s,baseline_total,baseline_bad,canary_total,canary_bad\n".to_owned();
    for idx in 0..60 {
        rows.push_str(&format!("{},300,0,100,{}\n", idx * 30, idx % 2 * 20));
    }
    std::fs::write(dir.path().join("e.csv"), rows).unwrap();
    let text = format!(
        "template: {}
tests:
  - name: a recording
    recording: {}
    expect: {{ verdict: promote }}
  - name: a recording that ends before the template decides
    recording: {}
    expect: {{ verdict: pending }}
  - name: a scenario
    scenario: {}
    service: payments
    expect: {{ verdict: rollback, metric: errors }}
  - name: a table
    inputs: {{ service: shop }}
    metrics: {{ errors: {{ csv: e.csv }}, slow-requests: {{ both: {{ total: 600/m, bad: 1% }} }} }}
    expect: {{ verdict: rollback, metric: errors }}
  - name: a scenario with more services
    scenario: {}
    expect: {{ verdict: promote }}
",
        whole("analysis-templates/http-service.yaml"),
        whole("tests/recordings/verdicts/semantics-4/healthy.haldane.parquet"),
        whole("tests/recordings/verdicts/semantics-4/regressed.haldane.parquet"),
        whole("simulations/s01-payments.yaml"),
        whole("simulations/demo.yaml"),
    );
    std::fs::write(dir.path().join("s.test.yaml"), text).unwrap();
    let (code, out, notes) = haldane(dir.path(), &["test", "s.test.yaml", "--seeds", "2"]);
    assert_eq!(code, Some(2), "{out}{notes}");
    assert!(out.contains("the scenario has 2 rollouts"), "{out}");
    assert!(
        out.contains("write `service`, one of catalog, checkout"),
        "{out}"
    );
    assert!(out.ends_with("4 passed, 0 failed, 1 refused\n"), "{out}");
}

/// The bytes depend on the seeds and on nothing else.
#[test]
fn answers_do_not_depend_on_threads() {
    let dir = folder(WRONG);
    let run = |jobs: &str| {
        haldane(
            dir.path(),
            &["test", ".", "--seeds", "6", "-o", "json", "--jobs", jobs],
        )
        .1
    };
    let one = run("1");
    assert_eq!(one, run("3"));
    let whole: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(whole["files"][0]["tests"][1]["seeds"]["of"], 6);
}

// ---- schema and reference

/// The schema takes what the reader takes, and refuses a misspelt field and an empty expectation.
#[test]
fn the_schema_knows_test_files() {
    let validator = jsonschema::draft7::new(&schema::json()).unwrap();
    let as_json = |text: &str| -> Value { serde_saphyr::from_str(text).unwrap() };
    for file in ["http-service", "kubernetes-resources"] {
        let text = read(&format!("analysis-templates/tests/{file}.test.yaml"));
        let errors: Vec<String> = validator
            .iter_errors(&as_json(&text))
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
        assert!(!validator.is_valid(&as_json(&text.replace("verdict:", "verdct:"))));
    }
    let bad = "{ template: a, tests: [{ name: a, expect: {} }] }";
    assert!(!validator.is_valid(&as_json(bad)));
    let (code, out, _) = haldane(&root(), &["schema", "--kind", "test"]);
    assert_eq!(code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), schema::json());
}

#[test]
fn the_reference_has_the_fields() {
    for (block, table) in schema::tables() {
        check_block("docs/template-tests.md", &block, &table);
    }
}

/// The examples of the reference are test files that are read.
#[test]
fn the_examples_of_the_reference_are_read() {
    let page = read("docs/template-tests.md");
    let mut seen = 0;
    for part in page.split("```yaml\n").skip(1) {
        let text = part.split("```").next().unwrap();
        if text.contains("template:") && text.contains("tests:") {
            let (file, found) = read_tests(text);
            assert!(file.is_some(), "{found:?}\n{text}");
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn ends_have_words() {
    for (word, end) in End::ALL {
        assert_eq!(end.word(), word);
    }
}
