//! What a judgement of a short window after a rollback says: is what was wrong wrong still?
//!
//! Each glance has a window of its own, so that what burned before the rollback took hold does not
//! count against it. A minute is too short for a proof either way, so point estimates are compared:
//! the burn of an objective with 1 (or `burn_under`), the effect of a metric with its limit. What
//! has no data is not well: only that the baseline gets traffic where the canary gets none any more
//! tells that a canary is gone (A5). A glance never changes a verdict (A4).

use crate::engine::after::{By, FIGURES_MAX, Figure, Seen};
use crate::judge::judgement::{Finding, Judgement, Label, ObjectiveFinding};
use crate::plan::{Plan, Queries};
use crate::template::Role;
use crate::template::recovery::Recovery;
use crate::units::{Harm, MinEffect, trim_number};
use std::fmt::Write as _;

/// What one glance sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// In a word.
    pub seen: Seen,
    /// In a sentence.
    pub detail: String,
    /// What it was told by.
    pub by: Option<By>,
    /// What was measured.
    pub figures: Vec<Figure>,
}

impl Sight {
    /// Nothing could be told, for this reason.
    pub const fn blind(detail: String) -> Self {
        Self {
            seen: Seen::Blind,
            detail,
            by: None,
            figures: Vec::new(),
        }
    }
}

/// What one objective or metric says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Wrong,
    Silent,
    Well,
}

struct Point {
    told: Told,
    text: String,
    figure: Option<Figure>,
}

/// The judgement that led to the rollback, the glance's own, and what is known besides.
#[derive(Clone, Copy)]
pub struct Scene<'j> {
    /// The plan of the analysis.
    pub plan: &'j Plan,
    /// The judgement that led to the rollback; a person may have decided before the first.
    pub then: Option<&'j Judgement>,
    /// The glance's own.
    pub now: &'j Judgement,
    /// Whether data of the canary were ever seen: what never had any cannot be gone.
    pub was_seen: bool,
}

/// What a glance sees.
pub fn sight(scene: &Scene<'_>) -> Sight {
    let absent = seen_findings(scene.now).all(|f| f.canary.n == 0);
    if absent && !seen_findings(scene.now).any(|f| f.baseline.n > 0) {
        return Sight::blind("neither arm has data, so nothing can be told".to_owned());
    }
    if absent && !scene.was_seen {
        let text = "the canary has no data and never had any, so nothing can be told";
        return Sight::blind(text.to_owned());
    }
    let left = absent || scene.traffic_left();
    let mut points = scene.objectives(left);
    let metrics = subjects(scene).into_iter();
    points.extend(metrics.map(|subject| subject.point(left)));
    points.sort_by_key(|point| match point.told {
        Told::Wrong => 0,
        Told::Silent => 1,
        Told::Well => 2,
    });
    concluded(scene, points, left)
}

fn concluded(scene: &Scene<'_>, points: Vec<Point>, left: bool) -> Sight {
    let worst = points.first().map_or(Told::Well, |point| point.told);
    let said = texts(points.iter().filter(|point| point.told == worst));
    let warned = scene.now.suspect.first();
    let figures: Vec<Figure> = points.into_iter().filter_map(|p| p.figure).collect();
    let by_canary = figures.iter().any(|figure| figure.canary.is_some());
    let (seen, detail) = match (worst, warned) {
        (Told::Wrong, _) => (Seen::Burning, said),
        (Told::Silent, _) => (Seen::Blind, said),
        (Told::Well, Some(warned)) => {
            let text = format!("the source warned that its data may be partial: {warned}");
            (Seen::Blind, text)
        }
        (Told::Well, None) if left && !by_canary => {
            let gone = "the canary gets no traffic any more, the baseline does";
            let both = [gone, &said].map(str::to_owned);
            let both = both.into_iter().filter(|text| !text.is_empty());
            (Seen::Gone, both.collect::<Vec<_>>().join("; "))
        }
        (Told::Well, None) => (Seen::Quiet, said),
    };
    let burn = figures.iter().any(|figure| figure.by == By::Burn);
    let by = match seen {
        Seen::Blind => None,
        _ if burn => Some(By::Burn),
        Seen::Gone => Some(By::Traffic),
        Seen::Quiet | Seen::Burning => Some(By::Comparison),
    };
    let figures = figures.into_iter().take(FIGURES_MAX).collect();
    Sight {
        seen,
        detail,
        by,
        figures,
    }
}

/// As many as there are figures; the rest is counted.
fn texts<'p>(points: impl Iterator<Item = &'p Point>) -> String {
    let all: Vec<&str> = points
        .map(|point| point.text.as_str())
        .filter(|text| !text.is_empty())
        .collect();
    let shown: Vec<&str> = all.iter().take(FIGURES_MAX).copied().collect();
    let mut out = shown.join("; ");
    if all.len() > shown.len() {
        let _ = write!(out, "; and {} more", all.len() - shown.len());
    }
    out
}

fn seen_findings(judgement: &Judgement) -> impl Iterator<Item = &Finding> {
    let all = judgement.findings.iter();
    all.filter(|finding| finding.role != Role::Info)
}

impl Scene<'_> {
    fn burn_under(&self) -> f64 {
        let recovery = self.plan.recovery.unwrap_or_else(Recovery::usual);
        recovery.burn_under.get()
    }

    /// Whether the counters say that the canary gets no traffic any more where the baseline does.
    fn traffic_left(&self) -> bool {
        let counted = |finding: &&Finding| {
            let mut metrics = self.plan.metrics.iter();
            let metric = metrics.find(|metric| metric.name == finding.metric);
            metric.is_some_and(|metric| !matches!(metric.queries, Queries::Series { .. }))
        };
        let mut all = seen_findings(self.now).filter(counted);
        let silent = |f: &Finding| f.canary.n == 0 && f.baseline.n > 0;
        let canary = seen_findings(self.now)
            .filter(counted)
            .any(|f| f.canary.n > 0);
        !canary && all.any(silent)
    }

    /// The objectives that burned at the verdict.
    fn objectives(&self, left: bool) -> Vec<Point> {
        let under = self.burn_under();
        let then = |objective: &ObjectiveFinding| {
            let then = self.then.map(|then| then.objectives.as_slice());
            let mut then = then.unwrap_or_default().iter();
            then.find(|o| o.objective == objective.objective)
        };
        let now = self.now.objectives.iter();
        let burned = now.filter(|objective| {
            let canary = then(objective).and_then(|then| then.canary_burn);
            canary.is_none_or(|burn| burn >= under)
        });
        burned
            .map(|objective| {
                let before = then(objective).and_then(|then| then.baseline_burn);
                self.objective(objective, (under, before), left)
            })
            .collect()
    }

    /// One objective; `before` is the baseline's burn at the verdict.
    fn objective(
        &self,
        objective: &ObjectiveFinding,
        (under, before): (f64, Option<f64>),
        left: bool,
    ) -> Point {
        let name = &objective.objective;
        let (canary, baseline) = (objective.canary_burn, objective.baseline_burn);
        let mut findings = self.now.findings.iter();
        let events = findings.find(|finding| finding.metric == objective.metric);
        let figure = Figure {
            of: name.to_string(),
            by: By::Burn,
            canary,
            baseline,
            limit: MinEffect::Absolute(under),
            n: events.map_or(0, |finding| finding.canary.n),
        };
        // What burned alike before the rollback is not for the rollback to mend.
        let spread = baseline.zip(before);
        let spread = spread.filter(|(now, before)| *now >= under && *before < under);
        let (told, text) = match (canary, baseline, spread) {
            (Some(burn), ..) if burn >= under => {
                (Told::Wrong, format!("objective {name} burns at {burn:.1}"))
            }
            (_, _, Some((now, before))) => {
                let text = format!(
                    "objective {name} of the baseline burns at {now:.1}, at the verdict it did at \
                     {before:.1}"
                );
                (Told::Wrong, text)
            }
            (Some(burn), ..) => {
                let under = trim_number(under);
                let text = format!("objective {name} burns at {burn:.2}, under {under}");
                (Told::Well, text)
            }
            (None, Some(burn), None) if left => {
                let text = format!("objective {name} of the baseline burns at {burn:.2}");
                (Told::Well, text)
            }
            _ => {
                let text = format!("objective {name} has no events of the canary");
                (Told::Silent, text)
            }
        };
        Point {
            told,
            text,
            figure: Some(figure),
        }
    }
}

/// A metric, or a value of its `group_by`, that is compared with its limit.
struct Subject<'j> {
    name: String,
    now: Option<&'j Finding>,
    then: Option<&'j Finding>,
}

/// What is compared with limits: what was shown worse at the rollback. When nothing was (a person
/// decided, or an objective alone), every gate is; without a gate, whatever counts.
fn subjects<'j>(scene: &Scene<'j>) -> Vec<Subject<'j>> {
    let now = |name: &str| {
        let mut now = scene.now.findings.iter();
        now.find(|finding| finding.metric.as_str() == name)
    };
    let then: Vec<&'j Finding> = scene.then.map_or_else(Vec::new, |then| {
        seen_findings(then)
            .filter(|finding| finding.label == Label::Worse)
            .collect()
    });
    let gates: Vec<&Finding> = then.iter().copied().filter(|f| f.role.is_gate()).collect();
    let worse = if gates.is_empty() { then } else { gates };
    if !worse.is_empty() {
        let each = worse.into_iter();
        return each
            .flat_map(|then| of_worse(then, now(then.metric.as_str())))
            .collect();
    }
    let every: Vec<&'j Finding> = seen_findings(scene.now).collect();
    let gates: Vec<&Finding> = every.iter().copied().filter(|f| f.role.is_gate()).collect();
    let chosen = if gates.is_empty() { every } else { gates };
    let whole = |now: &'j Finding| {
        let mut then = scene.then.map(|t| t.findings.iter()).into_iter().flatten();
        Subject {
            name: now.metric.to_string(),
            now: Some(now),
            then: then.find(|then| then.metric == now.metric),
        }
    };
    chosen.into_iter().map(whole).collect()
}

/// A metric that was shown worse: as a whole, or the values that were.
fn of_worse<'j>(then: &'j Finding, now: Option<&'j Finding>) -> Vec<Subject<'j>> {
    let whole = Subject {
        name: then.metric.to_string(),
        now,
        then: Some(then),
    };
    let Some(breakdown) = &then.breakdown else {
        return vec![whole];
    };
    let values = breakdown.worse().into_iter().map(|value| {
        let now = now.and_then(|now| now.breakdown.as_deref());
        let mut now = now.map(|b| b.values.iter()).into_iter().flatten();
        Subject {
            name: format!("{} ({} {})", then.metric, breakdown.by, value.value),
            now: now
                .find(|now| now.value == value.value)
                .map(|value| &value.finding),
            then: Some(&value.finding),
        }
    });
    let mut out: Vec<Subject<'j>> = values.collect();
    if breakdown.whole == Label::Worse || out.is_empty() {
        out.insert(0, whole);
    }
    out
}

impl Subject<'_> {
    fn point(&self, left: bool) -> Point {
        let name = &self.name;
        let (canary, baseline) = self
            .now
            .map_or((0, 0), |now| (now.canary.n, now.baseline.n));
        let silent = |what: &str| Point {
            told: Told::Silent,
            text: format!("{name} has no data of {what}"),
            figure: None,
        };
        let Some(now) = self.now.filter(|_| canary > 0 || baseline > 0) else {
            return silent("either arm");
        };
        if canary == 0 && !left {
            return silent("the canary");
        }
        let wrong = if canary == 0 {
            self.remains(now)
        } else if baseline == 0 {
            return silent("the baseline");
        } else {
            match beyond(now) {
                None => return silent("the kind that is compared"),
                Some(true) => Some(self.levels(now)),
                Some(false) => None,
            }
        };
        let (told, text) = match wrong {
            Some(text) => (Told::Wrong, text),
            None if canary == 0 => (Told::Well, String::new()),
            None => (Told::Well, format!("{name} within its limit")),
        };
        let figure = Figure {
            of: name.clone(),
            by: By::Comparison,
            canary: now.canary.level,
            baseline: now.baseline.level,
            limit: now.limit,
            n: canary,
        };
        Point {
            told,
            text,
            figure: Some(figure),
        }
    }

    fn levels(&self, now: &Finding) -> String {
        match now.canary.level.zip(now.baseline.level) {
            Some((canary, baseline)) => format!(
                "{} of the canary is {}, of the baseline {}",
                self.name,
                trim_number(canary),
                trim_number(baseline)
            ),
            None => format!("{} is beyond its limit", self.name),
        }
    }

    /// The canary is gone: what is wrong with what remains, if it has become more like the canary
    /// than like the baseline at the verdict. That is what a rollback looks like that did not help,
    /// because data or a schema stayed changed.
    fn remains(&self, now: &Finding) -> Option<String> {
        let then = self.then?;
        let (before, canary) = then.baseline.level.zip(then.canary.level)?;
        let level = now.baseline.level?;
        let limit = match now.limit {
            MinEffect::Absolute(limit) => limit,
            MinEffect::Relative(limit) => limit * before.abs(),
        };
        let was = harm(now.harm, canary - before);
        let is = harm(now.harm, level - before);
        (was > limit && is > limit && is >= was / 2.0).then(|| {
            format!(
                "{} of the baseline is {}, at the verdict it was {}",
                self.name,
                trim_number(level),
                trim_number(before)
            )
        })
    }
}

fn harm(direction: Harm, difference: f64) -> f64 {
    match direction {
        Harm::Increase => difference,
        Harm::Decrease => -difference,
        Harm::Either => difference.abs(),
    }
}

/// Whether a metric lies beyond its limit, by its levels in both arms; of what has no level (a
/// whole distribution) by what is shown. `None` when nothing tells.
fn beyond(finding: &Finding) -> Option<bool> {
    let levels = finding.canary.level.zip(finding.baseline.level);
    let effect = finding.effect.map(|effect| effect.absolute.value);
    let Some(difference) = effect.or(levels.map(|(canary, baseline)| canary - baseline)) else {
        return match finding.label {
            Label::Worse => Some(true),
            Label::Within => Some(false),
            Label::NoData | Label::Lagging | Label::Undecided => None,
        };
    };
    let harm = harm(finding.harm, difference);
    Some(match finding.limit {
        MinEffect::Absolute(limit) => harm > limit,
        // Of a baseline of nothing any harm is more than a share.
        MinEffect::Relative(limit) => {
            let level = finding.baseline.level.map_or(0.0, f64::abs);
            harm > limit * level
        }
    })
}
