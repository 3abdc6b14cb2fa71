//! The root finder: Brent's method as in `zeroin` of R's `uniroot`, with its tolerance.

use crate::judge::kayenta::shifted::AllTied;

/// The absolute tolerance of Kayenta's roots, **in the metric's unit**: shifts of this size or
/// smaller are noise of the root finder.
pub const TOLERANCE: f64 = 1e-4;

/// More steps than this and the last point is the answer.
const STEPS_MAX: usize = 1001;

/// A point and the value there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where.
    pub at: f64,
    /// The value.
    pub value: f64,
}

/// The root of `f` between `first` and `last`. A tolerance of 0 goes on until neighbouring
/// numbers are reached.
pub fn zeroin(
    first: Point,
    last: Point,
    tolerance: f64,
    mut f: impl FnMut(f64) -> Result<f64, AllTied>,
) -> Result<f64, AllTied> {
    // Within one unit in the last place of zero.
    let zero = |point: Point| point.value.abs() <= f64::from_bits(1);
    if zero(first) {
        return Ok(first.at);
    }
    if zero(last) {
        return Ok(last.at);
    }
    let (mut a, mut b, mut c) = (first, last, first);
    for _ in 0..STEPS_MAX {
        let previous = b.at - a.at;
        if c.value.abs() < b.value.abs() {
            (a, b, c) = (b, c, b);
        }
        let least = 2.0 * f64::EPSILON * b.at.abs() + 0.5 * tolerance;
        let half = (c.at - b.at) / 2.0;
        if half.abs() <= least || zero(b) {
            return Ok(b.at);
        }
        let mut step = interpolated([a, b, c], previous, least).unwrap_or(half);
        if step.abs() < least {
            step = if step > 0.0 { least } else { -least };
        }
        a = b;
        let at = b.at + step;
        b = Point { at, value: f(at)? };
        if (b.value > 0.0 && c.value > 0.0) || (b.value < 0.0 && c.value < 0.0) {
            c = a;
        }
    }
    Ok(b.at)
}

/// The step by secant or inverse quadratic interpolation, where it promises more than halving.
fn interpolated([a, b, c]: [Point; 3], previous: f64, least: f64) -> Option<f64> {
    // NaN interpolates nothing.
    if !(previous.abs() >= least && a.value.abs() > b.value.abs()) {
        return None;
    }
    let width = c.at - b.at;
    #[expect(clippy::float_cmp, reason = "the same point, not a near one")]
    let secant = a.at == c.at;
    let (mut p, mut q);
    if secant {
        let ratio = b.value / a.value;
        p = width * ratio;
        q = 1.0 - ratio;
    } else {
        let (ac, bc, ba) = (a.value / c.value, b.value / c.value, b.value / a.value);
        p = ba * (width * ac * (ac - bc) - (b.at - a.at) * (bc - 1.0));
        q = (ac - 1.0) * (bc - 1.0) * (ba - 1.0);
    }
    if p > 0.0 {
        q = -q;
    } else {
        p = -p;
    }
    let near = p < 0.75 * width * q - (least * q).abs() / 2.0;
    (near && p < (previous * q / 2.0).abs()).then(|| p / q)
}
