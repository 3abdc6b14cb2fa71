//! One judgement of a whole window, without a record: `haldane judge` and `POST /v1/judge`.

use crate::engine::event::SourceFault;
use crate::engine::verdict::{decide_once, Decision};
use crate::http::OneShot;
use crate::judge::windows::{Batch, Windows};
use crate::judge::{explain, judge};
use crate::plan::Plan;
use crate::serve::source::Source;
use std::sync::Arc;

/// Judges the plan's whole window as its last look.
pub fn judge_batch(plan: Arc<Plan>, batch: &Batch) -> OneShot {
    let mut windows = Windows::new(&plan);
    windows.absorb(&plan, batch);
    let judgement = judge(&plan, &windows, plan.timing.looks_planned());
    let Decision { row, verdict, stand, .. } = decide_once(&plan, &judgement);
    let sentence = explain::sentence(&plan, Some(&judgement), stand);
    OneShot { plan, judgement, verdict, row, sentence }
}

/// Fetches the plan's whole window.
pub async fn fetch(plan: &Plan, source: &Source) -> Result<Batch, SourceFault> {
    source.window(plan, plan.timing.start, plan.timing.deadline, true).await
}
