//! Where samples come from: one call that turns a fetch order into a batch.

use crate::engine::effect::{FetchOrder, reach};
use crate::engine::event::SourceFault;
use crate::judge::windows::Batch;
use crate::plan::{Part, Plan, Slot};
use crate::prometheus::{Client, Fault, FaultKind, RangeQuery};
use crate::series::raw::Answer;
use crate::simulate::traffic::{Traffic, Window};
use crate::time::Timestamp;
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
        self.window(&order.plan, order.from, order.to, order.first)
            .await
    }

    /// Fetches `(from, to]` of every query of `plan`; `first` as in a fetch order.
    pub async fn window(
        &self,
        plan: &Plan,
        from: Timestamp,
        to: Timestamp,
        first: bool,
    ) -> Result<Batch, SourceFault> {
        let each = self.each(plan, from, to, first).await.into_iter();
        let answers = each.map(|(slot, answer)| Ok((slot, answer?)));
        let answers = answers.collect::<Result<_, SourceFault>>()?;
        Ok(Batch { from, to, answers })
    }

    /// The same, with what became of each query, in slot order.
    pub async fn each(
        &self,
        plan: &Plan,
        from: Timestamp,
        to: Timestamp,
        first: bool,
    ) -> Vec<(Slot, Result<Answer, SourceFault>)> {
        let asked = plan.queries().into_iter().map(|(slot, query)| async move {
            let answer = match self {
                Self::Prometheus(client) => {
                    ask_prometheus(client, plan, slot, query, (from, to, first))
                        .await
                        .map_err(|fault| named(plan, slot, &fault))
                }
                Self::Simulated(traffic) => traffic
                    .answer(
                        slot,
                        query,
                        Window {
                            start: reach(plan, slot, from, first),
                            end: to,
                            step: plan.timing.step,
                            changed_at: plan.timing.start,
                        },
                    )
                    .map_err(SourceFault::of_query),
            };
            (slot, answer)
        });
        futures_util::future::join_all(asked).await
    }
}

async fn ask_prometheus(
    client: &Client,
    plan: &Plan,
    slot: Slot,
    query: &str,
    (from, to, first): (Timestamp, Timestamp, bool),
) -> Result<Answer, Fault> {
    let start = reach(plan, slot, from, first);
    match slot.part {
        Part::Grid => {
            let range = RangeQuery {
                start,
                end: to,
                step: plan.timing.step,
            };
            client.query_range(query, range).await
        }
        Part::Bad | Part::Total | Part::Buckets => client.raw_samples(query, start, to).await,
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
