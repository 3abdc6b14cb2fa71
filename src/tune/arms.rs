//! Which arm the series of a placebo pair are in: a label of their own says so, whatever labels
//! the population has.

use crate::judge::windows::Batch;
use crate::series::raw::{Answer, Labels};
use crate::time::Span;

/// The label that says which arm a series of a placebo pair is in.
pub use crate::plan::ARM_MARK as ARM;

/// The batch with arms named by `arm`; series in no arm stay as they are, and belong to none.
pub(super) fn relabelled<'a>(batch: &Batch, arm: impl Fn(&Labels) -> Option<&'a str>) -> Batch {
    let mark = |labels: &mut Labels| match arm(labels) {
        Some(arm) => drop(labels.insert(ARM.to_owned(), arm.to_owned())),
        None => drop(labels.remove(ARM)),
    };
    let mut out = batch.clone();
    for (_, answer) in &mut out.answers {
        answer
            .series
            .iter_mut()
            .for_each(|one| mark(&mut one.labels));
        answer
            .histograms
            .iter_mut()
            .for_each(|one| mark(&mut one.labels));
    }
    out
}

/// The batch so much later.
pub(super) fn shifted(mut batch: Batch, by: Span) -> Batch {
    for (_, answer) in &mut batch.answers {
        for series in &mut answer.series {
            series.samples.iter_mut().for_each(|s| s.at = s.at.plus(by));
        }
        for series in &mut answer.histograms {
            series.samples.iter_mut().for_each(|s| s.at = s.at.plus(by));
        }
    }
    batch.from = batch.from.plus(by);
    batch.to = batch.to.plus(by);
    batch
}

/// Adds the answers of `other`, slot by slot.
pub(super) fn joined(batch: &mut Batch, other: Batch) {
    for (slot, answer) in other.answers {
        let Some((_, mine)) = batch.answers.iter_mut().find(|(known, _)| *known == slot) else {
            batch.answers.push((slot, answer));
            continue;
        };
        let Answer {
            series,
            warnings,
            infos,
            histogram_series,
            histograms,
        } = answer;
        mine.series.extend(series);
        mine.histograms.extend(histograms);
        mine.warnings.extend(warnings);
        mine.infos.extend(infos);
        mine.histogram_series += histogram_series;
    }
    batch.from = batch.from.max(other.from);
    batch.to = batch.to.min(other.to);
}
