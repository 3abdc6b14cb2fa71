//! What is legal but unwise: one function per rule, each with its code and an example. A warning
//! is silenced by `# haldane-ignore C012: why` in its line or the line above.

use crate::diagnostic::{Diagnostic, Place};
use crate::template::document::Value;
use crate::template::promql::Token;
use crate::template::query::merged_label;
use crate::template::subject::{Subject, is_ignored};
use crate::template::{Measure, Method, MetricSpec, Role, Template};
use crate::time::Span;
use crate::units::{Harm, MinEffect, Weight, trim_number};

/// More objectives than this are a warning (C043). Source: the SRE workbook advises to have as
/// few as describe the user's experience; each one takes a share of `judge.false_rollback`.
const OBJECTIVES_USUAL: usize = 3;

/// An error share above this is a warning (C049): one healthy rollout in five.
const ERROR_SHARE_USUAL: f64 = 0.2;

/// A history of fewer grid points is a warning (C054): of 30 points the standard error of a
/// correlation is still about 0.18 (1 / √n, Bartlett 1946).
const HISTORY_POINTS_USUAL: i64 = 30;

/// Units and parts of names that mean a length of time.
const LATENCY_UNITS: [&str; 7] = ["s", "ms", "us", "µs", "ns", "seconds", "milliseconds"];
const LATENCY_NAMES: [&str; 5] = ["latency", "duration", "response-time", "p99", "p95"];

type Rule = fn(&Subject<'_>, &mut Vec<Diagnostic>);

const RULES: [Rule; 20] = [
    overlapping_windows,
    or_vector,
    unreachable_rungs,
    no_gate,
    many_objectives,
    either_on_latency,
    quantile_as_gate,
    warmup_too_long,
    bake_too_long,
    looks_off_the_grid,
    outlandish_error_shares,
    no_margin,
    wide_margin,
    merged_replicas,
    merged_values,
    short_history,
    not_read_by_kayenta,
    raw_counters,
    baseline_of_another_time,
    share_of_no_gate,
];

/// Everything unwise in a template, and in what each rule of `changes` makes of it, in the order of
/// the text it was parsed from.
pub fn lint(template: &Template, text: &str) -> Vec<Diagnostic> {
    let subject = Subject::new(template, text);
    let mut found = said_of(&subject);
    unused_inputs(&subject, &mut found);
    found.extend(subject.notes.iter().cloned());
    let changes = subject.changes().into_iter();
    let changes = changes.map(|(change, subject)| (change, said_of(&subject)));
    with_changes(&mut found, changes.collect());
    kept(&mut found, text);
    found.sort_by_key(|diagnostic| (diagnostic.place, diagnostic.code));
    found
}

fn said_of(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in RULES {
        rule(subject, &mut found);
    }
    found
}

/// Adds what was found in the template as it is for types of change: what the template itself has
/// too is said once, and everything else names the changes it is about.
pub fn with_changes(found: &mut Vec<Diagnostic>, changes: Vec<(&str, Vec<Diagnostic>)>) {
    let mut own: Vec<(Diagnostic, Vec<String>)> = Vec::new();
    for (change, said) in changes {
        for diagnostic in said {
            let known = own.iter_mut().find(|(other, _)| *other == diagnostic);
            match known {
                _ if found.contains(&diagnostic) => {}
                Some((_, names)) => names.push(format!("`{change}`")),
                None => own.push((diagnostic, vec![format!("`{change}`")])),
            }
        }
    }
    found.extend(own.into_iter().map(|(mut diagnostic, names)| {
        let message = std::mem::take(&mut diagnostic.message);
        diagnostic.message = format!("for changes of type {}: {message}", names.join(", "));
        diagnostic
    }));
}

/// Leaves out the warnings that the author has silenced, with a reason.
pub fn kept(found: &mut Vec<Diagnostic>, text: &str) {
    found.retain(|diagnostic| diagnostic.is_error() || !is_ignored(diagnostic, text));
}

fn warn(code: &'static str, place: Option<Place>, message: String, help: &str) -> Diagnostic {
    Diagnostic::warning(code, message).at(place).help(help)
}

/// C012: a range window longer than the step makes neighbouring samples share data:
/// `rate(x[5m])` at a step of 30 s. The judge corrects for it, but needs more time. Metrics that
/// are only shown are left alone.
fn overlapping_windows(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let step = subject.template.schedule.step.span();
    let judged = |metric: &MetricSpec| metric.role != Role::Info;
    for (idx, _, query, lexed) in subject.series().filter(|(_, metric, ..)| judged(metric)) {
        for pair in lexed.tokens.windows(2) {
            let [(_, Token::Sign('[')), (at, token)] = pair else {
                continue;
            };
            let (len, window) = match token {
                Token::Number(text) => (text.len(), Span::parse(text)),
                Token::Hole(name) => {
                    let mut inputs = subject.template.inputs.iter();
                    let input = inputs.find(|input| input.name == *name);
                    let default = input.and_then(|input| input.default.as_deref());
                    (name.len() + 3, default.and_then(Span::parse))
                }
                _ => continue,
            };
            let Some(window) = window.filter(|window| *window > step) else {
                continue;
            };
            let times = trim_number(window.seconds() / step.seconds());
            let message = format!(
                "a range window of {window} at a step of {step} makes neighbouring samples overlap"
            );
            let help = format!(
                "use `[{step}]`, or `step: {window}`; the judge corrects for it, but needs about \
                 {times} times the time"
            );
            let place = subject.in_query(idx, query, *at, len);
            found.push(warn("C012", place, message, &help));
        }
    }
}

/// C040: `… or vector(0)` turns "no data" into a healthy value, so a typo in a selector reads
/// as health (A5).
fn or_vector(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (idx, _, query, lexed) in subject.series() {
        for three in lexed.tokens.windows(3) {
            let [
                (at, Token::Word("or")),
                (_, Token::Word("vector")),
                (_, Token::Sign('(')),
            ] = three
            else {
                continue;
            };
            let message = "`or vector(…)` makes missing data look like a value".to_owned();
            let help = "remove it and set `gaps: zero` if absence means zero; a typo in the \
                        selector would read as health";
            let place = subject.in_query(idx, query, *at, 9);
            found.push(warn("C040", place, message, help));
        }
    }
}

/// C041: a rung above 1 / budget can never fire: burn 14.4 of a 90 % objective, whose burn is
/// at most 10.
fn unreachable_rungs(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (idx, spec) in subject.template.objectives.iter().enumerate() {
        let most = 1.0 / spec.objective.budget();
        for (rung_idx, rung) in spec.objective.rungs.iter().enumerate() {
            if rung.burn.get() < most {
                continue;
            }
            let message = format!(
                "objective `{}`: a burn rate of {} can never be exceeded, the most there is is {}",
                spec.name,
                trim_number(rung.burn.get()),
                trim_number(most)
            );
            let (idx, rung_idx) = (idx.to_string(), rung_idx.to_string());
            let rung = ["spec", "objectives", &idx, "rungs", &rung_idx, "burn"];
            let place = subject.place(&rung).or(spec.place);
            let help = "a budget of 1 − objective burns at most 1 / budget: lower `burn`";
            found.push(warn("C041", place, message, help));
        }
    }
}

/// C042: without a critical or required metric nothing has to hold for a promote.
fn no_gate(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    if subject
        .template
        .metrics
        .iter()
        .any(|metric| metric.role.is_gate())
    {
        return;
    }
    let message = "no metric is critical or required: nothing has to hold for a promote".to_owned();
    let help = "make at least one metric `role: required`";
    found.push(warn(
        "C042",
        subject.place(&["spec", "metrics"]),
        message,
        help,
    ));
}

/// C043: four objectives or more; each takes a share of `judge.false_rollback`.
fn many_objectives(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let count = subject.template.objectives.len();
    if count <= OBJECTIVES_USUAL {
        return;
    }
    let message =
        format!("{count} objectives share the error budget, {OBJECTIVES_USUAL} are usual");
    let help = "keep the ones that describe what users notice";
    found.push(warn(
        "C043",
        subject.place(&["spec", "objectives"]),
        message,
        help,
    ));
}

/// C044: `harm: either` on a latency rolls back improvements.
fn either_on_latency(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (idx, metric) in subject.template.metrics.iter().enumerate() {
        let name = metric.name.as_str().to_ascii_lowercase().replace('_', "-");
        let is_latency = LATENCY_UNITS.contains(&metric.unit.as_str())
            || LATENCY_NAMES.iter().any(|part| name.contains(part));
        if metric.harm != Harm::Either || !is_latency {
            continue;
        }
        let message = format!(
            "`harm: either` on the latency metric `{}` rolls back improvements",
            metric.name
        );
        let place = subject.place(&["spec", "metrics", &idx.to_string(), "harm"]);
        found.push(warn("C044", place, message, "use `harm: increase`"));
    }
}

/// C045: a quantile over a histogram as a gate: it is interpolated between bucket bounds and
/// blind to how many requests stand behind it.
fn quantile_as_gate(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (idx, metric, query, lexed) in subject.series() {
        let word = lexed
            .tokens
            .iter()
            .find(|(_, token)| *token == Token::Word("histogram_quantile"));
        let (true, Some((at, _))) = (metric.role.is_gate(), word) else {
            continue;
        };
        let message = format!(
            "metric `{}` is a gate on an interpolated quantile",
            metric.name
        );
        let help = "judge the share of slow requests with `distribution`, and keep the quantile \
                    as `role: info`";
        let place = subject.in_query(idx, query, *at, "histogram_quantile".len());
        found.push(warn("C045", place, message, help));
    }
}

/// C046: `warmup: 30m` with `deadline: 30m` leaves nothing to judge.
fn warmup_too_long(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let schedule = &subject.template.schedule;
    if schedule.warmup < schedule.deadline {
        return;
    }
    let (warmup, deadline) = (schedule.warmup, schedule.deadline);
    let message = format!("a warm-up of {warmup} leaves nothing of a deadline of {deadline}");
    let place = subject.place(&["spec", "schedule", "warmup"]);
    found.push(warn(
        "C046",
        place,
        message,
        "shorten `warmup` or extend `deadline`",
    ));
}

/// C047: `bake: 1h` with `deadline: 30m` never promotes.
fn bake_too_long(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let schedule = &subject.template.schedule;
    let (bake, deadline) = (schedule.bake, schedule.deadline);
    let step = schedule.step.span().ms();
    let last_point = deadline.ms() / step * step;
    if bake == deadline || bake.ms() <= last_point {
        return;
    }
    let message = if bake > deadline {
        format!("a bake time of {bake} ends after the deadline of {deadline}: never a promote")
    } else {
        format!(
            "a bake time of {bake} ends after the last step of {} before the deadline of \
             {deadline}: never a promote",
            schedule.step
        )
    };
    let place = subject.place(&["spec", "schedule", "bake"]);
    found.push(warn(
        "C047",
        place,
        message,
        "shorten `bake` or extend `deadline`",
    ));
}

/// C048: `look_every: 45s` at `step: 30s`: some looks see nothing new, others two points.
fn looks_off_the_grid(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let schedule = &subject.template.schedule;
    let (every, step) = (schedule.look_every, schedule.step.span());
    if every.ms() % step.ms() == 0 {
        return;
    }
    let message = if every < step {
        format!("a look every {every} is more often than a step of {step} brings anything new")
    } else {
        format!("a look every {every} does not fall on the steps of {step}")
    };
    let place = subject.place(&["spec", "schedule", "look_every"]);
    found.push(warn(
        "C048",
        place,
        message,
        "make `look_every` a multiple of `step`",
    ));
}

/// C049: `false_rollback: 30%`, which was likely meant to be 3 %.
fn outlandish_error_shares(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let judge = &subject.template.judge;
    let shares = [
        ("false_rollback", judge.false_rollback),
        ("false_promote", judge.false_promote),
    ];
    for (name, share) in shares {
        if share.get() <= ERROR_SHARE_USUAL {
            continue;
        }
        let message = format!("`{name}` of {share} is more than one wrong verdict in five");
        let place = subject.place(&["spec", "judge", name]);
        found.push(warn("C049", place, message, "1 % to 10 % are usual"));
    }
}

/// C050: `min_effect: { relative: 0% }`: any difference, however small, becomes harm once there
/// is enough data, and nothing can be shown to be within its limit.
fn no_margin(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (idx, metric) in subject.template.metrics.iter().enumerate() {
        let (MinEffect::Relative(margin) | MinEffect::Absolute(margin)) = metric.min_effect;
        if margin > 0.0 {
            continue;
        }
        let message = format!("metric `{}` has a minimum effect of 0", metric.name);
        let place = subject.place(&["spec", "metrics", &idx.to_string(), "min_effect"]);
        let help = "name the smallest difference worth a rollback: with enough data any \
                    difference is found, and none can be ruled out";
        found.push(warn("C050", place, message, help));
    }
}

/// Beyond this an absolute limit of a share is none: a quarter of all may fail more than before.
const SHARE_MARGIN: f64 = 0.25;

/// C052: `min_effect: { relative: 20 }` is 2000 %, where 20 % was meant: nearly everything would be
/// within the limit, and promoted.
fn wide_margin(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (idx, metric) in subject.template.metrics.iter().enumerate() {
        let share = !matches!(metric.measure, Measure::Series { .. });
        let (margin, most, unit) = match metric.min_effect {
            MinEffect::Relative(margin) => (margin, 1.0, "%"),
            MinEffect::Absolute(margin) if share => (margin, SHARE_MARGIN, "points"),
            MinEffect::Absolute(_) => continue,
        };
        let (number, percent) = (trim_number(margin), trim_number(margin * 100.0));
        let message = format!("metric `{}` may change by {percent} {unit}", metric.name);
        let place = subject.place(&["spec", "metrics", &idx.to_string(), "min_effect"]);
        let help = format!("a number without `%` is a share; write `{number}%`");
        if margin > most {
            found.push(warn("C052", place, message, &help));
        }
    }
}

/// C053: `per: pod` with `sum by (track) (…)`: the label is gone before the answer comes.
fn merged_replicas(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    merged(subject, found, |metric| {
        let per = metric.per.as_deref()?;
        Some(Merged {
            code: "C053",
            label: per,
            does: format!("keeps replicas apart by `{per}`"),
            then: ", and let `combine` merge",
        })
    });
}

/// C058: `group_by: route` with `sum by (track) (…)`: the label is gone before the answer comes,
/// and the metric has no data.
fn merged_values(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    merged(subject, found, |metric| {
        let label = metric.group_by.as_ref()?.label.as_str();
        Some(Merged {
            code: "C058",
            label,
            does: format!("judges the values of `{label}` on their own"),
            then: "",
        })
    });
}

/// A label that a metric tells something apart by, and its query must keep.
struct Merged<'a> {
    code: &'static str,
    label: &'a str,
    does: String,
    then: &'static str,
}

fn merged(
    subject: &Subject<'_>,
    found: &mut Vec<Diagnostic>,
    of: impl for<'m> Fn(&'m MetricSpec) -> Option<Merged<'m>>,
) {
    for (idx, metric, query, lexed) in subject.series() {
        let Some(kept) = of(metric) else { continue };
        let Some((at, len)) = merged_label(&lexed, kept.label) else {
            continue;
        };
        let Merged {
            code,
            label,
            does,
            then,
        } = kept;
        let message = format!("metric `{}` {does}, but its query merges them", metric.name);
        let help = format!("keep the label: `by (${{arm_labels}},{label})`{then}");
        found.push(warn(
            code,
            subject.in_query(idx, query, at, len),
            message,
            &help,
        ));
    }
}

/// C054: `history: { lookback: 5m }` at a step of 30 s: ten points say nothing about how a metric
/// usually behaves.
fn short_history(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(history) = &subject.template.history else {
        return;
    };
    let step = subject.template.schedule.step.span();
    let points = history.lookback.ms() / step.ms();
    if points >= HISTORY_POINTS_USUAL {
        return;
    }
    let message = format!(
        "a history of {} at a step of {step} has {points} points, too few to learn from",
        history.lookback
    );
    let place = subject.place(&["spec", "history", "lookback"]);
    let help = format!("use at least `{}`", step.times(HISTORY_POINTS_USUAL));
    found.push(warn("C054", place, message, &help));
}

/// C051: an input no query uses. A rule of `changes` may measure something else with it: a use in
/// any of them counts.
fn unused_inputs(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let rules = subject.template.changes.iter();
    let all = std::iter::once(subject.template).chain(rules.map(|rule| &rule.template));
    let queries: Vec<&str> = all
        .flat_map(|template| &template.metrics)
        .flat_map(|metric| match &metric.measure {
            Measure::Series { query, .. } => vec![query.as_str()],
            Measure::Events { bad, total } => vec![bad.as_str(), total.as_str()],
            Measure::Distribution { buckets, .. } => vec![buckets.as_str()],
        })
        .collect();
    for input in &subject.template.inputs {
        let hole = format!("${{{}}}", input.name);
        if queries.iter().any(|query| query.contains(&hole)) {
            continue;
        }
        let message = format!("no query uses the input `{}`", input.name);
        let inputs = subject.node(&["spec", "inputs"]).map(|node| &node.value);
        let place = match inputs {
            Some(Value::Map(entries)) => entries
                .iter()
                .find(|(name, _, _)| *name == input.name)
                .map(|(_, place, _)| *place),
            _ => None,
        };
        let help = format!("remove it, or use `{hole}`");
        found.push(warn("C051", place, message, &help));
    }
}

/// C055: what Kayenta's judge does not read: error shares, weights within a group, and a limit in
/// the metric's unit (`min_effect: { absolute: 0.5% }`).
fn not_read_by_kayenta(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Method::Kayenta(_) = subject.template.judge.method else {
        return;
    };
    let mut say = |place, what: String, help: &str| {
        let message = format!("{what} is not read by `method: kayenta`");
        found.push(warn("C055", place, message, help));
    };
    for name in ["false_rollback", "false_promote", "accept_no_harm"] {
        let at = ["spec", "judge", name];
        // Objectives are tested at a share of it, whatever judges the metrics.
        let used = name == "false_rollback" && !subject.template.objectives.is_empty();
        if subject.node(&at).is_some() && !used {
            let help = "remove it: that judge promises nothing about its errors";
            say(subject.place(&at), format!("`{name}`"), help);
        }
    }
    for (idx, metric) in subject.template.metrics.iter().enumerate() {
        let idx = idx.to_string();
        if metric.weight != Weight::ONE {
            let place = subject.place(&["spec", "metrics", &idx, "weight"]);
            let what = format!("the `weight` of metric `{}`", metric.name);
            let help = "it weighs groups only: write `judge.score.group_weights`";
            say(place, what, help);
        }
        let effect_size = metric.kayenta.and_then(|options| options.effect_size);
        if matches!(metric.min_effect, MinEffect::Absolute(_)) && effect_size.is_none() {
            let place = subject.place(&["spec", "metrics", &idx, "min_effect"]);
            let what = format!("the absolute `min_effect` of metric `{}`", metric.name);
            let help = "write a relative one, or `kayenta.effect_size`";
            say(place, what, help);
        }
    }
}

/// C056: `requests_total{…}` without a range: what a counter has reached depends on when its
/// process began. The suffixes are those that OpenMetrics gives to counters and histograms.
fn raw_counters(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    const SUFFIXES: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];
    let step = subject.template.schedule.step;
    for (idx, metric, query, lexed) in subject.series() {
        let mut tokens = lexed.tokens.iter();
        let has_range = tokens.any(|(_, token)| *token == Token::Sign('['));
        let counter = lexed.tokens.iter().find_map(|(at, token)| match token {
            Token::Word(word) if SUFFIXES.iter().any(|s| word.ends_with(s)) => Some((*at, *word)),
            _ => None,
        });
        let (false, Some((at, name))) = (has_range, counter) else {
            continue;
        };
        let message = format!(
            "metric `{}` compares what the counter `{name}` has reached",
            metric.name
        );
        let help = format!("compare its rate: `rate({name}{{…}}[{step}])`");
        let place = subject.in_query(idx, query, at, name.len());
        found.push(warn("C056", place, message, &help));
    }
}

/// C059: a baseline from another time. It may be all there is, and then it is better than none; but
/// it must be chosen, not stumbled into.
fn baseline_of_another_time(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let template = subject.template;
    let Some(weakness) = template.baseline.weakness() else {
        return;
    };
    let place = subject.place(&["spec", "baseline", "mode"]);
    let help = "compare with replicas of the old version that run beside the canary, if there can \
                be any; every verdict will say this";
    found.push(warn("C059", place, weakness.to_owned(), help));
    if template.traffic.is_some() {
        let message =
            "arms of different times share no traffic: `traffic` is not compared".to_owned();
        let place = subject.place(&["spec", "traffic"]);
        found.push(warn("C059", place, message, "remove it"));
    }
}

/// C057: `judge: { share: 2 }` of a metric that is `optional` or `info`: it ends no analysis, so it
/// takes no part of the error budget.
fn share_of_no_gate(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (idx, metric) in subject.template.metrics.iter().enumerate() {
        let share = metric.judge.and_then(|own| own.share);
        if metric.role.is_gate() || share.is_none() {
            continue;
        }
        let message = format!(
            "metric `{}` is `{}` and takes no part of the error budget",
            metric.name,
            metric.role.word()
        );
        let place = subject.place(&["spec", "metrics", &idx.to_string(), "judge", "share"]);
        let help = "remove `share`, or make the metric a gate";
        found.push(warn("C057", place, message, help));
    }
}
