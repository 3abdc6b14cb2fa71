//! A judgement for a comment or a job summary. Always UTF-8 and without colour: it is a document,
//! not a terminal.

use crate::cli::card::{Card, time_left};
use crate::cli::figures;
use crate::cli::style::Style;
use crate::time::Timestamp;
use crate::wire::line::one_line;
use crate::wire::markdown::plain;
use crate::wire::verdict::VerdictDocument;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Heading, sentence, table. The marker lets the next run edit its own comment.
pub(crate) fn whole(card: &Card<'_>) -> String {
    let style = Style::DOCUMENT;
    let mut title = card.service.to_owned();
    if let Some(revision) = card.revision {
        let _ = write!(title, " {revision}");
    }
    let marker = marker(card.service);
    let mut out = format!(
        "<!-- haldane:{marker} -->\n### {} {} {}\n\n{}\n",
        style.symbol(card.word),
        card.word.to_uppercase().replace('_', " "),
        plain(&title),
        plain(card.sentence)
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
        let mut cells = vec![style.symbol(&metric.label).to_owned(), plain(&metric.name)];
        for (arm, spark) in arms.into_iter().zip(sparks) {
            let level = plain(&figures::level(arm, &metric.unit));
            let spark = spark.trim();
            cells.push(if spark.is_empty() {
                level
            } else {
                format!("{level} `{spark}`")
            });
        }
        let figures = [
            figures::effect(metric),
            figures::interval(metric, style),
            figures::limit(metric, style),
            figures::sizes(metric),
        ];
        cells.extend(figures.iter().map(|figure| plain(figure)));
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// Many analyses, a row each.
pub(crate) fn list(analyses: &[VerdictDocument], now: Timestamp) -> String {
    let style = Style::DOCUMENT;
    let mut out = String::from("| verdict | service | look | time | why | id |\n");
    out.push_str("|---|---|---:|---|---|---|\n");
    for document in analyses {
        let revision = document.deploy.revision.as_deref().unwrap_or_default();
        let service = plain(&format!("{} {revision}", document.service));
        let _ = writeln!(
            out,
            "| {} {} | {service} | {}/{} | {} | {} | {} |",
            style.symbol(&document.verdict),
            plain(&document.verdict),
            document.look,
            document.looks_planned,
            time_left(document, now),
            plain(&document.reason),
            plain(&document.id)
        );
    }
    out
}

/// No verdict, because of a fault.
pub(crate) fn fault(message: &str) -> String {
    let symbol = Style::DOCUMENT.symbol("no_data");
    format!("### {symbol} NO VERDICT\n\n{}\n", plain(message))
}

/// A service's name inside an HTML comment, which neither two hyphens nor brackets may end early.
fn marker(service: &str) -> String {
    let mut out = one_line(service).replace(['<', '>'], "-");
    while out.contains("--") {
        out = out.replace("--", "-");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_does_not_end_its_comment() {
        for (service, wanted) in [
            ("shop", "shop"),
            ("a-->b\n<c", "a-b -c"),
            ("my_svc", "my_svc"),
        ] {
            assert_eq!(marker(service), wanted);
        }
    }

    #[test]
    fn a_fault_is_text() {
        let said = fault("no `shop` *here* [x](https://h) @all <b>");
        let wanted = "no \\`shop\\` \\*here\\* \\[x\\](https://h) @\u{200b}all &lt;b>\n";
        assert!(said.ends_with(wanted), "{said}");
    }
}
