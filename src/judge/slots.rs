//! The values of a label told apart (`group_by: route`): each takes a slot, in which it is a metric
//! of its own.
//!
//! Slots go by first appearance in the samples, at one instant by name, so that a value never loses
//! its slot, and how samples are cut into looks has no influence (A6). An empty slot takes in the
//! same looks as a full one, with nothing in them: a value that comes late is judged as a metric
//! whose series turn up late.

use crate::judge::absorb::MetricState;
use crate::judge::arms::{Answers, Eras, Only, arm_of};
use crate::judge::windows::{Arm, Batch, Besides, Windows};
use crate::plan::{MetricPlan, Part, Plan};
use crate::series::raw::Labels;
use crate::template::{GroupBy, Role};
use crate::time::Timestamp;
use crate::units::Probability;
use std::collections::{BTreeMap, BTreeSet};

/// Values without a slot that are told apart; further ones are not counted.
const LEFT_OUT_MAX: usize = 1_000;

/// Everything seen of the values of all metrics with `group_by`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slots {
    /// One metric per slot, all else as in the plan.
    plan: Plan,
    windows: Windows,
    directories: Vec<Directory>,
}

/// Which value has which slot.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Directory {
    /// The metric in the plan.
    pub(crate) metric_idx: usize,
    /// Its first slot.
    pub(crate) first: usize,
    /// The label and how many slots there are.
    pub(crate) group_by: GroupBy,
    /// The values in the order of their slots, with the instant of their first sample.
    pub(crate) values: Vec<(String, Timestamp)>,
    /// Values that came when no slot was left.
    pub(crate) left_out: BTreeSet<String>,
    /// Whether baseline and canary had series with the label, and without it.
    pub(crate) with: [bool; 2],
    pub(crate) without: [bool; 2],
    /// `min_coverage` as the template says it.
    coverage: f64,
    read_to: Option<Timestamp>,
}

impl Slots {
    /// `None` when no metric of the plan has a `group_by`.
    pub(crate) fn new(plan: &Plan) -> Option<Box<Self>> {
        let mut metrics: Vec<MetricPlan> = Vec::new();
        let mut directories = Vec::new();
        for (metric_idx, metric) in plan.metrics.iter().enumerate() {
            let level = metric.value_level(&plan.judge);
            let (Some(group_by), Some(level)) = (metric.group_by.clone(), level) else {
                continue;
            };
            let slot = MetricPlan {
                // A slot has a level of its own also where the metric is no gate.
                role: if metric.role.is_gate() {
                    metric.role
                } else {
                    Role::Required
                },
                alpha: Probability::new(level).unwrap_or(metric.alpha),
                group_by: None,
                ..metric.clone()
            };
            directories.push(Directory {
                metric_idx,
                first: metrics.len(),
                values: Vec::new(),
                left_out: BTreeSet::new(),
                with: [false; 2],
                without: [false; 2],
                coverage: metric.evidence.coverage.get(),
                read_to: None,
                group_by: group_by.clone(),
            });
            metrics.resize(metrics.len() + group_by.max, slot);
        }
        if directories.is_empty() {
            return None;
        }
        let plan = Plan {
            metrics,
            objectives: Vec::new(),
            traffic: None,
            ..plan.clone()
        };
        let mut windows = Windows::new(&plan);
        windows.counters.fill(MetricState::of_part());
        Some(Box::new(Self {
            plan,
            windows,
            directories,
        }))
    }

    /// One metric per slot.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was seen in each slot.
    pub(crate) fn windows(&self) -> &Windows {
        &self.windows
    }

    /// One per metric with `group_by`.
    pub(crate) fn directories(&self) -> &[Directory] {
        &self.directories
    }

    /// Takes in the answers that `whole` has just taken in, up to `to`.
    pub(crate) fn absorb(&mut self, whole: &Windows, (batch, to): (&Batch, Timestamp)) {
        for directory in &mut self.directories {
            let answers = Answers::of(batch, directory.metric_idx, to);
            let state = whole.counters.get(directory.metric_idx);
            let (Some(metric), Some(state)) = (self.plan.metrics.get(directory.first), state)
            else {
                continue;
            };
            if !answers.complete(&metric.queries) {
                continue;
            }
            directory.meet(&self.plan, &answers);
            let slots = directory.first..directory.first + directory.group_by.max;
            for (place, slot) in slots.enumerate() {
                let value = directory.values.get(place);
                let only = value.map_or(Only::None, |(value, _)| {
                    Only::With(&directory.group_by.label, value)
                });
                let parts = (
                    self.plan.metrics.get(slot),
                    self.windows.counters.get_mut(slot),
                    self.windows.metrics.get_mut(slot),
                );
                if let (Some(metric), Some(counters), Some(window)) = parts {
                    counters.scraped_with(state);
                    counters.absorb(&self.plan, metric, &answers.only(only), window);
                }
            }
        }
        self.windows.covered_to = whole.covered_to;
        self.windows.besides = Besides {
            seen: [Arm::Baseline, Arm::Canary].map(|arm| whole.arm_seen(arm)),
            since: whole.since(),
        };
        self.expect_less_of_late_ones();
    }

    /// A value is asked for its share of grid points since its first sample only: a route that
    /// came late is no worse covered than others.
    fn expect_less_of_late_ones(&mut self) {
        let timing = &self.plan.timing;
        let from = timing.judged_from;
        let whole = self.windows.covered_to.since(from).seconds();
        for directory in &self.directories {
            for (place, (_, since)) in directory.values.iter().enumerate() {
                let there = self.windows.covered_to.since((*since).max(from)).seconds();
                let share = if whole > 0.0 {
                    (there / whole).clamp(0.0, 1.0)
                } else {
                    1.0
                };
                let metric = self.plan.metrics.get_mut(directory.first + place);
                if let (Some(metric), Some(coverage)) =
                    (metric, Probability::new(directory.coverage * share))
                {
                    metric.evidence.coverage = coverage;
                }
            }
        }
    }
}

impl Directory {
    /// Gives slots to values that come new, in the order of their first samples.
    fn meet(&mut self, plan: &Plan, answers: &Answers<'_>) {
        if self.read_to.is_some_and(|read_to| answers.to <= read_to) {
            return;
        }
        let mut fresh: BTreeMap<&str, Timestamp> = BTreeMap::new();
        // Not by bad events: that one happened must not be why a value is looked at.
        for part in [Part::Grid, Part::Total, Part::Buckets] {
            let eras = Eras::of(plan, part);
            let new = |at: Timestamp| {
                at <= answers.to
                    && self.read_to.is_none_or(|read_to| at > read_to)
                    && (eras.live(at) || eras.past(at))
            };
            let series = answers.series(part).map(|one| {
                let at = one.samples.iter().map(|sample| sample.at);
                (&one.labels, at.filter(|at| new(*at)).min())
            });
            let histograms = answers.histograms(part).map(|one| {
                let at = one.samples.iter().map(|sample| sample.at);
                (&one.labels, at.filter(|at| new(*at)).min())
            });
            let sightings: Vec<(&Labels, Timestamp)> = series
                .chain(histograms)
                .filter_map(|(labels, at)| Some((labels, at?)))
                .collect();
            for (labels, at) in sightings {
                let Some(arm) = arm_of(plan, labels) else {
                    continue;
                };
                let value = labels.get(&self.group_by.label);
                let value = value.filter(|value| !value.is_empty());
                let noted = match value {
                    Some(_) => &mut self.with,
                    None => &mut self.without,
                };
                noted[usize::from(arm == Arm::Canary)] = true;
                if let Some(value) = value {
                    let first = fresh.entry(value).or_insert(at);
                    *first = at.min(*first);
                }
            }
        }
        self.read_to = Some(answers.to);
        let mut order: Vec<(Timestamp, &str)> = fresh.into_iter().map(|(v, at)| (at, v)).collect();
        order.sort_unstable();
        for (at, value) in order {
            if self.values.iter().any(|(known, _)| known == value) {
                continue;
            }
            if self.values.len() < self.group_by.max {
                self.values.push((value.to_owned(), at));
            } else if self.left_out.len() < LEFT_OUT_MAX {
                self.left_out.insert(value.to_owned());
            }
        }
    }
}
