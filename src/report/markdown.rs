//! What a comment folds away: doubts are in the table above it, here stand notes, looks, queries,
//! settings and the command. A comment shows no SVG, so there is none.

use crate::report::{aftermath, spoken, worst_first};
use crate::wire::markdown::plain;
use crate::wire::report::ReportDocument;
use std::fmt::Write as _;

/// Bytes of the folded part; what would go beyond is left out whole, section by section, and the
/// comment says so. A comment of GitHub's may have 65,536 characters, with the table above this.
const DETAILS_BYTES_MAX: usize = 48_000;

/// The folded part of a comment, to stand below heading, sentence and table.
pub fn details(report: &ReportDocument) -> String {
    let mut out = String::new();
    for (name, section) in [
        ("After the verdict", after(report)),
        ("Notes", notes(report)),
        ("Looks", looks(report)),
        ("Queries", queries(report)),
        ("Configured", configured(report)),
        ("Again", again(report)),
    ] {
        if section.is_empty() {
            continue;
        }
        if out.len() + section.len() > DETAILS_BYTES_MAX {
            let _ = writeln!(
                out,
                "\n{name} are left out, they would be too long for a comment."
            );
            continue;
        }
        let _ = writeln!(
            out,
            "\n<details><summary>{name}</summary>\n\n{section}\n</details>"
        );
    }
    out
}

/// A block of code whose fence nothing inside can close.
fn fenced(text: &str) -> String {
    let mut longest = 2;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let text: String = text
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect();
    format!("{fence}\n{text}\n{fence}\n")
}

fn after(report: &ReportDocument) -> String {
    let mut out = String::new();
    for line in aftermath::lines(report) {
        let _ = writeln!(out, "- {}", plain(&line));
    }
    out
}

fn notes(report: &ReportDocument) -> String {
    let mut out = String::new();
    for warning in &report.suspect {
        let _ = writeln!(out, "- the source warned: {}", plain(warning));
    }
    if let Some(fault) = &report.source_fault {
        let _ = writeln!(out, "- the source does not answer: {}", plain(fault));
    }
    for (_, metric) in worst_first(report) {
        for note in &metric.notes {
            let _ = writeln!(out, "- {}: {}", plain(&metric.name), plain(note));
        }
    }
    for event in &report.events {
        let _ = writeln!(
            out,
            "- {} {}: {}",
            plain(&event.at),
            plain(&spoken(&event.what)),
            plain(&event.detail)
        );
    }
    out
}

/// The looks at which the outcome changed, and the newest.
fn looks(report: &ReportDocument) -> String {
    if report.id.is_none() {
        return String::new();
    }
    let mut out = String::from("| look | judged up to | outcome | score |\n|---:|---|---|---:|\n");
    let last = report.looks.len().checked_sub(1);
    let mut before = "";
    for (idx, look) in report.looks.iter().enumerate() {
        if look.outcome == before && Some(idx) != last {
            continue;
        }
        before = &look.outcome;
        let score = look.score.map_or_else(|| "-".to_owned(), |s| s.to_string());
        let _ = writeln!(
            out,
            "| {} | {} | {} | {score} |",
            look.look,
            plain(&look.covered_to),
            plain(&spoken(&look.outcome))
        );
    }
    out
}

fn queries(report: &ReportDocument) -> String {
    let mut out = String::new();
    for (_, metric) in worst_first(report) {
        for query in &metric.queries {
            let _ = write!(
                out,
                "{}, {}:\n\n{}\n",
                plain(&metric.name),
                plain(&query.part),
                fenced(&query.query)
            );
        }
    }
    out
}

fn configured(report: &ReportDocument) -> String {
    let mut out = String::from("| | |\n|---|---|\n");
    let own = [
        ("template", &report.template.name),
        ("digest", &report.template.digest),
        ("baseline", &report.baseline),
        ("canary", &report.canary),
    ];
    for (name, value) in own {
        let _ = writeln!(out, "| {name} | {} |", plain(value));
    }
    for setting in &report.settings {
        let _ = writeln!(
            out,
            "| {} | {} |",
            plain(&setting.name),
            plain(&setting.value)
        );
    }
    out
}

fn again(report: &ReportDocument) -> String {
    let mut out = String::new();
    for one in &report.again {
        let _ = write!(out, "{}:\n\n{}", plain(&one.what), fenced(&one.command));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_closes_a_fence() {
        assert_eq!(fenced("a ``` b"), "````\na ``` b\n````\n");
    }
}
