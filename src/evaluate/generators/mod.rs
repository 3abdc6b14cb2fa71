//! Generators of trials with known truth, by name.
//!
//! A generator is a pure function of seed, name, trial and metric, so the same trial is shown to
//! every judge and can be drawn again alone. Strength 0 is the null: the canary is the baseline.

pub mod counts;
mod registry;
pub mod series;

pub use crate::evaluate::generators::registry::all;

use crate::diagnostic::closest;
use crate::evaluate::chance::Chance;
use crate::evaluate::generators::counts::Traffic;
use crate::evaluate::generators::series::{Law, Shape};
use crate::evaluate::trial::{Arms, Drawn, Measured, MetricKind};
use crate::time::{Span, Step};

/// Families of generators, each a name for all of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The twenty-one of the reference tables.
    Reference,
    /// Noise between the grid points of the specification.
    OffGrid,
    /// Transients that are no regression.
    Transient,
    /// Bursts that only the canary has.
    Burst,
    /// Counts of events.
    Counts,
    /// The canary has no data, or falls silent.
    NoData,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Reference,
        Self::OffGrid,
        Self::Transient,
        Self::Burst,
        Self::Counts,
        Self::NoData,
    ];

    /// The word that means all its members.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::OffGrid => "off-grid",
            Self::Transient => "transient",
            Self::Burst => "burst",
            Self::Counts => "counts",
            Self::NoData => "no-data",
        }
    }
}

/// What the strength of a regression means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// The canary's level is this much higher.
    Level,
    /// This share of the canary's samples is 3 to 8 times as high.
    Share,
    /// The canary errs this much more often.
    Errors,
}

/// How long the noise of a law remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Memory {
    /// No longer than the judges' noise class reaches.
    Short,
    /// AR(1) with this correlation per step.
    Correlation(f64),
    /// Windows of so many steps that overlap.
    Window(usize),
}

/// The correlation time up to which the specification promises its error: its default `tau_max`,
/// or two steps where that is longer.
const TAU_PROMISED: Span = Span::from_s(150);

enum Source {
    Series(Law),
    Counts(Traffic),
    /// Normal noise; the canary's samples end at this share of the trial.
    Silent(f64),
}

/// A generator of trials.
pub struct Generator {
    /// Its name.
    pub name: String,
    /// Its family.
    pub family: Family,
    /// Its law, in a sentence.
    pub about: String,
    /// What its strength means.
    pub strength: Strength,
    memory: Memory,
    outside: Option<&'static str>,
    source: Source,
}

/// Which trial of a generator.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// The seed of the whole evaluation.
    pub seed: u64,
    /// Which trial.
    pub trial: usize,
    /// Which metric of the trial.
    pub metric: usize,
    /// The distance between grid points.
    pub step: Step,
    /// Grid points from the start on.
    pub points: usize,
    /// Grid points of history.
    pub history: usize,
    /// How strong the regression is; 0 is none.
    pub strength: f64,
    /// Grid points before it begins.
    pub onset: usize,
}

impl Generator {
    /// What its metric is, at a step.
    pub fn kind(&self, step: Step) -> MetricKind {
        match (&self.source, self.memory) {
            (Source::Counts(_), _) => MetricKind::Events,
            (_, Memory::Window(steps)) => {
                let steps = i64::try_from(steps).unwrap_or(i64::MAX);
                MetricKind::Series {
                    window: Some(step.span().times(steps)),
                }
            }
            _ => MetricKind::Series { window: None },
        }
    }

    /// The level an operator would know; for events the share of errors.
    pub fn level(&self) -> f64 {
        match &self.source {
            Source::Counts(traffic) => traffic.errors,
            Source::Series(_) | Source::Silent(_) => series::LEVEL,
        }
    }

    /// Why its null is not one that the specification promises anything about; `None` where the
    /// promise holds.
    pub fn excluded(&self, step: Step) -> Option<String> {
        if let Some(why) = self.outside {
            return Some(why.to_owned());
        }
        let step = step.span();
        let promised = TAU_PROMISED.seconds().max(2.0 * step.seconds());
        let tau = match self.memory {
            Memory::Short => return None,
            Memory::Correlation(rho) if rho <= 0.0 => return None,
            Memory::Correlation(rho) => -step.seconds() / libm::log(rho),
            Memory::Window(steps) => steps as f64 * step.seconds(),
        };
        (tau > promised).then(|| {
            format!(
                "its noise remembers {tau:.0} s, the specification promises up to {promised:.0} s"
            )
        })
    }

    /// Whether a promote would be one without data.
    pub const fn has_no_data(&self) -> bool {
        matches!(self.source, Source::Silent(_))
    }

    /// One metric of one trial.
    pub fn draw(&self, draw: &Draw) -> Drawn {
        let (trial, metric) = (draw.trial.to_string(), draw.metric.to_string());
        let stream = |what| Chance::new(draw.seed, &[what, &self.name, &trial, &metric]);
        let lasting = stream("lasting").normal();
        let up: Vec<f64> = (0..draw.points)
            .map(|idx| 1.0 + if idx < draw.onset { 0.0 } else { draw.strength })
            .collect();
        let shape = Shape {
            points: draw.points,
            step_min: draw.step.span().seconds() / 60.0,
            up: &up,
            lasting,
        };
        let live = self.measured(&mut stream("live"), &shape);
        let history = (draw.history > 0).then(|| {
            let before = Shape {
                points: draw.history,
                up: &[],
                ..shape
            };
            self.measured(&mut stream("history"), &before)
        });
        Drawn { live, history }
    }

    fn measured(&self, chance: &mut Chance, shape: &Shape<'_>) -> Measured {
        match &self.source {
            Source::Series(law) => {
                let pair = law(chance, shape);
                Measured::whole(pair.baseline, pair.canary)
            }
            Source::Counts(traffic) => {
                let all = |counts: Vec<_>| counts.into_iter().map(Some).collect();
                let arms = traffic.draw(chance, shape);
                Measured::Events(Arms {
                    baseline: all(arms.baseline),
                    canary: all(arms.canary),
                })
            }
            Source::Silent(share) => {
                let pair = series::independent(series::normal)(chance, shape);
                let last = share * shape.points as f64;
                let heard = |(idx, value)| ((idx as f64) < last).then_some(value);
                Measured::Series(Arms {
                    baseline: pair.baseline.into_iter().map(Some).collect(),
                    canary: pair.canary.into_iter().enumerate().map(heard).collect(),
                })
            }
        }
    }
}

/// The generators that a comma-separated list names: names, families, or `all`.
///
/// # Errors
/// A name that nobody has; the message lists what exists.
pub fn select(list: &str) -> Result<Vec<Generator>, String> {
    let mut out: Vec<Generator> = Vec::new();
    for word in list.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let family = Family::ALL.into_iter().find(|f| f.word() == word);
        let found: Vec<Generator> = all()
            .into_iter()
            .filter(|g| word == "all" || g.name == word || Some(g.family) == family)
            .chain(
                Traffic::from_name(word)
                    .filter(|traffic| !Traffic::reference().contains(traffic))
                    .map(Generator::counts),
            )
            .collect();
        if found.is_empty() {
            return Err(unknown(word));
        }
        for generator in found {
            if !out.iter().any(|have| have.name == generator.name) {
                out.push(generator);
            }
        }
    }
    Ok(out)
}

fn unknown(word: &str) -> String {
    let all = all();
    let names: Vec<&str> = all
        .iter()
        .filter(|g| g.family != Family::Counts)
        .map(|g| g.name.as_str())
        .collect();
    let families: Vec<&str> = Family::ALL.iter().map(|f| f.word()).collect();
    let near = closest(word, names.iter().chain(&families).copied());
    let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
    format!(
        "unknown generator `{word}`{near}\n       there are {}, counts such as \
         count:plain/200rps/5%/0.2%, and the families {} and all",
        names.join(", "),
        families.join(", ")
    )
}
