//! What `haldane test` was asked, and which files it means.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use clap::ValueEnum;
use regex::Regex;
use std::path::{Path, PathBuf};

/// How deep folders are searched; what lies deeper is left out.
const FOLDERS_DEEP_MAX: usize = 16;

/// Test files of one run; more are refused.
const FILES_MAX: usize = 10_000;

/// What the name of a test file ends with, where a folder is searched.
const ENDINGS: [&str; 2] = [".test.yaml", ".test.yml"];

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// JUnit's XML, for CI.
    Junit,
}

/// `haldane test`
#[derive(Clone, Debug, clap::Args)]
pub struct TestArgs {
    /// Test files, patterns such as 'tests/*.yaml', or folders: those are searched for *.test.yaml
    #[arg(
        default_value = "analysis-templates",
        value_name = "FILE|PATTERN|FOLDER"
    )]
    pub files: Vec<String>,
    /// Only tests whose name matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<String>,
    /// Run each test under so many seeds, its own and those after it, and say how many hold
    #[arg(
        long,
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        value_name = "N"
    )]
    pub seeds: u32,
    /// The first seed of every test, instead of its own
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Threads; as many as there are cores without. Results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub jobs: Option<u16>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = TestFormat::Text, value_name = "FORMAT")]
    pub output: TestFormat,
    /// Write JUnit's XML to this file as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Fail when a template of a folder that is searched has no test
    #[arg(long)]
    pub require_tests: bool,
    /// Write what came into the expectations of failing tests, where words can be replaced;
    /// comments stay
    #[arg(long, conflicts_with_all = ["seeds", "seed"])]
    pub update: bool,
}

/// A fault of what was asked.
pub(super) fn usage(message: impl Into<String>) -> Fault {
    (Exit::Usage, message.into())
}

/// The files that are meant, each once, in order; and the folders that were searched.
pub(super) fn found(args: &TestArgs) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Fault> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for name in &args.files {
        let path = Path::new(name);
        let before = files.len();
        if path.is_dir() {
            search(path, 0, &mut files, &mut folders)?;
        } else if path.exists() {
            files.push(path.to_owned());
        } else if name.contains(['*', '?']) {
            matching(name, &mut files)?;
        } else {
            let help = "name a test file, or a folder with *.test.yaml in it";
            return Err(usage(format!(
                "{name}: there is no such file or folder; {help}"
            )));
        }
        if files.len() == before && !args.require_tests {
            let help = "a folder is searched for *.test.yaml, a pattern has * and ?";
            return Err(usage(format!("{name}: no test file is there; {help}")));
        }
        if files.len() > FILES_MAX {
            return Err(usage(format!(
                "more than {FILES_MAX} test files; name fewer"
            )));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok((files, folders))
}

/// What is in a folder, in the order of names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let fault = |fault: std::io::Error| usage(format!("{}: {fault}", folder.display()));
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        out.push(entry.map_err(fault)?.path());
    }
    out.sort();
    Ok(out)
}

fn named(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether a file is one of tests by its name.
pub(super) fn is_test(path: &Path) -> bool {
    let name = named(path);
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn search(
    folder: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
    folders: &mut Vec<PathBuf>,
) -> Result<(), Fault> {
    folders.push(folder.to_owned());
    for path in entries(folder)? {
        let hidden = named(&path).starts_with('.');
        if path.is_dir() && !hidden && depth < FOLDERS_DEEP_MAX {
            search(&path, depth + 1, files, folders)?;
        } else if is_test(&path) && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// A pattern no shell has expanded: `*` and `?` stand for letters within one name.
fn matching(pattern: &str, files: &mut Vec<PathBuf>) -> Result<(), Fault> {
    let whole = Path::new(pattern);
    let mut reached = vec![PathBuf::new()];
    for part in whole.components() {
        let part = part.as_os_str();
        let text = part.to_string_lossy();
        if !text.contains(['*', '?']) {
            for path in &mut reached {
                path.push(part);
            }
            continue;
        }
        let name = regex::escape(&text)
            .replace("\\*", ".*")
            .replace("\\?", ".");
        let name = Regex::new(&format!("^{name}$"))
            .map_err(|fault| usage(format!("{pattern}: {fault}")))?;
        let mut next = Vec::new();
        for path in reached.drain(..) {
            let folder = if path.as_os_str().is_empty() {
                Path::new(".")
            } else {
                path.as_path()
            };
            if !folder.is_dir() {
                continue;
            }
            let inside = entries(folder)?;
            let hits = inside.iter().map(|entry| named(entry));
            let hits = hits.filter(|entry| name.is_match(entry) && !entry.starts_with('.'));
            next.extend(hits.map(|entry| path.join(entry)));
        }
        reached = next;
    }
    files.extend(reached.into_iter().filter(|path| path.is_file()));
    Ok(())
}
