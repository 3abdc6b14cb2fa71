//! One metric's part of a batch: which series in it belong to which arm, and which samples to the
//! window or to the history.

use crate::digest::Digest;
use crate::judge::windows::{ANCHOR_LOOKBACK, Arm, Batch, SUSPECT_MAX};
use crate::plan::{Part, Plan, Queries};
use crate::series::raw::{Answer, Labels, RawHistograms, RawSeries, Sample, series_key};
use crate::time::{Span, Timestamp};
use regex::Regex;
use std::collections::BTreeMap;

/// Warnings of the source kept of a metric whose data come late; later ones are dropped: a note is
/// there for people.
const WARNINGS_MAX: usize = 3;

/// What one batch says about one metric.
pub(crate) struct Answers<'a> {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) parts: Vec<(Part, &'a Answer)>,
    /// Which series of them.
    only: Only<'a>,
}

/// Which series of an answer are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Only<'a> {
    /// All.
    All,
    /// Those on which a label has a value.
    With(&'a str, &'a str),
    /// None: the query was asked, and nothing in its answer is meant.
    None,
}

impl Only<'_> {
    fn takes(self, labels: &Labels) -> bool {
        match self {
            Self::All => true,
            Self::With(label, value) => labels.get(label).is_some_and(|other| other == value),
            Self::None => false,
        }
    }
}

impl<'a> Answers<'a> {
    /// The answers to the queries of metric `metric_idx`, samples up to `to`.
    pub(crate) fn of(batch: &'a Batch, metric_idx: usize, to: Timestamp) -> Self {
        let mine = batch
            .answers
            .iter()
            .filter(|(slot, _)| slot.metric_idx == metric_idx);
        Self {
            from: batch.from,
            to,
            parts: mine.map(|(slot, answer)| (slot.part, answer)).collect(),
            only: Only::All,
        }
    }

    /// The same of some of the series.
    pub(crate) fn only<'b>(&'b self, only: Only<'b>) -> Answers<'b>
    where
        'a: 'b,
    {
        Answers {
            parts: self.parts.clone(),
            only,
            ..*self
        }
    }

    /// Whether everything a metric asks for was answered.
    pub(crate) fn complete(&self, queries: &Queries) -> bool {
        match queries {
            Queries::Series { .. } => self.has(Part::Grid),
            // Bad events are zero only when somebody asked for them and there were none.
            Queries::Events { .. } => self.has(Part::Bad) && self.has(Part::Total),
            Queries::Distribution { .. } => self.has(Part::Buckets),
        }
    }

    /// The same of a metric whose data lag behind: up to where they can have been there when they
    /// were asked for. Later ones show that all was asked for when all was there.
    pub(crate) fn lagging(self, plan: &Plan, lag: Span) -> Self {
        let end = self.to.minus(lag);
        let later = |at: Timestamp| end < at && at <= self.to;
        let mut answers = self.parts.iter().map(|(_, answer)| *answer);
        let settled = answers.any(|answer| {
            let mut series = answer.series.iter().flat_map(|one| &one.samples);
            let mut histograms = answer.histograms.iter().flat_map(|one| &one.samples);
            series.any(|sample| later(sample.at)) || histograms.any(|sample| later(sample.at))
        });
        if settled {
            return self;
        }
        let start = plan.timing.start;
        let last = self.from.minus(lag);
        Self {
            from: if last <= start {
                self.from.min(start)
            } else {
                last
            },
            to: end,
            ..self
        }
    }

    /// Notes what the source warned of, where that holds nothing up.
    pub(crate) fn warn(&self, notes: &mut Vec<String>) {
        let warnings = self.parts.iter().flat_map(|(_, answer)| &answer.warnings);
        for note in warnings.map(|text| format!("the source warned: {text}")) {
            if notes.len() < WARNINGS_MAX && !notes.contains(&note) {
                notes.push(note);
            }
        }
    }

    /// Whether that query was answered at all.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.iter().any(|(other, _)| *other == part)
    }

    /// The native histograms of one query's answer.
    pub(crate) fn histograms(&self, part: Part) -> impl Iterator<Item = &'a RawHistograms> {
        let mine = self.parts.iter().filter(move |(other, _)| *other == part);
        let only = self.only;
        mine.flat_map(|(_, answer)| &answer.histograms)
            .filter(move |one| only.takes(&one.labels))
    }

    /// The series of one query's answer.
    pub(crate) fn series(&self, part: Part) -> impl Iterator<Item = &'a RawSeries> {
        let mine = self.parts.iter().filter(move |(other, _)| *other == part);
        let only = self.only;
        mine.flat_map(|(_, answer)| &answer.series)
            .filter(move |one| only.takes(&one.labels))
    }
}

/// Samples of one arm's series, by series.
pub(crate) type BySeries = BTreeMap<Digest, Vec<Sample>>;

/// Samples of both arms.
#[derive(Default)]
pub(crate) struct Split {
    pub(crate) baseline: BySeries,
    pub(crate) canary: BySeries,
}

impl Split {
    /// The samples of one arm.
    pub(crate) fn of(&mut self, arm: Arm) -> &mut BySeries {
        match arm {
            Arm::Baseline => &mut self.baseline,
            Arm::Canary => &mut self.canary,
        }
    }
}

/// Which samples of a query belong to the window, and which to the history.
#[derive(Clone, Copy)]
pub(crate) struct Eras {
    grid: bool,
    start: Timestamp,
    history_from: Option<Timestamp>,
}

impl Eras {
    /// The rule for one query.
    pub(crate) fn of(plan: &Plan, part: Part) -> Self {
        Self {
            grid: part == Part::Grid,
            start: plan.timing.start,
            history_from: plan.history.map(|_| plan.history_from()),
        }
    }

    /// It is a sample of the window, or an anchor of its counters.
    pub(crate) fn live(self, at: Timestamp) -> bool {
        if self.grid {
            at >= self.start
        } else {
            at > self.start.minus(ANCHOR_LOOKBACK)
        }
    }

    /// It is a sample of the history, or an anchor of its counters.
    pub(crate) fn past(self, at: Timestamp) -> bool {
        self.history_from.is_some_and(|from| {
            if self.grid {
                from <= at && at < self.start
            } else {
                at <= self.start
            }
        })
    }

    /// It shows that its series is there: an anchor does not (A5).
    pub(crate) fn shows(self, at: Timestamp) -> bool {
        if self.grid {
            at >= self.start
        } else {
            at > self.start
        }
    }
}

/// New samples of one series.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) live: Vec<Sample>,
    pub(crate) past: Vec<Sample>,
}

/// New samples of one query, both arms.
#[derive(Default)]
pub(crate) struct Cut {
    pub(crate) live: Split,
    pub(crate) past: Split,
}

/// Series in the order of their keys: when there are too many, the same ones are left out however
/// the source listed them.
pub(crate) fn by_key<'a>(
    series: impl Iterator<Item = &'a RawSeries>,
    except: Option<&str>,
) -> Vec<(Digest, &'a RawSeries)> {
    let keyed = series.map(|one| (series_key(&one.labels, except), one));
    let mut out: Vec<_> = keyed.collect();
    out.sort_by_key(|(key, _)| *key);
    out
}

/// The arm whose scope selects these labels; `None` when neither or both do.
pub(crate) fn arm_of(plan: &Plan, labels: &Labels) -> Option<Arm> {
    match plan.arms_of(labels) {
        (true, false) => Some(Arm::Baseline),
        (false, true) => Some(Arm::Canary),
        _ => None,
    }
}

/// Adds the warnings of a batch that nobody allowed.
pub(crate) fn suspects(plan: &Plan, batch: &Batch, suspect_list: &mut Vec<String>) {
    if batch
        .answers
        .iter()
        .all(|(_, answer)| answer.warnings.is_empty())
    {
        return;
    }
    let allowed: Vec<Regex> = plan
        .allowed_warnings
        .iter()
        .filter_map(|text| Regex::new(text).ok())
        .collect();
    for (slot, answer) in &batch.answers {
        // What nothing waits for holds nothing up: it is a note of that metric.
        let metric = plan.metrics.get(slot.metric_idx);
        if metric.is_some_and(|metric| metric.lag != Span::ZERO) {
            continue;
        }
        for warning in &answer.warnings {
            if allowed.iter().any(|regex| regex.is_match(warning)) {
                continue;
            }
            let name = plan
                .metrics
                .get(slot.metric_idx)
                .map_or("?", |metric| metric.name.as_str());
            suspect(suspect_list, format!("{name}: {warning}"));
        }
    }
}

/// Adds one entry, once.
pub(crate) fn suspect(list: &mut Vec<String>, text: String) {
    if list.len() < SUSPECT_MAX && !list.contains(&text) {
        list.push(text);
    }
}
