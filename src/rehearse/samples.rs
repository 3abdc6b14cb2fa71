//! Data of a test to what a source would answer. Queries are not evaluated: the data stand for what
//! each of them answers, with a label `arm` that tells baseline from canary.
//!
//! Every number is a function of the seed, the metric, the arm, the series and the place in time,
//! so nothing depends on what else is in the test.

use crate::engine::effect::first_from;
use crate::plan::{ARM_MARK, MetricPlan, Part, Plan, Queries, Slot};
use crate::rehearse::pieces::{Pieces, Point, Unit, steps};
use crate::rehearse::spec::{ArmData, Before, Flow, Line, MetricData};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::simulate::noise::Noise;
use crate::time::{Step, Timestamp};
use std::collections::BTreeMap;

/// The label that tells the arms of a test apart.
pub const ARM_LABEL: &str = "arm";

/// The label that tells several series of an arm apart where nothing else does.
const REPLICA_LABEL: &str = "replica";

/// The place of the start in a stream of chance: what was before has places of its own.
const START_IDX: u64 = 1 << 40;

/// The bounds of a histogram of which a test says none: those of Prometheus' client libraries.
pub const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Data of a metric with the distance between its values.
pub type Material = BTreeMap<String, (MetricData, Step)>;

/// Everything the queries of a plan can ever answer.
pub fn answers(plan: &Plan, material: &Material, seed: u64) -> Vec<(Slot, Answer)> {
    let mut out: Vec<(Slot, Answer)> = plan
        .queries()
        .into_iter()
        .map(|(slot, _)| (slot, Answer::default()))
        .collect();
    for (metric_idx, metric) in plan.metrics.iter().enumerate() {
        let Some((data, step)) = material.get(metric.name.as_str()) else {
            continue;
        };
        let made = Maker {
            plan,
            metric,
            data,
            step: *step,
            seed,
        }
        .made();
        for (part, series) in made {
            let slot = Slot { metric_idx, part };
            if let Some((_, answer)) = out.iter_mut().find(|(other, _)| *other == slot) {
                answer.series.push(series);
            }
        }
    }
    out
}

/// About how many samples that will be.
pub fn samples_of(plan: &Plan, material: &Material) -> usize {
    let mut sum = 0_usize;
    for metric in &plan.metrics {
        let Some((data, step)) = material.get(metric.name.as_str()) else {
            continue;
        };
        let rows = match &metric.queries {
            Queries::Series { .. } => 1,
            Queries::Events { .. } => 2,
            Queries::Distribution { threshold, .. } => bounds(data, *threshold).len() + 1,
        };
        let arms = [&data.baseline, &data.canary];
        let lines = arms.into_iter().flatten().flat_map(|arm| &arm.lines);
        let series: u32 = lines.map(|line| line.replicas).sum();
        let series = usize::try_from(series).unwrap_or(usize::MAX);
        let places = steps(plan.timing.deadline.since(first_from(plan)), *step);
        sum = sum.saturating_add(places.saturating_mul(rows).saturating_mul(series));
    }
    sum
}

/// The bounds of a metric's buckets, `+Inf` left out.
pub fn bounds(data: &MetricData, threshold: Option<f64>) -> Vec<f64> {
    if let Some(bounds) = &data.bounds {
        return bounds.value.clone();
    }
    let arms = [&data.baseline, &data.canary];
    let lines = || arms.into_iter().flatten().flat_map(|arm| &arm.lines);
    match threshold {
        // Good and bad ones need one bound.
        Some(threshold) if lines().all(|line| matches!(line.flow, Flow::Events { .. })) => {
            vec![threshold]
        }
        _ => BOUNDS.to_vec(),
    }
}

/// One metric of one test.
struct Maker<'a> {
    plan: &'a Plan,
    metric: &'a MetricPlan,
    data: &'a MetricData,
    step: Step,
    seed: u64,
}

/// One series: where it belongs, and what it holds before the start and after.
struct Strand<'a> {
    arm: &'static str,
    number: u32,
    labels: Labels,
    flow: &'a Flow,
    before: Option<Flow>,
}

impl Maker<'_> {
    fn made(&self) -> Vec<(Part, RawSeries)> {
        let mut out = Vec::new();
        for strand in self.strands() {
            let all = match &self.metric.queries {
                Queries::Series { .. } => self.values(&strand),
                Queries::Events { .. } => self.events(&strand),
                Queries::Distribution { threshold, .. } => self.buckets(&strand, *threshold),
            };
            out.extend(all.into_iter().filter(|(_, one)| !one.samples.is_empty()));
        }
        out
    }

    fn strands(&self) -> Vec<Strand<'_>> {
        let (before_baseline, before_canary) = match &self.data.before {
            Before::Usual => (self.data.baseline.as_ref(), self.data.baseline.as_ref()),
            Before::Nothing => (None, None),
            Before::Arms(baseline, canary) => (baseline.as_ref(), canary.as_ref()),
        };
        let usual = matches!(self.data.before, Before::Usual);
        let mut out = Vec::new();
        for (arm, data, before) in [
            ("baseline", &self.data.baseline, before_baseline),
            ("canary", &self.data.canary, before_canary),
        ] {
            let Some(data) = data else { continue };
            let mut number = 0;
            for line in &data.lines {
                for _ in 0..line.replicas {
                    let past = before.and_then(|before| nth(before, number));
                    let past = past.and_then(|past| {
                        if usual {
                            // An arm that never shows anything was not there before either.
                            line.flow.level().and_then(|_| past.flow.level())
                        } else {
                            Some(past.flow.clone())
                        }
                    });
                    out.push(Strand {
                        arm,
                        number,
                        labels: self.labels(arm, line, number, data),
                        flow: &line.flow,
                        before: past,
                    });
                    number += 1;
                }
            }
        }
        out
    }

    fn labels(&self, arm: &str, line: &Line, number: u32, data: &ArmData) -> Labels {
        let mut labels = line.labels.clone();
        labels.insert(ARM_LABEL.to_owned(), arm.to_owned());
        if self.plan.shifted.is_some() {
            labels.insert(ARM_MARK.to_owned(), arm.to_owned());
        }
        let alike = |other: &Line| other.labels == line.labels;
        let twins: u32 = data
            .lines
            .iter()
            .filter(|l| alike(l))
            .map(|l| l.replicas)
            .sum();
        if let Some(per) = &self.metric.per {
            let name = || format!("{arm}-{number}");
            labels.entry(per.clone()).or_insert_with(name);
        } else if twins > 1 {
            labels.insert(REPLICA_LABEL.to_owned(), number.to_string());
        }
        labels
    }

    fn noise(&self, strand: &Strand<'_>, purpose: &str) -> Noise {
        let number = strand.number.to_string();
        let words = [self.metric.name.as_str(), strand.arm, &number, purpose];
        Noise::new(self.seed, &words)
    }

    /// How many steps of the test lie before the start, as far back as anything is read.
    fn places_before(&self, from: Timestamp) -> usize {
        steps(self.plan.timing.start.since(from), self.step)
    }

    /// How many begin before the deadline, and the deadline itself.
    fn places_after(&self) -> usize {
        let timing = &self.plan.timing;
        steps(timing.deadline.since(timing.start), self.step) + 1
    }

    /// The values of pieces at every place: before the start, and after it.
    fn over_time(
        &self,
        strand: &Strand<'_>,
        pick: impl Fn(&Flow) -> Option<&Pieces>,
        before: usize,
    ) -> Vec<Option<Point>> {
        let points = |pieces: Option<&Pieces>, count: usize| {
            pieces.map_or_else(|| vec![None; count], |p| p.points(self.step, count))
        };
        let past = strand.before.as_ref().and_then(&pick);
        let mut out = points(past, before);
        out.extend(points(pick(strand.flow), self.places_after()));
        out
    }

    /// One value each grid point: the last one up to it.
    fn values(&self, strand: &Strand<'_>) -> Vec<(Part, RawSeries)> {
        let timing = &self.plan.timing;
        let before = self.places_before(self.plan.history_from());
        let all = self.over_time(strand, Flow::values, before);
        let noise = self.noise(strand, "values");
        let mut samples = Vec::new();
        let mut at = self.plan.history_from();
        while at <= timing.deadline {
            let place = if at >= timing.start {
                before + whole(at.since(timing.start).ms() / self.step.span().ms())
            } else {
                before.saturating_sub(steps(timing.start.since(at), self.step))
            };
            if let Some(Some(point)) = all.get(place) {
                let value = point.drawn(noise, idx(place, before));
                samples.push(Sample { at, value });
            }
            at = at.plus(timing.step.span());
        }
        let labels = strand.labels.clone();
        vec![(Part::Grid, RawSeries { labels, samples })]
    }

    /// Counters of all events and of bad ones, scraped each step.
    fn events(&self, strand: &Strand<'_>) -> Vec<(Part, RawSeries)> {
        let counted = matches!(strand.flow, Flow::Events { bad: Some(_), .. });
        let mut rows = self.counted(strand, &[]);
        let total = rows.pop().unwrap_or_default();
        let bad = rows.pop().unwrap_or_default();
        let series = |samples| RawSeries {
            labels: strand.labels.clone(),
            samples,
        };
        let mut out = vec![(Part::Total, series(total))];
        if counted {
            out.push((Part::Bad, series(bad)));
        }
        out
    }

    /// Cumulative buckets, scraped each step.
    fn buckets(&self, strand: &Strand<'_>, threshold: Option<f64>) -> Vec<(Part, RawSeries)> {
        let bounds = bounds(self.data, threshold);
        let names = bounds.iter().map(ToString::to_string);
        let names = names.chain(["+Inf".to_owned()]);
        let rows = if let Flow::Events { .. } = strand.flow {
            // Two rows: bad ones, and all of them.
            let mut rows = self.counted(strand, &[]);
            let total = rows.pop().unwrap_or_default();
            let bad = rows.pop().unwrap_or_default();
            let good = |(all, bad): (&Sample, &Sample)| Sample {
                value: all.value - bad.value,
                ..*all
            };
            let good: Vec<Sample> = total.iter().zip(&bad).map(good).collect();
            let within = |bound: &f64| threshold.is_some_and(|threshold| *bound >= threshold);
            let mut rows: Vec<Vec<Sample>> = bounds
                .iter()
                .map(|bound| {
                    if within(bound) {
                        good.clone()
                    } else {
                        zeros(&good)
                    }
                })
                .collect();
            rows.push(total);
            rows
        } else {
            self.counted(strand, &bounds)
        };
        let row = |(le, samples): (String, Vec<Sample>)| {
            let mut labels = strand.labels.clone();
            labels.insert("le".to_owned(), le);
            (Part::Buckets, RawSeries { labels, samples })
        };
        names.zip(rows).map(row).collect()
    }

    /// Running totals at the end of each step. Of events: bad ones and all of them. Of
    /// observations: those up to each bound, and all of them.
    fn counted(&self, strand: &Strand<'_>, bounds: &[f64]) -> Vec<Vec<Sample>> {
        let timing = &self.plan.timing;
        let before = self.places_before(first_from(self.plan));
        let stream = Stream {
            seconds: self.step.span().seconds(),
            load: self.noise(strand, "load"),
            second: self.noise(strand, "second"),
            slices: (0..=bounds.len().max(1))
                .map(|nth| self.noise(strand, &format!("slice {nth}")))
                .collect(),
        };
        let total = self.over_time(strand, |flow| flow.pieces().first().copied(), before);
        let second = self.over_time(strand, |flow| flow.pieces().get(1).copied(), before);
        let rows = if bounds.is_empty() {
            2
        } else {
            bounds.len() + 1
        };
        let (mut sums, mut out) = (vec![0.0; rows], vec![Vec::new(); rows]);
        for (place, total) in total.iter().enumerate() {
            let Some(total) = total else { continue };
            let flow = strand.before.as_ref().filter(|_| place < before);
            let flow = flow.unwrap_or(strand.flow);
            let second = second.get(place).copied().flatten();
            let grown = stream.grown((flow, bounds), (*total, second), idx(place, before));
            let ends = place + 1;
            let at = if ends >= before {
                timing
                    .start
                    .plus(self.step.span().times(count(ends - before)))
            } else {
                timing
                    .start
                    .minus(self.step.span().times(count(before - ends)))
            };
            if at > timing.deadline {
                break;
            }
            for ((sum, samples), more) in sums.iter_mut().zip(&mut out).zip(grown) {
                *sum += more;
                samples.push(Sample { at, value: *sum });
            }
        }
        out
    }
}

/// What is counted in one step.
struct Stream {
    seconds: f64,
    load: Noise,
    second: Noise,
    slices: Vec<Noise>,
}

impl Stream {
    /// Growth of each row; see [`Maker::counted`].
    fn grown(
        &self,
        (flow, bounds): (&Flow, &[f64]),
        (total, second): (Point, Option<Point>),
        idx: u64,
    ) -> Vec<f64> {
        let mean = |pieces: &Pieces, point: Point, noise: Noise| {
            let value = point.drawn(noise, idx).max(0.0);
            match pieces.unit {
                Unit::Rate => (value * self.seconds, true),
                Unit::Plain | Unit::Share => (value, false),
            }
        };
        match flow {
            Flow::Values(_) => Vec::new(),
            Flow::Events { total: all, bad } => {
                let (mean_all, chance) = mean(all, total, self.load);
                let bad = bad.as_ref().zip(second);
                let drawn = bad.map(|(pieces, point)| (pieces, mean(pieces, point, self.second)));
                self.events((mean_all, chance), drawn, idx)
            }
            Flow::Lognormal {
                total: all, sigma, ..
            } => {
                let median = second.map_or(0.0, |point| point.drawn(self.second, idx));
                let below = |bound: &f64| {
                    let z = libm::log(bound / median) / sigma;
                    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
                };
                let mut last = 0.0;
                let shares: Vec<f64> = bounds
                    .iter()
                    .map(below)
                    .chain([1.0])
                    .map(|below| {
                        let share = f64::max(below - last, 0.0);
                        last = below;
                        share
                    })
                    .collect();
                self.sliced(mean(all, total, self.load), &shares, idx)
            }
            Flow::Shares { total: all, shares } => {
                self.sliced(mean(all, total, self.load), shares, idx)
            }
        }
    }

    /// Bad events and all of them.
    fn events(
        &self,
        (mean, chance): (f64, bool),
        bad: Option<(&Pieces, (f64, bool))>,
        idx: u64,
    ) -> Vec<f64> {
        let [good_noise, bad_noise] = [0, 1].map(|nth| {
            let stream = self.slices.get(nth).copied();
            stream.unwrap_or(self.load)
        });
        let drawn = |noise: Noise, mean: f64, chance: bool| {
            if chance {
                noise.poisson(idx, mean)
            } else {
                mean.round()
            }
        };
        let Some((pieces, (bad, bad_chance))) = bad else {
            return vec![0.0, drawn(good_noise, mean, chance)];
        };
        if pieces.unit != Unit::Share {
            let bad = drawn(bad_noise, bad, bad_chance);
            return vec![bad, drawn(good_noise, mean, chance).max(bad)];
        }
        let share = bad.clamp(0.0, 1.0);
        if chance {
            // Two independent streams: that is what a Poisson stream splits into.
            let bad = bad_noise.poisson(idx, mean * share);
            return vec![bad, bad + good_noise.poisson(idx, mean * (1.0 - share))];
        }
        let all = mean.round();
        vec![bad_noise.poisson(idx, all * share).min(all), all]
    }

    /// Observations up to each bound, and all of them.
    fn sliced(&self, (mean, chance): (f64, bool), shares: &[f64], idx: u64) -> Vec<f64> {
        let mut sum = 0.0;
        let slices = shares.iter().zip(&self.slices);
        slices
            .map(|(share, noise)| {
                sum += if chance {
                    noise.poisson(idx, mean * share)
                } else {
                    (mean * share).round()
                };
                sum
            })
            .collect()
    }
}

/// The line of a series by its number; those of a shorter arm go round.
fn nth(arm: &ArmData, number: u32) -> Option<&Line> {
    let count: u32 = arm.lines.iter().map(|line| line.replicas).sum();
    let mut rest = number.checked_rem(count)?;
    arm.lines.iter().find(|line| {
        let mine = rest < line.replicas;
        rest = rest.saturating_sub(line.replicas);
        mine
    })
}

fn zeros(samples: &[Sample]) -> Vec<Sample> {
    let zero = |sample: &Sample| Sample {
        value: 0.0,
        ..*sample
    };
    samples.iter().map(zero).collect()
}

/// The place in a stream of chance.
fn idx(place: usize, before: usize) -> u64 {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    (START_IDX + number(place)).saturating_sub(number(before))
}

fn count(places: usize) -> i64 {
    i64::try_from(places).unwrap_or(i64::MAX)
}

fn whole(places: i64) -> usize {
    usize::try_from(places).unwrap_or(0)
}
