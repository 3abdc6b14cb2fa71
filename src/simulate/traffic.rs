//! A scenario as a source: answers the queries of a plan the way a Prometheus would.

use crate::plan::{Part, Slot};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::simulate::incident::{Outages, Troubles, Where, since};
use crate::simulate::noise::Noise;
use crate::simulate::read::{CORRELATION_MAX, read};
use crate::simulate::scenario::{Daily, Gauge, Latency, Requests, Scenario, Service};
use crate::simulate::selector::Selector;
use crate::time::{Span, Step, Timestamp};
use std::collections::BTreeSet;

/// Counters begin anew each day (UTC): long enough for any demo, and a counter reset for free.
const DAY_MS: i64 = 86_400_000;

/// Simulated traffic.
#[derive(Clone, Debug)]
pub struct Traffic {
    scenario: Scenario,
    seed: u64,
    /// When all counters began; each day anew without.
    born: Option<Timestamp>,
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
    /// When the canary's version came: before it both populations ran the same. Times of incidents
    /// are counted from here.
    pub changed_at: Timestamp,
}

/// What kind of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A value.
    Gauge,
    /// A counter.
    Counter,
    /// Classic buckets.
    Histogram,
}

/// One replica of one arm: what a Prometheus scrapes as one target.
#[derive(Clone, Debug)]
pub struct Replica<'a> {
    service: &'a Service,
    canary: bool,
    number: u32,
    /// Its name, when its arm has several.
    pod: Option<String>,
}

impl Traffic {
    /// Reads a scenario; the error has every fault, each with its place.
    ///
    /// # Errors
    /// See [`read`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario = read(text).map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })?;
        let seed = scenario.spec.seed;
        Ok(Self {
            scenario,
            seed,
            born: None,
        })
    }

    /// The traffic of a scenario under another seed, all of whose counters begin at `born`.
    pub fn born_at(scenario: Scenario, seed: u64, born: Timestamp) -> Self {
        Self {
            scenario,
            seed,
            born: Some(born),
        }
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Answers one query of a plan: grid queries with one value per step in `[start, end]`, raw
    /// ones with the scrapes in `(start, end]`.
    ///
    /// # Errors
    /// A query without a readable selector.
    pub fn answer(&self, slot: Slot, query: &str, window: Window) -> Result<Answer, String> {
        let mut series = Vec::new();
        for selector in &Selector::find_all(query)? {
            for replica in &self.replicas() {
                if slot.part == Part::Grid {
                    self.gauges(replica, selector, window, &mut series);
                } else {
                    self.counters(replica, selector, window, &mut series);
                }
            }
        }
        Ok(Answer {
            series,
            ..Answer::default()
        })
    }

    /// The families of metrics, by name: a histogram's without `_bucket`.
    pub fn families(&self) -> BTreeSet<(String, Kind)> {
        let mut out = BTreeSet::new();
        for service in &self.scenario.spec.services {
            for gauge in &service.gauges {
                out.insert((gauge.metric.clone(), Kind::Gauge));
            }
            for requests in &service.requests {
                out.insert((requests.metric.clone(), Kind::Counter));
                if let Some(latency) = &requests.latency {
                    out.insert((latency.metric.clone(), Kind::Histogram));
                }
            }
        }
        out
    }

    /// All series of a family of one replica: the scrapes in `(start, end]`.
    pub fn family(
        &self,
        (name, kind): (&str, Kind),
        replica: &Replica<'_>,
        window: Window,
    ) -> Vec<RawSeries> {
        let mut out = Vec::new();
        match kind {
            Kind::Gauge => {
                let start = Timestamp::from_ms(window.start.ms().saturating_add(1));
                let window = Window { start, ..window };
                self.gauges(replica, &Selector::all(name), window, &mut out);
            }
            Kind::Counter => self.counters(replica, &Selector::all(name), window, &mut out),
            Kind::Histogram => {
                let buckets = format!("{name}_bucket");
                self.counters(replica, &Selector::all(&buckets), window, &mut out);
            }
        }
        out
    }

    /// Whether a replica can be scraped at an instant.
    pub fn is_up(&self, replica: &Replica<'_>, at: Timestamp, start: Timestamp) -> bool {
        let outages = Outages::of(&self.scenario.spec, replica.place());
        !outages.is_dark(since(self.scraped(at), start))
    }

    /// Baseline and canary of every service, replica by replica.
    pub fn replicas(&self) -> Vec<Replica<'_>> {
        let services = self.scenario.spec.services.iter();
        services.flat_map(replicas).collect()
    }

    /// The last scrape up to an instant.
    fn scraped(&self, at: Timestamp) -> Timestamp {
        let scrape = Step::new(self.scenario.spec.scrape.0);
        scrape.map_or(at, |scrape| at.align_down(scrape))
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
            let labels = replica.labels(&gauge.labels);
            if !selector.selects(&labels) {
                continue;
            }
            let outages = Outages::of(&self.scenario.spec, replica.place());
            let wave = self.wave(replica, gauge, &labels);
            // A daemon's source has a value at each point of whatever grid it is asked for; where a
            // Prometheus must show the same, it has one at each scrape.
            let every = match self.born {
                Some(_) => self.scenario.spec.scrape.0,
                None => window.step.span(),
            };
            let mut samples = Vec::new();
            let mut at = window.start.align_up(window.step);
            while at <= window.end {
                let scraped = Step::new(every).map_or(at, |every| at.align_down(every));
                let since = since(scraped, window.changed_at);
                if !outages.is_dark(since) {
                    let value = wave.at(scraped, since, every);
                    samples.push(Sample { at, value });
                }
                at = at.plus(window.step.span());
            }
            push(labels, samples, out);
        }
    }

    fn wave<'a>(&'a self, replica: &Replica<'_>, gauge: &'a Gauge, labels: &Labels) -> Wave<'a> {
        let extra = &gauge.labels;
        let noise = replica.noise(self.seed, &[&gauge.metric], extra);
        let lasting = replica.noise(self.seed, &[&gauge.metric, "lasting"], extra);
        let own = (1.0 + gauge.spread.0 * lasting.normal(0)).max(0.0);
        Wave {
            gauge,
            noise,
            canary: replica.canary,
            own: own * if replica.canary { gauge.offset } else { 1.0 },
            troubles: Troubles::of(&self.scenario.spec, &gauge.metric, labels, replica.place()),
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
            let latency = requests
                .latency
                .as_ref()
                .filter(|l| selector.metric.strip_suffix("_bucket") == Some(&l.metric));
            let (label, values) = match latency {
                Some(latency) => ("le", bounds(latency)),
                None if requests.metric == selector.metric => {
                    ("code", vec!["200".to_owned(), "500".to_owned()])
                }
                None => continue,
            };
            let labelled = |value: &String| {
                let mut labels = replica.labels(&requests.labels);
                labels.insert(label.to_owned(), value.clone());
                labels
            };
            let labels: Vec<Labels> = values.iter().map(labelled).collect();
            if !labels.iter().any(|labels| selector.selects(labels)) {
                continue;
            }
            let flow = self.flow(replica, requests, latency, &values);
            let samples = self.totals(&flow, replica, window);
            for (labels, samples) in labels.into_iter().zip(samples) {
                if selector.selects(&labels) {
                    push(labels, samples, out);
                }
            }
        }
    }

    fn flow<'a>(
        &'a self,
        replica: &Replica<'a>,
        requests: &'a Requests,
        latency: Option<&'a Latency>,
        values: &[String],
    ) -> Flow<'a> {
        let (spec, seed) = (&self.scenario.spec, self.seed);
        let (metric, extra) = (&requests.metric, &requests.labels);
        let labels = replica.labels(extra);
        let share = if replica.canary {
            requests.canary_share.0
        } else {
            1.0 - requests.canary_share.0
        };
        let troubles = |metric: &str| Troubles::of(spec, metric, &labels, replica.place());
        Flow {
            requests,
            latency,
            canary: replica.canary,
            daily: replica.service.daily.as_ref(),
            rate: requests.per_second * share / f64::from(replica.of()),
            load: replica.noise(seed, &[metric, "load"], extra),
            streams: values
                .iter()
                .map(|value| replica.noise(seed, &[metric, value], extra))
                .collect(),
            slow: latency.map(|latency| troubles(&latency.metric)),
            troubles: troubles(metric),
        }
    }

    /// The totals of all streams of a flow at the scrapes in `(start, end]`; those of buckets hold
    /// all below, so buckets never disagree with one another.
    fn totals(&self, flow: &Flow<'_>, replica: &Replica<'_>, window: Window) -> Vec<Vec<Sample>> {
        let scrape = self.scenario.spec.scrape.0;
        let outages = Outages::of(&self.scenario.spec, replica.place());
        let streams = flow.streams.len();
        let (mut totals, mut out) = (vec![0.0; streams], vec![Vec::new(); streams]);
        let mut at = self.scraped(match self.born {
            Some(born) => born,
            None => Timestamp::from_ms(window.start.ms().div_euclid(DAY_MS) * DAY_MS),
        });
        while at <= window.end {
            let since = since(at, window.changed_at);
            let new_day = self.born.is_none() && at.ms().rem_euclid(DAY_MS) < scrape.ms();
            if new_day || outages.is_reset(since, scrape) {
                totals.fill(0.0);
            }
            if !outages.is_down(since) {
                // What is counted at a scrape happened before it.
                flow.add(at, since - 1, scrape, &mut totals);
            }
            if at > window.start && !outages.is_dark(since) {
                let mut below = 0.0;
                for (total, samples) in totals.iter().zip(&mut out) {
                    below = total + if flow.latency.is_some() { below } else { 0.0 };
                    samples.push(Sample { at, value: below });
                }
            }
            at = at.plus(scrape);
        }
        out
    }
}

/// A series nobody ever scraped is none.
fn push(labels: Labels, samples: Vec<Sample>, out: &mut Vec<RawSeries>) {
    if !samples.is_empty() {
        out.push(RawSeries { labels, samples });
    }
}

/// A gauge of one replica.
struct Wave<'a> {
    gauge: &'a Gauge,
    noise: Noise,
    canary: bool,
    own: f64,
    troubles: Troubles<'a>,
}

impl Wave<'_> {
    fn at(&self, at: Timestamp, since: i64, scrape: Span) -> f64 {
        let gauge = self.gauge;
        let changed = self.canary && since >= 0;
        let factor = if changed { gauge.canary_factor } else { 1.0 };
        let rho = gauge.autocorrelation.0.clamp(0.0, CORRELATION_MAX);
        let shock = self.noise.correlated(index(at, scrape), rho);
        let level = gauge.level * factor * self.troubles.factor(since);
        let value = self.own * level * (1.0 + gauge.noise.0 * shock);
        (value + self.troubles.added(since)).max(0.0)
    }
}

/// The requests of one replica, counted by status or by latency.
struct Flow<'a> {
    requests: &'a Requests,
    latency: Option<&'a Latency>,
    canary: bool,
    daily: Option<&'a Daily>,
    /// Requests per second.
    rate: f64,
    load: Noise,
    streams: Vec<Noise>,
    troubles: Troubles<'a>,
    /// Those of the histogram.
    slow: Option<Troubles<'a>>,
}

impl Flow<'_> {
    /// Adds what came in the scrape interval that ends at `at`; each slice is a Poisson stream of
    /// its own.
    fn add(&self, at: Timestamp, since: i64, scrape: Span, totals: &mut [f64]) {
        let idx = index(at, scrape);
        let mut mean = self.rate * scrape.seconds() * self.troubles.traffic(since);
        mean *= self.daily.map_or(1.0, |daily| level_of_day(daily, at));
        if self.requests.noise.0 > 0.0 {
            let rho = self.requests.autocorrelation.0.clamp(0.0, CORRELATION_MAX);
            let shock = self.load.correlated(idx, rho);
            mean *= (1.0 + self.requests.noise.0 * shock).max(0.0);
        }
        let slices = self.slices(since);
        for ((total, noise), share) in totals.iter_mut().zip(&self.streams).zip(slices) {
            *total += noise.poisson(idx, mean * share);
        }
    }

    /// The share of requests in each stream.
    fn slices(&self, since: i64) -> Vec<f64> {
        let changed = self.canary && since >= 0;
        let Some(latency) = self.latency else {
            let own = self.requests.canary_error_ratio.filter(|_| changed);
            let usual = own.unwrap_or(self.requests.error_ratio).0;
            let bad = self.troubles.error_ratio(since, usual).clamp(0.0, 1.0);
            return vec![1.0 - bad, bad];
        };
        let factor = if changed { latency.canary_factor } else { 1.0 };
        let slow = self.slow.as_ref().map_or(1.0, |slow| slow.factor(since));
        let median = latency.median * factor * slow;
        let below = |bound: &f64| {
            let z = libm::log(bound / median) / latency.sigma;
            0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
        };
        let mut last = 0.0;
        let bounds = latency.bounds.iter().map(below).chain([1.0]);
        bounds
            .map(|below| {
                let slice = (below - last).max(0.0);
                last = below;
                slice
            })
            .collect()
    }
}

/// Which scrape an instant belongs to.
fn index(at: Timestamp, scrape: Span) -> u64 {
    u64::try_from(at.ms().div_euclid(scrape.ms())).unwrap_or(0)
}

fn level_of_day(daily: &Daily, at: Timestamp) -> f64 {
    let phase = (at.ms() - daily.peak.0.ms()).rem_euclid(DAY_MS) as f64 / DAY_MS as f64;
    1.0 + daily.amplitude.0 * libm::cos(std::f64::consts::TAU * phase)
}

/// The values of `le`, `+Inf` last.
fn bounds(latency: &Latency) -> Vec<String> {
    let written = latency.bounds.iter().map(ToString::to_string);
    written.chain(["+Inf".to_owned()]).collect()
}

impl Replica<'_> {
    /// The labels of the target: what all its series have.
    pub fn target_labels(&self) -> Labels {
        let service = self.service;
        let arm = if self.canary {
            &service.canary
        } else {
            &service.baseline
        };
        let mut labels = service.labels.clone();
        labels.insert("service".to_owned(), service.name.clone());
        labels.insert(service.arm_label.clone(), arm.clone());
        if let Some(pod) = &self.pod {
            labels.insert("pod".to_owned(), pod.clone());
        }
        labels
    }

    fn labels(&self, extra: &Labels) -> Labels {
        let mut labels = self.target_labels();
        labels.extend(extra.clone());
        labels
    }

    /// How many replicas its arm has.
    fn of(&self) -> u32 {
        let service = self.service;
        let canaries = service.canary_replicas.filter(|_| self.canary);
        canaries.unwrap_or(service.replicas).max(1)
    }

    fn place(&self) -> Where<'_> {
        Where {
            service: &self.service.name,
            canary: self.canary,
            pod: self.number,
        }
    }

    /// Its own source of chance for one purpose.
    fn noise(&self, seed: u64, purpose: &[&str], extra: &Labels) -> Noise {
        let (metric, rest) = purpose.split_first().unwrap_or((&"", &[]));
        let arm = if self.canary { "canary" } else { "baseline" };
        let mut names = vec![self.service.name.as_str(), metric, arm];
        names.extend(rest);
        names.extend(self.pod.as_deref());
        let labels = self.service.labels.iter().chain(extra);
        names.extend(labels.flat_map(|(name, value)| [name.as_str(), value.as_str()]));
        Noise::new(seed, &names)
    }
}

/// Baseline and canary, replica by replica.
fn replicas(service: &Service) -> Vec<Replica<'_>> {
    let canaries = service.canary_replicas.unwrap_or(service.replicas).max(1);
    let stables = service.replicas.max(1);
    let several = stables.max(canaries) > 1;
    let replica = |canary: bool, number: u32| {
        let arm = if canary {
            &service.canary
        } else {
            &service.baseline
        };
        Replica {
            service,
            canary,
            number,
            pod: several.then(|| format!("{arm}-{number}")),
        }
    };
    let both = (0..stables.max(canaries)).flat_map(|number| {
        let stable = (number < stables).then(|| replica(false, number));
        let canary = (number < canaries).then(|| replica(true, number));
        [stable, canary]
    });
    both.flatten().collect()
}
