//! Two samples compared by ranks: the test moved to a limit, and the shift with its limits.

use crate::judge::classify::Comparison;
use crate::judge::finding::Scale;
use crate::stats::mann_whitney::{Dependence, Method, standard_deviation};
use crate::stats::rank::Scratch;
use crate::stats::{Alternative, normal, student};

/// Two samples on the scale on which they are compared.
pub struct Ranked {
    x: Vec<f64>,
    y: Vec<f64>,
    /// Values closer than this are equal: rounding must not decide ties.
    grain: f64,
    dependence: Dependence,
    scratch: Scratch,
    method: Method,
}

/// Values that agree to so many parts are equal; 2^40, about twelve digits.
const TIE_PARTS: f64 = 1_099_511_627_776.0;

impl Ranked {
    /// The values of both arms, gaps left out.
    pub fn new(
        canary: &[Option<f64>],
        baseline: &[Option<f64>],
        scale: Scale,
        dependence: Dependence,
    ) -> Self {
        let on_scale = |points: &[Option<f64>]| -> Vec<f64> {
            let values = points.iter().flatten();
            match scale {
                Scale::LogRatio => values.map(|v| libm::log(*v)).collect(),
                Scale::Difference => values.copied().collect(),
            }
        };
        let (mut x, mut y) = (on_scale(canary), on_scale(baseline));
        // Every question sorts them again, which is cheap for what is sorted already.
        x.sort_unstable_by(f64::total_cmp);
        y.sort_unstable_by(f64::total_cmp);
        let largest = x
            .iter()
            .chain(&y)
            .fold(0.0_f64, |most, v| most.max(v.abs()));
        // On the log scale a part of the value is a constant.
        let size = if scale == Scale::LogRatio {
            1.0
        } else {
            largest
        };
        let grain = size / TIE_PARTS;
        let method = Method::Normal;
        Self {
            x,
            y,
            grain,
            dependence,
            scratch: Scratch::new(),
            method,
        }
    }

    fn round(&self, value: f64) -> f64 {
        if self.grain > 0.0 {
            (value / self.grain).round()
        } else {
            value
        }
    }

    /// The smallest p that samples of these sizes can give.
    fn least_p(&mut self) -> f64 {
        let (n, m) = (self.x.len(), self.y.len());
        let pair = self.scratch.load(&self.x, &self.y);
        let exact = self.dependence.is_none()
            && pair.ranks.untied()
            && n * m <= crate::stats::exact::EXACT_PAIRS_MAX;
        if exact {
            let (n, m) = (n as f64, m as f64);
            return libm::exp(
                libm::lgamma(n + 1.0) + libm::lgamma(m + 1.0) - libm::lgamma(n + m + 1.0),
            );
        }
        let sigma = standard_deviation(n, m, pair.ranks.within_tie_term, self.dependence.vif);
        let z = (0.5 * pair.ranks.pairs() - 0.5) / sigma;
        self.dependence
            .df
            .map_or_else(|| normal::sf(z), |df| student::sf(z, df))
    }

    fn bound(&mut self, tail: f64, alternative: Alternative) -> Option<f64> {
        if tail < TAIL_MIN || self.least_p() > tail {
            return None;
        }
        let dependence = self.dependence;
        let pair = &mut self.scratch.load(&self.x, &self.y);
        let shift = pair.shift(1.0 - tail.min(0.5), alternative, dependence)?;
        Some(if alternative == Alternative::Greater {
            shift.lower
        } else {
            shift.upper
        })
    }

    /// [`Ranked::name`] of a test on the trailing window.
    pub fn name_trailing(&self) -> &'static str {
        match self.method {
            Method::Exact | Method::ExactTied => "mann-whitney exact, trailing",
            Method::Normal => "mann-whitney normal, trailing",
        }
    }

    /// What a reader is told about the test that was run last.
    pub fn name(&self) -> &'static str {
        match self.method {
            Method::Exact | Method::ExactTied => "mann-whitney exact",
            Method::Normal => "mann-whitney normal",
        }
    }
}

/// An error smaller than this gets an infinite bound: 1 less it would lose its digits, and so
/// sharp a limit of real data means nothing.
const TAIL_MIN: f64 = 1e-12;

impl Comparison for Ranked {
    fn estimate(&mut self) -> f64 {
        self.scratch
            .load(&self.x, &self.y)
            .shift_estimate()
            .unwrap_or(0.0)
    }

    fn p_above_below(&mut self, limit: f64) -> (f64, f64) {
        if limit == f64::NEG_INFINITY {
            return (0.0, 1.0);
        }
        let x: Vec<f64> = self.x.iter().map(|v| self.round(*v)).collect();
        let y: Vec<f64> = self.y.iter().map(|v| self.round(v + limit)).collect();
        let dependence = self.dependence;
        let mut pair = self.scratch.load(&x, &y);
        let above = pair.test(Alternative::Greater, dependence);
        let below = pair.test(Alternative::Less, dependence);
        self.method = above.method;
        (above.p, below.p)
    }

    fn lower(&mut self, tail: f64) -> f64 {
        self.bound(tail, Alternative::Greater)
            .unwrap_or(f64::NEG_INFINITY)
    }

    fn upper(&mut self, tail: f64) -> f64 {
        self.bound(tail, Alternative::Less).unwrap_or(f64::INFINITY)
    }

    fn spread(&mut self) -> f64 {
        const ONE_SIGMA: f64 = 0.682_689_492_137_085_9;
        let dependence = Dependence {
            df: None,
            ..self.dependence
        };
        let mut pair = self.scratch.load(&self.x, &self.y);
        pair.shift_normal(ONE_SIGMA, Alternative::TwoSided, dependence, false)
            .map_or(0.0, |shift| 0.5 * (shift.upper - shift.lower))
    }
}
