//! `haldane status`: the daemon's own documents, so that the sentence is the same bytes as
//! everywhere (A10).

use crate::cli::args::{Format, StatusArgs};
use crate::cli::card::{Card, next_look, time_left};
use crate::cli::client::{Client, Fault, Reply};
use crate::cli::exit_code::Exit;
use crate::cli::figures::counted;
use crate::cli::output::Output;
use crate::cli::style::{Style, columns, plain};
use crate::cli::{markdown, table};
use crate::http::wire::{AnalysisList, path_segment};
use crate::report::figures::about;
use crate::serve::clock::Clock;
use crate::time::{Span, Timestamp};
use crate::wire::verdict::{RecoveryDocument, VerdictDocument};
use comfy_table::{Table, presets};
use std::fmt::Write as _;

/// Columns a sentence needs beside the others; with fewer it gets a line of its own.
const SENTENCE_WIDTH_MIN: usize = 50;

/// Runs the command.
pub(crate) async fn run(args: &StatusArgs, output: &mut Output) -> Exit {
    let done = async {
        let client = Client::new(&args.daemon)?;
        if let Some(id) = &args.id {
            let reply = client
                .get(&format!("v1/analyses/{}", path_segment(id)))
                .await?;
            show(&reply, args.output, output)?;
            return Ok(Exit::Clean);
        }
        let reply = client.get("v1/analyses").await?;
        if args.output == Format::Json {
            output.data(&reply.0);
            return Ok(Exit::Clean);
        }
        let list: AnalysisList = reply.read()?;
        if list.analyses.is_empty() {
            output.note("no analyses; `haldane submit` starts one");
        } else {
            let now = Clock::system().now();
            output.data(&match args.output {
                Format::Markdown => markdown::list(&list.analyses, now),
                Format::Table | Format::Json => list_text(&list.analyses, now, output.style),
            });
        }
        if list.next.is_some() {
            output.note("there are older ones; `--output json` shows where the next page begins");
        }
        Ok(Exit::Clean)
    };
    let done = done.await;
    crate::cli::ended(done, output)
}

/// One analysis: verdict, sentence, metrics, and who was told.
pub(crate) fn show(reply: &Reply, format: Format, output: &mut Output) -> Result<(), Fault> {
    if format == Format::Json {
        output.data(&reply.0);
        return Ok(());
    }
    let document: VerdictDocument = reply.read()?;
    let now = Clock::system().now();
    let text = if format == Format::Markdown {
        markdown::whole(&Card::of_analysis(&document, now))
    } else {
        one(&document, now, output.style)
    };
    output.data(&text);
    Ok(())
}

fn one(document: &VerdictDocument, now: Timestamp, style: Style) -> String {
    let mut out = table::whole(&Card::of_analysis(document, now), style);
    let mut line = |text: &str| {
        let _ = writeln!(out, "  {}", plain(text));
    };
    if let Some(author) = &document.author {
        line(&format!("decided by {author}"));
    }
    if document.shadow {
        line("in shadow: only watched, every caller is told to go on");
    }
    if let Some(fault) = &document.source_fault {
        line(&format!("source fault: {fault}"));
    }
    if let Some(wait) = next_look(document, now) {
        line(&format!("next look {wait}"));
    }
    if let (Some(at), Some(by)) = (&document.acknowledged_at, &document.acknowledged_by) {
        let after = document.acknowledged_after_ms.map(Span::from_ms);
        let after = after.map(|span| format!(", {} after the verdict", about(span)));
        let after = after.unwrap_or_default();
        line(&format!("acknowledged by {by} at {at}{after}"));
    } else if let Some(due) = &document.acknowledge_by {
        line(&format!("nobody has taken note, due by {due}"));
    }
    if let Some(recovery) = &document.recovery {
        line(&recovered(recovery));
    }
    if let Some(good) = &document.last_good {
        let names = [
            &good.revision,
            &good.commit,
            &good.artifact_digest,
            &good.deploy,
        ];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        line(&format!(
            "last good: {} ({})",
            names.join(", "),
            good.promoted_at
        ));
    }
    for delivery in document.deliveries.as_deref().unwrap_or_default() {
        let about = match delivery.moment.as_str() {
            "" | "verdict" => String::new(),
            moment => format!(" of {moment}"),
        };
        let mut text = format!("told {}{about}: {}", delivery.url, delivery.state);
        if let Some(status) = delivery.status {
            let _ = write!(text, " ({status})");
        }
        let attempts = usize::try_from(delivery.attempts).unwrap_or(usize::MAX);
        let _ = write!(text, " after {}", counted(attempts, "attempt"));
        if let Some(detail) = &delivery.detail {
            let _ = write!(text, ", {detail}");
        }
        line(&text);
    }
    line(&format!("id {}", document.id));
    out
}

/// Whether a rollback helped, when that was known, and by what.
fn recovered(recovery: &RecoveryDocument) -> String {
    let detail = recovery.detail.as_deref().unwrap_or("not looked at yet");
    let after = recovery.after_ms.map(Span::from_ms);
    let after = after.map(|span| format!(" {} after the verdict", about(span)));
    let by = recovery.by.as_ref().map(|by| format!(", by {by}"));
    format!(
        "after the rollback: {}{}{}: {detail}",
        recovery.state.replace('_', " "),
        after.unwrap_or_default(),
        by.unwrap_or_default()
    )
}

/// The verdict, or what keeps it from coming.
fn word(document: &VerdictDocument) -> &str {
    match document.verdict.as_str() {
        "pending" if document.hold.is_some() => "held",
        word => word,
    }
}

/// The list: one line per analysis where there is room for the sentence, two where there is not.
fn list_text(analyses: &[VerdictDocument], now: Timestamp, style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["verdict", "service", "look", "time", "id"]);
    for document in analyses {
        let word = word(document);
        let mut service = document.service.clone();
        let deploy = &document.deploy;
        if let Some(which) = deploy.revision.as_ref().or(deploy.id.as_ref()) {
            let _ = write!(service, " {which}");
        }
        table.add_row([
            format!("{} {word}", style.symbol(word)),
            style.cut(&plain(&service), 32),
            format!("{}/{}", document.look, document.looks_planned),
            time_left(document, now),
            document.id.clone(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let used = lines.iter().map(|line| columns(line)).max().unwrap_or(0) + 2;
    let beside = style.width >= used + SENTENCE_WIDTH_MIN;
    let mut out = String::new();
    for (idx, line) in lines.iter().enumerate() {
        let Some(document) = idx.checked_sub(1).and_then(|row| analyses.get(row)) else {
            let _ = writeln!(out, "{line}");
            continue;
        };
        let word = word(document);
        let label = format!("{} {word}", style.symbol(word));
        let rest = line.strip_prefix(&label).unwrap_or(line);
        let reason = plain(&document.reason);
        let _ = write!(out, "{}{rest}", style.painted(&label, word));
        if beside {
            let gap = used.saturating_sub(columns(line));
            let shown = style.cut(&reason, style.width - used);
            let _ = writeln!(out, "{:gap$}{shown}", "");
        } else {
            let shown = style.cut(&reason, style.width.saturating_sub(2));
            let _ = writeln!(out, "\n  {shown}");
        }
    }
    out
}
