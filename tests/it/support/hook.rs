//! A webhook receiver that does what every receiver should: checks the signature with an
//! implementation nobody here wrote, and knows repeats by their id. It can be told to misbehave.

use super::daemon::SECRET;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the receiver does with a message it has verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// 200.
    Accept,
    /// This status.
    Fail(u16),
    /// No answer, ever.
    Hang,
}

/// One verified message as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// The path behind `/hook/`.
    pub(crate) path: String,
    /// The message.
    pub(crate) id: String,
    /// The bytes.
    pub(crate) body: Vec<u8>,
    /// What was answered.
    pub(crate) accepted: bool,
}

impl Arrived {
    /// The event.
    pub(crate) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

struct Inner {
    key: standardwebhooks::Webhook,
    mood: watch::Sender<Mood>,
    arrived: Mutex<Vec<Arrived>>,
    refused: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

/// The running receiver.
pub(crate) struct Hook {
    address: SocketAddr,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Hook {
    /// Starts on a free loopback port and accepts everything that verifies.
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Inner {
            key: standardwebhooks::Webhook::new(SECRET).unwrap(),
            mood: watch::Sender::new(Mood::Accept),
            arrived: Mutex::default(),
            refused: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/hook/{name}", post(take))
            .with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            inner,
            server,
        }
    }

    /// An address of it; `flaky` fails each message's first attempt whatever the mood.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/hook/{name}", self.address)
    }

    /// From now on.
    pub(crate) fn mood(&self, mood: Mood) {
        self.inner.mood.send_replace(mood);
    }

    /// Every verified message so far, in order.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.inner.arrived.lock().unwrap().clone()
    }

    /// Those that came after the first `known`.
    pub(crate) fn since(&self, known: usize) -> Vec<Arrived> {
        self.inner.arrived.lock().unwrap()[known..].to_vec()
    }

    /// Checks that everything verified.
    pub(crate) fn check_signatures(&self) {
        let refused = self.inner.refused.lock().unwrap();
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// Waits until `count` messages have arrived, repeats and failed ones included.
    pub(crate) async fn reaches(&self, count: usize) {
        let mut counted = self.inner.count.subscribe();
        let enough = counted.wait_for(|seen| *seen >= count);
        let done = tokio::time::timeout(Duration::from_secs(60), enough).await;
        assert!(
            done.is_ok(),
            "{count} messages never came, only {}",
            self.arrived().len()
        );
    }

    /// What a receiver that drops repeats keeps: the first accepted of each id. Repeats must have
    /// the same bytes.
    pub(crate) fn kept(&self) -> BTreeMap<String, Arrived> {
        let mut kept: BTreeMap<String, Arrived> = BTreeMap::new();
        for message in self.arrived() {
            if let Some(first) = kept.get(&message.id)
                && first.body != message.body
            {
                let (first, repeat) = (first.event(), message.event());
                assert_eq!(first, repeat, "a repeat of {} differs", message.id);
                panic!(
                    "a repeat of {} has the same fields in other bytes",
                    message.id
                );
            } else if message.accepted {
                kept.entry(message.id.clone()).or_insert(message);
            }
        }
        kept
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(
    State(inner): State<Arc<Inner>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    if let Err(fault) = inner.key.verify(&body, &headers) {
        inner.refused.lock().unwrap().push(fault.to_string());
        return StatusCode::UNAUTHORIZED;
    }
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let mood = *inner.mood.borrow();
    let status = {
        let mut arrived = inner.arrived.lock().unwrap();
        let first = !arrived.iter().any(|known| known.id == id);
        let status = match mood {
            _ if name == "flaky" && first => 500,
            Mood::Accept => 200,
            Mood::Fail(status) => status,
            Mood::Hang => 0,
        };
        let accepted = status == 200;
        arrived.push(Arrived {
            path: name,
            id,
            body: body.to_vec(),
            accepted,
        });
        inner.count.send_replace(arrived.len());
        status
    };
    if status == 0 {
        std::future::pending::<()>().await;
    }
    StatusCode::from_u16(status).unwrap()
}
