//! Messages: sent once their record is durable, again until they are taken, refused or expired.

use crate::engine::Engine;
use crate::engine::delivery::{Delivery, Stage};
use crate::engine::effect::{Effect, SendOrder};
use crate::engine::event::SendReply;
use crate::engine::ledger::Held;
use crate::engine::record::{DeliveryEnd, Fact, Trip};
use crate::engine::timers::Waiter;
use crate::ids::DeliveryId;

impl Engine {
    pub(super) fn message(&mut self, name: &DeliveryId) -> Option<&mut Delivery> {
        let id = self.messages.get(name)?;
        let analysis = self.analyses.get_mut(id)?;
        analysis.deliveries.iter_mut().find(|m| m.name == *name)
    }

    /// The timer of a message has come.
    pub(super) fn wake_delivery(&mut self, name: &DeliveryId) {
        let Some(message) = self.message(name) else {
            self.sending.remove(name); // dropped while it was on its way
            return;
        };
        match message.stage {
            Stage::Waiting => self.outbox.push_back(name.clone()),
            Stage::OnItsWay(attempt) => {
                let detail = format!("no reply within {}", self.limits.patience);
                let reply = SendReply::Retry {
                    after: None,
                    detail,
                };
                self.on_sent(name, attempt, (reply, Trip::default()));
            }
        }
    }

    /// Sends what is due, in order, as far as the limit allows.
    pub(super) fn begin_sends(&mut self) {
        while self.sending.len() < self.limits.sends_max {
            let Some(name) = self.outbox.pop_front() else {
                return;
            };
            self.begin_send(&name);
        }
    }

    /// One attempt, or none: a message whose attempt is due later waits for its timer, one that is
    /// worthless by now expires.
    fn begin_send(&mut self, name: &DeliveryId) {
        let now = self.clock;
        let Some(id) = self.messages.get(name).cloned() else {
            return;
        };
        let Some(analysis) = self.analyses.get_mut(&id) else {
            return;
        };
        let Some(message) = analysis.deliveries.iter().find(|m| m.name == *name) else {
            return;
        };
        if message.end.is_some() || message.stage != Stage::Waiting {
            return;
        }
        let body = analysis.body_of(message);
        let Some(message) = analysis.deliveries.iter_mut().find(|m| m.name == *name) else {
            return;
        };
        if !message.is_worth_sending(now) {
            let last = message.detail.clone();
            let detail = last.unwrap_or_else(|| "never sent: the daemon was away".to_owned());
            let end = DeliveryEnd::Expired { detail };
            return self.settle_message(name, end, Trip::default());
        }
        if message.due > now {
            let at = message.due;
            return self.timers.set(Waiter::Delivery(name.clone()), at);
        }
        let Some(view) = body else {
            return self.rebuild(&id, name); // the verdict has come since, and it is wanted again
        };
        let attempt = message.next_attempt();
        message.stage = Stage::OnItsWay(attempt);
        let order = SendOrder {
            delivery: name.clone(),
            attempt,
            receiver: message.receiver.clone(),
            moment: message.moment,
            look: message.look,
            view,
            born: message.born,
            expires: message.expires,
        };
        self.sending.insert(name.clone());
        let patient_until = now.plus(self.limits.patience);
        self.timers
            .set(Waiter::Delivery(name.clone()), patient_until);
        self.out.push(Effect::Send(order));
    }

    /// An attempt ended. A success counts whenever it comes, a failure only for the attempt that
    /// is under way.
    pub(super) fn on_sent(
        &mut self,
        name: &DeliveryId,
        attempt: u32,
        (reply, trip): (SendReply, Trip),
    ) {
        let Some(message) = self.message(name) else {
            self.sending.remove(name); // dropped while it was on its way
            return self.timers.clear(&Waiter::Delivery(name.clone()));
        };
        let known = attempt <= message.next_attempt();
        let late_success = known && matches!(reply, SendReply::Accepted { .. });
        let awaited = message.stage == Stage::OnItsWay(attempt);
        // Overtaken while it was on its way: that it arrived all the same is worth a record.
        let overtaken = message.end.is_some() && awaited;
        if !awaited && (message.end.is_some() || !late_success) {
            return self.ignore_reply(name, attempt);
        }
        message.stage = Stage::Waiting;
        self.sending.remove(name);
        self.timers.clear(&Waiter::Delivery(name.clone()));
        match reply {
            _ if overtaken && !late_success => {}
            SendReply::Accepted { status } => {
                self.count_attempt(name, attempt);
                self.settle_message(name, DeliveryEnd::Delivered { status }, trip);
            }
            SendReply::GiveUp { detail } => {
                self.count_attempt(name, attempt);
                self.settle_message(name, DeliveryEnd::Refused { detail }, trip);
            }
            SendReply::Retry { after, detail } => self.retry(name, attempt, (after, detail), trip),
        }
    }

    fn count_attempt(&mut self, name: &DeliveryId, attempt: u32) {
        if let Some(message) = self.message(name) {
            message.attempts = message.attempts.max(attempt);
        }
    }

    /// Records the failed attempt; the next one waits until that record is durable, so that a
    /// restart goes on counting.
    fn retry(
        &mut self,
        name: &DeliveryId,
        attempt: u32,
        (after, detail): (Option<crate::time::Span>, String),
        trip: Trip,
    ) {
        let now = self.clock;
        let Some(id) = self.messages.get(name).cloned() else {
            return;
        };
        self.write(
            &id,
            Fact::Attempted {
                delivery: name.clone(),
                attempt,
                detail: detail.clone(),
                trip,
            },
        );
        let Some(message) = self.message(name) else {
            return;
        };
        if let Some(after) = after {
            message.not_before(now.plus(after));
        }
        if message.due <= now {
            let end = DeliveryEnd::Expired { detail };
            return self.settle_message(name, end, Trip::default());
        }
        let seq = self.analyses.get(&id).map(|a| a.last_seq);
        if let Some(seq) = seq {
            self.ledger.hold(seq, Held::Send(name.clone()));
        }
    }

    pub(super) fn settle_message(&mut self, name: &DeliveryId, end: DeliveryEnd, trip: Trip) {
        let attempts = self.message(name).map_or(0, |message| message.attempts);
        let Some(id) = self.messages.get(name).cloned() else {
            return;
        };
        self.write(
            &id,
            Fact::Settled {
                delivery: name.clone(),
                attempts,
                end,
                trip,
            },
        );
        let Some(analysis) = self.analyses.get_mut(&id) else {
            return;
        };
        // What was read from the log for one more delivery is not kept for the next.
        let is_over = analysis.conclusion.is_some();
        let passing = analysis.deliveries.iter_mut();
        let mut passing = passing.filter(|m| m.name == *name && m.moment.is_passing());
        if let Some(message) = passing.next()
            && is_over
        {
            message.body = None;
        }
    }

    fn ignore_reply(&mut self, name: &DeliveryId, attempt: u32) {
        if let Some(id) = self.messages.get(name).cloned() {
            self.ignore(&id, format!("a reply to attempt {attempt} of {name}"));
        }
    }
}
