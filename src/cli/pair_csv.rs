//! `timestamp_s,baseline,canary` files: a baseline/canary pair of one metric.

use crate::judge::windows::Batch;
use crate::plan::{ARM_MARK, Part, Plan, Slot};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::time::{Span, Step, Timestamp};

/// Rows of a file; a longer one is refused. As many as a plan may have grid points.
pub(crate) const ROWS_MAX: usize = 11_000;

/// How far a distance may be from a whole number of steps before the rows count as irregular.
const JITTER: f64 = 0.02;

/// The step of a file with fewer than two rows: the usual scrape interval at most.
const STEP_DEFAULT_S: f64 = 60.0;

/// The label that tells the arms of a file apart.
pub(crate) const ARM_LABEL: &str = "arm";

/// A pair as read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    /// Seconds since the epoch, strictly rising.
    pub(crate) seconds: Vec<f64>,
    /// `None` is an empty cell: a gap.
    pub(crate) baseline: Vec<Option<f64>>,
    /// `None` is an empty cell: a gap.
    pub(crate) canary: Vec<Option<f64>>,
}

/// A pair on a grid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gridded {
    /// The step.
    pub(crate) step: Step,
    /// The first grid point that is judged.
    pub(crate) start: Timestamp,
    /// Grid points from the first judged row to the last.
    pub(crate) len: usize,
    /// Grid points of the rows before, which are history.
    pub(crate) past: usize,
    /// The grid point of each row.
    pub(crate) idx: Vec<usize>,
    /// Rows were too irregular for a grid of time; they are taken in order instead.
    pub(crate) irregular: bool,
}

/// Reads a file; the error names the row.
pub(crate) fn read(text: &[u8]) -> Result<Pair, String> {
    if text.trim_ascii().is_empty() {
        return Err("the file is empty; the first line must be timestamp_s,baseline,canary".into());
    }
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text);
    let header = reader
        .headers()
        .map_err(|fault| format!("header: {}", unreadable(&fault)))?
        .clone();
    let column = |name: &str| {
        header.iter().position(|cell| cell == name).ok_or_else(|| {
            format!(
                "header `{}` has no column `{name}`; the first line must be \
                 timestamp_s,baseline,canary",
                header.iter().collect::<Vec<_>>().join(",")
            )
        })
    };
    let columns = [
        column("timestamp_s")?,
        column("baseline")?,
        column("canary")?,
    ];
    let mut pair = Pair {
        seconds: Vec::new(),
        baseline: Vec::new(),
        canary: Vec::new(),
    };
    for (idx, row) in reader.records().enumerate() {
        let line = idx + 2;
        if idx >= ROWS_MAX {
            return Err(format!("more than {ROWS_MAX} rows; judge a shorter window"));
        }
        let row = row.map_err(|fault| format!("line {line}: {}", unreadable(&fault)))?;
        let cell = |at: usize| row.get(at).unwrap_or("");
        let [time, baseline, canary] = columns.map(cell);
        let seconds: f64 = time
            .parse()
            .ok()
            .filter(|value| Timestamp::from_seconds(*value).is_some())
            .ok_or_else(|| format!("line {line}: timestamp_s `{time}` is no number of seconds"))?;
        if pair.seconds.last().is_some_and(|before| *before >= seconds) {
            return Err(format!(
                "line {line}: timestamp_s {time} is not after the row before; sort the rows and \
                 drop duplicates"
            ));
        }
        pair.seconds.push(seconds);
        pair.baseline.push(value(baseline, line, "baseline")?);
        pair.canary.push(value(canary, line, "canary")?);
    }
    Ok(pair)
}

/// What is wrong with a line, and the way out.
fn unreadable(fault: &csv::Error) -> String {
    match fault.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} cells, and the header has {expected_len}; leave a gap empty: `60,,2`"),
        csv::ErrorKind::Utf8 { .. } => {
            "not text in UTF-8; save the file as CSV, not as a spreadsheet".to_owned()
        }
        _ => fault.to_string(),
    }
}

/// A number, or a gap: an empty cell and anything that is not finite.
fn value(text: &str, line: usize, column: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<f64>()
        .map(|number| number.is_finite().then_some(number))
        .map_err(|_| format!("line {line}: {column} `{text}` is no number; leave a gap empty"))
}

impl Gridded {
    /// The same rows, of which the first are history.
    pub(crate) fn with_history(self, rows: usize) -> Result<Self, String> {
        let Some(past) = self.idx.get(rows).copied() else {
            return Err(format!(
                "of its {} rows {rows} are history, which leaves none to judge; name fewer",
                self.idx.len()
            ));
        };
        let steps = i64::try_from(past).unwrap_or(i64::MAX);
        Ok(Self {
            start: self.start.plus(self.step.span().times(steps)),
            len: self.len - past,
            past,
            ..self
        })
    }

    /// The instant of grid point `idx` of all rows, when the judged ones begin at `start`.
    fn instant(&self, start: Timestamp, idx: usize) -> Timestamp {
        let steps = |points: usize| {
            let points = i64::try_from(points).unwrap_or(i64::MAX);
            self.step.span().times(points)
        };
        start.minus(steps(self.past)).plus(steps(idx))
    }
}

impl Pair {
    /// Finds the step and the grid point of each row.
    pub(crate) fn gridded(&self) -> Result<Gridded, String> {
        let gaps: Vec<f64> = self
            .seconds
            .windows(2)
            .filter_map(|w| Some(w.get(1)? - w.first()?))
            .collect();
        let mut sorted = gaps.clone();
        sorted.sort_by(f64::total_cmp);
        let usual = sorted
            .get(sorted.len() / 2)
            .copied()
            .unwrap_or(STEP_DEFAULT_S);
        let whole = |gap: f64| {
            let steps = (gap / usual).round();
            steps >= 1.0 && (gap / usual - steps).abs() <= JITTER * steps.max(1.0)
        };
        let length = self.seconds.last().copied().unwrap_or(0.0)
            - self.seconds.first().copied().unwrap_or(0.0);
        let fits = length / usual < ROWS_MAX as f64;
        let irregular = !fits || !gaps.iter().all(|gap| whole(*gap));
        let step = span_of(usual)
            .and_then(Step::new)
            .ok_or_else(|| format!("rows {usual} s apart are closer than a millisecond"))?;
        // No row or one has no distance: it is still a window, only without enough evidence.
        let mut idx: Vec<usize> = self.seconds.first().map(|_| 0).into_iter().collect();
        for gap in &gaps {
            let before = idx.last().copied().unwrap_or(0);
            idx.push(before + if irregular { 1 } else { steps_of(gap / usual) });
        }
        let first = self.seconds.first().copied().unwrap_or(0.0);
        let start = Timestamp::from_seconds(first)
            .unwrap_or(Timestamp::from_s(0))
            .align_up(step);
        let len = idx.last().map_or(0, |last| last + 1);
        Ok(Gridded {
            step,
            start,
            len,
            past: 0,
            idx,
            irregular,
        })
    }

    /// The answer to the one grid query of a plan, and what the plan has to cover.
    pub(crate) fn batch(&self, plan: &Plan, grid: &Gridded) -> Result<Batch, String> {
        let series: Vec<usize> = plan
            .queries()
            .iter()
            .filter(|(slot, _)| slot.part == Part::Grid)
            .map(|(slot, _)| slot.metric_idx)
            .collect();
        let [metric_idx] = series.as_slice() else {
            return Err(format!(
                "a CSV file holds one metric, but template {} has {} series metrics; use a \
                 template with one",
                plan.template,
                series.len()
            ));
        };
        let arm = |name: &str, values: &[Option<f64>]| {
            let samples = grid
                .idx
                .iter()
                .zip(values)
                .filter_map(|(idx, value)| {
                    Some(Sample {
                        at: grid.instant(plan.timing.start, *idx),
                        value: (*value)?,
                    })
                })
                .collect();
            let mut labels: Labels = [(ARM_LABEL.to_owned(), name.to_owned())].into();
            if plan.shifted.is_some() {
                labels.insert(ARM_MARK.to_owned(), name.to_owned());
            }
            RawSeries { labels, samples }
        };
        let answer = Answer {
            series: vec![arm("baseline", &self.baseline), arm("canary", &self.canary)],
            ..Answer::default()
        };
        let slot = Slot {
            metric_idx: *metric_idx,
            part: Part::Grid,
        };
        let start = plan.timing.start;
        let last = (grid.past + grid.len).saturating_sub(1);
        let from = match grid.past {
            0 => start,
            _ => grid.instant(start, 0).minus(grid.step.span()),
        };
        Ok(Batch {
            from,
            to: grid.instant(start, last),
            answers: vec![(slot, answer)],
        })
    }
}

/// Whole milliseconds.
fn span_of(seconds: f64) -> Option<Span> {
    let at = Timestamp::from_seconds(seconds)?;
    Some(Span::from_ms(at.ms()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive and below ROWS_MAX, checked by the caller"
)]
fn steps_of(ratio: f64) -> usize {
    ratio.round() as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn faults_name_the_line() {
        for (text, wanted) in [
            ("", "the file is empty; the first line must be"),
            ("\n \n", "the file is empty"),
            ("time,baseline,canary\n1,2,3\n", "no column `timestamp_s`"),
            (
                "timestamp_s,baseline,canary\n1,2,3\n1,2,3\n",
                "line 3: timestamp_s 1 is not after",
            ),
            (
                "timestamp_s,baseline,canary\n1,x,3\n2,2,3\n",
                "line 2: baseline `x`",
            ),
            (
                "timestamp_s,baseline,canary\nnow,2,3\n2,2,3\n",
                "line 2: timestamp_s `now`",
            ),
            (
                "timestamp_s,baseline,canary\n1,2\n2,2,3\n",
                "line 2: 2 cells, and the header has 3; leave a gap empty",
            ),
        ] {
            let message = read(text.as_bytes()).unwrap_err();
            assert!(message.contains(wanted), "{text:?}: {message}");
        }
        let message = read(b"PK\xff\xfe\x00,\n1,2,3\n").unwrap_err();
        assert!(message.contains("not text in UTF-8"), "{message}");
    }

    #[test]
    fn rows_keep_their_places() {
        let text = "canary,timestamp_s,baseline\n3,100,2\n,160,5\n3,280,NaN\n";
        let pair = read(text.as_bytes()).unwrap();
        assert_eq!(pair.baseline, [Some(2.0), Some(5.0), None]);
        assert_eq!(pair.canary, [Some(3.0), None, Some(3.0)]);
        let regular = read(b"timestamp_s,baseline,canary\n0,1,1\n60,1,1\n180,1,1\n240,1,1\n");
        let grid = regular.unwrap().gridded().unwrap();
        assert_eq!(
            (grid.len, grid.irregular, grid.idx),
            (5, false, vec![0, 1, 3, 4])
        );
        let odd = read(b"timestamp_s,baseline,canary\n0,1,1\n60,1,1\n97,1,1\n191,1,1\n");
        let grid = odd.unwrap().gridded().unwrap();
        assert_eq!((grid.len, grid.irregular), (4, true));
        for (rows, wanted) in [("", 0), ("7,1,2\n", 1)] {
            let text = format!("timestamp_s,baseline,canary\n{rows}");
            let short = read(text.as_bytes()).unwrap().gridded().unwrap();
            assert_eq!(
                (short.len, short.idx.len(), short.irregular),
                (wanted, wanted, false)
            );
        }
    }
}
