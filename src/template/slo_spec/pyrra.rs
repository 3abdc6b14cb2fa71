//! Pyrra's `pyrra.dev/v1alpha1 ServiceLevelObjective`: its metrics are bare selectors.

use super::promise::{Indicator, Policy, Promise, Reading, at, deep, items, refused};
use super::split::Window;
use crate::diagnostic::Diagnostic;
use crate::slo::objective::{Rung, RungAction};
use crate::template::document::{Node, Value};
use crate::template::extends::{entry, text_of};
use crate::time::Span;
use crate::units::BurnRate;

/// Pyrra's rungs for a window of 28 days, scaled with the window and rounded to minutes: burn, long
/// and short window in minutes, action. Source: its `slo/rules.go`, `Windows`.
const WINDOWS: [(f64, i64, i64, RungAction); 4] = [
    (14.0, 60, 5, RungAction::Rollback),
    (7.0, 6 * 60, 30, RungAction::Rollback),
    (2.0, 24 * 60, 2 * 60, RungAction::Hold),
    (1.0, 4 * 24 * 60, 6 * 60, RungAction::Hold),
];

/// Minutes of the window that [`WINDOWS`] is for.
const USUAL_MINUTES: i64 = 28 * 24 * 60;

/// Whether a document is one of Pyrra's.
pub(super) fn is_one(root: &Node) -> bool {
    let says = |name: &str| entry(root, name).and_then(text_of);
    says("apiVersion") == Some("pyrra.dev/v1alpha1")
        && says("kind") == Some("ServiceLevelObjective")
}

pub(super) fn read(reading: &mut Reading<'_>, root: &Node) -> Option<Promise> {
    const SPEC: [&str; 7] = [
        "description",
        "target",
        "window",
        "indicator",
        "alerting",
        "performanceOverAccuracy",
        "serviceLevel",
    ];
    let spec = reading.needs(root, &["spec"])?;
    reading.rest(spec, "the objective", &SPEC);
    let target = reading.needs(spec, &["target"])?;
    let target = reading.percent(target)?;
    let window = reading.needs(spec, &["window"])?;
    let period = reading.span(window)?;
    let indicator = reading.needs(spec, &["indicator"])?;
    let counted = counted(reading, indicator);
    let off = ["disabled", "burnrates"].iter().find_map(|name| {
        let node = deep(spec, &["alerting", name])?;
        let off = matches!(node.value, Value::Bool(value) if value == (*name == "disabled"));
        off.then_some(node)
    });
    if let Some(node) = off {
        let message = "alerts are disabled: there are no rungs".to_owned();
        reading.ignores(
            at(node),
            message,
            "write `rungs` in the template to have some",
        );
    }
    Some(Promise {
        target,
        period: Some(Node {
            value: Value::Text(period.to_string()),
            ..window.clone()
        }),
        rungs: Policy::Own(match off {
            None => rungs(period),
            Some(_) => Vec::new(),
        }),
        counted,
    })
}

fn rungs(period: Span) -> Vec<Rung> {
    let scaled = |minutes: i64| {
        let ms = i128::from(period.ms()) * i128::from(minutes) / i128::from(USUAL_MINUTES);
        let whole = (ms + 30_000) / 60_000;
        Span::from_s(i64::try_from(whole).unwrap_or(i64::MAX / 60_000).max(1) * 60)
    };
    let rows = WINDOWS.iter().filter_map(|(burn, long, short, action)| {
        Some(Rung {
            burn: BurnRate::new(*burn)?,
            long: scaled(*long),
            short: scaled(*short),
            action: *action,
        })
    });
    rows.collect()
}

fn counted(reading: &mut Reading<'_>, indicator: &Node) -> Result<Indicator, Diagnostic> {
    if let Some(node) = entry(indicator, "bool_gauge") {
        return Err(refused(
            node,
            "`bool_gauge` is a level, which counts no events",
        ));
    }
    if let Some(node) = entry(indicator, "latencyNative") {
        let why = "`latencyNative` asks for a bound that native histograms need not have";
        return Err(refused(node, why));
    }
    let kinds = [("ratio", "errors"), ("latency", "success")];
    let found = kinds
        .iter()
        .find_map(|(kind, part)| Some((*kind, *part, entry(indicator, kind)?)));
    let Some((kind, part, node)) = found else {
        return Err(refused(
            indicator,
            "its `indicator` is neither `ratio` nor `latency`",
        ));
    };
    let grouping: Vec<&str> = items(entry(node, "grouping"))
        .iter()
        .filter_map(text_of)
        .collect();
    if let (Some(place), false) = (entry(node, "grouping").map(at), grouping.is_empty()) {
        let message = format!("groups by `{}` are not kept apart", grouping.join("`, `"));
        reading.ignores(place, message, "all of them are counted together, per arm");
    }
    let (some, total) = (
        deep(node, &[part, "metric"]),
        deep(node, &["total", "metric"]),
    );
    let (Some(some), Some(total)) = (some, total) else {
        let why = format!("its `{kind}` lacks `{part}.metric` or `total.metric`");
        return Err(refused(node, &why));
    };
    match kind {
        "ratio" => reading.bad_of_total((some, total), Window::Bare),
        _ => reading.good_of_total((some, total), Window::Bare),
    }
}
