//! The flags of `haldane evaluate`, and what they ask for.

use crate::cli::args::Format;
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::{pair_csv, read};
use crate::evaluate::generators;
use crate::evaluate::judges::Judge;
use crate::evaluate::labelled::{Labelled, LabelledPair};
use crate::evaluate::limits::{Limits, share_of};
use crate::evaluate::looks::Schedule;
use crate::evaluate::manifest::{self, Case};
use crate::evaluate::simulated::Simulation;
use crate::time::{Span, Step};
use std::path::{Path, PathBuf};

/// `haldane evaluate`
#[derive(Clone, Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub struct EvaluateArgs {
    /// A manifest of labelled pairs (JSON); its CSV files are found relative to it
    #[arg(long, value_name = "MANIFEST", group = "what")]
    pub pairs: Option<PathBuf>,
    /// Simulated generators: names, families (reference, off-grid, transient, burst, counts,
    /// no-data) or all
    #[arg(long, value_name = "NAME,...", group = "what")]
    pub generators: Option<String>,
    /// The judges to compare, or all
    #[arg(long, value_name = "NAME,...", default_value = "all")]
    pub judge: String,
    /// Trials per generator and strength
    #[arg(
        long,
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "N"
    )]
    pub runs: u32,
    /// Metrics per trial; the regression is in the first
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub metrics: u16,
    /// So many looks, evenly; 60 for generators without, see --look-points for pairs
    #[arg(
        long,
        value_parser = clap::value_parser!(u16).range(1..),
        conflicts_with = "look_points",
        value_name = "N"
    )]
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
    /// The history holds the canary's population as well
    #[arg(long)]
    pub offset: bool,
    /// Compare judges at equal false rollback as well: many times the work
    #[arg(long)]
    pub roc: bool,
    /// The seed of everything simulated
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Threads; as many as there are cores without. Results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub jobs: Option<u16>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
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

/// Samples of a simulated trial; a longer one is refused, as a template with more would be.
const POINTS_MAX: usize = 11_000;

/// What was asked, as far as it is read.
pub(super) struct Asked<'a> {
    pub(super) args: &'a EvaluateArgs,
    pub(super) judges: Vec<Judge>,
    pub(super) alpha: f64,
    pub(super) limits: Limits,
}

impl<'a> Asked<'a> {
    /// Reads what both kinds of work need.
    pub(super) fn of(args: &'a EvaluateArgs) -> Result<Self, Fault> {
        let judges = match args.judge.trim() {
            "all" => Judge::select(&Judge::names().join(",")),
            list => Judge::select(list),
        };
        let alpha = share_of(&args.alpha).filter(|alpha| *alpha > 0.0 && *alpha < 1.0);
        let text = &args.alpha;
        Ok(Self {
            args,
            judges: judges.map_err(|why| usage(format!("--judge: {why}")))?,
            alpha: alpha.ok_or_else(|| {
                usage(format!(
                    "--alpha `{text}` is no share above 0 and below 1; write 5%"
                ))
            })?,
            limits: Limits::parse(&args.min_effect)
                .map_err(|why| usage(format!("--min-effect: {why}")))?,
        })
    }

    fn schedule(&self, usual: Schedule) -> Result<Schedule, Fault> {
        match (&self.args.look_points, self.args.looks) {
            (Some(points), _) => {
                Schedule::parse_points(points).map_err(|why| usage(format!("--look-points: {why}")))
            }
            (None, Some(looks)) => Ok(Schedule::Even(usize::from(looks))),
            (None, None) => Ok(usual),
        }
    }

    pub(super) fn simulation(&self) -> Result<Option<Simulation>, Fault> {
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
            offset: args.offset,
            seed: args.seed,
        }))
    }

    pub(super) fn labelled(&self) -> Result<Option<Labelled>, Fault> {
        let Some(file) = &self.args.pairs else {
            return Ok(None);
        };
        let shown = file.display();
        let text = read::text(file, MANIFEST_BYTES_MAX, "part it")
            .map_err(|why| usage(format!("--pairs {shown}: {why}")))?;
        let cases =
            manifest::parse(&text).map_err(|why| usage(format!("--pairs {shown}: {why}")))?;
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

fn pair(folder: &Path, case: Case) -> Result<LabelledPair, Fault> {
    let file = folder.join(&case.file);
    let fault = |why: String| {
        let (id, shown) = (&case.id, file.display());
        usage(format!("case `{id}`, {shown}: {why}"))
    };
    let bytes = read::bytes(&file, PAIR_BYTES_MAX, "shorten the window").map_err(fault)?;
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

/// A fault of what was asked.
pub(super) fn usage(message: impl Into<String>) -> Fault {
    (Exit::Usage, message.into())
}
