//! Test files with everything they name: template, CSV files, recordings, scenarios.

use crate::cli::client::Fault;
use crate::cli::read::{bytes, text};
use crate::cli::test::flags::{TestArgs, usage};
use crate::diagnostic::Diagnostic;
use crate::rehearse::read::read;
use crate::rehearse::run::{Files, Prepared, prepare};
use crate::rehearse::spec::{Source, Test, TestFile, Written};
use crate::rehearse::table::Table;
use crate::replay::plans::Plans;
use crate::serve::template_files;
use crate::simulate::read::{self as scenarios, SCENARIO_BYTES_MAX};
use crate::simulate::scenario::Scenario;
use crate::template::Template;
use crate::template::extends::head;
use crate::template::parse::TEXT_BYTES_MAX;
use regex::Regex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a CSV file; a longer one is refused. Four times what the longest legal one needs with
/// numbers written out in full.
const TABLE_BYTES_MAX: u64 = 8 << 20;

/// A test file.
pub(super) struct Suite {
    /// As it was named.
    pub(super) shown: String,
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// The template's name; empty when it cannot be read.
    pub(super) template: String,
    /// Where the template is.
    pub(super) template_path: Option<PathBuf>,
    pub(super) cases: Vec<Case>,
    /// Why nothing in it can be run.
    pub(super) refused: Option<String>,
}

/// One test.
pub(super) struct Case {
    pub(super) test: Test,
    /// Ready to be run, or why not.
    pub(super) prepared: Result<Prepared, String>,
}

/// Reads the files.
pub(super) fn suites(args: &TestArgs, files: Vec<PathBuf>) -> Result<Vec<Suite>, Fault> {
    let filter = args.filter.as_ref().map(|text| {
        Regex::new(text).map_err(|fault| {
            let said = fault.to_string();
            let why = said.lines().last().unwrap_or_default();
            let why = why.trim_start_matches("error: ");
            usage(format!("--filter `{text}`: {why}"))
        })
    });
    let filter = filter.transpose()?;
    let plans = Plans::default();
    let suites = files
        .into_iter()
        .map(|path| suite(path, filter.as_ref(), &plans));
    Ok(suites.collect())
}

fn suite(path: PathBuf, filter: Option<&Regex>, plans: &Plans) -> Suite {
    let shown = path.display().to_string();
    let mut out = Suite {
        shown,
        path,
        text: String::new(),
        template: String::new(),
        template_path: None,
        cases: Vec::new(),
        refused: None,
    };
    if let Err(why) = fill(&mut out, filter, plans) {
        out.refused = Some(why);
    }
    out
}

fn fill(out: &mut Suite, filter: Option<&Regex>, plans: &Plans) -> Result<(), String> {
    let most = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    let text = text(&out.path, most, "split it into several files");
    out.text = text.map_err(|why| format!("{}: {why}", out.shown))?;
    if head(&out.text).0.is_some() && out.text.contains("kind: AnalysisTemplate") {
        return Err(format!(
            "{}: this is a template, not a test of one; test files end with .test.yaml and name \
             their template (docs/template-tests.md)",
            out.shown
        ));
    }
    let (file, found) = read(&out.text);
    let Some(file) = file else {
        return Err(rendered(out, &found));
    };
    let path = beside(&out.path, &file.template.value);
    out.template_path = Some(path.clone());
    let template = template(&path).map_err(|why| {
        let at = Diagnostic::error("T001", why.0).at(Some(file.template.place));
        format!("{}{}", rendered(out, &[at]), why.1)
    })?;
    out.template = template.0.name.to_string();
    out.cases = cases(out, file, &template, filter, plans);
    Ok(())
}

fn cases(
    suite: &Suite,
    file: TestFile,
    template: &(Template, Arc<str>),
    filter: Option<&Regex>,
    plans: &Plans,
) -> Vec<Case> {
    let wanted = |test: &Test| filter.is_none_or(|filter| filter.is_match(&test.name.value));
    let tests = file.tests.into_iter().filter(wanted);
    // What the file says for all its tests is wrong once.
    let mut told: Vec<Diagnostic> = Vec::new();
    let case = |test: Test| {
        let files = files_of(suite, &test);
        let prepared = files.and_then(|files| {
            let (template, text) = template;
            prepare(&test, (template, text), &files, plans)
        });
        let prepared = prepared.map_err(|mut found| {
            found.retain(|said| !told.contains(said));
            told.extend(found.iter().cloned());
            rendered(suite, &found)
        });
        Case { test, prepared }
    };
    tests.map(case).collect()
}

/// Diagnostics with their source lines.
fn rendered(suite: &Suite, found: &[Diagnostic]) -> String {
    let lines: Vec<String> = found
        .iter()
        .map(|said| said.render(&suite.shown, &suite.text))
        .collect();
    lines.join("\n")
}

/// A path as a test file means it.
fn beside(file: &Path, named: &str) -> PathBuf {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    folder.join(named)
}

/// The template with its text; the error is what to say at its name, and the rest.
fn template(path: &Path) -> Result<(Template, Arc<str>), (String, String)> {
    let bundle = template_files::bundle_of(path).map_err(|why| (why, String::new()))?;
    let shown = path.display().to_string();
    let template = template_files::parsed(&shown, &bundle).map_err(|why| {
        let said = format!("the template cannot be used; `haldane lint {shown}` says the same");
        (said, format!("\n{why}"))
    })?;
    Ok((template, Arc::from(bundle.text)))
}

/// Whatever a test names beside its template.
fn files_of(suite: &Suite, test: &Test) -> Result<Files, Vec<Diagnostic>> {
    let mut out = Files::default();
    let mut found = Vec::new();
    let mut said = |at: &Written<String>, why: String| {
        let message = format!("{}: {why}", beside(&suite.path, &at.value).display());
        found.push(Diagnostic::error("T001", message).at(Some(at.place)));
    };
    match &test.source {
        Source::Metrics(metrics) => {
            for file in metrics.values().filter_map(|data| data.csv.as_ref()) {
                match table(&beside(&suite.path, &file.value)) {
                    Ok(table) => {
                        out.tables.insert(file.value.clone(), table);
                    }
                    Err(why) => said(file, why),
                }
            }
        }
        Source::Recording(file) => {
            match crate::recording::read(&beside(&suite.path, &file.value)) {
                Ok(recording) => out.recording = Some(recording),
                // It names the file itself.
                Err(fault) => {
                    let said = Diagnostic::error("T001", fault.message);
                    found.push(said.at(Some(file.place)));
                }
            }
        }
        Source::Scenario(file, _) => match scenario(&beside(&suite.path, &file.value)) {
            Ok(scenario) => out.scenario = Some(scenario),
            Err(why) => said(file, why),
        },
    }
    if found.is_empty() {
        Ok(out)
    } else {
        Err(found)
    }
}

fn table(path: &Path) -> Result<Table, String> {
    Table::read(&bytes(path, TABLE_BYTES_MAX, "test a shorter window")?)
}

fn scenario(path: &Path) -> Result<Scenario, String> {
    let most = u64::try_from(SCENARIO_BYTES_MAX).unwrap_or(u64::MAX);
    let text = text(path, most, "split it into several scenarios")?;
    scenarios::read(&text).map_err(|found| {
        let first = found.first().map(ToString::to_string);
        format!("the scenario is refused: {}", first.unwrap_or_default())
    })
}
