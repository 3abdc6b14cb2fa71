//! What the terms of the mixture have in common at one instant, whatever the data are.

use super::gains::Gains;
use super::lanes::{LANES, Lanes, blocks, each};
use super::{EFFECTS, Model, PRIOR_COUNT, Span};

/// Shared by every sequence that was observed at the same instants.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Per block and onset.
    pub(super) terms: Vec<Terms>,
    /// Per block: ln of the determinant.
    pub(super) ln_det: Vec<Lanes>,
    /// Points of the grid.
    pub(super) points: usize,
    /// Onsets that have seen something.
    pub(super) live: usize,
    /// Degrees of freedom: values that are there, and the prior's.
    pub(super) count: f64,
    /// The same as a whole number.
    pub(super) whole_count: u32,
    /// What makes the weight of the first onset 1 (natural logarithm).
    pub(super) ln_from_start: f64,
    /// Two thirds of the prior, and nothing for what fills the last block.
    prior: Vec<Lanes>,
    onset: Vec<f64>,
    /// Room for what one sequence works out.
    pub(super) fits: Vec<Fit>,
}

/// The terms of a block of points and one onset, per effect.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Terms {
    /// The prior and the determinant of the mean, (1 + γ C)^(-1/2), doubled: half-normal.
    pub(super) scale: [Lanes; EFFECTS.len()],
    /// 1/(C + 1/γ).
    pub(super) shrink: [Lanes; EFFECTS.len()],
}

/// A block of points under the values of one sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Σ e²/F, the prior included.
    pub(super) square: Lanes,
    /// ln of the likelihood of a mean of zero.
    pub(super) ln_null: Lanes,
}

impl Weights {
    /// At the instant of `gains`.
    pub fn new(model: &Model, gains: &Gains) -> Self {
        let doubled = 2.0 / EFFECTS.len() as f64;
        let ln_prior = model.noise.ln_prior.iter();
        let mut prior = blocks(ln_prior.map(|ln| doubled * libm::exp(*ln)));
        let real = model.noise.len();
        for idx in real..prior.len() * LANES {
            prior[idx / LANES][idx % LANES] = 0.0;
        }
        let mut out = Self {
            terms: vec![Terms::default(); gains.regressors.len()],
            ln_det: vec![[0.0; LANES]; prior.len()],
            points: real,
            live: 0,
            count: PRIOR_COUNT,
            whole_count: 0,
            ln_from_start: -model.onsets.ln_weight[0],
            prior,
            onset: model
                .onsets
                .ln_weight
                .iter()
                .map(|ln| libm::exp(*ln))
                .collect(),
            fits: Vec::new(),
        };
        out.renew(model, gains);
        out
    }

    /// How many onsets count, and ln of what makes their weights 1.
    pub(super) fn asked(&self, span: Span) -> (usize, f64) {
        match span {
            Span::AnyOnset => (self.live, 0.0),
            Span::FromStart => (self.live.min(1), self.ln_from_start),
        }
    }

    /// The same at a later instant, without new memory.
    pub fn renew(&mut self, model: &Model, gains: &Gains) {
        let width = gains.width();
        // An onset at the instant that comes next has seen nothing yet.
        let seen = |start: &&usize| **start < gains.time();
        self.live = model.onsets.starts.iter().take_while(seen).count();
        self.count = PRIOR_COUNT + gains.present() as f64;
        self.whole_count = whole(self.count);
        for (block, points) in gains.points().iter().enumerate() {
            self.ln_det[block] = each(|l| points.ln_det(l));
            for m in 0..self.live {
                let square = &gains.regressors[block * width + m].square;
                let prior = self.prior[block].map(|prior| prior * self.onset[m]);
                let terms = &mut self.terms[block * width + m];
                for (e, effect) in EFFECTS.into_iter().enumerate() {
                    let spread = square.map(|square| effect * square + 1.0);
                    terms.shrink[e] = spread.map(|spread| effect / spread);
                    // A column that has met only gaps says nothing.
                    terms.scale[e] = each(|l| {
                        let known = if square[l] > 0.0 { prior[l] } else { 0.0 };
                        known / spread[l].sqrt()
                    });
                }
            }
        }
    }
}

/// A count as a whole number.
fn whole(count: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of values, far below 2^32; saturates"
    )]
    let whole = count as u32;
    whole
}
