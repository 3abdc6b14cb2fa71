//! `haldane freeze`: keep promotes back for a while; the log keeps who and why. And what a
//! submission says of others.

use crate::cli::args::{ByArgs, DaemonArgs, Format};
use crate::cli::client::{Client, Fault};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::style::plain;
use crate::http::wire::path_segment;
use crate::wire::coordination::{
    FreezeDocument, FreezeInput, FreezeList, LiftInput, ReleaseInput, WaveInput,
};

/// `haldane freeze`
#[derive(Debug, clap::Args)]
pub struct FreezeArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with freezes.
#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Show the freezes that last or are still to begin
    List(ListArgs),
    /// Freeze: nothing is promoted where it applies, rollbacks go on
    Add(AddArgs),
    /// Lift a freeze before its time
    Lift(LiftArgs),
}

/// `haldane freeze list`
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
}

/// `haldane freeze add`
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// Only this service
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Only this environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only this region
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// When it begins (RFC 3339); now without
    #[arg(long, value_name = "INSTANT")]
    pub from: Option<String>,
    /// When it ends (RFC 3339), or how long it lasts (2h); until it is lifted without
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Who and why.
    #[command(flatten)]
    pub by: ByArgs,
}

/// `haldane freeze lift`
#[derive(Debug, clap::Args)]
pub struct LiftArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The freeze
    pub id: String,
    /// Who and why.
    #[command(flatten)]
    pub by: ByArgs,
}

/// How a submission stands to others.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TogetherArgs {
    /// Only watch: judge and record, and tell every caller to go on
    #[arg(long)]
    pub shadow: bool,
    /// The release it belongs to: nothing of it is promoted before all of it is shown healthy
    #[arg(long, value_name = "GROUP")]
    pub release: Option<String>,
    /// The services of that release; without, those that were submitted so far
    #[arg(
        long,
        value_name = "SERVICES",
        value_delimiter = ',',
        requires = "release"
    )]
    pub release_members: Vec<String>,
    /// Its place in that release; lower ones are promoted first
    #[arg(long, value_name = "NUMBER", requires = "release")]
    pub release_order: Option<u32>,
    /// The wave it belongs to, as name:1; nothing of a wave is promoted before the one before it
    #[arg(long, value_name = "NAME:INDEX")]
    pub wave: Option<String>,
}

impl TogetherArgs {
    /// The release, as the API takes it.
    pub(crate) fn release(&self) -> Option<ReleaseInput> {
        Some(ReleaseInput {
            group: self.release.clone()?,
            members: self.release_members.clone(),
            order: self.release_order,
        })
    }

    /// The wave, as the API takes it.
    pub(crate) fn wave(&self) -> Result<Option<WaveInput>, Fault> {
        let Some(text) = &self.wave else {
            return Ok(None);
        };
        let parts = text.rsplit_once(':');
        let read = parts.and_then(|(name, index)| Some((name, index.parse().ok()?)));
        match read {
            Some((name, index)) => Ok(Some(WaveInput {
                name: name.to_owned(),
                index,
            })),
            None => Err((
                Exit::Usage,
                format!("--wave `{text}` is no wave; write a name and a number from 1, as v2:1"),
            )),
        }
    }
}

/// Runs the command.
pub(crate) async fn run(args: &FreezeArgs, output: &mut Output) -> Exit {
    let done = match &args.what {
        What::List(args) => list(args, output).await,
        What::Add(args) => add(args, output).await,
        What::Lift(args) => lift(args, output).await,
    };
    crate::cli::ended(done, output)
}

async fn list(args: &ListArgs, output: &mut Output) -> Result<Exit, Fault> {
    let reply = Client::new(&args.daemon)?.get("v1/freezes").await?;
    if args.output == Format::Json {
        output.data(&reply.0);
        return Ok(Exit::Clean);
    }
    let list: FreezeList = reply.read()?;
    if list.freezes.is_empty() {
        output.note("no freezes; `haldane freeze add` begins one");
    }
    for freeze in &list.freezes {
        output.data(&line(freeze));
    }
    Ok(Exit::Clean)
}

async fn add(args: &AddArgs, output: &mut Output) -> Result<Exit, Fault> {
    let body = FreezeInput {
        service: args.service.clone(),
        environment: args.environment.clone(),
        region: args.region.clone(),
        from: args.from.clone(),
        until: args.until.clone(),
        reason: args.by.reason.clone(),
        author: args.by.author.clone(),
    };
    let body = serde_json::to_string(&body);
    tell(&args.daemon, ("v1/freezes", body), args.by.output, output).await
}

async fn lift(args: &LiftArgs, output: &mut Output) -> Result<Exit, Fault> {
    let body = serde_json::to_string(&LiftInput {
        reason: args.by.reason.clone(),
        author: args.by.author.clone(),
    });
    let path = format!("v1/freezes/{}/lift", path_segment(&args.id));
    tell(&args.daemon, (&path, body), args.by.output, output).await
}

async fn tell(
    daemon: &DaemonArgs,
    (path, body): (&str, serde_json::Result<String>),
    format: Format,
    output: &mut Output,
) -> Result<Exit, Fault> {
    let body = body.map_err(|fault| (Exit::Internal, fault.to_string()))?;
    let reply = Client::new(daemon)?.post(path, body).await?;
    if format == Format::Json {
        output.data(&reply.0);
    } else {
        output.data(&line(&reply.read()?));
    }
    Ok(Exit::Clean)
}

/// `freeze-1  service payments, region eu-1  from … until …  by ada: change freeze`
fn line(freeze: &FreezeDocument) -> String {
    let parts = [
        ("service", &freeze.service),
        ("environment", &freeze.environment),
        ("region", &freeze.region),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.as_deref()?)))
        .collect();
    let what = match parts.as_slice() {
        [] => "everything".to_owned(),
        some => some.join(", "),
    };
    let until = match &freeze.until {
        Some(until) => format!("until {until}"),
        None => "until it is lifted".to_owned(),
    };
    plain(&format!(
        "{}  {what}  from {} {until}  by {}: {}",
        freeze.id, freeze.from, freeze.author, freeze.reason
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn a_wave_has_a_name_and_a_number() {
        let wave = |text: &str| {
            let wave = Some(text.to_owned());
            let args = TogetherArgs {
                wave,
                ..TogetherArgs::default()
            };
            args.wave()
        };
        let read = wave("v2:eu:3").unwrap().unwrap();
        assert_eq!((read.name.as_str(), read.index), ("v2:eu", 3));
        assert!(wave("v2").unwrap_err().1.contains("--wave `v2`"));
        assert!(wave("v2:x").unwrap_err().1.contains("--wave `v2:x`"));
    }
}
