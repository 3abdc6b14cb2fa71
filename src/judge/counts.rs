//! Events and distribution metrics: the ratio of bad events of the canary against the baseline's.
//!
//! | limit | test |
//! |---|---|
//! | relative, few events are bad | exact conditional binomial |
//! | relative, more than [`POISSON_MAX`] are bad | likelihood ratio of the two binomials |
//! | absolute | likelihood ratio of the two binomials |
//!
//! Only intervals in which both arms have counts are compared, so that what hits both arms at
//! once hits both sums. Clustered events count for less, by their dispersion.

use crate::judge::classify::{Comparison, Decision, Limits, decide};
use crate::judge::dispersion::{Block, dispersion};
use crate::judge::finding::{self, Scale};
use crate::judge::judgement::{ArmSummary, Evidence, Finding, Label, Needs};
use crate::judge::look::{Levels, Look};
use crate::judge::rates::{Conditional, Likelihood, Margin, Rate};
use crate::judge::windows::{Arm, Counts, EventInterval, MetricWindow};
use crate::plan::{MetricPlan, Plan};
use crate::stats::summary;
use crate::time::Span;
use crate::units::{Harm, MinEffect};

/// Up to this share of bad events their number is as good as Poisson; beyond it the likelihood
/// ratio of two binomials is tested, because the conditional test grows blunt.
pub const POISSON_MAX: f64 = 0.1;

/// Blocks of this length are compared with each other for the dispersion: shorter ones would miss
/// clusters that last longer than a scrape. Retry storms last about a minute; `docs/statistics.md`.
const BLOCK: Span = Span::from_s(60);

/// The trailing window is this part of the judged one.
const TRAILING_PART: usize = 3;

/// Sums of both arms (canary, baseline) over the intervals that hold both.
pub fn paired(intervals: &[EventInterval]) -> (Rate, Rate) {
    let both = |arm: fn(&EventInterval) -> Option<Counts>| {
        let held = intervals
            .iter()
            .filter(|i| i.baseline.is_some() && i.canary.is_some());
        sums(held.filter_map(arm))
    };
    (both(|i| i.canary), both(|i| i.baseline))
}

/// The sum of counts.
pub fn sums(counts: impl Iterator<Item = Counts> + Clone) -> Rate {
    let total = summary::sum(counts.clone().map(|c| c.total));
    let bad = summary::sum(counts.map(|c| c.bad));
    Rate {
        bad: bad.clamp(0.0, total),
        total,
    }
}

/// The dispersion of the bad events of two arms over blocks of time. Where one arm has none, the
/// other's own scatter around its ratio is all there is to see.
pub fn dispersion_of(intervals: &[EventInterval], step: Span) -> f64 {
    let (canary, baseline) = paired(intervals);
    let ratio = canary.ratio() / baseline.ratio();
    let per_block = usize::try_from(BLOCK.ms() / step.ms().max(1))
        .unwrap_or(1)
        .max(1);
    let block = |chunk: &[EventInterval]| {
        let (c, b) = paired(chunk);
        if baseline.bad <= 0.0 {
            return Block {
                canary: c.bad,
                both: c.total,
                share: canary.ratio(),
            };
        }
        if canary.bad <= 0.0 {
            return Block {
                canary: b.bad,
                both: b.total,
                share: baseline.ratio(),
            };
        }
        let odds = ratio * c.total / b.total;
        let share = if odds.is_finite() {
            odds / (1.0 + odds)
        } else {
            1.0
        };
        Block {
            canary: c.bad,
            both: c.bad + b.bad,
            share,
        }
    };
    let blocks: Vec<Block> = intervals.chunks(per_block).map(block).collect();
    dispersion(&blocks)
}

/// The finding of an events or distribution metric.
pub fn find(
    plan: &Plan,
    metric: &MetricPlan,
    window: &MetricWindow,
    intervals: &[EventInterval],
    look: &Look,
) -> Finding {
    let (mut out, enough) = gather(metric, window, intervals);
    if enough {
        compare(&mut out, plan, metric, intervals, look);
    }
    out
}

/// What both arms look like, and whether that is enough to compare them; if not, the finding says
/// what is missing.
pub(super) fn gather(
    metric: &MetricPlan,
    window: &MetricWindow,
    intervals: &[EventInterval],
) -> (Finding, bool) {
    let baseline = summarise(intervals, |i| i.baseline);
    let canary = summarise(intervals, |i| i.canary);
    let mut out = finding::blank(metric, baseline, canary);
    out.notes.clone_from(&window.notes);
    let unusable = window.unusable.clone().map(|reason| (reason, 1));
    let missing = unusable
        .or_else(|| lacking(metric, &out))
        .or_else(|| silent(metric, intervals))
        .or_else(|| unpaired(metric, intervals));
    let enough = missing.is_none();
    if let Some((reason, missing)) = missing {
        out.no_data = Some(reason);
        out.needs = Needs::Data(missing);
    }
    (out, enough)
}

fn summarise(intervals: &[EventInterval], arm: fn(&EventInterval) -> Option<Counts>) -> ArmSummary {
    let held: Vec<Counts> = intervals.iter().filter_map(arm).collect();
    let sum = sums(held.iter().copied());
    let ratios: Vec<f64> = held
        .iter()
        .filter(|c| c.total > 0.0)
        .map(|c| c.bad / c.total)
        .collect();
    ArmSummary {
        n: whole(sum.total),
        n_eff: sum.total,
        level: (sum.total > 0.0).then(|| sum.ratio()),
        bad: Some(whole(sum.bad)),
        coverage: (held.len() as f64 / intervals.len().max(1) as f64),
        spark: finding::spark(&ratios),
    }
}

/// Events as a whole number, for people and for minimum evidence.
pub(super) fn whole(events: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; saturates"
    )]
    let count = events.round() as u64;
    count
}

/// What is missing of the minimum evidence: the sentence, and how many more events.
fn lacking(metric: &MetricPlan, finding: &Finding) -> Option<(String, u64)> {
    let need = metric.evidence.events.max(1);
    let arms = [
        (Arm::Canary, &finding.canary),
        (Arm::Baseline, &finding.baseline),
    ];
    let scarcest = arms.iter().min_by_key(|(_, arm)| arm.n)?;
    if scarcest.1.n < need {
        let (word, have) = (scarcest.0.word(), scarcest.1.n);
        return Some((
            format!("{word} has {have} of {need} required events"),
            need - have,
        ));
    }
    let needed = metric.evidence.coverage.get();
    arms.iter()
        .find(|(_, arm)| arm.coverage < needed)
        .map(|(arm, summary)| {
            let percent = |share: f64| crate::units::trim_number((share * 1000.0).floor() / 10.0);
            let (word, have) = (arm.word(), percent(summary.coverage));
            let reason = format!(
                "{word} has counts in {have} % of the intervals, {} % are required",
                percent(needed)
            );
            (reason, 1)
        })
}

/// An arm without counts in the last third of the window (A5).
fn silent(metric: &MetricPlan, intervals: &[EventInterval]) -> Option<(String, u64)> {
    let (_, late) = intervals.split_at(intervals.len() - intervals.len() / TRAILING_PART);
    let held = |arm: fn(&EventInterval) -> Option<Counts>| {
        (late.iter().filter_map(arm).count(), late.len())
    };
    finding::silent(metric, held(|i| i.canary), held(|i| i.baseline))
}

/// Minimum evidence again, on the intervals that hold both arms: only those are compared. And a
/// count beyond what a double counts exactly is no count.
fn unpaired(metric: &MetricPlan, intervals: &[EventInterval]) -> Option<(String, u64)> {
    const EVENTS_MAX: f64 = 9.0e15; // 2^53: beyond it a double skips whole numbers
    let (canary, baseline) = paired(intervals);
    let least = canary.total.min(baseline.total);
    let need = metric.evidence.events.max(1);
    let all = canary.total + baseline.total;
    if all.is_nan() || all >= EVENTS_MAX {
        return Some(("more events than can be counted exactly".to_owned(), 1));
    }
    (whole(least) < need).then(|| {
        let reason = format!(
            "only {} of {need} required events fall when both arms have any",
            whole(least)
        );
        (reason, need - whole(least))
    })
}

/// The two arms on the scale of the limit.
enum Test {
    Conditional(Conditional),
    Likelihood(Likelihood),
}

impl Test {
    fn new(limit: MinEffect, canary: Rate, baseline: Rate) -> Self {
        let pooled = (canary.bad + baseline.bad) / (canary.total + baseline.total);
        let margin = match limit {
            MinEffect::Absolute(_) => Margin::Difference,
            MinEffect::Relative(_) if pooled <= POISSON_MAX => {
                return Self::Conditional(Conditional { canary, baseline });
            }
            MinEffect::Relative(_) => Margin::LogRatio,
        };
        Self::Likelihood(Likelihood {
            canary,
            baseline,
            margin,
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Conditional(_) => "conditional binomial",
            Self::Likelihood(_) => "binomial likelihood ratio",
        }
    }

    fn name_trailing(&self) -> &'static str {
        match self {
            Self::Conditional(_) => "conditional binomial, trailing",
            Self::Likelihood(_) => "binomial likelihood ratio, trailing",
        }
    }

    fn decide(&mut self, limits: Limits, harm: Harm, levels: Levels) -> Decision {
        match self {
            Self::Conditional(test) => decide(test, limits, harm, levels),
            Self::Likelihood(test) => decide(test, limits, harm, levels),
        }
    }
}

pub(super) fn limits_of(limit: MinEffect) -> (Scale, Limits) {
    match limit {
        MinEffect::Relative(share) => (Scale::LogRatio, Limits::log_ratio(share)),
        MinEffect::Absolute(value) => (Scale::Difference, Limits::shift(value)),
    }
}

fn compare(
    out: &mut Finding,
    plan: &Plan,
    metric: &MetricPlan,
    intervals: &[EventInterval],
    look: &Look,
) {
    let levels = look.levels(plan, metric);
    let (scale, limits) = limits_of(metric.min_effect);
    let (phi, [canary, baseline]) = levelled(out, intervals, look);
    if scale == Scale::LogRatio && canary.bad <= 0.0 && baseline.bad <= 0.0 {
        let test = Likelihood {
            canary,
            baseline,
            margin: Margin::Difference,
        };
        let confidence = 1.0 - levels.alpha - levels.beta;
        none_bad(out, &difference(test, levels, confidence));
        return;
    }
    let mut test = Test::new(metric.min_effect, canary, baseline);
    out.test = test.name();
    let mut late_beyond = false;
    let decision = match trailing(metric, intervals, phi, look) {
        None => test.decide(limits, metric.harm, levels),
        Some((mut last, part)) => {
            let (for_whole, for_last) = finding::split(levels);
            let all = test.decide(limits, metric.harm, for_whole);
            let late = last.decide(limits, metric.harm, for_last);
            // A ratio of few events strays far: only a trailing estimate that is itself shown
            // beyond the limit, at the level of a promote, takes a "within" back.
            let beyond = finding::is_beyond(late.estimate, limits, metric.harm)
                && late.evidence.p_harm <= levels.beta;
            late_beyond = beyond;
            let (joined, late_decides) = finding::join(all, late, levels, beyond);
            if late_decides {
                out.test = last.name_trailing();
                out.notes.push(format!(
                    "shown by the last {part} of {} intervals",
                    intervals.len()
                ));
            }
            joined
        }
    };
    finding::settle(
        out,
        plan,
        metric,
        &decision,
        (scale, limits),
        (look, !late_beyond),
    );
    if scale == Scale::LogRatio && baseline.bad <= 0.0 {
        let test = Likelihood {
            canary,
            baseline,
            margin: Margin::Difference,
        };
        let evidence = decision.evidence;
        let levels = Levels {
            alpha: evidence.alpha,
            beta: evidence.beta,
            alpha_whole: 0.0,
        };
        absolute_only(out, &difference(test, levels, decision.confidence));
    }
}

/// Puts the ratios of both arms into the finding, with a note when bad events come in clusters;
/// their dispersion, and the sums of canary and baseline as if there were that many fewer events.
pub(super) fn levelled(
    out: &mut Finding,
    intervals: &[EventInterval],
    look: &Look,
) -> (f64, [Rate; 2]) {
    let phi = dispersion_of(intervals, look.step());
    let (canary, baseline) = paired(intervals);
    out.baseline.level = Some(baseline.ratio());
    out.canary.level = Some(canary.ratio());
    if phi > 1.0 {
        let factor = crate::units::trim_number(phi);
        out.notes.push(format!(
            "bad events come in clusters: variance {factor} times Poisson"
        ));
    }
    (phi, [canary.thinned(phi), baseline.thinned(phi)])
}

/// The trailing third, where looks repeat and it alone has the minimum evidence.
fn trailing(
    metric: &MetricPlan,
    intervals: &[EventInterval],
    phi: f64,
    look: &Look,
) -> Option<(Test, usize)> {
    let part = intervals.len() / TRAILING_PART;
    let (canary, baseline) = paired(intervals.get(intervals.len() - part..)?);
    let least = metric.evidence.events.max(1) as f64;
    let enough = canary.total >= least && baseline.total >= least;
    let bad = canary.bad + baseline.bad > 0.0;
    (!look.is_only() && enough && bad).then(|| {
        let (canary, baseline) = (canary.thinned(phi), baseline.thinned(phi));
        (Test::new(metric.min_effect, canary, baseline), part)
    })
}

/// No bad event anywhere: a relative limit says nothing of nothing. With the minimum evidence
/// there is no harm to be seen, and the upper bound of the difference of the ratios tells how much
/// could hide.
pub(super) fn none_bad(out: &mut Finding, difference: &Decision) {
    out.label = Label::Within;
    out.test = "convention";
    out.evidence = Some(Evidence {
        p_harm: 1.0,
        p_safe: 0.0,
        ..difference.evidence
    });
    let percent = crate::units::trim_number(difference.high * 100.0);
    out.effect = Some(finding::effect(difference, Scale::Difference, None));
    out.notes.push(format!(
        "no bad event in either arm: the canary's ratio may be up to {percent} % higher unseen"
    ));
}

/// A ratio to nothing has no size; the difference of the ratios has.
pub(super) fn absolute_only(out: &mut Finding, difference: &Decision) {
    out.effect = Some(finding::effect(difference, Scale::Difference, None));
    out.notes
        .push("the baseline has no bad event, so there is no change in percent".to_owned());
}

fn difference(mut test: Likelihood, levels: Levels, confidence: f64) -> Decision {
    Decision {
        label: Label::Undecided,
        estimate: test.estimate(),
        low: test.lower(levels.alpha),
        high: test.upper(levels.beta),
        confidence,
        evidence: Evidence {
            p_harm: 1.0,
            alpha: levels.alpha,
            p_safe: 1.0,
            beta: levels.beta,
        },
        spread: test.spread(),
    }
}

/// Whether the last third of one arm lies beyond the limit over its first third, at `level`.
pub fn degraded(
    intervals: &[EventInterval],
    arm: fn(&EventInterval) -> Option<Counts>,
    metric: (MinEffect, Harm, u64),
    level: f64,
) -> bool {
    let (limit, harm, least) = metric;
    let length = intervals.len() / TRAILING_PART;
    let (first, _) = intervals.split_at(length);
    let (_, second) = intervals.split_at(intervals.len() - length);
    let sum = |part: &[EventInterval]| {
        let held: Vec<Counts> = part.iter().filter_map(arm).collect();
        sums(held.iter().copied())
    };
    let (first, second) = (sum(first), sum(second));
    if first.total < least as f64 || second.total < least as f64 || first.bad + second.bad <= 0.0 {
        return false;
    }
    let (_, limits) = limits_of(limit);
    let levels = Levels {
        alpha: level,
        beta: 0.0,
        alpha_whole: level,
    };
    Test::new(limit, second, first)
        .decide(limits, harm, levels)
        .label
        == Label::Worse
}
