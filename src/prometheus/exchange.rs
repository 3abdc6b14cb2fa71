//! One request and its answer: sent, read up to a limit, and every failure named.

use super::credential::Held;
use super::fault::{Fault, FaultKind, excerpt, parse_retry_after};
use super::options::{Options, address};
use super::response::{decode_refusal, head};
use super::tls::causes;
use crate::time::{Step, Timestamp};
use prometheus_http_query as api;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::time::{SystemTime, UNIX_EPOCH};

/// Characters of a query shown in a message; the rest is dropped.
const QUERY_CHARS_MAX: usize = 300;

/// Sent with every query. For Thanos they mean: fail rather than answer with a store missing,
/// merge the replicas' series, read no downsampled blocks. Prometheus ignores them.
const ALWAYS: [(&str, &str); 3] = [
    ("partial_response", "false"),
    ("dedup", "true"),
    ("max_source_resolution", "0s"),
];

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call<'a> {
    Instant {
        query: &'a str,
        at: Timestamp,
    },
    Range {
        query: &'a str,
        start: Timestamp,
        end: Timestamp,
        step: Step,
    },
    BuildInfo,
}

impl Call<'_> {
    /// For messages: what was asked.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Instant { query, .. } | Self::Range { query, .. } => {
                format!("query `{}`", excerpt(query, QUERY_CHARS_MAX))
            }
            Self::BuildInfo => "the build information".to_owned(),
        }
    }
}

/// A failed attempt: the fault, and whether another attempt may help.
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) again: bool,
}

impl Failure {
    /// A failure that no further attempt will mend.
    pub(super) fn for_good(fault: Fault) -> Self {
        Self {
            fault,
            again: false,
        }
    }

    fn new(kind: FaultKind, again: bool, message: String) -> Self {
        let fault = Fault::new(kind, message);
        Self { fault, again }
    }
}

/// Sends `call` and reads the whole body of a 2xx answer.
pub(super) async fn exchange(
    client: &api::Client,
    options: &Options,
    call: Call<'_>,
    held: &Held,
) -> Result<Vec<u8>, Failure> {
    let authorization = held.header.clone();
    let response = send(client, options, call, authorization)
        .await
        .map_err(|unsent| unsent.failure(options))?;
    let status = response.status();
    let headers = response.headers().clone();
    if status.is_success() {
        let body = read_body(response, options).await?;
        if body.starts_with(PLAIN_SUCCESS) {
            return Ok(body);
        }
        return match decode_refusal(&body) {
            // Some proxies turn every status into 200.
            Some(refusal) if refusal.status == "error" => {
                Err(refused(status, &headers, &scrubbed(&body, held)))
            }
            _ => Ok(body),
        };
    }
    if status.is_redirection() {
        return Err(redirected(status, &headers));
    }
    // An error page larger than the limit is as good as none.
    let body = read_body(response, options).await.unwrap_or_default();
    Err(refused(status, &headers, &scrubbed(&body, held)))
}

/// How Prometheus and its relatives start a good answer; anything else is looked at twice.
const PLAIN_SUCCESS: &[u8] = br#"{"status":"success""#;

/// A body that may end up in a message, without our secrets, before any of it is cut.
pub(super) fn scrubbed(body: &[u8], held: &Held) -> Vec<u8> {
    held.scrub(&String::from_utf8_lossy(body)).into_bytes()
}

/// The request through the API client, except where that cannot say what we mean.
async fn send(
    client: &api::Client,
    options: &Options,
    call: Call<'_>,
    auth: Option<HeaderValue>,
) -> Result<Response, Unsent> {
    // The server should give up a little before us: its own word says more than our silence.
    let give_up_ms = (options.timeout.ms().saturating_mul(9) / 10).max(1);
    let at = |path: &str| format!("{}/api/v1/{path}", address(&options.url));
    match call {
        Call::Instant { query, at: time } => {
            // Not `at`, which takes whole seconds.
            let mut request = client
                .query(query)
                .timeout(give_up_ms)
                .query("time", time.seconds());
            for (name, value) in ALWAYS {
                request = request.query(name, value);
            }
            if let Some(value) = auth {
                request = request.header(AUTHORIZATION, value);
            }
            request.post_raw().await.map_err(Unsent::Api)
        }
        Call::Range {
            query,
            start,
            end,
            step,
        } => {
            let Some((start_s, end_s)) = whole_seconds(start).zip(whole_seconds(end)) else {
                // The API client's range query takes whole seconds only, too coarse for a grid
                // whose points fall between them; so this goes out by its HTTP client.
                let mut form = vec![
                    ("query", query.to_owned()),
                    ("start", start.seconds().to_string()),
                    ("end", end.seconds().to_string()),
                    ("step", step.span().seconds().to_string()),
                    ("timeout", format!("{give_up_ms}ms")),
                ];
                form.extend(ALWAYS.map(|(name, value)| (name, value.to_owned())));
                let request = client.inner().post(at("query_range")).form(&form);
                return send_plain(request, auth).await;
            };
            let step_s = step.span().seconds();
            let mut request = client
                .query_range(query, start_s, end_s, step_s)
                .timeout(give_up_ms);
            for (name, value) in ALWAYS {
                request = request.query(name, value);
            }
            if let Some(value) = auth {
                request = request.header(AUTHORIZATION, value);
            }
            request.post_raw().await.map_err(Unsent::Api)
        }
        // The API client's own form of this takes no headers.
        Call::BuildInfo => send_plain(client.inner().get(at("status/buildinfo")), auth).await,
    }
}

async fn send_plain(
    request: reqwest::RequestBuilder,
    auth: Option<HeaderValue>,
) -> Result<Response, Unsent> {
    let request = match auth {
        Some(value) => request.header(AUTHORIZATION, value),
        None => request,
    };
    request.send().await.map_err(Unsent::Http)
}

fn whole_seconds(at: Timestamp) -> Option<i64> {
    (at.ms() % 1000 == 0).then_some(at.ms() / 1000)
}

/// A request that got no answer, through the API client or beside it.
enum Unsent {
    Api(api::Error),
    Http(reqwest::Error),
}

impl Unsent {
    fn http(&self) -> Option<&reqwest::Error> {
        match self {
            Self::Api(api::Error::Client(error)) => error.inner(),
            Self::Api(_) => None,
            Self::Http(error) => Some(error),
        }
    }

    fn failure(&self, options: &Options) -> Failure {
        match self.http() {
            Some(error) if error.is_timeout() && !error.is_connect() => timed_out(options),
            Some(error) if error.is_timeout() => {
                let message = format!("no connection within {}", options.connect_timeout);
                Failure::new(FaultKind::Timeout, true, message)
            }
            Some(error) if error.is_connect() => {
                let message = format!("no connection: {}", causes(error));
                Failure::new(FaultKind::Unavailable, true, message)
            }
            Some(error) if error.is_builder() => {
                let message = format!("request cannot be made: {}", causes(error));
                Failure::new(FaultKind::Malformed, false, message)
            }
            Some(error) => {
                let message = format!("no answer: {}", causes(error));
                Failure::new(FaultKind::Unavailable, true, message)
            }
            None => {
                let message = "request cannot be made; check the url".to_owned();
                Failure::new(FaultKind::Malformed, false, message)
            }
        }
    }
}

/// Reads a body piece by piece and stops at the limit, whatever its length header says.
async fn read_body(mut response: Response, options: &Options) -> Result<Vec<u8>, Failure> {
    let bytes_max = options.response_bytes_max;
    let announced = response.content_length().unwrap_or(0);
    let too_large = || {
        let message = format!(
            "answer of more than {bytes_max} bytes; aggregate, select fewer series, ask for a \
             shorter range or raise the limit"
        );
        Failure::new(FaultKind::TooLarge, false, message)
    };
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced);
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) if bytes.len() > bytes_max - body.len() => return Err(too_large()),
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            Ok(None) => return Ok(body),
            Err(error) if error.is_timeout() => return Err(timed_out(options)),
            Err(error) => {
                let message = format!(
                    "answer cut short after {} bytes: {}",
                    body.len(),
                    causes(&error)
                );
                // The connection broke, not the query: it may well be answered next time.
                return Err(Failure::new(FaultKind::Unavailable, true, message));
            }
        }
    }
}

fn timed_out(options: &Options) -> Failure {
    let message = format!(
        "no whole answer within {}; simplify the query, shorten its range or raise the timeout",
        options.timeout
    );
    Failure::new(FaultKind::Timeout, true, message)
}

/// A refusal: any status but 2xx and 3xx, or a 2xx whose body says `error`.
fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let refusal = decode_refusal(body).filter(|refusal| refusal.status == "error");
    let error_type = refusal.as_ref().and_then(|r| r.error_type.as_deref());
    let (kind, again) = classify(status, error_type);
    let said = match &refusal {
        Some(r) => r
            .error
            .clone()
            .unwrap_or_else(|| "no reason given".to_owned()),
        None if body.is_empty() => "no body".to_owned(),
        None => head(body),
    };
    let code = match error_type {
        Some(error_type) => format!("{} {}", status.as_u16(), excerpt(error_type, 100)),
        None => status.as_u16().to_string(),
    };
    let mut message = format!("answered {code}: {}", excerpt(&said, QUERY_CHARS_MAX));
    if let Some(way_out) = way_out(status, kind) {
        message.push_str("; ");
        message.push_str(way_out);
    }
    let mut failure = Failure::new(kind, again, message);
    failure.fault.retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| parse_retry_after(text, now()));
    failure
}

/// The status decides, and where it says less, `errorType` does. The second is whether to ask
/// again at once: after 500 not, because a query that broke the server once will again.
fn classify(status: StatusCode, error_type: Option<&str>) -> (FaultKind, bool) {
    match (status.as_u16(), error_type) {
        (_, Some("timeout")) | (408 | 504, _) => (FaultKind::Timeout, true),
        (401 | 403, _) => (FaultKind::Auth, false),
        (413, _) => (FaultKind::TooLarge, false),
        (429 | 503, _) | (200..=299, Some("too_many_requests")) => (FaultKind::Overloaded, true),
        (502, _) | (_, Some("unavailable" | "canceled")) => (FaultKind::Unavailable, true),
        // Not the API: a wrong path, or a proxy that does not know the source.
        (404 | 405, None) => (FaultKind::Malformed, false),
        (400..=499, _) | (200..=299, Some("bad_data" | "execution")) => {
            (FaultKind::BadQuery, false)
        }
        _ => (FaultKind::Unavailable, false),
    }
}

fn way_out(status: StatusCode, kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::Auth => Some("check the credentials and headers of this source"),
        FaultKind::BadQuery => Some("correct the query"),
        FaultKind::TooLarge => Some("select fewer series or a shorter range"),
        FaultKind::Malformed if status == StatusCode::NOT_FOUND => {
            Some("check the url and its path prefix")
        }
        FaultKind::Malformed => Some("check the url"),
        FaultKind::Overloaded | FaultKind::Unavailable | FaultKind::Timeout => None,
    }
}

fn redirected(status: StatusCode, headers: &HeaderMap) -> Failure {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    // Only what may be printed of an address; a login page likes secrets in its query.
    let target = match location.map(|text| (text, url::Url::parse(text))) {
        Some((_, Ok(url))) => address(&url),
        Some((text, Err(_))) => excerpt(text.split(['?', '#']).next().unwrap_or(""), 200),
        None => "nowhere".to_owned(),
    };
    let message = format!(
        "answered {}, a redirect to {target}, which is not followed; use the final address as url",
        status.as_u16()
    );
    Failure::new(FaultKind::Malformed, false, message)
}

/// The time of day, only to read a date in `Retry-After`.
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
