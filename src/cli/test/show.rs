//! What came of tests, for people and for programs.

use crate::cli::figures;
use crate::cli::figures::counted;
use crate::cli::style::{Style, plain};
use crate::cli::test::load::{Case, Suite};
use crate::cli::test::{Came, Ran, Told};
use crate::engine::verdict::Hold;
use crate::rehearse::compare::Miss;
use crate::rehearse::run::Outcome;
use crate::rehearse::spec::End;
use crate::wire::verdict::{JudgeDocument, MetricDocument};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The `schema` of the answer for programs.
const SCHEMA: &str = "haldane.tests/1";

/// For people: one line a test, failing ones with what differs.
pub(super) fn text(told: &Told, style: Style) -> String {
    let mut out = String::new();
    for done in &told.done {
        let suite = &done.suite;
        if suite.cases.is_empty() && suite.refused.is_none() {
            continue;
        }
        let of = match suite.template.as_str() {
            "" => String::new(),
            name => format!("  {name}"),
        };
        let _ = writeln!(out, "{}{of}", plain(&suite.shown));
        if let Some(why) = &suite.refused {
            let _ = writeln!(out, "{why}");
        }
        for (case, came) in suite.cases.iter().zip(&done.came) {
            let name = plain(&case.test.name.value);
            match came {
                Came::Refused(why) => {
                    let word = style.painted("refused", "error");
                    let above = if why.is_empty() { ": as above" } else { "" };
                    let _ = writeln!(out, "  {word}  {name}{above}\n{why}");
                }
                Came::Ran {
                    shown,
                    held,
                    of,
                    passed,
                } => {
                    let word = if *passed {
                        style.painted("pass", "promote")
                    } else {
                        style.painted("FAIL", "rollback")
                    };
                    // One end stands for all only where all hold.
                    let said = match (*of > 1, held == of) {
                        (false, _) => ended(&shown.outcome),
                        (true, true) => format!("{}; {of} of {of} seeds", ended(&shown.outcome)),
                        (true, false) => format!("{held} of {of} seeds"),
                    };
                    let _ = writeln!(out, "  {word}  {name}: {said}");
                    if !*passed || held < of {
                        for line in failed(suite, case, came, style) {
                            let _ = writeln!(out, "        {line}");
                        }
                    }
                }
            }
        }
    }
    for path in &told.untested {
        let word = style.painted("FAIL", "rollback");
        let _ = writeln!(out, "{word}  {}: the template has no test", path.display());
    }
    for note in &told.notes {
        let _ = writeln!(out, "{}", plain(note));
    }
    out.push_str(&summary(told));
    out
}

/// `rollback after 12m30s (look 11)`
fn ended(outcome: &Outcome) -> String {
    let held = outcome
        .hold
        .as_ref()
        .map_or_else(String::new, |hold| format!(", held by {}", hold.word()));
    match outcome.end {
        End::Pending => format!("pending, the data end after {}", outcome.took),
        end @ End::Verdict(_) => format!(
            "{} after {} (look {}){held}",
            end.word(),
            outcome.took,
            outcome.look
        ),
    }
}

/// What differs, then both arms of the metrics it turns on, then the sentence.
pub(super) fn failed(suite: &Suite, case: &Case, came: &Came, style: Style) -> Vec<String> {
    let Came::Ran {
        shown, held, of, ..
    } = came
    else {
        return Vec::new();
    };
    let mut out: Vec<String> = shown
        .misses
        .iter()
        .map(|miss| difference(suite, miss))
        .collect();
    if *of > 1 && held < of {
        out.push(format!("with seed {}, the first that fails", shown.seed));
    }
    for metric in &document(&shown.outcome).map_or_else(Vec::new, |document| document.metrics) {
        if is_shown(metric, shown) {
            out.push(pair(metric, style));
        }
    }
    out.push(plain(&shown.outcome.sentence));
    if let Ok(prepared) = &case.prepared {
        out.extend(
            prepared
                .notes
                .iter()
                .map(|note| format!("note: {}", plain(note))),
        );
    }
    out
}

/// `tests/a.test.yaml:23: by: expected <= 27m, got 33m (look 11)`
fn difference(suite: &Suite, miss: &Miss) -> String {
    plain(&format!(
        "{}:{}: {}: expected {}, got {}",
        suite.shown, miss.place.line, miss.field, miss.expected, miss.got
    ))
}

fn is_shown(metric: &MetricDocument, ran: &Ran) -> bool {
    let gate = metric.role == "critical" || metric.role == "required";
    let meant = ran.misses.iter().any(|miss| {
        miss.field.strip_prefix("metrics.") == Some(metric.name.as_str())
            || (miss.field == "metric" && miss.expected == format!("{} worse", metric.name))
    });
    gate || meant
}

/// `✖ errors: worse   baseline ▁▁▁ 0.2 %   canary ▂▄▆ 3 %`
fn pair(metric: &MetricDocument, style: Style) -> String {
    let symbol = style.painted(style.symbol(&metric.label), &metric.label);
    let [baseline, canary] = figures::sparks(metric, style);
    let level = |arm| figures::level(arm, &metric.unit);
    let word = metric.label.replace('_', " ");
    let why = metric
        .no_data
        .as_ref()
        .map_or_else(String::new, |why| format!("  ({})", plain(why)));
    format!(
        "{symbol} {}: {word}  baseline {baseline} {}  canary {canary} {}{why}",
        metric.name,
        level(&metric.baseline),
        level(&metric.canary)
    )
}

fn document(outcome: &Outcome) -> Option<JudgeDocument> {
    let judgement = outcome.judgement.as_ref()?;
    let mut document = JudgeDocument::new(
        &outcome.plan,
        judgement,
        outcome.end.word(),
        outcome.row,
        &outcome.sentence,
    );
    // Nobody was asked: the query of its template would only mislead.
    document
        .metrics
        .iter_mut()
        .for_each(|metric| metric.queries.clear());
    Some(document)
}

fn summary(told: &Told) -> String {
    let came = || told.done.iter().flat_map(|done| &done.came);
    let passed = came().filter(|came| came.passed()).count();
    let refused = came()
        .filter(|came| matches!(came, Came::Refused(_)))
        .count();
    let failed = came().count() - passed - refused;
    let unread = told
        .done
        .iter()
        .filter(|done| done.suite.refused.is_some())
        .count();
    let mut out = format!("{passed} passed, {failed} failed");
    if refused > 0 {
        let _ = write!(out, ", {refused} refused");
    }
    if unread > 0 {
        let _ = write!(out, ", {} refused", counted(unread, "file"));
    }
    if !told.untested.is_empty() {
        let _ = write!(
            out,
            ", {} without tests",
            counted(told.untested.len(), "template")
        );
    }
    out
}

/// For programs.
pub(super) fn json(told: &Told) -> String {
    let files: Vec<Value> = told
        .done
        .iter()
        .map(|done| {
            let suite = &done.suite;
            let tests: Vec<Value> = suite.cases.iter().zip(&done.came).map(test).collect();
            json!({
                "file": suite.shown,
                "template": suite.template,
                "refused": suite.refused,
                "tests": tests,
            })
        })
        .collect();
    let untested: Vec<String> = told
        .untested
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let whole = json!({
        "schema": SCHEMA,
        "files": files,
        "templates_without_tests": untested,
        "notes": told.notes,
    });
    format!("{whole:#}")
}

fn test((case, came): (&Case, &Came)) -> Value {
    let name = &case.test.name;
    let mut out = json!({ "name": name.value, "line": name.place.line });
    let more = match came {
        Came::Refused(why) => json!({ "result": "refused", "refused": why }),
        Came::Ran {
            shown,
            held,
            of,
            passed,
        } => {
            let outcome = &shown.outcome;
            json!({
                "result": if *passed { "pass" } else { "fail" },
                "seed": shown.seed,
                "seeds": { "held": held, "of": of },
                "verdict": outcome.end.word(),
                "hold": outcome.hold.as_ref().map(Hold::word),
                "seconds": outcome.took.seconds(),
                "look": outcome.look,
                "row": outcome.row,
                "sentence": outcome.sentence,
                "misses": shown.misses.iter().map(miss).collect::<Vec<_>>(),
                "judgement": document(outcome),
            })
        }
    };
    if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
        out.extend(more);
    }
    out
}

fn miss(miss: &Miss) -> Value {
    json!({
        "field": miss.field,
        "line": miss.place.line,
        "column": miss.place.column,
        "expected": miss.expected,
        "got": miss.got,
    })
}
