//! One message on its way to one receiver: its name, its schedule and its end.

use crate::digest::Canonical;
use crate::engine::record::{DeliveryEnd, Receiver};
use crate::engine::view::DeliveryView;
use crate::ids::{AnalysisId, DeliveryId};
use crate::time::{Span, Timestamp};

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
    let digest = Canonical::new()
        .text("verdict")
        .text(id.as_str())
        .int(i64::try_from(receiver_idx).unwrap_or(i64::MAX))
        .digest()
        .to_string();
    let digits: String = digest.chars().take(NAME_DIGITS).collect();
    DeliveryId::new(&format!("msg_{digits}")).expect("hexadecimal digits and `_` are legal")
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits: for its record, for its turn, or for its next attempt.
    Waiting,
    /// This attempt is on its way.
    OnItsWay(u32),
}

/// One message.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) name: DeliveryId,
    pub(super) receiver: Receiver,
    pub(super) born: Timestamp,
    pub(super) expires: Timestamp,
    /// Attempts that ended without success.
    pub(super) attempts: u32,
    pub(super) end: Option<DeliveryEnd>,
    /// The last failure.
    pub(super) detail: Option<String>,
    /// When the next attempt is due; not before its records are durable.
    pub(super) due: Timestamp,
    pub(super) stage: Stage,
}

impl Delivery {
    /// A message born with the verdict.
    pub(super) fn born(
        id: &AnalysisId,
        idx: usize,
        to: &Receiver,
        at: Timestamp,
        lives: Span,
    ) -> Self {
        Self {
            name: name(id, idx),
            receiver: to.clone(),
            born: at,
            expires: at.plus(lives),
            attempts: 0,
            end: None,
            detail: None,
            due: at,
            stage: Stage::Waiting,
        }
    }

    /// The number of the next attempt, from 1.
    pub(super) fn next_attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }

    /// An attempt ended without success at `at`: one more counted, the next one due.
    pub(super) fn failed(&mut self, attempt: u32, detail: &str, at: Timestamp) {
        self.attempts = self.attempts.max(attempt);
        self.detail = Some(detail.to_owned());
        let due = at.plus(wait_before(&self.name, self.next_attempt()));
        self.due = due.min(self.last_call());
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
            url: self.receiver.url.clone(),
            attempts: self.attempts,
            end: self.end.clone(),
            detail: self.detail.clone(),
        }
    }

    /// What readers saw when the message was born: what its body is rendered from.
    pub(super) fn view_at_birth(&self) -> DeliveryView {
        DeliveryView {
            attempts: 0,
            end: None,
            detail: None,
            ..self.view()
        }
    }
}
