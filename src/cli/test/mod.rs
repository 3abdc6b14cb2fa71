//! `haldane test`: unit tests of templates.

mod flags;
pub(crate) mod junit;
mod load;
mod show;

pub use crate::cli::test::flags::{TestArgs, TestFormat};

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::style::Style;
use crate::cli::test::flags::{found, usage};
use crate::cli::test::load::{Suite, suites};
use crate::cli::working;
use crate::judge::sequential::{Detail, Tables};
use crate::rehearse::compare::{Miss, misses};
use crate::rehearse::read::read;
use crate::rehearse::run::Outcome;
use crate::rehearse::update::updated;
use crate::serve::template_files;
use crate::simulate::share::Share;
use crate::simulate::work::{Progress, Workers};
use std::path::PathBuf;

/// The share of seeds under which a test may fail: the `false_rollback` of a template that does not
/// name its own. A larger one is broken when the data show it, not when chance could have done it.
const FLAKY_ALLOWED: f64 = 0.05;

/// One run of a test.
struct Ran {
    seed: u64,
    outcome: Outcome,
    misses: Vec<Miss>,
}

/// What came of a test.
enum Came {
    /// It could not be run.
    Refused(String),
    /// It ran: under its own seed, and how many seeds hold.
    Ran {
        /// The run that is shown: the first that failed, else the first.
        shown: Box<Ran>,
        /// Under how many seeds it holds.
        held: usize,
        /// Of how many.
        of: usize,
        passed: bool,
    },
}

impl Came {
    const fn passed(&self) -> bool {
        matches!(self, Self::Ran { passed: true, .. })
    }
}

/// A test file with what came of each of its tests.
struct Done {
    suite: Suite,
    came: Vec<Came>,
}

/// Everything that is to be said.
struct Told {
    done: Vec<Done>,
    /// Templates without a test, where they are required.
    untested: Vec<PathBuf>,
    /// What `--update` did.
    notes: Vec<String>,
}

/// Runs the command.
pub(crate) async fn run(args: TestArgs, output: &mut Output) -> Exit {
    let style = output.style;
    let done = working::shown(output, move |progress| tested(&args, style, progress)).await;
    let done = done.map(|(text, exit)| {
        output.data(&text);
        exit
    });
    crate::cli::ended(done, output)
}

fn tested(args: &TestArgs, style: Style, progress: &Progress) -> Result<(String, Exit), Fault> {
    let (files, folders) = found(args)?;
    let suites = suites(args, files)?;
    let cases = suites.iter().map(|suite| suite.cases.len()).sum::<usize>();
    let refused = suites.iter().any(|suite| suite.refused.is_some());
    if let (Some(filter), 0, false) = (&args.filter, cases, refused) {
        return Err(usage(format!(
            "--filter `{filter}`: no test has such a name"
        )));
    }
    let mut told = Told {
        untested: untested(args, &suites, folders)?,
        done: all(args, suites, progress)?,
        notes: Vec::new(),
    };
    if args.update {
        update(&mut told);
    }
    if let Some(file) = &args.junit {
        std::fs::write(file, junit::xml(&told))
            .map_err(|fault| usage(format!("--junit {}: {fault}", file.display())))?;
    }
    let text = match args.output {
        TestFormat::Text => show::text(&told, style),
        TestFormat::Json => show::json(&told),
        TestFormat::Junit => junit::xml(&told),
    };
    Ok((text, exit_of(&told)))
}

fn exit_of(told: &Told) -> Exit {
    let came = || told.done.iter().flat_map(|done| &done.came);
    let unread = told.done.iter().any(|done| done.suite.refused.is_some());
    let refused = |came: &Came| matches!(came, Came::Refused(_));
    if unread || came().any(refused) {
        Exit::Usage
    } else if !told.untested.is_empty() || came().any(|came| !came.passed()) {
        Exit::Rollback
    } else {
        Exit::Clean
    }
}

/// One run to be made: which file, which test of it, its seed, and whether it is the test's first.
#[derive(Clone, Copy)]
struct Piece {
    suite: usize,
    case: usize,
    seed: u64,
    own: bool,
}

/// Runs every test under every seed.
fn all(args: &TestArgs, suites: Vec<Suite>, progress: &Progress) -> Result<Vec<Done>, Fault> {
    let jobs = working::threads(args.jobs);
    let workers = Workers::new(jobs, progress).map_err(|why| (Exit::Internal, why))?;
    let tables = Tables::default();
    let pieces = pieces(args, &suites);
    workers.expect(pieces.len());
    let runs = workers.each(pieces.len(), |idx| {
        let piece = *pieces.get(idx).ok_or("a piece is missing")?;
        let ran = ran(&suites, piece, &tables)?;
        // All that is ever shown of a run is shown of the first, or of the first that fails.
        let held = ran.misses.is_empty();
        Ok((held, piece.own.then(|| Box::new(ran))))
    });
    let mut runs = pieces.iter().zip(runs.map_err(usage)?).peekable();
    let mut came: Vec<Vec<Came>> = Vec::new();
    for (suite_idx, suite) in suites.iter().enumerate() {
        let mut mine = Vec::new();
        for (case_idx, case) in suite.cases.iter().enumerate() {
            if let Err(why) = &case.prepared {
                mine.push(Came::Refused(why.clone()));
                continue;
            }
            let (mut held, mut of, mut shown, mut worst) = (0, 0, None, None);
            while let Some((piece, (holds, full))) =
                runs.next_if(|(piece, _)| (piece.suite, piece.case) == (suite_idx, case_idx))
            {
                of += 1;
                held += usize::from(holds);
                shown = shown.or(full);
                worst = worst.or((!holds).then_some(*piece));
            }
            let own = shown.as_ref().is_some_and(|ran| ran.misses.is_empty());
            if let Some(piece) = worst.filter(|piece| !piece.own) {
                let piece = Piece { own: true, ..piece };
                shown = Some(Box::new(ran(&suites, piece, &tables).map_err(usage)?));
            }
            let broken = Share::wilson(of - held, of).low > FLAKY_ALLOWED;
            mine.extend(shown.map(|shown| Came::Ran {
                shown,
                held,
                of,
                passed: own && !broken,
            }));
        }
        came.push(mine);
    }
    let done = suites.into_iter().zip(came);
    Ok(done.map(|(suite, came)| Done { suite, came }).collect())
}

fn pieces(args: &TestArgs, suites: &[Suite]) -> Vec<Piece> {
    let mut out = Vec::new();
    for (suite, read) in suites.iter().enumerate() {
        for (case, one) in read.cases.iter().enumerate() {
            let Ok(prepared) = &one.prepared else {
                continue;
            };
            let first = args.seed.map_or(prepared.seed(), u64::from);
            let count = if prepared.is_chancy() { args.seeds } else { 1 };
            out.extend((0..count).map(|nth| Piece {
                suite,
                case,
                seed: first.wrapping_add(u64::from(nth)),
                own: nth == 0,
            }));
        }
    }
    out
}

fn ran(suites: &[Suite], piece: Piece, tables: &Tables) -> Result<Ran, String> {
    let suite = suites.get(piece.suite).ok_or("a file is missing")?;
    let case = suite.cases.get(piece.case).ok_or("a test is missing")?;
    let prepared = case.prepared.as_ref().map_err(Clone::clone)?;
    let expect = &case.test.expect;
    // Only a sentence needs everything worked out: what is decided is the same without.
    let brief = expect.sentence.is_empty() && !piece.own;
    let detail = if brief {
        Detail::Decision
    } else {
        Detail::Full
    };
    let named = |why: String| format!("{}: {}: {why}", suite.shown, case.test.name.value);
    let outcome = prepared.run(piece.seed, detail, tables).map_err(named)?;
    Ok(Ran {
        seed: piece.seed,
        misses: misses(expect, &outcome),
        outcome,
    })
}

/// The templates of the folders that were searched of which no test file was read.
fn untested(
    args: &TestArgs,
    suites: &[Suite],
    folders: Vec<PathBuf>,
) -> Result<Vec<PathBuf>, Fault> {
    if !args.require_tests {
        return Ok(Vec::new());
    }
    let real = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let tested: Vec<PathBuf> = suites
        .iter()
        .filter_map(|suite| suite.template_path.as_ref())
        .map(real)
        .collect();
    let mut out = Vec::new();
    for folder in folders {
        let all = template_files::paths(&folder);
        let all = all.map_err(|fault| usage(format!("{}: {fault}", folder.display())))?;
        let is_template = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let kind = |line: &str| line.trim_end() == "kind: AnalysisTemplate";
            text.lines().any(kind)
        };
        let left = all.into_iter().filter(|path| !flags::is_test(path));
        out.extend(left.filter(|path| is_template(path) && !tested.contains(&real(path))));
    }
    Ok(out)
}

/// Writes what came into the expectations of failing tests.
fn update(told: &mut Told) {
    for done in &told.done {
        let wrong: Vec<&Miss> = done
            .came
            .iter()
            .filter_map(|came| match came {
                Came::Ran { shown, .. } => Some(&shown.misses),
                Came::Refused(_) => None,
            })
            .flatten()
            .collect();
        if wrong.is_empty() {
            continue;
        }
        let suite = &done.suite;
        let written = updated(&suite.text, &wrong).and_then(|fresh| {
            holds(done, &fresh)?;
            std::fs::write(&suite.path, fresh).map_err(|fault| fault.to_string())
        });
        told.notes.push(match written {
            Ok(()) => format!("{}: {} expectations updated", suite.shown, wrong.len()),
            Err(why) => format!("{}: not updated: {why}", suite.shown),
        });
    }
}

/// Whether a file as it would be written is met by everything that came.
fn holds(done: &Done, fresh: &str) -> Result<(), String> {
    let (file, _) = read(fresh);
    let file = file.ok_or("it could not be read any more")?;
    for (case, came) in done.suite.cases.iter().zip(&done.came) {
        let Came::Ran { shown, .. } = came else {
            continue;
        };
        let name = &case.test.name.value;
        let mut tests = file.tests.iter();
        let test = tests.find(|test| test.name.value == *name);
        let test = test.ok_or_else(|| format!("`{name}` would be gone"))?;
        if !misses(&test.expect, &shown.outcome).is_empty() {
            return Err(format!(
                "what is right for `{name}` is wrong for another test"
            ));
        }
    }
    Ok(())
}
