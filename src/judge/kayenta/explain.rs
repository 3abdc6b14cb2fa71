//! The sentence where a score decides: what moved most, and which threshold the score met.

use crate::judge::explain::{Stand, headline};
use crate::judge::judgement::{Finding, Judgement, Label};
use crate::template::Role;
use crate::template::kayenta::KayentaSpec;
use crate::units::trim_number;

/// The sentence, where it differs from that of the other judges.
pub fn sentence(spec: &KayentaSpec, judgement: &Judgement, stand: Stand) -> Option<String> {
    let score = judgement.score?;
    let (pass, marginal) = (trim_number(spec.pass), trim_number(spec.marginal));
    let threshold = match stand {
        Stand::Promote => format!("score {score} reaches the pass threshold {pass}"),
        Stand::RollbackMetric => {
            format!("score {score} is below the marginal threshold {marginal}")
        }
        Stand::Pending | Stand::Inconclusive if empty(judgement).is_none() => {
            let stop = if stand == Stand::Pending {
                "is not final"
            } else {
                "decides nothing"
            };
            format!("score {score} {stop}, pass is {pass} and marginal {marginal}")
        }
        _ => return None,
    };
    Some(match leading(judgement) {
        Some(worst) => format!("{} is {}; {threshold}", worst.metric, headline(worst)),
        None => format!("no metric is worse; {threshold}"),
    })
}

/// A gate without data has its own sentence.
fn empty(judgement: &Judgement) -> Option<&Finding> {
    let mut findings = judgement.findings.iter();
    findings.find(|f| f.role.is_gate() && f.label == Label::NoData)
}

/// The first worse metric of the highest role.
fn leading(judgement: &Judgement) -> Option<&Finding> {
    let worse = judgement
        .findings
        .iter()
        .filter(|f| f.label == Label::Worse);
    worse
        .filter(|f| f.role != Role::Info)
        .min_by_key(|f| f.role)
}
