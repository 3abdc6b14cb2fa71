//! What `haldane replay` was asked, as far as it is read.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::judge::inputs;
use crate::cli::read;
use crate::digest::Digest;
use crate::recording::EXTENSION;
use crate::replay::labels::{self, Entry, LIST_BYTES_MAX, Label, Onset, RECORDINGS_MAX};
use crate::replay::lines::Part;
use crate::replay::plans::{Change, MethodName};
use crate::serve::template_files;
use crate::time::{Span, Timestamp};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// How deep folders are searched; what lies deeper is left out.
const FOLDERS_DEEP_MAX: usize = 16;

/// How a replay is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReplayFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// One line per recording, as --merge reads them.
    Jsonl,
    /// For comments and job summaries.
    Markdown,
}

/// `haldane replay`
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// Recordings, folders of them, or @LIST: a file with one a line, or CSV with the columns
    /// recording,label,onset (label good, bad or nodata; onset an instant, or +10m after the start)
    #[arg(required = true, value_name = "RECORDING|FOLDER|@LIST")]
    pub recordings: Vec<String>,
    /// Judge by this template instead
    #[arg(short = 't', long, value_name = "FILE", conflicts_with = "merge")]
    pub template: Option<PathBuf>,
    /// Another value for an input of the template, as name=value; may be repeated
    #[arg(
        long = "input",
        visible_alias = "param",
        value_name = "NAME=VALUE",
        conflicts_with = "merge"
    )]
    pub inputs: Vec<String>,
    /// Judge by this method instead
    #[arg(long, value_parser = ["sequential", "mann-whitney", "kayenta"], conflicts_with = "merge")]
    pub judge: Option<String>,
    /// Show what differs, look by look; exit code 1 when a verdict differs
    #[arg(long, conflicts_with = "merge")]
    pub diff: bool,
    /// As it stood then: RFC 3339, seconds since the epoch, or +12m after the start
    #[arg(long, value_name = "INSTANT", conflicts_with = "merge")]
    pub as_of: Option<String>,
    /// Threads; as many as there are cores without. Results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub jobs: Option<u16>,
    /// Only the recordings of this part of the whole: I/N, I from 0 to N-1
    #[arg(long, value_name = "I/N", conflicts_with = "merge")]
    pub shard: Option<String>,
    /// Put the parts together that --shard wrote: RECORDING are files of --output jsonl
    #[arg(long)]
    pub merge: bool,
    /// How the answer is written
    #[arg(
        short = 'o',
        long,
        value_enum,
        default_value_t = ReplayFormat::Table,
        value_name = "FORMAT"
    )]
    pub output: ReplayFormat,
    /// Write the answer to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Write a page, too: of one recording its looks and metrics as charts, of many the table
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// One recording to be judged again.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Piece {
    /// Its place in the whole.
    pub(in crate::cli) place: usize,
    /// As it was named.
    pub(in crate::cli) name: String,
    /// Where it is.
    pub(in crate::cli) path: PathBuf,
    /// What is true of it.
    pub(in crate::cli) label: Option<Label>,
    /// Since when.
    pub(in crate::cli) onset: Option<Onset>,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) change: Change,
    pub(super) as_of: Option<Onset>,
    /// Only those of the part.
    pub(super) pieces: Vec<Piece>,
    pub(super) part: Part,
    /// Exactly one recording, named itself.
    pub(super) single: bool,
}

impl Asked {
    pub(super) fn of(args: &ReplayArgs) -> Result<Self, Fault> {
        let template = match &args.template {
            None => None,
            Some(path) => {
                // What is wrong with a template is said here, with its lines, before any work.
                crate::cli::judge::read_template(path)?;
                Some(template_files::bundle_of(path).map_err(usage)?.text.into())
            }
        };
        let change = Change {
            template,
            inputs: inputs(&args.inputs)?,
            method: args.judge.as_deref().and_then(MethodName::from_word),
        };
        let as_of = args.as_of.as_deref().map(|text| {
            Onset::parse(text).ok_or_else(|| {
                usage(format!(
                    "--as-of `{text}` is no instant; write 2026-03-01T12:00:00Z, seconds since \
                     the epoch, or +12m after the start"
                ))
            })
        });
        let as_of = as_of.transpose()?;
        let all = pieces(&args.recordings)?;
        let part = part(args, &change, as_of, &all)?;
        let single = matches!(args.recordings.as_slice(),
            [one] if !one.starts_with('@') && !Path::new(one).is_dir());
        let mine = all.into_iter().filter(|piece| part.has(piece.place));
        Ok(Self {
            single: single && args.shard.is_none() && args.output != ReplayFormat::Jsonl,
            pieces: mine.collect(),
            change,
            as_of,
            part,
        })
    }
}

/// The part that was asked for, and what of.
fn part(
    args: &ReplayArgs,
    change: &Change,
    as_of: Option<Onset>,
    all: &[Piece],
) -> Result<Part, Fault> {
    let (shard, of) = match &args.shard {
        None => (0, 1),
        Some(text) => {
            let parts = text.split_once('/');
            let parts = parts.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
            let fits = parts.filter(|(i, n): &(usize, usize)| i < n && *n <= RECORDINGS_MAX);
            fits.ok_or_else(|| {
                usage(format!(
                    "--shard `{text}` is no part; write I/N with I from 0 to N-1, as 0/4"
                ))
            })?
        }
    };
    let mut asked = Vec::new();
    if let Some(text) = &change.template {
        asked.push(format!("template {}", Digest::of(text.as_bytes()).short()));
    }
    asked.extend(
        change
            .inputs
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    asked.extend(
        change
            .method
            .map(|method| format!("judge {}", method.word())),
    );
    asked.extend(
        args.as_of
            .as_ref()
            .filter(|_| as_of.is_some())
            .map(|t| format!("as of {t}")),
    );
    let names: Vec<&str> = all.iter().map(|piece| piece.name.as_str()).collect();
    let list = Digest::of(names.join("\n").as_bytes());
    asked.push(format!("recordings {}", list.short()));
    asked.push(format!("haldane {}", env!("CARGO_PKG_VERSION")));
    Ok(Part {
        shard,
        of,
        all: all.len(),
        asked: asked.join(", "),
    })
}

/// Every recording that is named, in order.
pub(in crate::cli) fn pieces(named: &[String]) -> Result<Vec<Piece>, Fault> {
    let mut out: Vec<Piece> = Vec::new();
    for name in named {
        if let Some(list) = name.strip_prefix('@') {
            let path = Path::new(list);
            let text = text_of(path, LIST_BYTES_MAX)?;
            let entries = labels::parse(&text).map_err(|why| usage(format!("{list}: {why}")))?;
            let folder = path.parent().unwrap_or_else(|| Path::new(""));
            for entry in entries {
                push(&mut out, folder.join(&entry.recording), entry);
            }
        } else {
            let path = Path::new(name);
            let mut files = Vec::new();
            if path.is_dir() {
                files_in(path, FOLDERS_DEEP_MAX, &mut files)
                    .map_err(|fault| usage(format!("{name}: {fault}")))?;
                if files.is_empty() {
                    return Err(usage(format!(
                        "{name}: there is no recording in it (no *{EXTENSION})"
                    )));
                }
                files.sort();
            } else {
                files.push(path.to_owned());
            }
            for file in files {
                let inside = file.strip_prefix(path).ok();
                let inside = inside.filter(|inside| !inside.as_os_str().is_empty());
                let shown = inside.unwrap_or(&file).display().to_string();
                let entry = Entry {
                    recording: shown,
                    label: None,
                    onset: None,
                };
                push(&mut out, file, entry);
            }
        }
    }
    if out.len() > RECORDINGS_MAX {
        let all = out.len();
        return Err(usage(format!(
            "{all} recordings, at most {RECORDINGS_MAX}; part the list"
        )));
    }
    Ok(out)
}

fn push(out: &mut Vec<Piece>, path: PathBuf, entry: Entry) {
    out.push(Piece {
        place: out.len(),
        name: entry.recording,
        path,
        label: entry.label,
        onset: entry.onset,
    });
}

fn files_in(folder: &Path, deep: usize, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if deep > 0 {
                files_in(&path, deep - 1, out)?;
            }
        } else if path.to_string_lossy().ends_with(EXTENSION) {
            out.push(path);
        }
    }
    Ok(())
}

/// The text of a file, unless it is larger than is read.
pub(super) fn text_of(path: &Path, bytes_max: u64) -> Result<String, Fault> {
    read::text(path, bytes_max, "part it")
        .map_err(|why| usage(format!("{}: {why}", path.display())))
}

/// The instant that was asked for, of a rollout that began at `start`.
pub(super) fn instant(as_of: Option<Onset>, start: Timestamp) -> Option<Timestamp> {
    as_of.map(|as_of| as_of.of(start))
}

/// `+12m`, of an instant in a rollout.
pub(super) fn after(start: Timestamp, at: Timestamp) -> String {
    let span = at.since(start);
    let seconds = Span::from_s(span.ms() / 1000);
    format!("+{seconds}")
}

/// A fault of what was asked.
pub(super) fn usage(message: impl Into<String>) -> Fault {
    (Exit::Usage, message.into())
}
