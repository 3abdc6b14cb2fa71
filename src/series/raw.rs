//! What a source answered, before anything is judged of it.

use crate::digest::{Canonical, Digest};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Label names and values of one series.
pub type Labels = BTreeMap<String, String>;

/// One value at one instant, as the source sent it: NaN and infinities are possible here only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The instant the source put on it.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
}

/// One series of an answer, samples in rising time as received (checked when aligned).
#[derive(Clone, Debug, PartialEq)]
pub struct RawSeries {
    /// Label names and values.
    pub labels: Labels,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// One bucket of a native histogram; which of its ends belongs to it is not kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawBucket {
    /// Where it begins; may be −∞.
    pub left: f64,
    /// Where it ends; may be +∞.
    pub right: f64,
    /// Observations inside.
    pub count: f64,
}

/// One native histogram at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct RawHistogram {
    /// The instant the source put on it.
    pub at: Timestamp,
    /// All observations.
    pub count: f64,
    /// Those of its buckets that hold any, as received.
    pub buckets: Vec<RawBucket>,
}

/// One series of native histograms.
#[derive(Clone, Debug, PartialEq)]
pub struct RawHistograms {
    /// Label names and values.
    pub labels: Labels,
    /// The histograms, in rising time as received.
    pub samples: Vec<RawHistogram>,
}

/// Everything one query gave: both arms together, with what the source had to say about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// All series with float samples.
    pub series: Vec<RawSeries>,
    /// Warnings: the answer may be partial or wrong; they block a promote unless allowed.
    pub warnings: Vec<String>,
    /// Remarks that do not make the answer suspect.
    pub infos: Vec<String>,
    /// Series that held native histograms, which are no floats.
    pub histogram_series: usize,
    /// What they held, where raw samples were asked for.
    pub histograms: Vec<RawHistograms>,
}

/// What a series is known by: a digest of its labels without those in `except`. Shorter than the
/// labels, which is what thousands of analyses would otherwise hold in memory, and ordered the
/// same on every machine.
pub fn series_key(labels: &Labels, except: Option<&str>) -> Digest {
    labels
        .iter()
        .filter(|(name, _)| Some(name.as_str()) != except)
        .fold(Canonical::new(), |bytes, (name, value)| {
            bytes.text(name).text(value)
        })
        .digest()
}
