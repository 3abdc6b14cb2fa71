//! What was before the start, and replicas: counted a second way, and without any influence on the
//! window.

#![expect(clippy::float_cmp, reason = "these counts are exact")]

use crate::windows::{
    BEGIN, absorb_in_parts, any_history, cut, instant, naive_growth, plan, pod, queries, slot,
    three_kinds,
};
use haldane::judge::replicas::{REPLICAS_MAX, Replica};
use haldane::judge::windows::{Batch, EventInterval, Windows};
use haldane::plan::{Part, Plan, Queries};
use haldane::series::raw::{Answer, RawSeries, Sample};
use haldane::template::Combine;
use haldane::time::{Span, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The mean of an arm's values that stand at one instant: the naive twin of alignment.
fn naive_mean(
    history: &[(haldane::plan::Slot, RawSeries)],
    arm: &str,
    at: Timestamp,
) -> Option<f64> {
    let mut here: Vec<f64> = history
        .iter()
        .filter(|(slot, one)| slot.part == Part::Grid && one.labels["pod"].starts_with(arm))
        .flat_map(|(_, one)| &one.samples)
        .filter(|sample| sample.at == at && sample.value.is_finite())
        .map(|sample| sample.value)
        .collect();
    here.sort_by(f64::total_cmp);
    let sum: f64 = here.iter().sum();
    (!here.is_empty()).then(|| sum / here.len() as f64)
}

fn total(intervals: &[EventInterval], arm: &str) -> (f64, f64) {
    let counts = intervals.iter().filter_map(|interval| match arm {
        "v1-" => interval.baseline,
        _ => interval.canary,
    });
    counts.fold((0.0, 0.0), |(bad, total), c| (bad + c.bad, total + c.total))
}

fn close(l: f64, r: f64) -> bool {
    (l - r).abs() < 1e-6
}

proptest! {
    /// With a history and without one the window is the same, and so is all that is said of it.
    #[test]
    fn a_history_changes_nothing_in_the_window(history in any_history()) {
        let with = three_kinds();
        let without = Plan { history: None, ..with.clone() };
        let end = instant("60m");
        let windows = absorb_in_parts(&with, &history, &[end]);
        let mut plain = Windows::new(&without);
        plain.absorb(&without, &cut(&without, &history, instant("-5m"), end));
        prop_assert_eq!(&windows.metrics, &plain.metrics);
        prop_assert_eq!(&windows.suspect, &plain.suspect);
        for idx in 0..3 {
            prop_assert_eq!(windows.judged_series(&with, idx), plain.judged_series(&without, idx));
            prop_assert_eq!(windows.judged_events(&with, idx), plain.judged_events(&without, idx));
            prop_assert_eq!(
                windows.judged_replicas(&with, idx), plain.judged_replicas(&without, idx)
            );
            prop_assert_eq!(
                windows.judged_replica_counts(&with, idx),
                plain.judged_replica_counts(&without, idx)
            );
            prop_assert_eq!(windows.coverage(&with, idx), plain.coverage(&without, idx));
            prop_assert_eq!(plain.history_series(&without, idx), None);
            prop_assert!(plain.history_events(&without, idx).is_empty());
        }
    }

    /// The history holds what was there: values at their instants, and all that counters grew by.
    #[test]
    fn the_history_is_what_was_before_the_start(history in any_history()) {
        let plan = three_kinds();
        let windows = absorb_in_parts(&plan, &history, &[instant("60m")]);
        let (baseline, canary) = windows.history_series(&plan, 0).unwrap();
        prop_assert_eq!((baseline.len(), canary.len()), (40, 40));
        for (arm, values) in [("v1-", baseline), ("v2-", canary)] {
            for (idx, value) in values.into_iter().enumerate() {
                let at = instant("-20m").plus(Span::from_s(30).times(i64::try_from(idx).unwrap()));
                prop_assert_eq!(value, naive_mean(&history, arm, at), "{} {}", arm, at);
            }
        }
        let intervals = windows.history_events(&plan, 1);
        prop_assert_eq!(intervals.len(), 40);
        prop_assert_eq!(intervals[0].at, instant("-20m").plus(Span::from_s(30)));
        prop_assert_eq!(intervals[39].at, instant("0s"));
        let era = (instant(BEGIN), instant("-20m"), instant("0s"));
        for arm in ["v1-", "v2-"] {
            let (bad, all) = total(&intervals, arm);
            prop_assert!(close(all, naive_growth(&history, Part::Total, arm, era)));
            prop_assert!(bad <= naive_growth(&history, Part::Bad, arm, era) + 1e-6);
            prop_assert!(bad <= all);
        }
    }

    /// What replicas have together is what their arm has, in the window and before it.
    #[test]
    fn replicas_add_up_to_their_arm(history in any_history()) {
        let mut plan = three_kinds();
        if let Queries::Series { combine, .. } = &mut plan.metrics[0].queries {
            *combine = Combine::Sum;
        }
        let windows = absorb_in_parts(&plan, &history, &[instant("60m")]);
        let sums = |replicas: &[Replica], len: usize| -> Vec<Option<f64>> {
            let at = |idx: usize| -> Option<f64> {
                replicas.iter().filter_map(|one| one.values[idx]).reduce(|l, r| l + r)
            };
            (0..len).map(at).collect()
        };
        let same = |l: &[Option<f64>], r: &[Option<f64>]| {
            l.len() == r.len()
                && l.iter().zip(r).all(|(l, r)| match (l, r) {
                    (Some(l), Some(r)) => close(*l, *r),
                    (l, r) => l == r,
                })
        };
        let judged = windows.judged_series(&plan, 0);
        let judged = judged.map(|(b, c)| (b.into_owned(), c.into_owned()));
        for (arms, replicas) in [
            (judged, windows.judged_replicas(&plan, 0)),
            (windows.history_series(&plan, 0), windows.history_replicas(&plan, 0)),
        ] {
            let ((baseline, canary), replicas) = (arms.unwrap(), replicas.unwrap());
            prop_assert!(same(&baseline, &sums(&replicas.0, baseline.len())));
            prop_assert!(same(&canary, &sums(&replicas.1, canary.len())));
        }
        for idx in [1, 2] {
            for (intervals, replicas) in [
                (windows.judged_events(&plan, idx), windows.judged_replica_counts(&plan, idx)),
                (windows.history_events(&plan, idx), windows.history_replica_counts(&plan, idx)),
            ] {
                let (baseline, canary) = replicas.unwrap();
                for (arm, replicas) in [("v1-", baseline), ("v2-", canary)] {
                    let sum: f64 = replicas.iter().map(|one| one.counts.total).sum();
                    let (_, wanted) = total(&intervals, arm);
                    prop_assert!(close(sum, wanted), "{} {} {}", arm, sum, wanted);
                    prop_assert!(replicas.iter().all(|one| one.counts.bad <= one.counts.total));
                    prop_assert!(replicas.is_sorted_by(|l, r| l.name < r.name));
                }
            }
        }
    }
}

/// One value per pod, at an instant that depends on the pod.
fn crowd(pods: &[(usize, &str)]) -> Vec<RawSeries> {
    pods.iter()
        .map(|(idx, at)| RawSeries {
            labels: pod(&format!("v2-{idx:03}")),
            samples: vec![Sample {
                at: instant(at),
                value: 1.0,
            }],
        })
        .collect()
}

fn kept(plan: &Plan, series: &[RawSeries], ends: &[&str]) -> (Vec<String>, Windows) {
    let mut windows = Windows::new(plan);
    let mut from = instant("-5m");
    for end in ends {
        let to = instant(end);
        let part = series.iter().map(|one| RawSeries {
            samples: one
                .samples
                .iter()
                .copied()
                .filter(|s| from < s.at && s.at <= to)
                .collect(),
            ..one.clone()
        });
        let answer = Answer {
            series: part.filter(|one| !one.samples.is_empty()).collect(),
            ..Answer::default()
        };
        windows.absorb(
            plan,
            &Batch {
                from,
                to,
                answers: vec![(slot(Part::Grid), answer)],
            },
        );
        from = to;
    }
    let (_, canary) = windows.judged_replicas(plan, 0).unwrap();
    (canary.into_iter().map(|one| one.name).collect(), windows)
}

/// Beyond the limit those that were there first are kept, however the samples are cut and listed;
/// the combined value has them all.
#[test]
fn too_many_replicas_count_in_the_combined_value_only() {
    let mut plan = plan(vec![queries("series", "drop")], "30s", "0s");
    plan.metrics[0].per = Some("pod".to_owned());
    // The highest names come first.
    let pods: Vec<(usize, &str)> = (0..REPLICAS_MAX + 6)
        .map(|idx| (idx, if idx > 9 { "30s" } else { "60s" }))
        .collect();
    let mut series = crowd(&pods);
    let (names, windows) = kept(&plan, &series, &["60s"]);
    let wanted: Vec<String> = (0..4)
        .chain(10..REPLICAS_MAX + 6)
        .map(|idx| format!("v2-{idx:03}"))
        .collect();
    assert_eq!(names, wanted);
    assert_eq!(
        windows.metrics[0].notes,
        ["canary: more than 64 replicas, the rest only in the combined values"]
    );
    let (_, canary) = windows.judged_series(&plan, 0).unwrap();
    assert_eq!(*canary, [None, Some(1.0), Some(1.0)]);
    series.reverse();
    let (again, others) = kept(&plan, &series, &["30s", "60s"]);
    assert_eq!(again, wanted);
    assert_eq!(others, windows);
}

/// Replicas of the history take no place from those of the window.
#[test]
fn replicas_of_the_past_crowd_out_nobody() {
    let mut plan = three_kinds();
    plan.metrics.truncate(1);
    let old: Vec<(usize, &str)> = (100..300).map(|idx| (idx, "-4m")).collect();
    let mut series = crowd(&old);
    series.extend(crowd(&[(1, "90s"), (2, "90s")]));
    let (names, windows) = kept(&plan, &series, &["90s"]);
    assert_eq!(names, ["v2-001", "v2-002"]);
    assert_eq!(windows.metrics[0].canary_series, 2, "the past is not seen");
    let (_, past) = windows.history_replicas(&plan, 0).unwrap();
    assert_eq!(past.len(), REPLICAS_MAX);
}

/// A window of many points keeps fewer replicas apart.
#[test]
fn the_values_of_replicas_are_bounded() {
    let mut plan = plan(vec![queries("series", "drop")], "1s", "0s");
    plan.metrics[0].per = Some("pod".to_owned());
    plan.timing.deadline = instant("3h");
    let pods: Vec<(usize, &str)> = (0..REPLICAS_MAX).map(|idx| (idx, "30s")).collect();
    let (names, _) = kept(&plan, &crowd(&pods), &["60s"]);
    assert_eq!(names.len(), 131_072 / 10_801);
}

/// Everything before the start: nobody was seen, nothing is covered (A5).
#[test]
fn a_history_alone_is_no_evidence() {
    let plan = three_kinds();
    let mut history: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for name in ["v1-a", "v2-a"] {
        let sample = |idx: i64| Sample {
            at: instant(BEGIN).plus(Span::from_s(30 * idx)),
            value: 10.0 * idx as f64,
        };
        history.insert(name, (1..=50).map(sample).collect());
    }
    let mut all = Vec::new();
    for (name, samples) in &history {
        for (slot, _) in plan.queries() {
            for le in ["0.25", "+Inf"] {
                let mut labels = pod(name);
                if slot.part == Part::Buckets {
                    labels.insert("le".to_owned(), le.to_owned());
                } else if le == "+Inf" {
                    continue;
                }
                let samples = samples
                    .iter()
                    .filter(|s| slot.part != Part::Grid || s.at < instant("0s"));
                let samples = samples.copied().collect();
                all.push((slot, RawSeries { labels, samples }));
            }
        }
    }
    let windows = absorb_in_parts(&plan, &all, &[instant("60m")]);
    for idx in 0..3 {
        let window = &windows.metrics[idx];
        assert_eq!((window.baseline_series, window.canary_series), (0, 0));
        assert_eq!(windows.coverage(&plan, idx), (0.0, 0.0));
    }
    let (baseline, _) = windows.history_series(&plan, 0).unwrap();
    assert!(baseline.iter().all(Option::is_some));
    for idx in [1, 2] {
        let (_, all) = total(&windows.history_events(&plan, idx), "v2-");
        assert_eq!(all, 400.0, "40 intervals of 10 events");
    }
}
