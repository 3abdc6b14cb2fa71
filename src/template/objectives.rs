//! Reads `spec.objectives` and `spec.traffic`, the parts that refer to metrics.

use crate::diagnostic::closest;
use crate::ids::{MetricName, ObjectiveName};
use crate::slo::objective::{Objective, Rung, RungAction};
use crate::template::document::Node;
use crate::template::fields::{Fields, Reader};
use crate::template::metrics::unique;
use crate::template::schema::written;
use crate::template::{Measure, MetricSpec, ObjectiveSpec, TrafficSpec};
use crate::template::{default, extends};
use crate::time::Span;
use crate::units::{BurnRate, Probability};

/// The most objectives of a template; more are refused (C013). More than three is already a
/// warning: each takes a share of the error budget.
pub const OBJECTIVES_MAX: usize = 20;

/// The most rungs of an objective; more are refused (C013). The workbook's table has four.
pub const RUNGS_MAX: usize = 8;

/// The longest period or burn window; a longer one is refused (C010).
const PERIOD_MAX: Span = Span::from_s(366 * 86_400);

/// The most bad events `min_bad_events` may ask for; more is refused (C008).
const BAD_EVENTS_MAX: u32 = 1_000_000;

/// The largest traffic factor; a larger one is refused (C008), for the check could not fail.
const TOLERANCE_FACTOR_MAX: f64 = 1000.0;

pub(super) const ACTIONS: [(&str, RungAction); 2] = [
    ("rollback", RungAction::Rollback),
    ("hold", RungAction::Hold),
];

/// Every objective that could be read. `metrics` are those that could be read; `all_known` says
/// that these are all there are, so a name not among them is wrong.
pub(super) fn read(
    reader: &mut Reader<'_>,
    node: Option<&Node>,
    metrics: &[MetricSpec],
    all_known: bool,
) -> Vec<ObjectiveSpec> {
    let mut seen = Vec::new();
    let mut out = Vec::new();
    for item in reader.list(node, "objectives", OBJECTIVES_MAX) {
        let Some(fields) = reader.map(item, "an objective", written::Objective::FIELDS) else {
            continue;
        };
        if let Some(node) = fields.get("remove") {
            extends::nothing_removed(reader, node, "objective");
            continue;
        }
        let known = all_known.then_some(metrics);
        if let Some(spec) = read_one(reader, &fields, known) {
            let place = spec.place.unwrap_or(fields.place());
            unique(reader, "objective", &spec.name, place, &mut seen);
            out.push(spec);
        }
    }
    out
}

fn read_one(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    metrics: Option<&[MetricSpec]>,
) -> Option<ObjectiveSpec> {
    let name = reader.need(fields, "name", "give it a name");
    let place = name.map_or(fields.place(), |node| node.place);
    let name = name.and_then(|node| reader.name(node, "an objective's name", ObjectiveName::new));
    let metric = reader.need(fields, "metric", "name the metric that supplies the events");
    let metric = metric.and_then(|node| {
        let counts = |measure: &Measure| match measure {
            Measure::Series { .. } => false,
            Measure::Events { .. } => true,
            // Without a threshold nothing is good or bad.
            Measure::Distribution { threshold, .. } => threshold.is_some(),
        };
        let wanted = "an `events` metric or a `distribution` with a `threshold`";
        read_metric(reader, node, metrics, counts, wanted)
    });
    let target = reader.need(
        fields,
        "objective",
        "the promised share of good events, `99.9%`",
    );
    let target = target.and_then(|node| {
        let range = "a share above 0 and below 100 %: 100 % leaves no error budget";
        reader.share(node, "`objective`", range, |value| {
            Probability::new(value).filter(|share| share.get() > 0.0 && share.get() < 1.0)
        })
    });
    let second = Span::from_s(1);
    let period = fields.get("period").map_or(Some(default::PERIOD), |node| {
        reader.span(node, "`period`", second, PERIOD_MAX)
    });
    let bad = fields.get("min_bad_events");
    let bad = bad.map_or(Some(default::MIN_BAD_EVENTS), |node| {
        let count = reader.whole(node, "`min_bad_events`", 1, BAD_EVENTS_MAX)?;
        Some(u64::from(count))
    });
    let rungs = match fields.get("rungs") {
        None => Some(default::rungs()),
        Some(node) => {
            let items = reader.list(Some(node), "rungs", RUNGS_MAX);
            let read: Vec<_> = items.iter().map(|item| read_rung(reader, item)).collect();
            read.into_iter().collect()
        }
    };
    Some(ObjectiveSpec {
        name: name?,
        metric: metric?,
        objective: Objective::new(target?, period?, rungs?, bad?)?,
        place: Some(place),
    })
}

fn read_rung(reader: &mut Reader<'_>, node: &Node) -> Option<Rung> {
    let fields = reader.map(node, "a rung", written::Rung::FIELDS)?;
    let burn = reader.need(&fields, "burn", "the burn rate above which it fires");
    let burn =
        burn.and_then(|node| reader.number(node, "`burn`", "a number above 0", BurnRate::new));
    let mut window = |name: &str, help: &str| {
        let node = reader.need(&fields, name, help)?;
        let what = format!("`{name}`");
        let span = reader.span(node, &what, Span::from_s(1), PERIOD_MAX)?;
        Some((node, span))
    };
    let long = window("long", "how much budget must have gone, such as `1h`");
    let short = window("short", "is it still going on, such as `5m`");
    if let (Some((_, long)), Some((node, short))) = (long, short)
        && short > long
    {
        let message = format!("`short` {short} is longer than `long` {long}");
        reader.error("C010", node.place, message, "swap them");
    }
    let action = reader.need(&fields, "action", "`rollback` or `hold`");
    let action = action.and_then(|node| reader.word(node, "action", &ACTIONS));
    Some(Rung {
        burn: burn?,
        long: long?.1,
        short: short?.1,
        action: action?,
    })
}

/// The traffic check, if there is one.
pub(super) fn read_traffic(
    reader: &mut Reader<'_>,
    node: &Node,
    metrics: &[MetricSpec],
    all_known: bool,
) -> Option<TrafficSpec> {
    let fields = reader.map(node, "`traffic`", written::Traffic::FIELDS)?;
    let metric = reader.need(
        &fields,
        "metric",
        "name the metric whose totals are the traffic",
    );
    let metric = metric.and_then(|node| {
        let counts = |measure: &Measure| matches!(measure, Measure::Events { .. });
        let known = all_known.then_some(metrics);
        read_metric(reader, node, known, counts, "an `events` metric")
    });
    let factor = fields.get("tolerance");
    let factor = factor.map_or(Some(default::TOLERANCE_FACTOR), |node| {
        reader.number(node, "`tolerance`", "a factor from 1 to 1000", |value| {
            (1.0..=TOLERANCE_FACTOR_MAX)
                .contains(&value)
                .then_some(value)
        })
    });
    Some(TrafficSpec {
        metric: metric?,
        tolerance_factor: factor?,
    })
}

/// The name of a metric that exists and is of the right kind.
fn read_metric(
    reader: &mut Reader<'_>,
    node: &Node,
    metrics: Option<&[MetricSpec]>,
    fits: impl Fn(&Measure) -> bool,
    wanted: &str,
) -> Option<MetricName> {
    let name = reader.name(node, "a metric's name", MetricName::new)?;
    let Some(metrics) = metrics else {
        return Some(name); // some metric could not be read: it may be this one
    };
    match metrics.iter().find(|metric| metric.name == name) {
        Some(metric) if fits(&metric.measure) => Some(name),
        Some(_) => {
            let message = format!("metric `{name}` is not {wanted}");
            reader.error("C016", node.place, message, "its events are counted");
            None
        }
        None => {
            let near = closest(name.as_str(), metrics.iter().map(|m| m.name.as_str()));
            let message = match near {
                Some(near) => format!("unknown metric `{name}`, did you mean `{near}`?"),
                None => format!("unknown metric `{name}`"),
            };
            reader.error(
                "C016",
                node.place,
                message,
                &format!("name {wanted} of this template"),
            );
            None
        }
    }
}
