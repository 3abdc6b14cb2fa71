//! `Canary` and `MetricTemplate` of Flagger. Each canary becomes a template with the metrics it
//! names; metric templates without a canary become one together.

use crate::import::argo::{BASELINE_WORDS, CANARY_WORDS, go_span, insert, name_of, other_kind};
use crate::import::builtin;
use crate::import::draft::{Draft, Input, Kind, Note, hole_from};
use crate::import::measure::{Asked, Limit, measure};
use crate::import::rewrite::{Arm, Picks};
use crate::import::source::{Fields, Object, Source, fault, objects};
use crate::import::{Wish, step_of};
use crate::time::Span;

/// Baselines are called so beside the usual words.
const PRIMARY_WORDS: [&str; 3] = [BASELINE_WORDS[0], BASELINE_WORDS[1], "primary"];

/// Functions of Flagger's metric templates that become inputs, with what they are.
const FUNCTIONS: [(&str, &str); 6] = [
    ("name", "the name of the canary object"),
    ("namespace", "the namespace of the workload"),
    (
        "target",
        "the workload: the canary; the baseline is the same with -primary",
    ),
    ("service", "the service of the canary"),
    ("ingress", "the ingress"),
    ("route", "the route"),
];

/// `analysis.interval` where none is given.
const INTERVAL: Span = Span::from_s(60);

/// A metric template.
struct Known<'n> {
    name: String,
    namespace: Option<String>,
    spec: Fields<'n>,
}

/// Reads every canary, or else every metric template.
pub(super) fn drafts(
    sources: &[Source<'_>],
    wish: &Wish,
    provider: Option<&str>,
    notes: &mut Vec<Note>,
) -> Result<Vec<Draft>, String> {
    let all = objects(sources)?;
    let mut canaries = Vec::new();
    let mut known = Vec::new();
    for object in &all {
        let whole = Fields::of(&object.file, "the object", &object.node)?;
        match whole.text("kind")?.unwrap_or_default().as_str() {
            "Canary" => canaries.push(object),
            "MetricTemplate" => known.push(metric_template(object)?),
            other => notes.push(other_kind(object, other, "a Canary or a MetricTemplate")),
        }
    }
    if canaries.is_empty() && known.is_empty() {
        let place = sources.first().map_or("", |source| source.name);
        return Err(format!("{place}: no Canary or MetricTemplate in it"));
    }
    let mut out = Vec::new();
    let mut used = Vec::new();
    for object in canaries {
        out.push(canary(object, &known, wish, provider, &mut used)?);
    }
    if out.is_empty() {
        out.push(alone(&known, wish)?);
    } else {
        for template in known.iter().filter(|one| !used.contains(&one.name)) {
            notes.push(Note {
                metric: None,
                kind: Kind::Unread,
                text: format!(
                    "MetricTemplate `{}`: no canary here names it",
                    template.name
                ),
                at: Some(template.spec.at()),
            });
        }
    }
    Ok(out)
}

fn metric_template(object: &Object) -> Result<Known<'_>, String> {
    let whole = Fields::of(&object.file, "the object", &object.node)?;
    let name = name_of(&whole)?;
    let namespace = match whole.map("metadata")? {
        Some(metadata) => metadata.text("namespace")?,
        None => None,
    };
    let spec = whole.map("spec")?.ok_or_else(|| {
        let message = format!("MetricTemplate `{name}` has no `spec`");
        fault(&object.file, object.node.place, &message)
    })?;
    Ok(Known {
        name,
        namespace,
        spec,
    })
}

/// What the functions of a query give.
struct Values {
    step: Span,
    variables: Vec<(String, String)>,
}

fn picks() -> Picks {
    Picks {
        canary: vec!["target".to_owned()],
        baseline: Vec::new(),
        canary_words: &CANARY_WORDS,
        baseline_words: &PRIMARY_WORDS,
    }
}

fn declare(draft: &mut Draft, defaults: &[(&str, Option<String>)]) {
    for (name, description) in FUNCTIONS {
        let value = defaults.iter().find(|(known, _)| *known == name);
        draft.inputs.push(Input {
            name: name.to_owned(),
            default: value.and_then(|(_, value)| value.clone()),
            description: description.to_owned(),
        });
    }
}

/// Metric templates without a canary.
fn alone(known: &[Known<'_>], wish: &Wish) -> Result<Draft, String> {
    let name = match known {
        [one] => one.name.clone(),
        _ => "flagger-metrics".to_owned(),
    };
    let names: Vec<String> = known.iter().map(|one| format!("`{}`", one.name)).collect();
    let from = format!("MetricTemplate {} of Flagger", names.join(", "));
    let mut draft = Draft::new(&name, from);
    declare(&mut draft, &[]);
    let step = step_of(wish);
    draft.time("step", step, "at least two scrapes");
    draft.note(
        Kind::Choose,
        "the canary is not here, so there are no limits (`thresholdRange`) and no times; import \
         both together",
    );
    for one in known {
        let metric = draft.fresh_name(&one.name);
        let values = Values {
            step,
            variables: Vec::new(),
        };
        match query_of(&mut draft, one, &metric)? {
            Ok(query) => add(
                &mut draft,
                &metric,
                &query,
                &values,
                &[],
                (step, one.spec.at()),
            ),
            Err(why) => refuse(&mut draft, &metric, why, one.spec.at()),
        }
    }
    Ok(draft)
}

type At = (String, crate::diagnostic::Place);

fn refuse(draft: &mut Draft, metric: &str, text: String, at: At) {
    draft.notes.push(Note {
        metric: Some(metric.to_owned()),
        kind: Kind::Refused,
        text,
        at: Some(at),
    });
}

fn canary(
    object: &Object,
    known: &[Known<'_>],
    wish: &Wish,
    provider: Option<&str>,
    used: &mut Vec<String>,
) -> Result<Draft, String> {
    let whole = Fields::of(&object.file, "the object", &object.node)?;
    whole.skip(&["apiVersion", "kind", "status"]);
    let name = name_of(&whole)?;
    let mut draft = Draft::new(&name, format!("Canary `{name}` of Flagger"));
    let namespace = match whole.map("metadata")? {
        Some(metadata) => metadata.text("namespace")?,
        None => None,
    };
    let spec = whole.map("spec")?.ok_or_else(|| {
        fault(
            &object.file,
            object.node.place,
            &format!("Canary `{name}` has no `spec`"),
        )
    })?;
    let target = reference(&spec, "targetRef")?;
    let service = match spec.map("service")? {
        Some(service) => service.text("name")?,
        None => None,
    };
    declare(
        &mut draft,
        &[
            ("name", Some(name.clone())),
            ("namespace", namespace.clone()),
            ("target", target.clone()),
            ("service", service.or(target)),
            ("ingress", reference(&spec, "ingressRef")?),
            ("route", reference(&spec, "routeRef")?),
        ],
    );
    let own = spec.text("provider")?;
    let provider = own.or_else(|| provider.map(str::to_owned));
    let analysis = match spec.map("analysis")? {
        Some(analysis) => Some(analysis),
        None => spec.map("canaryAnalysis")?,
    };
    spec.skip(&[
        "autoscalerRef",
        "progressDeadlineSeconds",
        "revertOnDeletion",
        "suspend",
        "metricsServer",
        "upstreamRef",
        "skipAnalysis",
    ]);
    draft.notes.extend(whole.rest(None));
    draft.notes.extend(spec.rest(None));
    let Some(analysis) = analysis else {
        draft.note(Kind::Refused, "no `analysis`: the canary names no metrics");
        return Ok(draft);
    };
    let times = schedule(&mut draft, &analysis, wish)?;
    for node in analysis.list("metrics")? {
        let metric = Fields::of(analysis.file, "a metric", node)?;
        let namespace = namespace.as_deref();
        read_metric(
            &mut draft,
            &metric,
            known,
            (provider.as_deref(), namespace),
            &times,
            used,
        )?;
    }
    if analysis.get("webhooks").is_some() {
        let text = "`webhooks`: acceptance and load tests stay with Flagger; docs/operating.md \
                    says how a verdict reaches a controller";
        draft.note(Kind::Unread, text);
    }
    if analysis.get("alerts").is_some() {
        draft.note(Kind::Unread, "`alerts` stay with Flagger");
    }
    draft.notes.extend(analysis.rest(None));
    draft.note(
        Kind::Better,
        "Flagger counts checks in which one number of the canary alone is beyond its limit, and \
         no data as a failed check; here both arms are compared, a verdict needs evidence, and \
         silence is neither health nor harm",
    );
    Ok(draft)
}

fn reference(spec: &Fields<'_>, field: &str) -> Result<Option<String>, String> {
    match spec.map(field)? {
        Some(reference) => reference.text("name"),
        None => Ok(None),
    }
}

/// How often and how long.
struct Times {
    step: Span,
    interval: Span,
    threshold: i64,
}

fn schedule(draft: &mut Draft, analysis: &Fields<'_>, wish: &Wish) -> Result<Times, String> {
    let interval = analysis.text("interval")?.and_then(|text| go_span(&text));
    let step = step_of(wish);
    let interval = interval.unwrap_or(INTERVAL);
    draft.time("step", step, "at least two scrapes");
    let whole = |name: &str| -> Result<Option<i64>, String> {
        let number = analysis.number(name)?;
        #[expect(clippy::cast_possible_truncation, reason = "clamped")]
        Ok(number.map(|number| number.clamp(0.0, 100_000.0) as i64))
    };
    let (most, weight) = (whole("maxWeight")?, whole("stepWeight")?);
    let iterations = whole("iterations")?;
    let threshold = whole("threshold")?.unwrap_or(1).max(1);
    let weights = analysis.list("stepWeights")?.len();
    analysis.skip(&[
        "stepWeightPromotion",
        "primaryReadyThreshold",
        "canaryReadyThreshold",
        "mirror",
        "mirrorWeight",
        "match",
        "sessionAffinity",
        "webhooks",
        "alerts",
    ]);
    let steps = match (iterations, weights, weight) {
        (Some(count), _, _) if count > 0 => count,
        (_, count, _) if count > 0 => i64::try_from(count).unwrap_or(100),
        (_, _, Some(weight)) if weight > 0 => most.unwrap_or(100) / weight,
        _ => 10,
    };
    let promoted = interval.times(steps.max(1));
    draft.time(
        "bake",
        promoted,
        format!("{steps} steps of {interval}: no promote before"),
    );
    let longest = promoted.plus(interval.times(threshold));
    let least = step.times(30);
    let why = if longest >= least {
        format!("that, and {threshold} failed checks")
    } else {
        format!("30 points; Flagger was done after {longest}")
    };
    draft.time("deadline", longest.max(least), why);
    draft.note(
        Kind::Changed,
        format!(
            "`threshold: {threshold}` failed checks are the long window of the objectives: {}",
            interval.times(threshold)
        ),
    );
    Ok(Times {
        step,
        interval,
        threshold,
    })
}

fn read_metric(
    draft: &mut Draft,
    fields: &Fields<'_>,
    known: &[Known<'_>],
    (provider, namespace): (Option<&str>, Option<&str>),
    times: &Times,
    used: &mut Vec<String>,
) -> Result<(), String> {
    let called = fields.need("name")?;
    let metric = draft.fresh_name(&called);
    let range = fields.map("thresholdRange")?;
    let single = fields.number("threshold")?;
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
    let mut limits = Vec::new();
    let mut limit = |above, value: Option<f64>| {
        limits.extend(value.map(|value| Limit {
            above,
            value,
            rolls_back: true,
        }));
    };
    match &range {
        Some(range) => {
            limit(false, range.number("min")?);
            limit(true, range.number("max")?);
            draft.notes.extend(range.rest(Some(&metric)));
        }
        // The older form: at least for the success rate, at most for everything else.
        None => limit(called != "request-success-rate", single),
    }
    let window = interval.unwrap_or(times.interval);
    let long = times.interval.times(times.threshold).max(window);
    let at = fields.at();
    let query = if let Some(reference) = reference {
        let (name, place) = (reference.need("name")?, reference.text("namespace")?);
        let place = place.or(namespace.map(str::to_owned));
        let same = |one: &&Known<'_>| {
            one.name == name
                && (one.namespace.is_none() || place.is_none() || one.namespace == place)
        };
        match known.iter().find(same) {
            Some(template) => {
                used.push(name);
                query_of(draft, template, &metric)?
            }
            None => Err(format!(
                "its MetricTemplate `{name}` is not here: name its file, too"
            )),
        }
    } else if let Some(query) = inline {
        Ok(query)
    } else {
        builtin_query(draft, &called, &metric, provider)
    };
    match query {
        Ok(query) => add(draft, &metric, &query, &values, &limits, (long, at)),
        Err(why) => refuse(draft, &metric, why, at),
    }
    Ok(())
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
fn query_of(
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
                out.push_str(&format!("${{{name}}}"));
            } else if let Some(variable) = variable {
                out.push_str(&format!("${{{}}}", hole_from(variable)));
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

fn add(
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
