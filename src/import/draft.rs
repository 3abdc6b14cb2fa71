//! A template on its way to being written: what the three importers fill and `write` turns to YAML.

use crate::diagnostic::Place;
use crate::import::rewrite::Arm;
use crate::time::Span;
use crate::units::Harm;
use std::fmt;

/// What a note says of what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Different, and why that is better.
    Better,
    /// Different, because the two tools work differently.
    Changed,
    /// A value that nothing in the source gives: choose one.
    Choose,
    /// As it was, although something else would be better.
    Kept,
    /// Means nothing here.
    Unread,
    /// Could not be taken over.
    Refused,
}

impl Kind {
    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Changed => "changed",
            Self::Choose => "choose",
            Self::Kept => "kept",
            Self::Unread => "not read",
            Self::Refused => "refused",
        }
    }
}

/// One thing a reader of the template must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The metric it is about; the whole template without one.
    pub metric: Option<String>,
    /// What kind of thing.
    pub kind: Kind,
    /// A sentence without a full stop.
    pub text: String,
    /// Where in the source, and in which of them.
    pub at: Option<(String, Place)>,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, place)) = &self.at {
            write!(f, "{file}:{}:{}: ", place.line, place.column)?;
        }
        if let Some(metric) = &self.metric {
            write!(f, "{metric}: ")?;
        }
        write!(f, "{}: {}", self.kind.word(), self.text)
    }
}

/// A hole of the queries.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) default: Option<String>,
    pub(super) description: String,
}

/// A value of the schedule, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Timed {
    pub(super) field: &'static str,
    pub(super) span: Span,
    pub(super) why: String,
}

/// How the judge decides.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judging {
    Sequential,
    Kayenta {
        pass: f64,
        marginal: f64,
        weights: Vec<(String, f64)>,
    },
}

/// The smallest difference that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Effect {
    Relative(f64),
    Absolute(f64),
}

/// How a metric is measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measure {
    Series {
        query: String,
        zero_gaps: bool,
    },
    Events {
        bad: String,
        total: String,
    },
    Distribution {
        buckets: String,
        threshold: Option<f64>,
    },
}

/// What a rung of an objective does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rung {
    pub(super) burn: f64,
    pub(super) rolls_back: bool,
}

/// A limit of the source as an objective.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Objective {
    pub(super) metric: String,
    /// The share of good events.
    pub(super) target: f64,
    pub(super) rungs: Vec<Rung>,
    pub(super) long: Span,
    pub(super) short: Span,
}

/// What Kayenta's judge is asked of a metric: lines of its `kayenta` map.
pub(super) type Options = Vec<(&'static str, String)>;

/// Where a comment that silences a warning stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Above {
    Query,
    MinEffect,
    Harm,
}

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) harm: Harm,
    pub(super) min_effect: Effect,
    pub(super) unit: String,
    pub(super) group: Option<String>,
    pub(super) weight: Option<f64>,
    pub(super) measure: Measure,
    pub(super) kayenta: Options,
    pub(super) silenced: Vec<(Above, &'static str, String)>,
}

/// A whole template.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) description: String,
    /// What it was made from, for the first line.
    pub(super) from: String,
    pub(super) inputs: Vec<Input>,
    pub(super) schedule: Vec<Timed>,
    pub(super) judging: Judging,
    pub(super) metrics: Vec<Metric>,
    pub(super) objectives: Vec<Objective>,
    /// What picked the arms before.
    pub(super) arms: Vec<(Arm, String)>,
    /// The matchers that did, with their holes, once each; of a canary config only.
    pub(super) picked: Vec<String>,
    pub(super) notes: Vec<Note>,
}

impl Draft {
    /// An empty one.
    pub(super) fn new(name: &str, from: String) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            from,
            inputs: Vec::new(),
            schedule: Vec::new(),
            judging: Judging::Sequential,
            metrics: Vec::new(),
            objectives: Vec::new(),
            arms: Vec::new(),
            picked: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Something about the whole.
    pub(super) fn note(&mut self, kind: Kind, text: impl Into<String>) {
        self.notes.push(Note {
            metric: None,
            kind,
            text: text.into(),
            at: None,
        });
    }

    /// Something about one metric.
    pub(super) fn of(&mut self, metric: &str, kind: Kind, text: impl Into<String>) {
        self.notes.push(Note {
            metric: Some(metric.to_owned()),
            kind,
            text: text.into(),
            at: None,
        });
    }

    /// Sets a time, unless it is set.
    pub(super) fn time(&mut self, field: &'static str, span: Span, why: impl Into<String>) {
        if self.schedule.iter().any(|timed| timed.field == field) {
            return;
        }
        let why = why.into();
        self.schedule.push(Timed { field, span, why });
    }

    /// A name no metric has yet, made from one of the source.
    pub(super) fn fresh_name(&mut self, wanted: &str) -> String {
        let plain = name_from(wanted);
        let taken = |name: &str| self.metrics.iter().any(|metric| metric.name == name);
        let mut name = plain.clone();
        let mut count = 2;
        while taken(&name) {
            name = format!("{plain}-{count}");
            count += 1;
        }
        if name != wanted {
            let text = format!("was called `{wanted}`; a name has letters, digits and . _ - : / @");
            self.of(&name, Kind::Changed, text);
        }
        name
    }
}

/// A name from any text: what a name may not have becomes `-`.
pub(super) fn name_from(text: &str) -> String {
    const NAME_LETTERS: usize = 150;
    let mut out = String::new();
    for c in text.trim().chars().take(NAME_LETTERS) {
        if c.is_ascii_alphanumeric() || "._-:/@".contains(c) {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_matches('-').to_owned();
    if out.is_empty() {
        "metric".to_owned()
    } else {
        out
    }
}

/// The name of a hole from any text.
pub(super) fn hole_from(text: &str) -> String {
    let mut out: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let reserved = ["selector", "arm_labels"].contains(&out.as_str());
    if reserved || !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        out.insert(0, '_');
    }
    out
}

/// A share as people write it: `0.5%`.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", plain(share * 100.0))
}

/// A number without noise in its last digits and without zeros at its end.
pub(super) fn plain(value: f64) -> String {
    // Beyond ten digits there is only the error of the arithmetic above.
    let text = format!("{value:.10}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" {
        return "0".to_owned();
    }
    text.to_owned()
}
