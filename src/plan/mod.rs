//! A plan: template × rollout with everything resolved. Two equal plans have equal digests.

pub mod bind;
mod fingerprint;
pub mod once;
pub mod rollout;
pub mod scope;

use crate::digest::Digest;
use crate::ids::{GroupName, MetricName, ObjectiveName, TemplateName};
use crate::plan::rollout::{Rollout, TrafficStep};
use crate::series::raw::Labels;
use crate::slo::objective::Objective;
use crate::template::baseline::BaselineMode;
use crate::template::inconclusive::Exceptions;
use crate::template::kayenta::KayentaOptions;
use crate::template::metric_judge::{Acceptance, MetricJudge, MetricMethod};
use crate::template::recovery::Recovery;
use crate::template::steps::{PlannedStep, StepPlan, StepsBy};
use crate::template::{
    Combine, GapPolicy, GroupBy, History, JudgeSpec, Method, MinEvidence, OnInconclusive, Role,
    Template,
};
use crate::time::{Span, Step, Timestamp};
use crate::units::{Harm, MinEffect, Probability, Weight};

/// Everything an analysis needs, concrete.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The template's name.
    pub template: TemplateName,
    /// The digest of the template's text.
    pub template_digest: Digest,
    /// The rollout it was bound to.
    pub rollout: Rollout,
    /// When to look.
    pub timing: Timing,
    /// The judge and its error budget.
    pub judge: JudgeSpec,
    /// The metrics, in the template's order.
    pub metrics: Vec<MetricPlan>,
    /// The objectives, in the template's order.
    pub objectives: Vec<ObjectivePlan>,
    /// How observed and declared traffic are compared.
    pub traffic: Option<TrafficPlan>,
    /// The steps of traffic the rollout is to take, where the template plans them.
    pub steps: Option<StepPlan>,
    /// What is read from before the start, if anything is; the lookback is a whole number of
    /// steps.
    pub history: Option<History>,
    /// Regular expressions of harmless source warnings.
    pub allowed_warnings: Vec<String>,
    /// What the controller is told to do with an inconclusive verdict.
    pub on_inconclusive: OnInconclusive,
    /// What it is told instead for some reasons.
    pub exceptions: Exceptions,
    /// How a rollback is seen through, where the template says it.
    pub recovery: Option<Recovery>,
    /// The baseline of another time, when it is not the canary's own.
    pub shifted: Option<Shifted>,
    /// The digest of all of the above.
    pub digest: Digest,
}

/// A baseline of another time: its queries are asked on their own, and its samples are moved
/// forward to the canary's time as they arrive, marked with the arm they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Shifted {
    /// Which time.
    pub mode: BaselineMode,
    /// How much earlier; whole steps.
    pub back: Span,
    /// The baseline's queries, one per metric; those of [`Plan::metrics`] are the canary's.
    pub queries: Vec<Queries>,
}

/// The label that marks the arm of a series where the two are not told apart by their own labels.
pub const ARM_MARK: &str = "haldane_arm";

/// The values of [`ARM_MARK`]: of the baseline and of the canary.
pub const ARM_MARKS: [&str; 2] = ["baseline", "canary"];

/// The instants of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The first instant of the window, on the step grid.
    pub start: Timestamp,
    /// The distance between grid points.
    pub step: Step,
    /// The time between looks.
    pub look_every: Span,
    /// Samples before it are not judged.
    pub judged_from: Timestamp,
    /// No promote before it; on the step grid.
    pub bake_until: Timestamp,
    /// An undecided analysis ends with the look at this instant; the extension included.
    pub deadline: Timestamp,
    /// The last part of that, which is used only by an analysis that is undecided when it
    /// begins; zero when there is none.
    pub extension: Span,
    /// A look is taken this long after its planned instant and reads samples up to that instant,
    /// aligned down to the step.
    pub lag: Span,
    /// How long the source may fail.
    pub source_grace: Span,
}

impl Timing {
    /// How many looks there are at most; at least 1.
    pub fn looks_planned(&self) -> u32 {
        let length = self.deadline.since(self.start).ms();
        let every = self.look_every.ms().max(1);
        u32::try_from((length + every - 1) / every)
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// How many looks there are at most without the extension; at least 1.
    pub fn looks_regular(&self) -> u32 {
        if self.extension == Span::ZERO {
            return self.looks_planned();
        }
        let length = self.deadline_regular().since(self.start).ms();
        u32::try_from(length / self.look_every.ms().max(1))
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// Where an analysis ends that is not extended.
    pub fn deadline_regular(&self) -> Timestamp {
        self.deadline.minus(self.extension)
    }

    /// The last instant that can be read at `now`: on the grid, never past the deadline. A look
    /// reads up to what it could read when it was due, however late it is taken.
    pub fn readable_to(&self, now: Timestamp) -> Timestamp {
        now.minus(self.lag).min(self.deadline).align_down(self.step)
    }

    /// Which share of the planned time has passed at `covered_to`, in 0 ..= 1.
    pub fn information(&self, covered_to: Timestamp) -> f64 {
        let whole = self.deadline.since(self.start).seconds();
        if whole <= 0.0 {
            return 1.0;
        }
        (covered_to.since(self.start).seconds() / whole).clamp(0.0, 1.0)
    }
}

/// One metric of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPlan {
    /// Its name.
    pub name: MetricName,
    /// What it can do to the verdict.
    pub role: Role,
    /// Which direction is harm.
    pub harm: Harm,
    /// The limit.
    pub min_effect: MinEffect,
    /// The unit shown.
    pub unit: String,
    /// Its group.
    pub group: GroupName,
    /// Its weight in the score.
    pub weight: Weight,
    /// The least evidence.
    pub evidence: MinEvidence,
    /// Concrete queries.
    pub queries: Queries,
    /// The label whose values name the replicas of an arm, when they are kept apart.
    pub per: Option<String>,
    /// The label whose values are judged on their own beside the whole, when there is one.
    pub group_by: Option<GroupBy>,
    /// How far its data lag behind those of the others; whole steps, zero when they do not.
    pub lag: Span,
    /// Its share of `judge.false_rollback`, over all looks; with [`MetricPlan::group_by`] what the
    /// whole has of it, as much again being shared by the values. A metric that is no gate is
    /// labelled at the whole of `judge.false_rollback`: it can end nothing, so it takes nothing
    /// from the gates, and this share of it is not used.
    pub alpha: Probability,
    /// What Kayenta's judge is asked beside the usual.
    pub kayenta: Option<KayentaOptions>,
    /// How it is judged other than [`Plan::judge`] says.
    pub judge: Option<MetricJudge>,
}

impl MetricPlan {
    /// The error that showing harm may have, over all looks: of the metric as a whole. A metric
    /// that is no gate can end nothing; it and its values are labelled at the level of the whole
    /// analysis.
    pub fn level(&self, judge: &JudgeSpec) -> f64 {
        if self.role.is_gate() {
            self.alpha.get()
        } else if self.group_by.is_some() {
            WHOLE_SHARE * judge.false_rollback.get()
        } else {
            judge.false_rollback.get()
        }
    }

    /// The same of each value of [`MetricPlan::group_by`]; `None` without.
    pub fn value_level(&self, judge: &JudgeSpec) -> Option<f64> {
        let group_by = self.group_by.as_ref()?;
        let shared = self.level(judge) / WHOLE_SHARE * (1.0 - WHOLE_SHARE);
        Some(shared / group_by.max.max(1) as f64)
    }
}

/// How much of the error of a metric with `group_by` its whole keeps; the rest is shared by the
/// values, equally (`docs/statistics.md`, One bad route among many).
pub const WHOLE_SHARE: f64 = 0.5;

/// The concrete queries of a metric, both arms in each.
#[derive(Clone, Debug, PartialEq)]
pub enum Queries {
    /// A range query on the grid.
    Series {
        /// PromQL.
        query: String,
        /// How several series of one arm become one value.
        combine: Combine,
        /// What a gap is.
        gaps: GapPolicy,
    },
    /// Raw samples of two selectors.
    Events {
        /// Selector of bad events.
        bad: String,
        /// Selector of all events.
        total: String,
    },
    /// Raw samples of a bucket selector.
    Distribution {
        /// Selector of the buckets.
        buckets: String,
        /// The bound beyond which an observation is bad; without one the whole distribution is
        /// judged.
        threshold: Option<f64>,
    },
}

impl Queries {
    /// A distribution that is judged whole: none of its observations are bad ones.
    pub fn is_whole_distribution(&self) -> bool {
        matches!(
            self,
            Self::Distribution {
                threshold: None,
                ..
            }
        )
    }
}

/// One objective of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectivePlan {
    /// Its name.
    pub name: ObjectiveName,
    /// Which metric of [`Plan::metrics`] supplies the events.
    pub metric_idx: usize,
    /// Target, period, rungs.
    pub objective: Objective,
    /// Its share of `judge.false_rollback`.
    pub alpha: Probability,
}

/// How observed and declared traffic shares are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrafficPlan {
    /// Which metric of [`Plan::metrics`] supplies the totals.
    pub metric_idx: usize,
    /// The declared share of the canary, in 0 ..= 1.
    pub declared: Probability,
    /// The allowed factor either way.
    pub tolerance_factor: f64,
}

/// Which query of which metric an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Index in [`Plan::metrics`].
    pub metric_idx: usize,
    /// Which of its queries.
    pub part: Part,
}

/// The queries a metric can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The series on the grid.
    Grid,
    /// Raw samples of bad counters.
    Bad,
    /// Raw samples of total counters.
    Total,
    /// Raw samples of buckets.
    Buckets,
}

impl Plan {
    /// Which judge a metric has; `None` where one judge scores all of them.
    pub fn method_of(&self, metric: &MetricPlan) -> Option<MetricMethod> {
        let whole = match self.judge.method {
            Method::Sequential => MetricMethod::Sequential,
            Method::MannWhitney => MetricMethod::MannWhitney,
            Method::Kayenta(_) => return None,
        };
        Some(metric.judge.and_then(|own| own.method).unwrap_or(whole))
    }

    /// Whether some metric may have another judge than the rest.
    pub fn has_own_judges(&self) -> bool {
        let own = |metric: &MetricPlan| metric.judge.is_some_and(|own| own.method.is_some());
        self.metrics.iter().any(own)
    }

    /// The power with which "no harm found" is enough for a metric; `None` when it never is.
    pub fn accepts_no_harm(&self, metric: &MetricPlan) -> Option<Probability> {
        match metric.judge.and_then(|own| own.accept_no_harm) {
            None => self.judge.accept_no_harm,
            Some(Acceptance::Never) => None,
            Some(Acceptance::WithPower(power)) => Some(power),
        }
    }

    /// How many grid points the history has.
    pub fn history_points(&self) -> usize {
        let lookback = self.history.map_or(Span::ZERO, |history| history.lookback);
        usize::try_from(lookback.ms() / self.timing.step.span().ms()).unwrap_or(0)
    }

    /// The first grid point of the history; the start when there is none.
    pub fn history_from(&self) -> Timestamp {
        let lookback = self.history.map_or(Span::ZERO, |history| history.lookback);
        self.timing.start.minus(lookback)
    }

    /// Every query with its slot, in slot order. `Grid` parts are range queries on the plan's
    /// step, all others raw samples. With a baseline of another time they are the canary's.
    pub fn queries(&self) -> Vec<(Slot, &str)> {
        in_slots(self.metrics.iter().map(|metric| &metric.queries))
    }

    /// The baseline's queries, in the same order, when they are asked on their own.
    pub fn baseline_queries(&self) -> Option<Vec<(Slot, &str)>> {
        let shifted = self.shifted.as_ref()?;
        Some(in_slots(shifted.queries.iter()))
    }

    /// Every query as it is shown to people and known by in recordings: where the baseline's is
    /// asked on its own, that one and how much earlier it is asked stand in a comment behind the
    /// canary's.
    pub fn queries_shown(&self) -> Vec<(Slot, String)> {
        let Some(shifted) = &self.shifted else {
            let each = self.queries().into_iter();
            return each.map(|(slot, query)| (slot, query.to_owned())).collect();
        };
        let both = self
            .queries()
            .into_iter()
            .zip(in_slots(shifted.queries.iter()));
        both.map(|((slot, canary), (_, baseline))| {
            let back = shifted.back;
            (
                slot,
                format!("{canary} # baseline, {back} earlier: {baseline}"),
            )
        })
        .collect()
    }

    /// Whether a series belongs to the baseline, and whether to the canary.
    pub fn arms_of(&self, labels: &Labels) -> (bool, bool) {
        if self.shifted.is_none() {
            let Rollout {
                baseline, canary, ..
            } = &self.rollout;
            return (baseline.matches(labels), canary.matches(labels));
        }
        let mark = labels.get(ARM_MARK).map(String::as_str);
        let [baseline, canary] = ARM_MARKS;
        (mark == Some(baseline), mark == Some(canary))
    }

    /// The same plan with its clock started at `at`, or with the first grid point after it:
    /// everything planned moves along by whole steps, so it is the plan that the template gives a
    /// rollout that began as much later.
    #[must_use]
    pub fn starting(&self, at: Timestamp) -> Self {
        let mut plan = self.clone();
        let timing = &mut plan.timing;
        let later = at.align_up(timing.step).since(timing.start);
        for instant in [
            &mut timing.start,
            &mut timing.judged_from,
            &mut timing.bake_until,
            &mut timing.deadline,
            &mut plan.rollout.start,
        ] {
            *instant = instant.plus(later);
        }
        plan.digest = fingerprint::of(&plan);
        plan
    }

    /// The same plan with another share of traffic from `step.at` on.
    #[must_use]
    pub fn stepping(&self, step: TrafficStep) -> Self {
        let mut plan = self.clone();
        plan.rollout.deploy.traffic_steps.push(step);
        plan.digest = fingerprint::of(&plan);
        plan
    }

    /// The share of traffic the canary has from the start, as far as it was said.
    pub fn first_share(&self) -> Option<Probability> {
        let planned = self.steps.as_ref().and_then(|plan| plan.steps.first());
        let by_time = self.steps_by_time().is_some();
        let said = self.rollout.deploy.traffic_share.filter(|_| !by_time);
        said.or(planned.map(|step| step.weight))
    }

    /// The further steps of traffic: as planned where they go by time, as announced else.
    pub fn further_steps(&self) -> Vec<TrafficStep> {
        match self.steps_by_time() {
            Some(plan) => after_one_another(plan, self.timing.start),
            None => self.rollout.deploy.traffic_steps.clone(),
        }
    }

    /// The planned step of this share of traffic.
    pub fn planned_step(&self, share: f64) -> Option<&PlannedStep> {
        let mut steps = self.steps.as_ref()?.steps.iter();
        // The last digits may differ where one of the two was written in percent.
        steps.find(|step| (step.weight.get() - share).abs() <= 1e-9)
    }

    fn steps_by_time(&self) -> Option<&StepPlan> {
        self.steps.as_ref().filter(|plan| plan.by == StepsBy::Time)
    }

    /// How much earlier than the canary's the baseline's data are; zero when both are of one time.
    pub fn back(&self) -> Span {
        self.shifted
            .as_ref()
            .map_or(Span::ZERO, |shifted| shifted.back)
    }

    /// From which time the baseline's data are.
    pub fn baseline_mode(&self) -> BaselineMode {
        let shifted = self.shifted.as_ref();
        shifted.map_or(BaselineMode::Concurrent, |shifted| shifted.mode)
    }
}

/// The rollout of a controller that takes the planned steps of traffic one after the other, each
/// when the one before has baked, and announces them.
#[must_use]
pub fn stepping_as_planned(template: &Template, mut rollout: Rollout) -> Rollout {
    let template = template.for_change(rollout.deploy.change_type.as_deref());
    let announced = |plan: &StepPlan| plan.by == StepsBy::Announcement;
    if let Some(plan) = &bind::steps_of(template, &rollout).filter(announced) {
        let start = rollout.start.align_up(template.schedule.step);
        rollout.deploy.traffic_steps = after_one_another(plan, start);
    }
    rollout
}

/// The steps after the first, each begun when the one before has baked.
pub fn after_one_another(plan: &StepPlan, start: Timestamp) -> Vec<TrafficStep> {
    let mut at = start;
    let steps = plan.steps.iter().zip(plan.steps.iter().skip(1));
    let step = |(before, next): (&PlannedStep, &PlannedStep)| {
        at = at.plus(before.bake);
        TrafficStep {
            at,
            share: next.weight,
        }
    };
    steps.map(step).collect()
}

fn in_slots<'a>(all: impl Iterator<Item = &'a Queries>) -> Vec<(Slot, &'a str)> {
    let mut out = Vec::new();
    for (metric_idx, queries) in all.enumerate() {
        let slot = |part| Slot { metric_idx, part };
        match queries {
            Queries::Series { query, .. } => out.push((slot(Part::Grid), query.as_str())),
            Queries::Events { bad, total } => {
                out.push((slot(Part::Bad), bad.as_str()));
                out.push((slot(Part::Total), total.as_str()));
            }
            Queries::Distribution { buckets, .. } => {
                out.push((slot(Part::Buckets), buckets.as_str()));
            }
        }
    }
    out
}
