//! What is drawn of the whole: how fast error budgets burn, the newest interval of each metric on
//! one line, the looks in a row.

use crate::chart::{Cell, Figure, Ink, Interval, Layer, Looks, Point};
use crate::report::plots::{blank, instant, limits};
use crate::report::{figures, words};
use crate::time::Timestamp;
use crate::units::trim_number;
use crate::wire::report::{LookDocument, LookObjectiveDocument, ReportDocument};
use crate::wire::verdict::{MetricDocument, ObjectiveDocument};

/// How fast the canary burns the budget of an objective, against its rungs.
pub(super) fn of_objective(
    report: &ReportDocument,
    idx: usize,
    objective: &ObjectiveDocument,
) -> Figure {
    let said: Vec<(Timestamp, &LookObjectiveDocument)> = report
        .looks
        .iter()
        .filter_map(|look: &LookDocument| {
            let said = look.objectives.iter().find(|o| o.name == objective.name)?;
            Some((instant(&look.covered_to), said))
        })
        .collect();
    let line = |of: &dyn Fn(&LookObjectiveDocument) -> Option<f64>| -> Vec<Point> {
        said.iter()
            .map(|(at, said)| Point {
                at: *at,
                value: of(said),
            })
            .collect()
    };
    let baseline = line(&|said| said.baseline_burn);
    let canary = line(&|said| said.canary_burn);
    let short = line(&|said| said.burn_short.first().copied().flatten());
    let mut figure = blank(
        report,
        format!("o{idx}-burn"),
        format!("{}, burn of the error budget", objective.name),
    );
    figure.description = format!(
        "{} {} {}",
        words::line("Canary since the start", &canary, "×"),
        words::line("Canary, first short window", &short, "×"),
        words::line("Baseline since the start", &baseline, "×")
    );
    "×".clone_into(&mut figure.suffix);
    figure.from_zero = true;
    "no events yet".clone_into(&mut figure.empty);
    for (ink, name, points) in [
        (Ink::Baseline, "baseline", baseline),
        (Ink::Second, "canary, short", short),
        (Ink::Canary, "canary", canary),
    ] {
        figure.layers.push(Layer::Line {
            ink,
            name: name.to_owned(),
            points,
        });
    }
    let mut rungs: Vec<(f64, String)> = objective
        .rungs
        .iter()
        .filter(|rung| rung.state != "unreachable")
        .filter_map(|rung| {
            let burn = rung.burn?;
            Some((burn, format!("{} at {}×", rung.action, trim_number(burn))))
        })
        .collect();
    rungs.sort_by(|l, r| l.0.total_cmp(&r.0));
    let rungs = rungs.into_iter();
    figure
        .layers
        .extend(rungs.map(|(value, name)| Layer::Limit { value, name }));
    figure
}

/// The newest interval of a metric on one line.
pub(super) fn strip(idx: usize, metric: &MetricDocument) -> Interval {
    let scaled = figures::scaled(metric);
    Interval {
        id: format!("m{idx}-strip"),
        description: format!(
            "{}: {}, interval {}, limit {}",
            metric.name,
            figures::effect(metric),
            figures::interval(metric),
            figures::limit(metric)
        ),
        value: scaled.and_then(|scaled| scaled.value),
        low: scaled.and_then(|scaled| scaled.low),
        high: scaled.and_then(|scaled| scaled.high),
        limits: limits(metric),
        label: match metric.label.as_str() {
            "worse" => "worse",
            "within" => "within",
            _ => "undecided",
        },
    }
}

/// The looks in a row, with the failures of the source between them.
pub(super) fn looks(report: &ReportDocument) -> Looks {
    let outcome = |word: &str| match word {
        "fail" => "fail",
        "pass" => "pass",
        "no_data" => "no_data",
        _ => "marginal",
    };
    let mut cells: Vec<Cell> = report
        .looks
        .iter()
        .map(|look| Cell {
            at: instant(&look.covered_to),
            outcome: outcome(&look.outcome),
        })
        .collect();
    let failed = report
        .events
        .iter()
        .filter(|event| event.what == "source_failed");
    let faults = failed.map(|event| Cell {
        at: instant(&event.at),
        outcome: "fault",
    });
    cells.extend(faults);
    cells.sort_by_key(|cell| cell.at);
    let count = |word: &str| {
        report
            .looks
            .iter()
            .filter(|look| look.outcome == word)
            .count()
    };
    let faults = cells.iter().filter(|cell| cell.outcome == "fault").count();
    Looks {
        id: "looks".to_owned(),
        description: format!(
            "{} of {} looks: {} failed, {} without data, {} undecided, {} passed; {faults} \
             failures of the source.",
            report.looks.len(),
            report.looks_planned,
            count("fail"),
            count("no_data"),
            count("marginal"),
            count("pass")
        ),
        from: instant(&report.timing.start),
        to: instant(&report.timing.deadline),
        judged_from: instant(&report.timing.judged_from),
        bake_until: instant(&report.timing.bake_until),
        cells,
    }
}
