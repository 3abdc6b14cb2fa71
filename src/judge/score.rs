//! From findings to one number for people and one outcome for the verdict table.

use crate::ids::GroupName;
use crate::judge::judgement::{Finding, Label, ObjectiveFinding, Outcome};
use crate::template::Role;
use crate::units::Score;
use std::collections::BTreeMap;

/// What a metric that is neither shown worse nor shown within its limit is worth.
const UNDECIDED_CREDIT: f64 = 0.5;

/// 0 ..= 100: the mean over the groups of each group's weighted share of passed metrics.
///
/// *Within* counts in full, *worse* not at all, *undecided* half. A gate without data has not
/// passed; an optional metric without data is left out; `info` metrics are never counted. A
/// critical metric that is worse makes the whole 0. `None` when no counted metric has data. The
/// score is for people: the verdict never reads it.
pub fn score(findings: &[Finding]) -> Option<Score> {
    let counted = || findings.iter().filter(|f| f.role != Role::Info);
    if counted().all(|f| matches!(f.label, Label::NoData | Label::Lagging)) {
        return None;
    }
    if counted().any(|f| f.role == Role::Critical && f.label == Label::Worse) {
        return Score::from_share(0.0);
    }
    let mut groups: BTreeMap<&GroupName, (f64, f64)> = BTreeMap::new();
    for finding in counted() {
        let credit = match finding.label {
            Label::Within => 1.0,
            Label::Undecided => UNDECIDED_CREDIT,
            Label::Lagging => continue,
            Label::NoData if !finding.role.is_gate() => continue,
            Label::NoData | Label::Worse => 0.0,
        };
        let weight = finding.weight.get();
        let group = groups.entry(&finding.group).or_default();
        group.0 += credit * weight;
        group.1 += weight;
    }
    let shares: Vec<f64> = groups
        .values()
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(passed, weight)| passed / weight)
        .collect();
    let count = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / count;
    if shares.is_empty() {
        None
    } else {
        Score::from_share(mean.clamp(0.0, 1.0))
    }
}

/// An abort rung is proven, and it is the canary's own doing.
pub fn aborts(objective: &ObjectiveFinding) -> bool {
    objective.worse_than_baseline && objective.rungs.iter().any(|r| r.proven && r.rolls_back)
}

/// The outcome: the first that holds of *fail* (a gate is worse, or an abort rung is proven while
/// the canary is worse than the baseline), *no data* (a gate has none), *pass* (there are gates,
/// every one is within its limit, and no rung is proven), else *marginal*.
pub fn outcome(findings: &[Finding], objectives: &[ObjectiveFinding]) -> Outcome {
    let gates: Vec<&Finding> = findings.iter().filter(|f| f.role.is_gate()).collect();
    let any = |label| gates.iter().any(|f| f.label == label);
    if any(Label::Worse) || objectives.iter().any(aborts) {
        return Outcome::Fail;
    }
    if any(Label::NoData) {
        return Outcome::NoData;
    }
    let burning = objectives.iter().any(|o| o.rungs.iter().any(|r| r.proven));
    let all_within = gates.iter().all(|f| f.label == Label::Within);
    if all_within && !gates.is_empty() && !burning {
        Outcome::Pass
    } else {
        Outcome::Marginal
    }
}
