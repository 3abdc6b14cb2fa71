//! Shares of trials with their intervals: Wilson's for independent trials, a bootstrap of clusters
//! for labelled pairs that come from common recordings.

use crate::simulate::chance::Chance;
use crate::stats::normal;
use std::collections::BTreeMap;

/// Tail of a two-sided 95 % interval.
const TAIL: f64 = 0.025;

/// Resamples of a bootstrap: with 1,000 the 2.5 % limits are the 26th value from either end.
const RESAMPLES: usize = 1000;

/// A share of trials, with a 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// The lower limit, 0 ..= 1.
    pub low: f64,
    /// The upper limit, 0 ..= 1.
    pub high: f64,
}

impl Share {
    /// Wilson's score interval (Wilson 1927) for `count` of `of` independent trials.
    pub fn wilson(count: usize, of: usize) -> Self {
        if of == 0 {
            let (low, high) = (0.0, 1.0);
            return Self {
                count,
                of,
                low,
                high,
            };
        }
        let (n, p) = (of as f64, count as f64 / of as f64);
        let z = normal::inverse_sf(TAIL);
        let centre = p + z * z / (2.0 * n);
        let reach = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + z * z / n;
        // Where nothing or everything happened the limit is exactly 0 or 1, whatever is rounded.
        let low = if count == 0 {
            0.0
        } else {
            (centre - reach) / whole
        };
        let high = if count == of {
            1.0
        } else {
            (centre + reach) / whole
        };
        Self {
            count,
            of,
            low,
            high,
        }
    }

    /// The percentile bootstrap over whole clusters (Davison and Hinkley 1997, 3.8): as many
    /// clusters as there are, drawn with replacement; each case is its cluster and whether it
    /// counts.
    pub fn clustered(cases: &[(&str, bool)]) -> Self {
        let count = cases.iter().filter(|(_, hit)| *hit).count();
        let mut clusters: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (cluster, hit) in cases {
            let entry = clusters.entry(cluster).or_default();
            entry.0 += usize::from(*hit);
            entry.1 += 1;
        }
        let clusters: Vec<(usize, usize)> = clusters.into_values().collect();
        let mut chance = Chance::new(1, &["cluster bootstrap"]);
        let mut shares: Vec<f64> = Vec::with_capacity(RESAMPLES);
        for _ in 0..RESAMPLES {
            let (mut hits, mut all) = (0, 0);
            for _ in &clusters {
                let drawn = clusters.get(chance.whole(clusters.len()));
                let (hit, of) = drawn.copied().unwrap_or_default();
                hits += hit;
                all += of;
            }
            shares.push(hits as f64 / all.max(1) as f64);
        }
        shares.sort_by(f64::total_cmp);
        let at = |idx: usize| shares.get(idx).copied().unwrap_or(0.0);
        Self {
            count,
            of: cases.len(),
            low: at(RESAMPLES / 40),
            high: at(RESAMPLES - RESAMPLES / 40),
        }
    }

    /// The share itself; 0 of nothing.
    pub fn value(&self) -> f64 {
        self.count as f64 / self.of.max(1) as f64
    }
}

/// The value at or below which half of `values` lie, counting `missing` more beyond all of them;
/// `None` when less than half are there. What time to detect means where not everything is
/// detected.
pub fn median_with_missing(values: &mut [f64], missing: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let all = values.len() + missing;
    if all == 0 || 2 * values.len() < all {
        return None;
    }
    values.get((all - 1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_by_hand() {
        // Newcombe 1998, table I (score method): 81/263, 15/148, 0/20, 1/29.
        for (count, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let share = Share::wilson(count, of);
            assert!((share.low - low).abs() < 5e-5, "{count}/{of}: {share:?}");
            assert!((share.high - high).abs() < 5e-5, "{count}/{of}: {share:?}");
        }
        assert_eq!(Share::wilson(7, 7).high.to_bits(), 1.0_f64.to_bits());
        let none = Share::wilson(0, 0);
        assert!(none.low <= 0.0 && none.high >= 1.0);
    }

    #[test]
    fn clusters_not_cases_are_drawn() {
        // One cluster: every resample is the whole, whatever it holds.
        let one: Vec<(&str, bool)> = (0..10).map(|i| ("a", i < 3)).collect();
        let share = Share::clustered(&one);
        assert_eq!((share.count, share.of), (3, 10));
        assert!((share.low - 0.3).abs() < 1e-12 && (share.high - 0.3).abs() < 1e-12);
        // Two clusters, one all hits and one none: a resample is 0, 1/2 or 1 with 1/4, 1/2, 1/4.
        let two = [("a", true), ("a", true), ("b", false), ("b", false)];
        let share = Share::clustered(&two);
        assert!(share.low <= 0.0 && share.high >= 1.0, "{share:?}");
        // A hundred clusters of one case are plain cases: close to Wilson.
        let names: Vec<String> = (0..100).map(|i| format!("{i}")).collect();
        let many: Vec<(&str, bool)> = names
            .iter()
            .enumerate()
            .map(|(i, name)| (name.as_str(), i < 30))
            .collect();
        let (share, wilson) = (Share::clustered(&many), Share::wilson(30, 100));
        assert!(
            (share.low - wilson.low).abs() < 0.03,
            "{share:?} {wilson:?}"
        );
        assert!((share.high - wilson.high).abs() < 0.03, "{share:?}");
    }

    #[test]
    fn the_missing_are_later_than_all() {
        for (values, missing, wanted) in [
            (vec![3.0, 1.0, 2.0], 0, Some(2.0)),
            (vec![1.0, 2.0], 2, Some(2.0)),
            (vec![1.0, 2.0], 3, None),
            (vec![], 0, None),
        ] {
            let mut values = values;
            assert_eq!(median_with_missing(&mut values, missing), wanted);
        }
    }
}
