//! Tuning on samples whose truth is known: what is injected is what is seen, edits keep the text,
//! rates hold the truth, and what is proposed is better on pairs it was not chosen on.

use haldane::ids::TemplateName;
use haldane::judge::windows::{Batch, Windows};
use haldane::plan::rollout::Deploy;
use haldane::plan::scope::{Matcher, Scope};
use haldane::plan::{Part, Plan, Slot};
use haldane::series::raw::{Answer, Labels, RawSeries, Sample};
use haldane::simulate::chance::Chance;
use haldane::simulate::work::{Progress, Workers};
use haldane::template::parse::parse;
use haldane::template::{Role, Template};
use haldane::time::{Span, Timestamp};
use haldane::tune::calendar::{Spot, Wanted, spots};
use haldane::tune::edit::{Edit, applied, diff};
use haldane::tune::inject::{Change, Size, inject};
use haldane::tune::placebo::{ARM, Case, Held, Kind, Making, Population, cases, reading};
use haldane::tune::propose::{Asked, windows_needed, wishes};
use haldane::tune::whole::{Ending, Subject, Tuned, tuned};
use haldane::units::MinEffect;
use std::collections::BTreeMap;
use std::sync::Arc;

const TEMPLATE: &str = r"# One service.
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: small }
spec:
  schedule: { step: 30s, look_every: 2m, bake: 4m, deadline: 10m, lag: 30s }   # short
  metrics:
    # calm
    - name: latency
      harm: increase
      min_effect: { relative: 10% }   # a tenth
      min_samples: 5
      series: { query: 'avg by (${arm_labels}) (latency{${selector}})' }
    - { name: cpu, harm: increase, min_effect: { relative: 10% }, min_samples: 5,
        series: { query: 'avg by (${arm_labels}) (cpu{${selector}})' } }
";

fn template(text: &str) -> Template {
    let (template, found) = parse(text);
    template.unwrap_or_else(|| panic!("{found:?}"))
}

fn population() -> Population {
    let stable = Matcher::equals("track", "stable").unwrap();
    Population {
        scope: Scope::new(vec![stable]).unwrap(),
        per: Some("pod".to_owned()),
        deploy: Deploy::default(),
        inputs: BTreeMap::new(),
    }
}

fn labels(pod: &str) -> Labels {
    [("track", "stable"), ("pod", pod)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Days of windows of two pods; `value` gives (metric, pod, window, nth point).
fn history(days: usize, value: impl Fn(usize, usize, usize, usize) -> f64) -> Vec<Held> {
    let template = template(TEMPLATE);
    let wanted = Wanted {
        ending: Timestamp::parse("2026-03-20T00:00:00Z").unwrap(),
        history: Span::from_s(86_400 * i64::try_from(days).unwrap() + 3600),
        lead: Span::from_s(300),
        length: template.schedule.deadline,
        step: template.schedule.step,
        windows: days * 6,
    };
    let spots = spots(&wanted);
    let held = spots.into_iter().enumerate().map(|(window, spot)| {
        let plan = reading(&template, &population(), spot.start, true).unwrap();
        let answers = (0..plan.metrics.len()).map(|metric_idx| {
            let series = (0..2).map(|pod| RawSeries {
                labels: labels(&format!("pod-{pod}")),
                samples: points(&plan)
                    .enumerate()
                    .map(|(nth, at)| Sample {
                        at,
                        value: value(metric_idx, pod, window, nth),
                    })
                    .collect(),
            });
            let slot = Slot {
                metric_idx,
                part: Part::Grid,
            };
            let answer = Answer {
                series: series.collect(),
                ..Answer::default()
            };
            (slot, answer)
        });
        let batch = Arc::new(Batch {
            from: spot.start.minus(Span::from_s(300)),
            to: plan.timing.deadline,
            answers: answers.collect(),
        });
        Held {
            spot,
            whole: Arc::clone(&batch),
            apart: Some(batch),
        }
    });
    held.collect()
}

fn points(plan: &Plan) -> impl Iterator<Item = Timestamp> {
    let (start, step) = (plan.timing.start, plan.timing.step.span());
    let len = plan.timing.deadline.since(start).ms() / step.ms();
    (0..=len).map(move |nth| start.plus(step.times(nth)))
}

/// Noise of 2 %, the same for the same place.
fn noise(place: [usize; 4]) -> f64 {
    let name: Vec<String> = place.iter().map(usize::to_string).collect();
    let words: Vec<&str> = name.iter().map(String::as_str).collect();
    1.0 + 0.02 * Chance::new(5, &words).normal()
}

/// In every fifth window one of the two pods is twice as busy, whichever the day says.
fn busy(metric: usize, pod: usize, window: usize, nth: usize) -> f64 {
    let odd = metric == 1 && window.is_multiple_of(5) && pod == window / 5 % 2;
    noise([metric, pod, window, nth]) * if odd { 2.0 } else { 1.0 }
}

fn made(held: &[Held]) -> Vec<Case> {
    let making = Making {
        pairs: 1000,
        canary_replicas: 1,
        seed: 3,
    };
    cases(&population(), held, making)
}

fn tune(text: &str, cases: &[Case], max: f64, detect: &[&str], jobs: usize) -> Tuned {
    tune_deciding(text, cases, (max, 1.0), detect, jobs)
}

/// The same with the share of healthy canaries that may end inconclusive.
fn tune_deciding(
    text: &str,
    cases: &[Case],
    (max, max_inconclusive): (f64, f64),
    detect: &[&str],
    jobs: usize,
) -> Tuned {
    let template = template(text);
    let all = detect
        .iter()
        .flat_map(|text| wishes(text, &template).unwrap());
    let asked = Asked {
        max_false_rollback: max,
        max_inconclusive,
        wishes: all.collect(),
        seed: 1,
    };
    let progress = Progress::default();
    let subject = Subject {
        template: &template,
        file: "small.yaml",
        text,
        within: &[Span::from_s(600)],
        asked: &asked,
    };
    tuned(&subject, cases, &Workers::new(jobs, &progress).unwrap()).unwrap()
}

/// Both arms of a pair hold each sample of the population once, and no pair is its own placebo.
#[test]
fn pairs_of_every_kind_have_two_whole_arms() {
    let held = history(8, busy);
    let all = made(&held);
    for (kind, at_least) in [
        (Kind::Replicas, 40),
        (Kind::Adjacent, 15),
        (Kind::DayBefore, 25),
        (Kind::WeekBefore, 3),
    ] {
        let mine: Vec<&Case> = all.iter().filter(|case| case.kind == kind).collect();
        assert!(mine.len() >= at_least, "{kind:?}: {}", mine.len());
        for case in mine {
            let plan = case.plan(&template(TEMPLATE)).unwrap();
            let mut windows = Windows::new(&plan);
            windows.absorb(&plan, &case.batch());
            let (baseline, canary) = windows.judged_series(&plan, 0).unwrap();
            assert!(baseline.iter().all(Option::is_some), "{kind:?}");
            assert!(canary.iter().all(Option::is_some), "{kind:?}");
            assert_ne!(baseline, canary, "{kind:?}");
            assert_eq!(baseline.len(), 21, "{kind:?}");
        }
    }
}

/// A population's queries keep its labels, and its replicas' where they are wanted.
#[test]
fn queries_are_those_of_the_population() {
    let at = Timestamp::from_s(1_772_000_000);
    for (apart, wanted) in [
        (
            false,
            r#"avg by (track) (latency{track=~"haldane_nobody|stable"})"#,
        ),
        (
            true,
            r#"avg by (pod,track) (latency{pod=~".+",track=~"haldane_nobody|stable"})"#,
        ),
    ] {
        let plan = reading(&template(TEMPLATE), &population(), at, apart).unwrap();
        assert_eq!(plan.queries()[0].1, wanted);
    }
    let all = Population {
        scope: Scope::new(vec![Matcher::regex("track", ".*").unwrap()]).unwrap(),
        ..population()
    };
    let why = reading(&template(TEMPLATE), &all, at, false).unwrap_err();
    assert!(why.contains("select everything"), "{why}");
}

/// The canary is the busy pod in a tenth of pairs (in every fifth window one of two): the rate
/// holds that, alone and as a whole, and the calm metric has none.
#[test]
fn rates_hold_the_truth() {
    let held = history(8, busy);
    let all = made(&held);
    let found = tune(TEMPLATE, &all, 0.05, &[], 2);
    let rate = found
        .rates
        .iter()
        .find(|rate| rate.kind == Kind::Replicas)
        .unwrap();
    let truth = {
        let replicas = all.iter().filter(|case| case.kind == Kind::Replicas);
        let order: BTreeMap<Timestamp, usize> = held
            .iter()
            .enumerate()
            .map(|(idx, held)| (held.spot.start, idx))
            .collect();
        let odd = replicas.filter(|case| {
            let window = order[&case.start()];
            let pod = format!("pod-{}", window / 5 % 2);
            window.is_multiple_of(5) && case.clusters[1] == pod
        });
        odd.count()
    };
    // What was rolled back is exactly what was busy, and the expectation lies in the interval.
    assert_eq!(rate.rollbacks.count, truth);
    assert_eq!(rate.metrics[1].count, truth);
    assert!(
        rate.rollbacks.low <= 0.1 && 0.1 <= rate.rollbacks.high,
        "{rate:?}"
    );
    assert_eq!(rate.metrics[0].count, 0);
    // None of so many is no promise of none.
    let calm = rate.metrics[0];
    assert!(calm.high > 0.0 && calm.high < 0.2, "{calm:?}");
    // A change of a tenth is the limit: what is shown lies above it, and not far.
    let (_, _, text) = &found.metrics[0].shown[0];
    let size: f64 = text.trim_matches(['+', ' ', '%']).parse().unwrap();
    assert!((10.0..40.0).contains(&size), "{text}");
    let lag1 = found.metrics[0].nature.lag1.unwrap();
    assert!(lag1.abs() < 0.15, "{lag1}");
}

/// A limit that nobody breaks because nothing can be shown against it does not do what is asked.
#[test]
fn a_template_that_decides_nothing_is_told_so() {
    let blunt = TEMPLATE.replace("relative: 10%", "relative: 0.1%");
    assert_ne!(blunt, TEMPLATE);
    let all = made(&history(8, busy));
    let found = tune_deciding(&blunt, &all, (0.5, 0.5), &[], 2);
    let was = &found.before.newer.inconclusive;
    assert!(was.value() > 0.5, "{was:?}");
    let Ending::Nothing(why) = &found.ending else {
        panic!("{}", found.text())
    };
    assert!(why.join(" ").contains("end inconclusive"), "{why:?}");
    let lenient = tune(&blunt, &all, 0.5, &[], 2);
    assert_eq!(lenient.ending, Ending::AsItIs, "{}", lenient.text());
}

/// The proposal quiets the metric that cries wolf, keeps the other, and holds on the newer half.
#[test]
fn what_is_proposed_is_better_where_it_was_not_chosen() {
    let all = made(&history(8, busy));
    let found = tune(TEMPLATE, &all, 0.5, &["latency:+50% within 10m"], 2);
    assert_eq!(found.ending, Ending::AsItIs, "{}", found.text());
    let found = tune(TEMPLATE, &all, 0.25, &["latency:+50% within 10m"], 2);
    assert_eq!(found.ending, Ending::Proposed, "{}", found.text());
    let after = found.after.as_ref().unwrap();
    assert!(after.newer.rollbacks.count < found.before.newer.rollbacks.count);
    assert!(after.newer.rollbacks.high <= 0.25, "{after:?}");
    assert_eq!(found.edits.len(), 1, "{:?}", found.edits);
    let text = found.text.as_ref().unwrap();
    let changed = template(text);
    assert_eq!(changed.metrics[0], template(TEMPLATE).metrics[0]);
    assert!(text.contains("# a tenth") && text.contains("# calm") && text.contains("# short"));
    assert!(
        found.diff.contains("\n-    - { name: cpu"),
        "{}",
        found.diff
    );
    // The same pairs give the same bytes on any number of threads.
    let again = tune(TEMPLATE, &all, 0.25, &["latency:+50% within 10m"], 1);
    assert_eq!(found.json(), again.json());
}

/// What cannot be is said so: too few pairs, and a change that nothing shows.
#[test]
fn nothing_is_promised_that_was_not_shown() {
    let calm = |metric, pod, window, nth| noise([metric, pod, window, nth]);
    let all = made(&history(4, calm));
    let found = tune(TEMPLATE, &all, 0.001, &[], 2);
    let Ending::TooFewWindows(needed) = found.ending else {
        panic!("{}", found.text());
    };
    assert!(needed >= 2 * windows_needed(0.001), "{needed}");
    assert!(found.text().contains("Not shown: 0 of"), "{}", found.text());
    let found = tune(TEMPLATE, &all, 0.3, &["latency:+1% within 10m"], 2);
    let Ending::Nothing(why) = &found.ending else {
        panic!("{}", found.text());
    };
    assert!(
        why[0].contains("latency +1% within 10m") && why[0].contains("is shown in"),
        "{why:?}"
    );
    for (max, wanted) in [(0.05, 73), (0.01, 381)] {
        assert_eq!(windows_needed(max), wanted);
    }
}

const EVENTS: &str = r#"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: counts }
spec:
  schedule: { step: 30s, bake: 4m, deadline: 10m }
  metrics:
    - name: errors
      harm: increase
      min_effect: { absolute: 0.5% }
      events: { bad: 'r{code="500",${selector}}', total: 'r{${selector}}' }
    - name: slow
      harm: increase
      min_effect: { absolute: 1% }
      distribution: { buckets: 'd_bucket{${selector}}', threshold: 0.5 }
    - name: whole
      harm: increase
      min_effect: { absolute: 1% }
      distribution: { buckets: 'd_bucket{${selector}}' }
"#;

/// Counters of both arms every 15 s: 1,000 events each time, 10 of them bad; buckets at 0.25, 0.5
/// and 1 with 500, 900 and 1,000 of them.
fn counters(plan: &Plan, metric_idx: usize) -> Batch {
    let grown = |arm: &str, extra: &[(&str, &str)], each: f64| RawSeries {
        labels: [(ARM, arm)]
            .iter()
            .chain(extra)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        samples: (0..61)
            .map(|nth| Sample {
                at: plan
                    .timing
                    .start
                    .minus(Span::from_s(300))
                    .plus(Span::from_s(15 * nth)),
                value: each * nth as f64,
            })
            .collect(),
    };
    let arms = ["baseline", "canary"];
    let mut answers = Vec::new();
    let mut put = |part, series: Vec<RawSeries>| {
        let answer = Answer {
            series,
            ..Answer::default()
        };
        answers.push((
            Slot {
                metric_idx: 0,
                part,
            },
            answer,
        ));
    };
    if metric_idx == 0 {
        let bad = arms.map(|arm| grown(arm, &[("code", "500")], 10.0));
        let good = arms.map(|arm| grown(arm, &[("code", "200")], 990.0));
        put(Part::Bad, bad.to_vec());
        put(Part::Total, bad.into_iter().chain(good).collect());
    } else {
        let bounds = [
            ("0.25", 500.0),
            ("0.5", 900.0),
            ("1", 1000.0),
            ("+Inf", 1000.0),
        ];
        let all = arms
            .iter()
            .flat_map(|arm| bounds.map(|(le, each)| grown(arm, &[("le", le)], each)));
        put(Part::Buckets, all.collect());
    }
    Batch {
        from: plan.timing.start.minus(Span::from_s(300)),
        to: plan.timing.deadline,
        answers,
    }
}

/// The bad ratio of both arms after a change, as the judge sees it.
fn ratios(metric_idx: usize, size: Size) -> (f64, f64) {
    let start = Timestamp::from_s(1_772_000_100);
    let held = history(1, busy);
    let mut plan = made(&held)[0].plan(&template(EVENTS)).unwrap();
    let shift = start.since(plan.timing.start);
    plan.timing.deadline = plan.timing.deadline.plus(shift);
    plan.metrics = vec![plan.metrics[metric_idx].clone()];
    let mut batch = counters(&plan, metric_idx);
    let change = Change {
        metric: &plan.metrics[0],
        size,
        ratio: Some(0.01),
        start: plan.timing.start,
        seed: 9,
    };
    inject(&mut batch, &change).unwrap();
    let mut windows = Windows::new(&plan);
    windows.absorb(&plan, &batch);
    let (mut bad, mut total) = ([0.0; 2], [0.0; 2]);
    for interval in windows.judged_events(&plan, 0) {
        let both = [interval.baseline, interval.canary];
        for (idx, counts) in both.into_iter().enumerate() {
            bad[idx] += counts.map_or(0.0, |counts| counts.bad);
            total[idx] += counts.map_or(0.0, |counts| counts.total);
        }
    }
    assert!((total[0] - total[1]).abs() < 1e-9, "{total:?}");
    (bad[0] / total[0], bad[1] / total[1])
}

#[test]
fn what_is_injected_is_what_is_seen() {
    for (metric, size, baseline, canary) in [
        (0, Size::Absolute(0.02), 0.01, 0.03),
        (0, Size::Relative(1.0), 0.01, 0.02),
        (0, Size::Absolute(-0.005), 0.01, 0.005),
        (1, Size::Absolute(0.05), 0.1, 0.15),
        (1, Size::Relative(2.0), 0.1, 0.12),
    ] {
        let (b, c) = ratios(metric, size);
        assert!((b - baseline).abs() < 1e-9, "{size:?}: {b}");
        // 40,000 events: three standard deviations of so many rare ones.
        assert!(
            (c - canary).abs() < 3.0 * (canary / 4e4_f64).sqrt(),
            "{size:?}: {c}"
        );
    }
}

/// Every change is at its place, everything else stays byte for byte.
#[test]
fn edits_keep_the_rest_of_the_text() {
    let effect = |share| MinEffect::relative(share).unwrap();
    let cases: &[(Edit, &str, &str)] = &[
        (
            Edit::MinEffect("latency".to_owned(), effect(0.125)),
            "      min_effect: { relative: 10% }   # a tenth\n",
            "      min_effect: { relative: 12.5% }   # a tenth\n",
        ),
        (
            Edit::Role("latency".to_owned(), Role::Optional),
            "      min_effect: { relative: 10% }   # a tenth\n",
            "      role: optional\n      min_effect: { relative: 10% }   # a tenth\n",
        ),
        (
            Edit::Role("cpu".to_owned(), Role::Optional),
            "harm: increase, min_effect: { relative: 10% }, min_samples",
            "harm: increase, role: optional, min_effect: { relative: 10% }, min_samples",
        ),
        (
            Edit::FalseRollback(0.01),
            "  metrics:\n",
            "  judge: { false_rollback: 1% }\n  metrics:\n",
        ),
    ];
    for (edit, old, new) in cases {
        let got = applied(TEMPLATE, std::slice::from_ref(edit)).unwrap();
        assert_eq!(got, TEMPLATE.replacen(old, new, 1), "{edit:?}");
    }
    let all: Vec<Edit> = cases.iter().map(|(edit, ..)| edit.clone()).collect();
    let got = applied(TEMPLATE, &all).unwrap();
    let shown = diff("small.yaml", TEMPLATE, &got);
    let (kept, changed): (Vec<&str>, Vec<&str>) =
        shown.lines().partition(|line| line.starts_with(' '));
    assert_eq!(
        changed.iter().filter(|line| line.starts_with("@@")).count(),
        1,
        "{shown}"
    );
    assert!(kept.len() <= 10, "{shown}");
    for (judge, wanted) in [
        (
            "  judge: { method: sequential }\n",
            "  judge: { false_rollback: 1%, method: sequential }\n",
        ),
        (
            "  judge:\n    method: sequential\n",
            "  judge:\n    false_rollback: 1%\n    method: sequential\n",
        ),
        (
            "  judge:\n    false_rollback: 0.05 # 1 in 20\n",
            "  judge:\n    false_rollback: 1% # 1 in 20\n",
        ),
        (
            "  judge: { false_rollback: '5%' }\n",
            "  judge: { false_rollback: 1% }\n",
        ),
    ] {
        let with =
            |judge: &str| TEMPLATE.replacen("  metrics:\n", &format!("{judge}  metrics:\n"), 1);
        let got = applied(&with(judge), &[Edit::FalseRollback(0.01)]).unwrap();
        assert_eq!(got, with(wanted), "{judge}");
    }
    let child = "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: { name: child }\n\
                 extends: small\nspec: {}\n";
    let why = applied(child, &[Edit::Role("cpu".to_owned(), Role::Info)]).unwrap_err();
    assert!(why.contains("a template it extends"), "{why}");
}

/// Shipped templates can be edited at every metric.
#[test]
fn shipped_templates_are_editable() {
    for name in ["http-service", "kubernetes-resources"] {
        let path = crate::docs::root().join(format!("analysis-templates/{name}.yaml"));
        let text = std::fs::read_to_string(path).unwrap();
        let read = template(&text);
        assert_eq!(Some(read.name.clone()), TemplateName::new(name));
        for metric in &read.metrics {
            let name = metric.name.as_str().to_owned();
            let effect = match metric.min_effect {
                MinEffect::Relative(share) => MinEffect::relative(share * 2.0),
                MinEffect::Absolute(value) => MinEffect::absolute(value * 2.0),
            };
            let edits = [
                Edit::MinEffect(name.clone(), effect.unwrap()),
                Edit::Role(name, Role::Optional),
                Edit::FalseRollback(0.02),
            ];
            let got = applied(&text, &edits).unwrap_or_else(|why| panic!("{why}"));
            assert!(got.lines().count() <= text.lines().count() + 2);
        }
    }
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    let template = template(TEMPLATE);
    let two = wishes("+25% within 8m", &template).unwrap();
    assert_eq!(two.len(), 2);
    assert_eq!(two[0].within, Span::from_s(480));
    for (text, wanted) in [
        ("+25%", "names no time"),
        ("+25% within soon", "has no length of time"),
        ("more within 8m", "has no size"),
        ("latancy:+25% within 8m", "there is no metric `latancy`"),
        ("latency:-25% within 8m", "harm is increase"),
        ("-25% within 8m", "fits no gate"),
    ] {
        let why = wishes(text, &template).unwrap_err();
        assert!(why.contains(wanted), "{text}: {why}");
    }
}

/// Spots are the calendar's; a placebo of one window has none before it.
#[test]
fn one_window_has_only_its_replicas() {
    let mut held = history(1, busy);
    held.truncate(1);
    held[0].spot = Spot {
        slot: 0,
        ..held[0].spot
    };
    let all = made(&held);
    assert!(
        all.iter().all(|case| case.kind == Kind::Replicas),
        "{}",
        all.len()
    );
    assert_eq!(all.len(), 2);
}
