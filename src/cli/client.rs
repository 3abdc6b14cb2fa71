//! A small client of the daemon's API, for the commands that talk to one.

use crate::cli::args::DaemonArgs;
use crate::cli::exit_code::Exit;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// A fault with its exit code.
pub(crate) type Fault = (Exit, String);

/// Answers larger than this are refused: no document of ours is.
const ANSWER_BYTES_MAX: usize = 64 << 20;

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
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Fault> {
        self.call(self.http.get(self.address(path)?)).await
    }

    /// `POST path` with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.call(self.http.post(self.address(path)?).json(body))
            .await
    }

    fn address(&self, path: &str) -> Result<url::Url, Fault> {
        self.server
            .join(path)
            .map_err(|fault| (Exit::Usage, format!("{path}: {fault}")))
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Value, Fault> {
        let away = |what: &str| {
            let message = format!(
                "no daemon at {} ({what}); start one with `haldane serve` or name it with --server",
                self.server
            );
            (Exit::Unavailable, message)
        };
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let answer = request
            .timeout(Duration::from_secs(90))
            .send()
            .await
            .map_err(|fault| {
                away(if fault.is_timeout() {
                    "no answer in time"
                } else {
                    "connection refused"
                })
            })?;
        let status = answer.status();
        let bytes = answer
            .bytes()
            .await
            .map_err(|fault| away(&fault.to_string()))?;
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(away("its answer is larger than 64 MiB"));
        }
        let body: Value = serde_json::from_slice(&bytes)
            .map_err(|_| away(&format!("answered {status} without JSON; is it Haldane?")))?;
        if status.is_success() {
            return Ok(body);
        }
        let exit = if status.is_server_error() {
            Exit::Unavailable
        } else {
            Exit::Usage
        };
        Err((exit, problem(&body)))
    }
}

/// The detail of a problem and of each of its errors.
fn problem(body: &Value) -> String {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut out = format!("{} [{}]", text("detail"), text("code"));
    for error in body
        .get("errors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let part = |key: &str| match error.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let place = [part("field"), part("line"), part("column")]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(":");
        let _ = write!(out, "\n       {place} {}", part("message"));
        if !part("help").is_empty() {
            let _ = write!(out, "; {}", part("help"));
        }
    }
    out
}
