//! One metric of a canary config.

use super::Config;
use super::asking::Asking;
use super::query::{Built, build};
use crate::import::draft::{
    Above, Draft, Effect, Input, Kind, Measure, Metric, Note, Options, name_from, percent,
};
use crate::import::measure::{Asked, Measured, holes, measure};
use crate::import::rewrite::{Arm, Picks};
use crate::import::source::Fields;
use crate::units::Harm;

/// Reads one metric into the draft; one that cannot be imported is a note.
pub(super) fn read(
    draft: &mut Draft,
    fields: &Fields<'_>,
    config: &Config<'_>,
) -> Result<(), String> {
    let called = fields.need("name")?;
    let name = draft.fresh_name(&called);
    let groups = fields.texts("groups")?;
    let asking = asking(draft, fields, &name)?;
    let scope = fields.text("scopeName")?;
    if let Some(scope) = scope.filter(|scope| scope != "default") {
        let text = format!("scope `{scope}`: a rollout has one pair of arms here");
        draft.of(&name, Kind::Changed, text);
    }
    let Some(query) = fields.map("query")? else {
        return Err(format!("{}: metric `{called}` has no `query`", config.file));
    };
    fields.skip(&["id"]);
    draft.notes.extend(fields.rest(Some(&name)));
    let built = match source_of(&query)? {
        None => build(&query, config)?,
        Some(other) => Err(format!("a query of `{other}`; Haldane reads Prometheus")),
    };
    // A query of another source has fields of its own.
    if built.is_ok() {
        draft.notes.extend(query.rest(Some(&name)));
    }
    let measured = built.and_then(|built| {
        let measured = measured(&built, &asking, config)?;
        Ok((built, measured))
    });
    match measured {
        Ok((built, measured)) => {
            declare(draft, &built);
            add(draft, config, &name, &groups, &asking, measured);
        }
        Err(text) => draft.notes.push(Note {
            metric: Some(name),
            kind: Kind::Refused,
            text,
            at: Some(query.at()),
        }),
    }
    Ok(())
}

fn asking(draft: &mut Draft, fields: &Fields<'_>, name: &str) -> Result<Asking, String> {
    let Some(all) = fields.map("analysisConfigurations")? else {
        return Asking::read(None);
    };
    let canary = all.map("canary")?;
    let asking = Asking::read(canary.as_ref())?;
    draft.notes.extend(all.rest(Some(name)));
    if let Some(canary) = &canary {
        draft.notes.extend(canary.rest(Some(name)));
    }
    Ok(asking)
}

/// The source of a query, when it is another one than Prometheus.
fn source_of(query: &Fields<'_>) -> Result<Option<String>, String> {
    let (kind, other) = (query.text("type")?, query.text("serviceType")?);
    Ok(kind.or(other).filter(|kind| kind != "prometheus"))
}

fn measured(built: &Built, asking: &Asking, config: &Config<'_>) -> Result<Measured, String> {
    let picks = Picks {
        canary: vec!["scope".to_owned()],
        ..Picks::default()
    };
    let measured = measure(&Asked {
        query: &built.query,
        numbers: &[],
        picks: &picks,
        step: config.step,
        faithful: config.faithful,
        harm: Some(asking.harm),
        limits: &[],
        equal_arms: true,
    })?;
    let queries = match &measured.measure {
        Measure::Series { query, .. } => vec![query],
        Measure::Events { bad, total } => vec![bad, total],
        Measure::Distribution { buckets, .. } => vec![buckets],
    };
    let elsewhere = queries.into_iter().flat_map(|query| holes(query));
    if elsewhere.into_iter().any(|hole| hole == "scope") {
        return Err(
            "`${scope}` stands where it is not the value of a label; the arms are told \
                    apart by labels"
                .to_owned(),
        );
    }
    Ok(measured)
}

fn declare(draft: &mut Draft, built: &Built) {
    for (name, default) in &built.variables {
        if draft.inputs.iter().any(|input| input.name == *name) {
            continue;
        }
        let description = match name.as_str() {
            "location" => "where it runs, as the scope's location said".to_owned(),
            other => format!("the variable `{other}` of the scope (extendedScopeParams)"),
        };
        draft.inputs.push(Input {
            name: name.clone(),
            default: default.clone(),
            description,
        });
    }
}

/// What a metric can do; one that nothing scores is shown only.
fn role(config: &Config<'_>, groups: &[String], asking: &Asking) -> &'static str {
    let weight = |group: &String| config.weights.iter().find(|(known, _)| known == group);
    let unscored = groups.is_empty()
        || groups
            .iter()
            .all(|group| weight(group).is_some_and(|(_, weight)| *weight <= 0.0));
    match (asking.muted, asking.critical, unscored) {
        (true, _, _) => "info",
        (_, true, _) => "critical",
        (_, _, true) => "info",
        _ => "required",
    }
}

fn add(
    draft: &mut Draft,
    config: &Config<'_>,
    name: &str,
    groups: &[String],
    asking: &Asking,
    measured: Measured,
) {
    for (arm, matcher) in &measured.arms {
        let whole = matcher.to_string();
        let value = whole.replace("${scope}", "SCOPE");
        if *arm == Arm::Canary && !draft.picked.contains(&whole) {
            draft.picked.push(whole);
        }
        for arm in [*arm, Arm::Baseline] {
            draft.arms.push((arm, value.clone()));
        }
    }
    for (kind, text) in &measured.notes {
        draft.of(name, *kind, text.clone());
    }
    let series = matches!(measured.measure, Measure::Series { .. });
    asking.say(draft, config, name, (groups, series));
    let role = role(config, groups, asking);
    let mut silenced = measured.silenced.clone();
    let (effect, given) = asking.effect(&measured);
    if let Effect::Relative(share) = effect
        && share > 1.0
    {
        let reason = format!("the config allows {}", percent(share));
        silenced.push((Above::MinEffect, "C052", reason));
    }
    if measured.harm == Harm::Either {
        let reason = "the config says `either`".to_owned();
        silenced.push((Above::Harm, "C044", reason));
    }
    if config.faithful && matches!(measured.measure, Measure::Series { .. }) {
        let reason = "kept as the source has it".to_owned();
        silenced.push((Above::Query, "C056", reason));
    }
    let ratio = asking.limits.iter().any(Option::is_some) && !asking.is_cles();
    if !given && ratio {
        let text = "`min_effect` is a share of requests now; the allowed ratio of quantiles is \
                    none: choose how many more slow requests are worth a rollback";
        draft.of(name, Kind::Choose, text);
    } else if !given {
        let text = "Kayenta calls any shift that its test finds a change; `min_effect` is the \
                    smallest one worth a rollback";
        draft.of(name, Kind::Choose, text);
    }
    draft.metrics.push(Metric {
        name: name.to_owned(),
        role,
        harm: measured.harm,
        min_effect: effect,
        unit: String::new(),
        group: groups.first().map(|group| name_from(group)),
        weight: None,
        measure: zeroed(measured.measure, asking.zero),
        kayenta: if config.faithful {
            asking.options()
        } else {
            Options::new()
        },
        silenced,
    });
}

/// `nanStrategy: replace`.
fn zeroed(measure: Measure, zero: bool) -> Measure {
    match measure {
        Measure::Series { query, zero_gaps } => Measure::Series {
            query,
            zero_gaps: zero_gaps || zero,
        },
        other => other,
    }
}
