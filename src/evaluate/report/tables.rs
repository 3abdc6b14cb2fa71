//! Which tables a report has, and what stands in their cells.

use crate::evaluate::generators::Family;
use crate::evaluate::labelled::Score;
use crate::evaluate::report::{Report, Table, plus};
use crate::evaluate::roc::{PAIRS, Point, TARGETS};
use crate::evaluate::share::Share;
use crate::evaluate::simulated::SimulatedRow;
use crate::units::trim_number;
use std::collections::BTreeMap;

/// A rate is shown to keep alpha when the upper limit of its interval is at most this many alphas.
const KEEPS: f64 = 1.2;

/// All tables, those without rows left out.
pub(super) fn all(report: &Report) -> Vec<Table> {
    let mut out = vec![nulls(report), promise(report)];
    let mut strengths: Vec<f64> = Vec::new();
    for row in &report.simulated {
        if row.strength > 0.0 && !strengths.contains(&row.strength) {
            strengths.push(row.strength);
        }
    }
    out.extend(strengths.iter().map(|strength| power(report, *strength)));
    out.push(no_data(report));
    out.push(pairs(report));
    out.extend(curves(report));
    out.retain(|table| !table.rows.is_empty());
    out
}

/// Rows of one kind, generator by generator in the order they were evaluated, and in each the row
/// of every judge.
fn by_generator(
    report: &Report,
    belongs: impl Fn(&SimulatedRow) -> bool,
) -> Vec<(&SimulatedRow, Vec<Option<&SimulatedRow>>)> {
    let mut order: Vec<&str> = Vec::new();
    let mut found: BTreeMap<(&str, &str), &SimulatedRow> = BTreeMap::new();
    for row in report.simulated.iter().filter(|row| belongs(row)) {
        if !order.contains(&row.generator.as_str()) {
            order.push(&row.generator);
        }
        found.insert((&row.generator, &row.judge), row);
    }
    let line = |generator: &str| {
        let of = |judge: &String| found.get(&(generator, judge.as_str())).copied();
        let cells: Vec<Option<&SimulatedRow>> = report.judges.iter().map(of).collect();
        let first = cells.iter().flatten().next().copied()?;
        Some((first, cells))
    };
    order.into_iter().filter_map(line).collect()
}

fn header(report: &Report, first: &str) -> Vec<String> {
    let mut out = vec![first.to_owned()];
    out.extend(report.judges.iter().cloned());
    out
}

/// One row per generator, one column per judge.
fn grid(
    report: &Report,
    title: String,
    belongs: impl Fn(&SimulatedRow) -> bool,
    cell: impl Fn(&SimulatedRow) -> String,
) -> Table {
    let mut rows = Vec::new();
    for (first, cells) in by_generator(report, belongs) {
        let mark = if first.excluded.is_some() && first.strength == 0.0 {
            " *"
        } else {
            ""
        };
        let mut line = vec![format!("{}{mark}", first.generator)];
        let shown = |row: Option<&SimulatedRow>| row.map_or_else(|| "-".to_owned(), &cell);
        line.extend(cells.into_iter().map(shown));
        rows.push(line);
    }
    Table {
        title,
        header: header(report, "generator"),
        rows,
        notes: Vec::new(),
    }
}

fn is_null(row: &SimulatedRow) -> bool {
    row.strength == 0.0 && row.family != Family::NoData
}

fn nulls(report: &Report) -> Table {
    let title = "False rollback, % [95 %]".to_owned();
    let mut table = grid(report, title, is_null, |row| interval(&row.rolled_back));
    for (first, _) in by_generator(report, |row| is_null(row) && row.excluded.is_some()) {
        let why = first.excluded.as_deref().unwrap_or("");
        table.notes.push(format!("* {}: {why}", first.generator));
    }
    table
}

/// Whether each judge keeps alpha wherever the specification promises it.
fn promise(report: &Report) -> Table {
    let promised = |row: &&SimulatedRow| is_null(row) && row.excluded.is_none();
    let mut rows = Vec::new();
    for judge in &report.judges {
        let mine = || {
            let of = |row: &&SimulatedRow| row.judge == *judge;
            report.simulated.iter().filter(promised).filter(of)
        };
        let worst = mine().max_by(|a, b| a.rolled_back.value().total_cmp(&b.rolled_back.value()));
        let Some(worst) = worst else { continue };
        let bound = KEEPS * report.alpha;
        let kept = mine().filter(|row| row.rolled_back.high <= bound).count();
        rows.push(vec![
            judge.clone(),
            worst.generator.clone(),
            interval(&worst.rolled_back),
            format!("{kept} of {}", mine().count()),
        ]);
    }
    Table {
        title: format!(
            "Worst null of those not excluded, and how many keep alpha = {} % (upper limit within \
             {KEEPS} alpha)",
            trim_number(report.alpha * 100.0)
        ),
        header: [
            "judge",
            "worst null",
            "false rollback, % [95 %]",
            "keep alpha",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes: Vec::new(),
    }
}

fn power(report: &Report, strength: f64) -> Table {
    let belongs = |row: &SimulatedRow| row.strength.to_bits() == strength.to_bits();
    let mut early = false;
    for row in report.simulated.iter().filter(|row| belongs(row)) {
        early |= row.before_onset.count > 0;
    }
    let (before, told) = if early {
        (" (alarms before onset, %)", true)
    } else {
        ("", false)
    };
    let title = format!(
        "Detected, % / median minutes{before}, strength {}",
        plus(strength)
    );
    grid(report, title, belongs, |row| {
        let median = row.median_min.map_or_else(|| "-".to_owned(), trim_number);
        let base = format!("{} / {median}", whole_percent(&row.rolled_back));
        if told {
            format!("{base} ({})", percent(row.before_onset.value()))
        } else {
            base
        }
    })
}

fn no_data(report: &Report) -> Table {
    let title = "Promoted without data, % [95 %]".to_owned();
    let belongs = |row: &SimulatedRow| row.without_data;
    grid(report, title, belongs, |row| interval(&row.promoted))
}

fn pairs(report: &Report) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for line in report.pairs.iter().flat_map(|score| &score.lines) {
        if !names.contains(&line.name.as_str()) {
            names.push(&line.name);
        }
    }
    let row = |name: &str| {
        let mut cells = vec![format!("{name}, n = {}", cases(&report.pairs, name))];
        let cell = |score: &Score| score.share(name).map_or_else(|| "-".to_owned(), interval);
        cells.extend(report.pairs.iter().map(cell));
        cells
    };
    let mut rows: Vec<Vec<String>> = names.into_iter().map(row).collect();
    if !rows.is_empty() {
        let mut cells = vec!["median / 90 % delay, samples (median s)".to_owned()];
        cells.extend(report.pairs.iter().map(|score| {
            score.delay.map_or_else(
                || "-".to_owned(),
                |delay| {
                    let seconds = trim_number(delay.median_s);
                    format!("{} / {} ({seconds})", delay.median, delay.p90)
                },
            )
        }));
        rows.push(cells);
    }
    Table {
        title: "Labelled pairs, % [95 %, clusters resampled]".to_owned(),
        header: header(report, "of"),
        rows,
        notes: Vec::new(),
    }
}

fn cases(scores: &[Score], name: &str) -> usize {
    let share = scores.iter().find_map(|score| score.share(name));
    share.map_or(0, |share| share.of)
}

fn curves(report: &Report) -> Vec<Table> {
    let mut order: Vec<&str> = Vec::new();
    for curve in &report.curves {
        if !order.contains(&curve.of.as_str()) {
            order.push(&curve.of);
        }
    }
    let table = |of: &str| {
        let mut header = vec!["judge (its knob)".to_owned()];
        header.extend(TARGETS.map(|target| format!("at {} %", trim_number(target * 100.0))));
        let curves = report.curves.iter().filter(|curve| curve.of == of);
        let rows = curves.map(|curve| {
            let mut cells = vec![format!("{} ({})", curve.judge, curve.knob)];
            cells.extend(curve.points.iter().map(point));
            cells
        });
        let unit = if of.starts_with(PAIRS) {
            "samples"
        } else {
            "minutes"
        };
        Table {
            title: format!(
                "At equal false rollback, {of}: detected % / before onset % / median {unit} (knob)"
            ),
            header,
            rows: rows.collect(),
            notes: Vec::new(),
        }
    };
    order.into_iter().map(table).collect()
}

fn point(point: &Point) -> String {
    let Some((value, rates)) = point.at else {
        return "-".to_owned();
    };
    let median = rates.median.map_or_else(|| "-".to_owned(), trim_number);
    format!(
        "{} / {} / {median} ({})",
        percent(rates.detected),
        percent(rates.before_onset),
        trim_number(value)
    )
}

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// Detection without decimals, but never rounded up to all of them.
fn whole_percent(share: &Share) -> String {
    let percent = share.value() * 100.0;
    let shown = if share.count < share.of {
        percent.min(99.4)
    } else {
        percent
    };
    format!("{shown:.0}")
}

fn interval(share: &Share) -> String {
    format!(
        "{} [{}-{}]",
        percent(share.value()),
        percent(share.low),
        percent(share.high)
    )
}
