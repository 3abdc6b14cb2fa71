//! What the values of one metric, in one direction of harm, have said so far.

use crate::judge::sequential::contrast::Contrast;
use crate::stats::bursts::Bursts;
use crate::stats::state_space::{Course, Gains, Lanes, Mean, Model, Side, Span, State, Weights};
use crate::stats::winsor::Winsor;

/// Weight of the test of location; bursts have the rest. The evidence of both is averaged, which
/// is an e-value whatever their dependence: 0.8 delays a plain shift by less than a quarter of a
/// natural logarithm, and bursts need two or three values more than with an even split.
const LOCATION_WEIGHT: f64 = 0.8;

/// A burst lies this many robust standard deviations outside of its noise.
const BURST_DEVIATIONS: f64 = 2.0;

/// The baseline's level that bursts are told from is the median of so many of its last values: a
/// few minutes at the usual steps.
const LEVEL_OF: usize = 20;

/// Evidence is never more than this (natural logarithm), so that its exponential stays finite.
const LN_E_MAX: f64 = 700.0;

/// Nor less than this: what is against harm is not told apart any more. It adds at most one
/// billionth to an e-value, which is far below what its bound takes off.
const LN_E_MIN: f64 = -20.0;

/// One metric in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    contrast: Contrast,
    winsor: Winsor,
    state: State,
    bursts: Bursts,
    /// The baseline's last values, in no order.
    recent: Vec<f64>,
    /// Which of them is the oldest.
    oldest: usize,
    /// The most harmless of them, or of a few before them: of the last whole round of `recent` and
    /// of the one that runs.
    nearest: [f64; 2],
    /// Beyond it a contrast may be a burst.
    burst: f64,
    pairs: u64,
}

/// Room to work in.
#[derive(Clone, Debug, Default)]
pub struct Room {
    values: Vec<Option<f64>>,
    residuals: Vec<Lanes>,
}

impl Track {
    /// Before the first pair.
    pub fn new(contrast: Contrast, model: &Model) -> Self {
        Self {
            contrast,
            winsor: Winsor::new(),
            state: State::new(model),
            bursts: Bursts::new(),
            recent: Vec::with_capacity(LEVEL_OF),
            oldest: 0,
            nearest: [harmless_of_none(contrast); 2],
            burst: contrast.burst(),
            pairs: 0,
        }
    }

    /// The contrast it follows.
    pub fn contrast(&self) -> Contrast {
        self.contrast
    }

    /// Pairs taken in.
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// The next instants, as many as the course has: (baseline, canary), or a gap in either.
    pub fn observe(
        &mut self,
        course: &Course,
        pairs: impl Iterator<Item = Option<(f64, f64)>>,
        room: &mut Room,
    ) {
        room.values.clear();
        room.values.extend(pairs.map(|pair| {
            let (baseline, canary) = pair?;
            Some(self.value(baseline, canary))
        }));
        self.state
            .observe_all(course, &room.values, &mut room.residuals);
    }

    /// What the test of location takes of the next pair.
    fn value(&mut self, baseline: f64, canary: f64) -> f64 {
        let contrast = self.contrast.of(baseline, canary);
        let spread = self.winsor.centre_and_deviation();
        self.observe_burst(contrast, spread, (baseline, canary));
        self.remember(baseline);
        self.pairs += 1;
        self.winsor.clip_about_zero(contrast, spread)
    }

    fn remember(&mut self, baseline: f64) {
        if let Some(oldest) = self.recent.get_mut(self.oldest) {
            *oldest = baseline;
        } else {
            self.recent.push(baseline);
        }
        self.oldest += 1;
        if self.oldest == LEVEL_OF {
            self.oldest = 0;
            self.nearest = [self.nearest[1], harmless_of_none(self.contrast)];
        }
        self.nearest[1] = self.more_harmless(self.nearest[1], baseline);
    }

    /// Of two of the baseline's values the one that less stands out against.
    fn more_harmless(&self, a: f64, b: f64) -> f64 {
        if (b < a) == self.contrast.is_up() {
            b
        } else {
            a
        }
    }

    /// A canary in a burst is far beyond the limit over the baseline of the moment and over its
    /// recent level, and outside of the contrast's own noise; a baseline in a burst is as far over
    /// its recent level.
    fn observe_burst(
        &mut self,
        contrast: f64,
        spread: Option<(f64, f64)>,
        (baseline, canary): (f64, f64),
    ) {
        let Some((centre, deviation)) = spread else {
            return;
        };
        // Mostly neither reaches the least bound. A level between the recent extremes cannot be
        // left by what does not leave the nearer, nor that of more values than those.
        let nearest = self.more_harmless(self.nearest[0], self.nearest[1]);
        let canary_might = contrast > self.burst;
        let baseline_might = self.contrast.exceeds(nearest, baseline, self.burst);
        if !canary_might && !baseline_might {
            self.bursts.observe_none();
            return;
        }
        let bound = (centre.max(0.0) + BURST_DEVIATIONS * deviation).max(self.burst);
        let canary_may = contrast > bound;
        let baseline_may = self.contrast.exceeds(nearest, baseline, bound);
        if !canary_may && !baseline_may {
            self.bursts.observe_none();
            return;
        }
        let mut recent = self.recent.clone();
        recent.sort_unstable_by(f64::total_cmp);
        let level = recent[recent.len() / 2];
        let watched = canary_may && self.contrast.exceeds(level, canary, bound);
        let other = self.contrast.exceeds(level, baseline, bound);
        self.bursts.observe(watched, other);
    }

    /// Evidence of harm, and ln of the e-value against "worse than the limit from the start on".
    pub fn harm_and_safety(
        &self,
        gains: &Gains,
        weights: &mut Weights,
        history: &[f64],
    ) -> (Harm, f64) {
        let asked = [
            (Side::Above, Span::AnyOnset),
            (Side::Below, Span::FromStart),
        ];
        let [above, below] = self.state.ln_e_of(gains, weights, (asked, 0.0), history);
        (self.harm(above), below.clamp(LN_E_MIN, LN_E_MAX))
    }

    /// Evidence of harm: location and bursts together.
    fn harm(&self, location: f64) -> Harm {
        let location = libm::log(LOCATION_WEIGHT) + location;
        let bursts = libm::log(1.0 - LOCATION_WEIGHT) + self.bursts.ln_e();
        Harm {
            ln_e: ln_sum(location, bursts).clamp(LN_E_MIN, LN_E_MAX),
            by_bursts: bursts > location,
            longest_burst: self.bursts.longest(),
        }
    }

    /// ln of the e-value against "worse than the limit from the start on".
    pub fn safety(&self, gains: &Gains, weights: &mut Weights, history: &[f64]) -> f64 {
        let asked = (Side::Below, Span::FromStart, 0.0);
        let ln_e = self.state.ln_e(gains, weights, asked, history);
        ln_e.clamp(LN_E_MIN, LN_E_MAX)
    }

    /// The largest contrast that harm at level `alpha` is shown over; valid at every look.
    pub fn lower(&self, gains: &Gains, weights: &mut Weights, alpha: f64, history: &[f64]) -> f64 {
        let bound = -libm::log(alpha) - libm::log(LOCATION_WEIGHT);
        let (lowest, highest) = self.contrast.range();
        bisect(lowest, highest, |at| {
            let asked = (Side::Above, Span::AnyOnset, at);
            self.state.ln_e(gains, weights, asked, history) >= bound
        })
    }

    /// The smallest contrast that safety at level `beta` is shown under; valid at every look.
    pub fn upper(&self, gains: &Gains, weights: &mut Weights, beta: f64, history: &[f64]) -> f64 {
        let bound = -libm::log(beta);
        let (lowest, highest) = self.contrast.range();
        bisect(lowest, highest, |at| {
            let asked = (Side::Below, Span::FromStart, at);
            self.state.ln_e(gains, weights, asked, history) < bound
        })
    }

    /// The mean contrast from onset `m` on.
    pub fn mean(&self, model: &Model, at: (&Gains, &Weights), m: usize) -> Option<Mean> {
        self.state.mean(model, at, m)
    }

    /// The onset under which harm is most likely.
    pub fn onset(&self, gains: &Gains, weights: &Weights) -> usize {
        self.state.likeliest_onset(gains, weights, Side::Above)
    }

    /// How many more values until harm or safety is shown; see [`State::forecast`].
    pub fn forecast(
        &self,
        model: &Model,
        at: (&Gains, &Weights),
        side: Side,
        from_to: (f64, f64),
        most: usize,
    ) -> Option<usize> {
        self.state.forecast(model, at, side, from_to, most)
    }
}

/// What every value is more harmless than.
fn harmless_of_none(contrast: Contrast) -> f64 {
    if contrast.is_up() {
        f64::INFINITY
    } else {
        f64::NEG_INFINITY
    }
}

/// Evidence of harm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Harm {
    /// ln of the e-value.
    pub ln_e: f64,
    /// Bursts say more than the location does.
    pub by_bursts: bool,
    /// Values of the canary's longest burst.
    pub longest_burst: u32,
}

/// ln(e^a + e^b).
pub fn ln_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    high + libm::log1p(libm::exp(low - high))
}

/// Where `holds` goes from true to false, to about nine digits; the ends where it never does.
fn bisect(mut low: f64, mut high: f64, mut holds: impl FnMut(f64) -> bool) -> f64 {
    const HALVINGS: u32 = 36; // the range shrinks below 1e-10 of itself
    if !holds(low) {
        return low;
    }
    if holds(high) {
        return high;
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
