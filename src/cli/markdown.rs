//! A judgement for a comment or a job summary. Always UTF-8 and without colour: it is a document,
//! not a terminal.

use crate::cli::card::Card;
use crate::cli::figures;
use crate::cli::style::Style;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Heading, sentence, table. The marker lets the next run edit its own comment.
pub(crate) fn whole(card: &Card<'_>) -> String {
    let style = Style::DOCUMENT;
    let mut title = card.service.to_owned();
    if let Some(revision) = card.revision {
        let _ = write!(title, " {revision}");
    }
    // Two hyphens would end the comment early.
    let mut marker = escaped(card.service);
    while marker.contains("--") {
        marker = marker.replace("--", "-");
    }
    let mut out = format!(
        "<!-- haldane:{marker} -->\n### {} {} {}\n\n{}\n",
        style.symbol(card.word),
        card.word.to_uppercase().replace('_', " "),
        escaped(&title),
        escaped(card.sentence)
    );
    if let Some(hold) = card.hold.filter(|hold| *hold != "arm_absent") {
        let _ = writeln!(out, "\nHeld: {}", hold.replace('_', " "));
    }
    if card.metrics.is_empty() {
        return out;
    }
    out.push_str("\n| | metric | baseline | canary | effect | interval | limit | n/n_eff |\n");
    out.push_str("|---|---|---:|---:|---:|---:|---:|---:|\n");
    let metrics = card.worst_first().into_iter();
    // What is worse by a value of its label has that value in the row below.
    let metrics = metrics.flat_map(|metric| {
        let values = metric.worse_values().into_iter().map(Cow::Owned);
        std::iter::once(Cow::Borrowed(metric)).chain(values)
    });
    for metric in metrics {
        let metric = &*metric;
        let sparks = figures::sparks(metric, style);
        let arms = [&metric.baseline, &metric.canary];
        let mut cells = vec![style.symbol(&metric.label).to_owned(), metric.name.clone()];
        for (arm, spark) in arms.into_iter().zip(sparks) {
            let level = figures::level(arm, &metric.unit);
            let spark = spark.trim();
            cells.push(if spark.is_empty() {
                level
            } else {
                format!("{level} `{spark}`")
            });
        }
        cells.extend([
            figures::effect(metric),
            figures::interval(metric, style),
            figures::limit(metric, style),
            figures::sizes(metric),
        ]);
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// No verdict, because of a fault.
pub(crate) fn fault(message: &str) -> String {
    let symbol = Style::DOCUMENT.symbol("no_data");
    format!("### {symbol} NO VERDICT\n\n{}\n", escaped(message))
}

/// Text from a stranger must stay text: no HTML, no further cell, no further line.
fn escaped(text: &str) -> String {
    crate::cli::style::plain(text)
        .replace('<', "&lt;")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_writes_no_html_and_no_cells() {
        assert_eq!(escaped("a<b>|c\nd&"), "a&lt;b>\\|c d&");
    }
}
