//! `haldane simulate --serve`: each pod of a scenario as a scrape target, in real time, and the
//! document that tells a Prometheus where they are.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::serve::stop_signal;
use crate::cli::simulate::{Loaded, SimulateArgs, usage};
use crate::serve::clock::Clock;
use crate::simulate::openmetrics::{CONTENT_TYPE, page};
use crate::simulate::traffic::Traffic;
use crate::time::{Span, Timestamp};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE as CONTENT_TYPE_HEADER, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What all requests share.
struct Stage {
    traffic: Traffic,
    start: Timestamp,
    clock: Clock,
    address: SocketAddr,
}

/// Serves until Ctrl-C.
pub(super) async fn serve(
    args: &SimulateArgs,
    loaded: &Loaded,
    address: &str,
    output: &mut Output,
) -> Result<Exit, Fault> {
    let lead = Span::parse(&args.lead).ok_or_else(|| {
        let text = &args.lead;
        usage(format!("--lead `{text}` is no length of time; write 5m"))
    })?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|fault| (Exit::Unavailable, format!("--serve {address}: {fault}")))?;
    let address = listener
        .local_addr()
        .map_err(|fault| (Exit::Unavailable, format!("--serve: {fault}")))?;
    let ready = &loaded.ready;
    // Before the first scrape of the scenario there is nothing to show.
    let begin = ready.start().minus(lead);
    let seed = args.seed.unwrap_or(ready.scenario().spec.seed);
    let traffic = Traffic::born_at(ready.scenario().clone(), seed, begin);
    let targets = traffic.replicas().len();
    let stage = Arc::new(Stage {
        traffic,
        start: ready.start(),
        clock: Clock::fast(begin, args.speed),
        address,
    });
    let app = Router::new()
        .route("/sd", get(discovery))
        .route("/pods/{number}/metrics", get(scrape))
        .with_state(stage);
    output.note(&format!(
        "{targets} targets; let a Prometheus find them with\n  \
         http_sd_configs: [{{ url: 'http://{address}/sd' }}]\n\
         the scenario starts in {lead} of its own time, {}× life; Ctrl-C ends it",
        args.speed
    ));
    axum::serve(listener, app)
        .with_graceful_shutdown(stop_signal())
        .await
        .map_err(|fault| (Exit::Unavailable, format!("--serve: {fault}")))?;
    Ok(Exit::Clean)
}

/// The targets as `http_sd` wants them: all at this address, told apart by their path.
async fn discovery(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> axum::Json<Value> {
    // By the name the asker knows this address by, which may not be the one listened on.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.map_or_else(|| stage.address.to_string(), str::to_owned);
    let replicas = stage.traffic.replicas();
    let groups = replicas.iter().enumerate().map(|(number, replica)| {
        let mut labels = replica.target_labels();
        let path = format!("/pods/{number}/metrics");
        labels.insert("__metrics_path__".to_owned(), path);
        json!({"targets": [host], "labels": labels})
    });
    axum::Json(Value::Array(groups.collect()))
}

async fn scrape(State(stage): State<Arc<Stage>>, Path(number): Path<usize>) -> Response {
    let now = stage.clock.now();
    let text = {
        let replicas = stage.traffic.replicas();
        let Some(replica) = replicas.get(number) else {
            let said = format!("there is no pod {number}; the targets are at /sd\n");
            return (StatusCode::NOT_FOUND, said).into_response();
        };
        page(&stage.traffic, replica, stage.start, now)
    };
    match text {
        Some(text) => ([(CONTENT_TYPE_HEADER, CONTENT_TYPE)], text).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the pod is down\n").into_response(),
    }
}
