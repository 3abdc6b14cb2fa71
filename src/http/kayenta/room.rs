//! Which executions and standalone analyses are remembered: as many as there is room for. The
//! oldest that have ended make room for new ones; one whose caller may still ask never does,
//! because its thresholds are what a score is told by. When nothing can go, the new one is refused.

use super::execution::{self, view_of};
use super::said::Said;
use super::standalone;
use crate::http::office::Office;
use crate::http::papers::{PAPERS_BYTES_MAX, Paper, remove};
use crate::time::{Span, Timestamp};
use std::sync::Arc;

/// Executions that are remembered; beyond, the oldest that is over is forgotten, and without one a
/// new execution is refused. Its analysis stays in the decision log.
pub(super) const EXECUTIONS_MAX: usize = 5000;

/// Standalone analyses that are remembered; beyond, the oldest that is over is forgotten, and
/// without one a new analysis is refused. Its executions stay.
pub(super) const ANALYSES_MAX: usize = 1000;

/// How long after its verdict an execution is surely remembered. Argo Rollouts asks each 15 s and
/// Orca each second, so an hour covers a restart of either.
const REMEMBERED_FOR: Span = Span::from_s(3600);

/// Makes room for an execution of `bytes`.
pub(super) async fn for_execution(office: &Office, bytes: usize) -> Result<(), Said> {
    let gone = |paper: &Paper| is_past(office, &paper.name);
    make(office, (execution::KIND, EXECUTIONS_MAX), bytes, gone).await
}

/// Makes room for a standalone analysis of `bytes`.
pub(super) async fn for_analysis(office: &Office, bytes: usize) -> Result<(), Said> {
    let gone = |paper: &Paper| {
        let all = standalone::executions(office, &paper.name).unwrap_or_default();
        all.iter().all(|id| is_past(office, id.as_str()))
    };
    make(office, (standalone::KIND, ANALYSES_MAX), bytes, gone).await
}

/// Whether there is room for a config of `bytes` in place of one of `before`.
pub(super) fn for_config(office: &Office, bytes: usize, before: usize) -> Result<(), Said> {
    let held = office.desk.papers.bytes().saturating_sub(before);
    if held + bytes <= PAPERS_BYTES_MAX {
        return Ok(());
    }
    Err(Said::bad(format!(
        "the daemon keeps {held} bytes of configs and executions, the limit is \
         {PAPERS_BYTES_MAX}; delete some canary configs"
    )))
}

/// Whether an execution ended so long ago that nobody waits for it any more.
fn is_past(office: &Office, id: &str) -> bool {
    let now = (office.desk.now)();
    let past = |at: Timestamp| now.since(at) >= REMEMBERED_FOR;
    view_of(office, id).is_none_or(|view| view.conclusion.as_ref().is_some_and(|end| past(end.at)))
}

async fn make(
    office: &Office,
    (kind, most): (&str, usize),
    bytes: usize,
    gone: impl Fn(&Paper) -> bool,
) -> Result<(), Said> {
    let papers = &office.desk.papers;
    let full = || papers.count(kind) >= most || papers.bytes() + bytes > PAPERS_BYTES_MAX;
    if !full() {
        return Ok(());
    }
    // The oldest first: names of executions sort by time.
    let old: Vec<Arc<Paper>> = papers.of_kind(kind);
    for paper in old.into_iter().filter(|paper| gone(paper)) {
        remove(office, paper).await?;
        if !full() {
            return Ok(());
        }
    }
    let (count, held) = (papers.count(kind), papers.bytes());
    Err(Said::later(format!(
        "the daemon remembers {count} of at most {most} executions or analyses of this kind, in \
         {held} of at most {PAPERS_BYTES_MAX} bytes, and none of them ended more than \
         {REMEMBERED_FOR} ago; ask again later, or cancel some and delete canary configs"
    )))
}
