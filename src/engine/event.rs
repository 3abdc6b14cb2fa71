//! Everything that can happen to the engine.

use crate::engine::coordination::Coordination;
use crate::engine::coordination::freeze::Freeze;
use crate::engine::recall::Recalled;
use crate::engine::record::{Receiver, Seq, Trip};
use crate::engine::verdict::Verdict;
use crate::engine::view::View;
use crate::ids::{AnalysisId, DeliveryId};
use crate::judge::judgement::Judgement;
use crate::judge::windows::Batch;
use crate::plan::Plan;
use crate::time::Span;
use crate::units::Probability;
use std::sync::Arc;

/// Joins a question from outside with its [`crate::engine::effect::Effect::Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A request to analyse a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The identifier made by the shell for it.
    pub id: AnalysisId,
    /// Makes the submission repeatable: the same key gives the same analysis.
    pub key: Option<String>,
    /// The template's text: with the plan's rollout it gives the plan again (A6).
    pub template_text: Arc<str>,
    /// The bound plan.
    pub plan: Arc<Plan>,
    /// Who hears of the verdict.
    pub receivers: Vec<Receiver>,
    /// How it stands to others.
    pub coordination: Coordination,
}

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendReply {
    /// Taken: 2xx.
    Accepted {
        /// The HTTP status.
        status: u16,
    },
    /// Try again, not before `after` if given.
    Retry {
        /// The receiver's own wish.
        after: Option<Span>,
        /// What happened, in a few words.
        detail: String,
    },
    /// Never going to be taken (410, 4xx, forbidden address).
    GiveUp {
        /// What happened, in a few words.
        detail: String,
    },
}

/// Why samples could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFault {
    /// Whether trying again can help without anyone changing anything.
    pub transient: bool,
    /// Whether the source understood the query and refused it: the template's own mistake, which
    /// no wait mends. Everything else (an address, a credential, a broken answer) somebody else
    /// may mend while the analysis waits.
    pub query: bool,
    /// How long the source asked to be left alone.
    pub retry_after: Option<Span>,
    /// The thing, the value, the limit, the way out.
    pub message: String,
}

impl SourceFault {
    /// A fault of the query itself.
    pub fn of_query(message: impl Into<String>) -> Self {
        Self {
            transient: false,
            query: true,
            retry_after: None,
            message: message.into(),
        }
    }

    /// A fault that may pass by itself.
    pub fn passing(message: impl Into<String>) -> Self {
        Self {
            transient: true,
            query: false,
            retry_after: None,
            message: message.into(),
        }
    }
}

/// Everything that can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody wants a rollout analysed.
    Submitted {
        /// To answer.
        ticket: Ticket,
        /// What.
        submission: Box<Submission>,
    },
    /// Somebody stops an analysis; it concludes as inconclusive.
    Cancelled {
        /// To answer.
        ticket: Ticket,
        /// Which.
        id: AnalysisId,
        /// Who.
        author: String,
        /// Why.
        reason: String,
    },
    /// A person decides instead.
    Overridden {
        /// To answer.
        ticket: Ticket,
        /// Which.
        id: AnalysisId,
        /// The verdict.
        verdict: Verdict,
        /// Who.
        author: String,
        /// Why.
        reason: String,
    },
    /// The canary gets another share of the traffic.
    Stepped {
        /// To answer.
        ticket: Ticket,
        /// Which analysis.
        id: AnalysisId,
        /// The share it is meant to get from now on.
        share: Probability,
    },
    /// Nothing is to be promoted for a while.
    Frozen {
        /// To answer.
        ticket: Ticket,
        /// What, and how long.
        freeze: Box<Freeze>,
    },
    /// A freeze ends before its time.
    Lifted {
        /// To answer.
        ticket: Ticket,
        /// Which.
        id: AnalysisId,
        /// Who.
        author: String,
        /// Why.
        reason: String,
    },
    /// Time has passed.
    Woke,
    /// The samples asked for are here.
    Fetched {
        /// For which analysis.
        id: AnalysisId,
        /// For which look.
        look: u32,
        /// The answers.
        batch: Arc<Batch>,
    },
    /// They could not be had.
    FetchFailed {
        /// For which analysis.
        id: AnalysisId,
        /// For which look.
        look: u32,
        /// Why.
        fault: SourceFault,
    },
    /// A judgement was computed.
    Judged {
        /// For which analysis.
        id: AnalysisId,
        /// The judgement; it names its look.
        judgement: Arc<Judgement>,
    },
    /// A judgement could not be computed; the look goes without one.
    JudgeFailed {
        /// For which analysis.
        id: AnalysisId,
        /// For which look.
        look: u32,
        /// What went wrong, in a few words.
        message: String,
    },
    /// All records up to and including this one are durable.
    Appended {
        /// The last durable record.
        up_to: Seq,
    },
    /// Records could not be made durable; they are still owed.
    AppendFailed {
        /// Why, with the way out.
        message: String,
    },
    /// A message reached its receiver, or did not.
    Sent {
        /// Which message.
        delivery: DeliveryId,
        /// Which attempt, from 1.
        attempt: u32,
        /// What came back.
        reply: SendReply,
        /// What the attempt was like.
        trip: Trip,
    },
    /// Somebody wants a message sent once more.
    Redelivered {
        /// To answer.
        ticket: Ticket,
        /// Which message.
        delivery: DeliveryId,
        /// Who.
        author: String,
    },
    /// What a message said, from the log.
    Rebuilt {
        /// Which message.
        delivery: DeliveryId,
        /// The view it is rendered from, or why there is none any more.
        said: Result<Arc<View>, String>,
    },
    /// The analysis of a message that is to be sent once more, from the log.
    Recalled {
        /// To answer.
        ticket: Ticket,
        /// Which message.
        delivery: DeliveryId,
        /// Who wants it.
        author: String,
        /// The analysis, nothing where no record names the message, or why it cannot be read.
        found: Result<Option<Recalled>, String>,
    },
    /// Somebody takes note of a verdict.
    Acknowledged {
        /// To answer.
        ticket: Ticket,
        /// Of which analysis.
        id: AnalysisId,
        /// Who.
        author: String,
    },
}
