//! Looks: due, fetched, judged, decided. One fetch and one judgement at a time per analysis.

use crate::engine::analysis::Phase;
use crate::engine::conclude::JUDGE_FAILED;
use crate::engine::effect::{ANCHOR_LOOKBACK, Effect, FetchOrder, JudgeOrder, first_from};
use crate::engine::event::SourceFault;
use crate::engine::limits::SOURCE_NOTES_MAX;
use crate::engine::record::Fact;
use crate::engine::timers::Waiter;
use crate::engine::verdict::Source;
use crate::engine::{Engine, schedule};
use crate::ids::AnalysisId;
use crate::judge::judgement::Judgement;
use crate::judge::windows::Batch;
use crate::time::Span;
use std::sync::Arc;

/// The wait after a failed fetch: doubled each time, up to [`SOURCE_RETRY_MAX`]. A source that
/// restarts answers within seconds; the next look's own time comes first if it is nearer.
const SOURCE_RETRY_FIRST: Span = Span::from_s(1);
/// The longest wait between two tries of the source: a look of the default schedule.
const SOURCE_RETRY_MAX: Span = Span::from_s(30);

/// First fetches that ask for the history as well; after as many have failed the analysis goes on
/// without it. A history is a help, not a need: what is too much for a source must not end an
/// analysis that would be content with less.
const HISTORY_TRIES_MAX: u32 = 3;

impl Engine {
    /// Waits for the next look of an analysis.
    pub(super) fn rest(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        if analysis.phase == Phase::Resting && analysis.behind.is_none() {
            let at = analysis.next_look_at();
            self.timers.set(Waiter::Analysis(id.clone()), at);
        }
    }

    /// The timer of an analysis has come.
    pub(super) fn wake_analysis(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        match analysis.phase {
            Phase::Resting => {
                analysis.phase = Phase::Queued(self.clock);
                self.queue.insert((self.clock, id.clone()));
            }
            Phase::Fetching { look, .. } => {
                let message = format!("no answer within {}", self.limits.patience);
                self.on_fetch_failed(id, look, &SourceFault::passing(message));
            }
            Phase::Judging { look } => self.order_judgement(id, look),
            Phase::Over => self.wake_watch(id),
            Phase::Queued(_) => {}
        }
    }

    /// Begins looks that are due, in order, as far as the limits allow.
    pub(super) fn begin_looks(&mut self) {
        while self.fetching.len() < self.limits.fetches_max && !self.is_paused() {
            let Some((_, id)) = self.queue.pop_first() else {
                return;
            };
            self.begin_look(&id);
        }
    }

    fn begin_look(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        let timing = &analysis.plan.timing;
        let Some(look) = schedule::next_due(timing, self.clock, analysis.ended_look()) else {
            analysis.phase = Phase::Resting;
            return self.rest(id);
        };
        // A look that comes late reads no more than it would have in time: what it may spend
        // ends at its planned instant, and what lies beyond belongs to the next look.
        let to = timing.readable_to(schedule::due(timing, look));
        let Some(windows) = &analysis.windows else {
            return;
        };
        let covered_to = windows.covered_to;
        if to <= covered_to {
            // Nothing new on the grid: the look is taken on what there is.
            return self.order_judgement(id, look);
        }
        let first = !analysis.has_samples;
        let from = match (first, analysis.history_tries < HISTORY_TRIES_MAX) {
            (true, true) => first_from(&analysis.plan),
            (true, false) => covered_to.minus(ANCHOR_LOOKBACK),
            (false, _) => covered_to,
        };
        analysis.phase = Phase::Fetching { look, from, to };
        let order = FetchOrder {
            id: id.clone(),
            look,
            plan: Arc::clone(&analysis.plan),
            from,
            to,
            first,
        };
        self.fetching.insert(id.clone());
        self.be_patient(id);
        self.out.push(Effect::Fetch(order));
    }

    fn be_patient(&mut self, id: &AnalysisId) {
        let at = self.clock.plus(self.limits.patience);
        self.timers.set(Waiter::Analysis(id.clone()), at);
    }

    /// Samples have come.
    pub(super) fn on_fetched(&mut self, id: &AnalysisId, look: u32, batch: &Arc<Batch>) {
        if self.is_glance_fetched(id, look, batch) {
            return;
        }
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        let (from, to) = (batch.from, batch.to);
        if analysis.phase != (Phase::Fetching { look, from, to }) {
            return self.ignore(id, format!("samples ({from}, {to}] for look {look}"));
        }
        analysis.retries = 0;
        analysis.failing_since = None;
        self.fetching.remove(id);
        let batch = Arc::clone(batch);
        self.write(id, Fact::Captured { look, batch });
        self.order_judgement(id, look);
    }

    /// Asks for a judgement of everything captured so far.
    pub(super) fn order_judgement(&mut self, id: &AnalysisId, look: u32) {
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        if let Err(why) = analysis.absorb() {
            let message = format!("{JUDGE_FAILED}: samples could not be taken in: {why}");
            self.write(id, Fact::SourceFailed { look, message });
            return self.decide(id, Source::Lost);
        }
        let Some(windows) = &analysis.windows else {
            return;
        };
        let order = JudgeOrder {
            id: id.clone(),
            look,
            plan: Arc::clone(&analysis.plan),
            windows: Arc::clone(windows),
        };
        analysis.phase = Phase::Judging { look };
        self.judging.insert(id.clone());
        self.be_patient(id);
        self.out.push(Effect::Judge(order));
    }

    /// Samples could not be had. Tried again inside the look's time; inconclusive once that has
    /// lasted longer than the grace. A refused query ends an analysis that never had an answer at
    /// once (its queries are wrong); one that had answers keeps the grace (somebody may be changing
    /// the source's rules), and so does every other fault (somebody may be mending the source).
    pub(super) fn on_fetch_failed(&mut self, id: &AnalysisId, look: u32, fault: &SourceFault) {
        if self.is_glance_unfetched(id, look, &fault.message) {
            return;
        }
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        let from = match analysis.phase {
            Phase::Fetching {
                look: asked, from, ..
            } if asked == look => from,
            _ => return self.ignore(id, format!("a failed fetch for look {look}")),
        };
        let anchors = analysis.plan.timing.start.minus(ANCHOR_LOOKBACK);
        let with_history = !analysis.has_samples && from < anchors;
        if with_history {
            // What a source refuses with a history it may answer without.
            let tries = analysis.history_tries.saturating_add(1);
            analysis.history_tries = if fault.transient {
                tries
            } else {
                HISTORY_TRIES_MAX
            };
        }
        let since = *analysis.failing_since.get_or_insert(self.clock);
        let retries = analysis.retries;
        analysis.retries = retries.saturating_add(1);
        analysis.phase = Phase::Resting;
        let ends = since.plus(analysis.plan.timing.source_grace);
        let hopeless = fault.query && !analysis.has_samples && !with_history;
        let news = analysis.source_fault.as_deref() != Some(fault.message.as_str());
        let note = news && (hopeless || analysis.source_notes < SOURCE_NOTES_MAX);
        self.fetching.remove(id);
        if note {
            let message = fault.message.clone();
            self.write(id, Fact::SourceFailed { look, message });
        }
        if hopeless || ends <= self.clock {
            return self.decide(id, Source::Lost);
        }
        let wait = SOURCE_RETRY_FIRST.times(1_i64 << retries.min(16));
        // The source's own wish counts, but not beyond what the engine waits for any answer: a
        // source with a wrong clock must not silence an analysis.
        let wish = fault
            .retry_after
            .unwrap_or(Span::ZERO)
            .min(self.limits.patience);
        let wait = wait.min(SOURCE_RETRY_MAX).max(wish);
        let again = self.clock.plus(wait).min(ends);
        self.timers.set(Waiter::Analysis(id.clone()), again);
    }

    /// A judgement has come.
    pub(super) fn on_judged(&mut self, id: &AnalysisId, judgement: Arc<Judgement>) {
        if self.is_glance_judged(id, &judgement) {
            return;
        }
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        let look = judgement.look;
        if analysis.phase != (Phase::Judging { look }) {
            return self.ignore(id, format!("a judgement of look {look}"));
        }
        analysis.phase = Phase::Resting;
        self.judging.remove(id);
        let shown = self.shows(id);
        self.write(id, Fact::Judged { judgement });
        self.hold_anew(id, true);
        self.decide(id, Source::Answering);
        self.stir_peers_if_new(id, shown);
    }

    /// A judgement could not be computed. The look goes without one; when it was the last, nothing
    /// is left that could show anything, and the analysis ends inconclusive (A5, A11).
    pub(super) fn on_judge_failed(&mut self, id: &AnalysisId, look: u32, why: &str) {
        if self.is_glance_unjudged(id, why) {
            return;
        }
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        if analysis.phase != (Phase::Judging { look }) {
            return self.ignore(id, format!("a failed judgement of look {look}"));
        }
        analysis.phase = Phase::Resting;
        self.judging.remove(id);
        let message = format!("{JUDGE_FAILED}: {why}");
        self.write(id, Fact::SourceFailed { look, message });
        self.decide_after_failure(id);
    }

    /// Decides after looks of which the newest may have gone without a judgement.
    pub(super) fn decide_after_failure(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        let last = analysis.plan.timing.looks_planned();
        let over = analysis.unjudged_look >= last && analysis.judged_look() < last;
        let source = if over {
            Source::Lost
        } else {
            Source::Answering
        };
        self.decide(id, source);
    }

    /// Asks the verdict table; concludes, or waits for the next look.
    pub(super) fn decide(&mut self, id: &AnalysisId, source: Source) {
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        if let Some(conclusion) = analysis.conclusion_by_table(source, self.clock) {
            return self.conclude(id, conclusion);
        }
        self.announce(id);
        self.rest(id);
    }
}
