//! One HTTP attempt: signed, guarded, limited in time and size, never redirected, never proxied.

use super::address_guard::{AddressError, Policy, check_url};
use super::call::{Call, Success};
use super::reply::{FailedKind, Refusal, Reply, one_line};
use super::resolver::{GuardedResolver, Lookup, SystemLookup};
use super::retry_after;
use super::signature::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, SigningKey, sign_all, unix_seconds,
};
use crate::ids::NAME_LEN_MAX;
use crate::time::{Span, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Certificate, Client, ClientBuilder, Request, Response};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The largest body in bytes; a larger one is not sent. Standard Webhooks asks for about 20 kB;
/// this leaves room for an event with many findings.
pub const BODY_BYTES_MAX: usize = 262_144;
/// The longest answer that a template's rule of success is looked for in, in bytes; a longer one
/// confirms nothing, and the message is refused for good. Descriptions of one object are shorter.
pub const ANSWER_BYTES_MAX: usize = 1_048_576;
/// The most headers a message can add to the fixed ones; a message with more is not sent.
pub const EXTRA_HEADERS_MAX: usize = 16;
/// The media type of a CloudEvents event in structured mode (CloudEvents HTTP binding 3.2).
const EVENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";
pub(super) const AGENT: &str = concat!("haldane/", env!("CARGO_PKG_VERSION"));

/// Headers that a message cannot set itself.
pub(super) const RESERVED: [&str; 9] = [
    HEADER_ID,
    HEADER_TIMESTAMP,
    HEADER_SIGNATURE,
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "host",
    "user-agent",
];

/// One attempt to be made.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The receiver.
    pub url: &'a Url,
    /// The `webhook-id`: the same for every attempt, so that a receiver can drop repeats; without
    /// a full stop.
    pub id: &'a str,
    /// The instant of this attempt.
    pub at: Timestamp,
    /// The exact bytes that are signed and sent: a CloudEvents event as JSON.
    pub body: &'a [u8],
    /// The keys in use, several while they are exchanged; with none the message is unsigned.
    pub secrets: &'a [SigningKey],
    /// Further headers, such as `traceparent`.
    pub headers: &'a [(&'a str, &'a str)],
}

/// How a [`Sender`] behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// For the whole attempt, from DNS to the last byte read. Standard Webhooks recommends 15 to
    /// 30 seconds.
    pub timeout: Span,
    /// For DNS, connection and TLS together.
    pub connect_timeout: Span,
    /// The most bytes read of an answer; the rest stays unread.
    pub response_bytes_max: usize,
    /// How long the rest of an answer is waited for once its status is known: the status decides
    /// everything, the body only explains.
    pub body_wait: Span,
    /// PEM file of authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Which addresses may be called.
    pub policy: Policy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Span::from_s(15),
            connect_timeout: Span::from_s(5),
            response_bytes_max: 16_384,
            body_wait: Span::from_s(2),
            ca_file: None,
            policy: Policy::default(),
        }
    }
}

/// Why no sender could be made.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The file of authorities cannot be read.
    #[error("cannot read the webhook ca file `{path}`: {reason}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the webhook client: {0}")]
    Client(String),
}

/// Makes attempts; cheap to clone, one for the whole daemon.
#[derive(Clone)]
pub struct Sender {
    pub(super) client: Client,
    pub(super) policy: Arc<Policy>,
    pub(super) timeout: Span,
    pub(super) response_bytes_max: usize,
    body_wait: Duration,
}

impl Sender {
    /// A sender that asks the system for addresses.
    pub fn new(options: Options) -> Result<Self, SenderError> {
        Self::with_lookup(options, Arc::new(SystemLookup))
    }

    /// A sender that asks `lookup` for addresses.
    pub fn with_lookup(options: Options, lookup: Arc<dyn Lookup>) -> Result<Self, SenderError> {
        install_tls_provider();
        let authorities = read_authorities(options.ca_file.as_ref())?;
        let policy = Arc::new(options.policy);
        let resolver = Arc::new(GuardedResolver {
            policy: Arc::clone(&policy),
            lookup,
        });
        let (timeout, connect) = (options.timeout, options.connect_timeout);
        let builder = || plain_client(timeout, connect).dns_resolver(Arc::clone(&resolver));
        let own = !authorities.is_empty();
        let client = match builder().tls_certs_merge(authorities).build() {
            // A bare container has no authorities at all. Receivers over http must still work
            // there; https then fails at the handshake and says so.
            Err(_) if !own => builder().tls_certs_only([]).build(),
            built => built,
        };
        let client = client.map_err(|error| SenderError::Client(deepest(&error)))?;
        Ok(Self {
            client,
            policy,
            timeout,
            response_bytes_max: options.response_bytes_max,
            body_wait: duration(options.body_wait),
        })
    }

    /// The policy, for [`check_url`] at submission.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Makes one attempt and says what came of it. Never waits longer than the time limit.
    pub async fn send(&self, message: Message<'_>) -> Reply {
        self.attempt(message, None).await
    }

    /// Makes one attempt at somebody else's interface: the same guard and limits, another method,
    /// body and rule of success. Signed as well when there are keys.
    pub async fn call(&self, message: Message<'_>, call: &Call) -> Reply {
        self.attempt(message, Some(call)).await
    }

    async fn attempt(&self, message: Message<'_>, call: Option<&Call>) -> Reply {
        if let Err(error) = check_url(message.url, &self.policy) {
            return Reply::failed(FailedKind::AddressForbidden, &error.to_string());
        }
        let mut request = match build_request(&message) {
            Ok(request) => request,
            Err(detail) => return Reply::failed(FailedKind::Message, &detail),
        };
        if let Some(call) = call {
            *request.method_mut() = call.method.clone();
            for (name, value) in &call.headers {
                request.headers_mut().insert(name, value.clone());
            }
        }
        match self.client.execute(request).await {
            Ok(response) => self.sort_response(response, message.at, call).await,
            Err(error) => sort_failure(&error, message.url, self.timeout),
        }
    }

    async fn sort_response(
        &self,
        mut response: Response,
        at: Timestamp,
        call: Option<&Call>,
    ) -> Reply {
        let usual = Success::default();
        let success = call.map_or(&usual, |call| &call.success);
        let status = response.status().as_u16();
        let wait = response.headers().get(RETRY_AFTER);
        let wait = wait.and_then(|value| value.to_str().ok());
        let retry_after = wait.and_then(|text| retry_after::parse(text, at));
        let refused = |kind: Refusal, detail: &str| Reply::Refused {
            status,
            retry_after,
            kind,
            detail: one_line(&call.map_or_else(|| detail.to_owned(), |call| call.hide(detail))),
        };
        if success.takes(status) {
            if !success.reads() {
                return Reply::Accepted { status };
            }
            let Some(body) = read_whole(&mut response).await else {
                // It was done: another attempt would do it once more and learn as little.
                return refused(Refusal::Permanent, &unread());
            };
            return match success.lacks(&body) {
                None => Reply::Accepted { status },
                // The status alone does not say whether it is worth another attempt; the lack may
                // pass.
                Some(lack) => refused(Refusal::Server, &lack),
            };
        }
        let kind = Refusal::of(status);
        if (300..400).contains(&status) {
            return refused(kind, "redirects are never followed; give the final url");
        }
        let mut body = Vec::new();
        let reading = read_start(&mut response, &mut body, self.response_bytes_max);
        // Too slow is no failure: the status has been said, and what was read is kept.
        let _too_slow = tokio::time::timeout(self.body_wait, reading).await;
        refused(kind, &String::from_utf8_lossy(&body))
    }
}

/// Reads until `bytes_max` bytes, the end, or an error: all three are an end to a text that only
/// explains.
pub(super) async fn read_start(response: &mut Response, body: &mut Vec<u8>, bytes_max: usize) {
    while body.len() < bytes_max {
        let Ok(Some(chunk)) = response.chunk().await else {
            return;
        };
        let room = bytes_max - body.len();
        body.extend(chunk.iter().take(room));
    }
}

/// Reads an answer that decides, to its end and within the attempt's time; nothing of one that is
/// longer than [`ANSWER_BYTES_MAX`], too slow, or broken off.
async fn read_whole(response: &mut Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

fn unread() -> String {
    format!(
        "done as its status says, and not confirmed: its answer did not end in time or within \
         {ANSWER_BYTES_MAX} bytes, which success_json needs; not repeated"
    )
}

/// Everything about the client that does not depend on authorities or names.
fn plain_client(timeout: Span, connect_timeout: Span) -> ClientBuilder {
    Client::builder()
        .timeout(duration(timeout))
        .connect_timeout(duration(connect_timeout))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy() // a proxy would resolve the name itself, past the guard
        .retry(reqwest::retry::never()) // each attempt is recorded, so none is made in secret
        .pool_max_idle_per_host(0) // verdicts are rare: a kept connection would only be stale
        .referer(false)
}

/// The signed request, or what is wrong with the message.
fn build_request(message: &Message<'_>) -> Result<Request, String> {
    if message.body.len() > BODY_BYTES_MAX {
        let bytes = message.body.len();
        return Err(format!(
            "the webhook body has {bytes} bytes; at most {BODY_BYTES_MAX} are sent"
        ));
    }
    let mut headers = extra_headers(message.headers)?;
    let mut put = |name: &'static str, text: &str| {
        let value = HeaderValue::from_str(text);
        let value = value.map_err(|_| format!("the header `{name}` has an illegal character"))?;
        headers.insert(HeaderName::from_static(name), value);
        Ok::<(), String>(())
    };
    put(HEADER_ID, checked_id(message.id)?)?;
    put(HEADER_TIMESTAMP, &unix_seconds(message.at))?;
    if !message.secrets.is_empty() {
        let signatures = sign_all(message.secrets, message.id, message.at, message.body);
        put(HEADER_SIGNATURE, &signatures)?;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_TYPE));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let mut request = Request::new(reqwest::Method::POST, message.url.clone());
    *request.headers_mut() = headers;
    *request.body_mut() = Some(message.body.to_vec().into());
    Ok(request)
}

/// An id without a full stop, which parts the fields of the signed text.
fn checked_id(id: &str) -> Result<&str, String> {
    let legal = |c: char| c.is_ascii_graphic() && c != '.';
    if !id.is_empty() && id.len() <= NAME_LEN_MAX && id.chars().all(legal) {
        return Ok(id);
    }
    Err(format!(
        "the webhook id `{id}` is not 1 to {NAME_LEN_MAX} visible characters without a full stop"
    ))
}

fn extra_headers(extra: &[(&str, &str)]) -> Result<HeaderMap, String> {
    if extra.len() > EXTRA_HEADERS_MAX {
        let count = extra.len();
        return Err(format!(
            "the webhook has {count} further headers; at most {EXTRA_HEADERS_MAX} are sent"
        ));
    }
    let mut headers = HeaderMap::new();
    for (name, text) in extra {
        let key = HeaderName::from_bytes(name.as_bytes());
        let key = key.map_err(|_| format!("`{name}` is not a header name"))?;
        if RESERVED.contains(&key.as_str()) {
            return Err(format!("the header `{key}` cannot be set by a message"));
        }
        let value = HeaderValue::from_str(text);
        let value = value.map_err(|_| format!("the header `{key}` has an illegal character"))?;
        headers.insert(key, value);
    }
    Ok(headers)
}

/// Names what went wrong by the types in the error's chain, never by its text.
pub(super) fn sort_failure(error: &reqwest::Error, url: &Url, timeout: Span) -> Reply {
    if let Some(forbidden) = find::<AddressError>(error) {
        return Reply::failed(FailedKind::AddressForbidden, &forbidden.to_string());
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let cause = deepest(error);
    let (kind, detail) = if error.is_timeout() {
        let within = if error.is_connect() {
            "no connection in time"
        } else {
            "no answer in time"
        };
        let detail = format!("{within} from {host}:{port}; an attempt may take {timeout}");
        (FailedKind::Timeout, detail)
    } else if error.is_dns() {
        (FailedKind::Dns, format!("cannot resolve {host}: {cause}"))
    } else if find::<rustls::Error>(error).is_some() {
        let detail = format!("no trusted tls session with {host}:{port}: {cause}");
        (FailedKind::Tls, detail)
    } else if error.is_connect() {
        let detail = format!("cannot connect to {host}:{port}: {cause}");
        (FailedKind::Connect, detail)
    } else {
        let detail = format!("the exchange with {host}:{port} broke: {cause}");
        (FailedKind::Protocol, detail)
    };
    Reply::failed(kind, &detail)
}

/// The first error of type `E` in the chain. `io::Error` hides what it wraps from `source`, so it
/// is asked on its own.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = current
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|inner| find::<E>(inner)) {
            return Some(found);
        }
        next = current.source();
    }
    None
}

/// The text of the innermost error: the outer ones only say that a request failed, and show the
/// whole URL.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    match current.downcast_ref::<reqwest::Error>() {
        Some(_) => "unknown".to_owned(), // its text would show the URL
        None => current.to_string(),
    }
}

fn read_authorities(file: Option<&PathBuf>) -> Result<Vec<Certificate>, SenderError> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let fail = |reason: String| SenderError::CaFile {
        path: path.display().to_string(),
        reason,
    };
    let pem = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|_| fail("it is not pem".to_owned()))?;
    if found.is_empty() {
        return Err(fail("there is no certificate in it".to_owned()));
    }
    Ok(found)
}

/// The HTTP client finds its cryptography through a process-wide default. Whoever comes first
/// installs it; there is only one choice in this program, so being second is fine.
fn install_tls_provider() {
    let _second = rustls::crypto::ring::default_provider().install_default();
}

/// Spans are never negative.
fn duration(span: Span) -> Duration {
    Duration::from_millis(u64::try_from(span.ms()).unwrap_or_default())
}
