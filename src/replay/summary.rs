//! Many recordings as one table: labels against verdicts, with the rates that matter and their
//! 95 % intervals (Wilson).

use crate::evaluate::share::Share;
use crate::replay::labels::Label;
use crate::replay::lines::{Line, UNREADABLE};
use crate::time::{Span, Timestamp};
use serde_json::{Value, json};

/// The `schema` of a summary.
pub const SUMMARY_SCHEMA: &str = "haldane.replay/1";

/// The columns: what can come of a recording.
pub const VERDICTS: [&str; 5] = ["promote", "rollback", "inconclusive", "pending", UNREADABLE];

/// One row: a label, or a recorded verdict, and how many of it came to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What of.
    pub name: &'static str,
    /// In the order of [`VERDICTS`].
    pub counts: [usize; VERDICTS.len()],
}

impl Row {
    /// How many there are.
    pub fn all(&self) -> usize {
        self.counts.iter().sum()
    }
}

/// One rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// What of.
    pub name: &'static str,
    /// How many of how many, with the interval.
    pub share: Share,
}

/// Many recordings as one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One row per label that is there.
    pub labels: Vec<Row>,
    /// One row per recorded verdict that is there.
    pub recorded: Vec<Row>,
    /// The rates that can be told.
    pub rates: Vec<Rate>,
    /// Median and ninth decile of the time from onset (or start) to a rollback of a bad canary.
    pub delay: Option<(Span, Span)>,
    /// Recordings that differ from what was recorded.
    pub different: Vec<Line>,
    /// Recordings that could not be used.
    pub unreadable: Vec<Line>,
}

/// What a line means for its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    /// A rollback on data after the onset.
    After,
    /// A rollback on data up to the onset.
    Before,
    /// No rollback.
    None,
}

fn hit(line: &Line) -> Hit {
    if line.verdict != "rollback" {
        return Hit::None;
    }
    match (line.onset, line.covered_to) {
        (Some(onset), Some(covered_to)) if covered_to <= onset => Hit::Before,
        _ => Hit::After,
    }
}

impl Summary {
    /// The table of `lines`.
    pub fn of(lines: &[Line]) -> Self {
        let labels: Vec<Row> = [
            Some(Label::Good),
            Some(Label::Bad),
            Some(Label::NoData),
            None,
        ]
        .into_iter()
        .map(|label| {
            let name = label.map_or("unlabelled", Label::word);
            row(name, lines.iter().filter(|line| line.label == label))
        })
        .filter(|row| row.all() > 0)
        .collect();
        let recorded = VERDICTS
            .into_iter()
            .map(|word| row(word, lines.iter().filter(|line| line.recorded == word)))
            .filter(|row| row.all() > 0)
            .collect();
        let unusable = |line: &&Line| line.fault.is_some();
        Self {
            labels,
            recorded,
            rates: rates(lines),
            delay: delay(lines),
            different: lines
                .iter()
                .filter(|l| l.same == Some(false))
                .cloned()
                .collect(),
            unreadable: lines.iter().filter(unusable).cloned().collect(),
        }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let rows = |rows: &[Row]| -> Vec<Value> {
            let one = |row: &Row| {
                let mut out = serde_json::Map::new();
                out.insert("name".to_owned(), json!(row.name));
                for (word, count) in VERDICTS.iter().zip(row.counts) {
                    out.insert((*word).to_owned(), json!(count));
                }
                Value::Object(out)
            };
            rows.iter().map(one).collect()
        };
        let rate = |rate: &Rate| {
            let Share {
                count,
                of,
                low,
                high,
            } = rate.share;
            let value = rate.share.value();
            json!({
                "name": rate.name, "count": count, "of": of,
                "share": value, "low": low, "high": high,
            })
        };
        let lines = |lines: &[Line]| -> Vec<Value> { lines.iter().map(Line::json).collect() };
        json!({
            "schema": SUMMARY_SCHEMA,
            "labels": rows(&self.labels),
            "recorded": rows(&self.recorded),
            "rates": self.rates.iter().map(rate).collect::<Vec<_>>(),
            "delay": self.delay.map(|(median, p90)| json!({
                "median_ms": median.ms(), "p90_ms": p90.ms(),
            })),
            "different": lines(&self.different),
            "unreadable": lines(&self.unreadable),
        })
    }
}

fn row<'a>(name: &'static str, lines: impl Iterator<Item = &'a Line>) -> Row {
    let mut counts = [0; VERDICTS.len()];
    for line in lines {
        let column = VERDICTS.iter().zip(&mut counts);
        if let Some((_, count)) = column.into_iter().find(|(word, _)| **word == line.verdict) {
            *count += 1;
        }
    }
    Row { name, counts }
}

/// Whether a line counts.
type Test<'a> = &'a dyn Fn(&Line) -> bool;

/// Rates over what could be read; those of nothing are left out.
fn rates(lines: &[Line]) -> Vec<Rate> {
    let rate = |name, of: Test<'_>, hits: Test<'_>| {
        let all: Vec<&Line> = lines
            .iter()
            .filter(|line| line.fault.is_none() && of(line))
            .collect();
        let count = all.iter().filter(|line| hits(line)).count();
        (!all.is_empty()).then(|| Rate {
            name,
            share: Share::wilson(count, all.len()),
        })
    };
    let is = |label: Label| move |line: &Line| line.label == Some(label);
    let (good, bad, blind) = (is(Label::Good), is(Label::Bad), is(Label::NoData));
    let promoted = |line: &Line| line.verdict == "promote";
    let table: [(_, Test<'_>, Test<'_>); 8] = [
        ("false rollback (good)", &good, &|l| hit(l) != Hit::None),
        ("promoted (good)", &good, &promoted),
        ("found (bad)", &bad, &|l| hit(l) == Hit::After),
        (
            "alarm before onset (bad)",
            &|l| bad(l) && l.onset.is_some(),
            &|l| hit(l) == Hit::Before,
        ),
        ("missed, promoted (bad)", &bad, &promoted),
        ("promoted (nodata)", &blind, &promoted),
        ("verdict as recorded", &|_| true, &|l| {
            l.verdict == l.recorded
        }),
        ("byte for byte as recorded", &|l| l.same.is_some(), &|l| {
            l.same == Some(true)
        }),
    ];
    table
        .into_iter()
        .filter_map(|(name, of, hits)| rate(name, of, hits))
        .collect()
}

fn delay(lines: &[Line]) -> Option<(Span, Span)> {
    let since = |line: &Line| -> Option<Span> {
        let began: Timestamp = line.onset.or(line.started_at)?;
        Some(line.decided_at?.since(began))
    };
    let found = |line: &&Line| line.label == Some(Label::Bad) && hit(line) == Hit::After;
    let mut delays: Vec<Span> = lines.iter().filter(found).filter_map(since).collect();
    delays.sort_unstable();
    let last = delays.len().checked_sub(1)?;
    let at = |nth: usize| delays.get(last * nth / 10).copied();
    Some((at(5)?, at(9)?))
}
