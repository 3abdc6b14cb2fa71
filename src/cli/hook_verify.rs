//! `haldane hook-verify`: whether a message that was received is believed, and if not why. For
//! people who write receivers: the same check as in the daemon's own tests, on the bytes they got.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::read;
use crate::secret::Secret;
use crate::serve::config::SecretText;
use crate::time::{Span, Timestamp};
use crate::webhook::VerifyingKey;
use crate::webhook::sender::BODY_BYTES_MAX;
use crate::webhook::signature::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, SignedHeaders, VerifyError, verify_with,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The largest file of headers in bytes; a larger one is refused. Servers commonly take 16 KiB.
const HEADER_BYTES_MAX: u64 = 65_536;

/// `haldane hook-verify`
#[derive(Clone, Debug, clap::Args)]
pub struct HookVerifyArgs {
    /// The body exactly as it was received (- reads stdin)
    #[arg(value_name = "BODY")]
    pub body: PathBuf,
    /// The key: file:PATH or env:NAME of whsec_, whsk_ or whpk_, or a public whpk_ itself; may be
    /// repeated
    #[arg(short = 'k', long = "key", value_name = "KEY", required = true)]
    pub keys: Vec<String>,
    /// A header as it was received, as 'name: value'; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// A file with the headers, one a line
    #[arg(long, value_name = "FILE")]
    pub headers_file: Option<PathBuf>,
    /// The instant it was received: RFC 3339 or seconds since 1970; now by default
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
    /// How far the timestamp may be from that instant
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    pub tolerance: String,
}

/// Runs the command.
pub(crate) fn run(args: &HookVerifyArgs, output: &mut Output) -> Exit {
    let done = check(args, output);
    crate::cli::ended(done, output)
}

fn check(args: &HookVerifyArgs, output: &mut Output) -> Result<Exit, Fault> {
    let usage = |message: String| (Exit::Usage, message);
    let keys: Vec<VerifyingKey> = args
        .keys
        .iter()
        .map(|text| key(text))
        .collect::<Result<_, _>>()
        .map_err(usage)?;
    let headers = headers(args).map_err(usage)?;
    let bytes_max = BODY_BYTES_MAX as u64;
    let body = read::bytes(&args.body, bytes_max, "no message of ours is that long")
        .map_err(|why| usage(format!("{}: {why}", args.body.display())))?;
    let now = instant(args.at.as_deref()).map_err(usage)?;
    let tolerance = Span::parse(&args.tolerance)
        .ok_or_else(|| usage(format!("--tolerance `{}`: write 5m", args.tolerance)))?;
    let header = |name: &'static str| {
        let found = headers.get(name).map(String::as_str);
        found.ok_or_else(|| {
            usage(format!(
                "there is no header {name}; give it with -H '{name}: …' or --headers-file"
            ))
        })
    };
    let signed = SignedHeaders {
        id: header(HEADER_ID)?,
        timestamp: header(HEADER_TIMESTAMP)?,
        signatures: header(HEADER_SIGNATURE)?,
    };
    if let Err(why) = verify_with(&keys, signed, &body, now, tolerance) {
        output.complain(&format!("not believed: {why}"));
        if let Some(advice) = advice(&why, &keys, signed, &body) {
            output.note(&advice);
        }
        return Ok(Exit::Rollback);
    }
    let bytes = body.len();
    output.data(&format!(
        "believed: {} of {bytes} bytes, {}",
        signed.id,
        about(&body)
    ));
    Ok(Exit::Clean)
}

/// A public key may stand in the clear; anything that signs may not, since other users of the
/// machine see command lines.
fn key(text: &str) -> Result<VerifyingKey, String> {
    let secret = if text.starts_with("whpk_") {
        Secret::new(text)
    } else {
        SecretText::new(text)
            .read("--key")
            .map_err(|why| why.replace("in the configuration", "on the command line"))?
            .ok_or("--key names no key")?
    };
    VerifyingKey::parse(secret.expose()).map_err(|why| format!("--key: {why}"))
}

/// Names in lower case; a later one wins, as in most servers.
fn headers(args: &HookVerifyArgs) -> Result<BTreeMap<String, String>, String> {
    let file = match &args.headers_file {
        None => String::new(),
        Some(path) => read::text(path, HEADER_BYTES_MAX, "give only the headers")
            .map_err(|why| format!("{}: {why}", path.display()))?,
    };
    let mut out = BTreeMap::new();
    let mut put = |line: &str| {
        let (name, value) = line.split_once(':')?;
        out.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        Some(())
    };
    for line in file.lines() {
        let _ = put(line); // what is no header, such as the request line, is passed over
    }
    for text in &args.headers {
        put(text).ok_or_else(|| format!("--header `{text}`: write 'name: value'"))?;
    }
    Ok(out)
}

fn instant(text: Option<&str>) -> Result<Timestamp, String> {
    let Some(text) = text else {
        return Ok(crate::serve::clock::Clock::system().now());
    };
    let seconds = || text.parse().ok().map(Timestamp::from_s);
    Timestamp::parse(text)
        .or_else(seconds)
        .ok_or_else(|| format!("--at `{text}` is no instant; write 2026-03-01T12:00:00Z"))
}

/// What most often lies behind it.
fn advice(
    why: &VerifyError,
    keys: &[VerifyingKey],
    signed: SignedHeaders<'_>,
    body: &[u8],
) -> Option<String> {
    let ever = Span::from_ms(i64::MAX);
    let stamp = signed
        .timestamp
        .parse()
        .map_or(Timestamp::from_s(0), Timestamp::from_s);
    let fits = |body: &[u8]| verify_with(keys, signed, body, stamp, ever).is_ok();
    match why {
        VerifyError::TooOld { .. } | VerifyError::TooNew { .. } if fits(body) => Some(
            "the signature itself is right: the clocks differ, or the message is a replay; \
             --at gives the instant it was received"
                .to_owned(),
        ),
        VerifyError::Mismatch => {
            let trimmed = body.trim_ascii_end();
            Some(if trimmed.len() < body.len() && fits(trimmed) {
                "it is right without the white space at the end of the body: something added a \
                 line end"
                    .to_owned()
            } else {
                "the key is another one, or the body is not the bytes that came: check the raw \
                 body, before any JSON library has written it anew"
                    .to_owned()
            })
        }
        VerifyError::NoSignature => {
            let kinds: Vec<&str> = keys.iter().map(VerifyingKey::version).collect();
            Some(format!("the keys given check {}", kinds.join(" and ")))
        }
        _ => None,
    }
}

/// What the message is, as far as it says so itself.
fn about(body: &[u8]) -> String {
    let event: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |path: &str| event.pointer(path).and_then(serde_json::Value::as_str);
    match (text("/type"), text("/subject"), text("/data/verdict")) {
        (Some(kind), Some(subject), Some(verdict)) => format!("{kind} of {subject}: {verdict}"),
        (Some(kind), ..) => kind.to_owned(),
        _ => "no event of ours".to_owned(),
    }
}
