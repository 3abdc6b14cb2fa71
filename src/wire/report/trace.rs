//! The series of one metric for its chart.

use super::SeriesDocument;
use crate::judge::windows::{Arm, Counts, EventInterval, MetricData, Windows};
use crate::plan::{MetricPlan, Plan, Queries};
use crate::time::Timestamp;
use crate::wire::number::public;

/// Values kept per arm and metric; of a longer series the least and the greatest of every stretch
/// are kept. As many as a plan usually has grid points, and ten times what a screen can show.
pub const POINTS_KEPT_MAX: usize = 11_000;

/// The series of metric `idx` of the plan, as they came: gaps that a template counts as zero are
/// gaps here.
pub(super) fn of(
    plan: &Plan,
    windows: &Windows,
    idx: usize,
    metric: &MetricPlan,
) -> SeriesDocument {
    let grid_start = plan.timing.start;
    let step = plan.timing.step.span();
    let window = windows.metrics.get(idx);
    let (kind, start, baseline, canary) = match window.map(|window| &window.data) {
        Some(MetricData::Series { baseline, canary }) => {
            let arms = [baseline, canary].map(|arm| arm.values().to_vec());
            let [baseline, canary] = arms;
            ("values", grid_start, baseline, canary)
        }
        Some(MetricData::Distribution { intervals, shapes }) if whole(metric) => {
            let first = grid_start.plus(step);
            let middle = |arm| (0..intervals.len()).map(move |at| median(shapes, at, arm));
            let arms = [Arm::Baseline, Arm::Canary].map(|arm| middle(arm).collect());
            let [baseline, canary] = arms;
            ("median", first, baseline, canary)
        }
        Some(MetricData::Events { intervals } | MetricData::Distribution { intervals, .. }) => {
            let of = |arm: fn(&EventInterval) -> Option<Counts>| {
                intervals.iter().map(|one| ratio(arm(one))).collect()
            };
            let first = intervals.first().map_or(grid_start, |one| one.at);
            ("ratio", first, of(|one| one.baseline), of(|one| one.canary))
        }
        None => ("values", grid_start, Vec::new(), Vec::new()),
    };
    document(metric, kind, (start, step.ms()), [baseline, canary])
}

fn whole(metric: &MetricPlan) -> bool {
    metric.queries.is_whole_distribution() && matches!(metric.queries, Queries::Distribution { .. })
}

fn document(
    metric: &MetricPlan,
    kind: &str,
    (start, step_ms): (Timestamp, i64),
    arms: [Vec<Option<f64>>; 2],
) -> SeriesDocument {
    let longest = arms.iter().map(Vec::len).max().unwrap_or(0);
    // Both arms are as long, so that one instant is one index.
    let arms = arms.map(|mut arm| {
        arm.resize(longest, None);
        arm
    });
    let stretch = longest.div_ceil(POINTS_KEPT_MAX / 2).max(2);
    let thin = longest > POINTS_KEPT_MAX;
    let [baseline, canary] = arms.map(|arm| {
        let arm: Vec<Option<f64>> = arm.into_iter().map(|v| v.and_then(public)).collect();
        if thin { extremes(&arm, stretch) } else { arm }
    });
    let factor = i64::try_from(stretch).unwrap_or(i64::MAX);
    SeriesDocument {
        name: metric.name.to_string(),
        kind: kind.to_owned(),
        start: start.to_string(),
        step_ms: if thin {
            step_ms.saturating_mul(factor) / 2
        } else {
            step_ms
        },
        thinned: if thin { stretch } else { 1 },
        baseline,
        canary,
    }
}

/// Two values per stretch: its extremes, in the order in which they came.
fn extremes(values: &[Option<f64>], stretch: usize) -> Vec<Option<f64>> {
    let pair = |part: &[Option<f64>]| {
        let held = || {
            part.iter()
                .enumerate()
                .filter_map(|(at, v)| Some((at, (*v)?)))
        };
        let least = held().min_by(|l, r| l.1.total_cmp(&r.1));
        let most = held().max_by(|l, r| l.1.total_cmp(&r.1));
        match (least, most) {
            (Some(a), Some(b)) if a.0 <= b.0 => [Some(a.1), Some(b.1)],
            (Some(a), Some(b)) => [Some(b.1), Some(a.1)],
            _ => [None, None],
        }
    };
    values.chunks(stretch.max(1)).flat_map(pair).collect()
}

/// The share of bad events; an interval without any event says nothing.
fn ratio(counts: Option<Counts>) -> Option<f64> {
    let counts = counts.filter(|counts| counts.total > 0.0)?;
    Some(counts.bad / counts.total)
}

/// The middle of the observations of one interval, straight between bounds; at the outermost
/// bounds where it lies beyond them.
fn median(shapes: &crate::judge::shapes::Shapes, idx: usize, arm: Arm) -> Option<f64> {
    let (baseline, canary) = shapes.beyond(idx)?;
    let beyond = match arm {
        Arm::Baseline => baseline,
        Arm::Canary => canary,
    };
    if beyond.all <= 0.0 {
        return None;
    }
    let half = 0.5 * beyond.all;
    let mut before = (0.0_f64.min(*shapes.bounds().first()?), beyond.all);
    for (bound, count) in shapes.bounds().iter().zip(&beyond.counts) {
        if *count <= half {
            let (from, above) = before;
            let share = (above - half) / (above - count).max(f64::MIN_POSITIVE);
            let to = if bound.is_finite() { *bound } else { from };
            return Some(from + share.clamp(0.0, 1.0) * (to - from));
        }
        before = (*bound, *count);
    }
    Some(before.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_extremes_in_their_order() {
        let values = [1.0, 9.0, 2.0, 5.0, -1.0, 3.0].map(Some);
        let mut long = values.to_vec();
        long.extend([None, None, None]);
        assert_eq!(
            extremes(&long, 3),
            [Some(1.0), Some(9.0), Some(5.0), Some(-1.0), None, None]
        );
    }
}
