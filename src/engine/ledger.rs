//! Write ahead (A3): records get their place here, and whatever may leave the process only after
//! a record waits here until the store says that the record is durable.
//!
//! One append is in flight at a time. Records written meanwhile go out together with the next one,
//! so a slow disk gets larger batches instead of a longer queue, and a failure leaves no doubt
//! about which records are owed: all that were not confirmed, offered again with the same places.

use crate::engine::coordination::freeze::Freeze;
use crate::engine::event::Ticket;
use crate::engine::good::Good;
use crate::engine::record::{Record, Seq};
use crate::engine::view::View;
use crate::ids::{AnalysisId, DeliveryId};
use crate::time::Span;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Records in one append; more are left for the next one, so that one transaction stays short.
const APPEND_MAX: usize = 512;

/// The wait after the first failed append; it doubles up to [`APPEND_RETRY_MAX`]. A full disk or
/// a restarting database takes seconds to minutes, and looks pause meanwhile.
const APPEND_RETRY_FIRST: Span = Span::from_ms(500);
/// The longest wait between two attempts to append.
const APPEND_RETRY_MAX: Span = Span::from_s(30);

/// What waits for a record to be durable.
#[derive(Debug)]
pub(super) enum Held {
    /// A state of an analysis that readers may see then.
    View(Arc<View>),
    /// "Accepted", with the state that is durable by then.
    Accepted {
        ticket: Ticket,
        id: AnalysisId,
        repeated: bool,
    },
    /// A refusal whose reason is that record.
    Refused {
        ticket: Ticket,
        refusal: crate::engine::effect::Refusal,
    },
    /// The first look of an analysis.
    Start(AnalysisId),
    /// The freezes there are then, and the answer about one of them.
    Freezes {
        all: Arc<[Freeze]>,
        answer: Option<(Ticket, Box<Freeze>)>,
    },
    /// An attempt to deliver a message.
    Send(DeliveryId),
    /// A last good artefact.
    Good(Arc<Good>),
}

/// The end of the log that is not yet durable, and everything that waits for it.
#[derive(Debug)]
pub(super) struct Ledger {
    last: Seq,
    durable: Seq,
    in_flight: Option<Seq>,
    unacked: VecDeque<(Seq, Record)>,
    held: BTreeMap<Seq, Vec<Held>>,
    fault: Option<String>,
    failures: u32,
}

impl Ledger {
    /// A log that ends, durably, at `last`.
    pub(super) fn ending_at(last: Seq) -> Self {
        Self {
            last,
            durable: last,
            in_flight: None,
            unacked: VecDeque::new(),
            held: BTreeMap::new(),
            fault: None,
            failures: 0,
        }
    }

    /// Gives a record its place.
    pub(super) fn write(&mut self, record: Record) -> Seq {
        self.last = Seq(self.last.0.saturating_add(1));
        self.unacked.push_back((self.last, record));
        self.last
    }

    /// Keeps something until `seq` is durable.
    pub(super) fn hold(&mut self, seq: Seq, held: Held) {
        self.held.entry(seq).or_default().push(held);
    }

    /// Whether the record at this place is durable.
    pub(super) fn is_durable(&self, seq: Seq) -> bool {
        seq <= self.durable
    }

    /// The place the next record gets.
    pub(super) fn next_seq(&self) -> Seq {
        Seq(self.last.0.saturating_add(1))
    }

    /// Records that are not yet durable.
    pub(super) fn unacked(&self) -> usize {
        self.unacked.len()
    }

    /// Why records cannot be made durable at present.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The place of the newest record.
    pub(super) fn last(&self) -> Seq {
        self.last
    }

    /// Everything written is durable, and nothing waits.
    pub(super) fn is_settled(&self) -> bool {
        self.unacked.is_empty() && self.held.is_empty()
    }

    /// The records to append now, when none are on their way and the store is not resting.
    pub(super) fn flush(&mut self) -> Option<Vec<(Seq, Record)>> {
        if self.in_flight.is_some() || self.fault.is_some() || self.unacked.is_empty() {
            return None;
        }
        Some(self.offer())
    }

    /// The records to append now although the last attempt failed: its time of rest is over.
    pub(super) fn offer_again(&mut self) -> Option<Vec<(Seq, Record)>> {
        (self.in_flight.is_none() && !self.unacked.is_empty()).then(|| self.offer())
    }

    fn offer(&mut self) -> Vec<(Seq, Record)> {
        let batch: Vec<_> = self.unacked.iter().take(APPEND_MAX).cloned().collect();
        self.in_flight = batch.last().map(|(seq, _)| *seq);
        batch
    }

    /// Records up to `up_to` are durable: returns what waited for them, in the order of the log.
    /// A report of something never written, or reported before, changes nothing.
    pub(super) fn appended(&mut self, up_to: Seq) -> Vec<Held> {
        let up_to = up_to.min(self.last);
        if up_to <= self.durable {
            return Vec::new();
        }
        self.durable = up_to;
        self.fault = None;
        self.failures = 0;
        while self.unacked.front().is_some_and(|(seq, _)| *seq <= up_to) {
            self.unacked.pop_front();
        }
        if self.in_flight.is_some_and(|seq| seq <= up_to) {
            self.in_flight = None;
        }
        let later = self.held.split_off(&Seq(up_to.0.saturating_add(1)));
        std::mem::replace(&mut self.held, later)
            .into_values()
            .flatten()
            .collect()
    }

    /// The append failed: returns how long to let the store rest before all owed records are
    /// offered again. `None` when nothing was on its way.
    pub(super) fn failed(&mut self, message: String) -> Option<Span> {
        self.in_flight.take()?;
        self.fault = Some(message);
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        Some(
            APPEND_RETRY_FIRST
                .times(1_i64 << doublings)
                .min(APPEND_RETRY_MAX),
        )
    }
}
