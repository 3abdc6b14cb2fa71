//! `extends`: what is taken over, what is overridden, and where complaints point.
//!
//! Each case of `tests/cases/lint/extends.test` is a template beside a small folder of others:
//! `checkout` (the base of the other cases), `strict` (which extends it), `left` and `right`
//! (which extend one another), `broken`, and a chain `deep-1` … `deep-9`.

use crate::templates::{base, folder, run_cases, said};
use haldane::ids::TemplateName;
use haldane::serve::template_files;
use haldane::template::Template;
use haldane::template::extends::{Ancestor, Bundle, bundle};
use haldane::template::input_type::InputType;
use haldane::template::lint::lint;
use haldane::template::parse::parse;
use std::collections::BTreeMap;

const STRICT: &str = r"# Stricter than its base.
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: strict }
extends: checkout
spec:
  judge: { false_rollback: 1% }
  metrics:
    - name: cpu
      role: optional
";

const BROKEN: &str = r"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: broken }
spec:
  schedule: { step: 30s, deadline: 30m }
  metrics:
    - name: errors
      harm: incraese
      min_effect: { absolute: 1% }
      events: { bad: 'bad{${selector}}', total: 'total{${selector}}' }
";

fn others() -> BTreeMap<String, String> {
    let head = "apiVersion: haldane/v1\nkind: AnalysisTemplate\n";
    let link = |name: &str, extends: &str| {
        format!("{head}metadata: {{ name: {name} }}\nextends: {extends}\nspec: {{}}\n")
    };
    let mut out = BTreeMap::from([
        ("checkout".to_owned(), base().0),
        ("strict".to_owned(), STRICT.to_owned()),
        ("broken".to_owned(), BROKEN.to_owned()),
        ("left".to_owned(), link("left", "right")),
        ("right".to_owned(), link("right", "left")),
        ("deep-9".to_owned(), link("deep-9", "checkout")),
    ]);
    for n in 1..9 {
        let (name, next) = (format!("deep-{n}"), format!("deep-{}", n + 1));
        out.insert(name.clone(), link(&name, &next));
    }
    out
}

fn bundled(text: &str) -> Bundle {
    let others = others();
    let find = |name: &TemplateName| {
        let text = others.get(name.as_str())?.clone();
        let label = format!("{name}.yaml");
        Some(Ancestor { label, text })
    };
    let known: Vec<TemplateName> = others
        .keys()
        .map(|name| TemplateName::new(name).unwrap())
        .collect();
    bundle("own.yaml", text, find, &known)
}

fn shown(template: &Template) -> Vec<String> {
    let schedule = &template.schedule;
    let mut out = vec![format!(
        "{} bake {} deadline {} judge {} {} {}",
        template.name,
        schedule.bake,
        schedule.deadline,
        template.judge.method.word(),
        template.judge.false_rollback,
        template.on_inconclusive.word()
    )];
    for input in &template.inputs {
        let mut line = format!("input {} {:?}", input.name, input.default);
        if input.kind != InputType::Text {
            line += &format!(" {:?}", input.kind);
        }
        if !input.one_of.is_empty() {
            line += &format!(" of {:?}", input.one_of);
        }
        out.push(line);
    }
    for metric in &template.metrics {
        let (role, effect, measure) = (metric.role.word(), metric.min_effect, &metric.measure);
        out.push(format!(
            "metric {} {role} {effect:?} {measure:?}",
            metric.name
        ));
    }
    for objective in &template.objectives {
        let rungs = objective.objective.rungs.len();
        let budget = objective.objective.budget();
        out.push(format!(
            "objective {} {budget:.4} {rungs} rungs",
            objective.name
        ));
    }
    out.push(format!("warnings {:?}", template.allowed_warnings));
    out
}

#[test]
fn a_child_says_only_what_differs() {
    run_cases("lint/extends.test", |input| {
        let text: String = input.iter().flat_map(|line| [&line[1..], "\n"]).collect();
        let bundle = bundled(&text);
        let (template, mut found) = bundle.parse();
        if let Some(template) = &template {
            found.extend(lint(template, &bundle.text));
        }
        let placed = found.iter().map(|one| bundle.located(one));
        let mut lines: Vec<String> = placed
            .map(|(label, one)| format!("{label} {}", said(&one)))
            .collect();
        lines.extend(template.iter().flat_map(shown));
        lines
    });
}

const CHILD: &str = "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: { name: child }\n\
                     extends: strict\nspec:\n  schedule: { bake: 5m }\n";

/// What the decision log keeps needs no other file, and its digest covers every part of it.
#[test]
fn a_bundle_needs_no_other_file() {
    let bundle = bundled(CHILD);
    assert!(bundle.has_ancestors());
    let (template, found) = parse(&bundle.text);
    assert_eq!(found, []);
    assert_eq!(
        bundled(&bundle.text).text,
        bundle.text,
        "nothing is missing"
    );
    let edited = bundle.text.replace("absolute: 1%", "absolute: 2%");
    let other = parse(&edited).0.unwrap();
    assert_ne!(other.digest, template.unwrap().digest);
    assert_eq!(parse(CHILD).1[0].code, "C019");
}

/// A template that extends nothing is read as it always was: same text, same digest.
#[test]
fn without_it_nothing_changes() {
    let (text, template) = base();
    let bundle = Bundle::alone("base.yaml", &text);
    assert!(!bundle.has_ancestors());
    assert_eq!(bundle.parse().0.unwrap(), template);
    for lead in ["---\n", "# a comment\n---\n"] {
        let (template, found) = parse(&format!("{lead}{text}"));
        assert!(template.is_some(), "{found:?}");
    }
}

/// The file, the line and the caret of what stands in an ancestor.
#[test]
fn a_file_finds_its_ancestors_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in others() {
        std::fs::write(dir.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let child = dir.path().join("child.yml");
    std::fs::write(&child, CHILD).unwrap();
    let template = template_files::read(&child).unwrap();
    assert_eq!(template.metrics.len(), 3);
    std::fs::write(&child, CHILD.replace("strict", "broken")).unwrap();
    let message = template_files::read(&child).unwrap_err();
    let wanted = "broken.yaml:8:13";
    assert!(message.contains(wanted), "{message}");
    assert!(message.contains("8 |       harm: incraese\n"), "{message}");
    let shipped = folder("analysis-templates");
    for path in template_files::paths(&shipped).unwrap() {
        template_files::read(&path).unwrap();
    }
}
