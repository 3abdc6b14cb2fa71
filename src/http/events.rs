//! `GET /v1/analyses/{id}/events`: every published state of an analysis as server-sent events,
//! until it has concluded.

use super::analyses::Id;
use super::office::{EVENT_STREAMS_MAX, Office, json};
use super::refused::{Code, Refused};
use crate::engine::view::{Status, View};
use crate::ids::AnalysisId;
use crate::wire::verdict::VerdictDocument;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// A comment this often keeps proxies from closing a quiet stream (they do after 60 s or more).
const HEARTBEAT: Duration = Duration::from_secs(15);

/// One reader's place in the sequence of states.
struct Reader {
    office: Arc<Office>,
    id: AnalysisId,
    changes: watch::Receiver<u64>,
    /// What was sent last.
    last: Option<Arc<View>>,
    _place: OwnedSemaphorePermit,
}

/// Opens the stream; the first event is the state as it is.
pub(crate) async fn events(
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Response, Refused> {
    office.view(&id)?;
    let Ok(place) = office.streams.clone().try_acquire_owned() else {
        let detail = format!(
            "{EVENT_STREAMS_MAX} event streams are open, the limit; poll /v1/analyses/{id}/verdict"
        );
        return Err(Refused::new(Code::Overloaded, detail).retry_after(1));
    };
    let reader = Reader {
        changes: office.desk.readings.watch(),
        office,
        id,
        last: None,
        _place: place,
    };
    let events = stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("still here");
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

impl Reader {
    /// The next state that differs; `None` once the conclusion was sent or the daemon stops.
    /// States that follow faster than they are read are skipped: each event is whole.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(last) = &self.last
                && last.status == Status::Concluded
            {
                return None;
            }
            let count = *self.changes.borrow_and_update();
            let view = self.office.desk.readings.get(&self.id)?;
            let known = self
                .last
                .as_ref()
                .is_some_and(|last| Arc::ptr_eq(last, &view));
            if !known {
                let text = json(&VerdictDocument::from_view(&view, true));
                self.last = Some(view);
                let data = String::from_utf8(text).unwrap_or_default();
                return Some(
                    Event::default()
                        .event("view")
                        .id(count.to_string())
                        .data(data),
                );
            }
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = self.office.stop.cancelled() => return None,
            }
        }
    }
}
