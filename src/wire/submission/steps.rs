//! The steps of traffic of a submission, checked.

use crate::template::parse::{DEADLINE_MAX, STEP_MIN};
use crate::template::steps::{PLANNED_STEPS_MAX, PlannedStep};
use crate::time::Span;
use crate::units::Probability;
use crate::wire::coordination::PlannedStepInput;
use crate::wire::problem::FieldProblem;

/// The steps, in order; what is wrong goes into `faults`.
pub(super) fn check(
    inputs: &[PlannedStepInput],
    faults: &mut Vec<FieldProblem>,
) -> Vec<PlannedStep> {
    let mut add = |field: &str, why: String| faults.push(FieldProblem::new(field, why));
    if inputs.len() > PLANNED_STEPS_MAX {
        let why = format!(
            "there are {}, the limit is {PLANNED_STEPS_MAX}",
            inputs.len()
        );
        add("steps", why);
        return Vec::new();
    }
    let mut out: Vec<PlannedStep> = Vec::new();
    for (idx, input) in inputs.iter().enumerate() {
        let between = input.weight > 0.0 && input.weight < 100.0;
        let weight = between
            .then(|| Probability::new(input.weight / 100.0))
            .flatten();
        if weight.is_none() {
            let given = input.weight;
            let why = format!("{given} is no weight; give percent, more than 0 and less than 100");
            add(&format!("steps[{idx}].weight"), why);
        }
        let bake = Span::parse(&input.bake);
        let bake = bake.filter(|bake| (STEP_MIN..=DEADLINE_MAX).contains(bake));
        if bake.is_none() {
            let why = format!(
                "{:?} is no length of time of {STEP_MIN} to {DEADLINE_MAX}; write 10m",
                input.bake
            );
            add(&format!("steps[{idx}].bake"), why);
        }
        let Some((weight, bake)) = weight.zip(bake) else {
            continue;
        };
        if out.last().is_some_and(|before| weight <= before.weight) {
            let given = input.weight;
            let why = format!("{given} is not more than the one before; write the steps in order");
            add(&format!("steps[{idx}].weight"), why);
        }
        out.push(PlannedStep { weight, bake });
    }
    out
}
