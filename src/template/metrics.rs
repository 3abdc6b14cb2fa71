//! Reads `spec.metrics`.

use crate::diagnostic::Place;
use crate::ids::{GroupName, MetricName};
use crate::template::document::{Node, Value};
use crate::template::fields::{Fields, Reader, shorten};
use crate::template::promql::is_hole_name;
use crate::template::query::{QueryKind, check};
use crate::template::schema::written;
use crate::template::{Combine, GapPolicy, Measure, MetricSpec, MinEvidence, Role};
use crate::template::{default, extends, group_by, kayenta, lag, metric_judge};
use crate::time::Span;
use crate::units::{Harm, MinEffect, Probability, Weight};

/// The most metrics of a template; more are refused (C013). The largest templates seen in the
/// field have about 60.
pub const METRICS_MAX: usize = 200;

/// The largest relative minimum effect, 10,000 %; a larger one is refused (C008): within such a
/// limit everything is, and it was meant as something else.
const RELATIVE_MAX: f64 = 100.0;

/// The largest absolute minimum effect; a larger one is refused (C008). Beyond 10¹⁵ neighbouring
/// numbers are so far apart that differences say nothing.
const ABSOLUTE_MAX: f64 = 1e15;

/// The most events `min_events` may ask for; more would never be seen in an analysis.
const MIN_EVENTS_MAX: u32 = 1_000_000_000;

pub(super) const ROLES: [(&str, Role); 4] = [
    ("critical", Role::Critical),
    ("required", Role::Required),
    ("optional", Role::Optional),
    ("info", Role::Info),
];

pub(super) const HARMS: [(&str, Harm); 3] = [
    ("increase", Harm::Increase),
    ("decrease", Harm::Decrease),
    ("either", Harm::Either),
];

pub(super) const COMBINES: [(&str, Combine); 5] = [
    ("mean", Combine::Mean),
    ("sum", Combine::Sum),
    ("max", Combine::Max),
    ("min", Combine::Min),
    ("median", Combine::Median),
];

pub(super) const GAPS: [(&str, GapPolicy); 3] = [
    ("drop", GapPolicy::Drop),
    ("zero", GapPolicy::Zero),
    ("fail", GapPolicy::Fail),
];

/// The three kinds of measure, of which a metric has one.
pub(super) const MEASURES: [&str; 3] = ["series", "events", "distribution"];

/// A share in 0 ..= 1 in words.
pub(super) const SHARE_RANGE: &str = "a share from 0 to 1, or a percentage from 0% to 100%";

/// Every metric that could be read; the rest has been complained about.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, inputs: &[&str]) -> Vec<MetricSpec> {
    let items = reader.list(Some(node), "metrics", METRICS_MAX);
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        let at = node.key.unwrap_or(node.place);
        let help = "without one nothing can be judged";
        reader.error(
            "C004",
            at,
            "`metrics` needs at least one metric".to_owned(),
            help,
        );
    }
    let mut seen: Vec<(MetricName, Place)> = Vec::new();
    let mut out = Vec::new();
    for item in items {
        let Some(fields) = reader.map(item, "a metric", written::Metric::FIELDS) else {
            continue;
        };
        let place = fields.get("name").map_or(fields.place(), |name| name.place);
        if let Some(node) = fields.get("remove") {
            extends::nothing_removed(reader, node, "metric");
            continue;
        }
        let metric = read_one(reader, &fields, place, inputs);
        if let Some(name) = metric_name(&fields) {
            unique(reader, "metric", &name, place, &mut seen);
        }
        out.extend(metric);
    }
    out
}

fn metric_name(fields: &Fields<'_>) -> Option<MetricName> {
    match &fields.get("name")?.value {
        Value::Text(text) => MetricName::new(text),
        _ => None,
    }
}

/// Complains about a name used twice.
pub(super) fn unique<T: PartialEq + Clone + std::fmt::Display>(
    reader: &mut Reader<'_>,
    what: &str,
    name: &T,
    place: Place,
    seen: &mut Vec<(T, Place)>,
) {
    match seen.iter().find(|(known, _)| known == name) {
        Some((_, first)) => {
            let message = format!("{what} `{name}` occurs twice");
            let help = format!("the first is in line {}; rename one", first.line);
            reader.error("C011", place, message, &help);
        }
        None => seen.push((name.clone(), place)),
    }
}

fn read_one(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    place: Place,
    inputs: &[&str],
) -> Option<MetricSpec> {
    let name = reader.need(fields, "name", "give it a name");
    let name = name.and_then(|node| reader.name(node, "a metric's name", MetricName::new));
    let role = fields.get("role");
    let role = role.map_or(Some(Role::Required), |node| {
        reader.word(node, "role", &ROLES)
    });
    let help = "say which change is harm: `increase`, `decrease` or `either`";
    let harm = reader.need(fields, "harm", help);
    let harm = harm.and_then(|node| reader.word(node, "harm", &HARMS));
    let help = "say how much is harm: `{ relative: 10% }` or `{ absolute: 0.02 }`";
    let min_effect = reader.need(fields, "min_effect", help);
    let min_effect = min_effect.and_then(|node| read_min_effect(reader, node));
    let unit = reader.prose(fields.get("unit"), "unit");
    let group = match fields.get("group") {
        Some(node) => reader.name(node, "a group's name", GroupName::new),
        None => GroupName::new("default"),
    };
    let weight = fields.get("weight").map_or(Some(Weight::ONE), |node| {
        reader.number(node, "weight", "a number from 0", Weight::new)
    });
    let evidence = read_evidence(reader, fields);
    let (measure, per) = read_measure(reader, fields, inputs).unzip();
    let group_by = match fields.get("group_by") {
        None => Some(None),
        Some(node) => group_by::read(reader, node).map(Some),
    };
    let lag = lag::read(reader, fields, role);
    let kayenta = match fields.get("kayenta") {
        None => Some(None),
        Some(node) => kayenta::read_options(reader, node).map(Some),
    };
    let lag = Some(lag?);
    let judge = match fields.get("judge") {
        None => Some(None),
        Some(node) => metric_judge::read(reader, node).map(Some),
    };
    Some(MetricSpec {
        name: name?,
        role: role?,
        harm: harm?,
        min_effect: min_effect?,
        unit: unit?,
        group: group?,
        weight: weight?,
        evidence: evidence?,
        measure: measure?,
        per: per?,
        group_by: group_by?,
        lag: lag.filter(|lag| *lag > Span::ZERO),
        kayenta: kayenta?,
        judge: judge?,
        counts_foreign: false,
        place: Some(place),
    })
}

fn read_min_effect(reader: &mut Reader<'_>, node: &Node) -> Option<MinEffect> {
    let fields = reader.map(node, "`min_effect`", written::Effect::FIELDS)?;
    match (fields.get("relative"), fields.get("absolute")) {
        (Some(node), None) => reader.share(
            node,
            "`relative`",
            "a share from 0 to 100 (10000%), such as `10%`",
            |value| MinEffect::relative(value).filter(|_| value <= RELATIVE_MAX),
        ),
        (None, Some(node)) => {
            reader.share(node, "`absolute`", "a number from 0 to 1e15", |value| {
                MinEffect::absolute(value).filter(|_| value <= ABSOLUTE_MAX)
            })
        }
        (left, _) => {
            let found = if left.is_some() { "both" } else { "neither" };
            let message = format!(
                "`min_effect` has {found} of `relative` and `absolute`, exactly one is needed"
            );
            let help = "`{ relative: 10% }` of the baseline, or `{ absolute: 0.02 }` in the \
                        metric's unit";
            reader.error("C014", fields.place(), message, help);
            None
        }
    }
}

fn read_evidence(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<MinEvidence> {
    let base = default::evidence();
    let points = u32::try_from(default::POINTS_MAX).unwrap_or(u32::MAX);
    let samples = fields
        .get("min_samples")
        .map_or(Some(base.samples), |node| {
            // A rank test of fewer than 3 against 3 cannot reach 5 %: 1 / C(6, 3) = 5 %.
            let count = reader.whole(node, "`min_samples`", 3, points)?;
            usize::try_from(count).ok()
        });
    let events = fields.get("min_events").map_or(Some(base.events), |node| {
        let count = reader.whole(node, "`min_events`", 1, MIN_EVENTS_MAX)?;
        Some(u64::from(count))
    });
    let coverage = fields
        .get("min_coverage")
        .map_or(Some(base.coverage), |node| {
            reader.share(node, "`min_coverage`", SHARE_RANGE, Probability::new)
        });
    Some(MinEvidence {
        samples: samples?,
        events: events?,
        coverage: coverage?,
    })
}

/// A measure, and the label that keeps replicas apart.
type Measured = (Measure, Option<String>);

fn read_measure(reader: &mut Reader<'_>, fields: &Fields<'_>, inputs: &[&str]) -> Option<Measured> {
    let given: Vec<&str> = MEASURES
        .into_iter()
        .filter(|kind| fields.get(kind).is_some())
        .collect();
    let [kind] = given.as_slice() else {
        let message = match given.len() {
            0 => "the metric has no measure".to_owned(),
            n => format!("the metric has {n} measures: {}", given.join(", ")),
        };
        let help = "give exactly one of `series`, `events` and `distribution`";
        reader.error("C014", fields.place(), message, help);
        return None;
    };
    let node = fields.get(kind)?;
    match *kind {
        "series" => read_series(reader, node, inputs),
        "events" => read_events(reader, node, inputs),
        _ => read_distribution(reader, node, inputs),
    }
}

fn read_series(reader: &mut Reader<'_>, node: &Node, inputs: &[&str]) -> Option<Measured> {
    let fields = reader.map(node, "`series`", written::Series::FIELDS)?;
    let query = reader.need(&fields, "query", "give a PromQL expression");
    let query = query.and_then(|node| read_query(reader, node, QueryKind::Expression, inputs));
    let combine = fields.get("combine").map_or(Some(Combine::Mean), |node| {
        reader.word(node, "way to combine", &COMBINES)
    });
    let gaps = fields.get("gaps").map_or(Some(GapPolicy::Drop), |node| {
        reader.word(node, "gap policy", &GAPS)
    });
    let per = read_per(reader, &fields);
    let measure = Measure::Series {
        query: query?,
        combine: combine?,
        gaps: gaps?,
    };
    Some((measure, per))
}

fn read_events(reader: &mut Reader<'_>, node: &Node, inputs: &[&str]) -> Option<Measured> {
    let fields = reader.map(node, "`events`", written::Events::FIELDS)?;
    let mut selector = |name| {
        let node = reader.need(&fields, name, "give the selector of a counter")?;
        read_query(reader, node, QueryKind::Selector, inputs)
    };
    let (bad, total) = (selector("bad"), selector("total"));
    let per = read_per(reader, &fields);
    let measure = Measure::Events {
        bad: bad?,
        total: total?,
    };
    Some((measure, per))
}

/// The label of `per`; `None` when it was not given, and after a complaint.
fn read_per(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<String> {
    let node = fields.get("per")?;
    let text = reader.text(node, "`per`")?;
    // `le` tells the buckets of one histogram apart, not replicas.
    if is_hole_name(text) && text != "le" {
        return Some(text.to_owned());
    }
    let message = format!("`{}` cannot name replicas", shorten(text));
    let help = "the label whose values are the replicas, such as `pod` or `instance`";
    reader.error("C009", node.place, message, help);
    None
}

fn read_distribution(reader: &mut Reader<'_>, node: &Node, inputs: &[&str]) -> Option<Measured> {
    let fields = reader.map(node, "`distribution`", written::Distribution::FIELDS)?;
    let buckets = reader.need(&fields, "buckets", "give the selector of `…_bucket`");
    let buckets = buckets.and_then(|node| read_query(reader, node, QueryKind::Buckets, inputs));
    // Without a threshold the whole distribution is judged; a bad one has been complained about.
    let threshold = fields.get("threshold").map_or(Some(None), |node| {
        let finite = |value: f64| value.is_finite().then_some(value);
        let threshold = reader.number(node, "`threshold`", "one of the bucket bounds", finite);
        threshold.map(Some)
    });
    let per = read_per(reader, &fields);
    let measure = Measure::Distribution {
        buckets: buckets?,
        threshold: threshold?,
    };
    Some((measure, per))
}

fn read_query(
    reader: &mut Reader<'_>,
    node: &Node,
    kind: QueryKind,
    inputs: &[&str],
) -> Option<String> {
    let query = reader.text(node, "a query")?;
    let faults = check(query, kind, inputs);
    for fault in &faults {
        let place = reader.inside(node, query, fault.at, fault.len);
        reader.error(fault.code, place, fault.message.clone(), &fault.help);
    }
    faults.is_empty().then(|| query.to_owned())
}
