//! The page of an analysis: one file of HTML, written so that it is well-formed XML as well. No
//! script, nothing from elsewhere, one style that the page's own policy names by its digest.

use crate::chart::{STYLE, date_time, escaped, looks};
use crate::digest::Digest;
use crate::report::{aftermath, metrics, overview, shown_word, spoken, symbol, tone};
use crate::report::{sections, steps};
use crate::time::{Span, Timestamp};
use crate::wire::report::ReportDocument;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

const PAGE_STYLE: &str = include_str!("page.css");

fn style() -> String {
    format!("{PAGE_STYLE}{STYLE}")
}

/// The content security policy of a page: nothing may be loaded or run, and no style but its own
/// may apply (CSP level 3, section 2.3.1: a digest as source expression).
pub fn policy() -> String {
    let digest = Digest::of(style().as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        STANDARD.encode(digest.bytes())
    )
}

/// A page up to its body, with the policy and the style that all pages share.
pub(super) fn opened(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n\
         <meta charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{}\"/>\n<meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
        escaped(&policy()),
        escaped(title),
        style()
    )
}

/// The whole page.
pub fn html(report: &ReportDocument) -> String {
    let word = shown_word(report);
    let title = format!("{} {}", spoken(word), about(report));
    let mut out = opened(title.trim());
    head(report, word, &mut out);
    out.push_str("<main>\n");
    sections::doubts(report, &mut out);
    aftermath::section(report, &mut out);
    course(report, &mut out);
    metrics::whole(report, &mut out);
    sections::objectives(report, &mut out);
    sections::traffic(report, &mut out);
    steps::table(report, &mut out);
    sections::events(report, &mut out);
    sections::configured(report, &mut out);
    sections::again(report, &mut out);
    let _ = write!(
        out,
        "</main>\n<footer>haldane {}, semantics {}, plan {}</footer>\n</body>\n</html>\n",
        escaped(&report.version),
        report.semantics,
        escaped(report.plan_digest.get(..16).unwrap_or(&report.plan_digest))
    );
    out
}

/// What is judged: service, revision, environment.
fn about(report: &ReportDocument) -> String {
    let parts = [
        Some(report.service.as_str()),
        report.deploy.revision.as_deref(),
        report.deploy.environment.as_deref(),
    ];
    let parts: Vec<&str> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" ")
}

fn head(report: &ReportDocument, word: &str, out: &mut String) {
    let about = about(report);
    let template = format!("template {}", report.template.name);
    let eyebrow = [about.as_str(), template.as_str()];
    let eyebrow: Vec<&str> = eyebrow
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let _ = write!(
        out,
        "<header>\n<p class=\"eyebrow\">{}</p>\n<p class=\"verdict {}\"><span \
         aria-hidden=\"true\">{}</span> {}</p>\n<h1>{}</h1>\n<dl class=\"facts\">\n",
        escaped(&eyebrow.join(" · ")),
        tone(word),
        symbol(word),
        escaped(&spoken(word).to_uppercase()),
        escaped(&report.reason)
    );
    for (name, value) in facts(report) {
        let _ = writeln!(
            out,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escaped(name),
            escaped(&value)
        );
    }
    out.push_str("</dl>\n</header>\n");
}

fn shown(instant: &str) -> String {
    Timestamp::parse(instant).map_or_else(|| instant.to_owned(), date_time)
}

/// The numbers a reader looks for first.
fn facts(report: &ReportDocument) -> Vec<(&'static str, String)> {
    let timing = &report.timing;
    let mut out = vec![("Start", shown(&timing.start))];
    if let Some(at) = &report.decided_at {
        let by = report.author.as_ref();
        let by = by.map_or_else(String::new, |author| format!(", by {author}"));
        out.push(("Decided", format!("{}{by}", shown(at))));
    }
    if let Some(covered) = &timing.covered_to {
        let length = match (Timestamp::parse(&timing.start), Timestamp::parse(covered)) {
            (Some(start), Some(end)) => end.since(start),
            _ => Span::ZERO,
        };
        out.push(("Judged", format!("{length} of data")));
    }
    if report.id.is_some() {
        let taken = report.looks.last().map_or(0, |look| look.look);
        out.push(("Looks", format!("{taken} of {}", report.looks_planned)));
    }
    if let Some(score) = report.score {
        out.push(("Score", format!("{score} of 100")));
    }
    if let Some(row) = report.row {
        out.push(("Row of the verdict table", row.to_string()));
    }
    out
}

/// The looks in a row; a judgement on its own has only one.
fn course(report: &ReportDocument, out: &mut String) {
    let planned = report.id.is_some();
    if !planned || (report.looks.is_empty() && report.events.is_empty()) {
        return;
    }
    let figure = overview::looks(report);
    let _ = write!(
        out,
        "<section aria-labelledby=\"h-looks\"><h2 id=\"h-looks\">Looks</h2>\n\
         <div class=\"row\">{}</div>\n<p class=\"key\">{} Tall red: a gate failed. Low grey: \
         undecided. Green: every gate within its limit. Empty box: no data. Tall ochre: the source \
         failed. The dashed line ends the bake time.</p>\n",
        looks(&figure),
        escaped(&figure.description)
    );
    sections::looks(report, out);
    out.push_str("</section>\n");
}
