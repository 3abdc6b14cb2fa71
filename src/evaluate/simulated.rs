//! Judges over generators: how often a healthy canary is rolled back, how often and how soon a
//! regression is.

use crate::evaluate::generators::{Draw, Family, Generator};
use crate::evaluate::judges::{Judge, Ready};
use crate::evaluate::limits::Limits;
use crate::evaluate::looks::Schedule;
use crate::evaluate::share::{Share, median_with_missing};
use crate::evaluate::trial::{LookAt, MetricSetting, Path, Setting, Trial};
use crate::evaluate::work::Workers;
use crate::time::Step;
use crate::units::Harm;

/// What is asked.
pub struct Simulation {
    /// Over which generators.
    pub generators: Vec<Generator>,
    /// Which judges.
    pub judges: Vec<Judge>,
    /// How strong regressions are; 0 is the null.
    pub strengths: Vec<f64>,
    /// Trials per generator and strength.
    pub trials: usize,
    /// Metrics per trial; the first one has the regression.
    pub metrics: usize,
    /// Grid points per trial.
    pub points: usize,
    /// The distance between them.
    pub step: Step,
    /// When judges look.
    pub schedule: Schedule,
    /// Grid points before the regression begins.
    pub onset: usize,
    /// The limits of the metrics.
    pub limits: Limits,
    /// How often a healthy canary may be rolled back.
    pub alpha: f64,
    /// Grid points before which nothing is promoted.
    pub bake: usize,
    /// Grid points of history.
    pub history: usize,
    /// Whether the canary's population is part of it.
    pub offset: bool,
    /// The seed of everything.
    pub seed: u64,
}

/// What one judge did with all trials of one generator at one strength.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedRow {
    /// The generator.
    pub generator: String,
    /// Its family.
    pub family: Family,
    /// Why its null is none of the specification's.
    pub excluded: Option<String>,
    /// The judge.
    pub judge: String,
    /// How strong the regression was; 0 is the null.
    pub strength: f64,
    /// Rolled back after the onset and not before; at strength 0 rolled back at all.
    pub rolled_back: Share,
    /// Rolled back before the onset; of a null there is none.
    pub before_onset: Share,
    /// Median minutes from the onset to the rollback, the missed counted as later than all;
    /// `None` when most are missed, and for nulls.
    pub median_min: Option<f64>,
    /// Promoted.
    pub promoted: Share,
    /// Whether a promote would be one without data.
    pub without_data: bool,
}

impl Simulation {
    /// All rows: generator by generator, strength by strength, judge by judge.
    ///
    /// # Errors
    /// A setting no plan can be made of, or a judge that failed; with the generator's name.
    pub fn run(&self, workers: &Workers<'_>) -> Result<Vec<SimulatedRow>, String> {
        let cells = || {
            let each = |generator| {
                let strengths = self.strengths_of(generator);
                strengths
                    .into_iter()
                    .map(move |strength| (generator, strength))
            };
            self.generators.iter().flat_map(each)
        };
        workers.expect(cells().count() * self.trials);
        let mut out = Vec::new();
        for (generator, strength) in cells() {
            let ready = self.ready(generator, &self.judges, None)?;
            let paths = self.paths(generator, strength, &ready, workers)?;
            for (judge_idx, judge) in self.judges.iter().enumerate() {
                let mine: Vec<&Path> = paths.iter().filter_map(|all| all.get(judge_idx)).collect();
                out.push(self.row(generator, judge, strength, &mine));
            }
        }
        Ok(out)
    }

    /// A generator without data has no regression to find.
    pub fn strengths_of(&self, generator: &Generator) -> Vec<f64> {
        if generator.has_no_data() {
            return vec![0.0];
        }
        self.strengths.clone()
    }

    /// The judges, prepared for a generator.
    ///
    /// # Errors
    /// A setting no plan can be made of.
    pub fn ready(
        &self,
        generator: &Generator,
        judges: &[Judge],
        knob: Option<f64>,
    ) -> Result<Vec<Box<dyn Ready>>, String> {
        let setting = self.setting(generator)?;
        let prepare = |judge: &Judge| judge.prepare(&setting, knob);
        let ready: Result<Vec<_>, String> = judges.iter().map(prepare).collect();
        ready.map_err(|why| format!("generator {}: {why}", generator.name))
    }

    /// What every judge said in every trial: one entry per trial, in it one per judge.
    ///
    /// # Errors
    /// A judge that failed, with generator and trial.
    pub fn paths(
        &self,
        generator: &Generator,
        strength: f64,
        judges: &[Box<dyn Ready>],
        workers: &Workers<'_>,
    ) -> Result<Vec<Vec<Path>>, String> {
        workers.each(self.trials, |trial_idx| {
            let trial = self.trial(generator, strength, trial_idx);
            let paths = judges.iter().map(|judge| judge.path(&trial));
            let paths: Result<Vec<Path>, String> = paths.collect();
            paths.map_err(|why| format!("generator {}, trial {trial_idx}: {why}", generator.name))
        })
    }

    /// Sums up what one judge said in all trials.
    pub fn row(
        &self,
        generator: &Generator,
        judge: &Judge,
        strength: f64,
        paths: &[&Path],
    ) -> SimulatedRow {
        let null = strength == 0.0;
        let onset = if null { 0 } else { self.onset };
        let alarms: Vec<usize> = paths.iter().filter_map(|path| path.rollback()).collect();
        let (before, after): (Vec<usize>, Vec<usize>) =
            alarms.into_iter().partition(|seen| *seen <= onset);
        let minute = self.step.span().seconds() / 60.0;
        let mut delays: Vec<f64> = after
            .iter()
            .map(|seen| (seen - onset) as f64 * minute)
            .collect();
        let missing = paths.len() - delays.len();
        let median = median_with_missing(&mut delays, missing);
        let promoted = paths.iter().filter(|path| path.promote().is_some()).count();
        SimulatedRow {
            generator: generator.name.clone(),
            family: generator.family,
            excluded: generator.excluded(self.step),
            judge: judge.name().to_owned(),
            strength,
            rolled_back: Share::wilson(after.len(), paths.len()),
            before_onset: Share::wilson(before.len(), paths.len()),
            median_min: median.filter(|_| !null),
            promoted: Share::wilson(promoted, paths.len()),
            without_data: generator.has_no_data(),
        }
    }

    fn setting(&self, generator: &Generator) -> Result<Setting, String> {
        let kind = generator.kind(self.step);
        let metric = MetricSetting {
            kind,
            harm: Harm::Increase,
            min_effect: self
                .limits
                .of_simulated(kind == crate::evaluate::trial::MetricKind::Events),
            level: Some(generator.level()),
        };
        let looks = self.schedule.of(self.points)?;
        Ok(Setting {
            step: self.step,
            points: self.points,
            looks: looks.into_iter().map(LookAt::at).collect(),
            metrics: vec![metric; self.metrics.max(1)],
            alpha: self.alpha,
            bake: self.bake,
            history: self.history,
            offset: self.offset,
        })
    }

    fn trial(&self, generator: &Generator, strength: f64, trial: usize) -> Trial {
        let metric = |metric| {
            generator.draw(&Draw {
                seed: self.seed,
                trial,
                metric,
                step: self.step,
                points: self.points,
                history: self.history,
                strength: if metric == 0 { strength } else { 0.0 },
                onset: self.onset,
            })
        };
        Trial {
            metrics: (0..self.metrics.max(1)).map(metric).collect(),
        }
    }
}
