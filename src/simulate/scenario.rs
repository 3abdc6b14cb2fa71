//! Scenario files (`simulations/*.yaml`): services, their metrics, what goes wrong with them and
//! when, and which verdicts are required. Every key is explained in `docs/simulations.md`.

pub use crate::simulate::words::{HoldWord, VerdictWord, Verdicts};
use crate::time::{Span, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// When analyses begin without `spec.start`: a Monday morning, so that daily shapes are near their
/// mean.
const START: &str = "2026-03-02T09:00:00Z";

/// The share of runs that may miss their requirement without `errorRateMax`: the `false_rollback`
/// of a template that does not name its own.
const ERROR_RATE: f64 = 0.05;

/// A scenario as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// `haldane/v1`.
    pub api_version: Spanned<String>,
    /// `Scenario`.
    pub kind: Spanned<String>,
    /// Name and description.
    pub metadata: Metadata,
    /// Traffic, what goes wrong, and what is required.
    pub spec: Spec,
}

/// Name and description.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// What it shows.
    #[serde(default)]
    pub description: String,
    /// What of the story lies outside what is judged here.
    #[serde(default)]
    pub limits: String,
}

/// Traffic, what goes wrong, and what is required.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// The same seed gives the same traffic.
    pub seed: u64,
    /// The distance between scrapes.
    pub scrape: Positive,
    /// The instant all other times are counted from.
    #[serde(default)]
    pub start: Instant,
    /// The services.
    pub services: Vec<Service>,
    /// What goes wrong with metrics.
    #[serde(default)]
    pub incidents: Vec<Incident>,
    /// Scrapes that are missing.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// Pods that begin anew, their counters at zero.
    #[serde(default)]
    pub restarts: Vec<Restart>,
    /// What goes wrong with the source of samples.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What people and machines do meanwhile.
    #[serde(default)]
    pub events: Vec<Happening>,
    /// The analyses, with what is required of them.
    #[serde(default)]
    pub rollouts: Vec<RolloutSpec>,
}

/// One service with both arms.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Service {
    /// The value of the label `service`.
    pub name: String,
    /// Further labels of all its series.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The label that tells the arms apart.
    #[serde(default = "track")]
    pub arm_label: String,
    /// Its value on the baseline.
    #[serde(default = "stable")]
    pub baseline: String,
    /// Its value on the canary.
    #[serde(default = "canary")]
    pub canary: String,
    /// How many replicas each arm has; with more than one each has series of its own, with a label
    /// `pod`.
    #[serde(default = "one_replica")]
    pub replicas: u32,
    /// How many the canary has, when not as many.
    #[serde(default)]
    pub canary_replicas: Option<u32>,
    /// Traffic over the day.
    #[serde(default)]
    pub daily: Option<Daily>,
    /// Values.
    #[serde(default)]
    pub gauges: Vec<Gauge>,
    /// Requests counted by status.
    #[serde(default)]
    pub requests: Vec<Requests>,
}

/// Traffic over the day: a cosine around 1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Daily {
    /// How far traffic rises above its mean and falls below it.
    pub amplitude: Share,
    /// When it is highest, counted from midnight (UTC).
    pub peak: Offset,
}

/// A value with noise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Gauge {
    /// The metric's name.
    pub metric: String,
    /// Further labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The baseline's level.
    pub level: f64,
    /// Standard deviation as a share of the level.
    #[serde(default)]
    pub noise: Share,
    /// Correlation between neighbouring scrapes, at most 0.95.
    #[serde(default)]
    pub autocorrelation: Share,
    /// The canary's level as a multiple of the baseline's, from the start of an analysis on.
    #[serde(default = "one")]
    pub canary_factor: f64,
    /// The level of the canary's population as a multiple of the baseline's with any version: older
    /// machines, another zone.
    #[serde(default = "one")]
    pub offset: f64,
    /// Standard deviation of the lasting levels of replicas, as a share of the level.
    #[serde(default)]
    pub spread: Share,
}

/// Counters of requests with a label `code`, and latency buckets with a label `le`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Requests {
    /// The counter's name.
    pub metric: String,
    /// Further labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Requests per second of both arms together.
    pub per_second: f64,
    /// The canary's share of them.
    pub canary_share: Share,
    /// Standard deviation of the load of a replica, as a share of it: more than chance alone.
    #[serde(default)]
    pub noise: Share,
    /// Correlation of that load between neighbouring scrapes, at most 0.95.
    #[serde(default)]
    pub autocorrelation: Share,
    /// The share of requests that fail with 500.
    pub error_ratio: Share,
    /// The same on the canary, from the start of an analysis on.
    #[serde(default)]
    pub canary_error_ratio: Option<Share>,
    /// A histogram of latencies beside the counter.
    #[serde(default)]
    pub latency: Option<Latency>,
}

/// Lognormal latencies counted into buckets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Latency {
    /// The histogram's name without `_bucket`.
    pub metric: String,
    /// Bucket bounds, rising, without `+Inf`.
    pub bounds: Vec<f64>,
    /// Median latency.
    pub median: f64,
    /// Sigma of the logarithm.
    pub sigma: f64,
    /// The canary's median as a multiple of the baseline's, from the start of an analysis on.
    #[serde(default = "one")]
    pub canary_factor: f64,
}

/// What goes wrong with a metric.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Incident {
    /// With which metric: a gauge, a counter of requests, or a histogram without `_bucket`.
    pub metric: Spanned<String>,
    /// Of which service; of all without.
    #[serde(default)]
    pub service: Option<Spanned<String>>,
    /// In which arm.
    #[serde(default)]
    pub arm: Which,
    /// In which replicas, from 0; in all without.
    #[serde(default)]
    pub pods: Vec<u32>,
    /// In the series with these labels; in all without.
    #[serde(default, rename = "where")]
    pub labels: BTreeMap<String, String>,
    /// When it begins.
    pub onset: Offset,
    /// How long it lasts; to the end without.
    #[serde(default)]
    pub lasts: Option<Positive>,
    /// How long it takes to come to its full size.
    #[serde(default)]
    pub ramp: Offset,
    /// The time from one onset to the next; once without.
    #[serde(default)]
    pub every: Option<Positive>,
    /// The level, or the median latency, as a multiple.
    #[serde(default)]
    pub factor: Option<f64>,
    /// What is added to a gauge.
    #[serde(default)]
    pub add: Option<f64>,
    /// The share of requests that fail.
    #[serde(default)]
    pub error_ratio: Option<Share>,
    /// The traffic as a multiple.
    #[serde(default)]
    pub traffic: Option<f64>,
}

/// Scrapes that are missing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Gap {
    /// Of which service; of all without.
    #[serde(default)]
    pub service: Option<Spanned<String>>,
    /// In which arm.
    #[serde(default)]
    pub arm: Which,
    /// In which replicas, from 0; in all without.
    #[serde(default)]
    pub pods: Vec<u32>,
    /// The first instant without a scrape.
    pub at: Offset,
    /// For how long; to the end without.
    #[serde(default)]
    pub lasts: Option<Positive>,
}

/// A pod that begins anew, its counters at zero.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Restart {
    /// Of which service; of all without.
    #[serde(default)]
    pub service: Option<Spanned<String>>,
    /// In which arm.
    #[serde(default)]
    pub arm: Which,
    /// In which replicas, from 0; in all without.
    #[serde(default)]
    pub pods: Vec<u32>,
    /// When it goes down.
    pub at: Offset,
    /// How long it is away.
    #[serde(default)]
    pub down: Offset,
    /// The time from one restart to the next; once without.
    #[serde(default)]
    pub every: Option<Positive>,
}

/// What goes wrong with the source of samples.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// From when on.
    pub at: Offset,
    /// For how long; to the end without.
    #[serde(default)]
    pub lasts: Option<Positive>,
    /// What it answers.
    pub answer: SourceAnswer,
}

/// What a faulty source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceAnswer {
    /// 503.
    Unavailable,
    /// 401: a token has expired.
    Unauthorized,
    /// No series at all.
    Empty,
    /// Every other series only, and a warning that says so.
    Partial,
}

/// What somebody does meanwhile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Happening {
    /// When.
    pub at: Offset,
    /// What.
    pub what: Deed,
    /// With `override`: the verdict.
    #[serde(default)]
    pub verdict: Option<VerdictWord>,
    /// With `override`, `cancel` and `freeze`: why.
    #[serde(default)]
    pub reason: String,
    /// With `freeze`: of which service; of all without.
    #[serde(default)]
    pub service: Option<Spanned<String>>,
    /// With `freeze`: how long; to the end without.
    #[serde(default)]
    pub lasts: Option<Positive>,
    /// With `step`: the share of traffic that is announced.
    #[serde(default)]
    pub share: Option<Share>,
}

/// What can be done to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deed {
    /// The daemon is killed and comes back with what its log holds.
    Kill,
    /// A person decides.
    Override,
    /// A person stops the analysis.
    Cancel,
    /// A freeze begins.
    Freeze,
    /// The controller announces another share of traffic.
    Step,
}

/// One analysis, and what is required of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RolloutSpec {
    /// The service.
    pub service: Spanned<String>,
    /// The file of its template, relative to the scenario.
    pub template: Spanned<String>,
    /// Values for the template's inputs; `service` is the service without.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Further matchers of both arms, such as `region="eu-2"`.
    #[serde(default)]
    pub scope: Option<Spanned<String>>,
    /// The share of traffic that is declared for the canary.
    #[serde(default)]
    pub traffic_share: Option<Share>,
    /// How long after the start it is submitted.
    #[serde(default)]
    pub after: Offset,
    /// Overrides the template's deadline.
    #[serde(default)]
    pub duration: Option<Positive>,
    /// It is only watched.
    #[serde(default)]
    pub shadow: bool,
    /// It supersedes deploys of the same service that are not resolved.
    #[serde(default)]
    pub supersedes: bool,
    /// The release it belongs to.
    #[serde(default)]
    pub release: Option<String>,
    /// Which wave of a deploy it is, from 1.
    #[serde(default)]
    pub wave: Option<u32>,
    /// What is required.
    pub expect: Expect,
}

/// What is required of an analysis.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// The verdict, or several of which each will do.
    pub verdict: Verdicts,
    /// The latest moment, counted from the start of the analysis.
    pub by: Positive,
    /// The earliest moment.
    #[serde(default)]
    pub not_before: Option<Positive>,
    /// What must hold it in the end.
    #[serde(default)]
    pub hold: Option<HoldWord>,
    /// What its sentence must name, such as a metric or `route=/pay`.
    #[serde(default)]
    pub names: Option<String>,
    /// The share of runs that may miss all this.
    #[serde(default = "error_rate")]
    pub error_rate_max: Share,
}

/// Arms by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Which {
    /// The baseline only.
    Baseline,
    /// The canary only.
    #[default]
    Canary,
    /// Both arms alike.
    Both,
}

impl Which {
    /// Whether the arm is meant.
    pub fn takes(self, canary: bool) -> bool {
        match self {
            Self::Both => true,
            Self::Canary => canary,
            Self::Baseline => !canary,
        }
    }
}

/// A length of time above 0 as written (`15s`).
#[derive(Clone, Copy, Debug)]
pub struct Positive(pub Span);

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Offset(span) = Offset::deserialize(deserializer)?;
        if span == Span::ZERO {
            return Err(D::Error::custom(
                "`0s` is too short, write a length of time above 0 such as `15s`",
            ));
        }
        Ok(Self(span))
    }
}

/// A length of time from the start on, 0 included.
#[derive(Clone, Copy, Debug)]
pub struct Offset(pub Span);

impl Default for Offset {
    fn default() -> Self {
        Self(Span::ZERO)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text).map(Self).ok_or_else(|| {
            let message = format!("`{text}` is no length of time, write `15s`, `10m` or `1h30m`");
            D::Error::custom(message)
        })
    }
}

/// An instant as written (RFC 3339).
#[derive(Clone, Copy, Debug)]
pub struct Instant(pub Timestamp);

impl Default for Instant {
    fn default() -> Self {
        Self(Timestamp::parse(START).expect("the constant is an instant"))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = Timestamp::parse(&text).map(Self);
        parsed.ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no instant, write it as `{START}`"))
        })
    }
}

/// A share, 0 to 1, as written: `2%` or `0.02`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(pub f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShareVisitor)
    }
}

struct ShareVisitor;

impl Visitor<'_> for ShareVisitor {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share from 0 to 1, such as `2%` or `0.02`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Share, E> {
        let number = match text.strip_suffix('%') {
            Some(digits) => format!("{}e-2", digits.trim()).parse::<f64>(),
            None => text.parse(),
        };
        let inside = number.ok().filter(|share| (0.0..=1.0).contains(share));
        inside.map(Share).ok_or_else(|| {
            E::custom(format!(
                "`{text}` is no share from 0 to 1, write it as `2%` or `0.02`"
            ))
        })
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Share, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Share, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Share, E> {
        self.visit_str(&value.to_string())
    }
}

fn track() -> String {
    "track".to_owned()
}

fn stable() -> String {
    "stable".to_owned()
}

fn canary() -> String {
    "canary".to_owned()
}

const fn one_replica() -> u32 {
    1
}

const fn one() -> f64 {
    1.0
}

const fn error_rate() -> Share {
    Share(ERROR_RATE)
}
