//! Native histograms in the JSON of Prometheus' HTTP API:
//! `[1700000000.5, {"count": "7", "sum": "0.4", "buckets": [[0, "0.1", "0.2", "7"], …]}]`.
//!
//! Each bucket is its boundary rule, its two ends and its count; empty buckets are left out, and so
//! is the list of a histogram without observations. A histogram without its count is no sample.

use super::response::{Number, timestamp};
use crate::series::raw::{RawBucket, RawHistogram};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// One histogram with its timestamp; `None` when it holds nothing to count.
pub(super) struct Histogram(pub(super) Option<RawHistogram>);

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HistogramVisitor;
        impl<'de> Visitor<'de> for HistogramVisitor {
            type Value = Histogram;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp in seconds and a native histogram")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Histogram, A::Error> {
                let seconds = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let Body { count, buckets } = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(1, &self))?;
                if seq.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::invalid_length(3, &self));
                }
                let at = timestamp::<A::Error>(seconds)?;
                Ok(Histogram(count.map(|count| RawHistogram {
                    at,
                    count,
                    buckets,
                })))
            }
        }
        deserializer.deserialize_seq(HistogramVisitor)
    }
}

/// A list of histograms with their timestamps.
pub(super) struct Histograms(pub(super) Vec<RawHistogram>);

impl<'de> Deserialize<'de> for Histograms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HistogramsVisitor;
        impl<'de> Visitor<'de> for HistogramsVisitor {
            type Value = Histograms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of timestamps and native histograms")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Histograms, A::Error> {
                let mut out = Vec::new();
                while let Some(Histogram(histogram)) = seq.next_element()? {
                    out.extend(histogram);
                }
                Ok(Histograms(out))
            }
        }
        deserializer.deserialize_seq(HistogramsVisitor)
    }
}

/// The object that holds the histogram.
struct Body {
    count: Option<f64>,
    buckets: Vec<RawBucket>,
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BodyVisitor;
        impl<'de> Visitor<'de> for BodyVisitor {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a native histogram")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let mut body = Body {
                    count: None,
                    buckets: Vec::new(),
                };
                while let Some(field) = map.next_key::<String>()? {
                    match field.as_str() {
                        "count" => body.count = Some(map.next_value::<Number>()?.0),
                        "buckets" => {
                            let read = map.next_value::<Option<Vec<Bucket>>>()?;
                            body.buckets = read.into_iter().flatten().map(|b| b.0).collect();
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(body)
            }
        }
        deserializer.deserialize_map(BodyVisitor)
    }
}

/// `[0, "0.1", "0.2", "7"]`.
struct Bucket(RawBucket);

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BucketVisitor;
        impl<'de> Visitor<'de> for BucketVisitor {
            type Value = Bucket;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("boundary rule, left end, right end and count of a bucket")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bucket, A::Error> {
                seq.next_element::<IgnoredAny>()?
                    .ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let mut number = |place: usize| {
                    let read = seq.next_element::<Number>()?;
                    let number = read.ok_or_else(|| A::Error::invalid_length(place, &self))?;
                    Ok::<f64, A::Error>(number.0)
                };
                let (left, right, count) = (number(1)?, number(2)?, number(3)?);
                Ok(Bucket(RawBucket { left, right, count }))
            }
        }
        deserializer.deserialize_seq(BucketVisitor)
    }
}
