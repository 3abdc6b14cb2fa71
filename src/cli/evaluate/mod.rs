//! `haldane evaluate`: judges over generators and labelled pairs, side by side.

mod flags;

pub use crate::cli::evaluate::flags::EvaluateArgs;

use crate::cli::args::Format;
use crate::cli::client::Fault;
use crate::cli::evaluate::flags::{Asked, usage};
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::working;
use crate::evaluate::judges::Judge;
use crate::evaluate::labelled::Labelled;
use crate::evaluate::report::Report;
use crate::evaluate::roc;
use crate::evaluate::simulated::Simulation;
use crate::evaluate::trial::Path as Said;
use crate::evaluate::work::{Progress, Workers};
use crate::units::trim_number;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Runs the command.
pub(crate) async fn run(args: EvaluateArgs, output: &mut Output) -> Exit {
    let format = args.output;
    let report = working::shown(output, move |progress| evaluate(&args, progress)).await;
    let done = report.map(|report| {
        output.data(&match format {
            Format::Table => report.text(),
            Format::Json => report.json(),
            Format::Markdown => report.markdown(),
        });
        Exit::Clean
    });
    crate::cli::ended(done, output)
}

fn evaluate(args: &EvaluateArgs, progress: &Progress) -> Result<Report, Fault> {
    let asked = Asked::of(args)?;
    let jobs = working::threads(args.jobs);
    let workers = Workers::new(jobs, progress).map_err(|why| (Exit::Internal, why))?;
    let mut report = Report {
        alpha: asked.alpha,
        judges: asked.judges.iter().map(|j| j.name().to_owned()).collect(),
        settings: vec![
            ("alpha", format!("{} %", trim_number(asked.alpha * 100.0))),
            ("minimum effect", asked.limits.text()),
        ],
        ..Report::default()
    };
    // Everything that can be wrong with the question is said before hours of work begin.
    let simulation = asked.simulation()?;
    let labelled = asked.labelled()?;
    if let Some(simulation) = simulation {
        report
            .settings
            .extend(simulation_settings(args, &simulation));
        report.simulated = simulation.run(&workers).map_err(usage)?;
        if args.roc {
            report
                .curves
                .extend(roc::of_generators(&simulation, &workers).map_err(usage)?);
        }
    }
    if let Some(labelled) = labelled {
        over_pairs(&asked, &labelled, &workers, &mut report)?;
    }
    Ok(report)
}

fn over_pairs(
    asked: &Asked<'_>,
    labelled: &Labelled,
    workers: &Workers<'_>,
    report: &mut Report,
) -> Result<(), Fault> {
    let looks = labelled.schedule.text();
    report
        .settings
        .push(("pairs", format!("{}, {looks}", labelled.pairs.len())));
    workers.expect(labelled.pairs.len() * asked.judges.len());
    for judge in &asked.judges {
        let paths = labelled.paths(judge, None, workers).map_err(usage)?;
        if let Some(file) = &asked.args.verdicts {
            let file = verdict_file(file, judge, asked.judges.len());
            write_verdicts(&file, labelled, &paths)?;
        }
        report.pairs.push(labelled.score(judge, &paths));
    }
    if asked.args.roc {
        let curves = roc::of_pairs(labelled, &asked.judges, workers).map_err(usage)?;
        report.curves.extend(curves);
    }
    Ok(())
}

fn simulation_settings(
    args: &EvaluateArgs,
    simulation: &Simulation,
) -> Vec<(&'static str, String)> {
    let minutes = |name, value: f64| (name, format!("{} min", trim_number(value)));
    let mut out = vec![
        (
            "trials",
            format!(
                "{} of {} metric(s), {} min every {}, {}, seed {}",
                args.runs,
                args.metrics,
                trim_number(args.minutes),
                simulation.step,
                simulation.schedule.text(),
                args.seed
            ),
        ),
        minutes("onset", args.onset),
    ];
    out.extend(args.bake.map(|bake| minutes("no promote before", bake)));
    if args.history > 0.0 {
        out.push(minutes("history", args.history));
    }
    out
}

/// The file of one judge: the name as given, or with the judge's name before its extension.
fn verdict_file(file: &Path, judge: &Judge, judges: usize) -> PathBuf {
    if judges == 1 {
        return file.to_owned();
    }
    let extension = file
        .extension()
        .map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    let stem = file
        .file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    file.with_file_name(format!("{stem}.{}{extension}", judge.name()))
}

fn write_verdicts(file: &Path, labelled: &Labelled, paths: &[Said]) -> Result<(), Fault> {
    let mut text = String::new();
    for (pair, path) in labelled.pairs.iter().zip(paths) {
        for (seen, said) in &path.looks {
            let line = serde_json::json!({
                "id": pair.case.id,
                "n_seen": seen,
                "verdict": said.word(),
            });
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
    }
    std::fs::write(file, text).map_err(|fault| usage(format!("{}: {fault}", file.display())))
}
