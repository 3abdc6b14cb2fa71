//! `haldane cancel` and `haldane override`: a person decides; the log keeps who and why.

use crate::cli::args::{CancelArgs, DaemonArgs, Format, OverrideArgs};
use crate::cli::client::{Client, Fault};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::status::show;
use crate::http::wire::{CancelInput, OverrideInput, path_segment};

/// `haldane cancel`
pub(crate) async fn cancel(args: &CancelArgs, output: &mut Output) -> Exit {
    let body = serde_json::to_string(&CancelInput {
        reason: args.by.reason.clone(),
        author: args.by.author.clone(),
    });
    act(
        &args.daemon,
        (&args.id, "cancel"),
        body,
        args.by.output,
        output,
    )
    .await
}

/// `haldane override`
pub(crate) async fn decide(args: &OverrideArgs, output: &mut Output) -> Exit {
    let body = serde_json::to_string(&OverrideInput {
        verdict: args.verdict.clone(),
        reason: args.by.reason.clone(),
        author: args.by.author.clone(),
    });
    act(
        &args.daemon,
        (&args.id, "override"),
        body,
        args.by.output,
        output,
    )
    .await
}

async fn act(
    daemon: &DaemonArgs,
    (id, verb): (&str, &str),
    body: serde_json::Result<String>,
    format: Format,
    output: &mut Output,
) -> Exit {
    let done: Result<Exit, Fault> = async {
        let body = body.map_err(|fault| (Exit::Internal, fault.to_string()))?;
        let client = Client::new(daemon)?;
        let path = format!("v1/analyses/{}/{verb}", path_segment(id));
        show(&client.post(&path, body).await?, format, output)?;
        Ok(Exit::Clean)
    }
    .await;
    crate::cli::ended(done, output)
}
