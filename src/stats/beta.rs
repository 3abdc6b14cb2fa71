//! The beta function and the regularised incomplete beta function, in plain and in log form.
//!
//! The factor x^a (1-x)^b / B(a, b) is computed by Loader's saddle-point form, so that counts of
//! millions lose no digits to cancellation.

use std::f64::consts::PI;

/// Steps of the continued fraction. It needs about the square root of the larger parameter, so
/// this serves parameters up to about 1e9; beyond, the value reached so far is returned.
const FRACTION_STEPS_MAX: u32 = 100_000;

/// ln B(a, b) for a, b > 0.
pub fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small < 15.0 && large < 15.0 {
        return libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    }
    // From the density at its own mean, where both deviances vanish.
    let x = a / (a + b);
    a * libm::log(x) + b * libm::log1p(-x) - ln_front(a, b, x)
}

/// ln( x^a (1-x)^b / B(a, b) ) for a, b > 0 and 0 < x < 1.
///
/// C. Loader, Fast and accurate computation of binomial probabilities, 2000: the factor is
/// ab/(a+b) times the binomial probability of `a` out of `a + b`, extended to real `a`.
pub fn ln_front(a: f64, b: f64, x: f64) -> f64 {
    let n = a + b;
    let correction = stirling_error(n) - stirling_error(a) - stirling_error(b);
    let deviances = deviance(a, n * x) + deviance(b, n * (1.0 - x));
    correction - deviances + 0.5 * libm::log(a * b / (2.0 * PI * n))
}

/// ln( x^a e^-x / Γ(a) ), the like factor of the incomplete gamma function, for a, x > 0.
pub(super) fn ln_gamma_front(a: f64, x: f64) -> f64 {
    0.5 * libm::log(a / (2.0 * PI)) - stirling_error(a) - deviance(a, x)
}

/// ln Γ(z+1) less Stirling's approximation of it.
fn stirling_error(z: f64) -> f64 {
    if z < 15.0 {
        let half_ln_two_pi = 0.5 * libm::log(2.0 * PI);
        return libm::lgamma(z + 1.0) - (z + 0.5) * libm::log(z) + z - half_ln_two_pi;
    }
    let zz = z * z;
    let terms = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
    ];
    terms.iter().rev().fold(0.0, |sum, &c| sum / zz + c) / z
}

/// k ln(k/m) + m - k, without cancellation where k is close to m.
fn deviance(k: f64, m: f64) -> f64 {
    let gap = k - m;
    if gap.abs() >= 0.1 * (k + m) {
        return k * libm::log(k / m) - gap;
    }
    let v = gap / (k + m);
    let mut sum = gap * v;
    let mut power = 2.0 * k * v;
    let mut odd = 1.0;
    loop {
        power *= v * v;
        odd += 2.0;
        let next = sum + power / odd;
        if next.to_bits() == sum.to_bits() {
            return next;
        }
        sum = next;
    }
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method as
/// modified by Thompson and Barnett, 1986. Converges for x below the mean.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..=FRACTION_STEPS_MAX {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        let change = d * c;
        value *= change;
        if (change - 1.0).abs() < 3e-16 {
            break;
        }
    }
    value
}

/// (ln I_x(a, b), ln(1 - I_x(a, b))): both tails of Beta(a, b) at `x`, for a, b > 0.
pub fn ln_tails(a: f64, b: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (f64::NEG_INFINITY, 0.0);
    }
    if x >= 1.0 {
        return (0.0, f64::NEG_INFINITY);
    }
    let front = ln_front(a, b, x);
    let complement = |ln: f64| libm::log(-libm::expm1(ln.min(0.0)));
    if x < (a + 1.0) / (a + b + 2.0) {
        let lower = front + libm::log(fraction(a, b, x) / a);
        (lower, complement(lower))
    } else {
        let upper = front + libm::log(fraction(b, a, 1.0 - x) / b);
        (complement(upper), upper)
    }
}

/// (I_x(a, b), 1 - I_x(a, b)), each accurate where it is small.
pub fn tails(a: f64, b: f64, x: f64) -> (f64, f64) {
    let (lower, upper) = ln_tails(a, b, x);
    (libm::exp(lower).min(1.0), libm::exp(upper).min(1.0))
}

/// The `x` that Beta(a, b) stays below with probability `p`.
pub fn quantile(a: f64, b: f64, p: f64) -> f64 {
    solve(|x| tails(a, b, x).0 >= p)
}

/// The `x` that Beta(a, b) exceeds with probability `p`; accurate for small `p`.
pub fn inverse_sf(a: f64, b: f64, p: f64) -> f64 {
    solve(|x| tails(a, b, x).1 <= p)
}

/// The smallest `x` in 0 ..= 1 with `reached(x)`, for a predicate that stays true once true.
///
/// Bisects the bit patterns, which are ordered as the numbers are: 62 steps to the last bit,
/// however close to 0 the answer lies.
pub(crate) fn solve(reached: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0_u64, 1.0_f64.to_bits());
    while low < high {
        let middle = u64::midpoint(low, high);
        if reached(f64::from_bits(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    f64::from_bits(high)
}
