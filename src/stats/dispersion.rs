//! How large may the clusters be in which bad events come? Evidence against large ones.
//!
//! Counts of neighbouring blocks of time that agree too well speak against large clusters. For
//! each factor of [`DISPERSIONS`] the likelihood of the squared differences is kept; trends and
//! incidents only make differences larger, so they never count as evidence that clusters are
//! small.

/// By how much the variance of bad events exceeds their mean: the factors that are considered.
pub const DISPERSIONS: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

/// How plausible each is beforehand. Chosen in simulation: with these, neither independent nor
/// clustered counts reach more than their level, with history or without (`docs/statistics.md`).
pub const PLAUSIBLE: [f64; 6] = [0.6, 0.2, 0.1, 0.05, 0.03, 0.02];

/// Share of block pairs that anything may happen to: a common incident begins or ends.
const JUMPS: f64 = 0.05;

/// Log likelihoods of the dispersions, from squared standardised differences.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scatter {
    log_likelihoods: [f64; DISPERSIONS.len()],
}

impl Scatter {
    /// One squared difference in units of its variance under independence, among `events` events:
    /// one event cannot tell a cluster, so the factor that they can show is
    /// events · φ / (events + φ - 1). `weight` below one for differences that share a block.
    pub fn add(&mut self, squared: f64, events: f64, weight: f64) {
        if events <= 1.0 || !squared.is_finite() {
            return;
        }
        for (sum, phi) in self.log_likelihoods.iter_mut().zip(DISPERSIONS) {
            let factor = events * phi / (events + phi - 1.0);
            let usual = libm::exp(-0.5 * squared / factor) / libm::sqrt(factor);
            let jump = 1.0 / libm::sqrt(1.0 + events);
            *sum += weight * libm::log((1.0 - JUMPS) * usual + JUMPS * jump);
        }
    }

    /// ln of the evidence against each dispersion in favour of the smaller ones: a mixture of the
    /// likelihoods up to it, divided by its own. 0 for the smallest.
    pub fn too_large(&self) -> [f64; DISPERSIONS.len()] {
        let mut out = [0.0; DISPERSIONS.len()];
        for (idx, evidence) in out.iter_mut().enumerate() {
            let own = self.log_likelihoods.get(idx).copied().unwrap_or(0.0);
            let upto = self.log_likelihoods.iter().zip(PLAUSIBLE).take(idx + 1);
            let (mut sum, mut all) = (0.0, 0.0);
            for (log, plausible) in upto {
                sum += plausible * libm::exp((log - own).min(700.0));
                all += plausible;
            }
            *evidence = libm::log(sum / all);
        }
        out
    }
}

/// ln of the mean of two pieces of evidence of the same kind.
pub fn mean_evidence(
    one: [f64; DISPERSIONS.len()],
    two: [f64; DISPERSIONS.len()],
) -> [f64; DISPERSIONS.len()] {
    let mut out = one;
    for (mean, other) in out.iter_mut().zip(two) {
        let (low, high) = (mean.min(other), mean.max(other));
        *mean = high + libm::log(0.5 * (1.0 + libm::exp(low - high)));
    }
    out
}
