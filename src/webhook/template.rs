//! Templated webhooks: a request written in the configuration with holes that the fields of a
//! verdict fill, so that anything that can be asked over HTTP can be told of a moment.
//!
//! A template is read once, at start, and filled twice on the spot, with a message that has every
//! field and with one that has as little as a message can have. So a typo is an error then and not
//! in the night in which the first rollback comes. What fills a hole is escaped for the place:
//! as JSON in a JSON body, as XML in XML and HTML, percent-encoded in an address and in a form.
//!
//! Our secrets go where a filled address leads, and whoever submits an analysis fills it. So a hole
//! of an address gives no delimiter, whatever the template does; the filled address has the scheme,
//! host and port that stand in the template; and none of its segments climbs.

use super::address_guard::URL_LEN_MAX;
use super::call::{Call, Success};
use super::sender::BODY_BYTES_MAX;
use crate::diagnostic::closest;
use crate::secret::Secret;
use minijinja::value::{Serde, Value as Filling};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, escape_formatter};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use url::Url;

/// Steps that filling one template may take; a longer one is given up. A body of the longest kind
/// takes a few thousand.
pub const STEPS_MAX: u64 = 200_000;

/// How values are put into addresses and forms, by the name minijinja gives to escaping.
const ENCODED: &str = "percent";
/// The unreserved characters of RFC 3986 section 2.3 stay.
const ENCODE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The names of the parts in the engine; a header's is its own after this.
const URL: &str = "url";
const BODY: &str = "body";
const HEADER: &str = "headers.";

/// A templated webhook as it was written.
#[derive(Clone, Debug)]
pub struct Written<'a> {
    /// `POST` and the like.
    pub method: &'a str,
    /// The address; empty when the receiver has it.
    pub url: &'a str,
    /// Headers.
    pub headers: &'a BTreeMap<String, String>,
    /// The body.
    pub body: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// When it is done.
    pub success: Success,
    /// What `secret.NAME` stands for.
    pub secrets: BTreeMap<String, Secret>,
}

/// A templated webhook, ready to be filled.
pub struct Template {
    env: Environment<'static>,
    method: Method,
    /// What stands before the first hole of its own address, if it has one.
    leads_to: Option<Url>,
    headers: Vec<String>,
    content_type: String,
    success: Success,
    secrets: BTreeMap<String, Secret>,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

/// A request that only has to be sent.
#[derive(Debug)]
pub struct Filled {
    /// The address, when the template has one.
    pub url: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Everything else.
    pub call: Call,
}

/// The key that is wrong, and why.
pub type Fault = (String, String);

impl Template {
    /// Reads a template and fills it with each sample.
    ///
    /// # Errors
    ///
    /// The key that is wrong, and why; no secret is in it.
    pub fn read(written: Written<'_>, samples: &[Value]) -> Result<Self, Fault> {
        let at = |key: &str| {
            let key = key.to_owned();
            move |why: String| (key, why)
        };
        let method = method(written.method).map_err(at("method"))?;
        let leads_to = literal_host(written.url).map_err(at(URL))?;
        let escape = escaping(written.content_type);
        let mut env = environment(escape);
        let mut parts = vec![(BODY.to_owned(), written.body)];
        if !written.url.is_empty() {
            parts.push((URL.to_owned(), written.url));
        }
        for (name, text) in written.headers {
            parts.push((format!("{HEADER}{name}"), text));
        }
        let known = samples.first().cloned().unwrap_or_default();
        let names: Vec<&str> = written.secrets.keys().map(String::as_str).collect();
        for (key, text) in parts {
            env.add_template_owned(key.clone(), text.to_owned())
                .map_err(|why| (key.clone(), said(&why)))?;
            unknown_name(&env, &key, &known, &names).map_err(at(&key))?;
        }
        let template = Self {
            env,
            method,
            leads_to,
            headers: written.headers.keys().cloned().collect(),
            content_type: written.content_type.to_owned(),
            success: written.success,
            secrets: written.secrets,
        };
        for sample in samples {
            // No secret: what goes wrong here is shown.
            template.filled(sample, |_| "***".to_owned(), said)?;
        }
        Ok(template)
    }

    /// Whether it says itself where to.
    pub const fn has_url(&self) -> bool {
        self.leads_to.is_some()
    }

    /// Whether it sends secrets along.
    pub fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// The request about one message.
    ///
    /// # Errors
    ///
    /// Where it went wrong and how; no value is in it, since it may be a secret.
    pub fn fill(&self, fields: &Value) -> Result<Filled, String> {
        let expose = |secret: &Secret| secret.expose().to_owned();
        let quiet = |why: &minijinja::Error| why.kind().to_string();
        self.filled(fields, expose, quiet)
            .map_err(|(key, why)| format!("{key}: {why}"))
    }

    fn filled(
        &self,
        fields: &Value,
        expose: impl Fn(&Secret) -> String,
        say: impl Fn(&minijinja::Error) -> String,
    ) -> Result<Filled, Fault> {
        let secrets = self.secrets.iter();
        let secrets: BTreeMap<_, _> = secrets.map(|(name, text)| (name, expose(text))).collect();
        let mut fields = fields.clone();
        if let Value::Object(fields) = &mut fields {
            fields.insert("secret".to_owned(), serde_json::json!(secrets));
        }
        let fields = Filling::from(Serde(&fields));
        let part = |key: &str, bytes_max: usize| {
            let mut out = Limited {
                bytes: Vec::new(),
                bytes_max,
            };
            let done = self
                .env
                .get_template(key)
                .and_then(|part| part.render_captured_to(fields.clone(), &mut out).map(drop));
            let whole = out.bytes;
            done.map_err(|why| match why.kind() {
                ErrorKind::WriteFailure => (
                    key.to_owned(),
                    format!("it has more than {bytes_max} bytes"),
                ),
                _ => (key.to_owned(), say(&why)),
            })?;
            Ok::<_, Fault>(whole)
        };
        let text = |key: &str, bytes_max: usize| {
            let bytes = part(key, bytes_max)?;
            Ok::<_, Fault>(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        let url = match &self.leads_to {
            Some(leads_to) => {
                let url = text(URL, URL_LEN_MAX)?;
                stays(&url, leads_to).map_err(|why| (URL.to_owned(), why))?;
                Some(url)
            }
            None => None,
        };
        let body = part(BODY, BODY_BYTES_MAX)?;
        if !body.is_empty() && is_json(&self.content_type) {
            serde_json::from_slice::<serde::de::IgnoredAny>(&body).map_err(|why| {
                let way_out = "a hole brings its own quotes: write {{ service }}, not \
                               \"{{ service }}\"";
                (
                    BODY.to_owned(),
                    format!("filled, it is no JSON: {why}; {way_out}"),
                )
            })?;
        }
        let mut headers = Vec::new();
        for name in &self.headers {
            let value = text(&format!("{HEADER}{name}"), URL_LEN_MAX)?;
            headers.push((name.clone(), value));
        }
        let (method, success) = (self.method.clone(), self.success.clone());
        let call = Call::new(method, &headers, &self.content_type, success)
            .map_err(|why| ("headers".to_owned(), why))?;
        let call = call.hiding(self.secrets.values().cloned().collect());
        Ok(Filled { url, body, call })
    }
}

fn method(text: &str) -> Result<Method, String> {
    let known = [
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::GET,
        Method::DELETE,
    ];
    let found = known.into_iter().find(|method| method.as_str() == text);
    found.ok_or_else(|| format!("`{text}` is no method; write POST, PUT, PATCH, GET or DELETE"))
}

/// Whoever submits an analysis must not choose whom we call, so scheme, host and port have no
/// holes. Gives what stands before the first hole; nothing of an address that is none.
fn literal_host(url: &str) -> Result<Option<Url>, String> {
    if url.is_empty() {
        return Ok(None);
    }
    let hole = ["{{", "{%", "{#"].iter().filter_map(|hole| url.find(hole));
    let literal = match hole.min() {
        Some(hole) => url.get(..hole).unwrap_or_default(),
        None => url,
    };
    let behind = literal.split_once("://").map(|(_, behind)| behind);
    let whole = literal.len() == url.len() || behind.is_some_and(|behind| behind.contains('/'));
    if !whole {
        return Err("scheme, host and port cannot have holes; only what follows them".to_owned());
    }
    let parsed = Url::parse(literal).map_err(|why| format!("{literal}: {why}"))?;
    Ok(Some(parsed))
}

/// Whether a filled address leads to whom the template says, and nowhere above what it says. What
/// filled it is never shown: it may be a secret.
fn stays(filled: &str, leads_to: &Url) -> Result<(), String> {
    let url = Url::parse(filled).map_err(|why| format!("filled, it is no address: {why}"))?;
    let to = |url: &Url| {
        let known = (url.scheme().to_owned(), url.port_or_known_default());
        let host = url.host_str().map(str::to_owned);
        let password = url.password().map(str::to_owned);
        (known, host, url.username().to_owned(), password)
    };
    if to(&url) != to(leads_to) {
        return Err("filled, it leads to another scheme, host or port".to_owned());
    }
    // The parser has resolved the dots already, so they are looked for in the text.
    let path = filled.split(['?', '#']).next().unwrap_or_default();
    if climbs(path) {
        return Err(
            "filled, a segment of its path is `.` or `..`, which would lead elsewhere".to_owned(),
        );
    }
    Ok(())
}

/// Times that servers in a row may decode a path; what is encoded more often is taken as it is.
const DECODED_TIMES: usize = 3;

/// Whether a segment is `.` or `..`, however it is encoded: a server may decode before it resolves.
fn climbs(path: &str) -> bool {
    let mut seen = path.to_owned();
    for _ in 0..=DECODED_TIMES {
        if seen
            .split(['/', '\\'])
            .any(|part| matches!(part, "." | ".."))
        {
            return true;
        }
        seen = percent_decode_str(&seen).decode_utf8_lossy().into_owned();
    }
    false
}

/// Type and subtype of a media type, without its parameters; neither is told apart by case
/// (RFC 9110 section 8.3.1).
fn media_type(content_type: &str) -> String {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

fn is_json(content_type: &str) -> bool {
    let kind = media_type(content_type);
    kind.ends_with("/json") || kind.ends_with("+json")
}

/// How what fills a body is escaped. Plain text, and what we do not know, is filled as it is.
fn escaping(content_type: &str) -> AutoEscape {
    let kind = media_type(content_type);
    if is_json(content_type) {
        AutoEscape::Json
    } else if kind == "application/x-www-form-urlencoded" {
        AutoEscape::Custom(ENCODED.into())
    } else if kind == "text/html" || kind.ends_with("/xml") || kind.ends_with("+xml") {
        AutoEscape::Html
    } else {
        AutoEscape::None
    }
}

/// Everything a template can do: fill, choose, repeat. Nothing that reaches outside is in it.
fn environment(body: AutoEscape) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(STEPS_MAX));
    env.set_auto_escape_callback(move |name| match name {
        URL => AutoEscape::Custom(ENCODED.into()),
        BODY => body.clone(),
        _ => AutoEscape::None,
    });
    env.set_formatter(|out, state, value| match state.auto_escape() {
        // In an address not even `safe` or `autoescape false` lets a value be more than a value.
        _ if state.name() == URL => {
            if value.is_none() {
                return Ok(());
            }
            let text = value.to_string();
            let encoded = utf8_percent_encode(&text, ENCODE).to_string();
            out.write_str(&encoded).map_err(minijinja::Error::from)
        }
        AutoEscape::Json => escape_formatter(out, state, value),
        _ if value.is_none() => Ok(()), // a fact that is not known leaves nothing behind
        AutoEscape::Html => escape_formatter(out, state, value),
        AutoEscape::Custom(_) if !value.is_safe() => {
            let text = value.to_string();
            let encoded = utf8_percent_encode(&text, ENCODE).to_string();
            out.write_str(&encoded).map_err(minijinja::Error::from)
        }
        _ => {
            let text = value.to_string();
            out.write_str(&text).map_err(minijinja::Error::from)
        }
    });
    env
}

/// A name that no message has, before it is found missing in one.
fn unknown_name(
    env: &Environment<'_>,
    key: &str,
    sample: &Value,
    secrets: &[&str],
) -> Result<(), String> {
    let part = env.get_template(key).map_err(|why| said(&why))?;
    let mut used: Vec<String> = part.undeclared_variables(true).into_iter().collect();
    used.sort(); // they come in no order
    for name in used {
        let mut at = sample;
        let mut seen = String::new();
        for word in name.split('.') {
            if seen.is_empty() && word == "secret" {
                let secret = name.strip_prefix("secret.").unwrap_or_default();
                if secrets.contains(&secret) {
                    break;
                }
                return Err(format!(
                    "there is no `{name}`; add `secrets.{secret} = \"file:/path\"` or env:NAME"
                ));
            }
            let Value::Object(fields) = at else {
                break; // a method, or an item of a list: the samples tell
            };
            let Some(next) = fields.get(word) else {
                if seen.is_empty() && env.globals().any(|(global, _)| global == word) {
                    break;
                }
                let near = closest(word, fields.keys().map(String::as_str));
                let way_out = match near {
                    Some(near) => format!("did you mean `{seen}{near}`?"),
                    None => "docs/webhooks.md lists the fields".to_owned(),
                };
                return Err(format!("there is no field `{name}`; {way_out}"));
            };
            seen.push_str(word);
            seen.push('.');
            at = next;
        }
    }
    Ok(())
}

/// What went wrong, with the line; only for samples, which hold no secret.
fn said(why: &minijinja::Error) -> String {
    let line = why
        .line()
        .map_or(String::new(), |line| format!("line {line}: "));
    let detail = why
        .detail()
        .map_or(String::new(), |text| format!(": {text}"));
    let advice = match why.kind() {
        ErrorKind::UndefinedError => "; a message may lack it, guard it with `if` or `default`",
        _ => "",
    };
    format!("{line}{}{detail}{advice}", why.kind())
}

/// Takes so many bytes and no more.
struct Limited {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
