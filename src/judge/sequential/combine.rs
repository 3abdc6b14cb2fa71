//! One error budget for all metrics of an analysis.
//!
//! Any weighted mean of e-values is an e-value, whatever their dependence (Wang and Ramdas 2022,
//! JRSS B 84), so a rollback needs `Σ w_j E_j ≥ 1/false_rollback` with the weights the plan gave
//! the metrics as shares of that error. One metric alone gets there exactly when its own e-value
//! reaches the inverse of its share, as with Bonferroni; several that each say a little get there
//! together.

use crate::judge::judgement::{Finding, Label};
use crate::judge::sequential::memory::Memory;
use crate::judge::sequential::series::PAIRS_MIN;
use crate::plan::Plan;

/// Calls *worse* the gates that together prove harm though none does alone: the fewest, largest
/// first. `whole` is the error that the metrics share; the rest belongs to objectives.
/// What has too few pairs to be worse alone proves nothing in the sum either.
pub fn together(plan: &Plan, memory: &mut Memory, findings: &mut [Finding]) {
    let whole = plan.judge.false_rollback.get();
    let mut parts: Vec<(f64, usize)> = Vec::new();
    for (idx, (finding, metric)) in findings.iter().zip(&plan.metrics).enumerate() {
        let gate = finding.role.is_gate() && finding.label != Label::NoData;
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
    for idx in blamed {
        if let Some(finding) = findings.get_mut(idx) {
            finding.label = Label::Worse;
            finding.notes.push(format!(
                "shown worse together with the others of {}",
                names.join(", ")
            ));
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
