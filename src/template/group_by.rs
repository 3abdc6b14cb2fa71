//! Reads `group_by` of a metric: the label whose values are judged on their own, and how many.

use crate::template::document::{Node, Value};
use crate::template::fields::{Reader, shorten};
use crate::template::promql::is_hole_name;
use crate::template::schema::written;
use crate::template::{GroupBy, Method, MetricSpec, default};

/// The largest `group_by.max`; a larger one is refused (C008). Each value has its own share of the
/// error budget and its own windows; a service with more routes than this has a long tail in which
/// nothing could be shown.
pub const VALUES_MAX: usize = 50;

/// The most values that all metrics of a template judge on their own; more are refused (C013). At
/// 11,000 grid points each takes 350 KB.
pub const VALUES_IN_ALL_MAX: usize = 200;

/// The label of a short form, or the map of the long one.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<GroupBy> {
    if !matches!(node.value, Value::Map(_)) {
        let label = read_label(reader, node)?;
        let max = default::GROUP_VALUES;
        return Some(GroupBy { label, max });
    }
    let fields = reader.map(node, "`group_by`", written::GroupBy::FIELDS)?;
    let help = "the label whose values are judged on their own, such as `route`";
    let label = reader.need(&fields, "label", help);
    let label = label.and_then(|node| read_label(reader, node));
    let max = match fields.get("max") {
        None => Some(default::GROUP_VALUES),
        Some(node) => {
            let most = u32::try_from(VALUES_MAX).unwrap_or(u32::MAX);
            let max = reader.whole(node, "`max`", 1, most);
            max.and_then(|max| usize::try_from(max).ok())
        }
    };
    Some(GroupBy {
        label: label?,
        max: max?,
    })
}

fn read_label(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node, "`group_by`")?;
    // `le` tells the buckets of one histogram apart.
    if is_hole_name(text) && text != "le" {
        return Some(text.to_owned());
    }
    let message = format!("`{}` cannot tell groups apart", shorten(text));
    let help = "one label whose values are judged on their own, such as `route`";
    reader.error("C009", node.place, message, help);
    None
}

/// What `group_by` and the rest of a template must agree on: C018 under a judge that decides by a
/// score, C013 when it is too many values in all.
pub(super) fn check(reader: &mut Reader<'_>, method: Option<&Method>, metrics: &[MetricSpec]) {
    let mut values = 0;
    for metric in metrics {
        let (Some(group_by), Some(at)) = (&metric.group_by, metric.place) else {
            continue;
        };
        values += group_by.max;
        if matches!(method, Some(Method::Kayenta(_))) {
            let message = format!(
                "`group_by` of metric `{}` is not for `method: kayenta`: its score has no error \
                 budget that could be shared",
                metric.name
            );
            let help = "remove it, choose `method: sequential`, or write one metric per value";
            reader.error("C018", at, message, help);
        }
        if values > VALUES_IN_ALL_MAX && values - group_by.max <= VALUES_IN_ALL_MAX {
            let message = format!(
                "{values} values of `group_by` up to metric `{}`, at most {VALUES_IN_ALL_MAX}",
                metric.name
            );
            let help = "lower `max`, or leave `group_by` to the metrics users feel most";
            reader.error("C013", at, message, help);
        }
    }
}
