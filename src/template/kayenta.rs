//! What `judge.method: kayenta` reads beside the usual fields: the thresholds of the score under
//! `judge.score`, the weights of the groups, and a metric's own options under its `kayenta`.
//!
//! What Kayenta shares with the other judges keeps its usual name: `harm` is its direction,
//! `role: critical` its `critical`, `role: info` its `muted`, `gaps: zero` its
//! `nanStrategy: replace`, `group` its group, and a relative `min_effect` its allowed increase and
//! decrease unless `effect_size` says otherwise.

use crate::diagnostic::Place;
use crate::ids::GroupName;
use crate::template::document::{Node, Value};
use crate::template::fields::Reader;
use crate::template::schema::written;

/// The score thresholds Spinnaker starts a canary stage with.
const PASS: f64 = 75.0;
const MARGINAL: f64 = 50.0;

/// The factor of the outlier removal.
const OUTLIER_FACTOR: f64 = 3.0;

/// The largest factor and the largest limit of an effect; a larger one is refused (C008): nothing
/// would ever be an outlier, or an effect.
const OPTION_MAX: f64 = 1e9;

/// The whole of the group weights, and of a score.
const WHOLE: f64 = 100.0;

/// How a judgement is scored.
#[derive(Clone, Debug, PartialEq)]
pub struct KayentaSpec {
    /// A score from here up is a pass; 0 ..= 100.
    pub pass: f64,
    /// A score below is a failure; at most `pass`.
    pub marginal: f64,
    /// Weights in percent. Groups that are not named share the rest.
    pub group_weights: Vec<(GroupName, f64)>,
}

impl Default for KayentaSpec {
    fn default() -> Self {
        Self {
            pass: PASS,
            marginal: MARGINAL,
            group_weights: Vec::new(),
        }
    }
}

/// What is asked of one metric beside the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KayentaOptions {
    /// Outliers are removed beyond so many distances between the quartiles.
    pub outlier_factor: Option<f64>,
    /// Being empty counts as a failure of the metric (`no_data: fail`).
    pub must_have_data: bool,
    /// Which effects count.
    pub effect_size: Option<EffectSize>,
}

/// Which measure tells the size of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectMeasure {
    /// Ratio of the means.
    MeanRatio,
    /// Probability that a value of the canary exceeds one of the baseline.
    Cles,
}

impl EffectMeasure {
    /// The word in templates.
    pub const fn word(self) -> &'static str {
        match self {
            Self::MeanRatio => "mean-ratio",
            Self::Cles => "cles",
        }
    }

    /// No effect.
    const fn none(self) -> f64 {
        match self {
            Self::MeanRatio => 1.0,
            Self::Cles => 0.5,
        }
    }
}

/// Limits of an effect: an increase counts from the limit up, a decrease from the limit down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EffectSize {
    /// What the limits are about.
    pub measure: EffectMeasure,
    /// The least effect that is an increase.
    pub allowed_increase: f64,
    /// The largest effect that is a decrease.
    pub allowed_decrease: f64,
    /// The least increase of a critical metric that fails the judgement.
    pub critical_increase: f64,
    /// The largest decrease of a critical metric that fails the judgement.
    pub critical_decrease: f64,
}

/// Whether outliers are removed.
pub(super) const STRATEGIES: [(&str, bool); 2] = [("keep", false), ("remove", true)];

/// Whether an empty side is a failure.
pub(super) const MEANINGS: [(&str, bool); 2] = [("ignore", false), ("fail", true)];

pub(super) const MEASURES: [(&str, EffectMeasure); 2] = [
    (EffectMeasure::MeanRatio.word(), EffectMeasure::MeanRatio),
    (EffectMeasure::Cles.word(), EffectMeasure::Cles),
];

/// Reads `judge.score`.
pub(super) fn read_score(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<KayentaSpec> {
    let usual = KayentaSpec::default();
    let Some(node) = node else {
        return Some(usual);
    };
    let fields = reader.map(node, "`score`", written::Score::FIELDS)?;
    let mut threshold = |name: &str, otherwise: f64| {
        fields.get(name).map_or(Some(otherwise), |node| {
            percent(reader, node, &format!("`{name}`"))
        })
    };
    let (pass, marginal) = (threshold("pass", PASS), threshold("marginal", MARGINAL));
    let weights = match fields.get("group_weights") {
        None => Some(Vec::new()),
        Some(node) => read_weights(reader, node),
    };
    let (pass, marginal) = (pass?, marginal?);
    if marginal > pass {
        let message = format!("`marginal` {marginal} lies above `pass` {pass}");
        let at = fields
            .get("marginal")
            .map_or(fields.place(), |node| node.place);
        reader.error(
            "C008",
            at,
            message,
            "no score would be marginal: lower `marginal`",
        );
        return None;
    }
    Some(KayentaSpec {
        pass,
        marginal,
        group_weights: weights?,
    })
}

fn percent(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<f64> {
    reader.number(node, what, "a number from 0 to 100", |value| {
        (0.0..=WHOLE).contains(&value).then_some(value)
    })
}

fn read_weights(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(GroupName, f64)>> {
    let Value::Map(entries) = &node.value else {
        reader.shape(node, "`group_weights`", "a map");
        return None;
    };
    let mut out = Vec::new();
    for (name, place, weight) in entries {
        let Some(group) = GroupName::new(name) else {
            let help = "1 to 200 letters, digits and any of . _ - : / @";
            reader.error("C009", *place, "a group's name is no name".to_owned(), help);
            continue;
        };
        out.extend(percent(reader, weight, "a weight").map(|weight| (group, weight)));
    }
    Some(out).filter(|out| out.len() == entries.len())
}

/// C008 when the weights cannot make a score of 0 to 100: `groups` are those that metrics name.
pub(super) fn check_weights<'g>(
    reader: &mut Reader<'_>,
    spec: &KayentaSpec,
    groups: impl Iterator<Item = &'g GroupName>,
    at: Place,
) {
    let sum: f64 = spec.group_weights.iter().map(|(_, weight)| weight).sum();
    let named: Vec<&GroupName> = groups.collect();
    let mut weights = spec.group_weights.iter();
    if let Some((stray, _)) = weights.find(|(name, _)| !named.contains(&name)) {
        let message = format!("`group_weights` names the group `{stray}`, which no metric is in");
        reader.error("C016", at, message, "its weight would be lost: remove it");
    }
    let weighted = |group: &&GroupName| spec.group_weights.iter().any(|(name, _)| name == *group);
    let all_weighted = !spec.group_weights.is_empty() && named.iter().all(weighted);
    if sum > WHOLE || (all_weighted && sum < WHOLE) {
        let message = format!("the weights of the groups sum to {sum}, not to 100");
        let help = "the score would not reach from 0 to 100: make them sum to 100, or leave out \
                    groups, which then share the rest";
        reader.error("C008", at, message, help);
    }
}

/// Reads a metric's `kayenta`.
pub(super) fn read_options(reader: &mut Reader<'_>, node: &Node) -> Option<KayentaOptions> {
    let fields = reader.map(node, "`kayenta`", written::Kayenta::FIELDS)?;
    let removes = fields.get("outliers").map_or(Some(false), |node| {
        reader.word(node, "outlier strategy", &STRATEGIES)
    });
    let factor = fields
        .get("outlier_factor")
        .map_or(Some(OUTLIER_FACTOR), |node| {
            reader.number(node, "`outlier_factor`", "a number above 0", |value| {
                (value > 0.0 && value <= OPTION_MAX).then_some(value)
            })
        });
    let must_have_data = fields.get("no_data").map_or(Some(false), |node| {
        reader.word(node, "meaning of no data", &MEANINGS)
    });
    let effect_size = match fields.get("effect_size") {
        None => Some(None),
        Some(node) => read_effect_size(reader, node).map(Some),
    };
    let (removes, factor) = (removes?, factor?);
    Some(KayentaOptions {
        outlier_factor: removes.then_some(factor),
        must_have_data: must_have_data?,
        effect_size: effect_size?,
    })
}

fn read_effect_size(reader: &mut Reader<'_>, node: &Node) -> Option<EffectSize> {
    let fields = reader.map(node, "`effect_size`", written::EffectSize::FIELDS)?;
    let measure = fields
        .get("measure")
        .map_or(Some(EffectMeasure::MeanRatio), |node| {
            reader.word(node, "measure", &MEASURES)
        })?;
    let mut limit = |name: &str| {
        fields.get(name).map_or(Some(measure.none()), |node| {
            reader.number(node, &format!("`{name}`"), "a number from 0", |value| {
                (0.0..=OPTION_MAX).contains(&value).then_some(value)
            })
        })
    };
    let (allowed_increase, allowed_decrease) =
        (limit("allowed_increase"), limit("allowed_decrease"));
    let (critical_increase, critical_decrease) =
        (limit("critical_increase"), limit("critical_decrease"));
    Some(EffectSize {
        measure,
        allowed_increase: allowed_increase?,
        allowed_decrease: allowed_decrease?,
        critical_increase: critical_increase?,
        critical_decrease: critical_decrease?,
    })
}
