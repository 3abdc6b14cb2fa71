//! OpenSLO: `openslo/v1`, whose documents refer to one another by name, and `openslo/v1alpha`,
//! which Sloth reads. Event counts only: a threshold on a level, or slices of time, count none.

use super::promise::{Indicator, Policy, Promise, Reading, at, deep, items, refused, words};
use super::split::Window;
use crate::diagnostic::Diagnostic;
use crate::slo::objective::{Rung, RungAction};
use crate::template::document::{Node, Value};
use crate::template::extends::{entry, text_of};
use crate::units::BurnRate;

/// Which of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// `openslo/v1`
    V1,
    /// `openslo/v1alpha`
    V1Alpha,
}

/// The format of a document that is an objective.
pub(super) fn version(root: &Node) -> Option<Version> {
    let kind = words(root, &["kind"]) == Some("SLO");
    match words(root, &["apiVersion"]).filter(|_| kind)? {
        "openslo/v1" => Some(Version::V1),
        "openslo/v1alpha" => Some(Version::V1Alpha),
        _ => None,
    }
}

pub(super) fn read(
    reading: &mut Reading<'_>,
    (root, version): (&Node, Version),
    all: &[Node],
) -> Option<Promise> {
    const SPEC: [&str; 11] = [
        "description",
        "service",
        "indicator",
        "indicatorRef",
        "timeWindow",
        "timeWindows",
        "budgetingMethod",
        "objectives",
        "alertPolicies",
        "sli",
        "createdAt",
    ];
    let spec = reading.needs(root, &["spec"])?;
    reading.rest(spec, "the objective", &SPEC);
    let method = entry(spec, "budgetingMethod");
    if let Some(node) = method.filter(|node| text_of(node) != Some("Occurrences")) {
        let message = "only `budgetingMethod: Occurrences` counts events".to_owned();
        let help = "slices of time need a history that a canary does not have";
        reading.fails(node.place, message, help);
        return None;
    }
    let objectives = reading.needs(spec, &["objectives"])?;
    let [objective] = items(Some(objectives)) else {
        let message = "a composite of several objectives is none of its parts".to_owned();
        let help = "write each as an objective of its own";
        reading.fails(at(objectives), message, help);
        return None;
    };
    let target = match (
        entry(objective, "target"),
        entry(objective, "targetPercent"),
    ) {
        (Some(share), _) => Some(share.clone()),
        (None, Some(percent)) => reading.percent(percent),
        (None, None) => reading.needs(objective, &["target"]).cloned(),
    }?;
    let window = items(entry(spec, "timeWindow")).first();
    let alpha = items(entry(spec, "timeWindows")).first();
    let period = match window.or(alpha) {
        None => None,
        Some(window) => Some(period(reading, window)?),
    };
    let counted = match version {
        Version::V1 => indicator(reading, (spec, objective), all),
        Version::V1Alpha => {
            let source = |part| deep(objective, &["ratioMetrics", part, "query"]);
            let place = deep(objective, &["ratioMetrics"]).unwrap_or(objective);
            ratio(reading, place, source)
        }
    };
    Some(Promise {
        target,
        period,
        rungs: policies(reading, spec, all)?,
        counted,
    })
}

/// The period of a time window as a length of time.
fn period(reading: &mut Reading<'_>, window: &Node) -> Option<Node> {
    let (node, count, unit) = if let Some(duration) = entry(window, "duration") {
        let text = text_of(duration).unwrap_or("");
        let split = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (count, unit) = text.split_at(split);
        (duration, count.parse::<i64>().ok(), unit.to_owned())
    } else {
        let count = reading.needs(window, &["count"])?;
        let unit = words(window, &["unit"]).unwrap_or("");
        let whole = match count.value {
            Value::Number(value) if value > 0.0 && value < 1e6 => format!("{value}").parse().ok(),
            _ => None,
        };
        (count, whole, unit.to_owned())
    };
    let days = match unit.as_str() {
        "d" | "Day" => Some(1),
        "w" | "Week" => Some(7),
        "M" | "Month" => Some(30),
        "Q" | "Quarter" => Some(90),
        "Y" | "Year" => Some(365),
        _ => None,
    };
    let span = match (count.filter(|count| *count > 0), days, unit.as_str()) {
        (Some(count), Some(days), _) => format!("{}d", count.saturating_mul(days)),
        (Some(count), None, "h" | "Hour") => format!("{count}h"),
        (Some(count), None, "m" | "Minute") => format!("{count}m"),
        _ => {
            let message = "no length of time of OpenSLO".to_owned();
            reading.fails(
                node.place,
                message,
                "write 28d, or another of m, h, d, w, M, Q, Y",
            );
            return None;
        }
    };
    let rolling = entry(window, "isRolling").map(|node| &node.value);
    let calendar = entry(window, "calendar");
    let months = days.is_some_and(|days| days > 7);
    if months || calendar.is_some() || matches!(rolling, Some(Value::Bool(false))) {
        let message = format!("a calendar's period is read as a rolling one of {span}");
        let help = "burn rates do not know where in the calendar a canary falls";
        reading.ignores(at(window), message, help);
    }
    Some(Node {
        value: Value::Text(span),
        ..node.clone()
    })
}

/// A document of a kind by its name.
fn named<'n>(all: &'n [Node], kind: &str, name: &str) -> Option<&'n Node> {
    all.iter().find(|root| {
        words(root, &["kind"]) == Some(kind) && words(root, &["metadata", "name"]) == Some(name)
    })
}

fn indicator(
    reading: &mut Reading<'_>,
    (spec, objective): (&Node, &Node),
    all: &[Node],
) -> Result<Indicator, Diagnostic> {
    let find = |name| entry(objective, name).or_else(|| entry(spec, name));
    let (holder, sli) = match (find("indicator"), find("indicatorRef")) {
        (Some(inline), _) => (inline, entry(inline, "spec")),
        (None, Some(node)) => {
            let name = text_of(node).unwrap_or("");
            let Some(found) = named(all, "SLI", name) else {
                let why = format!("the file has no `kind: SLI` named `{name}`");
                return Err(refused(node, &why));
            };
            (found, entry(found, "spec"))
        }
        (None, None) => (spec, None),
    };
    let Some(sli) = sli else {
        return Err(refused(holder, "it has no indicator"));
    };
    if let Some(node) = entry(sli, "thresholdMetric") {
        let why = "`thresholdMetric` is a level, which counts no events; judge it as a `series`";
        return Err(refused(node, why));
    }
    let Some(ratio_metric) = entry(sli, "ratioMetric") else {
        return Err(refused(sli, "its indicator is no `ratioMetric`"));
    };
    if let Some(raw) = entry(ratio_metric, "raw") {
        let why = "`raw` is a ratio, which does not say how many events there were";
        return Err(refused(raw, why));
    }
    if let Some(node) = entry(ratio_metric, "counter")
        && matches!(node.value, Value::Bool(false))
    {
        return Err(refused(
            node,
            "`counter: false` is a level, which counts no events",
        ));
    }
    for part in ["good", "bad", "total"] {
        let kind = deep(ratio_metric, &[part, "metricSource", "type"]);
        let other = |text: &str| !text.eq_ignore_ascii_case("prometheus");
        if let Some(node) = kind.filter(|node| text_of(node).is_some_and(other)) {
            let why = "its numbers are not in Prometheus";
            return Err(refused(node, why));
        }
    }
    let source = |part| deep(ratio_metric, &[part, "metricSource", "spec", "query"]);
    ratio(reading, ratio_metric, source)
}

fn ratio<'n>(
    reading: &mut Reading<'_>,
    holder: &Node,
    source: impl Fn(&'static str) -> Option<&'n Node>,
) -> Result<Indicator, Diagnostic> {
    let window = Window::TemplateOrBare;
    match (source("bad"), source("good"), source("total")) {
        (Some(bad), _, Some(total)) => reading.bad_of_total((bad, total), window),
        (None, Some(good), Some(total)) => reading.good_of_total((good, total), window),
        _ => Err(refused(
            holder,
            "it lacks the query of `total`, or those of `good` and `bad`",
        )),
    }
}

/// One condition per policy is all that the format has: a rung with one window.
fn policies(reading: &mut Reading<'_>, spec: &Node, all: &[Node]) -> Option<Policy> {
    let mut rungs = Vec::new();
    for item in items(entry(spec, "alertPolicies")) {
        let name = text_of(item).or_else(|| words(item, &["alertPolicyRef"]));
        let policy = match name {
            Some(name) => named(all, "AlertPolicy", name),
            None => Some(item),
        };
        let conditions = policy.and_then(|policy| deep(policy, &["spec", "conditions"]));
        let condition = items(conditions).first();
        let condition = condition.and_then(|node| match words(node, &["conditionRef"]) {
            Some(name) => named(all, "AlertCondition", name),
            None => Some(node),
        });
        let Some(condition) = condition else {
            let message = "an alert policy is not in this file, and is not read".to_owned();
            reading.ignores(
                at(item),
                message,
                "write `rungs` in the template to have its rung",
            );
            continue;
        };
        rungs.push(rung(reading, condition)?);
    }
    if rungs.is_empty() {
        return Some(Policy::Workbook {
            pages: true,
            tickets: true,
        });
    }
    Some(Policy::Own(rungs))
}

fn rung(reading: &mut Reading<'_>, condition: &Node) -> Option<Rung> {
    let what = reading.needs(condition, &["spec", "condition"])?;
    let threshold = reading.needs(what, &["threshold"])?;
    let lookback = reading.needs(what, &["lookbackWindow"])?;
    let window = reading.span(lookback)?;
    let burn = match threshold.value {
        Value::Number(value) => BurnRate::new(value),
        _ => None,
    };
    if burn.is_none() {
        reading.fails(
            threshold.place,
            "no burn rate above 0".to_owned(),
            "such as 14.4",
        );
    }
    if let Some(op) = entry(what, "op").filter(|op| matches!(text_of(op), Some("lt" | "lte"))) {
        let message = "an alert on little burn is read as one on much".to_owned();
        reading.ignores(op.place, message, "`op: gte` is what is meant");
    }
    let message = format!("the rung has one window of {window}, and no short one");
    let help = "write `rungs` in the template for one that notices when it is over";
    reading.ignores(lookback.place, message, help);
    let severity = words(condition, &["spec", "severity"]).unwrap_or("");
    Some(Rung {
        burn: burn?,
        long: window,
        short: window,
        action: if severity.eq_ignore_ascii_case("page") {
            RungAction::Rollback
        } else {
            RungAction::Hold
        },
    })
}
