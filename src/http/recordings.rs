//! `GET /v1/analyses/{id}/recording`: everything the verdict was made from, as one file.

use super::analyses::Id;
use super::office::{Office, RETRY_S, unknown};
use super::refused::{Code, Refused};
use super::{Ask, RecordingFault};
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use std::sync::Arc;

/// The type of Parquet files, as registered with IANA.
pub(super) const CONTENT: &str = "application/vnd.apache.parquet";

/// `GET /v1/analyses/{id}/recording`
pub(crate) async fn recording(
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Response<Body>, Refused> {
    let asked = id.clone();
    let made = office
        .ask(|reply| Ask::Recording { id: asked, reply })
        .await?;
    let bytes = made.map_err(|fault| match fault {
        RecordingFault::Unknown => unknown(&id),
        RecordingFault::Store(message) => {
            tracing::warn!(analysis = %id, why = %message, "a recording could not be read");
            let detail = format!("the records of analysis {id} cannot be read at present");
            Refused::new(Code::StoreUnavailable, detail).retry_after(RETRY_S)
        }
        RecordingFault::Unusable(why) => {
            Refused::new(Code::NoRecording, format!("analysis {id}: {why}"))
        }
    })?;
    // An identifier holds nothing that would have to be quoted; slashes are no part of a name.
    let name = id.as_str().replace(['/', ':'], "-");
    let disposition = format!("attachment; filename=\"{name}.haldane.parquet\"");
    let head = [
        (CONTENT_TYPE, CONTENT.to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((head, bytes).into_response())
}
