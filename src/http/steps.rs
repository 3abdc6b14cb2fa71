//! `POST /v1/analyses/{id}/step`: the controller has given the canary another share of traffic; and
//! what a gate is told that asks about one step.

use super::Ask;
use super::analyses::{Id, ok};
use super::body::{invalid, shape};
use super::decisions::read;
use super::office::{Office, accepted};
use super::query::{Query, bad, shown};
use super::refused::{Code, Refused};
use super::routes::{Endpoint, WRITE};
use crate::dialect::State;
use crate::engine::view::View;
use crate::ids::AnalysisId;
use crate::template::steps::StepsBy;
use crate::units::{Probability, trim_number};
use crate::wire::coordination::{PlannedStepDocument, StepInput};
use crate::wire::problem::FieldProblem;
use crate::wire::verdict::VerdictDocument;
use axum::body::Body;
use axum::extract::{Request, State as Of};
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
    Of(office): Of<Arc<Office>>,
    Id(id): Id,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let input: StepInput = shape(&read(&office, request).await?)?;
    let share =
        share(&input).map_err(|(field, why)| invalid(vec![FieldProblem::new(field, why)]))?;
    let view = announce(&office, &id, share).await?;
    Ok(ok(&VerdictDocument::from_view(&view, false)))
}

fn share(input: &StepInput) -> Result<Probability, (&'static str, String)> {
    let (field, share) = match (input.share, input.weight) {
        (Some(share), None) => ("share", share),
        (None, Some(weight)) => ("weight", weight / 100.0),
        (None, None) => {
            let why = "it is missing; give 0.25, or weight: 25";
            return Err(("share", why.to_owned()));
        }
        (Some(_), Some(_)) => {
            let why = "share is given as well; give one of them";
            return Err(("weight", why.to_owned()));
        }
    };
    between(share).ok_or_else(|| {
        let why = match field {
            "share" => format!("{share} is no share of a step; give more than 0 and less than 1"),
            _ => "it is no weight of a step; give more than 0 and less than 100".to_owned(),
        };
        (field, why)
    })
}

/// With all of the traffic on the canary there is no baseline beside it to compare with.
fn between(share: f64) -> Option<Probability> {
    let between = share > 0.0 && share < 1.0;
    between.then(|| Probability::new(share)).flatten()
}

async fn announce(
    office: &Office,
    id: &AnalysisId,
    share: Probability,
) -> Result<Arc<View>, Refused> {
    let asked = id.clone();
    let question = |reply| Ask::Step {
        id: asked,
        share,
        reply,
    };
    Ok(accepted(id, office.ask(question).await?)?.0)
}

/// The step of traffic that a gate is asked about.
pub(super) const WEIGHT: (&str, &str) = (
    "weight",
    "ask about this planned step of traffic, in percent as in setWeight: 25",
);

/// The share of the step that is asked about.
pub(super) fn asked(query: &Query) -> Result<Option<Probability>, Refused> {
    let Some(text) = query.get(WEIGHT.0) else {
        return Ok(None);
    };
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    let share = number.and_then(|percent| between(percent / 100.0));
    let why = || {
        let given = shown(text);
        format!("{given} is no weight; give percent of more than 0 and less than 100, such as 25")
    };
    share.map(Some).ok_or_else(|| bad(WEIGHT.0, &why()))
}

/// Announces a planned step that comes after the one an analysis is in. One that has begun, or is
/// over, is announced once.
pub(super) async fn begin(
    office: &Office,
    view: Arc<View>,
    share: Probability,
) -> Result<Arc<View>, Refused> {
    let plan = &view.plan;
    let announced = plan.steps.as_ref().map(|steps| steps.by) == Some(StepsBy::Announcement);
    let newest = plan.further_steps().last().map(|step| step.share);
    let newest = newest.or(plan.first_share());
    let next = plan.planned_step(share.get()).map(|step| step.weight);
    let open = view.conclusion.is_none() && view.behind.is_none();
    match next.filter(|_| open && announced) {
        Some(weight) if newest.is_none_or(|newest| weight > newest) => {
            let stepped = announce(office, &view.id, weight).await;
            // A verdict may have come meanwhile, and that is the answer.
            stepped.or_else(|why| {
                let now = office.view(&view.id)?;
                let ended = now.conclusion.is_some();
                ended.then_some(now).ok_or(why)
            })
        }
        _ => Ok(view),
    }
}

/// Why a step is gone on from while the analysis goes on.
pub(super) fn reason_to_go(step: &PlannedStepDocument) -> String {
    let percent = trim_number(100.0 * step.share);
    format!("the step of {percent} % has baked, every gate saw enough of it, and nothing is worse")
}

/// The state of the step that is asked about, and the step; a weight nobody planned is refused.
pub(super) fn stands_at(
    view: &View,
    share: Probability,
) -> Result<(State, PlannedStepDocument), Refused> {
    let planned = view.plan.planned_step(share.get());
    let found = planned.zip(State::at_step(view, share.get()));
    let (step, state) = found.ok_or_else(|| {
        let steps = view.plan.steps.iter().flat_map(|plan| &plan.steps);
        let all: Vec<String> = steps.map(|s| trim_number(100.0 * s.weight.get())).collect();
        let has = match all.as_slice() {
            [] => "plans no steps of traffic; write `schedule.steps`".to_owned(),
            all => format!("plans steps of {} percent", all.join(", ")),
        };
        let asked = trim_number(100.0 * share.get());
        let detail = format!("there is no step of {asked} percent: the template {has}");
        Refused::new(Code::NoStep, detail)
    })?;
    let document = PlannedStepDocument::of(&view.plan, step, view.judgement.as_deref());
    Ok((state, document))
}
