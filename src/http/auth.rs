//! Who is calling, and what they may do.
//!
//! A credential comes as a bearer token, or as HTTP Basic with the author as the user, because
//! some rollout controllers can send nothing but an address with a user and a password in it.

use super::refused::{Code, Refused};
use super::{Credential, Right};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// Who is calling; no author when nobody has to show a credential.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The credential's author.
    pub(crate) author: Option<String>,
}

/// The accepted credentials, ready to be compared in constant time.
pub(crate) struct Locks {
    key: hmac::Key,
    locks: Vec<Lock>,
}

struct Lock {
    author: String,
    tag: hmac::Tag,
    right: Right,
}

impl Right {
    /// The word in configuration and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Override => "override",
        }
    }
}

impl Locks {
    pub(crate) fn new(credentials: &[Credential]) -> Self {
        // The key only makes tokens of every length 32 bytes long; `verify` is what compares in
        // constant time, so the key need not be secret.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"haldane credential");
        let lock = |credential: &Credential| Lock {
            author: credential.author.clone(),
            tag: hmac::sign(&key, credential.token.expose().as_bytes()),
            right: credential.right,
        };
        let locks = credentials.iter().map(lock).collect();
        Self { key, locks }
    }

    /// Who is calling, if they may do `needed`.
    pub(crate) fn admit(&self, headers: &HeaderMap, needed: Right) -> Result<Caller, Refused> {
        if self.locks.is_empty() {
            return Ok(Caller { author: None });
        }
        let shown = shown(headers)?;
        let Some(lock) = self.matching(&shown) else {
            return Err(unauthenticated("the credential is not known"));
        };
        if lock.right < needed {
            let detail = format!(
                "{} has the right {}, this needs {}; use a credential with that right",
                lock.author,
                lock.right.word(),
                needed.word()
            );
            return Err(Refused::new(Code::Forbidden, detail));
        }
        Ok(Caller {
            author: Some(lock.author.clone()),
        })
    }

    /// Compares with every lock, whatever was found before, so that the time taken says nothing.
    /// Of several that fit, the one with the widest right.
    fn matching(&self, shown: &Shown) -> Option<&Lock> {
        let mut found: Option<&Lock> = None;
        for lock in &self.locks {
            let token = hmac::verify(&self.key, shown.token.as_bytes(), lock.tag.as_ref()).is_ok();
            let author = shown.user.as_ref().is_none_or(|user| *user == lock.author);
            let wider = found.is_none_or(|other| other.right < lock.right);
            if token && author && wider {
                found = Some(lock);
            }
        }
        found
    }
}

/// What was shown: a token, and a user with Basic.
struct Shown {
    user: Option<String>,
    token: String,
}

fn shown(headers: &HeaderMap) -> Result<Shown, Refused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value,
        (None, _) => return Err(unauthenticated("no credential was sent")),
        (Some(_), Some(_)) => {
            return Err(unauthenticated(
                "there are two authorization headers, not one",
            ));
        }
    };
    let usable = value.to_str().ok().and_then(|text| text.split_once(' '));
    let Some((scheme, rest)) = usable else {
        return Err(unauthenticated("the authorization header is not readable"));
    };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        let token = rest.to_owned();
        return Ok(Shown { user: None, token });
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unauthenticated("the scheme is neither bearer nor basic"));
    }
    let decoded = STANDARD.decode(rest).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    match text.as_deref().and_then(|text| text.split_once(':')) {
        Some((user, token)) => Ok(Shown {
            user: Some(user.to_owned()),
            token: token.to_owned(),
        }),
        None => Err(unauthenticated(
            "the basic credential is not user:password in base64",
        )),
    }
}

fn unauthenticated(why: &str) -> Refused {
    let detail = format!(
        "{why}; send Authorization: Bearer and a token, or Basic with the author as the user and \
         the token as the password"
    );
    Refused::new(Code::Unauthenticated, detail)
        .with_header(WWW_AUTHENTICATE, "Bearer realm=\"haldane\"")
        .with_header(
            WWW_AUTHENTICATE,
            "Basic realm=\"haldane\", charset=\"UTF-8\"",
        )
}
