//! A2: imports point one way, down the floors. Every `crate::x` and `haldane::x` in `src/` is an
//! arrow; it must lead to a lower floor or stay inside its own module.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Index is the floor; see `src/lib.rs` and `docs/architecture.md`.
const FLOORS: &[&[&str]] = &[
    &["units", "time", "ids", "digest", "diagnostic", "secret"],
    &["stats", "series"],
    &["slo"],
    &["template"],
    &["plan", "import"],
    &["judge"],
    &["engine"],
    &["wire", "chart", "dialect"],
    &[
        "prometheus",
        "store",
        "webhook",
        "http",
        "recording",
        "telemetry",
        "report",
    ],
    &["simulate", "serve"],
    &["evaluate", "replay", "rehearse"],
    &["tune"],
    &["cli"],
    &["lib", "main"],
];

/// Modules that share a floor but may be used by a neighbour, with the reason.
const NEIGHBOURS: &[(&str, &str, &str)] = &[
    (
        "serve",
        "simulate",
        "the daemon can run on simulated traffic instead of Prometheus",
    ),
    (
        "replay",
        "evaluate",
        "shares with their intervals, and work over several threads, are the same",
    ),
    (
        "rehearse",
        "replay",
        "a test may take its samples from a recording, which is judged as a replay judges it",
    ),
    (
        "http",
        "report",
        "the page of an analysis is one of the answers, and a pure function",
    ),
];

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

pub(crate) fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// The top module a file belongs to: `src/judge/burn.rs` is `judge`, `src/time.rs` is `time`.
pub(crate) fn top_module(file: &Path) -> String {
    let inside = file.strip_prefix(src()).unwrap();
    inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap()
        .replace(".rs", "")
}

pub(crate) fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Source without comments and without text in string literals.
pub(crate) fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => {
                for skipped in chars.by_ref() {
                    if skipped == '\n' {
                        out.push('\n');
                        break;
                    }
                }
            }
            '"' => {
                out.push_str("\"\"");
                while let Some(inside) = chars.next() {
                    match inside {
                        '\\' => {
                            chars.next();
                        }
                        '"' => break,
                        '\n' => out.push('\n'),
                        _ => {}
                    }
                }
            }
            // A quote character would open a string that never closes.
            '\'' if chars.clone().next() == Some('"') => {
                chars.next();
            }
            other => out.push(other),
        }
    }
    out
}

/// Top modules named after `crate::` or `haldane::`, nested groups included.
fn arrows(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    for root in ["crate::", "haldane::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = &code[at + root.len()..];
            if let Some(group) = rest.trim_start().strip_prefix('{') {
                let mut depth = 0;
                let mut word = String::new();
                let mut fresh = true;
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            out.push(std::mem::take(&mut word));
                            fresh = true;
                        }
                        c if depth == 0 && fresh && (c.is_alphanumeric() || c == '_') => {
                            word.push(c);
                        }
                        c if depth == 0 && !word.is_empty() && !c.is_whitespace() => fresh = false,
                        _ => {}
                    }
                }
                out.push(word);
            } else {
                out.push(
                    rest.chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect(),
                );
            }
        }
    }
    out.retain(|word| !word.is_empty());
    out
}

fn faults(files: &BTreeMap<String, (String, String)>) -> Vec<String> {
    let mut out = Vec::new();
    for (file, (module, text)) in files {
        let Some(own) = floor_of(module) else {
            out.push(format!("{file}: module {module} stands on no floor"));
            continue;
        };
        for target in arrows(&code_only(text)) {
            let Some(theirs) = floor_of(&target) else {
                continue;
            };
            let neighbour = NEIGHBOURS
                .iter()
                .any(|(a, b, _)| a == module && *b == target);
            if target != *module && theirs >= own && !neighbour {
                out.push(format!(
                    "{file}: {module} (floor {own}) must not import {target} (floor {theirs})"
                ));
            }
        }
    }
    out
}

#[test]
fn imports_point_down_the_floors() {
    let files = rust_files(&src())
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.display().to_string(), (top_module(&path), text))
        })
        .collect();
    let found = faults(&files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_upward_import_is_found_wherever_it_hides() {
    let hidden = [
        ("use crate::engine::Engine;", 1),
        ("use crate::{time::Span, engine::{event::Event, view}};", 1),
        ("fn f() { haldane::http::serve(); }", 1),
        ("// use crate::engine::Engine;", 0),
        ("const T: &str = \"crate::engine\";", 0),
        ("use crate::time::Timestamp;", 0),
    ];
    for (text, wanted) in hidden {
        let file = ("stats", text.to_owned());
        let files = [("x.rs".to_owned(), (file.0.to_owned(), file.1))].into();
        assert_eq!(faults(&files).len(), wanted, "{text}");
    }
}
