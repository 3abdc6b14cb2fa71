//! The accept loop. Written out, because what a stranger can hold open must be bounded (A7):
//! connections by a semaphore, silence by time-outs, the end by a graceful shutdown.

use super::Desk;
use super::office::Office;
use super::routes;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a request's head may take, and how long a connection may idle between requests: twice
/// the 15 s at which the slowest-polling controller comes back on the same connection.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// How long connections may take to end after a stop; what is left is cut.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(10);

/// Bytes of a request's head; a larger one is answered 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// HTTP/2 streams of one connection at once; a further one is refused.
const STREAMS_PER_CONNECTION_MAX: u32 = 64;

/// How long to wait when the machine has no file descriptor left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests on `listener` until `stop` fires; then waits end at once, requests under way
/// are answered, and connections are closed.
pub async fn serve(listener: TcpListener, desk: Desk, stop: CancellationToken) {
    let limit = desk.limits.connections_max.clamp(1, Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(limit));
    let office = Arc::new(Office::new(desk, stop.clone()));
    let router = routes::build(&office);
    let graceful = GracefulShutdown::new();
    let cut = CancellationToken::new();
    let _cut_when_done = cut.clone().drop_guard();
    while let Some((stream, place)) = next(&listener, &places, &stop).await {
        let conversation = converse(stream, router.clone(), graceful.watcher());
        let cut = cut.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = conversation => {}
                () = cut.cancelled() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(CLOSE_TIME_MAX) => {
            tracing::warn!("some connections did not end in time and are cut");
        }
    }
}

/// The next connection with its place among [`super::Limits::connections_max`]; beyond that they
/// wait in the kernel's queue. `None` once `stop` has fired.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let taken = async {
        let place = places.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, place)),
                Err(fault) => {
                    tracing::warn!(%fault, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        taken = taken => taken,
        () = stop.cancelled() => None,
    }
}

/// Answers one connection's requests.
async fn converse(stream: TcpStream, router: axum::Router, watcher: Watcher) {
    // Small answers should leave at once; a socket that cannot do it still works.
    let _ = stream.set_nodelay(true);
    let first = CancellationToken::new();
    let seen = first.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        seen.cancel();
        answer(router.clone(), request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIME_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX);
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    // Which version is spoken is read before the head's time-out begins to count, so silence
    // before the first request is timed here.
    let silent = async {
        if tokio::time::timeout(HEAD_TIME_MAX, first.cancelled())
            .await
            .is_ok()
        {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = watcher.watch(connection) => if let Err(fault) = ended {
            tracing::debug!(%fault, "a connection ended early");
        },
        () = silent => tracing::debug!("a connection said nothing and is closed"),
    }
}

async fn answer(
    router: axum::Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    router.oneshot(request.map(Body::new)).await
}
