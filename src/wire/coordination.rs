//! The JSON of what analyses have to do with one another: releases, waves and freezes.

use crate::engine::coordination::freeze::Freeze;
use crate::engine::coordination::{Release, Wave};
use crate::engine::view::View;
use crate::judge::judgement::{Judgement, StepFinding, StepMetric};
use crate::judge::steps::{bakes_from, stands};
use crate::plan::Plan;
use crate::template::steps::PlannedStep;
use crate::time::Timestamp;
use crate::wire::verdict::TrafficDocument;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Services that are promoted together: none before all are shown healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseInput {
    /// The name that its members share.
    pub group: String,
    /// The services that belong to it; without them, those that were submitted so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Lower ones are promoted first; all at once without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
}

/// Deploys that are promoted one wave after the other, region by region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WaveInput {
    /// The name that all waves of one deploy share.
    pub name: String,
    /// Which one, from 1.
    pub index: u32,
}

impl From<&Release> for ReleaseInput {
    fn from(release: &Release) -> Self {
        Self {
            group: release.group.clone(),
            members: release.members.clone(),
            order: release.order,
        }
    }
}

impl From<&Wave> for WaveInput {
    fn from(wave: &Wave) -> Self {
        Self {
            name: wave.name.clone(),
            index: wave.index,
        }
    }
}

/// How an analysis stands to others; absent where it stands alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoordinationDocument {
    /// The analysis it is queued behind; its clock starts when that one is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// What becomes of it beside an unresolved deploy of the same place: `queue`, `supersede` or
    /// `refuse`; absent when both go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<String>,
    /// The release it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseInput>,
    /// The wave it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<WaveInput>,
}

impl CoordinationDocument {
    /// `None` where an analysis stands alone.
    pub(crate) fn of(view: &View) -> Option<Self> {
        let coordination = &view.coordination;
        let concurrent = coordination.concurrent;
        let own = concurrent != crate::engine::coordination::Concurrent::default();
        let document = Self {
            waits_for: view.behind.as_ref().map(ToString::to_string),
            concurrent: own.then(|| concurrent.word().to_owned()),
            release: coordination.release.as_ref().map(ReleaseInput::from),
            wave: coordination.wave.as_ref().map(WaveInput::from),
        };
        (document != Self::default()).then_some(document)
    }
}

/// A freeze, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FreezeInput {
    /// The service; all without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The environment; all without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The region; all without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// When it begins (RFC 3339); now, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it ends (RFC 3339), or how long it lasts (`2h`); until it is lifted, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// For the decision log and for those who are held; required.
    pub reason: String,
    /// Who; only where no credentials are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// A freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FreezeDocument {
    /// Its name, to lift it.
    pub id: String,
    /// The service; all without.
    pub service: Option<String>,
    /// The environment; all without.
    pub environment: Option<String>,
    /// The region; all without.
    pub region: Option<String>,
    /// When it begins.
    pub from: String,
    /// When it ends; null until it is lifted.
    pub until: Option<String>,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl From<&Freeze> for FreezeDocument {
    fn from(freeze: &Freeze) -> Self {
        let freeze = freeze.clone();
        Self {
            id: freeze.id.to_string(),
            service: freeze.service,
            environment: freeze.environment,
            region: freeze.region,
            from: freeze.from.to_string(),
            until: freeze.until.map(|until| until.to_string()),
            author: freeze.author,
            reason: freeze.reason,
        }
    }
}

/// The freezes there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FreezeList {
    /// Those that last, and those that are still to begin.
    pub freezes: Vec<FreezeDocument>,
}

/// Why a freeze is lifted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LiftInput {
    /// For the decision log; required.
    pub reason: String,
    /// Who; only where no credentials are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// A step of traffic, as announced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepInput {
    /// The share of traffic the canary gets from now on, more than 0 and less than 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The same in percent, as controllers say it: `25` for `setWeight: 25`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// A step of traffic that a controller is going to take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlannedStepInput {
    /// The share of traffic the canary gets, in percent as in `setWeight: 25`.
    pub weight: f64,
    /// How long it is to be watched (`10m`).
    pub bake: String,
}

/// A planned step of traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlannedStepDocument {
    /// The share of traffic the canary is meant to get.
    pub share: f64,
    /// How long it is watched.
    pub bake: String,
    /// `waiting`, `baking`, `lacking` (of evidence), `shown`, or `cut_short` when the next one
    /// began before it had baked.
    pub state: String,
    /// When it began; null before.
    pub from: Option<String>,
    /// When it has baked, as far as it is known; null before it began.
    pub until: Option<String>,
    /// The looks whose samples end within it, by the schedule.
    pub looks: u32,
}

impl PlannedStepDocument {
    /// The planned steps, as they stand at the newest judgement.
    pub(crate) fn all(plan: &Plan, seen: Option<&Judgement>) -> Vec<Self> {
        let steps = plan.steps.iter().flat_map(|plan| &plan.steps);
        steps.map(|step| Self::of(plan, step, seen)).collect()
    }

    /// One of them.
    pub(crate) fn of(plan: &Plan, step: &PlannedStep, seen: Option<&Judgement>) -> Self {
        let (state, found) = stands(plan, (step, seen));
        Self {
            share: step.weight.get(),
            bake: step.bake.to_string(),
            state: state.word().to_owned(),
            from: found.map(|found| found.from.to_string()),
            until: found.map(|found| bakes_from(plan, step, found).plus(step.bake).to_string()),
            looks: found.map_or(0, |found| looks_within(plan, found)),
        }
    }
}

/// How many planned looks read up to an instant within a step.
fn looks_within(plan: &Plan, found: &StepFinding) -> u32 {
    let every = plan.timing.look_every.ms().max(1);
    let by = |at: Timestamp| at.since(plan.timing.start).ms().max(0) / every;
    u32::try_from(by(found.to) - by(found.from)).unwrap_or(0)
}

/// What one step of traffic showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepDocument {
    /// The declared share; null when the first was not declared.
    pub share: Option<f64>,
    /// When it began.
    pub from: String,
    /// When the next one began, or how far it has been read.
    pub to: String,
    /// Observed against declared traffic; null where it is not measured.
    pub traffic: Option<TrafficDocument>,
    /// `shown` when every gate has its minimum evidence within the step, else `lacking`.
    pub evidence: String,
    /// How much of each gate was seen.
    pub metrics: Vec<StepMetricDocument>,
}

/// How much of one gate was seen within a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepMetricDocument {
    /// Which metric.
    pub metric: String,
    /// Values or events of the baseline.
    pub baseline: u64,
    /// Values or events of the canary.
    pub canary: u64,
    /// How many of each are needed.
    pub needed: u64,
    /// The baseline's level within the step: the mean of the values, or the share of bad events;
    /// absent where no steps are planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_level: Option<f64>,
    /// The canary's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_level: Option<f64>,
}

impl From<&StepFinding> for StepDocument {
    fn from(step: &StepFinding) -> Self {
        let metric = |metric: &StepMetric| StepMetricDocument {
            metric: metric.metric.to_string(),
            baseline: metric.baseline,
            canary: metric.canary,
            needed: metric.needed,
            baseline_level: metric.levels[0],
            canary_level: metric.levels[1],
        };
        let shown = step.metrics.iter().all(|metric| metric.enough);
        Self {
            share: step.share,
            from: step.from.to_string(),
            to: step.to.to_string(),
            traffic: step.traffic.map(Into::into),
            evidence: if shown { "shown" } else { "lacking" }.to_owned(),
            metrics: step.metrics.iter().map(metric).collect(),
        }
    }
}
