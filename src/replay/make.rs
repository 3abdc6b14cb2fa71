//! A recording of a past rollout: the samples of its whole window, looked at as if live.

use crate::engine::guard::guarded;
use crate::engine::schedule;
use crate::ids::AnalysisId;
use crate::judge::SEMANTICS;
use crate::judge::sequential::Tables;
use crate::judge::windows::Batch;
use crate::plan::Plan;
use crate::replay::anew::taken;
use crate::replay::course::{Course, Depth, LookSaid};
use crate::replay::slices::Slices;
use crate::time::Timestamp;
use crate::units::Score;
use crate::wire::recording::{Asked, Kept, LookKept, Made, Maker, Recording, Standing};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A past rollout.
#[derive(Clone, Debug)]
pub struct Past<'a> {
    /// The template's text.
    pub template_text: Arc<str>,
    /// The plan it gives.
    pub plan: Arc<Plan>,
    /// The version of this program.
    pub version: &'a str,
}

/// The recording of a past rollout from `whole`, the answers of its whole window: each look is
/// judged on the samples up to its instant, and after the verdict the samples go on to the end, so
/// that another template can be judged on them. The analysis is named after its plan.
///
/// # Errors
/// What a failing judge said.
pub fn make(past: &Past<'_>, whole: Batch) -> Result<Recording, String> {
    let covered = whole.to;
    guarded(|| made(past, Slices::of_batch(whole), covered))
        .map_err(|why| format!("the judge failed: {why}"))?
}

fn made(past: &Past<'_>, mut slices: Slices, covered: Timestamp) -> Result<Recording, String> {
    let plan = &past.plan;
    let digest = plan.digest.to_string();
    let name = format!("recorded-{}", digest.get(..16).unwrap_or(&digest));
    let analysis = AnalysisId::new(&name).ok_or_else(|| format!("{name} is no identifier"))?;
    let standing = Standing {
        held: None,
        analysis: analysis.clone(),
        plan: Arc::clone(plan),
        submitted_at: plan.rollout.start,
        judgement: None,
        source_fault: None,
        conclusion: None,
    };
    let mut course = Course::standing(standing, Depth::Looks, &Tables::default());
    let mut read: BTreeMap<u32, Arc<Batch>> = BTreeMap::new();
    let mut keep = |look: u32, batch: &Batch| {
        read.insert(look, Arc::new(batch.clone()));
    };
    taken(&mut course, &mut slices, (covered, None), &mut keep);
    let mut kept = Vec::new();
    for said in &course.looks {
        if let Some(batch) = read.remove(&said.look) {
            kept.push((said.at, captured(said.look, batch)));
        }
        kept.push((said.at, Kept::Judged(look_kept(said)?)));
    }
    let done = course.looks.last().map_or(0, |said| said.look);
    let mut at = course.windows.covered_to;
    let conclusion = course.standing.conclusion.clone();
    kept.extend(conclusion.map(|conclusion| (conclusion.at, Kept::Concluded(conclusion))));
    for look in done + 1..=plan.timing.looks_planned() {
        let due = schedule::due(&plan.timing, look);
        let to = plan.timing.readable_to(due);
        if to > at && to <= covered {
            kept.push((due, captured(look, Arc::new(slices.batch(at, to)))));
            at = to;
        }
    }
    let made = Made {
        maker: Maker::Afterwards,
        version: past.version,
        semantics: SEMANTICS,
    };
    Ok(Recording {
        written_by: made.version.to_owned(),
        semantics: made.semantics,
        maker: made.maker,
        analysis,
        submitted_at: plan.rollout.start,
        template_text: Arc::clone(&past.template_text),
        rollout: plan.rollout.clone(),
        plan_digest: plan.digest,
        step: plan.timing.step,
        queries: Asked::all(plan),
        kept,
        verdict: course.standing.text(),
    })
}

fn captured(look: u32, batch: Arc<Batch>) -> Kept {
    Kept::Captured { look, batch }
}

fn look_kept(said: &LookSaid) -> Result<LookKept, String> {
    Ok(LookKept {
        look: said.look,
        covered_to: said.covered_to,
        outcome: said.outcome,
        score: said.score.and_then(Score::new),
        digest: said.digest.ok_or("a look without its digest")?,
    })
}
