//! Sloth: `version: prometheus/v1` in snake case, and the Kubernetes resource
//! `sloth.slok.dev/v1 PrometheusServiceLevel`, the same in camel case under `spec`.

use super::promise::{Policy, Promise, Reading, at, deep, items, refused};
use super::split::Window;
use crate::diagnostic::Diagnostic;
use crate::template::document::{Node, Value};
use crate::template::extends::{entry, text_of};

/// The map with `service` and `slos` of a document of Sloth.
pub(super) fn body(root: &Node) -> Option<&Node> {
    let says = |name: &str| entry(root, name).and_then(text_of);
    if says("version") == Some("prometheus/v1") {
        return Some(root);
    }
    let resource = says("apiVersion") == Some("sloth.slok.dev/v1")
        && says("kind") == Some("PrometheusServiceLevel");
    entry(root, "spec").filter(|_| resource)
}

/// Name, id and node of every objective.
pub(super) fn listed(body: &Node) -> Vec<(String, String, &Node)> {
    let service = entry(body, "service").and_then(text_of).unwrap_or("");
    let slos = items(entry(body, "slos")).iter();
    slos.filter_map(|slo| {
        let name = entry(slo, "name").and_then(text_of)?;
        Some((name.to_owned(), format!("{service}-{name}"), slo))
    })
    .collect()
}

/// The first of two spellings that is there.
fn either<'n>(node: &'n Node, snake: &str, camel: &str) -> Option<&'n Node> {
    entry(node, snake).or_else(|| entry(node, camel))
}

pub(super) fn read(reading: &mut Reading<'_>, body: &Node, slo: &Node) -> Option<Promise> {
    const BODY: [&str; 7] = [
        "version",
        "service",
        "labels",
        "slos",
        "apiVersion",
        "kind",
        "metadata",
    ];
    const SLO: [&str; 6] = [
        "name",
        "description",
        "labels",
        "objective",
        "sli",
        "alerting",
    ];
    reading.rest(body, "the file", &BODY);
    reading.rest(slo, "the objective", &SLO);
    let target = reading.needs(slo, &["objective"])?;
    let target = reading.percent(target)?;
    let sli = reading.needs(slo, &["sli"])?;
    let counted = counted(reading, sli);
    Some(Promise {
        target,
        period: None,
        rungs: policy(reading, entry(slo, "alerting")),
        counted,
    })
}

fn counted(reading: &mut Reading<'_>, sli: &Node) -> Result<super::promise::Indicator, Diagnostic> {
    if let Some(raw) = entry(sli, "raw") {
        let why = "`raw` is a ratio, which does not say how many events there were";
        return Err(refused(raw, why));
    }
    if let Some(plugin) = entry(sli, "plugin") {
        let why = "a `plugin` is a program of Sloth's; write what it expands to as `events`";
        return Err(refused(plugin, why));
    }
    let Some(events) = entry(sli, "events") else {
        return Err(refused(sli, "its `sli` has no `events`"));
    };
    let bad = either(events, "error_query", "errorQuery");
    let total = either(events, "total_query", "totalQuery");
    let (Some(bad), Some(total)) = (bad, total) else {
        let why = "its `events` lack the query of the errors or that of the total";
        return Err(refused(events, why));
    };
    reading.bad_of_total((bad, total), Window::Template)
}

/// An alert that is switched off is no rung.
fn policy(reading: &mut Reading<'_>, alerting: Option<&Node>) -> Policy {
    let mut on = |snake: &str, camel: &str, what: &str| {
        let alert = alerting.and_then(|alerting| either(alerting, snake, camel));
        let disabled = alert.and_then(|alert| deep(alert, &["disable"]));
        let off = disabled.filter(|node| matches!(node.value, Value::Bool(true)));
        if let Some(node) = off {
            let message = format!("the {what} alert is disabled: its rungs are left out");
            let help = "write `rungs` in the template to have them";
            reading.ignores(at(node), message, help);
        }
        off.is_none()
    };
    Policy::Workbook {
        pages: on("page_alert", "pageAlert", "page"),
        tickets: on("ticket_alert", "ticketAlert", "ticket"),
    }
}
