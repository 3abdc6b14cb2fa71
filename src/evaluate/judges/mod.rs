//! The judges that are compared: those of the product, by the method's word, and peers that only
//! exist here, under one seam. A judge is prepared once for a setting and then asked of many
//! trials.

mod product;

use crate::diagnostic::closest;
use crate::evaluate::peers::kayenta::Kayenta;
use crate::evaluate::peers::threshold::Threshold;
use crate::evaluate::trial::{Path, Setting, Trial};

/// A judge that knows the setting and only waits for data.
pub trait Ready: Send + Sync {
    /// What it says at each look of a trial.
    ///
    /// # Errors
    /// A judge that failed: what it said.
    fn path(&self, trial: &Trial) -> Result<Path, String>;
}

/// A judge by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Judge {
    /// A method of the product.
    Product(String),
    /// The rule of Kayenta's judge.
    Kayenta(Kayenta),
    /// A fixed threshold.
    Threshold(Threshold),
}

/// The one number that makes a judge stricter or laxer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knob {
    /// What it is.
    pub name: &'static str,
    /// Its strictest value.
    pub strict: f64,
    /// Its laxest.
    pub lax: f64,
    /// What its distance is measured from, on a log scale.
    pub origin: f64,
}

/// Words of the product's methods, known or to come; those the template language accepts exist.
const METHODS: [&str; 3] = ["sequential", "mann-whitney", "kayenta"];

impl Judge {
    /// The judges of a comma-separated list.
    ///
    /// # Errors
    /// A name that nobody has; the message lists what exists.
    pub fn select(list: &str) -> Result<Vec<Self>, String> {
        let mut out: Vec<Self> = Vec::new();
        for word in list.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            let judge = Self::from_name(word).ok_or_else(|| unknown(word))?;
            if !out.contains(&judge) {
                out.push(judge);
            }
        }
        if out.is_empty() {
            return Err(format!(
                "no judge is named; there are {}",
                Self::names().join(", ")
            ));
        }
        Ok(out)
    }

    /// The judge of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        let peers = Self::peers();
        peers
            .into_iter()
            .find(|peer| peer.name() == name)
            .or_else(|| product::exists(name).then(|| Self::Product(name.to_owned())))
    }

    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::Product(word) => word,
            Self::Kayenta(kayenta) => kayenta.name(),
            Self::Threshold(threshold) => threshold.name(),
        }
    }

    /// Every name there is.
    pub fn names() -> Vec<String> {
        let methods = METHODS.into_iter().filter(|word| product::exists(word));
        let peers = Self::peers();
        methods
            .map(str::to_owned)
            .chain(peers.iter().map(|peer| peer.name().to_owned()))
            .collect()
    }

    fn peers() -> Vec<Self> {
        vec![
            Self::Kayenta(Kayenta::EACH),
            Self::Kayenta(Kayenta::EACH_BEYOND_10),
            Self::Kayenta(Kayenta::END),
            Self::Threshold(Threshold::FLAGGER),
            Self::Threshold(Threshold::ARGO),
        ]
    }

    /// What makes it stricter; `None` where nothing does: Kayenta's score knows no error rate.
    pub fn knob(&self) -> Option<Knob> {
        match self {
            Self::Product(word) if word == "kayenta" => None,
            Self::Product(_) => Some(Knob {
                name: "alpha",
                strict: 1e-30,
                lax: 0.9,
                origin: 0.0,
            }),
            Self::Kayenta(_) => Some(Kayenta::KNOB),
            Self::Threshold(_) => Some(Threshold::KNOB),
        }
    }

    /// The judge for a setting, as strict as `knob` says, or as it is.
    ///
    /// # Errors
    /// A setting that no plan can be made of.
    pub fn prepare(&self, setting: &Setting, knob: Option<f64>) -> Result<Box<dyn Ready>, String> {
        Ok(match self {
            Self::Product(word) => Box::new(product::Product::new(word, setting, knob)?),
            Self::Kayenta(kayenta) => Box::new(kayenta.ready(setting, knob)),
            Self::Threshold(threshold) => Box::new(threshold.ready(setting, knob)),
        })
    }
}

fn unknown(word: &str) -> String {
    let names = Judge::names();
    let near = closest(word, names.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
    format!(
        "unknown judge `{word}`{near}; there are {}",
        names.join(", ")
    )
}
