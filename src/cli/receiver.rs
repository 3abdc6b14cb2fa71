//! The demo's receiver: a small HTTP server that does what every receiver should. It checks the
//! signature on the raw body, then the age, then drops repeats by id.

use crate::serve::clock::Clock;
use crate::webhook::signature::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, SignedHeaders, SigningKey, TOLERANCE, verify,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// What arrived and was verified, by message id.
#[derive(Clone)]
pub(crate) struct Receiver {
    keys: Arc<[SigningKey]>,
    clock: Clock,
    verified: Arc<Mutex<BTreeMap<String, Value>>>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Starts listening on a free loopback port.
    pub(crate) async fn start(
        key: SigningKey,
        clock: Clock,
    ) -> std::io::Result<(Self, SocketAddr)> {
        let receiver = Self {
            keys: Arc::new([key]),
            clock,
            verified: Arc::default(),
            refused: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/hook", post(take))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((receiver, address))
    }

    /// The verified verdict about an analysis.
    pub(crate) fn verdict_of(&self, id: &str) -> Option<Value> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified
            .values()
            .find(|event| event.get("subject").and_then(Value::as_str) == Some(id))
            .cloned()
    }

    /// Messages that did not verify, each with the reason.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let signed = SignedHeaders {
        id: header(HEADER_ID),
        timestamp: header(HEADER_TIMESTAMP),
        signatures: header(HEADER_SIGNATURE),
    };
    let id = signed.id.to_owned();
    let checked = verify(
        &receiver.keys,
        signed,
        &body,
        receiver.clock.now(),
        TOLERANCE,
    )
    .map_err(|fault| fault.to_string())
    .and_then(|()| serde_json::from_slice::<Value>(&body).map_err(|fault| fault.to_string()));
    match checked {
        Ok(event) => {
            let mut verified = receiver
                .verified
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            verified.entry(id).or_insert(event);
            StatusCode::OK
        }
        Err(reason) => {
            receiver
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(reason);
            StatusCode::UNAUTHORIZED
        }
    }
}
