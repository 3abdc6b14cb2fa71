//! Two rates of bad events compared: against a ratio exactly, against a difference by likelihood.
//!
//! Counts may be fractions here: clustered events are divided by their dispersion first, and the
//! beta function carries the binomial tails over to such counts.

use crate::judge::classify::Comparison;
use crate::stats::{beta, normal};

/// Bad and total events of one arm; `bad` ≤ `total`, both finite and ≥ 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Bad events.
    pub bad: f64,
    /// All events.
    pub total: f64,
}

impl Rate {
    /// The share of bad events; 0 without events.
    pub fn ratio(self) -> f64 {
        if self.total > 0.0 {
            self.bad / self.total
        } else {
            0.0
        }
    }

    /// As if there had been `1/dispersion` of the events.
    #[must_use]
    pub fn thinned(self, dispersion: f64) -> Self {
        Self {
            bad: self.bad / dispersion,
            total: self.total / dispersion,
        }
    }

    /// Variance of the ratio, with half a bad event added so that zero is not certain.
    fn variance(self) -> f64 {
        let p = (self.bad + 0.5) / (self.total + 1.0);
        p * (1.0 - p) / self.total.max(1.0)
    }
}

/// One standard deviation of the comparison if the canary's ratio were at `limit` of the margin
/// over the baseline's: with hardly any bad event the estimate's own says only how alike two zeros
/// are.
pub(super) fn spread_at(margin: Margin, [canary, baseline]: [Rate; 2], limit: f64) -> f64 {
    let usual = (baseline.bad + 0.5) / (baseline.total + 1.0);
    let there = match margin {
        Margin::Difference => usual + limit,
        Margin::LogRatio => usual * libm::exp(limit),
    };
    let canary = Rate {
        bad: there.clamp(0.0, 1.0) * canary.total,
        ..canary
    };
    let mut there = Likelihood {
        canary,
        baseline,
        margin,
    };
    there.spread()
}

/// P(K ≥ k) of a binomial with real k of n; 1 for k ≤ 0. A `p` that no proportion can be is
/// contradicted by everything.
fn at_least(k: f64, n: f64, p: f64) -> f64 {
    if p < 0.0 {
        0.0
    } else if k <= 0.0 {
        1.0
    } else if k > n || p <= 0.0 {
        0.0
    } else if p >= 1.0 {
        1.0
    } else {
        beta::tails(k, n - k + 1.0, p).0
    }
}

/// P(K ≤ k).
fn at_most(k: f64, n: f64, p: f64) -> f64 {
    if p > 1.0 {
        0.0
    } else if k >= n || p <= 0.0 {
        1.0
    } else if p >= 1.0 {
        0.0
    } else {
        beta::tails(k + 1.0, n - k, p).1
    }
}

/// The exact conditional test of two rates, on the scale ln(canary's ratio / baseline's).
///
/// Given all bad events, those on the canary are binomial with a share that depends only on the
/// ratio of the rates (Przyborowski and Wilenski, Biometrika 31, 1940): what hits both arms
/// cancels. Exact for Poisson counts; for ratios above some percent it errs to the safe side. The
/// interval is Clopper and Pearson's of the share (Biometrika 26, 1934).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditional {
    /// The canary.
    pub canary: Rate,
    /// The baseline.
    pub baseline: Rate,
}

impl Conditional {
    /// Odds of an event being on the canary at equal rates.
    fn odds(&self) -> f64 {
        self.canary.total / self.baseline.total
    }

    fn share(&self, log_ratio: f64) -> f64 {
        let odds = libm::exp(log_ratio) * self.odds();
        if odds.is_finite() {
            odds / (1.0 + odds)
        } else {
            1.0
        }
    }

    fn log_ratio(&self, share: f64) -> f64 {
        if share >= 1.0 {
            return f64::INFINITY;
        }
        libm::log(share / (1.0 - share) / self.odds())
    }
}

impl Comparison for Conditional {
    fn estimate(&mut self) -> f64 {
        if self.canary.bad <= 0.0 && self.baseline.bad <= 0.0 {
            return 0.0;
        }
        libm::log(self.canary.ratio() / self.baseline.ratio())
    }

    fn p_above_below(&mut self, limit: f64) -> (f64, f64) {
        let (k, all) = (self.canary.bad, self.canary.bad + self.baseline.bad);
        let share = self.share(limit);
        if all <= 0.0 {
            return (1.0, 1.0);
        }
        (at_least(k, all, share), at_most(k, all, share))
    }

    fn lower(&mut self, tail: f64) -> f64 {
        if self.canary.bad <= 0.0 || tail <= 0.0 {
            return f64::NEG_INFINITY;
        }
        self.log_ratio(beta::quantile(
            self.canary.bad,
            self.baseline.bad + 1.0,
            tail,
        ))
    }

    fn upper(&mut self, tail: f64) -> f64 {
        if self.baseline.bad <= 0.0 || tail <= 0.0 {
            return f64::INFINITY;
        }
        self.log_ratio(beta::inverse_sf(
            self.canary.bad + 1.0,
            self.baseline.bad,
            tail,
        ))
    }

    fn spread(&mut self) -> f64 {
        libm::sqrt(1.0 / (self.canary.bad + 0.5) + 1.0 / (self.baseline.bad + 0.5))
    }
}

/// What a margin of a likelihood comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Margin {
    /// Canary's ratio − baseline's.
    Difference,
    /// ln(canary's ratio / baseline's).
    LogRatio,
}

/// The likelihood ratio test of two binomial rates with a margin.
///
/// Signed root of the likelihood ratio, the baseline's ratio being estimated under the margin;
/// each arm's count moves half an event toward the margin (Yates' continuity). Its tails stay right
/// for the few events of a young canary where a score test is far too sharp. Beside it stands the
/// exact binomial tail of the smaller arm with the ratio of the larger taken as known, and the
/// larger p counts: the first allows for few events in the larger arm, the second is exact where
/// there are many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// The canary.
    pub canary: Rate,
    /// The baseline.
    pub baseline: Rate,
    /// The scale.
    pub margin: Margin,
}

/// Halvings of an interval of margins: to about 1e-12 of it.
const HALVINGS: u32 = 40;

/// Halvings in search of the likeliest ratio: the likelihood is flat there, so that 1e-9 of the
/// interval is 1e-18 of it.
const HALVINGS_FLAT: u32 = 30;

impl Likelihood {
    /// The line p_canary = a + s · p_baseline of a margin: (a, s).
    fn line(&self, margin: f64) -> (f64, f64) {
        match self.margin {
            Margin::Difference => (margin, 1.0),
            Margin::LogRatio => (0.0, libm::exp(margin)),
        }
    }

    /// The signed root for `bad` events on the canary and `x2` on the baseline.
    fn root(&self, bad: f64, x2: f64, (a, s): (f64, f64)) -> f64 {
        let (n1, n2) = (self.canary.total, self.baseline.total);
        let (mut low, mut high) = ((-a / s).max(0.0), ((1.0 - a) / s).min(1.0));
        if low >= high {
            // The line touches the square in a corner only.
            return if a > 0.0 {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            };
        }
        let slope = |p2: f64| {
            let p1 = a + s * p2;
            s * (part(bad, p1) - part(n1 - bad, 1.0 - p1)) + part(x2, p2) - part(n2 - x2, 1.0 - p2)
        };
        for _ in 0..HALVINGS_FLAT {
            let middle = 0.5 * (low + high);
            if slope(middle) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let p2 = 0.5 * (low + high);
        let p1 = (a + s * p2).clamp(0.0, 1.0);
        let lost = deviance(bad, n1, p1) + deviance(x2, n2, p2);
        let sign = if bad / n1 >= a + s * x2 / n2 {
            1.0
        } else {
            -1.0
        };
        sign * libm::sqrt(2.0 * lost.max(0.0))
    }

    fn p_above(&self, margin: f64) -> f64 {
        let (c, b, line) = (self.canary, self.baseline, self.line(margin));
        let exact = self.known(
            line,
            |r, p| at_least(r.bad, r.total, p),
            |r, p| at_most(r.bad, r.total, p),
        );
        let (one, two) = ((c.bad - 0.5).max(0.0), (b.bad + 0.5).min(b.total));
        normal::sf(self.root(one, two, line)).max(exact)
    }

    fn p_below(&self, margin: f64) -> f64 {
        let (c, b, line) = (self.canary, self.baseline, self.line(margin));
        let exact = self.known(
            line,
            |r, p| at_most(r.bad, r.total, p),
            |r, p| at_least(r.bad, r.total, p),
        );
        let (one, two) = ((c.bad + 0.5).min(c.total), (b.bad - 0.5).max(0.0));
        normal::cdf(self.root(one, two, line)).max(exact)
    }

    /// The exact tail of the smaller arm, with the ratio of the larger taken as known; of equal
    /// arms the larger tail of those whose ratio is one.
    fn known(
        &self,
        (a, s): (f64, f64),
        canary_tail: fn(Rate, f64) -> f64,
        baseline_tail: fn(Rate, f64) -> f64,
    ) -> f64 {
        let (c, b) = (self.canary, self.baseline);
        let of_canary = a + s * b.ratio();
        let of_baseline = (c.ratio() - a) / s;
        if c.total < b.total {
            return canary_tail(c, of_canary);
        }
        if c.total > b.total {
            return baseline_tail(b, of_baseline);
        }
        let possible = |p: f64| (0.0..=1.0).contains(&p);
        let one = if possible(of_canary) {
            canary_tail(c, of_canary)
        } else {
            0.0
        };
        let two = if possible(of_baseline) {
            baseline_tail(b, of_baseline)
        } else {
            0.0
        };
        one.max(two)
    }

    /// The smallest and the largest margin there can be.
    fn range(&self) -> (f64, f64) {
        match self.margin {
            Margin::Difference => (-1.0, 1.0),
            // Ratios beyond e^±40 are as good as none.
            Margin::LogRatio => (-40.0, 40.0),
        }
    }

    fn solve(&self, holds: impl Fn(f64) -> bool) -> f64 {
        let (mut low, mut high) = self.range();
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if holds(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        0.5 * (low + high)
    }
}

/// k/p, with 0/0 as 0.
fn part(k: f64, p: f64) -> f64 {
    if k > 0.0 { k / p } else { 0.0 }
}

/// The log likelihood that `p` loses against the observed ratio of `k` out of `n`.
fn deviance(k: f64, n: f64, p: f64) -> f64 {
    let term = |k: f64, expected: f64| {
        if k > 0.0 {
            k * libm::log(k / expected)
        } else {
            0.0
        }
    };
    term(k, n * p) + term(n - k, n * (1.0 - p))
}

impl Comparison for Likelihood {
    fn estimate(&mut self) -> f64 {
        let (canary, baseline) = (self.canary.ratio(), self.baseline.ratio());
        match self.margin {
            Margin::Difference => canary - baseline,
            Margin::LogRatio if canary <= 0.0 && baseline <= 0.0 => 0.0,
            Margin::LogRatio => libm::log(canary / baseline),
        }
    }

    fn p_above_below(&mut self, limit: f64) -> (f64, f64) {
        if limit == f64::NEG_INFINITY {
            return (0.0, 1.0);
        }
        (self.p_above(limit), self.p_below(limit))
    }

    fn lower(&mut self, tail: f64) -> f64 {
        if tail <= 0.0 {
            return f64::NEG_INFINITY;
        }
        // "Not above the margin" is rejected for small margins only.
        self.solve(|margin| self.p_above(margin) > tail)
    }

    fn upper(&mut self, tail: f64) -> f64 {
        if tail <= 0.0 {
            return f64::INFINITY;
        }
        self.solve(|margin| self.p_below(margin) <= tail)
    }

    fn spread(&mut self) -> f64 {
        let (one, two) = (self.canary, self.baseline);
        match self.margin {
            Margin::Difference => libm::sqrt(one.variance() + two.variance()),
            Margin::LogRatio => libm::sqrt(
                1.0 / (one.bad + 0.5) + 1.0 / (two.bad + 0.5)
                    - 1.0 / (one.total + 0.5)
                    - 1.0 / (two.total + 0.5),
            ),
        }
    }
}
