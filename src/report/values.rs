//! The values of `group_by` on a page: a row each, those that are worse first.

use crate::chart::escaped;
use crate::report::figures;
use crate::report::sections::tag;
use crate::wire::verdict::{MetricDocument, ValueDocument};
use std::fmt::Write as _;

/// The table of a metric that has values of its own; nothing otherwise.
pub(super) fn table(metric: &MetricDocument, out: &mut String) {
    let Some(breakdown) = &metric.breakdown else {
        return;
    };
    if breakdown.values.is_empty() {
        return;
    }
    let by = escaped(&breakdown.by);
    let _ = write!(
        out,
        "<p class=\"what\">By {by}; as a whole {}</p>\n<div class=\"scroll\"><table><thead><tr>\
         <th></th><th>{by}</th><th class=\"num\">baseline</th><th class=\"num\">canary</th>\
         <th class=\"num\">effect</th><th class=\"num\">interval</th>\
         <th class=\"num\">n / effective</th></tr></thead><tbody>\n",
        tag(&breakdown.whole)
    );
    let mut values: Vec<&ValueDocument> = breakdown.values.iter().collect();
    values.sort_by_key(|one| match one.label.as_str() {
        "worse" => 0,
        "undecided" => 1,
        "no_data" => 2,
        _ => 3,
    });
    for one in values {
        let metric = metric.of_value(&breakdown.by, one);
        let _ = write!(
            out,
            "<tr><td class=\"brief\">{}</td><td class=\"name\">{}</td>",
            tag(&one.label),
            escaped(&one.value)
        );
        let cells = [
            figures::level(&metric.baseline, &metric.unit),
            figures::level(&metric.canary, &metric.unit),
            figures::effect(&metric),
            figures::interval(&metric),
            figures::sizes(&metric),
        ];
        for cell in cells {
            let _ = write!(out, "<td class=\"num\">{}</td>", escaped(&cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}
