//! What came of scenarios, as text, JSON and Markdown.

use crate::cli::figures::counted;
use crate::cli::simulate::Done;
use crate::cli::style::Style;
use crate::engine::verdict::Hold;
use crate::simulate::outcome::{Outcome, Rates};
use crate::simulate::share::Share;
use crate::units::trim_number;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// For people.
pub(super) fn text(done: &[Done], runs: u32, style: Style) -> String {
    let mut out = String::new();
    for one in done {
        for outcome in &one.outcomes {
            let verdict = outcome.first.conclusion.verdict.word();
            let said = if outcome.passed { "pass" } else { "FAIL" };
            let _ = writeln!(
                out,
                "{said}  {}  {}: {} after {}; required: {}",
                one.scenario.metadata.name,
                outcome.service,
                style.painted(verdict, verdict),
                outcome.first.took,
                outcome.required
            );
            let _ = writeln!(out, "      {}", outcome.first.conclusion.sentence);
            if let Some(why) = &outcome.missed {
                let _ = writeln!(out, "      missed with seed {}: {why}", one.seed);
            }
            if let Some(rates) = &outcome.rates {
                let _ = writeln!(out, "      {}", in_words(rates));
            }
        }
        if !one.scenario.metadata.limits.is_empty() {
            let _ = writeln!(out, "      note: {}", one.scenario.metadata.limits.trim());
        }
    }
    let _ = writeln!(out, "{}", summary(done, runs));
    out
}

/// For comments and job summaries.
pub(super) fn markdown(done: &[Done], runs: u32) -> String {
    let mut out = String::from(
        "| scenario | service | verdict | after | required | |\n|---|---|---|---|---|---|\n",
    );
    let mut several = String::new();
    for one in done {
        let name = &one.scenario.metadata.name;
        for outcome in &one.outcomes {
            let _ = writeln!(
                out,
                "| {name} | {} | {} | {} | {} | {} |",
                outcome.service,
                outcome.first.conclusion.verdict.word(),
                outcome.first.took,
                outcome.required,
                if outcome.passed { "pass" } else { "**fail**" }
            );
            if let Some(rates) = &outcome.rates {
                let _ = writeln!(
                    several,
                    "- {name}, {}: {}",
                    outcome.service,
                    in_words(rates)
                );
            }
        }
    }
    if !several.is_empty() {
        let _ = write!(out, "\n{several}");
    }
    let _ = write!(out, "\n{}\n", summary(done, runs));
    out
}

/// For programs.
pub(super) fn json(done: &[Done], runs: u32) -> String {
    let scenarios: Vec<Value> = done.iter().map(scenario).collect();
    let whole = json!({
        "schema": "haldane.simulation/1",
        "runs": runs,
        "passed": done.iter().flat_map(|one| &one.outcomes).all(|outcome| outcome.passed),
        "scenarios": scenarios,
    });
    format!("{whole:#}")
}

fn scenario(one: &Done) -> Value {
    let metadata = &one.scenario.metadata;
    let rollouts: Vec<Value> = one.outcomes.iter().map(rollout).collect();
    json!({
        "name": metadata.name,
        "file": one.file.display().to_string(),
        "description": metadata.description,
        "limits": metadata.limits,
        "seed": one.seed,
        "rollouts": rollouts,
    })
}

fn rollout(outcome: &Outcome) -> Value {
    let conclusion = &outcome.first.conclusion;
    json!({
        "service": outcome.service,
        "template": outcome.template,
        "required": outcome.required,
        "passed": outcome.passed,
        "missed": outcome.missed,
        "verdict": conclusion.verdict.word(),
        "row": conclusion.row,
        "hold": conclusion.hold.as_ref().map(Hold::word),
        "look": conclusion.look,
        "at": conclusion.at.to_string(),
        "seconds": outcome.first.took.seconds(),
        "sentence": conclusion.sentence,
        "rates": outcome.rates.as_ref().map(rates),
    })
}

fn rates(rates: &Rates) -> Value {
    let share = |share: &Share| {
        json!({"count": share.count, "of": share.of, "share": share.value(),
               "low": share.low, "high": share.high})
    };
    json!({
        "promote": share(&rates.promote),
        "rollback": share(&rates.rollback),
        "inconclusive": share(&rates.inconclusive),
        "errors": share(&rates.errors),
        "errors_allowed": rates.allowed,
        "median_minutes": rates.median_min,
    })
}

fn in_words(rates: &Rates) -> String {
    let percent = |share: f64| trim_number((share * 1000.0).round() / 10.0);
    let share = |share: &Share| {
        format!(
            "{} % [{} to {}]",
            percent(share.value()),
            percent(share.low),
            percent(share.high)
        )
    };
    let median = rates.median_min.map_or_else(
        || "most miss it".to_owned(),
        |minutes| {
            format!(
                "median {} min",
                trim_number((minutes * 10.0).round() / 10.0)
            )
        },
    );
    format!(
        "{}: errors {}, allowed {} %; {median}; promote {}, rollback {}, inconclusive {}",
        counted(rates.errors.of, "run"),
        share(&rates.errors),
        percent(rates.allowed),
        share(&rates.promote),
        share(&rates.rollback),
        share(&rates.inconclusive)
    )
}

fn summary(done: &[Done], runs: u32) -> String {
    let outcomes = || done.iter().flat_map(|one| &one.outcomes);
    let all = outcomes().count();
    let failed = outcomes().filter(|outcome| !outcome.passed).count();
    let runs = if runs == 1 {
        String::new()
    } else {
        format!(" of {runs} runs each")
    };
    format!(
        "{}{runs}: {} of {all} requirements met",
        counted(done.len(), "scenario"),
        all - failed
    )
}
