//! One message on its way to one receiver: its name, its schedule and its end.

use crate::digest::Canonical;
use crate::engine::record::{DeliveryEnd, Receiver, Seq, Trip};
use crate::engine::view::{AttemptView, DeliveryView, View};
use crate::ids::{AnalysisId, DeliveryId};
use crate::time::{Span, Timestamp};
use std::sync::Arc;

pub use crate::engine::subscription::Moment;

/// Seconds before each attempt, the last entry again and again. A verdict loses its value in
/// minutes, so the long tail of the Standard Webhooks example schedule (5 s, 5 min, 30 min, 2 h …)
/// is too slow from its third attempt on.
pub const RETRY_S: [i64; 7] = [0, 2, 5, 15, 30, 60, 120];

/// How far an attempt may be moved, in thousandths of its wait: many messages that failed together
/// shall not come back together.
pub const JITTER_PERMILLE: i64 = 200;

/// The last attempt starts this long before the message expires, so that it ends in time: the
/// shortest request time-out the Standard Webhooks specification suggests.
const LAST_CALL: Span = Span::from_s(15);

impl Moment {
    /// Whether its message is worth nothing any more once a newer one of its kind or the verdict
    /// has come.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Look | Self::Hold)
    }

    /// Whether its message tells the verdict: who takes it has taken note.
    pub const fn is_verdict(self) -> bool {
        matches!(self, Self::Verdict | Self::Override | Self::Cancelled)
    }
}

/// Hexadecimal digits of a message's name: 104 bits, like the base 62 names of the field.
const NAME_DIGITS: usize = 26;

/// The wait before `attempt` (from 1). The jitter comes from the message's name, so that the same
/// records give the same instants (A6).
pub fn wait_before(delivery: &DeliveryId, attempt: u32) -> Span {
    let idx = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let last = RETRY_S.last().copied().unwrap_or(0);
    let base = Span::from_s(RETRY_S.get(idx).copied().unwrap_or(last));
    let digest = Canonical::new()
        .text(delivery.as_str())
        .int(i64::from(attempt))
        .digest();
    let chance = digest
        .bytes()
        .iter()
        .take(6)
        .fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte));
    let permille = 1000 - JITTER_PERMILLE + chance % (2 * JITTER_PERMILLE + 1);
    Span::from_ms(base.times(permille).ms() / 1000)
}

/// The name of the message about the verdict of `id` to its receiver number `receiver_idx`: the
/// same before and after a restart, without a full stop (Standard Webhooks signs `id.time.body`).
pub fn name(id: &AnalysisId, receiver_idx: usize) -> DeliveryId {
    name_of(id, receiver_idx, (Moment::Verdict, 0))
}

/// The same of the message about any moment, which came at that look; of moments that come once
/// the look says nothing.
pub fn name_of(id: &AnalysisId, receiver_idx: usize, (moment, look): (Moment, u32)) -> DeliveryId {
    let mut what = Canonical::new()
        .text(moment.word())
        .text(id.as_str())
        .int(i64::try_from(receiver_idx).unwrap_or(i64::MAX));
    if moment.is_passing() {
        what = what.int(i64::from(look));
    }
    let digest = what.digest().to_string();
    let digits: String = digest.chars().take(NAME_DIGITS).collect();
    DeliveryId::new(&format!("msg_{digits}")).expect("hexadecimal digits and `_` are legal")
}

/// Attempts of one message that are kept for readers; older ones are in the decision log only. An
/// hour has about thirty.
pub const ATTEMPTS_KEPT_MAX: usize = 40;

/// How often one message may be sent once more by hand; after that the receiver has had it as often
/// as anybody can want.
pub const REDELIVERIES_MAX: u32 = 20;

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits: for its record, for its turn, or for its next attempt.
    Waiting,
    /// This attempt is on its way.
    OnItsWay(u32),
}

/// What calls for messages: a record about a moment.
#[derive(Clone, Debug)]
pub(super) struct Birth {
    pub(super) moment: Moment,
    /// The look it came at; 0 before the first.
    pub(super) look: u32,
    pub(super) at: Timestamp,
    pub(super) seq: Seq,
    /// How long the messages are worth sending.
    pub(super) lives: Span,
    /// What the body is rendered from, where later records leave nothing to make it from again.
    pub(super) body: Option<Arc<View>>,
}

/// One message.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) name: DeliveryId,
    pub(super) receiver: Receiver,
    pub(super) moment: Moment,
    /// The look it came at; 0 before the first.
    pub(super) look: u32,
    /// The record it was born of: nothing leaves before that is durable (A3).
    pub(super) born_of: Seq,
    pub(super) body: Option<Arc<View>>,
    pub(super) born: Timestamp,
    pub(super) expires: Timestamp,
    /// Attempts that ended.
    pub(super) attempts: u32,
    /// Of these, attempts before it was sent once more.
    pub(super) attempts_before: u32,
    pub(super) redelivered: u32,
    /// The newest attempts, the oldest first.
    pub(super) log: Vec<AttemptView>,
    pub(super) end: Option<DeliveryEnd>,
    /// The last failure.
    pub(super) detail: Option<String>,
    /// When the next attempt is due; not before its records are durable.
    pub(super) due: Timestamp,
    pub(super) stage: Stage,
}

impl Delivery {
    /// The message about a moment to receiver number `idx`.
    pub(super) fn born(id: &AnalysisId, (idx, to): (usize, &Receiver), birth: &Birth) -> Self {
        Self {
            name: name_of(id, idx, (birth.moment, birth.look)),
            receiver: to.clone(),
            moment: birth.moment,
            look: birth.look,
            born_of: birth.seq,
            body: birth.body.clone(),
            born: birth.at,
            expires: birth.at.plus(birth.lives),
            attempts: 0,
            attempts_before: 0,
            redelivered: 0,
            log: Vec::new(),
            end: None,
            detail: None,
            due: birth.at,
            stage: Stage::Waiting,
        }
    }

    /// Ends without a further attempt: what has come since makes it worthless, unless somebody has
    /// asked for it all the same.
    pub(super) fn overtaken(&mut self, by: &str) {
        if self.end.is_none() && self.redelivered == 0 {
            let detail = format!("not sent any more: {by}");
            self.end = Some(DeliveryEnd::Expired { detail });
        }
    }

    /// The number of the next attempt, from 1.
    pub(super) fn next_attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }

    /// An attempt ended without success at `at`: one more counted, the next one due.
    pub(super) fn failed(&mut self, attempt: u32, detail: &str, (at, trip): (Timestamp, Trip)) {
        self.attempts = self.attempts.max(attempt);
        self.detail = Some(detail.to_owned());
        self.keep(attempt, (at, trip), Some(detail));
        let now = self.next_attempt().saturating_sub(self.attempts_before);
        let due = at.plus(wait_before(&self.name, now));
        self.due = due.min(self.last_call());
        self.stage = Stage::Waiting;
    }

    /// It came to its end after so many attempts.
    pub(super) fn settled(&mut self, attempts: u32, end: &DeliveryEnd, at: (Timestamp, Trip)) {
        self.attempts = attempts;
        match end {
            DeliveryEnd::Delivered { .. } => self.keep(attempts, at, None),
            DeliveryEnd::Refused { detail } => self.keep(attempts, at, Some(detail)),
            DeliveryEnd::Expired { .. } => {}
        }
        self.end = Some(end.clone());
    }

    fn keep(&mut self, attempt: u32, (at, trip): (Timestamp, Trip), detail: Option<&str>) {
        if self.log.len() >= ATTEMPTS_KEPT_MAX {
            self.log.remove(0);
        }
        self.log.push(AttemptView {
            attempt,
            at,
            trip,
            detail: detail.map(str::to_owned),
        });
    }

    /// It is to be sent once more: its name and its bytes stay, its life begins anew.
    pub(super) fn revived(&mut self, at: Timestamp, lives: Span) {
        self.redelivered = self.redelivered.saturating_add(1);
        self.attempts_before = self.attempts;
        self.end = None;
        self.detail = None;
        self.due = at;
        self.expires = at.plus(lives);
        self.stage = Stage::Waiting;
    }

    /// The receiver asked not to be bothered before `at`; its wish ends at the expiry.
    pub(super) fn not_before(&mut self, at: Timestamp) {
        self.due = self.due.max(at).min(self.last_call());
    }

    /// Whether an attempt at `now` is of any use.
    pub(super) fn is_worth_sending(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    fn last_call(&self) -> Timestamp {
        self.expires.minus(LAST_CALL).max(self.born)
    }

    /// What readers see.
    pub(super) fn view(&self) -> DeliveryView {
        DeliveryView {
            delivery: self.name.clone(),
            moment: self.moment,
            look: self.look,
            url: self.receiver.url.clone(),
            born: self.born,
            expires: self.expires,
            attempts: self.attempts,
            log: self.log.clone(),
            redelivered: self.redelivered,
            end: self.end.clone(),
            detail: self.detail.clone(),
        }
    }
}
