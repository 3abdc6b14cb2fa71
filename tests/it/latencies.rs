//! Requests with latencies, in buckets: the tests' own traffic with known truth.

use crate::judge_plans::Noise;

/// Bucket bounds in seconds, a selection of the usual ones.
pub(crate) const BOUNDS: [f64; 8] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// What is done to the requests of one arm.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    /// Requests in each interval, on average.
    pub(crate) requests: f64,
    /// All latencies are multiplied by it.
    pub(crate) slower: f64,
    /// Requests beyond 500 ms are so many times as frequent.
    pub(crate) tail: f64,
    /// Variance over mean of the counts beyond 250 ms; 1 is Poisson.
    pub(crate) clusters: f64,
}

pub(crate) const PLAIN: Traffic = Traffic {
    requests: 3_000.0,
    slower: 1.0,
    tail: 1.0,
    clusters: 1.0,
};

/// Shares of requests per bucket: lognormal, median 80 ms, 1 % beyond 500 ms.
fn shares(slower: f64) -> Vec<f64> {
    let beyond = |bound: f64| {
        let z = libm::log(bound / (0.08 * slower)) / 0.8;
        0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
    };
    let mut before = 1.0;
    let ends = BOUNDS.into_iter().map(beyond).chain([0.0]);
    ends.map(|end| std::mem::replace(&mut before, end) - end)
        .collect()
}

/// Clusters of geometric size with this variance over mean.
fn clustered(noise: &mut Noise, mean: f64, dispersion: f64) -> f64 {
    if dispersion <= 1.0 {
        return many(noise, mean);
    }
    let size = 0.5 * (dispersion + 1.0);
    let mut left = many(noise, mean / size);
    let mut sum = 0.0;
    while left > 0.0 {
        sum += 1.0 + (libm::log(noise.uniform()) / libm::log1p(-1.0 / size)).floor();
        left -= 1.0;
    }
    sum
}

/// A Poisson deviate of any mean.
fn many(noise: &mut Noise, mean: f64) -> f64 {
    if mean < 200.0 {
        noise.poisson(mean)
    } else {
        (mean + libm::sqrt(mean) * noise.normal()).round().max(0.0)
    }
}

/// Counts per bucket in one interval.
pub(crate) fn interval(noise: &mut Noise, traffic: Traffic) -> Vec<f64> {
    (0..)
        .zip(shares(traffic.slower))
        .map(|(idx, share)| {
            let tail = if idx >= 5 { traffic.tail } else { 1.0 };
            let clusters = if idx >= 4 { traffic.clusters } else { 1.0 };
            clustered(noise, traffic.requests * share * tail, clusters)
        })
        .collect()
}

/// The interpolated median of counts per bucket.
pub(crate) fn median(cells: &[f64]) -> f64 {
    let half = 0.5 * cells.iter().sum::<f64>();
    let mut below = 0.0;
    let mut left = 0.0;
    for (bound, cell) in BOUNDS.iter().zip(cells) {
        if below + cell >= half {
            return left + (bound - left) * (half - below) / cell;
        }
        below += cell;
        left = *bound;
    }
    left
}
