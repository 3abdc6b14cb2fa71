//! Events metrics under the sequential judge: the canary's ratio of bad events against the
//! baseline's, by evidence that may be looked at at any time.
//!
//! *Worse* and *within* are e-processes on the limit ([`line`](crate::stats::sequential::line)):
//! the first mixed over the moment at which harm begins, the second from the start. Their levels
//! are the same at every look. The effect is a confidence sequence: all its intervals together
//! miss the truth with at most the stated probability.

use crate::judge::classify::{self, Comparison, Decision, Limits};
use crate::judge::count_evidence::{Running, Seen, line_at, lines};
use crate::judge::count_offset::{Healthy, Offset};
use crate::judge::counts::{absolute_only, gather, levelled, limits_of, none_bad};
use crate::judge::finding::{self, Scale};
use crate::judge::judgement::{Evidence, Finding, Label, Needs};
use crate::judge::look::{Levels, Look};
use crate::judge::rates::{self, Conditional, Likelihood, Margin, Rate};
use crate::judge::sequential::offset::SHARE;
use crate::judge::windows::{EventInterval, MetricWindow};
use crate::plan::{MetricPlan, Plan};
use crate::stats::sequential::line::{Both, Side};
use crate::time::Span;
use crate::units::{Harm, trim_number};

/// 1/e is shown up to this; less evidence for something than e^-600 is not told apart.
const LOG_P_MAX: f64 = 600.0;

/// What is known of an events metric beside the intervals that are judged.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// Intervals of the same metric from before the start, oldest first; they tell how bad events
    /// cluster. May be empty.
    pub history: &'a [EventInterval],
    /// How far apart healthy arms may lie.
    pub healthy: &'a Healthy,
}

/// The finding of an events metric.
pub fn find(
    plan: &Plan,
    metric: &MetricPlan,
    window: &MetricWindow,
    intervals: &[EventInterval],
    beside: Beside<'_>,
    look: &Look,
) -> Finding {
    let (mut out, enough) = gather(metric, window, intervals);
    if enough {
        let seen = Seen::new(plan, intervals, beside.history, look);
        out.notes.extend(beside.healthy.note());
        let judged = Judged {
            plan,
            metric,
            intervals,
            look,
        };
        judged.compare(&mut out, &seen, beside.healthy);
    }
    out
}

/// What is judged.
struct Judged<'a> {
    plan: &'a Plan,
    metric: &'a MetricPlan,
    intervals: &'a [EventInterval],
    look: &'a Look,
}

/// The limits that are tested: moved by what healthy arms may differ by, as far as it may be for
/// harm and as little for safety.
#[derive(Clone, Copy)]
pub(super) struct Moved {
    harm: Limits,
    safe: Limits,
    /// The share of each error that the tests keep.
    kept: f64,
}

impl Moved {
    /// The limits of harm.
    pub(super) fn harm_limits(self) -> Limits {
        self.harm
    }

    /// The limits of safety.
    pub(super) fn safe_limits(self) -> Limits {
        self.safe
    }

    /// The share of each error that the tests keep.
    pub(super) fn kept(self) -> f64 {
        self.kept
    }

    pub(super) fn new(limits: Limits, offset: Option<&Offset>, harm: Harm, levels: Levels) -> Self {
        let Some(offset) = offset else {
            return Self {
                harm: limits,
                safe: limits,
                kept: 1.0,
            };
        };
        // Harm either way may be wrong in both directions.
        let ways = if harm == Harm::Either { 2.0 } else { 1.0 };
        let by = |width: f64| Limits {
            up: limits.up + offset.centre + width,
            down: limits.down + offset.centre - width,
        };
        Self {
            harm: by(offset.width(levels.alpha / ways)),
            safe: by(-offset.width(levels.beta)),
            kept: 1.0 - SHARE,
        }
    }

    /// What a reader must know: the limit is not the one that the template names.
    pub(super) fn note(self, scale: Scale, limits: Limits, harm: Harm) -> Option<String> {
        let text = |limit: f64| match scale {
            Scale::LogRatio => format!("{} %", rounded(100.0 * libm::expm1(limit))),
            Scale::Difference => format!("{} points", rounded(100.0 * limit)),
        };
        let ways = [
            (harm != Harm::Decrease, limits.up, self.harm.up),
            (harm != Harm::Increase, limits.down, self.harm.down),
        ];
        let changed: Vec<String> = ways
            .into_iter()
            .filter(|(asked, ..)| *asked)
            .map(|(_, from, to)| (text(from), text(to)))
            .filter(|(from, to)| from != to)
            .map(|(from, to)| format!("from {from} to {to}"))
            .collect();
        (!changed.is_empty()).then(|| {
            format!(
                "limit moved {}: so far may healthy arms differ",
                changed.join(" and ")
            )
        })
    }
}

/// A limit as text: a tenth of a percent is finer than it is known.
fn rounded(percent: f64) -> String {
    trim_number((percent * 10.0).round() / 10.0)
}

/// The tests on the limits of a metric.
struct Tests {
    harm: Vec<Running>,
    safe: Vec<Running>,
    ln_kept: f64,
}

impl Tests {
    fn new(seen: &Seen, harm: Harm, scale: Scale, moved: Moved) -> Self {
        let (up, down) = lines(scale, moved.harm);
        let (safe_up, safe_down) = lines(scale, moved.safe);
        let mut tests = Self {
            harm: Vec::new(),
            safe: Vec::new(),
            ln_kept: libm::log(moved.kept),
        };
        if harm != Harm::Decrease {
            tests.harm.push(seen.harm(up, Side::Above, scale));
            tests.safe.push(seen.safe(safe_up, Side::Below, scale));
        }
        if harm != Harm::Increase {
            tests.harm.push(seen.harm(down, Side::Below, scale));
            tests.safe.push(seen.safe(safe_down, Side::Above, scale));
        }
        tests
    }

    /// (ln e of harm, ln e of health): harm in either direction is the mean of both, health needs
    /// both.
    fn log_e(&self, log_e: impl Fn(&Running) -> f64) -> (f64, f64) {
        let harm: Vec<f64> = self.harm.iter().map(&log_e).collect();
        let most = harm.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = harm.iter().map(|e| libm::exp(e - most)).sum::<f64>() / harm.len() as f64;
        let safe = self.safe.iter().map(&log_e).fold(f64::INFINITY, f64::min);
        (most + libm::log(mean) + self.ln_kept, safe + self.ln_kept)
    }
}

impl Judged<'_> {
    fn compare(&self, out: &mut Finding, seen: &Seen, healthy: &Healthy) {
        let (plan, metric, look) = (self.plan, self.metric, self.look);
        let alpha = look.levels(plan, metric).alpha_whole;
        let levels = Levels {
            alpha,
            beta: plan.judge.false_promote.get(),
            alpha_whole: alpha,
        };
        let (scale, limits) = limits_of(metric.min_effect);
        let (_, thinned) = levelled(out, self.intervals, look);
        let sum = seen.sum();
        let none = [sum.canary, sum.baseline].map(|arm| arm.bad <= 0.0);
        if scale == Scale::LogRatio && none == [true, true] {
            none_bad(out, &difference(seen, levels, thinned));
            return;
        }
        let moved = Moved::new(limits, healthy.offset(scale).as_ref(), metric.harm, levels);
        out.notes.extend(moved.note(scale, limits, metric.harm));
        let tests = Tests::new(seen, metric.harm, scale, moved);
        let (log_harm, log_safe) = tests.log_e(|test| seen.log_e(test));
        let (label, late_harm) = labelled(log_harm, log_safe, levels);
        let kept = Levels {
            alpha: moved.kept * levels.alpha,
            beta: moved.kept * levels.beta,
            ..levels
        };
        let decision = Decision {
            label,
            evidence: Evidence {
                p_harm: inverse(log_harm),
                alpha,
                p_safe: inverse(log_safe),
                beta: levels.beta,
            },
            spread: spread(scale, thinned),
            ..effect(seen, scale, metric.harm, moved.harm, kept)
        };
        let decision = settled(out, seen, (scale, moved), decision);
        out.label = label;
        out.evidence = Some(decision.evidence);
        out.effect = Some(finding::effect(&decision, scale, out.baseline.level));
        if scale == Scale::LogRatio && none[1] {
            let levels = Levels {
                alpha: tails(metric.harm, decision.estimate, moved.harm, kept).0,
                ..levels
            };
            absolute_only(out, &difference(seen, levels, thinned));
        }
        // Harm of the least effect has to be found, not of what healthy arms may have beside it.
        let least = Limits {
            up: moved.safe.up.max(0.0),
            down: moved.safe.down.min(0.0),
        };
        let able = Decision {
            spread: decision
                .spread
                .max(spread_there(scale, thinned, (least, metric.harm))),
            ..decision
        };
        if late_harm || !finding::accept(out, (plan, metric), &able, least, levels) {
            out.needs = needs(&tests, seen, (label, levels), look);
        }
    }
}

/// The label, and whether there is evidence of harm at the level of a promote: harm that began
/// late takes a *within* of the whole time back.
fn labelled(log_harm: f64, log_safe: f64, levels: Levels) -> (Label, bool) {
    let late_harm = reached(log_harm, levels.beta);
    let label = if reached(log_harm, levels.alpha) {
        Label::Worse
    } else if reached(log_safe, levels.beta) && !late_harm {
        Label::Within
    } else {
        Label::Undecided
    };
    (label, late_harm)
}

/// The decision with the effect that shows it, its bounds on the side that the label says.
fn settled(
    out: &mut Finding,
    seen: &Seen,
    (scale, moved): (Scale, Moved),
    decision: Decision,
) -> Decision {
    out.test = "sequential counts";
    let decision = if decision.label == Label::Worse {
        shown_by(out, seen, (scale, moved), decision)
    } else {
        decision
    };
    let bounds = (decision.low, decision.high);
    let (label, estimate) = (decision.label, decision.estimate);
    let (low, high) = match label {
        Label::Worse => classify::agree(label, bounds, moved.harm, out.harm, estimate),
        Label::Within => classify::agree(label, bounds, moved.safe, out.harm, estimate),
        Label::Undecided | Label::Lagging | Label::NoData => {
            undecided(bounds, moved, out.harm, estimate)
        }
    };
    Decision {
        low,
        high,
        ..decision
    }
}

/// Bounds that show neither: not beyond the limit of harm, not short of that of safety.
pub(super) fn undecided(
    (low, high): (f64, f64),
    moved: Moved,
    harm: Harm,
    estimate: f64,
) -> (f64, f64) {
    let up = harm == Harm::Increase || (harm == Harm::Either && estimate >= 0.0);
    let (above, below) = (harm != Harm::Decrease, harm != Harm::Increase);
    let low = if above { low.min(moved.harm.up) } else { low };
    let high = if below {
        high.max(moved.harm.down)
    } else {
        high
    };
    let inside = (!above || high < moved.safe.up) && (!below || low > moved.safe.down);
    match (inside, up) {
        (true, true) => (low, moved.safe.up),
        (true, false) => (moved.safe.down, high),
        (false, _) => (low, high),
    }
}

/// Whether an e-value rejects at a level.
fn reached(log_e: f64, level: f64) -> bool {
    level > 0.0 && log_e >= -libm::log(level)
}

/// 1/e.
fn inverse(log_e: f64) -> f64 {
    libm::exp((-log_e).min(LOG_P_MAX))
}

/// The errors of the lower and of the upper bound: alpha on the side of harm, beta on the other.
fn tails(harm: Harm, estimate: f64, limits: Limits, levels: Levels) -> (f64, f64) {
    let (alpha, beta) = (levels.alpha, levels.beta);
    match harm {
        Harm::Increase => (alpha, beta),
        Harm::Decrease => (beta, alpha),
        Harm::Either if estimate > limits.up => (0.5 * alpha, beta),
        Harm::Either if estimate < limits.down => (beta, 0.5 * alpha),
        Harm::Either => (beta, beta),
    }
}

/// The difference of the arms over all intervals, with bounds that hold at every look.
fn effect(seen: &Seen, scale: Scale, harm: Harm, limits: Limits, levels: Levels) -> Decision {
    let estimate = estimate(scale, seen.sum());
    let tails = tails(harm, estimate, limits, levels);
    let (low, high) = seen.bounds(scale, tails);
    Decision {
        label: Label::Undecided,
        estimate,
        low: low.min(estimate),
        high: high.max(estimate),
        confidence: (1.0 - tails.0 - tails.1).clamp(0.0, 1.0),
        evidence: Evidence {
            p_harm: 1.0,
            alpha: levels.alpha,
            p_safe: 1.0,
            beta: levels.beta,
        },
        spread: 0.0,
    }
}

fn estimate(scale: Scale, sum: Both) -> f64 {
    let [canary, baseline] = [sum.canary, sum.baseline].map(|arm| arm.bad / arm.total);
    match scale {
        Scale::LogRatio if canary <= 0.0 && baseline <= 0.0 => 0.0,
        Scale::LogRatio => libm::log(canary / baseline),
        Scale::Difference => canary - baseline,
    }
}

/// The difference of the ratios, for a relative limit that nothing can be measured against.
fn difference(seen: &Seen, levels: Levels, thinned: [Rate; 2]) -> Decision {
    let limits = Limits::shift(0.0);
    let shown = effect(seen, Scale::Difference, Harm::Increase, limits, levels);
    Decision {
        spread: spread(Scale::Difference, thinned),
        ..shown
    }
}

/// One standard deviation of the estimate, for the power rule alone.
fn spread(scale: Scale, [canary, baseline]: [Rate; 2]) -> f64 {
    match scale {
        Scale::LogRatio => Conditional { canary, baseline }.spread(),
        Scale::Difference => Likelihood {
            canary,
            baseline,
            margin: Margin::Difference,
        }
        .spread(),
    }
}

/// The same if the canary were at the limit; the larger of both where either change is harm.
fn spread_there(scale: Scale, thinned: [Rate; 2], (limits, harm): (Limits, Harm)) -> f64 {
    let margin = match scale {
        Scale::LogRatio => Margin::LogRatio,
        Scale::Difference => Margin::Difference,
    };
    let at = |limit| rates::spread_at(margin, thinned, limit);
    match harm {
        Harm::Increase => at(limits.up),
        Harm::Decrease => at(limits.down),
        Harm::Either => at(limits.up).max(at(limits.down)),
    }
}

/// What is shown of harm: the whole time where its interval lies beyond the limit, else the last
/// intervals in which the canary lies furthest beyond it, with a note.
fn shown_by(
    out: &mut Finding,
    seen: &Seen,
    (scale, moved): (Scale, Moved),
    whole: Decision,
) -> Decision {
    let (harm, limits) = (out.harm, moved.harm);
    let up = harm == Harm::Increase || (harm == Harm::Either && whole.estimate >= 0.0);
    let (shown, value, side) = if up {
        (whole.low > limits.up, limits.up, Side::Above)
    } else {
        (whole.high < limits.down, limits.down, Side::Below)
    };
    let (length, sum) = seen.since_onset(line_at(scale, value), side);
    let held = sum.canary.total > 0.0 && sum.baseline.total > 0.0;
    if shown || length >= seen.len() || !held {
        return whole;
    }
    let late = seen.last(length);
    let levels = Levels {
        alpha: moved.kept * whole.evidence.alpha,
        beta: moved.kept * whole.evidence.beta,
        alpha_whole: whole.evidence.alpha,
    };
    let shown = effect(&late, scale, harm, limits, levels);
    if !finding::is_beyond(shown.estimate, limits, harm) {
        return whole;
    }
    out.test = "sequential counts, late onset";
    out.notes.push(format!(
        "shown by the last {length} of {} intervals",
        seen.len()
    ));
    Decision {
        estimate: shown.estimate,
        low: shown.low,
        high: shown.high,
        confidence: shown.confidence,
        ..whole
    }
}

/// What more time would bring: the tests go on with intervals like those so far, and the first
/// look that decides is named.
fn needs(tests: &Tests, seen: &Seen, (label, levels): (Label, Levels), look: &Look) -> Needs {
    if matches!(label, Label::Worse | Label::Within) {
        return Needs::Nothing;
    }
    let decided = |more: Span, grown: f64| {
        let steps = more.seconds() / look.step().seconds();
        let ahead = seen.sum().times(steps / seen.len().max(1) as f64);
        let (harm, safe) = tests.log_e(|test| seen.log_e_grown(&test.foreseen(ahead), grown));
        let worse = reached(harm, levels.alpha);
        worse || (reached(safe, levels.beta) && !reached(harm, levels.beta))
    };
    let future: Vec<(Span, f64)> = look
        .future()
        .map(|(more, grown, _)| (more, grown))
        .collect();
    let (mut first, mut last) = (0, future.len());
    let sure = future
        .last()
        .is_some_and(|&(more, grown)| decided(more, grown));
    if !sure {
        return Needs::MoreThanThereIs;
    }
    // Evidence that is decided at the end is decided from some look on.
    while first < last {
        let middle = usize::midpoint(first, last);
        let now = future.get(middle);
        if now.is_some_and(|&(more, grown)| decided(more, grown)) {
            last = middle;
        } else {
            first = middle + 1;
        }
    }
    if let Some(&(more, _)) = future.get(first) {
        return Needs::Time(more);
    }
    Needs::MoreThanThereIs
}
