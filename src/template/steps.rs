//! `schedule.steps`: the steps of traffic a rollout takes, each with a bake time of its own. In
//! which step an analysis is, is announced by the controller, unless the template says that the
//! steps go by time.

use crate::diagnostic::Diagnostic;
use crate::template::document::Node;
use crate::template::fields::{Fields, Reader};
use crate::template::parse::{DEADLINE_MAX, STEP_MIN};
use crate::template::schema::written;
use crate::time::Span;
use crate::units::Probability;

/// Steps of traffic that a template may plan; more are refused (C013). Controllers take five to
/// ten.
pub const PLANNED_STEPS_MAX: usize = 50;

/// What tells in which step an analysis is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepsBy {
    /// The controller announces each step.
    #[default]
    Announcement,
    /// The clock: each step lasts its bake time.
    Time,
}

pub(super) const STEPS_BY: [(&str, StepsBy); 2] = [
    ("announcement", StepsBy::Announcement),
    ("time", StepsBy::Time),
];

impl StepsBy {
    /// The word in templates and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::Time => "time",
        }
    }
}

/// One planned step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedStep {
    /// The share of traffic the canary is meant to get.
    pub weight: Probability,
    /// How long it must be seen at that share.
    pub bake: Span,
}

/// The steps a rollout takes; at least one, with rising weights below one.
#[derive(Clone, Debug, PartialEq)]
pub struct StepPlan {
    /// What tells in which of them an analysis is.
    pub by: StepsBy,
    /// The steps, in order.
    pub steps: Vec<PlannedStep>,
}

/// Reads `steps` and `steps_by` of the schedule; `None` without them, and after a complaint.
pub(super) fn read(
    reader: &mut Reader<'_>,
    schedule: &Fields<'_>,
    (warmup, deadline): (Span, Span),
) -> Option<StepPlan> {
    let by = match schedule.get("steps_by") {
        None => Some(StepsBy::default()),
        Some(node) => reader.word(node, "`steps_by`", &STEPS_BY),
    };
    let Some(node) = schedule.get("steps") else {
        if let Some(node) = schedule.get("steps_by") {
            let message = "`steps_by` without `steps`".to_owned();
            let help = "list the steps: `steps: [{ weight: 5%, bake: 10m }, …]`";
            reader.error("C035", node.place, message, help);
        }
        return None;
    };
    let items = reader.list(Some(node), "steps of traffic", PLANNED_STEPS_MAX);
    let steps: Vec<Option<PlannedStep>> = items.iter().map(|item| step(reader, item)).collect();
    let steps: Vec<PlannedStep> = steps.into_iter().collect::<Option<_>>()?;
    for ((before, after), item) in steps
        .iter()
        .zip(steps.iter().skip(1))
        .zip(items.iter().skip(1))
    {
        if after.weight <= before.weight {
            let (low, high) = (percent(after.weight), percent(before.weight));
            let message = format!("a step of {low} follows one of {high}");
            let help = "write the steps in order, each with more traffic than the one before";
            reader.error("C035", item.place, message, help);
            return None;
        }
    }
    if steps.is_empty() {
        let help = "write `steps: [{ weight: 5%, bake: 10m }]`, or leave `steps` out";
        reader.error("C035", node.place, "`steps` is empty".to_owned(), help);
        return None;
    }
    let plan = StepPlan { by: by?, steps };
    if let Some(fault) = steps_fault(Some(&plan), (warmup, deadline)) {
        reader.say(fault.at(Some(node.place)));
        return None;
    }
    Some(plan)
}

/// C035 when an analysis of this length, of which the warm-up is not seen, has no time for its
/// steps. Those that go by time begin with it; announced ones bake only while they are seen.
pub fn steps_fault(
    plan: Option<&StepPlan>,
    (warmup, deadline): (Span, Span),
) -> Option<Diagnostic> {
    let plan = plan?;
    let first = plan.steps.first()?;
    if plan.by == StepsBy::Time && warmup > Span::ZERO && first.bake <= warmup {
        let bake = first.bake;
        let message = format!("the first step of {bake} is over before the warm-up of {warmup}");
        let help = "nothing of it would be seen, so no promote would be possible: lengthen its \
                    `bake`, or shorten `warmup`";
        return Some(Diagnostic::error("C035", message).help(help));
    }
    let steps = plan.steps.iter();
    let whole = steps.fold(0_i64, |sum, step| sum.saturating_add(step.bake.ms()));
    let whole = Span::from_ms(whole);
    let (unseen, after) = match plan.by {
        StepsBy::Announcement if warmup > Span::ZERO => {
            (warmup, format!(" after the warm-up of {warmup}"))
        }
        _ => (Span::ZERO, String::new()),
    };
    let message =
        format!("the steps bake for {whole} together{after}, and the deadline is after {deadline}");
    let help = "no promote would be possible: shorten a `bake`, or extend `deadline`";
    let needed = whole.ms().saturating_add(unseen.ms());
    (needed > deadline.ms()).then(|| Diagnostic::error("C035", message).help(help))
}

fn step(reader: &mut Reader<'_>, node: &Node) -> Option<PlannedStep> {
    let fields = reader.map(node, "a step of traffic", written::PlannedStep::FIELDS)?;
    let weight = reader.need(&fields, "weight", "the canary's share, such as `5%`");
    // With all of the traffic on the canary there is no baseline beside it to compare with.
    let between = |share: f64| {
        let share = (share > 0.0 && share < 1.0).then_some(share);
        share.and_then(Probability::new)
    };
    let range = "a share above 0 and below 1, such as `5%`";
    let weight = weight.and_then(|node| reader.share(node, "`weight`", range, between));
    let bake = reader.need(
        &fields,
        "bake",
        "how long the step is watched, such as `10m`",
    );
    let bake = bake.and_then(|node| reader.span(node, "`bake`", STEP_MIN, DEADLINE_MAX));
    Some(PlannedStep {
        weight: weight?,
        bake: bake?,
    })
}

/// `5 %`
fn percent(share: Probability) -> String {
    format!("{} %", crate::units::trim_number(100.0 * share.get()))
}
