//! What the filters do over a stretch of instants, worked out once for every sequence that is
//! observed at them.

use super::Model;
use super::gains::Gains;
use super::lanes::Lanes;

/// The gains over a stretch of instants.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Which instants have a value.
    pub(super) present: Vec<bool>,
    /// How many have.
    pub(super) held: usize,
    /// Points of the grid.
    pub(super) points: usize,
    /// Per block: correlation per step.
    pub(super) rho: Vec<Lanes>,
    /// Per block and held instant.
    pub(super) filters: Vec<Filters>,
    /// Per block, onset and held instant: what a residual adds to its sum.
    pub(super) factors: Vec<Lanes>,
    /// Per onset: the held instants before it begins.
    pub(super) before: Vec<usize>,
}

/// A block of filters at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filters {
    /// 1 / variance of the next residual.
    pub(super) precision: Lanes,
    /// How far the next residual moves the prediction.
    pub(super) gain: Lanes,
}

impl Course {
    /// Takes the gains over the next instants, and keeps what they were; uses old room.
    pub fn run(&mut self, model: &Model, gains: &mut Gains, present: impl Iterator<Item = bool>) {
        self.present.clear();
        self.present.extend(present);
        self.held = self.present.iter().filter(|there| **there).count();
        self.points = model.noise.len();
        let (blocks, width, held) = (gains.points().len(), gains.width(), self.held);
        self.rho.clear();
        self.rho
            .extend(gains.points().iter().map(|points| points.rho));
        self.filters.resize(blocks * held, Filters::default());
        self.factors.resize(blocks * width * held, Lanes::default());
        self.before.clear();
        self.before.resize(width, held);
        let mut at = 0;
        for there in &self.present {
            if !there {
                gains.skip(model);
                continue;
            }
            let live = gains.live();
            for before in &mut self.before[..live] {
                *before = (*before).min(at);
            }
            for (block, points) in gains.points().iter().enumerate() {
                self.filters[block * held + at] = Filters {
                    precision: points.precision,
                    gain: points.gain,
                };
                let row = block * width;
                for m in row..row + live {
                    self.factors[m * held + at] = gains.factors[m];
                }
            }
            gains.observe(model);
            at += 1;
        }
    }
}
