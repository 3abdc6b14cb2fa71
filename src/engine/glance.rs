//! What a judgement of a short window after a rollback says: is what was wrong wrong still?
//!
//! Each glance has a window of its own, so that what burned before the rollback took hold does not
//! count against it. A minute is too short for a proof either way, so point estimates are compared:
//! burn with 1, the effect of a metric with its limit. A glance never changes a verdict (A4).

use crate::engine::after::Seen;
use crate::ids::MetricName;
use crate::judge::judgement::{Finding, Judgement, Label, ObjectiveFinding};
use crate::plan::{Plan, Timing};
use crate::template::Role;
use crate::time::{Span, Timestamp};
use crate::units::{Harm, MinEffect, trim_number};

/// How long a rollback is watched: with controllers that step down in a few minutes, long enough
/// for the slowest of them and for a quarter of an hour's burn window (SRE Workbook, chapter 5,
/// names 5 minutes as the shortest window that says a burn has stopped; this is three of them).
pub const RECOVERY_WITHIN: Span = Span::from_s(900);

/// The length of a glance, rounded up to whole steps and never less than two: the usual interval
/// of recording rules and scrapes is at most a minute.
const GLANCE_EVERY: Span = Span::from_s(60);

/// Glances in a row that must be well before a service counts as recovered: one may fall into a
/// gap between two scrapes.
pub const WELL_GLANCES: u32 = 2;

/// When the windows after a rollback lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// The first window begins here, on the grid.
    pub begin: Timestamp,
    /// How long each is.
    pub every: Span,
    /// How many there are at most; at least 1.
    pub glances: u32,
    /// A window is looked at this long after its end.
    pub lag: Span,
}

impl Course {
    /// The windows after a verdict of `plan` at `at`, for `within`.
    pub fn new(plan: &Plan, at: Timestamp, within: Span) -> Self {
        let step = plan.timing.step.span().ms().max(1);
        let steps = ((GLANCE_EVERY.ms() + step - 1) / step).max(2);
        let every = Span::from_ms(steps.saturating_mul(step));
        Self {
            begin: at.align_up(plan.timing.step),
            every,
            glances: u32::try_from(within.ms() / every.ms().max(1))
                .unwrap_or(u32::MAX)
                .max(1),
            lag: plan.timing.lag,
        }
    }

    /// The window of glance `number`, from 1: its begin and its end.
    pub fn window(&self, number: u32) -> (Timestamp, Timestamp) {
        let end = self.begin.plus(self.every.times(i64::from(number)));
        (end.minus(self.every), end)
    }

    /// When glance `number` is due.
    pub fn due(&self, number: u32) -> Timestamp {
        self.window(number).1.plus(self.lag)
    }

    /// The newest glance that is due at `now`; 0 before the first. Those that were missed are one.
    pub fn newest_due(&self, now: Timestamp) -> u32 {
        let age = now.minus(self.lag).since(self.begin).ms();
        let whole = u32::try_from(age.max(0) / self.every.ms().max(1));
        whole.unwrap_or(u32::MAX).min(self.glances)
    }

    /// When the last glance is due.
    pub fn until(&self) -> Timestamp {
        self.due(self.glances)
    }
}

/// The plan of one glance: the same queries over `from` to `to`, without a past of its own.
pub fn plan_of(plan: &Plan, (from, to): (Timestamp, Timestamp)) -> Plan {
    Plan {
        timing: Timing {
            start: from,
            look_every: to.since(from),
            judged_from: from,
            bake_until: to,
            deadline: to,
            extension: Span::ZERO,
            ..plan.timing
        },
        history: None,
        ..plan.clone()
    }
}

/// What a glance sees: `then` is the judgement that led to the rollback, `now` the glance's own.
pub fn glance(then: Option<&Judgement>, now: &Judgement) -> (Seen, String) {
    let findings = || now.findings.iter().filter(|f| f.role != Role::Info);
    let absent = findings().all(|f| f.canary.n == 0);
    let baseline = findings().any(|f| f.baseline.n > 0);
    if absent {
        return if baseline {
            let text = "the canary gets no traffic any more, the baseline does";
            (Seen::Gone, text.to_owned())
        } else {
            let text = "neither arm has data, so nothing can be told";
            (Seen::Blind, text.to_owned())
        };
    }
    let wrong = wrong(then);
    let burned = |objective: &&ObjectiveFinding| {
        let then = then
            .map(|then| then.objectives.as_slice())
            .unwrap_or_default();
        let mut then = then.iter().filter(|o| o.objective == objective.objective);
        then.all(|o| o.canary_burn.is_none_or(|burn| burn >= 1.0))
    };
    let objectives = now.objectives.iter().filter(burned);
    let mut bad: Vec<String> = objectives.filter_map(burning).collect();
    bad.extend(findings().filter(|f| wrong(f)).filter_map(beyond));
    if bad.is_empty() {
        let names: Vec<&str> = findings()
            .filter(|f| wrong(f))
            .map(|f| f.metric.as_str())
            .collect();
        let text = if names.is_empty() {
            "the canary still gets traffic, and no objective of it burns".to_owned()
        } else {
            format!("{} back within the limit", names.join(", "))
        };
        return (Seen::Quiet, text);
    }
    (Seen::Burning, bad.join("; "))
}

/// Which metrics are compared with their limits: those that were shown worse at the rollback. When
/// none was (a person decided, or an objective alone), every gate is.
fn wrong(then: Option<&Judgement>) -> impl Fn(&Finding) -> bool {
    let then = then
        .map(|then| then.findings.as_slice())
        .unwrap_or_default();
    let worse = then
        .iter()
        .filter(|f| f.role.is_gate() && f.label == Label::Worse);
    let worse: Vec<&MetricName> = worse.map(|finding| &finding.metric).collect();
    move |finding| match worse.as_slice() {
        [] => finding.role.is_gate(),
        worse => worse.contains(&&finding.metric),
    }
}

fn burning(objective: &ObjectiveFinding) -> Option<String> {
    let burn = objective.canary_burn.filter(|burn| *burn >= 1.0)?;
    Some(format!(
        "objective {} burns at {burn:.1}",
        objective.objective
    ))
}

/// How a metric lies beyond its limit, by its levels in both arms; `None` within it, or without
/// data in one of them. A value of `group_by` that was the reason is not told apart from the whole.
fn beyond(finding: &Finding) -> Option<String> {
    let levels = finding.canary.level.zip(finding.baseline.level);
    let effect = finding.effect.map(|effect| effect.absolute.value);
    let difference = effect.or(levels.map(|(canary, baseline)| canary - baseline))?;
    let (difference, limit) = match finding.limit {
        MinEffect::Absolute(limit) => (difference, limit),
        MinEffect::Relative(limit) => {
            let level = finding.baseline.level.filter(|level| *level != 0.0)?;
            (difference / level.abs(), limit)
        }
    };
    let harm = match finding.harm {
        Harm::Increase => difference,
        Harm::Decrease => -difference,
        Harm::Either => difference.abs(),
    };
    let text = || match levels {
        Some((canary, baseline)) => format!(
            "{} of the canary is {}, of the baseline {}",
            finding.metric,
            trim_number(canary),
            trim_number(baseline)
        ),
        None => format!("{} is beyond its limit", finding.metric),
    };
    (harm > limit).then(text)
}
