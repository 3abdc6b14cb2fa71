//! Who we are, as a header: fixed, or from a file that somebody else rotates.

use super::fault::{Fault, FaultKind};
use super::options::{Auth, Options};
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
pub(super) struct Credential {
    kind: Kind,
    /// Values of the extra headers, which may be keys.
    extra: Vec<Secret>,
}

enum Kind {
    Fixed(Held),
    File {
        path: PathBuf,
        seen: Mutex<Option<Seen>>,
    },
}

/// A header, if any, and the texts sent with it that must not be printed.
#[derive(Clone, Default)]
pub(super) struct Held {
    pub(super) header: Option<HeaderValue>,
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
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let values = options.headers.iter().map(|(_, value)| Secret::new(value));
        let extra: Vec<Secret> = values.collect();
        let kind = match &options.auth {
            Auth::None => Kind::Fixed(Held::default().with(&extra)),
            Auth::Basic { username, .. } if username.contains(':') => {
                let why = "a user name for basic authentication cannot hold a colon";
                return Err(Fault::new(FaultKind::Auth, why));
            }
            Auth::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose());
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                let text = Secret::new(format!("Basic {encoded}"));
                let secrets = vec![password.clone(), Secret::new(encoded)];
                Kind::Fixed(Held::new(&text, secrets)?.with(&extra))
            }
            Auth::BearerToken(token) => Kind::Fixed(bearer(token.expose())?.with(&extra)),
            Auth::Bearer { file } => Kind::File {
                path: file.clone(),
                seen: Mutex::new(None),
            },
        };
        Ok(Self { kind, extra })
    }

    /// What to send with the next request; a token file is read again when its time or length
    /// differs from what was seen.
    pub(super) async fn current(&self) -> Result<Held, Fault> {
        match &self.kind {
            Kind::Fixed(held) => Ok(held.clone()),
            Kind::File { path, seen } => {
                let mut seen = seen.lock().await;
                let (modified, len) = marks(path).await?;
                match &*seen {
                    Some(s) if s.modified == modified && s.len == len => Ok(s.held.clone()),
                    _ => Ok(seen.insert(load(path, &self.extra).await?).held.clone()),
                }
            }
        }
    }

    /// After a refusal of `refused`: reads the file whatever its marks say. `None` when there
    /// is nothing else to offer, so that a bad token is not tried twice.
    pub(super) async fn renewed(&self, refused: &Held) -> Result<Option<Held>, Fault> {
        let Kind::File { path, seen } = &self.kind else {
            return Ok(None);
        };
        let mut seen = seen.lock().await;
        let held = seen.insert(load(path, &self.extra).await?).held.clone();
        Ok((refused.header != held.header).then_some(held))
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
        Ok(Self {
            header: Some(header),
            secrets,
        })
    }

    fn with(mut self, extra: &[Secret]) -> Self {
        self.secrets.extend_from_slice(extra);
        self
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

async fn load(path: &Path, extra: &[Secret]) -> Result<Seen, Fault> {
    // Marks first: a file replaced in between is then read again next time, not missed.
    let (modified, len) = marks(path).await?;
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| unreadable(path, &format!("cannot be read: {error}")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(unreadable(path, "is empty"));
    }
    let held = bearer(token)?.with(extra);
    Ok(Seen {
        modified,
        len,
        held,
    })
}
