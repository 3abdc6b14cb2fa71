//! Keys that sign messages and keys that check them: shared secrets (HMAC-SHA256, `v1`) and
//! Ed25519 pairs (`v1a`), as Standard Webhooks writes them.
//!
//! | text begins with | what follows, in base64 | signs | checks |
//! |---|---|---|---|
//! | `whsec_` | 24 to 64 bytes both sides share | yes | yes |
//! | `whsk_` | an Ed25519 seed, or seed and public key | yes | yes |
//! | `whpk_` | an Ed25519 public key | no | yes |

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fmt;
use std::sync::Arc;

/// What a shared secret begins with.
const SHARED_PREFIX: &str = "whsec_";
/// What a private key begins with.
const PRIVATE_PREFIX: &str = "whsk_";
/// What a public key begins with.
const PUBLIC_PREFIX: &str = "whpk_";
/// The version of a signature by a shared secret.
const SHARED_VERSION: &str = "v1";
/// The version of a signature by a private key.
const PRIVATE_VERSION: &str = "v1a";
/// The shortest shared secret in bytes (Standard Webhooks: 24 to 64); a shorter one is refused.
pub const KEY_BYTES_MIN: usize = 24;
/// The longest shared secret in bytes (Standard Webhooks: 24 to 64); a longer one is refused.
pub const KEY_BYTES_MAX: usize = 64;
/// Bytes of a seed and of a public key (RFC 8032 section 5.1.5).
const SEED_BYTES: usize = 32;
/// Seed and public key one after the other, as most libraries write a private key.
const PAIR_BYTES: usize = 2 * SEED_BYTES;

/// Written with padding, read with or without.
const READ: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, READ);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, READ);

/// Why a key cannot be used. Never holds any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It begins with none of the three.
    #[error(
        "the webhook key begins with neither `whsec_` nor `whsk_`; `haldane keys` makes one of \
         either kind"
    )]
    Prefix,
    /// It is a public key where one is needed that signs.
    #[error("the webhook key is a public one (`whpk_`), which cannot sign; give `whsk_`")]
    Public,
    /// What follows is not base64.
    #[error("the webhook key is not base64 after its prefix")]
    Base64,
    /// A shared secret of the wrong length.
    #[error("the webhook key has {bytes} bytes; it needs {KEY_BYTES_MIN} to {KEY_BYTES_MAX}")]
    Length {
        /// How many bytes were given.
        bytes: usize,
    },
    /// A key of a pair of the wrong length.
    #[error(
        "the ed25519 webhook key has {bytes} bytes; a public one has {SEED_BYTES}, a private one \
         {SEED_BYTES} or {PAIR_BYTES}"
    )]
    PairLength {
        /// How many bytes were given.
        bytes: usize,
    },
    /// Seed and public key do not belong together.
    #[error("the two halves of the ed25519 webhook key do not belong together")]
    Halves,
}

/// A key that signs. Its bytes cannot be read back nor printed.
#[derive(Clone)]
pub struct SigningKey(Signs);

#[derive(Clone)]
enum Signs {
    Shared(hmac::Key),
    Private(Arc<Ed25519KeyPair>),
}

impl SigningKey {
    /// Reads `whsec_` or `whsk_` and base64: standard or URL alphabet, with or without padding,
    /// white space around it ignored (a secret file ends with a new line).
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with(PUBLIC_PREFIX) {
            return Err(KeyError::Public);
        }
        if let Some(encoded) = text.strip_prefix(PRIVATE_PREFIX) {
            return Self::from_pair(&decode(encoded)?);
        }
        let encoded = text.strip_prefix(SHARED_PREFIX).ok_or(KeyError::Prefix)?;
        Self::from_bytes(&decode(encoded)?)
    }

    /// A shared secret of `bytes`, 24 to 64 of them, from a good source of chance.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        check_length(bytes)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Ok(Self(Signs::Shared(key)))
    }

    /// A private key: a seed, or a seed and the public key that belongs to it.
    fn from_pair(bytes: &[u8]) -> Result<Self, KeyError> {
        let length = KeyError::PairLength { bytes: bytes.len() };
        let (seed, public) = bytes.split_at_checked(SEED_BYTES).ok_or(length)?;
        if !public.is_empty() && public.len() != SEED_BYTES {
            return Err(length);
        }
        let pair = if public.is_empty() {
            Ed25519KeyPair::from_seed_unchecked(seed)
        } else {
            Ed25519KeyPair::from_seed_and_public_key(seed, public)
        };
        let pair = pair.map_err(|_| KeyError::Halves)?;
        Ok(Self(Signs::Private(Arc::new(pair))))
    }

    /// Version, comma and the base64 of the signature of `signed`.
    pub(super) fn entry(&self, signed: &[u8]) -> String {
        let (version, tag) = match &self.0 {
            Signs::Shared(key) => (
                SHARED_VERSION,
                BASE64.encode(hmac::sign(key, signed).as_ref()),
            ),
            Signs::Private(pair) => (PRIVATE_VERSION, BASE64.encode(pair.sign(signed).as_ref())),
        };
        format!("{version},{tag}")
    }

    /// What a receiver checks this key's signatures with.
    pub fn verifying(&self) -> VerifyingKey {
        VerifyingKey(match &self.0 {
            Signs::Shared(key) => Checks::Shared(key.clone()),
            Signs::Private(pair) => Checks::Public(pair.public_key().as_ref().to_vec()),
        })
    }

    /// `whpk_` and base64 of the public key; a shared secret has none.
    pub fn public_text(&self) -> Option<String> {
        match &self.0 {
            Signs::Shared(_) => None,
            Signs::Private(pair) => {
                let public = BASE64.encode(pair.public_key().as_ref());
                Some(format!("{PUBLIC_PREFIX}{public}"))
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// A key that checks signatures. A shared secret cannot be read back nor printed.
#[derive(Clone)]
pub struct VerifyingKey(Checks);

#[derive(Clone)]
enum Checks {
    Shared(hmac::Key),
    Public(Vec<u8>),
}

impl VerifyingKey {
    /// Reads any of the three kinds, spelled as for [`SigningKey::parse`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let Some(encoded) = text.strip_prefix(PUBLIC_PREFIX) else {
            return SigningKey::parse(text).map(|key| key.verifying());
        };
        let bytes = decode(encoded)?;
        if bytes.len() != SEED_BYTES {
            return Err(KeyError::PairLength { bytes: bytes.len() });
        }
        Ok(Self(Checks::Public(bytes)))
    }

    /// The version of the signatures that it checks.
    pub const fn version(&self) -> &'static str {
        match &self.0 {
            Checks::Shared(_) => SHARED_VERSION,
            Checks::Public(_) => PRIVATE_VERSION,
        }
    }

    /// Whether `tag` is a signature of `signed` by this key; for a shared secret in time that
    /// does not depend on where they differ.
    pub(super) fn accepts(&self, signed: &[u8], tag: &[u8]) -> bool {
        match &self.0 {
            Checks::Shared(key) => hmac::verify(key, signed, tag).is_ok(),
            Checks::Public(bytes) => UnparsedPublicKey::new(&ED25519, bytes)
                .verify(signed, tag)
                .is_ok(),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(redacted)")
    }
}

/// The text of a shared secret that is handed to a receiver: `whsec_` and base64 of 24 to 64
/// bytes.
pub fn secret_text(bytes: &[u8]) -> Result<String, KeyError> {
    check_length(bytes)?;
    Ok(format!("{SHARED_PREFIX}{}", BASE64.encode(bytes)))
}

/// The text of a private key with this seed, 32 bytes from a good source of chance: `whsk_` and
/// base64 of the seed and the public key.
pub fn private_text(seed: &[u8]) -> Result<String, KeyError> {
    let length = KeyError::PairLength { bytes: seed.len() };
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| length)?;
    let both = [seed, pair.public_key().as_ref()].concat();
    Ok(format!("{PRIVATE_PREFIX}{}", BASE64.encode(both)))
}

fn decode(encoded: &str) -> Result<Vec<u8>, KeyError> {
    let engine = if encoded.contains(['-', '_']) {
        &BASE64_URL
    } else {
        &BASE64
    };
    engine.decode(encoded).map_err(|_| KeyError::Base64)
}

fn check_length(bytes: &[u8]) -> Result<(), KeyError> {
    if (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&bytes.len()) {
        Ok(())
    } else {
        Err(KeyError::Length { bytes: bytes.len() })
    }
}
