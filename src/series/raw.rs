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

/// Everything one query gave: both arms together, with what the source had to say about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// All series with float samples.
    pub series: Vec<RawSeries>,
    /// Warnings: the answer may be partial or wrong; they block a promote unless allowed.
    pub warnings: Vec<String>,
    /// Remarks that do not make the answer suspect.
    pub infos: Vec<String>,
    /// Series that held native histograms, which this query cannot use as floats.
    pub histogram_series: usize,
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
