//! Judges that others use, in the shape in which their users run them: small, pure, and only here
//! to be compared with.

pub mod kayenta;
pub mod threshold;

use crate::evaluate::trial::{Arms, Measured};
use crate::judge::windows::Counts;
use crate::units::Harm;

/// The values of both arms in grid points `after .. to`: those of a series that are there, or the
/// shares of bad events of intervals that had any.
fn values(measured: &Measured, after: usize, to: usize) -> Arms<Vec<f64>> {
    fn cut<T: Copy>(
        of: &[Option<T>],
        (after, to): (usize, usize),
        value: impl Fn(T) -> f64,
    ) -> Vec<f64> {
        let part = of.get(after..to.min(of.len())).unwrap_or(&[]);
        part.iter().flatten().map(|v| value(*v)).collect()
    }
    let range = (after, to);
    match measured {
        Measured::Series(arms) => Arms {
            baseline: cut(&arms.baseline, range, |v| v),
            canary: cut(&arms.canary, range, |v| v),
        },
        Measured::Events(arms) => {
            // An interval without traffic has no errors: a query that divides gives no value, and
            // dashboards fill it with zero.
            let ratio = |counts: Counts| counts.bad / counts.total.max(1.0);
            Arms {
                baseline: cut(&arms.baseline, range, ratio),
                canary: cut(&arms.canary, range, ratio),
            }
        }
    }
}

/// Whether a fault upwards or downwards is one at all.
const fn harms(harm: Harm) -> (bool, bool) {
    (
        !matches!(harm, Harm::Decrease),
        !matches!(harm, Harm::Increase),
    )
}
