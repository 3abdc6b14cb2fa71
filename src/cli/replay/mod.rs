//! `haldane replay`: verdicts computed again from recordings.

pub(super) mod flags;
mod html;
mod show;

pub use crate::cli::replay::flags::{ReplayArgs, ReplayFormat};

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::replay::flags::{Asked, Piece, instant, text_of, usage};
use crate::cli::replay::show::One;
use crate::cli::working;
use crate::engine::guard::guarded;
use crate::evaluate::work::{Progress, Workers};
use crate::judge::SEMANTICS;
use crate::judge::extension::end;
use crate::judge::sequential::Tables;
use crate::recording;
use crate::replay::again::again;
use crate::replay::anew::anew;
use crate::replay::course::{Depth, Replayed};
use crate::replay::differences;
use crate::replay::lines::{self, Line};
use crate::replay::plans::Plans;
use crate::replay::summary::Summary;
use crate::wire::recording::Recording;
use std::path::Path;

/// Bytes of one part; a longer one is refused. Twice what the most recordings make.
const PART_BYTES_MAX: u64 = 8 << 30;

/// Differences of one recording that its line names; a single recording shows all of them.
const NOTES_MAX: usize = 3;

/// Runs the command.
pub(crate) async fn run(args: ReplayArgs, output: &mut Output) -> Exit {
    let style = output.style;
    let to = args.to.clone();
    let done = working::shown(output, move |progress| replay(&args, style, progress)).await;
    let done = done.and_then(|(text, exit)| {
        match to {
            None => output.data(&text),
            Some(path) => std::fs::write(&path, text)
                .map_err(|fault| usage(format!("--to {}: {fault}", path.display())))?,
        }
        Ok(exit)
    });
    crate::cli::ended(done, output)
}

type Said = Result<(String, Exit), Fault>;

fn replay(args: &ReplayArgs, style: crate::cli::style::Style, progress: &Progress) -> Said {
    if args.merge {
        let lines = merged(&args.recordings)?;
        return many(args, style, &lines, None);
    }
    let asked = Asked::of(args)?;
    let judging = Judging {
        plans: Plans::default(),
        tables: Tables::default(),
        asked: &asked,
    };
    if let (true, [piece]) = (asked.single, asked.pieces.as_slice()) {
        return single(args, style, &judging, piece);
    }
    let jobs = working::threads(args.jobs);
    let workers = Workers::new(jobs, progress).map_err(|why| (Exit::Internal, why))?;
    workers.expect(asked.pieces.len());
    let lines = workers
        .each(asked.pieces.len(), |idx| {
            let piece = asked.pieces.get(idx).ok_or("a piece is missing")?;
            Ok(judging.line(piece))
        })
        .map_err(|why| (Exit::Internal, why))?;
    many(args, style, &lines, Some(&asked))
}

/// Writes the page, if there is to be one.
fn paged(args: &ReplayArgs, page: impl FnOnce() -> Option<String>) -> Result<(), Fault> {
    let Some(path) = &args.html else {
        return Ok(());
    };
    let Some(page) = page() else {
        return Err(usage("--html: nothing was judged"));
    };
    std::fs::write(path, page).map_err(|fault| usage(format!("--html {}: {fault}", path.display())))
}

/// The lines of all parts.
fn merged(names: &[String]) -> Result<Vec<Line>, Fault> {
    let mut parts = Vec::with_capacity(names.len());
    for name in names {
        let text = text_of(Path::new(name), PART_BYTES_MAX)?;
        let (part, lines) = lines::parse(&text).map_err(|why| usage(format!("{name}: {why}")))?;
        parts.push((name.clone(), part, lines));
    }
    lines::merge(parts).map_err(usage)
}

/// What is said of many recordings, and how it ends.
fn many(
    args: &ReplayArgs,
    style: crate::cli::style::Style,
    lines: &[Line],
    asked: Option<&Asked>,
) -> Said {
    let summary = Summary::of(lines);
    paged(args, || Some(html::all(args, &summary, lines)))?;
    let differ = lines
        .iter()
        .any(|line| line.verdict != line.recorded && line.fault.is_none());
    let part = args.output == ReplayFormat::Jsonl && !args.merge;
    let exit = if part {
        // What differs or cannot be read stands in the part; whoever merges is told.
        Exit::Clean
    } else if !summary.unreadable.is_empty() {
        Exit::Usage
    } else if !summary.different.is_empty() || (args.diff && differ) {
        Exit::Rollback
    } else {
        Exit::Clean
    };
    let text = match (args.output, asked) {
        (ReplayFormat::Jsonl, Some(asked)) => lines::text(&asked.part, lines),
        (ReplayFormat::Jsonl, None) => {
            let rows: Vec<String> = lines.iter().map(|line| line.json().to_string()).collect();
            rows.join("\n")
        }
        (ReplayFormat::Json, _) => pretty(&summary.json()),
        (ReplayFormat::Markdown, _) => show::markdown(&summary, lines, args.diff),
        (ReplayFormat::Table, _) => show::table(&summary, lines, args.diff, style),
    };
    Ok((text, exit))
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// One recording, with everything.
fn single(
    args: &ReplayArgs,
    style: crate::cli::style::Style,
    judging: &Judging<'_>,
    piece: &Piece,
) -> Said {
    let recording = recording::read(&piece.path).map_err(|fault| usage(fault.message))?;
    let named = |why: String| usage(format!("recording {}: {why}", piece.name));
    let old = judging.own(&recording, Depth::Looks);
    let changed = !judging.asked.change.is_none();
    let new = if changed {
        judging
            .changed(&recording, Depth::Looks)
            .map(Some)
            .map_err(named)?
    } else {
        None
    };
    // What was recorded may be beyond this program; what another template says of it is not.
    let (old, fault) = match old {
        Ok(old) => (Some(old), None),
        Err(why) if changed => (None, Some(why)),
        Err(why) => return Err(named(why)),
    };
    let compared = old
        .as_ref()
        .filter(|_| judging.asked.as_of.is_none() && !changed);
    let found = compared.map(|old| differences::of(&recording, old));
    let one = One {
        name: &piece.name,
        recording: &recording,
        old: old.as_ref(),
        new: new.as_ref(),
        found: found.as_deref(),
        fault: fault.as_deref(),
        diff: args.diff,
    };
    let shown = new.as_ref().or(old.as_ref());
    paged(args, || html::one(args, &recording, shown?))?;
    let now = shown.map_or("", Replayed::word);
    let recorded = recording
        .conclusion()
        .map_or("pending", |c| c.verdict.word());
    let differs = found.as_ref().is_some_and(|found| !found.is_empty());
    let exit = if differs || (args.diff && now != recorded) {
        Exit::Rollback
    } else {
        Exit::Clean
    };
    let text = match args.output {
        ReplayFormat::Json | ReplayFormat::Jsonl => pretty(&one.json()),
        ReplayFormat::Markdown => one.markdown(),
        ReplayFormat::Table => one.table(style),
    };
    Ok((text, exit))
}

/// What all recordings share.
struct Judging<'a> {
    plans: Plans,
    tables: Tables,
    asked: &'a Asked,
}

impl Judging<'_> {
    fn own(&self, recording: &Recording, depth: Depth) -> Result<Replayed, String> {
        let plan = self.plans.own(recording)?;
        let as_of = instant(self.asked.as_of, recording.rollout.start);
        again(recording, &plan, as_of, depth, &self.tables)
    }

    fn changed(&self, recording: &Recording, depth: Depth) -> Result<Replayed, String> {
        let plan = self.plans.changed(recording, &self.asked.change)?;
        let as_of = instant(self.asked.as_of, recording.rollout.start);
        anew(recording, &plan, as_of, depth, &self.tables)
    }

    /// One of many: a fault is its own (A11).
    fn line(&self, piece: &Piece) -> Line {
        let judged = guarded(|| {
            let recording = recording::read(&piece.path).map_err(|fault| fault.message)?;
            self.line_of(piece, &recording)
        });
        judged
            .flatten()
            .unwrap_or_else(|why| Line::unreadable(piece.place, &piece.name, why))
    }

    fn line_of(&self, piece: &Piece, recording: &Recording) -> Result<Line, String> {
        let changed = !self.asked.change.is_none();
        let replayed = if changed {
            self.changed(recording, Depth::Verdict)?
        } else {
            self.own(recording, Depth::Verdict)?
        };
        let mut notes = replayed.notes.clone();
        let mut same = None;
        if !changed && self.asked.as_of.is_none() {
            let found = differences::of(recording, &replayed);
            same = Some(found.is_empty());
            let shown = found.iter().take(NOTES_MAX);
            notes.extend(shown.map(|d| format!("{}: {} -> {}", d.place, d.recorded, d.now)));
            if !found.is_empty() && recording.semantics != SEMANTICS {
                notes.push(show::other_semantics(recording));
            }
        }
        let recorded = recording.conclusion();
        let standing = &replayed.standing;
        let start = standing.plan.timing.start;
        Ok(Line {
            place: piece.place,
            recording: piece.name.clone(),
            service: recording.rollout.deploy.service.clone(),
            label: piece.label,
            onset: piece.onset.map(|onset| onset.of(start)),
            recorded: recorded.map_or("pending", |c| c.verdict.word()).to_owned(),
            verdict: replayed.word().to_owned(),
            look: standing.judgement.as_ref().map_or(0, |j| j.look),
            looks_planned: end(&standing.plan, standing.judgement.as_deref()).1,
            started_at: Some(start),
            covered_to: Some(replayed.covered_to),
            decided_at: standing.conclusion.as_ref().map(|c| c.at),
            same,
            notes,
            fault: None,
        })
    }
}
