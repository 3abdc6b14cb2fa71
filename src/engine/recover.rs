//! The way back after a crash: durable records in, an engine out, with the work still owed.
//!
//! The records of one analysis that cannot be used make that analysis unreadable, never the
//! engine (A11).

use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::engine::analysis::{Analysis, Phase};
use crate::engine::effect::Effect;
use crate::engine::guard::guarded;
use crate::engine::record::{Fact, Record, Seq};
use crate::engine::{Engine, Limits};
use crate::ids::AnalysisId;
use crate::plan::Plan;
use crate::plan::bind::bind;
use crate::plan::rollout::Rollout;
use crate::template::Template;
use crate::template::parse::parse;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An analysis whose records cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub id: AnalysisId,
    /// Why.
    pub why: String,
}

/// Gives a plan again from a template's text and a rollout, or says why it cannot.
pub type Binder<'a> = Box<dyn FnMut(&str, &Rollout) -> Result<Arc<Plan>, String> + 'a>;

/// A recovery under way: records go in one by one, so that a store can be read as a stream.
pub struct Recovery<'a> {
    engine: Engine,
    binder: Binder<'a>,
    last: Seq,
    unreadable: BTreeMap<AnalysisId, String>,
}

impl Engine {
    /// Rebuilds an engine from durable records in the order of the log; `effects` receives the
    /// work still owed, and every analysis for the readers.
    pub fn recover(
        limits: Limits,
        records: impl IntoIterator<Item = (Seq, Record)>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> (Self, Vec<Unreadable>) {
        let mut recovery = Recovery::new(limits);
        for (seq, record) in records {
            recovery.record(seq, &record);
        }
        recovery.finish(now, effects)
    }
}

impl<'a> Recovery<'a> {
    /// Nothing read yet; plans are bound anew, each template's text parsed once.
    pub fn new(limits: Limits) -> Self {
        let mut templates = BTreeMap::new();
        Self::with_binder(
            limits,
            Box::new(move |text, rollout| bind_again(&mut templates, text, rollout)),
        )
    }

    /// The same with another way to give plans again.
    pub fn with_binder(limits: Limits, binder: Binder<'a>) -> Self {
        Self {
            engine: Engine::new(limits),
            binder,
            last: Seq(0),
            unreadable: BTreeMap::new(),
        }
    }

    /// The next record of the log.
    pub fn record(&mut self, seq: Seq, record: &Record) {
        self.last = self.last.max(seq);
        // Time never goes back over a restart either: records written later stand later.
        self.engine.clock = self.engine.clock.max(record.at);
        if self.unreadable.contains_key(&record.id) {
            return;
        }
        let limits = self.engine.limits;
        let done = match (self.engine.analyses.get_mut(&record.id), &record.fact) {
            (Some(analysis), _) => guarded(|| analysis.apply(seq, record, &limits).map(|_| ())),
            (None, Fact::Submitted { .. }) => guarded(|| self.submitted(seq, record)),
            (None, Fact::Frozen { freeze }) => {
                let freezes = &mut self.engine.freezes;
                freezes.insert(record.id.clone(), (**freeze).clone());
                Ok(Ok(()))
            }
            (None, Fact::Lifted { .. }) => {
                self.engine.freezes.remove(&record.id);
                Ok(Ok(()))
            }
            (None, _) => Ok(Err(format!("record {} precedes its submission", seq.0))),
        };
        if let Fact::Concluded { conclusion } = &record.fact
            && done == Ok(Ok(()))
            && let Some(analysis) = self.engine.analyses.get_mut(&record.id)
        {
            drop(analysis.compare_with_good(&mut self.engine.goods, conclusion));
        }
        // A panic on one analysis' records is that analysis' damage (A11).
        if let Err(why) = done.flatten() {
            self.damaged(seq, &record.id, why);
        }
    }

    /// The last place taken in the log; the next record comes after it, whatever was readable.
    pub fn continue_after(&mut self, last: Seq) {
        self.last = self.last.max(last);
    }

    /// A place in the log that holds something the store could not read as a record.
    pub fn damaged(&mut self, seq: Seq, id: &AnalysisId, why: String) {
        self.last = self.last.max(seq);
        self.engine.analyses.remove(id);
        self.unreadable.entry(id.clone()).or_insert(why);
    }

    fn submitted(&mut self, seq: Seq, record: &Record) -> Result<(), String> {
        let Fact::Submitted {
            key,
            template_text,
            rollout,
            plan_digest,
            receivers,
            coordination,
        } = &record.fact
        else {
            return Ok(());
        };
        let plan = (self.binder)(template_text, rollout)?;
        if plan.digest != *plan_digest {
            return Err(format!(
                "its template and rollout give plan {} now and gave plan {} when it was \
                 submitted; read it with the version that wrote it",
                plan.digest.short(),
                plan_digest.short()
            ));
        }
        let moment = (record.at, seq, self.engine.limits.message_life);
        let analysis = Analysis::submitted(
            record.id.clone(),
            moment,
            plan,
            key.clone(),
            (receivers.clone(), (**coordination).clone()),
        );
        self.engine.analyses.insert(record.id.clone(), analysis);
        Ok(())
    }

    /// The engine at `now`, and the analyses that could not be read. The key of an unreadable
    /// analysis is free again: a controller that repeats its submission gets a new analysis.
    pub fn finish(self, now: Timestamp, effects: &mut Vec<Effect>) -> (Engine, Vec<Unreadable>) {
        let Self {
            engine: read,
            last,
            mut unreadable,
            ..
        } = self;
        let mut engine = Engine {
            clock: read.clock.max(now),
            analyses: read.analyses,
            freezes: read.freezes,
            goods: read.goods,
            ..Engine::after(read.limits, last)
        };
        let ids: Vec<AnalysisId> = engine.analyses.keys().cloned().collect();
        for id in &ids {
            if let Err(why) = engine.readmit(id) {
                unreadable.insert(id.clone(), why);
            }
        }
        let goods = engine.goods.all().cloned().map(Effect::Good);
        engine.out.extend(goods);
        engine.keys = engine.newest_keys();
        for id in &ids {
            engine.resume_messages(id);
        }
        engine.resume_freezes();
        engine.resume_peers();
        for id in &ids {
            engine.resume(id);
        }
        engine.settle(effects);
        let unreadable = unreadable
            .into_iter()
            .map(|(id, why)| Unreadable { id, why })
            .collect();
        (engine, unreadable)
    }
}

impl Engine {
    /// Enters a recovered analysis everywhere it is looked up, and shows it: all of it is durable.
    /// One whose evidence cannot be taken in, or not be shown, is let go of, with the reason (A11).
    pub(super) fn readmit(&mut self, id: &AnalysisId) -> Result<(), String> {
        let Some(analysis) = self.analyses.get_mut(id) else {
            return Ok(());
        };
        let taken_in = analysis.absorb().and_then(|()| guarded(|| analysis.view()));
        let view = match taken_in {
            Ok(view) => Arc::new(view),
            Err(why) => {
                self.analyses.remove(id);
                return Err(format!("its samples cannot be taken in: {why}"));
            }
        };
        analysis.published = Some(Arc::clone(&view));
        analysis.dropped.clear();
        match &analysis.conclusion {
            None => self.open += 1,
            Some(conclusion) => {
                self.concluded.insert((conclusion.at, id.clone()));
            }
        }
        for message in &analysis.deliveries {
            self.messages.insert(message.name.clone(), id.clone());
        }
        self.out.push(Effect::Publish(view));
        Ok(())
    }

    /// The newest holder of each key: a key that was free again may have been used again.
    fn newest_keys(&self) -> BTreeMap<String, AnalysisId> {
        let mut holders: Vec<&Analysis> = self.analyses.values().collect();
        holders.sort_by_key(|analysis| analysis.submitted_seq);
        holders
            .into_iter()
            .filter_map(|a| a.key.clone().map(|key| (key, a.id.clone())))
            .collect()
    }

    /// Takes up the messages about a verdict that is durable.
    fn resume_messages(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        let owed = analysis.deliveries.iter().filter(|m| m.end.is_none());
        self.outbox.extend(owed.map(|m| m.name.clone()));
    }

    /// Takes up the work an analysis still owes.
    fn resume(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        if analysis.phase != Phase::Over {
            // The log may end between a judgement and the conclusion it called for. If it ends
            // between samples and their judgement, the look is still due and is taken again.
            self.decide_after_failure(id);
        } else if analysis.is_watched() {
            self.resume_watch(id);
        }
    }
}

/// The plan that a template's text and a rollout give.
///
/// # Errors
/// The first thing that keeps it from being made.
pub fn bind_text(text: &str, rollout: &Rollout) -> Result<Arc<Plan>, String> {
    bind_again(&mut BTreeMap::new(), text, rollout)
}

/// Parses each distinct text once: a store of 10,000 analyses has a handful of templates.
fn bind_again(
    templates: &mut BTreeMap<Digest, Result<Template, String>>,
    text: &str,
    rollout: &Rollout,
) -> Result<Arc<Plan>, String> {
    let template = templates
        .entry(Digest::of(text.as_bytes()))
        .or_insert_with(|| match parse(text) {
            (Some(template), _) => Ok(template),
            (None, diagnostics) => Err(first_error("template", &diagnostics)),
        });
    match template {
        Ok(template) => bind(template, rollout)
            .map(Arc::new)
            .map_err(|diagnostics| first_error("plan", &diagnostics)),
        Err(why) => Err(why.clone()),
    }
}

fn first_error(what: &str, diagnostics: &[Diagnostic]) -> String {
    match diagnostics.iter().find(|d| d.is_error()) {
        Some(error) => format!("its {what} can no longer be used: {error}"),
        None => format!("its {what} can no longer be used"),
    }
}
