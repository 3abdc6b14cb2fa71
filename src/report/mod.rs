//! Reports people look at: an analysis as a page, as pictures, and as the rest of a comment. Pure:
//! a [`ReportDocument`] in, text out.
//!
//! | file | what |
//! |---|---|
//! | `page` | the page: one file of HTML, readable without a script or a network |
//! | `many` | the page of many analyses judged again |
//! | `metrics` | what a page says of each metric |
//! | `aftermath` | what followed the verdict |
//! | `values` | the values of `group_by` of a metric |
//! | `sections` | what a page says of the whole |
//! | `steps` | what a page says of the steps of traffic |
//! | `plots` | the figures of a metric |
//! | `overview` | the figures of objectives, of all intervals, of the looks |
//! | `words` | descriptions of figures in sentences |
//! | `picture` | all charts in one SVG |
//! | `markdown` | what a comment folds away |
//! | `figures` | numbers with their units |
//!
//! Whatever is silent or in doubt is said: missing data, gaps, warnings of the source, holds and
//! notes stand where they cannot be overlooked, and nothing that is not known is drawn as a value.

mod aftermath;
pub(crate) mod figures;
mod many;
mod markdown;
mod metrics;
mod overview;
mod page;
mod picture;
mod plots;
mod sections;
mod steps;
mod values;
mod words;

pub use many::{LINES_LISTED_MAX, Many, ManyLine, ManyRate, ManyTable, many};
pub use markdown::details;
pub use page::{html, policy};
pub use picture::svg;

use crate::wire::report::{ReportDocument, SeriesDocument};
use crate::wire::verdict::MetricDocument;

/// The symbol of a verdict or a label; always beside the word, never instead of it.
fn symbol(word: &str) -> &'static str {
    match word {
        "promote" | "within" | "pass" | "recovered" | "quiet" | "gone" => "✔",
        "rollback" | "worse" | "fail" | "rollback_ineffective" | "burning" => "✖",
        "inconclusive" | "unknown" => "?",
        "no_data" | "blind" => "∅",
        _ => "…",
    }
}

/// The kind of a word, for colours: one of four.
fn tone(word: &str) -> &'static str {
    match word {
        "promote" | "within" | "pass" | "delivered" | "recovered" | "quiet" | "gone" => "good",
        "rollback" | "worse" | "fail" | "proven" | "rollback_ineffective" | "burning" => "bad",
        "inconclusive" | "no_data" | "refused" | "expired" | "unknown" | "blind" => "doubt",
        _ => "open",
    }
}

fn is_gate(metric: &MetricDocument) -> bool {
    matches!(metric.role.as_str(), "critical" | "required")
}

/// Inconclusive for want of any data is worth its own word.
fn shown_word(report: &ReportDocument) -> &str {
    let mut gates = report.metrics.iter().filter(|metric| is_gate(metric));
    let some = report.metrics.iter().any(is_gate);
    let blind = some && gates.all(|metric| metric.label == "no_data");
    if report.verdict == "inconclusive" && blind {
        "no_data"
    } else {
        &report.verdict
    }
}

/// Metrics with their places in the document: those that decide first, then by label, the worst
/// first; the plan's order among equals.
fn worst_first(report: &ReportDocument) -> Vec<(usize, &MetricDocument)> {
    let mut metrics: Vec<(usize, &MetricDocument)> = report.metrics.iter().enumerate().collect();
    let severity = |label: &str| match label {
        "worse" => 0,
        "no_data" => 1,
        "undecided" => 2,
        _ => 3,
    };
    metrics.sort_by_key(|(_, metric)| (!is_gate(metric), severity(&metric.label)));
    metrics
}

/// The series of a metric, by name.
fn series_of<'r>(report: &'r ReportDocument, name: &str) -> Option<&'r SeriesDocument> {
    report.series.iter().find(|series| series.name == name)
}

/// A word as people write it.
fn spoken(word: &str) -> String {
    word.replace('_', " ")
}
