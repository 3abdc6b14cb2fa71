//! Where samples come from: one call that turns a fetch order into a batch.

use crate::engine::asks::{Ask, Reach, asks, joined};
use crate::engine::effect::FetchOrder;
use crate::engine::event::SourceFault;
use crate::judge::windows::Batch;
use crate::plan::{Part, Plan, Slot};
use crate::prometheus::{Client, Fault, FaultKind, RangeQuery};
use crate::series::raw::Answer;
use crate::simulate::traffic::{Traffic, Window};
use crate::time::Span;
use std::sync::Arc;

/// A source of samples.
#[derive(Clone)]
pub enum Source {
    /// A Prometheus, or anything that speaks its API.
    Prometheus(Client),
    /// Simulated traffic with known truth.
    Simulated(Arc<Traffic>),
}

impl Source {
    /// Fetches everything an order asks for. All queries of one order run side by side; the
    /// client bounds how many reach the server at once. The first fault in slot order is the
    /// fault of the order: a batch is whole or it is nothing (A5).
    pub async fn fetch(&self, order: &FetchOrder) -> Result<Batch, SourceFault> {
        let reach = Reach {
            from: order.from,
            to: order.to,
            first: order.first,
            settled: false,
        };
        self.window(&order.plan, reach).await
    }

    /// Fetches every query of `plan`.
    pub async fn window(&self, plan: &Plan, reach: Reach) -> Result<Batch, SourceFault> {
        let each = self.each(plan, reach).await;
        let (from, to) = (reach.from, reach.to);
        let answers = whole(plan, each)?;
        Ok(Batch { from, to, answers })
    }

    /// The same, with what became of each query, in slot order.
    pub async fn each(
        &self,
        plan: &Plan,
        reach: Reach,
    ) -> Vec<(Slot, Result<Answer, SourceFault>)> {
        let asked = asks(plan, reach).into_iter().map(|ask| async move {
            let answer = match self {
                _ if ask.is_empty() => Ok(Answer::default()),
                Self::Prometheus(client) => ask_prometheus(client, plan, &ask)
                    .await
                    .map_err(|fault| named(plan, ask.slot, &fault)),
                Self::Simulated(traffic) => {
                    let window = Window {
                        start: ask.start,
                        end: ask.end,
                        step: plan.timing.step,
                        changed_at: plan.timing.start,
                    };
                    let answer = traffic.answer(ask.slot, ask.query, window);
                    answer.map_err(SourceFault::of_query)
                }
            };
            (ask, answer)
        });
        by_slot(futures_util::future::join_all(asked).await)
    }
}

/// What became of each slot: of two questions that belong together the first fault.
fn by_slot(
    asked: Vec<(Ask<'_>, Result<Answer, SourceFault>)>,
) -> Vec<(Slot, Result<Answer, SourceFault>)> {
    let mut out = Vec::new();
    let mut asked = asked.into_iter().peekable();
    while let Some((ask, answer)) = asked.next() {
        let slot = ask.slot;
        let mut answers = answer.map(|answer| vec![(ask, answer)]);
        while let Some((ask, answer)) = asked.next_if(|(next, _)| next.slot == slot) {
            answers = answers.and_then(|mut answers| {
                answers.push((ask, answer?));
                Ok(answers)
            });
        }
        match answers {
            Ok(answers) => out.extend(joined(answers).into_iter().map(|(s, a)| (s, Ok(a)))),
            Err(fault) => out.push((slot, Err(fault))),
        }
    }
    out
}

/// All answers, or the first fault. Nothing waits for a metric whose data come late: what is wrong
/// with it alone is said in its answer, and keeps nobody from the others.
fn whole(
    plan: &Plan,
    each: Vec<(Slot, Result<Answer, SourceFault>)>,
) -> Result<Vec<(Slot, Answer)>, SourceFault> {
    let late = |slot: &Slot| {
        let metric = plan.metrics.get(slot.metric_idx);
        metric.is_some_and(|metric| metric.lag != Span::ZERO)
    };
    let others_answer = each
        .iter()
        .any(|(slot, answer)| !late(slot) && answer.is_ok());
    let answer = |(slot, answer): (Slot, Result<Answer, SourceFault>)| match answer {
        Err(fault) if late(&slot) && others_answer => {
            let warnings = vec![fault.message];
            let answer = Answer {
                warnings,
                ..Answer::default()
            };
            Ok((slot, answer))
        }
        answer => Ok((slot, answer?)),
    };
    each.into_iter().map(answer).collect()
}

async fn ask_prometheus(client: &Client, plan: &Plan, ask: &Ask<'_>) -> Result<Answer, Fault> {
    match ask.slot.part {
        Part::Grid => {
            let range = RangeQuery {
                start: ask.start,
                end: ask.end,
                step: plan.timing.step,
            };
            client.query_range(ask.query, range).await
        }
        Part::Bad | Part::Total | Part::Buckets => {
            client.raw_samples(ask.query, ask.start, ask.end).await
        }
    }
}

/// The fault with the metric it belongs to in front.
fn named(plan: &Plan, slot: Slot, fault: &Fault) -> SourceFault {
    let metric = plan
        .metrics
        .get(slot.metric_idx)
        .map_or("?", |metric| metric.name.as_str());
    SourceFault {
        transient: fault.kind.is_transient(),
        query: fault.kind == FaultKind::BadQuery,
        retry_after: fault.retry_after,
        message: format!("metric {metric}: {}", fault.message),
    }
}
