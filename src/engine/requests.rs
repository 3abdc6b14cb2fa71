//! What people and controllers ask for: submissions, cancellations, overrides.

use crate::engine::Engine;
use crate::engine::analysis::Analysis;
use crate::engine::coordination::Concurrent;
use crate::engine::delivery::{REDELIVERIES_MAX, Stage};
use crate::engine::effect::Refusal;
use crate::engine::event::{Submission, Ticket};
use crate::engine::ledger::Held;
use crate::engine::record::{CANCELLED, Fact, Record, Seq};
use crate::engine::verdict::Verdict;
use crate::ids::{AnalysisId, DeliveryId};

impl Engine {
    pub(super) fn on_submitted(&mut self, ticket: Ticket, submission: Submission) {
        if let Some(holder) = self.holder(&submission) {
            return self.repeated(ticket, &submission, &holder);
        }
        if let Some(refusal) = self.store_refusal() {
            return self.refuse(ticket, refusal);
        }
        if let Some((holder, seq)) = self.refusing(&submission) {
            return self.refuse_after(seq, ticket, Refusal::Busy { holder });
        }
        if let Some(refusal) = self.no_room(&submission) {
            return self.refuse(ticket, refusal);
        }
        let Submission {
            id,
            key,
            template_text,
            plan,
            receivers,
            coordination,
        } = submission;
        let seq = self.ledger.write(Record {
            id: id.clone(),
            at: self.clock,
            fact: Fact::Submitted {
                key: key.clone(),
                template_text,
                rollout: Box::new(plan.rollout.clone()),
                plan_digest: plan.digest,
                receivers: receivers.clone(),
                coordination: Box::new(coordination.clone()),
            },
        });
        let moment = (self.clock, seq, self.limits.message_life);
        let with = (receivers, coordination);
        let analysis = Analysis::submitted(id.clone(), moment, plan, key.clone(), with);
        self.ledger.hold(seq, Held::View(analysis.view().into()));
        self.peers.enter(&analysis);
        self.analyses.insert(id.clone(), analysis);
        self.enter_messages(&id, seq);
        self.open += 1;
        if let Some(key) = key {
            self.keys.insert(key, id.clone());
        }
        self.make_room(&id);
        self.hold_anew(&id, true);
        self.stir_peers(&id);
        let seq = self.ledger.last();
        let repeated = false;
        self.ledger.hold(
            seq,
            Held::Accepted {
                ticket,
                id: id.clone(),
                repeated,
            },
        );
        self.ledger.hold(seq, Held::Start(id));
    }

    /// Why there is no room for one more.
    fn no_room(&self, submission: &Submission) -> Option<Refusal> {
        let deploy = &submission.plan.rollout.deploy;
        let crowded = self.peers.crowded(&submission.coordination, deploy);
        if let Some(bond) = crowded {
            return Some(Refusal::Crowded { bond });
        }
        let limit = self.limits.analyses_max;
        (self.open >= limit).then_some(Refusal::TooMany { limit })
    }

    /// The analysis whose deploy goes first, with the place of its submission, where the policy
    /// refuses a second one.
    fn refusing(&self, submission: &Submission) -> Option<(AnalysisId, Seq)> {
        let coordination = &submission.coordination;
        if coordination.concurrent != Concurrent::Refuse {
            return None;
        }
        let mut rivals = self.rivals(&submission.plan.rollout.deploy, coordination);
        let newest = rivals.next()?;
        Some((newest.id.clone(), newest.submitted_seq))
    }

    /// The analysis that a submission repeats or collides with.
    fn holder(&self, submission: &Submission) -> Option<AnalysisId> {
        let by_key = submission.key.as_ref().and_then(|key| self.keys.get(key));
        let by_id = || {
            self.analyses
                .get_key_value(&submission.id)
                .map(|(id, _)| id)
        };
        by_key.or_else(by_id).cloned()
    }

    fn repeated(&mut self, ticket: Ticket, submission: &Submission, holder: &AnalysisId) {
        let Some(analysis) = self.analyses.get(holder) else {
            return self.refuse(ticket, Refusal::Unknown);
        };
        let seq = analysis.submitted_seq;
        // A plan whose clock started later is still the one that was submitted.
        let same = analysis.submitted_plan.digest == submission.plan.digest
            && analysis.coordination.repeats(&submission.coordination);
        if !same {
            let holder = holder.clone();
            return self.refuse_after(seq, ticket, Refusal::KeyConflict { holder });
        }
        self.accept_after(seq, ticket, holder, true);
    }

    pub(super) fn on_cancelled(
        &mut self,
        ticket: Ticket,
        id: &AnalysisId,
        author: &str,
        reason: &str,
    ) {
        let how = (Verdict::Inconclusive, CANCELLED);
        self.decide_by_person(ticket, id, how, (author, reason));
    }

    pub(super) fn on_overridden(
        &mut self,
        ticket: Ticket,
        id: &AnalysisId,
        verdict: Verdict,
        (author, reason): (&str, &str),
    ) {
        let deed = format!("overridden to {}", verdict.word());
        self.decide_by_person(ticket, id, (verdict, &deed), (author, reason));
    }

    /// A message is sent once more, with its name and its bytes. What memory does not know is
    /// looked for in the log.
    pub(super) fn on_redelivered(&mut self, ticket: Ticket, name: &DeliveryId, author: String) {
        let id = self.messages.get(name).cloned();
        let analysis = id.as_ref().and_then(|id| self.analyses.get(id));
        let message = analysis.and_then(|a| a.deliveries.iter().find(|m| m.name == *name));
        let (Some(id), Some(message)) = (id, message) else {
            return self.look_for(ticket, name, author);
        };
        let why = if message.end.is_none() {
            "it is being delivered; wait for its end"
        } else if message.redelivered >= REDELIVERIES_MAX {
            "it was sent once more as often as it may be; read what it said from the analysis"
        } else if matches!(message.stage, Stage::OnItsWay(_)) {
            "its last attempt has not ended; ask again in a minute"
        } else {
            if let Some(refusal) = self.store_refusal() {
                return self.refuse(ticket, refusal);
            }
            let delivery = name.clone();
            self.write(&id, Fact::Redelivered { delivery, author });
            let seq = self.analyses.get(&id).map_or(Seq(0), |a| a.last_seq);
            self.ledger.hold(seq, Held::Send(name.clone()));
            return self.accept_after(seq, ticket, &id, false);
        };
        let why = why.to_owned();
        self.refuse(ticket, Refusal::NotAgain { why });
    }

    /// Somebody takes note of a verdict; the first one counts.
    pub(super) fn on_acknowledged(&mut self, ticket: Ticket, id: &AnalysisId, author: String) {
        let Some(analysis) = self.analyses.get(id) else {
            return self.refuse(ticket, Refusal::Unknown);
        };
        let seq = analysis.last_seq;
        if analysis.conclusion.is_none() {
            return self.refuse_after(seq, ticket, Refusal::Undecided);
        }
        if analysis.acknowledged.is_some() {
            return self.accept_after(seq, ticket, id, true);
        }
        if let Some(refusal) = self.store_refusal() {
            return self.refuse(ticket, refusal);
        }
        self.write(id, Fact::Acknowledged { author });
        let seq = self.analyses.get(id).map_or(Seq(0), |a| a.last_seq);
        self.accept_after(seq, ticket, id, false);
    }

    fn decide_by_person(
        &mut self,
        ticket: Ticket,
        id: &AnalysisId,
        how: (Verdict, &str),
        by: (&str, &str),
    ) {
        let Some(analysis) = self.analyses.get(id) else {
            return self.refuse(ticket, Refusal::Unknown);
        };
        if analysis.conclusion.is_some() {
            return self.refuse_after(analysis.last_seq, ticket, Refusal::Concluded);
        }
        if let Some(refusal) = self.store_refusal() {
            return self.refuse(ticket, refusal);
        }
        let conclusion = analysis.conclusion_by_person(how, by, self.clock);
        self.conclude(id, conclusion);
        let seq = self.analyses.get(id).map_or(Seq(0), |a| a.last_seq);
        self.accept_after(seq, ticket, id, false);
    }

    /// Accepts once the record at `seq` is durable.
    pub(super) fn accept_after(
        &mut self,
        seq: Seq,
        ticket: Ticket,
        id: &AnalysisId,
        repeated: bool,
    ) {
        if self.ledger.is_durable(seq) {
            return self.accept(ticket, id, repeated);
        }
        if let (true, Some(refusal)) = (repeated, self.store_refusal()) {
            return self.refuse(ticket, refusal); // else a broken store gathers tickets (A7)
        }
        let id = id.clone();
        self.ledger.hold(
            seq,
            Held::Accepted {
                ticket,
                id,
                repeated,
            },
        );
    }

    /// Refuses once the record at `seq`, which is the reason, is durable (A3).
    pub(super) fn refuse_after(&mut self, seq: Seq, ticket: Ticket, refusal: Refusal) {
        if self.ledger.is_durable(seq) {
            return self.refuse(ticket, refusal);
        }
        if let Some(refusal) = self.store_refusal() {
            return self.refuse(ticket, refusal);
        }
        self.ledger.hold(seq, Held::Refused { ticket, refusal });
    }

    /// Why nothing can be recorded at present.
    pub(super) fn store_refusal(&self) -> Option<Refusal> {
        let message = match self.ledger.fault() {
            Some(fault) => fault.to_owned(),
            None if self.is_paused() => format!(
                "the store is behind by {} records, the limit is {}; try again in a moment",
                self.ledger.unacked(),
                self.limits.unacked_max
            ),
            None => return None,
        };
        Some(Refusal::StoreFault { message })
    }
}
