//! Small pictures of one line: an interval against its limit, and the looks of an analysis.

use crate::chart::clock::Clock;
use crate::chart::ink::{escaped, place};
use crate::chart::scale::Scale;
use crate::time::Timestamp;
use std::fmt::Write as _;

/// A difference with its interval and the limits it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Begins every id inside; unique in the document.
    pub id: String,
    /// The same in words.
    pub description: String,
    /// The estimate.
    pub value: Option<f64>,
    /// The lower bound; none reaches to the edge.
    pub low: Option<f64>,
    /// The upper bound; none reaches to the edge.
    pub high: Option<f64>,
    /// The limits, one or two.
    pub limits: Vec<f64>,
    /// `worse`, `within`, or another label.
    pub label: &'static str,
}

const STRIP_WIDTH: f64 = 150.0;
const STRIP_HEIGHT: f64 = 22.0;

/// How far the strip reaches, as a multiple of the largest of estimate and limit.
const REACH: f64 = 2.0;

/// The interval as a bar, zero as a line, limits dashed. A bar that goes on beyond the edge ends
/// in a point.
pub fn interval(it: &Interval) -> String {
    let id = escaped(&it.id);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart strip\" viewBox=\"0 0 {} {}\" \
         role=\"img\" aria-labelledby=\"{id}-d\"><desc id=\"{id}-d\">{}</desc>",
        place(STRIP_WIDTH),
        place(STRIP_HEIGHT),
        escaped(&it.description)
    );
    let finite = |value: &f64| value.is_finite();
    let values = it.value.iter().chain(&it.limits).copied().filter(finite);
    let largest = values.fold(0.0_f64, |most, value| most.max(value.abs()));
    let bounds = it.low.iter().chain(&it.high).copied().filter(finite);
    let widest = bounds.fold(0.0_f64, |most, value| most.max(value.abs()));
    let reach = (1.15 * widest).min(REACH * largest).max(1.15 * largest);
    let reach = if reach > 0.0 { reach } else { 1.0 };
    let scale = Scale::new((-reach, reach), (6.0, STRIP_WIDTH - 6.0));
    let upright = |value: f64, class: &str| {
        format!(
            "<path class=\"{class}\" d=\"M{} 3v16\"/>",
            place(scale.at(value))
        )
    };
    out.push_str(&upright(0.0, "zero"));
    for limit in it.limits.iter().filter(|limit| limit.is_finite()) {
        out.push_str(&upright(*limit, "limit"));
    }
    if let Some(value) = it.value.filter(finite) {
        let from = scale.at(it.low.filter(finite).unwrap_or(-reach));
        let to = scale.at(it.high.filter(finite).unwrap_or(reach));
        let label = it.label;
        let _ = write!(
            out,
            "<path class=\"range {label}\" d=\"M{} 11H{}\"/>",
            place(from),
            place(to)
        );
        let open = |bound: Option<f64>| bound.is_none_or(|bound| bound.abs() > reach);
        if open(it.low) {
            let _ = write!(out, "<path class=\"tip {label}\" d=\"M1 11l6 -4v8Z\"/>");
        }
        if open(it.high) {
            let x = place(STRIP_WIDTH - 1.0);
            let _ = write!(out, "<path class=\"tip {label}\" d=\"M{x} 11l-6 -4v8Z\"/>");
        }
        let _ = write!(
            out,
            "<circle class=\"tip {label}\" cx=\"{}\" cy=\"11\" r=\"4\"/>",
            place(scale.at(value))
        );
    }
    out.push_str("</svg>");
    out
}

/// What one look said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Up to where it judged.
    pub at: Timestamp,
    /// `pass`, `marginal`, `fail`, `no_data`, or `fault` where none could be taken.
    pub outcome: &'static str,
}

/// The looks of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Looks {
    /// Begins every id inside; unique in the document.
    pub id: String,
    /// The same in words.
    pub description: String,
    /// The start.
    pub from: Timestamp,
    /// The deadline.
    pub to: Timestamp,
    /// The end of the warm-up.
    pub judged_from: Timestamp,
    /// No promote before it.
    pub bake_until: Timestamp,
    /// The looks.
    pub cells: Vec<Cell>,
}

/// Units a row of looks is wide and high.
const ROW: (f64, f64) = (360.0, 58.0);

/// The looks as a row of marks that differ by height as well as by colour: a failure stands tall,
/// silence is an empty box, a pass is low.
pub fn looks(it: &Looks) -> String {
    let at = format!("viewBox=\"0 0 {} {}\"", place(ROW.0), place(ROW.1));
    row(it, &at)
}

/// The same at a place inside another SVG.
pub fn looks_nested(it: &Looks, x: f64, y: f64) -> String {
    let (width, height) = (place(ROW.0), place(ROW.1));
    let at = format!(
        "x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\"",
        place(x),
        place(y)
    );
    row(it, &at)
}

fn row(it: &Looks, at: &str) -> String {
    let (width, id) = (ROW.0, escaped(&it.id));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" {at} role=\"img\" \
         aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">Looks</title>\
         <desc id=\"{id}-d\">{}</desc>\n",
        escaped(&it.description)
    );
    let clock = Clock::new(it.from, it.to, (6.0, width - 6.0));
    let warm = clock.at(it.judged_from);
    if warm > 6.5 {
        let _ = write!(
            out,
            "<rect class=\"shade\" x=\"6\" y=\"8\" width=\"{}\" height=\"28\"/>",
            place(warm - 6.0)
        );
    }
    let _ = write!(
        out,
        "<path class=\"axis\" d=\"M6 36H{}\"/>",
        place(width - 6.0)
    );
    let room = (width - 12.0) / it.cells.len().max(1) as f64;
    let wide = (0.62 * room).clamp(1.0, 7.0);
    for cell in &it.cells {
        let x = clock.at(cell.at);
        let (class, height) = match cell.outcome {
            "fail" => ("fail", 24.0),
            "pass" => ("pass", 13.0),
            "no_data" => ("nodata", 17.0),
            "fault" => ("fault", 28.0),
            _ => ("marginal", 6.0),
        };
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            place((x - 0.5 * wide).clamp(0.0, width - wide)),
            place(36.0 - height),
            place(wide),
            place(height)
        );
    }
    let bake = clock.at(it.bake_until);
    if it.bake_until > it.from && it.bake_until <= it.to {
        let _ = write!(out, "<path class=\"limit\" d=\"M{} 4V36\"/>", place(bake));
    }
    for (x, label) in clock.ticks(5) {
        let half = 3.2 * label.chars().count() as f64;
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{} 36v4\"/><text class=\"mid\" x=\"{}\" y=\"52\">{}</text>",
            place(x),
            place(x.clamp(half, width - half)),
            escaped(&label)
        );
    }
    out.push_str("</svg>");
    out
}
