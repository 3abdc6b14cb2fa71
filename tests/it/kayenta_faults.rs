//! Kayenta's faults, each with the case that shows it: `tests/cases/kayenta/faults.test`.
//!
//! The inputs are data ([`faults`]), so that other judges can be asked the same questions.

use crate::judge_plans::{self as plans, Noise};
use haldane::engine::verdict::{Situation, Source, decide};
use haldane::judge::judge;
use haldane::judge::kayenta::classify::{self, Pair, Rule, classify};
use haldane::judge::kayenta::find;
use haldane::judge::kayenta::interval::Roots;
use haldane::judge::kayenta::score::{self, Scored};
use haldane::judge::kayenta::shifted::Scratch;
use haldane::judge::kayenta::transform;
use haldane::plan::{MetricPlan, Plan, Queries};
use haldane::template::kayenta::{EffectMeasure, EffectSize, KayentaOptions, KayentaSpec};
use haldane::template::{GapPolicy, Method, Role};
use haldane::units::{Harm, MinEffect, trim_number};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// One metric of a case: how it is judged, and what was measured.
pub(crate) struct FaultMetric {
    pub(crate) plan: MetricPlan,
    pub(crate) baseline: Vec<f64>,
    pub(crate) canary: Vec<f64>,
}

/// One case.
pub(crate) struct Fault {
    pub(crate) name: String,
    /// The public thread that reported it.
    pub(crate) thread: Option<String>,
    pub(crate) metrics: Vec<FaultMetric>,
    /// Its lines but for the answers.
    pub(crate) lines: Vec<String>,
    /// The answers that are written in the file.
    pub(crate) answers: Vec<String>,
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/kayenta/faults.test")
}

/// Every case of the file.
pub(crate) fn faults() -> Vec<Fault> {
    read(&std::fs::read_to_string(file()).unwrap())
}

/// Every case of a text. Lines `asked` and `must` are for another judge's file.
pub(crate) fn read(text: &str) -> Vec<Fault> {
    let mut out: Vec<Fault> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("case ") {
            out.push(Fault {
                name: name.to_owned(),
                thread: None,
                metrics: Vec::new(),
                lines: vec![line.to_owned()],
                answers: Vec::new(),
            });
            continue;
        }
        let Some(fault) = out.last_mut() else {
            continue;
        };
        if line.starts_with("= ") {
            fault.answers.push(line.to_owned());
            continue;
        }
        fault.lines.push(line.to_owned());
        let (word, rest) = line.split_once(' ').unwrap();
        match word {
            "thread" => fault.thread = Some(rest.to_owned()),
            "metric" => fault.metrics.push(FaultMetric {
                plan: metric(rest),
                baseline: Vec::new(),
                canary: Vec::new(),
            }),
            "baseline" | "canary" => {
                let scale = fault.lines.iter().rev().find_map(|l| option(l, "scale"));
                let scale = scale.map_or(1.0, |scale| scale.parse().unwrap());
                let metric = fault.metrics.last_mut().unwrap();
                let side = match word {
                    "baseline" => &mut metric.baseline,
                    _ => &mut metric.canary,
                };
                *side = values(rest).iter().map(|value| scale * value).collect();
            }
            "asked" | "must" => {}
            other => panic!("{other} is no word of a case"),
        }
    }
    out
}

/// The value of `key=value` among the words of a line.
pub(crate) fn option<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn values(text: &str) -> Vec<f64> {
    text.split(';').flat_map(|part| run(part.trim())).collect()
}

fn run(text: &str) -> Vec<f64> {
    if !text.starts_with("normal ") {
        return text
            .split_whitespace()
            .map(|v| v.parse().unwrap())
            .collect();
    }
    let number = |key| option(text, key).unwrap().parse::<f64>().unwrap();
    let n = option(text, "n").unwrap().parse().unwrap();
    let noise = Noise(option(text, "seed").unwrap().parse().unwrap()).ar1(0.0, n);
    let (level, sd) = (number("level"), number("sd"));
    noise.into_iter().map(|z| level + sd * z).collect()
}

fn metric(line: &str) -> MetricPlan {
    let name = line.split_whitespace().next().unwrap();
    // No minimum effect, as Kayenta has none unless asked.
    let mut metric = plans::series_metric(name, MinEffect::relative(0.0).unwrap(), 0.02);
    metric.harm = Harm::from_word(option(line, "harm").unwrap()).unwrap();
    if option(line, "role") == Some("critical") {
        metric.role = Role::Critical;
    }
    metric.evidence.samples = 3;
    if let (Queries::Series { gaps, .. }, Some("zero")) =
        (&mut metric.queries, option(line, "gaps"))
    {
        *gaps = GapPolicy::Zero;
    }
    let (measure, none) = match option(line, "measure") {
        Some("cles") => (EffectMeasure::Cles, 0.5),
        _ => (EffectMeasure::MeanRatio, 1.0),
    };
    let limit = |key: &str| option(line, key).map_or(none, |text| text.parse().unwrap());
    metric.kayenta = Some(KayentaOptions {
        outlier_factor: option(line, "outlier_factor").map(|text| text.parse().unwrap()),
        must_have_data: option(line, "no_data") == Some("fail"),
        effect_size: Some(EffectSize {
            measure,
            allowed_increase: limit("allowed_increase"),
            allowed_decrease: none,
            critical_increase: limit("critical_increase"),
            critical_decrease: none,
        }),
    });
    metric
}

/// Kayenta's own answer: a line per metric and the score.
fn kayenta(fault: &Fault, roots: Roots) -> Vec<String> {
    let rule = Rule {
        roots,
        ..Rule::kayenta()
    };
    let mut out = Vec::new();
    let mut judged = Vec::new();
    for metric in &fault.metrics {
        let settings = find::settings(&metric.plan);
        let control = transform::apply(&metric.baseline, &settings);
        let experiment = transform::apply(&metric.canary, &settings);
        let name = metric.plan.name.as_str();
        let pair = Pair::new(&control, &experiment);
        let got = classify(name, pair, &settings, rule, &mut Scratch::default());
        let mut line = format!("= kayenta {name} {}", got.label.word());
        if got.critical {
            line += " (Critical)";
        }
        if let Some(shift) = got.shift {
            let [lower, upper, estimate] =
                [shift.lower, shift.upper, shift.estimate].map(|v| format!("{v:?}"));
            let _ = write!(line, ", shift {estimate} ({lower} to {upper})");
        }
        if let Some(ratio) = got.ratio {
            let _ = write!(line, ", ratio {}", trim_number(ratio));
        }
        out.push(line);
        judged.push(got);
    }
    let scored: Vec<Scored<'_>> = judged
        .iter()
        .map(|got| Scored {
            label: got.label,
            groups: vec!["all"],
            reason: got.reason.as_deref(),
            critical: got.critical,
            muted: false,
        })
        .collect();
    let summary = score::summarise(&scored, &BTreeMap::new());
    let class = score::class(summary.score, Some(75.0), Some(50.0));
    let score = trim_number(summary.score);
    out.push(format!("= kayenta score {score} {}", class.word()));
    out
}

/// The case as an analysis looked at once.
fn analysis(fault: &Fault) -> (Plan, haldane::judge::windows::Windows) {
    let points = fault
        .metrics
        .iter()
        .map(|m| m.baseline.len().max(m.canary.len()));
    let points = i64::try_from(points.max().unwrap()).unwrap();
    let mut plan = plans::plan(points, points, 0.05);
    plan.judge.method = Method::Kayenta(KayentaSpec::default());
    plan.metrics = fault.metrics.iter().map(|m| m.plan.clone()).collect();
    let windows = fault.metrics.iter().map(|metric| {
        // The first grid point is the start itself, where nobody has asked yet.
        let cells = |values: &[f64]| {
            let finite = values.iter().map(|v| v.is_finite().then_some(*v));
            std::iter::once(None).chain(finite).collect::<Vec<_>>()
        };
        plans::series(&cells(&metric.baseline), &cells(&metric.canary))
    });
    let windows = plans::windows(&plan, windows.collect(), points);
    (plan, windows)
}

fn here(fault: &Fault) -> Vec<String> {
    let (plan, windows) = analysis(fault);
    let judgement = judge(&plan, &windows, plan.timing.looks_planned());
    let decision = decide(&Situation::of(&plan, Some(&judgement), Source::Answering));
    let labels = judgement.findings.iter().map(|f| f.label.word());
    let verdict = decision.verdict.map_or("pending", |verdict| verdict.word());
    let score = judgement.score.map_or("none".to_owned(), |s| s.to_string());
    vec![format!(
        "= here {}, score {score}, {}",
        labels.collect::<Vec<_>>().join(" "),
        verdict
    )]
}

#[test]
fn every_fault_is_as_written() {
    let mut text = std::fs::read_to_string(file()).unwrap();
    let head: String = text
        .lines()
        .take_while(|line| !line.starts_with("case "))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut fresh = head.trim_end().to_owned() + "\n";
    let mut wrong = Vec::new();
    for fault in faults() {
        let mut answers = kayenta(&fault, Roots::Compatible);
        answers.extend(here(&fault));
        if answers != fault.answers {
            wrong.push(format!("{}: {answers:#?}", fault.name));
        }
        let lines = fault.lines.iter().chain(&answers);
        let lines: Vec<&str> = lines.map(String::as_str).collect();
        let _ = write!(fresh, "\n{}\n", lines.join("\n"));
    }
    if std::env::var_os("HALDANE_REWRITE").is_some() {
        std::fs::write(file(), &fresh).unwrap();
        text.clone_from(&fresh);
        wrong.clear();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(text, fresh);
}

fn fault(name: &str) -> Fault {
    faults()
        .into_iter()
        .find(|fault| fault.name == name)
        .unwrap()
}

/// The numbers a user of Kayenta printed while debugging it, spinnaker/spinnaker#6278.
#[test]
fn a_stranger_saw_the_same_numbers() {
    let fault = fault("seven of ten values a hundred times as large");
    let metric = &fault.metrics[0];
    let pair = Pair::new(&metric.baseline, &metric.canary);
    let settings = find::settings(&metric.plan);
    let rule = Rule::kayenta();
    let got = classify("m", pair, &settings, rule, &mut Scratch::default());
    let shift = got.shift.unwrap();
    let seen = (shift.lower, shift.upper, shift.estimate);
    let printed = (6.825_022_991_538_781e-5, 99.0, 98.999_929_041_701_93);
    assert_eq!(seen, printed);
    assert_eq!(got.ratio, Some(70.3));
    assert_eq!(got.label, classify::Label::Pass);
}

/// With exact roots the fault of the scale is gone, and nothing else changes its label.
#[test]
fn only_the_scale_is_cured_by_exact_roots() {
    for fault in faults() {
        let label = |roots| {
            let lines = kayenta(&fault, roots);
            let words = lines[0].split([' ', ',']);
            words.skip(3).take(1).collect::<String>()
        };
        let cured = label(Roots::Compatible) != label(Roots::Exact);
        let scaled = fault
            .lines
            .iter()
            .any(|line| option(line, "scale").is_some());
        assert_eq!(cured, scaled, "{}", fault.name);
    }
}

/// spinnaker/kayenta#521: the finding says by how much, within what limits, and by which measure.
#[test]
fn a_finding_says_why() {
    let (plan, windows) = analysis(&fault("why did it fail"));
    let judgement = judge(&plan, &windows, 1);
    let finding = &judgement.findings[0];
    let effect = finding.effect.unwrap().absolute;
    assert!(0.0 < effect.low && effect.low < effect.value && effect.value < effect.high);
    let evidence = finding.evidence.unwrap();
    assert!(evidence.p_harm < evidence.alpha, "{evidence:?}");
    let note = finding.notes.last().unwrap();
    assert!(note.starts_with("kayenta: High, mean-ratio 1."), "{note}");
}
