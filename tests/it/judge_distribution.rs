//! Distribution metrics judged whole: what is said of them, and when nothing is.

use crate::judge_plans::{self as plans, Noise, START, STEP};
use crate::latencies::{BOUNDS, PLAIN, Traffic, interval};
use haldane::judge::judgement::{Finding, Label, Needs};
use haldane::judge::look::Look;
use haldane::judge::order_offset::HealthyShapes;
use haldane::judge::sequential_distribution::{Beside, find};
use haldane::judge::shapes::Shapes;
use haldane::judge::windows::{Counts, EventInterval, MetricData, MetricWindow};
use haldane::plan::{MetricPlan, Plan, Queries};
use haldane::units::{Harm, MinEffect};
use proptest::prelude::*;

const POINTS: i64 = 40;

fn metric(limit: MinEffect, threshold: Option<f64>) -> MetricPlan {
    MetricPlan {
        queries: Queries::Distribution {
            buckets: "b".to_owned(),
            threshold,
        },
        unit: "s".to_owned(),
        ..plans::series_metric("latency", limit, 0.05)
    }
}

type Cells = Option<Vec<f64>>;

/// A window of (baseline, canary) counts per bucket.
fn window(bounds: &[f64], threshold: Option<f64>, both: &[(Cells, Cells)]) -> MetricWindow {
    let mut shapes = Shapes::new(bounds.to_vec());
    let counts = |cells: &Cells| {
        let cells = cells.as_ref()?;
        let first = threshold.map_or(cells.len(), |t| bounds.partition_point(|b| *b <= t));
        Some(Counts {
            bad: cells.iter().skip(first).sum(),
            total: cells.iter().sum(),
        })
    };
    let mut intervals = Vec::new();
    for (k, (baseline, canary)) in (1_i64..).zip(both) {
        intervals.push(EventInterval {
            at: START.plus(STEP.times(k)),
            baseline: counts(baseline),
            canary: counts(canary),
        });
        shapes.push(baseline.clone(), canary.clone());
    }
    MetricWindow {
        data: MetricData::Distribution { intervals, shapes },
        baseline_series: 1,
        canary_series: 1,
        stray_series: 0,
        notes: Vec::new(),
        unusable: None,
    }
}

fn traffic(seed: u64, canary: Traffic, baseline: Traffic) -> Vec<(Cells, Cells)> {
    let mut noise = Noise(seed);
    (0..POINTS)
        .map(|_| {
            let b = interval(&mut noise, baseline);
            (Some(b), Some(interval(&mut noise, canary)))
        })
        .collect()
}

fn plan(metric: &MetricPlan) -> Plan {
    let mut plan = plans::plan(POINTS, 5, 0.05);
    plan.metrics.push(metric.clone());
    plan
}

fn at(plan: &Plan, window: &MetricWindow, points: i64) -> Finding {
    let look = Look::new(&plan.timing, START.plus(STEP.times(points)));
    let healthy = HealthyShapes::default();
    let beside = Beside {
        past: None,
        healthy: &healthy,
    };
    find(plan, &plan.metrics[0], window, beside, &look)
}

fn judged(metric: &MetricPlan, both: &[(Cells, Cells)]) -> Finding {
    let Queries::Distribution { threshold, .. } = metric.queries else {
        panic!("a distribution");
    };
    at(&plan(metric), &window(&BOUNDS, threshold, both), POINTS)
}

const TENTH_MORE: MinEffect = MinEffect::Relative(0.3);

#[test]
fn a_healthy_canary_is_within_at_every_bound_that_can_tell() {
    let found = judged(&metric(TENTH_MORE, None), &traffic(1, PLAIN, PLAIN));
    assert_eq!(found.label, Label::Within, "{found:?}");
    assert_eq!(found.test, "sequential stochastic order");
    assert_eq!(found.needs, Needs::Nothing);
    let effect = found.effect.unwrap().relative.unwrap();
    assert!(
        effect.low < 0.0 && effect.high > 0.0 && effect.high < 0.3,
        "{effect:?}"
    );
    assert!(found.notes[0].starts_with("beyond "), "{:?}", found.notes);
}

#[test]
fn a_worse_tail_is_named_with_its_bound_and_shares() {
    let both = traffic(2, Traffic { tail: 3.0, ..PLAIN }, PLAIN);
    let found = judged(&metric(TENTH_MORE, None), &both);
    assert_eq!(found.label, Label::Worse, "{found:?}");
    let note = &found.notes[0];
    assert!(
        note.starts_with("beyond 0.5 s: 3.") && note.contains(" % against 1."),
        "{note}"
    );
    let effect = found.effect.unwrap().relative.unwrap();
    assert!(
        effect.low > 0.3 && effect.value > 1.5 && effect.high < 4.0,
        "{effect:?}"
    );
    let evidence = found.evidence.unwrap();
    assert!(evidence.p_harm <= evidence.alpha && evidence.p_safe > evidence.beta);
    let (bad, n) = (found.canary.bad.unwrap(), found.canary.n);
    assert!(bad > 2_000 && n > 100_000, "{bad} of {n}");
}

#[test]
fn a_threshold_alone_is_judged_and_the_rest_is_shown() {
    let both = traffic(3, Traffic { tail: 3.0, ..PLAIN }, PLAIN);
    let median = judged(&metric(TENTH_MORE, Some(0.1)), &both);
    assert_eq!(median.label, Label::Within, "{median:?}");
    assert_eq!(median.test, "sequential binomial");
    let others = median
        .notes
        .iter()
        .find(|note| note.starts_with("beyond other bounds"));
    assert!(
        others.is_some_and(|note| note.contains("0.5 s 3.")),
        "{:?}",
        median.notes
    );
    let tail = judged(&metric(TENTH_MORE, Some(0.5)), &both);
    assert_eq!(tail.label, Label::Worse, "{tail:?}");
    assert!(
        tail.notes[0].starts_with("beyond 0.5 s: "),
        "{:?}",
        tail.notes
    );
}

#[test]
fn directions_and_absolute_limits() {
    let slower = traffic(
        4,
        Traffic {
            slower: 1.4,
            ..PLAIN
        },
        PLAIN,
    );
    let faster = traffic(
        4,
        Traffic {
            slower: 1.0 / 1.4,
            ..PLAIN
        },
        PLAIN,
    );
    let equal = traffic(4, PLAIN, PLAIN);
    for (limit, harm, both, label) in [
        (TENTH_MORE, Harm::Increase, &slower, Label::Worse),
        (TENTH_MORE, Harm::Increase, &faster, Label::Within),
        (TENTH_MORE, Harm::Decrease, &faster, Label::Worse),
        (TENTH_MORE, Harm::Decrease, &slower, Label::Within),
        (TENTH_MORE, Harm::Either, &slower, Label::Worse),
        (TENTH_MORE, Harm::Either, &faster, Label::Worse),
        (TENTH_MORE, Harm::Either, &equal, Label::Within),
        (
            MinEffect::Absolute(0.05),
            Harm::Increase,
            &slower,
            Label::Worse,
        ),
        (
            MinEffect::Absolute(0.05),
            Harm::Increase,
            &faster,
            Label::Within,
        ),
        (
            MinEffect::Absolute(0.05),
            Harm::Increase,
            &equal,
            Label::Within,
        ),
        (
            MinEffect::Absolute(0.05),
            Harm::Decrease,
            &faster,
            Label::Worse,
        ),
        (
            MinEffect::Absolute(0.3),
            Harm::Either,
            &slower,
            Label::Within,
        ),
        (
            MinEffect::Relative(1.0),
            Harm::Decrease,
            &faster,
            Label::Within,
        ),
    ] {
        let mut metric = metric(limit, None);
        metric.harm = harm;
        let found = judged(&metric, both);
        assert_eq!(found.label, label, "{limit:?} {harm:?} {found:?}");
    }
}

#[test]
fn too_little_is_no_data() {
    let metric = metric(TENTH_MORE, None);
    let few = Traffic {
        requests: 1.0,
        ..PLAIN
    };
    let found = judged(&metric, &traffic(5, few, PLAIN));
    assert_eq!(found.label, Label::NoData);
    assert!(found.no_data.unwrap().contains("of 100 required events"));
    // The canary falls silent.
    let mut both = traffic(5, PLAIN, PLAIN);
    both.iter_mut()
        .skip(25)
        .for_each(|(_, canary)| *canary = None);
    let found = judged(&metric, &both);
    assert_eq!(
        found.no_data.unwrap(),
        "canary fell silent: 0 values at the last 13 grid points"
    );
    // No bound in common.
    let whole: Vec<_> = traffic(5, PLAIN, PLAIN)
        .into_iter()
        .map(|(b, c)| {
            let sum = |cells: Cells| Some(vec![cells.unwrap().iter().sum()]);
            (sum(b), sum(c))
        })
        .collect();
    let found = at(&plan(&metric), &window(&[], None, &whole), POINTS);
    assert_eq!(found.label, Label::NoData);
    assert_eq!(
        found.no_data.unwrap(),
        "the arms have no bucket bound in common"
    );
}

#[test]
fn nothing_beyond_any_bound_is_within_by_convention() {
    let cells = || Some(vec![500.0, 0.0, 0.0]);
    let both: Vec<_> = (0..POINTS).map(|_| (cells(), cells())).collect();
    let metric = metric(TENTH_MORE, None);
    let found = at(&plan(&metric), &window(&[1.0, 2.0], None, &both), POINTS);
    assert_eq!((found.label, found.test), (Label::Within, "convention"));
}

#[test]
fn a_handful_of_requests_is_undecided_and_says_what_is_missing() {
    let quiet = Traffic {
        requests: 20.0,
        ..PLAIN
    };
    let found = judged(&metric(TENTH_MORE, None), &traffic(6, quiet, quiet));
    assert_eq!(found.label, Label::Undecided, "{found:?}");
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("enough observations")),
        "{found:?}"
    );
    assert_eq!(found.needs, Needs::MoreThanThereIs);
}

#[test]
fn a_worse_tail_too_thin_to_be_shown_takes_a_within_back() {
    // Enough around the median; twenty-five against four beyond a second.
    let mut both = traffic(7, PLAIN, PLAIN);
    for (idx, (baseline, canary)) in both.iter_mut().enumerate() {
        for (arm, slow) in [(baseline, idx % 10 == 0), (canary, idx % 8 < 5)] {
            let cells = arm.as_mut().unwrap();
            cells[6] = f64::from(u8::from(slow));
            cells[7] = 0.0;
            cells[8] = 0.0;
        }
    }
    let mut metric = metric(TENTH_MORE, None);
    metric.alpha = plans::probability(0.001);
    let found = judged(&metric, &both);
    assert_eq!(found.label, Label::Undecided, "{found:?}");
    assert!(
        found.notes.iter().any(|note| note.contains("beyond 1 s")),
        "{:?}",
        found.notes
    );
}

#[test]
fn clusters_are_named() {
    let bursts = Traffic {
        clusters: 15.0,
        ..PLAIN
    };
    let found = judged(&metric(TENTH_MORE, Some(0.5)), &traffic(8, bursts, bursts));
    assert!(
        found.notes.iter().any(|note| note.contains("clusters")),
        "{:?}",
        found.notes
    );
    assert_ne!(found.label, Label::Worse);
}

/// A regression that begins half way is not promoted on the data from before it.
#[test]
fn late_harm_is_found_and_not_within_before_it_is() {
    let mut both = traffic(9, PLAIN, PLAIN);
    let mut noise = Noise(10);
    for (_, canary) in both.iter_mut().skip(24) {
        *canary = Some(interval(&mut noise, Traffic { tail: 4.0, ..PLAIN }));
    }
    let metric = metric(TENTH_MORE, None);
    let (plan, window) = (plan(&metric), window(&BOUNDS, None, &both));
    let mut labels = Vec::new();
    for points in 5..=POINTS {
        let found = at(&plan, &window, points);
        labels.push(found.label);
    }
    assert!(labels.contains(&Label::Within));
    assert_eq!(labels.last(), Some(&Label::Worse));
    let last_within = labels.iter().rposition(|l| *l == Label::Within).unwrap() + 5;
    assert!(last_within <= 27, "{last_within}");
}

/// Pods of one arm, by row: their buckets minute by minute, tails `factor` times as long and
/// scattered by `spread` (sd of ln).
fn pods(noise: &mut Noise, count: usize, factor: f64, spread: f64) -> Vec<Vec<Vec<f64>>> {
    let pod = |_| {
        let tail = factor * libm::exp(spread * noise.normal());
        let minute = |_| {
            let requests = 2_000.0;
            interval(
                noise,
                Traffic {
                    requests,
                    tail,
                    ..PLAIN
                },
            )
        };
        (0..POINTS).map(minute).collect()
    };
    (0..count).map(pod).collect()
}

fn total<'a>(cells: impl Iterator<Item = &'a Vec<f64>>) -> Vec<f64> {
    let mut sum = vec![0.0; BOUNDS.len() + 1];
    for one in cells {
        sum.iter_mut().zip(one).for_each(|(sum, cell)| *sum += cell);
    }
    sum
}

/// The arms together minute by minute, and the rows of pods.
fn summed(arms: [&[Vec<Vec<f64>>]; 2]) -> (Vec<(Cells, Cells)>, Shapes) {
    let [baseline, canary] = arms;
    let minute = |at: usize| {
        let of = |arm: &[Vec<Vec<f64>>]| Some(total(arm.iter().map(|pod| &pod[at])));
        (of(baseline), of(canary))
    };
    let both = (0..usize::try_from(POINTS).unwrap()).map(minute).collect();
    let mut rows = Shapes::new(BOUNDS.to_vec());
    for row in 0..baseline.len().max(canary.len()) {
        let of = |arm: &[Vec<Vec<f64>>]| arm.get(row).map(|pod| total(pod.iter()));
        rows.push(of(baseline), of(canary));
    }
    (both, rows)
}

fn with(metric: &MetricPlan, both: &[(Cells, Cells)], healthy: &HealthyShapes) -> Finding {
    let plan = plan(metric);
    let look = Look::new(&plan.timing, START.plus(STEP.times(POINTS)));
    let beside = Beside {
        past: None,
        healthy,
    };
    find(&plan, metric, &window(&BOUNDS, None, both), beside, &look)
}

/// Healthy pods some of which always have the longer tail are no regression when they are told
/// apart, and one on all pods is one.
#[test]
fn scattered_pods_are_no_regression() {
    const RUNS: u64 = 40;
    for (limit, factor, spread, least, most) in [
        (MinEffect::Relative(0.1), 1.0, 0.4, 0, 2),
        (MinEffect::Absolute(0.001), 1.0, 0.4, 0, 2),
        (MinEffect::Relative(0.1), 3.0, 0.05, 36, 40),
    ] {
        let metric = metric(limit, None);
        let (mut told, mut untold) = (0, 0);
        for seed in 0..RUNS {
            let mut noise = Noise(seed + 77);
            let b = pods(&mut noise, 8, 1.0, spread);
            let c = pods(&mut noise, 4, factor, spread);
            let (both, rows) = summed([&b, &c]);
            let healthy = HealthyShapes::new(Some(rows), None);
            told += usize::from(with(&metric, &both, &healthy).label == Label::Worse);
            let none = HealthyShapes::default();
            untold += usize::from(with(&metric, &both, &none).label == Label::Worse);
        }
        println!("{limit:?} {factor} {spread}: {told}, {untold} without replicas, of {RUNS}");
        assert!((least..=most).contains(&told), "{limit:?} {factor}: {told}");
        assert!(untold >= 6, "{limit:?} {factor}: {untold} without replicas");
    }
}

/// The note says where the limit went, and with one pod what that cannot show.
#[test]
fn moved_limits_and_single_pods_are_noted() {
    let mut noise = Noise(2);
    let b = pods(&mut noise, 6, 1.0, 0.3);
    for (count, noted) in [(1, true), (3, false)] {
        let c = pods(&mut noise, count, 1.0, 0.3);
        let (both, rows) = summed([&b, &c]);
        let metric = metric(TENTH_MORE, None);
        let found = with(&metric, &both, &HealthyShapes::new(Some(rows), None));
        let says = |what: &str| found.notes.iter().any(|note| note.contains(what));
        assert!(says("limit moved from 30 % to "), "{:?}", found.notes);
        assert_eq!(says("one canary replica"), noted, "{:?}", found.notes);
    }
}

/// Tails that always differed by half are no regression when the history says so; one that grows
/// from there is one, and so is, with harm either way, one that vanishes.
#[test]
fn the_history_tells_a_lasting_difference() {
    let tail = |tail: f64| Traffic {
        tail,
        requests: 20_000.0,
        ..PLAIN
    };
    let mut history = Shapes::new(BOUNDS.to_vec());
    for (baseline, canary) in traffic(12, tail(1.5), tail(1.0)) {
        history.push(baseline, canary);
    }
    let healthy = HealthyShapes::new(None, Some(history));
    for (factor, limit, harm, worse, untold) in [
        (1.5, TENTH_MORE, Harm::Increase, false, true),
        (4.0, TENTH_MORE, Harm::Increase, true, true),
        (1.5, TENTH_MORE, Harm::Either, false, true),
        (0.5, TENTH_MORE, Harm::Either, true, true),
        (0.5, MinEffect::Absolute(0.002), Harm::Decrease, true, true),
        (1.5, MinEffect::Absolute(0.002), Harm::Increase, false, true),
        (4.0, MinEffect::Absolute(0.002), Harm::Increase, true, true),
    ] {
        let mut metric = metric(limit, None);
        metric.harm = harm;
        let both = traffic(13, tail(factor), tail(1.0));
        let found = with(&metric, &both, &healthy);
        assert_eq!(
            found.label == Label::Worse,
            worse,
            "{factor} {limit:?} {harm:?} {found:#?}"
        );
        let found = with(&metric, &both, &HealthyShapes::default());
        assert_eq!(
            found.label == Label::Worse,
            untold,
            "{factor} {limit:?} {harm:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Interval and label agree, and gaps anywhere do no harm.
    #[test]
    fn what_is_shown_is_what_is_decided(
        seed in any::<u64>(),
        slower in 0.7_f64..1.5,
        tail in 0.5_f64..3.0,
        gaps in prop::collection::vec(any::<[bool; 3]>(), 12),
        relative in any::<bool>(),
        harm in prop_oneof![Just(Harm::Increase), Just(Harm::Decrease), Just(Harm::Either)],
    ) {
        let canary = Traffic { slower, tail, ..PLAIN };
        let mut both = traffic(seed, canary, PLAIN);
        for ((baseline, canary), [one, two, three]) in both.iter_mut().zip(gaps) {
            if one && two {
                *baseline = None;
            }
            if two && three {
                *canary = None;
            }
        }
        let limit = if relative { TENTH_MORE } else { MinEffect::Absolute(0.02) };
        let mut metric = metric(limit, None);
        metric.harm = harm;
        let found = judged(&metric, &both);
        let effect = found.effect.unwrap();
        let shown = if relative { effect.relative.unwrap() } else { effect.absolute };
        prop_assert!(shown.low <= shown.value && shown.value <= shown.high, "{:?}", shown);
        let margin = if relative { 0.3 } else { 0.02 };
        let beyond = (harm != Harm::Decrease && shown.low > margin - 1e-12)
            || (harm != Harm::Increase && shown.high < 1e-12 - margin);
        let short = (harm == Harm::Decrease || shown.high < margin + 1e-12)
            && (harm == Harm::Increase || shown.low > -margin - 1e-12);
        match found.label {
            Label::Worse => prop_assert!(beyond, "{:?}", found),
            Label::Within => prop_assert!(short, "{:?}", found),
            Label::Undecided | Label::Lagging | Label::NoData => prop_assert!(!beyond || !short),
        }
    }
}
