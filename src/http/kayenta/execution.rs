//! What an execution is to those who ask: an analysis, what its caller sent, and what is told of
//! both. Every analysis is one, however it was submitted.

use super::memory::Answer;
use super::said::{Said, text_ok};
use super::status;
use super::tree::tree;
use super::wanted::Thresholds;
use crate::dialect::{Dialect, State as Stand, Word};
use crate::engine::subscription::Moment;
use crate::engine::view::View;
use crate::http::office::Office;
use crate::http::papers::Paper;
use crate::ids::AnalysisId;
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// The kind of paper.
pub(super) const KIND: &str = "kayenta.execution";

/// An execution and its analysis.
pub(super) struct Execution {
    pub(super) sent: Arc<Value>,
    paper: Option<Arc<Paper>>,
    pub(super) view: Arc<View>,
    /// Those of the caller; `None` when nobody knows them any more, or ever said them.
    pub(super) thresholds: Option<Thresholds>,
}

pub(super) fn view_of(office: &Office, id: &str) -> Option<Arc<View>> {
    office.desk.readings.get(&AnalysisId::new(id)?)
}

/// The execution of this id.
pub(super) fn execution(office: &Office, id: &str) -> Result<Execution, Said> {
    let missing = || Said::missing(format!("Canary execution '{id}' does not exist."));
    let view = view_of(office, id).ok_or_else(missing)?;
    let paper = office.desk.papers.get(KIND, id);
    let sent = paper.as_ref().and_then(|paper| office.kayenta.value(paper));
    let sent = sent
        .unwrap_or_else(|| Arc::new(json!({ "application": view.plan.rollout.deploy.service })));
    let request = sent.get("canaryExecutionRequest");
    let thresholds = request.and_then(|request| Thresholds::read(request).ok());
    Ok(Execution {
        sent,
        paper,
        view,
        thresholds,
    })
}

/// What this caller is told of an analysis.
pub(super) fn word(office: &Office, view: &View) -> Word {
    let state = Stand::of(view);
    office.desk.dialects.word(Dialect::Kayenta, state)
}

/// Whether somebody stopped it, which is no verdict to Kayenta's callers. One in shadow tells them
/// to go on whatever becomes of it.
pub(super) fn is_cancelled(view: &View) -> bool {
    let end = view.conclusion.as_ref();
    let moment = end.and_then(crate::engine::record::Conclusion::by_person);
    moment == Some(Moment::Cancelled) && !view.coordination.shadow
}

/// Whether an execution has ended, as its caller sees it; one that nobody remembers has.
pub(super) fn is_over(office: &Office, id: &AnalysisId) -> bool {
    office.desk.readings.get(id).is_none_or(|view| {
        let status = status::word(&view, word(office, &view));
        status::is_complete(status)
    })
}

/// Everything that is said of an execution. One that is complete has a score, or its caller takes
/// it for a failure; so every ended one gets a result, an analysis that goes on as well as one
/// whose records cannot be read.
pub(super) async fn told(office: &Office, id: &str) -> Result<Answer, Said> {
    let execution = execution(office, id)?;
    let view = &execution.view;
    let paper = execution.paper.as_ref();
    if let Some(known) = office.kayenta.answer(id, paper) {
        return Ok(known);
    }
    let word = word(office, view);
    let status = status::word(view, word);
    let (tree, whole) = if status == status::SUCCEEDED {
        let (tree, whole) = tree(office, &execution).await;
        (Some(tree), whole)
    } else {
        (None, true)
    };
    let document = status::document(&execution, word, tree.as_ref());
    let mut answer = Answer::new(paper.cloned(), document);
    answer.stands = whole && view.conclusion.is_some() && status::is_complete(status);
    if answer.stands {
        office.kayenta.keep(id, answer.clone());
    }
    Ok(answer)
}

/// The same as an answer.
pub(super) async fn answered(office: &Office, id: &str) -> Result<Response<Body>, Said> {
    Ok(text_ok(told(office, id).await?.text))
}
