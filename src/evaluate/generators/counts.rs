//! Laws of events: requests and errors of both arms per interval.

use crate::evaluate::chance::Chance;
use crate::evaluate::generators::series::Shape;
use crate::evaluate::trial::Arms;
use crate::judge::windows::Counts;

/// How events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Steady.
    Plain,
    /// Traffic follows a wave of ± 50 % over the trial.
    Diurnal,
    /// A dependency fails for 32 samples: both arms err five times as often.
    Incident,
    /// Errors come in clusters of geometric size, 3 on average (retry storms).
    Clustered,
}

impl Course {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Diurnal, Self::Incident, Self::Clustered];

    /// The word in names.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Diurnal => "diurnal",
            Self::Incident => "incident",
            Self::Clustered => "clustered",
        }
    }
}

/// A law of events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// How events come.
    pub course: Course,
    /// Requests per second of both arms together.
    pub rps: f64,
    /// The canary's share of them, above 0 and below 1.
    pub split: f64,
    /// The share of requests that fail.
    pub errors: f64,
}

/// Samples of an incident: 8 minutes at a step of 15 s.
const INCIDENT_POINTS: usize = 32;

impl Traffic {
    /// `count:plain/200rps/5%/0.2%`.
    pub fn name(&self) -> String {
        let percent = |share: f64| crate::units::trim_number(share * 100.0);
        format!(
            "count:{}/{}rps/{}%/{}%",
            self.course.word(),
            crate::units::trim_number(self.rps),
            percent(self.split),
            percent(self.errors)
        )
    }

    /// In a sentence.
    pub fn about(&self) -> String {
        let percent = |share: f64| crate::units::trim_number(share * 100.0);
        let course = match self.course {
            Course::Plain => "",
            Course::Diurnal => ", traffic in a wave of ± 50 %",
            Course::Incident => ", both arms err five times as often for 32 samples",
            Course::Clustered => ", errors in clusters of geometric size, 3 on average",
        };
        format!(
            "{} requests a second, {} % of them to the canary, {} % fail{course}",
            crate::units::trim_number(self.rps),
            percent(self.split),
            percent(self.errors)
        )
    }

    /// The reverse of [`Traffic::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("count:")?.split('/');
        let course = parts.next()?;
        let rps: f64 = parts.next()?.strip_suffix("rps")?.parse().ok()?;
        let mut percent = || -> Option<f64> {
            let share: f64 = parts.next()?.strip_suffix('%')?.parse().ok()?;
            (share > 0.0 && share < 100.0).then_some(share / 100.0)
        };
        let (split, errors) = (percent()?, percent()?);
        if parts.next().is_some() || !(rps > 0.0 && rps <= 1e6) {
            return None;
        }
        Some(Self {
            course: Course::ALL.into_iter().find(|c| c.word() == course)?,
            rps,
            split,
            errors,
        })
    }

    /// The twenty of the reference table of count tests, and four with a wave of traffic.
    pub fn reference() -> Vec<Self> {
        let mut out = Vec::new();
        for (course, loads, shares) in [
            (
                Course::Plain,
                &[20.0, 200.0][..],
                &[0.0005, 0.002, 0.01][..],
            ),
            (Course::Diurnal, &[200.0][..], &[0.002, 0.01][..]),
            (Course::Incident, &[200.0][..], &[0.002, 0.01][..]),
            (Course::Clustered, &[200.0][..], &[0.002, 0.01][..]),
        ] {
            for rps in loads {
                for errors in shares {
                    for split in [0.05, 0.5] {
                        out.push(Self {
                            course,
                            rps: *rps,
                            split,
                            errors: *errors,
                        });
                    }
                }
            }
        }
        out
    }

    /// One trial; `up` multiplies the canary's share of failures.
    pub(super) fn draw(&self, chance: &mut Chance, shape: &Shape<'_>) -> Arms<Vec<Counts>> {
        let phase = chance.uniform();
        let latest = shape.points.saturating_sub(60).max(21);
        let incident = 20 + chance.whole(latest - 20);
        let mut arms = Arms {
            baseline: Vec::with_capacity(shape.points),
            canary: Vec::with_capacity(shape.points),
        };
        for idx in 0..shape.points {
            let turn = idx as f64 / shape.points as f64 + phase;
            let load = match self.course {
                Course::Diurnal => 1.0 + 0.5 * libm::sin(std::f64::consts::TAU * turn),
                _ => 1.0,
            };
            let failing = self.course == Course::Incident
                && (incident..incident + INCIDENT_POINTS).contains(&idx);
            let rate = self.errors * if failing { 5.0 } else { 1.0 };
            let requests = self.rps * shape.step_min * 60.0 * load;
            let up = shape.up.get(idx).copied().unwrap_or(1.0);
            let baseline = self.interval(chance, requests * (1.0 - self.split), rate);
            let canary = self.interval(chance, requests * self.split, rate * up);
            arms.baseline.push(baseline);
            arms.canary.push(canary);
        }
        arms
    }

    fn interval(&self, chance: &mut Chance, requests: f64, rate: f64) -> Counts {
        let total = chance.poisson(requests);
        let bad = if self.course == Course::Clustered {
            let clusters = chance.poisson(total * rate / 3.0);
            clusters + chance.negative_binomial(clusters, 1.0 / 3.0)
        } else {
            chance.binomial(total, rate.min(1.0))
        };
        // A storm of retries is a storm of requests: no more can fail than there are.
        Counts {
            bad: bad.min(total),
            total,
        }
    }
}
