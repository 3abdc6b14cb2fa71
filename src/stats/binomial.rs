//! Proportions of bad events: tails, limits, and the comparison of two rates.

use super::{Alternative, beta, normal};

/// Limits of a proportion or of a difference of proportions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Lower limit.
    pub lower: f64,
    /// Upper limit.
    pub upper: f64,
}

/// P(K ≥ `bad`) for `bad` out of `total` events that are bad with probability `p` each.
pub fn at_least(bad: u64, total: u64, p: f64) -> f64 {
    if bad == 0 {
        return 1.0;
    }
    if bad > total {
        return 0.0;
    }
    beta::tails(bad as f64, (total - bad) as f64 + 1.0, p).0
}

/// P(K ≤ `bad`).
pub fn at_most(bad: u64, total: u64, p: f64) -> f64 {
    if bad >= total {
        return 1.0;
    }
    beta::tails(bad as f64 + 1.0, (total - bad) as f64, p).1
}

/// Wilson's score limits (JASA 22, 1927) of the proportion behind `bad` of `total`, two-sided.
/// Nothing observed gives 0 and 1.
pub fn wilson(bad: u64, total: u64, confidence: f64) -> Limits {
    if total == 0 {
        return Limits {
            lower: 0.0,
            upper: 1.0,
        };
    }
    let z = normal::inverse_sf(0.5 * (1.0 - confidence));
    let (k, n) = (bad.min(total) as f64, total as f64);
    let p = k / n;
    let scale = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / scale;
    let half = z * libm::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) / scale;
    Limits {
        lower: if bad == 0 {
            0.0
        } else {
            (centre - half).max(0.0)
        },
        upper: if bad >= total {
            1.0
        } else {
            (centre + half).min(1.0)
        },
    }
}

/// The exact lower limit of Clopper and Pearson (Biometrika 26, 1934): the proportion at which
/// `bad` or more would be seen with probability `error`. One-sided.
pub fn exact_lower(bad: u64, total: u64, error: f64) -> f64 {
    if bad == 0 {
        return 0.0;
    }
    let bad = bad.min(total);
    beta::quantile(bad as f64, (total - bad) as f64 + 1.0, error)
}

/// The exact upper limit of Clopper and Pearson, one-sided.
pub fn exact_upper(bad: u64, total: u64, error: f64) -> f64 {
    if bad >= total {
        return 1.0;
    }
    beta::inverse_sf(bad as f64 + 1.0, (total - bad) as f64, error)
}

/// Clopper and Pearson's two-sided limits: half of the error on each side.
pub fn exact_limits(bad: u64, total: u64, confidence: f64) -> Limits {
    let error = 0.5 * (1.0 - confidence);
    Limits {
        lower: exact_lower(bad, total, error),
        upper: exact_upper(bad, total, error),
    }
}

/// Bad and total events of one arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Bad events, at most `total`.
    pub bad: u64,
    /// All events.
    pub total: u64,
}

impl Counts {
    /// Share of bad events; `None` without events.
    pub fn ratio(self) -> Option<f64> {
        (self.total > 0).then(|| self.bad as f64 / self.total as f64)
    }
}

/// The share of all bad events that falls on the canary if its rate is `rate_ratio` times the
/// baseline's: q·w/(1 - w + q·w) with w the canary's share of all events. `None` if an arm has no
/// events.
pub fn canary_share(canary_total: u64, baseline_total: u64, rate_ratio: f64) -> Option<f64> {
    if canary_total == 0 || baseline_total == 0 {
        return None;
    }
    let w = canary_total as f64 / (canary_total as f64 + baseline_total as f64);
    Some(rate_ratio * w / (1.0 - w + rate_ratio * w))
}

/// Exact conditional test of the two rates (Przyborowski and Wilenski, Biometrika 31, 1940).
///
/// Given how many bad events there are in all, those on the canary are binomial, whatever the
/// common rate is: so an incident that hits both arms cancels. Null: the canary's rate is
/// `null_ratio` times the baseline's. Exact for Poisson counts. An arm without events gives p = 1.
pub fn conditional_test(
    canary: Counts,
    baseline: Counts,
    null_ratio: f64,
    alternative: Alternative,
) -> f64 {
    let Some(p) = canary_share(canary.total, baseline.total, null_ratio) else {
        return 1.0;
    };
    let all = canary.bad + baseline.bad;
    let (less, greater) = (at_most(canary.bad, all, p), at_least(canary.bad, all, p));
    match alternative {
        Alternative::Less => less,
        Alternative::Greater => greater,
        Alternative::TwoSided => (2.0 * less.min(greater)).min(1.0),
    }
}

/// Newcombe's limits of canary rate less baseline rate (Statistics in Medicine 17, 1998, method
/// 10): Wilson's limits of each arm, joined as squares. `None` if an arm has no events.
pub fn difference_limits(canary: Counts, baseline: Counts, confidence: f64) -> Option<Limits> {
    let (p1, p2) = (canary.ratio()?, baseline.ratio()?);
    let one = wilson(canary.bad, canary.total, confidence);
    let two = wilson(baseline.bad, baseline.total, confidence);
    let gap = p1 - p2;
    Some(Limits {
        lower: gap - libm::hypot(p1 - one.lower, two.upper - p2),
        upper: gap + libm::hypot(one.upper - p1, p2 - two.lower),
    })
}
