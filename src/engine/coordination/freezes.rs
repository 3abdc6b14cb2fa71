//! The engine's side of freezes: they begin, end and are lifted, and each is a record.

use crate::engine::Engine;
use crate::engine::coordination::freeze::{FREEZES_MAX, Freeze};
use crate::engine::effect::{Answer, Effect, Refusal};
use crate::engine::event::Ticket;
use crate::engine::ledger::Held;
use crate::engine::record::{Fact, Record};
use crate::engine::timers::Waiter;
use crate::ids::AnalysisId;
use std::sync::Arc;

impl Engine {
    /// A freeze begins.
    pub(in crate::engine) fn on_frozen(&mut self, ticket: Ticket, freeze: Freeze) {
        if let Some(refusal) = self.store_refusal() {
            return self.refuse(ticket, refusal);
        }
        if self.freezes.len() >= FREEZES_MAX {
            let limit = FREEZES_MAX;
            return self.refuse(ticket, Refusal::TooMany { limit });
        }
        let id = freeze.id.clone();
        self.freezes.insert(id.clone(), freeze.clone());
        self.await_freeze(&freeze);
        let boxed = Box::new(freeze);
        let fact = Fact::Frozen {
            freeze: boxed.clone(),
        };
        self.write_freeze(id, fact, (ticket, boxed));
    }

    /// A person lifts a freeze.
    pub(in crate::engine) fn on_lifted(
        &mut self,
        ticket: Ticket,
        id: &AnalysisId,
        (author, reason): (String, String),
    ) {
        if let Some(refusal) = self.store_refusal() {
            return self.refuse(ticket, refusal);
        }
        let Some(freeze) = self.freezes.remove(id) else {
            return self.refuse(ticket, Refusal::UnknownFreeze);
        };
        self.timers.clear(&Waiter::Freeze(id.clone()));
        let fact = Fact::Lifted { author, reason };
        self.write_freeze(id.clone(), fact, (ticket, Box::new(freeze)));
    }

    /// A freeze has come to its beginning or to its end; its record said when.
    pub(in crate::engine) fn freeze_turns(&mut self, id: &AnalysisId) {
        let now = self.clock;
        if let Some(freeze) = self.freezes.get(id).filter(|freeze| !freeze.is_over(now)) {
            let freeze = freeze.clone();
            self.await_freeze(&freeze);
            return self.stir_all();
        }
        if self.freezes.remove(id).is_some() {
            self.stir_all();
            let all = self.all_freezes();
            let seq = self.ledger.last();
            if self.ledger.is_durable(seq) {
                self.out.push(Effect::Freezes(all));
            } else {
                // Another freeze among them may not be durable yet (A3).
                self.ledger.hold(seq, Held::Freezes { all, answer: None });
            }
        }
    }

    /// Waits for its beginning, or for its end.
    fn await_freeze(&mut self, freeze: &Freeze) {
        let begins = (freeze.from > self.clock).then_some(freeze.from);
        if let Some(at) = begins.or(freeze.until) {
            self.timers.set(Waiter::Freeze(freeze.id.clone()), at);
        }
    }

    fn write_freeze(&mut self, id: AnalysisId, fact: Fact, answer: (Ticket, Box<Freeze>)) {
        let at = self.clock;
        let seq = self.ledger.write(Record { id, at, fact });
        let all = self.all_freezes();
        let answer = Some(answer);
        self.ledger.hold(seq, Held::Freezes { all, answer });
        self.stir_all();
    }

    /// The record about a freeze is durable.
    pub(in crate::engine) fn freeze_durable(
        &mut self,
        all: Arc<[Freeze]>,
        answer: Option<(Ticket, Box<Freeze>)>,
    ) {
        self.out.push(Effect::Freezes(all));
        if let Some((ticket, freeze)) = answer {
            self.answer(ticket, Answer::Freeze(freeze));
        }
    }

    /// After a restart: those that are over are let go of, the others are waited for.
    pub(in crate::engine) fn resume_freezes(&mut self) {
        let now = self.clock;
        self.freezes.retain(|_, freeze| !freeze.is_over(now));
        for freeze in self.freezes.values().cloned().collect::<Vec<_>>() {
            self.await_freeze(&freeze);
        }
        if !self.freezes.is_empty() {
            self.out.push(Effect::Freezes(self.all_freezes()));
        }
    }

    fn all_freezes(&self) -> Arc<[Freeze]> {
        self.freezes.values().cloned().collect()
    }
}
