//! Templates: how one kind of service is judged. Valid by construction; text is parsed by `parse`.

pub mod baseline;
mod changes;
pub mod codes;
pub mod default;
pub(crate) mod document;
pub mod extends;
pub(crate) mod fields;
pub mod group_by;
pub mod history;
pub mod inconclusive;
pub mod input_type;
mod inputs;
pub mod kayenta;
mod lag;
pub mod lint;
mod merge;
pub mod metric_judge;
mod metrics;
pub mod notify;
mod objectives;
pub mod parse;
mod promql;
pub mod query;
pub mod recovery;
pub mod schema;
pub mod slo_spec;
pub mod steps;
mod subject;

pub use subject::field_place;

use crate::diagnostic::Place;
use crate::digest::Digest;
use crate::ids::{GroupName, MetricName, ObjectiveName, TemplateName};
use crate::slo::objective::Objective;
use crate::template::baseline::BaselineMode;
use crate::template::inconclusive::Exceptions;
use crate::template::input_type::InputType;
use crate::template::kayenta::{KayentaOptions, KayentaSpec};
use crate::template::metric_judge::MetricJudge;
use crate::template::notify::Notify;
use crate::template::recovery::Recovery;
use crate::template::steps::StepPlan;
use crate::time::{Span, Step};
use crate::units::{Harm, MinEffect, Probability, Weight};

/// A parsed template: nothing in it needs checking again.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name.
    pub name: TemplateName,
    /// What it is for, in a sentence; may be empty.
    pub description: String,
    /// The holes a rollout fills, in the order written.
    pub inputs: Vec<Input>,
    /// When to look.
    pub schedule: Schedule,
    /// The steps of traffic a rollout takes, where the schedule says so.
    pub steps: Option<StepPlan>,
    /// How to judge.
    pub judge: JudgeSpec,
    /// What is measured; at least one.
    pub metrics: Vec<MetricSpec>,
    /// Objectives guarded while the canary runs.
    pub objectives: Vec<ObjectiveSpec>,
    /// How the observed traffic share is measured, when it is.
    pub traffic: Option<TrafficSpec>,
    /// What is read from before the start, if anything is.
    pub history: Option<History>,
    /// Regular expressions of source warnings known to be harmless.
    pub allowed_warnings: Vec<String>,
    /// What the controller is told to do with an inconclusive verdict.
    pub on_inconclusive: OnInconclusive,
    /// What it is told instead for some reasons of being inconclusive.
    pub exceptions: Exceptions,
    /// From which time the baseline's data are.
    pub baseline: BaselineMode,
    /// How a rollback is seen through, where it is said.
    pub recovery: Option<Recovery>,
    /// Which of the daemon's receivers hear of the verdict; `None` for all of them.
    pub notify: Option<Vec<Notify>>,
    /// What is different for some types of change; none of these has rules of its own.
    pub changes: Vec<ChangeRule>,
    /// The digest of the text it came from.
    pub digest: Digest,
}

/// A rule for one type of change.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRule {
    /// The rollout's `change_type`.
    pub change: String,
    /// The template as it is for such a change.
    pub template: Template,
}

impl Template {
    /// The template as it is for a change of this type; without a rule for it, as it is.
    pub fn for_change(&self, change_type: Option<&str>) -> &Self {
        let mut rules = self.changes.iter();
        let rule = rules.find(|rule| Some(rule.change.as_str()) == change_type);
        rule.map_or(self, |rule| &rule.template)
    }
}

/// One hole `${name}` in the queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// What to put there.
    pub description: String,
    /// The value when none is given; without one the input is required.
    pub default: Option<String>,
    /// What every value of it looks like.
    pub kind: InputType,
    /// The values it may have; any that look right when the list is empty.
    pub one_of: Vec<String>,
}

/// What an analysis reads from before its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// How far it reaches back from the start.
    pub lookback: Span,
    /// What the canary's scope selects before the start is a healthy earlier version of the same
    /// population, so that the healthy difference of the two populations can be learnt.
    pub offset: bool,
}

/// When an analysis looks, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The distance between grid points.
    pub step: Step,
    /// The time between looks.
    pub look_every: Span,
    /// Samples before `start + warmup` are fetched but not judged.
    pub warmup: Span,
    /// No promote before `start + bake`.
    pub bake: Span,
    /// An undecided analysis ends here, counted from the start.
    pub deadline: Span,
    /// How long a sample takes to be readable: a look reads up to `now − lag`.
    pub lag: Span,
    /// How long the source may fail before the analysis is inconclusive.
    pub source_grace: Span,
    /// How much longer an analysis goes on, once, that is undecided at the deadline; zero when
    /// it does not.
    pub extend_once: Span,
}

/// The judge and its error budget.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeSpec {
    /// Which judge.
    pub method: Method,
    /// The probability that a healthy canary is ever rolled back, over all metrics and looks.
    pub false_rollback: Probability,
    /// The probability that a required metric beyond its limit passes as within it.
    pub false_promote: Probability,
    /// When set, "no harm found, with at least this power to find the minimum effect" is enough
    /// for a promote.
    pub accept_no_harm: Option<Probability>,
}

/// Which judge decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Evidence that may be read at any time, over one error budget of the analysis.
    Sequential,
    /// The classic two-sample test on the whole window, corrected for looks and autocorrelation.
    MannWhitney,
    /// Kayenta's judge, faults included; decides by its score.
    Kayenta(KayentaSpec),
}

impl Method {
    /// The word in templates and answers.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::MannWhitney => "mann-whitney",
            Self::Kayenta(_) => "kayenta",
        }
    }
}

/// What a metric can do to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// As required, with a larger share of the error budget; its failure sets the score to 0.
    Critical,
    /// Must be shown within its limit for a promote; rolls back when shown worse.
    Required,
    /// Counts in the score only.
    Optional,
    /// Shown, never counted.
    Info,
}

impl Role {
    /// The word in templates and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Info => "info",
        }
    }

    /// Whether a verdict can turn on it.
    pub const fn is_gate(self) -> bool {
        matches!(self, Self::Critical | Self::Required)
    }
}

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSpec {
    /// Its name, unique in the template.
    pub name: MetricName,
    /// What it can do to the verdict.
    pub role: Role,
    /// Which direction is harm; always stated.
    pub harm: Harm,
    /// The smallest difference that counts; always stated.
    pub min_effect: MinEffect,
    /// The unit shown to people (`s`, `ms`, `cores`); may be empty.
    pub unit: String,
    /// The group it is scored in.
    pub group: GroupName,
    /// Its weight in the group.
    pub weight: Weight,
    /// Evidence below which it is no data.
    pub evidence: MinEvidence,
    /// How it is measured.
    pub measure: Measure,
    /// The label whose values name the replicas of an arm, when they are kept apart.
    pub per: Option<String>,
    /// The label whose values are judged on their own beside the whole, when there is one.
    pub group_by: Option<GroupBy>,
    /// How much later than `schedule.lag` says its data come, when they do: how long a sample
    /// takes to be readable.
    pub lag: Option<Span>,
    /// What Kayenta's judge is asked beside the usual; only with [`Method::Kayenta`].
    pub kayenta: Option<KayentaOptions>,
    /// How it is judged other than the template says.
    pub judge: Option<MetricJudge>,
    /// What it counts was read from a file of objectives, which knows nothing of arms.
    pub counts_foreign: bool,
    /// Where it stands in the text.
    pub place: Option<Place>,
}

/// A label whose values (`route="/pay"`) are judged on their own beside the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupBy {
    /// The label.
    pub label: String,
    /// How many values are; at least 1.
    pub max: usize,
}

/// The least evidence a metric needs in each arm before it says anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinEvidence {
    /// Grid points with a value, per arm (series).
    pub samples: usize,
    /// Events, per arm (events, distribution).
    pub events: u64,
    /// Share of grid points since the warm-up that must hold a value, per arm.
    pub coverage: Probability,
}

/// The three kinds of metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// Any expression, one value per grid step and arm.
    Series {
        /// PromQL with holes; keeps the arm labels in its result.
        query: String,
        /// How several series of one arm become one value.
        combine: Combine,
        /// What a gap is.
        gaps: GapPolicy,
    },
    /// Bad and total counters, as raw selectors; increments are computed here.
    Events {
        /// Selector of the counters of bad events.
        bad: String,
        /// Selector of the counters of all events.
        total: String,
    },
    /// A histogram: cumulative buckets, as a raw selector of `…_bucket`, or native histograms. The
    /// share of observations beyond `threshold` is judged; without one the whole distribution is.
    Distribution {
        /// Selector of the buckets, without an `le` matcher.
        buckets: String,
        /// The bound beyond which an observation is bad; must be one of the bucket bounds.
        threshold: Option<f64>,
    },
}

/// How several series of one arm become one value per grid point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Arithmetic mean.
    Mean,
    /// Sum.
    Sum,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Median.
    Median,
}

/// What a grid point without a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapPolicy {
    /// Left out, and counted against coverage.
    Drop,
    /// Zero: right for series that exist only while something happens.
    Zero,
    /// The metric is no data as soon as there is one.
    Fail,
}

/// One objective on the events of a metric of the same template.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveSpec {
    /// Its name.
    pub name: ObjectiveName,
    /// The events or distribution metric that supplies bad and total.
    pub metric: MetricName,
    /// Target, period, rungs.
    pub objective: Objective,
    /// Where it stands in the text.
    pub place: Option<Place>,
}

/// How the observed share of traffic is compared with the declared one.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficSpec {
    /// The events metric whose totals are the traffic.
    pub metric: MetricName,
    /// The observed share may differ from the declared one by this factor either way (≥ 1).
    pub tolerance_factor: f64,
}

/// What the controller is told to do with an inconclusive verdict. Promote is not among them (A5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnInconclusive {
    /// Stop here, keep the canary, ask a person.
    Hold,
    /// Take the canary back.
    Rollback,
}

impl OnInconclusive {
    /// The word in templates and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Rollback => "rollback",
        }
    }
}
