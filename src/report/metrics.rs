//! What a page says of the metrics: a table of all, then each with sentence, notes, charts, numbers
//! and queries.

use crate::chart::{draw, escaped, interval};
use crate::report::figures::{self, p_value, percent};
use crate::report::sections::{LEFT_OUT, moment, pair, rows, tag};
use crate::report::{overview, plots, values, worst_first};
use crate::time::Span;
use crate::units::trim_number;
use crate::wire::report::{LookMetricDocument, ReportDocument};
use crate::wire::verdict::{ArmDocument, EvidenceDocument, MetricDocument, NeedsDocument};
use std::fmt::Write as _;

/// The table of metrics, then each of them with its charts.
pub(super) fn whole(report: &ReportDocument, out: &mut String) {
    let ordered = worst_first(report);
    if ordered.is_empty() {
        return;
    }
    out.push_str(
        "<section aria-labelledby=\"h-metrics\"><h2 id=\"h-metrics\">Metrics</h2>\n\
         <div class=\"scroll\"><table><thead><tr><th></th><th>metric</th>\
         <th class=\"num lesser\">baseline</th><th class=\"num lesser\">canary</th>\
         <th class=\"num\">effect</th>\
         <th class=\"strips\">interval and limit</th><th class=\"num lesser\">interval</th>\
         <th class=\"num lesser\">limit</th>\
         <th class=\"num lesser\">n / effective</th></tr></thead>\
         <tbody>\n",
    );
    for (idx, metric) in &ordered {
        let cells = [
            (" lesser", figures::level(&metric.baseline, &metric.unit)),
            (" lesser", figures::level(&metric.canary, &metric.unit)),
            ("", figures::effect(metric)),
        ];
        let _ = write!(
            out,
            "<tr><td class=\"brief\">{}</td><td class=\"name\"><a href=\"#m{idx}\">{}</a></td>",
            tag(&metric.label),
            escaped(&metric.name)
        );
        for (class, cell) in cells {
            let _ = write!(out, "<td class=\"num{class}\">{}</td>", escaped(&cell));
        }
        let _ = writeln!(
            out,
            "<td class=\"strips\">{}</td><td class=\"num lesser\">{}</td>\
             <td class=\"num lesser\">{}</td><td class=\"num lesser\">{}</td></tr>",
            interval(&overview::strip(*idx, metric)),
            escaped(&figures::interval(metric)),
            escaped(&figures::limit(metric)),
            escaped(&figures::sizes(metric))
        );
    }
    out.push_str("</tbody></table></div>\n");
    for (idx, metric) in ordered {
        one(report, idx, metric, out);
    }
    out.push_str("</section>\n");
}

fn one(report: &ReportDocument, idx: usize, metric: &MetricDocument, out: &mut String) {
    let harm = match metric.harm.as_str() {
        "increase" => "an increase is harm",
        "decrease" => "a decrease is harm",
        _ => "any change is harm",
    };
    let sentence = report.sentences.get(idx).map_or("", String::as_str);
    let _ = write!(
        out,
        "<article class=\"metric\" id=\"m{idx}\">\n<div class=\"metric-head\"><h3>{}</h3>{}\
         <span class=\"role\">{}, {harm}, limit {}</span></div>\n<p class=\"said\">{}</p>\n",
        escaped(&metric.name),
        tag(&metric.label),
        escaped(&metric.role),
        escaped(&figures::limit(metric)),
        escaped(sentence)
    );
    let mut notes = metric.notes.clone();
    notes.extend(needs(&metric.needs));
    if !notes.is_empty() {
        out.push_str("<ul class=\"notes\">\n");
        for note in notes {
            let _ = writeln!(out, "<li>{}</li>", escaped(&note));
        }
        out.push_str("</ul>\n");
    }
    values::table(metric, out);
    out.push_str("<div class=\"plots\">\n");
    for figure in plots::of_metric(report, idx, metric) {
        let _ = writeln!(out, "<div>{}</div>", draw(&figure));
    }
    out.push_str("</div>\n<details><summary>Numbers and queries</summary>\n");
    numbers(metric, out);
    history(report, metric, out);
    for query in &metric.queries {
        let _ = writeln!(
            out,
            "<p class=\"what\">{} query</p><pre><code>{}</code></pre>",
            escaped(&query.part),
            escaped(&query.query)
        );
    }
    out.push_str("</details>\n</article>\n");
}

fn numbers(metric: &MetricDocument, out: &mut String) {
    out.push_str("<dl class=\"pairs\">\n");
    pair("baseline", &arm(&metric.baseline, &metric.unit), out);
    pair("canary", &arm(&metric.canary, &metric.unit), out);
    if let Some(effect) = &metric.effect {
        let text = format!(
            "{}, interval {} at {} % confidence",
            figures::effect(metric),
            figures::interval(metric),
            percent(effect.confidence)
        );
        pair("effect", &text, out);
    }
    pair("test", &metric.test, out);
    if let Some(evidence) = &metric.evidence {
        let (worse, within) = against(evidence);
        pair("worse than its limit?", &worse, out);
        pair("within its limit?", &within, out);
    }
    let weight = trim_number(metric.weight);
    pair(
        "group and weight",
        &format!("{}, {weight}", metric.group),
        out,
    );
    out.push_str("</dl>\n");
}

fn against(evidence: &EvidenceDocument) -> (String, String) {
    let text = |p: Option<f64>, level: Option<f64>, name: &str| {
        let is_shown = matches!((p, level), (Some(p), Some(level)) if p <= level);
        let (sign, word) = if is_shown {
            ("≤", "shown")
        } else {
            (">", "not shown")
        };
        format!("p {} {sign} {name} {}, {word}", p_value(p), p_value(level))
    };
    (
        text(evidence.p_harm, evidence.alpha, "alpha"),
        text(evidence.p_safe, evidence.beta, "beta"),
    )
}

fn arm(arm: &ArmDocument, unit: &str) -> String {
    let mut out = figures::level(arm, unit);
    if let Some(bad) = arm.bad {
        let _ = write!(out, ", {bad} bad of {} events", arm.n);
    } else {
        let _ = write!(out, ", {} samples", arm.n);
        if let Some(n_eff) = arm.n_eff {
            let _ = write!(out, ", effective {}", trim_number(n_eff.floor()));
        }
    }
    if let Some(coverage) = arm.coverage {
        let _ = write!(out, ", {} % of the grid", (coverage * 100.0).round());
    }
    out
}

fn needs(needs: &NeedsDocument) -> Option<String> {
    match needs.what.as_str() {
        "time" => {
            let span = Span::from_ms(needs.time_ms?);
            Some(format!("needs about {} more", figures::about(span)))
        }
        "more_than_there_is" => Some("needs more time than there is".to_owned()),
        "data" => Some(format!("needs {} more in the scarcer arm", needs.count?)),
        _ => None,
    }
}

/// What a metric said look by look: the numbers of its charts.
fn history(report: &ReportDocument, metric: &MetricDocument, out: &mut String) {
    let said: Vec<(&str, &LookMetricDocument)> = report
        .looks
        .iter()
        .filter_map(|look| {
            let said = look.metrics.iter().find(|said| said.name == metric.name)?;
            Some((look.covered_to.as_str(), said))
        })
        .collect();
    if said.len() < 2 {
        return;
    }
    let changed = |idx: usize| {
        let label = |idx: usize| said.get(idx).map(|(_, said)| said.label.as_str());
        idx.checked_sub(1).map(label) != Some(label(idx))
    };
    let (kept, thinned) = rows(said.len(), changed);
    out.push_str(
        "<div class=\"log\"><p class=\"what\">Look by look</p>\n<div \
         class=\"scroll\"><table><thead><tr>\
         <th>judged up to, UTC</th><th>label</th><th class=\"num\">effect</th>\
         <th class=\"num\">interval</th><th class=\"num\">p worse / alpha</th>\
         <th class=\"num\">p within / beta</th></tr></thead><tbody>\n",
    );
    for (at, said) in kept.iter().filter_map(|idx| said.get(*idx)) {
        let then = MetricDocument {
            effect: said.effect.clone(),
            ..metric.clone()
        };
        let of =
            |p: Option<f64>, level: Option<f64>| format!("{} / {}", p_value(p), p_value(level));
        let none = || ("–".to_owned(), "–".to_owned());
        let (worse, within) = said
            .evidence
            .as_ref()
            .map_or_else(none, |e| (of(e.p_harm, e.alpha), of(e.p_safe, e.beta)));
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td>\
             <td class=\"num\">{worse}</td><td class=\"num\">{within}</td></tr>",
            escaped(&moment(report, at)),
            tag(&said.label),
            escaped(&figures::effect(&then)),
            escaped(&figures::interval(&then))
        );
    }
    out.push_str("</tbody></table></div>\n");
    if thinned {
        out.push_str(LEFT_OUT);
    }
    out.push_str("</div>\n");
}
