//! `haldane wait`: long polls until a verdict is final. A daemon that is away is waited for, since
//! it goes on where it was when it is back.

use crate::cli::args::WaitArgs;
use crate::cli::card::time_left;
use crate::cli::client::{Client, Fault, Reply};
use crate::cli::ending::EndingArgs;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::serve::stop_signal;
use crate::cli::style::plain;
use crate::http::wire::path_segment;
use crate::serve::clock::Clock;
use crate::time::Span;
use crate::wire::verdict::VerdictDocument;
use std::time::{Duration, Instant};

/// How long one poll asks the daemon to wait.
const POLL: Duration = Duration::from_secs(30);

/// Between two questions to a daemon that is away, or that does not wait.
pub(crate) const PAUSE: Duration = Duration::from_secs(3);

/// A daemon that was never reached is given up after this long: the address may be wrong.
pub(crate) const FIRST_ANSWER_MAX: Duration = Duration::from_secs(30);

/// Where nobody watches, one line of progress in this time.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// How a verdict is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Waiting<'a> {
    /// At most so long; for ever without it.
    pub(crate) timeout: Option<Span>,
    /// What the verdict ends with.
    pub(crate) ending: &'a EndingArgs,
}

/// Reads `--timeout`.
pub(crate) fn timeout(text: &str) -> Result<Span, Fault> {
    Span::parse(text).ok_or_else(|| {
        let message = format!("--timeout `{text}` is no length of time; write 30m or 2h");
        (Exit::Usage, message)
    })
}

/// Runs the command.
pub(crate) async fn run(args: &WaitArgs, output: &mut Output) -> Exit {
    let done = async {
        let timeout = timeout(&args.timeout)?;
        let client = Client::new(&args.daemon)?;
        args.ending.begin()?;
        let waiting = Waiting {
            timeout: Some(timeout),
            ending: &args.ending,
        };
        until_final(&client, &args.id, waiting, output).await
    };
    let done = tokio::select! {
        biased;
        () = stop_signal() => Err(interrupted(&args.id)),
        done = done => done,
    };
    args.ending.ended(done, output)
}

/// A signal ended the wait: the analysis knows nothing of it.
pub(crate) fn interrupted(id: &str) -> Fault {
    let message = format!("interrupted; the analysis goes on, {}", later(id));
    (Exit::Interrupted, message)
}

/// How its verdict is heard all the same.
fn later(id: &str) -> String {
    format!("and `haldane wait {}` hears its verdict", plain(id))
}

/// Polls until the verdict is final, shows it, and says what to end with.
pub(crate) async fn until_final(
    client: &Client,
    id: &str,
    waiting: Waiting<'_>,
    output: &mut Output,
) -> Result<Exit, Fault> {
    let mut watch = Watch::new(waiting.timeout);
    let path = format!("v1/analyses/{}", path_segment(id));
    loop {
        // The first is answered at once: whoever watches sees that somebody is there.
        let first = !watch.reached;
        let poll = if first {
            Duration::ZERO
        } else {
            POLL.min(watch.left())
        };
        let asked = Instant::now();
        let query = format!("{path}/verdict?as=exit&wait={}s", poll.as_secs());
        match client.get(&query).await {
            Ok(reply) => {
                let document: VerdictDocument = reply.read()?;
                if document.is_final || document.shadow {
                    // The daemon may go away in between: what it has said is said again.
                    let whole = whole(client, &path, reply).await;
                    return waiting.ending.verdict(&whole, &document, output);
                }
                watch.answered(&document, output);
                if !first && asked.elapsed() < PAUSE {
                    // It did not wait: others fill its places.
                    watch.pause().await;
                }
            }
            Err((Exit::Unavailable, message)) => watch.away(message, output).await?,
            Err(fault) => return Err(fault),
        }
        if watch.left().is_zero() {
            let limit = waiting.timeout.unwrap_or(Span::ZERO);
            let late = format!("no verdict within --timeout {limit}");
            if let Some(why) = watch.away {
                return Err((Exit::Unavailable, format!("{late}; {why}")));
            }
            let fault = &watch.source_fault;
            let message = format!("{late}{fault}; the analysis goes on, {}", later(id));
            return Err((Exit::Inconclusive, message));
        }
    }
}

/// Everything about the analysis; as much as is known when that cannot be had.
async fn whole(client: &Client, path: &str, known: Reply) -> Reply {
    client.get(path).await.unwrap_or(known)
}

/// What waiting needs to remember.
struct Watch {
    began: Instant,
    limit: Option<Duration>,
    reached: bool,
    /// Why it does not answer at present.
    away: Option<String>,
    line_at: Option<Instant>,
    /// Why the daemon's source does not answer at present; empty when it does.
    source_fault: String,
}

impl Watch {
    fn new(timeout: Option<Span>) -> Self {
        let limit = |span: Span| Duration::from_millis(u64::try_from(span.ms()).unwrap_or(0));
        Self {
            began: Instant::now(),
            limit: timeout.map(limit),
            reached: false,
            away: None,
            line_at: None,
            source_fault: String::new(),
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
        if self.away.take().is_some() {
            output.note("the daemon is back");
        }
        self.reached = true;
        let line = self.line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY);
        if line {
            self.line_at = Some(Instant::now());
        }
        let fault = document.source_fault.as_deref();
        let fault = fault.map_or_else(String::new, |fault| {
            format!("; the source does not answer: {}", plain(fault))
        });
        let text = format!(
            "look {} of {}, {}: {}{fault}",
            document.look,
            document.looks_planned,
            time_left(document, Clock::system().now()),
            plain(&document.reason)
        );
        self.source_fault = fault;
        output.progress(&text, line);
    }

    async fn away(&mut self, message: String, output: &mut Output) -> Result<(), Fault> {
        if !self.reached && self.began.elapsed() >= FIRST_ANSWER_MAX {
            return Err((Exit::Unavailable, message));
        }
        if self.away.is_none() {
            let every = PAUSE.as_secs();
            output.note(&format!("{message}; asking again every {every} s"));
        }
        self.away = Some(message);
        self.pause().await;
        Ok(())
    }
}
