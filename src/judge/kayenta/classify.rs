//! High, Low or Pass: one pair of samples, transformed already. The first rule that holds wins.

use crate::judge::kayenta::effect::{self, Measure};
use crate::judge::kayenta::interval::{self, Roots, Shift};
use crate::judge::kayenta::noise;
use crate::judge::kayenta::settings::{Direction, MetricSettings};
use crate::judge::kayenta::shifted::Scratch;
use crate::judge::kayenta::transform::Nans;

/// What a pair is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Not shown different, or nothing to say.
    Pass,
    /// The experiment is higher.
    High,
    /// The experiment is lower.
    Low,
    /// A side is empty. Not counted, unless half of all metrics are.
    Nodata,
    /// A side of a metric that must have data is empty. Counted as a failure.
    NodataFailMetric,
    /// No interval could be computed. Not counted: **a metric in error fails nothing**.
    Error,
}

impl Label {
    /// Kayenta's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::High => "High",
            Self::Low => "Low",
            Self::Nodata => "Nodata",
            Self::NodataFailMetric => "NodataFailMetric",
            Self::Error => "Error",
        }
    }

    /// The reverse of [`Label::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        use Label::{Error, High, Low, Nodata, NodataFailMetric, Pass};
        [Pass, High, Low, Nodata, NodataFailMetric, Error]
            .into_iter()
            .find(|label| label.word() == word)
    }
}

/// The rule by which an interval becomes a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The near limit must lie beyond this part of the estimate.
    pub tolerance: f64,
    /// The quantile of the interval.
    pub z: f64,
    /// How exactly it is found.
    pub roots: Roots,
}

impl Rule {
    /// What Kayenta's judge has built in; its settings for them are ignored.
    pub fn kayenta() -> Self {
        Self {
            tolerance: 0.25,
            z: interval::z_of(CONFIDENCE),
            roots: Roots::Compatible,
        }
    }
}

/// The confidence of the judge's intervals.
pub const CONFIDENCE: f64 = 0.98;

/// Two samples and what they are called in reasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair<'s> {
    /// The baseline.
    pub control: &'s [f64],
    /// The canary.
    pub experiment: &'s [f64],
    /// What the judge calls the sides, experiment first.
    pub sides: (&'s str, &'s str),
}

impl<'s> Pair<'s> {
    /// A pair as the judge calls its sides.
    pub const fn new(control: &'s [f64], experiment: &'s [f64]) -> Self {
        let sides = ("Canary", "Baseline");
        Self {
            control,
            experiment,
            sides,
        }
    }
}

/// What is said of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// The label.
    pub label: Label,
    /// Why, in Kayenta's words.
    pub reason: Option<String>,
    /// Mean ratio, whatever measure decided; `None` with an error.
    pub ratio: Option<f64>,
    /// The failure fails the whole judgement.
    pub critical: bool,
    /// The interval, when one was needed.
    pub shift: Option<Shift>,
    /// The measure that decided, when an interval was needed.
    pub effect: Option<f64>,
}

impl Classification {
    fn plain(label: Label, reason: Option<String>) -> Self {
        Self {
            label,
            reason,
            ratio: Some(1.0),
            critical: false,
            shift: None,
            effect: None,
        }
    }
}

/// Classifies `pair`, the metric `name`.
pub fn classify(
    name: &str,
    pair: Pair<'_>,
    settings: &MetricSettings,
    rule: Rule,
    scratch: &mut Scratch,
) -> Classification {
    let (control, experiment) = (pair.control, pair.experiment);
    if control.is_empty() || experiment.is_empty() {
        return empty(name, settings);
    }
    match sameness(control, experiment) {
        Sameness::Identical => {
            let (x, y) = pair.sides;
            let reason = format!("The {x} and {y} data are identical");
            Classification::plain(Label::Pass, Some(reason))
        }
        Sameness::OneValue => Classification::plain(Label::Pass, None),
        Sameness::TwoConstants => {
            let noisy = (noise::constant(control), noise::constant(experiment));
            compare(name, (&noisy.0, &noisy.1), settings, rule, scratch)
        }
        Sameness::Different => compare(name, (control, experiment), settings, rule, scratch),
    }
}

fn empty(name: &str, settings: &MetricSettings) -> Classification {
    if settings.nans == Nans::Replace {
        return Classification::plain(Label::Pass, None);
    }
    let fails = settings.must_have_data && !settings.critical;
    let label = if fails {
        Label::NodataFailMetric
    } else {
        Label::Nodata
    };
    Classification {
        critical: settings.critical,
        ..Classification::plain(label, Some(format!("Missing data for {name}")))
    }
}

enum Sameness {
    Identical,
    OneValue,
    TwoConstants,
    Different,
}

#[expect(clippy::float_cmp, reason = "the same values, not near ones")]
fn sameness(control: &[f64], experiment: &[f64]) -> Sameness {
    let constant = |values: &[f64]| values.windows(2).all(|two| matches!(two, [a, b] if a == b));
    if constant(control) && constant(experiment) {
        return match (
            control.len() == experiment.len(),
            control.first() == experiment.first(),
        ) {
            (true, true) => Sameness::Identical,
            (false, true) => Sameness::OneValue,
            (_, false) => Sameness::TwoConstants,
        };
    }
    // Equal sums of the bits come first: sorting is what most pairs do not need.
    let same = control.len() == experiment.len() && bits(control) == bits(experiment);
    if same && sorted(control) == sorted(experiment) {
        Sameness::Identical
    } else {
        Sameness::Different
    }
}

/// The same for the same values in any order.
fn bits(values: &[f64]) -> u64 {
    let bits = values.iter().map(|v| (v + 0.0).to_bits());
    bits.fold(0, u64::wrapping_add)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn compare(
    name: &str,
    (control, experiment): (&[f64], &[f64]),
    settings: &MetricSettings,
    rule: Rule,
    scratch: &mut Scratch,
) -> Classification {
    let ratio = effect::mean_ratio(control, experiment);
    let Ok(shift) = interval::shift(control, experiment, rule.z, rule.roots, scratch) else {
        return Classification {
            ratio: None,
            ..Classification::plain(
                Label::Error,
                Some("Metric Classification Failed".to_owned()),
            )
        };
    };
    let size = match settings.measure {
        Measure::MeanRatio => ratio,
        Measure::Cles => effect::cles(control, experiment),
    };
    // An effect that cannot be computed holds nothing back.
    let at_least = |limit: f64| size.is_nan() || size >= limit;
    let at_most = |limit: f64| size.is_nan() || size <= limit;
    let bound = rule.tolerance * shift.estimate.abs();
    let asked = |direction| [direction, Direction::Either].contains(&settings.direction);
    let (allowed, critical) = (settings.allowed, settings.critical_limits);
    let high = asked(Direction::Increase) && shift.lower > bound && at_least(allowed.increase);
    let low = asked(Direction::Decrease) && shift.upper < -bound && at_most(allowed.decrease);
    let (label, beyond) = if high {
        (Label::High, at_least(critical.increase))
    } else if low {
        (Label::Low, at_most(critical.decrease))
    } else {
        (Label::Pass, false)
    };
    let critical = settings.critical && beyond;
    let word = label.word();
    let reason = match (label, critical) {
        (Label::Pass, _) => None,
        (_, true) => Some(format!(
            "The metric {name} was classified as {word} (Critical)"
        )),
        (_, false) => Some(format!("{name} was classified as {word}")),
    };
    Classification {
        label,
        reason,
        ratio: Some(ratio),
        critical,
        shift: Some(shift),
        effect: Some(size),
    }
}

/// Whether the mean of the experiment exceeds that of the control: Kayenta's benchmark for
/// classifiers, not a judge.
pub fn by_mean(control: &[f64], experiment: &[f64]) -> Label {
    let ratio = effect::mean_ratio(control, experiment);
    if control.is_empty() || experiment.is_empty() {
        Label::Nodata
    } else if ratio > 1.0 {
        Label::High
    } else if ratio < 1.0 {
        Label::Low
    } else {
        Label::Pass
    }
}
