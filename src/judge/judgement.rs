//! A judgement: all findings of one look, with score and outcome. Plain data.

use crate::ids::{GroupName, MetricName, ObjectiveName};
use crate::template::Role;
use crate::time::{Span, Timestamp};
use crate::units::{Harm, MinEffect, Probability, Score, Weight};

/// What one metric says at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Shown worse than its limit.
    Worse,
    /// Not enough data to say anything.
    NoData,
    /// Its data come later than the analysis can wait for.
    Lagging,
    /// Neither shown worse nor shown within its limit.
    Undecided,
    /// Shown to be within its limit.
    Within,
}

impl Label {
    /// The word in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::NoData => "no_data",
            Self::Lagging => "lagging",
            Self::Undecided => "undecided",
            Self::Within => "within",
        }
    }

    /// The reverse of [`Label::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Worse,
            Self::NoData,
            Self::Lagging,
            Self::Undecided,
            Self::Within,
        ];
        all.into_iter().find(|label| label.word() == word)
    }
}

/// What one arm of one metric looks like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmSummary {
    /// Samples (series) or events (events, distribution).
    pub n: u64,
    /// Effective samples after autocorrelation; events: the same as `n`.
    pub n_eff: f64,
    /// Median (series) or ratio of bad events; absent without data.
    pub level: Option<f64>,
    /// Bad events, for events and distributions.
    pub bad: Option<u64>,
    /// Share of grid points with a value, 0 ..= 1.
    pub coverage: f64,
    /// At most [`SPARK_MAX`] values for a sparkline, evenly spaced over the window.
    pub spark: Vec<f64>,
}

/// Points of a sparkline; a longer window is thinned.
pub const SPARK_MAX: usize = 12;

/// A difference of canary and baseline with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// The lower bound; may be −∞.
    pub low: f64,
    /// The upper bound; may be +∞.
    pub high: f64,
}

/// The effect in the metric's unit and, where the baseline's level allows it, relative to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Canary minus baseline, in the metric's unit.
    pub absolute: Interval,
    /// (Canary − baseline) / baseline.
    pub relative: Option<Interval>,
    /// The confidence of the intervals at this look.
    pub confidence: Probability,
}

/// How strong the evidence is, on the scale on which it is decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// p-value (or 1/e) of "not worse than the limit".
    pub p_harm: f64,
    /// Worse is shown when `p_harm` is at most this (the look's share of the error budget).
    pub alpha: f64,
    /// p-value (or 1/e) of "at or beyond the limit".
    pub p_safe: f64,
    /// Within is shown when `p_safe` is at most this.
    pub beta: f64,
}

/// What more time would bring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Needs {
    /// Nothing: decided.
    Nothing,
    /// About this much more time until the interval excludes the limit or zero effect.
    Time(Span),
    /// More than the deadline leaves.
    MoreThanThereIs,
    /// So many more samples or events in the scarcer arm before anything can be said.
    Data(u64),
}

/// One metric's result at a look.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The metric.
    pub metric: MetricName,
    /// What it can do to the verdict.
    pub role: Role,
    /// Its group.
    pub group: GroupName,
    /// Its weight in the score.
    pub weight: Weight,
    /// Which direction is harm.
    pub harm: Harm,
    /// The limit.
    pub limit: MinEffect,
    /// The unit shown.
    pub unit: String,
    /// What it says.
    pub label: Label,
    /// Why there is no data, when the label says so: the thing, have and need.
    pub no_data: Option<String>,
    /// The baseline.
    pub baseline: ArmSummary,
    /// The canary.
    pub canary: ArmSummary,
    /// The difference with its interval, when both arms have data.
    pub effect: Option<Effect>,
    /// The evidence, when a test was run.
    pub evidence: Option<Evidence>,
    /// Which test decided (`mann-whitney exact`, `mann-whitney normal`, `conditional binomial`).
    pub test: &'static str,
    /// What more time would bring.
    pub needs: Needs,
    /// Both arms degraded alike in the course of the window.
    pub both_degraded: bool,
    /// What a reader must know about the data.
    pub notes: Vec<String>,
    /// The values of `group_by`, each judged on its own; the label is *worse* as soon as one of
    /// them is, all else is of the whole.
    pub breakdown: Option<Box<Breakdown>>,
}

/// What the values of one label say, each judged on its own beside the whole metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Breakdown {
    /// The label.
    pub by: String,
    /// How many values are judged on their own at most.
    pub max: usize,
    /// What the metric says as a whole, whatever its values say.
    pub whole: Label,
    /// In the order in which they appeared.
    pub values: Vec<ValueFinding>,
    /// How many appeared when there was no room left.
    pub left_out: usize,
    /// The first of them by name, at most [`LEFT_OUT_NAMED_MAX`].
    pub left_out_named: Vec<String>,
}

/// Values beyond the limit that are named; the others are counted.
pub const LEFT_OUT_NAMED_MAX: usize = 5;

/// What one value says.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueFinding {
    /// The value of the label; of one too long the beginning.
    pub value: String,
    /// What the metric says of the series with that value.
    pub finding: Finding,
}

impl Breakdown {
    /// The values shown worse, the strongest evidence first.
    pub fn worse(&self) -> Vec<&ValueFinding> {
        let mut out: Vec<&ValueFinding> = self.with(Label::Worse).collect();
        // All have the same share of the error; the sort is stable.
        out.sort_by(|l, r| l.finding.p_harm().total_cmp(&r.finding.p_harm()));
        out
    }

    /// The values with this label, in order.
    pub fn with(&self, label: Label) -> impl Iterator<Item = &ValueFinding> {
        let all = self.values.iter();
        all.filter(move |one| one.finding.label == label)
    }
}

impl Finding {
    /// The value of `group_by` that makes it worse, when one does.
    pub fn lead(&self) -> Option<&ValueFinding> {
        self.breakdown.as_ref()?.worse().first().copied()
    }

    /// What decides its label: that value, or the metric as a whole.
    pub fn decisive(&self) -> &Self {
        self.lead().map_or(self, |lead| &lead.finding)
    }

    fn p_harm(&self) -> f64 {
        self.evidence.map_or(1.0, |evidence| evidence.p_harm)
    }
}

/// What one rung says at a look.
#[derive(Clone, Debug, PartialEq)]
pub struct RungFinding {
    /// The factor above which it fires.
    pub burn: f64,
    /// The long window, clipped to the analysis' age.
    pub long: Span,
    /// The short window.
    pub short: Span,
    /// Whether it rolls back (else it holds).
    pub rolls_back: bool,
    /// The canary's burn over the long window, when it had events.
    pub burn_long: Option<f64>,
    /// The canary's burn over the short window.
    pub burn_short: Option<f64>,
    /// Bad events of the canary in the short window.
    pub bad_short: u64,
    /// ln of the e-value of "the canary's ratio is at most this rung's".
    pub log_e: f64,
    /// Proven: e-value, both windows, and minimum bad events.
    pub proven: bool,
    /// The rung cannot fire because burn × budget exceeds 1.
    pub unreachable: bool,
}

/// One objective's result at a look.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveFinding {
    /// The objective.
    pub objective: ObjectiveName,
    /// The metric that supplied the events.
    pub metric: MetricName,
    /// The promised share of good events.
    pub target: Probability,
    /// The canary's burn since the analysis began.
    pub canary_burn: Option<f64>,
    /// The baseline's burn since the analysis began.
    pub baseline_burn: Option<f64>,
    /// Rungs in the order of the objective.
    pub rungs: Vec<RungFinding>,
    /// p-value of "the canary's bad ratio is not above the baseline's" (conditional binomial,
    /// anytime-valid form).
    pub p_worse_than_baseline: f64,
    /// The canary is shown worse than the baseline.
    pub worse_than_baseline: bool,
    /// The baseline burns beyond the same rung as well.
    pub baseline_burns_too: bool,
    /// ln of 1/alpha: what `log_e` has to reach.
    pub log_bound: f64,
}

/// Observed against declared traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrafficFinding {
    /// The declared share of the canary.
    pub declared: f64,
    /// The observed share; `None` without any traffic.
    pub observed: Option<f64>,
    /// Whether they contradict each other beyond the tolerance, with enough traffic to know.
    pub mismatch: bool,
}

/// The outcome of one judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A gate failed: a required metric is worse, or an abort rung is proven.
    Fail,
    /// A gate has no data.
    NoData,
    /// Nothing failed, but not every gate is shown within its limit.
    Marginal,
    /// Every gate is shown within its limit.
    Pass,
}

impl Outcome {
    /// The word in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::NoData => "no_data",
            Self::Marginal => "marginal",
            Self::Pass => "pass",
        }
    }

    /// The reverse of [`Outcome::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Fail, Self::NoData, Self::Marginal, Self::Pass]
            .into_iter()
            .find(|outcome| outcome.word() == word)
    }
}

/// What one step of traffic showed.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFinding {
    /// The declared share; of the first step it may not have been said.
    pub share: Option<f64>,
    /// When it began.
    pub from: Timestamp,
    /// When the next one began, or how far it has been read.
    pub to: Timestamp,
    /// Observed traffic against that share, where the template measures it.
    pub traffic: Option<TrafficFinding>,
    /// The gates, in the plan's order.
    pub metrics: Vec<StepMetric>,
}

/// How much of one gate was seen within a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepMetric {
    /// Which metric.
    pub metric: MetricName,
    /// Values or events of the baseline.
    pub baseline: u64,
    /// Values or events of the canary.
    pub canary: u64,
    /// How many of each are needed.
    pub needed: u64,
    /// Whether there are as many.
    pub enough: bool,
    /// The level of baseline and canary within the step: the mean of the values, the share of bad
    /// events. Only where the template plans the steps.
    pub levels: [Option<f64>; 2],
}

/// All findings of one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Which look, from 1.
    pub look: u32,
    /// The last instant whose samples were judged.
    pub covered_to: Timestamp,
    /// One per metric, in the plan's order.
    pub findings: Vec<Finding>,
    /// One per objective, in the plan's order.
    pub objectives: Vec<ObjectiveFinding>,
    /// Observed traffic, when the template measures it and the rollout declares a share.
    pub traffic: Option<TrafficFinding>,
    /// What each step of traffic showed, the first one included; empty while there was only one.
    pub steps: Vec<StepFinding>,
    /// Source warnings that block a promote.
    pub suspect: Vec<String>,
    /// 0 ..= 100 over the counted metrics; `None` when none of them has data.
    pub score: Option<Score>,
    /// The outcome.
    pub outcome: Outcome,
}

impl Judgement {
    /// An arm for which no metric has seen a series (`true` for the baseline, `true` for the
    /// canary): verdict row 5.
    pub fn arms_absent(&self) -> (bool, bool) {
        let absent = |n: fn(&Finding) -> u64| {
            !self.findings.is_empty() && self.findings.iter().all(|finding| n(finding) == 0)
        };
        (absent(|f| f.baseline.n), absent(|f| f.canary.n))
    }
}
