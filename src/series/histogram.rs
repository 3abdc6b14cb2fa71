//! Histograms that only ever grow: from cumulative counts at bucket bounds, scraped now and then,
//! to observations per bucket between two scrapes.
//!
//! The buckets of one histogram live and reset together, as in [`counters`](super::counters), whose
//! rules for births and resets are these too. What two scrapes have no bound in common for is
//! merged.

use crate::digest::Digest;
use crate::series::census::Census;
use crate::series::coarsen;
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

    /// The same without the bounds that are not in `kept`.
    fn on(&self, kept: &[f64]) -> Self {
        let each = self.bounds.iter().zip(&self.within);
        let pick = |(bound, within): (&f64, &f64)| {
            let is_kept = kept.binary_search_by(|k| k.total_cmp(bound)).is_ok();
            is_kept.then_some((*bound, *within))
        };
        let (bounds, within) = each.filter_map(pick).unzip();
        Self {
            bounds,
            within,
            ..*self
        }
    }
}

/// By how much a histogram grew up to `at`.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// The instant of the later scrape.
    pub at: Timestamp,
    /// Finite bounds, rising.
    pub bounds: Vec<f64>,
    /// Observations per bucket: up to the first bound, between neighbours, beyond the last.
    pub cells: Vec<f64>,
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
                bounds: now.bounds.clone(),
                cells,
            });
        };
        if now.at <= before.at {
            return None;
        }
        let common = coarsen::common(&before.bounds, &now.bounds);
        if common.len() < before.bounds.len() && *lacking < LACKING_MAX {
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
        cells: risen.cells(),
        bounds: risen.bounds,
    }
}
