//! What a page says of the whole: doubts, looks, objectives, traffic, events, settings, commands.

use crate::chart::{date_time, draw, escaped};
use crate::report::figures::percent;
use crate::report::{overview, shown_word, spoken, symbol, tone};
use crate::time::Timestamp;
use crate::units::trim_number;
use crate::wire::report::{LookMetricDocument, ReportDocument};
use std::fmt::Write as _;

/// Rows of a table of looks; of more, those are shown at which a word changed and the newest, and
/// the table says so.
const ROWS_SHOWN_MAX: usize = 40;

fn shown(instant: &str) -> String {
    Timestamp::parse(instant).map_or_else(|| instant.to_owned(), date_time)
}

/// An instant of a table: the time of day, on the day on which the analysis began.
pub(super) fn moment(report: &ReportDocument, instant: &str) -> String {
    let begun = report.timing.start.get(..10);
    let time = instant.get(11..19).filter(|_| begun == instant.get(..10));
    time.map_or_else(|| shown(instant), str::to_owned)
}

pub(super) fn tag(word: &str) -> String {
    format!(
        "<span class=\"tag {}\"><span aria-hidden=\"true\">{}</span> \
         <span class=\"word\">{}</span></span>",
        tone(word),
        symbol(word),
        escaped(&spoken(word))
    )
}

/// Whatever keeps a reader from taking the verdict at its word.
pub(super) fn doubts(report: &ReportDocument, out: &mut String) {
    let mut lines = Vec::new();
    if let Some(hold) = &report.hold {
        lines.push(format!("Held: {}", spoken(hold)));
    }
    if let Some(fault) = &report.source_fault {
        lines.push(format!("The source does not answer: {fault}"));
    }
    for metric in report.metrics.iter().filter(|m| m.label == "no_data") {
        let why = metric.no_data.as_deref().unwrap_or("no data");
        lines.push(format!("{} is silent: {why}", metric.name));
    }
    for metric in report.metrics.iter().filter(|m| m.label == "lagging") {
        let why = metric.no_data.as_deref().unwrap_or("its data come late");
        lines.push(format!("{} is not judged yet: {why}", metric.name));
    }
    let warnings = report.suspect.iter();
    lines.extend(warnings.map(|warning| format!("The source warned: {warning}")));
    let alike = report.metrics.iter().filter(|m| m.both_degraded == "yes");
    lines.extend(alike.map(|m| format!("{} got worse in both arms", m.name)));
    if let Some(traffic) = report.traffic.as_ref().filter(|t| t.state == "mismatch") {
        let share = |share: Option<f64>| {
            share.map_or_else(|| "none".to_owned(), |s| format!("{} %", percent(s)))
        };
        lines.push(format!(
            "The canary gets {} of the traffic, and {} was declared",
            share(traffic.observed),
            share(traffic.declared)
        ));
    }
    if report.looks.is_empty() {
        lines.push("No look has been judged".to_owned());
    }
    if lines.is_empty() {
        return;
    }
    out.push_str("<aside class=\"doubts\"><h2>In doubt</h2><ul>\n");
    for line in lines {
        let _ = writeln!(out, "<li>{}</li>", escaped(&line));
    }
    out.push_str("</ul></aside>\n");
}

/// A name with its value.
pub(super) fn pair(name: &str, value: &str, out: &mut String) {
    let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
}

/// Which rows of `count` looks are shown: all of a few, else the changes and the newest.
pub(super) fn rows(count: usize, changed: impl Fn(usize) -> bool) -> (Vec<usize>, bool) {
    if count <= ROWS_SHOWN_MAX {
        return ((0..count).collect(), false);
    }
    let mut kept: Vec<usize> = (0..count)
        .filter(|idx| *idx == 0 || changed(*idx))
        .collect();
    kept.truncate(ROWS_SHOWN_MAX / 2);
    let newest = count - (ROWS_SHOWN_MAX - kept.len())..count;
    kept.extend(newest);
    kept.sort_unstable();
    kept.dedup();
    (kept, true)
}

/// Under a table that does not show every look.
pub(super) const LEFT_OUT: &str = concat!(
    "<p class=\"key\">Of so many looks, those at which a word changed ",
    "and the newest are shown.</p>\n"
);

/// Every look with its outcome, folded away.
pub(super) fn looks(report: &ReportDocument, out: &mut String) {
    let changed = |idx: usize| {
        let outcome = |idx: usize| report.looks.get(idx).map(|look| look.outcome.as_str());
        idx.checked_sub(1).map(outcome) != Some(outcome(idx))
    };
    let (kept, thinned) = rows(report.looks.len(), changed);
    if kept.is_empty() {
        return;
    }
    out.push_str(
        "<details class=\"log\"><summary>Looks as a table</summary>\n<div \
         class=\"scroll\"><table><thead><tr>\
         <th class=\"num\">look</th><th>judged up to, UTC</th><th>outcome</th>\
         <th class=\"num\">score</th><th>worst</th></tr></thead><tbody>\n",
    );
    for look in kept.iter().filter_map(|idx| report.looks.get(*idx)) {
        let mut worst: Vec<&LookMetricDocument> = look.metrics.iter().collect();
        worst.sort_by_key(|metric| match metric.label.as_str() {
            "worse" => 0,
            "no_data" => 1,
            "undecided" => 2,
            _ => 3,
        });
        let worst = worst.first().map_or_else(String::new, |metric| {
            format!("{} {}", metric.name, spoken(&metric.label))
        });
        let score = look.score.map_or_else(|| "–".to_owned(), |s| s.to_string());
        let _ = writeln!(
            out,
            "<tr><td class=\"num\">{}</td><td>{}</td><td>{}</td><td class=\"num\">{score}</td>\
             <td class=\"wide\">{}</td></tr>",
            look.look,
            escaped(&moment(report, &look.covered_to)),
            tag(&look.outcome),
            escaped(&worst)
        );
    }
    out.push_str("</tbody></table></div>\n");
    if thinned {
        out.push_str(LEFT_OUT);
    }
    out.push_str("</details>\n");
}

/// Error budgets and their rungs.
pub(super) fn objectives(report: &ReportDocument, out: &mut String) {
    if report.objectives.is_empty() {
        return;
    }
    out.push_str(
        "<section aria-labelledby=\"h-objectives\"><h2 id=\"h-objectives\">Objectives</h2>\n",
    );
    let times = |burn: Option<f64>| {
        burn.map_or_else(|| "–".to_owned(), |burn| format!("{}×", trim_number(burn)))
    };
    for (idx, objective) in report.objectives.iter().enumerate() {
        let _ = write!(
            out,
            "<article class=\"metric\"><div class=\"metric-head\"><h3>{}</h3><span \
             class=\"role\">target {} % good, counted by {}</span></div>\n<div \
             class=\"plots\"><div>{}</div></div>\n\
             <div class=\"scroll\"><table><thead><tr><th>rung</th><th class=\"num\">limit</th>\
             <th class=\"num\">long window</th><th class=\"num\">short window</th>\
             <th class=\"num\">bad events</th><th>state</th></tr></thead><tbody>\n",
            escaped(&objective.name),
            percent(objective.target),
            escaped(&objective.metric),
            draw(&overview::of_objective(report, idx, objective))
        );
        for rung in &objective.rungs {
            let span = |ms: i64| crate::time::Span::from_ms(ms).to_string();
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td class=\"num\">{}</td><td class=\"num\">{} in {}</td>\
                 <td class=\"num\">{} in {}</td><td class=\"num\">{}</td><td>{}</td></tr>",
                escaped(&rung.action),
                times(rung.burn),
                times(rung.burn_long),
                span(rung.long_ms),
                times(rung.burn_short),
                span(rung.short_ms),
                rung.bad_short,
                tag(&rung.state)
            );
        }
        out.push_str("</tbody></table></div></article>\n");
    }
    out.push_str("</section>\n");
}

/// Observed against declared traffic.
pub(super) fn traffic(report: &ReportDocument, out: &mut String) {
    let Some(traffic) = &report.traffic else {
        return;
    };
    let share = |share: Option<f64>| {
        share.map_or_else(
            || "none".to_owned(),
            |share| format!("{} %", percent(share)),
        )
    };
    out.push_str("<section><h2>Traffic</h2><dl class=\"pairs\">\n");
    pair("declared for the canary", &share(traffic.declared), out);
    pair("observed", &share(traffic.observed), out);
    pair("together", &traffic.state, out);
    out.push_str("</dl></section>\n");
}

/// What happened beside the looks, and who was told.
pub(super) fn events(report: &ReportDocument, out: &mut String) {
    if !report.events.is_empty() {
        out.push_str("<section><h2>Events</h2><ul>\n");
        for event in &report.events {
            let _ = writeln!(
                out,
                "<li>{}: {}, {}</li>",
                escaped(&shown(&event.at)),
                escaped(&spoken(&event.what)),
                escaped(&event.detail)
            );
        }
        out.push_str("</ul></section>\n");
    }
    if !report.deliveries.is_empty() {
        out.push_str("<section><h2>Told</h2><ul>\n");
        for told in &report.deliveries {
            let attempts = told.attempts;
            let detail = told.detail.as_deref().unwrap_or("");
            let _ = writeln!(
                out,
                "<li>{}: {} after {attempts} {} {}</li>",
                escaped(&told.url),
                escaped(&told.state),
                if attempts == 1 { "attempt" } else { "attempts" },
                escaped(detail)
            );
        }
        out.push_str("</ul></section>\n");
    }
}

/// What was configured.
pub(super) fn configured(report: &ReportDocument, out: &mut String) {
    out.push_str(
        "<section aria-labelledby=\"h-configured\"><h2 id=\"h-configured\">Configured</h2>\n\
         <dl class=\"pairs\">\n",
    );
    let mut lines = vec![
        (
            "template",
            format!("{} ({})", report.template.name, report.template.digest),
        ),
        ("baseline", report.baseline.clone()),
        ("canary", report.canary.clone()),
    ];
    let deploy = &report.deploy;
    for (name, value) in [
        ("deploy", &deploy.id),
        ("commit", &deploy.commit),
        ("artefact", &deploy.artifact_digest),
        ("change", &deploy.change_type),
        ("region", &deploy.region),
        ("started by", &deploy.actor),
        ("analysis", &report.id),
    ] {
        lines.extend(value.clone().map(|value| (name, value)));
    }
    for (name, value) in &lines {
        pair(name, value, out);
    }
    for setting in &report.settings {
        pair(&setting.name, &setting.value, out);
    }
    out.push_str("</dl>\n");
    if let Some(text) = &report.template_text {
        let _ = writeln!(
            out,
            "<details><summary>Template</summary><pre><code>{}</code></pre></details>",
            escaped(text)
        );
    }
    out.push_str("</section>\n");
}

/// How to come to the same numbers.
pub(super) fn again(report: &ReportDocument, out: &mut String) {
    if report.again.is_empty() || shown_word(report).is_empty() {
        return;
    }
    out.push_str("<section><h2>Again</h2>\n");
    for again in &report.again {
        let _ = writeln!(
            out,
            "<p class=\"what\">{}</p><pre><code>{}</code></pre>",
            escaped(&again.what),
            escaped(&again.command)
        );
    }
    out.push_str("</section>\n");
}
