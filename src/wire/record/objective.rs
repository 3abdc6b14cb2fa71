//! Objectives in a recorded judgement.

use super::{Damage, checked};
use crate::ids::{MetricName, ObjectiveName};
use crate::judge::judgement::{ObjectiveFinding, RungFinding};
use crate::time::Span;
use crate::units::Probability;
use crate::wire::number::Exact;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectiveShape {
    objective: String,
    metric: String,
    target: Exact,
    canary_burn: Option<Exact>,
    baseline_burn: Option<Exact>,
    rungs: Vec<RungShape>,
    p_worse_than_baseline: Exact,
    worse_than_baseline: bool,
    baseline_burns_too: bool,
    log_bound: Exact,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RungShape {
    burn: Exact,
    long_ms: i64,
    short_ms: i64,
    rolls_back: bool,
    burn_long: Option<Exact>,
    burn_short: Option<Exact>,
    bad_short: u64,
    log_e: Exact,
    proven: bool,
    unreachable: bool,
}

impl From<&ObjectiveFinding> for ObjectiveShape {
    fn from(finding: &ObjectiveFinding) -> Self {
        let rung = |rung: &RungFinding| RungShape {
            burn: Exact(rung.burn),
            long_ms: rung.long.ms(),
            short_ms: rung.short.ms(),
            rolls_back: rung.rolls_back,
            burn_long: rung.burn_long.map(Exact),
            burn_short: rung.burn_short.map(Exact),
            bad_short: rung.bad_short,
            log_e: Exact(rung.log_e),
            proven: rung.proven,
            unreachable: rung.unreachable,
        };
        Self {
            objective: finding.objective.as_str().to_owned(),
            metric: finding.metric.as_str().to_owned(),
            target: Exact(finding.target.get()),
            canary_burn: finding.canary_burn.map(Exact),
            baseline_burn: finding.baseline_burn.map(Exact),
            rungs: finding.rungs.iter().map(rung).collect(),
            p_worse_than_baseline: Exact(finding.p_worse_than_baseline),
            worse_than_baseline: finding.worse_than_baseline,
            baseline_burns_too: finding.baseline_burns_too,
            log_bound: Exact(finding.log_bound),
        }
    }
}

impl ObjectiveShape {
    /// The finding it was written from.
    pub(super) fn finding(self) -> Result<ObjectiveFinding, Damage> {
        let number = |Exact(value)| value;
        let rung = |rung: RungShape| RungFinding {
            burn: rung.burn.0,
            long: Span::from_ms(rung.long_ms),
            short: Span::from_ms(rung.short_ms),
            rolls_back: rung.rolls_back,
            burn_long: rung.burn_long.map(number),
            burn_short: rung.burn_short.map(number),
            bad_short: rung.bad_short,
            log_e: rung.log_e.0,
            proven: rung.proven,
            unreachable: rung.unreachable,
        };
        Ok(ObjectiveFinding {
            objective: checked("objective", self.objective.as_str(), ObjectiveName::new)?,
            metric: checked("metric", self.metric.as_str(), MetricName::new)?,
            target: checked("target", &self.target.0, |v| Probability::new(*v))?,
            canary_burn: self.canary_burn.map(number),
            baseline_burn: self.baseline_burn.map(number),
            rungs: self.rungs.into_iter().map(rung).collect(),
            p_worse_than_baseline: self.p_worse_than_baseline.0,
            worse_than_baseline: self.worse_than_baseline,
            baseline_burns_too: self.baseline_burns_too,
            log_bound: self.log_bound.0,
        })
    }
}
