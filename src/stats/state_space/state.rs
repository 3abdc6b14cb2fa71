//! What the values of one sequence say: its sums in all filters, and the mean they amount to.

use super::course::{Course, Filters};
use super::gains::Gains;
use super::lanes::{LANES, Lanes, each};
use super::weights::Weights;
use super::{EFFECTS, LARGEST_SHARE, Model, PRIOR_COUNT, PRIOR_SCALE, Side};
use pulp::{Arch, Simd, WithSimd};

/// The sums of one sequence in all filters.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Per block of points.
    rows: Vec<Rows>,
    /// Per block and onset: Σ e w/F.
    pub(super) sums: Vec<Lanes>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Rows {
    /// The next value, as the filter expects it.
    predicted: Lanes,
    /// Σ e²/F.
    square: Lanes,
}

/// Sums of squares that are smaller beside that of the values are rounding: n·2⁻⁵² of it at most,
/// and no window has 11,000 values with a relative noise below the root of this.
const STILL: f64 = 1e-12;

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

impl State {
    /// Before the first value.
    pub fn new(model: &Model) -> Self {
        let blocks = model.noise.len().div_ceil(LANES);
        Self {
            rows: vec![Rows::default(); blocks],
            sums: vec![[0.0; LANES]; blocks * model.onsets.starts.len()],
        }
    }

    /// Takes in the next value; the gains move on afterwards.
    pub fn observe(&mut self, gains: &Gains, value: f64) {
        let (width, live) = (gains.width(), gains.live());
        for (block, (row, points)) in self.rows.iter_mut().zip(gains.points()).enumerate() {
            let (before, square) = (row.predicted, row.square);
            let residual = before.map(|predicted| value - predicted);
            row.square = each(|l| square[l] + residual[l] * residual[l] * points.precision[l]);
            row.predicted = each(|l| points.rho[l] * before[l] + points.gain[l] * residual[l]);
            let from = block * width;
            let sums = &mut self.sums[from..from + live];
            for (sum, factor) in sums.iter_mut().zip(&gains.factors[from..from + live]) {
                let (before, factor) = (*sum, *factor);
                *sum = each(|l| before[l] + residual[l] * factor[l]);
            }
        }
    }

    /// The next value is missing.
    pub fn skip(&mut self, gains: &Gains) {
        for (row, points) in self.rows.iter_mut().zip(gains.points()) {
            for l in 0..LANES {
                row.predicted[l] *= points.rho[l];
            }
        }
    }

    /// All values of a course at once: the same as one after the other, bit for bit, but the sums
    /// stay where they are added up. What fills the last block is left out as far as it goes in
    /// pairs: it is the first point again. `residuals` is room.
    ///
    /// Compiled for vectors of two and of four numbers; which of them runs alters no bit, since
    /// products and sums are not fused.
    pub fn observe_all(
        &mut self,
        course: &Course,
        values: &[Option<f64>],
        residuals: &mut Vec<Lanes>,
    ) {
        Arch::new().dispatch(Observed {
            state: self,
            course,
            values,
            residuals,
        });
    }

    #[expect(
        clippy::inline_always,
        reason = "compiled with its caller, for its machine"
    )]
    #[inline(always)]
    fn observe_blocks(
        &mut self,
        course: &Course,
        values: &[Option<f64>],
        residuals: &mut Vec<Lanes>,
    ) {
        residuals.resize(course.held, Lanes::default());
        for block in 0..self.rows.len() {
            if course.points.saturating_sub(block * LANES) > LANES - 2 {
                self.observe_block::<LANES>(course, block, values, residuals);
            } else {
                self.observe_block::<{ LANES - 2 }>(course, block, values, residuals);
                self.repeat_first(block, course.before.len());
            }
        }
    }

    /// The last two points of a block that is not full do as the first of all.
    fn repeat_first(&mut self, block: usize, width: usize) {
        let Rows { predicted, square } = self.rows[0];
        self.rows[block].predicted[LANES - 2..].fill(predicted[0]);
        self.rows[block].square[LANES - 2..].fill(square[0]);
        for m in 0..width {
            let sum = self.sums[m][0];
            self.sums[block * width + m][LANES - 2..].fill(sum);
        }
    }

    /// [`State::observe_all`] of the first `L` points of one block.
    #[expect(
        clippy::inline_always,
        reason = "compiled with its caller, for its machine"
    )]
    #[inline(always)]
    fn observe_block<const L: usize>(
        &mut self,
        course: &Course,
        block: usize,
        values: &[Option<f64>],
        residuals: &mut [Lanes],
    ) {
        let (held, width) = (course.held, course.before.len());
        let row = &mut self.rows[block];
        let rho: [f64; L] = first(&course.rho[block]);
        let (mut predicted, mut square) = (first::<L>(&row.predicted), first::<L>(&row.square));
        let filters = &course.filters[block * held..(block + 1) * held];
        let mut places = filters.iter().zip(residuals.iter_mut());
        for value in values {
            let Some(value) = *value else {
                for l in 0..L {
                    predicted[l] *= rho[l];
                }
                continue;
            };
            let Some((Filters { precision, gain }, place)) = places.next() else {
                break;
            };
            for l in 0..L {
                let residual = value - predicted[l];
                place[l] = residual;
                square[l] += residual * residual * precision[l];
                predicted[l] = rho[l] * predicted[l] + gain[l] * residual;
            }
        }
        row.predicted[..L].copy_from_slice(&predicted);
        row.square[..L].copy_from_slice(&square);
        let sums = &mut self.sums[block * width..(block + 1) * width];
        let factors = &course.factors[block * width * held..(block + 1) * width * held];
        let mut m = 0;
        // Later onsets begin later: behind the first that has not begun none has.
        while m < width && course.before[m] < held {
            let before = course.before[m];
            let row = |m: usize| &factors[m * held + before..(m + 1) * held];
            let residuals = &residuals[before..];
            if course.before.get(m + 1) == Some(&before) {
                let (rows, at) = ((row(m), row(m + 1)), &mut sums[m..m + 2]);
                let both = add_two::<L>(residuals, rows, [first(&at[0]), first(&at[1])]);
                at[0][..L].copy_from_slice(&both[0]);
                at[1][..L].copy_from_slice(&both[1]);
                m += 2;
            } else {
                let mut sum = first::<L>(&sums[m]);
                for (residual, factor) in residuals.iter().zip(row(m)) {
                    for l in 0..L {
                        sum[l] += residual[l] * factor[l];
                    }
                }
                sums[m][..L].copy_from_slice(&sum);
                m += 1;
            }
        }
    }

    /// Σ e²/F at a block of points after `shift` was taken from every value, the prior included.
    pub(super) fn squares(&self, gains: &Gains, block: usize, shift: f64) -> Lanes {
        let prior = PRIOR_COUNT * PRIOR_SCALE * PRIOR_SCALE;
        let from = block * gains.width();
        let (regressor, sum) = (&gains.regressors[from].square, &self.sums[from]);
        each(|l| {
            let moved = shift * (shift * regressor[l] - 2.0 * sum[l]);
            // Rounding must not make a sum of squares negative.
            prior + (self.rows[block].square[l] + moved).max(0.0)
        })
    }

    /// Mean of the values by generalised least squares at the most likely point of the noise
    /// class, from onset `m` on, and its standard error; `None` before two values.
    pub fn mean(
        &self,
        model: &Model,
        (gains, weights): (&Gains, &Weights),
        m: usize,
    ) -> Option<Mean> {
        let n = gains.present() as f64;
        if m >= gains.width() || n < 2.0 {
            return None;
        }
        let point = self.likeliest(gains, weights);
        let (at, lane) = gains.place(point, m);
        let (square, sum) = (gains.regressors[at].square[lane], self.sums[at][lane]);
        if square <= 0.0 {
            return None;
        }
        let value = sum / square;
        let rest = (self.squares(gains, point / LANES, 0.0)[lane] - sum * value).max(0.0);
        let variance = rest / (n + PRIOR_COUNT - 1.0);
        let rho_max = model.noise.rho.last().copied().unwrap_or(0.0);
        Some(Mean {
            value,
            error: libm::sqrt(variance / square),
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
        (gains, weights): (&Gains, &Weights),
        side: Side,
        (now, wanted): (f64, f64),
        most: usize,
    ) -> Option<usize> {
        let point = self.likeliest(gains, weights);
        let (at, lane) = gains.place(point, 0);
        let square = gains.regressors[at].square[lane];
        let sum = side.sign() * self.sums[at][lane];
        let all = self.squares(gains, point / LANES, 0.0)[lane];
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
        let half = 0.5 * weights.count;
        let mut best = (f64::NEG_INFINITY, 0);
        for idx in 0..weights.points {
            let (block, lane) = (idx / LANES, idx % LANES);
            let square = self.squares(gains, block, 0.0)[lane];
            let fit = -half * libm::log(square) - 0.5 * weights.ln_det[block][lane];
            for m in 0..weights.live {
                let (at, _) = gains.place(idx, m);
                let sum = side.sign() * self.sums[at][lane];
                if sum <= 0.0 {
                    continue;
                }
                let terms = &weights.terms[at];
                for (scale, shrink) in terms.scale.iter().zip(&terms.shrink) {
                    let share = (sum * sum / square * shrink[lane]).min(LARGEST_SHARE);
                    let term = libm::log(scale[lane]) + fit - half * libm::log1p(-share);
                    if term > best.0 {
                        best = (term, m);
                    }
                }
            }
        }
        best.1
    }

    /// The point of the noise class under which the values are most likely, whatever their mean:
    /// a mean that is not zero must not be taken for slow noise. White where there is no noise.
    fn likeliest(&self, gains: &Gains, weights: &Weights) -> usize {
        let mut best = (f64::NEG_INFINITY, 0);
        if self.is_still(gains) {
            return best.1;
        }
        for (idx, ln) in self.ln_restricted(gains, weights).enumerate() {
            if ln >= best.0 {
                best = (ln, idx);
            }
        }
        best.1
    }

    /// What is left of Σ e²/F beside a mean, without the prior: a quiet series is small beside it,
    /// and its noise would be told by the prior alone, as slow. At most [`STILL`] of the sum is
    /// rounding.
    fn rest(&self, gains: &Gains, idx: usize) -> f64 {
        let (at, lane) = gains.place(idx, 0);
        let (square, sum) = (gains.regressors[at].square[lane], self.sums[at][lane]);
        let all = self.rows[idx / LANES].square[lane];
        let about_mean = if square > 0.0 {
            sum * sum / square
        } else {
            0.0
        };
        (all - about_mean).max(STILL * all).max(f64::MIN_POSITIVE)
    }

    /// The values do not differ by more than rounding: there is no noise to tell of what kind.
    pub(super) fn is_still(&self, gains: &Gains) -> bool {
        self.rest(gains, 0) <= (STILL * self.rows[0].square[0]).max(f64::MIN_POSITIVE)
    }

    /// ln of the restricted likelihood of each point, free of scale and mean; of [`Self::is_still`]
    /// values it says nothing.
    pub(super) fn ln_restricted<'a>(
        &'a self,
        gains: &'a Gains,
        weights: &'a Weights,
    ) -> impl Iterator<Item = f64> + 'a {
        let free = gains.present() as f64 - 1.0;
        let each = move |idx: usize| {
            let (block, lane) = (idx / LANES, idx % LANES);
            if gains.regressors[gains.place(idx, 0).0].square[lane] <= 0.0 {
                return f64::NEG_INFINITY;
            }
            let known = weights.ln_det[block][lane] + weights.ln_square[block][lane];
            -0.5 * (known + free * libm::log(self.rest(gains, idx)))
        };
        (0..weights.points).map(each)
    }
}

/// [`State::observe_all`] as it is compiled for each kind of machine. Everything in it is inlined,
/// so that it is compiled with it.
struct Observed<'a> {
    state: &'a mut State,
    course: &'a Course,
    values: &'a [Option<f64>],
    residuals: &'a mut Vec<Lanes>,
}

impl WithSimd for Observed<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "compiled with its caller, for its machine"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.state
            .observe_blocks(self.course, self.values, self.residuals);
    }
}

/// The first few of a block.
#[expect(
    clippy::inline_always,
    reason = "compiled with its caller, for its machine"
)]
#[inline(always)]
fn first<const L: usize>(lanes: &Lanes) -> [f64; L] {
    std::array::from_fn(|l| lanes[l])
}

/// The sums of two onsets, which share the reading of the residuals.
#[expect(
    clippy::inline_always,
    reason = "compiled with its caller, for its machine"
)]
#[inline(always)]
fn add_two<const L: usize>(
    residuals: &[Lanes],
    factors: (&[Lanes], &[Lanes]),
    [mut one, mut other]: [[f64; L]; 2],
) -> [[f64; L]; 2] {
    let rows = factors.0.iter().zip(factors.1);
    for (residual, (to_one, to_other)) in residuals.iter().zip(rows) {
        for l in 0..L {
            one[l] += residual[l] * to_one[l];
            other[l] += residual[l] * to_other[l];
        }
    }
    [one, other]
}
