//! A plan with a single look: the one-shot judge's.

use crate::diagnostic::Diagnostic;
use crate::plan::Plan;
use crate::plan::bind::bind;
use crate::plan::rollout::Rollout;
use crate::template::Template;

/// Binds a template to a rollout that is judged once, at the end of its window: the only look is
/// the last one, so the whole error budget is spent there, and there is no baking beyond the end.
pub fn bind_once(template: &Template, rollout: &Rollout) -> Result<Plan, Vec<Diagnostic>> {
    let whole = rollout.duration.unwrap_or(template.schedule.deadline);
    let mut once = template.clone();
    once.schedule.look_every = whole.max(once.schedule.step.span());
    once.schedule.bake = once.schedule.bake.min(whole);
    bind(&once, rollout)
}
