//! What came of a scenario against what it requires: of one run, and of many.

use crate::engine::verdict::{Hold, Verdict};
use crate::judge::sequential::{Detail, Tables};
use crate::simulate::run::{Ended, Ready};
use crate::simulate::scenario::Expect;
use crate::simulate::share::{Share, median_with_missing};
use crate::simulate::work::Workers;

/// What came of one rollout of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The service.
    pub service: String,
    /// The template's name.
    pub template: String,
    /// What is required, in words.
    pub required: String,
    /// Its first run: the one of the scenario's own seed.
    pub first: Ended,
    /// Why the first run is not what is required.
    pub missed: Option<String>,
    /// All runs, when there are several.
    pub rates: Option<Rates>,
    /// Whether what is required was reached.
    pub passed: bool,
}

/// What came of many runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Promoted.
    pub promote: Share,
    /// Rolled back.
    pub rollback: Share,
    /// Inconclusive.
    pub inconclusive: Share,
    /// Not as required.
    pub errors: Share,
    /// The share of errors that is allowed.
    pub allowed: f64,
    /// Median minutes to a verdict as required, the others counted as later than all.
    pub median_min: Option<f64>,
}

/// Runs a scenario so many times; the first run has the seed itself, the others those after it.
///
/// # Errors
/// See [`Ready::run`].
pub fn judge(
    ready: &Ready,
    seed: u64,
    runs: usize,
    workers: &Workers<'_>,
) -> Result<Vec<Outcome>, String> {
    let tables = Tables::default();
    let all = workers.each(runs, |idx| {
        // Only the sentence of the first run is ever shown.
        let detail = if idx == 0 {
            Detail::Full
        } else {
            Detail::Decision
        };
        let seed = seed.wrapping_add(u64::try_from(idx).unwrap_or(u64::MAX));
        ready.run(seed, detail, &tables)
    })?;
    let specs = ready.scenario().spec.rollouts.iter();
    let outcomes = specs.zip(ready.plans()).enumerate();
    Ok(outcomes
        .filter_map(|(idx, (spec, plan))| {
            let ended: Vec<&Ended> = all.iter().filter_map(|run| run.get(idx)).collect();
            let first = (*ended.first()?).clone();
            let missed = missed(&spec.expect, &first);
            let rates = (runs > 1).then(|| rates(&spec.expect, &ended));
            // An allowed rate is broken when the data show it, not when chance could.
            let kept = |rates: &Rates| rates.errors.low <= rates.allowed;
            let passed = rates.as_ref().map_or(missed.is_none(), kept);
            Some(Outcome {
                service: spec.service.value.clone(),
                template: plan.template.to_string(),
                required: required(&spec.expect),
                first,
                missed,
                rates,
                passed,
            })
        })
        .collect())
}

/// What is required, in words: `rollback by 10m`.
pub fn required(expect: &Expect) -> String {
    let words: Vec<&str> = expect.verdict.0.iter().map(|v| v.word()).collect();
    let mut out = words.join(" or ");
    if let Some(hold) = &expect.hold {
        out = format!("{out}, held by {}", hold.0.word());
    }
    if let Some(names) = &expect.names {
        out = format!("{out}, named {names}");
    }
    if let Some(early) = expect.not_before {
        out = format!("{out}, not before {}", early.0);
    }
    format!("{out}, by {}", expect.by.0)
}

/// Why an end is not what is required.
fn missed(expect: &Expect, ended: &Ended) -> Option<String> {
    let verdict = ended.conclusion.verdict;
    if !expect.verdict.0.contains(&verdict) {
        return Some(format!("the verdict is {}", verdict.word()));
    }
    if ended.took > expect.by.0 {
        return Some(format!("it came after {}", ended.took));
    }
    if let Some(early) = expect.not_before
        && ended.took < early.0
    {
        return Some(format!("it came after {} already", ended.took));
    }
    if let Some(names) = &expect.names
        && !ended.conclusion.sentence.contains(names.as_str())
    {
        return Some(format!("its sentence does not name {names}"));
    }
    let hold = ended.conclusion.hold.as_ref();
    let wanted = expect.hold.as_ref().map(|hold| &hold.0);
    match (wanted, hold) {
        (Some(wanted), held) if held != Some(wanted) => {
            let held = held.map_or("nothing", Hold::word);
            Some(format!("it was held by {held}"))
        }
        _ => None,
    }
}

fn rates(expect: &Expect, ended: &[&Ended]) -> Rates {
    let all = ended.len();
    let count = |verdict: Verdict| {
        let given = ended.iter().filter(|e| e.conclusion.verdict == verdict);
        Share::wilson(given.count(), all)
    };
    let met = ended.iter().filter(|ended| missed(expect, ended).is_none());
    let mut minutes: Vec<f64> = met.map(|ended| ended.took.seconds() / 60.0).collect();
    let errors = all - minutes.len();
    Rates {
        promote: count(Verdict::Promote),
        rollback: count(Verdict::Rollback),
        inconclusive: count(Verdict::Inconclusive),
        errors: Share::wilson(errors, all),
        allowed: expect.error_rate_max.0,
        median_min: median_with_missing(&mut minutes, errors),
    }
}
