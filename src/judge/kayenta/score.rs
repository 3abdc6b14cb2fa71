//! From labels to a number: Kayenta's group scores, their weighted sum, and its classification.

use crate::judge::kayenta::classify::Label;
use std::collections::{BTreeMap, BTreeSet};

/// One metric as the score sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored<'m> {
    /// Its label.
    pub label: Label,
    /// The groups it belongs to; in none it is not scored at all.
    pub groups: Vec<&'m str>,
    /// Why it has its label.
    pub reason: Option<&'m str>,
    /// It fails the judgement unless it passes.
    pub critical: bool,
    /// It is left out.
    pub muted: bool,
}

/// The score of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupScore {
    /// The group.
    pub name: String,
    /// 100 × passed / counted, not rounded; 0 without data.
    pub score: f64,
    /// None of its metrics is counted: it enters the sum as if all had passed.
    pub no_data: bool,
}

/// The score of a judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The score, to two decimals. Usually 0 ..= 100; the weights are not checked.
    pub score: f64,
    /// Why it is 0, when something else than the sum made it so.
    pub reason: Option<String>,
    /// The groups by name.
    pub groups: Vec<GroupScore>,
}

/// What a score is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Below the marginal threshold.
    Fail,
    /// Between the thresholds.
    Marginal,
    /// At or above the pass threshold.
    Pass,
}

impl Class {
    /// Kayenta's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "Fail",
            Self::Marginal => "Marginal",
            Self::Pass => "Pass",
        }
    }
}

/// The share of metrics without data, in percent, at which the judgement fails.
const NODATA_PERCENT: f64 = 50.0;

/// The score of `metrics`, with the weights of those groups that have one, in percent.
pub fn summarise(metrics: &[Scored<'_>], weights: &BTreeMap<&str, f64>) -> Summary {
    let counted: Vec<&Scored<'_>> = metrics.iter().filter(|m| !m.muted).collect();
    let groups = groups(&counted);
    let fatal = |m: &&&Scored<'_>| m.critical && m.label != Label::Pass;
    let empty = counted.iter().filter(|m| m.label == Label::Nodata).count();
    let (score, reason) = if let Some(first) = counted.iter().find(fatal) {
        let reason = first.reason.unwrap_or_default();
        (0.0, Some(format!("Canary Failed: {reason}")))
    } else if !counted.is_empty() && 100.0 * empty as f64 / counted.len() as f64 >= NODATA_PERCENT {
        let reason = "Canary Failed: 50% or more metrics returned NODATA";
        (0.0, Some(reason.to_owned()))
    } else {
        (two_decimals(weighted_sum(&groups, weights)), None)
    };
    Summary {
        score,
        reason,
        groups,
    }
}

fn groups(counted: &[&Scored<'_>]) -> Vec<GroupScore> {
    let names: BTreeSet<&str> = counted.iter().flat_map(|m| m.groups.clone()).collect();
    let score = |name: &str| {
        let members = || counted.iter().filter(|m| m.groups.contains(&name));
        let with = |wanted: &[Label]| members().filter(|m| wanted.contains(&m.label)).count();
        let total = with(&[
            Label::Pass,
            Label::High,
            Label::Low,
            Label::NodataFailMetric,
        ]);
        let passed = with(&[Label::Pass]);
        GroupScore {
            name: name.to_owned(),
            score: if total == 0 {
                0.0
            } else {
                passed as f64 / total as f64 * 100.0
            },
            no_data: total == 0,
        }
    };
    names.into_iter().map(score).collect()
}

/// Groups without a weight share what the configured weights leave of 100, which may be less than
/// nothing.
fn weighted_sum(groups: &[GroupScore], weights: &BTreeMap<&str, f64>) -> f64 {
    let weight = |group: &GroupScore| weights.get(group.name.as_str()).copied();
    let free = groups
        .iter()
        .filter(|group| weight(group).is_none())
        .count();
    let rest = (100.0 - weights.values().sum::<f64>()) / free.max(1) as f64;
    groups
        .iter()
        .map(|group| {
            let score = if group.no_data { 100.0 } else { group.score };
            score * (weight(group).unwrap_or(rest) / 100.0)
        })
        .sum()
}

/// Rounds half up on the shortest decimal form: 1.005 is 1.01.
pub fn two_decimals(value: f64) -> f64 {
    let text = format!("{}", value.abs());
    let Some((whole, fraction)) = text.split_once('.') else {
        return value;
    };
    if fraction.len() <= 2 {
        return value;
    }
    let (kept, rest) = fraction.split_at(2);
    let up = rest.as_bytes().first().is_some_and(|digit| *digit >= b'5');
    let hundredths = format!("{whole}{kept}").parse::<f64>().unwrap_or(0.0);
    ((hundredths + f64::from(u8::from(up))) / 100.0).copysign(value)
}

/// What `score` is called between the thresholds; one that is not given is 0.
pub fn class(score: f64, pass: Option<f64>, marginal: Option<f64>) -> Class {
    if score >= pass.unwrap_or(0.0) {
        Class::Pass
    } else if score >= marginal.unwrap_or(0.0) {
        Class::Marginal
    } else {
        Class::Fail
    }
}
