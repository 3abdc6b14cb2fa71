//! What was found, as text and Markdown.

use crate::simulate::share::Share;
use crate::tune::edit::Edit;
use crate::tune::measure::Rate;
use crate::tune::power::{SHOWN_IN, Shown};
use crate::tune::propose::Check;
use crate::tune::whole::{Ending, Halves, Tuned};
use crate::units::trim_number;
use std::fmt::Write as _;

/// When more than half of healthy canaries end without a verdict, that is worth a note.
const MOSTLY: f64 = 0.5;

/// `1.1 % [0.4-2.6]`
fn share_text(share: &Share) -> String {
    let percent = |value: f64| format!("{:.1}", value * 100.0);
    format!(
        "{} % [{}-{}]",
        percent(share.value()),
        percent(share.low),
        percent(share.high)
    )
}

/// The same with what it was counted over.
fn counted(share: &Share) -> String {
    format!("{} ({} of {})", share_text(share), share.count, share.of)
}

fn percent(share: f64) -> String {
    format!("{} %", trim_number(share * 100.0))
}

/// Rows of cells, as wide as the widest of each column; two spaces between.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let space = width.saturating_sub(cell.chars().count());
            let _ = write!(line, "{cell}{}  ", " ".repeat(space));
        }
        let _ = writeln!(out, "  {}", line.trim_end());
    }
    out
}

fn optional(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

impl Tuned {
    fn main_rate(&self) -> Option<&Rate> {
        self.rates.iter().find(|rate| rate.kind == self.main)
    }

    /// What each metric does.
    fn behaviour(&self) -> Vec<Vec<String>> {
        let mut times = self.metrics.first().into_iter().flat_map(|m| &m.shown);
        let mut times_text = Vec::new();
        for (within, ..) in times.by_ref() {
            times_text.push(within.to_string());
        }
        let mut rows = vec![vec![
            "metric".to_owned(),
            "role".to_owned(),
            "limit".to_owned(),
            "false alarms alone".to_owned(),
            format!("smallest change shown in {}", times_text.join(" / ")),
            "lag-1".to_owned(),
            "n_eff/h".to_owned(),
            "no data".to_owned(),
        ]];
        for (idx, metric) in self.metrics.iter().enumerate() {
            let alarms = self.main_rate().and_then(|rate| rate.metrics.get(idx));
            let shown: Vec<&str> = metric
                .shown
                .iter()
                .map(|(_, _, text)| text.as_str())
                .collect();
            rows.push(vec![
                metric.name.clone(),
                metric.role.to_owned(),
                metric.limit.clone(),
                alarms.map(share_text).unwrap_or_default(),
                shown.join(" / "),
                optional(metric.nature.lag1, 2),
                optional(metric.nature.effective, 0),
                percent((metric.nature.no_data.value() * 1000.0).round() / 1000.0),
            ]);
        }
        rows
    }

    /// What each metric costs and brings.
    fn costs(&self) -> Vec<Vec<String>> {
        let head = [
            "metric",
            "queries",
            "samples",
            "error budget",
            "brings",
            "advice",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for metric in &self.metrics {
            let nature = &metric.nature;
            rows.push(vec![
                metric.name.clone(),
                nature.queries.to_string(),
                nature.samples.to_string(),
                percent((nature.budget * 1000.0).round() / 1000.0),
                nature.brings.map_or_else(
                    || "-".to_owned(),
                    |brings| format!("{} of {}", brings.count, brings.of),
                ),
            ]);
        }
        rows
    }

    /// One row per kind of pair.
    fn kinds(&self) -> Vec<Vec<String>> {
        let head = ["pairs", "windows", "false rollbacks", "inconclusive", ""];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for rate in &self.rates {
            let weak = rate.kind.weakness();
            rows.push(vec![
                rate.kind.word().to_owned(),
                rate.windows.to_string(),
                counted(&rate.rollbacks),
                percent((rate.inconclusive.value() * 1000.0).round() / 1000.0),
                weak.map(|why| format!("weak: {why}")).unwrap_or_default(),
            ]);
        }
        rows
    }

    /// Both halves, before and after.
    fn halves(&self) -> Vec<Vec<String>> {
        let mut head = vec![
            "false rollbacks".to_owned(),
            "older half (chosen on)".to_owned(),
            "newer half (checked on)".to_owned(),
        ];
        let wish = |halves: &Halves, idx: usize, pick: fn(&Halves) -> &Check| match pick(halves)
            .wishes
            .get(idx)
        {
            Some(Ok((count, of))) => format!("shown in {count} of {of}"),
            Some(Err(why)) => why.clone(),
            None => String::new(),
        };
        let older = |halves: &Halves| -> String { counted(&halves.older.rollbacks) };
        let newer = |halves: &Halves| -> String { counted(&halves.newer.rollbacks) };
        let mut rows = vec![std::mem::take(&mut head)];
        let mut add = |name: &str, halves: &Halves| {
            rows.push(vec![name.to_owned(), older(halves), newer(halves)]);
            rows.push(vec![
                "  end inconclusive".to_owned(),
                counted(&halves.older.inconclusive),
                counted(&halves.newer.inconclusive),
            ]);
            for (idx, asked) in self.asked.wishes.iter().enumerate() {
                let metric = self
                    .metrics
                    .get(asked.metric)
                    .map_or("?", |m| m.name.as_str());
                rows.push(vec![
                    format!("  {metric}: {}", plain_wish(&asked.text)),
                    wish(halves, idx, |halves| &halves.older),
                    wish(halves, idx, |halves| &halves.newer),
                ]);
            }
        };
        add("as it is", &self.before);
        if let Some(after) = &self.after {
            add("proposed", after);
        }
        rows
    }

    /// How it ends, in words.
    pub fn conclusion(&self) -> String {
        let max = percent(self.asked.max_false_rollback);
        let high = |halves: &Halves| format!("{:.1} %", halves.newer.rollbacks.high * 100.0);
        let now = self.after.as_ref().unwrap_or(&self.before);
        match &self.ending {
            Ending::AsItIs => format!(
                "The template does what is asked as it is: on the newer half at most {} of \
                 healthy canaries are rolled back (95 % bound, {max} asked for).",
                high(now)
            ),
            Ending::Proposed => format!(
                "The proposal does what is asked: on the newer half, which it was not chosen on, \
                 at most {} of healthy canaries are rolled back (95 % bound, {max} asked for).",
                high(now)
            ),
            Ending::TooFewWindows(needed) => format!(
                "Not shown: {} of {} pairs of the newer half were rolled back, whose upper bound \
                 is {}, and {max} is asked for. {needed} windows without a rollback could show it, \
                 or more with a few: more --history, more --pairs, or recordings of more rollouts.",
                now.newer.rollbacks.count,
                now.newer.rollbacks.of,
                high(now)
            ),
            Ending::Nothing(why) => format!(
                "Nothing that was tried does what is asked: {}.",
                why.join("; ")
            ),
        }
    }

    fn proposal(&self) -> String {
        let mut out = String::new();
        if !self.edits.is_empty() {
            let all: Vec<String> = self.edits.iter().map(Edit::text).collect();
            let lead = match self.ending {
                Ending::Proposed => "proposed",
                Ending::Nothing(_) => "the best that was tried, which is not enough",
                Ending::AsItIs | Ending::TooFewWindows(_) => "tried",
            };
            let _ = writeln!(out, "{lead}: {}", all.join(", "));
        }
        out
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{}  template {}\n\n", self.file, self.template);
        out.push_str(&aligned(&self.kinds()));
        out.push('\n');
        out.push_str(&aligned(&self.behaviour()));
        out.push('\n');
        out.push_str(&aligned(&self.costs()));
        out.push('\n');
        out.push_str(&aligned(&self.halves()));
        out.push('\n');
        for metric in &self.metrics {
            let _ = writeln!(out, "  {}: {}", metric.name, metric.advice);
        }
        for note in self.all_notes() {
            let _ = writeln!(out, "  note: {note}");
        }
        let _ = writeln!(out, "\n{}", self.conclusion());
        out.push_str(&self.proposal());
        if !self.diff.is_empty() {
            let _ = write!(out, "\n{}", self.diff);
        }
        out
    }

    /// Everything a reader must know.
    pub fn all_notes(&self) -> Vec<String> {
        let mut out = self.notes.clone();
        if let Some(why) = self.main.weakness() {
            out.push(format!(
                "the strongest pairs there are, {}, are weak: {why}; keep replicas apart with \
                 --per, or tune on recordings of healthy rollouts",
                self.main.word()
            ));
        }
        let pairs = self.metrics.iter().flat_map(|metric| &metric.shown);
        let pairs = pairs.filter_map(|(_, shown, _)| match shown {
            Shown::From(_, pairs) | Shown::NotEven(_, pairs) => Some(*pairs),
            Shown::Unknown(_) => None,
        });
        if let Some(pairs) = pairs.max() {
            out.push(format!(
                "a change counts as shown when it is in {} of {pairs} pairs, begun with the \
                 window; time is that of the samples",
                percent(SHOWN_IN)
            ));
        }
        let inconclusive = self.main_rate().map(|rate| rate.inconclusive.value());
        if let Some(share) = inconclusive.filter(|share| *share > MOSTLY) {
            out.push(format!(
                "{} of healthy canaries would end inconclusive: gates cannot show in time that \
                 they are within their limits; wider limits, a longer deadline, or \
                 judge.accept_no_harm",
                percent((share * 100.0).round() / 100.0)
            ));
        }
        for (objective, count) in self.main_rate().into_iter().flat_map(|rate| &rate.burnt) {
            out.push(format!(
                "objective {objective} rolled {count} placebo pairs back by its burn rate"
            ));
        }
        for metric in &self.metrics {
            let unknown = metric.shown.iter().find_map(|(_, shown, _)| match shown {
                Shown::Unknown(why) => Some(why),
                Shown::From(..) | Shown::NotEven(..) => None,
            });
            out.extend(unknown.map(|why| format!("{}: {why}", metric.name)));
        }
        out
    }

    /// For comments and job summaries.
    pub fn markdown(&self) -> String {
        let mut out = format!("### Tuning `{}`\n\n{}\n", self.template, self.conclusion());
        for rows in [self.kinds(), self.behaviour(), self.costs(), self.halves()] {
            out.push('\n');
            for (idx, row) in rows.iter().enumerate() {
                let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
                let _ = writeln!(out, "| {} |", cells.join(" | "));
                if idx == 0 {
                    let _ = writeln!(out, "|{}", " --- |".repeat(row.len()));
                }
            }
        }
        out.push('\n');
        for metric in &self.metrics {
            let _ = writeln!(out, "- `{}`: {}", metric.name, metric.advice);
        }
        for note in self.all_notes() {
            let _ = writeln!(out, "- {note}");
        }
        if !self.diff.is_empty() {
            let _ = write!(out, "\n{}\n```diff\n{}```\n", self.proposal(), self.diff);
        }
        out
    }
}

/// The wish without the metric's name.
pub(super) fn plain_wish(text: &str) -> &str {
    text.rsplit_once(':').map_or(text, |(_, rest)| rest).trim()
}
