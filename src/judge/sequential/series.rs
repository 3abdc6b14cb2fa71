//! Series metrics: from the values of both arms to a finding.

use crate::judge::classify::{self, Decision, Limits};
use crate::judge::finding::{self, Scale};
use crate::judge::judgement::{Evidence, Finding, Label, Needs};
use crate::judge::look::{Levels, Look};
use crate::judge::mann_whitney::{self, Arms};
use crate::judge::sequential::background::{Background, Learnt};
use crate::judge::sequential::contrast::Contrast;
use crate::judge::sequential::memory::{Detail, Direction, Followed, Memory, Shape, Sided};
use crate::judge::sequential::offset::{self, Offset};
use crate::judge::sequential::pairs::{Pairs, ZEROS_BY};
use crate::judge::sequential::track;
use crate::judge::windows::Windows;
use crate::plan::{MetricPlan, Plan, Queries};
use crate::stats::state_space::{Gains, Mean, Model, Side, Weights};
use crate::time::Span;
use crate::units::{Harm, MinEffect};

/// Noise may be correlated over this long, whatever the step: the slowest of the sources the
/// specification was calibrated on (rates over a few minutes, slow neighbours).
const SLOWEST: Span = Span::from_s(150);

/// Onsets are looked for every so often, and at least [`ONSETS`] times an analysis.
const ONSET_EVERY: Span = Span::from_s(300);

/// See [`ONSET_EVERY`].
const ONSETS: usize = 12;

/// Pairs below which nothing is worse, or within: the prior of the noise still outweighs them.
pub(super) const PAIRS_MIN: u64 = 5;

/// Values after which a slow noise is more than chance.
const SLOW_FROM: usize = 40;

/// Harm is not so much as hinted at: the e-value is below e.
const HINT: f64 = 1.0;

/// What a metric needs to be followed, or why it cannot be.
fn followed<'a>(
    plan: &Plan,
    metric_idx: usize,
    metric: &MetricPlan,
    arms: &'a Arms<'_>,
    (background, learnt): (&Background, &mut Learnt),
) -> Option<Followed<'a>> {
    background.refresh(learnt);
    let (pairs, block) = Pairs::new(&arms.baseline, &arms.canary)?;
    let ups: &[bool] = match metric.harm {
        Harm::Increase => &[true],
        Harm::Decrease => &[false],
        Harm::Either => &[true, false],
    };
    let mut sided = |up: &bool| {
        let contrast = Contrast::new(metric.min_effect, *up, &pairs);
        let levels = (metric.level(&plan.judge), plan.judge.false_promote.get());
        background
            .offset(contrast, learnt)
            .map_or(Sided::exact(contrast), |offset| {
                moved(contrast, offset, levels)
            })
    };
    let contrasts: Vec<Sided> = ups.iter().map(&mut sided).collect();
    let shape = shape(plan, metric, block);
    let said = contrasts.first().map_or(Vec::new(), |sided| {
        background.noise(shape, sided.harm, block, learnt)
    });
    Some(Followed {
        metric_idx,
        pairs,
        contrasts,
        shape,
        said,
    })
}

/// The limit moved by a healthy offset: as far as it may be for harm, as little for safety.
fn moved(contrast: Contrast, offset: Offset, (alpha, beta): (f64, f64)) -> Sided {
    let harmful = if contrast.is_up() { 1.0 } else { -1.0 };
    Sided {
        harm: contrast.moved(offset.centre + harmful * offset.width(alpha)),
        safe: contrast.moved(offset.centre - harmful * offset.width(beta)),
        ln_kept: libm::log(1.0 - offset::SHARE),
    }
}

fn shape(plan: &Plan, metric: &MetricPlan, block: usize) -> Shape {
    let step = plan.timing.step.span().seconds() * block as f64;
    let window = match &metric.queries {
        Queries::Series { query, .. } => range_window(query),
        Queries::Events { .. } | Queries::Distribution { .. } => Span::ZERO,
    };
    let slowest = SLOWEST.seconds().max(window.seconds()).max(2.0 * step);
    let whole = plan
        .timing
        .deadline
        .since(plan.timing.judged_from)
        .seconds();
    let horizon = steps(whole / step).max(1);
    let every = steps(ONSET_EVERY.seconds() / step).max(horizon.div_ceil(ONSETS));
    Shape {
        rho_max: libm::exp(-step / slowest),
        every: every.max(1),
        horizon,
    }
}

/// A number of steps, rounded up.
fn steps(value: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; saturates"
    )]
    let count = value.ceil() as usize;
    count
}

/// The longest range in brackets of a query: values that share samples are correlated that long.
fn range_window(query: &str) -> Span {
    let inside = |rest: &str| {
        let end = rest.find([']', ':'])?;
        Span::parse(rest.get(..end)?.trim())
    };
    let mut longest = Span::ZERO;
    for (at, _) in query.match_indices('[') {
        if let Some(span) = query.get(at + 1..).and_then(inside) {
            longest = longest.max(span);
        }
    }
    longest
}

/// A series metric at one look, before anything is asked of the evidence.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    metric_idx: usize,
    arms: Arms<'a>,
    background: Background,
    finding: Finding,
    enough: bool,
}

impl<'a> Opened<'a> {
    /// `None` when the metric is no series metric, or the windows belong to another plan.
    pub fn new(
        plan: &Plan,
        windows: &'a Windows,
        metric_idx: usize,
        detail: Detail,
    ) -> Option<Self> {
        let (baseline, canary) = windows.judged_series(plan, metric_idx)?;
        let arms = Arms { baseline, canary };
        let metric = plan.metrics.get(metric_idx)?;
        let window = windows.metrics.get(metric_idx)?;
        let reads = detail == Detail::Full;
        let (finding, enough) = mann_whitney::opening(metric, window, &arms, reads);
        Some(Self {
            metric_idx,
            background: Background::new(plan, windows, metric_idx),
            arms,
            finding,
            enough,
        })
    }

    /// What the memory has to follow; nothing when data are missing. What it learnt from history
    /// at earlier looks is not worked out again.
    pub fn followed(&self, plan: &Plan, memory: &mut Memory) -> Option<Followed<'_>> {
        let metric = plan.metrics.get(self.metric_idx).filter(|_| self.enough)?;
        let beside = (&self.background, memory.learnt(self.metric_idx));
        followed(plan, self.metric_idx, metric, &self.arms, beside)
    }
}

/// The finding of a series metric that the memory has followed up to this look.
pub fn find(
    plan: &Plan,
    open: Opened<'_>,
    (look, memory): (&Look, &mut Memory),
) -> Option<Finding> {
    let metric = plan.metrics.get(open.metric_idx)?;
    let Opened {
        metric_idx,
        arms,
        background,
        finding: mut out,
        enough,
    } = open;
    if !enough || mann_whitney::settled_by_convention(&mut out, plan, metric, &arms, look) {
        return Some(out);
    }
    let detail = memory.detail();
    let Some((group, at)) = memory.of(metric_idx) else {
        out.label = Label::Undecided;
        out.notes.push(format!(
            "both arms are often zero at once: {ZEROS_BY} values are needed to tell how often"
        ));
        out.needs = Needs::Data(1);
        return Some(out);
    };
    let (model, gains, weights, member) = group.parts(at);
    let mut view = View {
        detail,
        plan,
        metric,
        look,
        model,
        gains,
        weights,
    };
    out.notes.extend(background.note());
    view.judge(&mut out, &member.directions, member.said());
    Some(out)
}

/// One metric at one look.
struct View<'a> {
    detail: Detail,
    plan: &'a Plan,
    metric: &'a MetricPlan,
    look: &'a Look,
    model: &'a Model,
    gains: &'a Gains,
    weights: &'a mut Weights,
}

/// What one direction says.
struct Said<'a> {
    direction: &'a Direction,
    harm: track::Harm,
    safety: f64,
}

impl View<'_> {
    fn judge(&mut self, out: &mut Finding, directions: &[Direction], history: &[f64]) {
        let levels = self.levels();
        let said = self.said(directions, history);
        let worst = said
            .iter()
            .max_by(|a, b| a.harm.ln_e.total_cmp(&b.harm.ln_e));
        let Some(worst) = worst else {
            return;
        };
        let (ln_e, safety) = both(&said);
        let evidence = Evidence {
            p_harm: libm::exp(-ln_e),
            alpha: levels.alpha,
            p_safe: libm::exp(-safety),
            beta: levels.beta,
        };
        let pairs = worst.direction.harm.pairs();
        let mean = worst
            .direction
            .harm
            .mean(self.model, (self.gains, self.weights), 0);
        let slow = mean.is_some_and(|mean| mean.slowest) && self.gains.present() >= SLOW_FROM;
        let worse = evidence.p_harm <= levels.alpha && pairs >= PAIRS_MIN;
        let safe = evidence.p_safe <= levels.beta && ln_e < HINT && pairs >= PAIRS_MIN;
        let label = match (worse, safe) {
            (true, _) => Label::Worse,
            (_, true) if !slow => Label::Within,
            _ => Label::Undecided,
        };
        out.test = if worse && worst.harm.by_bursts {
            "sequential bursts"
        } else {
            "sequential t-mixture"
        };
        self.notes(out, worst, mean, label, slow && safe);
        let contrast = worst.direction.harm.contrast();
        if let (MinEffect::Relative(_), Contrast::Difference { margin, .. }) =
            (self.metric.min_effect, contrast)
        {
            out.notes.push(format!(
                "some values are below zero: the limit is {} of the baseline's level as a fixed {}",
                self.metric.min_effect,
                crate::units::trim_number(margin)
            ));
        }
        let (decision, scale, limits) =
            self.decision(label, evidence, (worst, &said), (mean, history));
        out.canary.n_eff = worth(out.canary.n, mean);
        out.baseline.n_eff = worth(out.baseline.n, mean);
        finding::show(out, &decision, scale);
        if ln_e < HINT && !slow {
            finding::accept(out, (self.plan, self.metric), &decision, limits, levels);
        }
        if out.label == Label::Undecided && self.detail == Detail::Full {
            out.needs = self.needs(&said, (ln_e, safety), levels, slow);
        }
    }

    /// What each direction says.
    fn said<'d>(&mut self, directions: &'d [Direction], history: &[f64]) -> Vec<Said<'d>> {
        let each = directions.iter().map(|direction| {
            let (gains, weights) = (self.gains, &mut *self.weights);
            let (mut harm, mut safety) = direction.harm.harm_and_safety(gains, weights, history);
            if let Some(safe) = direction.other() {
                safety = safe.safety(gains, weights, history);
            }
            harm.ln_e += direction.ln_kept;
            Said {
                direction,
                harm,
                safety: safety + direction.ln_kept,
            }
        });
        each.collect()
    }

    /// The same at every look: evidence may be read at any time.
    fn levels(&self) -> Levels {
        let whole = self.metric.level(&self.plan.judge);
        Levels {
            alpha: whole,
            beta: self.plan.judge.false_promote.get(),
            alpha_whole: whole,
        }
    }

    fn notes(
        &self,
        out: &mut Finding,
        worst: &Said<'_>,
        mean: Option<Mean>,
        label: Label,
        held_back: bool,
    ) {
        if label == Label::Worse && worst.harm.by_bursts {
            out.notes.push(format!(
                "shown by bursts: up to {} values in a row far beyond the limit; the effect is \
                 that of the level",
                worst.harm.longest_burst
            ));
        } else if label == Label::Worse {
            let onset = worst.direction.harm.onset(self.gains, self.weights);
            let from = self.model.onsets.starts().get(onset).copied().unwrap_or(0);
            if from > 0 {
                let all = self.gains.time();
                out.notes.push(format!(
                    "began late: shown by the last {} of {all} values",
                    all.saturating_sub(from)
                ));
            }
        }
        if held_back && mean.is_some() {
            out.notes.push(
                "the noise looks slower than the judge allows for, so nothing is shown within \
                 the limit"
                    .to_owned(),
            );
        }
    }

    fn decision(
        &mut self,
        label: Label,
        evidence: Evidence,
        (worst, said): (&Said<'_>, &[Said<'_>]),
        (mean, history): (Option<Mean>, &[f64]),
    ) -> (Decision, Scale, Limits) {
        let contrast = worst.direction.harm.contrast();
        let scale = contrast.scale();
        let limits = limits(said);
        let alpha = evidence.alpha / said.len() as f64;
        let levels = (alpha, evidence.beta);
        let read = if self.detail == Detail::Full {
            said
        } else {
            &[]
        };
        let bounds = read.iter().map(|said| {
            let (harm, safe) = (&said.direction.harm, said.direction.safe());
            let kept = libm::exp(said.direction.ln_kept);
            let (gains, weights) = (self.gains, &mut *self.weights);
            let worst = harm.lower(gains, weights, kept * levels.0, history);
            let best = safe.upper(gains, weights, kept * levels.1, history);
            let (worst, best) = (harm.contrast().end(worst), safe.contrast().end(best));
            if harm.contrast().is_up() {
                (worst, best)
            } else {
                (best, worst)
            }
        });
        // In each direction harm is bounded at one end and safety at the other; both directions
        // together bound as tightly as the tighter.
        let (low, high) = bounds.fold((f64::NEG_INFINITY, f64::INFINITY), |all, (low, high)| {
            (all.0.max(low), all.1.min(high))
        });
        let estimate = self.estimate(label, worst, mean);
        let (low, high) = (low.min(estimate), high.max(estimate));
        let spread = mean.map_or(0.0, |mean| {
            let moved = |by: f64| contrast.effect((mean.value + by).clamp(-0.999_999, 0.999_999));
            match scale {
                Scale::LogRatio => 0.5 * (moved(mean.error) - moved(-mean.error)).abs(),
                Scale::Difference => contrast.size() * mean.error,
            }
        });
        // Bursts say nothing of the level, and its interval nothing of them.
        let by_bursts = label == Label::Worse && worst.harm.by_bursts;
        let bounds = if by_bursts {
            (low, high)
        } else {
            classify::agree(label, (low, high), limits, self.metric.harm, estimate)
        };
        let decision = Decision {
            label,
            estimate,
            low: bounds.0,
            high: bounds.1,
            confidence: (1.0 - evidence.alpha - evidence.beta).max(0.0),
            evidence,
            spread,
        };
        (decision, scale, limits)
    }

    /// The effect, from where harm began if it began late.
    fn estimate(&self, label: Label, worst: &Said<'_>, mean: Option<Mean>) -> f64 {
        let late = (label == Label::Worse && !worst.harm.by_bursts)
            .then(|| worst.direction.harm.onset(self.gains, self.weights))
            .and_then(|onset| {
                worst
                    .direction
                    .harm
                    .mean(self.model, (self.gains, self.weights), onset)
            });
        let (lowest, highest) = worst.direction.harm.contrast().range();
        let value = late.or(mean).map_or(0.0, |mean| mean.value);
        worst
            .direction
            .harm
            .contrast()
            .effect(value.clamp(lowest, highest))
    }

    /// What more time would bring: the sooner of harm and safety; `slow` noise does not become
    /// faster with time, so it leaves only harm to be shown.
    fn needs(
        &self,
        said: &[Said<'_>],
        (harm, safety): (f64, f64),
        levels: Levels,
        slow: bool,
    ) -> Needs {
        let step = self.look.step().ms().max(1);
        let every = step.saturating_mul(self.instants_per_value());
        let end = self.plan.timing.deadline.minus(self.plan.timing.lag);
        let left = end.since(self.look.covered_to).ms() / every.max(1);
        let most = usize::try_from(left).unwrap_or(0);
        let forecast = |said: &Said<'_>, side: Side, now: f64, level: f64| {
            let wanted = -libm::log(level);
            (level > 0.0 && most > 0).then_some(())?;
            let track = match side {
                Side::Above => &said.direction.harm,
                Side::Below => said.direction.safe(),
            };
            track.forecast(
                self.model,
                (self.gains, self.weights),
                side,
                (now, wanted),
                most,
            )
        };
        let worse = said
            .iter()
            .filter_map(|said| forecast(said, Side::Above, harm, levels.alpha))
            .min();
        let within: Option<Vec<usize>> = said
            .iter()
            .map(|said| forecast(said, Side::Below, safety, levels.beta))
            .collect();
        let within = within.and_then(|each| each.into_iter().max());
        let within = within.filter(|_| !slow);
        worse
            .into_iter()
            .chain(within)
            .min()
            .map_or(Needs::MoreThanThereIs, |values| {
                let values = i64::try_from(values.max(1)).unwrap_or(i64::MAX);
                Needs::Time(Span::from_ms(values.saturating_mul(every)))
            })
    }

    /// Grid points per value that was taken in.
    fn instants_per_value(&self) -> i64 {
        let length = self
            .look
            .covered_to
            .since(self.plan.timing.judged_from)
            .ms();
        let points = length / self.look.step().ms().max(1);
        let values = i64::try_from(self.gains.time().max(1)).unwrap_or(i64::MAX);
        (points / values).max(1)
    }
}

/// ln of the e-values of all directions together, of harm and of safety: the mean of two e-values
/// is one, and to be within, both directions must be.
fn both(said: &[Said<'_>]) -> (f64, f64) {
    let harm = said.iter().map(|said| said.harm.ln_e);
    let sum = harm.reduce(track::ln_sum).unwrap_or(0.0);
    let safety = said.iter().map(|said| said.safety);
    (
        sum - libm::log(said.len().max(1) as f64),
        safety.fold(f64::INFINITY, f64::min),
    )
}

/// Values left after autocorrelation.
fn worth(n: u64, mean: Option<Mean>) -> f64 {
    mean.map_or(n as f64, |mean| n as f64 / mean.long_run_variance.max(1.0))
}

/// Where harm begins in each direction.
fn limits(said: &[Said<'_>]) -> Limits {
    let mut out = Limits {
        up: f64::INFINITY,
        down: f64::NEG_INFINITY,
    };
    for said in said {
        let contrast = said.direction.harm.contrast();
        if contrast.is_up() {
            out.up = contrast.effect(0.0);
        } else {
            out.down = contrast.effect(0.0);
        }
    }
    out
}
