//! One bad route among many: what the values of a label say beside the whole metric
//! (`group_by: route`).
//!
//! The whole keeps half of the metric's share of the error, the other half is divided equally over
//! the slots of its values, so that by Boole's inequality both together err with no more than the
//! share, whatever their dependence. Values are judged for *worse* only: one that is within, not
//! decided or short of data changes nothing.

use crate::judge::finding::ACCEPTED;
use crate::judge::judgement::{Breakdown, Finding, LEFT_OUT_NAMED_MAX, Label, Needs, ValueFinding};
use crate::judge::sequential::Memory;
use crate::judge::slots::Directory;
use crate::judge::windows::{Arm, Windows};
use crate::plan::{MetricPlan, Plan};

/// Characters of a label's value that are shown and recorded; of a longer one the beginning is.
const VALUE_CHARS_MAX: usize = 120;

/// Judges the slots of the windows by `judge`, and adds what they say to the findings of the plan's
/// metrics.
pub(crate) fn add(
    plan: &Plan,
    windows: &Windows,
    memory: &mut Memory,
    findings: &mut [Finding],
    judge: impl FnOnce(&Plan, &Windows, &mut Memory) -> Vec<Finding>,
) {
    let Some(slots) = &windows.slots else {
        return;
    };
    let said = judge(slots.plan(), slots.windows(), memory.values());
    for directory in slots.directories() {
        let metric = plan.metrics.get(directory.metric_idx);
        let finding = findings.get_mut(directory.metric_idx);
        let (Some(metric), Some(finding)) = (metric, finding) else {
            continue;
        };
        let own = said.iter().skip(directory.first);
        join(metric, directory, own.cloned(), finding);
    }
}

/// Adds the values to the finding of the whole.
fn join(
    metric: &MetricPlan,
    directory: &Directory,
    said: impl Iterator<Item = Finding>,
    finding: &mut Finding,
) {
    let values = directory.values.iter().zip(said);
    let values = values.map(|((value, _), said)| ValueFinding {
        value: shortened(value),
        finding: thinned(Finding {
            role: metric.role,
            ..said
        }),
    });
    let named = directory.left_out.iter().take(LEFT_OUT_NAMED_MAX);
    let breakdown = Breakdown {
        by: directory.group_by.label.clone(),
        max: directory.group_by.max,
        whole: finding.label,
        values: values.collect(),
        left_out: directory.left_out.len(),
        left_out_named: named.map(|value| shortened(value)).collect(),
    };
    finding.notes.extend(notes(&breakdown));
    let unlabelled = [Arm::Baseline, Arm::Canary]
        .into_iter()
        .zip(directory.with.into_iter().zip(directory.without))
        .find(|(_, (with, without))| *without && !with);
    if breakdown.worse().is_empty() {
        if let Some((arm, _)) = unlabelled.filter(|_| finding.label != Label::Worse) {
            lacks_label(finding, arm, &breakdown.by);
        }
    } else {
        finding.label = Label::Worse;
        finding.needs = Needs::Nothing;
        finding.notes.retain(|note| !note.starts_with(ACCEPTED));
    }
    if unlabelled.is_none() && directory.without.contains(&true) {
        let by = &breakdown.by;
        finding.notes.push(format!(
            "series without the label `{by}` are in the whole only"
        ));
    }
    finding.breakdown = Some(Box::new(breakdown));
}

/// Nothing can be told apart, so what was asked for is not known: that is no health (A5).
fn lacks_label(finding: &mut Finding, arm: Arm, by: &str) {
    finding.label = Label::NoData;
    finding.no_data = Some(format!(
        "no series of the {} has the label `{by}` of `group_by`; keep it in the query, or remove \
         `group_by`",
        arm.word()
    ));
    finding.needs = Needs::Data(1);
}

/// What of a value's finding is kept: it is recorded at every look.
fn thinned(mut finding: Finding) -> Finding {
    if finding.label != Label::Worse {
        finding.baseline.spark.clear();
        finding.canary.spark.clear();
        finding.notes.clear();
    }
    finding
}

fn notes(breakdown: &Breakdown) -> Vec<String> {
    let by = &breakdown.by;
    let count = |label: Label| breakdown.with(label).count();
    let mut out = Vec::new();
    if !breakdown.values.is_empty() {
        let said = [
            (count(Label::Worse), "worse"),
            (count(Label::Within), "within the limit"),
            (count(Label::Undecided), "undecided"),
            (count(Label::NoData), "with too little data"),
        ];
        let parts: Vec<String> = said
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        let all = breakdown.values.len();
        let plural = if all == 1 { "" } else { "s" };
        out.push(format!(
            "by {by}: {all} value{plural}, {}; only worse counts",
            parts.join(", ")
        ));
    }
    if breakdown.left_out > 0 {
        let named = breakdown.left_out_named.join(", ");
        let more = breakdown.left_out - breakdown.left_out_named.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        out.push(format!(
            "more than {} values of {by}: {named}{more} are in the whole only",
            breakdown.max
        ));
    }
    out
}

/// A value as it is shown: on one line, and not too long.
fn shortened(value: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = value.chars().take(VALUE_CHARS_MAX).map(plain).collect();
    if value.chars().nth(VALUE_CHARS_MAX).is_some() {
        out.push_str("...");
    }
    out
}
