//! A small client of the daemon's API, for the commands that talk to one.

use crate::cli::args::DaemonArgs;
use crate::cli::exit_code::Exit;
use crate::cli::read;
use crate::cli::style::plain;
use crate::recording::RECORDING_BYTES_MAX;
use crate::wire::problem::{FieldProblem, Problem};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use std::fmt::Write as _;
use std::time::Duration;

/// A fault with its exit code.
pub(crate) type Fault = (Exit, String);

/// Answers larger than this are refused: no document of ours is.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How long one request may take: the longest long poll of the API is 60 s.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(90);

/// The largest token file in bytes; a larger one is refused. Servers commonly take 8 KiB of header.
const TOKEN_BYTES_MAX: u64 = 8192;

/// A document as the daemon wrote it; `--output json` prints these bytes.
pub(crate) struct Reply(pub(crate) String);

impl Reply {
    /// The document, read.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_str(&self.0).map_err(|fault| {
            let message = format!(
                "the daemon answered with a document this version cannot read ({fault}); \
                 use the same version of haldane on both sides"
            );
            (Exit::Unavailable, message)
        })
    }
}

/// An answer as it came, whatever it says.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) status: u16,
    /// Names in lower case; values that are no text are left out.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Exchange {
    /// The first value of a header; `name` in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter();
        let mut found = found.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

/// A daemon, by address.
pub(crate) struct Client {
    http: reqwest::Client,
    server: url::Url,
    token: Option<crate::secret::Secret>,
}

impl Client {
    /// Reads the flags; nothing is dialled yet.
    pub(crate) fn new(args: &DaemonArgs) -> Result<Self, Fault> {
        let server = server(&args.server).map_err(|why| (Exit::Usage, why))?;
        let token = match &args.token_file {
            Some(path) => Some(token(path).map_err(|why| {
                let message = format!("--token-file {}: {why}", path.display());
                (Exit::Usage, message)
            })?),
            None => None,
        };
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|fault| (Exit::Internal, fault.to_string()))?;
        Ok(Self {
            http,
            server,
            token,
        })
    }

    /// `GET path`.
    pub(crate) async fn get(&self, path: &str) -> Result<Reply, Fault> {
        self.call(self.http.get(self.address(path)?)).await
    }

    /// `GET path` of something that is no document.
    pub(crate) async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, Fault> {
        let bytes_max = usize::try_from(RECORDING_BYTES_MAX).unwrap_or(usize::MAX);
        self.bytes(self.http.get(self.address(path)?), bytes_max)
            .await
    }

    /// `POST path` with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: String) -> Result<Reply, Fault> {
        let request = self.http.post(self.address(path)?);
        self.call(request.header(CONTENT_TYPE, "application/json").body(body))
            .await
    }

    /// The bearer token that is sent.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(crate::secret::Secret::expose)
    }

    /// One request as somebody else's client would send it, and the answer with any status. The
    /// token goes with it unless `headers` say how it is authorised; a header without a value is
    /// not sent.
    pub(crate) async fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: String,
    ) -> Result<Exchange, Fault> {
        let known = reqwest::Method::from_bytes(method.as_bytes());
        let known = known.map_err(|fault| (Exit::Usage, format!("method {method}: {fault}")))?;
        let mut request = self
            .http
            .request(known, self.address(path.trim_start_matches('/'))?);
        let authorised = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("authorization");
        if let Some(token) = self.token()
            && !headers.iter().any(|header| authorised(&header))
        {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(name, value);
        }
        let sent = request.body(body).timeout(REQUEST_TIME_MAX).send().await;
        let answer = sent.map_err(|fault| self.away(&cause(&fault)))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let headers = headers.collect();
        let body = crate::cli::client::body(answer, ANSWER_BYTES_MAX).await;
        Ok(Exchange {
            status,
            headers,
            body: body.map_err(|what| self.away(&what))?,
        })
    }

    /// The address of a path below the server's. A path may come from a file or from an answer, and
    /// one that is an address of its own would take the token to somebody else.
    fn address(&self, path: &str) -> Result<url::Url, Fault> {
        let usage = |why: String| (Exit::Usage, format!("path `{}`: {why}", plain(path)));
        let joined = self.server.join(path);
        let address = joined.map_err(|fault| usage(fault.to_string()))?;
        if address.origin() != self.server.origin() {
            return Err(usage(format!(
                "it leads to {} instead of {}, and would take the token there; write a path of \
                 the daemon, such as /v1/analyses",
                address.origin().ascii_serialization(),
                self.server.origin().ascii_serialization()
            )));
        }
        Ok(address)
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Reply, Fault> {
        let bytes = self.bytes(request, ANSWER_BYTES_MAX).await?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        if text.trim_start().starts_with(['{', '[']) {
            return Ok(Reply(text));
        }
        let message = format!(
            "{} answered with something that is no document of Haldane's, such as a page to log \
             in; name the daemon's own address with --server",
            shown_address(&self.server)
        );
        Err((Exit::Unavailable, message))
    }

    /// Somebody answers there who is not Haldane, or not all the way: a proxy, another server.
    fn stranger(&self, status: reqwest::StatusCode, location: Option<&str>) -> Fault {
        let address = shown_address(&self.server);
        let message = match location {
            Some(location) => format!(
                "{address} answered {status}, a redirect to {}; name the daemon's own address with \
                 --server",
                plain(location)
            ),
            None => format!(
                "{address} answered {status} without a reason, as Haldane never does; name the \
                 daemon's own address with --server"
            ),
        };
        (Exit::Unavailable, message)
    }

    /// What the command line can do about a refusal beyond what the daemon says.
    fn way_out(&self, problem: &Problem) -> &'static str {
        match (problem.code.as_str(), &self.token) {
            ("unauthenticated", None) => "; here: --token-file FILE, or HALDANE_TOKEN_FILE",
            ("unauthenticated" | "forbidden", Some(_)) => {
                "; here: the token is that of --token-file or HALDANE_TOKEN_FILE"
            }
            _ => "",
        }
    }

    fn away(&self, what: &str) -> Fault {
        let message = format!(
            "no daemon at {} ({what}); start one with `haldane serve` or name it with --server",
            shown_address(&self.server)
        );
        (Exit::Unavailable, message)
    }

    /// The body of a success, at most so many bytes.
    async fn bytes(
        &self,
        request: reqwest::RequestBuilder,
        bytes_max: usize,
    ) -> Result<Vec<u8>, Fault> {
        let away = |what: &str| self.away(what);
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let answer = request
            .timeout(REQUEST_TIME_MAX)
            .send()
            .await
            .map_err(|fault| away(&cause(&fault)))?;
        let status = answer.status();
        let location = answer.headers().get(LOCATION);
        let location = location.and_then(|value| value.to_str().ok());
        let location = location.map(str::to_owned);
        let bytes = body(answer, bytes_max).await.map_err(|what| away(&what))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let exit = if status.is_server_error() {
            Exit::Unavailable
        } else {
            Exit::Usage
        };
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err((exit, shown(&problem, self.way_out(&problem)))),
            Err(_) => Err(self.stranger(status, location.as_deref())),
        }
    }
}

/// The address with a slash at its end, so that paths are joined to it and replace nothing.
fn server(text: &str) -> Result<url::Url, String> {
    // Before an @ stands a password.
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let refused = |why: &str| {
        let shown = plain(host);
        format!("the daemon's address `{shown}`: {why}; write http://host:7070")
    };
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(refused("it begins with neither http:// nor https://"));
    }
    let mut server = url::Url::parse(text).map_err(|fault| refused(&fault.to_string()))?;
    server.set_query(None);
    server.set_fragment(None);
    if !server.path().ends_with('/') {
        let path = format!("{}/", server.path());
        server.set_path(&path);
    }
    Ok(server)
}

/// The address for messages: without the password that may stand in it.
fn shown_address(server: &url::Url) -> String {
    let mut shown = server.clone();
    // Only addresses without a host refuse, and http has one.
    let hidden = shown
        .set_username("")
        .and_then(|()| shown.set_password(None));
    hidden.map_or_else(|()| "that address".to_owned(), |()| shown.to_string())
}

/// The bearer token of a file: one line that a header can carry.
fn token(path: &std::path::Path) -> Result<crate::secret::Secret, String> {
    let text = read::text(
        path,
        TOKEN_BYTES_MAX,
        "name the file that holds the token alone",
    )?;
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty; write the token into it, or leave the flag out".to_owned());
    }
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(
            "it holds more than one token: spaces, lines or letters beyond ASCII".to_owned(),
        );
    }
    Ok(crate::secret::Secret::new(text))
}

/// The body, unless it is larger than any document of ours.
async fn body(mut answer: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => out.extend_from_slice(&chunk),
            Ok(None) => return Ok(out),
            Err(fault) => return Err(cause(&fault)),
        }
        if out.len() > bytes_max {
            let most = bytes_max >> 20;
            return Err(format!("its answer is larger than {most} MiB"));
        }
    }
}

/// The last cause: the outer ones only say that a request failed.
fn cause(fault: &reqwest::Error) -> String {
    if fault.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = fault;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The detail of a problem and of each of its errors that says more.
fn shown(problem: &Problem, way_out: &str) -> String {
    let mut out = format!("{}{way_out} [{}]", plain(&problem.detail), problem.code);
    let told: Vec<String> = problem.errors.iter().map(told).collect();
    // One fault alone is the detail already.
    let told = told.iter().filter(|line| **line != plain(&problem.detail));
    for line in told {
        let _ = write!(out, "\n       {line}");
    }
    out
}

/// `field:line:column: message [code]; help`, as much of it as there is.
fn told(error: &FieldProblem) -> String {
    let number = |number: Option<usize>| number.map(|number| number.to_string());
    let place = [
        Some(error.field.clone()),
        number(error.line),
        number(error.column),
    ];
    let place = place.into_iter().flatten();
    let place: Vec<String> = place.filter(|part| !part.is_empty()).collect();
    let place = place.join(":");
    let mut out = if place.is_empty() {
        plain(&error.message)
    } else {
        format!("{place}: {}", plain(&error.message))
    };
    if let Some(code) = &error.code {
        let _ = write!(out, " [{code}]");
    }
    if let Some(help) = &error.help {
        let _ = write!(out, "; {}", plain(help));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_without_its_password() {
        for (text, wanted) in [
            ("http://h:7070", "http://h:7070/"),
            ("https://ci:secret@h/canary?a#b", "https://h/canary/"),
        ] {
            assert_eq!(shown_address(&server(text).unwrap()), wanted);
        }
        for (text, shown) in [
            ("h:7070", "`h:7070`: it begins with neither"),
            ("ci:secret@h:7070", "`h:7070`: it begins with neither"),
            ("http://ci:secret@", "``: empty host"),
            (
                "file:///etc/passwd",
                "neither http:// nor https://; write http://host:7070",
            ),
        ] {
            let why = server(text).unwrap_err();
            assert!(
                why.contains(shown) && !why.contains("secret"),
                "{text}: {why}"
            );
        }
    }

    #[test]
    fn a_problem_is_said_once() {
        let of = |field: &str, message: &str| FieldProblem {
            field: field.to_owned(),
            message: message.to_owned(),
            code: None,
            line: None,
            column: None,
            help: None,
        };
        let problem = |errors: Vec<FieldProblem>| Problem {
            kind: String::new(),
            title: String::new(),
            status: 422,
            detail: "start: `x` is no instant".to_owned(),
            code: "invalid_submission".to_owned(),
            errors,
        };
        for (errors, wanted) in [
            (vec![], "start: `x` is no instant [invalid_submission]"),
            (
                vec![of("start", "`x` is no instant")],
                "start: `x` is no instant [invalid_submission]",
            ),
            (
                vec![of("start", "`x` is no instant"), of("", "b")],
                "start: `x` is no instant [invalid_submission]\n       b",
            ),
        ] {
            assert_eq!(shown(&problem(errors), ""), wanted);
        }
    }

    #[test]
    fn the_token_goes_nowhere_else() {
        crate::prometheus::install_crypto();
        let client = Client::new(&DaemonArgs {
            server: "http://127.0.0.1:7070/canary".to_owned(),
            token_file: None,
        });
        let client = client.unwrap();
        for (path, wanted) in [
            ("v1/analyses", "http://127.0.0.1:7070/canary/v1/analyses"),
            (
                "v1/a?b=http://h/",
                "http://127.0.0.1:7070/canary/v1/a?b=http://h/",
            ),
            ("http://127.0.0.1:7070/x", "http://127.0.0.1:7070/x"),
        ] {
            assert_eq!(client.address(path).unwrap().as_str(), wanted);
        }
        for path in [
            "http://h.example/v1/analyses",
            "//h.example/v1",
            "\\\\h.example/v1",
            "https://127.0.0.1:7070/v1",
            "http://127.0.0.1:7071/v1",
            "file:///etc/passwd",
        ] {
            let (exit, message) = client.address(path).unwrap_err();
            assert_eq!(exit, Exit::Usage, "{path}");
            assert!(
                message.contains("instead of http://127.0.0.1:7070"),
                "{message}"
            );
        }
    }
}
