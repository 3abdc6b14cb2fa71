//! Native histograms as cumulative counts at the ends of their buckets.
//!
//! Their buckets grow by a factor of 2^(2^-s) for a schema s from -4 to 8, and a scheme that holds
//! too many is made coarser on the way, so neighbouring scrapes may differ in it. The ends of
//! coarser schemes are ends of all finer ones.

use crate::digest::Digest;
use crate::series::align;
use crate::series::census::Census;
use crate::series::histogram::Snapshot;
use crate::series::raw::RawHistogram;

/// Ends that differ by less than this share are the same: they are powers of two with fractions,
/// and every implementation rounds them for itself.
const SAME: f64 = 1e-9;

/// Schemes go down to buckets of 2^(1/256).
const FINEST: f64 = 256.0;

/// Of exponential buckets those bounds are kept that are whole powers of √2: tails a third apart
/// are told apart, and three decades make twenty bounds.
const KEPT: f64 = 2.0;

/// Whether a bound of a native histogram is worth keeping: a power of √2, or one that is no bound
/// of an exponential scheme at all and so was chosen by a person.
pub fn worth_keeping(bound: f64) -> bool {
    let log = libm::log2(bound.abs());
    let is_whole = |fine: f64| {
        let steps = log * fine;
        (steps - libm::round(steps)).abs() < fine * SAME * 10.0
    };
    bound.abs() > f64::MIN_POSITIVE && (is_whole(KEPT) || !is_whole(FINEST))
}

/// The power of √2 nearest to `bound` if that is what it is, else `bound`: the same end is the
/// same number in every scheme.
fn settled(bound: f64) -> f64 {
    let steps = libm::round(libm::log2(bound.abs()) * KEPT);
    if !steps.is_finite() {
        return bound + 0.0;
    }
    let power = libm::exp2(libm::floor(0.5 * steps));
    let odd = steps - 2.0 * libm::floor(0.5 * steps) > 0.5;
    let nearest = power * if odd { std::f64::consts::SQRT_2 } else { 1.0 };
    if (nearest - bound.abs()).abs() < SAME * nearest {
        nearest.copysign(bound)
    } else {
        bound
    }
}

/// What a scrape of a native histogram says; `None`, and counted in `census`, when its numbers are
/// none.
pub fn snapshot(key: Digest, raw: &RawHistogram, census: &mut Census) -> Option<Snapshot> {
    let counts = raw.buckets.iter().map(|bucket| bucket.count);
    let sound = |count: f64| align::usable(count) && count >= 0.0;
    if !sound(raw.count) || !counts.clone().all(sound) {
        census.non_finite += 1;
        return None;
    }
    let mut buckets = raw.buckets.clone();
    buckets.retain(|bucket| bucket.count > 0.0 && bucket.left < bucket.right);
    buckets.sort_by(|l, r| l.left.total_cmp(&r.left));
    let (mut bounds, mut within) = (Vec::new(), Vec::new());
    let mut sum = 0.0;
    for bucket in &buckets {
        for (end, more) in [(bucket.left, 0.0), (bucket.right, bucket.count)] {
            sum += more;
            let end = settled(end);
            let last = bounds.last().copied();
            if end.is_finite() && last.is_none_or(|last| last < end) {
                bounds.push(end);
                within.push(sum);
            } else if let Some(within) = within.last_mut() {
                *within = sum;
            }
        }
    }
    Some(Snapshot {
        at: raw.at,
        key,
        bounds,
        within,
        // NaN observations are counted in the whole and in no bucket: they are beyond nothing.
        all: sum,
        native: true,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::series::raw::RawBucket;
    use crate::time::Timestamp;

    fn raw(buckets: &[(f64, f64, f64)]) -> RawHistogram {
        let bucket = |&(left, right, count): &(f64, f64, f64)| RawBucket { left, right, count };
        RawHistogram {
            at: Timestamp::from_s(1),
            count: buckets.iter().map(|b| b.2).sum(),
            buckets: buckets.iter().map(bucket).collect(),
        }
    }

    #[test]
    fn powers_of_the_root_of_two_and_chosen_bounds_are_worth_keeping() {
        for kept in [
            0.25,
            0.5,
            1.0,
            2.0,
            0.707_106_781_186_547_5,
            0.3,
            0.1,
            -4.0,
            1_000.0,
        ] {
            assert!(worth_keeping(kept), "{kept}");
        }
        // 2^(1/4), 2^(-3/8), 2^(1/256).
        for fine in [
            1.189_207_115_002_721,
            0.771_105_412_703_970_6,
            1.002_711_275_050_202,
        ] {
            assert!(!worth_keeping(fine), "{fine}");
        }
        let half = 0.5 * std::f64::consts::SQRT_2;
        assert!((settled(0.707_106_781_3) - half).abs() <= 0.0);
    }

    #[test]
    fn counts_are_known_at_ends_and_where_nothing_is() {
        let mut census = Census::default();
        let raw = raw(&[
            (-0.001, 0.001, 2.0),
            (0.25, 0.5, 3.0),
            (0.5, 1.0, 4.0),
            (4.0, 8.0, 1.0),
        ]);
        let snapshot = snapshot(Digest::of(b"h"), &raw, &mut census).unwrap();
        for (bound, known) in [
            (-1.0, Some(0.0)),
            (0.0, None),
            (0.001, Some(2.0)),
            (0.1, Some(2.0)),
            (0.25, Some(2.0)),
            (0.3, None),
            (0.5, Some(5.0)),
            (1.0, Some(9.0)),
            (2.0, Some(9.0)),
            (6.0, None),
            (8.0, Some(10.0)),
            (100.0, Some(10.0)),
        ] {
            assert_eq!(snapshot.up_to(bound), known, "{bound}");
        }
    }

    #[test]
    fn broken_counts_are_no_histogram() {
        let mut census = Census::default();
        for count in [f64::NAN, -1.0, f64::INFINITY] {
            let broken = raw(&[(1.0, 2.0, count)]);
            assert!(snapshot(Digest::of(b"h"), &broken, &mut census).is_none());
        }
        assert_eq!(census.non_finite, 3);
    }
}
