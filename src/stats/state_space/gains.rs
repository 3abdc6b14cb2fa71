//! What the filters of a noise class do whatever the data are.

use super::Model;
use super::lanes::{LANES, Lanes, blocks, each};

/// The state of all filters of a [`Model`] after so many samples, as far as it follows from which
/// samples were there, not from their values.
#[derive(Clone, Debug, PartialEq)]
pub struct Gains {
    /// Samples seen, missing ones included.
    time: usize,
    /// Samples that were there.
    present: usize,
    /// Onsets that have begun.
    live: usize,
    /// The points of the grid in blocks. What is left of the last block is white noise again,
    /// which changes no maximum, and has no weight in any sum.
    points: Vec<Points>,
    /// Per block and onset.
    pub(super) regressors: Vec<Regressors>,
    /// Per block and onset: what the next residual adds to its sum.
    pub(super) factors: Vec<Lanes>,
    width: usize,
}

/// A block of filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Points {
    /// Correlation per step.
    pub(super) rho: Lanes,
    /// Variance of what AR(1) adds per step.
    added: Lanes,
    /// Variance of the white part.
    white: Lanes,
    /// Variance of the predicted AR(1) part.
    variance: Lanes,
    /// Sum of ln of the residuals' variances, but for the last few.
    settled_ln_det: Lanes,
    /// The product of the last few precisions.
    pending: Lanes,
    /// 1 / variance of the next residual.
    pub(super) precision: Lanes,
    /// How far the next residual moves the prediction.
    pub(super) gain: Lanes,
}

/// A product of so many precisions is far from overflow: none is above 1/(1 - ρ²) ≤ 10⁶.
const PRODUCT_OF: usize = 32;

impl Points {
    /// Sum of ln of the residuals' variances.
    pub(super) fn ln_det(&self, lane: usize) -> f64 {
        self.settled_ln_det[lane] - libm::log(self.pending[lane])
    }

    fn settle(&mut self) {
        for lane in 0..LANES {
            self.settled_ln_det[lane] = self.ln_det(lane);
            self.pending[lane] = 1.0;
        }
    }
}

/// The column of ones from an onset on, as a block of filters sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Regressors {
    /// Its prediction.
    predicted: Lanes,
    /// Σ w²/F.
    pub(super) square: Lanes,
    /// Σ w w₀/F with the column from the start.
    pub(super) cross: Lanes,
}

impl Gains {
    /// Before the first sample.
    pub fn new(model: &Model) -> Self {
        let width = model.onsets.starts.len();
        let rho = blocks(model.noise.rho.iter().copied());
        let share = blocks(model.noise.share.iter().copied());
        let points: Vec<Points> = rho
            .into_iter()
            .zip(share)
            .map(|(rho, share)| Points {
                rho,
                added: each(|l| share[l] * (1.0 - rho[l] * rho[l])),
                white: share.map(|share| 1.0 - share),
                variance: share,
                settled_ln_det: [0.0; LANES],
                pending: [1.0; LANES],
                precision: [1.0; LANES],
                gain: [0.0; LANES],
            })
            .collect();
        let mut out = Self {
            time: 0,
            present: 0,
            live: 0,
            regressors: vec![Regressors::default(); points.len() * width],
            factors: vec![[0.0; LANES]; points.len() * width],
            points,
            width,
        };
        out.prepare(model);
        out
    }

    /// Samples seen, missing ones included.
    pub fn time(&self) -> usize {
        self.time
    }

    /// Samples that were there.
    pub fn present(&self) -> usize {
        self.present
    }

    /// Onsets that have begun.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Onsets of the model.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Where a point and an onset are kept: the number of the block's entry, and the lane.
    pub(super) fn place(&self, point: usize, onset: usize) -> (usize, usize) {
        (point / LANES * self.width + onset, point % LANES)
    }

    pub(super) fn points(&self) -> &[Points] {
        &self.points
    }

    /// After a sample that is there. The states that share these gains take it first.
    pub fn observe(&mut self, model: &Model) {
        let live = self.live;
        for (block, points) in self.points.iter_mut().enumerate() {
            let row = block * self.width;
            let regressors = &mut self.regressors[row..row + live];
            let first = regressors.first().map_or([0.0; LANES], |r| r.predicted);
            let first = first.map(|predicted| 1.0 - predicted);
            let (rho, gain, precision) = (points.rho, points.gain, points.precision);
            for regressor in regressors {
                let w = regressor.predicted.map(|predicted| 1.0 - predicted);
                let weighed = each(|l| w[l] * precision[l]);
                for l in 0..LANES {
                    regressor.square[l] += w[l] * weighed[l];
                    regressor.cross[l] += first[l] * weighed[l];
                    regressor.predicted[l] = rho[l] * regressor.predicted[l] + gain[l] * w[l];
                }
            }
            for l in 0..LANES {
                points.pending[l] *= precision[l];
                let kept = 1.0 - points.variance[l] * precision[l];
                points.variance[l] = rho[l] * rho[l] * points.variance[l] * kept + points.added[l];
            }
        }
        self.present += 1;
        self.time += 1;
        if self.present.is_multiple_of(PRODUCT_OF) {
            self.points.iter_mut().for_each(Points::settle);
        }
        self.prepare(model);
    }

    /// After a sample that is missing.
    pub fn skip(&mut self, model: &Model) {
        for (block, points) in self.points.iter_mut().enumerate() {
            let row = block * self.width;
            for regressor in &mut self.regressors[row..row + self.live] {
                for l in 0..LANES {
                    regressor.predicted[l] *= points.rho[l];
                }
            }
            for l in 0..LANES {
                let rho = points.rho[l];
                points.variance[l] = rho * rho * points.variance[l] + points.added[l];
            }
        }
        self.time += 1;
        self.prepare(model);
    }

    /// What the next sample will need.
    fn prepare(&mut self, model: &Model) {
        let begun = |start: &&usize| **start <= self.time;
        self.live = model.onsets.starts.iter().take_while(begun).count();
        for (block, points) in self.points.iter_mut().enumerate() {
            for l in 0..LANES {
                points.precision[l] = 1.0 / (points.variance[l] + points.white[l]);
                points.gain[l] = points.rho[l] * points.variance[l] * points.precision[l];
            }
            let row = block * self.width;
            let regressors = &self.regressors[row..row + self.live];
            let factors = &mut self.factors[row..row + self.live];
            for (factor, regressor) in factors.iter_mut().zip(regressors) {
                *factor = each(|l| (1.0 - regressor.predicted[l]) * points.precision[l]);
            }
        }
    }
}
