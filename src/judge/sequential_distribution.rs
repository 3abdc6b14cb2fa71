//! Distribution metrics under `judge.method: sequential`: is the canary's distribution shifted
//! beyond the limit at any bucket bound?
//!
//! *Worse* is shown by the average of the evidence at all bounds, without choosing one
//! ([`stochastic_order`](crate::stats::stochastic_order)); the bound that carries it is named.
//! *Within* needs every bound with enough observations of the baseline beyond it to be shown short
//! of the limit: the intersection-union principle (Berger, Technometrics 24, 1982). With a
//! `threshold` that bound alone is judged, and some others are shown.
//!
//! Both are valid at every look together, so nothing is spent over looks.

use crate::judge::classify::{self, Decision, Limits};
use crate::judge::counts;
use crate::judge::finding::{self, ACCEPTED, Scale};
use crate::judge::judgement::{ArmSummary, Evidence, Finding, Label, Needs};
use crate::judge::look::{Levels, Look};
use crate::judge::order_blocks::Blocks;
use crate::judge::order_offset::{Allowed, HealthyShapes};
use crate::judge::order_tests::{self, Direction, Tested};
use crate::judge::shapes::Shapes;
use crate::judge::windows::{self, MetricData, MetricWindow};
use crate::plan::{MetricPlan, Plan, Queries};
use crate::stats::order_limits::{MIXTURES, difference_limits, difference_of, log_ratio_limits};
use crate::stats::stochastic_order::Beyond;
use crate::time::Span;
use crate::units::{Harm, MinEffect, trim_number};

/// *Within* waits while the evidence of harm is above this many nats (statistics of the series
/// test, 5.7): a late onset must not be promoted on the data from before it.
const HARM_WAITS: f64 = 1.0;

/// 1/e is shown up to this, as of counts; less evidence for something is not told apart.
const LOG_P_MAX: f64 = 600.0;

/// Bounds beside the judged one that a note shows.
const SHOWN_MAX: usize = 4;

/// Observations of the baseline beyond a bound for it to be shown.
const SHOWN_MIN: f64 = 10.0;

/// A dispersion from which a note speaks of clusters.
const CLUSTERED: f64 = 3.0;

/// What is known of a distribution metric beside the window that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The bucket counts of the same metric from before the start; they tell how observations
    /// cluster and wander.
    pub past: Option<&'a Shapes>,
    /// How far apart healthy arms may lie.
    pub healthy: &'a HealthyShapes,
}

/// The finding of a distribution metric; of a metric that is none, no data.
pub fn find(
    plan: &Plan,
    metric: &MetricPlan,
    window: &MetricWindow,
    beside: Beside<'_>,
    look: &Look,
) -> Finding {
    let MetricData::Distribution { intervals, shapes } = &window.data else {
        return finding::blank(metric, ArmSummary::default(), ArmSummary::default());
    };
    let threshold = match metric.queries {
        Queries::Distribution { threshold, .. } => threshold,
        Queries::Series { .. } | Queries::Events { .. } => None,
    };
    let range = windows::judged_range(plan, look.covered_to);
    let judged = windows::judged_intervals(plan, intervals, look.covered_to);
    let (mut out, enough) = counts::gather(metric, window, &judged);
    let step = look.step();
    let mut blocks = match threshold {
        Some(threshold) => Blocks::of_counts(threshold, intervals, range, step),
        None => Blocks::of_shapes(shapes, range, step),
    };
    if enough && blocks.bounds.is_empty() {
        out.no_data = Some("the arms have no bucket bound in common".to_owned());
        out.needs = Needs::Data(1);
    }
    if out.no_data.is_some() {
        if threshold.is_none() {
            (out.baseline.level, out.baseline.bad) = (None, Some(0));
            (out.canary.level, out.canary.bad) = (None, Some(0));
        }
        return out;
    }
    if let Some(past) = beside.past {
        blocks.learn(past, step);
    }
    let test = Test::new(plan, metric, &blocks, beside.healthy, look);
    test.settle(&mut out, plan, look);
    if out.evidence.is_some() {
        out.notes.extend(beside.healthy.note());
    }
    if threshold.is_some() {
        let range = windows::judged_range(plan, look.covered_to);
        others(
            &mut out,
            metric,
            &Blocks::of_shapes(shapes, range, step),
            threshold,
        );
    }
    out
}

/// Everything a look says about one distribution.
struct Test<'a> {
    metric: &'a MetricPlan,
    blocks: &'a Blocks,
    tested: Vec<Tested>,
    allowed: Allowed,
    only: bool,
    alpha: f64,
    beta: f64,
}

impl<'a> Test<'a> {
    fn new(
        plan: &Plan,
        metric: &'a MetricPlan,
        blocks: &'a Blocks,
        healthy: &HealthyShapes,
        look: &Look,
    ) -> Self {
        let only = !metric.queries.is_whole_distribution();
        let alpha = look.levels(plan, metric).alpha_whole;
        let beta = plan.judge.false_promote.get();
        let planned = plan.timing.deadline.since(plan.timing.judged_from).ms();
        let horizon = u32::try_from(planned / blocks.length.ms().max(1)).unwrap_or(u32::MAX);
        let directions = Direction::all(metric.min_effect, metric.harm);
        let levels = Levels {
            alpha,
            beta,
            alpha_whole: alpha,
        };
        let allowed = Allowed::new(metric, blocks, healthy, levels);
        let run = |direction| order_tests::run(blocks, (direction, &allowed), horizon, beta, only);
        Self {
            metric,
            blocks,
            tested: directions.into_iter().map(run).collect(),
            allowed,
            only,
            alpha,
            beta,
        }
    }

    /// ln of the e-value of harm: of two directions each has half of it, and a share of the error
    /// goes to where the limit lies.
    fn log_harm(&self) -> f64 {
        let now = self.tested.iter().map(|t| t.order.log_harm());
        now.fold(f64::NEG_INFINITY, f64::max) - self.halves() + self.allowed.ln_kept()
    }

    fn halves(&self) -> f64 {
        libm::log(self.tested.len().max(1) as f64)
    }

    /// The considered bound that is least shown to be safe: its index and ln e.
    fn least_safe(&self) -> Option<(usize, f64)> {
        let each = self.tested.iter().flat_map(|t| t.safety.iter().enumerate());
        each.filter(|(_, safety)| safety.considered)
            .map(|(idx, safety)| (idx, safety.log_e))
            .reduce(|l, r| if r.1 < l.1 { r } else { l })
    }

    /// The highest bound that lies beyond the limit without being able to show it.
    fn suspicious(&self) -> Option<usize> {
        let each = self.tested.iter().flat_map(|t| t.safety.iter().enumerate());
        each.filter(|(_, safety)| safety.suspicious)
            .map(|(idx, _)| idx)
            .max()
    }

    /// What was seen lies beyond the limit at a bound. Evidence of safety from before a late onset
    /// outweighs its first minutes, which may pass as a burst; a promote must not rest on that.
    fn lies_beyond(&self) -> bool {
        self.tested.iter().any(|tested| {
            let mut each = tested.safety.iter().enumerate();
            each.any(|(idx, safety)| {
                let limit = self.allowed.expected(idx, tested.direction);
                safety.considered && order_tests::lies_beyond(limit, self.blocks.total(idx))
            })
        })
    }

    fn label(&self) -> Label {
        let safe = self
            .least_safe()
            .map_or(f64::NEG_INFINITY, |(_, log_e)| log_e);
        if self.alpha > 0.0 && self.log_harm() >= -libm::log(self.alpha) {
            Label::Worse
        } else if self.tested.is_empty()
            || (safe >= -libm::log(self.beta)
                && self.log_harm() < HARM_WAITS
                && self.suspicious().is_none()
                && !self.lies_beyond())
        {
            Label::Within
        } else {
            Label::Undecided
        }
    }

    /// The direction whose evidence of harm is larger.
    fn leading(&self) -> Option<&Tested> {
        let larger = |l: &'_ Tested, r: &'_ Tested| r.order.log_harm_most() > l.order.log_harm();
        self.tested
            .iter()
            .reduce(|l, r| if larger(l, r) { r } else { l })
    }

    /// The bound to show: the one that carries the evidence of harm when there is any, else the
    /// one that is least safe, else the highest with observations enough to be shown.
    fn shown(&self, label: Label) -> usize {
        let telling = self.leading().map_or(0, |tested| tested.order.telling());
        if label == Label::Worse || self.log_harm() >= HARM_WAITS {
            return telling;
        }
        if let Some((idx, _)) = self.least_safe() {
            return idx;
        }
        let enough = |seen: &Beyond| seen.baseline >= SHOWN_MIN;
        self.blocks.totals.iter().rposition(enough).unwrap_or(0)
    }

    fn settle(&self, out: &mut Finding, plan: &Plan, look: &Look) {
        let label = self.label();
        let idx = self.shown(label);
        let seen = self.blocks.total(idx);
        (out.baseline.level, out.baseline.bad) = level(seen.baseline, seen.baseline_all);
        (out.canary.level, out.canary.bad) = level(seen.canary, seen.canary_all);
        if self
            .blocks
            .totals
            .iter()
            .all(|t| t.canary <= 0.0 && t.baseline <= 0.0)
        {
            return counts::none_bad(out, &self.decide(Label::Within, idx).0);
        }
        out.test = if self.only {
            "sequential binomial"
        } else {
            "sequential stochastic order"
        };
        (out.baseline.spark, out.canary.spark) = self.sparks(idx);
        let (decision, scale) = self.decide(label, idx);
        out.label = label;
        out.evidence = Some(decision.evidence);
        let has_level = seen.baseline > 0.0;
        let shown_level = out.baseline.level.filter(|_| has_level);
        out.effect = Some(finding::effect(&decision, scale, shown_level));
        self.note(out, label, idx);
        let wanted = plan.accepts_no_harm(self.metric);
        let wanted = wanted.filter(|_| label == Label::Undecided);
        if let Some(wanted) = wanted
            && let Some((at, power)) = self.accepts(wanted.get())
        {
            out.label = Label::Within;
            let percent = trim_number((power * 1000.0).floor() / 10.0);
            out.notes.push(format!(
                "{ACCEPTED}: power to find the limit beyond {}: {percent} %, {wanted} asked for",
                self.bound_text(at)
            ));
            return;
        }
        out.needs = self.needs(label, plan, look);
    }

    /// The effect at one bound on the scale of the limit. With several bounds each has the share
    /// of alpha that its weight is, so that the interval holds whichever bound is shown.
    fn decide(&self, label: Label, idx: usize) -> (Decision, Scale) {
        let seen = self.blocks.total(idx);
        let weight = self
            .leading()
            .map_or(1.0, |tested| libm::exp(tested.order.log_weight(idx)));
        let kept = self.allowed.kept();
        let alpha = kept * self.alpha * weight / self.tested.len().max(1) as f64;
        let beta = kept * self.beta;
        let estimate = log_ratio_of(seen);
        let tails = match self.metric.harm {
            Harm::Increase => (alpha, beta),
            Harm::Decrease => (beta, alpha),
            Harm::Either => (alpha.min(beta), alpha.min(beta)),
        };
        let prior = self.blocks.prior(idx);
        let bounds = log_ratio_limits(&self.blocks.at(idx, false), prior, tails);
        let (low, high) = (bounds.0.min(estimate), bounds.1.max(estimate));
        let relative = matches!(self.metric.min_effect, MinEffect::Relative(_));
        let scale = if relative && seen.baseline > 0.0 {
            Scale::LogRatio
        } else {
            Scale::Difference
        };
        let dispersion = self.blocks.dispersion(idx);
        let (estimate, low, high) = match scale {
            Scale::LogRatio => (estimate, low, high),
            Scale::Difference => {
                let (low, high) = difference_limits((low, high), seen, dispersion, tails);
                (difference_of(estimate, seen), low, high)
            }
        };
        // Without a baseline a relative limit is none on the scale shown.
        let comparable = !relative || scale == Scale::LogRatio;
        let (low, high) = if comparable {
            self.agree(label, idx, (low, high), estimate)
        } else {
            (low, high)
        };
        let safe = self
            .least_safe()
            .map_or(f64::NEG_INFINITY, |(_, log_e)| log_e);
        let p = |log_e: f64| libm::exp((-log_e).min(LOG_P_MAX));
        let decision = Decision {
            label,
            estimate,
            low: low.min(estimate),
            high: high.max(estimate),
            confidence: (1.0 - tails.0 - tails.1).clamp(0.0, 1.0),
            evidence: Evidence {
                p_harm: p(self.log_harm()),
                alpha: self.alpha,
                p_safe: p(safe),
                beta: self.beta,
            },
            spread: 0.0,
        };
        (decision, scale)
    }

    /// Bounds of the effect that say what the label says.
    fn agree(&self, label: Label, idx: usize, bounds: (f64, f64), estimate: f64) -> (f64, f64) {
        let agree =
            |limits: Limits| classify::agree(label, bounds, limits, self.metric.harm, estimate);
        match label {
            Label::Worse => agree(self.allowed.limits_of_harm(idx)),
            Label::Undecided if self.allowed.kept() < 1.0 => {
                self.allowed.undecided(idx, bounds, estimate)
            }
            Label::Within | Label::Undecided | Label::Lagging | Label::NoData => {
                agree(self.allowed.limits_of_safety(idx))
            }
        }
    }

    /// The shares beyond one bound, block by block.
    fn sparks(&self, idx: usize) -> (Vec<f64>, Vec<f64>) {
        let at = self.blocks.at(idx, false);
        let shares = |part: fn(&Beyond) -> f64, all: fn(&Beyond) -> f64| {
            let held = at.iter().filter(|beyond| all(beyond) > 0.0);
            finding::spark(&held.map(|b| part(b) / all(b)).collect::<Vec<_>>())
        };
        (
            shares(|b| b.baseline, |b| b.baseline_all),
            shares(|b| b.canary, |b| b.canary_all),
        )
    }

    fn note(&self, out: &mut Finding, label: Label, idx: usize) {
        let at = |idx: usize| {
            let shares = order_tests::shares(self.blocks.total(idx));
            format!("beyond {}: {shares}", self.bound_text(idx))
        };
        out.notes.push(at(idx));
        out.notes.extend(self.allowed.note(idx));
        let failing = self.least_safe().filter(|_| label == Label::Undecided);
        match failing {
            Some((least, _)) if least != idx => {
                out.notes
                    .push(format!("not shown within the limit {}", at(least)));
            }
            None if label == Label::Undecided => {
                out.notes
                    .push("no bound has enough observations beyond it yet".to_owned());
            }
            Some(_) | None => {}
        }
        if let Some(beyond) = self
            .suspicious()
            .filter(|b| label != Label::Worse && *b != idx)
        {
            out.notes.push(format!("too few to tell {}", at(beyond)));
        }
        let dispersion = self.blocks.dispersion(idx);
        let known = self.blocks.total(idx).baseline >= SCATTER_KNOWN;
        if dispersion >= CLUSTERED && known && self.blocks.blocks.len() >= BLOCKS_KNOWN {
            let factor = trim_number((dispersion * 10.0).round() / 10.0);
            out.notes.push(format!(
                "observations beyond it come in clusters: variance about {factor} times Poisson"
            ));
        }
        if let Harm::Decrease = self.metric.harm {
            out.notes
                .push("less beyond a bound is harm here".to_owned());
        }
    }

    fn bound_text(&self, idx: usize) -> String {
        let bound = self.blocks.bounds.get(idx).copied().unwrap_or(0.0);
        bound_text(bound, &self.metric.unit)
    }

    /// "No harm found, with this power": a bound that would have shown a difference of the limit,
    /// while no bound shows any difference.
    fn accepts(&self, wanted: f64) -> Option<(usize, f64)> {
        if self.suspicious().is_some() {
            return None;
        }
        let mut best: Option<(usize, f64)> = None;
        for tested in &self.tested {
            let bounds = 0..self.blocks.bounds.len();
            let alpha = self.alpha / self.tested.len() as f64;
            let plain = bounds.map(|idx| {
                let least = self.allowed.least(idx, tested.direction);
                order_tests::plain(self.blocks, idx, least, alpha)
            });
            for (idx, (harm_found, power)) in plain.enumerate() {
                if harm_found {
                    return None;
                }
                // The highest bound that could have told.
                if power >= wanted {
                    best = Some((idx, power));
                }
            }
        }
        best
    }

    /// Evidence grows with the data, less what the mixtures cost at first; a bound that has too few
    /// observations needs so many more.
    fn needs(&self, label: Label, plan: &Plan, look: &Look) -> Needs {
        if matches!(label, Label::Worse | Label::Within) {
            return Needs::Nothing;
        }
        let grown = |log_e: f64, level: f64| {
            let rate = log_e + MIXTURES;
            (rate > 0.0).then(|| (MIXTURES - libm::log(level)) / rate)
        };
        let harm = Some(self.log_harm())
            .filter(|log_e| *log_e > 0.0)
            .and_then(|log_e| grown(log_e, self.alpha));
        let safe = match self.least_safe() {
            Some((_, log_e)) => grown(log_e, self.beta),
            None => self
                .tested
                .iter()
                .flat_map(|tested| &tested.safety)
                .map(|safety| safety.growth)
                .reduce(f64::min),
        };
        let factor = harm.into_iter().chain(safe).fold(f64::INFINITY, f64::min);
        let age = look.age().seconds().max(self.blocks.length.seconds());
        let more = whole_seconds((factor.max(1.0) - 1.0) * age);
        let least = self.blocks.length;
        let left = plan
            .timing
            .deadline
            .minus(plan.timing.lag)
            .since(look.covered_to);
        more.map(|more| more.max(least))
            .filter(|more| *more <= left)
            .map_or(Needs::MoreThanThereIs, Needs::Time)
    }
}

/// ln of the ratio of the shares beyond a bound; 0 when nothing is.
fn log_ratio_of(seen: Beyond) -> f64 {
    if seen.canary <= 0.0 && seen.baseline <= 0.0 {
        return 0.0;
    }
    libm::log(seen.canary / seen.canary_all.max(1.0) * seen.baseline_all.max(1.0) / seen.baseline)
}

/// Blocks, and observations of the baseline, from which the dispersion is worth a word.
const BLOCKS_KNOWN: usize = 5;
const SCATTER_KNOWN: f64 = 50.0;

fn level(beyond: f64, all: f64) -> (Option<f64>, Option<u64>) {
    let share = (all > 0.0).then(|| beyond / all);
    (share, Some(counts::whole(beyond)))
}

/// `None` beyond a year.
fn whole_seconds(seconds: f64) -> Option<Span> {
    const YEAR: f64 = 3.2e7;
    #[expect(clippy::cast_possible_truncation, reason = "less than a year")]
    let whole = libm::ceil(seconds.min(YEAR)) as i64;
    (seconds < YEAR).then(|| Span::from_s(whole))
}

/// `500 ms`
fn bound_text(bound: f64, unit: &str) -> String {
    let number = trim_number(bound);
    if unit.is_empty() || unit.contains('%') {
        number
    } else {
        format!("{number} {unit}")
    }
}

/// What lies beyond some other bounds, for people.
fn others(out: &mut Finding, metric: &MetricPlan, blocks: &Blocks, threshold: Option<f64>) {
    let enough = |idx: &usize| {
        let seen = blocks.total(*idx);
        seen.baseline.max(seen.canary) >= SHOWN_MIN && seen.baseline < seen.baseline_all
    };
    let is_other = |idx: &usize| blocks.bounds.get(*idx).copied() != threshold;
    let all: Vec<usize> = (0..blocks.bounds.len())
        .filter(enough)
        .filter(is_other)
        .collect();
    let texts: Vec<String> = all
        .iter()
        .skip(all.len().saturating_sub(SHOWN_MAX))
        .map(|idx| {
            let bound = blocks.bounds.get(*idx).copied().unwrap_or(0.0);
            let shares = order_tests::shares(blocks.total(*idx));
            format!("{} {shares}", bound_text(bound, &metric.unit))
        })
        .collect();
    if !texts.is_empty() {
        out.notes
            .push(format!("beyond other bounds: {}", texts.join("; ")));
    }
}
