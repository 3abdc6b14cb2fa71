//! Scenario files (`simulations/*.yaml`): services, their metrics, and what the canary does
//! differently.

use crate::time::Span;
use serde::Deserialize;

/// A scenario as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// `haldane/v1`.
    pub api_version: String,
    /// `Scenario`.
    pub kind: String,
    /// Name and description.
    pub metadata: Metadata,
    /// The traffic.
    pub spec: Spec,
}

/// Name and description.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// What it shows.
    #[serde(default)]
    pub description: String,
}

/// The traffic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The same seed gives the same traffic.
    pub seed: u64,
    /// The distance between samples of counters.
    pub scrape: SpanText,
    /// The services.
    pub services: Vec<Service>,
}

/// One service with both arms.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The value of the label `service`.
    pub name: String,
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
    /// What is true of the canary: the verdict a perfect judge would give.
    pub truth: String,
    /// Values on a grid.
    #[serde(default)]
    pub gauges: Vec<Gauge>,
    /// Requests counted by status.
    #[serde(default)]
    pub requests: Vec<Requests>,
}

/// A value with noise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gauge {
    /// The metric's name.
    pub metric: String,
    /// The baseline's level.
    pub level: f64,
    /// Standard deviation as a share of the level.
    #[serde(default)]
    pub noise: f64,
    /// Correlation between neighbouring grid points, 0 ..= 0.95.
    #[serde(default)]
    pub autocorrelation: f64,
    /// The canary's level as a multiple of the baseline's, from the start of an analysis on.
    #[serde(default = "one")]
    pub canary_factor: f64,
    /// The level of the canary's population as a multiple of the baseline's with any version: older
    /// machines, another zone.
    #[serde(default = "one")]
    pub offset: f64,
    /// Standard deviation of the lasting levels of replicas, as a share of the level.
    #[serde(default)]
    pub spread: f64,
}

/// Counters of requests with a label `code`, and latency buckets with a label `le`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// The counter's name.
    pub metric: String,
    /// Requests per second of both arms together.
    pub per_second: f64,
    /// The canary's share of them.
    pub canary_share: f64,
    /// The share of requests that fail with 500.
    pub error_ratio: f64,
    /// The same on the canary, from the start of an analysis on.
    pub canary_error_ratio: f64,
    /// A histogram of latencies beside the counter.
    pub latency: Option<Latency>,
}

/// Lognormal latencies counted into buckets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// A length of time as written (`15s`).
#[derive(Clone, Copy, Debug)]
pub struct SpanText(pub Span);

impl<'de> Deserialize<'de> for SpanText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text)
            .filter(|span| *span > Span::ZERO)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no length of time")))
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
