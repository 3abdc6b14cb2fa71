//! Captured samples in columns: labels once per series, instants as runs of equal distances,
//! values as one array. They are most of what a store holds, so they are kept small.

use super::{Damage, bytes, checked, parse};
use crate::engine::record::Fact;
use crate::judge::windows::Batch;
use crate::plan::{Part, Slot};
use crate::series::raw::{
    Answer, Labels, RawBucket, RawHistogram, RawHistograms, RawSeries, Sample,
};
use crate::time::Timestamp;
use crate::wire::number::Exact;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapturedShape<'a> {
    look: u32,
    from_ms: i64,
    to_ms: i64,
    answers: Vec<AnswerShape<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerShape<'a> {
    metric: usize,
    part: Cow<'a, str>,
    series: Vec<SeriesShape<'a>>,
    warnings: Cow<'a, [String]>,
    infos: Cow<'a, [String]>,
    histogram_series: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    histograms: Vec<HistogramsShape<'a>>,
}

/// Native histograms in columns: `buckets` holds how many each of them has, `edges` left end, right
/// end and count of all of them in turn.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistogramsShape<'a> {
    labels: Cow<'a, Labels>,
    at_ms: Vec<i64>,
    counts: Vec<Exact>,
    buckets: Vec<usize>,
    edges: Vec<Exact>,
}

/// `first_ms` is 0 and `runs` empty when there is no sample.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesShape<'a> {
    labels: Cow<'a, Labels>,
    first_ms: i64,
    /// `[distance in ms, how often, distance, how often, …]`
    runs: Vec<i64>,
    values: Vec<Exact>,
}

pub(super) fn encode(look: u32, batch: &Batch) -> Vec<u8> {
    let answers = batch.answers.iter().map(|(slot, answer)| AnswerShape {
        metric: slot.metric_idx,
        part: Cow::Borrowed(part_word(slot.part)),
        series: answer.series.iter().map(series_shape).collect(),
        warnings: Cow::Borrowed(&answer.warnings),
        infos: Cow::Borrowed(&answer.infos),
        histogram_series: answer.histogram_series,
        histograms: answer.histograms.iter().map(histograms_shape).collect(),
    });
    bytes(&CapturedShape {
        look,
        from_ms: batch.from.ms(),
        to_ms: batch.to.ms(),
        answers: answers.collect(),
    })
}

pub(super) fn decode(body: &[u8]) -> Result<Fact, Damage> {
    let shape: CapturedShape<'_> = parse("captured", body)?;
    let answers: Result<_, Damage> = shape.answers.into_iter().map(answer).collect();
    Ok(Fact::Captured {
        look: shape.look,
        batch: Arc::new(Batch {
            from: Timestamp::from_ms(shape.from_ms),
            to: Timestamp::from_ms(shape.to_ms),
            answers: answers?,
        }),
    })
}

fn answer(shape: AnswerShape<'_>) -> Result<(Slot, Answer), Damage> {
    let slot = Slot {
        metric_idx: shape.metric,
        part: checked("part", shape.part.as_ref(), part_from_word)?,
    };
    let series: Result<_, Damage> = shape.series.into_iter().map(series).collect();
    let each = shape.histograms.into_iter();
    let histograms: Result<_, Damage> = each.map(histograms_of).collect();
    Ok((
        slot,
        Answer {
            series: series?,
            warnings: shape.warnings.into_owned(),
            infos: shape.infos.into_owned(),
            histogram_series: shape.histogram_series,
            histograms: histograms?,
        },
    ))
}

fn series_shape(series: &RawSeries) -> SeriesShape<'_> {
    let first_ms = series.samples.first().map_or(0, |sample| sample.at.ms());
    let mut runs: Vec<i64> = Vec::new();
    for pair in series.samples.windows(2) {
        let [before, after] = pair else { continue };
        // Wrapping, so that even instants a broken source made up come back as they were.
        let distance = after.at.ms().wrapping_sub(before.at.ms());
        match runs.as_mut_slice() {
            [.., last, times] if *last == distance => *times += 1,
            _ => runs.extend([distance, 1]),
        }
    }
    SeriesShape {
        labels: Cow::Borrowed(&series.labels),
        first_ms,
        runs,
        values: series.samples.iter().map(|s| Exact(s.value)).collect(),
    }
}

fn series(shape: SeriesShape<'_>) -> Result<RawSeries, Damage> {
    let (pairs, odd) = shape.runs.as_chunks::<2>();
    // Checked before anything is unrolled, so that a damaged count cannot fill the memory (A7).
    let expected = pairs
        .iter()
        .try_fold(0_i64, |sum, [_, times]| sum.checked_add(*times));
    let have = i64::try_from(shape.values.len()).unwrap_or(i64::MAX);
    let fits = odd.is_empty()
        && pairs.iter().all(|[_, times]| *times > 0)
        && expected == Some((have - 1).max(0));
    if !fits {
        return Err(Damage::new(format!(
            "instants of a series do not fit its {have} values"
        )));
    }
    let distances = pairs.iter().flat_map(|[distance, times]| {
        std::iter::repeat_n(*distance, usize::try_from(*times).unwrap_or(0))
    });
    let mut at = shape.first_ms;
    let instants = std::iter::once(at).chain(distances.map(|distance| {
        at = at.wrapping_add(distance);
        at
    }));
    let samples = instants.zip(shape.values).map(|(ms, Exact(value))| Sample {
        at: Timestamp::from_ms(ms),
        value,
    });
    Ok(RawSeries {
        labels: shape.labels.into_owned(),
        samples: samples.collect(),
    })
}

fn histograms_shape(series: &RawHistograms) -> HistogramsShape<'_> {
    let samples = || series.samples.iter();
    let edges = samples().flat_map(|one| &one.buckets);
    HistogramsShape {
        labels: Cow::Borrowed(&series.labels),
        at_ms: samples().map(|one| one.at.ms()).collect(),
        counts: samples().map(|one| Exact(one.count)).collect(),
        buckets: samples().map(|one| one.buckets.len()).collect(),
        edges: edges
            .flat_map(|bucket| [bucket.left, bucket.right, bucket.count])
            .map(Exact)
            .collect(),
    }
}

fn histograms_of(shape: HistogramsShape<'_>) -> Result<RawHistograms, Damage> {
    let (edges, odd) = shape.edges.as_chunks::<3>();
    let held = shape
        .buckets
        .iter()
        .try_fold(0_usize, |sum, held| sum.checked_add(*held));
    let have = shape.at_ms.len();
    let fits = odd.is_empty()
        && held == Some(edges.len())
        && [shape.counts.len(), shape.buckets.len()] == [have; 2];
    if !fits {
        return Err(Damage::new(format!(
            "columns of native histograms do not fit their {have} instants"
        )));
    }
    let mut edges = edges.iter();
    let each = shape.at_ms.iter().zip(&shape.counts).zip(&shape.buckets);
    let samples = each.map(|((ms, count), held)| RawHistogram {
        at: Timestamp::from_ms(*ms),
        count: count.0,
        buckets: edges
            .by_ref()
            .take(*held)
            .map(|[left, right, count]| RawBucket {
                left: left.0,
                right: right.0,
                count: count.0,
            })
            .collect(),
    });
    Ok(RawHistograms {
        samples: samples.collect(),
        labels: shape.labels.into_owned(),
    })
}

const PARTS: [(Part, &str); 4] = [
    (Part::Grid, "grid"),
    (Part::Bad, "bad"),
    (Part::Total, "total"),
    (Part::Buckets, "buckets"),
];

pub(crate) fn part_word(part: Part) -> &'static str {
    match part {
        Part::Grid => "grid",
        Part::Bad => "bad",
        Part::Total => "total",
        Part::Buckets => "buckets",
    }
}

pub(crate) fn part_from_word(word: &str) -> Option<Part> {
    PARTS
        .into_iter()
        .find(|(_, text)| *text == word)
        .map(|(part, _)| part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn part_words_are_read_back() {
        for (part, word) in PARTS {
            assert_eq!(part_word(part), word);
            assert_eq!(part_from_word(word), Some(part));
        }
    }

    #[test]
    fn a_regular_grid_costs_one_run() {
        let samples = (0..240).map(|i| Sample {
            at: Timestamp::from_s(1_700_000_000 + 15 * i),
            value: 0.5,
        });
        let shape = RawSeries {
            labels: Labels::new(),
            samples: samples.collect(),
        };
        assert_eq!(series_shape(&shape).runs, [15_000, 239]);
    }

    #[test]
    fn counts_that_do_not_fit_the_values_are_damage() {
        let body = |runs: &str, values: &str| {
            format!(
                r#"{{"look":1,"from_ms":0,"to_ms":1,"answers":[{{"metric":0,"part":"grid",
                "series":[{{"labels":{{}},"first_ms":5,"runs":{runs},"values":{values}}}],
                "warnings":[],"infos":[],"histogram_series":0}}]}}"#
            )
        };
        assert!(decode(body("[1,2]", "[1,2,3]").as_bytes()).is_ok());
        assert!(decode(body("[]", "[]").as_bytes()).is_ok());
        let bad = [
            ("[1,9223372036854775807]", "[1,2,3]"),
            ("[1,9223372036854775807,1,9223372036854775807]", "[1]"),
            ("[1,3,1,-1]", "[1,2,3]"),
            ("[1]", "[1,2]"),
            ("[]", "[1,2]"),
        ];
        for (runs, values) in bad {
            let fault = decode(body(runs, values).as_bytes()).unwrap_err();
            assert!(fault.to_string().contains("do not fit"), "{fault}");
        }
    }
}
