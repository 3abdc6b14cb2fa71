//! Whether a test ended as it is expected to, field by field.

use crate::diagnostic::Place;
use crate::engine::verdict::Hold;
use crate::judge::judgement::Label;
use crate::judge::score;
use crate::rehearse::run::Outcome;
use crate::rehearse::spec::{End, Expect, Written};

/// One expectation that was not met.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    /// Which: `by`, `metrics.errors`.
    pub field: String,
    /// What is expected: `<= 27m`.
    pub expected: String,
    /// What came.
    pub got: String,
    /// Where the expectation stands.
    pub place: Place,
    /// The byte range of what stands there, and what would be right there, when there is such a
    /// thing.
    pub fix: Option<((usize, usize), String)>,
}

/// What was not met, in the order of the text.
pub fn misses(expect: &Expect, outcome: &Outcome) -> Vec<Miss> {
    let mut out = Vec::new();
    out.extend(expect.verdict.as_ref().and_then(|e| verdict(e, outcome)));
    out.extend(expect.hold.as_ref().and_then(|e| hold(e, outcome)));
    for name in &expect.worse {
        let label = label_of(outcome, &name.value);
        if label != Some(Label::Worse) {
            let got = format!("{} is {}", name.value, shown(label));
            out.push(miss(
                "metric",
                format!("{} worse", name.value),
                got,
                name,
                None,
            ));
        }
    }
    for name in &expect.objectives {
        out.extend(objective(name, outcome));
    }
    for (name, wanted) in &expect.labels {
        let label = label_of(outcome, &name.value);
        if !label.is_some_and(|label| wanted.value.contains(&label)) {
            let field = format!("metrics.{}", name.value);
            let words: Vec<&str> = wanted.value.iter().map(|label| word(*label)).collect();
            let fix = label.map(|label| word(label).to_owned());
            out.push(miss(&field, words.join(" or "), shown(label), wanted, fix));
        }
    }
    out.extend(time(expect, outcome));
    for part in &expect.sentence {
        if !outcome.sentence.contains(&part.value) {
            let expected = format!("contains \"{}\"", part.value);
            let got = format!("\"{}\"", outcome.sentence);
            out.push(miss("sentence", expected, got, part, None));
        }
    }
    out.sort_by_key(|miss| miss.place);
    out
}

fn miss<T>(
    field: &str,
    expected: String,
    got: impl Into<String>,
    at: &Written<T>,
    fix: Option<String>,
) -> Miss {
    Miss {
        field: field.to_owned(),
        expected,
        got: got.into(),
        place: at.place,
        fix: at.bytes.zip(fix),
    }
}

/// `33m (look 11)`
fn moment(outcome: &Outcome) -> String {
    let pending = if outcome.end == End::Pending {
        "no verdict by "
    } else {
        ""
    };
    format!("{pending}{} (look {})", outcome.took, outcome.look)
}

fn verdict(expected: &Written<Vec<End>>, outcome: &Outcome) -> Option<Miss> {
    if expected.value.contains(&outcome.end) {
        return None;
    }
    let words: Vec<&str> = expected.value.iter().map(|end| end.word()).collect();
    let held = outcome
        .hold
        .as_ref()
        .map_or_else(String::new, |hold| format!(", held by {}", hold.word()));
    let end = outcome.end.word();
    let after = if outcome.end == End::Pending {
        format!(", the data end after {}", outcome.took)
    } else {
        format!(" after {} (look {}){held}", outcome.took, outcome.look)
    };
    let fix = Some(end.to_owned());
    let got = format!("{end}{after}");
    Some(miss("verdict", words.join(" or "), got, expected, fix))
}

fn hold(expected: &Written<Option<Hold>>, outcome: &Outcome) -> Option<Miss> {
    if expected.value == outcome.hold {
        return None;
    }
    let word = |hold: &Option<Hold>| hold.as_ref().map_or("none", Hold::word).to_owned();
    let got = word(&outcome.hold);
    Some(miss(
        "hold",
        word(&expected.value),
        got.clone(),
        expected,
        Some(got),
    ))
}

fn time(expect: &Expect, outcome: &Outcome) -> Vec<Miss> {
    let took = outcome.took;
    let mut out = Vec::new();
    if let Some(early) = &expect.not_before
        && (took < early.value && outcome.end != End::Pending)
    {
        let expected = format!(">= {}", early.value);
        let fix = Some(took.to_string());
        out.push(miss("not_before", expected, moment(outcome), early, fix));
    }
    if let Some(late) = &expect.by
        && (took > late.value || outcome.end == End::Pending)
    {
        let expected = format!("<= {}", late.value);
        let fix = (outcome.end != End::Pending).then(|| took.to_string());
        out.push(miss("by", expected, moment(outcome), late, fix));
    }
    out
}

fn objective(name: &Written<String>, outcome: &Outcome) -> Option<Miss> {
    let judged = outcome.judgement.as_ref();
    let found = judged.and_then(|judgement| {
        let mut all = judgement.objectives.iter();
        all.find(|finding| finding.objective.as_str() == name.value)
    });
    if found.is_some_and(score::aborts) {
        return None;
    }
    let got = match found {
        None => "it was never judged".to_owned(),
        Some(finding) if finding.rungs.iter().any(|rung| rung.proven) => {
            "a rung is proven, and it rolls nothing back".to_owned()
        }
        Some(_) => "no rung is proven".to_owned(),
    };
    let expected = format!("{} broken", name.value);
    Some(miss("objective", expected, got, name, None))
}

fn label_of(outcome: &Outcome, metric: &str) -> Option<Label> {
    let judgement = outcome.judgement.as_ref()?;
    let mut findings = judgement.findings.iter();
    let found = findings.find(|finding| finding.metric.as_str() == metric);
    found.map(|finding| finding.label)
}

fn shown(label: Option<Label>) -> &'static str {
    label.map_or("never judged", word)
}

/// The word of a label in test files.
pub fn word(label: Label) -> &'static str {
    match label {
        Label::NoData => "no data",
        other => other.word(),
    }
}
