//! `haldane conformance`: asks a daemon what every controller would ask, checks each answer, and
//! says what the controller would make of it.

mod compare;
mod show;
mod stage;
pub mod vectors;

use crate::cli::args::DaemonArgs;
use crate::cli::client::{Client, Exchange, Fault};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::read;
use crate::cli::style::plain;
use crate::http::wire::{TemplateItem, path_segment};
use crate::wire::conformance::{self, Case, Suite};
use clap::ValueEnum;
use stage::{Setting, Stage};
use std::path::PathBuf;

/// The longest file of vectors in bytes; a longer one is refused. Thousands of cases fit in it.
const VECTORS_BYTES_MAX: u64 = 4 << 20;

/// Files of vectors in one run; more are refused. Each controller has one.
const VECTORS_FILES_MAX: usize = 100;

/// Cases of one run; more are refused. Each makes an analysis, and a daemon's places are limited.
const CASES_MAX: usize = 10_000;

/// `haldane conformance`
#[derive(Clone, Debug, clap::Args)]
pub struct ConformanceArgs {
    /// The daemon's address; analyses are made and decided there, so it must not be one that
    /// decides about rollouts
    #[arg(
        env = "HALDANE_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:7070"
    )]
    pub url: String,
    /// A file with a bearer token that may override
    #[arg(
        long,
        env = "HALDANE_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub token_file: Option<PathBuf>,
    /// One of the daemon's bindings whose service is `{{name}}`, for the cases that need one
    #[arg(long, value_name = "NAME")]
    pub binding: Option<String>,
    /// One of the daemon's templates that needs no input, for the cases that need one
    #[arg(long, value_name = "NAME")]
    pub template: Option<String>,
    /// Only this controller, or only this case; may be repeated
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Vectors of your own instead of those that come with the program; may be repeated
    #[arg(long, value_name = "FILE")]
    pub vectors: Vec<PathBuf>,
    /// How the answer is written
    #[arg(
        short = 'o',
        long,
        value_enum,
        default_value_t = ConformanceFormat::Table,
        value_name = "FORMAT"
    )]
    pub output: ConformanceFormat,
}

/// How the results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConformanceFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// The XML that CI systems read.
    Junit,
}

/// What came of one case.
#[derive(Debug)]
pub(crate) enum Came {
    /// The answer, and in what it differs.
    Answered(Exchange, Vec<String>),
    /// It could not be asked, which is a difference too.
    Failed(String),
    /// It was not asked.
    Skipped(String),
}

impl Came {
    /// Whether something is not as it must be.
    pub(crate) fn differs(&self) -> bool {
        match self {
            Self::Answered(_, differences) => !differences.is_empty(),
            Self::Failed(_) => true,
            Self::Skipped(_) => false,
        }
    }
}

/// A controller's cases with what came of each.
pub(crate) struct Ran {
    pub(crate) suite: Suite,
    pub(crate) cases: Vec<(Case, Came)>,
}

/// Runs the command.
pub(crate) async fn run(args: &ConformanceArgs, output: &mut Output) -> Exit {
    let done = conform(args, output).await;
    crate::cli::ended(done, output)
}

async fn conform(args: &ConformanceArgs, output: &mut Output) -> Result<Exit, Fault> {
    let suites = chosen(all(&args.vectors)?, &args.only)?;
    let count: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    if count > CASES_MAX {
        let message = format!(
            "{count} cases, and {CASES_MAX} is the most of one run; choose some with --only"
        );
        return Err((Exit::Usage, message));
    }
    let client = Client::new(&DaemonArgs {
        server: args.url.clone(),
        token_file: args.token_file.clone(),
    })?;
    if let Some(name) = &args.template {
        needs_no_input(&client, name).await?;
    }
    let setting = Setting {
        binding: args.binding.clone(),
        template: args.template.clone(),
        token: client.token().map(str::to_owned),
    };
    // A name for the services of this run, which no other run has.
    let fresh = uuid::Uuid::now_v7().simple().to_string();
    let run = fresh.get(20..).unwrap_or(&fresh);
    let mut number = 0;
    let mut ran = Vec::new();
    for mut suite in suites {
        let mut cases = Vec::new();
        for case in std::mem::take(&mut suite.cases) {
            number += 1;
            output.progress(&format!("{} {}", suite.controller, case.id), false);
            let came = asked(&client, &setting, (run, number), &case).await?;
            cases.push((case, came));
        }
        ran.push(Ran { suite, cases });
    }
    match args.output {
        ConformanceFormat::Table => output.data(&show::table(&ran, output.style)),
        ConformanceFormat::Json => output.data(&show::json(&ran)),
        ConformanceFormat::Junit => output.data(&show::junit(&ran)),
    }
    Ok(ending(&ran, output))
}

/// Every case with a template would differ for a reason that is none of the daemon's.
async fn needs_no_input(client: &Client, name: &str) -> Result<(), Fault> {
    let path = format!("v1/templates/{}", path_segment(name));
    let template: TemplateItem = client.get(&path).await?.read()?;
    let needed = template.inputs.iter().find(|input| input.default.is_none());
    let Some(input) = needed else {
        return Ok(());
    };
    let message = format!(
        "--template `{name}` needs the input `{}`, which no case gives; name one that needs none, \
         such as that of docs/controllers.md",
        plain(&input.name)
    );
    Err((Exit::Usage, message))
}

/// What the run ends with. Where nothing was asked nothing was shown, and that is no success (A5).
fn ending(ran: &[Ran], output: &mut Output) -> Exit {
    let all = || ran.iter().flat_map(|one| &one.cases).map(|(_, came)| came);
    if all().any(Came::differs) {
        return Exit::Rollback;
    }
    let skipped = |came: &Came| matches!(came, Came::Skipped(_));
    if !all().all(skipped) {
        return Exit::Clean;
    }
    let why = match all().count() {
        0 => "there is no case".to_owned(),
        n => format!(
            "{n} skipped, each with its reason; give what they need, or choose others with --only"
        ),
    };
    output.complain(&format!("nothing was asked, so nothing is shown: {why}"));
    Exit::Inconclusive
}

/// One case from its stage to what came of it.
async fn asked(
    client: &Client,
    setting: &Setting,
    name: (&str, usize),
    case: &Case,
) -> Result<Came, Fault> {
    if let Some(why) = setting.lacks(case) {
        return Ok(Came::Skipped(why));
    }
    let mut stage = Stage::new(client, setting, name);
    let came = answered(&mut stage, case).await;
    // A fault must not leave an analysis under way either; it is what is told.
    let cleared = stage.clear().await;
    let came = came?;
    cleared.map(|()| came)
}

async fn answered(stage: &mut Stage<'_>, case: &Case) -> Result<Came, Fault> {
    if let Err(why) = stage.set(case).await? {
        return Ok(Came::Failed(why));
    }
    Ok(match stage.send(&case.request).await? {
        Err(why) => Came::Failed(why),
        Ok(got) => {
            let differences = compare::differences(&case.answer, &got, &stage.values);
            Came::Answered(got, differences)
        }
    })
}

/// The suites of these files, or those that come with the program.
fn all(files: &[PathBuf]) -> Result<Vec<Suite>, Fault> {
    let usage = |file: &PathBuf, why: String| {
        let message = format!("--vectors {}: {why}", file.display());
        (Exit::Usage, message)
    };
    if files.len() > VECTORS_FILES_MAX {
        let message = format!(
            "--vectors: {} files, and {VECTORS_FILES_MAX} is the most; run them in parts",
            files.len()
        );
        return Err((Exit::Usage, message));
    }
    if !files.is_empty() {
        let read = |file: &PathBuf| {
            let text = read::text(file, VECTORS_BYTES_MAX, "part it into several files");
            conformance::read(&text.map_err(|why| usage(file, why))?)
                .map_err(|why| usage(file, why))
        };
        return files.iter().map(read).collect();
    }
    let read = |(file, text): &(&str, &str)| {
        conformance::read(text).map_err(|why| (Exit::Internal, format!("{file}: {why}")))
    };
    vectors::FILES.iter().map(read).collect()
}

/// The suites with the cases that are asked for.
fn chosen(mut out: Vec<Suite>, only: &[String]) -> Result<Vec<Suite>, Fault> {
    for name in only {
        let known = |suite: &Suite| {
            suite.controller == *name || suite.cases.iter().any(|case| case.id == *name)
        };
        if !out.iter().any(known) {
            let names: Vec<&str> = out.iter().map(|suite| suite.controller.as_str()).collect();
            let message = format!(
                "--only `{name}`: there is no such controller or case; controllers are {}",
                names.join(", ")
            );
            return Err((Exit::Usage, message));
        }
    }
    if !only.is_empty() {
        for suite in &mut out {
            let all = only.contains(&suite.controller);
            suite.cases.retain(|case| all || only.contains(&case.id));
        }
        out.retain(|suite| !suite.cases.is_empty());
    }
    Ok(out)
}
