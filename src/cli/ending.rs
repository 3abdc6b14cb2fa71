//! How a command that waits for a verdict ends: what it writes, for people and for CI systems, and
//! with which exit code. Written once for `wait` and `submit --wait`.

use crate::cli::args::{Format, InconclusiveAs};
use crate::cli::card::Card;
use crate::cli::client::{Fault, Reply};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::status::show;
use crate::cli::{junit, markdown};
use crate::dialect::{SOURCE_LOST, State};
use crate::engine::verdict::Verdict;
use crate::serve::clock::Clock;
use crate::wire::verdict::VerdictDocument;
use clap::ValueEnum;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What a verdict, or its absence, ends with.
#[derive(Clone, Debug, clap::Args)]
pub struct EndingArgs {
    /// How the answer is written
    #[arg(
        short = 'o',
        long,
        value_enum,
        default_value_t = WaitFormat::Table,
        value_name = "FORMAT"
    )]
    pub output: WaitFormat,
    /// Write the verdict as JUnit XML to this file as well: a case for it, and one for each metric
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Append the verdict as Markdown to this file as well, such as "$GITHUB_STEP_SUMMARY"
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// What an inconclusive verdict ends with; 3 unless the daemon is configured otherwise
    #[arg(long, value_enum, value_name = "END")]
    pub inconclusive_as: Option<InconclusiveAs>,
    /// What a daemon or a source that cannot be reached ends with; 4 unless configured otherwise
    #[arg(long, value_enum, value_name = "END")]
    pub error_as: Option<ErrorAs>,
}

/// How the answer to waiting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For comments and job summaries.
    Markdown,
    /// For CI systems that show tests.
    Junit,
}

/// What ends with when no verdict could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorAs {
    /// Exit code 4.
    #[value(name = "4")]
    Own,
    /// Exit code 3.
    Inconclusive,
    /// Exit code 1.
    Rollback,
    /// Exit code 0: whoever writes this goes on without a verdict.
    Promote,
}

impl ErrorAs {
    /// The exit code.
    const fn exit(self) -> Exit {
        match self {
            Self::Own => Exit::Unavailable,
            Self::Inconclusive => Exit::Inconclusive,
            Self::Rollback => Exit::Rollback,
            Self::Promote => Exit::Clean,
        }
    }
}

impl EndingArgs {
    /// Whether something is asked for that only waiting can give; its flag.
    pub(crate) fn needs_waiting(&self) -> Option<&'static str> {
        [
            (self.output == WaitFormat::Junit, "--output junit"),
            (self.junit.is_some(), "--junit"),
            (self.summary.is_some(), "--summary"),
            (self.inconclusive_as.is_some(), "--inconclusive-as"),
            (self.error_as.is_some(), "--error-as"),
        ]
        .into_iter()
        .find_map(|(asked, flag)| asked.then_some(flag))
    }

    /// Before anything is waited for: a file that cannot be written must not be found out hours
    /// later, and a job that is killed must not leave the verdict of the run before.
    pub(crate) fn begin(&self) -> Result<(), Fault> {
        if let Some(path) = &self.junit {
            let message = "ended from outside before there was a verdict";
            let xml = junit::of_fault(message, Exit::Interrupted);
            written("--junit", path, std::fs::write(path, xml))?;
        }
        if let Some(path) = &self.summary {
            written("--summary", path, append(path, ""))?;
        }
        Ok(())
    }

    /// Shows the whole document of a final verdict, everywhere it is asked for. `told` is what the
    /// daemon said to one that asks for an exit code.
    pub(crate) fn verdict(
        &self,
        whole: &Reply,
        told: &VerdictDocument,
        output: &mut Output,
    ) -> Result<Exit, Fault> {
        let document: VerdictDocument = whole.read()?;
        let exit = self.exit_of(told);
        let xml = || junit::of_verdict(&document, exit);
        match self.output {
            WaitFormat::Table => show(whole, Format::Table, output)?,
            WaitFormat::Json => show(whole, Format::Json, output)?,
            WaitFormat::Markdown => show(whole, Format::Markdown, output)?,
            WaitFormat::Junit => output.data(&xml()),
        }
        if let Some(path) = &self.junit {
            written("--junit", path, std::fs::write(path, xml()))?;
        }
        if let Some(path) = &self.summary {
            let now = Clock::system().now();
            let text = markdown::whole(&Card::of_analysis(&document, now));
            written("--summary", path, append(path, &text))?;
        }
        if document.shadow {
            output.note("it is in shadow: only watched, so nobody waits for its verdict");
        }
        Ok(exit)
    }

    /// Ends with what was done. A fault is said first, in the files too: a CI system that finds no
    /// file shows the tests of the run before.
    pub(crate) fn ended(&self, done: Result<Exit, Fault>, output: &mut Output) -> Exit {
        let (exit, message) = match done {
            Ok(exit) => return exit,
            Err(fault) => fault,
        };
        output.complain(&message);
        let exit = self.collapsed(exit);
        let xml = || junit::of_fault(&message, exit);
        if self.output == WaitFormat::Junit {
            output.data(&xml());
        }
        let files = [
            self.junit.as_ref().map(|path| {
                let done = std::fs::write(path, xml());
                written("--junit", path, done)
            }),
            self.summary.as_ref().map(|path| {
                let done = append(path, &markdown::fault(&message));
                written("--summary", path, done)
            }),
        ];
        for (_, why) in files.into_iter().flatten().filter_map(Result::err) {
            output.complain(&why);
        }
        exit
    }

    /// The exit code of a final verdict.
    fn exit_of(&self, document: &VerdictDocument) -> Exit {
        if document.shadow {
            return Exit::Clean;
        }
        // A word of a later version: doubt is the only honest answer (A5).
        let verdict = Verdict::from_word(&document.verdict).unwrap_or(Verdict::Inconclusive);
        let told = match document.word.as_deref() {
            Some("go") => Exit::Clean,
            Some("stop") => Exit::Rollback,
            Some("fault") => Exit::Unavailable,
            _ => Exit::Inconclusive,
        };
        let lost = verdict == Verdict::Inconclusive && document.row == Some(SOURCE_LOST);
        if lost || document.state.as_deref() == Some(State::Error.word()) {
            return match (self.error_as, told) {
                (Some(error), _) => error.exit(),
                (None, Exit::Clean) => Exit::Inconclusive,
                (None, told) => told,
            };
        }
        let hold = document.hold.as_deref();
        let inconclusive_as = self.inconclusive_as.map_or(told, InconclusiveAs::exit);
        Exit::concluded(verdict, hold, document.score.is_some(), inconclusive_as)
    }

    /// What a fault ends with: no daemon or no source as `--error-as` says, no verdict in time as
    /// `--inconclusive-as` says, but never like a promote (A5).
    fn collapsed(&self, exit: Exit) -> Exit {
        match exit {
            Exit::Unavailable => self.error_as.map_or(exit, ErrorAs::exit),
            Exit::Inconclusive if self.inconclusive_as == Some(InconclusiveAs::Rollback) => {
                Exit::Rollback
            }
            other => other,
        }
    }
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    if text.is_empty() {
        return Ok(());
    }
    file.write_all(format!("{text}\n").as_bytes())
}

fn written(flag: &str, path: &Path, done: std::io::Result<()>) -> Result<(), Fault> {
    done.map_err(|fault| {
        let message = format!("{flag} {}: {fault}", path.display());
        (Exit::Usage, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_collapsed() {
        use InconclusiveAs::{Own, Promote, Rollback};
        let every = [
            Exit::Clean,
            Exit::Rollback,
            Exit::Usage,
            Exit::Inconclusive,
            Exit::Unavailable,
            Exit::Held,
            Exit::Internal,
        ];
        for (inconclusive_as, error_as, wanted) in [
            (Own, ErrorAs::Own, [0, 1, 2, 3, 4, 5, 70]),
            (Rollback, ErrorAs::Own, [0, 1, 2, 1, 4, 5, 70]),
            (Promote, ErrorAs::Own, [0, 1, 2, 3, 4, 5, 70]),
            (Own, ErrorAs::Rollback, [0, 1, 2, 3, 1, 5, 70]),
            (Own, ErrorAs::Promote, [0, 1, 2, 3, 0, 5, 70]),
        ] {
            let ending = EndingArgs {
                output: WaitFormat::Table,
                junit: None,
                summary: None,
                inconclusive_as: Some(inconclusive_as),
                error_as: Some(error_as),
            };
            let codes = every.map(|exit| ending.collapsed(exit).code());
            assert_eq!(codes, wanted, "{inconclusive_as:?} {error_as:?}");
        }
    }

    /// What the flags say.
    type Flags = (Option<InconclusiveAs>, Option<ErrorAs>);

    const OWN: Flags = (None, None);

    const fn inconclusive(to: InconclusiveAs) -> Flags {
        (Some(to), None)
    }

    const fn error(to: ErrorAs) -> Flags {
        (None, Some(to))
    }

    const HELD: Option<&str> = Some("traffic_mismatch");

    /// Verdict, state and word as the daemon says them; the hold; the score; flags; the exit code.
    type Row = (&'static str, Option<&'static str>, Option<u8>, Flags, u8);

    /// CL-1 to CL-6.
    const ROWS: [Row; 17] = [
        ("promote promote go", None, Some(97), OWN, 0),
        ("rollback rollback stop", None, Some(41), OWN, 1),
        ("inconclusive inconclusive doubt", None, Some(80), OWN, 3),
        (
            "inconclusive inconclusive doubt",
            None,
            Some(80),
            inconclusive(InconclusiveAs::Rollback),
            1,
        ),
        (
            "inconclusive inconclusive doubt",
            None,
            Some(80),
            inconclusive(InconclusiveAs::Promote),
            0,
        ),
        (
            "inconclusive inconclusive doubt",
            None,
            None,
            inconclusive(InconclusiveAs::Promote),
            3,
        ),
        ("inconclusive inconclusive doubt", HELD, Some(80), OWN, 5),
        // As the daemon is configured, unless a flag says else.
        ("inconclusive inconclusive stop", None, Some(80), OWN, 1),
        ("inconclusive inconclusive go", None, Some(80), OWN, 0),
        ("inconclusive inconclusive go", None, None, OWN, 3),
        (
            "inconclusive inconclusive stop",
            None,
            Some(80),
            inconclusive(InconclusiveAs::Own),
            3,
        ),
        ("inconclusive error fault", None, None, OWN, 4),
        (
            "inconclusive error fault",
            None,
            None,
            error(ErrorAs::Rollback),
            1,
        ),
        (
            "inconclusive error fault",
            None,
            None,
            error(ErrorAs::Inconclusive),
            3,
        ),
        (
            "inconclusive error fault",
            None,
            None,
            inconclusive(InconclusiveAs::Promote),
            4,
        ),
        ("inconclusive error go", None, None, OWN, 3),
        ("later later later", None, Some(80), OWN, 3),
    ];

    #[test]
    fn every_end_has_its_exit_code() {
        for (said, hold, score, end, wanted) in ROWS {
            let mut words = said.split(' ').map(str::to_owned);
            let mut document = document();
            document.verdict = words.next().unwrap_or_default();
            document.state = words.next();
            document.word = words.next();
            document.hold = hold.map(str::to_owned);
            document.score = score;
            let ending = EndingArgs {
                output: WaitFormat::Table,
                junit: None,
                summary: None,
                inconclusive_as: end.0,
                error_as: end.1,
            };
            let code = ending.exit_of(&document).code();
            assert_eq!(code, wanted, "{said} {hold:?} {score:?} {end:?}");
        }
    }

    fn document() -> VerdictDocument {
        let text = r#"{"schema":"haldane.verdict/1","id":"a","verdict":"","final":true,
            "score":null,"reason":"","row":1,"hold":null,"on_inconclusive":"hold",
            "status":"concluded","service":"s","deploy":{"id":null,"environment":null,
            "region":null,"revision":null,"commit":null,"artifact_digest":null,
            "change_type":null,"actor":null,"traffic_share":null,"traceparent":null},
            "template":{"name":"t","digest":"d"},"plan_digest":"d","look":1,"looks_planned":1,
            "started_at":"","submitted_at":"","deadline":"","covered_to":null,"decided_at":null,
            "next_look_at":null,"author":null,"source_fault":null}"#;
        serde_json::from_str(text).expect("A9: a short document")
    }
}
