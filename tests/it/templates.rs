//! Templates and plans: every complaint has its code and place, every hole is filled safely.
//!
//! The cases under `tests/cases` hold what is put in and, on lines that start with `>`, what
//! comes out. `HALDANE_UPDATE_CASES=1` rewrites those lines; the diff is then reviewed.

use haldane::diagnostic::{Diagnostic, Severity};
use haldane::template::Template;
use haldane::template::lint::lint;
use haldane::template::parse::parse;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The parsed base of all cases.
fn base() -> (String, Template) {
    let text = std::fs::read_to_string(folder("tests/cases/lint/base.yaml")).unwrap();
    let (template, found) = parse(&text);
    assert_eq!(found, [], "the base is good");
    (text, template.unwrap())
}

fn said(diagnostic: &Diagnostic) -> String {
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
fn run_cases(file: &str, run: impl Fn(&[&str]) -> Vec<String>) {
    let path = folder("tests/cases").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let cases = read_cases(&text);
    assert!(cases.len() > 5, "{file} has cases");
    if std::env::var("HALDANE_UPDATE_CASES").is_ok() {
        let head = text.split("=== ").next().unwrap();
        let mut out = head.trim_end().to_owned();
        for case in &cases {
            let _ = write!(out, "\n\n=== {}\n", case.name);
            case.input
                .iter()
                .for_each(|line| out.push_str(&format!("{line}\n")));
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
            lines.map(|line| format!("{line}\n")).collect()
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
