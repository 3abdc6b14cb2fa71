//! The source of a simulated analysis: the traffic, made once, and the faults of the scenario.

use crate::engine::asks::{Ask, Reach, asks, joined};
use crate::engine::effect::{FetchOrder, first_from};
use crate::engine::event::SourceFault;
use crate::judge::windows::{Arm, Batch};
use crate::plan::{Part, Plan, Slot};
use crate::series::raw::{Answer, RawSeries};
use crate::simulate::incident::{holds, since};
use crate::simulate::scenario::{Fault, SourceAnswer};
use crate::simulate::traffic::{Traffic, Window};
use crate::time::Timestamp;

/// Everything one plan can ask for.
#[derive(Clone, Debug)]
pub enum Feed {
    /// Of each question, in the order of the questions of a plan, before anything is moved.
    Asked(Vec<Answer>),
    /// Of each slot, both arms together and on the canary's time.
    Joined(Vec<(Slot, Answer)>),
}

impl Feed {
    /// Samples that are there already: of each query everything it can ever answer, from the first
    /// instant its plan reads to the deadline.
    pub fn of_answers(answers: Vec<(Slot, Answer)>) -> Self {
        Self::Joined(answers)
    }

    /// Makes the samples of a plan, from the first it reads to its deadline.
    pub(super) fn of(traffic: &Traffic, plan: &Plan, start: Timestamp) -> Result<Self, String> {
        let from = first_from(plan);
        let whole = Reach {
            from,
            to: plan.timing.deadline,
            first: true,
            settled: true,
        };
        let answer = |ask: Ask<'_>| {
            let window = Window {
                start: ask.start,
                end: ask.end,
                step: plan.timing.step,
                changed_at: start,
            };
            traffic.answer(ask.slot, ask.query, window)
        };
        let answers = asks(plan, whole).into_iter().map(answer);
        Ok(Self::Asked(answers.collect::<Result<_, String>>()?))
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
        let reach = Reach {
            from: order.from,
            to: order.to,
            first: order.first,
            settled: false,
        };
        let cut = |ask: &Ask<'_>, whole: &Answer| {
            let (start, end) = (ask.start, ask.end);
            let is_grid = ask.slot.part == Part::Grid;
            let inside = |at: Timestamp| at <= end && (at > start || (is_grid && at == start));
            let mut series: Vec<RawSeries> = Vec::new();
            for one in &whole.series {
                let samples = one.samples.iter().filter(|sample| inside(sample.at));
                let samples: Vec<_> = samples.copied().collect();
                if !samples.is_empty() {
                    let labels = one.labels.clone();
                    series.push(RawSeries { labels, samples });
                }
            }
            faulty(series, fault)
        };
        let asked = asks(&order.plan, reach).into_iter();
        let answers = match self {
            Self::Asked(all) => {
                let each = asked.zip(all);
                joined(each.map(|(ask, whole)| (ask, cut(&ask, whole))).collect())
            }
            // What is on the canary's time is cut as the canary's question is.
            Self::Joined(all) => asked
                .filter(|ask| ask.arm != Some(Arm::Baseline))
                .filter_map(|ask| {
                    let (slot, whole) = all.iter().find(|(slot, _)| *slot == ask.slot)?;
                    Some((*slot, cut(&ask, whole)))
                })
                .collect(),
        };
        Ok(Batch {
            from: order.from,
            to: order.to,
            answers,
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
