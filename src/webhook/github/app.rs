//! From a repository to a token, and with the token one post.

use super::signature::AppKey;
use crate::secret::Secret;
use crate::time::{Span, Timestamp};
use crate::webhook::exchange::{Answered, Question};
use crate::webhook::reply::{FailedKind, Refusal, Reply, one_line};
use crate::webhook::sender::Sender;
use crate::wire::github::{API_VERSION, AccessToken, access_token, installation};
use reqwest::Method;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use url::Url;

/// A token is not used in its last minutes: an attempt and its answer must fit before its end.
const TOKEN_SPARE: Span = Span::from_s(120);
/// Installations whose tokens are kept; beyond, all are dropped and asked for again. An app of one
/// company has a handful.
const TOKENS_MAX: usize = 1_000;
/// Repositories whose installation is remembered; beyond, all are looked up again.
const REPOSITORIES_MAX: usize = 10_000;

/// An app.
pub struct App {
    /// The base of the API: `https://api.github.com`, or `https://HOST/api/v3`.
    api: Url,
    key: AppKey,
    tokens: Mutex<BTreeMap<u64, AccessToken>>,
    installations: Mutex<BTreeMap<String, u64>>,
}

/// What is posted, and for whom.
#[derive(Clone, Copy)]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a Url,
    /// `OWNER/NAME`.
    pub repository: &'a str,
    /// The installation that covers it; looked up without it.
    pub installation: Option<u64>,
    /// JSON.
    pub body: &'a [u8],
    /// Now.
    pub at: Timestamp,
}

impl App {
    /// An app at `api`.
    pub fn new(mut api: Url, key: AppKey) -> Self {
        if !api.path().ends_with('/') {
            let path = format!("{}/", api.path());
            api.set_path(&path);
        }
        Self {
            api,
            key,
            tokens: Mutex::default(),
            installations: Mutex::default(),
        }
    }

    /// Posts once, with a token that is got first when there is none. An answer that may come of
    /// what was remembered makes the app forget it, and the next attempt asks anew.
    pub async fn post(&self, sender: &Sender, post: Post<'_>) -> Reply {
        let repository = post.repository.to_ascii_lowercase();
        let known = match post.installation {
            None => locked(&self.installations).get(&repository).copied(),
            Some(_) => None,
        };
        let id = match post.installation.or(known) {
            Some(id) => id,
            None => match self.installation_of(sender, &repository, post.at).await {
                Ok(id) => id,
                Err(reply) => return reply,
            },
        };
        let (held, reply) = match self.token(sender, id, post.at).await {
            Err(reply) => (false, reply),
            Ok((held, token)) => {
                let question = ask(&Method::POST, post.url, post.body, post.at);
                let reply = match self.exchange(sender, question, &token).await {
                    Ok(answered) => sorted(&answered, ""),
                    Err(reply) => reply,
                };
                (held, reply)
            }
        };
        if !matches!(reply.status(), Some(401 | 403 | 404)) {
            return reply;
        }
        // Withdrawn before its time, or the app was removed and installed again.
        locked(&self.tokens).remove(&id);
        locked(&self.installations).remove(&repository);
        match reply {
            Reply::Refused {
                status: status @ 404,
                retry_after,
                detail,
                ..
            } if held || known.is_some() => Reply::Refused {
                status,
                retry_after,
                kind: Refusal::Server, // worth another attempt
                detail,
            },
            reply => reply,
        }
    }

    async fn installation_of(
        &self,
        sender: &Sender,
        repository: &str,
        at: Timestamp,
    ) -> Result<u64, Reply> {
        let path = format!("repos/{repository}/installation");
        let answered = self.as_app(sender, &Method::GET, &path, at).await?;
        let id = installation(&answered.body)
            .map_err(|why| Reply::failed(FailedKind::Protocol, &why))?;
        let mut kept = locked(&self.installations);
        if kept.len() >= REPOSITORIES_MAX {
            kept.clear();
        }
        kept.insert(repository.to_owned(), id);
        Ok(id)
    }

    /// The token of an installation, and whether it was there before.
    async fn token(
        &self,
        sender: &Sender,
        id: u64,
        at: Timestamp,
    ) -> Result<(bool, Secret), Reply> {
        let fresh = |held: &&AccessToken| at.plus(TOKEN_SPARE) < held.expires_at;
        let held = locked(&self.tokens).get(&id).filter(fresh).cloned();
        if let Some(held) = held {
            return Ok((true, held.token));
        }
        let path = format!("app/installations/{id}/access_tokens");
        let answered = self.as_app(sender, &Method::POST, &path, at).await?;
        let token = access_token(&answered.body)
            .map_err(|why| Reply::failed(FailedKind::Protocol, &why))?;
        let mut kept = locked(&self.tokens);
        if kept.len() >= TOKENS_MAX {
            kept.clear();
        }
        kept.insert(id, token.clone());
        Ok((false, token.token))
    }

    /// Asks with the app's own signature; anything but a success is a reply.
    async fn as_app(
        &self,
        sender: &Sender,
        method: &Method,
        path: &str,
        at: Timestamp,
    ) -> Result<Answered, Reply> {
        let url = self.api.join(path);
        let url = url.map_err(|why| Reply::failed(FailedKind::Message, &why.to_string()))?;
        let own = self.key.token(at);
        let own = own.map_err(|why| Reply::failed(FailedKind::Message, &why))?;
        let answered = self
            .exchange(sender, ask(method, &url, &[], at), &own)
            .await?;
        if (200..300).contains(&answered.status) {
            return Ok(answered);
        }
        Err(sorted(&answered, &format!("{path}: ")))
    }

    async fn exchange(
        &self,
        sender: &Sender,
        question: Question<'_>,
        token: &Secret,
    ) -> Result<Answered, Reply> {
        let bearer = format!("Bearer {}", token.expose());
        let headers = [
            ("accept", "application/vnd.github+json"),
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("x-github-api-version", API_VERSION),
        ];
        let question = Question {
            headers: &headers,
            ..question
        };
        sender.exchange(question).await
    }
}

fn ask<'a>(method: &'a Method, url: &'a Url, body: &'a [u8], at: Timestamp) -> Question<'a> {
    Question {
        method,
        url,
        headers: &[],
        body,
        at,
    }
}

/// What an answer means for the next attempt. Unlike a receiver of ours, GitHub says 401 and 403
/// for what passes: a token withdrawn early, a rate limit, a permission that somebody still has to
/// grant.
fn sorted(answered: &Answered, about: &str) -> Reply {
    let status = answered.status;
    if (200..300).contains(&status) {
        return Reply::Accepted { status };
    }
    let kind = match status {
        401 | 403 => Refusal::Throttled,
        other => Refusal::of(other),
    };
    let text = if (300..400).contains(&status) {
        "redirects are never followed; check github.api_url".into()
    } else {
        String::from_utf8_lossy(&answered.body)
    };
    Reply::Refused {
        status,
        retry_after: answered.retry_after,
        kind,
        detail: one_line(&format!("{about}{text}")),
    }
}

fn locked<T>(cell: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}
