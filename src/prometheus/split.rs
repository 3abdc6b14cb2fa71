//! A range on the grid, in pieces no larger than a server answers, and the pieces put together.

use super::RangeQuery;
use super::fault::{Fault, FaultKind};
use super::response::{SAMPLES_MAX, SERIES_MAX};
use crate::series::raw::{Answer, Labels, RawSeries};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Grid points in one request: Prometheus refuses more than 11,000 steps per series
/// ("exceeded maximum resolution"); a longer range is asked for in several requests.
pub const POINTS_PER_REQUEST_MAX: i64 = 11_000;

/// Grid points in one range query, however many requests it takes; a longer one is refused
/// before anything is sent. A month of 5 s steps fits.
pub const POINTS_MAX: i64 = 1_000_000;

/// First and last grid point of each request, in order; empty when no grid point lies inside.
///
/// Both ends are aligned inwards to multiples of the step since 1970, so that the same instants
/// are asked for at every look and by every analysis (some servers also refuse or cache by it).
pub(super) fn pieces(range: RangeQuery) -> Result<Vec<(Timestamp, Timestamp)>, Fault> {
    let (start, end) = (
        range.start.align_up(range.step),
        range.end.align_down(range.step),
    );
    if start > end {
        return Ok(Vec::new());
    }
    let step_ms = range.step.span().ms();
    let steps = end.ms().saturating_sub(start.ms()) / step_ms;
    if steps >= POINTS_MAX {
        let message = format!(
            "range {} to {} in steps of {} has {} points, more than {POINTS_MAX}; take a \
             shorter range or a longer step",
            range.start,
            range.end,
            range.step,
            steps.saturating_add(1)
        );
        return Err(Fault::new(FaultKind::TooLarge, message));
    }
    let mut out = Vec::new();
    let mut first = start;
    while first <= end {
        let next = first.plus(range.step.span().times(POINTS_PER_REQUEST_MAX));
        out.push((first, next.minus(range.step.span()).min(end)));
        first = next;
    }
    Ok(out)
}

/// Joins answers in rising time into one.
#[derive(Default)]
pub(super) struct Merged {
    series: BTreeMap<Labels, RawSeries>,
    samples: usize,
    rest: Answer,
}

impl Merged {
    /// Adds the next piece; samples at or before the last one of their series are repeats.
    pub(super) fn add(&mut self, piece: Answer) -> Result<(), Fault> {
        for mut series in piece.series {
            if let Some(known) = self.series.get_mut(&series.labels) {
                if let Some(last) = known.samples.last().map(|sample| sample.at) {
                    series.samples.retain(|sample| sample.at > last);
                }
                self.samples += series.samples.len();
                known.samples.append(&mut series.samples);
            } else {
                self.samples += series.samples.len();
                self.series.insert(series.labels.clone(), series);
            }
        }
        let limit = if self.series.len() > SERIES_MAX {
            format!("more than {SERIES_MAX} series; aggregate or select fewer")
        } else if self.samples > SAMPLES_MAX {
            format!("more than {SAMPLES_MAX} samples; ask for a shorter range")
        } else {
            merge_texts(&mut self.rest.warnings, piece.warnings);
            merge_texts(&mut self.rest.infos, piece.infos);
            // The same series may hold histograms in every piece; the most seen at once is a
            // lower bound, and all a caller asks is whether there were any.
            self.rest.histogram_series = self.rest.histogram_series.max(piece.histogram_series);
            return Ok(());
        };
        let message = format!("the pieces of the range together have {limit}");
        Err(Fault::new(FaultKind::TooLarge, message))
    }

    /// Everything, series sorted by their labels.
    pub(super) fn finish(self) -> Answer {
        Answer {
            series: self.series.into_values().collect(),
            ..self.rest
        }
    }
}

fn merge_texts(known: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !known.contains(&text) {
            known.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::series::raw::Sample;
    use crate::time::{Span, Step};
    use proptest::prelude::*;

    fn range(start: i64, end: i64, step: i64) -> RangeQuery {
        RangeQuery {
            start: Timestamp::from_ms(start),
            end: Timestamp::from_ms(end),
            step: Step::new(Span::from_ms(step)).unwrap(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// Walking the pieces visits every multiple of the step inside the range exactly once.
        #[test]
        fn pieces_visit_every_grid_point_once(
            start in -100_000_i64..100_000,
            points in 0_i64..40_000,
            extra in 0_i64..1_000,
            step in 1_i64..20,
        ) {
            let end = start + points * step + extra % step;
            let mut visited = Vec::new();
            for (first, last) in pieces(range(start, end, step)).unwrap() {
                let before = visited.len();
                let mut at = first.ms();
                while at <= last.ms() {
                    visited.push(at);
                    at += step;
                }
                let asked = i64::try_from(visited.len() - before).unwrap();
                prop_assert!((1..=POINTS_PER_REQUEST_MAX).contains(&asked));
            }
            let expected: Vec<i64> = (start..=end).filter(|at| at % step == 0).collect();
            prop_assert_eq!(visited, expected);
        }
    }

    #[test]
    fn a_range_without_end_is_refused_not_walked() {
        for (start, end) in [(i64::MIN, i64::MAX), (0, i64::MAX), (0, POINTS_MAX)] {
            let fault = pieces(range(start, end, 1)).unwrap_err();
            assert_eq!(fault.kind, FaultKind::TooLarge, "{fault}");
        }
        assert_eq!(pieces(range(0, POINTS_MAX - 1, 1)).unwrap().len(), 91);
        assert!(pieces(range(1, 9, 10)).unwrap().is_empty());
        assert!(pieces(range(20, 10, 10)).unwrap().is_empty());
    }

    #[test]
    fn the_pieces_together_keep_the_limits_of_one_answer() {
        let piece = |series: usize, samples: usize| {
            let at = Timestamp::from_s(1);
            let series = (0..series).map(|n| RawSeries {
                labels: Labels::from([("n".to_owned(), n.to_string())]),
                samples: vec![Sample { at, value: 1.0 }; samples],
            });
            Answer {
                series: series.collect(),
                ..Answer::default()
            }
        };
        for (series, samples) in [(SERIES_MAX, 0), (1, SAMPLES_MAX)] {
            let mut merged = Merged::default();
            merged.add(piece(series, samples)).unwrap();
            let fault = merged.add(piece(SERIES_MAX + 1, 1)).unwrap_err();
            assert_eq!(fault.kind, FaultKind::TooLarge, "{fault}");
        }
    }

    #[test]
    fn repeats_at_a_seam_are_dropped_and_remarks_kept_once() {
        let piece = |from: i64, to: i64| Answer {
            series: vec![RawSeries {
                labels: Labels::new(),
                samples: (from..=to)
                    .map(|s| Sample {
                        at: Timestamp::from_s(s),
                        value: s as f64,
                    })
                    .collect(),
            }],
            warnings: vec!["w".to_owned()],
            infos: Vec::new(),
            histogram_series: 1,
            histograms: Vec::new(),
        };
        let mut merged = Merged::default();
        for (from, to) in [(1, 5), (5, 8), (7, 9)] {
            merged.add(piece(from, to)).unwrap();
        }
        assert_eq!(merged.finish(), piece(1, 9));
    }
}
