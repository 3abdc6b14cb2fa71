//! Flagger's webhooks: `POST /flagger/{hook}/{binding}`.
//!
//! Flagger takes 200 to 202 for yes and everything else for no, follows redirects, drops the text
//! of 429 and 5xx, and can send no header. So a no is 409 with one line of text, a yes is 200, and
//! who calls is known by the user and password in the address.
//!
//! A rollout is known by namespace, name and checksum (the hash of the canary's spec and configs):
//! the same three are the same analysis, another checksum is another one.
//!
//! | hook | its analysis | a yes |
//! |---|---|---|
//! | confirm-rollout | not yet begun | nothing speaks against it |
//! | pre-rollout, rollout | begun or joined | not a rollback |
//! | confirm-traffic-increase | looked up | under way and not held, or promote |
//! | confirm-promotion | looked up | promote |
//! | rollback | looked up | rollback: Flagger goes back at once |
//! | post-rollout, event | stopped at the end; its rollback acknowledged | noted |

mod answer;
mod hook;
pub(crate) mod notes;
pub(crate) mod wire;

use super::analyses::ok;
use super::auth::Caller;
use super::binding::bound;
use super::body::{json_bytes, shape};
use super::named::{Named, condemned, stop};
use super::office::{Office, accepted};
use super::refused::Refused;
use super::routes::{Endpoint, READ, TEXT, WRITE};
use crate::dialect::{Dialect, State as Stand, Word};
use crate::engine::subscription::Moment;
use crate::engine::verdict::Verdict;
use crate::engine::view::View;
use crate::http::Ask;
use crate::time::Span;
pub(crate) use answer::text;

use answer::{error, held, no, noted, said, yes};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::Response;
use axum::response::IntoResponse;
use axum::routing::{get, post};
pub(crate) use hook::CHECKSUM_LEN_MAX;
use hook::{Call, Hook, unknown_hook};
use std::sync::Arc;
use wire::{HookInput, OutcomeList};

/// Bytes of a hook's body; a larger one is refused. The metadata of a hook is written by hand.
pub(crate) const HOOK_LEN_MAX: usize = 64 * 1024;

/// How long after its verdict an analysis still speaks for its rollout; then the version is
/// analysed again. Longer than any rollout that somebody attends to, shorter than the time after
/// which the same version comes back over another one.
const FRESH_MAX: Span = Span::from_s(24 * 3_600);

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/flagger/{hook}/{binding}",
        summary: "A webhook of Flagger: confirm-rollout, pre-rollout, rollout, \
                  confirm-traffic-increase, confirm-promotion, post-rollout, rollback or event",
        takes: Some("HookInput"),
        answers: &[
            (200, "yes; of `rollback`: go back now"),
            (202, "noted"),
            (409, "no, and why in one line"),
        ],
        content: TEXT,
        handler: || post(called),
        ..WRITE
    },
    Endpoint {
        path: "/v1/outcomes",
        summary: "What Flagger and Spinnaker said of rollouts since the start, newest first",
        content: super::routes::Content::Json("OutcomeList"),
        handler: || get(outcomes),
        ..READ
    },
];

/// `POST /flagger/{hook}/{binding}`. What is no request of Flagger's (an unknown hook, a body that
/// is not JSON) is refused as everywhere; everything after that is said in Flagger's way.
async fn called(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let Ok(Path((word, binding))) = path else {
        return Err(unknown_hook(request.uri().path()));
    };
    let hook = Hook::named(&word).ok_or_else(|| unknown_hook(&word))?;
    let (parts, body) = request.into_parts();
    let bytes = json_bytes(&parts.headers, body, HOOK_LEN_MAX).await?;
    let input: Result<HookInput, Refused> = shape(&bytes);
    let answered = match input {
        Ok(input) => answered(&office, &caller, hook, &binding, input).await,
        Err(fault) => Err(fault),
    };
    Ok(answered.unwrap_or_else(|fault| error(&office, hook, &fault)))
}

async fn answered(
    office: &Office,
    caller: &Caller,
    hook: Hook,
    binding: &str,
    input: HookInput,
) -> Result<Response<Body>, Refused> {
    let binding = bound(office, binding)?;
    if matches!(hook, Hook::PostRollout | Hook::Event) {
        return Ok(told(office, caller, hook, &binding.name, &input).await);
    }
    let call = Call::read(&binding.name, &input)?;
    let shown = call.shown.clone();
    let rollout = call.of(binding);
    match hook {
        Hook::ConfirmRollout => confirm_rollout(office, &rollout),
        Hook::Rollback => Ok(rollback(office, &rollout, &shown)),
        Hook::PreRollout | Hook::Rollout => {
            let is_over = |view: &View| over(office, hook, view);
            let view = rollout.join(office, is_over).await?;
            Ok(said(office, Dialect::FlaggerRollout, &view))
        }
        Hook::ConfirmTrafficIncrease => {
            Ok(confirm(office, Dialect::FlaggerTraffic, &rollout, &shown))
        }
        _ => Ok(confirm(office, Dialect::FlaggerPromotion, &rollout, &shown)),
    }
}

/// Whether the rollout that this analysis was begun for has ended, so that this is another one of
/// the same version. Before `pre-rollout` no traffic goes to the canary: whatever was concluded
/// then was concluded about an earlier time. A verdict against the version stands, and so does a
/// promote that a person decided.
fn over(office: &Office, hook: Hook, view: &View) -> bool {
    if condemned(view) {
        return false;
    }
    let ended = view.plan.rollout.deploy.id.as_ref();
    let ended = ended.and_then(|id| office.notes.ended(id));
    if ended.is_some_and(|at| at >= view.submitted_at) {
        return true;
    }
    let Some(end) = &view.conclusion else {
        return false;
    };
    let decided = end.author.is_some() && end.verdict == Verdict::Promote;
    (hook == Hook::PreRollout && !decided) || is_old(office, view)
}

fn is_old(office: &Office, view: &View) -> bool {
    let end = view.conclusion.as_ref();
    end.is_some_and(|end| (office.desk.now)().since(end.at) > FRESH_MAX)
}

/// Before anything is begun: is there a binding, a template and a plan, can a verdict be recorded,
/// and was this version not rolled back before?
fn confirm_rollout(office: &Office, rollout: &Named<'_>) -> Result<Response<Body>, Refused> {
    rollout.rehearse(office)?;
    if !office.desk.health.is_ready() {
        return Ok(no(
            "the daemon cannot record a verdict at present; see /readyz",
        ));
    }
    match rollout.newest(office) {
        Some(view) if condemned(&view) && rollout.is_current(office, &view) => Ok(held(
            "this version was rolled back before, change an annotation of its pods to try again",
            &view,
        )),
        _ => Ok(yes()),
    }
}

/// A gate that never begins an analysis.
fn confirm(office: &Office, dialect: Dialect, rollout: &Named<'_>, shown: &str) -> Response<Body> {
    let why = match rollout.newest(office) {
        Some(view) if !rollout.is_own(office, &view) => format!(
            "analysis {} was begun with another template, other arms or inputs, or another policy \
             of shadows; send the same metadata with every hook",
            view.id
        ),
        Some(view) if !over(office, Hook::Rollout, &view) => {
            return said(office, dialect, &view);
        }
        Some(view) => format!("analysis {} is of an earlier rollout of {shown}", view.id),
        None => {
            format!("there is no analysis of {shown}; a rollout hook of this binding begins one")
        }
    };
    match office.desk.dialects.word(dialect, Stand::Error) {
        Word::Go => yes(),
        _ => no(&why),
    }
}

/// 200 makes Flagger go back, so it takes a verdict about exactly this version.
fn rollback(office: &Office, rollout: &Named<'_>, shown: &str) -> Response<Body> {
    let Some(view) = rollout.newest(office) else {
        return no(&format!(
            "no rollback verdict: there is no analysis of {shown}"
        ));
    };
    // Somebody stopped it, or its rollout ended: that is no reason to go back, whatever a policy
    // makes of what could not be shown.
    let end = view.conclusion.as_ref();
    let is_cancelled = end.is_some_and(|end| end.by_person() == Some(Moment::Cancelled));
    let stand = Stand::of(&view);
    match office.desk.dialects.word(Dialect::FlaggerRollback, stand) {
        Word::Go
            if !is_cancelled
                && rollout.is_own(office, &view)
                && !over(office, Hook::Rollout, &view) =>
        {
            yes()
        }
        _ => held("no rollback verdict", &view),
    }
}

/// `post-rollout` and `event`: a note, and at the end of the rollout the end of its analysis.
async fn told(
    office: &Office,
    caller: &Caller,
    hook: Hook,
    binding: &str,
    input: &HookInput,
) -> Response<Body> {
    let call = Call::read(binding, input).ok();
    let id = call.as_ref().map(|call| &call.id);
    let view = id.and_then(|id| office.desk.readings.newest_of(id));
    let ends = hook == Hook::PostRollout && matches!(input.phase.as_str(), "Succeeded" | "Failed");
    let now = (office.desk.now)();
    let note = input.outcome(hook.word(), binding, view.as_deref(), now);
    let note = office.notes.add(note);
    tracing::info!(
        hook = hook.word(), binding, canary = %note.rollout, phase = %note.said,
        analysis = note.analysis.as_deref().unwrap_or_default(), details = ?note.metadata,
        "flagger says"
    );
    if let (true, Some(id)) = (ends, id) {
        office.notes.end(id.clone(), now);
        if let Some(view) = &view {
            let author = caller.author.as_deref().unwrap_or("flagger");
            if input.phase == "Failed" && took_note(view) {
                note_taken(office, view, author).await;
            }
            let reason = format!("flagger ended the rollout: {}", input.phase);
            stop(office, view, author, reason).await;
        }
    }
    noted()
}

/// Whether a rollout that failed says that the verdict was heard: it was to go back, and it did.
/// One that succeeded against a rollback says the opposite, so that is left to be found out.
fn took_note(view: &View) -> bool {
    let end = view.conclusion.as_ref();
    !view.coordination.shadow && end.is_some_and(|end| end.verdict == Verdict::Rollback)
}

/// Flagger has taken note of a rollback; the first one who does counts. What goes wrong is said in
/// the log only, since Flagger can do nothing about it.
async fn note_taken(office: &Office, view: &View, author: &str) {
    let (id, author) = (view.id.clone(), author.to_owned());
    let question = |reply| Ask::Acknowledge { id, author, reply };
    let answer = office.ask(question).await;
    if let Err(fault) = answer.and_then(|answer| accepted(&view.id, answer)) {
        tracing::warn!(analysis = %view.id, why = fault.detail(), "nobody has taken note of it");
    }
}

/// `GET /v1/outcomes`
async fn outcomes(State(office): State<Arc<Office>>) -> Response<Body> {
    let outcomes = office.notes.newest_first();
    ok(&OutcomeList { outcomes }).into_response()
}
