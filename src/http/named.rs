//! The analysis of a rollout that somebody else has a name for: found in memory by that name, and
//! begun when there is none. The facades of controllers that know only a binding stand on it.

use super::bind;
use super::binding::{Binding, Values};
use super::body::invalid;
use super::join::{Wish, join};
use super::office::Office;
use super::refused::{Code, Refused};
use crate::dialect::State;
use crate::digest::Digest;
use crate::engine::view::View;
use crate::http::Ask;
use crate::ids::{DeployId, NAME_LEN_MAX};
use crate::wire::submission::{CheckedSubmission, TemplateChoice};
use std::sync::Arc;

/// A rollout as its controller names it.
pub(crate) struct Named<'a> {
    /// What it gets.
    pub(crate) binding: &'a Binding,
    /// Its name, the deploy id of its analyses.
    pub(crate) id: DeployId,
    /// The version, as people are shown it.
    pub(crate) revision: Option<String>,
    /// What fills the binding's holes.
    pub(crate) values: Values,
}

/// `parts` as one deploy id, the caller's kind in front; a digest of them where they are longer
/// than an id may be, or made of other characters.
pub(crate) fn deploy_id(kind: &str, parts: &[&str]) -> DeployId {
    let readable = format!("{kind}:{}", parts.join(":"));
    if let Some(id) = DeployId::new(&readable).filter(|_| readable.len() <= NAME_LEN_MAX) {
        return id;
    }
    let short = format!("{kind}:{}", framed(parts));
    DeployId::new(&short).expect("a word, a colon and hexadecimal digits are a legal id")
}

/// A digest of `parts`, with the length before each: ("a", "bc") is another name than ("ab", "c").
pub(crate) fn framed(parts: &[&str]) -> Digest {
    let framed = parts.iter().map(|part| format!("{} {part}", part.len()));
    Digest::of(framed.collect::<String>().as_bytes())
}

impl Named<'_> {
    /// Its newest analysis, from memory.
    pub(crate) fn newest(&self, office: &Office) -> Option<Arc<View>> {
        office.desk.readings.newest_of(&self.id)
    }

    /// Whether an analysis is watched only where it would be watched only now. What one in shadow
    /// says is said to nobody who asks for a verdict, and the other way round.
    pub(crate) fn is_current(&self, office: &Office, view: &View) -> bool {
        let shadow = self.binding.submission.shadow;
        let policies = &office.desk.coordination;
        let shadow = shadow.unwrap_or_else(|| policies.shadow(view.plan.template.as_str()));
        view.coordination.shadow == shadow
    }

    /// The same, and it is about what the binding stands for now, for those who only look it up.
    /// Where the caller did not send what the holes need, its name has to do.
    pub(crate) fn is_own(&self, office: &Office, view: &Arc<View>) -> bool {
        let same = |checked: CheckedSubmission| same(&checked, Arc::clone(view)).is_ok();
        self.is_current(office, view) && self.checked().map_or(true, same)
    }

    /// What would be submitted.
    fn checked(&self) -> Result<CheckedSubmission, Refused> {
        let mut checked = self.binding.fill(&self.values)?;
        checked.deploy.id = Some(self.id.clone());
        if checked.deploy.revision.is_none() {
            checked.deploy.revision.clone_from(&self.revision);
        }
        Ok(checked)
    }

    /// Whether an analysis could be begun; nothing is.
    pub(crate) fn rehearse(&self, office: &Office) -> Result<(), Refused> {
        let checked = self.checked()?;
        let chosen = bind::chosen(office, &checked.template)?;
        checked.fits(&chosen.template).map_err(invalid)?;
        bind::plan(&chosen.template, &checked.rollout((office.desk.now)())).map(drop)
    }

    /// Its analysis: the newest unless that one is `over` or not [`Named::is_current`], else a new
    /// one.
    ///
    /// The key of a new one names the one before it, so that two calls at once begin only one.
    pub(crate) async fn join(
        &self,
        office: &Office,
        over: impl FnOnce(&View) -> bool,
    ) -> Result<Arc<View>, Refused> {
        let checked = self.checked()?;
        let newest = self.newest(office);
        let before = match newest {
            Some(view) if self.is_current(office, &view) && !over(&view) => {
                return same(&checked, view);
            }
            Some(view) => view.id.to_string(),
            None => "first".to_owned(),
        };
        let wish = Wish {
            checked,
            key: Some(format!("{}@{before}", self.id)),
            own_trace: false,
        };
        join(office, wish).await.map(|(view, _)| view)
    }
}

/// An analysis of other arms or inputs, or one that belongs to a release or a wave, is none of this
/// rollout. The template's text may have changed since: an analysis keeps the one it began with.
fn same(checked: &CheckedSubmission, view: Arc<View>) -> Result<Arc<View>, Refused> {
    let mut rollout = checked.rollout(view.plan.rollout.start);
    let held = &view.plan.rollout;
    // Steps were announced since.
    let steps = &held.deploy.traffic_steps;
    rollout.deploy.traffic_steps.clone_from(steps);
    rollout
        .deploy
        .traceparent
        .clone_from(&held.deploy.traceparent);
    let template =
        matches!(&checked.template, TemplateChoice::Named(n) if *n == view.plan.template);
    let mut alone = checked.coordination.clone();
    alone.shadow = view.coordination.shadow; // compared by `is_current`
    if rollout == *held && template && view.coordination.repeats(&alone) {
        return Ok(view);
    }
    let detail = format!(
        "analysis {} of this version was begun with another template, other arms or inputs; send \
         the same metadata with every hook, or roll out another version",
        view.id
    );
    Err(Refused::new(Code::OtherRollout, detail))
}

/// Whether the analysis found against this version for good. What a person ended without a verdict
/// is no finding, whatever the template makes of inconclusive ones, and neither is anything of an
/// analysis in shadow.
pub(crate) fn condemned(view: &View) -> bool {
    State::of(view) == State::Rollback
}

/// Stops an analysis whose rollout has ended: there is nothing left to compare. What goes wrong is
/// said in the log only, since the controller can do nothing about it.
pub(crate) async fn stop(office: &Office, view: &View, author: &str, reason: String) {
    if view.conclusion.is_some() {
        return;
    }
    let (id, author) = (view.id.clone(), author.to_owned());
    let asked = office
        .ask(|reply| Ask::Cancel {
            id,
            author,
            reason,
            reply,
        })
        .await;
    if let Err(fault) = asked {
        tracing::warn!(analysis = %view.id, why = fault.detail(), "it could not be stopped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_readable_where_it_can_be_and_always_its_own() {
        let id = |parts: &[&str]| deploy_id("flagger", parts).to_string();
        assert_eq!(
            id(&["shop", "prod/shop", "7f9c"]),
            "flagger:shop:prod/shop:7f9c"
        );
        let long = "n".repeat(NAME_LEN_MAX);
        for parts in [&["shop", &long][..], &["a b", "c"], &["a", "b c"]] {
            let short = id(parts);
            assert_eq!(short.len(), "flagger:".len() + 64, "{short}");
        }
        assert_ne!(id(&["a b", "c"]), id(&["a", "b c"]));
        assert_ne!(id(&["a ", "b"]), id(&["a", " b"]));
    }
}
