//! What the values of one sequence say.

use super::gains::Gains;
use super::{EFFECTS, Model, NoiseClass, Onsets, PRIOR_COUNT, PRIOR_SCALE};
use crate::stats::student;

/// The direction in which the mean may leave zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Evidence that the mean is above.
    Above,
    /// Evidence that the mean is below.
    Below,
}

/// Which onsets count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// All of the model.
    AnyOnset,
    /// The first value only.
    FromStart,
}

/// A term this much smaller (natural logarithm) than the largest is left out: at most 1000 of
/// them change the sum by less than one part in 10^10.
const NEGLIGIBLE: f64 = 30.0;

/// The sums of one sequence in all filters.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Per point: the prediction, and Σ e²/F.
    rows: Vec<Row>,
    /// Per point and onset: Σ e w/F.
    sums: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Row {
    predicted: f64,
    square: f64,
}

/// What the terms of the mixture have in common at one instant, whatever the data are.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Per point, onset and effect: ln of prior and determinant, and 1/(C + 1/γ).
    terms: Vec<(f64, f64)>,
    live: usize,
    count: f64,
    /// What makes the weight of the first onset 1.
    from_start: f64,
    scratch: Vec<Term>,
}

/// One point, onset and effect of the mixture.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Term {
    /// ln of an upper bound that is right up to a factor ([`Term::factor`]) of at most 1.
    ln: f64,
    /// −ln(1 - r), the logarithm that both the likelihood and Student's tail need.
    stretch: f64,
    /// The values speak for the mean.
    positive: bool,
}

impl Term {
    /// What the bound has to be multiplied by, with `count` degrees of freedom: Student's tail,
    /// and where the values speak against the mean also the likelihood, whose growth the tail
    /// outweighs (Mills' ratio).
    fn factor(self, count: f64) -> f64 {
        /// Beyond it the tail is on its way to underflow, and its first order is right to 0.2 %.
        const FAR: f64 = 300.0;
        let gain = 0.5 * count * self.stretch;
        if self.positive {
            return student::cdf_of_stretch(self.stretch, count, true);
        }
        if gain > FAR {
            return 0.5 / libm::sqrt(std::f64::consts::PI * gain);
        }
        student::cdf_of_stretch(self.stretch, count, false) * libm::exp(gain)
    }
}

impl Weights {
    /// At the instant of `gains`.
    pub fn new(model: &Model, gains: &Gains) -> Self {
        let mut out = Self {
            terms: Vec::new(),
            live: 0,
            count: PRIOR_COUNT,
            from_start: -model.onsets.ln_weight[0],
            scratch: Vec::new(),
        };
        out.renew(model, gains);
        out
    }

    /// The same at a later instant, without new memory.
    pub fn renew(&mut self, model: &Model, gains: &Gains) {
        let width = gains.width();
        // An onset at the instant that comes next has seen nothing yet.
        let seen = |start: &&usize| **start < gains.time();
        self.live = model.onsets.starts.iter().take_while(seen).count();
        self.count = PRIOR_COUNT + gains.present() as f64;
        self.terms.clear();
        let constant = libm::log(2.0 / EFFECTS.len() as f64);
        for (idx, point) in gains.points().iter().enumerate() {
            let base = model.noise.ln_prior[idx] - 0.5 * point.ln_det + constant;
            for m in 0..self.live {
                let square = gains.regressors[idx * width + m].square;
                let base = base + model.onsets.ln_weight[m];
                self.terms.extend(EFFECTS.iter().map(|effect| {
                    if square > 0.0 {
                        let ln = base - 0.5 * libm::log1p(effect * square);
                        (ln, effect / (effect * square + 1.0))
                    } else {
                        (f64::NEG_INFINITY, 0.0)
                    }
                }));
            }
        }
    }
}

impl State {
    /// Before the first value.
    pub fn new(model: &Model) -> Self {
        let (points, width) = (model.noise.len(), model.onsets.starts.len());
        Self {
            rows: vec![Row::default(); points],
            sums: vec![0.0; points * width],
        }
    }

    /// Takes in the next value; the gains move on afterwards.
    pub fn observe(&mut self, gains: &Gains, value: f64) {
        let (width, live) = (gains.width(), gains.live());
        for (idx, (row, point)) in self.rows.iter_mut().zip(gains.points()).enumerate() {
            let residual = value - row.predicted;
            row.square += residual * residual * point.precision;
            row.predicted = point.rho * row.predicted + point.gain * residual;
            let from = idx * width;
            let sums = &mut self.sums[from..from + live];
            for (sum, factor) in sums.iter_mut().zip(&gains.factors[from..from + live]) {
                *sum += residual * factor;
            }
        }
    }

    /// The next value is missing.
    pub fn skip(&mut self, gains: &Gains) {
        for (row, point) in self.rows.iter_mut().zip(gains.points()) {
            row.predicted *= point.rho;
        }
    }

    /// Σ e²/F at a point after `shift` was taken from every value, the prior included.
    fn square(&self, gains: &Gains, idx: usize, shift: f64) -> f64 {
        let prior = PRIOR_COUNT * PRIOR_SCALE * PRIOR_SCALE;
        let from = idx * gains.width();
        let regressor = gains.regressors[from];
        let moved = shift * (shift * regressor.square - 2.0 * self.sums[from]);
        // Rounding must not make a sum of squares negative.
        prior + (self.rows[idx].square + moved).max(0.0)
    }

    /// ln of the e-value against "the mean of the values less `shift` is at most zero" (at least,
    /// for [`Side::Below`]).
    ///
    /// With [`Span::FromStart`] only means that are there from the first value count.
    ///
    /// `history` holds, per point of the grid, what an independent stretch of the same noise says
    /// of it ([`history_ln_likelihood`]); empty when there is none. With it the result is the mean
    /// of the e-value that uses it and the one that does not. Costs O(points × onsets).
    pub fn ln_e(
        &self,
        gains: &Gains,
        weights: &mut Weights,
        (side, span, shift): (Side, Span, f64),
        history: &[f64],
    ) -> f64 {
        let half = 0.5 * weights.count;
        let sign = if side == Side::Above { 1.0 } else { -1.0 };
        let (width, live) = (gains.width(), weights.live);
        let asked = if span == Span::FromStart {
            live.min(1)
        } else {
            live
        };
        weights.scratch.clear();
        let mut parts = Parts::default();
        for (idx, point) in gains.points().iter().enumerate() {
            let square = self.square(gains, idx, shift);
            let fit = -half * libm::log(square);
            let said = history.get(idx).copied().unwrap_or(0.0);
            parts.null(fit - 0.5 * point.ln_det, said);
            let from = weights.scratch.len();
            for m in 0..asked {
                let at = idx * width + m;
                let sum = sign * (self.sums[at] - shift * gains.regressors[at].cross);
                let share = sum * sum / square;
                let terms = (idx * live + m) * EFFECTS.len();
                for (ln, weight) in &weights.terms[terms..terms + EFFECTS.len()] {
                    let explained = (share * weight).min(LARGEST_SHARE);
                    let positive = sum > 0.0;
                    // -ln(1 - r) is at most r/(1 - r), and what speaks against the mean adds
                    // nothing: most terms need no logarithm to be left out.
                    let gain = if positive {
                        explained / (1.0 - explained)
                    } else {
                        0.0
                    };
                    if parts.is_hopeless(ln + fit + half * gain, said) {
                        continue;
                    }
                    let stretch = -libm::log1p(-explained);
                    let gain = if positive { half * stretch } else { 0.0 };
                    weights.scratch.push(Term {
                        ln: ln + fit + gain,
                        stretch,
                        positive,
                    });
                }
            }
            parts.add(&weights.scratch[from..], weights.count, said);
            weights.scratch.truncate(from);
        }
        let whole = if span == Span::FromStart {
            weights.from_start
        } else {
            0.0
        };
        parts.ln_e(!history.is_empty()) + whole
    }

    /// Mean of the values by generalised least squares at the most likely point of the noise
    /// class, from onset `m` on, and its standard error; `None` before two values.
    pub fn mean(&self, model: &Model, gains: &Gains, m: usize) -> Option<Mean> {
        let point = self.likeliest(gains);
        let at = point * gains.width() + m;
        let regressor = gains.regressors.get(at)?;
        let n = gains.present() as f64;
        if regressor.square <= 0.0 || n < 2.0 {
            return None;
        }
        let value = self.sums[at] / regressor.square;
        let rest = (self.square(gains, point, 0.0) - self.sums[at] * value).max(0.0);
        let variance = rest / (n + PRIOR_COUNT - 1.0);
        let rho_max = model.noise.rho.last().copied().unwrap_or(0.0);
        Some(Mean {
            value,
            error: libm::sqrt(variance / regressor.square),
            scale: libm::sqrt(variance),
            long_run_variance: model.noise.long_run_variance(point),
            slowest: rho_max > 0.0 && model.noise.rho[point] >= rho_max,
        })
    }

    /// How many more values of the same kind bring the e-value to `wanted` (natural logarithm)
    /// from `now`; `None` if more than `most` would be needed.
    ///
    /// The sums are continued as if every value were the mean plus average noise, at the most
    /// likely point of the class. Good to a factor of about two.
    pub fn forecast(
        &self,
        model: &Model,
        gains: &Gains,
        side: Side,
        (now, wanted): (f64, f64),
        most: usize,
    ) -> Option<usize> {
        let point = self.likeliest(gains);
        let at = point * gains.width();
        let square = gains.regressors[at].square;
        let sign = if side == Side::Above { 1.0 } else { -1.0 };
        let (sum, all) = (sign * self.sums[at], self.square(gains, point, 0.0));
        let count = PRIOR_COUNT + gains.present() as f64;
        if square <= 0.0 || sum <= 0.0 {
            return None;
        }
        let mean = sum / square;
        let slow = model.noise.long_run_variance(point);
        let noise = (all - sum * mean).max(0.0) / count;
        let after = |more: f64| {
            let square = square + more / slow;
            let sum = sum + more * mean / slow;
            let all = all + more * (noise + mean * mean / slow);
            let count = count + more;
            let terms = EFFECTS.map(|effect| {
                let share = (sum * sum / all * effect / (effect * square + 1.0)).min(LARGEST_SHARE);
                -0.5 * libm::log1p(effect * square) - 0.5 * count * libm::log1p(-share)
            });
            let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            largest + libm::log(terms.iter().map(|term| libm::exp(term - largest)).sum())
        };
        let here = after(0.0);
        let reached = |more: usize| now + after(more as f64) - here >= wanted;
        if !reached(most) {
            return None;
        }
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low + (high - low) / 2;
            if reached(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    }

    /// The onset that explains the values best.
    pub fn likeliest_onset(&self, gains: &Gains, weights: &Weights, side: Side) -> usize {
        let sign = if side == Side::Above { 1.0 } else { -1.0 };
        let half = 0.5 * weights.count;
        let (width, live) = (gains.width(), weights.live);
        let mut best = (f64::NEG_INFINITY, 0);
        for idx in 0..self.rows.len() {
            let square = self.square(gains, idx, 0.0);
            let fit = -half * libm::log(square);
            for m in 0..live {
                let sum = sign * self.sums[idx * width + m];
                let terms = (idx * live + m) * EFFECTS.len();
                for (ln, weight) in &weights.terms[terms..terms + EFFECTS.len()] {
                    let share = (sum * sum / square * weight).min(LARGEST_SHARE);
                    let term = ln + fit - half * libm::log1p(-share);
                    if sum > 0.0 && term > best.0 {
                        best = (term, m);
                    }
                }
            }
        }
        best.1
    }

    /// The point of the noise class under which the values are most likely, whatever their mean:
    /// a mean that is not zero must not be taken for slow noise.
    fn likeliest(&self, gains: &Gains) -> usize {
        let ln = |idx: usize| self.ln_restricted(gains, idx);
        (0..self.rows.len())
            .max_by(|a, b| ln(*a).total_cmp(&ln(*b)))
            .unwrap_or(0)
    }

    /// ln of the restricted likelihood of a point, free of scale and mean.
    fn ln_restricted(&self, gains: &Gains, idx: usize) -> f64 {
        let at = idx * gains.width();
        let (square, sum) = (gains.regressors[at].square, self.sums[at]);
        if square <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let rest = (self.square(gains, idx, 0.0) - sum * sum / square).max(f64::MIN_POSITIVE);
        let free = gains.present() as f64 - 1.0 + PRIOR_COUNT;
        -0.5 * (gains.points()[idx].ln_det + libm::log(square) + free * libm::log(rest))
    }
}

/// A share of explained variance is below 1; rounding must not make it 1.
const LARGEST_SHARE: f64 = 1.0 - 1e-15;

/// A mean with what is known of its noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// The standard deviation of one value.
    pub scale: f64,
    /// Variance of a mean of n values is this times `scale`²/n.
    pub long_run_variance: f64,
    /// The noise looks as slow as the class allows, or slower.
    pub slowest: bool,
}

/// Numerators and denominators, without history and with it.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    plain: Ratio,
    told: Ratio,
}

/// ln of a growing sum, and ln of the largest null likelihood.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    largest: f64,
    sum: f64,
    null: f64,
}

impl Default for Ratio {
    fn default() -> Self {
        Self {
            largest: f64::NEG_INFINITY,
            sum: 0.0,
            null: f64::NEG_INFINITY,
        }
    }
}

impl Ratio {
    fn add(&mut self, ln: f64, factor: f64) {
        if ln > self.largest {
            self.sum *= libm::exp(self.largest - ln);
            self.largest = ln;
            self.sum += factor;
        } else if ln > self.largest - NEGLIGIBLE {
            self.sum += factor * libm::exp(ln - self.largest);
        }
    }

    fn ln_e(self) -> f64 {
        // No evidence at all is finite, so that sums of e-values stay finite.
        self.largest + libm::log(self.sum.max(f64::MIN_POSITIVE)) - self.null
    }
}

impl Parts {
    fn null(&mut self, ln: f64, said: f64) {
        self.plain.null = self.plain.null.max(ln);
        self.told.null = self.told.null.max(ln + said);
    }

    /// Whether a term of at most this size changes nothing any more.
    fn is_hopeless(&self, ln: f64, said: f64) -> bool {
        ln < self.plain.largest - NEGLIGIBLE && ln + said < self.told.largest - NEGLIGIBLE
    }

    /// The terms of one point of the grid.
    fn add(&mut self, terms: &[Term], count: f64, said: f64) {
        let mut largest = f64::NEG_INFINITY;
        for term in terms {
            largest = largest.max(term.ln);
        }
        if self.is_hopeless(largest, said) || largest == f64::NEG_INFINITY {
            return;
        }
        let mut sum = 0.0;
        for term in terms {
            if term.ln > largest - NEGLIGIBLE {
                sum += term.factor(count) * libm::exp(term.ln - largest);
            }
        }
        self.plain.add(largest, sum);
        self.told.add(largest + said, sum);
    }

    fn ln_e(self, with_history: bool) -> f64 {
        let plain = self.plain.ln_e();
        if !with_history {
            return plain;
        }
        let told = self.told.ln_e();
        let (low, high) = (plain.min(told), plain.max(told));
        high + libm::log(0.5 * (1.0 + libm::exp(low - high)))
    }
}

/// At most so much (natural logarithm) may history speak against a point of the noise class: the
/// noise of a new hour is not quite that of the last.
const HISTORY_SAYS_AT_MOST: f64 = 6.0;

/// What a stretch of noise says of each point of a class, free of its scale and its mean: ln of
/// its restricted likelihood, relative to the best point, cut at [`HISTORY_SAYS_AT_MOST`]. Empty
/// without values.
pub fn history_ln_likelihood(noise: &NoiseClass, values: &[Option<f64>]) -> Vec<f64> {
    let model = Model {
        noise: noise.clone(),
        onsets: Onsets::at_start(),
    };
    let mut gains = Gains::new(&model);
    let mut state = State::new(&model);
    for value in values {
        if let Some(value) = value {
            state.observe(&gains, *value);
            gains.observe(&model);
        } else {
            state.skip(&gains);
            gains.skip(&model);
        }
    }
    if gains.present() < 2 {
        return Vec::new();
    }
    let ln = |idx: usize| state.ln_restricted(&gains, idx);
    let all: Vec<f64> = (0..noise.len()).map(ln).collect();
    let best = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    all.into_iter()
        .map(|ln| (ln - best).max(-HISTORY_SAYS_AT_MOST))
        .collect()
}
