//! The cumulative buckets of one classic histogram: how many observations there were, and how many
//! of them within a threshold, at the instants at which both are known.

use crate::digest::Digest;
use crate::series::census::Census;
use crate::series::coarsen;
use crate::series::counters::{Point, sound};
use crate::series::histogram::Snapshot;
use crate::series::raw::{Labels, Sample};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Bounds named in a message about a missing one; the others are cut off.
const BOUNDS_SHOWN_MAX: usize = 12;

/// Distinct bounds remembered of an arm, and read of one histogram; further ones are not named in
/// messages, and of a histogram's every second one is left out (native-like schemes of exporters
/// stay below it).
const BOUNDS_MAX: usize = 200;

/// The bucket bounds that were seen, in rising order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// By [`order`].
    seen: BTreeMap<u64, f64>,
}

impl Bounds {
    /// Remembers the bound of a bucket with these labels.
    pub fn add(&mut self, labels: &Labels) {
        if let Some(bound) = bound_of(labels)
            && self.seen.len() < BOUNDS_MAX
        {
            self.seen.insert(order(bound), bound);
        }
    }

    /// Why nothing can be counted: `no bucket bound 0.25; bounds are 0.1, 0.5, +Inf`. `None` when
    /// both the threshold and the total are there, or no bucket was seen at all.
    pub fn lacks(&self, threshold: f64) -> Option<String> {
        let missing = [threshold, f64::INFINITY]
            .into_iter()
            .find(|bound| !self.seen.contains_key(&order(*bound)))
            .filter(|_| !self.seen.is_empty())?;
        let mut shown: Vec<String> = self.seen.values().map(|bound| bound_text(*bound)).collect();
        if shown.len() > BOUNDS_SHOWN_MAX {
            shown.truncate(BOUNDS_SHOWN_MAX);
            shown.push("…".to_owned());
        }
        let (missing, shown) = (bound_text(missing), shown.join(", "));
        Some(format!("no bucket bound {missing}; bounds are {shown}"))
    }
}

/// The buckets of one histogram: series whose labels are equal but for `le`.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    threshold: f64,
    within: Vec<Sample>,
    all: Vec<Sample>,
}

impl Buckets {
    /// No bucket yet. Observations up to `threshold` are within; with an infinite one all are.
    pub fn new(threshold: f64) -> Self {
        Self {
            threshold,
            within: Vec::new(),
            all: Vec::new(),
        }
    }

    /// Adds the bucket with these labels; bounds are compared as numbers (`0.30` is `0.3`), and a
    /// series without a readable `le` is no bucket.
    #[expect(clippy::float_cmp, reason = "a bound is the threshold or it is not")]
    pub fn add(&mut self, labels: &Labels, samples: impl Iterator<Item = Sample>) {
        let Some(bound) = bound_of(labels) else {
            return;
        };
        if bound == f64::INFINITY {
            self.all.extend(samples);
        } else if bound == self.threshold {
            self.within.extend(samples);
        }
    }

    /// Observations and those within the threshold, at the instants that have both; the others
    /// are counted in `census`.
    pub fn points(&self, key: Digest, census: &mut Census) -> Vec<Point<2>> {
        let all = sound(&self.all, census);
        let within = if self.threshold == f64::INFINITY {
            all.clone()
        } else {
            sound(&self.within, census)
        };
        let by_instant: BTreeMap<Timestamp, f64> = within.iter().map(|s| (s.at, s.value)).collect();
        let pair = |sample: &Sample| {
            let within = *by_instant.get(&sample.at)?;
            Some(Point {
                at: sample.at,
                key,
                values: [sample.value, within],
            })
        };
        let out: Vec<Point<2>> = all.iter().filter_map(pair).collect();
        census.unpaired += (within.len() + all.len() - 2 * out.len()) as u64;
        out
    }
}

/// All buckets of one histogram, for its whole shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ladder {
    /// By [`order`]: the bound and its samples.
    rungs: BTreeMap<u64, (f64, Vec<Sample>)>,
}

impl Ladder {
    /// Adds the bucket with these labels; a series without a readable `le` is no bucket.
    pub fn add(&mut self, labels: &Labels, samples: impl Iterator<Item = Sample>) {
        if let Some(bound) = bound_of(labels) {
            let rung = self.rungs.entry(order(bound));
            rung.or_insert((bound, Vec::new())).1.extend(samples);
        }
    }

    /// One snapshot for each instant at which the total is known, of the buckets known then; of
    /// more than [`BOUNDS_MAX`] every second one is left out. Counts never fall with the bound.
    pub fn snapshots(&self, key: Digest) -> Vec<Snapshot> {
        // What was wrong with samples is counted where the threshold's are read.
        let mut unseen = Census::default();
        let mut by_instant: BTreeMap<Timestamp, Vec<(f64, f64)>> = BTreeMap::new();
        for (bound, samples) in self.rungs.values() {
            for sample in sound(samples, &mut unseen) {
                let known = by_instant.entry(sample.at).or_default();
                known.push((*bound, sample.value));
            }
        }
        let snapshot = |(at, mut known): (Timestamp, Vec<(f64, f64)>)| {
            let (_, all) = known.pop_if(|(bound, _)| *bound == f64::INFINITY)?;
            let bounds = coarsen::fit(known.iter().map(|(b, _)| *b).collect(), BOUNDS_MAX);
            let mut most = 0.0_f64;
            let mut within = Vec::with_capacity(bounds.len());
            for (bound, value) in known {
                most = most.max(value).min(all);
                if bounds.binary_search_by(|b| b.total_cmp(&bound)).is_ok() {
                    within.push(most);
                }
            }
            Some(Snapshot {
                at,
                key,
                bounds,
                within,
                all,
            })
        };
        by_instant.into_iter().filter_map(snapshot).collect()
    }
}

/// Bounds in the order of numbers: the bits of a non-negative float rise with it, those of a
/// negative one fall (IEEE 754, totalOrder).
fn order(bound: f64) -> u64 {
    let bits = (bound + 0.0).to_bits();
    if bits >> 63 == 0 {
        bits | (1 << 63)
    } else {
        !bits
    }
}

fn bound_of(labels: &Labels) -> Option<f64> {
    let bound: f64 = labels.get("le")?.parse().ok()?;
    (!bound.is_nan()).then_some(bound)
}

fn bound_text(bound: f64) -> String {
    if bound == f64::INFINITY {
        "+Inf".to_owned()
    } else {
        bound.to_string()
    }
}
