//! What a page and a comment say of the time after the verdict: who took note and how soon, whether
//! a rollback helped and by which figures, and what was good before. None of it changed the
//! verdict.

use crate::chart::{Cell, Looks, date_time, escaped, looks};
use crate::report::figures::{about, counts, percent, rounded, with_unit};
use crate::report::plots::instant;
use crate::report::sections::{moment, pair, tag};
use crate::report::spoken;
use crate::time::{Span, Timestamp};
use crate::units::trim_number;
use crate::wire::report::{AftermathDocument, ReportDocument};
use crate::wire::verdict::{FigureDocument, GoodDocument, LimitDocument};
use std::fmt::Write as _;

/// The section of the page.
pub(super) fn section(report: &ReportDocument, out: &mut String) {
    let Some(after) = &report.aftermath else {
        return;
    };
    out.push_str(
        "<section aria-labelledby=\"h-after\"><h2 id=\"h-after\">After the verdict</h2>\n\
         <dl class=\"facts steps\">\n",
    );
    for (name, word, text) in steps(report, after) {
        let word = word.map_or_else(String::new, |word| format!("{} ", tag(&word)));
        let _ = writeln!(
            out,
            "<div><dt>{name}</dt><dd>{word}{}</dd></div>",
            escaped(&text)
        );
    }
    out.push_str("</dl>\n");
    if let Some(detail) = after.recovery.as_ref().and_then(|r| r.detail.as_ref()) {
        let _ = writeln!(out, "<p class=\"said\">{}</p>", escaped(&sentence(detail)));
    }
    measured(report, after, out);
    course(report, after, out);
    if let Some(last) = &after.last_good {
        good(last, out);
    }
    out.push_str("</section>\n");
}

/// The same in lines of text, for comments.
pub(super) fn lines(report: &ReportDocument) -> Vec<String> {
    let Some(after) = &report.aftermath else {
        return Vec::new();
    };
    let step = |(name, word, text): (&str, Option<String>, String)| {
        let word = word.map_or_else(String::new, |word| format!("{} ", spoken(&word)));
        format!("{name}: {word}{text}")
    };
    let mut out: Vec<String> = steps(report, after).into_iter().map(step).collect();
    let recovery = after.recovery.as_ref();
    out.extend(recovery.and_then(|r| r.detail.clone()));
    if let Some(good) = &after.last_good {
        let names = names(good).into_iter();
        let names = names.filter_map(|(name, value)| Some(format!("{name} {}", value?)));
        out.push(format!(
            "Last good is {}",
            names.collect::<Vec<_>>().join(", ")
        ));
    }
    for figure in recovery.map(|r| r.figures.as_slice()).unwrap_or_default() {
        let [canary, baseline, limit] = numbers(report, figure);
        out.push(format!(
            "{} of {}: canary {canary}, baseline {baseline}, limit {limit}, n {}",
            spoken(&figure.by),
            figure.of,
            figure.n
        ));
    }
    out
}

/// The step, its word when it has one, and the rest.
type Step = (&'static str, Option<String>, String);

fn steps(report: &ReportDocument, after: &AftermathDocument) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::new();
    if let Some(at) = &report.decided_at {
        out.push(("Decided", None, format!("{} UTC", moment(report, at))));
    }
    out.push(("Acknowledged", None, acknowledged(report, after)));
    if let Some(recovery) = &after.recovery {
        let by = recovery.by.as_deref().map_or_else(String::new, |by| {
            let by = if by == "burn" { "burn rate" } else { by };
            format!(", told by {by}")
        });
        let text = match recovery.after_ms {
            Some(ms) => format!("{} after the verdict{by}", about(Span::from_ms(ms))),
            None => format!(
                "until {} at the latest{by}",
                moment(report, &recovery.until)
            ),
        };
        out.push(("Recovery", Some(recovery.state.clone()), text));
    } else if report.verdict == "rollback" {
        out.push(("Recovery", None, "not watched".to_owned()));
    }
    if let Some(good) = &after.last_good {
        out.push(("Last good", None, named(good)));
    } else if report.verdict == "rollback" {
        let text = "none known: nothing was promoted there before".to_owned();
        out.push(("Last good", None, text));
    }
    out
}

fn acknowledged(report: &ReportDocument, after: &AftermathDocument) -> String {
    let due = after.acknowledge_by.as_ref();
    let Some(at) = &after.acknowledged_at else {
        let due = due.map(|due| format!(", and was due by {}", moment(report, due)));
        return format!("nobody has taken note{}", due.unwrap_or_default());
    };
    let time = match after.acknowledged_after_ms {
        Some(ms) => format!("{} after the verdict", about(Span::from_ms(ms))),
        None => moment(report, at),
    };
    let by = after.acknowledged_by.as_deref().unwrap_or("somebody");
    let late = due.is_some_and(|due| Timestamp::parse(due) < Timestamp::parse(at));
    let late = if late { ", too late" } else { "" };
    format!("{time}{late}, by {by}")
}

/// The names of what was good, in the order in which people look for them.
fn names(good: &GoodDocument) -> [(&'static str, Option<&String>); 5] {
    [
        ("revision", good.revision.as_ref()),
        ("commit", good.commit.as_ref()),
        ("artefact", good.artifact_digest.as_ref()),
        ("deploy", good.deploy.as_ref()),
        ("analysis", Some(&good.analysis)),
    ]
}

fn named(good: &GoodDocument) -> String {
    let first = names(good)
        .into_iter()
        .find_map(|(name, value)| Some((name, value?)));
    let (name, value) = first.unwrap_or(("analysis", &good.analysis));
    let name = if name == "revision" {
        String::new()
    } else {
        format!("{name} ")
    };
    format!("{name}{value}, promoted {}", promoted(good))
}

fn promoted(good: &GoodDocument) -> String {
    Timestamp::parse(&good.promoted_at).map_or_else(|| good.promoted_at.clone(), date_time)
}

/// Every name of it, for whoever has to bring it back.
fn good(good: &GoodDocument, out: &mut String) {
    let place = [
        Some(&good.service),
        good.environment.as_ref(),
        good.region.as_ref(),
    ];
    let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
    out.push_str("<h3>Last good</h3>\n<dl class=\"pairs\">\n");
    pair("place", &place.join(", "), out);
    for (name, value) in names(good) {
        if let Some(value) = value {
            pair(name, value, out);
        }
    }
    pair("promoted", &promoted(good), out);
    out.push_str("</dl>\n");
}

/// With a capital and a full stop, as on the rest of the page.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().to_string());
    format!("{first}{}.", chars.as_str())
}

/// Canary, baseline and limit as text, a metric's in the units of the rest of the page.
fn numbers(report: &ReportDocument, figure: &FigureDocument) -> [String; 3] {
    let burn = figure.by == "burn";
    let mut all = report.metrics.iter();
    let metric = all.find(|metric| !burn && metric.name == figure.of);
    let (factor, unit, points) = match metric {
        Some(metric) if counts(metric) => (100.0, "%", "pp"),
        Some(metric) => (1.0, metric.unit.as_str(), metric.unit.as_str()),
        None => (1.0, "", ""),
    };
    let number = |value: Option<f64>| match value {
        None => "no data".to_owned(),
        Some(value) if burn => format!("{}×", trim_number(rounded(value))),
        Some(value) => with_unit(&trim_number(rounded(value * factor)), unit),
    };
    let limit = match figure.limit {
        LimitDocument::Absolute(limit) if burn => format!("under {}×", trim_number(limit)),
        LimitDocument::Absolute(limit) => {
            let size = with_unit(&trim_number(rounded(limit * factor)), points);
            format!("{size} from the baseline")
        }
        LimitDocument::Relative(share) => format!("{} % from the baseline", percent(share)),
    };
    [number(figure.canary), number(figure.baseline), limit]
}

/// What was measured in the last window that told anything.
fn measured(report: &ReportDocument, after: &AftermathDocument, out: &mut String) {
    let figures = after.recovery.as_ref().map(|r| r.figures.as_slice());
    let Some(figures) = figures.filter(|figures| !figures.is_empty()) else {
        return;
    };
    out.push_str(
        "<div class=\"scroll\"><table><thead><tr><th class=\"lesser\">measured</th><th>of</th>\
         <th class=\"num\">canary</th><th class=\"num\">baseline</th><th class=\"num\">limit</th>\
         <th class=\"num\">n</th></tr></thead><tbody>\n",
    );
    for figure in figures {
        let [canary, baseline, limit] = numbers(report, figure);
        let kind = if figure.by == "burn" {
            "burn of the error budget"
        } else {
            "difference"
        };
        let _ = writeln!(
            out,
            "<tr><td class=\"lesser\">{kind}</td><td class=\"name\">{}</td>\
             <td class=\"num\">{}</td><td class=\"num\">{}</td>\
             <td class=\"num\">{}</td><td class=\"num\">{}</td></tr>",
            escaped(&figure.of),
            escaped(&canary),
            escaped(&baseline),
            escaped(&limit),
            figure.n
        );
    }
    out.push_str("</tbody></table></div>\n");
}

/// The looks after the verdict, drawn and as a table.
fn course(report: &ReportDocument, after: &AftermathDocument, out: &mut String) {
    let (Some(recovery), Some(decided)) = (&after.recovery, &report.decided_at) else {
        return;
    };
    if after.glances.is_empty() {
        return;
    }
    let noted = after.acknowledged_at.as_deref().map(instant);
    let figure = row(after, (instant(decided), instant(&recovery.until)), noted);
    let dashed = if noted.is_some() {
        " The dashed line: somebody took note."
    } else {
        ""
    };
    let _ = write!(
        out,
        "<div class=\"row\">{}</div>\n<p class=\"key\">{} Tall red: burning. Green: quiet or \
         gone. Empty box: nothing could be told, which never counts as recovered.{dashed}</p>\n\
         <details class=\"log\"><summary>Looks after the verdict as a table</summary>\n<div \
         class=\"scroll\"><table><thead><tr><th class=\"num\">look</th><th>up to, UTC</th>\
         <th>seen</th><th>what</th></tr></thead><tbody>\n",
        looks(&figure),
        escaped(&figure.description)
    );
    for glance in &after.glances {
        let _ = writeln!(
            out,
            "<tr><td class=\"num\">{}</td><td>{}</td><td>{}</td><td class=\"wide\">{}</td></tr>",
            glance.number,
            escaped(&moment(report, &glance.to)),
            tag(&glance.seen),
            escaped(&glance.detail)
        );
    }
    out.push_str("</tbody></table></div></details>\n");
}

fn row(
    after: &AftermathDocument,
    (from, to): (Timestamp, Timestamp),
    noted: Option<Timestamp>,
) -> Looks {
    let count = |word: &str| after.glances.iter().filter(|g| g.seen == word).count();
    let cells = after.glances.iter().map(|glance| Cell {
        at: instant(&glance.to),
        outcome: match glance.seen.as_str() {
            "burning" => "fail",
            "blind" => "no_data",
            _ => "pass",
        },
    });
    Looks {
        id: "after".to_owned(),
        description: format!(
            "{} looks after the verdict: {} burning, {} without an answer, {} quiet, {} with the \
             canary gone.",
            after.glances.len(),
            count("burning"),
            count("blind"),
            count("quiet"),
            count("gone")
        ),
        from,
        to,
        judged_from: from,
        bake_until: noted.unwrap_or(from),
        cells: cells.collect(),
    }
}
