//! From the answers of a look to the data of a metric: arms are split, series aligned, counters
//! turned into counts per interval. What is remembered between looks lives here.
//!
//! Everything is ordered by instant and then by series, never by how the source listed its series
//! or how the samples were cut into looks (A6).

use crate::digest::Digest;
use crate::judge::absorb_buckets::Histograms;
use crate::judge::arms::{Answers, BySeries, Split, arm_of, by_key};
use crate::judge::intervals::{self, Cell, Grown, Growth};
use crate::judge::shapes::Shapes;
use crate::judge::windows::{Arm, EventInterval, MetricData, MetricWindow, SERIES_MAX};
use crate::plan::{MetricPlan, Part, Plan, Queries};
use crate::series::align::{self, Fold};
use crate::series::buckets::{Bounds, Buckets, Ladder};
use crate::series::census::Census;
use crate::series::counters::{Birthline, CounterState, Point, sound};
use crate::series::grid::Grid;
use crate::series::raw::{Labels, RawSeries, Sample};
use crate::series::samples::Series;
use crate::template::Combine;
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Without any sample from before the start nobody can tell a new counter from one that was there
/// before. Those that turn up within the first scrape of the window may be either; one scrape takes
/// at most this long (Prometheus' default `scrape_interval`).
const FIRST_SCRAPE: Span = Span::from_s(60);

/// Share of values that may be NaN, infinite or too large before a metric has no data: one in
/// twenty is a hiccup of a scrape, more is a query that divides by zero where it hurts.
const NON_FINITE_SHARE_MAX: f64 = 0.05;

/// What is remembered of one metric between looks, beside its data.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MetricState {
    /// The last instant answered for; `None` before the first answer.
    read_to: Option<Timestamp>,
    /// The first answer began before the start.
    reached_back: bool,
    /// `(after, to]` that nobody asked for.
    unasked: Vec<(Timestamp, Timestamp)>,
    baseline: ArmState,
    canary: ArmState,
    histograms: Histograms,
    stray: BTreeSet<Digest>,
    overflowed: bool,
    /// The instant of the first sample of all.
    earliest: Option<Timestamp>,
    census: Census,
    histogram_series: usize,
}

/// What is remembered of one arm.
#[derive(Clone, Debug, Default, PartialEq)]
struct ArmState {
    seen: BTreeSet<Digest>,
    bad: CounterState<1>,
    total: CounterState<1>,
    /// Observations, and those within the threshold.
    buckets: CounterState<2>,
    bounds: Bounds,
    open: Cell,
}

impl MetricState {
    /// Takes in one batch.
    pub(crate) fn absorb(
        &mut self,
        plan: &Plan,
        metric: &MetricPlan,
        answers: &Answers<'_>,
        window: &mut MetricWindow,
    ) {
        let answered = match &metric.queries {
            Queries::Series { .. } => answers.has(Part::Grid),
            // Bad events are zero only when somebody asked for them and there were none.
            Queries::Events { .. } => answers.has(Part::Bad) && answers.has(Part::Total),
            Queries::Distribution { .. } => answers.has(Part::Buckets),
        };
        if !answered || self.read_to.is_some_and(|read_to| answers.to <= read_to) {
            return;
        }
        self.note_reach(plan, answers.from);
        for (_, answer) in &answers.parts {
            self.histogram_series = self.histogram_series.max(answer.histogram_series);
        }
        match (&metric.queries, &mut window.data) {
            (Queries::Series { combine, .. }, MetricData::Series { baseline, canary }) => {
                self.absorb_series(plan, answers, fold_of(*combine), (baseline, canary));
            }
            (Queries::Events { .. }, MetricData::Events { intervals }) => {
                self.absorb_events(plan, answers, intervals);
            }
            (
                Queries::Distribution { threshold, .. },
                MetricData::Distribution { intervals, shapes },
            ) => {
                let threshold = threshold.unwrap_or(f64::INFINITY);
                self.absorb_buckets(plan, answers, threshold, (intervals, shapes));
            }
            _ => {}
        }
        self.read_to = Some(answers.to);
        window.baseline_series = self.baseline.seen.len();
        window.canary_series = self.canary.seen.len();
        window.stray_series = self.stray.len();
        window.notes = self.notes(metric);
        window.unusable = self.unusable(metric, &window.data);
    }

    /// Whether more series came than may.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Whether the grid point at the start itself was asked for.
    pub(crate) fn start_asked(&self) -> bool {
        self.reached_back
    }

    /// Whether grid point `idx` was asked for.
    pub(crate) fn asked(&self, plan: &Plan, idx: usize) -> bool {
        let at = grid_of(plan, 0, 0).instant(idx);
        self.read_to.is_some_and(|read_to| at <= read_to)
            && !self
                .unasked
                .iter()
                .any(|(after, to)| *after < at && at <= *to)
    }

    fn note_reach(&mut self, plan: &Plan, from: Timestamp) {
        let start = plan.timing.start;
        let read_to = self.read_to.unwrap_or_else(|| {
            self.reached_back = from < start;
            start
        });
        if from > read_to {
            self.unasked.push((read_to, from));
        }
    }

    /// Splits the series of one query into arms; only samples in `(read_to, to]` are taken.
    fn split<'a>(
        &mut self,
        plan: &Plan,
        series: impl Iterator<Item = &'a RawSeries>,
        to: Timestamp,
    ) -> Split {
        let mut out = Split::default();
        for (key, one) in by_key(series, None) {
            let Some(arm) = self.admit(plan, &one.labels, key) else {
                continue;
            };
            let fresh = one.samples.iter().copied();
            let fresh = fresh.filter(|sample| self.is_new(sample.at, to));
            out.of(arm).entry(key).or_default().extend(fresh);
        }
        out
    }

    fn is_new(&self, at: Timestamp, to: Timestamp) -> bool {
        self.read_to.is_none_or(|read_to| read_to < at) && at <= to
    }

    /// The arm of a series, unless it is a stray or one too many.
    fn admit(&mut self, plan: &Plan, labels: &Labels, key: Digest) -> Option<Arm> {
        let full = self.baseline.seen.len() + self.canary.seen.len() >= SERIES_MAX;
        let arm = arm_of(plan, labels);
        let seen = match arm {
            Some(Arm::Baseline) => &mut self.baseline.seen,
            Some(Arm::Canary) => &mut self.canary.seen,
            None => {
                if self.stray.len() < SERIES_MAX {
                    self.stray.insert(key);
                }
                return None;
            }
        };
        if full && !seen.contains(&key) {
            self.overflowed = true;
            return None;
        }
        seen.insert(key);
        arm
    }

    fn absorb_series(
        &mut self,
        plan: &Plan,
        answers: &Answers<'_>,
        fold: Fold,
        (baseline, canary): (&mut Series, &mut Series),
    ) {
        let split = self.split(plan, answers.series(Part::Grid), answers.to);
        let first = baseline.grid().len;
        let len = grid_of(plan, 0, 0).points_until(answers.to);
        let grid = grid_of(plan, first, len.saturating_sub(first));
        for (samples, target) in [(split.baseline, baseline), (split.canary, canary)] {
            let aligned: Vec<Series> = samples
                .values()
                .map(|one| align::align(grid, one, &mut self.census))
                .collect();
            target.extend_to(len);
            for (idx, value) in align::combine(&aligned, fold).into_iter().enumerate() {
                if let Some(value) = value {
                    target.set(first + idx, value);
                }
            }
        }
    }

    fn absorb_events(
        &mut self,
        plan: &Plan,
        answers: &Answers<'_>,
        intervals: &mut Vec<EventInterval>,
    ) {
        let bad = self.split(plan, answers.series(Part::Bad), answers.to);
        let total = self.split(plan, answers.series(Part::Total), answers.to);
        let census = &mut self.census;
        let bad = [&bad.baseline, &bad.canary].map(|series| points(series, census));
        let total = [&total.baseline, &total.canary].map(|series| points(series, census));
        self.note_earliest(bad.iter().chain(&total).flatten().map(|point| point.at));
        let line = self.birthline(plan);
        let mut grown = [Grown::default(), Grown::default()];
        let arms = [&mut self.baseline, &mut self.canary]
            .into_iter()
            .zip(&mut grown);
        for ((state, grown), (bad, total)) in arms.zip(bad.into_iter().zip(total)) {
            let bad = state.bad.advance(bad, line, &mut self.census);
            let total = state.total.advance(total, line, &mut self.census);
            grown.bad = bad.iter().map(Growth::bad).collect();
            grown.total = total.iter().map(Growth::total).collect();
        }
        self.extend(plan, answers.to, &grown, intervals);
    }

    fn absorb_buckets(
        &mut self,
        plan: &Plan,
        answers: &Answers<'_>,
        threshold: f64,
        (intervals, shapes): (&mut Vec<EventInterval>, &mut Shapes),
    ) {
        let mut families: BTreeMap<Digest, (Arm, Buckets, Ladder)> = BTreeMap::new();
        for (key, one) in by_key(answers.series(Part::Buckets), Some("le")) {
            let Some(arm) = self.admit(plan, &one.labels, key) else {
                continue;
            };
            match arm {
                Arm::Baseline => self.baseline.bounds.add(&one.labels),
                Arm::Canary => self.canary.bounds.add(&one.labels),
            }
            let fresh = one.samples.iter().copied();
            let fresh = fresh.filter(|sample| self.is_new(sample.at, answers.to));
            let family = families
                .entry(key)
                .or_insert_with(|| (arm, Buckets::new(threshold), Ladder::default()));
            family.1.add(&one.labels, fresh.clone());
            family.2.add(&one.labels, fresh);
        }
        let (mut baseline, mut canary) = (Vec::new(), Vec::new());
        let mut snapshots = [Vec::new(), Vec::new()];
        for (key, (arm, buckets, ladder)) in &families {
            let points = buckets.points(*key, &mut self.census);
            let [of_baseline, of_canary] = &mut snapshots;
            match arm {
                Arm::Baseline => {
                    baseline.extend(points);
                    of_baseline.extend(ladder.snapshots(*key));
                }
                Arm::Canary => {
                    canary.extend(points);
                    of_canary.extend(ladder.snapshots(*key));
                }
            }
        }
        let counted = baseline.iter().chain(&canary).map(|point| point.at);
        let whole = snapshots.iter().flatten().map(|snapshot| snapshot.at);
        self.note_earliest(counted.chain(whole));
        let line = self.birthline(plan);
        self.histograms
            .absorb(snapshots, line, grid_of(plan, 0, 0), shapes);
        let baseline = self
            .baseline
            .buckets
            .advance(baseline, line, &mut self.census);
        let canary = self.canary.buckets.advance(canary, line, &mut self.census);
        let grown = [baseline, canary].map(|rises| Grown {
            bad: Vec::new(),
            total: rises.iter().map(Growth::beyond).collect(),
        });
        self.extend(plan, answers.to, &grown, intervals);
    }

    fn extend(
        &mut self,
        plan: &Plan,
        to: Timestamp,
        grown: &[Grown; 2],
        intervals: &mut Vec<EventInterval>,
    ) {
        let cells = [&mut self.baseline.open, &mut self.canary.open];
        intervals::extend(
            intervals,
            grid_of(plan, 0, 0),
            to,
            cells,
            grown,
            &mut self.census,
        );
    }

    fn note_earliest(&mut self, instants: impl Iterator<Item = Timestamp>) {
        self.earliest = self.earliest.into_iter().chain(instants).min();
    }

    /// From when on a series without an earlier sample was born. Where anything of the metric was
    /// scraped before the start it is the start. Where nothing was (scrapes failed, or every
    /// target was relabelled), whatever turns up with the first scrapes may be old: a look before
    /// the start that found nothing proves nothing.
    fn birthline(&self, plan: &Plan) -> Birthline {
        let start = plan.timing.start;
        let looked = self.earliest.is_some_and(|earliest| earliest <= start);
        let known_from = match self.earliest {
            Some(earliest) if !looked => earliest.plus(FIRST_SCRAPE),
            _ => start,
        };
        Birthline { start, known_from }
    }

    /// Why the data may not be judged, when they may not (A5).
    fn unusable(&self, metric: &MetricPlan, data: &MetricData) -> Option<String> {
        let values = match data {
            MetricData::Series { baseline, canary } => baseline.n_present() + canary.n_present(),
            MetricData::Events { intervals } | MetricData::Distribution { intervals, .. } => {
                2 * intervals.len()
            }
        };
        let lost = self.census.non_finite;
        if lost as f64 > NON_FINITE_SHARE_MAX * (values as f64 + lost as f64) {
            return Some(format!(
                "{lost} values are NaN, infinite or too large, more than {} % of all; a query \
                 must not divide by zero",
                NON_FINITE_SHARE_MAX * 100.0
            ));
        }
        let Queries::Events { bad, total } = &metric.queries else {
            return None;
        };
        let totals = self.baseline.total.series() + self.canary.total.series();
        let bads = self.baseline.bad.series() + self.canary.bad.series();
        (totals > 0 && bads == 0 && metric_name(bad) != metric_name(total)).then(|| {
            format!(
                "no series matches `{}`; a counter that starts at zero, or one of the same name \
                 as the total, tells no errors from a mistyped selector",
                metric_name(bad)
            )
        })
    }

    fn notes(&self, metric: &MetricPlan) -> Vec<String> {
        let mut out = self.census.sentences();
        if let Queries::Distribution { threshold, .. } = metric.queries {
            for (arm, state) in [(Arm::Baseline, &self.baseline), (Arm::Canary, &self.canary)] {
                let lacks = state.bounds.lacks(threshold.unwrap_or(f64::INFINITY));
                out.extend(lacks.map(|lacks| format!("{} has {lacks}", arm.word())));
            }
        }
        if self.histogram_series > 0 {
            out.push(format!(
                "{} series of native histograms left out",
                self.histogram_series
            ));
        }
        if self.overflowed {
            out.push(format!("more than {SERIES_MAX} series, the rest left out"));
        }
        let totals = self.baseline.total.series() + self.canary.total.series();
        let bads = self.baseline.bad.series() + self.canary.bad.series();
        if matches!(metric.queries, Queries::Events { .. }) && totals > 0 && bads == 0 {
            out.push(
                "no series of bad events in either arm, counted as zero bad events".to_owned(),
            );
        }
        out
    }
}

/// The name in front of a selector's braces.
fn metric_name(selector: &str) -> &str {
    selector.split('{').next().unwrap_or(selector).trim()
}

fn points(series: &BySeries, census: &mut Census) -> Vec<Point<1>> {
    let mut out = Vec::new();
    for (key, samples) in series {
        let point = |s: Sample| Point {
            at: s.at,
            key: *key,
            values: [s.value],
        };
        out.extend(sound(samples, census).into_iter().map(point));
    }
    out
}

fn fold_of(combine: Combine) -> Fold {
    match combine {
        Combine::Mean => align::mean,
        Combine::Sum => align::sum,
        Combine::Max => align::max,
        Combine::Min => align::min,
        Combine::Median => align::median,
    }
}

fn grid_of(plan: &Plan, first: usize, len: usize) -> Grid {
    let (start, step) = (plan.timing.start, plan.timing.step);
    let whole = Grid {
        start,
        step,
        len: 0,
    };
    Grid {
        start: whole.instant(first),
        step,
        len,
    }
}
