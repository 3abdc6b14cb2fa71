//! Answers of a whole window, cut into what each look could read.

use crate::judge::windows::Batch;
use crate::plan::{Part, Plan, Slot};
use crate::series::raw::{Answer, Labels, RawHistogram, RawHistograms, RawSeries, Sample};
use crate::time::{Span, Timestamp};
use crate::wire::recording::{Asked, Recording};
use std::collections::BTreeMap;

/// Everything that is known of the queries of a plan, in slot order, with how far it was read.
#[derive(Debug, Default)]
pub struct Slices {
    sources: Vec<Source>,
}

/// One query of the plan.
#[derive(Debug)]
struct Source {
    slot: Slot,
    series: Vec<Run<Sample>>,
    histograms: Vec<Run<RawHistogram>>,
    /// What the source said, and up to which instant it had been read then.
    said: Vec<(Timestamp, Said)>,
    /// How far its samples lagged behind when they were read.
    behind: Span,
}

#[derive(Clone, Debug, Default)]
struct Said {
    warnings: Vec<String>,
    infos: Vec<String>,
    histogram_series: usize,
}

/// The samples of one series, and how many were handed out.
#[derive(Debug)]
struct Run<T> {
    labels: Labels,
    samples: Vec<T>,
    given: usize,
}

impl<T: Clone> Run<T> {
    /// The samples up to `to` that were not handed out yet.
    fn take(&mut self, to: Timestamp, at: impl Fn(&T) -> Timestamp) -> Vec<T> {
        let rest = self.samples.get(self.given..).unwrap_or_default();
        let taken: Vec<T> = rest
            .iter()
            .take_while(|sample| at(sample) <= to)
            .cloned()
            .collect();
        self.given += taken.len();
        taken
    }
}

impl Slices {
    /// The answers of one fetch over the whole window.
    pub fn of_batch(batch: Batch) -> Self {
        let source = |(slot, answer): (Slot, Answer)| Source {
            slot,
            behind: Span::ZERO, // all was there
            said: vec![(batch.from, said(&answer))],
            series: answer
                .series
                .into_iter()
                .map(|s| run(s.labels, s.samples))
                .collect(),
            histograms: answer
                .histograms
                .into_iter()
                .map(|s| run(s.labels, s.samples))
                .collect(),
        };
        Self {
            sources: batch.answers.into_iter().map(source).collect(),
        }
    }

    /// What a recording holds of the queries of `plan`, and the metrics of which it holds nothing.
    pub fn of_recording(recording: &Recording, plan: &Plan) -> (Self, Vec<String>) {
        let mut notes = Vec::new();
        let mut sources = Vec::new();
        let step = plan.timing.step.span();
        let on_old_grid = step.ms() % recording.step.span().ms() == 0;
        for (slot, query) in plan.queries_shown() {
            let grid = slot.part == Part::Grid;
            let same =
                |asked: &&Asked| asked.query == query && (asked.slot.part == Part::Grid) == grid;
            let name = plan
                .metrics
                .get(slot.metric_idx)
                .map_or("?", |metric| metric.name.as_str());
            let asked = recording.queries.iter().find(same);
            let Some(asked) = asked.filter(|_| !grid || on_old_grid) else {
                notes.push(match asked {
                    None => format!(
                        "{name}: its query is not in the recording, it has no data; record the \
                         rollout anew with this template"
                    ),
                    Some(_) => format!(
                        "{name}: recorded every {}, which does not divide {step}; it has no data",
                        recording.step.span()
                    ),
                });
                continue;
            };
            let lag = plan
                .metrics
                .get(slot.metric_idx)
                .map_or(Span::ZERO, |m| m.lag);
            let mut source = collected(recording, asked.slot, slot);
            if was_behind(recording, asked.slot, lag) {
                source.behind = lag;
            }
            if grid && plan.timing.step != recording.step {
                let start = plan.timing.start;
                for run in &mut source.series {
                    run.samples
                        .retain(|sample| sample.at.since(start).ms() % step.ms() == 0);
                }
            }
            sources.push(source);
        }
        (Self { sources }, notes)
    }

    /// What could be read in `(from, to]`, and of the first batch what lies before.
    pub fn batch(&mut self, from: Timestamp, to: Timestamp) -> Batch {
        let answer = |source: &mut Source| {
            let mut answer = Answer::default();
            let heard = source.said.iter().take_while(|(at, _)| *at <= to).count();
            for (_, said) in source.said.drain(..heard) {
                answer.warnings.extend(said.warnings);
                answer.infos.extend(said.infos);
                answer.histogram_series = answer.histogram_series.max(said.histogram_series);
            }
            let to = to.minus(source.behind);
            for run in &mut source.series {
                let samples = run.take(to, |sample| sample.at);
                if !samples.is_empty() {
                    let labels = run.labels.clone();
                    answer.series.push(RawSeries { labels, samples });
                }
            }
            for run in &mut source.histograms {
                let samples = run.take(to, |sample| sample.at);
                if !samples.is_empty() {
                    let labels = run.labels.clone();
                    answer.histograms.push(RawHistograms { labels, samples });
                }
            }
            (source.slot, answer)
        };
        Batch {
            from,
            to,
            answers: self.sources.iter_mut().map(answer).collect(),
        }
    }
}

fn run<T>(labels: Labels, samples: Vec<T>) -> Run<T> {
    Run {
        labels,
        samples,
        given: 0,
    }
}

fn said(answer: &Answer) -> Said {
    Said {
        warnings: answer.warnings.clone(),
        infos: answer.infos.clone(),
        histogram_series: answer.histogram_series,
    }
}

/// Whether what was recorded of the query at `old` was read as it came, `lag` after the fact, and
/// not when all of it was there.
fn was_behind(recording: &Recording, old: Slot, lag: Span) -> bool {
    lag > Span::ZERO
        && recording.batches().all(|batch| {
            let early = |at: Timestamp| at <= batch.to.minus(lag);
            let mut mine = batch.answers.iter().filter(|(slot, _)| *slot == old);
            mine.all(|(_, answer)| {
                let mut series = answer.series.iter().flat_map(|one| &one.samples);
                let mut histograms = answer.histograms.iter().flat_map(|one| &one.samples);
                series.all(|s| early(s.at)) && histograms.all(|h| early(h.at))
            })
        })
}

/// Everything recorded of the query at `old`, as the answer to the one at `new`.
fn collected(recording: &Recording, old: Slot, new: Slot) -> Source {
    let mut series: BTreeMap<&Labels, Vec<Sample>> = BTreeMap::new();
    let mut histograms: BTreeMap<&Labels, Vec<RawHistogram>> = BTreeMap::new();
    let mut heard = Vec::new();
    for batch in recording.batches() {
        let mine = batch.answers.iter().filter(|(slot, _)| *slot == old);
        for (_, answer) in mine {
            heard.push((batch.to, said(answer)));
            for one in &answer.series {
                series.entry(&one.labels).or_default().extend(&one.samples);
            }
            for one in &answer.histograms {
                let samples = histograms.entry(&one.labels).or_default();
                samples.extend(one.samples.iter().cloned());
            }
        }
    }
    Source {
        slot: new,
        behind: Span::ZERO,
        series: series.into_iter().map(|(l, s)| run(l.clone(), s)).collect(),
        histograms: histograms
            .into_iter()
            .map(|(l, s)| run(l.clone(), s))
            .collect(),
        said: heard,
    }
}
