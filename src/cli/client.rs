//! A small client of the daemon's API, for the commands that talk to one.

use crate::cli::args::DaemonArgs;
use crate::cli::exit_code::Exit;
use crate::cli::style::plain;
use crate::recording::RECORDING_BYTES_MAX;
use crate::wire::problem::Problem;
use reqwest::header::CONTENT_TYPE;
use std::fmt::Write as _;
use std::time::Duration;

/// A fault with its exit code.
pub(crate) type Fault = (Exit, String);

/// Answers larger than this are refused: no document of ours is.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How long one request may take: the longest long poll of the API is 60 s.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(90);

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
        let usage = |message: String| (Exit::Usage, message);
        let mut server = url::Url::parse(&args.server).map_err(|fault| {
            usage(format!(
                "--server `{}`: {fault}; write http://host:7070",
                args.server
            ))
        })?;
        if !server.path().ends_with('/') {
            let path = format!("{}/", server.path());
            server.set_path(&path);
        }
        let token = match &args.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|fault| usage(format!("--token-file {}: {fault}", path.display())))?;
                Some(crate::secret::Secret::new(text.trim()))
            }
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

    fn address(&self, path: &str) -> Result<url::Url, Fault> {
        self.server
            .join(path)
            .map_err(|fault| (Exit::Usage, format!("{path}: {fault}")))
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Reply, Fault> {
        let bytes = self.bytes(request, ANSWER_BYTES_MAX).await?;
        String::from_utf8(bytes)
            .map(Reply)
            .map_err(|_| self.away("answered 200 OK in no text; is it Haldane?"))
    }

    fn away(&self, what: &str) -> Fault {
        let message = format!(
            "no daemon at {} ({what}); start one with `haldane serve` or name it with --server",
            self.server
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
        let bytes = body(answer, bytes_max).await.map_err(|what| away(&what))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| away(&format!("answered {status} in no text; is it Haldane?")))?;
        let exit = if status.is_server_error() {
            Exit::Unavailable
        } else {
            Exit::Usage
        };
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err((exit, shown(&problem))),
            Err(_) => Err(away(&format!(
                "answered {status} without a reason; is it Haldane?"
            ))),
        }
    }
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

/// The detail of a problem and of each of its errors.
fn shown(problem: &Problem) -> String {
    let mut out = format!("{} [{}]", plain(&problem.detail), problem.code);
    for error in &problem.errors {
        let number = |number: Option<usize>| number.map(|number| number.to_string());
        let place = [
            Some(error.field.clone()),
            number(error.line),
            number(error.column),
        ];
        let place: Vec<String> = place.into_iter().flatten().collect();
        let _ = write!(
            out,
            "\n       {}: {}",
            place.join(":"),
            plain(&error.message)
        );
        if let Some(code) = &error.code {
            let _ = write!(out, " [{code}]");
        }
        if let Some(help) = &error.help {
            let _ = write!(out, "; {}", plain(help));
        }
    }
    out
}
