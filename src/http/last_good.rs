//! What was promoted last in a place.

use super::analyses::{ok, segment};
use super::office::Office;
use super::query::{Query, shown};
use super::refused::{Code, Refused};
use crate::wire::verdict::GoodDocument;
use axum::body::Body;
use axum::extract::{Extension, FromRequestParts, State};
use axum::http::Response;
use axum::http::request::Parts;
use std::sync::Arc;

/// A service of the path.
pub(crate) struct Service(String);

impl<S: Send + Sync> FromRequestParts<S> for Service {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        segment(parts, state).await.map(Self)
    }
}

/// `GET /v1/services/{service}/last-good`
pub(crate) async fn last_good(
    State(office): State<Arc<Office>>,
    Extension(query): Extension<Query>,
    Service(service): Service,
) -> Result<Response<Body>, Refused> {
    let (environment, region) = (query.get("environment"), query.get("region"));
    let good = office
        .desk
        .readings
        .last_good(&service, environment, region);
    let good = good.ok_or_else(|| {
        let place = |what: &str, name: Option<&str>| match name {
            Some(name) => format!("{what} {}", shown(name)),
            None => format!("no {what}"),
        };
        let detail = format!(
            "nothing of {} was promoted in {} and {}; name the environment and region of its \
             deploys, or none where they name none",
            shown(&service),
            place("environment", environment),
            place("region", region)
        );
        Refused::new(Code::NoLastGood, detail)
    })?;
    Ok(ok(&GoodDocument::from(&*good)))
}
