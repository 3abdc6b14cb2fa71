//! `haldane lint`: what is wrong with a template, what is legal but unwise, and what a server tells
//! of it.

mod answers;
mod flags;
mod live;
mod sarif;

pub(crate) use crate::cli::lint::flags::{LintArgs, LintFormat};

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::figures::counted;
use crate::cli::output::Output;
use crate::cli::style::Style;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ids::ReceiverName;
use crate::serve::{config, template_files};
use crate::template::codes;
use crate::template::lint::lint;
use crate::template::notify::unknown_receivers;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What was found so far.
#[derive(Default)]
struct Tally {
    files: usize,
    errors: usize,
    warnings: usize,
    unreadable: bool,
    documents: Vec<Value>,
}

/// Runs the command.
pub(crate) async fn run(args: &LintArgs, output: &mut Output) -> Exit {
    let done = match &args.explain {
        Some(code) => explain(code, output),
        None => check_all(args, output).await,
    };
    crate::cli::ended(done, output)
}

/// Prints what a code means.
fn explain(name: &str, output: &mut Output) -> Result<Exit, Fault> {
    let elsewhere = match name {
        "T001" => Some("a test file (haldane test); docs/template-tests.md is its reference"),
        "S001" => Some("a scenario (haldane simulate); docs/simulations.md is its reference"),
        _ => None,
    };
    if let Some(what) = elsewhere {
        output.data(&format!("{name}: a fault of {what}\n"));
        return Ok(Exit::Clean);
    }
    let Some(code) = codes::find(name) else {
        let all: Vec<&str> = codes::codes().map(|code| code.code).collect();
        let message = format!(
            "--explain `{name}`: no such code; there are {}",
            all.join(", ")
        );
        return Err((Exit::Usage, message));
    };
    output.data(&format!("{}: {}\n\n{}", code.code, code.title, code.text));
    Ok(Exit::Clean)
}

/// What is checked beside the text.
struct Beside {
    live: Option<live::Live>,
    receivers: Option<Vec<ReceiverName>>,
}

/// The receivers of the configuration that was named, if one was: the text alone cannot tell
/// whether those of `notify` exist.
fn receivers(args: &LintArgs) -> Result<Option<Vec<ReceiverName>>, Fault> {
    let Some(path) = &args.config else {
        return Ok(None);
    };
    let names = config::load(Some(path), &[]).and_then(|c| config::receiver_names(&c.webhooks));
    names.map(Some).map_err(|message| (Exit::Usage, message))
}

async fn check_all(args: &LintArgs, output: &mut Output) -> Result<Exit, Fault> {
    let beside = Beside {
        live: live::Live::from_flags(args)?,
        receivers: receivers(args)?,
    };
    let mut tally = Tally::default();
    for path in &args.files {
        match templates(path) {
            Ok(files) => {
                for file in files {
                    check(&file, (args, &beside), &mut tally, output).await?;
                }
            }
            Err(message) => {
                output.complain(&message);
                tally.unreadable = true;
            }
        }
    }
    let summary = format!(
        "{}, {}, {}",
        counted(tally.files, "file"),
        counted(tally.errors, "error"),
        counted(tally.warnings, "warning")
    );
    let documents = std::mem::take(&mut tally.documents);
    match args.output {
        LintFormat::Text => output.data(&summary),
        LintFormat::Json => output.data(&format!("{:#}", Value::Array(documents))),
        LintFormat::Sarif => output.data(&format!("{:#}", sarif::log(&documents))),
        // Annotations are commands on stdout; what is not one goes beside them.
        LintFormat::Github => output.note(&summary),
    }
    Ok(exit_of(&tally, args.deny_warnings))
}

fn exit_of(tally: &Tally, deny_warnings: bool) -> Exit {
    match (tally.unreadable, tally.errors, tally.warnings) {
        (true, ..) => Exit::Usage,
        (_, 0, 0) => Exit::Clean,
        (_, 0, _) if !deny_warnings => Exit::Clean,
        (_, 0, _) => Exit::Inconclusive,
        _ => Exit::Rollback,
    }
}

/// The file itself, or every template of a folder, in the order of their names.
fn templates(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let shown = path.display();
    let files = template_files::templates(path).map_err(|fault| format!("{shown}: {fault}"))?;
    if files.is_empty() {
        return Err(format!(
            "{shown}: no *.yaml in this folder; name a file or another folder"
        ));
    }
    Ok(files)
}

async fn check(
    path: &Path,
    (args, beside): (&LintArgs, &Beside),
    tally: &mut Tally,
    output: &mut Output,
) -> Result<(), Fault> {
    let shown = path.display().to_string();
    let bundle = match template_files::bundle_of(path) {
        Ok(bundle) => bundle,
        Err(fault) => {
            output.complain(&fault);
            tally.unreadable = true;
            return Ok(());
        }
    };
    tally.files += 1;
    let (template, mut found) = bundle.parse();
    if let Some(template) = &template {
        found.extend(lint(template, &bundle.text));
        if let Some(known) = &beside.receivers {
            found.extend(unknown_receivers(template, known));
        }
        if let Some(live) = &beside.live {
            let told = live.lint(template, &bundle.text, args).await;
            found.extend(told.map_err(|(exit, message)| (exit, format!("{shown}: {message}")))?);
        }
    }
    found.sort_by_key(|diagnostic| diagnostic.place);
    for diagnostic in &found {
        match diagnostic.severity {
            Severity::Error => tally.errors += 1,
            Severity::Warning => tally.warnings += 1,
        }
        // What an ancestor says is shown in the ancestor's file.
        let (file, placed) = bundle.located(diagnostic);
        match args.output {
            LintFormat::Text => {
                let rendered = bundle.render(diagnostic);
                output.data(&format!(
                    "{}\n",
                    colored(&rendered, diagnostic, output.style)
                ));
            }
            LintFormat::Github => output.data(&annotation(file, &placed)),
            LintFormat::Json => tally.documents.push(document(file, &placed)),
            LintFormat::Sarif => tally.documents.push(sarif::result(file, &placed)),
        }
    }
    Ok(())
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The first word, which says how bad it is, in colour.
fn colored(rendered: &str, diagnostic: &Diagnostic, style: Style) -> String {
    let word = word(diagnostic.severity);
    match rendered.strip_prefix(word) {
        Some(rest) => format!("{}{rest}", style.painted(word, word)),
        None => rendered.to_owned(),
    }
}

fn document(file: &str, diagnostic: &Diagnostic) -> Value {
    json!({
        "file": file,
        "code": diagnostic.code,
        "severity": word(diagnostic.severity),
        "line": diagnostic.place.map(|place| place.line),
        "column": diagnostic.place.map(|place| place.column),
        "length": diagnostic.place.map(|place| place.len),
        "message": diagnostic.message,
        "help": diagnostic.help,
    })
}

/// A workflow command of GitHub Actions ("Workflow commands: setting an error message").
fn annotation(file: &str, diagnostic: &Diagnostic) -> String {
    let data = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let place = diagnostic.place.map_or_else(String::new, |place| {
        let end = place.column + place.len;
        format!(",line={},col={},endColumn={end}", place.line, place.column)
    });
    let help = diagnostic
        .help
        .as_ref()
        .map_or_else(String::new, |help| format!("; {help}"));
    format!(
        "::{} file={}{place},title={}::{}",
        word(diagnostic.severity),
        property(file),
        diagnostic.code,
        data(&format!("{}{help}", diagnostic.message))
    )
}
