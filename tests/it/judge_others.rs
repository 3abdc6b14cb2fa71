//! The cases that other judges get wrong, judged by the default judge at every look until it
//! decides: `tests/cases/sequential/others.test`.
//!
//! The data are those of `tests/cases/kayenta/faults.test`, so that both judges are asked the same,
//! and longer ones of the same kind where those are too few for anybody. Every case says what must
//! come out (`must`, by hand); what is said in detail stands after `=` and is written anew with
//! `HALDANE_REWRITE=1`.

use crate::judge_plans::{self as plans, START, STEP};
use crate::kayenta_faults::{Fault, FaultMetric, faults, option, read};
use haldane::engine::verdict::{Situation, Source, decide};
use haldane::judge::explain::{headline, sentence};
use haldane::judge::judge_again;
use haldane::judge::judgement::{Finding, Judgement, Label};
use haldane::judge::sequential::Memory;
use haldane::judge::windows::{Batch, Windows};
use haldane::plan::{MetricPlan, Part, Slot};
use haldane::series::raw::{Answer, RawSeries, Sample};
use haldane::template::Method;
use haldane::time::Timestamp;
use haldane::units::{Harm, MinEffect};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The threads that have to be answered.
const THREADS: [&str; 7] = [
    "spinnaker/kayenta#353",
    "spinnaker/kayenta#426",
    "spinnaker/kayenta#521",
    "spinnaker/kayenta#744",
    "spinnaker/kayenta#780",
    "spinnaker/spinnaker#5622",
    "spinnaker/spinnaker#6278",
];

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/sequential/others.test")
}

/// A metric as the default judge is asked about it: what a template says when it says nothing,
/// but for the options of the line `asked`.
fn asked(metric: &FaultMetric, line: &str, metrics: usize) -> MetricPlan {
    let mut plan = metric.plan.clone();
    plan.kayenta = None;
    plan.evidence.samples = 10;
    plan.alpha = plans::probability(0.05 / metrics as f64);
    let limit = option(line, "limit").unwrap_or("10%");
    plan.min_effect = match limit.strip_suffix('%') {
        Some(percent) => MinEffect::relative(percent.parse::<f64>().unwrap() / 100.0).unwrap(),
        None => MinEffect::absolute(limit.parse().unwrap()).unwrap(),
    };
    if let Some(word) = option(line, "harm") {
        plan.harm = Harm::from_word(word).unwrap();
    }
    plan
}

/// The sample of an arm at a step, as a source would send it: infinities and NaN included.
fn sampled(arm: &str, at: Timestamp, value: Option<f64>) -> Option<RawSeries> {
    let labels = [("arm".to_owned(), arm.to_owned())].into();
    let samples = vec![Sample { at, value: value? }];
    Some(RawSeries { labels, samples })
}

fn batch(fault: &Fault, step: usize) -> Batch {
    let from = START.plus(STEP.times(i64::try_from(step).unwrap() - 1));
    let to = from.plus(STEP);
    let answers = fault
        .metrics
        .iter()
        .enumerate()
        .map(|(metric_idx, metric)| {
            let value = |side: &[f64]| side.get(step - 1).copied();
            let arms = [("baseline", &metric.baseline), ("canary", &metric.canary)];
            let series = arms.map(|(arm, side)| sampled(arm, to, value(side)));
            let slot = Slot {
                metric_idx,
                part: Part::Grid,
            };
            let answer = Answer {
                series: series.into_iter().flatten().collect(),
                ..Answer::default()
            };
            (slot, answer)
        });
    Batch {
        from,
        to,
        answers: answers.collect(),
    }
}

/// One case, judged.
struct Judged {
    verdict: &'static str,
    judgement: Judgement,
    /// The answer's lines.
    lines: Vec<String>,
}

/// A look at every step, until one decides.
fn judged(fault: &Fault, line: &str) -> Judged {
    let sides = |m: &FaultMetric| m.baseline.len().max(m.canary.len());
    let points = fault.metrics.iter().map(sides).max().unwrap();
    let mut plan = plans::plan(i64::try_from(points).unwrap(), 1, 0.05);
    plan.judge.method = Method::Sequential;
    // A promote has seen everything, as the other judge has.
    plan.timing.bake_until = plan.timing.deadline;
    let count = fault.metrics.len();
    plan.metrics = fault
        .metrics
        .iter()
        .map(|metric| asked(metric, line, count))
        .collect();
    let mut windows = Windows::new(&plan);
    let mut memory = Memory::default();
    for step in 1..=points {
        windows.absorb(&plan, &batch(fault, step));
        let number = u32::try_from(step).unwrap();
        let judgement = judge_again(&plan, &windows, number, &mut memory);
        let decision = decide(&Situation::of(&plan, Some(&judgement), Source::Answering));
        if let Some(verdict) = decision.verdict {
            let said = sentence(&plan, Some(&judgement), decision.stand());
            let lines = answer((step, points), verdict.word(), &judgement, &said);
            return Judged {
                verdict: verdict.word(),
                judgement,
                lines,
            };
        }
    }
    panic!("{}: the deadline gave no verdict", fault.name);
}

fn answer(at: (usize, usize), verdict: &str, judgement: &Judgement, said: &str) -> Vec<String> {
    let mut out = vec![format!("= {verdict} after {} of {}: {said}", at.0, at.1)];
    for finding in &judgement.findings {
        let (name, label) = (&finding.metric, finding.label.word());
        let line = format!("= {name} {label} [{}]: {}", finding.test, headline(finding));
        out.push(line);
        out.extend(finding.notes.iter().map(|note| format!("=   note: {note}")));
    }
    out
}

/// What every answer has to hold, whatever it is: a reason that a person can check.
fn check_reason(case: &str, finding: &Finding) {
    match finding.label {
        Label::Worse => {
            let evidence = finding.evidence.unwrap();
            let alone = evidence.p_harm <= evidence.alpha;
            let together = finding.notes.iter().any(|note| note.contains("together"));
            assert!(alone || together, "{case}: {evidence:?}");
            let effect = finding.effect.unwrap().absolute;
            // The effect is one of location; bursts may be harm without it.
            let burst = finding.test.contains("bursts");
            let around = effect.low <= effect.value && effect.value <= effect.high;
            assert!(effect.low <= effect.high, "{case}: {effect:?}");
            assert!(around, "{case}: {effect:?}");
            let beyond = effect.low > 0.0 || effect.high < 0.0;
            assert!(beyond || together || burst, "{case}: {effect:?}");
        }
        Label::NoData | Label::Lagging => assert!(finding.no_data.is_some(), "{case}"),
        Label::Within => assert!(finding.evidence.is_some(), "{case}"),
        Label::Undecided => {
            let said = finding.evidence.is_some() || !finding.notes.is_empty();
            assert!(said, "{case}: undecided and nothing said");
        }
    }
}

#[test]
fn the_default_judge_answers_what_others_get_wrong() {
    let text = std::fs::read_to_string(file()).unwrap();
    let head: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("case "))
        .collect();
    let mut fresh = head.join("\n").trim_end().to_owned() + "\n";
    let known = faults();
    let mut wrong = Vec::new();
    let mut threads = BTreeSet::new();
    let mut alike = Vec::new();
    for case in read(&text) {
        let same = known.iter().find(|fault| fault.name == case.name);
        alike.extend(same.map(|fault| fault.name.as_str()));
        let data = same.unwrap_or(&case);
        assert!(!data.metrics.is_empty(), "no case is called {}", case.name);
        threads.extend(case.thread.clone().or_else(|| data.thread.clone()));
        let line = |word: &str| case.lines.iter().find_map(|l| l.strip_prefix(word));
        let got = judged(data, line("asked ").unwrap_or_default());
        let labels = got.judgement.findings.iter().map(|f| f.label.word());
        let labels = labels.collect::<Vec<_>>().join(" ");
        let came = format!("{} {labels}", got.verdict);
        let must = line("must ").unwrap_or_else(|| panic!("{}: no must", case.name));
        assert_eq!(came, must, "{}: {:#?}", case.name, got.lines);
        for finding in &got.judgement.findings {
            check_reason(&case.name, finding);
        }
        if got.lines != case.answers {
            wrong.push(format!("{}: {:#?}", case.name, got.lines));
        }
        let all: Vec<&str> = case
            .lines
            .iter()
            .chain(&got.lines)
            .map(String::as_str)
            .collect();
        let _ = write!(fresh, "\n{}\n", all.join("\n"));
    }
    let names: Vec<&str> = known.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(alike, names, "every fault of the other judge, in its order");
    let answered: Vec<&str> = threads.iter().map(String::as_str).collect();
    assert_eq!(answered, THREADS);
    if std::env::var_os("HALDANE_REWRITE").is_some() {
        std::fs::write(file(), &fresh).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(text, fresh);
}
