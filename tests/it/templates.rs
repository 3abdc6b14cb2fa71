//! Templates and plans: every complaint has its code and place, every hole is filled safely.
//!
//! The cases under `tests/cases` hold what is put in and, on lines that start with `>`, what
//! comes out. `HALDANE_UPDATE_CASES=1` rewrites those lines; the diff is then reviewed.

use haldane::diagnostic::{Diagnostic, Severity};
use haldane::digest::Digest;
use haldane::ids::{DeployId, GroupName, MetricName, ObjectiveName, TemplateName};
use haldane::plan::Plan;
use haldane::plan::bind::bind;
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::slo::objective::RungAction;
use haldane::template::baseline::BaselineMode;
use haldane::template::default::one_metric;
use haldane::template::lint::lint;
use haldane::template::parse::{TEXT_BYTES_MAX, parse};
use haldane::template::{
    Combine, GapPolicy, GroupBy, History, Measure, OnInconclusive, Role, Template,
};
use haldane::time::{Span, Step, Timestamp};
use haldane::units::{BurnRate, Harm, MinEffect, Probability, Weight};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The parsed base of all cases.
pub(crate) fn base() -> (String, Template) {
    let text = std::fs::read_to_string(folder("tests/cases/lint/base.yaml")).unwrap();
    let (template, found) = parse(&text);
    assert_eq!(found, [], "the base is good");
    (text, template.unwrap())
}

pub(crate) fn said(diagnostic: &Diagnostic) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let at = diagnostic.place.map_or("-".to_owned(), |place| {
        format!("{}:{}+{}", place.line, place.column, place.len)
    });
    let help = diagnostic.help.as_deref().unwrap_or("-");
    format!(
        "{word} {} {at} {} | {help}",
        diagnostic.code, diagnostic.message
    )
}

#[test]
fn the_base_is_clean() {
    let (text, template) = base();
    assert_eq!(lint(&template, &text), []);
}

/// One case of a `.test` file.
struct Case<'t> {
    name: &'t str,
    /// Everything between the name and the expectation.
    input: Vec<&'t str>,
    expected: Vec<&'t str>,
}

fn read_cases(text: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            cases.push(Case {
                name,
                input: Vec::new(),
                expected: Vec::new(),
            });
        } else if let Some(case) = cases.last_mut() {
            match line.strip_prefix("> ") {
                Some(expected) => case.expected.push(expected),
                None if line.is_empty() => {}
                None => case.input.push(line),
            }
        } else {
            assert!(
                line.is_empty() || line.starts_with('#'),
                "stray line: {line}"
            );
        }
    }
    cases
}

/// Runs every case of a file, or rewrites what they expect.
pub(crate) fn run_cases(file: &str, run: impl Fn(&[&str]) -> Vec<String>) {
    let path = folder("tests/cases").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let cases = read_cases(&text);
    assert!(cases.len() > 5, "{file} has cases");
    if std::env::var("HALDANE_UPDATE_CASES").is_ok() {
        let head = text.split("=== ").next().unwrap();
        let mut out = head.trim_end().to_owned();
        for case in &cases {
            let _ = write!(out, "\n\n=== {}\n", case.name);
            case.input.iter().for_each(|line| out.extend([line, "\n"]));
            let lines: Vec<String> = run(&case.input).iter().map(|l| format!("> {l}")).collect();
            out.push_str(&lines.join("\n"));
        }
        std::fs::write(&path, out + "\n").unwrap();
        return;
    }
    for case in &cases {
        assert_eq!(run(&case.input), case.expected, "{file}: {}", case.name);
    }
}

/// The base with its `-` lines replaced by the `+` lines, or the `=` lines alone. Lines between
/// two replacements are separated by `~`.
fn patched(base: &str, input: &[&str]) -> String {
    let whole: Vec<&str> = input
        .iter()
        .filter_map(|line| line.strip_prefix('='))
        .collect();
    if !whole.is_empty() {
        return whole.join("\n") + "\n";
    }
    let mut text = base.to_owned();
    for change in input.split(|line| *line == "~") {
        let pick = |sign: char| -> String {
            let lines = change.iter().filter_map(|line| line.strip_prefix(sign));
            lines.flat_map(|line| [line, "\n"]).collect()
        };
        let (old, new) = (pick('-'), pick('+'));
        if old.is_empty() && new.is_empty() {
            continue;
        }
        assert_eq!(
            text.matches(&old).count(),
            1,
            "occurs once in the base:\n{old}"
        );
        text = text.replace(&old, &new);
    }
    text
}

#[test]
fn every_mistake_has_its_code_and_place() {
    let (base, _) = base();
    for file in [
        "lint/structure.test",
        "lint/queries.test",
        "lint/unwise.test",
        "lint/groups.test",
        "lint/arms.test",
    ] {
        run_cases(file, |input| {
            let text = patched(&base, input);
            let (template, found) = parse(&text);
            let errors = found.iter().any(Diagnostic::is_error);
            assert_eq!(
                template.is_none(),
                errors,
                "a template exactly when there is no error"
            );
            let mut lines: Vec<String> = found.iter().map(said).collect();
            if let Some(template) = template {
                lines.extend(lint(&template, &text).iter().map(said));
            }
            if lines.is_empty() {
                lines.push("clean".to_owned());
            }
            lines
        });
    }
}

fn scope(words: &str) -> Scope {
    let matchers = words.split(' ').map(|word| {
        if let Some((label, regex)) = word.split_once("=~") {
            return Matcher::regex(label, regex).unwrap();
        }
        let (label, value) = word.split_once('=').unwrap();
        Matcher::equals(label, value).unwrap()
    });
    Scope::new(matchers.collect()).unwrap()
}

/// A rollout that fits the base.
pub(crate) fn rollout() -> Rollout {
    Rollout {
        deploy: Deploy::default(),
        inputs: BTreeMap::from([("service".to_owned(), "checkout".to_owned())]),
        baseline: scope("version=v1"),
        canary: scope("version=v2"),
        start: Timestamp::from_s(1_000_000_020),
        duration: None,
    }
}

fn rollout_of(input: &[&str]) -> Rollout {
    let mut out = rollout();
    out.inputs.clear();
    for line in input {
        let Some((word, rest)) = line.split_once(' ') else {
            continue;
        };
        match word {
            "baseline" => out.baseline = scope(rest),
            "canary" => out.canary = scope(rest),
            "input" => {
                let (name, value) = rest.split_once('=').unwrap();
                out.inputs.insert(name.to_owned(), value.to_owned());
            }
            "start" => out.start = Timestamp::parse(rest).unwrap(),
            "duration" => out.duration = Some(Span::parse(rest).unwrap()),
            "share" => out.deploy.traffic_share = Probability::new(rest.parse().unwrap()),
            _ => assert!(
                "-+~".contains(&word[..1]) || word.is_empty(),
                "stray line: {line}"
            ),
        }
    }
    out
}

fn described(plan: &Plan) -> Vec<String> {
    let timing = &plan.timing;
    let s = |at: Timestamp| at.ms() / 1000;
    let mut out = vec![format!(
        "start {} judged {} bake {} deadline {} looks {}",
        s(timing.start),
        s(timing.judged_from),
        s(timing.bake_until),
        s(timing.deadline),
        timing.looks_planned()
    )];
    for (slot, query) in plan.queries() {
        let metric = &plan.metrics[slot.metric_idx];
        let share = metric.alpha.get() / plan.judge.false_rollback.get();
        out.push(format!(
            "{} {:?} {share:.3} {query}",
            metric.name, slot.part
        ));
    }
    if let Some(shifted) = &plan.shifted {
        out.push(format!(
            "baseline {} {} earlier",
            shifted.mode.word(),
            shifted.back
        ));
        for (slot, query) in plan.baseline_queries().unwrap() {
            out.push(format!("  {:?} {query}", slot.part));
        }
    }
    for objective in &plan.objectives {
        let share = objective.alpha.get() / plan.judge.false_rollback.get();
        out.push(format!(
            "{} on {} {share:.3}",
            objective.name, objective.metric_idx
        ));
    }
    if let Some(traffic) = plan.traffic {
        out.push(format!(
            "traffic {} of {}",
            traffic.declared, traffic.metric_idx
        ));
    }
    out
}

#[test]
fn templates_bind_to_rollouts() {
    let (base, _) = base();
    for file in ["bind/plans.test", "bind/baselines.test"] {
        run_cases(file, |input| {
            let (template, found) = parse(&patched(&base, input));
            assert_eq!(found, []);
            match bind(&template.unwrap(), &rollout_of(input)) {
                Ok(plan) => described(&plan),
                Err(found) => found.iter().map(said).collect(),
            }
        });
    }
}

/// A plan of the base and the usual rollout, after a change to either.
fn bound(change: impl FnOnce(&mut Template, &mut Rollout)) -> Plan {
    let (_, mut template) = base();
    let mut rollout = rollout();
    change(&mut template, &mut rollout);
    bind(&template, &rollout).unwrap()
}

/// The digest is part of every record: it may change only together with the version in
/// `plan/fingerprint.rs` (A12), or because the base template was edited.
#[test]
fn the_digest_of_a_plan_is_frozen() {
    let frozen = "3d332d5dcaecf0400699287af0d61baa45c9c2e4977b8609dc7ff71522ea42b8";
    assert_eq!(bound(|_, _| {}).digest.to_string(), frozen);
    assert_eq!(bound(|_, _| {}).digest, bound(|_, _| {}).digest);
}

/// A history.
fn past(lookback_s: i64, offset: bool) -> History {
    let lookback = Span::from_s(lookback_s);
    History { lookback, offset }
}

/// It ends where the window begins, whole steps before it, and never has more points than a source
/// answers.
#[test]
fn a_history_is_made_of_whole_steps() {
    for (lookback_s, points) in [(600, 20), (601, 21), (29, 1), (86_400, 2_880)] {
        let plan = bound(|t, _| t.history = Some(past(lookback_s, true)));
        assert_eq!(plan.history_points(), points, "{lookback_s}");
        let from = plan.history_from();
        assert_eq!(from.align_down(plan.timing.step), from);
    }
    let plan = bound(|t, _| {
        t.schedule.step = Step::new(Span::from_s(1)).unwrap();
        t.history = Some(past(86_400, false));
    });
    assert_eq!(plan.history_points(), 11_000);
    let plan = bound(|_, _| {});
    assert_eq!(plan.history_from(), plan.timing.start);
    assert_eq!(plan.history_points(), 0);
}

fn grouped(label: &str, max: usize) -> GroupBy {
    let label = label.to_owned();
    GroupBy { label, max }
}

#[test]
fn the_digest_changes_with_every_field() {
    type Change = fn(&mut Template, &mut Rollout);
    let changes: Vec<Change> = vec![
        |_, _| {},
        |t, _| t.name = TemplateName::new("other").unwrap(),
        |t, _| t.digest = Digest::of(b"x"),
        |t, _| t.schedule.step = Step::new(Span::from_s(15)).unwrap(),
        |t, _| t.schedule.look_every = Span::from_s(30),
        |t, _| t.schedule.warmup = Span::from_s(30),
        |t, _| t.schedule.bake = Span::from_s(30),
        |t, _| t.schedule.deadline = Span::from_s(3600),
        |t, _| t.schedule.lag = Span::from_s(31),
        |t, _| t.schedule.source_grace = Span::from_s(31),
        |t, _| t.history = Some(past(600, false)),
        |t, _| t.history = Some(past(600, true)),
        |t, _| t.history = Some(past(630, false)),
        |t, _| t.baseline = BaselineMode::Before,
        |t, _| t.baseline = BaselineMode::PreviousDay,
        |t, _| t.baseline = BaselineMode::PreviousWeek,
        |t, _| t.metrics[0].lag = Some(Span::from_s(90)),
        |t, _| t.metrics[0].lag = Some(Span::from_s(120)),
        |t, _| t.schedule.extend_once = Span::from_s(60),
        |t, _| t.metrics[0].per = Some("pod".to_owned()),
        |t, _| t.metrics[0].per = Some("instance".to_owned()),
        |t, _| t.metrics[1].per = Some("pod".to_owned()),
        |t, _| t.metrics[0].group_by = Some(grouped("route", 20)),
        |t, _| t.metrics[0].group_by = Some(grouped("route", 21)),
        |t, _| t.metrics[0].group_by = Some(grouped("method", 20)),
        |t, _| t.metrics[1].group_by = Some(grouped("route", 20)),
        |t, _| t.judge.false_rollback = Probability::new(0.5).unwrap(),
        |t, _| t.judge.false_promote = Probability::new(0.5).unwrap(),
        |t, _| t.judge.accept_no_harm = None,
        |t, _| t.judge.accept_no_harm = Probability::new(0.5),
        |t, _| t.metrics[0].name = MetricName::new("other").unwrap(),
        |t, _| t.metrics[0].role = Role::Optional,
        |t, _| t.metrics[0].role = Role::Info,
        |t, _| t.metrics[0].harm = Harm::Either,
        |t, _| t.metrics[0].min_effect = MinEffect::Absolute(0.1),
        |t, _| t.metrics[0].min_effect = MinEffect::Relative(0.2),
        |t, _| t.metrics[0].unit = "s".to_owned(),
        |t, _| t.metrics[0].group = GroupName::new("other").unwrap(),
        |t, _| t.metrics[0].weight = Weight::new(2.0).unwrap(),
        |t, _| t.metrics[0].evidence.samples = 11,
        |t, _| t.metrics[0].evidence.events = 11,
        |t, _| t.metrics[0].evidence.coverage = Probability::new(0.4).unwrap(),
        |t, _| t.metrics.swap(0, 2),
        |t, _| drop(t.metrics.remove(0)),
        |t, _| set_series(t, "x{${selector}}", Combine::Mean, GapPolicy::Drop),
        |t, _| set_series(t, "x{${selector}}", Combine::Max, GapPolicy::Drop),
        |t, _| set_series(t, "x{${selector}}", Combine::Max, GapPolicy::Zero),
        |t, _| {
            t.metrics[2].measure = Measure::Distribution {
                buckets: "x{${selector}}".to_owned(),
                threshold: Some(0.3),
            };
        },
        |t, _| drop(t.objectives.remove(0)),
        |t, _| t.objectives[0].name = ObjectiveName::new("other").unwrap(),
        |t, _| t.objectives[0].metric = MetricName::new("slow").unwrap(),
        |t, _| t.objectives[0].objective.period = Span::from_s(1),
        |t, _| t.objectives[0].objective.bad_events_min = 3,
        |t, _| t.objectives[0].objective.rungs[0].long = Span::from_s(7),
        |t, _| t.objectives[0].objective.rungs[0].short = Span::from_s(7),
        |t, _| t.objectives[0].objective.rungs[1].burn = BurnRate::new(3.0).unwrap(),
        |t, _| t.objectives[0].objective.rungs[1].action = RungAction::Rollback,
        |t, _| t.allowed_warnings.clear(),
        |t, _| t.allowed_warnings[0].push('x'),
        |t, _| t.on_inconclusive = OnInconclusive::Rollback,
        |_, r| r.deploy.service = "s".to_owned(),
        |_, r| r.deploy.id = DeployId::new("s"),
        |_, r| r.deploy.environment = Some("s".to_owned()),
        |_, r| r.deploy.region = Some("s".to_owned()),
        |_, r| r.deploy.revision = Some("s".to_owned()),
        |_, r| r.deploy.commit = Some("s".to_owned()),
        |_, r| r.deploy.artifact_digest = Some("s".to_owned()),
        |_, r| r.deploy.change_type = Some("s".to_owned()),
        |_, r| r.deploy.actor = Some("s".to_owned()),
        |_, r| r.deploy.traceparent = Some("s".to_owned()),
        |_, r| r.deploy.traffic_share = Probability::new(0.1),
        |t, r| {
            r.deploy.traffic_share = Probability::new(0.1);
            t.traffic.as_mut().unwrap().tolerance_factor = 4.0;
        },
        |t, r| {
            r.deploy.traffic_share = Probability::new(0.1);
            t.traffic = None;
        },
        |_, r| drop(r.inputs.insert("service".to_owned(), "x".to_owned())),
        |_, r| drop(r.inputs.insert("namespace".to_owned(), "prod".to_owned())),
        |_, r| r.baseline = scope("version=v3"),
        |_, r| r.canary = scope("version=v3"),
        |_, r| r.canary = scope("version=~v2"),
        |_, r| r.start = Timestamp::from_s(1_000_000_000),
        |_, r| r.duration = Some(Span::from_s(1800)),
    ];
    let mut seen = BTreeMap::new();
    for (idx, change) in changes.into_iter().enumerate() {
        let digest = bound(change).digest;
        assert_eq!(
            seen.insert(digest, idx),
            None,
            "change {idx} has a digest of its own"
        );
    }
}

fn set_series(template: &mut Template, query: &str, combine: Combine, gaps: GapPolicy) {
    template.metrics[0].measure = Measure::Series {
        query: query.to_owned(),
        combine,
        gaps,
    };
}

/// Limits on the text of a template and on values that fill its holes.
#[test]
fn texts_and_values_are_bounded() {
    let (text, template) = base();
    let padded = format!("{text}{}", "#".repeat(TEXT_BYTES_MAX - text.len()));
    assert!(parse(&padded).0.is_some());
    assert_eq!(parse(&format!("{padded}#")).1[0].code, "C001");
    let deep = "[".repeat(100_000);
    assert_eq!(parse(&deep).1[0].code, "C002");
    let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n".to_owned()
        + &format!("d: [{}]\n", "*c,".repeat(60_000));
    assert_eq!(parse(&bomb).1[0].code, "C002");
    let values = [
        ("x".repeat(500), true),
        ("x".repeat(501), false),
        ("a\u{7}".to_owned(), false),
    ];
    for (value, good) in values {
        let mut rollout = rollout();
        rollout.inputs.insert("service".to_owned(), value);
        let codes: Vec<_> = match bind(&template, &rollout) {
            Ok(_) => Vec::new(),
            Err(found) => found.iter().map(|diagnostic| diagnostic.code).collect(),
        };
        assert_eq!(codes, if good { vec![] } else { vec!["C062"] });
    }
    let many = "    - { name: x }\n".repeat(201);
    let head = "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: { name: x }\nspec:\n";
    let schedule = "  schedule: { step: 30s, deadline: 30m }\n  metrics:\n";
    let (_, found) = parse(&format!("{head}{schedule}{many}"));
    assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), ["C013"]);
}

/// Whatever the roles, the gates and objectives together spend the error budget exactly once.
#[test]
fn shares_never_exceed_the_error_budget() {
    let (_, template) = base();
    for roles in 0..64_u32 {
        let mut template = template.clone();
        for (idx, metric) in template.metrics.iter_mut().enumerate() {
            let all = [Role::Critical, Role::Required, Role::Optional, Role::Info];
            metric.role = all[(roles >> (2 * idx)) as usize % 4];
        }
        let plan = bind(&template, &rollout()).unwrap();
        let gates = plan.metrics.iter().filter(|metric| metric.role.is_gate());
        let spent: f64 = gates.map(|metric| metric.alpha.get()).sum();
        let objectives: f64 = plan.objectives.iter().map(|o| o.alpha.get()).sum();
        let whole = plan.judge.false_rollback.get();
        assert!(
            (spent + objectives - whole).abs() < 1e-15,
            "{roles}: {spent} {objectives}"
        );
    }
}

#[test]
fn the_built_in_template_binds_and_looks_once() {
    let step = Step::new(Span::from_s(30)).unwrap();
    let template = one_metric(Harm::Increase, MinEffect::Relative(0.1), step);
    assert_eq!(lint(&template, ""), []);
    for points in [5_i64, 60, 11_000] {
        let mut rollout = rollout();
        rollout.inputs.clear();
        rollout.duration = Some(step.span().times(points));
        let plan = bind(&template, &rollout).unwrap();
        assert_eq!(plan.timing.looks_planned(), 1);
        assert_eq!(plan.metrics[0].alpha, plan.judge.false_rollback);
    }
    let other = one_metric(Harm::Decrease, MinEffect::Relative(0.1), step);
    assert_ne!(template.digest, other.digest);
}

/// Everything under `analysis-templates` is usable as it is.
#[test]
fn the_shipped_templates_are_clean_and_bind() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder("analysis-templates")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let (template, found) = parse(&text);
        assert_eq!(
            found.iter().map(said).collect::<Vec<_>>(),
            Vec::<String>::new(),
            "{path:?}"
        );
        let template = template.unwrap();
        let unwise: Vec<String> = lint(&template, &text).iter().map(said).collect();
        assert_eq!(unwise, Vec::<String>::new(), "{path:?}");
        let mut rollout = rollout();
        rollout.inputs = template
            .inputs
            .iter()
            .filter(|input| input.default.is_none())
            .map(|input| (input.name.clone(), "checkout".to_owned()))
            .collect();
        bind(&template, &rollout).unwrap();
        names.push(template.name.to_string());
    }
    names.sort();
    assert!(names.len() > 20, "{names:?}");
}
