//! Kayenta's canary configs (JSON). Templates of queries are expanded as Kayenta does it, but for
//! `${scope}`, which picks the arm, and every other variable, which becomes an input.

mod asking;
mod metric;
mod query;

use crate::import::draft::{Draft, Judging, Kind, name_from, plain};
use crate::import::source::{Fields, Source, json, right_tool};
use crate::import::{Wish, step_of};
use crate::time::Span;
use std::collections::BTreeMap;

/// The scores a canary stage of Spinnaker starts with.
const SCORES: (f64, f64) = (75.0, 50.0);

/// The whole of the group weights.
const WHOLE: f64 = 100.0;

/// What is known of the whole config while its metrics are read.
struct Config<'c> {
    templates: BTreeMap<String, String>,
    weights: Vec<(String, f64)>,
    step: Span,
    faithful: bool,
    file: &'c str,
}

/// Reads a config.
pub(super) fn draft(
    source: Source<'_>,
    wish: &Wish,
    faithful: bool,
    scores: Option<(f64, f64)>,
) -> Result<Draft, String> {
    let object = json(source)?;
    let whole = Fields::of(source.name, "the canary config", &object.node)?;
    other_document(&whole)?;
    let name = whole.text("name")?.unwrap_or_else(|| "imported".to_owned());
    let mut draft = Draft::new(&name, format!("a canary config of Kayenta, `{name}`"));
    draft.description = whole.text("description")?.unwrap_or_default();
    whole.skip(&[
        "id",
        "configVersion",
        "applications",
        "createdTimestamp",
        "updatedTimestamp",
        "createdTimestampIso",
        "updatedTimestampIso",
    ]);
    judge(&mut draft, &whole)?;
    let mut config = Config {
        templates: BTreeMap::new(),
        weights: Vec::new(),
        step: step_of(wish),
        faithful,
        file: source.name,
    };
    if let Some(templates) = whole.map("templates")? {
        for (name, _, _) in templates.entries() {
            config.templates.insert(name.clone(), templates.need(name)?);
        }
    }
    let given = classifier(&mut draft, &whole, &mut config)?;
    draft.time(
        "step",
        config.step,
        "as often as Kayenta asks; at least two scrapes",
    );
    if wish.deadline.is_none() {
        draft.note(
            Kind::Choose,
            "the config does not say how long an analysis takes: that is in the canary stage \
         (lifetime, interval, warm-up); set `deadline`, `look_every` and `warmup` by it",
        );
    }
    let metrics = whole.list("metrics")?;
    for (idx, node) in metrics.iter().enumerate() {
        let fields = Fields::of(source.name, &format!("metric {}", idx + 1), node)?;
        metric::read(&mut draft, &fields, &config)?;
    }
    draft.notes.extend(whole.rest(None));
    judging(&mut draft, &config, scores.or(given));
    Ok(draft)
}

/// What is JSON, too, and no canary config.
fn other_document(whole: &Fields<'_>) -> Result<(), String> {
    let file = whole.file;
    if let Some(kind) = whole.text("kind")? {
        let tool = right_tool(&[&kind]);
        return Err(format!(
            "{file}: a `{kind}` of Kubernetes is no canary config{tool}"
        ));
    }
    if whole.get("metrics").is_none() && whole.get("canaryConfig").is_none() {
        return Err(format!(
            "{file}: it has no `metrics`, so it is no canary config of Kayenta; export one with \
             its API (GET /canaryConfig/{{id}}) or from Deck"
        ));
    }
    if whole.get("canaryConfig").is_some() {
        return Err(format!(
            "{file}: this is a request for a run; import what is under `canaryConfig`"
        ));
    }
    Ok(())
}

fn judge(draft: &mut Draft, whole: &Fields<'_>) -> Result<(), String> {
    let Some(judge) = whole.map("judge")? else {
        return Ok(());
    };
    let name = judge.text("name")?.unwrap_or_default();
    judge.skip(&["judgeConfigurations"]);
    draft.notes.extend(judge.rest(None));
    if !name.is_empty() && name != "NetflixACAJudge-v1.0" {
        let text = format!("the judge was `{name}`, which does not exist here");
        draft.note(Kind::Changed, text);
    }
    Ok(())
}

/// The weights of the groups, and the thresholds, where the config holds them.
fn classifier(
    draft: &mut Draft,
    whole: &Fields<'_>,
    config: &mut Config<'_>,
) -> Result<Option<(f64, f64)>, String> {
    let Some(classifier) = whole.map("classifier")? else {
        return Ok(None);
    };
    if let Some(weights) = classifier.map("groupWeights")? {
        for (name, _, _) in weights.entries() {
            let weight = weights.number(name)?.unwrap_or(0.0);
            config.weights.push((name.clone(), weight));
        }
    }
    let mut given = None;
    if let Some(thresholds) = classifier.map("scoreThresholds")? {
        let pass = thresholds.number("pass")?.unwrap_or(SCORES.0);
        let marginal = thresholds.number("marginal")?.unwrap_or(SCORES.1);
        given = Some((pass, marginal));
        draft.notes.extend(thresholds.rest(None));
    }
    draft.notes.extend(classifier.rest(None));
    Ok(given)
}

fn judging(draft: &mut Draft, config: &Config<'_>, scores: Option<(f64, f64)>) {
    if !config.faithful {
        draft.note(
            Kind::Better,
            "Kayenta runs one Mann-Whitney test at 98 % for each metric and each run, without a \
             correction for how many there are, how often it looks or how values hang together in \
             time; here `false_rollback` holds for all metrics and looks together",
        );
        draft.note(
            Kind::Changed,
            "the score and its thresholds decide nothing: a gate shown worse rolls back, and \
             every gate must hold for a promote; the score is still shown (`--judge kayenta` \
             keeps Kayenta's judge)",
        );
        return;
    }
    let (pass, marginal) = scores.unwrap_or(SCORES);
    if scores.is_none() {
        let text = "the score thresholds are in the canary stage, not in the config: 75 and 50 \
                    are those a new stage has (--pass, --marginal)";
        draft.note(Kind::Choose, text);
    }
    draft.note(
        Kind::Kept,
        "Kayenta's judge number for number, its faults included; docs/judges.md lists them",
    );
    let weights = weights(draft, config);
    draft.judging = Judging::Kayenta {
        pass,
        marginal: marginal.min(pass),
        weights,
    };
}

/// The weights of groups that have a metric, such that a score reaches from 0 to 100.
fn weights(draft: &mut Draft, config: &Config<'_>) -> Vec<(String, f64)> {
    let groups: Vec<String> = draft
        .metrics
        .iter()
        .filter_map(|m| m.group.clone())
        .collect();
    let mut weights: Vec<(String, f64)> = Vec::new();
    for (group, weight) in &config.weights {
        let name = name_from(group);
        if groups.contains(&name) {
            weights.push((name, *weight));
        } else {
            let text = format!(
                "group `{group}` has a weight of {} and no metric",
                plain(*weight)
            );
            draft.note(Kind::Unread, text);
        }
    }
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let all = groups
        .iter()
        .all(|group| weights.iter().any(|(name, _)| name == group));
    if sum > WHOLE || (all && !weights.is_empty() && sum < WHOLE && sum > 0.0) {
        for (_, weight) in &mut weights {
            *weight *= WHOLE / sum;
        }
        let text = format!(
            "the weights of the groups summed to {}, so that a score could not reach from 0 to \
             100; they are scaled to 100",
            plain(sum)
        );
        draft.note(Kind::Changed, text);
    } else if sum <= 0.0 {
        weights.clear();
    }
    weights
}
