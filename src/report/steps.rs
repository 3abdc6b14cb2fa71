//! What a page says of the steps of traffic: each with what was seen within it.

use crate::chart::escaped;
use crate::report::figures::{counts, percent, rounded, with_unit};
use crate::report::sections::moment;
use crate::units::trim_number;
use crate::wire::coordination::StepMetricDocument;
use crate::wire::report::ReportDocument;
use crate::wire::verdict::MetricDocument;
use std::fmt::Write as _;

/// One row for each step, and a line for each gate within it.
pub(super) fn table(report: &ReportDocument, out: &mut String) {
    if report.steps.is_empty() && report.planned_steps.is_empty() {
        return;
    }
    out.push_str(
        "<section><h2>Steps of traffic</h2>\n<div class=\"scroll\"><table><thead><tr>\
         <th class=\"num\">share</th><th>state</th><th>from, UTC</th><th>to, UTC</th>\
         <th>seen within it</th></tr></thead><tbody>\n",
    );
    let near = |share: Option<f64>, planned: f64| {
        share.is_some_and(|share| crate::judge::steps::is_same(share, planned))
    };
    for step in &report.steps {
        let mut planned = report.planned_steps.iter();
        let planned = planned.find(|planned| near(step.share, planned.share));
        let state = match planned {
            Some(planned) => format!("{}, bakes for {}", planned.state, planned.bake),
            None => step.evidence.clone(),
        };
        let seen = step.metrics.iter().map(|metric| seen(report, metric));
        let seen: Vec<String> = seen.collect();
        let (from, to) = (moment(report, &step.from), moment(report, &step.to));
        row((step.share, &state), (&from, &to), &seen, out);
    }
    let begun = |planned: f64| report.steps.iter().any(|step| near(step.share, planned));
    for planned in report.planned_steps.iter().filter(|p| !begun(p.share)) {
        let state = format!("{}, bakes for {}", planned.state, planned.bake);
        row(
            (Some(planned.share), &state),
            ("–", "–"),
            &["nothing yet".to_owned()],
            out,
        );
    }
    out.push_str("</tbody></table></div></section>\n");
}

fn row(
    (share, state): (Option<f64>, &str),
    (from, to): (&str, &str),
    seen: &[String],
    out: &mut String,
) {
    let share = share.map_or_else(
        || "not said".to_owned(),
        |share| format!("{} %", percent(share)),
    );
    let _ = writeln!(
        out,
        "<tr><td class=\"num\">{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td class=\"wide\">{}</td></tr>",
        escaped(&share),
        escaped(state),
        escaped(from),
        escaped(to),
        seen.iter()
            .map(|line| escaped(line))
            .collect::<Vec<_>>()
            .join("<br>")
    );
}

/// `errors: 1200 on the baseline (level 1 %), 300 on the canary (level 1.2 %), 100 are needed of
/// each`
fn seen(report: &ReportDocument, metric: &StepMetricDocument) -> String {
    let of_it = |it: &&MetricDocument| it.name == metric.metric;
    let known = report.metrics.iter().find(of_it);
    let (factor, unit) = match known {
        Some(known) if counts(known) => (100.0, "%"),
        Some(known) => (1.0, known.unit.as_str()),
        None => (1.0, ""),
    };
    let of = |n: u64, level: Option<f64>| match level {
        Some(level) => {
            let level = with_unit(&trim_number(rounded(level * factor)), unit);
            format!("{n} (level {level})")
        }
        None => n.to_string(),
    };
    format!(
        "{}: {} on the baseline, {} on the canary, {} are needed of each",
        metric.metric,
        of(metric.baseline, metric.baseline_level),
        of(metric.canary, metric.canary_level),
        metric.needed
    )
}
