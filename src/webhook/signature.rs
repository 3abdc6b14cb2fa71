//! Standard Webhooks, symmetric form `v1`: HMAC-SHA256 over `id.timestamp.body`.
//!
//! The specification is at <https://www.standardwebhooks.com>. The asymmetric form `v1a`
//! (Ed25519) is neither made nor checked here; a `v1a` entry in a list is passed over, as the
//! specification asks of a receiver that does not know a version.

use crate::time::{Span, Timestamp};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::hmac;
use std::fmt;

/// What a symmetric secret begins with.
const SECRET_PREFIX: &str = "whsec_";
/// The version of the symmetric signature.
const VERSION: &str = "v1";
/// The shortest key in bytes (Standard Webhooks: 24 to 64); a shorter one is refused.
pub const KEY_BYTES_MIN: usize = 24;
/// The longest key in bytes (Standard Webhooks: 24 to 64); a longer one is refused.
pub const KEY_BYTES_MAX: usize = 64;
/// The most entries of one signature list that are looked at; a longer list is refused, so that a
/// stranger cannot buy much hashing with one request.
pub const SIGNATURES_MAX: usize = 16;
/// How far a receiver lets the timestamp be from its own clock, both ways. The specification
/// gives no number; its reference libraries use five minutes.
pub const TOLERANCE: Span = Span::from_s(300);

/// Header with the message's id, the same for every attempt.
pub const HEADER_ID: &str = "webhook-id";
/// Header with the second of the attempt since 1970.
pub const HEADER_TIMESTAMP: &str = "webhook-timestamp";
/// Header with the signatures, parted by spaces.
pub const HEADER_SIGNATURE: &str = "webhook-signature";

/// Written with padding, read with or without.
const READ: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, READ);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, READ);

/// Why a secret cannot be used. Never holds any part of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not begin with `whsec_`.
    #[error("the webhook secret does not begin with `whsec_`; write `whsec_` and base64")]
    Prefix,
    /// It is one half of an Ed25519 pair.
    #[error("the webhook secret is an ed25519 key; only the symmetric form `whsec_` is known")]
    Asymmetric,
    /// What follows is not base64.
    #[error("the webhook secret is not base64 after `whsec_`")]
    Base64,
    /// The key has the wrong length.
    #[error("the webhook key has {bytes} bytes; it needs {KEY_BYTES_MIN} to {KEY_BYTES_MAX}")]
    Length {
        /// How many bytes were given.
        bytes: usize,
    },
}

/// A symmetric key, 24 to 64 bytes. Its bytes cannot be read back nor printed.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Reads `whsec_` and base64: standard or URL alphabet, with or without padding, white space
    /// around it ignored (a secret file ends with a new line).
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with("whsk_") || text.starts_with("whpk_") {
            return Err(KeyError::Asymmetric);
        }
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(KeyError::Prefix)?;
        let engine = if encoded.contains(['-', '_']) {
            &BASE64_URL
        } else {
            &BASE64
        };
        let bytes = engine.decode(encoded).map_err(|_| KeyError::Base64)?;
        Self::from_bytes(&bytes)
    }

    /// A key of `bytes`, 24 to 64 of them, from a good source of chance.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        check_length(bytes)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// `v1,` and the base64 of the signature of one attempt.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let signed = signed_text(id, &unix_seconds(at), body);
        let tag = hmac::sign(&self.0, &signed);
        format!("{VERSION},{}", BASE64.encode(tag.as_ref()))
    }

    /// Whether `tag` is this key's for `signed`, in time that does not depend on where they
    /// differ.
    fn accepts(&self, signed: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, signed, tag).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// The text of a key that is handed to a receiver: `whsec_` and base64 of 24 to 64 bytes.
pub fn secret_text(bytes: &[u8]) -> Result<String, KeyError> {
    check_length(bytes)?;
    Ok(format!("{SECRET_PREFIX}{}", BASE64.encode(bytes)))
}

/// All signatures of one attempt, parted by spaces: one for each key that is in use while keys
/// are being exchanged. Empty when there is no key.
pub fn sign_all(keys: &[SigningKey], id: &str, at: Timestamp, body: &[u8]) -> String {
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, at, body)).collect();
    signatures.join(" ")
}

/// The value of [`HEADER_TIMESTAMP`]: whole seconds since 1970, rounded down.
pub fn unix_seconds(at: Timestamp) -> String {
    at.ms().div_euclid(1000).to_string()
}

/// The three headers as they were received.
#[derive(Clone, Copy, Debug)]
pub struct SignedHeaders<'a> {
    /// [`HEADER_ID`].
    pub id: &'a str,
    /// [`HEADER_TIMESTAMP`].
    pub timestamp: &'a str,
    /// [`HEADER_SIGNATURE`].
    pub signatures: &'a str,
}

/// Why a received message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The id is empty or has a full stop, with which the signed text could be read in two ways.
    #[error("the webhook id is empty or has a full stop")]
    Id,
    /// The timestamp is not a whole number of seconds.
    #[error("the webhook timestamp is not a whole number of seconds since 1970")]
    Timestamp,
    /// The attempt was made too long ago.
    #[error("the webhook timestamp is {by} before this clock; at most {limit} is tolerated")]
    TooOld {
        /// Its distance from now.
        by: Span,
        /// The tolerance.
        limit: Span,
    },
    /// The attempt lies too far in the future.
    #[error("the webhook timestamp is {by} after this clock; at most {limit} is tolerated")]
    TooNew {
        /// Its distance from now.
        by: Span,
        /// The tolerance.
        limit: Span,
    },
    /// The list is longer than [`SIGNATURES_MAX`].
    #[error("the webhook has more than {SIGNATURES_MAX} signatures")]
    TooMany,
    /// Not one entry of the list is a `v1` signature.
    #[error("the webhook has no `v1` signature")]
    NoSignature,
    /// No key gives any of the signatures.
    #[error("no webhook signature matches a key in use")]
    Mismatch,
}

/// Whether `body` was signed by one of `keys` no further than `tolerance` from `now` (exactly
/// that far is still believed). Any one matching signature of the list is enough, so that keys can
/// be exchanged on either side first.
pub fn verify(
    keys: &[SigningKey],
    headers: SignedHeaders<'_>,
    body: &[u8],
    now: Timestamp,
    tolerance: Span,
) -> Result<(), VerifyError> {
    if headers.id.is_empty() || headers.id.contains('.') {
        return Err(VerifyError::Id);
    }
    check_instant(headers.timestamp, now, tolerance)?;
    let tags = decode_tags(headers.signatures)?;
    let signed = signed_text(headers.id, headers.timestamp, body);
    let matching = keys
        .iter()
        .any(|key| tags.iter().any(|tag| key.accepts(&signed, tag)));
    if matching {
        Ok(())
    } else {
        Err(VerifyError::Mismatch)
    }
}

/// The timestamp's text is digits only and lies within `tolerance` of `now`.
fn check_instant(text: &str, now: Timestamp, tolerance: Span) -> Result<(), VerifyError> {
    if !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(VerifyError::Timestamp); // `parse` alone would let a sign through
    }
    let seconds = text.parse().map_err(|_| VerifyError::Timestamp)?;
    let at = Timestamp::from_s(seconds);
    let (age, lead, limit) = (now.since(at), at.since(now), tolerance);
    if age > limit {
        return Err(VerifyError::TooOld { by: age, limit });
    }
    if lead > limit {
        return Err(VerifyError::TooNew { by: lead, limit });
    }
    Ok(())
}

/// The decoded `v1` entries of a list; entries of other versions and broken base64 are passed
/// over.
fn decode_tags(list: &str) -> Result<Vec<Vec<u8>>, VerifyError> {
    let entries: Vec<&str> = list.split(' ').filter(|entry| !entry.is_empty()).collect();
    if entries.len() > SIGNATURES_MAX {
        return Err(VerifyError::TooMany);
    }
    let encoded: Vec<&str> = entries
        .into_iter()
        .filter_map(|entry| entry.split_once(','))
        .filter_map(|(version, tag)| (version == VERSION).then_some(tag))
        .collect();
    if encoded.is_empty() {
        return Err(VerifyError::NoSignature);
    }
    Ok(encoded
        .into_iter()
        .filter_map(|tag| BASE64.decode(tag).ok())
        .collect())
}

/// The bytes that are signed: id, full stop, timestamp, full stop, body.
fn signed_text(id: &str, seconds: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), seconds.as_bytes(), body].join(&b'.')
}

fn check_length(bytes: &[u8]) -> Result<(), KeyError> {
    if (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&bytes.len()) {
        Ok(())
    } else {
        Err(KeyError::Length { bytes: bytes.len() })
    }
}
