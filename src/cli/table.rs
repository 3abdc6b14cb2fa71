//! A judgement as a table for people: the sentence, one row per metric, the worst first, then the
//! objectives and what a reader must know about the data.

use crate::cli::card::{Card, is_gate};
use crate::cli::figures;
use crate::cli::style::{Style, columns, plain};
use crate::units::trim_number;
use crate::wire::verdict::{MetricDocument, NeedsDocument, ObjectiveDocument, RungDocument};
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write as _;

/// What a table shows only where there is room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extra {
    Sparks,
    ShortSparks,
    Interval,
    Sizes,
    Evidence,
}

/// Bars of a short sparkline.
const SHORT_BARS: usize = 7;

/// From everything to the least: the first that fits is taken. What was decided on goes last.
const LAYOUTS: [&[Extra]; 7] = [
    &[
        Extra::Sparks,
        Extra::Interval,
        Extra::Sizes,
        Extra::Evidence,
    ],
    &[
        Extra::ShortSparks,
        Extra::Interval,
        Extra::Sizes,
        Extra::Evidence,
    ],
    &[Extra::Interval, Extra::Sizes, Extra::Evidence],
    &[Extra::Interval, Extra::Evidence],
    &[Extra::ShortSparks, Extra::Interval],
    &[Extra::Interval],
    &[],
];

/// `✖ ROLLBACK  checkout v2  look 7 of 24, 12m left   template checkout@3f9c1a2b`
pub(crate) fn headline(card: &Card<'_>, style: Style) -> String {
    let verdict = format!(
        "{} {}",
        style.symbol(card.word),
        card.word.to_uppercase().replace('_', " ")
    );
    let mut out = style.painted(&verdict, card.word);
    let _ = write!(out, "  {}", plain(card.service));
    if let Some(revision) = card.revision {
        let _ = write!(out, " {}", plain(revision));
    }
    if let Some(progress) = &card.progress {
        let _ = write!(out, "  {progress}");
    }
    let template = card.template;
    let digest: String = template.digest.chars().take(8).collect();
    let _ = write!(out, "   template {}@{digest}", template.name);
    out
}

/// Everything but queries.
pub(crate) fn whole(card: &Card<'_>, style: Style) -> String {
    let mut out = headline(card, style);
    let _ = writeln!(out, "\n  {}", plain(card.sentence));
    // That an arm is absent is the sentence already.
    if let Some(hold) = card.hold.filter(|hold| *hold != "arm_absent") {
        let _ = writeln!(out, "  held: {}", hold.replace('_', " "));
    }
    if !card.metrics.is_empty() {
        out.push('\n');
        out.push_str(&findings(card, style));
    }
    for metric in card.metrics {
        if let Some(why) = unsaid(metric, card.sentence) {
            let word = metric.label.replace('_', " ");
            let _ = writeln!(out, "    {}: {word}: {}", metric.name, plain(why));
        }
        for note in &metric.notes {
            let _ = writeln!(out, "    {}: {}", metric.name, plain(note));
        }
    }
    for objective in card.objectives {
        out.push_str(&objective_lines(objective, style));
    }
    if let Some(traffic) = card.traffic {
        let share = |share: Option<f64>| {
            share.map_or_else(
                || "no".to_owned(),
                |s| format!("{} %", trim_number(s * 100.0)),
            )
        };
        let _ = writeln!(
            out,
            "  traffic: {} on the canary, {} declared: {}",
            share(traffic.observed),
            share(traffic.declared),
            traffic.state
        );
    }
    for warning in card.suspect {
        let _ = writeln!(out, "  source warning: {}", plain(warning));
    }
    out
}

/// Why a metric has no data, unless it is the one the sentence is about.
fn unsaid<'m>(metric: &'m MetricDocument, sentence: &str) -> Option<&'m str> {
    let why = metric.no_data.as_deref()?;
    let said = sentence.starts_with(&metric.name) && sentence.contains(why);
    (!said).then_some(why)
}

/// One row per metric.
fn findings(card: &Card<'_>, style: Style) -> String {
    let metrics = card.worst_first();
    // What is worse by a value of its label has that value in the row below.
    let values: Vec<Vec<MetricDocument>> = metrics.iter().map(|m| m.worse_values()).collect();
    let metrics: Vec<&MetricDocument> = metrics
        .into_iter()
        .zip(&values)
        .flat_map(|(metric, values)| std::iter::once(metric).chain(values))
        .collect();
    let room = style.width.saturating_sub(2);
    let mut lines = Vec::new();
    for layout in LAYOUTS {
        lines = rows(&metrics, layout, style);
        if lines.iter().all(|line| columns(line) <= room) {
            break;
        }
    }
    let mut out = String::new();
    for (idx, line) in lines.iter().enumerate() {
        let word = idx.checked_sub(1).and_then(|row| metrics.get(row));
        let label = word.map_or("", |metric| metric.label.as_str());
        // Coloured after the table is laid out: escapes have no width.
        let symbol = style.symbol(label);
        let painted = match line.strip_prefix(symbol) {
            Some(rest) if idx > 0 => format!("{}{rest}", style.painted(symbol, label)),
            _ => line.clone(),
        };
        let _ = writeln!(out, "  {painted}");
    }
    out
}

fn rows(metrics: &[&MetricDocument], layout: &[Extra], style: Style) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut head = vec!["", "metric", "baseline", "canary", "effect"];
    let mut right = vec![2, 3, 4];
    let optional = [
        (layout.contains(&Extra::Interval), "interval", true),
        (true, "limit", true),
        (layout.contains(&Extra::Sizes), "n/n_eff", true),
        (layout.contains(&Extra::Evidence), "evidence", false),
    ];
    for (_, name, is_number) in optional.into_iter().filter(|(shown, ..)| *shown) {
        if is_number {
            right.push(head.len());
        }
        head.push(name);
    }
    table.set_header(head);
    for metric in metrics {
        table.add_row(row(metric, layout, style));
    }
    for at in right {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn row(metric: &MetricDocument, layout: &[Extra], style: Style) -> Vec<String> {
    let name = if is_gate(metric) {
        metric.name.clone()
    } else {
        format!("{} ({})", metric.name, metric.role)
    };
    let mut levels =
        [&metric.baseline, &metric.canary].map(|arm| figures::level(arm, &metric.unit));
    let bars = match layout.first() {
        Some(Extra::Sparks) => usize::MAX,
        Some(Extra::ShortSparks) => SHORT_BARS,
        _ => 0,
    };
    if bars > 0 {
        let sparks = figures::sparks(metric, style);
        for (level, spark) in levels.iter_mut().zip(sparks) {
            let both = format!("{} {level}", thinned(&spark, bars));
            both.trim().clone_into(level);
        }
    }
    let [baseline, canary] = levels;
    let mut out = vec![
        style.symbol(&metric.label).to_owned(),
        name,
        baseline,
        canary,
        figures::effect(metric),
    ];
    if layout.contains(&Extra::Interval) {
        out.push(figures::interval(metric, style));
    }
    out.push(figures::limit(metric, style));
    if layout.contains(&Extra::Sizes) {
        out.push(figures::sizes(metric));
    }
    if layout.contains(&Extra::Evidence) {
        out.push(evidence(metric, style));
    }
    out
}

/// At most `bars` of the bars, evenly spaced, the first and the last among them.
fn thinned(spark: &str, bars: usize) -> String {
    let all: Vec<char> = spark.chars().collect();
    if all.len() <= bars {
        return spark.to_owned();
    }
    let last = all.len() - 1;
    (0..bars)
        .filter_map(|idx| all.get(idx * last / (bars - 1).max(1)))
        .collect()
}

/// `p 0.0004 ≤ 0.0125`: the p-value of what was shown, or is nearest to being shown.
fn evidence(metric: &MetricDocument, style: Style) -> String {
    // Why there are no data is said below the table: it is a sentence, and no column is so wide.
    if metric.no_data.is_some() {
        return "-".to_owned();
    }
    let Some(evidence) = &metric.evidence else {
        return "-".to_owned();
    };
    let harm = (evidence.p_harm, evidence.alpha);
    let safe = (evidence.p_safe, evidence.beta);
    let share = |(p, limit): (Option<f64>, Option<f64>)| match (p, limit) {
        (Some(p), Some(limit)) => p / limit.max(f64::MIN_POSITIVE),
        _ => f64::INFINITY,
    };
    let is_harm = match metric.label.as_str() {
        "worse" => true,
        "within" => false,
        _ => share(harm) < share(safe),
    };
    let (p, limit) = if is_harm { harm } else { safe };
    let sign = if share((p, limit)) <= 1.0 {
        style.letters("≤", "<=")
    } else {
        ">"
    };
    let word = if is_harm { "harm" } else { "safe" };
    let shown = format!(
        "{word} p {} {sign} {}",
        figures::p_value(p),
        figures::p_value(limit)
    );
    match needs(&metric.needs) {
        Some(needs) => format!("{shown}, {needs}"),
        None => shown,
    }
}

/// What more time would bring, in a few words.
pub(crate) fn needs(needs: &NeedsDocument) -> Option<String> {
    match (needs.what.as_str(), needs.time_ms, needs.count) {
        ("time", Some(ms), _) => {
            let span = crate::time::Span::from_ms(ms);
            Some(format!("needs about {} more", figures::about(span)))
        }
        ("data", _, Some(count)) => Some(format!("needs {count} more")),
        ("more_than_there_is", ..) => Some("needs more time than there is".to_owned()),
        _ => None,
    }
}

fn objective_lines(objective: &ObjectiveDocument, style: Style) -> String {
    let times = style.letters("×", "x");
    let burn = |burn: Option<f64>| {
        burn.map_or_else(
            || "none".to_owned(),
            |value| format!("{}{times}", trim_number(value)),
        )
    };
    let mut out = format!(
        "  objective {} {} %: burn canary {}, baseline {}\n",
        objective.name,
        trim_number(objective.target * 100.0),
        burn(objective.canary_burn),
        burn(objective.baseline_burn)
    );
    for rung in &objective.rungs {
        let RungDocument {
            long_ms, short_ms, ..
        } = rung;
        let span = |ms: &i64| crate::time::Span::from_ms(*ms);
        let _ = writeln!(
            out,
            "    {} over {} and {}: {} and {} ({}): {}",
            burn(rung.burn),
            span(long_ms),
            span(short_ms),
            burn(rung.burn_long),
            burn(rung.burn_short),
            rung.action,
            rung.state.replace('_', " ")
        );
    }
    out
}
