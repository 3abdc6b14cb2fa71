//! The rule of Kayenta's judge, metric by metric: the 98 % interval of the Mann-Whitney test by
//! the normal approximation lies beyond a quarter of the estimated shift itself, and the ratio of
//! means is at least the allowed one. Looked at once or at every look, neither of which corrects
//! for looks, autocorrelation or the number of metrics.
//!
//! Any metric that fails rolls back, as with a critical metric; no data in half of the metrics
//! scores zero, which rolls back too. `judge.method: kayenta` is the exact form; this is the
//! compact one that the tables were first made with.

use crate::evaluate::judges::{Knob, Ready};
use crate::evaluate::peers::{harms, values};
use crate::evaluate::trial::{Arms, LookAt, Path, Said, Setting, Trial};
use crate::stats::Alternative;
use crate::stats::mann_whitney::{Dependence, p_normal};
use crate::stats::rank::Scratch;
use crate::units::Harm;

/// `confLevel` of the judge; the only one it uses.
const CONFIDENCE: f64 = 0.98;

/// `tolerance` of the judge: the part of the estimated shift that the interval must exceed.
const TOLERANCE: f64 = 0.25;

/// How the rule is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kayenta {
    name: &'static str,
    each_look: bool,
    /// `allowedIncrease`: the least ratio of means that counts.
    allowed: f64,
}

impl Kayenta {
    /// At every look.
    pub const EACH: Self = Self {
        name: "kayenta-each",
        each_look: true,
        allowed: 1.0,
    };

    /// At every look, with `allowedIncrease` 1.1.
    pub const EACH_BEYOND_10: Self = Self {
        name: "kayenta-each-1.1",
        each_look: true,
        allowed: 1.1,
    };

    /// Once, at the end.
    pub const END: Self = Self {
        name: "kayenta-end",
        each_look: false,
        allowed: 1.0,
    };

    /// The confidence that is lacking, as a one-sided share.
    pub(crate) const KNOB: Knob = Knob {
        name: "1 - confidence",
        strict: 1e-40,
        lax: 0.9,
        origin: 0.0,
    };

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The rule for a setting; `error` is one less the confidence.
    pub(crate) fn ready(self, setting: &Setting, error: Option<f64>) -> KayentaReady {
        KayentaReady {
            rule: self,
            error: error.unwrap_or(1.0 - CONFIDENCE),
            harms: setting.metrics.iter().map(|metric| metric.harm).collect(),
            looks: if self.each_look {
                setting.looks.clone()
            } else {
                setting.looks.last().copied().into_iter().collect()
            },
        }
    }
}

/// The rule with its setting.
pub(crate) struct KayentaReady {
    rule: Kayenta,
    error: f64,
    harms: Vec<Harm>,
    looks: Vec<LookAt>,
}

impl Ready for KayentaReady {
    fn path(&self, trial: &Trial) -> Result<Path, String> {
        let mut scratch = Scratch::new();
        let last = self.looks.len().saturating_sub(1);
        Path::of(&self.looks, |idx, look| {
            let (mut failed, mut without) = (false, 0);
            for (metric, harm) in trial.metrics.iter().zip(&self.harms) {
                let arms = values(&metric.live, 0, look.grid);
                if arms.baseline.is_empty() || arms.canary.is_empty() {
                    without += 1;
                } else {
                    failed |= fails(&arms, *harm, self.rule.allowed, self.error, &mut scratch);
                }
            }
            let blind = 2 * without >= trial.metrics.len();
            Ok(match (failed || blind, idx == last) {
                (true, _) => Said::Rollback,
                (false, true) => Said::Promote,
                (false, false) => Said::Continue,
            })
        })
    }
}

/// Whether the rule calls the canary high or low, where that is harm.
fn fails(
    arms: &Arms<Vec<f64>>,
    harm: Harm,
    allowed: f64,
    error: f64,
    scratch: &mut Scratch,
) -> bool {
    let (up, down) = harms(harm);
    let mut pair = scratch.load(&arms.canary, &arms.baseline);
    // The interval excludes zero only if the test does: most looks end here.
    let (_, p) = p_normal(&pair.ranks, Dependence::NONE, true, Alternative::TwoSided);
    if p > error {
        return false;
    }
    let Some(estimate) = pair.shift_estimate() else {
        return false;
    };
    // The interval lies beyond a value when the test at that value rejects; asked this way the
    // confidence may come as close to 1 as one likes.
    let tolerance = TOLERANCE * estimate.abs();
    let mut beyond = |by: f64, alternative| {
        let moved: Vec<f64> = arms.canary.iter().map(|value| value - by).collect();
        let ranks = scratch.load(&moved, &arms.baseline).ranks;
        p_normal(&ranks, Dependence::NONE, true, alternative).1 < 0.5 * error
    };
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let means = (
        sum(&arms.canary) / arms.canary.len() as f64,
        sum(&arms.baseline) / arms.baseline.len() as f64,
    );
    let known = means.0 != 0.0 && means.1 != 0.0;
    let ratio = if known { means.0 / means.1 } else { 1.0 };
    let high = beyond(tolerance, Alternative::Greater) && (!known || ratio >= allowed);
    let low = beyond(-tolerance, Alternative::Less) && (!known || ratio <= 1.0 / allowed);
    (up && high) || (down && low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_shift_in_the_direction_of_harm_fails() {
        let ramp = |by: f64| {
            (0..30)
                .map(|i| 100.0 + f64::from(i) + by)
                .collect::<Vec<_>>()
        };
        let mut scratch = Scratch::new();
        for (by, harm, allowed, wanted) in [
            (0.0, Harm::Either, 1.0, false),
            (5.0, Harm::Increase, 1.0, false), // z = 2.5: beyond 0, not beyond a quarter of 5
            (15.0, Harm::Increase, 1.0, true),
            (15.0, Harm::Decrease, 1.0, false),
            (-15.0, Harm::Decrease, 1.0, true),
            (-15.0, Harm::Either, 1.0, true),
            (10.0, Harm::Increase, 1.1, false), // 9 % above
            (15.0, Harm::Increase, 1.1, true),
        ] {
            let arms = Arms {
                baseline: ramp(0.0),
                canary: ramp(by),
            };
            let got = fails(&arms, harm, allowed, 0.02, &mut scratch);
            assert_eq!(got, wanted, "{by} {harm:?} {allowed}");
        }
    }
}
