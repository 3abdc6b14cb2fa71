//! Commands that talk to a daemon: submit, status, wait, cancel, override. They show the daemon's
//! own documents, so the sentence is the same bytes as everywhere (A10).

use crate::cli::args::{
    CancelArgs, DaemonArgs, Format, OverrideArgs, StatusArgs, SubmitArgs, WaitArgs,
};
use crate::cli::client::{Client, Fault};
use crate::cli::exit_code::Exit;
use crate::cli::judge::inputs;
use crate::cli::output::Output;
use crate::cli::render::{painted, symbol};
use crate::time::Span;
use crate::units::trim_number;
use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// How long one long poll asks the daemon to wait.
const POLL: &str = "30s";

/// `haldane submit`
pub(crate) async fn submit(args: &SubmitArgs, output: &mut Output) -> Exit {
    let done = async {
        let client = Client::new(&args.daemon)?;
        let answer = client.post("v1/analyses", &submission(args)?).await?;
        let id = text(&answer, "id");
        if !args.wait {
            match args.output {
                Format::Json => output.data(&answer.to_string()),
                Format::Table | Format::Markdown => {
                    output.data(&id);
                    output.note(&format!("wait for it with: haldane wait {id}"));
                }
            }
            return Ok(Exit::Clean);
        }
        output.note(&format!("analysis {id}"));
        until_final(&client, &id, None, output, args.output).await
    };
    finish(done.await, output)
}

fn submission(args: &SubmitArgs) -> Result<Value, Fault> {
    let mut body = Map::new();
    let path = Path::new(&args.template);
    if path.is_file() {
        let text = std::fs::read_to_string(path)
            .map_err(|fault| (Exit::Usage, format!("template {}: {fault}", path.display())))?;
        body.insert("template_inline".into(), text.into());
    } else {
        body.insert("template".into(), args.template.clone().into());
    }
    body.insert("inputs".into(), json!(inputs(&args.inputs)?));
    body.insert("baseline".into(), args.baseline.clone().into());
    body.insert("canary".into(), args.canary.clone().into());
    let mut deploy = Map::new();
    deploy.insert("service".into(), args.service.clone().into());
    for (key, value) in [
        ("id", &args.deploy_id),
        ("revision", &args.revision),
        ("commit", &args.commit),
        ("environment", &args.environment),
    ] {
        if let Some(value) = value {
            deploy.insert(key.into(), value.clone().into());
        }
    }
    if let Some(text) = &args.traffic_share {
        let share = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|p| p / 100.0),
            None => text.parse::<f64>(),
        };
        let share = share.map_err(|_| {
            (
                Exit::Usage,
                format!("--traffic-share `{text}`: write 10% or 0.1"),
            )
        })?;
        deploy.insert("traffic_share".into(), json!(share));
    }
    body.insert("deploy".into(), Value::Object(deploy));
    if let Some(duration) = &args.duration {
        body.insert("duration".into(), duration.clone().into());
    }
    let webhook = |url: &String| match &args.webhook_key {
        Some(key) => json!({"url": url, "secret_name": key}),
        None => json!({"url": url}),
    };
    if !args.webhooks.is_empty() {
        body.insert(
            "webhooks".into(),
            args.webhooks.iter().map(webhook).collect(),
        );
    }
    Ok(Value::Object(body))
}

/// `haldane status`
pub(crate) async fn status(args: &StatusArgs, output: &mut Output) -> Exit {
    let done = async {
        let client = Client::new(&args.daemon)?;
        if let Some(id) = &args.id {
            let document = client.get(&format!("v1/analyses/{id}")).await?;
            show(&document, args.output, output);
            return Ok(Exit::Clean);
        }
        let list = client.get("v1/analyses").await?;
        let shown = match args.output {
            Format::Json => list.to_string(),
            Format::Table | Format::Markdown => table_of(&list, output.color),
        };
        output.data(&shown);
        Ok(Exit::Clean)
    };
    finish(done.await, output)
}

/// `haldane wait`
pub(crate) async fn wait(args: &WaitArgs, output: &mut Output) -> Exit {
    let done = async {
        let timeout = Span::parse(&args.timeout).ok_or_else(|| {
            (
                Exit::Usage,
                format!("--timeout `{}`: write 30m or 2h", args.timeout),
            )
        })?;
        let client = Client::new(&args.daemon)?;
        let length = std::time::Duration::from_millis(u64::try_from(timeout.ms()).unwrap_or(0));
        let waiting = until_final(&client, &args.id, None, output, args.output);
        match tokio::time::timeout(length, waiting).await {
            Ok(Ok(Exit::Inconclusive)) => Ok(args.inconclusive_as.exit()),
            Ok(ended) => ended,
            Err(_) => {
                let message = format!("no verdict within --timeout {timeout}; it goes on");
                Err((Exit::Inconclusive, message))
            }
        }
    };
    finish(done.await, output)
}

/// `haldane cancel`
pub(crate) async fn cancel(args: &CancelArgs, output: &mut Output) -> Exit {
    let body = json!({"reason": args.reason, "author": args.author});
    act(
        &args.daemon,
        &format!("v1/analyses/{}/cancel", args.id),
        &body,
        output,
    )
    .await
}

/// `haldane override`
pub(crate) async fn decide(args: &OverrideArgs, output: &mut Output) -> Exit {
    let body = json!({"verdict": args.verdict, "reason": args.reason, "author": args.author});
    act(
        &args.daemon,
        &format!("v1/analyses/{}/override", args.id),
        &body,
        output,
    )
    .await
}

async fn act(daemon: &DaemonArgs, path: &str, body: &Value, output: &mut Output) -> Exit {
    let done = async {
        let document = Client::new(daemon)?.post(path, body).await?;
        show(&document, Format::Table, output);
        Ok(Exit::Clean)
    };
    finish(done.await, output)
}

/// Polls until the verdict is final; a daemon that is away is asked again until the limit, if any.
async fn until_final(
    client: &Client,
    id: &str,
    mut patience: Option<u32>,
    output: &mut Output,
    format: Format,
) -> Result<Exit, Fault> {
    loop {
        match client
            .get(&format!("v1/analyses/{id}/verdict?wait={POLL}"))
            .await
        {
            Ok(verdict) if verdict.get("final").and_then(Value::as_bool) == Some(true) => {
                let document = match format {
                    Format::Json => verdict.clone(),
                    Format::Table | Format::Markdown => {
                        client.get(&format!("v1/analyses/{id}")).await?
                    }
                };
                show(&document, format, output);
                return Ok(exit_of(&verdict));
            }
            Ok(verdict) => output.note(&format!("pending: {}", text(&verdict, "reason"))),
            Err((Exit::Unavailable, message)) => {
                let left = patience.unwrap_or(10);
                if left == 0 {
                    return Err((Exit::Unavailable, message));
                }
                patience = Some(left - 1);
                output.note(&format!("{message}; asking again"));
                tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            }
            Err(fault) => return Err(fault),
        }
    }
}

fn exit_of(verdict: &Value) -> Exit {
    let held = verdict.get("hold").is_some_and(|hold| !hold.is_null());
    match text(verdict, "verdict").as_str() {
        "promote" => Exit::Clean,
        "rollback" => Exit::Rollback,
        "inconclusive" if held => Exit::Held,
        _ => Exit::Inconclusive,
    }
}

fn finish(done: Result<Exit, Fault>, output: &mut Output) -> Exit {
    match done {
        Ok(exit) => exit,
        Err((exit, message)) => {
            output.complain(&message);
            exit
        }
    }
}

fn text(document: &Value, key: &str) -> String {
    document
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// One document: verdict, sentence, and one line per metric.
fn show(document: &Value, format: Format, output: &mut Output) {
    if format == Format::Json {
        output.data(&document.to_string());
        return;
    }
    let word = text(document, "verdict");
    let verdict = format!("{} {}", symbol(&word), word.to_uppercase());
    let mut out = String::new();
    if format == Format::Markdown {
        let _ = writeln!(out, "### {verdict} {}\n", text(document, "service"));
        let _ = writeln!(out, "{}", text(document, "reason"));
    } else {
        let shown = painted(&verdict, &word, output.color);
        let _ = writeln!(
            out,
            "{shown}  {}  {}",
            text(document, "service"),
            text(document, "id")
        );
        let _ = writeln!(out, "  {}", text(document, "reason"));
    }
    for metric in list(document, "metrics") {
        let bullet = if format == Format::Markdown { "-" } else { " " };
        let _ = writeln!(out, "{bullet} {}", metric_line(metric));
    }
    output.data(&out);
}

/// One metric in a line, such as
/// `✖ errors: worse; baseline 0.01, canary 0.2; +1900 % [+1200 %, +2600 %]`
fn metric_line(metric: &Value) -> String {
    let label = text(metric, "label");
    let mut out = format!("{} {}: {label}", symbol(&label), text(metric, "name"));
    if let Some(why) = metric.get("no_data").and_then(Value::as_str) {
        let _ = write!(out, "; {why}");
    }
    let number = |path: &str| metric.pointer(path).and_then(Value::as_f64);
    let levels = (number("/baseline/level"), number("/canary/level"));
    if let (Some(baseline), Some(canary)) = levels {
        let unit = text(metric, "unit");
        let shown = |value: f64| {
            format!("{} {unit}", trim_number(value))
                .trim_end()
                .to_owned()
        };
        let _ = write!(
            out,
            "; baseline {}, canary {}",
            shown(baseline),
            shown(canary)
        );
    }
    if let Some(value) = number("/effect/relative/value") {
        let percent = |share: f64| format!("{:+} %", (share * 1000.0).round() / 10.0);
        let bound = |name: &str| {
            let share = number(&format!("/effect/relative/{name}"));
            share.map_or_else(|| "∞".to_owned(), percent)
        };
        let _ = write!(
            out,
            "; {} [{}, {}]",
            percent(value),
            bound("low"),
            bound("high")
        );
    }
    out
}

fn list<'a>(document: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    document
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The list of analyses.
fn table_of(page: &Value, color: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "id", "service", "status", "look", "reason"]);
    for document in list(page, "analyses") {
        let word = text(document, "verdict");
        let count = |key: &str| document.get(key).and_then(Value::as_u64).unwrap_or(0);
        table.add_row([
            painted(&format!("{} {word}", symbol(&word)), &word, color),
            text(document, "id"),
            text(document, "service"),
            text(document, "status"),
            format!("{}/{}", count("look"), count("looks_planned")),
            text(document, "reason"),
        ]);
    }
    table.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{}", line.trim_end());
        out
    })
}
