//! One line per recording: what it was, what it is, and whether that is the same. As JSON a line
//! stands alone, so that parts of a large replay can be written anywhere and put together.

use crate::replay::labels::{Label, RECORDINGS_MAX};
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The `schema` of the first line of a part.
pub const PART_SCHEMA: &str = "haldane.replay-part/1";

/// The word of a recording that could not be used.
pub const UNREADABLE: &str = "unreadable";

/// What came of one recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its place in the whole, from 0.
    pub place: usize,
    /// Its name.
    pub recording: String,
    /// The service.
    pub service: String,
    /// What is true of it.
    pub label: Option<Label>,
    /// When that began.
    pub onset: Option<Timestamp>,
    /// The verdict that was recorded: a word, or `pending`.
    pub recorded: String,
    /// The verdict now: a word, `pending`, or [`UNREADABLE`].
    pub verdict: String,
    /// The look that gave it, of so many.
    pub look: u32,
    /// Looks there are at most.
    pub looks_planned: u32,
    /// When the rollout began.
    pub started_at: Option<Timestamp>,
    /// The last instant that was read.
    pub covered_to: Option<Timestamp>,
    /// When the verdict became final.
    pub decided_at: Option<Timestamp>,
    /// Whether it is what was recorded, byte for byte; absent when it was not to be.
    pub same: Option<bool>,
    /// What differs, or what a reader must know.
    pub notes: Vec<String>,
    /// Why it could not be used.
    pub fault: Option<String>,
}

impl Line {
    /// A recording that could not be used.
    pub fn unreadable(place: usize, recording: &str, fault: String) -> Self {
        Self {
            place,
            recording: recording.to_owned(),
            recorded: UNREADABLE.to_owned(),
            verdict: UNREADABLE.to_owned(),
            fault: Some(fault),
            ..Self::default()
        }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        json!({
            "place": self.place,
            "recording": self.recording,
            "service": self.service,
            "label": self.label.map(Label::word),
            "onset": time(self.onset),
            "recorded": self.recorded,
            "verdict": self.verdict,
            "look": self.look,
            "looks_planned": self.looks_planned,
            "started_at": time(self.started_at),
            "covered_to": time(self.covered_to),
            "decided_at": time(self.decided_at),
            "same": self.same.map(|same| if same { "yes" } else { "no" }),
            "notes": self.notes,
            "fault": self.fault,
        })
    }

    /// A line from JSON.
    ///
    /// # Errors
    /// The field that is missing or of another type.
    pub fn of_json(value: &Value) -> Result<Self, String> {
        let missing = |name: &str| format!("the field `{name}` is missing or no text or number");
        let text = |name: &str| -> Result<String, String> {
            let text = value.get(name).and_then(Value::as_str);
            text.map(str::to_owned).ok_or_else(|| missing(name))
        };
        let number = |name: &str| -> Result<u64, String> {
            value
                .get(name)
                .and_then(Value::as_u64)
                .ok_or_else(|| missing(name))
        };
        let maybe = |name: &str| value.get(name).and_then(Value::as_str);
        let time = |name: &str| maybe(name).and_then(Timestamp::parse);
        let small = |name: &str| -> Result<u32, String> {
            u32::try_from(number(name)?).map_err(|_| missing(name))
        };
        let notes = value.get("notes").and_then(Value::as_array);
        let notes = notes.into_iter().flatten().filter_map(Value::as_str);
        Ok(Self {
            place: usize::try_from(number("place")?).map_err(|_| missing("place"))?,
            recording: text("recording")?,
            service: text("service")?,
            label: maybe("label").and_then(Label::from_word),
            onset: time("onset"),
            recorded: text("recorded")?,
            verdict: text("verdict")?,
            look: small("look")?,
            looks_planned: small("looks_planned")?,
            started_at: time("started_at"),
            covered_to: time("covered_to"),
            decided_at: time("decided_at"),
            same: maybe("same").map(|word| word == "yes"),
            notes: notes.map(str::to_owned).collect(),
            fault: maybe("fault").map(str::to_owned),
        })
    }
}

/// Which part of a whole was done, and how: parts of one whole agree in everything but `shard`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which, from 0.
    pub shard: usize,
    /// Of how many.
    pub of: usize,
    /// Recordings of the whole.
    pub all: usize,
    /// What was asked, in words: template, judge, inputs, as of when, and the list's digest.
    pub asked: String,
}

impl Part {
    /// The first line of a part.
    pub fn json(&self) -> Value {
        json!({
            "schema": PART_SCHEMA,
            "shard": self.shard,
            "of": self.of,
            "all": self.all,
            "asked": self.asked,
        })
    }

    fn of_json(value: &Value) -> Option<Self> {
        if value.get("schema").and_then(Value::as_str) != Some(PART_SCHEMA) {
            return None;
        }
        let number = |name: &str| usize::try_from(value.get(name)?.as_u64()?).ok();
        Some(Self {
            shard: number("shard")?,
            of: number("of")?,
            all: number("all")?,
            asked: value.get("asked")?.as_str()?.to_owned(),
        })
    }

    /// Whether a recording at `place` belongs to this part.
    pub const fn has(&self, place: usize) -> bool {
        place % self.of == self.shard
    }
}

/// A part as text: its first line, and one line per recording.
pub fn text(part: &Part, lines: &[Line]) -> String {
    let mut out = format!("{}\n", part.json());
    for line in lines {
        out.push_str(&line.json().to_string());
        out.push('\n');
    }
    out
}

/// Reads a part.
///
/// # Errors
/// The line that cannot be used, by its number.
pub fn parse(text: &str) -> Result<(Part, Vec<Line>), String> {
    let mut rows = text.lines().enumerate();
    let head = rows.next().map(|(_, line)| line).unwrap_or_default();
    let head: Value = serde_json::from_str(head).unwrap_or_default();
    let part = Part::of_json(&head).ok_or_else(|| {
        format!(
            "its first line is not that of a part ({PART_SCHEMA}); `haldane replay --output \
                 jsonl` writes them"
        )
    })?;
    if part.of == 0 || part.shard >= part.of {
        return Err(format!("it says it is shard {} of {}", part.shard, part.of));
    }
    let mut lines = Vec::new();
    for (idx, row) in rows.filter(|(_, row)| !row.trim().is_empty()) {
        let line = idx + 1;
        let value: Value = serde_json::from_str(row)
            .map_err(|fault| format!("line {line} is cut off or no JSON: {fault}"))?;
        lines.push(Line::of_json(&value).map_err(|why| format!("line {line}: {why}"))?);
    }
    let wanted = (0..part.all).filter(|place| part.has(*place)).count();
    if lines.len() != wanted {
        return Err(format!(
            "it has {} of its {wanted} recordings; run shard {} of {} again",
            lines.len(),
            part.shard,
            part.of
        ));
    }
    Ok((part, lines))
}

/// Puts parts together: the lines of the whole, in its order.
///
/// # Errors
/// Parts of different wholes, a part that is there twice, or one that is missing.
pub fn merge(parts: Vec<(String, Part, Vec<Line>)>) -> Result<Vec<Line>, String> {
    let Some((first_name, first)) = parts.first().map(|(n, p, _)| (n.clone(), p.clone())) else {
        return Err("there are no parts".to_owned());
    };
    let mut holders: BTreeMap<usize, String> = BTreeMap::new();
    let mut out = Vec::with_capacity(first.all.min(RECORDINGS_MAX));
    for (name, part, lines) in parts {
        if (part.of, part.all, &part.asked) != (first.of, first.all, &first.asked) {
            return Err(format!(
                "{name} is a part of something else than {first_name}: shard {} of {} over {} \
                 recordings ({}), not of {} over {} ({})",
                part.shard, part.of, part.all, part.asked, first.of, first.all, first.asked
            ));
        }
        if let Some(other) = holders.get(&part.shard) {
            return Err(format!("{name} and {other} are both shard {}", part.shard));
        }
        holders.insert(part.shard, name);
        out.extend(lines);
    }
    if let Some(lost) = (0..first.of).find(|shard| !holders.contains_key(shard)) {
        return Err(format!(
            "{} of {} parts are there; shard {lost} is missing",
            holders.len(),
            first.of
        ));
    }
    out.sort_by_key(|line| line.place);
    Ok(out)
}
