//! `AnalysisTemplate` and `ClusterAnalysisTemplate` of Argo Rollouts. Each becomes a template; its
//! conditions compare one arm with a number, which becomes an objective where the query counts
//! events, and a comparison with the baseline everywhere.

use crate::import::condition::{Condition, read};
use crate::import::draft::{
    Above, Draft, Effect, Input, Kind, Metric, Note, Objective, hole_from, plain,
};
use crate::import::measure::{Asked, Limit, Measured, measure};
use crate::import::rewrite::Picks;
use crate::import::source::{Fields, Object, Source, objects};
use crate::import::{Wish, step_of};
use crate::template::document::{Node, Value};
use crate::time::Span;
use crate::units::Harm;
use regex::Regex;
use std::collections::BTreeMap;

/// The most objectives of a template; further limits are only compared.
pub(super) const OBJECTIVES_KEPT: usize = 20;

/// Words that say a label's value is of the canary, and of the baseline.
pub(super) const CANARY_WORDS: [&str; 3] = ["canary", "preview", "candidate"];
pub(super) const BASELINE_WORDS: [&str; 2] = ["stable", "baseline"];

/// The kinds that are read.
const KINDS: [&str; 2] = ["AnalysisTemplate", "ClusterAnalysisTemplate"];

/// Reads every analysis template.
pub(super) fn drafts(
    sources: &[Source<'_>],
    wish: &Wish,
    notes: &mut Vec<Note>,
) -> Result<Vec<Draft>, String> {
    let all = objects(sources)?;
    let mut wanted = Vec::new();
    for object in &all {
        let fields = Fields::of(&object.file, "the object", &object.node)?;
        let kind = fields.text("kind")?.unwrap_or_default();
        if KINDS.contains(&kind.as_str()) {
            wanted.push((object, kind));
        } else {
            notes.push(other_kind(object, &kind, "an analysis template"));
        }
    }
    if wanted.is_empty() {
        let place = sources.first().map_or("", |source| source.name);
        return Err(format!(
            "{place}: no AnalysisTemplate or ClusterAnalysisTemplate in it{}",
            if all.iter().any(|o| o.node.value.kind() == "a map") {
                ", only other objects"
            } else {
                ""
            }
        ));
    }
    let mut out = Vec::new();
    for (object, kind) in &wanted {
        out.push(template(object, kind, &wanted, wish)?);
    }
    Ok(out)
}

/// An object that is left out.
pub(super) fn other_kind(object: &Object, kind: &str, wanted: &str) -> Note {
    Note {
        metric: None,
        kind: Kind::Unread,
        text: if kind.is_empty() {
            format!("an object without a kind is not {wanted}")
        } else {
            format!("`{kind}` is not {wanted}")
        },
        at: Some((object.file.clone(), object.node.place)),
    }
}

/// Values of `args`, as they are known.
#[derive(Default)]
struct Args {
    /// Argument, hole, default.
    known: Vec<(String, String, Option<String>)>,
    picks: Picks,
}

fn template(
    object: &Object,
    kind: &str,
    all: &[(&Object, String)],
    wish: &Wish,
) -> Result<Draft, String> {
    let whole = Fields::of(&object.file, "the object", &object.node)?;
    whole.skip(&["apiVersion", "kind", "status"]);
    let name = name_of(&whole)?;
    let mut draft = Draft::new(&name, format!("{kind} `{name}` of Argo Rollouts"));
    let Some(spec) = whole.map("spec")? else {
        let message = format!("{kind} `{name}` has no `spec`");
        return Err(crate::import::source::fault(
            &object.file,
            object.node.place,
            &message,
        ));
    };
    draft.notes.extend(whole.rest(None));
    let mut args = Args {
        picks: Picks {
            canary_words: &CANARY_WORDS,
            baseline_words: &BASELINE_WORDS,
            ..Picks::default()
        },
        ..Args::default()
    };
    read_args(&mut draft, &spec, &mut args)?;
    let dry: Vec<String> = spec
        .list("dryRun")?
        .iter()
        .map(|node| Fields::of(spec.file, "an entry of `dryRun`", node)?.need("metricName"))
        .collect::<Result<_, _>>()?;
    if spec.get("measurementRetention").is_some() {
        draft.note(
            Kind::Unread,
            "`measurementRetention`: every measurement is kept",
        );
    }
    let mut specs = vec![spec];
    referenced(&mut draft, &mut specs, all, &mut args)?;
    let metrics: Vec<(&str, &Node)> = specs
        .iter()
        .map(|spec| Ok(spec.list("metrics")?.iter().map(|node| (spec.file, node))))
        .collect::<Result<Vec<_>, String>>()?
        .into_iter()
        .flatten()
        .collect();
    let mut plans = Vec::new();
    for (file, node) in metrics {
        plans.push(Planned::read(file, node, &args)?);
    }
    schedule(&mut draft, &plans, wish);
    for plan in &plans {
        let step = step_of(wish);
        let shown = dry.iter().any(|pattern| matches(pattern, &plan.name));
        add(&mut draft, plan, &args, step, shown)?;
    }
    if draft.objectives.is_empty() {
        return Ok(draft);
    }
    draft.note(
        Kind::Better,
        "Argo asks only whether the canary is beyond a number, one query at a time, and one bad \
         measurement too many is the end; here every limit is shown with evidence that may be \
         read at any look, and the canary is compared with the baseline besides",
    );
    Ok(draft)
}

pub(super) fn name_of(whole: &Fields<'_>) -> Result<String, String> {
    let name = match whole.map("metadata")? {
        Some(metadata) => metadata.text("name")?.or(metadata.text("generateName")?),
        None => None,
    };
    Ok(name.unwrap_or_else(|| "imported".to_owned()))
}

fn matches(pattern: &str, name: &str) -> bool {
    Regex::new(&format!("^(?:{pattern})$")).map_or(pattern == name, |regex| regex.is_match(name))
}

fn read_args(draft: &mut Draft, spec: &Fields<'_>, args: &mut Args) -> Result<(), String> {
    for node in spec.list("args")? {
        let arg = Fields::of(spec.file, "an entry of `args`", node)?;
        let name = arg.need("name")?;
        if args.known.iter().any(|(known, _, _)| *known == name) {
            continue;
        }
        let mut hole = hole_from(&name);
        while args.known.iter().any(|(_, known, _)| *known == hole) {
            hole.push('_');
        }
        let default = arg.text("value")?;
        let mut description = format!("the argument `{name}`");
        if let Some(from) = arg.map("valueFrom")? {
            if let Some(hash) = from.text("podTemplateHashValue")? {
                let list = if hash == "Stable" {
                    &mut args.picks.baseline
                } else {
                    &mut args.picks.canary
                };
                list.push(hole.clone());
            }
            if let Some(field) = from.map("fieldRef")? {
                let path = field.text("fieldPath")?.unwrap_or_default();
                description = format!("was `{path}` of the rollout");
            }
            if from.get("secretKeyRef").is_some() {
                description = "was a key of a secret".to_owned();
            }
            draft.notes.extend(from.rest(None));
        }
        draft.notes.extend(arg.rest(None));
        let words = name.to_ascii_lowercase();
        let mut words = words.split(|c: char| !c.is_ascii_alphanumeric());
        let says = |wanted: &[&str], word: &str| wanted.contains(&word);
        for word in words.by_ref() {
            if says(&CANARY_WORDS, word) || word == "latest" {
                args.picks.canary.push(hole.clone());
            } else if says(&BASELINE_WORDS, word) || word == "primary" {
                args.picks.baseline.push(hole.clone());
            }
        }
        let (name_of_hole, value) = (hole.clone(), default.clone());
        draft.inputs.push(Input {
            name: name_of_hole,
            default: value,
            description,
        });
        args.known.push((name, hole, default));
    }
    Ok(())
}

/// Templates that are included by name, as far as they are in the same import.
fn referenced<'n>(
    draft: &mut Draft,
    specs: &mut Vec<Fields<'n>>,
    all: &[(&'n Object, String)],
    args: &mut Args,
) -> Result<(), String> {
    let mut asked = Vec::new();
    let mut next = 0;
    while let Some(spec) = specs.get(next) {
        for node in spec.list("templates")? {
            let entry = Fields::of(spec.file, "an entry of `templates`", node)?;
            let name = entry.need("templateName")?;
            entry.skip(&["clusterScope"]);
            asked.push((name, entry.at()));
        }
        next += 1;
        let known = asked.len();
        for (name, at) in asked.drain(..known) {
            let mut found = None;
            for (object, _) in all {
                let whole = Fields::of(&object.file, "the object", &object.node)?;
                if name_of(&whole)? == name {
                    found = whole.map("spec")?;
                }
            }
            match found {
                // A circle ends here: nothing is included twice, and no more than there are.
                Some(_) if specs.len() > all.len() => {}
                Some(found) => {
                    read_args(draft, &found, args)?;
                    specs.push(found);
                }
                None => draft.notes.push(Note {
                    metric: None,
                    kind: Kind::Refused,
                    text: format!("includes `{name}`, which is not here: import both together"),
                    at: Some(at),
                }),
            }
        }
    }
    for spec in specs.iter() {
        spec.skip(&[
            "metrics",
            "args",
            "dryRun",
            "templates",
            "measurementRetention",
        ]);
        draft.notes.extend(spec.rest(None));
    }
    Ok(())
}

/// A metric with what Argo does around it.
struct Planned<'n> {
    fields: Fields<'n>,
    name: String,
    interval: Option<Span>,
    initial_delay: Option<Span>,
    count: Option<f64>,
    failure_limit: f64,
    unread: Vec<String>,
}

impl<'n> Planned<'n> {
    fn read(file: &'n str, node: &'n Node, args: &Args) -> Result<Self, String> {
        let fields = Fields::of(file, "a metric", node)?;
        let name = fields.need("name")?;
        let mut unread = Vec::new();
        let mut value = |field: &str| -> Result<Option<String>, String> {
            let Some(text) = fields.text(field)? else {
                return Ok(None);
            };
            let filled = args.filled(&text);
            if filled.is_none() {
                unread.push(format!("`{field}: {text}` has no value here"));
            }
            Ok(filled)
        };
        let span = |text: Option<String>| text.and_then(|text| go_span(&text));
        let number = |text: Option<String>| text.and_then(|text| text.parse::<f64>().ok());
        let interval = span(value("interval")?);
        let initial_delay = span(value("initialDelay")?);
        let count = number(value("count")?);
        let failure_limit = number(value("failureLimit")?).unwrap_or(0.0).max(0.0);
        Ok(Self {
            fields,
            name,
            interval,
            initial_delay,
            count,
            failure_limit,
            unread,
        })
    }
}

/// A length of time as Go writes it, `1h0m0s` and `1.5h`.
pub(super) fn go_span(text: &str) -> Option<Span> {
    const UNITS: [(&str, f64); 4] = [("h", 3.6e6), ("ms", 1.0), ("m", 6e4), ("s", 1e3)];
    let (mut rest, mut total) = (text.trim(), 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        let unit = rest.get(digits..)?;
        let (name, ms) = UNITS.iter().find(|(name, _)| unit.starts_with(name))?;
        total += number * ms;
        rest = unit.get(name.len()..)?;
    }
    let fits = total >= 1000.0 && total < 1e13;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below 1e13, as just checked"
    )]
    fits.then(|| Span::from_ms(total as i64))
}

impl Args {
    /// `{{args.x}}` as holes.
    fn holed(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(&before.replace("${", "$${"));
            let Some((inside, after)) = after.split_once("}}") else {
                return Err("`{{` is never closed".to_owned());
            };
            let name = inside.trim().strip_prefix("args.").unwrap_or("");
            let known = self.known.iter().find(|(known, _, _)| known == name);
            let Some((_, hole, _)) = known else {
                return Err(format!("`{{{{{inside}}}}}` is no argument of the template"));
            };
            out.push_str("${");
            out.push_str(hole);
            out.push('}');
            rest = after;
        }
        out.push_str(&rest.replace("${", "$${"));
        Ok(out)
    }

    /// A text with the defaults of its arguments; `None` when one has none.
    fn filled(&self, text: &str) -> Option<String> {
        let mut out = text.to_owned();
        while let Some((before, after)) = out.split_once("{{") {
            let (inside, after) = after.split_once("}}")?;
            let name = inside.trim().strip_prefix("args.")?;
            let known = self.known.iter().find(|(known, _, _)| known == name);
            let (_, _, default) = known?;
            out = format!("{before}{}{after}", default.as_deref()?);
        }
        Some(out)
    }
}

fn schedule(draft: &mut Draft, plans: &[Planned<'_>], wish: &Wish) {
    let step = step_of(wish);
    draft.time("step", step, "at least two scrapes");
    if let Some(delay) = plans.iter().filter_map(|plan| plan.initial_delay).max() {
        draft.time("warmup", delay, "`initialDelay`");
    }
    let whole = |plan: &Planned<'_>| {
        let (interval, count) = (plan.interval?, plan.count?);
        let whole = interval.seconds() * count + plan.initial_delay.map_or(0.0, Span::seconds);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a month at most, as checked"
        )]
        (whole >= 1.0 && whole <= 2_592_000.0).then(|| Span::from_s(whole as i64))
    };
    if let Some(longest) = plans.iter().filter_map(whole).max() {
        // Few points say little; what is decided before ends before.
        let least = step.times(30);
        if longest >= least {
            draft.time("deadline", longest, "`count` × `interval`, the longest");
        } else {
            let why = format!("30 points; `count` × `interval` is {longest}");
            draft.time("deadline", least, why);
        }
    }
    if plans.iter().any(|plan| plan.interval.is_none()) {
        draft.note(
            Kind::Better,
            "a metric without `interval` was measured once; here it is looked at until it is clear",
        );
    }
}

/// What limits are known from both conditions.
fn conditions(plan: &Planned<'_>, args: &Args) -> Result<(Condition, bool), String> {
    let get = |name: &str| -> Result<Option<String>, String> {
        let text = plan
            .fields
            .text(name)?
            .filter(|text| !text.trim().is_empty());
        Ok(text.map(|text| args.filled(&text).unwrap_or(text)))
    };
    let (success, failure) = (get("successCondition")?, get("failureCondition")?);
    let any = success.is_some() || failure.is_some();
    let both = success.is_some() && failure.is_some();
    let mut out = Condition::default();
    // With both, what is neither is inconclusive: beyond the first a promote is withheld.
    let parts = [(failure, false, true), (success, true, !both)];
    for (text, good, rolls_back) in parts {
        let Some(text) = text else { continue };
        let found = read(&text, good, rolls_back);
        let same = |limit: &Limit| {
            let known =
                |l: &&Limit| l.above == limit.above && l.value.total_cmp(&limit.value).is_eq();
            out.limits.iter().any(|l| known(&l))
        };
        let fresh: Vec<Limit> = found
            .limits
            .into_iter()
            .filter(|limit| !same(limit))
            .collect();
        out.limits.extend(fresh);
        out.empty_passes |= found.empty_passes;
        out.all_series |= found.all_series;
        out.unread.extend(found.unread);
    }
    Ok((out, any))
}

fn add(
    draft: &mut Draft,
    plan: &Planned<'_>,
    args: &Args,
    step: Span,
    shown: bool,
) -> Result<(), String> {
    let name = draft.fresh_name(&plan.name);
    let (condition, any) = conditions(plan, args)?;
    say_limits(draft, plan, &name)?;
    let refused = |draft: &mut Draft, text: String| {
        let at = Some(plan.fields.at());
        let (metric, kind) = (Some(name.clone()), Kind::Refused);
        draft.notes.push(Note {
            metric,
            kind,
            text,
            at,
        });
    };
    let query = match query(draft, plan, &name)? {
        Ok(query) => query,
        Err(why) => {
            refused(draft, why);
            return Ok(());
        }
    };
    draft.notes.extend(plan.fields.rest(Some(&name)));
    let numbers: Vec<&str> = args
        .known
        .iter()
        .filter(|(_, _, default)| default.as_ref().is_some_and(|d| d.parse::<f64>().is_ok()))
        .map(|(_, hole, _)| hole.as_str())
        .collect();
    let measured = args.holed(&query).and_then(|query| {
        measure(&Asked {
            query: &query,
            numbers: &numbers,
            picks: &args.picks,
            step,
            faithful: false,
            harm: None,
            limits: &condition.limits,
            equal_arms: false,
        })
    });
    let measured = match measured {
        Ok(measured) => measured,
        Err(why) => {
            refused(draft, why);
            return Ok(());
        }
    };
    say_condition(draft, &name, &condition, any);
    let window = measured.window.unwrap_or(step);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturating: a limit of failures is a small number"
    )]
    let failures = plan.failure_limit as i64 + 1;
    let long = plan
        .interval
        .map_or(window, |interval| interval.times(failures))
        .max(window);
    let role = if shown { "info" } else { "required" };
    if shown {
        draft.of(&name, Kind::Changed, "`dryRun`: only shown");
    }
    insert(draft, &name, role, measured, (long, window));
    Ok(())
}

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

/// The PromQL of a metric; inside, why there is none.
fn query(
    draft: &mut Draft,
    plan: &Planned<'_>,
    name: &str,
) -> Result<Result<String, String>, String> {
    let Some(provider) = plan.fields.map("provider")? else {
        return Ok(Err("no `provider`".to_owned()));
    };
    if let Some(prometheus) = provider.map("prometheus")? {
        let query = prometheus.text("query")?;
        let skipped = [
            "address",
            "timeout",
            "insecure",
            "headers",
            "authentication",
        ];
        prometheus.skip(&skipped);
        if let Some(range) = prometheus.get("rangeQuery")
            && matches!(range.value, Value::Map(_))
        {
            let text = "`rangeQuery`: a metric is always asked over the whole rollout";
            draft.of(name, Kind::Unread, text);
        }
        draft.notes.extend(prometheus.rest(Some(name)));
        return Ok(query.ok_or_else(|| "`prometheus` has no `query`".to_owned()));
    }
    let kind = provider
        .entries()
        .first()
        .map_or("none", |(kind, _, _)| kind.as_str());
    let help = match kind {
        "kayenta" => "; import the canary config itself: `haldane import kayenta`",
        "web" | "job" => "; it asks no metrics",
        _ => "; Haldane reads Prometheus",
    };
    Ok(Err(format!("the provider is `{kind}`{help}")))
}

fn say_limits(draft: &mut Draft, plan: &Planned<'_>, name: &str) -> Result<(), String> {
    for text in &plan.unread {
        draft.of(name, Kind::Unread, text.clone());
    }
    let fields = &plan.fields;
    if plan.failure_limit > 0.0 {
        let text = format!(
            "`failureLimit: {}` is the long window of the objective: how long it must be bad",
            plain(plan.failure_limit)
        );
        draft.of(name, Kind::Changed, text);
    }
    let others = [
        "inconclusiveLimit",
        "consecutiveErrorLimit",
        "consecutiveSuccessLimit",
    ];
    for field in others {
        let Some(value) = fields.text(field)? else {
            continue;
        };
        let instead = match field {
            "consecutiveErrorLimit" => "`schedule.source_grace` says how long the source may fail",
            "consecutiveSuccessLimit" => "`schedule.bake` says how long it must have been good",
            _ => "an undecided analysis ends at the deadline",
        };
        draft.of(name, Kind::Unread, format!("`{field}: {value}`: {instead}"));
    }
    Ok(())
}

fn say_condition(draft: &mut Draft, name: &str, condition: &Condition, any: bool) {
    if !any {
        let text = "no condition: any answer passed, so harm in either direction is watched for";
        draft.of(name, Kind::Better, text);
    }
    if condition.empty_passes {
        let text = "an empty or undefined answer passed; here silence is no data, and no gate \
                    passes without data";
        draft.of(name, Kind::Better, text);
    }
    if condition.all_series {
        let text = "the condition held for each series; here the series of an arm are one";
        draft.of(name, Kind::Changed, text);
    }
    for part in &condition.unread {
        let text =
            format!("`{part}` is no limit of a value that is known here; nothing stands for it");
        draft.of(name, Kind::Changed, text);
    }
}
