//! `haldane report`: what an analysis said, for people: a page, a picture, a comment.

use crate::cli::args::{InconclusiveAs, JudgeArgs, JudgeFormat, ReportArgs, ReportFormat};
use crate::cli::card::Card;
use crate::cli::client::{Client, Fault};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::{judge, markdown};
use crate::http::wire::path_segment;
use crate::report::{details, html, svg};
use crate::wire::report::{REPORT_SCHEMA, ReportDocument};
use std::io::Read as _;
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
        return read(path);
    }
    let Some(id) = &args.id else {
        let judge_args = judge_args(args);
        let judged = judge::judged(&judge_args, output).await?;
        return Ok(judge::report(&judged, &judge_args));
    };
    let client = Client::new(&args.daemon)?;
    let path = format!("v1/analyses/{}/report", path_segment(id));
    client.get(&path).await?.read()
}

/// A document of an earlier `--format json`.
fn read(path: &Path) -> Result<ReportDocument, Fault> {
    let fault = |message: String| {
        let shown = path.display();
        (Exit::Usage, format!("--document {shown}: {message}"))
    };
    let mut text = String::new();
    let opened: std::io::Result<Box<dyn std::io::Read>> = if path == Path::new("-") {
        Ok(Box::new(std::io::stdin()))
    } else {
        std::fs::File::open(path).map(|file| Box::new(file) as Box<dyn std::io::Read>)
    };
    opened
        .and_then(|reader| {
            reader
                .take(DOCUMENT_BYTES_MAX + 1)
                .read_to_string(&mut text)
        })
        .map_err(|cause| fault(cause.to_string()))?;
    if text.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(fault(format!(
            "it has more than {DOCUMENT_BYTES_MAX} bytes; no report is as long"
        )));
    }
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

fn judge_args(args: &ReportArgs) -> JudgeArgs {
    JudgeArgs {
        template: args.template.clone(),
        inputs: args.inputs.clone(),
        baseline: None,
        canary: None,
        prometheus: None,
        config: None,
        start: String::new(),
        end: String::new(),
        csv: args.csv.clone(),
        history: args.history,
        harm: args.harm.clone(),
        min_effect: args.min_effect.clone(),
        output: JudgeFormat::Html,
        explain: false,
        inconclusive_as: InconclusiveAs::Own,
    }
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
