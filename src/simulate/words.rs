//! Verdicts and holds as a scenario writes them.

use crate::engine::verdict::{Hold, Verdict};
use serde::de::{Deserialize, Deserializer, Error as _};

/// One verdict as written.
#[derive(Clone, Copy, Debug)]
pub struct VerdictWord(pub Verdict);

impl<'de> Deserialize<'de> for VerdictWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Verdict::from_word(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no verdict, write `promote`, `rollback` or `inconclusive`"
            ))
        })
    }
}

/// A hold as written.
#[derive(Clone, Debug)]
pub struct HoldWord(pub Hold);

impl<'de> Deserialize<'de> for HoldWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hold::from_word(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no hold, write `environment_degraded`, `traffic_mismatch`, \
                 `arm_absent`, `data_suspect`, `budget_burning`, `frozen`, `earlier_wave`, \
                 `release_group` or `superseded`"
            ))
        })
    }
}

/// One verdict or several, separated by `or`.
#[derive(Clone, Debug)]
pub struct Verdicts(pub Vec<Verdict>);

impl<'de> Deserialize<'de> for Verdicts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let words = text
            .split(" or ")
            .map(|word| Verdict::from_word(word.trim()));
        words.collect::<Option<_>>().map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no verdict, write `promote`, `rollback`, `inconclusive`, or several \
                 as `rollback or inconclusive`"
            ))
        })
    }
}
