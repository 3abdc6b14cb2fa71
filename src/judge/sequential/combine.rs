//! One error budget for all metrics of an analysis.
//!
//! Any weighted mean of e-values is an e-value, whatever their dependence (Vovk and Wang 2021,
//! Annals of Statistics 49), so a rollback needs `Σ w_j E_j ≥ 1/false_rollback` with the weights
//! the plan gave the metrics as shares of that error. One metric alone gets there exactly when its
//! own e-value reaches the inverse of its share, as with Bonferroni; several that each say a little
//! get there together.

use crate::judge::finding::ACCEPTED;
use crate::judge::judgement::{Finding, Label, Needs};
use crate::judge::sequential::memory::Memory;
use crate::judge::sequential::series::PAIRS_MIN;
use crate::plan::Plan;
use crate::template::metric_judge::MetricMethod;

/// How the note of a metric begins that is blamed together with others.
pub const TOGETHER: &str = "shown worse together with";

/// Calls *worse* the gates that together prove harm though none does alone: the fewest, largest
/// first. What has too few pairs to be worse alone proves nothing in the sum either, what is shown
/// *within* its limit is not blamed, and what would show harm with more time needs none any more.
/// The interval stays: it is that of the metric alone, and the note says so.
pub fn together(plan: &Plan, memory: &mut Memory, findings: &mut [Finding]) {
    // The error that the metrics share; the rest belongs to objectives.
    let whole = plan.judge.false_rollback.get();
    let mut parts: Vec<(f64, usize)> = Vec::new();
    for (idx, (finding, metric)) in findings.iter().zip(&plan.metrics).enumerate() {
        // Leaving an e-value out only makes the sum smaller.
        let open = match finding.label {
            Label::Undecided => true,
            Label::Within => accepted(finding),
            Label::NoData | Label::Lagging | Label::Worse => false,
        };
        // A p-value of another judge is no inverse of an e-value: it proves only by itself.
        let sequential = plan.method_of(metric) == Some(MetricMethod::Sequential);
        let gate = finding.role.is_gate() && open && sequential;
        if let Some(evidence) = finding.evidence.filter(|_| gate)
            && evidence.p_harm > 0.0
        {
            let part = metric.alpha.get() / evidence.p_harm;
            // What would be enough alone and is not worse was held back.
            if part < 1.0 && !too_few(memory, idx) {
                parts.push((part, idx));
            }
        }
    }
    let alone = |finding: &Finding| finding.role.is_gate() && finding.label == Label::Worse;
    if whole <= 0.0 || findings.iter().any(alone) {
        return;
    }
    // Metrics of equal evidence stay in the plan's order.
    parts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut sum = 0.0;
    let needed = parts.iter().position(|(part, _)| {
        sum += part;
        sum >= 1.0
    });
    let Some(last) = needed else {
        return;
    };
    let blamed: Vec<usize> = parts.iter().take(last + 1).map(|(_, idx)| *idx).collect();
    let names: Vec<String> = blamed
        .iter()
        .filter_map(|idx| findings.get(*idx))
        .map(|finding| finding.metric.to_string())
        .collect();
    for (place, idx) in blamed.into_iter().enumerate() {
        let others: Vec<&str> = names
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .map(|(_, name)| name.as_str())
            .collect();
        if let Some(finding) = findings.get_mut(idx) {
            blame(finding, &others);
        }
    }
}

/// Whether a series has fewer pairs than anything may be shown by. Counts have minima of their own.
fn too_few(memory: &mut Memory, metric_idx: usize) -> bool {
    memory.of(metric_idx).is_some_and(|(group, at)| {
        let (.., member) = group.parts(at);
        let mut directions = member.directions.iter();
        directions.any(|direction| direction.harm.pairs() < PAIRS_MIN)
    })
}

/// A *within* for want of harm found, not one that was shown.
fn accepted(finding: &Finding) -> bool {
    let mut notes = finding.notes.iter();
    notes.any(|note| note.starts_with(ACCEPTED))
}

/// A finding that is worse says nothing else: no time is needed, and harm was found.
fn blame(finding: &mut Finding, others: &[&str]) {
    finding.label = Label::Worse;
    finding.needs = Needs::Nothing;
    finding.notes.retain(|note| !note.starts_with(ACCEPTED));
    let (last, first) = match others {
        [first @ .., last] => (*last, first.join(", ")),
        [] => return,
    };
    let names = if first.is_empty() {
        last.to_owned()
    } else {
        format!("{first} and {last}")
    };
    finding.notes.push(format!(
        "{TOGETHER} {names}: their evidence adds up, and the interval is that of this metric alone"
    ));
}
