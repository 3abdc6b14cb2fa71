//! The door to Prometheus and whatever speaks its HTTP API (Thanos, Mimir, VictoriaMetrics).
//!
//! It asks and reads, nothing more: what an answer means is decided by [`crate::series`] and
//! above. It is strict where leniency would look like health (A5): warnings are kept, a cut or
//! strange body is a fault, an over-large answer is refused whole instead of shortened. It is
//! polite: few requests at once, a time-out told to the server, no question repeated that the
//! server understood and refused.
#![allow(clippy::disallowed_methods, reason = "door: does I/O")]

mod credential;
mod exchange;
mod fault;
mod native;
mod options;
mod response;
mod split;
mod tls;

pub use fault::{Fault, FaultKind, RETRY_AFTER_MAX};
pub use options::{
    Auth, CONCURRENCY_DEFAULT, ClientIdentity, Options, RESPONSE_BYTES_DEFAULT, Retry,
};
pub use response::{BuildInfo, SAMPLES_MAX, SERIES_MAX, decode_answer};
pub use split::{POINTS_MAX, POINTS_PER_REQUEST_MAX};
pub use tls::install_crypto;

use crate::series::raw::Answer;
use crate::time::{Step, Timestamp};
use backon::{ExponentialBuilder, Retryable};
use credential::{Credential, Held};
use exchange::{Call, Failure, exchange};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Bodies above this are decoded on the pool for blocking work: at about 500 MB/s a larger one
/// would hold up its runtime thread for more than two milliseconds.
const INLINE_DECODE_BYTES_MAX: usize = 1024 * 1024;

/// Instants of a range query: every multiple of `step` since 1970 in `start ..= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeQuery {
    /// The first instant, if it is on the grid.
    pub start: Timestamp,
    /// The last instant, if it is on the grid.
    pub end: Timestamp,
    /// The distance between two instants.
    pub step: Step,
}

/// A client of one source; clones share connections, the line and the credentials.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    api: prometheus_http_query::Client,
    options: Options,
    credential: Credential,
    line: Semaphore,
}

/// A body, and what we proved ourselves with: it must not show in a message about the body.
struct Fetched {
    body: Vec<u8>,
    held: Held,
}

impl Client {
    /// Checks the options and reads the certificate files; connects to nothing yet.
    pub fn new(mut options: Options) -> Result<Self, Fault> {
        let url = &options.url;
        let refused = |kind, why: &str| Fault::new(kind, format!("url {} {why}", shown(&options)));
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refused(
                FaultKind::Malformed,
                "must be http or https with a host",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let why = "holds credentials, which would be printed with it; put them in auth";
            return Err(refused(FaultKind::Auth, why));
        }
        if url.query().is_some() || url.fragment().is_some() {
            let why = "has a query or fragment; give the address before /api/v1 only";
            return Err(refused(FaultKind::Malformed, why));
        }
        let prefix = url.path().trim_end_matches('/').to_owned();
        options.url.set_path(&prefix);
        let credential = Credential::new(&options)?;
        let http = tls::http_client(&options)?;
        let api = prometheus_http_query::Client::from(http, options.url.as_str())
            .map_err(|error| Fault::new(FaultKind::Malformed, error.to_string()))?;
        let line = Semaphore::new(options.concurrency_max.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self(Arc::new(Inner {
            api,
            options,
            credential,
            line,
        })))
    }

    /// Values of `query` on the grid of `range`, in as many requests as the source's limit of
    /// [`POINTS_PER_REQUEST_MAX`] needs; every grid point at most once, series sorted by labels.
    ///
    /// No grid point in the range is an empty answer without asking.
    pub async fn query_range(&self, query: &str, range: RangeQuery) -> Result<Answer, Fault> {
        let pieces = split::pieces(range).map_err(|f| self.named(f, range_call(query, range)))?;
        let mut merged = split::Merged::default();
        for (start, end) in pieces {
            let piece = RangeQuery {
                start,
                end,
                ..range
            };
            let call = range_call(query, piece);
            let answer = self.ask(call).await?;
            merged
                .add(answer)
                .map_err(|fault| self.named(fault, call))?;
        }
        Ok(merged.finish())
    }

    /// The stored samples of `selector` in `(from, to]` with their own timestamps: no
    /// interpolation, no look-back, no extrapolation.
    ///
    /// `selector` is a plain instant selector, `m{a="b"}`; a range is put behind it. An empty
    /// range is an empty answer without asking.
    pub async fn raw_samples(
        &self,
        selector: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Answer, Fault> {
        let span = to.since(from);
        if span.ms() == 0 {
            return Ok(Answer::default());
        }
        let query = format!("{selector}[{}ms]", span.ms());
        let call = Call::Instant {
            query: &query,
            at: to,
        };
        let mut answer = self.ask(call).await?;
        for series in &mut answer.series {
            // Before Prometheus 3 a range includes its left end.
            series
                .samples
                .retain(|sample| from < sample.at && sample.at <= to);
        }
        answer.series.retain(|series| !series.samples.is_empty());
        for series in &mut answer.histograms {
            let inside = |at: Timestamp| from < at && at <= to;
            series.samples.retain(|histogram| inside(histogram.at));
        }
        answer
            .histograms
            .retain(|series| !series.samples.is_empty());
        Ok(answer)
    }

    /// The value of `query` at one instant; a scalar is one series without labels.
    pub async fn query_instant(&self, query: &str, at: Timestamp) -> Result<Answer, Fault> {
        self.ask(Call::Instant { query, at }).await
    }

    /// What the source says it is; the cheapest question that proves address and credentials.
    pub async fn build_info(&self) -> Result<BuildInfo, Fault> {
        let call = Call::BuildInfo;
        let Fetched { body, held } = self.fetch(call).await?;
        response::decode_build_info(&exchange::scrubbed(&body, &held))
            .map_err(|fault| self.named(fault, call))
    }

    async fn ask(&self, call: Call<'_>) -> Result<Answer, Fault> {
        let Fetched { body, held } = self.fetch(call).await?;
        let body_len = body.len();
        let decode = move || {
            // The second reading is for the message alone, which may repeat some of the body.
            decode_answer(&body).map_err(|fault| {
                let clean = exchange::scrubbed(&body, &held);
                decode_answer(&clean).err().unwrap_or(fault)
            })
        };
        let decoded = if body_len <= INLINE_DECODE_BYTES_MAX {
            decode()
        } else {
            tokio::task::spawn_blocking(decode)
                .await
                .unwrap_or_else(|error| {
                    let message = format!("decoding ended early: {error}");
                    Err(Fault::new(FaultKind::Unavailable, message))
                })
        };
        let mut answer = decoded.map_err(|fault| self.named(fault, call))?;
        self.excuse(&mut answer);
        Ok(answer)
    }

    /// Moves allowed warnings to the infos.
    fn excuse(&self, answer: &mut Answer) {
        let allowed = &self.0.options.allowed_warnings;
        let (known, rest) = std::mem::take(&mut answer.warnings)
            .into_iter()
            .partition(|warning| allowed.iter().any(|pattern| pattern.is_match(warning)));
        answer.warnings = rest;
        answer.infos.extend::<Vec<String>>(known);
    }

    /// The body of a successful answer, after as many attempts as the options allow.
    async fn fetch(&self, call: Call<'_>) -> Result<Fetched, Fault> {
        let retry = self.0.options.retry;
        let delays = ExponentialBuilder::new()
            .with_min_delay(tls::duration(retry.base))
            .with_max_delay(tls::duration(retry.cap))
            .with_max_times(retry.attempts_max.saturating_sub(1))
            .with_jitter();
        let attempts = AtomicUsize::new(0);
        let attempt = || {
            attempts.fetch_add(1, Ordering::Relaxed);
            self.attempt(call)
        };
        let outcome = attempt
            .retry(delays)
            .when(|failure: &Failure| failure.again)
            .adjust(|failure, delay| match (failure.fault.retry_after, delay) {
                // Coming back sooner than asked would only be refused again.
                (Some(wait), Some(_)) if wait > retry.cap => None,
                (Some(wait), Some(delay)) => Some(delay.max(tls::duration(wait))),
                (_, delay) => delay,
            })
            .await;
        outcome.map_err(|failure| {
            let mut fault = self.named(failure.fault, call);
            let made = attempts.load(Ordering::Relaxed);
            if made > 1 {
                fault.message = format!("{} (after {made} attempts)", fault.message);
            }
            fault
        })
    }

    /// One attempt in its turn; a refused token file is read again and tried once more.
    async fn attempt(&self, call: Call<'_>) -> Result<Fetched, Failure> {
        let inner = &*self.0;
        let _turn = inner.line.acquire().await.map_err(|_| Failure {
            fault: Fault::new(FaultKind::Unavailable, "the client is closed"),
            again: false,
        })?;
        let mut held = inner
            .credential
            .current()
            .await
            .map_err(Failure::for_good)?;
        let mut outcome = self.exchange(call, &held).await;
        if matches!(&outcome, Err(failure) if failure.fault.kind == FaultKind::Auth) {
            let renewed = inner.credential.renewed(&held).await;
            if let Some(fresh) = renewed.map_err(Failure::for_good)? {
                outcome = self.exchange(call, &fresh).await;
                held = fresh;
            }
        }
        match outcome {
            Ok(body) => Ok(Fetched { body, held }),
            Err(mut failure) => {
                failure.fault.message = held.scrub(&failure.fault.message);
                Err(failure)
            }
        }
    }

    async fn exchange(&self, call: Call<'_>, held: &Held) -> Result<Vec<u8>, Failure> {
        let inner = &*self.0;
        exchange(&inner.api, &inner.options, call, held).await
    }

    /// The fault with the question and the address in front.
    fn named(&self, mut fault: Fault, call: Call<'_>) -> Fault {
        let address = shown(&self.0.options);
        fault.message = format!("{} at {address}: {}", call.subject(), fault.message);
        fault
    }
}

fn range_call(query: &str, range: RangeQuery) -> Call<'_> {
    Call::Range {
        query,
        start: range.start,
        end: range.end,
        step: range.step,
    }
}

fn shown(options: &Options) -> String {
    options::address(&options.url)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client")
            .field(&shown(&self.0.options))
            .finish()
    }
}
