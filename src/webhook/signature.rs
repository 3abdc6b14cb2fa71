//! Standard Webhooks: signatures over `id.timestamp.body`, made and checked.
//!
//! The specification is at <https://www.standardwebhooks.com>. A list holds one signature for
//! every key in use, whatever its kind; a version that none of a receiver's keys checks is passed
//! over, as the specification asks.

use super::key::BASE64;
use crate::time::{Span, Timestamp};
use base64::Engine as _;

pub use super::key::{
    KEY_BYTES_MAX, KEY_BYTES_MIN, KeyError, SigningKey, VerifyingKey, private_text, secret_text,
};

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

impl SigningKey {
    /// Version, comma and the base64 of the signature of one attempt.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        self.entry(&signed_text(id, &unix_seconds(at), body))
    }
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
    /// Not one entry of the list is of a kind that a key could check.
    #[error("the webhook has no signature of the kind that the keys check (v1 or v1a)")]
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
    let keys: Vec<VerifyingKey> = keys.iter().map(SigningKey::verifying).collect();
    verify_with(&keys, headers, body, now, tolerance)
}

/// The same with keys that need not be able to sign.
pub fn verify_with(
    keys: &[VerifyingKey],
    headers: SignedHeaders<'_>,
    body: &[u8],
    now: Timestamp,
    tolerance: Span,
) -> Result<(), VerifyError> {
    if headers.id.is_empty() || headers.id.contains('.') {
        return Err(VerifyError::Id);
    }
    check_instant(headers.timestamp, now, tolerance)?;
    let entries = entries(headers.signatures)?;
    let signed = signed_text(headers.id, headers.timestamp, body);
    let mut checked = false;
    for (version, tag) in &entries {
        for key in keys.iter().filter(|key| key.version() == *version) {
            checked = true;
            if tag.as_deref().is_some_and(|tag| key.accepts(&signed, tag)) {
                return Ok(());
            }
        }
    }
    // Without a key nothing can match, whatever there is to check.
    if checked || (keys.is_empty() && !entries.is_empty()) {
        return Err(VerifyError::Mismatch);
    }
    Err(VerifyError::NoSignature)
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

/// Version and signature; `None` where that is broken base64.
type Entry<'a> = (&'a str, Option<Vec<u8>>);

/// The entries of a list.
fn entries(list: &str) -> Result<Vec<Entry<'_>>, VerifyError> {
    let entries: Vec<&str> = list.split(' ').filter(|entry| !entry.is_empty()).collect();
    if entries.len() > SIGNATURES_MAX {
        return Err(VerifyError::TooMany);
    }
    let parted = entries
        .into_iter()
        .filter_map(|entry| entry.split_once(','));
    Ok(parted
        .map(|(version, tag)| (version, BASE64.decode(tag).ok()))
        .collect())
}

/// The bytes that are signed: id, full stop, timestamp, full stop, body.
fn signed_text(id: &str, seconds: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), seconds.as_bytes(), body].join(&b'.')
}
