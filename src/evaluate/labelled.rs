//! Judges over labelled pairs, scored by the pairs' rules: any rollback of a healthy pair is
//! false, a rollback at or before the onset of a regression is an alarm before it, one after it is
//! a detection, a promote without data is wrong.

use crate::evaluate::judges::Judge;
use crate::evaluate::limits::Limits;
use crate::evaluate::looks::Schedule;
use crate::evaluate::manifest::{Case, Label};
use crate::evaluate::share::Share;
use crate::evaluate::trial::{
    Arms, Drawn, LookAt, Measured, MetricKind, MetricSetting, Path, Setting, Trial,
};
use crate::evaluate::work::Workers;
use crate::time::{Span, Step};
use std::collections::BTreeSet;

/// A labelled pair with its rows on a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledPair {
    /// What is known of it.
    pub case: Case,
    /// The distance between grid points.
    pub step: Step,
    /// The grid point of each row, rising from 0.
    pub places: Vec<usize>,
    /// The baseline's value of each row.
    pub baseline: Vec<Option<f64>>,
    /// The canary's.
    pub canary: Vec<Option<f64>>,
}

/// What is asked.
pub struct Labelled {
    /// Over which pairs.
    pub pairs: Vec<LabelledPair>,
    /// When judges look.
    pub schedule: Schedule,
    /// The limits of the metrics.
    pub limits: Limits,
    /// How often a healthy canary may be rolled back.
    pub alpha: f64,
}

/// A line of a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What of.
    pub name: String,
    /// How many, with an interval over clusters.
    pub share: Share,
}

/// When regressions are detected, over those that are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// Median samples.
    pub median: usize,
    /// Median seconds, where the manifest knows steps.
    pub median_s: f64,
    /// Nine in ten detections come within so many samples.
    pub p90: usize,
}

/// What one judge did with all pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The judge.
    pub judge: String,
    /// The lines of the table, in a fixed order; only those with cases.
    pub lines: Vec<Line>,
    /// When regressions are detected; `None` when none is.
    pub delay: Option<Delay>,
}

/// Names of the lines that others read.
pub const FALSE_ROLLBACK: &str = "false rollback, all healthy";
/// Of scored regressions.
pub const DETECTED: &str = "detected after onset, scored regressions";
/// Of scored regressions.
pub const BEFORE_ONSET: &str = "alarm before onset";

impl Labelled {
    /// What a judge said of every pair, in their order.
    ///
    /// # Errors
    /// A pair no plan can be made of, or a judge that failed; with the case's id.
    pub fn paths(
        &self,
        judge: &Judge,
        knob: Option<f64>,
        workers: &Workers<'_>,
    ) -> Result<Vec<Path>, String> {
        workers.each(self.pairs.len(), |idx| {
            let Some(pair) = self.pairs.get(idx) else {
                return Ok(Path::default());
            };
            let ask = || {
                let ready = judge.prepare(&self.setting(pair)?, knob)?;
                ready.path(&trial(pair))
            };
            ask().map_err(|why| format!("case `{}`: {why}", pair.case.id))
        })
    }

    /// The table of one judge.
    pub fn score(&self, judge: &Judge, paths: &[Path]) -> Score {
        let cases: Vec<&Case> = self.pairs.iter().map(|pair| &pair.case).collect();
        score(judge.name(), &cases, paths)
    }

    fn setting(&self, pair: &LabelledPair) -> Result<Setting, String> {
        let rows = pair.places.len();
        if rows == 0 {
            return Err("it has no rows".to_owned());
        }
        let look = |seen: usize| {
            let place = pair.places.get(seen.saturating_sub(1));
            LookAt {
                seen,
                grid: place.map_or(seen, |place| place + 1),
            }
        };
        let looks: Vec<LookAt> = self.schedule.of(rows)?.into_iter().map(look).collect();
        let points = looks.last().map_or(rows, |look| look.grid);
        let window = pair.case.window_s.and_then(|seconds| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a window is seconds to hours; `as` saturates"
            )]
            let ms = (seconds * 1000.0).round() as i64;
            (ms > 0).then(|| Span::from_ms(ms))
        });
        Ok(Setting {
            step: pair.step,
            points,
            looks,
            metrics: vec![MetricSetting {
                kind: MetricKind::Series { window },
                harm: pair.case.harm,
                min_effect: self.limits.of_kind(&pair.case.kind),
                level: None,
            }],
            alpha: self.alpha,
            bake: points,
            history: 0,
            offset: false,
        })
    }
}

fn trial(pair: &LabelledPair) -> Trial {
    let len = pair.places.last().map_or(0, |last| last + 1);
    let spread = |values: &[Option<f64>]| {
        let mut out = vec![None; len];
        for (place, value) in pair.places.iter().zip(values) {
            if let Some(cell) = out.get_mut(*place) {
                *cell = *value;
            }
        }
        out
    };
    Trial {
        metrics: vec![Drawn {
            live: Measured::Series(Arms {
                baseline: spread(&pair.baseline),
                canary: spread(&pair.canary),
            }),
            history: None,
        }],
    }
}

/// What a path means for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// No rollback, and no promote either.
    Open,
    /// Promoted.
    Promoted,
    /// Rolled back where nothing is wrong with the canary.
    False,
    /// Rolled back before the onset of a regression.
    Before,
    /// Rolled back so many samples after it.
    Hit(usize),
}

fn outcome(case: &Case, path: &Path) -> Outcome {
    match path.rollback() {
        None if path.promote().is_some() => Outcome::Promoted,
        None => Outcome::Open,
        Some(_) if case.label != Label::Regression => Outcome::False,
        Some(seen) if seen <= case.onset => Outcome::Before,
        Some(seen) => Outcome::Hit(seen - case.onset),
    }
}

/// Scores what one judge said of cases, path by path.
pub fn score(judge: &str, cases: &[&Case], paths: &[Path]) -> Score {
    let all: Vec<Scored<'_>> = cases
        .iter()
        .zip(paths)
        .map(|(case, path)| (*case, outcome(case, path)))
        .collect();
    let mut lines = Lines {
        all: &all,
        out: Vec::new(),
    };
    let is_hit = |outcome: &Outcome| matches!(outcome, Outcome::Hit(_));
    let is_false = |outcome: &Outcome| *outcome == Outcome::False;
    let is_before = |outcome: &Outcome| *outcome == Outcome::Before;
    let healthy = |case: &Case| case.label == Label::Healthy;
    let scored = |case: &Case| case.label == Label::Regression && case.scored;
    lines.add(FALSE_ROLLBACK, healthy, is_false);
    for pairing in lines.pairings(healthy) {
        let belongs = |case: &Case| healthy(case) && case.pairing == pairing;
        lines.add(&format!("false rollback, {pairing}"), belongs, is_false);
    }
    lines.add(DETECTED, scored, is_hit);
    lines.add(BEFORE_ONSET, scored, is_before);
    for strength in ["strong", "moderate", "transient", "weak", "none"] {
        let belongs = |case: &Case| scored(case) && case.strength == strength;
        lines.add(&format!("detected, {strength}"), belongs, is_hit);
    }
    for pairing in lines.pairings(scored) {
        let belongs = |case: &Case| scored(case) && case.pairing == pairing;
        lines.add(&format!("detected, {pairing}"), belongs, is_hit);
    }
    let no_data = |case: &Case| case.label == Label::NoData;
    lines.add("promoted without data", no_data, |o| {
        *o == Outcome::Promoted
    });
    let unscored = |case: &Case| case.label == Label::Regression && !case.scored;
    lines.add("unscored faults rolled back", unscored, |o| {
        is_hit(o) || is_before(o)
    });
    Score {
        judge: judge.to_owned(),
        lines: lines.out,
        delay: delay(&all),
    }
}

/// A case and what came of it.
type Scored<'a> = (&'a Case, Outcome);

/// The lines of a score as they are written.
struct Lines<'a> {
    all: &'a [Scored<'a>],
    out: Vec<Line>,
}

impl Lines<'_> {
    /// One line, unless no case belongs to it.
    fn add(
        &mut self,
        name: &str,
        belongs: impl Fn(&Case) -> bool,
        counts: impl Fn(&Outcome) -> bool,
    ) {
        let mine = self.all.iter().filter(|(case, _)| belongs(case));
        let hits: Vec<(&str, bool)> = mine
            .map(|(case, outcome)| (case.cluster.as_str(), counts(outcome)))
            .collect();
        if !hits.is_empty() {
            self.out.push(Line {
                name: name.to_owned(),
                share: Share::clustered(&hits),
            });
        }
    }

    /// The pairings that cases of a kind have, in the order of their names.
    fn pairings(&self, belongs: impl Fn(&Case) -> bool) -> Vec<String> {
        let mine = self.all.iter().filter(|(case, _)| belongs(case));
        let names: BTreeSet<&String> = mine.map(|(case, _)| &case.pairing).collect();
        let named = names.into_iter().filter(|name| !name.is_empty());
        named.cloned().collect()
    }
}

/// Over detected scored regressions; the upper median, as the pairs' own scorer takes it.
fn delay(all: &[Scored<'_>]) -> Option<Delay> {
    let caught = || {
        all.iter()
            .filter(|(case, _)| case.scored)
            .filter_map(|(case, outcome)| match outcome {
                Outcome::Hit(delay) => Some((*case, *delay)),
                _ => None,
            })
    };
    let mut samples: Vec<usize> = caught().map(|(_, delay)| delay).collect();
    let seconds = |(case, delay): (&Case, usize)| delay as f64 * case.step_s.unwrap_or(0.0);
    let mut seconds: Vec<f64> = caught().map(seconds).collect();
    samples.sort_unstable();
    seconds.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    Some(Delay {
        median: *samples.get(middle)?,
        median_s: *seconds.get(middle)?,
        p90: *samples.get(samples.len() * 9 / 10)?,
    })
}

impl Score {
    /// The share of a line.
    pub fn share(&self, name: &str) -> Option<&Share> {
        let line = self.lines.iter().find(|line| line.name == name)?;
        Some(&line.share)
    }
}
