//! The delivery log: every message with its attempts, those that are dead, and the way to send one
//! once more.

use super::acknowledge::who;
use super::analyses::{Id, PAGE_DEFAULT, PAGE_MAX, no_id, ok, segment};
use super::auth::Caller;
use super::deliveries_wire::{DeliveryItem, DeliveryLog};
use super::last_good::last_good;
use super::office::{Office, accepted, unknown_message};
use super::query::{Query, bad, shown};
use super::refused::Refused;
use super::routes::{Content, Endpoint, READ, WRITE};
use crate::engine::effect::{Answer, Refusal};
use crate::engine::record::DeliveryEnd;
use crate::engine::view::DeliveryView;
use crate::http::Ask;
use crate::ids::{AnalysisId, DeliveryId};
use axum::body::Body;
use axum::extract::{Extension, FromRequestParts, Request, State};
use axum::http::Response;
use axum::http::request::Parts;
use axum::routing::{get, post};
use std::sync::Arc;

const LOG: Content = Content::Json("DeliveryLog");

/// Who was told, who took note, and what was good before.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/v1/analyses/{id}/deliveries",
        summary: "The messages about an analysis with every attempt",
        content: LOG,
        handler: || get(of_analysis),
        ..READ
    },
    Endpoint {
        path: "/v1/analyses/{id}/acknowledge",
        summary: "Take note of a verdict; the first one counts",
        takes: Some("NoteInput"),
        handler: || post(super::acknowledge::acknowledge),
        ..WRITE
    },
    Endpoint {
        path: "/v1/deliveries",
        summary: "Messages of all analyses in memory, newest analysis first",
        query: &[
            (
                "state",
                "pending, delivered, refused, expired, or dead for the last two",
            ),
            ("limit", "messages on the page, 1 to 500, 50 when absent"),
            ("after", "the `next` of the page before"),
        ],
        content: LOG,
        handler: || get(list),
        ..READ
    },
    Endpoint {
        path: "/v1/deliveries/{id}/redeliver",
        summary: "Send a message once more that was delivered, refused or has expired",
        takes: Some("NoteInput"),
        content: Content::Json("DeliveryItem"),
        handler: || post(redeliver),
        ..WRITE
    },
    Endpoint {
        path: "/v1/services/{service}/last-good",
        summary: "What was promoted last of a service, there",
        query: &[
            (
                "environment",
                "the environment of its deploys; leave it out where they name none",
            ),
            (
                "region",
                "the region of its deploys; leave it out where they name none",
            ),
        ],
        content: Content::Json("GoodDocument"),
        handler: || get(last_good),
        ..READ
    },
];

/// The words `?state=` takes.
const STATES: [&str; 5] = ["pending", "delivered", "refused", "expired", "dead"];

/// A message of the path.
pub(crate) struct Message(DeliveryId);

impl<S: Send + Sync> FromRequestParts<S> for Message {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let text = segment(parts, state).await?;
        DeliveryId::new(&text).map(Self).ok_or_else(|| no_id(&text))
    }
}

/// `GET /v1/analyses/{id}/deliveries`
async fn of_analysis(
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Response<Body>, Refused> {
    let view = office.view(&id)?;
    let all = view.deliveries.iter();
    Ok(ok(&DeliveryLog {
        deliveries: all.map(|one| DeliveryItem::of(&view, one)).collect(),
        next: None,
    }))
}

fn is_in(one: &DeliveryView, state: &str) -> bool {
    match &one.end {
        None => state == "pending",
        Some(DeliveryEnd::Delivered { .. }) => state == "delivered",
        Some(DeliveryEnd::Refused { .. }) => state == "refused" || state == "dead",
        Some(DeliveryEnd::Expired { .. }) => state == "expired" || state == "dead",
    }
}

/// `GET /v1/deliveries`
async fn list(
    State(office): State<Arc<Office>>,
    Extension(query): Extension<Query>,
) -> Result<Response<Body>, Refused> {
    let state = query.word("state", &STATES)?;
    let limit = query.count("limit", PAGE_DEFAULT, PAGE_MAX)?;
    let after = query.get("after");
    let all = office.desk.readings.all();
    let messages = || {
        let newest_first = all.iter().rev();
        newest_first.flat_map(|view| view.deliveries.iter().map(move |one| (view, one)))
    };
    let passed = match after {
        None => 0,
        Some(name) => {
            let place = messages().position(|(_, one)| one.delivery.as_str() == name);
            let why = || format!("{} is no message any more; begin without it", shown(name));
            place.ok_or_else(|| bad("after", &why()))? + 1
        }
    };
    let wanted = |one: &DeliveryView| state.is_none_or(|state| is_in(one, state));
    let mut found = messages().skip(passed).filter(|(_, one)| wanted(one));
    let page = found.by_ref().take(limit);
    let deliveries: Vec<DeliveryItem> = page
        .map(|(view, one)| DeliveryItem::of(view, one))
        .collect();
    let next = found.next().and(deliveries.last());
    let next = next.map(|item| item.delivery.id.clone());
    Ok(ok(&DeliveryLog { deliveries, next }))
}

/// `POST /v1/deliveries/{id}/redeliver`
async fn redeliver(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Message(name): Message,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let author = who(&office, &caller, request).await?;
    let delivery = name.clone();
    let question = |reply| Ask::Redeliver {
        delivery,
        author,
        reply,
    };
    let answer = office.ask(question).await?;
    if answer == Answer::Refused(Refusal::UnknownMessage) {
        return Err(unknown_message(name.as_str()));
    }
    // No other refusal of this question names an analysis.
    let nobody = AnalysisId::new("message").ok_or_else(|| no_id(name.as_str()))?;
    let (view, _) = accepted(&nobody, answer)?;
    let one = view.deliveries.iter().find(|one| one.delivery == name);
    let one = one.ok_or_else(|| unknown_message(name.as_str()))?;
    Ok(ok(&DeliveryItem::of(&view, one)))
}
