//! Laws of series: what a metric of both arms looks like, sample by sample, under which noise.
//!
//! The first twenty-one are the reference set on which the judges of `docs/evidence.md` were first
//! compared; the others are noise between its grid points, transients that are no regression, and
//! bursts that only the canary has. All levels are 100.

use crate::evaluate::chance::Chance;
use crate::evaluate::trial::Arms;

/// The level of every series.
pub(super) const LEVEL: f64 = 100.0;

/// The usual coefficient of variation.
const SD: f64 = 0.10;

/// What a law is told about the trial it draws.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// Grid points.
    pub points: usize,
    /// Minutes between grid points.
    pub step_min: f64,
    /// By what the canary's level is multiplied at each grid point.
    pub up: &'a [f64],
    /// A standard normal number that stays the same for the trial and for its history.
    pub lasting: f64,
}

/// Values of both arms.
pub(super) type Pair = Arms<Vec<f64>>;

/// Draws one trial of a law.
pub(super) type Law = Box<dyn Fn(&mut Chance, &Shape<'_>) -> Pair + Send + Sync>;

impl Shape<'_> {
    fn up(&self, idx: usize) -> f64 {
        self.up.get(idx).copied().unwrap_or(1.0)
    }

    /// Where in the trial a grid point lies, 0 to 1.
    fn share(&self, idx: usize) -> f64 {
        idx as f64 / (self.points.max(2) - 1) as f64
    }

    /// Both arms from one factor each per grid point.
    fn both(&self, mut factors: impl FnMut(usize) -> (f64, f64)) -> Pair {
        let mut pair = Arms {
            baseline: Vec::with_capacity(self.points),
            canary: Vec::with_capacity(self.points),
        };
        for idx in 0..self.points {
            let (baseline, canary) = factors(idx);
            pair.baseline.push(LEVEL * baseline);
            pair.canary.push(LEVEL * self.up(idx) * canary);
        }
        pair
    }
}

/// A law whose samples are independent in time and between the arms.
pub(super) fn independent(
    draw: impl Fn(&mut Chance) -> f64 + Send + Sync + Clone + 'static,
) -> Law {
    Box::new(move |chance, shape| shape.both(|_| (draw(chance), draw(chance))))
}

/// Normal noise around 1.
pub(super) fn normal(chance: &mut Chance) -> f64 {
    1.0 + SD * chance.normal()
}

/// Lognormal noise around 1 in the median.
pub(super) fn lognormal(sigma: f64) -> impl Fn(&mut Chance) -> f64 + Send + Sync + Clone {
    move |chance| libm::exp(sigma * chance.normal())
}

/// Multiplicative noise with Student's tails, 2.5 degrees of freedom.
pub(super) fn student(chance: &mut Chance) -> f64 {
    libm::exp((0.08 * chance.student(2.5)).clamp(-5.0, 5.0))
}

/// Six samples in ten are zero, the rest lognormal.
pub(super) fn mostly_zero(chance: &mut Chance) -> f64 {
    if chance.uniform() < 0.6 {
        0.0
    } else {
        libm::exp(0.5 * chance.normal())
    }
}

/// A cache that hits or misses: three samples in ten at three times the level.
pub(super) fn bimodal(chance: &mut Chance) -> f64 {
    let level = if chance.uniform() < 0.3 { 3.0 } else { 1.0 };
    level * libm::exp(SD * chance.normal())
}

/// A law whose arms each follow a noise of their own, on the log scale.
pub(super) fn apart(
    baseline: impl Fn(&mut Chance, usize) -> Vec<f64> + Send + Sync + 'static,
    canary: impl Fn(&mut Chance, usize) -> Vec<f64> + Send + Sync + 'static,
) -> Law {
    Box::new(move |chance, shape| {
        let (b, c) = (baseline(chance, shape.points), canary(chance, shape.points));
        shape.both(|idx| (exp_at(&b, idx), exp_at(&c, idx)))
    })
}

/// As [`apart`], the same noise law for both.
pub(super) fn alike(
    noise: impl Fn(&mut Chance, usize) -> Vec<f64> + Send + Sync + Clone + 'static,
) -> Law {
    apart(noise.clone(), noise)
}

fn exp_at(logs: &[f64], idx: usize) -> f64 {
    libm::exp(logs.get(idx).copied().unwrap_or(0.0))
}

/// AR(1) noise with correlation `rho` and standard deviation `sd`.
pub(super) fn ar(
    rho: f64,
    sd: f64,
) -> impl Fn(&mut Chance, usize) -> Vec<f64> + Send + Sync + Clone {
    move |chance, points| scaled(chance.correlated(points, rho), sd)
}

/// White noise with standard deviation `sd`.
pub(super) fn white(sd: f64) -> impl Fn(&mut Chance, usize) -> Vec<f64> + Send + Sync + Clone {
    move |chance, points| (0..points).map(|_| sd * chance.normal()).collect()
}

/// AR(1) noise that makes up `share` of a variance of `sd`², white noise the rest.
pub(super) fn ar_and_white(
    rho: f64,
    share: f64,
    sd: f64,
) -> impl Fn(&mut Chance, usize) -> Vec<f64> + Send + Sync + Clone {
    move |chance, points| {
        let slow = scaled(chance.correlated(points, rho), sd * share.sqrt());
        let fast = white(sd * (1.0 - share).sqrt())(chance, points);
        slow.iter()
            .zip(fast)
            .map(|(slow, fast)| slow + fast)
            .collect()
    }
}

/// A rate over `window` steps, sampled at every step.
pub(super) fn overlap(
    window: usize,
) -> impl Fn(&mut Chance, usize) -> Vec<f64> + Send + Sync + Clone {
    move |chance, points| scaled(chance.overlapping(points, window), SD)
}

fn scaled(mut values: Vec<f64>, sd: f64) -> Vec<f64> {
    for value in &mut values {
        *value *= sd;
    }
    values
}

/// Slow noise that both arms share, and noise of their own.
pub(super) fn shared(
    common_sd: f64,
    own: impl Fn(&mut Chance, usize) -> Vec<f64> + Send + Sync + 'static,
) -> Law {
    Box::new(move |chance, shape| {
        let common = scaled(chance.correlated(shape.points, 0.9), common_sd);
        let (b, c) = (own(chance, shape.points), own(chance, shape.points));
        shape.both(|idx| {
            let both = exp_at(&common, idx);
            (both * exp_at(&b, idx), both * exp_at(&c, idx))
        })
    })
}

/// A ramp and a sine that both arms follow.
pub(super) fn diurnal() -> Law {
    Box::new(|chance, shape| {
        let (slope, phase) = (chance.between(-1.0, 1.0), chance.uniform());
        shape.both(|idx| {
            let t = shape.share(idx);
            let wave = libm::sin(std::f64::consts::TAU * (1.5 * t + phase));
            let common = libm::exp(0.5 * t * slope + 0.2 * wave);
            (common * normal(chance), common * normal(chance))
        })
    })
}

/// Both arms rise by 60 % at the same instant of the middle half.
pub(super) fn level_shift() -> Law {
    Box::new(|chance, shape| {
        let quarter = shape.points / 4;
        let at = quarter + chance.whole(shape.points.saturating_sub(2 * quarter).max(1));
        shape.both(|idx| {
            let common = if idx >= at { 1.6 } else { 1.0 };
            (common * normal(chance), common * normal(chance))
        })
    })
}

/// Noise that grows from 4 to 12 %, twice as much on the canary.
pub(super) fn growing_noise() -> Law {
    Box::new(|chance, shape| {
        shape.both(|idx| {
            let sd = 0.04 + 0.08 * shape.share(idx);
            (1.0 + sd * chance.normal(), 1.0 + 2.0 * sd * chance.normal())
        })
    })
}

/// Values rounded to tens: many ties.
pub(super) fn quantised() -> Law {
    Box::new(|chance, shape| {
        let mut pair = shape.both(|_| (normal(chance), normal(chance)));
        for value in pair.baseline.iter_mut().chain(&mut pair.canary) {
            // Halves to even, as the reference does.
            *value = (*value / 10.0).round_ties_even() * 10.0;
        }
        pair
    })
}

/// The mean of twenty pods against one.
pub(super) fn replicas() -> Law {
    const SIGMA: f64 = 0.3;
    let pod = |chance: &mut Chance| libm::exp(SIGMA * chance.normal() - SIGMA * SIGMA / 2.0);
    Box::new(move |chance, shape| {
        shape.both(|_| {
            let pods: f64 = (0..20).map(|_| pod(chance)).sum();
            (pods / 20.0, pod(chance))
        })
    })
}

/// Spikes of 3 to 8 times the level over 1 to 4 samples, beginning at one sample in fifty.
pub(super) fn spikes() -> Law {
    Box::new(|chance, shape| {
        let (b, c) = (
            spike_factors(chance, shape.points, |_| 0.02),
            spike_factors(chance, shape.points, |_| 0.02),
        );
        shape.both(|idx| {
            let noise = (
                libm::exp(SD * chance.normal()),
                libm::exp(SD * chance.normal()),
            );
            (noise.0 * factor(&b, idx), noise.1 * factor(&c, idx))
        })
    })
}

fn factor(factors: &[f64], idx: usize) -> f64 {
    factors.get(idx).copied().unwrap_or(1.0)
}

/// The factor of each sample: where a spike begins with the probability given it lasts 1 to 4
/// samples; of spikes that overlap the higher counts.
fn spike_factors(chance: &mut Chance, points: usize, begins: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut out = vec![1.0_f64; points];
    for idx in 0..points {
        let (begun, long, height) = (
            chance.uniform() < begins(idx),
            1 + chance.whole(4),
            chance.between(3.0, 8.0),
        );
        if begun {
            for value in out.iter_mut().skip(idx).take(long) {
                *value = value.max(height);
            }
        }
    }
    out
}

/// The canary's host is better or worse by a lasting few percent.
pub(super) fn host() -> Law {
    Box::new(|chance, shape| {
        let host = 1.0 + 0.02 * shape.lasting;
        shape.both(|_| (normal(chance), host * normal(chance)))
    })
}

/// The canary begins 30 % above the baseline, which decays with 3 minutes.
pub(super) fn cold_start(rho: f64) -> Law {
    transient(rho, |minute| 1.0 + 0.3 * libm::exp(-minute / 3.0))
}

/// The canary is 20 % below the baseline for 20 minutes, then equal.
pub(super) fn better_first(rho: f64) -> Law {
    transient(rho, |minute| if minute < 20.0 { 0.8 } else { 1.0 })
}

fn transient(rho: f64, course: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Law {
    let noise = ar(rho, SD);
    Box::new(move |chance, shape| {
        let (b, c) = (noise(chance, shape.points), noise(chance, shape.points));
        shape.both(|idx| {
            let minute = idx as f64 * shape.step_min;
            (exp_at(&b, idx), course(minute) * exp_at(&c, idx))
        })
    })
}

/// Bursts that only the canary has. The strength is the share of samples that are 3 to 8 times as
/// high: `up` − 1 at each grid point. Both arms have `noise`, and spikes in `common` of samples.
pub(super) fn burst(rho: f64, common: f64) -> Law {
    let noise = ar(rho, SD);
    Box::new(move |chance, shape| {
        let (b, c) = (noise(chance, shape.points), noise(chance, shape.points));
        let spikes = |chance: &mut Chance| spike_factors(chance, shape.points, |_| common);
        let (common_b, common_c) = (spikes(chance), spikes(chance));
        // A burst lasts 2.5 samples on average.
        let own = spike_factors(chance, shape.points, |idx| (shape.up(idx) - 1.0) / 2.5);
        let mut pair = Shape { up: &[], ..*shape }.both(|idx| {
            let baseline = exp_at(&b, idx) * factor(&common_b, idx);
            (baseline, exp_at(&c, idx) * factor(&common_c, idx))
        });
        for (value, own) in pair.canary.iter_mut().zip(own) {
            *value *= own;
        }
        pair
    })
}
