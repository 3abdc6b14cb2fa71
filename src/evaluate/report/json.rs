//! A report for programs: every count with its interval, nothing rounded.

use crate::evaluate::labelled::Score;
use crate::evaluate::report::Report;
use crate::evaluate::roc::{Curve, Point};
use crate::evaluate::share::Share;
use crate::evaluate::simulated::SimulatedRow;
use serde_json::{Map, Value, json};

pub(super) fn of(report: &Report) -> Value {
    let settings: Map<String, Value> = report
        .settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    json!({
        "version": 1,
        "settings": settings,
        "alpha": report.alpha,
        "judges": report.judges,
        "generators": report.simulated.iter().map(simulated).collect::<Vec<_>>(),
        "pairs": report.pairs.iter().map(pairs).collect::<Vec<_>>(),
        "roc": report.curves.iter().map(curve).collect::<Vec<_>>(),
    })
}

fn share(share: &Share) -> Value {
    json!({
        "count": share.count,
        "of": share.of,
        "share": share.value(),
        "low": share.low,
        "high": share.high,
    })
}

fn simulated(row: &SimulatedRow) -> Value {
    let healthy = row.strength == 0.0;
    json!({
        "generator": row.generator,
        "family": row.family.word(),
        "excluded": row.excluded,
        "judge": row.judge,
        "strength": row.strength,
        "false_rollback": healthy.then(|| share(&row.rolled_back)),
        "detected": (!healthy).then(|| share(&row.rolled_back)),
        "before_onset": (!healthy).then(|| share(&row.before_onset)),
        "median_minutes": row.median_min,
        "promoted": share(&row.promoted),
        "promoted_without_data": row.without_data.then(|| share(&row.promoted)),
    })
}

fn pairs(score: &Score) -> Value {
    let lines: Vec<Value> = score
        .lines
        .iter()
        .map(|line| json!({ "of": line.name, "share": share(&line.share) }))
        .collect();
    json!({
        "judge": score.judge,
        "lines": lines,
        "delay": score.delay.map(|delay| json!({
            "median_samples": delay.median,
            "median_seconds": delay.median_s,
            "p90_samples": delay.p90,
        })),
    })
}

fn curve(curve: &Curve) -> Value {
    let point = |point: &Point| {
        json!({
            "target": point.target,
            "knob": point.at.map(|(value, _)| value),
            "false_rollback": point.at.map(|(_, rates)| rates.false_rollback),
            "detected": point.at.map(|(_, rates)| rates.detected),
            "before_onset": point.at.map(|(_, rates)| rates.before_onset),
            "median": point.at.and_then(|(_, rates)| rates.median),
        })
    };
    json!({
        "judge": curve.judge,
        "knob": curve.knob,
        "of": curve.of,
        "points": curve.points.iter().map(point).collect::<Vec<_>>(),
    })
}
