//! What an app shows for itself: a JSON Web Token (RFC 7519) signed with RS256 (RFC 7518 3.3),
//! as GitHub's documentation asks: issued a minute ago, since clocks differ, and good for less than
//! ten minutes.

use crate::secret::Secret;
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

/// How far back the instant of issue lies: GitHub's advice against clocks that differ.
const ISSUED_BEFORE_S: i64 = 60;
/// How long after now it is good; with the minute before, below GitHub's limit of ten minutes.
const GOOD_FOR_S: i64 = 480;

/// Why a private key cannot be used. Never holds any part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppKeyError {
    /// It is no PEM of a private RSA key.
    #[error("it is no PEM of an RSA private key; download one from the settings of the app")]
    Pem,
    /// It is encrypted.
    #[error("the private key is encrypted; give one without a passphrase, in a file of its own")]
    Encrypted,
    /// What the PEM holds is no usable RSA key.
    #[error("the private key is no RSA key of 2048 to 4096 bits ({0})")]
    Key(String),
}

/// The private key of an app.
pub struct AppKey {
    app_id: String,
    pair: RsaKeyPair,
    chance: SystemRandom,
}

impl AppKey {
    /// Reads a PEM: PKCS#1 as GitHub gives it, or PKCS#8.
    ///
    /// # Errors
    ///
    /// What keeps it from being used.
    pub fn parse(app_id: &str, pem: &Secret) -> Result<Self, AppKeyError> {
        let (label, der) = decoded(pem.expose()).ok_or(AppKeyError::Pem)?;
        let read = match label.as_str() {
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
            "ENCRYPTED PRIVATE KEY" => return Err(AppKeyError::Encrypted),
            _ => return Err(AppKeyError::Pem),
        };
        let pair = read.map_err(|fault| AppKeyError::Key(fault.to_string()))?;
        Ok(Self {
            app_id: app_id.to_owned(),
            pair,
            chance: SystemRandom::new(),
        })
    }

    /// A token that is good at `now`.
    ///
    /// # Errors
    ///
    /// When the machine has no chance to give.
    pub fn token(&self, now: Timestamp) -> Result<Secret, String> {
        let seconds = now.ms().div_euclid(1000);
        let head = serde_json::json!({ "alg": "RS256", "typ": "JWT" });
        let claims = serde_json::json!({
            "iat": seconds.saturating_sub(ISSUED_BEFORE_S),
            "exp": seconds.saturating_add(GOOD_FOR_S),
            "iss": self.app_id,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &self.chance,
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| "the app's token cannot be signed".to_owned())?;
        let signature = URL_SAFE_NO_PAD.encode(&signature);
        Ok(Secret::new(format!("{signed}.{signature}")))
    }
}

/// The label and the bytes of the first PEM block (RFC 7468).
fn decoded(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    // Old encrypted keys have headers, which hold a colon.
    if body.contains(':') {
        return Some(("ENCRYPTED PRIVATE KEY".to_owned(), Vec::new()));
    }
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    Some((label.to_owned(), STANDARD.decode(body).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn what_is_no_key_says_so() {
        let pem = |label: &str, body: &str| {
            Secret::new(format!(
                "-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"
            ))
        };
        let encrypted = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA";
        for (text, wanted) in [
            (Secret::new("ghp_token"), AppKeyError::Pem),
            (pem("CERTIFICATE", "AAAA"), AppKeyError::Pem),
            (pem("RSA PRIVATE KEY", "?"), AppKeyError::Pem),
            (pem("RSA PRIVATE KEY", encrypted), AppKeyError::Encrypted),
            (pem("ENCRYPTED PRIVATE KEY", "AAAA"), AppKeyError::Encrypted),
        ] {
            let fault = AppKey::parse("1", &text).err();
            assert_eq!(fault, Some(wanted));
        }
        let fault = AppKey::parse("1", &pem("RSA PRIVATE KEY", "AAAA"))
            .err()
            .unwrap();
        assert!(fault.to_string().contains("2048 to 4096"), "{fault}");
    }
}
