//! Freezes: for as long as one lasts nothing is promoted where it applies. Each begins and ends
//! with a record, and the list is answered from memory.

use super::analyses::{Id, ok};
use super::auth::Caller;
use super::body::shape;
use super::decisions::{NOBODY, author, read, reason, refuse};
use super::office::{Office, refusal};
use super::refused::{Code, Refused};
use super::routes::{Content, Endpoint, READ, WRITE};
use super::{Ask, Right};
use crate::engine::coordination::freeze::Freeze;
use crate::engine::effect::{Answer, Refusal};
use crate::ids::AnalysisId;
use crate::time::{Span, Timestamp};
use crate::wire::coordination::{FreezeDocument, FreezeInput, FreezeList, LiftInput};
use crate::wire::problem::FieldProblem;
use crate::wire::submission::TEXT_LEN_MAX;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::Response;
use axum::routing::{get, post};
use std::sync::Arc;

/// This file's endpoints.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/v1/freezes",
        summary: "The freezes that last or are still to begin",
        content: Content::Json("FreezeList"),
        handler: || get(list),
        ..READ
    },
    Endpoint {
        path: "/v1/freezes",
        summary: "Freeze: nothing is promoted where it applies, rollbacks go on",
        takes: Some("FreezeInput"),
        content: Content::Json("FreezeDocument"),
        handler: || post(begin),
        ..WRITE
    },
    Endpoint {
        path: "/v1/freezes/{id}/lift",
        right: Some(Right::Override),
        summary: "Lift a freeze before its time",
        takes: Some("LiftInput"),
        content: Content::Json("FreezeDocument"),
        handler: || post(lift),
        ..WRITE
    },
];

async fn list(State(office): State<Arc<Office>>) -> Response<Body> {
    let now = (office.desk.now)();
    let freezes = office.desk.readings.freezes();
    let freezes = freezes.iter().filter(|freeze| !freeze.is_over(now));
    ok(&FreezeList {
        freezes: freezes.map(FreezeDocument::from).collect(),
    })
}

async fn begin(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let input: FreezeInput = shape(&read(&office, request).await?)?;
    let now = (office.desk.now)();
    let mut faults = Vec::new();
    let reason = reason(&input.reason, &mut faults);
    let author = author(&caller, input.author.as_deref(), &mut faults);
    for (field, text) in [
        ("service", &input.service),
        ("environment", &input.environment),
        ("region", &input.region),
    ] {
        faults.extend(text.as_deref().and_then(|text| name_fault(field, text)));
    }
    let from = from(input.from.as_deref(), now, &mut faults);
    let until = input
        .until
        .as_deref()
        .and_then(|text| until(text, from, now, &mut faults));
    refuse(faults)?;
    let freeze = Box::new(Freeze {
        id: fresh_id(&office),
        service: input.service,
        environment: input.environment,
        region: input.region,
        from,
        until,
        author: author.unwrap_or_else(|| NOBODY.to_owned()),
        reason,
    });
    let id = freeze.id.clone();
    let answer = office.ask(|reply| Ask::Freeze { freeze, reply }).await?;
    answered(&id, &answer)
}

async fn lift(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let input: LiftInput = shape(&read(&office, request).await?)?;
    let mut faults = Vec::new();
    let reason = reason(&input.reason, &mut faults);
    let author = author(&caller, input.author.as_deref(), &mut faults);
    refuse(faults)?;
    let asked = id.clone();
    let question = |reply| Ask::Lift {
        id: asked,
        author: author.unwrap_or_else(|| NOBODY.to_owned()),
        reason,
        reply,
    };
    answered(&id, &office.ask(question).await?)
}

fn answered(id: &AnalysisId, answer: &Answer) -> Result<Response<Body>, Refused> {
    match answer {
        Answer::Freeze(freeze) => Ok(ok(&FreezeDocument::from(&**freeze))),
        Answer::Refused(Refusal::TooMany { limit }) => {
            let detail = format!("there are {limit} freezes, the limit; lift some");
            Err(Refused::new(Code::TooManyAnalyses, detail))
        }
        Answer::Refused(why) => Err(refusal(id, why)),
        Answer::Accepted { .. } => Err(refusal(id, &Refusal::UnknownFreeze)),
    }
}

/// A freeze and an analysis never have the same name.
fn fresh_id(office: &Office) -> AnalysisId {
    let id = (office.desk.next_id)();
    AnalysisId::new(&format!("freeze-{id}")).unwrap_or(id)
}

fn name_fault(field: &str, text: &str) -> Option<FieldProblem> {
    let why = if text.trim().is_empty() {
        "it is empty; leave it out for all of them".to_owned()
    } else if text.len() > TEXT_LEN_MAX {
        format!("it has {} bytes, the limit is {TEXT_LEN_MAX}", text.len())
    } else if text.chars().any(char::is_control) {
        "it holds a control character; write one line".to_owned()
    } else {
        return None;
    };
    Some(FieldProblem::new(field, why))
}

fn from(text: Option<&str>, now: Timestamp, faults: &mut Vec<FieldProblem>) -> Timestamp {
    let Some(text) = text else {
        return now;
    };
    Timestamp::parse(text).unwrap_or_else(|| {
        let why = format!("{text:?} is no instant; write 2026-12-24T12:00:00Z");
        faults.push(FieldProblem::new("from", why));
        now
    })
}

/// An instant, or a length of time from the beginning.
fn until(
    text: &str,
    from: Timestamp,
    now: Timestamp,
    faults: &mut Vec<FieldProblem>,
) -> Option<Timestamp> {
    let lasts = Span::parse(text).map(|span| from.plus(span));
    let until = lasts.or_else(|| Timestamp::parse(text));
    let why = match until {
        None => format!("{text:?} is neither an instant nor a length of time; write 2h"),
        Some(until) if until <= from.max(now) => format!("{until} is over already"),
        Some(_) => return until,
    };
    faults.push(FieldProblem::new("until", why));
    None
}
