//! What must be durable before the next effect may leave: the decision log.

use crate::digest::Digest;
use crate::engine::after::{Ending, Glance};
use crate::engine::coordination::Coordination;
use crate::engine::coordination::freeze::Freeze;
use crate::engine::coordination::hold::Held;
use crate::engine::subscription::{Form, Moment};
use crate::engine::verdict::{Hold, Verdict};
use crate::ids::{AnalysisId, DeliveryId};
use crate::judge::judgement::Judgement;
use crate::judge::windows::Batch;
use crate::plan::rollout::{Rollout, TrafficStep};
use crate::secret::Secret;
use crate::time::{Span, Timestamp};
use std::sync::Arc;

/// The place of a record in the log, from 1, without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

/// Who hears of a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver {
    /// Where to.
    pub url: String,
    /// What signs the message.
    pub secret: SecretRef,
    /// The verdicts it hears of; empty for all.
    pub on: Vec<Verdict>,
    /// What the message looks like.
    pub form: Form,
    /// The moments it hears of; empty for those that are usual in its form.
    pub moments: Vec<Moment>,
}

impl Receiver {
    /// One that hears of every verdict in the usual form.
    pub const fn new(url: String, secret: SecretRef) -> Self {
        Self {
            url,
            secret,
            on: Vec::new(),
            form: Form::CloudEvents,
            moments: Vec::new(),
        }
    }

    /// Whether it hears of this moment of an analysis that has, or has not yet, this verdict.
    pub fn hears_of(&self, moment: Moment, verdict: Option<Verdict>) -> bool {
        let wanted = match self.moments.as_slice() {
            // Who may never hear of the end is not told of the start, unless it asks to be: what
            // has begun there would stay under way for ever.
            [] if moment == Moment::Started && self.is_choosy() => false,
            [] => self.form.usual_moments().contains(&moment),
            asked => asked.contains(&moment),
        };
        wanted && verdict.is_none_or(|verdict| self.hears(verdict))
    }

    /// Whether there is a verdict that it does not hear of.
    fn is_choosy(&self) -> bool {
        let all = [Verdict::Promote, Verdict::Rollback, Verdict::Inconclusive];
        all.into_iter().any(|verdict| !self.hears(verdict))
    }

    /// Whether it hears of this verdict.
    pub fn hears(&self, verdict: Verdict) -> bool {
        self.on.is_empty() || self.on.contains(&verdict)
    }

    /// The same for these verdicts only.
    #[must_use]
    pub fn only(&self, on: Vec<Verdict>) -> Self {
        Self { on, ..self.clone() }
    }
}

/// What signs messages to a receiver.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretRef {
    /// The daemon's default key.
    Default,
    /// A key named in the configuration.
    Named(String),
    /// A key that came with the submission; never shown again.
    Inline(Secret),
}

/// One entry of the decision log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Which analysis it is about.
    pub id: AnalysisId,
    /// When the engine wrote it.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// An analysis was accepted. Template text and rollout give the plan again.
    Submitted {
        /// The idempotency key.
        key: Option<String>,
        /// The template's text.
        template_text: Arc<str>,
        /// The rollout.
        rollout: Box<Rollout>,
        /// The digest of the plan they gave.
        plan_digest: Digest,
        /// Who hears of the verdict.
        receivers: Vec<Receiver>,
        /// How it stands to others.
        coordination: Box<Coordination>,
    },
    /// It waits until another analysis is resolved.
    Queued {
        /// Which.
        behind: AnalysisId,
    },
    /// The clock of a queued analysis starts: everything planned moves along.
    Begun {
        /// When.
        at: Timestamp,
    },
    /// The canary gets another share of the traffic from now on.
    Stepped {
        /// Since when, and how much.
        step: TrafficStep,
    },
    /// What holds its promote back from outside has changed.
    Held {
        /// What, and why; nothing any more without.
        held: Option<Held>,
    },
    /// A freeze began; the record bears its name instead of an analysis'.
    Frozen {
        /// The freeze.
        freeze: Box<Freeze>,
    },
    /// A freeze was lifted.
    Lifted {
        /// Who.
        author: String,
        /// Why.
        reason: String,
    },
    /// Samples were read.
    Captured {
        /// For which look.
        look: u32,
        /// The answers.
        batch: Arc<Batch>,
    },
    /// Samples could not be read.
    SourceFailed {
        /// For which look.
        look: u32,
        /// Why.
        message: String,
    },
    /// A look was judged.
    Judged {
        /// The judgement.
        judgement: Arc<Judgement>,
    },
    /// The analysis has its verdict (A4).
    Concluded {
        /// The conclusion.
        conclusion: Conclusion,
    },
    /// Somebody is to hear of this moment, which leaves no other record of its own.
    Announced {
        /// The moment: a look or a hold.
        moment: Moment,
        /// The look it came at.
        look: u32,
    },
    /// Something that came too late, or for another look, was ignored (A8).
    Ignored {
        /// What, in a few words.
        what: String,
    },
    /// An attempt to deliver a message ended without success.
    Attempted {
        /// Which message.
        delivery: DeliveryId,
        /// Which attempt, from 1.
        attempt: u32,
        /// What happened.
        detail: String,
        /// What the attempt was like.
        trip: Trip,
    },
    /// A message needs no further attempt.
    Settled {
        /// Which message.
        delivery: DeliveryId,
        /// How many attempts it took.
        attempts: u32,
        /// How it ended.
        end: DeliveryEnd,
        /// What the last attempt was like.
        trip: Trip,
    },
    /// Somebody wants a message that has come to its end sent once more.
    Redelivered {
        /// Which message.
        delivery: DeliveryId,
        /// Who.
        author: String,
    },
    /// Somebody took note of the verdict, other than by taking a message.
    Acknowledged {
        /// Who.
        author: String,
    },
    /// After a rollback: what the canary's population looks like.
    Watched {
        /// What was seen.
        glance: Glance,
    },
    /// After a rollback: whether it helped.
    SeenThrough {
        /// How it ended.
        ending: Ending,
    },
}

/// What an attempt was like, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trip {
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Option<Span>,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// The receiver took it.
    Delivered {
        /// The HTTP status.
        status: u16,
    },
    /// It will never be taken.
    Refused {
        /// Why.
        detail: String,
    },
    /// It was not taken in time.
    Expired {
        /// The last failure.
        detail: String,
    },
}

/// A verdict with the reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    /// The verdict.
    pub verdict: Verdict,
    /// The row of the verdict table that gave it, 1 to 9.
    pub row: u8,
    /// The sentence that explains it (A10).
    pub sentence: String,
    /// What held a promote back, when something did.
    pub hold: Option<Hold>,
    /// The person who decided, for row 1 and for cancellations.
    pub author: Option<String>,
    /// The look it was decided at; 0 before the first.
    pub look: u32,
    /// When.
    pub at: Timestamp,
}

/// How the sentence begins when a person stopped an analysis.
pub(super) const CANCELLED: &str = "cancelled";

impl Conclusion {
    /// The moment this is besides a verdict, when a person made it.
    pub fn by_person(&self) -> Option<Moment> {
        self.author.as_ref()?;
        // The sentence is recorded, so records of any age tell the two apart.
        Some(if self.sentence.starts_with(CANCELLED) {
            Moment::Cancelled
        } else {
            Moment::Override
        })
    }
}
