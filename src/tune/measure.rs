//! What a template says of pairs between which nothing had changed, metric by metric and as a
//! whole, with what each metric costs.

use crate::engine::verdict::Verdict;
use crate::judge::judgement::Label;
use crate::judge::sequential::Tables;
use crate::judge::windows::{Batch, Counts, Windows};
use crate::plan::{MetricPlan, Plan, Queries};
use crate::simulate::share::Share;
use crate::simulate::work::Workers;
use crate::stats::{autocorrelation, summary};
use crate::template::Template;
use crate::time::Timestamp;
use crate::tune::course::{Ran, alone, of_metric, run};
use crate::tune::placebo::{Case, Kind};
use std::collections::{BTreeMap, BTreeSet};

/// A share with its clusters: the widest of four 95 % intervals. Wilson's over pairs, and over
/// windows, as if all pairs of one window were one; and the bootstraps over days and over canaries.
/// Pairs that are alike do not count as many, and none of so many is no promise of none.
pub fn share(cases: &[(&Case, bool)]) -> Share {
    let of = cases.len();
    let count = cases.iter().filter(|(_, hit)| *hit).count();
    let windows: BTreeSet<_> = cases.iter().map(|(case, _)| case.window()).collect();
    let mut out = Share::wilson(count, of);
    let (low, high) = by_window(count, of, windows.len());
    out.low = out.low.min(low);
    out.high = out.high.max(high);
    if count == 0 || count == of {
        return out;
    }
    for which in 0..2 {
        let named = cases.iter().map(|(case, hit)| {
            let cluster = case.clusters.get(which).map_or("", String::as_str);
            (cluster, *hit)
        });
        let named: Vec<(&str, bool)> = named.collect();
        let wider = Share::clustered(&named);
        out.low = out.low.min(wider.low);
        out.high = out.high.max(wider.high);
    }
    out
}

/// Wilson's limits where so many windows hold all pairs, each counted as one pair.
fn by_window(count: usize, of: usize, windows: usize) -> (f64, f64) {
    let scaled = |round: fn(usize, usize) -> usize| round(count * windows, of.max(1));
    let fewer = scaled(|all, of| all / of);
    let more = scaled(usize::div_ceil);
    (
        Share::wilson(fewer, windows).low,
        Share::wilson(more.min(windows), windows).high,
    )
}

/// The most hits among these pairs after which the upper bound is still within `max`; none where
/// even none would be above it.
pub fn allowed(cases: &[&Case], max: f64) -> usize {
    let windows: BTreeSet<_> = cases.iter().map(|case| case.window()).collect();
    let of = cases.len();
    let fits = |count: &usize| {
        let high = by_window(*count, of, windows.len()).1;
        high.max(Share::wilson(*count, of).high) <= max
    };
    (0..=of).take_while(fits).last().unwrap_or(0)
}

/// What one metric of one pair looks like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// It was shown worse, judged by itself.
    pub worse: bool,
    /// It had no data at its last look.
    pub no_data: bool,
    /// Samples read, both arms.
    pub samples: usize,
    /// Lag-1 autocorrelation of the difference of both arms, from one grid point to the next.
    pub lag1: Option<f64>,
    /// Independent values of that difference in an hour.
    pub effective: Option<f64>,
    /// The usual value: the median of the baseline, or its ratio of bad events.
    pub level: Option<f64>,
}

/// What came of one pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Came {
    /// The analysis as a whole.
    pub whole: Ran,
    /// Its metrics one by one.
    pub metrics: Vec<Seen>,
}

/// Runs one pair.
///
/// # Errors
/// A plan that cannot be made, or a failing judge.
pub fn one(case: &Case, template: &Template, tables: &Tables) -> Result<Came, String> {
    let plan = case.plan(template)?;
    let batch = case.batch();
    let mut metrics = Vec::with_capacity(plan.metrics.len());
    for idx in 0..plan.metrics.len() {
        metrics.push(seen(&plan, idx, &batch, tables)?);
    }
    let whole = run(&plan, batch, tables)?;
    Ok(Came { whole, metrics })
}

fn seen(plan: &Plan, idx: usize, batch: &Batch, tables: &Tables) -> Result<Seen, String> {
    let Some(alone) = alone(plan, idx) else {
        return Ok(Seen::default());
    };
    let mine = of_metric(batch, idx);
    let samples = mine.answers.iter().map(|(_, answer)| {
        let floats: usize = answer.series.iter().map(|s| s.samples.len()).sum();
        let native: usize = answer.histograms.iter().map(|s| s.samples.len()).sum();
        floats + native
    });
    let samples = samples.sum();
    let mut windows = Windows::new(&alone);
    windows.absorb(&alone, &mine);
    let (gap, level) = difference(&alone, &windows);
    let hours = gap.len() as f64 * alone.timing.step.span().seconds() / 3600.0;
    let values = gap.iter().flatten().count();
    let enough = values >= autocorrelation::VALUES_MIN;
    let ran = run(&alone, mine, tables)?;
    Ok(Seen {
        worse: ran.worse.first().copied().flatten().is_some(),
        no_data: ran
            .last
            .first()
            .copied()
            .flatten()
            .is_none_or(|l| l == Label::NoData),
        samples,
        lag1: autocorrelation::lag1_corrected(&gap).filter(|_| enough),
        effective: (enough && hours > 0.0).then(|| autocorrelation::effective_size(&gap) / hours),
        level,
    })
}

/// Canary minus baseline at each grid point, and the baseline's usual value.
fn difference(plan: &Plan, windows: &Windows) -> (Vec<Option<f64>>, Option<f64>) {
    if let Some((baseline, canary)) = windows.judged_series(plan, 0) {
        let both = baseline.iter().zip(canary.iter());
        let gap = both.map(|(b, c)| Some((*c)? - (*b)?)).collect();
        let present: Vec<f64> = baseline.iter().flatten().copied().collect();
        return (gap, summary::median(&present));
    }
    let intervals = windows.judged_events(plan, 0);
    let ratio = |counts: Counts| (counts.total > 0.0).then(|| counts.bad / counts.total);
    let gap = intervals.iter().map(|interval| {
        let (baseline, canary) = (interval.baseline?, interval.canary?);
        Some(ratio(canary)? - ratio(baseline)?)
    });
    let all = intervals.iter().filter_map(|interval| interval.baseline);
    let sum = all.fold(Counts::default(), |sum, counts| Counts {
        bad: sum.bad + counts.bad,
        total: sum.total + counts.total,
    });
    (gap.collect(), ratio(sum))
}

/// Runs all pairs; announced before with [`Workers::expect`].
///
/// # Errors
/// The fault of the first pair that has one.
pub fn all(
    cases: &[Case],
    template: &Template,
    workers: &Workers<'_>,
) -> Result<Vec<Came>, String> {
    let tables = Tables::default();
    workers.each(cases.len(), |idx| {
        let case = cases.get(idx).ok_or("a pair is missing")?;
        one(case, template, &tables)
    })
}

/// How often a template is wrong about pairs of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// What kind.
    pub kind: Kind,
    /// Windows the pairs are of.
    pub windows: usize,
    /// Rolled back, of all.
    pub rollbacks: Share,
    /// Per metric: shown worse when judged alone.
    pub metrics: Vec<Share>,
    /// Inconclusive, or without a verdict.
    pub inconclusive: Share,
    /// Objectives whose rungs rolled back, and how often.
    pub burnt: BTreeMap<String, usize>,
}

/// The rates of each kind that has pairs, the strongest first.
pub fn rates(cases: &[Case], results: &[Came], metrics: usize) -> Vec<Rate> {
    let mut out = Vec::new();
    for kind in Kind::ALL {
        let both = cases.iter().zip(results);
        let mine: Vec<(&Case, &Came)> = both
            .filter(|(case, _)| case.kind == kind && !case.bad)
            .collect();
        if mine.is_empty() {
            continue;
        }
        let hits = |hit: &dyn Fn(&Came) -> bool| {
            let marked: Vec<(&Case, bool)> = mine.iter().map(|(c, r)| (*c, hit(r))).collect();
            share(&marked)
        };
        let starts: BTreeSet<_> = mine.iter().map(|(case, _)| case.window()).collect();
        let mut burnt: BTreeMap<String, usize> = BTreeMap::new();
        for name in mine.iter().flat_map(|(_, result)| &result.whole.burnt) {
            *burnt.entry(name.clone()).or_default() += 1;
        }
        out.push(Rate {
            kind,
            burnt,
            windows: starts.len(),
            rollbacks: hits(&|r| r.whole.rolled_back()),
            metrics: (0..metrics)
                .map(|idx| hits(&|r| r.metrics.get(idx).is_some_and(|m| m.worse)))
                .collect(),
            inconclusive: hits(&|r| {
                !matches!(r.whole.verdict, Some(Verdict::Promote | Verdict::Rollback))
            }),
        });
    }
    out
}

/// What one metric costs and how its values behave, over pairs of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Nature {
    /// Queries asked at each look.
    pub queries: usize,
    /// Samples of a whole window, both arms: the median.
    pub samples: usize,
    /// Its share of the error that may be made; none where it cannot roll back.
    pub budget: f64,
    /// Windows at whose end it had no data.
    pub no_data: Share,
    /// Lag-1 autocorrelation: the mean over windows.
    pub lag1: Option<f64>,
    /// Independent values in an hour: the median over windows.
    pub effective: Option<f64>,
    /// The usual value.
    pub level: Option<f64>,
    /// Bad rollouts that no other gate would have found, of all bad ones; `None` without any.
    pub brings: Option<Share>,
}

/// The nature of each metric.
pub fn natures(plan: &Plan, cases: &[Case], results: &[Came], kind: Kind) -> Vec<Nature> {
    let both = || cases.iter().zip(results);
    let mine: Vec<(&Case, &Came)> = both()
        .filter(|(case, _)| case.kind == kind && !case.bad)
        .collect();
    let bad: Vec<(&Case, &Came)> = both().filter(|(case, _)| case.bad).collect();
    let gates: Vec<bool> = plan.metrics.iter().map(|m| m.role.is_gate()).collect();
    let one = |(idx, metric): (usize, &MetricPlan)| {
        let seen: Vec<&Seen> = mine
            .iter()
            .filter_map(|(_, r)| r.metrics.get(idx))
            .collect();
        let values = |of: fn(&Seen) -> Option<f64>| -> Vec<f64> {
            seen.iter().filter_map(|seen| of(seen)).collect()
        };
        let mut samples: Vec<usize> = seen.iter().map(|seen| seen.samples).collect();
        samples.sort_unstable();
        let alone = bad.iter().map(|(case, result)| {
            let others = result.metrics.iter().zip(&gates).enumerate();
            let found = result.metrics.get(idx).is_some_and(|m| m.worse);
            let other = others
                .filter(|(other, (_, gate))| *other != idx && **gate)
                .any(|(_, (seen, _))| seen.worse);
            (*case, found && !other)
        });
        let alone: Vec<(&Case, bool)> = alone.collect();
        let none = mine.iter().map(|(case, result)| {
            let seen = result.metrics.get(idx);
            (*case, seen.is_none_or(|seen| seen.no_data))
        });
        let none: Vec<(&Case, bool)> = none.collect();
        Nature {
            queries: match metric.queries {
                Queries::Events { .. } => 2,
                Queries::Series { .. } | Queries::Distribution { .. } => 1,
            },
            samples: samples.get(samples.len() / 2).copied().unwrap_or(0),
            budget: if metric.role.is_gate() {
                metric.alpha.get() / plan.judge.false_rollback.get()
            } else {
                0.0
            },
            no_data: share(&none),
            lag1: summary::mean(&values(|seen| seen.lag1)),
            effective: summary::median(&values(|seen| seen.effective)),
            level: summary::mean(&values(|seen| seen.level)),
            brings: (!alone.is_empty()).then(|| share(&alone)),
        }
    };
    plan.metrics.iter().enumerate().map(one).collect()
}

/// The kind that rates are promised by: of those whose arms stand side by side the one with the
/// most pairs, else the strongest there is.
pub fn strongest(cases: &[Case]) -> Option<Kind> {
    let count = |kind: Kind| {
        let mine = cases.iter().filter(|case| case.kind == kind && !case.bad);
        mine.count()
    };
    let strong = Kind::ALL
        .into_iter()
        .filter(|kind| kind.weakness().is_none());
    // Of equals the last one wins: so the stronger one must come last.
    let most = strong.rev().max_by_key(|kind| count(*kind));
    most.filter(|kind| count(*kind) > 0)
        .or_else(|| Kind::ALL.into_iter().find(|kind| count(*kind) > 0))
}

/// The instant that parts the pairs in two halves: what is chosen on the older one is checked on
/// the newer one. `None` when all are of one instant.
pub fn halfway(cases: &[Case], kind: Kind) -> Option<Timestamp> {
    let mine = cases.iter().filter(|case| case.kind == kind && !case.bad);
    let mut starts: Vec<_> = mine.map(|case| case.oldest).collect();
    starts.sort_unstable();
    let middle = starts.get(starts.len() / 2).copied()?;
    starts
        .first()
        .is_some_and(|first| *first < middle)
        .then_some(middle)
}

/// Whether a pair is of the older half: either of its windows lies before `halfway`.
pub fn is_older(case: &Case, halfway: Timestamp) -> bool {
    case.oldest < halfway
}
