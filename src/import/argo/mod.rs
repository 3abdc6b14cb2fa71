//! `AnalysisTemplate` and `ClusterAnalysisTemplate` of Argo Rollouts. Each becomes a template; its
//! conditions compare one arm with a number, which becomes an objective where the query counts
//! events, and a comparison with the baseline everywhere.

mod args;
mod metric;

use crate::import::argo::args::{Args, read_args};
use crate::import::argo::metric::{Planned, add};
use crate::import::draft::{Draft, Kind, Note};
use crate::import::rewrite::Picks;
use crate::import::source::{Fields, Object, Source, fault, nothing_here, objects};
use crate::import::{Wish, step_of};
use crate::time::Span;
use regex::Regex;

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
        return Err(nothing_here(
            &all,
            "AnalysisTemplate or ClusterAnalysisTemplate",
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
        return Err(fault(&object.file, object.node.place, &message));
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
    let mut dry = Vec::new();
    for node in spec.list("dryRun")? {
        dry.push(Fields::of(spec.file, "an entry of `dryRun`", node)?.need("metricName")?);
    }
    if spec.get("measurementRetention").is_some() {
        draft.note(
            Kind::Unread,
            "`measurementRetention`: every measurement is kept",
        );
    }
    let mut specs = vec![spec];
    referenced(&mut draft, &mut specs, all, &mut args)?;
    let mut plans = Vec::new();
    for spec in &specs {
        for node in spec.list("metrics")? {
            plans.push(Planned::read(spec.file, node, &args)?);
        }
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
        (1.0..=2_592_000.0)
            .contains(&whole)
            .then(|| Span::from_s(whole as i64))
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
