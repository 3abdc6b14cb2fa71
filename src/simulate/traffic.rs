//! A scenario as a source: answers the queries of a plan the way a Prometheus would.

use crate::plan::{Part, Slot};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::simulate::noise::Noise;
use crate::simulate::scenario::{Gauge, Latency, Requests, Scenario, Service};
use crate::simulate::selector::Selector;
use crate::time::{Span, Step, Timestamp};

/// Counters begin anew each day (UTC): long enough for any demo, and a counter reset for free.
const COUNTER_LIFE_MS: i64 = 86_400_000;

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

/// A Poisson stream of events: a source of chance and a rate per second.
#[derive(Clone, Copy)]
struct Stream {
    noise: Noise,
    per_second: f64,
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
        }
        Ok(Self { scenario })
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Answers one query of a plan: grid queries with one value per step in `[start, end]`, raw
    /// ones with the scrapes in `(start, end]`.
    pub fn answer(
        &self,
        slot: Slot,
        query: &str,
        step: Step,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Answer, String> {
        let selectors = Selector::find_all(query)?;
        let mut series = Vec::new();
        for service in &self.scenario.spec.services {
            for selector in &selectors {
                if slot.part == Part::Grid {
                    self.gauges(service, selector, (step, start, end), &mut series);
                } else {
                    self.counters(service, selector, (start, end), &mut series);
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
        service: &Service,
        selector: &Selector,
        (step, start, end): (Step, Timestamp, Timestamp),
        out: &mut Vec<RawSeries>,
    ) {
        for gauge in service
            .gauges
            .iter()
            .filter(|gauge| gauge.metric == selector.metric)
        {
            for canary in [false, true] {
                let labels = arm_labels(service, canary);
                if !selector.selects(&labels) {
                    continue;
                }
                let arm = if canary { "canary" } else { "baseline" };
                let noise = Noise::new(
                    self.scenario.spec.seed,
                    &[&service.name, &gauge.metric, arm],
                );
                let mut samples = Vec::new();
                let mut at = start.align_up(step);
                while at <= end {
                    samples.push(Sample {
                        at,
                        value: gauge_value(gauge, noise, canary, at, step),
                    });
                    at = at.plus(step.span());
                }
                out.push(RawSeries { labels, samples });
            }
        }
    }

    fn counters(
        &self,
        service: &Service,
        selector: &Selector,
        (start, end): (Timestamp, Timestamp),
        out: &mut Vec<RawSeries>,
    ) {
        for requests in &service.requests {
            for canary in [false, true] {
                for counter in self.counters_of(service, requests, canary, &selector.metric) {
                    if selector.selects(&counter.labels) {
                        let samples = counter.samples(self.scenario.spec.scrape.0, start, end);
                        out.push(RawSeries {
                            labels: counter.labels,
                            samples,
                        });
                    }
                }
            }
        }
    }

    /// The counters that `metric` has on one arm.
    fn counters_of(
        &self,
        service: &Service,
        requests: &Requests,
        canary: bool,
        metric: &str,
    ) -> Vec<Counter> {
        let share = if canary {
            requests.canary_share
        } else {
            1.0 - requests.canary_share
        };
        let rate = requests.per_second * share;
        let seed = self.scenario.spec.seed;
        let arm = if canary { "canary" } else { "baseline" };
        let stream = |value: &str, per_second: f64| Stream {
            noise: Noise::new(seed, &[&service.name, &requests.metric, arm, value]),
            per_second,
        };
        let labelled = |label: &str, value: &str, streams: Vec<Stream>| {
            let mut labels = arm_labels(service, canary);
            labels.insert(label.to_owned(), value.to_owned());
            Counter { labels, streams }
        };
        if requests.metric == metric {
            let bad = if canary {
                requests.canary_error_ratio
            } else {
                requests.error_ratio
            };
            return vec![
                labelled("code", "200", vec![stream("200", rate * (1.0 - bad))]),
                labelled("code", "500", vec![stream("500", rate * bad)]),
            ];
        }
        let buckets = requests
            .latency
            .as_ref()
            .filter(|l| metric.strip_suffix("_bucket") == Some(&l.metric));
        // Each slice between two bounds is a stream of its own; a bucket counts all slices up to
        // its bound, so buckets never disagree with one another.
        let mut streams: Vec<Stream> = Vec::new();
        let mut below = 0.0;
        let mut out = Vec::new();
        for (bound, share) in buckets.map(|l| cumulative(l, canary)).unwrap_or_default() {
            streams.push(stream(&bound, rate * (share - below).max(0.0)));
            below = share;
            out.push(labelled("le", &bound, streams.clone()));
        }
        out
    }
}

impl Counter {
    /// The scrapes in `(start, end]`.
    fn samples(&self, scrape: Span, start: Timestamp, end: Timestamp) -> Vec<Sample> {
        let (seconds, scrape) = (scrape.seconds(), scrape.ms());
        let first_day = start.ms().div_euclid(COUNTER_LIFE_MS);
        let last_day = end.ms().div_euclid(COUNTER_LIFE_MS);
        let mut out = Vec::new();
        for day in first_day..=last_day {
            let (mut total, mut at) = (0.0, day * COUNTER_LIFE_MS);
            let day_end = (day + 1) * COUNTER_LIFE_MS;
            while at < day_end && at <= end.ms() {
                let idx = u64::try_from(at.div_euclid(scrape)).unwrap_or(0);
                for stream in &self.streams {
                    total += stream.noise.poisson(idx, stream.per_second * seconds);
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

fn gauge_value(gauge: &Gauge, noise: Noise, canary: bool, at: Timestamp, step: Step) -> f64 {
    let idx = u64::try_from(at.ms().div_euclid(step.span().ms())).unwrap_or(0);
    let factor = if canary { gauge.canary_factor } else { 1.0 };
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
