//! `haldane deliveries`: who was told, which messages are dead, and the way to send one once more.

use crate::cli::args::{DaemonArgs, Format};
use crate::cli::client::{Client, Reply};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::style::{Style, plain};
use crate::http::deliveries_wire::{DeliveryItem, DeliveryLog};
use crate::http::wire::{NoteInput, path_segment};
use clap::Subcommand;
use comfy_table::{Table, presets};
use std::fmt::Write as _;

/// `haldane deliveries`
#[derive(Debug, clap::Args)]
pub struct DeliveriesArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with messages.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List messages with their newest attempt
    List(ListArgs),
    /// Send a message once more; it keeps its id and its bytes
    Redeliver(RedeliverArgs),
}

/// `haldane deliveries list`
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The messages about this analysis; of all without it
    pub id: Option<String>,
    /// Only messages in this state; dead is refused or expired
    #[arg(long, conflicts_with = "id",
        value_parser = ["pending", "delivered", "refused", "expired", "dead"])]
    pub state: Option<String>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

/// `haldane deliveries redeliver`
#[derive(Debug, clap::Args)]
pub struct RedeliverArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The message
    pub message: String,
    /// Who, when the daemon asks for no credentials
    #[arg(long)]
    pub author: Option<String>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

/// Runs the command.
pub(crate) async fn run(args: &DeliveriesArgs, output: &mut Output) -> Exit {
    match &args.what {
        What::List(args) => list(args, output).await,
        What::Redeliver(args) => redeliver(args, output).await,
    }
}

async fn list(args: &ListArgs, output: &mut Output) -> Exit {
    let done = async {
        let client = Client::new(&args.daemon)?;
        let path = match (&args.id, &args.state) {
            (Some(id), _) => format!("v1/analyses/{}/deliveries", path_segment(id)),
            (None, Some(state)) => format!("v1/deliveries?state={state}"),
            (None, None) => "v1/deliveries".to_owned(),
        };
        let reply = client.get(&path).await?;
        if args.output == Format::Json {
            output.data(&reply.0);
            return Ok(Exit::Clean);
        }
        let log: DeliveryLog = reply.read()?;
        if log.deliveries.is_empty() {
            output.note("no messages");
        } else {
            output.data(&table(&log.deliveries, output.style));
        }
        if log.next.is_some() {
            output.note("there are older ones; `--output json` shows where the next page begins");
        }
        Ok(Exit::Clean)
    };
    let done = done.await;
    crate::cli::ended(done, output)
}

async fn redeliver(args: &RedeliverArgs, output: &mut Output) -> Exit {
    let done = async {
        let body = NoteInput {
            author: args.author.clone(),
        };
        let body =
            serde_json::to_string(&body).map_err(|fault| (Exit::Internal, fault.to_string()))?;
        let client = Client::new(&args.daemon)?;
        let path = format!("v1/deliveries/{}/redeliver", path_segment(&args.message));
        let reply: Reply = client.post(&path, body).await?;
        if args.output == Format::Json {
            output.data(&reply.0);
        } else {
            let item: DeliveryItem = reply.read()?;
            output.data(&table(&[item], output.style));
        }
        Ok(Exit::Clean)
    };
    let done = done.await;
    crate::cli::ended(done, output)
}

/// One line per message, and one for what went wrong last.
fn table(items: &[DeliveryItem], style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["state", "about", "attempts", "born", "message", "to"]);
    for item in items {
        let one = &item.delivery;
        let status = one.status.map_or_else(String::new, |s| format!(" ({s})"));
        table.add_row([
            format!("{}{status}", one.state),
            format!("{} of {}", one.moment, plain(&item.service)),
            one.attempts.to_string(),
            item.born.clone(),
            one.id.clone(),
            style.cut(&plain(&one.url), 60),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut out = String::new();
    for (idx, line) in table.lines().enumerate() {
        let _ = writeln!(out, "{}", line.trim_end());
        let item = idx.checked_sub(1).and_then(|row| items.get(row));
        if let Some(detail) = item.and_then(|item| item.delivery.detail.as_ref()) {
            let _ = writeln!(out, "  {}", style.cut(&plain(detail), style.width));
        }
    }
    out
}
