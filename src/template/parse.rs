//! Text to template. Every mistake that can be told apart is reported in one pass, each with its
//! code, line and column; a template that comes out has nothing left to check.

use crate::diagnostic::{Diagnostic, Place};
use crate::digest::Digest;
use crate::ids::TemplateName;
use crate::template::document::{Node, Value};
use crate::template::fields::{Fields, Reader, shorten};
use crate::template::metrics::SHARE_RANGE;
use crate::template::schema::written;
use crate::template::slo_spec::files;
use crate::template::steps::StepPlan;
use crate::template::{
    ChangeRule, JudgeSpec, Measure, Method, MetricSpec, OnInconclusive, Role, Schedule, Template,
    baseline, changes, default, extends, group_by, history, inconclusive, inputs, kayenta, lag,
    metrics, notify, objectives, recovery, steps,
};
use crate::time::{Span, Step};
use crate::units::Probability;

pub use crate::template::changes::{CHANGE_BYTES_MAX, CHANGES_MAX};
pub use crate::template::document::{DEPTH_MAX, NODES_MAX, TEXT_BYTES_MAX};
pub use crate::template::fields::{DESCRIPTION_BYTES_MAX, DIAGNOSTICS_MAX};
pub use crate::template::inputs::INPUTS_MAX;
pub use crate::template::metrics::METRICS_MAX;
pub use crate::template::notify::NOTIFIED_MAX;
pub use crate::template::objectives::{OBJECTIVES_MAX, RUNGS_MAX};

/// The only `apiVersion`.
pub const API_VERSION: &str = "haldane/v1";

/// The only `kind`.
pub const KIND: &str = "AnalysisTemplate";

/// The most entries of `allow_warnings`; more are refused (C013).
pub const ALLOWED_WARNINGS_MAX: usize = 50;

/// The most looks of an analysis; a template with more is refused (C013). Every look spends a
/// part of the error budget and writes a record.
pub const LOOKS_MAX: i64 = 10_000;

/// The longest deadline; a longer one is refused (C010). A rollout that takes more than a month
/// is two rollouts.
pub const DEADLINE_MAX: Span = Span::from_s(30 * 86_400);

/// The shortest step; a shorter one is refused (C010). Prometheus' stored resolution is 1 ms and
/// no one scrapes more often than every second.
pub const STEP_MIN: Span = Span::from_s(1);

/// The largest compiled size of an `allow_warnings` expression in bytes; a larger one is refused
/// (C017).
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Reads a template. `Some` exactly when no diagnostic is an error.
pub fn parse(text: &str) -> (Option<Template>, Vec<Diagnostic>) {
    if let Some(said) = foreign(text) {
        return (None, vec![said]);
    }
    let whole = match extends::read_whole(text) {
        Ok(whole) => whole,
        Err(diagnostic) => return (None, vec![diagnostic]),
    };
    let root = whole.root;
    let mut reader = Reader::new(text);
    if !whole.errors.is_empty() {
        // What these objectives count is missing: much else would look wrong for no other reason.
        whole.errors.into_iter().for_each(|said| reader.say(said));
        return (None, reader.into_found());
    }
    let mut template = read_template(&mut reader, &root, text);
    let rules = changes::read(&mut reader, &root);
    if let Some(template) = template.as_mut().filter(|_| !reader.has_errors()) {
        template.changes = read_rules(&mut reader, rules, text);
        mark_foreign(template, &whole.made);
    }
    if template.is_none() && !reader.has_errors() {
        let message = "the template could not be read".to_owned();
        reader.error("C005", root.place, message, "compare it with the reference");
    }
    let template = template.filter(|_| !reader.has_errors());
    (template, reader.into_found())
}

/// C027 when somebody gives the objectives where the template should be.
fn foreign(text: &str) -> Option<Diagnostic> {
    let owner = files::owner(text)?;
    let message = format!("this is a file of {owner}, no template");
    let help = "name it in a template: `objectives: [{ from: FILE, name: … }]`";
    let place = Place {
        line: 1,
        column: 1,
        len: 1,
    };
    Some(
        Diagnostic::error("C027", message)
            .at(Some(place))
            .help(help),
    )
}

/// Marks the metrics that count what a file says.
fn mark_foreign(template: &mut Template, made: &[String]) {
    for metric in &mut template.metrics {
        metric.counts_foreign = made.iter().any(|name| name == metric.name.as_str());
    }
    for rule in &mut template.changes {
        mark_foreign(&mut rule.template, made);
    }
}

/// The template as it is for each type of change that has a rule.
fn read_rules(reader: &mut Reader<'_>, rules: Vec<(String, Node)>, text: &str) -> Vec<ChangeRule> {
    let read = rules.into_iter().filter_map(|(change, root)| {
        let template = read_template(reader, &root, text)?;
        Some(ChangeRule { change, template })
    });
    read.collect()
}

fn read_template(reader: &mut Reader<'_>, root: &Node, text: &str) -> Option<Template> {
    let what = "a template";
    let fields = reader.map(root, what, written::Template::FIELDS)?;
    let help = format!("write `apiVersion: {API_VERSION}`");
    if let Some(node) = reader.need(&fields, "apiVersion", &help) {
        reader.word(node, "apiVersion", &[(API_VERSION, ())]);
    }
    if let Some(node) = reader.need(&fields, "kind", &format!("write `kind: {KIND}`")) {
        reader.word(node, "kind", &[(KIND, ())]);
    }
    let metadata = reader.need(&fields, "metadata", "write `metadata: { name: … }`");
    let metadata = metadata.and_then(|node| read_metadata(reader, node));
    let spec = reader.need(
        &fields,
        "spec",
        "it holds the schedule, the judge and the metrics",
    );
    let spec = spec.and_then(|node| read_spec(reader, node));
    let (name, description) = metadata?;
    Some(Template {
        name,
        description,
        digest: Digest::of(text.as_bytes()),
        ..spec?
    })
}

fn read_metadata(reader: &mut Reader<'_>, node: &Node) -> Option<(TemplateName, String)> {
    let fields = reader.map(node, "`metadata`", written::Metadata::FIELDS)?;
    let name = reader.need(&fields, "name", "give the template a name");
    let name = name.and_then(|node| reader.name(node, "the template's name", TemplateName::new));
    let description = reader.prose(fields.get("description"), "description");
    Some((name?, description?))
}

/// The spec as a template that still lacks its name, description and digest.
fn read_spec(reader: &mut Reader<'_>, node: &Node) -> Option<Template> {
    let fields = reader.map(node, "`spec`", written::Spec::FIELDS)?;
    let inputs = fields
        .get("inputs")
        .map_or_else(Vec::new, |node| inputs::read(reader, node));
    let schedule = reader.need(
        &fields,
        "schedule",
        "write `schedule: { step: 30s, deadline: 30m }`",
    );
    let step_place = schedule.map(|node| node.place);
    let schedule = schedule.and_then(|node| read_schedule(reader, node));
    let (schedule, planned) = schedule.unzip();
    let judge = read_judge(reader, fields.get("judge"));
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    let node = reader.need(&fields, "metrics", "without one nothing can be judged");
    let written = match node.map(|node| &node.value) {
        Some(Value::List(items)) => items.len(),
        _ => 0,
    };
    let metrics = node.map_or_else(Vec::new, |node| metrics::read(reader, node, &names));
    let all_known = metrics.len() == written;
    check_method(reader, judge.as_ref(), &metrics, &fields);
    group_by::check(reader, judge.as_ref().map(|judge| &judge.method), &metrics);
    let node = fields.get("objectives");
    let objectives = objectives::read(reader, node, &metrics, all_known);
    let traffic = fields.get("traffic");
    let traffic = traffic.map(|node| objectives::read_traffic(reader, node, &metrics, all_known));
    let traffic = traffic.flatten();
    let deciding = (judge.as_ref(), &objectives[..], traffic.as_ref());
    lag::check(reader, &metrics, deciding, fields.place());
    let allowed_warnings = read_warnings(reader, fields.get("allow_warnings"));
    let on_inconclusive = inconclusive::read(reader, &fields);
    let baseline = baseline::read(reader, fields.get("baseline"));
    let notify = notify::read(reader, fields.get("notify"));
    let schedule = schedule?;
    let history = history::read(reader, fields.get("history"), schedule.step);
    let recovery = recovery::read(reader, fields.get("recovery"), schedule.step);
    check_windows(reader, &schedule, &metrics, step_place);
    let (on_inconclusive, exceptions) = on_inconclusive?;
    Some(Template {
        name: TemplateName::new("unnamed")?,
        description: String::new(),
        inputs,
        schedule,
        steps: planned.flatten(),
        judge: judge?,
        metrics,
        objectives,
        traffic,
        history,
        allowed_warnings,
        on_inconclusive,
        exceptions,
        baseline: baseline?,
        recovery,
        notify,
        changes: Vec::new(),
        digest: Digest::of(&[]),
    })
}

/// C031 of every metric.
fn check_windows(
    reader: &mut Reader<'_>,
    schedule: &Schedule,
    metrics: &[MetricSpec],
    place: Option<Place>,
) {
    for metric in metrics {
        if let Some(said) = window_fault(schedule, schedule.deadline, metric) {
            reader.say(said.at(metric.place.or(place)));
        }
    }
}

/// C031 when a series metric cannot collect its minimum of samples before the deadline.
pub fn window_fault(
    schedule: &Schedule,
    deadline: Span,
    metric: &crate::template::MetricSpec,
) -> Option<Diagnostic> {
    let (step, warmup) = (schedule.step.span(), schedule.warmup);
    let points = (deadline.ms() - warmup.ms()).max(0) / step.ms();
    let samples = i64::try_from(metric.evidence.samples).unwrap_or(i64::MAX);
    if !matches!(metric.measure, Measure::Series { .. }) || points >= samples {
        return None;
    }
    let needed = warmup.plus(step.times(samples));
    let message = format!(
        "the window cannot hold enough evidence: {deadline} less {warmup} of warm-up at a step \
         of {step} gives {points} points, metric `{}` needs {samples}",
        metric.name
    );
    let help = format!(
        "allow at least {needed}, use a shorter step, or lower `min_samples` of the metric"
    );
    Some(Diagnostic::error("C031", message).help(help))
}

fn read_schedule(reader: &mut Reader<'_>, node: &Node) -> Option<(Schedule, Option<StepPlan>)> {
    let fields = reader.map(node, "`schedule`", written::Schedule::FIELDS)?;
    let step = reader.need(
        &fields,
        "step",
        "the distance between grid points, such as `30s`",
    );
    let step = step.and_then(|node| reader.span(node, "`step`", STEP_MIN, DEADLINE_MAX));
    let step = step.and_then(Step::new);
    let help = "an undecided analysis ends here, such as `30m`";
    let deadline = reader.need(&fields, "deadline", help);
    let place = deadline.map_or(fields.place(), |node| node.place);
    let deadline =
        deadline.and_then(|node| reader.span(node, "`deadline`", STEP_MIN, DEADLINE_MAX));
    let mut optional = |name: &str, least: Span| match fields.get(name) {
        None => Some(None),
        Some(node) => {
            let what = format!("`{name}`");
            reader.span(node, &what, least, DEADLINE_MAX).map(Some)
        }
    };
    let look_every = optional("look_every", STEP_MIN);
    let warmup = optional("warmup", Span::ZERO);
    let bake = optional("bake", Span::ZERO);
    let lag = optional("lag", Span::ZERO);
    let source_grace = optional("source_grace", Span::ZERO);
    let extend_once = optional("extend_once", Span::ZERO);
    let (step, deadline) = (step?, deadline?);
    let grid = step.span();
    let minute_on_grid = grid.times((default::LOOK_EVERY.ms() + grid.ms() - 1) / grid.ms());
    let schedule = Schedule {
        step,
        deadline,
        look_every: look_every?.unwrap_or(minute_on_grid),
        warmup: warmup?.unwrap_or(Span::ZERO),
        bake: bake?.unwrap_or(default::BAKE.min(deadline)),
        lag: lag?.unwrap_or(default::LAG),
        source_grace: source_grace?.unwrap_or(default::SOURCE_GRACE.max(grid.times(3))),
        extend_once: extend_once?.unwrap_or(Span::ZERO),
    };
    check_size(reader, &schedule, place);
    if let Some(node) = fields.get("extend_once")
        && let Some(said) = extension_fault(&schedule, deadline)
    {
        reader.say(said.at(Some(node.place)));
    }
    if let Some(node) = fields.get("lag").filter(|_| schedule.lag >= deadline) {
        let message = format!(
            "a `lag` of {} is not shorter than the deadline of {deadline}",
            schedule.lag
        );
        reader.error(
            "C010",
            node.place,
            message,
            "shorten `lag` or extend `deadline`",
        );
    }
    let steps = steps::read(reader, &fields, (schedule.warmup, deadline));
    Some((schedule, steps))
}

fn check_size(reader: &mut Reader<'_>, schedule: &Schedule, place: Place) {
    if let Some(diagnostic) = size_fault(schedule, schedule.deadline) {
        reader.say(diagnostic.at(Some(place)));
    }
}

/// C037 when an analysis of this length cannot be extended: the look at the deadline decides about
/// it, so there must be one, and the time that is added must bring something new.
pub fn extension_fault(schedule: &Schedule, deadline: Span) -> Option<Diagnostic> {
    let (extra, every) = (schedule.extend_once, schedule.look_every);
    if extra == Span::ZERO {
        return None;
    }
    let step = schedule.step.span();
    let (message, help) = if extra < step {
        let message = format!("`extend_once` of {extra} is shorter than a step of {step}");
        (
            message,
            format!("it would bring nothing new: add at least {every}"),
        )
    } else if deadline.plus(extra) > DEADLINE_MAX {
        let whole = deadline.plus(extra);
        let message = format!("deadline and `extend_once` are {whole}, at most {DEADLINE_MAX}");
        (message, "shorten one of them".to_owned())
    } else if deadline.ms() % every.ms().max(1) != 0 {
        let message = format!(
            "`extend_once` is decided by the look at the deadline of {deadline}, and a look every \
             {every} has none there"
        );
        (
            message,
            "make the deadline a multiple of `look_every`".to_owned(),
        )
    } else {
        return None;
    };
    Some(Diagnostic::error("C037", message).help(help))
}

/// C013 when an analysis of this length has too many points or looks.
pub fn size_fault(schedule: &Schedule, deadline: Span) -> Option<Diagnostic> {
    let deadline = deadline.plus(schedule.extend_once);
    let points = deadline.ms() / schedule.step.span().ms();
    if usize::try_from(points).unwrap_or(usize::MAX) > default::POINTS_MAX {
        let (step, max) = (schedule.step, default::POINTS_MAX);
        let message = format!("{deadline} at a step of {step} are {points} points, at most {max}");
        return Some(Diagnostic::error("C013", message).help("use a longer step"));
    }
    let looks = deadline.ms() / schedule.look_every.ms().max(1);
    (looks > LOOKS_MAX).then(|| {
        let every = schedule.look_every;
        let message =
            format!("{deadline} with a look every {every} are {looks} looks, at most {LOOKS_MAX}");
        Diagnostic::error("C013", message).help("look less often")
    })
}

fn read_judge(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<JudgeSpec> {
    let usual = default::probability(default::ERROR_SHARE);
    let Some(node) = node else {
        return Some(JudgeSpec {
            method: Method::Sequential,
            false_rollback: usual,
            false_promote: usual,
            accept_no_harm: None,
        });
    };
    let fields = reader.map(node, "`judge`", written::Judge::FIELDS)?;
    let method = match fields.get("method") {
        None => Some(Method::Sequential),
        Some(node) => read_method(reader, node, fields.get("score")),
    };
    if let Some(node) = fields.get("score")
        && !matches!(method, Some(Method::Kayenta(_)) | None)
    {
        another_judge(reader, node.key.unwrap_or(node.place), "`score`");
    }
    let inside = |value: f64| Probability::new(value).filter(|p| p.get() > 0.0 && p.get() < 1.0);
    let open = "a share above 0 and below 1, such as `5%`";
    let mut share = |name: &str| match fields.get(name) {
        None => Some(usual),
        Some(node) => reader.share(node, &format!("`{name}`"), open, inside),
    };
    let false_rollback = share("false_rollback");
    let false_promote = share("false_promote");
    let accept_no_harm = match fields.get("accept_no_harm") {
        None => Some(None),
        Some(node) => read_power(reader, node).map(Some),
    };
    Some(JudgeSpec {
        method: method?,
        false_rollback: false_rollback?,
        false_promote: false_promote?,
        accept_no_harm: accept_no_harm?,
    })
}

/// Reads what only that judge needs.
type ReadMethod = fn(&mut Reader<'_>, Option<&Node>) -> Option<Method>;

pub(super) const METHODS: [(&str, ReadMethod); 3] = [
    ("sequential", |_, _| Some(Method::Sequential)),
    ("mann-whitney", |_, _| Some(Method::MannWhitney)),
    ("kayenta", |reader, score| {
        kayenta::read_score(reader, score).map(Method::Kayenta)
    }),
];

pub(super) const POLICIES: [(&str, OnInconclusive); 2] = [
    ("hold", OnInconclusive::Hold),
    ("rollback", OnInconclusive::Rollback),
];

/// The judge; `score` are the thresholds of the one that decides by a score.
fn read_method(reader: &mut Reader<'_>, node: &Node, score: Option<&Node>) -> Option<Method> {
    let read = reader.word(node, "judge", &METHODS)?;
    read(reader, score)
}

/// C018: an option that only Kayenta's judge reads.
fn another_judge(reader: &mut Reader<'_>, at: Place, what: &str) {
    let message = format!("{what} belongs to `method: kayenta`, another judge would ignore it");
    reader.error("C018", at, message, "remove it, or choose that judge");
}

/// What metrics and judge must agree on.
fn check_method(
    reader: &mut Reader<'_>,
    judge: Option<&JudgeSpec>,
    metrics: &[MetricSpec],
    fields: &Fields<'_>,
) {
    let Some(judge) = judge else { return };
    let node = fields.get("judge");
    let at = node.map_or(fields.place(), |node| node.key.unwrap_or(node.place));
    if let Method::Kayenta(spec) = &judge.method {
        let counted = metrics.iter().filter(|metric| metric.role != Role::Info);
        kayenta::check_weights(reader, spec, counted.map(|metric| &metric.group), at);
        for metric in metrics.iter().filter(|metric| metric.judge.is_some()) {
            let message = format!(
                "metric `{}` has a `judge` of its own, and `method: kayenta` scores all as one",
                metric.name
            );
            let help = "remove it, or choose another `method` for the template";
            reader.error("C026", metric.place.unwrap_or(at), message, help);
        }
        return;
    }
    for metric in metrics.iter().filter(|metric| metric.kayenta.is_some()) {
        let what = format!("`kayenta` of metric `{}`", metric.name);
        another_judge(reader, metric.place.unwrap_or(at), &what);
    }
}

pub(super) fn read_power(reader: &mut Reader<'_>, node: &Node) -> Option<Probability> {
    let fields = reader.map(node, "`accept_no_harm`", written::NoHarm::FIELDS)?;
    let help = "the least power to find the minimum effect, such as `80%`";
    let node = reader.need(&fields, "power", help)?;
    reader.share(node, "`power`", SHARE_RANGE, |value| {
        Probability::new(value).filter(|power| power.get() > 0.0)
    })
}

fn read_warnings(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<String> {
    let mut out = Vec::new();
    for item in reader.list(node, "allowed warnings", ALLOWED_WARNINGS_MAX) {
        let Some(text) = reader.text(item, "an allowed warning") else {
            continue;
        };
        let mut builder = regex::RegexBuilder::new(text);
        if builder.size_limit(REGEX_BYTES_MAX).build().is_ok() {
            out.push(text.to_owned());
        } else {
            let message = format!("`{}` is no regular expression", shorten(text));
            let help = "it is searched for in the server's warning; escape `( ) [ ] . * + ?`";
            reader.error("C017", item.place, message, help);
        }
    }
    out
}
