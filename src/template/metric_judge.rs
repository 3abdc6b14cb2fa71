//! Reads a metric's own `judge`: another of the judges that share the analysis' error budget,
//! another part of that budget, another answer to "no harm found".

use crate::template::document::{Node, Value};
use crate::template::fields::{Reader, shorten};
use crate::template::parse::read_power;
use crate::template::schema::written;
use crate::units::Probability;

/// The least and the most `share`; another one is refused (C008). A hundredth of what a required
/// metric has, or a thousand times as much, says that the other metrics do not count.
pub const SHARE: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// What is different for one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricJudge {
    /// Which judge; that of the template without one.
    pub method: Option<MetricMethod>,
    /// Its parts of the error budget; 1 for a required metric without, 3 for a critical one.
    pub share: Option<f64>,
    /// Whether "no harm found" is enough for a promote; as in the template without.
    pub accept_no_harm: Option<Acceptance>,
}

/// The judges that share one error budget, so that metrics may choose among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricMethod {
    /// As [`crate::template::Method::Sequential`].
    Sequential,
    /// As [`crate::template::Method::MannWhitney`].
    MannWhitney,
}

impl MetricMethod {
    /// The word in templates and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::MannWhitney => "mann-whitney",
        }
    }
}

/// What "no harm found" is worth for one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Acceptance {
    /// Nothing: it must be shown within its limit.
    Never,
    /// Enough with at least this power to find the minimum effect.
    WithPower(Probability),
}

/// Every word but `kayenta`, which is answered with a reason.
pub(in crate::template) const METRIC_METHODS: [(&str, MetricMethod); 2] = [
    ("sequential", MetricMethod::Sequential),
    ("mann-whitney", MetricMethod::MannWhitney),
];

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<MetricJudge> {
    if let Value::Text(text) = &node.value {
        let message = "a metric's `judge` is text, expected a map".to_owned();
        let help = format!("write `judge: {{ method: {} }}`", shorten(text));
        reader.error("C005", node.place, message, &help);
        return None;
    }
    let fields = reader.map(node, "a metric's `judge`", written::MetricJudge::FIELDS)?;
    let method = fields
        .get("method")
        .map_or(Some(None), |node| read_method(reader, node).map(Some));
    let share = fields.get("share").map_or(Some(None), |node| {
        let range = "a number from 0.01 to 1000; a required metric has 1, a critical one 3";
        let share = reader.number(node, "`share`", range, |value| {
            SHARE.contains(&value).then_some(value)
        });
        share.map(Some)
    });
    let accept = match fields.get("accept_no_harm") {
        None => Some(None),
        Some(node) => match node.value {
            Value::Bool(false) => Some(Some(Acceptance::Never)),
            _ => read_power(reader, node).map(|power| Some(Acceptance::WithPower(power))),
        },
    };
    Some(MetricJudge {
        method: method?,
        share: share?,
        accept_no_harm: accept?,
    })
}

fn read_method(reader: &mut Reader<'_>, node: &Node) -> Option<MetricMethod> {
    if matches!(&node.value, Value::Text(text) if text == "kayenta") {
        let message = "`kayenta` scores a whole analysis, a metric cannot have it of its own";
        let help = "one of `sequential` and `mann-whitney`, which share the error budget; or \
                    `kayenta` as the template's `judge.method`, for all metrics";
        reader.error("C026", node.place, message.to_owned(), help);
        return None;
    }
    reader.word(node, "judge", &METRIC_METHODS)
}
