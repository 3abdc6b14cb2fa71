//! How to reach one source: everything a person configures, with secrets that do not print.

use crate::secret::Secret;
use crate::time::Span;
use regex::Regex;
use std::fmt;
use std::path::PathBuf;
use url::Url;

/// The largest body read of one answer unless configured otherwise: about 1.3 million samples.
pub const RESPONSE_BYTES_DEFAULT: usize = 32 * 1024 * 1024;

/// Requests in flight per source unless configured otherwise: a fifth of the 20 queries a
/// Prometheus runs at once by default (`--query.max-concurrency`), which rules and dashboards
/// share.
pub const CONCURRENCY_DEFAULT: usize = 4;

/// One source and the way to it.
#[derive(Clone)]
pub struct Options {
    /// `http` or `https`, with a path prefix if there is one (`https://host/prometheus`);
    /// without credentials, query or fragment.
    pub url: Url,
    /// Who we are.
    pub auth: Auth,
    /// Sent with every request, such as `X-Scope-OrgID`; values are never printed.
    pub headers: Vec<(String, String)>,
    /// PEM certificates trusted *instead of* the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, for sources that ask for one (mTLS).
    pub client_identity: Option<ClientIdentity>,
    /// For one attempt, from connecting to the last byte; waiting in line does not count.
    pub timeout: Span,
    /// For the connection alone, TLS included.
    pub connect_timeout: Span,
    /// A larger answer is [`TooLarge`](super::FaultKind::TooLarge), and reading stops there.
    pub response_bytes_max: usize,
    /// Requests in flight at once; more wait their turn. Zero counts as one.
    pub concurrency_max: usize,
    /// When and how often to ask again.
    pub retry: Retry,
    /// Warnings that match one of these are known to be harmless and become infos.
    pub allowed_warnings: Vec<Regex>,
    /// Whether `HTTP_PROXY` and its kin are honoured; a metrics source is mostly next door.
    pub proxy_from_environment: bool,
}

impl Options {
    /// `url` with the defaults: no credentials, 30 s, 32 MiB, 4 at once, 4 attempts.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            auth: Auth::None,
            headers: Vec::new(),
            ca_file: None,
            client_identity: None,
            timeout: Span::from_s(30),
            connect_timeout: Span::from_s(5),
            response_bytes_max: RESPONSE_BYTES_DEFAULT,
            concurrency_max: CONCURRENCY_DEFAULT,
            retry: Retry::default(),
            allowed_warnings: Vec::new(),
            proxy_from_environment: false,
        }
    }
}

/// Who we are to the source.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Nobody in particular.
    #[default]
    None,
    /// RFC 7617.
    Basic {
        /// Without a colon, which RFC 7617 forbids.
        username: String,
        /// The password.
        password: Secret,
    },
    /// RFC 6750, the token in a file: read again when it changes, and once after a 401 or 403.
    Bearer {
        /// The file; white space around the token is ignored.
        file: PathBuf,
    },
    /// RFC 6750, the token itself.
    BearerToken(Secret),
}

/// Our certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// The certificate, with its chain if needed.
    pub cert_file: PathBuf,
    /// The private key (PKCS #8, PKCS #1 or SEC 1).
    pub key_file: PathBuf,
}

/// Asking again: only after faults that pass, with delays that double from `base` to `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first included; zero counts as one.
    pub attempts_max: usize,
    /// The first delay; up to as much again is added by chance.
    pub base: Span,
    /// The longest delay. A source that asks for a longer stay-away is not asked again by us;
    /// the fault carries its wish to the caller.
    pub cap: Span,
}

impl Default for Retry {
    /// Four attempts, 250 ms to 5 s: together well inside one 30 s look.
    fn default() -> Self {
        Self {
            attempts_max: 4,
            base: Span::from_ms(250),
            cap: Span::from_s(5),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let warnings: Vec<&str> = self.allowed_warnings.iter().map(Regex::as_str).collect();
        f.debug_struct("Options")
            .field("url", &address(&self.url))
            .field("auth", &self.auth)
            .field("headers", &names)
            .field("ca_file", &self.ca_file)
            .field("client_identity", &self.client_identity)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_bytes_max", &self.response_bytes_max)
            .field("concurrency_max", &self.concurrency_max)
            .field("retry", &self.retry)
            .field("allowed_warnings", &warnings)
            .field("proxy_from_environment", &self.proxy_from_environment)
            .finish()
    }
}

/// Scheme, host, port and path: what of an address may be printed.
pub(super) fn address(url: &Url) -> String {
    let host = url.host_str().unwrap_or("");
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let path = url.path().trim_end_matches('/');
    format!("{}://{host}{port}{path}", url.scheme())
}
