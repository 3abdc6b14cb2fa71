//! Histograms that only ever grow: from cumulative counts at bucket bounds, scraped now and then,
//! to observations per bucket between two scrapes.
//!
//! The buckets of one histogram live and reset together, as in [`counters`](super::counters), whose
//! rules for births and resets are these too. What two scrapes have no bound in common for is
//! merged.

use crate::digest::Digest;
use crate::series::census::Census;
use crate::series::counters::Birthline;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// What one scrape of one histogram said.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The instant.
    pub at: Timestamp,
    /// Which histogram: the digest of its labels.
    pub key: Digest,
    /// Finite bounds, rising strictly.
    pub bounds: Vec<f64>,
    /// Observations up to each bound, as long as `bounds`; finite and at least 0.
    pub within: Vec<f64>,
    /// All observations; finite and at least 0.
    pub all: f64,
    /// It is a native histogram: of its bounds only those are worth keeping that
    /// [`native::worth_keeping`](super::native::worth_keeping).
    pub native: bool,
}

impl Snapshot {
    /// Observations per bucket: one more than there are bounds. Buckets that a scrape caught at
    /// different moments can fall by less than nothing; that is none.
    fn cells(&self) -> Vec<f64> {
        let mut before = 0.0;
        let ends = self.within.iter().copied().chain([self.all]);
        ends.map(|end: f64| {
            let cell = (end - before).max(0.0);
            before = before.max(end);
            cell
        })
        .collect()
    }

    /// Observations up to `bound`: known at its bounds, and between two of them that have no
    /// observation between them. So a bucket that a scrape left out because it is empty is none
    /// that is missing.
    pub fn up_to(&self, bound: f64) -> Option<f64> {
        let idx = self.bounds.partition_point(|b| *b < bound);
        let next = self.within.get(idx).copied();
        if self.bounds.get(idx).is_some_and(|b| *b <= bound) {
            return next;
        }
        let before = idx.checked_sub(1).and_then(|idx| self.within.get(idx));
        let before = before.copied().unwrap_or(0.0);
        (next.unwrap_or(self.all) <= before).then_some(before)
    }

    /// The same on the bounds in `kept`, all of them known.
    fn on(&self, kept: &[f64]) -> Self {
        let within = kept.iter().filter_map(|bound| self.up_to(*bound));
        Self {
            within: within.collect(),
            bounds: kept.to_vec(),
            ..*self
        }
    }
}

/// The bounds of either snapshot that are known in both.
fn common(one: &Snapshot, other: &Snapshot) -> Vec<f64> {
    let mut bounds: Vec<f64> = one.bounds.iter().chain(&other.bounds).copied().collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds.retain(|bound| one.up_to(*bound).is_some() && other.up_to(*bound).is_some());
    bounds
}

/// By how much a histogram grew up to `at`.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// The instant of the later scrape.
    pub at: Timestamp,
    /// Which histogram.
    pub key: Digest,
    /// Finite bounds, rising.
    pub bounds: Vec<f64>,
    /// Observations per bucket: up to the first bound, between neighbours, beyond the last.
    pub cells: Vec<f64>,
    /// It is of a native histogram.
    pub native: bool,
}

impl Growth {
    /// Whether `bound` lies inside a bucket with observations.
    pub fn splits(&self, bound: f64) -> bool {
        let idx = self.bounds.partition_point(|b| *b < bound);
        let is_end = self.bounds.get(idx).is_some_and(|b| *b <= bound);
        !is_end && self.cells.get(idx).is_some_and(|cell| *cell > 0.0)
    }
}

/// Scrapes in a row that may lack a bound that was there before: they are left out, their
/// observations come with the next one. After that the layout has changed.
const LACKING_MAX: u8 = 2;

/// The last scrape of every histogram. The same snapshots in batches of any size give the same
/// growth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramState {
    last: BTreeMap<Digest, (Snapshot, u8)>,
}

impl HistogramState {
    /// One entry for each snapshot after `birthline.start` that could be used, by instant and then
    /// by histogram. Of an unknown origin nothing is counted, on the bounds that are known.
    pub fn advance(
        &mut self,
        mut snapshots: Vec<Snapshot>,
        birthline: Birthline,
        census: &mut Census,
    ) -> Vec<Growth> {
        snapshots.sort_by(|l, r| l.at.cmp(&r.at).then(l.key.cmp(&r.key)));
        let mut out = Vec::with_capacity(snapshots.len());
        for snapshot in snapshots {
            let growth = self.one(&snapshot, birthline, census);
            if snapshot.at > birthline.start {
                out.extend(growth);
            }
        }
        out
    }

    fn one(&mut self, now: &Snapshot, line: Birthline, census: &mut Census) -> Option<Growth> {
        let Some((before, lacking)) = self.last.get_mut(&now.key) else {
            self.last.insert(now.key, (now.clone(), 0));
            let born = now.at >= line.known_from;
            if now.at > line.start {
                *(if born {
                    &mut census.births
                } else {
                    &mut census.origin_unknown
                }) += 1;
            }
            let mut cells = now.cells();
            if !born {
                cells.fill(0.0);
            }
            return Some(Growth {
                at: now.at,
                key: now.key,
                bounds: now.bounds.clone(),
                cells,
                native: now.native,
            });
        };
        if now.at <= before.at {
            return None;
        }
        let common = common(before, now);
        let lacks = before.bounds.iter().any(|b| now.up_to(*b).is_none());
        if lacks && *lacking < LACKING_MAX {
            *lacking += 1;
            census.unpaired += 1;
            return None;
        }
        let (then, rest) = (before.on(&common), now.on(&common));
        (*before, *lacking) = (now.clone(), 0);
        Some(rise(&then, rest, census))
    }
}

/// The rule of one step, on equal bounds: difference, or after a reset the value itself.
fn rise(before: &Snapshot, now: Snapshot, census: &mut Census) -> Growth {
    let fell = now.all < before.all || now.within.iter().zip(&before.within).any(|(n, b)| n < b);
    if fell {
        census.resets += 1;
    }
    let risen = if fell {
        now
    } else {
        let each = now.within.iter().zip(&before.within);
        Snapshot {
            within: each.map(|(now, before)| now - before).collect(),
            all: now.all - before.all,
            ..now
        }
    };
    Growth {
        at: risen.at,
        key: risen.key,
        cells: risen.cells(),
        native: risen.native,
        bounds: risen.bounds,
    }
}
