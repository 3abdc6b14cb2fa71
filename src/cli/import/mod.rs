//! `haldane import`: templates from what other tools have, with notes on what changed and why.

mod flags;
mod notes;

pub use crate::cli::import::flags::ImportArgs;

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::import::flags::{text_of, usage, wish};
use crate::cli::output::Output;
use crate::import::{Imported, Kind, Outcome, Source, import};
use std::path::{Path, PathBuf};

/// Runs the command.
pub(crate) fn run(args: &ImportArgs, output: &mut Output) -> Exit {
    let done = convert(args, output);
    crate::cli::ended(done, output)
}

fn convert(args: &ImportArgs, output: &mut Output) -> Result<Exit, Fault> {
    let wish = wish(args)?;
    if args.files.iter().filter(|name| *name == "-").count() > 1 {
        return Err(usage("stdin (-) can be read once"));
    }
    let texts: Vec<String> = args
        .files
        .iter()
        .map(|name| text_of(name))
        .collect::<Result<_, _>>()?;
    let sources: Vec<Source<'_>> = args
        .files
        .iter()
        .zip(&texts)
        .map(|(name, text)| Source { name, text })
        .collect();
    let outcome = import(&sources, &wish).map_err(usage)?;
    one_or_folder(args, &outcome)?;
    say(args, &outcome, output)?;
    if outcome.templates.is_empty() {
        return Err(usage("nothing could be imported"));
    }
    write(args, &outcome.templates, output)?;
    let lost = outcome.notes.iter().any(|note| note.kind == Kind::Refused);
    if lost || outcome.templates.iter().any(Imported::partial) {
        return Ok(Exit::Inconclusive);
    }
    Ok(Exit::Clean)
}

/// Several templates need a folder.
fn one_or_folder(args: &ImportArgs, outcome: &Outcome) -> Result<(), Fault> {
    let names: Vec<&str> = outcome.templates.iter().map(|t| t.name.as_str()).collect();
    if names.len() > 1 && args.out.as_deref().is_none_or(|out| !is_folder(out)) {
        return Err(usage(format!(
            "{} templates: {}; a file holds one: write them to a folder with -o FOLDER/, or \
             choose one with --only",
            names.len(),
            names.join(", ")
        )));
    }
    Ok(())
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/')
}

fn write(args: &ImportArgs, templates: &[Imported], output: &mut Output) -> Result<(), Fault> {
    // `-` is stdout, as it is stdin among the files.
    let Some(out) = args.out.as_ref().filter(|out| out.as_os_str() != "-") else {
        for template in templates {
            output.data(&template.text);
        }
        return Ok(());
    };
    let mut written: Vec<PathBuf> = Vec::new();
    for template in templates {
        let path = if is_folder(out) {
            std::fs::create_dir_all(out)
                .map_err(|fault| usage(format!("-o {}: {fault}", out.display())))?;
            out.join(format!("{}.yaml", template.name.replace(['/', ':'], "-")))
        } else {
            out.clone()
        };
        if written.contains(&path) {
            return Err(usage(format!("two templates would be {}", path.display())));
        }
        store(args, &path, &template.text)?;
        output.note(&format!("wrote {}", path.display()));
        written.push(path);
    }
    Ok(())
}

/// Writes a file that is none of those that were read.
fn store(args: &ImportArgs, path: &Path, text: &str) -> Result<(), Fault> {
    let real = path.canonicalize().ok();
    let source = |name: &&String| real.is_some() && Path::new(name).canonicalize().ok() == real;
    if args.files.iter().any(|name| source(&name)) {
        let shown = path.display();
        return Err(usage(format!(
            "{shown} is what is imported; write to another file"
        )));
    }
    if !args.force && path.is_file() {
        let shown = path.display();
        return Err(usage(format!(
            "{shown} is there already; --force replaces it"
        )));
    }
    std::fs::write(path, text).map_err(|fault| usage(format!("{}: {fault}", path.display())))
}

fn say(args: &ImportArgs, outcome: &Outcome, output: &mut Output) -> Result<(), Fault> {
    match &args.notes {
        Some(path) => {
            store(args, path, &notes::markdown(outcome))?;
            // What is missing is said wherever the rest goes.
            for note in notes::all(outcome).filter(|note| note.kind == Kind::Refused) {
                output.note(&note.to_string());
            }
        }
        None => notes::all(outcome).for_each(|note| output.note(&note.to_string())),
    }
    output.note(&notes::summary(outcome));
    Ok(())
}
