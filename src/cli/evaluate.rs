//! `haldane evaluate`: judges over generators and labelled pairs, side by side.

use crate::cli::args::Format;
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::pair_csv;
use crate::evaluate::generators;
use crate::evaluate::judges::Judge;
use crate::evaluate::labelled::{Labelled, LabelledPair};
use crate::evaluate::limits::{Limits, share_of};
use crate::evaluate::looks::Schedule;
use crate::evaluate::manifest::{self, Case};
use crate::evaluate::report::Report;
use crate::evaluate::roc;
use crate::evaluate::simulated::Simulation;
use crate::evaluate::trial::Path as Said;
use crate::evaluate::work::{Progress, Workers};
use crate::time::{Span, Step};
use crate::units::trim_number;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// `haldane evaluate`
#[derive(Clone, Debug, clap::Args)]
pub struct EvaluateArgs {
    /// A manifest of labelled pairs (JSON); its CSV files are found relative to it
    #[arg(long, value_name = "MANIFEST", required_unless_present = "generators")]
    pub pairs: Option<PathBuf>,
    /// Simulated generators: names, families (reference, off-grid, transient, burst, counts,
    /// no-data) or all
    #[arg(long, value_name = "NAME,...")]
    pub generators: Option<String>,
    /// The judges to compare, or all
    #[arg(long, value_name = "NAME,...", default_value = "all")]
    pub judge: String,
    /// Trials per generator and strength
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Metrics per trial; the regression is in the first
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub metrics: u16,
    /// So many looks, evenly; 60 for generators without, see --look-points for pairs
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "look_points")]
    pub looks: Option<u16>,
    /// Look at these numbers of samples; two dots go on to the end. Pairs: 15,20,25.. without
    #[arg(long, value_name = "N,N,...")]
    pub look_points: Option<String>,
    /// How much worse the canary is, one table each; 0 is the null. Bursts: share of samples
    #[arg(long, value_name = "SHARE,...", default_value = "0,5%,10%,25%,50%")]
    pub shift: String,
    /// The minute at which it becomes worse
    #[arg(long, default_value_t = 0.0, value_name = "MINUTE")]
    pub onset: f64,
    /// The distance between simulated samples
    #[arg(long, default_value = "15s")]
    pub step: String,
    /// The length of a simulated trial
    #[arg(long, default_value_t = 60.0)]
    pub minutes: f64,
    /// The smallest effect that counts: one for all, or per kind of metric, as
    /// latency=10%,error_ratio=25%; 5 % for generators and a table of kinds for pairs without
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "EFFECT,..."
    )]
    pub min_effect: String,
    /// How often a healthy canary may be rolled back
    #[arg(long, default_value = "5%", value_name = "SHARE")]
    pub alpha: String,
    /// The minute before which nothing is promoted; a trial's end without
    #[arg(long, value_name = "MINUTE")]
    pub bake: Option<f64>,
    /// Minutes of history before a simulated trial
    #[arg(long, default_value_t = 0.0, value_name = "MINUTES")]
    pub history: f64,
    /// Compare judges at equal false rollback as well: many times the work
    #[arg(long)]
    pub roc: bool,
    /// The seed of everything simulated
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads; as many as there are cores without. Results do not depend on it
    #[arg(long)]
    pub jobs: Option<u16>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Write what each judge said of each pair at each look, one JSON object per line; with several
    /// judges one file each, the judge's name before the extension
    #[arg(long, value_name = "FILE", requires = "pairs")]
    pub verdicts: Option<PathBuf>,
}

/// The longest CSV file of a pair in bytes; a longer one is refused.
const PAIR_BYTES_MAX: u64 = 4 << 20;

/// The longest manifest in bytes; a longer one is refused.
const MANIFEST_BYTES_MAX: u64 = 256 << 20;

/// The most samples of a simulated trial; a longer one is refused, as a template with more would
/// be.
const POINTS_MAX: usize = 11_000;

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Every so many of those a line is worth it where there is no terminal.
const LINES_EVERY: u64 = 120;

/// Runs the command.
pub(crate) async fn run(args: EvaluateArgs, output: &mut Output) -> Exit {
    let progress = Arc::new(Progress::default());
    let watched = Arc::clone(&progress);
    let format = args.output;
    let mut work = tokio::task::spawn_blocking(move || evaluate(&args, &progress));
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    let mut count = 0_u64;
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = ticks.tick() => {
                count += 1;
                let (done, all) = watched.now();
                if all > 0 {
                    output.progress(&bar(done, all), count.is_multiple_of(LINES_EVERY));
                }
            }
        }
    };
    let report = done.unwrap_or_else(|fault| Err((Exit::Internal, fault.to_string())));
    let done = report.map(|report| {
        output.data(&match format {
            Format::Table => report.text(),
            Format::Json => report.json(),
            Format::Markdown => report.markdown(),
        });
        Exit::Clean
    });
    crate::cli::ended(done, output)
}

/// `[######..............]  31 %  1204 of 3900`
fn bar(done: usize, all: usize) -> String {
    const WIDTH: usize = 30;
    let filled = done * WIDTH / all;
    let percent = done * 100 / all;
    let (full, empty) = ("#".repeat(filled), ".".repeat(WIDTH - filled));
    format!("[{full}{empty}] {percent:>3} %  {done} of {all}")
}

/// A fault of what was asked.
fn usage(message: impl Into<String>) -> Fault {
    (Exit::Usage, message.into())
}

fn evaluate(args: &EvaluateArgs, progress: &Progress) -> Result<Report, Fault> {
    let judges = match args.judge.trim() {
        "all" => Judge::select(&Judge::names().join(",")),
        list => Judge::select(list),
    };
    let judges = judges.map_err(|why| usage(format!("--judge: {why}")))?;
    let jobs = args.jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    let workers = Workers::new(jobs, progress).map_err(|why| (Exit::Internal, why))?;
    let alpha = share_of(&args.alpha).filter(|alpha| *alpha > 0.0 && *alpha < 1.0);
    let alpha = alpha.ok_or_else(|| {
        usage(format!(
            "--alpha `{}` is no share above 0 and below 1; write 5%",
            args.alpha
        ))
    })?;
    let limits =
        Limits::parse(&args.min_effect).map_err(|why| usage(format!("--min-effect: {why}")))?;
    let mut report = Report {
        alpha,
        judges: judges.iter().map(|judge| judge.name().to_owned()).collect(),
        settings: vec![
            ("alpha", format!("{} %", trim_number(alpha * 100.0))),
            ("minimum effect", limits.text()),
        ],
        ..Report::default()
    };
    let asked = Asked {
        args,
        judges,
        alpha,
        limits,
    };
    // Everything that can be wrong with the question is said before hours of work begin.
    let simulation = asked.simulation()?;
    let labelled = asked.labelled()?;
    if let Some(simulation) = simulation {
        report
            .settings
            .extend(simulation_settings(args, &simulation));
        report.simulated = simulation.run(&workers).map_err(usage)?;
        if args.roc {
            report
                .curves
                .extend(roc::of_generators(&simulation, &workers).map_err(usage)?);
        }
    }
    if let Some(labelled) = labelled {
        let looks = labelled.schedule.text();
        report
            .settings
            .push(("pairs", format!("{}, {looks}", labelled.pairs.len())));
        workers.expect(labelled.pairs.len() * asked.judges.len());
        for judge in &asked.judges {
            let paths = labelled.paths(judge, None, &workers).map_err(usage)?;
            if let Some(file) = &args.verdicts {
                let file = verdict_file(file, judge, asked.judges.len());
                write_verdicts(&file, &labelled, &paths)?;
            }
            report.pairs.push(labelled.score(judge, &paths));
        }
        if args.roc {
            let curves = roc::of_pairs(&labelled, &asked.judges, &workers).map_err(usage)?;
            report.curves.extend(curves);
        }
    }
    Ok(report)
}

fn simulation_settings(
    args: &EvaluateArgs,
    simulation: &Simulation,
) -> Vec<(&'static str, String)> {
    let minutes = |name, value: f64| (name, format!("{} min", trim_number(value)));
    let mut out = vec![
        (
            "trials",
            format!(
                "{} of {} metric(s), {} min every {}, {}, seed {}",
                args.runs,
                args.metrics,
                trim_number(args.minutes),
                simulation.step,
                simulation.schedule.text(),
                args.seed
            ),
        ),
        minutes("onset", args.onset),
    ];
    out.extend(args.bake.map(|bake| minutes("no promote before", bake)));
    if args.history > 0.0 {
        out.push(minutes("history", args.history));
    }
    out
}

/// What was asked, as far as it is read.
struct Asked<'a> {
    args: &'a EvaluateArgs,
    judges: Vec<Judge>,
    alpha: f64,
    limits: Limits,
}

impl Asked<'_> {
    fn schedule(&self, usual: Schedule) -> Result<Schedule, Fault> {
        match (&self.args.look_points, self.args.looks) {
            (Some(points), _) => {
                Schedule::parse_points(points).map_err(|why| usage(format!("--look-points: {why}")))
            }
            (None, Some(looks)) => Ok(Schedule::Even(usize::from(looks))),
            (None, None) => Ok(usual),
        }
    }

    fn simulation(&self) -> Result<Option<Simulation>, Fault> {
        let args = self.args;
        let Some(list) = &args.generators else {
            return Ok(None);
        };
        let generators =
            generators::select(list).map_err(|why| usage(format!("--generators: {why}")))?;
        let step = Span::parse(&args.step).and_then(Step::new).ok_or_else(|| {
            usage(format!(
                "--step `{}` is no length of time above 0; write 15s",
                args.step
            ))
        })?;
        let grid = |name: &str, minutes: f64| points(name, minutes, step);
        let points = grid("minutes", args.minutes)?;
        if points == 0 {
            let minutes = args.minutes;
            return Err(usage(format!(
                "--minutes {minutes} holds no step of {step}"
            )));
        }
        let onset = grid("onset", args.onset)?;
        if onset >= points {
            let (onset, minutes) = (args.onset, args.minutes);
            return Err(usage(format!(
                "--onset {onset} is not before the end, --minutes {minutes}"
            )));
        }
        let schedule = self.schedule(Schedule::Even(60.min(points)))?;
        schedule
            .of(points)
            .map_err(|why| usage(format!("looks: {why}")))?;
        Ok(Some(Simulation {
            generators,
            judges: self.judges.clone(),
            strengths: strengths(&args.shift)?,
            trials: usize::try_from(args.runs).unwrap_or(usize::MAX),
            metrics: usize::from(args.metrics),
            points,
            step,
            schedule,
            onset,
            limits: self.limits.clone(),
            alpha: self.alpha,
            bake: args.bake.map_or(Ok(points), |bake| grid("bake", bake))?,
            history: grid("history", args.history)?,
            seed: args.seed,
        }))
    }

    fn labelled(&self) -> Result<Option<Labelled>, Fault> {
        let Some(file) = &self.args.pairs else {
            return Ok(None);
        };
        let shown = file.display();
        let text =
            read(file, MANIFEST_BYTES_MAX).map_err(|why| usage(format!("{shown}: {why}")))?;
        let text = String::from_utf8_lossy(&text);
        let cases = manifest::parse(&text).map_err(|why| usage(format!("{shown}: {why}")))?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let pairs: Result<Vec<LabelledPair>, Fault> =
            cases.into_iter().map(|case| pair(folder, case)).collect();
        Ok(Some(Labelled {
            pairs: pairs?,
            schedule: self.schedule(Schedule::pairs())?,
            limits: self.limits.clone(),
            alpha: self.alpha,
        }))
    }
}

/// Whole steps of so many minutes.
fn points(name: &str, minutes: f64, step: Step) -> Result<usize, Fault> {
    let points = (minutes * 60.0 / step.span().seconds()).round();
    if !(0.0..=POINTS_MAX as f64).contains(&points) {
        return Err(usage(format!(
            "--{name} {minutes} at a step of {step} is not 0 to {POINTS_MAX} samples"
        )));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to POINTS_MAX, checked above"
    )]
    let points = points as usize;
    Ok(points)
}

/// `0,5%,0.1`.
fn strengths(list: &str) -> Result<Vec<f64>, Fault> {
    let mut out: Vec<f64> = Vec::new();
    for word in list.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let share = share_of(word).filter(|share| (0.0..=1e6).contains(share));
        let share = share.ok_or_else(|| {
            usage(format!(
                "--shift `{word}` is no share of 0 or more; write 0,5%,10%"
            ))
        })?;
        if !out.contains(&share) {
            out.push(share);
        }
    }
    if out.is_empty() {
        return Err(usage("--shift is empty; write 0,5%,10%"));
    }
    Ok(out)
}

fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(file)
        .map_err(|fault| fault.to_string())?
        .len();
    if length > bytes_max {
        return Err(format!("it has {length} bytes, at most {bytes_max}"));
    }
    std::fs::read(file).map_err(|fault| fault.to_string())
}

fn pair(folder: &Path, case: Case) -> Result<LabelledPair, Fault> {
    let file = folder.join(&case.file);
    let fault = |why: String| {
        let (id, shown) = (&case.id, file.display());
        usage(format!("case `{id}`, {shown}: {why}"))
    };
    let bytes = read(&file, PAIR_BYTES_MAX).map_err(fault)?;
    let rows = pair_csv::read(&bytes).map_err(fault)?;
    let grid = rows.gridded().map_err(fault)?;
    if rows.seconds.is_empty() {
        return Err(fault("it has no rows".to_owned()));
    }
    Ok(LabelledPair {
        step: grid.step,
        places: grid.idx,
        baseline: rows.baseline,
        canary: rows.canary,
        case,
    })
}

/// The file of one judge: the name as given, or with the judge's name before its extension.
fn verdict_file(file: &Path, judge: &Judge, judges: usize) -> PathBuf {
    if judges == 1 {
        return file.to_owned();
    }
    let extension = file
        .extension()
        .map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    let stem = file
        .file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    file.with_file_name(format!("{stem}.{}{extension}", judge.name()))
}

fn write_verdicts(file: &Path, labelled: &Labelled, paths: &[Said]) -> Result<(), Fault> {
    let mut text = String::new();
    for (pair, path) in labelled.pairs.iter().zip(paths) {
        for (seen, said) in &path.looks {
            let line = serde_json::json!({
                "id": pair.case.id,
                "n_seen": seen,
                "verdict": said.word(),
            });
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
    }
    std::fs::write(file, text).map_err(|fault| usage(format!("{}: {fault}", file.display())))
}
