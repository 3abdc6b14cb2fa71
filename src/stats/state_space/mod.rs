//! An always-valid test of the mean of a noisy, autocorrelated sequence: the state-space
//! t-mixture.
//!
//! The sequence is `x_t = μ + σ (√s u_t + √(1-s) w_t)` with `u` a stationary AR(1) process of
//! correlation `ρ` per step and `w` white noise. `σ` is unknown; `(ρ, s)` is any point of a grid,
//! the [`NoiseClass`]. Against "the mean is at most zero" stands a mixture over the grid, over
//! the size of the mean in units of `σ` ([`EFFECTS`]) and over the moment from which the mean is
//! there ([`Onsets`]).
//!
//! For one point of the grid, null and alternative are integrated over `σ` with the right Haar
//! prior, so that their ratio is the likelihood ratio of the maximal invariant and a test
//! martingale for every `σ` (Pérez-Ortiz, Lardy, de Heide and Grünwald 2024, Annals of
//! Statistics 52). The denominator is the maximum over the grid (universal inference: Wasserman,
//! Ramdas and Balakrishnan 2020, PNAS 117), so the ratio is an e-process for the whole class, and
//! by Ville's inequality it ever reaches `1/α` with probability at most `α`.
//!
//! What depends on no data (the Kalman gains, the weights of the regressors) is in [`Gains`] and
//! shared by all sequences observed at the same instants; [`State`] is what one of them adds.

mod course;
mod evidence;
mod exact;
mod gains;
mod lanes;
mod state;
mod told;
mod weights;

pub use course::Course;
pub use gains::Gains;
pub use lanes::Lanes;
pub use state::{Mean, State};
pub use told::history_ln_likelihood;
pub use weights::Weights;

/// Prior variances of the mean in units of the noise's variance, equally weighted: small, like
/// the noise, and large (the pilot of the specification; half-normal above zero).
pub const EFFECTS: [f64; 3] = [0.1, 1.0, 10.0];

/// Observations that the prior of the scale counts for.
pub const PRIOR_COUNT: f64 = 2.0;

/// The prior's scale, on the contrast's range -1 ..= 1: no noise is taken to be much below 1 %,
/// so that constant and quantised series prove nothing by being constant.
pub const PRIOR_SCALE: f64 = 0.01;

/// Correlations per step that are tried below the largest.
const CORRELATIONS: [f64; 6] = [0.3, 0.5, 0.65, 0.8, 0.9, 0.95];

/// Prior weight of white noise; the rest of the grid shares the remainder.
const WHITE_WEIGHT: f64 = 0.3;

/// A share of explained variance is below 1; rounding must not make it 1.
const LARGEST_SHARE: f64 = 1.0 - 1e-15;

/// The direction in which the mean may leave zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Evidence that the mean is above.
    Above,
    /// Evidence that the mean is below.
    Below,
}

impl Side {
    fn sign(self) -> f64 {
        match self {
            Self::Above => 1.0,
            Self::Below => -1.0,
        }
    }
}

/// Which onsets count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// All of the model.
    AnyOnset,
    /// The first value only.
    FromStart,
}

/// Which noise the null allows.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseClass {
    rho: Vec<f64>,
    share: Vec<f64>,
    ln_prior: Vec<f64>,
}

impl NoiseClass {
    /// White noise, and AR(1) noise of the usual correlations below `rho_max` and of `rho_max`
    /// itself (0 ..< 1), each for the given shares of its variance (0 < share ≤ 1).
    pub fn new(rho_max: f64, shares: &[f64]) -> Self {
        let mut points = vec![(0.0, 1.0)];
        let below = CORRELATIONS.into_iter().filter(|rho| *rho < rho_max - 1e-9);
        for rho in below.chain((rho_max > 0.0).then_some(rho_max)) {
            points.extend(shares.iter().map(|share| (rho, *share)));
        }
        let others = points.len() - 1;
        let ln_prior = |idx: usize| match (idx, others) {
            (0, 0) => 0.0,
            (0, _) => libm::log(WHITE_WEIGHT),
            _ => libm::log((1.0 - WHITE_WEIGHT) / others as f64),
        };
        Self {
            ln_prior: (0..points.len()).map(ln_prior).collect(),
            rho: points.iter().map(|point| point.0).collect(),
            share: points.iter().map(|point| point.1).collect(),
        }
    }

    /// The points: (correlation per step, share of the variance).
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.rho.iter().copied().zip(self.share.iter().copied())
    }

    /// How many points there are; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.rho.len()
    }

    /// Variance of a mean of many values relative to that of one, times their number.
    pub fn long_run_variance(&self, point: usize) -> f64 {
        let (rho, share) = (self.rho[point], self.share[point]);
        share * (1.0 + rho) / (1.0 - rho) + 1.0 - share
    }
}

/// From which sample on the mean may be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Onsets {
    starts: Vec<usize>,
    ln_weight: Vec<f64>,
}

impl Onsets {
    /// From the first sample on.
    pub fn at_start() -> Self {
        Self {
            starts: vec![0],
            ln_weight: vec![0.0],
        }
    }

    /// Half of the weight on the first sample, the rest on every `every`-th below `horizon`.
    pub fn every(every: usize, horizon: usize) -> Self {
        let starts: Vec<usize> = (0..horizon.max(1)).step_by(every.max(1)).collect();
        let others = starts.len() - 1;
        let ln_weight = |idx: usize| match (idx, others) {
            (_, 0) => 0.0,
            (0, _) => libm::log(0.5),
            _ => libm::log(0.5 / others as f64),
        };
        Self {
            ln_weight: (0..starts.len()).map(ln_weight).collect(),
            starts,
        }
    }

    /// The samples at which it may begin, rising.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }
}

/// A noise class with the onsets that are looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The noise.
    pub noise: NoiseClass,
    /// The onsets.
    pub onsets: Onsets,
}
