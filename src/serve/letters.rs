//! Messages that memory no longer has, from the log: whose they are, and what they said.

use crate::engine::recall::{GoodBefore, Recalled};
use crate::engine::recover::bind_text;
use crate::engine::view::View;
use crate::ids::{AnalysisId, DeliveryId};
use crate::store::Store;
use std::sync::Arc;

/// What a message of an analysis said.
///
/// # Errors
///
/// Why the log does not tell any more.
pub fn said(store: &Store, id: &AnalysisId, delivery: &DeliveryId) -> Result<Arc<View>, String> {
    recalled(store, id)?.said(delivery)
}

/// The analysis of a message; nothing where the log has no attempt at one of this name.
///
/// # Errors
///
/// Why its records cannot be used.
pub fn found(store: &Store, delivery: &DeliveryId) -> Result<Option<Recalled>, String> {
    let id = store.analysis_of(delivery).map_err(|fault| fault.message)?;
    id.map(|id| recalled(store, &id)).transpose()
}

fn recalled(store: &Store, id: &AnalysisId) -> Result<Recalled, String> {
    let records = store.records_of(id).map_err(|fault| fault.message)?;
    let mut last_good = None;
    if let Some(mut before) = GoodBefore::of(&records) {
        let until = before.until();
        let read = store.ends_before(until, |seq, record| before.note(seq, record));
        read.map_err(|fault| fault.message)?;
        last_good = before.found();
    }
    Recalled::new(records, last_good, bind_text)
}
