//! A metric's `lag`: its data come later than those of the others. Nothing waits for them, so nothing
//! that decides may depend on them (C036).

use crate::diagnostic::Place;
use crate::ids::MetricName;
use crate::template::fields::{Fields, Reader};
use crate::template::parse::DEADLINE_MAX;
use crate::template::{JudgeSpec, Method, MetricSpec, ObjectiveSpec, Role, TrafficSpec};
use crate::time::Span;

/// How late the data of a metric come; zero when that is not said, `None` after a complaint.
pub(super) fn read(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    role: Option<Role>,
) -> Option<Span> {
    let Some(node) = fields.get("lag") else {
        return Some(Span::ZERO);
    };
    let lag = reader.span(node, "`lag`", Span::ZERO, DEADLINE_MAX)?;
    let gate = role.filter(|role| role.is_gate());
    let Some(role) = gate.map(Role::word) else {
        return Some(lag);
    };
    let message = format!("a {role} metric whose data come {lag} late would block the verdict");
    let help = "make it `role: optional` or `role: info`; if the data of all metrics are late, set \
                `schedule.lag`";
    reader.error("C036", node.place, message, help);
    None
}

/// Complains about whatever decides and reads a metric whose data come late.
pub(super) fn check(
    reader: &mut Reader<'_>,
    metrics: &[MetricSpec],
    (judge, objectives, traffic): (Option<&JudgeSpec>, &[ObjectiveSpec], Option<&TrafficSpec>),
    at: Place,
) {
    let late = |name: &MetricName| {
        let mut metrics = metrics.iter();
        metrics.find(|metric| metric.name == *name && metric.lag.is_some())
    };
    let objectives = objectives
        .iter()
        .map(|one| ("an objective", &one.metric, one.place));
    let traffic = traffic.map(|traffic| ("`traffic`", &traffic.metric, None));
    for (what, name, place) in objectives.chain(traffic) {
        let Some(metric) = late(name) else {
            continue;
        };
        let message = format!("{what} reads metric `{name}`, whose data come late");
        let help = "without data it would keep a canary from being promoted: take a metric that \
                    has no `lag`";
        let at = place.or(metric.place).unwrap_or(at);
        reader.error("C036", at, message, help);
    }
    if !judge.is_some_and(|judge| matches!(judge.method, Method::Kayenta(_))) {
        return;
    }
    let counted = |metric: &&MetricSpec| metric.lag.is_some() && metric.role != Role::Info;
    for metric in metrics.iter().filter(counted) {
        let name = &metric.name;
        let message = format!(
            "metric `{name}` comes late, and with `method: kayenta` it would count in the score \
             that decides"
        );
        let at = metric.place.unwrap_or(at);
        reader.error("C036", at, message, "make it `role: info`");
    }
}
