//! The evaluation itself: generators draw what they say, peers do what was published of them,
//! scores are those of the pairs' own rule, and nothing depends on the number of threads.

use crate::docs::{check_block, root};
use haldane::digest::Canonical;
use haldane::evaluate::generators::counts::Traffic;
use haldane::evaluate::generators::{self, Draw, Family, Generator};
use haldane::evaluate::judges::Judge;
use haldane::evaluate::limits::{KINDS, Limits};
use haldane::evaluate::looks::Schedule;
use haldane::evaluate::simulated::{SimulatedRow, Simulation};
use haldane::evaluate::trial::Measured;
use haldane::evaluate::work::{Progress, Workers};
use haldane::template::default::one_metric;
use haldane::time::{Span, Step};
use haldane::units::{Harm, MinEffect};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

fn step(seconds: i64) -> Step {
    Step::new(Span::from_s(seconds)).unwrap()
}

fn draw(trial: usize, points: usize) -> Draw {
    Draw {
        seed: 1,
        trial,
        metric: 0,
        step: step(15),
        points,
        history: 0,
        strength: 0.0,
        onset: 0,
    }
}

fn named(name: &str) -> Generator {
    let mut found = generators::select(name).unwrap();
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0)
}

/// Values of both arms; a gap is an error here.
fn values(measured: &Measured) -> [Vec<f64>; 2] {
    match measured {
        Measured::Series(arms) => {
            [&arms.baseline, &arms.canary].map(|arm| arm.iter().map(|v| v.unwrap()).collect())
        }
        Measured::Events(arms) => [&arms.baseline, &arms.canary].map(|arm| {
            let ratio = |c: &Option<_>| {
                let counts: haldane::judge::windows::Counts = c.unwrap();
                counts.bad / counts.total.max(1.0)
            };
            arm.iter().map(ratio).collect()
        }),
    }
}

/// Mean, standard deviation and correlation of neighbours.
fn moments(values: &[f64]) -> [f64; 3] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    let product = |w: &[f64]| (w[0] - mean) * (w[1] - mean);
    let lag = values.windows(2).map(product).sum::<f64>() / n;
    [mean, variance.sqrt(), lag / variance]
}

/// exp(σ²/2), the mean of a lognormal number of median 1.
fn lognormal_mean(sigma: f64) -> f64 {
    libm::exp(sigma * sigma / 2.0)
}

#[test]
fn moments_of_the_generators_are_those_of_their_laws() {
    let log = |sigma: f64| {
        let mean = lognormal_mean(sigma);
        (100.0 * mean, 100.0 * mean * (mean * mean - 1.0).sqrt())
    };
    let (plain, quarter, heavy) = (log(0.1), log(0.25), log(1.0));
    let both = log((0.10_f64 * 0.10 + 0.07 * 0.07).sqrt());
    // Of mean and standard deviation 1: 0.4 e^{σ²/2}, and E[x²] = 0.4 e^{2σ²} with σ = 1/2.
    let zero = 0.4 * lognormal_mean(0.5);
    let zero_sd = (0.4 * libm::exp(0.5) - zero * zero).sqrt();
    let bimodal = 1.6 * lognormal_mean(0.1);
    let bimodal_sd = (3.4 * libm::exp(0.02) - bimodal * bimodal).sqrt();
    #[rustfmt::skip]
    let cases = [
        // name, then of baseline and canary: mean, standard deviation, lag-1 correlation
        ("iid",            [(100.0, 10.0, 0.0); 2]),
        ("lognorm.25",     [(quarter.0, quarter.1, 0.0); 2]),
        ("lognorm1.0",     [(heavy.0, heavy.1, 0.0); 2]),
        ("ar.3",           [(plain.0, plain.1, 0.3); 2]),
        ("ar.6",           [(plain.0, plain.1, 0.6); 2]),
        ("ar.9",           [(plain.0, plain.1, 0.9); 2]),
        ("ar-.4",          [(plain.0, plain.1, -0.4); 2]),
        ("shared.9+ar.6",  [(both.0, both.1, (0.9 * 0.01 + 0.6 * 0.0049) / 0.0149); 2]),
        ("rate[1m]",       [(plain.0, plain.1, 0.75); 2]),
        ("rate[5m]",       [(plain.0, plain.1, 0.95); 2]),
        ("ar.95+wn",       [(plain.0, plain.1 * 0.99, 0.475); 2]),
        ("zeroinf",        [(100.0 * zero, 100.0 * zero_sd, 0.0); 2]),
        ("replicas20v1",   [(100.0, 100.0 * (libm::expm1(0.09) / 20.0).sqrt(), 0.0),
                            (100.0, 100.0 * libm::expm1(0.09).sqrt(), 0.0)]),
        ("bimodal",        [(100.0 * bimodal, 100.0 * bimodal_sd, 0.0); 2]),
        ("iid-v-ar.9-half",[(plain.0, plain.1, 0.0), (log(0.05).0, log(0.05).1, 0.9)]),
        ("count:plain/200rps/50%/1%", [(0.01, (0.01 * 0.99 / 1500.0_f64).sqrt(), 0.0); 2]),
    ];
    for (name, wanted) in cases {
        let generator = named(name);
        let long = generator.draw(&draw(0, 60_000));
        for (arm, (mean, sd, lag)) in values(&long.live).iter().zip(wanted) {
            let got = moments(arm);
            let slack = if name == "lognorm1.0" { 0.04 } else { 0.02 };
            assert!((got[0] / mean - 1.0).abs() < slack, "{name}: mean {got:?}");
            assert!((got[1] / sd - 1.0).abs() < 0.06, "{name}: sd {got:?}");
            assert!((got[2] - lag).abs() < 0.03, "{name}: lag {got:?}");
        }
    }
}

#[test]
fn what_both_arms_share_and_what_lasts() {
    // A shared course: far more correlation between the arms than within the noise of either.
    let [b, c] = values(&named("shared.9").draw(&draw(0, 20_000)).live);
    let ratio: Vec<f64> = b.iter().zip(&c).map(|(b, c)| libm::log(c / b)).collect();
    let [_, sd, lag] = moments(&ratio);
    assert!((sd / (0.05 * 2.0_f64.sqrt()) - 1.0).abs() < 0.03, "{sd}");
    assert!(lag.abs() < 0.03, "{lag}");
    // The host of the canary: the same in the history, another in the next trial, 2 % wide.
    let host = named("host2%");
    let mut effects = Vec::new();
    for trial in 0..200 {
        let with_history = Draw {
            history: 4000,
            ..draw(trial, 4000)
        };
        let drawn = host.draw(&with_history);
        let effect = |m: &Measured| {
            let [b, c] = values(m);
            moments(&c)[0] / moments(&b)[0] - 1.0
        };
        let (live, past) = (effect(&drawn.live), effect(&drawn.history.unwrap()));
        assert!((live - past).abs() < 0.014, "{live} {past}");
        effects.push(live);
    }
    assert!((moments(&effects)[1] / 0.02 - 1.0).abs() < 0.2);
}

#[test]
fn a_regression_begins_at_its_onset_and_has_its_strength() {
    for generator in generators::all().iter().filter(|g| !g.has_no_data()) {
        let null = generator.draw(&draw(3, 240));
        let worse = Draw {
            strength: 0.5,
            onset: 80,
            ..draw(3, 240)
        };
        let worse = generator.draw(&worse);
        if generator.family == Family::Counts {
            continue;
        }
        let ([b, c], [worse_b, worse_c]) = (values(&null.live), values(&worse.live));
        assert_eq!(b, worse_b, "{}", generator.name);
        assert_eq!(c[..80], worse_c[..80], "{}", generator.name);
        let pairs = c.iter().zip(&worse_c).skip(80);
        let harmed = pairs.clone().filter(|(c, w)| w > c).count();
        match generator.family {
            Family::Burst => {
                assert!((40..150).contains(&harmed), "{}: {harmed}", generator.name);
                for (healthy, worse) in pairs.filter(|(c, w)| w > c) {
                    assert!((2.9..8.1).contains(&(worse / healthy)));
                }
            }
            _ if ["zeroinf", "quantised"].contains(&generator.name.as_str()) => {
                assert!(harmed > 40, "{}: {harmed}", generator.name);
            }
            _ => {
                for (healthy, worse) in pairs {
                    assert!((worse / healthy - 1.5).abs() < 1e-9, "{}", generator.name);
                }
            }
        }
    }
    // Counts: the share of errors, over a long trial.
    let traffic = named("count:clustered/200rps/50%/1%");
    let worse = Draw {
        strength: 1.0,
        ..draw(0, 20_000)
    };
    let [b, c] = values(&traffic.draw(&worse).live);
    assert!((moments(&b)[0] / 0.01 - 1.0).abs() < 0.02);
    assert!((moments(&c)[0] / 0.02 - 1.0).abs() < 0.02);
    // Clusters of geometric size and mean 3 err with (2 · 3 − 1) times the variance.
    let poisson = (0.01 / 1500.0_f64).sqrt();
    assert!((moments(&b)[1] / poisson - 5.0_f64.sqrt()).abs() < 0.1);
}

/// Every bit that every generator draws, first trials, in the order of their names. A change here is
/// a change of everything in `docs/evidence.md`.
#[test]
fn draws_are_the_same_bits_everywhere() {
    let mut bytes = Canonical::new();
    let mut generators = generators::all();
    generators.sort_by(|a, b| a.name.cmp(&b.name));
    for generator in &generators {
        bytes = bytes.text(&generator.name);
        for trial in 0..2 {
            let with_history = Draw {
                history: 16,
                strength: 0.25,
                onset: 60,
                ..draw(trial, 120)
            };
            let drawn = generator.draw(&with_history);
            let twice = generator.draw(&with_history);
            assert_eq!(drawn, twice, "{}", generator.name);
            for measured in [Some(&drawn.live), drawn.history.as_ref()]
                .into_iter()
                .flatten()
            {
                let numbers: Vec<Option<f64>> = match measured {
                    Measured::Series(arms) => {
                        arms.baseline.iter().chain(&arms.canary).copied().collect()
                    }
                    Measured::Events(arms) => arms
                        .baseline
                        .iter()
                        .chain(&arms.canary)
                        .flat_map(|c| [c.map(|c| c.bad), c.map(|c| c.total)])
                        .collect(),
                };
                for number in numbers {
                    bytes = bytes.bits(number.unwrap_or(-1.0));
                }
            }
        }
    }
    assert_eq!(bytes.digest().to_string(), GOLDEN);
    let names: std::collections::BTreeSet<&str> =
        generators.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names.len(), generators.len());
    let reference = generators.iter().filter(|g| g.family == Family::Reference);
    assert_eq!(reference.count(), 21);
    let traffic = Traffic::reference();
    assert_eq!(traffic.len(), 24);
    for one in traffic {
        assert_eq!(Traffic::from_name(&one.name()), Some(one));
    }
    for name in [
        "count:plain",
        "count:odd/1rps/5%/1%",
        "count:plain/0rps/5%/1%",
        "count:plain/1rps/0%/1%",
    ] {
        assert_eq!(Traffic::from_name(name), None, "{name}");
    }
}

const GOLDEN: &str = "f5bc7bf67316dd534eaddaf3a9f318d136b9dd1879b7974bff43d109755cb85c";

#[test]
fn exclusions_follow_the_step() {
    for (name, seconds, excluded) in [
        ("iid", 15, false),
        ("ar.9", 15, false),
        ("ar.9", 60, true),
        ("ar.6", 60, false),
        ("ar.95+wn", 15, true),
        ("rate[5m]", 15, true),
        ("rate[1m]", 15, false),
        ("host2%", 15, true),
        ("coldstart", 15, true),
        ("better20m", 15, false),
        ("count:plain/200rps/5%/1%", 15, false),
    ] {
        let why = named(name).excluded(step(seconds));
        assert_eq!(why.is_some(), excluded, "{name} at {seconds} s: {why:?}");
    }
}

fn simulation(generators: &str, judges: &str, trials: usize) -> Simulation {
    Simulation {
        generators: generators::select(generators).unwrap(),
        judges: Judge::select(judges).unwrap(),
        strengths: vec![0.0],
        trials,
        metrics: 1,
        points: 240,
        step: step(15),
        schedule: Schedule::Even(60),
        onset: 0,
        limits: Limits::default(),
        alpha: 0.05,
        bake: 240,
        history: 0,
        offset: false,
        seed: 1,
    }
}

fn run(simulation: &Simulation, jobs: usize) -> Vec<SimulatedRow> {
    let progress = Progress::default();
    let workers = Workers::new(jobs, &progress).unwrap();
    let rows = simulation.run(&workers).unwrap();
    let (done, all) = progress.now();
    assert_eq!(done, all);
    rows
}

/// The rates that were published of the peers by the prototype (2,500 trials each), in percent.
#[test]
fn peers_err_as_often_as_was_measured_elsewhere() {
    #[rustfmt::skip]
    let published = [
        // generator, flagger, argo
        ("lognorm.25", 26.2, 88.2), ("student2.5", 0.2, 5.4), ("ar.6", 0.0, 4.7), ("ar.9", 1.2, 30.6),
        ("shared.9", 33.0, 0.0), ("shared.9+ar.6", 4.2, 0.0), ("diurnal", 47.7, 0.0), ("zeroinf", 1.5, 100.0),
        ("replicas20v1", 30.6, 56.8), ("spikes", 71.1, 79.6), ("bimodal", 100.0, 100.0),
        ("rate[1m]", 0.0, 10.3), ("rate[5m]", 1.9, 37.6), ("ar.95+wn", 0.1, 9.1),
    ];
    let names: Vec<&str> = published.iter().map(|(name, ..)| *name).collect();
    let trials = 500;
    let simulation = simulation(&names.join(","), "flagger,argo", trials);
    let rows = run(&simulation, 2);
    for (name, flagger, argo) in published {
        for (judge, wanted) in [("flagger", flagger / 100.0), ("argo", argo / 100.0)] {
            let row = rows
                .iter()
                .find(|r| r.generator == name && r.judge == judge);
            let got = row.unwrap().rolled_back.value();
            let p: f64 = f64::clamp(wanted, 0.004, 0.996);
            // Four standard errors of this measurement and of the published one.
            let error = 4.0 * (p * (1.0 - p) * (1.0 / trials as f64 + 1.0 / 2500.0)).sqrt();
            assert!(
                (got - wanted).abs() < error,
                "{name}, {judge}: {got} not {wanted}"
            );
        }
    }
}

/// The same of Kayenta's rule, where it errs most and least.
#[test]
fn kayenta_errs_as_often_as_was_measured_elsewhere() {
    let simulation = simulation("iid,ar.6,shared.9", "kayenta-each,kayenta-end", 150);
    let rows = run(&simulation, 2);
    for (name, each, end) in [
        ("iid", 1.5, 0.1),
        ("ar.6", 30.0, 6.9),
        ("shared.9", 0.0, 0.0),
    ] {
        for (judge, wanted) in [("kayenta-each", each / 100.0), ("kayenta-end", end / 100.0)] {
            let row = rows
                .iter()
                .find(|r| r.generator == name && r.judge == judge);
            let got = row.unwrap().rolled_back.value();
            let p: f64 = f64::clamp(wanted, 0.01, 0.99);
            let error = 4.0 * (p * (1.0 - p) / 150.0).sqrt();
            assert!(
                (got - wanted).abs() < error,
                "{name}, {judge}: {got} not {wanted}"
            );
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_or_on_company() {
    let mut asked = simulation(
        "ar.6,burst,count:clustered/20rps/50%/1%,canary-silent",
        "mann-whitney,argo",
        4,
    );
    asked.schedule = Schedule::Even(8);
    asked.strengths = vec![0.0, 0.5];
    asked.metrics = 2;
    asked.onset = 40;
    let one = run(&asked, 1);
    assert_eq!(one, run(&asked, 3));
    // A judge says the same alone, and a generator draws the same.
    let mut alone = simulation("burst", "argo", 4);
    alone.schedule = Schedule::Even(8);
    alone.strengths = vec![0.5];
    alone.metrics = 2;
    alone.onset = 40;
    let row = run(&alone, 2);
    assert!(one.contains(&row[0]), "{row:?}");
    let silent = one.iter().filter(|r| r.generator == "canary-silent");
    assert!(
        silent
            .clone()
            .all(|row| row.without_data && row.promoted.count == 0)
    );
    assert_eq!(silent.count(), 2);
}

/// A method of the product is asked by its word; the peers beside it; nothing else.
#[test]
fn judges_have_names() {
    let names = Judge::names();
    for name in [
        "mann-whitney",
        "kayenta-each",
        "kayenta-end",
        "flagger",
        "argo",
    ] {
        assert!(names.iter().any(|n| n == name), "{names:?}");
    }
    for name in &names {
        assert_eq!(Judge::from_name(name).unwrap().name(), name);
    }
    for name in ["", "mann whitney", "}", "nobody"] {
        assert_eq!(Judge::from_name(name), None, "{name}");
    }
    let message = Judge::select("argo,mann-whitny").unwrap_err();
    assert!(message.contains("did you mean `mann-whitney`"), "{message}");
    let message = generators::select("lognorm25").map(|_| ()).unwrap_err();
    assert!(message.contains("did you mean `lognorm.25`"), "{message}");
}

/// The tables of the evidence that follow from the sources.
#[test]
fn the_evidence_names_every_generator_and_limit() {
    let mut table =
        "| generator | family | law | its null is excluded |\n|---|---|---|---|\n".to_owned();
    for generator in generators::all() {
        let why = generator.excluded(step(15)).unwrap_or_default();
        let (name, family) = (&generator.name, generator.family.word());
        table += &format!("| `{name}` | {family} | {} | {why} |\n", generator.about);
    }
    check_block("docs/evidence.md", "generators", &table);
    let mut table = "| kind | minimum effect | why |\n|---|---|---|\n".to_owned();
    for (kind, share, why) in KINDS {
        table += &format!("| `{kind}` | {} % | {why} |\n", share * 100.0);
    }
    check_block("docs/evidence.md", "kinds", &table);
}

// ---- labelled pairs, through the command

fn haldane(args: &[&str]) -> (String, Option<i32>) {
    let out = Command::new(env!("CARGO_BIN_EXE_haldane"))
        .current_dir(root().join("tests/cases/cli"))
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(
        out.status.code() != Some(2),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    (text, out.status.code())
}

fn manifest() -> Value {
    let file = root().join("tests/cases/cli/pairs/manifest.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The pairs' own rule, as their scorer states it, from a file of verdicts: (false, of), (before,
/// of), (hit, of) and delays, over the cases that `belongs` takes.
#[derive(Debug, Default, PartialEq)]
struct Twin {
    false_rollback: (u64, u64),
    hit: (u64, u64),
    before: (u64, u64),
    wrong_pass: (u64, u64),
    delays: Vec<u64>,
}

fn twin(verdicts: &str) -> Twin {
    let mut seen: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for line in verdicts.lines() {
        let look: Value = serde_json::from_str(line).unwrap();
        let entry = seen
            .entry(look["id"].as_str().unwrap().to_owned())
            .or_default();
        let word = look["verdict"].as_str().unwrap().to_owned();
        entry.push((look["n_seen"].as_u64().unwrap(), word));
    }
    let mut out = Twin::default();
    for case in manifest()["cases"].as_array().unwrap() {
        let Some(looks) = seen.get_mut(case["id"].as_str().unwrap()) else {
            continue;
        };
        looks.sort();
        let onset = case["onset_index"].as_u64().unwrap_or(0);
        let rollbacks: Vec<u64> = looks
            .iter()
            .filter(|(_, v)| v == "rollback")
            .map(|(n, _)| *n)
            .collect();
        match case["label"].as_str().unwrap() {
            "healthy_aa" => {
                out.false_rollback.0 += u64::from(!rollbacks.is_empty());
                out.false_rollback.1 += 1;
            }
            "nodata" => {
                out.wrong_pass.0 += u64::from(looks.iter().any(|(_, v)| v == "promote"));
                out.wrong_pass.1 += 1;
            }
            _ if case["scored"].as_bool().unwrap() => {
                let before = rollbacks.iter().any(|n| *n <= onset);
                let after: Vec<u64> = rollbacks.into_iter().filter(|n| *n > onset).collect();
                let hit = !before && !after.is_empty();
                out.before.0 += u64::from(before);
                out.hit.0 += u64::from(hit);
                out.before.1 += 1;
                out.hit.1 += 1;
                if hit {
                    out.delays.push(after[0] - onset);
                }
            }
            _ => {}
        }
    }
    out.delays.sort_unstable();
    out
}

#[test]
fn scores_are_those_of_the_pairs_own_rule() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("verdicts.jsonl");
    let judges = "mann-whitney,kayenta-each,kayenta-end,flagger,argo";
    let shown = file.to_str().unwrap();
    let (report, _) = haldane(&[
        "evaluate",
        "--pairs",
        "pairs/manifest.json",
        "--judge",
        judges,
        "--verdicts",
        shown,
        "--output",
        "json",
    ]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let mut alarms = 0;
    for (judge, score) in judges.split(',').zip(report["pairs"].as_array().unwrap()) {
        assert_eq!(score["judge"], judge);
        let verdicts = dir.path().join(format!("verdicts.{judge}.jsonl"));
        let twin = twin(&std::fs::read_to_string(verdicts).unwrap());
        let line = |name: &str| {
            let lines = score["lines"].as_array().unwrap();
            let line = lines.iter().find(|line| line["of"] == name);
            let share = &line.unwrap_or_else(|| panic!("{judge}: no line {name}"))["share"];
            (
                share["count"].as_u64().unwrap(),
                share["of"].as_u64().unwrap(),
            )
        };
        assert_eq!(
            line("false rollback, all healthy"),
            twin.false_rollback,
            "{judge}"
        );
        assert_eq!(
            line("detected after onset, scored regressions"),
            twin.hit,
            "{judge}"
        );
        assert_eq!(line("alarm before onset"), twin.before, "{judge}");
        assert_eq!(line("promoted without data"), twin.wrong_pass, "{judge}");
        let median = twin.delays.get(twin.delays.len() / 2).copied();
        assert_eq!(score["delay"]["median_samples"].as_u64(), median, "{judge}");
        alarms += twin.hit.0 + twin.before.0 + twin.false_rollback.0;
    }
    assert!(alarms > 10, "the pairs show nothing");
}

/// One look at the end is what `haldane judge --csv` says of the same file.
#[test]
fn one_look_is_the_judgement_of_the_file() {
    // Without a template a file is judged by the built-in one.
    let limit = MinEffect::Relative(0.1);
    let method = one_metric(Harm::Increase, limit, step(60)).judge.method;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("verdicts.jsonl");
    haldane(&[
        "evaluate",
        "--pairs",
        "pairs/manifest.json",
        "--judge",
        method.word(),
        "--verdicts",
        file.to_str().unwrap(),
        "--looks",
        "1",
        "--min-effect",
        "10%",
    ]);
    let verdicts = std::fs::read_to_string(file).unwrap();
    let mut words = std::collections::BTreeSet::new();
    for (line, case) in verdicts
        .lines()
        .zip(manifest()["cases"].as_array().unwrap())
    {
        let look: Value = serde_json::from_str(line).unwrap();
        assert_eq!(look["id"], case["id"]);
        let csv = format!("pairs/{}", case["file"].as_str().unwrap());
        let harm = case["direction_of_harm"].as_str().unwrap();
        let (shot, _) = haldane(&[
            "judge",
            "--csv",
            &csv,
            "--harm",
            harm,
            "--min-effect",
            "10%",
            "-o",
            "json",
        ]);
        let shot: Value = serde_json::from_str(&shot).unwrap();
        assert_eq!(look["verdict"], shot["verdict"], "{csv}");
        words.insert(shot["verdict"].as_str().unwrap().to_owned());
    }
    assert!(words.len() >= 2, "{words:?}");
}
