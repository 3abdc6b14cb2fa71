//! The engine: events in, effects out. It owns no clock, socket or file (A1).
//!
//! [`Engine::handle`] takes one event and the time, and appends the effects it calls for. A driver
//! performs effects in the order given, and turns their ends into events again. What the engine
//! relies on from a driver:
//!
//! * the store takes records in the order of their [`Seq`], without holes, and takes a record it
//!   already has as done;
//! * every [`Effect::Append`] is answered by `Appended` or `AppendFailed`; there is one at a time;
//! * answers to `Fetch`, `Judge` and `Send` may be late, doubled or lost: an answer that does not
//!   fit is ignored and recorded as such (A8), one that does not come is asked for again after
//!   [`Limits::patience`];
//! * time may stand still or go back: the engine uses the latest instant it has ever been told.
//!
//! Where things are: [`verdict`] is the table, `analysis` the state of one analysis, `requests`,
//! `looks` and `sending` its three kinds of work, [`telling`] who hears of which moment, `watch`
//! what follows a rollback, [`good`] what was good before, [`coordination`] how analyses stand to
//! one another, `ledger` what makes A3 hold, `recover` the way back after a crash, [`recall`] that
//! of a message from the log.

pub mod after;
mod analysis;
pub mod asks;
pub mod conclude;
pub mod coordination;
pub mod delivery;
pub mod effect;
pub mod event;
pub mod github;
pub mod glance;
pub mod good;
pub mod guard;
mod ledger;
pub mod limits;
mod looks;
pub mod recall;
pub mod record;
pub mod recover;
mod requests;
pub mod schedule;
mod sending;
pub mod sight;
pub mod subscription;
pub mod telling;
mod timers;
pub mod verdict;
pub mod view;
mod watch;

use crate::engine::analysis::{Analysis, Phase};
use crate::engine::coordination::Peers;
use crate::engine::coordination::freeze::Freeze;
use crate::engine::effect::{Answer, Effect, Refusal};
use crate::engine::event::{Event, Ticket};
use crate::engine::good::Goods;
use crate::engine::ledger::{Held, Ledger};
use crate::engine::limits::IGNORED_MAX;
use crate::engine::record::{Conclusion, DeliveryEnd, Fact, Record, Seq};
use crate::engine::timers::{Timers, Waiter};
use crate::ids::{AnalysisId, DeliveryId};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use crate::engine::limits::{Limits, Stats};

/// All analyses and everything they wait for.
#[derive(Debug)]
pub struct Engine {
    limits: Limits,
    /// The latest instant ever told.
    clock: Timestamp,
    analyses: BTreeMap<AnalysisId, Analysis>,
    keys: BTreeMap<String, AnalysisId>,
    /// Whose message it is, and which of that analysis' messages.
    messages: BTreeMap<DeliveryId, AnalysisId>,
    /// Analyses without a verdict.
    open: usize,
    /// Analyses with a verdict, the oldest first.
    concluded: BTreeSet<(Timestamp, AnalysisId)>,
    /// Looks that are due, in the order in which they became so.
    queue: BTreeSet<(Timestamp, AnalysisId)>,
    fetching: BTreeSet<AnalysisId>,
    judging: BTreeSet<AnalysisId>,
    outbox: VecDeque<DeliveryId>,
    sending: BTreeSet<DeliveryId>,
    /// Messages that are being looked for in the log, since when.
    recalling: BTreeMap<Ticket, Timestamp>,
    /// Who belongs together.
    peers: Peers,
    /// Freezes that are not over, by name.
    freezes: BTreeMap<AnalysisId, Freeze>,
    /// Rollbacks under watch.
    watched: BTreeSet<AnalysisId>,
    goods: Goods,
    ledger: Ledger,
    timers: Timers,
    out: Vec<Effect>,
}

impl Engine {
    /// An engine with an empty log.
    pub fn new(limits: Limits) -> Self {
        Self::after(limits, Seq(0))
    }

    /// An engine whose log ends, durably, at `last`.
    fn after(limits: Limits, last: Seq) -> Self {
        Self {
            limits,
            clock: Timestamp::MIN,
            analyses: BTreeMap::new(),
            keys: BTreeMap::new(),
            messages: BTreeMap::new(),
            open: 0,
            concluded: BTreeSet::new(),
            queue: BTreeSet::new(),
            fetching: BTreeSet::new(),
            judging: BTreeSet::new(),
            outbox: VecDeque::new(),
            sending: BTreeSet::new(),
            recalling: BTreeMap::new(),
            peers: Peers::default(),
            freezes: BTreeMap::new(),
            watched: BTreeSet::new(),
            goods: Goods::default(),
            ledger: Ledger::ending_at(last),
            timers: Timers::default(),
            out: Vec::new(),
        }
    }

    /// Advances by one event at `now` and appends the effects it calls for, to be performed in
    /// order. A `now` before an earlier one counts as that earlier one.
    pub fn handle(&mut self, now: Timestamp, event: Event, effects: &mut Vec<Effect>) {
        self.clock = self.clock.max(now);
        match event {
            Event::Submitted { ticket, submission } => self.on_submitted(ticket, *submission),
            Event::Cancelled {
                ticket,
                id,
                author,
                reason,
            } => self.on_cancelled(ticket, &id, &author, &reason),
            Event::Overridden {
                ticket,
                id,
                verdict,
                author,
                reason,
            } => self.on_overridden(ticket, &id, verdict, (&author, &reason)),
            Event::Stepped { ticket, id, share } => self.on_stepped(ticket, &id, share),
            Event::Frozen { ticket, freeze } => self.on_frozen(ticket, *freeze),
            Event::Lifted {
                ticket,
                id,
                author,
                reason,
            } => self.on_lifted(ticket, &id, (author, reason)),
            Event::Woke => self.timers.forget_announcement(),
            Event::Fetched { id, look, batch } => self.on_fetched(&id, look, &batch),
            Event::FetchFailed { id, look, fault } => self.on_fetch_failed(&id, look, &fault),
            Event::Judged { id, judgement } => self.on_judged(&id, judgement),
            Event::JudgeFailed { id, look, message } => self.on_judge_failed(&id, look, &message),
            Event::Appended { up_to } => self.on_appended(up_to),
            Event::AppendFailed { message } => self.on_append_failed(message),
            Event::Sent {
                delivery,
                attempt,
                reply,
                trip,
            } => self.on_sent(&delivery, attempt, (reply, trip)),
            Event::Redelivered {
                ticket,
                delivery,
                author,
            } => self.on_redelivered(ticket, &delivery, author),
            Event::Rebuilt { delivery, said } => self.on_rebuilt(&delivery, said),
            Event::Recalled {
                ticket,
                delivery,
                author,
                found,
            } => self.on_recalled(ticket, (&delivery, author), found),
            Event::Acknowledged { ticket, id, author } => {
                self.on_acknowledged(ticket, &id, author);
            }
        }
        self.settle(effects);
    }

    /// The place the next record gets.
    pub fn next_seq(&self) -> Seq {
        self.ledger.next_seq()
    }

    /// Nothing is on its way and nothing waits to become durable: the process may stop. Messages
    /// that wait for their next attempt and looks to come are taken up again by `recover`.
    pub fn is_idle(&self) -> bool {
        self.ledger.is_settled()
            && self.fetching.is_empty()
            && self.judging.is_empty()
            && self.sending.is_empty()
            && self.outbox.is_empty()
    }

    /// How much there is of everything; walks over all analyses.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            queued: self.queue.len(),
            fetching: self.fetching.len(),
            judging: self.judging.len(),
            sending: self.sending.len(),
            watched: self.watched.len(),
            unacked: self.ledger.unacked(),
            store_fault: self.ledger.fault().is_some(),
            ..Stats::default()
        };
        for analysis in self.analyses.values() {
            match (&analysis.conclusion, analysis.looks) {
                (Some(_), _) => stats.concluded += 1,
                (None, 0) => stats.waiting += 1,
                (None, _) => stats.looking += 1,
            }
            if analysis.is_unacknowledged(self.clock) {
                stats.unacknowledged += 1;
            }
            let owed = analysis.deliveries.iter().filter(|m| m.end.is_none());
            stats.messages_owed += owed.count();
            let ends = analysis.deliveries.iter().filter_map(|m| m.end.as_ref());
            let dead = ends.filter(|end| !matches!(end, DeliveryEnd::Delivered { .. }));
            stats.messages_dead += dead.count();
        }
        stats
    }

    /// Everything that follows from the event and from the time.
    fn settle(&mut self, effects: &mut Vec<Effect>) {
        while let Some(waiter) = self.timers.pop_due(self.clock) {
            match waiter {
                Waiter::Ledger => {
                    let owed = self.ledger.offer_again();
                    self.out.extend(owed.map(Effect::Append));
                }
                Waiter::Analysis(id) => self.wake_analysis(&id),
                Waiter::Freeze(id) => self.freeze_turns(&id),
                Waiter::Delivery(name) => self.wake_delivery(&name),
            }
        }
        self.settle_peers();
        self.begin_looks();
        self.begin_sends();
        self.forget_oldest();
        let records = self.ledger.flush();
        self.out.extend(records.map(Effect::Append));
        self.out.extend(self.timers.announce().map(Effect::WakeAt));
        effects.append(&mut self.out);
    }

    /// Writes a record: the one way in which a fact comes into the engine while it runs.
    fn write(&mut self, id: &AnalysisId, fact: Fact) {
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        let record = Record {
            id: id.clone(),
            at: self.clock,
            fact,
        };
        let seq = self.ledger.next_seq();
        match analysis.apply(seq, &record, &self.limits) {
            Ok(shows) => {
                if let Fact::Concluded { conclusion } = &record.fact {
                    let good = analysis.compare_with_good(&mut self.goods, conclusion);
                    if let Some(good) = good {
                        self.ledger.hold(seq, Held::Good(good));
                    }
                }
                self.ledger.write(record);
                if shows {
                    self.ledger.hold(seq, Held::View(analysis.view().into()));
                }
                self.enter_messages(id, seq);
            }
            Err(why) => debug_assert!(false, "the engine contradicts itself: {why}"),
        }
    }

    /// Gives an analysis its verdict (A4: the callers have seen that it has none).
    fn conclude(&mut self, id: &AnalysisId, conclusion: Conclusion) {
        self.leave_phase(id);
        self.concluded.insert((conclusion.at, id.clone()));
        self.write(id, Fact::Concluded { conclusion });
        self.open = self.open.saturating_sub(1);
        self.begin_watch(id);
        self.resolved(id);
    }

    /// Stops whatever an analysis is doing; a late answer will find nobody waiting.
    fn leave_phase(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        if let Phase::Queued(since) = analysis.phase {
            self.queue.remove(&(since, id.clone()));
        }
        analysis.phase = Phase::Resting;
        self.fetching.remove(id);
        self.judging.remove(id);
        self.timers.clear(&Waiter::Analysis(id.clone()));
    }

    /// Records that something came too late or for another look (A8), up to [`IGNORED_MAX`] times.
    fn ignore(&mut self, id: &AnalysisId, what: String) {
        let recorded = self.analyses.get(id).map(|analysis| analysis.ignored);
        if recorded.is_some_and(|count| count < IGNORED_MAX) {
            self.write(id, Fact::Ignored { what });
        }
    }

    fn on_appended(&mut self, up_to: Seq) {
        let mut views = BTreeMap::new();
        let mut rest = Vec::new();
        for held in self.ledger.appended(up_to) {
            match held {
                // Of several states of one analysis only the newest is news.
                Held::View(view) => {
                    views.insert(view.id.clone(), view);
                }
                other => rest.push(other),
            }
        }
        if self.ledger.fault().is_none() {
            self.timers.clear(&Waiter::Ledger);
        }
        for (id, view) in views {
            if let Some(analysis) = self.analyses.get_mut(&id) {
                analysis.published = Some(view.clone());
            }
            self.out.push(Effect::Publish(view));
        }
        for held in rest {
            match held {
                Held::View(_) => {}
                Held::Accepted {
                    ticket,
                    id,
                    repeated,
                } => self.accept(ticket, &id, repeated),
                Held::Refused { ticket, refusal } => self.refuse(ticket, refusal),
                Held::Start(id) => self.rest(&id),
                Held::Freezes { all, answer } => self.freeze_durable(all, answer),
                Held::Send(name) => self.outbox.push_back(name),
                Held::Good(good) => self.out.push(Effect::Good(good)),
            }
        }
    }

    fn on_append_failed(&mut self, message: String) {
        if let Some(rest) = self.ledger.failed(message) {
            self.timers.set(Waiter::Ledger, self.clock.plus(rest));
        }
    }

    /// The store cannot be trusted to keep up: no new work is begun.
    fn is_paused(&self) -> bool {
        self.ledger.fault().is_some() || self.ledger.unacked() >= self.limits.unacked_max
    }

    fn accept(&mut self, ticket: Ticket, id: &AnalysisId, repeated: bool) {
        let published = self.analyses.get(id).and_then(|a| a.published.clone());
        let answer = match published {
            Some(view) => Answer::Accepted { view, repeated },
            None => Answer::Refused(Refusal::Unknown),
        };
        self.answer(ticket, answer);
    }

    fn refuse(&mut self, ticket: Ticket, refusal: Refusal) {
        self.answer(ticket, Answer::Refused(refusal));
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        let answer = Box::new(answer);
        self.out.push(Effect::Answer { ticket, answer });
    }
}
