//! The JSON of Prometheus' HTTP API, read straight into samples: one pass, no tree, no copy of
//! the text.
//!
//! The shape is read from the elements, so `resultType` may come before or after them. Numbers
//! come as strings (`"NaN"`, `"+Inf"`), timestamps as seconds with a fraction, which are rounded
//! to the millisecond, never cut: most milliseconds are not exact in binary.

use super::fault::{Fault, FaultKind, excerpt};
use super::native::{Histogram, Histograms};
use crate::series::raw::{Answer, Labels, RawHistogram, RawHistograms, RawSeries, Sample};
use crate::time::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Series in one answer; an answer with more is refused as too large, whole.
pub const SERIES_MAX: usize = 10_000;

/// Samples in one answer (80 MB of memory), each bucket of a native histogram counted as one; an
/// answer with more is refused as too large, whole.
pub const SAMPLES_MAX: usize = 5_000_000;

/// Characters of an unreadable body shown in a message; the rest is dropped.
const EXCERPT_CHARS_MAX: usize = 200;

/// What the source says of a refused request: `errorType` is an open word, since proxies and
/// relatives of Prometheus add their own (Mimir's `too_many_requests`).
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    /// `error`, or `success` when this was no refusal.
    pub(super) status: String,
    /// Such as `bad_data`, `execution`, `timeout`.
    #[serde(default, rename = "errorType")]
    pub(super) error_type: Option<String>,
    /// The sentence.
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// `GET /api/v1/status/buildinfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct BuildInfo {
    /// Such as `2.42.0+ds`.
    #[serde(default)]
    pub version: String,
    /// The commit it was built from, if told.
    #[serde(default)]
    pub revision: String,
    /// Relatives of Prometheus name themselves here (`Grafana Mimir`).
    #[serde(default)]
    pub application: Option<String>,
}

#[derive(Deserialize)]
struct BuildEnvelope {
    data: BuildInfo,
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    infos: Option<Vec<String>>,
    /// VictoriaMetrics says here that not all of its storage answered.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default, rename = "resultType")]
    result_type: String,
    result: Rows,
}

/// Reads a successful answer to `query` or `query_range`; series come sorted by their labels.
///
/// Warnings and infos are as received; the allow-list is the client's. The fault is
/// [`FaultKind::Malformed`], [`FaultKind::TooLarge`], or [`FaultKind::BadQuery`] for a query
/// that gives text.
pub fn decode_answer(body: &[u8]) -> Result<Answer, Fault> {
    let envelope: Envelope = read(body)?;
    let Some(data) = envelope.data.filter(|_| envelope.status == "success") else {
        let message = format!("answer with status {:?} and no data", envelope.status);
        return Err(Fault::new(FaultKind::Malformed, message));
    };
    let is_text = data.result_type == "string"; // `"5"` is a text that reads like a number
    let rows = data.result;
    if let Some(limit) = rows.beyond {
        return Err(Fault::new(FaultKind::TooLarge, limit));
    }
    if rows.text || is_text {
        return Err(Fault::new(
            FaultKind::BadQuery,
            "the query gives a string, not numbers",
        ));
    }
    let mut rows = rows;
    rows.histograms.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut series = rows.series;
    // An instant vector comes in no promised order; A6 wants the same bits each time.
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut warnings = envelope.warnings.unwrap_or_default();
    if envelope.is_partial {
        warnings.push("partial answer: not all of the source's storage answered".to_owned());
    }
    Ok(Answer {
        series,
        warnings,
        infos: envelope.infos.unwrap_or_default(),
        histogram_series: rows.histogram_series,
        histograms: rows.histograms,
    })
}

/// Reads an answer to `status/buildinfo`.
pub(super) fn decode_build_info(body: &[u8]) -> Result<BuildInfo, Fault> {
    read::<BuildEnvelope>(body).map(|envelope| envelope.data)
}

/// Reads a refusal, if the body is one.
pub(super) fn decode_refusal(body: &[u8]) -> Option<Refusal> {
    serde_json::from_slice(body).ok()
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        let what = if body.is_empty() {
            "empty body".to_owned()
        } else if error.is_eof() {
            format!("body of {} bytes that ends too early", body.len())
        } else {
            format!("unreadable body ({error}) that starts {:?}", head(body))
        };
        Fault::new(FaultKind::Malformed, what)
    })
}

/// The first [`EXCERPT_CHARS_MAX`] characters of a body, on one line.
pub(super) fn head(body: &[u8]) -> String {
    // Four bytes a character at most; one more tells `excerpt` that there was a rest.
    let start = body.get(..4 * EXCERPT_CHARS_MAX + 4).unwrap_or(body);
    excerpt(&String::from_utf8_lossy(start), EXCERPT_CHARS_MAX)
}

/// The `result` of any of the four result types.
#[derive(Debug, Default)]
struct Rows {
    series: Vec<RawSeries>,
    samples: usize,
    histogram_series: usize,
    histograms: Vec<RawHistograms>,
    text: bool,
    /// Set once a limit is passed: the rest is read and dropped, so memory stays bounded.
    beyond: Option<String>,
}

impl Rows {
    fn take(&mut self, row: Row) {
        if row.histogram {
            self.histogram_series += 1;
        }
        let buckets = row.histograms.iter().map(|one| one.buckets.len() + 1);
        self.samples += row.samples.len() + buckets.sum::<usize>();
        if self.series.len() >= SERIES_MAX || self.histogram_series > SERIES_MAX {
            self.beyond = Some(format!(
                "more than {SERIES_MAX} series in the answer; aggregate or select fewer"
            ));
        }
        if self.samples > SAMPLES_MAX {
            self.beyond = Some(format!(
                "more than {SAMPLES_MAX} samples in the answer; ask for a shorter range"
            ));
        }
        if self.beyond.is_some() {
            return;
        }
        if !row.histograms.is_empty() {
            self.histograms.push(RawHistograms {
                labels: row.labels.clone(),
                samples: row.histograms,
            });
        }
        if row.floats || !row.histogram {
            self.series.push(RawSeries {
                labels: row.labels,
                samples: row.samples,
            });
        }
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series, or one timestamp and value")
    }

    /// Go writes an empty list as null when nobody made the list.
    fn visit_unit<E>(self) -> Result<Rows, E> {
        Ok(Rows::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rows, A::Error> {
        let mut rows = Rows::default();
        let mut instant = None;
        while let Some(item) = seq.next_element::<Item>()? {
            match (item, instant) {
                (Item::Row(row), None) => rows.take(row),
                (Item::Seconds(seconds), None) if rows.series.is_empty() => {
                    instant = Some(timestamp::<A::Error>(seconds)?);
                }
                (Item::Text(text), Some(at)) if rows.series.is_empty() && !rows.text => {
                    match text.parse() {
                        Ok(value) => rows.take(Row {
                            samples: vec![Sample { at, value }],
                            floats: true,
                            ..Row::default()
                        }),
                        Err(_) => rows.text = true,
                    }
                }
                _ => return Err(A::Error::custom("a result of mixed shapes")),
            }
        }
        if instant.is_some() && rows.series.is_empty() && !rows.text {
            return Err(A::Error::custom("a timestamp without a value"));
        }
        Ok(rows)
    }
}

/// One element of `result`: a series, or half of a scalar or string.
enum Item {
    Row(Row),
    Seconds(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series, a timestamp or a value")
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<Item, E> {
        Ok(Item::Seconds(seconds))
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Item, E> {
        Ok(Item::Seconds(seconds as f64))
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut row = Row::default();
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Metric => row.labels = map.next_value()?,
                Field::Value => {
                    row.samples = vec![map.next_value::<Point>()?.0];
                    row.floats = true;
                }
                Field::Values => {
                    row.samples = map.next_value::<Points>()?.0;
                    row.floats = true;
                }
                Field::Histogram => {
                    row.histograms = map.next_value::<Histogram>()?.0.into_iter().collect();
                    row.histogram = true;
                }
                Field::Histograms => {
                    row.histograms = map.next_value::<Histograms>()?.0;
                    row.histogram = true;
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !row.floats && !row.histogram {
            return Err(A::Error::custom(
                "a series without value, values or histograms",
            ));
        }
        Ok(Item::Row(row))
    }
}

/// One series as read.
#[derive(Default)]
struct Row {
    labels: Labels,
    samples: Vec<Sample>,
    histograms: Vec<RawHistogram>,
    floats: bool,
    histogram: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Metric,
    Value,
    Values,
    Histogram,
    Histograms,
    #[serde(other)]
    Other,
}

/// `[[1700000000.5, "1"], …]`.
struct Points(Vec<Sample>);

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PointsVisitor;
        impl<'de> Visitor<'de> for PointsVisitor {
            type Value = Points;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of timestamps and values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Points, A::Error> {
                let mut samples = Vec::new();
                while let Some(Point(sample)) = seq.next_element()? {
                    // One more than allowed is kept, so that the count shows it.
                    if samples.len() <= SAMPLES_MAX {
                        samples.push(sample);
                    }
                }
                Ok(Points(samples))
            }
        }
        deserializer.deserialize_seq(PointsVisitor)
    }
}

/// `[1700000000.5, "1"]`.
struct Point(Sample);

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PointVisitor;
        impl<'de> Visitor<'de> for PointVisitor {
            type Value = Point;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp in seconds and a value in quotes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Point, A::Error> {
                let seconds = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let Number(value) = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(1, &self))?;
                if seq.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::invalid_length(3, &self));
                }
                let at = timestamp::<A::Error>(seconds)?;
                Ok(Point(Sample { at, value }))
            }
        }
        deserializer.deserialize_seq(PointVisitor)
    }
}

/// A number in quotes; `NaN`, `+Inf` and `-Inf` are numbers here.
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                let unreadable = |_| E::custom(format_args!("{text:?} is not a number"));
                text.parse().map(Number).map_err(unreadable)
            }
        }
        deserializer.deserialize_str(NumberVisitor)
    }
}

pub(super) fn timestamp<E: serde::de::Error>(seconds: f64) -> Result<Timestamp, E> {
    Timestamp::from_seconds(seconds)
        .ok_or_else(|| E::custom(format_args!("timestamp {seconds} is beyond the year 9999")))
}
