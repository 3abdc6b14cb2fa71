//! Where text goes. `println!` panics on a closed pipe; this does not.

use crate::cli::args::ColorChoice;
use std::io::{IsTerminal as _, Write as _};

/// Stdout for data, stderr for everything else.
pub(crate) struct Output {
    /// Whether stdout may carry colour.
    pub(crate) color: bool,
    /// Whether stdout is a terminal.
    pub(crate) terminal: bool,
}

#[expect(
    clippy::unused_self,
    reason = "whoever holds it may write, nobody else"
)]
impl Output {
    /// The process' own streams.
    pub(crate) fn standard(choice: ColorChoice) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !refused,
        };
        Self { color, terminal }
    }

    /// Data. A reader that has gone is no fault.
    pub(crate) fn data(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        drop(out.write_all(text.as_bytes()));
        if !text.ends_with('\n') {
            drop(out.write_all(b"\n"));
        }
        drop(out.flush());
    }

    /// Progress.
    pub(crate) fn note(&mut self, text: &str) {
        drop(writeln!(std::io::stderr().lock(), "{text}"));
    }

    /// What went wrong.
    pub(crate) fn complain(&mut self, text: &str) {
        drop(writeln!(std::io::stderr().lock(), "error: {text}"));
    }
}
