//! Counters to increments, from raw samples.
//!
//! PromQL's `increase` sees nothing of a counter that is born at 3 and stays there, and makes
//! 3.05 of the step from 1 to 4. Here an increment is the difference of two neighbouring samples
//! of one series, or the value itself after a reset; the first value of a series counts only when
//! the series is known to have been born inside the window. Several values that live and reset
//! together (the buckets of one histogram) are one counter of width 2.

use crate::digest::Digest;
use crate::series::align;
use crate::series::census::Census;
use crate::series::raw::Sample;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Clean counter samples: finite, at least zero, one per instant, in rising time.
pub fn sound(samples: &[Sample], census: &mut Census) -> Vec<Sample> {
    let mut clean = align::clean(samples, census).into_owned();
    let before = clean.len();
    clean.retain(|sample| sample.value >= 0.0);
    census.negative += (before - clean.len()) as u64;
    clean
}

/// One clean sample of a counter of width `W`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<const W: usize> {
    /// The instant.
    pub at: Timestamp,
    /// Which series: the digest of its labels.
    pub key: Digest,
    /// The counters' values, finite and at least 0.
    pub values: [f64; W],
}

/// By how much a series rose up to `at`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Increment<const W: usize> {
    /// The instant of the later sample.
    pub at: Timestamp,
    /// Which series.
    pub key: Digest,
    /// What was added; finite and at least 0; zero when the origin is unknown.
    pub amounts: [f64; W],
}

/// From when on a series without an earlier sample counts as born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birthline {
    /// Samples at or before it are anchors: they are remembered and count nothing.
    pub start: Timestamp,
    /// A series whose first sample is after `start` and at or after this instant was born; in
    /// between its origin is unknown.
    pub known_from: Timestamp,
}

/// The last sample of every series seen so far. The same points in batches of any size give the
/// same increments, bit for bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CounterState<const W: usize = 1> {
    last: BTreeMap<Digest, Track<W>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Track<const W: usize> {
    at: Timestamp,
    values: [f64; W],
}

impl<const W: usize> CounterState<W> {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            last: BTreeMap::new(),
        }
    }

    /// How many series it remembers. A vanished series is remembered: it may come back.
    pub fn series(&self) -> usize {
        self.last.len()
    }

    /// One entry for each point after `birthline.start`, ordered by instant and then by series, so
    /// that sums over them do not depend on how the points were cut into batches. A point that is
    /// not after the last one of its series is ignored.
    pub fn advance(
        &mut self,
        mut points: Vec<Point<W>>,
        birthline: Birthline,
        census: &mut Census,
    ) -> Vec<Increment<W>> {
        points.sort_unstable_by(|l, r| l.at.cmp(&r.at).then(l.key.cmp(&r.key)));
        let mut out = Vec::with_capacity(points.len());
        for point in points {
            let known = self.last.get(&point.key).copied();
            if known.is_some_and(|track| point.at <= track.at) {
                continue;
            }
            let track = Track {
                at: point.at,
                values: point.values,
            };
            self.last.insert(point.key, track);
            if point.at <= birthline.start {
                continue;
            }
            out.push(Increment {
                at: point.at,
                key: point.key,
                amounts: rise(known, &point, birthline, census),
            });
        }
        out
    }
}

/// The rule of one step: difference, reset, birth, or unknown origin.
fn rise<const W: usize>(
    known: Option<Track<W>>,
    point: &Point<W>,
    birthline: Birthline,
    census: &mut Census,
) -> [f64; W] {
    let Some(track) = known else {
        if point.at >= birthline.known_from {
            census.births += 1;
            return point.values;
        }
        census.origin_unknown += 1;
        return [0.0; W];
    };
    let mut amounts = [0.0; W];
    for (amount, (now, before)) in amounts
        .iter_mut()
        .zip(point.values.iter().zip(track.values))
    {
        *amount = now - before;
    }
    // One value that fell means that the process began anew, and all its values with it.
    if amounts.iter().any(|amount| *amount < 0.0) {
        census.resets += 1;
        return point.values;
    }
    amounts
}
