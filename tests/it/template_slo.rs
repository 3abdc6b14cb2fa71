//! Objectives read from files: what each format gives, what cannot be used and why, and that what
//! is kept needs no file.

use crate::templates::{rollout, run_cases};
use haldane::diagnostic::{Diagnostic, Severity};
use haldane::digest::Digest;
use haldane::plan::bind::bind;
use haldane::plan::scope::{Matcher, Scope};
use haldane::serve::template_files;
use haldane::serve::templates::Folder;
use haldane::slo::objective::RungAction;
use haldane::template::extends::{Ancestor, Bundle, bundle};
use haldane::template::lint::lint;
use haldane::template::parse::parse;
use haldane::template::slo_spec::files::with_files;
use haldane::template::{Measure, MetricSpec, ObjectiveSpec, Template};
use haldane::units::trim_number;

/// A template with these lines in its lists, and the files beside it.
fn read(input: &[&str]) -> (String, Vec<(String, String)>) {
    let picked = |mark: &str, indent: &str| -> String {
        let lines = input.iter().filter_map(|line| line.strip_prefix(mark));
        lines.flat_map(|line| [indent, line, "\n"]).collect()
    };
    let changes = match picked("c ", "    ") {
        text if text.is_empty() => text,
        text => format!("  changes:\n{text}"),
    };
    let text = format!(
        "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: {{ name: checkout }}\nspec:\n  \
         schedule: {{ step: 30s, deadline: 30m }}\n  metrics:\n    - {{ name: latency, harm: \
         increase, min_effect: {{ relative: 10% }}, series: {{ query: 'l{{${{selector}}}}' }} \
         }}\n{}  objectives:\n{}{changes}",
        picked("m ", "    "),
        picked("o ", "    "),
    );
    let mut files: Vec<(String, String)> = Vec::new();
    for line in input {
        if let Some(name) = line.strip_prefix("@ ") {
            files.push((name.to_owned(), String::new()));
        } else if let (Some(line), Some((_, text))) = (line.strip_prefix('|'), files.last_mut()) {
            text.extend([line, "\n"]);
        }
    }
    (text, files)
}

fn bundled((text, files): &(String, Vec<(String, String)>)) -> Bundle {
    let files = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    bundle("own.yaml", &with_files(text, files), |_| None, &[])
}

fn said(bundle: &Bundle, diagnostic: &Diagnostic) -> String {
    let (file, at) = bundle.located(diagnostic);
    let place = at.place.map_or("-".to_owned(), |place| {
        format!("{}:{}+{}", place.line, place.column, place.len)
    });
    let severity = match at.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let (code, message) = (at.code, &at.message);
    format!("{file} {severity} {code} {place} {message}")
}

fn metric(metric: &MetricSpec) -> String {
    let counted = match &metric.measure {
        Measure::Series { query, .. } => query.clone(),
        Measure::Events { bad, total } => format!("{bad} of {total}"),
        Measure::Distribution { buckets, threshold } => format!("{buckets} beyond {threshold:?}"),
    };
    let (name, role, effect) = (&metric.name, metric.role.word(), metric.min_effect);
    format!("{name} {role} {effect}: {counted}")
}

fn objective(spec: &ObjectiveSpec) -> String {
    let rungs = spec.objective.rungs.iter().map(|rung| {
        let burn = trim_number(rung.burn.get());
        let does = if rung.action == RungAction::Hold {
            "hold"
        } else {
            "rollback"
        };
        format!("{burn} {}/{} {does}", rung.long, rung.short)
    });
    let rungs: Vec<String> = rungs.collect();
    let target = trim_number(spec.objective.target().get() * 100.0);
    let (name, metric, period) = (&spec.name, &spec.metric, spec.objective.period);
    format!(
        "{name} of {metric}: {target} % in {period}, {}",
        rungs.join(", ")
    )
}

fn shown(template: &Template) -> Vec<String> {
    let metrics = template.metrics.iter().skip(1).map(metric);
    metrics
        .chain(template.objectives.iter().map(objective))
        .collect()
}

#[test]
fn objectives_are_read_from_the_files_that_state_them() {
    run_cases("slo/objectives.test", |input| {
        let bundle = bundled(&read(input));
        let (template, mut found) = bundle.parse();
        let mut lines = Vec::new();
        if let Some(template) = &template {
            lines.extend(shown(template));
            for rule in &template.changes {
                let rule_lines = shown(&rule.template).into_iter();
                lines.extend(rule_lines.map(|line| format!("{}: {line}", rule.change)));
            }
            found.extend(lint(template, &bundle.text));
        }
        lines.extend(found.iter().map(|diagnostic| said(&bundle, diagnostic)));
        lines
    });
}

const SLOTH: &str = "version: prometheus/v1\nservice: shop\nslos:\n  - name: availability\n    \
                     objective: 99.9\n    sli:\n      events:\n        error_query: \
                     sum(rate(r_total{code=\"5\"}[{{.window}}]))\n        total_query: \
                     sum(rate(r_total[{{.window}}]))\n";

fn own() -> String {
    read(&["o - { from: slo/shop.yaml, name: availability }"]).0
}

fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("slo")).unwrap();
    std::fs::write(dir.path().join("slo/shop.yaml"), SLOTH).unwrap();
    std::fs::write(dir.path().join("own.yaml"), own()).unwrap();
    dir
}

#[test]
fn what_is_kept_needs_no_file_and_its_digest_covers_it() {
    let dir = site();
    let path = dir.path().join("own.yaml");
    let bundle = template_files::bundle_of(&path).unwrap();
    let (template, found) = bundle.parse();
    assert_eq!(found, []);
    let template = template.unwrap();
    assert_eq!(template.digest, Digest::of(bundle.text.as_bytes()));
    std::fs::remove_file(dir.path().join("slo/shop.yaml")).unwrap();
    assert_eq!(parse(&bundle.text).0.unwrap(), template);
    // What was bundled once stays as it is, also as somebody's ancestor.
    let again = haldane::template::extends::bundle("own.yaml", &bundle.text, |_| None, &[]);
    assert_eq!(again.text, bundle.text);
    let message = template_files::read(&path).unwrap_err();
    assert!(
        message.contains("there is no file `slo/shop.yaml` beside the template"),
        "{message}"
    );
    // Another promise is another template.
    let other = bundle.text.replace("99.9\n", "99.8\n");
    assert_ne!(parse(&other).0.unwrap().digest, template.digest);
}

#[test]
fn an_ancestor_brings_its_files_along() {
    let dir = site();
    let child = "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: { name: child }\n\
                 extends: checkout\nspec:\n  objectives: [{ name: availability, min_bad_events: 9 }]\n  \
                 metrics: [{ name: availability, min_effect: { absolute: 2% } }]\n";
    std::fs::write(dir.path().join("child.yaml"), child).unwrap();
    let bundle = template_files::bundle_of(&dir.path().join("child.yaml")).unwrap();
    let (template, found) = bundle.parse();
    assert_eq!(found, []);
    let template = template.unwrap();
    assert_eq!(template.objectives[0].objective.bad_events_min, 9);
    let [_, made] = template.metrics.as_slice() else {
        panic!("{:?}", template.metrics);
    };
    assert_eq!(made.min_effect.to_string(), "0.02");
    assert!(matches!(&made.measure, Measure::Events { bad, .. } if bad.contains("code=\"5\"")));
}

/// A child that brings a file of its own must not change what its ancestor promises.
#[test]
fn two_files_of_one_name_are_refused() {
    let child = "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: { name: child }\n\
                 extends: checkout\nspec:\n  objectives: [{ from: slo/shop.yaml, name: b }]\n";
    let ancestor = |_: &_| {
        Some(Ancestor {
            label: "template `checkout`".to_owned(),
            text: with_files(&own(), [("slo/shop.yaml", SLOTH)]),
        })
    };
    for (theirs, refused) in [
        (SLOTH.to_owned(), false),
        (SLOTH.replace("99.9", "9"), true),
    ] {
        let text = with_files(child, [("slo/shop.yaml", theirs.as_str())]);
        let found = bundle("own", &text, ancestor, &[]).parse().1;
        let two = found
            .iter()
            .any(|said| said.message.contains("is another file here"));
        assert_eq!(two, refused, "{found:?}");
    }
}

#[test]
fn a_daemon_takes_the_files_beside_its_templates_for_what_they_are() {
    let dir = site();
    // Beside the templates, where every YAML file is read.
    let beside = own().replace("slo/shop.yaml", "shop.yaml");
    std::fs::write(dir.path().join("own.yaml"), beside).unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SLOTH).unwrap();
    let (mut folder, shelf) = Folder::open(dir.path(), Vec::new()).unwrap();
    let mut shelf = shelf.read().unwrap().clone();
    let target = |shelf: &haldane::http::Shelf| {
        assert_eq!(shelf.known.len(), 1);
        assert!(shelf.refused.is_empty(), "{:?}", shelf.refused);
        let file = shelf.known.values().next().unwrap();
        file.template.objectives[0].objective.target().get()
    };
    assert!((target(&shelf) - 0.999).abs() < 1e-12);
    assert!(!folder.refresh(&mut shelf).unwrap());
    // A changed file is a changed template.
    std::fs::write(dir.path().join("shop.yaml"), SLOTH.replace("99.9", "99")).unwrap();
    assert!(folder.refresh(&mut shelf).unwrap());
    assert!((target(&shelf) - 0.99).abs() < 1e-12);
}

#[test]
fn a_file_of_objectives_is_no_template() {
    let (template, found) = parse(SLOTH);
    assert!(template.is_none());
    let [said] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (said.code, said.message.as_str()),
        ("C027", "this is a file of Sloth, no template")
    );
}

/// C067: `track` is selected by the file, and tells the arms apart.
#[test]
fn what_the_file_selects_by_cannot_tell_the_arms_apart() {
    let sloth = SLOTH.replace("[{{", "{zone=\"a\",track=\"stable\"}[{{");
    let sloth = sloth.replace("{code=\"5\"}{", "{code=\"5\",");
    let files = [("slo/shop.yaml", sloth.as_str())];
    let template = parse(&with_files(&own(), files)).0.unwrap();
    let scope = |pairs: &[(&str, &str)]| {
        let matchers = pairs
            .iter()
            .map(|(label, value)| Matcher::equals(label, value).unwrap());
        Scope::new(matchers.collect()).unwrap()
    };
    let mut rollout = rollout();
    rollout.inputs.clear();
    for (baseline, canary, refused) in [
        (
            [("track", "stable"), ("zone", "a")],
            [("track", "canary"), ("zone", "a")],
            vec!["track"],
        ),
        (
            [("pod", "1"), ("zone", "a")],
            [("pod", "2"), ("zone", "a")],
            vec![],
        ),
        (
            [("pod", "1"), ("zone", "a")],
            [("pod", "2"), ("zone", "b")],
            vec!["zone"],
        ),
    ] {
        (rollout.baseline, rollout.canary) = (scope(&baseline), scope(&canary));
        let found = bind(&template, &rollout).err().unwrap_or_default();
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), refused.len(), "{said:?}");
        for (said, label) in said.iter().zip(refused) {
            let wanted = format!("selects by `{label}`, which tells the arms apart [C067]");
            assert!(said.contains(&wanted), "{said}");
        }
    }
}
