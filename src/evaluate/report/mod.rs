//! What came out, as text tables, Markdown, or JSON: the same numbers in each.

mod json;
mod tables;

use crate::evaluate::labelled::Score;
use crate::evaluate::roc::Curve;
use crate::evaluate::simulated::SimulatedRow;
use crate::units::trim_number;

/// Everything one evaluation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What was asked, as name and value.
    pub settings: Vec<(&'static str, String)>,
    /// How often a healthy canary may be rolled back.
    pub alpha: f64,
    /// Judges, in the order of columns.
    pub judges: Vec<String>,
    /// Over generators.
    pub simulated: Vec<SimulatedRow>,
    /// Over labelled pairs.
    pub pairs: Vec<Score>,
    /// At equal false alarms.
    pub curves: Vec<Curve>,
}

/// A table before it is dressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Report {
    /// For people at a terminal.
    pub fn text(&self) -> String {
        let mut out = self.asked("  ");
        for table in tables::all(self) {
            write(&mut out, &format!("\n{}\n", table.title));
            aligned(&mut out, &table);
            for note in &table.notes {
                write(&mut out, &format!("  {note}\n"));
            }
        }
        out
    }

    /// For pages and comments.
    pub fn markdown(&self) -> String {
        let mut out = self.asked("* ");
        for table in tables::all(self) {
            write(&mut out, &format!("\n**{}**\n\n", table.title));
            let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
            write(&mut out, &row(&table.header));
            let dashes: Vec<String> = table.header.iter().map(|_| "---".to_owned()).collect();
            write(&mut out, &row(&dashes));
            for cells in &table.rows {
                write(&mut out, &row(cells));
            }
            if !table.notes.is_empty() {
                write(&mut out, "\n");
            }
            for note in &table.notes {
                write(&mut out, &format!("* {}\n", note.trim_start_matches("* ")));
            }
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> String {
        format!("{:#}\n", json::of(self))
    }

    fn asked(&self, mark: &str) -> String {
        let mut out = String::new();
        for (name, value) in &self.settings {
            write(&mut out, &format!("{mark}{name}: {value}\n"));
        }
        out
    }
}

fn write(out: &mut String, text: &str) {
    out.push_str(text);
}

/// Columns padded to their widest cell, the first to the left, numbers to the right.
fn aligned(out: &mut String, table: &Table) {
    let rows = || std::iter::once(&table.header).chain(&table.rows);
    let width = |idx: usize| {
        let cells = rows().filter_map(|row| row.get(idx));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.header.len()).map(width).collect();
    for row in rows() {
        let mut line = String::from(" ");
        for (idx, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padded = if idx == 0 {
                format!(" {cell:<width$}")
            } else {
                format!("  {cell:>width$}")
            };
            line.push_str(&padded);
        }
        write(out, line.trim_end());
        write(out, "\n");
    }
}

/// `+10 %`, or `0 %`.
pub(super) fn plus(strength: f64) -> String {
    let percent = trim_number(strength * 100.0);
    let sign = if strength > 0.0 { "+" } else { "" };
    format!("{sign}{percent} %")
}
