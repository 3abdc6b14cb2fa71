//! Create an analysis or join the one there is: the way from a checked submission to a view, for
//! the API and for every facade.

use super::bind;
use super::body::invalid;
use super::office::{Office, accepted};
use super::refused::Refused;
use crate::engine::effect::{Answer, Refusal};
use crate::engine::event::Submission;
use crate::engine::view::View;
use crate::http::Ask;
use crate::ids::AnalysisId;
use crate::plan::bind::bind as bind_plan;
use crate::template::Template;
use crate::wire::submission::CheckedSubmission;
use std::sync::Arc;
use std::time::Duration;

/// How long a conflict waits to see the analysis that holds the key: it is published right after
/// it became durable, which the conflict's answer already waited for.
const HOLDER_TIME_MAX: Duration = Duration::from_secs(2);

/// What somebody wants analysed.
pub(crate) struct Wish {
    /// The submission.
    pub(crate) checked: CheckedSubmission,
    /// The same key gives the same analysis.
    pub(crate) key: Option<String>,
    /// Whether the trace is part of the submission; one from a header is new at every attempt.
    pub(crate) own_trace: bool,
}

/// The analysis of a wish and whether it was there before; answered once it is durable (A3).
///
/// # Errors
///
/// Whatever is wrong with the template, the plan or the receivers; a key that holds another plan;
/// a store that cannot write.
pub(crate) async fn join(office: &Office, wish: Wish) -> Result<(Arc<View>, bool), Refused> {
    let Wish {
        checked,
        key,
        own_trace,
    } = wish;
    let chosen = bind::chosen(office, &checked.template)?;
    checked.fits(&chosen.template).map_err(invalid)?;
    let plan = bind::plan(&chosen.template, &checked.rollout((office.desk.now)()))?;
    let change = checked.deploy.change_type.as_deref();
    let notify = chosen.template.for_change(change).notify.as_deref();
    let receivers = bind::receivers(office, &checked.receivers, &plan, notify)?;
    let policies = &office.desk.coordination;
    let template = plan.template.as_str();
    let mut coordination = checked.coordination.clone();
    coordination.concurrent = policies.concurrent(template);
    coordination.shadow = checked.shadow.unwrap_or(policies.shadow(template));
    let id = (office.desk.next_id)();
    let submission = Box::new(Submission {
        id: id.clone(),
        key,
        template_text: chosen.text,
        plan,
        receivers,
        coordination: coordination.clone(),
    });
    let answer = office
        .ask(|reply| Ask::Submit { submission, reply })
        .await?;
    if let Answer::Refused(Refusal::KeyConflict { holder }) = &answer
        && let Some(view) = published(office, holder).await
        && repeats(&checked, own_trace, &chosen.template, &view)
        && view.coordination.repeats(&coordination)
    {
        return Ok((view, true));
    }
    accepted(&id, answer)
}

/// The engine compares plans whole. A repeat without a `start` is bound to a later instant, and
/// every attempt of a caller's library has its own trace; neither makes it another submission.
fn repeats(checked: &CheckedSubmission, own_trace: bool, template: &Template, view: &View) -> bool {
    let held = &view.plan.rollout;
    let mut rollout = checked.rollout(held.start);
    // Steps that were announced since are not part of what was submitted.
    let steps = &held.deploy.traffic_steps;
    rollout.deploy.traffic_steps.clone_from(steps);
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
