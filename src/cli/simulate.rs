//! `haldane simulate`: scenarios judged in simulated time, written as history, or served to a real
//! Prometheus.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::{simulate_report, simulate_targets, working};
use crate::serve::template_files;
use crate::simulate::openmetrics;
use crate::simulate::outcome::{self, Outcome};
use crate::simulate::read::{SCENARIO_BYTES_MAX, read};
use crate::simulate::run::Ready;
use crate::simulate::scenario::Scenario;
use crate::simulate::work::{Progress, Workers};
use crate::template::Template;
use crate::time::Timestamp;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `haldane simulate`
#[derive(Clone, Debug, clap::Args)]
pub struct SimulateArgs {
    /// Scenarios, or folders of them
    #[arg(default_value = "simulations")]
    pub files: Vec<PathBuf>,
    /// Runs of each scenario, each with the next seed; with more than one, rates are required
    #[arg(
        long,
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
        value_name = "N"
    )]
    pub runs: u32,
    /// The seed of the first run; that of each scenario without
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Threads; as many as there are cores without. Results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub jobs: Option<u16>,
    /// How the answer is written
    #[arg(
        short = 'o',
        long,
        value_enum,
        default_value_t = ReportFormat::Text,
        value_name = "FORMAT"
    )]
    pub output: ReportFormat,
    /// Judge by this template instead of those the scenarios name
    #[arg(short = 't', long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Move the scenario to another instant (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    pub start: Option<String>,
    /// Write the traffic of one scenario as OpenMetrics with timestamps (- is stdout) and judge
    /// nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["serve", "runs"])]
    pub openmetrics: Option<PathBuf>,
    /// Serve the pods of one scenario as scrape targets until Ctrl-C, in real time, with a document
    /// for http_sd at /sd
    #[arg(long, value_name = "ADDRESS", conflicts_with = "runs")]
    pub serve: Option<String>,
    /// With --serve: so many times faster than life
    #[arg(long, default_value_t = 1, requires = "serve",
        value_parser = clap::value_parser!(u32).range(1..=600), value_name = "FACTOR")]
    pub speed: u32,
    /// With --serve: so long until the start of the scenario, in its own time
    #[arg(long, default_value = "1m", requires = "serve", value_name = "LENGTH")]
    pub lead: String,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For comments and job summaries.
    Markdown,
}

/// A scenario with its file.
pub(super) struct Loaded {
    pub(super) file: PathBuf,
    pub(super) ready: Ready,
}

/// What came of one scenario.
pub(super) struct Done {
    pub(super) file: PathBuf,
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) outcomes: Vec<Outcome>,
}

/// Runs the command.
pub(crate) async fn run(args: SimulateArgs, output: &mut Output) -> Exit {
    let done = simulate(args, output).await;
    crate::cli::ended(done, output)
}

async fn simulate(args: SimulateArgs, output: &mut Output) -> Result<Exit, Fault> {
    let scenarios = load_all(&args)?;
    if let Some(file) = &args.openmetrics {
        return write_history(&args, one(&scenarios, "--openmetrics")?, file, output);
    }
    if let Some(address) = &args.serve {
        let scenario = one(&scenarios, "--serve")?;
        return simulate_targets::serve(&args, scenario, address, output).await;
    }
    let (format, runs) = (args.output, args.runs);
    let work = move |progress: &Progress| judged(&args, scenarios, progress);
    let done = working::shown(output, work).await?;
    output.data(&match format {
        ReportFormat::Text => simulate_report::text(&done, runs, output.style),
        ReportFormat::Json => simulate_report::json(&done, runs),
        ReportFormat::Markdown => simulate_report::markdown(&done, runs),
    });
    let all = done.iter().flat_map(|one| &one.outcomes);
    Ok(if all.into_iter().all(|outcome| outcome.passed) {
        Exit::Clean
    } else {
        Exit::Rollback
    })
}

fn judged(
    args: &SimulateArgs,
    scenarios: Vec<Loaded>,
    progress: &Progress,
) -> Result<Vec<Done>, Fault> {
    let jobs = working::threads(args.jobs);
    let workers = Workers::new(jobs, progress).map_err(|why| (Exit::Internal, why))?;
    let runs = usize::try_from(args.runs).unwrap_or(usize::MAX);
    workers.expect(scenarios.len() * runs);
    let done = scenarios.into_iter().map(|loaded| {
        let Loaded { file, ready } = loaded;
        let seed = args.seed.unwrap_or(ready.scenario().spec.seed);
        let outcomes = outcome::judge(&ready, seed, runs, &workers)
            .map_err(|why| (Exit::Usage, format!("{}: {why}", file.display())))?;
        Ok(Done {
            file,
            scenario: ready.scenario().clone(),
            seed,
            outcomes,
        })
    });
    done.collect()
}

fn write_history(
    args: &SimulateArgs,
    loaded: &Loaded,
    file: &Path,
    output: &mut Output,
) -> Result<Exit, Fault> {
    let ready = &loaded.ready;
    let traffic = ready.traffic(args.seed.unwrap_or(ready.scenario().spec.seed));
    let (from, to) = ready.reach();
    let text = openmetrics::history(&traffic, ready.start(), from, to);
    if file == Path::new("-") {
        output.write(&text);
        return Ok(Exit::Clean);
    }
    let shown = file.display();
    std::fs::write(file, text)
        .map_err(|fault| (Exit::Unavailable, format!("--openmetrics {shown}: {fault}")))?;
    output.note(&format!(
        "{shown}: {from} to {to}, the scenario starts at {}; load it with\n  \
         promtool tsdb create-blocks-from openmetrics {shown} data/",
        ready.start()
    ));
    Ok(Exit::Clean)
}

/// The only scenario.
fn one<'a>(scenarios: &'a [Loaded], flag: &str) -> Result<&'a Loaded, Fault> {
    match scenarios {
        [one] => Ok(one),
        many => Err(usage(format!(
            "{flag} is for one scenario, not for {}; name its file",
            many.len()
        ))),
    }
}

fn load_all(args: &SimulateArgs) -> Result<Vec<Loaded>, Fault> {
    let start = args.start.as_ref().map(|text| {
        Timestamp::parse(text).ok_or_else(|| {
            usage(format!(
                "--start `{text}` is no instant; write 2026-03-01T12:00:00Z"
            ))
        })
    });
    let start = start.transpose()?;
    let mut out = Vec::new();
    for path in &args.files {
        for (file, text) in texts(path)? {
            let scenario = read(&text).map_err(|found| {
                let shown = file.display().to_string();
                let lines: Vec<String> = found.iter().map(|d| d.render(&shown, &text)).collect();
                usage(format!("scenario {shown} is refused\n{}", lines.join("\n")))
            })?;
            if scenario.spec.rollouts.is_empty() {
                let shown = file.display();
                let way_out = "write at least one under `rollouts`";
                return Err(usage(format!(
                    "{shown}: nothing is judged in it; {way_out}"
                )));
            }
            let templates = templates(&file, &scenario, args.template.as_deref())?;
            let ready = Ready::new(scenario, &templates, start)
                .map_err(|why| usage(format!("{}: {why}", file.display())))?;
            out.push(Loaded { file, ready });
        }
    }
    Ok(out)
}

/// The template of each rollout, with its text.
fn templates(
    file: &Path,
    scenario: &Scenario,
    instead: Option<&Path>,
) -> Result<Vec<(Template, Arc<str>)>, Fault> {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let rollouts = scenario.spec.rollouts.iter().map(|rollout| {
        let named = folder.join(&rollout.template.value);
        let path = instead.unwrap_or(&named);
        let bundle = template_files::bundle_of(path).map_err(usage)?;
        let shown = path.display().to_string();
        let template = template_files::parsed(&shown, &bundle).map_err(usage)?;
        Ok((template, Arc::from(bundle.text)))
    });
    rollouts.collect()
}

/// The file itself, or every scenario of a folder in the order of names; templates that lie beside
/// scenarios are left out.
fn texts(path: &Path) -> Result<Vec<(PathBuf, String)>, Fault> {
    if !path.is_dir() {
        return Ok(vec![(path.to_owned(), text_of(path)?)]);
    }
    let fault = |fault: std::io::Error| usage(format!("{}: {fault}", path.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fault)? {
        let file = entry.map_err(fault)?.path();
        let extension = file.extension();
        if extension.is_some_and(|e| e == "yaml" || e == "yml") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    let mut out = Vec::new();
    for file in files {
        let text = text_of(&file)?;
        if !text
            .lines()
            .any(|line| line.trim_end() == "kind: AnalysisTemplate")
        {
            out.push((file, text));
        }
    }
    if out.is_empty() {
        let shown = path.display();
        return Err(usage(format!(
            "{shown}: it holds no scenario; name a file or another folder"
        )));
    }
    Ok(out)
}

fn text_of(file: &Path) -> Result<String, Fault> {
    let most = u64::try_from(SCENARIO_BYTES_MAX).unwrap_or(u64::MAX);
    crate::cli::read::text(file, most, "no scenario is as long")
        .map_err(|why| usage(format!("{}: {why}", file.display())))
}

/// A fault of what was asked.
pub(super) fn usage(message: impl Into<String>) -> Fault {
    (Exit::Usage, message.into())
}
