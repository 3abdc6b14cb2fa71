//! `haldane serve`: the daemon in the foreground, drained on SIGTERM and Ctrl-C.

use crate::cli::args::ServeArgs;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::serve::clock::Clock;
use crate::serve::config::{self, Config, DEFAULTS};
use crate::serve::start::{StartFault, start};
use crate::telemetry::{self, LogFormat};
use std::sync::Arc;

/// Runs the command.
pub(crate) async fn run(args: &ServeArgs, output: &mut Output) -> Exit {
    let config = match load(args) {
        Ok(config) => config,
        Err(message) => {
            output.complain(&message);
            return Exit::Usage;
        }
    };
    let format = match config.log.format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => {
            output.complain(&format!("log.format: `{other}` is none of text, json"));
            return Exit::Usage;
        }
    };
    if let Err(message) = telemetry::init_logs(&config.log.filter, format) {
        output.complain(&message);
        return Exit::Usage;
    }
    let handle = telemetry::metrics();
    let render = Arc::new(move || handle.render());
    let daemon = match start(&config, Clock::system(), None, render).await {
        Ok(daemon) => daemon,
        Err(StartFault::Config(message)) => {
            output.complain(&message);
            return Exit::Usage;
        }
        Err(StartFault::World(message)) => {
            output.complain(&message);
            return Exit::Unavailable;
        }
    };
    output.note(&format!("haldane listens on http://{}", daemon.address));
    let stopped = stop_signal();
    tokio::pin!(stopped);
    let mut upkeep = tokio::time::interval(telemetry::UPKEEP_EVERY);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            () = daemon.ended() => {
                output.complain("the daemon's loop ended by itself; this is a bug");
                return Exit::Internal;
            }
            _ = upkeep.tick() => telemetry::upkeep(),
        }
    }
    output.note("draining");
    daemon.stop().await;
    Exit::Clean
}

/// Resolves at SIGTERM or SIGINT.
pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

fn load(args: &ServeArgs) -> Result<Config, String> {
    let mut flags: Vec<(&str, String)> = Vec::new();
    if let Some(listen) = &args.listen {
        flags.push(("server.listen", listen.clone()));
    }
    if let Some(store) = &args.store {
        flags.push(("store.path", store.display().to_string()));
    }
    if let Some(templates) = &args.templates {
        flags.push(("templates.dir", templates.display().to_string()));
    }
    if let Some(url) = &args.prometheus {
        flags.push(("source.url", url.clone()));
        flags.push(("source.kind", "prometheus".to_owned()));
    }
    if let Some(scenario) = &args.scenario {
        flags.push(("source.scenario", scenario.display().to_string()));
        flags.push(("source.kind", "simulated".to_owned()));
    }
    config::load(args.config.as_deref(), &flags)
}

/// `haldane config`
pub(crate) fn print_defaults(output: &mut Output) -> Exit {
    output.data(DEFAULTS);
    Exit::Clean
}

/// `haldane openapi`
pub(crate) fn print_openapi(output: &mut Output) -> Exit {
    output.data(&crate::http::openapi_json());
    Exit::Clean
}
