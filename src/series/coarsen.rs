//! Bucket counts on fewer bounds: neighbouring buckets merge, nothing is split or lost.

/// Bounds kept of one metric's shape; of more, every second one is dropped until they fit. Forty
/// tell tails apart that differ by a third over six orders of magnitude.
pub const BOUNDS_KEPT_MAX: usize = 40;

/// For each bucket of `bounds` (one more than there are bounds) the bucket of `kept` that holds
/// it. Both rise; every bound of `kept` is taken as one of `bounds`.
pub fn targets(bounds: &[f64], kept: &[f64]) -> Vec<usize> {
    let upper = bounds.iter().copied().chain([f64::INFINITY]);
    upper
        .map(|end| kept.partition_point(|bound| *bound < end))
        .collect()
}

/// The counts in `cells` buckets, by [`targets`].
pub fn merge(counts: &[f64], targets: &[usize], cells: usize) -> Vec<f64> {
    let mut out = vec![0.0; cells];
    for (count, target) in counts.iter().zip(targets) {
        if let Some(cell) = out.get_mut(*target) {
            *cell += count;
        }
    }
    out
}

/// Bounds in both; both rise.
pub fn common(one: &[f64], other: &[f64]) -> Vec<f64> {
    let has = |bound: &&f64| other.binary_search_by(|b| b.total_cmp(bound)).is_ok();
    one.iter().filter(has).copied().collect()
}

/// At most `most` of the bounds, highest always included: every second one is
/// dropped, from below, as often as needed.
pub fn fit(mut bounds: Vec<f64>, most: usize) -> Vec<f64> {
    while bounds.len() > most.max(1) {
        let odd = bounds.len() % 2;
        bounds = bounds
            .into_iter()
            .enumerate()
            .filter(|(idx, _)| idx % 2 != odd)
            .map(|(_, bound)| bound)
            .collect();
    }
    bounds
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_merge_into_those_that_hold_them() {
        let map = targets(&[1.0, 2.0, 5.0], &[2.0]);
        assert_eq!(map, [0, 0, 1, 1]);
        assert_eq!(merge(&[1.0, 2.0, 3.0, 4.0], &map, 2), [3.0, 7.0]);
        assert_eq!(merge(&[1.0, 2.0], &targets(&[1.0], &[]), 1), [3.0]);
    }

    #[test]
    fn the_highest_bound_stays() {
        let many: Vec<f64> = (0..200).map(f64::from).collect();
        let kept = fit(many.clone(), BOUNDS_KEPT_MAX);
        assert!(kept.len() <= BOUNDS_KEPT_MAX && kept.len() > BOUNDS_KEPT_MAX / 2 - 1);
        assert_eq!(kept.last(), many.last());
        assert_eq!(fit(many[..40].to_vec(), 40).len(), 40);
        assert_eq!(common(&[1.0, 2.0, 5.0], &[2.0, 3.0, 5.0]), [2.0, 5.0]);
    }

    proptest! {
        #[test]
        fn merging_in_two_steps_is_merging_in_one(
            counts in prop::collection::vec(0_u32..1_000, 8),
            first in prop::collection::vec(any::<bool>(), 7),
            second in prop::collection::vec(any::<bool>(), 7),
        ) {
            let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
            let bounds: Vec<f64> = (0..7).map(f64::from).collect();
            let pick = |from: &[f64], keep: &[bool]| -> Vec<f64> {
                from.iter().zip(keep).filter(|(_, keep)| **keep).map(|(b, _)| *b).collect()
            };
            let middle = pick(&bounds, &first);
            let last = pick(&middle, &second);
            let step = merge(&counts, &targets(&bounds, &middle), middle.len() + 1);
            let two = merge(&step, &targets(&middle, &last), last.len() + 1);
            let one = merge(&counts, &targets(&bounds, &last), last.len() + 1);
            prop_assert_eq!(&two, &one);
            let (after, before): (f64, f64) = (one.iter().sum(), counts.iter().sum());
            prop_assert!((after - before).abs() <= 0.0);
        }
    }
}
