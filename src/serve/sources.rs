//! The configured source, opened.

use crate::prometheus::{Auth, Client, ClientIdentity, Options};
use crate::serve::config::{self, SourceConfig};
use crate::serve::source::Source;
use crate::simulate::traffic::Traffic;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens what `[source]` describes. Nothing is dialled yet.
pub(crate) fn open(config: &SourceConfig) -> Result<Source, String> {
    match config.kind.as_str() {
        "prometheus" => prometheus(config).map(Source::Prometheus),
        "simulated" => {
            let path = PathBuf::from(&config.scenario);
            let text = std::fs::read_to_string(&path)
                .map_err(|fault| format!("source.scenario {}: {fault}", path.display()))?;
            Traffic::parse(&text)
                .map(|traffic| Source::Simulated(Arc::new(traffic)))
                .map_err(|fault| format!("source.scenario {}: {fault}", path.display()))
        }
        other => Err(format!(
            "source.kind: `{other}` is none of prometheus, simulated"
        )),
    }
}

/// The client of a Prometheus.
pub(crate) fn prometheus(config: &SourceConfig) -> Result<Client, String> {
    let url = url::Url::parse(&config.url).map_err(|fault| {
        format!(
            "source.url `{}`: {fault}; write http://host:9090",
            config.url
        )
    })?;
    let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
    let client_identity = match (
        path(&config.client_cert_file),
        path(&config.client_key_file),
    ) {
        (Some(cert_file), Some(key_file)) => Some(ClientIdentity {
            cert_file,
            key_file,
        }),
        (None, None) => None,
        _ => {
            return Err("source: client_cert_file and client_key_file go together".to_owned());
        }
    };
    let mut options = Options::new(url);
    options.auth = auth(config)?;
    options.headers = config.headers.clone().into_iter().collect();
    options.ca_file = path(&config.ca_file);
    options.client_identity = client_identity;
    options.timeout = config::span("source.timeout", &config.timeout)?;
    options.response_bytes_max = config.response_bytes_max;
    options.concurrency_max = config.concurrency_max;
    options.retry.attempts_max = config.attempts_max.max(1);
    Client::new(options).map_err(|fault| format!("source: {}", fault.message))
}

fn auth(config: &SourceConfig) -> Result<Auth, String> {
    let bearer = config.bearer.read("source.bearer")?;
    let password = config.password.read("source.password")?;
    let ways = [
        !config.username.is_empty(),
        !config.bearer_file.is_empty(),
        bearer.is_some(),
    ];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err("source: username, bearer_file and bearer exclude each other".to_owned());
    }
    match (bearer, password) {
        (Some(token), _) => Ok(Auth::BearerToken(token)),
        (None, _) if !config.bearer_file.is_empty() => Ok(Auth::Bearer {
            file: PathBuf::from(&config.bearer_file),
        }),
        (None, Some(password)) if !config.username.is_empty() => Ok(Auth::Basic {
            username: config.username.clone(),
            password,
        }),
        (None, None) if config.username.is_empty() => Ok(Auth::None),
        _ => Err("source: username and password go together".to_owned()),
    }
}
