//! Series metrics: the Mann-Whitney test at the limit, with the Hodges-Lehmann shift as effect.
//!
//! "Is the canary worse than the baseline *beyond the limit*?" is asked by moving the baseline by
//! the limit and testing the two samples. A relative limit of positive values is a shift of their
//! logarithms, which leaves the ranks as scaling the baseline would, and whose Hodges-Lehmann
//! interval inverts exactly this test. Every other limit is a shift of the values themselves.
//!
//! The variance is inflated by the autocorrelation of both arms ([`crate::judge::noise`]), unless
//! there is none to be seen; then small samples get exact p-values. Beside the whole window stands
//! its trailing third: a fault that begins half way is diluted in the whole.

use crate::judge::classify::{Comparison, Decision, Limits, decide};
use crate::judge::finding::{self, Scale};
use crate::judge::judgement::{ArmSummary, Evidence, Finding, Label, Needs};
use crate::judge::look::{Levels, Look};
use crate::judge::noise::Noise;
use crate::judge::ranked::Ranked;
use crate::judge::windows::{Arm, MetricWindow};
use crate::plan::{MetricPlan, Plan, Queries};
use crate::stats::summary;
use crate::template::GapPolicy;
use crate::units::{Harm, MinEffect};
use std::borrow::Cow;

/// The judged values of both arms, one entry per expected grid point, the gap policy applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Arms<'a> {
    /// The baseline's values; gaps are `None`.
    pub baseline: Cow<'a, [Option<f64>]>,
    /// The canary's.
    pub canary: Cow<'a, [Option<f64>]>,
}

/// The trailing window is this part of the judged one.
const TRAILING_PART: usize = 3;

/// Values per arm below which a trailing window says nothing of its own: the correlation of
/// fewer cannot be told from chance.
const TRAILING_MIN: usize = 10;

/// The finding of a series metric.
pub fn find(
    plan: &Plan,
    metric: &MetricPlan,
    window: &MetricWindow,
    arms: &Arms<'_>,
    look: &Look,
) -> Finding {
    let (mut out, enough) = opening(metric, window, arms, true);
    if enough && !settled_by_convention(&mut out, plan, metric, arms, look) {
        compare(&mut out, plan, metric, arms, look);
    }
    out
}

/// What the arms look like, and whether that is enough to compare them; if not, the finding says
/// what is missing. Levels and sparklines are left out when nobody `reads` them.
pub(super) fn opening(
    metric: &MetricPlan,
    window: &MetricWindow,
    arms: &Arms<'_>,
    reads: bool,
) -> (Finding, bool) {
    let summarise = |points: &[Option<f64>]| {
        let held = || points.iter().flatten().copied();
        let n = held().count();
        let values: Vec<f64> = if reads { held().collect() } else { Vec::new() };
        ArmSummary {
            n: n as u64,
            n_eff: n as f64,
            level: summary::median(&values),
            bad: None,
            coverage: n as f64 / points.len().max(1) as f64,
            spark: finding::spark(&values),
        }
    };
    let (baseline, canary) = (summarise(&arms.baseline), summarise(&arms.canary));
    let mut out = finding::blank(metric, baseline, canary);
    out.notes.clone_from(&window.notes);
    let unusable = window.unusable.clone().map(|reason| (reason, 1));
    let missing = unusable
        .or_else(|| lacking(metric, &out))
        .or_else(|| silent(metric, arms));
    if let Some((reason, missing)) = missing {
        out.no_data = Some(reason);
        out.needs = Needs::Data(missing);
        return (out, false);
    }
    (out, true)
}

/// Whether no test is needed: arms that are constant and equal are within, and a limit relative
/// to nothing says nothing.
pub(super) fn settled_by_convention(
    out: &mut Finding,
    plan: &Plan,
    metric: &MetricPlan,
    arms: &Arms<'_>,
    look: &Look,
) -> bool {
    if all_equal(arms) {
        out.label = Label::Within;
        out.test = "convention";
        out.notes
            .push("both arms are constant and equal: within by convention, no test".to_owned());
        let levels = look.levels(plan, metric);
        let evidence = Evidence {
            p_harm: 1.0,
            alpha: levels.alpha,
            p_safe: 0.0,
            beta: levels.beta,
        };
        out.evidence = Some(evidence);
        out.effect = Some(no_difference(levels, out.baseline.level));
        return true;
    }
    if let Some(note) = limitless(metric.min_effect, arms) {
        out.label = Label::Undecided;
        out.test = "none";
        out.notes.push(note);
        out.needs = Needs::MoreThanThereIs;
        return true;
    }
    false
}

/// What is missing of the minimum evidence: the sentence, and how many more samples.
fn lacking(metric: &MetricPlan, finding: &Finding) -> Option<(String, u64)> {
    let need = metric.evidence.samples.max(1) as u64;
    let arms = [
        (Arm::Canary, &finding.canary),
        (Arm::Baseline, &finding.baseline),
    ];
    let scarcest = arms.iter().min_by_key(|(_, arm)| arm.n)?;
    if scarcest.1.n < need {
        let (word, have) = (scarcest.0.word(), scarcest.1.n);
        return Some((
            format!("{word} has {have} of {need} required samples"),
            need - have,
        ));
    }
    let fail = matches!(
        &metric.queries,
        Queries::Series {
            gaps: GapPolicy::Fail,
            ..
        }
    );
    let needed = metric.evidence.coverage.get();
    for (arm, summary) in arms {
        if fail && summary.coverage < 1.0 {
            return Some((
                format!("{} has a gap, and gaps are not allowed", arm.word()),
                1,
            ));
        }
        if summary.coverage < needed {
            let percent = |share: f64| crate::units::trim_number((share * 1000.0).floor() / 10.0);
            let (word, have) = (arm.word(), percent(summary.coverage));
            let reason = format!(
                "{word} has values at {have} % of the grid points, {} % are required",
                percent(needed)
            );
            return Some((reason, missing_points(summary, needed)));
        }
    }
    None
}

/// An arm that fell silent in the last third of the window: what it was before is no evidence of
/// what it is (A5).
fn silent(metric: &MetricPlan, arms: &Arms<'_>) -> Option<(String, u64)> {
    let late = |points: &[Option<f64>]| {
        let (_, late) = points.split_at(points.len() - points.len() / TRAILING_PART);
        (late.iter().flatten().count(), late.len())
    };
    finding::silent(metric, late(&arms.canary), late(&arms.baseline))
}

/// Samples without a further gap until `coverage` is reached.
fn missing_points(arm: &ArmSummary, coverage: f64) -> u64 {
    let all = arm.n as f64 / arm.coverage.max(f64::MIN_POSITIVE);
    let more = (coverage * all - arm.n as f64) / (1.0 - coverage).max(1e-3);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded up, at least 1; saturates"
    )]
    let more = more.ceil().max(1.0) as u64;
    more
}

/// Both tests, on the whole window and on the trailing one.
fn compare(out: &mut Finding, plan: &Plan, metric: &MetricPlan, arms: &Arms<'_>, look: &Look) {
    let levels = look.levels(plan, metric);
    let (scale, limits) = scale(metric.min_effect, arms, &mut out.notes);
    let noise = Noise::of(&arms.canary, &arms.baseline);
    out.canary.n_eff = noise.worth(out.canary.n);
    out.baseline.n_eff = noise.worth(out.baseline.n);
    let mut whole = Ranked::new(&arms.canary, &arms.baseline, scale, noise.dependence());
    let mut late_name = None;
    let mut late_beyond = false;
    let decision = match trailing(arms, scale, metric, look) {
        None => decide(&mut whole, limits, metric.harm, levels),
        Some(mut last) => {
            let (for_whole, for_last) = finding::split(levels);
            let all = decide(&mut whole, limits, metric.harm, for_whole);
            let late = decide(&mut last, limits, metric.harm, for_last);
            let beyond = finding::is_beyond(late.estimate, limits, metric.harm);
            late_beyond = beyond;
            let (joined, late_decides) = finding::join(all, late, levels, beyond);
            if late_decides {
                let (m, n) = (arms.canary.len() / TRAILING_PART, arms.canary.len());
                out.notes
                    .push(format!("shown by the last {m} of {n} grid points"));
                late_name = Some(last.name_trailing());
            } else if all.label == Label::Within && joined.label == Label::Undecided {
                let part = out.canary.n / TRAILING_PART as u64;
                out.notes
                    .push(format!("the last {part} samples lie beyond the limit"));
            }
            joined
        }
    };
    out.test = late_name.unwrap_or_else(|| whole.name());
    finding::settle(
        out,
        plan,
        metric,
        &decision,
        (scale, limits),
        (look, !late_beyond),
    );
}

/// Why a relative limit says nothing: there is nothing it could be relative to.
fn limitless(limit: MinEffect, arms: &Arms<'_>) -> Option<String> {
    let zero = arms.baseline.iter().flatten().all(|value| *value == 0.0);
    (zero && matches!(limit, MinEffect::Relative(_))).then(|| {
        format!("the baseline is zero throughout: {limit} of it is no limit; use an absolute one")
    })
}

fn all_equal(arms: &Arms<'_>) -> bool {
    let mut values = arms.baseline.iter().chain(&*arms.canary).flatten();
    let first = values.next();
    values.all(|value| Some(value) == first)
}

fn no_difference(levels: Levels, level: Option<f64>) -> crate::judge::judgement::Effect {
    let evidence = Evidence {
        p_harm: 1.0,
        alpha: 0.0,
        p_safe: 0.0,
        beta: 0.0,
    };
    let decision = Decision {
        label: Label::Within,
        estimate: 0.0,
        low: 0.0,
        high: 0.0,
        confidence: 1.0 - levels.alpha - levels.beta,
        evidence,
        spread: 0.0,
    };
    finding::effect(&decision, Scale::Difference, level)
}

/// The scale on which a limit is a shift: logarithms for a relative limit of positive values.
fn scale(limit: MinEffect, arms: &Arms<'_>, notes: &mut Vec<String>) -> (Scale, Limits) {
    let values: Vec<f64> = arms.baseline.iter().flatten().copied().collect();
    let median = summary::median(&values).unwrap_or(0.0);
    let MinEffect::Relative(share) = limit else {
        return (Scale::Difference, Limits::difference(limit, median));
    };
    if arms
        .baseline
        .iter()
        .chain(&*arms.canary)
        .flatten()
        .all(|v| *v > 0.0)
    {
        return (Scale::LogRatio, Limits::log_ratio(share));
    }
    // Where the median is zero (most points idle) the mean still tells a usual size.
    let level = if median == 0.0 {
        summary::mean(&values).unwrap_or(0.0)
    } else {
        median
    };
    let limits = Limits::difference(limit, level);
    let word = if median == 0.0 { "mean" } else { "median" };
    notes.push(format!(
        "some values are not above zero: the limit is {limit} of the baseline's {word} as a \
         fixed {}",
        crate::units::trim_number(limits.up)
    ));
    (Scale::Difference, limits)
}

/// The trailing third, where looks repeat and it holds enough values. Its noise is taken from
/// itself and from the leading third, and the worse counts: a third alone may be too short to show
/// slow noise, and the whole would take the fault itself for noise.
fn trailing(arms: &Arms<'_>, scale: Scale, metric: &MetricPlan, look: &Look) -> Option<Ranked> {
    if look.is_only() {
        return None;
    }
    let thirds = |points: &[Option<f64>]| -> (Vec<Option<f64>>, Vec<Option<f64>>) {
        let length = points.len() / TRAILING_PART;
        let (leading, _) = points.split_at(length);
        let (_, trailing) = points.split_at(points.len() - length);
        (leading.to_vec(), trailing.to_vec())
    };
    let (early_canary, canary) = thirds(&arms.canary);
    let (early_baseline, baseline) = thirds(&arms.baseline);
    let count = |points: &[Option<f64>]| points.iter().flatten().count();
    let least = metric.evidence.samples.max(TRAILING_MIN);
    if count(&canary) < least || count(&baseline) < least {
        return None;
    }
    let early = Noise::of(&early_canary, &early_baseline);
    let noise = Noise::of(&canary, &baseline).or_worse(early);
    Some(Ranked::new(&canary, &baseline, scale, noise.dependence()))
}

/// Whether the last third of an arm lies beyond the limit over its first third, at `level`: the
/// third between them gives the change room to begin.
pub fn degraded(points: &[Option<f64>], limit: MinEffect, harm: Harm, level: f64) -> bool {
    let length = points.len() / TRAILING_PART;
    let (first, _) = points.split_at(length);
    let (_, second) = points.split_at(points.len() - length);
    if count(first, |_| true) < TRAILING_MIN || count(second, |_| true) < TRAILING_MIN {
        return false;
    }
    if !typically_beyond(first, second, limit, harm) {
        return false;
    }
    let thirds = Arms {
        baseline: first.into(),
        canary: second.into(),
    };
    let (scale, limits) = scale(limit, &thirds, &mut Vec::new());
    // Student's tails of so few values would never let a change be seen; two arms that agree make
    // up for the sharper normal ones.
    let noise = Noise {
        df: None,
        ..Noise::apart(second, first)
    };
    let mut ranked = Ranked::new(second, first, scale, noise.dependence());
    match harm {
        Harm::Increase => ranked.p_above_below(limits.up).0 <= level,
        Harm::Decrease => ranked.p_above_below(limits.down).1 <= level,
        Harm::Either => {
            let up = ranked.p_above_below(limits.up).0;
            2.0 * up.min(ranked.p_above_below(limits.down).1) <= level
        }
    }
}

/// Whether the median moved beyond the limit: without that no test is asked. Most looks at most
/// metrics end here.
fn typically_beyond(
    before: &[Option<f64>],
    after: &[Option<f64>],
    limit: MinEffect,
    harm: Harm,
) -> bool {
    !clearly_not_beyond(before, after, limit, harm) && medians_beyond(before, after, limit, harm)
}

/// The same by the medians themselves.
fn medians_beyond(
    before: &[Option<f64>],
    after: &[Option<f64>],
    limit: MinEffect,
    harm: Harm,
) -> bool {
    let median = |points: &[Option<f64>]| {
        let mut held: Vec<f64> = Vec::with_capacity(points.len());
        held.extend(points.iter().flatten());
        let middle = held.len() / 2;
        *held.select_nth_unstable_by(middle, f64::total_cmp).1
    };
    let (before, after) = (median(before), median(after));
    let by = distance(limit, before);
    (harm != Harm::Decrease && after > before + by)
        || (harm != Harm::Increase && after < before - by)
}

/// How far a limit is from a level.
fn distance(limit: MinEffect, level: f64) -> f64 {
    match limit {
        MinEffect::Relative(share) => share * level.abs(),
        MinEffect::Absolute(value) => value,
    }
}

/// Says of most arms without a median that theirs did not move beyond the limit: more than half
/// of the earlier values lie beyond a level half a limit short of their mean, and more than half
/// of the later ones not beyond the limit over that level.
fn clearly_not_beyond(
    before: &[Option<f64>],
    after: &[Option<f64>],
    limit: MinEffect,
    harm: Harm,
) -> bool {
    // Turned where harm is less, so that harm is always more.
    let sign = match harm {
        Harm::Increase => 1.0,
        Harm::Decrease => -1.0,
        Harm::Either => return false,
    };
    // From here on a higher level has a higher limit.
    if matches!(limit, MinEffect::Relative(share) if share >= 1.0) {
        return false;
    }
    let (earlier, later) = (count(before, |_| true), count(after, |_| true));
    let sum: f64 = before.iter().map(|v| v.unwrap_or_default()).sum();
    let mean = sign * sum / earlier as f64;
    let level = mean - 0.5 * distance(limit, mean);
    let edge = level + distance(limit, level);
    2 * count(before, |v| sign * v >= level) > earlier
        && 2 * count(after, |v| sign * v <= edge) > later
}

/// How many values are there and are so.
fn count(points: &[Option<f64>], is: impl Fn(f64) -> bool) -> usize {
    let one = |v: &Option<f64>| usize::from(v.is_some() & is(v.unwrap_or_default()));
    points.iter().map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
        let value = prop_oneof![
            6 => (-3.0..12.0_f64).prop_map(Some),
            2 => (-2_i32..4).prop_map(|v| Some(f64::from(v))),
            1 => Just(None),
        ];
        prop::collection::vec(value, 1..25).prop_map(|mut values| {
            values.push(Some(1.0));
            values
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// The short way never says of medians what they do not say.
        #[test]
        fn what_is_clearly_not_beyond_is_not_beyond(
            before in values(),
            after in values(),
            size in 0.0..1.5_f64,
            relative in any::<bool>(),
            harm in prop::sample::select(vec![Harm::Increase, Harm::Decrease, Harm::Either]),
        ) {
            let kind = if relative { MinEffect::Relative } else { MinEffect::Absolute };
            let limit = kind(size);
            if clearly_not_beyond(&before, &after, limit, harm) {
                prop_assert!(!medians_beyond(&before, &after, limit, harm));
            }
        }
    }
}
