//! Kayenta's canary configs (JSON). Templates of queries are expanded as Kayenta does it, but for
//! `${scope}`, which picks the arm, and every other variable, which becomes an input.

use crate::import::draft::{
    Above, Draft, Effect, Input, Judging, Kind, Measure, Metric, Note, Options, hole_from,
    name_from, percent, plain,
};
use crate::import::measure::{Asked, Measured, holes, measure};
use crate::import::rewrite::{Arm, Picks};
use crate::import::source::{Fields, Source, json};
use crate::import::{Wish, step_of};
use crate::units::Harm;
use std::collections::BTreeMap;

/// The scores a canary stage of Spinnaker starts with.
const SCORES: (f64, f64) = (75.0, 50.0);

/// The whole of the group weights.
const WHOLE: f64 = 100.0;

/// What is known of the whole config while its metrics are read.
struct Config<'c> {
    templates: BTreeMap<String, String>,
    weights: Vec<(String, f64)>,
    step: crate::time::Span,
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
    if whole.get("canaryConfig").is_some() {
        return Err(format!(
            "{}: this is a request for a run; import what is under `canaryConfig`",
            source.name
        ));
    }
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
    if let Some(judge) = whole.map("judge")? {
        let name = judge.text("name")?.unwrap_or_default();
        judge.skip(&["judgeConfigurations"]);
        draft.notes.extend(judge.rest(None));
        if !name.is_empty() && name != "NetflixACAJudge-v1.0" {
            let text = format!("the judge was `{name}`, which does not exist here");
            draft.note(Kind::Changed, text);
        }
    }
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
    let mut given = None;
    if let Some(classifier) = whole.map("classifier")? {
        if let Some(weights) = classifier.map("groupWeights")? {
            for (name, _, _) in weights.entries() {
                let weight = weights.number(name)?.unwrap_or(0.0);
                config.weights.push((name.clone(), weight));
            }
        }
        if let Some(thresholds) = classifier.map("scoreThresholds")? {
            let pass = thresholds.number("pass")?.unwrap_or(SCORES.0);
            let marginal = thresholds.number("marginal")?.unwrap_or(SCORES.1);
            given = Some((pass, marginal));
            draft.notes.extend(thresholds.rest(None));
        }
        draft.notes.extend(classifier.rest(None));
    }
    draft.time(
        "step",
        config.step,
        "as often as Kayenta asks; at least two scrapes",
    );
    draft.note(
        Kind::Choose,
        "the config does not say how long an analysis takes: that is in the canary stage \
         (lifetime, interval, warm-up); set `deadline`, `look_every` and `warmup` by it",
    );
    let metrics = whole.list("metrics")?;
    for (idx, node) in metrics.iter().enumerate() {
        let fields = Fields::of(source.name, &format!("metric {}", idx + 1), node)?;
        read_metric(&mut draft, &fields, &config)?;
    }
    draft.notes.extend(whole.rest(None));
    judging(&mut draft, &config, scores.or(given));
    Ok(draft)
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
    draft.judging = Judging::Kayenta {
        pass,
        marginal: marginal.min(pass),
        weights,
    };
}

fn read_metric(draft: &mut Draft, fields: &Fields<'_>, config: &Config<'_>) -> Result<(), String> {
    let called = fields.need("name")?;
    let name = draft.fresh_name(&called);
    let scope = fields.text("scopeName")?;
    let groups = fields.texts("groups")?;
    let canary = match fields.map("analysisConfigurations")? {
        Some(all) => {
            let canary = all.map("canary")?;
            draft.notes.extend(all.rest(Some(&name)));
            canary
        }
        None => None,
    };
    let Some(query) = fields.map("query")? else {
        return Err(format!("{}: metric `{called}` has no `query`", config.file));
    };
    fields.skip(&["id"]);
    draft.notes.extend(fields.rest(Some(&name)));
    if let Some(scope) = scope.filter(|scope| scope != "default") {
        let text = format!("scope `{scope}`: a rollout has one pair of arms here");
        draft.of(&name, Kind::Changed, text);
    }
    let refused = |draft: &mut Draft, text: String| {
        draft.notes.push(Note {
            metric: Some(name.clone()),
            kind: Kind::Refused,
            text,
            at: Some(query.at()),
        });
    };
    let (kind, other) = (query.text("type")?, query.text("serviceType")?);
    let kind = kind.or(other).unwrap_or_else(|| "prometheus".to_owned());
    if kind != "prometheus" {
        refused(
            draft,
            format!("a query of `{kind}`; Haldane reads Prometheus"),
        );
        return Ok(());
    }
    let options = Asking::read(canary.as_ref())?;
    if let Some(canary) = &canary {
        draft.notes.extend(canary.rest(Some(&name)));
    }
    let built = build(&query, config)?;
    draft.notes.extend(query.rest(Some(&name)));
    let built = match built {
        Ok(built) => built,
        Err(why) => {
            refused(draft, why);
            return Ok(());
        }
    };
    let picks = Picks {
        canary: vec!["scope".to_owned()],
        ..Picks::default()
    };
    let asked = Asked {
        query: &built.query,
        numbers: &[],
        picks: &picks,
        step: config.step,
        faithful: config.faithful,
        harm: Some(options.harm),
        limits: &[],
        equal_arms: true,
    };
    let measured = measure(&asked).and_then(|measured| {
        let text = format!("{:?}", measured.measure);
        if holes(&text).iter().any(|hole| hole == "scope") {
            return Err(
                "`${scope}` stands where it is not the value of a label; the arms are \
                        told apart by labels"
                    .to_owned(),
            );
        }
        Ok(measured)
    });
    match measured {
        Err(why) => refused(draft, why),
        Ok(measured) => {
            declare(draft, &built);
            add(draft, config, &name, &groups, &options, measured);
        }
    }
    Ok(())
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

fn add(
    draft: &mut Draft,
    config: &Config<'_>,
    name: &str,
    groups: &[String],
    asking: &Asking,
    measured: Measured,
) {
    for (arm, matcher) in &measured.arms {
        let value = matcher.to_string().replace("${scope}", "SCOPE");
        for arm in [*arm, Arm::Baseline] {
            draft.arms.push((arm, value.clone()));
        }
    }
    for (kind, text) in &measured.notes {
        draft.of(name, *kind, text.clone());
    }
    asking.say(draft, config, name, groups);
    let weight = |group: &String| config.weights.iter().find(|(known, _)| known == group);
    let unscored = groups.is_empty()
        || groups
            .iter()
            .all(|group| weight(group).is_some_and(|(_, weight)| *weight <= 0.0));
    let role = match (asking.muted, asking.critical, unscored) {
        (true, _, _) => "info",
        (_, true, _) => "critical",
        (_, _, true) => "info",
        _ => "required",
    };
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

/// What `analysisConfigurations.canary` asks.
#[derive(Debug)]
struct Asking {
    harm: Harm,
    critical: bool,
    must_have_data: bool,
    muted: bool,
    zero: bool,
    outliers: Option<f64>,
    measure: Option<String>,
    limits: [Option<f64>; 4],
}

/// `allowed…` and `critical…`, as Kayenta and as Haldane call them.
const LIMITS: [(&str, &str); 4] = [
    ("allowedIncrease", "allowed_increase"),
    ("allowedDecrease", "allowed_decrease"),
    ("criticalIncrease", "critical_increase"),
    ("criticalDecrease", "critical_decrease"),
];

impl Asking {
    fn read(canary: Option<&Fields<'_>>) -> Result<Self, String> {
        let mut out = Self {
            harm: Harm::Either,
            critical: false,
            must_have_data: false,
            muted: false,
            zero: false,
            outliers: None,
            measure: None,
            limits: [None; 4],
        };
        let Some(canary) = canary else {
            return Ok(out);
        };
        // Anything else is `either`, as there.
        out.harm = match canary.text("direction")?.as_deref() {
            Some("increase") => Harm::Increase,
            Some("decrease") => Harm::Decrease,
            _ => Harm::Either,
        };
        out.critical = canary.flag("critical")?;
        out.must_have_data = canary.flag("mustHaveData")?;
        out.muted = canary.flag("muted")?;
        out.zero = canary.text("nanStrategy")?.as_deref() == Some("replace");
        if let Some(outliers) = canary.map("outliers")? {
            let factor = outliers.number("outlierFactor")?.unwrap_or(3.0);
            let removes = outliers.text("strategy")?.as_deref() == Some("remove");
            out.outliers = removes.then_some(factor);
        }
        if let Some(effect) = canary.map("effectSize")? {
            out.measure = effect.text("measure")?;
            for (limit, (name, _)) in out.limits.iter_mut().zip(LIMITS) {
                *limit = effect.number(name)?;
            }
        }
        Ok(out)
    }

    fn is_cles(&self) -> bool {
        self.measure.as_deref() == Some("cles")
    }

    /// The smallest change that counts, from the allowed ratio of means; whether it was given.
    fn effect(&self, measured: &Measured) -> (Effect, bool) {
        let otherwise = measured.min_effect;
        // A ratio of quantiles is no share of requests.
        if self.is_cles() || matches!(measured.measure, Measure::Distribution { .. }) {
            return otherwise;
        }
        let [increase, decrease, _, _] = self.limits;
        let up = increase
            .map(|ratio| ratio - 1.0)
            .filter(|_| self.harm != Harm::Decrease);
        let down = decrease
            .map(|ratio| 1.0 - ratio)
            .filter(|_| self.harm != Harm::Increase);
        let sizes = [up, down].into_iter().flatten().filter(|size| *size > 1e-9);
        // `relative` has an end of its own.
        let least = sizes.min_by(f64::total_cmp).map(|size| size.min(100.0));
        // A part of the good events that fail is nearly a part of all of them.
        let turned = self.harm == Harm::Decrease && measured.harm == Harm::Increase;
        let effect = |size: f64| {
            if turned {
                Effect::Absolute(size)
            } else {
                Effect::Relative(size)
            }
        };
        least.map_or(otherwise, |size| (effect(size), true))
    }

    fn options(&self) -> Options {
        let mut out = Options::new();
        if let Some(factor) = self.outliers {
            out.push(("outliers", "remove".to_owned()));
            out.push(("outlier_factor", plain(factor)));
        }
        if self.must_have_data {
            out.push(("no_data", "fail".to_owned()));
        }
        let mut parts = Vec::new();
        if self.is_cles() {
            parts.push("measure: cles".to_owned());
        }
        for (value, (_, field)) in self.limits.iter().zip(LIMITS) {
            parts.extend(value.map(|value| format!("{field}: {}", plain(value))));
        }
        // Written even when nothing was said: without it `min_effect` would be the limit.
        if parts.is_empty() {
            parts.push("measure: mean-ratio".to_owned());
        }
        out.push(("effect_size", format!("{{ {} }}", parts.join(", "))));
        out
    }

    fn say(&self, draft: &mut Draft, config: &Config<'_>, name: &str, groups: &[String]) {
        if let [_, others @ ..] = groups
            && !others.is_empty()
        {
            let text = format!(
                "was also in {}; a metric is in one group",
                others.join(", ")
            );
            draft.of(name, Kind::Changed, text);
        }
        if groups.is_empty() && !self.critical && !self.muted {
            let text = "was in no group, so Kayenta did not score it: only shown";
            draft.of(name, Kind::Changed, text);
        }
        if config.faithful {
            return;
        }
        if self.harm == Harm::Either {
            let text = "`direction: either` rolls back improvements, too: name the harmful one";
            draft.of(name, Kind::Choose, text);
        }
        if self.critical {
            let limits = [self.limits[2], self.limits[3]];
            let from = limits.into_iter().flatten().map(plain).collect::<Vec<_>>();
            let text = if from.is_empty() {
                "critical: rolls back alone, with three parts of the error budget".to_owned()
            } else {
                format!(
                    "critical from a ratio of {}; here it rolls back alone from `min_effect` on",
                    from.join(" or ")
                )
            };
            draft.of(name, Kind::Changed, text);
        }
        if self.is_cles() {
            let text = "the effect was a probability (cles), which is no `min_effect`: choose the \
                        smallest change worth a rollback";
            draft.of(name, Kind::Choose, text);
        }
        if self.outliers.is_some() {
            let text = "outliers are not removed: the judge works with ranks and bounded scores, \
                        which one value cannot move far, and a canary's spikes may be its harm";
            draft.of(name, Kind::Better, text);
        }
        if self.zero {
            let text = "`nanStrategy: replace` made only NaN 0, no gaps; `gaps: zero` does both";
            draft.of(name, Kind::Changed, text);
        }
        if self.must_have_data && !self.muted {
            let text = "`mustHaveData` is the rule here: a gate without data never passes";
            draft.of(name, Kind::Better, text);
        }
    }
}

/// A query as Kayenta builds it.
struct Built {
    query: String,
    /// Variables, with their fallbacks.
    variables: Vec<(String, Option<String>)>,
}

/// Builds the query of a metric: `Err` inside is a query that cannot be imported.
fn build(query: &Fields<'_>, config: &Config<'_>) -> Result<Result<Built, String>, String> {
    let filled = |name: &str| Ok::<_, String>(query.text(name)?.filter(|text| !text.is_empty()));
    let (inline, filter) = (
        filled("customInlineTemplate")?,
        filled("customFilterTemplate")?,
    );
    let metric = filled("metricName")?;
    let labels = query.texts("labelBindings")?;
    let groups = query.texts("groupByFields")?;
    let resource = filled("resourceType")?;
    query.skip(&["type", "serviceType", "labelBindings", "groupByFields"]);
    if let Some(dead) = filled("customFilter")? {
        let why = format!("`customFilter` `{dead}` is refused by Kayenta, too: use a template");
        return Ok(Err(why));
    }
    let template = match (inline, filter) {
        (Some(inline), _) => Some(inline),
        (None, Some(name)) => match config.templates.get(&name) {
            Some(text) => Some(text.clone()),
            None => return Ok(Err(format!("the template `{name}` is not in `templates`"))),
        },
        (None, None) => None,
    };
    let template = template.map(|text| text.replace("$\\{", "${"));
    if let Some(whole) = template
        .as_deref()
        .and_then(|text| text.strip_prefix("PromQL:"))
    {
        return Ok(Ok(substituted(whole.trim())));
    }
    let Some(metric) = metric else {
        return Ok(Err(
            "neither a metric nor a query that begins with `PromQL:`".to_owned(),
        ));
    };
    let mut filters: Vec<String> = Vec::new();
    match (template, resource.as_deref()) {
        (Some(text), _) => {
            filters.extend(text.split(',').map(|part| part.trim().to_owned()));
            filters.extend(labels);
        }
        (None, Some("gce_instance")) => {
            filters.extend(labels);
            filters.push("instance=~\"${scope}-.{4}\"".to_owned());
            filters.push("zone=~\".+/zones/${location}-.{1}\"".to_owned());
        }
        (None, Some("aws_ec2_instance")) => {
            filters.extend(labels);
            filters.push("asg_groupName=\"${scope}\"".to_owned());
            filters.push("zone=~\"${location}.{1}\"".to_owned());
        }
        (None, other) => {
            let what = other.map_or_else(
                || "neither a resource type nor a template".to_owned(),
                |other| format!("the resource type `{other}`"),
            );
            return Ok(Err(format!("{what}: Kayenta cannot build a query either")));
        }
    }
    filters.retain(|filter| !filter.is_empty());
    let by = if groups.is_empty() {
        String::new()
    } else {
        format!(" by ({})", groups.join(", "))
    };
    let text = format!("avg({metric}{{{}}}){by}", filters.join(","));
    Ok(Ok(substituted(&text)))
}

/// Variables as holes: `${name:-fallback}` is one with a default, `$${x}` is text.
fn substituted(text: &str) -> Built {
    let mut query = String::new();
    let mut variables: Vec<(String, Option<String>)> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        query.push_str(before);
        let Some((inside, after)) = after.split_once('}') else {
            query.push_str("${");
            rest = after;
            continue;
        };
        rest = after;
        if before.ends_with('$') {
            // A literal there, and by the same spelling a literal here.
            query.push_str("${");
            query.push_str(inside);
            query.push('}');
            continue;
        }
        let (name, fallback) = match inside.split_once(":-") {
            Some((name, fallback)) => (name, Some(fallback.to_owned())),
            None => (inside, None),
        };
        let hole = hole_from(name.trim());
        query.push_str("${");
        query.push_str(&hole);
        query.push('}');
        if hole != "scope" && !variables.iter().any(|(known, _)| *known == hole) {
            variables.push((hole, fallback));
        }
    }
    query.push_str(rest);
    Built { query, variables }
}
