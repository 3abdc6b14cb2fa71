//! The reference of the command line as a document, from the same data as the parser and its help.

use crate::cli::args::Args;
use clap::CommandFactory as _;
use std::fmt::Write as _;

/// `docs/cli.md`.
pub fn markdown() -> String {
    let mut root = Args::command();
    root.build();
    let mut out = String::from(
        "# The command line\n\n\
         Data goes to stdout, progress and logs to stderr. `NO_COLOR`, `COLUMNS`, the locale and\n\
         outputs that are no terminal are honoured: no colour, as many columns, ASCII where the\n\
         locale is not UTF-8. This page is `--help` of every command; it is written by a test.\n",
    );
    let _ = writeln!(out, "\n## haldane\n\n```text\n{}\n```", help(&mut root));
    let names: Vec<String> = root
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .filter(|name| name != "help")
        .collect();
    for name in names {
        if let Some(command) = root.find_subcommand_mut(&name) {
            let _ = writeln!(
                out,
                "\n## haldane {name}\n\n```text\n{}\n```",
                help(command)
            );
        }
    }
    out
}

fn help(command: &mut clap::Command) -> String {
    let text = command.clone().term_width(100).render_help().to_string();
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}
