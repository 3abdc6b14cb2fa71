//! `POST /v1/analyses`: answered only once the submission is durable (A3), and as often as
//! somebody asks again with the same key.

use super::bind;
use super::body::{invalid, json_bytes};
use super::office::{Office, accepted, json};
use super::refused::{Code, Refused};
use super::wire::{Links, SubmittedDocument};
use crate::engine::effect::{Answer, Refusal};
use crate::engine::event::Submission;
use crate::engine::view::View;
use crate::http::Ask;
use crate::ids::AnalysisId;
use crate::plan::bind::bind as bind_plan;
use crate::wire::submission::{self, CheckedSubmission, SUBMISSION_LEN_MAX};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an `Idempotency-Key`; a longer one is refused. Many libraries send a UUID.
pub(super) const KEY_LEN_MAX: usize = 255;

/// How long a conflict waits to see the analysis that holds the key: it is published right after
/// it became durable, which the conflict's answer already waited for.
const HOLDER_TIME_MAX: Duration = Duration::from_secs(2);

/// Accepts a submission: 201 when it is new, 200 when it repeats one.
pub(crate) async fn submit(
    State(office): State<Arc<Office>>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let (parts, body) = request.into_parts();
    let header_key = header_key(&parts.headers)?;
    let limit = SUBMISSION_LEN_MAX.min(office.desk.limits.body_bytes_max);
    let bytes = json_bytes(&parts.headers, body, limit).await?;
    let mut checked = submission::parse(&bytes).map_err(invalid)?;
    let own_trace = checked.deploy.traceparent.is_some();
    if !own_trace {
        checked.deploy.traceparent = traceparent(&parts.headers);
    }
    let chosen = bind::chosen(&office, &checked.template)?;
    checked.fits(&chosen.template).map_err(invalid)?;
    let plan = bind::plan(&chosen.template, &checked.rollout((office.desk.now)()))?;
    let change = checked.deploy.change_type.as_deref();
    let notify = chosen.template.for_change(change).notify.as_deref();
    let receivers = bind::receivers(&office, &checked.receivers, notify)?;
    let deploy_key = || checked.deploy.id.as_ref().map(|id| format!("deploy:{id}"));
    let id = (office.desk.next_id)();
    let submission = Box::new(Submission {
        id: id.clone(),
        key: header_key
            .map(|key| format!("key:{key}"))
            .or_else(deploy_key),
        template_text: chosen.text,
        plan,
        receivers,
    });
    let answer = office
        .ask(|reply| Ask::Submit { submission, reply })
        .await?;
    if let Answer::Refused(Refusal::KeyConflict { holder }) = &answer
        && let Some(view) = published(&office, holder).await
        && repeats(&checked, own_trace, &chosen.template, &view)
    {
        return Ok(answered(&view, true));
    }
    let (view, repeated) = accepted(&id, answer)?;
    Ok(answered(&view, repeated))
}

fn answered(view: &View, repeated: bool) -> Response<Body> {
    let links = Links::of(&view.id);
    let status = if repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (LOCATION, links.itself.clone()),
    ];
    let document = SubmittedDocument {
        id: view.id.to_string(),
        status: view.status.word().to_owned(),
        links,
    };
    (status, headers, json(&document)).into_response()
}

/// The engine compares plans whole. A repeat without a `start` is bound to a later instant, and
/// every attempt of a caller's library has its own trace; neither makes it another submission.
fn repeats(
    checked: &CheckedSubmission,
    own_trace: bool,
    template: &crate::template::Template,
    view: &View,
) -> bool {
    let held = &view.plan.rollout;
    let mut rollout = checked.rollout(held.start);
    if !own_trace {
        rollout
            .deploy
            .traceparent
            .clone_from(&held.deploy.traceparent);
    }
    bind_plan(template, &rollout).is_ok_and(|plan| plan.digest == view.plan.digest)
}

async fn published(office: &Office, id: &AnalysisId) -> Option<Arc<View>> {
    let mut changes = office.desk.readings.watch();
    let seen = async {
        loop {
            if let Some(view) = office.desk.readings.get(id) {
                return Some(view);
            }
            changes.changed().await.ok()?;
        }
    };
    tokio::time::timeout(HOLDER_TIME_MAX, seen)
        .await
        .ok()
        .flatten()
}

fn header_key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > KEY_LEN_MAX || values.next().is_some() {
        let detail = format!(
            "Idempotency-Key must be given once and have 1 to {KEY_LEN_MAX} visible ASCII \
             characters; send a UUID"
        );
        return Err(Refused::new(Code::InvalidHeader, detail));
    }
    Ok(Some(text.to_owned()))
}

/// The caller's trace context; one that is malformed is as good as none (W3C Trace Context, 4.3).
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    submission::is_traceparent(text).then(|| text.to_owned())
}
