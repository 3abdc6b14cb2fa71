//! The shift of the experiment against the control with its confidence limits: R's
//! `wilcox.test(conf.int = TRUE, exact = FALSE, correct = TRUE)`, by root finding.
//!
//! Three departures from R, all kept: the estimate has the continuity correction too, the absolute
//! tolerance of the roots is 1e-4 in the metric's unit (R's default has it as well, but R lets the
//! caller change it), and small samples get no exact limits.

use crate::judge::kayenta::root::{self, Point};
use crate::judge::kayenta::shifted::{AllTied, Samples, Scratch};
use crate::stats::normal;

/// A shift in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Lower confidence limit; may lie above the upper one where the shift is of the size of the
    /// root finder's tolerance.
    pub lower: f64,
    /// Upper confidence limit.
    pub upper: f64,
    /// The estimate.
    pub estimate: f64,
}

/// How exactly roots are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// To 1e-4 in the metric's unit, as Kayenta does.
    Compatible,
    /// To the last bit, at every scale.
    Exact,
}

impl Roots {
    const fn tolerance(self) -> f64 {
        match self {
            Self::Compatible => root::TOLERANCE,
            Self::Exact => 0.0,
        }
    }
}

/// The quantile of the normal distribution that cuts off half of what is missing to `confidence`.
///
/// The two levels in use are given as the library computes them that Kayenta calls; others agree
/// with it to the last bit or two.
pub fn z_of(confidence: f64) -> f64 {
    /// At Kayenta's level, 0.98.
    const AT_98: f64 = 2.326_347_874_040_841;
    /// At the level of Kayenta's own tests.
    const AT_95: f64 = 1.959_963_984_540_054;
    #[expect(clippy::float_cmp, reason = "the constants themselves")]
    if confidence == 0.98 {
        AT_98
    } else if confidence == 0.95 {
        AT_95
    } else {
        normal::inverse_sf(0.5 * (1.0 - confidence))
    }
}

/// The shift of `experiment` against `control`, neither empty.
pub fn shift(
    control: &[f64],
    experiment: &[f64],
    z: f64,
    roots: Roots,
    scratch: &mut Scratch,
) -> Result<Shift, AllTied> {
    let mut samples = scratch.load(experiment, control);
    let (first, last) = samples.reach();
    let at =
        |samples: &mut Samples<'_>, at: f64| samples.statistic(at).map(|value| Point { at, value });
    let ends = (at(&mut samples, first)?, at(&mut samples, last)?);
    let lower = limit(&mut samples, ends, z, roots)?;
    let upper = limit(&mut samples, ends, -z, roots)?;
    let estimate = find(&mut samples, ends, 0.0, roots)?;
    Ok(Shift {
        lower,
        upper,
        estimate,
    })
}

/// The root at `quantile`, or the end beyond which it lies.
fn limit(
    samples: &mut Samples<'_>,
    ends: (Point, Point),
    quantile: f64,
    roots: Roots,
) -> Result<f64, AllTied> {
    if ends.0.value - quantile <= 0.0 {
        Ok(ends.0.at)
    } else if ends.1.value - quantile >= 0.0 {
        Ok(ends.1.at)
    } else {
        find(samples, ends, quantile, roots)
    }
}

fn find(
    samples: &mut Samples<'_>,
    (first, last): (Point, Point),
    quantile: f64,
    roots: Roots,
) -> Result<f64, AllTied> {
    let less = |point: Point| Point {
        value: point.value - quantile,
        ..point
    };
    root::zeroin(less(first), less(last), roots.tolerance(), |mu| {
        Ok(samples.statistic(mu)? - quantile)
    })
}

/// The standardised statistic of `experiment` moved down by `mu`, less `quantile`.
pub fn statistic(
    control: &[f64],
    experiment: &[f64],
    mu: f64,
    quantile: f64,
) -> Result<f64, AllTied> {
    let mut scratch = Scratch::default();
    Ok(scratch.load(experiment, control).statistic(mu)? - quantile)
}

/// The root at `quantile` without the check of the ends, for those who want to see the parts.
pub fn unchecked_root(
    control: &[f64],
    experiment: &[f64],
    quantile: f64,
    roots: Roots,
) -> Result<f64, AllTied> {
    let mut scratch = Scratch::default();
    let mut samples = scratch.load(experiment, control);
    let (first, last) = samples.reach();
    let mut at = |at: f64| samples.statistic(at).map(|value| Point { at, value });
    let ends = (at(first)?, at(last)?);
    find(&mut samples, ends, quantile, roots)
}
