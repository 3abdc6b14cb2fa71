//! The whole of it: pairs measured, changes tried, a proposal chosen on the older half and checked
//! on the newer one.

use crate::plan::{MetricPlan, Queries};
use crate::simulate::share::Share;
use crate::simulate::work::Workers;
use crate::template::Template;
use crate::template::parse::parse;
use crate::time::{Span, Timestamp};
use crate::tune::advice::{Known, advice};
use crate::tune::edit::{Edit, applied, diff};
use crate::tune::measure::{self, Nature, Rate};
use crate::tune::placebo::{Case, Kind, thinned};
use crate::tune::power::{Shown, Trial};
use crate::tune::propose::{Asked, Check, POWER_PAIRS, Search, windows_needed};
use crate::tune::report::plain_wish;
use crate::units::{MinEffect, trim_number};

/// What is to be tuned.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The template.
    pub template: &'a Template,
    /// The name of its file.
    pub file: &'a str,
    /// The text of its file, without what it extends.
    pub text: &'a str,
    /// In what time changes should be shown.
    pub within: &'a [Span],
    /// What is asked of it.
    pub asked: &'a Asked,
}

/// What was found of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricTuned {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: &'static str,
    /// Its limit.
    pub limit: String,
    /// The smallest change it shows, by time.
    pub shown: Vec<(Span, Shown, String)>,
    /// How it behaves and what it costs.
    pub nature: Nature,
    /// What follows.
    pub advice: String,
}

/// Both halves of the pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Halves {
    /// What changes were chosen on.
    pub older: Check,
    /// What they were checked on.
    pub newer: Check,
}

/// How it ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The template does what is asked as it is.
    AsItIs,
    /// The proposal does.
    Proposed,
    /// It may well be so, but there are too few windows to show it; so many are needed.
    TooFewWindows(usize),
    /// Nothing that was tried does, for these reasons.
    Nothing(Vec<String>),
}

impl Ending {
    /// The word in answers.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::AsItIs => "as_it_is",
            Self::Proposed => "proposed",
            Self::TooFewWindows(_) => "too_few_windows",
            Self::Nothing(_) => "nothing",
        }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The template's name.
    pub template: String,
    /// The name of its file.
    pub file: String,
    /// The kind of pairs that rates are promised by.
    pub main: Kind,
    /// The rates of each kind.
    pub rates: Vec<Rate>,
    /// The metrics.
    pub metrics: Vec<MetricTuned>,
    /// What was asked.
    pub asked: Asked,
    /// The instant that parts the halves.
    pub halfway: Option<Timestamp>,
    /// The template as it is.
    pub before: Halves,
    /// The edits that were chosen.
    pub edits: Vec<Edit>,
    /// The template with them.
    pub after: Option<Halves>,
    /// The text with them.
    pub text: Option<String>,
    /// The difference of both texts.
    pub diff: String,
    /// How it ends.
    pub ending: Ending,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Measures and proposes.
///
/// # Errors
/// No pairs, a plan that cannot be made, or a failing judge.
pub fn tuned(
    subject: &Subject<'_>,
    cases: &[Case],
    workers: &Workers<'_>,
) -> Result<Tuned, String> {
    let main = measure::strongest(cases).ok_or("there are no placebo pairs")?;
    let first = cases.first().ok_or("there are no placebo pairs")?;
    let plan = first.plan(subject.template)?;
    workers.expect(cases.len());
    let results = measure::all(cases, subject.template, workers)?;
    let rates = measure::rates(cases, &results, plan.metrics.len());
    let natures = measure::natures(&plan, cases, &results, main);
    let mine: Vec<&Case> = cases
        .iter()
        .filter(|case| case.kind == main && !case.bad)
        .collect();
    let few = thinned(mine.clone(), POWER_PAIRS);
    let main_rate = rates.iter().find(|rate| rate.kind == main);
    let main_rate = main_rate.ok_or("a rate is missing")?;
    let each = plan.metrics.iter().zip(natures).enumerate();
    let metrics = each.map(|(idx, (metric, nature))| {
        let false_alarms = main_rate.metrics.get(idx).ok_or("a rate is missing")?;
        let about = (idx, metric, *false_alarms);
        metric_tuned(subject, about, nature, (&few, workers))
    });
    let metrics = metrics.collect::<Result<Vec<MetricTuned>, String>>()?;
    let levels: Vec<Option<f64>> = metrics.iter().map(|metric| metric.nature.level).collect();
    let search = Search {
        asked: subject.asked,
        levels: &levels,
        workers,
    };
    let mut out = Tuned {
        template: subject.template.name.as_str().to_owned(),
        file: subject.file.to_owned(),
        main,
        rates,
        metrics,
        asked: subject.asked.clone(),
        halfway: measure::halfway(cases, main),
        before: Halves {
            older: search.check(subject.template, &[])?,
            newer: search.check(subject.template, &[])?,
        },
        edits: Vec::new(),
        after: None,
        text: None,
        diff: String::new(),
        ending: Ending::AsItIs,
        notes: Vec::new(),
    };
    propose(&mut out, subject, &mine, &search)?;
    Ok(out)
}

/// What is found of one metric, changes put into it included.
fn metric_tuned(
    subject: &Subject<'_>,
    (idx, metric, false_alarms): (usize, &MetricPlan, Share),
    nature: Nature,
    (few, workers): (&[&Case], &Workers<'_>),
) -> Result<MetricTuned, String> {
    let chance = (nature.level, subject.asked.seed);
    let mut trial = Trial::new((subject.template, idx), few, chance, workers)?;
    let each = subject.within.iter();
    let shown: Vec<(Span, Shown)> = each
        .map(|within| (*within, trial.smallest(*within, nature.level)))
        .collect();
    let advice = advice(&Known {
        metric,
        false_alarms,
        nature: &nature,
        shown: &shown,
    });
    let texts = shown.into_iter().map(|(within, shown)| {
        let text = match &shown {
            Shown::From(size, _) => size.text(metric),
            Shown::NotEven(size, _) => format!("beyond {}", size.text(metric)),
            Shown::Unknown(_) => "?".to_owned(),
        };
        (within, shown, text)
    });
    Ok(MetricTuned {
        name: metric.name.as_str().to_owned(),
        role: metric.role.word(),
        limit: limit_text(metric),
        shown: texts.collect(),
        nature,
        advice,
    })
}

/// The limit in the unit in which changes are told.
fn limit_text(metric: &MetricPlan) -> String {
    match metric.min_effect {
        MinEffect::Absolute(value) if !matches!(metric.queries, Queries::Series { .. }) => {
            format!("{} pp", trim_number(value * 100.0))
        }
        effect => effect.to_string(),
    }
}

fn propose(
    out: &mut Tuned,
    subject: &Subject<'_>,
    mine: &[&Case],
    search: &Search<'_, '_, '_>,
) -> Result<(), String> {
    let Some(halfway) = out.halfway else {
        out.notes
            .push("all pairs are of one window: nothing could be checked on others".to_owned());
        out.before.newer = search.check(subject.template, mine)?;
        out.ending = Ending::TooFewWindows(2 * windows_needed(out.asked.max_false_rollback));
        return Ok(());
    };
    let (older, newer): (Vec<&Case>, Vec<&Case>) = mine
        .iter()
        .copied()
        .partition(|case| measure::is_older(case, halfway));
    let halves = |template: &Template| -> Result<Halves, String> {
        Ok(Halves {
            older: search.check(template, &older)?,
            newer: search.check(template, &newer)?,
        })
    };
    out.before = halves(subject.template)?;
    let before = &out.before;
    if before.newer.shown(&out.asked) && before.older.promising(&out.asked) {
        return Ok(());
    }
    out.edits = search.edits(subject.template, &older)?;
    if out.edits.is_empty() {
        out.ending = unmet(out, &out.before.newer);
        return Ok(());
    }
    let mut changed = subject.template.clone();
    out.edits.iter().for_each(|edit| edit.on(&mut changed));
    match applied(subject.text, &out.edits) {
        Ok(text) => {
            // What is measured is what will be read.
            changed = parse(&text).0.ok_or("the changed text is no template")?;
            out.diff = diff(subject.file, subject.text, &text);
            out.text = Some(text);
        }
        Err(why) => out.notes.push(why),
    }
    let after = halves(&changed)?;
    let (was, is) = (&out.before.newer, &after.newer);
    let worse = is.rollbacks.count > was.rollbacks.count || is.found() < was.found();
    let strictly = is.rollbacks.count < was.rollbacks.count || is.found() > was.found();
    let stricter = out
        .edits
        .iter()
        .any(|e| matches!(e, Edit::FalseRollback(_)));
    out.ending = if worse || !(strictly || stricter) {
        out.text = None;
        Ending::Nothing(vec![
            "what helped on the older half does not on the newer one".to_owned(),
        ])
    } else if after.newer.shown(&out.asked) {
        Ending::Proposed
    } else {
        unmet(out, &after.newer)
    };
    out.after = Some(after);
    Ok(())
}

/// Why what was asked is not shown.
fn unmet(out: &Tuned, check: &Check) -> Ending {
    if check.promising(&out.asked) {
        // As many in either half.
        return Ending::TooFewWindows(2 * windows_needed(out.asked.max_false_rollback));
    }
    let mut why = Vec::new();
    if !check.decides(&out.asked) {
        why.push(format!(
            "{} of {} healthy canaries end inconclusive, at most {} % asked for \
             (--max-inconclusive): wider limits, a longer deadline, or judge.accept_no_harm",
            check.inconclusive.count,
            check.inconclusive.of,
            trim_number(out.asked.max_inconclusive * 100.0)
        ));
    }
    if check.rollbacks.value() > out.asked.max_false_rollback {
        why.push(format!(
            "{} of {} placebo pairs are still rolled back",
            check.rollbacks.count, check.rollbacks.of
        ));
    }
    for (wish, came) in out.asked.wishes.iter().zip(&check.wishes) {
        let name = out
            .metrics
            .get(wish.metric)
            .map_or("?", |metric| metric.name.as_str());
        match came {
            Err(reason) => why.push(format!("{name} {}: {reason}", plain_wish(&wish.text))),
            Ok((count, of)) if !crate::tune::power::enough((*count, *of)) => {
                why.push(format!(
                    "{name} {} is shown in {count} of {of} pairs",
                    plain_wish(&wish.text)
                ));
            }
            Ok(_) => {}
        }
    }
    Ending::Nothing(why)
}
