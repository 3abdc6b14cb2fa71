//! `haldane judge`: one judgement, from Prometheus or from a file.

use crate::cli::args::{FileArgs, JudgeArgs, JudgeFormat};
use crate::cli::card::Card;
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::style::Style;
use crate::cli::{asked_source, explain, markdown, pair_csv, read, table};
use crate::engine::verdict::Hold;
use crate::http::OneShot;
use crate::judge::windows::Batch;
use crate::plan::once::bind_once;
use crate::plan::rollout::{Deploy, Rollout};
use crate::plan::scope::{Matcher, Scope};
use crate::plan::{Plan, scope};
use crate::serve::clock::Clock;
use crate::serve::source::Source;
use crate::serve::{one_shot, template_files};
use crate::template::baseline::BaselineMode;
use crate::template::default::one_metric;
use crate::template::{History, Template};
use crate::time::{Span, Timestamp};
use crate::units::{Harm, MinEffect};
use crate::wire::report::{CommandDocument, ReportDocument, quoted};
use crate::wire::scope_text;
use crate::wire::verdict::JudgeDocument;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a CSV file; a longer one is refused. Four times what the longest legal one needs with
/// numbers written out in full.
const CSV_BYTES_MAX: u64 = 4 << 20;

/// Runs the command.
pub(crate) async fn run(args: &JudgeArgs, output: &mut Output) -> Exit {
    let judged = judged(args, output).await;
    let done = judged.and_then(|judged| {
        output.data(&text(&judged, args, output.style)?);
        Ok(exit_of(&judged.shot, args))
    });
    crate::cli::ended(done, output)
}

/// A judgement with the samples it was made from.
pub(crate) struct Judged {
    pub(crate) shot: OneShot,
    batch: Batch,
}

/// Judges what the flags say.
async fn judged(args: &JudgeArgs, output: &mut Output) -> Result<Judged, Fault> {
    match &args.file.csv {
        Some(csv) => judged_file(&args.file, csv, output).await,
        None => from_source(args).await,
    }
}

fn document(shot: &OneShot) -> JudgeDocument {
    let verdict = shot.verdict.word();
    let document = JudgeDocument::new(
        &shot.plan,
        &shot.judgement,
        verdict,
        shot.row,
        &shot.sentence,
    );
    document.held(&shot.plan, &shot.judgement, shot.hold.as_ref())
}

/// What a report of the judgement is made from.
pub(crate) fn report(judged: &Judged, args: &FileArgs) -> ReportDocument {
    let Judged { shot, batch } = judged;
    let mut document = document(shot);
    if args.csv.is_some() {
        // A file was never asked: the query of its template would only mislead.
        document
            .metrics
            .iter_mut()
            .for_each(|metric| metric.queries.clear());
    }
    ReportDocument::of_judgement(&shot.plan, &shot.judgement, document, batch, again(args))
}

/// The command that judges the same file again; a source is asked by the command that the report
/// makes itself, with instants instead of lengths of time.
fn again(args: &FileArgs) -> Option<CommandDocument> {
    let file = args.csv.as_ref()?;
    let mut command = format!(
        "haldane judge --csv {}",
        quoted(&file.display().to_string())
    );
    let mut flag = |name: &str, value: &str| {
        let _ = write!(command, " --{name} {}", quoted(value));
    };
    if let Some(template) = &args.template {
        flag("template", &template.display().to_string());
    } else {
        flag("harm", &args.harm);
        flag("min-effect", &args.min_effect);
    }
    for input in &args.inputs {
        flag("input", input);
    }
    if let Some(rows) = args.history {
        flag("history", &rows.to_string());
    }
    command.push_str(" --explain");
    Some(CommandDocument {
        what: "Judge the same file again".to_owned(),
        command,
    })
}

fn text(judged: &Judged, args: &JudgeArgs, style: Style) -> Result<String, Fault> {
    let document = document(&judged.shot);
    let card = Card::of_judgement(&document);
    match args.output {
        JudgeFormat::Html => Ok(crate::report::html(&report(judged, &args.file))),
        JudgeFormat::Svg => {
            Ok(crate::report::svg(&report(judged, &args.file), None).unwrap_or_default())
        }
        JudgeFormat::Json => serde_json::to_string_pretty(&document)
            .map_err(|fault| (Exit::Internal, format!("the judgement: {fault}"))),
        JudgeFormat::Markdown => Ok(markdown::whole(&card)),
        JudgeFormat::Table => {
            let mut out = table::whole(&card, style);
            if args.explain {
                // A file was never asked: the query of its template would only mislead.
                out.push_str(&explain::whole(&card, args.file.csv.is_none(), style));
            }
            Ok(out)
        }
    }
}

fn exit_of(shot: &OneShot, args: &JudgeArgs) -> Exit {
    let hold = shot.hold.as_ref().map(Hold::word);
    let has_data = shot.judgement.score.is_some();
    Exit::concluded(shot.verdict, hold, has_data, args.inconclusive_as.exit())
}

/// Judges a file. Reading and judging a long one takes a while, and stdin may take for ever:
/// neither may keep Ctrl-C waiting.
pub(crate) async fn judged_file(
    args: &FileArgs,
    csv: &Path,
    output: &mut Output,
) -> Result<Judged, Fault> {
    let (args, csv) = (args.clone(), csv.to_owned());
    let judged = tokio::task::spawn_blocking(move || judge_csv(&args, &csv)).await;
    let (judged, note) = judged.map_err(|fault| (Exit::Internal, fault.to_string()))??;
    if let Some(note) = note {
        output.note(note);
    }
    Ok(judged)
}

/// The judgement of a file, and what to say about the file.
fn judge_csv(args: &FileArgs, file: &Path) -> Result<(Judged, Option<&'static str>), Fault> {
    let shown = if file == Path::new("-") {
        "stdin".to_owned()
    } else {
        file.display().to_string()
    };
    let usage = |message: String| (Exit::Usage, format!("--csv {shown}: {message}"));
    let bytes = read::bytes(file, CSV_BYTES_MAX, "judge a shorter window").map_err(usage)?;
    let pair = pair_csv::read(&bytes).map_err(usage)?;
    let mut grid = pair.gridded().map_err(usage)?;
    if let Some(rows) = args.history {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        grid = grid.with_history(rows).map_err(usage)?;
    }
    let note = grid.irregular.then_some(
        "note: the timestamps are not on one step; rows are taken as samples in their order",
    );
    let mut template = match &args.template {
        Some(path) => read_template(path)?,
        None => one_metric(harm(args), min_effect(args)?, grid.step),
    };
    template.schedule.step = grid.step;
    // What a file has of the past is what was said of it, whatever the template would ask for.
    template.history = args.history.map(|_| History {
        lookback: step_times(&grid, grid.past),
        offset: template.history.is_none_or(|history| history.offset),
    });
    let arm = |name: &str| {
        Matcher::equals(pair_csv::ARM_LABEL, name)
            .and_then(|matcher| Scope::new(vec![matcher]))
            .expect("`arm` is a legal label")
    };
    let rollout = Rollout {
        deploy: Deploy {
            service: shown.clone(),
            ..Deploy::default()
        },
        inputs: inputs(&args.inputs)?,
        baseline: arm("baseline"),
        canary: arm("canary"),
        start: grid.start,
        duration: None,
    };
    // A file too short for the template's least evidence is no fault of the template: the window
    // is made long enough to hold it, stays empty there, and the finding says what is missing.
    let need = template
        .metrics
        .iter()
        .map(|metric| metric.evidence.samples)
        .max()
        .unwrap_or(0);
    let warmup = template.schedule.warmup;
    let need = i64::try_from(need).unwrap_or(i64::MAX).saturating_add(1);
    let step = template.schedule.step.span();
    let length = step_times(&grid, grid.len.saturating_sub(1));
    let length = length.max(step.times(need).plus(warmup));
    let plan = bound(&template, rollout, length)?;
    let batch = pair.batch(&plan, &grid).map_err(usage)?;
    Ok((judge_batch(plan, batch)?, note))
}

fn step_times(grid: &pair_csv::Gridded, points: usize) -> Span {
    let points = i64::try_from(points).unwrap_or(i64::MAX);
    grid.step.span().times(points)
}

async fn from_source(args: &JudgeArgs) -> Result<Judged, Fault> {
    let Some(path) = &args.file.template else {
        let message = "-t TEMPLATE is missing; only --csv can do without one".to_owned();
        return Err((Exit::Usage, message));
    };
    let template = read_template(path)?;
    let now = Clock::system().now();
    let (start, end) = (
        instant("start", &args.start, now)?,
        instant("end", &args.end, now)?,
    );
    if end <= start {
        return Err((
            Exit::Usage,
            format!("--end {end} is not after --start {start}"),
        ));
    }
    let inputs = inputs(&args.file.inputs)?;
    let service = inputs.get("service").cloned().unwrap_or_default();
    let rollout = Rollout {
        deploy: Deploy {
            service,
            ..Deploy::default()
        },
        inputs,
        baseline: baseline_scope(&template, args.baseline.as_deref(), args.canary.as_deref())?,
        canary: arm_scope("canary", args.canary.as_deref())?,
        start,
        duration: None,
    };
    let plan = Arc::new(bound(&template, rollout, end.since(start))?);
    let source = asked_source::open(args.prometheus.as_deref(), args.config.as_deref())?;
    judge_source(plan, &source).await
}

async fn judge_source(plan: Arc<Plan>, source: &Source) -> Result<Judged, Fault> {
    let batch = one_shot::fetch(&plan, source).await.map_err(|fault| {
        // A query the server refuses is a fault of the template, not of the server.
        let exit = if fault.transient {
            Exit::Unavailable
        } else {
            Exit::Usage
        };
        (exit, fault.message)
    })?;
    judge_batch(plan, batch)
}

/// Judges; a failure of the judge itself is one that no input should bring about.
fn judge_batch(plan: impl Into<Arc<Plan>>, batch: Batch) -> Result<Judged, Fault> {
    let shot = one_shot::judge_batch(plan.into(), &batch)
        .map_err(|message| (Exit::Internal, format!("{message}; this is a bug")))?;
    Ok(Judged { shot, batch })
}

/// The plan of one judgement of a window of this length.
pub(crate) fn bound(template: &Template, rollout: Rollout, duration: Span) -> Result<Plan, Fault> {
    let rollout = Rollout {
        duration: Some(duration),
        ..rollout
    };
    bind_once(template, &rollout).map_err(|diagnostics| {
        let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        (Exit::Usage, lines.join("\n       "))
    })
}

/// Reads and parses a template file; the message carries every diagnostic with its source line.
pub(crate) fn read_template(path: &Path) -> Result<Template, Fault> {
    template_files::read(path).map_err(|why| (Exit::Usage, why))
}

/// `name=value` pairs.
pub(crate) fn inputs(written: &[String]) -> Result<BTreeMap<String, String>, Fault> {
    written
        .iter()
        .map(|pair| {
            pair.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .ok_or_else(|| (Exit::Usage, format!("--input `{pair}`: write name=value")))
        })
        .collect()
}

/// The scope of one arm, from a flag.
pub(crate) fn arm_scope(arm: &str, text: Option<&str>) -> Result<scope::Scope, Fault> {
    let text = text.ok_or_else(|| {
        let way_out = format!("give the matchers that select its series: --{arm} 'track=\"…\"'");
        (Exit::Usage, format!("--{arm} is missing; {way_out}"))
    })?;
    scope_text::parse(text).map_err(|fault| (Exit::Usage, format!("--{arm} `{text}`: {fault}")))
}

/// The scope of the baseline: the canary's, when none is given and the template compares with
/// another time.
pub(crate) fn baseline_scope(
    template: &Template,
    baseline: Option<&str>,
    canary: Option<&str>,
) -> Result<scope::Scope, Fault> {
    match baseline {
        None if template.baseline != BaselineMode::Concurrent => arm_scope("canary", canary),
        given => arm_scope("baseline", given),
    }
}

/// The instant of a flag.
pub(crate) fn instant(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    parse_instant(text, now).ok_or_else(|| {
        let message = format!(
            "--{flag} `{text}` is no instant; write 2026-03-01T12:00:00Z, seconds since the epoch, \
             now, or -30m"
        );
        (Exit::Usage, message)
    })
}

/// RFC 3339, seconds, `now`, or an offset from now such as `-30m`.
pub(crate) fn parse_instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    if let Some(back) = text.strip_prefix('-').and_then(Span::parse) {
        return Some(now.minus(back));
    }
    Timestamp::parse(text)
}

fn harm(args: &FileArgs) -> Harm {
    Harm::from_word(&args.harm).unwrap_or(Harm::Increase)
}

/// `10%`, `0.1` (a share of the baseline), or `abs:0.02` (in the metric's unit).
fn min_effect(args: &FileArgs) -> Result<MinEffect, Fault> {
    let text = args.min_effect.trim();
    let parsed = if let Some(value) = text.strip_prefix("abs:") {
        value.parse().ok().and_then(MinEffect::absolute)
    } else if let Some(percent) = text.strip_suffix('%') {
        percent
            .trim()
            .parse::<f64>()
            .ok()
            .and_then(|p| MinEffect::relative(p / 100.0))
    } else {
        text.parse().ok().and_then(MinEffect::relative)
    };
    parsed.ok_or_else(|| {
        let message =
            format!("--min-effect `{text}` is no effect of 0 or more; write 10%, 0.1, or abs:0.02");
        (Exit::Usage, message)
    })
}
