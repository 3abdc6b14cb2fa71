//! What a source is asked, and what becomes of its answers. With both arms of one time that is one
//! question per slot. A baseline of another time is asked on its own, earlier by
//! [`crate::plan::Shifted::back`], and its samples are moved forward by as much when they arrive:
//! everything behind (windows, judge, recordings, charts) then sees two arms of one time. A metric
//! whose data lag behind is asked only as far as they can be there.

use crate::engine::effect::{first_from, reach};
use crate::judge::windows::Arm;
use crate::plan::{ARM_MARK, ARM_MARKS, Plan, Slot};
use crate::series::raw::{Answer, Labels, RawHistogram, RawHistograms, RawSeries, Sample};
use crate::time::{Span, Timestamp};

/// How far a fetch reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Samples after this instant.
    pub from: Timestamp,
    /// The last instant.
    pub to: Timestamp,
    /// Whether it is the first fetch, as in a fetch order.
    pub first: bool,
    /// What is asked for lies long enough in the past for the data of every metric to be there.
    pub settled: bool,
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'p> {
    /// Where its answer belongs.
    pub slot: Slot,
    /// The query.
    pub query: &'p str,
    /// The arm it is asked for; `None` when it is asked for both.
    pub arm: Option<Arm>,
    /// Where it begins: the first instant of grid queries, the instant before the first of raw
    /// ones.
    pub start: Timestamp,
    /// The last instant; before `start` when nothing is to be asked.
    pub end: Timestamp,
    /// How far its samples are moved forward.
    back: Span,
}

impl Ask<'_> {
    /// Nothing can be there yet.
    pub fn is_empty(&self) -> bool {
        self.end < self.start
    }

    /// When the canary's version came, in the time of this question.
    pub fn moved(&self, at: Timestamp) -> Timestamp {
        at.minus(self.back)
    }
}

/// Everything to ask for `plan`, in slot order, the baseline first.
pub fn asks(plan: &Plan, reach: Reach) -> Vec<Ask<'_>> {
    let canary = plan.queries();
    let Some(baseline) = plan.baseline_queries() else {
        let each = canary.into_iter();
        return each
            .map(|(slot, query)| ask(plan, reach, (slot, query), (None, Span::ZERO)))
            .collect();
    };
    let mut out = Vec::with_capacity(2 * canary.len());
    for (canary, baseline) in canary.into_iter().zip(baseline) {
        let back = (Some(Arm::Baseline), plan.back());
        out.push(ask(plan, reach, baseline, back));
        out.push(ask(plan, reach, canary, (Some(Arm::Canary), Span::ZERO)));
    }
    out
}

fn ask<'p>(
    plan: &Plan,
    asked: Reach,
    (slot, query): (Slot, &'p str),
    (arm, back): (Option<Arm>, Span),
) -> Ask<'p> {
    let metric = plan.metrics.get(slot.metric_idx);
    let lag = metric.map_or(Span::ZERO, |metric| metric.lag);
    let (mut start, mut end) = (reach(plan, slot, asked.from, asked.first), asked.to);
    if lag != Span::ZERO && !asked.settled {
        let last = asked.from.minus(lag);
        end = end.minus(lag);
        if end <= plan.timing.start {
            end = Timestamp::MIN; // nothing of the window can be there
        } else if asked.first || last <= plan.timing.start {
            start = reach(plan, slot, first_from(plan), true);
        } else {
            start = reach(plan, slot, last, false);
        }
    }
    Ask {
        slot,
        query,
        arm,
        start: start.minus(back),
        end: end.minus(back),
        back,
    }
}

/// The answers as they go into a batch: one per slot, those of both arms together.
pub fn joined(answers: Vec<(Ask<'_>, Answer)>) -> Vec<(Slot, Answer)> {
    let mut out: Vec<(Slot, Answer)> = Vec::with_capacity(answers.len());
    for (ask, answer) in answers {
        let answer = marked(&ask, answer);
        match out.last_mut() {
            Some((slot, both)) if *slot == ask.slot => add(both, answer),
            _ => out.push((ask.slot, answer)),
        }
    }
    out
}

/// The samples on the canary's time, under the mark of their arm.
fn marked(ask: &Ask<'_>, mut answer: Answer) -> Answer {
    let Some(arm) = ask.arm else {
        return answer;
    };
    let [baseline, canary] = ARM_MARKS;
    let mark = match arm {
        Arm::Baseline => baseline,
        Arm::Canary => canary,
    };
    let marked = |labels: &mut Labels| drop(labels.insert(ARM_MARK.to_owned(), mark.to_owned()));
    for RawSeries { labels, samples } in &mut answer.series {
        marked(labels);
        for Sample { at, .. } in samples {
            *at = at.plus(ask.back);
        }
    }
    for RawHistograms { labels, samples } in &mut answer.histograms {
        marked(labels);
        for RawHistogram { at, .. } in samples {
            *at = at.plus(ask.back);
        }
    }
    answer
}

fn add(both: &mut Answer, other: Answer) {
    both.series.extend(other.series);
    both.histograms.extend(other.histograms);
    both.histogram_series += other.histogram_series;
    for (texts, more) in [
        (&mut both.warnings, other.warnings),
        (&mut both.infos, other.infos),
    ] {
        for text in more {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
}
