//! Events metrics under the sequential judge: cases, and what must hold of any counts.

use crate::judge_plans as plans;
use haldane::judge::count_offset::Healthy;
use haldane::judge::judgement::{Finding, Label, Needs};
use haldane::judge::look::Look;
use haldane::judge::sequential_counts::{Beside, find};
use haldane::judge::windows::{Counts, EventInterval, MetricData};
use haldane::plan::{MetricPlan, Plan};
use haldane::time::Span;
use haldane::units::{Harm, MinEffect};
use proptest::prelude::*;

/// (canary bad, canary total, baseline bad, baseline total) of an interval.
type Row = [f64; 4];

const STEP: i64 = 60;

fn intervals(rows: &[Row]) -> Vec<EventInterval> {
    (1_i64..)
        .zip(rows)
        .map(|(k, row)| EventInterval {
            at: plans::START.plus(Span::from_s(STEP).times(k)),
            canary: Some(Counts {
                bad: row[0],
                total: row[1],
            }),
            baseline: Some(Counts {
                bad: row[2],
                total: row[3],
            }),
        })
        .collect()
}

fn metric(limit: MinEffect, harm: Harm) -> MetricPlan {
    MetricPlan {
        harm,
        ..plans::events_metric("errors", limit, 0.01)
    }
}

/// The finding after all rows of an analysis of 120 intervals.
fn found(metric: &MetricPlan, rows: &[Row], history: &[Row]) -> Finding {
    let plan = plans::plan(120, 5, 0.01);
    judged(&plan, metric, &intervals(rows), &intervals(history))
}

fn judged(
    plan: &Plan,
    metric: &MetricPlan,
    intervals: &[EventInterval],
    history: &[EventInterval],
) -> Finding {
    let mut window = plans::events(&[], &[]);
    window.data = MetricData::Events {
        intervals: intervals.to_vec(),
    };
    let points = i64::try_from(intervals.len()).unwrap();
    let look = Look::new(&plan.timing, plans::START.plus(plans::STEP.times(points)));
    let beside = Beside {
        history,
        healthy: &Healthy::default(),
    };
    find(plan, metric, &window, intervals, beside, &look)
}

const RELATIVE: MinEffect = MinEffect::Relative(0.2);
const ABSOLUTE: MinEffect = MinEffect::Absolute(0.005);

/// What a row must give: limit, direction, canary and baseline per interval, intervals, label.
type Case = (&'static str, MinEffect, Harm, Row, usize, Label);

const CASES: [Case; 20] = [
    (
        "twice as bad",
        RELATIVE,
        Harm::Increase,
        [20.0, 1e3, 10.0, 1e3],
        30,
        Label::Worse,
    ),
    (
        "equal",
        RELATIVE,
        Harm::Increase,
        [50.0, 5e3, 50.0, 5e3],
        60,
        Label::Within,
    ),
    (
        "equal and few",
        RELATIVE,
        Harm::Increase,
        [1.0, 1e3, 1.0, 1e3],
        10,
        Label::Undecided,
    ),
    (
        "a tenth worse",
        RELATIVE,
        Harm::Increase,
        [11.0, 1e3, 10.0, 1e3],
        20,
        Label::Undecided,
    ),
    (
        "small canary, five times",
        RELATIVE,
        Harm::Increase,
        [5.0, 100.0, 19.0, 1900.0],
        20,
        Label::Worse,
    ),
    (
        "half as bad",
        RELATIVE,
        Harm::Increase,
        [10.0, 1e3, 20.0, 1e3],
        30,
        Label::Within,
    ),
    (
        "less is harm",
        RELATIVE,
        Harm::Decrease,
        [10.0, 1e3, 20.0, 1e3],
        30,
        Label::Worse,
    ),
    (
        "more is no harm",
        RELATIVE,
        Harm::Decrease,
        [20.0, 1e3, 10.0, 1e3],
        30,
        Label::Within,
    ),
    (
        "either, up",
        RELATIVE,
        Harm::Either,
        [20.0, 1e3, 10.0, 1e3],
        30,
        Label::Worse,
    ),
    (
        "either, down",
        RELATIVE,
        Harm::Either,
        [10.0, 1e3, 20.0, 1e3],
        30,
        Label::Worse,
    ),
    (
        "either, equal",
        RELATIVE,
        Harm::Either,
        [90.0, 9e3, 90.0, 9e3],
        60,
        Label::Within,
    ),
    (
        "high rates, worse",
        RELATIVE,
        Harm::Increase,
        [450.0, 1e3, 300.0, 1e3],
        10,
        Label::Worse,
    ),
    (
        "high rates, equal",
        RELATIVE,
        Harm::Increase,
        [300.0, 1e3, 300.0, 1e3],
        20,
        Label::Within,
    ),
    (
        "points, worse",
        ABSOLUTE,
        Harm::Increase,
        [20.0, 1e3, 2.0, 1e3],
        30,
        Label::Worse,
    ),
    (
        "points, equal",
        ABSOLUTE,
        Harm::Increase,
        [2.0, 1e3, 2.0, 1e3],
        30,
        Label::Within,
    ),
    (
        "points, clean",
        ABSOLUTE,
        Harm::Increase,
        [0.0, 1e3, 0.0, 1e3],
        30,
        Label::Within,
    ),
    (
        "points, clean and few",
        ABSOLUTE,
        Harm::Increase,
        [0.0, 20.0, 0.0, 1e3],
        10,
        Label::Undecided,
    ),
    (
        "points, high",
        ABSOLUTE,
        Harm::Increase,
        [3200.0, 1e4, 3000.0, 1e4],
        20,
        Label::Worse,
    ),
    (
        "points, high and equal",
        ABSOLUTE,
        Harm::Increase,
        [3000.0, 1e5, 3000.0, 1e5],
        30,
        Label::Within,
    ),
    (
        "points, less is harm",
        ABSOLUTE,
        Harm::Decrease,
        [2.0, 1e3, 20.0, 1e3],
        30,
        Label::Worse,
    ),
];

#[test]
fn constant_counts_are_called_what_they_are() {
    for (name, limit, harm, row, count, label) in CASES {
        let out = found(&metric(limit, harm), &vec![row; count], &[]);
        println!(
            "{name}: {:?} {:?} {:?} {:?}",
            out.label, out.evidence, out.effect, out.needs
        );
        assert_eq!(out.label, label, "{name}: {out:?}");
        agrees(&metric(limit, harm), &out);
    }
}

/// The interval lies where the label says, and holds the estimate.
fn agrees(metric: &MetricPlan, out: &Finding) {
    let Some(effect) = &out.effect else { return };
    let shown = match metric.min_effect {
        MinEffect::Absolute(_) => effect.absolute,
        MinEffect::Relative(_) => match effect.relative {
            Some(relative) => relative,
            None => return,
        },
    };
    let (MinEffect::Absolute(limit) | MinEffect::Relative(limit)) = metric.min_effect;
    // On the scale of logarithms a bound next to the limit may round to it: then the label says.
    let apart = |bound: f64, limit: f64| (bound - limit).abs() > 1e-12;
    if !apart(shown.low, limit) || !apart(shown.high, limit) {
        return;
    }
    if !apart(shown.low, -limit) || !apart(shown.high, -limit) {
        return;
    }
    let (above, below) = (shown.low > limit, shown.high < -limit);
    let beyond = match metric.harm {
        Harm::Increase => above,
        Harm::Decrease => below,
        Harm::Either => above || below,
    };
    let inside = (metric.harm == Harm::Decrease || shown.high < limit)
        && (metric.harm == Harm::Increase || shown.low > -limit);
    assert_eq!(beyond, out.label == Label::Worse, "{out:?}");
    assert_eq!(inside, out.label == Label::Within, "{out:?}");
    assert!(
        shown.low <= shown.value && shown.value <= shown.high,
        "{out:?}"
    );
    let evidence = out.evidence.unwrap();
    if out.label == Label::Worse {
        assert!(evidence.p_harm <= evidence.alpha);
    }
}

#[test]
fn levels_are_the_same_at_every_look() {
    let metric = metric(RELATIVE, Harm::Increase);
    for count in [10, 40, 119] {
        let out = found(&metric, &vec![[10.0, 1e3, 10.0, 1e3]; count], &[]);
        let evidence = out.evidence.unwrap();
        assert!((evidence.alpha - 0.01).abs() < 1e-15 && (evidence.beta - 0.05).abs() < 1e-15);
    }
}

#[test]
fn nothing_bad_anywhere_is_the_convention_with_its_note() {
    let out = found(
        &metric(RELATIVE, Harm::Increase),
        &[[0.0, 1e3, 0.0, 1e4]; 20],
        &[],
    );
    assert_eq!((out.label, out.test), (Label::Within, "convention"));
    assert!(
        out.notes
            .iter()
            .any(|note| note.starts_with("no bad event in either arm"))
    );
    let high = out.effect.unwrap().absolute.high;
    assert!(high > 3.0 / 20_000.0 && high < 0.01, "{high}");
}

#[test]
fn without_a_bad_event_of_the_baseline_the_difference_is_shown() {
    let out = found(
        &metric(RELATIVE, Harm::Increase),
        &[[1.0, 1e3, 0.0, 1e3]; 40],
        &[],
    );
    assert_eq!(out.label, Label::Worse);
    let effect = out.effect.unwrap();
    assert!(
        effect.relative.is_none() && effect.absolute.low > 0.0,
        "{effect:?}"
    );
}

#[test]
fn harm_that_begins_late_is_found_and_said_to_be_late() {
    let mut rows = vec![[10.0, 1e3, 10.0, 1e3]; 80];
    rows.extend([[40.0, 1e3, 10.0, 1e3]; 8]);
    let out = found(&metric(RELATIVE, Harm::Increase), &rows, &[]);
    assert_eq!(
        (out.label, out.test),
        (Label::Worse, "sequential counts, late onset")
    );
    assert!(
        out.notes
            .contains(&"shown by the last 8 of 88 intervals".to_owned()),
        "{out:?}"
    );
    let relative = out.effect.unwrap().relative.unwrap();
    assert!((relative.value - 3.0).abs() < 1e-9);
    agrees(&metric(RELATIVE, Harm::Increase), &out);
}

#[test]
fn an_incident_in_both_arms_is_nobodys_fault() {
    let mut rows = vec![[10.0, 1e3, 10.0, 1e3]; 20];
    rows.extend([[200.0, 1e3, 200.0, 1e3]; 20]);
    let out = found(&metric(RELATIVE, Harm::Increase), &rows, &[]);
    assert_eq!(out.label, Label::Within);
}

/// Ten bad events in one interval are one cluster until there is reason to think otherwise; history
/// with many single ones is such a reason.
#[test]
fn history_tells_clusters_from_single_events() {
    let metric = metric(RELATIVE, Harm::Increase);
    let mut rows = vec![[1.0, 1e3, 4.0, 4e3]; 6];
    rows.extend([[12.0, 1e3, 5.0, 4e3]; 2]);
    let alone = found(&metric, &rows, &[]);
    let calm = found(&metric, &rows, &[[0.0, 0.0, 20.0, 2e4]; 120]);
    let bursts: Vec<Row> = (0..120)
        .map(|k| [0.0, 0.0, if k % 9 == 0 { 180.0 } else { 0.0 }, 2e4])
        .collect();
    let stormy = found(&metric, &rows, &bursts);
    assert_eq!(alone.label, Label::Undecided, "{alone:?}");
    assert_eq!(stormy.label, Label::Undecided, "{stormy:?}");
    let p = |finding: &Finding| finding.evidence.unwrap().p_harm;
    assert!(p(&calm) < 0.1 * p(&alone), "{} {}", p(&calm), p(&alone));
    assert_eq!(calm.label, Label::Worse, "{calm:?}");
}

#[test]
fn what_more_time_brings_is_told() {
    let metric = metric(RELATIVE, Harm::Increase);
    let early = found(&metric, &[[20.0, 1e3, 10.0, 1e3]; 4], &[]);
    let Needs::Time(more) = early.needs else {
        panic!("{early:?}")
    };
    let minutes = usize::try_from(more.ms() / 60_000).unwrap();
    assert!((1..=20).contains(&minutes), "{minutes}");
    let then = found(&metric, &vec![[20.0, 1e3, 10.0, 1e3]; 4 + minutes], &[]);
    assert_eq!(then.label, Label::Worse);
    let hopeless = found(&metric, &[[1.0, 1e3, 1.0, 1e3]; 20], &[]);
    assert_eq!(hopeless.needs, Needs::MoreThanThereIs);
}

/// With `accept_no_harm` an undecided metric passes if a plain test would have found the limit; one
/// that may be getting worse does not.
#[test]
fn no_harm_found_is_enough_where_the_template_says_so() {
    let mut plan = plans::plan(120, 5, 0.05);
    let metric = metric(RELATIVE, Harm::Increase);
    let rows = vec![[24.0, 1e3, 22.0, 1e3]; 22];
    let strict = judged(&plan, &metric, &intervals(&rows), &[]);
    assert_eq!(strict.label, Label::Undecided, "{strict:?}");
    plan.judge.accept_no_harm = Some(plans::probability(0.6));
    let lenient = judged(&plan, &metric, &intervals(&rows), &[]);
    assert_eq!(
        (lenient.label, lenient.needs),
        (Label::Within, Needs::Nothing),
        "{lenient:?}"
    );
    let note = lenient
        .notes
        .iter()
        .any(|note| note.starts_with("no harm found"));
    assert!(note, "{lenient:?}");
    // Two zeros are alike whatever they are of: at the limit 2.2 bad events were to be expected of
    // the canary, and a plain test finds that hardly more often than every other time.
    let none = [[0.0, 20.0, 0.0, 1e3]; 22];
    let metric_of_few = self::metric(MinEffect::absolute(0.005).unwrap(), Harm::Increase);
    let few = judged(&plan, &metric_of_few, &intervals(&none), &[]);
    assert_eq!(few.label, Label::Undecided, "{few:?}");
    let mut late = rows;
    late.truncate(18);
    late.extend([[48.0, 1e3, 22.0, 1e3]; 4]);
    let late = judged(&plan, &metric, &intervals(&late), &[]);
    assert_ne!(late.label, Label::Within, "{late:?}");
}

#[test]
fn too_little_is_no_data_as_ever() {
    let metric = metric(RELATIVE, Harm::Increase);
    let few = found(&metric, &[[1.0, 5.0, 1.0, 5.0]; 10], &[]);
    assert_eq!(few.label, Label::NoData);
    assert_eq!(few.needs, Needs::Data(50));
    let plan = plans::plan(120, 5, 0.01);
    let mut silent = intervals(&[[1.0, 1e3, 1.0, 1e3]; 30]);
    for interval in &mut silent[20..] {
        interval.canary = None;
    }
    let out = judged(&plan, &metric, &silent, &[]);
    assert!(out.no_data.unwrap().contains("canary"), "silence");
}

fn rows(count: usize) -> impl Strategy<Value = Vec<Row>> {
    let row = (0_u32..9, 20_u32..400, 0_u32..9, 20_u32..400)
        .prop_map(|(a, b, c, d)| [a, b, c, d].map(f64::from));
    prop::collection::vec(row, 8..count)
}

fn limits() -> impl Strategy<Value = (MinEffect, Harm)> {
    let limit = prop_oneof![
        (0.0..2.0).prop_map(MinEffect::Relative),
        (0.0..0.3).prop_map(MinEffect::Absolute),
    ];
    (
        limit,
        prop_oneof![
            Just(Harm::Increase),
            Just(Harm::Decrease),
            Just(Harm::Either)
        ],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn label_interval_and_evidence_agree((limit, harm) in limits(), rows in rows(30)) {
        let metric = metric(limit, harm);
        let out = found(&metric, &rows, &[]);
        agrees(&metric, &out);
        if let Some(evidence) = out.evidence {
            prop_assert!(evidence.p_harm >= 0.0 && evidence.p_harm.is_finite());
            prop_assert!(evidence.p_safe >= 0.0 && evidence.p_safe.is_finite());
        }
    }

    /// The same counts give the same bits, and history alone never makes a finding of data.
    #[test]
    fn gaps_only_let_time_pass((limit, harm) in limits(), rows in rows(20)) {
        let metric = metric(limit, harm);
        let plan = plans::plan(120, 5, 0.01);
        let full = intervals(&rows);
        let again = judged(&plan, &metric, &full, &full);
        prop_assert_eq!(&again, &judged(&plan, &metric, &full, &full));
        let mut holed = full.clone();
        for interval in holed.iter_mut().step_by(5) {
            interval.baseline = None;
        }
        let out = judged(&plan, &metric, &holed, &[]);
        agrees(&metric, &out);
    }
}
