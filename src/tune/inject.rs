//! A canary that is worse: samples of a pair, changed on the canary's side from the start on by a
//! known amount, with the chance of events that such a change would have had.

use crate::judge::windows::Batch;
use crate::plan::{MetricPlan, Part, Queries};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::simulate::chance::Chance;
use crate::template::Combine;
use crate::time::Timestamp;
use crate::tune::arms::ARM;
use crate::tune::inject_buckets::buckets;
use crate::units::{Harm, MinEffect, trim_number};
use std::collections::BTreeMap;

/// The label of a series that was made here.
const MADE: &str = "haldane_made";

/// How much worse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// By this share of the baseline; negative is a decrease.
    Relative(f64),
    /// By so much in the metric's unit; for events in that of the ratio.
    Absolute(f64),
}

impl Size {
    /// The number alone.
    pub const fn value(self) -> f64 {
        match self {
            Self::Relative(value) | Self::Absolute(value) => value,
        }
    }

    /// As people say it: `+25 %`, `-0.3`, `+0.5 pp`.
    pub fn text(self, metric: &MetricPlan) -> String {
        let sign = |value: f64| if value < 0.0 { "-" } else { "+" };
        match self {
            Self::Relative(share) => {
                format!("{}{} %", sign(share), trim_number(share.abs() * 100.0))
            }
            Self::Absolute(value) if is_ratio(&metric.queries) => {
                format!("{}{} pp", sign(value), trim_number(value.abs() * 100.0))
            }
            Self::Absolute(value) if metric.unit.is_empty() => {
                format!("{}{}", sign(value), trim_number(value.abs()))
            }
            Self::Absolute(value) => {
                format!(
                    "{}{} {}",
                    sign(value),
                    trim_number(value.abs()),
                    metric.unit
                )
            }
        }
    }
}

/// Whether the metric is a ratio of bad events.
pub fn is_ratio(queries: &Queries) -> bool {
    match queries {
        Queries::Events { .. } => true,
        Queries::Distribution { threshold, .. } => threshold.is_some(),
        Queries::Series { .. } => false,
    }
}

/// Sizes from small to large, ten to a factor of ten: in the direction of the metric's harm, and
/// of the kind of its limit. `level` is the usual value of the metric.
pub fn ladder(metric: &MetricPlan, level: Option<f64>) -> Vec<Size> {
    // From a tenth of a percent of the level to a hundred times it.
    const RUNGS: i32 = 51;
    let sign = if metric.harm == Harm::Decrease {
        -1.0
    } else {
        1.0
    };
    let rung = |idx: i32| libm::pow(10.0, f64::from(idx) / 10.0);
    let rounded = |value: f64| {
        let unit = libm::pow(10.0, libm::floor(libm::log10(value)) - 1.0);
        libm::round(value / unit) * unit
    };
    let rungs = (0..RUNGS).map(|idx| rounded(1e-3 * rung(idx)));
    match metric.min_effect {
        MinEffect::Absolute(_) if is_ratio(&metric.queries) => rungs
            .map(|share| share * 0.1)
            .take_while(|share| *share <= 1.0)
            .map(|share| Size::Absolute(sign * share))
            .collect(),
        MinEffect::Absolute(limit) if !metric.queries.is_whole_distribution() => {
            let unit = level.map_or(limit, f64::abs).max(limit);
            rungs
                .map(|share| Size::Absolute(sign * share * unit))
                .collect()
        }
        _ => rungs
            .filter(|share| *share >= 0.01 && (sign > 0.0 || *share < 1.0))
            .take_while(|share| *share <= 10.0)
            .map(|share| Size::Relative(sign * share))
            .collect(),
    }
}

/// Of what a change is made.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The metric; the only one of the batch.
    pub metric: &'a MetricPlan,
    /// How much worse.
    pub size: Size,
    /// The usual ratio of bad events, which a relative change is one of.
    pub ratio: Option<f64>,
    /// From when on.
    pub start: Timestamp,
    /// Of the chance of events.
    pub seed: u64,
}

/// Makes the canary of a batch of one metric worse.
///
/// # Errors
/// Why that cannot be done.
pub fn inject(batch: &mut Batch, change: &Change<'_>) -> Result<(), String> {
    match &change.metric.queries {
        Queries::Series { combine, .. } => {
            series(batch, change, *combine);
            Ok(())
        }
        Queries::Events { .. } => events(batch, change),
        Queries::Distribution { threshold, .. } => buckets(batch, change, *threshold),
    }
}

/// Whether a series is one of the canary's.
pub(super) fn is_canary(labels: &Labels) -> bool {
    labels.get(ARM).is_some_and(|arm| arm == "canary")
}

/// The answer to one of the metric's queries.
pub(super) fn answer_of(batch: &mut Batch, part: Part) -> Option<&mut Answer> {
    let found = batch.answers.iter_mut().find(|(slot, _)| slot.part == part);
    found.map(|(_, answer)| answer)
}

fn series(batch: &mut Batch, change: &Change<'_>, combine: Combine) {
    let Some(answer) = answer_of(batch, Part::Grid) else {
        return;
    };
    let count = answer
        .series
        .iter()
        .filter(|s| is_canary(&s.labels))
        .count();
    // What is summed is raised in equal parts.
    let parts = if combine == Combine::Sum {
        count.max(1)
    } else {
        1
    };
    let changed = |value: f64| match change.size {
        Size::Relative(share) => value * (1.0 + share),
        Size::Absolute(more) => value + more / parts as f64,
    };
    let canaries = answer.series.iter_mut().filter(|s| is_canary(&s.labels));
    for sample in canaries.flat_map(|series| &mut series.samples) {
        if sample.at >= change.start {
            sample.value = changed(sample.value);
        }
    }
}

/// How much a counter grew, sample by sample; a fall is a restart from zero.
pub(super) fn growth(samples: &[Sample]) -> impl Iterator<Item = (Timestamp, f64)> {
    samples.windows(2).filter_map(|pair| {
        let [before, after] = pair else { return None };
        let grown = if after.value >= before.value {
            after.value - before.value
        } else {
            after.value
        };
        grown.is_finite().then_some((after.at, grown))
    })
}

/// The rate of additional bad events per event.
pub(super) fn added(change: &Change<'_>) -> Result<f64, String> {
    match change.size {
        Size::Absolute(more) => Ok(more),
        Size::Relative(share) => {
            let usual = change.ratio.filter(|ratio| *ratio > 0.0);
            let usual = usual.ok_or("there was no bad event to have more of")?;
            Ok(share * usual)
        }
    }
}

/// Additional bad events, as a counter of their own for each replica, born where its events are.
fn events(batch: &mut Batch, change: &Change<'_>) -> Result<(), String> {
    let more = added(change)?;
    if more < 0.0 {
        return fewer(batch, change, -more);
    }
    let per = change.metric.per.as_deref();
    let Some(total) = answer_of(batch, Part::Total) else {
        return Ok(());
    };
    let mut groups: BTreeMap<Option<String>, BTreeMap<Timestamp, f64>> = BTreeMap::new();
    for one in total.series.iter().filter(|s| is_canary(&s.labels)) {
        let name = per.and_then(|per| one.labels.get(per)).cloned();
        let grown = groups.entry(name).or_default();
        if let Some(first) = one.samples.first() {
            grown.entry(first.at).or_default();
        }
        for (at, events) in growth(&one.samples) {
            *grown.entry(at).or_default() += events;
        }
    }
    let made = groups.into_iter().map(|(name, grown)| {
        let mut labels = Labels::from([
            (ARM.to_owned(), "canary".to_owned()),
            (MADE.to_owned(), "true".to_owned()),
        ]);
        let shown = name.clone().unwrap_or_default();
        if let (Some(per), Some(name)) = (per, name) {
            labels.insert(per.to_owned(), name);
        }
        let mut chance = Chance::new(change.seed, &["events", &shown]);
        let mut sum = 0.0;
        let samples = grown.into_iter().map(|(at, events)| {
            if at > change.start {
                sum += chance.poisson(more * events).min(events);
            }
            Sample { at, value: sum }
        });
        RawSeries {
            labels,
            samples: samples.collect(),
        }
    });
    let made: Vec<RawSeries> = made.collect();
    if let Some(bad) = answer_of(batch, Part::Bad) {
        bad.series.extend(made);
    }
    Ok(())
}

/// Fewer bad events, where a decrease is harm.
fn fewer(batch: &mut Batch, change: &Change<'_>, less: f64) -> Result<(), String> {
    let usual = change.ratio.filter(|ratio| *ratio > 0.0);
    let usual = usual.ok_or("there was no event to have fewer of")?;
    let kept = (1.0 - less / usual).max(0.0);
    let Some(bad) = answer_of(batch, Part::Bad) else {
        return Ok(());
    };
    for (idx, one) in bad.series.iter_mut().enumerate() {
        if !is_canary(&one.labels) {
            continue;
        }
        let mut chance = Chance::new(change.seed, &["fewer", &idx.to_string()]);
        let mut sum = one.samples.first().map_or(0.0, |sample| sample.value);
        let grown: Vec<(Timestamp, f64)> = growth(&one.samples).collect();
        let rest = one.samples.iter_mut().skip(1);
        for (sample, (at, events)) in rest.zip(grown) {
            sum += if at > change.start {
                chance.binomial(events, kept)
            } else {
                events
            };
            sample.value = sum;
        }
    }
    Ok(())
}
