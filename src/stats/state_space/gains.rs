//! What the filters of a noise class do whatever the data are.

use super::Model;

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
    /// Per point of the grid.
    points: Vec<Point>,
    /// Per point and onset.
    pub(super) regressors: Vec<Regressor>,
    /// Per point and onset: what the next residual adds to its sum.
    pub(super) factors: Vec<f64>,
    width: usize,
}

/// One filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Correlation per step.
    pub(super) rho: f64,
    /// Variance of what AR(1) adds per step.
    added: f64,
    /// Variance of the white part.
    white: f64,
    /// Variance of the predicted AR(1) part.
    variance: f64,
    /// Sum of ln of the residuals' variances.
    pub(super) ln_det: f64,
    /// 1 / variance of the next residual.
    pub(super) precision: f64,
    /// How far the next residual moves the prediction.
    pub(super) gain: f64,
}

/// The column of ones from an onset on, as the filter sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Regressor {
    /// Its prediction.
    predicted: f64,
    /// Σ w²/F.
    pub(super) square: f64,
    /// Σ w w₀/F with the column from the start.
    pub(super) cross: f64,
}

impl Gains {
    /// Before the first sample.
    pub fn new(model: &Model) -> Self {
        let width = model.onsets.starts.len();
        let point = |(rho, share): (f64, f64)| Point {
            rho,
            added: share * (1.0 - rho * rho),
            white: 1.0 - share,
            variance: share,
            ln_det: 0.0,
            precision: 1.0,
            gain: 0.0,
        };
        let points: Vec<Point> = model.noise.points().map(point).collect();
        let mut out = Self {
            time: 0,
            present: 0,
            live: 0,
            regressors: vec![Regressor::default(); points.len() * width],
            factors: vec![0.0; points.len() * width],
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

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    /// After a sample that is there. The states that share these gains take it first.
    pub fn observe(&mut self, model: &Model) {
        for (idx, point) in self.points.iter_mut().enumerate() {
            let row = idx * self.width;
            let first = 1.0 - self.regressors[row].predicted;
            for m in 0..self.live {
                let regressor = &mut self.regressors[row + m];
                let w = 1.0 - regressor.predicted;
                let weighed = w * point.precision;
                regressor.square += w * weighed;
                regressor.cross += first * weighed;
                regressor.predicted = point.rho * regressor.predicted + point.gain * w;
            }
            point.ln_det -= libm::log(point.precision);
            let kept = 1.0 - point.variance * point.precision;
            point.variance = point.rho * point.rho * point.variance * kept + point.added;
        }
        self.present += 1;
        self.time += 1;
        self.prepare(model);
    }

    /// After a sample that is missing.
    pub fn skip(&mut self, model: &Model) {
        for (idx, point) in self.points.iter_mut().enumerate() {
            let row = idx * self.width;
            for regressor in &mut self.regressors[row..row + self.live] {
                regressor.predicted *= point.rho;
            }
            point.variance = point.rho * point.rho * point.variance + point.added;
        }
        self.time += 1;
        self.prepare(model);
    }

    /// What the next sample will need.
    fn prepare(&mut self, model: &Model) {
        let begun = |start: &&usize| **start <= self.time;
        self.live = model.onsets.starts.iter().take_while(begun).count();
        for (idx, point) in self.points.iter_mut().enumerate() {
            point.precision = 1.0 / (point.variance + point.white);
            point.gain = point.rho * point.variance * point.precision;
            let row = idx * self.width;
            let regressors = &self.regressors[row..row + self.live];
            let factors = &mut self.factors[row..row + self.live];
            for (factor, regressor) in factors.iter_mut().zip(regressors) {
                *factor = (1.0 - regressor.predicted) * point.precision;
            }
        }
    }
}
