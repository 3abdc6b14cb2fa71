//! Configuration: embedded defaults, then a file, then `HALDANE__SECTION__KEY`, then flags.
//! Parsed once into what the daemon uses; every error names the key, the value and the way out.

use crate::diagnostic::closest;
use crate::ids::{NAME_LEN_MAX, ReceiverName};
use crate::secret::Secret;
use crate::time::Span;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The commented default file; printed by `haldane config`.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// What was written, key by key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The API.
    pub server: ServerConfig,
    /// The decision log.
    pub store: StoreConfig,
    /// Templates.
    pub templates: TemplatesConfig,
    /// Where samples come from.
    pub source: SourceConfig,
    /// Outbound messages.
    pub webhooks: WebhooksConfig,
    /// What callers that know only a name get.
    pub bindings: Vec<BindingConfig>,
    /// GitHub: deployment protection rules, and statuses.
    pub github: GithubConfig,
    /// By dialect and state, another word than the default.
    pub dialects: BTreeMap<String, BTreeMap<String, String>>,
    /// How analyses stand to one another.
    pub coordination: CoordinationConfig,
    /// Kayenta's API.
    pub kayenta: KayentaConfig,
    /// Limits.
    pub limits: LimitsConfig,
    /// Logs.
    pub log: LogConfig,
}

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port.
    pub listen: String,
    /// Bytes.
    pub body_bytes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Requests at once.
    pub requests_max: usize,
    /// Who may call.
    pub credentials: Vec<CredentialConfig>,
}

/// `[[server.credentials]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialConfig {
    /// The name in the decision log.
    pub author: String,
    /// A reference to the token.
    pub token: SecretText,
    /// `read`, `submit` or `override`.
    pub right: String,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// The SQLite file.
    pub path: PathBuf,
}

/// `[templates]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplatesConfig {
    /// A folder of `*.yaml`.
    pub dir: PathBuf,
    /// How often changed files are looked for.
    pub reload: String,
}

/// `[source]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// `prometheus` or `simulated`.
    pub kind: String,
    /// The base URL.
    pub url: String,
    /// A scenario file, for `simulated`.
    pub scenario: String,
    /// Per query.
    pub timeout: String,
    /// Queries at once.
    pub concurrency_max: usize,
    /// Bytes of one answer.
    pub response_bytes_max: usize,
    /// Basic auth.
    pub username: String,
    /// Basic auth, a reference.
    pub password: SecretText,
    /// A file with a bearer token, read again when it changes.
    pub bearer_file: String,
    /// A bearer token, a reference.
    pub bearer: SecretText,
    /// Extra headers.
    pub headers: BTreeMap<String, String>,
    /// PEM.
    pub ca_file: String,
    /// PEM.
    pub client_cert_file: String,
    /// PEM.
    pub client_key_file: String,
    /// Attempts per query.
    pub attempts_max: usize,
}

/// `[webhooks]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// The default keys: a reference, or a list of them.
    pub key: SecretTexts,
    /// Named keys, each a reference or a list of them.
    pub keys: BTreeMap<String, SecretTexts>,
    /// Whether private addresses may be dialled.
    pub allow_private: bool,
    /// Per attempt.
    pub timeout: String,
    /// The CloudEvents source.
    pub source: String,
    /// PEM.
    pub ca_file: String,
    /// Who hears of every verdict.
    pub receivers: Vec<ReceiverConfig>,
    /// Requests of other shapes, by name.
    pub templates: BTreeMap<String, HookTemplateConfig>,
}

/// `[webhooks.templates.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookTemplateConfig {
    /// `POST`, `PUT`, `PATCH`, `GET` or `DELETE`.
    #[serde(default = "post")]
    pub method: String,
    /// Where to, with holes after the host, or a reference to a whole address that is secret;
    /// empty when the receiver says it.
    #[serde(default)]
    pub url: String,
    /// Headers, with holes.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, with holes.
    #[serde(default)]
    pub body: String,
    /// Its media type.
    #[serde(default = "json")]
    pub content_type: String,
    /// Statuses that mean success; any 2xx without.
    #[serde(default)]
    pub success: Vec<String>,
    /// A JSON pointer into the answer.
    pub success_json: Option<String>,
    /// What must stand there.
    pub success_equals: Option<String>,
    /// References to secrets, for holes such as `{{ secret.token }}`.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretText>,
}

fn post() -> String {
    "POST".to_owned()
}

fn json() -> String {
    "application/json".to_owned()
}

/// Whether a text refers to a secret rather than being what it says.
pub(crate) fn is_reference(text: &str) -> bool {
    text.starts_with("file:") || text.starts_with("env:")
}

/// `[[webhooks.receivers]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverConfig {
    /// What templates call it in `notify`; without one it hears of every verdict.
    pub name: Option<String>,
    /// Where to; may be absent when the form is a template with an address of its own.
    #[serde(default)]
    pub url: String,
    /// A name of `[webhooks.keys]`; the default key without it.
    pub key: Option<String>,
    /// What messages look like; CloudEvents without it.
    pub form: Option<String>,
    /// The moments it hears of; those usual in its form without it.
    #[serde(default)]
    pub moments: Vec<String>,
    /// The verdicts it hears of; all without it.
    #[serde(default)]
    pub verdicts: Vec<String>,
    /// The services it hears of, `*` for any run of characters; all without it.
    #[serde(default)]
    pub services: Vec<String>,
    /// The same by the name of the template.
    #[serde(default)]
    pub templates: Vec<String>,
    /// The same by the environment.
    #[serde(default)]
    pub environments: Vec<String>,
}

/// `[coordination]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinationConfig {
    /// `allow`, `queue`, `supersede` or `refuse`.
    pub concurrent: String,
    /// Whether every analysis is only watched.
    pub shadow: bool,
    /// What is another for some templates, by name.
    #[serde(default)]
    pub templates: BTreeMap<String, CoordinationOverride>,
}

/// `[coordination.templates.<name>]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinationOverride {
    /// `allow`, `queue`, `supersede` or `refuse`.
    pub concurrent: Option<String>,
    /// Whether its analyses are only watched.
    pub shadow: Option<bool>,
}

/// `[[bindings]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingConfig {
    /// What callers call it, in addresses.
    pub name: String,
    /// The name of a template.
    pub template: String,
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The kind of change.
    pub change_type: Option<String>,
    /// The share of traffic the canary is meant to get, 0 to 1.
    pub traffic_share: Option<f64>,
    /// Values for the template's inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Matchers of the baseline; without it, the template compares with another time.
    pub baseline: Option<String>,
    /// Matchers of the canary.
    pub canary: String,
}

/// `[github]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubConfig {
    /// The app's id, or its client id.
    pub app_id: String,
    /// The app's private key, a reference.
    pub private_key: SecretText,
    /// The secrets of the app's webhook, each a reference.
    pub secrets: Vec<SecretText>,
    /// The base of the API.
    pub api_url: String,
    /// Hosts that may be told decisions.
    pub callback_hosts: Vec<String>,
    /// Where people reach this daemon, for links to reports.
    pub reports_url: String,
    /// Which binding stands behind which environment.
    pub environments: Vec<GithubEnvironmentConfig>,
}

/// `[kayenta]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KayentaConfig {
    /// `kayenta` or `sequential`.
    pub judge: String,
    /// Names of accounts, as callers know them.
    pub accounts: Vec<String>,
    /// Applications that see the daemon's templates as canary configs.
    pub applications: Vec<String>,
}

/// `[[github.environments]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubEnvironmentConfig {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The environment as GitHub calls it.
    pub environment: String,
    /// A name of `[[bindings]]`.
    pub binding: String,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Analyses under way at once.
    pub analyses_max: usize,
    /// How long a drain may take.
    pub drain: String,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// tracing's filter.
    pub filter: String,
    /// `text` or `json`.
    pub format: String,
}

/// A reference to a secret as written (`file:…`, `env:…`, or empty). Something that looks like
/// the secret itself must not reach a log either, so its `Debug` is closed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// References to secrets: one text, or a list while they are exchanged.
#[derive(Clone, Debug, Default)]
pub struct SecretTexts(Vec<SecretText>);

impl<'de> Deserialize<'de> for SecretTexts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> serde::de::Visitor<'de> for OneOrMany {
            type Value = SecretTexts;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("file:/path or env:NAME, or a list of them")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                let one = SecretText(text.to_owned());
                Ok(SecretTexts(Vec::from_iter(
                    (!text.is_empty()).then_some(one),
                )))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(item) = items.next_element()? {
                    out.push(item);
                }
                if out.is_empty() {
                    let why = "an empty list would sign nothing; name a key, or remove the line";
                    return Err(serde::de::Error::custom(why));
                }
                Ok(SecretTexts(out))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl SecretTexts {
    /// What was written, in order.
    pub fn as_slice(&self) -> &[SecretText] {
        &self.0
    }
}

impl SecretText {
    /// A reference as somebody wrote it elsewhere, to be read like one of a configuration.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Reads the secret; `None` when nothing is written. `key` is the name for the message.
    pub fn read(&self, key: &str) -> Result<Option<Secret>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let text = if let Some(path) = self.0.strip_prefix("file:") {
            std::fs::read_to_string(path)
                .map_err(|fault| format!("{key}: cannot read secret file {path}: {fault}"))?
        } else if let Some(name) = self.0.strip_prefix("env:") {
            std::env::var(name)
                .map_err(|_| format!("{key}: environment variable {name} is not set"))?
        } else {
            return Err(format!(
                "{key}: a secret must not stand in the configuration; write file:/path or env:NAME"
            ));
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("{key}: the secret it names is empty"));
        }
        Ok(Some(Secret::new(text)))
    }
}

/// Reads a length of time such as `30s`; `key` is the name for the message.
pub fn span(key: &str, text: &str) -> Result<Span, String> {
    Span::parse(text)
        .filter(|span| *span > Span::ZERO)
        .ok_or_else(|| format!("{key}: `{text}` is no length of time above zero; write 30s or 5m"))
}

/// The names of receivers that templates may use, in the order written; each legal and used once.
pub fn receiver_names(config: &WebhooksConfig) -> Result<Vec<ReceiverName>, String> {
    let mut out = Vec::new();
    for (idx, receiver) in config.receivers.iter().enumerate() {
        let Some(written) = &receiver.name else {
            continue;
        };
        let key = format!("webhooks.receivers[{idx}].name");
        let name = ReceiverName::new(written).ok_or_else(|| {
            format!(
                "{key}: `{written}` is no name; 1 to {NAME_LEN_MAX} letters, digits and any of \
                 . _ - : / @"
            )
        })?;
        if out.contains(&name) {
            return Err(format!("{key}: `{name}` is used twice; rename one"));
        }
        out.push(name);
    }
    Ok(out)
}

/// Loads the configuration. `file` must exist when given; without it `./haldane.toml` is read
/// when it exists. `flags` are `section.key` and value, the strongest.
pub fn load(file: Option<&Path>, flags: &[(&str, String)]) -> Result<Config, String> {
    let mut builder = config::Config::builder()
        .add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
    let path = file.map_or_else(|| PathBuf::from("haldane.toml"), Path::to_path_buf);
    if file.is_some() || path.exists() {
        let text = std::fs::read_to_string(&path)
            .map_err(|fault| format!("configuration {}: {fault}", path.display()))?;
        builder = builder.add_source(config::File::from_str(&text, config::FileFormat::Toml));
    }
    // Two underscores, so that HALDANE_PORT, which Kubernetes makes for a Service of that name,
    // is no key of ours.
    builder = builder.add_source(
        config::Environment::with_prefix("HALDANE")
            .prefix_separator("__")
            .separator("__"),
    );
    for (key, value) in flags {
        builder = builder
            .set_override(*key, value.clone())
            .map_err(|fault| format!("flag for {key}: {fault}"))?;
    }
    builder
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|fault| explain(&fault.to_string(), &path, file.is_some() || path.exists()))
}

/// The reader's own message with the file in front and a suggestion behind.
fn explain(message: &str, path: &Path, has_file: bool) -> String {
    let origin = if has_file {
        format!("{}", path.display())
    } else {
        "environment".to_owned()
    };
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message
        .contains("unknown field")
        .then(|| quoted.next())
        .flatten();
    let suggestion = unknown.and_then(|word| closest(word, quoted));
    match suggestion {
        Some(word) => format!("configuration ({origin}): {message}; did you mean `{word}`?"),
        None => format!(
            "configuration ({origin}): {message}; `haldane config` prints every key and default"
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn loaded(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("haldane.toml");
        std::fs::write(&path, text).unwrap();
        load(Some(&path), &[])
    }

    #[test]
    fn the_defaults_are_complete() {
        let config = loaded("").unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:7070");
        assert!(config.webhooks.receivers.is_empty());
    }

    #[test]
    fn a_named_key_is_one_reference_or_a_list() {
        let config =
            loaded("[webhooks.keys]\na = \"env:A\"\nb = [\"env:A\", \"env:B\"]\n").unwrap();
        let count = |name: &str| config.webhooks.keys[name].as_slice().len();
        assert_eq!((count("a"), count("b")), (1, 2));
    }

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("haldane.toml");
        std::fs::write(&path, "[server]\nlisten = \"127.0.0.1:1\"\n").unwrap();
        let flags = [("server.listen", "127.0.0.1:2".to_owned())];
        assert_eq!(
            load(Some(&path), &flags).unwrap().server.listen,
            "127.0.0.1:2"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, wanted) in [
            ("[server]\nlisen = \"x\"\n", "did you mean `listen`"),
            ("[sever]\nlisten = \"x\"\n", "did you mean `server`"),
            ("[limits]\nanalyses_max = \"many\"\n", "analyses_max"),
            ("[server\n", "haldane.toml"),
        ] {
            let message = loaded(text).unwrap_err();
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }

    #[test]
    fn an_inline_secret_is_refused_and_never_printed() {
        let config = loaded("[webhooks]\nkey = \"whsec_hunter2hunter2\"\n").unwrap();
        let message = config.webhooks.key.as_slice()[0]
            .read("webhooks.key")
            .unwrap_err();
        assert!(message.contains("file:/path"));
        assert!(!message.contains("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
