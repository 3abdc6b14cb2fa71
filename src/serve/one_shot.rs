//! One judgement of a whole window, without a record: `haldane judge` and `POST /v1/judge`.

use crate::engine::asks::Reach;
use crate::engine::effect::{ANCHOR_LOOKBACK, first_from};
use crate::engine::event::SourceFault;
use crate::engine::guard::guarded;
use crate::engine::verdict::{Situation, Source as Reached, Verdict, decide};
use crate::http::OneShot;
use crate::judge::windows::{Batch, Windows};
use crate::judge::{explain, judge};
use crate::plan::Plan;
use crate::serve::source::Source;
use std::sync::Arc;

/// Judges the plan's whole window as its last look; what a panicking judge said is the error, and
/// the process goes on (A11).
pub fn judge_batch(plan: Arc<Plan>, batch: &Batch) -> Result<OneShot, String> {
    guarded(|| judge_whole(plan, batch)).map_err(|why| format!("the judge failed: {why}"))
}

fn judge_whole(plan: Arc<Plan>, batch: &Batch) -> OneShot {
    let mut windows = Windows::new(&plan);
    windows.absorb(&plan, batch);
    let judgement = judge(&plan, &windows, plan.timing.looks_planned());
    let decision = decide(&Situation::of(&plan, Some(&judgement), Reached::Answering));
    let sentence = explain::sentence(&plan, Some(&judgement), decision.stand());
    // The last look always has a verdict; if that ever failed, doubt is the only honest word (A5).
    let verdict = decision.verdict.unwrap_or(Verdict::Inconclusive);
    OneShot {
        plan,
        judgement,
        verdict,
        row: decision.row,
        hold: decision.hold,
        sentence,
    }
}

/// Fetches the plan's whole window and its history; without the history when the source does not
/// give both.
pub async fn fetch(plan: &Plan, source: &Source) -> Result<Batch, SourceFault> {
    let to = plan.timing.deadline;
    let (from, anchors) = (first_from(plan), plan.timing.start.minus(ANCHOR_LOOKBACK));
    let reach = |from| Reach {
        from,
        to,
        first: true,
        settled: true,
    };
    match source.window(plan, reach(from)).await {
        // A source that cannot be reached will not answer the shorter question either.
        Err(fault) if from < anchors && !fault.transient => {
            source.window(plan, reach(anchors)).await
        }
        done => done,
    }
}
