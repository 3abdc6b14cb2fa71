//! `haldane replay --html`: pages that are well-formed, stand for themselves, and say the same bytes
//! for the same recordings.

use crate::docs::root;
use haldane::judge::SEMANTICS;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn replay(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haldane"))
        .current_dir(dir)
        .env_clear()
        .arg("replay")
        .args(args)
        .output()
        .unwrap()
}

fn recordings() -> PathBuf {
    root().join(format!("tests/recordings/verdicts/semantics-{SEMANTICS}"))
}

/// The page, once its shape was looked at.
fn page(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let body = text.strip_prefix("<!DOCTYPE html>\n").unwrap();
    let document = roxmltree::Document::parse(body).unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let name = node.tag_name().name();
        assert!(
            !["script", "img", "link", "iframe"].contains(&name),
            "{name}"
        );
        if let Some(id) = node.attribute("id") {
            assert!(ids.insert(id.to_owned()), "{id} twice");
        }
    }
    text
}

#[test]
fn one_recording_is_shown_with_its_charts() {
    let dir = tempfile::tempdir().unwrap();
    let source = recordings().join("regressed.haldane.parquet");
    let source = source.to_str().unwrap();
    let out = dir.path().join("one.html");
    let file = out.to_str().unwrap();
    let ran = replay(dir.path(), &[source, "--html", file]);
    assert_eq!(
        ran.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let first = page(&out);
    assert!(first.contains("ROLLBACK"));
    for part in ["<svg", "Looks", "Metrics", "haldane replay"] {
        assert!(first.contains(part), "{part}");
    }
    // What stdout says is what the page says: the sentence is the same bytes (A10).
    let table = String::from_utf8(ran.stdout).unwrap();
    let sentence = table.lines().nth(1).unwrap().trim();
    assert!(first.contains(&sentence.replace('>', "&gt;")), "{sentence}");
    replay(dir.path(), &[source, "--html", file]);
    assert_eq!(page(&out), first, "the same twice");
    let ran = replay(
        dir.path(),
        &[source, "--judge", "mann-whitney", "--html", file],
    );
    assert!(ran.status.success());
    assert!(page(&out).contains("mann-whitney"));
}

#[test]
fn many_recordings_are_a_table_with_rates() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = vec!["recording,label".to_owned()];
    let names = [
        ("healthy", "good"),
        ("regressed", "bad"),
        ("no-data", "nodata"),
    ];
    for (name, label) in names {
        let file = format!("{name} <&\u{e9}>.haldane.parquet");
        let from = recordings().join(format!("{name}.haldane.parquet"));
        std::fs::copy(from, dir.path().join(&file)).unwrap();
        lines.push(format!("{file},{label}"));
    }
    std::fs::write(dir.path().join("broken.haldane.parquet"), "not one").unwrap();
    lines.push("broken.haldane.parquet,good".to_owned());
    std::fs::write(dir.path().join("index.csv"), lines.join("\n")).unwrap();
    let ran = replay(
        dir.path(),
        &["@index.csv", "--html", "all.html", "-o", "json"],
    );
    assert_eq!(
        ran.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let text = page(&dir.path().join("all.html"));
    for part in [
        "4 recordings: none has another verdict than was recorded, 1 unreadable",
        "found (bad)",
        "1 of 1",
        "healthy &lt;&amp;\u{e9}&gt;.haldane.parquet",
        "@index.csv",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let ran = replay(dir.path(), &["@index.csv", "--html", "no/such/folder.html"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("--html no/such/folder.html"));
}
