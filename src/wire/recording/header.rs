//! The header of a recording: everything but the samples, as JSON. Frozen as format 1: a change of
//! any shape below raises [`HEADER_FORMAT`] and keeps the old reader.

use super::columns::{Cell, Columns, arm_word, histogram_of, histogram_text};
use super::{Asked, Kept, LookKept, Maker, Recording};
use crate::digest::Digest;
use crate::ids::{AnalysisId, MetricName};
use crate::judge::judgement::Outcome;
use crate::judge::windows::Batch;
use crate::plan::Slot;
use crate::series::raw::{Answer, Labels, RawHistogram, RawHistograms, RawSeries, Sample};
use crate::time::{Span, Step, Timestamp};
use crate::units::Score;
use crate::wire::record::{
    Concluded, Damage, RolloutShape, checked, held, part_from_word, part_word,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version of the header's shape and of the columns' order.
pub const HEADER_FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderShape<'a> {
    written_by: Cow<'a, str>,
    semantics: u32,
    made_by: Cow<'a, str>,
    analysis: Cow<'a, str>,
    submitted_at_ms: i64,
    template_text: Cow<'a, str>,
    template_digest: String,
    rollout: RolloutShape,
    plan_digest: String,
    step_ms: i64,
    queries: Vec<QueryShape<'a>>,
    labels: Vec<Cow<'a, Labels>>,
    facts: Vec<FactShape<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryShape<'a> {
    metric: Cow<'a, str>,
    metric_idx: usize,
    part: Cow<'a, str>,
    query: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactShape<'a> {
    at_ms: i64,
    what: WhatShape<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WhatShape<'a> {
    Captured {
        look: u32,
        from_ms: i64,
        to_ms: i64,
        answers: Vec<AnswerShape<'a>>,
    },
    SourceFailed {
        look: u32,
        message: Cow<'a, str>,
    },
    Judged {
        look: u32,
        covered_to_ms: i64,
        outcome: String,
        score: Option<u8>,
        digest: String,
    },
    Held {
        by: Option<String>,
        why: Option<String>,
    },
    Concluded(Concluded),
}

/// `series` and `histograms` are `[place in labels, rows]` each, in the order of the rows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerShape<'a> {
    query: usize,
    series: Vec<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    histograms: Vec<[usize; 2]>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    warnings: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    infos: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "is_zero")]
    histogram_series: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape serde asks for"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

const MAKERS: [(Maker, &str); 2] = [(Maker::Daemon, "daemon"), (Maker::Afterwards, "record")];

impl Maker {
    /// The word in headers.
    pub fn word(self) -> &'static str {
        MAKERS
            .iter()
            .find_map(|(maker, word)| (*maker == self).then_some(*word))
            .unwrap_or_default()
    }

    fn from_word(word: &str) -> Option<Self> {
        MAKERS
            .into_iter()
            .find_map(|(maker, text)| (text == word).then_some(maker))
    }
}

/// Lays samples out while the header is written.
struct Layout<'a> {
    columns: Columns,
    places: BTreeMap<&'a Labels, usize>,
    labels: Vec<Cow<'a, Labels>>,
    slots: BTreeMap<Slot, usize>,
    recording: &'a Recording,
}

impl<'a> Layout<'a> {
    fn place(&mut self, labels: &'a Labels) -> usize {
        if let Some(place) = self.places.get(labels) {
            return *place;
        }
        let place = self.labels.len();
        let text = serde_json::to_string(labels)
            .expect("A6: labels are text by text, which serde_json always writes");
        let arm = arm_word(&self.recording.rollout, labels);
        self.columns.label_sets.push((text, arm));
        self.labels.push(Cow::Borrowed(labels));
        self.places.insert(labels, place);
        place
    }

    fn answer(&mut self, look: u32, slot: Slot, answer: &'a Answer) -> AnswerShape<'a> {
        // A slot the plan does not have cannot be: answers come from its queries.
        let query = self.slots.get(&slot).copied().unwrap_or(usize::MAX);
        let mut series = Vec::with_capacity(answer.series.len());
        for one in &answer.series {
            let place = self.place(&one.labels);
            for sample in &one.samples {
                let cell = Cell::Value(sample.at.ms(), sample.value);
                self.columns.push((look, query, place), cell);
            }
            series.push([place, one.samples.len()]);
        }
        let mut histograms = Vec::with_capacity(answer.histograms.len());
        for one in &answer.histograms {
            let place = self.place(&one.labels);
            for sample in &one.samples {
                let cell = Cell::Histogram(sample.at.ms(), histogram_text(sample));
                self.columns.push((look, query, place), cell);
            }
            histograms.push([place, one.samples.len()]);
        }
        AnswerShape {
            query,
            series,
            histograms,
            warnings: Cow::Borrowed(&answer.warnings),
            infos: Cow::Borrowed(&answer.infos),
            histogram_series: answer.histogram_series,
        }
    }

    fn what(&mut self, kept: &'a Kept) -> WhatShape<'a> {
        match kept {
            Kept::Captured { look, batch } => WhatShape::Captured {
                look: *look,
                from_ms: batch.from.ms(),
                to_ms: batch.to.ms(),
                answers: batch
                    .answers
                    .iter()
                    .map(|(slot, answer)| self.answer(*look, *slot, answer))
                    .collect(),
            },
            Kept::SourceFailed { look, message } => WhatShape::SourceFailed {
                look: *look,
                message: Cow::Borrowed(message),
            },
            Kept::Judged(kept) => WhatShape::Judged {
                look: kept.look,
                covered_to_ms: kept.covered_to.ms(),
                outcome: kept.outcome.word().to_owned(),
                score: kept.score.map(Score::get),
                digest: kept.digest.to_string(),
            },
            Kept::Held(held) => WhatShape::Held {
                by: held.as_ref().map(|held| held.by.hold().word().to_owned()),
                why: held.as_ref().map(|held| held.why.clone()),
            },
            Kept::Concluded(conclusion) => WhatShape::Concluded(Concluded::from(conclusion)),
        }
    }
}

/// The header and the samples of a recording. Equal recordings give equal bytes.
pub fn encode(recording: &Recording) -> (String, Columns) {
    let slots = recording.queries.iter().enumerate();
    let metric = |asked: &Asked| (asked.metric.to_string(), asked.slot.part);
    let mut layout = Layout {
        columns: Columns {
            metrics: recording.queries.iter().map(metric).collect(),
            ..Columns::default()
        },
        places: BTreeMap::new(),
        labels: Vec::new(),
        slots: slots.map(|(place, asked)| (asked.slot, place)).collect(),
        recording,
    };
    let facts = recording
        .kept
        .iter()
        .map(|(at, kept)| FactShape {
            at_ms: at.ms(),
            what: layout.what(kept),
        })
        .collect();
    let query = |asked: &'_ Asked| QueryShape {
        metric: Cow::Owned(asked.metric.to_string()),
        metric_idx: asked.slot.metric_idx,
        part: Cow::Borrowed(part_word(asked.slot.part)),
        query: Cow::Owned(asked.query.clone()),
    };
    let shape = HeaderShape {
        written_by: Cow::Borrowed(&recording.written_by),
        semantics: recording.semantics,
        made_by: Cow::Borrowed(recording.maker.word()),
        analysis: Cow::Borrowed(recording.analysis.as_str()),
        submitted_at_ms: recording.submitted_at.ms(),
        template_text: Cow::Borrowed(&recording.template_text),
        template_digest: Digest::of(recording.template_text.as_bytes()).to_string(),
        rollout: RolloutShape::from(&recording.rollout),
        plan_digest: recording.plan_digest.to_string(),
        step_ms: recording.step.span().ms(),
        queries: recording.queries.iter().map(query).collect(),
        labels: layout.labels,
        facts,
    };
    let text = serde_json::to_string(&shape)
        .expect("A6: shapes have text keys and numbers that serde_json always writes");
    (text, layout.columns)
}

/// The recording that a header, its samples and the verdict's text make together.
///
/// # Errors
/// What does not fit.
pub fn decode(header: &str, columns: &Columns, verdict: &str) -> Result<Recording, Damage> {
    let shape: HeaderShape<'_> = serde_json::from_str(header)
        .map_err(|fault| Damage::new(format!("its header is unreadable: {fault}")))?;
    let text: Arc<str> = shape.template_text.into_owned().into();
    let digest = Digest::of(text.as_bytes()).to_string();
    if digest != shape.template_digest {
        return Err(Damage::new("its template does not have its digest"));
    }
    let queries: Result<Vec<Asked>, Damage> = shape.queries.into_iter().map(asked).collect();
    let mut unlaid = Unlaid {
        columns,
        labels: &shape.labels,
        queries: queries?,
        row: 0,
    };
    let mut kept = Vec::with_capacity(shape.facts.len());
    for fact in shape.facts {
        kept.push((Timestamp::from_ms(fact.at_ms), unlaid.kept(fact.what)?));
    }
    if unlaid.row != columns.rows() {
        return Err(Damage::new(format!(
            "its header tells of {} samples, and it has {}",
            unlaid.row,
            columns.rows()
        )));
    }
    Ok(Recording {
        written_by: shape.written_by.into_owned(),
        semantics: shape.semantics,
        maker: checked("maker", shape.made_by.as_ref(), Maker::from_word)?,
        analysis: checked("analysis", shape.analysis.as_ref(), AnalysisId::new)?,
        submitted_at: Timestamp::from_ms(shape.submitted_at_ms),
        template_text: text,
        rollout: shape.rollout.try_into()?,
        plan_digest: checked("plan digest", shape.plan_digest.as_str(), Digest::parse)?,
        step: checked("step", &shape.step_ms, |ms| Step::new(Span::from_ms(*ms)))?,
        queries: unlaid.queries,
        kept,
        verdict: verdict.to_owned(),
    })
}

fn asked(shape: QueryShape<'_>) -> Result<Asked, Damage> {
    Ok(Asked {
        slot: Slot {
            metric_idx: shape.metric_idx,
            part: checked("part", shape.part.as_ref(), part_from_word)?,
        },
        metric: checked("metric", shape.metric.as_ref(), MetricName::new)?,
        query: shape.query.into_owned(),
    })
}

/// Gives samples back to the series they belong to, row by row.
struct Unlaid<'a> {
    columns: &'a Columns,
    labels: &'a [Cow<'a, Labels>],
    queries: Vec<Asked>,
    row: usize,
}

impl Unlaid<'_> {
    fn kept(&mut self, what: WhatShape<'_>) -> Result<Kept, Damage> {
        Ok(match what {
            WhatShape::Captured {
                look,
                from_ms,
                to_ms,
                answers,
            } => {
                let answers: Result<Vec<_>, Damage> = answers
                    .into_iter()
                    .map(|shape| self.answer(shape))
                    .collect();
                let batch = Arc::new(Batch {
                    from: Timestamp::from_ms(from_ms),
                    to: Timestamp::from_ms(to_ms),
                    answers: answers?,
                });
                Kept::Captured { look, batch }
            }
            WhatShape::SourceFailed { look, message } => Kept::SourceFailed {
                look,
                message: message.into_owned(),
            },
            WhatShape::Judged {
                look,
                covered_to_ms,
                outcome,
                score,
                digest,
            } => {
                let points = |points: u8| checked("score", &points, |points| Score::new(*points));
                Kept::Judged(LookKept {
                    look,
                    covered_to: Timestamp::from_ms(covered_to_ms),
                    outcome: checked("outcome", outcome.as_str(), Outcome::from_word)?,
                    score: score.map(points).transpose()?,
                    digest: checked("digest", digest.as_str(), Digest::parse)?,
                })
            }
            WhatShape::Held { by, why } => Kept::Held(held(by, why)?),
            WhatShape::Concluded(shape) => Kept::Concluded(shape.try_into()?),
        })
    }

    fn answer(&mut self, shape: AnswerShape<'_>) -> Result<(Slot, Answer), Damage> {
        let slot = self.queries.get(shape.query).map(|asked| asked.slot);
        let slot = slot.ok_or_else(|| {
            Damage::new(format!(
                "an answer belongs to query {}, which is none",
                shape.query
            ))
        })?;
        let mut series = Vec::with_capacity(shape.series.len());
        for [place, rows] in shape.series {
            let labels = self.labels_at(place)?;
            let samples = self.rows(rows, |columns, row| {
                let (ms, value) = columns.value(row).ok_or_else(short)?;
                let at = Timestamp::from_ms(ms);
                Ok(Sample { at, value })
            })?;
            series.push(RawSeries { labels, samples });
        }
        let mut histograms = Vec::with_capacity(shape.histograms.len());
        for [place, rows] in shape.histograms {
            let labels = self.labels_at(place)?;
            let samples = self.rows(rows, |columns, row| {
                let (ms, text) = columns.histogram(row).ok_or_else(short)?;
                let (count, buckets) = histogram_of(text)?;
                let at = Timestamp::from_ms(ms);
                Ok(RawHistogram { at, count, buckets })
            })?;
            histograms.push(RawHistograms { labels, samples });
        }
        let answer = Answer {
            series,
            warnings: shape.warnings.into_owned(),
            infos: shape.infos.into_owned(),
            histogram_series: shape.histogram_series,
            histograms,
        };
        Ok((slot, answer))
    }

    fn labels_at(&self, place: usize) -> Result<Labels, Damage> {
        let labels = self.labels.get(place);
        labels
            .map(|labels| labels.clone().into_owned())
            .ok_or_else(|| Damage::new(format!("a series has labels {place}, which are none")))
    }

    /// The next so many rows.
    fn rows<T>(
        &mut self,
        rows: usize,
        one: impl Fn(&Columns, usize) -> Result<T, Damage>,
    ) -> Result<Vec<T>, Damage> {
        // Checked before anything is laid out, so that a wrong count cannot fill the memory (A7).
        if rows > self.columns.rows().saturating_sub(self.row) {
            return Err(short());
        }
        let range = self.row..self.row + rows;
        self.row += rows;
        range.map(|row| one(self.columns, row)).collect()
    }
}

fn short() -> Damage {
    Damage::new("its samples are not those its header tells of")
}
