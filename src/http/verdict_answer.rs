//! `GET /v1/analyses/{id}/verdict`: what a controller's gate asks. The word is the one its dialect
//! has for the state; the state itself stands beside it.

use super::analyses::{Id, ok};
use super::office::Office;
use super::query::{Query, shown};
use super::refused::{Code, Refused};
use super::steps;
use crate::dialect::{Dialect, State as Stands, Word};
use crate::engine::verdict::Verdict;
use crate::engine::view::View;
use crate::ids::{AnalysisId, DeployId};
use crate::units::Probability;
use crate::wire::verdict::{PENDING, VerdictDocument};
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::Response;
use std::sync::Arc;
use std::time::Duration;

/// Seconds after which to ask again about an analysis that could not be carried out: the pause of
/// the controllers after an error.
const AGAIN_S: u32 = 10;

/// Digits of a digest that a caller must give at least: those that are shown to people.
const DIGEST_LEN_MIN: usize = 8;

/// What every gate's answer may be asked for.
pub(super) const WAIT: (&str, &str) = ("wait", "how long to wait for a final verdict: 30s or 30");
pub(super) const AS: (&str, &str) = (
    "as",
    "in whose words: verdict (default), or exit for `word` as exit codes read it",
);
pub(super) const SERVICE: (&str, &str) = (
    "service",
    "must be the analysis' service, or the answer is 409",
);
pub(super) const DEPLOY: (&str, &str) = (
    "deploy.id",
    "must be the analysis' deploy, or the answer is 409",
);
pub(super) const DIGEST: (&str, &str) = (
    "template.digest",
    "must be the digest of the analysis' template, or begin it, or the answer is 409",
);

/// `GET /v1/analyses/{id}/verdict`: always 200 for an analysis there is, so that controllers
/// that take every other status for an error can read a pending one.
pub(crate) async fn verdict(
    State(office): State<Arc<Office>>,
    Extension(query): Extension<Query>,
    Id(id): Id,
) -> Result<Response<Body>, Refused> {
    let dialect = dialect(&query)?;
    let step = steps::asked(&query)?;
    // A wish that cannot be read is said before anything is looked for.
    query.wait(Duration::from_secs(office.desk.limits.wait_s_max))?;
    let view = office.view(&id)?;
    same(&query, &view)?;
    let view = match step {
        Some(share) => at_step(&office, &query, (view, share)).await?,
        None => waited(&office, &query, &id).await?,
    };
    answer(&office, &view, (dialect, step))
}

/// In whose words.
pub(super) fn dialect(query: &Query) -> Result<Dialect, Refused> {
    Ok(match query.word("as", &["verdict", "exit"])? {
        Some("exit") => Dialect::Exit,
        _ => Dialect::Verdict,
    })
}

/// The view after the wait that was asked for.
pub(super) async fn waited(
    office: &Office,
    query: &Query,
    id: &AnalysisId,
) -> Result<Arc<View>, Refused> {
    let longest = Duration::from_secs(office.desk.limits.wait_s_max);
    let wait = query.wait(longest)?;
    if !wait.is_zero()
        && let Ok(_place) = office.waits.try_acquire()
    {
        return office.concluded(id, wait).await;
    }
    office.view(id) // as many wait as may; asking again is what the caller does anyway
}

/// The same when a step is asked about: until that step is decided.
pub(super) async fn at_step(
    office: &Office,
    query: &Query,
    (view, share): (Arc<View>, Probability),
) -> Result<Arc<View>, Refused> {
    let longest = Duration::from_secs(office.desk.limits.wait_s_max);
    let wait = query.wait(longest)?;
    let open = |view: &View| {
        let state = Stands::at_step(view, share.get());
        matches!(state, Some(Stands::Pending | Stands::Held))
    };
    if !wait.is_zero()
        && open(&view)
        && let Ok(_place) = office.waits.try_acquire()
    {
        return office.waited_for(&view.id, wait, |view| !open(view)).await;
    }
    Ok(view)
}

/// The caller says what it asks about; another rollout's verdict is worse than none.
pub(super) fn same(query: &Query, view: &View) -> Result<(), Refused> {
    let deploy = &view.plan.rollout.deploy;
    if let Some(wanted) = query.get("template.digest") {
        is_digest(&view.plan.template_digest.to_string(), wanted)?;
    }
    let told = [
        ("service", Some(deploy.service.as_str())),
        ("deploy.id", deploy.id.as_ref().map(DeployId::as_str)),
    ];
    for (name, is) in told {
        let Some(wanted) = query.get(name).filter(|wanted| is != Some(wanted)) else {
            continue;
        };
        let detail = format!(
            "analysis {} has {name} {}, and {} was asked about; ask with the id that was answered \
             for this rollout",
            view.id,
            is.unwrap_or("none"),
            shown(wanted)
        );
        return Err(Refused::new(Code::OtherRollout, detail));
    }
    Ok(())
}

/// Whether `wanted` is the digest `found` or begins it, with or without `sha256:`.
pub(super) fn is_digest(found: &str, wanted: &str) -> Result<(), Refused> {
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    if hex.len() >= DIGEST_LEN_MIN && found.starts_with(hex) {
        return Ok(());
    }
    let detail = format!(
        "the template's digest is {found}, and {} was asked about (at least {DIGEST_LEN_MIN} \
         digits); the template has changed, or it is another one",
        shown(wanted)
    );
    Err(Refused::new(Code::OtherRollout, detail))
}

/// The answer in a dialect: 200 with the verdict as the dialect has it, 503 for its fault.
pub(super) fn answer(
    office: &Office,
    view: &View,
    (dialect, step): (Dialect, Option<Probability>),
) -> Result<Response<Body>, Refused> {
    let (state, step) = match step
        .map(|share| steps::stands_at(view, share))
        .transpose()?
    {
        Some((state, step)) => (state, Some(step)),
        None => (Stands::of(view), None),
    };
    let word = office.desk.dialects.word(dialect, state);
    if word == Word::Fault && dialect == Dialect::Verdict {
        let detail = format!(
            "analysis {} could not be carried out: {}; look at GET /v1/analyses/{}",
            view.id, view.sentence, view.id
        );
        return Err(Refused::new(Code::NotCarriedOut, detail).retry_after(AGAIN_S));
    }
    let mut document = VerdictDocument::from_view(view, false);
    if let Some(step) = &step
        && state == Stands::Promote
        && view.conclusion.is_none()
        && !view.coordination.shadow
    {
        // It comes before the verdict, and the sentence speaks of what is missing yet.
        document.reason = steps::reason_to_go(step);
    }
    document.step = step;
    document.state = Some(own(view, state).word().to_owned());
    document.word = Some(word.word().to_owned());
    if dialect == Dialect::Verdict {
        spoken(word).clone_into(&mut document.verdict);
    }
    Ok(ok(&document))
}

/// The state as the evidence left it, whatever a template takes it for.
fn own(view: &View, state: Stands) -> Stands {
    let verdict = view.conclusion.as_ref().map(|end| end.verdict);
    match (state, verdict) {
        (Stands::Rollback, Some(Verdict::Inconclusive)) => Stands::Inconclusive,
        _ => state,
    }
}

/// The word of the answer's `verdict`.
const fn spoken(word: Word) -> &'static str {
    match word {
        Word::Go => Verdict::Promote.word(),
        Word::Stop => Verdict::Rollback.word(),
        Word::Wait => PENDING,
        Word::Doubt | Word::Fault => Verdict::Inconclusive.word(),
    }
}
