//! The smallest effect that counts, per kind of metric.

use crate::diagnostic::closest;
use crate::units::MinEffect;
use std::collections::BTreeMap;

/// A kind of metric, its default limit as a share of the baseline, and why it is that.
pub const KINDS: &[(&str, f64, &str)] = &[
    (
        "latency",
        0.10,
        "a tenth is the least that service objectives tell apart",
    ),
    ("duration", 0.10, "as latency"),
    (
        "throughput",
        0.10,
        "as latency: it is its inverse at a fixed load",
    ),
    (
        "traffic",
        0.25,
        "demand is outside the canary's power and differs between days and replicas",
    ),
    (
        "error_ratio",
        0.25,
        "a ratio of rare events moves by fifths from one interval to the next",
    ),
    ("saturation", 0.10, "as latency"),
    ("cpu", 0.10, "as latency"),
    ("memory", 0.10, "as latency"),
    ("other", 0.10, "nothing is known of it"),
];

/// The limit of simulated series: the reference tables were made at 5 %.
const SIMULATED_SERIES: f64 = 0.05;

/// The limit of simulated counts: the rate ratio 1.2 of the reference table of count tests.
const SIMULATED_COUNTS: f64 = 0.20;

/// Limits as asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    all: Option<MinEffect>,
    kinds: BTreeMap<String, MinEffect>,
}

impl Limits {
    /// Reads `5%`, `latency=10%,error_ratio=25%`, or both; later words win.
    ///
    /// # Errors
    /// A kind that does not exist, or no share; the message shows the form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut out = Self::default();
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            let (kind, share) = match word.split_once('=') {
                Some((kind, share)) => (Some(kind.trim()), share.trim()),
                None => (None, word),
            };
            let limit = share_of(share)
                .and_then(MinEffect::relative)
                .ok_or_else(|| {
                    format!("min effect `{word}` is no share of 0 or more; write 5% or latency=10%")
                })?;
            match kind {
                None => out.all = Some(limit),
                Some(kind) if known(kind) => {
                    out.kinds.insert(kind.to_owned(), limit);
                }
                Some(kind) => return Err(unknown(kind)),
            }
        }
        Ok(out)
    }

    /// The limit of a kind of metric of a labelled pair; kinds nobody knows count as `other`.
    pub fn of_kind(&self, kind: &str) -> MinEffect {
        let kind = if known(kind) { kind } else { "other" };
        let usual = KINDS.iter().find(|(name, ..)| *name == kind);
        self.kinds
            .get(kind)
            .copied()
            .or(self.all)
            .unwrap_or(MinEffect::Relative(
                usual.map_or(0.1, |(_, share, _)| *share),
            ))
    }

    /// The limit of a simulated metric.
    pub fn of_simulated(&self, counts: bool) -> MinEffect {
        let (kind, usual) = if counts {
            ("error_ratio", SIMULATED_COUNTS)
        } else {
            ("other", SIMULATED_SERIES)
        };
        let named = self.kinds.get(kind).copied();
        named.or(self.all).unwrap_or(MinEffect::Relative(usual))
    }

    /// How a reader is told what was asked for.
    pub fn text(&self) -> String {
        let all = self.all.map(|limit| limit.to_string());
        let kinds = self.kinds.iter();
        let kinds = kinds.map(|(kind, limit)| format!("{kind} {limit}"));
        let mut words: Vec<String> = kinds.chain(all).collect();
        match (self.all, words.is_empty()) {
            (Some(_), _) => {}
            (None, true) => words.push("the default of each kind".to_owned()),
            (None, false) => words.push("the default of each other kind".to_owned()),
        }
        words.join(", ")
    }
}

/// `5%` or `0.05`; a percentage is read as the nearest number to its hundredth.
pub fn share_of(text: &str) -> Option<f64> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

fn known(kind: &str) -> bool {
    KINDS.iter().any(|(name, ..)| *name == kind)
}

fn unknown(kind: &str) -> String {
    let names: Vec<&str> = KINDS.iter().map(|(name, ..)| *name).collect();
    let near = closest(kind, names.iter().copied());
    let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
    format!(
        "unknown kind of metric `{kind}`{near}; there are {}",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn named_kinds_win_over_all_and_all_over_the_table() {
        for (text, kind, wanted) in [
            ("", "latency", 0.10),
            ("", "error_ratio", 0.25),
            ("", "never heard of", 0.10),
            ("7%", "error_ratio", 0.07),
            ("7%,latency=2%", "latency", 0.02),
            ("7%,latency=2%", "traffic", 0.07),
            ("latency=0.5", "latency", 0.5),
        ] {
            let limit = Limits::parse(text).unwrap().of_kind(kind);
            assert_eq!(limit, MinEffect::Relative(wanted), "{text} {kind}");
        }
        let simulated = |text: &str, counts| Limits::parse(text).unwrap().of_simulated(counts);
        assert_eq!(simulated("", false), MinEffect::Relative(0.05));
        assert_eq!(simulated("", true), MinEffect::Relative(0.2));
        assert_eq!(
            simulated("0%,error_ratio=30%", true),
            MinEffect::Relative(0.3)
        );
        for (text, wanted) in [("latncy=3%", "did you mean `latency`"), ("-1%", "write 5%")] {
            let message = Limits::parse(text).unwrap_err();
            assert!(message.contains(wanted), "{message}");
        }
    }
}
