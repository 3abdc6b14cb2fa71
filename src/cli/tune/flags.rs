//! What `haldane tune` was asked.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::judge::{arm_scope, inputs, instant};
use crate::evaluate::limits::share_of;
use crate::plan::rollout::Deploy;
use crate::plan::scope::Matcher;
use crate::template::Template;
use crate::time::{Span, Timestamp};
use crate::tune::placebo::{Making, Population};
use crate::tune::propose::{Asked, wishes};
use clap::ValueEnum;
use std::path::PathBuf;

/// The most pairs of each kind; more would only read more.
const PAIRS_MAX: u32 = 100_000;

/// How far back may be looked: what one Prometheus rarely holds more of.
const HISTORY_MAX: Span = Span::from_s(400 * 86_400);

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TuneFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For comments and job summaries.
    Markdown,
}

/// `haldane tune`
#[derive(Clone, Debug, clap::Args)]
pub struct TuneArgs {
    /// Recordings, folders of them, or @LIST as for replay: those labelled good are placebo pairs,
    /// those labelled bad show what each metric finds; a Prometheus is asked without
    #[arg(value_name = "RECORDING|FOLDER|@LIST", conflicts_with = "prometheus")]
    pub recordings: Vec<String>,
    /// The template
    #[arg(short = 't', long, value_name = "FILE")]
    pub template: PathBuf,
    /// The Prometheus to ask; source settings come from the configuration otherwise
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<String>,
    /// Label matchers of the healthy population, as in PromQL: what the baseline would be
    #[arg(
        long,
        visible_alias = "scope",
        value_name = "MATCHERS",
        conflicts_with = "recordings"
    )]
    pub baseline: Option<String>,
    /// Not asked for: nothing in the history is a canary.
    #[arg(long, hide = true, value_name = "MATCHERS")]
    pub canary: Option<String>,
    /// The label that tells replicas apart, such as pod; the `per` of a metric without
    #[arg(long, value_name = "LABEL")]
    pub per: Option<String>,
    /// A value for an input of the template, as name=value; may be repeated
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub inputs: Vec<String>,
    /// How far back to look
    #[arg(
        long,
        value_name = "LENGTH",
        default_value = "14d",
        allow_hyphen_values = true
    )]
    pub history: String,
    /// Where the history ends: RFC 3339, seconds since the epoch, now, or -2d
    #[arg(
        long,
        visible_alias = "ending",
        value_name = "INSTANT",
        default_value = "now",
        allow_hyphen_values = true
    )]
    pub end: String,
    /// The most pairs of each kind; also the most windows that are read
    #[arg(long, value_name = "N", default_value_t = 200,
        value_parser = clap::value_parser!(u32).range(2..=i64::from(PAIRS_MAX)))]
    pub pairs: u32,
    /// Replicas of the placebo canary; at most half of all
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub canary_replicas: u32,
    /// How often a healthy canary may be rolled back; the template's own false_rollback without
    #[arg(long, value_name = "SHARE")]
    pub max_false_rollback: Option<String>,
    /// How many healthy canaries may end inconclusive
    #[arg(long, value_name = "SHARE", default_value = "50%")]
    pub max_inconclusive: String,
    /// A change that must be found, as '+25% within 15m' (gates with a relative limit) or
    /// 'errors:+0.5pp within 15m'; may be repeated
    #[arg(long, value_name = "CHANGE", allow_hyphen_values = true)]
    pub detect: Vec<String>,
    /// In what time the smallest change that is shown is looked for
    #[arg(
        long,
        value_name = "LENGTH",
        value_delimiter = ',',
        default_value = "15m,45m"
    )]
    pub within: Vec<String>,
    /// Threads; as many as there are cores without. Results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub jobs: Option<u16>,
    /// Of the choice of replicas and of injected events
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Configuration file (for source.*)
    #[arg(
        long,
        env = "HALDANE_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = TuneFormat::Text, value_name = "FORMAT")]
    pub output: TuneFormat,
    /// Change the template's file when the proposal is shown to do what is asked; what it was
    /// stays beside it, with .bak behind its name
    #[arg(long)]
    pub write: bool,
}

/// A fault of what was asked.
pub(super) fn usage(message: impl Into<String>) -> Fault {
    (Exit::Usage, message.into())
}

/// How pairs are made.
pub(super) fn making(args: &TuneArgs) -> Making {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    Making {
        pairs: count(args.pairs),
        canary_replicas: count(args.canary_replicas),
        seed: args.seed,
    }
}

/// What is asked of the template.
pub(super) fn asked(args: &TuneArgs, template: &Template) -> Result<Asked, Fault> {
    let max = match &args.max_false_rollback {
        None => template.judge.false_rollback.get(),
        Some(text) => share_of(text)
            .filter(|share| *share > 0.0 && *share < 1.0)
            .ok_or_else(|| {
                usage(format!(
                    "--max-false-rollback `{text}` is no share above 0 and below 1; write 1% or \
                     0.01"
                ))
            })?,
    };
    let text = &args.max_inconclusive;
    let max_inconclusive = share_of(text)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| {
            usage(format!(
                "--max-inconclusive `{text}` is no share from 0 to 1; write 20% or 0.2"
            ))
        })?;
    let mut all = Vec::new();
    for text in &args.detect {
        let found = wishes(text, template).map_err(|why| usage(format!("--detect {why}")))?;
        for wish in found {
            if wish.within > template.schedule.deadline {
                return Err(usage(format!(
                    "--detect `{text}`: the template ends after {}",
                    template.schedule.deadline
                )));
            }
            all.push(wish);
        }
    }
    Ok(Asked {
        max_false_rollback: max,
        max_inconclusive,
        wishes: all,
        seed: args.seed,
    })
}

/// The times in which changes should be shown; none beyond the deadline.
pub(super) fn within(args: &TuneArgs, template: &Template) -> Result<Vec<Span>, Fault> {
    let mut out: Vec<Span> = Vec::new();
    for text in &args.within {
        let span = Span::parse(text.trim()).filter(|span| *span > Span::ZERO);
        let span = span.ok_or_else(|| {
            usage(format!(
                "--within `{text}` is no length of time; write 15m,45m"
            ))
        })?;
        out.push(span.min(template.schedule.deadline));
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// The label of the replicas: the flag's, or that of the first metric that has one.
pub(super) fn per(args: &TuneArgs, template: &Template) -> Result<Option<String>, Fault> {
    let per = args.per.clone();
    let per = per.or_else(|| {
        template
            .metrics
            .iter()
            .find_map(|metric| metric.per.clone())
    });
    if let Some(label) = &per
        && Matcher::equals(label, "x").is_none()
    {
        return Err(usage(format!("--per `{label}` is no label name")));
    }
    Ok(per)
}

/// The population whose history is looked at.
pub(super) fn population(args: &TuneArgs, template: &Template) -> Result<Population, Fault> {
    if args.canary.is_some() {
        return Err(usage(
            "--canary is not needed: one healthy population is compared with itself; leave it out",
        ));
    }
    let Some(baseline) = &args.baseline else {
        return Err(usage(
            "--baseline is missing: the matchers of a population that was healthy, as \
             --baseline 'track=\"stable\"'; or name recordings",
        ));
    };
    let inputs = inputs(&args.inputs)?;
    Ok(Population {
        scope: arm_scope("baseline", Some(baseline))?,
        per: per(args, template)?,
        deploy: Deploy {
            service: inputs.get("service").cloned().unwrap_or_default(),
            ..Deploy::default()
        },
        inputs,
    })
}

/// The length of the history, and the last instant of it.
pub(super) fn stretch(
    args: &TuneArgs,
    template: &Template,
    now: Timestamp,
) -> Result<(Span, Timestamp), Fault> {
    let text = args.history.trim_start_matches('-');
    let history = Span::parse(text).filter(|span| *span > Span::ZERO);
    let history = history.ok_or_else(|| {
        let text = &args.history;
        usage(format!(
            "--history `{text}` is no length of time; write 14d"
        ))
    })?;
    if history > HISTORY_MAX {
        return Err(usage(format!(
            "--history {history} is more than {HISTORY_MAX}"
        )));
    }
    let end = instant("end", &args.end, now)?;
    // What is not readable yet would look like a gap.
    Ok((history, end.min(now.minus(template.schedule.lag))))
}
