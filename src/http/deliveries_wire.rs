//! The delivery log as its readers see it.

use crate::engine::record::Trip;
use crate::engine::view::{AttemptView, DeliveryView, View};
use crate::time::Span;
use crate::wire::verdict::DeliveryDocument;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Messages, of one analysis or of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryLog {
    /// The messages.
    pub deliveries: Vec<DeliveryItem>,
    /// The value of `after` that gives the next page; null on the last.
    pub next: Option<String>,
}

/// One message with its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryItem {
    /// The analysis it is about.
    pub analysis: String,
    /// The service.
    pub service: String,
    /// When the message was born.
    pub born: String,
    /// When it becomes, or became, worthless.
    pub expires: String,
    /// How often it was sent once more by hand.
    pub redelivered: u32,
    /// What it is about, where it goes and how it stands.
    #[serde(flatten)]
    pub delivery: DeliveryDocument,
    /// The newest attempts, the oldest first.
    pub log: Vec<AttemptItem>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptItem {
    /// Which, from 1.
    pub attempt: u32,
    /// When it ended.
    pub at: String,
    /// The receiver's HTTP status; null without an answer.
    pub status: Option<u16>,
    /// How long it took, in milliseconds; null in records from before this was kept.
    pub took_ms: Option<i64>,
    /// What went wrong; null when it was taken.
    pub detail: Option<String>,
}

impl DeliveryItem {
    /// One message of `view`.
    pub fn of(view: &View, one: &DeliveryView) -> Self {
        Self {
            analysis: view.id.to_string(),
            service: view.plan.rollout.deploy.service.clone(),
            born: one.born.to_string(),
            expires: one.expires.to_string(),
            redelivered: one.redelivered,
            delivery: DeliveryDocument::from(one),
            log: one.log.iter().map(AttemptItem::from).collect(),
        }
    }
}

impl From<&AttemptView> for AttemptItem {
    fn from(one: &AttemptView) -> Self {
        let Trip { status, took } = one.trip;
        Self {
            attempt: one.attempt,
            at: one.at.to_string(),
            status,
            took_ms: took.map(Span::ms),
            detail: one.detail.clone(),
        }
    }
}
