//! Values of both arms from a CSV file.
//!
//! A series metric has the columns `timestamp_s,baseline,canary`; events have
//! `timestamp_s,baseline_total,baseline_bad,canary_total,canary_bad`, counted in the step that
//! begins there.
//!
//! The first row is the start of the analysis; an empty cell is a gap.

use crate::rehearse::pieces::Pieces;
use crate::rehearse::spec::{ArmData, Before, Flow, Line, MetricData};
use crate::time::{Step, Timestamp};
use std::collections::BTreeMap;

/// Rows of a file; a longer one is refused. As many as a plan may have grid points.
pub const ROWS_MAX: usize = 11_000;

/// How far a distance may be from a whole number of steps.
const JITTER: f64 = 0.02;

/// A file as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The distance between rows.
    pub step: Step,
    /// A value each step, by column.
    columns: BTreeMap<String, Vec<Option<f64>>>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let header = reader
            .headers()
            .map_err(|fault| format!("header: {fault}"))?;
        let names: Vec<String> = header.iter().map(str::to_owned).collect();
        check_header(&names)?;
        let mut rows: Vec<(f64, Vec<Option<f64>>)> = Vec::new();
        for (idx, row) in reader.records().enumerate() {
            let line = idx + 2;
            if idx >= ROWS_MAX {
                return Err(format!("more than {ROWS_MAX} rows; test a shorter window"));
            }
            let row = row.map_err(|fault| format!("line {line}: {fault}"))?;
            let (mut at, mut values) = (None, Vec::new());
            for (name, cell) in names.iter().zip(row.iter()) {
                let number = number(cell).map_err(|()| {
                    format!("line {line}: {name} `{cell}` is no number; leave a gap empty")
                })?;
                if name == TIME {
                    at = number.filter(|at| Timestamp::from_seconds(*at).is_some());
                } else {
                    values.push(number);
                }
            }
            let at = at.ok_or_else(|| format!("line {line}: {TIME} is no number of seconds"))?;
            if rows.last().is_some_and(|(before, _)| *before >= at) {
                return Err(format!(
                    "line {line}: {TIME} {at} is not after the row before; sort the rows"
                ));
            }
            rows.push((at, values));
        }
        gridded(&names, &rows)
    }

    /// As if a test had written it down.
    ///
    /// # Errors
    /// Columns that do not fit the kind of metric.
    pub fn data(&self, of: &MetricData, events: bool) -> Result<MetricData, String> {
        let arm = |name: &str| {
            let column = |name: &str| self.columns.get(name).cloned().map(Pieces::listed);
            let flow = if events {
                Flow::Events {
                    total: column(&format!("{name}_total"))?,
                    bad: column(&format!("{name}_bad")),
                }
            } else {
                Flow::Values(column(name)?)
            };
            let line = Line {
                place: of.place,
                labels: BTreeMap::new(),
                replicas: 1,
                flow,
            };
            Some(ArmData {
                place: of.place,
                lines: vec![line],
            })
        };
        let (Some(baseline), Some(canary)) = (arm("baseline"), arm("canary")) else {
            return Err(format!(
                "its columns are not those of {}; they are {}",
                if events { "events" } else { "a series" },
                wanted(events)
            ));
        };
        Ok(MetricData {
            baseline: Some(baseline),
            canary: Some(canary),
            before: Before::Usual,
            csv: None,
            none: false,
            bounds: None,
            place: of.place,
        })
    }
}

const TIME: &str = "timestamp_s";

const fn wanted(events: bool) -> &'static str {
    if events {
        "timestamp_s,baseline_total,baseline_bad,canary_total,canary_bad"
    } else {
        "timestamp_s,baseline,canary"
    }
}

fn check_header(names: &[String]) -> Result<(), String> {
    let has = |name: &str| names.iter().any(|other| other == name);
    let series = has("baseline") && has("canary");
    let events = has("baseline_total") && has("canary_total");
    if has(TIME) && (series || events) {
        return Ok(());
    }
    Err(format!(
        "its first line is `{}`; write {} or {}",
        names.join(","),
        wanted(false),
        wanted(true)
    ))
}

fn number(cell: &str) -> Result<Option<f64>, ()> {
    if cell.is_empty() {
        return Ok(None);
    }
    let number: f64 = cell.parse().map_err(|_| ())?;
    Ok(number.is_finite().then_some(number))
}

/// Rows on a grid: missing ones are gaps.
fn gridded(names: &[String], rows: &[(f64, Vec<Option<f64>>)]) -> Result<Table, String> {
    let mut gaps: Vec<f64> = rows
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)?.0 - pair.first()?.0))
        .collect();
    gaps.sort_by(f64::total_cmp);
    let Some(usual) = gaps.get(gaps.len().saturating_sub(1) / 2).copied() else {
        return Err("it has fewer than two rows, so nobody knows their distance".to_owned());
    };
    let at = Timestamp::from_seconds(usual).map_or(0, Timestamp::ms);
    let step = Step::new(crate::time::Span::from_ms(at))
        .ok_or("its rows are closer than a millisecond")?;
    let first = rows.first().map_or(0.0, |(at, _)| *at);
    let kept = || names.iter().filter(|name| *name != TIME);
    let mut columns: BTreeMap<String, Vec<Option<f64>>> =
        kept().map(|name| (name.clone(), Vec::new())).collect();
    for (at, values) in rows {
        let place = (at - first) / usual;
        let whole = place.round();
        if (place - whole).abs() > JITTER * place.max(1.0) {
            return Err(format!(
                "its rows are not a whole number of {step} apart at {at}; leave out rows, not time"
            ));
        }
        if whole >= ROWS_MAX as f64 {
            return Err(format!("it is longer than {ROWS_MAX} steps of {step}"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to ROWS_MAX"
        )]
        let idx = whole as usize;
        for (name, value) in kept().zip(values) {
            if let Some(column) = columns.get_mut(name) {
                column.resize(idx.max(column.len()), None);
                column.push(*value);
            }
        }
    }
    Ok(Table { step, columns })
}
