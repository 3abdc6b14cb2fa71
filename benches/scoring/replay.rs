//! What it takes to judge a recording again: ten series metrics of 240 points, sixty looks, none of
//! which decides before the last. `replay/…` is one of them in memory; `replay_folder/10000` is the
//! command over ten thousand files on two threads, start to end: a thousand different ones, each
//! under ten names.

use crate::look::{METRICS, plan_text, rollout};
use crate::timing::Runner;
use haldane::judge::sequential::Tables;
use haldane::judge::windows::Batch;
use haldane::plan::bind::bind;
use haldane::plan::{Plan, Slot};
use haldane::recording;
use haldane::replay::again::again;
use haldane::replay::course::Depth;
use haldane::replay::differences;
use haldane::replay::make::{Past, make};
use haldane::replay::plans::Plans;
use haldane::series::raw::{Answer, RawSeries, Sample};
use haldane::simulate::noise::Noise;
use haldane::template::parse::parse;
use haldane::wire::recording::Recording;
use std::process::{Command, Stdio};
use std::sync::Arc;

const POINTS: i64 = 240;

pub(crate) fn run(runner: &Runner) {
    if ["decode", "verdict", "looks"]
        .iter()
        .any(|name| runner.wants(&format!("replay/{name}")))
    {
        single(runner);
    }
    if runner.wants("replay_folder/10000") {
        folder(runner);
    }
}

fn single(runner: &Runner) {
    let bytes = recording::encode(&recorded(1)).expect("within the limits");
    let (plans, tables) = (Plans::default(), Tables::default());
    let judged = |depth| {
        let recording = recording::decode(bytes.clone()).expect("just written");
        let plan = plans.own(&recording).expect("the plan it was made from");
        let replayed = again(&recording, &plan, None, depth, &tables).expect("a judge that works");
        assert_eq!(differences::of(&recording, &replayed), []);
        replayed.looks.len()
    };
    runner.measure("replay/decode", |_| recording::decode(bytes.clone()));
    runner.measure("replay/verdict", |_| judged(Depth::Verdict));
    runner.measure("replay/looks", |_| judged(Depth::Looks));
}

fn folder(runner: &Runner) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for seed in 0..1000_u64 {
        let path = dir
            .path()
            .join(format!("{seed:04}{}", recording::EXTENSION));
        recording::write(&path, &recorded(seed)).expect("room on the disk");
        for copy in 1..10 {
            let name = format!("{seed:04}-{copy}{}", recording::EXTENSION);
            std::fs::copy(&path, dir.path().join(name)).expect("room on the disk");
        }
    }
    runner.measure("replay_folder/10000", |_| {
        let status = Command::new(env!("CARGO_BIN_EXE_haldane"))
            .args(["replay", "--jobs", "2", "-o", "json"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "all of them are the same"
        );
    });
}

/// A recording of healthy arms, different for each seed.
fn recorded(seed: u64) -> Recording {
    let text = plan_text(POINTS, 0, "60m");
    let (template, found) = parse(&text);
    let template = template.unwrap_or_else(|| panic!("{found:?}"));
    let plan = bind(&template, &rollout()).unwrap_or_else(|found| panic!("{found:?}"));
    let whole = batch(&plan, seed);
    let past = Past {
        template_text: text.into(),
        plan: Arc::new(plan),
        version: "bench",
    };
    make(&past, whole).expect("a judge that works")
}

fn batch(plan: &Plan, seed: u64) -> Batch {
    let step = plan.timing.step.span();
    let at = |idx: i64| plan.timing.start.plus(step.times(idx));
    let queries = plan.queries();
    let answers = queries.iter().take(METRICS).map(|(slot, _)| {
        let series = |arm: &str| {
            let name = format!("{seed}/{}/{arm}", slot.metric_idx);
            let noise = Noise::new(seed, &["bench replay", name.as_str()]);
            let sample = |idx: i64| Sample {
                at: at(idx),
                value: 100.0 + 10.0 * noise.correlated(idx.unsigned_abs(), 0.4),
            };
            RawSeries {
                labels: [("track".to_owned(), arm.to_owned())].into(),
                samples: (0..=POINTS).map(sample).collect(),
            }
        };
        let answer = Answer {
            series: vec![series("stable"), series("canary")],
            ..Answer::default()
        };
        (*slot, answer)
    });
    let answers: Vec<(Slot, Answer)> = answers.collect();
    Batch {
        from: plan.timing.start.minus(step),
        to: at(POINTS),
        answers,
    }
}
