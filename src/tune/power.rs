//! The smallest change of a metric that would have been shown within some time, in most pairs.

use crate::judge::sequential::Tables;
use crate::judge::windows::Batch;
use crate::plan::Plan;
use crate::simulate::work::Workers;
use crate::template::Template;
use crate::time::Span;
use crate::tune::course::{alone, of_metric, run};
use crate::tune::inject::{Change, Size, inject, ladder};
use crate::tune::placebo::Case;
use std::collections::BTreeMap;

/// In how many of all pairs a change must be shown: the usual 80 % of a planned test.
pub const SHOWN_IN: f64 = 0.8;

/// What can be said of a metric within some time.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// The smallest change that was shown in [`SHOWN_IN`] of so many pairs.
    From(Size, usize),
    /// Not even the largest change that was tried.
    NotEven(Size, usize),
    /// Nothing can be said, for this reason.
    Unknown(String),
}

/// A pair with one metric's samples, ready to be changed.
struct Ready {
    plan: Plan,
    batch: Batch,
    seed: u64,
}

/// Pairs of one metric under one template.
pub struct Trial<'w, 'p> {
    ready: Vec<Ready>,
    ratio: Option<f64>,
    workers: &'w Workers<'p>,
    /// When each change was shown, pair by pair: what was tried is not tried again.
    known: BTreeMap<u64, Vec<Option<Span>>>,
}

impl<'w, 'p> Trial<'w, 'p> {
    /// The metric at `idx` in these pairs.
    ///
    /// # Errors
    /// A plan that cannot be made.
    pub fn new(
        (template, idx): (&Template, usize),
        cases: &[&Case],
        (ratio, seed): (Option<f64>, u64),
        workers: &'w Workers<'p>,
    ) -> Result<Self, String> {
        let ready = cases.iter().enumerate().map(|(nth, case)| {
            let plan = case.plan(template)?;
            let alone = alone(&plan, idx).ok_or("the metric is missing")?;
            let seed = seed.wrapping_add(u64::try_from(nth).unwrap_or(u64::MAX));
            Ok(Ready {
                plan: alone,
                batch: of_metric(&case.batch(), idx),
                seed,
            })
        });
        Ok(Self {
            ready: ready.collect::<Result<_, String>>()?,
            ratio,
            workers,
            known: BTreeMap::new(),
        })
    }

    /// In how many pairs a change of this size is shown within some time, and of how many.
    ///
    /// # Errors
    /// Why samples cannot be changed so, or what a failing judge said.
    pub fn shown(&mut self, size: Size, within: Span) -> Result<(usize, usize), String> {
        let key = size.value().to_bits();
        if !self.known.contains_key(&key) {
            self.workers.expect(self.ready.len());
            let tables = Tables::default();
            let ran = self.workers.each(self.ready.len(), |idx| {
                let ready = self.ready.get(idx).ok_or("a pair is missing")?;
                let metric = ready.plan.metrics.first().ok_or("the metric is missing")?;
                let mut batch = ready.batch.clone();
                let change = Change {
                    metric,
                    size,
                    ratio: self.ratio,
                    start: ready.plan.timing.start,
                    seed: ready.seed,
                };
                inject(&mut batch, &change)?;
                let ran = run(&ready.plan, batch, &tables)?;
                Ok(ran.worse.first().copied().flatten())
            })?;
            self.known.insert(key, ran);
        }
        let ran = self.known.get(&key).map(Vec::as_slice).unwrap_or_default();
        let soon = ran.iter().flatten().filter(|at| **at <= within).count();
        Ok((soon, ran.len()))
    }

    /// The smallest change that is shown within some time, by halving.
    pub fn smallest(&mut self, within: Span, level: Option<f64>) -> Shown {
        let Some(first) = self.ready.first() else {
            return Shown::Unknown("there are no pairs".to_owned());
        };
        let Some(metric) = first.plan.metrics.first() else {
            return Shown::Unknown("the metric is missing".to_owned());
        };
        let rungs = ladder(metric, level);
        match self.halved(&rungs, within) {
            Ok(shown) => shown,
            Err(why) => Shown::Unknown(why),
        }
    }

    fn halved(&mut self, rungs: &[Size], within: Span) -> Result<Shown, String> {
        let pairs = self.ready.len();
        let (mut low, mut high) = (0, rungs.len());
        // Below `low` nothing is shown; from `high` on it is, if that is within the ladder.
        while low < high {
            let middle = low.midpoint(high);
            let Some(size) = rungs.get(middle) else { break };
            if enough(self.shown(*size, within)?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(match (rungs.get(high), rungs.last()) {
            (Some(size), _) => Shown::From(*size, pairs),
            (None, Some(last)) => Shown::NotEven(*last, pairs),
            (None, None) => Shown::Unknown("there is no size to try".to_owned()),
        })
    }
}

/// Whether so many of so many are enough.
pub fn enough((count, of): (usize, usize)) -> bool {
    of > 0 && count as f64 >= SHOWN_IN * of as f64
}
