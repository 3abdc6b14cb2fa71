//! From the answers of a look to the data of a metric: arms are split, series aligned, counters
//! turned into counts per interval. What is remembered between looks lives here.
//!
//! Everything is ordered by instant and then by series, never by how the source listed its series
//! or how the samples were cut into looks (A6).

use crate::digest::Digest;
use crate::judge::absorb_buckets;
use crate::judge::absorb_grid::{grid_of, points_planned};
use crate::judge::arms::{Answers, Cut, Eras, Taken, arm_of, by_key};
use crate::judge::history::Past;
use crate::judge::replicas::{Names, Replicas};
use crate::judge::shapes::Shapes;
use crate::judge::tally::{Families, Tally, Target};
use crate::judge::widths::Widths;
use crate::judge::windows::{Arm, EventInterval, MetricData, MetricWindow, SERIES_MAX};
use crate::plan::{MetricPlan, Part, Plan, Queries};
use crate::series::align::{self, Fold};
use crate::series::buckets::{Bounds, Buckets, Ladder};
use crate::series::census::Census;
use crate::series::raw::{Labels, RawHistograms, RawSeries, series_key};
use crate::series::samples::Series;
use crate::template::{Combine, GapPolicy};
use crate::time::{Span, Timestamp};
use std::collections::BTreeSet;

/// Share of values that may be NaN, infinite or too large before a metric has no data: one in
/// twenty is a hiccup of a scrape, more is a query that divides by zero where it hurts.
const NON_FINITE_SHARE_MAX: f64 = 0.05;

/// What is remembered of one metric between looks, beside its data.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MetricState {
    /// The last instant answered for; `None` before the first answer.
    read_to: Option<Timestamp>,
    /// Where the first answer began.
    reach: Reach,
    /// `(after, to]` that nobody asked for.
    unasked: Vec<(Timestamp, Timestamp)>,
    baseline: ArmState,
    canary: ArmState,
    tally: Tally,
    past: Past,
    stray: BTreeSet<Digest>,
    overflowed: bool,
    /// Series without the label that keeps replicas apart.
    unnamed: bool,
    census: Census,
    histogram_series: usize,
    /// It is a part of a metric whose other parts are elsewhere: that nothing bad ever happened
    /// here says nothing about the selector.
    is_part: bool,
    /// What the source warned of, where that holds nothing up.
    warnings: Vec<String>,
}

/// Where the first answer of a metric began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reach {
    /// At the start, or after it.
    #[default]
    Window,
    /// Before the start, but not before the history.
    Anchors,
    /// Before all of the history.
    History,
}

/// What is remembered of one arm.
#[derive(Clone, Debug, Default, PartialEq)]
struct ArmState {
    seen: BTreeSet<Digest>,
    bounds: Bounds,
    replicas: Replicas,
    widths: Widths,
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
        if !answers.complete(&metric.queries)
            || self.read_to.is_some_and(|read_to| answers.to <= read_to)
        {
            return;
        }
        self.note_reach(plan, answers.from);
        if metric.lag != Span::ZERO {
            answers.warn(&mut self.warnings);
        }
        for (_, answer) in &answers.parts {
            self.histogram_series = self.histogram_series.max(answer.histogram_series);
        }
        match (&metric.queries, &mut window.data) {
            (Queries::Series { combine, .. }, MetricData::Series { baseline, canary }) => {
                self.absorb_series(plan, metric, answers, *combine, (baseline, canary));
            }
            (Queries::Events { .. }, MetricData::Events { intervals }) => {
                self.absorb_events(plan, metric, answers, intervals);
            }
            (
                Queries::Distribution { threshold, .. },
                MetricData::Distribution { intervals, shapes },
            ) => {
                let threshold = threshold.unwrap_or(f64::INFINITY);
                self.absorb_buckets(plan, metric, answers, threshold, (intervals, shapes));
            }
            _ => {}
        }
        self.read_to = Some(answers.to);
        if answers.to >= plan.timing.start {
            self.past.close();
        }
        window.baseline_series = self.baseline.seen.len();
        window.canary_series = self.canary.seen.len();
        window.stray_series = self.stray.len();
        window.notes = self.notes(metric);
        window.unusable = self.unusable(metric, &window.data);
    }

    /// Of a part of a metric.
    pub(crate) fn of_part() -> Self {
        Self {
            is_part: true,
            ..Self::default()
        }
    }

    /// What turns up in a part of a metric after the whole was scraped is new, however long the
    /// part has been empty.
    pub(crate) fn scraped_with(&mut self, whole: &Self) {
        self.tally.scraped_with(&whole.tally);
        self.past.scraped_with(&whole.past);
    }

    /// The last instant answered for.
    pub(crate) fn read_to(&self) -> Option<Timestamp> {
        self.read_to
    }

    /// Whether more series came than may.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Whether the grid point at the start itself was asked for.
    pub(crate) fn start_asked(&self) -> bool {
        self.reach != Reach::Window
    }

    /// The history.
    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    /// The replicas of baseline and canary in the window.
    pub(crate) fn replicas(&self) -> [&Replicas; 2] {
        [&self.baseline.replicas, &self.canary.replicas]
    }

    /// The buckets of each replica in the window, a row each.
    pub(crate) fn replica_shapes(&self) -> &Shapes {
        self.tally.replica_shapes()
    }

    /// Whether grid point `idx` was asked for.
    pub(crate) fn asked(&self, plan: &Plan, idx: usize) -> bool {
        self.asked_at(grid_of(plan, 0, 0).instant(idx))
    }

    /// Whether that instant of the history was asked for.
    pub(crate) fn history_asked(&self, at: Timestamp) -> bool {
        self.reach == Reach::History && self.asked_at(at)
    }

    fn asked_at(&self, at: Timestamp) -> bool {
        self.read_to.is_some_and(|read_to| at <= read_to)
            && !self
                .unasked
                .iter()
                .any(|(after, to)| *after < at && at <= *to)
    }

    fn note_reach(&mut self, plan: &Plan, from: Timestamp) {
        let start = plan.timing.start;
        let read_to = self.read_to.unwrap_or_else(|| {
            self.reach = if from >= start {
                Reach::Window
            } else if from >= plan.history_from() {
                Reach::Anchors
            } else {
                Reach::History
            };
            start
        });
        if from > read_to {
            self.unasked.push((read_to, from));
        }
    }

    /// Splits the new samples of one query into arms, and into window and history.
    fn cut<'a>(
        &mut self,
        plan: &Plan,
        part: Part,
        series: impl Iterator<Item = &'a RawSeries>,
        to: Timestamp,
    ) -> Cut {
        let mut out = Cut::default();
        for (key, one) in by_key(series, None) {
            let Some((arm, taken)) = self.take(plan, part, (key, one), to) else {
                continue;
            };
            for (split, samples) in [(&mut out.live, taken.live), (&mut out.past, taken.past)] {
                if !samples.is_empty() {
                    split.of(arm).entry(key).or_default().extend(samples);
                }
            }
        }
        out
    }

    /// The samples of a series in `(read_to, to]`, unless it is a stray or one too many.
    fn take(
        &mut self,
        plan: &Plan,
        part: Part,
        (key, one): (Digest, &RawSeries),
        to: Timestamp,
    ) -> Option<(Arm, Taken)> {
        let eras = Eras::of(plan, part);
        let mut taken = Taken::default();
        let mut shows = false;
        for sample in &one.samples {
            if sample.at > to || self.read_to.is_some_and(|read_to| sample.at <= read_to) {
                continue;
            }
            shows |= eras.shows(sample.at);
            if eras.live(sample.at) {
                taken.live.push(*sample);
            }
            if eras.past(sample.at) {
                taken.past.push(*sample);
            }
        }
        if taken.live.is_empty() && taken.past.is_empty() {
            return None;
        }
        let arm = self.admit(plan, &one.labels, key, shows)?;
        let first = taken.past.iter().map(|sample| sample.at).min();
        self.past.sighted(arm, first);
        Some((arm, taken))
    }

    /// The arm of a series, unless it is a stray or one too many. A series that only anchors or
    /// belongs to the history is read, but not seen.
    fn admit(&mut self, plan: &Plan, labels: &Labels, key: Digest, shows: bool) -> Option<Arm> {
        let full = self.baseline.seen.len() + self.canary.seen.len() >= SERIES_MAX;
        let arm = arm_of(plan, labels);
        let seen = match arm {
            Some(Arm::Baseline) => &mut self.baseline.seen,
            Some(Arm::Canary) => &mut self.canary.seen,
            None => {
                if shows && self.stray.len() < SERIES_MAX {
                    self.stray.insert(key);
                }
                return None;
            }
        };
        if seen.contains(&key) {
            return arm;
        }
        if !shows {
            return arm.filter(|_| self.past.admit(key));
        }
        if full {
            self.overflowed = true;
            return None;
        }
        seen.insert(key);
        arm
    }

    /// Which of these series is which replica.
    fn names<'a>(
        &mut self,
        plan: &Plan,
        metric: &MetricPlan,
        series: impl Iterator<Item = &'a RawSeries>,
        except: Option<&str>,
    ) -> Names {
        let mut out = Names::new();
        let Some(label) = &metric.per else {
            return out;
        };
        for one in series {
            match one.labels.get(label) {
                Some(name) => {
                    out.insert(series_key(&one.labels, except), name.clone());
                }
                None => self.unnamed |= arm_of(plan, &one.labels).is_some(),
            }
        }
        out
    }

    fn absorb_series(
        &mut self,
        plan: &Plan,
        metric: &MetricPlan,
        answers: &Answers<'_>,
        combine: Combine,
        (baseline, canary): (&mut Series, &mut Series),
    ) {
        let names = self.names(plan, metric, answers.series(Part::Grid), None);
        let cut = self.cut(plan, Part::Grid, answers.series(Part::Grid), answers.to);
        let fold = fold_of(combine);
        self.past.series(plan, &cut.past, &names, fold);
        let first = baseline.grid().len;
        let len = grid_of(plan, 0, 0).points_until(answers.to);
        let grid = grid_of(plan, first, len.saturating_sub(first));
        let split = cut.live;
        let arms = [
            (split.baseline, baseline, &mut self.baseline),
            (split.canary, canary, &mut self.canary),
        ];
        for (samples, target, state) in arms {
            let aligned: Vec<(Digest, Series)> = samples
                .iter()
                .map(|(key, one)| (*key, align::align(grid, one, &mut self.census)))
                .collect();
            let seen = samples.iter().filter_map(|(key, one)| {
                let name = names.get(key)?.as_str();
                Some(one.iter().map(move |sample| (sample.at, name)))
            });
            state.replicas.meet(seen.flatten(), points_planned(plan));
            state
                .replicas
                .set(&aligned, &names, fold, (first, len.max(first)));
            let aligned: Vec<Series> = aligned.into_iter().map(|(_, series)| series).collect();
            if combine == Combine::Sum {
                state.widths.note(&aligned);
            }
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
        metric: &MetricPlan,
        answers: &Answers<'_>,
        intervals: &mut Vec<EventInterval>,
    ) {
        let both = answers.series(Part::Bad).chain(answers.series(Part::Total));
        let names = self.names(plan, metric, both, None);
        let bad = self.cut(plan, Part::Bad, answers.series(Part::Bad), answers.to);
        let total = self.cut(plan, Part::Total, answers.series(Part::Total), answers.to);
        if plan.history.is_some() {
            let past = (&bad.past, &total.past);
            self.past.events(plan, past, answers.to, &names);
        }
        let mut target = target(
            plan,
            answers.to,
            intervals,
            (&mut self.baseline, &mut self.canary),
            &names,
        );
        let live = (&bad.live, &total.live);
        self.tally.events(live, &mut target, &mut self.census);
    }

    fn absorb_buckets(
        &mut self,
        plan: &Plan,
        metric: &MetricPlan,
        answers: &Answers<'_>,
        threshold: f64,
        (intervals, shapes): (&mut Vec<EventInterval>, &mut Shapes),
    ) {
        let natives = absorb_buckets::natives(answers.histograms(Part::Buckets));
        let all = answers.series(Part::Buckets);
        let all = all.chain(natives.iter().map(|(_, totals, _)| totals));
        let names = self.names(plan, metric, all, Some("le"));
        let (mut live, mut past) = (Families::new(), Families::new());
        for (key, one) in by_key(answers.series(Part::Buckets), Some("le")) {
            let Some((arm, taken)) = self.take(plan, Part::Buckets, (key, one), answers.to) else {
                continue;
            };
            if !taken.live.is_empty() {
                match arm {
                    Arm::Baseline => self.baseline.bounds.add(&one.labels),
                    Arm::Canary => self.canary.bounds.add(&one.labels),
                }
            }
            for (families, samples) in [(&mut live, taken.live), (&mut past, taken.past)] {
                let family = families.entry(key);
                let fresh = || (arm, Buckets::new(threshold), Ladder::default());
                let (_, buckets, ladder) = family.or_insert_with(fresh);
                buckets.add(&one.labels, samples.iter().copied());
                ladder.add(&one.labels, samples.into_iter());
            }
        }
        let both = (&mut live, &mut past);
        self.absorb_natives(plan, answers.to, threshold, natives, both);
        if plan.history.is_some() {
            self.past.buckets(plan, &past, answers.to, &names);
        }
        let mut target = target(
            plan,
            answers.to,
            intervals,
            (&mut self.baseline, &mut self.canary),
            &names,
        );
        target.shapes = Some(shapes);
        self.tally.buckets(&live, &mut target, &mut self.census);
    }

    /// Puts native histograms beside the classic ones.
    fn absorb_natives(
        &mut self,
        plan: &Plan,
        to: Timestamp,
        threshold: f64,
        natives: Vec<(Digest, RawSeries, &RawHistograms)>,
        (live, past): (&mut Families, &mut Families),
    ) {
        for (key, totals, raw) in natives {
            let Some((arm, taken)) = self.take(plan, Part::Buckets, (key, &totals), to) else {
                continue;
            };
            for (families, samples) in [(&mut *live, &taken.live), (&mut *past, &taken.past)] {
                let fresh = || (arm, Buckets::new(threshold), Ladder::default());
                let (_, buckets, ladder) = families.entry(key).or_insert_with(fresh);
                let read = absorb_buckets::read_natives((key, raw), samples, &mut self.census);
                for snapshot in read {
                    match arm {
                        Arm::Baseline => self.baseline.bounds.add_native(&snapshot, threshold),
                        Arm::Canary => self.canary.bounds.add_native(&snapshot, threshold),
                    }
                    buckets.add_native(&snapshot);
                    ladder.add_native(snapshot);
                }
            }
        }
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
        let (totals, bads) = self.tally.series();
        let two = !self.is_part && metric_name(bad) != metric_name(total);
        (totals > 0 && bads == 0 && two).then(|| {
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
        let unread = !matches!(metric.queries, Queries::Distribution { .. });
        if self.histogram_series > 0 && unread {
            out.push(format!(
                "{} series of native histograms left out",
                self.histogram_series
            ));
        }
        if self.overflowed {
            out.push(format!("more than {SERIES_MAX} series, the rest left out"));
        }
        let (totals, bads) = self.tally.series();
        if matches!(metric.queries, Queries::Events { .. }) && totals > 0 && bads == 0 {
            out.push(
                "no series of bad events in either arm, counted as zero bad events".to_owned(),
            );
        }
        let arms = [(Arm::Baseline, &self.baseline), (Arm::Canary, &self.canary)];
        if let Queries::Series {
            gaps: GapPolicy::Drop | GapPolicy::Fail,
            ..
        } = metric.queries
        {
            let short = |(arm, state): (Arm, &ArmState)| {
                Some(format!("{}: {}", arm.word(), state.widths.short()?))
            };
            out.extend(arms.into_iter().filter_map(short));
        }
        for (arm, state) in arms {
            out.extend(state.replicas.crowded().map(|kept| {
                let arm = arm.word();
                format!("{arm}: more than {kept} replicas, the rest only in the combined values")
            }));
        }
        if let (true, Some(label)) = (self.unnamed, &metric.per) {
            out.push(format!(
                "series without the label `{label}` are in no replica"
            ));
        }
        out.extend(self.past.note());
        out.extend(self.warnings.iter().cloned());
        out
    }
}

/// Where the counts of the window go.
fn target<'a>(
    plan: &Plan,
    to: Timestamp,
    intervals: &'a mut Vec<EventInterval>,
    (baseline, canary): (&'a mut ArmState, &'a mut ArmState),
    names: &'a Names,
) -> Target<'a> {
    let grid = grid_of(plan, 0, 0);
    Target {
        grid,
        to,
        intervals,
        shapes: None,
        replicas: [&mut baseline.replicas, &mut canary.replicas],
        // The first judged interval begins here (see `Windows::judged_events`).
        replicas_from: grid.instant(grid.first_from(plan.timing.judged_from)),
        points: points_planned(plan),
        names,
    }
}

/// The name in front of a selector's braces.
fn metric_name(selector: &str) -> &str {
    selector.split('{').next().unwrap_or(selector).trim()
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
