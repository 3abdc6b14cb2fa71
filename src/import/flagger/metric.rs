//! One metric of a canary: a built-in check, a metric template, or a query of its own.

use super::builtin;
use super::{FUNCTIONS, Known, Times};
use crate::diagnostic::Place;
use crate::import::argo::{BASELINE_WORDS, CANARY_WORDS};
use crate::import::draft::{Draft, Input, Kind, Note, hole_from};
use crate::import::insert::insert;
use crate::import::measure::{Asked, Limit, measure};
use crate::import::rewrite::{Arm, Picks};
use crate::import::source::{Fields, go_span};
use crate::time::Span;

/// Baselines are called so beside the usual words.
const PRIMARY_WORDS: [&str; 3] = [BASELINE_WORDS[0], BASELINE_WORDS[1], "primary"];

/// What the functions of a query give.
pub(super) struct Values {
    pub(super) step: Span,
    pub(super) variables: Vec<(String, String)>,
}

fn picks() -> Picks {
    Picks {
        canary: vec!["target".to_owned()],
        baseline: Vec::new(),
        canary_words: &CANARY_WORDS,
        baseline_words: &PRIMARY_WORDS,
    }
}

/// A file and a place in it.
type At = (String, Place);

/// A metric that is not imported.
pub(super) fn refuse(draft: &mut Draft, metric: &str, text: String, at: At) {
    draft.notes.push(Note {
        metric: Some(metric.to_owned()),
        kind: Kind::Refused,
        text,
        at: Some(at),
    });
}

/// Reads one metric of a canary.
pub(super) fn read_metric(
    draft: &mut Draft,
    fields: &Fields<'_>,
    known: &[Known<'_>],
    (provider, namespace): (Option<&str>, Option<&str>),
    times: &Times,
    used: &mut Vec<String>,
) -> Result<(), String> {
    let called = fields.need("name")?;
    let metric = draft.fresh_name(&called);
    let limits = limits(draft, fields, &called, &metric)?;
    let inline = fields.text("query")?;
    let reference = fields.map("templateRef")?;
    let mut values = Values {
        step: times.step,
        variables: Vec::new(),
    };
    if let Some(variables) = fields.map("templateVariables")? {
        for (name, _, _) in variables.entries() {
            values.variables.push((name.clone(), variables.need(name)?));
        }
    }
    let interval = fields.text("interval")?.and_then(|text| go_span(&text));
    draft.notes.extend(fields.rest(Some(&metric)));
    let window = interval.unwrap_or(times.interval);
    let long = times.interval.times(times.threshold).max(window);
    let query = match (reference, inline) {
        (Some(reference), _) => {
            let (name, place) = (reference.need("name")?, reference.text("namespace")?);
            let place = place.or(namespace.map(str::to_owned));
            match known.iter().find(|one| one.is(&name, place.as_deref())) {
                Some(template) => {
                    used.push(name);
                    query_of(draft, template, &metric)?
                }
                None => Err(format!(
                    "its MetricTemplate `{name}` is not here: name its file, too"
                )),
            }
        }
        (None, Some(query)) => Ok(query),
        (None, None) => builtin_query(draft, &called, &metric, provider),
    };
    let at = fields.at();
    match query {
        Ok(query) => add(draft, &metric, &query, &values, &limits, (long, at)),
        Err(why) => refuse(draft, &metric, why, at),
    }
    Ok(())
}

/// `thresholdRange`, or the older `threshold`.
fn limits(
    draft: &mut Draft,
    fields: &Fields<'_>,
    called: &str,
    metric: &str,
) -> Result<Vec<Limit>, String> {
    let single = fields.number("threshold")?;
    let limit = |above, value: Option<f64>| {
        value.map(|value| Limit {
            above,
            value,
            rolls_back: true,
        })
    };
    let Some(range) = fields.map("thresholdRange")? else {
        // At least for the success rate, at most for everything else.
        let above = called != "request-success-rate";
        return Ok(limit(above, single).into_iter().collect());
    };
    let (low, high) = (range.number("min")?, range.number("max")?);
    draft.notes.extend(range.rest(Some(metric)));
    let both = [limit(false, low), limit(true, high)];
    Ok(both.into_iter().flatten().collect())
}

fn builtin_query(
    draft: &mut Draft,
    called: &str,
    metric: &str,
    provider: Option<&str>,
) -> Result<String, String> {
    let checks = ["request-success-rate", "request-duration"];
    if !checks.contains(&called) {
        return Err("neither `templateRef` nor `query`, and no built-in check".to_owned());
    }
    // The controller's own default.
    let name = provider.unwrap_or("istio");
    let Some(known) = builtin::of(name) else {
        return Err(format!(
            "the built-in check of the provider `{name}` is not known; known are {} (--provider)",
            builtin::names().join(", ")
        ));
    };
    if provider.is_none() {
        let text = "the canary names no provider: taken for istio, as Flagger does without \
                    `-mesh-provider` (--provider)";
        draft.of(metric, Kind::Choose, text);
    }
    if called == "request-success-rate" {
        return Ok(known.success_rate());
    }
    if known.provider == "traefik" {
        let text = "Flagger takes the seconds of this histogram for milliseconds, so that its \
                    limit is never reached; here the limit is in milliseconds, as documented";
        draft.of(metric, Kind::Better, text);
    }
    Ok(known.duration())
}

/// The query of a metric template; inside, why there is none.
pub(super) fn query_of(
    draft: &mut Draft,
    template: &Known<'_>,
    metric: &str,
) -> Result<Result<String, String>, String> {
    let spec = &template.spec;
    let mut kind = "prometheus".to_owned();
    if let Some(provider) = spec.map("provider")? {
        kind = provider.text("type")?.unwrap_or(kind);
        provider.skip(&[
            "address",
            "headers",
            "secretRef",
            "region",
            "insecureSkipVerify",
        ]);
        draft.notes.extend(provider.rest(Some(metric)));
    }
    let query = spec.text("query")?;
    draft.notes.extend(spec.rest(Some(metric)));
    if kind != "prometheus" {
        return Ok(Err(format!(
            "the provider is `{kind}`; Haldane reads Prometheus"
        )));
    }
    Ok(query.ok_or_else(|| format!("MetricTemplate `{}` has no `query`", template.name)))
}

impl Values {
    /// Functions as holes.
    fn holed(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(before);
            let Some((inside, after)) = after.split_once("}}") else {
                return Err("`{{` is never closed".to_owned());
            };
            let name = inside.trim().trim_matches('-').trim();
            let variable = name.strip_prefix("variables.");
            if name == "interval" {
                out.push_str(&self.step.to_string());
            } else if FUNCTIONS.iter().any(|(known, _)| *known == name) {
                out.extend(["${", name, "}"]);
            } else if let Some(variable) = variable {
                out.extend(["${", &hole_from(variable), "}"]);
            } else {
                return Err(format!(
                    "`{{{{{inside}}}}}` is no function that is known here"
                ));
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Measures a query and puts it into the draft.
pub(super) fn add(
    draft: &mut Draft,
    metric: &str,
    query: &str,
    values: &Values,
    limits: &[Limit],
    (long, at): (Span, At),
) {
    let literal = query.replace("${", "$${");
    // A built-in query has its holes already.
    let text = if query.contains("{{") {
        literal
    } else {
        query.to_owned()
    };
    let measured = values.holed(&text).and_then(|query| {
        let picks = picks();
        measure(&Asked {
            query: &query,
            numbers: &[],
            picks: &picks,
            step: values.step,
            faithful: false,
            harm: None,
            limits,
            equal_arms: false,
        })
    });
    let measured = match measured {
        Ok(measured) => measured,
        Err(why) => return refuse(draft, metric, why, at),
    };
    for name in text.split("variables.").skip(1) {
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or("");
        let hole = hole_from(name);
        if draft.inputs.iter().all(|input| input.name != hole) {
            let value = values.variables.iter().find(|(known, _)| known == name);
            draft.inputs.push(Input {
                name: hole,
                default: value.map(|(_, value)| value.clone()),
                description: format!("the template variable `{name}`"),
            });
        }
    }
    if limits.is_empty() {
        let text = format!("no `thresholdRange`: harm is {}", measured.harm.word());
        draft.of(metric, Kind::Choose, text);
    }
    let window = measured.window.unwrap_or(values.step);
    let before = draft.arms.len();
    insert(draft, metric, "required", measured, (long, window));
    primary(draft, before);
}

/// Flagger's baseline is the same name with `-primary`.
fn primary(draft: &mut Draft, before: usize) {
    let fresh: Vec<(Arm, String)> = draft.arms.get(before..).unwrap_or(&[]).to_vec();
    if fresh.iter().any(|(arm, _)| *arm == Arm::Baseline) {
        return;
    }
    let target = draft.inputs.iter().find(|input| input.name == "target");
    let target = target.and_then(|input| input.default.clone());
    let target = target.unwrap_or_else(|| "TARGET".to_owned());
    for (_, matcher) in fresh {
        let baseline = match matcher.as_str() {
            "canary!=\"\"" => "canary=\"\"".to_owned(),
            text if text.contains("canary") => text.replace("canary", "primary"),
            text => text.replacen(&target, &format!("{target}-primary"), 1),
        };
        draft.arms.push((Arm::Baseline, baseline));
    }
}
