//! Windows: answers of many looks become the data of an analysis, the same however they are cut.

use crate::cases;
use haldane::digest::Digest;
use haldane::ids::{GroupName, MetricName, TemplateName};
use haldane::judge::replicas::{Replica, ReplicaCounts};
use haldane::judge::windows::{
    Arm, Batch, Counts, EventInterval, MetricData, POINTS_MAX, SERIES_MAX, SUSPECT_MAX, Windows,
};
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::plan::{MetricPlan, Part, Plan, Queries, Slot, Timing};
use haldane::series::raw::{Answer, Labels, RawSeries, Sample};
use haldane::template::{
    Combine, GapPolicy, History, JudgeSpec, Method, MinEvidence, OnInconclusive, Role,
};
use haldane::time::{Span, Step, Timestamp};
use haldane::units::{Harm, MinEffect, Probability, Weight};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The start of every plan here: on the grid, far from zero.
const START_S: i64 = 1_800_000_000;

/// `30s` or `-5m` after the start.
pub(crate) fn instant(text: &str) -> Timestamp {
    let start = Timestamp::from_s(START_S);
    match text.strip_prefix('-') {
        Some(before) => start.minus(Span::parse(before).unwrap()),
        None => start.plus(Span::parse(text).unwrap()),
    }
}

fn offset(at: Timestamp) -> Span {
    at.since(Timestamp::from_s(START_S))
}

/// Pods `v1-…` are the baseline, `v2-…` the canary.
pub(crate) fn plan(metrics: Vec<Queries>, step: &str, warmup: &str) -> Plan {
    let probability = |value: f64| Probability::new(value).unwrap();
    let scope = |regex: &str| Scope::new(vec![Matcher::regex("pod", regex).unwrap()]).unwrap();
    let span = |text: &str| Span::parse(text).unwrap();
    let metric = |(idx, queries): (usize, Queries)| MetricPlan {
        name: MetricName::new(&format!("m{idx}")).unwrap(),
        role: Role::Required,
        harm: Harm::Increase,
        min_effect: MinEffect::Relative(0.1),
        unit: String::new(),
        group: GroupName::new("all").unwrap(),
        weight: Weight::ONE,
        evidence: MinEvidence {
            samples: 1,
            events: 1,
            coverage: probability(0.5),
        },
        queries,
        per: None,
        group_by: None,
        alpha: probability(0.01),
        kayenta: None,
        lag: haldane::time::Span::ZERO,
        judge: None,
    };
    let start = Timestamp::from_s(START_S);
    Plan {
        template: TemplateName::new("test").unwrap(),
        template_digest: Digest::of(b"test"),
        rollout: Rollout {
            deploy: Deploy::default(),
            inputs: BTreeMap::new(),
            baseline: scope("v1-.*|both"),
            canary: scope("v2-.*|both"),
            start,
            duration: None,
        },
        timing: Timing {
            start,
            step: Step::new(span(step)).unwrap(),
            look_every: span("30s"),
            judged_from: start.plus(span(warmup)),
            bake_until: start.plus(span("30m")),
            deadline: start.plus(span("60m")),
            lag: Span::ZERO,
            source_grace: span("5m"),
            extension: haldane::time::Span::ZERO,
        },
        judge: JudgeSpec {
            method: Method::MannWhitney,
            false_rollback: probability(0.01),
            false_promote: probability(0.05),
            accept_no_harm: None,
        },
        metrics: metrics.into_iter().enumerate().map(metric).collect(),
        objectives: Vec::new(),
        traffic: None,
        history: None,
        allowed_warnings: vec!["^harmless".to_owned()],
        on_inconclusive: OnInconclusive::Hold,
        recovery: None,
        digest: Digest::of(b"plan"),
        exceptions: haldane::template::inconclusive::Exceptions::default(),
        shifted: None,
        steps: None,
    }
}

pub(crate) fn queries(kind: &str, gaps: &str) -> Queries {
    match kind {
        "series" => Queries::Series {
            query: "q".to_owned(),
            combine: Combine::Mean,
            gaps: match gaps {
                "drop" => GapPolicy::Drop,
                "zero" => GapPolicy::Zero,
                "fail" => GapPolicy::Fail,
                other => panic!("no such gap policy: {other}"),
            },
        },
        "events" => Queries::Events {
            bad: "b".to_owned(),
            total: "t".to_owned(),
        },
        "distribution" => Queries::Distribution {
            buckets: "h".to_owned(),
            threshold: Some(0.25),
        },
        other => panic!("no such kind: {other}"),
    }
}

fn words(text: &str) -> BTreeMap<&str, &str> {
    text.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .collect()
}

fn part(word: &str) -> Part {
    match word {
        "grid" => Part::Grid,
        "bad" => Part::Bad,
        "total" => Part::Total,
        "buckets" => Part::Buckets,
        other => panic!("no such part: {other}"),
    }
}

/// One line of a batch: `bad pod=v2-a: 15s=3`, `bad empty`, `bad warning: text`,
/// `bad histograms 2`. Lines without a metric number belong to metric 0 (`1.grid …` to metric 1).
fn read_line(line: &str, answers: &mut BTreeMap<Slot, Answer>) {
    let (word, rest) = line.split_once(' ').unwrap();
    let (metric, word) = word.split_once('.').unwrap_or(("0", word));
    let slot = Slot {
        metric_idx: metric.parse().unwrap(),
        part: part(word),
    };
    let answer = answers.entry(slot).or_default();
    if rest == "empty" {
    } else if let Some(text) = rest.strip_prefix("warning: ") {
        answer.warnings.push(text.to_owned());
    } else if let Some(count) = rest.strip_prefix("histograms ") {
        answer.histogram_series = count.parse().unwrap();
    } else {
        let (labels, samples) = rest.split_once(':').unwrap();
        let labels: Labels = words(&labels.replace(',', " "))
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let samples = samples.split_whitespace().map(|pair| {
            let (at, value) = pair.split_once('=').unwrap();
            Sample {
                at: instant(at),
                value: value.parse().unwrap(),
            }
        });
        answer.series.push(RawSeries {
            labels,
            samples: samples.collect(),
        });
    }
}

fn show_counts(counts: Option<Counts>) -> String {
    counts.map_or("_".to_owned(), |counts| {
        format!("{}/{}", counts.bad, counts.total)
    })
}

/// Replicas in one line each.
fn show_replicas(what: &str, arms: Option<(Vec<Replica>, Vec<Replica>)>) -> Vec<String> {
    let (baseline, canary) = arms.unwrap_or_default();
    let all = baseline.iter().chain(&canary);
    all.map(|one| format!("{what} {}: {}", one.name, show_values(&one.values)))
        .collect()
}

fn show_replica_counts(
    what: &str,
    arms: Option<(Vec<ReplicaCounts>, Vec<ReplicaCounts>)>,
) -> Vec<String> {
    let (baseline, canary) = arms.unwrap_or_default();
    let all = baseline.iter().chain(&canary);
    all.map(|one| format!("{what} {}: {}", one.name, show_counts(Some(one.counts))))
        .collect()
}

/// What a judge would see of a metric's history.
fn show_history(plan: &Plan, windows: &Windows, metric_idx: usize) -> Vec<String> {
    let mut out = Vec::new();
    if let Some((baseline, canary)) = windows.history_series(plan, metric_idx) {
        out.push(format!("history baseline {}", show_values(&baseline)));
        out.push(format!("history canary   {}", show_values(&canary)));
    }
    for interval in windows.history_events(plan, metric_idx) {
        out.push(format!(
            "history -{}: baseline {} canary {}",
            Timestamp::from_s(START_S).since(interval.at),
            show_counts(interval.baseline),
            show_counts(interval.canary)
        ));
    }
    let replicas = windows.history_replicas(plan, metric_idx);
    out.extend(show_replicas("history replica", replicas));
    let counts = windows.history_replica_counts(plan, metric_idx);
    out.extend(show_replica_counts("history replica", counts));
    out
}

fn show_values(values: &[Option<f64>]) -> String {
    let words: Vec<String> = values
        .iter()
        .map(|value| value.map_or("_".to_owned(), |v| v.to_string()))
        .collect();
    words.join(" ")
}

/// Everything a judge would see of a metric.
fn show(plan: &Plan, windows: &Windows, metric_idx: usize) -> String {
    let mut out = Vec::new();
    if let Some((baseline, canary)) = windows.judged_series(plan, metric_idx) {
        out.push(format!("baseline {}", show_values(&baseline)));
        out.push(format!("canary   {}", show_values(&canary)));
    }
    for interval in windows.judged_events(plan, metric_idx) {
        out.push(format!(
            "{}: baseline {} canary {}",
            offset(interval.at),
            show_counts(interval.baseline),
            show_counts(interval.canary)
        ));
    }
    let replicas = windows.judged_replicas(plan, metric_idx);
    out.extend(show_replicas("replica", replicas));
    let counts = windows.judged_replica_counts(plan, metric_idx);
    out.extend(show_replica_counts("replica", counts));
    out.extend(show_history(plan, windows, metric_idx));
    let (baseline, canary) = windows.coverage(plan, metric_idx);
    let metric = &windows.metrics[metric_idx];
    out.push(format!("coverage {baseline:.2} {canary:.2}"));
    out.push(format!(
        "series {} {}, stray {}",
        metric.baseline_series, metric.canary_series, metric.stray_series
    ));
    out.extend(metric.notes.iter().map(|note| format!("note: {note}")));
    out.extend(
        windows
            .suspect
            .iter()
            .map(|text| format!("suspect: {text}")),
    );
    out.join("\n")
}

/// Each file is one analysis: a `plan` block, `batch` blocks, `show` blocks.
#[test]
fn window_cases() {
    cases::check("windows", || {
        let mut state: Option<(Plan, Windows)> = None;
        move |input: &str| {
            let (head, body) = input.split_once('\n').unwrap_or((input, ""));
            let options = words(head);
            let option = |name: &str, default: &'static str| {
                options
                    .get(name)
                    .map_or(default.to_owned(), |value| (*value).to_owned())
            };
            match head.split_whitespace().next().unwrap() {
                "plan" => {
                    let gaps = option("gaps", "drop");
                    let kinds = option("kind", "series");
                    let metrics = kinds.split('+').map(|kind| queries(kind, &gaps)).collect();
                    let mut plan = plan(metrics, &option("step", "30s"), &option("warmup", "0s"));
                    plan.history = options.get("history").map(|lookback| History {
                        lookback: Span::parse(lookback).unwrap(),
                        offset: false,
                    });
                    for metric in &mut plan.metrics {
                        metric.per = options.get("per").map(|label| (*label).to_owned());
                        if let (Queries::Series { combine, .. }, Some(&"sum")) =
                            (&mut metric.queries, options.get("combine"))
                        {
                            *combine = Combine::Sum;
                        }
                    }
                    let windows = Windows::new(&plan);
                    state = Some((plan, windows));
                    "ok".to_owned()
                }
                "batch" => {
                    let (plan, windows) = state.as_mut().unwrap();
                    let mut answers = BTreeMap::new();
                    body.lines().for_each(|line| read_line(line, &mut answers));
                    let batch = Batch {
                        from: instant(options["from"]),
                        to: instant(options["to"]),
                        answers: answers.into_iter().collect(),
                    };
                    windows.absorb(plan, &batch);
                    format!("covered to {}", offset(windows.covered_to))
                }
                "show" => {
                    let (plan, windows) = state.as_ref().unwrap();
                    show(plan, windows, option("metric", "0").parse().unwrap())
                }
                other => panic!("no such directive: {other}"),
            }
        }
    });
}

pub(crate) fn pod(name: &str) -> Labels {
    BTreeMap::from([("pod".to_owned(), name.to_owned())])
}

fn empty_batch(from: Timestamp, to: Timestamp, slots: &[Slot]) -> Batch {
    let answers = slots
        .iter()
        .map(|slot| (*slot, Answer::default()))
        .collect();
    Batch { from, to, answers }
}

pub(crate) fn slot(part: Part) -> Slot {
    Slot {
        metric_idx: 0,
        part,
    }
}

#[test]
fn too_many_series_are_left_out_and_make_it_suspect() {
    let plan = plan(vec![queries("series", "drop")], "30s", "0s");
    let at = instant("30s");
    let one = |idx: usize| RawSeries {
        labels: pod(&format!("v2-{idx}")),
        samples: vec![Sample { at, value: 1.0 }],
    };
    let mut answer = Answer {
        series: (0..=SERIES_MAX).map(one).collect(),
        ..Answer::default()
    };
    let absorb = |answer: &Answer| {
        let mut windows = Windows::new(&plan);
        let batch = Batch {
            from: instant("0s"),
            to: at,
            answers: vec![(slot(Part::Grid), answer.clone())],
        };
        windows.absorb(&plan, &batch);
        windows
    };
    let windows = absorb(&answer);
    assert_eq!(windows.metrics[0].canary_series, SERIES_MAX);
    assert_eq!(
        windows.suspect,
        ["m0: more than 5000 series, the rest left out"]
    );
    answer.series.reverse();
    assert_eq!(
        absorb(&answer),
        windows,
        "the order of the answer has no influence"
    );
}

#[test]
fn suspects_are_bounded_and_each_is_named_once() {
    let plan = plan(vec![queries("series", "drop")], "30s", "0s");
    let mut windows = Windows::new(&plan);
    for look in 1..=3 {
        let answer = Answer {
            warnings: (0..2 * SUSPECT_MAX).map(|idx| format!("w{idx}")).collect(),
            ..Answer::default()
        };
        let to = instant("0s").plus(Span::from_s(30 * look));
        let from = to.minus(Span::from_s(30));
        windows.absorb(
            &plan,
            &Batch {
                from,
                to,
                answers: vec![(slot(Part::Grid), answer)],
            },
        );
    }
    assert_eq!(windows.suspect.len(), SUSPECT_MAX);
    assert_eq!(windows.suspect[0], "m0: w0");
}

#[test]
fn a_batch_at_the_ends_of_time_stays_bounded() {
    for (from, to) in [
        (i64::MIN, i64::MAX),
        (i64::MAX, i64::MIN),
        (i64::MAX, i64::MAX),
    ] {
        for kind in ["series", "events"] {
            let mut plan = plan(vec![queries(kind, "zero")], "30s", "0s");
            plan.timing.step = Step::new(Span::from_ms(1)).unwrap();
            plan.timing.deadline = Timestamp::from_ms(i64::MAX);
            let mut windows = Windows::new(&plan);
            let slots: &[Slot] = match kind {
                "series" => &[slot(Part::Grid)],
                _ => &[slot(Part::Bad), slot(Part::Total)],
            };
            let batch = empty_batch(Timestamp::from_ms(from), Timestamp::from_ms(to), slots);
            windows.absorb(&plan, &batch);
            windows.absorb(&plan, &batch);
            let points = match &windows.metrics[0].data {
                MetricData::Series { baseline, .. } => baseline.values().len(),
                other => other.counts().map_or(0, <[_]>::len),
            };
            assert!(points <= POINTS_MAX, "{kind} {from} {to}: {points}");
            let (baseline, canary) = windows.coverage(&plan, 0);
            assert_eq!((baseline, canary), (0.0, 0.0));
        }
    }
}

#[test]
fn answers_that_belong_to_no_metric_are_ignored() {
    let plan = plan(vec![queries("series", "drop")], "30s", "0s");
    let mut windows = Windows::new(&plan);
    let slots = [
        Slot {
            metric_idx: 7,
            part: Part::Grid,
        },
        slot(Part::Bad),
    ];
    windows.absorb(&plan, &empty_batch(instant("0s"), instant("30s"), &slots));
    assert!(windows.judged_events(&plan, 0).is_empty());
    assert_eq!(
        windows.judged_series(&plan, 0),
        Some((vec![None].into(), vec![None].into()))
    );
    assert_eq!(windows.judged_series(&plan, 7), None);
    assert_eq!(windows.coverage(&plan, 7), (0.0, 0.0));
    assert!(!windows.arm_seen(Arm::Canary));
}

/// Samples of all queries of a plan with one metric of each kind: counters that restart, pods that
/// come and go, strays, values on the grid, some NaN.
pub(crate) fn any_history() -> impl Strategy<Value = Vec<(Slot, RawSeries)>> {
    let pods = prop::sample::select(vec!["v1-a", "v1-b", "v2-a", "v2-b", "both", "other"]);
    let ticks = prop::collection::vec((1_i64..4, 0.0_f64..50.0, 0_u8..20), 1..40);
    let one = (pods, 0_usize..5, -110_i64..100, 0_i64..15_000, ticks);
    prop::collection::vec(one, 1..12).prop_map(|all| {
        let mut out: BTreeMap<(Slot, Labels), RawSeries> = BTreeMap::new();
        for (name, which, begin, shift, ticks) in all {
            let (slot, le) = match which {
                0 => (
                    Slot {
                        metric_idx: 0,
                        part: Part::Grid,
                    },
                    None,
                ),
                1 => (
                    Slot {
                        metric_idx: 1,
                        part: Part::Bad,
                    },
                    None,
                ),
                2 => (
                    Slot {
                        metric_idx: 1,
                        part: Part::Total,
                    },
                    None,
                ),
                3 => (
                    Slot {
                        metric_idx: 2,
                        part: Part::Buckets,
                    },
                    Some("0.25"),
                ),
                _ => (
                    Slot {
                        metric_idx: 2,
                        part: Part::Buckets,
                    },
                    Some("+Inf"),
                ),
            };
            let mut labels = pod(name);
            le.map(|le| labels.insert("le".to_owned(), le.to_owned()));
            // Buckets of one pod are scraped together; other series at moments of their own.
            let shift = if which < 3 && which > 0 { shift } else { 0 };
            let mut at = Timestamp::from_s(START_S + begin * 15).plus(Span::from_ms(shift));
            let (mut samples, mut value) = (Vec::new(), 0.0);
            for (gap, rise, kind) in ticks {
                at = at.plus(Span::from_s(gap * 15));
                value = if kind == 0 { rise } else { value + rise };
                let value = if kind == 1 { f64::NAN } else { value };
                samples.push(Sample { at, value });
            }
            out.insert((slot, labels.clone()), RawSeries { labels, samples });
        }
        out.into_iter()
            .map(|((slot, _), series)| (slot, series))
            .collect()
    })
}

pub(crate) fn three_kinds() -> Plan {
    let kinds = vec![
        queries("series", "drop"),
        queries("events", ""),
        queries("distribution", ""),
    ];
    let mut plan = plan(kinds, "30s", "60s");
    plan.history = Some(History {
        lookback: Span::from_s(1200),
        offset: true,
    });
    for metric in &mut plan.metrics {
        metric.per = Some("pod".to_owned());
    }
    plan
}

/// Where the first fetch of [`three_kinds`] begins.
pub(crate) const BEGIN: &str = "-25m";

/// The part of a history that lies in `(from, to]`, with an answer for every query.
pub(crate) fn cut(
    plan: &Plan,
    history: &[(Slot, RawSeries)],
    from: Timestamp,
    to: Timestamp,
) -> Batch {
    let answers = plan.queries().into_iter().map(|(slot, _)| {
        let mut answer = Answer::default();
        for (_, series) in history.iter().filter(|(other, _)| *other == slot) {
            let inside = |sample: &&Sample| from < sample.at && sample.at <= to;
            let samples: Vec<Sample> = series.samples.iter().filter(inside).copied().collect();
            if !samples.is_empty() {
                answer.series.push(RawSeries {
                    labels: series.labels.clone(),
                    samples,
                });
            }
        }
        (slot, answer)
    });
    Batch {
        from,
        to,
        answers: answers.collect(),
    }
}

pub(crate) fn absorb_in_parts(
    plan: &Plan,
    history: &[(Slot, RawSeries)],
    ends: &[Timestamp],
) -> Windows {
    let mut windows = Windows::new(plan);
    let mut from = instant(BEGIN);
    for end in ends {
        windows.absorb(plan, &cut(plan, history, from, *end));
        from = *end;
    }
    windows
}

/// The naive twin of counting: the growth of one query's series of one arm in `(start, to]`, when
/// samples from before `from` are unknown.
pub(crate) fn naive_growth(
    history: &[(Slot, RawSeries)],
    part: Part,
    arm: &str,
    (from, start, to): (Timestamp, Timestamp, Timestamp),
) -> f64 {
    // Births are known from the start when anything was scraped before it, else a minute after the
    // first scrape of all.
    let scraped = history
        .iter()
        .filter(|(slot, _)| matches!(slot.part, Part::Bad | Part::Total))
        .filter(|(_, series)| {
            let pod = &series.labels["pod"];
            pod.starts_with("v1-") || pod.starts_with("v2-")
        })
        .flat_map(|(_, series)| &series.samples)
        .filter(|s| s.value.is_finite() && s.value >= 0.0 && s.at > from && s.at <= to);
    let first = scraped.map(|s| s.at).min().unwrap_or(start);
    let known_from = if first <= start {
        start
    } else {
        first.plus(Span::from_s(60))
    };
    let mut total = 0.0;
    for (slot, series) in history {
        if slot.part != part || !series.labels["pod"].starts_with(arm) {
            continue;
        }
        let mut last: Option<f64> = None;
        for sample in series
            .samples
            .iter()
            .filter(|s| s.value.is_finite() && s.at > from && s.at <= to)
        {
            if sample.at > start {
                total += match last {
                    Some(before) if sample.value >= before => sample.value - before,
                    None if sample.at < known_from => 0.0,
                    _ => sample.value,
                };
            }
            last = Some(sample.value);
        }
    }
    total
}

proptest! {
    /// Cut into looks at any instants, the windows are the same bits as in one go.
    #[test]
    fn windows_do_not_depend_on_batches(
        history in any_history(), cuts in prop::collection::btree_set(-1_500_i64..3_700, 0..15)
    ) {
        let plan = three_kinds();
        let end = instant("60m");
        let ends: Vec<Timestamp> = cuts
            .into_iter()
            .map(|s| Timestamp::from_s(START_S + s))
            .filter(|at| *at < end)
            .chain([end])
            .collect();
        let whole = absorb_in_parts(&plan, &history, &[end]);
        let parts = absorb_in_parts(&plan, &history, &ends);
        prop_assert_eq!(whole, parts);
    }

    /// The order in which the source lists its series has no influence.
    #[test]
    fn windows_do_not_depend_on_the_order_of_series(
        (history, shuffled) in any_history()
            .prop_flat_map(|h| (Just(h.clone()), Just(h).prop_shuffle()))
    ) {
        let plan = three_kinds();
        let end = [instant("60m")];
        prop_assert_eq!(
            absorb_in_parts(&plan, &history, &end),
            absorb_in_parts(&plan, &shuffled, &end)
        );
    }

    /// The same batch twice, or one that overlaps, changes nothing.
    #[test]
    fn absorbing_again_changes_nothing(history in any_history(), at in 0_i64..3_600) {
        let plan = three_kinds();
        let (begin, end) = (instant(BEGIN), instant("60m"));
        let middle = Timestamp::from_s(START_S + at);
        let once = absorb_in_parts(&plan, &history, &[middle, end]);
        let mut again = absorb_in_parts(&plan, &history, &[middle]);
        again.absorb(&plan, &cut(&plan, &history, begin, middle));
        again.absorb(&plan, &cut(&plan, &history, begin, end));
        again.absorb(&plan, &cut(&plan, &history, middle, end));
        prop_assert_eq!(once, again);
    }

    /// Nothing counted is lost or invented: the totals of all intervals are what the counters grew
    /// by, and bad events are a part of all events in each of them.
    #[test]
    fn counts_are_conserved(history in any_history()) {
        let plan = three_kinds();
        let end = instant("60m");
        let windows = absorb_in_parts(&plan, &history, &[end]);
        let MetricData::Events { intervals } = &windows.metrics[1].data else {
            panic!("events expected");
        };
        prop_assert_eq!(intervals.len(), 120);
        for (arm, counts) in [
            ("v1-", (|i: &EventInterval| i.baseline) as fn(&EventInterval) -> Option<Counts>),
            ("v2-", |i: &EventInterval| i.canary),
        ] {
            let all: Vec<Counts> = intervals.iter().filter_map(counts).collect();
            prop_assert!(all.iter().all(|c| 0.0 <= c.bad && c.bad <= c.total));
            let total: f64 = all.iter().map(|c| c.total).sum();
            let era = (instant("-5m"), instant("0s"), end);
            let wanted = naive_growth(&history, Part::Total, arm, era);
            prop_assert!((total - wanted).abs() < 1e-6, "{} {} {}", arm, total, wanted);
            let bad: f64 = all.iter().map(|c| c.bad).sum();
            prop_assert!(bad <= naive_growth(&history, Part::Bad, arm, era) + 1e-6);
        }
    }
}
