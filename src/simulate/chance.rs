//! Seeded chance with the distributions the generators are made of.
//!
//! A stream is named by a seed and words, and is a function of nothing else: the same name gives
//! the same numbers on every machine, in whatever order trials are drawn (A6). The bits come from
//! [`Noise`], the counter-based generator of the simulated traffic; transcendental functions are
//! those of `libm`.

use crate::simulate::noise::Noise;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Chance {
    noise: Noise,
    next: u64,
    spare: Option<f64>,
}

/// Mean from which a Poisson number is drawn by transformed rejection; the method is valid from
/// 10 (Hörmann 1993, section 4).
const REJECTION_FROM: f64 = 10.0;

impl Chance {
    /// The stream named by a seed and words.
    pub fn new(seed: u64, words: &[&str]) -> Self {
        Self {
            noise: Noise::new(seed, words),
            next: 0,
            spare: None,
        }
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.next += 1;
        self.noise.uniform(self.next, 0)
    }

    /// Uniform in (`low`, `high`).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A whole number in `0 .. below`; 0 when `below` is 0.
    pub fn whole(&mut self, below: usize) -> usize {
        let at = (self.uniform() * below as f64).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in 0 .. below"
        )]
        let at = at as usize;
        at.min(below.saturating_sub(1))
    }

    /// Standard normal (Box and Muller 1958), two at a time.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.uniform());
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Gamma with `shape` ≥ 1 and scale 1 (Marsaglia and Tsang 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            if v <= 0.0 {
                continue;
            }
            let bound = 0.5 * x * x + d - d * v + d * libm::log(v);
            if libm::log(self.uniform()) < bound {
                return d * v;
            }
        }
    }

    /// Student's t with `df` ≥ 2 degrees of freedom: a normal over the root of a scaled χ².
    pub fn student(&mut self, df: f64) -> f64 {
        let normal = self.normal();
        normal / (2.0 * self.gamma(0.5 * df) / df).sqrt()
    }

    /// Poisson, exact: inversion for small means, else transformed rejection (Hörmann 1993, "The
    /// transformed rejection method for generating Poisson random variables", algorithm PTRS).
    pub fn poisson(&mut self, mean: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        if mean < REJECTION_FROM {
            return self.poisson_by_inversion(mean);
        }
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.024_83 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= v_r {
                return k;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let left = libm::log(v * inverse_alpha / (a / (us * us) + b));
            if left <= k * libm::log(mean) - mean - libm::lgamma(k + 1.0) {
                return k;
            }
        }
    }

    fn poisson_by_inversion(&mut self, mean: f64) -> f64 {
        let target = self.uniform();
        let mut probability = libm::exp(-mean);
        let (mut count, mut cumulated) = (0.0, probability);
        // Past 200 a mean below 10 has no probability a double could show.
        while cumulated < target && count < 200.0 {
            count += 1.0;
            probability *= mean / count;
            cumulated += probability;
        }
        count
    }

    /// Binomial of `n` trials, exact: successes are counted by the gaps between them, which are
    /// geometric (Devroye 1986, X.4.3); O(n·p).
    pub fn binomial(&mut self, n: f64, p: f64) -> f64 {
        if p > 0.5 {
            return n - self.binomial(n, 1.0 - p);
        }
        if p <= 0.0 {
            return 0.0;
        }
        let miss = libm::log1p(-p);
        let (mut at, mut count) = (0.0, 0.0);
        loop {
            at += (libm::log(self.uniform()) / miss).floor() + 1.0;
            if at > n {
                return count;
            }
            count += 1.0;
        }
    }

    /// Failures before the `successes`-th success of probability `p`: a Poisson number whose mean
    /// is a gamma number (Greenwood and Yule 1920).
    pub fn negative_binomial(&mut self, successes: f64, p: f64) -> f64 {
        if successes < 1.0 {
            return 0.0;
        }
        let mean = self.gamma(successes) * (1.0 - p) / p;
        self.poisson(mean)
    }

    /// A stationary AR(1) series of unit variance with correlation `rho` between neighbours.
    pub fn correlated(&mut self, points: usize, rho: f64) -> Vec<f64> {
        let shock = (1.0 - rho * rho).sqrt();
        let mut out = Vec::with_capacity(points);
        let mut before = self.normal();
        for _ in 0..points {
            out.push(before);
            before = rho * before + shock * self.normal();
        }
        out
    }

    /// Means of `window` independent normals that overlap in all but one, scaled to unit variance:
    /// what a rate over `window` steps looks like when it is sampled at every step.
    pub fn overlapping(&mut self, points: usize, window: usize) -> Vec<f64> {
        let shocks: Vec<f64> = (1..points + window).map(|_| self.normal()).collect();
        let scale = (window as f64).sqrt();
        let mean = |part: &[f64]| part.iter().sum::<f64>() / scale;
        shocks.windows(window).map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of 40,000 draws, against those of the distribution; the tolerance is five
    /// standard errors of the mean and a tenth of the variance.
    fn check(what: &str, wanted: (f64, f64), mut draw: impl FnMut(&mut Chance) -> f64) {
        const DRAWS: usize = 40_000;
        let mut chance = Chance::new(3, &["moments", what]);
        let values: Vec<f64> = (0..DRAWS).map(|_| draw(&mut chance)).collect();
        let n = DRAWS as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        let error = 5.0 * (wanted.1 / n).sqrt();
        assert!((mean - wanted.0).abs() <= error, "{what}: mean {mean}");
        let ratio = variance / wanted.1;
        assert!((ratio - 1.0).abs() <= 0.1, "{what}: variance {variance}");
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        check("uniform", (0.5, 1.0 / 12.0), Chance::uniform);
        check("normal", (0.0, 1.0), Chance::normal);
        check("gamma 1.25", (1.25, 1.25), |c| c.gamma(1.25));
        check("gamma 40", (40.0, 40.0), |c| c.gamma(40.0));
        check("student 8", (0.0, 8.0 / 6.0), |c| c.student(8.0));
        for mean in [0.02, 3.0, 9.9, 10.1, 57.0, 3000.0] {
            check(&format!("poisson {mean}"), (mean, mean), |c| {
                c.poisson(mean)
            });
        }
        for (n, p) in [(300.0, 0.002), (150.0, 0.3), (40.0, 0.9)] {
            let wanted = (n * p, n * p * (1.0 - p));
            check(&format!("binomial {n} {p}"), wanted, |c| c.binomial(n, p));
        }
        check("negative binomial", (8.0, 24.0), |c| {
            c.negative_binomial(4.0, 1.0 / 3.0)
        });
        check("whole", (2.5, 35.0 / 12.0), |c| c.whole(6) as f64);
    }

    #[test]
    fn a_name_is_a_stream() {
        let draw = |seed, word| {
            let mut chance = Chance::new(seed, &[word]);
            (0..4)
                .map(|_| chance.normal().to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }
}
