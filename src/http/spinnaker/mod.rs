//! Spinnaker beside its canary stage: the deployment monitor of its monitored deploys, and the
//! cancellation that its webhook stage can be told before it knows an analysis.
//!
//! Orca asks at every step of a deploy: `wait` asks again, `continue` takes the next step, `abort`
//! ends and rolls back where the stage says so. `complete` would skip the remaining steps, so it is
//! never said. Every step is analysed on its own: Orca gives each one an id (`stageId`) that stays
//! the same while it asks. A refusal is asked again three times over the whole stage and then
//! fails it, or lets it go on where the monitor is configured with `failOnError: false`.

mod wire;

pub(crate) use wire::{HealthDocument, MonitorInput, StopInput};

use super::analyses::ok;
use super::auth::Caller;
use super::binding::{Binding, bound};
use super::body::{json_bytes, shape};
use super::flagger::wire::OutcomeDocument;
use super::named::{Named, deploy_id, framed, stop};
use super::office::{Office, RETRY_S};
use super::origin::origin;
use super::query::shown;
use super::refused::{Code, Refused};
use super::routes::{Content, Endpoint, WRITE};
use super::wire::Links;
use crate::dialect::{Dialect, State as Stand, Word};
use crate::engine::view::View;
use crate::ids::DeployId;
use crate::wire::verdict::VerdictDocument;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, Uri};
use axum::routing::post;
use std::sync::Arc;

/// Bytes of a request's body; a larger one is refused. Orca lists every new instance in it.
const MONITOR_LEN_MAX: usize = 1024 * 1024;

/// Bytes of one of Orca's ids and names; a longer one is refused.
const ORCA_ID_LEN_MAX: usize = 253;

/// Hexadecimal digits that stand for a deploy in the ids of its steps: 128 bits, as many as a UUID.
const DEPLOY_DIGITS: usize = 32;

const MONITOR: Endpoint = Endpoint {
    takes: Some("MonitorInput"),
    answers: &[(200, "what to do next")],
    content: Content::Json("HealthDocument"),
    ..WRITE
};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/spinnaker/deployment/{step}",
        summary: "Spinnaker's deployment monitor (starting, evaluateHealth, completed); the \
                  binding is `parameters.binding`, or the application's name",
        handler: || post(plain),
        ..MONITOR
    },
    Endpoint {
        path: "/spinnaker/{binding}/deployment/{step}",
        summary: "Spinnaker's deployment monitor for one binding",
        handler: || post(of_binding),
        ..MONITOR
    },
    Endpoint {
        path: "/spinnaker/cancel",
        summary: "Cancel the newest analysis of a deploy; one that has concluded stays as it is",
        takes: Some("StopInput"),
        handler: || post(cancel),
        ..WRITE
    },
];

async fn plain(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let Ok(Path(step)) = path else {
        return Err(unknown_step(request.uri().path()));
    };
    asked(&office, &caller, None, &step, request).await
}

async fn of_binding(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let Ok(Path((binding, step))) = path else {
        return Err(unknown_step(request.uri().path()));
    };
    asked(&office, &caller, Some(binding), &step, request).await
}

fn unknown_step(word: &str) -> Refused {
    let detail = format!(
        "there is no step {}; it is one of starting, evaluateHealth, completed",
        shown(word)
    );
    Refused::new(Code::UnknownHook, detail)
}

async fn asked(
    office: &Office,
    caller: &Caller,
    binding: Option<String>,
    step: &str,
    request: Request,
) -> Result<Response<Body>, Refused> {
    if !matches!(step, "starting" | "evaluateHealth" | "completed") {
        return Err(unknown_step(step));
    }
    let (parts, body) = request.into_parts();
    let input = read::<MonitorInput>(&parts, body).await?;
    let named = input.parameter("binding");
    let name = binding
        .or(named)
        .unwrap_or_else(|| input.application.clone());
    let document = match step {
        "starting" => starting(office, &name, &input),
        "evaluateHealth" => {
            let rollout = rollout(bound(office, &name)?, &input)?;
            let view = rollout.join(office, |_| false).await?;
            health(office, &view, (&parts.headers, &parts.uri))
        }
        _ => Ok(completed(office, caller, &name, &input).await),
    };
    Ok(ok(&document?))
}

async fn read<T: super::wire::Input>(parts: &Parts, body: Body) -> Result<T, Refused> {
    shape(&json_bytes(&parts.headers, body, MONITOR_LEN_MAX).await?)
}

/// Before any traffic: what is wrong with the configuration ends the deploy here, with the reason
/// on the stage's page.
fn starting(office: &Office, name: &str, input: &MonitorInput) -> Result<HealthDocument, Refused> {
    let rehearsed = bound(office, name)
        .and_then(|binding| rollout(binding, input))
        .and_then(|rollout| rollout.rehearse(office));
    if let Err(fault) = rehearsed {
        return Ok(HealthDocument::new("abort", fault.detail()));
    }
    if !office.desk.health.is_ready() {
        let detail = "no verdict can be recorded at present; ask again when /readyz answers 200";
        return Err(Refused::new(Code::StoreUnavailable, detail).retry_after(RETRY_S));
    }
    Ok(HealthDocument::new(
        "continue",
        "every step will be analysed",
    ))
}

/// What the analysis of this step says.
fn health(
    office: &Office,
    view: &View,
    (headers, uri): (&HeaderMap, &Uri),
) -> Result<HealthDocument, Refused> {
    let state = Stand::of(view);
    let directive = match office.desk.dialects.word(Dialect::SpinnakerMonitor, state) {
        Word::Go => "continue",
        Word::Wait => "wait",
        Word::Stop | Word::Doubt => "abort",
        Word::Fault => {
            let detail = format!("analysis {}: {}", view.id, view.sentence);
            return Err(Refused::new(Code::NotCarriedOut, detail).retry_after(RETRY_S));
        }
    };
    let message = format!("{}: {}", state.word(), view.sentence);
    let path = Links::of(&view.id).itself;
    let link = origin(headers, uri).map_or_else(|| path.clone(), |at| format!("{at}{path}"));
    Ok(HealthDocument::new(directive, &message).with_analysis(view.id.as_str(), &link))
}

/// The deploy is over, however it ended: a note, and the end of what is still under way. Orca
/// ignores the answer.
async fn completed(
    office: &Office,
    caller: &Caller,
    binding: &str,
    input: &MonitorInput,
) -> HealthDocument {
    let deploy = deploy_of(binding, input).ok();
    let view = deploy.and_then(|deploy| office.desk.readings.newest_under(&deploy));
    let status = input.status.as_deref().unwrap_or_default();
    let rollback = input.rollback.as_deref().unwrap_or_default();
    let note = OutcomeDocument {
        at: (office.desk.now)().to_string(),
        caller: "spinnaker".to_owned(),
        kind: "completed".to_owned(),
        binding: binding.to_owned(),
        rollout: format!("{} {}", input.application, input.new_server_group()),
        said: status.to_owned(),
        analysis: view.as_ref().map(|view| view.id.to_string()),
        verdict: view.as_deref().map(super::flagger::wire::verdict),
        metadata: [("rollback".to_owned(), rollback.to_owned())].into(),
    };
    let note = office.notes.add(note);
    let said = &note.said;
    tracing::info!(
        binding = %note.binding, rollout = %note.rollout, status = %said,
        details = ?note.metadata,
        analysis = note.analysis.as_deref().unwrap_or_default(), "spinnaker says"
    );
    if let Some(view) = view {
        let author = caller.author.as_deref().unwrap_or("spinnaker");
        let said = if said.is_empty() { "no status" } else { said };
        let reason = format!("spinnaker completed the deploy: {said}");
        stop(office, &view, author, reason).await;
    }
    HealthDocument::new("continue", "noted")
}

/// The rollout of one step of a deploy.
fn rollout<'a>(binding: &'a Binding, input: &MonitorInput) -> Result<Named<'a>, Refused> {
    let id = step_of(&binding.name, input)?;
    Ok(Named {
        binding,
        id,
        revision: input.new_server_group.clone(),
        values: input.values(),
    })
}

/// What every step's id begins with. A digest stands for the binding and the ids of the deploy, so
/// that the whole is never too long.
fn deploy_of(binding: &str, input: &MonitorInput) -> Result<DeployId, Refused> {
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let (deployment, region) = (optional(&input.deployment_id), optional(&input.region));
    for (field, value, least) in [
        ("application", &input.application, 1),
        ("executionId", &input.execution_id, 1),
        ("deploymentId", &deployment, 0),
        ("region", &region, 0),
    ] {
        if !(least..=ORCA_ID_LEN_MAX).contains(&value.len()) {
            let detail = format!("{field} must have {least} to {ORCA_ID_LEN_MAX} bytes");
            return Err(Refused::new(Code::InvalidSubmission, detail));
        }
    }
    let (application, execution) = (&*input.application, &*input.execution_id);
    let digest = framed(&[binding, application, execution, &deployment, &region]).to_string();
    let id = format!("spinnaker:{}:", &digest[..DEPLOY_DIGITS]);
    Ok(DeployId::new(&id).expect("a word, hexadecimal digits and colons are a legal id"))
}

/// The name of one step. Without an id every step of a deploy would be one and the same, and the
/// first one's promote would let all of them pass.
fn step_of(binding: &str, input: &MonitorInput) -> Result<DeployId, Refused> {
    let deploy = deploy_of(binding, input)?;
    let stage = input.stage_id.as_deref().unwrap_or_default();
    if !(1..=ORCA_ID_LEN_MAX).contains(&stage.len()) {
        let detail = format!(
            "stageId must have 1 to {ORCA_ID_LEN_MAX} bytes: every step is analysed on its own; \
             Orca sends one with every request"
        );
        return Err(Refused::new(Code::InvalidSubmission, detail));
    }
    Ok(deploy_id(deploy.as_str().trim_end_matches(':'), &[stage]))
}

/// `POST /spinnaker/cancel`
async fn cancel(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let (parts, body) = request.into_parts();
    let input = read::<StopInput>(&parts, body).await?;
    let view = DeployId::new(&input.deploy).and_then(|id| office.desk.readings.newest_of(&id));
    let Some(view) = view else {
        let detail = format!(
            "there is no analysis of deploy {}; send the deploy.id it was submitted with",
            shown(&input.deploy)
        );
        return Err(Refused::new(Code::UnknownAnalysis, detail));
    };
    let author = caller.author.as_deref().unwrap_or("spinnaker");
    stop(
        &office,
        &view,
        author,
        "spinnaker cancelled the stage".to_owned(),
    )
    .await;
    let view = office.view(&view.id)?;
    Ok(ok(&VerdictDocument::from_view(&view, false)))
}
