//! A memory carried through all looks changes no bit of any judgement (A6): with a history, with
//! replicas that come and go, gaps, zeros in both arms, and values that are known only later.

use crate::judge_background::{PAST, POINTS, answered, bound, first_from, pod};
use crate::judge_plans::{Noise, START, STEP};
use haldane::judge::judgement::{Judgement, Label};
use haldane::judge::sequential::{Detail, Memory, Tables};
use haldane::judge::windows::{Arm, MetricData, Windows};
use haldane::judge::{judge, judge_again};
use haldane::plan::Plan;
use haldane::series::raw::RawSeries;
use haldane::series::samples::Series;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const LAST_LINE: &str = "      series: { query: 'cpu{${selector}}', combine: mean, per: pod }\n";

/// Beside the metric with replicas: one in which zero stands for gaps, either way harm; one that
/// may be negative and has an absolute limit.
const THREE: &str = r"      series: { query: 'cpu{${selector}}', combine: mean, per: pod }
    - name: errors
      harm: either
      min_effect: { relative: 20% }
      min_samples: 3
      min_coverage: 10%
      series: { query: 'errors{${selector}}', combine: sum, gaps: zero }
    - name: balance
      harm: decrease
      min_effect: { absolute: 5 }
      min_coverage: 10%
      series: { query: 'rate(balance{${selector}}[5m])', combine: max, per: pod }
";

/// One pod of one metric.
#[derive(Clone, Debug)]
struct Shown {
    metric_idx: usize,
    arm: Arm,
    number: usize,
    level: f64,
    /// Steps between which it is there.
    there: (i64, i64),
    /// Shares of gaps and of zeros.
    gaps: f64,
    zeros: f64,
    seed: u64,
}

fn any_pod() -> impl Strategy<Value = Shown> {
    let arm = prop::sample::select(vec![Arm::Baseline, Arm::Canary]);
    let share = || prop::sample::select(vec![0.0, 0.0, 0.1, 0.5]);
    let there = (-2 * PAST..40_i64, 5..3 * PAST);
    let place = (0..3_usize, arm, 0..3_usize);
    (place, 0.5..2.0_f64, there, (share(), share()), any::<u64>()).prop_map(
        |((metric_idx, arm, number), level, (from, length), (gaps, zeros), seed)| Shown {
            metric_idx,
            arm,
            number,
            level,
            there: (from, from + length),
            gaps,
            zeros,
            seed,
        },
    )
}

/// A pod that is always there for each arm of each metric, and some that are not.
fn any_pods() -> impl Strategy<Value = Vec<Shown>> {
    let some = prop::collection::vec(any_pod(), 0..10);
    (some, any::<u64>(), 0.7..1.6_f64).prop_map(|(mut pods, seed, factor)| {
        for metric_idx in 0..3 {
            for (arm, level) in [(Arm::Baseline, 1.0), (Arm::Canary, factor)] {
                let place = u64::try_from(pods.len()).unwrap();
                pods.push(Shown {
                    metric_idx,
                    arm,
                    number: 9,
                    level,
                    there: (-PAST, POINTS),
                    gaps: 0.05,
                    zeros: if metric_idx == 1 { 0.6 } else { 0.0 },
                    seed: seed.wrapping_add(place),
                });
            }
        }
        pods
    })
}

fn series(shown: &Shown) -> RawSeries {
    let mut noise = Noise(shown.seed);
    let steps = usize::try_from(PAST + POINTS + 1).unwrap();
    let centre = if shown.metric_idx == 2 { 0.0 } else { 100.0 };
    let cells: Vec<Option<f64>> = (0..steps)
        .map(|_| {
            let (kind, value) = (noise.uniform(), centre + 10.0 * noise.normal());
            let zero = kind < shown.gaps + shown.zeros;
            let value = if zero { 0.0 } else { shown.level * value };
            (kind >= shown.gaps).then_some(value)
        })
        .collect();
    let arm = match shown.arm {
        Arm::Baseline => "baseline",
        Arm::Canary => "canary",
    };
    pod(arm, &format!("{arm}-{}", shown.number), |t| {
        let there = shown.there.0 <= t && t <= shown.there.1;
        cells[usize::try_from(t + PAST).unwrap()].filter(|_| there)
    })
}

/// What a source has, by metric. A pod that is drawn twice is there once.
fn source(pods: &[Shown]) -> Vec<Vec<RawSeries>> {
    let mut out = vec![Vec::new(), Vec::new(), Vec::new()];
    let mut known = BTreeSet::new();
    for shown in pods {
        if known.insert((shown.metric_idx, shown.arm, shown.number)) {
            out[shown.metric_idx].push(series(shown));
        }
    }
    out
}

/// A value that is not known before a look.
type Late = (usize, Arm, usize, usize);

fn any_late() -> impl Strategy<Value = Vec<Late>> {
    let arm = prop::sample::select(vec![Arm::Baseline, Arm::Canary]);
    let cell = (0..3_usize, arm, 0..40_usize, 0..8_usize);
    prop::collection::vec(cell, 0..12)
}

/// The windows without the values that are still to come.
fn known(windows: &Windows, late: &[Late], look: usize) -> Windows {
    let mut out = windows.clone();
    for (metric_idx, arm, point, known_from) in late.iter().copied() {
        let MetricData::Series { baseline, canary } = &mut out.metrics[metric_idx].data else {
            panic!("series expected");
        };
        let side = match arm {
            Arm::Baseline => baseline,
            Arm::Canary => canary,
        };
        let mut values = side.values().to_vec();
        if look < known_from && point < values.len() {
            values[point] = None;
            *side = Series::new(side.grid(), values);
        }
    }
    out
}

/// Shared by all analyses of this test, as by those of a daemon.
static TABLES: LazyLock<Tables> = LazyLock::new(Tables::default);

/// Every look by the carried memory and by none; what labels came up.
fn check(
    plan: &Plan,
    (pods, late): (&[Shown], &[Late]),
    steps: &[i64],
    detail: Detail,
) -> Result<BTreeSet<&'static str>, TestCaseError> {
    let source = source(pods);
    let mut windows = Windows::new(plan);
    let mut memory = Memory::sharing(detail, &TABLES);
    let (mut from, mut at) = (first_from(), 4);
    let mut labels = BTreeSet::new();
    for (look, step) in steps.iter().enumerate() {
        at = (at + step).min(POINTS);
        let to = START.plus(STEP.times(at));
        windows.absorb(plan, &answered(&source, from, to));
        from = to;
        let windows = known(&windows, late, look);
        let number = u32::try_from(look + 1).unwrap();
        let carried = judge_again(plan, &windows, number, &mut memory);
        let anew = judge_again(plan, &windows, number, &mut Memory::new(detail));
        prop_assert_eq!(
            format!("{:?}", &carried),
            format!("{:?}", anew),
            "look {}",
            number
        );
        if detail == Detail::Full {
            let plain = judge(plan, &windows, number);
            prop_assert_eq!(format!("{:?}", &carried), format!("{:?}", plain));
        }
        labels.extend(carried.findings.iter().map(|f: &_| f.label.word()));
    }
    Ok(labels)
}

fn three() -> Plan {
    let plan = bound(&[(LAST_LINE, THREE)]);
    assert_eq!(plan.metrics.len(), 3);
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_memory_changes_no_bit_whatever_is_known_of_the_past(
        pods in any_pods(),
        late in any_late(),
        steps in prop::collection::vec(1..12_i64, 4..8),
    ) {
        for detail in [Detail::Full, Detail::Decision] {
            check(&three(), (&pods, &late), &steps, detail)?;
        }
    }
}

/// The looks above do judge: nothing is tested by findings that all have no data.
#[test]
fn the_looks_are_judgements() {
    let plan = three();
    let shown = |metric_idx: usize, arm: Arm, level: f64, seed: u64| Shown {
        metric_idx,
        arm,
        number: 1,
        level,
        // Without a history of the canary there is no healthy offset.
        there: (if arm == Arm::Canary { 0 } else { -PAST }, POINTS),
        gaps: 0.1,
        zeros: if metric_idx == 1 { 0.5 } else { 0.0 },
        seed,
    };
    let mut pods = Vec::new();
    for metric_idx in 0..3 {
        let seed = u64::try_from(10 * metric_idx).unwrap();
        pods.push(shown(metric_idx, Arm::Baseline, 1.0, seed));
        pods.push(shown(
            metric_idx,
            Arm::Canary,
            [2.0, 1.0, 1.0][metric_idx],
            seed + 1,
        ));
    }
    let late = [(1, Arm::Canary, 3, 4), (0, Arm::Baseline, 7, 3)];
    let labels = check(&plan, (&pods, &late), &[8; 7], Detail::Full).unwrap();
    assert!(labels.contains(Label::Worse.word()), "{labels:?}");
    assert!(labels.contains(Label::Undecided.word()), "{labels:?}");
}

/// In the first sixteen pairs both arms are zero now and then. Late values tell otherwise, and every
/// value then belongs to another block: the memory begins anew, and says the same.
#[test]
fn late_zeros_move_values_to_other_blocks() {
    let plan = three();
    let seen = |arm: &str, seed: u64, zeros: usize| {
        let noise = Noise(seed).ar1(0.0, 200);
        pod(arm, &format!("{arm}-1"), |t| {
            let t = usize::try_from(t).ok()?;
            Some(if (1..=zeros).contains(&t) {
                0.0
            } else {
                10.0 + noise[t]
            })
        })
    };
    // Zeros at the first points of the baseline. What the canary had there is known at look 3 only,
    // and a gap is zero.
    for zeros in [1, 2, 4, 8, 12] {
        let both = vec![seen("baseline", 1, zeros), seen("canary", 2, 0)];
        let source = vec![both.clone(), both.clone(), both];
        let late: Vec<Late> = (1..=zeros)
            .map(|point| (1, Arm::Canary, point, 3))
            .collect();
        let mut all = Windows::new(&plan);
        let mut memory = Memory::default();
        let mut from = first_from();
        for look in 0..6 {
            let to = START.plus(STEP.times(25 + 5 * i64::try_from(look).unwrap()));
            all.absorb(&plan, &answered(&source, from, to));
            from = to;
            let windows = known(&all, &late, look);
            let number = u32::try_from(look + 1).unwrap();
            let carried = judge_again(&plan, &windows, number, &mut memory);
            let anew = judge(&plan, &windows, number);
            assert_eq!(
                format!("{carried:?}"),
                format!("{anew:?}"),
                "{zeros} {look}"
            );
            let safe = |judged: &Judgement| judged.findings[1].evidence.unwrap().p_safe.to_bits();
            let whole = judge(&plan, &all, number);
            assert_eq!(safe(&carried) == safe(&whole), look >= 3, "{zeros} {look}");
        }
    }
}

/// What was learnt from one history is not said of another: one memory goes through every pair of
/// analyses that differ in a value of the history, in what is told of it, or in what it is asked.
#[test]
fn what_a_history_said_is_not_said_of_another() {
    let one_pod = (", per: pod", "");
    let plans = [
        bound(&[one_pod]),
        bound(&[one_pod, ("offset: true", "offset: false")]),
        bound(&[one_pod, ("relative: 2%", "absolute: 2")]),
        bound(&[one_pod, ("lookback: 2h", "lookback: 1h")]),
        // Blocks of values, and another range of the noise.
        bound(&[one_pod, ("combine: mean", "combine: sum, gaps: zero")]),
        bound(&[one_pod, ("cpu{${selector}}", "rate(cpu{${selector}}[9m])")]),
    ];
    let source = |seed: u64, lifted: Option<i64>, zeros: bool| {
        let arm = |arm: &str, seed: u64, level: f64| {
            let noise = Noise(seed).ar1(0.5, 400);
            pod(arm, &format!("{arm}-1"), |t| {
                let at = usize::try_from(t + PAST).ok()?;
                let lift = if lifted == Some(t) { 1.0 } else { 0.0 };
                let empty = zeros && t > 0 && t % 2 == 0;
                Some(if empty {
                    0.0
                } else {
                    level + 10.0 * noise[at] + lift
                })
            })
        };
        vec![vec![
            arm("baseline", seed, 100.0),
            arm("canary", seed + 1, 103.0),
        ]]
    };
    // The same; with one value of the history changed, the oldest or the newest; with blocks.
    let sources = [
        source(1, None, false),
        source(1, Some(-PAST / 2), false),
        source(1, Some(0), false),
        source(5, None, true),
    ];
    let looks: Vec<(&Plan, Windows)> = plans
        .iter()
        .flat_map(|plan| sources.iter().map(move |source| (plan, source)))
        .map(|(plan, source)| {
            let mut windows = Windows::new(plan);
            let to = START.plus(STEP.times(40));
            windows.absorb(plan, &answered(source, first_from(), to));
            (plan, windows)
        })
        .collect();
    let anew: Vec<String> = looks
        .iter()
        .map(|(plan, windows)| {
            let mut memory = Memory::new(Detail::Decision);
            format!("{:?}", judge_again(plan, windows, 40, &mut memory))
        })
        .collect();
    let different: BTreeSet<&String> = anew.iter().collect();
    assert!(
        different.len() > looks.len() / 2,
        "{} say the same",
        looks.len() - different.len()
    );
    // Those that share the plan or the source.
    let kin = |one: usize, other: usize| {
        one / sources.len() == other / sources.len() || one % sources.len() == other % sources.len()
    };
    for first in 0..looks.len() {
        for second in (0..looks.len()).filter(|second| kin(first, *second)) {
            let mut memory = Memory::sharing(Detail::Decision, &TABLES);
            for at in [first, second, second] {
                let (plan, windows) = &looks[at];
                let carried = judge_again(plan, windows, 40, &mut memory);
                assert_eq!(format!("{carried:?}"), anew[at], "{first} then {second}");
            }
        }
    }
}
