//! `POST /v1/analyses/{id}/step`: the controller has given the canary another share of traffic.

use super::Ask;
use super::analyses::{Id, ok};
use super::body::{invalid, shape};
use super::decisions::read;
use super::office::{Office, accepted};
use super::refused::Refused;
use super::routes::{Endpoint, WRITE};
use crate::units::Probability;
use crate::wire::coordination::StepInput;
use crate::wire::problem::FieldProblem;
use crate::wire::verdict::VerdictDocument;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::routing::post;
use std::sync::Arc;

/// This file's endpoints.
pub(super) static ENDPOINTS: &[Endpoint] = &[Endpoint {
    path: "/v1/analyses/{id}/step",
    summary: "Announce another share of traffic; each step needs evidence of its own",
    takes: Some("StepInput"),
    handler: || post(step),
    ..WRITE
}];

async fn step(
    State(office): State<Arc<Office>>,
    Id(id): Id,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let input: StepInput = shape(&read(&office, request).await?)?;
    // With all of the traffic on the canary there is no baseline beside it to compare with.
    let between = |share: &f64| *share > 0.0 && *share < 1.0;
    let share = Some(input.share).filter(between).and_then(Probability::new);
    let Some(share) = share else {
        let why = format!(
            "{} is no share of a step; give more than 0 and less than 1",
            input.share
        );
        return Err(invalid(vec![FieldProblem::new("share", why)]));
    };
    let asked = id.clone();
    let question = |reply| Ask::Step {
        id: asked,
        share,
        reply,
    };
    let (view, _) = accepted(&id, office.ask(question).await?)?;
    Ok(ok(&VerdictDocument::from_view(&view, false)))
}
