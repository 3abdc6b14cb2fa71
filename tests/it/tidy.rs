//! House rules a machine can see: module docs, sizes, banned names, serde only at the edges (A9).

use crate::floors::{code_only, rust_files, src, top_module};
use std::fs;
use std::path::Path;

/// A9: the only places whose types are a promise to strangers.
const SERDE_EDGES: &[&str] = &[
    "template/document.rs",
    "prometheus/response.rs",
    "wire/",
    "http/wire.rs",
    "http/deliveries_wire.rs",
    "serve/config.rs",
    "simulate/scenario.rs",
];

/// Names that say nothing.
const BANNED_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "misc", "types", "core", "base", "manager", "imp",
];

const FILE_LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 100;

fn inside(path: &Path) -> String {
    path.strip_prefix(src()).unwrap().display().to_string()
}

fn check(rule: &str, broken: impl Fn(&str, &str) -> Option<String>) {
    let found: Vec<String> = rust_files(&src())
        .iter()
        .filter_map(|path| broken(&inside(path), &fs::read_to_string(path).unwrap()))
        .collect();
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn every_file_says_what_lives_there() {
    check("the first line is a module doc", |file, text| {
        (!text.starts_with("//! ")).then(|| file.to_owned())
    });
}

#[test]
fn files_and_lines_stay_readable() {
    check("size", |file, text| {
        let lines = text.lines().count();
        let wide = text
            .lines()
            .position(|line| line.chars().count() > COLUMNS_MAX);
        if lines > FILE_LINES_MAX {
            return Some(format!("{file}: {lines} lines, limit {FILE_LINES_MAX}"));
        }
        wide.map(|idx| format!("{file}:{}: wider than {COLUMNS_MAX} columns", idx + 1))
    });
}

#[test]
fn no_drawers() {
    check("names", |file, _| {
        let stem = Path::new(file).file_stem().unwrap().to_str().unwrap();
        let folder = Path::new(file)
            .parent()
            .and_then(Path::file_name)
            .and_then(|n| n.to_str());
        BANNED_NAMES
            .iter()
            .any(|name| *name == stem || Some(*name) == folder)
            .then(|| file.to_owned())
    });
}

#[test]
fn serde_lives_only_at_the_edges() {
    check("A9", |file, text| {
        let edge = SERDE_EDGES.iter().any(|edge| file.starts_with(edge));
        let code = code_only(text);
        let derives = code.lines().any(|line| {
            let line = line.trim();
            (line.starts_with("use serde::") && line.contains("erialize") && !line.contains("de::"))
                || (line.contains("derive(")
                    && (line.contains("Serialize") || line.contains("Deserialize")))
                || line.contains("impl Serialize for")
                || line.contains("serde::Serialize for")
        });
        (derives && !edge).then(|| file.to_owned())
    });
}

#[test]
fn nothing_is_left_to_do() {
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("TO", "DO"),
        "FIXME",
    ];
    check("unfinished work", |file, text| {
        marks
            .iter()
            .find(|mark| text.contains(**mark))
            .map(|mark| format!("{file}: {mark}"))
    });
}

#[test]
fn the_purity_bans_are_lifted_only_above_floor_six() {
    let pure = [
        "units",
        "time",
        "ids",
        "digest",
        "diagnostic",
        "secret",
        "stats",
        "series",
        "slo",
        "template",
        "plan",
        "import",
        "judge",
        "engine",
    ];
    check("A1", |file, text| {
        let module = top_module(&src().join(file));
        let lifted = code_only(text).contains("disallowed_methods")
            || code_only(text).contains("disallowed_types");
        (pure.contains(&module.as_str()) && lifted).then(|| file.to_owned())
    });
}

#[test]
fn pure_floors_never_touch_the_world() {
    let pure = [
        "units",
        "time",
        "ids",
        "digest",
        "diagnostic",
        "secret",
        "stats",
        "series",
        "slo",
        "template",
        "plan",
        "import",
        "judge",
        "engine",
    ];
    // Between word boundaries, so that `super::metrics::` is not the crate `metrics`.
    let names = |code: &str, word: &str| {
        code.match_indices(word).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
        })
    };
    let world = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "tokio",
        "reqwest",
        "rusqlite",
        "tracing::",
        "metrics::counter",
        "metrics::gauge",
        "metrics::histogram",
        "println!",
        "eprintln!",
    ];
    check("A1", |file, text| {
        if !pure.contains(&top_module(&src().join(file)).as_str()) {
            return None;
        }
        let code = code_only(text);
        world
            .iter()
            .find(|word| names(&code, word))
            .map(|word| format!("{file}: {word}"))
    });
}

/// Every test module is compiled: a forgotten file would be a test that cannot fail.
#[test]
fn every_test_file_is_in_the_list() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let list = fs::read_to_string(dir.join("main.rs")).unwrap();
    for entry in fs::read_dir(&dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        if module != "main" {
            assert!(
                list.contains(&format!("mod {module};")),
                "{name} is in no `mod` line"
            );
        }
    }
}
