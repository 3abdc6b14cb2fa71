//! A scenario as a source: answers the queries of a plan the way a Prometheus would.

use crate::plan::{Part, Slot};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::simulate::noise::Noise;
use crate::simulate::scenario::{Gauge, Latency, Requests, Scenario, Service};
use crate::simulate::selector::Selector;
use crate::time::{Span, Step, Timestamp};

/// Counters begin anew each day (UTC): long enough for any demo, and a counter reset for free.
const COUNTER_LIFE_MS: i64 = 86_400_000;

/// Replicas of each arm of a service; a scenario with more is refused: every query makes all their
/// samples anew.
const REPLICAS_MAX: u32 = 100;

/// Simulated traffic.
#[derive(Clone, Debug)]
pub struct Traffic {
    scenario: Scenario,
}

/// One counter series: labels, and the Poisson streams it counts together.
struct Counter {
    labels: Labels,
    streams: Vec<Stream>,
}

/// A Poisson stream of events: a source of chance, and rates per second before and after the
/// canary's version came.
#[derive(Clone, Copy)]
struct Stream {
    noise: Noise,
    before: f64,
    after: f64,
}

/// Which part of the traffic a query asks for.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Where it begins: the first instant of grid queries, the instant before the first of raw
    /// ones.
    pub start: Timestamp,
    /// The last instant.
    pub end: Timestamp,
    /// The distance between grid points.
    pub step: Step,
    /// When the canary's version came: before it both populations ran the same.
    pub changed_at: Timestamp,
}

/// One replica of one arm.
struct Replica<'a> {
    service: &'a Service,
    canary: bool,
    /// Its name, when its arm has several.
    pod: Option<String>,
}

impl Traffic {
    /// Reads a scenario; the error names the place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario: Scenario = serde_saphyr::from_str(text).map_err(|fault| fault.to_string())?;
        if scenario.api_version != "haldane/v1" || scenario.kind != "Scenario" {
            return Err("apiVersion must be haldane/v1 and kind Scenario".to_owned());
        }
        for service in &scenario.spec.services {
            if !["promote", "rollback", "inconclusive"].contains(&service.truth.as_str()) {
                return Err(format!(
                    "service {}: truth `{}` is none of promote, rollback, inconclusive",
                    service.name, service.truth
                ));
            }
            if service.replicas > REPLICAS_MAX {
                return Err(format!(
                    "service {}: {} replicas, the limit is {REPLICAS_MAX}",
                    service.name, service.replicas
                ));
            }
        }
        Ok(Self { scenario })
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Answers one query of a plan: grid queries with one value per step in `[start, end]`, raw
    /// ones with the scrapes in `(start, end]`.
    pub fn answer(&self, slot: Slot, query: &str, window: Window) -> Result<Answer, String> {
        let selectors = Selector::find_all(query)?;
        let mut series = Vec::new();
        for service in &self.scenario.spec.services {
            for selector in &selectors {
                for replica in replicas(service) {
                    if slot.part == Part::Grid {
                        self.gauges(&replica, selector, window, &mut series);
                    } else {
                        self.counters(&replica, selector, window, &mut series);
                    }
                }
            }
        }
        Ok(Answer {
            series,
            ..Answer::default()
        })
    }

    fn gauges(
        &self,
        replica: &Replica<'_>,
        selector: &Selector,
        window: Window,
        out: &mut Vec<RawSeries>,
    ) {
        let gauges = replica.service.gauges.iter();
        for gauge in gauges.filter(|gauge| gauge.metric == selector.metric) {
            let labels = replica.labels();
            if !selector.selects(&labels) {
                continue;
            }
            let noise = replica.noise(self.scenario.spec.seed, &[&gauge.metric]);
            let lasting = replica.noise(self.scenario.spec.seed, &[&gauge.metric, "lasting"]);
            let level = (1.0 + gauge.spread * lasting.normal(0)).max(0.0);
            let level = level * if replica.canary { gauge.offset } else { 1.0 };
            let mut samples = Vec::new();
            let mut at = window.start.align_up(window.step);
            while at <= window.end {
                let changed = replica.canary && at >= window.changed_at;
                samples.push(Sample {
                    at,
                    value: level * gauge_value(gauge, noise, changed, at, window.step),
                });
                at = at.plus(window.step.span());
            }
            out.push(RawSeries { labels, samples });
        }
    }

    fn counters(
        &self,
        replica: &Replica<'_>,
        selector: &Selector,
        window: Window,
        out: &mut Vec<RawSeries>,
    ) {
        for requests in &replica.service.requests {
            for counter in self.counters_of(replica, requests, &selector.metric) {
                if selector.selects(&counter.labels) {
                    let samples = counter.samples(self.scenario.spec.scrape.0, window);
                    out.push(RawSeries {
                        labels: counter.labels,
                        samples,
                    });
                }
            }
        }
    }

    /// The counters that `metric` has on one replica.
    fn counters_of(
        &self,
        replica: &Replica<'_>,
        requests: &Requests,
        metric: &str,
    ) -> Vec<Counter> {
        let canary = replica.canary;
        let share = if canary {
            requests.canary_share
        } else {
            1.0 - requests.canary_share
        };
        let rate = requests.per_second * share / f64::from(replica.service.replicas.max(1));
        let seed = self.scenario.spec.seed;
        let stream = |value: &str, before: f64, after: f64| Stream {
            noise: replica.noise(seed, &[&requests.metric, value]),
            before: rate * before,
            after: rate * after,
        };
        let labelled = |label: &str, value: &str, streams: Vec<Stream>| {
            let mut labels = replica.labels();
            labels.insert(label.to_owned(), value.to_owned());
            Counter { labels, streams }
        };
        if requests.metric == metric {
            let before = requests.error_ratio;
            let after = if canary {
                requests.canary_error_ratio
            } else {
                before
            };
            let good = stream("200", 1.0 - before, 1.0 - after);
            return vec![
                labelled("code", "200", vec![good]),
                labelled("code", "500", vec![stream("500", before, after)]),
            ];
        }
        let buckets = requests
            .latency
            .as_ref()
            .filter(|l| metric.strip_suffix("_bucket") == Some(&l.metric));
        let Some(latency) = buckets else {
            return Vec::new();
        };
        // Each slice between two bounds is a stream of its own; a bucket counts all slices up to
        // its bound, so buckets never disagree with one another.
        let mut streams: Vec<Stream> = Vec::new();
        let (mut below, mut below_after) = (0.0, 0.0);
        let mut out = Vec::new();
        let both = cumulative(latency, false).into_iter();
        for ((bound, before), (_, after)) in both.zip(cumulative(latency, canary)) {
            let slices = ((before - below).max(0.0), (after - below_after).max(0.0));
            streams.push(stream(&bound, slices.0, slices.1));
            (below, below_after) = (before, after);
            out.push(labelled("le", &bound, streams.clone()));
        }
        out
    }
}

impl Replica<'_> {
    fn labels(&self) -> Labels {
        let mut labels = arm_labels(self.service, self.canary);
        if let Some(pod) = &self.pod {
            labels.insert("pod".to_owned(), pod.clone());
        }
        labels
    }

    /// Its own source of chance for one purpose.
    fn noise(&self, seed: u64, purpose: &[&str]) -> Noise {
        let (metric, rest) = purpose.split_first().unwrap_or((&"", &[]));
        let arm = if self.canary { "canary" } else { "baseline" };
        let mut names = vec![self.service.name.as_str(), metric, arm];
        names.extend(rest);
        names.extend(self.pod.as_deref());
        Noise::new(seed, &names)
    }
}

/// Baseline and canary, replica by replica.
fn replicas(service: &Service) -> Vec<Replica<'_>> {
    let replica = |canary: bool, idx: u32| {
        let arm = if canary {
            &service.canary
        } else {
            &service.baseline
        };
        Replica {
            service,
            canary,
            pod: (service.replicas > 1).then(|| format!("{arm}-{idx}")),
        }
    };
    (0..service.replicas.max(1))
        .flat_map(|idx| [replica(false, idx), replica(true, idx)])
        .collect()
}

impl Counter {
    /// The scrapes in `(start, end]`.
    fn samples(&self, scrape: Span, window: Window) -> Vec<Sample> {
        let (start, end) = (window.start, window.end);
        let (seconds, scrape) = (scrape.seconds(), scrape.ms());
        let first_day = start.ms().div_euclid(COUNTER_LIFE_MS);
        let last_day = end.ms().div_euclid(COUNTER_LIFE_MS);
        let mut out = Vec::new();
        for day in first_day..=last_day {
            let (mut total, mut at) = (0.0, day * COUNTER_LIFE_MS);
            let day_end = (day + 1) * COUNTER_LIFE_MS;
            while at < day_end && at <= end.ms() {
                let idx = u64::try_from(at.div_euclid(scrape)).unwrap_or(0);
                let changed = at > window.changed_at.ms();
                for stream in &self.streams {
                    let rate = if changed { stream.after } else { stream.before };
                    total += stream.noise.poisson(idx, rate * seconds);
                }
                if at > start.ms() {
                    out.push(Sample {
                        at: Timestamp::from_ms(at),
                        value: total,
                    });
                }
                at += scrape;
            }
        }
        out
    }
}

fn arm_labels(service: &Service, canary: bool) -> Labels {
    let arm = if canary {
        &service.canary
    } else {
        &service.baseline
    };
    [
        ("service".to_owned(), service.name.clone()),
        (service.arm_label.clone(), arm.clone()),
    ]
    .into()
}

fn gauge_value(gauge: &Gauge, noise: Noise, changed: bool, at: Timestamp, step: Step) -> f64 {
    let idx = u64::try_from(at.ms().div_euclid(step.span().ms())).unwrap_or(0);
    let factor = if changed { gauge.canary_factor } else { 1.0 };
    let shock = noise.correlated(idx, gauge.autocorrelation.clamp(0.0, 0.95));
    (gauge.level * factor * (1.0 + gauge.noise * shock)).max(0.0)
}

/// `le` and the share of requests at or below it, `+Inf` last.
fn cumulative(latency: &Latency, canary: bool) -> Vec<(String, f64)> {
    let median = latency.median * if canary { latency.canary_factor } else { 1.0 };
    let mut out: Vec<(String, f64)> = latency
        .bounds
        .iter()
        .map(|bound| {
            let z = libm::log(bound / median) / latency.sigma;
            (
                bound.to_string(),
                0.5 * libm::erfc(-z / std::f64::consts::SQRT_2),
            )
        })
        .collect();
    out.push(("+Inf".to_owned(), 1.0));
    out
}
