//! Fixed thresholds, as rollout controllers come with them.
//!
//! Flagger compares the newest minute with an absolute value and rolls back when `threshold`
//! checks have failed, counted over the whole rollout: a later success takes nothing back. Argo
//! Rollouts compares with the baseline and fails a metric when more than `failureLimit`
//! measurements have failed. Neither knows a sample size.

use crate::evaluate::judges::{Knob, Ready};
use crate::evaluate::peers::{harms, values};
use crate::evaluate::trial::{LookAt, MetricKind, MetricSetting, Path, Said, Setting, Trial};
use crate::stats::summary;
use crate::units::Harm;

/// How far beyond its reference a minute may lie.
const RATIO: f64 = 1.25;

/// The share of errors above which Flagger's success rate fails: its documentation's 99 %.
const ERRORS: f64 = 0.01;

/// What the newest minute is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reference {
    /// A level known before.
    Level,
    /// The baseline's same minute.
    Baseline,
}

/// A threshold rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    name: &'static str,
    reference: Reference,
    /// Failed looks that roll back.
    failures: usize,
}

impl Threshold {
    /// Absolute, five failed checks (`threshold: 5`).
    pub const FLAGGER: Self = Self {
        name: "flagger",
        reference: Reference::Level,
        failures: 5,
    };

    /// Against the baseline, `failureLimit: 3`: the fourth failure ends it.
    pub const ARGO: Self = Self {
        name: "argo",
        reference: Reference::Baseline,
        failures: 4,
    };

    /// The ratio.
    pub(crate) const KNOB: Knob = Knob {
        name: "ratio",
        strict: 100.0,
        lax: 1.001,
        origin: 1.0,
    };

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The rule for a setting.
    pub(crate) fn ready(self, setting: &Setting, ratio: Option<f64>) -> ThresholdReady {
        ThresholdReady {
            rule: self,
            ratio: ratio.unwrap_or(RATIO),
            metrics: setting.metrics.clone(),
            looks: setting.looks.clone(),
        }
    }
}

/// The rule with its setting.
pub(crate) struct ThresholdReady {
    rule: Threshold,
    ratio: f64,
    metrics: Vec<MetricSetting>,
    looks: Vec<LookAt>,
}

impl Ready for ThresholdReady {
    fn path(&self, trial: &Trial) -> Result<Path, String> {
        let mut failures = vec![0_usize; trial.metrics.len()];
        let mut levels: Vec<Option<f64>> = self.metrics.iter().map(level).collect();
        let mut after = 0;
        let last = self.looks.len().saturating_sub(1);
        Path::of(&self.looks, |idx, look| {
            let each = trial.metrics.iter().zip(&self.metrics);
            let states = failures.iter_mut().zip(&mut levels);
            for ((drawn, metric), (failures, level)) in each.zip(states) {
                let minute = values(&drawn.live, after, look.grid);
                let level = match self.rule.reference {
                    Reference::Baseline => summary::mean(&minute.baseline),
                    Reference::Level => {
                        *level = level.or_else(|| summary::median(&minute.baseline));
                        *level
                    }
                };
                let beyond = match (summary::mean(&minute.canary), level) {
                    (Some(canary), Some(level)) => beyond(canary, level, self.ratio, metric.harm),
                    // A query without a result is a failed check in both.
                    _ => true,
                };
                *failures += usize::from(beyond);
            }
            after = look.grid;
            let failed = failures.iter().any(|count| *count >= self.rule.failures);
            Ok(match (failed, idx == last) {
                (true, _) => Said::Rollback,
                (false, true) => Said::Promote,
                (false, false) => Said::Continue,
            })
        })
    }
}

/// The level an absolute threshold is set from: the default of the tool for events, else what was
/// known of the series.
fn level(metric: &MetricSetting) -> Option<f64> {
    match metric.kind {
        MetricKind::Events => Some(ERRORS / RATIO),
        MetricKind::Series { .. } => metric.level,
    }
}

fn beyond(value: f64, level: f64, ratio: f64, harm: Harm) -> bool {
    let (up, down) = harms(harm);
    (up && value > level * ratio) || (down && value < level / ratio)
}
