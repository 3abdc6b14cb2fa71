//! The judge on small cases written as data, `tests/cases/judge/*.test`.
//!
//! A case is a few lines: a plan, its metrics with their values, and after `=` what the judge says.
//! With the variable `HALDANE_REWRITE` set the answers are written anew, to be read as a diff.
//! Every case is also judged in other units, with the metrics in reverse order, and with the arms
//! exchanged and harm turned round; labels must not change.

use crate::judge_plans::{self as plans, Noise};
use haldane::judge::explain::{Stand, headline, sentence};
use haldane::judge::judge;
use haldane::judge::judgement::{Judgement, Outcome};
use haldane::judge::windows::{MetricData, MetricWindow, Windows};
use haldane::plan::{MetricPlan, Plan, Queries};
use haldane::series::notation;
use haldane::template::{GapPolicy, Role};
use haldane::units::{Harm, MinEffect};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A parsed case: its own lines, and the answer that stands under them.
struct Case {
    name: String,
    input: Vec<String>,
    answer: Vec<String>,
}

fn cases(text: &str) -> (Vec<String>, Vec<Case>) {
    let mut head = Vec::new();
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("case ") {
            let (input, answer) = (vec![line.to_owned()], Vec::new());
            cases.push(Case {
                name: name.to_owned(),
                input,
                answer,
            });
        } else if let Some(case) = cases.last_mut() {
            let list = if line.starts_with("= ") {
                &mut case.answer
            } else {
                &mut case.input
            };
            if !line.is_empty() {
                list.push(line.to_owned());
            }
        } else {
            head.push(line.to_owned());
        }
    }
    (head, cases)
}

/// `key=value` words after the first `skip`.
fn option<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn number(line: &str, key: &str, default: f64) -> f64 {
    option(line, key).map_or(default, |text| text.parse().unwrap())
}

/// Prometheus' notation, or `normal seed=1 n=30 level=100 sd=5 rho=0.6`.
///
/// A `;` puts one text behind another.
fn values(text: &str) -> Vec<Option<f64>> {
    text.split(';').flat_map(|part| run(part.trim())).collect()
}

fn run(text: &str) -> Vec<Option<f64>> {
    if !text.starts_with("normal ") {
        return notation::parse(text).unwrap();
    }
    let seed = option(text, "seed").unwrap().parse().unwrap();
    let n = option(text, "n").unwrap().parse().unwrap();
    let (level, sd) = (number(text, "level", 1.0), number(text, "sd", 0.1));
    let deviates = Noise(seed).ar1(number(text, "rho", 0.0), n);
    deviates.into_iter().map(|z| Some(level + sd * z)).collect()
}

fn limit(text: &str) -> MinEffect {
    match text.strip_suffix('%') {
        Some(percent) => MinEffect::Relative(percent.parse::<f64>().unwrap() / 100.0),
        None => MinEffect::Absolute(text.parse().unwrap()),
    }
}

fn metric(line: &str) -> MetricPlan {
    let mut words = line.split_whitespace();
    let (kind, name) = (words.next().unwrap(), words.next().unwrap());
    let limit = limit(option(line, "limit").unwrap());
    let alpha = number(line, "alpha", 0.02);
    let mut metric = match kind {
        "series" => plans::series_metric(name, limit, alpha),
        _ => plans::events_metric(name, limit, alpha),
    };
    metric.harm = option(line, "harm").map_or(Harm::Increase, |w| Harm::from_word(w).unwrap());
    metric.role = match option(line, "role") {
        Some("critical") => Role::Critical,
        Some("optional") => Role::Optional,
        Some("info") => Role::Info,
        _ => Role::Required,
    };
    if let Some(unit) = option(line, "unit") {
        unit.clone_into(&mut metric.unit);
    }
    if let (Queries::Series { gaps, .. }, Some("fail")) =
        (&mut metric.queries, option(line, "gaps"))
    {
        *gaps = GapPolicy::Fail;
    }
    metric
}

/// The windows of one metric from the lines under it.
fn window(metric: &MetricPlan, lines: &[&str]) -> MetricWindow {
    let find = |word: &str| {
        let line = lines.iter().find_map(|l| l.trim().strip_prefix(word));
        values(line.unwrap_or_default().trim())
    };
    if matches!(metric.queries, Queries::Series { .. }) {
        // The value at the start belongs to the time before.
        let shifted = |word: &str| {
            let mut all = vec![None];
            all.extend(find(word));
            all
        };
        let mut window = plans::series(&shifted("baseline "), &shifted("canary "));
        let seen = |word: &str| usize::from(find(word).iter().any(Option::is_some));
        window.baseline_series = seen("baseline ");
        window.canary_series = seen("canary ");
        return window;
    }
    let pairs = |arm: &str| -> Vec<(f64, f64)> {
        let bad = find(&format!("{arm} bad "));
        let total = find(&format!("{arm} total "));
        bad.iter()
            .zip(&total)
            .map(|(b, t)| (b.unwrap(), t.unwrap()))
            .collect()
    };
    plans::events(&pairs("baseline"), &pairs("canary"))
}

fn build(case: &Case) -> (Plan, Windows) {
    let line = case.input.iter().find(|l| l.starts_with("plan ")).unwrap();
    let get = |key: &str, default: i64| -> i64 {
        option(line, key).map_or(default, |text| text.parse().unwrap())
    };
    let points = get("points", 30);
    let mut plan = plans::plan(points, get("every", points), number(line, "alpha", 0.02));
    plan.judge.accept_no_harm =
        option(line, "accept").map(|p| plans::probability(p.parse().unwrap()));
    let mut windows = Vec::new();
    let lines: Vec<&str> = case.input.iter().map(String::as_str).collect();
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("series ") || line.starts_with("events ") {
            let metric = metric(line);
            let own = lines[at + 1..]
                .iter()
                .take_while(|l| l.starts_with(' '))
                .copied();
            windows.push(window(&metric, &own.collect::<Vec<_>>()));
            plan.metrics.push(metric);
        }
    }
    let windows = plans::windows(&plan, windows, get("seen", points));
    (plan, windows)
}

fn answer(plan: &Plan, judged: &Judgement) -> Vec<String> {
    let mut out = Vec::new();
    for finding in &judged.findings {
        let mut line = format!("= {} {}", finding.metric, finding.label.word());
        write!(line, " [{}]: {}", finding.test, headline(finding)).unwrap();
        out.push(line);
        for note in &finding.notes {
            out.push(format!("=   note: {note}"));
        }
    }
    let score = judged
        .score
        .map_or("none".to_owned(), |score| score.to_string());
    out.push(format!(
        "= outcome {}, score {score}",
        judged.outcome.word()
    ));
    let stand = match judged.outcome {
        Outcome::Fail => Stand::RollbackMetric,
        Outcome::Pass => Stand::Promote,
        Outcome::NoData | Outcome::Marginal => Stand::Inconclusive,
    };
    out.push(format!(
        "= {stand:?}: {}",
        sentence(plan, Some(judged), stand)
    ));
    if stand == Stand::Inconclusive {
        out.push(format!(
            "= Pending: {}",
            sentence(plan, Some(judged), Stand::Pending)
        ));
    }
    out
}

fn labels(judged: &Judgement) -> Vec<(String, &'static str)> {
    let mut all: Vec<_> = judged
        .findings
        .iter()
        .map(|f| (f.metric.to_string(), f.label.word()))
        .collect();
    all.sort();
    all
}

/// All values and absolute limits of series in other units.
fn rescaled(plan: &Plan, windows: &Windows, factor: f64) -> (Plan, Windows) {
    let (mut plan, mut windows) = (plan.clone(), windows.clone());
    for (metric, window) in plan.metrics.iter_mut().zip(&mut windows.metrics) {
        let MetricData::Series { baseline, canary } = &window.data else {
            continue;
        };
        let times = |values: &[Option<f64>]| -> Vec<Option<f64>> {
            values.iter().map(|v| v.map(|v| v * factor)).collect()
        };
        let scaled = plans::series(&times(baseline.values()), &times(canary.values()));
        window.data = scaled.data;
        if let MinEffect::Absolute(value) = metric.min_effect {
            metric.min_effect = MinEffect::Absolute(value * factor);
        }
    }
    (plan, windows)
}

/// The arms exchanged and harm turned round: a canary more than 1 + d times the baseline is a
/// baseline less than 1 - d/(1 + d) times the canary. `None` where a limit has no mirror image
/// (`either` with a relative limit).
fn exchanged(plan: &Plan, windows: &Windows) -> Option<(Plan, Windows)> {
    let (mut plan, mut windows) = (plan.clone(), windows.clone());
    for (metric, window) in plan.metrics.iter_mut().zip(&mut windows.metrics) {
        match &mut window.data {
            MetricData::Series { baseline, canary } => std::mem::swap(baseline, canary),
            MetricData::Events { intervals } | MetricData::Distribution { intervals, .. } => {
                for interval in intervals {
                    std::mem::swap(&mut interval.baseline, &mut interval.canary);
                }
            }
        }
        let positive = match &window.data {
            MetricData::Series { baseline, canary } => {
                let mut values = baseline.values().iter().chain(canary.values()).flatten();
                values.all(|v| *v > 0.0)
            }
            MetricData::Events { .. } | MetricData::Distribution { .. } => true,
        };
        if let MinEffect::Relative(share) = metric.min_effect {
            let mirror = match metric.harm {
                Harm::Increase if positive => share / (1.0 + share),
                Harm::Decrease if positive && share < 1.0 => share / (1.0 - share),
                _ => return None,
            };
            metric.min_effect = MinEffect::Relative(mirror);
        }
        metric.harm = match metric.harm {
            Harm::Increase => Harm::Decrease,
            Harm::Decrease => Harm::Increase,
            Harm::Either => Harm::Either,
        };
    }
    Some((plan, windows))
}

fn reversed(plan: &Plan, windows: &Windows) -> (Plan, Windows) {
    let (mut plan, mut windows) = (plan.clone(), windows.clone());
    plan.metrics.reverse();
    windows.metrics.reverse();
    (plan, windows)
}

fn check_invariances(case: &str, plan: &Plan, windows: &Windows) {
    let judged = judge(plan, windows, 1);
    let same = |what: &str, plan: &Plan, windows: &Windows| {
        let other = judge(plan, windows, 1);
        assert_eq!(labels(&judged), labels(&other), "{case}: {what}");
        assert_eq!(judged.outcome, other.outcome, "{case}: {what}");
        assert_eq!(judged.score, other.score, "{case}: {what}");
    };
    for factor in [1e-6, 1e6] {
        let (plan, windows) = rescaled(plan, windows, factor);
        same(
            &format!("in units {factor} times as large"),
            &plan,
            &windows,
        );
    }
    let (turned, turned_windows) = reversed(plan, windows);
    same("metrics in reverse order", &turned, &turned_windows);
    // A trailing window takes the usual noise from the baseline, so arms are not alike to it.
    let trailing = judged.findings.iter().any(|f| f.test.ends_with("trailing"));
    if let Some((plan, windows)) = exchanged(plan, windows).filter(|_| !trailing) {
        same("arms exchanged", &plan, &windows);
    }
}

fn check_file(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let (head, cases) = cases(&text);
    let mut failures = Vec::new();
    let mut fresh = head.join("\n");
    for case in &cases {
        let (plan, windows) = build(case);
        let said = answer(&plan, &judge(&plan, &windows, 1));
        check_invariances(&case.name, &plan, &windows);
        if said != case.answer {
            failures.push(format!(
                "{}: {}\nexpected\n{}\nsaid\n{}",
                path.display(),
                case.name,
                case.answer.join("\n"),
                said.join("\n")
            ));
        }
        write!(fresh, "\n{}\n{}\n", case.input.join("\n"), said.join("\n")).unwrap();
    }
    assert!(!cases.is_empty(), "{} holds no case", path.display());
    if std::env::var_os("HALDANE_REWRITE").is_some() {
        std::fs::write(path, fresh).unwrap();
        return Vec::new();
    }
    failures
}

#[test]
fn cases_are_judged_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/judge");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let failures: Vec<String> = files.iter().flat_map(|file| check_file(file)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
