//! One look of a ten-metric analysis: from scratch (absorb everything, judge) and as the daemon
//! does it (the windows are there, one more minute arrives, judge). Of the sequential judge also
//! the judging alone: everything anew, with intervals and forecasts, and with the memory of the
//! look before when one value per metric has come.

use crate::timing::Runner;
use haldane::judge::sequential::{Detail, Memory, Tables};
use haldane::judge::windows::{Batch, Windows};
use haldane::judge::{judge, judge_again};
use haldane::plan::bind::bind;
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::plan::{Plan, Slot};
use haldane::series::raw::{Answer, RawSeries, Sample};
use haldane::simulate::noise::Noise;
use haldane::template::parse::parse;
use haldane::time::{Span, Timestamp};
use std::fmt::Write as _;
use std::hint::black_box;

pub(crate) const METRICS: usize = 10;
const STEP_S: i64 = 15;
/// Values of each metric before the start, where there is a history.
const PAST: i64 = 240;
/// On the grid, as a rollout's start becomes when its plan is bound.
const START: Timestamp = Timestamp::from_s(1_800_000_000);

pub(crate) fn run(runner: &Runner) {
    for points in [60_i64, 240, 1440] {
        let names = [
            "look_from_scratch",
            "look_incremental",
            "judge_decision",
            "judge_full",
            "judge_next",
            "judge_next_copy",
            "judge_decision_history",
            "judge_next_history",
            "judge_next_history_copy",
        ];
        if !names
            .iter()
            .any(|name| runner.wants(&format!("{name}/{points}")))
        {
            continue;
        }
        let plan = plan(points, 0);
        let whole = batch(&plan, 0, points);
        runner.measure(&format!("look_from_scratch/{points}"), |_| {
            let mut windows = Windows::new(&plan);
            windows.absorb(&plan, &whole);
            judge(&plan, &windows, plan.timing.looks_planned())
        });
        let mut ready = Windows::new(&plan);
        ready.absorb(&plan, &batch(&plan, 0, points - 4));
        let minute = batch(&plan, points - 4, points);
        runner.measure(&format!("look_incremental/{points}"), |_| {
            let mut windows = black_box(ready.clone());
            windows.absorb(&plan, &minute);
            judge(&plan, &windows, plan.timing.looks_planned())
        });
        judging(runner, &plan, points, "");
        judging(runner, &self::plan(points, PAST), points, "_history");
    }
}

/// The judge alone. `judge_next` works on a copy of the memory; `judge_next_copy` is what the
/// copying costs, to be taken off. With a history of both arms all three are measured again.
fn judging(runner: &Runner, plan: &Plan, points: i64, history: &str) {
    let look = plan.timing.looks_planned();
    let mut windows = Windows::new(plan);
    windows.absorb(plan, &batch(plan, 0, points - 1));
    let tables = Tables::default();
    let mut memory = Memory::sharing(Detail::Decision, &tables);
    judge_again(plan, &windows, look, &mut memory);
    windows.absorb(plan, &batch(plan, points - 1, points));
    runner.measure(&format!("judge_decision{history}/{points}"), |_| {
        let mut memory = Memory::sharing(Detail::Decision, &tables);
        judge_again(plan, &windows, look, &mut memory)
    });
    if history.is_empty() {
        runner.measure(&format!("judge_full/{points}"), |_| {
            judge(plan, &windows, look)
        });
    }
    runner.measure(&format!("judge_next{history}/{points}"), |_| {
        judge_again(plan, &windows, look, &mut black_box(memory.clone()))
    });
    runner.measure(&format!("judge_next{history}_copy/{points}"), |_| {
        memory.clone()
    });
}

/// A template of so many points a metric and so many before the start, that promotes nothing
/// before `bake`.
pub(crate) fn plan_text(points: i64, past: i64, bake: &str) -> String {
    let deadline = Span::from_s(points * STEP_S);
    let history = if past > 0 {
        format!(
            "  history: {{ lookback: {}, offset: true }}\n",
            Span::from_s(past * STEP_S)
        )
    } else {
        String::new()
    };
    let mut text = format!(
        "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: {{ name: bench }}\nspec:\n  \
         schedule: {{ step: {STEP_S}s, look_every: 1m, bake: {bake}, deadline: {deadline} }}\n{history}  \
         metrics:\n"
    );
    for metric in 0..METRICS {
        let _ = write!(
            text,
            "    - name: m{metric}\n      harm: increase\n      min_effect: {{ relative: 10% }}\n      \
             series: {{ query: 'm{metric}{{${{selector}}}}' }}\n"
        );
    }
    text
}

fn plan(points: i64, past: i64) -> Plan {
    let (template, diagnostics) = parse(&plan_text(points, past, "1m"));
    let template = template.unwrap_or_else(|| panic!("{diagnostics:?}"));
    bind(&template, &rollout()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"))
}

pub(crate) fn rollout() -> Rollout {
    let arm = |value| {
        Scope::new(vec![Matcher::equals("track", value).expect("a label name")]).expect("a scope")
    };
    Rollout {
        deploy: Deploy::default(),
        inputs: std::collections::BTreeMap::new(),
        baseline: arm("stable"),
        canary: arm("canary"),
        start: START,
        duration: None,
    }
}

/// The answers for grid points `from + 1 ..= to`; when `from` is 0, also for the first one and all
/// of the history.
fn batch(plan: &Plan, from: i64, to: i64) -> Batch {
    let step = plan.timing.step.span();
    let past = i64::try_from(plan.history_points()).expect("some hundreds");
    let at = |idx: i64| plan.history_from().plus(step.times(idx + past));
    let first = if from == 0 { -past } else { from + 1 };
    let answers = plan
        .queries()
        .iter()
        .map(|(slot, _)| (*slot, answer(*slot, (first, to, past), &at)))
        .collect();
    Batch {
        from: if from == 0 {
            at(first).minus(step)
        } else {
            at(from)
        },
        to: at(to),
        answers,
    }
}

fn answer(slot: Slot, (from, to, past): (i64, i64, i64), at: &dyn Fn(i64) -> Timestamp) -> Answer {
    let arm = |track: &str| {
        let noise = Noise::new(1, &[track, &slot.metric_idx.to_string()]);
        let sample = |idx: i64| {
            let key = u64::try_from(idx + past).expect("not negative");
            Sample {
                at: at(idx),
                value: 100.0 + 10.0 * noise.correlated(key, 0.4),
            }
        };
        RawSeries {
            labels: [("track".to_owned(), track.to_owned())].into(),
            samples: (from..=to).map(sample).collect(),
        }
    };
    Answer {
        series: vec![arm("canary"), arm("stable")],
        ..Answer::default()
    }
}
