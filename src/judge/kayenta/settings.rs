//! What is asked of a metric: Kayenta's `analysisConfigurations.canary`, a free-form map, with the
//! defaults and the quirks of its reader.

use crate::judge::kayenta::effect::Measure;
use crate::judge::kayenta::transform::{Fence, Nans};

/// Which direction is harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Higher.
    Increase,
    /// Lower.
    Decrease,
    /// Both.
    Either,
}

/// Limits of an effect: an increase counts from `increase` up, a decrease from `decrease` down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The least effect that is High.
    pub increase: f64,
    /// The largest effect that is Low.
    pub decrease: f64,
}

impl Limits {
    /// Both limits at "no effect".
    pub const fn none(measure: Measure) -> Self {
        Self {
            increase: measure.none(),
            decrease: measure.none(),
        }
    }
}

/// Everything the judge reads of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricSettings {
    /// Which direction is harm.
    pub direction: Direction,
    /// What a NaN is.
    pub nans: Nans,
    /// Outliers are removed beyond this fence.
    pub outliers: Option<Fence>,
    /// Its failure fails the judgement.
    pub critical: bool,
    /// Being empty is a failure.
    pub must_have_data: bool,
    /// Classified, but left out of the score.
    pub muted: bool,
    /// What the limits are about.
    pub measure: Measure,
    /// From where an effect counts.
    pub allowed: Limits,
    /// From where an effect of a critical metric fails the judgement.
    pub critical_limits: Limits,
}

impl MetricSettings {
    /// What holds when nothing is said.
    pub const DEFAULT: Self = Self {
        direction: Direction::Either,
        nans: Nans::Remove,
        outliers: None,
        critical: false,
        must_have_data: false,
        muted: false,
        measure: Measure::MeanRatio,
        allowed: Limits::none(Measure::MeanRatio),
        critical_limits: Limits::none(Measure::MeanRatio),
    };
}

/// A value of a free-form map.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// Nothing.
    Null,
    /// True or false.
    Flag(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Setting>),
    /// A map.
    Map(Vec<(String, Setting)>),
}

/// Why settings cannot be read. Each of them makes Kayenta give up the whole judgement, not only
/// the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A value has another type than is asked for.
    WrongType,
    /// A word is null.
    Null,
    /// The factor of the outlier removal is not above 0.
    Factor,
}

impl Setting {
    /// The value under `path`. A path that crosses a list is looked up in each of its elements.
    pub fn get(&self, path: &[&str]) -> Option<Self> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self.clone());
        };
        match self {
            Self::Map(entries) => {
                let (_, value) = entries.iter().find(|(name, _)| name == first)?;
                value.get(rest)
            }
            Self::List(items) => {
                let found: Vec<Self> = items.iter().filter_map(|item| item.get(path)).collect();
                (!found.is_empty()).then_some(Self::List(found))
            }
            _ => None,
        }
    }

    /// The number under `path`; null is 0.
    pub fn number(&self, path: &[&str], default: f64) -> Result<f64, Fault> {
        match self.get(path) {
            None => Ok(default),
            Some(Self::Number(value)) => Ok(value),
            Some(Self::Null) => Ok(0.0),
            Some(_) => Err(Fault::WrongType),
        }
    }

    /// The flag under `path`, false when absent or null.
    pub fn flag(&self, path: &[&str]) -> Result<bool, Fault> {
        match self.get(path) {
            None | Some(Self::Null) => Ok(false),
            Some(Self::Flag(value)) => Ok(value),
            Some(_) => Err(Fault::WrongType),
        }
    }

    /// The text under `path`; what is no text is no word either.
    pub fn word(&self, path: &[&str]) -> Result<Option<String>, Fault> {
        match self.get(path) {
            Some(Self::Null) => Err(Fault::Null),
            Some(Self::Text(text)) => Ok(Some(text)),
            None | Some(_) => Ok(None),
        }
    }
}

impl MetricSettings {
    /// Reads `analysisConfigurations`, of which `canary` counts.
    pub fn read(settings: &Setting) -> Result<Self, Fault> {
        let word = |path: &[&str]| settings.word(path);
        let direction = match word(&["canary", "direction"])?.as_deref() {
            Some("increase") => Direction::Increase,
            Some("decrease") => Direction::Decrease,
            _ => Direction::Either,
        };
        let nans = match word(&["canary", "nanStrategy"])?.as_deref() {
            Some("replace") => Nans::Replace,
            _ => Nans::Remove,
        };
        let removes = word(&["canary", "outliers", "strategy"])?.as_deref() == Some("remove");
        let factor = settings.number(&["canary", "outliers", "outlierFactor"], Fence::FACTOR)?;
        if removes && factor <= 0.0 {
            return Err(Fault::Factor);
        }
        let measure = match word(&["canary", "effectSize", "measure"])?.as_deref() {
            Some("cles") => Measure::Cles,
            _ => Measure::MeanRatio,
        };
        let limit = |name| settings.number(&["canary", "effectSize", name], measure.none());
        Ok(Self {
            direction,
            nans,
            outliers: removes.then_some(Fence {
                factor,
                widened: true,
            }),
            critical: settings.flag(&["canary", "critical"])?,
            must_have_data: settings.flag(&["canary", "mustHaveData"])?,
            muted: settings.flag(&["canary", "muted"])?,
            measure,
            allowed: Limits {
                increase: limit("allowedIncrease")?,
                decrease: limit("allowedDecrease")?,
            },
            critical_limits: Limits {
                increase: limit("criticalIncrease")?,
                decrease: limit("criticalDecrease")?,
            },
        })
    }
}
