//! The library of templates: every one is clean, described, tested, and made of queries that a real
//! Prometheus takes; those that join series give one value per arm.

use crate::docs::{read, root};
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use crate::templates::{rollout, said};
use haldane::plan::Plan;
use haldane::plan::bind::bind;
use haldane::plan::scope::{Matcher, Scope};
use haldane::prometheus::{Client, Options};
use haldane::template::lint::lint;
use haldane::template::parse::parse;
use haldane::template::{Measure, Role, Template};
use haldane::time::Timestamp;
use std::collections::BTreeSet;

const FOLDER: &str = "analysis-templates";

/// The value of every input without a default.
const INPUT: &str = "checkout";

/// Names of the files of a folder of the library that end like this, without the ending.
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| Some(name.strip_suffix(ending)?.to_owned()))
        .collect()
}

fn library() -> BTreeSet<String> {
    names(FOLDER, ".yaml")
}

fn text_of(name: &str) -> String {
    read(&format!("{FOLDER}/{name}.yaml"))
}

fn template(name: &str) -> Template {
    parse(&text_of(name)).0.unwrap()
}

/// The plans of a template for these arms: of a rollout without a type of change, and of one for each
/// type it has a rule for.
fn plans(name: &str, baseline: &Scope, canary: &Scope) -> Vec<Plan> {
    let template = template(name);
    let mut rollout = rollout();
    let open = template.inputs.iter().filter(|i| i.default.is_none());
    rollout.inputs = open.map(|i| (i.name.clone(), INPUT.to_owned())).collect();
    rollout.baseline = baseline.clone();
    rollout.canary = canary.clone();
    let mut changes: Vec<Option<String>> = vec![None];
    changes.extend(
        template
            .changes
            .iter()
            .map(|rule| Some(rule.change.clone())),
    );
    let plan = |change| {
        rollout.deploy.change_type = change;
        bind(&template, &rollout).unwrap()
    };
    changes.into_iter().map(plan).collect()
}

fn arm(label: &str, value: &str) -> Scope {
    Scope::new(vec![Matcher::equals(label, value).unwrap()]).unwrap()
}

/// Parsed without a complaint, linted without a warning, named like its file, described, and with
/// inputs that say what to put there.
#[test]
fn every_template_is_clean_and_described() {
    for name in library() {
        let text = text_of(&name);
        let (template, found) = parse(&text);
        let template = template.unwrap_or_else(|| panic!("{name}: {found:?}"));
        let unwise = lint(&template, &text);
        let all: Vec<String> = found.iter().chain(&unwise).map(said).collect();
        assert_eq!(all, Vec::<String>::new(), "{name}");
        assert_eq!(template.name.to_string(), name);
        assert!(text.contains("\n  description: "), "{name}");
        assert!(
            text.starts_with("# "),
            "{name}: which exporter, which version"
        );
        for input in &template.inputs {
            assert!(!input.description.is_empty(), "{name}: {}", input.name);
        }
    }
}

/// What the whole library promises of its templates.
#[test]
fn every_template_has_a_gate_and_no_quantile_as_one() {
    for name in library() {
        let template = template(&name);
        let gates = template.metrics.iter().filter(|m| m.role.is_gate());
        assert!(gates.count() >= 1, "{name}");
        for metric in &template.metrics {
            let at = format!("{name}: {}", metric.name);
            if let Measure::Series { query, .. } = &metric.measure {
                assert!(!query.contains("vector(0)"), "{at}");
                let quantile = query.contains("histogram_quantile");
                assert!(!quantile || metric.role == Role::Info, "{at}");
            }
        }
        // A beginner's template leaves the roles at their default.
        let critical = template.metrics.iter().any(|m| m.role == Role::Critical);
        assert!(critical || name == "simple-thresholds", "{name}");
    }
}

/// Every template has tests, and no test is of a template that is not there.
#[test]
fn every_template_has_tests() {
    assert_eq!(names(&format!("{FOLDER}/tests"), ".test.yaml"), library());
    for name in library() {
        let text = read(&format!("{FOLDER}/tests/{name}.test.yaml"));
        let of = format!("template: ../{name}.yaml");
        assert!(text.lines().any(|line| line == of), "{name}: {of}");
        for wanted in ["promote", "rollback", "inconclusive"] {
            assert!(text.contains(wanted), "{name}: no test expects {wanted}");
        }
    }
}

/// The table and the paragraphs of the README name every template once.
#[test]
fn the_readme_names_every_template() {
    let text = read(&format!("{FOLDER}/README.md"));
    let inside = |open: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(open));
        lines
            .filter_map(|line| Some(line.split_once(".yaml`")?.0.to_owned()))
            .collect()
    };
    let wanted: Vec<String> = library().into_iter().collect();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(inside("| `")), wanted, "the table");
    assert_eq!(sorted(inside("- **`")), wanted, "what each cannot see");
}

/// A real server takes every query, holes filled; with no data each answers nothing. `instance` is
/// a label that some queries keep by themselves.
#[tokio::test]
async fn prometheus_takes_every_query() {
    let server = PrometheusServer::start(&Wanted::default());
    let client = Client::new(Options::new(server.url())).unwrap();
    let at = Timestamp::from_s(END);
    let mut asked = 0;
    for (name, label) in library()
        .iter()
        .flat_map(|n| [(n, "version"), (n, "instance")])
    {
        for plan in plans(name, &arm(label, "v1"), &arm(label, "v2")) {
            for (slot, query) in plan.queries() {
                let metric = &plan.metrics[slot.metric_idx].name;
                let answer = client.query_instant(query, at).await;
                let answer = answer.unwrap_or_else(|fault| panic!("{name}, {metric}: {fault}"));
                assert!(answer.series.is_empty(), "{name}, {metric}");
                asked += 1;
            }
        }
    }
    assert!(asked > 300, "{asked}");
}

/// Start of the history, a multiple of two hours as blocks are.
const T0: i64 = 1_700_006_400;

/// The instant of the questions.
const END: i64 = T0 + 1800;

/// A series with a sample every 15 s that begins at `from` and rises by `each`.
fn line(history: &mut History, name: &str, labels: &[(&str, &str)], (from, each): (f64, f64)) {
    let samples = (0..=120).map(|i| ((T0 + 15 * i) as f64, from + each * i as f64));
    history.series(name, labels, samples);
}

/// Two pods on one node, as OpenCost, cAdvisor, kube-state-metrics and the service show them.
fn pods() -> History {
    let mut history = History::default();
    let node = [("node", "n1"), ("region", "r1")];
    line(&mut history, "node_cpu_hourly_cost", &node, (0.04, 0.0));
    line(&mut history, "node_ram_hourly_cost", &node, (0.005, 0.0));
    for (pod, cores) in [("a-1", 1.0), ("b-1", 2.0)] {
        let whole = [
            ("namespace", INPUT),
            ("pod", pod),
            ("container", INPUT),
            ("node", "n1"),
        ];
        let (one, of) = (&whole[..3], &whole[..2]);
        line(
            &mut history,
            "container_cpu_allocation",
            &whole,
            (cores, 0.0),
        );
        let gib = 1024.0 * 1024.0 * 1024.0;
        line(
            &mut history,
            "container_memory_allocation_bytes",
            &whole,
            (2.0 * gib, 0.0),
        );
        line(
            &mut history,
            "container_memory_working_set_bytes",
            one,
            (gib, 0.0),
        );
        let memory = [&whole[..3], &[("resource", "memory"), ("unit", "byte")]].concat();
        line(
            &mut history,
            "kube_pod_container_resource_limits",
            &memory,
            (4.0 * gib, 0.0),
        );
        line(
            &mut history,
            "container_cpu_usage_seconds_total",
            one,
            (0.0, 15.0 * cores / 2.0),
        );
        let code = [of, &[("code", "200")]].concat();
        line(&mut history, "http_requests_total", &code, (0.0, 150.0));
    }
    history
}

/// Two consumer groups of two partitions each; the second is behind.
fn groups() -> History {
    let mut history = History::default();
    for (group, behind) in [("a-1", 100.0), ("b-1", 400.0)] {
        for partition in ["0", "1"] {
            let labels = [
                ("consumergroup", group),
                ("topic", INPUT),
                ("partition", partition),
            ];
            line(
                &mut history,
                "kafka_consumergroup_lag",
                &labels,
                (behind, 0.0),
            );
            line(
                &mut history,
                "kafka_consumergroup_current_offset",
                &labels,
                (0.0, 150.0),
            );
        }
    }
    history
}

/// A metric, and its values of baseline and canary.
type Wants = (&'static str, [f64; 2]);

/// Joins and quotients give what they should, one value per arm: baseline and canary.
#[tokio::test]
async fn joins_have_one_value_per_arm() {
    let cases: [(History, &str, &str, &[Wants]); 3] = [
        (
            pods(),
            "cost-guardrail",
            "pod",
            // 1 core at 0.04 and 2 GiB at 0.005 an hour, for 36,000 requests an hour.
            &[
                ("cost-per-1000-requests", [0.05 / 36.0, 0.09 / 36.0]),
                ("cores-per-pod", [1.0, 2.0]),
                ("cost-per-hour", [0.05, 0.09]),
            ],
        ),
        (
            pods(),
            "kubernetes-resources",
            "pod",
            &[
                ("cpu-per-request", [0.05, 0.1]),
                ("memory-of-limit", [0.25, 0.25]),
            ],
        ),
        (
            groups(),
            "kafka-lag",
            "consumergroup",
            &[
                // 200 and 800 records at 20 a second.
                ("delay", [10.0, 40.0]),
                ("lag", [200.0, 800.0]),
                ("worst-partition", [100.0, 400.0]),
            ],
        ),
    ];
    for (history, name, label, wanted) in cases {
        let server = PrometheusServer::start(&Wanted {
            history: Some(&history),
            ..Wanted::default()
        });
        let client = Client::new(Options::new(server.url())).unwrap();
        let plans = plans(name, &arm(label, "a-1"), &arm(label, "b-1"));
        let plan = plans.first().unwrap();
        for (metric, values) in wanted {
            let asked = plan
                .queries()
                .into_iter()
                .find(|(slot, _)| plan.metrics[slot.metric_idx].name.to_string() == *metric);
            let (_, query) = asked.unwrap_or_else(|| panic!("{name} has no metric {metric}"));
            let answer = client
                .query_instant(query, Timestamp::from_s(END))
                .await
                .unwrap();
            let mut found: Vec<(String, f64)> = answer
                .series
                .iter()
                .map(|one| (one.labels[label].clone(), one.samples[0].value))
                .collect();
            found.sort_by(|l, r| l.0.cmp(&r.0));
            let said = format!("{name}, {metric}: {found:?}");
            assert_eq!(found.len(), 2, "{said}");
            for ((_, found), wanted) in found.iter().zip(values) {
                assert!((found - wanted).abs() <= 1e-9 * wanted.abs(), "{said}");
            }
        }
    }
}
