//! Scenarios in simulated time: every shipped one is as it requires, nothing depends on threads,
//! and what is wrong with a file is said with its line.

use crate::docs::{read, root};
use haldane::engine::verdict::Verdict;
use haldane::judge::sequential::{Detail, Tables};
use haldane::simulate::outcome;
use haldane::simulate::read as scenario;
use haldane::simulate::run::Ready;
use haldane::simulate::work::{Progress, Workers};
use haldane::template::parse::parse;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::Arc;

const HALDANE: &str = env!("CARGO_BIN_EXE_haldane");

/// A shipped scenario with the templates it names.
fn load(name: &str) -> Ready {
    let text = read(&format!("simulations/{name}"));
    let scenario = scenario::read(&text).unwrap_or_else(|found| panic!("{name}: {found:?}"));
    let template = |file: &str| {
        let text = read(&format!("simulations/{file}"));
        (parse(&text).0.unwrap(), Arc::from(text))
    };
    let rollouts = scenario.spec.rollouts.iter();
    let templates: Vec<_> = rollouts.map(|r| template(&r.template.value)).collect();
    Ready::new(scenario, &templates, None).unwrap()
}

fn shipped() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("simulations")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_scenario = |name: &String| {
        name.rsplit_once('.').is_some_and(|(_, end)| end == "yaml")
            && read(&format!("simulations/{name}")).contains("\nkind: Scenario\n")
    };
    let mut names: Vec<String> = names.filter(is_scenario).collect();
    names.sort();
    names
}

/// The twenty-two are there, each says what it shows, and each ends as it requires; a run of which
/// nobody reads the sentence ends with the same verdict at the same instant.
#[test]
fn every_shipped_scenario_ends_as_required() {
    let names = shipped();
    for number in 1..=22 {
        let prefix = format!("s{number:02}-");
        assert!(
            names.iter().any(|name| name.starts_with(&prefix)),
            "{prefix}"
        );
    }
    let progress = Progress::default();
    let workers = Workers::new(2, &progress).unwrap();
    for name in names {
        let ready = load(&name);
        assert!(!ready.scenario().metadata.description.is_empty(), "{name}");
        let seed = ready.scenario().spec.seed;
        let outcomes = outcome::judge(&ready, seed, 1, &workers).unwrap();
        let short = ready
            .run(seed, Detail::Decision, &Tables::default())
            .unwrap();
        assert_eq!(outcomes.len(), short.len(), "{name}");
        for (outcome, short) in outcomes.iter().zip(&short) {
            assert!(outcome.passed, "{name}: {outcome:#?}");
            assert_eq!(outcome.first.took, short.took, "{name}");
            assert_eq!(
                outcome.first.conclusion.verdict, short.conclusion.verdict,
                "{name}"
            );
        }
    }
}

/// A kill costs nothing but what was not yet in the log: the verdict, its look and its sentence
/// are those of a daemon that lived on.
#[test]
fn a_killed_daemon_says_what_a_living_one_says() {
    let killed = load("s18-daemon-killed.yaml");
    let text = read("simulations/s18-daemon-killed.yaml");
    let (before, rest) = text.split_once("  events:\n").unwrap();
    let after = &rest[rest.find("  rollouts:").unwrap()..];
    let scenario = scenario::read(&format!("{before}{after}")).unwrap();
    let template = read("analysis-templates/http-service.yaml");
    let templates = [(parse(&template).0.unwrap(), Arc::from(template))];
    let living = Ready::new(scenario, &templates, None).unwrap();
    assert!(living.scenario().spec.events.is_empty());
    let tables = Tables::default();
    let run = |ready: &Ready| ready.run(7, Detail::Full, &tables).unwrap();
    assert_eq!(run(&killed), run(&living));
}

fn haldane(args: &[&str]) -> Output {
    let mut command = Command::new(HALDANE);
    command.current_dir(root()).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bytes depend on the seed and on nothing else.
#[test]
fn runs_do_not_depend_on_threads() {
    let file = "simulations/s14-flapping.yaml";
    let ran = |seed: &str, jobs: &str| {
        let args = [
            "simulate", file, "--runs", "8", "--seed", seed, "--jobs", jobs,
        ];
        let out = haldane(&[&args[..], &["-o", "json"]].concat());
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    };
    let (one, three, other) = (ran("5", "1"), ran("5", "3"), ran("6", "2"));
    assert_eq!(one, three);
    assert_ne!(one.1, other.1);
    assert!(
        one.2.is_empty(),
        "progress belongs on a terminal: {}",
        one.2
    );
    let whole: Value = serde_json::from_str(&one.1).unwrap();
    let rollout = &whole["scenarios"][0]["rollouts"][0];
    let rates = &rollout["rates"];
    let count = |key: &str| rates[key]["count"].as_u64().unwrap();
    assert_eq!(
        count("promote") + count("rollback") + count("inconclusive"),
        8
    );
    let errors = &rates["errors"];
    assert!(errors["low"].as_f64().unwrap() <= errors["share"].as_f64().unwrap());
    assert!(errors["high"].as_f64().unwrap() > errors["share"].as_f64().unwrap());
}

/// A requirement that is missed is exit code 1, and says why; in a table as well.
#[test]
fn a_missed_requirement_fails() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = read("simulations/s05-missing-secret.yaml")
        .replace("verdict: rollback", "verdict: promote")
        .replace("../analysis-templates", "analysis-templates");
    let file = dir.path().join("wrong.yaml");
    std::fs::write(&file, wrong).unwrap();
    let (file, template) = (
        file.to_str().unwrap(),
        "analysis-templates/http-service.yaml",
    );
    let out = haldane(&["simulate", file, "-t", template]);
    let said = text(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{said}{}", text(&out.stderr));
    assert!(said.contains("FAIL  s05-missing-secret"), "{said}");
    assert!(said.contains("the verdict is rollback"), "{said}");
    assert!(said.contains("0 of 1 requirements met"), "{said}");
    let out = haldane(&["simulate", file, "-t", template, "-o", "markdown"]);
    assert!(text(&out.stdout).contains("| **fail** |"));
    // Of many runs it is the rate that counts.
    let out = haldane(&["simulate", file, "-t", template, "--runs", "4"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stdout).contains("errors 100 % ["),
        "{}",
        text(&out.stdout)
    );
    // Without the flag the template lies beside the scenario.
    let out = haldane(&["simulate", file]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("http-service.yaml"));
}

/// Every fault of a file has its place, its value and the way out.
#[test]
fn faults_of_a_file_are_said_with_their_line() {
    let right = read("simulations/s05-missing-secret.yaml");
    for (from, to, line, said) in [
        (
            "scrape: 15s",
            "scrape: 0s",
            "10:",
            "write a length of time above 0",
        ),
        (
            "scrape: 15s",
            "scrape: soon",
            "10:",
            "`soon` is no length of time",
        ),
        ("  seed:", "  sead:", "9:", "unknown field `sead`"),
        (
            "canaryShare: 20%",
            "canaryShare: 120%",
            "",
            "`120%` is no share from 0 to 1",
        ),
        (
            "kind: Scenario",
            "kind: Scene",
            "3:",
            "kind `Scene` is not known",
        ),
        (
            "verdict: rollback",
            "verdict: maybe",
            "",
            "`maybe` is no verdict",
        ),
        (
            "{ metric: http_requests_total",
            "{ metric: http_request_total",
            "",
            "did you mean",
        ),
        (
            "errorRatio: 100%",
            "factor: 2",
            "",
            "`factor` does nothing to",
        ),
        (
            "- service: payments",
            "- service: payment",
            "",
            "there is no service `payment`",
        ),
        (
            "replicas: 3",
            "replicas: 101",
            "",
            "replicas 101 is not 1 to 100",
        ),
        ("0.1, 0.25", "0.3, 0.25", "", "bounds do not rise"),
        ("by: 5m", "notBefore: 6m, by: 5m", "", "later than by 5m"),
        (
            "autocorrelation: 0.3",
            "autocorrelation: 0.99",
            "",
            "is above 0.95",
        ),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert_ne!(wrong, right, "{from}");
        let found = scenario::read(&wrong).expect_err(to);
        let shown: Vec<String> = found.iter().map(|d| d.render("s.yaml", &wrong)).collect();
        let shown = shown.join("\n");
        assert!(shown.contains(said), "{to}: {shown}");
        assert!(
            shown.contains(&format!("--> s.yaml:{line}")) || line.is_empty(),
            "{to}: {shown}"
        );
        assert!(shown.contains("help:"), "{to}: {shown}");
    }
    let long = format!("{right}{}", "#".repeat(scenario::SCENARIO_BYTES_MAX));
    assert!(
        scenario::read(&long).unwrap_err()[0]
            .message
            .contains("the limit is")
    );
    for rubbish in ["", "[]", "a: [", "apiVersion: haldane/v1", "\u{0}"] {
        assert!(scenario::read(rubbish).is_err(), "{rubbish:?}");
    }
}

/// A folder without scenarios, a file that is none, and flags that contradict one another.
#[test]
fn what_cannot_be_asked_is_refused() {
    for (args, said) in [
        (&["analysis-templates"][..], "it holds no scenario"),
        (&["simulations/absent.yaml"], "absent.yaml"),
        (&["--start", "noon"], "`noon` is no instant"),
        (&["--openmetrics", "-"], "name its file"),
        (&["--speed", "2"], "--serve"),
        (&["--runs", "0"], "0 is not in"),
    ] {
        let out = haldane(&[&["simulate"], args].concat());
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(
            text(&out.stderr).contains(said),
            "{args:?}: {}",
            text(&out.stderr)
        );
    }
}

/// `docs/simulations.md` has a row for every key of the format and for no other.
#[test]
fn the_reference_has_every_key() {
    let source = read("src/simulate/scenario.rs");
    let mut keys = BTreeSet::new();
    let mut renamed = None;
    let mut in_document = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("pub struct") {
            in_document = line.ends_with('{');
        }
        if let Some((_, rest)) = line.split_once("rename = \"") {
            renamed = rest.split_once('"').map(|(name, _)| name.to_owned());
        }
        let field = line
            .strip_prefix("pub ")
            .and_then(|rest| rest.split_once(": "));
        if let Some((name, _)) = field.filter(|_| in_document && !line.contains("fn ")) {
            let mut key = String::new();
            for (idx, word) in name.split('_').enumerate() {
                let (first, rest) = word.split_at(1);
                let first = if idx == 0 {
                    first.to_owned()
                } else {
                    first.to_uppercase()
                };
                key.push_str(&format!("{first}{rest}"));
            }
            keys.insert(renamed.take().unwrap_or(key));
        }
    }
    assert!(keys.len() > 60, "{keys:?}");
    let page = read("docs/simulations.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let shown: BTreeSet<String> = rows
        .filter_map(|row| row.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect();
    assert_eq!(shown, keys);
}

/// The table of scenarios is made from the files.
#[test]
fn the_list_of_scenarios_is_theirs() {
    let mut table = "| file | what it shows | required |\n|---|---|---|\n".to_owned();
    for name in shipped() {
        let ready = load(&name);
        let metadata = &ready.scenario().metadata;
        let rollouts = ready.scenario().spec.rollouts.iter();
        let required: Vec<String> = rollouts.map(|r| outcome::required(&r.expect)).collect();
        let mut says = metadata.description.trim().to_owned();
        if !metadata.limits.is_empty() {
            says = format!("{says} *{}*", metadata.limits.trim());
        }
        table.push_str(&format!(
            "| `{name}` | {says} | {} |\n",
            required.join("; ")
        ));
    }
    crate::docs::check_block("simulations/README.md", "scenarios", &table);
}

/// The demo promises one of each.
#[test]
fn the_demo_requires_both_verdicts() {
    let ready = load("demo.yaml");
    let rollouts = ready.scenario().spec.rollouts.iter();
    let verdicts: Vec<Vec<Verdict>> = rollouts.map(|r| r.expect.verdict.0.clone()).collect();
    assert_eq!(verdicts, [[Verdict::Promote], [Verdict::Rollback]]);
}
