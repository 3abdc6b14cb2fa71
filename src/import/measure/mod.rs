//! From a foreign query with its direction and its limits to a measure of a template: the heart of
//! every import.

mod counted;
mod series;

use crate::import::draft::{Above, Effect, Kind, Measure, Rung};
use crate::import::promql::{Matcher, parse};
use crate::import::rewrite::{
    Arm, Compared, Picks, carries_selector, compared, drop_vectors, refusal, window_of,
};
use crate::import::shape::{Scale, shape};
use crate::template::query::{QueryKind, check};
use crate::time::Span;
use crate::units::Harm;

/// The smallest change of a series that counts when the source names none: the value the built-in
/// template of `judge --csv` has, too.
const SERIES_EFFECT: Effect = Effect::Relative(0.1);

/// The smallest change of a share of errors: half a percentage point, as in the template
/// `http-service`.
const EVENTS_EFFECT: f64 = 0.005;

/// The smallest change of a share of slow observations: one percentage point, as there.
const TAIL_EFFECT: f64 = 0.01;

/// A value beyond which the source calls the canary bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limit {
    /// Bad above it, else below.
    pub(super) above: bool,
    /// In the unit of the query.
    pub(super) value: f64,
    /// Rolls back beyond it; without, it only withholds a pass.
    pub(super) rolls_back: bool,
}

/// What is asked of one query.
pub(super) struct Asked<'a> {
    /// With `${holes}`.
    pub(super) query: &'a str,
    /// Holes that stand for numbers.
    pub(super) numbers: &'a [&'a str],
    /// What picks an arm.
    pub(super) picks: &'a Picks,
    /// The distance between points.
    pub(super) step: Span,
    /// The query stays as it is, but for the arms.
    pub(super) faithful: bool,
    /// The direction of harm, where the source says one.
    pub(super) harm: Option<Harm>,
    /// Limits of the query's value.
    pub(super) limits: &'a [Limit],
    /// The arms are of the same size, so that sums compare.
    pub(super) equal_arms: bool,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) measure: Measure,
    pub(super) harm: Harm,
    /// The smallest change that counts, and whether the source gave it.
    pub(super) min_effect: (Effect, bool),
    /// The limits as an objective: target and rungs.
    pub(super) objective: Option<(f64, Vec<Rung>)>,
    /// The window of the query.
    pub(super) window: Option<Span>,
    pub(super) arms: Vec<(Arm, Matcher)>,
    pub(super) notes: Vec<(Kind, String)>,
    pub(super) silenced: Vec<(Above, &'static str, String)>,
}

/// Makes a measure; the error says why there is none.
pub(super) fn measure(asked: &Asked<'_>) -> Result<Measured, String> {
    let mut expr = parse(asked.query, asked.numbers)?;
    let zero_gaps = drop_vectors(&mut expr);
    if let Some(why) = refusal(&expr) {
        return Err(why);
    }
    let arms = asked.picks.arms(&expr);
    let (both, how) = if arms.contains(&Arm::Canary) && arms.contains(&Arm::Baseline) {
        let Some((how, side)) = compared(&expr, asked.picks) else {
            return Err(
                "the query mixes the two arms in a way that is not canary / baseline, canary - \
                 baseline or (canary - baseline) / baseline: write the query of one arm"
                    .to_owned(),
            );
        };
        let both = asked.picks.strip(&mut expr);
        expr = side;
        (both, Some(how))
    } else {
        (Vec::new(), None)
    };
    let mut picked = asked.picks.strip(&mut expr);
    picked.extend(both.into_iter().filter(|(arm, _)| *arm == Arm::Baseline));
    let mut work = Work {
        asked,
        window: window_of(&expr),
        zero_gaps,
        how,
        notes: Vec::new(),
        silenced: Vec::new(),
        objective: None,
    };
    if let Some(how) = how {
        work.say_compared(how);
    }
    let recognised = if asked.faithful { None } else { shape(&expr) };
    let counted = recognised.and_then(|shape| work.counted(shape));
    let (measure, harm, min_effect) = match counted {
        Some(counted) => counted,
        None => work.series(expr),
    };
    let out = Measured {
        measure,
        harm,
        min_effect,
        objective: work.objective,
        window: work.window,
        arms: picked,
        notes: work.notes,
        silenced: work.silenced,
    };
    out.verified(asked)
}

type Counted = (Measure, Harm, (Effect, bool));

struct Work<'a> {
    asked: &'a Asked<'a>,
    window: Option<Span>,
    zero_gaps: bool,
    how: Option<Compared>,
    notes: Vec<(Kind, String)>,
    silenced: Vec<(Above, &'static str, String)>,
    objective: Option<(f64, Vec<Rung>)>,
}

impl Work<'_> {
    fn say(&mut self, kind: Kind, text: impl Into<String>) {
        self.notes.push((kind, text.into()));
    }

    fn say_compared(&mut self, how: Compared) {
        let what = match how {
            Compared::Quotient => "canary / baseline",
            Compared::Difference => "canary - baseline",
            Compared::Change => "(canary - baseline) / baseline",
        };
        self.say(
            Kind::Better,
            format!(
                "the query was {what}; now it is asked of both arms, and the judge compares them \
                 instant by instant, with what noise there is"
            ),
        );
    }

    /// The limits on the core of the query, and the harm of the core.
    fn on_core(&self, scale: Scale) -> (Vec<Limit>, Option<Harm>) {
        // The limits of a query that compared the arms are about the comparison.
        let limits = if self.how.is_some() {
            &[]
        } else {
            self.asked.limits
        };
        let limits = limits.iter().map(|limit| Limit {
            above: limit.above != scale.flips(),
            value: scale.undone(limit.value),
            ..*limit
        });
        let harm = direction(self.asked).map(|harm| match harm {
            Harm::Increase if scale.flips() => Harm::Decrease,
            Harm::Decrease if scale.flips() => Harm::Increase,
            harm => harm,
        });
        (limits.collect(), harm)
    }
}

/// The direction of harm: as told, or as the limits say.
fn direction(asked: &Asked<'_>) -> Option<Harm> {
    asked.harm.or_else(|| {
        let above = asked.limits.iter().any(|limit| limit.above);
        let below = asked.limits.iter().any(|limit| !limit.above);
        match (above, below) {
            (true, true) => Some(Harm::Either),
            (true, false) => Some(Harm::Increase),
            (false, true) => Some(Harm::Decrease),
            (false, false) => None,
        }
    })
}

impl Measured {
    /// Every selector carries `${selector}`, and the template's own reader takes the queries.
    fn verified(self, asked: &Asked<'_>) -> Result<Self, String> {
        let queries: Vec<(&str, QueryKind)> = match &self.measure {
            Measure::Series { query, .. } => vec![(query, QueryKind::Expression)],
            Measure::Events { bad, total } => {
                vec![(bad, QueryKind::Selector), (total, QueryKind::Selector)]
            }
            Measure::Distribution { buckets, .. } => vec![(buckets, QueryKind::Buckets)],
        };
        for (query, kind) in queries {
            carries_selector(query, asked.numbers)?;
            let holes = holes(query);
            let holes: Vec<&str> = holes.iter().map(String::as_str).collect();
            if let Some(fault) = check(query, kind, &holes).into_iter().next() {
                return Err(format!("{}; {}", fault.message, fault.help));
            }
        }
        Ok(self)
    }
}

/// The names of the holes of a query.
pub(super) fn holes(query: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = query;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        out.push(name.to_owned());
        rest = after;
    }
    out
}
