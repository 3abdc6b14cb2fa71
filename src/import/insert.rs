//! A measured metric comes into the draft, with its limit as an objective.

use crate::import::draft::{Above, Draft, Effect, Input, Kind, Metric, Objective, plain};
use crate::import::measure::Measured;
use crate::time::Span;
use crate::units::Harm;
use std::collections::BTreeMap;

/// Objectives of a template, as many as there may be; further limits are only compared.
const OBJECTIVES_KEPT: usize = 20;

/// Puts a measured metric and its objective into the draft.
pub(super) fn insert(
    draft: &mut Draft,
    name: &str,
    role: &'static str,
    measured: Measured,
    (long, short): (Span, Span),
) {
    for (arm, matcher) in &measured.arms {
        draft
            .arms
            .push((*arm, unholed(&matcher.to_string(), &draft.inputs)));
    }
    for (kind, text) in &measured.notes {
        draft.of(name, *kind, text.clone());
    }
    let (effect, given) = measured.min_effect;
    let mut silenced = measured.silenced;
    if given {
        draft.of(
            name,
            Kind::Changed,
            "`min_effect` is the limit of the comparison in the source",
        );
    } else {
        let text = "the source names no smallest change worth a rollback (`min_effect`)";
        draft.of(name, Kind::Choose, text);
    }
    if let Effect::Relative(share) = effect
        && share > 1.0
    {
        let reason = format!("the source allows {} times", plain(share + 1.0));
        silenced.push((Above::MinEffect, "C052", reason));
    }
    if measured.harm == Harm::Either {
        let reason = "the source does not say which direction is harm".to_owned();
        silenced.push((Above::Harm, "C044", reason));
        let text = "`harm: either` rolls back improvements, too: name the harmful direction";
        draft.of(name, Kind::Choose, text);
    }
    if let Some((target, rungs)) = measured.objective {
        if draft.objectives.len() < OBJECTIVES_KEPT {
            let (long, short) = (long.max(short), short);
            let metric = name.to_owned();
            draft.objectives.push(Objective {
                metric,
                target,
                rungs,
                long,
                short,
            });
        } else {
            let text = format!("no objective: there are {OBJECTIVES_KEPT}, which is the limit");
            draft.of(name, Kind::Changed, text);
        }
    }
    draft.metrics.push(Metric {
        name: name.to_owned(),
        role,
        harm: measured.harm,
        min_effect: effect,
        unit: String::new(),
        group: None,
        weight: None,
        measure: measured.measure,
        kayenta: Vec::new(),
        silenced,
    });
}

/// A matcher with the values of its holes, as far as they are known.
fn unholed(text: &str, inputs: &[Input]) -> String {
    let values: BTreeMap<&str, String> = inputs
        .iter()
        .map(|input| {
            let default = input.default.clone();
            (
                input.name.as_str(),
                default.unwrap_or_else(|| input.name.to_uppercase()),
            )
        })
        .collect();
    let mut out = text.to_owned();
    for (name, value) in values {
        out = out.replace(&format!("${{{name}}}"), &value);
    }
    out
}
