//! Where text goes: data to stdout, everything else to stderr. `println!` panics on a closed pipe;
//! this remembers that the reader has gone and stays quiet.

use crate::cli::args::ColorChoice;
use crate::cli::style::{Style, WIDTH_DEFAULT};
use std::io::{IsTerminal as _, Write};

/// Both streams of a command.
pub(crate) struct Output {
    data: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
    /// How data may look.
    pub(crate) style: Style,
    /// Whether data goes to a terminal.
    pub(crate) terminal: bool,
    /// Whether notes go to a terminal.
    notes_terminal: bool,
    /// Whether a line of progress stands on the terminal without an end.
    progress: bool,
}

impl Output {
    /// The process' own streams.
    pub(crate) fn standard(choice: ColorChoice) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !refused && !dumb,
        };
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        Self {
            data: Box::new(std::io::stdout()),
            notes: Box::new(std::io::stderr()),
            style: Style {
                color,
                unicode: locale.is_none_or(|locale| is_utf8(&locale)),
                width: size().0,
            },
            terminal,
            notes_terminal: std::io::stderr().is_terminal(),
            progress: false,
        }
    }

    /// Columns and lines of the terminal at present.
    pub(crate) fn size() -> (usize, usize) {
        size()
    }

    /// Data. A reader that has gone is no fault.
    pub(crate) fn data(&mut self, text: &str) {
        self.end_progress();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.write(&format!("{text}{end}"));
    }

    /// Data as it is, without a line end.
    pub(crate) fn write(&mut self, text: &str) {
        let written = self.data.write_all(text.as_bytes());
        if written.and_then(|()| self.data.flush()).is_err() {
            self.data = Box::new(std::io::sink());
        }
    }

    /// Something worth a line.
    pub(crate) fn note(&mut self, text: &str) {
        self.end_progress();
        drop(writeln!(self.notes, "{text}"));
    }

    /// What went wrong.
    pub(crate) fn complain(&mut self, text: &str) {
        self.note(&format!("error: {text}"));
    }

    /// Progress: a terminal shows the newest in place; elsewhere `line` says whether it is worth
    /// a line by now.
    pub(crate) fn progress(&mut self, text: &str, line: bool) {
        if self.notes_terminal {
            let shown = self.style.cut(text, size().0.saturating_sub(1));
            drop(write!(self.notes, "\r\u{1b}[K{shown}"));
            drop(self.notes.flush());
            self.progress = true;
        } else if line {
            self.note(text);
        }
    }

    fn end_progress(&mut self) {
        if self.progress {
            drop(write!(self.notes, "\r\u{1b}[K"));
            self.progress = false;
        }
    }
}

/// Only a locale that says it is something else is; none at all is a container.
fn is_utf8(locale: &str) -> bool {
    let lower = locale.to_ascii_lowercase();
    lower.contains("utf-8") || lower.contains("utf8")
}

/// `COLUMNS` and `LINES` win over the terminal, as in every other tool.
fn size() -> (usize, usize) {
    const LINES_DEFAULT: usize = 24;
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        text.parse::<usize>().ok().filter(|count| *count > 0)
    };
    let asked = terminal_size::terminal_size();
    let columns = asked.map_or(WIDTH_DEFAULT, |(width, _)| usize::from(width.0));
    let lines = asked.map_or(LINES_DEFAULT, |(_, height)| usize::from(height.0));
    (
        number("COLUMNS").unwrap_or(columns),
        number("LINES").unwrap_or(lines),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A pipe whose reader leaves after the first write.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<Vec<String>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut got = self.0.lock().unwrap();
            if !got.is_empty() {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            got.push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_is_no_fault() {
        let pipe = Pipe::default();
        let mut output = Output {
            data: Box::new(pipe.clone()),
            notes: Box::new(pipe.clone()),
            style: Style::DOCUMENT,
            terminal: false,
            notes_terminal: false,
            progress: false,
        };
        for text in ["one", "two", "three"] {
            output.data(text);
            output.note(text);
        }
        assert_eq!(*pipe.0.lock().unwrap(), ["one\n"]);
    }

    #[test]
    fn a_locale_says_whether_it_is_utf8() {
        for (locale, wanted) in [
            ("en_US.UTF-8", true),
            ("C.utf8", true),
            ("C", false),
            ("POSIX", false),
            ("de_DE.ISO-8859-1", false),
        ] {
            assert_eq!(is_utf8(locale), wanted, "{locale}");
        }
    }
}
