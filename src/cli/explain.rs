//! `judge --explain`: per metric, what was looked at, which test said what, and what would have to
//! be different.

use crate::cli::card::Card;
use crate::cli::figures::{self, limit_size, scaled, signed, unit, with_unit};
use crate::cli::style::Style;
use crate::cli::table::needs;
use crate::units::trim_number;
use crate::wire::verdict::{ArmDocument, MetricDocument};
use std::fmt::Write as _;

/// One paragraph per metric, the worst first. Queries are left out where none was sent.
pub(crate) fn whole(card: &Card<'_>, queries: bool, style: Style) -> String {
    let mut out = String::new();
    for metric in card.worst_first() {
        out.push('\n');
        out.push_str(&one(card, metric, queries, style));
    }
    out
}

fn one(card: &Card<'_>, metric: &MetricDocument, queries: bool, style: Style) -> String {
    let label = metric.label.replace('_', " ");
    let symbol = format!("{} {}", style.symbol(&metric.label), metric.name);
    let mut out = format!(
        "{}: {label} ({}, harm is {}, limit {})\n",
        style.painted(&symbol, &metric.label),
        metric.role,
        match metric.harm.as_str() {
            "increase" => "an increase",
            "decrease" => "a decrease",
            _ => "any change",
        },
        figures::limit(metric, style)
    );
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "    {name:<9} {text}");
    };
    line(
        "window",
        &format!("{} to {}", card.window.0, card.window.1.unwrap_or("-")),
    );
    line("baseline", &arm(&metric.baseline, &metric.unit));
    line("canary", &arm(&metric.canary, &metric.unit));
    if let Some(effect) = &metric.effect {
        line(
            "effect",
            &format!(
                "{}, interval {} at {} % confidence",
                figures::effect(metric),
                figures::interval(metric, style),
                figures::percent(effect.confidence)
            ),
        );
    }
    line("test", &metric.test);
    if let Some(evidence) = &metric.evidence {
        line(
            "worse?",
            &shown(evidence.p_harm, evidence.alpha, "alpha", style),
        );
        line(
            "within?",
            &shown(evidence.p_safe, evidence.beta, "beta", style),
        );
    }
    line("to pass", &to_pass(metric, style));
    if queries {
        for query in &metric.queries {
            line("query", &format!("{}: {}", query.part, query.query));
        }
    }
    out
}

fn arm(arm: &ArmDocument, unit: &str) -> String {
    let mut out = figures::level(arm, unit);
    if let Some(bad) = arm.bad {
        let _ = write!(out, ", {bad} bad of {} events", arm.n);
    } else {
        let _ = write!(out, ", {} samples", arm.n);
        if let Some(n_eff) = arm.n_eff {
            let _ = write!(out, ", effective {}", trim_number(n_eff.floor()));
        }
    }
    if let Some(coverage) = arm.coverage {
        let percent = trim_number((coverage * 100.0).round());
        let _ = write!(out, ", {percent} % of the grid");
    }
    out
}

/// `p 0.0004 ≤ alpha 0.0125, shown`
fn shown(p: Option<f64>, limit: Option<f64>, name: &str, style: Style) -> String {
    let is_shown = matches!((p, limit), (Some(p), Some(limit)) if p <= limit);
    let (sign, word) = if is_shown {
        (style.letters("≤", "<="), "shown")
    } else {
        (">", "not shown")
    };
    format!(
        "p {} {sign} {name} {}, {word}",
        figures::p_value(p),
        figures::p_value(limit)
    )
}

/// What would have to be different.
fn to_pass(metric: &MetricDocument, style: Style) -> String {
    let limit = figures::limit(metric, style);
    let ends = harm_ends(metric);
    let end = |value: f64| with_unit(&signed(value), unit(metric));
    let more = needs(&metric.needs).map_or_else(String::new, |needs| format!("; {needs}"));
    match (metric.label.as_str(), ends) {
        ("no_data" | "lagging", _) => {
            let why = metric.no_data.as_deref().unwrap_or("no data");
            // Anything at all is what the reason is about already.
            let any = metric.needs.what == "data" && metric.needs.count == Some(1);
            let more = if any { "" } else { more.as_str() };
            format!("{}{more}", crate::cli::style::plain(why))
        }
        ("within", Some((_, Some(far)))) => format!(
            "passes; it would with any limit the interval stays within, which ends at {}",
            end(far)
        ),
        ("within", _) => "passes".to_owned(),
        (_, Some((near, Some(far)))) => {
            let beyond = match near {
                Some(near) if metric.label == "worse" => {
                    format!(
                        " (all of it is beyond the limit: it begins at {})",
                        end(near)
                    )
                }
                _ => String::new(),
            };
            format!(
                "the interval, which ends at {}, must end within the limit {limit}{beyond}{more}",
                end(far)
            )
        }
        _ => format!("the interval, which has no end, must end within the limit {limit}{more}"),
    }
}

/// The ends of the interval towards no effect and towards harm; for either direction, those of
/// the larger side.
fn harm_ends(metric: &MetricDocument) -> Option<(Option<f64>, Option<f64>)> {
    let scaled = scaled(metric)?;
    let up = (scaled.low, scaled.high);
    let down = (scaled.high, scaled.low);
    let size = |end: Option<f64>| end.map_or(f64::INFINITY, f64::abs);
    Some(match metric.harm.as_str() {
        "increase" => up,
        "decrease" => down,
        _ if size(up.1) - limit_size(metric) >= size(down.1) - limit_size(metric) => up,
        _ => down,
    })
}
