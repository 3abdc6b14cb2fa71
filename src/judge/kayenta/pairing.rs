//! Which series of the two sides meet: by name and by equal tags.

use std::collections::{BTreeMap, BTreeSet};

/// One series of one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricSet {
    /// The metric's name.
    pub name: Option<String>,
    /// The labels that are left.
    pub tags: BTreeMap<String, String>,
    /// Its values in time order.
    pub values: Vec<f64>,
    /// The window and the distance between values in milliseconds, where known.
    pub span: Option<(i64, i64, i64)>,
}

/// Two series that are judged against each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The metric's name.
    pub name: String,
    /// The tags of both.
    pub tags: BTreeMap<String, String>,
    /// The baseline's values.
    pub control: Vec<f64>,
    /// The canary's.
    pub experiment: Vec<f64>,
}

/// Pairs the series of every metric, in the order of `names`; each pair is a metric of its own in
/// the score.
pub fn pair_all(
    names: &[&str],
    control: &[MetricSet],
    experiment: &[MetricSet],
) -> Result<Vec<Pair>, String> {
    let mut pairs = Vec::new();
    for name in names {
        let of = |sets: &[MetricSet]| -> Vec<MetricSet> {
            let named = sets.iter().filter(|set| set.name.as_deref() == Some(*name));
            named.cloned().collect()
        };
        let (control, experiment) = (of(control), of(experiment));
        if control.is_empty() {
            return Err(format!("No control metrics found for {name}"));
        }
        if experiment.is_empty() {
            return Err(format!("No experiment metrics found for {name}"));
        }
        pair_metric(control, experiment, &mut pairs)?;
    }
    Ok(pairs)
}

/// Pairs the series of one metric. Where exactly one side has a single series without tags, it
/// stands for "no data" beside each series of the other.
fn pair_metric(
    mut control: Vec<MetricSet>,
    mut experiment: Vec<MetricSet>,
    pairs: &mut Vec<Pair>,
) -> Result<(), String> {
    let untagged = |sets: &[MetricSet]| matches!(sets, [only] if only.tags.is_empty());
    match (untagged(&control), untagged(&experiment)) {
        (true, false) => control = placeholders(&experiment),
        (false, true) => experiment = placeholders(&control),
        _ => {}
    }
    let keys = |sets: &[MetricSet]| -> BTreeSet<String> {
        sets.iter()
            .flat_map(|set| set.tags.keys().cloned())
            .collect()
    };
    if keys(&control) != keys(&experiment) {
        return Err(format!(
            "Control metrics have different tag keys than the experiment tag set ({:?} / {:?})",
            keys(&control),
            keys(&experiment)
        ));
    }
    for ours in &control {
        let theirs = experiment.iter().find(|set| set.tags == ours.tags);
        pairs.push(pair_one(ours, theirs.unwrap_or(&placeholder(ours)))?);
    }
    for theirs in &experiment {
        if !control.iter().any(|set| set.tags == theirs.tags) {
            pairs.push(pair_one(&placeholder(theirs), theirs)?);
        }
    }
    Ok(())
}

fn placeholders(sets: &[MetricSet]) -> Vec<MetricSet> {
    sets.iter().map(placeholder).collect()
}

fn placeholder(set: &MetricSet) -> MetricSet {
    MetricSet {
        values: Vec::new(),
        ..set.clone()
    }
}

/// Puts two series together; what a side lacks at its end is filled with NaN. **Gaps inside a
/// series are not seen**, so "replace NaN by zero" does nothing for them.
pub fn pair_one(control: &MetricSet, experiment: &MetricSet) -> Result<Pair, String> {
    let Some(name) = &control.name else {
        return Err("Control metric set name was not set".to_owned());
    };
    let Some(other) = &experiment.name else {
        return Err("Experiment metric set name was not set".to_owned());
    };
    if name != other {
        return Err(format!(
            "Control metric set name {name} does not match experiment metric set name {other}"
        ));
    }
    Ok(Pair {
        name: name.clone(),
        tags: control.tags.clone(),
        control: filled(control),
        experiment: filled(experiment),
    })
}

fn filled(set: &MetricSet) -> Vec<f64> {
    let mut values = set.values.clone();
    if let Some((start, end, step)) = set.span
        && step > 0
    {
        let expected = usize::try_from((end - start) / step).unwrap_or(0);
        values.resize(values.len().max(expected), f64::NAN);
    }
    values
}
