//! What is known of a metric beside the values that are judged: its history, its replicas.

use crate::judge::replicas::{ONE_CANARY, Replica};
use crate::judge::sequential::contrast::Contrast;
use crate::judge::sequential::memory::Shape;
use crate::judge::sequential::offset::{self, Offset};
use crate::judge::sequential::pairs::{Pair, Pairs, Taken};
use crate::judge::windows::{ArmValues, Windows};
use crate::plan::Plan;
use crate::stats::state_space::history_ln_likelihood;
use crate::stats::summary;
use crate::stats::winsor::Winsor;
use crate::time::Span;

/// The history's own trend is a moving mean this long to either side: slower changes are the
/// day's course, which both arms share.
const TREND: Span = Span::from_s(600);

/// Beside the judged values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Background {
    /// Baseline and canary from before the start.
    history: Option<ArmValues>,
    /// The history of both arms is that of two healthy populations.
    healthy: bool,
    /// The replicas of baseline and canary.
    replicas: Option<(Vec<Replica>, Vec<Replica>)>,
    /// Grid points that make up [`TREND`].
    trend: usize,
}

/// What the history of one metric said at an earlier look. It is worked out anew when a value of
/// the history, or anything else that it depends on, is no longer the same.
#[derive(Clone, Debug, Default)]
pub struct Learnt {
    /// The history it was learnt from.
    from: Taken,
    /// Of the noise: what was asked, and what was said.
    noise: Option<(Asked, Vec<f64>)>,
    /// Of the offset: whether ratios were asked for, and what was said.
    offset: Option<(bool, Option<Offset>)>,
}

/// All that the noise of a history depends on beside its values.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    shape: Shape,
    /// Values that make one.
    block: usize,
    /// What differences are divided by; `None` for ratios.
    size: Option<f64>,
    /// See [`Background::trend`].
    trend: usize,
}

impl Background {
    /// Of one metric.
    pub fn new(plan: &Plan, windows: &Windows, metric_idx: usize) -> Self {
        let points = TREND.ms() / plan.timing.step.span().ms().max(1);
        Self {
            history: windows.history_series(plan, metric_idx),
            healthy: plan.history.is_some_and(|history| history.offset),
            replicas: windows.judged_replicas(plan, metric_idx),
            trend: usize::try_from(points).unwrap_or(1).max(1),
        }
    }

    /// Forgets what was learnt from another history.
    pub fn refresh(&self, learnt: &mut Learnt) {
        let same = self.history.as_ref().is_some_and(|(baseline, canary)| {
            let pairs = Pairs::Each(baseline, canary);
            learnt.from.count() == pairs.count() && learnt.from.begin(&pairs)
        });
        if same {
            return;
        }
        *learnt = Learnt::default();
        if let Some((baseline, canary)) = &self.history {
            learnt.from.go_on(&Pairs::Each(baseline, canary));
        }
    }

    /// What the baseline's history says of the noise; empty when there is none. `learnt` has been
    /// refreshed.
    pub fn noise(
        &self,
        shape: Shape,
        contrast: Contrast,
        block: usize,
        learnt: &mut Learnt,
    ) -> Vec<f64> {
        let Some((baseline, _)) = &self.history else {
            return Vec::new();
        };
        let asked = Asked {
            shape,
            block: block.max(1),
            size: match contrast {
                Contrast::Ratio { .. } => None,
                Contrast::Difference { size, .. } => Some(size),
            },
            trend: self.trend,
        };
        match &learnt.noise {
            Some((before, said)) if *before == asked => said.clone(),
            _ => {
                let said = noise(baseline, asked);
                learnt.noise = Some((asked, said.clone()));
                said
            }
        }
    }

    /// The healthy offset of the arms on the scale of the contrast's effect, when something is
    /// known of it. `learnt` has been refreshed.
    pub fn offset(&self, contrast: Contrast, learnt: &mut Learnt) -> Option<Offset> {
        let relative = contrast.is_ratio();
        let of_history = self.history.as_ref().filter(|_| self.healthy);
        let of_history = of_history.and_then(|history| match learnt.offset {
            Some((before, said)) if before == relative => said,
            _ => {
                let said = offset_of(history, relative);
                learnt.offset = Some((relative, said));
                said
            }
        });
        let of_replicas = self.replicas.as_ref().and_then(|(baseline, canary)| {
            let size = match contrast {
                Contrast::Ratio { .. } => 1.0,
                Contrast::Difference { size, .. } => size,
            };
            let (b, c) = (
                offset::levels(baseline, relative),
                offset::levels(canary, relative),
            );
            Offset::of_replicas(&b, &c, size)
        });
        match (of_history, of_replicas) {
            (Some(history), Some(replicas)) => Some(history.or_wider(replicas)),
            (one, other) => one.or(other),
        }
    }

    /// What a reader must know of the replicas.
    pub fn note(&self) -> Option<String> {
        let (_, canary) = self.replicas.as_ref()?;
        let there = |replica: &&Replica| replica.values.iter().any(Option::is_some);
        (canary.iter().filter(there).count() == 1).then(|| ONE_CANARY.to_owned())
    }
}

/// How likely each point of the noise class makes this history.
fn noise(baseline: &[Option<f64>], asked: Asked) -> Vec<f64> {
    let blocks: Vec<Option<f64>> = baseline.chunks(asked.block).map(mean_of).collect();
    let scaled = |value: &Option<f64>| match asked.size {
        None => value.filter(|v| *v > 0.0).map(libm::log),
        Some(size) => value.map(|v| v / size),
    };
    let scaled: Vec<Option<f64>> = blocks.iter().map(scaled).collect();
    let reach = (asked.trend / asked.block).max(1);
    let mut winsor = Winsor::new();
    // The contrast of a ratio moves half as far as its logarithm.
    let unit = if asked.size.is_none() { 0.5 } else { 1.0 };
    let noise: Vec<Option<f64>> = detrended(&scaled, reach)
        .into_iter()
        .map(|value| value.map(|v| winsor.clip(unit * v)))
        .collect();
    history_ln_likelihood(&asked.shape.noise(), &noise)
}

/// How far apart the arms were before the start.
fn offset_of((baseline, canary): &ArmValues, relative: bool) -> Option<Offset> {
    let pairs: Vec<Pair> = baseline
        .iter()
        .zip(canary)
        .map(|(b, c)| Some(((*b)?, (*c)?)))
        .collect();
    Offset::of_history(&offset::differences(&pairs, relative))
}

fn mean_of(chunk: &[Option<f64>]) -> Option<f64> {
    let held: Vec<f64> = chunk.iter().flatten().copied().collect();
    summary::mean(&held)
}

/// Values less the mean of those up to `reach` before and after.
fn detrended(values: &[Option<f64>], reach: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0)];
    for value in values {
        let (sum, count) = sums.last().copied().unwrap_or_default();
        let (v, one) = value.map_or((0.0, 0.0), |v| (v, 1.0));
        sums.push((sum + v, count + one));
    }
    let level = |idx: usize| {
        let (from, to) = (
            idx.saturating_sub(reach),
            (idx + reach + 1).min(values.len()),
        );
        let (low, high) = (sums.get(from)?, sums.get(to)?);
        Some((high.0 - low.0) / (high.1 - low.1))
    };
    values
        .iter()
        .enumerate()
        .map(|(idx, value)| Some((*value)? - level(idx)?))
        .collect()
}
