//! The samples of a recording as columns, one row per sample, in the order of the header.

use crate::plan::rollout::Rollout;
use crate::plan::{ARM_MARK, ARM_MARKS, Part};
use crate::series::raw::{Labels, RawBucket, RawHistogram};
use crate::wire::number::Exact;
use crate::wire::record::Damage;
use serde::{Deserialize, Serialize};

/// The samples of a recording. All columns are equally long; those that only other tools read
/// (`look`, `query`, `labels` and what these point to) are empty in what was read from a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// The look that read the sample.
    pub look: Vec<i32>,
    /// The place in [`super::Recording::queries`] of the query it answers.
    pub query: Vec<usize>,
    /// The place of its labels in [`Columns::label_sets`].
    pub labels: Vec<usize>,
    /// The instant, in milliseconds since the epoch.
    pub at_ms: Vec<i64>,
    /// The value; `None` for a native histogram.
    pub value: Vec<Option<f64>>,
    /// A native histogram as JSON; `None` for a value.
    pub histogram: Vec<Option<String>>,
    /// The metric and the part of each query.
    pub metrics: Vec<(String, Part)>,
    /// Label sets, each once: as JSON, and the arm they belong to (`baseline`, `canary`, or empty
    /// when they belong to neither or to both).
    pub label_sets: Vec<(String, &'static str)>,
}

impl Columns {
    /// How many samples there are.
    pub fn rows(&self) -> usize {
        self.at_ms.len()
    }

    /// Adds one sample.
    pub(super) fn push(&mut self, (look, query, labels): (u32, usize, usize), sample: Cell) {
        self.look.push(i32::try_from(look).unwrap_or(i32::MAX));
        self.query.push(query);
        self.labels.push(labels);
        let (at_ms, value, histogram) = match sample {
            Cell::Value(at_ms, value) => (at_ms, Some(value), None),
            Cell::Histogram(at_ms, text) => (at_ms, None, Some(text)),
        };
        self.at_ms.push(at_ms);
        self.value.push(value);
        self.histogram.push(histogram);
    }

    /// Takes the sample of row `row` as a value.
    pub(super) fn value(&self, row: usize) -> Option<(i64, f64)> {
        Some((*self.at_ms.get(row)?, (*self.value.get(row)?)?))
    }

    /// Takes the sample of row `row` as a histogram's text.
    pub(super) fn histogram(&self, row: usize) -> Option<(i64, &str)> {
        let text = self.histogram.get(row)?.as_deref()?;
        Some((*self.at_ms.get(row)?, text))
    }
}

/// One sample on its way into the columns.
pub(super) enum Cell {
    Value(i64, f64),
    Histogram(i64, String),
}

/// The arm that labels belong to, as the judge takes it.
pub(super) fn arm_word(rollout: &Rollout, labels: &Labels) -> &'static str {
    // Where the arms are of different times the mark says which.
    let mark = labels.get(ARM_MARK).map(String::as_str);
    if let Some(arm) = ARM_MARKS.into_iter().find(|arm| Some(*arm) == mark) {
        return arm;
    }
    match (
        rollout.baseline.matches(labels),
        rollout.canary.matches(labels),
    ) {
        (true, false) => "baseline",
        (false, true) => "canary",
        _ => "",
    }
}

/// A native histogram: all observations, and `[left, right, count]` of each bucket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistogramShape {
    count: Exact,
    buckets: Vec<[Exact; 3]>,
}

pub(super) fn histogram_text(histogram: &RawHistogram) -> String {
    let bucket = |b: &RawBucket| [Exact(b.left), Exact(b.right), Exact(b.count)];
    serde_json::to_string(&HistogramShape {
        count: Exact(histogram.count),
        buckets: histogram.buckets.iter().map(bucket).collect(),
    })
    .expect("A6: shapes have text keys and numbers that serde_json always writes")
}

/// Count and buckets of a histogram's text.
pub(super) fn histogram_of(text: &str) -> Result<(f64, Vec<RawBucket>), Damage> {
    let shape: HistogramShape = serde_json::from_str(text)
        .map_err(|fault| Damage::new(format!("a histogram is unreadable: {fault}")))?;
    let bucket = |[left, right, count]: [Exact; 3]| RawBucket {
        left: left.0,
        right: right.0,
        count: count.0,
    };
    let buckets = shape.buckets.into_iter().map(bucket).collect();
    Ok((shape.count.0, buckets))
}
