//! Chance that is a function of a key and an index: no state, so any sample can be made at any
//! time and in any order.

/// How many past shocks an autocorrelated value remembers; at 0.9 the rest weighs 0.9^128 ≈ 1e-6.
const MEMORY: u64 = 128;

/// A stream of chance, named by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    key: u64,
}

impl Noise {
    /// The stream of a seed and the words that name it.
    pub fn new(seed: u64, words: &[&str]) -> Self {
        let mut key = mix(seed);
        for word in words {
            for byte in word.bytes() {
                key = mix(key ^ u64::from(byte));
            }
            key = mix(key ^ 0xFF);
        }
        Self { key }
    }

    /// Uniform in (0, 1), with 53 bits.
    pub fn uniform(self, idx: u64, draw: u64) -> f64 {
        let bits = mix(self.key ^ mix(idx ^ mix(draw))) >> 11;
        (bits as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(self, idx: u64) -> f64 {
        let (u, v) = (self.uniform(idx, 0), self.uniform(idx, 1));
        (-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v)
    }

    /// Standard normal with correlation `rho` between neighbouring indices: the moving-average
    /// form of a stationary AR(1), x = √(1−ρ²) Σ ρ^k ε.
    pub fn correlated(self, idx: u64, rho: f64) -> f64 {
        if rho <= 0.0 {
            return self.normal(idx);
        }
        let (mut sum, mut weight) = (0.0, (1.0 - rho * rho).sqrt());
        for lag in 0..MEMORY {
            sum += weight * self.normal(idx.wrapping_sub(lag));
            weight *= rho;
        }
        sum
    }

    /// Poisson with mean `mean`: inversion below 30, the rounded normal with matching moments
    /// above (its error there is below one part in a hundred of a standard deviation).
    pub fn poisson(self, idx: u64, mean: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        if mean >= 30.0 {
            return (mean + mean.sqrt() * self.normal(idx)).round().max(0.0);
        }
        let target = self.uniform(idx, 2);
        let mut probability = libm::exp(-mean);
        let (mut count, mut cumulated) = (0.0, probability);
        while cumulated < target && count < 1000.0 {
            count += 1.0;
            probability *= mean / count;
            cumulated += probability;
        }
        count
    }
}

/// SplitMix64's finalizer (Steele, Lea and Flood 2014), after adding its increment.
const fn mix(input: u64) -> u64 {
    let mut z = input.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (
            mean,
            values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n,
        )
    }

    #[test]
    fn moments_are_those_promised() {
        let noise = Noise::new(7, &["test"]);
        let normal: Vec<f64> = (0..20_000).map(|i| noise.normal(i)).collect();
        let (mean, variance) = moments(&normal);
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
        for wanted in [0.5, 12.0, 80.0] {
            let counts: Vec<f64> = (0..20_000).map(|i| noise.poisson(i, wanted)).collect();
            let (mean, variance) = moments(&counts);
            assert!((mean / wanted - 1.0).abs() < 0.04, "{wanted}: {mean}");
            assert!(
                (variance / wanted - 1.0).abs() < 0.08,
                "{wanted}: {variance}"
            );
        }
    }

    #[test]
    fn neighbours_correlate_as_asked() {
        let noise = Noise::new(7, &["test"]);
        let values: Vec<f64> = (1000..11_000).map(|i| noise.correlated(i, 0.6)).collect();
        let (_, variance) = moments(&values);
        let lag1 = values.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / values.len() as f64;
        assert!((lag1 / variance - 0.6).abs() < 0.05, "{}", lag1 / variance);
    }
}
