//! `haldane dialects`: what every controller is told in each state, with the defaults and what a
//! configuration changes of them.

use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::dialect::{DIALECTS, Dialects, Line, State};
use crate::serve::config;
use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// `haldane dialects`
#[derive(Clone, Debug, clap::Args)]
pub struct DialectsArgs {
    /// Configuration file, for what it changes; the defaults without one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How the table is written
    #[arg(
        short = 'o',
        long,
        value_enum,
        default_value_t = DialectsFormat::Table,
        value_name = "FORMAT"
    )]
    pub output: DialectsFormat,
}

/// How the table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectsFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For documents.
    Markdown,
}

/// Every state, in the order of the columns.
const STATES: [State; 6] = [
    State::Promote,
    State::Rollback,
    State::Pending,
    State::Held,
    State::Inconclusive,
    State::Error,
];

/// Runs the command.
pub(crate) fn run(args: &DialectsArgs, output: &mut Output) -> Exit {
    let read = || -> Result<Dialects, String> {
        let Some(path) = &args.config else {
            return Ok(Dialects::default());
        };
        Dialects::with(&config::load(Some(path), &[])?.dialects)
    };
    let dialects = match read() {
        Ok(dialects) => dialects,
        Err(why) => {
            output.complain(&why);
            return Exit::Usage;
        }
    };
    let text = match args.output {
        DialectsFormat::Table => table(&dialects),
        DialectsFormat::Json => format!("{:#}", document(&dialects)),
        DialectsFormat::Markdown => markdown(&dialects),
    };
    output.data(&text);
    Exit::Clean
}

/// The word for a state, with a star when it is not the default.
fn cell(dialects: &Dialects, line: &Line, state: State) -> String {
    let word = dialects.word(line.dialect, state).word();
    let star = if dialects.is_changed(line.dialect, state) {
        "*"
    } else {
        ""
    };
    format!("{word}{star}")
}

fn table(dialects: &Dialects) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let states = STATES.iter().map(|state| state.word());
    table.set_header(std::iter::once("dialect").chain(states));
    for line in DIALECTS {
        let cells = STATES.iter().map(|state| cell(dialects, line, *state));
        table.add_row(std::iter::once(line.name.to_owned()).chain(cells));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut out = String::new();
    for line in table.lines() {
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for line in DIALECTS {
        let _ = writeln!(out, "\n{}  {}", line.name, line.callers);
        for (word, wire) in line.words {
            let _ = writeln!(out, "  {:5}  {wire}", word.word());
        }
    }
    if out.contains('*') {
        out.push_str("\n* changed by the configuration\n");
    }
    out
}

fn document(dialects: &Dialects) -> Value {
    let one = |line: &Line| {
        let words = line.words.iter();
        let words: Map<String, Value> = words
            .map(|(word, wire)| (word.word().to_owned(), json!(wire)))
            .collect();
        let states: Map<String, Value> = STATES
            .iter()
            .map(|state| {
                let told = json!({
                    "word": dialects.word(line.dialect, *state).word(),
                    "changed": dialects.is_changed(line.dialect, *state),
                });
                (state.word().to_owned(), told)
            })
            .collect();
        json!({ "dialect": line.name, "callers": line.callers, "words": words, "states": states })
    };
    json!({
        "schema": "haldane.dialects/1",
        "dialects": DIALECTS.iter().map(one).collect::<Vec<_>>(),
    })
}

/// The table as it stands in the documents.
pub fn markdown(dialects: &Dialects) -> String {
    let mut out = String::from("| dialect | callers |");
    for state in STATES {
        let _ = write!(out, " {} |", state.word());
    }
    out.push_str("\n|---|---|---|---|---|---|---|---|\n");
    for line in DIALECTS {
        let _ = write!(out, "| `{}` | {} |", line.name, line.callers);
        for state in STATES {
            let _ = write!(out, " {} |", cell(dialects, line, state));
        }
        out.push('\n');
    }
    out.push_str("\n| dialect | word | what goes over the wire |\n|---|---|---|\n");
    for line in DIALECTS {
        for (word, wire) in line.words {
            let _ = writeln!(out, "| `{}` | {} | {wire} |", line.name, word.word());
        }
    }
    out
}
