//! `haldane tune`: how often a template cries wolf, what it can show, and a better one.

mod flags;
mod recorded;
mod windows;

pub use crate::cli::tune::flags::{TuneArgs, TuneFormat};

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::judge::read_template;
use crate::cli::output::Output;
use crate::cli::tune::flags::usage;
use crate::cli::working;
use crate::serve::template_files;
use crate::simulate::work::{Progress, Workers};
use crate::template::Template;
use crate::time::Span;
use crate::tune::placebo::Case;
use crate::tune::propose::Asked;
use crate::tune::whole::{Ending, Subject, Tuned, tuned};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs the command.
pub(crate) async fn run(args: TuneArgs, output: &mut Output) -> Exit {
    let done = tune(args, output).await;
    crate::cli::ended(done, output)
}

/// Everything that is worked with, off the runtime.
struct Work {
    template: Template,
    file: String,
    text: String,
    within: Vec<Span>,
    asked: Asked,
    cases: Vec<Case>,
    jobs: usize,
}

async fn tune(args: TuneArgs, output: &mut Output) -> Result<Exit, Fault> {
    let template = read_template(&args.template)?;
    let bundle = template_files::bundle_of(&args.template).map_err(usage)?;
    let shown = args.template.display().to_string();
    let text = std::fs::read_to_string(&args.template)
        .map_err(|fault| usage(format!("template {shown}: {fault}")))?;
    // Everything that can be wrong with the question is said before anything is read.
    let asked = flags::asked(&args, &template)?;
    let within = flags::within(&args, &template)?;
    let (cases, notes) = if args.recordings.is_empty() {
        windows::read(&args, &template, output).await?
    } else {
        let bundled: Arc<str> = bundle.text.into();
        let (args, template) = (args.clone(), template.clone());
        let read = move || recorded::read(&args, &template, &bundled);
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|fault| (Exit::Internal, fault.to_string()))??
    };
    if cases.is_empty() {
        return Err((
            Exit::Inconclusive,
            format!(
                "there are no placebo pairs: one window alone has nothing to be compared with; \
                 {}",
                notes.join("; ")
            ),
        ));
    }
    let jobs = working::threads(args.jobs);
    let work = Work {
        template,
        file: shown,
        text,
        within,
        asked,
        cases,
        jobs,
    };
    let (mut found, text) = working::searching(output, "judged pair", move |progress| {
        worked(work, progress)
    })
    .await?;
    found.notes.extend(notes);
    output.data(&match args.output {
        TuneFormat::Text => found.text(),
        TuneFormat::Json => serde_json::to_string_pretty(&found.json()).unwrap_or_default(),
        TuneFormat::Markdown => found.markdown(),
    });
    if args.write {
        write(&args.template, &text, &found, output)?;
    }
    Ok(match found.ending {
        Ending::AsItIs | Ending::Proposed => Exit::Clean,
        Ending::Nothing(_) => Exit::Rollback,
        Ending::TooFewWindows(_) => Exit::Inconclusive,
    })
}

fn worked(work: Work, progress: &Progress) -> Result<(Tuned, String), Fault> {
    let workers = Workers::new(work.jobs, progress).map_err(usage)?;
    let subject = Subject {
        template: &work.template,
        file: &work.file,
        text: &work.text,
        within: &work.within,
        asked: &work.asked,
    };
    let found = tuned(&subject, &work.cases, &workers).map_err(usage)?;
    Ok((found, work.text))
}

/// Writes the proposal, if it was shown to do what is asked.
fn write(path: &Path, was: &str, found: &Tuned, output: &mut Output) -> Result<(), Fault> {
    let shown = path.display();
    let text = match (&found.ending, &found.text) {
        (Ending::Proposed, Some(text)) => text,
        (Ending::AsItIs, _) => {
            output.note(&format!("{shown} stays as it is"));
            return Ok(());
        }
        (Ending::Proposed, None) => {
            output.note(&format!(
                "{shown} is not written: what is proposed stands in another file, see the notes"
            ));
            return Ok(());
        }
        _ => {
            output.note(&format!(
                "{shown} is not written: no change of it was shown to do what is asked"
            ));
            return Ok(());
        }
    };
    let fault = |fault: std::io::Error| (Exit::Unavailable, format!("{shown}: {fault}"));
    let now = std::fs::read_to_string(path).map_err(fault)?;
    if now != was {
        return Err(usage(format!(
            "{shown} is not written: somebody changed it meanwhile"
        )));
    }
    // A link stays a link: what it points to is changed.
    let path = std::fs::canonicalize(path).map_err(fault)?;
    let mut kept = path.clone().into_os_string();
    kept.push(".bak");
    put(&PathBuf::from(&kept), was, &path).map_err(fault)?;
    put(&path, text, &path).map_err(fault)?;
    output.note(&format!(
        "{shown} is written; what it was is in {}",
        PathBuf::from(kept).display()
    ));
    Ok(())
}

/// Writes a file whole or not at all, with the permissions of `like`.
fn put(path: &Path, text: &str, like: &Path) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".haldane-tune-")
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file()
        .set_permissions(std::fs::metadata(like)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|fault| fault.error)?;
    Ok(())
}
