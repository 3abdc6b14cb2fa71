//! The figures of a metric: values of both arms, the difference with its interval and limit, and
//! evidence against what it has to reach.

use crate::chart::{Figure, Ink, Layer, Point, Range};
use crate::report::figures::{self, with_unit};
use crate::report::{series_of, spoken, words};
use crate::time::{Span, Timestamp};
use crate::wire::report::{LookMetricDocument, ReportDocument, SeriesDocument};
use crate::wire::verdict::{EvidenceDocument, LimitDocument, MetricDocument};

/// Evidence is drawn up to this, in per cent of what it has to reach.
const EVIDENCE_DRAWN_MAX: f64 = 250.0;

/// The middle nine tenths of the baseline's values are shown as where it usually is.
const USUAL: (f64, f64) = (0.05, 0.95);

pub(super) fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or(Timestamp::from_ms(0))
}

/// From the start to what was judged last, or read last.
fn window(report: &ReportDocument) -> (Timestamp, Timestamp) {
    let start = instant(&report.timing.start);
    let judged = report.timing.covered_to.as_deref().map(instant);
    let read = report.series.iter().filter_map(|series| {
        let last = series
            .baseline
            .len()
            .max(series.canary.len())
            .checked_sub(1)?;
        Some(at(series, last))
    });
    let end = read.chain(judged).max().unwrap_or(start);
    (start, end.min(instant(&report.timing.deadline)).max(start))
}

fn at(series: &SeriesDocument, idx: usize) -> Timestamp {
    let steps = i64::try_from(idx).unwrap_or(i64::MAX);
    instant(&series.start).plus(Span::from_ms(series.step_ms).times(steps))
}

/// Everything drawn of one metric: values, difference, and evidence if there ever was any.
pub(super) fn of_metric(
    report: &ReportDocument,
    idx: usize,
    metric: &MetricDocument,
) -> Vec<Figure> {
    let said: Vec<(Timestamp, &LookMetricDocument)> = report
        .looks
        .iter()
        .filter_map(|look| {
            let said = look.metrics.iter().find(|said| said.name == metric.name)?;
            Some((instant(&look.covered_to), said))
        })
        .collect();
    let mut out = vec![
        values(report, idx, metric),
        effect(report, idx, metric, &said),
    ];
    if said.iter().any(|(_, said)| said.evidence.is_some()) {
        out.push(evidence(report, idx, metric, &said));
    }
    out
}

fn shade(report: &ReportDocument) -> Option<Layer> {
    let (from, to) = (
        instant(&report.timing.start),
        instant(&report.timing.judged_from),
    );
    (to > from).then(|| Layer::Shade {
        from,
        to,
        name: "not judged".to_owned(),
    })
}

pub(super) fn blank(report: &ReportDocument, id: String, title: String) -> Figure {
    let (from, to) = window(report);
    Figure {
        id,
        title,
        description: String::new(),
        from,
        to,
        suffix: String::new(),
        least: 0.0,
        from_zero: false,
        layers: shade(report).into_iter().collect(),
        empty: "nothing to draw yet".to_owned(),
    }
}

fn values(report: &ReportDocument, idx: usize, metric: &MetricDocument) -> Figure {
    let series = series_of(report, &metric.name);
    let (kind, unit) = match series.map_or("values", |series| series.kind.as_str()) {
        "ratio" => ("bad events", "%"),
        "median" => ("median", metric.unit.as_str()),
        _ => ("values", metric.unit.as_str()),
    };
    let factor = if kind == "bad events" { 100.0 } else { 1.0 };
    let points = |arm: fn(&SeriesDocument) -> &[Option<f64>]| -> Vec<Point> {
        let Some(series) = series else {
            return Vec::new();
        };
        let each = arm(series).iter().enumerate();
        each.map(|(idx, value)| Point {
            at: at(series, idx),
            value: value.map(|value| value * factor),
        })
        .collect()
    };
    let baseline = points(|series| &series.baseline);
    let canary = points(|series| &series.canary);
    let title = format!(
        "{}, {}",
        metric.name,
        with_unit(kind, unit_note(unit).as_str())
    );
    let mut figure = blank(
        report,
        format!("m{idx}-values"),
        title.trim_end().to_owned(),
    );
    figure.description = format!(
        "{} {}",
        words::line("Baseline", &baseline, unit),
        words::line("Canary", &canary, unit)
    );
    figure.suffix = suffix(unit);
    figure.least = 2.0 * limit_in_unit(metric) * factor;
    figure.from_zero = starts_at_zero(&baseline, &canary);
    figure.empty = metric
        .no_data
        .clone()
        .unwrap_or_else(|| "no data".to_owned());
    figure.empty = shortened(&figure.empty);
    figure.layers.extend(usual(&baseline, &figure));
    figure.layers.push(Layer::Line {
        ink: Ink::Baseline,
        name: "baseline".to_owned(),
        points: baseline,
    });
    figure.layers.push(Layer::Line {
        ink: Ink::Canary,
        name: "canary".to_owned(),
        points: canary,
    });
    figure
}

fn unit_note(unit: &str) -> String {
    if unit.is_empty() {
        String::new()
    } else {
        format!("({unit})")
    }
}

/// Only a percent sign is short enough to stand behind every tick.
fn suffix(unit: &str) -> String {
    if unit == "%" { " %" } else { "" }.to_owned()
}

fn shortened(text: &str) -> String {
    const LETTERS: usize = 48;
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    let kept: String = text.chars().take(LETTERS - 1).collect();
    format!("{}…", kept.trim_end())
}

/// The limit in the unit of the values.
fn limit_in_unit(metric: &MetricDocument) -> f64 {
    match metric.limit {
        LimitDocument::Relative(share) => share * metric.baseline.level.unwrap_or(0.0).abs(),
        LimitDocument::Absolute(value) => value,
    }
}

/// Values that come near zero are shown from zero, so that a doubling looks like one.
fn starts_at_zero(baseline: &[Point], canary: &[Point]) -> bool {
    let values = || {
        let both = baseline.iter().chain(canary);
        both.filter_map(|point| point.value)
            .filter(|value| value.is_finite())
    };
    let least = values().fold(f64::INFINITY, f64::min);
    let most = values().fold(f64::NEG_INFINITY, f64::max);
    least >= 0.0 && least <= 0.5 * most
}

/// Where the baseline usually is.
fn usual(baseline: &[Point], figure: &Figure) -> Option<Layer> {
    /// Fewer values have no tails to leave out.
    const VALUES_LEAST: usize = 20;
    let mut values: Vec<f64> = baseline
        .iter()
        .filter_map(|point| point.value)
        .filter(|value| value.is_finite())
        .collect();
    if values.len() < VALUES_LEAST {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let wanted = share * (values.len() - 1) as f64;
        let idx = (0..values.len()).find(|idx| *idx as f64 >= wanted);
        values.get(idx.unwrap_or(0)).copied()
    };
    let (low, high) = (quantile(USUAL.0)?, quantile(USUAL.1)?);
    let range = |at| Some(Range { at, low, high });
    Some(Layer::Band {
        ink: Ink::Baseline,
        name: "baseline 5–95 %".to_owned(),
        ranges: vec![range(figure.from), range(figure.to)],
    })
}

/// An earlier look's numbers on the scale of the newest, so that the axis has one unit.
fn at_look(metric: &MetricDocument, said: &LookMetricDocument) -> Option<figures::Scaled> {
    let effect = said.effect.as_ref()?;
    let relative = metric.effect.as_ref().is_none_or(|e| e.relative.is_some());
    if matches!(metric.limit, LimitDocument::Relative(_)) && relative {
        effect.relative.as_ref()?;
    }
    let as_then = MetricDocument {
        effect: said.effect.clone(),
        ..metric.clone()
    };
    figures::scaled(&as_then)
}

/// The limits on the scale of the effect, one or two; none when effect and limit differ in scale.
pub(super) fn limits(metric: &MetricDocument) -> Vec<f64> {
    let relative = matches!(metric.limit, LimitDocument::Relative(_));
    let comparable = !relative || figures::unit(metric) == "%";
    if !comparable {
        return Vec::new();
    }
    let size = figures::limit_size(metric);
    match metric.harm.as_str() {
        "increase" => vec![size],
        "decrease" => vec![-size],
        _ => vec![size, -size],
    }
}

fn effect(
    report: &ReportDocument,
    idx: usize,
    metric: &MetricDocument,
    said: &[(Timestamp, &LookMetricDocument)],
) -> Figure {
    let unit = figures::unit(metric);
    let mut figure = blank(
        report,
        format!("m{idx}-difference"),
        format!("Canary against baseline {}", unit_note(unit))
            .trim_end()
            .to_owned(),
    );
    let scaled: Vec<(Timestamp, Option<figures::Scaled>)> = said
        .iter()
        .map(|(at, said)| (*at, at_look(metric, said)))
        .collect();
    let points = scaled.iter().map(|(at, scaled)| Point {
        at: *at,
        value: scaled.and_then(|scaled| scaled.value),
    });
    let range = |(at, scaled): &(Timestamp, Option<figures::Scaled>)| {
        scaled.map(|scaled| Range {
            at: *at,
            low: scaled.low.unwrap_or(f64::NEG_INFINITY),
            high: scaled.high.unwrap_or(f64::INFINITY),
        })
    };
    let newest = scaled.iter().rev().find_map(|(_, scaled)| *scaled);
    let limits = limits(metric);
    let limit = limits.iter().map(|limit| {
        let text = with_unit(&figures::signed(*limit), unit);
        (*limit, format!("limit {text}"))
    });
    figure.description = match newest.and_then(|scaled| Some((scaled.value?, scaled))) {
        Some((value, scaled)) => format!(
            "{} The limit is {}.",
            words::difference(value, scaled.low, scaled.high, unit),
            figures::limit(metric)
        ),
        None => format!(
            "There is no difference to show. The limit is {}.",
            figures::limit(metric)
        ),
    };
    figure.suffix = suffix(unit);
    "no difference is known yet".clone_into(&mut figure.empty);
    figure.layers.push(Layer::Band {
        ink: Ink::Canary,
        name: "interval".to_owned(),
        ranges: scaled.iter().map(range).collect(),
    });
    figure.layers.push(Layer::Zero);
    figure.layers.push(Layer::Line {
        ink: Ink::Canary,
        name: "difference".to_owned(),
        points: points.collect(),
    });
    let limit = limit.map(|(value, name)| Layer::Limit { value, name });
    figure.layers.extend(limit);
    figure
}

/// How far evidence is on the way to what it has to reach, in per cent: ln p over ln of the level.
fn progress(p: Option<f64>, level: Option<f64>) -> Option<f64> {
    let (p, level) = (p?, level?);
    let decides = level > 0.0 && level < 1.0 && p >= 0.0;
    decides.then(|| {
        let share = libm::log(p.max(f64::MIN_POSITIVE)) / libm::log(level);
        (100.0 * share).clamp(0.0, EVIDENCE_DRAWN_MAX)
    })
}

fn evidence(
    report: &ReportDocument,
    idx: usize,
    metric: &MetricDocument,
    said: &[(Timestamp, &LookMetricDocument)],
) -> Figure {
    let mut figure = blank(
        report,
        format!("m{idx}-evidence"),
        "Evidence, share of what it has to reach".to_owned(),
    );
    let line = |of: fn(&EvidenceDocument) -> Option<f64>| -> Vec<Point> {
        said.iter()
            .map(|(at, said)| Point {
                at: *at,
                value: said.evidence.as_ref().and_then(of),
            })
            .collect()
    };
    let worse = line(|e| progress(e.p_harm, e.alpha));
    let within = line(|e| progress(e.p_safe, e.beta));
    figure.description = format!(
        "{} {} At 100 % it is shown; more than {EVIDENCE_DRAWN_MAX} % is drawn as that. {} is {} \
         now.",
        words::line("Worse than the limit", &worse, "%"),
        words::line("Within the limit", &within, "%"),
        metric.name,
        spoken(&metric.label)
    );
    " %".clone_into(&mut figure.suffix);
    figure.from_zero = true;
    figure.layers.push(Layer::Line {
        ink: Ink::Safe,
        name: "within".to_owned(),
        points: within,
    });
    figure.layers.push(Layer::Line {
        ink: Ink::Harm,
        name: "worse".to_owned(),
        points: worse,
    });
    figure.layers.push(Layer::Limit {
        value: 100.0,
        name: "shown".to_owned(),
    });
    figure
}
