//! A plan with a single look: the one-shot judge's.

use crate::diagnostic::Diagnostic;
use crate::plan::Plan;
use crate::plan::bind::bind;
use crate::plan::rollout::Rollout;
use crate::template::Template;
use crate::time::Span;

/// Binds a template to a rollout that is judged once, at the end of its window: the only look is
/// the last one, so the whole error budget is spent there, and there is no baking beyond the end.
pub fn bind_once(template: &Template, rollout: &Rollout) -> Result<Plan, Vec<Diagnostic>> {
    let mut once = looked_at_once(template.clone(), rollout);
    for rule in &mut once.changes {
        rule.template = looked_at_once(rule.template.clone(), rollout);
    }
    let mut whole = rollout.clone();
    whole.deploy.planned_steps.clear();
    bind(&once, &whole)
}

fn looked_at_once(mut template: Template, rollout: &Rollout) -> Template {
    let schedule = &mut template.schedule;
    let whole = rollout.duration.unwrap_or(schedule.deadline);
    schedule.look_every = whole.max(schedule.step.span());
    schedule.bake = schedule.bake.min(whole);
    schedule.extend_once = Span::ZERO;
    template.steps = None; // what is over is judged whole
    template
}
