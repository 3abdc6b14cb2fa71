//! What differs: a document from the one recorded, a look from the one recorded, and the looks of
//! two ways to judge side by side.

use crate::replay::course::{LookSaid, MetricSaid, Replayed};
use crate::time::Timestamp;
use crate::wire::recording::{Kept, Recording};
use serde_json::Value;
use std::collections::BTreeMap;

/// Differences that are listed; further ones are counted.
pub const DIFFERENCES_MAX: usize = 50;

/// One place that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: `metrics[0].effect.relative.low`, `look 7`.
    pub place: String,
    /// What was recorded.
    pub recorded: String,
    /// What it is now.
    pub now: String,
}

/// What differs between a recording and the same judged again; empty when every value of the
/// verdict's document and every bit of each look that was compared is the same. Fields that the
/// document has gained since are no difference: its schema allows for them.
pub fn of(recording: &Recording, replayed: &Replayed) -> Vec<Difference> {
    let mut out = Vec::new();
    let now = replayed.standing.text();
    if now != recording.verdict {
        texts(&recording.verdict, &now, &mut out);
    }
    let looks: BTreeMap<u32, &LookSaid> = replayed
        .looks
        .iter()
        .map(|said| (said.look, said))
        .collect();
    for (_, kept) in &recording.kept {
        let Kept::Judged(old) = kept else { continue };
        let said = looks.get(&old.look);
        let place = format!("look {}", old.look);
        match said.map(|said| said.digest) {
            None => out.push(Difference {
                place,
                recorded: old.outcome.word().to_owned(),
                now: "not taken".to_owned(),
            }),
            Some(Some(digest)) if digest != old.digest => out.push(Difference {
                place,
                recorded: format!("judgement {}", old.digest.short()),
                now: format!("judgement {}", digest.short()),
            }),
            Some(_) => {}
        }
    }
    out
}

fn texts(recorded: &str, now: &str, out: &mut Vec<Difference>) {
    if let (Ok(recorded), Ok(now)) = (serde_json::from_str(recorded), serde_json::from_str(now)) {
        return values("", &recorded, &now, out);
    }
    out.push(Difference {
        place: "verdict".to_owned(),
        recorded: "no JSON".to_owned(),
        now: "JSON".to_owned(),
    });
}

/// Walks two values side by side, along what was recorded.
fn values(place: &str, recorded: &Value, now: &Value, out: &mut Vec<Difference>) {
    match (recorded, now) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, old) in old {
                let dot = if place.is_empty() { "" } else { "." };
                let inner = format!("{place}{dot}{name}");
                values(&inner, old, new.get(name).unwrap_or(&Value::Null), out);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for idx in 0..old.len().max(new.len()) {
                let none = &Value::Null;
                let (old, new) = (old.get(idx), new.get(idx));
                let inner = format!("{place}[{idx}]");
                values(&inner, old.unwrap_or(none), new.unwrap_or(none), out);
            }
        }
        _ if recorded == now => {}
        _ => out.push(Difference {
            place: place.to_owned(),
            recorded: shown(recorded),
            now: shown(now),
        }),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What two ways to judge say when they have read as far.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// The last instant that was read.
    pub covered_to: Timestamp,
    /// One way's look, if it has one there.
    pub old: Option<&'a LookSaid>,
    /// The other's.
    pub new: Option<&'a LookSaid>,
    /// Metrics whose labels differ, with both labels.
    pub metrics: Vec<(&'a str, &'static str, &'static str)>,
}

impl Pair<'_> {
    /// Whether both looked here and say the same.
    pub fn same(&self) -> bool {
        let (Some(old), Some(new)) = (self.old, self.new) else {
            return false;
        };
        old.verdict == new.verdict
            && old.outcome == new.outcome
            && old.score == new.score
            && self.metrics.is_empty()
    }
}

/// The looks of two ways to judge, side by side by how far they had read.
pub fn side_by_side<'a>(old: &'a [LookSaid], new: &'a [LookSaid]) -> Vec<Pair<'a>> {
    let mut at: BTreeMap<Timestamp, (Option<&LookSaid>, Option<&LookSaid>)> = BTreeMap::new();
    for said in old {
        at.entry(said.covered_to).or_default().0 = Some(said);
    }
    for said in new {
        at.entry(said.covered_to).or_default().1 = Some(said);
    }
    at.into_iter()
        .map(|(covered_to, (old, new))| Pair {
            covered_to,
            old,
            new,
            metrics: metrics(old, new),
        })
        .collect()
}

fn metrics<'a>(
    old: Option<&'a LookSaid>,
    new: Option<&'a LookSaid>,
) -> Vec<(&'a str, &'static str, &'static str)> {
    let of = |said: Option<&'a LookSaid>| -> BTreeMap<&'a str, &'a MetricSaid> {
        let metrics = said.map(|said| said.metrics.as_slice()).unwrap_or_default();
        metrics.iter().map(|m| (m.metric.as_str(), m)).collect()
    };
    let (Some(_), Some(_)) = (old, new) else {
        return Vec::new();
    };
    let (old, new) = (of(old), of(new));
    let word = |said: Option<&&MetricSaid>| said.map_or("absent", |said| said.label.word());
    let mut names: Vec<&str> = old.keys().chain(new.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name, word(old.get(name)), word(new.get(name))))
        .filter(|(_, old, new)| old != new)
        .collect()
}
