//! The command line: flags in, text and an exit code out. Data goes to stdout, progress and logs
//! to stderr.
#![allow(clippy::disallowed_methods, reason = "entry: owns the process")]

pub mod args;
mod asked_source;
mod card;
mod client;
pub mod conformance;
mod decide;
pub mod deliveries;
mod demo;
pub mod dialects;
pub mod ending;
pub mod evaluate;
mod examples;
pub mod exit_code;
mod explain;
mod figures;
pub mod freeze;
pub mod hook_verify;
pub mod import;
mod judge;
mod junit;
pub mod keys;
mod lint;
mod markdown;
mod output;
mod pair_csv;
mod read;
mod receiver;
pub mod record;
pub mod reference;
pub mod replay;
mod report;
pub mod schema;
mod serve;
pub mod simulate;
mod simulate_report;
mod simulate_targets;
mod status;
mod style;
mod submit;
mod table;
pub mod test;
pub mod tune;
mod wait;
mod working;

use crate::cli::args::{Args, Command};
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use clap::Parser as _;
use std::process::ExitCode;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(fault) => {
            // Help and version are answers; everything else is a usage fault. Both print
            // themselves, and a closed pipe is no reason to fail.
            let code = if fault.use_stderr() {
                Exit::Usage
            } else {
                Exit::Clean
            };
            drop(fault.print());
            return code.into();
        }
    };
    let mut output = Output::standard(args.color);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(fault) => {
            output.complain(&format!("cannot start the runtime: {fault}"));
            return Exit::Internal.into();
        }
    };
    crate::prometheus::install_crypto();
    let listens = args.command.listens();
    let exit = runtime.block_on(async {
        tokio::select! {
            // In this order the signal is listened for before anything has begun.
            biased;
            () = serve::stop_signal(), if !listens => Exit::Interrupted,
            exit = dispatch(args.command, &mut output) => exit,
        }
    });
    if exit == Exit::Interrupted {
        // Nothing under way is waited for, such as a read of stdin.
        runtime.shutdown_background();
    } else {
        runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    }
    exit.into()
}

/// The exit code of what was done; a fault is said first.
fn ended(done: Result<Exit, Fault>, output: &mut Output) -> Exit {
    done.unwrap_or_else(|(exit, message)| {
        output.complain(&message);
        exit
    })
}

async fn dispatch(command: Command, output: &mut Output) -> Exit {
    match command {
        Command::Demo(args) => demo::run(&args, output).await,
        Command::Serve(args) => serve::run(&args, output).await,
        Command::Judge(args) => judge::run(&args, output).await,
        Command::Submit(args) => submit::run(&args, output).await,
        Command::Status(args) => status::run(&args, output).await,
        Command::Report(args) => report::run(&args, output).await,
        Command::Wait(args) => wait::run(&args, output).await,
        Command::Cancel(args) => decide::cancel(&args, output).await,
        Command::Freeze(args) => freeze::run(&args, output).await,
        Command::Override(args) => decide::decide(&args, output).await,
        Command::Deliveries(args) => deliveries::run(&args, output).await,
        Command::Record(args) => record::run(&args, output).await,
        Command::Replay(args) => replay::run(args, output).await,
        Command::Test(args) => test::run(args, output).await,
        Command::Evaluate(args) => evaluate::run(args, output).await,
        Command::Lint(args) => lint::run(&args, output).await,
        Command::Import(args) => import::run(&args, output),
        Command::Simulate(args) => simulate::run(args, output).await,
        Command::Tune(args) => tune::run(args, output).await,
        Command::Keys(args) => keys::run(&args, output),
        Command::HookVerify(args) => hook_verify::run(&args, output),
        Command::Dialects(args) => dialects::run(&args, output),
        Command::Conformance(args) => conformance::run(&args, output).await,
        Command::Config => serve::print_defaults(output),
        Command::Schema(args) => schema::run(&args, output),
        Command::Openapi => serve::print_openapi(output),
        Command::Completions { shell } => args::completions(shell, output),
    }
}
