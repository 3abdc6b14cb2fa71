//! A finding from its parts: what both kinds of metric have in common.

use crate::judge::classify::{self, Decision, Limits};
use crate::judge::judgement::{ArmSummary, Effect, Finding, Interval, Label, Needs, SPARK_MAX};
use crate::judge::look::{Levels, Look};
use crate::plan::{MetricPlan, Plan};
use crate::units::{Harm, Probability};

/// On which scale a metric was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// ln(canary / baseline): relative margins of positive levels.
    LogRatio,
    /// Canary − baseline, in the metric's unit.
    Difference,
}

/// How much of the alpha of a look goes to the trailing window, when there is one. The other
/// half stays with the whole window; by Boole's inequality both together stay within alpha.
const TRAILING_SHARE: f64 = 0.5;

/// A finding that knows only what was planned and what the arms look like.
pub fn blank(metric: &MetricPlan, baseline: ArmSummary, canary: ArmSummary) -> Finding {
    Finding {
        metric: metric.name.clone(),
        role: metric.role,
        group: metric.group.clone(),
        weight: metric.weight,
        harm: metric.harm,
        limit: metric.min_effect,
        unit: metric.unit.clone(),
        label: Label::NoData,
        no_data: None,
        baseline,
        canary,
        effect: None,
        evidence: None,
        test: "none",
        needs: Needs::Nothing,
        both_degraded: false,
        notes: Vec::new(),
        breakdown: None,
    }
}

/// The levels of the whole window and of the trailing one, when both are tested.
pub fn split(levels: Levels) -> (Levels, Levels) {
    let part = |share: f64| Levels {
        alpha: share * levels.alpha,
        ..levels
    };
    (part(1.0 - TRAILING_SHARE), part(TRAILING_SHARE))
}

/// Joins the whole window with the trailing one. Either may show *worse*; *within* is the whole
/// window's, and a trailing estimate beyond the limit takes it back. The p-value is the Bonferroni
/// one of both, on the scale of the undivided alpha. The second value says whether the trailing
/// window decides, so that its effect is the one to show.
pub fn join(whole: Decision, trailing: Decision, levels: Levels, beyond: bool) -> (Decision, bool) {
    let smaller = (whole.evidence.p_harm / (1.0 - TRAILING_SHARE))
        .min(trailing.evidence.p_harm / TRAILING_SHARE);
    let trailing_decides = whole.label != Label::Worse && trailing.label == Label::Worse;
    let mut joined = if trailing_decides { trailing } else { whole };
    if !trailing_decides && whole.label == Label::Within && beyond {
        joined.label = Label::Undecided;
    }
    joined.evidence.p_harm = smaller.min(1.0);
    joined.evidence.alpha = levels.alpha;
    joined.evidence.p_safe = whole.evidence.p_safe;
    (joined, trailing_decides)
}

/// What to say of an arm that has too few values in the last part of the window: `(have, of)` for
/// the canary and the baseline. Parts too short to tell are not asked.
pub fn silent(
    metric: &MetricPlan,
    canary: (usize, usize),
    baseline: (usize, usize),
) -> Option<(String, u64)> {
    const POINTS_MIN: usize = 3; // fewer than three points in a row are missing by chance too often
    let needed = metric.evidence.coverage.get();
    [("canary", canary), ("baseline", baseline)]
        .into_iter()
        .filter(|(_, (_, of))| *of >= POINTS_MIN)
        .find(|(_, (have, of))| (*have as f64) < needed * *of as f64)
        .map(|(arm, (have, of))| {
            let reason = format!("{arm} fell silent: {have} values at the last {of} grid points");
            (reason, 1)
        })
}

/// Whether an estimate lies beyond a limit, in a direction that is harm.
pub fn is_beyond(estimate: f64, limits: Limits, harm: Harm) -> bool {
    (harm != Harm::Decrease && estimate > limits.up)
        || (harm != Harm::Increase && estimate < limits.down)
}

/// Puts a decision into a finding: label, effect, evidence.
pub fn show(finding: &mut Finding, decision: &Decision, scale: Scale) {
    finding.label = decision.label;
    finding.evidence = Some(decision.evidence);
    finding.effect = Some(effect(decision, scale, finding.baseline.level));
}

/// The same, and what it needs when it is undecided.
pub fn settle(
    finding: &mut Finding,
    plan: &Plan,
    metric: &MetricPlan,
    decision: &Decision,
    (scale, limits): (Scale, Limits),
    (look, may_accept): (&Look, bool),
) {
    show(finding, decision, scale);
    let levels = look.levels(plan, metric);
    // A trailing window beyond the limit is harm found, whatever the whole window says.
    if may_accept && accept(finding, (plan, metric), decision, limits, levels) {
        return;
    }
    finding.needs = classify::needs(decision, limits, metric.harm, look, |at| {
        at.levels(plan, metric)
    });
}

/// Whether "no harm found" is enough for an undecided metric (`accept_no_harm`): then it becomes
/// *within*, with a note.
pub(super) fn accept(
    finding: &mut Finding,
    (plan, metric): (&Plan, &MetricPlan),
    decision: &Decision,
    limits: Limits,
    levels: Levels,
) -> bool {
    let (Label::Undecided, Some(wanted)) = (decision.label, plan.accepts_no_harm(metric)) else {
        return false;
    };
    let (power, harm_found) = classify::power(decision, limits, finding.harm, levels);
    let accepted = power >= wanted.get() && !harm_found;
    if accepted {
        finding.label = Label::Within;
        finding.notes.push(format!(
            "{ACCEPTED}: power to find the limit {}, {wanted} asked for",
            share_text(power)
        ));
    }
    accepted
}

/// How the note begins that tells a *within* by "no harm found" from one that was shown.
pub const ACCEPTED: &str = "no harm found";

/// `97 %`, never rounded up to 100.
fn share_text(share: f64) -> String {
    format!(
        "{} %",
        crate::units::trim_number((share * 1000.0).floor() / 10.0)
    )
}

/// The effect in the metric's unit and, where the baseline's level is above zero, relative to it.
pub fn effect(decision: &Decision, scale: Scale, level: Option<f64>) -> Effect {
    let level = level.filter(|level| *level > 0.0 && level.is_finite());
    let of = |map: &dyn Fn(f64) -> f64| Interval {
        value: map(decision.estimate),
        low: map(decision.low),
        high: map(decision.high),
    };
    let confidence = Probability::new(decision.confidence);
    let confidence = confidence.unwrap_or_else(certain);
    let (absolute, relative) = match scale {
        Scale::LogRatio => {
            let relative = of(&libm::expm1);
            let base = level.unwrap_or(0.0);
            (
                of(&|v| times(libm::expm1(v), base)),
                level.map(|_| relative),
            )
        }
        Scale::Difference => (of(&|v| v), level.map(|level| of(&|v| v / level))),
    };
    Effect {
        absolute,
        relative,
        confidence,
    }
}

/// 0 times infinity is nothing known of nothing: 0.
fn times(value: f64, base: f64) -> f64 {
    if base > 0.0 { value * base } else { 0.0 }
}

/// Probability one: the confidence of an interval whose tails are zero.
fn certain() -> Probability {
    Probability::new(1.0).expect("1 is a probability")
}

/// At most [`SPARK_MAX`] of the values, evenly spaced, first and last included.
pub fn spark(values: &[f64]) -> Vec<f64> {
    if values.len() <= SPARK_MAX {
        return values.to_vec();
    }
    let last = values.len() - 1;
    (0..SPARK_MAX)
        .filter_map(|k| values.get(k * last / (SPARK_MAX - 1)).copied())
        .collect()
}
