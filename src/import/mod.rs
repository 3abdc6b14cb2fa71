//! Templates from what other tools have: Kayenta's canary configs, Argo Rollouts' analysis
//! templates, Flagger's canaries and metric templates. Texts in, texts and notes out; nothing of
//! the source is dropped in silence.
//!
//! Each importer fills a draft: `measure` turns a query with its direction and limits into a
//! measure, `write` the whole into YAML.

mod argo;
mod condition;
mod draft;
mod flagger;
mod insert;
mod kayenta;
mod measure;
mod promql;
mod rewrite;
mod shape;
mod source;
mod write;

pub use crate::import::draft::{Kind, Note};
pub use crate::import::source::Source;

use crate::ids::TemplateName;
use crate::import::draft::{Draft, Judging, name_from};
use crate::import::rewrite::Arm;
use crate::template::lint::lint;
use crate::template::parse::parse;
use crate::time::{Span, Step};

/// Where to import from, and what cannot be read from the source.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// A canary config of Kayenta.
    Kayenta {
        /// Kayenta's own judge, faults included.
        faithful: bool,
        /// Scores of the canary stage, which the config does not hold: pass and marginal.
        scores: Option<(f64, f64)>,
    },
    /// `AnalysisTemplate` and `ClusterAnalysisTemplate`.
    Argo,
    /// `Canary` and `MetricTemplate`.
    Flagger {
        /// The mesh or ingress, when the canary does not say.
        provider: Option<String>,
    },
}

/// What is asked of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Where from.
    pub from: From,
    /// Of several objects, only the one of this name.
    pub only: Option<String>,
    /// Another name for the template; there must be one then.
    pub name: Option<String>,
    /// The distance between points.
    pub step: Option<Step>,
    /// An undecided analysis ends here.
    pub deadline: Option<Span>,
}

/// One template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its name.
    pub name: String,
    /// The text; lints without a finding.
    pub text: String,
    /// The matchers that picked the canary, once each, with `SCOPE` for what picked.
    pub arms: Vec<String>,
    /// The same of a canary config, with `${scope}` left in for a program to fill.
    pub picked: Vec<String>,
    /// What changed and why.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Something of the source is not in it.
    pub fn partial(&self) -> bool {
        self.notes.iter().any(|note| note.kind == Kind::Refused)
    }
}

/// Everything that came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The templates, in the order of the source.
    pub templates: Vec<Imported>,
    /// What is of no template: objects of other kinds, templates without a single metric.
    pub notes: Vec<Note>,
}

/// The distance between points, unless another is asked for: the one Kayenta asks with.
const STEP: Span = Span::from_s(60);

/// `schedule.deadline` without a better reason, as in the templates that come with Haldane.
const DEADLINE: Span = Span::from_s(30 * 60);

/// Imports texts. The error is of a text that cannot be read, with its place; what cannot be taken
/// over is a note.
pub fn import(sources: &[Source<'_>], wish: &Wish) -> Result<Outcome, String> {
    let mut out = Outcome::default();
    let drafts = match &wish.from {
        From::Kayenta { faithful, scores } => {
            let [source] = sources else {
                return Err("one canary config at a time".to_owned());
            };
            vec![kayenta::draft(*source, wish, *faithful, *scores)?]
        }
        From::Argo => argo::drafts(sources, wish, &mut out.notes)?,
        From::Flagger { provider } => {
            flagger::drafts(sources, wish, provider.as_deref(), &mut out.notes)?
        }
    };
    for draft in chosen(drafts, wish)? {
        if draft.metrics.is_empty() {
            let refused = draft.notes.into_iter();
            out.notes
                .extend(refused.filter(|note| note.kind == Kind::Refused));
            let text = format!(
                "{}: no metric could be imported, so no template",
                draft.name
            );
            out.notes.push(Note {
                metric: None,
                kind: Kind::Refused,
                text,
                at: None,
            });
        } else {
            out.templates.push(finished(draft, wish)?);
        }
    }
    Ok(out)
}

/// What was asked for of what there is.
fn chosen(mut drafts: Vec<Draft>, wish: &Wish) -> Result<Vec<Draft>, String> {
    let names: Vec<String> = drafts.iter().map(|draft| name_from(&draft.name)).collect();
    let listed = names.join(", ");
    if let Some(only) = &wish.only {
        if !names.contains(only) {
            return Err(format!(
                "nothing here is called `{only}`; there are {listed}"
            ));
        }
        drafts.retain(|draft| name_from(&draft.name) == *only);
    }
    if let Some(name) = &wish.name {
        if TemplateName::new(name).is_none() {
            return Err(format!(
                "`{name}` is no name of a template: 1 to 200 letters, digits and any of . _ - : / @"
            ));
        }
        if drafts.len() > 1 {
            let count = drafts.len();
            return Err(format!(
                "one name for {count} templates: {listed}; choose one"
            ));
        }
    }
    Ok(drafts)
}

/// The step of an import: as asked, or two scrapes of 30 s, which a shorter window may not hold.
fn step_of(wish: &Wish) -> Span {
    wish.step.map_or(STEP, Step::span)
}

fn finished(mut draft: Draft, wish: &Wish) -> Result<Imported, String> {
    complete(&mut draft, wish);
    silence_what_fires(&mut draft);
    let text = write::write(&draft);
    let (template, found) = parse(&text);
    let Some(template) = template else {
        let said: Vec<String> = found.iter().map(|d| d.render("import", &text)).collect();
        return Err(format!(
            "{}: what came of it is no template, which is a fault of the import:\n{}",
            draft.name,
            said.join("\n")
        ));
    };
    let mut arms: Vec<String> = Vec::new();
    for (arm, matcher) in draft.arms {
        if arm == Arm::Canary && !arms.contains(&matcher) {
            arms.push(matcher);
        }
    }
    let mut notes = draft.notes;
    // Of the whole first, then metric by metric.
    let metrics = &draft.metrics;
    notes.sort_by_key(|note| {
        let name = note.metric.as_deref()?;
        let place = metrics.iter().position(|metric| metric.name == name);
        Some(place.unwrap_or(usize::MAX))
    });
    notes.extend(lint(&template, &text).into_iter().map(|diagnostic| Note {
        metric: None,
        kind: Kind::Choose,
        text: format!("lint says {diagnostic}"),
        at: None,
    }));
    Ok(Imported {
        name: draft.name,
        text,
        arms,
        picked: draft.picked,
        notes,
    })
}

/// What a draft need not say.
fn complete(draft: &mut Draft, wish: &Wish) {
    let name = wish.name.clone();
    draft.name = name.unwrap_or_else(|| name_from(&draft.name));
    if let Some(deadline) = wish.deadline {
        draft.schedule.retain(|timed| timed.field != "deadline");
        draft.time("deadline", deadline, "as asked");
    }
    draft.time("deadline", DEADLINE, "undecided by then: inconclusive");
    let gone = write::keep_used_inputs(draft);
    if !gone.is_empty() {
        let names = gone.join(", ");
        let text = format!("no query needs {names}, so there is no such input");
        draft.note(Kind::Unread, text);
    }
    if !write::has_gate(draft) {
        let text = "no metric is a gate, as in the source: give one `role: required`, or nothing \
                    has to hold for a promote";
        draft.note(Kind::Choose, text);
    }
    let order = ["step", "look_every", "warmup", "bake", "deadline"];
    let place = |field: &str| order.iter().position(|name| *name == field);
    draft.schedule.sort_by_key(|timed| place(timed.field));
    fit_bake(draft);
}

/// Keeps the comments that silence a warning which a metric really has.
fn silence_what_fires(draft: &mut Draft) {
    for idx in 0..draft.metrics.len() {
        let mut alone = draft.clone();
        alone.metrics = draft.metrics.get(idx).cloned().into_iter().collect();
        alone.objectives.clear();
        alone.notes.clear();
        if let Judging::Kayenta { weights, .. } = &mut alone.judging {
            weights.clear();
        }
        alone
            .metrics
            .iter_mut()
            .for_each(|metric| metric.silenced.clear());
        let text = write::write(&alone);
        let codes: Vec<&str> = match parse(&text) {
            (Some(template), _) => lint(&template, &text).iter().map(|d| d.code).collect(),
            (None, _) => Vec::new(),
        };
        if let Some(metric) = draft.metrics.get_mut(idx) {
            metric.silenced.retain(|(_, code, _)| codes.contains(code));
        }
    }
}

/// A bake time beyond the deadline would never promote.
fn fit_bake(draft: &mut Draft) {
    let of = |draft: &Draft, field| {
        let mut times = draft.schedule.iter();
        times
            .find(|timed| timed.field == field)
            .map(|timed| timed.span)
    };
    let (Some(bake), Some(deadline), Some(step)) =
        (of(draft, "bake"), of(draft, "deadline"), of(draft, "step"))
    else {
        return;
    };
    let last = deadline.ms() / step.ms().max(1) * step.ms();
    for timed in &mut draft.schedule {
        if timed.field == "bake" && bake.ms() > last {
            timed.span = Span::from_ms(last);
        }
    }
}
