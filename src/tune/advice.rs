//! What follows for a metric from what was measured, in words.

use crate::plan::MetricPlan;
use crate::simulate::share::Share;
use crate::time::Span;
use crate::tune::inject::Size;
use crate::tune::measure::Nature;
use crate::tune::power::Shown;
use crate::units::{MinEffect, trim_number};

/// A gate that has no data in more than this share of windows keeps that share of rollouts from a
/// promote: one in ten is what an operator would notice.
const NO_DATA: f64 = 0.1;

/// Lag-1 correlation from which neighbouring values mostly repeat each other: five values are then
/// worth less than one, by (1 − ρ)/(1 + ρ) of an AR(1).
const SLOW: f64 = 0.7;

/// How many times its limit the smallest change may be that a metric shows in time.
const TOO_BLUNT: f64 = 3.0;

/// What is known of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its plan.
    pub metric: &'a MetricPlan,
    /// How often it was shown worse when nothing was.
    pub false_alarms: Share,
    /// How it behaves.
    pub nature: &'a Nature,
    /// What it shows, and in what time.
    pub shown: &'a [(Span, Shown)],
}

/// One or more sentences; `ok` when there is nothing to say.
pub fn advice(known: &Known<'_>) -> String {
    let mut out: Vec<String> = Vec::new();
    let Known {
        metric,
        false_alarms,
        nature,
        shown,
    } = known;
    let gate = metric.role.is_gate();
    let blind = nature.no_data.value() > NO_DATA;
    if blind {
        let share = trim_number(100.0 * nature.no_data.value());
        let what = if gate {
            "it keeps a promote back; ask for less evidence, or make it optional"
        } else {
            "ask for less evidence"
        };
        out.push(format!("no data in {share} % of windows: {what}"));
    }
    if gate && false_alarms.count > 0 && false_alarms.low > metric.alpha.get() {
        let budget = trim_number(100.0 * metric.alpha.get());
        out.push(format!(
            "cries wolf, more often than its {budget} %: a wider min_effect, or optional"
        ));
    }
    let slow = nature.lag1.filter(|lag1| *lag1 > SLOW);
    if let (Some(lag1), Some(effective)) = (slow, nature.effective) {
        out.push(format!(
            "neighbouring values repeat each other ({}): {} independent ones an hour",
            trim_number((lag1 * 100.0).round() / 100.0),
            trim_number(effective.round())
        ));
    }
    // What has no data shows nothing either, and what decides nothing need not.
    if gate && !blind {
        out.extend(blunt(metric, shown));
    }
    if out.is_empty() {
        "ok".to_owned()
    } else {
        out.join("; ")
    }
}

/// Whether the metric can show its own limit before the last of the times.
fn blunt(metric: &MetricPlan, shown: &[(Span, Shown)]) -> Option<String> {
    let (within, last) = shown.last()?;
    let more = "a longer deadline, more traffic, more canary replicas, or a wider min_effect";
    match last {
        Shown::NotEven(size, _) => Some(format!(
            "does not even show {} within {within}: {more}",
            size.text(metric)
        )),
        Shown::From(size, _) => {
            let times = match (size, metric.min_effect) {
                (Size::Relative(size), MinEffect::Relative(limit))
                | (Size::Absolute(size), MinEffect::Absolute(limit))
                    if limit > 0.0 =>
                {
                    size.abs() / limit
                }
                _ => return None,
            };
            (times > TOO_BLUNT).then(|| {
                format!(
                    "shows {} within {within}, {} times its limit: {more}",
                    size.text(metric),
                    trim_number((times * 10.0).round() / 10.0)
                )
            })
        }
        Shown::Unknown(_) => None,
    }
}
