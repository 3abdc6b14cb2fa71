//! The numbers of one metric for a terminal: those of reports, in the letters it has.

pub(crate) use crate::report::figures::{
    about, effect, level, limit_size, p_value, percent, scaled, signed, sizes, unit, with_unit,
};

use crate::cli::style::Style;
use crate::report::figures;
use crate::wire::verdict::{LimitDocument, MetricDocument};

/// `+10 %`
pub(crate) fn limit(metric: &MetricDocument, style: Style) -> String {
    lettered(&figures::limit(metric), style)
}

/// `[+18, +46] %`, or the one bound there is.
pub(crate) fn interval(metric: &MetricDocument, style: Style) -> String {
    lettered(&figures::interval(metric), style)
}

fn lettered(text: &str, style: Style) -> String {
    if style.unicode {
        return text.to_owned();
    }
    text.replace('±', "+-")
        .replace('≤', "<=")
        .replace('≥', ">=")
}

/// Both arms as bars on one scale, which is at least twice the limit high.
pub(crate) fn sparks(metric: &MetricDocument, style: Style) -> [String; 2] {
    let (baseline, canary) = (&metric.baseline, &metric.canary);
    let limit = match metric.limit {
        LimitDocument::Relative(share) => share * baseline.level.unwrap_or(0.0).abs(),
        LimitDocument::Absolute(value) => value,
    };
    style.sparks([&baseline.spark, &canary.spark], 2.0 * limit)
}

/// `1 run`, `2 runs`.
pub(crate) fn counted(count: usize, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}
