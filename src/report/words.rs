//! Descriptions of figures in sentences, with the numbers that are drawn.

use crate::chart::Point;
use crate::report::figures::{signed, with_unit};
use crate::units::trim_number;

/// How many values a line has, from where to where, and how many are missing.
pub(super) fn line(name: &str, points: &[Point], unit: &str) -> String {
    let values: Vec<f64> = points
        .iter()
        .filter_map(|point| point.value)
        .filter(|value| value.is_finite())
        .collect();
    let gaps = points.len() - values.len();
    let number = |value: f64| with_unit(&trim_number(value), unit);
    let (Some(last), Some(least), Some(most)) = (
        values.last(),
        values.iter().copied().reduce(f64::min),
        values.iter().copied().reduce(f64::max),
    ) else {
        return format!("{name}: no value.");
    };
    let missing = match gaps {
        0 => String::new(),
        1 => ", 1 point missing".to_owned(),
        gaps => format!(", {gaps} points missing"),
    };
    if values.len() == 1 {
        return format!("{name}: one value, {}{missing}.", number(*last));
    }
    if least.total_cmp(&most).is_eq() {
        return format!(
            "{name}: {} values, all {}{missing}.",
            values.len(),
            number(most)
        );
    }
    format!(
        "{name}: {} values from {} to {}, the last {}{missing}.",
        values.len(),
        number(least),
        number(most),
        number(*last)
    )
}

/// The newest difference with its interval.
pub(super) fn difference(value: f64, low: Option<f64>, high: Option<f64>, unit: &str) -> String {
    let bound = |bound: Option<f64>, none: &str| bound.map_or(none.to_owned(), signed);
    format!(
        "At the newest look {}, interval {} to {}.",
        with_unit(&signed(value), unit),
        bound(low, "no lower bound"),
        bound(high, "no upper bound")
    )
}
