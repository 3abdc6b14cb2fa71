//! Objectives and traffic in a public document.

use super::metric::yes_or_no;
use crate::judge::judgement::{ObjectiveFinding, RungFinding, TrafficFinding};
use crate::wire::number::public;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one objective says at the newest look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ObjectiveDocument {
    /// Its name.
    pub name: String,
    /// The metric that supplied the events.
    pub metric: String,
    /// The promised share of good events.
    pub target: f64,
    /// The canary's burn rate since the analysis began; null without events.
    pub canary_burn: Option<f64>,
    /// The baseline's burn rate since the analysis began.
    pub baseline_burn: Option<f64>,
    /// `worse` when the canary is shown worse than the baseline, else `not_shown`.
    pub against_baseline: String,
    /// p-value of "the canary's bad ratio is not above the baseline's".
    pub p_worse_than_baseline: Option<f64>,
    /// Whether the baseline burns beyond the same rung: `yes` or `no`.
    pub baseline_burns_too: String,
    /// ln of the e-value a rung has to reach.
    pub log_bound: Option<f64>,
    /// The rungs, in the order of the objective.
    pub rungs: Vec<RungDocument>,
}

/// What one rung says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RungDocument {
    /// The burn rate above which it fires.
    pub burn: Option<f64>,
    /// `proven`, `not_proven`, or `unreachable` (no ratio can burn that fast).
    pub state: String,
    /// What follows when it is proven: `rollback` or `hold`.
    pub action: String,
    /// The long window, in milliseconds.
    pub long_ms: i64,
    /// The short window, in milliseconds.
    pub short_ms: i64,
    /// The canary's burn rate over the long window.
    pub burn_long: Option<f64>,
    /// The canary's burn rate over the short window.
    pub burn_short: Option<f64>,
    /// Bad events of the canary in the short window.
    pub bad_short: u64,
    /// ln of the e-value.
    pub log_e: Option<f64>,
}

/// Observed against declared traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficDocument {
    /// The declared share of the canary, 0 to 1.
    pub declared: Option<f64>,
    /// The observed share; null without traffic.
    pub observed: Option<f64>,
    /// `mismatch` when they contradict each other, else `plausible`.
    pub state: String,
}

impl From<&ObjectiveFinding> for ObjectiveDocument {
    fn from(finding: &ObjectiveFinding) -> Self {
        let against_baseline = if finding.worse_than_baseline {
            "worse"
        } else {
            "not_shown"
        };
        Self {
            name: finding.objective.to_string(),
            metric: finding.metric.to_string(),
            target: finding.target.get(),
            canary_burn: finding.canary_burn.and_then(public),
            baseline_burn: finding.baseline_burn.and_then(public),
            against_baseline: against_baseline.to_owned(),
            p_worse_than_baseline: public(finding.p_worse_than_baseline),
            baseline_burns_too: yes_or_no(finding.baseline_burns_too),
            log_bound: public(finding.log_bound),
            rungs: finding.rungs.iter().map(Into::into).collect(),
        }
    }
}

impl From<&RungFinding> for RungDocument {
    fn from(rung: &RungFinding) -> Self {
        let state = match (rung.unreachable, rung.proven) {
            (true, _) => "unreachable",
            (false, true) => "proven",
            (false, false) => "not_proven",
        };
        let action = if rung.rolls_back { "rollback" } else { "hold" };
        Self {
            burn: public(rung.burn),
            state: state.to_owned(),
            action: action.to_owned(),
            long_ms: rung.long.ms(),
            short_ms: rung.short.ms(),
            burn_long: rung.burn_long.and_then(public),
            burn_short: rung.burn_short.and_then(public),
            bad_short: rung.bad_short,
            log_e: public(rung.log_e),
        }
    }
}

impl From<TrafficFinding> for TrafficDocument {
    fn from(finding: TrafficFinding) -> Self {
        let state = if finding.mismatch {
            "mismatch"
        } else {
            "plausible"
        };
        Self {
            declared: public(finding.declared),
            observed: finding.observed.and_then(public),
            state: state.to_owned(),
        }
    }
}
