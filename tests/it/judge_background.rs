//! History and replicas through the default judge, from the template's text to the verdict: a
//! healthy offset that is known is no harm, what comes on top is; replicas that differ say how much
//! an arm may; and one canary replica says what it cannot show.

use crate::judge_plans::{Noise, START, STEP, rollout};
use haldane::engine::verdict::{Situation, Source, Verdict, decide};
use haldane::judge::judge_again;
use haldane::judge::judgement::{Finding, Judgement, Label};
use haldane::judge::sequential::Memory;
use haldane::judge::windows::{Batch, Windows};
use haldane::plan::bind::bind;
use haldane::plan::{Part, Plan, Slot};
use haldane::series::raw::{Answer, Labels, RawSeries, Sample};
use haldane::template::parse::parse;
use haldane::time::Timestamp;

/// Steps before the start that a source has.
pub(crate) const PAST: i64 = 120;

/// Steps of the analysis.
pub(crate) const POINTS: i64 = 60;

const TEMPLATE: &str = r"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: background }
spec:
  schedule: { step: 60s, look_every: 60s, lag: 0s, bake: 30m, deadline: 60m }
  history: { lookback: 2h, offset: true }
  metrics:
    - name: cpu
      harm: increase
      min_effect: { relative: 2% }
      series: { query: 'cpu{${selector}}', combine: mean, per: pod }
";

/// The template with lines changed; every change has to change something.
pub(crate) fn bound(changes: &[(&str, &str)]) -> Plan {
    let mut text = TEMPLATE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in the template");
        text = text.replace(from, to);
    }
    let (template, found) = parse(&text);
    let template = template.unwrap_or_else(|| panic!("{text}: {found:?}"));
    bind(&template, &rollout()).unwrap()
}

const WITHOUT_HISTORY: (&str, &str) = ("  history: { lookback: 2h, offset: true }\n", "");
const OFFSET_UNKNOWN: (&str, &str) = ("offset: true", "offset: false");
const TOGETHER: (&str, &str) = (", per: pod", "");

/// One pod from `PAST` steps before the start to the end.
pub(crate) fn pod(arm: &str, name: &str, value: impl Fn(i64) -> Option<f64>) -> RawSeries {
    let labels: Labels = [("arm", arm), ("pod", name)]
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .into();
    let sample = |t: i64| {
        let at = if t < 0 {
            START.minus(STEP.times(-t))
        } else {
            START.plus(STEP.times(t))
        };
        value(t).map(|value| Sample { at, value })
    };
    RawSeries {
        labels,
        samples: (-PAST..=POINTS).filter_map(sample).collect(),
    }
}

/// What a source that has these series answers for `(from, to]`.
pub(crate) fn answered(metrics: &[Vec<RawSeries>], from: Timestamp, to: Timestamp) -> Batch {
    let part = |one: &RawSeries| RawSeries {
        labels: one.labels.clone(),
        samples: one
            .samples
            .iter()
            .copied()
            .filter(|sample| from < sample.at && sample.at <= to)
            .collect(),
    };
    let answer = |(metric_idx, series): (usize, &Vec<RawSeries>)| {
        let slot = Slot {
            metric_idx,
            part: Part::Grid,
        };
        let series = series.iter().map(part);
        let answer = Answer {
            series: series.filter(|one| !one.samples.is_empty()).collect(),
            ..Answer::default()
        };
        (slot, answer)
    };
    Batch {
        from,
        to,
        answers: metrics.iter().enumerate().map(answer).collect(),
    }
}

/// Where the first fetch begins: a step before the history.
pub(crate) fn first_from() -> Timestamp {
    START.minus(STEP.times(PAST + 1))
}

/// All looks of an analysis until its verdict.
fn judged(plan: &Plan, series: &[RawSeries]) -> (Verdict, Judgement) {
    let metrics = [series.to_vec()];
    let mut windows = Windows::new(plan);
    let mut memory = Memory::default();
    let mut from = first_from();
    for look in 1..=plan.timing.looks_planned() {
        let to = START.plus(STEP.times(i64::from(look)));
        windows.absorb(plan, &answered(&metrics, from, to));
        from = to;
        let judgement = judge_again(plan, &windows, look, &mut memory);
        let decision = decide(&Situation::of(plan, Some(&judgement), Source::Answering));
        if let Some(verdict) = decision.verdict {
            return (verdict, judgement);
        }
    }
    panic!("the deadline gave no verdict");
}

/// Two arms with their pods' lasting factors. What multiplies the canary depends on the time.
struct World {
    baseline: Vec<f64>,
    canary: Vec<f64>,
    /// Before the start, and after it.
    factor: (f64, f64),
}

impl World {
    fn series(&self, seed: u64) -> Vec<RawSeries> {
        let steps = usize::try_from(PAST + POINTS + 1).unwrap();
        let arms = [("baseline", &self.baseline), ("canary", &self.canary)];
        let mut out = Vec::new();
        for (arm, pods) in arms {
            for (idx, level) in pods.iter().enumerate() {
                let stream = seed + 1000 * u64::try_from(out.len()).unwrap();
                let noise = Noise(stream).ar1(0.0, steps);
                let value = |t: i64| {
                    let z = noise[usize::try_from(t + PAST).unwrap()];
                    let (past, live) = if arm == "canary" {
                        self.factor
                    } else {
                        (1.0, 1.0)
                    };
                    let factor = if t < 0 { past } else { live };
                    Some(100.0 * level * factor * (1.0 + 0.03 * z))
                };
                out.push(pod(arm, &format!("{arm}-{idx}"), value));
            }
        }
        out
    }
}

const SEEDS: u64 = 8;

/// How many of the runs end in each verdict: rollback, promote, inconclusive.
fn ends(plan: &Plan, world: &World) -> [u64; 3] {
    let mut ends = [0; 3];
    for seed in 0..SEEDS {
        let (verdict, _) = judged(plan, &world.series(seed));
        ends[match verdict {
            Verdict::Rollback => 0,
            Verdict::Promote => 1,
            Verdict::Inconclusive => 2,
        }] += 1;
    }
    ends
}

fn one_each(factor: (f64, f64)) -> World {
    World {
        baseline: vec![1.0],
        canary: vec![1.0],
        factor,
    }
}

const EIGHT_PERCENT: (&str, &str) = ("relative: 2%", "relative: 8%");

/// Known from history, 6 % are no harm at a limit of 2 %; nor are they part of the limit, so that
/// health is shown at 8 %, where nobody could who does not know of them.
#[test]
fn a_healthy_offset_that_history_shows_is_no_harm() {
    let world = one_each((1.06, 1.06));
    assert_eq!(ends(&bound(&[TOGETHER]), &world)[0], 0);
    for ignorant in [OFFSET_UNKNOWN, WITHOUT_HISTORY] {
        let [rollbacks, ..] = ends(&bound(&[TOGETHER, ignorant]), &world);
        assert_eq!(rollbacks, SEEDS, "{ignorant:?}");
    }
    let [_, promotes, _] = ends(&bound(&[TOGETHER, EIGHT_PERCENT]), &world);
    assert!(promotes > SEEDS / 2, "{promotes} promoted that know");
    let ignorant = bound(&[TOGETHER, EIGHT_PERCENT, WITHOUT_HISTORY]);
    let [_, promotes, _] = ends(&ignorant, &world);
    assert!(promotes <= SEEDS / 4, "{promotes} promoted that do not");
}

#[test]
fn harm_on_top_of_a_known_offset_is_found() {
    let world = one_each((1.06, 1.06 * 1.2));
    let plan = bound(&[TOGETHER]);
    assert_eq!(ends(&plan, &world)[0], SEEDS);
    // What is shown is the whole difference of the arms, and the limit it is held against.
    let (_, judgement) = judged(&plan, &world.series(0));
    let effect = judgement.findings[0].effect.unwrap().relative.unwrap();
    assert!((0.2..0.34).contains(&effect.value), "{effect:?}");
    assert!(effect.low > 0.08, "{effect:?}");
}

/// A history in which the arms were alike: 20 % are found, and improvements are none.
#[test]
fn a_history_without_an_offset_excuses_nothing() {
    let plan = bound(&[TOGETHER]);
    assert_eq!(ends(&plan, &one_each((1.0, 1.2)))[0], SEEDS);
    // Slower before than now: the difference to its own past is what counts.
    assert_eq!(ends(&plan, &one_each((1.06, 0.85))), [0, SEEDS, 0]);
}

fn pods(baseline: &[f64], canary: &[f64]) -> World {
    World {
        baseline: baseline.to_vec(),
        canary: canary.to_vec(),
        factor: (1.0, 1.0),
    }
}

const SCATTERED: [f64; 4] = [0.9, 0.97, 1.06, 1.12];
const TIGHT: [f64; 4] = [0.998, 1.0, 1.001, 1.003];

/// Pods that lie 10 % apart make arms of four lie some 7 % apart; pods that agree do not.
#[test]
fn a_difference_of_the_size_of_the_spread_of_the_replicas_is_no_harm() {
    let scattered = pods(&SCATTERED, &SCATTERED.map(|level| level + 0.09));
    let tight = pods(&TIGHT, &TIGHT.map(|level| level + 0.09));
    let apart = bound(&[WITHOUT_HISTORY]);
    assert_eq!(ends(&apart, &scattered)[0], 0);
    assert_eq!(ends(&apart, &tight)[0], SEEDS);
    // In their mean alone both are harm: the spread is what tells them apart.
    let together = bound(&[WITHOUT_HISTORY, TOGETHER]);
    assert_eq!(ends(&together, &scattered)[0], SEEDS);
    // Far outside of any spread of the pods.
    let doubled = pods(&SCATTERED, &SCATTERED.map(|level| 2.0 * level));
    assert_eq!(ends(&apart, &doubled)[0], SEEDS);
}

const ONE_REPLICA: &str = "one canary replica: what is peculiar to that one machine cannot be told \
                           from the version";

#[test]
fn one_canary_replica_says_what_it_cannot_show() {
    let noted = |plan: &Plan, world: &World| {
        let (verdict, judgement) = judged(plan, &world.series(3));
        let finding: &Finding = &judgement.findings[0];
        let noted = finding.notes.iter().any(|note| note == ONE_REPLICA);
        (verdict, finding.label, noted)
    };
    let apart = bound(&[WITHOUT_HISTORY]);
    // Within the spread of the baseline's pods nothing is shown; twice as much is.
    let (verdict, label, note) = noted(&apart, &pods(&SCATTERED, &[1.1]));
    let undecided = (Verdict::Inconclusive, Label::Undecided, true);
    assert_eq!((verdict, label, note), undecided);
    let (verdict, label, note) = noted(&apart, &pods(&SCATTERED, &[2.0]));
    assert_eq!(
        (verdict, label, note),
        (Verdict::Rollback, Label::Worse, true)
    );
    // Two are two, and one that nobody keeps apart is not known to be one.
    assert!(!noted(&apart, &pods(&SCATTERED, &[1.0, 1.1])).2);
    let together = bound(&[WITHOUT_HISTORY, TOGETHER]);
    assert!(!noted(&together, &pods(&SCATTERED, &[1.1])).2);
}
