//! The page of many analyses judged again: rates with their intervals, tables, and a line for each.

use crate::chart::{Interval, escaped, interval};
use crate::report::{page, symbol, tone};
use crate::units::trim_number;
use std::fmt::Write as _;

/// Lines that a page lists; what is beyond is counted. A page of more is slow on a phone.
pub const LINES_LISTED_MAX: usize = 2000;

/// What the page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Many {
    /// The headline.
    pub sentence: String,
    /// What was done to them, for the line above it.
    pub about: String,
    /// Numbers a reader looks for first.
    pub facts: Vec<(String, String)>,
    /// Shares with their intervals.
    pub rates: Vec<ManyRate>,
    /// Tables of counts.
    pub tables: Vec<ManyTable>,
    /// One line each, in the order to be shown.
    pub lines: Vec<ManyLine>,
    /// The command that does the same again.
    pub again: String,
}

/// A share of so many.
#[derive(Clone, Debug, PartialEq)]
pub struct ManyRate {
    /// What of.
    pub name: String,
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// Both ends of its interval, in 0 ..= 1.
    pub interval: (f64, f64),
}

/// Counts by row and column.
#[derive(Clone, Debug, PartialEq)]
pub struct ManyTable {
    /// What it is.
    pub title: String,
    /// Names of the columns, that of the names first.
    pub head: Vec<String>,
    /// A name, then counts.
    pub rows: Vec<(String, Vec<usize>)>,
}

/// One analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct ManyLine {
    /// How it was named.
    pub name: String,
    /// Its service.
    pub service: String,
    /// What is true of it.
    pub label: String,
    /// What was recorded.
    pub recorded: String,
    /// What came of it.
    pub verdict: String,
    /// What a reader must know.
    pub notes: String,
}

/// The whole page.
pub fn many(report: &Many) -> String {
    let mut out = page::opened(&report.sentence);
    let _ = write!(
        out,
        "<header>\n<p class=\"eyebrow\">{}</p>\n<h1>{}</h1>\n<dl class=\"facts\">\n",
        escaped(&report.about),
        escaped(&report.sentence)
    );
    for (name, value) in &report.facts {
        let (name, value) = (escaped(name), escaped(value));
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n</header>\n<main>\n");
    rates(&report.rates, &mut out);
    for (idx, table) in report.tables.iter().enumerate() {
        counts(idx, table, &mut out);
    }
    lines(&report.lines, &mut out);
    let _ = write!(
        out,
        "<section aria-labelledby=\"h-again\"><h2 id=\"h-again\">Again</h2>\n<pre>{}</pre>\n\
         </section>\n</main>\n<footer>haldane {}</footer>\n</body>\n</html>\n",
        escaped(&report.again),
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn section(id: &str, title: &str, head: &[&str], out: &mut String) {
    let _ = write!(
        out,
        "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{}</h2>\n<div class=\"scroll\"><table>\n\
         <thead><tr>",
        escaped(title)
    );
    for (idx, name) in head.iter().enumerate() {
        let class = if idx > 0 && id != "h-each" {
            " class=\"num\""
        } else {
            ""
        };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", escaped(name));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
}

const CLOSED: &str = "</tbody></table></div></section>\n";

fn rates(rates: &[ManyRate], out: &mut String) {
    if rates.is_empty() {
        return;
    }
    section(
        "h-rates",
        "Rates",
        &["", "count", "share", "95 % interval", ""],
        out,
    );
    let percent = |share: f64| format!("{} %", trim_number(share * 100.0));
    for (idx, rate) in rates.iter().enumerate() {
        let share = rate.count as f64 / rate.of.max(1) as f64;
        let (low, high) = rate.interval;
        let strip = Interval {
            id: format!("r{idx}"),
            description: format!(
                "{}: {}, interval {} to {}",
                rate.name,
                percent(share),
                percent(low),
                percent(high)
            ),
            value: Some(share),
            low: Some(low),
            high: Some(high),
            // The whole: every bar has the same scale.
            limits: vec![1.0],
            label: "undecided",
        };
        let _ = writeln!(
            out,
            "<tr><td class=\"name\">{}</td><td class=\"num\">{} of {}</td><td class=\"num\">{}\
             </td><td class=\"num\">{} to {}</td><td class=\"strips\">{}</td></tr>",
            escaped(&rate.name),
            rate.count,
            rate.of,
            percent(share),
            percent(low),
            percent(high),
            interval(&strip)
        );
    }
    out.push_str(CLOSED);
}

fn counts(idx: usize, table: &ManyTable, out: &mut String) {
    if table.rows.is_empty() {
        return;
    }
    let head: Vec<&str> = table.head.iter().map(String::as_str).collect();
    section(&format!("h-table{idx}"), &table.title, &head, out);
    for (name, row) in &table.rows {
        let _ = write!(out, "<tr><td class=\"name\">{}</td>", escaped(name));
        for count in row {
            let _ = write!(out, "<td class=\"num\">{count}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str(CLOSED);
}

fn tag(word: &str) -> String {
    format!(
        "<span class=\"tag {}\"><span aria-hidden=\"true\">{}</span> {}</span>",
        tone(word),
        symbol(word),
        escaped(word)
    )
}

fn lines(lines: &[ManyLine], out: &mut String) {
    if lines.is_empty() {
        return;
    }
    let head = ["recording", "service", "label", "recorded", "now", ""];
    section("h-each", "Each of them", &head, out);
    for line in lines.iter().take(LINES_LISTED_MAX) {
        let _ = writeln!(
            out,
            "<tr><td class=\"name\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"wide\">{}</td></tr>",
            escaped(&line.name),
            escaped(&line.service),
            escaped(&line.label),
            tag(&line.recorded),
            tag(&line.verdict),
            escaped(&line.notes)
        );
    }
    let beyond = lines.len().saturating_sub(LINES_LISTED_MAX);
    if beyond > 0 {
        let _ = writeln!(out, "<tr><td colspan=\"6\">and {beyond} more</td></tr>");
    }
    out.push_str(CLOSED);
}
