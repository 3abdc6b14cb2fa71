//! Manifests of labelled pairs: JSON with one entry per case, each a file of
//! `timestamp_s,baseline,canary` rows.

use crate::units::Harm;
use serde_json::Value;

/// Cases of a manifest; a longer one is refused.
pub const CASES_MAX: usize = 100_000;

/// What is known to be true of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Both arms are healthy: any rollback is false.
    Healthy,
    /// The canary is worse from the onset on.
    Regression,
    /// The canary has no data worth the name: a promote is wrong.
    NoData,
}

/// One labelled pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// Its rows, relative to the manifest.
    pub file: String,
    /// What is true.
    pub label: Label,
    /// Which direction is harm.
    pub harm: Harm,
    /// The kind of metric; empty when the manifest does not say.
    pub kind: String,
    /// How honest the comparison is; empty when the manifest does not say.
    pub pairing: String,
    /// The recording it was cut from, with its source: cases of one are no independent evidence.
    pub cluster: String,
    /// Samples before the regression begins; 0 for others.
    pub onset: usize,
    /// How strong the regression is; empty when the manifest does not say.
    pub strength: String,
    /// Whether the regression can be seen in this metric at all.
    pub scored: bool,
    /// Seconds between samples, where the manifest says; only delays in seconds need it.
    pub step_s: Option<f64>,
    /// The range window of the query the values came from, in seconds.
    pub window_s: Option<f64>,
}

/// Reads a manifest.
///
/// # Errors
/// The first thing that is wrong with it, with the case's id.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let root: Value = serde_json::from_str(text)
        .map_err(|fault| format!("not readable as a JSON manifest: {fault}"))?;
    let cases = root
        .get("cases")
        .and_then(Value::as_array)
        .ok_or("it has no list `cases`")?;
    if cases.len() > CASES_MAX {
        return Err(format!(
            "{} cases, at most {CASES_MAX}; split it",
            cases.len()
        ));
    }
    let mut out: Vec<Case> = Vec::with_capacity(cases.len());
    let mut ids = std::collections::BTreeSet::new();
    for (idx, entry) in cases.iter().enumerate() {
        let case = case(entry, idx)?;
        if !ids.insert(case.id.clone()) {
            return Err(format!("case `{}` stands there twice", case.id));
        }
        out.push(case);
    }
    Ok(out)
}

fn case(entry: &Value, idx: usize) -> Result<Case, String> {
    let id = entry
        .get("id")
        .and_then(Value::as_str)
        .ok_or_else(|| format!("case number {} has no text field `id`", idx + 1))?;
    let present = |name: &str| entry.get(name).filter(|value| !value.is_null());
    let missing = |name: &str| format!("case `{id}`: the text field `{name}` is missing");
    let text = |name: &str| -> Result<&str, String> {
        present(name)
            .and_then(Value::as_str)
            .ok_or_else(|| missing(name))
    };
    let optional = |name: &str| {
        present(name)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    let number = |name: &str| present(name).and_then(Value::as_f64).filter(|v| *v > 0.0);
    let label = match text("label")? {
        "healthy_aa" => Label::Healthy,
        "regression" => Label::Regression,
        "nodata" => Label::NoData,
        other => {
            return Err(format!(
                "case `{id}`: label `{other}` is none of healthy_aa, regression, nodata"
            ));
        }
    };
    let harm = text("direction_of_harm")?;
    let harm = Harm::from_word(harm).ok_or_else(|| {
        format!("case `{id}`: direction_of_harm `{harm}` is none of increase, decrease, either")
    })?;
    let onset = present("onset_index").and_then(Value::as_u64);
    if label == Label::Regression && onset.is_none() {
        return Err(format!(
            "case `{id}`: a regression needs `onset_index`, the samples before it begins"
        ));
    }
    let onset = onset
        .and_then(|onset| usize::try_from(onset).ok())
        .unwrap_or(0);
    Ok(Case {
        id: id.to_owned(),
        file: text("file")?.to_owned(),
        label,
        harm,
        kind: optional("metric_kind"),
        pairing: optional("pairing"),
        // Without a cluster every case is its own.
        cluster: match present("cluster").and_then(Value::as_str) {
            Some(cluster) => format!("{} / {cluster}", optional("source")),
            None => format!("case {id}"),
        },
        onset: if label == Label::Regression { onset } else { 0 },
        strength: optional("strength"),
        scored: present("scored").and_then(Value::as_bool).unwrap_or(true),
        step_s: number("step_seconds"),
        window_s: number("rate_window_s"),
    })
}
