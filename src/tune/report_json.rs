//! What was found, as JSON.

use crate::simulate::share::Share;
use crate::tune::edit::Edit;
use crate::tune::power::Shown;
use crate::tune::propose::Check;
use crate::tune::whole::{Halves, MetricTuned, Tuned};
use serde_json::{Value, json};

/// The `schema` of the JSON.
pub const SCHEMA: &str = "haldane.tune/1";

impl Tuned {
    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "template": self.template,
            "file": self.file,
            "outcome": self.ending.word(),
            "conclusion": self.conclusion(),
            "asked": {
                "max_false_rollback": self.asked.max_false_rollback,
                "max_inconclusive": self.asked.max_inconclusive,
                "detect": self.asked.wishes.iter().map(|wish| json!({
                    "metric": self.metrics.get(wish.metric).map(|m| &m.name),
                    "text": wish.text,
                    "within_ms": wish.within.ms(),
                })).collect::<Vec<_>>(),
                "seed": self.asked.seed,
            },
            "promised_by": self.main.word(),
            "pairs": self.rates.iter().map(|rate| json!({
                "kind": rate.kind.word(),
                "weakness": rate.kind.weakness(),
                "windows": rate.windows,
                "false_rollbacks": share_json(&rate.rollbacks),
                "inconclusive": share_json(&rate.inconclusive),
            })).collect::<Vec<_>>(),
            "metrics": self.metrics.iter().enumerate()
                .map(|(idx, metric)| self.metric_json(idx, metric)).collect::<Vec<_>>(),
            "halfway": self.halfway.map(|at| at.to_string()),
            "as_it_is": self.halves_json(&self.before),
            "proposed": self.after.as_ref().map(|after| self.halves_json(after)),
            "edits": self.edits.iter().map(Edit::text).collect::<Vec<_>>(),
            "diff": self.diff,
            "notes": self.all_notes(),
        })
    }

    fn metric_json(&self, idx: usize, metric: &MetricTuned) -> Value {
        let nature = &metric.nature;
        let alarms: Vec<Value> = self
            .rates
            .iter()
            .filter_map(|rate| {
                let share = rate.metrics.get(idx)?;
                Some(json!({ "kind": rate.kind.word(), "share": share_json(share) }))
            })
            .collect();
        let shown: Vec<Value> = metric
            .shown
            .iter()
            .map(|(within, shown, text)| {
                let (smallest, beyond, pairs) = match shown {
                    Shown::From(size, pairs) => (Some(size.value()), None, Some(*pairs)),
                    Shown::NotEven(size, pairs) => (None, Some(size.value()), Some(*pairs)),
                    Shown::Unknown(_) => (None, None, None),
                };
                json!({
                    "within_ms": within.ms(), "text": text, "smallest": smallest,
                    "beyond": beyond, "pairs": pairs,
                })
            })
            .collect();
        json!({
            "name": metric.name,
            "role": metric.role,
            "limit": metric.limit,
            "false_alarms": alarms,
            "shown": shown,
            "lag1": nature.lag1,
            "effective_per_hour": nature.effective,
            "level": nature.level,
            "no_data": share_json(&nature.no_data),
            "queries": nature.queries,
            "samples": nature.samples,
            "error_budget": nature.budget,
            "brings": nature.brings.as_ref().map(share_json),
            "advice": metric.advice,
        })
    }

    fn halves_json(&self, halves: &Halves) -> Value {
        let check = |check: &Check| {
            let wishes = check
                .wishes
                .iter()
                .zip(&self.asked.wishes)
                .map(|(came, wish)| {
                    let (shown, of) = match came {
                        Ok((count, of)) => (Some(*count), Some(*of)),
                        Err(_) => (None, None),
                    };
                    json!({
                        "text": wish.text, "shown": shown, "of": of,
                        "fault": came.as_ref().err(),
                    })
                });
            json!({
                "false_rollbacks": share_json(&check.rollbacks),
                "inconclusive": share_json(&check.inconclusive),
                "detect": wishes.collect::<Vec<_>>(),
            })
        };
        json!({ "older": check(&halves.older), "newer": check(&halves.newer) })
    }
}

fn share_json(share: &Share) -> Value {
    json!({
        "count": share.count, "of": share.of, "share": share.value(),
        "low": share.low, "high": share.high,
    })
}
