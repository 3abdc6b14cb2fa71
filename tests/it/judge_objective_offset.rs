//! Objectives where healthy arms differ: what is known from before the start, or from the pods, is
//! no sign that the canary is worse; what comes on top is. From the template's text to the
//! judgement.

use crate::judge_background::{PAST, POINTS, answered, first_from};
use crate::judge_plans::{Noise, START, STEP, rollout};
use haldane::judge::judge;
use haldane::judge::judgement::{Judgement, Outcome};
use haldane::judge::windows::{Batch, Windows};
use haldane::plan::bind::bind;
use haldane::plan::{Part, Plan, Slot};
use haldane::series::raw::{Labels, RawSeries, Sample};
use haldane::template::parse::parse;

/// The metric itself allows whatever the objective is to speak of.
const TEMPLATE: &str = r"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: budget }
spec:
  schedule: { step: 60s, look_every: 60s, lag: 0s, bake: 30m, deadline: 60m }
HISTORY
  metrics:
    - name: errors
      harm: increase
      min_effect: { absolute: 50% }
      events: { bad: 'bad{${selector}}', total: 'all{${selector}}'PER }
  objectives:
    - { name: availability, metric: errors, objective: 99.9%, period: 30d, min_bad_events: 2 }
";

/// What is told of healthy arms.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Nothing,
    History,
    Pods,
}

fn plan(told: Told) -> Plan {
    let offset = told == Told::History;
    let per = if told == Told::Pods { ", per: pod" } else { "" };
    let text = TEMPLATE
        .replace(
            "HISTORY",
            &format!("  history: {{ lookback: 2h, offset: {offset} }}"),
        )
        .replace("PER", per);
    let (template, found) = parse(&text);
    let template = template.unwrap_or_else(|| panic!("{text}: {found:?}"));
    bind(&template, &rollout()).unwrap()
}

/// Counters of one pod: a thousand requests a step, bad ones at one ratio before the start and at
/// another after it.
fn counters(arm: &str, number: usize, (before, after): (f64, f64)) -> [RawSeries; 2] {
    let labels: Labels = [("arm", arm), ("pod", &format!("{arm}-{number}"))]
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .into();
    let seed = u64::try_from(number).unwrap() + if arm == "canary" { 1_000 } else { 0 };
    let mut noise = Noise(seed);
    let (mut bad, mut all) = (0.0, 0.0);
    let (mut bads, mut alls) = (Vec::new(), Vec::new());
    for t in -PAST..=POINTS {
        let at = START.minus(STEP.times(PAST)).plus(STEP.times(PAST + t));
        bad += noise.bad_of(1_000.0, if t <= 0 { before } else { after });
        all += 1_000.0;
        bads.push(Sample { at, value: bad });
        alls.push(Sample { at, value: all });
    }
    [bads, alls].map(|samples| RawSeries {
        labels: labels.clone(),
        samples,
    })
}

/// The judgement of the whole hour. Ratios of the pods of each arm: before the start, after it.
fn judged(told: Told, baseline: &[(f64, f64)], canary: &[(f64, f64)]) -> Judgement {
    let plan = plan(told);
    let arm = |name: &'static str, pods: &[(f64, f64)]| -> Vec<[RawSeries; 2]> {
        let each = pods.iter().enumerate();
        each.map(|(number, ratios)| counters(name, number, *ratios))
            .collect()
    };
    let pods = [arm("baseline", baseline), arm("canary", canary)].concat();
    let parts = [Part::Bad, Part::Total].into_iter().enumerate();
    let answers = parts.map(|(at, part)| {
        let series: Vec<RawSeries> = pods.iter().map(|pod| pod[at].clone()).collect();
        let to = START.plus(STEP.times(POINTS));
        let (_, answer) = answered(&[series], first_from(), to).answers.remove(0);
        (
            Slot {
                metric_idx: 0,
                part,
            },
            answer,
        )
    });
    let mut windows = Windows::new(&plan);
    windows.absorb(
        &plan,
        &Batch {
            from: first_from(),
            to: START.plus(STEP.times(POINTS)),
            answers: answers.collect(),
        },
    );
    judge(&plan, &windows, plan.timing.looks_planned())
}

/// Both arms burn at every rung in all of these: only the comparison with the baseline differs.
#[track_caller]
fn check(what: &str, told: Told, arms: (&[(f64, f64)], &[(f64, f64)]), worse: bool) {
    let judged = judged(told, arms.0, arms.1);
    let objective = &judged.objectives[0];
    assert!(
        objective.rungs.iter().any(|rung| rung.proven),
        "{what} {told:?}: {objective:#?}"
    );
    assert_eq!(
        objective.worse_than_baseline, worse,
        "{what} {told:?}: {objective:#?}"
    );
    assert_eq!(
        judged.outcome == Outcome::Fail,
        worse,
        "{what} {told:?}: {objective:#?}"
    );
    assert!(objective.p_worse_than_baseline <= 1.0);
    let shown = -objective.p_worse_than_baseline.ln() >= objective.log_bound;
    assert_eq!(shown, worse, "{what} {told:?}: the p-value says otherwise");
}

#[test]
fn what_always_was_is_not_worse_than_the_baseline() {
    // How many times the baseline's ratio: before the start, after it.
    for (before, after, told, worse) in [
        (1.8, 1.8, Told::Nothing, true),
        (1.8, 1.8, Told::History, false),
        (1.8, 4.5, Told::History, true),
        (1.0, 1.0, Told::History, false),
        (1.0, 2.5, Told::History, true),
        (1.0, 2.5, Told::Nothing, true),
        // Always better than the baseline, and no longer so.
        (0.5, 1.1, Told::History, true),
    ] {
        let canary = [(0.018 * before, 0.018 * after)];
        let what = format!("{before} then {after}");
        check(&what, told, (&[(0.018, 0.018)], &canary), worse);
    }
}

#[test]
fn what_pods_differ_by_is_not_worse_than_the_baseline() {
    let pods = |factor: f64, each: [f64; 4]| each.map(|one| (factor * one, factor * one));
    let baseline = pods(0.018, [0.6, 0.8, 1.2, 1.4]);
    for (factor, told, worse) in [
        (0.018, Told::Nothing, true),
        (0.018, Told::Pods, false),
        (0.18, Told::Pods, true),
    ] {
        let canary = pods(factor, [0.8, 1.0, 1.4, 1.6]);
        check(&format!("{factor}"), told, (&baseline, &canary), worse);
    }
}
