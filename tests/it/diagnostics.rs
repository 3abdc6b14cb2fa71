//! `docs/diagnostics.md`: every code has a section; each bad example is found out, and what is
//! printed stands below it; each good example is clean.

use crate::docs::{read, root};
use haldane::diagnostic::Diagnostic;
use haldane::template::codes::{Code, codes};
use haldane::template::lint::lint;
use haldane::template::parse::parse;
use std::collections::BTreeSet;

/// What a person who lints the text is told.
fn said(text: &str) -> Vec<Diagnostic> {
    let (template, mut found) = parse(text);
    if let Some(template) = &template {
        found.extend(lint(template, text));
    }
    found.sort_by_key(|diagnostic| diagnostic.place);
    found
}

/// A fragment of `spec` with as little around it as makes a template.
fn whole(fragment: &str) -> String {
    if fragment.starts_with("apiVersion") {
        return fragment.to_owned();
    }
    let has = |field: &str| fragment.lines().any(|line| line.starts_with(field));
    let mut text = "apiVersion: haldane/v1\nkind: AnalysisTemplate\n\
                    metadata: { name: checkout }\nspec:\n"
        .to_owned();
    for line in fragment.lines() {
        text.extend(["  ", line, "\n"]);
    }
    if !has("schedule:") {
        text.push_str("  schedule: { step: 30s, deadline: 30m }\n");
    }
    if !has("metrics:") {
        text.push_str(
            "  metrics:\n    - { name: latency, harm: increase, min_effect: { relative: 10% }, \
             series: { query: 'latency_seconds{${selector}}' } }\n",
        );
    }
    text
}

/// The blocks of a section after a fence of this kind.
fn blocks<'t>(section: &'t str, fence: &str) -> Vec<&'t str> {
    let open = format!("```{fence}\n");
    let parts = section.split(open.as_str()).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or(""))
        .collect()
}

fn rendered(section: &Code, bad: &str) -> String {
    let text = whole(bad);
    let found = said(&text);
    assert!(
        !found.is_empty(),
        "{}: the bad example is clean",
        section.code
    );
    for diagnostic in &found {
        assert_eq!(diagnostic.code, section.code, "{diagnostic:?} in\n{text}");
        assert!(diagnostic.place.is_some(), "{diagnostic:?} has no place");
    }
    let lines = found.iter().map(|d| d.render("checkout.yaml", &text));
    lines.collect::<Vec<_>>().join("\n\n") + "\n"
}

#[test]
fn every_bad_example_is_found_out_and_every_good_one_clean() {
    let mut page = read("docs/diagnostics.md");
    let mut differs = Vec::new();
    for section in codes() {
        let (yaml, printed) = (blocks(section.text, "yaml"), blocks(section.text, "text"));
        let ([bad, good], [printed]) = (&yaml[..], &printed[..]) else {
            assert!(
                yaml.is_empty(),
                "{}: a bad and a good example",
                section.code
            );
            continue;
        };
        let wanted = rendered(&section, bad);
        assert_eq!(
            said(&whole(good)),
            [],
            "{}: the good one\n{}",
            section.code,
            whole(good)
        );
        if wanted != *printed {
            differs.push(section.code);
            let fresh = section.text.replacen(
                &format!("```text\n{printed}```"),
                &format!("```text\n{wanted}```"),
                1,
            );
            page = page.replacen(section.text, &fresh, 1);
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join("docs/diagnostics.md"), page).unwrap();
        return;
    }
    assert!(
        differs.is_empty(),
        "UPDATE_DOCS=1 rewrites what is printed for {differs:?}"
    );
}

/// All that look like codes in a text.
fn mentioned(text: &str) -> BTreeSet<String> {
    let code = regex::Regex::new(r#""(C0[0-9]{2})""#).unwrap();
    code.captures_iter(text).map(|c| c[1].to_owned()).collect()
}

#[test]
fn every_code_has_a_section_a_row_and_a_case() {
    let sources: String = crate::floors::rust_files(&crate::floors::src())
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let used = mentioned(&sources);
    let explained: Vec<String> = codes().map(|code| code.code.to_owned()).collect();
    assert!(explained.is_sorted(), "sections in order: {explained:?}");
    assert_eq!(used, explained.iter().cloned().collect(), "sections");
    let row = |line: &str| {
        line.strip_prefix("| C0")
            .map(|rest| format!("C0{}", &rest[..2]))
    };
    let rows: BTreeSet<String> = read("docs/templates.md").lines().filter_map(row).collect();
    assert_eq!(used, rows, "rows of docs/templates.md");
    // Column-exact cases.
    let folder = root().join("tests/cases");
    let mut cases = String::new();
    for part in ["lint", "bind", "slo"] {
        for file in std::fs::read_dir(folder.join(part)).unwrap().flatten() {
            cases += &std::fs::read_to_string(file.path()).unwrap();
        }
    }
    // Said of a rollout, which has no text to point into.
    cases += &read("tests/it/template_changes.rs").replace('"', " ");
    for file in ["template_notify", "template_slo"] {
        cases += &read(&format!("tests/it/{file}.rs")).replace(['"', '[', ']'], " ");
    }
    let missing: Vec<_> = used
        .iter()
        // C001: its text would be longer than all others together; a test of its own makes it.
        // C07…, C08…: a server is needed, and `lint_live` has one.
        .filter(|code| code.as_str() != "C001" && !code.starts_with("C07"))
        .filter(|code| !code.starts_with("C08"))
        .filter(|code| !cases.contains(&format!(" {code} ")))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
