//! Events whose bad ratio differs from pod to pod: what replicas and history say of healthy arms
//! widens the limit, so that other pods are no regression and a regression on all pods is one.

use crate::judge_plans::{self as plans, Noise};
use haldane::judge::count_offset::Healthy;
use haldane::judge::judgement::{Finding, Label};
use haldane::judge::look::Look;
use haldane::judge::replicas::ReplicaCounts;
use haldane::judge::sequential_counts::{Beside, find};
use haldane::judge::windows::{Counts, EventInterval, MetricData};
use haldane::plan::MetricPlan;
use haldane::time::Span;
use haldane::units::{Harm, MinEffect};
use std::collections::BTreeSet;

const ALPHA: f64 = 0.05;
const MINUTES: usize = 60;
const LOOKS: [usize; 4] = [15, 30, 45, 60];
const RELATIVE: MinEffect = MinEffect::Relative(0.2);

/// Pods of one arm: how many, requests each a minute, and the sd of ln of their bad ratios.
#[derive(Clone, Copy)]
struct Pods {
    count: usize,
    requests: f64,
    ratio: f64,
    spread: f64,
}

/// Bad events of every pod in every minute.
struct Hour {
    requests: f64,
    bad: Vec<Vec<f64>>,
}

impl Hour {
    fn new(noise: &mut Noise, pods: Pods) -> Self {
        let pod = |noise: &mut Noise| {
            let ratio = pods.ratio * libm::exp(pods.spread * noise.normal());
            let minutes = 0..MINUTES;
            minutes
                .map(|_| noise.poisson(pods.requests * ratio))
                .collect()
        };
        Self {
            requests: pods.requests,
            bad: (0..pods.count).map(|_| pod(noise)).collect(),
        }
    }

    fn minute(&self, minute: usize) -> Counts {
        Counts {
            bad: self.bad.iter().map(|pod| pod[minute]).sum(),
            total: self.requests * self.bad.len() as f64,
        }
    }

    fn replicas(&self, minutes: usize) -> Vec<ReplicaCounts> {
        let counts = |(idx, pod): (usize, &Vec<f64>)| ReplicaCounts {
            name: format!("pod-{idx}"),
            counts: Counts {
                bad: pod[..minutes].iter().sum(),
                total: self.requests * minutes as f64,
            },
        };
        self.bad.iter().enumerate().map(counts).collect()
    }
}

fn intervals(baseline: &Hour, canary: &Hour, begin: i64) -> Vec<EventInterval> {
    let minute = |at: usize| EventInterval {
        at: plans::START.plus(Span::from_s(60).times(begin + 1 + i64::try_from(at).unwrap())),
        baseline: Some(baseline.minute(at)),
        canary: Some(canary.minute(at)),
    };
    (0..MINUTES).map(minute).collect()
}

fn metric(limit: MinEffect, harm: Harm) -> MetricPlan {
    MetricPlan {
        harm,
        ..plans::events_metric("errors", limit, ALPHA)
    }
}

fn judged(
    metric: &MetricPlan,
    intervals: &[EventInterval],
    minutes: usize,
    healthy: &Healthy,
) -> Finding {
    let plan = plans::plan(60, 15, ALPHA);
    let mut window = plans::events(&[], &[]);
    window.data = MetricData::Events {
        intervals: intervals[..minutes].to_vec(),
    };
    let points = i64::try_from(minutes).unwrap();
    let look = Look::new(&plan.timing, plans::START.plus(plans::STEP.times(points)));
    let beside = Beside {
        history: &[],
        healthy,
    };
    find(&plan, metric, &window, &intervals[..minutes], beside, &look)
}

/// Runs of an hour in which a label was ever said, with replicas told and without.
fn ever(
    label: Label,
    limit: MinEffect,
    runs: u64,
    [baseline, canary]: [Pods; 2],
) -> (usize, usize) {
    let metric = metric(limit, Harm::Increase);
    let (mut told, mut untold) = (0, 0);
    for run in 0..runs {
        let mut noise = Noise(1000 + run);
        let (b, c) = (
            Hour::new(&mut noise, baseline),
            Hour::new(&mut noise, canary),
        );
        let all = intervals(&b, &c, 0);
        let said = |apart: bool| {
            LOOKS.into_iter().any(|minutes| {
                let replicas = apart.then(|| (b.replicas(minutes), c.replicas(minutes)));
                let healthy = Healthy::new(replicas, Vec::new());
                judged(&metric, &all, minutes, &healthy).label == label
            })
        };
        told += usize::from(said(true));
        untold += usize::from(said(false));
    }
    (told, untold)
}

const BASELINE: Pods = Pods {
    count: 8,
    requests: 1000.0,
    ratio: 0.01,
    spread: 0.4,
};

fn canary(count: usize, factor: f64) -> Pods {
    Pods {
        count,
        ratio: factor * BASELINE.ratio,
        ..BASELINE
    }
}

/// Healthy pods of which some always fail more: without replicas they are taken for a regression
/// far more often than promised, with them no more often than that.
#[test]
fn scattered_pods_are_no_regression() {
    for (limit, untold_min) in [(RELATIVE, 10), (MinEffect::Absolute(0.002), 10)] {
        let (told, untold) = ever(Label::Worse, limit, 100, [BASELINE, canary(4, 1.0)]);
        assert!(told <= 5, "{limit:?}: {told} of 100, promised 5 %");
        assert!(
            untold >= untold_min,
            "{limit:?}: {untold} of 100 without replicas"
        );
        // At the limit by chance of its pods a canary is not promoted either.
        let beyond = [BASELINE, canary(4, 1.25)];
        let (told, untold) = ever(Label::Within, limit, 100, beyond);
        assert!(
            told <= 5,
            "{limit:?}: {told} of 100 within beyond the limit"
        );
        assert!(
            untold > 10,
            "{limit:?}: {untold} of 100 within without replicas"
        );
    }
}

/// What happens on all pods of the canary is found in spite of the scatter: soon where pods are
/// alike or many.
#[test]
fn a_regression_on_all_pods_is_found() {
    let many = Pods {
        count: 30,
        ..BASELINE
    };
    let alike = Pods {
        spread: 0.02,
        ..BASELINE
    };
    let of_alike = Pods {
        spread: 0.02,
        ..canary(4, 2.0)
    };
    for pods in [[many, canary(20, 2.0)], [alike, of_alike]] {
        let (told, untold) = ever(Label::Worse, RELATIVE, 40, pods);
        // Thirty pods against twenty of which the ratios scatter by 0.4 differ by 0.12 themselves.
        assert!(told >= 30 && untold >= 38, "{told} and {untold} of 40");
    }
}

/// One canary pod: the finding says what that cannot show.
#[test]
fn one_canary_pod_is_noted() {
    let mut noise = Noise(1);
    let pods = |count| Pods {
        count,
        spread: 0.1,
        ..BASELINE
    };
    let b = Hour::new(&mut noise, pods(6));
    for (count, noted) in [(1, true), (2, false)] {
        let c = Hour::new(&mut noise, pods(count));
        let healthy = Healthy::new(Some((b.replicas(30), c.replicas(30))), Vec::new());
        let all = intervals(&b, &c, 0);
        let found = judged(&metric(RELATIVE, Harm::Increase), &all, 30, &healthy);
        let says = |what: &str| found.notes.iter().any(|note| note.contains(what));
        assert_eq!(says("one canary replica"), noted, "{:?}", found.notes);
        assert!(says("limit moved from 20 % to "), "{:?}", found.notes);
        // What is undecided is not bounded by the limit of safety, but by what was seen.
        let interval = found.effect.unwrap().relative.unwrap();
        let bare = judged(
            &metric(RELATIVE, Harm::Increase),
            &all,
            30,
            &Healthy::default(),
        );
        let bare = bare.effect.unwrap().relative.unwrap();
        assert!(interval.low > bare.low - 0.1, "{interval:?} {bare:?}");
    }
}

/// Arms that always differed by half are no regression when the history says so, and one that
/// grows from there is one; without the history both are.
#[test]
fn the_history_tells_a_lasting_difference() {
    for (factor, harm, with, without) in [
        (1.5, Harm::Increase, Label::Within, Label::Worse),
        (3.0, Harm::Increase, Label::Worse, Label::Worse),
        (1.5, Harm::Either, Label::Within, Label::Worse),
        (0.5, Harm::Either, Label::Worse, Label::Worse),
        (0.5, Harm::Decrease, Label::Worse, Label::Worse),
    ] {
        let mut noise = Noise(7);
        let pods = |factor: f64| Pods {
            spread: 0.0,
            requests: 4000.0,
            ..canary(4, factor)
        };
        let [before_b, before_c, b, c] =
            [1.0, 1.5, 1.0, factor].map(|factor| Hour::new(&mut noise, pods(factor)));
        let history = intervals(&before_b, &before_c, -60);
        let all = intervals(&b, &c, 0);
        let metric = metric(RELATIVE, harm);
        for (healthy, label) in [
            (Healthy::new(None, history), with),
            (Healthy::default(), without),
        ] {
            let found = judged(&metric, &all, 60, &healthy);
            assert_eq!(found.label, label, "{factor} {harm:?} {found:#?}");
        }
    }
}

/// Replicas of which nothing is to be learnt change nothing: one per arm, or none that had traffic.
#[test]
fn single_pods_move_no_limit() {
    let mut noise = Noise(3);
    let pod = canary(1, 1.0);
    let (b, c) = (Hour::new(&mut noise, pod), Hour::new(&mut noise, pod));
    let all = intervals(&b, &c, 0);
    let metric = metric(RELATIVE, Harm::Increase);
    let without = judged(&metric, &all, 60, &Healthy::default());
    let single = Healthy::new(Some((b.replicas(60), c.replicas(60))), Vec::new());
    let silent = Healthy::new(Some((b.replicas(0), c.replicas(0))), Vec::new());
    for healthy in [single, silent] {
        let found = judged(&metric, &all, 60, &healthy);
        assert_eq!(found.evidence, without.evidence);
        assert_eq!(found.effect, without.effect);
    }
}

/// What is worse or within in spite of moved limits is so without, and the interval holds its
/// estimate.
#[test]
fn a_moved_limit_is_harder_either_way() {
    let mut labels = BTreeSet::new();
    for (seed, factor) in (0..8).map(|k| (k, 0.4 + 0.3 * k as f64)) {
        for harm in [Harm::Increase, Harm::Decrease, Harm::Either] {
            for limit in [RELATIVE, MinEffect::Absolute(0.002)] {
                let mut noise = Noise(50 + seed);
                let b = Hour::new(
                    &mut noise,
                    Pods {
                        spread: 0.1,
                        ..BASELINE
                    },
                );
                let c = Hour::new(
                    &mut noise,
                    Pods {
                        spread: 0.1,
                        ..canary(4, factor)
                    },
                );
                let healthy = Healthy::new(Some((b.replicas(60), c.replicas(60))), Vec::new());
                let all = intervals(&b, &c, 0);
                let metric = metric(limit, harm);
                let told = judged(&metric, &all, 60, &healthy);
                let untold = judged(&metric, &all, 60, &Healthy::default());
                let interval = told.effect.unwrap().absolute;
                assert!(interval.low <= interval.value && interval.value <= interval.high);
                // A limit moved both ways is harder to break and harder to stay within.
                let said = |label| told.label != label || untold.label == label;
                assert!(
                    said(Label::Worse),
                    "{factor} {harm:?}: {told:#?} {untold:#?}"
                );
                assert!(
                    said(Label::Within),
                    "{factor} {harm:?}: {told:#?} {untold:#?}"
                );
                labels.insert(told.label.word());
            }
        }
    }
    assert_eq!(labels.len(), 3, "{labels:?}");
}
