//! What `haldane import` was asked, and the texts it is about.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::read;
use crate::import::{From, Wish};
use crate::template::document::TEXT_BYTES_MAX;
use crate::template::parse::DEADLINE_MAX;
use crate::time::{Span, Step};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// Whose files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// A canary config of Kayenta (JSON).
    Kayenta,
    /// AnalysisTemplate and ClusterAnalysisTemplate of Argo Rollouts (YAML).
    Argo,
    /// Canary and MetricTemplate of Flagger (YAML).
    Flagger,
}

/// Which judge an imported canary config gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportJudge {
    /// Haldane's own.
    Sequential,
    /// Kayenta's, number for number, its faults included.
    Kayenta,
}

/// `haldane import`
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// Whose files they are
    #[arg(value_enum)]
    pub tool: Tool,
    /// The files; - reads stdin. Several documents in one, and lists of objects, are fine
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Where the template goes; a folder for several. Stdout without it
    #[arg(short = 'o', long, value_name = "FILE|FOLDER/")]
    pub out: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    pub force: bool,
    /// Write the notes to this file, as Markdown, instead of stderr
    #[arg(long, value_name = "FILE")]
    pub notes: Option<PathBuf>,
    /// Of several objects, only the one of this name
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// What the template is called; as the source is called without
    #[arg(long)]
    pub name: Option<String>,
    /// The distance between points; from the source, or 1m, without
    #[arg(long, value_name = "LENGTH")]
    pub step: Option<String>,
    /// When an undecided analysis ends; from the source, or 30m, without
    #[arg(long, value_name = "LENGTH")]
    pub deadline: Option<String>,
    /// Of kayenta: the judge
    #[arg(long, value_enum)]
    pub judge: Option<ImportJudge>,
    /// Of kayenta, with --judge kayenta: the score of a pass, which the canary stage holds
    #[arg(long, value_name = "SCORE", requires = "marginal",
        value_parser = clap::value_parser!(u8).range(0..=100))]
    pub pass: Option<u8>,
    /// Of kayenta, with --judge kayenta: the score below which a canary fails
    #[arg(long, value_name = "SCORE", requires = "pass",
        value_parser = clap::value_parser!(u8).range(0..=100))]
    pub marginal: Option<u8>,
    /// Of flagger: the mesh or ingress, when the canary does not name it
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
}

pub(super) fn usage(message: impl Into<String>) -> Fault {
    (Exit::Usage, message.into())
}

/// What is asked of the import.
pub(super) fn wish(args: &ImportArgs) -> Result<Wish, Fault> {
    let of_kayenta = args.tool == Tool::Kayenta;
    let only_kayenta = [
        ("--judge", args.judge.is_some()),
        ("--pass", args.pass.is_some()),
    ];
    if let (false, Some((flag, _))) = (of_kayenta, only_kayenta.iter().find(|(_, given)| *given)) {
        return Err(usage(format!("{flag} is for canary configs of Kayenta")));
    }
    let faithful = args.judge == Some(ImportJudge::Kayenta);
    if args.pass.is_some() && !faithful {
        let why = "--pass and --marginal are scores, which only --judge kayenta decides by";
        return Err(usage(why));
    }
    if args.provider.is_some() && args.tool != Tool::Flagger {
        return Err(usage("--provider is for canaries of Flagger"));
    }
    if let (Some(pass), Some(marginal)) = (args.pass, args.marginal)
        && marginal > pass
    {
        return Err(usage(format!(
            "--marginal {marginal} lies above --pass {pass}"
        )));
    }
    let from = match args.tool {
        Tool::Kayenta => From::Kayenta {
            faithful,
            scores: args
                .pass
                .zip(args.marginal)
                .map(|(pass, marginal)| (f64::from(pass), f64::from(marginal))),
        },
        Tool::Argo => From::Argo,
        Tool::Flagger => From::Flagger {
            provider: args.provider.clone(),
        },
    };
    let step = length("--step", args.step.as_deref())?;
    let step = step.map(|step| Step::new(step).ok_or_else(|| usage("--step 0 is no step")));
    Ok(Wish {
        from,
        only: args.only.clone(),
        name: args.name.clone(),
        step: step.transpose()?,
        deadline: length("--deadline", args.deadline.as_deref())?,
    })
}

fn length(flag: &str, text: Option<&str>) -> Result<Option<Span>, Fault> {
    let Some(text) = text else {
        return Ok(None);
    };
    let least = Span::from_s(1);
    let span = Span::parse(text).filter(|span| (least..=DEADLINE_MAX).contains(span));
    let why = || {
        usage(format!(
            "{flag} `{text}` is no length of time from {least} to {DEADLINE_MAX}; write 30m"
        ))
    };
    span.map(Some).ok_or_else(why)
}

/// The text of a file, or of stdin.
pub(super) fn text_of(name: &str) -> Result<String, Fault> {
    let path = Path::new(name);
    if path.is_dir() {
        return Err(usage(format!("{name} is a folder; name the files in it")));
    }
    let most = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    read::text(path, most, "import its parts one by one")
        .map_err(|why| usage(format!("{name}: {why}")))
}
