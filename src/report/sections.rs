//! What a page says beside its charts: doubts, tables, notes, queries, settings, commands.

use crate::chart::{date_time, draw, escaped, interval};
use crate::report::figures::{self, p_value, percent};
use crate::report::{plots, shown_word, spoken, symbol, tone, worst_first};
use crate::time::Timestamp;
use crate::units::trim_number;
use crate::wire::report::{LookMetricDocument, ReportDocument};
use crate::wire::verdict::{ArmDocument, EvidenceDocument, MetricDocument, NeedsDocument};
use std::fmt::Write as _;

/// Rows of a table of looks; of more, those are shown at which a word changed and the newest, and
/// the table says so.
const ROWS_SHOWN_MAX: usize = 40;

fn shown(instant: &str) -> String {
    Timestamp::parse(instant).map_or_else(|| instant.to_owned(), date_time)
}

/// An instant of a table: the time of day, on the day on which the analysis began.
fn moment(report: &ReportDocument, instant: &str) -> String {
    let begun = report.timing.start.get(..10);
    let time = instant.get(11..19).filter(|_| begun == instant.get(..10));
    time.map_or_else(|| shown(instant), str::to_owned)
}

fn tag(word: &str) -> String {
    format!(
        "<span class=\"tag {}\"><span aria-hidden=\"true\">{}</span> {}</span>",
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

/// Which rows of `count` looks are shown: all of a few, else the changes and the newest.
fn rows(count: usize, changed: impl Fn(usize) -> bool) -> (Vec<usize>, bool) {
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

const LEFT_OUT: &str = "<p class=\"key\">Of so many looks, those at which a word changed and the newest are shown.</p>\n";

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
        "<details class=\"log\"><summary>Looks as a table</summary>\n<div class=\"scroll\"><table><thead><tr>\
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

/// The table of metrics, then each of them with its charts.
pub(super) fn metrics(report: &ReportDocument, out: &mut String) {
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
            "<tr><td>{}</td><td class=\"name\"><a href=\"#m{idx}\">{}</a></td>",
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
            interval(&plots::strip(*idx, metric)),
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
    out.push_str("<div class=\"plots\">\n");
    for figure in plots::of_metric(report, idx, metric) {
        let _ = writeln!(out, "<div>{}</div>", draw(&figure));
    }
    out.push_str("</div>\n<details><summary>Numbers and queries</summary>\n");
    numbers(metric, out);
    history(report, metric, out);
    for query in &metric.queries {
        let _ = write!(
            out,
            "<p class=\"what\">{} query</p><pre><code>{}</code></pre>\n",
            escaped(&query.part),
            escaped(&query.query)
        );
    }
    out.push_str("</details>\n</article>\n");
}

fn pair(name: &str, value: &str, out: &mut String) {
    let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
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
            let span = crate::time::Span::from_ms(needs.time_ms?);
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
        "<div class=\"log\"><p class=\"what\">Look by look</p>\n<div class=\"scroll\"><table><thead><tr>\
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
             class=\"role\">{} % of {} good</span></div>\n<div class=\"plots\"><div>{}</div></div>\n\
             <div class=\"scroll\"><table><thead><tr><th>rung</th><th class=\"num\">limit</th>\
             <th class=\"num\">long window</th><th class=\"num\">short window</th>\
             <th class=\"num\">bad events</th><th>state</th></tr></thead><tbody>\n",
            escaped(&objective.name),
            percent(objective.target),
            escaped(&objective.metric),
            draw(&plots::of_objective(report, idx, objective))
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
        let _ = write!(
            out,
            "<details><summary>Template</summary><pre><code>{}</code></pre></details>\n",
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
        let _ = write!(
            out,
            "<p class=\"what\">{}</p><pre><code>{}</code></pre>\n",
            escaped(&again.what),
            escaped(&again.command)
        );
    }
    out.push_str("</section>\n");
}
