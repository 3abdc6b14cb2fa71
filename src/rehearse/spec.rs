//! What a test file can say. Plain data; text is read by [`crate::rehearse::read`].

use crate::diagnostic::Place;
use crate::engine::verdict::{Hold, Verdict};
use crate::judge::judgement::Label;
use crate::plan::rollout::Deploy;
use crate::rehearse::pieces::Pieces;
use crate::simulate::scenario::Fault;
use crate::time::{Span, Step, Timestamp};
use std::collections::BTreeMap;

/// Something a person wrote, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<T> {
    /// What it says.
    pub value: T,
    /// Where it stands.
    pub place: Place,
    /// Byte range in the text, when it is one scalar.
    pub bytes: Option<(usize, usize)>,
}

/// A test file.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// The template's file, relative to this one.
    pub template: Written<String>,
    /// The tests; at least one.
    pub tests: Vec<Test>,
}

/// One test, defaults of the file merged in.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name, unique in the file.
    pub name: Written<String>,
    /// Values for the template's inputs.
    pub inputs: BTreeMap<String, String>,
    /// What is deployed, with the type of change and the declared share of traffic.
    pub deploy: Deploy,
    /// When the canary began to take traffic.
    pub start: Option<Timestamp>,
    /// Overrides the template's deadline.
    pub duration: Option<Span>,
    /// The distance between values; that of the template without.
    pub step: Option<Step>,
    /// What chance is drawn from; a number made from the name without.
    pub seed: Option<u64>,
    /// Where samples come from.
    pub source: Source,
    /// What goes wrong with the source of samples.
    pub faults: Vec<Fault>,
    /// What is expected.
    pub expect: Expect,
}

/// Where the samples of a test come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Written down, metric by metric.
    Metrics(BTreeMap<String, MetricData>),
    /// A recording's file.
    Recording(Written<String>),
    /// A scenario's file, and which service of it is rolled out.
    Scenario(Written<String>, Option<Written<String>>),
}

/// The data of one metric.
#[derive(Clone, Debug)]
pub struct MetricData {
    /// Where its name stands.
    pub place: Place,
    /// Bucket bounds, rising, of a distribution.
    pub bounds: Option<Written<Vec<f64>>>,
    /// The baseline; nothing is said of it without.
    pub baseline: Option<ArmData>,
    /// The canary.
    pub canary: Option<ArmData>,
    /// Both arms before the start; as the baseline begins without.
    pub before: Before,
    /// A file that has the values of both arms.
    pub csv: Option<Written<String>>,
    /// It is said that there are none.
    pub none: bool,
}

/// What was before the start.
#[derive(Clone, Debug, Default)]
pub enum Before {
    /// What the baseline begins with, in both arms.
    #[default]
    Usual,
    /// Nothing.
    Nothing,
    /// This.
    Arms(Option<ArmData>, Option<ArmData>),
}

/// The data of one metric of one arm: one series, or one each replica or group.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmData {
    /// Where it stands.
    pub place: Place,
    /// The series.
    pub lines: Vec<Line>,
}

/// One series, counter or histogram, or several alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it stands.
    pub place: Place,
    /// Labels beside that of the arm.
    pub labels: BTreeMap<String, String>,
    /// How many there are of it, each with chance of its own.
    pub replicas: u32,
    /// What it holds.
    pub flow: Flow,
}

/// What a series holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// Values.
    Values(Pieces),
    /// Events in each step, or their rate, and those of them that are bad.
    Events {
        /// All of them.
        total: Pieces,
        /// The bad ones: each step, a share of all, or a rate; there is no counter of them without.
        bad: Option<Pieces>,
    },
    /// Observations with a lognormal distribution.
    Lognormal {
        /// All of them.
        total: Pieces,
        /// Their median.
        median: Pieces,
        /// Sigma of the logarithm.
        sigma: f64,
    },
    /// Observations by bucket.
    Shares {
        /// All of them.
        total: Pieces,
        /// The share of each bucket; one more than there are bounds.
        shares: Vec<f64>,
    },
}

impl Flow {
    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Values(_) => "values",
            Self::Events { .. } => "`total` and `bad`",
            Self::Lognormal { .. } => "`median` and `sigma`",
            Self::Shares { .. } => "`shares`",
        }
    }

    /// Its values, when it holds values.
    pub const fn values(&self) -> Option<&Pieces> {
        match self {
            Self::Values(values) => Some(values),
            _ => None,
        }
    }

    /// Everything in it that goes over time.
    pub fn pieces(&self) -> Vec<&Pieces> {
        match self {
            Self::Values(values) => vec![values],
            Self::Events { total, bad } => {
                [Some(total), bad.as_ref()].into_iter().flatten().collect()
            }
            Self::Lognormal { total, median, .. } => vec![total, median],
            Self::Shares { total, .. } => vec![total],
        }
    }

    /// What it begins with, going on for ever; nothing when it never holds anything.
    #[must_use]
    pub fn level(&self) -> Option<Self> {
        Some(match self {
            Self::Values(values) => Self::Values(values.level()?),
            Self::Events { total, bad } => Self::Events {
                total: total.level()?,
                bad: bad.as_ref().and_then(Pieces::level),
            },
            Self::Lognormal {
                total,
                median,
                sigma,
            } => Self::Lognormal {
                total: total.level()?,
                median: median.level()?,
                sigma: *sigma,
            },
            Self::Shares { total, shares } => Self::Shares {
                total: total.level()?,
                shares: shares.clone(),
            },
        })
    }
}

/// How an analysis ends, as far as anything can be expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// With a verdict.
    Verdict(Verdict),
    /// Not yet: a recording can end before the analysis does.
    Pending,
}

impl End {
    /// All of them with their words.
    pub const ALL: [(&'static str, Self); 4] = [
        ("promote", Self::Verdict(Verdict::Promote)),
        ("rollback", Self::Verdict(Verdict::Rollback)),
        ("inconclusive", Self::Verdict(Verdict::Inconclusive)),
        ("pending", Self::Pending),
    ];

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.word(),
            Self::Pending => "pending",
        }
    }
}

/// What is expected of a test; at least one of it.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// Where `expect` stands.
    pub place: Option<Place>,
    /// The verdict, or several of which each will do.
    pub verdict: Option<Written<Vec<End>>>,
    /// What holds it in the end; nothing may, when that is expected.
    pub hold: Option<Written<Option<Hold>>>,
    /// Metrics that are shown worse in the end.
    pub worse: Vec<Written<String>>,
    /// Objectives a rollback rung of which is proven in the end.
    pub objectives: Vec<Written<String>>,
    /// The labels of metrics in the end; each will do of several.
    pub labels: Vec<(Written<String>, Written<Vec<Label>>)>,
    /// The earliest moment, counted from the start.
    pub not_before: Option<Written<Span>>,
    /// The latest moment.
    pub by: Option<Written<Span>>,
    /// What the sentence contains.
    pub sentence: Vec<Written<String>>,
}

impl Expect {
    /// Whether nothing is expected.
    pub fn is_nothing(&self) -> bool {
        self.verdict.is_none()
            && self.hold.is_none()
            && self.worse.is_empty()
            && self.objectives.is_empty()
            && self.labels.is_empty()
            && self.not_before.is_none()
            && self.by.is_none()
            && self.sentence.is_empty()
    }
}
