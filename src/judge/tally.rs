//! The counters of both arms, and the counts per interval that they give. The window has one
//! tally and the history another, under the same rules: what starts, is reset or is born before
//! the start is counted as it would be after it.

use crate::digest::Digest;
use crate::judge::absorb_buckets::{Apart, Histograms};
use crate::judge::arms::{BySeries, Split};
use crate::judge::intervals::{self, Cell, Grown, Growth};
use crate::judge::replicas::{Names, Replicas};
use crate::judge::shapes::Shapes;
use crate::judge::windows::{Arm, EventInterval};
use crate::series::buckets::{Buckets, Ladder};
use crate::series::census::Census;
use crate::series::counters::{Birthline, CounterState, Point, sound};
use crate::series::grid::Grid;
use crate::series::raw::Sample;
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// Without any sample from before the start nobody can tell a new counter from one that was there
/// before. Those that turn up within the first scrape of the window may be either; one scrape takes
/// at most this long (Prometheus' default `scrape_interval`).
const FIRST_SCRAPE: Span = Span::from_s(60);

/// The buckets of the histograms of both arms, by series.
pub(crate) type Families = BTreeMap<Digest, (Arm, Buckets, Ladder)>;

/// What is remembered of the counters of both arms.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    baseline: ArmTally,
    canary: ArmTally,
    histograms: Histograms,
    /// The instant of the first sample of all.
    earliest: Option<Timestamp>,
}

/// What is remembered of the counters of one arm.
#[derive(Clone, Debug, Default, PartialEq)]
struct ArmTally {
    bad: CounterState<1>,
    total: CounterState<1>,
    /// Observations, and those within the threshold.
    buckets: CounterState<2>,
    open: Cell,
}

/// Where counts go: the intervals of a grid, up to an instant, and the replicas.
pub(crate) struct Target<'a> {
    /// The grid; its length is not looked at.
    pub(crate) grid: Grid,
    /// The last instant read.
    pub(crate) to: Timestamp,
    /// All earlier intervals; the new ones are appended.
    pub(crate) intervals: &'a mut Vec<EventInterval>,
    /// Where every bucket is counted, for a distribution metric.
    pub(crate) shapes: Option<&'a mut Shapes>,
    /// The replicas of baseline and canary.
    pub(crate) replicas: [&'a mut Replicas; 2],
    /// What growth counts for a replica: that after this instant.
    pub(crate) replicas_from: Timestamp,
    /// How many points the grid may come to have.
    pub(crate) points: usize,
    /// Which series is which replica.
    pub(crate) names: &'a Names,
}

impl Tally {
    /// Takes in counters of bad events and of all events.
    pub(crate) fn events(
        &mut self,
        (bad, total): (&Split, &Split),
        target: &mut Target<'_>,
        census: &mut Census,
    ) {
        let bad = [&bad.baseline, &bad.canary].map(|series| points(series, census));
        let total = [&total.baseline, &total.canary].map(|series| points(series, census));
        self.note_earliest(bad.iter().chain(&total).flatten().map(|point| point.at));
        let line = self.birthline(target.grid.start);
        let mut grown = [Grown::default(), Grown::default()];
        let arms = [&mut self.baseline, &mut self.canary];
        let arms = arms.into_iter().zip(&mut grown);
        for ((state, grown), (bad, total)) in arms.zip(bad.into_iter().zip(total)) {
            let bad = state.bad.advance(bad, line, census);
            let total = state.total.advance(total, line, census);
            grown.bad = bad.iter().map(Growth::bad).collect();
            grown.total = total.iter().map(Growth::total).collect();
        }
        self.extend(&grown, target, census);
    }

    /// Takes in buckets.
    pub(crate) fn buckets(
        &mut self,
        families: &Families,
        target: &mut Target<'_>,
        census: &mut Census,
    ) {
        let (mut baseline, mut canary) = (Vec::new(), Vec::new());
        let mut snapshots = [Vec::new(), Vec::new()];
        for (key, (arm, buckets, ladder)) in families {
            let points = buckets.points(*key, census);
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
        let line = self.birthline(target.grid.start);
        if let Some(shapes) = &mut target.shapes {
            let (grid, to) = (target.grid, target.to);
            let apart = Apart {
                names: target.names,
                from: target.replicas_from,
            };
            self.histograms
                .absorb(snapshots, line, (grid, to), apart, shapes);
        }
        let baseline = self.baseline.buckets.advance(baseline, line, census);
        let canary = self.canary.buckets.advance(canary, line, census);
        let grown = [baseline, canary].map(|rises| Grown {
            bad: Vec::new(),
            total: rises.iter().map(Growth::beyond).collect(),
        });
        self.extend(&grown, target, census);
    }

    /// The buckets of each replica, a row each.
    pub(crate) fn replica_shapes(&self) -> &Shapes {
        self.histograms.replicas()
    }

    /// Counters of all events, and of bad ones, that were ever seen.
    pub(crate) fn series(&self) -> (usize, usize) {
        let (baseline, canary) = (&self.baseline, &self.canary);
        (
            baseline.total.series() + canary.total.series(),
            baseline.bad.series() + canary.bad.series(),
        )
    }

    fn extend(&mut self, grown: &[Grown; 2], target: &mut Target<'_>, census: &mut Census) {
        for (replicas, grown) in target.replicas.iter_mut().zip(grown) {
            replicas.count(grown, target.replicas_from, target.names, target.points);
        }
        let cells = [&mut self.baseline.open, &mut self.canary.open];
        intervals::extend(
            target.intervals,
            target.grid,
            target.to,
            cells,
            grown,
            census,
        );
    }

    /// Counts as scraped what another one has seen scraped.
    pub(crate) fn scraped_with(&mut self, other: &Self) {
        self.note_earliest(other.earliest.into_iter());
    }

    /// Empty but for when it was scraped first.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            earliest: self.earliest,
            ..Self::default()
        }
    }

    fn note_earliest(&mut self, instants: impl Iterator<Item = Timestamp>) {
        self.earliest = self.earliest.into_iter().chain(instants).min();
    }

    /// From when on a series without an earlier sample was born. Where anything of the metric was
    /// scraped before the start it is the start. Where nothing was (scrapes failed, or every
    /// target was relabelled), whatever turns up with the first scrapes may be old: a look before
    /// the start that found nothing proves nothing.
    fn birthline(&self, start: Timestamp) -> Birthline {
        let looked = self.earliest.is_some_and(|earliest| earliest <= start);
        let known_from = match self.earliest {
            Some(earliest) if !looked => earliest.plus(FIRST_SCRAPE),
            _ => start,
        };
        Birthline { start, known_from }
    }
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
