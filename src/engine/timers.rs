//! One ordered table of everything that waits for time. The engine owns no clock: it says when it
//! wants to be woken, and is told what time it is (A1).

use crate::ids::{AnalysisId, DeliveryId};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Who waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiter {
    /// The decision log: to offer the owed records again.
    Ledger,
    /// An analysis: a look, a retry, or the end of the patience with an answer.
    Analysis(AnalysisId),
    /// A freeze: its beginning, or its end.
    Freeze(AnalysisId),
    /// A message: the next attempt, or the end of the patience with a reply.
    Delivery(DeliveryId),
}

/// At most one instant per waiter.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Timestamp, Waiter)>,
    instants: BTreeMap<Waiter, Timestamp>,
    announced: Option<Timestamp>,
}

impl Timers {
    /// Wakes `waiter` at `at`, and at no other time.
    pub(super) fn set(&mut self, waiter: Waiter, at: Timestamp) {
        self.clear(&waiter);
        self.instants.insert(waiter.clone(), at);
        self.queue.insert((at, waiter));
    }

    /// Wakes `waiter` no more.
    pub(super) fn clear(&mut self, waiter: &Waiter) {
        if let Some(at) = self.instants.remove(waiter) {
            self.queue.remove(&(at, waiter.clone()));
        }
    }

    /// Takes the earliest waiter whose instant has come.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Waiter> {
        let due = self.queue.first().is_some_and(|(at, _)| *at <= now);
        let (_, waiter) = due.then(|| self.queue.pop_first())??;
        self.instants.remove(&waiter);
        Some(waiter)
    }

    /// The earliest instant, when it is not the one announced last.
    pub(super) fn announce(&mut self) -> Option<Timestamp> {
        let earliest = self.queue.first().map(|(at, _)| *at);
        if earliest == self.announced {
            return None;
        }
        self.announced = earliest;
        earliest
    }

    /// The wish was used up: the next [`Timers::announce`] speaks even if nothing changed.
    pub(super) fn forget_announcement(&mut self) {
        self.announced = None;
    }
}
