//! The data of metrics, as a test writes it.

use crate::rehearse::pieces::{Pieces, Unit};
use crate::rehearse::read::{misfit, placed, texts, written};
use crate::rehearse::spec::{ArmData, Before, Flow, Line, MetricData};
use crate::template::document::{Node, Value};
use crate::template::fields::{Fields, Reader, shorten};
use crate::template::parse::METRICS_MAX;
use std::collections::BTreeMap;

/// Series of one metric of one arm, replicas counted; more are refused (C013, C008).
pub(super) const LINES_MAX: usize = 200;

/// Bounds of one histogram; more are refused (C013).
pub(super) const BOUNDS_MAX: usize = 200;

/// The widest lognormal distribution; a wider one is refused (C008): half its values would differ
/// from the median by a factor of more than 800.
const SIGMA_MAX: f64 = 10.0;

/// The fields of a metric.
pub(super) const METRIC_FIELDS: &[&str] =
    &["baseline", "canary", "both", "before", "bounds", "csv"];

/// The fields of an arm, and of one series of several.
pub(super) const ARM_FIELDS: &[&str] = &[
    "values", "total", "bad", "median", "sigma", "shares", "labels", "replicas",
];

/// Reads `metrics`.
pub(super) fn metrics(reader: &mut Reader<'_>, node: &Node) -> Vec<(String, MetricData)> {
    let Value::Map(entries) = &node.value else {
        reader.shape(
            node,
            "`metrics`",
            "a map from the template's metrics to data",
        );
        return Vec::new();
    };
    if entries.len() > METRICS_MAX {
        let message = format!("{} metrics, the limit is {METRICS_MAX}", entries.len());
        reader.error("C013", node.place, message, "");
        return Vec::new();
    }
    let read = entries.iter().filter_map(|(name, _, node)| {
        let data = metric(reader, node)?;
        Some((name.clone(), data))
    });
    read.collect()
}

/// What a test says, over what its file says for all.
pub(super) fn merged(usual: MetricData, own: MetricData) -> MetricData {
    if own.none || own.csv.is_some() {
        return own;
    }
    let usual = if usual.csv.is_some() || usual.none {
        MetricData {
            bounds: None,
            baseline: None,
            canary: None,
            csv: None,
            none: false,
            ..usual
        }
    } else {
        usual
    };
    MetricData {
        place: own.place,
        bounds: own.bounds.or(usual.bounds),
        baseline: own.baseline.or(usual.baseline),
        canary: own.canary.or(usual.canary),
        before: match own.before {
            Before::Usual => usual.before,
            other => other,
        },
        csv: None,
        none: false,
    }
}

fn metric(reader: &mut Reader<'_>, node: &Node) -> Option<MetricData> {
    let nothing = MetricData {
        place: node.key.unwrap_or(node.place),
        bounds: None,
        baseline: None,
        canary: None,
        before: Before::Usual,
        csv: None,
        none: false,
    };
    match &node.value {
        Value::Text(text) if text == "none" => Some(MetricData {
            none: true,
            ..nothing
        }),
        Value::Map(_) => described(reader, node, nothing),
        _ => {
            let kind = node.value.kind();
            let message = format!("the data of a metric are {kind}, expected a map");
            let help = "write `{ baseline: …, canary: … }`, `{ both: … }`, `{ csv: FILE }` or \
                        `none`";
            reader.error("C005", node.place, message, help);
            None
        }
    }
}

fn described(reader: &mut Reader<'_>, node: &Node, mut out: MetricData) -> Option<MetricData> {
    if unquoted(reader, node) {
        return None;
    }
    let fields = reader.map(node, "the data of a metric", METRIC_FIELDS)?;
    out.bounds = fields.get("bounds").and_then(|node| bounds(reader, node));
    let both = fields.get("both");
    let alike = both.and_then(|node| arm(reader, node));
    for (name, into) in [("baseline", &mut out.baseline), ("canary", &mut out.canary)] {
        let own = fields.get(name);
        if let (Some(node), true) = (own, both.is_some()) {
            let message = format!("`{name}` beside `both`");
            misfit(
                reader,
                node.key.unwrap_or(node.place),
                message,
                "remove one",
            );
        }
        *into = own
            .and_then(|node| arm(reader, node))
            .or_else(|| alike.clone());
    }
    if let Some(node) = fields.get("before") {
        out.before = before(reader, node);
    }
    if let Some(node) = fields.get("csv") {
        out.csv = written(reader, node, "csv");
        let others = ["baseline", "canary", "both", "before", "bounds"];
        if others.iter().any(|name| fields.get(name).is_some()) {
            let message = "`csv` has both arms, nothing else stands beside it".to_owned();
            misfit(
                reader,
                node.key.unwrap_or(node.place),
                message,
                "remove the rest",
            );
        }
    }
    Some(out)
}

/// Whether a text was cut at its comma, because it stands in braces without quotes: the rest of it
/// has become a field.
fn unquoted(reader: &mut Reader<'_>, node: &Node) -> bool {
    let Value::Map(entries) = &node.value else {
        return false;
    };
    let cut = entries
        .iter()
        .find(|(key, _, node)| matches!(node.value, Value::Null) && Pieces::parse(key).is_ok());
    if let Some((key, place, _)) = cut {
        let message = format!("`{}` after a comma is no field", shorten(key));
        let help = "put quotes around text with a comma in it: '0.2 for 10m, 0.3'";
        misfit(reader, *place, message, help);
    }
    cut.is_some()
}

fn before(reader: &mut Reader<'_>, node: &Node) -> Before {
    match &node.value {
        Value::Text(text) if text == "none" => Before::Nothing,
        Value::Map(entries)
            if entries
                .iter()
                .any(|(key, ..)| key == "baseline" || key == "canary") =>
        {
            let Some(fields) = reader.map(node, "`before`", &["baseline", "canary"]) else {
                return Before::Usual;
            };
            let mut side = |name: &str| arm(reader, fields.get(name)?);
            Before::Arms(side("baseline"), side("canary"))
        }
        _ => {
            let both = arm(reader, node);
            Before::Arms(both.clone(), both)
        }
    }
}

fn bounds(
    reader: &mut Reader<'_>,
    node: &Node,
) -> Option<crate::rehearse::spec::Written<Vec<f64>>> {
    let items = reader.list(Some(node), "bounds", BOUNDS_MAX);
    let read: Vec<Option<f64>> = items
        .iter()
        .map(|node| reader.number(node, "a bound", "a number", |n| n.is_finite().then_some(n)))
        .collect();
    let all: Vec<f64> = read.into_iter().collect::<Option<_>>()?;
    if all.is_empty() || !all.is_sorted_by(|l, r| l < r) {
        let message = "bounds do not rise".to_owned();
        misfit(
            reader,
            node.place,
            message,
            "write them as `[0.1, 0.25, 1]`, without +Inf",
        );
        return None;
    }
    Some(placed(node, all))
}

/// One series, or one each replica or group.
fn arm(reader: &mut Reader<'_>, node: &Node) -> Option<ArmData> {
    let place = node.place;
    let lines: Vec<Line> = match &node.value {
        Value::List(_) => {
            let items = reader.list(Some(node), "series", LINES_MAX);
            let read: Vec<Option<Line>> = items.iter().map(|node| line(reader, node)).collect();
            read.into_iter().collect::<Option<_>>()?
        }
        _ => vec![line(reader, node)?],
    };
    let count: usize = lines
        .iter()
        .map(|line| usize::try_from(line.replicas).unwrap_or(usize::MAX))
        .sum();
    if lines.is_empty() || count > LINES_MAX {
        let message = format!("{count} series, the limits are 1 and {LINES_MAX}");
        reader.error(
            "C008",
            place,
            message,
            "write `_` for an arm without values",
        );
        return None;
    }
    Some(ArmData { place, lines })
}

fn line(reader: &mut Reader<'_>, node: &Node) -> Option<Line> {
    let place = node.place;
    if !matches!(node.value, Value::Map(_)) {
        return Some(Line {
            place,
            labels: BTreeMap::new(),
            replicas: 1,
            flow: Flow::Values(pieces(reader, node, "values")?),
        });
    }
    if unquoted(reader, node) {
        return None;
    }
    let fields = reader.map(node, "an arm", ARM_FIELDS)?;
    let labels = fields
        .get("labels")
        .map_or_else(BTreeMap::new, |node| texts(reader, node, "labels"));
    let most = u32::try_from(LINES_MAX).unwrap_or(u32::MAX);
    let replicas = fields
        .get("replicas")
        .map_or(Some(1), |node| reader.whole(node, "replicas", 1, most))?;
    Some(Line {
        place,
        labels,
        replicas,
        flow: flow(reader, &fields)?,
    })
}

fn flow(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Flow> {
    let given = |names: &[&'static str]| {
        let mut found = names.iter().filter(|name| fields.get(name).is_some());
        found.next().copied()
    };
    let (kind, others): (&str, &[&'static str]) = if fields.get("values").is_some() {
        ("values", &["total", "bad", "median", "sigma", "shares"])
    } else if fields.get("shares").is_some() {
        ("shares", &["bad", "median", "sigma"])
    } else if given(&["median", "sigma"]).is_some() {
        ("median", &["bad"])
    } else {
        ("total", &[])
    };
    if let Some(other) = given(others) {
        let message = format!("`{other}` beside `{kind}`");
        let help = "write `values`, or `total` with `bad`, `median` and `sigma`, or `shares`";
        misfit(reader, fields.place(), message, help);
        return None;
    }
    if kind == "values" {
        let node = fields.get("values")?;
        return Some(Flow::Values(pieces(reader, node, "values")?));
    }
    let help = "write `total: 600/m`, with `bad: 0.2%`, or `values` for a series metric";
    let total = reader.need(fields, "total", help)?;
    let total = counts(reader, total, "total")?;
    match kind {
        "shares" => {
            let shares = shares(reader, fields.get("shares")?)?;
            Some(Flow::Shares { total, shares })
        }
        "median" => {
            let node = reader.need(fields, "median", "write `median: 0.08`")?;
            let median = pieces(reader, node, "median")?;
            if median.range().is_some_and(|(low, _)| low <= 0.0) {
                let message = "a median is not above 0".to_owned();
                misfit(reader, node.place, message, "write `median: 0.08`");
                return None;
            }
            let node = reader.need(fields, "sigma", "write `sigma: 0.5`")?;
            let range = format!("a number above 0, at most {SIGMA_MAX}");
            let sigma = reader.number(node, "sigma", &range, |sigma| {
                (sigma > 0.0 && sigma <= SIGMA_MAX).then_some(sigma)
            })?;
            Some(Flow::Lognormal {
                total,
                median,
                sigma,
            })
        }
        _ => {
            let bad = match fields.get("bad") {
                Some(node) => Some(bad(reader, node)?),
                None => None,
            };
            Some(Flow::Events { total, bad })
        }
    }
}

fn bad(reader: &mut Reader<'_>, node: &Node) -> Option<Pieces> {
    let bad = pieces(reader, node, "bad")?;
    let most = if bad.unit == Unit::Share {
        1.0
    } else {
        f64::INFINITY
    };
    if bad
        .range()
        .is_some_and(|(low, high)| low < 0.0 || high > most)
    {
        let message = "bad events are below 0 or above all of them".to_owned();
        misfit(
            reader,
            node.place,
            message,
            "write a share such as `0.2%`, or a count each step",
        );
        return None;
    }
    Some(bad)
}

/// Events each step, or their rate.
fn counts(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Pieces> {
    let counts = pieces(reader, node, what)?;
    let negative = counts.range().is_some_and(|(low, _)| low < 0.0);
    if negative || counts.unit == Unit::Share {
        let message = format!("`{what}` is no number of events");
        let help = "write a rate such as `600/m`, or a count each step such as `300`";
        misfit(reader, node.place, message, help);
        return None;
    }
    Some(counts)
}

fn shares(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<f64>> {
    /// How far shares may be from 1 together: what rounding to a tenth of a percent makes.
    const OFF_MAX: f64 = 0.01;
    let items = reader.list(Some(node), "shares", BOUNDS_MAX + 1);
    let read: Vec<Option<f64>> = items
        .iter()
        .map(|node| {
            let range = "a share from 0 to 1, such as `20%`";
            reader.share(node, "a share", range, |n| {
                (0.0..=1.0).contains(&n).then_some(n)
            })
        })
        .collect();
    let all: Vec<f64> = read.into_iter().collect::<Option<_>>()?;
    let sum: f64 = all.iter().sum();
    if (sum - 1.0).abs() > OFF_MAX {
        let shown = (sum * 1000.0).round() / 10.0;
        let message = format!("the shares of the buckets are {shown} % together, not 100 %");
        let help = "write one each bucket, and the last for what is above every bound";
        misfit(reader, node.place, message, help);
        return None;
    }
    Some(all.iter().map(|share| share / sum).collect())
}

/// Values over time.
fn pieces(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Pieces> {
    let text = match &node.value {
        Value::Number(number) if number.is_finite() => return Some(Pieces::constant(*number)),
        Value::Text(text) => text,
        _ => {
            let wanted = "a number, or text such as `0.2 ~5% for 10m, 0.3`";
            reader.shape(node, what, wanted);
            return None;
        }
    };
    match Pieces::parse(text) {
        Ok(pieces) => Some(pieces),
        Err(found) => {
            let place = reader.inside(node, text, found.at, found.len);
            let help = format!(
                "`{}`; levels are written `0.2 ~5% for 10m, 0.3 ~5%`, steps `0.2x20 0.3x40`",
                shorten(text)
            );
            reader.error("T002", place, found.message, &help);
            None
        }
    }
}
