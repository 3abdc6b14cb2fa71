//! Everything the engine may ask for. Nothing that leaves the process is asked for before the
//! record that justifies it is durable (A3).

use crate::engine::coordination::freeze::Freeze;
use crate::engine::event::Ticket;
use crate::engine::good::Good;
use crate::engine::record::{Receiver, Record, Seq};
use crate::engine::subscription::Moment;
use crate::engine::view::View;
use crate::ids::{AnalysisId, DeliveryId};
use crate::judge::windows::Windows;
use crate::plan::{Part, Plan, Slot};
use crate::time::Timestamp;
use std::sync::Arc;

pub use crate::judge::windows::ANCHOR_LOOKBACK;

/// From where the first fetch of a plan reads: the anchors of its counters, and its history with
/// the step before it, in which the counters of the history have their anchors.
pub fn first_from(plan: &Plan) -> Timestamp {
    let anchors = plan.timing.start.minus(ANCHOR_LOOKBACK);
    if plan.history.is_none() {
        return anchors;
    }
    let step = plan.timing.step.span();
    anchors.min(plan.history_from().minus(step))
}

/// The first instant to ask for in `slot`, when samples after `from` are wanted: grid queries begin
/// at a grid point, raw ones after an instant. `first` as in a fetch order.
pub fn reach(plan: &Plan, slot: Slot, from: Timestamp, first: bool) -> Timestamp {
    match (slot.part, first) {
        // Without enough reach for the history (see `first_from`) none of it is asked for.
        (Part::Grid, true) if from < plan.history_from() => plan.history_from(),
        (Part::Grid, true) => plan.timing.start,
        (Part::Grid, false) => from.plus(plan.timing.step.span()),
        (Part::Bad | Part::Total | Part::Buckets, _) => from,
    }
}

/// Samples to fetch: every query of the plan, in `(from, to]`.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchOrder {
    /// For which analysis.
    pub id: AnalysisId,
    /// For which look.
    pub look: u32,
    /// The plan whose queries to ask.
    pub plan: Arc<Plan>,
    /// Samples after this instant. The first fetch begins at [`first_from`]; grid queries then
    /// begin at the first point of the history when that lies behind, else at the start, later
    /// ones at the next grid point.
    pub from: Timestamp,
    /// The last instant to read, on the plan's grid.
    pub to: Timestamp,
    /// Whether it is the first fetch.
    pub first: bool,
}

/// A judgement to compute: `judge::judge(&plan, &windows, look)`, wherever it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeOrder {
    /// For which analysis.
    pub id: AnalysisId,
    /// Which look.
    pub look: u32,
    /// The plan.
    pub plan: Arc<Plan>,
    /// What has been seen.
    pub windows: Arc<Windows>,
}

/// One attempt to deliver a message. The body is rendered from `view` and `moment` alone, so that
/// every attempt carries the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct SendOrder {
    /// The message, stable over attempts.
    pub delivery: DeliveryId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// To whom.
    pub receiver: Receiver,
    /// What it is about.
    pub moment: Moment,
    /// The look it came at; 0 before the first.
    pub look: u32,
    /// The analysis as it was when the message was born, without its messages.
    pub view: Arc<View>,
    /// When the message was born: the `time` of the event.
    pub born: Timestamp,
    /// After this instant the message is worthless.
    pub expires: Timestamp,
}

/// The answer to a [`Ticket`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Done and durable; the analysis as it now is. `repeated` when the same key came before.
    Accepted {
        /// The analysis.
        view: Arc<View>,
        /// Whether this was a repeat of an earlier submission.
        repeated: bool,
    },
    /// A freeze began or was lifted, and that is durable.
    Freeze(Box<Freeze>),
    /// Refused, with the reason.
    Refused(Refusal),
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such analysis.
    Unknown,
    /// The same key was used for a different submission (by plan digest).
    KeyConflict {
        /// The analysis that holds the key.
        holder: AnalysisId,
    },
    /// Another deploy of the same service is not resolved, and the policy says that it goes first.
    Busy {
        /// The analysis of that deploy.
        holder: AnalysisId,
    },
    /// As many steps of traffic were announced as there may be, or its clock has not started.
    NoStep {
        /// Why.
        message: String,
    },
    /// There is no such freeze.
    UnknownFreeze,
    /// It has concluded; its verdict stands (A4).
    Concluded,
    /// There is no verdict yet to take note of.
    Undecided,
    /// There is no such message, or it is no longer kept.
    UnknownMessage,
    /// The message is not sent once more.
    NotAgain {
        /// Why, with the way out.
        why: String,
    },
    /// As many analyses are under way as there may be.
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The release, or the waves, it would belong to have as many places as they may.
    Crowded {
        /// Which.
        bond: String,
    },
    /// Records cannot be made durable at present.
    StoreFault {
        /// Why, with the way out.
        message: String,
    },
}

/// Everything the engine may ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make these records durable, in order, and say [`crate::engine::event::Event::Appended`].
    Append(Vec<(Seq, Record)>),
    /// Fetch samples.
    Fetch(FetchOrder),
    /// Compute a judgement.
    Judge(JudgeOrder),
    /// Deliver a message.
    Send(SendOrder),
    /// Read what a message said from the records of its analysis, and say
    /// [`crate::engine::event::Event::Rebuilt`].
    Rebuild {
        /// The analysis.
        id: AnalysisId,
        /// The message.
        delivery: DeliveryId,
    },
    /// Find the analysis of a message in the log, and say
    /// [`crate::engine::event::Event::Recalled`].
    Recall {
        /// To answer.
        ticket: Ticket,
        /// The message.
        delivery: DeliveryId,
        /// Who wants it sent once more.
        author: String,
    },
    /// Wake the engine at this instant; replaces any earlier wish.
    WakeAt(Timestamp),
    /// Answer a question.
    Answer {
        /// Which question.
        ticket: Ticket,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Let readers see this state of an analysis.
    Publish(Arc<View>),
    /// Let readers know what is the last good artefact of its place now.
    Good(Arc<Good>),
    /// Let readers forget an analysis that concluded long ago: its records stay in the log, its
    /// state is kept in memory no longer.
    Forget(AnalysisId),
    /// Let readers see these freezes: all there are.
    Freezes(Arc<[Freeze]>),
}
