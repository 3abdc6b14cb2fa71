//! Poisson counts: tails and exact limits of a rate, through the incomplete gamma function.

use super::beta;

/// Terms of the series or the continued fraction; enough for means up to about 1e9.
/// Beyond, the value reached so far is returned.
const TERMS_MAX: u32 = 1_000_000;

/// (P(a, x), Q(a, x)): the regularised incomplete gamma function and its complement, a > 0.
///
/// Series below the mean, continued fraction above it (DLMF 8.7.1 and 8.9.2).
pub fn gamma_tails(a: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    let front = beta::ln_gamma_front(a, x);
    if x < a + 1.0 {
        let mut term = 1.0 / a;
        let mut sum = term;
        for step in 1..=TERMS_MAX {
            term *= x / (a + f64::from(step));
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        let lower = (libm::exp(front + libm::log(sum))).min(1.0);
        return (lower, 1.0 - lower);
    }
    let mut b = x + 1.0 - a;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut value = d;
    for step in 1..=TERMS_MAX {
        let i = f64::from(step);
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        let change = d * c;
        value *= change;
        if (change - 1.0).abs() < 3e-16 {
            break;
        }
    }
    let upper = (libm::exp(front + libm::log(value))).min(1.0);
    (1.0 - upper, upper)
}

/// P(K ≥ `count`) for a Poisson count with the given mean.
pub fn at_least(count: u64, mean: f64) -> f64 {
    if count == 0 {
        1.0
    } else {
        gamma_tails(count as f64, mean).0
    }
}

/// Garwood's exact two-sided limits (Biometrika 28, 1936) of the mean behind `count`.
pub fn exact_limits(count: u64, confidence: f64) -> (f64, f64) {
    let tail = 0.5 * (1.0 - confidence);
    let k = count as f64;
    // The mean is x/(1-x), so that one bisection over 0 ..= 1 serves.
    let mean = |x: f64| x / (1.0 - x);
    let lower = if count == 0 {
        0.0
    } else {
        mean(beta::solve(|x| at_least(count, mean(x)) >= tail))
    };
    let upper = mean(beta::solve(|x| gamma_tails(k + 1.0, mean(x)).1 <= tail));
    (lower, upper)
}
