//! How replays are shown: one recording as a card with its looks, many as a table.

use crate::cli::card::Card;
use crate::cli::figures::counted;
use crate::cli::markdown;
use crate::cli::replay::flags::after;
use crate::cli::style::{Style, columns, plain};
use crate::cli::table as cards;
use crate::judge::SEMANTICS;
use crate::replay::course::{LookSaid, Replayed};
use crate::replay::differences::{self, DIFFERENCES_MAX, Difference, Pair};
use crate::replay::lines::Line;
use crate::replay::summary::{Row, Summary, VERDICTS};
use crate::units::trim_number;
use crate::wire::recording::Recording;
use crate::wire::verdict::VerdictDocument;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The `schema` of one recording judged again.
const ONE_SCHEMA: &str = "haldane.replayed/1";

/// Recordings that differ or cannot be used, as far as a table lists them; the rest is counted.
const LISTED_MAX: usize = 20;

/// One recording judged again.
pub(super) struct One<'a> {
    pub(super) name: &'a str,
    pub(super) recording: &'a Recording,
    /// As it was judged.
    pub(super) old: Option<&'a Replayed>,
    /// Another way.
    pub(super) new: Option<&'a Replayed>,
    /// What differs from what was recorded, where that was compared.
    pub(super) found: Option<&'a [Difference]>,
    /// Why it cannot be judged as it was.
    pub(super) fault: Option<&'a str>,
    pub(super) diff: bool,
}

/// Why a difference may be none of the recording's.
pub(super) fn other_semantics(recording: &Recording) -> String {
    format!(
        "it was judged under semantics {} by haldane {}, this program has {SEMANTICS}; \
         differences are to be expected, CHANGELOG.md says which",
        recording.semantics, recording.written_by
    )
}

impl One<'_> {
    fn shown(&self) -> Option<&Replayed> {
        self.new.or(self.old)
    }

    fn document(&self) -> Option<VerdictDocument> {
        self.shown().map(|shown| shown.standing.document())
    }

    /// What came of the comparison, a line each.
    fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(fault) = self.fault {
            out.push(format!("as recorded: {fault}"));
        }
        for note in self
            .shown()
            .map(|shown| shown.notes.as_slice())
            .unwrap_or_default()
        {
            out.push(format!("note: {note}"));
        }
        let looks = self.old.map_or(0, |old| old.looks.len());
        match self.found {
            Some([]) => {
                let bytes = self
                    .old
                    .is_some_and(|old| old.standing.text() == self.recording.verdict);
                let how = if bytes {
                    ", byte for byte"
                } else {
                    " (its document has gained fields since)"
                };
                out.push(format!(
                    "the same verdict{how}; {}, bit for bit",
                    counted(looks, "look")
                ));
            }
            Some(found) => {
                out.push(format!(
                    "differs from what was recorded in {}",
                    counted(found.len(), "place")
                ));
                for one in found.iter().take(DIFFERENCES_MAX) {
                    out.push(format!("  {}: {} -> {}", one.place, one.recorded, one.now));
                }
                if found.len() > DIFFERENCES_MAX {
                    out.push(format!("  and {} more", found.len() - DIFFERENCES_MAX));
                }
                if self.recording.semantics != SEMANTICS {
                    out.push(other_semantics(self.recording));
                }
            }
            None => {}
        }
        if self.new.is_some() {
            out.push(format!("recorded: {}", self.recorded()));
        }
        out
    }

    /// `rollback at look 7, +14m30s`.
    fn recorded(&self) -> String {
        match self.recording.conclusion() {
            None => "pending".to_owned(),
            Some(conclusion) => format!(
                "{} at look {}, {}",
                conclusion.verdict.word(),
                conclusion.look,
                after(self.recording.rollout.start, conclusion.at)
            ),
        }
    }

    /// The looks side by side; those of what was recorded alone without another way.
    fn pairs(&self) -> Vec<Pair<'_>> {
        let old = self.old.map_or(&[][..], |side| &side.looks);
        let new = self.new.map_or(old, |side| &side.looks);
        differences::side_by_side(old, new)
    }

    fn look_rows(&self) -> Vec<Vec<String>> {
        let start = self.recording.rollout.start;
        let mut out = vec![vec![
            "read to".to_owned(),
            "recorded".to_owned(),
            "now".to_owned(),
            String::new(),
        ]];
        for pair in self.pairs() {
            let changed: Vec<String> = pair
                .metrics
                .iter()
                .map(|(metric, old, new)| format!("{metric} {old} -> {new}"))
                .collect();
            out.push(vec![
                after(start, pair.covered_to),
                said(pair.old),
                said(pair.new),
                if pair.same() {
                    "=".to_owned()
                } else {
                    changed.join(", ")
                },
            ]);
        }
        out
    }

    pub(super) fn table(&self, style: Style) -> String {
        let mut out = String::new();
        if let Some(document) = self.document() {
            let card = card(&document, self);
            out.push_str(&cards::whole(&card, style));
        }
        for line in self.lines() {
            let _ = writeln!(out, "  {}", plain(&line));
        }
        if self.diff {
            out.push('\n');
            out.push_str(&aligned(&self.look_rows()));
        }
        out
    }

    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        if let Some(document) = self.document() {
            out.push_str(&markdown::whole(&card(&document, self)));
        }
        for line in self.lines() {
            let _ = write!(out, "\n- {}", plain(&line).trim_start());
        }
        out.push('\n');
        if self.diff {
            out.push('\n');
            out.push_str(&piped(&self.look_rows()));
        }
        out
    }

    pub(super) fn json(&self) -> Value {
        let document = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let found = self.found.map(|found| {
            let one = |one: &Difference| {
                json!({ "place": one.place, "recorded": one.recorded, "now": one.now })
            };
            found.iter().map(one).collect::<Vec<_>>()
        });
        let same = self
            .found
            .map(|found| if found.is_empty() { "yes" } else { "no" });
        let looks: Vec<Value> = self
            .pairs()
            .iter()
            .map(|pair| {
                json!({
                    "covered_to": pair.covered_to.to_string(),
                    "recorded": pair.old.map(look_json),
                    "now": pair.new.map(look_json),
                })
            })
            .collect();
        json!({
            "schema": ONE_SCHEMA,
            "recording": self.name,
            "semantics": self.recording.semantics,
            "same": same,
            "recorded": document(&self.recording.verdict),
            "now": self.shown().map(|shown| document(&shown.standing.text())),
            "differences": found,
            "notes": self.shown().map(|shown| &shown.notes),
            "fault": self.fault,
            "looks": looks,
        })
    }
}

/// The card, with the progress of something that is over.
fn card<'d>(document: &'d VerdictDocument, one: &One<'_>) -> Card<'d> {
    let start = one.recording.rollout.start;
    let mut card = Card::of_analysis(document, start);
    let look = format!("look {} of {}", document.look, document.looks_planned);
    let decided = one
        .shown()
        .and_then(|shown| shown.standing.conclusion.as_ref())
        .map(|conclusion| format!(", decided {}", after(start, conclusion.at)));
    card.progress = Some(format!("{look}{}", decided.unwrap_or_default()));
    card
}

fn said(look: Option<&LookSaid>) -> String {
    look.map_or_else(
        || "-".to_owned(),
        |said| {
            let score = said.score.map(|score| format!(" {score}"));
            format!(
                "look {} {} ({}{})",
                said.look,
                said.word(),
                said.outcome.word().replace('_', " "),
                score.unwrap_or_default()
            )
        },
    )
}

fn look_json(said: &LookSaid) -> Value {
    let metrics: Vec<Value> = said
        .metrics
        .iter()
        .map(|one| {
            json!({
                "name": one.metric.as_str(), "label": one.label.word(),
                "p_harm": one.p_harm.filter(|p| p.is_finite()),
                "p_safe": one.p_safe.filter(|p| p.is_finite()),
            })
        })
        .collect();
    json!({
        "look": said.look, "at": said.at.to_string(), "verdict": said.word(),
        "outcome": said.outcome.word(), "score": said.score, "metrics": metrics,
    })
}

/// Rows with their columns one under the other.
fn aligned(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |idx: usize| {
        let cells = rows.iter().filter_map(|row| row.get(idx));
        cells.map(|cell| columns(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            let gap = width.saturating_sub(columns(cell));
            let _ = write!(line, " {cell}{:gap$} ", "");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Rows as a table of Markdown, the first one its head.
fn piped(rows: &[Vec<String>]) -> String {
    let mut out = String::new();
    for (idx, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
        if idx == 0 {
            let _ = writeln!(out, "|{}", "---|".repeat(row.len()));
        }
    }
    out
}

/// Labels, or what was recorded, against verdicts.
fn rows(first: &str, of: &[Row]) -> Vec<Vec<String>> {
    let mut out = vec![vec![first.to_owned()]];
    if let Some(head) = out.first_mut() {
        head.extend(VERDICTS.map(str::to_owned));
        head.push("all".to_owned());
    }
    for row in of {
        let mut cells = vec![row.name.to_owned()];
        cells.extend(row.counts.map(|count| count.to_string()));
        cells.push(row.all().to_string());
        out.push(cells);
    }
    out
}

fn rates(summary: &Summary) -> Vec<Vec<String>> {
    let percent = |share: f64| format!("{} %", trim_number((share * 1000.0).round() / 10.0));
    let mut out = vec![vec!["rate".to_owned(), "of".to_owned(), "share".to_owned()]];
    if let Some(head) = out.first_mut() {
        head.push("95 % interval".to_owned());
    }
    for rate in &summary.rates {
        let share = rate.share;
        out.push(vec![
            rate.name.to_owned(),
            format!("{}/{}", share.count, share.of),
            percent(share.value()),
            format!("{} to {}", percent(share.low), percent(share.high)),
        ]);
    }
    out
}

fn notes(summary: &Summary, lines: &[Line], diff: bool) -> Vec<String> {
    let mut out = Vec::new();
    if let Some((median, p90)) = summary.delay {
        out.push(format!(
            "bad canaries that were found: rolled back {median} after the onset (or start) in the \
             median, {p90} in nine of ten"
        ));
    }
    let mut listed = |what: &str, all: Vec<String>| {
        let more = all.len().saturating_sub(LISTED_MAX);
        out.extend(
            all.into_iter()
                .take(LISTED_MAX)
                .map(|text| format!("{what} {text}")),
        );
        if more > 0 {
            out.push(format!("and {more} more ({what})"));
        }
    };
    let fault = |line: &Line| line.fault.clone().unwrap_or_default();
    listed(
        "unreadable:",
        summary.unreadable.iter().map(fault).collect(),
    );
    let differs = |line: &Line| format!("{}: {}", line.recording, line.notes.join("; "));
    listed("differs:", summary.different.iter().map(differs).collect());
    if diff {
        let changed = |line: &&Line| line.fault.is_none() && line.verdict != line.recorded;
        let text =
            |line: &Line| format!("{}: {} -> {}", line.recording, line.recorded, line.verdict);
        listed("changed:", lines.iter().filter(changed).map(text).collect());
    }
    // The same remark of many recordings is one remark.
    let mut said: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for line in lines.iter().filter(|line| line.same.is_none()) {
        for note in &line.notes {
            *said.entry(note).or_default() += 1;
        }
    }
    let remarks = said
        .iter()
        .map(|(note, count)| format!("{note} ({})", counted(*count, "recording")));
    listed("note:", remarks.collect());
    out
}

/// Many recordings for people.
pub(super) fn table(summary: &Summary, lines: &[Line], diff: bool, _style: Style) -> String {
    let mut out = format!("{}\n\n", counted(lines.len(), "recording"));
    out.push_str(&aligned(&rows("label", &summary.labels)));
    out.push('\n');
    out.push_str(&aligned(&rows("recorded", &summary.recorded)));
    out.push('\n');
    out.push_str(&aligned(&rates(summary)));
    for note in notes(summary, lines, diff) {
        let _ = writeln!(out, "  {}", plain(&note));
    }
    out
}

/// Many recordings for comments.
pub(super) fn markdown(summary: &Summary, lines: &[Line], diff: bool) -> String {
    let mut out = format!("{}\n\n", counted(lines.len(), "recording"));
    out.push_str(&piped(&rows("label", &summary.labels)));
    out.push('\n');
    out.push_str(&piped(&rows("recorded", &summary.recorded)));
    out.push('\n');
    out.push_str(&piped(&rates(summary)));
    for note in notes(summary, lines, diff) {
        let _ = write!(out, "\n- {}", plain(&note));
    }
    out.push('\n');
    out
}
