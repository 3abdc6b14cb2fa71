//! The message about a moment: a CloudEvent 1.0 in structured JSON, so that the signature over
//! the body covers the event's attributes too (Standard Webhooks signs only the body).

use crate::engine::subscription::Moment;
use crate::engine::view::View;
use crate::ids::DeliveryId;
use crate::time::Timestamp;
use crate::wire::verdict::VerdictDocument;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of the body (CloudEvents JSON format 1.0, section 3).
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The `type` of a final verdict.
pub const VERDICT_TYPE: &str = "haldane.verdict.v1";

/// The `type` of the message about a moment; of the verdict it is [`VERDICT_TYPE`].
pub fn type_of(moment: Moment) -> String {
    format!("haldane.{}.v1", moment.word())
}

/// A CloudEvent whose data is a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerdictEvent {
    /// `1.0`
    pub specversion: String,
    /// The message, stable over attempts; with `source` it is unique.
    pub id: String,
    /// Which daemon sent it.
    pub source: String,
    /// `haldane.verdict.v1`, or the same of another moment.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the message was born.
    pub time: String,
    /// The analysis.
    pub subject: String,
    /// `application/json`
    pub datacontenttype: String,
    /// The W3C trace context the rollout came with (CloudEvents distributed tracing extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The verdict.
    pub data: VerdictDocument,
}

/// The bytes of the message `delivery` about the verdict of `view`, born at `born`.
pub fn verdict_event(view: &View, delivery: &DeliveryId, source: &str, born: Timestamp) -> Vec<u8> {
    moment_event(Moment::Verdict, (view, born), delivery, source)
}

/// The bytes of the message `delivery` about a moment of `view`, born at `born`. The same arguments
/// give the same bytes, so every attempt carries the same body and signature input.
pub fn moment_event(
    moment: Moment,
    (view, born): (&View, Timestamp),
    delivery: &DeliveryId,
    source: &str,
) -> Vec<u8> {
    let event = VerdictEvent {
        specversion: "1.0".to_owned(),
        id: delivery.to_string(),
        source: source.to_owned(),
        kind: type_of(moment),
        time: born.to_string(),
        subject: view.id.to_string(),
        datacontenttype: "application/json".to_owned(),
        traceparent: view.plan.rollout.deploy.traceparent.clone(),
        data: VerdictDocument::for_message(view),
    };
    serde_json::to_vec(&event).expect("A9: the document has text keys and finite numbers only")
}
