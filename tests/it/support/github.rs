//! A stand-in of GitHub's API on loopback: it checks the app's signature with the public half of
//! its key, hands out tokens, and writes down what arrives with them. It can be told to misbehave.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The public half of the key in `tests/vectors/github`, written by OpenSSL.
const PUBLIC_KEY: &[u8] = include_bytes!("../../vectors/github/app.public.der");

/// The app's id.
pub(crate) const APP_ID: &str = "Iv1.haldane";

/// What is answered to a post that carries a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Accept,
    Fail(u16),
    /// 401 to this many posts.
    Withdraw(usize),
    /// 404 to this many posts.
    Lose(usize),
}

/// One post with a token.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) body: Value,
    pub(crate) status: u16,
}

#[derive(Default)]
struct Seen {
    tokens: usize,
    lookups: usize,
    posted: Vec<Posted>,
    /// What was wrong with a request.
    faults: Vec<String>,
}

struct Inner {
    seen: Mutex<Seen>,
    mood: Mutex<Mood>,
    token_life_s: i64,
    count: watch::Sender<usize>,
}

pub(crate) struct Github {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Github {
    /// Starts on a free loopback port; tokens live so long.
    pub(crate) async fn start(token_life_s: i64) -> Self {
        let inner = Arc::new(Inner {
            seen: Mutex::default(),
            mood: Mutex::new(Mood::Accept),
            token_life_s,
            count: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/app/installations/{id}/access_tokens", post(token))
            .route("/repos/acme/shop/installation", get(installation))
            .fallback(take)
            .layer(from_fn(named))
            .with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            inner,
            server,
        }
    }

    pub(crate) fn callback(&self, run: u32) -> String {
        let at = self.address;
        format!("http://{at}/repos/acme/shop/actions/runs/{run}/deployment_protection_rule")
    }

    pub(crate) fn mood(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.inner.seen.lock().unwrap().posted.clone()
    }

    /// How many tokens were handed out, and how many installations looked up.
    pub(crate) fn handed_out(&self) -> (usize, usize) {
        let seen = self.inner.seen.lock().unwrap();
        (seen.tokens, seen.lookups)
    }

    /// Nothing was wrong with any request.
    pub(crate) fn check(&self) {
        let seen = self.inner.seen.lock().unwrap();
        assert!(seen.faults.is_empty(), "{:#?}", seen.faults);
    }

    /// Waits until a post has arrived that is as wanted, refused ones included.
    pub(crate) async fn hears(&self, what: &str, is_wanted: impl Fn(&Posted) -> bool) -> Posted {
        let mut counted = self.inner.count.subscribe();
        let heard = counted.wait_for(|_| self.posted().iter().any(&is_wanted));
        let done = tokio::time::timeout(Duration::from_secs(60), heard).await;
        assert!(done.is_ok(), "{what} never came: {:#?}", self.posted());
        self.posted().into_iter().find(is_wanted).unwrap()
    }

    /// Waits until `count` posts have arrived, refused ones included.
    pub(crate) async fn reaches(&self, count: usize) -> Posted {
        let mut counted = self.inner.count.subscribe();
        let enough = counted.wait_for(|seen| *seen >= count);
        let done = tokio::time::timeout(Duration::from_secs(60), enough).await;
        assert!(done.is_ok(), "{count} never came: {:#?}", self.posted());
        self.posted()[count - 1].clone()
    }
}

impl Drop for Github {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// GitHub refuses callers without a user agent.
async fn named(request: Request, next: Next) -> Response {
    if request.headers().contains_key("user-agent") {
        return next.run(request).await;
    }
    StatusCode::FORBIDDEN.into_response()
}

/// Whether the caller shows what only the app can sign, and what is wrong with it otherwise.
fn is_app(headers: &HeaderMap) -> Result<(), String> {
    let text = headers["authorization"].to_str().unwrap();
    let token = text.strip_prefix("Bearer ").ok_or("no bearer token")?;
    let (signed, signature) = token.rsplit_once('.').ok_or("no signature")?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|why| why.to_string());
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC_KEY)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "the signature is wrong")?;
    let (head, claims) = signed.split_once('.').ok_or("no claims")?;
    let read = |text: &str| -> Result<Value, String> {
        serde_json::from_slice(&decode(text)?).map_err(|why| why.to_string())
    };
    let (head, claims) = (read(head)?, read(claims)?);
    let now = jiff::Timestamp::now().as_second();
    let (iat, exp) = (
        claims["iat"].as_i64().unwrap(),
        claims["exp"].as_i64().unwrap(),
    );
    let fine = head["alg"] == "RS256"
        && claims["iss"] == APP_ID
        && iat <= now
        && now < exp
        && exp - iat <= 600;
    fine.then_some(())
        .ok_or_else(|| format!("{head} {claims} at {now}"))
}

fn as_app(inner: &Inner, headers: &HeaderMap) -> bool {
    let checked = is_app(headers);
    if let Err(why) = &checked {
        inner.seen.lock().unwrap().faults.push(why.clone());
    }
    checked.is_ok()
}

async fn token(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Response {
    if !as_app(&inner, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut seen = inner.seen.lock().unwrap();
    seen.tokens += 1;
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(inner.token_life_s);
    let ends = jiff::Timestamp::from_second(ends.as_second()).unwrap();
    let token = format!("ghs_{id}_{}", seen.tokens);
    let body = json!({ "token": token, "expires_at": ends.to_string(), "permissions": {} });
    (StatusCode::CREATED, body.to_string()).into_response()
}

async fn installation(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    if !as_app(&inner, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    inner.seen.lock().unwrap().lookups += 1;
    json!({ "id": 42, "app_id": 1 }).to_string().into_response()
}

async fn take(
    State(inner): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let token = header("authorization")
        .trim_start_matches("Bearer ")
        .to_owned();
    let mut seen = inner.seen.lock().unwrap();
    for (wrong, what) in [
        (!token.starts_with("ghs_42_"), "the token"),
        (header("accept") != "application/vnd.github+json", "accept"),
        (
            header("x-github-api-version") != "2022-11-28",
            "the version",
        ),
        (
            header("content-type") != "application/json",
            "the content type",
        ),
    ] {
        if wrong {
            seen.faults.push(format!("{uri}: {what} in {headers:?}"));
        }
    }
    let mut mood = inner.mood.lock().unwrap();
    let status = match *mood {
        Mood::Accept | Mood::Withdraw(0) | Mood::Lose(0) if uri.path().ends_with("_rule") => 204,
        Mood::Accept | Mood::Withdraw(0) | Mood::Lose(0) => 201,
        Mood::Fail(status) => status,
        Mood::Withdraw(left) => {
            *mood = Mood::Withdraw(left - 1);
            401
        }
        Mood::Lose(left) => {
            *mood = Mood::Lose(left - 1);
            404
        }
    };
    seen.posted.push(Posted {
        path: uri.path().to_owned(),
        token,
        body: serde_json::from_slice(&body).unwrap(),
        status,
    });
    inner.count.send_replace(seen.posted.len());
    let text = if status == 401 {
        r#"{"message":"Bad credentials"}"#
    } else {
        ""
    };
    (StatusCode::from_u16(status).unwrap(), text).into_response()
}
