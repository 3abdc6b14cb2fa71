//! The HTTP client under the API client: certificates, time-outs, no redirects.

use super::fault::{Fault, FaultKind};
use super::options::{Options, address};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Identity, redirect};
use std::path::Path;
use std::time::Duration;

use crate::time::Span;

/// Makes `ring` the process-wide provider of TLS cryptography, unless there is one already.
///
/// The HTTP client is built without a provider of its own, so this must have run before the
/// first one is made; running it again does nothing.
pub fn install_crypto() {
    // An error means another provider was installed first, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that follows no redirect and believes no proxy variable unless told to.
pub(super) fn http_client(options: &Options) -> Result<reqwest::Client, Fault> {
    install_crypto();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("haldane/", env!("CARGO_PKG_VERSION")))
        .default_headers(fixed_headers(options)?)
        // A redirect would carry our credentials to wherever an answer points.
        .redirect(redirect::Policy::none())
        .timeout(duration(options.timeout))
        .connect_timeout(duration(options.connect_timeout));
    if !options.proxy_from_environment {
        builder = builder.no_proxy();
    }
    if let Some(path) = &options.ca_file {
        builder = builder.tls_certs_only(trusted(path)?);
    } else if options.url.scheme() == "http" {
        // No TLS will happen, so do not fail where the system has no certificates at all, as in
        // a container without any.
        builder = builder.tls_certs_only([]);
    }
    if let Some(identity) = &options.client_identity {
        let mut pem = read(&identity.cert_file, "client certificate")?;
        pem.push(b'\n');
        pem.extend(read(&identity.key_file, "client key")?);
        let identity = Identity::from_pem(&pem).map_err(|error| {
            let message = format!(
                "client certificate {} with key {} cannot be used ({}); both must be PEM",
                identity.cert_file.display(),
                identity.key_file.display(),
                causes(&error)
            );
            Fault::new(FaultKind::Auth, message)
        })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| {
        let message = format!(
            "no HTTP client for {} can be made: {}; check ca_file and the client certificate",
            address(&options.url),
            causes(&error)
        );
        Fault::new(FaultKind::Malformed, message)
    })
}

/// The extra headers, all marked as not to be printed.
fn fixed_headers(options: &Options) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let refused = |what| Fault::new(FaultKind::Malformed, format!("header {name:?} {what}"));
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refused("is not a legal header name"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| refused("has a value with characters that are not allowed there"))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

fn trusted(path: &Path) -> Result<Vec<Certificate>, Fault> {
    let unusable = |why: &str| {
        let message = format!(
            "ca_file {} {why}; it must be PEM certificates",
            path.display()
        );
        Fault::new(FaultKind::Malformed, message)
    };
    let certificates = Certificate::from_pem_bundle(&read(path, "ca_file")?)
        .map_err(|error| unusable(&format!("cannot be used ({})", causes(&error))))?;
    if certificates.is_empty() {
        return Err(unusable("holds no certificate"));
    }
    Ok(certificates)
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, Fault> {
    std::fs::read(path).map_err(|error| {
        let message = format!("{what} {} cannot be read: {error}", path.display());
        Fault::new(FaultKind::Auth, message)
    })
}

/// The chain of causes below an HTTP client's error; its own text repeats the address.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = cause.source();
    }
    if parts.is_empty() {
        return "no cause given".to_owned();
    }
    parts.join(": ")
}

/// A span as the standard library has it.
pub(super) fn duration(span: Span) -> Duration {
    Duration::from_millis(span.ms().unsigned_abs())
}
