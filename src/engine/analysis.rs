//! One analysis: what its records say ([`Analysis::apply`]), what it is doing right now
//! ([`Phase`]), and what readers may see of it ([`Analysis::view`]).
//!
//! Live and after a restart the same `apply` runs over the same records; there is no second way
//! for a fact to get in here.

use crate::engine::after::Acknowledged;
use crate::engine::conclude::{self, JUDGE_FAILED};
use crate::engine::coordination::Coordination;
use crate::engine::coordination::hold::Held;
use crate::engine::delivery::{Birth, Delivery};
use crate::engine::good::Good;
use crate::engine::guard::guarded;
use crate::engine::limits::Limits;
use crate::engine::record::{Conclusion, Fact, Receiver, Record, Seq};
use crate::engine::schedule;
use crate::engine::subscription::Moment;
use crate::engine::verdict::{Decision, Hold, Situation, Source, Verdict, decide};
use crate::engine::view::{Status, View};
use crate::engine::watch::Watching;
use crate::ids::{AnalysisId, DeliveryId};
use crate::judge::explain::{Stand, sentence};
use crate::judge::judgement::Judgement;
use crate::judge::windows::{Batch, Windows};
use crate::plan::Plan;
use crate::time::{Span, Timestamp};
use std::sync::Arc;

/// What an analysis is doing right now; not a fact, and gone after a crash.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// Waits for a timer: the next look, or another try of this one.
    Resting,
    /// A look is due and waits for its turn, since this instant.
    Queued(Timestamp),
    /// Samples in `(from, to]` were asked for.
    Fetching {
        look: u32,
        from: Timestamp,
        to: Timestamp,
    },
    /// A judgement was asked for.
    Judging { look: u32 },
    /// It has concluded.
    Over,
}

/// One analysis.
#[derive(Debug)]
pub(super) struct Analysis {
    pub(super) id: AnalysisId,
    pub(super) plan: Arc<Plan>,
    pub(super) key: Option<String>,
    pub(super) receivers: Vec<Receiver>,
    pub(super) coordination: Coordination,
    /// It is queued behind this one; its clock has not started.
    pub(super) behind: Option<AnalysisId>,
    /// It was queued, and its clock has started.
    pub(super) begun: bool,
    /// What holds its promote back from outside.
    pub(super) held: Option<Held>,
    pub(super) submitted_at: Timestamp,
    pub(super) submitted_seq: Seq,
    /// Its plan as it was submitted: later its clock may start, or traffic take a step.
    pub(super) submitted_plan: Arc<Plan>,
    /// The newest record that changed it.
    pub(super) last_seq: Seq,
    /// Absent once concluded.
    pub(super) windows: Option<Arc<Windows>>,
    /// Captured, not yet in the windows: absorbing is put off until it is known to be needed.
    pub(super) unabsorbed: Vec<Arc<Batch>>,
    /// Whether samples were ever read.
    pub(super) has_samples: bool,
    pub(super) looks: u32,
    pub(super) judgement: Option<Arc<Judgement>>,
    /// With the newest judgement it would be promoted if nobody outside held it.
    pub(super) would_promote: bool,
    pub(super) conclusion: Option<Conclusion>,
    pub(super) source_fault: Option<String>,
    /// The newest look that could not be judged; 0 while there is none.
    pub(super) unjudged_look: u32,
    /// Source failures recorded since samples were last read.
    pub(super) source_notes: u32,
    /// Stale events recorded as ignored.
    pub(super) ignored: u32,
    pub(super) deliveries: Vec<Delivery>,
    /// Messages that are over and no longer kept; taken away by the engine.
    pub(super) dropped: Vec<DeliveryId>,
    /// The newest look that was announced; 0 before the first.
    pub(super) told_look: u32,
    /// The hold that was announced, while it lasts.
    pub(super) told_hold: Option<Hold>,
    /// At which look.
    pub(super) told_hold_at: Option<u32>,
    /// Who took note of the verdict first.
    pub(super) acknowledged: Option<Acknowledged>,
    /// The watch after a rollback.
    pub(super) watch: Option<Watching>,
    /// What was promoted last in the same place before this rollback.
    pub(super) last_good: Option<Arc<Good>>,

    pub(super) phase: Phase,
    /// Failed fetches since samples were last read.
    pub(super) retries: u32,
    /// Failed first fetches that asked for the history.
    pub(super) history_tries: u32,
    /// Since when the source fails, as far as this process has seen.
    pub(super) failing_since: Option<Timestamp>,
    /// The newest state that readers may see.
    pub(super) published: Option<Arc<View>>,
}

impl Analysis {
    /// An analysis of which only the submission is known; its first messages live for `lives`.
    pub(super) fn submitted(
        id: AnalysisId,
        (at, seq, lives): (Timestamp, Seq, Span),
        plan: Arc<Plan>,
        key: Option<String>,
        (receivers, coordination): (Vec<Receiver>, Coordination),
    ) -> Self {
        let windows = Some(Arc::new(Windows::new(&plan)));
        let submitted_plan = Arc::clone(&plan);
        let mut new = Self {
            id,
            plan,
            key,
            receivers,
            coordination,
            behind: None,
            begun: false,
            held: None,
            submitted_at: at,
            submitted_seq: seq,
            submitted_plan,
            last_seq: seq,
            windows,
            unabsorbed: Vec::new(),
            has_samples: false,
            looks: 0,
            judgement: None,
            would_promote: false,
            conclusion: None,
            source_fault: None,
            unjudged_look: 0,
            source_notes: 0,
            ignored: 0,
            deliveries: Vec::new(),
            dropped: Vec::new(),
            told_look: 0,
            told_hold: None,
            told_hold_at: None,
            acknowledged: None,
            watch: None,
            last_good: None,
            phase: Phase::Resting,
            retries: 0,
            history_tries: 0,
            failing_since: None,
            published: None,
        };
        if new.is_heard_of(Moment::Started) {
            let birth = Birth {
                moment: Moment::Started,
                look: 0,
                at,
                seq,
                lives,
                body: Some(Arc::new(new.view())),
            };
            new.bear(&birth, None);
        }
        new
    }

    /// Takes in what a record says. Returns
    /// whether readers see a difference, or why the record cannot be true of this analysis.
    pub(super) fn apply(
        &mut self,
        seq: Seq,
        record: &Record,
        limits: &Limits,
    ) -> Result<bool, String> {
        let lives = limits.message_life;
        if self.conclusion.is_some() && !may_follow_the_verdict(&record.fact) {
            return Err(format!(
                "record {} follows the conclusion and would change it",
                seq.0
            ));
        }
        self.last_seq = seq;
        match &record.fact {
            Fact::Submitted { .. } => {
                return Err(format!("record {} submits it a second time", seq.0));
            }
            Fact::Captured { batch, .. } => {
                self.has_samples = true;
                self.source_notes = 0;
                self.unabsorbed.push(Arc::clone(batch));
                return Ok(self.source_fault.take().is_some());
            }
            Fact::SourceFailed { look, message } if message.starts_with(JUDGE_FAILED) => {
                self.unjudged_look = self.unjudged_look.max(*look);
                self.source_fault = Some(message.clone());
            }
            Fact::SourceFailed { message, .. } => {
                self.source_notes = self.source_notes.saturating_add(1);
                self.source_fault = Some(message.clone());
            }
            Fact::Judged { judgement } => self.judged(seq, judgement)?,
            Fact::Announced { moment, look } => {
                self.announced((*moment, *look), (record.at, seq), lives);
            }
            Fact::Concluded { conclusion } => self.concluded(seq, conclusion, limits),
            Fact::Queued { .. }
            | Fact::Begun { .. }
            | Fact::Stepped { .. }
            | Fact::Held { .. }
            | Fact::Frozen { .. }
            | Fact::Lifted { .. } => self.coordinated(seq, &record.fact)?,
            Fact::Ignored { .. } => {
                self.ignored = self.ignored.saturating_add(1);
                return Ok(false);
            }
            Fact::Attempted { .. }
            | Fact::Settled { .. }
            | Fact::Redelivered { .. }
            | Fact::Acknowledged { .. }
            | Fact::Watched { .. }
            | Fact::SeenThrough { .. } => self.follow(seq, record, lives)?,
        }
        Ok(true)
    }

    fn judged(&mut self, seq: Seq, judgement: &Arc<Judgement>) -> Result<(), String> {
        let (look, newest) = (judgement.look, self.judged_look());
        if look <= newest {
            return Err(format!(
                "record {} judges look {look} after look {newest}",
                seq.0
            ));
        }
        // Not a count: of a concluded analysis a restart reads the newest judgement only.
        self.looks = look;
        self.judgement = Some(Arc::clone(judgement));
        self.weigh();
        self.forget_told_hold();
        Ok(())
    }

    fn concluded(&mut self, seq: Seq, conclusion: &Conclusion, limits: &Limits) {
        let lives = limits.message_life;
        for message in self.deliveries.iter_mut().filter(|m| m.moment.is_passing()) {
            message.overtaken("the verdict has come");
            message.body = None; // a restart, which does not read what it said, has none either
        }
        let moments = conclusion.by_person().into_iter();
        for moment in moments.chain([Moment::Verdict]) {
            let birth = Birth {
                moment,
                look: conclusion.look,
                at: conclusion.at,
                seq,
                lives,
                body: None,
            };
            self.bear(&birth, Some(conclusion.verdict));
        }
        self.conclusion = Some(conclusion.clone());
        // Nothing is read any more, so nothing fails any more; and a restart, which does not read
        // the captures of a concluded analysis, could not tell whether it had passed before.
        self.source_fault = None;
        self.windows = None;
        self.behind = None;
        self.unabsorbed.clear();
        self.phase = Phase::Over;
        // What was only watched was not rolled back, so nothing can come of it.
        if !self.coordination.shadow {
            self.watch = Watching::after(&self.plan, conclusion, limits.recovery_within);
        }
    }

    pub(super) fn message(&mut self, seq: Seq, name: &DeliveryId) -> Result<&mut Delivery, String> {
        self.deliveries
            .iter_mut()
            .find(|message| message.name == *name)
            .ok_or_else(|| format!("record {} is about the unknown message {name}", seq.0))
    }

    /// Whether a message has not yet come to an end.
    pub(super) fn owes_messages(&self) -> bool {
        self.deliveries.iter().any(|message| message.end.is_none())
    }

    /// Brings the windows up to the captured batches, or says what keeps them from being taken in;
    /// the windows are then not to be used any more (A11).
    pub(super) fn absorb(&mut self) -> Result<(), String> {
        let Some(windows) = &mut self.windows else {
            return Ok(());
        };
        let (plan, batches) = (&self.plan, &mut self.unabsorbed);
        guarded(|| {
            let seen = Arc::make_mut(windows);
            for batch in batches.drain(..) {
                seen.absorb(plan, &batch);
            }
        })
    }

    /// The look of the newest judgement; 0 before the first.
    pub(super) fn judged_look(&self) -> u32 {
        self.judgement.as_ref().map_or(0, |j| j.look)
    }

    /// The newest look that is over, with a judgement or without; 0 before the first.
    pub(super) fn ended_look(&self) -> u32 {
        self.judged_look().max(self.unjudged_look)
    }

    /// When the look after the newest one that is over is due.
    pub(super) fn next_look_at(&self) -> Timestamp {
        schedule::due(&self.plan.timing, self.ended_look().saturating_add(1))
    }

    /// What the verdict table says of the newest judgement.
    pub(super) fn decision(&self, source: Source) -> Decision {
        decide(&self.situation(source))
    }

    /// The same if nothing outside held it.
    pub(super) fn decision_alone(&self, source: Source) -> Decision {
        decide(&Situation {
            outside: None,
            ..self.situation(source)
        })
    }

    fn situation(&self, source: Source) -> Situation {
        let judgement = self.judgement.as_deref();
        let so = (source, self.held.as_ref());
        conclude::situation(&self.plan, judgement, so, Timestamp::MAX)
    }

    /// The sentence for the evidence so far (A10).
    pub(super) fn sentence(&self, stand: Stand) -> String {
        sentence(&self.plan, self.judgement.as_deref(), stand)
    }

    /// The conclusion by the table, if it has a verdict now.
    pub(super) fn conclusion_by_table(&self, source: Source, at: Timestamp) -> Option<Conclusion> {
        let evidence = (&*self.plan, self.judgement.as_deref());
        let so = (source, self.held.as_ref());
        conclude::by_table_held(evidence, so, self.source_fault.as_deref(), at)
    }

    /// The conclusion by a person: row 1 of the table. `deed` is `overridden to promote` or
    /// `cancelled`; the evidence so far stays in the sentence.
    pub(super) fn conclusion_by_person(
        &self,
        (verdict, deed): (Verdict, &str),
        (author, reason): (&str, &str),
        at: Timestamp,
    ) -> Conclusion {
        let so_far = self.decision(Source::Answering);
        let evidence = self.sentence(so_far.stand());
        Conclusion {
            verdict,
            row: 1,
            sentence: format!("{deed} by {author}: {reason}; evidence so far: {evidence}"),
            hold: None,
            author: Some(author.to_owned()),
            look: self.judged_look(),
            at,
        }
    }

    /// What readers see, from the facts alone: after a restart it is the same.
    pub(super) fn view(&self) -> View {
        let (sentence, hold) = self.standing();
        let status = match (&self.conclusion, self.looks) {
            (Some(_), _) => Status::Concluded,
            (None, 0) => Status::Waiting,
            (None, _) => Status::Looking,
        };
        View {
            id: self.id.clone(),
            plan: Arc::clone(&self.plan),
            status,
            submitted_at: self.submitted_at,
            looks: self.looks,
            next_look_at: self.looks_again().then(|| self.next_look_at()),
            judgement: self.judgement.clone(),
            sentence,
            hold,
            conclusion: self.conclusion.clone(),
            source_fault: self.source_fault.clone(),
            deliveries: self.deliveries.iter().map(Delivery::view).collect(),
            coordination: self.coordination.clone(),
            behind: self.behind.clone(),
            after: self.after(),
        }
    }

    fn looks_again(&self) -> bool {
        self.conclusion.is_none() && self.behind.is_none()
    }

    fn standing(&self) -> (String, Option<Hold>) {
        if let Some(conclusion) = &self.conclusion {
            return (conclusion.sentence.clone(), conclusion.hold.clone());
        }
        if let Some(behind) = &self.behind {
            let service = &self.plan.rollout.deploy.service;
            let text = format!(
                "waits for analysis {behind} of {service}, which is not resolved; its clock has \
                 not started"
            );
            return (text, None);
        }
        let decision = self.decision(Source::Answering);
        if let (None, Some(held)) = (
            decision.verdict,
            conclude::outside(&decision, self.held.as_ref()),
        ) {
            let evidence = (&*self.plan, self.judgement.as_deref());
            let text = conclude::said_held(evidence, &self.situation(Source::Answering), held);
            return (text, decision.hold);
        }
        // A verdict of the table whose record is still to be written is not to be seen yet (A3).
        let stand = match decision.verdict {
            Some(_) => Stand::Pending,
            None => decision.stand(),
        };
        (self.sentence(stand), decision.hold)
    }
}

/// Only what leaves the verdict alone may come after it (A4).
fn may_follow_the_verdict(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Ignored { .. }
            | Fact::Attempted { .. }
            | Fact::Settled { .. }
            | Fact::Redelivered { .. }
            | Fact::Acknowledged { .. }
            | Fact::Watched { .. }
            | Fact::SeenThrough { .. }
    )
}
