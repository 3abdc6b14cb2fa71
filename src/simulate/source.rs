//! The source of a simulated analysis: the traffic, made once, and the faults of the scenario.

use crate::engine::effect::{FetchOrder, first_from, reach};
use crate::engine::event::SourceFault;
use crate::judge::windows::Batch;
use crate::plan::{Part, Plan, Slot};
use crate::series::raw::{Answer, RawSeries};
use crate::simulate::incident::{holds, since};
use crate::simulate::scenario::{Fault, SourceAnswer};
use crate::simulate::traffic::{Traffic, Window};
use crate::time::Timestamp;

/// Everything one plan can ask for.
#[derive(Clone, Debug)]
pub struct Feed {
    answers: Vec<(Slot, Answer)>,
}

impl Feed {
    /// Samples that are there already: of each query everything it can ever answer, from the first
    /// instant its plan reads to the deadline.
    pub fn of_answers(answers: Vec<(Slot, Answer)>) -> Self {
        Self { answers }
    }

    /// Makes the samples of a plan, from the first it reads to its deadline.
    pub(super) fn of(traffic: &Traffic, plan: &Plan, start: Timestamp) -> Result<Self, String> {
        let from = first_from(plan);
        let answer = |(slot, query): (Slot, &str)| {
            let window = Window {
                start: reach(plan, slot, from, true),
                end: plan.timing.deadline,
                step: plan.timing.step,
                changed_at: start,
            };
            Ok((slot, traffic.answer(slot, query, window)?))
        };
        let answers = plan.queries().into_iter().map(answer);
        Ok(Self {
            answers: answers.collect::<Result<_, String>>()?,
        })
    }

    /// What an order gets at `now`.
    pub(super) fn fetch(
        &self,
        order: &FetchOrder,
        fault: Option<SourceAnswer>,
    ) -> Result<Batch, SourceFault> {
        match fault {
            Some(SourceAnswer::Unavailable) => {
                return Err(SourceFault::passing("503 Service Unavailable"));
            }
            Some(SourceAnswer::Unauthorized) => {
                return Err(SourceFault {
                    transient: false,
                    query: false,
                    retry_after: None,
                    message: "401 Unauthorized: the token has expired".to_owned(),
                });
            }
            _ => {}
        }
        let cut = |(slot, whole): &(Slot, Answer)| {
            let start = reach(&order.plan, *slot, order.from, order.first);
            let is_grid = slot.part == Part::Grid;
            let inside = |at: Timestamp| at <= order.to && (at > start || (is_grid && at == start));
            let mut series: Vec<RawSeries> = Vec::new();
            for one in &whole.series {
                let samples = one.samples.iter().filter(|sample| inside(sample.at));
                let samples: Vec<_> = samples.copied().collect();
                if !samples.is_empty() {
                    let labels = one.labels.clone();
                    series.push(RawSeries { labels, samples });
                }
            }
            (*slot, faulty(series, fault))
        };
        Ok(Batch {
            from: order.from,
            to: order.to,
            answers: self.answers.iter().map(cut).collect(),
        })
    }
}

fn faulty(mut series: Vec<RawSeries>, fault: Option<SourceAnswer>) -> Answer {
    let mut warnings = Vec::new();
    match fault {
        Some(SourceAnswer::Empty) => series.clear(),
        Some(SourceAnswer::Partial) => {
            let mut keep = false;
            series.retain(|_| {
                keep = !keep;
                keep
            });
            warnings.push("partial response: a store did not answer".to_owned());
        }
        _ => {}
    }
    Answer {
        series,
        warnings,
        ..Answer::default()
    }
}

/// What is wrong with the source at `now`.
pub(super) fn fault_at(faults: &[Fault], start: Timestamp, now: Timestamp) -> Option<SourceAnswer> {
    let since = since(now, start);
    let mut at_work = faults
        .iter()
        .filter(|fault| holds(fault.at, fault.lasts, since));
    at_work.next().map(|fault| fault.answer)
}
