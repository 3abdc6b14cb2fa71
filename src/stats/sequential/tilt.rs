//! Weights of bad events that make a test martingale, whatever the rate common to both arms is.
//!
//! Let bad events come in clusters whose sizes are geometric with mean m, the clusters of an arm
//! being Poisson (the Pólya-Aeppli law; m = 1 is Poisson itself, and the variance is 2m - 1 times
//! the mean). A weight θ for each bad event of an arm with n events and rate p multiplies the mean
//! of e^{θK} to e^{n p y}, with y = x / (1 - (m - 1) x) and x = e^θ - 1. So the product over two
//! arms has mean e^{n_s p_s y_s + n_r p_r y_r}, and on the line p_s = ratio · p_r + extra that is
//! e^{n_s extra y_s} for every p_r as soon as y_r = -u y_s with u = ratio · n_s / n_r. At m = 1
//! this is the likelihood ratio of the conditional binomial. Bernoulli events are covered, because
//! (1 + p x)^n ≤ e^{n p x}; so are smaller clusters, because the compensation grows with m.

/// e^θ of a bad event of the suspect and of the reference, and the growth y_s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tilt {
    pub(super) suspect: f64,
    pub(super) reference: f64,
    pub(super) growth: f64,
}

/// Counts up to this are powers by multiplication, which is several times faster than by
/// logarithms; with factors up to [`FACTOR`] no product leaves the range of a double.
const POWER: f64 = 64.0;

/// The largest factor for which powers are multiplied.
const FACTOR: f64 = 16.0;

/// What counts make of a test martingale, as a factor or as a logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Factor(f64),
    Log(f64),
}

impl Tilt {
    /// From y_s, for clusters of mean size `m`, cut to what both arms can bear.
    pub(super) fn of_growth(growth: f64, u: f64, m: f64) -> Self {
        // At y = -1/m the weight of the reference is −∞.
        const NEAR: f64 = 0.95;
        let growth = if u > 0.0 {
            growth.min(NEAR / (m * u))
        } else {
            growth
        };
        Self {
            suspect: factor(growth, m),
            reference: factor(-u * growth, m),
            growth,
        }
    }

    /// The weights that grow fastest when the suspect's rate is `q` > 1 times what the line
    /// allows: dx/dy of both weights have the ratio q, a quadratic equation in y.
    pub(super) fn of_ratio(q: f64, u: f64, m: f64) -> Self {
        Self::of_growth(growth_of_ratio(q, u, m), u, m)
    }

    /// The step for `k` bad events of the suspect and `l` of the reference, less a compensation.
    pub(super) fn step(self, k: f64, l: f64, compensated: f64) -> Step {
        let log = -compensated * self.growth;
        if let (Some(k), Some(l)) = (small(k), small(l))
            && self.suspect <= FACTOR
            && log.abs() <= POWER
        {
            let compensation = if compensated.abs() < f64::MIN_POSITIVE {
                1.0
            } else {
                libm::exp(log)
            };
            return Step::Factor(power(self.suspect, k) * power(self.reference, l) * compensation);
        }
        Step::Log(log + times_log(k, self.suspect) + times_log(l, self.reference))
    }
}

/// k ln(f), with 0 ln(f) = 0.
fn times_log(k: f64, factor: f64) -> f64 {
    if k > 0.0 { k * libm::log(factor) } else { 0.0 }
}

/// A whole number up to [`POWER`].
fn small(k: f64) -> Option<u32> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are not negative and at most POWER here"
    )]
    let whole = k.min(POWER) as u32;
    ((f64::from(whole) - k).abs() < f64::MIN_POSITIVE).then_some(whole)
}

/// base^k by squaring.
fn power(base: f64, mut k: u32) -> f64 {
    let (mut out, mut square) = (1.0, base);
    while k > 0 {
        if k & 1 == 1 {
            out *= square;
        }
        square *= square;
        k >>= 1;
    }
    out
}

/// The y of an arm whose rate is `q` times what is expected, the other arm being known (u = 0) or
/// compensating; negative for q < 1.
pub(super) fn growth_of_ratio(q: f64, u: f64, m: f64) -> f64 {
    let a = m * (m - 1.0) * (1.0 - q * u * u);
    let b = (2.0 * m - 1.0) * (1.0 + q * u);
    let c = 1.0 - q;
    let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
    -2.0 * c / (b + root)
}

/// e^θ of a growth y: (1 + m y) / (1 + (m - 1) y).
fn factor(y: f64, m: f64) -> f64 {
    1.0 + y / (1.0 + (m - 1.0) * y)
}
