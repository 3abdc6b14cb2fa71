//! Long work beside the runtime, with a bar that says how far it is.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::figures::counted;
use crate::cli::output::Output;
use crate::simulate::work::Progress;
use std::sync::Arc;
use std::time::Duration;

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Every so many of those a line is worth it where there is no terminal: every ten seconds.
const LINES_EVERY: u64 = 40;

/// Does the work on a thread of its own, so that Ctrl-C need not wait for it, and shows how far it
/// is. One piece of work alone needs no bar.
pub(crate) async fn shown<T: Send + 'static>(
    output: &mut Output,
    work: impl FnOnce(&Progress) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    watched(output, bar, work).await
}

/// The same for a search, whose steps decide how many follow: how much is done, of nobody knows
/// how much.
pub(crate) async fn searching<T: Send + 'static>(
    output: &mut Output,
    what: &'static str,
    work: impl FnOnce(&Progress) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let text = move |done: usize, _: usize| format!("{} so far", counted(done, what));
    watched(output, text, work).await
}

async fn watched<T: Send + 'static>(
    output: &mut Output,
    text: impl Fn(usize, usize) -> String,
    work: impl FnOnce(&Progress) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let progress = Arc::new(Progress::default());
    let watched = Arc::clone(&progress);
    let mut work = tokio::task::spawn_blocking(move || work(&progress));
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    let mut count = 0_u64;
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = ticks.tick() => {
                count += 1;
                let (done, all) = watched.now();
                if all > 1 {
                    output.progress(&text(done, all), count.is_multiple_of(LINES_EVERY));
                }
            }
        }
    };
    done.unwrap_or_else(|fault| Err((Exit::Internal, fault.to_string())))
}

/// `[######..............]  31 %  1204 of 3900`
fn bar(done: usize, all: usize) -> String {
    const WIDTH: usize = 30;
    let filled = done * WIDTH / all;
    let percent = done * 100 / all;
    let (full, empty) = ("#".repeat(filled), ".".repeat(WIDTH - filled));
    format!("[{full}{empty}] {percent:>3} %  {done} of {all}")
}

/// As many threads as were asked for, else as many as there are cores.
pub(crate) fn threads(jobs: Option<u16>) -> usize {
    jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    )
}
