//! From a foreign query with its direction and its limits to a measure of a template: the heart of
//! every import.

use crate::import::draft::{Above, Effect, Kind, Measure, Rung, percent, plain};
use crate::import::promql::{Aggregate, Expr, Grouping, Matcher, parse};
use crate::import::rewrite::{
    Arm, Compared, Picks, bare, carries_selector, compared, cover_both_arms, drop_vectors,
    fit_windows, refusal, window_of,
};
use crate::import::shape::{Scale, Shape, part_is_bad, shape};
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

    fn counted(&mut self, shape: Shape) -> Option<Counted> {
        match shape {
            Shape::Share {
                part,
                all,
                extra,
                split,
                scale,
            } => {
                let (limits, harm) = self.on_core(scale);
                let bad = match harm {
                    Some(Harm::Increase) => true,
                    Some(Harm::Decrease) => false,
                    _ => part_is_bad(&part, extra.as_ref())?,
                };
                let counters = if bad {
                    bare(&part)
                } else {
                    let Some(extra) = extra else {
                        let text = "a share of good events whose bad ones no single selector \
                                    gives: stays a series; `events` with a counter of the bad \
                                    ones would count each of them";
                        self.say(Kind::Kept, text);
                        return None;
                    };
                    let mut rest = all.clone();
                    rest.matchers.push(extra.flipped());
                    bare(&rest)
                };
                self.say(
                    Kind::Better,
                    "was a quotient of rates; now bad and all events are counted from the raw \
                     counters: weighed by how many there are, and the first error of a young pod \
                     is seen, which `rate` cannot see",
                );
                self.say_split(&split);
                let given = self.bind_share(&limits, bad);
                let either = harm == Some(Harm::Either);
                let harm = if either { Harm::Either } else { Harm::Increase };
                let total = bare(&all);
                let bad = counters;
                Some((Measure::Events { bad, total }, harm, self.effect(given)))
            }
            Shape::UpTo {
                buckets,
                bound,
                scale,
            } => {
                let (limits, harm) = self.on_core(scale);
                if harm == Some(Harm::Increase) {
                    return None;
                }
                self.say(
                    Kind::Better,
                    "was a quotient of rates of a histogram; now its buckets are counted: every \
                     observation beyond the bound is a bad event",
                );
                self.bind_share(&limits, false);
                let measure = Measure::Distribution {
                    buckets: bare(&buckets),
                    threshold: Some(bound),
                };
                Some((measure, Harm::Increase, self.effect(Some(TAIL_EFFECT))))
            }
            Shape::Quantile {
                q,
                buckets,
                split,
                scale,
            } => self.quantile(q, &bare(&buckets), &split, scale),
        }
    }

    fn quantile(
        &mut self,
        q: f64,
        buckets: &str,
        split: &[String],
        scale: Scale,
    ) -> Option<Counted> {
        let (limits, harm) = self.on_core(scale);
        if harm == Some(Harm::Decrease) {
            return None;
        }
        let name = format!("the {} quantile", plain(q));
        self.say(
            Kind::Better,
            format!(
                "was {name}, interpolated between two bounds and blind to how many requests stand \
                 behind it; now the buckets are judged, with every request"
            ),
        );
        self.say_split(split);
        let rolls = limits.iter().filter(|limit| limit.above);
        let first = rolls.clone().find(|limit| limit.rolls_back);
        let limit = first.or(rolls.clone().next()).copied();
        if let Some(limit) = limit {
            let bound = plain(limit.value);
            let action = limit.rolls_back;
            self.objective = Some((
                q,
                vec![Rung {
                    burn: 1.0,
                    rolls_back: action,
                }],
            ));
            self.say(
                Kind::Changed,
                format!(
                    "{name} at most {bound} is the same as {} of requests at most {bound}: an \
                     objective on the canary's own requests",
                    percent(q)
                ),
            );
            self.say(
                Kind::Choose,
                format!(
                    "`threshold: {bound}` must be one of the histogram's bounds (`le`); `lint \
                     --prometheus` tells (C074)"
                ),
            );
        } else {
            self.say(
                Kind::Choose,
                "no `threshold`: the whole distribution is judged, at every bound; name the bound \
                 beyond which a request is too slow (one of the `le`) to judge that share alone, \
                 and to put an objective on it",
            );
        }
        let measure = Measure::Distribution {
            buckets: buckets.to_owned(),
            threshold: limit.map(|limit| limit.value),
        };
        // A limit on a quotient of quantiles is about seconds, not about a share of requests.
        let effect = (Effect::Absolute(TAIL_EFFECT), false);
        Some((measure, Harm::Increase, effect))
    }

    fn say_split(&mut self, labels: &[String]) {
        if labels.is_empty() {
            return;
        }
        self.say(
            Kind::Changed,
            format!(
                "was kept apart by {}; now counted together",
                labels.join(", ")
            ),
        );
    }

    /// Turns limits of a share into an objective; the smallest change that still makes sense.
    fn bind_share(&mut self, limits: &[Limit], part_is_bad: bool) -> Option<f64> {
        let budget = |limit: &Limit| {
            if part_is_bad {
                limit.value
            } else {
                1.0 - limit.value
            }
        };
        let fits = |limit: &&Limit| limit.above == part_is_bad;
        let (meant, others): (Vec<&Limit>, Vec<&Limit>) = limits.iter().partition(fits);
        for limit in others {
            self.say(
                Kind::Changed,
                format!(
                    "the limit {} on the other side is dropped: too few bad events are no harm",
                    plain(limit.value)
                ),
            );
        }
        let (possible, impossible): (Vec<&Limit>, Vec<&Limit>) = meant
            .into_iter()
            .partition(|limit| budget(limit) > 1e-9 && budget(limit) < 1.0 - 1e-9);
        for limit in impossible {
            self.say(
                Kind::Changed,
                format!(
                    "the limit {} leaves no budget, or all of it, and is no objective; the canary \
                     is compared with the baseline",
                    plain(limit.value)
                ),
            );
        }
        let strictest = possible
            .iter()
            .map(|limit| budget(limit))
            .min_by(f64::total_cmp)?;
        let mut rungs: Vec<Rung> = Vec::new();
        for limit in &possible {
            let burn = budget(limit) / strictest;
            let rolls_back = limit.rolls_back;
            let rung = Rung { burn, rolls_back };
            if !rungs.contains(&rung) {
                rungs.push(rung);
            }
        }
        self.objective = Some((1.0 - strictest, rungs));
        self.say(
            Kind::Changed,
            format!(
                "the limit is an objective on the canary's own events: {} good; beyond it the \
                 canary is taken back when it is also worse than the baseline, so that an \
                 incident in both is no reason to",
                percent(1.0 - strictest)
            ),
        );
        Some(EVENTS_EFFECT.min(strictest))
    }

    /// The smallest change of a share.
    fn effect(&mut self, least: Option<f64>) -> (Effect, bool) {
        if let Some(given) = self.given_effect() {
            return (given, true);
        }
        let share = least.unwrap_or(EVENTS_EFFECT);
        (Effect::Absolute(share), false)
    }

    /// What a limit on the comparison of the arms says about the smallest change.
    fn given_effect(&self) -> Option<Effect> {
        let how = self.how?;
        let limit = self.asked.limits.iter().find(|limit| limit.rolls_back);
        let value = limit.or(self.asked.limits.first())?.value;
        let effect = match how {
            Compared::Quotient => Effect::Relative((value - 1.0).abs()),
            Compared::Change => Effect::Relative(value.abs()),
            Compared::Difference => Effect::Absolute(value.abs()),
        };
        let (Effect::Relative(size) | Effect::Absolute(size)) = effect;
        (size > 1e-9 && size.is_finite()).then_some(effect)
    }

    fn series(&mut self, mut expr: Expr) -> Counted {
        let asked = self.asked;
        if self.how.is_none() {
            for limit in asked.limits {
                let side = if limit.above { "above" } else { "below" };
                self.say(
                    Kind::Changed,
                    format!(
                        "{side} {} it was bad whatever the baseline did; a series has no absolute \
                         limit here, so the canary is compared with the baseline (counters of bad \
                         and of all events could carry an objective)",
                        plain(limit.value)
                    ),
                );
            }
        }
        if let Expr::Aggregate(top) = expr.bare()
            && top.op == "sum"
            && top
                .grouping
                .as_ref()
                .is_none_or(|(_, labels)| labels.is_empty())
            && !asked.equal_arms
            && !asked.faithful
        {
            let top = Aggregate {
                op: "avg".to_owned(),
                ..top.clone()
            };
            expr = Expr::Aggregate(top);
            self.say(
                Kind::Better,
                "was a sum, which grows with the share of traffic and the number of pods; now the \
                 mean of an arm's series. Divide by the requests if a canary pod gets less traffic",
            );
        }
        if !asked.faithful {
            self.rate_counters(&mut expr);
        }
        self.fit(&mut expr);
        if let Some((Grouping::By, labels)) = grouping(&expr) {
            let text = format!("series by {} are averaged in each arm", labels.join(", "));
            self.say(Kind::Changed, text);
        }
        cover_both_arms(&mut expr);
        let query = expr.to_string();
        if asked.faithful && query.contains("histogram_quantile") {
            let reason = "kept as the source has it".to_owned();
            self.silenced.push((Above::Query, "C045", reason));
        } else if query.contains("histogram_quantile") {
            let reason = "imported; judge the buckets with `distribution` instead".to_owned();
            self.silenced.push((Above::Query, "C045", reason));
            self.say(
                Kind::Kept,
                "stays an interpolated quantile; a `distribution` of its buckets would use every \
                 request",
            );
        }
        if self.zero_gaps {
            self.say(
                Kind::Better,
                "`or vector(…)` is gone: it made a typo look like a healthy value; where there is \
                 no value it is 0 by `gaps: zero`, and an arm without any data is still no data",
            );
        }
        let harm = direction(asked).unwrap_or(Harm::Either);
        let effect = self.given_effect();
        let measure = Measure::Series {
            query,
            zero_gaps: self.zero_gaps,
        };
        let min_effect = effect.map_or((SERIES_EFFECT, false), |effect| (effect, true));
        (measure, harm, min_effect)
    }

    /// A counter without a rate is rated: what it has reached depends on when its process began.
    fn rate_counters(&mut self, expr: &mut Expr) {
        let any_range = expr.selectors().iter().any(|s| s.range.is_some());
        let mut found = None;
        if !any_range {
            rate(expr, self.asked.step, &mut found);
        }
        if let Some(name) = found {
            self.say(
                Kind::Better,
                format!(
                    "`{name}` is a counter, and was compared by what it had reached, which depends \
                     on when its process began; now by its rate"
                ),
            );
        }
    }

    fn fit(&mut self, expr: &mut Expr) {
        let asked = self.asked;
        let done = fit_windows(expr, asked.step, asked.faithful);
        if let Some(range) = done.shortened {
            self.say(
                Kind::Better,
                format!(
                    "the window [{range}] is [{}] now, as long as the step: neighbouring values of \
                     longer windows share samples and look steadier than they are",
                    asked.step
                ),
            );
        }
        if !done.longer.is_empty() {
            let reason = if asked.faithful {
                "kept as the source has it"
            } else {
                "the window is part of what the query means"
            };
            self.silenced
                .push((Above::Query, "C012", reason.to_owned()));
        }
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

fn grouping(expr: &Expr) -> Option<(Grouping, Vec<String>)> {
    let mut aggregates = Vec::new();
    gather(expr, &mut aggregates);
    aggregates.into_iter().next()
}

/// Labels, besides `le`, by which a result has several series.
fn gather(expr: &Expr, out: &mut Vec<(Grouping, Vec<String>)>) {
    if let Expr::Aggregate(aggregate) = expr {
        if let Some((grouping, labels)) = &aggregate.grouping {
            let kept = labels.iter().filter(|label| *label != "le");
            let kept: Vec<String> = kept.cloned().collect();
            if !kept.is_empty() {
                out.push((*grouping, kept));
            }
        }
        return;
    }
    for child in expr.children() {
        gather(child, out);
    }
}

fn rate(expr: &mut Expr, step: Span, found: &mut Option<String>) {
    const SUFFIXES: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];
    if let Expr::Selector(selector) = expr {
        if SUFFIXES
            .iter()
            .any(|suffix| selector.name.ends_with(suffix))
        {
            found.get_or_insert_with(|| selector.name.clone());
            selector.range = Some(step.to_string());
            let args = vec![expr.clone()];
            *expr = Expr::Call {
                name: "rate".to_owned(),
                args,
            };
        }
        return;
    }
    for child in expr.children_mut() {
        rate(child, step, found);
    }
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
