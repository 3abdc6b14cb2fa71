//! `haldane report`: what an analysis said, for people: a page, a picture, a comment.

use crate::cli::args::{ReportArgs, ReportFormat};
use crate::cli::card::Card;
use crate::cli::client::{Client, Fault};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::{judge, markdown, read};
use crate::http::wire::path_segment;
use crate::report::{details, html, svg};
use crate::wire::report::{REPORT_SCHEMA, ReportDocument};
use std::path::Path;

/// Bytes of a document that was written earlier; a longer one is refused. As long as the longest
/// answer of a daemon.
const DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// Runs the command.
pub(crate) async fn run(args: &ReportArgs, output: &mut Output) -> Exit {
    let done = async {
        let document = document(args, output).await?;
        let text = text(&document, args)?;
        match &args.out {
            None => output.data(&text),
            Some(path) => {
                std::fs::write(path, &text)
                    .map_err(|fault| (Exit::Usage, format!("--out {}: {fault}", path.display())))?;
                output.note(&format!("wrote {}", path.display()));
            }
        }
        Ok(Exit::Clean)
    };
    let done = done.await;
    crate::cli::ended(done, output)
}

async fn document(args: &ReportArgs, output: &mut Output) -> Result<ReportDocument, Fault> {
    if let Some(path) = &args.document {
        return written(path);
    }
    let Some(id) = &args.id else {
        let csv = args.file.csv.as_deref().ok_or_else(no_subject)?;
        let judged = judge::judged_file(&args.file, csv, output).await?;
        return Ok(judge::report(&judged, &args.file));
    };
    let client = Client::new(&args.daemon)?;
    let path = format!("v1/analyses/{}/report", path_segment(id));
    client.get(&path).await?.read()
}

/// A document of an earlier `--format json`.
fn written(path: &Path) -> Result<ReportDocument, Fault> {
    let fault = |message: String| {
        let shown = path.display();
        (Exit::Usage, format!("--document {shown}: {message}"))
    };
    let text = read::text(path, DOCUMENT_BYTES_MAX, "no report is as long").map_err(fault)?;
    let document: ReportDocument = serde_json::from_str(&text).map_err(|cause| {
        fault(format!(
            "it is no report ({cause}); write one with `haldane report ID --format json`"
        ))
    })?;
    if document.schema != REPORT_SCHEMA {
        return Err(fault(format!(
            "its schema is `{}` and this program reads `{REPORT_SCHEMA}`; use the version of \
             haldane that wrote it",
            crate::cli::style::plain(&document.schema)
        )));
    }
    Ok(document)
}

/// Only a program that calls this with flags the parser would have refused gets here.
fn no_subject() -> Fault {
    let message = "name an analysis, or judge a file with --csv, or show one with --document";
    (Exit::Usage, message.to_owned())
}

fn text(document: &ReportDocument, args: &ReportArgs) -> Result<String, Fault> {
    match args.format {
        ReportFormat::Html => Ok(html(document)),
        ReportFormat::Markdown => {
            let mut out = markdown::whole(&Card::of_report(document));
            out.push_str(&details(document));
            Ok(out)
        }
        ReportFormat::Svg => svg(document, args.metric.as_deref()).ok_or_else(|| {
            let name = args.metric.as_deref().unwrap_or_default();
            let known: Vec<&str> = document.metrics.iter().map(|m| m.name.as_str()).collect();
            let known = crate::cli::style::plain(&known.join(", "));
            let message = format!("--metric `{name}`: it was not judged; name one of: {known}");
            (Exit::Usage, message)
        }),
        ReportFormat::Json => serde_json::to_string_pretty(document)
            .map_err(|fault| (Exit::Internal, format!("the report: {fault}"))),
    }
}
