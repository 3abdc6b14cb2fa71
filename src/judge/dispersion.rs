//! How much more counts scatter than independent events would: retries and shared causes come
//! in clusters.

/// Shrinkage toward 1, as so many halves of a residual: with it the count tests kept their level
/// on Poisson and on clustered counts in simulation (`docs/statistics.md`).
const PRIOR: f64 = 5.0;

/// One block of time: events on the canary out of the events on both arms, and the share of the
/// canary that is expected of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Events on the canary.
    pub canary: f64,
    /// Events on both arms.
    pub both: f64,
    /// The expected share of the canary, in 0 ..= 1.
    pub share: f64,
}

/// The factor by which variances exceed the binomial ones, at least 1.
///
/// Pearson's statistic of the canary's share of each block's events: what hits both arms alike
/// cancels. Below what chance explains (two standard deviations of the estimate) it is 1; above,
/// it is raised by a safety that falls with the number of blocks.
pub fn dispersion(blocks: &[Block]) -> f64 {
    let mut sum = 0.0;
    let mut used = 0.0;
    for block in blocks {
        let variance = block.both * block.share * (1.0 - block.share);
        if variance > 0.0 {
            let gap = block.canary - block.both * block.share;
            sum += gap * gap / variance;
            used += 1.0;
        }
    }
    if used < 2.0 {
        return 1.0;
    }
    let freedom = used - 1.0;
    let estimate = (PRIOR + 0.5 * sum) / (PRIOR + 0.5 * freedom);
    let df = PRIOR + 0.5 * freedom;
    if estimate > 1.0 + 2.0 * libm::sqrt(2.0 / df) {
        estimate * (1.0 + 1.5 / libm::sqrt(df))
    } else {
        1.0
    }
}
