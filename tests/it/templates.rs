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
