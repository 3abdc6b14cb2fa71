//! What came of the cases: a table per controller for people, one document for programs, XML for
//! CI systems.

use super::{Came, Ran};
use crate::chart::escaped;
use crate::cli::style::{Style, columns, plain};
use crate::cli::test::junit::case;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Cases by how they ended.
#[derive(Clone, Copy, Default)]
struct Counts {
    ok: usize,
    differ: usize,
    skipped: usize,
}

impl Counts {
    fn of<'a>(all: impl Iterator<Item = &'a Came>) -> Self {
        let mut out = Self::default();
        for came in all {
            match came {
                Came::Skipped(_) => out.skipped += 1,
                came if came.differs() => out.differ += 1,
                _ => out.ok += 1,
            }
        }
        out
    }
}

/// For people: id, state, status, what the controller concludes, and ok or what differs.
pub(super) fn table(ran: &[Ran], style: Style) -> String {
    let mut out = String::new();
    for one in ran.iter().filter(|one| !one.cases.is_empty()) {
        let (name, about) = (plain(&one.suite.controller), plain(&one.suite.about));
        let _ = writeln!(out, "{name}  {about}");
        let rows: Vec<[String; 4]> = one.cases.iter().map(row).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| columns(cell)).max().unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2), width(3)];
        for (row, (_, came)) in rows.iter().zip(&one.cases) {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(widths) {
                let _ = write!(line, " {cell:width$} ");
            }
            let (end, word) = match came {
                Came::Skipped(why) => (format!("skipped: {}", plain(why)), "pending"),
                came if came.differs() => ("differs".to_owned(), "rollback"),
                _ => ("ok".to_owned(), "promote"),
            };
            let _ = writeln!(out, "{line} {}", style.painted(&end, word));
            for difference in differences(came) {
                let _ = writeln!(out, "      {}", plain(difference));
            }
        }
        out.push('\n');
    }
    let all = Counts::of(ran.iter().flat_map(|one| &one.cases).map(|(_, came)| came));
    let Counts {
        ok,
        differ,
        skipped,
    } = all;
    let _ = writeln!(out, "{ok} ok, {differ} differ, {skipped} skipped");
    out
}

fn row((case, came): &(crate::wire::conformance::Case, Came)) -> [String; 4] {
    let status = match came {
        Came::Answered(got, _) => got.status.to_string(),
        Came::Failed(_) | Came::Skipped(_) => "-".to_owned(),
    };
    [
        plain(&case.id),
        case.given.word().to_owned(),
        status,
        plain(&case.concludes),
    ]
}

fn differences(came: &Came) -> Vec<&str> {
    match came {
        Came::Answered(_, differences) => differences.iter().map(String::as_str).collect(),
        Came::Failed(why) => vec![why],
        Came::Skipped(_) => Vec::new(),
    }
}

/// For programs: every case with the answer as it came.
pub(super) fn json(ran: &[Ran]) -> String {
    let shown = |(case, came): &(crate::wire::conformance::Case, Came)| -> Value {
        let (result, answer) = match came {
            Came::Skipped(why) => ("skipped", json!({ "why": why })),
            Came::Failed(_) => ("differs", Value::Null),
            Came::Answered(got, differences) => {
                let result = if differences.is_empty() {
                    "ok"
                } else {
                    "differs"
                };
                let answer = json!({
                    "status": got.status,
                    "type": got.header("content-type"),
                    "body": String::from_utf8_lossy(&got.body),
                });
                (result, answer)
            }
        };
        json!({
            "id": case.id,
            "given": case.given.word(),
            "concludes": case.concludes,
            "conditions": case.conditions,
            "result": result,
            "answer": answer,
            "differences": differences(came),
        })
    };
    let suite = |one: &Ran| {
        json!({
            "controller": one.suite.controller,
            "about": one.suite.about,
            "conditions": one.suite.conditions,
            "cases": one.cases.iter().map(shown).collect::<Vec<_>>(),
        })
    };
    let all = Counts::of(ran.iter().flat_map(|one| &one.cases).map(|(_, came)| came));
    let document = json!({
        "schema": "haldane.conformance/1",
        "ok": all.ok,
        "differ": all.differ,
        "skipped": all.skipped,
        "controllers": ran.iter().map(suite).collect::<Vec<_>>(),
    });
    format!("{document:#}")
}

/// For CI systems: a suite each controller.
pub(super) fn junit(ran: &[Ran]) -> String {
    let mut suites = String::new();
    for one in ran {
        let counts = Counts::of(one.cases.iter().map(|(_, came)| came));
        let name = &one.suite.controller;
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">",
            escaped(name),
            one.cases.len(),
            counts.differ,
            counts.skipped
        );
        for (of, came) in &one.cases {
            let text = differences(came).join("\n");
            let title = format!("{} {}: {}", of.id, of.given.word(), of.concludes);
            let fault = match came {
                Came::Skipped(why) => Some(("skipped", why.as_str(), "")),
                came if came.differs() => Some(("failure", "it differs", text.as_str())),
                _ => None,
            };
            case(&mut suites, name, &title, fault);
        }
        suites.push_str("  </testsuite>\n");
    }
    let all = Counts::of(ran.iter().flat_map(|one| &one.cases).map(|(_, came)| came));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"haldane conformance\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n\
         {suites}</testsuites>\n",
        all.ok + all.differ + all.skipped,
        all.differ,
        all.skipped
    )
}
