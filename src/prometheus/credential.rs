//! Who we are, as a header: fixed, or from a file that somebody else rotates.

use super::fault::{Fault, FaultKind};
use super::options::Auth;
use crate::secret::Secret;
use base64::Engine as _;
use reqwest::header::HeaderValue;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tokio::sync::Mutex;

/// The largest token file that is read; a larger one is refused, for it is no token.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// Secrets shorter than this are not looked for in messages: they would hide ordinary words.
const SCRUB_LEN_MIN: usize = 4;

/// The source of the `Authorization` header.
pub(super) enum Credential {
    None,
    Fixed(Held),
    File {
        path: PathBuf,
        seen: Mutex<Option<Seen>>,
    },
}

/// A header and the texts in it that must not be printed.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) header: HeaderValue,
    secrets: Vec<Secret>,
}

/// A token as it was read, and the marks by which a change is noticed.
pub(super) struct Seen {
    modified: Option<SystemTime>,
    len: u64,
    held: Held,
}

impl Credential {
    /// Checks what can be checked now; a token file is read with the first request.
    pub(super) fn new(auth: &Auth) -> Result<Self, Fault> {
        match auth {
            Auth::None => Ok(Self::None),
            Auth::Basic { username, .. } if username.contains(':') => Err(Fault::new(
                FaultKind::Auth,
                "a user name for basic authentication cannot hold a colon",
            )),
            Auth::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose());
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                let text = Secret::new(format!("Basic {encoded}"));
                Held::new(&text, vec![password.clone(), Secret::new(encoded)]).map(Self::Fixed)
            }
            Auth::BearerToken(token) => bearer(token.expose()).map(Self::Fixed),
            Auth::Bearer { file } => Ok(Self::File {
                path: file.clone(),
                seen: Mutex::new(None),
            }),
        }
    }

    /// The header for the next request; a token file is read again when its time or length
    /// differs from what was seen.
    pub(super) async fn current(&self) -> Result<Option<Held>, Fault> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(held) => Ok(Some(held.clone())),
            Self::File { path, seen } => {
                let mut seen = seen.lock().await;
                let (modified, len) = marks(path).await?;
                match &*seen {
                    Some(s) if s.modified == modified && s.len == len => Ok(Some(s.held.clone())),
                    _ => {
                        let fresh = load(path).await?;
                        let held = fresh.held.clone();
                        *seen = Some(fresh);
                        Ok(Some(held))
                    }
                }
            }
        }
    }

    /// After a refusal of `refused`: reads the file whatever its marks say. `None` when there
    /// is nothing else to offer, so that a bad token is not tried twice.
    pub(super) async fn renewed(&self, refused: Option<&Held>) -> Result<Option<Held>, Fault> {
        let Self::File { path, seen } = self else {
            return Ok(None);
        };
        let mut seen = seen.lock().await;
        let fresh = load(path).await?;
        let held = fresh.held.clone();
        *seen = Some(fresh);
        Ok((refused.map(|r| &r.header) != Some(&held.header)).then_some(held))
    }
}

impl Held {
    fn new(text: &Secret, secrets: Vec<Secret>) -> Result<Self, Fault> {
        let mut header = HeaderValue::from_str(text.expose()).map_err(|_| {
            Fault::new(
                FaultKind::Auth,
                "the credentials hold characters that a header cannot carry",
            )
        })?;
        header.set_sensitive(true);
        Ok(Self { header, secrets })
    }

    /// `text` without our secrets: sources and proxies sometimes repeat what they were sent.
    pub(super) fn scrub(&self, text: &str) -> String {
        let long = self
            .secrets
            .iter()
            .filter(|s| s.expose().len() >= SCRUB_LEN_MIN);
        long.fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "***")
        })
    }
}

fn bearer(token: &str) -> Result<Held, Fault> {
    Held::new(
        &Secret::new(format!("Bearer {token}")),
        vec![Secret::new(token)],
    )
}

fn unreadable(path: &Path, why: &str) -> Fault {
    let message = format!("token file {} {why}", path.display());
    Fault::new(FaultKind::Auth, message)
}

async fn marks(path: &Path) -> Result<(Option<SystemTime>, u64), Fault> {
    let meta = tokio::fs::metadata(path)
        .await
        .map_err(|error| unreadable(path, &format!("cannot be read: {error}")))?;
    if meta.len() > TOKEN_BYTES_MAX {
        let why = format!("has {} bytes, more than {TOKEN_BYTES_MAX}", meta.len());
        return Err(unreadable(path, &why));
    }
    Ok((meta.modified().ok(), meta.len()))
}

async fn load(path: &Path) -> Result<Seen, Fault> {
    // Marks first: a file replaced in between is then read again next time, not missed.
    let (modified, len) = marks(path).await?;
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| unreadable(path, &format!("cannot be read: {error}")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(unreadable(path, "is empty"));
    }
    let held = bearer(token)?;
    Ok(Seen {
        modified,
        len,
        held,
    })
}
