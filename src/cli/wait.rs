//! `haldane wait`: long polls until a verdict is final. A daemon that is away is waited for, since
//! it goes on where it was when it is back.

use crate::cli::args::{Format, InconclusiveAs, WaitArgs};
use crate::cli::card::time_left;
use crate::cli::client::{Client, Fault, Reply};
use crate::cli::exit_code::{EndArgs, Exit};
use crate::cli::output::Output;
use crate::cli::status::show;
use crate::dialect::State;
use crate::engine::verdict::Verdict;
use crate::http::wire::path_segment;
use crate::serve::clock::Clock;
use crate::time::Span;
use crate::wire::verdict::VerdictDocument;
use std::time::{Duration, Instant};

/// How long one poll asks the daemon to wait.
const POLL: Duration = Duration::from_secs(30);

/// Between two questions to a daemon that is away, or that does not wait.
const PAUSE: Duration = Duration::from_secs(3);

/// A daemon that was never reached is given up after this long: the address may be wrong.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(30);

/// Where nobody watches, one line of progress in this time.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// How a verdict is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    /// At most so long; for ever without it.
    pub(crate) timeout: Option<Span>,
    /// How the verdict is written.
    pub(crate) format: Format,
    /// What it ends with where the verdict is neither promote nor rollback.
    pub(crate) end: EndArgs,
}

/// Runs the command.
pub(crate) async fn run(args: &WaitArgs, output: &mut Output) -> Exit {
    let done = async {
        let timeout = Span::parse(&args.timeout).ok_or_else(|| {
            let message = format!(
                "--timeout `{}` is no length of time; write 30m or 2h",
                args.timeout
            );
            (Exit::Usage, message)
        })?;
        let client = Client::new(&args.daemon)?;
        let waiting = Waiting {
            timeout: Some(timeout),
            format: args.output,
            end: args.end,
        };
        until_final(&client, &args.id, waiting, output).await
    };
    let done = done.await;
    crate::cli::ended(done, output)
}

/// Polls until the verdict is final, shows it, and says what to end with.
pub(crate) async fn until_final(
    client: &Client,
    id: &str,
    waiting: Waiting,
    output: &mut Output,
) -> Result<Exit, Fault> {
    let mut watch = Watch::new(waiting.timeout);
    let path = format!("v1/analyses/{}", path_segment(id));
    loop {
        let poll = POLL.min(watch.left());
        let asked = Instant::now();
        let query = format!("{path}/verdict?as=exit&wait={}s", poll.as_secs());
        match client.get(&query).await {
            Ok(reply) => {
                let document: VerdictDocument = reply.read()?;
                if document.is_final {
                    return concluded(client, &path, (&reply, &document), waiting, output).await;
                }
                watch.answered(&document, output);
                if asked.elapsed() < PAUSE {
                    // It did not wait: others fill its places.
                    watch.pause().await;
                }
            }
            Err((Exit::Unavailable, message)) => watch.away(message, output).await?,
            Err(fault) => return Err(fault),
        }
        if watch.left().is_zero() {
            let limit = waiting.timeout.unwrap_or(Span::ZERO);
            let message = format!("no verdict within --timeout {limit}; the analysis goes on");
            return Err((Exit::Inconclusive, message));
        }
    }
}

async fn concluded(
    client: &Client,
    path: &str,
    (reply, document): (&Reply, &VerdictDocument),
    waiting: Waiting,
    output: &mut Output,
) -> Result<Exit, Fault> {
    if waiting.format == Format::Json {
        output.data(&reply.0);
    } else {
        show(&client.get(path).await?, waiting.format, output)?;
    }
    Ok(exit_of(document, waiting.end))
}

/// The exit code of a final verdict: as the flags say, else as the daemon's dialect says. Nothing
/// but a promote, or an inconclusive verdict on data that was asked to count as one, ends with 0
/// (A5).
fn exit_of(document: &VerdictDocument, end: EndArgs) -> Exit {
    // A word of a later version: doubt is the only honest answer (A5).
    let verdict = Verdict::from_word(&document.verdict).unwrap_or(Verdict::Inconclusive);
    let told = match document.word.as_deref() {
        Some("go") => Exit::Clean,
        Some("stop") => Exit::Rollback,
        Some("fault") => Exit::Unavailable,
        _ => Exit::Inconclusive,
    };
    if document.state.as_deref() == Some(State::Error.word()) {
        return match (end.error_as, told) {
            (Some(error), _) => error.exit(),
            (None, Exit::Clean) => Exit::Inconclusive,
            (None, told) => told,
        };
    }
    let inconclusive_as = end.inconclusive_as.map_or(told, InconclusiveAs::exit);
    let hold = document.hold.as_deref();
    Exit::concluded(verdict, hold, document.score.is_some(), inconclusive_as)
}

/// What waiting needs to remember.
struct Watch {
    began: Instant,
    limit: Option<Duration>,
    reached: bool,
    away: bool,
    line_at: Option<Instant>,
}

impl Watch {
    fn new(timeout: Option<Span>) -> Self {
        let limit = |span: Span| Duration::from_millis(u64::try_from(span.ms()).unwrap_or(0));
        Self {
            began: Instant::now(),
            limit: timeout.map(limit),
            reached: false,
            away: false,
            line_at: None,
        }
    }

    /// What is left of the time to wait.
    fn left(&self) -> Duration {
        self.limit
            .map_or(POLL, |limit| limit.saturating_sub(self.began.elapsed()))
    }

    async fn pause(&self) {
        tokio::time::sleep(PAUSE.min(self.left())).await;
    }

    fn answered(&mut self, document: &VerdictDocument, output: &mut Output) {
        if self.away {
            output.note("the daemon is back");
        }
        (self.reached, self.away) = (true, false);
        let line = self.line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY);
        if line {
            self.line_at = Some(Instant::now());
        }
        let text = format!(
            "look {} of {}, {}: {}",
            document.look,
            document.looks_planned,
            time_left(document, Clock::system().now()),
            crate::cli::style::plain(&document.reason)
        );
        output.progress(&text, line);
    }

    async fn away(&mut self, message: String, output: &mut Output) -> Result<(), Fault> {
        if !self.reached && self.began.elapsed() >= FIRST_ANSWER_MAX {
            return Err((Exit::Unavailable, message));
        }
        if !self.away {
            let every = PAUSE.as_secs();
            output.note(&format!("{message}; asking again every {every} s"));
            self.away = true;
        }
        self.pause().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit_code::ErrorAs;

    const OWN: EndArgs = EndArgs {
        inconclusive_as: None,
        error_as: None,
    };

    const fn inconclusive(to: InconclusiveAs) -> EndArgs {
        EndArgs {
            inconclusive_as: Some(to),
            ..OWN
        }
    }

    const fn error(to: ErrorAs) -> EndArgs {
        EndArgs {
            error_as: Some(to),
            ..OWN
        }
    }

    const HELD: Option<&str> = Some("traffic_mismatch");

    /// Verdict, state and word as the daemon says them; the hold; the score; flags; the exit code.
    type Row = (&'static str, Option<&'static str>, Option<u8>, EndArgs, u8);

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
            let code = exit_of(&document, end).code();
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
