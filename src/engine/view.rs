//! What readers see of an analysis: an immutable snapshot, published only once durable.

use crate::engine::record::{Conclusion, DeliveryEnd};
use crate::engine::subscription::Moment;
use crate::engine::verdict::Hold;
use crate::ids::{AnalysisId, DeliveryId};
use crate::judge::judgement::Judgement;
use crate::plan::Plan;
use crate::time::Timestamp;
use std::sync::Arc;

/// Where an analysis stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Accepted; its start or first look is still to come.
    Waiting,
    /// Looks are being taken.
    Looking,
    /// It has its verdict.
    Concluded,
}

impl Status {
    /// The word in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Looking => "looking",
            Self::Concluded => "concluded",
        }
    }
}

/// One message as readers see it; secrets are not in it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryView {
    /// Which message.
    pub delivery: DeliveryId,
    /// What it is about.
    pub moment: Moment,
    /// The look it came at; 0 before the first.
    pub look: u32,
    /// Where to.
    pub url: String,
    /// Attempts so far.
    pub attempts: u32,
    /// How it ended, once it has.
    pub end: Option<DeliveryEnd>,
    /// The last failure, if any.
    pub detail: Option<String>,
}

/// What readers see of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Which analysis.
    pub id: AnalysisId,
    /// The plan it carries out.
    pub plan: Arc<Plan>,
    /// Where it stands.
    pub status: Status,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// The newest look that was judged; 0 before the first. Looks that were missed are skipped.
    pub looks: u32,
    /// When the next look is due, while there is one.
    pub next_look_at: Option<Timestamp>,
    /// The newest judgement.
    pub judgement: Option<Arc<Judgement>>,
    /// The sentence as things stand; the conclusion's once there is one (A10).
    pub sentence: String,
    /// What holds it at present.
    pub hold: Option<Hold>,
    /// The verdict, once final.
    pub conclusion: Option<Conclusion>,
    /// The last source failure, while it lasts.
    pub source_fault: Option<String>,
    /// Messages.
    pub deliveries: Vec<DeliveryView>,
}
