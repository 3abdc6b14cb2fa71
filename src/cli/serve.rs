//! `haldane serve`: the daemon in the foreground, drained on SIGTERM and Ctrl-C.

use crate::cli::args::ServeArgs;
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::serve::clock::Clock;
use crate::serve::config::{self, Config, DEFAULTS};
use crate::serve::source::Source;
use crate::serve::sources;
use crate::serve::start::{Daemon, StartFault, start};
use crate::telemetry::{self, LogFormat};
use std::sync::Arc;

/// Runs the command.
pub(crate) async fn run(args: &ServeArgs, output: &mut Output) -> Exit {
    let done = serve(args, output).await;
    crate::cli::ended(done, output)
}

async fn serve(args: &ServeArgs, output: &mut Output) -> Result<Exit, Fault> {
    let usage = |message: String| (Exit::Usage, message);
    let config = load(args).map_err(usage)?;
    let format = match config.log.format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => {
            return Err(usage(format!(
                "log.format: `{other}` is none of text, json"
            )));
        }
    };
    telemetry::init_logs(&config.log.filter, format).map_err(usage)?;
    let stopped = stop_signal();
    tokio::pin!(stopped);
    let handle = telemetry::metrics();
    let render = Arc::new(move || handle.render());
    let daemon = start(&config, Clock::system(), None, render)
        .await
        .map_err(fault)?;
    output.note(&welcome(&config, &daemon));
    let probe = probe(&config);
    tokio::pin!(probe);
    let mut probing = true;
    let mut upkeep = tokio::time::interval(telemetry::UPKEEP_EVERY);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            () = daemon.ended() => {
                let message = "the daemon's loop ended by itself; this is a bug".to_owned();
                return Err((Exit::Internal, message));
            }
            _ = upkeep.tick() => telemetry::upkeep(),
            warning = &mut probe, if probing => {
                probing = false;
                if let Some(warning) = warning {
                    output.note(&format!("warning: {warning}"));
                }
            }
        }
    }
    output.note("draining; a second signal ends at once");
    tokio::select! {
        () = daemon.stop() => Ok(Exit::Clean),
        () = stop_signal() => Ok(Exit::Interrupted),
    }
}

/// The exit code of a start that failed.
pub(crate) fn fault(fault: StartFault) -> Fault {
    match fault {
        StartFault::Config(message) => (Exit::Usage, message),
        StartFault::World(message) => (Exit::Unavailable, message),
    }
}

/// What somebody who has just started it wants to know.
fn welcome(config: &Config, daemon: &Daemon) -> String {
    let source = match config.source.kind.as_str() {
        "simulated" => format!("simulated traffic of {}", config.source.scenario),
        kind => format!("{kind} at {}", config.source.url),
    };
    let templates = daemon.templates;
    let credentials = match config.server.credentials.len() {
        0 => "none: whoever reaches the address may do everything".to_owned(),
        1 => "1 token".to_owned(),
        count => format!("{count} tokens"),
    };
    format!(
        "haldane listens on http://{}\n  source       {source}\n  \
         templates    {templates} in {}\n  store        {}\n  \
         credentials  {credentials}",
        daemon.address,
        config.templates.dir.display(),
        config.store.path.display()
    )
}

/// Asks the source who it is; the answer is only a warning, because a source may come later.
async fn probe(config: &Config) -> Option<String> {
    let Ok(Source::Prometheus(client)) = sources::open(&config.source) else {
        return None;
    };
    let fault = client.build_info().await.err()?;
    Some(format!(
        "the source does not answer yet ({}); analyses wait for it for their source_grace",
        fault.message
    ))
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
