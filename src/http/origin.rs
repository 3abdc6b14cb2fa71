//! Where the caller thinks we are: scheme, host and prefix, for callers that can follow only a
//! whole address. It goes back to whoever sent it and nowhere else.

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// Bytes of a host with its port; with a longer one there is no whole address.
const HOST_LEN_MAX: usize = 260;

/// `https://haldane.example:7070/prefix`, from the `Host` header or what a proxy says stood there
/// (`X-Forwarded-Proto`, `-Host`, `-Prefix`). `None` where any of it is no such thing.
pub(crate) fn origin(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("\n"))
    };
    let scheme = text("x-forwarded-proto").unwrap_or("http");
    let authority = uri.authority().map(Authority::as_str);
    let host = text("x-forwarded-host").or_else(|| text(HOST.as_str()));
    let host = host.or(authority)?;
    let prefix = text("x-forwarded-prefix")
        .unwrap_or("")
        .trim_end_matches('/');
    let host_legal = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let path_legal = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let legal = matches!(scheme, "http" | "https")
        && (1..=HOST_LEN_MAX).contains(&host.len())
        && host.chars().all(host_legal)
        && (prefix.is_empty() || prefix.starts_with('/'))
        && prefix.len() <= HOST_LEN_MAX
        && prefix.chars().all(path_legal);
    legal.then(|| format!("{scheme}://{host}{prefix}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    type Case<'a> = (&'a [(&'static str, &'static str)], Option<&'a str>);

    #[test]
    fn what_the_caller_called_us() {
        let (host, proto) = ("host", "x-forwarded-proto");
        let (fore, prefix) = ("x-forwarded-host", "x-forwarded-prefix");
        #[rustfmt::skip]
        let cases: &[Case<'_>] = &[
            (&[(host, "haldane:7070")], Some("http://haldane:7070")),
            (&[(host, "[::1]:7070")], Some("http://[::1]:7070")),
            (&[(host, "in:1"), (proto, "https"), (fore, "h.example")], Some("https://h.example")),
            (&[(host, "h"), (prefix, "/canary/")], Some("http://h/canary")),
            (&[], None),
            (&[(host, "")], None),
            (&[(host, "a b")], None),
            (&[(host, "u:p@h")], None),
            (&[(host, "h"), (proto, "javascript")], None),
            (&[(host, "h"), (prefix, "//evil?x")], None),
            (&[(host, "h"), (prefix, "evil")], None),
        ];
        for (headers, expected) in cases {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect();
            let found = origin(&headers, &Uri::from_static("/v1/analyses"));
            assert_eq!(found.as_deref(), *expected, "{headers:?}");
        }
    }
}
