//! `Canary` and `MetricTemplate` of Flagger. Each canary becomes a template with the metrics it
//! names; metric templates without a canary become one together.

mod builtin;
mod metric;

use crate::import::argo::{name_of, other_kind};
use crate::import::draft::{Draft, Input, Kind, Note};
use crate::import::flagger::metric::{Values, add, query_of, read_metric, refuse};
use crate::import::source::{Fields, Object, Source, fault, go_span, nothing_here, objects};
use crate::import::{Wish, step_of};
use crate::time::Span;

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
        return Err(nothing_here(&all, "Canary or MetricTemplate"));
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

impl Known<'_> {
    /// Whether a canary means this one.
    fn is(&self, name: &str, namespace: Option<&str>) -> bool {
        let own = self.namespace.as_deref();
        self.name == name && (own.is_none() || namespace.is_none() || own == namespace)
    }
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
        let message = format!("Canary `{name}` has no `spec`");
        fault(&object.file, object.node.place, &message)
    })?;
    named(&mut draft, &spec, &name, namespace.as_deref())?;
    let provider = spec
        .text("provider")?
        .or_else(|| provider.map(str::to_owned));
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
    let at = (provider.as_deref(), namespace.as_deref());
    for node in analysis.list("metrics")? {
        let metric = Fields::of(analysis.file, "a metric", node)?;
        read_metric(&mut draft, &metric, known, at, &times, used)?;
    }
    around(&mut draft, &analysis);
    Ok(draft)
}

/// The names of a canary are the defaults of the inputs.
fn named(
    draft: &mut Draft,
    spec: &Fields<'_>,
    name: &str,
    namespace: Option<&str>,
) -> Result<(), String> {
    let target = reference(spec, "targetRef")?;
    let service = match spec.map("service")? {
        Some(service) => service.text("name")?,
        None => None,
    };
    let defaults = [
        ("name", Some(name.to_owned())),
        ("namespace", namespace.map(str::to_owned)),
        ("target", target.clone()),
        ("service", service.or(target)),
        ("ingress", reference(spec, "ingressRef")?),
        ("route", reference(spec, "routeRef")?),
    ];
    declare(draft, &defaults);
    Ok(())
}

/// What stands around the metrics.
fn around(draft: &mut Draft, analysis: &Fields<'_>) {
    if analysis.get("webhooks").is_some() {
        let text = "`webhooks`: acceptance and load tests stay with Flagger";
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
