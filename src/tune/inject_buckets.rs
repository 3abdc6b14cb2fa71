//! Buckets of a canary that is worse: observations go beyond a threshold, or all become larger.

use crate::judge::windows::Batch;
use crate::plan::Part;
use crate::series::raw::{Answer, Labels};
use crate::simulate::chance::Chance;
use crate::time::Timestamp;
use crate::tune::inject::{Change, Size, added, answer_of, growth, is_canary};
use std::collections::BTreeMap;

/// The label of a bucket's bound.
const LE: &str = "le";

/// Buckets: with a threshold so many more observations beyond it, without one every observation
/// is larger by a share.
pub(super) fn buckets(
    batch: &mut Batch,
    change: &Change<'_>,
    threshold: Option<f64>,
) -> Result<(), String> {
    let Some(answer) = answer_of(batch, Part::Buckets) else {
        return Ok(());
    };
    let native = answer.histograms.iter().any(|s| is_canary(&s.labels));
    if native {
        return Err("native histograms cannot be changed yet".to_owned());
    }
    let shift = match (threshold, change.size) {
        (None, Size::Relative(share)) => Shift::Larger(1.0 + share),
        (None, Size::Absolute(_)) => {
            return Err("a whole distribution is changed by a share".to_owned());
        }
        (Some(bound), _) => Shift::Beyond(bound, added(change)?),
    };
    // The series of one histogram have all labels but the bound in common.
    let mut histograms: BTreeMap<Labels, Vec<(f64, usize)>> = BTreeMap::new();
    for (idx, one) in answer.series.iter().enumerate() {
        let bound = one.labels.get(LE).and_then(|le| le.parse::<f64>().ok());
        let Some(bound) = bound.filter(|_| is_canary(&one.labels)) else {
            continue;
        };
        let mut rest = one.labels.clone();
        rest.remove(LE);
        histograms.entry(rest).or_default().push((bound, idx));
    }
    for (nth, (_, mut bounds)) in histograms.into_iter().enumerate() {
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut chance = Chance::new(change.seed, &["buckets", &nth.to_string()]);
        rewrite(answer, &bounds, (shift, change.start), &mut chance);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Shift {
    /// This share of all observations, so far within the bound, goes beyond it.
    Beyond(f64, f64),
    /// Every observation is this many times as large.
    Larger(f64),
}

/// Rewrites the counters of one histogram, instant by instant.
fn rewrite(
    answer: &mut Answer,
    bounds: &[(f64, usize)],
    (shift, start): (Shift, Timestamp),
    chance: &mut Chance,
) {
    // Growth by instant, cumulative over bounds; a bound that was not read then is left out.
    let mut grown: BTreeMap<Timestamp, Vec<f64>> = BTreeMap::new();
    for (place, (_, idx)) in bounds.iter().enumerate() {
        let Some(one) = answer.series.get(*idx) else {
            continue;
        };
        for (at, events) in growth(&one.samples) {
            let row = grown.entry(at).or_insert_with(|| vec![0.0; bounds.len()]);
            if let Some(cell) = row.get_mut(place) {
                *cell = events;
            }
        }
    }
    let at: Vec<f64> = bounds.iter().map(|(bound, _)| *bound).collect();
    for (when, row) in &mut grown {
        if *when > start {
            *row = moved(&at, row, shift, chance);
        }
    }
    for (place, (_, idx)) in bounds.iter().enumerate() {
        let Some(one) = answer.series.get_mut(*idx) else {
            continue;
        };
        let mut sum = one.samples.first().map_or(0.0, |sample| sample.value);
        for sample in one.samples.iter_mut().skip(1) {
            let row = grown.get(&sample.at);
            sum += row.and_then(|row| row.get(place)).copied().unwrap_or(0.0);
            sample.value = sum;
        }
    }
}

/// The growth of one interval after the shift; cumulative over bounds, as it came.
fn moved(bounds: &[f64], row: &[f64], shift: Shift, chance: &mut Chance) -> Vec<f64> {
    let all = row.last().copied().unwrap_or(0.0);
    match shift {
        Shift::Beyond(bound, more) => {
            let within = bounds
                .iter()
                .position(|b| (b - bound).abs() <= 1e-9 * bound.abs());
            let within = within.and_then(|at| row.get(at)).copied().unwrap_or(0.0);
            if within <= 0.0 {
                return row.to_vec();
            }
            let (goes, comes) = if more >= 0.0 {
                (chance.poisson(more * all).min(within), 0.0)
            } else {
                (0.0, chance.poisson(-more * all).min(all - within))
            };
            let scale = (within - goes + comes) / within;
            let one = |(at, events): (&f64, &f64)| {
                if *at <= bound * (1.0 + 1e-9) {
                    (events * scale).round().min(all)
                } else {
                    events.max((within + comes).min(all))
                }
            };
            bounds.iter().zip(row).map(one).collect()
        }
        Shift::Larger(factor) => {
            let one = |bound: &f64| {
                if bound.is_infinite() {
                    all
                } else {
                    below(bounds, row, bound / factor.max(1e-3)).round()
                }
            };
            bounds.iter().map(one).collect()
        }
    }
}

/// How many observations lie at or below `value`, evenly spread within a bucket.
fn below(bounds: &[f64], row: &[f64], value: f64) -> f64 {
    let (mut low, mut before) = (0.0_f64, 0.0);
    for (bound, events) in bounds.iter().zip(row) {
        if value <= *bound {
            if bound.is_infinite() {
                return before;
            }
            let share = ((value - low) / (bound - low)).clamp(0.0, 1.0);
            return before + share * (events - before);
        }
        (low, before) = (*bound, *events);
    }
    before
}
