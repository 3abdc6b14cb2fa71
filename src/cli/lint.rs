//! `haldane lint`: what is wrong with a template, and what is legal but unwise.

use crate::cli::args::{LintArgs, LintFormat};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::diagnostic::{Diagnostic, Severity};
use crate::template::lint::lint;
use crate::template::parse::parse;

/// Runs the command.
pub(crate) fn run(args: &LintArgs, output: &mut Output) -> Exit {
    let (mut errors, mut warnings, mut unreadable) = (0, 0, false);
    let mut documents = Vec::new();
    for path in &args.files {
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(fault) => {
                output.complain(&format!("{shown}: {fault}"));
                unreadable = true;
                continue;
            }
        };
        let (template, mut found) = parse(&text);
        if let Some(template) = &template {
            found.extend(lint(template, &text));
        }
        for diagnostic in &found {
            match diagnostic.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
            }
            match args.output {
                LintFormat::Text => output.data(&diagnostic.render(&shown, &text)),
                LintFormat::Json => documents.push(document(&shown, diagnostic)),
            }
        }
    }
    match args.output {
        LintFormat::Text => {
            let files = args.files.len();
            output.data(&format!(
                "{files} {}, {errors} {}, {warnings} {}",
                plural(files, "file"),
                plural(errors, "error"),
                plural(warnings, "warning")
            ));
        }
        LintFormat::Json => output.data(&serde_json::Value::Array(documents).to_string()),
    }
    match (unreadable, errors, warnings) {
        (true, ..) => Exit::Usage,
        (_, 0, 0) => Exit::Clean,
        (_, 0, _) if !args.deny_warnings => Exit::Clean,
        (_, 0, _) => Exit::Inconclusive,
        _ => Exit::Rollback,
    }
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

fn document(file: &str, diagnostic: &Diagnostic) -> serde_json::Value {
    serde_json::json!({
        "file": file,
        "code": diagnostic.code,
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "line": diagnostic.place.map(|place| place.line),
        "column": diagnostic.place.map(|place| place.column),
        "length": diagnostic.place.map(|place| place.len),
        "message": diagnostic.message,
        "help": diagnostic.help,
    })
}
