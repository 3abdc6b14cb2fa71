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

use crate::diagnostic::Diagnostic;
use crate::import::draft::{Draft, Judging, name_from};
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
    /// Another name for the template.
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
    for draft in drafts {
        if draft.metrics.is_empty() {
            out.notes.extend(draft.notes);
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
    if let (Some(name), [only]) = (&wish.name, out.templates.as_slice())
        && only.name != *name
    {
        return Err(format!("`{name}` is no name of a template"));
    }
    Ok(out)
}

/// The step of an import: as asked, or two scrapes of 30 s, which a shorter window may not hold.
fn step_of(wish: &Wish) -> Span {
    wish.step.map_or(STEP, Step::span)
}

fn finished(mut draft: Draft, wish: &Wish) -> Result<Imported, String> {
    if let Some(name) = &wish.name {
        draft.name.clone_from(name);
    } else {
        draft.name = name_from(&draft.name);
    }
    if let Some(deadline) = wish.deadline {
        draft.schedule.retain(|timed| timed.field != "deadline");
        draft.time("deadline", deadline, "as asked");
    }
    draft.time("deadline", DEADLINE, "undecided by then: inconclusive");
    let gone = write::keep_used_inputs(&mut draft);
    if !gone.is_empty() {
        let text = format!(
            "no query needs {}, so there is no such input",
            gone.join(", ")
        );
        draft.note(Kind::Unread, text);
    }
    if !write::has_gate(&draft) {
        let text = "no metric is a gate, as in the source: give one `role: required`, or nothing \
                    has to hold for a promote";
        draft.note(Kind::Choose, text);
    }
    let order = ["step", "look_every", "warmup", "bake", "deadline"];
    let place = |field: &str| order.iter().position(|name| *name == field);
    draft.schedule.sort_by_key(|timed| place(timed.field));
    fit_bake(&mut draft);
    silence_what_fires(&mut draft);
    let text = write::write(&draft);
    let (template, found) = parse(&text);
    let found: Vec<Diagnostic> = match template {
        Some(template) => lint(&template, &text),
        None => {
            let said: Vec<String> = found.iter().map(|d| d.render("import", &text)).collect();
            return Err(format!(
                "{}: what came of it is no template, which is a fault of the import:\n{}",
                draft.name,
                said.join("\n")
            ));
        }
    };
    let mut notes = draft.notes;
    // Of the whole first, then metric by metric.
    let names: Vec<&str> = draft.metrics.iter().map(|m| m.name.as_str()).collect();
    notes.sort_by_key(|note| {
        let metric = note.metric.as_deref();
        metric.map(|name| {
            names
                .iter()
                .position(|known| *known == name)
                .unwrap_or(usize::MAX)
        })
    });
    notes.extend(found.into_iter().map(|diagnostic| Note {
        metric: None,
        kind: Kind::Choose,
        text: format!("lint says {diagnostic}"),
        at: None,
    }));
    Ok(Imported {
        name: draft.name,
        text,
        notes,
    })
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
