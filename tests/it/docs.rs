//! The documents say what the sources say: limits, metrics, defaults, exit codes, environment
//! variables, commands and links.
//!
//! Tables that follow from the sources stand between `<!-- name -->` and `<!-- end name -->`;
//! `UPDATE_DOCS=1` rewrites them in place, and the diff is then reviewed.

use crate::floors::{rust_files, src};
use clap::Parser as _;
use haldane::cli::args::Args;
use haldane::cli::exit_code;
use haldane::serve::config::DEFAULTS;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// The text between the markers of `block` in `document` must be `wanted`.
pub(crate) fn check_block(document: &str, block: &str, wanted: &str) {
    let text = read(document);
    let (open, close) = (
        format!("<!-- {block} -->\n"),
        format!("<!-- end {block} -->"),
    );
    let found = text.split_once(&open).and_then(|(before, rest)| {
        let (inside, after) = rest.split_once(&close)?;
        Some((before, inside, after))
    });
    let Some((before, inside, after)) = found else {
        panic!("{document} has no block {block}");
    };
    if inside == wanted {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let fresh = format!("{before}{open}{wanted}{close}{after}");
        fs::write(root().join(document), fresh).unwrap();
        return;
    }
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (inside.lines().collect(), wanted.lines().collect());
    let lines = |sign: &str, set: Vec<&&str>| -> String {
        set.iter().fold(String::new(), |mut out, line| {
            let _ = writeln!(out, "{sign} {line}");
            out
        })
    };
    panic!(
        "{document}, block {block}, differs from the sources; UPDATE_DOCS=1 rewrites it:\n{}{}",
        lines("-", old.difference(&new).collect()),
        lines("+", new.difference(&old).collect()),
    );
}

/// The sources with their path inside the repository, unit tests cut off.
fn sources() -> Vec<(String, String)> {
    let cut = |text: String| text.split("\n#[cfg(test)]").next().unwrap_or("").to_owned();
    rust_files(&src())
        .iter()
        .map(|path| (inside(path), cut(fs::read_to_string(path).unwrap())))
        .collect()
}

// ---- limits

/// A limit as it stands in the sources.
#[derive(Debug, PartialEq)]
struct Limit {
    name: String,
    value: String,
    /// The doc comment, else the comment on the same line; empty without either.
    says: String,
}

/// `8_192` as `8,192`, `Span::from_s(30)` as `30 s`.
fn shown_value(expression: &str) -> String {
    let length = pattern(r"^(?:Span|Duration)::from_(ms|millis|s|secs|mins|hours)\((.*)\)$");
    let plain = length.captures(expression).map_or_else(
        || expression.to_owned(),
        |parts| {
            let unit = match &parts[1] {
                "ms" | "millis" => "ms",
                "s" | "secs" => "s",
                "mins" => "min",
                _ => "h",
            };
            format!("{} {unit}", &parts[2])
        },
    );
    plain.replace('_', ",").replace('*', "×")
}

fn limits_in(text: &str) -> Vec<Limit> {
    let constant = pattern(r"^\s*(?:pub(?:\([a-z]+\))? )?const ([A-Z0-9_]+_MAX): [^=]+= (.+)$");
    let link = pattern(r"\[(`[^`]+`)\](?:\([^)]*\))?");
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(parts) = constant.captures(line) else {
            continue;
        };
        let (value, trailing) = parts[2]
            .split_once(';')
            .expect("a limit stands on one line");
        let above = lines[..at].iter().rev().map(|line| line.trim());
        let mut doc: Vec<&str> = above
            .skip_while(|line| line.starts_with("#["))
            .map_while(|line| line.strip_prefix("///"))
            .map(str::trim)
            .collect();
        doc.reverse();
        let beside = trailing.trim().trim_start_matches("//").trim();
        let says = if doc.is_empty() {
            beside.to_owned()
        } else {
            doc.join(" ")
        };
        out.push(Limit {
            name: parts[1].to_owned(),
            value: shown_value(value),
            says: link.replace_all(&says, "$1").replace('|', "\\|"),
        });
    }
    out
}

/// A7: every `…_MAX` with its value and what happens beyond it.
#[test]
fn every_limit_is_in_the_table() {
    let mut table = "| limit | value | beyond it |\n|---|---|---|\n".to_owned();
    let mut silent = Vec::new();
    for (file, text) in sources() {
        for limit in limits_in(&text) {
            if limit.says.is_empty() {
                silent.push(format!("{file}: {}", limit.name));
            }
            let place = file.trim_start_matches("src/");
            let Limit { name, value, says } = limit;
            writeln!(table, "| `{name}`<br>{place} | {value} | {says} |").unwrap();
        }
    }
    assert!(
        silent.is_empty(),
        "a limit says what happens beyond it:\n{}",
        silent.join("\n")
    );
    check_block("docs/limits.md", "limits", &table);
}

#[test]
fn a_limit_is_found_with_its_sentence() {
    let text = "/// Rows; a longer [`Table`] is\n/// refused.\n#[rustfmt::skip]\n\
                pub(crate) const ROWS_MAX: usize = 8_192;\n    const SHOWN_MAX: u8 = 3; // cut\n\
                const WAIT_MAX: Span = Span::from_s(2 * 60);\nconst ROWS_MIN: usize = 1;\n";
    let limit = |name: &str, value: &str, says: &str| Limit {
        name: name.to_owned(),
        value: value.to_owned(),
        says: says.to_owned(),
    };
    let wanted = [
        limit("ROWS_MAX", "8,192", "Rows; a longer `Table` is refused."),
        limit("SHOWN_MAX", "3", "cut"),
        limit("WAIT_MAX", "2 × 60 s", ""),
    ];
    assert_eq!(limits_in(text), wanted);
}

// ---- metrics

/// One of the daemon's own metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metric {
    pub(crate) kind: String,
    labels: BTreeMap<String, BTreeSet<String>>,
    meaning: Option<String>,
}

/// What follows an opened parenthesis up to the one that closes it.
fn call(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// Every metric that the sources count or describe.
pub(crate) fn metrics() -> BTreeMap<String, Metric> {
    let used = pattern(r#"\bmetrics::(counter|gauge|histogram)!\(\s*"(haldane_\w+)""#);
    let described =
        pattern(r#"\bdescribe_(counter|gauge|histogram)!\(\s*"(haldane_\w+)",\s*"([^"]*)""#);
    let label = pattern(r#""(\w+)"\s*=>\s*(?:"(\w+)")?"#);
    let mut out: BTreeMap<String, Metric> = BTreeMap::new();
    for (_, text) in sources() {
        for found in used.captures_iter(&text) {
            let metric = out.entry(found[2].to_owned()).or_default();
            found[1].clone_into(&mut metric.kind);
            for one in label.captures_iter(call(&text[found.get(0).unwrap().end()..])) {
                let values = metric.labels.entry(one[1].to_owned()).or_default();
                values.extend(one.get(2).map(|value| value.as_str().to_owned()));
            }
        }
    }
    for (_, text) in sources() {
        for found in described.captures_iter(&text) {
            let metric = out.entry(found[2].to_owned()).or_default();
            metric.meaning = Some(found[3].to_owned());
            if metric.kind != found[1] {
                metric.kind = format!("described as {}, used as {}", &found[1], metric.kind);
            }
        }
    }
    out
}

#[test]
fn every_metric_is_in_the_table() {
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, metric) in metrics() {
        assert!(
            ["counter", "gauge", "histogram"].contains(&metric.kind.as_str()),
            "{name}: {}",
            metric.kind
        );
        let meaning = metric
            .meaning
            .unwrap_or_else(|| panic!("{name}: telemetry has no word on it"));
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|(label, values)| {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                match values.as_slice() {
                    [] => format!("`{label}`"),
                    some => format!("`{label}` ({})", some.join(", ")),
                }
            })
            .collect();
        let kind = metric.kind;
        writeln!(
            table,
            "| `{name}` | {kind} | {} | {meaning} |",
            labels.join(", ")
        )
        .unwrap();
    }
    check_block("docs/operating.md", "metrics", &table);
}

// ---- configuration, exit codes, readiness

#[test]
fn the_configuration_is_shown_as_it_is() {
    check_block(
        "docs/configuration.md",
        "defaults",
        &format!("```toml\n{DEFAULTS}```\n"),
    );
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let row = pattern(r"(?m)^  (\d+)\s+(.+)$");
    let mut table = "| code | meaning |\n|---|---|\n".to_owned();
    for found in row.captures_iter(exit_code::TABLE) {
        writeln!(table, "| {} | {} |", &found[1], &found[2]).unwrap();
    }
    assert!(table.lines().count() > 5, "{table}");
    check_block("docs/operating.md", "exit codes", &table);
}

#[test]
fn every_reason_of_readiness_is_explained() {
    let code = pattern(r#"\b(?:reason|fault)\("([a-z_]+)""#);
    let operating = read("docs/operating.md");
    let said: BTreeSet<String> = sources()
        .iter()
        .filter(|(file, _)| file.starts_with("src/http/"))
        .flat_map(|(_, text)| {
            code.captures_iter(text)
                .map(|found| found[1].to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(
        said.contains("draining"),
        "the reasons were found: {said:?}"
    );
    for code in said {
        assert!(
            operating.contains(&format!("| `{code}` |")),
            "operating.md explains {code}"
        );
    }
}

/// `section.key` of every key with a default.
fn configuration_keys() -> BTreeSet<String> {
    let mut section = String::new();
    let mut out = BTreeSet::new();
    for line in DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once(" = ") {
            out.insert(format!("{section}.{key}"));
        }
    }
    out
}

#[test]
fn environment_variables_name_keys() {
    let variable = pattern(r"HALDANE__([A-Z_]+?)__([A-Z_]+)");
    let keys = configuration_keys();
    for file in texts() {
        let text = fs::read_to_string(&file).unwrap();
        for found in variable.captures_iter(&text) {
            let key = format!("{}.{}", &found[1], &found[2]).to_lowercase();
            let shown = inside(&file);
            assert!(
                keys.contains(&key) || key == "section.key",
                "{shown}: {} names no key",
                &found[0]
            );
        }
    }
}

// ---- links and commands

/// Every text that is written for people: Markdown, and what stands under `deploy`.
fn texts() -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![root()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let hidden = name.starts_with('.') || name.starts_with("target");
            let deploys = path.starts_with(root().join("deploy"));
            if path.is_dir() && !hidden {
                open.push(path);
            } else if path.is_file() && (deploys || is_markdown(&path)) {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

/// The path inside the repository.
fn inside(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "md")
}

/// (is code, line) for every line but the fences.
fn lines(text: &str) -> Vec<(bool, &str)> {
    let mut code = false;
    let mut out = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else {
            out.push((code, line));
        }
    }
    out
}

/// The anchors of a document's headings, as they are made on the web.
fn anchors(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| -> Option<String> {
        let title = line.trim_start_matches('#');
        (title.len() < line.len() && title.starts_with(' ')).then(|| {
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            title
                .trim()
                .to_lowercase()
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
    };
    lines(text)
        .iter()
        .filter(|(code, _)| !code)
        .filter_map(|(_, line)| heading(line))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let link = pattern(r"\]\(([^)\s]+)\)");
    let mut broken = Vec::new();
    for file in texts().iter().filter(|path| is_markdown(path)) {
        let text = fs::read_to_string(file).unwrap();
        for (_, line) in lines(&text).iter().filter(|(code, _)| !code) {
            for found in link.captures_iter(line) {
                let target = &found[1];
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let there = match path {
                    "" => file.clone(),
                    path => file.parent().unwrap().join(path),
                };
                let known = |anchor: &str| {
                    anchor.is_empty()
                        || fs::read_to_string(&there).is_ok_and(|t| anchors(&t).contains(anchor))
                };
                if !there.exists() || !known(anchor) {
                    broken.push(format!("{}: {target}", inside(file)));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The words of a shell line up to a pipe, a redirection, a second command or a comment.
fn words(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        let word = out.last_mut().unwrap();
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '|' | '>' | ';' | '&') => break,
            (None, '#') if word.is_empty() => break,
            (None, c) if c.is_whitespace() => out.push(String::new()),
            _ => word.push(c),
        }
    }
    out.retain(|word| !word.is_empty());
    out
}

/// The command lines of our own in code blocks, as arguments.
fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let mut out = Vec::new();
    for (_, line) in lines(&joined).iter().filter(|(code, _)| *code) {
        // `id=$(haldane submit …)` is a command of ours as well.
        let inner = line
            .split_once("=$(")
            .map(|(_, inner)| inner.trim_end_matches(')'));
        let mut words = words(inner.unwrap_or(line).trim().trim_start_matches("$ "));
        if words.starts_with(&["cargo".to_owned(), "run".to_owned()]) {
            let from = words
                .iter()
                .position(|word| word == "--")
                .unwrap_or(words.len() - 1);
            words = std::iter::once("haldane".to_owned())
                .chain(words.split_off(from + 1))
                .collect();
        }
        if words.first().is_some_and(|word| word == "haldane") && words.len() > 1 {
            out.push(words);
        }
    }
    out
}

#[test]
fn documented_commands_parse() {
    for file in texts().iter().filter(|path| is_markdown(path)) {
        let found = commands(&fs::read_to_string(file).unwrap());
        let name = inside(file);
        assert!(
            !file.ends_with("README.md") || file.parent() != Some(&root()) || !found.is_empty(),
            "the README shows at least one command"
        );
        for words in found {
            if let Err(fault) = Args::try_parse_from(&words) {
                assert!(
                    !fault.use_stderr(),
                    "{name}: `{}`: {fault}",
                    words.join(" ")
                );
            }
        }
    }
}

#[test]
fn commands_are_found_in_code_only() {
    let text = "haldane nothing\n```sh\n$ haldane status --server 'http://h' | jq .\n\
                cargo run --release -- demo   # a minute\nhaldane config > haldane.toml\n\
                haldane wait \\\n  7\nls\nid=$(haldane submit -t 'a \"b\"')\n```\n";
    let found: Vec<String> = commands(text).iter().map(|words| words.join(" ")).collect();
    let wanted = [
        "haldane status --server http://h",
        "haldane demo",
        "haldane config",
        "haldane wait 7",
        "haldane submit -t a \"b\"",
    ];
    assert_eq!(found, wanted);
}
