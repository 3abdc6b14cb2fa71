//! A canary config: one that was kept, or a template of the daemon under its own name, and what
//! is wrong with one before it is kept.

use super::bound;
use super::said::{Said, list, text, texts};
use super::wanted::Thresholds;
use crate::http::bind::{Chosen, named};
use crate::http::office::Office;
use crate::ids::{NAME_LEN_MAX, TemplateName};
use crate::template::{Measure, Role, Template};
use crate::units::Harm;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kind of paper.
pub(super) const KIND: &str = "kayenta.config";

/// Configs that are kept; a further one is refused.
pub(super) const CONFIGS_MAX: usize = 1000;

/// Kayenta's own judge.
pub(super) const KAYENTA: &str = "NetflixACAJudge-v1.0";

/// The judge that is valid under continuous looking.
pub(super) const SEQUENTIAL: &str = "haldane-sequential-v1";

/// What a template is judged by: as it says itself.
pub(super) const OWN: &str = "haldane-template";

/// Score thresholds with which a config is tried before it is kept; those of a new canary stage.
const TRIED: Thresholds = Thresholds {
    pass: 75.0,
    marginal: 50.0,
};

/// What can be run.
pub(super) enum Config {
    /// A canary config.
    Kept(Arc<Value>),
    /// A template.
    Template(Box<Chosen>),
}

impl Config {
    /// As it is shown.
    pub(super) fn document(&self) -> Value {
        match self {
            Self::Kept(value) => Value::clone(value),
            Self::Template(chosen) => shown(&chosen.template, &[]),
        }
    }
}

/// The config of this id: a kept one, else a template.
pub(super) fn find(office: &Office, id: &str) -> Result<Config, Said> {
    if let Some(paper) = office.desk.papers.get(KIND, id) {
        let why = || Said::bad(format!("canary config {id} cannot be read"));
        return office
            .kayenta
            .value(&paper)
            .map(Config::Kept)
            .ok_or_else(why);
    }
    let name = TemplateName::new(id);
    match name.map(|name| named(office, &name)) {
        Some(Ok(chosen)) => Ok(Config::Template(Box::new(chosen))),
        _ => Err(Said::missing(format!(
            "canary config '{id}' does not exist, nor a template of this name; \
             GET /kayenta/canaryConfig lists those there are"
        ))),
    }
}

/// Whether a config is judged sequentially.
pub(super) fn is_sequential(office: &Office, config: &Value) -> Result<bool, Said> {
    let name = config.get("judge").and_then(|judge| text(judge, "name"));
    match name.as_deref() {
        None | Some(KAYENTA) => Ok(office.desk.kayenta.sequential),
        Some(SEQUENTIAL) => Ok(true),
        Some(other) => Err(Said::bad(format!(
            "Unable to resolve canary judge '{other}'; there are {KAYENTA} and {SEQUENTIAL}"
        ))),
    }
}

/// Whether a config can be kept: every fault at once.
pub(super) fn check(office: &Office, config: &Value) -> Result<(), Said> {
    let mut faults = Vec::new();
    match text(config, "name") {
        None => faults.push("Canary config must specify a name.".to_owned()),
        Some(name) => {
            let legal = |c: char| c.is_ascii_alphanumeric() || ",-_".contains(c);
            if name.len() > NAME_LEN_MAX || !name.chars().all(legal) {
                faults.push(format!(
                    "Canary config name '{name}' must have 1 to {NAME_LEN_MAX} letters, digits \
                     and any of , - _"
                ));
            }
        }
    }
    if texts(config, "applications").is_empty() {
        faults.push("Canary config must specify at least one application.".to_owned());
    }
    let metrics = list(config, "metrics");
    if metrics.is_empty() {
        faults.push("Canary config must contain at least one metric.".to_owned());
    }
    let mut names: Vec<String> = Vec::new();
    for metric in metrics {
        match text(metric, "name") {
            None => faults.push("Metric config must specify a name.".to_owned()),
            Some(name) if names.contains(&name) => faults.push(format!(
                "Metric config name must be unique. '{name}' is duplicated."
            )),
            Some(name) => names.push(name),
        }
    }
    match is_sequential(office, config) {
        Err(said) => faults.push(said.message().to_owned()),
        Ok(sequential) if faults.is_empty() => {
            if let Err(said) = bound::tried(config, sequential, TRIED) {
                faults.push(said.message().to_owned());
            }
        }
        Ok(_) => {}
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Said::bad(faults.join("; ")))
    }
}

/// What of a config the list shows.
pub(super) fn entry(config: &Value) -> Value {
    let mut out = serde_json::Map::new();
    for field in [
        "id",
        "name",
        "updatedTimestamp",
        "updatedTimestampIso",
        "applications",
    ] {
        if let Some(value) = config.get(field) {
            out.insert(field.to_owned(), value.clone());
        }
    }
    Value::Object(out)
}

/// What of a template the list shows.
pub(super) fn template_entry(name: &TemplateName, applications: &[String]) -> Value {
    json!({ "id": name.as_str(), "name": name.as_str(), "applications": applications })
}

/// A template as a config, for `applications`.
pub(super) fn shown(template: &Template, applications: &[String]) -> Value {
    let mut weights: BTreeMap<&str, f64> = BTreeMap::new();
    for metric in &template.metrics {
        *weights.entry(metric.group.as_str()).or_default() += metric.weight.get();
    }
    let sum: f64 = weights.values().sum();
    let weights: BTreeMap<&str, f64> = weights
        .into_iter()
        .map(|(group, weight)| (group, 100.0 * weight / if sum > 0.0 { sum } else { 1.0 }))
        .collect();
    let metrics = template.metrics.iter().map(|metric| {
        let query = match &metric.measure {
            Measure::Series { query, .. } => query.clone(),
            Measure::Events { bad, total } => format!("{bad} / {total}"),
            Measure::Distribution { buckets, .. } => buckets.clone(),
        };
        let direction = match metric.harm {
            Harm::Increase => "increase",
            Harm::Decrease => "decrease",
            Harm::Either => "either",
        };
        json!({
            "name": metric.name.as_str(),
            "groups": [metric.group.as_str()],
            "scopeName": "default",
            "query": { "type": "prometheus", "serviceType": "prometheus",
                "customInlineTemplate": format!("PromQL:{query}") },
            "analysisConfigurations": { "canary": { "direction": direction,
                "critical": metric.role == Role::Critical, "muted": metric.role == Role::Info } },
        })
    });
    json!({
        "id": template.name.as_str(),
        "name": template.name.as_str(),
        "description": template.description,
        "configVersion": "1",
        "applications": applications,
        "judge": { "name": OWN, "judgeConfigurations": {} },
        "metrics": metrics.collect::<Vec<_>>(),
        "templates": {},
        "classifier": { "groupWeights": weights },
    })
}
