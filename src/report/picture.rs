//! All charts of an analysis in one SVG: for a chat, a slide, a wiki that takes pictures.

use crate::chart::{HEIGHT, STYLE, WIDTH, escaped, looks_nested, nested};
use crate::report::{overview, plots, shown_word, spoken, symbol, tone, worst_first};
use crate::wire::report::ReportDocument;
use crate::wire::verdict::MetricDocument;
use std::fmt::Write as _;

/// Units between charts and around them.
const GAP: f64 = 24.0;

/// Charts in a row: values, difference, evidence.
const COLUMNS: f64 = 3.0;

const PICTURE_STYLE: &str = include_str!("picture.css");

/// Letters of a line of the sentence.
const LINE: usize = 128;

/// The picture of the whole analysis, or of one metric. `None` when there is no such metric.
pub fn svg(report: &ReportDocument, metric: Option<&str>) -> Option<String> {
    let shown: Vec<_> = worst_first(report)
        .into_iter()
        .filter(|(_, one)| metric.is_none_or(|name| one.name == name))
        .collect();
    if metric.is_some() && shown.is_empty() {
        return None;
    }
    let lines = wrapped(&report.reason);
    let begin = GAP + 30.0 + 20.0 * lines.len() as f64;
    let (body, y) = charts(report, metric.is_none(), &shown, begin);
    let word = shown_word(report);
    let (width, height) = (GAP + COLUMNS * (WIDTH + GAP), y + 4.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"report\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"report-t report-d\"><title id=\"report-t\">{} {}</title>\
         <desc id=\"report-d\">{}</desc>\n<style>{PICTURE_STYLE}{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"verdict {}\" x=\"{GAP}\" y=\"{}\">{} {}</text>\n",
        escaped(&spoken(word)),
        escaped(&report.service),
        escaped(&report.reason),
        tone(word),
        GAP + 14.0,
        symbol(word),
        escaped(&format!(
            "{} {}",
            spoken(word).to_uppercase(),
            report.service
        ))
    );
    for (idx, line) in lines.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text class=\"sentence\" x=\"{GAP}\" y=\"{}\">{}</text>",
            GAP + 38.0 + 20.0 * idx as f64,
            escaped(line)
        );
    }
    out.push_str(&body);
    out.push_str("</svg>\n");
    Some(out)
}

/// Everything below the sentence, from `y` down, and where it ends. The whole analysis has its
/// looks and objectives as well.
fn charts(
    report: &ReportDocument,
    whole: bool,
    shown: &[(usize, &MetricDocument)],
    mut y: f64,
) -> (String, f64) {
    let mut out = String::new();
    if report.id.is_some() && whole {
        out.push_str(&looks_nested(&overview::looks(report), GAP, y));
        y += 74.0;
    }
    for (idx, one) in shown {
        let sentence = report.sentences.get(*idx).map_or("", String::as_str);
        let first = wrapped(sentence).into_iter().next().unwrap_or_default();
        let _ = writeln!(
            out,
            "<text class=\"name {}\" x=\"{GAP}\" y=\"{}\">{} {}: {}</text>\
             <text class=\"said\" x=\"{GAP}\" y=\"{}\">{}</text>",
            tone(&one.label),
            y + 14.0,
            symbol(&one.label),
            escaped(&one.name),
            escaped(&spoken(&one.label)),
            y + 33.0,
            escaped(&first)
        );
        y += 46.0;
        for (column, figure) in plots::of_metric(report, *idx, one).iter().enumerate() {
            out.push_str(&nested(figure, GAP + column as f64 * (WIDTH + GAP), y));
            out.push('\n');
        }
        y += HEIGHT + GAP;
    }
    let objectives = report.objectives.iter().enumerate().filter(|_| whole);
    for (idx, objective) in objectives {
        let figure = overview::of_objective(report, idx, objective);
        out.push_str(&nested(&figure, GAP, y));
        y += HEIGHT + GAP;
    }
    (out, y)
}

/// A sentence in lines: SVG has no paragraphs. A word longer than a line is cut.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = word.chars().take(LINE).collect();
        let Some(last) = lines.last_mut() else {
            continue;
        };
        let letters = last.chars().count() + 1 + word.chars().count();
        if last.is_empty() {
            last.push_str(&word);
        } else if letters <= LINE {
            let _ = write!(last, " {word}");
        } else {
            lines.push(word);
        }
    }
    lines
}
