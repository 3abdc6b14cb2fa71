//! `haldane record`: recordings of past rollouts, from a source or from a daemon.

mod flags;
mod list;

pub use crate::cli::record::flags::RecordArgs;

use crate::cli::asked_source;
use crate::cli::client::{Client, Fault};
use crate::cli::exit_code::Exit;
use crate::cli::figures::counted;
use crate::cli::output::Output;
use crate::cli::record::flags::{Wanted, usage, wanted};
use crate::engine::effect::ANCHOR_LOOKBACK;
use crate::http::wire::path_segment;
use crate::plan::bind::bind;
use crate::recording::{self, EXTENSION};
use crate::replay::make::{Past, make};
use crate::serve::clock::Clock;
use crate::serve::one_shot;
use crate::serve::source::Source;
use crate::template::parse::parse;
use crate::time::{Span, Timestamp};
use crate::wire::recording::Recording;
use futures_util::StreamExt as _;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rollouts whose samples are fetched at once; the source's own limits hold besides.
const FETCHES_MAX: usize = 4;

/// Faults that are told one by one; the rest is counted.
const FAULTS_TOLD_MAX: usize = 20;

/// The file that lists what was recorded, in the folder of a list.
const INDEX: &str = "index.csv";

/// Runs the command.
pub(crate) async fn run(args: &RecordArgs, output: &mut Output) -> Exit {
    let done = if args.ids.is_empty() {
        from_source(args, output).await
    } else {
        from_daemon(args, output).await
    };
    crate::cli::ended(done, output)
}

/// Where recordings go: a file for one, a folder for several.
struct Place {
    folder: PathBuf,
    file: Option<PathBuf>,
}

impl Place {
    fn of(to: Option<&Path>, several: bool) -> Result<Self, Fault> {
        let to = to.unwrap_or(Path::new("."));
        let ends_as_folder = to.to_string_lossy().ends_with('/');
        if !several && !to.is_dir() && !ends_as_folder {
            let folder = to.parent().unwrap_or_else(|| Path::new("")).to_owned();
            let file = Some(to.to_owned());
            return Ok(Self { folder, file });
        }
        std::fs::create_dir_all(to)
            .map_err(|fault| usage(format!("--to {}: {fault}", to.display())))?;
        Ok(Self {
            folder: to.to_owned(),
            file: None,
        })
    }

    /// The path of the recording called `name`.
    fn path(&self, name: &str) -> PathBuf {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        let name: String = name
            .chars()
            .map(|c| if legal(c) { c } else { '-' })
            .collect();
        match &self.file {
            Some(file) => file.clone(),
            None => self.folder.join(format!("{name}{EXTENSION}")),
        }
    }
}

async fn from_daemon(args: &RecordArgs, output: &mut Output) -> Result<Exit, Fault> {
    let client = Client::new(&args.daemon)?;
    let place = Place::of(args.to.as_deref(), args.ids.len() > 1)?;
    for id in &args.ids {
        let path = format!("v1/analyses/{}/recording", path_segment(id));
        let bytes = client.get_bytes(&path).await?;
        let file = place.path(id);
        // What is written is what can be read: a proxy's page of errors is no recording.
        let read = recording::decode(bytes.clone()).map_err(|fault| {
            (
                Exit::Unavailable,
                format!("analysis {id}: {}", fault.message),
            )
        })?;
        recording::write_bytes(&file, &bytes).map_err(|fault| usage(fault.of(&file).message))?;
        told(&file, &read, output);
    }
    Ok(Exit::Clean)
}

/// One line on stdout: the file; one on stderr: what is in it.
fn told(file: &Path, recording: &Recording, output: &mut Output) {
    output.data(&file.display().to_string());
    let word = recording
        .conclusion()
        .map_or("pending", |conclusion| conclusion.verdict.word());
    let looks = recording.kept.iter();
    let looks = looks.filter(|(_, kept)| matches!(kept, crate::wire::recording::Kept::Judged(_)));
    output.note(&format!(
        "{word} after {}; judge it again with: haldane replay {}",
        counted(looks.count(), "look"),
        file.display()
    ));
}

async fn from_source(args: &RecordArgs, output: &mut Output) -> Result<Exit, Fault> {
    let now = Clock::system().now();
    let all = wanted(args, now)?;
    let several = args.list.is_some();
    let place = Place::of(args.to.as_deref(), several)?;
    let source = asked_source::open(args.prometheus.as_deref(), args.config.as_deref())?;
    let count = all.len();
    let mut made = futures_util::stream::iter(all.into_iter().map(|wanted| {
        let source = source.clone();
        async move {
            let recorded = record(&wanted, &source, now).await;
            (wanted, recorded)
        }
    }))
    .buffered(FETCHES_MAX);
    let (mut done, mut index) = (0_usize, "recording,label,onset\n".to_owned());
    let mut faults: Vec<Fault> = Vec::new();
    while let Some((wanted, recorded)) = made.next().await {
        done += 1;
        match recorded {
            Err((exit, message)) if several => {
                faults.push((exit, format!("{}: {message}", wanted.shown)));
            }
            Err(fault) => return Err(fault),
            Ok(recording) => {
                let name = wanted.name.as_deref();
                let path = place.path(name.unwrap_or(recording.analysis.as_str()));
                recording::write(&path, &recording).map_err(|fault| usage(fault.message))?;
                if several {
                    line(&mut index, &path, &wanted);
                    let text = format!("{done} of {count} recorded");
                    output.progress(&text, done.is_multiple_of(100));
                } else {
                    told(&path, &recording, output);
                }
            }
        }
    }
    if several {
        let path = place.folder.join(INDEX);
        recording::write_bytes(&path, index.as_bytes())
            .map_err(|fault| usage(fault.of(&path).message))?;
        output.data(&path.display().to_string());
        output.note(&format!("{} of {count} recorded", count - faults.len()));
    }
    Ok(ended(faults, output))
}

fn ended(faults: Vec<Fault>, output: &mut Output) -> Exit {
    let more = faults.len().saturating_sub(FAULTS_TOLD_MAX);
    let worst = faults.iter().map(|(exit, _)| *exit).max();
    for (_, message) in faults.into_iter().take(FAULTS_TOLD_MAX) {
        output.complain(&message);
    }
    if more > 0 {
        output.complain(&format!("and {more} more could not be recorded"));
    }
    worst.unwrap_or(Exit::Clean)
}

/// A line of the index.
fn line(index: &mut String, path: &Path, wanted: &Wanted) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let label = wanted.label.map_or("", |label| label.word());
    let onset = wanted.onset.as_deref().unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(index, "{name},{label},{onset}");
}

/// The recording of one rollout.
async fn record(wanted: &Wanted, source: &Source, now: Timestamp) -> Result<Recording, Fault> {
    let (template, found) = parse(&wanted.template_text);
    let lines = |found: &[crate::diagnostic::Diagnostic]| {
        let errors = found.iter().filter(|d| d.is_error());
        let lines: Vec<String> = errors.map(ToString::to_string).collect();
        usage(lines.join("\n       "))
    };
    let template = template.ok_or_else(|| lines(&found))?;
    let plan = bind(&template, &wanted.rollout).map_err(|found| lines(&found))?;
    let timing = plan.timing;
    let readable = timing.deadline.plus(timing.lag);
    if readable > now {
        let with = if timing.extension == Span::ZERO {
            ""
        } else {
            ", its `extend_once` included,"
        };
        return Err(usage(format!(
            "the window ends at {}{with} and can be read at {readable}, which is still to come; \
             wait, or end it earlier with --duration",
            timing.deadline
        )));
    }
    let plan = Arc::new(plan);
    let whole = one_shot::fetch(&plan, source).await.map_err(|fault| {
        // A query the server refuses is a fault of the template, not of the server.
        let exit = if fault.transient {
            Exit::Unavailable
        } else {
            Exit::Usage
        };
        (exit, fault.message)
    })?;
    if whole
        .answers
        .iter()
        .all(|(_, answer)| answer.series.is_empty() && answer.histograms.is_empty())
    {
        return Err((
            Exit::Inconclusive,
            format!(
                "no query has any sample from {} to {}; is the source's retention long enough, \
                 and are the matchers right?",
                timing.start.minus(ANCHOR_LOOKBACK),
                timing.deadline
            ),
        ));
    }
    let past = (Arc::clone(&wanted.template_text), plan);
    let made = tokio::task::spawn_blocking(move || {
        let (template_text, plan) = past;
        let past = Past {
            template_text,
            plan,
            version: env!("CARGO_PKG_VERSION"),
        };
        make(&past, whole)
    });
    let made = made.await.map_err(|fault| fault.to_string()).flatten();
    made.map_err(|message| (Exit::Internal, format!("{message}; this is a bug")))
}
