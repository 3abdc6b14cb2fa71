//! Which small change of a template meets what is asked: chosen on the older half of the pairs,
//! checked on the newer half. What is promised is the upper bound of what was measured there.

use crate::engine::verdict::Verdict;
use crate::judge::sequential::Tables;
use crate::simulate::share::Share;
use crate::simulate::work::Workers;
use crate::template::{Role, Template};
use crate::tune::course::{alone, of_metric, run};
use crate::tune::edit::Edit;
use crate::tune::measure::{allowed, share};
use crate::tune::placebo::{Case, thinned};
use crate::tune::power::{Trial, enough};
use crate::units::MinEffect;

pub use crate::tune::wish::{Wish, wishes};

/// Pairs on which changes are tried; the share of pairs in which one is shown needs no more.
pub const POWER_PAIRS: usize = 40;

/// How a limit is raised or lowered step by step, and how often: up to six times as high.
const STEP: f64 = 1.25;
const STEPS: i32 = 8;

/// What is asked of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// How often a healthy canary may be rolled back.
    pub max_false_rollback: f64,
    /// How many healthy canaries may end without a promote or a rollback: a limit that rolls nobody
    /// back because it can show nothing is no better one.
    pub max_inconclusive: f64,
    /// What must be found, in 80 % of pairs.
    pub wishes: Vec<Wish>,
    /// Of chance.
    pub seed: u64,
}

/// Whether a template does what is asked, on some pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// How often it rolled a placebo back.
    pub rollbacks: Share,
    /// How often a placebo ended neither promoted nor rolled back.
    pub inconclusive: Share,
    /// In how many pairs each wish came true, and of how many; or why nobody can tell.
    pub wishes: Vec<Result<(usize, usize), String>>,
}

impl Check {
    /// Whether what was measured shows that the template does what is asked.
    pub fn shown(&self, asked: &Asked) -> bool {
        self.rollbacks.high <= asked.max_false_rollback && self.decides(asked) && self.finds()
    }

    /// Whether it is only for want of pairs that it is not shown.
    pub fn promising(&self, asked: &Asked) -> bool {
        self.rollbacks.value() <= asked.max_false_rollback && self.decides(asked) && self.finds()
    }

    /// Whether enough healthy canaries come to a verdict.
    pub fn decides(&self, asked: &Asked) -> bool {
        self.inconclusive.value() <= asked.max_inconclusive
    }

    fn finds(&self) -> bool {
        let came = |wish: &Result<(usize, usize), String>| wish.as_ref().is_ok_and(|w| enough(*w));
        self.wishes.iter().all(came)
    }

    /// Wishes that came true.
    pub fn found(&self) -> usize {
        let came = |wish: &&Result<(usize, usize), String>| wish.as_ref().is_ok_and(|w| enough(*w));
        self.wishes.iter().filter(came).count()
    }
}

/// Windows without a rollback from which on an upper bound of `max` can be shown: where Wilson's
/// limit z²/(n + z²) of none of n reaches it.
pub fn windows_needed(max: f64) -> usize {
    (1..1_000_000)
        .find(|n| Share::wilson(0, *n).high <= max)
        .unwrap_or(1_000_000)
}

/// Pairs under a template, with what is asked of it.
pub struct Search<'a, 'w, 'p> {
    /// What is asked.
    pub asked: &'a Asked,
    /// The usual ratio or level of each metric.
    pub levels: &'a [Option<f64>],
    /// Threads.
    pub workers: &'w Workers<'p>,
}

impl Search<'_, '_, '_> {
    /// What a template does on some pairs.
    ///
    /// # Errors
    /// A plan that cannot be made, or a failing judge.
    pub fn check(&self, template: &Template, cases: &[&Case]) -> Result<Check, String> {
        let verdicts = self.verdicts(template, cases)?;
        let marked = |is: fn(Option<Verdict>) -> bool| {
            let marked = cases.iter().copied().zip(&verdicts);
            let marked: Vec<(&Case, bool)> = marked.map(|(case, v)| (case, is(*v))).collect();
            share(&marked)
        };
        let wishes = self.asked.wishes.iter();
        Ok(Check {
            rollbacks: marked(|verdict| verdict == Some(Verdict::Rollback)),
            inconclusive: marked(|verdict| {
                !matches!(verdict, Some(Verdict::Promote | Verdict::Rollback))
            }),
            wishes: wishes
                .map(|wish| self.came(template, wish, cases))
                .collect(),
        })
    }

    fn rolled_back(&self, template: &Template, cases: &[&Case]) -> Result<Vec<bool>, String> {
        let verdicts = self.verdicts(template, cases)?.into_iter();
        Ok(verdicts
            .map(|verdict| verdict == Some(Verdict::Rollback))
            .collect())
    }

    fn verdicts(
        &self,
        template: &Template,
        cases: &[&Case],
    ) -> Result<Vec<Option<Verdict>>, String> {
        let tables = Tables::default();
        self.workers.expect(cases.len());
        self.workers.each(cases.len(), |idx| {
            let case = cases.get(idx).ok_or("a pair is missing")?;
            Ok(run(&case.plan(template)?, case.batch(), &tables)?.verdict)
        })
    }

    /// In how many pairs one metric is shown worse, judged by itself.
    fn false_alarms(
        &self,
        template: &Template,
        idx: usize,
        cases: &[&Case],
    ) -> Result<usize, String> {
        let tables = Tables::default();
        self.workers.expect(cases.len());
        let hits = self.workers.each(cases.len(), |nth| {
            let case = cases.get(nth).ok_or("a pair is missing")?;
            let plan = alone(&case.plan(template)?, idx).ok_or("the metric is missing")?;
            let ran = run(&plan, of_metric(&case.batch(), idx), &tables)?;
            Ok(ran.worse.first().copied().flatten().is_some())
        })?;
        Ok(hits.into_iter().filter(|hit| *hit).count())
    }

    fn came(
        &self,
        template: &Template,
        wish: &Wish,
        cases: &[&Case],
    ) -> Result<(usize, usize), String> {
        let gate = template
            .metrics
            .get(wish.metric)
            .is_some_and(|m| m.role.is_gate());
        if !gate {
            return Err("the metric is no gate".to_owned());
        }
        let few = thinned(cases.to_vec(), POWER_PAIRS);
        let level = self.levels.get(wish.metric).copied().flatten();
        let chance = (level, self.asked.seed);
        Trial::new((template, wish.metric), &few, chance, self.workers)?
            .shown(wish.size, wish.within)
    }

    /// Edits after which the older pairs do what is asked, as far as any do: first the error that
    /// may be made, then the limits of metrics that cry wolf, then their role, and at last limits
    /// that are too wide to find what must be found.
    ///
    /// # Errors
    /// A plan that cannot be made, or a failing judge.
    pub fn edits(&self, template: &Template, cases: &[&Case]) -> Result<Vec<Edit>, String> {
        let mut now = template.clone();
        let mut out = Vec::new();
        let mut take = |now: &mut Template, edit: Edit| {
            edit.on(now);
            out.retain(|known| !same_place(known, &edit));
            out.push(edit);
        };
        if now.judge.false_rollback.get() > self.asked.max_false_rollback {
            take(&mut now, Edit::FalseRollback(self.asked.max_false_rollback));
        }
        let allowed = allowed(cases, self.asked.max_false_rollback);
        let mut stuck: Vec<usize> = Vec::new();
        loop {
            let hits = self.rolled_back(&now, cases)?;
            if hits.iter().filter(|hit| **hit).count() <= allowed {
                break;
            }
            let Some(worst) = self.worst(&now, cases, &stuck)? else {
                break;
            };
            match self.quieter(&now, worst, cases)? {
                Some(edit) => take(&mut now, edit),
                None => stuck.push(worst),
            }
        }
        for wish in &self.asked.wishes {
            if let Some(edit) = self.keener(&now, wish, cases, allowed)? {
                take(&mut now, edit);
            }
        }
        Ok(out)
    }

    /// The gate that is shown worse most often.
    fn worst(
        &self,
        template: &Template,
        cases: &[&Case],
        stuck: &[usize],
    ) -> Result<Option<usize>, String> {
        let mut worst: Option<(usize, usize)> = None;
        for (idx, metric) in template.metrics.iter().enumerate() {
            if !metric.role.is_gate() || stuck.contains(&idx) {
                continue;
            }
            let count = self.false_alarms(template, idx, cases)?;
            if count > worst.map_or(0, |(count, _)| count) {
                worst = Some((count, idx));
            }
        }
        Ok(worst.map(|(_, idx)| idx))
    }

    /// The smallest change that keeps a metric quiet on healthy pairs.
    fn quieter(
        &self,
        template: &Template,
        idx: usize,
        cases: &[&Case],
    ) -> Result<Option<Edit>, String> {
        let Some(metric) = template.metrics.get(idx) else {
            return Ok(None);
        };
        let name = metric.name.as_str().to_owned();
        let wishes: Vec<&Wish> = self
            .asked
            .wishes
            .iter()
            .filter(|wish| wish.metric == idx)
            .collect();
        for step in 1..=STEPS {
            let Some(effect) = scaled(metric.min_effect, libm::pow(STEP, f64::from(step))) else {
                break;
            };
            let edit = Edit::MinEffect(name.clone(), effect);
            let mut tried = template.clone();
            edit.on(&mut tried);
            if self.false_alarms(&tried, idx, cases)? > 0 {
                continue;
            }
            let found = wishes
                .iter()
                .all(|wish| self.came(&tried, wish, cases).is_ok_and(enough));
            if found {
                return Ok(Some(edit));
            }
            break;
        }
        let gates = template.metrics.iter().filter(|m| m.role.is_gate()).count();
        // What is critical was said to be, and a template without a gate judges nothing.
        let may = metric.role == Role::Required && gates > 1 && wishes.is_empty();
        Ok(may.then_some(Edit::Role(name, Role::Optional)))
    }

    /// The largest limit below the present one at which a wish comes true and healthy pairs stay
    /// quiet; `None` when it does already, or at none.
    fn keener(
        &self,
        template: &Template,
        wish: &Wish,
        cases: &[&Case],
        allowed: usize,
    ) -> Result<Option<Edit>, String> {
        let Some(metric) = template.metrics.get(wish.metric) else {
            return Ok(None);
        };
        if !metric.role.is_gate() || self.came(template, wish, cases).is_ok_and(enough) {
            return Ok(None);
        }
        for step in 1..=STEPS {
            let Some(effect) = scaled(metric.min_effect, libm::pow(STEP, f64::from(-step))) else {
                break;
            };
            let edit = Edit::MinEffect(metric.name.as_str().to_owned(), effect);
            let mut tried = template.clone();
            edit.on(&mut tried);
            if self.false_alarms(&tried, wish.metric, cases)? > allowed {
                break;
            }
            if self.came(&tried, wish, cases).is_ok_and(enough) {
                return Ok(Some(edit));
            }
        }
        Ok(None)
    }
}

fn same_place(a: &Edit, b: &Edit) -> bool {
    match (a, b) {
        (Edit::FalseRollback(_), Edit::FalseRollback(_)) => true,
        (Edit::MinEffect(a, _), Edit::MinEffect(b, _)) | (Edit::Role(a, _), Edit::Role(b, _)) => {
            a == b
        }
        _ => false,
    }
}

/// The limit times `factor`, in two digits; `None` for one of zero.
fn scaled(effect: MinEffect, factor: f64) -> Option<MinEffect> {
    let rounded = |value: f64| {
        let unit = libm::pow(10.0, libm::floor(libm::log10(value)) - 1.0);
        // Through text, so that what is written is what is meant.
        format!("{:.12}", libm::round(value / unit) * unit)
            .parse::<f64>()
            .ok()
    };
    match effect {
        MinEffect::Relative(share) if share > 0.0 => {
            MinEffect::relative(rounded(share * 100.0 * factor)? / 100.0)
        }
        MinEffect::Absolute(value) if value > 0.0 => MinEffect::absolute(rounded(value * factor)?),
        MinEffect::Relative(_) | MinEffect::Absolute(_) => None,
    }
}
