//! Judges at equal false alarms: each has one number that makes it stricter, and is compared at
//! the laxest value that rolls back no more healthy canaries than a target.

use crate::evaluate::generators::Generator;
use crate::evaluate::judges::{Judge, Knob};
use crate::evaluate::labelled::{BEFORE_ONSET, DETECTED, FALSE_ROLLBACK, Labelled};
use crate::evaluate::share::Share;
use crate::evaluate::simulated::Simulation;
use crate::evaluate::trial::Path;
use crate::evaluate::work::Workers;

/// The shares of healthy canaries rolled back at which judges are compared.
pub const TARGETS: [f64; 4] = [0.01, 0.025, 0.05, 0.10];

/// Which false alarms count.
type Counts = fn(&Rates) -> f64;

/// Labelled pairs, where rollbacks of healthy ones are counted.
pub const PAIRS: &str = "pairs";

/// Labelled pairs, where alarms before the onset are counted too: the canary was healthy then.
pub const ALL_PAIRS: &str = "pairs, alarms before the onset among the false";

/// Values tried from the strictest to the laxest, evenly on the knob's scale.
const GRID: usize = 13;

/// Halvings between the last value that keeps a target and the first that does not: a share of
/// 1 / (12 · 2^6) of the knob's range is left.
const HALVINGS: usize = 6;

/// What a judge does at one value of its knob.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Healthy canaries rolled back.
    pub false_rollback: f64,
    /// Canaries rolled back that were healthy then, the later regressions among them, of all.
    pub false_alarms: f64,
    /// Regressions rolled back after their onset.
    pub detected: f64,
    /// Regressions rolled back before it.
    pub before_onset: f64,
    /// Median delay: samples for pairs, minutes for generators; `None` without enough detections.
    pub median: Option<f64>,
}

/// A judge at a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The target.
    pub target: f64,
    /// The knob's value; `None` when even the strictest misses the target.
    pub at: Option<(f64, Rates)>,
}

/// The comparison of one judge over one set of trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The judge.
    pub judge: String,
    /// Its knob.
    pub knob: &'static str,
    /// The pairs, or the generator and the strength.
    pub of: String,
    /// One per target.
    pub points: Vec<Point>,
}

impl Knob {
    /// The value at `share` of the way from the strictest (0) to the laxest (1), on a log scale of
    /// the distance from `origin`.
    pub fn value(self, share: f64) -> f64 {
        let (strict, lax) = (
            libm::log(self.strict - self.origin),
            libm::log(self.lax - self.origin),
        );
        self.origin + libm::exp(strict + share * (lax - strict))
    }
}

/// The laxest values of a knob at which what `counts` keeps each target.
///
/// # Errors
/// Those of `rates`.
pub fn search(
    knob: Knob,
    counts: Counts,
    mut rates: impl FnMut(f64) -> Result<Rates, String>,
) -> Result<Vec<Point>, String> {
    let mut tried: Vec<(f64, Rates)> = Vec::with_capacity(GRID);
    for idx in 0..GRID {
        let share = idx as f64 / (GRID - 1) as f64;
        tried.push((share, rates(knob.value(share))?));
    }
    let mut points = Vec::with_capacity(TARGETS.len());
    for target in TARGETS {
        let keeps = |rates: &Rates| counts(rates) <= target;
        let last = tried.iter().rposition(|(_, rates)| keeps(rates));
        let Some((mut share, mut best)) = last.and_then(|idx| tried.get(idx)).copied() else {
            points.push(Point { target, at: None });
            continue;
        };
        let next = last.and_then(|idx| tried.get(idx + 1));
        if let Some((mut beyond, _)) = next.copied() {
            for _ in 0..HALVINGS {
                let middle = 0.5 * (share + beyond);
                let there = rates(knob.value(middle))?;
                if keeps(&there) {
                    (share, best) = (middle, there);
                } else {
                    beyond = middle;
                }
            }
        }
        let at = Some((knob.value(share), best));
        points.push(Point { target, at });
    }
    Ok(points)
}

/// The judges that can be made stricter.
fn adjustable(judges: &[Judge]) -> impl Iterator<Item = (&Judge, Knob)> {
    judges
        .iter()
        .filter_map(|judge| Some((judge, judge.knob()?)))
}

/// Every judge over labelled pairs that can be made stricter.
///
/// # Errors
/// Those of [`Labelled::paths`].
pub fn of_pairs(
    labelled: &Labelled,
    judges: &[Judge],
    workers: &Workers<'_>,
) -> Result<Vec<Curve>, String> {
    let kinds: [(&str, Counts); 2] = [
        (PAIRS, |rates| rates.false_rollback),
        (ALL_PAIRS, |rates| rates.false_alarms),
    ];
    let mut out = Vec::new();
    for (judge, knob) in adjustable(judges) {
        // Both searches ask for many of the same values.
        let mut known: Vec<(f64, Rates)> = Vec::new();
        let mut rates = |value: f64| {
            let same = |known: &&(f64, Rates)| known.0.to_bits() == value.to_bits();
            if let Some((_, rates)) = known.iter().find(same) {
                return Ok(*rates);
            }
            workers.expect(labelled.pairs.len());
            let paths = labelled.paths(judge, Some(value), workers)?;
            let score = labelled.score(judge, &paths);
            let share = |name| score.share(name).map_or(0.0, Share::value);
            let cases = |name| score.share(name).map_or((0, 0), |s| (s.count, s.of));
            let (healthy, early) = (cases(FALSE_ROLLBACK), cases(BEFORE_ONSET));
            let all = (healthy.1 + early.1).max(1);
            let rates = Rates {
                false_rollback: share(FALSE_ROLLBACK),
                false_alarms: (healthy.0 + early.0) as f64 / all as f64,
                detected: share(DETECTED),
                before_onset: share(BEFORE_ONSET),
                median: score.delay.map(|delay| delay.median as f64),
            };
            known.push((value, rates));
            Ok(rates)
        };
        for (of, counts) in kinds {
            out.push(Curve {
                judge: judge.name().to_owned(),
                knob: knob.name,
                of: of.to_owned(),
                points: search(knob, counts, &mut rates)?,
            });
        }
    }
    Ok(out)
}

/// Every judge over every generator and strength above 0.
///
/// # Errors
/// Those of [`Simulation::paths`].
pub fn of_generators(simulation: &Simulation, workers: &Workers<'_>) -> Result<Vec<Curve>, String> {
    let mut out = Vec::new();
    for generator in simulation.generators.iter().filter(|g| !g.has_no_data()) {
        for (judge, knob) in adjustable(&simulation.judges) {
            for strength in simulation.strengths.iter().filter(|s| **s > 0.0) {
                let points = search(
                    knob,
                    |rates| rates.false_rollback,
                    |value| simulated(simulation, generator, judge, (*strength, value), workers),
                )?;
                out.push(Curve {
                    judge: judge.name().to_owned(),
                    knob: knob.name,
                    of: format!(
                        "{} {}",
                        generator.name,
                        crate::evaluate::report::plus(*strength)
                    ),
                    points,
                });
            }
        }
    }
    Ok(out)
}

fn simulated(
    simulation: &Simulation,
    generator: &Generator,
    judge: &Judge,
    (strength, value): (f64, f64),
    workers: &Workers<'_>,
) -> Result<Rates, String> {
    let ready = simulation.ready(generator, std::slice::from_ref(judge), Some(value))?;
    let row = |strength| {
        workers.expect(simulation.trials);
        let paths = simulation.paths(generator, strength, &ready, workers)?;
        let flat: Vec<&Path> = paths.iter().flatten().collect();
        Ok::<_, String>(simulation.row(generator, judge, strength, &flat))
    };
    let (null, worse) = (row(0.0)?, row(strength)?);
    let false_alarms = null.rolled_back.count + worse.before_onset.count;
    let all = (null.rolled_back.of + worse.before_onset.of).max(1);
    Ok(Rates {
        false_rollback: null.rolled_back.value(),
        false_alarms: false_alarms as f64 / all as f64,
        detected: worse.rolled_back.value(),
        before_onset: worse.before_onset.value(),
        median: worse.median_min,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn the_laxest_value_that_keeps_each_target_is_found() {
        let knob = Knob {
            name: "alpha",
            strict: 1e-6,
            lax: 0.5,
            origin: 0.0,
        };
        let mut asked = 0;
        let points = search(
            knob,
            |rates| rates.false_rollback,
            |value| {
                asked += 1;
                Ok(Rates {
                    false_rollback: value,
                    false_alarms: value,
                    detected: value.sqrt(),
                    before_onset: 0.0,
                    median: None,
                })
            },
        );
        assert!(asked <= GRID + TARGETS.len() * HALVINGS, "{asked}");
        for point in points.unwrap() {
            let (value, rates) = point.at.unwrap();
            assert!(
                value <= point.target && value > 0.95 * point.target,
                "{point:?}"
            );
            assert!((rates.detected - value.sqrt()).abs() < 1e-12);
        }
        let never = search(
            knob,
            |rates| rates.false_rollback,
            |_| {
                Ok(Rates {
                    false_rollback: 0.5,
                    false_alarms: 0.5,
                    detected: 1.0,
                    before_onset: 0.0,
                    median: None,
                })
            },
        );
        assert!(never.unwrap().iter().all(|point| point.at.is_none()));
    }
}
