//! What all handlers share, and how they ask the driver.

use super::auth::Locks;
use super::flagger::notes::Notes;
use super::gates::Gates;
use super::refused::{Code, Refused};
use super::reports::REPORTS_AT_ONCE_MAX;
use super::verdict_join::Remembered;
use super::{Ask, Desk};
use crate::engine::coordination::register::BOUND_MAX;
use crate::engine::effect::{Answer, Refusal};
use crate::engine::view::{Status, View};
use crate::ids::AnalysisId;
use serde_json::to_vec;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

/// Event streams at once; a further one is answered 503.
pub(super) const EVENT_STREAMS_MAX: usize = 256;

/// How long a drain may still answer what was asked before it; after that the answer is 503.
const ANSWER_AFTER_STOP: Duration = Duration::from_secs(5);

/// Seconds after which to come back when the store or the driver cannot answer: about the time a
/// restart takes, and well inside the 40 s a controller's retries last.
pub(crate) const RETRY_S: u32 = 5;

/// What all handlers share.
pub(crate) struct Office {
    pub(crate) desk: Desk,
    pub(crate) locks: Locks,
    /// Fires when the daemon stops: waits and streams end.
    pub(crate) stop: CancellationToken,
    /// Requests at once.
    pub(crate) requests: Semaphore,
    /// Long polls at once: half the requests, so that they never keep others out. Without a place
    /// a poll is answered with the state as it is.
    pub(crate) waits: Semaphore,
    /// Event streams at once.
    pub(crate) streams: Arc<Semaphore>,
    /// Reports in the making at once.
    pub(crate) reports: Semaphore,
    /// What Flagger and Spinnaker said of rollouts.
    pub(crate) notes: Notes,
    /// The gates that people opened.
    pub(crate) gates: Gates,
    /// Which analysis a request for a verdict led to.
    pub(crate) remembered: Remembered,
    /// What Kayenta's callers ask again and again.
    pub(crate) kayenta: super::kayenta::Memory,
}

impl Office {
    pub(crate) fn new(desk: Desk, stop: CancellationToken) -> Self {
        let requests_max = desk.limits.requests_max.max(1);
        Self {
            locks: Locks::new(&desk.credentials),
            stop,
            requests: Semaphore::new(requests_max.min(Semaphore::MAX_PERMITS)),
            waits: Semaphore::new(requests_max.div_ceil(2).min(Semaphore::MAX_PERMITS)),
            streams: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)),
            reports: Semaphore::new(REPORTS_AT_ONCE_MAX),
            notes: Notes::default(),
            gates: Gates::default(),
            remembered: Remembered::default(),
            kayenta: super::kayenta::Memory::default(),
            desk,
        }
    }

    /// The view of an analysis.
    pub(crate) fn view(&self, id: &AnalysisId) -> Result<Arc<View>, Refused> {
        self.desk.readings.get(id).ok_or_else(|| unknown(id))
    }

    /// Waits until the analysis has concluded, the time is up or the daemon stops; the view as it
    /// then is.
    pub(crate) async fn concluded(
        &self,
        id: &AnalysisId,
        wait: Duration,
    ) -> Result<Arc<View>, Refused> {
        // Nobody waits for what is only watched.
        let over = |view: &View| view.status == Status::Concluded || view.coordination.shadow;
        self.waited_for(id, wait, over).await
    }

    /// Waits until the analysis is as wanted, the time is up or the daemon stops; the view as it
    /// then is.
    pub(crate) async fn waited_for(
        &self,
        id: &AnalysisId,
        wait: Duration,
        is_wanted: impl Fn(&View) -> bool,
    ) -> Result<Arc<View>, Refused> {
        let mut changes = self.desk.readings.watch(); // before the first look, or one is missed
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        loop {
            let view = self.view(id)?;
            if is_wanted(&view) {
                return Ok(view);
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(view) },
                () = &mut end => return self.view(id),
                () = self.stop.cancelled() => return self.view(id),
            }
        }
    }

    /// Asks the driver and waits for its answer.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.desk.ask.send(question(reply)).await.map_err(drop)?;
            answer.await.map_err(drop)
        };
        let too_late = async {
            self.stop.cancelled().await;
            tokio::time::sleep(ANSWER_AFTER_STOP).await;
        };
        tokio::select! {
            answer = asked => answer.map_err(|()| stopping()),
            () = too_late => Err(stopping()),
        }
    }
}

/// There is no such analysis.
pub(crate) fn unknown(id: &AnalysisId) -> Refused {
    let detail = format!("there is no analysis {id}; GET /v1/analyses lists those there are");
    Refused::new(Code::UnknownAnalysis, detail)
}

/// There is no such message.
pub(crate) fn unknown_message(name: &str) -> Refused {
    let detail = format!(
        "no record tells of a message {}; GET /v1/deliveries lists those there are",
        super::query::shown(name)
    );
    Refused::new(Code::UnknownDelivery, detail)
}

fn stopping() -> Refused {
    let detail = "the daemon is stopping or has just stopped deciding; what was asked may still \
                  have been recorded; ask again, a submission with the same key";
    Refused::new(Code::Stopping, detail).retry_after(RETRY_S)
}

/// The driver's no as an answer.
pub(crate) fn refusal(id: &AnalysisId, refusal: &Refusal) -> Refused {
    match refusal {
        Refusal::Unknown => unknown(id),
        Refusal::KeyConflict { holder } => Refused::new(
            Code::KeyConflict,
            format!(
                "analysis {holder} was submitted with this key and another plan; send another \
                 Idempotency-Key or deploy.id, or the same template, scopes, inputs, deploy and \
                 start"
            ),
        ),
        Refusal::Busy { holder } => Refused::new(
            Code::DeployUnderWay,
            format!(
                "analysis {holder} of another deploy of the same service, environment and region \
                 is not resolved; wait for its verdict or cancel it"
            ),
        ),
        Refusal::NoStep { message } => Refused::new(Code::NoStep, message.clone()),
        Refusal::UnknownFreeze => Refused::new(
            Code::UnknownFreeze,
            format!("there is no freeze {id}; GET /v1/freezes lists those there are"),
        ),
        Refusal::Concluded => Refused::new(
            Code::Concluded,
            format!("analysis {id} has concluded and its verdict stands; submit a new one"),
        ),
        Refusal::Undecided => Refused::new(
            Code::Undecided,
            format!("analysis {id} has no verdict yet; there is nothing to take note of"),
        ),
        Refusal::UnknownMessage => unknown_message(id.as_str()),
        Refusal::NotAgain { why } => Refused::new(Code::NotAgain, why.clone()),
        Refusal::TooMany { limit } => Refused::new(
            Code::TooManyAnalyses,
            format!("{limit} analyses are under way, the limit is {limit}; wait or cancel some"),
        )
        .retry_after(RETRY_S),
        Refusal::Crowded { bond } => Refused::new(
            Code::TooManyAnalyses,
            format!("{bond} has {BOUND_MAX} places, the limit; give the next one another name"),
        ),
        Refusal::StoreFault { message } => {
            tracing::warn!(why = %message, "a request was refused because of the store");
            let detail = "nothing was recorded and nothing was started; repeat the request when \
                          /readyz answers 200";
            Refused::new(Code::StoreUnavailable, detail).retry_after(RETRY_S)
        }
    }
}

/// The view of an accepted request, and whether it repeats an earlier one.
pub(crate) fn accepted(id: &AnalysisId, answer: Answer) -> Result<(Arc<View>, bool), Refused> {
    match answer {
        Answer::Accepted { view, repeated } => Ok((view, repeated)),
        Answer::Freeze(_) => Err(unknown(id)),
        Answer::Refused(why) => Err(refusal(id, &why)),
    }
}

/// A shape as the bytes of an answer.
pub(crate) fn json<T: serde::Serialize>(shape: &T) -> Vec<u8> {
    to_vec(shape).expect("A9: shapes have text keys and numbers that JSON knows")
}
